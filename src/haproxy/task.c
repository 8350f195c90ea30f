/* SPDX-License-Identifier: GPL-2.0-or-later */
/* task.c - the updater task: owns the schedule and the state of every certificate, hands fetches to
 * the loop thread, swaps what comes back, logs. Fetches and verifies nothing itself.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include <pthread.h>

#include <haproxy/applet.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/task.h>
#include <haproxy/tools.h>

#include "glue.h"
#include "ocu/loop.h"

/* How often the task looks whether the wall clock was set, and for what there is to say. */
#define LOOK_EVERY_MS 15000
#define SUMMARY_AFTER_MS 30000
#define ANEW_EVERY_MS 60000 /* a clock that is set all the time is no reason to ask all the time */
#define MAIL_AT_ONCE 200 /* certificates that are read in one run of the task */
#define SWEEP_EVERY_MS (24 * 3600 * 1000)

enum job_kind {
	JOB_FETCH, /* ask the responders */
	JOB_LOAD,  /* read the state directory for a certificate that came at run time */
	JOB_SAVE,  /* write into it */
	JOB_SWEEP, /* remove from it what has expired */
};

/* Work on its way to the loop thread and back. */
struct job {
	struct ocu_msg msg;
	enum job_kind kind;
	struct ocu_walk fetch; /* FETCH; LOAD and SAVE use its der, ocsp and err */
	struct state_keys keys;   /* SWEEP */
	struct cert *cert;        /* with a reference; NULL for SWEEP */
	struct job *next;
};

static struct task *updater;
static bool serving; /* this process serves traffic: the task may be woken */
static struct ocu_update *schedule;
static struct cert *certs; /* all that are in the schedule */
static struct ocu_loop *loop;
static struct ocu_walker *fetcher; /* loop thread only, as the next one */
static struct ocu_err fetcher_err;  /* why there is none */
static int event_fd = -1;
static int64_t summary_ms; /* when the summary is due, 0: it was given */
static int64_t sweep_ms;   /* when the state directory is swept next */
static int64_t look_ms;    /* when to look around next */

static struct {
	pthread_mutex_t lock;
	struct job *jobs, **end;
} finished = { .lock = PTHREAD_MUTEX_INITIALIZER, .end = &finished.jobs };

static const char *const status_texts[] = {
	[LOG_ST_UNKNOWN] = "Unknown",
	[LOG_ST_OK] = "Update successful",
	[LOG_ST_HTTP] = "HTTP error",
	[LOG_ST_TYPE] = "Missing \"ocsp-response\" header",
	[LOG_ST_CHECK] = "OCSP response check failure",
	[LOG_ST_INSERT] = "Error during insertion",
};

const char *log_status_text(enum log_status st)
{
	return status_texts[st];
}

static enum log_status log_status_of(enum ocu_status st)
{
	switch (st) {
	case OCU_OK:
		return LOG_ST_OK;
	case OCU_TYPE:
		return LOG_ST_TYPE;
	case OCU_OCSP:
	case OCU_TRY_LATER:
	case OCU_BAD_REQUEST:
	case OCU_INTERNAL:
	case OCU_OTHER_CERT:
	case OCU_ENDED:
	case OCU_OLDER:
		return LOG_ST_CHECK;
	default:
		return LOG_ST_HTTP;
	}
}

void updater_wake(void)
{
	if (HA_ATOMIC_LOAD(&serving))
		task_wakeup(updater, TASK_WOKEN_MSG);
}

bool updater_runs(void)
{
	return HA_ATOMIC_LOAD(&serving) && loop && !stopping;
}

static struct ocu_clock clock_now(void)
{
	struct ocu_clock now = { ocu_now_ms(), ocu_wall_s(), statistical_prng() };

	return now;
}

/* ---- on the loop thread ---- */

static void loop_init(void *arg)
{
	struct ocu_walk_conf conf = {
		.prefer = settings.prefer,
		.only = settings.family,
		.timeout_ms = settings.timeout_ms,
		.connect_ms = settings.connect_ms,
		.nameservers = (const char *)settings.nameservers.data,
		.proxy = settings.proxy,
		.tls = settings.tls,
	};

	(void)arg;
	state_thread_init();
	(void)!ocu_walker_new(&fetcher, ocu_loop_ev(loop), &conf, &fetcher_err);
}

