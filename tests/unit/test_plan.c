/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_plan.c - the schedule, one rule at a time. Needs no clock and no network; what comes of many
 * responders and certificates over time is test_model.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nomem.h"
#include "ocu/plan.h"

#define WALL INT64_C(1800000000)
#define MONO INT64_C(5000000)
#define DAY INT64_C(86400)
#define LANES 6
#define CERTS 200

struct cert {
	struct ocu_item item;
	struct ocu_place places[4], spare;
};

/* A schedule with its clock. rnd is 0, so that the first delay of each call is exact. */
struct bed {
	struct ocu_plan *p;
	struct ocu_clock c;
	struct ocu_lane lanes[LANES]; /* 'a' and on */
	struct cert certs[CERTS];
	size_t n;
	int64_t wake;
};

static struct bed bed;

static void bed_begin(unsigned maxconn, unsigned host_maxconn)
{
	struct ocu_plan_conf conf = { { 300, 3600, false }, maxconn, host_maxconn };
	size_t i;

	memset(&bed, 0, sizeof(bed));
	bed.c = (struct ocu_clock){ .mono_ms = MONO, .wall_s = WALL };
	assert_int_equal(ocu_plan_new(&bed.p, &conf), OCU_OK);
	for (i = 0; i < LANES; i++)
		ocu_plan_lane_add(bed.p, &bed.lanes[i]);
}

static struct ocu_lane *lane(char name)
{
	return &bed.lanes[name - 'a'];
}

static void pass(int64_t ms)
{
	bed.c.mono_ms += ms;
	bed.c.wall_s = WALL + (bed.c.mono_ms - MONO) / 1000;
}

/* Adds a certificate whose URIs lead to <lanes>; nothing is held, and it is not scheduled. */
static struct cert *add_idle(const char *lanes)
{
	struct cert *c = &bed.certs[bed.n++];
	size_t i, n = strlen(lanes);

	assert_true(bed.n <= CERTS);
	for (i = 0; i < n; i++)
		c->places[i].lane = lane(lanes[i]);
	ocu_plan_add(bed.p, &c->item, c->places, n, false, INT64_MAX);
	assert_int_equal(c->item.state, OCU_ITEM_IDLE);
	return c;
}

/* The same, due at once. */
static struct cert *add(const char *lanes)
{
	struct cert *c = add_idle(lanes);

	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	return c;
}

static struct ocu_held held_for(int64_t age_s, int64_t left_s)
{
	return (struct ocu_held){ .this_update = bed.c.wall_s - age_s,
				  .next_update = bed.c.wall_s + left_s + 300,
				  .expiry = bed.c.wall_s + left_s };
}

static void hold(struct cert *c, int64_t age_s, int64_t left_s)
{
	struct ocu_held h = held_for(age_s, left_s);

	ocu_plan_held(bed.p, &c->item, &h, &bed.c);
}

/* Returns what is to be done now, after all slices of other work; of whom goes to *t. */
static enum ocu_next step(struct ocu_turn *t)
{
	enum ocu_next what;
	int i;

	for (i = 0; i < 100; i++) {
		what = ocu_plan_next(bed.p, &bed.c, t, &bed.wake);
		if (what != OCU_NEXT_NOTHING || bed.wake > bed.c.mono_ms)
			return what;
	}
	fail_msg("it never rests");
	return OCU_NEXT_NOTHING;
}

/* Returns what may start now; its turn goes to *t. No try may end by that. */
static struct cert *next(struct ocu_turn *t)
{
	switch (step(t)) {
	case OCU_NEXT_NOTHING:
		return NULL;
	case OCU_NEXT_TURN:
		break;
	case OCU_NEXT_FAILED:
		fail_msg("%d has failed", (int)(OCU_OWNER(t->item, struct cert, item) -
						bed.certs));
		break;
	case OCU_NEXT_EXPIRED:
		fail_msg("%d has expired", (int)(OCU_OWNER(t->item, struct cert, item) -
						 bed.certs));
	}
	return OCU_OWNER(t->item, struct cert, item);
}

/* Expects to be told that the try of <c> has ended where it has waited. */
static void fails(struct cert *c, char where)
{
	unsigned failures = c->item.failures;
	struct ocu_turn t;

	assert_int_equal(step(&t), OCU_NEXT_FAILED);
	assert_ptr_equal(t.item, &c->item);
	assert_int_equal((int)(t.place->lane - bed.lanes) + 'a', where);
	assert_int_equal(c->item.failures, failures + 1);
}

/* Expects that <c> starts now, at <where>. */
static void starts(struct cert *c, char where)
{
	struct ocu_turn t;
	struct cert *got = next(&t);

	if (got != c)
		fail_msg("%d in place of %d", got ? (int)(got - bed.certs) : -1,
			 (int)(c - bed.certs));
	assert_ptr_equal(t.place, c->item.at);
	assert_int_equal((int)(t.place->lane - bed.lanes) + 'a', where);
	assert_int_equal(c->item.state, OCU_ITEM_FLYING);
}

static void starts_last(struct cert *c, char where, bool last)
{
	struct ocu_turn t;

	assert_ptr_equal(next(&t), c);
	assert_int_equal((int)(t.place->lane - bed.lanes) + 'a', where);
	assert_int_equal(t.last, last);
}

/* Expects that <c> starts now, at <where>, and whether that is the <first> turn of a try. */
static void starts_try(struct cert *c, char where, bool first)
{
	struct ocu_turn t;

	assert_ptr_equal(next(&t), c);
	assert_int_equal((int)(t.place->lane - bed.lanes) + 'a', where);
	assert_int_equal(t.first, first);
}

static void none_starts(void)
{
	struct ocu_turn t;
	struct cert *got = next(&t);

	if (got)
		fail_msg("%d starts", (int)(got - bed.certs));
}

static void none_until(int64_t ms)
{
	none_starts();
	assert_int_equal(bed.wake - MONO, ms);
}

/* Ends the turn of <c>; a new response has seven days. Expects that its try is <over>. */
static void ends(struct cert *c, enum ocu_end end, bool over)
{
	struct ocu_ended e = { .end = end, .held = held_for(0, 7 * DAY), .retry_after_s = -1,
			       .max_age_s = -1 };

	assert_int_equal(ocu_plan_done(bed.p, &c->item, &e, &bed.c), over);
}

static void ends_well(struct cert *c)
{
	ends(c, OCU_END_NEW, true);
	assert_int_equal(c->item.state, OCU_ITEM_LATER);
}

static void pauses(struct cert *c, int64_t retry_after_s, bool over)
{
	struct ocu_ended e = { .end = OCU_END_PAUSE, .retry_after_s = retry_after_s };

	assert_int_equal(ocu_plan_done(bed.p, &c->item, &e, &bed.c), over);
}

/* Lets <where> have answered, and its window be as wide as it goes. */
static void warm(char where)
{
	struct cert *c;
	char lanes[2] = { where, '\0' };
	int i;

	for (i = 0; i < 5; i++) {
		c = add_idle(lanes);
		ocu_plan_order(bed.p, &c->item, &bed.c);
		starts(c, where);
		ends(c, OCU_END_NEW, true);
	}
}

static void waits(const struct cert *c, enum ocu_wait why, int64_t until)
{
	int64_t until_ms = -1;

	assert_int_equal(ocu_plan_waits(&c->item, &until_ms), why);
	if (why == OCU_WAIT_LATER || why == OCU_WAIT_DOWN || why == OCU_WAIT_PAUSED)
		until_ms -= MONO;
	assert_int_equal(until_ms, until);
}

/* Expects that <c> is due after a first failure, and lets the time pass. */
static void until_due(struct cert *c)
{
	assert_int_equal(c->item.state, OCU_ITEM_LATER);
	assert_in_range(c->item.due_ms - bed.c.mono_ms, 30000, 90000);
	pass(c->item.due_ms - bed.c.mono_ms);
}

static void bed_end(void)
{
	size_t i;

	for (i = 0; i < bed.n; i++) {
		if (bed.certs[i].item.state == OCU_ITEM_FLYING)
			ends(&bed.certs[i], OCU_END_CANCELLED, false);
		ocu_plan_remove(bed.p, &bed.certs[i].item);
	}
	none_starts();
	for (i = 0; i < LANES; i++) {
		assert_int_equal(bed.lanes[i].flying, 0);
		assert_int_equal(bed.lanes[i].hanging, 0);
		ocu_plan_lane_remove(bed.p, &bed.lanes[i]);
	}
	ocu_plan_free(bed.p);
}

/* ---- When ---- */

static void what_is_held_decides_when(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add_idle("a");
	hold(c, 0, 7 * DAY);
	waits(c, OCU_WAIT_IDLE, 0);
	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	waits(c, OCU_WAIT_LATER, 3240000);
	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	hold(c, 0, 2000);
	waits(c, OCU_WAIT_LATER, 1200000);
	hold(c, 0, 0);
	waits(c, OCU_WAIT_LATER, 0);
	starts(c, 'a');
	/* in flight: noted, and used when it comes back */
	hold(c, 0, 4000);
	waits(c, OCU_WAIT_FLYING, 0);
	ends(c, OCU_END_REFUSED, true);
	assert_int_equal(c->item.failures, 1);
	waits(c, OCU_WAIT_LATER, 30000);
	pass(30000);
	starts(c, 'a');
	ends(c, OCU_END_CURRENT, true);
	assert_int_equal(c->item.failures, 0);
	waits(c, OCU_WAIT_LATER, 2400000);
	ocu_plan_automatic(bed.p, &c->item, false, &bed.c);
	waits(c, OCU_WAIT_IDLE, 0);
	none_until(INT64_MAX - MONO);
	bed_end();
}

