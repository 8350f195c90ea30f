/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accept.c - hands responses to the host and to the disk, one object each from end to end. */
#include "ocu/accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/job.h"
#include "ocu/say.h"
#include "ocu/settle.h"

#define WAITED_AT_ONCE 64

/* A response on its way. Whoever has it alone touches it: the loop thread, the host between publish
 * and published, the disk thread.
 */
struct ocu_accepted {
	struct ocu_parcel parcel;
	struct ocu_publication pub;
	struct ocu_msg msg; /* back to the loop thread */
	union {
		struct ocu_disk_job job;
		struct ocu_disk_load load;
		struct ocu_disk_save save;
	} disk;
	struct ocu_waiting waiting;
	struct ocu_engine *engine;
	struct ocu_cert *cert; /* with a reference */
	X509 *issuer;          /* with a reference: a renewed one may take its place meanwhile */
	struct ocu_buf der;
	struct ocu_held held;
	bool saved;            /* it came from the disk */
	enum ocu_status st;    /* what the host said */
};

struct ocu_accepted *ocu_accept_new(struct ocu_engine *e, struct ocu_cert *c)
{
	struct ocu_accepted *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->engine = e;
	c->refs++;
	a->cert = c;
	X509_up_ref(c->issuer);
	a->issuer = c->issuer;
	ocu_buf_init(&a->der, OCU_OCSP_MAX_BYTES);
	return a;
}

void ocu_accept_free(struct ocu_accepted *a)
{
	if (!a)
		return;
	ocu_buf_fini(&a->der);
	ocu_cert_put(a->cert);
	X509_free(a->issuer);
	free(a);
}

/* ---- to the host ---- */

/* The plan knows it as held already: so it is, unless the host says otherwise. */
static void publish(struct ocu_accepted *a, const struct ocu_clock *now)
{
	struct ocu_cert *c = a->cert;

	ocu_watch_cert(&a->engine->watch, c, now);
	a->pub = (struct ocu_publication){
		.key = c->key,
		.key_len = c->key_len,
		.der = &a->der,
		.held = &a->held,
		.changes = c->changes,
	};
	ocu_state_send(a->engine, &a->parcel, OCU_PARCEL_PUBLICATION);
}

void ocu_accept(struct ocu_accepted *a, struct ocu_buf *der, const struct ocu_held *held,
		const struct ocu_clock *now)
{
	ocu_buf_fini(&a->der);
	a->der = *der;
	ocu_buf_init(der, OCU_OCSP_MAX_BYTES);
	a->held = *held;
	publish(a, now);
}

void ocu_accept_deliver(struct ocu_engine *e, struct ocu_parcel *parcel)
{
	e->ops->publish(e->host, &OCU_OWNER(parcel, struct ocu_accepted, parcel)->pub);
}

/* ---- to the disk, and from it ---- */

static void loaded(struct ocu_msg *m);

static void log_disk(const struct ocu_accepted *a, const char *what)
{
	char text[OCU_SAY_LINE_BYTES];

	snprintf(text, sizeof(text), "%s: %s", what, a->disk.job.err.msg);
	ocu_state_log(a->engine, OCU_LEVEL_WARNING, a->cert, text);
}

/* On the disk thread: back to the loop thread. */
static void disk_done(struct ocu_disk_job *d)
{
	struct ocu_accepted *a = OCU_OWNER(d, struct ocu_accepted, disk.job);

	ocu_loop_post(a->engine->loop, &a->msg);
}

static struct ocu_slice key_of(const struct ocu_cert *c)
{
	return (struct ocu_slice){ .p = c->key, .n = c->key_len };
}

/* Reads what is saved for the certificate of <a>, which goes on with it; its own response is not
 * needed any more.
 */
static void load(struct ocu_accepted *a)
{
	struct ocu_disk_load *l = &a->disk.load;

	ocu_buf_fini(&a->der);
	a->msg.run = loaded;
	*l = (struct ocu_disk_load){
		.job.done = disk_done,
		.certid = key_of(a->cert),
		.cert = a->cert->x509,
		.issuer = a->issuer,
	};
	ocu_buf_init(&l->der, OCU_OCSP_MAX_BYTES);
	ocu_disk_load_start(a->engine->disk, l);
}

/* A newer one may be there already: another process shares the directory. It is taken from there.
 * That comes to an end, since nothing that was loaded is ever saved.
 */
