/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.c - the one table of what a scripted responder can do to a client: from what was asked to
 * the bytes, pauses and the end of the connection. Opens no socket.
 */
#include "faults.h"

#include <openssl/rand.h>

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_TYPE "-"           /* no Content-Type at all */
#define OCSP_TYPE "application/ocsp-response"
#define ETAG "\"v1\""
#define LAST_MODIFIED "Sun, 01 Nov 2020 00:00:00 GMT"
#define ENDLESS UINT64_MAX
/* The extensions of a TLS 1.3 certificate have 16 bits of length: 4 bytes are the head of the one
 * extension, 4 that of the response. A server that staples more has no handshakes at all.
 */
#define TLS_MAX_BYTES (65535 - 8)
#define YEAR_2038_S INT64_C(2147483648)      /* one more than 31 bits hold */
#define YEAR_2050_S INT64_C(2540000000)
#define YEAR_9999_S INT64_C(253402300799)

enum form {
	FORM_LENGTH, FORM_CHUNKED, FORM_CLOSE, FORM_NONE,
};

enum cut {
	CUT_NO, CUT_NOTHING, CUT_HEADER, CUT_BODY,
};

struct answer;

struct fault {
	const char *name;
	const char *want;
	const char *why;           /* what the reason must hold; NULL: anything */
	const char *then, *then_why; /* the same for the second time; NULL: as the first time */
	enum fault_server server;
	unsigned requests;         /* that one fetch makes; 0: one, or none if nobody reads them */
	long num;                  /* stands for the number if the segment has none */

	int64_t this_s, next_s;    /* relative to now; both 0: an hour ago, in a day */
	int64_t next_at;           /* absolute */
	int cert_status;
	int ocsp_status;
	enum pki_signer signer;
	bool no_next, no_certs, by_key, with_issuer, bad_signature, body_beside_error;
	const char *nonce;
	void (*ocsp)(struct answer *a);

	void (*body)(struct answer *a);

	int status;                /* 0: 200 */
	const char *type;          /* NULL: the right one */
	const char *more;          /* further header lines, each with its CRLF */
	enum form form;
	void (*http)(struct answer *a, FILE *out);

	int delay_ms;
	size_t step;
	int step_ms;
	enum cut cut;
	enum fault_end end;
};

struct answer {
	const struct fault *row;
	const struct fault_ask *ask;
	const char *arg;           /* what follows the row's name and a hyphen, "" if nothing */
	long num;
	struct pki *pki;
	struct pki_response resp;
	uint8_t *der;
	size_t n;
	size_t head_bytes;         /* 0 if the answer has no header of the usual kind */
	struct fault_plan *plan;
};

/* ---- OCSP ---- */

static void ocsp_error(struct answer *a)
{
	a->resp.status = (int)a->num;
}

static void ocsp_soon(struct answer *a)
{
	a->resp.singles[0].next_update = a->ask->now + a->num;
}

static void ocsp_wrong_cert(struct answer *a)
{
	a->resp.singles[0].serial = NULL;
	a->resp.singles[0].cert = a->pki->by[PKI_BY_LEAF].cert;
}

static void ocsp_wrong_issuer(struct answer *a)
{
	a->resp.singles[0].issuer = a->pki->by[PKI_BY_OTHER].cert;
}

static void ocsp_sha256(struct answer *a)
{
	a->resp.singles[0].md = EVP_sha256();
}

static void ocsp_sha512(struct answer *a)
{
	a->resp.singles[0].md = EVP_sha512();
}

static void ocsp_trailing(struct answer *a)
{
	a->resp.trailing = (size_t)a->num;
}

static void ocsp_size(struct answer *a)
{
	a->resp.size = (size_t)a->num;
}

static void ocsp_none(struct answer *a)
{
	a->resp.n_singles = 0;
}

/* After the first answer, one that is a day older and still valid: a replay. */
static void ocsp_older(struct answer *a)
{
	struct pki_single *s = &a->resp.singles[0];

	if (!a->ask->nth)
		return;
	s->this_update -= PKI_DAY_S;
	s->next_update -= PKI_DAY_S / 2;
}

/* From the second request on the certificate is revoked. */
static void ocsp_later_revoked(struct answer *a)
{
	if (a->ask->nth) {
		a->resp.singles[0].status = V_OCSP_CERTSTATUS_REVOKED;
		a->resp.singles[0].this_update += 60;
	}
}

/* Puts singles of other certificates around the right one, which becomes number <at>. */
static void several(struct answer *a, size_t at, size_t n)
{
	struct pki_single right = a->resp.singles[0], other = right;
	size_t i;

	other.serial = NULL;
	other.cert = a->pki->by[PKI_BY_LEAF].cert;
	other.status = V_OCSP_CERTSTATUS_REVOKED;
	for (i = 0; i < n; i++) {
		a->resp.singles[i] = i == at ? right : other;
		if (i != at && i % 2)
			a->resp.singles[i].cert = a->pki->by[PKI_BY_OTHER].cert;
	}
	a->resp.n_singles = n;
}

static void ocsp_several_first(struct answer *a)
{
	several(a, 0, 3);
}

static void ocsp_several_middle(struct answer *a)
{
	several(a, 1, 3);
}

static void ocsp_several_last(struct answer *a)
{
	several(a, 2, 3);
}

static void ocsp_several_others(struct answer *a)
{
	several(a, PKI_SINGLES_MAX, 3);
}

/* The same certificate under two digests. */
static void ocsp_two_digests(struct answer *a)
{
	a->resp.singles[1] = a->resp.singles[0];
	a->resp.singles[0].md = EVP_sha256();
	a->resp.n_singles = 2;
}

/* An expired one and a valid one for the same certificate. */
static void ocsp_expired_and_valid(struct answer *a)
{
	a->resp.singles[1] = a->resp.singles[0];
	a->resp.singles[0].this_update -= 10 * PKI_DAY_S;
	a->resp.singles[0].next_update -= 5 * PKI_DAY_S;
	a->resp.n_singles = 2;
}

/* ---- body ---- */

static void body_set(struct answer *a, const void *p, size_t n)
{
	free(a->der);
	a->der = calloc(1, n + 1);
	if (!a->der)
		abort();
	if (p)
		memcpy(a->der, p, n);
	a->n = n;
}

static void body_empty(struct answer *a)
{
	body_set(a, NULL, 0);
}

static void body_zeros(struct answer *a)
{
	body_set(a, NULL, (size_t)a->num);
}

static void body_random(struct answer *a)
{
	body_set(a, NULL, (size_t)a->num);
	if (a->n && RAND_bytes(a->der, (int)a->n) != 1)
		abort();
}

