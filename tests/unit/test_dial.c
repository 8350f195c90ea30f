/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_dial.c - races of connections to loopback: open, refused and black-holed addresses, late
 * ones, limits, cancellation; after each no descriptor is left. Waits for the end of a dial, never
 * for a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/dial.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_S 30. /* a test that takes longer is stuck */
#define CONNECT_MS 20000

static struct ev_loop *loop;

/* One dial and what came of it. */
struct end {
	struct ocu_dial *dial;
	int times;
	struct ocu_dial_result r;
	char peer[OCU_DIAL_PEER_BYTES];
};

static void end_cb(void *arg, const struct ocu_dial_result *r)
{
	struct end *e = arg;

	e->dial = NULL;
	e->times++;
	e->r = *r;
	e->peer[0] = '\0';
	if (r->st == OCU_OK)
		ocu_dial_peer(e->peer, &r->peer);
}

/* Each address that failed and its errno, as in "127.0.0.1:80 111; [::1]:80 111". */
static const char *failures(const struct end *e)
{
	static char text[4096];
	char peer[OCU_DIAL_PEER_BYTES];
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < e->r.n_failed; i++) {
		ocu_dial_peer(peer, &e->r.failed[i].peer);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %d", i ? "; " : "",
					peer, e->r.failed[i].error);
	}
	return text;
}

static void patience_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	fail_msg("no end in %g s", PATIENCE_S);
}

static void await(struct end *e)
{
	ev_timer patience;

	ev_timer_init(&patience, patience_cb, PATIENCE_S, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &patience);
	while (!e->times)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &patience);
	assert_int_equal(e->times, 1);
}

static void start(struct end *e, const struct ocu_dial_conf *conf)
{
	memset(e, 0, sizeof(*e));
	assert_int_equal(ocu_dial_start(&e->dial, loop, conf, end_cb, e), OCU_OK);
}

static struct sockaddr_storage address(const char *text, uint16_t port)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;

	memset(&ss, 0, sizeof(ss));
	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
	}
	return ss;
}

/* Hands in the addresses of <list>, separated by spaces, as all of their family. */
static void add(struct end *e, enum ocu_family family, const char *list)
{
	struct sockaddr_storage ss[32];
	char copy[512], *word, *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(n < COUNT(ss));
		ss[n++] = address(word, 0);
	}
	ocu_dial_add(e->dial, family, ss, n, true);
	assert_int_equal(e->times, 0);
}

/* ---- who is dialled ---- */

enum mode { CLOSED, OPEN, HOLE };

/* Listeners on one port; -1: none there, so that connections are refused. */
struct host {
	uint16_t port;
	int fds[8];
	size_t n;
	int fill[4]; /* keep the queue of a black hole full */
	size_t n_fill;
};

