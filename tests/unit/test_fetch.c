/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_fetch.c - whole fetches against scripted responders and a scripted DNS server on loopback.
 * What a response must be like is tested with ocsp, what a header must be like with http, what
 * follows from which answer with verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canned.h"
#include "dnsd.h"
#include "faults.h"
#include "nomem.h"
#include "ocu/dial.h"
#include "ocu/fetch.h"
#include "pki.h"
#include "responder.h"
#include "servers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_MS 10000
#define MANY 200
#define PEERS_MAX 64
#define HOPS_MAX 3

/* What all tests use: made once, since keys take their time. */
static struct pki *pki;
static struct pki_id leaf, server, server_ip;
static SSL_CTX *tls_ca, *tls_none;

/* What the engine keeps of a responder. */
struct known {
	char name[OCU_URL_AUTHORITY_BYTES + 1]; /* with the scheme in front */
	struct ocu_peer peer;
};

/* One fetcher with a loop, a responder and a DNS server. */
struct bed {
	struct ev_loop *loop;
	struct responder *r;
	struct dnsd *d;
	struct ocu_fetcher *fr;
	struct ocu_fetch_conf conf;
	char nameservers[64];
	struct known known[PEERS_MAX];
	size_t n_known;
	int64_t limit_ms, silence_ms;
	int fds;       /* open before there was anything */
	int running;   /* fetches that are not done */
};

/* A fetch and its URL, redirects followed as the engine does. */
struct job {
	struct ocu_fetch f;
	struct ocu_url url;
	struct bed *b;
	int done, hops, hung, stalled;
};

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void bed_forget(struct bed *b)
{
	while (b->n_known)
		ocu_peer_fini(&b->known[--b->n_known].peer);
}

/* A new fetcher, that knows of no responder. */
static void bed_fetcher(struct bed *b)
{
	struct ocu_err err;

	bed_forget(b);
	ocu_fetcher_free(b->fr);
	assert_int_equal(ocu_fetcher_new(&b->fr, b->loop, &b->conf, &err), OCU_OK);
}

static void bed_init_as(struct bed *b, const struct responder_conf *rc)
{
	*b = (struct bed){ .fds = count_fds(), .limit_ms = WAIT_MS };
	b->r = responder_new(rc);
	b->d = dnsd_new();
	snprintf(b->nameservers, sizeof(b->nameservers), "127.0.0.1:%u", dnsd_port(b->d));
	b->conf = (struct ocu_fetch_conf){
		.prefer = OCU_IPV6,
		.connect_ms = 5000,
		.dns = { .nameservers = b->nameservers },
		.tls = tls_ca,
		.idle_max = 16,
	};
	b->loop = ev_loop_new(0);
	bed_fetcher(b);
}

static void bed_init(struct bed *b)
{
	bed_init_as(b, &(struct responder_conf){ .pki = pki });
}

/* Everything that was opened is closed. */
static void bed_fini(struct bed *b)
{
	ocu_fetcher_free(b->fr);
	bed_forget(b);
	ev_loop_destroy(b->loop);
	responder_free(b->r);
	dnsd_free(b->d);
	assert_int_equal(count_fds(), b->fds);
}

/* The responder of <u>, as it is known. */
static struct ocu_peer *peer_of(struct bed *b, const struct ocu_url *u)
{
	char name[sizeof(b->known[0].name)];
	size_t i;

	name[0] = u->https ? 's' : 'h';
	ocu_url_responder(u, name + 1);
	for (i = 0; i < b->n_known; i++) {
		if (strcmp(b->known[i].name, name) == 0)
			return &b->known[i].peer;
	}
	assert_true(b->n_known < PEERS_MAX);
	memcpy(b->known[i].name, name, sizeof(name));
	ocu_peer_init(&b->known[i].peer);
	b->n_known++;
	return &b->known[i].peer;
}

/* Goes where it is redirected to. */
static void follow(struct job *j)
{
	j->url = j->f.location;
	j->f.post = j->f.location_post;
	j->f.redirected = true;
	j->f.peer = peer_of(j->b, &j->url);
	ocu_buf_fini(&j->f.der);
	ocu_fetch_start(j->b->fr, &j->f);
}

static void done(struct ocu_fetch *f)
{
	struct job *j = (struct job *)f;

	if (f->end == OCU_END_MOVED && j->hops++ < HOPS_MAX) {
		follow(j);
		return;
	}
	j->done++;
	if (--j->b->running == 0)
		ev_break(j->b->loop, EVBREAK_ALL);
}

static void hangs(struct ocu_fetch *f)
{
	((struct job *)f)->hung++;
}

static void stalls(struct ocu_fetch *f)
{
	((struct job *)f)->stalled++;
}

/* Fills <j> with a URL, in which "%" stands for <port>. */
static void job_init_at(struct bed *b, struct job *j, const char *url, uint16_t port)
{
	char text[256], *out = text;

	*j = (struct job){ .b = b };
	for (; *url; url++) {
		if (*url == '%')
			out += snprintf(out, 8, "%u", port);
		else
			*out++ = *url;
	}
	assert_int_equal(ocu_url_parse(&j->url, text, (size_t)(out - text), NULL), OCU_OK);
	j->f.cert = leaf.cert;
	j->f.issuer = pki->by[PKI_BY_ISSUER].cert;
	j->f.url = &j->url;
	j->f.peer = peer_of(b, &j->url);
	j->f.limit_ms = b->limit_ms;
	j->f.silence_ms = b->silence_ms;
	j->f.hangs_ms = 250;
	j->f.hangs = hangs;
	j->f.stalls = stalls;
	j->f.done = done;
}

static void job_init(struct bed *b, struct job *j, const char *url)
{
	job_init_at(b, j, url, responder_port(b->r));
}

static void job_start(struct job *j)
{
	j->b->running++;
	ocu_fetch_start(j->b->fr, &j->f);
	assert_int_equal(j->done, 0);
}

static void too_long_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("a fetch did not end");
}

/* Runs the loop until every fetch is done. */
static void run(struct bed *b)
{
	ev_timer limit;

	ev_now_update(b->loop);
	ev_timer_init(&limit, too_long_cb, 60., 0.);
	ev_timer_start(b->loop, &limit);
	if (b->running)
		ev_run(b->loop, 0);
	ev_timer_stop(b->loop, &limit);
}

/* All that is known of the failures, for messages and searches: "address cause" each. */
static const char *trace(const struct job *j)
{
	static char text[4096];
	char address[OCU_DIAL_PEER_BYTES];
	const struct ocu_attempt *a;
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < j->f.n_attempts; i++) {
		a = &j->f.attempts[i];
		snprintf(address, sizeof(address), "-");
		if (a->address.ss_family)
			ocu_dial_peer(address, &a->address);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? "; " : "",
					address, a->cause);
	}
	return text;
}

