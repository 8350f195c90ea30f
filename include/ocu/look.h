/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look.h - what an engine does unasked, from time to time: alerts, the summary after the start, the
 * sweep of the state directory. Loop thread.
 */
#ifndef OCU_LOOK_H
#define OCU_LOOK_H

#include "ocu/state.h"

/* Begins and ends to look around. */
void ocu_look_start(struct ocu_engine *e);
void ocu_look_stop(struct ocu_engine *e);

/* Gives some of the alerts that are due at <now>, see ocu_watch_ending(); the others follow. */
void ocu_look_ending(struct ocu_engine *e, const struct ocu_clock *now);

#endif
