/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.c - what all files of the engine need: the time, and the way to the host. */
#include "ocu/state.h"

#include <stdlib.h>
#include <string.h>

struct ocu_clock ocu_state_now(struct ocu_engine *e)
{
	struct ocu_clock now = { .mono_ms = ocu_now_ms(), .wall_s = ocu_wall_s() };

	/* a linear congruential generator: times need no more than to be spread */
	e->random = e->random * 6364136223846793005u + 1442695040888963407u;
	now.rnd = e->random >> 32;
	return now;
}

/* Before the loop waits. To wake a thread costs more than all else that a parcel does. */
static void wake_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct ocu_engine *e = w->data;

	(void)loop;
	(void)revents;
	if (!e->untold)
		return;
	e->untold = false;
	e->ops->wake(e->host);
}

void ocu_state_start(struct ocu_engine *e)
{
	ev_prepare_init(&e->tell, wake_cb);
	/* After whatever else happens before the loop waits, which may send something. */
	ev_set_priority(&e->tell, EV_MINPRI);
	e->tell.data = e;
	ev_prepare_start(ocu_loop_ev(e->loop), &e->tell);
}

void ocu_state_stop(struct ocu_engine *e)
{
	ev_prepare_stop(ocu_loop_ev(e->loop), &e->tell);
	wake_cb(ocu_loop_ev(e->loop), &e->tell, 0);
}

void ocu_state_send(struct ocu_engine *e, struct ocu_parcel *p, enum ocu_parcel_kind kind)
{
	p->kind = kind;
	if (!ocu_outbox_put(&e->outbox, p))
		return;
	if (ev_is_active(&e->tell))
		e->untold = true;
	else
		e->ops->wake(e->host);
}

void ocu_state_log(struct ocu_engine *e, enum ocu_level level, const struct ocu_cert *c,
		   const char *text)
{
	size_t n = strlen(text) + 1, path = c ? strlen(c->path) + 1 : 0;
	struct ocu_line *l = malloc(sizeof(*l) + n + path);

	if (!l)
		return;
	l->level = level;
	memcpy(l->text, text, n);
	l->path = c ? memcpy(l->text + n, c->path, path) : NULL;
	ocu_state_send(e, &l->parcel, OCU_PARCEL_LINE);
}

bool ocu_state_disk(const struct ocu_engine *e)
{
	return e->disk && atomic_load(&e->running) && !atomic_load(&e->paused);
}
