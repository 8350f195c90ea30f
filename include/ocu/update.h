/* SPDX-License-Identifier: GPL-2.0-or-later */
/* update.h - the schedule: which response is due, what is in flight, how hard each responder may be
 * asked. Does no I/O and reads no clock; owns no certificate and no response.
 * All functions on one thread at a time.
 */
#ifndef OCU_UPDATE_H
#define OCU_UPDATE_H

#include "ocu/base.h"
#include "ocu/ocsp.h"
#include "ocu/url.h"
#include "ocu/when.h"

#define OCU_UPDATE_STEP_MS 5000 /* a wall clock that moved by more than that beside the monotonic
				 * one was set: due times are computed anew */

struct ocu_update_conf {
	struct ocu_when when;
	unsigned maxconn;      /* ocsp-update.maxconn: fetches in flight, in total */
	unsigned host_maxconn; /* ocsp-update.host-maxconn: and to one responder */
};

/* What time it is, and a random number: the schedule takes them from nowhere else. What is
 * scheduled with the same number is due together, so each call gets another one.
 */
struct ocu_clock {
	int64_t mono_ms;
	int64_t wall_s;
	uint32_t rnd;
};

struct ocu_update;
struct ocu_host;

enum ocu_item_state {
	OCU_ITEM_IDLE,   /* not scheduled: only an order from outside makes it due */
	OCU_ITEM_LATER,  /* due at due_ms */
	OCU_ITEM_READY,  /* due, waits for its responder or for its turn */
	OCU_ITEM_FLYING, /* handed out by ocu_update_next() */
};

/* One response to keep up to date (one CertID). Embedded in what the caller keeps for it; to be
 * read, not written.
 */
struct ocu_item {
	enum ocu_item_state state;
	bool automatic;      /* scheduled for ever; else only when ordered */
	bool must_staple;    /* goes before others */
	bool ordered;        /* by ocu_update_order(): goes first, even to a dead responder */
	unsigned failures;   /* in a row */
	int64_t due_ms;      /* monotonic; when LATER */
	int64_t this_update; /* of the held response, seconds since the epoch; 0: none is held */
	int64_t expiry;      /* from when the held response is not stapled any more */
	/* private */
	uint64_t seq;
	struct ocu_host *hosts[OCU_OCSP_URIS_MAX]; /* the responder of each URI, in their order */
	size_t n_hosts;
	size_t uri;               /* READY, FLYING: the URI to begin with */
	struct ocu_item *child, *next, *prev; /* pairing heap */
};

/* How a fetch ended, for ocu_update_done(). */
enum ocu_outcome {
	OCU_OUTCOME_NEW,     /* a response was accepted: this_update and expiry are its times */
	OCU_OUTCOME_CURRENT, /* the responder says that the held one is current */
	OCU_OUTCOME_FAILED,
};

/* What was seen of the responder of one URI on the way. */
enum ocu_seen { OCU_SEEN_NOTHING, OCU_SEEN_UP, OCU_SEEN_DOWN };

struct ocu_result {
	enum ocu_outcome outcome;
	size_t uri;                             /* NEW, CURRENT: the URI that answered */
	enum ocu_seen seen[OCU_OCSP_URIS_MAX];  /* per URI */
	int64_t this_update, expiry;            /* NEW */
};

OCU_MUST enum ocu_status ocu_update_new(struct ocu_update **out,
					const struct ocu_update_conf *conf);

/* Frees <u> (may be NULL). All items must have been removed. */
void ocu_update_free(struct ocu_update *u);

/* Puts <item> (keeps, until ocu_update_remove()) into the schedule with the responders of its <n>
 * <uris> (borrows; 0 to OCU_OCSP_URIS_MAX). Nothing is due before ocu_update_held() or
 * ocu_update_order(). Errors: OCU_NOMEM; the item is then not in the schedule.
 */
OCU_MUST enum ocu_status ocu_update_add(struct ocu_update *u, struct ocu_item *item,
					const struct ocu_url *uris, size_t n, bool must_staple);

/* Takes <item> out of the schedule, whatever its state; ocu_update_done() must not be called for it
 * afterwards. Not for an item that is not in the schedule.
 */
void ocu_update_remove(struct ocu_update *u, struct ocu_item *item);

/* Says that <item> is scheduled from now on by itself (or not any more). */
void ocu_update_automatic(struct ocu_update *u, struct ocu_item *item, bool on,
			  const struct ocu_clock *now);

/* Says what is held for <item> without a fetch having brought it: a file, an administrator. 0, 0:
 * nothing. Schedules it anew if it is automatic.
 */
void ocu_update_held(struct ocu_update *u, struct ocu_item *item, int64_t this_update,
		     int64_t expiry, const struct ocu_clock *now);

/* Makes <item> due at once, before all others and even if its responder is known to be dead. Does
 * nothing while it is in flight.
 */
void ocu_update_order(struct ocu_update *u, struct ocu_item *item);

/* Hands out the item to fetch next, in order of urgency, and counts it as in flight; *uri is the
 * URI to begin with. If there is none now *item is NULL, and *wake_ms the monotonic time at which
 * to ask again (INT64_MAX: not before something else happens).
 */
void ocu_update_next(struct ocu_update *u, const struct ocu_clock *now, struct ocu_item **item,
		     size_t *uri, int64_t *wake_ms);

/* Takes back an item that ocu_update_next() handed out, and schedules it anew. */
void ocu_update_done(struct ocu_update *u, struct ocu_item *item, const struct ocu_result *r,
		     const struct ocu_clock *now);

/* Whether <item> waits because its responders are down; *until_ms is then the monotonic time of the
 * next probe.
 */
bool ocu_update_blocked(const struct ocu_item *item, int64_t *until_ms);

#endif
