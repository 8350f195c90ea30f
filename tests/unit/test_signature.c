/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_signature.c - signatures by keys and algorithms of all kinds, right ones and wrong ones, of
 * a signer that was prepared for the same algorithm, for another one, and for none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "nomem.h"
#include "ocu/signature.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* SEQUENCE { INTEGER 5, OCTET STRING "abc" } */
static const uint8_t der[] = { 0x30, 8, 2, 1, 5, 4, 3, 'a', 'b', 'c' };

static const struct algorithm {
	const char *what;
	const char *type, *group; /* of the key */
	const EVP_MD *(*md)(void);
	bool pss;
} algorithms[] = {
	{ "P-256 with SHA-256", "EC", "P-256", EVP_sha256, false },
	{ "P-256 with SHA-384", "EC", "P-256", EVP_sha384, false },
	{ "P-384 with SHA-384", "EC", "P-384", EVP_sha384, false },
	{ "P-384 with SHA-512", "EC", "P-384", EVP_sha512, false },
	{ "RSA with SHA-256", "RSA", NULL, EVP_sha256, false },
	{ "RSA with SHA-1", "RSA", NULL, EVP_sha1, false },
	{ "RSA-PSS with SHA-256", "RSA", NULL, EVP_sha256, true },
	{ "Ed25519", "ED25519", NULL, NULL, false },
};

static EVP_PKEY *keys[COUNT(algorithms)];

static bool is_of_type(size_t i, size_t j)
{
	const struct algorithm *a = &algorithms[i], *b = &algorithms[j];

	return !strcmp(a->type, b->type) && (!a->group || !strcmp(a->group, b->group));
}

static EVP_MD_CTX *context(size_t i)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey;

	assert_int_equal(EVP_DigestSignInit(ctx, &pkey,
					    algorithms[i].md ? algorithms[i].md() : NULL, NULL,
					    keys[i]), 1);
	if (algorithms[i].pss)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING), 1);
	return ctx;
}

/* Returns a certificate with the key <i>, signed by it in the algorithm <i>. */
static X509 *cert_make(size_t i)
{
	X509 *x = X509_new();
	EVP_MD_CTX *ctx = context(i);

	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"a", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 100);
	X509_set_pubkey(x, keys[i]);
	assert_true(X509_sign_ctx(x, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	return x;
}

/* Signs der[] by the key and the algorithm <i>. */
static void sign(size_t i, X509_ALGOR *alg, ASN1_BIT_STRING *sig)
{
	ASN1_STRING *data = ASN1_STRING_new();
	EVP_MD_CTX *ctx = context(i);

	ASN1_STRING_set(data, der, sizeof(der));
	assert_true(ASN1_item_sign_ctx(ASN1_ITEM_rptr(ASN1_SEQUENCE), alg, NULL, sig, data,
				       ctx) > 0);
	ASN1_STRING_free(data);
}

static int setup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(keys); i++) {
		if (i && is_of_type(i, i - 1) && EVP_PKEY_up_ref(keys[i - 1]))
			keys[i] = keys[i - 1];
		else if (!strcmp(algorithms[i].type, "RSA"))
			keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
		else
			keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, algorithms[i].type,
						    algorithms[i].group);
		assert_non_null(keys[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(keys); i++)
		EVP_PKEY_free(keys[i]);
	return 0;
}

