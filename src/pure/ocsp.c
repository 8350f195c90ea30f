/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ocsp.c - reads what certificates say about OCSP, writes requests, judges responses.
 * Reads no clock, fetches nothing, holds nothing.
 *
 * OCSP_basic_verify() is not used: it looks for a chain of any length among its anchors and the
 * certificates of the response, and accepts a CA of the chain for the certificates of another one.
 * Here the signer is looked up by the responder id, asked for its right to sign, and only then is
 * the signature checked.
 */
#include "ocu/ocsp.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ocu/date.h"
#include "ocu/digest.h"
#include "ocu/signature.h"

/* Certificates with the signer's name that are tried: each may cost a signature check, and a
 * response has room for hundreds.
 */
#define OCU_OCSP_SIGNERS_MAX 8

/* OpenSSL's security level 1: what is signed with less is refused (SSL_CTX_set_security_level(3)).
 * OpenSSL says how much a digest and a key are worth.
 */
#define OCU_OCSP_SECURITY_BITS 80

#define OCU_OCSP_HEADER_BYTES 8 /* more than a header of DER with a length that is an int has */

/* Room for what precedes a basic response: five headers of up to 6 bytes, a status and a type. */
#define OCU_OCSP_FRAME_BYTES 64

#define OCU_OCSP_NAME_BYTES 128 /* how much of the name of a signer is shown */

/* TLS extension numbers of status_request and status_request_v2. */
#define OCU_OCSP_FEATURE_V1 5
#define OCU_OCSP_FEATURE_V2 17

/* A basic response, and what it says is signed, as it was received. */
struct basic {
	OCSP_BASICRESP *bs;
	const uint8_t *signed_der;
	size_t signed_len;
};

/* One single response; status is one of V_OCSP_CERTSTATUS_*. */
struct single {
	struct ocu_ocsp o;
	int status;
};

/* Empties OpenSSL's error queue, which goes over all of its places even if there is nothing. */
static void clear_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

/* Fails with what OpenSSL could not do; its error queue tells whether memory was the reason. */
static enum ocu_status fail_ssl(struct ocu_err *err, const char *what)
{
	bool nomem = false;
	unsigned long e;

	while ((e = ERR_get_error()))
		nomem |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	/* The texts of what was taken out are still there. */
	ERR_clear_error();
	return nomem ? ocu_fail(err, OCU_NOMEM, "no memory: %s", what)
		     : ocu_fail(err, OCU_OCSP, "%s", what);
}

static enum ocu_status each_uri(const AUTHORITY_INFO_ACCESS *aia,
				enum ocu_status (*each)(void *arg, const char *uri, size_t n),
				void *arg)
{
	enum ocu_status ret = OCU_OK;
	const ACCESS_DESCRIPTION *d;
	const ASN1_STRING *s;
	int i, found = 0;

	for (i = 0; i < sk_ACCESS_DESCRIPTION_num(aia) && ret == OCU_OK; i++) {
		d = sk_ACCESS_DESCRIPTION_value(aia, i);
		if (OBJ_obj2nid(d->method) != NID_ad_OCSP || d->location->type != GEN_URI)
			continue;
		if (found++ == OCU_OCSP_URIS_MAX)
			break;
		s = d->location->d.uniformResourceIdentifier;
		ret = each(arg, (const char *)ASN1_STRING_get0_data(s),
			   (size_t)ASN1_STRING_length(s));
	}
	return ret;
}

enum ocu_status ocu_ocsp_uris(X509 *cert,
			      enum ocu_status (*each)(void *arg, const char *uri, size_t n),
			      void *arg)
{
	AUTHORITY_INFO_ACCESS *aia;
	enum ocu_status ret;
	int crit = -1;

	clear_errors();
	aia = X509_get_ext_d2i(cert, NID_info_access, &crit, NULL);
	if (aia)
		ret = each_uri(aia, each, arg);
	else if (crit == -1)
		ret = OCU_OK;
	else
		ret = fail_ssl(NULL, "authority information access does not parse");
	AUTHORITY_INFO_ACCESS_free(aia);
	clear_errors();
	return ret;
}

