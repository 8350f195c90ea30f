/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_pool.c - connections that are kept, over pairs of sockets. TLS is tested with fetch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/pool.h"

/* The other end of a connection that is kept. */
struct end {
	int fd;
};

static struct ocu_pool *pool;
static struct ev_loop *loop;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	return ocu_pool_new(&pool, loop) == OCU_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ocu_pool_free(pool);
	ev_loop_destroy(loop);
	return 0;
}

/* Puts one end of a new pair into the pool; <tag> is kept as its address. */
static struct end put(const char *key, int tag)
{
	struct sockaddr_storage peer = { .ss_family = (sa_family_t)tag };
	struct ocu_stream stream = OCU_STREAM_NONE;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stream.fd = fds[0];
	ocu_pool_put(pool, key, &stream, &peer);
	assert_int_equal(stream.fd, -1);
	return (struct end){ .fd = fds[1] };
}

/* Whether the pool has closed the other end. */
static bool is_closed(struct end e)
{
	char byte;

	return recv(e.fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Takes a connection; returns its tag, 0 if there is none. */
static int get(const char *key)
{
	struct sockaddr_storage peer;
	struct ocu_stream stream;

	if (!ocu_pool_get(pool, key, &stream, &peer))
		return 0;
	assert_true(stream.fd >= 0);
	ocu_stream_fini(&stream);
	return peer.ss_family;
}

/* By key, the one used last first. */
static void order(void **state)
{
	struct end ends[3];
	int i;

	(void)state;
	ends[0] = put("a", 1);
	ends[1] = put("b", 2);
	ends[2] = put("a", 3);
	assert_int_equal(get("c"), 0);
	assert_int_equal(get("a"), 3);
	assert_int_equal(get("a"), 1);
	assert_int_equal(get("a"), 0);
	assert_int_equal(get("b"), 2);
	for (i = 0; i < 3; i++)
		close(ends[i].fd);
}

static void limits(void **state)
{
	struct end ends[OCU_POOL_MAX + 1];
	char key[16];
	int i, closed = 0;

	(void)state;
	for (i = 0; i <= OCU_POOL_KEY_MAX; i++)
		ends[i] = put("a", i + 1);
	assert_true(is_closed(ends[0]));
	assert_false(is_closed(ends[1]));
	ocu_pool_drop(pool, "a");
	for (i = 0; i <= OCU_POOL_KEY_MAX; i++) {
		assert_true(is_closed(ends[i]));
		close(ends[i].fd);
	}
	for (i = 0; i <= OCU_POOL_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		ends[i] = put(key, i + 1);
	}
	for (i = 0; i <= OCU_POOL_MAX; i++)
		closed += is_closed(ends[i]);
	assert_int_equal(closed, 1);
	assert_true(is_closed(ends[0]));
	for (i = 0; i <= OCU_POOL_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		ocu_pool_drop(pool, key);
		close(ends[i].fd);
	}
}

/* The peer closes it, or says something: seen by the loop, or by whoever asks first. */
static void broken(void **state)
{
	struct end e;

	(void)state;
	e = put("a", 1);
	assert_int_equal(send(e.fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(get("a"), 0);
	close(e.fd);
	e = put("a", 1);
	close(e.fd);
	assert_int_equal(get("a"), 0);
	e = put("a", 1);
	assert_int_equal(send(e.fd, "x", 1, MSG_NOSIGNAL), 1);
	ev_run(loop, EVRUN_ONCE);
	/* What was not read makes it a reset, where there is one. */
	assert_true(send(e.fd, "x", 1, MSG_NOSIGNAL) < 0);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	close(e.fd);
}

static void key_too_long(void **state)
{
	char key[OCU_POOL_KEY_BYTES + 1];
	struct end e;

	(void)state;
	memset(key, 'a', OCU_POOL_KEY_BYTES);
	key[OCU_POOL_KEY_BYTES] = '\0';
	e = put(key, 1);
	assert_true(is_closed(e));
	close(e.fd);
	assert_int_equal(get(key), 0);
}

static void no_memory(void **state)
{
	struct ocu_pool *p;
	struct end e;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_pool_new(&p, loop), OCU_NOMEM);
	assert_null(p);
	nomem_fail(0);
	e = put("a", 1);
	assert_true(is_closed(e));
	close(e.fd);
	ocu_pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(order, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(broken, setup, teardown),
		cmocka_unit_test_setup_teardown(key_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
