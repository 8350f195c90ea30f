/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_http.c - HTTP answers as such: how an answer is put together from head and body, what its
 * status may be, and what may stand around it. Faults of lines and lengths are in faults_header.c
 * and faults_framing.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "faults_row.h"

#define ETAG "\"v1\""
#define LAST_MODIFIED "Sun, 01 Nov 2020 00:00:00 GMT"
#define LONG_AGO_S INT64_C(1604188800) /* the same */
#define DATE_BYTES 40

/* ---- the parts of an answer ---- */

void answer_chunk(FILE *out, const void *p, size_t n)
{
	fprintf(out, "%zx\r\n", n);
	fwrite(p, 1, n, out);
	fputs("\r\n", out);
}

/* Writes <s> as header lines have it. */
static const char *http_date(char text[static DATE_BYTES], int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return text;
}

void answer_head(struct answer *a, FILE *out, int status, const char *type, const char *more)
{
	char date[DATE_BYTES];

	fprintf(out, "HTTP/1.1 %d Status\r\nDate: %s\r\n", status,
		http_date(date, a->date_s ? a->date_s : LONG_AGO_S));
	if (strcmp(type, NO_TYPE) != 0)
		fprintf(out, "Content-Type: %s\r\n", type);
	fputs(more ? more : "", out);
	if (a->ask->retry_after_s)
		fprintf(out, "Retry-After: %u\r\n", a->ask->retry_after_s);
	if (!a->ask->keep)
		fputs("Connection: close\r\n", out);
}

void answer_head_end(struct answer *a, FILE *out)
{
	fputs("\r\n", out);
	fflush(out);
	a->head_bytes = a->plan->n;
}

/* The head up to its last line but one: for answers whose framing is of another kind. */
void answer_ok_head(struct answer *a, FILE *out)
{
	answer_head(a, out, 200, OCSP_TYPE, NULL);
}

void answer_whole(struct answer *a, FILE *out)
{
	fwrite(a->der, 1, a->n, out);
}

void answer_lengthy(struct answer *a, FILE *out)
{
	fprintf(out, "Content-Length: %zu\r\n", a->n);
	answer_head_end(a, out);
	answer_whole(a, out);
}

void http_usual(struct answer *a, FILE *out)
{
	int status = a->row->status ? a->row->status : 200;

	answer_head(a, out, status, a->row->type ? a->row->type : OCSP_TYPE, a->row->more);
	if (a->row->form == FORM_LENGTH)
		fprintf(out, "Content-Length: %zu\r\n", a->n);
	else if (a->row->form == FORM_CHUNKED)
		fputs("Transfer-Encoding: chunked\r\n", out);
	answer_head_end(a, out);
	if (a->row->form == FORM_CHUNKED) {
		if (a->n)
			answer_chunk(out, a->der, a->n);
		fputs("0\r\n\r\n", out);
	} else if (a->row->form != FORM_NONE) {
		answer_whole(a, out);
	}
	if (a->row->form == FORM_CLOSE)
		a->plan->end = FAULT_CLOSE;
}

void answer_status(struct answer *a, FILE *out, int status, const char *more)
{
	static const char text[] = "no\n";

	answer_head(a, out, status, "text/plain", more);
	if (status == 204 || status == 304 || status < 200) {
		answer_head_end(a, out);
		return;
	}
	fprintf(out, "Content-Length: %zu\r\n", sizeof(text) - 1);
	answer_head_end(a, out);
	fputs(text, out);
}

/* ---- status ---- */

void http_status(struct answer *a, FILE *out)
{
	answer_status(a, out, (int)a->num, NULL);
}

/* GET is refused with the number, POST is answered well. */
void http_get(struct answer *a, FILE *out)
{
	if (a->ask->post)
		http_usual(a, out);
	else
		answer_status(a, out, (int)a->num, NULL);
}

void http_post(struct answer *a, FILE *out)
{
	if (!a->ask->post)
		http_usual(a, out);
	else
		answer_status(a, out, (int)a->num, NULL);
}

/* The first request is refused with the number, later ones are answered well. */
void http_first(struct answer *a, FILE *out)
{
	if (a->ask->nth)
		http_usual(a, out);
	else
		answer_status(a, out, (int)a->num, NULL);
}

void http_continue(struct answer *a, FILE *out)
{
	long i;

	for (i = 0; i < a->num; i++)
		fputs("HTTP/1.1 100 Continue\r\n\r\n", out);
	fputs("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", out);
	http_usual(a, out);
}

void http_continue_flood(struct answer *a, FILE *out)
{
	(void)out;
	a->plan->flood = "HTTP/1.1 100 Continue\r\n\r\n";
	a->plan->flood_bytes = ENDLESS;
}

void http_switch(struct answer *a, FILE *out)
{
	fputs("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", out);
	answer_whole(a, out);
}

void http_not_modified(struct answer *a, FILE *out)
{
	answer_status(a, out, 304, NULL);
}

static void validated(struct answer *a, FILE *out, const char *line, bool current)
{
	a->plan->not_modified = current;
	answer_head(a, out, current ? 304 : 200, OCSP_TYPE, line);
	if (!current)
		fprintf(out, "Content-Length: %zu\r\n", a->n);
	answer_head_end(a, out);
	if (!current)
		answer_whole(a, out);
}

void http_etag(struct answer *a, FILE *out)
{
	validated(a, out, "ETag: " ETAG "\r\n", a->ask->etag && !strcmp(a->ask->etag, ETAG));
}

void http_modified(struct answer *a, FILE *out)
{
	validated(a, out, "Last-Modified: " LAST_MODIFIED "\r\n",
		  a->ask->since && !strcmp(a->ask->since, LAST_MODIFIED));
}

/* What a cache needs to keep an answer, as RFC 9919 has responders send it; the number is for how
 * long it is fresh.
 */
void http_fresh(struct answer *a, FILE *out)
{
	int64_t signed_s = a->resp.singles[0].this_update;
	char etag[40], since[DATE_BYTES], until[DATE_BYTES], more[400];
	bool current;

	a->date_s = a->ask->now;
	snprintf(etag, sizeof(etag), "\"%lld\"", (long long)signed_s);
	http_date(since, signed_s);
	snprintf(more, sizeof(more),
		 "ETag: %s\r\nLast-Modified: %s\r\nExpires: %s\r\n"
		 "Cache-Control: max-age=%ld, public, no-transform, must-revalidate\r\n",
		 etag, since, http_date(until, a->ask->now + a->num), a->num);
	if (a->ask->etag)
		current = strstr(a->ask->etag, etag) != NULL;
	else
		current = a->ask->since && !strcmp(a->ask->since, since);
	validated(a, out, more, current);
}

/* ---- around the answer ---- */

void http_garbage_after(struct answer *a, FILE *out)
{
	http_usual(a, out);
	fputs("\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", out);
}

void http_garbage_before(struct answer *a, FILE *out)
{
	static const char garbage[] = "\x7f" "ELF\2\1\1\0\377\r\n";

	fwrite(garbage, 1, sizeof(garbage) - 1, out);
	http_usual(a, out);
}

void http_flood_after(struct answer *a, FILE *out)
{
	http_usual(a, out);
	a->plan->flood = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	a->plan->flood_bytes = ENDLESS;
}

void http_crlf_before(struct answer *a, FILE *out)
{
	fputs("\r\n", out);
	http_usual(a, out);
}