bool ocu_ocsp_must_staple(X509 *cert)
{
	TLS_FEATURE *list = X509_get_ext_d2i(cert, NID_tlsfeature, NULL, NULL);
	bool ret = false;
	int64_t feature;
	int i;

	for (i = 0; list && i < sk_ASN1_INTEGER_num(list); i++) {
		if (ASN1_INTEGER_get_int64(&feature, sk_ASN1_INTEGER_value(list, i)))
			ret |= feature == OCU_OCSP_FEATURE_V1 || feature == OCU_OCSP_FEATURE_V2;
	}
	TLS_FEATURE_free(list);
	clear_errors();
	return ret;
}

/* ---- CertIDs ---- */

/* What a CertID says of an issuer (RFC 6960 4.1.1). */
struct issuer_id {
	unsigned char name[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE];
	unsigned n; /* bytes of each */
};

/* Computes what a CertID in <md> says of the issuer of <cert>, which has the key of <issuer>. */
static bool issuer_digest(struct issuer_id *out, const EVP_MD *md, const X509 *cert,
			  const X509 *issuer)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(issuer);
	const unsigned char *name;
	size_t n;

	return key && X509_NAME_get0_der(X509_get_issuer_name(cert), &name, &n)
	       && EVP_Digest(name, n, out->name, &out->n, md, NULL)
	       && EVP_Digest(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), out->key,
			     &out->n, md, NULL);
}

/* ---- requests ---- */

/* Appends the headers of <depth> SEQUENCEs, one in the other, the last one around <n> bytes. */
static enum ocu_status add_sequences(struct ocu_buf *out, int depth, int n)
{
	unsigned char header[OCU_OCSP_HEADER_BYTES], *p = header;
	enum ocu_status ret = OCU_OK;

	if (depth > 1)
		ret = add_sequences(out, depth - 1, ASN1_object_size(1, n, V_ASN1_SEQUENCE));
	ASN1_put_object(&p, 1, n, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	return ret == OCU_OK ? ocu_buf_add(out, header, (size_t)(p - header)) : ret;
}

/* Appends a request that holds nothing but a CertID: OCSPRequest, TBSRequest, requestList, Request
 * and CertID are five SEQUENCEs, and what can be left out is (RFC 6960 4.1.1).
 */
static enum ocu_status add_request(struct ocu_buf *out, const struct issuer_id *id,
				   const unsigned char *serial, int n)
{
	static const uint8_t algorithm[] = { 0x30, 9, 6, 5, 0x2b, 0xe, 3, 2, 0x1a, 5, 0 };
	static const uint8_t octets[] = { V_ASN1_OCTET_STRING, SHA_DIGEST_LENGTH };
	int hashes = 2 * (int)(sizeof(octets) + SHA_DIGEST_LENGTH);
	enum ocu_status ret;

	ret = add_sequences(out, 5, (int)sizeof(algorithm) + hashes + n);
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, algorithm, sizeof(algorithm));
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, octets, sizeof(octets));
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, id->name, SHA_DIGEST_LENGTH);
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, octets, sizeof(octets));
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, id->key, SHA_DIGEST_LENGTH);
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, serial, (size_t)n);
	return ret;
}

enum ocu_status ocu_ocsp_request(struct ocu_buf *out, X509 *cert, X509 *issuer,
				 struct ocu_err *err)
{
	size_t before = out->len;
	unsigned char *serial = NULL;
	struct issuer_id id;
	enum ocu_status ret;
	int n = -1;

	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
		return ocu_fail(err, OCU_OCSP, "issuer is not the one that is named in the "
				"certificate");
	clear_errors();
	if (issuer_digest(&id, ocu_digest(NID_sha1), cert, issuer))
		n = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &serial);
	if (n <= 0)
		return fail_ssl(err, "request cannot be made");
	ret = add_request(out, &id, serial, n);
	OPENSSL_free(serial);
	clear_errors();
	if (ret == OCU_OK)
		return ret;
	out->len = before;
	return ocu_fail(err, ret, "request with a serial number of %d bytes", n);
}

/* Reads the one form that RFC 5280 4.1.2.5.2 leaves of GeneralizedTime: YYYYMMDDHHMMSSZ.
 * Nothing was signed before 1970, and 0 is free to stand for none.
 */
