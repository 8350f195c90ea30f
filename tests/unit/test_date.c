/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_date.c - dates and seconds, against the C library and at the limits of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ocu/date.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LAST INT64_C(253402300799)

static void known(void **state)
{
	static const struct {
		struct ocu_date d;
		int64_t s;
		const char *text;
	} rows[] = {
		{ { 1970, 1, 1, 0, 0, 0 }, 0, "1970-01-01T00:00:00Z" },
		{ { 1994, 11, 6, 8, 49, 37 }, 784111777, "1994-11-06T08:49:37Z" },
		{ { 2000, 2, 29, 23, 59, 59 }, 951868799, "2000-02-29T23:59:59Z" },
		{ { 2038, 1, 19, 3, 14, 7 }, INT32_MAX, "2038-01-19T03:14:07Z" },
		{ { 2038, 1, 19, 3, 14, 8 }, INT64_C(2147483648), "2038-01-19T03:14:08Z" },
		{ { 2050, 1, 1, 0, 0, 0 }, INT64_C(2524608000), "2050-01-01T00:00:00Z" },
		{ { 2100, 3, 1, 0, 0, 0 }, INT64_C(4107542400), "2100-03-01T00:00:00Z" },
		{ { 2106, 2, 7, 6, 28, 16 }, INT64_C(4294967296), "2106-02-07T06:28:16Z" },
		{ { 9999, 12, 31, 23, 59, 59 }, LAST, "9999-12-31T23:59:59Z" },
	};
	char text[OCU_DATE_BYTES];
	int64_t s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_true(ocu_date_s(&s, &rows[i].d));
		assert_int_equal(s, rows[i].s);
		assert_string_equal(ocu_date_text(s, text), rows[i].text);
	}
	assert_string_equal(ocu_date_text(-1, text), "");
	assert_string_equal(ocu_date_text(LAST + 1, text), "");
	assert_string_equal(ocu_date_text(INT64_MAX, text), "");
}

static void impossible(void **state)
{
	static const struct ocu_date rows[] = {
		{ 1969, 12, 31, 23, 59, 59 }, { 10000, 1, 1, 0, 0, 0 }, { 2027, 0, 1, 0, 0, 0 },
		{ 2027, 13, 1, 0, 0, 0 }, { 2027, 1, 0, 0, 0, 0 }, { 2027, 1, 32, 0, 0, 0 },
		{ 2027, 2, 29, 0, 0, 0 }, { 2028, 2, 30, 0, 0, 0 }, { 2100, 2, 29, 0, 0, 0 },
		{ 2027, 4, 31, 0, 0, 0 }, { 2027, 6, 31, 0, 0, 0 }, { 2027, 9, 31, 0, 0, 0 },
		{ 2027, 11, 31, 0, 0, 0 }, { 2027, 1, 1, 24, 0, 0 }, { 2027, 1, 1, 0, 60, 0 },
		{ 2027, 1, 1, 0, 0, 60 }, { 2027, 1, 1, -1, 0, 0 }, { 2027, 1, 1, 0, -1, 0 },
		{ 2027, 1, 1, 0, 0, -1 }, { -1, 1, 1, 0, 0, 0 },
	};
	int64_t s = 4711;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (ocu_date_s(&s, &rows[i]))
			fail_msg("row %zu is a date", i);
		assert_int_equal(s, 4711);
	}
}

/* The first and the last second of every day there is, computed by the C library too. */
static void every_day(void **state)
{
	struct ocu_date d;
	struct tm tm;
	int64_t s, got, i;
	time_t t;

	(void)state;
	for (i = 0; i <= LAST / 86400 * 2 + 1; i++) {
		s = i / 2 * 86400 + (i % 2 ? 86399 : 0);
		t = (time_t)s;
		assert_non_null(gmtime_r(&t, &tm));
		d = (struct ocu_date){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
				       tm.tm_min, tm.tm_sec };
		if (!ocu_date_s(&got, &d) || got != s)
			fail_msg("%lld", (long long)s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(impossible),
		cmocka_unit_test(every_day),
	};

	return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
