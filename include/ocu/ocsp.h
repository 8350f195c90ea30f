/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ocsp.h - OCSP requests and responses (RFC 6960, RFC 9919) as bytes: what a certificate says about
 * OCSP, the request for it, and whether a response may be stapled. Pure: `now` is an argument.
 */
#ifndef OCU_OCSP_H
#define OCU_OCSP_H

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
 * (seconds since the epoch) and fills <out>, which stays as it was on error. Checked: DER (what
 * OpenSSL would write itself, to the last byte), successful, basic, no critical extension; signed
 * by <issuer> or by a certificate that <issuer> signed, that carries the OCSP signing usage, is
 * valid at <now> (RFC 6960 4.2.2.2) and does not have the key of <cert>, <issuer> being the only
 * trust anchor; a single response for exactly this certificate, its CertID in SHA-1 or SHA-2;
 * status good or revoked; thisUpdate at most OCU_OCSP_SKEW_S ahead; nextUpdate present (RFC 9919
 * section 5), after thisUpdate, and more than OCU_OCSP_SKEW_S away. Several single responses for
 * the certificate: one that is malformed spoils all, else the newest of those whose times are good
 * counts, of equally new ones the worst. <now> is the only clock, also for the signer.
 * Errors: OCU_TRY_LATER, OCU_BAD_REQUEST, OCU_INTERNAL (the responder says so instead of an answer),
 * OCU_OTHER_CERT (it says unauthorized, sigRequired or status unknown, or nothing of <cert>),
 * OCU_ENDED (nextUpdate has passed or is OCU_OCSP_SKEW_S away or less), OCU_OCSP (all the rest),
 * each with the reason; OCU_NOMEM.
 * Whether it is older than a held one is asked by the caller, who holds it.
 * Leaves the OpenSSL error queue empty. Any thread.
 */
OCU_MUST enum ocu_status ocu_ocsp_verify(struct ocu_ocsp *out, const uint8_t *der, size_t n,
					 X509 *cert, X509 *issuer, int64_t now,
					 struct ocu_err *err);

/* Reads times and status of a response that was accepted elsewhere (a file that HAProxy loaded, the
 * CLI); checks that it is a successful response in DER that speaks of <cert> with both times and a
 * known status, nothing else: neither who signed it nor whether it is still valid. Errors as
 * ocu_ocsp_verify().
 */
OCU_MUST enum ocu_status ocu_ocsp_peek(struct ocu_ocsp *out, const uint8_t *der, size_t n,
				       X509 *cert, X509 *issuer, struct ocu_err *err);

#endif
