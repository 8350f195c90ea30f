/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core.c - the life of an engine, and its ends towards the host: starts and stops the threads,
 * answers inquiries, hands over what there is to deliver.
 */
#include "ocu/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ocu/accept.h"
#include "ocu/look.h"
#include "ocu/openssl.h"
#include "ocu/rows.h"
#include "ocu/say.h"
#include "ocu/state.h"
#include "ocu/turn.h"

#define UNSAVED_LINES 4 /* in a minute */

/* ---- inquiries ---- */

static void answer(struct ocu_inquiry *inquiry, bool end)
{
	inquiry->end = end;
	if (end) {
		ocu_listing_free(inquiry->listing);
		inquiry->listing = NULL;
	}
	ocu_state_send(inquiry->engine, &inquiry->parcel, OCU_PARCEL_ANSWER);
}

static void answer_text(struct ocu_inquiry *inquiry, const char *text)
{
	if (ocu_buf_addf(&inquiry->text, "%s.\n", text) != OCU_OK)
		ocu_buf_reset(&inquiry->text);
	answer(inquiry, true);
}

/* An administrator wants a response for <c> now. */
static void order(struct ocu_inquiry *inquiry, struct ocu_cert *c, const struct ocu_clock *now)
{
	char text[OCU_SAY_LINE_BYTES];

	if (c->n_uris) {
		ocu_plan_order(inquiry->engine->plan, &c->item, now);
		answer(inquiry, true);
		return;
	}
	(void)snprintf(text, sizeof(text), "No usable OCSP URI in the certificate%s%s",
		       c->bad_uris ? ": " : "", c->bad_uris ? c->bad_uris : "");
	answer_text(inquiry, text);
}

/* Makes what is needed for an answer in pieces. Returns whether there is one. */
static bool inquiry_begin(struct ocu_inquiry *inquiry, const struct ocu_clock *now)
{
	static const enum ocu_rows_form forms[] = {
		[OCU_INQUIRY_TABLE] = OCU_ROWS_TABLE,
		[OCU_INQUIRY_JSON] = OCU_ROWS_JSON,
		[OCU_INQUIRY_DETAIL] = OCU_ROWS_DETAIL,
	};
	struct ocu_engine *e = inquiry->engine;
	enum ocu_rows_form form;
	bool one = inquiry->kind == OCU_INQUIRY_DETAIL || inquiry->kind == OCU_INQUIRY_ORDER;
	struct ocu_cert *c = one ? ocu_certs_find(e->certs, inquiry->key, inquiry->key_len) : NULL;

	if (one && !c) {
		answer_text(inquiry, "This certificate is not updated: it was removed, or there "
				     "was no memory for it");
		return false;
	}
	if (inquiry->kind == OCU_INQUIRY_ORDER) {
		order(inquiry, c, now);
		return false;
	}
	form = forms[inquiry->kind];
	if (form == OCU_ROWS_TABLE && e->conf.reason_inside)
		form = OCU_ROWS_REASONS;
	if (ocu_listing_new(&inquiry->listing, e->certs, c, form, now) == OCU_OK)
		return true;
	answer_text(inquiry, "Out of memory");
	return false;
}

/* Goes on with <inquiry> when all else has had its turn. */
static void inquiry_again(struct ocu_inquiry *inquiry, void (*run)(struct ocu_msg *m))
{
	inquiry->msg.run = run;
	ocu_loop_post(inquiry->engine->loop, &inquiry->msg);
}

/* Answers for the last time, after as many steps as it takes to give back what is left. */
static void ending_run(struct ocu_msg *m)
{
	struct ocu_inquiry *inquiry = OCU_OWNER(m, struct ocu_inquiry, msg);

	if (ocu_listing_shrink(inquiry->listing))
		inquiry_again(inquiry, ending_run);
	else
		answer(inquiry, true);
}

