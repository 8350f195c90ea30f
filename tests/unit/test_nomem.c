/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_nomem.c - what every operation does when its n-th allocation fails, for every n, those of
 * OpenSSL and c-ares included: it ends once, says why, loses nothing, and works the next time.
 * Allocations of libev and of the C library itself cannot fail here.
 *
 * The responder and the nameserver are in a process of their own, which always has memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ares.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dnsd.h"
#include "nomem.h"
#include "ocu/dial.h"
#include "ocu/dns.h"
#include "ocu/exchange.h"
#include "ocu/fetch.h"
#include "ocu/loop.h"
#include "ocu/store.h"
#include "pki.h"
#include "responder.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIMIT 100000 /* allocations of one operation: one that makes more never ends */
#define PATIENCE_S 60.

static struct ev_loop *loop;
static struct pki *pki;
static struct pki_id leaf, server;
static SSL_CTX *tls;
static char ca_path[] = "/tmp/ocu-nomem-XXXXXX";

/* What the other process told. */
static struct {
	pid_t pid;
	int end; /* closed: it may end */
	uint16_t http, https, dns;
} peer;

/* Between two measurements nothing may stay; what OpenSSL keeps for the thread is not it. */
static long live(void)
{
	OPENSSL_thread_stop();
	return nomem_live();
}

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

/* ---- c-ares ----
 *
 * Its allocations are told from ours. c-ares 1.34 loses an answer that has been parsed when it
 * cannot allocate the list for what is to be done with it (ares_append_requeue_int() in
 * ares_process.c): a few blocks of its own stay, and its callback does not come, which is no
 * different from a lost datagram. Nobody who uses it can free them.
 */
#define ARES_LOST_MAX 16

static long ares_live;
static bool ares_failed;

static void *ares_malloc(size_t n)
{
	void *p = malloc(n);

	ares_live += p != NULL;
	ares_failed |= !p;
	return p;
}

static void *ares_realloc(void *old, size_t n)
{
	void *p = realloc(old, n);

	ares_live += p && !old;
	ares_failed |= !p;
	return p;
}

static void ares_free(void *p)
{
	ares_live -= p != NULL;
	free(p);
}

/* Whether the <lost> blocks that are left after an operation are those that c-ares has lost by
 * itself; <before> is how many it had before.
 */
static bool ares_lost(long lost, long before)
{
	int version;

	(void)ares_version(&version);
	if (!ares_failed || version < 0x012200 || lost > ARES_LOST_MAX ||
	    lost != ares_live - before)
		return false;
	print_message("c-ares %s lost %ld blocks without memory: not looked at, as they are its "
		      "own\n", ares_version(NULL), lost);
	return true;
}

/* Does <op> with the first allocation failing, with the second, and so on until none does. <op>
 * returns how it ended; it has had the chance to fill its caches before. Returns how often it
 * failed.
 */
static long each_allocation(enum ocu_status (*op)(void *arg), void *arg)
{
	enum ocu_status st = OCU_NOMEM;
	long n, before, ares_before, failures = 0;
	bool failed = true;
	int fds;

	assert_int_equal(op(arg), OCU_OK);
	assert_int_equal(op(arg), OCU_OK);
	before = live();
	fds = count_fds();
	for (n = 0; failed; n++) {
		assert_true(n < LIMIT);
		ares_before = ares_live;
		ares_failed = false;
		nomem_fail(n);
		st = op(arg);
		failed = nomem_failed();
		nomem_fail(-1);
		failures += st != OCU_OK;
		assert_int_equal(ERR_peek_error(), 0);
		if (live() != before && !ares_lost(nomem_live() - before, ares_before))
			fail_msg("allocation %ld: %ld are left", n, nomem_live() - before);
		before = nomem_live();
	}
	assert_int_equal(st, OCU_OK);
	assert_int_equal(count_fds(), fds);
	print_message("%ld allocations, %ld failures\n", n - 1, failures);
	return failures;
}

static void patience_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	fail_msg("an operation does not end");
}

/* Runs the loop until *done. */
static void await(const int *done)
{
	ev_timer patience;

	ev_now_update(loop);
	ev_timer_init(&patience, patience_cb, PATIENCE_S, 0.);
	ev_timer_start(loop, &patience);
	while (!*done)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &patience);
}

