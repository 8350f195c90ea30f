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

/* What a response says for a later request that wants 304 instead (RFC 9110 section 13.1). Empty
 * strings where there is none.
 */
struct ocu_http_validators {
	char etag[OCU_HTTP_VALUE_BYTES];          /* as received, quotes included */
	char last_modified[OCU_HTTP_VALUE_BYTES]; /* as received */
};

/* One request. All of it is borrowed; no text may hold control characters. */
struct ocu_http_request {
	const char *target;        /* origin-form, or absolute-form towards a proxy */
	size_t target_len;
	const char *host;          /* value of Host */
	const uint8_t *body;       /* NULL: GET; else POST of an OCSP request */
	size_t body_len;
	const char *etag;          /* validators of what is held, as they were received; NULL or "":
				    * none. Only sent with GET, since RFC 9110 gives them no use
				    * in POST */
	const char *last_modified;
	bool no_cache;             /* caches on the way shall ask the responder (RFC 9111
				    * section 5.2.1.4) */
	bool identity;             /* the body shall have no Content-Encoding */
	const char *proxy_auth;    /* value of Proxy-Authorization; NULL: none */
};

/* Appends the whole request to <out>. Errors: OCU_TOO_BIG, OCU_NOMEM; <out> is then as before. */
OCU_MUST enum ocu_status ocu_http_request(struct ocu_buf *out, const struct ocu_http_request *r);

/* Appends a request to a proxy for a tunnel to <authority>, which is "host:port" with the port (RFC
 * 9110 section 9.3.6); <proxy_auth> may be NULL. All is borrowed. Errors as ocu_http_request().
 */
OCU_MUST enum ocu_status ocu_http_connect(struct ocu_buf *out, const char *authority,
					  const char *proxy_auth);

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
	bool coded;                                /* the body has a Content-Encoding and is no
						    * OCSP response as it is */
	int64_t retry_after_s;                     /* Retry-After as a number, -1 if none */
	int64_t retry_date_s;                      /* Retry-After as a date, seconds since the
						    * epoch, 0 if none; to be seen against date_s,
						    * as it is the peer's clock */
	int64_t date_s;                            /* Date, likewise */
	int64_t max_age_s;                         /* how long a cache may keep it from now on:
						    * max-age less Age, never below 0; -1 if it is
						    * not said, or no-cache or no-store is, or it
						    * is malformed or said twice */
	struct ocu_buf body;
	/* private */
	struct ocu_buf line;
	int state;
	unsigned lines;
	size_t header_bytes;
	bool connect, got_length, chunked, http10, conn_close, conn_keep, no_max_age;
	int64_t age_s;
	uint64_t left;
};

/* Makes <h> ready to read one response. Allocates nothing. */
void ocu_http_init(struct ocu_http *h);

/* The same for the answer to ocu_http_connect(). A 2xx has no body whatever its header says, and
 * the bytes after it are the tunnel's; keep says nothing then. With any other status it is an
 * answer like others, by the proxy.
 */
void ocu_http_init_connect(struct ocu_http *h);

/* Frees what <h> holds. May be called twice, and at any point of a response. */
void ocu_http_fini(struct ocu_http *h);

/* Reads up to <n> bytes from <p> (borrows); *used says how many were taken. OCU_OK: the response
 * is complete, bytes after *used do not belong to it. OCU_AGAIN: all was taken, more is needed.
 * Refused with OCU_HTTP and a reason: whatever is not a well-formed HTTP/1.x response, 101,
 * transfer codings other than chunked, more than one length or a length beside chunked.
 * OCU_TOO_BIG: over a limit, as soon as that is known. OCU_NOMEM. After an error there is only
 * ocu_http_fini(). 1xx responses are skipped (RFC 9110 section 15.2), the limits count for all of
 * them together. 204 and 304 have no body; if the header announces one all the same it is not read,
 * and the connection is not to be kept. Dates and numbers that are malformed are as if they were
 * not there. How the bytes are cut into calls changes nothing.
 */
OCU_MUST enum ocu_status ocu_http_feed(struct ocu_http *h, const uint8_t *p, size_t n, size_t *used,
				       struct ocu_err *err);

/* The peer has closed. OCU_OK if that completes the response (a body without a length), else
 * OCU_HTTP with the reason.
 */
OCU_MUST enum ocu_status ocu_http_eof(struct ocu_http *h, struct ocu_err *err);

#endif
