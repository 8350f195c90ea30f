/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_walk.c - whole fetches against a scripted responder and a scripted DNS server on loopback.
 * What a response must be like is tested with ocsp, what a header must be like with http.
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
#include <sys/socket.h>
#include <unistd.h>

#include "dnsd.h"
#include "faults.h"
#include "nomem.h"
#include "ocu/walk.h"
#include "pki.h"
#include "responder.h"
#include "servers.h"

#define WAIT_MS 10000
#define MANY 200

/* What all tests use: made once, since keys take their time. */
static struct pki *pki;
static struct pki_id leaf, server, server_ip;
static SSL_CTX *tls_ca, *tls_none;

/* One fetcher with a loop, a responder and a DNS server. */
struct bed {
	struct ev_loop *loop;
	struct responder *r;
	struct dnsd *d;
	struct ocu_walker *fr;
	struct ocu_walk_conf conf;
	char nameservers[64];
	int fds;       /* open before there was anything */
	int running;   /* fetches that are not done */
};

/* A fetch with its URIs. */
struct job {
	struct ocu_walk f;
	struct ocu_url uris[OCU_OCSP_URIS_MAX];
	struct bed *b;
	int done;
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

static void bed_fetcher(struct bed *b)
{
	struct ocu_err err;

	ocu_walker_free(b->fr);
	assert_int_equal(ocu_walker_new(&b->fr, b->loop, &b->conf, &err), OCU_OK);
}

static void bed_init_as(struct bed *b, const struct responder_conf *rc)
{
	*b = (struct bed){ .fds = count_fds() };
	b->r = responder_new(rc);
	b->d = dnsd_new();
	snprintf(b->nameservers, sizeof(b->nameservers), "127.0.0.1:%u", dnsd_port(b->d));
	b->conf = (struct ocu_walk_conf){
		.prefer = OCU_IPV6,
		.timeout_ms = WAIT_MS,
		.connect_ms = 5000,
		.nameservers = b->nameservers,
		.tls = tls_ca,
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
	ocu_walker_free(b->fr);
	ev_loop_destroy(b->loop);
	responder_free(b->r);
	dnsd_free(b->d);
	assert_int_equal(count_fds(), b->fds);
}

static void done(struct ocu_walk *f)
{
	struct job *j = (struct job *)f;

	j->done++;
	if (--j->b->running == 0)
		ev_break(j->b->loop, EVBREAK_ALL);
}

/* Fills <j> with URIs, separated by spaces; "%" stands for the port of the responder. */
static void job_init(struct bed *b, struct job *j, const char *uris)
{
	char text[256], *out;
	size_t n = 0;

	*j = (struct job){ .b = b };
	while (*uris) {
		for (out = text; *uris && *uris != ' '; uris++) {
			if (*uris == '%')
				out += snprintf(out, 8, "%u", responder_port(b->r));
			else
				*out++ = *uris;
		}
		uris += *uris == ' ';
		assert_int_equal(ocu_url_parse(&j->uris[n++], text, (size_t)(out - text), NULL),
				 OCU_OK);
	}
	j->f.cert = leaf.cert;
	j->f.issuer = pki->by[PKI_BY_ISSUER].cert;
	j->f.uris = j->uris;
	j->f.n_uris = n;
	j->f.done = done;
}

static void job_start(struct job *j)
{
	j->b->running++;
	ocu_walk_start(j->b->fr, &j->f);
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

/* Fetches once and checks how it ended. <want>, if not NULL, is a part of the reason. */
static void expect(struct job *j, enum ocu_status st, const char *want)
{
	job_start(j);
	run(j->b);
	assert_int_equal(j->done, 1);
	if (j->f.err.code != st || (want && !strstr(j->f.err.msg, want)))
		fail_msg("%d \"%s\" instead of %d \"%s\"; trace:\n%s", j->f.err.code, j->f.err.msg,
			 st, want ? want : "", j->f.trace);
	assert_int_equal(j->f.der.len > 0, st == OCU_OK && !j->f.not_modified);
	assert_null(j->f.run);
	ocu_buf_fini(&j->f.der);
}

static void trace_has(const struct job *j, const char *part)
{
	if (!strstr(j->f.trace, part))
		fail_msg("no \"%s\" in:\n%s", part, j->f.trace);
}

static struct responder_stats stats(struct bed *b)
{
	struct responder_stats s;

	responder_stats(b->r, &s);
	return s;
}

/* ---- what a responder can do ---- */

/* Whether <f> ended as the row <row> wants it; says so if not. */
static bool as_wanted(const struct ocu_walk *f, const struct fault *row)
{
	const char *want = fault_want(row, false), *why = fault_why(row, false);
	const char *got = f->err.code != OCU_OK ? "nothing" : f->ocsp.revoked ? "revoked" : "good";

	if (strcmp(got, want ? want : "nothing") != 0 || (why && !strstr(f->err.msg, why))) {
		print_error("%s: %s instead of %s, %s: %s\n", fault_name(row), got,
			    want ? want : "nothing", why ? why : "for any reason", f->err.msg);
		return false;
	}
	if (want)
		return f->der.len > 0;
	return f->der.len == 0 && strstr(f->err.msg, ": ") && f->trace[0];
}

/* Every row of the responder's table, all at the same time. */
static void faults(void **state)
{
	static struct job jobs[512];
	struct servers *s;
	struct bed b;
	char uri[128];
	size_t i, n;
	uint64_t requests = 0;
	int wrong = 0;

	(void)state;
	bed_init(&b);
	s = servers_new(pki, b.r);
	b.conf.timeout_ms = 3000;
	bed_fetcher(&b);
	for (n = 0; fault_row(n); n++) {
		assert_true(n < sizeof(jobs) / sizeof(jobs[0]));
		servers_url(s, n, leaf.cert, "127.0.0.1", uri, sizeof(uri));
		job_init(&b, &jobs[n], uri);
		job_start(&jobs[n]);
	}
	run(&b);
	for (i = 0; i < n; i++) {
		assert_int_equal(jobs[i].done, 1);
		wrong += !as_wanted(&jobs[i].f, fault_row(i));
		if (fault_server(fault_row(i)) == FAULT_PLAIN)
			requests += fault_requests(fault_row(i));
		ocu_buf_fini(&jobs[i].f.der);
	}
	assert_int_equal(stats(&b).requests, requests);
	servers_free(s);
	bed_fini(&b);
	assert_int_equal(wrong, 0);
}

/* How it ended, and what was learnt of the responder. */
static void reasons(void **state)
{
	static const struct {
		const char *path;
		enum ocu_status st;
		const char *why;
		enum ocu_reach reach;
		int status;
	} rows[] = {
		{ "ok", OCU_OK, NULL, OCU_REACH_UP, 200 },
		{ "status-500", OCU_HTTP, ": status 500", OCU_REACH_UP, 500 },
		{ "status-404", OCU_HTTP, ": status 404", OCU_REACH_UP, 404 },
		{ "created", OCU_HTTP, ": status 201", OCU_REACH_UP, 201 },
		{ "not-modified", OCU_HTTP, ": status 304", OCU_REACH_UP, 304 },
		{ "no-type", OCU_TYPE, "no content type", OCU_REACH_UP, 200 },
		{ "wrong-type", OCU_TYPE, "content type text/html", OCU_REACH_UP, 200 },
		{ "empty", OCU_TYPE, "empty body", OCU_REACH_UP, 200 },
		{ "random", OCU_OCSP, NULL, OCU_REACH_UP, 200 },
		{ "big", OCU_TOO_BIG, NULL, OCU_REACH_UP, 200 },
		{ "loop", OCU_HTTP, "too many redirects", OCU_REACH_UP, 302 },
		{ "chain-4", OCU_HTTP, "too many redirects", OCU_REACH_UP, 302 },
		{ "redirect-none", OCU_HTTP, "without a Location", OCU_REACH_UP, 302 },
		{ "redirect-ftp", OCU_URI, NULL, OCU_REACH_UP, 302 },
		{ "close", OCU_HTTP, NULL, OCU_REACH_DOWN, 0 },
		{ "reset", OCU_HTTP, NULL, OCU_REACH_DOWN, 0 },
		{ "http09", OCU_HTTP, NULL, OCU_REACH_DOWN, 0 },
		{ "close-body", OCU_HTTP, NULL, OCU_REACH_UP, 200 },
		{ "hang", OCU_TIMEOUT, "no answer within 600 ms", OCU_REACH_DOWN, 0 },
		{ "hang-body", OCU_TIMEOUT, "within 600 ms", OCU_REACH_UP, 200 },
	};
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	b.conf.timeout_ms = 600;
	bed_fetcher(&b);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/", rows[i].path);
		job_init(&b, &j, uri);
		expect(&j, rows[i].st, rows[i].why);
		assert_int_equal(j.f.reach[0], rows[i].reach);
		assert_int_equal(j.f.http_status, rows[i].status);
		assert_true(strncmp(j.f.address, "127.0.0.1:", 10) == 0);
	}
	bed_fini(&b);
}

/* GET first; POST when that is refused, once, over the same connection. */
static void methods(void **state)
{
	static const int codes[] = { 400, 404, 405, 411, 501 };
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/get-%d/", codes[i]);
		job_init(&b, &j, uri);
		expect(&j, OCU_OK, NULL);
		snprintf(uri, sizeof(uri), "GET: status %d", codes[i]);
		trace_has(&j, uri);
		assert_int_equal(stats(&b).get, i + 1);
		assert_int_equal(stats(&b).post, i + 1);
	}
	assert_int_equal(stats(&b).connections, 1);
	job_init(&b, &j, "http://127.0.0.1:%/get-403/");
	expect(&j, OCU_HTTP, "status 403");
	/* A query leaves no room for the path of a GET. */
	job_init(&b, &j, "http://127.0.0.1:%/ok/?x=y");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(stats(&b).post, i + 1);
	assert_int_equal(stats(&b).malformed, 0);
	bed_fini(&b);
}

/* The URIs in the order that is asked for, and what each of them was like. */
static void next_uri(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	job_init(&b, &j, "http://127.0.0.1:%/status-500/ http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(j.f.uri, 1);
	trace_has(&j, "/status-500/: 127.0.0.1:");
	trace_has(&j, "status 500");
	job_init(&b, &j, "http://127.0.0.1:%/ok/ http://127.0.0.1:%/status-500/ "
		 "http://127.0.0.1:%/status-501/ http://127.0.0.1:%/status-502/");
	j.f.first = 2;
	expect(&j, OCU_OK, NULL);
	assert_int_equal(j.f.uri, 0);
	assert_int_equal(j.f.reach[1], OCU_REACH_UNTRIED);
	job_init(&b, &j, "http://a.test/ http://127.0.0.1:%/status-502/");
	expect(&j, OCU_HTTP, "status 502");
	assert_int_equal(j.f.uri, 1);
	assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	trace_has(&j, "http://a.test/: no such name\nhttp://127.0.0.1:");
	/* The first one refuses connections. */
	responder_mode_set(b.r, false, RESPONDER_REFUSE);
	bed_fetcher(&b);
	job_init(&b, &j, "http://127.0.0.1:%/ok/ http://127.0.0.1:%/ok/");
	expect(&j, OCU_CONNECT, "Connection refused");
	assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	assert_int_equal(j.f.reach[1], OCU_REACH_DOWN);
	bed_fini(&b);
}

/* A silent URI leaves time for the one after it. */
static void share(void **state)
{
	struct job j;
	struct bed b;
	int64_t begin = ocu_now_ms();

	(void)state;
	bed_init(&b);
	b.conf.timeout_ms = 3000;
	bed_fetcher(&b);
	job_init(&b, &j, "http://127.0.0.1:%/hang/ http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	assert_int_equal(j.f.reach[1], OCU_REACH_UP);
	trace_has(&j, "no answer within 1500 ms");
	job_init(&b, &j, "http://127.0.0.1:%/hang/ http://127.0.0.1:%/hang/");
	expect(&j, OCU_TIMEOUT, "no answer");
	assert_true(ocu_now_ms() - begin >= 4400);
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
		expect(&j, OCU_OK, NULL);
	}
	assert_int_equal(stats(&b).connections, 1);
	/* Closed while it is idle. */
	responder_drop(b.r);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_string_equal(j.f.trace, "");
	assert_int_equal(stats(&b).connections, 2);
	/* An answer without end or length, and one that says so, close it. */
	job_init(&b, &j, "http://127.0.0.1:%/close-after/");
	expect(&j, OCU_OK, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/garbage-after/");
	expect(&j, OCU_OK, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_string_equal(j.f.trace, "");
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
	expect(&j, OCU_OK, NULL);
	job_init(&b, &j, "http://127.0.0.1:%/close/");
	expect(&j, OCU_HTTP, NULL);
	/* Over the old connection, and over one more. */
	assert_int_equal(stats(&b).requests, 3);
	assert_int_equal(stats(&b).connections, 2);
	assert_null(strchr(j.f.trace, '\n'));
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
		assert_int_equal(jobs[i].f.err.code, OCU_OK);
		ocu_buf_fini(&jobs[i].f.der);
	}
	assert_int_equal(dnsd_count(b.d, "r.test"), 2);
	assert_int_equal(stats(&b).connections, MANY);
	/* No more than eight of each are kept. */
	assert_true(count_fds() - b.fds < MANY);
	bed_fini(&b);
}

/* ---- redirects, proxy, validators ---- */

static void redirects(void **state)
{
	static const char *const good[] = {
		"redirect", "redirect301", "redirect303", "redirect307", "redirect308", "chain-3",
		"redirect-relative",
	};
	struct job j;
	struct bed b;
	char uri[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/", good[i]);
		job_init(&b, &j, uri);
		expect(&j, OCU_OK, NULL);
		snprintf(uri, sizeof(uri), "http://127.0.0.1:%%/%s/?post", good[i]);
		job_init(&b, &j, uri);
		expect(&j, OCU_OK, NULL);
	}
	job_init(&b, &j, "http://127.0.0.1:%/loop/ http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	trace_has(&j, "too many redirects");
	assert_int_equal(stats(&b).malformed, 0);
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
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test:81/ok/");
	expect(&j, OCU_OK, NULL);
	responder_last(b.r, head, sizeof(head));
	assert_true(strncmp(head, "GET http://responder.test:81/ok/", 32) == 0);
	assert_non_null(strstr(head, "Host: responder.test:81\r\n"));
	job_init(&b, &j, "http://[::1]/ok/?post");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(stats(&b).absolute, 2);
	assert_int_equal(stats(&b).connections, 1);
	assert_int_equal(dnsd_count(b.d, "responder.test"), 0);
	job_init(&b, &j, "https://responder.test/ok/");
	expect(&j, OCU_URI, "over a proxy");
	assert_int_equal(j.f.reach[0], OCU_REACH_UNTRIED);
	responder_mode_set(b.r, false, RESPONDER_REFUSE);
	bed_fetcher(&b);
	job_init(&b, &j, "http://responder.test/ok/");
	expect(&j, OCU_CONNECT, "127.0.0.1:");
	bed_fini(&b);
}

static void validators(void **state)
{
	static const char *const rows[] = { "etag", "modified" };
	struct ocu_http_validators v;
	struct job j;
	struct bed b;
	char uris[128];
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < 2; i++) {
		snprintf(uris, sizeof(uris), "http://127.0.0.1:%%/%s/ http://127.0.0.1:%%/%s/",
			 rows[i], rows[i]);
		job_init(&b, &j, uris);
		expect(&j, OCU_OK, NULL);
		assert_true(j.f.validators.etag[0] || j.f.validators.last_modified[0]);
		assert_int_equal(stats(&b).conditional, i);
		v = j.f.validators;
		job_init(&b, &j, uris);
		j.f.validators = v;
		expect(&j, OCU_OK, NULL);
		assert_true(j.f.not_modified);
		assert_memory_equal(&j.f.validators, &v, sizeof(v));
		/* They are of the other URI, which may hold something else. */
		job_init(&b, &j, uris);
		j.f.validators = v;
		j.f.validators_uri = 1;
		expect(&j, OCU_OK, NULL);
		assert_false(j.f.not_modified);
		assert_int_equal(stats(&b).not_modified, i + 1);
	}
	bed_fini(&b);
}

static void older(void **state)
{
	struct job j;
	struct bed b;
	int64_t held;

	(void)state;
	bed_init(&b);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	held = j.f.ocsp.this_update;
	assert_true(held > 0);
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.held_this_update = held + 100000;
	expect(&j, OCU_OCSP, "older than the held response");
	job_init(&b, &j, "http://127.0.0.1:%/ok/");
	j.f.held_this_update = held;
	expect(&j, OCU_OK, NULL);
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
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "r.test %s", rows[i].dns);
		assert_true(dnsd_set(b.d, line));
		responder_mode_set(b.r, false, rows[i].v4);
		responder_mode_set(b.r, true, rows[i].v6);
		b.conf.prefer = rows[i].prefer;
		b.conf.only = rows[i].only;
		bed_fetcher(&b);
		job_init(&b, &j, "http://r.test:%/ok/");
		expect(&j, rows[i].want ? OCU_OK : OCU_CONNECT, NULL);
		trace_has(&j, rows[i].why);
		if (rows[i].want)
			assert_int_equal(j.f.address[0] == '[', rows[i].want == 6);
		assert_int_equal(j.f.reach[0], rows[i].want ? OCU_REACH_UP : OCU_REACH_DOWN);
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
		{ "code=3", "http://r.test:%/", OCU_ANY, OCU_DNS, "r.test:" },
		{ "code=3", "http://r.test/", OCU_ANY, OCU_DNS, "r.test: no such name" },
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
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "r.test %s", rows[i].dns);
		assert_true(dnsd_set(b.d, line));
		b.conf.only = rows[i].only;
		bed_fetcher(&b);
		job_init(&b, &j, rows[i].uri);
		expect(&j, rows[i].st, rows[i].why);
		if (rows[i].st == OCU_DNS)
			assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	}
	b.conf.nameservers = NULL;
	b.conf.only = OCU_ANY;
	bed_fetcher(&b);
	job_init(&b, &j, "http://r.test/ok/");
	expect(&j, OCU_DNS, "no nameserver is configured");
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
	expect(&j, OCU_OK, NULL);
	trace_has(&j, "refused");
	/* IPv6 is back, but IPv4 is what worked. */
	responder_mode_set(b.r, true, RESPONDER_LISTEN);
	responder_drop(b.r);
	assert_true(responder_wait_idle(b.r, WAIT_MS));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_string_equal(j.f.trace, "");
	assert_int_equal(stats(&b).v6, 0);
	assert_int_equal(stats(&b).connections, 2);
	/* The answer was not to be remembered, and DNS is dead. */
	assert_true(dnsd_wait(b.d, "r.test", 4, WAIT_MS));
	dnsd_mute(b.d, true);
	responder_drop(b.r);
	assert_true(responder_wait_idle(b.r, WAIT_MS));
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(stats(&b).connections, 3);
	/* It does not help a host that is not known. */
	job_init(&b, &j, "http://s.test:%/ok/");
	expect(&j, OCU_DNS, "no answer from DNS");
	bed_fini(&b);
}

