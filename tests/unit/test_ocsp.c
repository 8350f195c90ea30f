/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_ocsp.c - which responses may be stapled: a PKI and responses of every kind made here, judged
 * at times that the tables name. No clock decides an outcome.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "edge.h"
#include "nomem.h"
#include "ocu/ocsp.h"
#include "ocu/signature.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z */
#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define SINGLES 3
#define EMBEDDED 10
#define ALWAYS "20200101000000Z", "99991231235959Z"

/* Everybody who takes part. The first one is "nobody" in the tables. */
enum who {
	NOBODY,
	ROOT,
	CA,           /* by ROOT */
	LEAF,         /* by CA; the certificate that is asked about */
	OTHER_LEAF,   /* by CA, another serial number */
	OTHER_CA,     /* by ROOT */
	TWIN,         /* by OTHER_CA, the serial number of LEAF */
	EVIL_CA,      /* self-signed, the name of CA, another key */
	OLD_CA,       /* by ROOT, the name of CA, another key */
	CROSS_CA,     /* by OTHER_CA, the name and the key of CA */
	DELEGATE,     /* by CA, may sign OCSP */
	EXPIRED,      /* likewise with DELEGATE's name, until an hour ago */
	EARLY,        /* likewise, from in an hour */
	NO_USAGE,     /* likewise, without the usage */
	OTHER_USAGE,  /* likewise, for TLS servers */
	ANY_USAGE,    /* likewise, for any usage */
	CRITICAL,     /* likewise, with a critical extension that nobody knows */
	BY_ROOT,      /* likewise, by ROOT */
	BY_OTHER,     /* likewise, by OTHER_CA */
	BY_DELEGATE,  /* likewise, by DELEGATE */
	FORGED,       /* likewise, as if by CA, but signed by EVIL_CA's key */
	LEAF_SIGNER,  /* by CA, may sign OCSP, with the key of LEAF */
	RSA_SIGNER,          /* as DELEGATE, with an RSA key */
	WHO_COUNT,
};

static const struct {
	const char *cn;
	enum who issuer, key; /* key: whose, if not the own one */
	long serial;
	bool ca;
	const char *usage, *from, *until;
} people[WHO_COUNT] = {
	[ROOT] = { "root", ROOT, NOBODY, 1, true, NULL, ALWAYS },
	[CA] = { "ca", ROOT, NOBODY, 2, true, NULL, ALWAYS },
	[LEAF] = { "leaf", CA, NOBODY, 4097, false, NULL, ALWAYS },
	[OTHER_LEAF] = { "other leaf", CA, NOBODY, 4098, false, NULL, ALWAYS },
	[OTHER_CA] = { "other ca", ROOT, NOBODY, 3, true, NULL, ALWAYS },
	[TWIN] = { "leaf", OTHER_CA, NOBODY, 4097, false, NULL, ALWAYS },
	[EVIL_CA] = { "ca", EVIL_CA, NOBODY, 2, true, NULL, ALWAYS },
	[OLD_CA] = { "ca", ROOT, NOBODY, 4, true, NULL, ALWAYS },
	[CROSS_CA] = { "ca", OTHER_CA, CA, 5, true, NULL, ALWAYS },
	[DELEGATE] = { "signer", CA, NOBODY, 10, false, "OCSPSigning", ALWAYS },
	[EXPIRED] = { "signer", CA, NOBODY, 11, false, "OCSPSigning", "20200101000000Z",
		      "20270115070000Z" },
	[EARLY] = { "signer", CA, NOBODY, 12, false, "OCSPSigning", "20270115090000Z",
		    "99991231235959Z" },
	[NO_USAGE] = { "signer", CA, NOBODY, 13, false, NULL, ALWAYS },
	[OTHER_USAGE] = { "signer", CA, NOBODY, 14, false, "serverAuth", ALWAYS },
	[ANY_USAGE] = { "signer", CA, NOBODY, 15, false, "anyExtendedKeyUsage", ALWAYS },
	[CRITICAL] = { "signer", CA, NOBODY, 16, false, "OCSPSigning", ALWAYS },
	[BY_ROOT] = { "signer", ROOT, NOBODY, 17, false, "OCSPSigning", ALWAYS },
	[BY_OTHER] = { "signer", OTHER_CA, NOBODY, 18, false, "OCSPSigning", ALWAYS },
	[BY_DELEGATE] = { "signer", DELEGATE, NOBODY, 19, false, "OCSPSigning", ALWAYS },
	[FORGED] = { "signer", EVIL_CA, NOBODY, 20, false, "OCSPSigning", ALWAYS },
	[LEAF_SIGNER] = { "signer", CA, LEAF, 21, false, "OCSPSigning", ALWAYS },
	[RSA_SIGNER] = { "signer", CA, NOBODY, 22, false, "OCSPSigning", ALWAYS },
};

static X509 *certs[WHO_COUNT];
static EVP_PKEY *keys[WHO_COUNT];
static X509 *prepared; /* CA, for the algorithm of LEAF */

/* Adds an extension that is given as in a configuration file. */
static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Returns an extension with any bytes in it. */
static X509_EXTENSION *raw_ext(const char *oid, int critical, const char *bytes, int n)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	assert_int_equal(ASN1_OCTET_STRING_set(data, (const unsigned char *)bytes, n), 1);
	ext = X509_EXTENSION_create_by_OBJ(NULL, obj, critical, data);
	assert_non_null(ext);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(obj);
	return ext;
}

static void make_person(enum who w)
{
	enum who issuer = people[w].issuer;
	X509 *x = X509_new();
	X509_EXTENSION *ext;
	X509_NAME *name;

	if (people[w].key)
		keys[w] = keys[people[w].key];
	else
		keys[w] = w == RSA_SIGNER ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	assert_non_null(keys[w]);
	if (people[w].key)
		EVP_PKEY_up_ref(keys[w]);
	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), people[w].serial), 1);
	name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)people[w].cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer == w ? name : X509_get_subject_name(certs[issuer]));
	assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x), people[w].from), 1);
	assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x), people[w].until), 1);
	X509_set_pubkey(x, keys[w]);
	if (people[w].ca)
		add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE");
	if (people[w].usage)
		add_ext(x, x, NID_ext_key_usage, people[w].usage);
	if (w == CRITICAL) {
		ext = raw_ext("1.2.3.4.5", 1, "\x05\x00", 2);
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(x, keys[issuer], EVP_sha256()) > 0);
	certs[w] = x;
}

static int make_people(void **state)
{
	int w;

	(void)state;
	for (w = NOBODY + 1; w < WHO_COUNT; w++)
		make_person((enum who)w);
	prepared = X509_dup(certs[CA]);
	ocu_signature_prepare(prepared, certs[LEAF]);
	return 0;
}

static int free_people(void **state)
{
	int w;

	(void)state;
	for (w = 0; w < WHO_COUNT; w++) {
		X509_free(certs[w]);
		EVP_PKEY_free(keys[w]);
	}
	X509_free(prepared);
	return 0;
}

/* A response that is to be made. What is zero is as usual: a good status from an hour ago to a day
 * ahead, in SHA-1.
 */
struct single_spec {
	enum who about; /* NOBODY: there is no such single response */
	const EVP_MD *(*md)(void);
	int status;
	int64_t from, until; /* seconds from NOW */
	const char *from_text, *until_text, *revoked_text; /* instead, whatever they are */
	bool no_until, critical;
};

