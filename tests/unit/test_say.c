/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_say.c - what is said of a certificate: the log line, the reason for each stage at which an
 * update may fail, statuses and dates. Tables; nothing is fetched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ocu/say.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ATTEMPTS_MAX 4

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;

	if (!text)
		return ss;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(80);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(80);
	}
	return ss;
}

/* One failed attempt of a row. */
struct seen {
	const char *url, *address, *cause;
	enum ocu_status stage;
};

/* A certificate whose last try ended so. */
struct ended {
	enum ocu_status status;
	bool not_modified, unchanged, revoked, refused;
	size_t last;               /* the first attempt of the last turn */
	struct seen seen[ATTEMPTS_MAX]; /* up to the first without a URL */
};

static void cert_init(struct ocu_cert *c, const struct ended *e)
{
	struct ocu_result *r;
	struct ocu_tried *t;

	memset(c, 0, sizeof(*c));
	c->path = (char *)"/etc/a.pem";
	c->successes = 7;
	c->failures = 3;
	c->item.held = (struct ocu_held){ .this_update = 1, .next_update = 1796040000,
					  .expiry = 1796039700, .revoked = e->revoked };
	r = calloc(1, sizeof(*r) + ATTEMPTS_MAX * sizeof(*r->tried));
	assert_non_null(r);
	c->result = r;
	r->status = e->status;
	r->not_modified = e->not_modified;
	r->unchanged = e->unchanged;
	r->refused = e->refused;
	r->last = e->last;
	r->address = address("192.0.2.1");
	for (; r->n_tried < ATTEMPTS_MAX && e->seen[r->n_tried].url; r->n_tried++) {
		t = &r->tried[r->n_tried];
		snprintf(t->url, sizeof(t->url), "%s", e->seen[r->n_tried].url);
		t->attempt.address = address(e->seen[r->n_tried].address);
		t->attempt.stage = e->seen[r->n_tried].stage;
		snprintf(t->attempt.cause, sizeof(t->attempt.cause), "%s",
			 e->seen[r->n_tried].cause);
	}
}

/* ---- reasons ---- */

#define URL "http://r.test/ocsp/"
#define OTHER "https://other.test:8443/"
#define LITERAL "http://192.0.2.1:80/"

static const struct {
	struct ended ended;
	const char *reason;
} reasons[] = {
	{ { .status = OCU_OK }, "good until 2026-11-30T12:00:00Z, from 192.0.2.1:80" },
	{ { .status = OCU_OK, .revoked = true },
	  "revoked until 2026-11-30T12:00:00Z, from 192.0.2.1:80" },
	{ { .status = OCU_OK, .unchanged = true },
	  "unchanged, good until 2026-11-30T12:00:00Z, from 192.0.2.1:80" },
	{ { .status = OCU_OK, .unchanged = true, .not_modified = true },
	  "not modified, good until 2026-11-30T12:00:00Z, from 192.0.2.1:80" },
	/* A success after failures speaks of the success. */
	{ { .status = OCU_OK, .seen = { { URL, NULL, "no such name", OCU_DNS } } },
	  "good until 2026-11-30T12:00:00Z, from 192.0.2.1:80" },
	{ { .status = OCU_DNS, .seen = { { URL, NULL, "no such name", OCU_DNS } } },
	  "r.test: no such name" },
	{ { .status = OCU_CONNECT,
	    .seen = { { URL, "192.0.2.1", "Connection refused", OCU_CONNECT } } },
	  "r.test: 192.0.2.1:80: Connection refused" },
	/* Each address that was not connected, of the last turn alone. */
	{ { .status = OCU_CONNECT, .last = 1,
	    .seen = { { OTHER, "192.0.2.9", "status 500", OCU_HTTP },
		      { URL, "2001:db8::1", "No route to host", OCU_CONNECT },
		      { URL, "192.0.2.1", "Connection refused", OCU_CONNECT } } },
	  "r.test: [2001:db8::1]:80: No route to host; 192.0.2.1:80: Connection refused" },
	/* Else what was seen last. */
	{ { .status = OCU_TLS, .seen = { { OTHER, "192.0.2.8", "Connection refused", OCU_CONNECT },
			       { OTHER, "192.0.2.9", "TLS handshake: expired", OCU_TLS } } },
	  "other.test:8443: 192.0.2.9:80: TLS handshake: expired" },
	{ { .status = OCU_HTTP, .seen = { { URL, "192.0.2.1", "status 503", OCU_HTTP } } },
	  "r.test: 192.0.2.1:80: status 503" },
	{ { .status = OCU_TYPE,
	    .seen = { { URL, "192.0.2.1", "content type text/html", OCU_TYPE } } },
	  "r.test: 192.0.2.1:80: content type text/html" },
	{ { .status = OCU_OCSP, .seen = { { URL, "192.0.2.1", "wrong signature", OCU_OCSP } } },
	  "r.test: 192.0.2.1:80: wrong signature" },
	/* An address literal is not said twice. */
	{ { .status = OCU_HTTP, .seen = { { LITERAL, "192.0.2.1", "status 500", OCU_HTTP } } },
	  "192.0.2.1:80: status 500" },
	/* The last turn left nothing behind. */
	{ { .status = OCU_CONNECT, .last = 1,
	    .seen = { { URL, "192.0.2.1", "refused", OCU_CONNECT } } },
	  "r.test: 192.0.2.1:80: refused" },
	{ { .status = OCU_NOMEM }, "out of memory" },
	{ { .status = OCU_TIMEOUT }, "timed out" },
	/* What the host did with it is said, whatever was seen on the way. */
	{ { .status = OCU_HELD, .refused = true,
	    .seen = { { URL, NULL, "no such name", OCU_DNS } } },
	  "not stapled: another response was set meanwhile" },
};

