/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turn.c - drives the plan: begins the turns that are due before the loop waits, and takes in how
 * they end.
 */
#include "ocu/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/accept.h"
#include "ocu/job.h"
#include "ocu/say.h"
#include "ocu/settle.h"

#define TURNS_AT_ONCE 64 /* begun before the loop looks at its sockets again */
#define STEPPED_AT_ONCE 256 /* looked after since a step of the clock, likewise */

/* Gives back what <c> has of the schedule. Not while it is in flight. */
static void cert_unplan(struct ocu_engine *e, struct ocu_cert *c)
{
	size_t i;

	ocu_plan_remove(e->plan, &c->item);
	ocu_job_forget(c);
	ocu_job_hop_free(c, e->responders);
	for (i = 0; i < c->n_uris; i++)
		ocu_responder_put(e->responders, c->uris[i].responder);
}

enum ocu_status ocu_turn_add(struct ocu_engine *e, struct ocu_cert *c,
			     const struct ocu_clock *now)
{
	struct ocu_url url;
	struct ocu_uri *u;
	size_t i;

	for (i = 0; i < c->n_uris; i++) {
		u = &c->uris[i];
		if (ocu_url_parse(&url, u->text, strlen(u->text), NULL) == OCU_OK)
			u->responder = ocu_responder_get(e->responders, &url);
		if (!u->responder)
			break;
		c->places[i].lane = &u->responder->lane;
	}
	if (i < c->n_uris) {
		while (i-- > 0)
			ocu_responder_put(e->responders, c->uris[i].responder);
		return OCU_NOMEM;
	}
	ocu_plan_add(e->plan, &c->item, c->places, c->n_uris, c->must_staple, c->not_after);
	ocu_watch_cert(&e->watch, c, now);
	return OCU_OK;
}

/* The last thing that happens to a certificate that was in the table. */
static void cert_drop(struct ocu_engine *e, struct ocu_cert *c)
{
	cert_unplan(e, c);
	ocu_cert_put(c);
}

void ocu_turn_remove(struct ocu_engine *e, struct ocu_cert *c, const struct ocu_clock *now)
{
	if (e->stepped == c)
		e->stepped = c->next;
	ocu_certs_remove(e->certs, c);
	ocu_watch_cert(&e->watch, c, now);
	if (c->job)
		ocu_fetch_cancel(&c->job->fetch); /* turn_done() drops it */
	else
		cert_drop(e, c);
}

/* What the turn <j> brought is taken in, and goes on its way with <a> if it is new: the plan knows
 * how it ended.
 */
static void turn_over(struct ocu_engine *e, struct ocu_job *j, struct ocu_accepted *a,
		      bool revoked, const struct ocu_clock *now)
{
	if (a) {
		ocu_cert_validators(j->cert, &j->fetch.validators, j->uri);
		ocu_accept(a, &j->fetch.der, &j->fetch.fresh, now);
	}
	ocu_settle(e, j->cert, j->fetch.err.code, revoked, now);
}

/* What fails for want of something on this side fails for all. */
static void say_local(struct ocu_engine *e, const struct ocu_cert *c, const char *why,
		      const struct ocu_clock *now)
{
	char text[OCU_SAY_LINE_BYTES];

	if (!ocu_quota_take(&e->local, now->mono_ms))
		return;
	snprintf(text, sizeof(text), "%sno response can be asked for at the moment: %s",
		 c ? "" : "<OCSP-UPDATE> ", why);
	ocu_state_log(e, OCU_LEVEL_ERROR, c, text);
}

/* Makes what a new response goes on its way with, before the plan takes it for held: without memory
 * for that the turn has failed on this side.
 */
static struct ocu_accepted *accept_new(struct ocu_engine *e, struct ocu_job *j,
				       struct ocu_ended *end)
{
	struct ocu_accepted *a = NULL;