static void loop_fini(void *arg)
{
	(void)arg;
	ocu_walker_free(fetcher);
	fetcher = NULL;
}

/* Hands a job back and tells the poller of HAProxy. */
static void job_done(struct ocu_walk *f)
{
	struct job *job = container_of(f, struct job, fetch);
	uint64_t one = 1;

	job->next = NULL;
	pthread_mutex_lock(&finished.lock);
	*finished.end = job;
	finished.end = &job->next;
	pthread_mutex_unlock(&finished.lock);
	/* it can only be full if it was not read for 2^64 - 2 times: then it is readable anyway */
	DISGUISE(write(event_fd, &one, sizeof(one)));
}

static void job_run(struct ocu_msg *m)
{
	struct job *job = container_of(m, struct job, msg);
	struct ocu_walk *f = &job->fetch;

	switch (job->kind) {
	case JOB_FETCH:
		if (fetcher) {
			ocu_walk_start(fetcher, f);
			return;
		}
		(void)ocu_fail(&f->err, fetcher_err.code, "%s", fetcher_err.msg);
		break;
	case JOB_LOAD:
		f->err.code = state_read(job->cert, &f->der, &f->ocsp, ocu_wall_s(), &f->err);
		break;
	case JOB_SAVE:
		f->err.code = state_write(job->cert, &f->der, f->ocsp.next_update, &f->err);
		break;
	case JOB_SWEEP:
		state_sweep(&job->keys, ocu_wall_s());
		break;
	}
	job_done(f);
}

/* ---- on HAProxy's threads ---- */

static void event_fd_iocb(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == sizeof(n))
		task_wakeup(updater, TASK_WOKEN_MSG);
	fd_cant_recv(fd);
}

static void job_free(struct job *job)
{
	ocu_buf_fini(&job->fetch.der);
	free(job->keys.v);
	cert_put(job->cert);
	free(job);
}

/* Makes a job for <c>, which may be NULL; NULL without memory. */
static struct job *job_new(enum job_kind kind, struct cert *c)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->kind = kind;
	job->msg.run = job_run;
	job->fetch.done = job_done;
	ocu_buf_init(&job->fetch.der, OCU_OCSP_MAX_BYTES);
	if (c)
		HA_ATOMIC_INC(&c->refs);
	job->cert = c;
	return job;
}

/* Starts a fetch for <c>; false without memory. */
static bool fetch_start(struct cert *c, size_t uri, const struct ocu_clock *now)
{
	struct job *job = job_new(JOB_FETCH, c);
	struct ocu_walk *f;

	if (!job)
		return false;
	f = &job->fetch;
	f->cert = c->x509;
	f->issuer = c->issuer;
	f->uris = c->uris;
	f->n_uris = c->n_uris;
	f->first = uri;
	if (cert_has_response(c, now->wall_s)) {
		f->held_this_update = c->item.this_update;
		/* "not modified" is of no use when the held one is about to end */
		if (now->wall_s < c->item.expiry - (c->item.expiry - c->item.this_update) / 4) {
			f->validators = c->validators;
			f->validators_uri = c->validators_uri;
		}
	}
	ocu_loop_post(loop, &job->msg);
	return true;
}

/* Reads what HAProxy holds for <c> into its state. */
static void read_held(struct cert *c, const struct ocu_clock *now)
{
	struct ocu_ocsp o;
	int64_t expiry = cert_held(c, &o);

	memset(&c->validators, 0, sizeof(c->validators));
	c->revoked = o.revoked;
	c->next_update = o.next_update;
	ocu_update_held(schedule, &c->item, o.this_update, expiry, now);
}

/* Somebody has set the response of <c>. */
static void read_changed(struct cert *c, const struct ocu_clock *now)
{
	bool was = c->revoked;

	read_held(c, now);
	if (c->revoked && !was)
		send_log(NULL, LOG_ALERT,
			 "<OCSP-UPDATE> %s: certificate is REVOKED, says the response that was set",
			 c->path);
}

/* A certificate that came at run time waits for what the state directory has for it. */
static void cert_load(struct cert *c)
{
	struct job *job;

	if (c->loaded || !state_on() || !loop || stopping)
		return;
	c->loaded = true;
	job = job_new(JOB_LOAD, c);
	if (!job)
		return;
	c->loading = true;
	ocu_loop_post(loop, &job->msg);
}