/* ---- what is done at once ---- */

static struct ocu_url url(const char *text)
{
	struct ocu_url u;

	assert_int_equal(ocu_url_parse(&u, text, strlen(text), NULL), OCU_OK);
	return u;
}

static enum ocu_status op_request(void *arg)
{
	struct ocu_http_request req = { .host = "a.test" };
	struct ocu_url u = url("http://a.test/ocsp");
	struct ocu_buf der, target, head;
	struct ocu_err err;
	enum ocu_status st;

	(void)arg;
	ocu_buf_init(&der, 1000);
	ocu_buf_init(&target, 1000);
	ocu_buf_init(&head, 4000);
	st = ocu_ocsp_request(&der, leaf.cert, pki->by[PKI_BY_ISSUER].cert, &err);
	if (st != OCU_OK)
		assert_int_equal(err.code, st);
	if (st == OCU_OK)
		st = ocu_url_get_target(&target, &u, der.data, der.len);
	req.target = (const char *)target.data;
	req.target_len = target.len;
	if (st == OCU_OK)
		st = ocu_http_request(&head, &req);
	req.body = der.data;
	req.body_len = der.len;
	if (st == OCU_OK)
		st = ocu_http_request(&head, &req);
	ocu_buf_fini(&der);
	ocu_buf_fini(&target);
	ocu_buf_fini(&head);
	return st;
}

static void request(void **state)
{
	(void)state;
	assert_true(each_allocation(op_request, NULL) > 3);
}

static enum ocu_status op_store(void *arg)
{
	static const uint8_t id[] = "id", der[9000] = { 1 };
	const struct ocu_store *s = arg;
	struct ocu_err err;
	enum ocu_status st;
	struct ocu_buf out;

	ocu_buf_init(&out, sizeof(der));
	st = ocu_store_put(s, id, sizeof(id), der, sizeof(der), 1, &err);
	if (st == OCU_OK)
		st = ocu_store_get(s, id, sizeof(id), &out, &err);
	if (st != OCU_OK) {
		/* Never another file, and no other reason. */
		assert_int_equal(st, OCU_NOMEM);
		assert_int_equal(err.code, OCU_NOMEM);
		assert_non_null(strstr(err.msg, ocu_text(OCU_NOMEM)));
	} else {
		assert_int_equal(out.len, sizeof(der));
	}
	ocu_buf_fini(&out);
	return st;
}

static void store(void **state)
{
	char path[] = "/tmp/ocu-nomem-XXXXXX", name[OCU_STORE_NAME_BYTES];
	struct ocu_store s;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(ocu_store_init(&s, path, NULL), OCU_OK);
	assert_true(each_allocation(op_store, &s) > 2);
	ocu_store_name(name, (const uint8_t *)"id", 3);
	assert_int_equal(unlinkat(s.dir, name, 0), 0);
	ocu_store_fini(&s);
	/* There was but that one. */
	assert_int_equal(rmdir(path), 0);
}

static void msg_run(struct ocu_msg *m)
{
	m->run = NULL;
}

static enum ocu_status op_loop(void *arg)
{
	struct ocu_msg m = { .run = msg_run };
	struct ocu_err err;
	enum ocu_status st;
	struct ocu_loop *l;

	(void)arg;
	st = ocu_loop_new(&l, &err);
	if (st != OCU_OK) {
		assert_null(l);
		assert_int_equal(err.code, OCU_NOMEM);
		return st;
	}
	st = ocu_loop_start(l, NULL, NULL, NULL, &err);
	ocu_loop_post(l, &m);
	ocu_loop_free(l);
	assert_null(m.run);
	return st;
}

static void loop_thread(void **state)
{
	(void)state;
	assert_int_equal(each_allocation(op_loop, NULL), 1);
}

static enum ocu_status op_ctx(void *arg)
{
	struct ocu_err err;
	enum ocu_status st;
	SSL_CTX *ctx;

	st = ocu_stream_ctx_new(&ctx, true, arg, &err);
	if (st != OCU_OK) {
		assert_null(ctx);
		assert_int_equal(err.code, st);
		assert_true(err.msg[0]);
	}
	assert_int_equal(ERR_peek_error(), 0);
	/* It allocates, too, and leaves an error where it cannot. */
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return st;
}

