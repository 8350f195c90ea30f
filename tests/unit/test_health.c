/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_health.c - what is believed of a responder, as stories: each is a list of what happens, and
 * what is believed after each of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/health.h"

#define T INT64_C(5000000)
#define MOST 16

#define GOOD OCU_TRUST_GOOD
#define SUSPECT OCU_TRUST_SUSPECT
#define DOWN OCU_TRUST_DOWN
#define PAUSED OCU_TRUST_PAUSED

enum what { BEGIN, ANSWERED, UNREACHED, SILENT, BROKEN, PAUSE, HANG, HURRY, PROBE };

/* <who> began at the last BEGIN, or at this very moment if it has none. */
struct event {
	enum what what;
	uint64_t who;
	int64_t at;            /* ms after T */
	enum ocu_trust trust;
	unsigned window;
	int64_t again;         /* ms after T; checked unless GOOD */
	int64_t retry_after_s; /* PAUSE; HURRY, PROBE: ms after T */
};

static void happen(struct ocu_health *h, struct ocu_ask *asks, const struct event *e)
{
	struct ocu_ask now = { .who = e->who, .spell = h->spell, .start_ms = T + e->at };
	struct ocu_ask *a = asks[e->who].who ? &asks[e->who] : &now;

	switch (e->what) {
	case BEGIN:
		asks[e->who] = now;
		return;
	case ANSWERED:
		ocu_health_answered(h, a, MOST, T + e->at);
		break;
	case UNREACHED:
		ocu_health_unreached(h, a, T + e->at, 0);
		break;
	case SILENT:
	case BROKEN:
		ocu_health_failed(h, a, e->what == SILENT, T + e->at, 0);
		break;
	case PAUSE:
		ocu_health_paused(h, a, e->retry_after_s, false, T + e->at, 0);
		break;
	case HANG:
		ocu_health_hangs(h, T + e->at);
		return;
	case HURRY:
		ocu_health_hurry(h, T + e->retry_after_s);
		return;
	case PROBE:
		ocu_health_probe(h, T + e->retry_after_s);
		return;
	}
	asks[e->who].who = 0;
}

static void tell(const char *story, const struct event *events, size_t n)
{
	struct ocu_ask asks[32] = { { 0 } };
	struct ocu_health h;
	size_t i;

	ocu_health_init(&h);
	assert_int_equal(h.window, 1);
	for (i = 0; i < n; i++) {
		const struct event *e = &events[i];

		happen(&h, asks, e);
		if (e->what == BEGIN)
			continue;
		if (h.trust != e->trust || h.window != e->window ||
		    (h.trust != GOOD && h.again_ms != T + e->again))
			fail_msg("%s, line %zu: trust %d, window %u, again %lld", story, i + 1,
				 (int)h.trust, h.window, (long long)(h.again_ms - T));
		assert_true(ocu_health_shut(&h) == (h.trust == DOWN || h.trust == PAUSED));
		if (h.trust == DOWN)
			assert_false(h.answered);
	}
}

#define TELL(...) \
	do { \
		static const struct event events[] = { __VA_ARGS__ }; \
		tell(__func__, events, sizeof(events) / sizeof(events[0])); \
	} while (0)

static void the_window_doubles(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { ANSWERED, 2, 0, GOOD, 4, 0, 0 },
	     { ANSWERED, 3, 0, GOOD, 8, 0, 0 }, { ANSWERED, 4, 0, GOOD, 16, 0, 0 },
	     { ANSWERED, 5, 0, GOOD, 16, 0, 0 });
}

static void one_that_cannot_be_reached_is_down(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { UNREACHED, 2, 10, DOWN, 1, 1010, 0 },
	     { UNREACHED, 3, 1010, DOWN, 1, 3010, 0 }, { UNREACHED, 3, 3010, DOWN, 1, 7010, 0 },
	     { UNREACHED, 3, 7010, DOWN, 1, 15010, 0 }, { UNREACHED, 3, 15010, DOWN, 1, 31010, 0 },
	     { UNREACHED, 3, 31010, DOWN, 1, 63010, 0 },
	     { UNREACHED, 3, 63010, DOWN, 1, 123010, 0 },
	     { UNREACHED, 3, 123010, DOWN, 1, 183010, 0 },
	     { PROBE, 0, 123010, DOWN, 1, 183010, 190000 },
	     { PROBE, 0, 123010, DOWN, 1, 125010, 125010 },
	     { ANSWERED, 4, 183010, GOOD, 2, 0, 0 }, { PROBE, 0, 0, GOOD, 2, 0, 0 },
	     { UNREACHED, 5, 200000, DOWN, 1, 201000, 0 });
}

