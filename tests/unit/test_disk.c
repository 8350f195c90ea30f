/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_disk.c - the disk thread: order, nothing lost, one end for each job, a stop that no disk can
 * delay; and what its jobs do with the state directory. Time passes when a test says so: the
 * thread's timed wait is this file's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/disk.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOBODY 65534
#define LIMIT_MS 10000
#define POSTERS 4
#define POSTS 1000

static struct pki *pki;
static struct pki_id leaf;

static void sem_await(sem_t *s)
{
	while (sem_wait(s) != 0)
		assert_int_equal(errno, EINTR);
}

/* ---- time, which passes when it is told to ---- */

static struct {
	const char *script; /* of each wait: 'w' lasts until the thread has ended, 't' times out */
	sem_t begun;        /* posted when a wait begins */
} waits;

static void time_is(const char *script)
{
	waits.script = script;
	sem_init(&waits.begun, 0, 0);
}

/* This program's definition comes before that of the C library, also for the code under test. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *end)
{
	assert_true(end->tv_nsec >= 0 && end->tv_nsec < 1000000000);
	sem_post(&waits.begun);
	if (*waits.script && *waits.script++ == 't')
		return ETIMEDOUT;
	return pthread_cond_wait(cond, lock);
}

/* ---- a disk that hangs ---- */

static struct {
	_Atomic(const char *) call; /* the system call that does not come back */
	sem_t begun, resume;
} hang;

static void hang_at(const char *call)
{
	sem_init(&hang.begun, 0, 0);
	sem_init(&hang.resume, 0, 0);
	atomic_store(&hang.call, call);
}

static void hang_in(const char *call)
{
	const char *armed = atomic_load(&hang.call);

	if (!armed || strcmp(armed, call) != 0)
		return;
	atomic_store(&hang.call, NULL);
	sem_post(&hang.begun);
	sem_await(&hang.resume);
}

int flock(int fd, int how)
{
	int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");

	hang_in("flock");
	return real(fd, how);
}