/* Fetches once and checks how it ended. <why>, if not NULL, is a part of the reason. */
static void expect(struct job *j, enum ocu_end end, const char *why)
{
	bool good = end == OCU_END_NEW || end == OCU_END_CURRENT || end == OCU_END_MOVED;

	job_start(j);
	run(j->b);
	assert_int_equal(j->done, 1);
	if (j->f.end != end || (why && !strstr(j->f.err.msg, why)))
		fail_msg("end %d, \"%s\" instead of %d, \"%s\"; %s", j->f.end, j->f.err.msg, end,
			 why ? why : "", trace(j));
	assert_int_equal(j->f.err.code == OCU_OK, good);
	assert_int_equal(j->f.err.msg[0] == '\0', good);
	assert_int_equal(j->f.der.len > 0, end == OCU_END_NEW);
	assert_null(j->f.run);
	ocu_buf_fini(&j->f.der);
}

static void expect_code(struct job *j, enum ocu_end end, enum ocu_status code, const char *why)
{
	expect(j, end, why);
	assert_int_equal(j->f.err.code, code);
}

static void trace_has(const struct job *j, const char *part)
{
	if (!strstr(trace(j), part))
		fail_msg("no \"%s\" in: %s", part, trace(j));
}

static struct responder_stats stats(struct bed *b)
{
	struct responder_stats s;

	responder_stats(b->r, &s);
	return s;
}

/* ---- what a responder can do ---- */

/* Whether <j> ended as the row <row> wants it; says so if not. */
static bool as_wanted(const struct job *j, const struct fault *row)
{
	const char *want = fault_want(row, false), *why = fault_why(row, false);
	const struct ocu_fetch *f = &j->f;
	const char *got = f->end != OCU_END_NEW ? "nothing" : f->fresh.revoked ? "revoked" : "good";

	if (strcmp(got, want ? want : "nothing") != 0 ||
	    (why && f->end != OCU_END_MOVED && !strstr(f->err.msg, why))) {
		print_error("%s: %s instead of %s, %s: %s\n", fault_name(row), got,
			    want ? want : "nothing", why ? why : "for any reason", f->err.msg);
		return false;
	}
	if (want)
		return f->der.len > 0;
	return f->der.len == 0 && (f->end == OCU_END_MOVED || (f->err.msg[0] && f->n_attempts));
}

/* Every row of the responder's table, all at the same time. */
static void faults(void **state)
{
	static struct job jobs[512];
	struct servers *s;
	struct bed b;
	char uri[128];
	size_t i, n;
	int wrong = 0;

	(void)state;
	bed_init(&b);
	s = servers_new(pki, b.r);
	b.limit_ms = 3000;
	/* Those that send more than one answer would answer the next row. */
	b.conf.idle_max = 0;
	bed_fetcher(&b);
	for (n = 0; fault_row(n); n++) {
		assert_true(n < COUNT(jobs));
		servers_url(s, n, leaf.cert, "127.0.0.1", uri, sizeof(uri));
		job_init(&b, &jobs[n], uri);
		job_start(&jobs[n]);
	}
	run(&b);
	for (i = 0; i < n; i++) {
		assert_int_equal(jobs[i].done, 1);
		/* It asks for patience first, which is the schedule's to have. */
		if (strcmp(fault_name(fault_row(i)), "first") == 0)
			assert_int_equal(jobs[i].f.end, OCU_END_PAUSE);
		else
			wrong += !as_wanted(&jobs[i], fault_row(i));
		ocu_buf_fini(&jobs[i].f.der);
	}
	servers_free(s);
	bed_fini(&b);
	assert_int_equal(wrong, 0);
}

/* How each kind of answer ends. */
static void ends(void **state)
{
	static const struct {
		const char *path;
		enum ocu_end end;
		enum ocu_status code;
		const char *why;
		int status;
		unsigned requests;
	} rows[] = {
		{ "ok", OCU_END_NEW, OCU_OK, NULL, 200, 1 },
		{ "status-500", OCU_END_BROKEN, OCU_HTTP, "status 500", 500, 2 },
		{ "status-404", OCU_END_BROKEN, OCU_HTTP, "status 404", 404, 2 },
		{ "status-401", OCU_END_BROKEN, OCU_HTTP, "status 401", 401, 1 },
		{ "status-429", OCU_END_PAUSE, OCU_HTTP, "status 429", 429, 1 },
		{ "status-503", OCU_END_PAUSE, OCU_HTTP, "status 503", 503, 1 },
		{ "error", OCU_END_PAUSE, OCU_TRY_LATER, "tryLater", 200, 1 },
		{ "created", OCU_END_BROKEN, OCU_HTTP, "status 201", 201, 1 },
		{ "not-modified", OCU_END_BROKEN, OCU_HTTP, "status 304", 304, 1 },
		{ "no-type", OCU_END_BROKEN, OCU_TYPE, "no content type", 200, 2 },
		{ "wrong-type", OCU_END_BROKEN, OCU_TYPE, "content type text/html", 200, 2 },
		{ "empty", OCU_END_BROKEN, OCU_TYPE, "empty body", 200, 2 },
		{ "gzip", OCU_END_BROKEN, OCU_TYPE, "Content-Encoding", 200, 2 },
		{ "random", OCU_END_REFUSED, OCU_MALFORMED, NULL, 200, 2 },
		{ "bad-signature", OCU_END_REFUSED, OCU_OCSP, "signature", 200, 1 },
		{ "unknown", OCU_END_REFUSED, OCU_OTHER_CERT, "unknown", 200, 1 },
		{ "wrong-cert", OCU_END_REFUSED, OCU_OTHER_CERT, NULL, 200, 1 },
		{ "expired", OCU_END_REFUSED, OCU_ENDED, "nextUpdate", 200, 2 },
		{ "soon", OCU_END_REFUSED, OCU_ENDED, "nextUpdate", 200, 2 },
		{ "big", OCU_END_BROKEN, OCU_TOO_BIG, "body is longer", 200, 1 },
		{ "redirect-none", OCU_END_BROKEN, OCU_HTTP, "without a Location", 302, 1 },
		{ "redirect-ftp", OCU_END_BROKEN, OCU_URI, NULL, 302, 1 },
		{ "close", OCU_END_SILENT, OCU_HTTP, "closed before any answer", 0, 2 },
		{ "reset", OCU_END_SILENT, OCU_HTTP, "reading: Connection reset", 0, 2 },
		{ "http09", OCU_END_SILENT, OCU_HTTP, "not an HTTP/1 status line", 0, 1 },
		{ "close-body", OCU_END_BROKEN, OCU_HTTP, "closed within the body", 200, 1 },
		{ "hang", OCU_END_SILENT, OCU_HTTP, "no answer within 600 ms", 0, 1 },
		{ "hang-body", OCU_END_BROKEN, OCU_HTTP, "within 600 ms", 200, 1 },
	};
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	b.limit_ms = 600;
	for (i = 0; i < COUNT(rows); i++) {
		bed_fetcher(&b);
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/", rows[i].path);
		job_init(&b, &j, uri);
		expect_code(&j, rows[i].end, rows[i].code, rows[i].why);
		assert_int_equal(j.f.http_status, rows[i].status);
		assert_int_equal(j.f.address.ss_family, AF_INET);
		assert_true(j.f.local);
		assert_int_equal(responder_count(b.r, rows[i].path), rows[i].requests);
		assert_int_equal(j.f.n_attempts > 0, rows[i].end != OCU_END_NEW);
		assert_false(j.f.peer->post_only);
	}
	bed_fini(&b);
}