static bool has_v6(void)
{
	struct sockaddr_storage ss = address("::1", 0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&ss, sizeof(struct sockaddr_in6)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static socklen_t len_of(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* Waits until the connection <fd> is established; false if that does not happen. */
static bool established(int fd, int ms)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int64_t end = ocu_now_ms() + ms;

	while (getpeername(fd, (struct sockaddr *)&ss, &n) != 0) {
		if (ocu_now_ms() > end)
			return false;
	}
	return true;
}

/* Fills the queue of a listener until a connection is not taken any more. */
static void hole_fill(struct host *h, const struct sockaddr_storage *ss)
{
	int fd;

	for (;;) {
		assert_true(h->n_fill < COUNT(h->fill));
		fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(fd >= 0);
		(void)connect(fd, (const struct sockaddr *)ss, len_of(ss));
		h->fill[h->n_fill++] = fd;
		if (!established(fd, 100))
			return;
	}
}

/* False if somebody else has the port there. */
static bool listen_try(struct host *h, const char *text, enum mode mode)
{
	struct sockaddr_storage ss = address(text, h->port);
	socklen_t n = sizeof(ss);
	int one = 1, fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	/* A closed one is bound as well, so that nobody else listens there. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len_of(&ss)) != 0) {
		close(fd);
		return false;
	}
	if (mode != CLOSED)
		assert_int_equal(listen(fd, mode == HOLE ? 0 : 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	h->port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	assert_true(h->n < COUNT(h->fds));
	h->fds[h->n++] = fd;
	if (mode == HOLE)
		hole_fill(h, &ss);
	return true;
}

static void listen_at(struct host *h, const char *text, enum mode mode)
{
	if (!listen_try(h, text, mode))
		fail_msg("cannot bind %s:%u", text, h->port);
}

static void host_end(struct host *h)
{
	while (h->n)
		close(h->fds[--h->n]);
	while (h->n_fill)
		close(h->fill[--h->n_fill]);
}

static struct host host_new(enum mode v4, enum mode v6)
{
	struct host h;
	int i;

	/* A port that is free for one family need not be so for the other. */
	for (i = 0; i < 20; i++) {
		h = (struct host){ .n = 0 };
		listen_at(&h, "127.0.0.1", v4);
		if (listen_try(&h, "::1", v6))
			return h;
		host_end(&h);
	}
	fail_msg("no port is free for both families");
	return h;
}

static struct ocu_dial_conf conf_of(const struct host *h, enum ocu_family prefer)
{
	return (struct ocu_dial_conf){ .prefer = prefer, .connect_ms = CONNECT_MS,
				       .port = h->port };
}

/* ---- the tests ---- */

static void two_families(void **state)
{
	static const struct {
		enum mode v4, v6;
		enum ocu_family prefer;
		enum ocu_status st;
		char family;       /* of the winner */
		size_t tried;
		const char *failures; /* %1$u: port, %2$d: ECONNREFUSED */
	} rows[] = {
		{ OPEN, OPEN, OCU_IPV6, OCU_OK, '6', 1, "" },
		{ OPEN, OPEN, OCU_IPV4, OCU_OK, '4', 1, "" },
		{ OPEN, CLOSED, OCU_IPV6, OCU_OK, '4', 2, "[::1]:%1$u %2$d" },
		{ CLOSED, OPEN, OCU_IPV4, OCU_OK, '6', 2, "127.0.0.1:%1$u %2$d" },
		{ OPEN, HOLE, OCU_IPV6, OCU_OK, '4', 2, "" },
		{ HOLE, OPEN, OCU_IPV4, OCU_OK, '6', 2, "" },
		{ HOLE, OPEN, OCU_IPV6, OCU_OK, '6', 1, "" },
		{ CLOSED, CLOSED, OCU_IPV6, OCU_CONNECT, 0, 2,
		  "[::1]:%1$u %2$d; 127.0.0.1:%1$u %2$d" },
	};
	struct ocu_dial_conf conf;
	struct host h;
	char want[256];
	struct end e;
	size_t i;

	(void)state;
	if (!has_v6())
		skip();
	for (i = 0; i < COUNT(rows); i++) {
		h = host_new(rows[i].v4, rows[i].v6);
		conf = conf_of(&h, rows[i].prefer);
		start(&e, &conf);
		add(&e, OCU_IPV4, "127.0.0.1");
		add(&e, OCU_IPV6, "::1");
		await(&e);
		snprintf(want, sizeof(want), rows[i].failures, h.port, ECONNREFUSED);
		if (e.r.st != rows[i].st || e.r.tried != rows[i].tried ||
		    strcmp(failures(&e), want) != 0 || e.r.starved)
			fail_msg("row %zu: %s, %zu tried, %s", i, ocu_text(e.r.st), e.r.tried,
				 failures(&e));
		if (e.r.st == OCU_OK) {
			assert_int_equal(e.peer[0] == '[' ? '6' : '4', rows[i].family);
			assert_int_equal(close(e.r.fd), 0);
		} else {
			assert_int_equal(e.r.fd, -1);
		}
		host_end(&h);
	}
}

/* How the socket is set up. */
static void socket_options(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	socklen_t n = sizeof(int);
	struct end e;
	char want[32];
	int on = 0;

	(void)state;
	listen_at(&h, "127.0.0.1", OPEN);
	conf = conf_of(&h, OCU_IPV6);
	start(&e, &conf);
	add(&e, OCU_IPV6, "");
	add(&e, OCU_IPV4, "127.0.0.1");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	snprintf(want, sizeof(want), "127.0.0.1:%u", h.port);
	assert_string_equal(e.peer, want);
	assert_true(fcntl(e.r.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(e.r.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(e.r.fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_true(on);
	close(e.r.fd);
	host_end(&h);
}

static void per_address_timeout(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;
	char want[128];

	(void)state;
	listen_at(&h, "127.0.0.1", HOLE);
	conf = conf_of(&h, OCU_IPV4);
	conf.connect_ms = 120;
	start(&e, &conf);
	add(&e, OCU_IPV4, "127.0.0.1");
	add(&e, OCU_IPV6, "");
	await(&e);
	assert_int_equal(e.r.st, OCU_CONNECT);
	snprintf(want, sizeof(want), "127.0.0.1:%u %d", h.port, ETIMEDOUT);
	assert_string_equal(failures(&e), want);
	host_end(&h);
}

/* One address of many is good; those before it refuse. */
static void many_addresses(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;

	(void)state;
	listen_at(&h, "127.0.0.9", OPEN);
	listen_at(&h, "127.0.0.2", CLOSED);
	listen_at(&h, "127.0.0.3", CLOSED);
	conf = conf_of(&h, OCU_IPV6);
	start(&e, &conf);
	add(&e, OCU_IPV6, "");
	/* Also twice the same. */
	add(&e, OCU_IPV4, "127.0.0.2 127.0.0.2 127.0.0.3 127.0.0.9");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.r.tried, 3);
	close(e.r.fd);
	host_end(&h);
}

/* One that refuses does not make the next one wait, also while another is under way. */
static void errors_are_quick(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	char list[512] = "127.0.0.1";
	int64_t begun;
	struct end e;
	int i;

	(void)state;
	listen_at(&h, "127.0.0.1", HOLE);
	listen_at(&h, "127.0.0.9", OPEN);
	for (i = 0; i < 12; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " 127.0.1.%d", i + 1);
	snprintf(list + strlen(list), sizeof(list) - strlen(list), " 127.0.0.9");
	conf = conf_of(&h, OCU_IPV4);
	start(&e, &conf);
	begun = ocu_now_ms();
	add(&e, OCU_IPV4, list);
	add(&e, OCU_IPV6, "");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.r.tried, 14);
	/* One delay; with one for each of them it would be 13. */
	assert_true(ocu_now_ms() - begun >= OCU_HAPPY_ATTEMPT_MS - 1);
	assert_true(ocu_now_ms() - begun < 10 * OCU_HAPPY_ATTEMPT_MS);
	close(e.r.fd);
	host_end(&h);
}

static void address_limit(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	char list[512] = "";
	struct end e;
	int i;

	(void)state;
	listen_at(&h, "127.0.0.1", CLOSED);
	for (i = 0; i < OCU_DIAL_ADDRESSES_MAX + 5; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "127.0.1.%d ", i + 1);
	conf = conf_of(&h, OCU_IPV6);
	start(&e, &conf);
	add(&e, OCU_IPV6, "");
	add(&e, OCU_IPV4, list);
	await(&e);
	assert_int_equal(e.r.st, OCU_CONNECT);
	assert_int_equal(e.r.tried, OCU_DIAL_ADDRESSES_MAX);
	assert_int_equal(e.r.n_failed, OCU_DIAL_ADDRESSES_MAX);
	host_end(&h);
}

static void worked_goes_first(void **state)
{
	static const struct {
		const char *worked, *v4, *v6, *first;
	} rows[] = {
		{ "127.0.0.3", "127.0.0.1 127.0.0.3", "::1", "127.0.0.3" },
		{ "127.0.0.1", "127.0.0.3 127.0.0.1", "::1", "127.0.0.1" },
		{ "::1", "127.0.0.1 127.0.0.3", "::1", "[::1]" },
		/* It is not an address of the host any more. */
		{ "127.0.0.7", "127.0.0.1 127.0.0.3", "::1", "[::1]" },
	};
	struct host h;
	struct ocu_dial_conf conf;
	struct end e;
	size_t i;
	int order;

	(void)state;
	if (!has_v6())
		skip();
	h = host_new(OPEN, OPEN);
	conf = conf_of(&h, OCU_IPV6);
	listen_at(&h, "127.0.0.3", OPEN);
	for (i = 0; i < 2 * COUNT(rows); i++) {
		order = i % 2;
		conf.worked = address(rows[i / 2].worked, 0);
		start(&e, &conf);
		add(&e, order ? OCU_IPV6 : OCU_IPV4, order ? rows[i / 2].v6 : rows[i / 2].v4);
		add(&e, order ? OCU_IPV4 : OCU_IPV6, order ? rows[i / 2].v4 : rows[i / 2].v6);
		await(&e);
		assert_int_equal(e.r.st, OCU_OK);
		assert_int_equal(e.r.tried, 1);
		if (strncmp(e.peer, rows[i / 2].first, strlen(rows[i / 2].first)) != 0)
			fail_msg("row %zu: %s", i, e.peer);
		close(e.r.fd);
	}
	host_end(&h);
}

/* What worked last is remembered as good, and is not any more. */
static void worked_fails(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;

	(void)state;
	listen_at(&h, "127.0.0.1", CLOSED);
	listen_at(&h, "127.0.0.3", OPEN);
	conf = conf_of(&h, OCU_IPV6);
	conf.worked = address("127.0.0.1", 0);
	start(&e, &conf);
	add(&e, OCU_IPV4, "127.0.0.3 127.0.0.1");
	add(&e, OCU_IPV6, "");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.r.tried, 2);
	close(e.r.fd);
	host_end(&h);
}

/* Addresses to be avoided are left out, and what worked last among them. */
static void avoided(void **state)
{
	struct sockaddr_storage avoid[2] = { address("127.0.0.2", 1), address("::1", 0) };
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;

	(void)state;
	listen_at(&h, "127.0.0.2", OPEN);
	listen_at(&h, "127.0.0.3", OPEN);
	conf = conf_of(&h, OCU_IPV6);
	conf.worked = avoid[0];
	conf.avoid = avoid;
	conf.n_avoid = 2;
	start(&e, &conf);
	add(&e, OCU_IPV6, "::1");
	add(&e, OCU_IPV4, "127.0.0.2 127.0.0.3");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.r.tried, 1);
	assert_true(strncmp(e.peer, "127.0.0.3:", 10) == 0);
	close(e.r.fd);
	/* None is left. */
	start(&e, &conf);
	add(&e, OCU_IPV6, "::1");
	add(&e, OCU_IPV4, "127.0.0.2");
	await(&e);
	assert_int_equal(e.r.st, OCU_CONNECT);
	assert_int_equal(e.r.tried, 0);
	assert_int_equal(e.r.n_failed, 0);
	host_end(&h);
}

static void no_address(void **state)
{
	struct ocu_dial_conf conf = { .prefer = OCU_IPV6, .connect_ms = CONNECT_MS, .port = 80 };
	struct end e;

	(void)state;
	start(&e, &conf);
	add(&e, OCU_IPV6, "");
	add(&e, OCU_IPV4, "");
	await(&e);
	assert_int_equal(e.r.st, OCU_CONNECT);
	assert_int_equal(e.r.tried, 0);
	assert_int_equal(e.r.n_failed, 0);
}

static void later_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	struct sockaddr_storage ss = address("::1", 0);

	(void)l;
	(void)revents;
	ocu_dial_add(w->data, OCU_IPV6, &ss, 1, true);
}

/* The preferred family's answer is a little late: it still goes first. */
static void preferred_is_late(void **state)
{
	struct host h;
	struct ocu_dial_conf conf;
	ev_timer later;
	struct end e;

	(void)state;
	if (!has_v6())
		skip();
	h = host_new(OPEN, OPEN);
	conf = conf_of(&h, OCU_IPV6);
	start(&e, &conf);
	add(&e, OCU_IPV4, "127.0.0.1");
	ev_timer_init(&later, later_cb, 0.005, 0.);
	later.data = e.dial;
	ev_now_update(loop);
	ev_timer_start(loop, &later);
	await(&e);
	ev_timer_stop(loop, &later);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.peer[0], '[');
	close(e.r.fd);
	/* And when it does not come at all, the other one wins. */
	start(&e, &conf);
	add(&e, OCU_IPV4, "127.0.0.1");
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	assert_int_equal(e.peer[0], '1');
	close(e.r.fd);
	host_end(&h);
}

