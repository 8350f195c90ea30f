/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki.c - certificates, keys and OCSP responses, right and wrong ones, made in memory for tests.
 * Opens no socket and verifies nothing. What cannot be made ends the program with a message.
 */
#include "pki.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often an ECDSA signature is made anew to hit a wanted size: its DER varies by some bytes. */
#define SIZE_TRIES 400

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "pki: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

static EVP_PKEY *key_make(enum pki_algorithm a)
{
	EVP_PKEY *k = NULL;

	switch (a) {
	case PKI_EC_P256:
		k = EVP_EC_gen("P-256");
		break;
	case PKI_RSA_2048:
		k = EVP_RSA_gen(2048);
		break;
	case PKI_RSA_3072:
		k = EVP_RSA_gen(3072);
		break;
	}
	must(k != NULL, "key generation");
	return k;
}

static void ext_add(X509 *cert, X509 *signer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, signer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e != NULL, value);
	must(X509_add_ext(cert, e, -1), "X509_add_ext");
	X509_EXTENSION_free(e);
}

static void aia_push(AUTHORITY_INFO_ACCESS *aia, int method, const char *uri)
{
	ACCESS_DESCRIPTION *d = ACCESS_DESCRIPTION_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	must(d && s, "ACCESS_DESCRIPTION_new");
	must(ASN1_STRING_set(s, uri, (int)strlen(uri)), "ASN1_STRING_set");
	ASN1_OBJECT_free(d->method);
	d->method = OBJ_nid2obj(method);
	GENERAL_NAME_set0_value(d->location, GEN_URI, s);
	must(sk_ACCESS_DESCRIPTION_push(aia, d), "push");
}

static void aia_add(X509 *cert, const struct pki_cert *c)
{
	AUTHORITY_INFO_ACCESS *aia;
	size_t i;

	if (!c->uris[0] && !c->ca_issuers)
		return;
	aia = sk_ACCESS_DESCRIPTION_new_null();
	must(aia != NULL, "AIA");
	if (c->ca_issuers)
		aia_push(aia, NID_ad_ca_issuers, c->ca_issuers);
	for (i = 0; i < PKI_URIS_MAX && c->uris[i]; i++)
		aia_push(aia, NID_ad_OCSP, c->uris[i]);
	must(X509_add1_ext_i2d(cert, NID_info_access, aia, 0, X509V3_ADD_APPEND), "AIA");
	AUTHORITY_INFO_ACCESS_free(aia);
}

static void san_add(X509 *cert, X509 *signer, const struct pki_cert *c, const char *name)
{
	char san[512];

	if (c->ca && !c->san)
		return;
	if (c->san)
		snprintf(san, sizeof(san), "%s", c->san);
	else
		snprintf(san, sizeof(san), "DNS:%s", name);
	ext_add(cert, signer, NID_subject_alt_name, san);
}

static void exts_add(X509 *cert, X509 *signer, const struct pki_cert *c, const char *name)
{
	ext_add(cert, signer, NID_basic_constraints, c->ca ? "critical,CA:TRUE" : "CA:FALSE");
	ext_add(cert, signer, NID_key_usage,
		c->ca ? "critical,keyCertSign,cRLSign,digitalSignature"
		      : "critical,digitalSignature");
	ext_add(cert, signer, NID_subject_key_identifier, "hash");
	if (!c->self_signed)
		ext_add(cert, signer, NID_authority_key_identifier, "keyid");
	if (c->ocsp_signing)
		ext_add(cert, signer, NID_ext_key_usage, "OCSPSigning");
	if (c->must_staple && c->must_staple_v2)
		ext_add(cert, signer, NID_tlsfeature, "status_request,status_request_v2");
	else if (c->must_staple)
		ext_add(cert, signer, NID_tlsfeature, "status_request");
	else if (c->must_staple_v2)
		ext_add(cert, signer, NID_tlsfeature, "status_request_v2");
	if (!c->ocsp_signing)
		san_add(cert, signer, c, name);
	aia_add(cert, c);
}

static void serial_set(X509 *cert, uint64_t serial)
{
	uint8_t b[8];
	size_t i;

	if (!serial) {
		must(RAND_bytes(b, sizeof(b)) == 1, "RAND_bytes");
		for (i = 0; i < sizeof(b); i++)
			serial = serial << 8 | b[i];
		/* positive, and of a length that does not vary */
		serial = (serial >> 2) | (UINT64_C(1) << 61);
	}
	must(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial), "serial");
}

