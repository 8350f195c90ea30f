/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_loop.c - the loop thread: order, nothing lost, start and stop, signals, CPUs, priority.
 * Waits for messages, never for a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ocu/loop.h"

#define POSTERS 4
#define POSTS 2000

static struct ocu_loop *loop_new(void)
{
	struct ocu_loop *l;
	struct ocu_err err;

	assert_int_equal(ocu_loop_new(&l, &err), OCU_OK);
	assert_non_null(l);
	return l;
}

static void start(struct ocu_loop *l, void (*init)(void *), void (*fini)(void *), void *arg)
{
	struct ocu_err err;

	if (ocu_loop_start(l, init, fini, arg, &err) != OCU_OK)
		fail_msg("%s", err.msg);
}

/* ---- many posters ---- */

struct numbered {
	struct ocu_msg msg;
	struct tally *tally;
	int poster, n;
};

struct tally {
	struct ocu_loop *loop;
	int next[POSTERS]; /* loop thread only, like wrong and runs */
	int wrong, runs;
	bool begun, ended, ran_outside;
	struct numbered *all;
};

static void numbered_run(struct ocu_msg *m)
{
	struct numbered *x = (struct numbered *)m;
	struct tally *t = x->tally;

	t->wrong += t->next[x->poster] != x->n;
	t->next[x->poster] = x->n + 1;
	t->runs++;
	t->ran_outside |= !t->begun || t->ended;
}

static void tally_begin(void *arg)
{
	((struct tally *)arg)->begun = true;
}

static void tally_end(void *arg)
{
	((struct tally *)arg)->ended = true;
}

static void *post_all(void *arg)
{
	struct numbered *x = arg;
	int i;

	for (i = 0; i < POSTS; i++)
		ocu_loop_post(x->tally->loop, &x[i].msg);
	return NULL;
}

static void many_posters(void **state)
{
	struct tally t = { .loop = loop_new() };
	pthread_t threads[POSTERS];
	int i;

	(void)state;
	t.all = calloc(POSTERS * POSTS, sizeof(*t.all));
	assert_non_null(t.all);
	for (i = 0; i < POSTERS * POSTS; i++)
		t.all[i] = (struct numbered){ { NULL, numbered_run }, &t, i / POSTS, i % POSTS };
	/* Half of them before there is a thread, and the stop comes at once: none is lost. */
	for (i = 0; i < POSTERS; i++) {
		if (i == POSTERS / 2)
			start(t.loop, tally_begin, tally_end, &t);
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &t.all[i * POSTS]), 0);
	}
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	ocu_loop_stop(t.loop);
	assert_int_equal(t.runs, POSTERS * POSTS);
	assert_int_equal(t.wrong, 0);
	assert_false(t.ran_outside);
	assert_true(t.ended);
	ocu_loop_free(t.loop);
	free(t.all);
}

/* ---- a message that posts itself, and one that frees itself ---- */

struct again {
	struct ocu_msg msg;
	struct ocu_loop *loop;
	int left;
	sem_t done;
};

static void again_run(struct ocu_msg *m)
{
	struct again *a = (struct again *)m;

	if (a->left-- > 0)
		ocu_loop_post(a->loop, &a->msg);
	else
		sem_post(&a->done);
}

static void posts_itself(void **state)
{
	struct again a = { .msg.run = again_run, .left = 100 };

	(void)state;
	sem_init(&a.done, 0, 0);
	a.loop = loop_new();
	start(a.loop, NULL, NULL, NULL);
	ocu_loop_post(a.loop, &a.msg);
	while (sem_wait(&a.done) != 0)
		;
	ocu_loop_free(a.loop);
	assert_int_equal(a.left, -1);
	sem_destroy(&a.done);
}

static void freeing_run(struct ocu_msg *m)
{
	free(m);
}

static void frees_itself(void **state)
{
	struct ocu_loop *l = loop_new();
	struct ocu_msg *m;
	int i;

	(void)state;
	start(l, NULL, NULL, NULL);
	for (i = 0; i < 100; i++) {
		m = calloc(1, sizeof(*m));
		assert_non_null(m);
		m->run = freeing_run;
		ocu_loop_post(l, m);
	}
	/* The leak checker sees those that did not run. */
	ocu_loop_free(l);
}

