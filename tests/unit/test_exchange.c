/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_exchange.c - one HTTP exchange, plain and over TLS, with the test at the other end of a
 * socket pair. Opens no port; waits for the end of an exchange, never for a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/exchange.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TURNS 100000 /* of the loop, without waiting: a test that needs more is stuck */
#define REQUEST "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n"

static struct ev_loop *loop;

/* One exchange and what came of it. */
struct end {
	struct ocu_exchange *x;
	int times;
	enum ocu_status st;
	struct ocu_err err;
	struct ocu_stream stream;
	int status;
	bool started, closed;
	enum ocu_exchange_stage stage;
	char body[256];
};

static void end_cb(void *arg, struct ocu_exchange_result *r)
{
	struct end *e = arg;
	size_t n = r->http->body.len < sizeof(e->body) ? r->http->body.len : sizeof(e->body) - 1;

	e->x = NULL;
	e->times++;
	e->st = r->st;
	e->err = r->err;
	e->stream = r->stream;
	e->status = r->http->status;
	e->started = r->http->started;
	e->closed = r->closed;
	e->stage = r->stage;
	if (n)
		memcpy(e->body, r->http->body.data, n);
	e->body[n] = '\0';
}

/* Makes a pair: *ours for the exchange, and the peer's end, which is returned. */
static int pair(struct ocu_stream *ours)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	*ours = (struct ocu_stream){ .fd = fds[0] };
	return fds[1];
}

static void start(struct end *e, struct ocu_stream *s, const char *request)
{
	struct ocu_buf b;

	memset(e, 0, sizeof(*e));
	ocu_buf_init(&b, 1 << 24);
	assert_int_equal(ocu_buf_add(&b, request, strlen(request)), OCU_OK);
	assert_int_equal(ocu_exchange_start(&e->x, loop, s, &b, end_cb, e), OCU_OK);
	assert_int_equal(s->fd, -1);
	assert_null(b.data);
	assert_int_equal(e->times, 0);
}