static void body_html(struct answer *a)
{
	static const char page[] = "<html><body>Please log in.\x1b[31m\r\n\"</body></html>\n";

	body_set(a, page, sizeof(page) - 1);
}

static void body_truncate(struct answer *a)
{
	if ((size_t)a->num < a->n)
		a->n = (size_t)a->num;
}

static void body_flip(struct answer *a)
{
	if ((size_t)a->num / 8 < a->n)
		a->der[a->num / 8] ^= (uint8_t)(1U << a->num % 8);
}

/* ---- HTTP ---- */

static void chunk(FILE *out, const void *p, size_t n)
{
	fprintf(out, "%zx\r\n", n);
	fwrite(p, 1, n, out);
	fputs("\r\n", out);
}

static void head(struct answer *a, FILE *out, int status, const char *type, const char *more)
{
	fprintf(out, "HTTP/1.1 %d Status\r\nDate: Sun, 01 Nov 2020 00:00:00 GMT\r\n", status);
	if (strcmp(type, NO_TYPE) != 0)
		fprintf(out, "Content-Type: %s\r\n", type);
	fputs(more ? more : "", out);
	if (!a->ask->keep)
		fputs("Connection: close\r\n", out);
}

static void head_end(struct answer *a, FILE *out)
{
	fputs("\r\n", out);
	fflush(out);
	a->head_bytes = a->plan->n;
}

/* The head up to its last line but one: for answers whose framing is of another kind. */
static void ok_head(struct answer *a, FILE *out)
{
	head(a, out, 200, OCSP_TYPE, NULL);
}

static void whole(struct answer *a, FILE *out)
{
	fwrite(a->der, 1, a->n, out);
}

static void http_usual(struct answer *a, FILE *out)
{
	int status = a->row->status ? a->row->status : 200;

	head(a, out, status, a->row->type ? a->row->type : OCSP_TYPE, a->row->more);
	if (a->row->form == FORM_LENGTH)
		fprintf(out, "Content-Length: %zu\r\n", a->n);
	else if (a->row->form == FORM_CHUNKED)
		fputs("Transfer-Encoding: chunked\r\n", out);
	head_end(a, out);
	if (a->row->form == FORM_CHUNKED) {
		if (a->n)
			chunk(out, a->der, a->n);
		fputs("0\r\n\r\n", out);
	} else if (a->row->form != FORM_NONE) {
		whole(a, out);
	}
	if (a->row->form == FORM_CLOSE)
		a->plan->end = FAULT_CLOSE;
}

static void status_only(struct answer *a, FILE *out, int status, const char *more)
{
	static const char text[] = "no\n";

	head(a, out, status, "text/plain", more);
	if (status == 204 || status == 304 || status < 200) {
		head_end(a, out);
		return;
	}
	fprintf(out, "Content-Length: %zu\r\n", sizeof(text) - 1);
	head_end(a, out);
	fputs(text, out);
}

static void http_status(struct answer *a, FILE *out)
{
	status_only(a, out, (int)a->num, NULL);
}

/* GET is refused with the number, POST is answered well. */
static void http_get(struct answer *a, FILE *out)
{
	if (a->ask->post)
		http_usual(a, out);
	else
		status_only(a, out, (int)a->num, NULL);
}

static void http_post(struct answer *a, FILE *out)
{
	if (!a->ask->post)
		http_usual(a, out);
	else
		status_only(a, out, (int)a->num, NULL);
}

/* The first request is refused with the number, later ones are answered well. */
static void http_first(struct answer *a, FILE *out)
{
	if (a->ask->nth)
		http_usual(a, out);
	else
		status_only(a, out, (int)a->num, NULL);
}

static void http_continue(struct answer *a, FILE *out)
{
	long i;

	for (i = 0; i < a->num; i++)
		fputs("HTTP/1.1 100 Continue\r\n\r\n", out);
	fputs("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", out);
	http_usual(a, out);
}

