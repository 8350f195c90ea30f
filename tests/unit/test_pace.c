/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_pace.c - the rate that was let through is measured, kept to, and grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/pace.h"

#define T INT64_C(5000000)

/* A responder that let <let> through in a second, then asked for a pause that ended at <end>. */
static struct ocu_pace paused(unsigned let, int64_t end)
{
	struct ocu_pace p;
	unsigned i;

	ocu_pace_init(&p);
	ocu_pace_busy(&p, true, T);
	for (i = 0; i < let; i++)
		ocu_pace_let(&p, T + 1000);
	ocu_pace_resume(&p, end, end);
	return p;
}

/* Starts as many as may start in the <n> seconds from <from> on. */
static unsigned starts(struct ocu_pace *p, int64_t from, int64_t n)
{
	int64_t now = from, next;
	unsigned started = 0;

	while (now < from + n * 1000) {
		next = ocu_pace_next(p, now);
		if (next > now) {
			now = next;
			continue;
		}
		ocu_pace_started(p, now);
		started++;
	}
	return started;
}

static void it_begins_without_a_limit(void **state)
{
	struct ocu_pace p;

	(void)state;
	ocu_pace_init(&p);
	assert_false(ocu_pace_limits(&p));
	ocu_pace_busy(&p, true, T);
	ocu_pace_started(&p, T);
	assert_true(ocu_pace_next(&p, T) == T);
}

static void what_was_let_through_is_the_limit(void **state)
{
	static const struct {
		const char *what;
		unsigned let;
		int64_t pause_ms;
		bool limits;
		unsigned want; /* in the first second after the pause */
	} rows[] = {
		{ "20 in 2 s", 20, 1000, true, 10 },
		{ "10 in 5 s", 10, 4000, true, 2 },
		{ "100 in 4 s", 100, 3000, true, 25 },
		{ "nothing at all", 0, 1000, false, 0 },
		{ "an outage", 10, 61000, false, 0 },
		{ "nearly an outage", 61, 60000, true, 1 },
	};
	unsigned got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t end = T + 1000 + rows[i].pause_ms;
		struct ocu_pace p = paused(rows[i].let, end);

		if (ocu_pace_limits(&p) != rows[i].limits)
			fail_msg("%s", rows[i].what);
		got = rows[i].limits ? starts(&p, end, 1) : 0;
		if (got + 1 < rows[i].want || got > rows[i].want)
			fail_msg("%s: %u", rows[i].what, got);
	}
}

static void it_grows_until_it_is_none(void **state)
{
	struct ocu_pace p = paused(20, T + 2000);
	unsigned first, second, tenth;
	int64_t now = T + 2000;
	int i;

	(void)state;
	first = starts(&p, now, 1);
	second = starts(&p, now + 1000, 1);
	starts(&p, now + 2000, 8);
	tenth = starts(&p, now + 10000, 1);
	assert_true(second >= first);
	assert_in_range(tenth, 2 * first, 3 * first);
	for (i = 0; i < 2000 && ocu_pace_limits(&p); i++)
		ocu_pace_next(&p, now += 1000);
	assert_false(ocu_pace_limits(&p));
	p = paused(20, T + 2000);
	ocu_pace_forget(&p);
	assert_false(ocu_pace_limits(&p));
}

/* However little was let through, there is an end of the waiting. */
static void a_tiny_rate_recovers(void **state)
{
	struct ocu_pace p = paused(1, T + 50000);

	(void)state;
	assert_true(ocu_pace_limits(&p));
	assert_true(starts(&p, T + 50000, 60) >= 60);
}

static void idle_time_does_not_count(void **state)
{
	struct ocu_pace p;
	int i;

	(void)state;
	ocu_pace_init(&p);
	ocu_pace_busy(&p, true, T);
	for (i = 0; i < 10; i++)
		ocu_pace_let(&p, T + 1000);
	ocu_pace_busy(&p, false, T + 1000);
	ocu_pace_busy(&p, false, T + 2000);
	ocu_pace_busy(&p, true, T + 3601000);
	ocu_pace_busy(&p, true, T + 3601500);
	for (i = 0; i < 20; i++)
		ocu_pace_let(&p, T + 3602000);
	ocu_pace_resume(&p, T + 3603000, T + 3603000);
	assert_in_range(starts(&p, T + 3603000, 1), 9, 10);
	/* nor does the rate grow meanwhile */
	ocu_pace_busy(&p, false, T + 3604000);
	ocu_pace_busy(&p, true, T + 7200000);
	assert_in_range(starts(&p, T + 7200000, 1), 10, 13);
}

/* Late timers lower the rate no further than their lateness. */
static void a_late_start_is_made_up_for(void **state)
{
	struct ocu_pace p = paused(200, T + 2000); /* each 10 ms */
	int64_t now = T + 2000;
	unsigned n = 0;

	(void)state;
	for (; now < T + 3000; now += 7) {
		if (ocu_pace_next(&p, now) > now)
			continue;
		ocu_pace_started(&p, now);
		n++;
	}
	assert_in_range(n, 97, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_without_a_limit),
		cmocka_unit_test(what_was_let_through_is_the_limit),
		cmocka_unit_test(it_grows_until_it_is_none),
		cmocka_unit_test(a_tiny_rate_recovers),
		cmocka_unit_test(idle_time_does_not_count),
		cmocka_unit_test(a_late_start_is_made_up_for),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