static void said(void **state)
{
	char text[OCU_ERR_BYTES];
	struct ocu_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(reasons); i++) {
		cert_init(&c, &reasons[i].ended);
		ocu_say_reason(text, &c);
		assert_string_equal(text, reasons[i].reason);
		free(c.result);
		c.result = NULL;
		ocu_say_reason(text, &c);
		assert_string_equal(text, "");
	}
}

/* However long it all is, it is cut where the room ends. */
static void cut(void **state)
{
	char cause[OCU_ATTEMPT_CAUSE_BYTES], text[OCU_ERR_BYTES], line[OCU_SAY_LINE_BYTES];
	char url[160], path[2000];
	struct ended e = { .status = OCU_CONNECT };
	struct ocu_cert c;
	size_t i;

	(void)state;
	memset(cause, 'c', sizeof(cause));
	cause[sizeof(cause) - 1] = '\0';
	memset(url, 'u', sizeof(url));
	memcpy(url, "http://", 7);
	url[sizeof(url) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	for (i = 0; i < ATTEMPTS_MAX; i++)
		e.seen[i] = (struct seen){ url, "2001:db8:1111:2222:3333:4444:5555:6666", cause,
					   OCU_CONNECT };
	cert_init(&c, &e);
	c.path = path;
	ocu_say_reason(text, &c);
	assert_int_equal(strlen(text), sizeof(text) - 1);
	ocu_say_tried(text, &c.result->tried[0]);
	assert_memory_equal(text, url, strlen(url));
	ocu_say_update(line, &c, true, false);
	assert_int_equal(strspn(line + strlen("<OCSP-UPDATE> "), "p"), 400);
	assert_int_equal(line[strlen(line) - 1], '"');
	free(c.result);
}

static void attempt(void **state)
{
	struct ended e = { .status = OCU_HTTP,
			   .seen = { { URL, "192.0.2.1", "status 500", OCU_HTTP },
				     { OTHER, NULL, "no such name", OCU_DNS } } };
	char text[OCU_ERR_BYTES];
	struct ocu_cert c;

	(void)state;
	cert_init(&c, &e);
	ocu_say_tried(text, &c.result->tried[0]);
	assert_string_equal(text, URL ": 192.0.2.1:80: status 500");
	ocu_say_tried(text, &c.result->tried[1]);
	assert_string_equal(text, OTHER ": no such name");
	free(c.result);
}

/* ---- statuses and the log line ---- */

/* The numbers and the texts are HAProxy's. */
static const struct {
	enum ocu_status status;
	int number;
	const char *text;
} statuses[] = {
	{ OCU_OK, 1, "Update successful" },
	{ OCU_NOMEM, 2, "HTTP error" },
	{ OCU_TOO_BIG, 2, "HTTP error" },
	{ OCU_DNS, 2, "HTTP error" },
	{ OCU_CONNECT, 2, "HTTP error" },
	{ OCU_TLS, 2, "HTTP error" },
	{ OCU_TIMEOUT, 2, "HTTP error" },
	{ OCU_HTTP, 2, "HTTP error" },
	{ OCU_TYPE, 3, "Missing \"ocsp-response\" header" },
	{ OCU_OCSP, 4, "OCSP response check failure" },
	{ OCU_TRY_LATER, 4, "OCSP response check failure" },
	{ OCU_BAD_REQUEST, 4, "OCSP response check failure" },
	{ OCU_INTERNAL, 4, "OCSP response check failure" },
	{ OCU_OTHER_CERT, 4, "OCSP response check failure" },
	{ OCU_ENDED, 4, "OCSP response check failure" },
	{ OCU_OLDER, 4, "OCSP response check failure" },
};

static void status(void **state)
{
	struct ocu_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(statuses); i++) {
		cert_init(&c, &(struct ended){ .status = statuses[i].status });
		assert_int_equal(ocu_say_status(&c), statuses[i].number);
		assert_string_equal(ocu_say_status_text(ocu_say_status(&c)), statuses[i].text);
		c.result->refused = true;
		assert_int_equal(ocu_say_status(&c), 5);
		free(c.result);
	}
	assert_string_equal(ocu_say_status_text(OCU_SAY_INSERT), "Error during insertion");
	c.result = NULL;
	assert_int_equal(ocu_say_status(&c), 0);
	assert_string_equal(ocu_say_status_text(OCU_SAY_UNKNOWN), "Unknown");
}