/* Counted from its start, but with a second in between. */
static void a_probe_may_take_long(void **state)
{
	(void)state;
	TELL({ BEGIN, 1, 0, 0, 0, 0, 0 }, { UNREACHED, 1, 5000, DOWN, 1, 6000, 0 },
	     { BEGIN, 1, 6000, 0, 0, 0, 0 }, { UNREACHED, 1, 11000, DOWN, 1, 12000, 0 },
	     { BEGIN, 1, 12000, 0, 0, 0, 0 }, { UNREACHED, 1, 17000, DOWN, 1, 18000, 0 },
	     { BEGIN, 1, 18000, 0, 0, 0, 0 }, { UNREACHED, 1, 23000, DOWN, 1, 26000, 0 });
}

static void what_began_before_is_no_news(void **state)
{
	(void)state;
	TELL({ BEGIN, 1, 0, 0, 0, 0, 0 }, { BEGIN, 2, 0, 0, 0, 0, 0 }, { BEGIN, 3, 0, 0, 0, 0, 0 },
	     { BEGIN, 4, 0, 0, 0, 0, 0 }, { BEGIN, 5, 0, 0, 0, 0, 0 },
	     { UNREACHED, 1, 10, DOWN, 1, 1010, 0 }, { UNREACHED, 2, 20, DOWN, 1, 1010, 0 },
	     { SILENT, 3, 30, DOWN, 1, 1010, 0 },
	     /* but that it answers is */
	     { ANSWERED, 4, 40, GOOD, 2, 0, 0 }, { UNREACHED, 5, 50, GOOD, 2, 0, 0 });
}

static void eight_silent_ones_are_enough(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { ANSWERED, 1, 0, GOOD, 4, 0, 0 },
	     { ANSWERED, 1, 0, GOOD, 8, 0, 0 }, { SILENT, 2, 10, SUSPECT, 4, 1010, 0 },
	     /* the same one again is no other one */
	     { SILENT, 2, 20, SUSPECT, 2, 2020, 0 }, { SILENT, 3, 30, SUSPECT, 1, 4030, 0 },
	     { BROKEN, 4, 40, SUSPECT, 1, 4040, 0 }, { BROKEN, 5, 40, SUSPECT, 1, 4040, 0 },
	     { BROKEN, 6, 40, SUSPECT, 1, 4040, 0 }, { BROKEN, 7, 40, SUSPECT, 1, 4040, 0 },
	     { BROKEN, 8, 40, SUSPECT, 1, 4040, 0 }, { BROKEN, 9, 40, DOWN, 1, 4040, 0 },
	     /* from then on it is asked less and less often, until one is answered */
	     { SILENT, 10, 4040, DOWN, 1, 12040, 0 }, { BROKEN, 11, 12040, DOWN, 1, 28040, 0 },
	     { ANSWERED, 7, 28040, GOOD, 2, 0, 0 }, { SILENT, 8, 28050, SUSPECT, 1, 29050, 0 });
}

static void answers(struct ocu_health *h, unsigned n)
{
	const struct ocu_ask a = { .spell = h->spell, .start_ms = T };

	while (n--)
		ocu_health_answered(h, &a, MOST, T);
}

/* Lets <n> different ones fail, and returns whether it is down by that. */
static bool down_by(struct ocu_health *h, unsigned n)
{
	struct ocu_ask a = { .start_ms = T };

	for (a.who = 1; a.who <= n; a.who++) {
		assert_int_not_equal(h->trust, DOWN);
		a.spell = h->spell;
		ocu_health_failed(h, &a, false, T, 0);
	}
	return h->trust == DOWN;
}

/* How many are enough is learnt: more where some are to blame themselves, fewer where none are. */
static void how_many_are_enough(void **state)
{
	static const struct {
		unsigned fail, answers, enough;
	} rows[] = {
		{ 0, 0, 8 }, { 0, 1, 8 }, { 1, 1, 9 }, { 5, 1, 13 }, { 7, 1, 15 }, { 2, 64, 10 },
		{ 2, 65, 9 }, { 2, 128, 9 }, { 2, 129, 8 }, { 2, 1000, 3 }, { 0, 319, 4 },
		{ 0, 320, 3 }, { 0, 5000, 3 },
	};
	struct ocu_health h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ocu_health_init(&h);
		assert_false(down_by(&h, rows[i].fail));
		answers(&h, rows[i].answers);
		if (!down_by(&h, rows[i].enough))
			fail_msg("row %zu: more than %u", i, rows[i].enough);
	}
	/* half of it when they were; but if it is back by the next one, that may have been wrong */
	answers(&h, 1);
	assert_true(down_by(&h, 3 + 3));
	answers(&h, 1);
	assert_true(down_by(&h, 3 + 6));
	answers(&h, 1);
	assert_true(down_by(&h, 4 + 9));
	answers(&h, 1);
	assert_true(down_by(&h, 16));
}