/* Many may have had nothing and got a response together: the next time they are spread wider. */
static void a_first_response_is_renewed_sooner(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("a");
	starts(c, 'a');
	ends_well(c);
	waits(c, OCU_WAIT_LATER, 3240000);
	pass(3240000);
	starts(c, 'a');
	ends_well(c);
	waits(c, OCU_WAIT_LATER, 3240000 + 3600000);
	pass(3600000);
	starts(c, 'a');
	ends(c, OCU_END_CURRENT, true);
	waits(c, OCU_WAIT_LATER, 3240000 + 7200000);
	bed_end();
}

static void max_age_is_heard(void **state)
{
	struct ocu_plan_conf conf = { { 300, OCU_WHEN_AUTO, false }, 64, 16 };
	struct ocu_ended e = { .end = OCU_END_NEW, .retry_after_s = -1, .max_age_s = 4 * DAY };
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	ocu_plan_free(bed.p);
	assert_int_equal(ocu_plan_new(&bed.p, &conf), OCU_OK);
	c = add("a");
	starts(c, 'a');
	e.held = held_for(0, 7 * DAY);
	assert_true(ocu_plan_done(bed.p, &c->item, &e, &bed.c));
	waits(c, OCU_WAIT_LATER, 5 * DAY * 1000);
	bed_end();
}

/* Asked again and again what never helps, it keeps its patience. */
static void what_is_not_usable_is_a_failure(void **state)
{
	static const enum ocu_end how[] = { OCU_END_NEW, OCU_END_CURRENT, OCU_END_REFUSED };
	struct ocu_ended e = { .retry_after_s = -1, .max_age_s = -1 };
	struct cert *c;
	unsigned n;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		bed_begin(64, 16);
		c = add("a");
		for (n = 0; bed.c.mono_ms < MONO + 3600000 && n < 1000; n++) {
			assert_int_equal(c->item.failures, n);
			starts(c, 'a');
			e.end = how[i];
			e.held = held_for(100, 0);
			assert_true(ocu_plan_done(bed.p, &c->item, &e, &bed.c));
			none_starts();
			pass(bed.wake - bed.c.mono_ms);
		}
		/* after 30 s and 60 s, then every 100 s: the earliest for nothing held */
		assert_int_equal(n, 38);
		bed_end();
	}
}

static void refused(struct cert *c, const struct ocu_held *held)
{
	ocu_plan_refused(bed.p, &c->item, held, &bed.c);
}

/* What the host does not staple is a failure, each time one more, whatever else is held. */
static void what_is_refused_is_a_failure(void **state)
{
	static const int64_t nothing[] = { 30000, 60000, 100000, 100000 };
	static const int64_t held[] = { 30000, 60000, 120000, 240000 };
	const struct ocu_held none = { 0 };
	struct ocu_held old;
	struct cert *c, *o;
	unsigned i;

	(void)state;
	bed_begin(64, 16);
	c = add("a");
	for (i = 0; i < 4; i++) {
		starts(c, 'a');
		ends(c, OCU_END_NEW, true);
		refused(c, &none);
		assert_int_equal(c->item.failures, i + 1);
		assert_int_equal(c->item.held.expiry, 0);
		waits(c, OCU_WAIT_LATER, bed.c.mono_ms - MONO + nothing[i]);
		pass(nothing[i]);
	}
	/* one that is taken ends that */
	starts(c, 'a');
	ends_well(c);
	pass(3600000);
	starts(c, 'a');
	ends(c, OCU_END_NEW, true);
	refused(c, &none);
	assert_int_equal(c->item.failures, 1);
	ocu_plan_remove(bed.p, &c->item);

	o = add_idle("a");
	hold(o, DAY, 7 * DAY);
	old = o->item.held;
	ocu_plan_automatic(bed.p, &o->item, true, &bed.c);
	pass(3600000);
	for (i = 0; i < 4; i++) {
		starts(o, 'a');
		ends(o, OCU_END_NEW, true);
		refused(o, &old);
		assert_int_equal(o->item.held.expiry, old.expiry);
		waits(o, OCU_WAIT_LATER, bed.c.mono_ms - MONO + held[i]);
		pass(held[i]);
	}
	/* in flight it is noted for what comes of that */
	starts(o, 'a');
	refused(o, &none);
	waits(o, OCU_WAIT_FLYING, 0);
	ends(o, OCU_END_REFUSED, true);
	assert_int_equal(o->item.held.expiry, 0);
	assert_true(o->item.failures > 5);
	/* an order goes on */
	ocu_plan_order(bed.p, &o->item, &bed.c);
	refused(o, &old);
	waits(o, OCU_WAIT_TURN, 0);
	starts(o, 'a');
	bed_end();
}

static void an_expired_certificate_is_left_alone(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = &bed.certs[bed.n++];
	c->places[0].lane = lane('a');
	ocu_plan_add(bed.p, &c->item, c->places, 1, false, WALL + 1000);
	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	hold(c, 0, 10000);
	none_starts();
	/* it expires while it is not due, */
	pass(3600000);
	none_until(INT64_MAX - MONO);
	waits(c, OCU_WAIT_LATER, INT64_MAX - MONO);
	hold(c, 0, 0);
	none_until(INT64_MAX - MONO);
	/* is asked for by order, */
	ocu_plan_order(bed.p, &c->item, &bed.c);
	starts(c, 'a');
	ends(c, OCU_END_REFUSED, true);
	none_until(INT64_MAX - MONO);
	/* and a clock that is set back revives it. */
	bed.c.wall_s -= 3000;
	starts(c, 'a');
	ends_well(c);
	bed_end();
}

/* It expires in a queue, the lane of which is down: that is told, as its try ends by it. */
static void an_expired_certificate_leaves_its_queue(void **state)
{
	struct cert *c, *o;
	struct ocu_turn t;

	(void)state;
	bed_begin(64, 16);
	o = add("a");
	c = &bed.certs[bed.n++];
	c->places[0].lane = lane('a');
	ocu_plan_add(bed.p, &c->item, c->places, 1, true, WALL + 1);
	starts(o, 'a');
	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	none_starts();
	ends(o, OCU_END_UNREACHED, true);
	waits(c, OCU_WAIT_DOWN, 1000);
	pass(1000);
	assert_int_equal(step(&t), OCU_NEXT_EXPIRED);
	assert_ptr_equal(t.item, &c->item);
	assert_ptr_equal(t.place, c->places);
	assert_int_equal(c->item.failures, 0);
	waits(c, OCU_WAIT_LATER, INT64_MAX - MONO);
	starts(o, 'a');
	bed_end();
}

static void a_step_of_the_clock_is_noticed(void **state)
{
	struct cert *c[3];
	int i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 2; i++) {
		c[i] = add("a");
		hold(c[i], 0, 7 * DAY);
	}
	c[2] = add_idle("a");
	none_until(3240000);
	/* what a clock daemon does is no step, however much it adds up to */
	for (i = 0; i < 10; i++) {
		bed.c.wall_s += 4;
		none_until(3240000);
	}
	/* most of the life has passed at once: refreshed soon, not in an hour */
	bed.c.wall_s += 7 * DAY - 1000;
	none_starts();
	assert_int_equal(ocu_plan_steps(bed.p), 1);
	for (i = 0; i < 2; i++)
		assert_in_range(c[i]->item.due_ms - MONO, 300000, 375000);
	assert_true(c[0]->item.due_ms != c[1]->item.due_ms);
	/* back again; a step so soon after another one is acted on after a minute */
	bed.c.wall_s -= 7 * DAY - 1000;
	none_until(60000);
	assert_int_equal(ocu_plan_steps(bed.p), 1);
	bed.c.mono_ms += 60000;
	bed.c.wall_s += 60;
	none_starts();
	for (i = 0; i < 2; i++)
		assert_in_range(c[i]->item.due_ms - MONO, 360000, 3300000);
	bed.c.mono_ms += 60000;
	bed.c.wall_s += 60 + 8 * DAY;
	/* ended at once: due now */
	starts(c[0], 'a');
	waits(c[1], OCU_WAIT_TURN, 0);
	waits(c[2], OCU_WAIT_IDLE, 0);
	/* and a step that is taken back within the minute is none */
	bed.c.wall_s -= 8 * DAY;
	none_starts();
	bed_end();
}

static void who_failed_is_due_after_a_step(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("a");
	starts(c, 'a');
	ends(c, OCU_END_REFUSED, true);
	none_until(30000);
	bed.c.wall_s -= 10;
	starts(c, 'a');
	bed_end();
}

