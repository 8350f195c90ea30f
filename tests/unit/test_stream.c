/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_stream.c - plain and TLS connections against a peer in this very process: what certificates
 * are taken, bytes that come one by one, and every way to end. Waits for nothing: both sides take
 * turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ocu/stream.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TURNS 20000       /* a connection that takes more is stuck */
#define ALL ((size_t)-1)
#define BIG_BYTES 40000   /* more than two TLS records */

static struct pki *pki;
static char dir_path[] = "/tmp/ocu-stream-XXXXXX";

/* The other end: a TLS server whose bytes are carried to the socket by the test, so that they can
 * be carried in pieces.
 */
struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	struct pki_id id;
	int fd;
};

static void peer_init(struct peer *p, const struct pki_cert *c)
{
	memset(p, 0, sizeof(*p));
	pki_cert_make(pki, &p->id, c);
	p->ctx = SSL_CTX_new(TLS_server_method());
	assert_non_null(p->ctx);
	assert_int_equal(SSL_CTX_use_certificate(p->ctx, p->id.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, p->id.key), 1);
	assert_int_equal(SSL_CTX_add1_chain_cert(p->ctx, pki->by[PKI_BY_ISSUER].cert), 1);
	p->ssl = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	assert_true(p->ssl && p->in && p->out);
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_accept_state(p->ssl);
}

static void peer_fini(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	pki_cert_fini(&p->id);
	if (p->fd >= 0)
		close(p->fd);
	ERR_clear_error();
}

/* Makes a connection: <s> is ours, the result the peer's end. */
static int pair(struct ocu_stream *s)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*s = (struct ocu_stream){ .fd = fds[0] };
	return fds[1];
}

/* Takes what has come, goes on with the handshake, and lets up to <chunk> bytes out. */
static void peer_turn(struct peer *p, size_t chunk)
{
	char buf[4096];
	ssize_t n;
	int out;

	while ((n = recv(p->fd, buf, sizeof(buf), 0)) > 0)
		assert_int_equal(BIO_write(p->in, buf, (int)n), n);
	if (!SSL_is_init_finished(p->ssl))
		(void)SSL_do_handshake(p->ssl);
	ERR_clear_error();
	do {
		out = BIO_read(p->out, buf, (int)(chunk < sizeof(buf) ? chunk : sizeof(buf)));
		if (out > 0)
			assert_int_equal(send(p->fd, buf, (size_t)out, MSG_NOSIGNAL), out);
	} while (out > 0 && chunk == ALL);
}

static struct ocu_url url(const char *text)
{
	struct ocu_url u;
	struct ocu_err err;

	if (ocu_url_parse(&u, text, strlen(text), &err) != OCU_OK)
		fail_msg("%s: %s", text, err.msg);
	return u;
}

static SSL_CTX *ctx_new(bool verify, const char *ca_file)
{
	struct ocu_err err;
	SSL_CTX *ctx;

	if (ocu_stream_ctx_new(&ctx, verify, ca_file, &err) != OCU_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(ERR_peek_error(), 0);
	return ctx;
}

/* Where a file of the test's directory is; good until the next call. */
static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir_path, name);
	return path;
}

static void root_write(const char *name)
{
	pki_pem_write(path_of(name), &pki->by[PKI_BY_ROOT].cert, 1, NULL);
}

/* Lets both sides shake hands; returns how ours ends. */
static enum ocu_status handshake(struct ocu_stream *s, struct peer *p, size_t chunk,
				 struct ocu_err *err)
{
	enum ocu_status st = OCU_AGAIN;
	int i, want;

	for (i = 0; st == OCU_AGAIN && i < TURNS; i++) {
		want = 0;
		st = ocu_stream_handshake(s, &want, err);
		assert_true(st != OCU_AGAIN || want == EV_READ || want == EV_WRITE);
		assert_int_equal(ERR_peek_error(), 0);
		peer_turn(p, chunk);
	}
	return st;
}

