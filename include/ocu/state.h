/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.h - all state of an engine, and what its files share. Only the loop thread touches it while
 * that runs, but for what is said to be for any thread.
 */
#ifndef OCU_STATE_H
#define OCU_STATE_H

#include <ev.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "ocu/disk.h"
#include "ocu/engine.h"
#include "ocu/outbox.h"
#include "ocu/quota.h"
#include "ocu/watch.h"

struct ocu_engine {
	/* constant from configure on */
	const struct ocu_host_ops *ops;
	void *host;
	struct ocu_engine_conf conf;
	/* any thread */
	struct ocu_loop *loop;
	struct ocu_outbox outbox;
	atomic_bool paused;
	atomic_bool running; /* written on the thread that starts and stops */

	struct ocu_disk *disk;       /* NULL: no state directory */
	struct ocu_fetcher *fetcher; /* while the thread runs; NULL: it could not be made yet */
	struct ocu_plan *plan;
	struct ocu_responders *responders;
	struct ocu_certs *certs;
	struct ocu_watch watch;
	uint64_t random;
	int64_t summary_ms; /* when it is due, 0: it was given */
	struct ocu_missing *missing; /* what it is to say, while that is put together, or NULL */
	int64_t sweep_ms;   /* when the state directory is swept next */
	struct ocu_sweep *sweep; /* the next one, likewise */
	unsigned steps;     /* of the wall clock that were noticed */
	struct ocu_cert *stepped; /* whom to look after next since the last of them, or NULL */
	struct ocu_quota local;   /* failures on this side */
	struct ocu_quota unsaved; /* what could not be written to the disk */
	TAILQ_HEAD(, ocu_waiting) waiting; /* who began first is first */
	ev_timer patience;  /* the first of them has waited for long enough */
	ev_prepare turns;   /* before the loop waits: begins what is due */
	ev_prepare tell;    /* before the loop waits: wakes the host if that is untold */
	bool untold;        /* there is something in the outbox that it was not woken for */
	ev_timer wake;      /* when the plan wants to be asked again */
	ev_timer look;      /* for what there is to say unasked */
};

/* A certificate that waits for the state directory. */
struct ocu_waiting {
	TAILQ_ENTRY(ocu_waiting) link;
	struct ocu_cert *cert; /* with a reference; NULL: it does not wait any more */
	int64_t until_ms;
};

/* Returns what time it is, with a random number that was not there before. */
struct ocu_clock ocu_state_now(struct ocu_engine *e);

/* From the start on the host is woken once for all that is sent until the loop waits, in between
 * for each. On the loop thread.
 */
void ocu_state_start(struct ocu_engine *e);
void ocu_state_stop(struct ocu_engine *e);

/* Puts <p> into the outbox and lets the host be woken. */
void ocu_state_send(struct ocu_engine *e, struct ocu_parcel *p, enum ocu_parcel_kind kind);

/* A line on its way into the host's log. */
struct ocu_line {
	struct ocu_parcel parcel;
	enum ocu_level level;
	const char *path; /* in text, behind the line; NULL: none */
	char text[];
};

/* Sends <text> into the host's log; it is about <c>, or a whole line if that is NULL. Without
 * memory it is lost.
 */
void ocu_state_log(struct ocu_engine *e, enum ocu_level level, const struct ocu_cert *c,
		   const char *text);

/* Whether there is a state directory that may be used now. */
bool ocu_state_disk(const struct ocu_engine *e);

#endif
