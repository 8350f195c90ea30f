/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool.h - connections that are kept alive between exchanges, a bounded number of them for a
 * bounded time. Sends nothing over them.
 */
#ifndef OCU_POOL_H
#define OCU_POOL_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/stream.h"

#define OCU_POOL_MAX 64          /* idle connections in all, and so descriptors */
#define OCU_POOL_KEY_MAX 8       /* idle connections with the same key */
#define OCU_POOL_IDLE_MS 10000   /* longest time that one is kept */
#define OCU_POOL_KEY_BYTES 280   /* longest key with its zero */

struct ocu_pool;

/* Makes an empty pool. Errors: OCU_NOMEM; *out is then NULL. */
OCU_MUST enum ocu_status ocu_pool_new(struct ocu_pool **out, struct ev_loop *loop);

/* Closes all connections, frees <p> (may be NULL). */
void ocu_pool_free(struct ocu_pool *p);

/* Keeps <stream> (takes) for whoever asks for <key> (borrows). It is closed when the peer closes it
 * or sends anything, and when its time is over; the one unused for longest makes room.
 */
void ocu_pool_put(struct ocu_pool *p, const char *key, struct ocu_stream *stream,
		  const struct sockaddr_storage *peer);

/* Moves the connection for <key> that was used last into <stream>, its address into <peer>. Returns
 * false if there is none.
 */
bool ocu_pool_get(struct ocu_pool *p, const char *key, struct ocu_stream *stream,
		  struct sockaddr_storage *peer);

/* Closes all connections of <key>. */
void ocu_pool_drop(struct ocu_pool *p, const char *key);

#endif
