/* SPDX-License-Identifier: GPL-2.0-or-later */
/* happy.h - decides which address to try next, and when (RFC 8305).
 * Opens no socket, reads no clock.
 */
#ifndef OCU_HAPPY_H
#define OCU_HAPPY_H

#include "ocu/base.h"

#define OCU_HAPPY_RESOLUTION_MS 50 /* RFC 8305 section 3: Resolution Delay */
#define OCU_HAPPY_ATTEMPT_MS 250   /* RFC 8305 section 5: Connection Attempt Delay */
#define OCU_HAPPY_RUNNING_MAX 8    /* attempts at the same time, and so descriptors */

#define OCU_HAPPY_NEVER INT64_MAX /* no wake-up by time: wait for an answer or an error */

enum ocu_family { OCU_ANY, OCU_IPV4, OCU_IPV6 };

/* What is known of one connection that is being established. The caller keeps it up to date. */
struct ocu_happy {
	enum ocu_family prefer; /* the family that goes first: OCU_IPV4, or OCU_IPV6 */
	unsigned v4_left;       /* addresses that were not tried yet */
	unsigned v6_left;
	bool v4_open;           /* the answer for the family is still awaited */
	bool v6_open;
	unsigned running;       /* attempts under way */
	unsigned started;       /* attempts that were ever started */
	bool last_was_v6;       /* family of the attempt that was started last */
	bool failed;            /* an attempt has failed since the last one was started */
	int64_t last_ms;        /* when the last attempt was started */
	int64_t other_ms;       /* when addresses of the family that does not go first came */
};

enum ocu_happy_do {
	OCU_HAPPY_WAIT,   /* until wake, or until something changes */
	OCU_HAPPY_TRY_V4, /* start an attempt with the next IPv4 address, then ask again */
	OCU_HAPPY_TRY_V6,
	OCU_HAPPY_GIVE_UP, /* nothing is left, under way or awaited */
};

struct ocu_step {
	enum ocu_happy_do what;
	int64_t wake; /* of OCU_HAPPY_WAIT: clock value in ms, or OCU_HAPPY_NEVER */
};

/* Decides what is to be done at <now>. Attempts are <delay> ms apart (OCU_HAPPY_ATTEMPT_MS), the
 * families alternate beginning with the preferred one, an error starts the next attempt at once,
 * and the preferred family's answer is waited for OCU_HAPPY_RESOLUTION_MS when the other came
 * first.
 */
struct ocu_step ocu_happy_next(const struct ocu_happy *h, int64_t now, int64_t delay);

#endif