/* IPv6 that lets itself be connected and then loses everything is not tried first again. */
static void silent_family(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init(&b);
	if (!responder_has_v6(b.r)) {
		bed_fini(&b);
		skip();
	}
	b.conf.timeout_ms = 1000;
	bed_fetcher(&b);
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1 aaaa=::1 ttl=60"));
	responder_mode_set(b.r, true, RESPONDER_SILENT);
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_TIMEOUT, "[::1]:");
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_OK, NULL);
	assert_true(strncmp(j.f.address, "127.0.0.1:", 10) == 0);
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
	ocu_walk_cancel(&j.f);
	ocu_walk_cancel(&j.f);
	assert_int_equal(j.done, 0);
	run(&b);
	assert_int_equal(j.done, 1);
	assert_int_equal(j.f.err.code, OCU_CANCELLED);
	ocu_walk_cancel(&j.f);
	ocu_buf_fini(&j.f.der);
	bed_fini(&b);
}

/* Cancels or frees all when the loop has turned <n> times, for every n until a fetch gets done
 * before that: so at every stage.
 */
static void cancel_everywhere(void **state)
{
	static const char *const uris[] = { "http://r.test:%/redirect-slow/",
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
				ocu_walker_free(b.fr);
				b.fr = NULL;
			} else {
				ocu_walk_cancel(&j.f);
				run(&b);
			}
			assert_int_equal(j.done, 1);
			assert_int_equal(j.f.err.code, ended ? OCU_OK : OCU_CANCELLED);
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
	ocu_walker_free(b.fr);
	b.fr = NULL;
	assert_int_equal(b.running, 0);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_int_equal(jobs[i].f.err.code, OCU_CANCELLED);
	}
	bed_fini(&b);
}

