/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_request.c - single requests over several addresses, kept connections and proxies, against a
 * server on the test's own loop. Names and families are tested with fetch.
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
#include <sys/socket.h>
#include <unistd.h>

#include "canned.h"
#include "dnsd.h"
#include "nomem.h"
#include "ocu/dial.h"
#include "ocu/request.h"
#include "pki.h"
#include "responder.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TARGET "/t"
#define NOTES_MAX 16

static struct pki *pki;
static struct pki_id server;
static SSL_CTX *tls;

/* What a server does with a request. */
enum act { ANSWER, CLOSE, SILENT, NONSENSE, CUT, TUNNEL, REFUSE_407, REFUSE_503, EARLY };

/* Everything around one request, and what came of it. */
struct bed {
	struct ev_loop *loop;
	struct canned *c;
	struct dnsd *d;
	struct responder *tls;     /* NULL: none; where tunnels lead */
	struct ocu_request_env env;
	struct ocu_peer peer, proxy;
	char nameservers[32];
	int fds;
	/* what the server does, by the last byte of the address that it is asked at */
	enum act acts[256];
	unsigned asked[256];
	enum act again;            /* what it does with a second request of a connection */
	/* the request */
	struct ocu_url url;
	struct ocu_request *r;
	int done, connected;
	struct ocu_request_result res;
	size_t body;
	struct ocu_attempt notes[NOTES_MAX];
	size_t n_notes;
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

/* Which of the addresses the connection <fd> came to. */
static int address_of(int fd)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
	socklen_t n = sizeof(ss);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	return ss.ss_family == AF_INET ? (int)(ntohl(sin->sin_addr.s_addr) & 0xff) : 6;
}

static bool serve(struct canned *c, int fd, const char *head)
{
	struct bed *b = canned_arg(c);
	int at = address_of(fd);
	enum act act = b->acts[at];

	if (canned_nth(c, fd) > 1 && b->again)
		act = b->again;
	b->asked[at]++;
	if (act == TUNNEL && strncmp(head, "CONNECT ", 8) != 0)
		act = ANSWER;
	switch (act) {
	case ANSWER:
		canned_say(fd, "200 OK", "", "yes", 3);
		return true;
	case SILENT:
		return true;
	case NONSENSE:
		return send(fd, "220 ready\r\n", 11, MSG_NOSIGNAL) > 0;
	case CUT:
		return send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nye", 40,
			    MSG_NOSIGNAL) < 0;
	case TUNNEL:
		assert_true(send(fd, "HTTP/1.0 200 Established\r\n\r\n", 28, MSG_NOSIGNAL) == 28);
		canned_tunnel(c, fd, responder_port(b->tls));
		return true;
	case REFUSE_407:
		canned_say(fd, "407 Who are you", "", "", 0);
		return true;
	case REFUSE_503:
		canned_say(fd, "503 It is down", "", "", 0);
		return true;
	case EARLY:
		return send(fd, "HTTP/1.1 200 OK\r\n\r\nxyz", 22, MSG_NOSIGNAL) > 0;
	case CLOSE:
		break;
	}
	return false;
}

static void bed_init(struct bed *b)
{
	struct ocu_dns_conf dns = { .nameservers = b->nameservers };
	struct ocu_err err;

	memset(b, 0, sizeof(*b));
	b->fds = count_fds();
	b->loop = ev_loop_new(0);
	b->c = canned_new(b->loop, serve, b);
	b->d = dnsd_new();
	snprintf(b->nameservers, sizeof(b->nameservers), "127.0.0.1:%u", dnsd_port(b->d));
	b->env = (struct ocu_request_env){ .loop = b->loop, .idle_max = 4, .prefer = OCU_IPV6,
					   .connect_ms = 5000, .tls = tls };
	assert_int_equal(ocu_dns_new(&b->env.dns, b->loop, &dns, &err), OCU_OK);
	assert_int_equal(ocu_peer_pool_new(&b->env.pool, b->loop), OCU_OK);
	ocu_peer_init(&b->peer);
	ocu_peer_init(&b->proxy);
}

