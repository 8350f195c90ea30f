/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_verdict.c - what follows from each kind of answer, as a table, and that asking again comes
 * to an end whatever is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ocu/verdict.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A letter for each: P post, n no_cache, i identity, c conditional, r redirected, u held usable,
 * s usable and ends soon.
 */
static struct ocu_verdict_ask ask_of(const char *letters)
{
	return (struct ocu_verdict_ask){
		.post = strchr(letters, 'P'),
		.no_cache = strchr(letters, 'n'),
		.identity = strchr(letters, 'i'),
		.conditional = strchr(letters, 'c'),
		.redirected = strchr(letters, 'r'),
		.held_usable = strpbrk(letters, "us"),
		.held_ends_soon = strchr(letters, 's'),
	};
}

/* ---- each kind of answer ---- */

#define ACCEPT OCU_VERDICT_ACCEPT
#define CURRENT OCU_VERDICT_CURRENT
#define POST OCU_VERDICT_POST
#define NO_CACHE OCU_VERDICT_NO_CACHE
#define IDENTITY OCU_VERDICT_IDENTITY
#define MOVED OCU_VERDICT_MOVED
#define PAUSE OCU_VERDICT_PAUSE
#define REFUSED OCU_VERDICT_REFUSED
#define BROKEN OCU_VERDICT_BROKEN
#define SILENT OCU_VERDICT_SILENT
#define LOCAL OCU_VERDICT_LOCAL

/* An OCSP response in a 200. */
static void responses(void **state)
{
	static const struct {
		const char *ask;
		enum ocu_status verified;
		enum ocu_age age;
		enum ocu_verdict want;
	} rows[] = {
		{ "", OCU_OK, OCU_AGE_NEW, ACCEPT },
		{ "P", OCU_OK, OCU_AGE_NEW, ACCEPT },
		{ "u", OCU_OK, OCU_AGE_NEW, ACCEPT },
		{ "sc", OCU_OK, OCU_AGE_NEW, ACCEPT },
		{ "rni", OCU_OK, OCU_AGE_NEW, ACCEPT },
		/* The same or an older one: no failure; near the end a cache is suspected. */
		{ "u", OCU_OK, OCU_AGE_SAME, CURRENT },
		{ "u", OCU_OK, OCU_AGE_OLDER, CURRENT },
		{ "s", OCU_OK, OCU_AGE_SAME, NO_CACHE },
		{ "s", OCU_OK, OCU_AGE_OLDER, NO_CACHE },
		{ "sr", OCU_OK, OCU_AGE_OLDER, NO_CACHE },
		{ "sP", OCU_OK, OCU_AGE_SAME, NO_CACHE },
		{ "sn", OCU_OK, OCU_AGE_SAME, CURRENT },
		{ "sn", OCU_OK, OCU_AGE_OLDER, CURRENT },
		/* What cannot be stapled any more is no reason to keep another one out. */
		{ "", OCU_OK, OCU_AGE_SAME, ACCEPT },
		{ "", OCU_ENDED, 0, NO_CACHE },
		{ "u", OCU_ENDED, 0, NO_CACHE },
		{ "P", OCU_ENDED, 0, NO_CACHE },
		{ "r", OCU_ENDED, 0, NO_CACHE },
		{ "n", OCU_ENDED, 0, REFUSED },
		{ "", OCU_TRY_LATER, 0, PAUSE },
		{ "P", OCU_TRY_LATER, 0, PAUSE },
		{ "", OCU_BAD_REQUEST, 0, POST },
		{ "P", OCU_BAD_REQUEST, 0, BROKEN },
		{ "r", OCU_BAD_REQUEST, 0, BROKEN },
		{ "", OCU_INTERNAL, 0, BROKEN },
		{ "", OCU_OTHER_CERT, 0, REFUSED },
		{ "P", OCU_OTHER_CERT, 0, REFUSED },
		{ "", OCU_MALFORMED, 0, POST },
		{ "P", OCU_MALFORMED, 0, REFUSED },
		{ "r", OCU_MALFORMED, 0, REFUSED },
		{ "", OCU_OCSP, 0, REFUSED },
		{ "P", OCU_OCSP, 0, REFUSED },
		{ "", OCU_NOMEM, 0, LOCAL },
	};
	struct ocu_verdict_ask ask;
	struct ocu_verdict_seen seen;
	enum ocu_verdict got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ask = ask_of(rows[i].ask);
		seen = (struct ocu_verdict_seen){
			.status = 200, .whole = true, .is_ocsp = true, .body_len = 1,
			.verified = rows[i].verified, .age = rows[i].age,
		};
		got = ocu_verdict(&ask, &seen);
		if (got != rows[i].want)
			fail_msg("row %zu, \"%s\": %d", i, rows[i].ask, got);
	}
}

