/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accept.h - the way of a response that was accepted: to the host, and to the disk; and the way of
 * a saved one from the disk. Loop thread but for what is said otherwise.
 */
#ifndef OCU_ACCEPT_H
#define OCU_ACCEPT_H

#include "ocu/state.h"

#define OCU_ACCEPT_LOAD_MS 1000 /* how long a certificate waits for the state directory before it is
				 * scheduled without: the disk may hang */

struct ocu_accepted;

/* Makes what a response for <c> goes on its way with; NULL without memory. */
struct ocu_accepted *ocu_accept_new(struct ocu_engine *e, struct ocu_cert *c);

/* Frees <a> (may be NULL), which was not used. */
void ocu_accept_free(struct ocu_accepted *a);

/* Hands the response <der> (takes its bytes), which was verified and is what <held> says, to the
 * host, and then to the disk. The plan knows it as held already. Takes <a>.
 */
void ocu_accept(struct ocu_accepted *a, struct ocu_buf *der, const struct ocu_held *held,
		const struct ocu_clock *now);

/* Gives <p> back, see ocu_engine_published(). Any thread. */
void ocu_accept_published(struct ocu_publication *p, enum ocu_status st);

/* Hands <parcel> to the host on its thread. */
void ocu_accept_deliver(struct ocu_engine *e, struct ocu_parcel *parcel);

/* Begins to watch over the patience of those that wait for the state directory, and ends it. */
void ocu_accept_start(struct ocu_engine *e);
void ocu_accept_stop(struct ocu_engine *e);

/* Asks the state directory for <c>, which came at run time, and schedules it by what is found. */
void ocu_accept_load(struct ocu_engine *e, struct ocu_cert *c);

/* The same in three steps while no thread of the engine runs. Makes what the response that is saved
 * for <c> goes on its way with; NULL if the state directory was asked for it already, if there is
 * none, or without memory.
 */
struct ocu_accepted *ocu_accept_saved_new(struct ocu_engine *e, struct ocu_cert *c);

/* Reads and verifies it. Any thread, also at the same time as for others. */
void ocu_accept_saved_read(struct ocu_accepted *a);

/* Hands it to the host if it may be stapled and is better than what is held. Takes <a>. */
void ocu_accept_saved_take(struct ocu_accepted *a);

#endif
