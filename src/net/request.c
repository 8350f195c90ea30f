/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request.c - asks one URL's host for one HTTP response, over as many of its addresses as it takes.
 * Judges no status code, follows no redirect, and keeps no time of the whole.
 *
 * A request has up to OCU_REQUEST_WAYS_MAX ways, each a connection over which the same is asked,
 * and a search for the address of the next one. Both have an explicit state:
 *
 *     search:  IDLE -> DIAL (names and connections) -> IDLE, or DONE when no address is left
 *     way:     FREE -> [TUNNEL (CONNECT)] -> ASKING (TLS, request, status line, body) -> FREE
 *
 * A callback of an operation first brings these up to date and then calls exactly one of
 * request_end(), search_start() and settle(), or none.
 */
#include "ocu/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/dial.h"
#include "ocu/exchange.h"
#include "ocu/loop.h"

#define OCU_REQUEST_HEAD_MAX_BYTES 65536
#define OCU_REQUEST_USED_MAX 32

/* The question for one family of a host. */
struct lookup {
	struct ocu_request *r;
	enum ocu_family family;
	struct ocu_dns_query *query; /* NULL: not under way */
	struct ocu_err why;          /* code OCU_OK: it was not asked, or answered with addresses */
	bool down;                   /* that there is none is not known, since nobody answered */
};

enum way_state { WAY_FREE, WAY_TUNNEL, WAY_ASKING };

struct way {
	struct ocu_request *r;
	enum way_state state;
	bool reused;                 /* the connection was kept */
	bool silent;                 /* for OCU_REQUEST_SILENCE_MS */
	struct sockaddr_storage address;
	struct ocu_exchange *exchange;
};

enum search_state { SEARCH_IDLE, SEARCH_DIAL, SEARCH_DONE };

/* Something that went wrong, and how far it had come. */
struct failure {
	struct sockaddr_storage address;
	enum ocu_status st;          /* OCU_OK: there was none */
	enum ocu_status stage;
	bool local, closed, barred;
	int error, status;
	const char *cause;           /* borrowed */
};

struct ocu_request {
	const struct ocu_request_env *env;
	struct ocu_request_conf conf;
	struct ocu_peer *peer;       /* whose connections are kept */
	struct ocu_peer *origin;     /* who is connected to: the proxy, or the same */
	struct ocu_peer_watch watch; /* of <origin> */
	struct ocu_buf head;         /* the request as it is sent */
	struct ocu_buf connect;      /* CONNECT, if it is needed */
	bool ending;                 /* request_end() stops what is under way */
	bool cancelled;
	bool connected;              /* conf.connected was called */
	bool lacked;                 /* something on this side */
	enum search_state search;
	struct ocu_dial *dial;
	struct lookup lookups[2];    /* IPv4, IPv6 */
	struct sockaddr_storage used[OCU_REQUEST_USED_MAX]; /* not to be tried again */
	size_t n_used;
	enum ocu_family last;        /* of the way that was begun last; OCU_ANY: none was */
	struct way ways[OCU_REQUEST_WAYS_MAX];
	struct failure far;          /* the one that came farthest */
	char far_cause[OCU_ERR_BYTES];
	ev_timer step;               /* the first step */
	ev_timer silence;            /* no status line */
	ev_timer stale;              /* DNS keeps silent */
	ocu_request_cb *cb;
	void *arg;
};

static void search_start(struct ocu_request *r);

/* ---- addresses ---- */

bool ocu_request_is_local(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;

	if (ss->ss_family == AF_INET6)
		return ocu_addr_is_local(true, v6->sin6_addr.s6_addr);
	return ocu_addr_is_local(false, (const uint8_t *)&v4->sin_addr);
}

static bool is_public(const struct sockaddr_storage *ss)
{
	return !ocu_request_is_local(ss);
}

/* Leaves <ss> out from now on. Were there more than there is room for, one might be tried twice. */
static void use(struct ocu_request *r, const struct sockaddr_storage *ss)
{
	if (r->n_used < OCU_REQUEST_USED_MAX)
		r->used[r->n_used++] = *ss;
}

/* Whether the host of the URL is connected to, and not a proxy. */
static bool is_direct(const struct ocu_request *r)
{
	return !r->env->proxy_peer;
}

static bool is_tunnelled(const struct ocu_request *r)
{
	return !is_direct(r) && r->conf.url->https;
}

