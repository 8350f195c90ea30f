/* SPDX-License-Identifier: GPL-2.0-or-later */
/* week.h - lets the schedule of the product run through a week of many certificates, on a fake
 * clock and against the responders of week_world.h, and counts. Opens no socket.
 */
#ifndef WEEK_H
#define WEEK_H

#include "ocu/plan.h"

#include "week_world.h"

#define WEEK_BIN_S (10 * WEEK_MINUTE)
#define WEEK_BINS (WEEK_S / WEEK_BIN_S)
#define WEEK_CALM_BINS (WEEK_DAY / WEEK_BIN_S) /* the first ones, those of the cold start */
#define WEEK_AGES 1000

struct week_conf {
	size_t certs;
	struct ocu_when when;
	unsigned maxconn, host_maxconn;
	bool troubled; /* responders have outages and limits; else all are always up */
	bool reloads;  /* each day a new process begins with what was held */
	bool unheard;  /* what an answer says of its own freshness is not looked at */
	uint64_t seed;
};

/* What is seen of some certificates. */
struct week_count {
	size_t certs;
	uint64_t requests;   /* failed ones included */
	uint64_t least;
	uint64_t failures;   /* requests that brought neither a response nor that it is current */
	uint64_t stale;      /* requests that brought nothing newer */
	uint64_t same;       /* those of them that are a 304 where answers have validators: asked
			      * with the validators of what is held, and it was what there is */
	uint64_t expired;    /* times that a held response ended before another one came, */
	uint64_t needlessly; /* and its responder was up, with a newer one, for an hour of its last
			      * day, or of the second half of its life if that is shorter */
	uint64_t ages[WEEK_AGES + 1]; /* of what is held, each hour, in 1/1000 of its life; the last
				       * is for all that may not be stapled any more */
};

struct week_report {
	struct week_count each[WEEK_RESPONDERS], all;
	uint32_t bins[WEEK_BINS];                  /* requests */
	uint32_t by[WEEK_RESPONDERS][WEEK_BINS];   /* likewise, of each responder */
	unsigned flying_most;                      /* connections, after the first day */
};

/* Runs the week of <conf>. Ends the program if there is no memory. */
void week_run(const struct week_conf *conf, struct week_report *out);

/* Adds up <from> into <to>. */
void week_add(struct week_count *to, const struct week_count *from);

/* Returns the age below which so many thousandths of those in <c> are that may be stapled, in
 * thousandths of a life.
 */
unsigned week_age(const struct week_count *c, unsigned thousandths);

/* Returns requests in the fullest of <bins> over those in a mean one, both after the first day;
 * *at is the number of that bin.
 */
double week_peak(const uint32_t *bins, size_t *at);

#endif
