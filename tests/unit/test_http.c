/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_http.c - requests, and responses in every shape: whole, cut at every byte, byte by byte, all
 * of it at a page edge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "nomem.h"
#include "ocu/http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(s) s, sizeof(s) - 1
#define OK "HTTP/1.1 200 OK\r\n"

struct row {
	const char *in;
	size_t n;
	enum ocu_status want;
	const char *why;  /* part of the reason, if want is an error */
	const char *body; /* all else only if want is OCU_OK */
	int status;
	bool keep, is_ocsp, eof; /* eof: complete only when the peer closes */
	size_t rest;             /* bytes that are left over */
};

/* Feeds in pieces: up to <cut>, then <step> bytes at a time. *total is what was taken. */
static enum ocu_status feed(struct ocu_http *h, const struct row *r, size_t cut, size_t step,
			    size_t *total, struct ocu_err *err)
{
	enum ocu_status ret = OCU_AGAIN;
	size_t n, used;
	uint8_t *edge;

	*total = 0;
	while (ret == OCU_AGAIN && *total < r->n) {
		n = *total < cut ? cut - *total : step;
		n = n < r->n - *total ? n : r->n - *total;
		edge = at_edge(r->in + *total, n);
		used = 12345;
		ret = ocu_http_feed(h, edge, n, &used, err);
		edge_free(edge, n);
		assert_true(used <= n);
		if (ret == OCU_AGAIN)
			assert_int_equal(used, n);
		*total += used;
	}
	return ret;
}

/* Checks that feeding <r> in this way comes to what the row says. */
static void check(const struct row *r, size_t cut, size_t step)
{
	struct ocu_err err = { 0 };
	struct ocu_http h;
	enum ocu_status got;
	uint8_t none = 0;
	size_t total, used;

	ocu_http_init(&h);
	assert_false(h.started);
	got = feed(&h, r, cut, step, &total, &err);
	if (r->eof && got == OCU_AGAIN)
		got = ocu_http_eof(&h, &err);
	if (got != r->want)
		fail_msg("%.60s (cut %zu, step %zu): %s: %s", r->in, cut, step, ocu_text(got),
			 err.msg);
	assert_true(h.started);
	if (got == OCU_OK) {
		assert_int_equal(total, r->n - r->rest);
		assert_int_equal(h.status, r->status);
		assert_int_equal(h.keep, r->keep);
		assert_int_equal(h.is_ocsp, r->is_ocsp);
		assert_int_equal(h.body.len, strlen(r->body));
		if (h.body.len > 0)
			assert_memory_equal(h.body.data, r->body, h.body.len);
		/* Complete is complete. */
		assert_int_equal(ocu_http_feed(&h, &none, 1, &used, &err), OCU_OK);
		assert_int_equal(used, 0);
		assert_int_equal(ocu_http_eof(&h, &err), OCU_OK);
	} else if (got != OCU_AGAIN) {
		assert_int_equal(err.code, got);
		if (!strstr(err.msg, r->why))
			fail_msg("%.60s: %s", r->in, err.msg);
		assert_int_equal(ocu_http_feed(&h, &none, 1, &used, &err), OCU_HTTP);
		assert_int_equal(ocu_http_eof(&h, &err), OCU_HTTP);
	}
	ocu_http_fini(&h);
	ocu_http_fini(&h);
}

/* Checks that the first <n> bytes of <r> are not complete, and refused only if <r> is. */
static void check_prefix(const struct row *r, size_t n)
{
	struct row prefix = *r;
	struct ocu_http h;
	enum ocu_status got;
	size_t total;

	prefix.n = n;
	ocu_http_init(&h);
	got = feed(&h, &prefix, n, 1, &total, NULL);
	if (got != OCU_AGAIN && (r->want == OCU_OK || r->want == OCU_AGAIN || got != r->want))
		fail_msg("%.60s, first %zu bytes: %s", r->in, n, ocu_text(got));
	ocu_http_fini(&h);
}

static void check_all_ways(const struct row *rows, size_t count)
{
	size_t i, n, end;

	for (i = 0; i < count; i++) {
		check(&rows[i], rows[i].n, 1);
		check(&rows[i], 0, 1);
		end = rows[i].n - rows[i].rest;
		for (n = 1; n < end; n++) {
			check_prefix(&rows[i], n);
			check(&rows[i], n, rows[i].n);
		}
	}
}

