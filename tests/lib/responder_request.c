/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_request.c - one request to a scripted responder: what it asks, and which answer it
 * gets.
 */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "responder_own.h"

#define HOLD "hold-"           /* before a segment: the answer waits */

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at;

	at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Decodes %XX in place; returns the length. */
static size_t percent_decode(char *s)
{
	size_t i, n = 0;

	for (i = 0; s[i]; i++) {
		if (s[i] == '%' && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
			s[n++] = (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
			i += 2;
		} else {
			s[n++] = s[i];
		}
	}
	s[n] = '\0';
	return n;
}

/* The DER of the request at the end of a GET's path; NULL if it is none. Freed by the caller. */
static uint8_t *get_der(const char *tail, size_t *n)
{
	const char *slash = strrchr(tail, '/');
	char *text = strdup(slash ? slash + 1 : tail);
	size_t len, pad = 0;
	uint8_t *der;
	int k;

	if (!text)
		responder_fatal("strdup");
	len = percent_decode(text);
	der = calloc(1, len + 4);
	if (!der)
		responder_fatal("calloc");
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	k = len && len % 4 == 0 ? EVP_DecodeBlock(der, (unsigned char *)text, (int)len) : -1;
	free(text);
	if (k < 0) {
		free(der);
		return NULL;
	}
	*n = (size_t)k - pad;
	return der;
}

static OCSP_REQUEST *ocsp_parse(struct request *q, const char *tail)
{
	OCSP_REQUEST *req = NULL;
	const uint8_t *p;
	uint8_t *der = NULL;
	size_t n = 0;

	if (!strcmp(q->method, "POST")) {
		p = q->body;
		n = q->body_n;
	} else {
		der = get_der(tail, &n);
		p = der;
	}
	if (p && n)
		req = d2i_OCSP_REQUEST(NULL, &p, (long)n);
	free(der);
	ERR_clear_error();
	return req;
}

static void request_line(struct request *q, char *line)
{
	char *sp = strchr(line, ' '), *end;
	static char none[] = "";

	q->method = line;
	q->target = none;
	q->keep = strstr(line, " HTTP/1.1") != NULL;
	if (!sp)
		return;
	*sp = '\0';
	q->target = sp + 1;
	end = strchr(q->target, ' ');
	if (end)
		*end = '\0';
	if (strncasecmp(q->target, "http://", 7) && strncasecmp(q->target, "https://", 8))
		return;
	q->absolute = true;
	q->target = strchr(strstr(q->target, "//") + 2, '/');
	if (!q->target)
		q->target = none;
}

static void request_header(struct request *q, char *line)
{
	char *v = strchr(line, ':');

	if (!v)
		return;
	*v++ = '\0';
	v += strspn(v, " \t");
	if (!strcasecmp(line, "host"))
		q->host = v;
	else if (!strcasecmp(line, "if-none-match"))
		q->etag = v;
	else if (!strcasecmp(line, "if-modified-since"))
		q->since = v;
	else if (!strcasecmp(line, "cache-control"))
		q->no_cache = strcasestr(v, "no-cache") != NULL;
	else if (!strcasecmp(line, "connection") && !strcasecmp(v, "close"))
		q->keep = false;
}

/* Cuts the <n> bytes of a head; the result points into q->text. */
void request_parse(struct request *q, const char *head, size_t n)
{
	char *line, *save = NULL;

	memset(q, 0, sizeof(*q));
	q->host = "localhost";
	q->text = strndup(head, n);
	if (!q->text)
		responder_fatal("strndup");
	line = strtok_r(q->text, "\r\n", &save);
	request_line(q, line ? line : q->text);
	while ((line = strtok_r(NULL, "\r\n", &save)))
		request_header(q, line);
}

/* The serial of the certificate asked for, as pki_serial() writes it; "?" if none was. */
static void serial_text(const OCSP_CERTID *id, char text[static SERIAL_BYTES])
{
	ASN1_INTEGER *serial = NULL;
	char *hex = NULL;
	BIGNUM *bn;

	if (id) {
		OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id);
		bn = ASN1_INTEGER_to_BN(serial, NULL);
		hex = bn ? BN_bn2hex(bn) : NULL;
		BN_free(bn);
	}
	snprintf(text, SERIAL_BYTES, "%s", hex ? hex : "?");
	OPENSSL_free(hex);
}

void request_answer(struct conn *c, struct request *q)
{
	struct responder *r = c->r;
	struct fault_ask ask = { .keep = q->keep, .host = q->host, .etag = q->etag,
				 .since = q->since, .now = (int64_t)time(NULL) };
	char serial[SERIAL_BYTES];
	OCSP_REQUEST *req;
	OCSP_ONEREQ *one;
	int delay_ms;
	size_t n;

	ask.post = !strcmp(q->method, "POST");
	n = *q->target ? strcspn(q->target + 1, "/?") : 0;
	snprintf(ask.segment, sizeof(ask.segment), "%.*s", (int)n, q->target + (n > 0));
	ask.tail = *q->target ? q->target + 1 + n : "";
	req = ocsp_parse(q, ask.tail);
	one = req ? OCSP_request_onereq_get0(req, 0) : NULL;
	ask.id = one ? OCSP_onereq_get0_id(one) : NULL;
	serial_text(ask.id, serial);

	pthread_mutex_lock(&r->lock);
	request_count(r, q, req, ask.id);
	ask.nth = seen_count(r, ask.segment, serial);
	script_apply(r, &ask, serial, q->no_cache, &delay_ms);
	c->held = !strncmp(ask.segment, HOLD, strlen(HOLD));
	if (c->held)
		memmove(ask.segment, ask.segment + strlen(HOLD),
			sizeof(ask.segment) - strlen(HOLD));
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);

	fault_plan_make(r->pki, &c->plan, &ask);
	c->plan.delay_ms += delay_ms;
	OCSP_REQUEST_free(req);
	if (c->plan.not_modified) {
		pthread_mutex_lock(&r->lock);
		r->st.not_modified++;
		pthread_mutex_unlock(&r->lock);
	}
	conn_answer(c);
}
