/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when.h - how long until the next try: after a success, and after a failure.
 * Pure: both clocks and the random number are arguments, the answer is a delay.
 */
#ifndef OCU_WHEN_H
#define OCU_WHEN_H

#include "ocu/base.h"

#define OCU_WHEN_RETRY_S 60   /* delay after the first failure, before its random share */
#define OCU_WHEN_MARGIN_S 60  /* a response is refreshed at least that long before it expires */

struct ocu_when {
	int64_t mindelay_s; /* ocsp-update.mindelay */
	int64_t maxdelay_s; /* ocsp-update.maxdelay */
};

/* Returns the milliseconds from wall clock <now> (seconds) until a held response with these times
 * is to be refreshed: the earliest of maxdelay, the middle of its life (which may have passed), and
 * its expiry (the time from which it is not stapled any more) less a margin, but at least mindelay;
 * then up to 10 % earlier (never below mindelay) as <rnd>, any 32 random bits, says. Any values are
 * fine; the answer is at least one second.
 */
int64_t ocu_when_refresh(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
			 uint32_t rnd);

/* Returns the milliseconds until the next try after the <failures>-th failure in a row (1 is the
 * first): 60 s doubled each time up to maxdelay, +-50 % as <rnd> says; but with a held response
 * never later than a quarter of what is left until <expiry>, and never under 60 s for that.
 * <expiry> 0 or not after <now>: none is held, or it is stapled no more, and haste saves nothing.
 * Any values are fine; the answer is at least half a second.
 */
int64_t ocu_when_retry(const struct ocu_when *w, int64_t now, unsigned failures, int64_t expiry,
		       uint32_t rnd);

#endif