static void cert_add(struct cert *c, const struct ocu_clock *now)
{
	if (ocu_update_add(schedule, &c->item, c->uris, c->n_uris, c->must_staple) != OCU_OK) {
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> %s: out of memory, it will not be updated",
			 c->path);
		return;
	}
	HA_ATOMIC_INC(&c->refs);
	c->known = true;
	c->next = certs;
	c->link = &certs;
	if (certs)
		certs->link = &c->next;
	certs = c;
	read_held(c, now);
	cert_load(c);
}

static void cert_remove(struct cert *c)
{
	ocu_update_remove(schedule, &c->item);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->known = false;
	cert_put(c);
}

/* Does for a certificate of the schedule what was asked for. */
static void cert_handle_mail(struct cert *c, unsigned mail, const struct ocu_clock *now)
{
	if (mail & MAIL_FORGET) {
		cert_remove(c);
		return;
	}
	if (mail & MAIL_CHANGED)
		read_changed(c, now);
	if (mail & MAIL_ON)
		c->on = true;
	if (c->on && !c->loading)
		ocu_update_automatic(schedule, &c->item, true, now);
	if (mail & MAIL_ORDER)
		ocu_update_order(schedule, &c->item);
}

/* Handles what others have left, as much as is good for the thread at a time. Returns whether that
 * was all. Each certificate gets a random number of its own, so that they do not stay together.
 */
static bool handle_mail(struct ocu_clock *now)
{
	struct cert *c = NULL;
	unsigned mail;
	int n;

	for (n = 0; n < MAIL_AT_ONCE && (c = mail_take(&mail)); n++) {
		now->rnd = statistical_prng();
		if ((mail & MAIL_NEW) && !(mail & MAIL_FORGET) && !c->known)
			cert_add(c, now);
		if (c->known)
			cert_handle_mail(c, mail, now);
		cert_put(c);
	}
	return !c;
}

/* Swaps the response that <f> brought into what handshakes staple for <c>. */
static enum ocu_status publish(struct cert *c, struct ocu_walk *f, const struct ocu_clock *now)
{
	struct buffer der = b_make((char *)f->der.data, f->der.len, 0, f->der.len);
	struct ocsp_resp *resp;

	/* somebody may have set a newer one while the fetch was under way */
	if (cert_has_response(c, now->wall_s) && f->ocsp.this_update < c->item.this_update)
		return ocu_fail(&f->err, OCU_OCSP, "older than the held response");
	resp = ssl_ocsp_resp_new(&der, f->ocsp.next_update - OCSP_MAX_RESPONSE_TIME_SKEW);
	if (!resp)
		return ocu_fail(&f->err, OCU_NOMEM, "out of memory");
	if (!cert_publish(c, resp))
		return ocu_fail(&f->err, OCU_OCSP, "another response was set meanwhile");
	return OCU_OK;
}

/* Keeps how a fetch ended for the CLI. Without memory the previous one stays. */
static void remember(struct cert *c, const struct ocu_walk *f, enum log_status st)
{
	struct outcome *o = calloc(1, sizeof(*o));

	if (!o)
		return;
	o->refs = 1;
	o->status = st;
	o->http_status = f->http_status;
	memcpy(o->reason, f->err.msg, sizeof(o->reason));
	memcpy(o->address, f->address, sizeof(o->address));
	memcpy(o->trace, f->trace, sizeof(o->trace));
	if (f->uri < c->n_uris)
		snprintf(o->uri, sizeof(o->uri), "%s://%s:%u%.1024s",
			 c->uris[f->uri].https ? "https" : "http", c->uris[f->uri].host,
			 c->uris[f->uri].port, c->uris[f->uri].target);
	outcome_put(c->last);
	c->last = o;
}

/* Writes "good until 2026-11-30T12:00:00Z, from 192.0.2.1:80" and the like into f->err.msg. */
static void explain_success(const struct cert *c, struct ocu_walk *f)
{
	char until[32] = "?";
	time_t t = c->next_update;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(f->err.msg, sizeof(f->err.msg), "%s%s until %s, from %s",
		 f->not_modified ? "not modified, " : "", c->revoked ? "revoked" : "good", until,
		 f->address);
}

static void log_outcome(const struct cert *c, enum log_status st, const char *reason, bool alert)
{
	send_log(NULL, alert ? LOG_ALERT : LOG_NOTICE, "<OCSP-UPDATE> %s %d \"%s\" %u %u \"%s%s\"",
		 c->path, st, log_status_text(st), c->failures, c->successes,
		 alert ? "certificate is REVOKED: " : "", reason);
}

