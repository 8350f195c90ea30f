/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.c - counts certificates without a response, and says when one is about to be without. */
#include "ocu/watch.h"

#include <stdio.h>
#include <string.h>

#include "ocu/say.h"

/* Hours before the end of a response at which it is said; from then on nothing is stapled. */
static const int alert_hours[] = { 24, 6, 1 };
#define ALERTS ((int)(sizeof(alert_hours) / sizeof(*alert_hours)))

static bool ends_less(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	const struct ocu_cert *x = OCU_OWNER(a, const struct ocu_cert, alert);
	const struct ocu_cert *y = OCU_OWNER(b, const struct ocu_cert, alert);

	return x->alert_s < y->alert_s;
}

void ocu_watch_init(struct ocu_watch *w)
{
	ocu_heap_init(&w->ends, ends_less);
	atomic_init(&w->missing[0], 0);
	atomic_init(&w->missing[1], 0);
}

static void alert_unset(struct ocu_watch *w, struct ocu_cert *c)
{
	if (ocu_heap_has(&c->alert))
		ocu_heap_remove(&w->ends, &c->alert);
}

/* How many of the alerts are due when <left_s> seconds are left. */
static int alerts_due(int64_t left_s)
{
	int due = 0;

	while (due < ALERTS && left_s <= alert_hours[due] * 3600)
		due++;
	return due;
}

/* Sets when to look at the end of <c> next. Alerts that were given count for this response only. */
static void alert_set(struct ocu_watch *w, struct ocu_cert *c, int64_t now_s)
{
	int64_t left_s = c->item.held.expiry - now_s;
	int due = alerts_due(left_s);

	alert_unset(w, c);
	if (!c->in_table || !c->must_staple || !c->item.held.this_update || left_s <= 0)
		return;
	if (due < c->alerted)
		c->alerted = due;
	if (c->alerted >= ALERTS)
		return;
	c->alert_s = c->item.held.expiry - alert_hours[c->alerted] * 3600;
	ocu_heap_push(&w->ends, &c->alert);
}

void ocu_watch_cert(struct ocu_watch *w, struct ocu_cert *c, const struct ocu_clock *now)
{
	bool misses = c->in_table && c->automatic && c->n_uris &&
		      !ocu_held_usable(&c->item.held, now->wall_s);

	alert_set(w, c, now->wall_s);
	if (misses == c->misses)
		return;
	c->misses = misses;
	if (misses) {
		atomic_fetch_add(&w->missing[0], 1);
		atomic_fetch_add(&w->missing[1], c->must_staple);
	} else {
		atomic_fetch_sub(&w->missing[0], 1);
		atomic_fetch_sub(&w->missing[1], c->must_staple);
	}
}

/* Writes why the held response of <c> is not renewed. Returns whether something stands against it:
 * that a response is merely short-lived is no reason for an alert.
 */
static bool unrenewed(const struct ocu_cert *c, char why[static OCU_ERR_BYTES])
{
	enum ocu_wait waits;
	int64_t until_ms;

	if (!c->automatic || !c->n_uris) {
		snprintf(why, OCU_ERR_BYTES,
			 c->automatic ? "no usable OCSP URI" : "updates are off");
		return true;
	}
	waits = ocu_plan_waits(&c->item, &until_ms);
	snprintf(why, OCU_ERR_BYTES, "its responder is down");
	if (c->item.failures)
		ocu_say_reason(why, c);
	return c->item.failures || waits == OCU_WAIT_DOWN || waits == OCU_WAIT_PAUSED;
}

/* Looks again in a minute: something may still come to stand against it. */
static void alert_later(struct ocu_watch *w, struct ocu_cert *c, int64_t now_s)
{
	alert_unset(w, c);
	c->alert_s = now_s + 60;
	ocu_heap_push(&w->ends, &c->alert);
}

bool ocu_watch_is_due(const struct ocu_watch *w, const struct ocu_clock *now)
{
	const struct ocu_heap_node *top = w->ends.first;

	return top && OCU_OWNER(top, const struct ocu_cert, alert)->alert_s <= now->wall_s;
}

struct ocu_cert *ocu_watch_ending(struct ocu_watch *w, const struct ocu_clock *now, char *line,
				  size_t size)
{
	struct ocu_heap_node *top;
	char why[OCU_ERR_BYTES];
	struct ocu_cert *c;
	int64_t left_s;
	int i;

	for (i = 0; i < OCU_WATCH_AT_ONCE && ocu_watch_is_due(w, now); i++) {
		top = w->ends.first;
		c = OCU_OWNER(top, struct ocu_cert, alert);
		left_s = c->item.held.expiry - now->wall_s;
		if (left_s <= 0) {
			alert_unset(w, c);
			continue;
		}
		if (alerts_due(left_s) <= c->alerted || !unrenewed(c, why)) {
			alert_later(w, c, now->wall_s);
			continue;
		}
		c->alerted = alerts_due(left_s);
		alert_set(w, c, now->wall_s);
		snprintf(line, size,
			 "<OCSP-UPDATE> %s: must-staple, and its OCSP response ends in %lld "
			 "minutes without a newer one: %s",
			 c->path, (long long)left_s / 60, why);
		return c;
	}
	return NULL;
}

/* ---- who is without ---- */

void ocu_missing_init(struct ocu_missing *m, struct ocu_certs *cs, bool must)
{
	m->must = must;
	m->n[false] = m->n[true] = 0;
	ocu_certs_walk_init(&m->walk, cs);
}

void ocu_missing_fini(struct ocu_missing *m)
{
	ocu_certs_walk_fini(&m->walk);
}

static void missing_add(struct ocu_missing *m, const struct ocu_cert *c)
{
	bool tried = c->result;
	char reason[OCU_ERR_BYTES];

	if (m->n[tried]++ >= OCU_MISSING_NAMED)
		return;
	ocu_say_reason(reason, c);
	snprintf(m->named[tried][m->n[tried] - 1], OCU_MISSING_BYTES, "%.400s: %s", c->path,
		 tried ? reason : "no answer yet");
}

bool ocu_missing_next(struct ocu_missing *m, const struct ocu_clock *now)
{
	struct ocu_cert *c;
	int i;

	for (i = 0; i < OCU_WATCH_AT_ONCE && (c = ocu_certs_walk_next(&m->walk)); i++) {
		if (c->automatic && c->n_uris && (c->must_staple || !m->must) &&
		    !ocu_held_usable(&c->item.held, now->wall_s))
			missing_add(m, c);
	}
	return m->walk.next;
}

size_t ocu_missing_say(const struct ocu_missing *m, char *out, size_t size)
{
	size_t all = m->n[false] + m->n[true], len = 0, n, i;
	const char *one;

	*out = '\0';
	for (i = 0; i < all && i < OCU_MISSING_NAMED && len < size; i++) {
		n = i < m->n[true] ? i : i - m->n[true];
		one = m->named[i < m->n[true]][n];
		len += snprintf(out + len, size - len, "%s%s", i ? "; " : "", one);
	}
	if (all > OCU_MISSING_NAMED && len < size)
		snprintf(out + len, size - len, "; ...");
	return all;
}