/* done() may start the same fetch again, or free it. */
static void again(struct ocu_walk *f)
{
	struct job *j = (struct job *)f;

	ocu_buf_fini(&f->der);
	if (++j->done < 3)
		ocu_walk_start(j->b->fr, f);
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
	ocu_walk_start(b.fr, &j->f);
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
	expect(&j, OCU_OK, NULL);
	job_init(&b, &j, "https://r.test:%/get-405/");
	expect(&j, OCU_OK, NULL);
	job_init(&b, &j, "https://r.test:%/size/");
	expect(&j, OCU_OK, NULL);
	assert_int_equal(stats(&b).connections, 1);
	responder_drop(b.r);
	job_init(&b, &j, "https://r.test:%/until-close/");
	expect(&j, OCU_OK, NULL);
	assert_string_equal(j.f.trace, "");
	job_init(&b, &j, "https://other.test:%/ok/");
	expect(&j, OCU_TLS, "mismatch");
	assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect(&j, OCU_TLS, "mismatch");
	/* Plain HTTP to a TLS port, and none that is set up. */
	job_init(&b, &j, "http://r.test:%/ok/");
	expect(&j, OCU_HTTP, NULL);
	b.conf.tls = tls_none;
	bed_fetcher(&b);
	job_init(&b, &j, "https://other.test:%/ok/");
	expect(&j, OCU_OK, NULL);
	b.conf.tls = NULL;
	bed_fetcher(&b);
	job_init(&b, &j, "https://r.test:%/ok/");
	expect(&j, OCU_TLS, "not set up");
	bed_fini(&b);
}

