/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.c - the one table of what a scripted responder can do to a client, and how a row is found.
 * What its rows do is in faults_*.c.
 */
#include "faults.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults_row.h"

/* The extensions of a TLS 1.3 certificate have 16 bits of length: 4 bytes are the head of the one
 * extension, 4 that of the response. A server that staples more has no handshakes at all.
 */
#define TLS_MAX_BYTES (65535 - 8)
#define YEAR_2038_S INT64_C(2147483648)      /* one more than 31 bits hold */
#define YEAR_2050_S INT64_C(2540000000)
#define YEAR_9999_S INT64_C(253402300799)

#define DAY PKI_DAY_S
#define GOOD "good"
#define REVOKED_CERT V_OCSP_CERTSTATUS_REVOKED
#define UNKNOWN_CERT V_OCSP_CERTSTATUS_UNKNOWN

static const struct fault table[] = {
	{ .name = "ok", .want = GOOD },

	/* TCP */
	{ .name = "slow", .want = GOOD, .num = 50, .delay_ms = -1 },
	{ .name = "hang", .cut = CUT_NOTHING, .end = FAULT_HANG,
	  .why = "connected, but no answer" },
	{ .name = "hang-header", .cut = CUT_HEADER, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "hang-body", .cut = CUT_BODY, .end = FAULT_HANG, .why = "answer not completed" },
	{ .name = "reset", .requests = 2, .cut = CUT_NOTHING, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "reset-header", .cut = CUT_HEADER, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "reset-body", .cut = CUT_BODY, .end = FAULT_RESET,
	  .why = "reading: Connection reset by peer" },
	{ .name = "close", .requests = 2, .cut = CUT_NOTHING, .end = FAULT_CLOSE,
	  .why = "closed before any answer" },
	{ .name = "close-header", .cut = CUT_HEADER, .end = FAULT_CLOSE,
	  .why = "closed within the header" },
	{ .name = "close-body", .cut = CUT_BODY, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "close-after", .want = GOOD, .end = FAULT_CLOSE },
	{ .name = "half", .cut = CUT_BODY, .end = FAULT_HALF, .why = "closed within the body" },
	{ .name = "half-after", .want = GOOD, .http = http_10, .end = FAULT_HALF },
	{ .name = "reset-after", .want = GOOD, .end = FAULT_RESET },
	{ .name = "hang-after", .want = GOOD, .end = FAULT_HANG },
	{ .name = "drip", .num = 100, .step = 1, .step_ms = -1, .why = "answer not completed" },
	{ .name = "drip-slow", .num = 2000, .step = 1, .step_ms = -1,
	  .why = "answer not completed" },
	{ .name = "pieces", .want = GOOD, .num = 5, .step = 40, .step_ms = -1 },
	{ .name = "refuse", .again = true, .server = FAULT_REFUSE, .why = "Connection refused" },
	{ .name = "blackhole", .again = true, .server = FAULT_BLACKHOLE, .why = "no answer" },
	{ .name = "silent", .server = FAULT_SILENT, .why = "connected, but no answer" },

	/* TCP: answers to the connection, whatever will be asked */
	{ .name = "early", .want = GOOD, .server = FAULT_EARLY },
	{ .name = "early-status", .requests = 2, .num = 500, .http = http_status,
	  .server = FAULT_EARLY, .why = "status 500" },
	/* Who sends no status line is asked over its other address too. */
	{ .name = "early-banner", .requests = 2, .http = http_other_protocol,
	  .server = FAULT_EARLY, .why = "not an HTTP/1 status line" },
	{ .name = "early-hang", .cut = CUT_BODY, .end = FAULT_HANG, .server = FAULT_EARLY,
	  .why = "answer not completed" },
	{ .name = "early-flood", .requests = 2, .http = http_continue_flood,
	  .server = FAULT_EARLY, .why = "header is longer" },

	/* TLS */
	{ .name = "tls", .want = GOOD, .server = FAULT_TLS },
	{ .name = "tls-chunked", .want = GOOD, .form = FORM_CHUNKED, .server = FAULT_TLS },
	{ .name = "tls-cut", .cut = CUT_BODY, .end = FAULT_CLOSE, .server = FAULT_TLS,
	  .why = "closed within the body" },
	{ .name = "tls-big", .num = 300000, .body = body_zeros, .server = FAULT_TLS,
	  .why = "body is longer" },
	{ .name = "tls-silent", .cut = CUT_NOTHING, .end = FAULT_HANG, .server = FAULT_TLS,
	  .why = "connected, but no answer" },
	{ .name = "tls-wrong-name", .server = FAULT_TLS_WRONG_NAME, .why = "mismatch" },
	{ .name = "tls-expired", .server = FAULT_TLS_EXPIRED,
	  .why = "TLS handshake: certificate: certificate has expired" },
	{ .name = "tls-unknown-ca", .server = FAULT_TLS_UNKNOWN_CA,
	  .why = "TLS handshake: certificate: unable to get local issuer certificate" },
	{ .name = "tls-hang", .server = FAULT_TLS_HANG, .why = "TLS handshake not completed" },
	{ .name = "tls-plain", .server = FAULT_TLS_PLAIN, .why = "TLS handshake: " },
	{ .name = "plain-tls", .server = FAULT_PLAIN_TLS },

	/* HTTP: status */
	{ .name = "status", .requests = 2, .num = 500, .http = http_status, .why = "status 500" },
	{ .name = "status-302", .num = 302, .http = http_status,
	  .why = "redirect without a Location" },
	{ .name = "status-400", .requests = 2, .num = 400, .http = http_status,
	  .why = "status 400" },
	{ .name = "status-403", .requests = 2, .num = 403, .http = http_status,
	  .why = "status 403" },
	{ .name = "status-404", .requests = 2, .num = 404, .http = http_status,
	  .why = "status 404" },
	{ .name = "status-429", .requests = 2, .then_requests = 1, .again = true, .num = 429,
	  .http = http_status, .end = FAULT_CLOSE, .why = "status 429" },
	{ .name = "status-501", .requests = 2, .num = 501, .http = http_status,
	  .why = "status 501" },
	{ .name = "status-600", .num = 600, .http = http_status, .why = "does not exist" },
	{ .name = "status-999", .num = 999, .http = http_status, .why = "does not exist" },
	{ .name = "get400", .requests = 2, .then_requests = 1, .want = GOOD, .num = 400,
	  .http = http_get },
	{ .name = "get403", .requests = 2, .then_requests = 1, .want = GOOD, .num = 403,
	  .http = http_get },
	{ .name = "get404", .requests = 2, .then_requests = 1, .want = GOOD, .num = 404,
	  .http = http_get },
	{ .name = "get501", .requests = 2, .then_requests = 1, .want = GOOD, .num = 501,
	  .http = http_get },
	{ .name = "get", .requests = 2, .then_requests = 1, .want = GOOD, .num = 405,
	  .http = http_get },
	{ .name = "post", .want = GOOD, .num = 405, .http = http_post },
	{ .name = "first", .requests = 2, .then_requests = 1, .want = GOOD, .num = 503,
	  .http = http_first },
	{ .name = "continue", .want = GOOD, .num = 1, .http = http_continue },
	{ .name = "continue-flood", .http = http_continue_flood, .why = "header is longer" },
	{ .name = "switch", .http = http_switch, .why = "status 101" },
	{ .name = "created", .status = 201, .why = "status 201" },
	{ .name = "no-content", .num = 204, .http = http_status, .why = "status 204" },
	{ .name = "partial", .status = 206, .more = "Content-Range: bytes 0-9/10\r\n",
	  .why = "status 206" },
	{ .name = "not-modified", .http = http_not_modified, .why = "status 304" },
	{ .name = "etag", .want = GOOD, .http = http_etag },
	{ .name = "modified", .want = GOOD, .http = http_modified },
	{ .name = "fresh", .want = GOOD, .num = 3600, .ocsp = ocsp_once, .http = http_fresh },
	{ .name = "fresh-delegate", .want = GOOD, .num = 3600, .signer = PKI_BY_DELEGATE_RSA,
	  .ocsp = ocsp_once, .http = http_fresh },
	{ .name = "ending", .want = GOOD, .num = 600, .this_s = -3600, .next_s = 900,
	  .ocsp = ocsp_once, .http = http_fresh },

	/* HTTP: redirects */
	{ .name = "redirect", .requests = 2, .want = GOOD, .http = http_redirect },
	{ .name = "redirect301", .requests = 2, .want = GOOD, .status = 301,
	  .http = http_redirect },
	{ .name = "redirect303", .requests = 2, .want = GOOD, .status = 303,
	  .http = http_redirect },
	{ .name = "redirect307", .requests = 2, .want = GOOD, .status = 307,
	  .http = http_redirect },
	{ .name = "redirect308", .requests = 2, .want = GOOD, .status = 308,
	  .http = http_redirect },
	{ .name = "redirect300", .status = 300, .http = http_redirect, .why = "status 300" },
	{ .name = "redirect305", .status = 305, .http = http_redirect, .why = "status 305" },
	{ .name = "chain", .requests = 4, .want = GOOD, .num = 3, .http = http_chain },
	{ .name = "loop", .requests = 4, .http = http_loop, .why = "too many redirects" },
	{ .name = "redirect-relative", .requests = 2, .want = GOOD,
	  .http = http_redirect_relative },
	{ .name = "redirect-none", .http = http_redirect_none,
	  .why = "redirect without a Location" },
	{ .name = "redirect-ftp", .http = http_redirect_ftp,
	  .why = "URL is neither http:// nor https://" },
	{ .name = "redirect-file", .http = http_redirect_file,
	  .why = "URL is neither http:// nor https://" },
	{ .name = "redirect-port", .again = true, .http = http_redirect_port,
	  .why = "Connection refused" },
	{ .name = "redirect-user", .http = http_redirect_user,
	  .why = "URL holds user information" },
	{ .name = "redirect-control", .http = http_redirect_control,
	  .why = "control character 0x01" },
	{ .name = "redirect-long", .http = http_redirect_long,
	  .why = "Location is longer than 2048 bytes" },

	/* HTTP: content type and coding */
	{ .name = "no-type", .requests = 2, .type = NO_TYPE, .why = "no content type" },
	{ .name = "wrong-type", .requests = 2, .type = "text/html",
	  .why = "content type text/html" },
	{ .name = "empty-type", .requests = 2, .type = "", .why = "no content type" },
	{ .name = "longer-type", .requests = 2, .type = OCSP_TYPE "x",
	  .why = "content type application/ocsp-responsex" },
	{ .name = "type-params", .want = GOOD, .type = OCSP_TYPE "; charset=utf-8; q=\"x;y\"" },
	{ .name = "type-case", .want = GOOD, .type = "Application/OCSP-Response" },
	{ .name = "two-types", .requests = 2, .http = http_two_types,
	  .why = "content type text/html" },
	{ .name = "gzip", .requests = 2, .more = "Content-Encoding: gzip\r\n", .num = 200,
	  .body = body_random, .why = "Content-Encoding" },
	{ .name = "html", .requests = 2, .body = body_html, .type = "text/html",
	  .why = "content type text/html" },
	{ .name = "html-as-ocsp", .requests = 2, .body = body_html, .why = "OCSP response" },

	/* HTTP: lengths */
	{ .name = "empty", .requests = 2, .body = body_empty, .why = "empty body" },
	{ .name = "empty-chunked", .requests = 2, .body = body_empty, .form = FORM_CHUNKED,
	  .why = "empty body" },
	{ .name = "empty-close", .requests = 2, .body = body_empty, .form = FORM_CLOSE,
	  .why = "empty body" },
	{ .name = "until-close", .want = GOOD, .form = FORM_CLOSE },
	{ .name = "length-twice", .http = http_length_twice,
	  .why = "more than one Content-Length" },
	{ .name = "length-differ", .http = http_length_differ,
	  .why = "more than one Content-Length" },
	{ .name = "length-list", .http = http_length_list, .why = "malformed Content-Length" },
	{ .name = "length-negative", .http = http_length_negative,
	  .why = "malformed Content-Length" },
	{ .name = "length-blank", .http = http_length_blank, .why = "malformed Content-Length" },
	{ .name = "length-word", .http = http_length_word, .why = "malformed Content-Length" },
	{ .name = "length-overflow", .http = http_length_overflow, .why = "body is longer" },
	{ .name = "length-huge", .http = http_length_huge, .why = "body is longer" },
	{ .name = "length-short", .requests = 2, .http = http_length_short,
	  .why = "OCSP response" },
	{ .name = "length-long", .http = http_length_long, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "length-long-hang", .http = http_length_long, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "length-and-chunked", .http = http_length_and_chunked,
	  .why = "Content-Length beside Transfer-Encoding" },
	{ .name = "big", .num = 300000, .body = body_zeros, .why = "body is longer" },
	{ .name = "big-close", .num = 300000, .body = body_zeros, .form = FORM_CLOSE,
	  .why = "body is longer" },
	{ .name = "endless", .http = http_endless, .why = "body is longer" },
	{ .name = "endless-close", .http = http_endless_close, .why = "body is longer" },

	/* HTTP: chunks */
	{ .name = "chunked", .want = GOOD, .form = FORM_CHUNKED },
	{ .name = "chunk-tiny", .want = GOOD, .http = http_chunk_tiny },
	{ .name = "chunk-extension", .want = GOOD, .http = http_chunk_extension },
	{ .name = "chunk-overflow", .http = http_chunk_overflow, .why = "body is longer" },
	{ .name = "chunk-negative", .http = http_chunk_negative, .why = "malformed chunk size" },
	{ .name = "chunk-lie", .http = http_chunk_lie, .why = "chunk is longer" },
	{ .name = "chunk-word", .http = http_chunk_word, .why = "malformed chunk size" },
	{ .name = "chunk-cut", .http = http_chunk_open, .end = FAULT_CLOSE,
	  .why = "closed within the body" },
	{ .name = "chunk-hang", .http = http_chunk_open, .end = FAULT_HANG,
	  .why = "answer not completed" },
	{ .name = "chunk-endless", .http = http_chunk_endless, .why = "body is longer" },
	{ .name = "chunk-size-endless", .http = http_chunk_size_endless,
	  .why = "header is longer" },
	{ .name = "trailer-endless", .http = http_trailer_endless,
	  .why = "header has more than 100" },
	{ .name = "te-gzip", .http = http_te_gzip, .why = "Transfer-Encoding is not just chunked" },
	{ .name = "te-twice", .http = http_te_twice,
	  .why = "Transfer-Encoding is not just chunked" },
	{ .name = "te-word", .http = http_te_word, .why = "Transfer-Encoding is not just chunked" },

	/* HTTP: header */
	{ .name = "header-lines", .want = GOOD, .num = 50, .http = http_header_lines },
	{ .name = "header-many", .num = 101, .http = http_header_lines,
	  .why = "header has more than 100" },
	{ .name = "header-long", .want = GOOD, .num = 8000, .http = http_header_long },
	{ .name = "header-too-long", .num = 17000, .http = http_header_long,
	  .why = "header is longer" },
	{ .name = "header-flood", .http = http_header_flood, .why = "header has more than 100" },
	{ .name = "line-flood", .http = http_line_flood, .why = "header is longer" },
	{ .name = "header-nul", .http = http_header_nul, .why = "control character 0x00" },
	{ .name = "header-no-colon", .http = http_header_no_colon, .why = "malformed header line" },
	{ .name = "header-space", .http = http_header_space, .why = "malformed header line" },
	{ .name = "header-fold", .http = http_header_fold, .why = "malformed header line" },
	{ .name = "header-cr", .http = http_header_cr, .why = "control character 0x0d" },
	{ .name = "bare-lf", .want = GOOD, .http = http_bare_lf },
	{ .name = "http10", .want = GOOD, .http = http_10 },
	{ .name = "http10-chunked", .http = http_10_chunked,
	  .why = "Transfer-Encoding in HTTP/1.0" },
	{ .name = "http09", .http = http_09, .why = "not an HTTP/1 status line" },
	{ .name = "http20", .http = http_20, .why = "not an HTTP/1 status line" },
	{ .name = "no-reason", .want = GOOD, .http = http_no_reason },
	{ .name = "four-digits", .http = http_four_digits, .why = "not an HTTP/1 status line" },
	{ .name = "status-word", .http = http_status_word, .why = "not an HTTP/1 status line" },
	{ .name = "other-protocol", .http = http_other_protocol,
	  .why = "not an HTTP/1 status line" },
	{ .name = "garbage-after", .want = GOOD, .http = http_garbage_after },
	{ .name = "garbage-before", .http = http_garbage_before,
	  .why = "not an HTTP/1 status line" },
	{ .name = "flood-after", .want = GOOD, .http = http_flood_after },
	{ .name = "crlf-before", .http = http_crlf_before, .why = "not an HTTP/1 status line" },

	/* OCSP: the envelope */
	{ .name = "error", .requests = 2, .then_requests = 1, .again = true,
	  .num = OCSP_RESPONSE_STATUS_TRYLATER, .ocsp = ocsp_error, .end = FAULT_CLOSE,
	  .why = "tryLater" },
	{ .name = "error-body", .requests = 2, .then_requests = 1, .again = true,
	  .ocsp_status = OCSP_RESPONSE_STATUS_TRYLATER, .body_beside_error = true,
	  .end = FAULT_CLOSE, .why = "tryLater" },
	{ .name = "random", .requests = 2, .num = 300, .body = body_random,
	  .why = "OCSP response" },
	{ .name = "zeros", .requests = 2, .num = 300, .body = body_zeros, .why = "OCSP response" },
	{ .name = "truncate", .requests = 2, .num = 100, .body = body_truncate,
	  .why = "OCSP response" },
	{ .name = "cut", .requests = 2, .num = 150, .body = body_truncate, .why = "OCSP response" },
	{ .name = "flip", .or_post = true, .num = 800, .body = body_flip },
	{ .name = "trailing", .requests = 2, .num = 1, .ocsp = ocsp_trailing,
	  .why = "follow" },
	{ .name = "size", .want = GOOD, .num = 60000, .ocsp = ocsp_size },
	{ .name = "size-tls", .want = GOOD, .num = TLS_MAX_BYTES, .ocsp = ocsp_size },
	{ .name = "size-tls-over", .or_post = true, .num = TLS_MAX_BYTES + 1,
	  .ocsp = ocsp_size, .why = "too long for a TLS handshake" },
	{ .name = "size-200k", .or_post = true, .num = 200000, .ocsp = ocsp_size,
	  .why = "too long for a TLS handshake" },
	{ .name = "size-limit", .or_post = true, .num = 256 * 1024,
	  .ocsp = ocsp_size, .why = "too long for a TLS handshake" },
	{ .name = "size-over", .num = 256 * 1024 + 1, .ocsp = ocsp_size, .why = "body is longer" },
	{ .name = "nonce", .want = GOOD, .nonce = "0123456789abcdef" },

	/* OCSP: what it says, and of whom */
	{ .name = "revoked", .want = "revoked", .cert_status = REVOKED_CERT },
	{ .name = "later-revoked", .want = GOOD, .ocsp = ocsp_later_revoked, .then = "revoked" },
	{ .name = "unknown", .cert_status = UNKNOWN_CERT, .why = "unknown" },
	{ .name = "wrong-cert", .ocsp = ocsp_wrong_cert, .why = "certificate" },
	{ .name = "wrong-issuer", .ocsp = ocsp_wrong_issuer, .why = "certificate" },
	{ .name = "no-single", .ocsp = ocsp_none, .why = "certificate" },
	{ .name = "several-first", .want = GOOD, .ocsp = ocsp_several_first },
	{ .name = "several-middle", .want = GOOD, .ocsp = ocsp_several_middle },
	{ .name = "several-last", .want = GOOD, .ocsp = ocsp_several_last },
	{ .name = "several-others", .ocsp = ocsp_several_others, .why = "certificate" },
	{ .name = "sha256", .want = GOOD, .ocsp = ocsp_sha256 },
	{ .name = "sha512", .want = GOOD, .ocsp = ocsp_sha512 },
	{ .name = "two-digests", .want = GOOD, .ocsp = ocsp_two_digests },
	{ .name = "expired-and-valid", .want = GOOD, .ocsp = ocsp_expired_and_valid },

	/* OCSP: when */
	{ .name = "expired", .requests = 2, .this_s = -10 * DAY, .next_s = -DAY,
	  .why = "nextUpdate" },
	{ .name = "future", .this_s = DAY, .next_s = 2 * DAY, .why = "thisUpdate" },
	{ .name = "ahead", .want = GOOD, .this_s = 240, .next_s = DAY },
	{ .name = "reversed", .this_s = -3600, .next_s = -7200, .why = "nextUpdate" },
	{ .name = "no-next", .no_next = true, .why = "nextUpdate" },
	{ .name = "soon", .requests = 2, .num = 120, .ocsp = ocsp_soon, .why = "nextUpdate" },
	{ .name = "long-ago", .want = GOOD, .this_s = -400 * DAY, .next_s = DAY },
	{ .name = "older", .want = GOOD, .ocsp = ocsp_older, .then_why = "unchanged" },
	{ .name = "until-2038", .want = GOOD, .next_at = YEAR_2038_S },
	{ .name = "until-2050", .want = GOOD, .next_at = YEAR_2050_S },
	{ .name = "until-9999", .want = GOOD, .next_at = YEAR_9999_S },

	/* OCSP: by whom */
	{ .name = "bad-signature", .bad_signature = true, .why = "signature " },
	{ .name = "by-key", .want = GOOD, .by_key = true },
	{ .name = "with-issuer", .want = GOOD, .with_issuer = true },
	{ .name = "delegate", .want = GOOD, .signer = PKI_BY_DELEGATE },
	{ .name = "delegate-key", .want = GOOD, .signer = PKI_BY_DELEGATE, .by_key = true },
	{ .name = "delegate-rsa", .want = GOOD, .signer = PKI_BY_DELEGATE_RSA },
	{ .name = "delegate-issuer", .want = GOOD, .signer = PKI_BY_DELEGATE, .with_issuer = true },
	{ .name = "delegate-absent", .signer = PKI_BY_DELEGATE, .no_certs = true,
	  .why = "signer " },
	{ .name = "delegate-bad", .signer = PKI_BY_DELEGATE, .bad_signature = true,
	  .why = "signature " },
	{ .name = "delegate-plain", .signer = PKI_BY_DELEGATE_PLAIN, .why = "usage" },
	{ .name = "delegate-expired", .signer = PKI_BY_DELEGATE_EXPIRED, .why = "expired" },
	{ .name = "delegate-future", .signer = PKI_BY_DELEGATE_FUTURE, .why = "not yet valid" },
	{ .name = "delegate-root", .signer = PKI_BY_DELEGATE_OF_ROOT, .why = "signer " },
	{ .name = "delegate-other", .signer = PKI_BY_DELEGATE_OF_OTHER, .why = "signer " },
	{ .name = "delegate-leaf", .signer = PKI_BY_DELEGATE_OF_LEAF, .why = "signer " },
	{ .name = "delegate-self", .signer = PKI_BY_DELEGATE_SELF, .why = "signer " },
	{ .name = "by-root", .signer = PKI_BY_ROOT, .why = "signer " },
	{ .name = "by-other", .signer = PKI_BY_OTHER, .why = "signer " },
	{ .name = "by-stranger", .signer = PKI_BY_STRANGER, .why = "signer " },
	{ .name = "by-impostor", .signer = PKI_BY_IMPOSTOR, .no_certs = true, .why = "signature " },
	{ .name = "by-impostor-cert", .signer = PKI_BY_IMPOSTOR, .why = "signer " },
	{ .name = "by-alias", .signer = PKI_BY_ALIAS, .no_certs = true, .why = "signer " },
	{ .name = "by-leaf", .signer = PKI_BY_LEAF, .why = "signer " },
};

