/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_held.c - when a response may be stapled, and which of two is kept, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ocu/held.h"

#define NOW INT64_C(1800000000)
#define YEAR_2038 INT64_C(2147483648)
#define YEAR_9999 INT64_C(253402300799)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A response whose bytes are <text>, valid from <from> to <to> seconds after now. */
static struct ocu_held made(int64_t from, int64_t to, const char *text)
{
	struct ocu_ocsp o = { .this_update = NOW + from, .next_update = NOW + to,
			      .expiry = NOW + to - 300 };
	struct ocu_held h;

	ocu_held_init(&h, &o, (const uint8_t *)text, strlen(text));
	return h;
}

static void it_is_filled_in(void **state)
{
	/* the first half of SHA-256("abc"), FIPS 180-4 */
	static const uint8_t sum[OCU_HELD_SUM_BYTES] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
		0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
	};
	struct ocu_ocsp o = { .this_update = NOW, .next_update = NOW + 1000, .revoked = true,
			      .revoked_at = NOW - 5, .expiry = NOW + 650 };
	struct ocu_held h;

	(void)state;
	memset(&h, 0xff, sizeof(h));
	ocu_held_init(&h, &o, (const uint8_t *)"abc", 3);
	assert_true(h.this_update == NOW);
	assert_true(h.next_update == NOW + 1000);
	assert_true(h.expiry == NOW + 650);
	assert_true(h.revoked);
	assert_memory_equal(h.sum, sum, sizeof(sum));
	o.revoked = false;
	ocu_held_init(&h, &o, (const uint8_t *)"", 0);
	assert_false(h.revoked);
}

static void usable(void **state)
{
	static const struct {
		const char *what;
		int64_t this_update, expiry, now;
		bool want;
	} rows[] = {
		{ "fresh", NOW, NOW + 1000, NOW, true },
		{ "one second left", NOW - 1000, NOW + 1, NOW, true },
		{ "ends now", NOW - 1000, NOW, NOW, false },
		{ "ended", NOW - 1000, NOW - 1, NOW, false },
		{ "the clock was set back", NOW + 86400, NOW + 90000, NOW, true },
		{ "2038", YEAR_2038 - 9, YEAR_2038 + 9, YEAR_2038, true },
		{ "9999", NOW, YEAR_9999, YEAR_9999 - 1, true },
		{ "9999 ended", NOW, YEAR_9999, YEAR_9999, false },
		{ "end of time", NOW, INT64_MAX, INT64_MAX, false },
		{ "beginning of time", NOW, NOW + 1000, INT64_MIN, true },
	};
	static const struct ocu_held none;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct ocu_held h = { .this_update = rows[i].this_update,
				      .next_update = rows[i].expiry,
				      .expiry = rows[i].expiry };

		if (ocu_held_usable(&h, rows[i].now) != rows[i].want)
			fail_msg("%s", rows[i].what);
	}
	assert_false(ocu_held_usable(&none, NOW));
	assert_false(ocu_held_usable(&none, -1));
	assert_false(ocu_held_usable(&none, INT64_MIN));
}

static void which_one_is_kept(void **state)
{
	static const struct {
		const char *what;
		int64_t from, to;
		const char *text;
		int64_t fresh_from, fresh_to;
		const char *fresh_text;
		enum ocu_age want;
	} rows[] = {
		{ "newer", -1000, 1000, "a", -10, 2000, "b", OCU_AGE_NEW },
		{ "the same", -1000, 1000, "a", -1000, 1000, "a", OCU_AGE_SAME },
		{ "older", -1000, 1000, "a", -1001, 2000, "b", OCU_AGE_OLDER },
		{ "older, ends later", -1000, 301, "a", -1001, 90000, "b", OCU_AGE_OLDER },
		{ "older, held has ended", -1000, 300, "a", -1001, 2000, "b", OCU_AGE_NEW },
		{ "same thisUpdate, signed anew", -1000, 1000, "a", -1000, 1000, "b",
		  OCU_AGE_NEW },
		{ "newer, ends sooner", -1000, 9000, "a", -999, 1000, "b", OCU_AGE_NEW },
		{ "the same, ended", -1000, 0, "a", -1000, 0, "a", OCU_AGE_SAME },
	};
	static const struct ocu_held none;
	struct ocu_held fresh = made(-50, 1000, "x");
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct ocu_held h = made(rows[i].from, rows[i].to, rows[i].text);
		struct ocu_held f = made(rows[i].fresh_from, rows[i].fresh_to,
					 rows[i].fresh_text);

		if (ocu_held_compare(&h, &f, NOW) != rows[i].want)
			fail_msg("%s", rows[i].what);
	}
	assert_int_equal(ocu_held_compare(&none, &fresh, NOW), OCU_AGE_NEW);
	memset(fresh.sum, 0, sizeof(fresh.sum));
	assert_int_equal(ocu_held_compare(&none, &fresh, NOW), OCU_AGE_NEW);
}

static void ends_soon(void **state)
{
	static const struct {
		const char *what;
		int64_t this_update, expiry;
		bool want;
	} rows[] = {
		{ "fresh", NOW, NOW + 4000, false },
		{ "a quarter", NOW - 3000, NOW + 1000, false },
		{ "a second less", NOW - 3001, NOW + 999, true },
		{ "one second", NOW - 3000, NOW + 1, true },
		{ "a life of extremes", INT64_MIN, NOW + 1, true },
		{ "no end", INT64_MIN, INT64_MAX, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct ocu_held h = { .this_update = rows[i].this_update,
				      .next_update = rows[i].expiry,
				      .expiry = rows[i].expiry };

		if (ocu_held_ends_soon(&h, NOW) != rows[i].want)
			fail_msg("%s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_filled_in),
		cmocka_unit_test(usable),
		cmocka_unit_test(which_one_is_kept),
		cmocka_unit_test(ends_soon),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