static bool read_time(int64_t *out, const ASN1_GENERALIZEDTIME *t)
{
	const unsigned char *s = ASN1_STRING_get0_data(t);
	struct ocu_date d;
	int v[7], i; /* v: century, year of it, month, day, hour, minute, second */

	if (ASN1_STRING_length(t) != 15 || s[14] != 'Z')
		return false;
	for (i = 0; i < 14; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	for (i = 0; i < 7; i++)
		v[i] = (s[2 * i] - '0') * 10 + (s[2 * i + 1] - '0');
	d = (struct ocu_date){ v[0] * 100 + v[1], v[2], v[3], v[4], v[5], v[6] };
	return ocu_date_s(out, &d);
}

/* What a responder says instead of an answer (RFC 6960 4.2.1), and whom it concerns. */
static enum ocu_status fail_answer(struct ocu_err *err, int status)
{
	static const struct {
		const char *name;
		enum ocu_status st;
	} answers[] = {
		[OCSP_RESPONSE_STATUS_MALFORMEDREQUEST] = { "malformedRequest", OCU_BAD_REQUEST },
		[OCSP_RESPONSE_STATUS_INTERNALERROR] = { "internalError", OCU_INTERNAL },
		[OCSP_RESPONSE_STATUS_TRYLATER] = { "tryLater", OCU_TRY_LATER },
		[OCSP_RESPONSE_STATUS_SIGREQUIRED] = { "sigRequired", OCU_OTHER_CERT },
		[OCSP_RESPONSE_STATUS_UNAUTHORIZED] = { "unauthorized", OCU_OTHER_CERT },
	};
	size_t i = (size_t)status;

	if (i >= sizeof(answers) / sizeof(answers[0]) || !answers[i].name)
		return ocu_fail(err, OCU_OCSP, "responder says an undefined status (%d)", status);
	return ocu_fail(err, answers[i].st, "responder says %s (%d)", answers[i].name, status);
}

/* Writes what precedes the <n> bytes of a basic response in a successful one (RFC 6960 4.2.1), and
 * returns its length.
 */
static size_t write_frame(uint8_t out[static OCU_OCSP_FRAME_BYTES], int n)
{
	static const uint8_t status[] = { V_ASN1_ENUMERATED, 1, OCSP_RESPONSE_STATUS_SUCCESSFUL };
	static const uint8_t type[] = { V_ASN1_OBJECT, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1 };
	int content = (int)sizeof(type) + ASN1_object_size(0, n, V_ASN1_OCTET_STRING);
	int bytes = ASN1_object_size(1, content, V_ASN1_SEQUENCE);
	int all = (int)sizeof(status) + ASN1_object_size(1, bytes, 0);
	uint8_t *p = out;

	ASN1_put_object(&p, 1, all, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(p, status, sizeof(status));
	p += sizeof(status);
	ASN1_put_object(&p, 1, bytes, 0, V_ASN1_CONTEXT_SPECIFIC);
	ASN1_put_object(&p, 1, content, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(p, type, sizeof(type));
	p += sizeof(type);
	ASN1_put_object(&p, 0, n, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL);
	return (size_t)(p - out);
}

/* Notes where in the <n> bytes of DER of a basic response the part is that is signed: the first one
 * in it (RFC 6960 4.2.1).
 */
static void find_signed(struct basic *b, const uint8_t *der, size_t n)
{
	const unsigned char *p = der, *content;
	int tag, class;
	long len;

	ASN1_get_object(&p, &len, &tag, &class, (long)n);
	content = p;
	ASN1_get_object(&content, &len, &tag, &class, len);
	b->signed_der = p;
	b->signed_len = (size_t)(content - p + len);
}

/* Whether <b> written out as a successful response is again what was read. BER would reach clients
 * that parse more strictly than OpenSSL, and bytes behind the basic response would be hidden in it.
 */
static enum ocu_status check_der(struct basic *b, const uint8_t *der, size_t n,
				 struct ocu_err *err)
{
	uint8_t frame[OCU_OCSP_FRAME_BYTES];
	unsigned char *out = NULL;
	enum ocu_status ret = OCU_OK;
	size_t before;
	int len;

	len = i2d_OCSP_BASICRESP(b->bs, &out);
	if (len <= 0)
		return fail_ssl(err, "response cannot be written back");
	before = write_frame(frame, len);
	if (before + (size_t)len != n || memcmp(frame, der, before) != 0
	    || memcmp(out, der + before, (size_t)len) != 0)
		ret = ocu_fail(err, OCU_OCSP, "response is not in DER");
	else
		find_signed(b, der + before, (size_t)len);
	OPENSSL_free(out);
	return ret;
}

/* OpenSSL parses the inner response only when it is asked for. From 3.5 on that is where most of
 * the malformed times are found, which older versions hand out.
 */
static enum ocu_status fail_basic(struct ocu_err *err)
{
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_OCSP)
		return fail_ssl(err, "response is not a basic response");
	return fail_ssl(err, "basic response does not parse");
}

/* parse() before it tells what is malformed from what is refused. */
static enum ocu_status parse_form(struct basic *out, const uint8_t *der, size_t n,
				  struct ocu_err *err)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *resp;
	enum ocu_status ret;
	int status;

	out->bs = NULL;
	if (n > OCU_OCSP_MAX_BYTES)
		return ocu_fail(err, OCU_OCSP,
				"response of %zu bytes is too long for a TLS handshake (%d)", n,
				OCU_OCSP_MAX_BYTES);
	resp = n > 0 ? d2i_OCSP_RESPONSE(NULL, &p, (long)n) : NULL;
	if (!resp)
		return n > 0 ? fail_ssl(err, "does not parse as an OCSP response")
			     : ocu_fail(err, OCU_OCSP, "response is empty");
	status = OCSP_response_status(resp);
	if (p != der + n)
		ret = ocu_fail(err, OCU_OCSP, "%zu bytes follow the response",
			       (size_t)(der + n - p));
	else if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		ret = fail_answer(err, status);
	else if (!(out->bs = OCSP_response_get1_basic(resp)))
		ret = fail_basic(err);
	else
		ret = check_der(out, der, n, err);
	OCSP_RESPONSE_free(resp);
	if (ret != OCU_OK) {
		OCSP_BASICRESP_free(out->bs);
		out->bs = NULL;
	}
	return ret;
}

/* Parses a successful basic response, which the caller frees; NULL on error. <der> is borrowed for
 * as long as <out> is in use.
 */
static enum ocu_status parse(struct basic *out, const uint8_t *der, size_t n, struct ocu_err *err)
{
	enum ocu_status st = parse_form(out, der, n, err);

	if (st != OCU_OCSP)
		return st;
	if (err)
		err->code = OCU_MALFORMED;
	return OCU_MALFORMED;
}

/* Whether <s> holds the <n> bytes at <p>. */
static bool is_octets(const ASN1_OCTET_STRING *s, const unsigned char *p, unsigned n)
{
	return ASN1_STRING_length(s) == (int)n && memcmp(ASN1_STRING_get0_data(s), p, n) == 0;
}

/* Whether <c> is who the responder id of <bs> names. */
static bool is_named(const OCSP_BASICRESP *bs, X509 *c)
{
	const ASN1_OCTET_STRING *key = NULL;
	const X509_NAME *name = NULL;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!OCSP_resp_get0_id(bs, &key, &name))
		return false;
	if (name)
		return X509_NAME_cmp(name, X509_get_subject_name(c)) == 0;
	return X509_pubkey_digest(c, ocu_digest(NID_sha1), md, &n) && is_octets(key, md, n);
}