static enum ocu_seen seen_of(enum ocu_reach reach)
{
	switch (reach) {
	case OCU_REACH_UP:
		return OCU_SEEN_UP;
	case OCU_REACH_DOWN:
		return OCU_SEEN_DOWN;
	case OCU_REACH_UNTRIED:
		break;
	}
	return OCU_SEEN_NOTHING;
}

/* Takes in a fetch of <c> that has ended. */
static void cert_fetched(struct cert *c, struct ocu_walk *f, const struct ocu_clock *now)
{
	struct ocu_result r = { .outcome = OCU_OUTCOME_FAILED, .uri = f->uri };
	bool first_revoked = false;
	enum log_status st;
	size_t i;

	for (i = 0; i < c->n_uris; i++)
		r.seen[i] = seen_of(f->reach[i]);
	st = log_status_of(f->err.code);
	if (f->err.code == OCU_OK && !f->not_modified && publish(c, f, now) != OCU_OK)
		st = LOG_ST_INSERT;

	if (st == LOG_ST_OK) {
		r.outcome = f->not_modified ? OCU_OUTCOME_CURRENT : OCU_OUTCOME_NEW;
		c->successes++;
		c->updated = now->wall_s;
		if (!f->not_modified) {
			r.this_update = f->ocsp.this_update;
			r.expiry = f->ocsp.next_update - OCSP_MAX_RESPONSE_TIME_SKEW;
			first_revoked = f->ocsp.revoked && !c->revoked;
			c->revoked = f->ocsp.revoked;
			c->next_update = f->ocsp.next_update;
			c->validators = f->validators;
			c->validators_uri = f->uri;
		}
		explain_success(c, f);
	} else {
		c->failures++;
	}
	ocu_update_done(schedule, &c->item, &r, now);
	remember(c, f, st);
	log_outcome(c, st, f->err.msg, first_revoked);
	if (st != LOG_ST_OK && serving)
		alert_ending(c, now->wall_s);
}

/* Takes in what the state directory had for a certificate. */
static void cert_loaded(struct cert *c, struct ocu_walk *f, const struct ocu_clock *now)
{
	bool newer = !cert_has_response(c, now->wall_s) ||
		     f->ocsp.this_update > c->item.this_update;

	c->loading = false;
	if (f->err.code == OCU_OK && newer && publish(c, f, now) == OCU_OK)
		read_held(c, now);
	else if (f->err.code != OCU_OK && f->err.code != OCU_AGAIN)
		send_log(NULL, LOG_WARNING, "<OCSP-UPDATE> %s: the saved response is ignored: %s",
			 c->path, f->err.msg);
	if (c->on)
		ocu_update_automatic(schedule, &c->item, true, now);
}

/* Takes in a fetch. Returns whether the job lives on to save the response. */
static bool fetch_finished(struct job *job, const struct ocu_clock *now)
{
	struct ocu_walk *f = &job->fetch;

	cert_fetched(job->cert, f, now);
	if (f->err.code != OCU_OK || f->not_modified || !state_on() || stopping || !loop)
		return false;
	job->kind = JOB_SAVE;
	ocu_loop_post(loop, &job->msg);
	return true;
}

/* The loop thread has ended in mid-fetch: <c> is scheduled as if it had just come. */
static void cert_restart(struct cert *c, const struct ocu_clock *now)
{
	ocu_update_remove(schedule, &c->item);
	if (ocu_update_add(schedule, &c->item, c->uris, c->n_uris, c->must_staple) != OCU_OK)
		return;
	read_held(c, now);
	ocu_update_automatic(schedule, &c->item, c->on && !c->loading, now);
}

static void warn_unsaved(const struct cert *c, const char *reason)
{
	if (serving)
		send_log(NULL, LOG_WARNING, "<OCSP-UPDATE> %s: the response could not be saved: %s",
			 c->path, reason);
	else
		ha_warning("ocsp-update.state-dir: '%s': the response could not be saved: %s.\n",
			   c->path, reason);
}

