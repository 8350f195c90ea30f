/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signature.c - checks signatures, faster for issuers that were prepared. Which key may sign, and
 * how strong a signature must be, is asked in ocsp.c.
 */
#include "ocu/signature.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>

#include <limits.h>
#include <stdatomic.h>

#include "ocu/digest.h"

/* Where the extra data of an X509 have a context that is ready to verify. */
static _Atomic int place = -1;

static void context_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			 void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	EVP_MD_CTX_free(ptr);
}

static void place_take(void)
{
	place = X509_get_ex_new_index(0, NULL, NULL, NULL, context_free);
}

void ocu_signature_prepare(X509 *issuer, const X509 *cert)
{
	static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	int digest = NID_undef;
	EVP_MD_CTX *ctx;

	if (!CRYPTO_THREAD_run_once(&once, place_take) || place < 0 || !key
	    || !OBJ_find_sigid_algs(X509_get_signature_nid(cert), &digest, NULL)
	    || !ocu_digest(digest))
		return;
	ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestVerifyInit(ctx, NULL, ocu_digest(digest), NULL, key) != 1
	    || !X509_set_ex_data(issuer, place, ctx))
		EVP_MD_CTX_free(ctx);
}

/* Returns the context that was prepared for <signer> if it is for <alg>, else NULL. */
static const EVP_MD_CTX *prepared(const X509 *signer, const X509_ALGOR *alg)
{
	const EVP_MD_CTX *ctx = place < 0 ? NULL : X509_get_ex_data(signer, place);
	int digest, type;

	if (!ctx || !OBJ_find_sigid_algs(OBJ_obj2nid(alg->algorithm), &digest, &type)
	    || digest != EVP_MD_get_type(EVP_MD_CTX_get0_md(ctx))
	    || EVP_PKEY_type(type) != EVP_PKEY_get_base_id(X509_get0_pubkey(signer)))
		return NULL;
	return ctx;
}

/* The context is copied, since it is good for one signature. */
static bool verify_prepared(const EVP_MD_CTX *ctx, const ASN1_BIT_STRING *sig, const uint8_t *der,
			    size_t n)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool ret;

	ret = copy && EVP_MD_CTX_copy_ex(copy, ctx)
	      && EVP_DigestVerify(copy, ASN1_STRING_get0_data(sig),
				  (size_t)ASN1_STRING_length(sig), der, n) == 1;
	EVP_MD_CTX_free(copy);
	return ret;
}

static bool verify(EVP_PKEY *key, const X509_ALGOR *alg, const ASN1_BIT_STRING *sig,
		   const uint8_t *der, size_t n)
{
	ASN1_STRING *data = ASN1_STRING_new();
	bool ret;

	ret = data && n <= INT_MAX && ASN1_STRING_set(data, der, (int)n)
	      && ASN1_item_verify(ASN1_ITEM_rptr(ASN1_SEQUENCE), alg, sig, data, key) == 1;
	ASN1_STRING_free(data);
	return ret;
}

bool ocu_signature_is_by(X509 *signer, const X509_ALGOR *alg, const ASN1_BIT_STRING *sig,
			 const uint8_t *der, size_t n)
{
	const EVP_MD_CTX *ctx = prepared(signer, alg);
	EVP_PKEY *key = X509_get0_pubkey(signer);
	bool whole = !(sig->flags & 7); /* signatures are whole bytes: no bits are left over */

	if (!key)
		return false;
	return ctx && whole ? verify_prepared(ctx, sig, der, n) : verify(key, alg, sig, der, n);
}
