/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_signer.c - who may sign an OCSP response, how strong the signature has to be, how long a
 * response lives, and what encodings are taken: every kind of key, digest and certificate made
 * here, judged at a time that the tests name. test_ocsp.c has the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "edge.h"
#include "ocu/ocsp.h"
#include "ocu/signature.h"
#include "pki_ocsp.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z */
#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define YEAR (365 * DAY)
#define LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define SIGNING "critical,digitalSignature"

static struct pki_id root; /* RSA, so that it can sign in every way */

static int root_make(void **state)
{
	const struct pki_ocsp_cert c = { .name = "root", .kind = PKI_RSA2048, .serial = 1,
					 .begin = NOW - YEAR, .end = NOW + YEAR, .ca = true };

	(void)state;
	pki_ocsp_cert_make(&root, &c);
	return 0;
}

static int root_free(void **state)
{
	(void)state;
	pki_cert_fini(&root);
	return 0;
}

/* A CA with its leaf and a delegate. What is zero in a plan is as usual: P-256, SHA-256. */
struct plan {
	enum pki_kind ca;
	enum pki_sig ca_sig;       /* on the CA's certificate */
	bool ca_self;              /* the CA is a root */
	bool direct;               /* the CA signs the response, not a delegate */
	enum pki_kind kind;        /* of the delegate */
	enum pki_sig cert_sig;     /* on the delegate's certificate */
	const char *usage, *extended; /* of the delegate; NULL: SIGNING, OCSPSigning */
	bool no_usage, nocheck;
	enum pki_sig sig;          /* on the response */
	bool by_key;
	const EVP_MD *(*md)(void); /* of the CertID */
	int64_t end;               /* of the delegate; 0: in a year */
	int64_t next_update;       /* 0: in a day */
};

struct cast {
	struct pki_id ca, leaf, delegate;
	uint8_t *der;
	size_t n;
};

static void cast_certs(struct cast *c, const struct plan *p)
{
	const struct pki_ocsp_cert ca = {
		.name = "ca", .by = p->ca_self ? NULL : &root, .sig = p->ca_sig, .kind = p->ca,
		.serial = 2, .begin = NOW - YEAR, .end = NOW + YEAR, .ca = true };
	const struct pki_ocsp_cert leaf = {
		.name = "leaf", .by = &c->ca, .serial = 3, .begin = NOW - DAY, .end = NOW + DAY };
	const struct pki_ocsp_cert delegate = {
		.name = "delegate", .by = &c->ca, .sig = p->cert_sig, .kind = p->kind, .serial = 4,
		.begin = NOW - DAY, .end = p->end ? p->end : NOW + YEAR,
		.usage = p->no_usage ? NULL : p->usage ? p->usage : SIGNING,
		.extended = p->extended ? p->extended : "OCSPSigning", .nocheck = p->nocheck };

	pki_ocsp_cert_make(&c->ca, &ca);
	pki_ocsp_cert_make(&c->leaf, &leaf);
	pki_ocsp_cert_make(&c->delegate, &delegate);
}

static void cast_init(struct cast *c, const struct plan *p)
{
	struct pki_single s = { .this_update = NOW - HOUR, .md = p->md ? p->md() : NULL,
				.next_update = p->next_update ? p->next_update : NOW + DAY };
	struct pki_ocsp_response r = { .singles = &s, .n_singles = 1, .sig = p->sig,
				       .by_key = p->by_key };

	cast_certs(c, p);
	s.cert = c->leaf.cert;
	s.issuer = c->ca.cert;
	r.by = p->direct ? &c->ca : &c->delegate;
	r.certs[0] = p->direct ? NULL : c->delegate.cert;
	c->n = pki_ocsp_response_make(&c->der, &r);
}

static void cast_fini(struct cast *c)
{
	pki_cert_fini(&c->ca);
	pki_cert_fini(&c->leaf);
	pki_cert_fini(&c->delegate);
	free(c->der);
}

/* Verifies a copy of <der> at a page edge, and again with an issuer that is prepared for the
 * algorithm of <cert>, which makes no difference.
 */