/* Returns whether the job lives on. */
static bool job_finished(struct job *job, const struct ocu_clock *now)
{
	struct cert *c = job->cert;

	/* one that was forgotten in mid-fetch is not in the schedule any more */
	if (!c || !c->known)
		return false;
	if (job->fetch.err.code == OCU_CANCELLED) {
		cert_restart(c, now);
		return false;
	}
	switch (job->kind) {
	case JOB_FETCH:
		return fetch_finished(job, now);
	case JOB_LOAD:
		cert_loaded(c, &job->fetch, now);
		break;
	case JOB_SAVE:
		if (job->fetch.err.code != OCU_OK)
			warn_unsaved(c, job->fetch.err.msg);
		break;
	case JOB_SWEEP:
		break;
	}
	return false;
}

static void handle_finished(struct ocu_clock *now)
{
	struct job *job, *next;

	pthread_mutex_lock(&finished.lock);
	job = finished.jobs;
	finished.jobs = NULL;
	finished.end = &finished.jobs;
	pthread_mutex_unlock(&finished.lock);

	for (; job; job = next) {
		next = job->next;
		now->rnd = statistical_prng();
		if (!job_finished(job, now))
			job_free(job);
	}
}

/* Starts what is due. Returns the monotonic time at which to look again. */
static int64_t start_due(const struct ocu_clock *now)
{
	struct ocu_item *item;
	struct ocu_clock c = *now;
	struct ocu_result failed = { .outcome = OCU_OUTCOME_FAILED };
	int64_t wake = INT64_MAX;
	size_t uri;

	if (stopping || !loop)
		return wake;
	for (;;) {
		ocu_update_next(schedule, &c, &item, &uri, &wake);
		if (!item)
			return wake;
		if (!fetch_start(container_of(item, struct cert, item), uri, &c))
			ocu_update_done(schedule, item, &failed, &c);
	}
}

/* Copies what a command asked for. */
static void row_fill(struct row *row, struct cert *c, const struct ocu_clock *now)
{
	int64_t until_ms;

	HA_ATOMIC_INC(&c->refs);
	row->cert = c;
	if (c->last) {
		HA_ATOMIC_INC(&c->last->refs);
		row->last = c->last;
	}
	row->state = c->item.state;
	row->automatic = c->item.automatic;
	row->blocked = ocu_update_blocked(&c->item, &until_ms);
	row->revoked = c->revoked;
	row->failures_in_a_row = c->item.failures;
	row->successes = c->successes;
	row->failures = c->failures;
	row->updated = c->updated;
	row->due = now->wall_s;
	if (row->blocked && until_ms > now->mono_ms)
		row->due += (until_ms - now->mono_ms) / 1000;
	else if (row->state == OCU_ITEM_LATER && c->item.due_ms > now->mono_ms)
		row->due += (c->item.due_ms - now->mono_ms) / 1000;
	row->this_update = c->item.this_update;
	row->next_update = c->next_update;
	row->held = cert_has_response(c, now->wall_s);
}

static bool row_wanted(const struct request *r, const struct cert *c)
{
	return r->only ? c == r->only : (c->item.automatic && c->n_uris);
}

static void request_fill(struct request *r, const struct ocu_clock *now)
{
	struct cert *c;
	size_t n = 0;

	for (c = certs; c; c = c->next)
		n += row_wanted(r, c);
	r->rows = calloc(n ? n : 1, sizeof(*r->rows));
	r->failed = !r->rows;
	for (c = r->rows ? certs : NULL; c; c = c->next)
		if (row_wanted(r, c))
			row_fill(&r->rows[r->n_rows++], c, now);
}

void request_put(struct request *r)
{
	size_t i;

	if (!r || HA_ATOMIC_SUB_FETCH(&r->refs, 1) != 0)
		return;
	for (i = 0; i < r->n_rows; i++) {
		outcome_put(r->rows[i].last);
		cert_put(r->rows[i].cert);
	}
	free(r->rows);
	cert_put(r->only);
	HA_SPIN_DESTROY(&r->lock);
	free(r);
}

static void answer_requests(const struct ocu_clock *now)
{
	struct request *r, *next;

	for (r = request_take_all(); r; r = next) {
		next = r->next;
		request_fill(r, now);
		HA_SPIN_LOCK(OTHER_LOCK, &r->lock);
		r->ready = true;
		if (r->appctx)
			appctx_wakeup(r->appctx);
		HA_SPIN_UNLOCK(OTHER_LOCK, &r->lock);
		request_put(r);
	}
}

