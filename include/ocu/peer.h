/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer.h - what the network side knows of one responder, or of the proxy: the connections to it
 * that are kept alive between exchanges, and which of its addresses worked. Connects to nothing.
 */
#ifndef OCU_PEER_H
#define OCU_PEER_H

#include <ev.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/happy.h"
#include "ocu/stream.h"

#define OCU_PEER_IDLE_MAX 64       /* idle connections of all peers, and so descriptors */
#define OCU_PEER_IDLE_MS 10000     /* longest time that one is kept */

struct ocu_peer_idle;
TAILQ_HEAD(ocu_peer_idles, ocu_peer_idle);

/* Somebody who asks a peer and wants to know when one of its addresses is of no use. */
struct ocu_peer_watch {
	TAILQ_ENTRY(ocu_peer_watch) link;
	/* <address> kept silent while another one answered the same request. Ends no watch. */
	void (*beaten)(struct ocu_peer_watch *w, const struct sockaddr_storage *address);
};
TAILQ_HEAD(ocu_peer_watches, ocu_peer_watch);

/* A responder. The caller provides the memory and calls ocu_peer_init() first. It may not move, and
 * outlives every request that was given it. Loop thread only, like all that follows.
 */
struct ocu_peer {
	bool post_only;                /* it has refused GET and answered POST; for the caller */
	/* private */
	unsigned n_idle;
	struct ocu_peer_idles idle;    /* the one used last comes first */
	struct ocu_peer_watches watches;
	struct sockaddr_storage last[2]; /* IPv4, IPv6: answered last; ss_family 0: none did */
	enum ocu_family first;         /* the family that goes first; OCU_ANY: neither */
};

void ocu_peer_init(struct ocu_peer *p);

/* Closes the idle connections of <p>. May be called twice, before or after the pool is freed. */
void ocu_peer_fini(struct ocu_peer *p);

/* What all peers share: the limit of idle connections. */
struct ocu_peer_pool;

/* Errors: OCU_NOMEM; *out is then NULL. */
OCU_MUST enum ocu_status ocu_peer_pool_new(struct ocu_peer_pool **out, struct ev_loop *loop);

/* Closes the idle connections of all peers, frees <pool> (may be NULL). */
void ocu_peer_pool_free(struct ocu_peer_pool *pool);

/* Keeps <stream> (takes) as an idle connection to <p> at <address>, of which <p> has at most <max>.
 * It is closed when the peer closes it or sends anything, and when its time is over; the one that
 * was unused for longest makes room. Without memory it is closed.
 */
void ocu_peer_put(struct ocu_peer_pool *pool, struct ocu_peer *p, unsigned max,
		  struct ocu_stream *stream, const struct sockaddr_storage *address);

/* Moves the connection to <p> that was used last into <stream>, its address into <address>. Returns
 * false if there is none. With <usable>, only one whose address it says yes to.
 */
bool ocu_peer_get(struct ocu_peer *p, bool (*usable)(const struct sockaddr_storage *address),
		  struct ocu_stream *stream, struct sockaddr_storage *address);

/* Closes the idle connections to <address> of <p>. */
void ocu_peer_drop(struct ocu_peer *p, const struct sockaddr_storage *address);

/* <address> of <p> has answered a request: it goes first from now on, until it fails. */
void ocu_peer_answered(struct ocu_peer *p, const struct sockaddr_storage *address);

/* <address> of <p> was connected, and then kept silent or ended without a status line: another
 * address goes first, of the other family if that has one that worked or none is known.
 */
void ocu_peer_silent(struct ocu_peer *p, const struct sockaddr_storage *address);

/* <address> of <p> kept silent for a request that another address then answered: tells those who
 * watch <p>.
 */
void ocu_peer_beaten(struct ocu_peer *p, const struct sockaddr_storage *address);

/* Begins and ends to watch <p>, which keeps <w> meanwhile. */
void ocu_peer_watch(struct ocu_peer *p, struct ocu_peer_watch *w);
void ocu_peer_unwatch(struct ocu_peer *p, struct ocu_peer_watch *w);

/* No address of <p> could be connected: none goes first. */
void ocu_peer_unreachable(struct ocu_peer *p);

/* Says what goes first: *prefer is set if it is a family, *worked as well if it is an address of
 * it. They are left alone otherwise.
 */
void ocu_peer_first(const struct ocu_peer *p, enum ocu_family *prefer,
		    struct sockaddr_storage *worked);

/* Writes into <out> the address of <family> that answered last; false if there is none. It is kept
 * when the peer cannot be reached, for the time when DNS is down.
 */
bool ocu_peer_last(const struct ocu_peer *p, enum ocu_family family, struct sockaddr_storage *out);

#endif
