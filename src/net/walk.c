/* SPDX-License-Identifier: GPL-2.0-or-later */
/* walk.c - gets one verified response for one certificate: over its URIs, redirects and both
 * methods. Decides nothing about when, or how many at once.
 *
 * One fetch is a chain of operations, at most one kind of which is under way: lookups and a dial,
 * or an exchange. Every step begins in a callback of the loop and may be the last one: a function
 * that starts a step, or fails one, is the last thing its caller does.
 */
#include "ocu/walk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ocu/dial.h"
#include "ocu/exchange.h"
#include "ocu/hosts.h"

#define OCU_WALK_REASONS_BYTES 1024
#define OCU_WALK_REQUEST_MAX_BYTES 8192
#define OCU_WALK_HEAD_MAX_BYTES 65536 /* of an HTTP request */
#define OCU_WALK_TARGET_MAX_BYTES (OCU_URL_MAX_BYTES + OCU_URL_AUTHORITY_BYTES + 16)

struct run;

/* The question for one family of a host. */
struct lookup {
	struct run *run;
	enum ocu_family family;
	struct ocu_dns_query *query; /* NULL: not under way */
	struct ocu_err why;          /* code OCU_OK: it was not asked, or answered with addresses */
};

struct run {
	LIST_ENTRY(run) link;
	struct ocu_walker *fetcher;
	struct ocu_walk *f;
	bool cancelled;
	struct ocu_buf request;      /* the OCSP request */
	int64_t end_ms;              /* deadline of all */

	/* of the URI at hand */
	size_t begun;                /* URIs that were begun */
	int64_t share_ms;            /* the time that it may take */
	bool post;
	bool redirected;             /* url is a redirect's target, to be used as it is */
	unsigned redirects;
	struct ocu_url url;

	/* of the request at hand */
	struct ocu_buf target;
	char key[OCU_POOL_KEY_BYTES];
	bool fresh;                  /* no connection that was kept is to be used */
	bool reused;                 /* such a one is in use */
	bool conditional;            /* validators were sent */
	bool status_seen;            /* a status line came, before the exchange was cancelled */
	struct ocu_err so_far;       /* how far the exchange came until it was cancelled */
	struct sockaddr_storage peer;
	struct lookup lookups[2];    /* IPv4, IPv6 */
	struct ocu_dial *dial;
	size_t dialled;              /* addresses that were tried */
	bool starved;                /* a socket could not be had */
	char reasons[OCU_WALK_REASONS_BYTES];
	struct ocu_exchange *exchange;

	ev_timer step;               /* the first step, or the end after ocu_walk_cancel() */
	ev_timer share;              /* the URI's time is over */
	ev_timer stale;              /* DNS keeps silent */
};

struct ocu_walker {
	struct ev_loop *loop;
	struct ocu_walk_conf conf;
	struct ocu_dns *dns;
	struct ocu_pool *pool;
	struct ocu_hosts *hosts;
	LIST_HEAD(, run) runs;
	struct ocu_walk *starved;   /* there was no memory to start them */
	ev_timer later;              /* ends the starved */
};

static void uri_next(struct run *r);
static void request_start(struct run *r);

static void timer_start(struct run *r, ev_timer *w, int64_t ms)
{
	struct ev_loop *loop = r->fetcher->loop;

	ev_timer_stop(loop, w);
	ev_now_update(loop);
	ev_timer_set(w, (double)ms / 1000., 0.);
	ev_timer_start(loop, w);
}

/* Ends the operations that are under way; what they had seen is in <r> afterwards. */
static void ops_stop(struct run *r)
{
	size_t i;

	ev_timer_stop(r->fetcher->loop, &r->share);
	ev_timer_stop(r->fetcher->loop, &r->stale);
	for (i = 0; i < 2; i++) {
		if (r->lookups[i].query)
			ocu_dns_cancel(r->lookups[i].query);
	}
	if (r->dial)
		ocu_dial_cancel(r->dial);
	if (r->exchange)
		ocu_exchange_cancel(r->exchange);
}

