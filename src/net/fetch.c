/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fetch.c - gets one verified response for one certificate from one responder, by as many requests
 * as verdict asks for. Decides nothing about when, how many at once, or which URI is next.
 *
 * A fetch makes one request after the other. It has a state: BEGIN until the loop turns, ASKING
 * while a request is under way, and it is gone when it ends.
 */
#include "ocu/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ocu/loop.h"
#include "ocu/verdict.h"

#define OCU_FETCH_ASK_MAX_BYTES 8192 /* of the OCSP request */

/* What ends a fetch from this side. */
enum stop { STOP_NOT, STOP_CANCELLED, STOP_LIMIT, STOP_SILENCE };

struct run {
	LIST_ENTRY(run) link;
	struct ocu_fetcher *fetcher;
	struct ocu_fetch *f;
	enum stop stop;
	struct ocu_buf ask_der;      /* the OCSP request */
	struct ocu_buf target;       /* of the HTTP request at hand */
	struct ocu_verdict_ask ask;  /* how it is made */
	bool fell_back;              /* to POST, from GET */
	bool remembered;             /* it is a POST because that is what the responder answered */
	int64_t connected_ms;
	struct ocu_request *request; /* NULL: BEGIN */
	ev_timer step;               /* the first step, or the end after ocu_fetch_cancel() */
	ev_timer limit, silence, hangs, stalls;
};

struct ocu_fetcher {
	struct ev_loop *loop;
	struct ocu_request_env env;
	struct ocu_peer proxy;
	char *proxy_host, *proxy_auth;
	LIST_HEAD(, run) runs;
	struct ocu_fetch *starved;   /* there was no memory to start them */
	ev_timer later;              /* ends the starved */
};

static void ask(struct run *r);

/* ---- the end ---- */

static void timers_stop(struct run *r)
{
	struct ev_loop *loop = r->fetcher->loop;

	ocu_loop_timer_stop(loop, &r->silence);
	ocu_loop_timer_stop(loop, &r->hangs);
	ocu_loop_timer_stop(loop, &r->stalls);
}

/* The end of every fetch that was begun; what is out is set. */
static void fetch_end(struct run *r, enum ocu_end end)
{
	struct ocu_fetch *f = r->f;

	timers_stop(r);
	ocu_loop_timer_stop(r->fetcher->loop, &r->limit);
	ocu_loop_timer_stop(r->fetcher->loop, &r->step);
	LIST_REMOVE(r, link);
	ocu_buf_fini(&r->ask_der);
	ocu_buf_fini(&r->target);
	free(r);
	f->run = NULL;
	f->end = end;
	if (end == OCU_END_NEW || end == OCU_END_CURRENT || end == OCU_END_MOVED)
		f->err = (struct ocu_err){ .code = OCU_OK };
	f->done(f);
}

static void fetch_cancelled(struct run *r)
{
	(void)ocu_fail(&r->f->err, OCU_CANCELLED, "%s", ocu_text(OCU_CANCELLED));
	fetch_end(r, OCU_END_CANCELLED);
}

static void fetch_failed_here(struct run *r, enum ocu_status st)
{
	(void)ocu_fail(&r->f->err, st, "%s", ocu_text(st));
	fetch_end(r, OCU_END_LOCAL);
}

/* ---- failures ---- */

/* Notes <a>; when there is no room the last one gives way. */
static void note(struct ocu_fetch *f, const struct ocu_attempt *a)
{
	if (f->n_attempts == OCU_FETCH_ATTEMPTS_MAX)
		f->n_attempts--;
	f->attempts[f->n_attempts++] = *a;
}

static void failed(void *arg, const struct ocu_attempt *a)
{
	struct run *r = arg;

	note(r->f, a);
}

/* Notes what is wrong with a response that came as a whole; f->err says it. */
static void note_response(struct run *r, const char *how)
{
	struct ocu_fetch *f = r->f;
	struct ocu_attempt a = { .address = f->address, .stage = f->err.code,
				 .status = f->http_status };

	snprintf(a.cause, sizeof(a.cause), "%s%.80s", how, f->err.msg);
	note(f, &a);
}