static void validity_set(X509 *cert, const struct pki_cert *c, int64_t now)
{
	int64_t begin = c->begin, end = c->end;

	if (!begin && !end) {
		begin = -(int64_t)PKI_DAY_S;
		end = 365 * (int64_t)PKI_DAY_S;
	}
	must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now + begin)) != NULL, "notBefore");
	must(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now + end)) != NULL, "notAfter");
}

void pki_cert_make(struct pki *p, struct pki_id *out, const struct pki_cert *c)
{
	const struct pki_id *by = c->signer ? c->signer : &p->by[PKI_BY_ISSUER];
	const char *name = c->name ? c->name : "leaf.test";
	X509 *cert = X509_new(), *signer;
	EVP_PKEY *key, *with;
	X509_NAME *n;

	must(cert != NULL, "X509_new");
	if (c->key)
		must(EVP_PKEY_up_ref(c->key), "EVP_PKEY_up_ref");
	key = c->key ? c->key : key_make(c->algorithm);
	signer = c->self_signed ? cert : by->cert;
	with = c->self_signed ? key : by->key;

	must(X509_set_version(cert, X509_VERSION_3), "version");
	serial_set(cert, c->serial);
	validity_set(cert, c, p->now);
	n = X509_get_subject_name(cert);
	must(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
					0), "subject");
	must(X509_set_issuer_name(cert, X509_get_subject_name(signer)), "issuer name");
	must(X509_set_pubkey(cert, key), "public key");
	exts_add(cert, signer, c, name);
	must(X509_sign(cert, with, EVP_sha256()), "X509_sign");
	out->cert = cert;
	out->key = key;
}

void pki_cert_fini(struct pki_id *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	id->cert = NULL;
	id->key = NULL;
}

/* The signers in an order in which each finds the one that signs it. */
static void signers_make(struct pki *p)
{
	const struct {
		enum pki_signer id, of;
		struct pki_cert c;
	} rows[] = {
		{ PKI_BY_ROOT, PKI_BY_ROOT,
		  { .name = "Test Root", .ca = true, .self_signed = true,
		    .begin = -90 * (int64_t)PKI_DAY_S, .end = 3650 * (int64_t)PKI_DAY_S } },
		{ PKI_BY_ISSUER, PKI_BY_ROOT,
		  { .name = "Test Issuer", .ca = true,
		    .begin = -60 * (int64_t)PKI_DAY_S, .end = 1825 * (int64_t)PKI_DAY_S } },
		{ PKI_BY_OTHER, PKI_BY_ROOT, { .name = "Test Other CA", .ca = true } },
		{ PKI_BY_STRANGER, PKI_BY_ROOT,
		  { .name = "Test Stranger", .ca = true, .self_signed = true } },
		{ PKI_BY_IMPOSTOR, PKI_BY_ROOT, { .name = "Test Issuer", .ca = true } },
		{ PKI_BY_LEAF, PKI_BY_ISSUER, { .name = "signer.test" } },
		{ PKI_BY_DELEGATE, PKI_BY_ISSUER,
		  { .name = "Test Delegate", .ocsp_signing = true } },
		{ PKI_BY_DELEGATE_PLAIN, PKI_BY_ISSUER, { .name = "Test Delegate Plain" } },
		{ PKI_BY_DELEGATE_EXPIRED, PKI_BY_ISSUER,
		  { .name = "Test Delegate Expired", .ocsp_signing = true,
		    .begin = -30 * (int64_t)PKI_DAY_S, .end = -(int64_t)PKI_DAY_S } },
		{ PKI_BY_DELEGATE_FUTURE, PKI_BY_ISSUER,
		  { .name = "Test Delegate Future", .ocsp_signing = true,
		    .begin = PKI_DAY_S, .end = 30 * (int64_t)PKI_DAY_S } },
		{ PKI_BY_DELEGATE_OF_ROOT, PKI_BY_ROOT,
		  { .name = "Test Delegate Of Root", .ocsp_signing = true } },
		{ PKI_BY_DELEGATE_OF_OTHER, PKI_BY_OTHER,
		  { .name = "Test Delegate Of Other", .ocsp_signing = true } },
		{ PKI_BY_DELEGATE_OF_LEAF, PKI_BY_LEAF,
		  { .name = "Test Delegate Of Leaf", .ocsp_signing = true } },
		{ PKI_BY_DELEGATE_SELF, PKI_BY_ROOT,
		  { .name = "Test Delegate Self", .ocsp_signing = true, .self_signed = true } },
		{ PKI_BY_DELEGATE_RSA, PKI_BY_ISSUER,
		  { .name = "Test Delegate RSA", .ocsp_signing = true,
		    .algorithm = PKI_RSA_2048 } },
	};
	struct pki_cert c;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c = rows[i].c;
		c.signer = &p->by[rows[i].of];
		pki_cert_make(p, &p->by[rows[i].id], &c);
	}
	c = (struct pki_cert){ .name = "Test Alias", .ca = true, .self_signed = true,
			       .key = p->by[PKI_BY_ISSUER].key };
	pki_cert_make(p, &p->by[PKI_BY_ALIAS], &c);
}

