/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_http.c - HTTP responses: whatever comes, it does not matter how it is cut into pieces, and
 * no limit is passed. Opens no socket.
 *
 * Input: how many cuts there are, whether the peer closes and whether it was asked for a tunnel,
 * the length of each piece, and then the bytes of the peer.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ocu/http.h"

#define CUTS_MAX 16
#define LAST_S INT64_C(253402300800) /* a leap second after the last second of 9999 */
#define BYTEWISE_MAX 1024

/* Bits of the second byte. */
#define CLOSES 1
#define TUNNEL 2

/* How one way of reading ended. */
struct outcome {
	enum ocu_status st;
	size_t used;
	struct ocu_http h;
	struct ocu_err err;
};

void fuzz_init(void)
{
}

void fuzz_seeds(void)
{
	static const char head[] = "\x03\x01\x01\x10\x07";
	static const char *const seeds[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n"
		"Content-Length: 5\r\nETag: \"abc\"\r\n"
		"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\nhello and more",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"Content-Type: APPLICATION/OCSP-Response; x=y\r\n\r\n"
		"3\r\nabc\r\n00a;ext=\"1\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest",
		"HTTP/1.0 200\r\nConnection: Keep-Alive, x\r\n\r\nuntil the end",
		("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
		 "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: W/\"x\"\r\n\r\n"),
		"HTTP/1.1 302 Found\nLocation: http://other.test/x\nContent-Length: 0\n\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 101 Switching\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		"220 mail.example.com ESMTP\r\n",
		"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Content-Length: 0\r\n\r\n",
		"HTTP/1.1 429 Busy\r\nRetry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n"
		"Date: Sun Nov  6 08:49:36 1994\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nCache-Control: public, x=\"a,b\\\"\", max-age=3600\r\n"
		"Age: 60\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nCache-Control: no-cache, no-store, max-age=0\r\n\r\n",
		"HTTP/1.1 200 Connection established\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\n folded: x\r\nA : b\r\n\r\n",
		"",
	};
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		fuzz_seed(head, sizeof(head) - 1, seeds[i], strlen(seeds[i]));
		fuzz_seed("\0\0", 2, seeds[i], strlen(seeds[i]));
		fuzz_seed("\0\2", 2, seeds[i], strlen(seeds[i]));
	}
}

/* Reads all of <p>, in pieces as <cuts> says (one after the other, over and over; 0 is all the
 * rest), as <how> says.
 */
static void read_all(struct outcome *o, const uint8_t *p, size_t n, const uint8_t *cuts,
		     size_t n_cuts, uint8_t how)
{
	size_t piece, used, i = 0;
	uint8_t *copy;

	o->st = OCU_AGAIN;
	o->used = 0;
	o->err = (struct ocu_err){ .code = OCU_OK };
	if (how & TUNNEL)
		ocu_http_init_connect(&o->h);
	else
		ocu_http_init(&o->h);
	while (o->st == OCU_AGAIN && o->used < n) {
		piece = n_cuts ? cuts[i++ % n_cuts] : 0;
		if (!piece || piece > n - o->used)
			piece = n - o->used;
		copy = fuzz_copy(p + o->used, piece);
		o->st = ocu_http_feed(&o->h, copy, piece, &used, &o->err);
		free(copy);
		fuzz_must(used <= piece, "took more than there was");
		fuzz_must(o->st != OCU_AGAIN || used == piece, "wants more and left some");
		o->used += used;
	}
	if (o->st == OCU_AGAIN && (how & CLOSES))
		o->st = ocu_http_eof(&o->h, &o->err);
}

static void check_times(const struct ocu_http *h)
{
	fuzz_must(h->retry_after_s >= -1 && h->retry_after_s <= INT64_C(1) << 31, "Retry-After");
	fuzz_must(h->max_age_s >= -1 && h->max_age_s <= INT64_C(1) << 31, "max-age");
	fuzz_must(h->retry_date_s >= 0 && h->retry_date_s <= LAST_S, "Retry-After as a date");
	fuzz_must(h->date_s >= 0 && h->date_s <= LAST_S, "Date");
	fuzz_must(h->retry_after_s < 0 || !h->retry_date_s, "Retry-After is two things");
}

