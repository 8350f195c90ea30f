/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_hosts.c - what is remembered of hosts, by steps. Needs no clock and no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "nomem.h"
#include "ocu/hosts.h"

#define LATER OCU_HOSTS_FIRST_MS

/* Addresses are told apart by their port. */
static struct sockaddr_storage address(int family, uint16_t port)
{
	struct sockaddr_storage ss;

	memset(&ss, 0, sizeof(ss));
	ss.ss_family = (sa_family_t)family;
	if (family == AF_INET6)
		((struct sockaddr_in6 *)&ss)->sin6_port = port;
	else
		((struct sockaddr_in *)&ss)->sin_port = port;
	return ss;
}

/* Writes what goes first: "4:1", "6:2" for an address, "4" or "6" for a family, "-" for nothing. */
static void first(struct ocu_hosts *hs, const char *host, int64_t now, char out[static 16])
{
	struct sockaddr_storage worked = { .ss_family = 0 };
	enum ocu_family prefer = OCU_ANY;

	ocu_hosts_first(hs, host, now, &prefer, &worked);
	assert_true(prefer == OCU_ANY || !worked.ss_family);
	if (worked.ss_family == AF_INET6)
		snprintf(out, 16, "6:%u", ((struct sockaddr_in6 *)&worked)->sin6_port);
	else if (worked.ss_family == AF_INET)
		snprintf(out, 16, "4:%u", ((struct sockaddr_in *)&worked)->sin_port);
	else
		snprintf(out, 16, "%s", prefer == OCU_IPV6 ? "6" : prefer == OCU_IPV4 ? "4" : "-");
}

enum act { LOOK, ANSWERED, SILENT, UNREACHABLE };

/* One after the other, of one host. */
static void steps(void **state)
{
	static const struct {
		int64_t now;
		enum act act;
		int family;
		uint16_t port;
		const char *want;
	} rows[] = {
		{ 0, LOOK, 0, 0, "-" },
		{ 0, UNREACHABLE, 0, 0, "-" },
		{ 1000, ANSWERED, AF_INET, 1, "4:1" },
		/* its use does not make its time longer, another address of the family neither */
		{ 1000 + LATER / 2, ANSWERED, AF_INET, 2, "4:2" },
		{ 1000 + LATER - 1, LOOK, 0, 0, "4:2" },
		{ 1000 + LATER, LOOK, 0, 0, "-" },
		{ 2000 + LATER, ANSWERED, AF_INET, 2, "4:2" },
		/* the other family begins its own time */
		{ 3000 + LATER, ANSWERED, AF_INET6, 3, "6:3" },
		{ 2999 + 2 * LATER, LOOK, 0, 0, "6:3" },
		{ 3000 + 2 * LATER, LOOK, 0, 0, "-" },
		{ 4000 + 2 * LATER, ANSWERED, AF_INET6, 3, "6:3" },
		{ 4000 + 2 * LATER, UNREACHABLE, 0, 0, "-" },
		{ 5000 + 2 * LATER, SILENT, AF_INET6, 3, "4" },
		{ 5000 + 2 * LATER, ANSWERED, AF_INET, 4, "4:4" },
		{ 5000 + 2 * LATER, SILENT, AF_INET, 4, "6" },
	};
	struct sockaddr_storage ss;
	struct ocu_hosts *hs;
	char got[16];
	size_t i;

	(void)state;
	assert_int_equal(ocu_hosts_new(&hs), OCU_OK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ss = address(rows[i].family, rows[i].port);
		if (rows[i].act == ANSWERED)
			ocu_hosts_answered(hs, "a.test", &ss, rows[i].now);
		else if (rows[i].act == SILENT)
			ocu_hosts_silent(hs, "a.test", &ss, rows[i].now);
		else if (rows[i].act == UNREACHABLE)
			ocu_hosts_unreachable(hs, "a.test");
		first(hs, "a.test", rows[i].now, got);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: %s instead of %s", i, got, rows[i].want);
		first(hs, "b.test", rows[i].now, got);
		assert_string_equal(got, "-");
	}
	ocu_hosts_free(hs);
}

/* The last address of each family stays, whatever goes first. */
static void last(void **state)
{
	struct sockaddr_storage v4 = address(AF_INET, 1), v6 = address(AF_INET6, 2), got;
	struct ocu_hosts *hs;

	(void)state;
	assert_int_equal(ocu_hosts_new(&hs), OCU_OK);
	assert_false(ocu_hosts_last(hs, "a.test", OCU_IPV4, &got));
	ocu_hosts_answered(hs, "a.test", &v4, 0);
	assert_false(ocu_hosts_last(hs, "a.test", OCU_IPV6, &got));
	ocu_hosts_answered(hs, "a.test", &v6, 0);
	ocu_hosts_unreachable(hs, "a.test");
	assert_true(ocu_hosts_last(hs, "a.test", OCU_IPV4, &got));
	assert_memory_equal(&got, &v4, sizeof(got));
	assert_true(ocu_hosts_last(hs, "a.test", OCU_IPV6, &got));
	assert_memory_equal(&got, &v6, sizeof(got));
	ocu_hosts_free(hs);
	ocu_hosts_free(NULL);
}

/* The one that was not used for longest is forgotten. */
static void bounded(void **state)
{
	struct sockaddr_storage v4 = address(AF_INET, 1), got;
	struct ocu_hosts *hs;
	char name[32];
	int i;

	(void)state;
	assert_int_equal(ocu_hosts_new(&hs), OCU_OK);
	for (i = 0; i < OCU_HOSTS_MAX; i++) {
		snprintf(name, sizeof(name), "%d.test", i);
		ocu_hosts_answered(hs, name, &v4, 0);
	}
	ocu_hosts_answered(hs, "0.test", &v4, 0);
	ocu_hosts_answered(hs, "new.test", &v4, 0);
	assert_true(ocu_hosts_last(hs, "0.test", OCU_IPV4, &got));
	assert_false(ocu_hosts_last(hs, "1.test", OCU_IPV4, &got));
	assert_true(ocu_hosts_last(hs, "2.test", OCU_IPV4, &got));
	assert_true(ocu_hosts_last(hs, "new.test", OCU_IPV4, &got));
	ocu_hosts_free(hs);
}

static void no_memory(void **state)
{
	struct sockaddr_storage v4 = address(AF_INET, 1), got;
	struct ocu_hosts *hs;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_hosts_new(&hs), OCU_NOMEM);
	assert_null(hs);
	assert_int_equal(ocu_hosts_new(&hs), OCU_OK);
	nomem_fail(0);
	ocu_hosts_answered(hs, "a.test", &v4, 0);
	nomem_fail(0);
	ocu_hosts_silent(hs, "a.test", &v4, 0);
	assert_false(ocu_hosts_last(hs, "a.test", OCU_IPV4, &got));
	ocu_hosts_free(hs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(last),
		cmocka_unit_test(bounded),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
