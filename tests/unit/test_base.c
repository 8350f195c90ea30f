/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_base.c - status texts, reasons that are safe in a log, and the clocks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ocu/base.h"

static void every_status_has_its_text(void **state)
{
#define ROW(id, text) { id, text },
	static const struct {
		enum ocu_status st;
		const char *text;
	} rows[] = { OCU_STATUSES(ROW) };
#undef ROW
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rows[i].st, i);
		assert_string_equal(ocu_text(rows[i].st), rows[i].text);
	}
	assert_int_equal(OCU_OK, 0);
	assert_string_equal(ocu_text((enum ocu_status)999), "unknown status");
}

static void a_failure_is_told_in_one_line(void **state)
{
	struct ocu_err err;

	(void)state;
	memset(&err, 'x', sizeof(err));
	assert_int_equal(ocu_fail(&err, OCU_HTTP, "%s: status %d", "host", 503), OCU_HTTP);
	assert_int_equal(err.code, OCU_HTTP);
	assert_string_equal(err.msg, "host: status 503");
	assert_int_equal(ocu_fail(NULL, OCU_DNS, "nobody %s", "listens"), OCU_DNS);
}

static void a_reason_is_safe_in_a_log(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "plain ~ text !", "plain ~ text !" },
		{ "two\nlines\r\n", "two?lines??" },
		{ "tab\there", "tab?here" },
		{ "\x1b[31mred\x7f", "?[31mred?" },
		{ "quoted \"x\" and \\", "quoted ?x? and ?" },
		{ "\xc3\xa4 \x80\xff", "?? ??" },
		{ "\x01\x1f", "??" },
		{ "100%s %n", "100%s %n" },
	};
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ocu_fail(&err, OCU_IO, "%s", rows[i].in), OCU_IO);
		assert_string_equal(err.msg, rows[i].want);
	}
}

static void a_long_reason_is_cut(void **state)
{
	char text[2 * OCU_ERR_BYTES];
	struct ocu_err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(ocu_fail(&err, OCU_IO, "%s", text), OCU_IO);
	assert_int_equal(strlen(err.msg), OCU_ERR_BYTES - 1);
	text[OCU_ERR_BYTES - 1] = '\0';
	assert_string_equal(err.msg, text);
}

static void a_reason_can_hold_the_one_before(void **state)
{
	struct ocu_err err;

	(void)state;
	assert_int_equal(ocu_fail(&err, OCU_HTTP, "inner"), OCU_HTTP);
	assert_int_equal(ocu_fail(&err, err.code, "outer: %s", err.msg), OCU_HTTP);
	assert_string_equal(err.msg, "outer: inner");
}

static void an_errno_has_its_text(void **state)
{
	static const struct {
		int error;
		const char *want;
	} rows[] = {
		{ ENOENT, "No such file or directory" },
		{ ECONNREFUSED, "Connection refused" },
		{ EMFILE, "Too many open files" },
		/* what each C library has its own text for */
		{ 99999, "" },
		{ -1, "" },
	};
	char out[OCU_ERRNO_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(out, 'x', sizeof(out));
		assert_ptr_equal(ocu_errno_text(rows[i].error, out), out);
		assert_non_null(memchr(out, '\0', sizeof(out)));
		if (!out[0] || !strstr(out, rows[i].want))
			fail_msg("%d: %s", rows[i].error, out);
	}
}

static void clocks_agree_with_the_system(void **state)
{
	struct timespec before, after;
	int64_t ms;

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	ms = ocu_now_ms();
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
	assert_true(ms >= before.tv_sec * INT64_C(1000) + before.tv_nsec / 1000000);
	assert_true(ms <= after.tv_sec * INT64_C(1000) + after.tv_nsec / 1000000);

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &before), 0);
	ms = ocu_wall_s();
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &after), 0);
	assert_true(ms >= before.tv_sec && ms <= after.tv_sec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_its_text),
		cmocka_unit_test(a_failure_is_told_in_one_line),
		cmocka_unit_test(a_reason_is_safe_in_a_log),
		cmocka_unit_test(a_long_reason_is_cut),
		cmocka_unit_test(a_reason_can_hold_the_one_before),
		cmocka_unit_test(an_errno_has_its_text),
		cmocka_unit_test(clocks_agree_with_the_system),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