static void a_step_is_followed_in_slices(void **state)
{
	struct ocu_turn t;
	unsigned moved, calls, i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < CERTS; i++)
		hold(add("a"), 0, 7 * DAY);
	none_until(3240000);
	bed.c.wall_s += 7 * DAY - 1000;
	for (calls = 0, moved = 0; moved < CERTS; calls++) {
		assert_int_equal(ocu_plan_next(bed.p, &bed.c, &t, &bed.wake), OCU_NEXT_NOTHING);
		for (i = 0, moved = 0; i < CERTS; i++)
			moved += bed.certs[i].item.due_ms < MONO + 3240000;
		assert_true(moved <= (calls + 1) * OCU_PLAN_SLICE);
		assert_true((bed.wake == bed.c.mono_ms) == (moved < CERTS));
	}
	assert_true(calls <= CERTS / OCU_PLAN_SLICE + 1);
	bed_end();
}

/* Others have come due while a lane was shut. When it opens they do not all come at once, but each
 * by far in time, and the next time without delay.
 */
static void who_was_kept_waiting_is_put_off(void **state)
{
	static const struct {
		int64_t left_s;      /* of what is held, when it is found */
		int64_t want_last_ms; /* an hour, less four minutes, later */
	} rows[] = {
		{ 4 * DAY + 3360, DAY * 1000 },
		{ 25 * 3600 + 3360, 3600000 },
		{ 10 * 3600 + 3360, 2700000 },
		{ 8640 + 3360, 2160000 },
	};
	struct cert *o, *c, *d;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed_begin(64, 16);
		o = add("a");
		c = add_idle("a");
		hold(c, 9 * DAY, rows[i].left_s);
		ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
		starts(o, 'a');
		ends(o, OCU_END_UNREACHED, true);
		d = add("a");
		pass(3240000);
		starts(d, 'a');
		none_starts();
		pass(120000);
		ends_well(d);
		bed.c.rnd = UINT32_MAX;
		starts(o, 'a'); /* has nothing, and waits for nobody */
		none_starts();
		assert_int_equal(c->item.state, OCU_ITEM_LATER);
		assert_in_range(c->item.due_ms - bed.c.mono_ms, rows[i].want_last_ms - 1,
				rows[i].want_last_ms);
		ends(o, OCU_END_UNREACHED, true);
		d = add("a");
		pass(rows[i].want_last_ms);
		starts(d, 'a');
		none_starts();
		pass(120000);
		ends_well(d);
		starts(o, 'a');
		starts(c, 'a');
		ends_well(c);
		ends_well(o);
		bed_end();
	}
}

/* Who is put off and loses what it holds is asked for at once, however often it has failed. */
static void who_is_put_off_may_become_urgent(void **state)
{
	struct cert *c, *d;

	(void)state;
	bed_begin(64, 16);
	c = add_idle("a");
	hold(c, 0, 7 * DAY);
	ocu_plan_automatic(bed.p, &c->item, true, &bed.c);
	none_starts();
	pass(3240000);
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, true);
	d = add("a");
	pass(120000);
	starts(d, 'a');
	ends_well(d);
	bed.c.rnd = UINT32_MAX;
	none_starts();
	assert_int_equal(c->item.state, OCU_ITEM_LATER);
	assert_int_equal(c->item.failures, 1);
	hold(c, 0, 0);
	starts(c, 'a');
	ends_well(c);
	bed_end();
}

/* ---- Which one ---- */

static void most_urgent_goes_first(void **state)
{
	static const struct {
		bool must_staple;
		int64_t left; /* 0: nothing is held */
		size_t place;
	} rows[] = {
		{ false, 900, 5 }, { false, 0, 2 },  { true, 800, 1 },  { false, -50, 4 },
		{ false, 0, 3 },   { true, 0, 0 },   { false, 900, 6 },
	};
	struct cert *c[7];
	size_t i, j;
	int same;

	(void)state;
	/* all at one responder, then each at its own */
	for (same = 0; same < 2; same++) {
		bed_begin(64, 16);
		for (i = 0; i < 7; i++) {
			c[i] = &bed.certs[bed.n++];
			c[i]->places[0].lane = &bed.lanes[same ? 0 : i % LANES];
			ocu_plan_add(bed.p, &c[i]->item, c[i]->places, 1, rows[i].must_staple,
				     INT64_MAX);
			if (rows[i].left)
				hold(c[i], 1000, rows[i].left);
			ocu_plan_automatic(bed.p, &c[i]->item, true, &bed.c);
		}
		pass(3600000);
		for (i = 0; i < 7; i++) {
			for (j = 0; rows[j].place != i; j++)
				;
			starts(c[j], (char)('a' + (c[j]->places[0].lane - bed.lanes)));
			if (same || i % 2)
				ends_well(c[j]);
		}
		bed_end();
	}
}

static void an_order_goes_before_all(void **state)
{
	struct cert *c[4], *none;
	int i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 4; i++)
		c[i] = add("a");
	none = add("");
	waits(none, OCU_WAIT_IDLE, 0);
	ocu_plan_order(bed.p, &none->item, &bed.c);
	waits(none, OCU_WAIT_IDLE, 0);
	starts(c[0], 'a');
	ocu_plan_order(bed.p, &c[0]->item, &bed.c);
	assert_false(c[0]->item.ordered);
	ends(c[0], OCU_END_UNREACHED, true);
	waits(c[3], OCU_WAIT_DOWN, 1000);
	none_until(1000);
	/* even to a responder that is down */
	ocu_plan_order(bed.p, &c[3]->item, &bed.c);
	ocu_plan_order(bed.p, &c[3]->item, &bed.c);
	assert_true(c[3]->item.ordered);
	waits(c[3], OCU_WAIT_TURN, 0);
	ocu_plan_order(bed.p, &c[2]->item, &bed.c);
	/* what changes its urgency leaves it ordered */
	hold(c[3], 0, DAY);
	ocu_plan_automatic(bed.p, &c[3]->item, false, &bed.c);
	assert_true(c[3]->item.ordered);
	starts(c[2], 'a');
	/* but not beyond its window */
	none_until(INT64_MAX - MONO);
	ends(c[2], OCU_END_UNREACHED, true);
	starts(c[3], 'a');
	/* neither scheduled nor ordered again: it rests */
	ends(c[3], OCU_END_UNREACHED, true);
	waits(c[3], OCU_WAIT_IDLE, 0);
	assert_false(c[3]->item.ordered);
	bed_end();
}

/* An order asks at each URI, and has its answer then. */
static void an_order_asks_everywhere_at_once(void **state)
{
	struct cert *a, *b, *c;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	a = add("a");
	b = add("b");
	starts(a, 'a');
	starts(b, 'b');
	ends(a, OCU_END_UNREACHED, true);
	pauses(b, 600, false);
	c = add("ab");
	none_until(1000);
	waits(c, OCU_WAIT_DOWN, 1000);
	ocu_plan_order(bed.p, &c->item, &bed.c);
	starts_last(c, 'a', true);
	ends(c, OCU_END_UNREACHED, false);
	starts(c, 'b');
	pauses(c, 600, true);
	assert_false(c->item.ordered);
	waits(c, OCU_WAIT_DOWN, 2000);
	bed_end();
}

/* ---- How many ---- */

static void a_window_doubles_with_each_success(void **state)
{
	static const unsigned windows[] = { 1, 2, 4, 8, 10, 10 };
	struct cert *c[64];
	unsigned i, first = 0, started = 0;
	struct ocu_turn t;

	(void)state;
	bed_begin(64, 10);
	for (i = 0; i < 64; i++)
		c[i] = add("a");
	for (i = 0; i < 6; i++) {
		while (next(&t))
			started++;
		assert_int_equal(started - first, windows[i]);
		ends(c[first++], i % 2 ? OCU_END_REFUSED : OCU_END_NEW, true);
	}
	bed_end();
}

static void the_total_is_limited(void **state)
{
	struct cert *c[6];
	int i;

	(void)state;
	bed_begin(3, 16);
	for (i = 0; i < 6; i++)
		c[i] = add((char[]){ (char)('a' + i), '\0' });
	for (i = 0; i < 3; i++)
		starts(c[i], (char)('a' + i));
	none_until(INT64_MAX - MONO);
	ocu_plan_order(bed.p, &c[5]->item, &bed.c);
	none_until(INT64_MAX - MONO);
	ends_well(c[1]);
	starts(c[5], 'f');
	none_starts();
	ends(c[0], OCU_END_CANCELLED, false);
	ocu_plan_remove(bed.p, &c[0]->item);
	starts(c[3], 'd');
	none_starts();
	bed_end();
}

/* Strangers leave a quarter of all connections to those that are known to answer. */
static void strangers_leave_room(void **state)
{
	struct cert *c[8];
	struct ocu_turn t;
	int i;

	(void)state;
	bed_begin(4, 16);
	warm('a');
	for (i = 0; i < 8; i++)
		c[i] = add((char[]){ (char)(i < 4 ? 'b' + i : 'a'), '\0' });
	for (i = 0; i < 3; i++)
		starts(c[i], (char)('b' + i));
	starts(c[4], 'a');
	none_starts();
	ends_well(c[4]);
	starts(c[5], 'a');
	/* one that answers is no stranger any more */
	ends_well(c[0]);
	starts(c[3], 'e');
	none_starts();
	bed_end();

	bed_begin(1, 16);
	add("a");
	assert_non_null(next(&t));
	bed_end();
}