static void many_that_fail_together_are_one(void **state)
{
	(void)state;
	TELL({ BEGIN, 1, 0, 0, 0, 0, 0 }, { BEGIN, 2, 0, 0, 0, 0, 0 }, { BEGIN, 3, 0, 0, 0, 0, 0 },
	     { BEGIN, 4, 0, 0, 0, 0, 0 }, { BEGIN, 5, 0, 0, 0, 0, 0 }, { BEGIN, 6, 0, 0, 0, 0, 0 },
	     { BEGIN, 7, 0, 0, 0, 0, 0 }, { BEGIN, 8, 0, 0, 0, 0, 0 }, { BEGIN, 9, 0, 0, 0, 0, 0 },
	     { SILENT, 1, 2000, SUSPECT, 1, 3000, 0 }, { SILENT, 2, 2000, SUSPECT, 1, 3000, 0 },
	     { SILENT, 3, 2000, SUSPECT, 1, 3000, 0 }, { SILENT, 4, 2000, SUSPECT, 1, 3000, 0 },
	     { SILENT, 5, 2000, SUSPECT, 1, 3000, 0 }, { SILENT, 6, 2000, SUSPECT, 1, 3000, 0 },
	     { SILENT, 7, 2000, SUSPECT, 1, 3000, 0 }, { SILENT, 8, 2000, DOWN, 1, 3000, 0 },
	     { SILENT, 9, 2000, DOWN, 1, 3000, 0 });
}

static void a_broken_one_keeps_its_window(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { ANSWERED, 1, 0, GOOD, 4, 0, 0 },
	     { BROKEN, 2, 10, SUSPECT, 4, 1010, 0 }, { BROKEN, 3, 10, SUSPECT, 4, 2010, 0 });
}

static void one_that_connects_again_is_believed(void **state)
{
	(void)state;
	TELL({ UNREACHED, 1, 0, DOWN, 1, 1000, 0 }, { UNREACHED, 2, 1000, DOWN, 1, 3000, 0 },
	     { SILENT, 3, 3000, SUSPECT, 1, 7000, 0 }, { SILENT, 4, 3010, SUSPECT, 1, 7010, 0 },
	     { ANSWERED, 5, 3020, GOOD, 2, 0, 0 });
}

static void a_pause_is_kept(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { ANSWERED, 1, 0, GOOD, 4, 0, 0 },
	     { ANSWERED, 1, 0, GOOD, 8, 0, 0 }, { BEGIN, 2, 0, 0, 0, 0, 0 },
	     { BEGIN, 3, 0, 0, 0, 0, 0 }, { BEGIN, 4, 0, 0, 0, 0, 0 },
	     { PAUSE, 2, 100, PAUSED, 4, 30100, 30 },
	     /* those that began before it are no news, neither good nor bad */
	     { PAUSE, 3, 200, PAUSED, 4, 30100, 90 }, { ANSWERED, 4, 300, PAUSED, 4, 30100, 0 },
	     /* what comes after it is */
	     { ANSWERED, 5, 30100, GOOD, 5, 0, 0 }, { ANSWERED, 6, 30100, GOOD, 6, 0, 0 },
	     { PAUSE, 7, 30200, PAUSED, 3, 31200, -1 }, { PAUSE, 8, 31200, PAUSED, 1, 33200, -1 },
	     { PAUSE, 8, 33200, PAUSED, 1, 37200, 0 }, { PAUSE, 8, 37200, PAUSED, 1, 45200, 3 },
	     { HURRY, 0, 37200, PAUSED, 1, 45200, 90000 },
	     { HURRY, 0, 37200, PAUSED, 1, 40000, 40000 }, { ANSWERED, 8, 40000, GOOD, 2, 0, 0 },
	     { HURRY, 0, 0, GOOD, 2, 0, 0 }, { PAUSE, 8, 50000, PAUSED, 1, 3650000, INT64_MAX });
}