/* A connection with <ctx> to <uri> at a peer with the certificate <c>, as far as the handshake. */
static enum ocu_status connected(struct ocu_stream *s, struct peer *p, SSL_CTX *ctx,
				 const char *uri, const struct pki_cert *c, size_t chunk,
				 struct ocu_err *err)
{
	struct ocu_url u = url(uri);

	peer_init(p, c);
	p->fd = pair(s);
	assert_int_equal(ocu_stream_tls(s, ctx, &u, err), OCU_OK);
	return handshake(s, p, chunk, err);
}

/* ---- who is trusted ---- */

static void verification(void **state)
{
	static const int64_t day = PKI_DAY_S;
	static const struct {
		struct pki_cert cert;
		const char *uri;
		const char *reason; /* when it is verified; NULL: it is taken */
	} rows[] = {
		{ { .san = "DNS:r.test" }, "https://r.test/", NULL },
		{ { .san = "DNS:*.r.test" }, "https://a.r.test/", NULL },
		{ { .san = "DNS:other.test" }, "https://r.test/", "hostname mismatch" },
		{ { .san = "DNS:r.test", .begin = -2 * day, .end = -day }, "https://r.test/",
		  "certificate has expired" },
		{ { .san = "DNS:r.test", .begin = day, .end = 2 * day }, "https://r.test/",
		  "certificate is not yet valid" },
		{ { .san = "DNS:r.test", .self_signed = true }, "https://r.test/",
		  "self-signed certificate" },
		{ { .san = "IP:192.0.2.1" }, "https://192.0.2.1/", NULL },
		{ { .san = "IP:2001:db8:0:0:0:0:0:1" }, "https://[2001:db8::1]/", NULL },
		{ { .san = "IP:192.0.2.2" }, "https://192.0.2.1/", "IP address mismatch" },
		{ { .san = "DNS:192.0.2.1" }, "https://192.0.2.1/", "IP address mismatch" },
		{ { .san = "IP:192.0.2.1" }, "https://r.test/", "hostname mismatch" },
	};
	struct ocu_stream s;
	struct ocu_err err;
	enum ocu_status st;
	SSL_CTX *ctx[2];
	struct peer p;
	int verify;
	size_t i;

	(void)state;
	root_write("root.pem");
	ctx[0] = ctx_new(false, NULL);
	ctx[1] = ctx_new(true, path_of("root.pem"));
	for (i = 0; i < COUNT(rows); i++) {
		for (verify = 0; verify < 2; verify++) {
			st = connected(&s, &p, ctx[verify], rows[i].uri, &rows[i].cert, ALL, &err);
			if (!verify || !rows[i].reason) {
				if (st != OCU_OK)
					fail_msg("row %zu: %s", i, err.msg);
			} else {
				assert_int_equal(st, OCU_TLS);
				if (!strstr(err.msg, rows[i].reason))
					fail_msg("row %zu: %s", i, err.msg);
			}
			ocu_stream_fini(&s);
			peer_fini(&p);
		}
	}
	SSL_CTX_free(ctx[0]);
	SSL_CTX_free(ctx[1]);
	assert_int_equal(unlink(path_of("root.pem")), 0);
}