#define ROWS (sizeof(table) / sizeof(table[0]))

/* Rows that are another one with a number: a response that ends after so many bytes, or with the
 * bit of that number turned over. The numbers are spread over the shortest response there is.
 */
#define SAMPLES 32
#define SAMPLE_DER_BYTES 256

static struct sample {
	struct fault row;
	char name[16];
} samples[2 * SAMPLES];

static void samples_make(void)
{
	size_t i;

	for (i = 0; i < 2 * SAMPLES; i++) {
		if (i < SAMPLES)
			snprintf(samples[i].name, sizeof(samples[i].name), "cut-%zu",
				 i * SAMPLE_DER_BYTES / SAMPLES);
		else
			/* each bit of a byte has its turn */
			snprintf(samples[i].name, sizeof(samples[i].name), "flip-%zu",
				 (i - SAMPLES) * 8 * SAMPLE_DER_BYTES / SAMPLES + i % 8);
		samples[i].row = *fault_find(samples[i].name);
		samples[i].row.name = samples[i].name;
	}
	samples[0].row.why = "empty body";
}

const struct fault *fault_row(size_t i)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (i < ROWS)
		return &table[i];
	pthread_once(&once, samples_make);
	return i - ROWS < 2 * SAMPLES ? &samples[i - ROWS].row : NULL;
}

