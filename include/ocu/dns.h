/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.h - host name to addresses, one question per family, with a cache. The only user of c-ares.
 * Reads no hosts file, knows no search list: names are absolute. Connects to nothing but
 * nameservers.
 */
#ifndef OCU_DNS_H
#define OCU_DNS_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/happy.h"

#define OCU_DNS_ADDRESSES_MAX 16    /* of one family of a host; more are not looked at */
#define OCU_DNS_CACHE_MAX 2048      /* answers that are remembered; the oldest one goes first */
#define OCU_DNS_TTL_MAX_S 86400     /* longest time that an answer is remembered */
#define OCU_DNS_NEGATIVE_MS 3000    /* how long "there is none" is remembered */
#define OCU_DNS_TRY_MS 1000         /* until the next nameserver is asked; doubled each round */
#define OCU_DNS_TRIES 2             /* rounds over all nameservers */
#define OCU_DNS_FDS(servers) (2 * (servers)) /* descriptors: UDP and TCP to each nameserver */

/* What is known of one family of a host. Borrowed by the callback. */
struct ocu_dns_answer {
	enum ocu_family family;
	size_t n;                            /* addresses; 0: see why */
	const struct sockaddr_storage *addrs; /* without a port */
	bool down;                           /* no nameserver gave an answer: nothing is known */
	struct ocu_err why;                  /* code OCU_OK if n is not 0 */
};

struct ocu_dns;
struct ocu_dns_query;

/* Called once per query, from the loop; the query is gone by then. <a> is NULL if it was cancelled.
 * It may start and cancel queries, but not free the resolver.
 */
typedef void ocu_dns_cb(void *arg, const struct ocu_dns_answer *a);

/* Makes a resolver that asks <nameservers>, "addr:port,[v6]:port" in order of preference; NULL or
 * "": none, then only "localhost" is known. Errors: OCU_DNS, OCU_NOMEM. *out is NULL on error.
 */
OCU_MUST enum ocu_status ocu_dns_new(struct ocu_dns **out, struct ev_loop *loop,
				     const char *nameservers, struct ocu_err *err);

/* Cancels every query, closes all sockets, frees <d> (may be NULL). */
void ocu_dns_free(struct ocu_dns *d);

/* Asks for the addresses of <host> (borrows; no address literal) in <family>, OCU_IPV4 or OCU_IPV6.
 * Answers of the cache, and questions that are already under way, are shared. Errors: OCU_NOMEM;
 * <cb> is then not called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_dns_start(struct ocu_dns_query **out, struct ocu_dns *d,
				       const char *host, enum ocu_family family, ocu_dns_cb *cb,
				       void *arg);

/* Ends <q>: its callback is called from here, with NULL. */
void ocu_dns_cancel(struct ocu_dns_query *q);

/* Appends the nameservers of the system's resolv.conf to <out> as "addr:port,[v6]:port"; nothing if
 * it names none or cannot be read. To be called before a chroot; before the loop thread runs.
 * Errors: OCU_DNS, OCU_NOMEM, OCU_TOO_BIG.
 */
OCU_MUST enum ocu_status ocu_dns_system_servers(struct ocu_buf *out, struct ocu_err *err);

/* Returns the version of c-ares that is linked, "1.18.1". Any thread. */
const char *ocu_dns_version(void);

#endif
