/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_peer.c - connections that are kept for each responder, over pairs of sockets, and what is
 * remembered of addresses. TLS is tested with fetch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/peer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EACH 16

static struct ev_loop *loop;
static struct ocu_peer_pool *pool;
static struct ocu_peer a, b;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	ocu_peer_init(&a);
	ocu_peer_init(&b);
	return ocu_peer_pool_new(&pool, loop) == OCU_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ocu_peer_fini(&a);
	ocu_peer_pool_free(pool);
	ocu_peer_fini(&b);
	ocu_peer_fini(&b);
	ev_loop_destroy(loop);
	return 0;
}

/* The address 127.0.0.<n>, or ::<n - 100> from 100 on. */
static struct sockaddr_storage address(int n)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;

	if (n < 100) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)n);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr.s6_addr[15] = (uint8_t)(n - 100);
	}
	return ss;
}

/* The number of an address; 0: none. */
static int number(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;

	if (ss->ss_family == AF_INET6)
		return 100 + v6->sin6_addr.s6_addr[15];
	return ss->ss_family == AF_INET ? (int)(ntohl(v4->sin_addr.s_addr) & 0xff) : 0;
}

/* Gives one end of a new pair to <p>, as a connection to the address <n>; returns the other end. */
static int put(struct ocu_peer *p, int n)
{
	struct sockaddr_storage ss = address(n);
	struct ocu_stream stream = OCU_STREAM_NONE;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stream.fd = fds[0];
	ocu_peer_put(pool, p, EACH, &stream, &ss);
	assert_int_equal(stream.fd, -1);
	return fds[1];
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool is_even(const struct sockaddr_storage *ss)
{
	return number(ss) % 2 == 0;
}

/* Takes a connection; returns the number of its address, 0 if there is none. */
static int get_if(struct ocu_peer *p, bool (*usable)(const struct sockaddr_storage *ss))
{
	struct sockaddr_storage ss;
	struct ocu_stream stream;

	if (!ocu_peer_get(p, usable, &stream, &ss))
		return 0;
	assert_true(stream.fd >= 0);
	ocu_stream_fini(&stream);
	return number(&ss);
}

static int get(struct ocu_peer *p)
{
	return get_if(p, NULL);
}

/* Each has its own, the one used last first. */
static void order(void **state)
{
	int ends[4], i;

	(void)state;
	ends[0] = put(&a, 1);
	ends[1] = put(&b, 2);
	ends[2] = put(&a, 4);
	ends[3] = put(&a, 3);
	assert_int_equal(get_if(&a, is_even), 4);
	assert_int_equal(get_if(&a, is_even), 0);
	assert_int_equal(get(&a), 3);
	assert_int_equal(get(&a), 1);
	assert_int_equal(get(&a), 0);
	assert_int_equal(get(&b), 2);
	for (i = 0; i < 4; i++)
		close(ends[i]);
}

/* As many of one as were asked for, and a limit for all. */
static void limits(void **state)
{
	struct ocu_peer many[OCU_PEER_IDLE_MAX + 1];
	int ends[OCU_PEER_IDLE_MAX + 1], i, closed = 0;
	struct sockaddr_storage ss = address(1);

	(void)state;
	for (i = 0; i <= EACH; i++)
		ends[i] = put(&a, i + 1);
	assert_true(is_closed(ends[0]));
	assert_false(is_closed(ends[1]));
	ocu_peer_drop(&a, &ss);
	ss = address(2);
	ocu_peer_drop(&a, &ss);
	assert_true(is_closed(ends[1]));
	assert_false(is_closed(ends[2]));
	ocu_peer_fini(&a);
	for (i = 0; i <= EACH; i++) {
		assert_true(is_closed(ends[i]));
		close(ends[i]);
	}
	for (i = 0; i <= OCU_PEER_IDLE_MAX; i++) {
		ocu_peer_init(&many[i]);
		ends[i] = put(&many[i], i + 1);
	}
	for (i = 0; i <= OCU_PEER_IDLE_MAX; i++)
		closed += is_closed(ends[i]);
	assert_int_equal(closed, 1);
	assert_true(is_closed(ends[0]));
	for (i = 0; i <= OCU_PEER_IDLE_MAX; i++) {
		ocu_peer_fini(&many[i]);
		close(ends[i]);
	}
}

/* One that may have none is given none. */
static void none_kept(void **state)
{
	struct sockaddr_storage ss = address(1);
	struct ocu_stream stream;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stream = (struct ocu_stream){ .fd = fds[0] };
	ocu_peer_put(pool, &a, 0, &stream, &ss);
	assert_int_equal(stream.fd, -1);
	assert_true(is_closed(fds[1]));
	close(fds[1]);
}

/* The peer closes it, or says something: seen by the loop, or by whoever asks first. */
static void broken(void **state)
{
	int fd;

	(void)state;
	fd = put(&a, 1);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(get(&a), 0);
	close(fd);
	fd = put(&a, 1);
	close(fd);
	assert_int_equal(get(&a), 0);
	fd = put(&a, 1);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	ev_run(loop, EVRUN_ONCE);
	/* What was not read makes it a reset, where there is one. */
	assert_true(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	close(fd);
}

/* What happened to addresses, and what goes first afterwards. */
static void addresses(void **state)
{
	static const struct {
		const char *events;   /* +1: answered, -1: silent, !: unreachable */
		enum ocu_family first;
		int worked;           /* the address that goes first, 0: just the family */
		int v4, v6;           /* what is left when DNS is down */
	} rows[] = {
		{ "", OCU_ANY, 0, 0, 0 },
		{ "+1", OCU_IPV4, 1, 1, 0 },
		{ "+101", OCU_IPV6, 101, 0, 101 },
		{ "+1 +101", OCU_IPV6, 101, 1, 101 },
		{ "+101 +1", OCU_IPV4, 1, 1, 101 },
		{ "+1 +2", OCU_IPV4, 2, 2, 0 },
		/* Silence makes the other family go first, with what worked of it. */
		{ "-101", OCU_IPV4, 0, 0, 0 },
		{ "-1", OCU_IPV6, 0, 0, 0 },
		{ "+101 -101", OCU_IPV4, 0, 0, 0 },
		{ "+1 +101 -101", OCU_IPV4, 1, 1, 0 },
		{ "-101 +1", OCU_IPV4, 1, 1, 0 },
		{ "+1 -1 +2", OCU_IPV4, 2, 2, 0 },
		/* Not if the family has another address that worked. */
		{ "+2 -1", OCU_IPV4, 2, 2, 0 },
		{ "+101 -102", OCU_IPV6, 101, 0, 101 },
		/* One of the two fails, and nothing is left to be tried first. */
		{ "+1 !", OCU_ANY, 0, 1, 0 },
		{ "+1 +101 !", OCU_ANY, 0, 1, 101 },
		{ "! +1", OCU_IPV4, 1, 1, 0 },
	};
	struct sockaddr_storage ss, worked;
	enum ocu_family prefer;
	const char *e;
	char *end;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_peer_init(&a);
		for (e = rows[i].events; *e; e = end + (*end == ' ')) {
			end = (char *)(uintptr_t)e + 1;
			if (*e == '!') {
				ocu_peer_unreachable(&a);
				continue;
			}
			ss = address((int)strtol(e + 1, &end, 10));
			if (*e == '+')
				ocu_peer_answered(&a, &ss);
			else
				ocu_peer_silent(&a, &ss);
		}
		prefer = OCU_ANY;
		worked.ss_family = 0;
		ocu_peer_first(&a, &prefer, &worked);
		if (prefer != rows[i].first || number(&worked) != rows[i].worked)
			fail_msg("%s: %d, %d", rows[i].events, prefer, number(&worked));
		ss.ss_family = 0;
		assert_int_equal(ocu_peer_last(&a, OCU_IPV4, &ss), rows[i].v4 > 0);
		assert_int_equal(number(&ss), rows[i].v4);
		ss.ss_family = 0;
		assert_int_equal(ocu_peer_last(&a, OCU_IPV6, &ss), rows[i].v6 > 0);
		assert_int_equal(number(&ss), rows[i].v6);
	}
}

static void no_memory(void **state)
{
	struct ocu_peer_pool *p;
	int fd;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_peer_pool_new(&p, loop), OCU_NOMEM);
	assert_null(p);
	nomem_fail(0);
	fd = put(&a, 1);
	assert_true(is_closed(fd));
	close(fd);
	ocu_peer_pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(order, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(none_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(broken, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