/* The first that is refused without a word on how long may be the reason itself: two others may ask
 * before the end of the pause, and make it one only by the third refusal.
 */
static void a_pause_may_be_none(void **state)
{
	(void)state;
	TELL({ ANSWERED, 1, 0, GOOD, 2, 0, 0 }, { ANSWERED, 1, 0, GOOD, 4, 0, 0 },
	     { PAUSE, 2, 100, PAUSED, 2, 1100, -1 }, { PAUSE, 3, 200, PAUSED, 2, 1200, 0 },
	     { ANSWERED, 4, 300, GOOD, 3, 0, 0 },
	     /* not a second time, before its window is at its widest again */
	     { PAUSE, 5, 400, PAUSED, 1, 1400, -1 }, { PAUSE, 6, 1400, PAUSED, 1, 3400, -1 });
	TELL({ PAUSE, 2, 0, PAUSED, 1, 1000, -1 }, { PAUSE, 3, 10, PAUSED, 1, 1010, -1 },
	     { PAUSE, 4, 20, PAUSED, 1, 1020, -1 }, { PAUSE, 5, 1020, PAUSED, 1, 3020, -1 });
	/* what it says for itself is no matter of doubt */
	TELL({ PAUSE, 2, 0, PAUSED, 1, 1000, -1 }, { PAUSE, 3, 10, PAUSED, 1, 5010, 5 },
	     { PAUSE, 4, 5010, PAUSED, 1, 7010, -1 });
}

/* How many others may ask before the end of a pause. */
static void doubts_are_counted(void **state)
{
	struct ocu_ask a = { .who = 1, .start_ms = T };
	struct ocu_health h;

	(void)state;
	ocu_health_init(&h);
	ocu_health_paused(&h, &a, -1, false, T, 0);
	assert_int_equal(h.doubts, 2);
	a.spell = h.spell;
	ocu_health_paused(&h, &a, -1, false, T, 0);
	assert_int_equal(h.doubts, 1);
	assert_int_equal(h.pauses, 1);
	a.spell = h.spell;
	ocu_health_answered(&h, &a, MOST, T);
	assert_int_equal(h.doubts, 0);
	ocu_health_paused(&h, &a, -1, false, T, 0);
	assert_int_equal(h.doubts, 0);
	ocu_health_init(&h);
	a.spell = h.spell;
	ocu_health_paused(&h, &a, 1, false, T, 0);
	assert_int_equal(h.doubts, 0);
}

/* One that is asked before its end, by order, and says nothing new, means what it has said. */
static void a_pause_is_not_shortened(void **state)
{
	(void)state;
	TELL({ PAUSE, 2, 0, PAUSED, 1, 60000, 60 }, { PAUSE, 3, 100, PAUSED, 1, 60000, -1 },
	     { PAUSE, 4, 200, PAUSED, 1, 30200, 30 }, { PAUSE, 5, 30200, PAUSED, 1, 38200, -1 });
}

static void a_pause_may_turn_into_worse(void **state)
{
	(void)state;
	TELL({ BEGIN, 1, 0, 0, 0, 0, 0 }, { BEGIN, 2, 0, 0, 0, 0, 0 },
	     { PAUSE, 3, 0, PAUSED, 1, 1000, INT64_MIN }, { UNREACHED, 1, 10, PAUSED, 1, 1000, 0 },
	     { SILENT, 2, 20, PAUSED, 1, 1000, 0 }, { SILENT, 4, 1000, SUSPECT, 1, 2000, 0 },
	     { PAUSE, 5, 1100, PAUSED, 1, 3100, -1 }, { BEGIN, 7, 3000, 0, 0, 0, 0 },
	     { UNREACHED, 6, 3100, DOWN, 1, 4100, 0 },
	     /* asked before it went down, but it lives */
	     { PAUSE, 7, 3200, PAUSED, 1, 7200, -1 });
}

static void a_stranger_that_hangs_is_suspect(void **state)
{
	(void)state;
	TELL({ HANG, 1, 250, SUSPECT, 1, 1250, 0 }, { HANG, 1, 500, SUSPECT, 1, 1250, 0 },
	     { ANSWERED, 2, 600, GOOD, 2, 0, 0 }, { HANG, 1, 800, GOOD, 2, 0, 0 },
	     { UNREACHED, 1, 900, DOWN, 1, 1900, 0 }, { HANG, 1, 950, DOWN, 1, 1900, 0 });
}

