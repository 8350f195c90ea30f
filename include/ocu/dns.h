/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.h - host name to addresses, one question per family, with a cache. Asks one nameserver after
 * the other, each as long as its answer may still come; knows "localhost", the system's hosts file
 * and search list. How one nameserver is asked is ask.h's affair.
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
#define OCU_DNS_TRY_MS 1000         /* until the next nameserver is asked */
#define OCU_DNS_ROUNDS 3            /* over all nameservers, if nothing else is said */
#define OCU_DNS_LIMIT_MS 10000      /* of one question */
#define OCU_DNS_EDNS_BYTES 1232     /* UDP answers where resolv.conf asks for EDNS */
#define OCU_DNS_SOCKETS_MAX 64      /* at the same time, one for each question and nameserver */
#define OCU_DNS_FDS (OCU_DNS_SOCKETS_MAX + 1) /* descriptors; one for a file of the system */

/* Whom to ask, and how. Zero stands for the default. There are two modes, and this says which one
 * is in force: a HAProxy "resolvers" section is <nameservers>, and nothing of the system is looked
 * at; or <system> is true, and resolv.conf and the hosts file rule, as they do for other programs.
 */
struct ocu_dns_conf {
	bool system;
	const char *nameservers; /* "addr:port,tcp@addr:port,[v6%eth0]:port" in order of preference
				  * (ocu_resolv_list()); NULL or "": none. Not looked at in the mode
				  * of the system. */
	int etc;                 /* of that mode: the directory (ocu_etc_open()); keeps */
	int64_t try_ms;          /* "timeout retry": a nameserver that is silent for so long is not
				  * waited for alone; resolv.conf's "timeout", OCU_DNS_TRY_MS */
	unsigned rounds;         /* "resolve_retries": how often each nameserver is asked;
				  * resolv.conf's "attempts", OCU_DNS_ROUNDS */
	unsigned payload_bytes;  /* "accepted_payload_size", announced by EDNS; none, or
				  * OCU_DNS_EDNS_BYTES with resolv.conf's "edns0" */
	int64_t limit_ms;        /* a question ends so long after the last one began to wait for it;
				  * OCU_DNS_LIMIT_MS. Who asks should give his own time limit. */
};

/* What is known of one family of a host. Borrowed by the callback. */
struct ocu_dns_answer {
	enum ocu_family family;
	size_t n;                            /* addresses; 0: see why */
	const struct sockaddr_storage *addrs; /* without a port */
	bool down;                           /* no nameserver gave an answer: nothing is known */
	unsigned asked;                      /* nameservers that were asked; 0: none was needed,
					      * or there is none */
	struct ocu_err why;                  /* code OCU_OK if n is not 0 */
};

struct ocu_dns;
struct ocu_dns_query;

/* Called once per query, from the loop; the query is gone by then. <a> is NULL if it was cancelled.
 * It may start and cancel queries, but not free the resolver.
 */
typedef void ocu_dns_cb(void *arg, const struct ocu_dns_answer *a);

/* Makes a resolver as <conf> says (borrows). Errors: OCU_DNS, OCU_NOMEM. *out is NULL on error. */
OCU_MUST enum ocu_status ocu_dns_new(struct ocu_dns **out, struct ev_loop *loop,
				     const struct ocu_dns_conf *conf, struct ocu_err *err);

/* Cancels every query, closes all sockets, frees <d> (may be NULL). */
void ocu_dns_free(struct ocu_dns *d);

/* Asks for the addresses of <host> (borrows; no address literal) in <family>, OCU_IPV4 or OCU_IPV6.
 * Answers of the cache, and questions that are already under way, are shared. The first nameserver
 * is asked, after each try_ms of silence, or at once when one fails, the next, and so on for some
 * rounds; the first answer that can be used counts, whoever gives it. One that is asked stays so:
 * a slow nameserver is waited for until the caller cancels, or until limit_ms have gone by since
 * the last one asked the same. In the mode of the system, names of the hosts file are taken from
 * there, in both families, and names with fewer dots than "ndots" are looked for in the search
 * list, then as they are. Errors: OCU_NOMEM; <cb> is then not called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_dns_start(struct ocu_dns_query **out, struct ocu_dns *d,
				       const char *host, enum ocu_family family, ocu_dns_cb *cb,
				       void *arg);

/* Ends <q>: its callback is called from here, with NULL. */
void ocu_dns_cancel(struct ocu_dns_query *q);

/* How many nameservers were asked for <q>, which is under way, and none of them has answered: for
 * whoever cancels it because its own time is over, and has to say why.
 */
unsigned ocu_dns_asked(const struct ocu_dns_query *q);

/* Appends the nameservers of the system's resolv.conf to <out> as "addr:port,[v6]:port"; nothing if
 * it names none or cannot be read. To be called before a chroot; before the loop thread runs.
 * Errors: OCU_DNS, OCU_NOMEM, OCU_TOO_BIG.
 */
OCU_MUST enum ocu_status ocu_dns_system_servers(struct ocu_buf *out, struct ocu_err *err);

/* Returns the version of c-ares that is linked, "1.18.1". Any thread. */
const char *ocu_dns_version(void);

#endif