static void what_hangs_fills_no_window(void **state)
{
	struct cert *c[40];
	int i;

	(void)state;
	bed_begin(64, 4);
	for (i = 0; i < 40; i++)
		c[i] = add("a");
	for (i = 0; i < 4; i++) {
		starts(c[i], 'a');
		none_starts();
		ocu_plan_hangs(bed.p, &c[i]->item, &bed.c);
		ocu_plan_hangs(bed.p, &c[i]->item, &bed.c);
	}
	/* but they count among those that are in flight there */
	none_starts();
	ends(c[0], OCU_END_SILENT, true);
	ocu_plan_hangs(bed.p, &c[0]->item, &bed.c);
	starts(c[4], 'a');
	none_starts();
	ends_well(c[4]);
	starts(c[5], 'a');
	bed_end();
}

/* Says that <c> hangs. Returns whether it is to be given up. */
static bool hangs(struct cert *c)
{
	return ocu_plan_hangs(bed.p, &c->item, &bed.c);
}

/* Has a responder answer, after 50 ms, and two hang there, which is all that may. */
static void two_hang(struct cert *c[2], unsigned maxconn)
{
	struct cert *well;

	bed_begin(maxconn, 2);
	well = add("a");
	starts(well, 'a');
	pass(50);
	ends_well(well);
	c[0] = add("a");
	c[1] = add("a");
	starts(c[0], 'a');
	starts(c[1], 'a');
	pass(200);
}

static void what_hangs_makes_room(void **state)
{
	struct cert *c[2], *d, *e;

	(void)state;
	two_hang(c, 64);
	/* for nobody */
	assert_false(hangs(c[0]));
	d = add("a");
	none_starts();
	pass(-1);
	assert_false(hangs(c[0]));
	pass(1);
	assert_true(hangs(c[0]));
	/* that was said, and whoever is in it ends */
	assert_false(hangs(c[0]));
	ends(c[0], OCU_END_CANCELLED, false);
	starts(d, 'a');
	none_starts();
	/* others go first from now on, whenever they come */
	e = add("a");
	ends_well(d);
	starts(e, 'a');
	ends_well(e);
	starts(c[0], 'a');
	/* and it has more time than at first when they do */
	(void)add("a");
	none_starts();
	pass(2499);
	assert_false(hangs(c[0]));
	pass(1);
	assert_true(hangs(c[0]));
	assert_true(hangs(c[1]));
	bed_end();
}

static void what_hangs_keeps_its_place(void **state)
{
	struct cert *c[2], *d;

	(void)state;
	/* beside one that has hung before itself */
	two_hang(c, 64);
	d = add("a");
	none_starts();
	assert_true(hangs(c[0]));
	ends(c[0], OCU_END_CANCELLED, false);
	starts(d, 'a');
	none_starts();
	assert_false(hangs(c[1]));
	bed_end();
	/* when it was ordered */
	two_hang(c, 64);
	assert_false(hangs(c[1]));
	ends(c[0], OCU_END_SILENT, true);
	d = add("a");
	ocu_plan_order(bed.p, &d->item, &bed.c);
	starts(d, 'a');
	(void)add("a");
	none_starts();
	pass(5000);
	assert_false(hangs(d));
	assert_true(hangs(c[1]));
	bed_end();
	/* when another one is free, be it for another responder */
	two_hang(c, 3);
	warm('b');
	d = add("b");
	assert_false(hangs(c[0]));
	starts(d, 'b');
	assert_false(hangs(c[0]));
	(void)add("b");
	none_starts();
	assert_true(hangs(c[0]));
	bed_end();
}

/* ---- Where ---- */

static void a_dead_responder_is_probed_by_one(void **state)
{
	static const int64_t wakes[] = { 1000, 3000, 7000, 15000, 31000, 63000, 123000 };
	struct cert *c[4];
	size_t i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 4; i++)
		c[i] = add("d");
	starts(c[0], 'd');
	ends(c[0], OCU_END_UNREACHED, true);
	assert_int_equal(c[0]->item.failures, 1);
	for (i = 0; i < 7; i++) {
		none_until(wakes[i]);
		waits(c[3], OCU_WAIT_DOWN, wakes[i]);
		pass(wakes[i] - (bed.c.mono_ms - MONO) - 1);
		none_until(wakes[i]);
		pass(1);
		/* each time another one */
		starts(c[(i + 1) % 4], 'd');
		waits(c[i % 4], OCU_WAIT_DOWN, wakes[i]);
		none_until(INT64_MAX - MONO);
		ends(c[(i + 1) % 4], OCU_END_UNREACHED, true);
	}
	pass(60000);
	starts(c[0], 'd');
	ends_well(c[0]);
	for (i = 1; i < 3; i++)
		starts(c[i], 'd');
	ends_well(c[1]);
	starts(c[3], 'd');
	bed_end();
}

/* Lets time pass until <c> starts at 'a', and returns when that is. */
static int64_t when_it_starts(struct cert *c)
{
	struct ocu_turn t;
	struct cert *got;

	while (!(got = next(&t))) {
		assert_true(bed.wake < INT64_MAX);
		pass(bed.wake - bed.c.mono_ms);
	}
	assert_ptr_equal(got, c);
	return bed.c.mono_ms - MONO;
}

/* The start of a process waits: neither a dead responder nor a failure is left alone for long. */
static void a_hurry_is_obeyed(void **state)
{
	static const int64_t dead[] = { 0, 1000, 3000, 5000, 7000 };
	static const int64_t failed[] = { 0, 500, 1500, 3500, 5500 };
	struct cert *c;
	size_t i;

	(void)state;
	bed_begin(64, 16);
	ocu_plan_hurry(bed.p, true);
	c = add("a");
	for (i = 0; i < 5; i++) {
		assert_int_equal(when_it_starts(c), dead[i]);
		ends(c, OCU_END_UNREACHED, true);
	}
	bed_end();

	bed_begin(64, 16);
	ocu_plan_hurry(bed.p, true);
	c = add("a");
	for (i = 0; i < 5; i++) {
		assert_int_equal(when_it_starts(c), failed[i]);
		ends(c, OCU_END_REFUSED, true);
	}
	/* nobody waits any more */
	ocu_plan_hurry(bed.p, false);
	assert_int_equal(when_it_starts(c), 7500);
	ends(c, OCU_END_REFUSED, true);
	assert_in_range(when_it_starts(c), 7500 + 30000, 7500 + 300000);
	bed_end();
}

static void a_success_that_began_before_counts(void **state)
{
	struct cert *c[4], *more;
	int i;

	(void)state;
	bed_begin(64, 16);
	warm('a');
	for (i = 0; i < 4; i++) {
		c[i] = add("a");
		starts(c[i], 'a');
	}
	ends(c[0], OCU_END_UNREACHED, true);
	more = add("a");
	none_until(1000);
	/* no news */
	pass(10);
	ends(c[1], OCU_END_UNREACHED, true);
	none_until(1000);
	/* it lives */
	ends_well(c[2]);
	starts(c[0], 'a');
	none_starts();
	/* and what began before it was down does not say otherwise */
	ends(c[3], OCU_END_UNREACHED, true);
	ends_well(c[0]);
	starts(c[1], 'a');
	starts(more, 'a');
	bed_end();
}

static void who_has_another_uri_uses_it(void **state)
{
	static const struct {
		enum ocu_end end;
		bool over;
	} rows[] = {
		{ OCU_END_UNREACHED, false }, { OCU_END_BROKEN, false },
		{ OCU_END_SILENT, false },    { OCU_END_PAUSE, false },
	};
	struct cert *c[5], *late;
	size_t i, j;

	(void)state;
	for (i = 0; i < 4; i++) {
		bed_begin(64, 16);
		warm('b');
		for (j = 0; j < 5; j++)
			c[j] = add("ab");
		starts_last(c[0], 'a', false);
		none_starts();
		waits(c[4], OCU_WAIT_TURN, 0);
		ends(c[0], rows[i].end, rows[i].over);
		/* all of them, at once and as wide as a first one */
		for (j = 0; j < 5; j++) {
			starts_last(c[j], 'b', rows[i].end == OCU_END_UNREACHED ||
						       rows[i].end == OCU_END_PAUSE || j == 0);
		}
		late = add("ab");
		starts(late, 'b');
		assert_int_equal(c[0]->item.failures, 0);
		ends_well(c[0]);
		bed_end();
	}
}

static void the_first_hang_of_a_stranger_is_enough(void **state)
{
	struct cert *c[3], *only;
	int i;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	for (i = 0; i < 3; i++)
		c[i] = add("ab");
	only = add("a");
	starts(c[0], 'a');
	none_starts();
	ocu_plan_hangs(bed.p, &c[0]->item, &bed.c);
	/* whoever has no other one goes there all the same */
	starts(c[1], 'b');
	starts(c[2], 'b');
	starts(only, 'a');
	ends_well(only);
	/* it answers, and is used again */
	starts(add("ab"), 'a');
	bed_end();
}

