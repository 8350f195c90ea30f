/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when.h - how long until the next try: after a success, and after a failure.
 * Pure: the clock and the random number are arguments, the answer is a delay. Any thread.
 */
#ifndef OCU_WHEN_H
#define OCU_WHEN_H

#include "ocu/base.h"

#define OCU_WHEN_RETRY_S 60       /* delay after the first failure, before its random share */
#define OCU_WHEN_AUTO_RETRY_S 3600 /* what it grows to if maxdelay is "auto" */
#define OCU_WHEN_NOTHING_S 300    /* with nothing held the next try is never later */
#define OCU_WHEN_HASTE_S 6        /* but what is left of a response never hurries more than this */

#define OCU_WHEN_HURRY_S 1        /* the delay after the first failure if somebody waits for it */
#define OCU_WHEN_HURRY_MAX_S 4    /* and what it grows to */

#define OCU_WHEN_AUTO 0

struct ocu_when {
	int64_t mindelay_s; /* ocsp-update.mindelay */
	int64_t maxdelay_s; /* ocsp-update.maxdelay; OCU_WHEN_AUTO: no bound of its own */
	bool hurry;         /* the start of a process waits for responses */
};

/* Returns the milliseconds from wall clock <now> (seconds) until a response with these times, which
 * is held, usable, and as new as its responder has it, is refreshed: in the tenth of its life
 * (<this_update> to <expiry>) that follows the middle, or, once that has passed, after a quarter of
 * what is left. That is then
 * - not before mindelay, and not before <max_age_s> (RFC 9111; below 0: the responder named none),
 * - not after maxdelay,
 * - not so late that less than a quarter of what is left now remains: even mindelay ends no staple.
 * When exactly, <rnd>, any 32 random bits, says. Not before the middle: responders sign anew at
 * half of a life, and who comes earlier gets the same again. The other spans are a fifth: a bound
 * from below counts for the earliest time of it, one from above for the latest, and where mindelay
 * and maxdelay leave less than the span between them, it goes beyond maxdelay. Any values are fine;
 * the answer is at least one second.
 */
int64_t ocu_when_refresh(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
			 int64_t max_age_s, uint32_t rnd);

/* Likewise, for a response that may be one of many which have come together: it was found at a
 * start, set by somebody, the clock was, or nothing was held before. Found ones are somewhere
 * between two refreshes; they must not be drawn together, nor be put off for ever by many reloads.
 * So past the middle the span goes from mindelay to a third of what is left, and where maxdelay
 * comes before what the above would say, from mindelay to nine tenths of maxdelay, whatever
 * <max_age_s> is.
 */
int64_t ocu_when_found(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
		       int64_t max_age_s, uint32_t rnd);

/* Returns the milliseconds until the next try after the <failures>-th failure in a row (1 is the
 * first): 60 s doubled each time up to maxdelay, or, with w->hurry, 1, 2, 4, 4 ... s; +-50 % as
 * <rnd> says; but never later than a quarter of what is left until <expiry>, and with nothing held
 * (<expiry> 0 or not after <now>) never later than OCU_WHEN_NOTHING_S. Where these bounds cut, the
 * random share lies below them, or all that are cut would be due together. Any values are fine; the
 * answer is at least half a second.
 */
int64_t ocu_when_retry(const struct ocu_when *w, int64_t now, unsigned failures, int64_t expiry,
		       uint32_t rnd);

/* Returns the share of <ms> (not negative) that <rnd> says: 0 up to, not including, all of it. */
int64_t ocu_when_share(int64_t ms, uint32_t rnd);

#endif