/* The end of every fetch that was begun; f->err is set. */
static void run_end(struct run *r)
{
	struct ocu_walk *f = r->f;

	ops_stop(r);
	if (r->cancelled) {
		(void)ocu_fail(&f->err, OCU_CANCELLED, "%s", ocu_text(OCU_CANCELLED));
		f->not_modified = false;
		ocu_buf_fini(&f->der);
	}
	ev_timer_stop(r->fetcher->loop, &r->step);
	LIST_REMOVE(r, link);
	ocu_buf_fini(&r->request);
	ocu_buf_fini(&r->target);
	free(r);
	f->run = NULL;
	f->done(f);
}

/* Adds "url: why" to the trace. What does not fit is cut at the end. */
static void trace_add(struct run *r, const char *why, size_t n)
{
	char authority[OCU_URL_AUTHORITY_BYTES];
	size_t len = strlen(r->f->trace);
	struct ocu_err safe;

	ocu_url_authority(&r->url, authority);
	(void)ocu_fail(&safe, OCU_HTTP, "%s://%.80s%.60s: %.*s", r->url.https ? "https" : "http",
		       authority, r->url.target, (int)n, why);
	snprintf(r->f->trace + len, sizeof(r->f->trace) - len, "%s%s", len ? "\n" : "", safe.msg);
}

/* Adds every line of the dial's reasons to the trace, once. */
static void trace_reasons(struct run *r)
{
	const char *s = r->reasons;
	size_t n;

	for (; *s; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		trace_add(r, s, n);
	}
	r->reasons[0] = '\0';
}

/* The URI at hand has failed with <st>: notes why and goes on to the next one. */
static void uri_failed(struct run *r, enum ocu_status st, const char *why)
{
	char authority[OCU_URL_AUTHORITY_BYTES];
	struct ocu_walk *f = r->f;
	size_t n;
	bool named;

	ops_stop(r);
	ocu_url_authority(&r->url, authority);
	/* an address literal may be named by what was seen of the address already */
	n = strlen(authority);
	named = strncmp(why, authority, n) == 0 && why[n] == ':';
	(void)ocu_fail(&f->err, st, "%s%s%s", named ? "" : authority, named ? "" : ": ", why);
	uri_next(r);
}

/* As uri_failed(), when a peer was talked to. */
static void peer_failed(struct run *r, enum ocu_status st, const char *why)
{
	struct ocu_err full;

	ops_stop(r);
	(void)ocu_fail(&full, st, "%s: %s", r->f->address, why);
	trace_reasons(r);
	trace_add(r, full.msg, strlen(full.msg));
	uri_failed(r, st, full.msg);
}

static void local_failed(struct run *r, enum ocu_status st, const char *why)
{
	ops_stop(r);
	trace_reasons(r);
	trace_add(r, why, strlen(why));
	uri_failed(r, st, why);
}

/* Remembers whether the peer at hand answered. A proxy, and an address, leave no choice. */
static void learn(struct run *r, bool answered)
{
	struct ocu_hosts *hosts = r->fetcher->hosts;

	if (r->fetcher->conf.proxy.ss_family || r->url.literal)
		return;
	if (answered)
		ocu_hosts_answered(hosts, r->url.host, &r->peer, ocu_now_ms());
	else
		ocu_hosts_silent(hosts, r->url.host, &r->peer, ocu_now_ms());
}

static void reach_down(struct run *r)
{
	enum ocu_reach *reach = &r->f->reach[r->f->uri];

	if (*reach == OCU_REACH_UNTRIED)
		*reach = OCU_REACH_DOWN;
}

/* No address could be connected. */
static void dial_failed(struct run *r)
{
	char all[OCU_WALK_REASONS_BYTES];
	char *c = all;

	/* That no socket could be had is not the host's fault. */
	if (!r->starved)
		reach_down(r);
	ocu_hosts_unreachable(r->fetcher->hosts, r->url.host);
	snprintf(all, sizeof(all), "%s", r->reasons);
	while ((c = strchr(c, '\n')))
		*c = ';';
	trace_reasons(r);
	uri_failed(r, OCU_CONNECT, all);
}

/* There was no address. */
static void dns_failed(struct run *r)
{
	const struct ocu_err *v4 = &r->lookups[0].why, *v6 = &r->lookups[1].why;
	const struct ocu_err *one = v6->code != OCU_OK ? v6 : v4;
	struct ocu_err err = *one;

	if (v4->code != OCU_OK && v6->code != OCU_OK && strcmp(v4->msg, v6->msg) != 0)
		(void)ocu_fail(&err, OCU_DNS, "%s; %s", v6->msg, v4->msg);
	if (v4->code == OCU_NOMEM || v6->code == OCU_NOMEM)
		err.code = OCU_NOMEM;
	else
		reach_down(r);
	local_failed(r, err.code, err.msg);
}

