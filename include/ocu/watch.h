/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.h - watches over what is held: which certificates have no response that may be stapled, and
 * when that of a must-staple certificate ends without a newer one. Loop thread.
 */
#ifndef OCU_WATCH_H
#define OCU_WATCH_H

#include <stdatomic.h>

#include "ocu/cert.h"

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
 * ends within 24, 6 or 1 hours, and something stands against its renewal; NULL if there is none.
 * <line> is then what to say.
 */
struct ocu_cert *ocu_watch_ending(struct ocu_watch *w, const struct ocu_clock *now, char *line,
				  size_t size);

/* Returns how many certificates of <cs> that are updated by themselves have nothing that may be
 * stapled, and writes the first of them as "path: reason; path: reason" into <out>: those that have
 * failed before those that were not tried yet. With <must> only must-staple ones.
 */
size_t ocu_watch_missing(struct ocu_certs *cs, bool must, const struct ocu_clock *now, char *out,
			 size_t size);

#endif