/* Addresses that connect() refuses at once. */
static void refused_by_the_system(void **state)
{
	struct ocu_dial_conf conf = { .prefer = OCU_IPV4, .connect_ms = CONNECT_MS, .port = 80 };
	struct end e;

	(void)state;
	start(&e, &conf);
	add(&e, OCU_IPV4, "255.255.255.255 224.0.0.1");
	add(&e, OCU_IPV6, "");
	await(&e);
	assert_int_equal(e.r.st, OCU_CONNECT);
	assert_int_equal(e.r.tried, 2);
	assert_false(e.r.starved);
	assert_int_equal(e.r.n_failed, 2);
	assert_ptr_equal(strstr(failures(&e), "255.255.255.255:80 "), failures(&e));
	assert_non_null(strstr(failures(&e), "; 224.0.0.1:80 "));
}

static void no_descriptor_left(void **state)
{
	struct rlimit was, none;
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;
	int next;

	(void)state;
	listen_at(&h, "127.0.0.1", OPEN);
	conf = conf_of(&h, OCU_IPV4);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(h.fds[0]);
	close(next);
	none = was;
	none.rlim_cur = (rlim_t)next;
	start(&e, &conf);
	add(&e, OCU_IPV4, "127.0.0.1");
	add(&e, OCU_IPV6, "");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	await(&e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(e.r.st, OCU_CONNECT);
	assert_true(e.r.starved);
	assert_int_equal(e.r.failed[0].error, EMFILE);
	host_end(&h);
}

static void cancelled(void **state)
{
	struct host h = { .n = 0 };
	struct ocu_dial_conf conf;
	struct end e;
	char want[64];
	int stage, i;

	(void)state;
	listen_at(&h, "127.0.0.1", HOLE);
	listen_at(&h, "127.0.0.2", OPEN);
	conf = conf_of(&h, OCU_IPV4);
	for (stage = 0; stage < 4; stage++) {
		start(&e, &conf);
		if (stage > 0)
			add(&e, OCU_IPV4, stage == 3 ? "127.0.0.2" : "127.0.0.1");
		/* 2: the attempt runs. 3: it may have succeeded, but nobody was told. */
		for (i = 0; stage >= 2 && i < 1; i++)
			ev_run(loop, EVRUN_ONCE);
		if (!e.dial)
			fail_msg("over before it could be cancelled");
		ocu_dial_cancel(e.dial);
		assert_int_equal(e.times, 1);
		assert_int_equal(e.r.st, OCU_CANCELLED);
		assert_int_equal(e.r.fd, -1);
		snprintf(want, sizeof(want), "127.0.0.1:%u %d", h.port, EINPROGRESS);
		if (stage < 3)
			assert_string_equal(failures(&e), stage == 2 ? want : "");
	}
	host_end(&h);
}

/* A callback may start the next one. */
static struct ocu_dial_conf again_conf;

static void again_cb(void *arg, const struct ocu_dial_result *r)
{
	struct end *e = arg;
	struct sockaddr_storage ss = address("127.0.0.1", 0);

	assert_int_equal(r->st, OCU_OK);
	close(r->fd);
	assert_int_equal(ocu_dial_start(&e->dial, loop, &again_conf, end_cb, e), OCU_OK);
	ocu_dial_add(e->dial, OCU_IPV4, &ss, 1, true);
}

static void starts_from_the_callback(void **state)
{
	struct host h = { .n = 0 };
	struct sockaddr_storage ss = address("127.0.0.1", 0);
	struct end e = { .times = 0 };

	(void)state;
	listen_at(&h, "127.0.0.1", OPEN);
	again_conf = conf_of(&h, OCU_IPV4);
	assert_int_equal(ocu_dial_start(&e.dial, loop, &again_conf, again_cb, &e), OCU_OK);
	ocu_dial_add(e.dial, OCU_IPV4, &ss, 1, true);
	await(&e);
	assert_int_equal(e.r.st, OCU_OK);
	close(e.r.fd);
	host_end(&h);
}

static void many_at_once(void **state)
{
	struct host h = { .n = 0 };
	static struct end e[200];
	struct ocu_dial_conf conf;
	size_t i;

	(void)state;
	listen_at(&h, "127.0.0.1", OPEN);
	assert_int_equal(listen(h.fds[0], 256), 0);
	conf = conf_of(&h, OCU_IPV4);
	for (i = 0; i < COUNT(e); i++) {
		start(&e[i], &conf);
		add(&e[i], OCU_IPV4, "127.0.0.1");
	}
	for (i = 0; i < COUNT(e); i++) {
		await(&e[i]);
		assert_int_equal(e[i].r.st, OCU_OK);
		close(e[i].r.fd);
	}
	host_end(&h);
}

static void without_memory(void **state)
{
	struct ocu_dial_conf conf = { .prefer = OCU_IPV4, .connect_ms = CONNECT_MS, .port = 80 };
	struct ocu_dial *d;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_dial_start(&d, loop, &conf, end_cb, NULL), OCU_NOMEM);
	nomem_fail(-1);
	assert_null(d);
}