ssize_t read(int fd, void *p, size_t n)
{
	ssize_t (*real)(int, void *, size_t) =
		(ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");

	hang_in("read");
	return real(fd, p, n);
}

/* ---- a directory with a disk thread ---- */

struct bed {
	char path[256];
	struct ocu_store s;
	struct ocu_disk *d;
	int fds; /* that were open before */
};

static int entries_of(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void bed_init(struct bed *b)
{
	const char *tmp = getenv("TMPDIR");
	struct ocu_err err;

	b->fds = entries_of("/proc/self/fd");
	snprintf(b->path, sizeof(b->path), "%s/ocu-disk-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->path));
	/* The one that the thread is made from is closed long before it is used. */
	assert_int_equal(ocu_store_init(&b->s, b->path, &err), OCU_OK);
	assert_int_equal(ocu_disk_new(&b->d, &b->s, &err), OCU_OK);
	ocu_store_fini(&b->s);
	assert_int_equal(ocu_store_init(&b->s, b->path, &err), OCU_OK);
	time_is("");
}

static void start(struct bed *b)
{
	struct ocu_err err;

	if (ocu_disk_start(b->d, NULL, &err) != OCU_OK)
		fail_msg("%s", err.msg);
}

static void entries_remove(struct bed *b)
{
	DIR *d = opendir(b->path);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		(void)unlinkat(b->s.dir, e->d_name, 0);
	closedir(d);
}

static void bed_fini(struct bed *b)
{
	ocu_disk_free(b->d);
	entries_remove(b);
	ocu_store_fini(&b->s);
	assert_int_equal(rmdir(b->path), 0);
	assert_int_equal(entries_of("/proc/self/fd"), b->fds);
}

/* ---- a job that tells what happens to it ---- */

struct probe {
	struct ocu_disk_job job;
	int parts;          /* how often it wants to run */
	bool waits;         /* runs until <resume> is posted */
	sem_t begun, resume, ended;
	sem_t *gone;        /* posted when the thread has ended on which it ran */
	int runs, dones;
	int place;          /* its end was the so manieth */
	int *places;        /* counts ends */
	pthread_t ran, completed; /* the threads of both */
};

static pthread_key_t thread_gone;

static void thread_gone_cb(void *arg)
{
	sem_post(arg);
}

static bool probe_run(struct ocu_disk_job *j)
{
	struct probe *p = (struct probe *)j;

	p->ran = pthread_self();
	p->runs++;
	if (p->gone)
		assert_int_equal(pthread_setspecific(thread_gone, p->gone), 0);
	sem_post(&p->begun);
	if (p->waits)
		sem_await(&p->resume);
	return p->runs < p->parts;
}

static void probe_done(struct ocu_disk_job *j)
{
	struct probe *p = (struct probe *)j;

	p->completed = pthread_self();
	p->dones++;
	if (p->places)
		p->place = ++*p->places;
	sem_post(&p->ended);
}

static void probe_init(struct probe *p, int *places)
{
	memset(p, 0, sizeof(*p));
	p->job.run = probe_run;
	p->job.done = probe_done;
	p->parts = 1;
	p->places = places;
	sem_init(&p->begun, 0, 0);
	sem_init(&p->resume, 0, 0);
	sem_init(&p->ended, 0, 0);
}

/* ---- order, and one end for each ---- */

struct numbered {
	struct ocu_disk_job job;
	struct tally *tally;
	int poster, n;
};

struct tally {
	struct ocu_disk *d;
	int next[POSTERS]; /* disk thread only, like those that follow */
	int wrong, runs, ends;
	struct numbered *all;
};

static bool numbered_run(struct ocu_disk_job *j)
{
	struct numbered *x = (struct numbered *)j;

	x->tally->wrong += x->tally->next[x->poster] != x->n;
	x->tally->runs++;
	return false;
}

static void numbered_done(struct ocu_disk_job *j)
{
	struct numbered *x = (struct numbered *)j;

	x->tally->wrong += j->err.code != OCU_OK;
	x->tally->next[x->poster] = x->n + 1;
	x->tally->ends++;
}

static void *post_all(void *arg)
{
	struct numbered *x = arg;
	int i;

	for (i = 0; i < POSTS; i++)
		ocu_disk_post(x->tally->d, &x[i].job);
	return NULL;
}

static void many_posters(void **state)
{
	struct tally t = { 0 };
	pthread_t threads[POSTERS];
	struct probe last;
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	t.d = b.d;
	t.all = calloc(POSTERS * POSTS, sizeof(*t.all));
	assert_non_null(t.all);
	for (i = 0; i < POSTERS * POSTS; i++)
		t.all[i] = (struct numbered){ .job = { .run = numbered_run, .done = numbered_done },
					      .tally = &t, .poster = i / POSTS, .n = i % POSTS };
	/* Half of them before there is a thread. */
	for (i = 0; i < POSTERS; i++) {
		if (i == POSTERS / 2)
			start(&b);
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &t.all[i * POSTS]), 0);
	}
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	probe_init(&last, NULL);
	ocu_disk_post(b.d, &last.job);
	sem_await(&last.ended);
	assert_int_equal(t.runs, POSTERS * POSTS);
	assert_int_equal(t.ends, POSTERS * POSTS);
	assert_int_equal(t.wrong, 0);
	/* Work and end are on one thread, which is another one. */
	assert_true(pthread_equal(last.ran, last.completed));
	assert_false(pthread_equal(last.ran, pthread_self()));
	bed_fini(&b);
	free(t.all);
}

static void done_again(struct ocu_disk_job *j)
{
	struct probe *p = (struct probe *)j;

	if (p->dones < 100)
		ocu_disk_post(j->disk, j);
	probe_done(j);
}

static bool nothing_run(struct ocu_disk_job *j)
{
	(void)j;
	return false;
}

static void done_frees(struct ocu_disk_job *j)
{
	free(j);
}

/* A job may be posted again or freed when it is done. */
static void again_and_freed(void **state)
{
	struct ocu_disk_job *freed;
	struct probe p;
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	start(&b);
	/* The leak checker sees those that were not done. */
	for (i = 0; i < 10; i++) {
		freed = calloc(1, sizeof(*freed));
		assert_non_null(freed);
		freed->run = nothing_run;
		freed->done = done_frees;
		ocu_disk_post(b.d, freed);
	}
	probe_init(&p, NULL);
	p.job.done = done_again;
	ocu_disk_post(b.d, &p.job);
	for (i = 0; i <= 100; i++)
		sem_await(&p.ended);
	assert_int_equal(p.runs, 101);
	bed_fini(&b);
}

/* A job of several parts lets others have their turn between them. */
static void in_parts(void **state)
{
	struct probe long_one, short_one;
	int places = 0;
	struct bed b;

	(void)state;
	bed_init(&b);
	probe_init(&long_one, &places);
	probe_init(&short_one, &places);
	long_one.parts = 3;
	ocu_disk_post(b.d, &long_one.job);
	ocu_disk_post(b.d, &short_one.job);
	start(&b);
	sem_await(&long_one.ended);
	assert_int_equal(long_one.runs, 3);
	assert_int_equal(long_one.dones, 1);
	assert_int_equal(short_one.place, 1);
	assert_int_equal(long_one.place, 2);
	bed_fini(&b);
}

/* ---- start and stop ---- */

static void no_directory(void **state)
{
	const struct ocu_store closed = { .dir = -1 };
	struct ocu_disk *d = (struct ocu_disk *)&closed;
	struct ocu_err err;

	(void)state;
	assert_int_equal(ocu_disk_new(&d, &closed, &err), OCU_IO);
	assert_null(d);
	assert_string_equal(err.msg, "state directory: Bad file descriptor");
	ocu_disk_free(NULL);
	/* it needs none for the work of others */
	assert_int_equal(ocu_disk_new(&d, NULL, &err), OCU_OK);
	assert_int_equal(ocu_disk_dir(d), -1);
	assert_int_equal(ocu_disk_start(d, NULL, &err), OCU_OK);
	ocu_disk_free(d);
}

static void start_and_stop(void **state)
{
	struct ocu_err err;
	struct probe p;
	struct bed b;
	int i, threads;

	(void)state;
	bed_init(&b);
	threads = entries_of("/proc/self/task");
	assert_true(ocu_disk_stop(b.d, LIMIT_MS)); /* does not run: nothing happens */
	for (i = 0; i < 3; i++) {
		start(&b);
		assert_int_equal(ocu_disk_start(b.d, NULL, &err), OCU_IO);
		assert_string_equal(err.msg, "the disk thread runs already");
		probe_init(&p, NULL);
		ocu_disk_post(b.d, &p.job);
		sem_await(&p.ended);
		assert_true(ocu_disk_stop(b.d, LIMIT_MS));
		assert_true(ocu_disk_stop(b.d, LIMIT_MS));
		assert_int_equal(p.runs, 1);
		assert_int_equal(p.dones, 1);
		assert_int_equal(entries_of("/proc/self/task"), threads);
	}
	/* What is posted after the stop waits for the next start, or for the end. */
	probe_init(&p, NULL);
	ocu_disk_post(b.d, &p.job);
	assert_int_equal(p.dones, 0);
	bed_fini(&b);
	assert_int_equal(p.runs, 0);
	assert_int_equal(p.dones, 1);
	assert_int_equal(p.job.err.code, OCU_CANCELLED);
}

/* ---- a stop with work to do ---- */

static void *stop_main(void *arg)
{
	struct bed *b = arg;

	return ocu_disk_stop(b->d, LIMIT_MS) ? b : NULL;
}

/* One job runs, three wait: the second of them is to be done at a stop. */
static void stopped_at_work(void **state)
{
	static const struct {
		const char *script;
		int waits;             /* of so many the first job sees the begin */
		enum ocu_status second;
	} rows[] = {
		{ "w", 1, OCU_OK },
		{ "tw", 2, OCU_CANCELLED }, /* half of the time is over */
	};
	struct probe runs, waiting[3];
	pthread_t stopper;
	struct bed b;
	size_t i, k;
	int places;
	void *ended;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bed_init(&b);
		places = 0;
		start(&b);
		probe_init(&runs, &places);
		runs.waits = true;
		ocu_disk_post(b.d, &runs.job);
		sem_await(&runs.begun);
		for (k = 0; k < 3; k++) {
			probe_init(&waiting[k], &places);
			waiting[k].job.at_stop = k == 1;
			ocu_disk_post(b.d, &waiting[k].job);
		}
		time_is(rows[i].script);
		assert_int_equal(pthread_create(&stopper, NULL, stop_main, &b), 0);
		for (k = 0; k < (size_t)rows[i].waits; k++)
			sem_await(&waits.begun);
		sem_post(&runs.resume);
		assert_int_equal(pthread_join(stopper, &ended), 0);
		assert_non_null(ended);
		assert_int_equal(runs.job.err.code, OCU_OK);
		assert_int_equal(runs.place, 1);
		for (k = 0; k < 3; k++) {
			assert_int_equal(waiting[k].job.err.code,
					 k == 1 ? rows[i].second : OCU_CANCELLED);
			assert_int_equal(waiting[k].runs, waiting[k].job.err.code == OCU_OK);
			assert_int_equal(waiting[k].place, k + 2);
			assert_true(pthread_equal(waiting[k].completed, runs.ran));
		}
		bed_fini(&b);
	}
}