/* Removes what has expired from the state directory, from time to time. */
static void sweep(const struct ocu_clock *now)
{
	struct job *job;
	struct cert *c;
	size_t n = 0;

	if (now->mono_ms < sweep_ms || !state_on() || !loop || stopping)
		return;
	sweep_ms = now->mono_ms + SWEEP_EVERY_MS;
	for (c = certs; c; c = c->next)
		n++;
	job = job_new(JOB_SWEEP, NULL);
	if (!job)
		return;
	job->keys.v = calloc(n ? n : 1, sizeof(*job->keys.v));
	if (!job->keys.v) {
		job_free(job);
		return;
	}
	for (c = certs; c; c = c->next)
		state_keys_add(&job->keys, c);
	ocu_loop_post(loop, &job->msg);
}

static void look_around(const struct ocu_clock *now)
{
	struct cert *c;

	if (now->mono_ms < look_ms)
		return;
	look_ms = now->mono_ms + LOOK_EVERY_MS;
	for (c = certs; c; c = c->next)
		alert_ending(c, now->wall_s);
	if (summary_ms && now->mono_ms >= summary_ms && !stopping) {
		summary_ms = 0;
		alert_summary(certs, now->wall_s);
	}
	sweep(now);
}

/* Whether the wall clock was set since the last call. */
static bool clock_was_set(const struct ocu_clock *now)
{
	static int64_t drift_ms;
	static bool known;
	int64_t drift = now->wall_s * 1000 - now->mono_ms, moved = drift - drift_ms;
	bool set = known && (moved < -OCU_UPDATE_STEP_MS || moved > OCU_UPDATE_STEP_MS);

	if (set || !known)
		drift_ms = drift;
	known = true;
	return set;
}

/* What was refused by a wrong clock, saved or fetched, may be good by the one that was set: who has
 * nothing begins anew.
 */
static void begin_anew(struct ocu_clock *now)
{
	static int64_t next_ms;
	static bool wanted;
	struct cert *c;

	if (clock_was_set(now))
		wanted = true;
	if (!wanted || now->mono_ms < next_ms)
		return;
	wanted = false;
	next_ms = now->mono_ms + ANEW_EVERY_MS;
	for (c = certs; c; c = c->next) {
		if (cert_has_response(c, now->wall_s) || c->loading || c->item.ordered ||
		    c->item.state == OCU_ITEM_FLYING)
			continue;
		now->rnd = statistical_prng();
		c->loaded = false;
		cert_load(c);
		cert_restart(c, now);
	}
}

/* Nothing can be logged before the process serves: says what came of fetches until then. */
static void log_waited(void)
{
	const struct cert *c;

	for (c = certs; c; c = c->next)
		if (c->last)
			log_outcome(c, c->last->status, c->last->reason,
				    c->revoked && c->last->status == LOG_ST_OK);
}

static struct task *updater_run(struct task *t, void *context, unsigned int state)
{
	struct ocu_clock now = clock_now();
	int64_t wake;
	bool all;

	(void)context;
	if (state & TASK_WOKEN_INIT)
		log_waited();
	all = handle_mail(&now);
	handle_finished(&now);
	begin_anew(&now);
	wake = start_due(&now);
	look_around(&now);
	/* commands see what was done before they asked */
	if (all)
		answer_requests(&now);
	else
		wake = now.mono_ms;

	if (wake > look_ms)
		wake = look_ms;
	t->expire = tick_add(now_ms, wake > now.mono_ms ? wake - now.mono_ms + 1 : 1);
	return t;
}

/* With "quick-exit" HAProxy frees nothing; the thread must not outlive what it uses. */
static void end_loop(void)
{
	ocu_loop_free(loop);
	loop = NULL;
}

/* Makes and starts the loop thread. */
static bool start_loop(void)
{
	static bool registered;
	struct ocu_err err = {0};

	if (!registered)
		registered = atexit(end_loop) == 0;
	if (event_fd < 0)
		event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_fd >= 0 && ocu_loop_new(&loop, &err) == OCU_OK &&
	    ocu_loop_start(loop, loop_init, loop_fini, NULL, &err) == OCU_OK)
		return true;
	ha_warning("ocsp-update: the loop thread could not be started: %s; OCSP responses will not "
		   "be updated.\n",
		   err.code ? err.msg : "no file descriptor");
	ocu_loop_free(loop);
	loop = NULL;
	return false;
}