struct spec {
	struct single_spec s[SINGLES];
	enum who signer;
	unsigned long flags; /* of OCSP_basic_sign() */
	enum who embedded[EMBEDDED];
	bool critical, nonce;
	const char *produced_text; /* producedAt, whatever it is */
	const char *patch_from, *patch_to; /* bytes replaced before signing */
	size_t patch_len;
};

static void gtime(ASN1_GENERALIZEDTIME *t, int64_t when, const char *text)
{
	time_t s = (time_t)when;
	char buf[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(buf, sizeof(buf), "%Y%m%d%H%M%SZ", &tm);
	assert_int_equal(ASN1_STRING_set(t, text ? text : buf, -1), 1);
}

static void add_single(OCSP_BASICRESP *basic, const struct single_spec *s)
{
	enum who issuer = people[s->about].issuer;
	OCSP_CERTID *id = OCSP_cert_to_id(s->md ? s->md() : EVP_sha1(), certs[s->about],
					  certs[issuer]);
	ASN1_GENERALIZEDTIME *t = ASN1_GENERALIZEDTIME_set(NULL, 0);
	ASN1_GENERALIZEDTIME *from, *until, *revoked = NULL;
	X509_EXTENSION *ext;
	OCSP_SINGLERESP *one;

	one = OCSP_basic_add1_status(basic, id, s->status, OCSP_REVOKED_STATUS_NOSTATUS,
				     s->status == V_OCSP_CERTSTATUS_REVOKED ? t : NULL, t,
				     s->no_until ? NULL : t);
	assert_non_null(one);
	(void)OCSP_single_get0_status(one, NULL, &revoked, &from, &until);
	gtime(from, NOW + (s->from ? s->from : -HOUR), s->from_text);
	if (!s->no_until)
		gtime(until, NOW + (s->until ? s->until : DAY), s->until_text);
	if (s->status == V_OCSP_CERTSTATUS_REVOKED)
		gtime(revoked, NOW - DAY, s->revoked_text);
	if (s->critical) {
		ext = raw_ext("1.2.3.4.5", 1, "\x05\x00", 2);
		assert_int_equal(OCSP_SINGLERESP_add_ext(one, ext, -1), 1);
		X509_EXTENSION_free(ext);
	}
	ASN1_GENERALIZEDTIME_free(t);
	OCSP_CERTID_free(id);
}

/* Replaces bytes of the same length in what is not signed yet. */
static OCSP_BASICRESP *patch(OCSP_BASICRESP *basic, const struct spec *s)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	unsigned char *at;
	int n = i2d_OCSP_BASICRESP(basic, &der);

	assert_true(n > 0);
	at = memmem(der, (size_t)n, s->patch_from, s->patch_len);
	assert_non_null(at);
	memcpy(at, s->patch_to, s->patch_len);
	p = der;
	OCSP_BASICRESP_free(basic);
	basic = d2i_OCSP_BASICRESP(NULL, &p, n);
	assert_non_null(basic);
	OPENSSL_free(der);
	return basic;
}

static OCSP_BASICRESP *make_basic(const struct spec *s)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	STACK_OF(X509) *embedded = sk_X509_new_null();
	X509_EXTENSION *ext;
	size_t i;

	for (i = 0; i < SINGLES; i++) {
		if (s->s[i].about)
			add_single(basic, &s->s[i]);
	}
	if (s->critical) {
		ext = raw_ext("1.2.3.4.5", 1, "\x05\x00", 2);
		assert_int_equal(OCSP_BASICRESP_add_ext(basic, ext, -1), 1);
		X509_EXTENSION_free(ext);
	}
	if (s->nonce)
		assert_int_equal(OCSP_basic_add1_nonce(basic, NULL, 16), 1);
	/* With OCSP_NOCERTS the library would leave these out as well. */
	for (i = 0; i < EMBEDDED && s->embedded[i]; i++) {
		if (s->flags & OCSP_NOCERTS)
			assert_int_equal(OCSP_basic_add1_cert(basic, certs[s->embedded[i]]), 1);
		else
			sk_X509_push(embedded, certs[s->embedded[i]]);
	}
	if (s->patch_len) {
		assert_int_equal(OCSP_basic_sign(basic, certs[CA], keys[CA], EVP_sha256(), NULL,
						 OCSP_NOCERTS), 1);
		basic = patch(basic, s);
	}
	if (s->produced_text)
		gtime((ASN1_GENERALIZEDTIME *)OCSP_resp_get0_produced_at(basic), 0,
		      s->produced_text);
	assert_int_equal(OCSP_basic_sign(basic, certs[s->signer], keys[s->signer], EVP_sha256(),
					 embedded, s->flags), 1);
	sk_X509_free(embedded);
	return basic;
}

/* Returns the response in DER, freed with OPENSSL_free(). */
static unsigned char *make(const struct spec *s, size_t *n)
{
	OCSP_BASICRESP *basic = make_basic(s);
	OCSP_RESPONSE *resp = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	unsigned char *der = NULL;
	int len = i2d_OCSP_RESPONSE(resp, &der);

	assert_true(len > 0);
	*n = (size_t)len;
	OCSP_RESPONSE_free(resp);
	OCSP_BASICRESP_free(basic);
	return der;
}

/* Verifies a copy of <der> at a page edge for LEAF, and again with a prepared issuer, which makes
 * no difference.
 */
static enum ocu_status verify(struct ocu_ocsp *out, const uint8_t *der, size_t n, int64_t now,
			      struct ocu_err *err)
{
	uint8_t *edge = at_edge(der, n);
	struct ocu_err why = { 0 }, again = { 0 };
	struct ocu_ocsp same;
	enum ocu_status ret;

	memset(out, 0x55, sizeof(*out));
	same = *out;
	ret = ocu_ocsp_verify(out, edge, n, certs[LEAF], certs[CA], now, &why);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(ocu_ocsp_verify(&same, edge, n, certs[LEAF], prepared, now, &again), ret);
	assert_string_equal(again.msg, why.msg);
	if (err && ret != OCU_OK)
		*err = why;
	assert_memory_equal(&same, out, sizeof(same));
	edge_free(edge, n);
	return ret;
}

/* Whether <msg> gives <why> as the reason. OpenSSL 3.5 does not parse most of the times that it
 * handed out before.
 */
static bool is_reason(const char *msg, const char *why)
{
	if (strstr(msg, why))
		return true;
	return strstr(why, " is malformed") && strstr(msg, "basic response does not parse");
}

/* Whether <st> is what that makes of a response that was refused later before. */
static bool is_early(enum ocu_status st, const struct ocu_err *err)
{
	return st == OCU_MALFORMED && strstr(err->msg, "basic response does not parse");
}

#define REVOKED V_OCSP_CERTSTATUS_REVOKED
#define UNKNOWN V_OCSP_CERTSTATUS_UNKNOWN
#define ONE { .about = LEAF }
#define SIGNED(...) .signer = CA, .flags = OCSP_NOCERTS, .s = { __VA_ARGS__ }