/* Ends with what <res> says of a request that was stopped, or never came to a status line. */
static void request_failed(struct run *r, const struct ocu_request_result *res)
{
	struct ocu_fetch *f = r->f;
	int64_t ms = r->stop == STOP_SILENCE ? f->silence_ms : f->limit_ms;

	f->err = res->err;
	f->timed_out = r->stop != STOP_NOT;
	if (f->timed_out)
		(void)ocu_fail(&f->err, res->stage, "%.200s within %lld ms", res->err.msg,
			       (long long)ms);
	/* A redirect that leads where it may not says nothing of who is there. */
	if (res->local)
		fetch_end(r, OCU_END_LOCAL);
	else if (res->barred)
		fetch_end(r, OCU_END_BROKEN);
	else if (res->stage == OCU_DNS || res->stage == OCU_CONNECT)
		fetch_end(r, OCU_END_UNREACHED);
	else
		fetch_end(r, res->status ? OCU_END_BROKEN : OCU_END_SILENT);
}

/* ---- what was answered ---- */

/* The URL that was asked, for what a Location is relative to. */
static void asked_url(const struct run *r, struct ocu_url *u)
{
	*u = *r->f->url;
	if (r->target.len < sizeof(u->target))
		snprintf(u->target, sizeof(u->target), "%.*s", (int)r->target.len,
			 (const char *)r->target.data);
}

/* Reads where <h> leads to. False if that cannot be followed; f->err says why. */
static bool read_location(struct run *r, const struct ocu_http *h)
{
	struct ocu_fetch *f = r->f;
	struct ocu_url base;

	if (h->status / 100 != 3 || h->status == 304)
		return false;
	if (!h->location[0]) {
		(void)ocu_fail(&f->err, OCU_HTTP, "redirect without a Location");
		return false;
	}
	asked_url(r, &base);
	f->location_post = r->ask.post && h->status != 303;
	return ocu_url_join(&f->location, &base, h->location, strlen(h->location), &f->err) ==
	       OCU_OK;
}

/* Verifies the body of <h>, a 200; f->err says what is wrong with it. */
static void read_body(struct run *r, const struct ocu_http *h, struct ocu_verdict_seen *seen)
{
	struct ocu_fetch *f = r->f;
	struct ocu_ocsp o;
	int64_t now = ocu_wall_s();

	seen->coded = h->coded;
	seen->is_ocsp = h->is_ocsp;
	seen->body_len = h->body.len;
	if (h->coded) {
		(void)ocu_fail(&f->err, OCU_TYPE,
			       "body has a Content-Encoding that nobody asked for");
	} else if (!h->is_ocsp) {
		(void)ocu_fail(&f->err, OCU_TYPE, "%s%s", h->type[0] ? "content type " :
			       "no content type", h->type);
	} else if (h->body.len == 0) {
		(void)ocu_fail(&f->err, OCU_TYPE, "empty body");
	} else {
		seen->verified = ocu_ocsp_verify(&o, h->body.data, h->body.len, f->cert, f->issuer,
						 now, &f->err);
		if (seen->verified != OCU_OK)
			return;
		ocu_held_init(&f->fresh, &o, h->body.data, h->body.len);
		seen->age = ocu_held_compare(&f->held, &f->fresh, now);
		if (seen->age != OCU_AGE_NEW)
			(void)ocu_fail(&f->err, OCU_OLDER, "%s", seen->age == OCU_AGE_SAME ?
				       "the held response again" :
				       "older than the held response");
	}
}

/* How long a responder asks to be left alone; -1: it does not say. */
static int64_t retry_after(const struct ocu_http *h)
{
	int64_t now = h->date_s ? h->date_s : ocu_wall_s();

	if (h->retry_after_s >= 0 || !h->retry_date_s)
		return h->retry_after_s;
	return h->retry_date_s > now ? h->retry_date_s - now : 0;
}

/* A response is taken, or shows that what is held is current. */
static void respond(struct run *r, struct ocu_http *h, const struct ocu_verdict_seen *seen,
		    enum ocu_end end)
{
	struct ocu_fetch *f = r->f;

	if (r->fell_back)
		f->peer->post_only = true;
	f->max_age_s = h->max_age_s;
	f->not_modified = h->status == 304;
	if (h->status == 200 && seen->age != OCU_AGE_OLDER)
		f->validators = h->validators;
	if (end == OCU_END_NEW) {
		f->der = h->body;
		ocu_buf_init(&h->body, h->body.max);
	}
	fetch_end(r, end);
}

/* The answer is of no use, and nothing else is to be asked here. */
static void refuse(struct run *r, enum ocu_end end)
{
	note_response(r, "");
	/* It may have learnt GET, or what was remembered was wrong. */
	if (r->remembered && end == OCU_END_BROKEN)
		r->f->peer->post_only = false;
	fetch_end(r, end);
}

/* Asks once more, in another way that <why> names. */
static void ask_again(struct run *r, const char *why)
{
	note_response(r, why);
	ask(r);
}

