/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool.c - holds idle connections and closes those that are no good any more. Sends nothing. */
#include "ocu/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct kept {
	TAILQ_ENTRY(kept) link;
	struct ocu_pool *pool;
	struct ocu_stream stream;
	struct sockaddr_storage peer;
	ev_io io;
	ev_timer tmo;
	char key[OCU_POOL_KEY_BYTES];
};

struct ocu_pool {
	struct ev_loop *loop;
	size_t n;
	TAILQ_HEAD(ocu_pool_list, kept) all; /* the one used last comes first */
};

/* Takes <k> out and frees it; its connection is closed unless it was moved away before. */
static void kept_free(struct kept *k)
{
	struct ocu_pool *p = k->pool;

	ev_io_stop(p->loop, &k->io);
	ev_timer_stop(p->loop, &k->tmo);
	TAILQ_REMOVE(&p->all, k, link);
	p->n--;
	ocu_stream_fini(&k->stream);
	free(k);
}

/* Whatever comes over an idle connection is its end, but for what TLS says on its own account. */
static void kept_io_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct kept *k = w->data;

	(void)loop;
	(void)revents;
	if (!ocu_stream_quiet(&k->stream))
		kept_free(k);
}

static void kept_tmo_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	kept_free(w->data);
}

enum ocu_status ocu_pool_new(struct ocu_pool **out, struct ev_loop *loop)
{
	struct ocu_pool *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return OCU_NOMEM;
	p->loop = loop;
	TAILQ_INIT(&p->all);
	return OCU_OK;
}

void ocu_pool_free(struct ocu_pool *p)
{
	struct kept *k;

	if (!p)
		return;
	while ((k = TAILQ_FIRST(&p->all)))
		kept_free(k);
	free(p);
}

/* Makes room for one more with <key>: the one that was not used for longest gives way. */
static void make_room(struct ocu_pool *p, const char *key)
{
	struct kept *k, *oldest = NULL;
	size_t n = 0;

	TAILQ_FOREACH(k, &p->all, link) {
		if (strcmp(k->key, key) != 0)
			continue;
		n++;
		oldest = k;
	}
	if (n >= OCU_POOL_KEY_MAX)
		kept_free(oldest);
	else if (p->n >= OCU_POOL_MAX)
		kept_free(TAILQ_LAST(&p->all, ocu_pool_list));
}

void ocu_pool_put(struct ocu_pool *p, const char *key, struct ocu_stream *stream,
		  const struct sockaddr_storage *peer)
{
	struct kept *k = NULL;

	if (strlen(key) < OCU_POOL_KEY_BYTES)
		k = calloc(1, sizeof(*k));
	if (!k) {
		ocu_stream_fini(stream);
		return;
	}
	make_room(p, key);
	k->pool = p;
	k->stream = *stream;
	*stream = OCU_STREAM_NONE;
	k->peer = *peer;
	snprintf(k->key, sizeof(k->key), "%s", key);
	ev_io_init(&k->io, kept_io_cb, k->stream.fd, EV_READ);
	ev_timer_init(&k->tmo, kept_tmo_cb, OCU_POOL_IDLE_MS / 1000., 0.);
	k->io.data = k->tmo.data = k;
	ev_io_start(p->loop, &k->io);
	ev_now_update(p->loop);
	ev_timer_start(p->loop, &k->tmo);
	TAILQ_INSERT_HEAD(&p->all, k, link);
	p->n++;
}

bool ocu_pool_get(struct ocu_pool *p, const char *key, struct ocu_stream *stream,
		  struct sockaddr_storage *peer)
{
	struct kept *k, *next;

	for (k = TAILQ_FIRST(&p->all); k; k = next) {
		next = TAILQ_NEXT(k, link);
		if (strcmp(k->key, key) != 0)
			continue;
		/* The peer may have closed it without the loop having been told yet. */
		if (!ocu_stream_quiet(&k->stream)) {
			kept_free(k);
			continue;
		}
		*stream = k->stream;
		*peer = k->peer;
		k->stream = OCU_STREAM_NONE;
		kept_free(k);
		return true;
	}
	return false;
}

void ocu_pool_drop(struct ocu_pool *p, const char *key)
{
	struct kept *k, *next;

	for (k = TAILQ_FIRST(&p->all); k; k = next) {
		next = TAILQ_NEXT(k, link);
		if (strcmp(k->key, key) == 0)
			kept_free(k);
	}
}