static void accepted(void **state)
{
	static const struct {
		const char *what;
		struct spec spec;
		int64_t from, until; /* seconds from NOW that are reported */
		bool revoked;
	} rows[] = {
		{ "by the issuer", { SIGNED(ONE) }, -HOUR, DAY, false },
		{ "by the issuer, named by key",
		  { .s = { ONE }, .signer = CA, .flags = OCSP_NOCERTS | OCSP_RESPID_KEY },
		  -HOUR, DAY, false },
		{ "by the issuer, which is embedded", { .s = { ONE }, .signer = CA }, -HOUR, DAY,
		  false },
		{ "by the issuer, chain embedded",
		  { .s = { ONE }, .signer = CA, .embedded = { ROOT, OTHER_CA, LEAF } }, -HOUR, DAY,
		  false },
		{ "by the issuer, namesakes embedded",
		  { .s = { ONE }, .signer = CA, .embedded = { OLD_CA, EVIL_CA } }, -HOUR, DAY,
		  false },
		{ "by the issuer under another's certificate", { .s = { ONE }, .signer = CROSS_CA },
		  -HOUR, DAY, false },
		{ "revoked", { SIGNED({ .about = LEAF, .status = REVOKED }) }, -HOUR, DAY, true },
		{ "delegated", { .s = { ONE }, .signer = DELEGATE }, -HOUR, DAY, false },
		{ "delegated, named by key",
		  { .s = { ONE }, .signer = DELEGATE, .flags = OCSP_RESPID_KEY }, -HOUR, DAY,
		  false },
		{ "delegated, with useless namesakes",
		  { .s = { ONE }, .signer = DELEGATE, .flags = OCSP_NOCERTS,
		    .embedded = { EXPIRED, BY_ROOT, NO_USAGE, FORGED, DELEGATE } },
		  -HOUR, DAY, false },
		{ "SHA-256", { SIGNED({ .about = LEAF, .md = EVP_sha256 }) }, -HOUR, DAY, false },
		{ "SHA-512", { SIGNED({ .about = LEAF, .md = EVP_sha512 }) }, -HOUR, DAY, false },
		{ "SHA-384", { SIGNED({ .about = LEAF, .md = EVP_sha384 }) }, -HOUR, DAY, false },
		{ "SHA-224", { SIGNED({ .about = LEAF, .md = EVP_sha224 }) }, -HOUR, DAY, false },
		{ "delegated to RSA", { .s = { ONE }, .signer = RSA_SIGNER }, -HOUR, DAY, false },
		{ "SHA-1 and SHA-256",
		  { SIGNED(ONE, { .about = LEAF, .md = EVP_sha256 }) }, -HOUR, DAY, false },
		{ "SHA-256 and SHA-1",
		  { SIGNED({ .about = LEAF, .md = EVP_sha256 }, ONE) }, -HOUR, DAY, false },
		{ "another's first", { SIGNED({ .about = OTHER_LEAF, .status = REVOKED }, ONE) },
		  -HOUR, DAY, false },
		{ "another's last", { SIGNED(ONE, { .about = OTHER_LEAF, .status = REVOKED }) },
		  -HOUR, DAY, false },
		{ "the twin's first", { SIGNED({ .about = TWIN, .status = UNKNOWN }, ONE) }, -HOUR,
		  DAY, false },
		{ "older first", { SIGNED({ .about = LEAF, .from = -2 * HOUR, .until = 2 * DAY },
					  ONE) },
		  -HOUR, DAY, false },
		{ "newer first", { SIGNED(ONE, { .about = LEAF, .from = -2 * HOUR }) }, -HOUR, DAY,
		  false },
		{ "expired first", { SIGNED({ .about = LEAF, .until = -1 }, ONE) }, -HOUR, DAY,
		  false },
		{ "expired last",
		  { SIGNED(ONE, { .about = LEAF, .from = -60, .until = -1 }) }, -HOUR, DAY, false },
		{ "not yet valid first",
		  { SIGNED({ .about = LEAF, .from = 2 * HOUR, .status = REVOKED }, ONE) }, -HOUR,
		  DAY,
		  false },
		{ "revoked since, first",
		  { SIGNED({ .about = LEAF, .from = -60, .status = REVOKED }, ONE) }, -60, DAY,
		  true },
		{ "revoked since, last",
		  { SIGNED(ONE, { .about = LEAF, .from = -60, .status = REVOKED }) }, -60, DAY,
		  true },
		{ "both at once", { SIGNED(ONE, { .about = LEAF, .status = REVOKED }) }, -HOUR, DAY,
		  true },
		{ "both at once, revoked first",
		  { SIGNED({ .about = LEAF, .status = REVOKED }, ONE) }, -HOUR, DAY, true },
		{ "301 s left", { SIGNED({ .about = LEAF, .until = 301 }) }, -HOUR, 301, false },
		{ "300 s ahead", { SIGNED({ .about = LEAF, .from = 300 }) }, 300, DAY, false },
		{ "a nonce that was not asked for", { SIGNED(ONE), .nonce = true }, -HOUR, DAY,
		  false },
		{ "an id in an unknown digest beside",
		  { SIGNED({ .about = LEAF, .md = EVP_md5, .status = REVOKED }, ONE),
		    .patch_from = "\x2a\x86\x48\x86\xf7\x0d\x02\x05",
		    .patch_to = "\x2a\x86\x48\x86\xf7\x0d\x02\x7f", .patch_len = 8 },
		  -HOUR, DAY, false },
		{ "an id in a digest that is not available beside",
		  { SIGNED({ .about = LEAF, .md = EVP_md5, .status = REVOKED }, ONE),
		    .patch_from = "\x2a\x86\x48\x86\xf7\x0d\x02\x05",
		    .patch_to = "\x2a\x86\x48\x86\xf7\x0d\x02\x04", .patch_len = 8 },
		  -HOUR, DAY, false },
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		der = make(&rows[i].spec, &n);
		if (verify(&out, der, n, NOW, &err) != OCU_OK)
			fail_msg("%s: %s", rows[i].what, err.msg);
		assert_int_equal(out.this_update, NOW + rows[i].from);
		assert_int_equal(out.next_update, NOW + rows[i].until);
		assert_int_equal(out.revoked, rows[i].revoked);
		assert_int_equal(out.revoked_at, rows[i].revoked ? NOW - DAY : 0);
		memset(&out, 0, sizeof(out));
		assert_int_equal(ocu_ocsp_peek(&out, der, n, certs[LEAF], certs[CA], &err), OCU_OK);
		OPENSSL_free(der);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *what;
		struct spec spec;
		const char *why;
		enum ocu_status want;
	} rows[] = {
		/* who signed */
		{ "another key under the issuer's name", { .s = { ONE }, .signer = EVIL_CA },
		  "no OCSP signing usage", OCU_OCSP },
		{ "the same, not embedded",
		  { .s = { ONE }, .signer = EVIL_CA, .flags = OCSP_NOCERTS },
		  "signature does not verify", OCU_OCSP },
		{ "the issuer's former key", { .s = { ONE }, .signer = OLD_CA },
		  "no OCSP signing usage", OCU_OCSP },
		{ "the root", { .s = { ONE }, .signer = ROOT }, "no OCSP signing usage", OCU_OCSP },
		{ "another CA of the root", { .s = { ONE }, .signer = OTHER_CA },
		  "no OCSP signing usage", OCU_OCSP },
		{ "the same, named by key",
		  { .s = { ONE }, .signer = OTHER_CA, .flags = OCSP_RESPID_KEY },
		  "no OCSP signing usage", OCU_OCSP },
		{ "a stranger, not embedded",
		  { .s = { ONE }, .signer = OTHER_CA, .flags = OCSP_NOCERTS },
		  "signer is neither the issuer nor in the response: /CN=other ca", OCU_OCSP },
		{ "a stranger by key, not embedded",
		  { .s = { ONE }, .signer = OTHER_CA, .flags = OCSP_NOCERTS | OCSP_RESPID_KEY },
		  "nor in the response", OCU_OCSP },
		{ "a delegate, not embedded",
		  { .s = { ONE }, .signer = DELEGATE, .flags = OCSP_NOCERTS },
		  "nor in the response", OCU_OCSP },
		{ "a delegate without the usage", { .s = { ONE }, .signer = NO_USAGE },
		  "no OCSP signing usage", OCU_OCSP },
		{ "a delegate for TLS", { .s = { ONE }, .signer = OTHER_USAGE },
		  "no OCSP signing usage", OCU_OCSP },
		{ "a delegate for anything", { .s = { ONE }, .signer = ANY_USAGE },
		  "no OCSP signing usage", OCU_OCSP },
		{ "an expired delegate", { .s = { ONE }, .signer = EXPIRED }, "expired", OCU_OCSP },
		{ "a future delegate", { .s = { ONE }, .signer = EARLY }, "not yet valid",
		  OCU_OCSP },
		{ "a delegate nobody understands", { .s = { ONE }, .signer = CRITICAL },
		  "critical extension", OCU_OCSP },
		{ "a delegate of the root", { .s = { ONE }, .signer = BY_ROOT,
					      .embedded = { ROOT } },
		  "issued by another one", OCU_OCSP },
		{ "a delegate of another CA",
		  { .s = { ONE }, .signer = BY_OTHER, .embedded = { OTHER_CA, ROOT } },
		  "issued by another one", OCU_OCSP },
		{ "a delegate's delegate",
		  { .s = { ONE }, .signer = BY_DELEGATE, .embedded = { DELEGATE } },
		  "signature does not verify", OCU_OCSP },
		{ "a delegate's delegate alone",
		  { .s = { ONE }, .signer = BY_DELEGATE, .flags = OCSP_RESPID_KEY,
		    .embedded = { DELEGATE } }, "issued by another one", OCU_OCSP },
		{ "a forged delegate", { .s = { ONE }, .signer = FORGED, .embedded = { CA } },
		  "signature failure", OCU_OCSP },
		{ "the certificate itself", { .s = { ONE }, .signer = LEAF },
		  "certificate itself", OCU_OCSP },
		{ "the certificate itself, by key",
		  { .s = { ONE }, .signer = LEAF, .flags = OCSP_RESPID_KEY },
		  "certificate itself", OCU_OCSP },
		{ "the certificate's key", { .s = { ONE }, .signer = LEAF_SIGNER },
		  "certificate itself", OCU_OCSP },
		{ "another leaf", { .s = { ONE }, .signer = OTHER_LEAF }, "no OCSP signing usage",
		  OCU_OCSP },
		{ "too many namesakes",
		  { .s = { ONE }, .signer = DELEGATE, .flags = OCSP_NOCERTS,
		    .embedded = { NO_USAGE, NO_USAGE, NO_USAGE, NO_USAGE, NO_USAGE, NO_USAGE,
				  NO_USAGE,
				  NO_USAGE, DELEGATE } }, "more than 8 certificates", OCU_OCSP },
		/* for whom */
		{ "no single response", { SIGNED({ .about = NOBODY }) },
		  "for another certificate", OCU_OTHER_CERT },
		{ "another serial number", { SIGNED({ .about = OTHER_LEAF }) },
		  "for another certificate", OCU_OTHER_CERT },
		{ "the same one of another issuer", { SIGNED({ .about = TWIN }) },
		  "for another certificate", OCU_OTHER_CERT },
		{ "the same in SHA-256", { SIGNED({ .about = TWIN, .md = EVP_sha256 }) },
		  "for another certificate", OCU_OTHER_CERT },
		{ "the other issuer's own answer",
		  { .s = { { .about = TWIN } }, .signer = OTHER_CA }, "no OCSP signing usage",
		  OCU_OCSP },
		{ "an unknown digest",
		  { SIGNED({ .about = LEAF, .md = EVP_md5 }),
		    .patch_from = "\x2a\x86\x48\x86\xf7\x0d\x02\x05",
		    .patch_to = "\x2a\x86\x48\x86\xf7\x0d\x02\x7f", .patch_len = 8 },
		  "for another certificate", OCU_OTHER_CERT },
		/* what it says */
		{ "unknown", { SIGNED({ .about = LEAF, .status = UNKNOWN }) },
		  "status unknown", OCU_OTHER_CERT },
		{ "unknown at the time of good",
		  { SIGNED(ONE, { .about = LEAF, .status = UNKNOWN }) }, "status unknown",
		  OCU_OTHER_CERT },
		{ "unknown since",
		  { SIGNED({ .about = LEAF, .from = -60, .status = UNKNOWN }, ONE) },
		  "status unknown", OCU_OTHER_CERT },
		{ "a critical extension", { SIGNED(ONE), .critical = true }, "critical extension",
		  OCU_OCSP },
		{ "a critical extension of the single one",
		  { SIGNED({ .about = LEAF, .critical = true }) }, "critical extension", OCU_OCSP },
		{ "a critical extension of a newer one",
		  { SIGNED(ONE, { .about = LEAF, .from = -60, .status = REVOKED,
				  .critical = true }) },
		  "critical extension", OCU_OCSP },
		{ "a malformed one beside a good one",
		  { SIGNED(ONE, { .about = LEAF, .status = REVOKED, .revoked_text = "?" }) },
		  "revocationTime is malformed", OCU_OCSP },
		{ "an endless one beside a good one",
		  { SIGNED(ONE, { .about = LEAF, .no_until = true }) }, "nextUpdate is missing",
		  OCU_OCSP },
		/* when */
		{ "no nextUpdate", { SIGNED({ .about = LEAF, .no_until = true }) },
		  "nextUpdate is missing", OCU_OCSP },
		{ "expired now", { SIGNED({ .about = LEAF, .from = -DAY, .until = -1 }) },
		  "no longer valid: nextUpdate was 2027-01-15T07:59:59Z", OCU_ENDED },
		{ "300 s left", { SIGNED({ .about = LEAF, .until = 300 }) },
		  "valid for less than 301 s: nextUpdate is 2027-01-15T08:05:00Z, 300 s away",
		  OCU_ENDED },
		{ "1 s left", { SIGNED({ .about = LEAF, .until = 1 }) }, "1 s away",
		  OCU_ENDED },
		{ "301 s ahead", { SIGNED({ .about = LEAF, .from = 301 }) },
		  "not yet valid: thisUpdate is 2027-01-15T08:05:01Z", OCU_OCSP },
		{ "reversed", { SIGNED({ .about = LEAF, .from = 200, .until = 100 }) },
		  "nextUpdate 2027-01-15T08:01:40Z is not after thisUpdate 2027-01-15T08:03:20Z",
		  OCU_OCSP },
		{ "no life", { SIGNED({ .about = LEAF, .from = DAY, .until = DAY }) },
		  "is not after", OCU_OCSP },
		{ "two, both expired",
		  { SIGNED({ .about = LEAF, .until = -2 }, { .about = LEAF, .until = -1 }) },
		  "no longer valid", OCU_ENDED },
		{ "one not yet valid, one expired",
		  { SIGNED({ .about = LEAF, .from = HOUR }, { .about = LEAF, .until = -1 }) },
		  "no longer valid", OCU_ENDED },
		{ "one expired, one not yet valid",
		  { SIGNED({ .about = LEAF, .until = -1 }, { .about = LEAF, .from = HOUR }) },
		  "not yet valid", OCU_OCSP },
		{ "unknown without a nextUpdate",
		  { SIGNED({ .about = LEAF, .status = UNKNOWN, .no_until = true }) },
		  "status unknown", OCU_OTHER_CERT },
	};
	enum ocu_status got;
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		der = make(&rows[i].spec, &n);
		err.msg[0] = '\0';
		got = verify(&out, der, n, NOW, &err);
		if (got != rows[i].want && !(rows[i].want == OCU_OCSP && is_early(got, &err)))
			fail_msg("%s: %s", rows[i].what, ocu_text(got));
		assert_int_equal(err.code, got);
		if (!is_reason(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].what, err.msg);
		assert_int_equal(verify(&out, der, n, NOW, NULL), got);
		OPENSSL_free(der);
	}
}