static void written(struct ocu_msg *m)
{
	struct ocu_accepted *a = OCU_OWNER(m, struct ocu_accepted, msg);
	enum ocu_status st = a->disk.job.err.code;

	if (st == OCU_AGAIN && a->cert->in_table && ocu_state_disk(a->engine)) {
		load(a);
		return;
	}
	if (st != OCU_OK && st != OCU_CANCELLED && st != OCU_AGAIN &&
	    ocu_quota_take(&a->engine->unsaved, ocu_now_ms()))
		log_disk(a, "the response could not be saved");
	ocu_accept_free(a);
}

static void save(struct ocu_accepted *a)
{
	struct ocu_cert *c = a->cert;
	struct ocu_disk_save *s = &a->disk.save;

	a->msg.run = written;
	s->job.done = disk_done;
	s->certid = key_of(c);
	s->cert = c->x509;
	s->issuer = a->issuer;
	s->der = (struct ocu_slice){ .p = a->der.data, .n = a->der.len };
	s->held = a->held;
	ocu_disk_save_start(a->engine->disk, s);
}

/* The host has refused <a>: what it stapled before is held. */
static void take_back(struct ocu_accepted *a, const struct ocu_clock *now)
{
	struct ocu_cert *c = a->cert;

	/* a newer one is on its way already */
	if (ocu_held_compare(&c->item.held, &a->held, now->wall_s) != OCU_AGE_SAME)
		return;
	/* they are of the refused one: a 304 would keep it from coming again */
	ocu_cert_validators(c, &(struct ocu_http_validators){ 0 }, 0);
	ocu_job_refused(c, a->st);
	ocu_plan_refused(a->engine->plan, &c->item, &c->stapled, now);
	ocu_settle_broken_off(a->engine, c, now);
	ocu_watch_cert(&a->engine->watch, c, now);
}

/* Takes in whether the host staples <a> now. If somebody else has set a response since, that was
 * heard before this, and is what it staples.
 */
static void settle(struct ocu_accepted *a)
{
	struct ocu_clock now = ocu_state_now(a->engine);
	struct ocu_cert *c = a->cert;
	char text[OCU_SAY_LINE_BYTES];

	if (a->st != OCU_OK) {
		snprintf(text, sizeof(text), "not stapled: %s", ocu_text(a->st));
		ocu_state_log(a->engine, OCU_LEVEL_NOTICE, c, text);
	}
	if (a->pub.changes != c->changes)
		return;
	if (a->st == OCU_OK)
		c->stapled = a->held;
	else
		take_back(a, &now);
}

/* The host has answered. */
static void published(struct ocu_msg *m)
{
	struct ocu_accepted *a = OCU_OWNER(m, struct ocu_accepted, msg);
	struct ocu_engine *e = a->engine;

	if (a->cert->in_table)
		settle(a);
	if (a->st != OCU_OK || a->saved || !e->disk) {
		ocu_accept_free(a);
		return;
	}
	save(a);
}

void ocu_accept_published(struct ocu_publication *p, enum ocu_status st)
{
	struct ocu_accepted *a = OCU_OWNER(p, struct ocu_accepted, pub);

	a->st = st;
	a->msg.run = published;
	ocu_loop_post(a->engine->loop, &a->msg);
}

/* Staples what was found if it is better than what is held. Takes <a>. */
static void take_loaded(struct ocu_accepted *a, const struct ocu_clock *now)
{
	const struct ocu_err *err = &a->disk.job.err;
	struct ocu_cert *c = a->cert;

	if (err->code == OCU_OK)
		a->held = a->disk.load.held;
	else if (err->code != OCU_AGAIN && err->code != OCU_CANCELLED)
		log_disk(a, "the saved response is ignored and will be fetched anew");
	if (err->code != OCU_OK || !c->in_table ||
	    ocu_held_compare(&c->item.held, &a->held, now->wall_s) != OCU_AGE_NEW) {
		ocu_accept_free(a);
		return;
	}
	a->saved = true;
	if (a->held.revoked && !c->item.held.revoked)
		ocu_state_log(a->engine, OCU_LEVEL_WARNING, c, OCU_SAY_REVOKED);
	/* they are of what was held */
	ocu_cert_validators(c, &(struct ocu_http_validators){ 0 }, 0);
	ocu_plan_held(a->engine->plan, &c->item, &a->held, now);
	ocu_settle_broken_off(a->engine, c, now);
	publish(a, now);
}