/* Who has no connection yet keeps its place, and those behind it do not wait for that. */
static void who_can_leaves_one_that_stalls(void **state)
{
	struct cert *first, *second, *alone;

	(void)state;
	bed_begin(64, 16);
	first = add("ab");
	second = add("ab");
	alone = add("a");
	starts(first, 'a');
	none_starts();
	ocu_plan_stalls(bed.p, &first->item, &bed.c);
	starts(second, 'b');
	none_starts();
	assert_int_equal(lane('a')->flying, 1);
	ends(first, OCU_END_UNREACHED, false);
	waits(alone, OCU_WAIT_DOWN, 1000);
	ends_well(second);
	starts(first, 'b');
	ends_well(first);
	/* one that is known to answer may take its time */
	bed_end();
	bed_begin(64, 1);
	warm('a');
	first = add("ab");
	second = add("ab");
	starts(first, 'a');
	ocu_plan_stalls(bed.p, &first->item, &bed.c);
	none_starts();
	ends_well(first);
	starts(second, 'a');
	ocu_plan_stalls(bed.p, &first->item, &bed.c);
	bed_end();
}

/* A try whose time is over leaves what it has not tried. */
static void time_ends_a_try(void **state)
{
	struct ocu_ended e = { .end = OCU_END_SILENT, .out_of_time = true };
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("ab");
	starts(c, 'a');
	assert_true(ocu_plan_done(bed.p, &c->item, &e, &bed.c));
	assert_int_equal(c->item.failures, 1);
	none_starts();
	until_due(c);
	starts(c, 'a');
	/* but what it brought counts */
	e = (struct ocu_ended){ .end = OCU_END_NEW, .held = held_for(0, DAY), .out_of_time = true };
	assert_true(ocu_plan_done(bed.p, &c->item, &e, &bed.c));
	assert_int_equal(c->item.failures, 0);
	bed_end();
}

/* Who was left no time tells nothing of the responder, but its try goes on, or is over. */
static void who_is_cut_short_blames_nobody(void **state)
{
	struct cert *c, *o;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	c = add("ab");
	o = add("b");
	starts(c, 'a');
	ends(c, OCU_END_CUT, false);
	assert_int_equal(lane('a')->health.trust, OCU_TRUST_GOOD);
	starts(c, 'b');
	ends(c, OCU_END_CUT, true);
	assert_int_equal(c->item.failures, 1);
	assert_int_equal(lane('b')->health.trust, OCU_TRUST_GOOD);
	assert_int_equal(lane('b')->health.window, 16);
	/* nor that it is back */
	starts(o, 'b');
	ends(o, OCU_END_UNREACHED, true);
	pass(1000);
	starts(o, 'b');
	ends(o, OCU_END_CUT, true);
	assert_int_equal(lane('b')->health.trust, OCU_TRUST_DOWN);
	starts(o, 'b');
	ends_well(o);
	waits(c, OCU_WAIT_LATER, 30000);
	bed_end();
}

/* So does one that would wait for the end of a pause if it had time. The next one does. */
static void time_ends_a_try_that_is_asked_for_patience(void **state)
{
	static const struct {
		const char *uris;
		int64_t retry_after_s;
		bool out_of_time;
		bool over;
	} rows[] = {
		{ "a", -1, false, false }, { "a", -1, true, true }, { "a", 7, false, false },
		{ "a", 7, true, true }, { "aa", 7, true, true },
	};
	struct ocu_ended e = { .end = OCU_END_PAUSE };
	struct cert *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed_begin(64, 16);
		c = add(rows[i].uris);
		starts_try(c, 'a', true);
		pass(10000);
		e.retry_after_s = rows[i].retry_after_s;
		e.out_of_time = rows[i].out_of_time;
		if (ocu_plan_done(bed.p, &c->item, &e, &bed.c) != rows[i].over)
			fail_msg("row %zu", i);
		assert_int_equal(c->item.failures, rows[i].over);
		none_until(rows[i].retry_after_s > 0 ? 17000 : 11000);
		pass(bed.wake - bed.c.mono_ms);
		starts_try(c, 'a', true);
		ends_well(c);
		bed_end();
	}
}

/* A responder that was not asked yet and wants patience is waited for: that is no failure. */
static void a_pause_elsewhere_is_no_failure(void **state)
{
	struct cert *c, *other;

	(void)state;
	bed_begin(64, 16);
	other = add("b");
	starts(other, 'b');
	pauses(other, 5, false);
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, false);
	assert_int_equal(c->item.failures, 0);
	none_starts();
	pass(5000);
	bed_end();
}

static void a_suspect_is_used_again_after_a_while(void **state)
{
	struct cert *c, *d, *e;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_BROKEN, false);
	starts(c, 'b');
	d = add("ab");
	starts(d, 'b');
	pass(1000);
	e = add("ab");
	starts(e, 'a');
	ends(e, OCU_END_BROKEN, false);
	starts(e, 'b');
	/* one that is suspect is better than one that is down */
	ends(d, OCU_END_UNREACHED, false);
	starts(d, 'a');
	bed_end();
}

static void who_fails_everywhere_waits_for_its_own_time(void **state)
{
	struct cert *c, *o;

	(void)state;
	bed_begin(64, 16);
	c = add("abc");
	starts_last(c, 'a', false);
	ends(c, OCU_END_REFUSED, false);
	starts_last(c, 'b', false);
	ends(c, OCU_END_SILENT, false);
	starts_last(c, 'c', true);
	ends(c, OCU_END_BROKEN, true);
	assert_int_equal(c->item.failures, 1);
	none_starts();
	until_due(c);
	starts(c, 'a');
	ends(c, OCU_END_REFUSED, false);
	/* the next one goes down before it is asked: that is the end of this try */
	o = add("b");
	ocu_plan_order(bed.p, &o->item, &bed.c);
	starts(o, 'b');
	none_starts();
	ends(o, OCU_END_UNREACHED, true);
	starts(c, 'c');
	ends(c, OCU_END_UNREACHED, true);
	assert_int_equal(c->item.state, OCU_ITEM_LATER);
	/* b comes back before it is due: then it is asked there */
	ocu_plan_order(bed.p, &o->item, &bed.c);
	starts(o, 'b');
	ends_well(o);
	starts(c, 'b');
	ends(c, OCU_END_REFUSED, true);
	assert_int_equal(c->item.failures, 3);
	bed_end();
}

/* What a try has used of its time, and seen, is no matter of the next one, however that begins. */
static void a_try_has_one_first_turn(void **state)
{
	struct cert *c, *o;

	(void)state;
	bed_begin(64, 16);
	o = add("b");
	starts_try(o, 'b', true);
	ends(o, OCU_END_UNREACHED, true);
	c = add("abc");
	starts_try(c, 'a', true);
	ends(c, OCU_END_REFUSED, false);
	starts_try(c, 'c', false);
	ends(c, OCU_END_CANCELLED, false);
	starts_try(c, 'c', false);
	ends(c, OCU_END_REFUSED, true);
	/* the time of b comes before its own */
	pass(1000);
	starts_try(c, 'b', true);
	ends(c, OCU_END_LOCAL, false);
	waits(c, OCU_WAIT_LATER, 30000);
	pass(1000);
	starts_try(c, 'b', true);
	ends(c, OCU_END_REFUSED, true);
	starts_try(o, 'b', true);
	ends_well(o);
	/* or it is ordered, or a pause is over */
	ocu_plan_order(bed.p, &c->item, &bed.c);
	starts_try(c, 'a', true);
	ends(c, OCU_END_SILENT, false);
	starts_try(c, 'b', false);
	ends_well(c);
	ocu_plan_order(bed.p, &o->item, &bed.c);
	starts_try(o, 'b', true);
	ends_well(o);
	hold(o, 0, 0);
	starts_try(o, 'b', true);
	pauses(o, 1, false);
	pass(1000);
	starts_try(o, 'b', true);
	bed_end();
}

/* It waits at one that is the last of its try; when that goes down its own time counts. */
static void who_is_turned_away_keeps_its_patience(void **state)
{
	struct cert *c, *o;

	(void)state;
	bed_begin(64, 16);
	o = add("b");
	starts(o, 'b');
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_REFUSED, false);
	none_starts();
	waits(c, OCU_WAIT_TURN, 0);
	ends(o, OCU_END_UNREACHED, true);
	fails(c, 'b');
	none_until(1000);
	waits(c, OCU_WAIT_LATER, 30000);
	assert_int_equal(c->item.failures, 1);
	/* it does not wait for the other's recovery */
	ocu_plan_order(bed.p, &o->item, &bed.c);
	starts(o, 'b');
	pass(30000);
	starts(c, 'a');
	bed_end();
}

/* The same when all are down by then; who has not asked anybody has not failed. */
static void who_is_turned_away_by_the_last_has_failed(void **state)
{
	struct cert *c, *o, *new;

	(void)state;
	bed_begin(64, 16);
	o = add("b");
	starts(o, 'b');
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, false);
	none_starts();
	new = add("ab");
	none_starts();
	ends(o, OCU_END_UNREACHED, true);
	fails(c, 'b');
	none_until(1000);
	assert_int_equal(new->item.failures, 0);
	waits(new, OCU_WAIT_DOWN, 1000);
	waits(c, OCU_WAIT_DOWN, 1000);
	/* each probes where it has not been */
	pass(1000);
	starts(c, 'b');
	starts(new, 'a');
	ends_well(new);
	ends_well(c);
	bed_end();
}