/* A job of several parts that a stop ends in the middle. */
static void stopped_between_parts(void **state)
{
	struct probe p;
	pthread_t stopper;
	struct bed b;
	void *ended;

	(void)state;
	bed_init(&b);
	start(&b);
	probe_init(&p, NULL);
	p.parts = 2;
	p.waits = true;
	ocu_disk_post(b.d, &p.job);
	sem_await(&p.begun);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, &b), 0);
	sem_await(&waits.begun);
	sem_post(&p.resume);
	assert_int_equal(pthread_join(stopper, &ended), 0);
	assert_non_null(ended);
	assert_int_equal(p.runs, 1);
	assert_int_equal(p.dones, 1);
	assert_int_equal(p.job.err.code, OCU_CANCELLED);
	bed_fini(&b);
}

/* ---- a disk that hangs ---- */

/* The thread is given up; it comes back before or after its owner has left, or never. */
static void given_up(void **state)
{
	struct probe hangs, waiting, late;
	struct ocu_err err;
	struct bed b;
	sem_t gone;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		bed_init(&b);
		start(&b);
		sem_init(&gone, 0, 0);
		probe_init(&hangs, NULL);
		hangs.waits = true;
		hangs.gone = &gone;
		ocu_disk_post(b.d, &hangs.job);
		sem_await(&hangs.begun);
		probe_init(&waiting, NULL);
		waiting.job.at_stop = true;
		ocu_disk_post(b.d, &waiting.job);
		time_is("tt");
		assert_false(ocu_disk_stop(b.d, LIMIT_MS));
		assert_false(ocu_disk_stop(b.d, LIMIT_MS));
		/* Who waited was told so, by the only thread that can. */
		assert_int_equal(waiting.dones, 1);
		assert_int_equal(waiting.job.err.code, OCU_CANCELLED);
		assert_true(pthread_equal(waiting.completed, pthread_self()));
		assert_int_equal(ocu_disk_start(b.d, NULL, &err), OCU_IO);
		assert_string_equal(err.msg, "the disk thread was given up");
		probe_init(&late, NULL);
		ocu_disk_post(b.d, &late.job);
		assert_int_equal(late.dones, 0);
		if (i == 0) {
			sem_post(&hangs.resume);
			sem_await(&gone);
		}
		ocu_disk_free(b.d);
		b.d = NULL;
		assert_int_equal(late.dones, 1);
		assert_int_equal(late.job.err.code, OCU_CANCELLED);
		if (i == 1) {
			sem_post(&hangs.resume);
			sem_await(&gone);
		}
		/* Nobody was called, and nothing is left. */
		assert_int_equal(hangs.dones, 0);
		assert_int_equal(waiting.runs + late.runs, 0);
		bed_fini(&b);
	}
}