/* Returns how many bits of security the algorithm has by which <c> is signed, 0 if that is not
 * known.
 */
static int algorithm_bits(X509 *c)
{
	int bits;

	return X509_get_signature_info(c, NULL, NULL, &bits, NULL) && bits > 0 ? bits : 0;
}

/* Returns how many bits of security a signature has by an algorithm of <bits> and by <key>. */
static int signature_bits(int bits, const EVP_PKEY *key)
{
	int most = EVP_PKEY_get_security_bits(key);

	return bits < most ? bits : most;
}

/* Returns how many bits of security the algorithm <theirs> has, 0 if that is not known. OpenSSL
 * tells it of certificates alone, so an empty one gets the algorithm. There is no way to set it,
 * but it is ours, and not constant.
 */
static int other_bits(const X509_ALGOR *theirs, bool no_digest)
{
	const X509_ALGOR *own = NULL;
	X509 *c = X509_new();
	int bits = 0;

	if (c)
		X509_get0_signature(NULL, &own, c);
	if (own && X509_ALGOR_copy((X509_ALGOR *)(uintptr_t)own, theirs))
		bits = algorithm_bits(c);
	X509_free(c);
	/* Of algorithms that have no digest it knows only what their keys are worth. */
	return c && !bits && no_digest ? INT_MAX : bits;
}