/* ---- failures ---- */

static int rank(const struct failure *f)
{
	if (f->status)
		return 5;
	switch (f->stage) {
	case OCU_HTTP:
		return 4;
	case OCU_TLS:
		return 3;
	case OCU_CONNECT:
		return 2;
	default:
		return 1;
	}
}

/* Something failed: tells, and keeps it if none came farther, since that says most of the host. */
static void failed(struct ocu_request *r, const struct failure *f)
{
	struct ocu_attempt a = { .address = f->address, .stage = f->stage, .error = f->error,
				 .status = f->status };
	int mine = f->local ? 0 : rank(f);

	r->lacked |= f->local;
	if (f->st == OCU_NOMEM)
		a.stage = OCU_NOMEM;
	snprintf(a.cause, sizeof(a.cause), "%s", f->cause);
	if (r->conf.failed)
		r->conf.failed(r->arg, &a);
	if (r->far.st != OCU_OK && mine < (r->far.local ? 0 : rank(&r->far)))
		return;
	r->far = *f;
	snprintf(r->far_cause, sizeof(r->far_cause), "%s", f->cause);
}

/* As failed(), for an address that may not be connected to; NULL: the proxy would have to. */
static void failed_barred(struct ocu_request *r, const struct sockaddr_storage *ss)
{
	struct failure f = { .st = OCU_CONNECT, .stage = OCU_CONNECT, .barred = true,
			     .cause = "not a public address" };

	if (ss)
		f.address = *ss;
	failed(r, &f);
}

/* As failed(), when it is this side that lacks something. */
static void failed_here(struct ocu_request *r, enum ocu_status st, enum ocu_status stage,
			const char *cause)
{
	failed(r, &(struct failure){ .st = st, .stage = stage, .local = true, .cause = cause });
}

/* ---- the end ---- */

static void lookups_stop(struct ocu_request *r)
{
	struct lookup *l;

	ocu_loop_timer_stop(r->env->loop, &r->stale);
	for (l = r->lookups; l < r->lookups + 2; l++) {
		if (l->query)
			ocu_dns_cancel(l->query);
	}
}

static void request_free(struct ocu_request *r)
{
	ocu_buf_fini(&r->head);
	ocu_buf_fini(&r->connect);
	free(r);
}

/* Fills <res> with what came farthest; that is nothing if it was cancelled before it began. */
static void result_fail(const struct ocu_request *r, struct ocu_request_result *res)
{
	const struct failure *far = &r->far;
	bool none = far->st == OCU_OK;

	res->st = r->cancelled ? OCU_CANCELLED : none ? OCU_CONNECT : far->st;
	res->stage = none ? OCU_DNS : far->stage;
	/* What was not tried for want of something may have been reached. */
	res->local = far->local || (r->lacked && rank(far) <= 2);
	res->closed = far->closed;
	res->barred = far->barred;
	res->status = far->status;
	res->address = far->address;
	(void)ocu_fail(&res->err, res->st, "%s", none ? "no address" : r->far_cause);
}

/* The end of every request. Its operations are stopped; their callbacks see that it is ending and
 * go on with nothing.
 */
static void request_end(struct ocu_request *r, struct ocu_request_result *res)
{
	ocu_request_cb *cb = r->cb;
	void *arg = r->arg;
	struct way *w;

	r->ending = true;
	ocu_peer_unwatch(r->origin, &r->watch);
	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		if (w->exchange && w->silent && res->http)
			ocu_peer_beaten(r->origin, &w->address);
		if (w->exchange)
			ocu_exchange_cancel(w->exchange);
	}
	if (r->dial)
		ocu_dial_cancel(r->dial);
	lookups_stop(r);
	ocu_loop_timer_stop(r->env->loop, &r->step);
	ocu_loop_timer_stop(r->env->loop, &r->silence);
	if (!res->http)
		result_fail(r, res);
	request_free(r);
	cb(arg, res);
}

/* Ends <r> when nothing is under way any more. */
static void settle(struct ocu_request *r)
{
	struct ocu_request_result res = { .http = NULL };
	struct way *w;

	if (r->search == SEARCH_DIAL)
		return;
	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		if (w->state != WAY_FREE)
			return;
	}
	request_end(r, &res);
}

/* ---- one connection ---- */

static void way_ask(struct way *w, struct ocu_stream *stream);

