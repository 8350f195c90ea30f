/* SPDX-License-Identifier: GPL-2.0-or-later */
/* url.h - http and https URLs as OCSP needs them: parse, resolve a redirect, build the GET form.
 * Pure: opens nothing, resolves nothing.
 */
#ifndef OCU_URL_H
#define OCU_URL_H

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_URL_MAX_BYTES 2048   /* longest URL that is accepted */
#define OCU_URL_HOST_BYTES 254   /* longest host name plus the terminating zero */
#define OCU_URL_GET_MAX_BYTES 255 /* RFC 9919 section 6: longest URL for a GET */

struct ocu_url {
	bool https;
	bool literal;                        /* host is an IPv4 or IPv6 address, not a name */
	uint16_t port;                       /* host byte order, never 0 */
	char host[OCU_URL_HOST_BYTES];       /* lower case, without brackets and final dot; an IPv6
					      * address in its shortest form */
	char target[OCU_URL_MAX_BYTES + 1];  /* path and query, begins with '/', no fragment */
};

/* Longest text of ocu_url_authority(), with its zero: brackets, host, colon, port. */
#define OCU_URL_AUTHORITY_BYTES (OCU_URL_HOST_BYTES + 2 + 6)

/* Parses the <n> bytes at <s> (borrows) as an absolute http or https URL (RFC 3986) into <u>.
 * Refused with OCU_URI and a reason: other schemes, user information, an empty or malformed host,
 * a port outside of 1 to 65535, bytes that do not belong into a URL, more than OCU_URL_MAX_BYTES.
 * <u> is undefined after an error.
 */
OCU_MUST enum ocu_status ocu_url_parse(struct ocu_url *u, const char *s, size_t n,
				       struct ocu_err *err);

/* Resolves <ref>, the value of a Location header, against <base> into <out> (RFC 3986 section 5.2:
 * absolute, "//host", "/path" and relative references, dot segments removed). <out> may not be
 * <base>. Errors as ocu_url_parse().
 */
OCU_MUST enum ocu_status ocu_url_join(struct ocu_url *out, const struct ocu_url *base,
				      const char *ref, size_t n, struct ocu_err *err);

/* Writes "host", or "host:port" if the port is not the scheme's default, into <out>; IPv6 in
 * brackets. It is the value of the Host header (RFC 9110 section 7.2).
 */
void ocu_url_authority(const struct ocu_url *u, char out[static OCU_URL_AUTHORITY_BYTES]);

/* Writes "host:port", always with the port, IPv6 in brackets: the name of a responder. */
void ocu_url_responder(const struct ocu_url *u, char out[static OCU_URL_AUTHORITY_BYTES]);

/* Longest text of ocu_url_text(), with its zero. */
#define OCU_URL_TEXT_BYTES (sizeof("https://") - 1 + OCU_URL_AUTHORITY_BYTES + OCU_URL_MAX_BYTES)

/* Writes the whole of <u> into <out> and returns its length. It parses to the same URL again unless
 * it is longer than OCU_URL_MAX_BYTES, as normalising may add a few bytes. A struct ocu_url takes
 * 2.3 KiB: whoever keeps many keeps their text and parses it when it is needed.
 */
size_t ocu_url_text(const struct ocu_url *u, char out[static OCU_URL_TEXT_BYTES]);

/* Whether the address, 4 bytes of IPv4 or 16 of IPv6 (<v6>) in network order, is not one of the
 * public internet: loopback, link-local, private (RFC 1918, RFC 4193), shared (RFC 6598),
 * unspecified, multicast, broadcast, or set aside for documentation, tests and protocols (the IANA
 * registries of RFC 6890). IPv6 that stands for an IPv4 address (mapped, NAT64, 6to4) is what that
 * address is.
 */
bool ocu_addr_is_local(bool v6, const uint8_t *addr);

/* Whether the host of <u> is such an address, or is called localhost (RFC 6761). Of other names it
 * says false: what they resolve to is the caller's to ask.
 */
bool ocu_url_is_local(const struct ocu_url *u);

/* Appends to <out> the target of a GET request for the DER request <req>: the URL's path, one
 * slash (any that end the path are folded into it), and the base64 of the request percent-encoded
 * (RFC 6960 appendix A.1). OCU_TOO_BIG if the whole URL with it would be longer than
 * OCU_URL_GET_MAX_BYTES (then POST is used), or if the URL has a query; OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_url_get_target(struct ocu_buf *out, const struct ocu_url *u,
					    const uint8_t *req, size_t n);

#endif