/* The URI's time is over, wherever it is. */
static void share_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;
	bool dialling = r->dial != NULL;
	char why[96];

	(void)loop;
	(void)revents;
	ops_stop(r);
	if (dialling && r->dialled) {
		dial_failed(r);
	} else if (dialling) {
		reach_down(r);
		snprintf(why, sizeof(why), "no answer from DNS in %lld ms", (long long)r->share_ms);
		local_failed(r, OCU_DNS, why);
	} else {
		if (!r->status_seen) {
			reach_down(r);
			learn(r, false);
			ocu_pool_drop(r->fetcher->pool, r->key);
		}
		(void)ocu_fail(&r->so_far, OCU_TIMEOUT, "%s within %lld ms", r->so_far.msg,
			       (long long)r->share_ms);
		peer_failed(r, OCU_TIMEOUT, r->so_far.msg);
	}
}

/* Verifies the response that came; f->der, f->ocsp and the validators are set if it is good. */
static enum ocu_status accept_response(struct run *r, const struct ocu_http *h, struct ocu_err *err)
{
	struct ocu_walk *f = r->f;
	enum ocu_status st;

	if (h->coded)
		return ocu_fail(err, OCU_HTTP, "body has a Content-Encoding that nobody asked for");
	if (!h->is_ocsp)
		return ocu_fail(err, OCU_TYPE, "%s%s",
				h->type[0] ? "content type " : "no content type", h->type);
	if (h->body.len == 0)
		return ocu_fail(err, OCU_TYPE, "empty body");
	st = ocu_ocsp_verify(&f->ocsp, h->body.data, h->body.len, f->cert, f->issuer, ocu_wall_s(),
			     err);
	if (st != OCU_OK)
		return st;
	if (f->ocsp.this_update < f->held_this_update)
		return ocu_fail(err, OCU_OCSP, "older than the held response");
	st = ocu_buf_add(&f->der, h->body.data, h->body.len);
	if (st != OCU_OK)
		return ocu_fail(err, st, "%s", ocu_text(st));
	f->validators = h->validators;
	return OCU_OK;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Whether a server may answer so that only knows POST. */
static bool is_get_refused(int status)
{
	return status == 400 || status == 404 || status == 405 || status == 411 || status == 501;
}

/* Goes where the redirect <h> leads, by the method that is in use. */
static void redirect(struct run *r, const struct ocu_http *h)
{
	struct ocu_url to;
	struct ocu_err err;

	if (++r->redirects > OCU_WALK_REDIRECTS_MAX) {
		peer_failed(r, OCU_HTTP, "too many redirects");
		return;
	}
	if (!h->location[0]) {
		peer_failed(r, OCU_HTTP, "redirect without a Location");
		return;
	}
	if (ocu_url_join(&to, &r->url, h->location, strlen(h->location), &err) != OCU_OK) {
		peer_failed(r, OCU_URI, err.msg);
		return;
	}
	r->url = to;
	r->redirected = true;
	r->fresh = false;
	request_start(r);
}

/* A whole response is there. */
static void answered(struct run *r, const struct ocu_http *h)
{
	struct ocu_walk *f = r->f;
	struct ocu_err err;
	char why[64];

	if (h->status == 200) {
		f->err.code = accept_response(r, h, &err);
		if (f->err.code != OCU_OK) {
			peer_failed(r, err.code, err.msg);
			return;
		}
		f->err.msg[0] = '\0';
		run_end(r);
		return;
	}
	if (h->status == 304 && r->conditional) {
		f->not_modified = true;
		f->err.code = OCU_OK;
		f->err.msg[0] = '\0';
		run_end(r);
		return;
	}
	if (is_redirect(h->status)) {
		redirect(r, h);
		return;
	}
	snprintf(why, sizeof(why), "%sstatus %d", r->post ? "" : "GET: ", h->status);
	if (!r->post && is_get_refused(h->status)) {
		trace_add(r, why, strlen(why));
		r->post = true;
		r->redirected = r->fresh = false;
		r->url = f->uris[f->uri];
		request_start(r);
		return;
	}
	snprintf(why, sizeof(why), "status %d", h->status);
	peer_failed(r, OCU_HTTP, why);
}

static void exchange_cb(void *arg, struct ocu_exchange_result *res)
{
	struct run *r = arg;
	struct ocu_walk *f = r->f;

	r->exchange = NULL;
	r->status_seen = res->http->status != 0;
	if (r->status_seen) {
		f->http_status = res->http->status;
		f->reach[f->uri] = OCU_REACH_UP;
		learn(r, true);
	}
	if (res->stream.fd >= 0)
		ocu_pool_put(r->fetcher->pool, r->key, &res->stream, &r->peer);
	if (res->st == OCU_CANCELLED) {
		/* Whoever cancelled goes on. */
		r->so_far = res->err;
	} else if (res->st == OCU_OK) {
		answered(r, res->http);
	} else if (r->reused && res->st == OCU_HTTP && !res->http->started) {
		/* The peer gave up the connection while it was idle: nothing is wrong with it. */
		r->fresh = true;
		request_start(r);
	} else {
		if (!r->status_seen && res->st != OCU_NOMEM) {
			reach_down(r);
			learn(r, false);
		}
		peer_failed(r, res->st, res->err.msg);
	}
}

/* Sends the request over <stream> (takes). */
static void exchange_begin(struct run *r, struct ocu_stream *stream)
{
	struct ocu_walk *f = r->f;
	char authority[OCU_URL_AUTHORITY_BYTES];
	struct ocu_http_request req = {
		.target = (const char *)r->target.data,
		.target_len = r->target.len,
		.host = authority,
	};
	struct ocu_buf head;
	enum ocu_status st;

	ocu_url_authority(&r->url, authority);
	ocu_dial_peer(f->address, &r->peer);
	if (r->post) {
		req.body = r->request.data;
		req.body_len = r->request.len;
	}
	r->conditional = !r->post && f->uri == f->validators_uri &&
			 (f->validators.etag[0] || f->validators.last_modified[0]);
	if (r->conditional) {
		req.etag = f->validators.etag;
		req.last_modified = f->validators.last_modified;
	}
	r->status_seen = false;
	ocu_buf_init(&head, OCU_WALK_HEAD_MAX_BYTES);
	st = ocu_http_request(&head, &req);
	if (st == OCU_OK) {
		st = ocu_exchange_start(&r->exchange, r->fetcher->loop, stream, &head, exchange_cb,
					r);
	} else {
		ocu_buf_fini(&head);
		ocu_stream_fini(stream);
	}
	if (st != OCU_OK)
		local_failed(r, st, ocu_text(st));
}

/* Writes each address that failed and why into r->reasons, one a line. What does not fit is left
 * out as a whole.
 */
static void reasons_read(struct run *r, const struct ocu_dial_result *res)
{
	char address[OCU_DIAL_PEER_BYTES], text[OCU_ERRNO_BYTES];
	size_t i, len = 0, left;
	int n;

	r->reasons[0] = '\0';
	for (i = 0; i < res->n_failed; i++, len = strlen(r->reasons)) {
		ocu_dial_peer(address, &res->failed[i].peer);
		ocu_errno_text(res->failed[i].error, text);
		if (res->failed[i].error == EINPROGRESS)
			snprintf(text, sizeof(text), "no answer");
		else if (res->failed[i].error == ETIMEDOUT)
			snprintf(text, sizeof(text), "no answer in %lld ms",
				 (long long)r->fetcher->conf.connect_ms);
		left = sizeof(r->reasons) - len;
		n = snprintf(r->reasons + len, left, "%s%s: %s", len ? "\n" : "", address, text);
		if (n < 0 || (size_t)n >= left)
			r->reasons[len] = '\0';
	}
}

static void dial_cb(void *arg, const struct ocu_dial_result *res)
{
	struct run *r = arg;
	struct ocu_walker *fr = r->fetcher;
	struct ocu_stream stream = { .fd = res->fd };
	struct ocu_err err;
	size_t i;

	r->dial = NULL;
	r->dialled = res->tried;
	r->starved = res->starved;
	reasons_read(r, res);
	if (res->st == OCU_CANCELLED)
		return;
	ev_timer_stop(fr->loop, &r->stale);
	for (i = 0; i < 2; i++) {
		if (r->lookups[i].query)
			ocu_dns_cancel(r->lookups[i].query);
	}
	if (res->st != OCU_OK && res->tried) {
		dial_failed(r);
		return;
	}
	if (res->st != OCU_OK) {
		dns_failed(r);
		return;
	}
	r->peer = res->peer;
	trace_reasons(r);
	if (r->url.https && ocu_stream_tls(&stream, fr->conf.tls, &r->url, &err) != OCU_OK) {
		ocu_stream_fini(&stream);
		local_failed(r, err.code, err.msg);
		return;
	}
	exchange_begin(r, &stream);
}

static void dns_cb(void *arg, const struct ocu_dns_answer *a)
{
	struct lookup *l = arg;
	struct run *r = l->run;
	struct sockaddr_storage last;

	l->query = NULL;
	if (!a || !r->dial)
		return;
	if (a->n) {
		ocu_dial_add(r->dial, l->family, a->addrs, a->n, true);
		return;
	}
	l->why = a->why;
	if (a->down && ocu_hosts_last(r->fetcher->hosts, r->url.host, l->family, &last))
		ocu_dial_add(r->dial, l->family, &last, 1, true);
	else
		ocu_dial_add(r->dial, l->family, NULL, 0, true);
}

/* DNS takes its time: what worked last need not wait for it. */
static void stale_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;
	struct sockaddr_storage last;
	size_t i;

