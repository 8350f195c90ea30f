/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_week.c - a week of a thousand certificates keeps the rules of the schedule; `make week`
 * prints one of a hundred thousand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "week.h"

static struct week_report report;

static void run(int64_t maxdelay_s, bool troubled)
{
	const struct week_conf conf = {
		.certs = 1000,
		.when = { .mindelay_s = 300, .maxdelay_s = maxdelay_s },
		.maxconn = 64,
		.host_maxconn = 16,
		.troubled = troubled,
		.reloads = true,
		.seed = 1,
	};

	week_run(&conf, &report);
	assert_int_equal(report.all.certs, 1000);
	assert_int_equal(report.all.needlessly, 0);
}

/* What responders have, and the least number of requests, counted by hand. */
static void the_world_is_as_said(void **state)
{
	static const struct {
		unsigned responder;
		int64_t maxdelay_s;
		unsigned want;
	} rows[] = {
		{ 17, 0, 84 },            /* signed when asked: every two hours */
		{ 17, WEEK_HOUR, 168 },
		{ 5, 0, 85 },             /* signed before the start: one more */
		{ 15, 0, 15 },            /* a day, renewed after half of it */
		{ 6, 0, 3 },              /* seven days, a new one each day */
	};
	const struct week_responder *r = &week_responders[2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(week_least(&week_responders[rows[i].responder], 7, false,
					    rows[i].maxdelay_s), rows[i].want);
	assert_false(week_is_down(r, r->outage.from_s - 1));
	assert_true(week_is_down(r, r->outage.from_s));
	assert_int_equal(week_up_s(r, r->outage.from_s - WEEK_HOUR,
				   r->outage.from_s + r->outage.len_s + WEEK_HOUR),
			 2 * WEEK_HOUR);
	for (i = 0; i < 50; i++) {
		int64_t t = (int64_t)i * 12345, at = week_signed(r, i, t);

		assert_true(at <= t && at > t - r->sign_s);
		assert_int_equal(week_signed(r, i, at - 1), at - r->sign_s);
	}
}

/* With outages and limits; the probes of a responder that is down are few, but not for so few
 * certificates.
 */
static void requests_are_few(void **state)
{
	(void)state;
	run(OCU_WHEN_AUTO, true);
	assert_true(report.all.requests - report.all.failures <= report.all.least * 11 / 10);
	/* half of what is held is in the first third of its life, nothing near its end */
	assert_true(week_age(&report.all, 500) < 350);
	assert_true(week_age(&report.all, 1000) < 950);
	run(OCU_WHEN_AUTO, false);
	assert_int_equal(report.all.failures, 0);
	assert_true(report.all.requests <= report.all.least * 11 / 10);
}

/* Neither the start, nor reloads, nor outages draw together what is renewed every hour. */
static void nothing_bunches(void **state)
{
	size_t at;

	(void)state;
	run(3600, true);
	/* chance alone takes a mean of 185 to 240 */
	assert_true(week_peak(report.bins, &at) < 1.45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_world_is_as_said),
		cmocka_unit_test(requests_are_few),
		cmocka_unit_test(nothing_bunches),
	};

	return cmocka_run_group_tests_name("week", tests, NULL, NULL);
}
