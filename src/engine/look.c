/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look.c - looks around from time to time: says what nobody has asked for, sweeps the directory. */
#include "ocu/look.h"

#include <stdio.h>
#include <stdlib.h>

#include "ocu/say.h"

#define LOOK_EVERY_MS 5000
#define SUMMARY_AFTER_MS 30000
#define SWEEP_EVERY_MS (24 * INT64_C(3600000))
#define ALERTS_AT_ONCE 16
#define SWEPT_AT_ONCE 64

/* What is about all certificates is done in parts, and each says whether there are more of them:
 * then the next ones follow when the loop has looked at its sockets.
 */

void ocu_look_ending(struct ocu_engine *e, const struct ocu_clock *now)
{
	char line[OCU_SAY_LINE_BYTES];
	int i;

	for (i = 0; i < ALERTS_AT_ONCE; i++) {
		if (!ocu_watch_ending(&e->watch, now, line, sizeof(line)))
			return;
		ocu_state_log(e, OCU_LEVEL_ALERT, NULL, line);
	}
}

static void missing_free(struct ocu_engine *e)
{
	if (e->missing)
		ocu_missing_fini(e->missing);
	free(e->missing);
	e->missing = NULL;
}

static void say_missing(struct ocu_engine *e)
{
	char text[768], line[OCU_SAY_LINE_BYTES];
	size_t n = ocu_missing_say(e->missing, text, sizeof(text));

	if (!n)
		return;
	snprintf(line, sizeof(line),
		 "<OCSP-UPDATE> %zu certificate%s still without an OCSP response: %s", n,
		 n > 1 ? "s are" : " is", text);
	ocu_state_log(e, OCU_LEVEL_WARNING, NULL, line);
}

/* The summary after the start. */
static bool summary(struct ocu_engine *e, const struct ocu_clock *now)
{
	if (e->summary_ms && now->mono_ms >= e->summary_ms) {
		e->summary_ms = 0;
		e->missing = malloc(sizeof(*e->missing));
		if (e->missing)
			ocu_missing_init(e->missing, e->certs, false);
	}
	if (!e->missing)
		return false;
	if (ocu_missing_next(e->missing, now))
		return true;
	say_missing(e);
	missing_free(e);
	return false;
}

/* ---- the state directory ---- */

/* A disk that is full is so for all: a few were named when they could not be saved. */
static void say_unsaved(struct ocu_engine *e, const struct ocu_clock *now)
{
	unsigned n = ocu_quota_rest(&e->unsaved, now->mono_ms);
	char line[OCU_SAY_LINE_BYTES];

	if (!n)
		return;
	snprintf(line, sizeof(line), "<OCSP-UPDATE> %u more response%s could not be saved", n,
		 n > 1 ? "s" : "");
	ocu_state_log(e, OCU_LEVEL_WARNING, NULL, line);
}

struct ocu_sweep {
	struct ocu_disk_sweep disk;
	struct ocu_certs_walk walk;
	struct ocu_msg msg;
	struct ocu_engine *engine;
};

static void sweep_free(struct ocu_sweep *s)
{
	ocu_disk_sweep_fini(&s->disk);
	free(s);
}

static void sweep_over(struct ocu_msg *m)
{
	sweep_free(OCU_OWNER(m, struct ocu_sweep, msg));
}

static void sweep_done(struct ocu_disk_job *d)
{
	struct ocu_sweep *s = OCU_OWNER(d, struct ocu_sweep, disk.job);

	ocu_loop_post(s->engine->loop, &s->msg);
}

static struct ocu_sweep *sweep_new(struct ocu_engine *e)
{
	struct ocu_sweep *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->engine = e;
	s->msg.run = sweep_over;
	ocu_disk_sweep_init(&s->disk);
	s->disk.job.done = sweep_done;
	ocu_certs_walk_init(&s->walk, e->certs);
	return s;
}

/* Lets the files of the next certificates stay. */
static enum ocu_status sweep_fill(struct ocu_sweep *s)
{
	enum ocu_status st = OCU_OK;
	struct ocu_cert *c;
	int i;

	for (i = 0; st == OCU_OK && i < SWEPT_AT_ONCE; i++) {
		c = ocu_certs_walk_next(&s->walk);
		if (!c)
			break;
		st = ocu_disk_sweep_add(&s->disk, (struct ocu_slice){ c->key, c->key_len });
	}
	return st;
}

/* Removes what has expired from the state directory, from time to time. */
static bool sweep(struct ocu_engine *e, const struct ocu_clock *now)
{
	struct ocu_sweep *s = e->sweep;
	enum ocu_status st;

	if (!s && now->mono_ms >= e->sweep_ms && ocu_state_disk(e))
		s = e->sweep = sweep_new(e);
	if (!s)
		return false;
	st = sweep_fill(s);
	if (st == OCU_OK && s->walk.next)
		return true;
	e->sweep_ms = now->mono_ms + SWEEP_EVERY_MS;
	e->sweep = NULL;
	ocu_certs_walk_fini(&s->walk);
	if (st == OCU_OK)
		ocu_disk_sweep_start(e->disk, &s->disk);
	else
		sweep_free(s);
	return false;
}

static void look_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_engine *e = w->data;
	struct ocu_clock now = ocu_state_now(e);
	bool more = false;

	(void)revents;
	if (!atomic_load(&e->paused)) {
		ocu_look_ending(e, &now);
		say_unsaved(e, &now);
		more = ocu_watch_is_due(&e->watch, &now);
		more |= summary(e, &now);
		more |= sweep(e, &now);
	}
	ocu_loop_timer_start(loop, &e->look, more ? 0 : LOOK_EVERY_MS);
}

void ocu_look_start(struct ocu_engine *e)
{
	e->summary_ms = ocu_now_ms() + SUMMARY_AFTER_MS;
	ocu_loop_timer_init(&e->look, look_cb, e);
	ocu_loop_timer_start(ocu_loop_ev(e->loop), &e->look, 0);
}

void ocu_look_stop(struct ocu_engine *e)
{
	ocu_loop_timer_stop(ocu_loop_ev(e->loop), &e->look);
	missing_free(e);
	if (!e->sweep)
		return;
	ocu_certs_walk_fini(&e->sweep->walk);
	sweep_free(e->sweep);
	e->sweep = NULL;
}