static void tls_address(void **state)
{
	struct job j;
	struct bed b;

	(void)state;
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &server_ip });
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect(&j, OCU_OK, NULL);
	bed_fini(&b);
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &pki->by[PKI_BY_STRANGER] });
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect(&j, OCU_TLS, "certificate");
	bed_fini(&b);
	/* One that does not answer the handshake. */
	bed_init_as(&b, &(struct responder_conf){ .pki = pki, .tls = &server, .tls_hang = true });
	b.conf.timeout_ms = 500;
	bed_fetcher(&b);
	job_init(&b, &j, "https://127.0.0.1:%/ok/");
	expect(&j, OCU_TIMEOUT, "TLS handshake not completed");
	assert_int_equal(j.f.reach[0], OCU_REACH_DOWN);
	bed_fini(&b);
}

/* ---- memory ---- */

/* A responder on the loop itself that allocates nothing: one connection, one answer. */
struct canned {
	ev_io listen, conn;
	uint8_t *der;
	size_t n;
	uint16_t port;
};

static void canned_conn_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct canned *c = w->data;
	char bytes[4096];

	(void)revents;
	if (recv(w->fd, bytes, sizeof(bytes), 0) > 0) {
		snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Type: "
			 "application/ocsp-response\r\nContent-Length: %zu\r\n\r\n", c->n);
		if (send(w->fd, bytes, strlen(bytes), MSG_NOSIGNAL) > 0 &&
		    send(w->fd, c->der, c->n, MSG_NOSIGNAL) > 0)
			return;
	}
	ev_io_stop(loop, w);
	close(w->fd);
}