/* <w> is over without a response, after <res> if it had come to an exchange. */
static void way_failed(struct way *w, struct failure *f)
{
	struct ocu_request *r = w->r;

	w->state = WAY_FREE;
	f->address = w->address;
	/* Another one has won: that this one came to no end says nothing, unless it was silent. */
	if (r->ending && !r->cancelled && !w->silent)
		return;
	failed(r, f);
	if (r->ending)
		return;
	if (!f->local && !f->status) {
		ocu_peer_silent(r->origin, &w->address);
		search_start(r);
		return;
	}
	settle(r);
}

/* The stage that an exchange which is no CONNECT has come to. */
static enum ocu_status stage_of(enum ocu_exchange_stage stage)
{
	return stage == OCU_EXCHANGE_HANDSHAKE ? OCU_TLS : OCU_HTTP;
}

static void way_answered(struct way *w, struct ocu_exchange_result *x)
{
	struct ocu_request *r = w->r;
	unsigned max = r->peer == r->conf.peer ? r->env->idle_max : OCU_PEER_IDLE_MAX;
	struct ocu_request_result res = {
		.st = OCU_OK,
		.stage = OCU_HTTP,
		.status = x->http->status,
		.http = x->http,
		.address = w->address,
	};

	w->state = WAY_FREE;
	if (x->stream.fd >= 0)
		ocu_peer_put(r->env->pool, r->peer, max, &x->stream, &w->address);
	request_end(r, &res);
}

static void ask_cb(void *arg, struct ocu_exchange_result *x)
{
	struct way *w = arg;
	struct ocu_request *r = w->r;
	struct failure f = {
		.st = x->st,
		.stage = stage_of(x->stage),
		.local = x->st == OCU_NOMEM,
		.closed = x->closed && !x->http->status,
		.status = x->http->status,
		.cause = x->err.msg,
	};

	w->exchange = NULL;
	/* One that has lost the race does not go first the next time. */
	if (x->http->status && (!r->ending || r->cancelled))
		ocu_peer_answered(r->origin, &w->address);
	if (x->st == OCU_OK) {
		way_answered(w, x);
	} else if (w->reused && x->closed && !x->http->started) {
		/* The peer gave up the connection while it was idle: nothing is wrong with it. */
		w->state = WAY_FREE;
		r->last = OCU_ANY;
		search_start(r);
	} else {
		way_failed(w, &f);
	}
}

/* The proxy has answered CONNECT, or not. */
static void tunnel_cb(void *arg, struct ocu_exchange_result *x)
{
	struct way *w = arg;
	int status = x->http->status;
	/* With these it says that it could not connect either. */
	bool unreached = status == 502 || status == 503 || status == 504;
	char cause[OCU_ERR_BYTES];
	struct failure f = {
		.st = x->st == OCU_OK ? OCU_HTTP : x->st,
		.stage = status && !unreached ? OCU_HTTP : OCU_CONNECT,
		.local = x->st == OCU_NOMEM,
		.status = unreached ? 0 : status,
		.cause = cause,
	};

	w->exchange = NULL;
	if (x->stream.fd >= 0) {
		way_ask(w, &x->stream);
		return;
	}
	if (x->st == OCU_OK || unreached)
		snprintf(cause, sizeof(cause), "proxy: status %d", status);
	else
		snprintf(cause, sizeof(cause), "proxy: %.200s", x->err.msg);
	if (!status && f.st != OCU_NOMEM && f.st != OCU_CANCELLED)
		f.st = OCU_CONNECT;
	way_failed(w, &f);
}

/* Copies the bytes of <from>, to be sent. */
static enum ocu_status copy(struct ocu_buf *to, const struct ocu_buf *from)
{
	ocu_buf_init(to, from->max);
	return ocu_buf_add(to, from->data, from->len);
}

