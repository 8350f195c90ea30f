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
static const struct ocu_when automatic = { .mindelay_s = 300, .maxdelay_s = OCU_WHEN_AUTO };
static const struct ocu_when crossed = { .mindelay_s = 900, .maxdelay_s = 600 };
static const struct ocu_when zero = { .mindelay_s = 0, .maxdelay_s = OCU_WHEN_AUTO };
static const struct ocu_when negative = { .mindelay_s = -5, .maxdelay_s = -5 };
static const struct ocu_when brief = { .mindelay_s = 5, .maxdelay_s = 10 };
static const struct ocu_when endless = { .mindelay_s = 1, .maxdelay_s = INT64_MAX };
static const struct ocu_when hurried = { .mindelay_s = 300, .maxdelay_s = 3600, .hurry = true };
static const struct ocu_when wide = { .mindelay_s = 300, .maxdelay_s = 7 * DAY };

/* The two ends of the span in which the refresh lies. */
static void refresh(void **state)
{
	static const struct {
		const char *what;
		const struct ocu_when *w;
		int64_t now, this_update, expiry, max_age_s;
		int64_t want_first_ms, want_last_ms;
	} rows[] = {
		{ "maxdelay", &defaults, NOW, NOW, NOW + 7 * DAY, -1, 2880000, 3600000 },
		{ "the tenth after the middle", &wide, NOW, NOW, NOW + 4 * DAY, -1, 172800000,
		  207360000 },
		{ "likewise, a day in", &wide, NOW, NOW - DAY, NOW + 3 * DAY, -1, 86400000,
		  120960000 },
		{ "auto: two a week", &automatic, NOW, NOW, NOW + 7 * DAY, -1, 302400000,
		  362880000 },
		{ "middle is now: a quarter of what is left", &automatic, NOW, NOW - DAY, NOW + DAY,
		  -1, 17280000, DAY * 250 },
		{ "past the middle, at most maxdelay", &defaults, NOW, NOW - 3 * DAY, NOW + DAY, -1,
		  2880000, 3600000 },
		{ "past the middle, a quarter", &defaults, NOW, NOW - 9000, NOW + 4000, -1, 800000,
		  1000000 },
		{ "past the middle, mindelay", &defaults, NOW, NOW - 9000, NOW + 800, -1, 300000,
		  375000 },
		{ "just before the middle, mindelay", &defaults, NOW, NOW - 4999, NOW + 5001, -1,
		  300000, 1001000 },
		{ "signed after half a life: nobody comes before", &automatic, NOW, NOW - 50000,
		  NOW + 50100, -1, 300000, 10060000 },
		{ "a response of ten minutes", &defaults, NOW, NOW, NOW + 300, -1, 180000, 225000 },
		{ "which goes on", &defaults, NOW, NOW - 225, NOW + 75, -1, 45000, 56250 },
		{ "four seconds left", &defaults, NOW, NOW - 800, NOW + 4, -1, 2400, 3000 },
		{ "one second left", &defaults, NOW, NOW - 800, NOW + 1, -1, 1000, 1000 },
		{ "max-age moves it later", &automatic, NOW, NOW, NOW + 4 * DAY, 190080, 190080000,
		  237600000 },
		{ "max-age, never earlier", &automatic, NOW, NOW, NOW + 4 * DAY, 60, 172800000,
		  207360000 },
		{ "max-age of nothing", &automatic, NOW, NOW, NOW + 4 * DAY, 0, 172800000,
		  207360000 },
		{ "max-age, up to three quarters", &automatic, NOW, NOW, NOW + 4 * DAY, 5 * DAY,
		  207360000, 3 * DAY * 1000 },
		{ "max-age past the middle", &automatic, NOW, NOW - 3 * DAY, NOW + DAY, DAY / 2,
		  43200000, 54000000 },
		{ "max-age, not past maxdelay", &defaults, NOW, NOW, NOW + 7 * DAY, DAY, 2880000,
		  3600000 },
		{ "ended", &defaults, NOW, NOW - 10, NOW - 5, -1, 300000, 375000 },
		{ "ended long ago", &defaults, NOW, 0, 1, -1, 300000, 375000 },
		{ "2038", &automatic, YEAR_2038 - DAY, YEAR_2038 - DAY, YEAR_2038 + DAY, -1,
		  86400000, 103680000 },
		{ "2050", &automatic, YEAR_2050 - DAY, YEAR_2050 - DAY, YEAR_2050 + DAY, -1,
		  86400000, 103680000 },
		{ "9999", &wide, NOW, NOW, YEAR_9999, -1, 483840000, 7 * DAY * 1000 },
		{ "mindelay over maxdelay", &crossed, NOW, NOW, NOW + DAY, -1, 900000, 1125000 },
		{ "no mindelay", &zero, NOW, NOW - 100, NOW + 100, -1, 20000, 25000 },
		{ "negative delays", &negative, NOW, NOW, NOW + DAY, -1, 1000, 1250 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		int64_t last = ocu_when_refresh(rows[i].w, rows[i].now, rows[i].this_update,
						rows[i].expiry, rows[i].max_age_s, 0);
		int64_t first = ocu_when_refresh(rows[i].w, rows[i].now, rows[i].this_update,
						 rows[i].expiry, rows[i].max_age_s, UINT32_MAX);

		/* the share is a little less than all of the span */
		if (last != rows[i].want_last_ms || first < rows[i].want_first_ms ||
		    first > rows[i].want_first_ms + 1)
			fail_msg("%s: %lld to %lld ms", rows[i].what, (long long)first,
				 (long long)last);
	}
}

/* Likewise, for a response that was found. */
static void found(void **state)
{
	static const struct {
		const char *what;
		const struct ocu_when *w;
		int64_t this_update, expiry, max_age_s, want_first_ms, want_last_ms;
	} rows[] = {
		{ "the tenth after the middle", &automatic, NOW - DAY, NOW + 3 * DAY, -1, 86400000,
		  120960000 },
		{ "in it: all that is found together is spread", &automatic, NOW - 50000,
		  NOW + 50000, -1, 300000, 16666666 },
		{ "past it", &automatic, NOW - 3 * DAY, NOW + DAY, -1, 300000, 28800000 },
		{ "one of those that maxdelay renews, anywhere in its delay", &defaults, NOW,
		  NOW + 7 * DAY, -1, 300000, 3240000 },
		{ "likewise past the middle", &defaults, NOW - 3 * DAY, NOW + DAY, -1, 300000,
		  3240000 },
		{ "a third of what is left", &defaults, NOW - 9000, NOW + 4000, -1, 300000,
		  1333333 },
		{ "mindelay", &defaults, NOW - 9000, NOW + 600, -1, 300000, 375000 },
		{ "four seconds left", &defaults, NOW - 800, NOW + 4, -1, 2400, 3000 },
		{ "mindelay over maxdelay", &crossed, NOW, NOW + DAY, -1, 900000, 1125000 },
		{ "no mindelay", &zero, NOW - 100, NOW + 99, -1, 1000, 33000 },
		{ "max-age, of one that was fetched", &automatic, NOW, NOW + 4 * DAY, 190080,
		  190080000, 237600000 },
		{ "max-age does not draw together what maxdelay renews", &defaults, NOW,
		  NOW + 7 * DAY, DAY, 300000, 3240000 },
		{ "ended", &defaults, NOW - 10, NOW - 5, -1, 300000, 375000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		int64_t last = ocu_when_found(rows[i].w, NOW, rows[i].this_update, rows[i].expiry,
					      rows[i].max_age_s, 0);
		int64_t first = ocu_when_found(rows[i].w, NOW, rows[i].this_update, rows[i].expiry,
					       rows[i].max_age_s, UINT32_MAX);

		if (last != rows[i].want_last_ms || first < rows[i].want_first_ms ||
		    first > rows[i].want_first_ms + 1)
			fail_msg("%s: %lld to %lld ms", rows[i].what, (long long)first,
				 (long long)last);
	}
}

/* Who reloads every quarter of an hour gets a new response long before the held one ends. */
static void reloads_put_nothing_off(void **state)
{
	static const struct ocu_when *const settings[] = { &defaults, &automatic };
	int64_t now, ms, most = 0;
	uint32_t rnd = 1;
	unsigned i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		now = NOW + 2 * DAY;
		do {
			rnd = rnd * 1664525 + 1013904223;
			ms = ocu_when_found(settings[i % 2], now, NOW, NOW + 4 * DAY, -1, rnd);
			now += ms < 900000 ? ms / 1000 : 900;
		} while (ms >= 900000);
		most = now > most ? now : most;
	}
	/* of two days, an hour is always left */
	assert_true(most < NOW + 4 * DAY - 3600);
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
		{ "nothing held, shortest", &defaults, 9, 0, 0, 100000 },
		{ "nothing held, longest: five minutes", &defaults, 9, 0, UINT32_MAX, 299999 },
		{ "sixth", &defaults, 6, NOW + 7 * DAY, 1u << 31, 1920000 },
		{ "seventh is at maxdelay", &defaults, 7, NOW + 7 * DAY, 1u << 31, 3600000 },
		{ "thirty-first", &defaults, 31, NOW + 7 * DAY, 1u << 31, 3600000 },
		{ "hundredth, longest", &defaults, 100, NOW + 7 * DAY, UINT32_MAX, 5399999 },
		{ "2^31", &defaults, 1u << 31, NOW + 7 * DAY, 0, 1800000 },
		{ "2^32 - 1", &defaults, UINT32_MAX, NOW + 7 * DAY, 0, 1800000 },
		{ "auto is an hour", &automatic, 100, NOW + 7 * DAY, 1u << 31, 3600000 },
		{ "auto, nothing held", &automatic, 100, 0, UINT32_MAX, 299999 },
		{ "a quarter of what is left, longest", &defaults, 9, NOW + 3600, UINT32_MAX,
		  899999 },
		{ "a quarter of what is left, shortest", &defaults, 9, NOW + 3600, 0, 300000 },
		{ "a quarter is under a minute", &defaults, 9, NOW + 120, UINT32_MAX, 29999 },
		{ "a second is left", &defaults, 9, NOW + 1, UINT32_MAX, 5999 },
		{ "a second is left, shortest", &defaults, 9, NOW + 1, 0, 2000 },
		{ "sooner than the quarter", &defaults, 1, NOW + 40000, 0, 30000 },
		{ "held until 9999", &defaults, 9, YEAR_9999, 1u << 31, 3600000 },
		{ "just expired", &defaults, 9, NOW, UINT32_MAX, 299999 },
		{ "expired", &defaults, 9, NOW - DAY, UINT32_MAX, 299999 },
		{ "maxdelay under 60 s", &brief, 1, 0, 1u << 31, 10000 },
		{ "negative maxdelay", &negative, 5, 0, 0, 500 },
		{ "in a hurry, shortest", &hurried, 1, 0, 0, 500 },
		{ "in a hurry", &hurried, 1, 0, 1u << 31, 1000 },
		{ "in a hurry, second", &hurried, 2, 0, 1u << 31, 2000 },
		{ "in a hurry, third", &hurried, 3, 0, 1u << 31, 4000 },
		{ "in a hurry, fourth", &hurried, 4, 0, 1u << 31, 4000 },
		{ "in a hurry, longest", &hurried, UINT32_MAX, 0, UINT32_MAX, 5999 },
		{ "maxdelay of a million years", &endless, 200, INT64_MAX, 0,
		  ((INT64_C(1) << 40) - NOW) / 4 * 1000 / 3 },
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
		struct ocu_when w = { times[i % n], times[i / n % n], i % 2 };

		a = i / (n * n) % n;
		b = i / (n * n * n) % n;
		c = i / (n * n * n * n);
		r = i % COUNT(rnds);
		ms = ocu_when_refresh(&w, times[a], times[b], times[c], times[(a + c) % n],
				      rnds[r]);
		assert_true(ms >= 1000);
		assert_true(ms <= (INT64_C(1) << 40) * 2000);
		ms = ocu_when_found(&w, times[a], times[b], times[c], times[(a + c) % n],
				    rnds[r]);
		assert_true(ms >= 1000);
		assert_true(ms <= (INT64_C(1) << 40) * 2000);
		ms = ocu_when_retry(&w, times[a], failures[i % COUNT(failures)], times[b], rnds[r]);
		assert_true(ms >= 500);
		assert_true(ms <= (INT64_C(1) << 40) * 1500);
	}
}