/* Each way to write a time that RFC 5280 does not allow, in each place. */
static void malformed_times(void **state)
{
	static const char *const texts[] = {
		"", "Z", "20270115080000", "270115080000Z", "20270115080000+0000",
		"20270115080000.5Z",
		"202701150800Z", "20271315080000Z", "20270015080000Z", "20270132080000Z",
		"20270100080000Z", "20270229080000Z", "21000229080000Z", "20270431080000Z",
		"20270115240000Z", "20270115086000Z", "20270115080060Z", "2027011508000xZ",
		"-0270115080000Z", " 0270115080000Z", "20270115080000z", "19691231235959Z",
		"00000101000000Z",
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	enum ocu_status got;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(texts) * 3; i++) {
		const char *text = texts[i / 3];
		struct spec spec = { SIGNED({ .about = LEAF, .status = REVOKED }) };

		spec.s[0].from_text = i % 3 == 0 ? text : NULL;
		spec.s[0].until_text = i % 3 == 1 ? text : NULL;
		spec.s[0].revoked_text = i % 3 == 2 ? text : NULL;
		der = make(&spec, &n);
		got = verify(&out, der, n, NOW, &err);
		if (got != OCU_OCSP && !is_early(got, &err))
			fail_msg("%s: %s", text, ocu_text(got));
		if (!is_reason(err.msg, i % 3 == 0 ? "thisUpdate is malformed"
			       : i % 3 == 1 ? "nextUpdate is malformed"
			       : "revocationTime is malformed"))
			fail_msg("%s: %s", text, err.msg);
		assert_int_equal(ocu_ocsp_peek(&out, der, n, certs[LEAF], certs[CA], NULL), got);
		OPENSSL_free(der);
	}
}