/* Puts TLS over <stream> (takes) if that is needed and not there, and asks over it. */
static void way_ask(struct way *w, struct ocu_stream *stream)
{
	struct ocu_request *r = w->r;
	enum ocu_status st = OCU_OK;
	struct ocu_err err;
	struct ocu_buf head;

	ocu_buf_init(&head, 0);
	w->state = WAY_ASKING;
	(void)ocu_fail(&err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	if (r->conf.url->https && !stream->ssl)
		st = ocu_stream_tls(stream, r->env->tls, r->conf.url, &err);
	if (st == OCU_OK)
		st = copy(&head, &r->head);
	if (st == OCU_OK)
		st = ocu_exchange_start(&w->exchange, r->env->loop, stream, &head, ask_cb, w);
	if (st == OCU_OK)
		return;
	ocu_stream_fini(stream);
	ocu_buf_fini(&head);
	way_failed(w, &(struct failure){ .st = st, .stage = r->conf.url->https ? OCU_TLS : OCU_HTTP,
					 .local = true, .cause = err.msg });
}

/* Asks the proxy to connect <stream> (takes) to the host. */
static void way_tunnel(struct way *w, struct ocu_stream *stream)
{
	struct ocu_request *r = w->r;
	struct ocu_buf head;
	enum ocu_status st;

	w->state = WAY_TUNNEL;
	st = copy(&head, &r->connect);
	if (st == OCU_OK)
		st = ocu_exchange_tunnel_start(&w->exchange, r->env->loop, stream, &head, tunnel_cb,
					       w);
	if (st == OCU_OK)
		return;
	ocu_stream_fini(stream);
	ocu_buf_fini(&head);
	way_failed(w, &(struct failure){ .st = st, .stage = OCU_CONNECT, .local = true,
					 .cause = ocu_text(st) });
}

/* Begins a way over <stream> (takes), connected to <address>; there is one that is free. */
static void way_begin(struct ocu_request *r, struct ocu_stream *stream,
		      const struct sockaddr_storage *address, bool reused)
{
	struct way *w = r->ways;

	while (w->state != WAY_FREE)
		w++;
	w->address = *address;
	w->reused = reused;
	w->silent = false;
	r->last = address->ss_family == AF_INET6 ? OCU_IPV6 : OCU_IPV4;
	/* What was kept may have broken: a new connection to the same address is another way. */
	if (!reused)
		use(r, address);
	ocu_loop_timer_start(r->env->loop, &r->silence, OCU_REQUEST_SILENCE_MS);
	if (!r->connected && r->conf.connected) {
		r->connected = true;
		r->conf.connected(r->arg);
	}
	if (is_tunnelled(r) && !stream->ssl)
		way_tunnel(w, stream);
	else
		way_ask(w, stream);
}

/* Whether <w> waits for a status line; what CONNECT is answered is none. */
static bool is_unanswered(const struct way *w)
{
	return w->state == WAY_TUNNEL || (w->state == WAY_ASKING && w->exchange &&
	       ocu_exchange_stage(w->exchange) != OCU_EXCHANGE_ANSWER);
}

bool ocu_request_answered(const struct ocu_request *r)
{
	const struct way *w;

	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		if (w->state == WAY_ASKING && !is_unanswered(w))
			return true;
	}
	return false;
}

int64_t ocu_request_sent_ms(const struct ocu_request *r)
{
	int64_t first = 0, ms;
	const struct way *w;

	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		ms = w->state == WAY_ASKING && w->exchange ? ocu_exchange_sent_ms(w->exchange) : 0;
		if (ms && (!first || ms < first))
			first = ms;
	}
	return first;
}

/* No status line for a while: whoever is asked beside these is asked over another address first. */
static void silence_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct ocu_request *r = timer->data;
	struct way *w;

	(void)loop;
	(void)revents;
	if (ocu_request_answered(r))
		return;
	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		if (!is_unanswered(w) || w->silent)
			continue;
		w->silent = true;
		ocu_peer_silent(r->origin, &w->address);
		if (w->reused)
			ocu_peer_drop(r->peer, &w->address);
	}
	search_start(r);
}

/* Another request was answered by another address while <address> was silent: who is asked there
 * is not waited for any longer.
 */
static void beaten_cb(struct ocu_peer_watch *watch, const struct sockaddr_storage *address)
{
	struct ocu_request *r = OCU_OWNER(watch, struct ocu_request, watch);
	const struct way *w;

	if (ocu_request_answered(r))
		return;
	for (w = r->ways; w < r->ways + OCU_REQUEST_WAYS_MAX; w++) {
		if (is_unanswered(w) && ocu_dial_same_host(&w->address, address)) {
			search_start(r);
			return;
		}
	}
}

/* ---- the search for the next address ---- */