static void bed_fini(struct bed *b)
{
	ocu_peer_fini(&b->peer);
	ocu_peer_fini(&b->proxy);
	ocu_peer_pool_free(b->env.pool);
	ocu_dns_free(b->env.dns);
	canned_free(b->c);
	dnsd_free(b->d);
	responder_free(b->tls);
	ev_loop_destroy(b->loop);
	assert_int_equal(count_fds(), b->fds);
}

static void done(void *arg, const struct ocu_request_result *res)
{
	struct bed *b = arg;

	b->r = NULL;
	b->done++;
	b->res = *res;
	b->res.http = NULL;
	assert_int_equal(res->http != NULL, res->st == OCU_OK);
	b->body = res->http ? res->http->body.len : 0;
}

static void connected(void *arg)
{
	((struct bed *)arg)->connected++;
}

static void failed(void *arg, const struct ocu_attempt *a)
{
	struct bed *b = arg;

	assert_true(b->n_notes < NOTES_MAX);
	assert_true(a->cause[0]);
	b->notes[b->n_notes++] = *a;
}

/* Starts a request for <url>, in which "%" stands for the port of the server. */
static void start(struct bed *b, const char *url)
{
	struct ocu_request_conf conf = {
		.url = &b->url,
		.peer = &b->peer,
		.http = { .target = TARGET, .target_len = strlen(TARGET) },
		.connected = connected,
		.failed = failed,
	};
	char text[128], *out = text;

	for (; *url; url++) {
		if (*url == '%')
			out += snprintf(out, 8, "%u", canned_port(b->c));
		else
			*out++ = *url;
	}
	assert_int_equal(ocu_url_parse(&b->url, text, (size_t)(out - text), NULL), OCU_OK);
	b->done = b->connected = 0;
	b->n_notes = 0;
	assert_int_equal(ocu_request_start(&b->r, &b->env, &conf, done, b), OCU_OK);
	assert_int_equal(b->done, 0);
	assert_int_equal(b->connected, 0);
}

static void too_long_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("a request did not end");
}

static void await(struct bed *b)
{
	ev_timer limit;

	ev_now_update(b->loop);
	ev_timer_init(&limit, too_long_cb, 60., 0.);
	ev_timer_start(b->loop, &limit);
	while (!b->done)
		ev_run(b->loop, EVRUN_ONCE);
	ev_timer_stop(b->loop, &limit);
	assert_int_equal(b->done, 1);
}

/* Makes one request; returns how long it took, in ms. */
static int64_t ask(struct bed *b, const char *url)
{
	int64_t begun = ocu_now_ms();

	start(b, url);
	await(b);
	return ocu_now_ms() - begun;
}

static void expect(struct bed *b, const char *url, enum ocu_status st, enum ocu_status stage,
		   const char *why)
{
	(void)ask(b, url);
	if (b->res.st != st || (why && !strstr(b->res.err.msg, why)))
		fail_msg("%s: %s instead of %s, %s", ocu_text(b->res.st), b->res.err.msg,
			 ocu_text(st), why ? why : "");
	assert_int_equal(b->res.stage, stage);
}

static int last_byte(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;

	return ss->ss_family == AF_INET ? (int)(ntohl(sin->sin_addr.s_addr) & 0xff) : 0;
}

static void listen_at(struct bed *b, const char *list)
{
	char copy[128], *word, *save = NULL;

	snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		assert_true(canned_listen(b->c, word));
}

/* ---- several addresses ---- */

#define FOUR "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4"
#define FOUR_DNS "r.test a=127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4 ttl=60"

