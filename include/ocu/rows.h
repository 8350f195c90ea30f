/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rows.h - listings of certificates, piece by piece: a listing remembers which certificates it is
 * about, and writes of each what is known when its turn comes. No call but ocu_listing_free() does
 * more than a part of the work, however many certificates there are. Loop thread.
 */
#ifndef OCU_ROWS_H
#define OCU_ROWS_H

#include "ocu/cert.h"

#define OCU_ROWS_AT_ONCE 256 /* certificates that one call gathers, or gives back */
#define OCU_ROWS_PIECE_BYTES 8192 /* a piece ends with the first line after so many bytes */

/* The first line of HAProxy's table. */
#define OCU_ROWS_HEADER                                                                            \
	"OCSP Certid | Path | Next Update | Last Update | Successes | Failures | "                 \
	"Last Update Status | Last Update Status (str)\n"

enum ocu_rows_form {
	OCU_ROWS_TABLE,
	OCU_ROWS_REASONS, /* the table with the reason of a failure in parentheses */
	OCU_ROWS_JSON,
	OCU_ROWS_DETAIL,
};

struct ocu_listing;

/* Makes a listing of all certificates of <cs> (keeps) that are updated by themselves, those in
 * flight first, then by the time of their next update as it was when they were gathered; or of
 * <only> if that is not NULL. Errors: OCU_NOMEM; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_listing_new(struct ocu_listing **out, struct ocu_certs *cs,
					 struct ocu_cert *only, enum ocu_rows_form form,
					 const struct ocu_clock *now);

/* Looks at the next OCU_ROWS_AT_ONCE certificates: those that are listed get a reference. Who comes
 * or goes between two calls may be listed or not. Returns whether there are more: then it is to be
 * called again before the first piece, and other work may be done before.
 */
OCU_MUST bool ocu_listing_gather(struct ocu_listing *l);

/* Ends <l> (may be NULL) early: gives OCU_ROWS_AT_ONCE of its references back, and returns whether
 * there are more. Then it is to be called again; it can only be freed afterwards.
 */
OCU_MUST bool ocu_listing_shrink(struct ocu_listing *l);

/* Frees <l>, which may be NULL. Takes its time for one with many references. */
void ocu_listing_free(struct ocu_listing *l);

/* Appends the next piece of <l>, all of which was gathered, to <out>; *end says whether it was the
 * last one. Errors: OCU_NOMEM, OCU_TOO_BIG; there is no further piece then.
 */
OCU_MUST enum ocu_status ocu_listing_next(struct ocu_listing *l, struct ocu_buf *out, bool *end,
					  const struct ocu_clock *now);

#endif