/* Notes the addresses that were not connected, and leaves them out from now on. */
static void dial_failures(struct ocu_request *r, const struct ocu_dial_result *res)
{
	char text[OCU_ERRNO_BYTES];
	struct failure f = { .st = OCU_CONNECT, .stage = OCU_CONNECT, .local = res->starved };
	size_t i;

	for (i = 0; i < res->n_failed; i++) {
		f.address = res->failed[i].peer;
		f.error = res->failed[i].error;
		f.cause = text;
		ocu_errno_text(f.error, text);
		if (f.error == EINPROGRESS)
			snprintf(text, sizeof(text), "no answer");
		else if (f.error == ETIMEDOUT)
			snprintf(text, sizeof(text), "no answer in %lld ms",
				 (long long)r->env->connect_ms);
		use(r, &f.address);
		failed(r, &f);
	}
}

/* No address was connected: says what the lookups said. If some were <tried>, that a family has no
 * address is no failure.
 */
static void dns_failures(struct ocu_request *r, bool tried)
{
	const struct ocu_err *v4 = &r->lookups[0].why, *v6 = &r->lookups[1].why;
	struct failure f = { .stage = OCU_DNS };
	struct ocu_err both;
	const struct lookup *l;

	for (l = r->lookups; l < r->lookups + 2; l++) {
		if (l->why.code == OCU_OK || (tried && !l->down))
			continue;
		f.st = l->why.code;
		f.local = l->why.code == OCU_NOMEM;
		f.cause = l->why.msg;
		failed(r, &f);
	}
	if (r->far.stage != OCU_DNS || v4->code == OCU_OK || v6->code == OCU_OK ||
	    v4->code != v6->code || strcmp(v4->msg, v6->msg) == 0)
		return;
	(void)ocu_fail(&both, OCU_DNS, "%.120s; %.120s", v6->msg, v4->msg);
	snprintf(r->far_cause, sizeof(r->far_cause), "%s", both.msg);
}

/* The dial is over without a connection, or was cancelled. */
static void dial_failed(struct ocu_request *r, const struct ocu_dial_result *res)
{
	bool waiting = r->lookups[0].query || r->lookups[1].query;

	if (r->ending && !r->cancelled)
		return;
	if (r->ending && !res->tried && waiting)
		failed(r, &(struct failure){ .st = OCU_DNS, .stage = OCU_DNS,
					     .cause = "no answer from DNS" });
	if (!r->ending && r->last == OCU_ANY)
		dns_failures(r, res->tried > 0);
	if (!r->ending && r->last == OCU_ANY && res->tried && !res->starved)
		ocu_peer_unreachable(r->origin);
}

static void dial_cb(void *arg, const struct ocu_dial_result *res)
{
	struct ocu_request *r = arg;
	struct ocu_stream stream = { .fd = res->fd };

	r->dial = NULL;
	if (!r->ending || r->cancelled)
		dial_failures(r, res);
	if (res->st != OCU_OK)
		dial_failed(r, res);
	if (r->ending)
		return;
	lookups_stop(r);
	if (res->st == OCU_OK) {
		r->search = SEARCH_IDLE;
		way_begin(r, &stream, &res->peer, false);
	} else {
		r->search = SEARCH_DONE;
		settle(r);
	}
}

/* Hands <addrs> to the dial, but for those that may not be connected to. */
static void offer(struct ocu_request *r, enum ocu_family family,
		  const struct sockaddr_storage *addrs, size_t n, bool last)
{
	bool all = !r->conf.only_public || !is_direct(r);
	size_t i;

	for (i = 0; i < n; i++) {
		if (all || is_public(&addrs[i]))
			ocu_dial_add(r->dial, family, &addrs[i], 1, false);
		else
			failed_barred(r, &addrs[i]);
	}
	if (last)
		ocu_dial_add(r->dial, family, NULL, 0, true);
}

static void dns_cb(void *arg, const struct ocu_dns_answer *a)
{
	struct lookup *l = arg;
	struct ocu_request *r = l->r;
	struct sockaddr_storage last;

	l->query = NULL;
	if (!a || !r->dial)
		return;
	l->why = a->why;
	l->down = a->down;
	if (a->n)
		offer(r, l->family, a->addrs, a->n, true);
	else if (a->down && ocu_peer_last(r->origin, l->family, &last))
		offer(r, l->family, &last, 1, true);
	else
		offer(r, l->family, NULL, 0, true);
}

