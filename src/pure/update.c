/* SPDX-License-Identifier: GPL-2.0-or-later */
/* update.c - the schedule: what is due, what is in flight, responder windows, backoff.
 * Does no I/O, reads no clock.
 *
 * An item is in one of two kinds of heaps: `later`, ordered by due time, or, once it is due, the
 * queue of one responder, ordered by urgency. The heaps are intrusive pairing heaps: nothing here
 * but adding an item can fail.
 */
#include "ocu/update.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

typedef bool (*less_fn)(const struct ocu_item *a, const struct ocu_item *b);

/* One responder: a host and a port. */
struct ocu_host {
	char name[OCU_URL_AUTHORITY_BYTES]; /* first: tsearch() compares by it */
	struct ocu_host *next, **link;      /* list of all */
	size_t refs;                        /* URIs of items that lead here */
	unsigned window;                    /* fetches that may run at once */
	unsigned flying;
	bool down;
	unsigned failures;                  /* while down: probes that failed */
	int64_t probe_ms;                   /* while down: no probe before */
	struct ocu_item *queue;             /* heap of READY items */
};

struct ocu_update {
	struct ocu_update_conf conf;
	void *names;              /* tsearch() tree of hosts */
	struct ocu_host *hosts;
	struct ocu_item *later;   /* heap of LATER items */
	struct ocu_item *orders;  /* heap of READY items that were ordered */
	unsigned flying;
	uint64_t seq;
	int64_t drift_ms;         /* wall clock less monotonic clock */
	bool drift_known;
};

