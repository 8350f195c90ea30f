/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fixed.c - certificates that are the same in every run, and a second opinion of what is accepted
 * for them. Fuzzes nothing itself.
 */
#include "fixed.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ocu/buf.h"
#include "ocu/ocsp.h"

#define DAY ((int64_t)PKI_DAY_S)
#define WRAP_MAX_BYTES (1 << 20)

/* Makes the P-256 key whose secret is the hash of <name>. */
static EVP_PKEY *key_of(const char *name)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	uint8_t secret[SHA256_DIGEST_LENGTH], public[65];
	EC_POINT *point = EC_POINT_new(group);
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	BIGNUM *d;

	SHA256((const uint8_t *)name, strlen(name), secret);
	secret[0] &= 0x7f; /* below the order of the group */
	d = BN_bin2bn(secret, sizeof(secret), NULL);
	fuzz_must(EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1 &&
		  EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public,
				     sizeof(public), NULL) == sizeof(public), "public key");
	fuzz_must(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
		  OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
		  OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, public,
						   sizeof(public)), "key parameters");
	params = OSSL_PARAM_BLD_to_param(bld);
	fuzz_must(EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1, "key");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_clear_free(d);
	return key;
}

static void cert_make(struct fixed *f, struct pki_id *out, const char *secret,
		      const struct pki_cert *how)
{
	struct pki_cert c = *how;

	c.key = key_of(secret);
	c.signer = &f->by[FIXED_ISSUER];
	pki_cert_make(f->pki, out, &c);
	EVP_PKEY_free(c.key);
}

static void fixed_make(struct fixed *f)
{
	static const struct {
		enum fixed_signer id;
		const char *secret;
		struct pki_cert c;
	} rows[] = {
		{ FIXED_ISSUER, "issuer",
		  { .name = "Fixed Issuer", .serial = 1, .ca = true, .self_signed = true } },
		{ FIXED_DELEGATE, "delegate",
		  { .name = "Fixed Delegate", .serial = 2, .ocsp_signing = true } },
		{ FIXED_PLAIN, "plain", { .name = "Fixed Plain", .serial = 3 } },
		{ FIXED_EXPIRED, "expired",
		  { .name = "Fixed Expired", .serial = 4, .ocsp_signing = true,
		    .begin = -30 * DAY, .end = -DAY } },
		{ FIXED_STRANGER, "stranger",
		  { .name = "Fixed Issuer", .serial = 5, .ca = true, .self_signed = true } },
		{ FIXED_LEAF, "leaf", { .name = "leaf.test", .serial = 0x1234567890 } },
	};
	size_t i;

	f->pki = pki_new();
	f->pki->now = FIXED_NOW;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cert_make(f, &f->by[rows[i].id], rows[i].secret, &rows[i].c);
	cert_make(f, &f->other, "other", &(struct pki_cert){ .name = "o.test", .serial = 77 });
	f->cert = f->by[FIXED_LEAF].cert;
	f->issuer = f->by[FIXED_ISSUER].cert;
}

const struct fixed *fixed_get(void)
{
	static struct fixed f;

	if (!f.pki)
		fixed_make(&f);
	return &f;
}

size_t fixed_response(uint8_t **der, const struct pki_single *singles, size_t n,
		      enum fixed_signer signer)
{
	const struct fixed *f = fixed_get();
	struct pki_response r = { .n_singles = n, .by = &f->by[signer],
				  .no_certs = signer == FIXED_ISSUER };
	size_t i;

	for (i = 0; i < n; i++) {
		r.singles[i] = singles[i];
		if (!r.singles[i].issuer)
			r.singles[i].issuer = f->issuer;
	}
	return pki_response_make(f->pki, der, &r);
}

/* ---- DER, written from the inside out ---- */

/* Puts a tag and a length before what <b> holds. */
static void tlv(struct ocu_buf *b, uint8_t tag)
{
	uint8_t head[5] = { tag }, *inside = fuzz_copy(b->data, b->len);
	size_t n = b->len, len = 2;

	if (n < 0x80) {
		head[1] = (uint8_t)n;
	} else {
		head[1] = n > 0xffff ? 0x83 : n > 0xff ? 0x82 : 0x81;
		for (len = head[1] - 0x80u; len; len--, n >>= 8)
			head[1 + len] = (uint8_t)n;
		n = b->len;
		len = 2 + (head[1] - 0x80u);
	}
	ocu_buf_reset(b);
	fuzz_must(ocu_buf_add(b, head, len) == OCU_OK && ocu_buf_add(b, inside, n) == OCU_OK,
		  "no memory");
	free(inside);
}

static void add(struct ocu_buf *b, const void *p, size_t n)
{
	fuzz_must(ocu_buf_add(b, p, n) == OCU_OK, "no memory");
}

static void sign(struct ocu_buf *b, const uint8_t *tbs, size_t n, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[256] = { 0 }; /* the first byte: no unused bits */
	size_t len = sizeof(sig) - 1;

	fuzz_must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestSign(ctx, sig + 1, &len, tbs, n) == 1, "signature");
	EVP_MD_CTX_free(ctx);
	add(b, sig, len + 1);
}