/* A process whose disk hangs ends by exit(), with all that is done then. */
static void exit_is_not_delayed(void **state)
{
	struct probe hangs;
	struct bed b;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bed_init(&b);
		start(&b);
		probe_init(&hangs, NULL);
		hangs.waits = true;
		ocu_disk_post(b.d, &hangs.job);
		sem_await(&hangs.begun);
		assert_int_equal(rmdir(b.path), 0);
		time_is("tt");
		if (ocu_disk_stop(b.d, LIMIT_MS))
			_exit(2);
		ocu_disk_free(b.d);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- what the thread is like ---- */

struct look {
	struct ocu_disk_job job;
	sigset_t mask;
	cpu_set_t cpus;
	int nice;
	uid_t uid;
	gid_t gid;
	char name[16];
	sem_t ended;
};

static bool look_run(struct ocu_disk_job *j)
{
	struct look *k = (struct look *)j;

	pthread_sigmask(SIG_SETMASK, NULL, &k->mask);
	sched_getaffinity(0, sizeof(k->cpus), &k->cpus);
	k->nice = getpriority(PRIO_PROCESS, 0);
	k->uid = (uid_t)setfsuid((uid_t)-1);
	k->gid = (gid_t)setfsgid((gid_t)-1);
	pthread_getname_np(pthread_self(), k->name, sizeof(k->name));
	return false;
}

static void look_done(struct ocu_disk_job *j)
{
	sem_post(&((struct look *)j)->ended);
}

static void look(struct look *k, struct bed *b)
{
	memset(k, 0, sizeof(*k));
	k->job.run = look_run;
	k->job.done = look_done;
	sem_init(&k->ended, 0, 0);
	ocu_disk_post(b->d, &k->job);
	sem_await(&k->ended);
}

static void settled(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD,
				       SIGALRM, SIGTTIN, SIGTTOU, SIGQUIT };
	struct ocu_disk_conf conf = { 0 };
	cpu_set_t all, one;
	sigset_t mine, after;
	struct look k;
	struct bed b;
	size_t i;
	int cpu;

	(void)state;
	bed_init(&b);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	/* Started by a thread that is bound to one CPU, as HAProxy binds its own. */
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	conf.cpus = &all;
	assert_int_equal(ocu_disk_start(b.d, &conf, NULL), OCU_OK);
	look(&k, &b);
	assert_true(CPU_EQUAL(&k.cpus, &all));
	for (i = 0; i < COUNT(signals); i++)
		assert_int_equal(sigismember(&k.mask, signals[i]), 1);
	assert_true(k.nice >= 10);
	assert_string_equal(k.name, "ocu-disk");
	assert_int_equal(k.uid, geteuid());
	/* Without being told, it is where its creator is. */
	assert_true(ocu_disk_stop(b.d, LIMIT_MS));
	start(&b);
	look(&k, &b);
	assert_true(CPU_EQUAL(&k.cpus, &one));
	/* The starting thread is as it was. */
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (i = 0; i < COUNT(signals); i++)
		assert_int_equal(sigismember(&after, signals[i]), sigismember(&mine, signals[i]));
	bed_fini(&b);
}

/* ---- loading ---- */

static const uint8_t certid[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };
static const struct ocu_slice id = { certid, sizeof(certid) };
static sem_t typed_ended;

static void typed_done(struct ocu_disk_job *j)
{
	(void)j;
	sem_post(&typed_ended);
}

/* Makes a response for the leaf: from <begin> until <end>, both relative to now. */
static size_t response(uint8_t **der, int64_t begin, int64_t end, enum pki_signer by)
{
	struct pki_response r = { .n_singles = 1, .signer = by };

	r.singles[0] = (struct pki_single){ .cert = leaf.cert, .this_update = pki->now + begin,
					    .next_update = pki->now + end };
	return pki_response_make(pki, der, &r);
}