/* A pause, where it was not asked, is waited for. */
static void who_is_turned_away_by_a_pause_waits(void **state)
{
	struct cert *c, *o;

	(void)state;
	bed_begin(64, 16);
	o = add("b");
	starts(o, 'b');
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, false);
	none_starts();
	pauses(o, 5, false);
	/* that it answers at all is a sign of life, so that the other one is asked again */
	starts(c, 'a');
	assert_int_equal(c->item.failures, 0);
	ends(c, OCU_END_UNREACHED, false);
	none_starts();
	assert_int_equal(c->item.failures, 0);
	bed_end();
}

/* A turn that is as if it had not been may find its lane shut when it ends. */
static void who_is_cancelled_may_have_no_place_left(void **state)
{
	static const enum ocu_end how[] = { OCU_END_LOCAL, OCU_END_CANCELLED };
	struct cert *c, *o;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		bed_begin(64, 16);
		warm('b');
		o = add("b");
		starts(o, 'b');
		c = add("ab");
		starts(c, 'a');
		ends(c, OCU_END_REFUSED, false);
		starts(c, 'b');
		ends(o, OCU_END_UNREACHED, true);
		ends(c, how[i], false);
		assert_int_equal(c->item.failures, 0);
		fails(c, 'b');
		waits(c, OCU_WAIT_LATER, 30000);
		bed_end();
	}
}

static void who_waits_everywhere_is_taken_by_the_first(void **state)
{
	struct cert *a, *b, *both;

	(void)state;
	bed_begin(64, 16);
	a = add("a");
	b = add("b");
	starts(a, 'a');
	starts(b, 'b');
	ends(a, OCU_END_UNREACHED, true);
	pass(500);
	ends(b, OCU_END_UNREACHED, true);
	both = add("ab");
	none_until(1000);
	waits(both, OCU_WAIT_DOWN, 1000);
	pass(500);
	starts(both, 'a');
	/* not at both at the same time */
	pass(500);
	starts(b, 'b');
	ends(both, OCU_END_UNREACHED, true);
	waits(both, OCU_WAIT_DOWN, 1500);
	ends_well(b);
	/* that was a sign of life, so that a is asked again as well, by the other one */
	starts(a, 'a');
	starts(both, 'b');
	ends_well(both);
	bed_end();
}

/* Only who has a response that lasts finds out whether a first URI that is down is back. */
static void who_can_afford_it_probes(void **state)
{
	struct cert *c, *poor, *rich;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	c = add("ab");
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, false);
	starts(c, 'b');
	ends_well(c);
	pass(5000);
	poor = add("ab");
	starts(poor, 'b');
	rich = add("ab");
	hold(rich, 0, 600);
	pass(375000);
	starts(rich, 'a');
	ends(rich, OCU_END_UNREACHED, false);
	starts(rich, 'b');
	ends_well(rich);
	/* one at a time, and not before its time */
	hold(rich, 0, 4);
	hold(c, 0, 4);
	pass(3000);
	starts(c, 'a');
	starts(rich, 'b');
	ends_well(c);
	starts(add("ab"), 'a');
	bed_end();
}

static void one_uri_may_follow_another_at_one_responder(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("aa");
	starts_last(c, 'a', false);
	assert_ptr_equal(c->item.at, &c->places[0]);
	ends(c, OCU_END_REFUSED, false);
	starts_last(c, 'a', true);
	assert_ptr_equal(c->item.at, &c->places[1]);
	ends(c, OCU_END_UNREACHED, true);
	waits(c, OCU_WAIT_DOWN, 1000);
	pass(1000);
	starts(c, 'a');
	ends_well(c);
	bed_end();
}

/* Who waits for another's pause to end was asked here all the same: the others go first. */
static void who_waits_for_a_pause_lets_others_probe(void **state)
{
	struct cert *b, *c, *d;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	b = add("b");
	starts(b, 'b');
	pauses(b, 600, false);
	c = add("ab");
	d = add("a");
	starts(c, 'a');
	ends(c, OCU_END_UNREACHED, false);
	none_until(1000);
	pass(1000);
	starts(d, 'a');
	bed_end();
}

/* ---- Poison ---- */

static void nobody_waits_for_a_poisoned_one(void **state)
{
	static const enum ocu_end how[] = { OCU_END_SILENT, OCU_END_BROKEN };
	struct cert *bad, *c[3];
	size_t i, j;

	(void)state;
	for (i = 0; i < 2; i++) {
		bed_begin(64, 1);
		bad = add("a");
		for (j = 0; j < 3; j++)
			c[j] = add("a");
		starts(bad, 'a');
		ends(bad, how[i], true);
		starts(c[0], 'a');
		/* it is due again, but the others go first */
		until_due(bad);
		none_starts();
		waits(bad, OCU_WAIT_TURN, 0);
		ends_well(c[0]);
		starts(c[1], 'a');
		ends_well(c[1]);
		starts(c[2], 'a');
		ends_well(c[2]);
		starts(bad, 'a');
		/* what it does is no news of the responder */
		ends(bad, how[i], true);
		assert_int_equal(lane('a')->health.trust, OCU_TRUST_GOOD);
		bed_end();
	}
}

static void eight_are_no_poison(void **state)
{
	struct cert *c[10];
	int i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 10; i++)
		c[i] = add("a");
	for (i = 0; i < 8; i++) {
		starts(c[i], 'a');
		ends(c[i], OCU_END_SILENT, true);
	}
	/* down, after seven seconds on three backoffs */
	none_until(4000);
	waits(c[9], OCU_WAIT_DOWN, 4000);
	pass(4000);
	starts(c[8], 'a');
	ends(c[8], OCU_END_SILENT, true);
	none_until(12000);
	pass(8000);
	starts(c[9], 'a');
	/* it is back: those that failed do not wait for their own time, but wait for the rest */
	ends_well(c[9]);
	starts(c[0], 'a');
	starts(c[1], 'a');
	ends_well(c[0]);
	starts(c[2], 'a');
	starts(c[3], 'a');
	bed_end();
}

/* Others ask at once whether it concerns them, and it comes after them. */
static void one_that_pauses_a_responder_is_found_out(void **state)
{
	struct cert *bad, *c[3];
	int i;

	(void)state;
	bed_begin(64, 1);
	bad = add("a");
	for (i = 0; i < 3; i++)
		c[i] = add("a");
	starts(bad, 'a');
	pauses(bad, -1, false);
	waits(bad, OCU_WAIT_PAUSED, 1000);
	for (i = 0; i < 3; i++) {
		starts(c[i], 'a');
		none_starts();
		waits(bad, i == 0 ? OCU_WAIT_PAUSED : OCU_WAIT_TURN, i == 0 ? 1000 : 0);
		ends_well(c[i]);
	}
	assert_false(ocu_pace_limits(&lane('a')->health.pace));
	starts(bad, 'a');
	/* nobody else waits: it does so for the end of the pause */
	pauses(bad, -1, false);
	none_until(1000);
	pass(1000);
	starts(bad, 'a');
	/* now it is its own matter */
	pauses(bad, 600, true);
	assert_int_equal(lane('a')->health.trust, OCU_TRUST_PAUSED);
	pass(600000);
	starts(add("a"), 'a');
	bed_end();
}

/* Two may be the reason themselves, three are not: then it is a pause, of which no failure is told.
 * Once it has paused a responder is not doubted any more.
 */
static void three_make_it_a_pause(void **state)
{
	struct cert *c[6];
	int i;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 6; i++)
		c[i] = add("a");
	for (i = 0; i < 3; i++) {
		starts(c[i], 'a');
		none_starts();
		pauses(c[i], i == 1 ? 0 : -1, false);
	}
	none_until(1000);
	pass(1000);
	starts(c[3], 'a');
	ends_well(c[3]);
	starts(c[4], 'a');
	pauses(c[4], -1, false);
	none_until(2000);
	pass(1000);
	starts(c[5], 'a');
	ends_well(c[5]);
	bed_end();
}

/* Who has another way goes it in place of asking again here. */
static void only_who_has_no_other_way_doubts_a_pause(void **state)
{
	struct cert *c[3], *only;
	int i;

	(void)state;
	bed_begin(64, 16);
	warm('b');
	for (i = 0; i < 3; i++)
		c[i] = add("ab");
	starts(c[0], 'a');
	pauses(c[0], -1, false);
	for (i = 0; i < 3; i++)
		starts(c[i], 'b');
	none_starts();
	only = add("a");
	starts(only, 'a');
	ends_well(only);
	bed_end();
}

/* ---- Patience ---- */

static void a_pause_is_obeyed(void **state)
{
	struct cert *c[4];
	int i;

	(void)state;
	bed_begin(64, 16);
	warm('a');
	for (i = 0; i < 4; i++)
		c[i] = add("a");
	for (i = 0; i < 4; i++)
		starts(c[i], 'a');
	pauses(c[0], 30, false);
	/* they were on their way */
	pauses(c[1], 90, false);
	ends_well(c[2]);
	none_until(30000);
	waits(c[1], OCU_WAIT_PAUSED, 30000);
	assert_int_equal(c[1]->item.failures, 0);
	pass(30000);
	/* one asks whether it is over */
	starts(c[1], 'a');
	none_starts();
	/* a second refusal in a row is a failure worth telling */
	pauses(c[1], 10, true);
	assert_int_equal(c[1]->item.failures, 1);
	none_until(40000);
	pass(10000);
	starts(c[0], 'a');
	ends_well(c[0]);
	bed_end();
}

