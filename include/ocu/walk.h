/* SPDX-License-Identifier: GPL-2.0-or-later */
/* walk.h - one response for one certificate: over its URIs, redirects and both methods, until one
 * was verified or none is left. Decides nothing about when, or how many at once (update does).
 */
#ifndef OCU_WALK_H
#define OCU_WALK_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/dns.h"
#include "ocu/happy.h"
#include "ocu/http.h"
#include "ocu/ocsp.h"
#include "ocu/pool.h"
#include "ocu/stream.h"
#include "ocu/url.h"

#define OCU_WALK_REDIRECTS_MAX 3
#define OCU_WALK_TRACE_BYTES 1024
#define OCU_WALK_SHARE_MS 1000 /* a URI gets at least this much of the time that is left */
#define OCU_WALK_STALE_MS 1800 /* DNS that keeps silent for so long: what worked last is tried */

/* Descriptors that <n> fetches at the same time may use, those of the loop included. */
#define OCU_WALK_FDS(n)                                                                           \
	((n) * OCU_HAPPY_RUNNING_MAX + OCU_POOL_MAX + OCU_DNS_FDS + 8)

/* What was learnt of the responder of one URI. */
enum ocu_reach {
	OCU_REACH_UNTRIED,
	OCU_REACH_UP,   /* it answered, whatever it said */
	OCU_REACH_DOWN, /* no HTTP status line came: its name did not resolve, nothing could be
			 * connected, TLS failed, it kept silent or spoke something else */
};

/* How to fetch; copied by ocu_walker_new(). */
struct ocu_walk_conf {
	enum ocu_family prefer;  /* the family that goes first; OCU_ANY means OCU_IPV6 */
	enum ocu_family only;    /* OCU_ANY, or the only family that is used */
	int64_t timeout_ms;      /* ocsp-update.timeout: one fetch, everything included */
	int64_t connect_ms;      /* httpclient.timeout.connect: one address */
	const char *nameservers; /* "addr:port,[v6]:port"; NULL or "": names cannot be resolved */
	struct sockaddr_storage proxy; /* ocsp-update.httpproxy; ss_family 0: none */
	SSL_CTX *tls;            /* keeps; for https (ocu_stream_ctx_new()); NULL: https fails */
};

/* One fetch. The caller owns it and fills the first part; it may not move or be freed between
 * ocu_walk_start() and done(). The second part is valid from done() on and is the caller's.
 */
struct ocu_walk {
	/* in */
	X509 *cert;                       /* keeps */
	X509 *issuer;                     /* keeps */
	const struct ocu_url *uris;       /* keeps; in the order of the certificate */
	size_t n_uris;                    /* 1 to OCU_OCSP_URIS_MAX */
	size_t first;                     /* index of the URI to begin with, then all others in
					   * their order */
	int64_t held_this_update;         /* of the held response, 0 if none: older is refused */
	struct ocu_http_validators validators; /* in: of the held response; out: of the new one,
						* unchanged if there is none */
	size_t validators_uri;            /* index of the URI they are from: only it is sent them */
	void (*done)(struct ocu_walk *f);     /* called once, on the loop thread, last access */

	/* out */
	struct ocu_err err;                      /* code OCU_OK: der and ocsp hold the response,
						  * unless not_modified; else the reason of the
						  * last URI */
	bool not_modified;                       /* 304: the held response is current */
	struct ocu_buf der;                      /* fini'd by the caller in every case */
	struct ocu_ocsp ocsp;
	enum ocu_reach reach[OCU_OCSP_URIS_MAX]; /* per URI */
	size_t uri;                              /* index of the URI that err or der is from */
	int http_status;                         /* last one seen, 0 if none */
	char address[64];                        /* last peer, "192.0.2.1:80", "" if none */
	char trace[OCU_WALK_TRACE_BYTES];       /* every failed attempt and why, one a line; like
						  * err.msg but for the line feeds */

	/* private */
	void *run;
	struct ocu_walk *next;
};

struct ocu_walker;

/* Makes what fetches share: the resolver with its cache, the connections that are kept alive, what
 * worked last for each host. Loop thread. Errors: OCU_DNS, OCU_NOMEM; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_walker_new(struct ocu_walker **out, struct ev_loop *loop,
					 const struct ocu_walk_conf *conf, struct ocu_err *err);

/* Ends every fetch that is under way with OCU_CANCELLED (done() is called from here and may not
 * start another), closes all connections, frees <fr> (may be NULL). Loop thread, not from inside
 * done().
 */
void ocu_walker_free(struct ocu_walker *fr);

/* Starts <f> (keeps). Cannot fail: what goes wrong is in err when done() is called, never before
 * this returns. Loop thread.
 */
void ocu_walk_start(struct ocu_walker *fr, struct ocu_walk *f);

/* Ends <f> with OCU_CANCELLED: done() is called from the loop, once, not from here. Nothing happens
 * if it has completed already. Loop thread.
 */
void ocu_walk_cancel(struct ocu_walk *f);

/* Returns the versions of the libraries for `haproxy -vv`: "c-ares 1.18.1, libev 4.33". */
const char *ocu_walk_versions(void);

#endif