/* Makes the saved file, as another process does. */
static void file_make(struct bed *b, mode_t mode, const void *p, size_t n)
{
	char name[OCU_STORE_NAME_BYTES];
	int fd;

	ocu_store_name(name, certid, sizeof(certid));
	fd = openat(b->s.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static bool file_is(struct bed *b, const void *p, size_t n)
{
	struct ocu_buf there;
	bool ret;

	ocu_buf_init(&there, OCU_OCSP_MAX_BYTES);
	if (ocu_store_get(&b->s, certid, sizeof(certid), &there, NULL) != OCU_OK)
		there.len = 0;
	ret = there.len == n && memcmp(there.data, p, n) == 0;
	ocu_buf_fini(&there);
	return ret;
}

static void load_init(struct ocu_disk_load *l)
{
	*l = (struct ocu_disk_load){ .job.done = typed_done, .certid = id, .cert = leaf.cert,
				     .issuer = pki->by[PKI_BY_ISSUER].cert };
	ocu_buf_init(&l->der, OCU_OCSP_MAX_BYTES);
}

static void load(struct bed *b, struct ocu_disk_load *l)
{
	load_init(l);
	ocu_disk_load_start(b->d, l);
	sem_await(&typed_ended);
}

static void loads(void **state)
{
	static const struct {
		int64_t begin, end;
		enum pki_signer by;
		mode_t mode; /* 0: there is no file */
		enum ocu_status st;
		const char *why;
	} rows[] = {
		{ -3600, 86400, PKI_BY_ISSUER, 0600, OCU_OK, "" },
		{ -3600, 86400, PKI_BY_DELEGATE, 0600, OCU_OK, "" },
		{ -3600, 86400, PKI_BY_ISSUER, 0, OCU_AGAIN, "" },
		{ -3600, 86400, PKI_BY_STRANGER, 0600, OCU_OCSP, "signer" },
		{ -3600, -60, PKI_BY_ISSUER, 0600, OCU_ENDED, "no longer valid" },
		{ -3600, 86400, PKI_BY_ISSUER, 0666, OCU_IO, "others may write to it" },
	};
	struct ocu_disk_load l;
	struct ocu_held held;
	struct bed b;
	uint8_t *der;
	size_t i, n;

	(void)state;
	bed_init(&b);
	start(&b);
	for (i = 0; i < COUNT(rows); i++) {
		n = response(&der, rows[i].begin, rows[i].end, rows[i].by);
		entries_remove(&b);
		if (rows[i].mode)
			file_make(&b, rows[i].mode, der, n);
		load(&b, &l);
		assert_int_equal(l.job.err.code, rows[i].st);
		assert_non_null(strstr(l.job.err.msg, rows[i].why));
		assert_int_equal(l.der.len, rows[i].st == OCU_OK ? n : 0);
		if (rows[i].st == OCU_OK) {
			assert_memory_equal(l.der.data, der, n);
			assert_int_equal(l.ocsp.this_update, pki->now + rows[i].begin);
			assert_int_equal(l.ocsp.next_update, pki->now + rows[i].end);
			ocu_held_init(&held, &l.ocsp, der, n);
			assert_memory_equal(&l.held, &held, sizeof(held));
		}
		ocu_buf_fini(&l.der);
		free(der);
	}
	bed_fini(&b);
}

/* ---- saving ---- */

static void save_init(struct ocu_disk_save *s, const uint8_t *der, size_t n, int64_t begin,
		      int64_t end)
{
	struct ocu_ocsp o = { .this_update = pki->now + begin, .next_update = pki->now + end,
			      .expiry = pki->now + end - OCU_OCSP_SKEW_S };

	*s = (struct ocu_disk_save){ .job.done = typed_done, .certid = id, .cert = leaf.cert,
				     .issuer = pki->by[PKI_BY_ISSUER].cert, .der = { der, n } };
	ocu_held_init(&s->held, &o, der, n);
}

static void saves(void **state)
{
	static const struct {
		int64_t begin, end;   /* of what is there */
		enum pki_signer by;
		bool there;
		enum ocu_status st;
	} rows[] = {
		{ 0, 0, PKI_BY_ISSUER, false, OCU_OK },
		{ -7200, 86400, PKI_BY_ISSUER, true, OCU_OK },
		{ -3600, 86401, PKI_BY_ISSUER, true, OCU_OK },
		{ -3599, 86400, PKI_BY_ISSUER, true, OCU_AGAIN },
		{ -60, 3600, PKI_BY_DELEGATE, true, OCU_AGAIN },
		/* What says to be newer and does not verify is not worth keeping. */
		{ -60, 86400, PKI_BY_STRANGER, true, OCU_OK },
		{ -60, 200, PKI_BY_ISSUER, true, OCU_OK },
		{ 3600, 86400, PKI_BY_ISSUER, true, OCU_OK },
	};
	uint8_t *ours, *theirs = NULL;
	size_t i, n, their_n = 0;
	struct ocu_disk_save s;
	struct bed b;

	(void)state;
	bed_init(&b);
	start(&b);
	n = response(&ours, -3600, 86400, PKI_BY_ISSUER);
	for (i = 0; i < COUNT(rows); i++) {
		entries_remove(&b);
		if (rows[i].there) {
			their_n = response(&theirs, rows[i].begin, rows[i].end, rows[i].by);
			file_make(&b, 0600, theirs, their_n);
		}
		save_init(&s, ours, n, -3600, 86400);
		ocu_disk_save_start(b.d, &s);
		sem_await(&typed_ended);
		assert_int_equal(s.job.err.code, rows[i].st);
		assert_string_equal(s.job.err.msg, "");
		if (rows[i].st == OCU_OK)
			assert_true(file_is(&b, ours, n));
		else
			assert_true(file_is(&b, theirs, their_n));
		free(theirs);
		theirs = NULL;
	}
	free(ours);
	bed_fini(&b);
}

static void save_fails(void **state)
{
	struct ocu_disk_save s;
	struct bed b;
	uint8_t *der;
	size_t n;

	(void)state;
	bed_init(&b);
	assert_int_equal(rmdir(b.path), 0);
	start(&b);
	n = response(&der, -3600, 86400, PKI_BY_ISSUER);
	save_init(&s, der, n, -3600, 86400);
	ocu_disk_save_start(b.d, &s);
	sem_await(&typed_ended);
	assert_int_equal(s.job.err.code, OCU_IO);
	assert_non_null(strstr(s.job.err.msg, "creating: No such file or directory"));
	free(der);
	assert_int_equal(mkdir(b.path, 0700), 0);
	bed_fini(&b);
}

/* What is saved when the thread is stopped is on the disk afterwards, what is loaded is not. */
static void saved_at_stop(void **state)
{
	struct ocu_disk_load l;
	struct ocu_disk_save s;
	struct probe runs;
	pthread_t stopper;
	struct bed b;
	uint8_t *der;
	void *ended;
	size_t n;

	(void)state;
	bed_init(&b);
	start(&b);
	probe_init(&runs, NULL);
	runs.waits = true;
	ocu_disk_post(b.d, &runs.job);
	sem_await(&runs.begun);
	n = response(&der, -3600, 86400, PKI_BY_ISSUER);
	save_init(&s, der, n, -3600, 86400);
	ocu_disk_save_start(b.d, &s);
	load_init(&l);
	ocu_disk_load_start(b.d, &l);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, &b), 0);
	sem_await(&waits.begun);
	sem_post(&runs.resume);
	assert_int_equal(pthread_join(stopper, &ended), 0);
	assert_non_null(ended);
	sem_await(&typed_ended);
	sem_await(&typed_ended);
	assert_int_equal(s.job.err.code, OCU_OK);
	assert_true(file_is(&b, der, n));
	assert_int_equal(l.job.err.code, OCU_CANCELLED);
	assert_int_equal(l.der.len, 0);
	free(der);
	bed_fini(&b);
}