/* One of four accepts and never answers: the next one is asked as well, and first the next time. */
static void one_is_silent(void **state)
{
	struct bed b;
	int64_t ms;

	(void)state;
	bed_init(&b);
	listen_at(&b, FOUR);
	assert_true(dnsd_set(b.d, FOUR_DNS));
	b.acts[1] = SILENT;
	ms = ask(&b, "http://r.test:%/");
	assert_int_equal(b.res.st, OCU_OK);
	assert_true(ms >= OCU_REQUEST_SILENCE_MS && ms < 2 * OCU_REQUEST_SILENCE_MS);
	assert_int_equal(last_byte(&b.res.address), 2);
	assert_int_equal(b.connected, 1);
	assert_int_equal(b.n_notes, 1);
	assert_int_equal(last_byte(&b.notes[0].address), 1);
	assert_int_equal(b.notes[0].stage, OCU_HTTP);
	ocu_peer_fini(&b.peer);
	ms = ask(&b, "http://r.test:%/");
	assert_int_equal(b.res.st, OCU_OK);
	assert_true(ms < OCU_REQUEST_SILENCE_MS);
	assert_int_equal(last_byte(&b.res.address), 2);
	assert_int_equal(b.n_notes, 0);
	assert_int_equal(b.asked[1], 1);
	bed_fini(&b);
}

/* One that closes, resets or talks nonsense is followed by the next at once; one that breaks off
 * after its status line is not.
 */
static void one_is_bad(void **state)
{
	static const struct {
		enum act acts[4];
		enum ocu_status st;
		int at;                /* who answered, or came farthest */
		size_t notes;
		bool closed;
		int status;
	} rows[] = {
		{ { CLOSE, ANSWER }, OCU_OK, 2, 1, false, 200 },
		{ { CLOSE, NONSENSE, CLOSE, ANSWER }, OCU_OK, 4, 3, false, 200 },
		{ { CLOSE, CLOSE, CLOSE, CLOSE }, OCU_HTTP, 4, 4, true, 0 },
		{ { CLOSE, NONSENSE, NONSENSE, NONSENSE }, OCU_HTTP, 4, 4, false, 0 },
		{ { CLOSE, CUT, ANSWER }, OCU_HTTP, 2, 2, false, 200 },
	};
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	listen_at(&b, FOUR);
	assert_true(dnsd_set(b.d, FOUR_DNS));
	for (i = 0; i < COUNT(rows); i++) {
		memcpy(&b.acts[1], rows[i].acts, sizeof(rows[i].acts));
		ocu_peer_fini(&b.peer);
		ocu_peer_init(&b.peer);
		assert_true(ask(&b, "http://r.test:%/") < OCU_REQUEST_SILENCE_MS);
		if (b.res.st != rows[i].st || last_byte(&b.res.address) != rows[i].at ||
		    b.n_notes != rows[i].notes)
			fail_msg("row %zu: %s, .%d, %zu failures", i, b.res.err.msg,
				 last_byte(&b.res.address), b.n_notes);
		assert_int_equal(b.res.stage, OCU_HTTP);
		assert_int_equal(b.res.closed, rows[i].closed);
		assert_int_equal(b.res.status, rows[i].status);
		assert_false(b.res.local);
	}
	bed_fini(&b);
}

/* Addresses that refuse are told, and do not hide one that was connected and then closed. */
static void farthest(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.9,127.0.0.1,127.0.0.8"));
	b.acts[1] = CLOSE;
	expect(&b, "http://r.test:%/", OCU_HTTP, OCU_HTTP, "closed before any answer");
	assert_int_equal(last_byte(&b.res.address), 1);
	assert_int_equal(b.n_notes, 3);
	assert_int_equal(b.notes[0].stage, OCU_CONNECT);
	assert_int_equal(b.notes[0].error, ECONNREFUSED);
	assert_int_equal(last_byte(&b.notes[0].address), 9);
	assert_int_equal(b.notes[1].stage, OCU_HTTP);
	assert_int_equal(last_byte(&b.notes[2].address), 8);
	bed_fini(&b);
}