/* GET first; POST when that is refused, once, over the same connection, and remembered. */
static void methods(void **state)
{
	static const int codes[] = { 400, 403, 404, 405, 411, 414, 500, 501 };
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(codes); i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/get-%d/", codes[i]);
		job_init(&b, &j, uri);
		j.f.peer->post_only = false;
		expect(&j, OCU_END_NEW, NULL);
		snprintf(uri, sizeof(uri), "GET: status %d", codes[i]);
		trace_has(&j, uri);
		assert_true(j.f.peer->post_only);
		assert_int_equal(stats(&b).get, i + 1);
		assert_int_equal(stats(&b).post, i + 1);
	}
	assert_int_equal(stats(&b).connections, 1);
	job_init(&b, &j, "http://127.0.0.1:%/get-405/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.f.n_attempts, 0);
	assert_int_equal(stats(&b).get, i);
	assert_int_equal(stats(&b).post, i + 1);
	/* What was remembered is forgotten when it turns out to be wrong. */
	job_init(&b, &j, "http://127.0.0.1:%/status-405/");
	expect(&j, OCU_END_BROKEN, "status 405");
	assert_false(j.f.peer->post_only);
	/* A query leaves no room for the path of a GET; that says nothing of the responder. */
	job_init(&b, &j, "http://127.0.0.1:%/ok/?x=y");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(stats(&b).post, i + 3);
	assert_false(j.f.peer->post_only);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.post = true;
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(stats(&b).post, i + 4);
	assert_false(j.f.peer->post_only);
	assert_int_equal(stats(&b).malformed, 0);
	bed_fini(&b);
}

/* ---- connections ---- */

static void keep_alive(void **state)
{
	struct job j;
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < 10; i++) {
		job_init(&b, &j, "http://127.0.0.1:%/ok/");
		expect(&j, OCU_END_NEW, NULL);
	}
	assert_int_equal(stats(&b).connections, 1);
	/* Closed while it is idle. */
	responder_drop(b.r);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.f.n_attempts, 0);
	assert_int_equal(stats(&b).connections, 2);
	/* An answer without end or length, and one that says so, close it. */
	job_init(&b, &j, "http://127.0.0.1:%/close-after/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/garbage-after/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.f.n_attempts, 0);
	assert_int_equal(stats(&b).malformed, 0);
	bed_fini(&b);
}

/* A connection that was kept and breaks under the request is no failure; a new one is. */
static void stale(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/close/");
	j.f.post = true;
	expect(&j, OCU_END_SILENT, NULL);
	/* Over the old connection, and over one more. */
	assert_int_equal(stats(&b).requests, 3);
	assert_int_equal(stats(&b).connections, 2);
	assert_int_equal(j.f.n_attempts, 1);
	bed_fini(&b);
}

static void many(void **state)
{
	static struct job jobs[MANY];
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	dnsd_set(b.d, "r.test a=127.0.0.1 ttl=60 delay=50");
	for (i = 0; i < MANY; i++) {
		job_init(&b, &jobs[i], i % 2 ? "http://127.0.0.1:%/hold-ok/" :
			 "http://r.test:%/hold-ok/");
		job_start(&jobs[i]);
	}
	while (!responder_wait(b.r, "hold-ok", MANY, 1))
		ev_run(b.loop, EVRUN_NOWAIT);
	responder_release(b.r);
	run(&b);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_int_equal(jobs[i].f.end, OCU_END_NEW);
		ocu_buf_fini(&jobs[i].f.der);
	}
	assert_int_equal(dnsd_count(b.d, "r.test"), 2);
	assert_int_equal(stats(&b).connections, MANY);
	/* No more than sixteen of each are kept. */
	assert_true(count_fds() - b.fds < MANY);
	bed_fini(&b);
}

/* The end of one begins the next one, as the engine does. */
static struct job *queue;
static int queue_next;

static void queue_done(struct ocu_fetch *f)
{
	struct job *j = (struct job *)f;

	assert_int_equal(f->end, OCU_END_NEW);
	ocu_buf_fini(&f->der);
	if (queue_next < 1000)
		job_start(&queue[queue_next++]);
	done(&j->f);
}

/* 1,000 requests, 16 at a time: the connections of those that are over serve those that follow. */
static void thousand(void **state)
{
	struct bed b;
	int i;

	(void)state;
	queue = calloc(1000, sizeof(*queue));
	assert_non_null(queue);
	bed_init(&b);
	for (i = 0; i < 1000; i++) {
		job_init(&b, &queue[i], "http://127.0.0.1:%/ok/");
		queue[i].f.done = queue_done;
	}
	for (queue_next = 0; queue_next < 16; queue_next++)
		job_start(&queue[queue_next]);
	queue_next = 16;
	run(&b);
	assert_int_equal(stats(&b).requests, 1000);
	assert_true(stats(&b).connections <= 20);
	free(queue);
	bed_fini(&b);
}

/* ---- redirects, proxy, validators ---- */

static void redirects(void **state)
{
	static const struct {
		const char *path;
		bool keeps;    /* POST stays POST */
	} rows[] = {
		{ "redirect", true }, { "redirect301", true }, { "redirect303", false },
		{ "redirect307", true }, { "redirect308", true }, { "redirect-relative", true },
	};
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(rows); i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/", rows[i].path);
		job_init(&b, &j, uri);
		j.hops = HOPS_MAX;
		expect(&j, OCU_END_MOVED, NULL);
		assert_false(j.f.location_post);
		assert_true(strncmp(j.f.location.target, "/ok/M", 5) == 0);
		job_init(&b, &j, uri);
		expect(&j, OCU_END_NEW, NULL);
		assert_int_equal(stats(&b).post, i);
		job_init(&b, &j, uri);
		j.f.post = true;
		j.hops = HOPS_MAX;
		expect(&j, OCU_END_MOVED, NULL);
		assert_int_equal(j.f.location_post, rows[i].keeps);
		assert_true(strncmp(j.f.location.target, "/ok/", 4) == 0);
	}
	job_init(&b, &j, "http://127.0.0.1:%/chain-3/");
	expect(&j, OCU_END_NEW, NULL);
	/* What is redirected to is asked in no other way. */
	job_init(&b, &j, "http://127.0.0.1:%/status-405/");
	j.f.redirected = true;
	expect(&j, OCU_END_BROKEN, "status 405");
	assert_int_equal(responder_count(b.r, "status-405"), 1);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.peer->post_only = true;
	j.f.redirected = true;
	expect_code(&j, OCU_END_BROKEN, OCU_BAD_REQUEST, NULL);
	assert_int_equal(stats(&b).post, COUNT(rows));
	bed_fini(&b);
}

