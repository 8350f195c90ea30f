/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_lane.c - who goes first at a responder, and which responder is next. How these orders serve
 * tries is test_plan.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/lane.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LANES 7

struct bed {
	struct ocu_clock now;
	struct ocu_lanes ls;
	struct ocu_lane lanes[LANES];
	struct ocu_place places[LANES];
};

static void bed_init(struct bed *b, unsigned maxconn)
{
	size_t i;

	*b = (struct bed){ .now = { .mono_ms = 5000, .wall_s = 1000000 } };
	ocu_lanes_init(&b->ls, maxconn, 2, &b->now);
	for (i = 0; i < LANES; i++) {
		ocu_lane_init(&b->lanes[i]);
		b->places[i].lane = &b->lanes[i];
	}
}

/* Lets a turn at <l> end, which was answered. */
static void answer(struct bed *b, struct ocu_lane *l)
{
	struct ocu_health was = l->health;
	struct ocu_ask a = { .spell = was.spell, .start_ms = b->now.mono_ms };

	ocu_lane_start(&b->ls, l, false);
	ocu_lane_end(&b->ls, l, false, false);
	ocu_health_answered(&l->health, &a, 2, b->now.mono_ms);
	ocu_lane_learnt(&b->ls, l, &was);
}

/* Begins the turn that is next. Returns the number of its lane, -1: there is none. */
static int begin(struct bed *b)
{
	struct ocu_lane *l = ocu_lanes_next(&b->ls);

	if (!l)
		return -1;
	ocu_lane_round(l);
	ocu_lane_leave(&b->ls, l->top);
	ocu_lane_start(&b->ls, l, ocu_lane_shut(l));
	return (int)(l - b->lanes);
}

/* Each row goes before all rows after it, at one lane and among lanes. */
static void the_most_urgent_goes_first(void **state)
{
	static const struct {
		struct ocu_urgency urgency;
		uint64_t vain;
	} rows[LANES] = {
		{ { .ordered = true, .expiry = 9000, .seq = 9 }, 7 },
		{ { .must_staple = true, .expiry = 50, .seq = 8 }, 0 },
		{ { .expiry = 0, .seq = 7 }, 0 },
		{ { .expiry = 40, .lot = 4, .seq = 5 }, 0 },
		{ { .expiry = 40, .lot = 6, .seq = 2 }, 0 },
		{ { .expiry = 40, .lot = 6, .seq = 3 }, 0 },
		{ { .must_staple = true, .expiry = 0, .seq = 1 }, 5 },
	};
	struct bed b;
	size_t i;
	int one;

	(void)state;
	for (one = 0; one < 2; one++) {
		bed_init(&b, 64);
		for (i = LANES; i-- > 0; ) {
			b.places[i].lane = &b.lanes[one ? 0 : i];
			b.places[i].urgency = rows[i].urgency;
			b.places[i].vain = rows[i].vain;
			ocu_lane_enter(&b.ls, &b.places[i], &b.places[i].lane->queue);
		}
		for (i = 0; i < LANES; i++) {
			assert_ptr_equal(ocu_lanes_next(&b.ls)->top, &b.places[i]);
			ocu_lane_leave(&b.ls, &b.places[i]);
		}
		assert_null(ocu_lanes_next(&b.ls));
		assert_false(ocu_lanes_ready(&b.ls));
	}
}

/* The last quarter of the connections is for those that are known to answer. */
static void strangers_leave_a_quarter(void **state)
{
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b, 4);
	answer(&b, &b.lanes[5]);
	for (i = 0; i < LANES; i++) {
		b.places[i].urgency = (struct ocu_urgency){ .seq = i + 1 };
		ocu_lane_enter(&b.ls, &b.places[i], &b.lanes[i].queue);
	}
	for (i = 0; i < 3; i++)
		assert_int_equal(begin(&b), i);
	assert_int_equal(begin(&b), 5);
	assert_int_equal(begin(&b), -1);
	assert_true(ocu_lanes_ready(&b.ls));
	ocu_lane_end(&b.ls, &b.lanes[0], false, false);
	assert_int_equal(begin(&b), 3);
}

/* One that is down is next when its time comes, and for one at a time. */
static void a_shut_lane_has_its_time(void **state)
{
	struct bed b;
	struct ocu_lane *l = &b.lanes[0];
	struct ocu_health was;
	struct ocu_ask a;
	int i;

	(void)state;
	bed_init(&b, 4);
	was = l->health;
	a = (struct ocu_ask){ .spell = was.spell, .start_ms = b.now.mono_ms };
	ocu_health_unreached(&l->health, &a, b.now.mono_ms, 0);
	ocu_lane_learnt(&b.ls, l, &was);
	assert_true(ocu_lane_shut(l));
	assert_false(ocu_lane_lacks_probe(&b.ls, l));
	assert_int_equal(ocu_lanes_wake_ms(&b.ls), INT64_MAX);
	for (i = 0; i < 2; i++) {
		b.places[i].lane = l;
		ocu_lane_enter(&b.ls, &b.places[i], &l->queue);
	}
	assert_int_equal(ocu_lanes_wake_ms(&b.ls), 6000);
	assert_int_equal(begin(&b), -1);
	b.now.mono_ms = 6000;
	assert_false(ocu_lanes_slice(&b.ls));
	assert_int_equal(begin(&b), 0);
	assert_int_equal(begin(&b), -1);
	ocu_lane_end(&b.ls, l, true, false);
	was = l->health;
	ocu_lane_learnt(&b.ls, l, &was);
	ocu_lane_leave(&b.ls, &b.places[1]);
	assert_true(ocu_lane_lacks_probe(&b.ls, l));
	ocu_lane_fini(&b.ls, l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_urgent_goes_first),
		cmocka_unit_test(strangers_leave_a_quarter),
		cmocka_unit_test(a_shut_lane_has_its_time),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
