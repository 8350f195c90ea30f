/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.h - the loop thread: start it, hand it work, stop it; and the timers of all that runs on it.
 * The only file that runs a libev loop. Knows nothing of what the work is.
 */
#ifndef OCU_LOOP_H
#define OCU_LOOP_H

#include <ev.h>
#include <sched.h>

#include "ocu/base.h"

struct ocu_loop;

/* Work for the loop thread, embedded in what it is about, so that posting cannot fail. run() is
 * called once, on the loop thread; the message may be freed or posted again from inside it.
 */
struct ocu_msg {
	struct ocu_msg *next; /* private */
	void (*run)(struct ocu_msg *m);
};

/* Remembers the CPUs that the calling thread may run on as those of the process, for all threads
 * that are started later; without it they run where their starter runs. To be called once by the
 * host, on its first thread and before it binds that one to a CPU. Not while a loop thread starts.
 */
void ocu_loop_cpus(void);

/* Returns what ocu_loop_cpus() has seen, NULL if it was not called. Any thread. */
const cpu_set_t *ocu_loop_process_cpus(void);

/* Makes a loop without a thread or a descriptor; *out is NULL on error. Any thread. */
OCU_MUST enum ocu_status ocu_loop_new(struct ocu_loop **out, struct ocu_err *err);

/* Starts the thread. It blocks every signal, is named "ocu-loop", may run on every CPU that
 * ocu_loop_cpus() has seen, whatever the caller is bound to, and has a lower scheduling priority
 * (nice 10). <init> is the first, <fini> the last thing that runs on it, with <arg>; each may be
 * NULL. It may be started again after a stop, also in a forked child. No message is lost: those
 * that were posted before ocu_loop_stop() run before <fini>. Errors: OCU_IO, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_loop_start(struct ocu_loop *l, void (*init)(void *arg),
					void (*fini)(void *arg), void *arg, struct ocu_err *err);

/* Hands <m> (keeps it until it has run) to the loop thread. Messages of one thread run in order.
 * Never blocks for longer than another thread needs to link a message. Any thread.
 */
void ocu_loop_post(struct ocu_loop *l, struct ocu_msg *m);

/* Runs what was posted, then <fini>, then ends and joins the thread. Does nothing if it does not
 * run. Not on the loop thread.
 */
void ocu_loop_stop(struct ocu_loop *l);

/* Closes the descriptors of a loop that does not run, until the next start. Nobody may post
 * meanwhile.
 */
void ocu_loop_rest(struct ocu_loop *l);

/* Runs on the calling thread what was posted, while the loop thread does not run. Returns whether
 * there was anything.
 */
bool ocu_loop_run_posted(struct ocu_loop *l);

/* Stops the thread if it runs and frees <l>, which may be NULL. Not on the loop thread. */
void ocu_loop_free(struct ocu_loop *l);

/* Returns libev's loop for watchers, from <init> to <fini>. Loop thread only. */
struct ev_loop *ocu_loop_ev(struct ocu_loop *l);

/* One-shot timers with a lower libev priority than sockets: after a stall of the loop, what has
 * come is read before the deadline that has passed meanwhile is judged. Everything on the loop uses
 * these and no other. Loop thread only.
 */
typedef void ocu_loop_timer_cb(struct ev_loop *ev, ev_timer *w, int revents);

/* Makes <w> a timer that calls <cb>, with <data> in w->data. It does not run yet. */
void ocu_loop_timer_init(ev_timer *w, ocu_loop_timer_cb *cb, void *data);

/* Lets <w> (keeps it until it was stopped or has fired) fire once, <ms> milliseconds from the
 * actual time on, at once if that is not positive; never from inside of this call. One that runs
 * already begins anew.
 */
void ocu_loop_timer_start(struct ev_loop *ev, ev_timer *w, int64_t ms);

/* Stops <w>, also if it is due already; does nothing if it does not run. */
void ocu_loop_timer_stop(struct ev_loop *ev, ev_timer *w);

#endif
