/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_answer.c - what is read out of HAProxy's answers, of several versions, and of nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/answer.h"

#define INFO "Name: HAProxy\nVersion: 2.6.12-f588462\nPid: 10752\nUptime: 0d 0h00m00s\n" \
	"Uptime_sec: 0\nnode: vm\nDescription: \n\n"
#define CERT "Filename: /etc/ssl/a b.pem\nStatus: Used\nSerial: 34B6AAC13379A94E\n" \
	"Subject Alternative Name: DNS:a, DNS:b: c\nSHA1 FingerPrint: 3B44\n" \
	"OCSP Response Key: \n\n"

static void values(void **state)
{
	static const struct {
		const char *text, *name, *want; /* NULL: there is none */
		int64_t number;
	} rows[] = {
		{ INFO, "Pid", "10752", 10752 },
		{ INFO, "Uptime_sec", "0", 0 },
		{ INFO, "Uptime", "0d 0h00m00s", -1 },
		{ INFO, "Description", "", -1 },
		{ INFO, "id", NULL, -1 },
		{ INFO, "pid", NULL, -1 },
		{ CERT, "Status", "Used", -1 },
		{ CERT, "Subject Alternative Name", "DNS:a, DNS:b: c", -1 },
		{ CERT, "SHA1 FingerPrint", "3B44", -1 },
		{ CERT, "OCSP Response Key", "", -1 },
		{ "", "Pid", NULL, -1 },
		{ "\n", "Pid", NULL, -1 },
		{ "Pid", "Pid", NULL, -1 },
		{ "Pid:", "Pid", "", -1 },
		{ "Pid: -4\n", "Pid", "-4", -1 },
		{ "Pid: 7 8\n", "Pid", "7 8", -1 },
		{ "Pid: 99999999999999999999\n", "Pid", "99999999999999999999", -1 },
		{ "Pid: 999999999999999999999999\n", "Pid", NULL, -1 },
	};
	char out[24];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool found = ocu_answer_value(rows[i].text, rows[i].name, out, sizeof(out));

		if (found != (rows[i].want != NULL) || (found && strcmp(out, rows[i].want) != 0))
			fail_msg("row %zu: %d", i, found);
		assert_int_equal(ocu_answer_number(rows[i].text, rows[i].name), rows[i].number);
	}
}

/* Expects the names <want>, each with a '|' behind it. */
static void expect_names(bool (*next)(const char **, const char **, size_t *), const char *text,
			 const char *want)
{
	const char *at = text, *name;
	char got[256] = "";
	size_t n, len = 0;

	while (next(&at, &name, &n)) {
		assert_true(len + n + 2 < sizeof(got));
		memcpy(got + len, name, n);
		len += n;
		got[len++] = '|';
	}
	got[len] = '\0';
	assert_string_equal(got, want);
}

static void lists(void **state)
{
	(void)state;
	expect_names(ocu_answer_cert, "# filename\n/a.pem\n/b c.pem\n@store/d\n\n",
		     "/a.pem|/b c.pem|@store/d|");
	expect_names(ocu_answer_cert, "# transaction\n*/a.pem\n# filename\n/a.pem\n/b.pem\n\n",
		     "/a.pem|/b.pem|");
	expect_names(ocu_answer_cert, "# filename\n\n", "");
	expect_names(ocu_answer_cert, "\n", "");
	expect_names(ocu_answer_cert, "", "");
	expect_names(ocu_answer_cert, "/cut", "/cut|");
	expect_names(ocu_answer_updated, "OCSP Certid | Path | Next Update | Last Update\n"
		     "303b | /a.pem | 30/Nov | - | 0\n3041 | /b c.pem | - | - | 1\n\n",
		     "/a.pem|/b c.pem|");
	expect_names(ocu_answer_updated, "OCSP Certid | Path | Next Update\n\n", "");
	expect_names(ocu_answer_updated, "303b | /cut\n303b\n | x | y\n", "x|");
	expect_names(ocu_answer_updated, "Unknown command: 'show ssl', but maybe | x | y\n", "");
}

static void first_lines(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "\n\nSuccess!\nmore\n", "Success!" }, { "x", "x" }, { "", "no answer" },
		{ "\n\n", "no answer" },
	};
	const char *says;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		says = ocu_answer_says(rows[i].text, &n);
		assert_int_equal(n, strlen(rows[i].want));
		assert_memory_equal(says, rows[i].want, n);
	}
	assert_true(ocu_answer_unknown("Unknown command, but maybe\n"));
	assert_true(ocu_answer_unknown("Unknown command. Please enter\n"));
	assert_false(ocu_answer_unknown("OCSP Certid | Path\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(lists),
		cmocka_unit_test(first_lines),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