static void malformed_production_times(void **state)
{
	static const char *const texts[] = { "", "20270115080000", "20270230080000Z",
					     "20270115080000.5Z" };
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	enum ocu_status got;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		const struct spec spec = { .s = { ONE }, .signer = CA, .produced_text = texts[i],
					   .flags = OCSP_NOCERTS | OCSP_NOTIME };

		der = make(&spec, &n);
		got = verify(&out, der, n, NOW, &err);
		assert_true(got == OCU_OCSP || is_early(got, &err));
		assert_true(is_reason(err.msg, "producedAt is malformed"));
		OPENSSL_free(der);
	}
}

/* Dates from all over the calendar, computed by the C library too. */
static void any_time(void **state)
{
	static const int64_t first = 0, last = INT64_C(253402300799);
	uint32_t rnd = 1;
	struct ocu_ocsp out;
	unsigned char *der;
	char text[64];
	struct tm tm;
	int64_t t;
	time_t s;
	size_t n;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct spec spec = { SIGNED(ONE) };

		rnd = rnd * 1664525 + 1013904223;
		t = (last / UINT32_MAX) * rnd + rnd % 86400;
		t = i == 0 ? first : i == 1 ? last : t > last ? last : t;
		/* the first or last second of a day is the hardest */
		t -= i > 1 && i % 3 ? t % DAY + (i % 3 == 1) : 0;
		s = (time_t)t;
		assert_non_null(gmtime_r(&s, &tm));
		assert_int_equal(strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm), 15);
		spec.s[0].from_text = text;
		der = make(&spec, &n);
		assert_int_equal(ocu_ocsp_peek(&out, der, n, certs[LEAF], certs[CA], NULL), OCU_OK);
		if (out.this_update != t)
			fail_msg("%s is not %lld", text, (long long)out.this_update);
		OPENSSL_free(der);
	}
}

/* Dates on both sides of the limits that number types and calendars have. */
static void far_times(void **state)
{
	static const struct {
		const char *from, *until;
		int64_t this_update, next_update;
	} rows[] = {
		{ "19700101000000Z", "20380119031407Z", 0, INT32_MAX },
		{ "20380119031408Z", "20380120031408Z", INT64_C(2147483648), INT64_C(2147570048) },
		{ "20380119031407Z", "20380119031408Z", INT32_MAX, INT64_C(2147483648) },
		{ "20491231235959Z", "20500101000000Z", INT64_C(2524607999), INT64_C(2524608000) },
		{ "20270115080000Z", "99991231235959Z", NOW, INT64_C(253402300799) },
		{ "20000228235959Z", "20000229000000Z", 951782399, 951782400 },
		{ "20000229235959Z", "20000301000000Z", 951868799, 951868800 },
		{ "20240229120000Z", "20240301120000Z", 1709208000, 1709294400 },
		{ "21000228000000Z", "21000301000000Z", INT64_C(4107456000), INT64_C(4107542400) },
		{ "20261231235959Z", "20270101000000Z", 1798761599, 1798761600 },
		{ "21060207062815Z", "21060207062816Z", INT64_C(4294967295), INT64_C(4294967296) },
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct spec spec = { SIGNED({ .about = LEAF, .from_text = rows[i].from,
						    .until_text = rows[i].until }) };
		int64_t last = rows[i].next_update - OCU_OCSP_SKEW_S - 1;
		int64_t first = rows[i].this_update - OCU_OCSP_SKEW_S;

		der = make(&spec, &n);
		assert_int_equal(ocu_ocsp_peek(&out, der, n, certs[LEAF], certs[CA], &err), OCU_OK);
		assert_int_equal(out.this_update, rows[i].this_update);
		assert_int_equal(out.next_update, rows[i].next_update);
		assert_int_equal(verify(&out, der, n, last + 1, &err), OCU_ENDED);
		assert_int_equal(verify(&out, der, n, rows[i].next_update, &err), OCU_ENDED);
		assert_int_equal(verify(&out, der, n, first - 1, &err), OCU_OCSP);
		assert_int_equal(verify(&out, der, n, INT64_C(1) << 50, &err), OCU_ENDED);
		assert_int_equal(verify(&out, der, n, -(INT64_C(1) << 50), &err), OCU_OCSP);
		assert_int_equal(verify(&out, der, n, last, &err), OCU_OK);
		assert_int_equal(out.next_update, rows[i].next_update);
		assert_int_equal(verify(&out, der, n, first, &err),
				 first <= last ? OCU_OK : OCU_ENDED);
		OPENSSL_free(der);
	}
}