/* Returns how many bits of security the signature of <bs> by <key> has. As a rule it is made by the
 * algorithm by which <cert> is signed too, and of a certificate OpenSSL keeps what it found. Where
 * there is no digest more than the algorithm may have counted.
 */
static int response_bits(const OCSP_BASICRESP *bs, const EVP_PKEY *key, X509 *cert)
{
	const X509_ALGOR *theirs = OCSP_resp_get0_tbs_sigalg(bs), *own;
	int nid = OBJ_obj2nid(theirs->algorithm), digest;

	if (nid == NID_rsassaPss || !OBJ_find_sigid_algs(nid, &digest, NULL))
		return signature_bits(other_bits(theirs, false), key);
	X509_get0_signature(NULL, &own, cert);
	if (digest != NID_undef && X509_ALGOR_cmp(own, theirs) == 0)
		return signature_bits(algorithm_bits(cert), key);
	return signature_bits(other_bits(theirs, digest == NID_undef), key);
}

/* The same for the issuer's certificate. Whose key has signed it is known of a root alone. */
static int issuer_bits(X509 *issuer)
{
	int bits = algorithm_bits(issuer);

	if (X509_self_signed(issuer, 0) != 1)
		return bits;
	return signature_bits(bits, X509_get0_pubkey(issuer));
}

/* Whether a signature of <bits> is good enough. Where the issuer's own certificate is signed no
 * better, whoever trusts it has nothing to gain from a better one here.
 */
static enum ocu_status check_bits(int bits, const char *whose, X509 *issuer, struct ocu_err *err)
{
	char why[80];
	int own;

	if (bits >= OCU_OCSP_SECURITY_BITS)
		return OCU_OK;
	if (bits <= 0)
		return fail_ssl(err, "strength of a signature is not known");
	own = issuer_bits(issuer);
	if (own > 0 && bits >= own)
		return OCU_OK;
	snprintf(why, sizeof(why), "%s is too weak: %d bits of security", whose, bits);
	return fail_ssl(err, why);
}

static enum ocu_status check_signature(const struct basic *b, X509 *signer, X509 *cert,
				       X509 *issuer, struct ocu_err *err)
{
	const X509_ALGOR *alg = OCSP_resp_get0_tbs_sigalg(b->bs);
	EVP_PKEY *key = X509_get0_pubkey(signer);
	const ASN1_OBJECT *oid;
	int type;

	if (!key)
		return fail_ssl(err, "signer's key cannot be used");
	/* Not covered by the signature, and OpenSSL overlooks what other clients may not. */
	X509_ALGOR_get0(&oid, &type, NULL, alg);
	if (type != V_ASN1_UNDEF && type != V_ASN1_NULL && OBJ_obj2nid(oid) != NID_rsassaPss)
		return ocu_fail(err, OCU_OCSP, "signature algorithm has parameters");
	if (!ocu_signature_is_by(signer, alg, OCSP_resp_get0_signature(b->bs), b->signed_der,
				 b->signed_len))
		return fail_ssl(err, "signature does not verify");
	return check_bits(response_bits(b->bs, key, cert), "signature", issuer, err);
}

/* Whether <issuer> has issued <c>, for X509_verify_cert(). The authority key identifier is no part
 * of the question, as it may name another certificate of the same CA; the signature tells whose
 * key it was.
 */
static int is_issued(X509_STORE_CTX *ctx, X509 *c, X509 *issuer)
{
	(void)ctx;
	return X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(issuer)) == 0;
}

/* Passes over the dates of the issuer, for X509_verify_cert(): it is trusted for its key, which may
 * have a newer certificate than the one that was given.
 */