/* Lets <h> answer after <ms>. Returns the time by then. */
static int64_t answer_after(struct ocu_health *h, int64_t now, int64_t ms)
{
	struct ocu_ask a = { .who = 1, .spell = h->spell, .start_ms = now };

	ocu_health_answered(h, &a, MOST, now + ms);
	return now + ms;
}

/* What hangs is what takes far longer than answers do: the slowest of late. */
static void how_long_is_long(void **state)
{
	static const struct {
		int64_t answer_ms, hangs_ms;
	} rows[] = {
		{ 1, 100 }, { 24, 100 }, { 26, 104 }, { 20, 100 }, { 60, 240 }, { 5000, 250 },
		{ 60, 250 },
	};
	struct ocu_health h;
	int64_t now = T;
	size_t i;

	(void)state;
	ocu_health_init(&h);
	assert_int_equal(ocu_health_hangs_ms(&h), 250);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		now = answer_after(&h, now, rows[i].answer_ms);
		if (ocu_health_hangs_ms(&h) != rows[i].hangs_ms)
			fail_msg("row %zu: %lld ms", i, (long long)ocu_health_hangs_ms(&h));
	}
	for (i = 0; i < 40; i++)
		now = answer_after(&h, now, 10);
	assert_int_equal(ocu_health_hangs_ms(&h), 100);
}

/* Who hangs makes room for others where answers are known to be faster, and not for ever. */
static void who_hangs_makes_room(void **state)
{
	struct ocu_ask a = { .who = 7, .start_ms = T };
	struct ocu_health h;
	unsigned i;

	(void)state;
	ocu_health_init(&h);
	assert_false(ocu_health_yields(&h, &a, false, T + 9000));
	(void)answer_after(&h, T - 800, 800);
	assert_false(ocu_health_yields(&h, &a, false, T + 3199));
	for (i = 0; i < OCU_HEALTH_STRIKES_MAX; i++)
		assert_true(ocu_health_yields(&h, &a, false, T + 3200));
	assert_false(ocu_health_yields(&h, &a, false, T + 9000));
	(void)answer_after(&h, T, 20);
	assert_true(ocu_health_yields(&h, &a, false, T + 9000));
	/* it has become slow for all */
	(void)answer_after(&h, T, 2300);
	assert_false(ocu_health_yields(&h, &a, false, T + 9000));
	/* one that has made room before has more time in any case */
	ocu_health_init(&h);
	(void)answer_after(&h, T - 20, 20);
	assert_false(ocu_health_yields(&h, &a, true, T + 2499));
	assert_true(ocu_health_yields(&h, &a, true, T + 2500));
	ocu_health_unreached(&h, &a, T + 2600, 0);
	assert_false(ocu_health_yields(&h, &a, false, T + 9000));
}

/* The random share only adds, and never more than two seconds. */
static void chance_adds_a_little(void **state)
{
	struct ocu_ask a = { .who = 1 };
	struct ocu_health h;
	int64_t now = T;
	int i;

	(void)state;
	ocu_health_init(&h);
	for (i = 0; i < 100; i++) {
		a.spell = h.spell;
		a.start_ms = now;
		ocu_health_unreached(&h, &a, now, UINT32_MAX);
		assert_true(h.again_ms - now <= 62000);
		now = h.again_ms;
	}
	a.spell = h.spell;
	a.start_ms = now;
	ocu_health_unreached(&h, &a, now, UINT32_MAX);
	assert_true(h.again_ms - now > 61900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_doubles),
		cmocka_unit_test(one_that_cannot_be_reached_is_down),
		cmocka_unit_test(a_probe_may_take_long),
		cmocka_unit_test(what_began_before_is_no_news),
		cmocka_unit_test(eight_silent_ones_are_enough),
		cmocka_unit_test(how_many_are_enough),
		cmocka_unit_test(many_that_fail_together_are_one),
		cmocka_unit_test(a_broken_one_keeps_its_window),
		cmocka_unit_test(one_that_connects_again_is_believed),
		cmocka_unit_test(a_pause_is_kept),
		cmocka_unit_test(a_pause_may_be_none),
		cmocka_unit_test(doubts_are_counted),
		cmocka_unit_test(a_pause_is_not_shortened),
		cmocka_unit_test(a_pause_may_turn_into_worse),
		cmocka_unit_test(a_stranger_that_hangs_is_suspect),
		cmocka_unit_test(how_long_is_long),
		cmocka_unit_test(who_hangs_makes_room),
		cmocka_unit_test(chance_adds_a_little),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