/* A redirect from elsewhere does not lead to this machine, by no name and over no connection. */
static void only_public(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1,10.1.2.3 aaaa=::1,fe80::1"));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "http://r.test:%/ok/");
	j.f.only_public = true;
	expect_code(&j, OCU_END_BROKEN, OCU_CONNECT, "not a public address");
	assert_int_equal(j.f.n_attempts, 4);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.only_public = true;
	expect_code(&j, OCU_END_BROKEN, OCU_CONNECT, "not a public address");
	assert_int_equal(stats(&b).connections, 1);
	bed_fini(&b);
}

static void proxy(void **state)
{
	struct sockaddr_in *sin;
	struct job j;
	struct bed b;
	char head[512];

	(void)state;
	bed_init(&b);
	sin = (struct sockaddr_in *)&b.conf.proxy;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(responder_port(b.r));
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b.conf.only = OCU_IPV6; /* says nothing of the proxy */
	b.conf.proxy_auth = "Basic dXNlcjpwYXNz";
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test:81/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_false(j.f.local);
	responder_last(b.r, head, sizeof(head));
	assert_true(strncmp(head, "GET http://responder.test:81/ok/", 32) == 0);
	assert_non_null(strstr(head, "Host: responder.test:81\r\n"));
	assert_non_null(strstr(head, "\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
	/* Its connections are the proxy's, whoever is asked through it. */
	job_init(&b, &j, "http://[2606:4700::1]/ok/?post");
	j.f.only_public = true;
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(stats(&b).absolute, 2);
	job_init(&b, &j, "http://127.0.0.1/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_true(j.f.local);
	job_init(&b, &j, "http://127.0.0.1/ok/");
	j.f.only_public = true;
	expect_code(&j, OCU_END_BROKEN, OCU_CONNECT, "not a public address");
	assert_int_equal(stats(&b).absolute, 3);
	assert_int_equal(stats(&b).connections, 1);
	assert_int_equal(dnsd_count(b.d, "responder.test"), 0);
	responder_mode_set(b.r, false, RESPONDER_REFUSE);
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test/ok/");
	expect_code(&j, OCU_END_UNREACHED, OCU_CONNECT, "Connection refused");
	responder_mode_set(b.r, false, RESPONDER_LISTEN);
	/* By name. */
	b.conf.proxy.ss_family = 0;
	b.conf.proxy_host = "proxy.test";
	b.conf.proxy_port = responder_port(b.r);
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test/ok/");
	expect_code(&j, OCU_END_UNREACHED, OCU_DNS, "no such name");
	assert_true(dnsd_set(b.d, "proxy.test a=127.0.0.1 ttl=0"));
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(dnsd_count(b.d, "responder.test"), 0);
	bed_fini(&b);
}

static void validators(void **state)
{
	static const char *const rows[] = { "etag", "modified" };
	struct ocu_http_validators v;
	struct ocu_held held;
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < 2; i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/", rows[i]);
		job_init(&b, &j, uri);
		expect(&j, OCU_END_NEW, NULL);
		assert_true(j.f.validators.etag[0] || j.f.validators.last_modified[0]);
		assert_int_equal(stats(&b).conditional, i);
		v = j.f.validators;
		held = j.f.fresh;
		job_init(&b, &j, uri);
		j.f.held = held;
		j.f.etag = v.etag;
		j.f.last_modified = v.last_modified;
		expect(&j, OCU_END_CURRENT, NULL);
		assert_true(j.f.not_modified);
		/* They are of no use when nothing is held that could be stapled. */
		job_init(&b, &j, uri);
		j.f.etag = v.etag;
		j.f.last_modified = v.last_modified;
		expect(&j, OCU_END_NEW, NULL);
		assert_int_equal(stats(&b).conditional, i + 1);
		assert_int_equal(stats(&b).not_modified, i + 1);
	}
	bed_fini(&b);
}

/* ---- caches, codings, patience ---- */

enum body { GOOD, ENDED, OLD, GZIP, SLOW_DOWN, BAD_REQUEST, INTERNAL };

/* A server that gives one answer or, if a word is in the head of the request, another. */
struct script {
	const char *word;
	enum body with, without;
	const char *fields;        /* besides the type */
	uint8_t *der[3];           /* of GOOD, ENDED, OLD */
	size_t n[3];
};

static bool say_body(int fd, const struct script *s, enum body body)
{
	static const uint8_t bad_request[] = { 0x30, 0x03, 0x0a, 0x01, 0x01 };
	static const uint8_t internal[] = { 0x30, 0x03, 0x0a, 0x01, 0x02 };
	char fields[256];

	snprintf(fields, sizeof(fields), "Content-Type: application/ocsp-response\r\n%s%s",
		 s->fields ? s->fields : "", body == GZIP ? "Content-Encoding: gzip\r\n" : "");
	switch (body) {
	case GZIP:
		canned_say(fd, "200 OK", fields, "zip", 3);
		break;
	case SLOW_DOWN:
		canned_say(fd, "429 Slow down", fields, "", 0);
		break;
	case BAD_REQUEST:
		canned_say(fd, "200 OK", fields, bad_request, sizeof(bad_request));
		break;
	case INTERNAL:
		canned_say(fd, "200 OK", fields, internal, sizeof(internal));
		break;
	default:
		canned_say(fd, "200 OK", fields, s->der[body], s->n[body]);
	}
	return true;
}

static bool script_cb(struct canned *c, int fd, const char *head)
{
	const struct script *s = canned_arg(c);

	return say_body(fd, s, s->word && strstr(head, s->word) ? s->with : s->without);
}

static void script_init(struct script *s)
{
	static const struct {
		int64_t since, until;
	} rows[] = { { -3600, 86400 }, { -864000, -86400 }, { -7200, 7200 } };
	struct pki_response r = { .n_singles = 1 };
	size_t i;

	*s = (struct script){ .word = NULL };
	for (i = 0; i < COUNT(rows); i++) {
		r.singles[0] = (struct pki_single){ .cert = leaf.cert,
						    .this_update = pki->now + rows[i].since,
						    .next_update = pki->now + rows[i].until };
		s->n[i] = pki_response_make(pki, &s->der[i], &r);
	}
}

static void script_fini(struct script *s)
{
	size_t i;

	for (i = 0; i < 3; i++)
		free(s->der[i]);
}

/* What is held: nothing, or a response that was from <since> and is valid until <until>, seconds
 * from now. <sum>: the bytes of which answer it has.
 */
static struct ocu_held held_from(const struct script *s, int64_t since, int64_t until,
				 enum body sum)
{
	struct ocu_ocsp o = { .this_update = pki->now + since, .next_update = pki->now + until };
	struct ocu_held h;

	ocu_held_init(&h, &o, s->der[sum], s->n[sum]);
	h.expiry = pki->now + until - OCU_OCSP_SKEW_S;
	if (!until)
		h = (struct ocu_held){ 0 };
	return h;
}

/* A word in the request brings another answer. */
static void asked_again(void **state)
{
	static const struct {
		const char *word;
		enum body with, without;
		int64_t since, until; /* of what is held; 0, 0: nothing */
		enum body sum;
		enum ocu_end end;
		unsigned requests;
	} rows[] = {
		/* A copy that has ended, while the origin has a good one. */
		{ "Cache-Control: no-cache\r\n", GOOD, ENDED, 0, 0, GOOD, OCU_END_NEW, 2 },
		{ "no-cache", ENDED, ENDED, 0, 0, GOOD, OCU_END_REFUSED, 2 },
		/* An older copy: no failure, unless the held one is near its end. */
		{ "no-cache", GOOD, OLD, -3700, 86400, ENDED, OCU_END_CURRENT, 1 },
		{ "no-cache", GOOD, OLD, -7000, 1000, ENDED, OCU_END_NEW, 2 },
		{ "no-cache", OLD, OLD, -7000, 1000, ENDED, OCU_END_CURRENT, 2 },
		/* The same bytes. */
		{ "no-cache", GOOD, OLD, -7200, 7200, OLD, OCU_END_CURRENT, 1 },
		{ "no-cache", GOOD, OLD, -7200, 1000, OLD, OCU_END_NEW, 2 },
		/* Nothing usable is held: an older one is better than none. */
		{ "no-cache", GOOD, OLD, -3600, 100, ENDED, OCU_END_NEW, 1 },
		{ "Accept-Encoding: identity\r\n", GOOD, GZIP, 0, 0, GOOD, OCU_END_NEW, 2 },
		{ "identity", GZIP, GZIP, 0, 0, GOOD, OCU_END_BROKEN, 2 },
		{ "POST", GOOD, BAD_REQUEST, 0, 0, GOOD, OCU_END_NEW, 2 },
		{ "POST", BAD_REQUEST, BAD_REQUEST, 0, 0, GOOD, OCU_END_BROKEN, 2 },
		{ "POST", GOOD, INTERNAL, 0, 0, GOOD, OCU_END_BROKEN, 1 },
		/* One after the other: as POST, and then past the cache. */
		{ "no-cache", GOOD, BAD_REQUEST, 0, 0, GOOD, OCU_END_BROKEN, 2 },
	};
	struct script s;
	struct canned *c;
	struct job j;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	script_init(&s);
	for (i = 0; i < COUNT(rows); i++) {
		c = canned_new(b.loop, script_cb, &s);
		assert_true(canned_listen(c, "127.0.0.1"));
		s.word = rows[i].word;
		s.with = rows[i].with;
		s.without = rows[i].without;
		bed_fetcher(&b);
		job_init_at(&b, &j, "http://127.0.0.1:%/", canned_port(c));
		j.f.held = held_from(&s, rows[i].since, rows[i].until, rows[i].sum);
		expect(&j, rows[i].end, NULL);
		if (canned_requests(c) != rows[i].requests)
			fail_msg("row %zu: %u requests", i, canned_requests(c));
		/* All of them over one connection. */
		assert_int_equal(canned_connections(c), 1);
		canned_free(c);
	}
	script_fini(&s);
	bed_fini(&b);
}

/* What is said of time along with an answer. */
static void told(void **state)
{
	static const struct {
		const char *fields;
		enum body body;
		enum ocu_end end;
		int64_t retry_after_s, max_age_s;
	} rows[] = {
		{ "", SLOW_DOWN, OCU_END_PAUSE, -1, -1 },
		{ "Retry-After: 17\r\n", SLOW_DOWN, OCU_END_PAUSE, 17, -1 },
		{ "Date: Tue, 01 Sep 2026 10:00:00 GMT\r\n"
		  "Retry-After: Tue, 01 Sep 2026 10:01:30 GMT\r\n", SLOW_DOWN, OCU_END_PAUSE, 90,
		  -1 },
		{ "Retry-After: Tue, 01 Sep 2020 10:01:30 GMT\r\n", SLOW_DOWN, OCU_END_PAUSE, 0,
		  -1 },
		{ "Cache-Control: max-age=600\r\n", GOOD, OCU_END_NEW, -1, 600 },
		{ "", GOOD, OCU_END_NEW, -1, -1 },
	};
	struct script s;
	struct canned *c;
	struct job j;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	script_init(&s);
	c = canned_new(b.loop, script_cb, &s);
	assert_true(canned_listen(c, "127.0.0.1"));
	for (i = 0; i < COUNT(rows); i++) {
		s.fields = rows[i].fields;
		s.without = rows[i].body;
		job_init_at(&b, &j, "http://127.0.0.1:%/", canned_port(c));
		expect(&j, rows[i].end, NULL);
		if (j.f.retry_after_s != rows[i].retry_after_s ||
		    j.f.max_age_s != rows[i].max_age_s)
			fail_msg("row %zu: %lld, %lld", i, (long long)j.f.retry_after_s,
				 (long long)j.f.max_age_s);
	}
	canned_free(c);
	script_fini(&s);
	bed_fini(&b);
}

/* ---- silence ---- */

/* It says so once when no status line comes, and never when one came in time. */
static void hanging(void **state)
{
	static const struct {
		const char *uri;
		int64_t limit_ms, silence_ms;
		enum ocu_end end;
		const char *why;
		int hung; /* at least so often, or not */
		bool timed_out;
	} rows[] = {
		{ "http://127.0.0.1:%/ok/", 9000, 100, OCU_END_NEW, NULL, 0, false },
		{ "http://127.0.0.1:%/hang/", 400, 0, OCU_END_SILENT, "in 400 ms", 1, true },
		{ "http://127.0.0.1:%/hang/", 900, 0, OCU_END_SILENT, "in 900 ms", 2, true },
		{ "http://127.0.0.1:%/hang/", 9000, 400, OCU_END_SILENT, "in 400 ms", 1, true },
		{ "http://127.0.0.1:%/hang/", 9000, 100, OCU_END_SILENT, "in 100 ms", 0, true },
		{ "http://127.0.0.1:%/slow-350/", 9000, 0, OCU_END_NEW, NULL, 1, false },
		{ "http://127.0.0.1:%/hang-body/", 500, 100, OCU_END_BROKEN, "200", 0, true },
		{ "http://127.0.0.1:%/close/", 9000, 0, OCU_END_SILENT, NULL, 0, false },
		{ "http://127.0.0.1:1/", 9000, 0, OCU_END_UNREACHED, NULL, 0, false },
	};
	struct job j;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(rows); i++) {
		bed_fetcher(&b);
		job_init(&b, &j, rows[i].uri);
		j.f.limit_ms = rows[i].limit_ms;
		j.f.silence_ms = rows[i].silence_ms;
		expect(&j, rows[i].end, rows[i].why);
		if (j.hung < rows[i].hung || (j.hung && !rows[i].hung) ||
		    j.f.timed_out != rows[i].timed_out)
			fail_msg("row %zu: %d, %d", i, j.hung, j.f.timed_out);
	}
	/* It need not be listened to, and may cancel the fetch from there. */
	job_init(&b, &j, "http://127.0.0.1:%/hang/");
	j.f.limit_ms = 400;
	j.f.hangs = NULL;
	expect(&j, OCU_END_SILENT, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/hang/");
	j.f.hangs = ocu_fetch_cancel;
	expect(&j, OCU_END_CANCELLED, NULL);
	bed_fini(&b);
}

/* A host that takes no connection is told before the limit of time, once; one that does is not. */
static void stalls_are_told(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_fetcher(&b);
	job_init(&b, &j, "http://127.0.0.1:%/slow-700/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.stalled, 0);
	bed_fetcher(&b);
	responder_mode_set(b.r, false, RESPONDER_BLACKHOLE);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.limit_ms = 1200;
	expect(&j, OCU_END_UNREACHED, "1200 ms");
	assert_true(j.f.timed_out);
	assert_int_equal(j.stalled, 1);
	assert_int_equal(j.hung, 0);
	/* It need not be listened to, and may cancel the fetch from there. */
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.limit_ms = 700;
	j.f.stalls = NULL;
	expect(&j, OCU_END_UNREACHED, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.stalls = ocu_fetch_cancel;
	expect(&j, OCU_END_CANCELLED, NULL);
	bed_fini(&b);
}

/* IPv6 that connects and then loses everything costs 2 s once, and nothing the next time. */
static void silent_family(void **state)
{
	struct job j;
	struct bed b;
	int64_t begun;

	(void)state;
	bed_init(&b);
	if (!responder_has_v6(b.r)) {
		bed_fini(&b);
		skip();
	}
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1 aaaa=::1 ttl=60"));
	responder_mode_set(b.r, true, RESPONDER_SILENT);
	begun = ocu_now_ms();
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_true(ocu_now_ms() - begun >= OCU_REQUEST_SILENCE_MS);
	assert_int_equal(j.f.address.ss_family, AF_INET);
	assert_true(j.hung > 1);
	trace_has(&j, "[::1]:");
	begun = ocu_now_ms();
	responder_drop(b.r);
	assert_true(responder_wait_idle(b.r, WAIT_MS));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_true(ocu_now_ms() - begun < OCU_REQUEST_SILENCE_MS);
	assert_int_equal(j.f.n_attempts, 0);
	bed_fini(&b);
}

/* ---- names and addresses ---- */

#define V4 "a=127.0.0.1"
#define V6 "aaaa=::1"
#define BOTH V4 " " V6
#define LISTEN RESPONDER_LISTEN
#define REFUSE RESPONDER_REFUSE
#define HOLE RESPONDER_BLACKHOLE

/* Which family is used, in every combination of DNS and responder. */
static void families(void **state)
{
	static const struct {
		const char *dns;
		enum responder_mode v4, v6;
		enum ocu_family prefer, only;
		int want;              /* 4, 6, or 0 for none */
		const char *why;       /* in the trace */
	} rows[] = {
		{ BOTH, LISTEN, LISTEN, OCU_ANY, OCU_ANY, 6, "" },
		{ BOTH, LISTEN, LISTEN, OCU_IPV4, OCU_ANY, 4, "" },
		{ BOTH, LISTEN, LISTEN, OCU_IPV6, OCU_IPV4, 4, "" },
		{ BOTH, LISTEN, LISTEN, OCU_IPV4, OCU_IPV6, 6, "" },
		{ BOTH, LISTEN, REFUSE, OCU_IPV6, OCU_ANY, 4, "[::1]:" },
		{ BOTH, REFUSE, LISTEN, OCU_IPV4, OCU_ANY, 6, "Connection refused" },
		{ BOTH, LISTEN, HOLE, OCU_IPV6, OCU_ANY, 4, "" },
		{ BOTH, HOLE, LISTEN, OCU_IPV4, OCU_ANY, 6, "" },
		{ BOTH, REFUSE, REFUSE, OCU_IPV6, OCU_ANY, 0, "[::1]:" },
		{ BOTH, LISTEN, REFUSE, OCU_IPV6, OCU_IPV6, 0, "refused" },
		{ BOTH, LISTEN, HOLE, OCU_IPV6, OCU_IPV6, 0, "no answer in 700 ms" },
		{ V4, LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 4, "" },
		{ V6, LISTEN, LISTEN, OCU_IPV4, OCU_ANY, 6, "" },
		{ BOTH " delay-a=300", LISTEN, LISTEN, OCU_IPV4, OCU_ANY, 6, "" },
		{ BOTH " delay-aaaa=300", LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 4, "" },
		{ V4 " drop-aaaa", LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 4, "" },
		{ V4 " code-aaaa=2", LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 4, "" },
		{ V4 " code-aaaa=3", LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 4, "" },
		{ BOTH " truncate", LISTEN, LISTEN, OCU_IPV6, OCU_ANY, 6, "" },
	};
	struct job j;
	struct bed b;
	char line[128];
	size_t i;

	(void)state;
	bed_init(&b);
	if (!responder_has_v6(b.r)) {
		bed_fini(&b);
		skip();
	}
	b.conf.connect_ms = 700;
	for (i = 0; i < COUNT(rows); i++) {
		snprintf(line, sizeof(line), "r.test %s", rows[i].dns);
		assert_true(dnsd_set(b.d, line));
		responder_mode_set(b.r, false, rows[i].v4);
		responder_mode_set(b.r, true, rows[i].v6);
		b.conf.prefer = rows[i].prefer;
		b.conf.only = rows[i].only;
		bed_fetcher(&b);
		job_init(&b, &j, "http://r.test:%/ok/");
		expect_code(&j, rows[i].want ? OCU_END_NEW : OCU_END_UNREACHED,
			    rows[i].want ? OCU_OK : OCU_CONNECT, NULL);
		trace_has(&j, rows[i].why);
		if (rows[i].want)
			assert_int_equal(j.f.address.ss_family == AF_INET6, rows[i].want == 6);
	}
	bed_fini(&b);
}

/* Names that lead nowhere, and addresses in URIs. */
static void names(void **state)
{
	static const struct {
		const char *dns, *uri;
		enum ocu_family only;
		enum ocu_status st;
		const char *why;
	} rows[] = {
		{ "code=3", "http://r.test/", OCU_ANY, OCU_DNS, "no such name" },
		{ "code=2", "http://r.test/", OCU_ANY, OCU_DNS, "all nameservers failed" },
		{ "code=5", "http://r.test/", OCU_ANY, OCU_DNS, "all nameservers failed" },
		{ "", "http://r.test/", OCU_ANY, OCU_DNS, "no AAAA record; no A record" },
		{ V6, "http://r.test/", OCU_IPV4, OCU_DNS, "no A record" },
		{ V4 " owner=x.test", "http://r.test/", OCU_ANY, OCU_DNS, "record" },
		{ "drop", "http://r.test/", OCU_ANY, OCU_DNS, "no answer from DNS" },
		{ "", "http://127.0.0.1/", OCU_IPV6, OCU_CONNECT, "not an IPv6 address" },
		{ "", "http://[::1]/", OCU_IPV4, OCU_CONNECT, "not an IPv4 address" },
		{ "", "http://localhost:%/ok/", OCU_ANY, OCU_OK, NULL },
		{ "", "http://x.localhost:%/ok/", OCU_IPV4, OCU_OK, NULL },
		{ "cname=c.test", "http://r.test:%/ok/", OCU_ANY, OCU_OK, NULL },
	};
	struct job j;
	struct bed b;
	char line[128];
	size_t i;

	(void)state;
	bed_init(&b);
	assert_true(dnsd_set(b.d, "c.test " V4));
	for (i = 0; i < COUNT(rows); i++) {
		snprintf(line, sizeof(line), "r.test %s", rows[i].dns);
		assert_true(dnsd_set(b.d, line));
		b.conf.only = rows[i].only;
		bed_fetcher(&b);
		job_init(&b, &j, rows[i].uri);
		j.f.limit_ms = 1500;
		expect_code(&j, rows[i].st == OCU_OK ? OCU_END_NEW : OCU_END_UNREACHED, rows[i].st,
			    rows[i].why);
	}
	b.conf.dns.nameservers = NULL;
	b.conf.only = OCU_ANY;
	bed_fetcher(&b);
	job_init(&b, &j, "http://r.test/ok/");
	expect_code(&j, OCU_END_UNREACHED, OCU_DNS, "no nameserver is configured");
	bed_fini(&b);
}

/* What worked goes first, and is left when DNS is down. */
static void memory(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	if (!responder_has_v6(b.r)) {
		bed_fini(&b);
		skip();
	}
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1 aaaa=::1 ttl=0"));
	responder_mode_set(b.r, true, RESPONDER_REFUSE);
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	trace_has(&j, "refused");
	/* IPv6 is back, but IPv4 is what worked. */
	responder_mode_set(b.r, true, RESPONDER_LISTEN);
	responder_drop(b.r);
	assert_true(responder_wait_idle(b.r, WAIT_MS));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.f.n_attempts, 0);
	assert_int_equal(stats(&b).v6, 0);
	assert_int_equal(stats(&b).connections, 2);
	/* The answer was not to be remembered, and DNS is dead. */
	assert_true(dnsd_wait(b.d, "r.test", 4, WAIT_MS));
	dnsd_mute(b.d, true);
	responder_drop(b.r);
	assert_true(responder_wait_idle(b.r, WAIT_MS));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(stats(&b).connections, 3);
	/* It does not help a host that is not known. */
	job_init(&b, &j, "http://s.test:%/ok/");
	j.f.limit_ms = 500;
	expect_code(&j, OCU_END_UNREACHED, OCU_DNS, "no answer from DNS within 500 ms");
	bed_fini(&b);
}

/* Sockets that cannot be had, and TLS that is not set up, say nothing of the responder. */
static void on_this_side(void **state)
{
	struct rlimit was, none;
	struct job j;
	struct bed b;
	int next;

	(void)state;
	bed_init(&b);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(STDERR_FILENO);
	close(next);
	none = was;
	none.rlim_cur = (rlim_t)next;
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	job_start(&j);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run(&b);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(j.done, 1);
	assert_int_equal(j.f.end, OCU_END_LOCAL);
	assert_int_equal(j.f.err.code, OCU_CONNECT);
	assert_string_equal(j.f.err.msg, "Too many open files");
	assert_int_equal(j.f.attempts[0].error, EMFILE);
	b.conf.tls = NULL;
	bed_fetcher(&b);
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect_code(&j, OCU_END_LOCAL, OCU_TLS, "not set up");
	bed_fini(&b);
}

/* ---- the end at any point ---- */

static void cancel_at_once(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	job_start(&j);
	ocu_fetch_cancel(&j.f);
	ocu_fetch_cancel(&j.f);
	assert_int_equal(j.done, 0);
	run(&b);
	assert_int_equal(j.done, 1);
	assert_int_equal(j.f.end, OCU_END_CANCELLED);
	assert_int_equal(j.f.err.code, OCU_CANCELLED);
	ocu_fetch_cancel(&j.f);
	ocu_buf_fini(&j.f.der);
	bed_fini(&b);
}

/* Cancels or frees all when the loop has turned <n> times, for every n until a fetch gets done
 * before that: so at every stage.
 */
static void cancel_everywhere(void **state)
{
	static const char *const uris[] = { "http://r.test:%/slow/",
					    "http://r.test:%/get-405/", "https://r.test:%/ok/" };
	struct job j;
	struct bed b;
	bool all;
	int u, n, i, ended;

	(void)state;
	for (u = 0; u < 6; u++) {
		all = u % 2;
		bed_init_as(&b, &(struct responder_conf){ .pki = pki,
							  .tls = u / 2 == 2 ? &server : NULL });
		assert_true(dnsd_set(b.d, "r.test a=127.0.0.1 aaaa=::1 ttl=0"));
		for (n = 0, ended = 0; !ended && n < 100; n++) {
			bed_fetcher(&b);
			job_init(&b, &j, uris[u / 2]);
			job_start(&j);
			for (i = 0; i < n && !j.done; i++)
				ev_run(b.loop, EVRUN_ONCE);
			ended = j.done;
			if (all) {
				ocu_fetcher_free(b.fr);
				b.fr = NULL;
			} else {
				ocu_fetch_cancel(&j.f);
				run(&b);
			}
			assert_int_equal(j.done, 1);
			assert_int_equal(j.f.end, ended ? OCU_END_NEW : OCU_END_CANCELLED);
			assert_int_equal(j.f.der.len > 0, ended);
			ocu_buf_fini(&j.f.der);
		}
		assert_true(ended && n > 5);
		bed_fini(&b);
	}
}

static void free_in_flight(void **state)
{
	static struct job jobs[MANY];
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	assert_true(dnsd_set(b.d, "drop.test drop"));
	for (i = 0; i < MANY; i++) {
		job_init(&b, &jobs[i], i % 2 ? "http://drop.test/" : "http://127.0.0.1:%/hang/");
		job_start(&jobs[i]);
	}
	while (!responder_wait(b.r, "hang", MANY / 2, 1))
		ev_run(b.loop, EVRUN_NOWAIT);
	ocu_fetcher_free(b.fr);
	b.fr = NULL;
	assert_int_equal(b.running, 0);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_int_equal(jobs[i].f.end, OCU_END_CANCELLED);
	}
	bed_fini(&b);
}

/* done() may start the same fetch again, or free it. */
static void again(struct ocu_fetch *f)
{
	struct job *j = (struct job *)f;

	ocu_buf_fini(&f->der);
	if (++j->done < 3)
		ocu_fetch_start(j->b->fr, f);
	else
		ev_break(j->b->loop, EVBREAK_ALL);
	if (j->done == 3)
		free(j);
}

static void restart_in_done(void **state)
{
	struct job *j = malloc(sizeof(*j));
	struct bed b;

	(void)state;
	assert_non_null(j);
	bed_init(&b);
	job_init(&b, j, "http://127.0.0.1:%/ok/");
	j->f.done = again;
	ocu_fetch_start(b.fr, &j->f);
	ev_run(b.loop, 0);
	assert_int_equal(stats(&b).requests, 3);
	bed_fini(&b);
}

/* ---- TLS ---- */

static void tls(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &server });
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1"));
	assert_true(dnsd_set(b.d, "other.test a=127.0.0.1"));
	job_init(&b, &j, "https://r.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "https://r.test:%/get-405/");
	expect(&j, OCU_END_NEW, NULL);
	job_init(&b, &j, "https://r.test:%/size/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(stats(&b).connections, 1);
	responder_drop(b.r);
	job_init(&b, &j, "https://r.test:%/until-close/");
	expect(&j, OCU_END_NEW, NULL);
	assert_int_equal(j.f.n_attempts, 0);
	job_init(&b, &j, "https://other.test:%/ok/");
	expect_code(&j, OCU_END_SILENT, OCU_TLS, "mismatch");
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect_code(&j, OCU_END_SILENT, OCU_TLS, "mismatch");
	/* Plain HTTP to a TLS port, and none that is set up. */
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_END_SILENT, NULL);
	b.conf.tls = tls_none;
	bed_fetcher(&b);
	job_init(&b, &j, "https://other.test:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	b.conf.tls = NULL;
	bed_fetcher(&b);
	job_init(&b, &j, "https://r.test:%/ok/");
	expect_code(&j, OCU_END_LOCAL, OCU_TLS, "not set up");
	bed_fini(&b);
}

static void tls_address(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &server_ip });
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect(&j, OCU_END_NEW, NULL);
	bed_fini(&b);
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &pki->by[PKI_BY_STRANGER] });
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect_code(&j, OCU_END_SILENT, OCU_TLS, "certificate");
	bed_fini(&b);
	/* One that does not answer the handshake. */
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &server, .tls_hang = true });
	b.limit_ms = 1400;
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect_code(&j, OCU_END_SILENT, OCU_TLS, "TLS handshake not completed within 1400 ms");
	assert_true(j.hung >= 1);
	bed_fini(&b);
}