/* A pause lasts no longer than a quarter of what the most urgent one has left. */
static void a_pause_lets_nothing_lapse(void **state)
{
	struct cert *c, *late;

	(void)state;
	bed_begin(64, 16);
	c = add("a");
	starts(c, 'a');
	hold(c, 1000, 400);
	pauses(c, 3600, false);
	none_until(100000);
	late = add("a");
	hold(late, 0, 120);
	/* that is due after 90 s, has 30 s left, and waits a quarter of them */
	pass(90000);
	none_until(97500);
	pass(7500);
	starts(late, 'a');
	bed_end();

	/* those that wait there already count too; but nothing held is nothing to lapse */
	bed_begin(64, 16);
	c = add("a");
	late = add_idle("a");
	hold(late, 1000, 400);
	ocu_plan_automatic(bed.p, &late->item, true, &bed.c);
	starts(c, 'a');
	pass(300000);
	none_starts();
	waits(late, OCU_WAIT_TURN, 0);
	pauses(c, 100000, false);
	none_until(325000);
	bed_end();

	bed_begin(64, 16);
	c = add("a");
	starts(c, 'a');
	pauses(c, 100000, false);
	none_until(3600000);
	bed_end();
}

/* A first request for patience ends the try of an order: who gave it wants to know. */
static void an_order_is_told_of_a_pause(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("a");
	ocu_plan_order(bed.p, &c->item, &bed.c);
	starts(c, 'a');
	pauses(c, 600, true);
	assert_int_equal(c->item.failures, 1);
	waits(c, OCU_WAIT_PAUSED, 600000);
	bed_end();
}

/* Lets 'a' answer ten times in a second. */
static void ten_in_a_second(const char *uris)
{
	struct cert *c;
	int i;

	for (i = 0; i < 10; i++) {
		c = add(uris);
		starts(c, 'a');
		pass(100);
		ends_well(c);
	}
}

/* Starts what may start at 'a' within a second, and returns how many. */
static unsigned starts_in_a_second(void)
{
	struct ocu_turn t;
	unsigned n = 0;
	int i;

	for (i = 0; i < 10; i++) {
		while (next(&t)) {
			ends_well(OCU_OWNER(t.item, struct cert, item));
			n++;
		}
		pass(100);
	}
	return n;
}

/* The pause counts for the rate even if nobody waits for its end. */
static void a_pause_counts_when_all_are_elsewhere(void **state)
{
	struct cert *c;
	int i;

	(void)state;
	bed_begin(64, 16);
	ten_in_a_second("ab");
	c = add("ab");
	starts(c, 'a');
	pauses(c, 9, false);
	starts(c, 'b');
	ends_well(c);
	pass(9000);
	for (i = 0; i < 20; i++)
		c = add("a");
	assert_in_range(starts_in_a_second(), 1, 3);
	bed_end();
}

/* A window that is full at its widest, while the pace would allow more, is the limit. */
static void a_pace_that_limits_no_more_is_forgotten(void **state)
{
	struct cert *c, *d;

	(void)state;
	bed_begin(64, 1);
	ten_in_a_second("a");
	c = add("a");
	starts(c, 'a');
	pauses(c, 9, false);
	pass(9000);
	starts(c, 'a');
	ends_well(c);
	assert_true(ocu_pace_limits(&lane('a')->health.pace));
	d = add("a");
	none_starts();
	pass(1500);
	starts(d, 'a');
	pass(1500);
	add("a");
	none_starts();
	assert_false(ocu_pace_limits(&lane('a')->health.pace));
	bed_end();
}

static void what_was_let_through_is_the_pace(void **state)
{
	struct cert *c[40];
	struct ocu_turn t;
	int i, n;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 40; i++)
		c[i] = add("a");
	/* ten in a second, a second of pause */
	for (i = 0; i < 10; i++) {
		starts(c[i], 'a');
		pass(100);
		ends_well(c[i]);
	}
	starts(c[10], 'a');
	pauses(c[10], 1, false);
	pass(1000);
	starts(c[11], 'a');
	ends_well(c[11]);
	for (i = 0, n = 0; i < 10; i++) {
		while (next(&t)) {
			ends_well(OCU_OWNER(t.item, struct cert, item));
			n++;
		}
		assert_true(bed.wake > bed.c.mono_ms);
		pass(100);
	}
	assert_in_range(n, 4, 6);
	/* an order does not mind */
	ocu_plan_order(bed.p, &c[39]->item, &bed.c);
	starts(c[39], 'a');
	bed_end();
}

/* ---- All at once ---- */

static void a_sign_of_life_revives_the_others(void **state)
{
	struct cert *c[3];
	int64_t wake[3];
	int i, round;

	(void)state;
	bed_begin(64, 16);
	for (i = 0; i < 3; i++) {
		c[i] = add((char[]){ (char)('a' + i), '\0' });
		starts(c[i], (char)('a' + i));
		ends(c[i], OCU_END_UNREACHED, true);
	}
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 3; i++)
			wake[i] = lane((char)('a' + i))->health.again_ms;
		pass(wake[0] - bed.c.mono_ms);
		for (i = 0; i < 3; i++) {
			starts(c[i], (char)('a' + i));
			ends(c[i], OCU_END_UNREACHED, true);
			pass(10);
		}
	}
	none_starts();
	assert_true(bed.wake > bed.c.mono_ms + 50000);
	ocu_plan_order(bed.p, &c[1]->item, &bed.c);
	starts(c[1], 'b');
	ends_well(c[1]);
	starts(c[0], 'a');
	starts(c[2], 'c');
	/* in vain: that was once */
	ends(c[0], OCU_END_UNREACHED, true);
	none_starts();
	assert_true(bed.wake > bed.c.mono_ms + 50000);
	bed_end();
}

static void a_failure_on_this_side_stops_all(void **state)
{
	static const int64_t waits_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct cert *a, *b, *c;
	size_t i;

	(void)state;
	bed_begin(64, 16);
	a = add("a");
	b = add("b");
	starts(a, 'a');
	starts(b, 'b');
	c = add("c");
	for (i = 0; i < 8; i++) {
		ends(a, OCU_END_LOCAL, false);
		if (i == 0)
			ends(b, OCU_END_LOCAL, false);
		assert_int_equal(a->item.failures, 0);
		none_until(bed.c.mono_ms - MONO + waits_ms[i]);
		pass(waits_ms[i]);
		starts(a, 'a');
	}
	starts(b, 'b');
	starts(c, 'c');
	ends_well(b);
	ends(a, OCU_END_LOCAL, false);
	none_until(bed.c.mono_ms - MONO + 1000);
	assert_int_equal(lane('a')->health.trust, OCU_TRUST_GOOD);
	bed_end();
}

static void what_is_cancelled_had_not_begun(void **state)
{
	struct cert *c, *d;

	(void)state;
	bed_begin(64, 16);
	c = add("ab");
	starts(c, 'a');
	ocu_plan_hangs(bed.p, &c->item, &bed.c);
	ends(c, OCU_END_CANCELLED, false);
	waits(c, OCU_WAIT_TURN, 0);
	starts(c, 'b');
	ocu_plan_automatic(bed.p, &c->item, false, &bed.c);
	ends(c, OCU_END_CANCELLED, false);
	waits(c, OCU_WAIT_IDLE, 0);
	/* so for a probe: another one takes its place */
	c = add("c");
	d = add("c");
	starts(c, 'c');
	ends(c, OCU_END_UNREACHED, true);
	pass(1000);
	starts(d, 'c');
	none_starts();
	ends(d, OCU_END_CANCELLED, false);
	ocu_plan_remove(bed.p, &d->item);
	starts(c, 'c');
	/* what is not scheduled any more goes on nowhere */
	ocu_plan_automatic(bed.p, &c->item, false, &bed.c);
	ends(c, OCU_END_SILENT, true);
	waits(c, OCU_WAIT_IDLE, 0);
	bed_end();
}

/* ---- Redirects ---- */

static bool moves(struct cert *c, char to)
{
	c->spare.lane = lane(to);
	return ocu_plan_moved(bed.p, &c->item, &c->spare, &bed.c);
}

static void a_redirect_goes_on_elsewhere(void **state)
{
	struct cert *c;

	(void)state;
	bed_begin(64, 16);
	c = add("ab");
	starts(c, 'a');
	assert_int_equal(lane('a')->flying, 1);
	assert_false(moves(c, 'd'));
	assert_int_equal(lane('a')->flying, 0);
	assert_int_equal(lane('a')->health.window, 2);
	starts_last(c, 'd', false);
	assert_ptr_equal(c->item.at, &c->spare);
	assert_int_equal(lane('d')->flying, 1);
	/* and once more, to where the same place leads now */
	assert_false(moves(c, 'e'));
	assert_int_equal(lane('d')->flying, 0);
	starts(c, 'e');
	ends(c, OCU_END_SILENT, false);
	starts_last(c, 'b', true);
	ends(c, OCU_END_REFUSED, true);
	/* the next try begins at the first one again */
	pass(30000);
	starts(c, 'a');
	assert_null(c->item.spare);
	ends_well(c);
	bed_end();
}