/* ---- connections that were kept ---- */

/* A request that is begun by a timer, beside that of <first>. */
struct later {
	ev_timer timer;
	struct bed *first, its; /* <its> has what came of it */
	int64_t begun_ms;
};

static void later_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct later *l = w->data;
	struct ocu_request_conf conf = {
		.url = &l->first->url,
		.peer = &l->first->peer,
		.http = { .target = TARGET, .target_len = strlen(TARGET) },
		.connected = connected,
		.failed = failed,
	};

	(void)loop;
	(void)revents;
	l->begun_ms = ocu_now_ms();
	assert_int_equal(l->first->done, 0);
	assert_int_equal(ocu_request_start(&l->its.r, &l->first->env, &conf, done, &l->its),
			 OCU_OK);
}

/* When one of two has found out that the address is silent and another one answers, the other
 * does not wait until it has found out for itself.
 */
static void silent_for_two(void **state)
{
	struct later l = { .timer.data = NULL };
	struct bed b;

	(void)state;
	bed_init(&b);
	listen_at(&b, FOUR);
	assert_true(dnsd_set(b.d, FOUR_DNS));
	b.acts[1] = SILENT;
	l.first = &b;
	l.its.loop = b.loop;
	start(&b, "http://r.test:%/");
	ev_now_update(b.loop);
	ev_timer_init(&l.timer, later_cb, OCU_REQUEST_SILENCE_MS / 4e3, 0.);
	l.timer.data = &l;
	ev_timer_start(b.loop, &l.timer);
	await(&b);
	assert_int_equal(b.asked[1], 2);
	await(&l.its);
	assert_true(ocu_now_ms() - l.begun_ms < OCU_REQUEST_SILENCE_MS);
	assert_int_equal(l.its.res.st, OCU_OK);
	assert_int_equal(last_byte(&l.its.res.address), 2);
	/* it was not silent for long enough to be blamed by this one too */
	assert_int_equal(b.n_notes, 1);
	assert_int_equal(l.its.n_notes, 0);
	bed_fini(&b);
}

/* One that falls silent is replaced by a new one, to the same address if there is no other. */
static void kept_is_silent(void **state)
{
	struct bed b;
	int64_t ms;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	b.again = SILENT;
	assert_true(ask(&b, "http://127.0.0.1:%/") < OCU_REQUEST_SILENCE_MS);
	assert_int_equal(b.res.st, OCU_OK);
	ms = ask(&b, "http://127.0.0.1:%/");
	assert_int_equal(b.res.st, OCU_OK);
	assert_true(ms >= OCU_REQUEST_SILENCE_MS && ms < 2 * OCU_REQUEST_SILENCE_MS);
	assert_int_equal(canned_connections(b.c), 2);
	bed_fini(&b);
}

/* One that breaks without a byte is replaced, and nobody is told. */
static void kept_breaks(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	b.again = CLOSE;
	(void)ask(&b, "http://127.0.0.1:%/");
	expect(&b, "http://127.0.0.1:%/", OCU_OK, OCU_HTTP, NULL);
	assert_int_equal(b.n_notes, 0);
	assert_int_equal(b.connected, 1);
	assert_int_equal(canned_connections(b.c), 2);
	assert_int_equal(canned_requests(b.c), 3);
	/* Something that came over it is an answer. */
	b.again = CUT;
	expect(&b, "http://127.0.0.1:%/", OCU_HTTP, OCU_HTTP, "closed within the body");
	assert_int_equal(b.n_notes, 1);
	bed_fini(&b);
}

/* ---- proxies ---- */

static void proxy_set(struct bed *b)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&b->env.proxy;

	sin->sin_family = AF_INET;
	sin->sin_port = htons(canned_port(b->c));
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->env.proxy_peer = &b->proxy;
	b->env.proxy_auth = "Basic dTpw";
}