/* ---- memory ---- */

/* Every allocation fails once: the fetch ends all the same, and nothing is lost. */
static void no_memory(void **state)
{
	struct ocu_fetch_conf conf = { .connect_ms = 5000, .idle_max = 1,
				       .dns = { .nameservers = "127.0.0.1:9" } };
	struct bed b = { .fds = count_fds(), .limit_ms = WAIT_MS };
	struct script s;
	struct canned *c;
	struct job j;
	bool failed = true;
	long n, live;

	(void)state;
	b.loop = ev_loop_new(0);
	script_init(&s);
	for (n = 0; failed && n < 10000; n++) {
		c = canned_new(b.loop, script_cb, &s);
		assert_true(canned_listen(c, "127.0.0.1"));
		job_init_at(&b, &j, "http://localhost:%/", canned_port(c));
		live = nomem_live();
		nomem_fail(n);
		if (ocu_fetcher_new(&b.fr, b.loop, &conf, NULL) == OCU_OK) {
			job_start(&j);
			run(&b);
			assert_int_equal(j.done, 1);
			if (j.f.end != OCU_END_NEW && j.f.end != OCU_END_LOCAL)
				fail_msg("allocation %ld: end %d, %s", n, j.f.end, j.f.err.msg);
			assert_int_equal(j.f.end == OCU_END_NEW, j.f.der.len > 0);
			ocu_buf_fini(&j.f.der);
			ocu_fetcher_free(b.fr);
			bed_forget(&b);
		}
		failed = nomem_failed();
		nomem_fail(-1);
		assert_int_equal(nomem_live(), live);
		canned_free(c);
	}
	assert_int_equal(j.f.end, OCU_END_NEW);
	assert_true(n > 10);
	script_fini(&s);
	ev_loop_destroy(b.loop);
	assert_int_equal(count_fds(), b.fds);
}