	if (end->end == OCU_END_NEW)
		a = ocu_accept_new(e, j->cert);
	if (end->end != OCU_END_NEW || a)
		return a;
	(void)ocu_fail(&j->fetch.err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	end->end = OCU_END_LOCAL;
	return NULL;
}

static void turn_done(struct ocu_fetch *f)
{
	struct ocu_job *j = OCU_OWNER(f, struct ocu_job, fetch);
	struct ocu_engine *e = j->owner;
	struct ocu_cert *c = j->cert;
	struct ocu_clock now = ocu_state_now(e);
	struct ocu_ended end = ocu_job_end(j, e->responders, &now);
	bool over, revoked = end.end == OCU_END_NEW && end.held.revoked && !c->item.held.revoked;
	struct ocu_accepted *a;

	c->job = NULL;
	if (!c->in_table)
		end.end = OCU_END_CANCELLED;
	a = accept_new(e, j, &end);
	if (end.end == OCU_END_LOCAL)
		say_local(e, c, f->err.msg, &now);
	if (end.end == OCU_END_MOVED)
		over = ocu_plan_moved(e->plan, &c->item, &c->places[c->n_uris], &now);
	else
		over = ocu_plan_done(e->plan, &c->item, &end, &now);
	if (over && end.end == OCU_END_MOVED) {
		ocu_job_stranded(c, &c->places[c->n_uris]);
		f->err.code = OCU_CONNECT;
	}
	if (over)
		turn_over(e, j, a, revoked, &now);
	else
		ocu_accept_free(a);
	if (!c->in_table)
		cert_drop(e, c);
	ocu_job_free(j);
}

static void turn_hangs(struct ocu_fetch *f)
{
	struct ocu_job *j = OCU_OWNER(f, struct ocu_job, fetch);
	struct ocu_engine *e = j->owner;
	struct ocu_clock now = ocu_state_now(e);

	if (ocu_plan_hangs(e->plan, &j->cert->item, &now))
		ocu_fetch_cancel(f);
}

static void turn_stalls(struct ocu_fetch *f)
{
	struct ocu_job *j = OCU_OWNER(f, struct ocu_job, fetch);
	struct ocu_engine *e = j->owner;
	struct ocu_clock now = ocu_state_now(e);

	ocu_plan_stalls(e->plan, &j->cert->item, &now);
}

/* Nothing could be begun for want of something on this side. */
static void turn_failed(struct ocu_engine *e, struct ocu_cert *c, const struct ocu_clock *now)
{
	const struct ocu_ended end = { .end = OCU_END_LOCAL };

	say_local(e, c, ocu_text(OCU_NOMEM), now);
	(void)ocu_plan_done(e->plan, &c->item, &end, now);
}

/* The try of <c> is over where it has waited for a turn. */
static void turn_lost(struct ocu_engine *e, const struct ocu_turn *at, const struct ocu_clock *now)
{
	struct ocu_cert *c = OCU_OWNER(at->item, struct ocu_cert, item);

	ocu_job_stranded(c, at->place);
	ocu_settle(e, c, OCU_CONNECT, false, now);
}

static void turn_begin(struct ocu_engine *e, const struct ocu_turn *turn,
		       const struct ocu_clock *now)
{
	struct ocu_cert *c = OCU_OWNER(turn->item, struct ocu_cert, item);
	struct ocu_job *j;

	if (!c->item.spare)
		ocu_job_hop_free(c, e->responders);
	if (ocu_job_new(&j, c, turn, e->conf.timeout_ms, now) != OCU_OK) {
		turn_failed(e, c, now);
		return;
	}
	c->job = j;
	j->owner = e;
	j->fetch.done = turn_done;
	j->fetch.hangs = turn_hangs;
	j->fetch.stalls = turn_stalls;
	ocu_fetch_start(e->fetcher, &j->fetch);
}

static void wake_at(struct ocu_engine *e, struct ev_loop *loop, int64_t wake_ms, int64_t now_ms)
{
	ocu_loop_timer_stop(loop, &e->wake);
	if (wake_ms != INT64_MAX)
		ocu_loop_timer_start(loop, &e->wake, wake_ms > now_ms ? wake_ms - now_ms : 0);
}

/* Whoever had nothing may have something in the state directory that is good by the clock that was
 * set. Looks after some of them, and returns whether others are left.
 */
static bool notice_step(struct ocu_engine *e, const struct ocu_clock *now)
{
	struct ocu_cert *c;
	int n;

	if (ocu_plan_steps(e->plan) != e->steps) {
		e->steps = ocu_plan_steps(e->plan);
		e->stepped = ocu_certs_first(e->certs);
	}
	for (n = 0; n < STEPPED_AT_ONCE && (c = e->stepped); n++) {
		e->stepped = c->next;
		if (ocu_held_usable(&c->item.held, now->wall_s) || c->loading)
			continue;
		c->loaded = false;
		ocu_accept_load(e, c);
	}
	return e->stepped != NULL;
}

/* Whether there is what fetches share. If it cannot be made, that is tried again whenever the loop
 * wakes, which it does every few seconds.
 */
static bool has_fetcher(struct ocu_engine *e, const struct ocu_clock *now)
{
	struct ocu_err err;

	if (e->fetcher)
		return true;
	if (ocu_fetcher_new(&e->fetcher, ocu_loop_ev(e->loop), &e->conf.fetch, &err) == OCU_OK)
		return true;
	say_local(e, NULL, err.msg, now);
	return false;
}

/* Does what the plan says next. False: nothing before *wake_ms. */
static bool turn_next(struct ocu_engine *e, const struct ocu_clock *now, int64_t *wake_ms)
{
	struct ocu_turn turn;

	switch (ocu_plan_next(e->plan, now, &turn, wake_ms)) {
	case OCU_NEXT_NOTHING:
		return false;
	case OCU_NEXT_TURN:
		turn_begin(e, &turn, now);
		return true;
	case OCU_NEXT_FAILED:
		turn_lost(e, &turn, now);
		return true;
	case OCU_NEXT_EXPIRED:
		ocu_settle_broken_off(e, OCU_OWNER(turn.item, struct ocu_cert, item), now);
		return true;
	}
	return false;
}

/* Before the loop waits: begins what is due. */
static void turns_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct ocu_engine *e = w->data;
	struct ocu_clock now = ocu_state_now(e);
	int64_t wake_ms = now.mono_ms;
	int n;

	(void)revents;
	if (atomic_load(&e->paused) || !has_fetcher(e, &now))
		return;
	for (n = 0; n < TURNS_AT_ONCE && turn_next(e, &now, &wake_ms); n++)
		now = ocu_state_now(e);
	if (notice_step(e, &now) || n == TURNS_AT_ONCE)
		wake_ms = now.mono_ms;
	wake_at(e, loop, wake_ms, now.mono_ms);
}

/* That the loop has woken is enough: turns_cb() follows. */
static void wake_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void ocu_turn_start(struct ocu_engine *e)
{
	ev_prepare_init(&e->turns, turns_cb);
	e->turns.data = e;
	ev_prepare_start(ocu_loop_ev(e->loop), &e->turns);
	ocu_loop_timer_init(&e->wake, wake_cb, e);
}

void ocu_turn_stop(struct ocu_engine *e)
{
	ev_prepare_stop(ocu_loop_ev(e->loop), &e->turns);
	ocu_loop_timer_stop(ocu_loop_ev(e->loop), &e->wake);
	ocu_fetcher_free(e->fetcher); /* ends every turn, cancelled */
	e->fetcher = NULL;
}
