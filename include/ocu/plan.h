/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.h - the schedule: which certificate is asked about next, at which responder, how many at
 * once and how fast. Pure: does no I/O, reads no clock; owns no certificate and no responder.
 *
 * A certificate is an item, a responder is a lane (lane.h), and a URI of a certificate is a place
 * of its item at a lane. An item that is due begins a try: it is asked for in turns, one at a time,
 * at each of its places at most once, until one turn brings a response or no place is left. Who has
 * waited for a lane that was shut, and still holds a response, is put off once when it opens, by
 * far less than what is left, so that the backlog of an outage does not come at once.
 *
 * All functions on one thread at a time. Each costs O(log n); work that an event causes for many is
 * done in slices by the calls of ocu_plan_next() that follow. Nothing but ocu_plan_new() can fail.
 */
#ifndef OCU_PLAN_H
#define OCU_PLAN_H

#include "ocu/base.h"
#include "ocu/heap.h"
#include "ocu/held.h"
#include "ocu/lane.h"
#include "ocu/when.h"

#define OCU_PLAN_STEP_MS 5000        /* a wall clock that moved by more than that beside the
				      * monotonic one, between two calls of ocu_plan_next(), was
				      * set; what is less is a clock being slewed */
#define OCU_PLAN_STEP_AGAIN_MS 60000 /* and one that is set all the time is followed that often */
#define OCU_PLAN_SLICE 64            /* items of one kind that a call looks after */
#define OCU_PLAN_HURRY_MS 2000       /* with when.hurry the longest time between two probes */

struct ocu_plan_conf {
	struct ocu_when when;
	unsigned maxconn;      /* ocsp-update.maxconn: in flight, in total; at least 1 */
	unsigned host_maxconn; /* ocsp-update.host-maxconn: in flight at one lane; at least 1 */
};

/* How a turn, one fetch at one responder, ended. */
enum ocu_end {
	OCU_END_NEW,       /* a new response was accepted */
	OCU_END_CURRENT,   /* what is held is current: 304, the same bytes, or an older answer */
	OCU_END_REFUSED,   /* an OCSP responder answered; what is wrong concerns this certificate */
	OCU_END_BROKEN,    /* something answered, but not as an OCSP responder: 500, 403, HTML */
	OCU_END_PAUSE,     /* asked for patience: 429, 502, 503, 504, tryLater */
	OCU_END_SILENT,    /* connected, but no status line: hang, close, reset, garbage, TLS */
	OCU_END_UNREACHED, /* not connected: DNS, connect */
	OCU_END_CUT,       /* any of the three above, but the try had too little time left for it to
			    * tell anything of the responder */
	OCU_END_LOCAL,     /* failed on this side (memory, descriptors): tells nothing of it */
	OCU_END_CANCELLED, /* given up from this side: as if it had not begun; but if that was for
			    * others, they go first from now on */
	OCU_END_MOVED,     /* redirected elsewhere: for ocu_plan_moved(), not ocu_plan_done() */
};

enum ocu_item_state {
	OCU_ITEM_IDLE,   /* not scheduled: only an order makes it due */
	OCU_ITEM_LATER,  /* due at due_ms; after a failure maybe earlier, when a lane comes back */
	OCU_ITEM_WAITS,  /* due: waits at one lane, or at all of its lanes if all are shut */
	OCU_ITEM_FLYING, /* handed out by ocu_plan_next() */
};

/* The plan's part of a certificate; embedded in what the caller keeps for it. To be read, and
 * written by the functions below alone.
 */
