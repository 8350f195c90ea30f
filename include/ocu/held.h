/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held.h - what is known of the response that is held for a certificate: the only place that says
 * when it may be stapled, and when another one takes its place. Pure: `now` is an argument, in
 * seconds since the epoch; any values are fine. Any thread.
 */
#ifndef OCU_HELD_H
#define OCU_HELD_H

#include "ocu/base.h"
#include "ocu/ocsp.h"

#define OCU_HELD_SUM_BYTES 16

/* A response, without its bytes. All zero: none is held. Times are seconds since the epoch. */
struct ocu_held {
	int64_t this_update;
	int64_t next_update;
	int64_t expiry;   /* from then on it is not stapled any more */
	bool revoked;
	uint8_t sum[OCU_HELD_SUM_BYTES]; /* of its bytes: tells whether another one is the same */
};

/* What a response that has come is beside the held one. */
enum ocu_age {
	OCU_AGE_NEW,   /* takes the place of the held one (also if none is held, or none usable) */
	OCU_AGE_SAME,  /* the very bytes of the held one */
	OCU_AGE_OLDER, /* of an older thisUpdate than the held one, which is usable */
};

/* Fills <h> for the response <der> of <n> bytes (borrows), of which <o> was read. */
void ocu_held_init(struct ocu_held *h, const struct ocu_ocsp *o, const uint8_t *der, size_t n);

/* Whether <h> may be stapled at <now>: before its expiry. That its thisUpdate lies ahead of <now>
 * does not matter: it was checked when the response came, so the clock has been set back since, and
 * a clock that is wrong in this way must not end a staple that clients accept.
 */
bool ocu_held_usable(const struct ocu_held *h, int64_t now);

/* Says what <fresh>, which was verified at <now>, is beside <h>. Two responses of the same
 * thisUpdate that differ were signed one after the other: the one that has come is the new one.
 */
enum ocu_age ocu_held_compare(const struct ocu_held *h, const struct ocu_held *fresh, int64_t now);

/* Whether less than a quarter of the life of <h>, which is usable, is left at <now>. A life goes
 * from thisUpdate to the expiry.
 */
bool ocu_held_ends_soon(const struct ocu_held *h, int64_t now);

#endif