static enum ocu_status verify(struct ocu_ocsp *out, const uint8_t *der, size_t n, X509 *cert,
			      X509 *issuer, int64_t now, struct ocu_err *err)
{
	X509 *prepared = X509_dup(issuer);
	uint8_t *edge = at_edge(der, n);
	struct ocu_err again = { 0 };
	struct ocu_ocsp same = *out;
	enum ocu_status ret;

	err->msg[0] = '\0';
	ret = ocu_ocsp_verify(out, edge, n, cert, issuer, now, err);
	assert_int_equal(ERR_peek_error(), 0);
	ocu_signature_prepare(prepared, cert);
	assert_int_equal(ocu_ocsp_verify(&same, edge, n, cert, prepared, now, &again), ret);
	assert_string_equal(again.msg, err->msg);
	assert_memory_equal(&same, out, sizeof(same));
	X509_free(prepared);
	edge_free(edge, n);
	return ret;
}

struct row {
	const char *what;
	struct plan plan;
	const char *why; /* NULL: accepted */
};

static void check_rows(const struct row *rows, size_t count)
{
	struct ocu_ocsp out;
	enum ocu_status got;
	struct ocu_err err;
	struct cast c;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!pki_ocsp_has(rows[i].plan.ca) || !pki_ocsp_has(rows[i].plan.kind)) {
			print_message("OpenSSL lacks the algorithm of: %s\n", rows[i].what);
			continue;
		}
		cast_init(&c, &rows[i].plan);
		got = verify(&out, c.der, c.n, c.leaf.cert, c.ca.cert, NOW, &err);
		if (got != (rows[i].why ? OCU_OCSP : OCU_OK))
			fail_msg("%s: %s: %s", rows[i].what, ocu_text(got), err.msg);
		if (rows[i].why && !strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].what, err.msg);
		cast_fini(&c);
	}
}