static void accepted(void **state)
{
	static const struct row rows[] = {
		{ TEXT(OK "Content-Length: 3\r\n\r\nabc"), OCU_OK, NULL, "abc", 200, true, false,
		  false, 0 },
		{ TEXT(OK "Content-Length: 3\r\n\r\nabcdef"), OCU_OK, NULL, "abc", 200, true, false,
		  false, 3 },
		{ TEXT(OK "Content-Length: 0\r\n\r\n"), OCU_OK, NULL, "", 200, true, false, false,
		  0 },
		{ TEXT(OK "Content-Length: 0003\r\n\r\nabc"), OCU_OK, NULL, "abc", 200, true, false,
		  false, 0 },
		{ TEXT(OK "content-length:3\r\n\r\nabc"), OCU_OK, NULL, "abc", 200, true, false,
		  false, 0 },
		{ TEXT(OK "CONTENT-LENGTH: \t 3 \t \r\n\r\nabc"), OCU_OK, NULL, "abc", 200, true,
		  false, false, 0 },
		/* bare line feeds */
		{ TEXT("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"), OCU_OK, NULL, "abc", 200, true,
		  false, false, 0 },
		{ TEXT("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n"), OCU_OK,
		  NULL, "abc", 200, true, false, false, 0 },
		/* status lines */
		{ TEXT("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 200, true,
		  false, false, 0 },
		{ TEXT("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 200, true,
		  false, false, 0 },
		{ TEXT("HTTP/1.1 200 \xc3\xa4\t!\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x",
		  200, true, false, false, 0 },
		{ TEXT("HTTP/1.2 200 OK\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 200,
		  true, false, false, 0 },
		{ TEXT("HTTP/1.1 599 X\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 599,
		  true, false, false, 0 },
		/* content types */
		{ TEXT(OK "Content-Type: application/ocsp-response\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, true, false, 0 },
		{ TEXT(OK "Content-Type: Application/OCSP-Response\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, true, false, 0 },
		{ TEXT(OK "Content-Type:application/ocsp-response ; a=\"b;c\"\r\n"
		       "Content-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, true, false, 0 },
		{ TEXT(OK "Content-Type: application/ocsp-response;\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, true, false, 0 },
		{ TEXT(OK "Content-Type: application/ocsp-responses\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
		{ TEXT(OK "Content-Type: application/ocsp\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
		{ TEXT(OK "Content-Type:\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
		/* connections */
		{ TEXT(OK "Connection: close\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x",
		  200, false, false, false, 0 },
		{ TEXT(OK "Connection: a , ClosE ,b\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL,
		  "x", 200, false, false, false, 0 },
		{ TEXT(OK "Connection: keep-alive\r\nConnection: close\r\n"
		       "Content-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, false, false, false, 0 },
		{ TEXT(OK "Connection: closed,,\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x",
		  200, true, false, false, 0 },
		{ TEXT(OK "Connection:\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 200,
		  true, false, false, 0 },
		{ TEXT("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x", 200,
		  false, false, false, 0 },
		{ TEXT("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
		/* close-delimited */
		{ TEXT("HTTP/1.0 200 OK\r\n\r\nabc"), OCU_OK, NULL, "abc", 200, false, false, true,
		  0 },
		{ TEXT(OK "\r\nabc"), OCU_OK, NULL, "abc", 200, false, false, true, 0 },
		{ TEXT(OK "\r\n"), OCU_OK, NULL, "", 200, false, false, true, 0 },
		{ TEXT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc"), OCU_OK, NULL, "abc",
		  200, false, false, true, 0 },
		/* chunked */
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), OCU_OK, NULL,
		  "abc", 200, true, false, false, 0 },
		{ TEXT(OK "transfer-encoding: CHUNKED\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\nrest"),
		  OCU_OK, NULL, "abc", 200, true, false, false, 4 },
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), OCU_OK, NULL, "", 200,
		  true, false, false, 0 },
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n"
		       "3;a=b\r\nabc\r\n2 ; c=\"d\"\r\nde\r\n1  \r\nf\r\n000;x\r\n\r\n"),
		  OCU_OK, NULL, "abcdef", 200, true, false, false, 0 },
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n"
		       "000000000000000000000000a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"),
		  OCU_OK, NULL, "01234567890123456789a", 200, true, false, false, 0 },
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\nZ: 1\r\n\r\n"),
		  OCU_OK, NULL, "a", 200, true, false, false, 0 },
		/* trailers change nothing */
		{ TEXT(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 9\r\n"
		       "Connection: close\r\nContent-Type: application/ocsp-response\r\n\r\n"),
		  OCU_OK, NULL, "a", 200, true, false, false, 0 },
		/* content codings */
		{ TEXT(OK "Content-Encoding: Identity\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL,
		  "x", 200, true, false, false, 0 },
		{ TEXT(OK "Content-Encoding:\r\nContent-Length: 1\r\n\r\nx"), OCU_OK, NULL, "x",
		  200, true, false, false, 0 },
		{ TEXT("HTTP/1.1 404 X\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 404, true, false, false, 0 },
		/* no body */
		{ TEXT("HTTP/1.1 304 X\r\nContent-Length: 1500\r\n\r\n"), OCU_OK, NULL, "", 304,
		  false, false, false, 0 },
		{ TEXT("HTTP/1.1 304 X\r\nContent-Length: 0\r\n\r\n"), OCU_OK, NULL, "", 304,
		  true, false, false, 0 },
		{ TEXT("HTTP/1.1 304 X\r\nContent-Length: 99999999999999999999999\r\n\r\n"), OCU_OK,
		  NULL, "", 304, false, false, false, 0 },
		{ TEXT("HTTP/1.1 304 X\r\n\r\nHTTP"), OCU_OK, NULL, "", 304, true, false, false,
		  4 },
		{ TEXT("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), OCU_OK,
		  NULL, "", 304, false, false, false, 5 },
		{ TEXT("HTTP/1.1 204 X\r\n\r\n"), OCU_OK, NULL, "", 204, true, false, false, 0 },
		{ TEXT("HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n"), OCU_OK, NULL, "", 204, true,
		  false, false, 0 },
		{ TEXT("HTTP/1.1 204 X\r\nContent-Length: 3\r\n\r\nabc"), OCU_OK, NULL, "", 204,
		  false, false, false, 3 },
		{ TEXT("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n"), OCU_OK, NULL, "",
		  204, false, false, false, 0 },
		/* interim responses */
		{ TEXT("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"), OCU_OK,
		  NULL, "x", 200, true, false, false, 0 },
		{ TEXT("HTTP/1.1 103 Hints\r\nLink: <x>\r\nContent-Length: 77\r\n"
		       "Connection: close\r\n"
		       "Transfer-Encoding: gzip\r\n\r\nHTTP/1.0 102\n\n" OK
		       "Content-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
		/* names that only resemble */
		{ TEXT(OK "X-Content-Length: 9\r\nContent-Lengthy: 8\r\nContent: 7\r\nX:\r\n"
		       "!#$%&'*+-.^_`|~09azAZ: \x80\xff\t~\r\nContent-Length: 1\r\n\r\nx"),
		  OCU_OK, NULL, "x", 200, true, false, false, 0 },
	};

	(void)state;
	check_all_ways(rows, COUNT(rows));
}

#define REFUSED(s, why) { TEXT(s), OCU_HTTP, why, NULL, 0, false, false, false, 0 }
#define TOO_BIG(s, why) { TEXT(s), OCU_TOO_BIG, why, NULL, 0, false, false, false, 0 }
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void refused(void **state)
{
	static const struct row rows[] = {
		/* status lines */
		REFUSED("\r\nHTTP/1.1 200 OK\r\n\r\n", "status line"),
		REFUSED("\n", "status line"),
		REFUSED("SSH-2.0-OpenSSH", "status line: S"),
		REFUSED("\x16\x03\x01\x02", "status line"),
		REFUSED("220 mail.example.org", "status line: 2"),
		REFUSED("http/1.1 200 OK\r\n\r\n", "status line"),
		REFUSED("HTTP/2 200\r\n", "status line"),
		REFUSED("HTTP/2.0 200 OK\r\n", "status line"),
		REFUSED("HTTP/0.9 200 OK\r\n", "status line"),
		REFUSED("HTTP/1. 200 OK\r\n", "status line"),
		REFUSED("HTTP/1.11 200 OK\r\n", "status line"),
		REFUSED("HTTP/1.x 200 OK\r\n", "status line"),
		REFUSED("HTTP/1.1\r\n", "status line"),
		REFUSED("HTTP/1.1 \r\n", "status line"),
		REFUSED("HTTP/1.1 20\r\n", "status line"),
		REFUSED("HTTP/1.1  200 OK\r\n", "status line"),
		REFUSED("HTTP/1.1\t200 OK\r\n", "status line"),
		REFUSED("HTTP/1.1 2000 OK\r\n", "status line"),
		REFUSED("HTTP/1.1 200OK\r\n", "status line"),
		REFUSED("HTTP/1.1 2x0 OK\r\n", "status line"),
		REFUSED("HTTP/1.1 -20 OK\r\n", "status line"),
		REFUSED("HTTP/1.1 20\xb2 OK\r\n", "status line"),
		REFUSED("HTTP/1.1 000 OK\r\n", "does not exist"),
		REFUSED("HTTP/1.1 099 OK\r\n", "does not exist"),
		REFUSED("HTTP/1.1 600 OK\r\n", "does not exist"),
		REFUSED("HTTP/1.1 999 OK\r\n", "does not exist"),
		REFUSED("HTTP/1.1 101 Switching Protocols\r\n", "another protocol"),
		REFUSED("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 S\r\n", "another protocol"),
		REFUSED("HTTP/1.1 200 O\0K\r\n", "character 0x00"),
		REFUSED("HTTP/1.1 200 O\rK\r\n", "character 0x0d"),
		REFUSED("HTTP/1.1 200 OK\r\r\n", "character 0x0d"),
		REFUSED("HTTP/1.1 200 \x7f\r\n", "character 0x7f"),
		/* header lines */
		REFUSED(OK " X: y\r\n", "malformed header"),
		REFUSED(OK "X: y\r\n folded\r\n", "malformed header"),
		REFUSED(OK "X: y\r\n\tfolded\r\n", "malformed header"),
		REFUSED(OK " \r\n", "malformed header"),
		REFUSED(OK "X : y\r\n", "malformed header"),
		REFUSED(OK "X\t: y\r\n", "malformed header"),
		REFUSED(OK "X y: z\r\n", "malformed header"),
		REFUSED(OK ": y\r\n", "malformed header"),
		REFUSED(OK "X\r\n", "malformed header line: X"),
		REFUSED(OK "<html>\r\n", "malformed header"),
		REFUSED(OK "X(y): z\r\n", "malformed header"),
		REFUSED(OK "\xc3\xa4: z\r\n", "malformed header"),
		REFUSED(OK "X\0: y\r\n", "character 0x00"),
		REFUSED(OK "X: y\0\r\n", "character 0x00"),
		REFUSED(OK "X: y\x01\r\n", "character 0x01"),
		REFUSED(OK "X: y\rZ: a\r\n", "character 0x0d"),
		REFUSED(OK "X: y\x1f\n", "character 0x1f"),
		REFUSED(OK "X: \x7f\r\n", "character 0x7f"),
		REFUSED("HTTP/1.1 100 C\r\nX\r\n", "malformed header"),
		/* lengths */
		REFUSED(OK "Content-Length:\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: x\r\n", "malformed Content-Length: x"),
		REFUSED(OK "Content-Length: -1\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: +1\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 0x10\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 1 2\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 3, 3\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 3,4\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 1.0\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: \"1\"\r\n", "malformed Content-Length"),
		REFUSED(OK "Content-Length: 3\r\nContent-Length: 3\r\n", "more than one"),
		REFUSED(OK "Content-Length: 3\r\ncontent-length: 4\r\n", "more than one"),
		REFUSED(OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "beside"),
		REFUSED(OK "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "beside"),
		REFUSED("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
			"beside"),
		TOO_BIG(OK "Content-Length: 262145\r\n", "body is longer"),
		TOO_BIG(OK "Content-Length: 4294967297\r\n", "body is longer"),
		TOO_BIG(OK "Content-Length: 18446744073709551617\r\n", "body is longer"),
		TOO_BIG(OK "Content-Length: 999999999999999999999999999999999\r\n",
			"body is longer"),
		TOO_BIG("HTTP/1.1 500 X\r\nContent-Length: 262145\r\n", "body is longer"),
		/* codings */
		REFUSED("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.0"),
		REFUSED(OK "Transfer-Encoding: gzip\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: gzip, chunked\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: chunked, chunked\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: chunked;a=b\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: identity\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding:\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: xchunked\r\n", "not just chunked"),
		REFUSED(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
			"not just chunked"),
		/* chunks */
		REFUSED(CHUNKED "\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "x\r\n", "malformed chunk size: x"),
		REFUSED(CHUNKED " 3\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "-3\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "+3\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "0x3\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "3 4\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "3g\r\n", "malformed chunk size"),
		REFUSED(CHUNKED ";a=b\r\n", "malformed chunk size"),
		REFUSED(CHUNKED "3\0\r\n", "character 0x00"),
		REFUSED(CHUNKED "3;\x01\r\n", "character 0x01"),
		REFUSED(CHUNKED "3\r\nabcd", "longer than its size"),
		REFUSED(CHUNKED "3\r\nabc\rx", "longer than its size"),
		REFUSED(CHUNKED "3\r\nabc\r\r", "longer than its size"),
		REFUSED(CHUNKED "0\r\nX\r\n", "malformed header"),
		REFUSED(CHUNKED "0\r\n X: y\r\n", "malformed header"),
		REFUSED(CHUNKED "0\r\nX: \x02\r\n", "character 0x02"),
		TOO_BIG(CHUNKED "40001\r\n", "body is longer"),
		TOO_BIG(CHUNKED "1\r\na\r\n40000\r\n", "body is longer"),
		TOO_BIG(CHUNKED "10000000000000001\r\n", "body is longer"),
		TOO_BIG(CHUNKED "ffffffffffffffffffffffffffffffffffff\r\n", "body is longer"),
		TOO_BIG(CHUNKED "80000000\r\n", "body is longer"),
		/* redirects */
		REFUSED("HTTP/1.1 301 X\r\nLocation: /a\r\nLocation: /b\r\n", "more than one"),
	};

	(void)state;
	check_all_ways(rows, COUNT(rows));
}

static void closed_too_early(void **state)
{
	static const struct {
		const char *in;
		const char *why;
	} rows[] = {
		{ "", "before any answer" },
		{ "H", "within the header" },
		{ "HTTP/1.1 200 OK\r\n", "within the header" },
		{ OK "Content-Length: 3\r\n\r", "within the header" },
		{ "HTTP/1.1 100 Continue\r\n\r\n", "within the header" },
		{ OK "Content-Length: 3\r\n\r\n", "within the body, after 0 bytes" },
		{ OK "Content-Length: 3\r\n\r\nab", "within the body, after 2 bytes" },
		{ CHUNKED, "within the body, after 0" },
		{ CHUNKED "2\r\nab", "within the body, after 2" },
		{ CHUNKED "2\r\nab\r", "within the body, after 2" },
		{ CHUNKED "2\r\nab\r\n", "within the body, after 2" },
		{ CHUNKED "2\r\nab\r\n0\r\n", "within the body, after 2" },
	};
	struct ocu_err err;
	struct ocu_http h;
	size_t i, used;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_http_init(&h);
		assert_int_equal(ocu_http_feed(&h, (const uint8_t *)rows[i].in,
					       strlen(rows[i].in), &used, NULL), OCU_AGAIN);
		assert_int_equal(h.started, rows[i].in[0] != '\0');
		assert_int_equal(ocu_http_eof(&h, &err), OCU_HTTP);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].in, err.msg);
		ocu_http_fini(&h);
	}
}

/* Feeds <n> bytes at <in> in pieces of <step> bytes. */
static enum ocu_status feed_steps(struct ocu_http *h, const void *in, size_t n, size_t step,
				  struct ocu_err *err)
{
	struct row r = { .in = in, .n = n };
	size_t total;

	return feed(h, &r, 0, step, &total, err);
}

/* A header of exactly so many bytes and lines, in pieces of several sizes. */
static void header_is_limited(void **state)
{
	static const size_t steps[] = { 1, 7, 1000, 100000 };
	static const char *const ends[] = {
		"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 X\r\nA: b\r\n\r\n",
	};
	struct ocu_http h;
	struct ocu_buf b;
	size_t i, j, over;

	(void)state;
	ocu_buf_init(&b, 100000);
	for (i = 0; i < COUNT(steps) * COUNT(ends) * 2; i++) {
		over = i % 2;
		ocu_buf_reset(&b);
		assert_int_equal(ocu_buf_addf(&b, "%s" OK "Content-Length: 1\r\nX: ",
					      ends[i / 2 % COUNT(ends)]), OCU_OK);
		while (b.len < OCU_HTTP_HEADER_MAX_BYTES - 4 + over)
			assert_int_equal(ocu_buf_add(&b, "y", 1), OCU_OK);
		assert_int_equal(ocu_buf_add(&b, "\r\n\r\nz", 5), OCU_OK);
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, b.data, b.len, steps[i / 2 / COUNT(ends)], NULL),
				 over ? OCU_TOO_BIG : OCU_OK);
		ocu_http_fini(&h);

		ocu_buf_reset(&b);
		assert_int_equal(ocu_buf_addf(&b, "%s" CHUNKED "1\r\nz\r\n0\r\n",
					      ends[i / 2 % COUNT(ends)]), OCU_OK);
		for (j = i / 2 % COUNT(ends) == 2 ? 2 : 1; j < OCU_HTTP_HEADER_MAX_LINES + over;
		     j++)
			assert_int_equal(ocu_buf_add(&b, "X:\r\n", 4), OCU_OK);
		assert_int_equal(ocu_buf_add(&b, "\r\n", 2), OCU_OK);
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, b.data, b.len, steps[i / 2 / COUNT(ends)], NULL),
				 over ? OCU_TOO_BIG : OCU_OK);
		ocu_http_fini(&h);
	}
	ocu_buf_fini(&b);
}

/* A peer that never comes to an end, whatever it repeats, is stopped by a limit. */
static void endless_is_refused(void **state)
{
	static const struct {
		const char *start, *again;
		size_t most; /* bytes after which it has to be over */
	} rows[] = {
		{ "HTTP/1.1 200 ", "x", OCU_HTTP_HEADER_MAX_BYTES + 1 },
		{ "", "HTTP/1.1 100 Continue\r\n\r\n", OCU_HTTP_HEADER_MAX_BYTES + 25 },
		{ "", "HTTP/1.1 100\n\n", OCU_HTTP_HEADER_MAX_BYTES + 25 },
		{ OK, "X: y\r\n", 101 * 6 + sizeof(OK) },
		{ OK "X: ", "x", OCU_HTTP_HEADER_MAX_BYTES + 1 },
		{ OK, "x", OCU_HTTP_HEADER_MAX_BYTES + 1 },
		{ OK "\r\n", "x", OCU_HTTP_BODY_MAX_BYTES + sizeof(OK) + 2 },
		{ CHUNKED, "0", OCU_HTTP_HEADER_MAX_BYTES + 10 },
		{ CHUNKED "1;", "x", OCU_HTTP_HEADER_MAX_BYTES + 10 },
		{ CHUNKED, "1\r\nx\r\n", OCU_HTTP_BODY_MAX_BYTES * 6 + sizeof(CHUNKED) + 6 },
		{ CHUNKED, "1;abcdefghijklmnop\r\nx\r\n", 3 * OCU_HTTP_HEADER_MAX_BYTES },
		{ CHUNKED, "00000000000000001\r\nx\r\n", 3 * OCU_HTTP_HEADER_MAX_BYTES },
		{ CHUNKED "0\r\n", "X: y\r\n", 101 * 6 + sizeof(CHUNKED) + 3 },
	};
	enum ocu_status got;
	struct ocu_err err;
	struct ocu_http h;
	size_t i, sent, used;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_http_init(&h);
		sent = strlen(rows[i].start);
		got = ocu_http_feed(&h, (const uint8_t *)rows[i].start, sent, &used, &err);
		while (got == OCU_AGAIN && sent < rows[i].most) {
			got = ocu_http_feed(&h, (const uint8_t *)rows[i].again,
					    strlen(rows[i].again), &used, &err);
			sent += strlen(rows[i].again);
		}
		if (got != OCU_TOO_BIG)
			fail_msg("%s%s...: %s", rows[i].start, rows[i].again, ocu_text(got));
		ocu_http_fini(&h);
	}
}

static void longest_body_is_read(void **state)
{
	static const char *const heads[] = {
		OK "Content-Length: 262144\r\n\r\n", OK "\r\n", CHUNKED "40000\r\n",
		CHUNKED "1\r\nx\r\n3ffff\r\n",
	};
	static const size_t steps[] = { 4096, 1 << 20 };
	struct ocu_http h;
	enum ocu_status got;
	uint8_t *body = calloc(1, OCU_HTTP_BODY_MAX_BYTES);
	size_t i, n;

	(void)state;
	assert_non_null(body);
	for (i = 0; i < COUNT(heads) * COUNT(steps); i++) {
		ocu_http_init(&h);
		got = feed_steps(&h, heads[i / 2], strlen(heads[i / 2]), 1, NULL);
		assert_int_equal(got, OCU_AGAIN);
		n = OCU_HTTP_BODY_MAX_BYTES - h.body.len;
		got = feed_steps(&h, body, n, steps[i % 2], NULL);
		if (i / 2 == 0)
			assert_int_equal(got, OCU_OK);
		else if (i / 2 == 1)
			assert_int_equal(ocu_http_eof(&h, NULL), OCU_OK);
		else
			assert_int_equal(feed_steps(&h, "\r\n0\r\n\r\n", 7, 1, NULL), OCU_OK);
		assert_int_equal(h.body.len, OCU_HTTP_BODY_MAX_BYTES);
		ocu_http_fini(&h);
	}
	free(body);
}

/* What is remembered of a header, for redirects, conditions and messages. */
static void values_are_remembered(void **state)
{
	char etag[OCU_HTTP_VALUE_BYTES + 10], location[OCU_HTTP_LOCATION_BYTES + 10];
	static const struct {
		const char *in, *etag, *modified, *location, *type;
	} rows[] = {
		{ OK "ETag: \"abc\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
		  "Content-Type: text/html; charset=x\r\n\r\n",
		  "\"abc\"", "Mon, 01 Jan 2024 00:00:00 GMT", "", "text/html; charset=x" },
		{ OK "ETag: W/\"\"\r\n\r\n", "W/\"\"", "", "", "" },
		{ OK "ETag: abc\r\nLast-Modified:\r\n\r\n", "", "", "", "" },
		{ OK "ETag: \"\r\n\r\n", "", "", "", "" },
		{ OK "ETag: W/\"\r\n\r\n", "", "", "", "" },
		{ OK "ETag: W/\r\n\r\n", "", "", "", "" },
		{ OK "ETag: \"a\"b\"\r\n\r\n", "", "", "", "" },
		{ OK "ETag: \"a b\"\r\n\r\n", "", "", "", "" },
		{ OK "ETag: \"\xc3\xa4\"\r\n\r\n", "", "", "", "" },
		{ OK "ETag: \"a\", \"b\"\r\n\r\n", "", "", "", "" },
		{ OK "Last-Modified: a\xc3\xa4\r\n\r\n", "", "", "", "" },
		{ OK "Last-Modified: a\tb\r\n\r\n", "", "", "", "" },
		{ OK "Location: /ignored\r\nLocation: /twice\r\n\r\n", "", "", "", "" },
		{ "HTTP/1.1 302 X\r\nLocation:  http://x/y z \r\n\r\n", "", "", "http://x/y z",
		  "" },
		{ "HTTP/1.1 308 X\r\nlocation:\r\n\r\n", "", "", "", "" },
		{ "HTTP/1.1 103 X\r\nETag: \"x\"\r\nLocation: /\r\nContent-Type: a/b\r\n\r\n"
		  "HTTP/1.1 307 X\r\nLocation: /z\r\n\r\n", "", "", "/z", "" },
		{ OK "Content-Type: 123456789012345678901234567890123456789012345678901234567890123"
		  "cut\r\n\r\n", "", "", "",
		  "123456789012345678901234567890123456789012345678901234567890123" },
	};
	struct ocu_http h;
	struct ocu_buf b;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, rows[i].in, strlen(rows[i].in), 1, NULL),
				 OCU_AGAIN);
		assert_string_equal(h.validators.etag, rows[i].etag);
		assert_string_equal(h.validators.last_modified, rows[i].modified);
		assert_string_equal(h.location, rows[i].location);
		assert_string_equal(h.type, rows[i].type);
		ocu_http_fini(&h);
	}

	/* The longest ones, and one byte more. */
	ocu_buf_init(&b, 10000);
	for (i = 0; i < 2; i++) {
		n = OCU_HTTP_VALUE_BYTES - 1 + i;
		memset(etag, 'e', sizeof(etag));
		etag[0] = etag[n - 1] = '"';
		ocu_buf_reset(&b);
		assert_int_equal(ocu_buf_addf(&b, OK "ETag: %.*s\r\n\r\n", (int)n, etag), OCU_OK);
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, b.data, b.len, 100, NULL), OCU_AGAIN);
		assert_int_equal(strlen(h.validators.etag), i == 0 ? n : 0);
		ocu_http_fini(&h);

		n = OCU_HTTP_LOCATION_BYTES - 1 + i;
		memset(location, 'l', sizeof(location));
		ocu_buf_reset(&b);
		assert_int_equal(ocu_buf_addf(&b, "HTTP/1.1 301 X\r\nLocation: %.*s\r\n\r\n",
					      (int)n, location), OCU_OK);
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, b.data, b.len, 100, NULL),
				 i == 0 ? OCU_AGAIN : OCU_TOO_BIG);
		assert_int_equal(strlen(h.location), i == 0 ? n : 0);
		ocu_http_fini(&h);
	}
	ocu_buf_fini(&b);
}

static void status_is_known_after_an_error(void **state)
{
	static const char in[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 999999999\r\n";
	struct ocu_http h;

	(void)state;
	ocu_http_init(&h);
	assert_int_equal(feed_steps(&h, in, sizeof(in) - 1, 1, NULL), OCU_TOO_BIG);
	assert_int_equal(h.status, 404);
	ocu_http_fini(&h);
}

static void requests(void **state)
{
#define HEAD(line, host) line " HTTP/1.1\r\nHost: " host "\r\nUser-Agent: ocu/" OCU_VERSION "\r\n"
#define ACCEPT "Accept: application/ocsp-response\r\n"
#define DATE "Mon, 01 Jan 2024 00:00:00 GMT"
	static const struct {
		struct ocu_http_request r;
		const char *want;
		size_t n;
	} rows[] = {
		{ { .target = "/MFEwcut", .target_len = 5, .host = "h.org" },
		  TEXT(HEAD("GET /MFEw", "h.org") ACCEPT "\r\n") },
		{ { .target = "/", .target_len = 1, .host = "[::1]:81", .etag = "W/\"e\"",
		    .last_modified = DATE },
		  TEXT(HEAD("GET /", "[::1]:81") ACCEPT "If-None-Match: W/\"e\"\r\n"
		       "If-Modified-Since: " DATE "\r\n\r\n") },
		{ { .target = "/", .target_len = 1, .host = "h", .etag = "\"e\"" },
		  TEXT(HEAD("GET /", "h") ACCEPT "If-None-Match: \"e\"\r\n\r\n") },
		{ { .target = "/", .target_len = 1, .host = "h", .etag = "",
		    .last_modified = DATE },
		  TEXT(HEAD("GET /", "h") ACCEPT "If-Modified-Since: " DATE "\r\n\r\n") },
		{ { .target = "http://h/", .target_len = 9, .host = "h", .no_cache = true,
		    .identity = true, .proxy_auth = "Basic dTpw" },
		  TEXT(HEAD("GET http://h/", "h") ACCEPT "Accept-Encoding: identity\r\n"
		       "Cache-Control: no-cache\r\nProxy-Authorization: Basic dTpw\r\n\r\n") },
		{ { .target = "/", .target_len = 1, .host = "h", .body = (const uint8_t *)"a\0b",
		    .body_len = 3, .etag = "\"e\"", .last_modified = DATE, .no_cache = true },
		  TEXT(HEAD("POST /", "h") ACCEPT "Cache-Control: no-cache\r\n"
		       "Content-Type: application/ocsp-request\r\nContent-Length: 3\r\n\r\na\0b") },
	};
	struct ocu_buf b;
	size_t i, max;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_buf_init(&b, 10000);
		assert_int_equal(ocu_http_request(&b, &rows[i].r), OCU_OK);
		assert_int_equal(b.len, rows[i].n);
		assert_memory_equal(b.data, rows[i].want, b.len);
		ocu_buf_fini(&b);
		/* Whichever part does not fit, nothing of it is left. */
		for (max = 0; max <= rows[i].n + 3; max++) {
			ocu_buf_init(&b, max);
			if (max >= 3)
				assert_int_equal(ocu_buf_add(&b, "old", 3), OCU_OK);
			if (max < rows[i].n + 3) {
				assert_int_equal(ocu_http_request(&b, &rows[i].r), OCU_TOO_BIG);
				assert_int_equal(b.len, max >= 3 ? 3 : 0);
			} else {
				assert_int_equal(ocu_http_request(&b, &rows[i].r), OCU_OK);
			}
			ocu_buf_fini(&b);
		}
	}
}

static void connect_requests(void **state)
{
	static const struct {
		const char *authority, *proxy_auth, *want;
	} rows[] = {
		{ "h.org:443", NULL, HEAD("CONNECT h.org:443", "h.org:443") "\r\n" },
		{ "[::1]:8443", "Basic dTpw",
		  HEAD("CONNECT [::1]:8443", "[::1]:8443")
		  "Proxy-Authorization: Basic dTpw\r\n\r\n" },
	};
	struct ocu_buf b;
	size_t i, max, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		n = strlen(rows[i].want);
		for (max = 3; max <= n + 3; max++) {
			ocu_buf_init(&b, max);
			assert_int_equal(ocu_buf_add(&b, "old", 3), OCU_OK);
			assert_int_equal(ocu_http_connect(&b, rows[i].authority,
							  rows[i].proxy_auth),
					 max < n + 3 ? OCU_TOO_BIG : OCU_OK);
			assert_int_equal(b.len, max < n + 3 ? 3 : n + 3);
			if (b.len > 3)
				assert_memory_equal(b.data + 3, rows[i].want, n);
			ocu_buf_fini(&b);
		}
	}
}

/* The answer to CONNECT ends with its header if a tunnel begins, whatever the header says. */
static void tunnels(void **state)
{
	static const struct {
		const char *in;
		enum ocu_status want;
		int status;
		const char *body;
		size_t rest;
	} rows[] = {
		{ "HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01", OCU_OK, 200, "", 3 },
		{ "HTTP/1.0 200 OK\r\n\r\n", OCU_OK, 200, "", 0 },
		{ "HTTP/1.1 299 X\r\nContent-Length: 5\r\n\r\nhello", OCU_OK, 299, "", 5 },
		{ "HTTP/1.1 200 X\r\nContent-Length: x\r\nContent-Length: 7\r\n"
		  "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\nt", OCU_OK, 200,
		  "", 1 },
		{ "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 X\r\n\r\n", OCU_OK, 200, "", 0 },
		{ "HTTP/1.1 407 X\r\nContent-Length: 2\r\n\r\nno!", OCU_OK, 407, "no", 1 },
		{ "HTTP/1.1 407 X\r\nContent-Length: x\r\n\r\n", OCU_HTTP, 407, "", 0 },
		{ "HTTP/1.1 200 X\r\nContent-Length\r\n\r\n", OCU_HTTP, 200, "", 0 },
		{ "HTTP/1.1 101 X\r\n\r\n", OCU_HTTP, 0, "", 0 },
	};
	struct ocu_err err;
	struct ocu_http h;
	size_t i, j, n, used, total;
	enum ocu_status got;

	(void)state;
	for (i = 0; i < COUNT(rows) * 2; i++) {
		ocu_http_init_connect(&h);
		n = strlen(rows[i / 2].in);
		total = 0;
		got = OCU_AGAIN;
		for (j = 0; j < n && got == OCU_AGAIN; j += i % 2 ? 1 : n) {
			got = ocu_http_feed(&h, (const uint8_t *)rows[i / 2].in + j,
					    i % 2 ? 1 : n, &used, &err);
			total += used;
		}
		if (got != rows[i / 2].want)
			fail_msg("%s: %s: %s", rows[i / 2].in, ocu_text(got), err.msg);
		assert_int_equal(h.status, rows[i / 2].status);
		assert_int_equal(h.body.len, strlen(rows[i / 2].body));
		if (got == OCU_OK)
			assert_int_equal(total, n - rows[i / 2].rest);
		ocu_http_fini(&h);
	}
}

/* A coded body is read and told from others, whatever the status. */
static void coded_bodies(void **state)
{
	static const struct {
		const char *in;
		bool coded;
	} rows[] = {
		{ OK "Content-Length: 1\r\n\r\nx", false },
		{ OK "Content-Encoding: Identity\r\nContent-Length: 1\r\n\r\nx", false },
		{ OK "Content-Encoding:\r\nContent-Length: 1\r\n\r\nx", false },
		{ OK "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", true },
		{ OK "Content-Encoding: identity, gzip\r\nContent-Length: 1\r\n\r\nx", true },
		{ OK "Content-Encoding: gzip\r\nContent-Encoding: identity\r\n"
		  "Content-Length: 1\r\n\r\nx", true },
		{ "HTTP/1.1 404 X\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", true },
		{ "HTTP/1.1 103 X\r\nContent-Encoding: br\r\n\r\n" OK
		  "Content-Length: 1\r\n\r\nx", false },
	};
	struct ocu_http h;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, rows[i].in, strlen(rows[i].in), 1, NULL), OCU_OK);
		if (h.coded != rows[i].coded)
			fail_msg("%s", rows[i].in);
		assert_int_equal(h.body.len, 1);
		ocu_http_fini(&h);
	}
}

/* When to come again, what time it is there, and how long the response may be kept. */
static void times_are_read(void **state)
{
	static const struct {
		const char *in;
		int64_t after, retry_date, date, max_age;
	} rows[] = {
		{ "", -1, 0, 0, -1 },
		{ "Retry-After: 0\r\n", 0, 0, 0, -1 },
		{ "retry-after: 120\r\n", 120, 0, 0, -1 },
		{ "Retry-After: 00000000000000000000000120\r\n", 120, 0, 0, -1 },
		{ "Retry-After: 99999999999999999999999999\r\n", INT64_C(2147483648), 0, 0, -1 },
		{ "Retry-After: -1\r\n", -1, 0, 0, -1 },
		{ "Retry-After: 1.5\r\n", -1, 0, 0, -1 },
		{ "Retry-After: 1 s\r\n", -1, 0, 0, -1 },
		{ "Retry-After:\r\n", -1, 0, 0, -1 },
		{ "Retry-After: 5\r\nRetry-After: 9\r\n", 5, 0, 0, -1 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 9\r\n", -1, 784111777,
		  0, -1 },
		{ "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n", -1, 784111777, 0, -1 },
		{ "Retry-After: Sun Nov  6 08:49:37 1994\r\n", -1, 784111777, 0, -1 },
		{ "Date: Fri Nov 16 08:49:37 2001\r\n", -1, 0, 1005900577, -1 },
		{ "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n", -1, 0, 1, -1 },
		{ "Date: Thursday, 01-Jan-70 00:00:01 GMT\r\n", -1, 0, 1, -1 },
		{ "Date: Tuesday, 19-Jan-38 03:14:08 GMT\r\n", -1, 0, INT64_C(2147483648), -1 },
		{ "Date: Tuesday, 31-Dec-69 23:59:59 GMT\r\n", -1, 0, INT64_C(3155759999), -1 },
		{ "Date: Sat, 01 Jan 2050 00:00:00 GMT\r\n", -1, 0, INT64_C(2524608000), -1 },
		{ "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n", -1, 0, INT64_C(253402300799), -1 },
		{ "Date: Sat, 31 Dec 2016 23:59:60 GMT\r\n", -1, 0, 1483228800, -1 },
		{ "Date: Mon, 06 Nov 1994 08:49:37 GMT\r\n"
		  "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n", -1, 0, 784111777, -1 },
		/* no dates */
		{ "Date: Sun, 06 Nov 1994 08:49:37 UTC\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT+1\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 6 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun,  6 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 94 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1994 8:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1994 24:00:00 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 31 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov -994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1969 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Non 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sunday, 06 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sunday, 06-Nov-1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06-Nov-94 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sun Nov 06 08:49:37 1994\r\n", -1, 0, 0, -1 },
		{ "Date: Sun Nov 6 08:49:37 1994\r\n", -1, 0, 0, -1 },
		{ "Date: Sun Nov  6 08:49:37 1994 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: Sux, 06 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: 06 Nov 1994 08:49:37 GMT\r\n", -1, 0, 0, -1 },
		{ "Date: 1994-11-06T08:49:37Z\r\n", -1, 0, 0, -1 },
		{ "Date: Sun\r\n", -1, 0, 0, -1 },
		{ "Date:\r\n", -1, 0, 0, -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT and a good deal more than any date could "
		  "ever have\r\n", -1, 0, 0, -1 },
		/* caches */
		{ "Cache-Control: max-age=3600\r\n", -1, 0, 0, 3600 },
		{ "Cache-Control: MAX-AGE=0\r\n", -1, 0, 0, 0 },
		{ "Cache-Control: public , max-age=60,must-revalidate\r\n", -1, 0, 0, 60 },
		{ "Cache-Control: public\r\nCache-Control: max-age=60\r\n", -1, 0, 0, 60 },
		{ "Cache-Control: s-maxage=9, max-age=60\r\n", -1, 0, 0, 60 },
		{ "Cache-Control: s-maxage=9\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: x=\"a,max-age=7,\\\",max-age=8\", max-age=60\r\n", -1, 0, 0, 60 },
		{ "Cache-Control: x=\"max-age=60\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: x=\"\\\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=99999999999999999999\r\n", -1, 0, 0,
		  INT64_C(2147483648) },
		{ "Cache-Control: max-age=60, no-cache\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: no-cache=\"x\", max-age=60\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: no-store\r\nCache-Control: max-age=60\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=60, max-age=60\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=60, max-age\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=-1\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=6 0\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=\"60\"\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: max-age=60s, max-age=60\r\n", -1, 0, 0, -1 },
		{ "Cache-Control:\r\n", -1, 0, 0, -1 },
		{ "Cache-Control: ,,max-age=60,\r\n", -1, 0, 0, 60 },
		{ "Cache-Control: max-age=60\r\nAge: 20\r\n", -1, 0, 0, 40 },
		{ "Age: 20\r\nAge: 30\r\nCache-Control: max-age=60\r\n", -1, 0, 0, 40 },
		{ "Cache-Control: max-age=60\r\nAge: 60\r\n", -1, 0, 0, 0 },
		{ "Cache-Control: max-age=60\r\nAge: 99999999999999999999\r\n", -1, 0, 0, 0 },
		{ "Cache-Control: max-age=60\r\nAge: -1\r\n", -1, 0, 0, 60 },
		{ "Age: 20\r\n", -1, 0, 0, -1 },
	};
	struct ocu_http h;
	struct ocu_buf b;
	size_t i;

	(void)state;
	ocu_buf_init(&b, 1000);
	for (i = 0; i < COUNT(rows) * 2; i++) {
		ocu_buf_reset(&b);
		/* What an interim response and a trailer say counts for nothing. */
		assert_int_equal(ocu_buf_addf(&b, "HTTP/1.1 103 X\r\nRetry-After: 7\r\n"
					      "Age: 1\r\n\r\nHTTP/1.1 503 X\r\n%s"
					      "Transfer-Encoding: chunked\r\n"
					      "\r\n0\r\nCache-Control: max-age=5\r\n"
					      "Retry-After: 7\r\n\r\n", rows[i / 2].in), OCU_OK);
		ocu_http_init(&h);
		assert_int_equal(feed_steps(&h, b.data, b.len, i % 2 ? 1 : b.len, NULL), OCU_OK);
		if (h.retry_after_s != rows[i / 2].after
		    || h.retry_date_s != rows[i / 2].retry_date || h.date_s != rows[i / 2].date
		    || h.max_age_s != rows[i / 2].max_age)
			fail_msg("%s: %lld %lld %lld %lld", rows[i / 2].in,
				 (long long)h.retry_after_s, (long long)h.retry_date_s,
				 (long long)h.date_s, (long long)h.max_age_s);
		ocu_http_fini(&h);
	}
	ocu_buf_fini(&b);
}

/* Fails every allocation in turn, until all goes well. */
static void without_memory(void **state)
{
	static const char in[] = CHUNKED "3\r\nabc\r\n190\r\n";
	static const struct ocu_http_request r = { .target = "/", .target_len = 1, .host = "h",
						   .body = (const uint8_t *)"abc", .body_len = 3 };
	enum ocu_status got = OCU_NOMEM;
	struct ocu_err err;
	struct ocu_http h;
	struct ocu_buf b;
	uint8_t more[400] = { 0 };
	long n, before = nomem_live();
	size_t used;

	(void)state;
	for (n = 0; got != OCU_AGAIN; n++) {
		assert_true(n < 100);
		ocu_http_init(&h);
		nomem_fail(n);
		got = ocu_http_feed(&h, (const uint8_t *)in, sizeof(in) - 1, &used, &err);
		if (got == OCU_AGAIN)
			got = ocu_http_feed(&h, more, sizeof(more), &used, &err);
		assert_int_equal(got, nomem_failed() ? OCU_NOMEM : OCU_AGAIN);
		if (got == OCU_NOMEM)
			assert_int_equal(err.code, OCU_NOMEM);
		ocu_http_fini(&h);
		assert_int_equal(nomem_live(), before);
	}
	assert_true(n >= 3);
	for (n = 0, got = OCU_NOMEM; got != OCU_OK; n++) {
		assert_true(n < 100);
		ocu_buf_init(&b, 1000);
		nomem_fail(n);
		got = ocu_http_request(&b, &r);
		assert_int_equal(got, nomem_failed() ? OCU_NOMEM : OCU_OK);
		ocu_buf_fini(&b);
		assert_int_equal(nomem_live(), before);
	}
	nomem_fail(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(closed_too_early),
		cmocka_unit_test(header_is_limited),
		cmocka_unit_test(endless_is_refused),
		cmocka_unit_test(longest_body_is_read),
		cmocka_unit_test(values_are_remembered),
		cmocka_unit_test(status_is_known_after_an_error),
		cmocka_unit_test(requests),
		cmocka_unit_test(connect_requests),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(coded_bodies),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
