/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk.c - the disk thread: starts it, hands it jobs, ends it or gives it up; and the jobs that
 * load, save and sweep. Files are the business of store.c.
 */
#include "ocu/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <time.h>

#define DISK_NICE 10
#define SWEEP_PART 256 /* directory entries that are looked at before other jobs have their turn */

/* In the order in which they can follow each other. */
enum disk_state {
	DISK_OFF,    /* there is no thread */
	DISK_RUNS,
	DISK_LAST,   /* it is being stopped, and begins only jobs that are to be done at a stop */
	DISK_ENDS,   /* it begins none any more */
	DISK_LEFT,   /* it was given up inside of a job */
	DISK_ORPHAN, /* and its owner has left too: it frees <d> */
};

struct ocu_disk {
	struct ocu_store store; /* not the caller's: a thread that was given up may still use it */
	pthread_t thread;
	pthread_mutex_t lock;  /* over what follows; never held while a job runs or is done */
	pthread_cond_t news;   /* the thread waits for a job or the stop */
	pthread_cond_t over;   /* the stop waits for <ended> */
	enum disk_state state;
	bool running;          /* the thread is inside of a job's run() */
	bool ended;            /* the thread does not use <d> any more */
	struct ocu_disk_job *first, **last;
};

/* ---- the queue; all with the lock held ---- */

static void queue_add(struct ocu_disk *d, struct ocu_disk_job *j)
{
	j->next = NULL;
	*d->last = j;
	d->last = &j->next;
}

/* Returns NULL if it is empty. */
static struct ocu_disk_job *queue_take(struct ocu_disk *d)
{
	struct ocu_disk_job *j = d->first;

	if (j)
		d->first = j->next;
	if (!d->first)
		d->last = &d->first;
	return j;
}

/* ---- on the disk thread ---- */

/* What the thread does to itself. None of it is a reason not to serve, so failures are ignored. */
static void thread_settle(void)
{
	(void)pthread_setname_np(pthread_self(), "ocu-disk");
	/* On Linux the calling thread's own value. Never raised, were it lower already. */
	if (getpriority(PRIO_PROCESS, 0) < DISK_NICE)
		(void)setpriority(PRIO_PROCESS, 0, DISK_NICE);
}

/* Waits for the next job; NULL if the thread has to end. */
static struct ocu_disk_job *next_job(struct ocu_disk *d)
{
	while (!d->first && d->state == DISK_RUNS)
		pthread_cond_wait(&d->news, &d->lock);
	return queue_take(d);
}

static void job_cancel(struct ocu_disk_job *j)
{
	(void)ocu_fail(&j->err, OCU_CANCELLED, "the disk thread has ended");
	j->done(j);
}

/* Runs <j> with the lock released. *more: not to its end. False if it was given up meanwhile: the
 * owner of the job is not there any more.
 */
static bool job_run(struct ocu_disk *d, struct ocu_disk_job *j, bool *more)
{
	d->running = true;
	pthread_mutex_unlock(&d->lock);
	*more = j->run(j);
	pthread_mutex_lock(&d->lock);
	d->running = false;
	return d->state < DISK_LEFT;
}

/* Does <j> or cancels it; false if the thread was given up. */
static bool job_handle(struct ocu_disk *d, struct ocu_disk_job *j)
{
	bool begins = d->state == DISK_RUNS || (d->state == DISK_LAST && j->at_stop), more = false;

	if (begins && !job_run(d, j, &more))
		return false;
	if (more) {
		queue_add(d, j);
		return true;
	}
	pthread_mutex_unlock(&d->lock);
	if (begins)
		j->done(j);
	else
		job_cancel(j);
	pthread_mutex_lock(&d->lock);
	return true;
}

static void disk_destroy(struct ocu_disk *d)
{
	pthread_cond_destroy(&d->over);
	pthread_cond_destroy(&d->news);
	pthread_mutex_destroy(&d->lock);
	ocu_store_fini(&d->store);
	free(d);
}

