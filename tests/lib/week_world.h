/* SPDX-License-Identifier: GPL-2.0-or-later */
/* week_world.h - the responders of the simulated week: what each has signed by when, what its edges
 * hand out, when it is down, and the fewest requests that could do. Knows nothing of the schedule.
 * Times are seconds since the start of the week.
 */
#ifndef WEEK_WORLD_H
#define WEEK_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEEK_MINUTE INT64_C(60)
#define WEEK_HOUR INT64_C(3600)
#define WEEK_DAY INT64_C(86400)
#define WEEK_S (7 * WEEK_DAY)
#define WEEK_RESPONDERS 20
#define WEEK_SKEW_S 300 /* a response is not stapled for so long before its nextUpdate */

/* What an answer says of its own freshness. */
enum week_header {
	WEEK_HEADER_NONE,
	WEEK_HEADER_HOUR,  /* max-age of an hour, whatever happens */
	WEEK_HEADER_NEXT,  /* fresh until another one is signed */
	WEEK_HEADER_END,   /* fresh until nextUpdate */
};

/* What a responder does while it is down. */
enum week_deed { WEEK_REFUSES, WEEK_SWALLOWS, WEEK_HANGS, WEEK_PAUSES };

struct week_outage {
	enum week_deed deed;
	int64_t from_s, len_s;
	int64_t every_s; /* once more after so long, until the week is over; 0: once */
};

/* Signs each certificate's response anew every <sign_s>: each at an hour of its own, or `together`
 * all at the same one. A sign_s of 1 is a responder that signs when it is asked.
 */
struct week_responder {
	int64_t life_s, sign_s;
	bool together;
	int64_t edge_s;    /* an edge hands out what was there up to so long ago */
	enum week_header header;
	int64_t latency_ms;
	unsigned per_s;    /* what it lets through in a second; 0: all */
	int64_t retry_after_s; /* what it says to the rest: -1: nothing */
	struct week_outage outage;
};

extern const struct week_responder week_responders[WEEK_RESPONDERS];

/* Returns which of the responders is that of certificate <i> of <n>: the k-th one has a share in
 * proportion to 1/k.
 */
unsigned week_responder_of(size_t i, size_t n);

/* Returns thisUpdate of the newest response for certificate <i> that was signed by <t>. */
int64_t week_signed(const struct week_responder *r, size_t i, int64_t t);

/* Returns whether <r> is down at <t>. */
bool week_is_down(const struct week_responder *r, int64_t t);

/* Returns how many seconds between <from> and <to> <r> was not down, to a minute. */
int64_t week_up_s(const struct week_responder *r, int64_t from, int64_t to);

/* Returns how many requests certificate <i> needs at the very least in a week that begins with
 * nothing: one at the first moment at which <r> is up, and then one each time that a response is
 * past the middle of its life, a newer one has been signed, and <r> is up, made by somebody who
 * knows when that is and who meets the freshest edge, so that each brings a newer response. If not
 * <troubled> it is always up. With <maxdelay_s> (0: none) there is one at least that often,
 * whatever is held.
 */
unsigned week_least(const struct week_responder *r, size_t i, bool troubled, int64_t maxdelay_s);

#endif
