/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say.h - what is said of a certificate: HAProxy's log line, reasons, dates. The only place that
 * makes text of what the engine knows. Loop thread.
 */
#ifndef OCU_SAY_H
#define OCU_SAY_H

#include "ocu/cert.h"

#define OCU_SAY_LINE_BYTES 1024
#define OCU_SAY_DATE_BYTES 32

#define OCU_SAY_REVOKED                                                                            \
	"certificate is REVOKED, says the response that is loaded for it; replace the certificate"

/* HAProxy's status numbers and texts (its manual, "show ssl ocsp-updates"). */
#define OCU_SAY_STATUSES(X)                                                                        \
	X(OCU_SAY_UNKNOWN, "Unknown")                                                              \
	X(OCU_SAY_OK, "Update successful")                                                         \
	X(OCU_SAY_HTTP, "HTTP error")                                                              \
	X(OCU_SAY_TYPE, "Missing \"ocsp-response\" header")                                        \
	X(OCU_SAY_CHECK, "OCSP response check failure")                                            \
	X(OCU_SAY_INSERT, "Error during insertion")

#define OCU_ENUM(id, text) id,
enum ocu_say_status { OCU_SAY_STATUSES(OCU_ENUM) };
#undef OCU_ENUM

/* Returns HAProxy's status for how the last try of <c> ended, and the text of a status. */
enum ocu_say_status ocu_say_status(const struct ocu_cert *c);
const char *ocu_say_status_text(enum ocu_say_status st);

/* Writes why the last try of <c> ended as it did into <out>: "good until 2026-11-30T12:00:00Z, from
 * 192.0.2.1:80", "ocsp.example.org: [2001:db8::1]:80: Connection refused"; "" if none has ended.
 */
void ocu_say_reason(char out[static OCU_ERR_BYTES], const struct ocu_cert *c);

/* Writes "URL: address: cause" of one attempt. */
void ocu_say_tried(char out[static OCU_ERR_BYTES], const struct ocu_tried *t);

/* Writes the log line of HAProxy for the last try of <c>; <revoked>: it is the first to say that
 * the certificate is revoked; <inside>: the reason of a failure stands in parentheses inside of the
 * text, as HAProxy from 3.2 on has it.
 */
void ocu_say_update(char out[static OCU_SAY_LINE_BYTES], const struct ocu_cert *c, bool revoked,
		    bool inside);

/* Writes the date <t> (seconds since the epoch) as "2026-11-30T12:00:00Z", or as HAProxy's logs
 * have it in local time, "30/Nov/2026:12:00:00 +0000"; "-" for 0.
 */
void ocu_say_date(char out[static OCU_SAY_DATE_BYTES], int64_t t);
void ocu_say_log_date(char out[static OCU_SAY_DATE_BYTES], int64_t t);

#endif