/* What a directory has is loaded when the context is made, and not when it is needed. */
static void directory(void **state)
{
	static const char *const junk[] = { "junk.pem", "root.txt", ".pem" };
	static const char *const names[] = { "a.pem", "a.crt", "a.cer" };
	struct pki_cert cert = { .san = "DNS:r.test" };
	struct ocu_stream s;
	struct ocu_err err;
	struct peer p;
	SSL_CTX *ctx;
	size_t i;
	int fd;

	(void)state;
	fd = open(path_of(junk[0]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "nothing\n", 8), 8);
	close(fd);
	root_write(junk[1]);
	root_write(junk[2]);
	assert_int_equal(ocu_stream_ctx_new(&ctx, true, dir_path, &err), OCU_TLS);
	assert_null(ctx);
	assert_non_null(strstr(err.msg, dir_path));
	assert_int_equal(ERR_peek_error(), 0);
	for (i = 0; i < COUNT(names); i++) {
		root_write(names[i]);
		ctx = ctx_new(true, dir_path);
		assert_int_equal(unlink(path_of(names[i])), 0);
		if (connected(&s, &p, ctx, "https://r.test/", &cert, ALL, &err) != OCU_OK)
			fail_msg("%s: %s", names[i], err.msg);
		ocu_stream_fini(&s);
		peer_fini(&p);
		SSL_CTX_free(ctx);
	}
	for (i = 0; i < COUNT(junk); i++)
		assert_int_equal(unlink(path_of(junk[i])), 0);
}

/* The system's certificates: where OpenSSL is told that they are, again loaded at once. */
static void system_certificates(void **state)
{
	struct pki_cert cert = { .san = "DNS:r.test" };
	struct ocu_stream s;
	struct ocu_err err;
	struct peer p;
	SSL_CTX *ctx;
	int how;

	(void)state;
	for (how = 0; how < 2; how++) {
		root_write("root.pem");
		setenv("SSL_CERT_FILE", how ? "/nonexistent" : path_of("root.pem"), 1);
		setenv("SSL_CERT_DIR", how ? dir_path : "/nonexistent", 1);
		ctx = ctx_new(true, how ? NULL : "@system-ca");
		assert_int_equal(unlink(path_of("root.pem")), 0);
		if (connected(&s, &p, ctx, "https://r.test/", &cert, ALL, &err) != OCU_OK)
			fail_msg("%d: %s", how, err.msg);
		ocu_stream_fini(&s);
		peer_fini(&p);
		SSL_CTX_free(ctx);
	}
	setenv("SSL_CERT_DIR", "/nonexistent", 1);
	assert_int_equal(ocu_stream_ctx_new(&ctx, true, "@system-ca", &err), OCU_TLS);
	assert_non_null(strstr(err.msg, "@system-ca: "));
	assert_int_equal(ocu_stream_ctx_new(&ctx, true, "/nonexistent", &err), OCU_TLS);
	assert_non_null(strstr(err.msg, "/nonexistent: "));
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
}

/* ---- bytes ---- */

/* Fills <p> with what can be told from a shifted copy. */
static void pattern(uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
}

/* What the peer writes arrives as it is, however it is cut on the way and read. */
static void reads(void **state)
{
	static const struct {
		size_t chunk, at_once;
	} rows[] = { { ALL, 65536 }, { ALL, 1 }, { 7, 4096 }, { 1000, 13 } };
	struct pki_cert cert = { .san = "DNS:r.test" };
	static uint8_t sent[BIG_BYTES], got[BIG_BYTES + 1];
	struct ocu_stream s;
	struct ocu_err err;
	enum ocu_status st;
	size_t i, n, k, at_once;
	struct peer p;
	SSL_CTX *ctx;
	int want;

	(void)state;
	pattern(sent, sizeof(sent));
	ctx = ctx_new(false, NULL);
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(connected(&s, &p, ctx, "https://r.test/", &cert, rows[i].chunk,
					   &err), OCU_OK);
		assert_int_equal(SSL_write(p.ssl, sent, sizeof(sent)), sizeof(sent));
		for (n = 0, k = 0; n < sizeof(sent) && k < 2 * TURNS + sizeof(sent); k++) {
			size_t one;

			at_once = rows[i].at_once < sizeof(got) - n ? rows[i].at_once :
				  sizeof(got) - n;
			want = 0;
			st = ocu_stream_read(&s, got + n, at_once, &one, &want, &err);
			assert_true(st == OCU_OK || st == OCU_AGAIN);
			assert_true(st == OCU_AGAIN ? want == EV_READ && !one :
				    one > 0 && one <= at_once);
			assert_int_equal(ERR_peek_error(), 0);
			n += one;
			if (st == OCU_AGAIN)
				peer_turn(&p, rows[i].chunk);
		}
		assert_int_equal(n, sizeof(sent));
		assert_memory_equal(got, sent, n);
		ocu_stream_fini(&s);
		peer_fini(&p);
	}
	SSL_CTX_free(ctx);
}