static void canned_listen_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct canned *c = w->data;
	int fd = accept(w->fd, NULL, NULL);

	(void)revents;
	if (fd < 0)
		return;
	if (ev_is_active(&c->conn)) {
		ev_io_stop(loop, &c->conn);
		close(c->conn.fd);
	}
	ev_io_set(&c->conn, fd, EV_READ);
	ev_io_start(loop, &c->conn);
}

static void canned_init(struct canned *c, struct ev_loop *loop)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	c->n = pki_response_good(pki, &c->der, leaf.cert);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	c->port = ntohs(sin.sin_port);
	ev_io_init(&c->listen, canned_listen_cb, fd, EV_READ);
	ev_init(&c->conn, canned_conn_cb);
	c->listen.data = c->conn.data = c;
	ev_io_start(loop, &c->listen);
}

static void canned_fini(struct canned *c, struct ev_loop *loop)
{
	ev_io_stop(loop, &c->listen);
	close(c->listen.fd);
	if (ev_is_active(&c->conn)) {
		ev_io_stop(loop, &c->conn);
		close(c->conn.fd);
	}
	free(c->der);
}

/* Every allocation fails once: the fetch ends all the same, and nothing is lost. */
static void no_memory(void **state)
{
	struct ocu_walk_conf conf = { .timeout_ms = WAIT_MS, .connect_ms = 5000,
				       .nameservers = "127.0.0.1:9" };
	struct bed b = { .fds = count_fds() };
	struct canned c = { 0 };
	struct job j;
	char uri[64];
	bool failed = true;
	long n, live;

	(void)state;
	b.loop = ev_loop_new(0);
	canned_init(&c, b.loop);
	for (n = 0; failed && n < 10000; n++) {
		j = (struct job){ .b = &b };
		snprintf(uri, sizeof(uri), "http://localhost:%u/", c.port);
		assert_int_equal(ocu_url_parse(&j.uris[0], uri, strlen(uri), NULL), OCU_OK);
		j.f = (struct ocu_walk){ .cert = leaf.cert, .uris = j.uris, .n_uris = 1,
					  .issuer = pki->by[PKI_BY_ISSUER].cert, .done = done };
		live = nomem_live();
		nomem_fail(n);
		if (ocu_walker_new(&b.fr, b.loop, &conf, NULL) == OCU_OK) {
			job_start(&j);
			run(&b);
			assert_int_equal(j.done, 1);
			assert_int_equal(j.f.err.code == OCU_OK, j.f.der.len > 0);
			if (j.f.err.code == OCU_NOMEM)
				assert_int_not_equal(j.f.reach[0], OCU_REACH_DOWN);
			ocu_buf_fini(&j.f.der);
			ocu_walker_free(b.fr);
		}
		failed = nomem_failed();
		nomem_fail(-1);
		assert_int_equal(nomem_live(), live);
	}
	assert_int_equal(j.f.err.code, OCU_OK);
	assert_true(n > 10);
	canned_fini(&c, b.loop);
	ev_loop_destroy(b.loop);
	assert_int_equal(count_fds(), b.fds);
}

/* ---- all of it ---- */

static void versions(void **state)
{
	(void)state;
	assert_non_null(strstr(ocu_walk_versions(), "c-ares 1."));
	assert_non_null(strstr(ocu_walk_versions(), ", libev 4."));
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
		cmocka_unit_test(reasons),
		cmocka_unit_test(faults),
		cmocka_unit_test(methods),
		cmocka_unit_test(next_uri),
		cmocka_unit_test(share),
		cmocka_unit_test(keep_alive),
		cmocka_unit_test(stale),
		cmocka_unit_test(many),
		cmocka_unit_test(redirects),
		cmocka_unit_test(proxy),
		cmocka_unit_test(validators),
		cmocka_unit_test(older),
		cmocka_unit_test(families),
		cmocka_unit_test(names),
		cmocka_unit_test(memory),
		cmocka_unit_test(silent_family),
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
