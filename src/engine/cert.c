/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cert.c - makes and frees certificates, finds them by CertID, keeps what was seen of a try. */
#include "ocu/cert.h"

#include <openssl/err.h>

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ocu/signature.h"

struct ocu_certs {
	void *tree;    /* tsearch() */
	void *issuers; /* tsearch(), each with a reference */
	struct ocu_cert *first, *last;
	size_t n;
	LIST_HEAD(, ocu_certs_walk) walks;
};

/* ---- one ---- */

/* The texts of its URIs while they are collected. */
struct uris {
	struct ocu_cert *cert;
	struct ocu_buf bad;
	bool nomem;
};

#define BAD_URIS_MAX_BYTES 2048

static void bad_uri(struct uris *u, const char *uri, size_t n, const char *why)
{
	char text[129];
	size_t i, len = n < sizeof(text) ? n : sizeof(text) - 1;

	for (i = 0; i < len; i++)
		text[i] = uri[i] > ' ' && uri[i] < 0x7f && uri[i] != '"' ? uri[i] : '?';
	text[len] = '\0';
	if (ocu_buf_addf(&u->bad, "%s'%s': %s", u->bad.len ? ", " : "", text, why) == OCU_NOMEM)
		u->nomem = true;
}

static enum ocu_status add_uri(void *arg, const char *uri, size_t n)
{
	struct uris *u = arg;
	struct ocu_cert *c = u->cert;
	struct ocu_url url;
	struct ocu_err err;
	char text[OCU_URL_TEXT_BYTES];

	if (ocu_url_parse(&url, uri, n, &err) != OCU_OK) {
		bad_uri(u, uri, n, err.msg);
		return u->nomem ? OCU_NOMEM : OCU_OK;
	}
	/* As it is kept it may be some bytes longer, and is parsed again for each turn. */
	if (ocu_url_text(&url, text) > OCU_URL_MAX_BYTES) {
		bad_uri(u, uri, n, "URL is too long when it is complete");
		return u->nomem ? OCU_NOMEM : OCU_OK;
	}
	c->uris[c->n_uris].literal = url.literal;
	c->uris[c->n_uris].https = url.https;
	c->uris[c->n_uris].text = strdup(text);
	return c->uris[c->n_uris++].text ? OCU_OK : OCU_NOMEM;
}

/* Most certificates have one URI: what is kept is as long as needed. */
static enum ocu_status uris_fit(struct ocu_cert *c)
{
	struct ocu_uri *fit = calloc(c->n_uris + 1, sizeof(*fit));

	c->places = calloc(c->n_uris + 1, sizeof(*c->places));
	if (!fit || !c->places) {
		free(fit);
		return OCU_NOMEM;
	}
	memcpy(fit, c->uris, c->n_uris * sizeof(*fit));
	free(c->uris);
	c->uris = fit;
	return OCU_OK;
}

static enum ocu_status uris_read(struct ocu_cert *c)
{
	struct uris u = { .cert = c };
	enum ocu_status st;

	ocu_buf_init(&u.bad, BAD_URIS_MAX_BYTES);
	c->uris = calloc(OCU_OCSP_URIS_MAX, sizeof(*c->uris));
	st = c->uris ? ocu_ocsp_uris(c->x509, add_uri, &u) : OCU_NOMEM;
	if (st == OCU_OCSP)
		bad_uri(&u, "", 0, "the extension does not parse");
	if (u.bad.len && st != OCU_NOMEM) {
		c->bad_uris = strdup((const char *)u.bad.data);
		if (!c->bad_uris)
			st = OCU_NOMEM;
	}
	ocu_buf_fini(&u.bad);
	return st == OCU_NOMEM || u.nomem ? OCU_NOMEM : uris_fit(c);
}

static void cert_free(struct ocu_cert *c)
{
	size_t i;

	for (i = 0; c->uris && i < c->n_uris; i++)
		free(c->uris[i].text);
	free(c->uris);
	free(c->places);
	free(c->bad_uris);
	free(c->path);
	free(c->key);
	free(c->validators);
	free(c->result);
	free(c->trying);
	X509_free(c->x509);
	X509_free(c->issuer);
	free(c);
}

/* Returns the end of the life of <cert> in seconds since the epoch. */
static int64_t not_after(const X509 *cert)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) ? (int64_t)timegm(&tm) : INT64_MAX;
}

enum ocu_status ocu_cert_new(struct ocu_cert **out, const uint8_t *key, size_t key_len,
			     const char *path, X509 *cert, X509 *issuer)
{
	struct ocu_cert *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return OCU_NOMEM;
	c->refs = 1;
	X509_up_ref(cert);
	c->x509 = cert;
	X509_up_ref(issuer);
	c->issuer = issuer;
	c->must_staple = ocu_ocsp_must_staple(cert);
	c->not_after = not_after(cert);
	c->path = strdup(path);
	c->key = malloc(key_len ? key_len : 1);
	if (!c->path || !c->key || uris_read(c) != OCU_OK) {
		cert_free(c);
		return OCU_NOMEM;
	}
	memcpy(c->key, key, key_len);
	c->key_len = key_len;
	*out = c;
	return OCU_OK;
}