/* DNS takes its time: what worked last need not wait for it. */
static void stale_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct ocu_request *r = timer->data;
	struct sockaddr_storage last;
	struct lookup *l;

	(void)loop;
	(void)revents;
	for (l = r->lookups; l < r->lookups + 2; l++) {
		if (l->query && r->dial && ocu_peer_last(r->origin, l->family, &last))
			offer(r, l->family, &last, 1, false);
	}
}

/* Asks for both families of <host>; the answers are handed to the dial as they come. */
static void lookups_start(struct ocu_request *r, const char *host)
{
	enum ocu_family only = is_direct(r) ? r->env->only : OCU_ANY;
	enum ocu_status st;
	struct lookup *l;

	for (l = r->lookups; l < r->lookups + 2; l++) {
		l->why.code = OCU_OK;
		l->down = false;
		if (only != OCU_ANY && only != l->family) {
			offer(r, l->family, NULL, 0, true);
			continue;
		}
		st = ocu_dns_start(&l->query, r->env->dns, host, l->family, dns_cb, l);
		if (st == OCU_OK)
			continue;
		(void)ocu_fail(&l->why, st, "%s", ocu_text(st));
		l->down = true;
		offer(r, l->family, NULL, 0, true);
	}
	ocu_loop_timer_start(r->env->loop, &r->stale, OCU_REQUEST_STALE_MS);
}

/* Hands the only address there is to the dial. */
static void address_add(struct ocu_request *r, const struct sockaddr_storage *ss)
{
	bool v6 = ss->ss_family == AF_INET6;
	enum ocu_family family = v6 ? OCU_IPV6 : OCU_IPV4, only = is_direct(r) ? r->env->only :
									     OCU_ANY;

	if (only == OCU_ANY || only == family)
		offer(r, family, ss, 1, true);
	else
		failed(r, &(struct failure){ .st = OCU_CONNECT, .stage = OCU_CONNECT,
					     .address = *ss, .cause = v6 ? "not an IPv4 address" :
					     "not an IPv6 address" });
	if (only != OCU_ANY && only != family)
		offer(r, family, NULL, 0, true);
	offer(r, v6 ? OCU_IPV4 : OCU_IPV6, NULL, 0, true);
}

/* Turns the host of a URL that is an address into one. */
static void literal_address(const char *host, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (ss->ss_family == AF_INET6)
		(void)inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)ss)->sin6_addr);
	else
		(void)inet_pton(AF_INET, host, &((struct sockaddr_in *)ss)->sin_addr);
}

static uint16_t port_of(const struct sockaddr_storage *ss)
{
	return ntohs(ss->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)ss)->sin6_port :
						 ((const struct sockaddr_in *)ss)->sin_port);
}

/* Hands the host, or the proxy, to the dial. */
static void target_add(struct ocu_request *r)
{
	const struct ocu_request_env *env = r->env;
	struct sockaddr_storage ss;

	if (!is_direct(r) && env->proxy.ss_family) {
		address_add(r, &env->proxy);
	} else if (!is_direct(r)) {
		lookups_start(r, env->proxy_host);
	} else if (r->conf.url->literal) {
		literal_address(r->conf.url->host, &ss);
		address_add(r, &ss);
	} else {
		lookups_start(r, r->conf.url->host);
	}
}

/* How many more may be asked at once. */
static size_t ways_free(const struct ocu_request *r)
{
	size_t i, n = 0;

	for (i = 0; i < OCU_REQUEST_WAYS_MAX; i++)
		n += r->ways[i].state == WAY_FREE;
	return n;
}

/* Begins to look for an address that was not used yet, unless that is under way or of no use. */
static void search_start(struct ocu_request *r)
{
	const struct ocu_request_env *env = r->env;
	struct ocu_dial_conf conf = {
		.prefer = env->prefer,
		.connect_ms = env->connect_ms,
		.port = r->conf.url->port,
		.avoid = r->used,
		.n_avoid = r->n_used,
	};

	if (r->ending || r->search == SEARCH_DIAL)
		return;
	if (r->search == SEARCH_DONE || !ways_free(r)) {
		settle(r);
		return;
	}
	if (!is_direct(r))
		conf.port = env->proxy.ss_family ? port_of(&env->proxy) : env->proxy_port;
	ocu_peer_first(r->origin, &conf.prefer, &conf.worked);
	if (r->last != OCU_ANY) {
		conf.prefer = r->last == OCU_IPV6 ? OCU_IPV4 : OCU_IPV6;
		conf.worked.ss_family = 0;
		(void)ocu_peer_last(r->origin, conf.prefer, &conf.worked);
	}
	if (ocu_dial_start(&r->dial, env->loop, &conf, dial_cb, r) != OCU_OK) {
		r->search = SEARCH_DONE;
		failed_here(r, OCU_NOMEM, OCU_CONNECT, ocu_text(OCU_NOMEM));
		settle(r);
		return;
	}
	r->search = SEARCH_DIAL;
	target_add(r);
}