static void act(struct run *r, enum ocu_verdict v, struct ocu_http *h,
		const struct ocu_verdict_seen *seen)
{
	switch (v) {
	case OCU_VERDICT_ACCEPT:
		respond(r, h, seen, OCU_END_NEW);
		return;
	case OCU_VERDICT_CURRENT:
		respond(r, h, seen, OCU_END_CURRENT);
		return;
	case OCU_VERDICT_POST:
		r->ask.post = r->fell_back = true;
		ask_again(r, "GET: ");
		return;
	case OCU_VERDICT_NO_CACHE:
		r->ask.no_cache = true;
		ask_again(r, "from a cache?: ");
		return;
	case OCU_VERDICT_IDENTITY:
		r->ask.identity = true;
		ask_again(r, "");
		return;
	case OCU_VERDICT_MOVED:
		fetch_end(r, OCU_END_MOVED);
		return;
	case OCU_VERDICT_PAUSE:
		r->f->retry_after_s = retry_after(h);
		refuse(r, OCU_END_PAUSE);
		return;
	case OCU_VERDICT_REFUSED:
		refuse(r, OCU_END_REFUSED);
		return;
	case OCU_VERDICT_BROKEN:
		refuse(r, OCU_END_BROKEN);
		return;
	case OCU_VERDICT_LOCAL:
		fetch_end(r, OCU_END_LOCAL);
		return;
	case OCU_VERDICT_SILENT:
		fetch_end(r, OCU_END_SILENT);
		return;
	}
}

/* A whole response is there. */
static void answered(struct run *r, struct ocu_http *h)
{
	struct ocu_verdict_seen seen = { .status = h->status, .whole = true };

	if (h->status == 200) {
		read_body(r, h, &seen);
	} else {
		(void)ocu_fail(&r->f->err, OCU_HTTP, "status %d", h->status);
		seen.location = read_location(r, h);
	}
	act(r, ocu_verdict(&r->ask, &seen), h, &seen);
}

/* No response came over any address. A server that closes may be one that knows only POST. */
static void unanswered(struct run *r, const struct ocu_request_result *res)
{
	struct ocu_verdict_seen seen = { .status = res->status, .closed = res->closed };

	if (r->stop == STOP_NOT && !res->local && res->stage == OCU_HTTP &&
	    ocu_verdict(&r->ask, &seen) == OCU_VERDICT_POST) {
		r->ask.post = r->fell_back = true;
		ask(r);
		return;
	}
	if (r->remembered && res->stage == OCU_HTTP)
		r->f->peer->post_only = false;
	request_failed(r, res);
}

static void request_cb(void *arg, const struct ocu_request_result *res)
{
	struct run *r = arg;
	struct ocu_fetch *f = r->f;
	bool proxied = r->fetcher->env.proxy_peer;

	r->request = NULL;
	timers_stop(r);
	if (r->stop == STOP_CANCELLED)
		return;
	if (res->status)
		f->http_status = res->status;
	if (res->address.ss_family) {
		f->address = res->address;
		f->local = proxied ? ocu_url_is_local(f->url) :
				     ocu_request_is_local(&res->address);
	}
	if (res->st == OCU_OK)
		answered(r, res->http);
	else
		unanswered(r, res);
}

/* ---- time ---- */

static void limit_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;

	(void)loop;
	(void)revents;
	r->stop = STOP_LIMIT;
	ocu_request_cancel(r->request);
}

static void silence_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;

	(void)loop;
	(void)revents;
	if (ocu_request_answered(r->request))
		return;
	r->stop = STOP_SILENCE;
	ocu_request_cancel(r->request);
}

/* Says that it hangs, if it does so for long enough, and comes again while it does; else waits for
 * the rest of the time.
 */
static void hangs_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;
	int64_t sent_ms = ocu_request_sent_ms(r->request), now = ocu_now_ms();
	int64_t every = r->f->hangs_ms;
	int64_t from = sent_ms ? sent_ms + every : r->connected_ms + OCU_FETCH_HANDSHAKE_MS;

	(void)revents;
	if (ocu_request_answered(r->request))
		return;
	if (now < from) {
		ocu_loop_timer_start(loop, w, from - now < every ? from - now : every);
		return;
	}
	ocu_loop_timer_start(loop, w, every);
	r->f->hangs(r->f);
}

static void stalls_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;

	(void)loop;
	(void)revents;
	r->f->stalls(r->f);
}