struct ocu_item {
	enum ocu_item_state state;
	bool automatic;          /* scheduled for ever; else only when ordered */
	bool must_staple;        /* goes before others */
	bool ordered;            /* until the try that the order began is over */
	unsigned failures;       /* tries that failed, in a row */
	int64_t due_ms;          /* monotonic; when LATER. INT64_MAX: was due, but had expired */
	int64_t not_after;       /* of the certificate, seconds since the epoch */
	struct ocu_held held;
	struct ocu_place *places;
	size_t n_places;
	struct ocu_place *spare; /* where it was redirected to in this try, NULL: nowhere */
	struct ocu_place *at;    /* when FLYING */
	/* private */
	uint64_t seq;
	uint32_t lot;            /* who goes first among equals */
	unsigned forgiven;       /* failures in a row before the last success */
	struct ocu_lane *lane;   /* when FLYING: that of `at`, whatever the caller does to it */
	bool probes, hangs;      /* when FLYING */
	bool yields;             /* likewise: is to be given up for others */
	bool asked;              /* a turn of this try was in vain */
	int64_t begun_ms;        /* when its try began, be it only to wait */
	bool first;              /* the last turn brought a response to one that held none */
	bool put_off;            /* its turn was, since the last success: it is not once more */
	struct ocu_ask ask;      /* when FLYING */
	struct ocu_heap_node node;
};

struct ocu_plan;

OCU_MUST enum ocu_status ocu_plan_new(struct ocu_plan **out, const struct ocu_plan_conf *conf);

/* Sets conf->when.hurry: before the first turn, or for the failures that follow. */
void ocu_plan_hurry(struct ocu_plan *p, bool hurry);

/* Frees <p> (may be NULL). All items must have been removed, and all lanes. */
void ocu_plan_free(struct ocu_plan *p);

/* Makes <l> a lane of <p> (keeps, until ocu_plan_lane_remove()). */
void ocu_plan_lane_add(struct ocu_plan *p, struct ocu_lane *l);

/* Ends it. No item may be left that has a place there, a spare one included. */
void ocu_plan_lane_remove(struct ocu_plan *p, struct ocu_lane *l);

/* Puts <item> (keeps, until ocu_plan_remove()) into the plan with its <n> <places> (keeps; <n> may
 * be 0), in the order in which they are to be used; two may be at the same lane. Nothing is due
 * before ocu_plan_automatic() or ocu_plan_order(). <not_after>: INT64_MAX if there is none.
 */
void ocu_plan_add(struct ocu_plan *p, struct ocu_item *item, struct ocu_place *places, size_t n,
		  bool must_staple, int64_t not_after);

/* Takes <item> out of the plan. Not while it is in flight: then ocu_plan_done() comes first, with
 * OCU_END_CANCELLED.
 */
void ocu_plan_remove(struct ocu_plan *p, struct ocu_item *item);

/* Says that <item> is scheduled from now on by itself (or not any more): at once if nothing usable
 * is held. An expired certificate is not asked for by itself.
 */
void ocu_plan_automatic(struct ocu_plan *p, struct ocu_item *item, bool on,
			const struct ocu_clock *now);

/* Says what is held for <item> without a turn having brought it: a file, an administrator, the
 * state directory; all zero: nothing. <held> is borrowed. Schedules it anew; what failed before
 * counts no more if <held> is usable.
 */
void ocu_plan_held(struct ocu_plan *p, struct ocu_item *item, const struct ocu_held *held,
		   const struct ocu_clock *now);

/* Says that the host does not staple the response which a turn of <item> has brought: <held> is
 * held still (borrowed; all zero: nothing). That is a failure of this certificate, one more than
 * there were before the response came: who is refused each time is asked for less and less often.
 */
void ocu_plan_refused(struct ocu_plan *p, struct ocu_item *item, const struct ocu_held *held,
		      const struct ocu_clock *now);

/* Makes <item> due at once by the order of an administrator, first in the queue of its first
 * place, even if that lane is down, paused or paced; but not beyond its window. The other places
 * follow in the same way if it fails there. Does nothing while it is in flight, and nothing without
 * a place.
 */
void ocu_plan_order(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now);

struct ocu_turn {
	struct ocu_item *item;
	struct ocu_place *place;
	bool first; /* of its try: what was seen before belongs to another one */
	bool last;  /* no other place that is believed to work is left: be patient with this one */
};