/* The time that counts for the signer's certificate is the argument too. */
static void delegate_is_valid_at_its_time(void **state)
{
	static const struct {
		enum who signer;
		int64_t now;
		enum ocu_status want;
	} rows[] = {
		{ EXPIRED, NOW - HOUR - 1, OCU_OK }, { EXPIRED, NOW - HOUR + 1, OCU_OCSP },
		{ EARLY, NOW + HOUR - 1, OCU_OCSP }, { EARLY, NOW + HOUR + 1, OCU_OK },
		{ DELEGATE, INT64_C(2147483648) + DAY, OCU_OK },
		{ DELEGATE, INT64_C(2524608000) + DAY, OCU_OK },
	};
	struct ocu_ocsp out;
	unsigned char *der;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct spec spec = { .signer = rows[i].signer, .s = {
			{ .about = LEAF, .from = rows[i].now - NOW - 60,
			  .until = rows[i].now - NOW + DAY } } };

		der = make(&spec, &n);
		assert_int_equal(verify(&out, der, n, rows[i].now, NULL), rows[i].want);
		OPENSSL_free(der);
	}
}

static void error_responses(void **state)
{
	static const struct {
		int status;
		const char *why;
		enum ocu_status want;
	} rows[] = {
		{ 1, "responder says malformedRequest (1)", OCU_BAD_REQUEST },
		{ 2, "responder says internalError (2)", OCU_INTERNAL },
		{ 3, "responder says tryLater (3)", OCU_TRY_LATER },
		{ 4, "responder says an undefined status (4)", OCU_MALFORMED },
		{ 5, "responder says sigRequired (5)", OCU_OTHER_CERT },
		{ 6, "responder says unauthorized (6)", OCU_OTHER_CERT },
		{ 7, "responder says an undefined status (7)", OCU_MALFORMED },
		{ 127, "responder says an undefined status (127)", OCU_MALFORMED },
		{ 0, "not a basic response", OCU_MALFORMED },
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const uint8_t der[] = { 0x30, 3, 0x0a, 1, (uint8_t)rows[i].status };

		assert_int_equal(verify(&out, der, sizeof(der), NOW, &err), rows[i].want);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%d: %s", rows[i].status, err.msg);
		assert_int_equal(ocu_ocsp_peek(&out, der, sizeof(der), certs[LEAF], certs[CA],
					       &err),
				 rows[i].want);
	}
}

/* Wraps the <n> bytes at <buf> into a tag, in place; the length takes <pad> bytes more than it has
 * to.
 */
static size_t wrap(uint8_t *buf, size_t n, uint8_t tag, size_t pad)
{
	size_t head = 4 + pad;

	memmove(buf + head, buf, n);
	memset(buf, 0, head);
	buf[0] = tag;
	buf[1] = (uint8_t)(0x80 + 2 + pad);
	buf[head - 2] = (uint8_t)(n >> 8);
	buf[head - 1] = (uint8_t)n;
	return n + head;
}

/* Builds a response around the basic one by hand, with one thing wrong. */
static void encodings(void **state)
{
	static const uint8_t basic_oid[] = { 6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1 };
	static const struct {
		const char *what;
		size_t pad_outer, pad_inner, extra_inner, extra_outer;
		uint8_t oid_end;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{ "as it should be", 0, 0, 0, 0, 1, NULL },
		{ "another response type", 0, 0, 0, 0, 2, "not a basic response" },
		{ "long outer length", 1, 0, 0, 0, 1, "not in DER" },
		{ "long inner length", 0, 1, 0, 0, 1, "not in DER" },
		{ "a byte behind the inner response", 0, 0, 1, 0, 1, "not in DER" },
		{ "a byte behind the response", 0, 0, 0, 1, 1, "1 bytes follow" },
		{ "bytes behind the response", 0, 0, 0, 9, 1, "9 bytes follow" },
	};
	const struct spec spec = { .s = { ONE }, .signer = DELEGATE };
	struct ocu_ocsp out;
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		OCSP_BASICRESP *basic = make_basic(&spec);
		uint8_t buf[4096] = { 0 };
		unsigned char *p = buf;
		enum ocu_status got;
		size_t n;

		n = (size_t)i2d_OCSP_BASICRESP(basic, &p) + rows[i].extra_inner;
		OCSP_BASICRESP_free(basic);
		n = wrap(buf, n, 4, rows[i].pad_inner);
		memmove(buf + sizeof(basic_oid), buf, n);
		memcpy(buf, basic_oid, sizeof(basic_oid));
		buf[sizeof(basic_oid) - 1] = rows[i].oid_end;
		n = wrap(buf, n + sizeof(basic_oid), 0x30, 0);
		n = wrap(buf, n, 0xa0, 0);
		memmove(buf + 3, buf, n);
		memcpy(buf, "\x0a\x01\x00", 3);
		n = wrap(buf, n + 3, 0x30, rows[i].pad_outer) + rows[i].extra_outer;
		got = verify(&out, buf, n, NOW, &err);
		if (got != (rows[i].why ? OCU_MALFORMED : OCU_OK))
			fail_msg("%s: %s", rows[i].what, ocu_text(got));
		if (rows[i].why && !strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].what, err.msg);
	}
}

static void sizes(void **state)
{
	uint8_t *big = calloc(1, OCU_OCSP_MAX_BYTES + 1);
	struct ocu_ocsp out;
	struct ocu_err err;

	(void)state;
	assert_non_null(big);
	assert_int_equal(verify(&out, big, 0, NOW, &err), OCU_MALFORMED);
	assert_non_null(strstr(err.msg, "empty"));
	assert_int_equal(verify(&out, big, OCU_OCSP_MAX_BYTES, NOW, &err), OCU_MALFORMED);
	assert_non_null(strstr(err.msg, "does not parse"));
	assert_int_equal(verify(&out, big, OCU_OCSP_MAX_BYTES + 1, NOW, &err), OCU_MALFORMED);
	assert_non_null(strstr(err.msg, "too long for a TLS handshake"));
	assert_int_equal(verify(&out, (const uint8_t *)"<html>", 6, NOW, &err), OCU_MALFORMED);
	assert_non_null(strstr(err.msg, "does not parse"));
	free(big);
}

/* Cuts a response at every byte, and turns over every bit of it: none of these may be stapled. */
static void every_bit_counts(void **state)
{
	static const struct spec specs[] = {
		{ SIGNED(ONE) },
		{ .s = { ONE }, .signer = DELEGATE },
	};
	struct ocu_ocsp out;
	unsigned char *der;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < COUNT(specs); i++) {
		der = make(&specs[i], &n);
		for (j = 0; j < n; j++)
			assert_int_equal(verify(&out, der, j, NOW, NULL), OCU_MALFORMED);
		for (j = 0; j < n * 8; j++) {
			der[j / 8] ^= (unsigned char)(1 << j % 8);
			if (verify(&out, der, n, NOW, NULL) == OCU_OK)
				fail_msg("response %zu is accepted with bit %zu of byte %zu turned",
					 i,
					 j % 8, j / 8);
			der[j / 8] ^= (unsigned char)(1 << j % 8);
		}
		assert_int_equal(verify(&out, der, n, NOW, NULL), OCU_OK);
		OPENSSL_free(der);
	}
}