static void turn(struct end *e)
{
	int i;

	for (i = 0; i < 4 && !e->times; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static void say(int peer, const char *s, size_t n)
{
	/* It may have been given up already. */
	assert_true(send(peer, s, n, MSG_NOSIGNAL) == (ssize_t)n || errno == EPIPE);
}

static void end_fini(struct end *e, int peer)
{
	ocu_stream_fini(&e->stream);
	if (peer >= 0)
		close(peer);
}

/* What the peer says is what comes out, however it is cut. */
static void answers(void **state)
{
	static const struct {
		const char *says;
		bool closes;
		enum ocu_status st;
		int status;
		const char *text; /* body, or part of the reason */
		bool reuse;
	} rows[] = {
		{ OK "Content-Length: 3\r\n\r\nabc", false, OCU_OK, 200, "abc", true },
		{ OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", false,
		  OCU_OK, 200, "abc", true },
		{ OK "Content-Length: 0\r\n\r\n", false, OCU_OK, 200, "", true },
		{ "HTTP/1.1 304 Not Modified\r\n\r\n", false, OCU_OK, 304, "", true },
		{ "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", false, OCU_OK, 500, "no",
		  true },
		{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", false, OCU_OK,
		  200, "x", true },
		{ OK "Connection: close\r\nContent-Length: 3\r\n\r\nabc", false, OCU_OK, 200, "abc",
		  false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, OCU_OK, 200, "abc",
		  false },
		{ OK "\r\nabc", true, OCU_OK, 200, "abc", false },
		/* Bytes that belong to no response: what comes next cannot be told apart. */
		{ OK "Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n", false, OCU_OK, 200, "abc",
		  false },
		{ "", true, OCU_HTTP, 0, "closed before any answer", false },
		{ "HTTP/1.1 200 OK\r\nCont", true, OCU_HTTP, 200, "closed within the header",
		  false },
		{ OK "Content-Length: 3\r\n\r\nab", true, OCU_HTTP, 200, "closed within the body",
		  false },
		{ "SSH-2.0-OpenSSH\r\n", false, OCU_HTTP, 0, "not an HTTP/1 status line", false },
		{ "HTTP/1.1 101 Switching\r\n", false, OCU_HTTP, 0, "101", false },
		{ OK "Content-Length: 99999999\r\n\r\n", false, OCU_TOO_BIG, 200, "longer than",
		  false },
	};
	struct ocu_stream s;
	struct end e;
	size_t i, k, n, step;
	char got[128];
	int peer, cut;

	(void)state;
	for (i = 0; i < 2 * COUNT(rows); i++) {
		cut = i % 2;
		peer = pair(&s);
		start(&e, &s, REQUEST);
		turn(&e);
		assert_int_equal(read(peer, got, sizeof(got)), sizeof(REQUEST) - 1);
		assert_memory_equal(got, REQUEST, sizeof(REQUEST) - 1);
		n = strlen(rows[i / 2].says);
		/* Cut, one byte comes together with the last one that belongs to the response: any
		 * later and nobody would be there to see it.
		 */
		if (cut && rows[i / 2].st == OCU_OK && strstr(rows[i / 2].says, "abcHTTP"))
			n -= strlen("HTTP/1.1 200 OK\r\n") - 1;
		for (k = 0; k < n && !e.times; k += step) {
			step = cut ? 1 : n;
			say(peer, rows[i / 2].says + k, step);
			if (!cut || k + 2 != n || strstr(rows[i / 2].says, "abcHTTP") == NULL)
				turn(&e);
		}
		if (rows[i / 2].closes) {
			close(peer);
			peer = -1;
			turn(&e);
		}
		if (e.times != 1 || e.st != rows[i / 2].st || e.status != rows[i / 2].status)
			fail_msg("row %zu: %d, %s, %d, %s", i / 2, e.times, ocu_text(e.st),
				 e.status, e.err.msg);
		if (e.st == OCU_OK)
			assert_string_equal(e.body, rows[i / 2].text);
		else if (!strstr(e.err.msg, rows[i / 2].text))
			fail_msg("row %zu: %s", i / 2, e.err.msg);
		assert_int_equal(e.stream.fd >= 0, rows[i / 2].reuse);
		assert_int_equal(e.closed, rows[i / 2].closes && e.st != OCU_OK);
		assert_int_equal(e.stage, e.status ? OCU_EXCHANGE_ANSWER : OCU_EXCHANGE_WAIT);
		end_fini(&e, peer);
	}
}

/* The same connection serves several requests. */
static void kept(void **state)
{
	struct ocu_stream s;
	struct end e;
	int peer = pair(&s), i;
	char got[128];

	(void)state;
	for (i = 0; i < 5; i++) {
		assert_true(ocu_stream_quiet(&s));
		start(&e, &s, REQUEST);
		turn(&e);
		assert_int_equal(read(peer, got, sizeof(got)), sizeof(REQUEST) - 1);
		say(peer, OK "Content-Length: 1\r\n\r\nx",
		    sizeof(OK "Content-Length: 1\r\n\r\nx") - 1);
		turn(&e);
		assert_int_equal(e.st, OCU_OK);
		s = e.stream;
	}
	/* Neither what was not asked for nor an end is quiet. */
	say(peer, "x", 1);
	assert_false(ocu_stream_quiet(&s));
	assert_int_equal(read(s.fd, got, sizeof(got)), 1);
	assert_true(ocu_stream_quiet(&s));
	close(peer);
	assert_false(ocu_stream_quiet(&s));
	ocu_stream_fini(&s);
	ocu_stream_fini(&s);
}

/* The request does not fit into the socket: it is sent as the peer reads. */
static void long_request(void **state)
{
	static char request[4 << 20], got[65536];
	struct ocu_stream s;
	struct end e;
	size_t sum = 0;
	ssize_t n;
	int peer = pair(&s), i;

	(void)state;
	memset(request, 'r', sizeof(request) - 1);
	start(&e, &s, request);
	for (i = 0; i < TURNS && sum < sizeof(request) - 1; i++) {
		turn(&e);
		n = read(peer, got, sizeof(got));
		sum += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(sum, sizeof(request) - 1);
	assert_int_equal(e.times, 0);
	say(peer, OK "Content-Length: 1\r\n\r\nx", sizeof(OK "Content-Length: 1\r\n\r\nx") - 1);
	turn(&e);
	assert_int_equal(e.st, OCU_OK);
	assert_true(e.stream.fd >= 0);
	end_fini(&e, peer);
}

/* The peer answers without reading all of it, and may close its ear: the answer counts, the
 * connection is not used again.
 */
static void refused_in_the_middle(void **state)
{
	static const char no[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
	static char request[4 << 20];
	struct ocu_stream s;
	struct end e;
	int peer, how;

	(void)state;
	memset(request, 'r', sizeof(request) - 1);
	for (how = 0; how < 2; how++) {
		peer = pair(&s);
		start(&e, &s, request);
		turn(&e);
		say(peer, no, sizeof(no) - 1);
		if (how)
			assert_int_equal(shutdown(peer, SHUT_RD), 0);
		turn(&e);
		assert_int_equal(e.times, 1);
		assert_int_equal(e.st, OCU_OK);
		assert_int_equal(e.status, 413);
		assert_int_equal(e.stream.fd, -1);
		end_fini(&e, peer);
	}
}

/* A body without an end is refused at its limit, not read on. */
static void flood(void **state)
{
	static char junk[65536];
	struct ocu_stream s;
	struct end e;
	size_t sum = 0;
	ssize_t n;
	int peer = pair(&s), i;

	(void)state;
	start(&e, &s, REQUEST);
	turn(&e);
	say(peer, OK "\r\n", sizeof(OK "\r\n") - 1);
	for (i = 0; i < TURNS && !e.times; i++) {
		n = send(peer, junk, sizeof(junk), MSG_NOSIGNAL);
		sum += n > 0 ? (size_t)n : 0;
		turn(&e);
	}
	assert_int_equal(e.times, 1);
	assert_int_equal(e.st, OCU_TOO_BIG);
	assert_int_equal(e.stream.fd, -1);
	assert_true(sum < 8 * OCU_HTTP_BODY_MAX_BYTES);
	end_fini(&e, peer);
}

static void cancelled(void **state)
{
	static const struct {
		const char *says, *reason;
		int turns;
		bool started;
		enum ocu_exchange_stage stage;
		bool huge; /* the request: the socket does not take all of it */
	} rows[] = {
		{ "", "connected, but no answer", 0, false, OCU_EXCHANGE_REQUEST, true },
		{ "", "connected, but no answer", 1, false, OCU_EXCHANGE_REQUEST, true },
		{ "", "connected, but no answer", 0, false, OCU_EXCHANGE_WAIT, false },
		{ "", "connected, but no answer", 1, false, OCU_EXCHANGE_WAIT, false },
		{ "HTTP/1.1 2", "answer not completed: no status line", 1, true,
		  OCU_EXCHANGE_WAIT, false },
		{ OK "Content-Length: 9\r\n\r\nabc",
		  "answer not completed: status 200, 3 bytes of body", 1, true,
		  OCU_EXCHANGE_ANSWER, false },
	};
	static char huge[4 << 20];
	struct ocu_stream s;
	struct end e;
	size_t i;
	int peer;

	(void)state;
	memset(huge, 'r', sizeof(huge) - 1);
	for (i = 0; i < COUNT(rows); i++) {
		peer = pair(&s);
		start(&e, &s, rows[i].huge ? huge : REQUEST);
		say(peer, rows[i].says, strlen(rows[i].says));
		if (rows[i].turns)
			turn(&e);
		assert_int_equal(e.times, 0);
		assert_int_equal(ocu_exchange_stage(e.x), rows[i].stage);
		assert_int_equal(ocu_exchange_sent_ms(e.x) != 0, !rows[i].huge);
		ocu_exchange_cancel(e.x);
		assert_int_equal(e.times, 1);
		assert_int_equal(e.st, OCU_CANCELLED);
		assert_int_equal(e.stage, rows[i].stage);
		assert_false(e.closed);
		assert_int_equal(e.err.code, OCU_CANCELLED);
		assert_string_equal(e.err.msg, rows[i].reason);
		assert_int_equal(e.started, rows[i].started);
		assert_int_equal(e.stream.fd, -1);
		end_fini(&e, peer);
	}
}

/* What a proxy answers to CONNECT. */
static void tunnel(void **state)
{
	static const struct {
		const char *says;
		enum ocu_status st;
		int status;
		bool open;
	} rows[] = {
		{ "HTTP/1.1 200 Connection established\r\n\r\n", OCU_OK, 200, true },
		/* A length means nothing here, nor does the version. */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", OCU_OK, 200, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", OCU_OK, 200, true },
		{ "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n", OCU_OK, 200, true },
		{ "HTTP/1.1 204 OK\r\n\r\n", OCU_OK, 204, true },
		{ "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno", OCU_OK, 407, false },
		{ "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", OCU_OK, 503, false },
		/* The other side does not speak first in TLS. */
		{ "HTTP/1.1 200 OK\r\n\r\nxyz", OCU_OK, 200, false },
		{ "SSH-2.0-OpenSSH\r\n", OCU_HTTP, 0, false },
	};
	struct ocu_stream s;
	struct ocu_buf b;
	struct end e;
	size_t i;
	int peer;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		peer = pair(&s);
		memset(&e, 0, sizeof(e));
		ocu_buf_init(&b, 100);
		assert_int_equal(ocu_buf_add(&b, REQUEST, strlen(REQUEST)), OCU_OK);
		assert_int_equal(ocu_exchange_tunnel_start(&e.x, loop, &s, &b, end_cb, &e), OCU_OK);
		say(peer, rows[i].says, strlen(rows[i].says));
		turn(&e);
		if (e.times != 1 || e.st != rows[i].st || e.status != rows[i].status)
			fail_msg("row %zu: %d, %s, %d, %s", i, e.times, ocu_text(e.st), e.status,
				 e.err.msg);
		assert_int_equal(e.stream.fd >= 0, rows[i].open);
		end_fini(&e, peer);
	}
}

static void without_memory(void **state)
{
	struct ocu_exchange *x;
	struct ocu_stream s;
	struct ocu_buf b;
	int peer = pair(&s);

	(void)state;
	ocu_buf_init(&b, 100);
	assert_int_equal(ocu_buf_add(&b, "x", 1), OCU_OK);
	nomem_fail(0);
	assert_int_equal(ocu_exchange_start(&x, loop, &s, &b, end_cb, NULL), OCU_NOMEM);
	nomem_fail(-1);
	/* It took both. */
	assert_null(x);
	assert_null(b.data);
	assert_int_equal(s.fd, -1);
	close(peer);
}

/* ---- TLS ---- */

static struct pki *pki;

struct server {
	SSL_CTX *ctx;
	SSL *ssl;
	struct pki_id id;
	int fd;
	bool handshaken;
	char sni[64];
};

static void server_init(struct server *v, const char *san)
{
	struct pki_cert c = { .name = "responder", .san = san };

	memset(v, 0, sizeof(*v));
	pki_cert_make(pki, &v->id, &c);
	v->ctx = SSL_CTX_new(TLS_server_method());
	assert_non_null(v->ctx);
	assert_int_equal(SSL_CTX_use_certificate(v->ctx, v->id.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(v->ctx, v->id.key), 1);
	assert_int_equal(SSL_CTX_add1_chain_cert(v->ctx, pki->by[PKI_BY_ISSUER].cert), 1);
	v->ssl = SSL_new(v->ctx);
	assert_non_null(v->ssl);
	SSL_set_accept_state(v->ssl);
}

static void server_fini(struct server *v)
{
	SSL_free(v->ssl);
	SSL_CTX_free(v->ctx);
	pki_cert_fini(&v->id);
	close(v->fd);
	ERR_clear_error();
}

/* Goes on with the handshake, then reads the request and answers. */
static void server_turn(struct server *v, const char *answer)
{
	char got[256];
	const char *sni;

	ERR_clear_error();
	if (!v->handshaken) {
		v->handshaken = SSL_do_handshake(v->ssl) == 1;
		sni = SSL_get_servername(v->ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(v->sni, sizeof(v->sni), "%s", sni ? sni : "");
	}
	if (v->handshaken && answer && SSL_read(v->ssl, got, sizeof(got)) > 0)
		assert_true(SSL_write(v->ssl, answer, (int)strlen(answer)) > 0);
	ERR_clear_error();
}

static SSL_CTX *client_ctx(bool verify, bool trust)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (trust)
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
						     pki->by[PKI_BY_ROOT].cert), 1);
	return ctx;
}

static struct ocu_url url(const char *text)
{
	struct ocu_url u;
	struct ocu_err err;

	if (ocu_url_parse(&u, text, strlen(text), &err) != OCU_OK)
		fail_msg("%s: %s", text, err.msg);
	return u;
}

static void tls(void **state)
{
	static const struct {
		const char *san, *url;
		bool verify, trust;
		const char *reason; /* NULL: it works */
		const char *sni;
	} rows[] = {
		{ "DNS:ocsp.test", "https://ocsp.test/", true, true, NULL, "ocsp.test" },
		{ "DNS:*.ocsp.test", "https://ab.ocsp.test/", true, true, NULL, "ab.ocsp.test" },
		{ "IP:127.0.0.1", "https://127.0.0.1/", true, true, NULL, "" },
		{ "IP:0:0:0:0:0:0:0:1", "https://[::1]/", true, true, NULL, "" },
		{ "DNS:other.test", "https://ocsp.test/", true, true, "hostname mismatch", NULL },
		{ "DNS:a*.ocsp.test", "https://ab.ocsp.test/", true, true, "hostname mismatch",
		  NULL },
		{ "IP:127.0.0.2", "https://127.0.0.1/", true, true, "IP address mismatch", NULL },
		{ "DNS:ocsp.test", "https://ocsp.test/", true, false, "certificate: ", NULL },
		{ "DNS:other.test", "https://ocsp.test/", false, false, NULL, "ocsp.test" },
	};
	struct ocu_stream s;
	struct server v;
	struct ocu_url u;
	struct ocu_err err;
	struct end e;
	SSL_CTX *ctx;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		server_init(&v, rows[i].san);
		v.fd = pair(&s);
		SSL_set_fd(v.ssl, v.fd);
		ctx = client_ctx(rows[i].verify, rows[i].trust);
		u = url(rows[i].url);
		assert_int_equal(ocu_stream_tls(&s, ctx, &u, &err), OCU_OK);
		start(&e, &s, REQUEST);
		for (k = 0; k < TURNS && !e.times; k++) {
			turn(&e);
			server_turn(&v, OK "Content-Length: 3\r\n\r\nabc");
		}
		assert_int_equal(e.times, 1);
		assert_int_equal(ERR_peek_error(), 0);
		if (rows[i].reason) {
			assert_int_equal(e.st, OCU_TLS);
			assert_int_equal(e.stage, OCU_EXCHANGE_HANDSHAKE);
			if (!strstr(e.err.msg, rows[i].reason))
				fail_msg("row %zu: %s", i, e.err.msg);
			assert_int_equal(e.stream.fd, -1);
		} else {
			if (e.st != OCU_OK)
				fail_msg("row %zu: %s", i, e.err.msg);
			assert_string_equal(e.body, "abc");
			assert_string_equal(v.sni, rows[i].sni);
			/* The session tickets behind the answer do not count. */
			assert_true(e.stream.fd >= 0);
			assert_true(ocu_stream_quiet(&e.stream));
		}
		end_fini(&e, -1);
		server_fini(&v);
		SSL_CTX_free(ctx);
	}
}