static void connected(void *arg)
{
	struct run *r = arg;
	struct ev_loop *loop = r->fetcher->loop;

	r->connected_ms = ocu_now_ms();
	ocu_loop_timer_stop(loop, &r->stalls);
	if (r->f->silence_ms > 0)
		ocu_loop_timer_start(loop, &r->silence, r->f->silence_ms);
	if (r->f->hangs)
		ocu_loop_timer_start(loop, &r->hangs, r->f->hangs_ms);
}

/* ---- asking ---- */

/* Builds the target of the request; decides for POST if a GET would be too long. */
static enum ocu_status target_build(struct run *r)
{
	const struct ocu_url *url = r->f->url;
	enum ocu_status st;

	ocu_buf_reset(&r->target);
	if (!r->ask.post && !r->ask.redirected) {
		st = ocu_url_get_target(&r->target, url, r->ask_der.data, r->ask_der.len);
		if (st != OCU_TOO_BIG)
			return st;
		r->ask.post = true;
	}
	return ocu_buf_add(&r->target, url->target, strlen(url->target));
}

static enum ocu_status request_start(struct run *r)
{
	struct ocu_fetch *f = r->f;
	struct ocu_request_conf conf = {
		.url = f->url,
		.peer = f->peer,
		.only_public = f->only_public,
		.connected = connected,
		.failed = failed,
		.http = {
			.target = (const char *)r->target.data,
			.target_len = r->target.len,
			.no_cache = r->ask.no_cache,
			.identity = r->ask.identity,
		},
	};

	if (r->ask.post) {
		conf.http.body = r->ask_der.data;
		conf.http.body_len = r->ask_der.len;
	}
	if (r->ask.conditional) {
		conf.http.etag = f->etag;
		conf.http.last_modified = f->last_modified;
	}
	return ocu_request_start(&r->request, &r->fetcher->env, &conf, request_cb, r);
}

/* Sends the request that r->ask describes. */
static void ask(struct run *r)
{
	const struct ocu_fetch *f = r->f;
	int64_t now = ocu_wall_s();
	enum ocu_status st;

	st = target_build(r);
	r->ask.held_usable = ocu_held_usable(&f->held, now);
	r->ask.held_ends_soon = r->ask.held_usable && ocu_held_ends_soon(&f->held, now);
	/* Validators have no use in POST, and a 304 none for a response that cannot be stapled. */
	r->ask.conditional = !r->ask.post && r->ask.held_usable &&
			     ((f->etag && f->etag[0]) || (f->last_modified && f->last_modified[0]));
	if (st == OCU_OK)
		st = request_start(r);
	if (st != OCU_OK)
		fetch_failed_here(r, st);
}

static void step_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct run *r = w->data;
	struct ocu_fetch *f = r->f;
	enum ocu_status st;

	(void)revents;
	if (r->stop == STOP_CANCELLED) {
		fetch_cancelled(r);
		return;
	}
	st = ocu_ocsp_request(&r->ask_der, f->cert, f->issuer, &f->err);
	if (st != OCU_OK) {
		fetch_end(r, st == OCU_NOMEM ? OCU_END_LOCAL : OCU_END_REFUSED);
		return;
	}
	ocu_loop_timer_start(loop, &r->limit, f->limit_ms);
	if (f->stalls)
		ocu_loop_timer_start(loop, &r->stalls, OCU_FETCH_STALLS_MS);
	r->remembered = !f->redirected && !f->post && f->peer->post_only;
	r->ask.post = f->post || r->remembered;
	r->ask.redirected = f->redirected;
	ask(r);
}

/* ---- fetcher ---- */

/* Ends those that could not be started. */
static void later_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_fetcher *fr = w->data;
	struct ocu_fetch *f;

	(void)loop;
	(void)revents;
	while ((f = fr->starved)) {
		fr->starved = f->next;
		(void)ocu_fail(&f->err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
		f->end = OCU_END_LOCAL;
		f->done(f);
	}
}

/* Copies a string that may not be there; false without memory. */
static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

/* Fills what requests share but for the resolver. */
static enum ocu_status env_init(struct ocu_fetcher *fr, const struct ocu_fetch_conf *conf)
{
	bool proxied = conf->proxy.ss_family || conf->proxy_host;

	fr->env = (struct ocu_request_env){
		.loop = fr->loop,
		.idle_max = conf->idle_max,
		.prefer = conf->prefer == OCU_ANY ? OCU_IPV6 : conf->prefer,
		.only = conf->only,
		.connect_ms = conf->connect_ms,
		.tls = conf->tls,
		.proxy_peer = proxied ? &fr->proxy : NULL,
		.proxy = conf->proxy,
		.proxy_port = conf->proxy_port,
	};
	if (!copy(&fr->proxy_host, conf->proxy_host) || !copy(&fr->proxy_auth, conf->proxy_auth))
		return OCU_NOMEM;
	fr->env.proxy_host = fr->proxy_host;
	fr->env.proxy_auth = fr->proxy_auth;
	return ocu_peer_pool_new(&fr->env.pool, fr->loop);
}