/* RSA has parameters beside its algorithm, NULL. The signature does not cover them. */
static void every_bit_of_the_algorithm_counts(void **state)
{
	static const struct spec spec = { .s = { ONE }, .signer = RSA_SIGNER };
	static const char oid[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05";
	struct ocu_ocsp out;
	unsigned char *der, *at;
	size_t i, n;

	(void)state;
	der = make(&spec, &n);
	at = memmem(der, n, oid, sizeof(oid) - 1);
	assert_non_null(at);
	for (i = 0; i < sizeof(oid) * 8; i++) {
		at[i / 8] ^= (unsigned char)(1 << i % 8);
		if (verify(&out, der, n, NOW, NULL) == OCU_OK)
			fail_msg("accepted with bit %zu of byte %zu turned", i % 8, i / 8);
		at[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	assert_int_equal(verify(&out, der, n, NOW, NULL), OCU_OK);
	OPENSSL_free(der);
}

/* A file or the CLI was judged by somebody else; only what it says is read. */
static void peek(void **state)
{
	static const struct {
		const char *what;
		struct spec spec;
		enum ocu_status want;
		const char *why;
	} rows[] = {
		{ "expired", { SIGNED({ .about = LEAF, .from = -DAY, .until = -HOUR }) }, OCU_OK,
		  NULL },
		{ "future", { SIGNED({ .about = LEAF, .from = HOUR }) }, OCU_OK, NULL },
		{ "by anybody", { .s = { ONE }, .signer = EVIL_CA }, OCU_OK, NULL },
		{ "by nobody", { .s = { ONE }, .signer = ROOT, .flags = OCSP_NOCERTS }, OCU_OK,
		  NULL },
		{ "revoked", { SIGNED({ .about = LEAF, .status = REVOKED }) }, OCU_OK, NULL },
		{ "unknown", { SIGNED({ .about = LEAF, .status = UNKNOWN }) }, OCU_OTHER_CERT,
		  "unknown" },
		{ "another's", { SIGNED({ .about = OTHER_LEAF }) }, OCU_OTHER_CERT,
		  "another certificate" },
		{ "no nextUpdate", { SIGNED({ .about = LEAF, .no_until = true }) }, OCU_OCSP,
		  "nextUpdate is missing" },
	};
	struct ocu_ocsp out;
	struct ocu_err err;
	unsigned char *der;
	uint8_t *edge;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		der = make(&rows[i].spec, &n);
		edge = at_edge(der, n);
		if (ocu_ocsp_peek(&out, edge, n, certs[LEAF], certs[CA], &err) != rows[i].want)
			fail_msg("%s: %s", rows[i].what, err.msg);
		if (rows[i].why && !strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].what, err.msg);
		assert_int_equal(ocu_ocsp_peek(&out, edge, n - 1, certs[LEAF], certs[CA], NULL),
				 OCU_MALFORMED);
		assert_int_equal(ERR_peek_error(), 0);
		edge_free(edge, n);
		OPENSSL_free(der);
	}
}

static void request(void **state)
{
	const unsigned char *p;
	ASN1_INTEGER *serial;
	OCSP_CERTID *id, *want;
	OCSP_REQUEST *req;
	struct ocu_err err;
	struct ocu_buf b;

	(void)state;
	ocu_buf_init(&b, 1000);
	assert_int_equal(ocu_ocsp_request(&b, certs[LEAF], certs[CA], &err), OCU_OK);
	p = b.data;
	req = d2i_OCSP_REQUEST(NULL, &p, (long)b.len);
	assert_non_null(req);
	assert_ptr_equal(p, b.data + b.len);
	assert_int_equal(OCSP_request_onereq_count(req), 1);
	assert_int_equal(OCSP_REQUEST_get_ext_count(req), 0);
	assert_int_equal(OCSP_request_is_signed(req), 0);
	id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(req, 0));
	want = OCSP_cert_to_id(EVP_sha1(), certs[LEAF], certs[CA]);
	assert_int_equal(OCSP_id_cmp(id, want), 0);
	assert_int_equal(OCSP_id_get0_info(NULL, NULL, NULL, &serial, id), 1);
	assert_int_equal(ASN1_INTEGER_get(serial), people[LEAF].serial);
	OCSP_CERTID_free(want);
	OCSP_REQUEST_free(req);
	ocu_buf_fini(&b);

	assert_int_equal(ocu_ocsp_request(&b, certs[LEAF], certs[OTHER_CA], &err), OCU_OCSP);
	assert_non_null(strstr(err.msg, "not the one that is named"));
	ocu_buf_init(&b, 20);
	assert_int_equal(ocu_ocsp_request(&b, certs[LEAF], certs[CA], &err), OCU_TOO_BIG);
	assert_int_equal(b.len, 0);
	ocu_buf_fini(&b);
}

/* The request is what OpenSSL writes itself, whatever the serial number is. */
static void request_bytes(void **state)
{
	static const struct {
		const char *hex;
	} rows[] = {
		{ "0" }, { "1" }, { "7f" }, { "80" }, { "-1" }, { "-80" }, { "-ff00" },
		{ "7fffffffffffffffffffffffffffffffffffffff" },
		{ "ffffffffffffffffffffffffffffffffffffffff" },
		/* 62 bytes of it, and of the CertID 128: its length takes a byte more */
		{ "11223344556677889900112233445566778899001122334455667788990011223344556677889900"
		  "11223344556677889900112233445566778899001122" },
	};
	X509 *cert = X509_dup(certs[LEAF]);
	ASN1_INTEGER *serial;
	unsigned char *want;
	OCSP_REQUEST *req;
	BIGNUM *bn = NULL;
	struct ocu_err err;
	struct ocu_buf b;
	size_t i;
	int n;

	(void)state;
	assert_non_null(cert);
	ocu_buf_init(&b, 1000);
	for (i = 0; i < COUNT(rows); i++) {
		assert_true(BN_hex2bn(&bn, rows[i].hex));
		serial = BN_to_ASN1_INTEGER(bn, NULL);
		assert_int_equal(X509_set_serialNumber(cert, serial), 1);
		req = OCSP_REQUEST_new();
		assert_non_null(OCSP_request_add0_id(req, OCSP_cert_to_id(NULL, cert, certs[CA])));
		want = NULL;
		n = i2d_OCSP_REQUEST(req, &want);
		ocu_buf_reset(&b);
		assert_int_equal(ocu_ocsp_request(&b, cert, certs[CA], &err), OCU_OK);
		if ((size_t)n != b.len || memcmp(want, b.data, b.len) != 0)
			fail_msg("serial number %s: %zu bytes instead of %d", rows[i].hex, b.len,
				 n);
		OPENSSL_free(want);
		OCSP_REQUEST_free(req);
		ASN1_INTEGER_free(serial);
	}
	ocu_buf_fini(&b);
	BN_free(bn);
	X509_free(cert);
}

struct seen {
	char text[256];
	int calls, stop_at;
};

static enum ocu_status note_uri(void *arg, const char *uri, size_t n)
{
	struct seen *s = arg;

	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%.*s|", (int)n,
		 uri);
	return ++s->calls == s->stop_at ? OCU_IO : OCU_OK;
}

