/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fixed.h - certificates whose keys, names and serials are the same in every run, so that an input
 * means the same tomorrow; and what must be true of a response that is accepted for them. Signs,
 * and asks OpenSSL in another way than the code under test does; opens nothing.
 */
#ifndef TESTS_FIXED_H
#define TESTS_FIXED_H

#include "pki.h"

#include <stdint.h>

/* The clock of the fuzz targets, seconds since the epoch. */
#define FIXED_NOW INT64_C(1800000000)

/* Who signs. */
enum fixed_signer {
	FIXED_ISSUER,      /* of the leaves */
	FIXED_DELEGATE,    /* of the issuer, with the usage */
	FIXED_PLAIN,       /* of the issuer, without the usage */
	FIXED_EXPIRED,     /* of the issuer, with the usage, not valid any more */
	FIXED_STRANGER,    /* self-signed, with the issuer's name */
	FIXED_LEAF,        /* the certificate itself */
	FIXED_SIGNERS
};

struct fixed {
	struct pki *pki;
	struct pki_id by[FIXED_SIGNERS];
	struct pki_id other;     /* a second leaf of the issuer */
	X509 *cert, *issuer;     /* by[FIXED_LEAF] and by[FIXED_ISSUER] */
};

/* Makes them, once. Never NULL. */
const struct fixed *fixed_get(void);

/* Makes a response with <n> of <singles> (their issuer, if NULL, is the one here), signed by
 * <signer>, whose certificate is in it unless it is the issuer. The caller frees *der.
 */
size_t fixed_response(uint8_t **der, const struct pki_single *singles, size_t n,
		      enum fixed_signer signer);

/* Wraps the <n> bytes at <tbs>, which may be anything, as the ResponseData of a response that
 * <signer> signs. The caller frees *der.
 */
size_t fixed_wrap(uint8_t **der, const uint8_t *tbs, size_t n, enum fixed_signer signer);

/* Verifies and peeks into <der> for <cert>, and ends the run if something is accepted that may not
 * be. Returns whether it was accepted.
 */
bool fixed_check(const uint8_t *der, size_t n, X509 *cert);

#endif
