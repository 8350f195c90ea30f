/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_redirect.c - redirects, to good places and bad ones. */
#include <stdio.h>
#include <string.h>

#include "faults_row.h"

static void redirect(struct answer *a, FILE *out, const char *location)
{
	int status = a->row->status ? a->row->status : 302;

	answer_head(a, out, status, NO_TYPE, NULL);
	if (location)
		fprintf(out, "Location: %s\r\n", location);
	fputs("Content-Length: 0\r\n", out);
	answer_head_end(a, out);
}

static void redirect_to(struct answer *a, FILE *out, const char *segment)
{
	char where[2048];

	snprintf(where, sizeof(where), "http://%s/%s%s", a->ask->host, segment, a->ask->tail);
	redirect(a, out, where);
}

void http_redirect(struct answer *a, FILE *out)
{
	redirect_to(a, out, *a->arg ? a->arg : "ok");
}

/* As often as the number says, then well. */
void http_chain(struct answer *a, FILE *out)
{
	char next[FAULT_SEGMENT_BYTES];

	snprintf(next, sizeof(next), "chain-%ld", a->num - 1);
	redirect_to(a, out, a->num > 1 ? next : "ok");
}

void http_loop(struct answer *a, FILE *out)
{
	redirect_to(a, out, "loop");
}

void http_redirect_relative(struct answer *a, FILE *out)
{
	char where[2048];

	snprintf(where, sizeof(where), "../x/./../ok%s", a->ask->tail);
	/* from "/segment/base64" the directory above is the root */
	redirect(a, out, where);
}

void http_redirect_none(struct answer *a, FILE *out)
{
	redirect(a, out, NULL);
}

void http_redirect_ftp(struct answer *a, FILE *out)
{
	redirect(a, out, "ftp://127.0.0.1/ok/");
}

void http_redirect_file(struct answer *a, FILE *out)
{
	redirect(a, out, "file:///etc/passwd");
}

void http_redirect_port(struct answer *a, FILE *out)
{
	redirect(a, out, "http://127.0.0.1:1/ok/");
}

void http_redirect_user(struct answer *a, FILE *out)
{
	redirect(a, out, "http://user:word@127.0.0.1/ok/");
}

void http_redirect_control(struct answer *a, FILE *out)
{
	redirect(a, out, "http://127.0.0.1/ok/\x01\x1b[2J\"\\");
}

void http_redirect_long(struct answer *a, FILE *out)
{
	char where[8192];

	memset(where, 'a', sizeof(where) - 1);
	where[sizeof(where) - 1] = '\0';
	redirect(a, out, where);
}