static void check(struct outcome *o, const uint8_t *p, bool tunnel)
{
	const struct ocu_http *h = &o->h;

	fuzz_must(h->body.len <= OCU_HTTP_BODY_MAX_BYTES, "body over the limit");
	fuzz_must(h->status == 0 || (h->status >= 200 && h->status <= 599), "status");
	fuzz_must(fuzz_is_clean(o->err.msg), "reason");
	if (o->st != OCU_OK && o->st != OCU_AGAIN) {
		fuzz_must(o->st == o->err.code && o->err.msg[0], "no reason");
		fuzz_must(o->st == OCU_HTTP || o->st == OCU_TOO_BIG, "status of the failure");
	}
	if (o->st != OCU_OK)
		return;
	fuzz_must(h->status != 0, "complete without a status");
	fuzz_must(!(h->chunked && h->got_length), "both lengths");
	fuzz_must(!tunnel || h->status / 100 != 2 || h->body.len == 0, "body before a tunnel");
	check_times(h);
	fuzz_must(!h->location[0] || h->status / 100 == 3, "Location");
	if (!h->chunked)
		fuzz_must(h->body.len <= o->used &&
			  (!h->body.len ||
			   memcmp(h->body.data, p + o->used - h->body.len, h->body.len) == 0),
			  "the body is not what came");
}

static void compare(const struct outcome *a, const struct outcome *b)
{
	const struct ocu_http *g = &a->h, *h = &b->h;

	fuzz_must(a->st == b->st, "the status depends on the pieces");
	fuzz_must(g->status == h->status && g->started == h->started,
		  "what is known depends on the pieces");
	if (a->st != OCU_OK)
		return;
	fuzz_must(a->used == b->used, "the end depends on the pieces");
	fuzz_must(g->keep == h->keep && g->is_ocsp == h->is_ocsp && !strcmp(g->type, h->type) &&
		  !strcmp(g->location, h->location) &&
		  !strcmp(g->validators.etag, h->validators.etag) &&
		  !strcmp(g->validators.last_modified, h->validators.last_modified),
		  "header fields depend on the pieces");
	fuzz_must(g->coded == h->coded && g->retry_after_s == h->retry_after_s &&
		  g->retry_date_s == h->retry_date_s && g->date_s == h->date_s &&
		  g->max_age_s == h->max_age_s, "times depend on the pieces");
	fuzz_must(g->body.len == h->body.len &&
		  (!g->body.len || !memcmp(g->body.data, h->body.data, g->body.len)),
		  "the body depends on the pieces");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t one[] = { 1 };
	struct outcome whole, bytes, cut;
	const uint8_t *cuts;
	size_t n_cuts;
	uint8_t how;

	if (n < 2)
		return 0;
	n_cuts = data[0] % (CUTS_MAX + 1);
	how = data[1];
	data += 2;
	n -= 2;
	if (n_cuts > n)
		n_cuts = n;
	cuts = data;
	data += n_cuts;
	n -= n_cuts;
	read_all(&whole, data, n, NULL, 0, how);
	/* Byte by byte, if that does not take too long. */
	read_all(&bytes, data, n, one, n <= BYTEWISE_MAX, how);
	read_all(&cut, data, n, cuts, n_cuts, how);
	check(&whole, data, how & TUNNEL);
	check(&bytes, data, how & TUNNEL);
	check(&cut, data, how & TUNNEL);
	compare(&whole, &bytes);
	compare(&whole, &cut);
	ocu_http_fini(&whole.h);
	ocu_http_fini(&bytes.h);
	ocu_http_fini(&cut.h);
	return 0;
}
