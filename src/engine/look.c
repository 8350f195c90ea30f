/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look.c - looks around from time to time: says what nobody has asked for, sweeps the directory. */
#include "ocu/look.h"

#include <stdio.h>
#include <stdlib.h>

#include "ocu/say.h"

#define LOOK_EVERY_MS 5000
#define SUMMARY_AFTER_MS 30000
#define SWEEP_EVERY_MS (24 * INT64_C(3600000))

void ocu_look_ending(struct ocu_engine *e, const struct ocu_clock *now)
{
	char line[OCU_SAY_LINE_BYTES];

	while (ocu_watch_ending(&e->watch, now, line, sizeof(line)))
		ocu_state_log(e, OCU_LEVEL_ALERT, NULL, line);
}

static void say_summary(struct ocu_engine *e, const struct ocu_clock *now)
{
	char text[768], line[OCU_SAY_LINE_BYTES];
	size_t n;

	if (!e->summary_ms || now->mono_ms < e->summary_ms)
		return;
	e->summary_ms = 0;
	n = ocu_watch_missing(e->certs, false, now, text, sizeof(text));
	if (!n)
		return;
	snprintf(line, sizeof(line),
		 "<OCSP-UPDATE> %zu certificate%s still without an OCSP response: %s", n,
		 n > 1 ? "s are" : " is", text);
	ocu_state_log(e, OCU_LEVEL_WARNING, NULL, line);
}

struct sweep {
	struct ocu_disk_sweep disk;
	struct ocu_msg msg;
	struct ocu_engine *engine;
};

static void sweep_free(struct ocu_msg *m)
{
	struct sweep *s = OCU_OWNER(m, struct sweep, msg);

	ocu_disk_sweep_fini(&s->disk);
	free(s);
}

static void sweep_done(struct ocu_disk_job *d)
{
	struct sweep *s = OCU_OWNER(d, struct sweep, disk.job);

	ocu_loop_post(s->engine->loop, &s->msg);
}

/* Removes what has expired from the state directory, from time to time. */
static void sweep(struct ocu_engine *e, const struct ocu_clock *now)
{
	struct ocu_cert *c;
	struct sweep *s;

	if (now->mono_ms < e->sweep_ms || !ocu_state_disk(e))
		return;
	e->sweep_ms = now->mono_ms + SWEEP_EVERY_MS;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->engine = e;
	s->msg.run = sweep_free;
	ocu_disk_sweep_init(&s->disk);
	s->disk.job.done = sweep_done;
	for (c = ocu_certs_first(e->certs); c; c = c->next)
		if (ocu_disk_sweep_add(&s->disk, (struct ocu_slice){ c->key, c->key_len }) !=
		    OCU_OK)
			break;
	if (c)
		sweep_free(&s->msg);
	else
		ocu_disk_sweep_start(e->disk, &s->disk);
}

static void look_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_engine *e = w->data;
	struct ocu_clock now = ocu_state_now(e);

	(void)revents;
	if (!atomic_load(&e->paused)) {
		ocu_look_ending(e, &now);
		say_summary(e, &now);
		sweep(e, &now);
	}
	ocu_loop_timer_start(loop, &e->look, LOOK_EVERY_MS);
}

void ocu_look_start(struct ocu_engine *e)
{
	e->summary_ms = ocu_now_ms() + SUMMARY_AFTER_MS;
	ocu_loop_timer_init(&e->look, look_cb, e);
	ocu_loop_timer_start(ocu_loop_ev(e->loop), &e->look, 0);
}

void ocu_look_stop(struct ocu_engine *e)
{
	ocu_loop_timer_stop(ocu_loop_ev(e->loop), &e->look);
}