struct pki *pki_new(void)
{
	struct pki *p = calloc(1, sizeof(*p));

	must(p != NULL, "calloc");
	p->now = (int64_t)time(NULL);
	signers_make(p);
	return p;
}

void pki_free(struct pki *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < PKI_SIGNERS; i++)
		pki_cert_fini(&p->by[i]);
	free(p);
}

static ASN1_TIME *time_make(int64_t t)
{
	ASN1_TIME *a = ASN1_GENERALIZEDTIME_set(NULL, (time_t)t);

	must(a != NULL, "ASN1_GENERALIZEDTIME_set");
	return a;
}

static void single_add(struct pki *p, OCSP_BASICRESP *bs, const struct pki_single *s)
{
	X509 *issuer = s->issuer ? s->issuer : p->by[PKI_BY_ISSUER].cert;
	const ASN1_INTEGER *serial = s->serial ? s->serial : X509_get0_serialNumber(s->cert);
	ASN1_TIME *this_upd, *next_upd = NULL, *revoked = NULL;
	OCSP_CERTID *id;

	id = OCSP_cert_id_new(s->md ? s->md : EVP_sha1(), X509_get_subject_name(issuer),
			      X509_get0_pubkey_bitstr(issuer), serial);
	must(id != NULL, "OCSP_cert_id_new");
	this_upd = time_make(s->this_update);
	if (s->next_update)
		next_upd = time_make(s->next_update);
	if (s->status == V_OCSP_CERTSTATUS_REVOKED)
		revoked = time_make(s->revoked_at ? s->revoked_at : s->this_update);
	must(OCSP_basic_add1_status(bs, id, s->status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, revoked,
				    this_upd, next_upd) != NULL, "OCSP_basic_add1_status");
	OCSP_CERTID_free(id);
	ASN1_TIME_free(this_upd);
	ASN1_TIME_free(next_upd);
	ASN1_TIME_free(revoked);
}

/* Adds an extension of <n> bytes that nobody knows. */
static void blob_add(OCSP_BASICRESP *bs, size_t n, int critical)
{
	ASN1_OBJECT *obj = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *os = ASN1_OCTET_STRING_new();
	uint8_t *fill = calloc(1, n ? n : 1);
	X509_EXTENSION *e;

	must(obj && os && fill, "extension");
	must(ASN1_OCTET_STRING_set(os, fill, (int)n), "extension value");
	e = X509_EXTENSION_create_by_OBJ(NULL, obj, critical, os);
	must(e != NULL, "X509_EXTENSION_create_by_OBJ");
	must(OCSP_BASICRESP_add_ext(bs, e, -1), "OCSP_BASICRESP_add_ext");
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(os);
	ASN1_OBJECT_free(obj);
	free(fill);
}