/* What is no OCSP response. */
static void other_answers(void **state)
{
	static const struct {
		const char *ask;
		struct ocu_verdict_seen seen;
		enum ocu_verdict want;
	} rows[] = {
		/* no status line */
		{ "", { .closed = true }, POST },
		{ "P", { .closed = true }, SILENT },
		{ "r", { .closed = true }, SILENT },
		{ "", { .status = 0 }, SILENT },
		/* cut short */
		{ "", { .status = 200, .is_ocsp = true, .body_len = 9, .closed = true }, BROKEN },
		{ "", { .status = 405 }, BROKEN },
		{ "", { .status = 503 }, BROKEN },
		/* another type, nothing, a coding */
		{ "", { .status = 200, .whole = true, .body_len = 9 }, POST },
		{ "P", { .status = 200, .whole = true, .body_len = 9 }, BROKEN },
		{ "r", { .status = 200, .whole = true, .body_len = 9 }, BROKEN },
		{ "", { .status = 200, .whole = true, .is_ocsp = true }, POST },
		{ "P", { .status = 200, .whole = true, .is_ocsp = true }, BROKEN },
		{ "", { .status = 200, .whole = true, .is_ocsp = true, .body_len = 9,
			.coded = true }, IDENTITY },
		{ "Pr", { .status = 200, .whole = true, .body_len = 9, .coded = true }, IDENTITY },
		{ "i", { .status = 200, .whole = true, .is_ocsp = true, .body_len = 9,
			 .coded = true }, BROKEN },
		/* 304: asked for, and not */
		{ "uc", { .status = 304, .whole = true }, CURRENT },
		{ "sc", { .status = 304, .whole = true }, NO_CACHE },
		{ "scn", { .status = 304, .whole = true }, CURRENT },
		{ "u", { .status = 304, .whole = true }, BROKEN },
		/* redirects */
		{ "", { .status = 302, .whole = true, .location = true }, MOVED },
		{ "Pr", { .status = 307, .whole = true, .location = true }, MOVED },
		{ "", { .status = 302, .whole = true }, BROKEN },
		{ "", { .status = 300, .whole = true, .location = true }, BROKEN },
		{ "", { .status = 305, .whole = true, .location = true }, BROKEN },
	};
	struct ocu_verdict_ask ask;
	enum ocu_verdict got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ask = ask_of(rows[i].ask);
		got = ocu_verdict(&ask, &rows[i].seen);
		if (got != rows[i].want)
			fail_msg("row %zu, \"%s\": %d", i, rows[i].ask, got);
	}
}

/* Every status, to a GET and to the others. */
static void statuses(void **state)
{
	static const int refuse_get[] = { 400, 403, 404, 405, 411, 414, 500, 501 };
	static const int pause[] = { 429, 502, 503, 504 };
	static const int moved[] = { 301, 302, 303, 307, 308 };
	struct ocu_verdict_ask get = ask_of(""), post = ask_of("P"), redirected = ask_of("r");
	struct ocu_verdict_seen seen = { .whole = true, .location = true };
	enum ocu_verdict to_get[600], to_others[600];
	size_t i;

	(void)state;
	for (i = 0; i < 600; i++)
		to_get[i] = to_others[i] = BROKEN;
	for (i = 0; i < COUNT(refuse_get); i++)
		to_get[refuse_get[i]] = POST;
	for (i = 0; i < COUNT(pause); i++)
		to_get[pause[i]] = to_others[pause[i]] = PAUSE;
	for (i = 0; i < COUNT(moved); i++)
		to_get[moved[i]] = to_others[moved[i]] = MOVED;
	for (seen.status = 201; seen.status < 600; seen.status++) {
		assert_int_equal(ocu_verdict(&get, &seen), to_get[seen.status]);
		assert_int_equal(ocu_verdict(&post, &seen), to_others[seen.status]);
		assert_int_equal(ocu_verdict(&redirected, &seen), to_others[seen.status]);
	}
}

/* ---- the end ---- */

/* Whatever is answered to each request, asking again ends after the fourth one. */
static void it_ends(void **state)
{
	static const struct ocu_verdict_seen answers[] = {
		{ .closed = true },
		{ .status = 405, .whole = true },
		{ .status = 304, .whole = true },
		{ .status = 200, .whole = true, .coded = true },
		{ .status = 200, .whole = true, .is_ocsp = true, .body_len = 1,
		  .verified = OCU_ENDED },
		{ .status = 200, .whole = true, .is_ocsp = true, .body_len = 1,
		  .age = OCU_AGE_SAME },
		{ .status = 200, .whole = true, .is_ocsp = true, .body_len = 1,
		  .verified = OCU_BAD_REQUEST },
	};
	size_t n = COUNT(answers), path, left, most = 0, asked;
	struct ocu_verdict_ask ask;
	enum ocu_verdict v;

	(void)state;
	/* Each path is a number whose digits are the answers. */
	for (path = 0; path < n * n * n * n * n; path++) {
		ask = ask_of("sc");
		for (left = path, asked = 0; ; left /= n) {
			assert_true(asked < 5);
			asked++;
			v = ocu_verdict(&ask, &answers[left % n]);
			if (v == POST)
				ask.post = true;
			else if (v == NO_CACHE)
				ask.no_cache = true;
			else if (v == IDENTITY)
				ask.identity = true;
			else
				break;
		}
		most = asked > most ? asked : most;
	}
	assert_int_equal(most, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses),
		cmocka_unit_test(other_answers),
		cmocka_unit_test(statuses),
		cmocka_unit_test(it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
