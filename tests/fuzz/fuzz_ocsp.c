/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_ocsp.c - OCSP responses for one fixed certificate: what is accepted is for it, is signed by
 * who may, is valid now. Signs what is mutated, so that not everything ends at the signature.
 *
 * Input: a byte that says what follows (a whole response, or a ResponseData that one of the signers
 * signs), then that.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/ocsp.h>

#include "fixed.h"
#include "fuzz.h"

#define DAY ((int64_t)PKI_DAY_S)

/* The first byte: below this a whole response. */
#define WHOLE 64

void fuzz_init(void)
{
	(void)fixed_get();
}

static enum fixed_signer signer_of(uint8_t byte)
{
	return (enum fixed_signer)((byte - WHOLE) % FIXED_SIGNERS);
}

static uint8_t byte_of(enum fixed_signer signer)
{
	return (uint8_t)(WHOLE + WHOLE / FIXED_SIGNERS * FIXED_SIGNERS + (int)signer);
}

/* One response, as it is and as what is to be signed. Returns whether it is accepted: the same must
 * be true of both, or the fuzzing would never get as far.
 */
static bool seed_one(const struct pki_single *singles, size_t n_singles, enum fixed_signer signer)
{
	uint8_t *der, *wrapped, *tbs = NULL, whole = 0, byte = byte_of(signer);
	size_t n = fixed_response(&der, singles, n_singles, signer), wrapped_n;
	X509 *cert = fixed_get()->cert;
	const unsigned char *p = der;
	OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
	OCSP_BASICRESP *bs = OCSP_response_get1_basic(resp);
	bool ret = fixed_check(der, n, cert);
	int len;

	fuzz_seed(&whole, 1, der, n);
	/* OpenSSL's prototype lacks a const: nothing is changed. */
	len = ASN1_item_i2d((ASN1_VALUE *)(uintptr_t)OCSP_resp_get0_respdata(bs), &tbs,
			    ASN1_ITEM_rptr(OCSP_RESPDATA));
	fuzz_must(len > 0, "ResponseData");
	fuzz_seed(&byte, 1, tbs, (size_t)len);
	wrapped_n = fixed_wrap(&wrapped, tbs, (size_t)len, signer);
	fuzz_must(fixed_check(wrapped, wrapped_n, cert) == ret, "signed anew it is another one");
	free(wrapped);
	OPENSSL_free(tbs);
	OCSP_BASICRESP_free(bs);
	OCSP_RESPONSE_free(resp);
	free(der);
	return ret;
}

void fuzz_seeds(void)
{
	const struct fixed *f = fixed_get();
	const struct pki_single good = { .cert = f->cert, .this_update = FIXED_NOW - 3600,
					 .next_update = FIXED_NOW + DAY };
	struct pki_single s[3];
	static const uint8_t later[] = { 0, 0x30, 0x03, 0x0a, 0x01, 0x03 };
	int signer, i;

	for (signer = 0; signer < FIXED_SIGNERS; signer++)
		fuzz_must(seed_one(&good, 1, (enum fixed_signer)signer) ==
			  (signer == FIXED_ISSUER || signer == FIXED_DELEGATE), "who may sign");
	for (i = 0; i < 12; i++) {
		s[0] = s[1] = s[2] = good;
		s[0].cert = f->other.cert;
		if (i == 0)
			s[2].status = V_OCSP_CERTSTATUS_REVOKED;
		else if (i == 1)
			s[2].status = V_OCSP_CERTSTATUS_UNKNOWN;
		else if (i == 2)
			s[1].md = s[2].md = EVP_sha256();
		else if (i == 3)
			s[1].this_update = FIXED_NOW + DAY;
		else if (i == 4)
			s[2].next_update = 0;
		else if (i == 5)
			s[1].next_update = FIXED_NOW - 1;
		else if (i < 8)
			s[i - 5].this_update -= 60;
		else if (i < 10)
			s[1].next_update = FIXED_NOW + 300 + i % 2;
		else
			s[1].this_update = FIXED_NOW + 300 + i % 2;
		if (i == 6 || i == 7)
			s[2].status = V_OCSP_CERTSTATUS_REVOKED;
		(void)seed_one(s + 1, 1, FIXED_ISSUER);
		(void)seed_one(s, 3, i % 2 ? FIXED_DELEGATE : FIXED_ISSUER);
	}
	fuzz_seed(later, sizeof(later), "", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct fixed *f = fixed_get();
	uint8_t *der;

	if (n == 0)
		return 0;
	if (data[0] < WHOLE) {
		n--;
		der = fuzz_copy(data + 1, n);
	} else {
		n = fixed_wrap(&der, data + 1, n - 1, signer_of(data[0]));
	}
	(void)fixed_check(der, n, f->cert);
	(void)fixed_check(der, n, f->other.cert);
	free(der);
	return 0;
}