/* Asks <signer> about a right signature, and about all that can be wrong with it. */
static void ask(X509 *signer, const X509_ALGOR *alg, ASN1_BIT_STRING *sig, X509 *other)
{
	uint8_t changed[sizeof(der)];
	size_t at;

	assert_true(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
	assert_false(ocu_signature_is_by(other, alg, sig, der, sizeof(der)));
	assert_false(ocu_signature_is_by(signer, alg, sig, der, sizeof(der) - 1));
	for (at = 0; at < sizeof(der); at++) {
		memcpy(changed, der, sizeof(der));
		changed[at] ^= 1;
		assert_false(ocu_signature_is_by(signer, alg, sig, changed, sizeof(changed)));
	}
	sig->data[sig->length - 1] ^= 1;
	assert_false(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
	sig->data[sig->length - 1] ^= 1;
	sig->length--;
	assert_false(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
	sig->length++;
	/* a bit that is left over */
	sig->flags |= 1;
	assert_false(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
	sig->flags &= ~1L;
	assert_true(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
	ERR_clear_error();
}

static void all(void **state)
{
	X509 *cert[COUNT(algorithms)], *signer;
	ASN1_BIT_STRING *sig;
	X509_ALGOR *alg;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(algorithms); i++)
		cert[i] = cert_make(i);
	for (i = 0; i < COUNT(algorithms); i++) {
		sig = ASN1_BIT_STRING_new();
		alg = X509_ALGOR_new();
		sign(i, alg, sig);
		ask(cert[i], alg, sig, cert[(i + 4) % COUNT(algorithms)]);
		/* what it is prepared for may be another algorithm, and not fit at all */
		for (j = 0; j < COUNT(algorithms); j++) {
			signer = X509_dup(cert[i]);
			ocu_signature_prepare(signer, cert[j]);
			ERR_clear_error();
			ask(signer, alg, sig, cert[(i + 4) % COUNT(algorithms)]);
			X509_free(signer);
		}
		X509_ALGOR_free(alg);
		ASN1_BIT_STRING_free(sig);
	}
	for (i = 0; i < COUNT(algorithms); i++)
		X509_free(cert[i]);
}

/* A signature is of the algorithm that is named: no key and no digest stands in for another. */
static void other_algorithm(void **state)
{
	X509 *cert, *signer;
	ASN1_BIT_STRING *sig, *unused;
	X509_ALGOR *alg, *named;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(algorithms); i++) {
		cert = cert_make(i);
		signer = X509_dup(cert);
		ocu_signature_prepare(signer, cert);
		sig = ASN1_BIT_STRING_new();
		alg = X509_ALGOR_new();
		sign(i, alg, sig);
		for (j = 0; j < COUNT(algorithms); j++) {
			named = X509_ALGOR_new();
			unused = ASN1_BIT_STRING_new();
			sign(j, named, unused);
			assert_int_equal(ocu_signature_is_by(cert, named, sig, der, sizeof(der)),
					 X509_ALGOR_cmp(alg, named) == 0);
			assert_int_equal(ocu_signature_is_by(signer, named, sig, der, sizeof(der)),
					 X509_ALGOR_cmp(alg, named) == 0);
			ASN1_BIT_STRING_free(unused);
			X509_ALGOR_free(named);
		}
		ERR_clear_error();
		X509_ALGOR_free(alg);
		ASN1_BIT_STRING_free(sig);
		X509_free(signer);
		X509_free(cert);
	}
}

/* Without memory for preparing nothing is prepared, and a signature is good all the same. Without
 * memory for the check a good one may be refused, for OpenSSL can do without some of what it asks
 * for, and a bad one is never accepted.
 */
static void without_memory(void **state)
{
	ASN1_BIT_STRING *sig = ASN1_BIT_STRING_new();
	X509_ALGOR *alg = X509_ALGOR_new();
	X509 *cert = cert_make(0), *signer;
	uint8_t bad[sizeof(der)];
	long i, refused = 0;
	bool missing = true;

	(void)state;
	sign(0, alg, sig);
	memcpy(bad, der, sizeof(der));
	bad[4] ^= 1;
	for (i = 0; missing; i++) {
		signer = X509_dup(cert);
		nomem_fail(i);
		ocu_signature_prepare(signer, cert);
		missing = nomem_failed();
		nomem_fail(-1);
		assert_true(ocu_signature_is_by(signer, alg, sig, der, sizeof(der)));
		nomem_fail(i);
		if (!ocu_signature_is_by(signer, alg, sig, der, sizeof(der))) {
			assert_true(nomem_failed());
			refused++;
		}
		missing |= nomem_failed();
		nomem_fail(i);
		assert_false(ocu_signature_is_by(signer, alg, sig, bad, sizeof(bad)));
		nomem_fail(-1);
		X509_free(signer);
		ERR_clear_error();
	}
	assert_true(refused > 0);
	X509_ALGOR_free(alg);
	ASN1_BIT_STRING_free(sig);
	X509_free(cert);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all),
		cmocka_unit_test(other_algorithm),
		cmocka_unit_test(without_memory),
	};

	if (!nomem_openssl())
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