static void *thread_main(void *arg)
{
	struct ocu_disk *d = arg;
	struct ocu_disk_job *j;
	bool orphan;

	thread_settle();
	pthread_mutex_lock(&d->lock);
	do {
		j = next_job(d);
	} while (j && job_handle(d, j));
	d->ended = true;
	orphan = d->state == DISK_ORPHAN;
	pthread_cond_signal(&d->over);
	pthread_mutex_unlock(&d->lock);
	if (orphan)
		disk_destroy(d);
	return NULL;
}

/* ---- on other threads ---- */

enum ocu_status ocu_disk_new(struct ocu_disk **out, const struct ocu_store *s, struct ocu_err *err)
{
	pthread_condattr_t monotonic;
	struct ocu_disk *d;

	*out = NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return ocu_fail(err, OCU_NOMEM, "disk thread: %s", ocu_text(OCU_NOMEM));
	d->store.dir = s ? fcntl(s->dir, F_DUPFD_CLOEXEC, 0) : -1;
	if (s && d->store.dir < 0) {
		(void)ocu_fail(err, OCU_IO, "state directory: %m");
		free(d);
		return OCU_IO;
	}
	d->last = &d->first;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->news, NULL);
	pthread_cond_init(&d->over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*out = d;
	return OCU_OK;
}

int ocu_disk_dir(const struct ocu_disk *d)
{
	return d->store.dir;
}

/* Who a thread is in the file system. */
struct fs_id {
	uid_t uid;
	gid_t gid;
};

static struct fs_id fs_id_get(void)
{
	/* An impossible id changes nothing, and the present one is returned. */
	return (struct fs_id){ (uid_t)setfsuid((uid_t)-1), (gid_t)setfsgid((gid_t)-1) };
}

/* The group first: who is not root any more cannot change it. */
static bool fs_id_set(struct fs_id id)
{
	struct fs_id is;

	(void)setfsgid(id.gid);
	(void)setfsuid(id.uid);
	is = fs_id_get();
	return is.uid == id.uid && is.gid == id.gid;
}

static enum ocu_status thread_create(struct ocu_disk *d, const cpu_set_t *cpus, struct ocu_err *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&d->thread, NULL, thread_main, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	if (rc)
		return ocu_fail(err, rc == ENOMEM ? OCU_NOMEM : OCU_IO,
				"the disk thread cannot be started: %m");
	/* Else it stays where its creator is, which is no reason not to serve. */
	if (cpus)
		(void)pthread_setaffinity_np(d->thread, sizeof(*cpus), cpus);
	return OCU_OK;
}

/* A thread inherits what its creator is: its signals are blocked and its user is the right one from
 * the first instruction on, and who cannot become that user is known here.
 */
enum ocu_status ocu_disk_start(struct ocu_disk *d, const struct ocu_disk_conf *conf,
			       struct ocu_err *err)
{
	static const struct ocu_disk_conf plain;
	const struct ocu_disk_conf *c = conf ? conf : &plain;
	const struct fs_id was = fs_id_get();
	const struct fs_id id = { c->uid ? c->uid : was.uid, c->gid ? c->gid : was.gid };
	enum ocu_status ret;

	if (d->state != DISK_OFF)
		return ocu_fail(err, OCU_IO, "the disk thread %s",
				d->state < DISK_LEFT ? "runs already" : "was given up");
	d->ended = false;
	d->state = DISK_RUNS;
	if (!fs_id_set(id))
		ret = ocu_fail(err, OCU_IO, "the disk thread cannot act as user %lu, group %lu",
			       (unsigned long)id.uid, (unsigned long)id.gid);
	else
		ret = thread_create(d, c->cpus, err);
	(void)fs_id_set(was);
	if (ret != OCU_OK)
		d->state = DISK_OFF;
	return ret;
}

void ocu_disk_post(struct ocu_disk *d, struct ocu_disk_job *j)
{
	j->disk = d;
	j->err = (struct ocu_err){ .code = OCU_OK };
	pthread_mutex_lock(&d->lock);
	queue_add(d, j);
	pthread_cond_signal(&d->news);
	pthread_mutex_unlock(&d->lock);
}