	(void)loop;
	(void)revents;
	for (i = 0; i < 2; i++) {
		if (r->lookups[i].query && r->dial &&
		    ocu_hosts_last(r->fetcher->hosts, r->url.host, r->lookups[i].family, &last))
			ocu_dial_add(r->dial, r->lookups[i].family, &last, 1, false);
	}
}

/* Asks for both families of the host; the answers are handed to the dial as they come. */
static void lookups_start(struct run *r)
{
	enum ocu_family only = r->fetcher->conf.only;
	enum ocu_status st;
	struct lookup *l;

	for (l = r->lookups; l < r->lookups + 2; l++) {
		if (only != OCU_ANY && only != l->family) {
			ocu_dial_add(r->dial, l->family, NULL, 0, true);
			continue;
		}
		st = ocu_dns_start(&l->query, r->fetcher->dns, r->url.host, l->family, dns_cb, l);
		if (st == OCU_OK)
			continue;
		(void)ocu_fail(&l->why, st, "%s", ocu_text(st));
		ocu_dial_add(r->dial, l->family, NULL, 0, true);
	}
	timer_start(r, &r->stale, OCU_WALK_STALE_MS);
}

/* Hands the only address there is to the dial. */
static void address_add(struct run *r, const struct sockaddr_storage *ss)
{
	bool v6 = ss->ss_family == AF_INET6;

	ocu_dial_add(r->dial, v6 ? OCU_IPV6 : OCU_IPV4, ss, 1, true);
	ocu_dial_add(r->dial, v6 ? OCU_IPV4 : OCU_IPV6, NULL, 0, true);
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

/* Begins to connect to the proxy, or to the host of the URL. */
static void connect_start(struct run *r)
{
	struct ocu_walker *fr = r->fetcher;
	const struct sockaddr_storage *proxy = fr->conf.proxy.ss_family ? &fr->conf.proxy : NULL;
	struct ocu_dial_conf conf = {
		.prefer = fr->conf.prefer,
		.connect_ms = fr->conf.connect_ms,
		.port = r->url.port,
	};
	enum ocu_family only = fr->conf.only;
	struct sockaddr_storage ss;

	if (proxy) {
		conf.port = ntohs(proxy->ss_family == AF_INET6 ?
				  ((const struct sockaddr_in6 *)proxy)->sin6_port :
				  ((const struct sockaddr_in *)proxy)->sin_port);
	} else if (r->url.literal) {
		literal_address(r->url.host, &ss);
		if (only != OCU_ANY && (only == OCU_IPV6) != (ss.ss_family == AF_INET6)) {
			local_failed(r, OCU_CONNECT, only == OCU_IPV6 ? "not an IPv6 address" :
				     "not an IPv4 address");
			return;
		}
	} else {
		ocu_hosts_first(fr->hosts, r->url.host, ocu_now_ms(), &conf.prefer, &conf.worked);
	}
	if (ocu_dial_start(&r->dial, fr->loop, &conf, dial_cb, r) != OCU_OK) {
		local_failed(r, OCU_NOMEM, ocu_text(OCU_NOMEM));
		return;
	}
	if (proxy || r->url.literal)
		address_add(r, proxy ? proxy : &ss);
	else
		lookups_start(r);
}

/* Builds the target of the request for r->url; decides for POST if a GET would be too long. */
static enum ocu_status target_build(struct run *r)
{
	char authority[OCU_URL_AUTHORITY_BYTES];
	enum ocu_status st = OCU_OK;

	ocu_buf_reset(&r->target);
	if (r->fetcher->conf.proxy.ss_family) {
		ocu_url_authority(&r->url, authority);
		st = ocu_buf_addf(&r->target, "http://%s", authority);
	}
	if (st == OCU_OK && !r->post && !r->redirected) {
		st = ocu_url_get_target(&r->target, &r->url, r->request.data, r->request.len);
		if (st != OCU_TOO_BIG)
			return st;
		r->post = true;
		st = OCU_OK;
	}
	if (st == OCU_OK)
		st = ocu_buf_add(&r->target, r->url.target, strlen(r->url.target));
	return st;
}

/* Sends one request for r->url, over a connection that was kept or a new one. */
static void request_start(struct run *r)
{
	struct ocu_walker *fr = r->fetcher;
	bool proxied = fr->conf.proxy.ss_family != 0;
	struct ocu_stream stream = OCU_STREAM_NONE;
	char responder[OCU_URL_AUTHORITY_BYTES];
	enum ocu_status st;

	r->reused = false;
	r->dialled = 0;
	r->starved = false;
	r->reasons[0] = '\0';
	r->lookups[0].why.code = r->lookups[1].why.code = OCU_OK;
	if (r->url.https && proxied) {
		local_failed(r, OCU_URI, "https responders are not reached over a proxy");
		return;
	}
	if (r->url.https && !fr->conf.tls) {
		local_failed(r, OCU_TLS, "TLS is not set up");
		return;
	}
	st = target_build(r);
	if (st != OCU_OK) {
		local_failed(r, st, ocu_text(st));
		return;
	}
	ocu_url_responder(&r->url, responder);
	snprintf(r->key, sizeof(r->key), "%s://%s", r->url.https ? "https" : "http",
		 proxied ? "" : responder);
	if (!r->fresh && ocu_pool_get(fr->pool, r->key, &stream, &r->peer)) {
		r->reused = true;
		exchange_begin(r, &stream);
		return;
	}
	connect_start(r);
}

/* Goes on to the next URI, or ends with the reason of the last one. */
static void uri_next(struct run *r)
{
	struct ocu_walk *f = r->f;
	int64_t left_ms = r->end_ms - ocu_now_ms();
	size_t left = f->n_uris - r->begun;

	if (left == 0 || (r->begun && left_ms <= 0)) {
		run_end(r);
		return;
	}
	/* The first one first, then the others in their order. */
	if (r->begun == 0)
		f->uri = f->first;
	else
		f->uri = r->begun <= f->first ? r->begun - 1 : r->begun;
	r->begun++;
	r->url = f->uris[f->uri];
	r->post = r->redirected = r->fresh = false;
	r->redirects = 0;
	/* A responder that keeps silent leaves time for those after it. */
	r->share_ms = left_ms / (int64_t)left;
	if (r->share_ms < OCU_WALK_SHARE_MS)
		r->share_ms = left_ms < OCU_WALK_SHARE_MS ? left_ms : OCU_WALK_SHARE_MS;
	timer_start(r, &r->share, r->share_ms > 0 ? r->share_ms : 0);
	request_start(r);
}

static void step_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;
	struct ocu_walk *f = r->f;
	enum ocu_status st;

	(void)loop;
	(void)revents;
	if (r->cancelled) {
		run_end(r);
		return;
	}
	if (f->n_uris == 0 || f->n_uris > OCU_OCSP_URIS_MAX || f->first >= f->n_uris)
		st = ocu_fail(&f->err, OCU_URI, "no URI to begin with");
	else
		st = ocu_ocsp_request(&r->request, f->cert, f->issuer, &f->err);
	if (st != OCU_OK) {
		run_end(r);
		return;
	}
	r->end_ms = ocu_now_ms() + r->fetcher->conf.timeout_ms;
	uri_next(r);
}

