/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_proxy.c - how a proxy is named, and that a wrong name changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "nomem.h"
#include "ocu/proxy.h"

static void names(void **state)
{
	static const struct {
		const char *text, *addr, *host; /* one of both */
		uint16_t port;
		const char *auth;
	} rows[] = {
		{ "192.0.2.1:3128", "192.0.2.1", NULL, 3128, NULL },
		{ "192.0.2.1", "192.0.2.1", NULL, 80, NULL },
		{ "[2001:db8::1]:3128", "2001:db8::1", NULL, 3128, NULL },
		{ "proxy.example.org", NULL, "proxy.example.org", 80, NULL },
		{ "Proxy.example.org:8080", NULL, "proxy.example.org", 8080, NULL },
		{ "u:p@192.0.2.1:3128", "192.0.2.1", NULL, 3128, "Basic dTpw" },
		{ "u:p@x@proxy.test", NULL, "proxy.test", 80, "Basic dTpwQHg=" },
	};
	struct ocu_proxy p = { .port = 0 };
	char text[INET6_ADDRSTRLEN];
	struct ocu_err err;
	bool v6;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ocu_proxy_parse(&p, rows[i].text, &err), OCU_OK);
		assert_int_equal(!p.auth, !rows[i].auth);
		if (p.auth)
			assert_string_equal(p.auth, rows[i].auth);
		assert_int_equal(!p.host, !rows[i].host);
		if (p.host) {
			assert_int_equal(p.addr.ss_family, 0);
			assert_string_equal(p.host, rows[i].host);
			assert_int_equal(p.port, rows[i].port);
			continue;
		}
		v6 = p.addr.ss_family == AF_INET6;
		/* the port is at the same place in both */
		assert_int_equal(ntohs(((struct sockaddr_in *)&p.addr)->sin_port), rows[i].port);
		assert_non_null(inet_ntop(p.addr.ss_family,
					  v6 ? (void *)&((struct sockaddr_in6 *)&p.addr)->sin6_addr
					     : (void *)&((struct sockaddr_in *)&p.addr)->sin_addr,
					  text, sizeof(text)));
		assert_string_equal(text, rows[i].addr);
	}
	ocu_proxy_fini(&p);
	ocu_proxy_fini(&p);
}

static void no_names(void **state)
{
	static const char *const rows[] = {
		"", "u:p@", "http://192.0.2.1", "192.0.2.1/", "192.0.2.1:0", "192.0.2.1:65536",
		"proxy..example", "[::1", "a b",
	};
	static char longer[3000];
	struct ocu_proxy p = { .port = 0 }, was;
	struct ocu_err err;
	size_t i;

	(void)state;
	assert_int_equal(ocu_proxy_parse(&p, "u:p@proxy.test:8080", &err), OCU_OK);
	was = p;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ocu_proxy_parse(&p, rows[i], &err) != OCU_URI || !err.msg[0])
			fail_msg("'%s'", rows[i]);
	memset(longer, 'a', sizeof(longer) - 1);
	assert_int_equal(ocu_proxy_parse(&p, longer, &err), OCU_URI);
	assert_memory_equal(&p, &was, sizeof(p));
	ocu_proxy_fini(&p);
}

static void without_memory(void **state)
{
	struct ocu_proxy p = { .port = 0 };
	enum ocu_status st = OCU_NOMEM;
	long before = nomem_live();
	struct ocu_err err;
	long n;

	(void)state;
	for (n = 0; st != OCU_OK; n++) {
		assert_int_equal(nomem_live(), before);
		nomem_fail(n);
		st = ocu_proxy_parse(&p, "u:p@proxy.test:8080", &err);
		assert_int_equal(st, nomem_failed() ? OCU_NOMEM : OCU_OK);
		nomem_fail(-1);
	}
	assert_int_equal(n, 3);
	ocu_proxy_fini(&p);
	assert_int_equal(nomem_live(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(no_names),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