/* ---- all of it ---- */

static void versions(void **state)
{
	char text[OCU_FETCH_VERSIONS_BYTES];

	(void)state;
	ocu_fetch_versions(text);
	assert_non_null(strstr(text, "c-ares 1."));
	assert_non_null(strstr(text, ", libev 4."));
}

static int setup(void **state)
{
	char path[] = "/tmp/ocu-test-XXXXXX";
	struct ocu_err err;
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "leaf.test" });
	pki_cert_make(pki, &server, &(struct pki_cert){ .name = "r.test", .san = "DNS:r.test",
							.signer = &pki->by[PKI_BY_ROOT] });
	pki_cert_make(pki, &server_ip, &(struct pki_cert){ .name = "ip", .san = "IP:127.0.0.1",
							   .signer = &pki->by[PKI_BY_ROOT] });
	pki_pem_write(path, &pki->by[PKI_BY_ROOT].cert, 1, NULL);
	if (ocu_stream_ctx_new(&tls_ca, true, path, &err) != OCU_OK ||
	    ocu_stream_ctx_new(&tls_none, false, NULL, &err) != OCU_OK)
		return -1;
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	SSL_CTX_free(tls_ca);
	SSL_CTX_free(tls_none);
	pki_cert_fini(&leaf);
	pki_cert_fini(&server);
	pki_cert_fini(&server_ip);
	pki_free(pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(faults),
		cmocka_unit_test(methods),
		cmocka_unit_test(keep_alive),
		cmocka_unit_test(stale),
		cmocka_unit_test(many),
		cmocka_unit_test(thousand),
		cmocka_unit_test(redirects),
		cmocka_unit_test(only_public),
		cmocka_unit_test(proxy),
		cmocka_unit_test(validators),
		cmocka_unit_test(asked_again),
		cmocka_unit_test(told),
		cmocka_unit_test(hanging),
		cmocka_unit_test(stalls_are_told),
		cmocka_unit_test(silent_family),
		cmocka_unit_test(families),
		cmocka_unit_test(names),
		cmocka_unit_test(memory),
		cmocka_unit_test(on_this_side),
		cmocka_unit_test(cancel_at_once),
		cmocka_unit_test(cancel_everywhere),
		cmocka_unit_test(free_in_flight),
		cmocka_unit_test(restart_in_done),
		cmocka_unit_test(tls),
		cmocka_unit_test(tls_address),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