static void a_redirect_may_lead_to_the_dead(void **state)
{
	struct cert *c, *d;

	(void)state;
	bed_begin(64, 16);
	warm('a');
	d = add("d");
	starts(d, 'd');
	ends(d, OCU_END_UNREACHED, true);
	c = add("ab");
	starts(c, 'a');
	assert_false(moves(c, 'd'));
	starts(c, 'b');
	assert_true(moves(c, 'd'));
	waits(c, OCU_WAIT_LATER, 30000);
	pass(1000);
	starts(c, 'd');
	ends(c, OCU_END_UNREACHED, true);
	pass(2000);
	starts(d, 'd');
	ends_well(d);
	/* it is back, and takes who was sent there */
	starts(c, 'd');
	ends_well(c);
	bed_end();
}

/* What was asked in vain behind a redirect lets others go first there, too. */
static void poison_is_known_behind_a_redirect(void **state)
{
	struct cert *bad, *d;
	int i;

	(void)state;
	bed_begin(64, 1);
	bad = add("a");
	for (i = 0; i < 2; i++) {
		starts(bad, 'a');
		assert_false(moves(bad, 'd'));
		if (i == 1)
			break;
		starts(bad, 'd');
		ends(bad, OCU_END_BROKEN, true);
		until_due(bad);
	}
	d = add("d");
	starts(d, 'd');
	ends_well(d);
	starts(bad, 'd');
	ends(bad, OCU_END_BROKEN, true);
	assert_int_equal(lane('d')->health.trust, OCU_TRUST_GOOD);
	/* elsewhere it is a stranger */
	until_due(bad);
	starts(bad, 'a');
	assert_false(moves(bad, 'e'));
	starts(bad, 'e');
	ends(bad, OCU_END_BROKEN, true);
	assert_int_equal(lane('e')->health.trust, OCU_TRUST_SUSPECT);
	bed_end();
}

/* ---- Coming and going ---- */

static void an_item_may_leave_in_any_state(void **state)
{
	struct cert *c[8];
	int i;

	(void)state;
	bed_begin(64, 16);
	c[0] = add_idle("ab");
	c[1] = add("ab");
	hold(c[1], 0, DAY);
	for (i = 2; i < 6; i++)
		c[i] = add("ab");
	starts(c[2], 'a');
	ocu_plan_order(bed.p, &c[5]->item, &bed.c);
	assert_int_equal(c[0]->item.state, OCU_ITEM_IDLE);
	assert_int_equal(c[1]->item.state, OCU_ITEM_LATER);
	assert_int_equal(c[3]->item.state, OCU_ITEM_WAITS);
	assert_int_equal(c[5]->item.state, OCU_ITEM_WAITS);
	for (i = 0; i < 4; i++)
		if (i != 2)
			ocu_plan_remove(bed.p, &c[i]->item);
	ocu_plan_remove(bed.p, &c[5]->item);
	none_until(INT64_MAX - MONO);
	ends(c[2], OCU_END_UNREACHED, false);
	/* one that is about to be sent elsewhere */
	ocu_plan_remove(bed.p, &c[4]->item);
	starts(c[2], 'b');
	ends(c[2], OCU_END_UNREACHED, true);
	/* one that waits everywhere */
	ocu_plan_remove(bed.p, &c[2]->item);
	none_until(INT64_MAX - MONO);
	bed.n = 0;
	bed_end();
	ocu_plan_free(NULL);
}

static void an_item_may_change_in_any_queue(void **state)
{
	struct cert *c, *d;

	(void)state;
	bed_begin(64, 16);
	c = add("ab");
	d = add("ab");
	starts(c, 'a');
	none_starts();
	hold(d, 0, DAY);
	waits(d, OCU_WAIT_LATER, 3240000);
	ocu_plan_automatic(bed.p, &d->item, false, &bed.c);
	ocu_plan_automatic(bed.p, &d->item, true, &bed.c);
	ends(c, OCU_END_UNREACHED, false);
	starts(c, 'b');
	ends(c, OCU_END_UNREACHED, true);
	waits(c, OCU_WAIT_DOWN, 1000);
	/* it waits everywhere; then an administrator brings one */
	hold(c, 0, DAY);
	assert_int_equal(c->item.failures, 0);
	waits(c, OCU_WAIT_LATER, 3240000);
	hold(c, 0, 0);
	none_until(1000);
	ocu_plan_automatic(bed.p, &c->item, false, &bed.c);
	none_until(3240000);
	bed_end();
}

static void without_memory_there_is_none(void **state)
{
	struct ocu_plan_conf conf = { { 300, 3600, false }, 1, 1 };
	long before = nomem_live();
	struct ocu_plan *p;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_plan_new(&p, &conf), OCU_NOMEM);
	assert_null(p);
	nomem_fail(-1);
	assert_int_equal(ocu_plan_new(&p, &conf), OCU_OK);
	ocu_plan_free(p);
	assert_int_equal(nomem_live(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_decides_when),
		cmocka_unit_test(a_first_response_is_renewed_sooner),
		cmocka_unit_test(max_age_is_heard),
		cmocka_unit_test(what_is_not_usable_is_a_failure),
		cmocka_unit_test(what_is_refused_is_a_failure),
		cmocka_unit_test(an_expired_certificate_is_left_alone),
		cmocka_unit_test(an_expired_certificate_leaves_its_queue),
		cmocka_unit_test(a_step_of_the_clock_is_noticed),
		cmocka_unit_test(who_failed_is_due_after_a_step),
		cmocka_unit_test(a_step_is_followed_in_slices),
		cmocka_unit_test(who_was_kept_waiting_is_put_off),
		cmocka_unit_test(who_is_put_off_may_become_urgent),
		cmocka_unit_test(most_urgent_goes_first),
		cmocka_unit_test(an_order_goes_before_all),
		cmocka_unit_test(an_order_asks_everywhere_at_once),
		cmocka_unit_test(a_window_doubles_with_each_success),
		cmocka_unit_test(the_total_is_limited),
		cmocka_unit_test(strangers_leave_room),
		cmocka_unit_test(what_hangs_fills_no_window),
		cmocka_unit_test(what_hangs_makes_room),
		cmocka_unit_test(what_hangs_keeps_its_place),
		cmocka_unit_test(a_dead_responder_is_probed_by_one),
		cmocka_unit_test(a_hurry_is_obeyed),
		cmocka_unit_test(a_success_that_began_before_counts),
		cmocka_unit_test(who_has_another_uri_uses_it),
		cmocka_unit_test(the_first_hang_of_a_stranger_is_enough),
		cmocka_unit_test(who_can_leaves_one_that_stalls),
		cmocka_unit_test(time_ends_a_try),
		cmocka_unit_test(who_is_cut_short_blames_nobody),
		cmocka_unit_test(time_ends_a_try_that_is_asked_for_patience),
		cmocka_unit_test(a_pause_elsewhere_is_no_failure),
		cmocka_unit_test(a_suspect_is_used_again_after_a_while),
		cmocka_unit_test(who_fails_everywhere_waits_for_its_own_time),
		cmocka_unit_test(a_try_has_one_first_turn),
		cmocka_unit_test(who_is_turned_away_keeps_its_patience),
		cmocka_unit_test(who_is_turned_away_by_the_last_has_failed),
		cmocka_unit_test(who_is_turned_away_by_a_pause_waits),
		cmocka_unit_test(who_is_cancelled_may_have_no_place_left),
		cmocka_unit_test(who_waits_everywhere_is_taken_by_the_first),
		cmocka_unit_test(who_can_afford_it_probes),
		cmocka_unit_test(one_uri_may_follow_another_at_one_responder),
		cmocka_unit_test(who_waits_for_a_pause_lets_others_probe),
		cmocka_unit_test(nobody_waits_for_a_poisoned_one),
		cmocka_unit_test(eight_are_no_poison),
		cmocka_unit_test(one_that_pauses_a_responder_is_found_out),
		cmocka_unit_test(three_make_it_a_pause),
		cmocka_unit_test(only_who_has_no_other_way_doubts_a_pause),
		cmocka_unit_test(a_pause_is_obeyed),
		cmocka_unit_test(a_pause_lets_nothing_lapse),
		cmocka_unit_test(an_order_is_told_of_a_pause),
		cmocka_unit_test(a_pause_counts_when_all_are_elsewhere),
		cmocka_unit_test(a_pace_that_limits_no_more_is_forgotten),
		cmocka_unit_test(what_was_let_through_is_the_pace),
		cmocka_unit_test(a_sign_of_life_revives_the_others),
		cmocka_unit_test(a_failure_on_this_side_stops_all),
		cmocka_unit_test(what_is_cancelled_had_not_begun),
		cmocka_unit_test(a_redirect_goes_on_elsewhere),
		cmocka_unit_test(a_redirect_may_lead_to_the_dead),
		cmocka_unit_test(poison_is_known_behind_a_redirect),
		cmocka_unit_test(an_item_may_leave_in_any_state),
		cmocka_unit_test(an_item_may_change_in_any_queue),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
