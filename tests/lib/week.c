/* SPDX-License-Identifier: GPL-2.0-or-later */
/* week.c - drives the schedule as the engine does: what is due begins, answers go through the
 * engine's decisions, a reload begins anew with what is held. When things happen is decided by the
 * schedule alone; what there is to be had, by week_world.c.
 */
#include "week.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/verdict.h"

#define WALL INT64_C(1800000000)
#define SECOND INT64_C(1000)
#define STALLS_MS 500   /* when the engine says that a turn has no connection */
#define CONNECT_MS 5000 /* when it gives up a connection, */
#define LIMIT_MS 10000  /* and a responder that is silent */

struct cert {
	struct ocu_item item;
	struct ocu_place place;
	struct resp *resp;
	bool tagged; /* the process knows the validators of what is held */
	/* its turn */
	struct ocu_ended ended;
	int64_t hangs_ms;
	int64_t warn_ms, end_ms;   /* when it is known to hang or stall, and when it ends */
	int64_t when_ms;           /* the earlier one that is still to come */
	struct ocu_heap_node node; /* in week.events, by when_ms */
};

struct resp {
	struct ocu_lane lane;
	const struct week_responder *is;
	struct week_count *count;
	uint32_t *bins;
	int64_t second;  /* for which its limit counts */
	unsigned passed; /* in it */
};

struct week {
	const struct week_conf *conf;
	struct week_report *out;
	struct ocu_plan *plan;
	struct cert *certs;
	struct resp resps[WEEK_RESPONDERS];
	struct ocu_heap events;
	int64_t now; /* ms since the start of the week */
	unsigned flying;
	uint64_t seed;
};

static void *make(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

static uint32_t dice(struct week *w)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(w->seed >> 32);
}

static struct ocu_clock clock_of(struct week *w)
{
	return (struct ocu_clock){ .mono_ms = w->now, .wall_s = WALL + w->now / SECOND,
				   .rnd = dice(w) };
}

static bool event_less(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	return OCU_OWNER(a, struct cert, node)->when_ms < OCU_OWNER(b, struct cert, node)->when_ms;
}

static size_t number(const struct week *w, const struct cert *c)
{
	return (size_t)(c - w->certs);
}

/* ---- Answers ---- */

/* Counts one more request of <c>. Returns whether its responder lets it through. */
static bool asked(struct week *w, struct cert *c)
{
	struct resp *r = c->resp;
	size_t bin = (size_t)(w->now / SECOND / WEEK_BIN_S);

	r->count->requests++;
	w->out->bins[bin]++;
	r->bins[bin]++;
	if (r->second != w->now / SECOND)
		r->passed = 0;
	r->second = w->now / SECOND;
	return !w->conf->troubled || !r->is->per_s || r->passed++ < r->is->per_s;
}

/* Fills <h> with what an edge that is <late> seconds behind hands out for <c>. */
static void pick(struct week *w, const struct cert *c, int64_t late, struct ocu_held *h)
{
	const struct week_responder *r = c->resp->is;
	int64_t from = week_signed(r, number(w, c), w->now / SECOND - late);

	*h = (struct ocu_held){ .this_update = WALL + from };
	h->next_update = h->this_update + r->life_s;
	h->expiry = h->next_update - WEEK_SKEW_S;
	memcpy(h->sum, &h->this_update, sizeof(h->this_update));
}

/* Returns the max-age of <h>, less its age, from an edge that is <late> seconds behind. */
static int64_t max_age(const struct week *w, const struct week_responder *r,
		       const struct ocu_held *h, int64_t late)
{
	int64_t now = WALL + w->now / SECOND, s = -1;

	if (r->header == WEEK_HEADER_NONE || w->conf->unheard)
		return -1;
	if (r->header == WEEK_HEADER_HOUR)
		s = WEEK_HOUR - late;
	if (r->header == WEEK_HEADER_NEXT)
		s = h->this_update + r->sign_s - now;
	if (r->header == WEEK_HEADER_END)
		s = h->next_update - now;
	return s > 0 ? s : 0;
}