/* How a TLS connection may end, and that it is used again. */
static void tls_ends(void **state)
{
	struct ocu_url u = url("https://ocsp.test/");
	SSL_CTX *ctx = client_ctx(true, true);
	struct ocu_stream s;
	struct server v;
	struct end e;
	int k, how;

	(void)state;
	for (how = 0; how < 4; how++) {
		server_init(&v, "DNS:ocsp.test");
		v.fd = pair(&s);
		SSL_set_fd(v.ssl, v.fd);
		assert_int_equal(ocu_stream_tls(&s, ctx, &u, NULL), OCU_OK);
		start(&e, &s, REQUEST);
		/* 0: a peer that keeps silent; 1: one that speaks no TLS. */
		if (how == 1)
			say(v.fd, "HTTP/1.0 400 Bad Request\r\n\r\n", 28);
		for (k = 0; k < 50 && !e.times; k++) {
			turn(&e);
			if (how >= 2)
				server_turn(&v, OK "\r\nabc");
			/* 2: says goodbye; 3: just goes. */
			if (how == 2 && k == 40)
				(void)SSL_shutdown(v.ssl);
			if (how >= 2 && k == 40)
				shutdown(v.fd, SHUT_RDWR);
		}
		if (how == 0) {
			assert_int_equal(e.times, 0);
			ocu_exchange_cancel(e.x);
			assert_string_equal(e.err.msg, "TLS handshake not completed");
		} else if (how == 1) {
			assert_int_equal(e.st, OCU_TLS);
			assert_ptr_equal(strstr(e.err.msg, "TLS handshake: "), e.err.msg);
		} else {
			if (e.st != OCU_OK)
				fail_msg("%d: %s", how, e.err.msg);
			assert_string_equal(e.body, "abc");
		}
		assert_int_equal(e.times, 1);
		assert_int_equal(ERR_peek_error(), 0);
		end_fini(&e, -1);
		server_fini(&v);
	}
	SSL_CTX_free(ctx);
}

