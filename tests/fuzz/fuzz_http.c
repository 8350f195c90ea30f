/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_http.c - HTTP responses: whatever comes, it does not matter how it is cut into pieces, and
 * no limit is passed. Opens no socket.
 *
 * Input: how many cuts there are, whether the peer closes, the length of each piece, and then the
 * bytes of the peer.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ocu/http.h"

#define CUTS_MAX 16
#define BYTEWISE_MAX 1024

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
		"HTTP/1.1 200 OK\r\n folded: x\r\nA : b\r\n\r\n",
		"",
	};
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		fuzz_seed(head, sizeof(head) - 1, seeds[i], strlen(seeds[i]));
		fuzz_seed("\0\0", 2, seeds[i], strlen(seeds[i]));
	}
}

/* Reads all of <p>, in pieces as <cuts> says (one after the other, over and over; 0 is all the
 * rest), and then the end if <eof>.
 */
static void read_all(struct outcome *o, const uint8_t *p, size_t n, const uint8_t *cuts,
		     size_t n_cuts, bool eof)
{
	size_t piece, used, i = 0;
	uint8_t *copy;

	o->st = OCU_AGAIN;
	o->used = 0;
	o->err = (struct ocu_err){ .code = OCU_OK };
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
	if (o->st == OCU_AGAIN && eof)
		o->st = ocu_http_eof(&o->h, &o->err);
}

static void check(struct outcome *o, const uint8_t *p)
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
	fuzz_must(h->status == 200 ? !h->coded : true, "coded body");
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
	bool eof;

	if (n < 2)
		return 0;
	n_cuts = data[0] % (CUTS_MAX + 1);
	eof = data[1] & 1;
	data += 2;
	n -= 2;
	if (n_cuts > n)
		n_cuts = n;
	cuts = data;
	data += n_cuts;
	n -= n_cuts;
	read_all(&whole, data, n, NULL, 0, eof);
	/* Byte by byte, if that does not take too long. */
	read_all(&bytes, data, n, one, n <= BYTEWISE_MAX, eof);
	read_all(&cut, data, n, cuts, n_cuts, eof);
	check(&whole, data);
	check(&bytes, data);
	check(&cut, data);
	compare(&whole, &bytes);
	compare(&whole, &cut);
	ocu_http_fini(&whole.h);
	ocu_http_fini(&bytes.h);
	ocu_http_fini(&cut.h);
	return 0;
}
