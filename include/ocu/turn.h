/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turn.h - the turns of certificates at responders, as the plan hands them out. Loop thread, or no
 * thread of the engine runs.
 */
#ifndef OCU_TURN_H
#define OCU_TURN_H

#include "ocu/state.h"

/* Begins to look for turns before the loop waits, and ends it: turns in flight are given up. */
void ocu_turn_start(struct ocu_engine *e);
void ocu_turn_stop(struct ocu_engine *e);

/* Puts <c>, which is in the table, into the plan with the responders of its URIs. Errors:
 * OCU_NOMEM; nothing has changed then.
 */
OCU_MUST enum ocu_status ocu_turn_add(struct ocu_engine *e, struct ocu_cert *c,
				      const struct ocu_clock *now);

/* Takes <c> out of the table and of the plan, also in mid-turn, and gives the table's reference
 * back.
 */
void ocu_turn_remove(struct ocu_engine *e, struct ocu_cert *c, const struct ocu_clock *now);

#endif
