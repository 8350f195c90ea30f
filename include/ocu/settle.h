/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settle.h - the end of a try: its result, the counters, the line in the log. Loop thread, or no
 * thread of the engine runs.
 */
#ifndef OCU_SETTLE_H
#define OCU_SETTLE_H

#include "ocu/state.h"

/* The try of <c> is over, as <st> says: what was seen in it is its result. <revoked>: it is the
 * first to say that the certificate is revoked. To be called when the plan knows it.
 */
void ocu_settle(struct ocu_engine *e, struct ocu_cert *c, enum ocu_status st, bool revoked,
		const struct ocu_clock *now);

/* Something else ends the try of <c>, if one is under way but no turn of it: another response is
 * held since, as the plan knows, or it has expired. What was seen last is why it failed; if nothing
 * was there is nothing to say. An order goes on, and is settled when it is over.
 */
void ocu_settle_broken_off(struct ocu_engine *e, struct ocu_cert *c, const struct ocu_clock *now);

#endif