static void http_continue_flood(struct answer *a, FILE *out)
{
	(void)out;
	a->plan->flood = "HTTP/1.1 100 Continue\r\n\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void http_switch(struct answer *a, FILE *out)
{
	fputs("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", out);
	whole(a, out);
}

static void http_not_modified(struct answer *a, FILE *out)
{
	status_only(a, out, 304, NULL);
}

static void validated(struct answer *a, FILE *out, const char *line, bool current)
{
	a->plan->not_modified = current;
	head(a, out, current ? 304 : 200, OCSP_TYPE, line);
	if (!current)
		fprintf(out, "Content-Length: %zu\r\n", a->n);
	head_end(a, out);
	if (!current)
		whole(a, out);
}

static void http_etag(struct answer *a, FILE *out)
{
	validated(a, out, "ETag: " ETAG "\r\n", a->ask->etag && !strcmp(a->ask->etag, ETAG));
}

static void http_modified(struct answer *a, FILE *out)
{
	validated(a, out, "Last-Modified: " LAST_MODIFIED "\r\n",
		  a->ask->since && !strcmp(a->ask->since, LAST_MODIFIED));
}

static void redirect(struct answer *a, FILE *out, const char *location)
{
	int status = a->row->status ? a->row->status : 302;

	head(a, out, status, NO_TYPE, NULL);
	if (location)
		fprintf(out, "Location: %s\r\n", location);
	fputs("Content-Length: 0\r\n", out);
	head_end(a, out);
}

static void redirect_to(struct answer *a, FILE *out, const char *segment)
{
	char where[2048];

	snprintf(where, sizeof(where), "http://%s/%s%s", a->ask->host, segment, a->ask->tail);
	redirect(a, out, where);
}

static void http_redirect(struct answer *a, FILE *out)
{
	redirect_to(a, out, *a->arg ? a->arg : "ok");
}

/* As often as the number says, then well. */
static void http_chain(struct answer *a, FILE *out)
{
	char next[FAULT_SEGMENT_BYTES];

	snprintf(next, sizeof(next), "chain-%ld", a->num - 1);
	redirect_to(a, out, a->num > 1 ? next : "ok");
}

static void http_loop(struct answer *a, FILE *out)
{
	redirect_to(a, out, "loop");
}

static void http_redirect_relative(struct answer *a, FILE *out)
{
	char where[2048];

	snprintf(where, sizeof(where), "../x/./../ok%s", a->ask->tail);
	/* from "/segment/base64" the directory above is the root */
	redirect(a, out, where);
}

static void http_redirect_none(struct answer *a, FILE *out)
{
	redirect(a, out, NULL);
}

static void http_redirect_ftp(struct answer *a, FILE *out)
{
	redirect(a, out, "ftp://127.0.0.1/ok/");
}

static void http_redirect_file(struct answer *a, FILE *out)
{
	redirect(a, out, "file:///etc/passwd");
}

static void http_redirect_port(struct answer *a, FILE *out)
{
	redirect(a, out, "http://127.0.0.1:1/ok/");
}

static void http_redirect_user(struct answer *a, FILE *out)
{
	redirect(a, out, "http://user:word@127.0.0.1/ok/");
}

static void http_redirect_control(struct answer *a, FILE *out)
{
	redirect(a, out, "http://127.0.0.1/ok/\x01\x1b[2J\"\\");
}

static void http_redirect_long(struct answer *a, FILE *out)
{
	char where[8192];

	memset(where, 'a', sizeof(where) - 1);
	where[sizeof(where) - 1] = '\0';
	redirect(a, out, where);
}

/* ---- HTTP: lengths ---- */

static void with_length(struct answer *a, FILE *out, const char *lines)
{
	ok_head(a, out);
	fputs(lines, out);
	head_end(a, out);
	whole(a, out);
}

static void http_length_twice(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu\r\nContent-Length: %zu\r\n", a->n, a->n);
	with_length(a, out, l);
}

static void http_length_differ(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu\r\nContent-Length: %zu\r\n", a->n, a->n - 1);
	with_length(a, out, l);
}

static void http_length_list(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu, %zu\r\n", a->n, a->n - 1);
	with_length(a, out, l);
}

static void http_length_negative(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: -1\r\n");
}

static void http_length_blank(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: \r\n");
}

static void http_length_word(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: 0x100\r\n");
}

static void http_length_overflow(struct answer *a, FILE *out)
{
	/* 2 to the 64th plus 256: it would be 256 if it were let wrap around */
	with_length(a, out, "Content-Length: 18446744073709551872\r\n");
}

static void http_length_huge(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: 9223372036854775807\r\n");
}

static void length_off(struct answer *a, FILE *out, long by)
{
	char l[64];

	snprintf(l, sizeof(l), "Content-Length: %ld\r\n", (long)a->n + by);
	with_length(a, out, l);
}

static void http_length_short(struct answer *a, FILE *out)
{
	length_off(a, out, -10);
}

static void http_length_long(struct answer *a, FILE *out)
{
	length_off(a, out, 10);
}

static void http_length_and_chunked(struct answer *a, FILE *out)
{
	ok_head(a, out);
	fprintf(out, "Content-Length: %zu\r\nTransfer-Encoding: chunked\r\n", a->n);
	head_end(a, out);
	chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
}

/* ---- HTTP: chunks ---- */

static void chunked_head(struct answer *a, FILE *out)
{
	ok_head(a, out);
	fputs("Transfer-Encoding: chunked\r\n", out);
	head_end(a, out);
}

static void http_chunk_tiny(struct answer *a, FILE *out)
{
	size_t i;

	chunked_head(a, out);
	for (i = 0; i < a->n; i++)
		chunk(out, a->der + i, 1);
	fputs("0\r\n\r\n", out);
}

static void http_chunk_extension(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "%08zX;name=value;q=\"x\"\r\n", a->n);
	whole(a, out);
	fputs("\r\n0;last\r\nTrailer: yes\r\n\r\n", out);
}

static void http_chunk_overflow(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	/* the low 64 bits are the right size */
	fprintf(out, "1%016zx\r\n", a->n);
	whole(a, out);
	fputs("\r\n0\r\n\r\n", out);
}

static void http_chunk_negative(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "-%zx\r\n", a->n);
	whole(a, out);
	fputs("\r\n0\r\n\r\n", out);
}

static void http_chunk_lie(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "%zx\r\n", a->n - 5);
	whole(a, out);
	fputs("\r\n0\r\n\r\n", out);
}

static void http_chunk_word(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fputs("xyz\r\n", out);
	whole(a, out);
}

static void http_chunk_open(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	chunk(out, a->der, a->n);
}

static void http_chunk_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	a->plan->flood = "1\r\n0\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void http_chunk_size_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = ENDLESS;
}

static void http_trailer_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	chunk(out, a->der, a->n);
	fputs("0\r\n", out);
	a->plan->flood = "T: x\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void coded(struct answer *a, FILE *out, const char *coding)
{
	ok_head(a, out);
	fprintf(out, "Transfer-Encoding: %s\r\n", coding);
	head_end(a, out);
	chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
}

static void http_te_gzip(struct answer *a, FILE *out)
{
	coded(a, out, "gzip, chunked");
}

static void http_te_twice(struct answer *a, FILE *out)
{
	coded(a, out, "chunked, chunked");
}

static void http_te_word(struct answer *a, FILE *out)
{
	coded(a, out, "xchunked");
}

/* ---- HTTP: headers ---- */

static void lengthy(struct answer *a, FILE *out)
{
	fprintf(out, "Content-Length: %zu\r\n", a->n);
	head_end(a, out);
	whole(a, out);
}

static void http_header_lines(struct answer *a, FILE *out)
{
	long i;

	ok_head(a, out);
	for (i = 0; i < a->num; i++)
		fprintf(out, "X-%ld: v\r\n", i);
	lengthy(a, out);
}

static void http_header_long(struct answer *a, FILE *out)
{
	long i;

	ok_head(a, out);
	fputs("X-Long: ", out);
	for (i = 0; i < a->num; i++)
		fputc('x', out);
	fputs("\r\n", out);
	lengthy(a, out);
}