enum ocu_status ocu_fetcher_new(struct ocu_fetcher **out, struct ev_loop *loop,
				const struct ocu_fetch_conf *conf, struct ocu_err *err)
{
	struct ocu_fetcher *fr = calloc(1, sizeof(*fr));
	enum ocu_status st;

	*out = NULL;
	if (!fr)
		return ocu_fail(err, OCU_NOMEM, "fetcher: %s", ocu_text(OCU_NOMEM));
	fr->loop = loop;
	LIST_INIT(&fr->runs);
	ocu_peer_init(&fr->proxy);
	ocu_loop_timer_init(&fr->later, later_cb, fr);
	st = env_init(fr, conf);
	if (st != OCU_OK)
		(void)ocu_fail(err, st, "fetcher: %s", ocu_text(st));
	else
		st = ocu_dns_new(&fr->env.dns, loop, &conf->dns, err);
	if (st != OCU_OK) {
		ocu_fetcher_free(fr);
		return st;
	}
	*out = fr;
	return OCU_OK;
}

/* Stops what is under way, without the end. */
static void run_stop(struct run *r)
{
	r->stop = STOP_CANCELLED;
	if (r->request)
		ocu_request_cancel(r->request);
	ocu_loop_timer_stop(r->fetcher->loop, &r->limit);
}

void ocu_fetcher_free(struct ocu_fetcher *fr)
{
	struct run *r;

	if (!fr)
		return;
	while ((r = LIST_FIRST(&fr->runs))) {
		run_stop(r);
		fetch_cancelled(r);
	}
	later_cb(fr->loop, &fr->later, 0);
	ocu_loop_timer_stop(fr->loop, &fr->later);
	ocu_peer_pool_free(fr->env.pool);
	ocu_dns_free(fr->env.dns);
	free(fr->proxy_host);
	free(fr->proxy_auth);
	free(fr);
}

/* Makes the part that is out empty. */
static void out_init(struct ocu_fetch *f)
{
	f->end = OCU_END_CANCELLED;
	f->timed_out = false;
	f->err = (struct ocu_err){ .code = OCU_OK };
	ocu_buf_init(&f->der, OCU_HTTP_BODY_MAX_BYTES);
	f->fresh = (struct ocu_held){ 0 };
	f->not_modified = false;
	f->validators = (struct ocu_http_validators){ .etag = "" };
	f->max_age_s = f->retry_after_s = -1;
	f->http_status = 0;
	f->address.ss_family = 0;
	f->local = false;
	f->location_post = false;
	f->n_attempts = 0;
	f->run = NULL;
	f->next = NULL;
}

void ocu_fetch_start(struct ocu_fetcher *fr, struct ocu_fetch *f)
{
	struct run *r = calloc(1, sizeof(*r));

	out_init(f);
	if (!r) {
		f->next = fr->starved;
		fr->starved = f;
		ocu_loop_timer_start(fr->loop, &fr->later, 0);
		return;
	}
	f->run = r;
	r->f = f;
	r->fetcher = fr;
	ocu_buf_init(&r->ask_der, OCU_FETCH_ASK_MAX_BYTES);
	ocu_buf_init(&r->target, OCU_URL_MAX_BYTES);
	ocu_loop_timer_init(&r->step, step_cb, r);
	ocu_loop_timer_init(&r->limit, limit_cb, r);
	ocu_loop_timer_init(&r->silence, silence_cb, r);
	ocu_loop_timer_init(&r->hangs, hangs_cb, r);
	ocu_loop_timer_init(&r->stalls, stalls_cb, r);
	LIST_INSERT_HEAD(&fr->runs, r, link);
	ocu_loop_timer_start(fr->loop, &r->step, 0);
}

void ocu_fetch_cancel(struct ocu_fetch *f)
{
	struct run *r = f->run;

	if (!r || r->stop == STOP_CANCELLED)
		return;
	run_stop(r);
	ocu_loop_timer_start(r->fetcher->loop, &r->step, 0);
}

void ocu_fetch_versions(char out[static OCU_FETCH_VERSIONS_BYTES])
{
	snprintf(out, OCU_FETCH_VERSIONS_BYTES, "c-ares %s, libev %d.%d", ocu_dns_version(),
		 ev_version_major(), ev_version_minor());
}