void ocu_cert_put(struct ocu_cert *c)
{
	if (c && --c->refs == 0)
		cert_free(c);
}

/* ---- what was seen ---- */

void ocu_cert_validators(struct ocu_cert *c, const struct ocu_http_validators *v, size_t uri)
{
	size_t etag = strlen(v->etag) + 1, date = strlen(v->last_modified) + 1;

	free(c->validators);
	c->validators = etag + date > 2 ? malloc(etag + date) : NULL;
	c->validators_uri = uri;
	if (!c->validators)
		return;
	memcpy(c->validators, v->etag, etag);
	memcpy(c->validators + etag, v->last_modified, date);
}

const char *ocu_cert_etag(const struct ocu_cert *c, size_t uri)
{
	return c->validators && c->validators_uri == uri && *c->validators ? c->validators : NULL;
}

const char *ocu_cert_last_modified(const struct ocu_cert *c, size_t uri)
{
	const char *date;

	if (!c->validators || c->validators_uri != uri)
		return NULL;
	date = c->validators + strlen(c->validators) + 1;
	return *date ? date : NULL;
}

/* ---- all ---- */

static int cert_cmp(const void *a, const void *b)
{
	const struct ocu_cert *x = a, *y = b;

	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return memcmp(x->key, y->key, x->key_len);
}

enum ocu_status ocu_certs_new(struct ocu_certs **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? OCU_OK : OCU_NOMEM;
}

static void issuer_free(void *x)
{
	X509_free(x);
}

void ocu_certs_free(struct ocu_certs *cs)
{
	if (cs)
		tdestroy(cs->issuers, issuer_free);
	free(cs);
}

static int issuer_cmp(const void *a, const void *b)
{
	return X509_cmp(a, b);
}

/* Returns the issuer <as>, which has signed <cert>, as all have it who name that one; NULL without
 * memory. It is a copy, so that what is kept with it is written before another thread knows it.
 */
static X509 *issuer_find(struct ocu_certs *cs, X509 *as, const X509 *cert)
{
	X509 **slot = tfind(as, &cs->issuers, issuer_cmp), *copy;

	if (slot)
		return *slot;
	copy = X509_dup(as);
	if (copy)
		ocu_signature_prepare(copy, cert);
	if (!copy || !tsearch(copy, &cs->issuers, issuer_cmp)) {
		X509_free(copy);
		return NULL;
	}
	return copy;
}

/* Gives <c> the object for its issuer that others have. There is a handful of issuers, each loaded
 * once for each certificate: what OpenSSL computes from a key is then computed once, and is in the
 * processor's cache when the next response is verified. Without memory <c> keeps its own.
 */
static void share_issuer(struct ocu_certs *cs, struct ocu_cert *c)
{
	X509 *issuer = issuer_find(cs, c->issuer, c->x509);

	if (issuer) {
		X509_up_ref(issuer);
		X509_free(c->issuer);
		c->issuer = issuer;
	}
	ERR_clear_error();
}

struct ocu_cert *ocu_certs_add(struct ocu_certs *cs, struct ocu_cert *c)
{
	struct ocu_cert **slot = tsearch(c, &cs->tree, cert_cmp);

	share_issuer(cs, c);
	if (!slot || *slot != c)
		return slot ? *slot : NULL;
	c->prev = cs->last;
	*(c->prev ? &c->prev->next : &cs->first) = c;
	cs->last = c;
	cs->n++;
	c->in_table = true;
	return c;
}

void ocu_certs_remove(struct ocu_certs *cs, struct ocu_cert *c)
{
	struct ocu_certs_walk *w;

	LIST_FOREACH(w, &cs->walks, link)
		if (w->next == c)
			w->next = c->next;
	tdelete(c, &cs->tree, cert_cmp);
	*(c->prev ? &c->prev->next : &cs->first) = c->next;
	*(c->next ? &c->next->prev : &cs->last) = c->prev;
	c->prev = c->next = NULL;
	cs->n--;
	c->in_table = false;
}

struct ocu_cert *ocu_certs_find(struct ocu_certs *cs, const uint8_t *key, size_t key_len)
{
	struct ocu_cert wanted = { .key = (uint8_t *)key, .key_len = key_len };
	struct ocu_cert **slot = tfind(&wanted, &cs->tree, cert_cmp);

	return slot ? *slot : NULL;
}

struct ocu_cert *ocu_certs_first(struct ocu_certs *cs)
{
	return cs->first;
}

size_t ocu_certs_count(const struct ocu_certs *cs)
{
	return cs->n;
}

void ocu_certs_walk_init(struct ocu_certs_walk *w, struct ocu_certs *cs)
{
	w->next = cs->first;
	LIST_INSERT_HEAD(&cs->walks, w, link);
}

void ocu_certs_walk_fini(struct ocu_certs_walk *w)
{
	LIST_REMOVE(w, link);
}

struct ocu_cert *ocu_certs_walk_next(struct ocu_certs_walk *w)
{
	struct ocu_cert *c = w->next;

	if (c)
		w->next = c->next;
	return c;
}