enum ocu_next {
	OCU_NEXT_NOTHING,
	OCU_NEXT_TURN,   /* a turn begins */
	OCU_NEXT_FAILED, /* a try is over in vain without one more turn */
	OCU_NEXT_EXPIRED, /* so is one whose certificate has expired while it waited */
};

/* Says what to do now. TURN: the turn <out> is to begin, and counts as in flight; it ends with one
 * call of ocu_plan_done() or ocu_plan_moved(). FAILED: after a turn in vain out->item has waited at
 * out->place, whose lane was shut, and no other place is left; that is as when ocu_plan_done()
 * returns true after a failure. EXPIRED: out->item has waited at out->place and is not asked for
 * any more by itself. NOTHING: *wake_ms is the monotonic time to ask again (INT64_MAX: when
 * something else has happened); it may be that of <now>, for the next slice of something. After any
 * other function this one is to be called again.
 */
enum ocu_next ocu_plan_next(struct ocu_plan *p, const struct ocu_clock *now, struct ocu_turn *out,
			    int64_t *wake_ms);

/* Returns how many steps of the wall clock were acted on so far. */
unsigned ocu_plan_steps(const struct ocu_plan *p);

/* Says that the turn of <item> hangs: it has no status line ocu_health_hangs_ms() after its request
 * was sent; to be said again while it does so. It does not fill the window of its lane any more.
 * Returns whether the caller is to give it up, with OCU_END_CANCELLED: others need its connection
 * against whom nothing speaks, and answers have come in far less time. Not in flight: false.
 */
bool ocu_plan_hangs(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now);

/* Says that the turn of <item> stalls: it has no connection half a second after it began. It goes
 * on filling the window of its lane, but who waits there and has another way goes elsewhere, if the
 * lane has never answered. Not in flight: does nothing.
 */
void ocu_plan_stalls(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now);

struct ocu_ended {
	enum ocu_end end;
	struct ocu_held held;  /* NEW */
	int64_t retry_after_s; /* PAUSE; -1: it did not say */
	int64_t max_age_s;     /* NEW, CURRENT; -1: it did not say */
	bool out_of_time;      /* the try has used up its time: no other place is tried in it */
};

/* Says how the turn of <item> ended (<e> is borrowed). Returns whether its try is over: if not, it
 * goes on at another place, or at this one after a first pause, while it has time left; after
 * CANCELLED and LOCAL as if the turn had not been, and ocu_plan_next() says if no place is left.
 * After LOCAL nothing is started for a second, doubled up to a minute. A response that is not
 * usable when it comes is a failure of this certificate.
 */
bool ocu_plan_done(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e,
		   const struct ocu_clock *now);

/* In place of ocu_plan_done(): it was redirected to the responder of <spare>, a place that is not
 * among its others. Keeps it until the next call for the same item, or its removal; each may name
 * the same one again, with another lane. How many redirects are too many is the caller's business.
 * Returns as ocu_plan_done(): true if that lane is known to be shut and no other place is left.
 */
bool ocu_plan_moved(struct ocu_plan *p, struct ocu_item *item, struct ocu_place *spare,
		    const struct ocu_clock *now);

/* Why an item is not in flight, for listings. */
enum ocu_wait {
	OCU_WAIT_IDLE,    /* not scheduled */
	OCU_WAIT_LATER,   /* not due before *until_ms (INT64_MAX: has expired) */
	OCU_WAIT_TURN,    /* for its turn at a lane, or for one of the connections of all */
	OCU_WAIT_DOWN,    /* all of its lanes are down or paused; next probe at *until_ms */
	OCU_WAIT_PAUSED,  /* likewise, and that is when a pause ends */
	OCU_WAIT_FLYING,  /* it is in flight */
};

/* Returns why <item> waits; *until_ms is set for LATER, DOWN and PAUSED, and 0 for the others. */
enum ocu_wait ocu_plan_waits(const struct ocu_item *item, int64_t *until_ms);

#endif
