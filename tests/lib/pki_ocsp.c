/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki_ocsp.c - who may sign OCSP responses, and how: keys, digests, dates, usages and encodings of
 * every kind, at the times that a test names. What cannot be made ends the program.
 */
#include "pki_ocsp.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "pki_ocsp: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

/* Returns a copy that free() frees. */
static uint8_t *copy(const void *p, size_t n)
{
	uint8_t *ret = malloc(n ? n : 1);

	must(ret != NULL, "malloc");
	memcpy(ret, p, n);
	return ret;
}

bool pki_ocsp_has(enum pki_kind kind)
{
	EVP_PKEY_CTX *ctx;
	bool ret;

	if (kind != PKI_MLDSA65)
		return true;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "ML-DSA-65", NULL);
	ret = ctx && EVP_PKEY_keygen_init(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ret;
}

EVP_PKEY *pki_ocsp_key(enum pki_kind kind)
{
	EVP_PKEY *key = NULL;

	switch (kind) {
	case PKI_P256:
		key = EVP_EC_gen("P-256");
		break;
	case PKI_P384:
		key = EVP_EC_gen("P-384");
		break;
	case PKI_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case PKI_RSA2048:
		key = EVP_RSA_gen(2048);
		break;
	case PKI_RSA1024:
		key = EVP_RSA_gen(1024);
		break;
	case PKI_RSA768:
		key = EVP_RSA_gen(768);
		break;
	case PKI_MLDSA65:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-65");
		break;
	}
	must(key != NULL, "key");
	return key;
}

static const EVP_MD *digest(const EVP_PKEY *key, enum pki_sig sig)
{
	switch (sig) {
	case PKI_SIG_USUAL:
		if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ML-DSA-65"))
			return NULL;
		return EVP_sha256();
	case PKI_SIG_SHA384:
		return EVP_sha384();
	case PKI_SIG_SHA512:
		return EVP_sha512();
	case PKI_SIG_SHA1:
	case PKI_SIG_PSS_SHA1:
		return EVP_sha1();
	case PKI_SIG_MD5:
		return EVP_md5();
	case PKI_SIG_PSS:
		return EVP_sha256();
	}
	abort();
}

/* Returns a context that signs by <key>; the caller frees it. */
static EVP_MD_CTX *signing(EVP_PKEY *key, enum pki_sig sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;

	must(ctx && EVP_DigestSignInit(ctx, &how, digest(key, sig), NULL, key) == 1, "signing");
	if (sig == PKI_SIG_PSS || sig == PKI_SIG_PSS_SHA1)
		must(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) > 0
		     && EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) > 0, "PSS");
	return ctx;
}

static void ext_add(X509 *cert, X509 *authority, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, authority, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e && X509_add_ext(cert, e, -1), value);
	X509_EXTENSION_free(e);
}

static void exts_add(X509 *cert, const struct pki_ocsp_cert *c)
{
	ext_add(cert, cert, NID_subject_key_identifier, "hash");
	if (c->ca)
		ext_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	if (c->usage)
		ext_add(cert, cert, NID_key_usage, c->usage);
	if (c->extended)
		ext_add(cert, cert, NID_ext_key_usage, c->extended);
	if (c->nocheck)
		ext_add(cert, cert, NID_id_pkix_OCSP_noCheck, "ignored");
	if (c->authority)
		ext_add(cert, c->authority, NID_authority_key_identifier,
			"keyid:always,issuer:always");
}

void pki_ocsp_cert_make(struct pki_id *out, const struct pki_ocsp_cert *c)
{
	EVP_PKEY *key = c->key ? c->key : pki_ocsp_key(c->kind);
	X509 *cert = X509_new();
	EVP_MD_CTX *ctx;
	X509_NAME *name;

	must(cert != NULL, "X509_new");
	if (c->key)
		must(EVP_PKEY_up_ref(key), "EVP_PKEY_up_ref");
	name = X509_get_subject_name(cert);
	must(X509_set_version(cert, X509_VERSION_3)
	     && ASN1_INTEGER_set(X509_get_serialNumber(cert), c->serial)
	     && ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)c->begin)
	     && ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)c->end)
	     && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					   (const unsigned char *)c->name, -1, -1, 0)
	     && X509_set_issuer_name(cert, c->by ? X509_get_subject_name(c->by->cert) : name)
	     && X509_set_pubkey(cert, key), "certificate");
	exts_add(cert, c);
	ctx = signing(c->by ? c->by->key : key, c->sig);
	must(X509_sign_ctx(cert, ctx) > 0, "X509_sign_ctx");
	EVP_MD_CTX_free(ctx);
	out->cert = cert;
	out->key = key;
}