static void tls_kept(void **state)
{
	struct ocu_url u = url("https://ocsp.test/");
	SSL_CTX *ctx = client_ctx(true, true);
	struct ocu_stream s;
	struct server v;
	struct end e;
	int i, k;

	(void)state;
	server_init(&v, "DNS:ocsp.test");
	v.fd = pair(&s);
	SSL_set_fd(v.ssl, v.fd);
	assert_int_equal(ocu_stream_tls(&s, ctx, &u, NULL), OCU_OK);
	for (i = 0; i < 3; i++) {
		start(&e, &s, REQUEST);
		for (k = 0; k < TURNS && !e.times; k++) {
			turn(&e);
			server_turn(&v, OK "Content-Length: 3\r\n\r\nabc");
		}
		assert_int_equal(e.st, OCU_OK);
		assert_true(e.stream.fd >= 0);
		s = e.stream;
	}
	assert_true(ocu_stream_quiet(&s));
	assert_true(SSL_write(v.ssl, "x", 1) > 0);
	assert_false(ocu_stream_quiet(&s));
	ocu_stream_fini(&s);
	server_fini(&v);
	SSL_CTX_free(ctx);
}

static void ctx_new(void **state)
{
	SSL_CTX *ctx;
	struct ocu_err err;

	(void)state;
	assert_int_equal(ocu_stream_ctx_new(&ctx, false, NULL, &err), OCU_OK);
	assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_NONE);
	SSL_CTX_free(ctx);
	assert_int_equal(ocu_stream_ctx_new(&ctx, true, "@system-ca", &err), OCU_OK);
	assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_PEER);
	SSL_CTX_free(ctx);
	assert_int_equal(ocu_stream_ctx_new(&ctx, true, "/nonexistent/ca.pem", &err), OCU_TLS);
	assert_null(ctx);
	assert_non_null(strstr(err.msg, "/nonexistent/ca.pem"));
	assert_int_equal(ERR_peek_error(), 0);
}

/* ---- descriptors ---- */

static int fds_at_start;

static int n_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int fds_note(void **state)
{
	(void)state;
	fds_at_start = n_fds();
	return 0;
}

static int fds_check(void **state)
{
	(void)state;
	return n_fds() != fds_at_start;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fds_note, fds_check)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(kept),
		TEST(long_request),
		TEST(refused_in_the_middle),
		TEST(flood),
		TEST(cancelled),
		TEST(tunnel),
		TEST(without_memory),
		TEST(tls),
		TEST(tls_ends),
		TEST(tls_kept),
		TEST(ctx_new),
	};
	int rc;

	/* As on the loop thread, which blocks all signals. */
	signal(SIGPIPE, SIG_IGN);
	loop = ev_loop_new(EVFLAG_AUTO);
	if (!loop)
		return 1;
	/* libev opens some of its own the first time it runs. */
	ev_run(loop, EVRUN_NOWAIT);
	pki = pki_new();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pki_free(pki);
	ev_loop_destroy(loop);
	return rc;
}