/* Writes <n> bytes while the peer reads only when nothing more can be written. */
static void writes(void **state)
{
	struct pki_cert cert = { .san = "DNS:r.test" };
	static uint8_t sent[1 << 20], got[1 << 20];
	size_t put, n = 0, have = 0, again = 0;
	struct ocu_stream s;
	struct ocu_err err;
	enum ocu_status st;
	struct peer p;
	SSL_CTX *ctx;
	int want, rc;

	(void)state;
	pattern(sent, sizeof(sent));
	ctx = ctx_new(false, NULL);
	assert_int_equal(connected(&s, &p, ctx, "https://r.test/", &cert, ALL, &err), OCU_OK);
	while (have < sizeof(sent)) {
		st = OCU_AGAIN;
		want = EV_WRITE;
		if (n < sizeof(sent))
			st = ocu_stream_write(&s, sent + n, sizeof(sent) - n, &put, &want, &err);
		assert_true(st == OCU_OK || st == OCU_AGAIN);
		if (st == OCU_OK) {
			assert_true(put > 0);
			n += put;
			continue;
		}
		assert_int_equal(want, EV_WRITE);
		again++;
		peer_turn(&p, ALL);
		while ((rc = SSL_read(p.ssl, got + have, (int)(sizeof(got) - have))) > 0)
			have += (size_t)rc;
		ERR_clear_error();
	}
	assert_true(again > 1);
	assert_memory_equal(got, sent, sizeof(sent));
	ocu_stream_fini(&s);
	peer_fini(&p);
	SSL_CTX_free(ctx);
}

/* ---- ends ---- */

/* How the peer ends a TLS connection, and what is seen of it. */
static void tls_ends(void **state)
{
	enum { NOTIFIED, CUT, CUT_IN_RECORD, GARBAGE, ENDS };
	struct pki_cert cert = { .san = "DNS:r.test" };
	struct ocu_stream s;
	struct ocu_err err;
	enum ocu_status st;
	char buf[64];
	struct peer p;
	SSL_CTX *ctx;
	size_t got, put;
	int how, want;

	(void)state;
	ctx = ctx_new(false, NULL);
	for (how = 0; how < ENDS; how++) {
		assert_int_equal(connected(&s, &p, ctx, "https://r.test/", &cert, ALL, &err),
				 OCU_OK);
		assert_true(ocu_stream_quiet(&s));
		assert_int_equal(SSL_write(p.ssl, "abc", 3), 3);
		if (how == NOTIFIED)
			(void)SSL_shutdown(p.ssl);
		if (how == CUT_IN_RECORD)
			peer_turn(&p, 10);
		else
			peer_turn(&p, ALL);
		if (how == GARBAGE)
			assert_int_equal(send(p.fd, "HTTP/1.0 200 OK\r\n", 17, 0), 17);
		close(p.fd);
		p.fd = -1;
		if (how != CUT_IN_RECORD) {
			assert_int_equal(ocu_stream_read(&s, buf, sizeof(buf), &got, &want, &err),
					 OCU_OK);
			assert_int_equal(got, 3);
			assert_memory_equal(buf, "abc", 3);
		}
		st = ocu_stream_read(&s, buf, sizeof(buf), &got, &want, &err);
		assert_int_equal(st, how == GARBAGE ? OCU_HTTP : OCU_OK);
		assert_int_equal(got, 0);
		assert_false(ocu_stream_quiet(&s));
		assert_int_equal(ERR_peek_error(), 0);
		if (how == CUT) {
			st = ocu_stream_write(&s, "x", 1, &put, &want, &err);
			assert_int_equal(st, OCU_HTTP);
			assert_ptr_equal(strstr(err.msg, "writing: "), err.msg);
		}
		ocu_stream_fini(&s);
		assert_int_equal(s.fd, -1);
		assert_null(s.ssl);
		peer_fini(&p);
	}
	SSL_CTX_free(ctx);
}