/* The disk hangs in the middle of a load or a save, and comes back when all others have left: they
 * are not gone on with.
 */
static void hung_in_the_middle(void **state)
{
	static const struct {
		const char *call;
		bool saves;
	} rows[] = { { "read", false }, { "flock", true }, { "read", true } };
	uint8_t *old, *new;
	struct ocu_disk_load l;
	struct ocu_disk_save s;
	struct probe first;
	size_t i, old_n, new_n;
	struct bed b;
	sem_t gone;

	(void)state;
	old_n = response(&old, -7200, 86400, PKI_BY_ISSUER);
	new_n = response(&new, -3600, 86400, PKI_BY_ISSUER);
	for (i = 0; i < COUNT(rows); i++) {
		bed_init(&b);
		file_make(&b, 0600, old, old_n);
		start(&b);
		sem_init(&gone, 0, 0);
		probe_init(&first, NULL);
		first.gone = &gone;
		ocu_disk_post(b.d, &first.job);
		sem_await(&first.ended);
		hang_at(rows[i].call);
		load_init(&l);
		save_init(&s, new, new_n, -3600, 86400);
		if (rows[i].saves)
			ocu_disk_save_start(b.d, &s);
		else
			ocu_disk_load_start(b.d, &l);
		sem_await(&hang.begun);
		time_is("tt");
		assert_false(ocu_disk_stop(b.d, LIMIT_MS));
		ocu_disk_free(b.d);
		b.d = NULL;
		sem_post(&hang.resume);
		sem_await(&gone);
		assert_int_not_equal(sem_trywait(&typed_ended), 0);
		assert_int_equal(l.ocsp.this_update, 0);
		assert_true(file_is(&b, old, old_n));
		ocu_buf_fini(&l.der);
		bed_fini(&b);
	}
	free(old);
	free(new);
}

/* ---- as another user ---- */

