/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signature.h - whether bytes are signed by the key of a certificate. */
#ifndef OCU_SIGNATURE_H
#define OCU_SIGNATURE_H

#include "ocu/openssl.h"

#include <openssl/x509.h>

#include "ocu/base.h"

/* Prepares <issuer> for many signatures by the algorithm by which <cert> is signed: what OpenSSL
 * looks up for each of them is kept with <issuer> until that is freed. Has no other effect, and
 * none at all without memory or where the algorithm has no digest of its own. <issuer> must not be
 * known to another thread yet. Any thread; may leave something in the OpenSSL error queue.
 */
void ocu_signature_prepare(X509 *issuer, const X509 *cert);

/* Whether <sig> is a signature of the <n> bytes at <der>, the encoding of a SEQUENCE, by <alg> and
 * the key of <signer>. The parameters of <alg> count only for RSA-PSS. If not, the OpenSSL error
 * queue may hold the reason. Any thread.
 */
OCU_MUST bool ocu_signature_is_by(X509 *signer, const X509_ALGOR *alg, const ASN1_BIT_STRING *sig,
				  const uint8_t *der, size_t n);

#endif