size_t fixed_wrap(uint8_t **der, const uint8_t *tbs, size_t n, enum fixed_signer signer)
{
	static const uint8_t ecdsa[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
					 0x03, 0x02 };
	static const uint8_t basic[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01,
					 0x01 };
	static const uint8_t successful[] = { 0x0a, 0x01, 0x00 };
	const struct pki_id *by = &fixed_get()->by[signer];
	struct ocu_buf b, all;
	uint8_t *cert = NULL;
	int len;

	ocu_buf_init(&b, WRAP_MAX_BYTES);
	ocu_buf_init(&all, WRAP_MAX_BYTES);
	add(&all, tbs, n);
	add(&all, ecdsa, sizeof(ecdsa));
	sign(&b, tbs, n, by->key);
	tlv(&b, 0x03);
	add(&all, b.data, b.len);
	if (signer != FIXED_ISSUER) {
		len = i2d_X509(by->cert, &cert);
		fuzz_must(len > 0, "certificate");
		ocu_buf_reset(&b);
		add(&b, cert, (size_t)len);
		OPENSSL_free(cert);
		tlv(&b, 0x30);
		tlv(&b, 0xa0);
		add(&all, b.data, b.len);
	}
	tlv(&all, 0x30);
	tlv(&all, 0x04);
	ocu_buf_reset(&b);
	add(&b, basic, sizeof(basic));
	add(&b, all.data, all.len);
	tlv(&b, 0x30);
	tlv(&b, 0xa0);
	ocu_buf_reset(&all);
	add(&all, successful, sizeof(successful));
	add(&all, b.data, b.len);
	tlv(&all, 0x30);
	ocu_buf_fini(&b);
	*der = all.data;
	return all.len;
}

/* ---- the second opinion ---- */

static int64_t seconds(const ASN1_GENERALIZEDTIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, secs = 0;

	fuzz_must(t && epoch && ASN1_TIME_diff(&days, &secs, epoch, t) == 1, "time of an accepted");
	ASN1_TIME_free(epoch);
	return days * DAY + secs;
}

/* Whether <c> may sign for the issuer. */
static bool may_sign(X509 *c, const struct fixed *f)
{
	time_t now = (time_t)FIXED_NOW;

	if (X509_cmp(c, f->issuer) == 0)
		return true;
	return X509_verify(c, f->by[FIXED_ISSUER].key) == 1 &&
	       (X509_get_extension_flags(c) & EXFLAG_XKUSAGE) &&
	       (X509_get_extended_key_usage(c) & XKU_OCSP_SIGN) &&
	       X509_cmp_time(X509_get0_notBefore(c), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(c), &now) > 0;
}

static bool signed_by(OCSP_BASICRESP *bs, X509 *c)
{
	STACK_OF(X509) *one = sk_X509_new_null();
	bool ret;

	fuzz_must(one && sk_X509_push(one, c), "no memory");
	ret = OCSP_basic_verify(bs, one, NULL, OCSP_NOINTERN | OCSP_NOVERIFY) == 1;
	sk_X509_free(one);
	return ret;
}

static void check_signed(OCSP_BASICRESP *bs)
{
	const STACK_OF(X509) *certs = OCSP_resp_get0_certs(bs);
	const struct fixed *f = fixed_get();
	bool ok = signed_by(bs, f->issuer);
	X509 *c;
	int i;

	for (i = 0; !ok && i < sk_X509_num(certs); i++) {
		c = sk_X509_value(certs, i);
		ok = may_sign(c, f) && signed_by(bs, c);
	}
	fuzz_must(ok, "accepted without a signature of who may sign");
}

/* Whether <s> is about <cert>, by a CertID in any digest. */
static bool is_about(OCSP_SINGLERESP *s, X509 *cert, X509 *issuer)
{
	const EVP_MD *const digests[] = { EVP_sha1(), EVP_sha224(), EVP_sha256(), EVP_sha384(),
					  EVP_sha512() };
	bool ret = false;
	OCSP_CERTID *id;
	size_t i;

	for (i = 0; !ret && i < sizeof(digests) / sizeof(digests[0]); i++) {
		id = OCSP_cert_to_id(digests[i], cert, issuer);
		fuzz_must(id != NULL, "CertID");
		ret = OCSP_id_cmp(id, OCSP_SINGLERESP_get0_id(s)) == 0;
		OCSP_CERTID_free(id);
	}
	return ret;
}

/* How bad it is what a single response says. */
static int badness(int status)
{
	return status == V_OCSP_CERTSTATUS_GOOD ? 0 : status == V_OCSP_CERTSTATUS_REVOKED ? 2 : 1;
}

/* One that says what was read has to be there, and none that may be stapled now and is newer, or is
 * as new and says worse.
 */