static void ctx(void **state)
{
	(void)state;
	assert_true(each_allocation(op_ctx, ca_path) > 100);
}

/* ---- what takes its time ---- */

struct dialled {
	int done;
	enum ocu_status st;
	int fd;
};

static void dial_cb(void *arg, const struct ocu_dial_result *r)
{
	struct dialled *d = arg;

	assert_int_equal(d->done, 0);
	d->done = 1;
	d->st = r->st;
	d->fd = r->fd;
}

static enum ocu_status op_dial(void *arg)
{
	struct ocu_dial_conf conf = { .prefer = OCU_IPV4, .connect_ms = 5000, .port = peer.http };
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
	struct dialled d = { .fd = -1 };
	struct ocu_dial *dial;

	(void)arg;
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (ocu_dial_start(&dial, loop, &conf, dial_cb, &d) != OCU_OK) {
		assert_null(dial);
		assert_int_equal(d.done, 0);
		return OCU_NOMEM;
	}
	ocu_dial_add(dial, OCU_IPV4, &ss, 1, true);
	ocu_dial_add(dial, OCU_IPV6, NULL, 0, true);
	await(&d.done);
	if (d.fd >= 0)
		close(d.fd);
	return d.st;
}

static void dial(void **state)
{
	(void)state;
	assert_int_equal(each_allocation(op_dial, NULL), 1);
}

struct exchanged {
	int done;
	enum ocu_status st;
	struct ocu_err err;
};

static void exchange_cb(void *arg, struct ocu_exchange_result *r)
{
	struct exchanged *e = arg;

	assert_int_equal(e->done, 0);
	e->done = 1;
	e->st = r->st;
	e->err = r->err;
	ocu_stream_fini(&r->stream);
}

static enum ocu_status op_exchange(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n", body[400];
	struct ocu_stream s = OCU_STREAM_NONE;
	struct exchanged e = { .done = 0 };
	struct ocu_exchange *x;
	struct ocu_buf b;
	int fds[2];

	(void)arg;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(write(fds[1], answer, sizeof(answer) - 1), sizeof(answer) - 1);
	assert_int_equal(write(fds[1], body, sizeof(body)), sizeof(body));
	s.fd = fds[0];
	ocu_buf_init(&b, 100);
	if (ocu_buf_add(&b, "GET", 3) != OCU_OK) {
		ocu_stream_fini(&s);
		e.st = OCU_NOMEM;
	} else if (ocu_exchange_start(&x, loop, &s, &b, exchange_cb, &e) != OCU_OK) {
		assert_null(x);
		assert_int_equal(e.done, 0);
		e.st = OCU_NOMEM;
	} else {
		await(&e.done);
		assert_int_equal(e.st, e.err.code);
		assert_int_equal(e.st != OCU_OK, e.err.msg[0] != '\0');
	}
	assert_null(b.data);
	close(fds[1]);
	return e.st;
}

static void exchange(void **state)
{
	(void)state;
	assert_true(each_allocation(op_exchange, NULL) >= 4);
}

struct asked {
	int done;
	bool addresses, cancelled;
	struct ocu_err why;
};

static void dns_cb(void *arg, const struct ocu_dns_answer *a)
{
	struct asked *k = arg;

	assert_int_equal(k->done, 0);
	k->done = 1;
	k->cancelled = !a;
	if (!a)
		return;
	k->addresses = a->n > 0;
	k->why = a->why;
	assert_int_equal(k->addresses, a->why.code == OCU_OK);
	assert_int_equal(k->addresses, a->why.msg[0] == '\0');
}

/* Whether one question is answered with addresses. */
static bool ask(struct ocu_dns *d)
{
	struct ocu_dns_query *q;
	struct asked k = { .done = 0 };

	if (ocu_dns_start(&q, d, "r.test", OCU_IPV4, dns_cb, &k) != OCU_OK) {
		assert_null(q);
		assert_int_equal(k.done, 0);
		return false;
	}
	assert_int_equal(k.done, 0);
	await(&k.done);
	assert_false(k.cancelled);
	return k.addresses;
}