static void uris(void **state)
{
	static const struct {
		const char *aia;
		int stop_at;
		enum ocu_status want;
		const char *seen;
	} rows[] = {
		{ NULL, 0, OCU_OK, "" },
		{ "OCSP;URI:http://a/", 0, OCU_OK, "http://a/|" },
		{ "caIssuers;URI:http://a/", 0, OCU_OK, "" },
		{ "OCSP;URI:http://a/,caIssuers;URI:http://x/,OCSP;email:a@b,OCSP;URI:https://b", 0,
		  OCU_OK, "http://a/|https://b|" },
		{ "OCSP;URI:a,OCSP;URI:b,OCSP;URI:c", 2, OCU_IO, "a|b|" },
		{ "OCSP;URI:1,OCSP;URI:2,OCSP;URI:3,OCSP;URI:4,OCSP;URI:5,OCSP;URI:6,OCSP;URI:7,"
		  "OCSP;URI:8,OCSP;URI:9", 0, OCU_OK, "1|2|3|4|5|6|7|8|" },
	};
	X509_EXTENSION *ext;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct seen s = { .stop_at = rows[i].stop_at };
		X509 *x = X509_new();

		if (rows[i].aia)
			add_ext(x, x, NID_info_access, rows[i].aia);
		assert_int_equal(ocu_ocsp_uris(x, note_uri, &s), rows[i].want);
		assert_string_equal(s.text, rows[i].seen);
		assert_int_equal(ERR_peek_error(), 0);
		/* Twice the same extension is none to be relied on; nor is one that is broken. */
		if (rows[i].aia) {
			add_ext(x, x, NID_info_access, rows[i].aia);
			assert_int_equal(ocu_ocsp_uris(x, note_uri, &s), OCU_OCSP);
		} else {
			ext = raw_ext("1.3.6.1.5.5.7.1.1", 0, "\x30\x05", 2);
			X509_add_ext(x, ext, -1);
			X509_EXTENSION_free(ext);
			assert_int_equal(ocu_ocsp_uris(x, note_uri, &s), OCU_OCSP);
		}
		assert_string_equal(s.text, rows[i].seen);
		assert_int_equal(ERR_peek_error(), 0);
		X509_free(x);
	}
}

static void must_staple(void **state)
{
	static const struct {
		const char *feature;
		bool want;
	} rows[] = {
		{ NULL, false }, { "status_request", true }, { "status_request_v2", true },
		{ "5", true },
		{ "17", true }, { "4", false }, { "1,5", true }, { "1,18", false },
		{ "65541", false }, { "0x100000000000000005", false },
	};
	X509_EXTENSION *ext;
	X509 *x;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		x = X509_new();
		/* What does not fit 16 bits cannot be written as text. */
		if (rows[i].feature && strlen(rows[i].feature) == 20) {
			ext = raw_ext("1.3.6.1.5.5.7.1.24", 0,
				      "\x30\x0b\x02\x09\x10\x00\x00\x00\x00\x00\x00\x00\x05", 13);
			X509_add_ext(x, ext, -1);
			X509_EXTENSION_free(ext);
		} else if (rows[i].feature && strlen(rows[i].feature) == 5) {
			ext = raw_ext("1.3.6.1.5.5.7.1.24", 0, "\x30\x05\x02\x03\x01\x00\x05", 7);
			X509_add_ext(x, ext, -1);
			X509_EXTENSION_free(ext);
		} else if (rows[i].feature) {
			add_ext(x, x, NID_tlsfeature, rows[i].feature);
		}
		if (ocu_ocsp_must_staple(x) != rows[i].want)
			fail_msg("%s", rows[i].feature);
		assert_int_equal(ERR_peek_error(), 0);
		X509_free(x);
	}
	x = X509_new();
	ext = raw_ext("1.3.6.1.5.5.7.1.24", 0, "\x30\x07", 2);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_false(ocu_ocsp_must_staple(x));
	assert_int_equal(ERR_peek_error(), 0);
	X509_free(x);
}

struct attempt {
	const unsigned char *der;
	size_t n;
	struct ocu_buf buf;
	X509 *with_uris;
	struct ocu_err err;
};

static enum ocu_status try_verify(struct attempt *a)
{
	struct ocu_ocsp out = { 0 };
	enum ocu_status ret;

	ret = ocu_ocsp_verify(&out, a->der, a->n, certs[LEAF], certs[CA], NOW, &a->err);
	/* Each of the responses says revoked in what is newest. */
	if (ret == OCU_OK)
		assert_true(out.revoked);
	return ret;
}

static enum ocu_status try_request(struct attempt *a)
{
	enum ocu_status ret = ocu_ocsp_request(&a->buf, certs[LEAF], certs[CA], &a->err);

	ocu_buf_fini(&a->buf);
	return ret;
}

static enum ocu_status try_uris(struct attempt *a)
{
	struct seen s = { .stop_at = 0 };
	enum ocu_status ret = ocu_ocsp_uris(a->with_uris, note_uri, &s);

	a->err.code = ret;
	return ret;
}

/* Fails every allocation in turn, OpenSSL's too, until all goes well: no crash, no leak, never a
 * response that is accepted although a step of its check failed.
 */
static void without_memory(void **state)
{
	static const struct spec plain = {
		SIGNED(ONE, { .about = LEAF, .md = EVP_sha256, .status = REVOKED }) };
	static const struct spec delegated = {
		.s = { { .about = LEAF, .status = REVOKED }, ONE },
		.signer = DELEGATE, .embedded = { EXPIRED, ROOT } };
	static const struct spec by_key = {
		.s = { { .about = LEAF, .status = REVOKED } },
		.signer = DELEGATE, .flags = OCSP_RESPID_KEY };
	static enum ocu_status (*const tries[])(struct attempt *) = {
		try_verify, try_verify, try_verify, try_request, try_uris,
	};
	unsigned char *ders[3];
	size_t lens[3], i;
	struct attempt a;
	enum ocu_status got;
	long n, before, nomem;

	(void)state;
	ders[0] = make(&plain, &lens[0]);
	ders[1] = make(&delegated, &lens[1]);
	ders[2] = make(&by_key, &lens[2]);
	memset(&a, 0, sizeof(a));
	a.with_uris = X509_new();
	add_ext(a.with_uris, a.with_uris, NID_info_access, "OCSP;URI:http://a/,OCSP;URI:http://b/");
	ocu_buf_init(&a.buf, 1000);
	for (i = 0; i < COUNT(tries); i++) {
		a.der = ders[i % 3];
		a.n = lens[i % 3];
		/* What OpenSSL fetches once and keeps is not what this is about. */
		assert_int_equal(tries[i](&a), OCU_OK);
		before = nomem_live();
		for (n = 0, nomem = 0, got = OCU_NOMEM; n == 0 || nomem_failed(); n++) {
			assert_true(n < 100000);
			nomem_fail(n);
			got = tries[i](&a);
			if (got != OCU_OK)
				assert_int_equal(a.err.code, got);
			nomem += got == OCU_NOMEM;
			assert_int_equal(ERR_peek_error(), 0);
			assert_int_equal(nomem_live(), before);
		}
		nomem_fail(-1);
		assert_int_equal(got, OCU_OK);
		assert_true(nomem > 0);
	}
	X509_free(a.with_uris);
	for (i = 0; i < COUNT(ders); i++)
		OPENSSL_free(ders[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(malformed_times),
		cmocka_unit_test(malformed_production_times),
		cmocka_unit_test(any_time),
		cmocka_unit_test(far_times),
		cmocka_unit_test(delegate_is_valid_at_its_time),
		cmocka_unit_test(error_responses),
		cmocka_unit_test(encodings),
		cmocka_unit_test(sizes),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(every_bit_of_the_algorithm_counts),
		cmocka_unit_test(peek),
		cmocka_unit_test(request),
		cmocka_unit_test(request_bytes),
		cmocka_unit_test(uris),
		cmocka_unit_test(must_staple),
		cmocka_unit_test(without_memory),
	};

	if (!nomem_openssl())
		return 1;
	return cmocka_run_group_tests_name("ocsp", tests, make_people, free_people);
}