/* <w> waits no longer: its certificate is scheduled. */
static void waited(struct ocu_engine *e, struct ocu_waiting *w, const struct ocu_clock *now)
{
	struct ocu_cert *c = w->cert;

	if (!c)
		return;
	TAILQ_REMOVE(&e->waiting, w, link);
	w->cert = NULL;
	c->loading = false;
	if (c->in_table)
		ocu_plan_automatic(e->plan, &c->item, c->automatic, now);
	ocu_cert_put(c);
}

static void patience_set(struct ocu_engine *e, struct ev_loop *loop, int64_t now_ms)
{
	const struct ocu_waiting *first = TAILQ_FIRST(&e->waiting);

	ocu_loop_timer_stop(loop, &e->patience);
	if (first)
		ocu_loop_timer_start(loop, &e->patience, first->until_ms - now_ms);
}

/* The disk is slow, or hangs: the network does not wait for it. */
static void patience_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ocu_engine *e = t->data;
	struct ocu_clock now = ocu_state_now(e);
	struct ocu_waiting *w;
	int n;

	(void)revents;
	for (n = 0; n < WAITED_AT_ONCE && (w = TAILQ_FIRST(&e->waiting)); n++) {
		if (w->until_ms > now.mono_ms)
			break;
		waited(e, w, &now);
		now = ocu_state_now(e);
	}
	patience_set(e, loop, now.mono_ms);
}

static void wait_begin(struct ocu_engine *e, struct ocu_accepted *a)
{
	bool first = TAILQ_EMPTY(&e->waiting);
	int64_t now_ms = ocu_now_ms();

	a->cert->loading = true;
	a->cert->refs++;
	a->waiting.cert = a->cert;
	a->waiting.until_ms = now_ms + OCU_ACCEPT_LOAD_MS;
	TAILQ_INSERT_TAIL(&e->waiting, &a->waiting, link);
	if (first)
		patience_set(e, ocu_loop_ev(e->loop), now_ms);
}

void ocu_accept_start(struct ocu_engine *e)
{
	ocu_loop_timer_init(&e->patience, patience_cb, e);
	patience_set(e, ocu_loop_ev(e->loop), ocu_now_ms());
}

void ocu_accept_stop(struct ocu_engine *e)
{
	ocu_loop_timer_stop(ocu_loop_ev(e->loop), &e->patience);
}

static void loaded(struct ocu_msg *m)
{
	struct ocu_accepted *a = OCU_OWNER(m, struct ocu_accepted, msg);
	struct ocu_engine *e = a->engine;
	struct ocu_clock now = ocu_state_now(e);

	ocu_buf_fini(&a->der);
	a->der = a->disk.load.der;
	waited(e, &a->waiting, &now);
	take_loaded(a, &now);
}

void ocu_accept_load(struct ocu_engine *e, struct ocu_cert *c)
{
	struct ocu_accepted *a;

	if (c->loaded || !ocu_state_disk(e))
		return;
	c->loaded = true;
	a = ocu_accept_new(e, c);
	if (!a)
		return;
	wait_begin(e, a);
	load(a);
}

struct ocu_accepted *ocu_accept_saved_new(struct ocu_engine *e, struct ocu_cert *c)
{
	if (c->loaded || !e->conf.store)
		return NULL;
	c->loaded = true;
	return ocu_accept_new(e, c);
}

/* As the disk thread does it. */
void ocu_accept_saved_read(struct ocu_accepted *a)
{
	struct ocu_disk_load *l = &a->disk.load;
	struct ocu_cert *c = a->cert;
	struct ocu_err *err = &l->job.err;

	err->code = ocu_store_get(a->engine->conf.store, c->key, c->key_len, &a->der, err);
	if (err->code == OCU_OK)
		err->code = ocu_ocsp_verify(&l->ocsp, a->der.data, a->der.len, c->x509, c->issuer,
					    ocu_wall_s(), err);
	if (err->code == OCU_OK)
		ocu_held_init(&l->held, &l->ocsp, a->der.data, a->der.len);
}

void ocu_accept_saved_take(struct ocu_accepted *a)
{
	struct ocu_clock now = ocu_state_now(a->engine);

	take_loaded(a, &now);
}