/* ---- the beginning ---- */

static void step_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct ocu_request *r = timer->data;
	bool choosy = r->conf.only_public && is_direct(r);
	struct ocu_stream stream = OCU_STREAM_NONE;
	struct sockaddr_storage address;

	(void)loop;
	(void)revents;
	if (r->conf.url->https && !r->env->tls) {
		failed_here(r, OCU_TLS, OCU_TLS, "TLS is not set up");
		settle(r);
	} else if (r->conf.only_public && !is_direct(r) && ocu_url_is_local(r->conf.url)) {
		failed_barred(r, NULL);
		settle(r);
	} else if (ocu_peer_get(r->peer, choosy ? is_public : NULL, &stream, &address)) {
		way_begin(r, &stream, &address, true);
	} else {
		search_start(r);
	}
}

/* Appends what is sent to r->head, and CONNECT to r->connect. */
static enum ocu_status heads_build(struct ocu_request *r)
{
	const struct ocu_request_env *env = r->env;
	struct ocu_http_request http = r->conf.http;
	char authority[OCU_URL_AUTHORITY_BYTES];
	struct ocu_buf target;
	enum ocu_status st = OCU_OK;

	ocu_url_authority(r->conf.url, authority);
	ocu_buf_init(&target, OCU_REQUEST_HEAD_MAX_BYTES);
	http.host = authority;
	if (!is_direct(r) && !is_tunnelled(r)) {
		st = ocu_buf_addf(&target, "http://%s", authority);
		if (st == OCU_OK)
			st = ocu_buf_add(&target, http.target, http.target_len);
		http.target = (const char *)target.data;
		http.target_len = target.len;
		http.proxy_auth = env->proxy_auth;
	}
	if (st == OCU_OK)
		st = ocu_http_request(&r->head, &http);
	ocu_url_responder(r->conf.url, authority);
	if (st == OCU_OK && is_tunnelled(r))
		st = ocu_http_connect(&r->connect, authority, env->proxy_auth);
	ocu_buf_fini(&target);
	return st;
}

enum ocu_status ocu_request_start(struct ocu_request **out, const struct ocu_request_env *env,
				  const struct ocu_request_conf *conf, ocu_request_cb *cb,
				  void *arg)
{
	struct ocu_request *r = calloc(1, sizeof(*r));
	enum ocu_status st;
	size_t i;

	*out = NULL;
	if (!r)
		return OCU_NOMEM;
	r->env = env;
	r->conf = *conf;
	r->cb = cb;
	r->arg = arg;
	r->origin = env->proxy_peer ? env->proxy_peer : conf->peer;
	r->peer = is_tunnelled(r) ? conf->peer : r->origin;
	for (i = 0; i < OCU_REQUEST_WAYS_MAX; i++)
		r->ways[i].r = r;
	for (i = 0; i < 2; i++) {
		r->lookups[i].r = r;
		r->lookups[i].family = i ? OCU_IPV6 : OCU_IPV4;
	}
	ocu_loop_timer_init(&r->step, step_cb, r);
	ocu_loop_timer_init(&r->silence, silence_cb, r);
	ocu_loop_timer_init(&r->stale, stale_cb, r);
	ocu_buf_init(&r->head, OCU_REQUEST_HEAD_MAX_BYTES);
	ocu_buf_init(&r->connect, OCU_REQUEST_HEAD_MAX_BYTES);
	st = heads_build(r);
	if (st != OCU_OK) {
		request_free(r);
		return st;
	}
	r->watch.beaten = beaten_cb;
	ocu_peer_watch(r->origin, &r->watch);
	ocu_loop_timer_start(env->loop, &r->step, 0);
	*out = r;
	return OCU_OK;
}

void ocu_request_cancel(struct ocu_request *r)
{
	struct ocu_request_result res = { .http = NULL };

	r->cancelled = true;
	request_end(r, &res);
}