/* https through a tunnel; plain http by absolute-form. */
static void tunnel(void **state)
{
	struct bed b;
	char head[512];
	int i;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	proxy_set(&b);
	b.acts[1] = TUNNEL;
	b.tls = responder_new(&(struct responder_conf){ .pki = pki, .tls = &server });
	for (i = 0; i < 2; i++) {
		expect(&b, "https://r.test/", OCU_OK, OCU_HTTP, NULL);
		responder_last(b.tls, head, sizeof(head));
		assert_true(strncmp(head, "GET " TARGET " HTTP/1.1\r\n", 15) == 0);
		assert_non_null(strstr(head, "Host: r.test\r\n"));
		assert_null(strstr(head, "Proxy-Authorization"));
		/* The tunnel is the responder's connection, and kept as such. */
		assert_int_equal(canned_requests(b.c), 1);
		assert_int_equal(b.n_notes, 0);
	}
	assert_true(strncmp(canned_last(b.c), "CONNECT r.test:443 HTTP/1.1\r\n", 29) == 0);
	assert_non_null(strstr(canned_last(b.c), "\r\nProxy-Authorization: Basic dTpw\r\n"));
	responder_sni(b.tls, head, sizeof(head));
	assert_string_equal(head, "r.test");
	b.env.proxy_auth = NULL;
	b.acts[1] = ANSWER;
	expect(&b, "http://r.test/", OCU_OK, OCU_HTTP, NULL);
	assert_int_equal(b.body, 3);
	assert_true(strncmp(canned_last(b.c), "GET http://r.test" TARGET " HTTP/1.1\r\n", 30) == 0);
	assert_null(strstr(canned_last(b.c), "Proxy-Authorization"));
	/* Whom the tunnel leads to is verified. */
	b.acts[1] = TUNNEL;
	ocu_peer_fini(&b.peer);
	expect(&b, "https://other.test/", OCU_TLS, OCU_TLS, "mismatch");
	bed_fini(&b);
}

/* What goes wrong between the proxy and its answer to CONNECT. */
static void tunnel_fails(void **state)
{
	static const struct {
		enum act act;
		enum ocu_status st, stage;
		int status;
		const char *why;
	} rows[] = {
		{ REFUSE_407, OCU_HTTP, OCU_HTTP, 407, "proxy: status 407" },
		{ REFUSE_503, OCU_HTTP, OCU_CONNECT, 0, "proxy: status 503" },
		{ CLOSE, OCU_CONNECT, OCU_CONNECT, 0, "proxy: closed before any answer" },
		{ NONSENSE, OCU_CONNECT, OCU_CONNECT, 0, "proxy: not an HTTP/1 status line" },
		{ EARLY, OCU_HTTP, OCU_HTTP, 200, "proxy: status 200" },
	};
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	proxy_set(&b);
	for (i = 0; i < COUNT(rows); i++) {
		b.acts[1] = rows[i].act;
		expect(&b, "https://r.test/", rows[i].st, rows[i].stage, rows[i].why);
		assert_int_equal(b.res.status, rows[i].status);
		assert_int_equal(b.n_notes, 1);
		assert_false(b.res.local);
	}
	/* A silent one is where it is stuck. */
	b.acts[1] = SILENT;
	start(&b, "https://r.test/");
	while (canned_requests(b.c) < i + 1)
		ev_run(b.loop, EVRUN_ONCE);
	ocu_request_cancel(b.r);
	assert_int_equal(b.res.st, OCU_CANCELLED);
	assert_int_equal(b.res.stage, OCU_CONNECT);
	assert_string_equal(b.res.err.msg, "proxy: connected, but no answer");
	bed_fini(&b);
}

/* ---- the end at any point ---- */

