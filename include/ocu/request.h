/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request.h - one HTTP request to one URL, over as many of its host's addresses as it takes: a
 * connection that was kept, or names, addresses, the proxy, TLS, and the next address when one
 * keeps silent. Judges no status code, follows no redirect, and keeps no time of the whole.
 */
#ifndef OCU_REQUEST_H
#define OCU_REQUEST_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/dns.h"
#include "ocu/happy.h"
#include "ocu/http.h"
#include "ocu/peer.h"
#include "ocu/stream.h"
#include "ocu/url.h"

#define OCU_REQUEST_WAYS_MAX 4       /* connections over which the same is asked at once */
#define OCU_REQUEST_SILENCE_MS 2000  /* without a status line: the next address is asked as well */
#define OCU_REQUEST_STALE_MS 1800    /* DNS keeps silent for so long: what worked last is tried */
#define OCU_REQUEST_FDS (OCU_REQUEST_WAYS_MAX - 1 + OCU_HAPPY_RUNNING_MAX)
#define OCU_ATTEMPT_CAUSE_BYTES 96

/* An address, or a name, that failed. */
struct ocu_attempt {
	struct sockaddr_storage address;     /* ss_family 0: none, DNS */
	enum ocu_status stage;               /* OCU_DNS, OCU_CONNECT, OCU_TLS, OCU_HTTP; OCU_NOMEM;
					      * what is wrong with a whole response */
	int error;                           /* of OCU_CONNECT: its errno, 0 if there is none */
	int status;                          /* HTTP status that came, 0: none */
	char cause[OCU_ATTEMPT_CAUSE_BYTES]; /* in words, without the address; as ocu_err.msg */
};

/* What all requests share. The caller keeps it as it is while there are any. */
struct ocu_request_env {
	struct ev_loop *loop;
	struct ocu_dns *dns;
	struct ocu_peer_pool *pool;
	unsigned idle_max;             /* idle connections kept for one responder */
	enum ocu_family prefer;        /* the family that goes first: OCU_IPV4 or OCU_IPV6 */
	enum ocu_family only;          /* OCU_ANY, or the only one used; not for the proxy */
	int64_t connect_ms;            /* longest wait for one address */
	SSL_CTX *tls;                  /* for https; NULL: https fails */
	struct ocu_peer *proxy_peer;   /* NULL: no proxy */
	struct sockaddr_storage proxy; /* its address with port; ss_family 0: by name */
	const char *proxy_host;
	uint16_t proxy_port;
	const char *proxy_auth;        /* value of Proxy-Authorization; NULL: none */
};

/* What is asked, of whom. */
struct ocu_request_conf {
	const struct ocu_url *url;     /* keeps; whose scheme, host and port count */
	struct ocu_peer *peer;         /* keeps; of that responder */
	struct ocu_http_request http;  /* borrows; <target> in origin-form; <host> and <proxy_auth>
					* are filled in */
	bool only_public;              /* addresses that are ocu_request_is_local() are left out;
					* behind a proxy, URLs that are ocu_url_is_local() */
	void (*connected)(void *arg);  /* may be NULL: called once, from the loop, when there is a
					* connection to ask over */
	void (*failed)(void *arg, const struct ocu_attempt *a); /* may be NULL: of each that
					* failed, while the request goes on or right before its
					* end */
};

/* How it ended. Borrowed by the callback. */
struct ocu_request_result {
	enum ocu_status st;            /* OCU_OK: <http> is a whole response. OCU_CANCELLED. Else
					* of the address that came farthest: OCU_DNS, OCU_CONNECT,
					* OCU_TLS, OCU_HTTP, OCU_TOO_BIG, OCU_NOMEM */
	enum ocu_status stage;         /* how far it came: OCU_DNS, OCU_CONNECT (CONNECT to a proxy
					* included), OCU_TLS, OCU_HTTP */
	struct ocu_err err;            /* the cause, without address and URL; unset if OCU_OK */
	bool local;                    /* it failed for want of something on this side */
	bool barred;                   /* there were but addresses that only_public leaves out */
	bool closed;                   /* the peer closed or reset before a status line */
	int status;                    /* HTTP status line that came, 0: none */
	struct ocu_http *http;         /* if OCU_OK, else NULL */
	struct sockaddr_storage address; /* that answered, or came farthest; ss_family 0: none */
};

struct ocu_request;

/* Called once, from the loop or from ocu_request_cancel(); the request is gone by then. */
typedef void ocu_request_cb(void *arg, const struct ocu_request_result *r);

/* Starts a request. A connection that was kept is used if there is one; if it breaks before a byte
 * came, a new one takes its place and nobody is told. Otherwise the addresses race (dial.h). One
 * over which TLS fails, or that is closed or speaks nonsense before a status line, makes room for
 * the next; one that is silent for OCU_REQUEST_SILENCE_MS goes on while the next is asked as well,
 * of the other family first. So it is at once when another request of the peer finds an address
 * silent and the next one answering. The first whole response ends it. Errors: OCU_NOMEM,
 * OCU_TOO_BIG; <cb> is then not called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_request_start(struct ocu_request **out,
					   const struct ocu_request_env *env,
					   const struct ocu_request_conf *conf, ocu_request_cb *cb,
					   void *arg);

/* Returns when the request was first sent as a whole, on the clock of ocu_now_ms(); 0: not yet. */
int64_t ocu_request_sent_ms(const struct ocu_request *r);

/* Whether a status line has come. */
bool ocu_request_answered(const struct ocu_request *r);

/* Closes all, calls the callback from here with OCU_CANCELLED; the rest of the result says how far
 * it came, as if it had failed.
 */
void ocu_request_cancel(struct ocu_request *r);

/* Whether <ss> is an address that a redirect from elsewhere may not lead to, as
 * ocu_addr_is_local() says.
 */
bool ocu_request_is_local(const struct sockaddr_storage *ss);

#endif
