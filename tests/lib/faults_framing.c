/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_framing.c - how long a body is said to be, and how long it is: Content-Length, chunks,
 * codings, and bodies without an end.
 */
#include <stdio.h>

#include "faults_row.h"

/* ---- lengths ---- */

static void with_length(struct answer *a, FILE *out, const char *lines)
{
	answer_ok_head(a, out);
	fputs(lines, out);
	answer_head_end(a, out);
	answer_whole(a, out);
}

void http_length_twice(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu\r\nContent-Length: %zu\r\n", a->n, a->n);
	with_length(a, out, l);
}

void http_length_differ(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu\r\nContent-Length: %zu\r\n", a->n, a->n - 1);
	with_length(a, out, l);
}

void http_length_list(struct answer *a, FILE *out)
{
	char l[128];

	snprintf(l, sizeof(l), "Content-Length: %zu, %zu\r\n", a->n, a->n - 1);
	with_length(a, out, l);
}

void http_length_negative(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: -1\r\n");
}

void http_length_blank(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: \r\n");
}

void http_length_word(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: 0x100\r\n");
}

void http_length_overflow(struct answer *a, FILE *out)
{
	/* 2 to the 64th plus 256: it would be 256 if it were let wrap around */
	with_length(a, out, "Content-Length: 18446744073709551872\r\n");
}

void http_length_huge(struct answer *a, FILE *out)
{
	with_length(a, out, "Content-Length: 9223372036854775807\r\n");
}

static void length_off(struct answer *a, FILE *out, long by)
{
	char l[64];

	snprintf(l, sizeof(l), "Content-Length: %ld\r\n", (long)a->n + by);
	with_length(a, out, l);
}

void http_length_short(struct answer *a, FILE *out)
{
	length_off(a, out, -10);
}

void http_length_long(struct answer *a, FILE *out)
{
	length_off(a, out, 10);
}

void http_length_and_chunked(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	fprintf(out, "Content-Length: %zu\r\nTransfer-Encoding: chunked\r\n", a->n);
	answer_head_end(a, out);
	answer_chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
}

void http_endless(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	fputs("Content-Length: 4294967552\r\n", out);
	answer_head_end(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = UINT64_C(4294967552);
}

void http_endless_close(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	answer_head_end(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = ENDLESS;
}
/* ---- chunks ---- */

static void chunked_head(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	fputs("Transfer-Encoding: chunked\r\n", out);
	answer_head_end(a, out);
}

void http_chunk_tiny(struct answer *a, FILE *out)
{
	size_t i;

	chunked_head(a, out);
	for (i = 0; i < a->n; i++)
		answer_chunk(out, a->der + i, 1);
	fputs("0\r\n\r\n", out);
}

void http_chunk_extension(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "%08zX;name=value;q=\"x\"\r\n", a->n);
	answer_whole(a, out);
	fputs("\r\n0;last\r\nTrailer: yes\r\n\r\n", out);
}

void http_chunk_overflow(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	/* the low 64 bits are the right size */
	fprintf(out, "1%016zx\r\n", a->n);
	answer_whole(a, out);
	fputs("\r\n0\r\n\r\n", out);
}

void http_chunk_negative(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "-%zx\r\n", a->n);
	answer_whole(a, out);
	fputs("\r\n0\r\n\r\n", out);
}

void http_chunk_lie(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fprintf(out, "%zx\r\n", a->n);
	answer_whole(a, out);
	fputs("more\r\n0\r\n\r\n", out);
}

void http_chunk_word(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	fputs("xyz\r\n", out);
	answer_whole(a, out);
}

void http_chunk_open(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	answer_chunk(out, a->der, a->n);
}

void http_chunk_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	a->plan->flood = "1\r\n0\r\n";
	a->plan->flood_bytes = ENDLESS;
}

void http_chunk_size_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	a->plan->flood = "0000000000000000";
	a->plan->flood_bytes = ENDLESS;
}

void http_trailer_endless(struct answer *a, FILE *out)
{
	chunked_head(a, out);
	answer_chunk(out, a->der, a->n);
	fputs("0\r\n", out);
	a->plan->flood = "T: x\r\n";
	a->plan->flood_bytes = ENDLESS;
}

static void coded(struct answer *a, FILE *out, const char *coding)
{
	answer_ok_head(a, out);
	fprintf(out, "Transfer-Encoding: %s\r\n", coding);
	answer_head_end(a, out);
	answer_chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
}

void http_te_gzip(struct answer *a, FILE *out)
{
	coded(a, out, "gzip, chunked");
}

void http_te_twice(struct answer *a, FILE *out)
{
	coded(a, out, "chunked, chunked");
}

void http_te_word(struct answer *a, FILE *out)
{
	coded(a, out, "xchunked");
}
