/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ocsp.h - OCSP requests and responses (RFC 6960, RFC 9919) as bytes: what a certificate says about
 * OCSP, the request for it, and whether a response may be stapled. Pure: `now` is an argument.
 */
#ifndef OCU_OCSP_H
#define OCU_OCSP_H

#include "ocu/openssl.h"

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_OCSP_MAX_BYTES 65527        /* longest response that a TLS 1.3 handshake can carry: the
					 * extensions of a certificate have 65535 bytes, eight of
					 * them are around it (RFC 8446 4.4.2). With a longer one
					 * every handshake fails */
#define OCU_OCSP_SKEW_S 300             /* thisUpdate may be that far ahead; HAProxy staples nothing
					 * that is valid for less than this */
#define OCU_OCSP_URIS_MAX 8             /* OCSP URIs of one certificate that are looked at */

/* What an accepted response says of the certificate. Times are seconds since the epoch. */
struct ocu_ocsp {
	int64_t this_update;
	int64_t next_update;
	int64_t expiry;     /* from then on it is not stapled any more */
	int64_t revoked_at; /* 0 if not revoked */
	bool revoked;
};

/* Calls <each> for the first OCU_OCSP_URIS_MAX OCSP URIs of the AIA extension of <cert>, in order
 * (RFC 5280 4.2.2.1); the text is borrowed and may hold any byte. Stops when <each> does not return
 * OCU_OK and returns that. OCU_OK without a call if there are none. Errors: OCU_OCSP (the extension
 * does not parse), OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_ocsp_uris(X509 *cert,
				       enum ocu_status (*each)(void *arg, const char *uri,
							       size_t n),
				       void *arg);

/* Whether <cert> asks for a staple: TLS feature status_request or status_request_v2 (RFC 7633). */
bool ocu_ocsp_must_staple(X509 *cert);

/* Writes into <out> the DER of an OCSP request for <cert> issued by <issuer>: one CertID in SHA-1
 * (what every client that reads a staple understands), no nonce, no signature. Errors: OCU_OCSP
 * (also if <issuer> is not named by <cert>), OCU_NOMEM, OCU_TOO_BIG.
 */
OCU_MUST enum ocu_status ocu_ocsp_request(struct ocu_buf *out, X509 *cert, X509 *issuer,
					  struct ocu_err *err);

/* Decides whether the <n> bytes at <der> may be stapled for <cert> issued by <issuer> at <now>
 * (seconds since the epoch) and fills <out>, which stays as it was on error. <now> is the only
 * clock. Checked:
 *
 * Form. DER as OpenSSL would write it itself, to the last byte, successful, basic, no critical
 * extension. A length that is too long, an indefinite one, and bytes behind any part are refused,
 * since a client may refuse them too. What encoders differ in is accepted: algorithms with NULL or
 * without parameters, a version that is written though it is the default, an empty list of
 * certificates, names in any string type and order, and whatever is in certificates. A "critical"
 * that is written though it is false is refused from OpenSSL 3.5 on: its clients verify what they
 * write back, and fail.
 *
 * Signer. <issuer>, or a delegate: a certificate in the response that <issuer> signed, with the
 * OCSP signing usage (RFC 6960 4.2.2.2), a key usage that has digitalSignature or none at all,
 * valid at <now>, and not with the key of <cert>. The key of <issuer> is the only trust anchor,
 * whichever of its certificates is given: its dates are not looked at, so that a renewed one and
 * the one that it replaced judge alike, nor are key usage and basic constraints unless there is a
 * delegate, nor does the authority key identifier of a delegate count, which may name a
 * cross-certificate. Whether the chain that is served is valid is not what a staple decides.
 * id-pkix-ocsp-nocheck is not asked for.
 *
 * Strength. The signature of the response, and the delegate's certificate, are not under security
 * level 1 of OpenSSL in digest and key (80 bits: no MD5, no SHA-1, no RSA below 1024), unless
 * <issuer>, as it is given, is signed no better itself.
 *
 * Content. A single response for exactly this certificate, its CertID in SHA-1 or SHA-2; status
 * good or revoked; thisUpdate at most OCU_OCSP_SKEW_S ahead; nextUpdate present (RFC 9919 section
 * 5), after thisUpdate, and more than OCU_OCSP_SKEW_S away. Several single responses for the
 * certificate: one that is malformed spoils all, else the newest of those whose times are good
 * counts, of equally new ones the worst.
 *
 * out->expiry is OCU_OCSP_SKEW_S before nextUpdate, or the end of the delegate's certificate if
 * that comes first.
 *
 * Errors: OCU_TRY_LATER, OCU_BAD_REQUEST, OCU_INTERNAL (the responder says so instead of an
 * answer), OCU_OTHER_CERT (it says unauthorized, sigRequired or status unknown, or nothing of
 * <cert>), OCU_ENDED (nextUpdate has passed or is OCU_OCSP_SKEW_S away or less), OCU_OCSP (all the
 * rest), each with the reason; OCU_NOMEM. Whether it is older than a held one is asked by the
 * caller, who holds it. Leaves the OpenSSL error queue empty. Any thread.
 */
OCU_MUST enum ocu_status ocu_ocsp_verify(struct ocu_ocsp *out, const uint8_t *der, size_t n,
					 X509 *cert, X509 *issuer, int64_t now,
					 struct ocu_err *err);

/* Reads times and status of a response that was accepted elsewhere (a file that HAProxy loaded, the
 * CLI); checks that it is a successful response in DER that speaks of <cert> with both times and a
 * known status, nothing else: neither who signed it, which does not bound out->expiry then, nor
 * whether it is still valid. Errors as ocu_ocsp_verify(), but for OCU_ENDED.
 */
OCU_MUST enum ocu_status ocu_ocsp_peek(struct ocu_ocsp *out, const uint8_t *der, size_t n,
				       X509 *cert, X509 *issuer, struct ocu_err *err);

#endif