/* Ends those that could not be started. */
static void later_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_walker *fr = w->data;
	struct ocu_walk *f;

	(void)loop;
	(void)revents;
	while ((f = fr->starved)) {
		fr->starved = f->next;
		(void)ocu_fail(&f->err, OCU_NOMEM, "fetch: %s", ocu_text(OCU_NOMEM));
		f->done(f);
	}
}

enum ocu_status ocu_walker_new(struct ocu_walker **out, struct ev_loop *loop,
				const struct ocu_walk_conf *conf, struct ocu_err *err)
{
	struct ocu_dns_conf dns = { .nameservers = conf->nameservers,
				    .limit_ms = conf->timeout_ms };
	struct ocu_walker *fr = calloc(1, sizeof(*fr));
	enum ocu_status st;

	*out = NULL;
	if (!fr)
		return ocu_fail(err, OCU_NOMEM, "fetcher: %s", ocu_text(OCU_NOMEM));
	fr->loop = loop;
	fr->conf = *conf;
	if (fr->conf.prefer == OCU_ANY)
		fr->conf.prefer = OCU_IPV6;
	LIST_INIT(&fr->runs);
	ev_init(&fr->later, later_cb);
	fr->later.data = fr;
	if (ocu_pool_new(&fr->pool, loop) != OCU_OK || ocu_hosts_new(&fr->hosts) != OCU_OK)
		st = ocu_fail(err, OCU_NOMEM, "fetcher: %s", ocu_text(OCU_NOMEM));
	else
		st = ocu_dns_new(&fr->dns, loop, &dns, err);
	fr->conf.nameservers = NULL;
	if (st != OCU_OK) {
		ocu_walker_free(fr);
		return st;
	}
	*out = fr;
	return OCU_OK;
}