/* What the engine makes of an answer from an edge that is <late> seconds behind. */
static enum ocu_verdict judge(struct week *w, struct cert *c, int64_t late, bool no_cache)
{
	int64_t now = WALL + w->now / SECOND;
	const struct ocu_held *held = &c->item.held;
	struct ocu_held *fresh = &c->ended.held;
	struct ocu_verdict_ask ask = { .no_cache = no_cache };
	struct ocu_verdict_seen seen = { .status = 200, .whole = true, .is_ocsp = true,
					 .body_len = 471, .verified = OCU_OK };

	pick(w, c, late, fresh);
	ask.held_usable = ocu_held_usable(held, now);
	ask.held_ends_soon = ask.held_usable && ocu_held_ends_soon(held, now);
	seen.age = ocu_held_compare(held, fresh, now);
	ask.conditional = c->tagged && ask.held_usable && !ask.held_ends_soon;
	c->resp->count->same += ask.conditional && seen.age == OCU_AGE_SAME;
	c->tagged |= seen.age != OCU_AGE_OLDER;
	if (fresh->expiry <= now)
		seen.verified = OCU_ENDED;
	c->ended.max_age_s = max_age(w, c->resp->is, fresh, late);
	return ocu_verdict(&ask, &seen);
}

/* Lets the turn of <c> end as <end> after <ms>. */
static void ends(struct week *w, struct cert *c, enum ocu_end end, int64_t ms)
{
	c->ended.end = end;
	c->end_ms = w->now + ms;
	c->hangs_ms = ocu_health_hangs_ms(&c->resp->lane.health);
	c->warn_ms = w->now + (end == OCU_END_UNREACHED ? STALLS_MS : c->hangs_ms);
}

/* The responder of <c> is up, and lets it through. */
static void answer(struct week *w, struct cert *c)
{
	const struct week_responder *r = c->resp->is;
	int64_t late = (int64_t)((uint64_t)dice(w) * (uint64_t)(r->edge_s + 1) >> 32);
	int64_t ms = r->latency_ms;
	enum ocu_verdict v = judge(w, c, late, false);

	if (v == OCU_VERDICT_NO_CACHE) {
		(void)asked(w, c);
		ms += r->latency_ms;
		v = judge(w, c, 0, true);
	}
	if (v == OCU_VERDICT_ACCEPT)
		ends(w, c, OCU_END_NEW, ms);
	else
		ends(w, c, v == OCU_VERDICT_CURRENT ? OCU_END_CURRENT : OCU_END_REFUSED, ms);
	c->resp->count->stale += c->ended.end == OCU_END_CURRENT;
}

/* Decides what comes of the turn of <c>, and when. */
static void decide(struct week *w, struct cert *c)
{
	const struct week_responder *r = c->resp->is;
	bool down = w->conf->troubled && week_is_down(r, w->now / SECOND);

	c->ended = (struct ocu_ended){ .retry_after_s = -1, .max_age_s = -1 };
	if (down && r->outage.deed != WEEK_PAUSES) {
		if (r->outage.deed == WEEK_HANGS)
			ends(w, c, OCU_END_SILENT, LIMIT_MS);
		else
			ends(w, c, OCU_END_UNREACHED,
			     r->outage.deed == WEEK_REFUSES ? 1 : CONNECT_MS);
		(void)asked(w, c);
	} else if (!asked(w, c) || down) {
		ends(w, c, OCU_END_PAUSE, r->latency_ms);
		c->ended.retry_after_s = down ? -1 : r->retry_after_s;
	} else {
		answer(w, c);
	}
}

/* ---- Turns ---- */

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void turn_begins(struct week *w, struct cert *c)
{
	w->flying++;
	if (w->now >= WEEK_DAY * SECOND && w->flying > w->out->flying_most)
		w->out->flying_most = w->flying;
	decide(w, c);
	c->when_ms = min64(c->warn_ms, c->end_ms);
	ocu_heap_push(&w->events, &c->node);
}

/* What <c> held has ended before another one came. */
static void note_expired(const struct week *w, const struct cert *c)
{
	const struct week_responder *r = c->resp->is;
	int64_t to = c->item.held.expiry - WALL, from = to - WEEK_DAY;
	int64_t signs = c->item.held.this_update - WALL + r->sign_s + r->edge_s;
	int64_t middle = c->item.held.this_update - WALL + r->life_s / 2;

	from = from > middle ? from : middle;
	from = from > signs ? from : signs;
	c->resp->count->expired++;
	if (!w->conf->troubled || week_up_s(r, from, to) >= WEEK_HOUR)
		c->resp->count->needlessly++;
}