static void line(void **state)
{
	static const struct {
		struct ended ended;
		bool revoked;
		const char *text;
	} rows[] = {
		{ { .status = OCU_OK }, false,
		  "<OCSP-UPDATE> /etc/a.pem 1 \"Update successful\" 3 7 \"good "
		  "until 2026-11-30T12:00:00Z, from 192.0.2.1:80\"" },
		{ { .status = OCU_OK, .revoked = true }, true,
		  "<OCSP-UPDATE> /etc/a.pem 1 \"Update successful\" 3 7 \"certificate is REVOKED: "
		  "revoked until 2026-11-30T12:00:00Z, from 192.0.2.1:80\"" },
		{ { .status = OCU_DNS, .seen = { { URL, NULL, "no such name", OCU_DNS } } }, false,
		  "<OCSP-UPDATE> /etc/a.pem 2 \"HTTP error\" 3 7 \"r.test: no such name\"" },
	};
	char text[OCU_SAY_LINE_BYTES];
	struct ocu_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		cert_init(&c, &rows[i].ended);
		ocu_say_update(text, &c, rows[i].revoked, false);
		assert_string_equal(text, rows[i].text);
		free(c.result);
	}
	/* as HAProxy 3.2 has it: a failure with its reason inside, a success as before */
	cert_init(&c, &rows[COUNT(rows) - 1].ended);
	ocu_say_update(text, &c, false, true);
	assert_string_equal(text, "<OCSP-UPDATE> /etc/a.pem 2 "
				  "\"HTTP error (r.test: no such name)\" 3 7");
	free(c.result);
	cert_init(&c, &rows[0].ended);
	ocu_say_update(text, &c, rows[0].revoked, true);
	assert_string_equal(text, rows[0].text);
	free(c.result);
	c.result = NULL;
	ocu_say_update(text, &c, false, false);
	assert_string_equal(text, "<OCSP-UPDATE> /etc/a.pem 0 \"Unknown\" 3 7 \"\"");
}

/* ---- dates ---- */

static void dates(void **state)
{
	static const struct {
		const char *zone;
		int64_t t;
		const char *date, *log;
	} rows[] = {
		{ "UTC0", 0, "-", "-" },
		{ "UTC0", 1, "1970-01-01T00:00:01Z", "01/Jan/1970:00:00:01 +0000" },
		{ "UTC0", 1796040000, "2026-11-30T12:00:00Z", "30/Nov/2026:12:00:00 +0000" },
		{ "XYZ-2", 1796040000, "2026-11-30T12:00:00Z", "30/Nov/2026:14:00:00 +0200" },
		{ "XYZ3:30", 1796040000, "2026-11-30T12:00:00Z", "30/Nov/2026:08:30:00 -0330" },
		{ "UTC0", INT64_C(2147483648), "2038-01-19T03:14:08Z",
		  "19/Jan/2038:03:14:08 +0000" },
		{ "UTC0", INT64_C(253402300799), "9999-12-31T23:59:59Z",
		  "31/Dec/9999:23:59:59 +0000" },
	};
	char text[OCU_SAY_DATE_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		setenv("TZ", rows[i].zone, 1);
		tzset();
		ocu_say_date(text, rows[i].t);
		assert_string_equal(text, rows[i].date);
		ocu_say_log_date(text, rows[i].t);
		assert_string_equal(text, rows[i].log);
	}
	/* What no calendar has is none. */
	ocu_say_log_date(text, INT64_MAX);
	assert_string_equal(text, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(said),
		cmocka_unit_test(cut),
		cmocka_unit_test(attempt),
		cmocka_unit_test(status),
		cmocka_unit_test(line),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests_name("say", tests, NULL, NULL);
}