/* Completes all jobs here: there is no thread that could. */
static void cancel_all(struct ocu_disk *d)
{
	struct ocu_disk_job *j;

	do {
		pthread_mutex_lock(&d->lock);
		j = queue_take(d);
		pthread_mutex_unlock(&d->lock);
		if (j)
			job_cancel(j);
	} while (j);
}

/* Waits until the thread has ended, or until <end_ms> on the monotonic clock; the lock is held. */
static void await_end(struct ocu_disk *d, int64_t end_ms)
{
	struct timespec end = { .tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000 };

	while (!d->ended && pthread_cond_timedwait(&d->over, &d->lock, &end) != ETIMEDOUT)
		;
}

bool ocu_disk_stop(struct ocu_disk *d, int64_t limit_ms)
{
	int64_t now = ocu_now_ms();
	bool left;

	if (d->state != DISK_RUNS)
		return d->state < DISK_LEFT;
	pthread_mutex_lock(&d->lock);
	d->state = DISK_LAST;
	pthread_cond_signal(&d->news);
	await_end(d, now + limit_ms / 2);
	d->state = DISK_ENDS;
	await_end(d, now + limit_ms);
	left = d->running;
	if (left)
		d->state = DISK_LEFT;
	pthread_mutex_unlock(&d->lock);
	if (left) {
		pthread_detach(d->thread);
		cancel_all(d);
	} else {
		/* It is at most about to complete jobs, which takes no time. */
		pthread_join(d->thread, NULL);
		d->state = DISK_OFF;
	}
	return !left;
}

void ocu_disk_free(struct ocu_disk *d)
{
	bool returned;

	if (!d)
		return;
	(void)ocu_disk_stop(d, 0);
	cancel_all(d);
	pthread_mutex_lock(&d->lock);
	returned = d->state == DISK_OFF || d->ended;
	if (!returned)
		d->state = DISK_ORPHAN;
	pthread_mutex_unlock(&d->lock);
	if (returned)
		disk_destroy(d);
}

/* ---- typed jobs ---- */

/* Whether nobody waits for <j> any more. Asked after the disk may have hung, before OpenSSL is
 * used: the process may have come to its end meanwhile, and OpenSSL with it.
 */
static bool is_given_up(struct ocu_disk_job *j)
{
	bool ret;

	pthread_mutex_lock(&j->disk->lock);
	ret = j->disk->state >= DISK_LEFT;
	pthread_mutex_unlock(&j->disk->lock);
	return ret;
}

static bool load_run(struct ocu_disk_job *j)
{
	struct ocu_disk_load *l = (struct ocu_disk_load *)j;
	enum ocu_status st;

	st = ocu_store_get(&j->disk->store, l->certid.p, l->certid.n, &l->der, &j->err);
	if (is_given_up(j))
		st = OCU_CANCELLED;
	if (st == OCU_OK)
		st = ocu_ocsp_verify(&l->ocsp, l->der.data, l->der.len, l->cert, l->issuer,
				     ocu_wall_s(), &j->err);
	if (st == OCU_OK)
		ocu_held_init(&l->held, &l->ocsp, l->der.data, l->der.len);
	else
		ocu_buf_reset(&l->der);
	j->err.code = st;
	return false;
}

void ocu_disk_load_start(struct ocu_disk *d, struct ocu_disk_load *l)
{
	l->job.run = load_run;
	l->job.at_stop = false;
	ocu_disk_post(d, &l->job);
}

/* What does not verify makes room for what does, however new it says to be. */
static enum ocu_status save_replaces(void *arg, const uint8_t *der, size_t n)
{
	struct ocu_disk_save *s = arg;
	int64_t now = ocu_wall_s();
	struct ocu_held there;
	struct ocu_ocsp o;
	enum ocu_status st;