static void turn_ends(struct week *w, struct cert *c)
{
	struct ocu_clock now = clock_of(w);
	enum ocu_end end = c->ended.end;

	w->flying--;
	c->resp->count->failures += end != OCU_END_NEW && end != OCU_END_CURRENT;
	if (end == OCU_END_NEW && c->item.held.expiry && c->item.held.expiry <= now.wall_s)
		note_expired(w, c);
	(void)ocu_plan_done(w->plan, &c->item, &c->ended, &now);
}

static void event(struct week *w, struct cert *c)
{
	struct ocu_clock now = clock_of(w);

	ocu_heap_remove(&w->events, &c->node);
	if (w->now >= c->end_ms) {
		turn_ends(w, c);
		return;
	}
	if (c->ended.end == OCU_END_UNREACHED) {
		ocu_plan_stalls(w->plan, &c->item, &now);
		c->warn_ms = c->end_ms;
	} else if (ocu_plan_hangs(w->plan, &c->item, &now)) {
		c->ended = (struct ocu_ended){ .end = OCU_END_CANCELLED };
		c->warn_ms = c->end_ms = w->now;
	} else {
		c->warn_ms += c->hangs_ms;
	}
	c->when_ms = min64(c->warn_ms, c->end_ms);
	ocu_heap_push(&w->events, &c->node);
}

/* Begins what may begin. Returns when to come again. */
static int64_t begin_turns(struct week *w)
{
	struct ocu_turn t;
	int64_t wake;

	for (;;) {
		struct ocu_clock now = clock_of(w);
		enum ocu_next what = ocu_plan_next(w->plan, &now, &t, &wake);

		if (what == OCU_NEXT_TURN)
			turn_begins(w, OCU_OWNER(t.item, struct cert, item));
		else if (what == OCU_NEXT_NOTHING && wake > w->now)
			return wake;
	}
}

/* Lets the time pass until <until>. */
static void pass(struct week *w, int64_t until)
{
	struct cert *c;
	int64_t wake;

	for (;;) {
		wake = begin_turns(w);
		c = w->events.first ? OCU_OWNER(w->events.first, struct cert, node) : NULL;
		if (min64(c ? c->when_ms : INT64_MAX, wake) >= until)
			break;
		if (c && c->when_ms <= wake) {
			w->now = c->when_ms;
			event(w, c);
		} else {
			w->now = wake;
		}
	}
	w->now = until;
}

/* ---- Processes ---- */

/* A process begins, with what is held. */
static void process_begins(struct week *w)
{
	const struct ocu_plan_conf conf = { .when = w->conf->when, .maxconn = w->conf->maxconn,
					    .host_maxconn = w->conf->host_maxconn };
	struct ocu_held held;
	struct ocu_clock now;
	struct cert *c;
	size_t i;

	if (ocu_plan_new(&w->plan, &conf) != OCU_OK)
		abort();
	for (i = 0; i < WEEK_RESPONDERS; i++)
		ocu_plan_lane_add(w->plan, &w->resps[i].lane);
	for (i = 0; i < w->conf->certs; i++) {
		c = &w->certs[i];
		c->tagged = false;
		held = c->item.held;
		now = clock_of(w);
		ocu_plan_add(w->plan, &c->item, &c->place, 1, false, INT64_MAX);
		ocu_plan_held(w->plan, &c->item, &held, &now);
		ocu_plan_automatic(w->plan, &c->item, true, &now);
	}
}

/* A process ends, and what it has in flight with it. */
static void process_ends(struct week *w)
{
	const struct ocu_ended cancelled = { .end = OCU_END_CANCELLED };
	struct ocu_clock now = clock_of(w);
	struct cert *c;
	size_t i;

	for (i = 0; i < w->conf->certs; i++) {
		c = &w->certs[i];
		if (c->item.state == OCU_ITEM_FLYING) {
			ocu_heap_remove(&w->events, &c->node);
			w->flying--;
			(void)ocu_plan_done(w->plan, &c->item, &cancelled, &now);
		}
		ocu_plan_remove(w->plan, &c->item);
	}
	for (i = 0; i < WEEK_RESPONDERS; i++)
		ocu_plan_lane_remove(w->plan, &w->resps[i].lane);
	ocu_plan_free(w->plan);
}

