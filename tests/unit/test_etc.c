/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_etc.c - the system's files in a directory of the test: read, changed, gone. The time is an
 * argument, so nothing is waited for.
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
#include <sys/stat.h>
#include <unistd.h>

#include "ocu/etc.h"

static char path[] = "/tmp/ocu-etc-XXXXXX";
static int dir = -1;
static int64_t now;

static void put(const char *name, const char *text)
{
	int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(renameat(dir, "new", dir, name), 0);
}

/* Whether the check after <ms> more says that resolv.conf is another one. */
static bool changed(struct ocu_etc *e, int64_t ms)
{
	now += ms;
	return ocu_etc_check(e, now);
}

static bool knows(const struct ocu_etc *e, const char *host)
{
	uint8_t addrs[1][16];
	size_t n;

	return ocu_names_find(&e->names, host, OCU_IPV4, addrs, 1, &n);
}

static void changes(void **state)
{
	struct ocu_etc e;

	(void)state;
	ocu_etc_init(&e, dir);
	now = ocu_now_ms();
	assert_int_equal(e.resolv.n_servers, 0);
	assert_int_equal(e.resolv.ndots, 1);
	assert_false(changed(&e, OCU_ETC_CHECK_MS));
	put("resolv.conf", "nameserver 192.0.2.1\n");
	/* Not looked at more often than that. */
	assert_false(changed(&e, OCU_ETC_CHECK_MS - 1));
	assert_int_equal(e.resolv.n_servers, 0);
	assert_true(changed(&e, 1));
	assert_int_equal(e.resolv.n_servers, 1);
	assert_false(changed(&e, OCU_ETC_CHECK_MS));
	put("resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
	assert_true(changed(&e, OCU_ETC_CHECK_MS));
	assert_int_equal(e.resolv.n_servers, 2);
	/* The hosts file does not concern those who ask nameservers. */
	put("hosts", "192.0.2.1 one\n");
	assert_false(changed(&e, OCU_ETC_CHECK_MS));
	assert_true(knows(&e, "one"));
	put("hosts", "192.0.2.1 two\n");
	assert_false(changed(&e, OCU_ETC_CHECK_MS));
	assert_true(knows(&e, "two"));
	assert_false(knows(&e, "one"));
	assert_int_equal(unlinkat(dir, "hosts", 0), 0);
	assert_int_equal(unlinkat(dir, "resolv.conf", 0), 0);
	assert_true(changed(&e, OCU_ETC_CHECK_MS));
	assert_int_equal(e.resolv.n_servers, 0);
	assert_false(knows(&e, "two"));
	ocu_etc_fini(&e);
	/* Another one finds what there is. */
	put("resolv.conf", "nameserver 192.0.2.1\n");
	ocu_etc_init(&e, dir);
	assert_int_equal(e.resolv.n_servers, 1);
	ocu_etc_fini(&e);
	assert_int_equal(unlinkat(dir, "resolv.conf", 0), 0);
}

/* As resolv.conf often is: a link, relative or absolute. After a chroot an absolute one leads
 * nowhere by itself, which a target that is only there below the directory's parent shows.
 */
static void links(void **state)
{
	const char *own = strrchr(path, '/');
	char target[64];
	struct ocu_etc e;

	(void)state;
	put("real", "nameserver 192.0.2.1\n");
	assert_int_equal(symlinkat("real", dir, "resolv.conf"), 0);
	ocu_etc_init(&e, dir);
	assert_int_equal(e.resolv.n_servers, 1);
	ocu_etc_fini(&e);
	assert_int_equal(unlinkat(dir, "resolv.conf", 0), 0);
	/* "/ocu-etc-XXXXXX/real" is not in the root, but it is in /tmp. */
	snprintf(target, sizeof(target), "%s/real", own);
	assert_int_equal(symlinkat(target, dir, "resolv.conf"), 0);
	ocu_etc_init(&e, dir);
	assert_int_equal(e.resolv.n_servers, 1);
	ocu_etc_fini(&e);
	assert_int_equal(unlinkat(dir, "resolv.conf", 0), 0);
	/* One that leads nowhere, and a directory, are as good as no file. */
	assert_int_equal(symlinkat("/nonexistent/x", dir, "resolv.conf"), 0);
	assert_int_equal(mkdirat(dir, "hosts", 0700), 0);
	ocu_etc_init(&e, dir);
	assert_int_equal(e.resolv.n_servers, 0);
	ocu_etc_fini(&e);
	assert_int_equal(unlinkat(dir, "hosts", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(dir, "resolv.conf", 0), 0);
	assert_int_equal(unlinkat(dir, "real", 0), 0);
}

static void opening(void **state)
{
	struct ocu_err err;
	int fd;

	(void)state;
	assert_int_equal(ocu_etc_open(&fd, "/nonexistent", &err), OCU_IO);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.msg, "/nonexistent: No such file"));
	assert_int_equal(ocu_etc_open(&fd, NULL, &err), OCU_OK);
	close(fd);
}

static int setup(void **state)
{
	struct ocu_err err;

	(void)state;
	return !mkdtemp(path) || ocu_etc_open(&dir, path, &err) != OCU_OK;
}

static int teardown(void **state)
{
	(void)state;
	close(dir);
	return rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(links),
		cmocka_unit_test(opening),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
