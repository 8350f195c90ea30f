/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pace.h - how fast a responder that refuses what is too much may be asked: the rate that it let
 * through is measured all the time, and kept to after it has asked for a pause. Pure: `now` is an
 * argument, milliseconds of a monotonic clock. One thread at a time.
 */
#ifndef OCU_PACE_H
#define OCU_PACE_H

#include "ocu/base.h"

/* All private. A rate is a number of requests in 1000 s. */
struct ocu_pace {
	int64_t since_ms; /* when the count began; moved on by the time that nothing was wanted */
	int64_t idle_ms;  /* since when nothing is wanted */
	bool busy;        /* something is wanted, or under way */
	int64_t let;      /* what was let through since */
	int64_t let_ms;   /* the last time */
	int64_t rate;     /* 0: as fast as they come */
	int64_t step;     /* what the rate grows by after each second in which it was not refused */
	int64_t grown_ms; /* when it grew last */
	int64_t last_us;  /* when the last request was due; it may have started a little later */
};

/* Begins without a limit. */
void ocu_pace_init(struct ocu_pace *p);

/* Says whether anything is wanted of the responder or under way there. While nothing is, neither
 * the measurement nor the growth of the rate goes on.
 */
void ocu_pace_busy(struct ocu_pace *p, bool busy, int64_t now);

/* Says that one more was let through. */
void ocu_pace_let(struct ocu_pace *p, int64_t now);

/* Says that the pause for which the responder asked, and which ended at <end>, is over: from <now>
 * on the rate that was let through since the last one, this one included, is the limit. There is
 * none if nothing was let through, or nothing for a minute: that was an outage, which tells nothing
 * of a rate. The measurement begins anew.
 */
void ocu_pace_resume(struct ocu_pace *p, int64_t end, int64_t now);

/* Begins the measurement anew and leaves the limit as it is: the pause was no matter of rates. */
void ocu_pace_ignore(struct ocu_pace *p, int64_t now);

/* Forgets the limit. */
void ocu_pace_forget(struct ocu_pace *p);

/* Whether there is a limit. */
bool ocu_pace_limits(const struct ocu_pace *p);

/* Returns when the next request may start: it may now if that is not after <now>, else it is to be
 * asked again then, for the rate grows meanwhile and the time may be but that of its next step.
 */
int64_t ocu_pace_next(struct ocu_pace *p, int64_t now);

/* Says that a request starts. */
void ocu_pace_started(struct ocu_pace *p, int64_t now);

#endif
