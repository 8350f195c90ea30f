/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.h - watches over what is held: which certificates have no response that may be stapled, and
 * when that of a must-staple certificate ends without a newer one. Loop thread.
 */
#ifndef OCU_WATCH_H
#define OCU_WATCH_H

#include <stdatomic.h>

#include "ocu/cert.h"

#define OCU_WATCH_AT_ONCE 64     /* certificates that one call looks at */
#define OCU_MISSING_NAMED 3      /* certificates that are named */
#define OCU_MISSING_BYTES 704    /* of one of them: path and reason, cut if it is longer */

struct ocu_watch {
	struct ocu_heap ends;    /* must-staple certificates by when to look at their end */
	atomic_size_t missing[2]; /* without a response; 1: must-staple ones */
};

void ocu_watch_init(struct ocu_watch *w);

/* Takes in that something has changed about <c>: what is held, whether it is updated by itself,
 * whether it is in the table. To be called after each such change.
 */
void ocu_watch_cert(struct ocu_watch *w, struct ocu_cert *c, const struct ocu_clock *now);

/* Returns the next must-staple certificate of which an alert is to be given at <now>: its response
 * ends within 24, 6 or 1 hours, and something stands against its renewal. <line> is then what to
 * say. NULL: there is none among those that were looked at.
 */
struct ocu_cert *ocu_watch_ending(struct ocu_watch *w, const struct ocu_clock *now, char *line,
				  size_t size);

/* Whether others are to be looked at now by ocu_watch_ending(). */
bool ocu_watch_is_due(const struct ocu_watch *w, const struct ocu_clock *now);

/* A look, in parts, at who is updated by itself and has nothing that may be stapled. Private. */
struct ocu_missing {
	struct ocu_certs_walk walk;
	bool must;
	size_t n[2];            /* certificates that were found: not tried yet, tried */
	char named[2][OCU_MISSING_NAMED][OCU_MISSING_BYTES]; /* the first of them */
};

/* Begins to look at the certificates of <cs> (keeps, until ocu_missing_fini()); with <must> only at
 * must-staple ones.
 */
void ocu_missing_init(struct ocu_missing *m, struct ocu_certs *cs, bool must);
void ocu_missing_fini(struct ocu_missing *m);

/* Looks at the next OCU_WATCH_AT_ONCE. Returns whether there are more. */
OCU_MUST bool ocu_missing_next(struct ocu_missing *m, const struct ocu_clock *now);

/* Returns how many were found so far, and writes the first of them into <out> as "path: reason;
 * path: reason": those that have failed before those that were not tried yet.
 */
size_t ocu_missing_say(const struct ocu_missing *m, char *out, size_t size);

#endif