	if (is_given_up(&s->job))
		return OCU_CANCELLED;
	st = ocu_ocsp_verify(&o, der, n, s->cert, s->issuer, now, &s->job.err);
	if (st != OCU_OK)
		return st == OCU_NOMEM ? st : OCU_OK;
	ocu_held_init(&there, &o, der, n);
	return ocu_held_compare(&there, &s->held, now) == OCU_AGE_OLDER ? OCU_AGAIN : OCU_OK;
}

static bool save_run(struct ocu_disk_job *j)
{
	struct ocu_disk_save *s = (struct ocu_disk_save *)j;
	const struct ocu_store_ask ask = { save_replaces, s };
	enum ocu_status st;

	st = ocu_store_replace(&j->disk->store, s->certid, s->der, s->held.next_update, &ask,
			       &j->err);
	/* The reason to refuse the present file is none any more. */
	if (st == OCU_OK)
		j->err = (struct ocu_err){ .code = OCU_OK };
	j->err.code = st;
	return false;
}

void ocu_disk_save_start(struct ocu_disk *d, struct ocu_disk_save *s)
{
	s->job.run = save_run;
	s->job.at_stop = true;
	ocu_disk_post(d, &s->job);
}

void ocu_disk_sweep_init(struct ocu_disk_sweep *s)
{
	memset(s, 0, sizeof(*s));
	ocu_buf_init(&s->certids, SIZE_MAX);
}

enum ocu_status ocu_disk_sweep_add(struct ocu_disk_sweep *s, struct ocu_slice certid)
{
	uint16_t n = (uint16_t)certid.n;
	enum ocu_status st;

	if (n != certid.n)
		return OCU_TOO_BIG;
	st = ocu_buf_room(&s->certids, sizeof(n) + n);
	if (st != OCU_OK)
		return st;
	memcpy(s->certids.data + s->certids.len, &n, sizeof(n));
	memcpy(s->certids.data + s->certids.len + sizeof(n), certid.p, n);
	s->certids.len += sizeof(n) + n;
	s->n++;
	return OCU_OK;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_known(void *arg, const char *name)
{
	const struct ocu_disk_sweep *s = arg;

	return bsearch(name, s->names, s->n, sizeof(*s->names), name_cmp) != NULL;
}

/* Makes the sorted names of the files that are known. */
static enum ocu_status names_make(struct ocu_disk_sweep *s)
{
	const uint8_t *p = s->certids.data;
	uint16_t n;
	size_t i;

	s->names = calloc(s->n + 1, sizeof(*s->names));
	if (!s->names)
		return OCU_NOMEM;
	for (i = 0; i < s->n; i++) {
		memcpy(&n, p, sizeof(n));
		ocu_store_name(s->names[i], p + sizeof(n), n);
		/* A file whose name is missing would be taken for unknown. */
		if (!s->names[i][0])
			return OCU_NOMEM;
		p += sizeof(n) + n;
	}
	qsort(s->names, s->n, sizeof(*s->names), name_cmp);
	return OCU_OK;
}

static bool sweep_run(struct ocu_disk_job *j)
{
	struct ocu_disk_sweep *s = (struct ocu_disk_sweep *)j;
	const struct ocu_store *store = &j->disk->store;

	if (!s->names && names_make(s) != OCU_OK) {
		(void)ocu_fail(&j->err, OCU_NOMEM, "state directory: %s", ocu_text(OCU_NOMEM));
		return false;
	}
	if (!s->walk.dir && ocu_store_walk_init(&s->walk, store, &j->err) != OCU_OK)
		return false;
	return ocu_store_walk_next(&s->walk, store, SWEEP_PART, ocu_wall_s(), is_known, s);
}

void ocu_disk_sweep_start(struct ocu_disk *d, struct ocu_disk_sweep *s)
{
	s->job.run = sweep_run;
	s->job.at_stop = false;
	ocu_disk_post(d, &s->job);
}

void ocu_disk_sweep_fini(struct ocu_disk_sweep *s)
{
	ocu_store_walk_fini(&s->walk);
	ocu_buf_fini(&s->certids);
	free(s->names);
	s->names = NULL;
}