/* ---- start and stop ---- */

static int n_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void start_and_stop(void **state)
{
	struct tally t = { .loop = loop_new() };
	struct numbered x = { { NULL, numbered_run }, &t, 0, 0 };
	int before, i;

	(void)state;
	before = n_threads();
	ocu_loop_stop(t.loop); /* does not run: nothing happens */
	for (i = 0; i < 3; i++) {
		t.begun = t.ended = false;
		t.next[0] = 0;
		start(t.loop, tally_begin, tally_end, &t);
		assert_int_equal(ocu_loop_start(t.loop, NULL, NULL, NULL, NULL), OCU_IO);
		ocu_loop_post(t.loop, &x.msg);
		ocu_loop_stop(t.loop);
		ocu_loop_stop(t.loop);
		assert_int_equal(t.runs, i + 1);
		assert_int_equal(t.wrong, 0);
		assert_true(t.ended);
		assert_int_equal(n_threads(), before);
	}
	ocu_loop_free(t.loop);
	ocu_loop_free(NULL);
}

/* ---- watchers of libev ---- */

static void timer_cb(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)revents;
	sem_post(w->data);
}

struct count {
	struct ocu_msg msg;
	int n;
};

static void count_up(struct ocu_msg *m)
{
	((struct count *)m)->n++;
}

/* What was posted while no thread runs, and after the descriptors are closed, waits. */
static void waits_for_a_thread(void **state)
{
	struct ocu_loop *l = loop_new();
	struct count c = { .msg.run = count_up };

	(void)state;
	assert_false(ocu_loop_run_posted(l));
	ocu_loop_post(l, &c.msg);
	assert_int_equal(c.n, 0);
	assert_true(ocu_loop_run_posted(l));
	assert_int_equal(c.n, 1);
	ocu_loop_rest(l);
	ocu_loop_post(l, &c.msg);
	assert_int_equal(ocu_loop_start(l, NULL, NULL, NULL, NULL), OCU_OK);
	ocu_loop_stop(l);
	assert_int_equal(c.n, 2);
	ocu_loop_rest(l);
	assert_int_equal(ocu_loop_start(l, NULL, NULL, NULL, NULL), OCU_OK);
	ocu_loop_post(l, &c.msg);
	ocu_loop_stop(l);
	assert_int_equal(c.n, 3);
	ocu_loop_free(l);
}

struct timed {
	struct ocu_loop *loop;
	ev_timer timer;
	sem_t done;
};

static void timer_begin(void *arg)
{
	struct timed *t = arg;

	ev_timer_start(ocu_loop_ev(t->loop), &t->timer);
}

static void runs_watchers(void **state)
{
	struct timed t = { .loop = loop_new() };

	(void)state;
	sem_init(&t.done, 0, 0);
	ev_timer_init(&t.timer, timer_cb, 0.001, 0.);
	t.timer.data = &t.done;
	start(t.loop, timer_begin, NULL, &t);
	while (sem_wait(&t.done) != 0)
		;
	ocu_loop_free(t.loop);
	sem_destroy(&t.done);
}

/* ---- timers and sockets ---- */

#define STALL_MS 30

/* A socket and a timer that both want attention when the loop comes back from a stall. */
struct stalled {
	ev_io io;
	ev_timer timer, stall;
	int fd;           /* the other end */
	char order[8];    /* who was called: 's', 't' */
	size_t n;
};

static void stalled_io_cb(struct ev_loop *ev, ev_io *w, int revents)
{
	struct stalled *k = w->data;

	(void)revents;
	k->order[k->n++] = 's';
	ev_io_stop(ev, w);
}

static void stalled_timer_cb(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct stalled *k = w->data;

	(void)ev;
	(void)revents;
	k->order[k->n++] = 't';
}

/* Keeps the loop busy until the timer is long due, and lets the socket become readable then. */
static void stall_cb(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct stalled *k = w->data;
	int64_t until = ocu_now_ms() + STALL_MS;
	struct pollfd none = { .fd = -1 };

	(void)ev;
	(void)revents;
	while (ocu_now_ms() < until)
		(void)poll(&none, 1, STALL_MS);
	assert_int_equal(write(k->fd, "x", 1), 1);
}