/* A peer that goes away, or speaks something else, in the handshake. */
static void no_handshake(void **state)
{
	struct ocu_url u = url("https://r.test/");
	struct ocu_stream s;
	struct ocu_err err;
	SSL_CTX *ctx;
	int how, fd, want;

	(void)state;
	ctx = ctx_new(false, NULL);
	for (how = 0; how < 2; how++) {
		fd = pair(&s);
		assert_int_equal(ocu_stream_tls(&s, ctx, &u, &err), OCU_OK);
		assert_int_equal(ocu_stream_handshake(&s, &want, &err), OCU_AGAIN);
		assert_int_equal(want, EV_READ);
		if (how)
			assert_int_equal(send(fd, "HTTP/1.0 400 no\r\n\r\n", 19, 0), 19);
		else
			close(fd);
		assert_int_equal(ocu_stream_handshake(&s, &want, &err), OCU_TLS);
		assert_ptr_equal(strstr(err.msg, "TLS handshake: "), err.msg);
		assert_int_equal(ERR_peek_error(), 0);
		ocu_stream_fini(&s);
		if (how)
			close(fd);
	}
	SSL_CTX_free(ctx);
}

static void plain(void **state)
{
	struct ocu_stream s;
	struct ocu_err err;
	size_t got, put;
	int fd, want = 0;
	char buf[8];

	(void)state;
	fd = pair(&s);
	assert_int_equal(ocu_stream_handshake(&s, &want, &err), OCU_OK);
	assert_true(ocu_stream_quiet(&s));
	assert_int_equal(ocu_stream_read(&s, buf, sizeof(buf), &got, &want, &err), OCU_AGAIN);
	assert_int_equal(want, EV_READ);
	assert_int_equal(ocu_stream_write(&s, "abc", 3, &put, &want, &err), OCU_OK);
	assert_int_equal(put, 3);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 3);
	assert_int_equal(send(fd, "xyz", 3, 0), 3);
	assert_false(ocu_stream_quiet(&s));
	assert_int_equal(ocu_stream_read(&s, buf, 2, &got, &want, &err), OCU_OK);
	assert_int_equal(got, 2);
	assert_int_equal(ocu_stream_read(&s, buf, 2, &got, &want, &err), OCU_OK);
	assert_int_equal(got, 1);
	/* Until there is no room: then it is the event of writing that is awaited. */
	while (ocu_stream_write(&s, dir_path, sizeof(dir_path), &put, &want, &err) == OCU_OK)
		assert_true(put > 0);
	assert_int_equal(want, EV_WRITE);
	close(fd);
	assert_int_equal(ocu_stream_write(&s, "x", 1, &put, &want, &err), OCU_HTTP);
	assert_string_equal(err.msg, "writing: Broken pipe");
	assert_false(ocu_stream_quiet(&s));
	ocu_stream_fini(&s);
	ocu_stream_fini(&s);
	assert_int_equal(ocu_stream_read(&s, buf, 1, &got, &want, &err), OCU_HTTP);
	assert_string_equal(err.msg, "reading: Bad file descriptor");
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pki = pki_new();
	return mkdtemp(dir_path) == NULL;
}

static int teardown(void **state)
{
	(void)state;
	pki_free(pki);
	return rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verification),
		cmocka_unit_test(directory),
		cmocka_unit_test(system_certificates),
		cmocka_unit_test(reads),
		cmocka_unit_test(writes),
		cmocka_unit_test(tls_ends),
		cmocka_unit_test(no_handshake),
		cmocka_unit_test(plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