static enum ocu_status op_dns(void *arg)
{
	struct ocu_dns_conf conf = { .nameservers = arg };
	struct ocu_err err;
	struct ocu_dns *d;
	bool ok;

	if (ocu_dns_new(&d, loop, &conf, &err) != OCU_OK) {
		assert_null(d);
		assert_true(err.code == OCU_NOMEM || err.code == OCU_DNS);
		assert_true(err.msg[0]);
		return err.code;
	}
	ok = ask(d);
	/* It happens once: the next question has memory. */
	if (nomem_failed())
		assert_true(ask(d));
	ocu_dns_free(d);
	return ok ? OCU_OK : OCU_DNS;
}

static void dns(void **state)
{
	char servers[64];

	(void)state;
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", peer.dns);
	assert_true(each_allocation(op_dns, servers) > 10);
}

/* ---- a whole fetch ---- */

struct job {
	struct ocu_fetch f;
	struct ocu_url url;
	struct ocu_peer peer;
	int done;
};

static void job_done(struct ocu_fetch *f)
{
	struct job *j = (struct job *)f;

	assert_int_equal(j->done, 0);
	j->done = 1;
}

/* Fetches from <text>: "%" is the port for http, "$" that for https. Follows redirects. */
static enum ocu_end fetch_once(struct ocu_fetcher *fr, const char *text)
{
	struct job j = { .done = 0 };
	char uri[128], *out = uri;

	for (; *text; text++) {
		if (*text == '%' || *text == '$')
			out += snprintf(out, 8, "%u", *text == '%' ? peer.http : peer.https);
		else
			*out++ = *text;
	}
	*out = '\0';
	j.url = url(uri);
	ocu_peer_init(&j.peer);
	j.f.peer = &j.peer;
	j.f.url = &j.url;
	j.f.cert = leaf.cert;
	j.f.issuer = pki->by[PKI_BY_ISSUER].cert;
	j.f.limit_ms = 10000;
	j.f.done = job_done;
	do {
		j.done = 0;
		ocu_fetch_start(fr, &j.f);
		assert_int_equal(j.done, 0);
		await(&j.done);
		assert_int_equal(j.f.end == OCU_END_NEW, j.f.der.len > 0);
		ocu_buf_fini(&j.f.der);
		j.url = j.f.end == OCU_END_MOVED ? j.f.location : j.url;
		j.f.redirected = true;
	} while (j.f.end == OCU_END_MOVED);
	assert_int_equal(j.f.end == OCU_END_NEW, j.f.err.code == OCU_OK);
	assert_int_equal(j.f.end == OCU_END_NEW, j.f.err.msg[0] == '\0');
	ocu_peer_fini(&j.peer);
	return j.f.end;
}

/* Fetches once with what may be without memory, and once with it if that is what failed. */
static enum ocu_status fetch_twice(const struct ocu_fetch_conf *conf, const char *text)
{
	struct ocu_fetcher *fr;
	struct ocu_err err;
	enum ocu_end end;

	if (ocu_fetcher_new(&fr, loop, conf, &err) != OCU_OK) {
		assert_null(fr);
		assert_true(err.msg[0]);
		return err.code;
	}
	end = fetch_once(fr, text);
	/* Nothing of it stays behind: the next one has memory, and succeeds. */
	if (nomem_failed())
		assert_int_equal(fetch_once(fr, text), OCU_END_NEW);
	ocu_fetcher_free(fr);
	return end == OCU_END_NEW ? OCU_OK : OCU_NOMEM;
}

static enum ocu_status op_fetch(void *arg)
{
	char servers[64];
	struct ocu_fetch_conf conf = { .connect_ms = 5000, .prefer = OCU_IPV4, .idle_max = 1,
				       .dns = { .nameservers = servers }, .tls = tls };

	snprintf(servers, sizeof(servers), "127.0.0.1:%u", peer.dns);
	return fetch_twice(&conf, arg);
}

static void fetch(void **state)
{
	assert_true(each_allocation(op_fetch, *state) > 20);
}

static enum ocu_status op_proxied(void *arg)
{
	char servers[64];
	struct ocu_fetch_conf conf = { .connect_ms = 5000, .prefer = OCU_IPV4, .idle_max = 1,
				       .dns = { .nameservers = servers }, .proxy_host = "r.test",
				       .proxy_port = peer.http, .proxy_auth = "Basic dTpw" };