static void sockets_before_timers(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct stalled k = { .n = 0 };
	int fds[2];

	(void)state;
	assert_non_null(ev);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	k.fd = fds[1];
	ev_io_init(&k.io, stalled_io_cb, fds[0], EV_READ);
	k.io.data = &k;
	ev_io_start(ev, &k.io);
	ocu_loop_timer_init(&k.timer, stalled_timer_cb, &k);
	ocu_loop_timer_init(&k.stall, stall_cb, &k);
	ocu_loop_timer_start(ev, &k.timer, STALL_MS / 2);
	ocu_loop_timer_start(ev, &k.stall, 0);
	while (k.n < 2)
		ev_run(ev, EVRUN_ONCE);
	assert_string_equal(k.order, "st");
	close(fds[0]);
	close(fds[1]);
	ev_loop_destroy(ev);
}

static void timers_start_and_stop(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct stalled k = { .n = 0 };

	(void)state;
	assert_non_null(ev);
	ocu_loop_timer_init(&k.timer, stalled_timer_cb, &k);
	ocu_loop_timer_init(&k.stall, stalled_timer_cb, &k);
	ocu_loop_timer_stop(ev, &k.timer);
	/* In the past is at once, but not from inside of the start. */
	ocu_loop_timer_start(ev, &k.timer, -5);
	assert_int_equal(k.n, 0);
	ev_run(ev, 0);
	assert_int_equal(k.n, 1);
	/* Begun anew it fires once; and one that was stopped keeps nobody waiting. */
	ocu_loop_timer_start(ev, &k.timer, 3600000);
	ocu_loop_timer_start(ev, &k.timer, 1);
	ocu_loop_timer_start(ev, &k.stall, 3600000);
	ocu_loop_timer_stop(ev, &k.stall);
	ev_run(ev, 0);
	assert_int_equal(k.n, 2);
	ev_loop_destroy(ev);
}

/* ---- what the thread is like ---- */

struct look {
	struct ocu_msg msg;
	sigset_t mask;
	cpu_set_t cpus;
	int nice;
	char name[16];
	sem_t done;
};

static void look_run(struct ocu_msg *m)
{
	struct look *k = (struct look *)m;

	pthread_sigmask(SIG_SETMASK, NULL, &k->mask);
	sched_getaffinity(0, sizeof(k->cpus), &k->cpus);
	k->nice = getpriority(PRIO_PROCESS, 0);
	pthread_getname_np(pthread_self(), k->name, sizeof(k->name));
	sem_post(&k->done);
}

static void settled(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD,
				       SIGALRM, SIGTTIN, SIGTTOU, SIGQUIT };
	struct look k = { .msg.run = look_run };
	struct ocu_loop *l = loop_new();
	cpu_set_t all, one;
	sigset_t mine, after;
	size_t i;
	int cpu;

	(void)state;
	sem_init(&k.done, 0, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	ocu_loop_cpus();
	/* Started by a thread that is bound to one CPU, as HAProxy binds its own. */
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	start(l, NULL, NULL, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	ocu_loop_post(l, &k.msg);
	while (sem_wait(&k.done) != 0)
		;
	assert_true(CPU_EQUAL(&k.cpus, &all));
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(sigismember(&k.mask, signals[i]), 1);
	assert_true(k.nice >= 10);
	assert_string_equal(k.name, "ocu-loop");
	/* The starting thread is as it was. */
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(sigismember(&after, signals[i]), sigismember(&mine, signals[i]));
	assert_true(getpriority(PRIO_PROCESS, 0) < 10 || k.nice == getpriority(PRIO_PROCESS, 0));
	ocu_loop_free(l);
	sem_destroy(&k.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_posters),
		cmocka_unit_test(posts_itself),
		cmocka_unit_test(frees_itself),
		cmocka_unit_test(start_and_stop),
		cmocka_unit_test(waits_for_a_thread),
		cmocka_unit_test(runs_watchers),
		cmocka_unit_test(sockets_before_timers),
		cmocka_unit_test(timers_start_and_stop),
		cmocka_unit_test(settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