/* Whatever the responder and the settings say, a quarter of what is left remains. */
static void no_refresh_is_too_late(void **state)
{
	static const struct ocu_when *const settings[] = { &defaults, &automatic, &crossed, &wide };
	int64_t left, ms;
	unsigned i;

	(void)state;
	for (left = 2; left < 40 * DAY; left += left / 3 + 1) {
		for (i = 0; i < 4 * COUNT(settings); i++) {
			ms = ocu_when_refresh(settings[i % 4], NOW, NOW - (i / 4) * 2000,
					      NOW + left, i % 3 * 100000, 0);
			assert_true(ms <= left * 750);
			ms = ocu_when_found(settings[i % 4], NOW, NOW - (i / 4) * 2000, NOW + left,
					    i % 3 * 100000, 0);
			assert_true(ms <= left * 750);
		}
	}
}

/* The share is spread over all of its range, which is what keeps a fleet apart. */
static void the_random_share_is_even(void **state)
{
	int64_t ms, sum = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		ms = ocu_when_refresh(&defaults, NOW, NOW, NOW + 7 * DAY, -1,
				      i * (UINT32_MAX / 1000));
		assert_true(ms > 2880000 && ms <= 3600000);
		sum += ms;
	}
	assert_in_range(sum / 1000, 3239000, 3241000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refresh),
		cmocka_unit_test(found),
		cmocka_unit_test(reloads_put_nothing_off),
		cmocka_unit_test(retry),
		cmocka_unit_test(extremes),
		cmocka_unit_test(no_refresh_is_too_late),
		cmocka_unit_test(the_random_share_is_even),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