static void check_singles(OCSP_BASICRESP *bs, X509 *cert, const struct ocu_ocsp *o)
{
	int i, status, read = o->revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
	ASN1_GENERALIZEDTIME *revoked, *begin, *end;
	bool found = false, usable;
	int64_t from, until;
	OCSP_SINGLERESP *s;

	for (i = 0; i < OCSP_resp_count(bs); i++) {
		s = OCSP_resp_get0(bs, i);
		if (!is_about(s, cert, fixed_get()->issuer))
			continue;
		status = OCSP_single_get0_status(s, NULL, &revoked, &begin, &end);
		from = seconds(begin);
		until = seconds(end);
		found |= from == o->this_update && until == o->next_update && status == read &&
			 o->revoked_at == (o->revoked ? seconds(revoked) : 0);
		usable = from <= FIXED_NOW + OCU_OCSP_SKEW_S && from < until &&
			 until > FIXED_NOW + OCU_OCSP_SKEW_S;
		fuzz_must(!usable || from < o->this_update ||
			  (from == o->this_update && badness(status) <= badness(read)),
			  "a newer or a worse one was passed over");
	}
	fuzz_must(found, "accepted for a certificate that it is not about");
}

static void check_accepted(const uint8_t *der, size_t n, X509 *cert, const struct ocu_ocsp *o)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
	OCSP_BASICRESP *bs;

	fuzz_must(resp && p == der + n, "accepted what does not parse");
	fuzz_must(OCSP_response_status(resp) == OCSP_RESPONSE_STATUS_SUCCESSFUL, "status");
	bs = OCSP_response_get1_basic(resp);
	fuzz_must(bs != NULL, "accepted what is no basic response");
	fuzz_must(o->this_update <= FIXED_NOW + OCU_OCSP_SKEW_S, "not valid yet");
	fuzz_must(o->next_update > FIXED_NOW + OCU_OCSP_SKEW_S, "not valid any more");
	fuzz_must(o->next_update > o->this_update, "ends before it begins");
	fuzz_must(o->expiry > FIXED_NOW && o->expiry <= o->next_update - OCU_OCSP_SKEW_S, "expiry");
	check_signed(bs);
	check_singles(bs, cert, o);
	OCSP_BASICRESP_free(bs);
	OCSP_RESPONSE_free(resp);
}

/* Whether a refusal says whom it concerns as the bytes themselves say it. */
static bool is_status_right(enum ocu_status st, const uint8_t *der, size_t n)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *resp = n ? d2i_OCSP_RESPONSE(NULL, &p, (long)n) : NULL;
	int says = resp && p == der + n ? OCSP_response_status(resp) : -1;

	OCSP_RESPONSE_free(resp);
	ERR_clear_error();
	switch (n > OCU_OCSP_MAX_BYTES ? -1 : says) {
	case OCSP_RESPONSE_STATUS_SUCCESSFUL:
		return st == OCU_OCSP || st == OCU_MALFORMED || st == OCU_OTHER_CERT ||
		       st == OCU_ENDED;
	case OCSP_RESPONSE_STATUS_MALFORMEDREQUEST:
		return st == OCU_BAD_REQUEST;
	case OCSP_RESPONSE_STATUS_INTERNALERROR:
		return st == OCU_INTERNAL;
	case OCSP_RESPONSE_STATUS_TRYLATER:
		return st == OCU_TRY_LATER;
	case OCSP_RESPONSE_STATUS_SIGREQUIRED:
	case OCSP_RESPONSE_STATUS_UNAUTHORIZED:
		return st == OCU_OTHER_CERT;
	default:
		return st == OCU_MALFORMED;
	}
}

bool fixed_check(const uint8_t *der, size_t n, X509 *cert)
{
	const struct ocu_ocsp untouched = { -1, -2, -3, -4, false };
	struct ocu_ocsp o = untouched, peeked = untouched;
	const struct fixed *f = fixed_get();
	struct ocu_err err = { .code = OCU_OK };
	enum ocu_status st, peek;

	peek = ocu_ocsp_peek(&peeked, der, n, cert, f->issuer, &err);
	fuzz_must(fuzz_is_clean(err.msg), "reason");
	fuzz_must(peek == OCU_OK || (err.code == peek && err.msg[0] && peek != OCU_ENDED &&
				     is_status_right(peek, der, n)), "reason of peek");
	st = ocu_ocsp_verify(&o, der, n, cert, f->issuer, FIXED_NOW, &err);
	fuzz_must(fuzz_is_clean(err.msg), "reason");
	if (st == OCU_OK) {
		fuzz_must(n <= OCU_OCSP_MAX_BYTES, "too long");
		check_accepted(der, n, cert, &o);
		/* It chooses among all, whatever their times; one of them is unknown then. */
		fuzz_must(peek == OCU_OK || strstr(err.msg, "unknown"), "peek refuses it");
		return true;
	}
	fuzz_must(err.code == st && err.msg[0] && is_status_right(st, der, n), "reason to refuse");
	fuzz_must(o.this_update == untouched.this_update &&
		  o.next_update == untouched.next_update && o.expiry == untouched.expiry &&
		  o.revoked_at == untouched.revoked_at && !o.revoked, "refused and filled in");
	return false;
}