static void every_kind_is_accepted(void **state)
{
	static const struct row rows[] = {
		{ "P-256", { .direct = true }, NULL },
		{ "P-384", { .direct = true, .ca = PKI_P384, .sig = PKI_SIG_SHA384 }, NULL },
		{ "P-384 by key, SHA-384 CertID",
		  { .direct = true, .ca = PKI_P384, .by_key = true, .md = EVP_sha384 }, NULL },
		{ "Ed25519", { .direct = true, .ca = PKI_ED25519 }, NULL },
		{ "RSA", { .direct = true, .ca = PKI_RSA2048 }, NULL },
		{ "RSA-PSS", { .direct = true, .ca = PKI_RSA2048, .sig = PKI_SIG_PSS }, NULL },
		{ "RSA with SHA-512", { .direct = true, .ca = PKI_RSA2048, .sig = PKI_SIG_SHA512 },
		  NULL },
		{ "ML-DSA", { .direct = true, .ca = PKI_MLDSA65 }, NULL },
		{ "delegate ML-DSA", { .kind = PKI_MLDSA65 }, NULL },
		{ "delegate of ML-DSA", { .ca = PKI_MLDSA65 }, NULL },
		{ "a root", { .direct = true, .ca_self = true }, NULL },
		{ "delegate P-256", { .kind = PKI_P256 }, NULL },
		{ "delegate P-384, SHA-256 CertID", { .kind = PKI_P384, .md = EVP_sha256 }, NULL },
		{ "delegate Ed25519 by key", { .kind = PKI_ED25519, .by_key = true }, NULL },
		{ "delegate RSA-PSS", { .kind = PKI_RSA2048, .sig = PKI_SIG_PSS }, NULL },
		{ "delegate with a PSS certificate",
		  { .ca = PKI_RSA2048, .cert_sig = PKI_SIG_PSS }, NULL },
		{ "delegate of Ed25519", { .ca = PKI_ED25519, .kind = PKI_RSA2048 }, NULL },
		{ "delegate with nocheck", { .nocheck = true }, NULL },
		{ "delegate without key usage", { .no_usage = true }, NULL },
		{ "delegate with more usages",
		  { .usage = "digitalSignature,nonRepudiation,keyEncipherment",
		    .extended = "serverAuth,OCSPSigning" }, NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void who_may_not_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "key usage for other things", { .usage = "critical,keyEncipherment" },
		  "no digital signature usage" },
		{ "key usage of a CA", { .usage = "critical,keyCertSign,cRLSign" },
		  "no digital signature usage" },
		{ "key usage of a notary", { .usage = "nonRepudiation" },
		  "no digital signature usage" },
		{ "another usage", { .extended = "serverAuth", .nocheck = true },
		  "no OCSP signing usage" },
		{ "ended a second ago", { .end = NOW - 1 }, "certificate has expired" },
		{ "ends now", { .end = NOW }, "certificate has expired" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* SHA-1 has less than 80 bits for OpenSSL, RSA with 1024 bits has just them, 768 has less. */
static void strength(void **state)
{
	static const struct row rows[] = {
		{ "SHA-1", { .direct = true, .sig = PKI_SIG_SHA1 }, "signature is too weak: 6" },
		{ "MD5", { .direct = true, .ca = PKI_RSA2048, .sig = PKI_SIG_MD5 },
		  "signature is too weak: 39 bits of security" },
		{ "PSS with SHA-1", { .direct = true, .ca = PKI_RSA2048, .sig = PKI_SIG_PSS_SHA1 },
		  "signature is too weak: 6" },
		{ "SHA-1, the CA's own too",
		  { .direct = true, .sig = PKI_SIG_SHA1, .ca_sig = PKI_SIG_SHA1 }, NULL },
		{ "SHA-1, the root's own too",
		  { .direct = true, .sig = PKI_SIG_SHA1, .ca_sig = PKI_SIG_SHA1, .ca_self = true },
		  NULL },
		{ "MD5, the CA's own SHA-1",
		  { .direct = true, .ca = PKI_RSA2048, .sig = PKI_SIG_MD5,
		    .ca_sig = PKI_SIG_SHA1 }, "too weak" },
		{ "SHA-256, the CA's own SHA-1", { .direct = true, .ca_sig = PKI_SIG_SHA1 }, NULL },
		{ "a delegate with SHA-1", { .sig = PKI_SIG_SHA1 }, "signature is too weak: 6" },
		{ "a delegate's certificate with SHA-1", { .cert_sig = PKI_SIG_SHA1 },
		  "signature of the signer's certificate is too weak: 6" },
		{ "all with SHA-1",
		  { .sig = PKI_SIG_SHA1, .cert_sig = PKI_SIG_SHA1, .ca_sig = PKI_SIG_SHA1 }, NULL },
		{ "a delegate of RSA-1024", { .kind = PKI_RSA1024 }, NULL },
		{ "a delegate of RSA-768", { .kind = PKI_RSA768 }, "signature is too weak: " },
		{ "a delegate of RSA-768, the CA's own MD5",
		  { .kind = PKI_RSA768, .ca_sig = PKI_SIG_MD5 }, NULL },
		{ "a CA of RSA-768", { .direct = true, .ca = PKI_RSA768 },
		  "signature is too weak: " },
		{ "a root of RSA-768", { .direct = true, .ca = PKI_RSA768, .ca_self = true },
		  NULL },
		{ "a delegate of a CA of RSA-768", { .ca = PKI_RSA768 },
		  "signature of the signer's certificate is too weak: " },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* Whatever ends first: the response's own time less 300 s, or the delegate's certificate. */
static void life(void **state)
{
	static const struct {
		struct plan plan;
		int64_t now, expiry;
	} rows[] = {
		{ { .direct = true }, NOW, NOW + DAY - 300 },
		{ { .end = NOW + YEAR }, NOW, NOW + DAY - 300 },
		{ { .end = NOW + DAY - 299 }, NOW, NOW + DAY - 300 },
		{ { .end = NOW + DAY - 300 }, NOW, NOW + DAY - 300 },
		{ { .end = NOW + DAY - 301 }, NOW, NOW + DAY - 301 },
		{ { .end = NOW + 1 }, NOW, NOW + 1 },
		/* 2038, 2050 (UTCTime ends there), 2106, 9999 */
		{ { .end = INT32_MAX, .next_update = LAST }, NOW, INT32_MAX },
		{ { .end = INT64_C(2147483648), .next_update = LAST }, NOW, INT64_C(2147483648) },
		{ { .end = INT64_C(2524607999), .next_update = LAST }, NOW, INT64_C(2524607999) },
		{ { .end = INT64_C(2524608000), .next_update = LAST }, NOW, INT64_C(2524608000) },
		{ { .end = INT64_C(4294967296), .next_update = LAST }, NOW, INT64_C(4294967296) },
		{ { .end = LAST, .next_update = LAST }, NOW, LAST - 300 },
		{ { .end = LAST - 301, .next_update = LAST }, LAST - 302, LAST - 301 },
		{ { .end = LAST, .next_update = INT64_C(2524608000) + DAY }, INT64_C(2524608000),
		  INT64_C(2524608000) + DAY - 300 },
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	struct cast c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		cast_init(&c, &rows[i].plan);
		if (verify(&out, c.der, c.n, c.leaf.cert, c.ca.cert, rows[i].now, &err) != OCU_OK)
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(out.expiry, rows[i].expiry);
		/* It is still good in its last second, and from then on not any more. */
		assert_int_equal(verify(&out, c.der, c.n, c.leaf.cert, c.ca.cert,
					rows[i].expiry - 1, &err), OCU_OK);
		assert_int_not_equal(verify(&out, c.der, c.n, c.leaf.cert, c.ca.cert,
					    rows[i].expiry, &err), OCU_OK);
		assert_int_equal(ocu_ocsp_peek(&out, c.der, c.n, c.leaf.cert, c.ca.cert, &err),
				 OCU_OK);
		assert_int_equal(out.expiry, (rows[i].plan.next_update ? rows[i].plan.next_update
					      : NOW + DAY) - 300);
		cast_fini(&c);
	}
}

/* The certificates that one name and key of an issuer can have. */
enum { AS_IT_WAS, ENDED, FUTURE, OF_OTHER, SELF, IN_SHA1, NAMED_SIGN_ONLY, RENEWALS };

static void renew(struct pki_id *out, EVP_PKEY *key, const struct pki_id *other)
{
	const struct pki_ocsp_cert c[RENEWALS] = {
		[AS_IT_WAS] = { .begin = NOW - YEAR, .end = NOW + YEAR, .by = &root },
		[ENDED] = { .begin = NOW - YEAR, .end = NOW - 1, .by = &root },
		[FUTURE] = { .begin = NOW + 1, .end = NOW + YEAR, .by = &root },
		[OF_OTHER] = { .begin = NOW - YEAR, .end = NOW + YEAR, .by = other },
		[SELF] = { .begin = NOW - YEAR, .end = NOW + YEAR },
		[IN_SHA1] = { .begin = NOW - YEAR, .end = NOW + YEAR, .by = &root,
			      .sig = PKI_SIG_SHA1 },
		[NAMED_SIGN_ONLY] = { .begin = NOW - YEAR, .end = NOW + YEAR, .by = &root,
				      .usage = "critical,keyCertSign" },
	};
	struct pki_ocsp_cert one;
	long i;

	for (i = 0; i < RENEWALS; i++) {
		one = c[i];
		one.name = "ca";
		one.key = key;
		one.ca = true;
		one.serial = 10 + i;
		pki_ocsp_cert_make(&out[i], &one);
	}
}

/* Whichever of the issuer's certificates is given, the same responses are accepted, until the same
 * time, also when a delegate's authority key identifier names another one of them.
 */
static void every_certificate_of_the_issuer_judges_alike(void **state)
{
	struct pki_id cas[RENEWALS], other, leaf, delegates[RENEWALS], evil;
	struct pki_single s = { .this_update = NOW - HOUR, .next_update = NOW + DAY };
	struct pki_ocsp_response r = { .singles = &s, .n_singles = 1 };
	struct pki_ocsp_cert c = { .name = "other ca", .serial = 7, .begin = NOW - YEAR, .ca = true,
				   .end = NOW + YEAR, .by = &root };
	EVP_PKEY *key = pki_ocsp_key(PKI_P256);
	struct ocu_ocsp out;
	struct ocu_err err;
	uint8_t *der;
	size_t i, j, n;

	(void)state;
	pki_ocsp_cert_make(&other, &c);
	renew(cas, key, &other);
	c = (struct pki_ocsp_cert){ .name = "ca", .serial = 8, .begin = NOW - YEAR,
				    .end = NOW + YEAR, .ca = true, .by = &root };
	pki_ocsp_cert_make(&evil, &c);
	c = (struct pki_ocsp_cert){ .name = "leaf", .serial = 9, .begin = NOW - DAY,
				    .end = NOW + DAY, .by = &cas[AS_IT_WAS] };
	pki_ocsp_cert_make(&leaf, &c);
	for (i = 0; i < RENEWALS; i++) {
		c = (struct pki_ocsp_cert){ .name = "delegate", .serial = 20, .begin = NOW - DAY,
					    .end = NOW + HOUR, .by = &cas[i], .usage = SIGNING,
					    .extended = "OCSPSigning", .authority = cas[i].cert };
		pki_ocsp_cert_make(&delegates[i], &c);
	}
	s.cert = leaf.cert;
	s.issuer = cas[AS_IT_WAS].cert;
	/* the first is the issuer's own, the others are the delegates' */
	for (j = 0; j <= RENEWALS; j++) {
		r.by = j ? &delegates[j - 1] : &cas[AS_IT_WAS];
		r.certs[0] = j ? r.by->cert : NULL;
		n = pki_ocsp_response_make(&der, &r);
		for (i = 0; i < RENEWALS; i++) {
			if (verify(&out, der, n, leaf.cert, cas[i].cert, NOW, &err) != OCU_OK)
				fail_msg("response %zu, issuer %zu: %s", j, i, err.msg);
			assert_int_equal(out.expiry, j ? NOW + HOUR : NOW + DAY - 300);
		}
		assert_int_equal(verify(&out, der, n, leaf.cert, evil.cert, NOW, &err), OCU_OCSP);
		assert_int_equal(verify(&out, der, n, leaf.cert, other.cert, NOW, &err), OCU_OCSP);
		free(der);
	}
	for (i = 0; i < RENEWALS; i++) {
		pki_cert_fini(&cas[i]);
		pki_cert_fini(&delegates[i]);
	}
	pki_cert_fini(&other);
	pki_cert_fini(&leaf);
	pki_cert_fini(&evil);
	EVP_PKEY_free(key);
}

#define ECDSA "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define ECDSA_NULL "\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00"
#define ECDSA_OID_LONG "\x30\x81\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define RSA "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
#define RSA_NULL "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
#define RSA_OTHER "\x30\x0e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x02\x01\x00"
#define V1 "\xa0\x03\x02\x01\x00"
/* an extension that nobody knows, not critical and critical */
#define EXT "\xa1\x0d\x30\x0b\x30\x09\x06\x03\x2a\x03\x04\x04\x02\x05\x00"
#define EXT_TRUE "\xa1\x10\x30\x0e\x30\x0c\x06\x03\x2a\x03\x04\x01\x01\xff\x04\x02\x05\x00"
#define BYTES(s) (s), sizeof(s) - 1

/* Puts <head> and <tail> into the sequence <tbs>, of the same length in bytes as before. */
static uint8_t *extend(const uint8_t *tbs, size_t *n, const char *head, size_t head_n,
		       const char *tail, size_t tail_n)
{
	size_t len = *n - 3 + head_n + tail_n;
	uint8_t *ret = malloc(3 + len);

	assert_non_null(ret);
	assert_int_equal(tbs[1], 0x81);
	assert_true(len < 256);
	memcpy(ret, "\x30\x81", 2);
	ret[2] = (uint8_t)len;
	memcpy(ret + 3, head, head_n);
	memcpy(ret + 3 + head_n, tbs + 3, *n - 3);
	memcpy(ret + 3 + head_n + *n - 3, tail, tail_n);
	*n = 3 + len;
	return ret;
}

/* What encoders differ in is taken, what is not DER is not. All of it is signed as it is. */
static void encodings(void **state)
{
	static const struct {
		const char *what;
		enum pki_kind kind;
		const char *algorithm;
		size_t algorithm_n;
		const char *head; /* put before all else in the ResponseData */
		size_t head_n;
		const char *tail; /* put behind all else */
		size_t tail_n;
		const char *certs;
		size_t certs_n;
		const char *why;  /* NULL: accepted */
		enum ocu_status want;
	} rows[] = {
		{ "as usual", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(""), BYTES(""),
		  NULL, OCU_OK },
		{ "ECDSA with NULL", PKI_P256, BYTES(ECDSA_NULL), BYTES(""), BYTES(""), BYTES(""),
		  NULL, OCU_OK },
		{ "RSA with NULL", PKI_RSA2048, BYTES(RSA_NULL), BYTES(""), BYTES(""), BYTES(""),
		  NULL, OCU_OK },
		{ "RSA without NULL", PKI_RSA2048, BYTES(RSA), BYTES(""), BYTES(""), BYTES(""),
		  NULL, OCU_OK },
		{ "RSA with a number", PKI_RSA2048, BYTES(RSA_OTHER), BYTES(""), BYTES(""),
		  BYTES(""), "signature algorithm has parameters", OCU_OCSP },
		{ "an explicit version", PKI_P256, BYTES(ECDSA), BYTES(V1), BYTES(""), BYTES(""),
		  NULL, OCU_OK },
		{ "an extension", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(EXT), BYTES(""),
		  NULL, OCU_OK },
		{ "critical", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(EXT_TRUE), BYTES(""),
		  "critical extension", OCU_OCSP },
		{ "no certificates in a list", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(""),
		  BYTES("\xa0\x02\x30\x00"),
		  NULL, OCU_OK },
		{ "a long length", PKI_P256, BYTES(ECDSA_OID_LONG), BYTES(""), BYTES(""), BYTES(""),
		  "not in DER", OCU_MALFORMED },
		{ "a long length of the list", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(""),
		  BYTES("\xa0\x81\x02\x30\x00"), "not in DER", OCU_MALFORMED },
		{ "an indefinite length", PKI_P256, BYTES(ECDSA), BYTES(""), BYTES(""),
		  BYTES("\xa0\x80\x30\x00\x00\x00"), "not in DER", OCU_MALFORMED },
	};
	struct pki_ocsp_parts parts;
	struct ocu_ocsp out;
	enum ocu_status got;
	struct ocu_err err;
	struct cast c;
	uint8_t *tbs, *der;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		cast_init(&c, &(struct plan){ .direct = true, .ca = rows[i].kind });
		n = pki_ocsp_tbs(&tbs, c.der, c.n);
		parts = (struct pki_ocsp_parts){ .key = c.ca.key };
		parts.tbs = extend(tbs, &n, rows[i].head, rows[i].head_n, rows[i].tail,
				   rows[i].tail_n);
		parts.tbs_n = n;
		parts.algorithm = rows[i].algorithm;
		parts.algorithm_n = rows[i].algorithm_n;
		parts.certs = rows[i].certs;
		parts.certs_n = rows[i].certs_n;
		n = pki_ocsp_parts_make(&der, &parts);
		got = verify(&out, der, n, c.leaf.cert, c.ca.cert, NOW, &err);
		if (got != rows[i].want)
			fail_msg("%s: %s: %s", rows[i].what, ocu_text(got), err.msg);
		if (rows[i].why && !strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].what, err.msg);
		free(der);
		free(tbs);
		free((uint8_t *)(uintptr_t)parts.tbs);
		cast_fini(&c);
	}
}

/* The responder's name in another string type is the same name. */
static void names_in_any_type(void **state)
{
	struct pki_ocsp_parts parts = { .algorithm = ECDSA, .algorithm_n = sizeof(ECDSA) - 1,
					.certs = "" };
	static const struct {
		uint8_t tag; /* UTF8String, PrintableString, T61String, IA5String */
		enum ocu_status want;
	} rows[] = { { 0x0c, OCU_OK }, { 0x13, OCU_OK }, { 0x14, OCU_OK }, { 0x16, OCU_OK } };
	struct ocu_ocsp out;
	struct ocu_err err;
	struct cast c;
	uint8_t *tbs, *der, *at;
	size_t i, n;

	(void)state;
	cast_init(&c, &(struct plan){ .direct = true });
	parts.key = c.ca.key;
	parts.tbs_n = pki_ocsp_tbs(&tbs, c.der, c.n);
	parts.tbs = tbs;
	at = memmem(tbs, parts.tbs_n, "\x0c\x02" "ca", 4);
	assert_non_null(at);
	for (i = 0; i < COUNT(rows); i++) {
		*at = rows[i].tag;
		n = pki_ocsp_parts_make(&der, &parts);
		if (verify(&out, der, n, c.leaf.cert, c.ca.cert, NOW, &err) != rows[i].want)
			fail_msg("%02x: %s", rows[i].tag, err.msg);
		free(der);
	}
	free(tbs);
	cast_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_accepted),
		cmocka_unit_test(who_may_not_is_refused),
		cmocka_unit_test(strength),
		cmocka_unit_test(life),
		cmocka_unit_test(every_certificate_of_the_issuer_judges_alike),
		cmocka_unit_test(encodings),
		cmocka_unit_test(names_in_any_type),
	};

	return cmocka_run_group_tests_name("signer", tests, root_make, root_free);
}
