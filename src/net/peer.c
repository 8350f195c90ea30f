/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer.c - keeps the idle connections of each responder, and remembers which addresses worked.
 * Sends nothing, connects to nothing.
 */
#include "ocu/peer.h"

#include <stdlib.h>

#include "ocu/dial.h"
#include "ocu/loop.h"

struct ocu_peer_idle {
	TAILQ_ENTRY(ocu_peer_idle) of_peer;
	TAILQ_ENTRY(ocu_peer_idle) of_pool;
	struct ocu_peer_pool *pool;
	struct ocu_peer *peer;
	struct ocu_stream stream;
	struct sockaddr_storage address;
	ev_timer tmo;
};

struct ocu_peer_pool {
	struct ev_loop *loop;
	unsigned n;
	struct ocu_peer_idles all; /* the one used last comes first */
};

/* ---- idle connections ---- */

/* Takes <k> out and frees it; its connection is closed unless it was moved away before. */
static void idle_free(struct ocu_peer_idle *k)
{
	ocu_stream_unwatch(&k->stream, k->pool->loop);
	ocu_loop_timer_stop(k->pool->loop, &k->tmo);
	TAILQ_REMOVE(&k->peer->idle, k, of_peer);
	k->peer->n_idle--;
	TAILQ_REMOVE(&k->pool->all, k, of_pool);
	k->pool->n--;
	ocu_stream_fini(&k->stream);
	free(k);
}

/* Whatever comes over an idle connection is its end, but for what TLS says on its own account. */
static void idle_io_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ocu_peer_idle *k = w->data;

	(void)loop;
	(void)revents;
	if (!ocu_stream_quiet(&k->stream))
		idle_free(k);
}

static void idle_tmo_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	idle_free(w->data);
}

void ocu_peer_init(struct ocu_peer *p)
{
	*p = (struct ocu_peer){ .first = OCU_ANY };
	TAILQ_INIT(&p->idle);
	TAILQ_INIT(&p->watches);
}

void ocu_peer_fini(struct ocu_peer *p)
{
	struct ocu_peer_idle *k;

	while ((k = TAILQ_FIRST(&p->idle)))
		idle_free(k);
}

enum ocu_status ocu_peer_pool_new(struct ocu_peer_pool **out, struct ev_loop *loop)
{
	struct ocu_peer_pool *pool = calloc(1, sizeof(*pool));

	*out = pool;
	if (!pool)
		return OCU_NOMEM;
	pool->loop = loop;
	TAILQ_INIT(&pool->all);
	return OCU_OK;
}

void ocu_peer_pool_free(struct ocu_peer_pool *pool)
{
	struct ocu_peer_idle *k;

	if (!pool)
		return;
	while ((k = TAILQ_FIRST(&pool->all)))
		idle_free(k);
	free(pool);
}

void ocu_peer_put(struct ocu_peer_pool *pool, struct ocu_peer *p, unsigned max,
		  struct ocu_stream *stream, const struct sockaddr_storage *address)
{
	struct ocu_peer_idle *k = max ? calloc(1, sizeof(*k)) : NULL;

	if (!k) {
		ocu_stream_fini(stream);
		return;
	}
	if (p->n_idle >= max)
		idle_free(TAILQ_LAST(&p->idle, ocu_peer_idles));
	else if (pool->n >= OCU_PEER_IDLE_MAX)
		idle_free(TAILQ_LAST(&pool->all, ocu_peer_idles));
	k->pool = pool;
	k->peer = p;
	k->stream = *stream;
	*stream = OCU_STREAM_NONE;
	k->address = *address;
	ocu_stream_watch(&k->stream, pool->loop, EV_READ, idle_io_cb, k);
	ocu_loop_timer_init(&k->tmo, idle_tmo_cb, k);
	ocu_loop_timer_start(pool->loop, &k->tmo, OCU_PEER_IDLE_MS);
	TAILQ_INSERT_HEAD(&p->idle, k, of_peer);
	p->n_idle++;
	TAILQ_INSERT_HEAD(&pool->all, k, of_pool);
	pool->n++;
}

bool ocu_peer_get(struct ocu_peer *p, bool (*usable)(const struct sockaddr_storage *address),
		  struct ocu_stream *stream, struct sockaddr_storage *address)
{
	struct ocu_peer_idle *k, *next;

	for (k = TAILQ_FIRST(&p->idle); k; k = next) {
		next = TAILQ_NEXT(k, of_peer);
		if (usable && !usable(&k->address))
			continue;
		/* The peer may have closed it without the loop having been told yet. */
		if (!ocu_stream_quiet(&k->stream)) {
			idle_free(k);
			continue;
		}
		ocu_stream_unwatch(&k->stream, k->pool->loop);
		*stream = k->stream;
		*address = k->address;
		k->stream = OCU_STREAM_NONE;
		idle_free(k);
		return true;
	}
	return false;
}

void ocu_peer_drop(struct ocu_peer *p, const struct sockaddr_storage *address)
{
	struct ocu_peer_idle *k, *next;

	for (k = TAILQ_FIRST(&p->idle); k; k = next) {
		next = TAILQ_NEXT(k, of_peer);
		if (ocu_dial_same_host(&k->address, address))
			idle_free(k);
	}
}

/* ---- addresses ---- */

void ocu_peer_answered(struct ocu_peer *p, const struct sockaddr_storage *address)
{
	bool v6 = address->ss_family == AF_INET6;

	p->last[v6] = *address;
	p->first = v6 ? OCU_IPV6 : OCU_IPV4;
}

void ocu_peer_silent(struct ocu_peer *p, const struct sockaddr_storage *address)
{
	bool v6 = address->ss_family == AF_INET6;

	/* Another address of this family worked since: it may be good. */
	if (p->last[v6].ss_family && !ocu_dial_same_host(&p->last[v6], address))
		return;
	p->last[v6].ss_family = 0;
	p->first = v6 ? OCU_IPV4 : OCU_IPV6;
}

void ocu_peer_beaten(struct ocu_peer *p, const struct sockaddr_storage *address)
{
	struct ocu_peer_watch *w;

	TAILQ_FOREACH(w, &p->watches, link)
		w->beaten(w, address);
}

void ocu_peer_watch(struct ocu_peer *p, struct ocu_peer_watch *w)
{
	TAILQ_INSERT_TAIL(&p->watches, w, link);
}

void ocu_peer_unwatch(struct ocu_peer *p, struct ocu_peer_watch *w)
{
	TAILQ_REMOVE(&p->watches, w, link);
}

void ocu_peer_unreachable(struct ocu_peer *p)
{
	p->first = OCU_ANY;
}

void ocu_peer_first(const struct ocu_peer *p, enum ocu_family *prefer,
		    struct sockaddr_storage *worked)
{
	if (p->first == OCU_ANY)
		return;
	*prefer = p->first;
	(void)ocu_peer_last(p, p->first, worked);
}

bool ocu_peer_last(const struct ocu_peer *p, enum ocu_family family, struct sockaddr_storage *out)
{
	bool v6 = family == OCU_IPV6;

	if (!p->last[v6].ss_family)
		return false;
	*out = p->last[v6];
	return true;
}