static void http_header_flood(struct answer *a, FILE *out)
{
	ok_head(a, out);
	a->plan->flood = "X-Flood: yes\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void http_line_flood(struct answer *a, FILE *out)
{
	ok_head(a, out);
	fputs("X-Flood: ", out);
	a->plan->flood = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
	a->plan->flood_bytes = ENDLESS;
}

static void odd_line(struct answer *a, FILE *out, const void *line, size_t n)
{
	ok_head(a, out);
	fwrite(line, 1, n, out);
	lengthy(a, out);
}

static void http_header_nul(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Nul: a\0b\r\n", 12);
}

static void http_header_no_colon(struct answer *a, FILE *out)
{
	odd_line(a, out, "nothing here\r\n", 14);
}

static void http_header_space(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Space : v\r\n", 13);
}

static void http_header_fold(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Fold: a\r\n b\r\n", 15);
}

static void http_header_cr(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Cr: a\rb\r\n", 11);
}

static void http_bare_lf(struct answer *a, FILE *out)
{
	fprintf(out, "HTTP/1.1 200 OK\nContent-Type: " OCSP_TYPE "\nContent-Length: %zu\n\n", a->n);
	whole(a, out);
}

static void http_two_types(struct answer *a, FILE *out)
{
	ok_head(a, out);
	fputs("Content-Type: text/html\r\n", out);
	lengthy(a, out);
}

/* ---- HTTP: status lines ---- */

static void first_line(struct answer *a, FILE *out, const char *line)
{
	fprintf(out, "%s\r\nContent-Type: " OCSP_TYPE "\r\n", line);
	lengthy(a, out);
}

static void http_10(struct answer *a, FILE *out)
{
	fputs("HTTP/1.0 200 OK\r\nContent-Type: " OCSP_TYPE "\r\n", out);
	head_end(a, out);
	whole(a, out);
	a->plan->end = FAULT_CLOSE;
}

static void http_10_chunked(struct answer *a, FILE *out)
{
	fputs("HTTP/1.0 200 OK\r\nContent-Type: " OCSP_TYPE "\r\n"
	      "Transfer-Encoding: chunked\r\n", out);
	head_end(a, out);
	chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
	a->plan->end = FAULT_CLOSE;
}

static void http_09(struct answer *a, FILE *out)
{
	whole(a, out);
	a->plan->end = FAULT_CLOSE;
}

static void http_20(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/2.0 200 OK");
}

static void http_no_reason(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 200");
}

static void http_four_digits(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 2000 OK");
}

static void http_status_word(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 abc OK");
}

static void http_other_protocol(struct answer *a, FILE *out)
{
	first_line(a, out, "SSH-2.0-OpenSSH_9.2");
}

/* ---- HTTP: around the answer ---- */

static void http_endless(struct answer *a, FILE *out)
{
	ok_head(a, out);
	fputs("Content-Length: 4294967552\r\n", out);
	head_end(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = UINT64_C(4294967552);
}

static void http_endless_close(struct answer *a, FILE *out)
{
	ok_head(a, out);
	head_end(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = ENDLESS;
}

static void http_garbage_after(struct answer *a, FILE *out)
{
	http_usual(a, out);
	fputs("\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", out);
}

static void http_flood_after(struct answer *a, FILE *out)
{
	http_usual(a, out);
	a->plan->flood = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void http_crlf_before(struct answer *a, FILE *out)
{
	fputs("\r\n", out);
	http_usual(a, out);
}

/* ---- the table ---- */

#define DAY PKI_DAY_S
#define GOOD "good"
#define REVOKED_CERT V_OCSP_CERTSTATUS_REVOKED
#define UNKNOWN_CERT V_OCSP_CERTSTATUS_UNKNOWN

static const struct fault table[] = {
	{ .name = "ok", .want = GOOD },

	/* TCP */
	{ .name = "slow", .want = GOOD, .num = 50, .delay_ms = -1 },
	{ .name = "hang", .cut = CUT_NOTHING, .end = FAULT_HANG,
	  .why = "connected, but no answer" },
	{ .name = "hang-header", .cut = CUT_HEADER, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "hang-body", .cut = CUT_BODY, .end = FAULT_HANG, .why = "answer not completed" },
	{ .name = "reset", .cut = CUT_NOTHING, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "reset-header", .cut = CUT_HEADER, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "reset-body", .cut = CUT_BODY, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "close", .cut = CUT_NOTHING, .end = FAULT_CLOSE,
	  .why = "closed before any answer" },
	{ .name = "close-header", .cut = CUT_HEADER, .end = FAULT_CLOSE,
	  .why = "closed within the header" },
	{ .name = "close-body", .cut = CUT_BODY, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "close-after", .want = GOOD, .end = FAULT_CLOSE },
	{ .name = "half", .cut = CUT_BODY, .end = FAULT_HALF, .why = "closed within the body" },
	{ .name = "half-after", .want = GOOD, .http = http_10, .end = FAULT_HALF },
	{ .name = "reset-after", .want = GOOD, .end = FAULT_RESET },
	{ .name = "hang-after", .want = GOOD, .end = FAULT_HANG },
	{ .name = "drip", .num = 100, .step = 1, .step_ms = -1, .why = "answer not completed" },
	{ .name = "drip-slow", .num = 2000, .step = 1, .step_ms = -1,
	  .why = "answer not completed" },
	{ .name = "pieces", .want = GOOD, .num = 5, .step = 40, .step_ms = -1 },
	{ .name = "refuse", .server = FAULT_REFUSE, .why = "Connection refused" },
	{ .name = "blackhole", .server = FAULT_BLACKHOLE, .why = "no answer" },
	{ .name = "silent", .server = FAULT_SILENT, .why = "connected, but no answer" },

	/* TCP: answers to the connection, whatever will be asked */
	{ .name = "early", .want = GOOD, .server = FAULT_EARLY },
	{ .name = "early-status", .num = 500, .http = http_status, .server = FAULT_EARLY,
	  .why = "status 500" },
	{ .name = "early-banner", .http = http_other_protocol, .server = FAULT_EARLY,
	  .why = "not an HTTP/1 status line" },
	{ .name = "early-hang", .cut = CUT_BODY, .end = FAULT_HANG, .server = FAULT_EARLY,
	  .why = "answer not completed" },
	{ .name = "early-flood", .http = http_continue_flood, .server = FAULT_EARLY,
	  .why = "header is longer" },

	/* TLS */
	{ .name = "tls", .want = GOOD, .server = FAULT_TLS },
	{ .name = "tls-chunked", .want = GOOD, .form = FORM_CHUNKED, .server = FAULT_TLS },
	{ .name = "tls-cut", .cut = CUT_BODY, .end = FAULT_CLOSE, .server = FAULT_TLS,
	  .why = "closed within the body" },
	{ .name = "tls-big", .num = 300000, .body = body_zeros, .server = FAULT_TLS,
	  .why = "body is longer" },
	{ .name = "tls-silent", .cut = CUT_NOTHING, .end = FAULT_HANG, .server = FAULT_TLS,
	  .why = "connected, but no answer" },
	{ .name = "tls-wrong-name", .server = FAULT_TLS_WRONG_NAME, .why = "mismatch" },
	{ .name = "tls-expired", .server = FAULT_TLS_EXPIRED,
	  .why = "TLS handshake: certificate: certificate has expired" },
	{ .name = "tls-unknown-ca", .server = FAULT_TLS_UNKNOWN_CA,
	  .why = "TLS handshake: certificate: unable to get local issuer certificate" },
	{ .name = "tls-hang", .server = FAULT_TLS_HANG, .why = "TLS handshake not completed" },
	{ .name = "tls-plain", .server = FAULT_TLS_PLAIN, .why = "TLS handshake: " },
	{ .name = "plain-tls", .server = FAULT_PLAIN_TLS },

	/* HTTP: status */
	{ .name = "status", .num = 500, .http = http_status, .why = "status 500" },
	{ .name = "status-302", .num = 302, .http = http_status,
	  .why = "redirect without a Location" },
	{ .name = "status-400", .requests = 2, .num = 400, .http = http_status,
	  .why = "status 400" },
	{ .name = "status-403", .num = 403, .http = http_status, .why = "status 403" },
	{ .name = "status-404", .requests = 2, .num = 404, .http = http_status,
	  .why = "status 404" },
	{ .name = "status-429", .num = 429, .http = http_status, .why = "status 429" },
	{ .name = "status-501", .requests = 2, .num = 501, .http = http_status,
	  .why = "status 501" },
	{ .name = "status-600", .num = 600, .http = http_status, .why = "does not exist" },
	{ .name = "status-999", .num = 999, .http = http_status, .why = "does not exist" },
	{ .name = "get400", .requests = 2, .want = GOOD, .num = 400, .http = http_get },
	{ .name = "get403", .num = 403, .http = http_get, .why = "status 403" },
	{ .name = "get404", .requests = 2, .want = GOOD, .num = 404, .http = http_get },
	{ .name = "get501", .requests = 2, .want = GOOD, .num = 501, .http = http_get },
	{ .name = "get", .requests = 2, .want = GOOD, .num = 405, .http = http_get },
	{ .name = "post", .want = GOOD, .num = 405, .http = http_post },
	{ .name = "first", .num = 503, .http = http_first, .why = "status 503", .then = GOOD },
	{ .name = "continue", .want = GOOD, .num = 1, .http = http_continue },
	{ .name = "continue-flood", .http = http_continue_flood, .why = "header is longer" },
	{ .name = "switch", .http = http_switch, .why = "status 101" },
	{ .name = "created", .status = 201, .why = "status 201" },
	{ .name = "no-content", .num = 204, .http = http_status, .why = "status 204" },
	{ .name = "partial", .status = 206, .more = "Content-Range: bytes 0-9/10\r\n",
	  .why = "status 206" },
	{ .name = "not-modified", .http = http_not_modified, .why = "status 304" },
	{ .name = "etag", .want = GOOD, .http = http_etag },
	{ .name = "modified", .want = GOOD, .http = http_modified },

	/* HTTP: redirects */
	{ .name = "redirect", .requests = 2, .want = GOOD, .http = http_redirect },
	{ .name = "redirect301", .requests = 2, .want = GOOD, .status = 301,
	  .http = http_redirect },
	{ .name = "redirect303", .requests = 2, .want = GOOD, .status = 303,
	  .http = http_redirect },
	{ .name = "redirect307", .requests = 2, .want = GOOD, .status = 307,
	  .http = http_redirect },
	{ .name = "redirect308", .requests = 2, .want = GOOD, .status = 308,
	  .http = http_redirect },
	{ .name = "redirect300", .status = 300, .http = http_redirect, .why = "status 300" },
	{ .name = "redirect305", .status = 305, .http = http_redirect, .why = "status 305" },
	{ .name = "chain", .requests = 4, .want = GOOD, .num = 3, .http = http_chain },
	{ .name = "loop", .requests = 4, .http = http_loop, .why = "too many redirects" },
	{ .name = "redirect-relative", .requests = 2, .want = GOOD,
	  .http = http_redirect_relative },
	{ .name = "redirect-none", .http = http_redirect_none,
	  .why = "redirect without a Location" },
	{ .name = "redirect-ftp", .http = http_redirect_ftp,
	  .why = "URL is neither http:// nor https://" },
	{ .name = "redirect-file", .http = http_redirect_file,
	  .why = "URL is neither http:// nor https://" },
	{ .name = "redirect-port", .http = http_redirect_port, .why = "Connection refused" },
	{ .name = "redirect-user", .http = http_redirect_user,
	  .why = "URL holds user information" },
	{ .name = "redirect-control", .http = http_redirect_control,
	  .why = "control character 0x01" },
	{ .name = "redirect-long", .http = http_redirect_long,
	  .why = "Location is longer than 2048 bytes" },

	/* HTTP: content type and coding */
	{ .name = "no-type", .type = NO_TYPE, .why = "no content type" },
	{ .name = "wrong-type", .type = "text/html", .why = "content type text/html" },
	{ .name = "empty-type", .type = "", .why = "no content type" },
	{ .name = "longer-type", .type = OCSP_TYPE "x",
	  .why = "content type application/ocsp-responsex" },
	{ .name = "type-params", .want = GOOD, .type = OCSP_TYPE "; charset=utf-8; q=\"x;y\"" },
	{ .name = "type-case", .want = GOOD, .type = "Application/OCSP-Response" },
	{ .name = "two-types", .http = http_two_types, .why = "content type text/html" },
	{ .name = "gzip", .more = "Content-Encoding: gzip\r\n", .num = 200, .body = body_random,
	  .why = "Content-Encoding" },
	{ .name = "html", .body = body_html, .type = "text/html", .why = "content type text/html" },
	{ .name = "html-as-ocsp", .body = body_html, .why = "OCSP response" },

	/* HTTP: lengths */
	{ .name = "empty", .body = body_empty, .why = "empty body" },
	{ .name = "empty-chunked", .body = body_empty, .form = FORM_CHUNKED, .why = "empty body" },
	{ .name = "empty-close", .body = body_empty, .form = FORM_CLOSE, .why = "empty body" },
	{ .name = "until-close", .want = GOOD, .form = FORM_CLOSE },
	{ .name = "length-twice", .http = http_length_twice,
	  .why = "more than one Content-Length" },
	{ .name = "length-differ", .http = http_length_differ,
	  .why = "more than one Content-Length" },
	{ .name = "length-list", .http = http_length_list, .why = "malformed Content-Length" },
	{ .name = "length-negative", .http = http_length_negative,
	  .why = "malformed Content-Length" },
	{ .name = "length-blank", .http = http_length_blank, .why = "malformed Content-Length" },
	{ .name = "length-word", .http = http_length_word, .why = "malformed Content-Length" },
	{ .name = "length-overflow", .http = http_length_overflow, .why = "body is longer" },
	{ .name = "length-huge", .http = http_length_huge, .why = "body is longer" },
	{ .name = "length-short", .http = http_length_short, .why = "OCSP response" },
	{ .name = "length-long", .http = http_length_long, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "length-long-hang", .http = http_length_long, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "length-and-chunked", .http = http_length_and_chunked,
	  .why = "Content-Length beside Transfer-Encoding" },
	{ .name = "big", .num = 300000, .body = body_zeros, .why = "body is longer" },
	{ .name = "big-close", .num = 300000, .body = body_zeros, .form = FORM_CLOSE,
	  .why = "body is longer" },
	{ .name = "endless", .http = http_endless, .why = "body is longer" },
	{ .name = "endless-close", .http = http_endless_close, .why = "body is longer" },

	/* HTTP: chunks */
	{ .name = "chunked", .want = GOOD, .form = FORM_CHUNKED },
	{ .name = "chunk-tiny", .want = GOOD, .http = http_chunk_tiny },
	{ .name = "chunk-extension", .want = GOOD, .http = http_chunk_extension },
	{ .name = "chunk-overflow", .http = http_chunk_overflow, .why = "body is longer" },
	{ .name = "chunk-negative", .http = http_chunk_negative, .why = "malformed chunk size" },
	{ .name = "chunk-lie", .http = http_chunk_lie, .why = "chunk " },
	{ .name = "chunk-word", .http = http_chunk_word, .why = "malformed chunk size" },
	{ .name = "chunk-cut", .http = http_chunk_open, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "chunk-hang", .http = http_chunk_open, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "chunk-endless", .http = http_chunk_endless, .why = "body is longer" },
	{ .name = "chunk-size-endless", .http = http_chunk_size_endless,
	  .why = "header is longer" },
	{ .name = "trailer-endless", .http = http_trailer_endless,
	  .why = "header has more than 100" },
	{ .name = "te-gzip", .http = http_te_gzip, .why = "Transfer-Encoding is not just chunked" },
	{ .name = "te-twice", .http = http_te_twice,
	  .why = "Transfer-Encoding is not just chunked" },
	{ .name = "te-word", .http = http_te_word, .why = "Transfer-Encoding is not just chunked" },

	/* HTTP: header */
	{ .name = "header-lines", .want = GOOD, .num = 50, .http = http_header_lines },
	{ .name = "header-many", .num = 101, .http = http_header_lines,
	  .why = "header has more than 100" },
	{ .name = "header-long", .want = GOOD, .num = 8000, .http = http_header_long },
	{ .name = "header-too-long", .num = 17000, .http = http_header_long,
	  .why = "header is longer" },
	{ .name = "header-flood", .http = http_header_flood, .why = "header has more than 100" },
	{ .name = "line-flood", .http = http_line_flood, .why = "header is longer" },
	{ .name = "header-nul", .http = http_header_nul, .why = "control character 0x00" },
	{ .name = "header-no-colon", .http = http_header_no_colon, .why = "malformed header line" },
	{ .name = "header-space", .http = http_header_space, .why = "malformed header line" },
	{ .name = "header-fold", .http = http_header_fold, .why = "malformed header line" },
	{ .name = "header-cr", .http = http_header_cr, .why = "control character 0x0d" },
	{ .name = "bare-lf", .want = GOOD, .http = http_bare_lf },
	{ .name = "http10", .want = GOOD, .http = http_10 },
	{ .name = "http10-chunked", .http = http_10_chunked,
	  .why = "Transfer-Encoding in HTTP/1.0" },
	{ .name = "http09", .http = http_09, .why = "not an HTTP/1 status line" },
	{ .name = "http20", .http = http_20, .why = "not an HTTP/1 status line" },
	{ .name = "no-reason", .want = GOOD, .http = http_no_reason },
	{ .name = "four-digits", .http = http_four_digits, .why = "not an HTTP/1 status line" },
	{ .name = "status-word", .http = http_status_word, .why = "not an HTTP/1 status line" },
	{ .name = "other-protocol", .http = http_other_protocol,
	  .why = "not an HTTP/1 status line" },
	{ .name = "garbage-after", .want = GOOD, .http = http_garbage_after },
	{ .name = "flood-after", .want = GOOD, .http = http_flood_after },
	{ .name = "crlf-before", .http = http_crlf_before, .why = "not an HTTP/1 status line" },

	/* OCSP: the envelope */
	{ .name = "error", .num = OCSP_RESPONSE_STATUS_TRYLATER, .ocsp = ocsp_error,
	  .why = "tryLater" },
	{ .name = "error-body", .ocsp_status = OCSP_RESPONSE_STATUS_TRYLATER,
	  .body_beside_error = true,
	  .why = "tryLater" },
	{ .name = "random", .num = 300, .body = body_random, .why = "OCSP response" },
	{ .name = "zeros", .num = 300, .body = body_zeros, .why = "OCSP response" },
	{ .name = "truncate", .num = 100, .body = body_truncate, .why = "OCSP response" },
	{ .name = "cut", .num = 150, .body = body_truncate, .why = "OCSP response" },
	{ .name = "flip", .num = 800, .body = body_flip },
	{ .name = "trailing", .num = 1, .ocsp = ocsp_trailing, .why = "follow" },
	{ .name = "size", .want = GOOD, .num = 60000, .ocsp = ocsp_size },
	{ .name = "size-tls", .want = GOOD, .num = TLS_MAX_BYTES, .ocsp = ocsp_size },
	{ .name = "size-tls-over", .num = TLS_MAX_BYTES + 1, .ocsp = ocsp_size,
	  .why = "too long for a TLS handshake" },
	{ .name = "size-200k", .num = 200000, .ocsp = ocsp_size,
	  .why = "too long for a TLS handshake" },
	{ .name = "size-limit", .num = 256 * 1024, .ocsp = ocsp_size,
	  .why = "too long for a TLS handshake" },
	{ .name = "size-over", .num = 256 * 1024 + 1, .ocsp = ocsp_size, .why = "body is longer" },
	{ .name = "nonce", .want = GOOD, .nonce = "0123456789abcdef" },

	/* OCSP: what it says, and of whom */
	{ .name = "revoked", .want = "revoked", .cert_status = REVOKED_CERT },
	{ .name = "later-revoked", .want = GOOD, .ocsp = ocsp_later_revoked, .then = "revoked" },
	{ .name = "unknown", .cert_status = UNKNOWN_CERT, .why = "unknown" },
	{ .name = "wrong-cert", .ocsp = ocsp_wrong_cert, .why = "certificate" },
	{ .name = "wrong-issuer", .ocsp = ocsp_wrong_issuer, .why = "certificate" },
	{ .name = "no-single", .ocsp = ocsp_none, .why = "certificate" },
	{ .name = "several-first", .want = GOOD, .ocsp = ocsp_several_first },
	{ .name = "several-middle", .want = GOOD, .ocsp = ocsp_several_middle },
	{ .name = "several-last", .want = GOOD, .ocsp = ocsp_several_last },
	{ .name = "several-others", .ocsp = ocsp_several_others, .why = "certificate" },
	{ .name = "sha256", .want = GOOD, .ocsp = ocsp_sha256 },
	{ .name = "sha512", .want = GOOD, .ocsp = ocsp_sha512 },
	{ .name = "two-digests", .want = GOOD, .ocsp = ocsp_two_digests },
	{ .name = "expired-and-valid", .want = GOOD, .ocsp = ocsp_expired_and_valid },

	/* OCSP: when */
	{ .name = "expired", .this_s = -10 * DAY, .next_s = -DAY, .why = "nextUpdate" },
	{ .name = "future", .this_s = DAY, .next_s = 2 * DAY, .why = "thisUpdate" },
	{ .name = "ahead", .want = GOOD, .this_s = 240, .next_s = DAY },
	{ .name = "reversed", .this_s = -3600, .next_s = -7200, .why = "nextUpdate" },
	{ .name = "no-next", .no_next = true, .why = "nextUpdate" },
	{ .name = "soon", .num = 120, .ocsp = ocsp_soon, .why = "nextUpdate" },
	{ .name = "long-ago", .want = GOOD, .this_s = -400 * DAY, .next_s = DAY },
	{ .name = "older", .want = GOOD, .ocsp = ocsp_older, .then = GOOD,
	  .then_why = "older than the held response" },
	{ .name = "until-2038", .want = GOOD, .next_at = YEAR_2038_S },
	{ .name = "until-2050", .want = GOOD, .next_at = YEAR_2050_S },
	{ .name = "until-9999", .want = GOOD, .next_at = YEAR_9999_S },

	/* OCSP: by whom */
	{ .name = "bad-signature", .bad_signature = true, .why = "signature " },
	{ .name = "by-key", .want = GOOD, .by_key = true },
	{ .name = "with-issuer", .want = GOOD, .with_issuer = true },
	{ .name = "delegate", .want = GOOD, .signer = PKI_BY_DELEGATE },
	{ .name = "delegate-key", .want = GOOD, .signer = PKI_BY_DELEGATE, .by_key = true },
	{ .name = "delegate-rsa", .want = GOOD, .signer = PKI_BY_DELEGATE_RSA },
	{ .name = "delegate-issuer", .want = GOOD, .signer = PKI_BY_DELEGATE, .with_issuer = true },
	{ .name = "delegate-absent", .signer = PKI_BY_DELEGATE, .no_certs = true,
	  .why = "signer " },
	{ .name = "delegate-bad", .signer = PKI_BY_DELEGATE, .bad_signature = true,
	  .why = "signature " },
	{ .name = "delegate-plain", .signer = PKI_BY_DELEGATE_PLAIN, .why = "usage" },
	{ .name = "delegate-expired", .signer = PKI_BY_DELEGATE_EXPIRED, .why = "expired" },
	{ .name = "delegate-future", .signer = PKI_BY_DELEGATE_FUTURE, .why = "not yet valid" },
	{ .name = "delegate-root", .signer = PKI_BY_DELEGATE_OF_ROOT, .why = "signer " },
	{ .name = "delegate-other", .signer = PKI_BY_DELEGATE_OF_OTHER, .why = "signer " },
	{ .name = "delegate-leaf", .signer = PKI_BY_DELEGATE_OF_LEAF, .why = "signer " },
	{ .name = "delegate-self", .signer = PKI_BY_DELEGATE_SELF, .why = "signer " },
	{ .name = "by-root", .signer = PKI_BY_ROOT, .why = "signer " },
	{ .name = "by-other", .signer = PKI_BY_OTHER, .why = "signer " },
	{ .name = "by-stranger", .signer = PKI_BY_STRANGER, .why = "signer " },
	{ .name = "by-impostor", .signer = PKI_BY_IMPOSTOR, .no_certs = true, .why = "signature " },
	{ .name = "by-impostor-cert", .signer = PKI_BY_IMPOSTOR, .why = "signer " },
	{ .name = "by-alias", .signer = PKI_BY_ALIAS, .no_certs = true, .why = "signer " },
	{ .name = "by-leaf", .signer = PKI_BY_LEAF, .why = "signer " },
};

#define ROWS (sizeof(table) / sizeof(table[0]))

/* Rows that are another one with a number: a response that ends after so many bytes, or with the
 * bit of that number turned over. The numbers are spread over the shortest response there is.
 */
#define SAMPLES 32
#define SAMPLE_DER_BYTES 256

static struct sample {
	struct fault row;
	char name[16];
} samples[2 * SAMPLES];

static void samples_make(void)
{
	size_t i;

	for (i = 0; i < 2 * SAMPLES; i++) {
		if (i < SAMPLES)
			snprintf(samples[i].name, sizeof(samples[i].name), "cut-%zu",
				 i * SAMPLE_DER_BYTES / SAMPLES);
		else
			/* each bit of a byte has its turn */
			snprintf(samples[i].name, sizeof(samples[i].name), "flip-%zu",
				 (i - SAMPLES) * 8 * SAMPLE_DER_BYTES / SAMPLES + i % 8);
		samples[i].row = *fault_find(samples[i].name);
		samples[i].row.name = samples[i].name;
	}
	samples[0].row.why = "empty body";
}

const struct fault *fault_row(size_t i)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (i < ROWS)
		return &table[i];
	pthread_once(&once, samples_make);
	return i - ROWS < 2 * SAMPLES ? &samples[i - ROWS].row : NULL;
}

const char *fault_name(const struct fault *f)
{
	return f->name;
}

const char *fault_want(const struct fault *f, bool again)
{
	return again && f->then ? f->then : f->want;
}

const char *fault_why(const struct fault *f, bool again)
{
	return again && f->then ? f->then_why : f->why;
}

enum fault_server fault_server(const struct fault *f)
{
	return f->server;
}

unsigned fault_requests(const struct fault *f)
{
	if (f->requests)
		return f->requests;
	switch (f->server) {
	case FAULT_PLAIN:
	case FAULT_EARLY:
	case FAULT_TLS:
		return 1;
	case FAULT_REFUSE:
	case FAULT_BLACKHOLE:
	case FAULT_SILENT:
	case FAULT_TLS_WRONG_NAME:
	case FAULT_TLS_EXPIRED:
	case FAULT_TLS_UNKNOWN_CA:
	case FAULT_TLS_HANG:
	case FAULT_TLS_PLAIN:
	case FAULT_PLAIN_TLS:
		return 0;
	}
	abort();
}

/* The longest row that is the segment or, followed by a hyphen, its beginning. */
const struct fault *fault_find(const char *segment)
{
	const struct fault *best = NULL;
	size_t i, n, most = 0;

	for (i = 0; i < ROWS; i++) {
		n = strlen(table[i].name);
		if (strncmp(segment, table[i].name, n) != 0 || n <= most)
			continue;
		if (segment[n] && segment[n] != '-')
			continue;
		best = &table[i];
		most = n;
	}
	return best;
}

static void answer_sign(struct answer *a)
{
	const struct fault *f = a->row;
	struct pki_single *s = &a->resp.singles[0];
	ASN1_INTEGER *serial = NULL;

	OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)a->ask->id);
	a->resp.n_singles = 1;
	s->serial = serial;
	s->status = f->cert_status;
	s->this_update = a->ask->now + (f->this_s || f->next_s ? f->this_s : -3600);
	s->next_update = a->ask->now + (f->this_s || f->next_s ? f->next_s : DAY);
	if (f->next_at)
		s->next_update = f->next_at;
	if (f->no_next)
		s->next_update = 0;
	a->resp.signer = f->signer;
	a->resp.status = f->ocsp_status;
	a->resp.no_certs = f->no_certs;
	a->resp.by_key = f->by_key;
	a->resp.with_issuer = f->with_issuer;
	a->resp.bad_signature = f->bad_signature;
	a->resp.body_beside_error = f->body_beside_error;
	a->resp.nonce = f->nonce;
	if (f->ocsp)
		f->ocsp(a);
	a->n = pki_response_make(a->pki, &a->der, &a->resp);
}

/* Which of our CAs was asked about; its certificates are answered for by itself. NULL: none. */
static const struct pki_id *asked_ca(struct pki *p, const OCSP_CERTID *id)
{
	static const enum pki_signer cas[] = {
		PKI_BY_ISSUER, PKI_BY_ROOT, PKI_BY_OTHER, PKI_BY_STRANGER, PKI_BY_IMPOSTOR,
	};
	ASN1_OBJECT *md = NULL;
	OCSP_CERTID *mine;
	size_t i;
	int differ;

	OCSP_id_get0_info(NULL, &md, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id);
	for (i = 0; i < sizeof(cas) / sizeof(cas[0]); i++) {
		mine = OCSP_cert_to_id(EVP_get_digestbyobj(md), NULL, p->by[cas[i]].cert);
		differ = !mine || OCSP_id_issuer_cmp(mine, id) != 0;
		OCSP_CERTID_free(mine);
		if (!differ)
			return &p->by[cas[i]];
	}
	return NULL;
}

static void answer_fill(struct answer *a)
{
	const struct pki_id *ca = a->ask->id ? asked_ca(a->pki, a->ask->id) : NULL;

	if (!a->ask->id) {
		a->resp.status = OCSP_RESPONSE_STATUS_MALFORMEDREQUEST;
		a->n = pki_response_make(a->pki, &a->der, &a->resp);
	} else if (!ca) {
		a->resp.status = OCSP_RESPONSE_STATUS_UNAUTHORIZED;
		a->n = pki_response_make(a->pki, &a->der, &a->resp);
	} else {
		a->resp.singles[0].issuer = ca->cert;
		if (a->row->signer == PKI_BY_ISSUER && ca != &a->pki->by[PKI_BY_ISSUER]) {
			a->resp.by = ca;
			a->resp.no_certs = true;
		}
		answer_sign(a);
	}
	if (a->row->body)
		a->row->body(a);
}

static void plan_cut(struct answer *a)
{
	struct fault_plan *plan = a->plan;
	size_t head_bytes = a->head_bytes;

	switch (a->row->cut) {
	case CUT_NO:
		break;
	case CUT_NOTHING:
		plan->n = 0;
		break;
	case CUT_HEADER:
		plan->n = head_bytes / 2;
		break;
	case CUT_BODY:
		plan->n = head_bytes + (plan->n - head_bytes) / 2;
		break;
	}
}

static void answer_write(struct answer *a)
{
	struct fault_plan *plan = a->plan;
	FILE *out = open_memstream(&plan->bytes, &plan->n);

	if (!out)
		abort();
	if (a->row->http)
		a->row->http(a, out);
	else
		http_usual(a, out);
	if (fclose(out) != 0)
		abort();
	plan_cut(a);
	if (a->row->end != FAULT_KEEP)
		plan->end = a->row->end;
	plan->delay_ms = a->row->delay_ms < 0 ? (int)a->num : a->row->delay_ms;
	plan->step = a->row->step;
	plan->step_ms = a->row->step_ms < 0 ? (int)a->num : a->row->step_ms;
}

static void not_found(struct answer *a)
{
	FILE *out = open_memstream(&a->plan->bytes, &a->plan->n);

	if (!out)
		abort();
	status_only(a, out, 404, NULL);
	if (fclose(out) != 0)
		abort();
}

/* Finds the row and what follows its name; false if there is none. */
static bool answer_begin(struct answer *a)
{
	a->row = fault_find(a->ask->segment);
	if (!a->row)
		return false;
	a->arg = a->ask->segment + strlen(a->row->name);
	if (*a->arg)
		a->arg++;
	a->num = isdigit((unsigned char)*a->arg) ? strtol(a->arg, NULL, 10) : a->row->num;
	answer_fill(a);
	return true;
}

void fault_plan_make(struct pki *p, struct fault_plan *plan, const struct fault_ask *ask)
{
	struct answer a = { .ask = ask, .pki = p, .plan = plan };

	memset(plan, 0, sizeof(*plan));
	plan->end = ask->keep ? FAULT_KEEP : FAULT_CLOSE;
	if (answer_begin(&a))
		answer_write(&a);
	else
		not_found(&a);
	free(a.der);
}

size_t fault_body_make(struct pki *p, uint8_t **der, const char *segment, X509 *cert)
{
	X509 *issuer = p->by[PKI_BY_ISSUER].cert;
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
	struct fault_ask ask = { .tail = "", .host = "", .id = id, .now = (int64_t)time(NULL) };
	struct answer a = { .ask = &ask, .pki = p };

	snprintf(ask.segment, sizeof(ask.segment), "%s", segment);
	if (!id || !answer_begin(&a))
		abort();
	OCSP_CERTID_free(id);
	*der = a.der;
	return a.n;
}

void fault_plan_fini(struct fault_plan *plan)
{
	free(plan->bytes);
	memset(plan, 0, sizeof(*plan));
}