/* Runs on each thread of the process that serves, after chroot and the change of identity; the
 * master of master-worker mode runs it too. The thread is started here since HAProxy forbids new
 * ones as soon as all of its own have started.
 */
static int thread_init(void)
{
	if (master || tid != 0 || !updater)
		return 1;
	if (updater_needed && !global_ssl.ocsp_update.disable && start_loop()) {
		/* the poller ignores a descriptor without an owner */
		OCU_FD_INSERT(event_fd, updater, event_fd_iocb);
		fd_want_recv(event_fd);
	}
	summary_ms = ocu_now_ms() + SUMMARY_AFTER_MS;
	HA_ATOMIC_STORE(&serving, true);
	task_wakeup(updater, TASK_WOKEN_INIT);
	return 1;
}
REGISTER_PER_THREAD_INIT(thread_init);

/* ocsp-update.wait: fetches before the process is ready, while the one that it replaces goes on
 * serving. The thread ends before the process forks.
 */
static void wait_for_responses(void)
{
	int64_t end_ms = ocu_now_ms() + settings.wait_ms;
	struct pollfd pfd = { .events = POLLIN };
	struct ocu_clock now;
	int64_t wake;
	uint64_t n;

	if (!settings.wait_ms || !updater_needed || global_ssl.ocsp_update.disable || !start_loop())
		return;
	pfd.fd = event_fd;
	for (;;) {
		now = clock_now();
		while (!handle_mail(&now))
			;
		handle_finished(&now);
		wake = start_due(&now);
		if (now.mono_ms >= end_ms || !alert_waits_for(certs, now.wall_s))
			break;
		if (wake > end_ms)
			wake = end_ms;
		if (wake > now.mono_ms && poll(&pfd, 1, wake - now.mono_ms) > 0)
			DISGUISE(read(event_fd, &n, sizeof(n)));
	}
	ocu_loop_free(loop);
	loop = NULL;
	close(event_fd);
	event_fd = -1;
	handle_finished(&now);
	alert_waited(certs, now.wall_s);
}

/* Makes the task and the schedule; nothing runs before thread_init(). */
static int updater_new(void)
{
	struct ocu_update_conf conf = {
		.when = { global_ssl.ocsp_update.delay_min, global_ssl.ocsp_update.delay_max },
		.maxconn = settings.maxconn,
		.host_maxconn = settings.host_maxconn,
	};

	updater = task_new_anywhere();
	if (!updater || ocu_update_new(&schedule, &conf) != OCU_OK) {
		ha_alert("ocsp-update: out of memory.\n");
		return ERR_ALERT | ERR_FATAL;
	}
	updater->process = updater_run;
	wait_for_responses();
	return ERR_NONE;
}
REGISTER_POST_CHECK(updater_new);

/* Frees what never reached the task. */
static void drop_mail(void)
{
	struct request *r, *next_request;
	struct cert *c;
	struct job *job;
	unsigned mail;

	while ((c = mail_take(&mail)))
		cert_put(c);
	for (r = request_take_all(); r; r = next_request) {
		next_request = r->next;
		request_put(r);
	}
	while ((job = finished.jobs)) {
		finished.jobs = job->next;
		job_free(job);
	}
}

/* Ends the thread, then frees all that is left. HAProxy's threads have ended by now. */
static void updater_free(void)
{
	HA_ATOMIC_STORE(&serving, false);
	ssl_ocsp_updater = NULL;
	ocu_loop_free(loop);
	loop = NULL;
	drop_mail();
	while (certs)
		cert_remove(certs);
	ocu_update_free(schedule);
	schedule = NULL;
	task_destroy(updater);
	updater = NULL;
	ocu_buf_fini(&settings.nameservers);
	ha_free(&settings.resolvers_id);
	ha_free(&settings.ca_file);
	SSL_CTX_free(settings.tls);
	settings.tls = NULL;
	state_close();
	if (event_fd >= 0)
		close(event_fd);
	event_fd = -1;
}
REGISTER_POST_DEINIT(updater_free);

static void register_build_options(void)
{
	char *text = NULL;

	memprintf(&text, "Built with OCSP updater module version %s (%s)", OCU_VERSION,
		  ocu_walk_versions());
	hap_register_build_opts(text, 1);
}
INITCALL0(STG_REGISTER, register_build_options);

/* Before HAProxy binds its threads: their CPUs are not those of the process then. */
INITCALL0(STG_REGISTER, ocu_loop_cpus);
