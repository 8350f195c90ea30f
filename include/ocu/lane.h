/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lane.h - one responder in the schedule: who waits for it, in which order, and whether it may be
 * asked now, by how many at once and how fast; and the order of all of them. Pure: does no I/O, the
 * clock is that of who keeps them; knows nothing of tries.
 *
 * All functions on one thread at a time. Each costs O(log n), but for ocu_lanes_slice(), which does
 * a slice of the work that an event has caused for many. Nothing can fail.
 */
#ifndef OCU_LANE_H
#define OCU_LANE_H

#include "ocu/base.h"
#include "ocu/health.h"
#include "ocu/heap.h"

#define OCU_LANE_SLICE 64 /* lanes of one kind that a call looks after */

/* What time it is, and random bits: the schedule takes them from nowhere else. What is scheduled
 * with the same bits is due together, so each call gets others.
 */
struct ocu_clock {
	int64_t mono_ms;
	int64_t wall_s;
	uint32_t rnd;
};

/* The schedule's part of a responder; embedded in what the caller keeps for it. */
struct ocu_lane {
	/* to be read */
	struct ocu_health health;
	unsigned flying;        /* turns in flight there */
	unsigned hanging;       /* those of them that hang */
	/* private */
	bool probing;           /* one of them finds out whether a shut lane is open again */
	unsigned revival;       /* the count of them when it went down */
	struct ocu_heap queue;  /* places that wait and have no other way, */
	struct ocu_heap movers; /* that may have one: they move on when it is shut, */
	struct ocu_heap asked;  /* that were asked in vain since it is shut: the others go first */
	struct ocu_heap sick;   /* that failed while it was open; they wait in vain if it stays */
	struct ocu_place *top;  /* the first of those that may start */
	struct ocu_heap *in;    /* the heap of lanes that it is in */
	struct ocu_heap_node node;
	int64_t at_ms;
};

/* How urgent it is for a certificate to be asked for, beside others. */
struct ocu_urgency {
	bool ordered;     /* by an administrator */
	bool must_staple;
	int64_t expiry;   /* of what it holds; 0: nothing */
	uint32_t lot;     /* drawn for it; decides between equals */
	uint64_t seq;     /* who was there first, should that be the same */
};

struct ocu_item;

/* A certificate at a lane: one for each URI. Its owner sets `lane`, the rest is zero at first, and
 * is the schedule's.
 */
struct ocu_place {
	struct ocu_lane *lane;
	/* private */
	struct ocu_item *item;
	struct ocu_lane *knows;   /* the lane that vain and refusals are of */
	uint64_t vain;            /* when it was last asked in vain while others were not; 0: not */
	unsigned refusals;        /* pauses that asking here has caused, in a row */
	bool tried;               /* in this try */
	struct ocu_urgency urgency; /* while it waits */
	struct ocu_heap_node node;
};

/* All lanes. */
struct ocu_lanes {
	/* to be read */
	struct ocu_heap leaving;      /* places whose lane was shut, and which have another way */
	unsigned flying;
	/* private */
	const struct ocu_clock *now;
	unsigned maxconn, host_maxconn;
	struct ocu_heap known, fresh; /* lanes that have answered since they were down, or not */
	struct ocu_heap probes, timed, revived;
	unsigned fresh_flying;        /* at lanes that are not known to answer */
	unsigned up;                  /* lanes that are known to answer */
	unsigned revivals;
};

/* Makes <ls> empty. At most <maxconn> turns may be in flight at once, and <host_maxconn> at one
 * lane; both at least 1. <now> is kept, and read in each call.
 */
void ocu_lanes_init(struct ocu_lanes *ls, unsigned maxconn, unsigned host_maxconn,
		    const struct ocu_clock *now);

/* Looks after a slice of the lanes whose time has come, or that may be probed at once. Returns
 * whether some are left.
 */
bool ocu_lanes_slice(struct ocu_lanes *ls);

/* Returns the lane the first place of which is to start now, if any; NULL: none. Those that are not
 * known to answer leave a quarter of all connections to the others.
 */
struct ocu_lane *ocu_lanes_next(const struct ocu_lanes *ls);

/* Whether a lane could start a turn now, if it were not for the number in flight. */
bool ocu_lanes_ready(const struct ocu_lanes *ls);

/* Returns when the time of a lane comes if nothing happens; INT64_MAX: never. */
int64_t ocu_lanes_wake_ms(const struct ocu_lanes *ls);

/* Makes <l> a lane without a history; the functions below keep it until ocu_lane_fini(). */
void ocu_lane_init(struct ocu_lane *l);

/* Ends <l>, a lane of <ls>. No place may be left in it. */
void ocu_lane_fini(struct ocu_lanes *ls, struct ocu_lane *l);

/* Whether nobody but one that probes may ask there. */
bool ocu_lane_shut(const struct ocu_lane *l);

/* Whether it is shut, it is time to probe it, and nobody does or waits to do so. */
bool ocu_lane_lacks_probe(const struct ocu_lanes *ls, const struct ocu_lane *l);

/* Lets <pl> (keeps, until it leaves) wait in <queue>, which is one of its lane, or ls->leaving. The
 * caller has set its urgency.
 */
void ocu_lane_enter(struct ocu_lanes *ls, struct ocu_place *pl, struct ocu_heap *queue);

/* Takes <pl> out of where it waits, if it waits. */
void ocu_lane_leave(struct ocu_lanes *ls, struct ocu_place *pl);

/* If all that wait at <l> were asked in vain since it is shut, lets a new round begin: who is asked
 * in it comes after those who are not. To be called before its first place leaves for a turn.
 */
void ocu_lane_round(struct ocu_lane *l);

/* A turn begins at <l>, whose first place has left for it; <probes>: because it is shut. */
void ocu_lane_start(struct ocu_lanes *ls, struct ocu_lane *l, bool probes);

/* A turn at <l> has ended, which <probes> or <hangs>. ocu_lane_learnt() is to follow. */
void ocu_lane_end(struct ocu_lanes *ls, struct ocu_lane *l, bool probes, bool hangs);

/* A turn there begins to hang: it does not fill the window any more. */
void ocu_lane_hangs(struct ocu_lanes *ls, struct ocu_lane *l);

/* Whether one waits who was not asked in vain, and there is no connection for it: at <l>, if all
 * that may be open there are taken, or anywhere, if all that may be open at all are.
 */
bool ocu_lane_crowded(const struct ocu_lanes *ls, const struct ocu_lane *l);

/* A turn there has no connection yet: who can leaves a lane that has never answered. */
void ocu_lane_stalls(struct ocu_lanes *ls, struct ocu_lane *l);

/* Draws the conclusions for those who wait from what l->health has learnt since it was <was>. */
void ocu_lane_learnt(struct ocu_lanes *ls, struct ocu_lane *l, const struct ocu_health *was);

#endif