static void single_add(OCSP_BASICRESP *bs, const struct pki_single *s)
{
	OCSP_CERTID *id = OCSP_cert_to_id(s->md ? s->md : EVP_sha1(), s->cert, s->issuer);
	ASN1_TIME *begin = ASN1_GENERALIZEDTIME_set(NULL, (time_t)s->this_update);
	ASN1_TIME *end = ASN1_GENERALIZEDTIME_set(NULL, (time_t)s->next_update);

	must(id && begin && end, "single response");
	must(OCSP_basic_add1_status(bs, id, s->status, OCSP_REVOKED_STATUS_NOSTATUS,
				    s->status == V_OCSP_CERTSTATUS_REVOKED ? begin : NULL, begin,
				    end) != NULL, "OCSP_basic_add1_status");
	OCSP_CERTID_free(id);
	ASN1_TIME_free(begin);
	ASN1_TIME_free(end);
}

/* Returns the DER of <bs> as a successful response, for free(). */
static size_t encode(uint8_t **der, OCSP_BASICRESP *bs)
{
	OCSP_RESPONSE *resp = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, bs);
	unsigned char *out = NULL;
	int n = i2d_OCSP_RESPONSE(resp, &out);

	must(n > 0, "i2d_OCSP_RESPONSE");
	*der = copy(out, (size_t)n);
	OPENSSL_free(out);
	OCSP_RESPONSE_free(resp);
	return (size_t)n;
}

size_t pki_ocsp_response_make(uint8_t **der, const struct pki_ocsp_response *r)
{
	OCSP_BASICRESP *bs = OCSP_BASICRESP_new();
	EVP_MD_CTX *ctx = signing(r->by->key, r->sig);
	size_t i, n;

	must(bs != NULL, "OCSP_BASICRESP_new");
	for (i = 0; i < r->n_singles; i++)
		single_add(bs, &r->singles[i]);
	for (i = 0; i < PKI_OCSP_CERTS_MAX && r->certs[i]; i++)
		must(OCSP_basic_add1_cert(bs, r->certs[i]), "OCSP_basic_add1_cert");
	must(OCSP_basic_sign_ctx(bs, r->by->cert, ctx, NULL,
				 OCSP_NOCERTS | (r->by_key ? OCSP_RESPID_KEY : 0)),
	     "OCSP_basic_sign_ctx");
	n = encode(der, bs);
	EVP_MD_CTX_free(ctx);
	OCSP_BASICRESP_free(bs);
	return n;
}

size_t pki_ocsp_tbs(uint8_t **tbs, const uint8_t *der, size_t n)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
	OCSP_BASICRESP *bs = OCSP_response_get1_basic(resp);
	unsigned char *out = NULL;
	int len;

	must(bs != NULL, "basic response");
	/* OpenSSL's prototype lacks a const: nothing is changed. */
	len = ASN1_item_i2d((ASN1_VALUE *)(uintptr_t)OCSP_resp_get0_respdata(bs), &out,
			    ASN1_ITEM_rptr(OCSP_RESPDATA));
	must(len > 0, "ResponseData");
	*tbs = copy(out, (size_t)len);
	OPENSSL_free(out);
	OCSP_BASICRESP_free(bs);
	OCSP_RESPONSE_free(resp);
	return (size_t)len;
}

/* Puts <tag> and the length before the <n> bytes at <buf>. */
static size_t wrap(uint8_t *buf, size_t n, uint8_t tag)
{
	size_t head = n < 128 ? 2 : n < 256 ? 3 : 4;

	memmove(buf + head, buf, n);
	buf[0] = tag;
	buf[1] = (uint8_t)(n < 128 ? n : 0x80 + head - 2);
	if (head == 4)
		buf[2] = (uint8_t)(n >> 8);
	if (head > 2)
		buf[head - 1] = (uint8_t)n;
	return n + head;
}

/* Puts <n> bytes before the *len bytes at <buf>. */
static void prepend(uint8_t *buf, size_t *len, const void *p, size_t n)
{
	memmove(buf + n, buf, *len);
	memcpy(buf, p, n);
	*len += n;
}

size_t pki_ocsp_parts_make(uint8_t **der, const struct pki_ocsp_parts *p)
{
	static const uint8_t basic[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01,
					 0x01 };
	size_t n = (size_t)EVP_PKEY_get_size(p->key), room = p->tbs_n + p->certs_n + n + 1000;
	uint8_t *buf = calloc(1, room), *sig = calloc(1, n + 100);
	EVP_MD_CTX *ctx = signing(p->key, PKI_SIG_USUAL);

	must(buf && sig, "calloc");
	/* the first byte of a bit string: no unused bits */
	must(EVP_DigestSign(ctx, sig + 1, &n, p->tbs, p->tbs_n) == 1, "EVP_DigestSign");
	EVP_MD_CTX_free(ctx);
	n = wrap(sig, n + 1, 0x03);
	memcpy(buf, p->certs, p->certs_n);
	room = p->certs_n;
	prepend(buf, &room, sig, n);
	prepend(buf, &room, p->algorithm, p->algorithm_n);
	prepend(buf, &room, p->tbs, p->tbs_n);
	room = wrap(buf, room, 0x30);
	room = wrap(buf, room, 0x04);
	prepend(buf, &room, basic, sizeof(basic));
	room = wrap(buf, room, 0x30);
	room = wrap(buf, room, 0xa0);
	prepend(buf, &room, "\x0a\x01\x00", 3);
	room = wrap(buf, room, 0x30);
	free(sig);
	*der = buf;
	return room;
}