static bool less_due(const struct ocu_item *a, const struct ocu_item *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

/* Must-staple before the rest, then what ends first (nothing held: 0), then the oldest. */
static bool less_urgent(const struct ocu_item *a, const struct ocu_item *b)
{
	if (a->must_staple != b->must_staple)
		return a->must_staple;
	if (a->expiry != b->expiry)
		return a->expiry < b->expiry;
	return a->seq < b->seq;
}

/* Joins two heaps. prev of a first child is its parent, of any other its left sibling. */
static struct ocu_item *heap_meld(struct ocu_item *a, struct ocu_item *b, less_fn less)
{
	struct ocu_item *t;

	if (!a || !b)
		return a ? a : b;
	if (less(b, a)) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

static void heap_push(struct ocu_item **root, struct ocu_item *item, less_fn less)
{
	item->child = item->next = item->prev = NULL;
	*root = heap_meld(*root, item, less);
}

/* Makes one heap of a list of siblings: pairs from the left, then all pairs from the right. */
static struct ocu_item *heap_merge(struct ocu_item *list, less_fn less)
{
	struct ocu_item *pairs = NULL, *root = NULL, *a, *b;

	while (list) {
		a = list;
		b = a->next;
		list = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = heap_meld(a, b, less);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = heap_meld(root, a, less);
	}
	return root;
}

static void heap_remove(struct ocu_item **root, struct ocu_item *item, less_fn less)
{
	struct ocu_item *sub = heap_merge(item->child, less);

	if (*root == item) {
		*root = sub;
	} else {
		if (item->prev->child == item)
			item->prev->child = item->next;
		else
			item->prev->next = item->next;
		if (item->next)
			item->next->prev = item->prev;
		*root = heap_meld(*root, sub, less);
	}
	item->child = item->next = item->prev = NULL;
}

static int host_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Returns the responder of <url> with one more reference, NULL without memory. */
static struct ocu_host *host_get(struct ocu_update *u, const struct ocu_url *url)
{
	struct ocu_host *h = calloc(1, sizeof(*h));
	struct ocu_host **slot;

	if (!h)
		return NULL;
	ocu_url_responder(url, h->name);
	slot = tsearch(h, &u->names, host_cmp);
	if (!slot || *slot != h) {
		free(h);
		h = slot ? *slot : NULL;
	} else {
		h->window = 1;
		h->next = u->hosts;
		h->link = &u->hosts;
		if (h->next)
			h->next->link = &h->next;
		u->hosts = h;
	}
	if (h)
		h->refs++;
	return h;
}

static void host_put(struct ocu_update *u, struct ocu_host *h)
{
	if (--h->refs)
		return;
	tdelete(h, &u->names, host_cmp);
	*h->link = h->next;
	if (h->next)
		h->next->link = h->link;
	free(h);
}

static bool host_free(const struct ocu_host *h, const struct ocu_clock *now)
{
	if (h->down)
		return h->flying == 0 && now->mono_ms >= h->probe_ms;
	return h->flying < h->window;
}

enum ocu_status ocu_update_new(struct ocu_update **out, const struct ocu_update_conf *conf)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return OCU_NOMEM;
	(*out)->conf = *conf;
	return OCU_OK;
}

void ocu_update_free(struct ocu_update *u)
{
	free(u);
}

static void put_hosts(struct ocu_update *u, struct ocu_item *item)
{
	while (item->n_hosts)
		host_put(u, item->hosts[--item->n_hosts]);
}

enum ocu_status ocu_update_add(struct ocu_update *u, struct ocu_item *item,
			       const struct ocu_url *uris, size_t n, bool must_staple)
{
	memset(item, 0, sizeof(*item));
	item->must_staple = must_staple;
	item->seq = u->seq++;
	while (item->n_hosts < n) {
		struct ocu_host *h = host_get(u, &uris[item->n_hosts]);

		if (!h) {
			put_hosts(u, item);
			return OCU_NOMEM;
		}
		item->hosts[item->n_hosts++] = h;
	}
	return OCU_OK;
}

/* Takes <item> out of the heap that it is in, or out of the count of what is in flight. */
static void item_unlink(struct ocu_update *u, struct ocu_item *item)
{
	switch (item->state) {
	case OCU_ITEM_IDLE:
		break;
	case OCU_ITEM_LATER:
		heap_remove(&u->later, item, less_due);
		break;
	case OCU_ITEM_READY:
		if (item->ordered)
			heap_remove(&u->orders, item, less_urgent);
		else
			heap_remove(&item->hosts[item->uri]->queue, item, less_urgent);
		break;
	case OCU_ITEM_FLYING:
		item->hosts[item->uri]->flying--;
		u->flying--;
		break;
	}
	item->state = OCU_ITEM_IDLE;
}

void ocu_update_remove(struct ocu_update *u, struct ocu_item *item)
{
	item_unlink(u, item);
	put_hosts(u, item);
}

/* Returns the delay after the <failures>-th failure in a row, of <item> or of its responder. */
static int64_t retry_ms(const struct ocu_update *u, const struct ocu_item *item, unsigned failures,
			const struct ocu_clock *now)
{
	bool held = item->this_update && item->expiry > now->wall_s;

	return ocu_when_retry(&u->conf.when, now->wall_s, failures, held ? item->expiry : 0,
			      now->rnd);
}

/* Puts a due <item> into the queue of its first responder that is not down; if all are, of the one
 * that is probed next. Its held response may ask for an earlier probe.
 */
static void item_ready(const struct ocu_update *u, struct ocu_item *item,
		       const struct ocu_clock *now)
{
	struct ocu_host *h;
	int64_t probe_ms;
	size_t i, best = 0;

	for (i = 0; i < item->n_hosts; i++) {
		if (!item->hosts[i]->down) {
			best = i;
			break;
		}
		if (item->hosts[i]->probe_ms < item->hosts[best]->probe_ms)
			best = i;
	}
	h = item->hosts[best];
	if (h->down && item->this_update && item->expiry > now->wall_s) {
		probe_ms = now->mono_ms + retry_ms(u, item, h->failures, now);
		if (probe_ms < h->probe_ms)
			h->probe_ms = probe_ms;
	}
	item->uri = best;
	item->state = OCU_ITEM_READY;
	heap_push(&h->queue, item, less_urgent);
}

static void item_later(struct ocu_update *u, struct ocu_item *item, int64_t due_ms)
{
	item->due_ms = due_ms;
	item->state = OCU_ITEM_LATER;
	heap_push(&u->later, item, less_due);
}

/* Schedules an item, which is in no heap, by what is held for it and how often it has failed. */
static void item_schedule(struct ocu_update *u, struct ocu_item *item, const struct ocu_clock *now)
{
	const struct ocu_when *w = &u->conf.when;
	bool held = item->this_update && item->expiry > now->wall_s;
	int64_t delay = 0;

	if (!item->automatic || !item->n_hosts)
		return;
	if (item->failures)
		delay = retry_ms(u, item, item->failures, now);
	else if (held)
		delay = ocu_when_refresh(w, now->wall_s, item->this_update, item->expiry, -1,
					 now->rnd);
	item_later(u, item, now->mono_ms + delay);
}

void ocu_update_automatic(struct ocu_update *u, struct ocu_item *item, bool on,
			  const struct ocu_clock *now)
{
	if (item->automatic == on)
		return;
	item->automatic = on;
	if (item->state == OCU_ITEM_FLYING || item->ordered)
		return;
	item_unlink(u, item);
	item_schedule(u, item, now);
}

void ocu_update_held(struct ocu_update *u, struct ocu_item *item, int64_t this_update,
		     int64_t expiry, const struct ocu_clock *now)
{
	bool scheduled = item->state == OCU_ITEM_IDLE || item->state == OCU_ITEM_LATER ||
			 (item->state == OCU_ITEM_READY && !item->ordered);

	if (scheduled)
		item_unlink(u, item);
	else if (item->state == OCU_ITEM_READY)
		heap_remove(&u->orders, item, less_urgent);

	item->this_update = this_update;
	item->expiry = expiry;

	if (scheduled)
		item_schedule(u, item, now);
	else if (item->state == OCU_ITEM_READY)
		heap_push(&u->orders, item, less_urgent);
}

void ocu_update_order(struct ocu_update *u, struct ocu_item *item)
{
	if (item->state == OCU_ITEM_FLYING || item->ordered || !item->n_hosts)
		return;
	item_unlink(u, item);
	item->ordered = true;
	item->uri = 0;
	item->state = OCU_ITEM_READY;
	heap_push(&u->orders, item, less_urgent);
}

/* The wall clock was set: what was computed from it is computed anew. */
static void notice_step(struct ocu_update *u, const struct ocu_clock *now)
{
	int64_t drift = now->wall_s * 1000 - now->mono_ms;
	int64_t moved = drift - u->drift_ms;
	struct ocu_item *item, *all = NULL;
	struct ocu_clock spread = *now;

	if (u->drift_known && moved >= -OCU_UPDATE_STEP_MS && moved <= OCU_UPDATE_STEP_MS)
		return;
	u->drift_ms = drift;
	if (!u->drift_known) {
		u->drift_known = true;
		return;
	}
	while ((item = u->later)) {
		heap_remove(&u->later, item, less_due);
		item->next = all;
		all = item;
	}
	while ((item = all)) {
		all = item->next;
		item->state = OCU_ITEM_IDLE;
		/* each another share of its delay, or all would be due together */
		spread.rnd = spread.rnd * 1664525 + 1013904223;
		item_schedule(u, item, &spread);
	}
}

/* Distributes the queue of <h> anew, after it or another responder has changed. */
static void host_reroute(const struct ocu_update *u, struct ocu_host *h,
			 const struct ocu_clock *now)
{
	struct ocu_item *item, *all = NULL;

	while ((item = h->queue)) {
		heap_remove(&h->queue, item, less_urgent);
		item->next = all;
		all = item;
	}
	while ((item = all)) {
		all = item->next;
		item_ready(u, item, now);
	}
}

static void host_seen(struct ocu_update *u, struct ocu_host *h, enum ocu_seen seen,
		      const struct ocu_item *item, const struct ocu_clock *now)
{
	struct ocu_host *o;

	if (seen == OCU_SEEN_UP && h->down) {
		h->down = false;
		h->failures = 0;
		h->window = 1;
		for (o = u->hosts; o; o = o->next)
			if (o->down)
				host_reroute(u, o, now);
	} else if (seen == OCU_SEEN_DOWN && !(h->down && now->mono_ms < h->probe_ms)) {
		/* not one of those that were in flight when it went down: they are no news */
		h->window = 1;
		h->down = true;
		if (h->failures < UINT32_MAX)
			h->failures++;
		h->probe_ms = now->mono_ms + retry_ms(u, item, h->failures, now);
		host_reroute(u, h, now);
	}
}

/* Returns the most urgent item that may start now; *wake_ms falls to the next probe. */
static struct ocu_item *pick(struct ocu_update *u, const struct ocu_clock *now, int64_t *wake_ms)
{
	struct ocu_item *best = NULL;
	struct ocu_host *h;

	if (u->orders)
		return u->orders;
	for (h = u->hosts; h; h = h->next) {
		if (!h->queue)
			continue;
		if (host_free(h, now)) {
			if (!best || less_urgent(h->queue, best))
				best = h->queue;
		} else if (h->down && !h->flying && h->probe_ms < *wake_ms) {
			*wake_ms = h->probe_ms;
		}
	}
	return best;
}

void ocu_update_next(struct ocu_update *u, const struct ocu_clock *now, struct ocu_item **item,
		     size_t *uri, int64_t *wake_ms)
{
	struct ocu_item *it;

	notice_step(u, now);
	while ((it = u->later) && it->due_ms <= now->mono_ms) {
		heap_remove(&u->later, it, less_due);
		item_ready(u, it, now);
	}
	*item = NULL;
	*wake_ms = u->later ? u->later->due_ms : INT64_MAX;
	if (u->flying >= u->conf.maxconn)
		return;
	it = pick(u, now, wake_ms);
	if (!it)
		return;
	item_unlink(u, it);
	it->ordered = false;
	it->state = OCU_ITEM_FLYING;
	it->hosts[it->uri]->flying++;
	u->flying++;
	*uri = it->uri;
	*item = it;
}

void ocu_update_done(struct ocu_update *u, struct ocu_item *item, const struct ocu_result *r,
		     const struct ocu_clock *now)
{
	bool failed = r->outcome == OCU_OUTCOME_FAILED;
	struct ocu_host *h;
	size_t i;

	if (r->outcome == OCU_OUTCOME_NEW) {
		item->this_update = r->this_update;
		item->expiry = r->expiry;
	}
	/* a responder that calls current what has expired would be asked again at once */
	if (item->expiry <= now->wall_s)
		failed = true;

	notice_step(u, now);
	item_unlink(u, item);
	for (i = 0; i < item->n_hosts; i++)
		host_seen(u, item->hosts[i], r->seen[i], item, now);

	if (failed) {
		if (item->failures < UINT32_MAX)
			item->failures++;
	} else {
		item->failures = 0;
		h = item->hosts[r->uri];
		h->window = h->window * 2 < u->conf.host_maxconn ? h->window * 2
								 : u->conf.host_maxconn;
	}
	item_schedule(u, item, now);
}

bool ocu_update_blocked(const struct ocu_item *item, int64_t *until_ms)
{
	if (item->state != OCU_ITEM_READY || item->ordered || !item->hosts[item->uri]->down)
		return false;
	*until_ms = item->hosts[item->uri]->probe_ms;
	return true;
}
