/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http.h - HTTP/1.1 for OCSP: writes one request, reads one response, byte by byte if need be.
 * Pure: opens no socket, reads no clock. Follows no redirect (fetch does).
 */
#ifndef OCU_HTTP_H
#define OCU_HTTP_H

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_HTTP_HEADER_MAX_BYTES 16384 /* of all header lines that one request brings */
#define OCU_HTTP_HEADER_MAX_LINES 100   /* likewise */
#define OCU_HTTP_BODY_MAX_BYTES (256 * 1024)
#define OCU_HTTP_VALUE_BYTES 256        /* longest validator that is remembered, with zero */
#define OCU_HTTP_LOCATION_BYTES 2049

/* What may be sent along to get 304 instead of a known response (RFC 9110 section 13.1).
 * Empty strings where there is none.
 */
struct ocu_http_validators {
	char etag[OCU_HTTP_VALUE_BYTES];          /* as received, quotes included */
	char last_modified[OCU_HTTP_VALUE_BYTES]; /* as received */
};

struct ocu_http_request {
	const char *target;                    /* origin-form, or absolute-form towards a proxy */
	size_t target_len;
	const char *host;                      /* value of Host */
	const uint8_t *body;                   /* NULL: GET; else POST of an OCSP request */
	size_t body_len;
	const struct ocu_http_validators *validators; /* may be NULL; only sent with GET, since
						       * RFC 9110 gives them no use in POST */
};

/* Appends the whole request to <out>: request line, Host, User-Agent, Accept, and for POST
 * Content-Type and Content-Length. All of <r> is borrowed. Errors: OCU_TOO_BIG, OCU_NOMEM; <out>
 * is then as before.
 */
OCU_MUST enum ocu_status ocu_http_request(struct ocu_buf *out, const struct ocu_http_request *r);

/* One response that is being read. <started> and <status> may be read at any time, also after an
 * error; the other fields up to body are valid once the header is complete; those after it belong
 * to http.c.
 */
struct ocu_http {
	bool started;                              /* a byte was read: the peer took the request */
	int status;                                /* 0 until the final status line was read */
	bool keep;                                 /* the connection may be used again afterwards */
	bool is_ocsp;                              /* Content-Type is application/ocsp-response */
	char type[64];                             /* Content-Type for messages, cut; "" if none */
	char location[OCU_HTTP_LOCATION_BYTES];    /* "" if none; only read in 3xx */
	struct ocu_http_validators validators;
	struct ocu_buf body;
	/* private */
	struct ocu_buf line;
	int state;
	unsigned lines;
	size_t header_bytes;
	bool got_length, chunked, coded, http10, conn_close, conn_keep;
	uint64_t left;
};

/* Makes <h> ready to read one response. Allocates nothing. */
void ocu_http_init(struct ocu_http *h);

/* Frees what <h> holds. May be called twice, and at any point of a response. */
void ocu_http_fini(struct ocu_http *h);

/* Reads up to <n> bytes from <p> (borrows); *used says how many were taken. OCU_OK: the response
 * is complete, bytes after *used do not belong to it. OCU_AGAIN: all was taken, more is needed.
 * Refused with OCU_HTTP and a reason: whatever is not a well-formed HTTP/1.x response, 101,
 * transfer codings other than chunked, more than one length or a length beside chunked, a 200 with
 * a content coding. OCU_TOO_BIG: over a limit, as soon as that is known. OCU_NOMEM. After an error
 * there is only ocu_http_fini(). 1xx responses are skipped (RFC 9110 section 15.2), the limits
 * count for all of them together. 204 and 304 have no body. How the bytes are cut into calls
 * changes nothing.
 */
OCU_MUST enum ocu_status ocu_http_feed(struct ocu_http *h, const uint8_t *p, size_t n, size_t *used,
				       struct ocu_err *err);

/* The peer has closed. OCU_OK if that completes the response (a body without a length), else
 * OCU_HTTP with the reason.
 */
OCU_MUST enum ocu_status ocu_http_eof(struct ocu_http *h, struct ocu_err *err);

#endif
