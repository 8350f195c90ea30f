/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_header.c - header lines and status lines: too many, too long, malformed, of another
 * protocol.
 */
#include <stdio.h>

#include "faults_row.h"

/* ---- header lines ---- */

void http_header_lines(struct answer *a, FILE *out)
{
	long i;

	answer_ok_head(a, out);
	for (i = 0; i < a->num; i++)
		fprintf(out, "X-%ld: v\r\n", i);
	answer_lengthy(a, out);
}

void http_header_long(struct answer *a, FILE *out)
{
	long i;

	answer_ok_head(a, out);
	fputs("X-Long: ", out);
	for (i = 0; i < a->num; i++)
		fputc('x', out);
	fputs("\r\n", out);
	answer_lengthy(a, out);
}

void http_header_flood(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	a->plan->flood = "X-Flood: yes\r\n";
	a->plan->flood_bytes = ENDLESS;
}

void http_line_flood(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	fputs("X-Flood: ", out);
	a->plan->flood = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
	a->plan->flood_bytes = ENDLESS;
}

static void odd_line(struct answer *a, FILE *out, const void *line, size_t n)
{
	answer_ok_head(a, out);
	fwrite(line, 1, n, out);
	answer_lengthy(a, out);
}

void http_header_nul(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Nul: a\0b\r\n", 12);
}

void http_header_no_colon(struct answer *a, FILE *out)
{
	odd_line(a, out, "nothing here\r\n", 14);
}

void http_header_space(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Space : v\r\n", 13);
}

void http_header_fold(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Fold: a\r\n b\r\n", 15);
}

void http_header_cr(struct answer *a, FILE *out)
{
	odd_line(a, out, "X-Cr: a\rb\r\n", 11);
}

void http_bare_lf(struct answer *a, FILE *out)
{
	fprintf(out, "HTTP/1.1 200 OK\nContent-Type: " OCSP_TYPE "\nContent-Length: %zu\n\n", a->n);
	answer_whole(a, out);
}

void http_two_types(struct answer *a, FILE *out)
{
	answer_ok_head(a, out);
	fputs("Content-Type: text/html\r\n", out);
	answer_lengthy(a, out);
}

/* ---- status lines ---- */

static void first_line(struct answer *a, FILE *out, const char *line)
{
	fprintf(out, "%s\r\nContent-Type: " OCSP_TYPE "\r\n", line);
	answer_lengthy(a, out);
}

void http_10(struct answer *a, FILE *out)
{
	fputs("HTTP/1.0 200 OK\r\nContent-Type: " OCSP_TYPE "\r\n", out);
	answer_head_end(a, out);
	answer_whole(a, out);
	a->plan->end = FAULT_CLOSE;
}

void http_10_chunked(struct answer *a, FILE *out)
{
	fputs("HTTP/1.0 200 OK\r\nContent-Type: " OCSP_TYPE "\r\n"
	      "Transfer-Encoding: chunked\r\n", out);
	answer_head_end(a, out);
	answer_chunk(out, a->der, a->n);
	fputs("0\r\n\r\n", out);
	a->plan->end = FAULT_CLOSE;
}

void http_09(struct answer *a, FILE *out)
{
	answer_whole(a, out);
	a->plan->end = FAULT_CLOSE;
}

void http_20(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/2.0 200 OK");
}

void http_no_reason(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 200");
}

void http_four_digits(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 2000 OK");
}

void http_status_word(struct answer *a, FILE *out)
{
	first_line(a, out, "HTTP/1.1 abc OK");
}

void http_other_protocol(struct answer *a, FILE *out)
{
	first_line(a, out, "SSH-2.0-OpenSSH_9.2");
}
