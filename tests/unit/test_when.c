/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_when.c - the delays after a success and after a failure, as tables and over all extremes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/when.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
#define YEAR_2038 INT64_C(2147483648)
#define YEAR_2050 INT64_C(2524608000)
#define YEAR_9999 INT64_C(253402300799)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct ocu_when defaults = { .mindelay_s = 300, .maxdelay_s = 3600 };
static const struct ocu_when crossed = { .mindelay_s = 900, .maxdelay_s = 600 };
static const struct ocu_when zero = { .mindelay_s = 0, .maxdelay_s = 0 };
static const struct ocu_when negative = { .mindelay_s = -5, .maxdelay_s = -5 };
static const struct ocu_when brief = { .mindelay_s = 5, .maxdelay_s = 10 };
static const struct ocu_when endless = { .mindelay_s = 1, .maxdelay_s = INT64_MAX };
static const struct ocu_when wide = { .mindelay_s = 300, .maxdelay_s = 7 * DAY };

static void refresh(void **state)
{
	static const struct {
		const char *what;
		const struct ocu_when *w;
		int64_t now, this_update, expiry;
		uint32_t rnd;
		int64_t want_ms;
	} rows[] = {
		{ "maxdelay", &defaults, NOW, NOW, NOW + 7 * DAY, 0, 3600000 },
		{ "maxdelay, earliest", &defaults, NOW, NOW, NOW + 7 * DAY, UINT32_MAX, 3240001 },
		{ "maxdelay, 5 %", &defaults, NOW, NOW, NOW + 7 * DAY, 1u << 31, 3420000 },
		{ "half of life", &wide, NOW, NOW, NOW + 4 * DAY, 0, 2 * DAY * 1000 },
		{ "half of life, a day in", &wide, NOW, NOW - DAY, NOW + 3 * DAY, 0, DAY * 1000 },
		{ "half of life is over", &wide, NOW, NOW - 3 * DAY, NOW + DAY, 0, 300000 },
		{ "margin", &wide, NOW, NOW + 400, NOW + 500, 0, 440000 },
		{ "mindelay", &defaults, NOW, NOW, NOW + 400, 0, 300000 },
		{ "never below mindelay", &defaults, NOW, NOW, NOW + 610, UINT32_MAX, 300000 },
		{ "expired", &defaults, NOW, NOW - 10, NOW - 5, 77, 300000 },
		{ "expired long ago", &defaults, NOW, 0, 1, UINT32_MAX, 300000 },
		{ "2038", &wide, YEAR_2038 - DAY, YEAR_2038 - DAY, YEAR_2038 + DAY, 0, DAY * 1000 },
		{ "2050", &wide, YEAR_2050 - DAY, YEAR_2050 - DAY, YEAR_2050 + DAY, 0, DAY * 1000 },
		{ "9999", &wide, NOW, NOW, YEAR_9999, 0, 7 * DAY * 1000 },
		{ "mindelay over maxdelay", &crossed, NOW, NOW, NOW + DAY, UINT32_MAX, 900000 },
		{ "zero delays", &zero, NOW, NOW, NOW + DAY, 0, 1000 },
		{ "negative delays", &negative, NOW, NOW, NOW + DAY, 9, 1000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		int64_t got = ocu_when_refresh(rows[i].w, rows[i].now, rows[i].this_update,
					       rows[i].expiry, rows[i].rnd);

		if (got != rows[i].want_ms)
			fail_msg("%s: %lld ms", rows[i].what, (long long)got);
	}
}

static void retry(void **state)
{
	static const struct {
		const char *what;
		const struct ocu_when *w;
		unsigned failures;
		int64_t expiry;
		uint32_t rnd;
		int64_t want_ms;
	} rows[] = {
		{ "first, shortest", &defaults, 1, 0, 0, 30000 },
		{ "first, middle", &defaults, 1, 0, 1u << 31, 60000 },
		{ "first, longest", &defaults, 1, 0, UINT32_MAX, 89999 },
		{ "no failure is like the first", &defaults, 0, 0, 1u << 31, 60000 },
		{ "second", &defaults, 2, 0, 1u << 31, 120000 },
		{ "sixth", &defaults, 6, 0, 1u << 31, 1920000 },
		{ "seventh is at maxdelay", &defaults, 7, 0, 1u << 31, 3600000 },
		{ "thirty-first", &defaults, 31, 0, 1u << 31, 3600000 },
		{ "hundredth, longest", &defaults, 100, 0, UINT32_MAX, 5399999 },
		{ "2^31", &defaults, 1u << 31, 0, 0, 1800000 },
		{ "2^32 - 1", &defaults, UINT32_MAX, 0, 0, 1800000 },
		{ "quarter of what is left", &defaults, 9, NOW + 4000, 1u << 31, 1000000 },
		{ "quarter is under a minute", &defaults, 9, NOW + 100, 1u << 31, 60000 },
		{ "a second is left", &defaults, 9, NOW + 1, 0, 60000 },
		{ "sooner than the quarter", &defaults, 1, NOW + 40000, 0, 30000 },
		{ "held for long", &defaults, 9, NOW + 7 * DAY, 1u << 31, 3600000 },
		{ "held until 9999", &defaults, 9, YEAR_9999, 1u << 31, 3600000 },
		{ "just expired", &defaults, 9, NOW, 1u << 31, 3600000 },
		{ "expired", &defaults, 9, NOW - DAY, 1u << 31, 3600000 },
		{ "maxdelay under 60 s", &brief, 1, 0, 1u << 31, 10000 },
		{ "maxdelay 0", &zero, 5, 0, 0, 500 },
		{ "maxdelay of a million years", &endless, 200, 0, 0,
		  (INT64_C(1) << 40) * 500 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		int64_t got = ocu_when_retry(rows[i].w, NOW, rows[i].failures, rows[i].expiry,
					     rows[i].rnd);

		if (got != rows[i].want_ms)
			fail_msg("%s: %lld ms", rows[i].what, (long long)got);
	}
}

/* Every combination of extremes: no overflow (which the sanitizer sees), no delay out of bounds. */
static void extremes(void **state)
{
	static const int64_t times[] = {
		INT64_MIN, INT64_MIN + 1, -1, 0, 1, NOW, INT32_MAX, YEAR_2038, YEAR_9999,
		INT64_C(1) << 40, INT64_C(1) << 62, INT64_MAX - 1, INT64_MAX,
	};
	static const uint32_t rnds[] = { 0, 1, 1u << 31, UINT32_MAX };
	static const unsigned failures[] = { 0, 1, 2, 31, 32, 63, 64, 65, 1u << 31, UINT32_MAX };
	size_t n = COUNT(times), i, a, b, c, r;
	int64_t ms;

	(void)state;
	for (i = 0; i < n * n * n * n * n; i++) {
		struct ocu_when w = { times[i % n], times[i / n % n] };

		a = i / (n * n) % n;
		b = i / (n * n * n) % n;
		c = i / (n * n * n * n);
		r = i % COUNT(rnds);
		ms = ocu_when_refresh(&w, times[a], times[b], times[c], rnds[r]);
		assert_true(ms >= 1000);
		if (w.mindelay_s >= 0 && w.mindelay_s <= INT64_C(1) << 40)
			assert_true(ms >= w.mindelay_s * 1000);
		ms = ocu_when_retry(&w, times[a], failures[i % COUNT(failures)], times[b], rnds[r]);
		assert_true(ms >= 500);
		assert_true(ms <= (INT64_C(1) << 40) * 1500);
	}
}

/* The share is spread over all of its range, which is what keeps a fleet apart. */
static void the_random_share_is_even(void **state)
{
	int64_t ms, sum = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		ms = ocu_when_refresh(&defaults, NOW, NOW, NOW + 7 * DAY, i * (UINT32_MAX / 1000));
		assert_true(ms > 3240000 && ms <= 3600000);
		sum += ms;
	}
	assert_in_range(sum / 1000, 3419000, 3421000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refresh),
		cmocka_unit_test(retry),
		cmocka_unit_test(extremes),
		cmocka_unit_test(the_random_share_is_even),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