/* Cancels when the loop has turned <n> times, for every n until the request is over before that. */
static void cancelled(void **state)
{
	static const char *const urls[] = { "http://r.test:%/", "http://127.0.0.1:%/",
					    "https://r.test/" };
	struct bed b;
	int n, i, ended;
	size_t u;

	(void)state;
	bed_init(&b);
	listen_at(&b, "127.0.0.1");
	assert_true(dnsd_set(b.d, "r.test a=127.0.0.1 ttl=0"));
	b.tls = responder_new(&(struct responder_conf){ .pki = pki, .tls = &server });
	for (u = 0; u < COUNT(urls); u++) {
		if (u == 2) {
			b.acts[1] = TUNNEL;
			proxy_set(&b);
		}
		for (n = 0, ended = 0; !ended && n < 200; n++) {
			ocu_peer_fini(&b.peer);
			start(&b, urls[u]);
			for (i = 0; i < n && !b.done; i++)
				ev_run(b.loop, EVRUN_ONCE);
			ended = b.done;
			if (!ended)
				ocu_request_cancel(b.r);
			assert_int_equal(b.done, 1);
			assert_int_equal(b.res.st == OCU_CANCELLED, !ended);
		}
		assert_true(ended && n > 2);
	}
	bed_fini(&b);
}

static void not_started(void **state)
{
	static char long_target[70000];
	struct ocu_request_conf conf = { .http = { .target = TARGET, .target_len = 2 } };
	struct ocu_request *r;
	struct bed b;
	long n;

	(void)state;
	bed_init(&b);
	assert_int_equal(ocu_url_parse(&b.url, "http://r.test/", 14, NULL), OCU_OK);
	conf.url = &b.url;
	conf.peer = &b.peer;
	for (n = 0; n < 2; n++) {
		nomem_fail(n);
		assert_int_equal(ocu_request_start(&r, &b.env, &conf, done, &b), OCU_NOMEM);
		assert_null(r);
	}
	nomem_fail(-1);
	memset(long_target, 'a', sizeof(long_target));
	conf.http.target = long_target;
	conf.http.target_len = sizeof(long_target);
	assert_int_equal(ocu_request_start(&r, &b.env, &conf, done, &b), OCU_TOO_BIG);
	assert_null(r);
	assert_int_equal(b.done, 0);
	bed_fini(&b);
}

/* ---- addresses ---- */

static void local_addresses(void **state)
{
	static const struct {
		const char *text;
		bool local;
	} rows[] = {
		{ "127.0.0.1", true }, { "192.168.1.1", true }, { "8.8.8.8", false },
		{ "::1", true }, { "fe80::1", true }, { "2606:4700::1", false },
	};
	struct sockaddr_storage ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		memset(&ss, 0, sizeof(ss));
		ss.ss_family = strchr(rows[i].text, ':') ? AF_INET6 : AF_INET;
		assert_int_equal(inet_pton(ss.ss_family, rows[i].text, ss.ss_family == AF_INET6 ?
					   (void *)&v6->sin6_addr : (void *)&v4->sin_addr), 1);
		if (ocu_request_is_local(&ss) != rows[i].local)
			fail_msg("%s", rows[i].text);
	}
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
	pki = pki_new();
	pki_cert_make(pki, &server, &(struct pki_cert){ .name = "r.test", .san = "DNS:r.test",
							.signer = &pki->by[PKI_BY_ROOT] });
	pki_pem_write(path, &pki->by[PKI_BY_ROOT].cert, 1, NULL);
	if (ocu_stream_ctx_new(&tls, true, path, &err) != OCU_OK)
		return -1;
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	SSL_CTX_free(tls);
	pki_cert_fini(&server);
	pki_free(pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_silent),
		cmocka_unit_test(silent_for_two),
		cmocka_unit_test(one_is_bad),
		cmocka_unit_test(farthest),
		cmocka_unit_test(kept_is_silent),
		cmocka_unit_test(kept_breaks),
		cmocka_unit_test(tunnel),
		cmocka_unit_test(tunnel_fails),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(not_started),
		cmocka_unit_test(local_addresses),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
