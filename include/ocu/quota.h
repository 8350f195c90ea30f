/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota.h - what may have to be said of every certificate at once, as when a disk is full: a few
 * are said in a minute, the others counted. Pure: `now` is an argument, milliseconds of a monotonic
 * clock. One thread at a time.
 */
#ifndef OCU_QUOTA_H
#define OCU_QUOTA_H

#include "ocu/base.h"

#define OCU_QUOTA_MS 60000

/* All private. */
struct ocu_quota {
	unsigned most;     /* in a minute */
	int64_t until_ms;  /* the end of the minute that began with the first one */
	unsigned said, unsaid;
	unsigned over;     /* unsaid in minutes that have ended */
};

/* Lets <most> be said in a minute. */
void ocu_quota_init(struct ocu_quota *q, unsigned most);

/* Returns whether the next one may be said; if not, it is counted. */
bool ocu_quota_take(struct ocu_quota *q, int64_t now);

/* Returns how many were counted in minutes that have ended, and forgets them. */
unsigned ocu_quota_rest(struct ocu_quota *q, int64_t now);

#endif