void ocu_walker_free(struct ocu_walker *fr)
{
	struct run *r;

	if (!fr)
		return;
	while ((r = LIST_FIRST(&fr->runs))) {
		r->cancelled = true;
		run_end(r);
	}
	later_cb(fr->loop, &fr->later, 0);
	ev_timer_stop(fr->loop, &fr->later);
	ocu_pool_free(fr->pool);
	ocu_dns_free(fr->dns);
	ocu_hosts_free(fr->hosts);
	free(fr);
}

/* Makes the part that is out empty. */
static void out_init(struct ocu_walk *f)
{
	f->err = (struct ocu_err){ .code = OCU_OK };
	f->not_modified = false;
	ocu_buf_init(&f->der, OCU_OCSP_MAX_BYTES);
	f->ocsp = (struct ocu_ocsp){ 0 };
	memset(f->reach, 0, sizeof(f->reach));
	f->uri = f->first;
	f->http_status = 0;
	f->address[0] = '\0';
	f->trace[0] = '\0';
	f->run = NULL;
	f->next = NULL;
}

void ocu_walk_start(struct ocu_walker *fr, struct ocu_walk *f)
{
	struct run *r = calloc(1, sizeof(*r));
	size_t i;

	out_init(f);
	if (!r) {
		f->next = fr->starved;
		fr->starved = f;
		ev_timer_set(&fr->later, 0., 0.);
		ev_timer_start(fr->loop, &fr->later);
		return;
	}
	f->run = r;
	r->f = f;
	r->fetcher = fr;
	ocu_buf_init(&r->request, OCU_WALK_REQUEST_MAX_BYTES);
	ocu_buf_init(&r->target, OCU_WALK_TARGET_MAX_BYTES);
	for (i = 0; i < 2; i++) {
		r->lookups[i].run = r;
		r->lookups[i].family = i ? OCU_IPV6 : OCU_IPV4;
	}
	ev_init(&r->step, step_cb);
	ev_init(&r->share, share_cb);
	ev_init(&r->stale, stale_cb);
	r->step.data = r->share.data = r->stale.data = r;
	LIST_INSERT_HEAD(&fr->runs, r, link);
	timer_start(r, &r->step, 0);
}

void ocu_walk_cancel(struct ocu_walk *f)
{
	struct run *r = f->run;

	if (!r || r->cancelled)
		return;
	r->cancelled = true;
	ops_stop(r);
	timer_start(r, &r->step, 0);
}

const char *ocu_walk_versions(void)
{
	static _Thread_local char text[64];

	snprintf(text, sizeof(text), "c-ares %s, libev %d.%d", ocu_dns_version(),
		 ev_version_major(), ev_version_minor());
	return text;
}