static int forgive_dates(int ok, X509_STORE_CTX *ctx)
{
	int why = X509_STORE_CTX_get_error(ctx);

	if (ok || X509_STORE_CTX_get_error_depth(ctx) == 0
	    || (why != X509_V_ERR_CERT_HAS_EXPIRED && why != X509_V_ERR_CERT_NOT_YET_VALID))
		return ok;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* Whether <issuer> itself signed <c>, which is valid at <now>. */
static enum ocu_status check_chain(X509 *c, X509 *issuer, int64_t now, struct ocu_err *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum ocu_status ret;
	int why;

	if (store)
		X509_STORE_set_check_issued(store, is_issued);
	if (!store || !ctx || !X509_STORE_add_cert(store, issuer)
	    || !X509_STORE_CTX_init(ctx, store, c, NULL)) {
		ret = fail_ssl(err, "signer's certificate cannot be checked");
	} else {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

		(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
		X509_VERIFY_PARAM_set_time(param, (time_t)now);
		X509_STORE_CTX_set_verify_cb(ctx, forgive_dates);
		ret = OCU_OK;
		if (X509_verify_cert(ctx) != 1) {
			why = X509_STORE_CTX_get_error(ctx);
			ret = ocu_fail(err, why == X509_V_ERR_OUT_OF_MEM ? OCU_NOMEM : OCU_OCSP,
				       "signer is not authorised by the issuer: %s",
				       X509_verify_cert_error_string(why));
		}
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ret;
}

/* RFC 6960 4.2.2.2: whether <c>, which is not the issuer, may sign for it. */
static enum ocu_status check_delegate(X509 *c, X509 *cert, X509 *issuer, int64_t now,
				      struct ocu_err *err)
{
	EVP_PKEY *key = X509_get0_pubkey(c), *own = X509_get0_pubkey(cert);
	enum ocu_status ret;

	if (!key || !own || !X509_get0_pubkey(issuer))
		return fail_ssl(err, "signer's key cannot be used");
	if (EVP_PKEY_eq(key, own) == 1)
		return ocu_fail(err, OCU_OCSP, "signer is the certificate itself");
	/* Without the extension X509_get_extended_key_usage() answers as if all bits were set. */
	if (!(X509_get_extension_flags(c) & EXFLAG_XKUSAGE)
	    || !(X509_get_extended_key_usage(c) & XKU_OCSP_SIGN))
		return ocu_fail(err, OCU_OCSP, "signer is not authorised by the issuer: no OCSP "
				"signing usage");
	/* Without that extension all usages are allowed indeed. */
	if (!(X509_get_key_usage(c) & KU_DIGITAL_SIGNATURE))
		return ocu_fail(err, OCU_OCSP, "signer is not authorised by the issuer: no "
				"digital signature usage");
	if (!is_issued(NULL, c, issuer))
		return ocu_fail(err, OCU_OCSP, "signer is not authorised by the issuer: issued by "
				"another one");
	ret = check_chain(c, issuer, now, err);
	if (ret != OCU_OK)
		return ret;
	return check_bits(signature_bits(algorithm_bits(c), X509_get0_pubkey(issuer)),
			  "signature of the signer's certificate", issuer, err);
}

/* Reads when <c>, which was found to be valid, ends. */
static enum ocu_status read_end(int64_t *out, const X509 *c, struct ocu_err *err)
{
	struct ocu_date d;
	struct tm tm;

	if (!ASN1_TIME_to_tm(X509_get0_notAfter(c), &tm))
		return fail_ssl(err, "signer's certificate has no end");
	d = (struct ocu_date){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			       tm.tm_sec };
	if (!ocu_date_s(out, &d))
		return ocu_fail(err, OCU_OCSP, "signer's certificate has no end");
	return OCU_OK;
}

static enum ocu_status fail_absent(const OCSP_BASICRESP *bs, struct ocu_err *err)
{
	const ASN1_OCTET_STRING *key = NULL;
	char shown[OCU_OCSP_NAME_BYTES] = "";
	const X509_NAME *name = NULL;

	if (OCSP_resp_get0_id(bs, &key, &name) && name)
		X509_NAME_oneline(name, shown, sizeof(shown));
	return ocu_fail(err, OCU_OCSP, "signer is neither the issuer nor in the response: %s",
			name ? shown : "named by its key");
}

/* Looks for the signer of <b> and checks its right and its signature; *end is when its certificate
 * ends, if it is a delegate. Several certificates can have the name of the signer, as after a
 * change of keys: one that fits is enough.
 */
static enum ocu_status check_signer(int64_t *end, const struct basic *b, X509 *cert, X509 *issuer,
				    int64_t now, struct ocu_err *err)
{
	const STACK_OF(X509) *certs = OCSP_resp_get0_certs(b->bs);
	bool own = is_named(b->bs, issuer);
	enum ocu_status ret = OCU_OCSP;
	int i, tried = 0;
	X509 *c;

	if (own) {
		ret = check_signature(b, issuer, cert, issuer, err);
		if (ret == OCU_OK)
			return ret;
	}
	for (i = 0; i < sk_X509_num(certs); i++) {
		c = sk_X509_value(certs, i);
		if (!is_named(b->bs, c) || X509_cmp(c, issuer) == 0)
			continue;
		if (++tried > OCU_OCSP_SIGNERS_MAX)
			return ocu_fail(err, OCU_OCSP, "more than %d certificates with the name of "
					"the signer", OCU_OCSP_SIGNERS_MAX);
		ret = check_delegate(c, cert, issuer, now, err);
		if (ret == OCU_OK)
			ret = check_signature(b, c, cert, issuer, err);
		if (ret == OCU_OK)
			return read_end(end, c, err);
	}
	return own || tried ? ret : fail_absent(b->bs, err);
}

/* Whether <s> is for <cert>: *is says. A CertID in a digest that is not known is for nobody. */
static enum ocu_status is_for(bool *is, const OCSP_SINGLERESP *s, X509 *cert, X509 *issuer,
			      struct ocu_err *err)
{
	/* OpenSSL's prototype lacks a const: nothing is changed. */
	OCSP_CERTID *theirs = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(s);
	ASN1_OCTET_STRING *name = NULL, *key = NULL;
	ASN1_INTEGER *serial = NULL;
	ASN1_OBJECT *alg = NULL;
	struct issuer_id ours;
	const EVP_MD *md;

	*is = false;
	OCSP_id_get0_info(&name, &alg, &key, &serial, theirs);
	md = ocu_digest(OBJ_obj2nid(alg));
	if (!md || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert)) != 0)
		return OCU_OK;
	if (!issuer_digest(&ours, md, cert, issuer))
		return fail_ssl(err, "CertID cannot be computed");
	*is = is_octets(name, ours.name, ours.n) && is_octets(key, ours.key, ours.n);
	return OCU_OK;
}

/* Reads what <s> says, both times being there. */
static enum ocu_status read_single(struct single *out, OCSP_SINGLERESP *s, struct ocu_err *err)
{
	ASN1_GENERALIZEDTIME *revoked = NULL, *begin = NULL, *end = NULL;
	struct ocu_ocsp *o = &out->o;

	memset(out, 0, sizeof(*out));
	if (OCSP_SINGLERESP_get_ext_by_critical(s, 1, -1) >= 0)
		return ocu_fail(err, OCU_OCSP, "single response has a critical extension");
	out->status = OCSP_single_get0_status(s, NULL, &revoked, &begin, &end);
	if (!begin || !read_time(&o->this_update, begin))
		return ocu_fail(err, OCU_OCSP, "thisUpdate is malformed");
	/* Who knows nothing of a certificate often says no time either. */
	if (!end && out->status == V_OCSP_CERTSTATUS_UNKNOWN)
		return ocu_fail(err, OCU_OTHER_CERT, "status unknown");
	if (!end)
		return ocu_fail(err, OCU_OCSP, "nextUpdate is missing");
	if (!read_time(&o->next_update, end))
		return ocu_fail(err, OCU_OCSP, "nextUpdate is malformed");
	o->expiry = o->next_update - OCU_OCSP_SKEW_S;
	if (out->status != V_OCSP_CERTSTATUS_REVOKED)
		return OCU_OK;
	o->revoked = true;
	if (!revoked || !read_time(&o->revoked_at, revoked))
		return ocu_fail(err, OCU_OCSP, "revocationTime is malformed");
	return OCU_OK;
}

static enum ocu_status check_times(const struct ocu_ocsp *o, int64_t now, struct ocu_err *err)
{
	char shown[OCU_DATE_BYTES], begin[OCU_DATE_BYTES];

	if (o->this_update < o->next_update && o->this_update - OCU_OCSP_SKEW_S <= now
	    && o->expiry > now)
		return OCU_OK;
	ocu_date_text(o->next_update, shown);
	ocu_date_text(o->this_update, begin);
	if (o->next_update <= o->this_update)
		return ocu_fail(err, OCU_OCSP, "nextUpdate %s is not after thisUpdate %s", shown,
				begin);
	if (o->this_update - OCU_OCSP_SKEW_S > now)
		return ocu_fail(err, OCU_OCSP, "not yet valid: thisUpdate is %s", begin);
	if (o->next_update <= now)
		return ocu_fail(err, OCU_ENDED, "no longer valid: nextUpdate was %s", shown);
	return ocu_fail(err, OCU_ENDED, "valid for less than %d s: nextUpdate is %s, %d s away",
			OCU_OCSP_SKEW_S + 1, shown, (int)(o->next_update - now));
}

/* Orders statuses by how bad they are: revoked is said of a certificate that is known. */
static int badness(int status)
{
	return status == V_OCSP_CERTSTATUS_GOOD ? 0 : status == V_OCSP_CERTSTATUS_REVOKED ? 2 : 1;
}

/* Picks the single response for <cert> that counts. <now> is NULL if times are not checked.
 * One that is not understood spoils all: it could be the one that says revoked.
 */
static enum ocu_status choose(struct ocu_ocsp *out, OCSP_BASICRESP *bs, X509 *cert, X509 *issuer,
			      const int64_t *now, struct ocu_err *err)
{
	struct single best = { .status = -1 }, one;
	enum ocu_status ret, why;
	OCSP_SINGLERESP *s;
	bool is, any = false;
	int i;

	ret = OCU_OTHER_CERT;
	for (i = 0; i < OCSP_resp_count(bs); i++) {
		s = OCSP_resp_get0(bs, i);
		why = is_for(&is, s, cert, issuer, err);
		if (why != OCU_OK)
			return why;
		if (!is)
			continue;
		any = true;
		why = read_single(&one, s, err);
		if (why != OCU_OK)
			return why;
		why = now ? check_times(&one.o, *now, best.status < 0 ? err : NULL) : OCU_OK;
		if (best.status < 0)
			ret = why;
		if (why != OCU_OK)
			continue;
		if (best.status < 0 || one.o.this_update > best.o.this_update
		    || (one.o.this_update == best.o.this_update
			&& badness(one.status) > badness(best.status)))
			best = one;
	}
	if (!any)
		return ocu_fail(err, ret, "response is for another certificate");
	if (ret != OCU_OK)
		return ret;
	if (badness(best.status) == 1)
		return ocu_fail(err, OCU_OTHER_CERT, "status unknown");
	*out = best.o;
	return OCU_OK;
}

static enum ocu_status check_basic(OCSP_BASICRESP *bs, struct ocu_err *err)
{
	int64_t produced;

	if (!read_time(&produced, OCSP_resp_get0_produced_at(bs)))
		return ocu_fail(err, OCU_OCSP, "producedAt is malformed");
	if (OCSP_BASICRESP_get_ext_by_critical(bs, 1, -1) >= 0)
		return ocu_fail(err, OCU_OCSP, "response has a critical extension");
	return OCU_OK;
}

enum ocu_status ocu_ocsp_verify(struct ocu_ocsp *out, const uint8_t *der, size_t n, X509 *cert,
				X509 *issuer, int64_t now, struct ocu_err *err)
{
	struct ocu_err why = { 0 }; /* reasons to pass over one signer may precede the right one */
	struct basic b;
	int64_t end = INT64_MAX;
	enum ocu_status ret;

	clear_errors();
	ret = parse(&b, der, n, &why);
	if (ret == OCU_OK)
		ret = check_basic(b.bs, &why);
	if (ret == OCU_OK)
		ret = check_signer(&end, &b, cert, issuer, now, &why);
	if (ret == OCU_OK)
		ret = choose(out, b.bs, cert, issuer, &now, &why);
	if (ret == OCU_OK && out->expiry > end)
		out->expiry = end;
	OCSP_BASICRESP_free(b.bs);
	clear_errors();
	return ret == OCU_OK ? ret : ocu_fail(err, ret, "%s", why.msg);
}

enum ocu_status ocu_ocsp_peek(struct ocu_ocsp *out, const uint8_t *der, size_t n, X509 *cert,
			      X509 *issuer, struct ocu_err *err)
{
	struct ocu_err why = { 0 };
	struct basic b;
	enum ocu_status ret;

	clear_errors();
	ret = parse(&b, der, n, &why);
	if (ret == OCU_OK)
		ret = choose(out, b.bs, cert, issuer, NULL, &why);
	OCSP_BASICRESP_free(b.bs);
	clear_errors();
	return ret == OCU_OK ? ret : ocu_fail(err, ret, "%s", why.msg);
}