static void peer_text(void **state)
{
	static const struct {
		const char *text, *want;
		uint16_t port;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:80", 80 },
		{ "255.255.255.255", "255.255.255.255:65535", 65535 },
		{ "2001:db8::1", "[2001:db8::1]:443", 443 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 65535 },
		{ "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:1", 1 },
	};
	char got[OCU_DIAL_PEER_BYTES];
	struct sockaddr_storage ss;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ss = address(rows[i].text, rows[i].port);
		ocu_dial_peer(got, &ss);
		assert_string_equal(got, rows[i].want);
	}
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
		TEST(two_families),
		TEST(socket_options),
		TEST(per_address_timeout),
		TEST(many_addresses),
		TEST(errors_are_quick),
		TEST(address_limit),
		TEST(worked_goes_first),
		TEST(worked_fails),
		TEST(avoided),
		TEST(no_address),
		TEST(preferred_is_late),
		TEST(refused_by_the_system),
		TEST(no_descriptor_left),
		TEST(cancelled),
		TEST(starts_from_the_callback),
		TEST(many_at_once),
		TEST(without_memory),
		TEST(peer_text),
	};
	int rc;

	loop = ev_loop_new(EVFLAG_AUTO);
	if (!loop)
		return 1;
	/* libev opens some of its own the first time it runs. */
	ev_run(loop, EVRUN_NOWAIT);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ev_loop_destroy(loop);
	return rc;
}