const char *fault_name(const struct fault *f)
{
	return f->name;
}

const char *fault_want(const struct fault *f, bool again)
{
	return again && f->then ? f->then : f->want;
}

const char *fault_why(const struct fault *f, bool again)
{
	return again && (f->then || f->then_why) ? f->then_why : f->why;
}

bool fault_again(const struct fault *f)
{
	return f->again;
}

enum fault_server fault_server(const struct fault *f)
{
	return f->server;
}

/* Requests of one fetch of <f>, unless the row says how many. */
static unsigned usual_requests(const struct fault *f)
{
	switch (f->server) {
	case FAULT_PLAIN:
	case FAULT_EARLY:
	case FAULT_TLS:
		return 1;
	case FAULT_REFUSE:
	case FAULT_BLACKHOLE:
	case FAULT_SILENT:
	case FAULT_TLS_WRONG_NAME:
	case FAULT_TLS_EXPIRED:
	case FAULT_TLS_UNKNOWN_CA:
	case FAULT_TLS_HANG:
	case FAULT_TLS_PLAIN:
	case FAULT_PLAIN_TLS:
		return 0;
	}
	abort();
}

void fault_requests(const struct fault *f, unsigned times, unsigned *least, unsigned *most)
{
	unsigned first = f->requests ? f->requests : usual_requests(f);
	unsigned then = f->then_requests ? f->then_requests : first;

	*least = first + (times - 1) * then;
	*most = f->again ? UINT_MAX : *least + (f->or_post ? times : 0);
	if (f->server == FAULT_EARLY)
		*least = 0;
}

static const struct fault *row_named(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (strlen(table[i].name) == n && !strncmp(table[i].name, name, n))
			return &table[i];
	return NULL;
}

/* The row of "name-number", if it has one that can be another. */
static const struct fault *row_numbered(const char *segment)
{
	const char *hyphen = strrchr(segment, '-');
	const struct fault *f;

	if (!hyphen || !hyphen[1] || hyphen[1 + strspn(hyphen + 1, "0123456789")])
		return NULL;
	f = row_named(segment, (size_t)(hyphen - segment));
	return f && f->num ? f : NULL;
}

/* The row of "redirect-segment", if there is something at the place that it leads to. */
static const struct fault *row_redirecting(const char *segment)
{
	const struct fault *f = row_named(segment, strcspn(segment, "-"));

	if (!f || f->http != http_redirect || !strchr(segment, '-'))
		return NULL;
	return fault_find(strchr(segment, '-') + 1) ? f : NULL;
}

const struct fault *fault_find(const char *segment)
{
	const struct fault *f = row_named(segment, strlen(segment));

	if (!f)
		f = row_numbered(segment);
	return f ? f : row_redirecting(segment);
}
