/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - the loop thread: starts it, hands it messages, stops it. The only file that runs a libev
 * loop. Knows nothing of what the messages are about, and calls no function of HAProxy.
 */
#include "ocu/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define OCU_LOOP_NICE 10

struct ocu_loop {
	/* Made by each start, and left in place by a stop: others may still post. */
	_Atomic(struct ev_loop *) ev;
	ev_async wake;
	/* The newest message first. Pushed by any thread and taken whole by the loop thread, so
	 * that no thread ever waits for one that was put aside by the scheduler.
	 */
	_Atomic(struct ocu_msg *) posted;
	atomic_bool stop;
	bool running;
	pthread_t thread;
	void (*init)(void *arg);
	void (*fini)(void *arg);
	void *arg;
};

/* What ocu_loop_cpus() has seen. */
static cpu_set_t process_cpus;
static bool process_cpus_known;

void ocu_loop_cpus(void)
{
	process_cpus_known = sched_getaffinity(0, sizeof(process_cpus), &process_cpus) == 0;
}

const cpu_set_t *ocu_loop_process_cpus(void)
{
	return process_cpus_known ? &process_cpus : NULL;
}

bool ocu_loop_run_posted(struct ocu_loop *l)
{
	struct ocu_msg *newest = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire);
	struct ocu_msg *first = NULL, *next;
	bool any = newest != NULL;

	for (; newest; newest = next) {
		next = newest->next;
		newest->next = first;
		first = newest;
	}
	for (; first; first = next) {
		next = first->next;
		first->run(first);
	}
	return any;
}

static void wake_cb(struct ev_loop *ev, ev_async *w, int revents)
{
	struct ocu_loop *l = w->data;

	(void)revents;
	/* Asked first: what was posted before the stop is then seen by what follows. */
	if (atomic_load_explicit(&l->stop, memory_order_acquire))
		ev_break(ev, EVBREAK_ALL);
	(void)ocu_loop_run_posted(l);
}

/* What the thread does to itself. None of it is a reason not to serve, so failures are ignored: it
 * then competes with the traffic, or stays on one CPU.
 */
static void thread_settle(void)
{
	(void)pthread_setname_np(pthread_self(), "ocu-loop");
	if (process_cpus_known)
		(void)sched_setaffinity(0, sizeof(process_cpus), &process_cpus);
	/* On Linux the calling thread's own value. Never raised, were it lower already. */
	if (getpriority(PRIO_PROCESS, 0) < OCU_LOOP_NICE)
		(void)setpriority(PRIO_PROCESS, 0, OCU_LOOP_NICE);
}

static void *thread_main(void *arg)
{
	struct ocu_loop *l = arg;

	thread_settle();
	if (l->init)
		l->init(l->arg);
	/* what was posted before the thread was there comes before all else */
	(void)ocu_loop_run_posted(l);
	ev_run(l->ev, 0);
	if (l->fini)
		l->fini(l->arg);
	return NULL;
}

enum ocu_status ocu_loop_new(struct ocu_loop **out, struct ocu_err *err)
{
	struct ocu_loop *l;

	*out = NULL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return ocu_fail(err, OCU_NOMEM, "event loop: %s", ocu_text(OCU_NOMEM));
	*out = l;
	return OCU_OK;
}

void ocu_loop_rest(struct ocu_loop *l)
{
	struct ev_loop *ev = atomic_exchange(&l->ev, NULL);

	if (!ev)
		return;
	ev_async_stop(ev, &l->wake);
	ev_loop_destroy(ev);
}

/* Makes libev's loop anew: the process may have forked since the last stop. */
static enum ocu_status ev_new(struct ocu_loop *l, struct ocu_err *err)
{
	struct ev_loop *ev;

	ocu_loop_rest(l);
	ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!ev)
		return ocu_fail(err, OCU_IO, "libev finds no usable way to wait for events");
	ev_async_init(&l->wake, wake_cb);
	l->wake.data = l;
	ev_async_start(ev, &l->wake);
	atomic_store(&l->ev, ev);
	return OCU_OK;
}

enum ocu_status ocu_loop_start(struct ocu_loop *l, void (*init)(void *arg),
			       void (*fini)(void *arg), void *arg, struct ocu_err *err)
{
	sigset_t all, old;
	char text[OCU_ERRNO_BYTES];
	int rc;

	if (l->running)
		return ocu_fail(err, OCU_IO, "the loop thread runs already");
	if (ev_new(l, err) != OCU_OK)
		return OCU_IO;
	l->init = init;
	l->fini = fini;
	l->arg = arg;
	atomic_store(&l->stop, false);
	/* A thread inherits the mask of its creator, so that it never has any signal unblocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&l->thread, NULL, thread_main, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return ocu_fail(err, rc == ENOMEM ? OCU_NOMEM : OCU_IO,
				"the loop thread cannot be started: %s",
				ocu_errno_text(rc, text));
	l->running = true;
	return OCU_OK;
}

void ocu_loop_post(struct ocu_loop *l, struct ocu_msg *m)
{
	struct ev_loop *ev;
	struct ocu_msg *head = atomic_load_explicit(&l->posted, memory_order_relaxed);

	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->posted, &head, m, memory_order_release,
							memory_order_relaxed));
	ev = atomic_load(&l->ev);
	if (ev)
		ev_async_send(ev, &l->wake);
}

void ocu_loop_stop(struct ocu_loop *l)
{
	if (!l->running)
		return;
	atomic_store_explicit(&l->stop, true, memory_order_release);
	ev_async_send(l->ev, &l->wake);
	pthread_join(l->thread, NULL);
	l->running = false;
}

void ocu_loop_free(struct ocu_loop *l)
{
	if (!l)
		return;
	ocu_loop_stop(l);
	ocu_loop_rest(l);
	free(l);
}

struct ev_loop *ocu_loop_ev(struct ocu_loop *l)
{
	return l->ev;
}

void ocu_loop_timer_init(ev_timer *w, ocu_loop_timer_cb *cb, void *data)
{
	ev_init(w, cb);
	ev_set_priority(w, EV_MINPRI);
	w->data = data;
}

void ocu_loop_timer_start(struct ev_loop *ev, ev_timer *w, int64_t ms)
{
	ev_timer_stop(ev, w);
	/* The loop's idea of now is as old as the last time that it waited. */
	ev_now_update(ev);
	ev_timer_set(w, ms > 0 ? (double)ms / 1e3 : 0., 0.);
	ev_timer_start(ev, w);
}

void ocu_loop_timer_stop(struct ev_loop *ev, ev_timer *w)
{
	ev_timer_stop(ev, w);
}
