/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fetch.h - one response for one certificate from one responder: one or a few HTTP requests to one
 * URL, as GET, as POST, past a cache, until a response was verified or it is clear that none comes.
 * Decides nothing about when, how many at once, or which URI is next (plan does).
 */
#ifndef OCU_FETCH_H
#define OCU_FETCH_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/dns.h"
#include "ocu/happy.h"
#include "ocu/held.h"
#include "ocu/http.h"
#include "ocu/ocsp.h"
#include "ocu/peer.h"
#include "ocu/plan.h"
#include "ocu/request.h"
#include "ocu/stream.h"
#include "ocu/url.h"

#define OCU_FETCH_STALLS_MS 500          /* begun, and no connection for so long: it stalls */
#define OCU_FETCH_HANDSHAKE_MS 1000      /* connected, and not sent for so long: it hangs */
#define OCU_FETCH_ATTEMPTS_MAX 8         /* failures that are told, the last one among them */
#define OCU_FETCH_VERSIONS_BYTES 64

/* Descriptors that <n> fetches at the same time use: a connection each and another one that races
 * with it or is idle, two questions for a name, and those of the loop. In a storm there may be more
 * for a moment; a fetch for which there is none ends with an error of its own.
 */
#define OCU_FETCH_FDS(n) (2 * (n) + 12)

/* How to fetch. Copied by ocu_fetcher_new(), strings included; what dns.h keeps it keeps. */
struct ocu_fetch_conf {
	enum ocu_family prefer;         /* the family that goes first; OCU_ANY means OCU_IPV6 */
	enum ocu_family only;           /* OCU_ANY, or the only family that is used */
	int64_t connect_ms;             /* longest wait for one address */
	struct ocu_dns_conf dns;
	struct sockaddr_storage proxy;  /* with port; ss_family 0: none, or by name */
	const char *proxy_host;         /* NULL: none, or by address */
	uint16_t proxy_port;            /* of proxy_host */
	const char *proxy_auth;         /* value of Proxy-Authorization; NULL: none */
	SSL_CTX *tls;                   /* keeps; for https; NULL: that fails */
	unsigned idle_max;              /* idle connections kept for one responder: as many as
					 * it may be sent requests at once */
};

/* One fetch. The caller owns it and fills the first part; it may not move or be freed between
 * ocu_fetch_start() and done(). The second part is valid from done() on and is the caller's.
 */
struct ocu_fetch {
	/* in */
	X509 *cert, *issuer;            /* keeps */
	const struct ocu_url *url;      /* keeps */
	struct ocu_peer *peer;          /* keeps; of the responder of <url> */
	bool redirected;                /* <url> is the target of a redirect: it is used as it is */
	bool post;                      /* begin with POST; that a responder knows nothing else is
					 * remembered in <peer> */
	bool only_public;               /* addresses that are local are not connected to: where
					 * there are no others it ends BROKEN */
	struct ocu_held held;           /* what is held; all zero: nothing */
	const char *etag, *last_modified; /* keeps; of it and of this URL; NULL or "": none */
	int64_t limit_ms;               /* it ends after so long, with what was seen by then */
	int64_t silence_ms;             /* it ends when so long after it was connected no
					 * status line is there; 0: only limit_ms counts */
	int64_t hangs_ms;               /* a request was sent, and no status line for so long: it
					 * hangs; above 0 unless hangs() is NULL */
	void (*hangs)(struct ocu_fetch *f); /* may be NULL; called from the loop when it does so,
					 * and after each hangs_ms more; may cancel it */
	void (*stalls)(struct ocu_fetch *f); /* likewise, but once, when it has no connection
					 * OCU_FETCH_STALLS_MS after its start */
	void (*done)(struct ocu_fetch *f);  /* called once, from the loop, last access */

	/* out */
	enum ocu_end end;
	bool timed_out;                 /* SILENT, UNREACHED, BROKEN: limit_ms or silence_ms ended
					 * it, and not what the other side did or DNS said */
	struct ocu_err err;             /* code OCU_OK if NEW or CURRENT. Else the stage at which it
					 * failed, and the cause alone: no address, no URL */
	struct ocu_buf der;             /* NEW: the response; ocu_buf_fini() by the caller always */
	struct ocu_held fresh;          /* NEW: what is known of it */
	bool not_modified;              /* CURRENT: by a 304 */
	struct ocu_http_validators validators; /* of the response that is held now: NEW, or CURRENT
					 * by the same bytes; "" if there is none */
	int64_t max_age_s;              /* NEW, CURRENT: how long caches take it for fresh; -1: not
					 * said */
	int64_t retry_after_s;          /* PAUSE: what Retry-After says; -1: nothing */
	int http_status;                /* last one seen, 0: none */
	struct sockaddr_storage address; /* last peer; ss_family 0: none */
	bool local;                     /* that one, or behind a proxy <url>, is loopback,
					 * link-local or private */
	struct ocu_url location;        /* MOVED: where to */
	bool location_post;             /* by POST */
	struct ocu_attempt attempts[OCU_FETCH_ATTEMPTS_MAX]; /* each failure, in order */
	size_t n_attempts;

	/* private */
	void *run;
	struct ocu_fetch *next;
};

struct ocu_fetcher;

/* Makes what fetches share: the resolver with its cache, the limit of idle connections, the proxy.
 * Loop thread. Errors: OCU_DNS, OCU_NOMEM; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_fetcher_new(struct ocu_fetcher **out, struct ev_loop *loop,
					 const struct ocu_fetch_conf *conf, struct ocu_err *err);

/* Ends every fetch that is under way with OCU_END_CANCELLED (done() is called from here and may not
 * start another), closes the idle connections of all peers, frees <fr> (may be NULL). Loop thread,
 * not from inside done() or hangs().
 */
void ocu_fetcher_free(struct ocu_fetcher *fr);

/* Starts <f> (keeps). Cannot fail: what goes wrong is said when done() is called, never before this
 * returns. Loop thread.
 */
void ocu_fetch_start(struct ocu_fetcher *fr, struct ocu_fetch *f);

/* Ends <f> with OCU_END_CANCELLED: done() is called from the loop, once, not from here. Nothing
 * happens if it has completed already. Loop thread.
 */
void ocu_fetch_cancel(struct ocu_fetch *f);

/* Writes the versions of the libraries into <out>: "c-ares 1.18.1, libev 4.33". Any thread. */
void ocu_fetch_versions(char out[static OCU_FETCH_VERSIONS_BYTES]);

#endif
