/* SPDX-License-Identifier: GPL-2.0-or-later */
/* health.h - what is believed of a responder after all that its answers, and their absence, have
 * told: whether it is asked, how many at once, and how fast. Pure: `now` is an argument,
 * milliseconds of a monotonic clock; random bits are one too. One thread at a time.
 */
#ifndef OCU_HEALTH_H
#define OCU_HEALTH_H

#include "ocu/base.h"
#include "ocu/pace.h"

#define OCU_HEALTH_STRIKES 3           /* different certificates that must fail, or be refused */
#define OCU_HEALTH_STRIKES_FIRST 8     /* that must fail where little is known yet */
#define OCU_HEALTH_STRIKES_MAX 16      /* or where failures were the certificates' own */
#define OCU_HEALTH_QUIET 64            /* answers without a failure, and it is one less again */
#define OCU_HEALTH_AGAIN_MS 1000       /* the first time before it is asked again, doubled */
#define OCU_HEALTH_AGAIN_MAX_MS 60000  /* up to this, and up to a 30th more by chance */
#define OCU_HEALTH_PAUSE_MAX_S 3600    /* no pause is longer, whatever the responder wishes */
#define OCU_HEALTH_PATIENCE 4          /* times the slowest answer of late is what hangs */
#define OCU_HEALTH_HANGS_MIN_MS 100    /* and so long at least, */
#define OCU_HEALTH_HANGS_MAX_MS 250    /* and so long at the most, and where none was seen */
#define OCU_HEALTH_PATIENCE_MS 2500    /* with one that has let others go first before */

enum ocu_trust {
	OCU_TRUST_GOOD,    /* nothing speaks against it */
	OCU_TRUST_SUSPECT, /* failed lately: who has another way avoids it until again_ms */
	OCU_TRUST_DOWN,    /* asked by one at a time, from again_ms on */
	OCU_TRUST_PAUSED,  /* asked for patience until again_ms: then by one */
};

/* To be read; private from `failures` on. */
struct ocu_health {
	enum ocu_trust trust;
	bool answered;      /* since it was last down, or known at all */
	unsigned window;    /* requests that may be under way at once; at least 1 */
	int64_t again_ms;
	unsigned spell;     /* another one each time that things get worse */
	unsigned pauses;    /* in a row, without a success between them */
	bool careful;       /* it has paused: the window grows by one at a time */
	bool doubtful;      /* the pause may concern one certificate alone */
	unsigned doubts;    /* so many other ones may find out at once whether it does */
	unsigned failures;  /* likewise, what made it wait longer */
	unsigned strikes;   /* different certificates that failed, likewise */
	uint64_t struck[OCU_HEALTH_STRIKES_MAX]; /* which */
	unsigned enough;    /* so many: it is down */
	unsigned quiet;     /* answers since the last failure that was a certificate's own */
	int64_t slowest_ms; /* answer of late; what is long ago fades */
	unsigned yielded;   /* requests that were given up for others since the last answer */
	struct ocu_pace pace;
};

/* A request that was made of it. */
struct ocu_ask {
	uint64_t who;     /* which certificate */
	unsigned spell;   /* of the responder, when it began */
	int64_t start_ms;
};

/* Begins with good faith and a window of 1. */
void ocu_health_init(struct ocu_health *h);

/* The functions below say how <a> ended, with <rnd> 32 random bits where time is involved. What
 * began before the last turn for the worse is no news of that kind: sixteen that fail together are
 * one failure.
 */

/* It answered as a responder should: whatever was believed is over, except for a pause that began
 * meanwhile. The window doubles up to <most>; after a pause it grows by one.
 */
void ocu_health_answered(struct ocu_health *h, const struct ocu_ask *a, unsigned most, int64_t now);

/* There was no connection: it is down, and tried again after 1, 2, 4 ... 60 s, counted from the
 * start of what failed: a try that takes ten seconds must not make the next one ten seconds later.
 */
void ocu_health_unreached(struct ocu_health *h, const struct ocu_ask *a, int64_t now, uint32_t rnd);

/* There was a connection, but no answer of a responder: it is suspect, and down when enough
 * different certificates have failed in a row. That is OCU_HEALTH_STRIKES_FIRST at first; by each
 * that failed before others were answered it is one more, up to OCU_HEALTH_STRIKES_MAX, by
 * OCU_HEALTH_QUIET answers without a failure one less, down to OCU_HEALTH_STRIKES, and half of it
 * when it was enough. <silent>: not even a status line came, and the window is halved.
 */
void ocu_health_failed(struct ocu_health *h, const struct ocu_ask *a, bool silent, int64_t now,
		       uint32_t rnd);

/* It asked for patience, for <retry_after_s> (below 0: without saying for how long; then 1, 2, 4
 * ... 60 s, which is also the least, and what it said before is kept). The window is halved; the
 * rate that was let through is kept to afterwards; not so if <again>: the same certificate has
 * caused a pause there before, without a success of its own since, and may be the reason.
 * A first pause of unsaid length is in doubt: what is refused may be that one certificate, or two.
 * Others may ask without waiting for its end, one at a time, until OCU_HEALTH_STRIKES were refused,
 * which is one pause then. If one of them is answered there was none. That is not for a responder
 * that has paused before and has not found its full window since: it limits all.
 */
void ocu_health_paused(struct ocu_health *h, const struct ocu_ask *a, int64_t retry_after_s,
		       bool again, int64_t now, uint32_t rnd);

/* Returns after how many ms without a status line a request there hangs. */
int64_t ocu_health_hangs_ms(const struct ocu_health *h);

/* A request hangs there. One that has never answered is suspect from the first on. */
void ocu_health_hangs(struct ocu_health *h, int64_t now);

/* Whether <a>, which hangs while others need its connection, is to be given up for them: when
 * answers took far less time of late. Counts it if so: between two answers at most
 * OCU_HEALTH_STRIKES_MAX are given up, for if all have become slow the next answer is to show how
 * slow. <again>: it was asked in vain before, and has more time.
 */
bool ocu_health_yields(struct ocu_health *h, const struct ocu_ask *a, bool again, int64_t now);

/* Lets a pause end at <at> at the latest. */
void ocu_health_hurry(struct ocu_health *h, int64_t at);

/* Lets one that is down be probed at <at> at the latest. */
void ocu_health_probe(struct ocu_health *h, int64_t at);

/* Whether it is down or paused: nobody but one that probes may ask. */
bool ocu_health_shut(const struct ocu_health *h);

#endif