	snprintf(servers, sizeof(servers), "127.0.0.1:%u", peer.dns);
	return fetch_twice(&conf, arg);
}

static void proxied(void **state)
{
	static char other[] = "http://other.test/ok/";

	(void)state;
	assert_true(each_allocation(op_proxied, other) > 20);
}

/* ---- the other process ---- */

static void peer_main(int out, int end)
{
	struct responder *plain, *secure;
	uint16_t ports[3];
	struct dnsd *d;
	char byte;

	plain = responder_new(&(struct responder_conf){ .pki = pki });
	secure = responder_new(&(struct responder_conf){ .pki = pki, .tls = &server });
	d = dnsd_new();
	if (!dnsd_set(d, "r.test a=127.0.0.1 ttl=60"))
		_exit(1);
	ports[0] = responder_port(plain);
	ports[1] = responder_port(secure);
	ports[2] = dnsd_port(d);
	if (write(out, ports, sizeof(ports)) != sizeof(ports))
		_exit(1);
	/* Until the other end is closed, however that process ends. */
	while (read(end, &byte, 1) > 0)
		;
	responder_free(plain);
	responder_free(secure);
	dnsd_free(d);
	_exit(0);
}

static int peer_start(void)
{
	int out[2], end[2];
	uint16_t ports[3];

	if (pipe(out) != 0 || pipe(end) != 0)
		return -1;
	peer.pid = fork();
	if (peer.pid < 0)
		return -1;
	if (peer.pid == 0) {
		close(out[0]);
		close(end[1]);
		peer_main(out[1], end[0]);
	}
	close(out[1]);
	close(end[0]);
	peer.end = end[1];
	if (read(out[0], ports, sizeof(ports)) != sizeof(ports))
		return -1;
	close(out[0]);
	peer.http = ports[0];
	peer.https = ports[1];
	peer.dns = ports[2];
	return 0;
}

static int setup(void **state)
{
	int fd = mkstemp(ca_path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "leaf.test" });
	pki_cert_make(pki, &server, &(struct pki_cert){ .name = "r.test",
							.signer = &pki->by[PKI_BY_ROOT] });
	pki_pem_write(ca_path, &pki->by[PKI_BY_ROOT].cert, 1, NULL);
	if (ocu_stream_ctx_new(&tls, true, ca_path, NULL) != OCU_OK)
		return -1;
	return peer_start();
}

static int teardown(void **state)
{
	int status;

	(void)state;
	close(peer.end);
	if (waitpid(peer.pid, &status, 0) != peer.pid || status != 0)
		return -1;
	SSL_CTX_free(tls);
	unlink(ca_path);
	pki_cert_fini(&leaf);
	pki_cert_fini(&server);
	pki_free(pki);
	return 0;
}

#define FETCH(text, uris) { .name = text, .test_func = fetch, .initial_state = uris }

int main(void)
{
	static char plain[] = "http://127.0.0.1:%/ok/", named[] = "http://r.test:%/ok/",
		    refused[] = "http://127.0.0.1:%/get-405/",
		    moved[] = "http://127.0.0.1:%/chain-2/",
		    secure[] = "https://r.test:$/ok/";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),
		cmocka_unit_test(store),
		cmocka_unit_test(loop_thread),
		cmocka_unit_test(ctx),
		cmocka_unit_test(dial),
		cmocka_unit_test(exchange),
		cmocka_unit_test(dns),
		FETCH("fetch", plain),
		FETCH("fetch: name", named),
		FETCH("fetch: POST after GET", refused),
		FETCH("fetch: redirects", moved),
		FETCH("fetch: https", secure),
		cmocka_unit_test(proxied),
	};
	int rc;

	if (!nomem_openssl() ||
	    ares_library_init_mem(ARES_LIB_INIT_ALL, ares_malloc, ares_free, ares_realloc) !=
		    ARES_SUCCESS)
		return 1;
	loop = ev_loop_new(0);
	if (!loop)
		return 1;
	rc = cmocka_run_group_tests_name("nomem", tests, setup, teardown);
	ev_loop_destroy(loop);
	ares_library_cleanup();
	return rc;
}