/* ---- The week ---- */

/* Looks how old what is held is. */
static void look(struct week *w)
{
	int64_t now = WALL + w->now / SECOND, age;
	const struct ocu_held *h;
	size_t i;

	for (i = 0; i < w->conf->certs; i++) {
		h = &w->certs[i].item.held;
		age = WEEK_AGES;
		if (ocu_held_usable(h, now))
			age = (now - h->this_update) * WEEK_AGES / w->certs[i].resp->is->life_s;
		w->certs[i].resp->count->ages[age < 0 ? 0 : age]++;
	}
}

static void world_begins(struct week *w)
{
	const int64_t maxdelay_s = w->conf->when.maxdelay_s;
	struct resp *r;
	size_t i;

	for (i = 0; i < WEEK_RESPONDERS; i++) {
		w->resps[i].is = &week_responders[i];
		w->resps[i].count = &w->out->each[i];
		w->resps[i].bins = w->out->by[i];
		w->resps[i].second = -1;
	}
	for (i = 0; i < w->conf->certs; i++) {
		r = &w->resps[week_responder_of(i, w->conf->certs)];
		w->certs[i].resp = r;
		w->certs[i].place.lane = &r->lane;
		r->count->certs++;
		r->count->least += week_least(r->is, i, w->conf->troubled, maxdelay_s);
	}
}

/* What is left at the end. */
static void week_ends(struct week *w)
{
	size_t i;

	for (i = 0; i < w->conf->certs; i++) {
		if (!ocu_held_usable(&w->certs[i].item.held, WALL + WEEK_S))
			note_expired(w, &w->certs[i]);
	}
	for (i = 0; i < WEEK_RESPONDERS; i++)
		week_add(&w->out->all, &w->out->each[i]);
}

void week_run(const struct week_conf *conf, struct week_report *out)
{
	struct week w = { .conf = conf, .out = out, .seed = conf->seed };
	int64_t hour;

	*out = (struct week_report){ 0 };
	w.certs = make(conf->certs, sizeof(*w.certs));
	ocu_heap_init(&w.events, event_less);
	world_begins(&w);
	process_begins(&w);
	for (hour = 1; hour <= WEEK_S / WEEK_HOUR; hour++) {
		pass(&w, hour * WEEK_HOUR * SECOND);
		look(&w);
		if (conf->reloads && hour % 24 == 12) {
			process_ends(&w);
			process_begins(&w);
		}
	}
	process_ends(&w);
	week_ends(&w);
	free(w.certs);
}

/* ---- Figures ---- */

void week_add(struct week_count *to, const struct week_count *from)
{
	size_t i;

	to->certs += from->certs;
	to->requests += from->requests;
	to->least += from->least;
	to->failures += from->failures;
	to->stale += from->stale;
	to->same += from->same;
	to->expired += from->expired;
	to->needlessly += from->needlessly;
	for (i = 0; i <= WEEK_AGES; i++)
		to->ages[i] += from->ages[i];
}

unsigned week_age(const struct week_count *c, unsigned thousandths)
{
	uint64_t all = 0, upto = 0;
	unsigned i;

	for (i = 0; i < WEEK_AGES; i++)
		all += c->ages[i];
	for (i = 0; i < WEEK_AGES; i++) {
		upto += c->ages[i];
		if (upto * 1000 >= all * thousandths)
			break;
	}
	return i;
}

double week_peak(const uint32_t *bins, size_t *at)
{
	uint64_t all = 0;
	size_t i;

	*at = WEEK_CALM_BINS;
	for (i = WEEK_CALM_BINS; i < WEEK_BINS; i++) {
		all += bins[i];
		if (bins[i] > bins[*at])
			*at = i;
	}
	return all ? bins[*at] * (double)(WEEK_BINS - WEEK_CALM_BINS) / (double)all : 0;
}