static void as_another_user(void **state)
{
	struct ocu_disk_conf conf = { .uid = NOBODY, .gid = NOBODY };
	char name[OCU_STORE_NAME_BYTES];
	struct ocu_disk_load l;
	struct ocu_disk_save s;
	struct look k;
	struct stat st;
	struct bed b;
	uint8_t *der;
	size_t n;

	(void)state;
	if (geteuid() != 0) {
		print_message("skip: only root can act as another user\n");
		skip();
	}
	bed_init(&b);
	assert_int_equal(chown(b.path, NOBODY, NOBODY), 0);
	assert_int_equal(ocu_disk_start(b.d, &conf, NULL), OCU_OK);
	look(&k, &b);
	assert_int_equal(k.uid, NOBODY);
	assert_int_equal(k.gid, NOBODY);
	/* The starting thread is as it was. */
	assert_int_equal(setfsuid((uid_t)-1), 0);
	assert_int_equal(setfsgid((gid_t)-1), 0);
	n = response(&der, -3600, 86400, PKI_BY_ISSUER);
	save_init(&s, der, n, -3600, 86400);
	ocu_disk_save_start(b.d, &s);
	sem_await(&typed_ended);
	assert_int_equal(s.job.err.code, OCU_OK);
	ocu_store_name(name, certid, sizeof(certid));
	assert_int_equal(fstatat(b.s.dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, NOBODY);
	assert_int_equal(st.st_gid, NOBODY);
	/* It reads what is its own, and what it could not read later it cannot read now. */
	load(&b, &l);
	assert_int_equal(l.job.err.code, OCU_OK);
	ocu_buf_fini(&l.der);
	assert_int_equal(fchownat(b.s.dir, name, 0, 0, 0), 0);
	load(&b, &l);
	assert_int_equal(l.job.err.code, OCU_IO);
	assert_non_null(strstr(l.job.err.msg, "opening: Permission denied"));
	ocu_buf_fini(&l.der);
	free(der);
	bed_fini(&b);
}

/* Who cannot become another user does not start. */
static void not_as_another_user(void **state)
{
	struct ocu_disk_conf conf = { .uid = 1 };
	struct ocu_err err;
	struct bed b;
	bool root = geteuid() == 0;

	(void)state;
	bed_init(&b);
	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(ocu_disk_start(b.d, &conf, &err), OCU_IO);
	assert_non_null(strstr(err.msg, "the disk thread cannot act as user 1"));
	assert_int_equal(setfsuid((uid_t)-1), geteuid());
	if (root)
		assert_int_equal(seteuid(0), 0);
	start(&b);
	bed_fini(&b);
}

/* ---- sweeping ---- */

#define FILES 700

/* Writes the CertID of the <i>-th certificate. */
static struct ocu_slice nth_id(uint8_t out[static 4], int i)
{
	out[0] = 0x30;
	out[1] = 0x02;
	out[2] = (uint8_t)(i >> 8);
	out[3] = (uint8_t)i;
	return (struct ocu_slice){ out, 4 };
}

/* Saves FILES responses, of which every seventh does not expire for long. */
static void many_make(struct bed *b)
{
	uint8_t bytes[4];
	int i;

	for (i = 0; i < FILES; i++)
		assert_int_equal(ocu_store_put(&b->s, nth_id(bytes, i).p, 4, bytes, 4,
					       i % 7 ? 1000 : pki->now + 86400, NULL), OCU_OK);
}

static bool nth_exists(struct bed *b, int i)
{
	char name[OCU_STORE_NAME_BYTES];
	uint8_t bytes[4];

	ocu_store_name(name, nth_id(bytes, i).p, 4);
	return faccessat(b->s.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Counts the files when it is its turn. */
struct count {
	struct probe p;
	const char *path;
	int n;
};

static bool count_run(struct ocu_disk_job *j)
{
	struct count *c = (struct count *)j;

	c->n = entries_of(c->path);
	return probe_run(j);
}

static void sweeps(void **state)
{
	struct ocu_disk_sweep w;
	struct count c;
	struct bed b;
	uint8_t bytes[4];
	int i, left = 0;

	(void)state;
	bed_init(&b);
	many_make(&b);
	ocu_disk_sweep_init(&w);
	w.job.done = typed_done;
	for (i = 0; i < FILES; i += 3)
		assert_int_equal(ocu_disk_sweep_add(&w, nth_id(bytes, i)), OCU_OK);
	assert_int_equal(ocu_disk_sweep_add(&w, (struct ocu_slice){ certid, 65536 }), OCU_TOO_BIG);
	ocu_disk_sweep_start(b.d, &w);
	probe_init(&c.p, NULL);
	c.p.job.run = count_run;
	c.path = b.path;
	ocu_disk_post(b.d, &c.p.job);
	start(&b);
	sem_await(&typed_ended);
	assert_int_equal(w.job.err.code, OCU_OK);
	for (i = 0; i < FILES; i++) {
		assert_int_equal(nth_exists(&b, i), i % 7 == 0 || i % 3 == 0);
		left += i % 7 == 0 || i % 3 == 0;
	}
	/* Another job had its turn in between. */
	assert_in_range(c.n, left + 1, FILES - 1);
	ocu_disk_sweep_fini(&w);
	ocu_disk_sweep_fini(&w);
	bed_fini(&b);
}

/* A sweep that is not done to its end keeps no descriptor. */
static void sweep_is_stopped(void **state)
{
	struct ocu_disk_sweep w;
	struct probe runs;
	pthread_t stopper;
	struct bed b;
	void *ended;

	(void)state;
	bed_init(&b);
	many_make(&b);
	ocu_disk_sweep_init(&w);
	w.job.done = typed_done;
	ocu_disk_sweep_start(b.d, &w);
	probe_init(&runs, NULL);
	runs.waits = true;
	ocu_disk_post(b.d, &runs.job);
	start(&b);
	sem_await(&runs.begun);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, &b), 0);
	sem_await(&waits.begun);
	sem_post(&runs.resume);
	assert_int_equal(pthread_join(stopper, &ended), 0);
	assert_non_null(ended);
	sem_await(&typed_ended);
	assert_int_equal(w.job.err.code, OCU_CANCELLED);
	ocu_disk_sweep_fini(&w);
	bed_fini(&b);
}

static void sweep_fails(void **state)
{
	struct rlimit was, none;
	struct ocu_disk_sweep w;
	struct bed b;

	(void)state;
	bed_init(&b);
	start(&b);
	ocu_disk_sweep_init(&w);
	w.job.done = typed_done;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ocu_disk_sweep_start(b.d, &w);
	sem_await(&typed_ended);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(w.job.err.code, OCU_IO);
	assert_string_equal(w.job.err.msg, "state directory: Too many open files");
	ocu_disk_sweep_fini(&w);
	bed_fini(&b);
}

/* ---- without memory ---- */

static struct ocu_slice older, newer; /* two responses, from two hours and from an hour ago */
static struct ocu_disk_save save_older, save_newer; /* what saves them */

static enum ocu_status op_new(struct bed *b)
{
	struct ocu_disk *d;
	enum ocu_status st = ocu_disk_new(&d, &b->s, NULL);

	ocu_disk_free(d);
	return st;
}

static enum ocu_status op_load(struct bed *b)
{
	struct ocu_disk_load l;

	load(b, &l);
	assert_true((l.der.len > 0) == (l.job.err.code == OCU_OK));
	ocu_buf_fini(&l.der);
	return l.job.err.code;
}

static enum ocu_status op_save(struct bed *b, struct ocu_disk_save *s)
{
	ocu_disk_save_start(b->d, s);
	sem_await(&typed_ended);
	return s->job.err.code;
}

static enum ocu_status op_save_older(struct bed *b)
{
	return op_save(b, &save_older);
}

static enum ocu_status op_save_newer(struct bed *b)
{
	return op_save(b, &save_newer);
}

static enum ocu_status op_sweep(struct bed *b)
{
	struct ocu_disk_sweep w;
	enum ocu_status st;

	ocu_disk_sweep_init(&w);
	w.job.done = typed_done;
	st = ocu_disk_sweep_add(&w, id);
	if (st == OCU_OK) {
		ocu_disk_sweep_start(b->d, &w);
		sem_await(&typed_ended);
		st = w.job.err.code;
	}
	ocu_disk_sweep_fini(&w);
	return st;
}

/* Checks how an operation ended one of whose allocations failed; true if it said so. What OpenSSL
 * leaves without a reason is taken for a response that does not verify: it is not loaded, or makes
 * room.
 */
static bool is_nomem(struct bed *b, enum ocu_status is, struct ocu_slice there)
{
	if (is == OCU_OK) {
		assert_true(file_is(b, older.p, older.n));
		return false;
	}
	assert_true(is == OCU_NOMEM || is == OCU_OCSP || is == OCU_MALFORMED);
	assert_true(file_is(b, there.p, there.n));
	return is == OCU_NOMEM;
}

/* Does <op> with its first allocation failing, with the second, and so on until none does; before
 * each time the file is <there>. Without memory it stays as it is, with memory <op> returns <st>
 * and the file is <then>.
 */
static void each_allocation(struct bed *b, enum ocu_status (*op)(struct bed *b), enum ocu_status st,
			    struct ocu_slice there, struct ocu_slice then)
{
	enum ocu_status is = OCU_NOMEM;
	bool failed = true;
	long n, before, nomem = 0;

	/* The first two have the chance to fill the caches of OpenSSL. */
	for (n = -2; failed; n++) {
		assert_true(n < 10000);
		/* It has expired long ago, see ocu_disk_sweep_add(). */
		assert_int_equal(ocu_store_put(&b->s, id.p, id.n, there.p, there.n, 1000, NULL),
				 OCU_OK);
		before = nomem_live();
		start(b);
		nomem_fail(n);
		is = op(b);
		failed = n < 0 || nomem_failed();
		nomem_fail(-1);
		/* What OpenSSL keeps for the thread goes with it. */
		assert_true(ocu_disk_stop(b->d, LIMIT_MS));
		if (n >= 0)
			assert_int_equal(nomem_live(), before);
		if (is == st)
			assert_true(file_is(b, then.p, then.n));
		else
			nomem += is_nomem(b, is, there);
	}
	assert_int_equal(is, st);
	print_message("%ld allocations, %ld times out of memory\n", n - 1, nomem);
	assert_true(2 * nomem > n - 1);
}

static void without_memory(void **state)
{
	uint8_t *a, *c;
	struct bed b;

	(void)state;
	older.n = response(&a, -7200, 86400, PKI_BY_ISSUER);
	newer.n = response(&c, -3600, 86400, PKI_BY_ISSUER);
	older.p = a;
	newer.p = c;
	save_init(&save_older, a, older.n, -7200, 86400);
	save_init(&save_newer, c, newer.n, -3600, 86400);
	bed_init(&b);
	each_allocation(&b, op_new, OCU_OK, older, older);
	each_allocation(&b, op_load, OCU_OK, older, older);
	each_allocation(&b, op_save_newer, OCU_OK, older, newer);
	each_allocation(&b, op_save_older, OCU_AGAIN, newer, newer);
	each_allocation(&b, op_sweep, OCU_OK, older, older);
	bed_fini(&b);
	free(a);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* It forks, which has to come before there are threads. */
		cmocka_unit_test(exit_is_not_delayed),
		cmocka_unit_test(many_posters),
		cmocka_unit_test(again_and_freed),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(no_directory),
		cmocka_unit_test(start_and_stop),
		cmocka_unit_test(stopped_at_work),
		cmocka_unit_test(stopped_between_parts),
		cmocka_unit_test(given_up),
		cmocka_unit_test(settled),
		cmocka_unit_test(loads),
		cmocka_unit_test(saves),
		cmocka_unit_test(save_fails),
		cmocka_unit_test(saved_at_stop),
		cmocka_unit_test(hung_in_the_middle),
		cmocka_unit_test(as_another_user),
		cmocka_unit_test(not_as_another_user),
		cmocka_unit_test(sweeps),
		cmocka_unit_test(sweep_is_stopped),
		cmocka_unit_test(sweep_fails),
		cmocka_unit_test(without_memory),
	};
	int failed;

	if (!nomem_openssl())
		return 1;
	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "a.test" });
	sem_init(&typed_ended, 0, 0);
	if (pthread_key_create(&thread_gone, thread_gone_cb) != 0)
		return 1;
	failed = cmocka_run_group_tests_name("disk", tests, NULL, NULL);
	pki_cert_fini(&leaf);
	pki_free(pki);
	return failed;
}