static OCSP_BASICRESP *basic_make(struct pki *p, const struct pki_response *r, size_t pad)
{
	const struct pki_id *by = r->by ? r->by : &p->by[r->signer];
	OCSP_BASICRESP *bs = OCSP_BASICRESP_new();
	STACK_OF(X509) *more = NULL;
	unsigned long flags = 0;
	char nonce[64];
	size_t i;

	must(bs != NULL, "OCSP_BASICRESP_new");
	for (i = 0; i < r->n_singles; i++)
		single_add(p, bs, &r->singles[i]);
	if (r->nonce) {
		snprintf(nonce, sizeof(nonce), "%s", r->nonce);
		must(OCSP_basic_add1_nonce(bs, (unsigned char *)nonce, (int)strlen(nonce)),
		     "nonce");
	}
	if (r->critical_ext)
		blob_add(bs, 4, 1);
	if (pad)
		blob_add(bs, pad, 0);
	if (r->with_issuer) {
		more = sk_X509_new_null();
		must(more && sk_X509_push(more, p->by[PKI_BY_ISSUER].cert), "certificates");
	}
	/* who is known to the client anyway sends no certificate, as responders do */
	if (r->no_certs || (!r->by && r->signer == PKI_BY_ISSUER && !r->with_issuer))
		flags |= OCSP_NOCERTS;
	if (r->by_key)
		flags |= OCSP_RESPID_KEY;
	must(OCSP_basic_sign(bs, by->cert, by->key, EVP_sha256(), more, flags), "OCSP_basic_sign");
	sk_X509_free(more);
	return bs;
}

/* OpenSSL hands out the signature as const; it is ours, so it may be spoiled in place. */
static void signature_spoil(OCSP_BASICRESP *bs)
{
	const ASN1_OCTET_STRING *sig = OCSP_resp_get0_signature(bs);
	uint8_t *b = (uint8_t *)(uintptr_t)ASN1_STRING_get0_data(sig);

	b[ASN1_STRING_length(sig) - 1] ^= 1;
}

static size_t encode(struct pki *p, uint8_t **der, const struct pki_response *r, size_t pad)
{
	bool body = r->status == OCSP_RESPONSE_STATUS_SUCCESSFUL || r->body_beside_error;
	OCSP_BASICRESP *bs = body ? basic_make(p, r, pad) : NULL;
	unsigned char *out;
	OCSP_RESPONSE *resp;
	int n;

	if (bs && r->bad_signature)
		signature_spoil(bs);
	resp = OCSP_response_create(r->status, bs);
	must(resp != NULL, "OCSP_response_create");
	n = i2d_OCSP_RESPONSE(resp, NULL);
	must(n > 0, "i2d_OCSP_RESPONSE");
	out = calloc(1, (size_t)n + r->trailing);
	must(out != NULL, "calloc");
	*der = out;
	must(i2d_OCSP_RESPONSE(resp, &out) == n, "i2d_OCSP_RESPONSE");
	OCSP_RESPONSE_free(resp);
	OCSP_BASICRESP_free(bs);
	return (size_t)n;
}

size_t pki_response_make(struct pki *p, uint8_t **der, const struct pki_response *r)
{
	size_t n, pad = 0;
	unsigned tries;

	*der = NULL;
	n = encode(p, der, r, 0);
	if (!r->size)
		return n + r->trailing;
	must(r->size > n + 200, "padding: the size asked for");
	pad = r->size - n - 60;
	for (tries = 0; n != r->size && tries < SIZE_TRIES; tries++) {
		free(*der);
		n = encode(p, der, r, pad);
		/* signatures vary by a byte or two: correct coarsely, then draw again */
		if (n + 2 < r->size || n > r->size + 2)
			pad = pad + r->size - n;
	}
	must(n == r->size, "padding");
	return n + r->trailing;
}

size_t pki_response_good(struct pki *p, uint8_t **der, X509 *cert)
{
	struct pki_response r = {
		.n_singles = 1,
		.singles = { { .cert = cert, .this_update = p->now - 3600,
			       .next_update = p->now + PKI_DAY_S } },
	};

	return pki_response_make(p, der, &r);
}

void pki_pem_write(const char *path, X509 *const *certs, size_t n, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");
	size_t i;

	must(f != NULL, path);
	for (i = 0; i < n; i++)
		must(PEM_write_X509(f, certs[i]), path);
	if (key)
		must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), path);
	must(fclose(f) == 0, path);
}

char *pki_serial(const X509 *cert)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *s;

	must(bn != NULL, "serial");
	s = BN_bn2hex(bn);
	must(s != NULL, "serial");
	BN_free(bn);
	return s;
}