static void inquiry_run(struct ocu_msg *m)
{
	struct ocu_inquiry *inquiry = OCU_OWNER(m, struct ocu_inquiry, msg);
	struct ocu_clock now = ocu_state_now(inquiry->engine);
	bool end = true;

	ocu_buf_reset(&inquiry->text);
	if (inquiry->drop) {
		ending_run(m);
		return;
	}
	if (!inquiry->listing && !inquiry_begin(inquiry, &now))
		return;
	if (ocu_listing_gather(inquiry->listing)) {
		inquiry_again(inquiry, inquiry_run);
		return;
	}
	if (ocu_listing_next(inquiry->listing, &inquiry->text, &end, &now) != OCU_OK || end)
		ending_run(m);
	else
		answer(inquiry, false);
}

static void inquiry_post(struct ocu_engine *e, struct ocu_inquiry *inquiry, bool drop)
{
	inquiry->engine = e;
	inquiry->drop = drop;
	inquiry_again(inquiry, inquiry_run);
}

void ocu_engine_inquire(struct ocu_engine *e, struct ocu_inquiry *inquiry)
{
	inquiry_post(e, inquiry, false);
}

void ocu_engine_drop(struct ocu_engine *e, struct ocu_inquiry *inquiry)
{
	inquiry_post(e, inquiry, true);
}

/* ---- towards the host ---- */

bool ocu_engine_deliver(struct ocu_engine *e, unsigned max, bool lines)
{
	struct ocu_parcel *p = NULL;
	struct ocu_line *l;

	for (; max && (p = ocu_outbox_get(&e->outbox, lines)); max--) {
		switch (p->kind) {
		case OCU_PARCEL_PUBLICATION:
			ocu_accept_deliver(e, p);
			break;
		case OCU_PARCEL_ANSWER:
			e->ops->answer(e->host, OCU_OWNER(p, struct ocu_inquiry, parcel));
			break;
		case OCU_PARCEL_LINE:
			l = OCU_OWNER(p, struct ocu_line, parcel);
			e->ops->log(e->host, l->level, l->path, l->text);
			free(l);
			break;
		}
	}
	return p != NULL;
}

void ocu_engine_published(struct ocu_engine *e, struct ocu_publication *p, enum ocu_status st)
{
	(void)e;
	ocu_accept_published(p, st);
}

size_t ocu_engine_missing(const struct ocu_engine *e, bool must)
{
	return atomic_load(&e->watch.missing[must]);
}

size_t ocu_engine_say_missing(struct ocu_engine *e, bool must, char *out, size_t size)
{
	struct ocu_clock now = ocu_state_now(e);
	struct ocu_missing m;

	ocu_missing_init(&m, e->certs, must);
	while (ocu_missing_next(&m, &now))
		;
	ocu_missing_fini(&m);
	return ocu_missing_say(&m, out, size);
}

/* ---- the threads ---- */

/* The first thing on the loop thread. */
static void thread_begin(void *arg)
{
	struct ocu_engine *e = arg;

	ocu_state_start(e);
	ocu_turn_start(e);
	ocu_accept_start(e);
	ocu_look_start(e);
}

/* The last thing on it. */
static void thread_end(void *arg)
{
	struct ocu_engine *e = arg;

	ocu_turn_stop(e);
	ocu_accept_stop(e);
	ocu_look_stop(e);
	ocu_state_stop(e);
}

enum ocu_status ocu_engine_new(struct ocu_engine **out, const struct ocu_host_ops *ops, void *host,
			       struct ocu_err *err)
{
	struct ocu_engine *e = calloc(1, sizeof(*e));

	*out = NULL;
	if (!e)
		return ocu_fail(err, OCU_NOMEM, "engine: %s", ocu_text(OCU_NOMEM));
	e->ops = ops;
	e->host = host;
	ocu_outbox_init(&e->outbox);
	ocu_watch_init(&e->watch);
	ocu_quota_init(&e->local, 1);
	ocu_quota_init(&e->unsaved, UNSAVED_LINES);
	TAILQ_INIT(&e->waiting);
	if (getrandom(&e->random, sizeof(e->random), GRND_NONBLOCK) != sizeof(e->random))
		e->random = (uint64_t)ocu_now_ms();
	if (ocu_certs_new(&e->certs) != OCU_OK || ocu_loop_new(&e->loop, err) != OCU_OK) {
		ocu_certs_free(e->certs);
		ocu_outbox_fini(&e->outbox);
		free(e);
		return ocu_fail(err, OCU_NOMEM, "engine: %s", ocu_text(OCU_NOMEM));
	}
	*out = e;
	return OCU_OK;
}

enum ocu_status ocu_engine_configure(struct ocu_engine *e, const struct ocu_engine_conf *conf,
				     struct ocu_err *err)
{
	e->conf = *conf;
	if (ocu_plan_new(&e->plan, &conf->plan) != OCU_OK ||
	    ocu_responders_new(&e->responders, e->plan) != OCU_OK)
		return ocu_fail(err, OCU_NOMEM, "engine: %s", ocu_text(OCU_NOMEM));
	return conf->store ? ocu_disk_new(&e->disk, conf->store, err) : OCU_OK;
}

void ocu_engine_hurry(struct ocu_engine *e)
{
	ocu_plan_hurry(e->plan, true);
}

bool ocu_engine_runs(const struct ocu_engine *e)
{
	return atomic_load(&e->running);
}

/* Starts the disk thread, if there is a state directory; a new one if the last one was given up. */
static enum ocu_status disk_start(struct ocu_engine *e, struct ocu_err *err)
{
	struct ocu_disk_conf conf = { .uid = e->conf.uid, .gid = e->conf.gid,
				      .cpus = ocu_loop_process_cpus() };
	enum ocu_status st = OCU_OK;

	if (!e->disk && e->conf.store)
		st = ocu_disk_new(&e->disk, e->conf.store, err);
	return st == OCU_OK && e->disk ? ocu_disk_start(e->disk, &conf, err) : st;
}

enum ocu_status ocu_engine_start(struct ocu_engine *e, struct ocu_err *err)
{
	enum ocu_status st;

	if (atomic_load(&e->running))
		return ocu_fail(err, OCU_IO, "they run already");
	if (!e->responders)
		return ocu_fail(err, OCU_IO, "the engine was not configured");
	st = disk_start(e, err);
	if (st != OCU_OK)
		return st;
	/* the first that the loop thread does may be to ask the disk thread for something */
	atomic_store(&e->running, true);
	st = ocu_loop_start(e->loop, thread_begin, thread_end, e, err);
	if (st == OCU_OK)
		return OCU_OK;
	atomic_store(&e->running, false);
	if (e->disk)
		(void)ocu_disk_stop(e->disk, 0);
	return st;
}

void ocu_engine_stop(struct ocu_engine *e)
{
	if (!atomic_exchange(&e->running, false))
		return;
	/* in this order, so that what was published is still written */
	ocu_loop_stop(e->loop);
	if (!e->disk || ocu_disk_stop(e->disk, OCU_ENGINE_DISK_MS))
		return;
	/* it hangs, and cannot be started again */
	ocu_disk_free(e->disk);
	e->disk = NULL;
}

int ocu_engine_dir(const struct ocu_engine *e)
{
	return e->disk ? ocu_disk_dir(e->disk) : -1;
}

void ocu_engine_pause(struct ocu_engine *e)
{
	atomic_store(&e->paused, true);
}

void ocu_engine_free(struct ocu_engine *e)
{
	struct ocu_clock now;
	struct ocu_cert *c;

	if (!e)
		return;
	ocu_engine_stop(e);
	ocu_disk_free(e->disk);
	e->disk = NULL;
	/* what was on its way ends here, and what it sends to the host is delivered */
	do {
		(void)ocu_engine_deliver(e, UINT_MAX, true);
	} while (e->loop && ocu_loop_run_posted(e->loop));
	now = ocu_state_now(e);
	while (e->certs && (c = ocu_certs_first(e->certs)))
		ocu_turn_remove(e, c, &now);
	ocu_responders_free(e->responders);
	ocu_plan_free(e->plan);
	ocu_certs_free(e->certs);
	ocu_loop_free(e->loop);
	ocu_outbox_fini(&e->outbox);
	free(e);
}

const char ocu_built_for_openssl[] = OPENSSL_VERSION_TEXT;

void ocu_engine_versions(char out[static OCU_FETCH_VERSIONS_BYTES])
{
	ocu_fetch_versions(out);
}

unsigned ocu_engine_fds(unsigned n)
{
	return OCU_FETCH_FDS(n);
}
