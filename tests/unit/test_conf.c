/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_conf.c - the directives of the agent: what each takes, what it says of anything else; and
 * the addresses of HAProxies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "agent/cli.h"
#include "agent/conf.h"

static void defaults(void **state)
{
	struct ocu_agent_conf c;
	struct ocu_err err;

	(void)state;
	ocu_conf_init(&c);
	assert_int_equal(c.mindelay_s, 300);
	assert_int_equal(c.maxdelay_s, 3600);
	assert_int_equal(c.timeout_ms, 10000);
	assert_int_equal(c.prefer, OCU_IPV6);
	assert_int_equal(ocu_conf_check(&c, &err), OCU_IO);
	assert_non_null(strstr(err.msg, "no stats socket"));
	assert_int_equal(ocu_conf_set(&c, "socket", "/run/s", &err), OCU_OK);
	assert_int_equal(ocu_conf_check(&c, &err), OCU_OK);
	assert_int_equal(ocu_conf_set(&c, "maxdelay", "299", &err), OCU_OK);
	assert_int_equal(ocu_conf_check(&c, &err), OCU_IO);
	assert_int_equal(ocu_conf_set(&c, "maxdelay", "auto", &err), OCU_OK);
	assert_int_equal(ocu_conf_check(&c, &err), OCU_OK);
	ocu_conf_fini(&c);
}

/* What is refused changes nothing, and the reason names the directive. */
static void what_is_refused(void **state)
{
	static const struct {
		const char *name, *value, *why;
	} rows[] = {
		{ "ocsp-update.mindelay", "x", "a number from 0 to 2147483647 but got 'x'" },
		{ "mindelay", "-1", "'ocsp-update.mindelay' expects a number" },
		{ "mindelay", "2147483648", "expects a number" },
		{ "mindelay", "", "expects a value" },
		{ "maxconn", "0", "from 1 to 1024" },
		{ "host-maxconn", "1025", "from 1 to 1024" },
		{ "timeout", "0", "expects a time above 0" },
		{ "timeout", "5 s", "expects a time" },
		{ "timeout", "5d", "expects a time" },
		{ "timeout", "600h", "expects a time" },
		{ "prefer", "any", "'ipv4' or 'ipv6' but got 'any'" },
		{ "family", "ip", "'any', 'ipv4' or 'ipv6' but got 'ip'" },
		{ "verify", "no", "'required' or 'none'" },
		{ "nameserver", "dns.example", "<address>:<port>" },
		{ "nameserver", "192.0.2.1:53,192.0.2.2:53", "<address>:<port>" },
		{ "log", "file", "'stderr' or 'syslog'" },
		{ "sockets", "/run/s", "unknown directive 'sockets'" },
		{ "", "x", "unknown directive" },
	};
	struct ocu_agent_conf c, was;
	struct ocu_err err;
	size_t i;

	(void)state;
	ocu_conf_init(&c);
	was = c;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ocu_conf_set(&c, rows[i].name, rows[i].value, &err), OCU_IO);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("row %zu: %s", i, err.msg);
		assert_memory_equal(&c, &was, sizeof(c));
	}
	ocu_conf_fini(&c);
}

static void read_text(struct ocu_agent_conf *c, const char *text, enum ocu_status want,
		      struct ocu_err *err)
{
	char path[] = "/tmp/confXXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(ocu_conf_read(c, path, err), want);
	unlink(path);
}

static void a_file(void **state)
{
	struct ocu_agent_conf c;
	struct ocu_err err;

	(void)state;
	ocu_conf_init(&c);
	read_text(&c, "# a comment\n\n  socket  /run/haproxy/admin.sock  # the first\n"
		  "socket\t@1 /run/haproxy-master.sock\nnameserver 192.0.2.1:53\n"
		  "nameserver [2001:db8::1]:5353\nocsp-update.state-dir /var/lib/ocu\n"
		  "ocsp-update.mindelay 60\r\nocsp-update.maxdelay auto\nocsp-update.timeout 2s\n"
		  "ocsp-update.family ipv4\nhttpclient.resolvers.prefer ipv4\n"
		  "httpclient.timeout.connect 700\nhttpclient.ssl.verify none\n"
		  "httpclient.ssl.ca-file /etc/ca.pem\nlog syslog\nocsp-update.host-maxconn 4",
		  OCU_OK, &err);
	assert_int_equal(c.n_sockets, 2);
	assert_string_equal(c.sockets[0], "/run/haproxy/admin.sock");
	assert_string_equal(c.sockets[1], "@1 /run/haproxy-master.sock");
	assert_string_equal((char *)c.nameservers.data, "192.0.2.1:53,[2001:db8::1]:5353");
	assert_string_equal(c.state_dir, "/var/lib/ocu");
	assert_string_equal(c.ca_file, "/etc/ca.pem");
	assert_int_equal(c.mindelay_s, 60);
	assert_true(c.maxdelay_auto && c.tls_no_verify && c.syslog);
	assert_int_equal(c.timeout_ms, 2000);
	assert_int_equal(c.connect_ms, 700);
	assert_int_equal(c.host_maxconn, 4);
	assert_int_equal(c.family, OCU_IPV4);
	assert_int_equal(c.prefer, OCU_IPV4);
	read_text(&c, "log stderr\n\nmindelay\n", OCU_IO, &err);
	assert_non_null(strstr(err.msg, ":3: 'ocsp-update.mindelay' expects a value"));
	assert_int_equal(ocu_conf_read(&c, "/nowhere/at/all", &err), OCU_IO);
	assert_non_null(strstr(err.msg, "No such file"));
	ocu_conf_fini(&c);
}

static void addresses(void **state)
{
	const socklen_t path = offsetof(struct sockaddr_un, sun_path);
	const struct {
		const char *text, *prefix;
		int family;
		socklen_t len;
		const char *where; /* of the path, or the address */
	} rows[] = {
		{ "/run/s", "", AF_UNIX, path + 7, "/run/s" },
		{ "unix@/run/s", "", AF_UNIX, path + 7, "/run/s" },
		{ "@1 /run/m", "@1 /run/m", AF_UNIX, path + 7,
		  "/run/m" },
		{ "abns@name", "", AF_UNIX, sizeof(struct sockaddr_un), "" },
		{ "abnsz@name", "", AF_UNIX, path + 5, "" },
		{ "192.0.2.7:9999", "", AF_INET, sizeof(struct sockaddr_in), "192.0.2.7" },
		{ "ipv4@192.0.2.7:9999", "", AF_INET, sizeof(struct sockaddr_in), "192.0.2.7" },
		{ "[2001:db8::7]:9999", "", AF_INET6, sizeof(struct sockaddr_in6), "2001:db8::7" },
		{ "@!44 ipv6@[::1]:9999", "@!44 ipv6@[::1]:9999", AF_INET6,
		  sizeof(struct sockaddr_in6), "::1" },
	};
	static const char *const refused[] = {
		"", "s", "unix@", "abns@", "192.0.2.7", "192.0.2.7:", "192.0.2.7:0", "host:99",
		"192.0.2.7:70000", "192.0.2.7:9x", "::1:99", "[::1]", "[::1:99", "@1", "@1 ",
		"/this/is/a/path/that/is/longer/than/the/name/of/a/socket/may/be/which/is/a/"
		"hundred/and/eight/bytes/in/all/with/its/zero",
	};
	struct ocu_cli_addr a;
	struct ocu_err err;
	char text[INET6_ADDRSTRLEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ocu_cli_parse(&a, rows[i].text, &err), OCU_OK);
		assert_int_equal(a.ss.ss_family, rows[i].family);
		assert_int_equal(a.len, rows[i].len);
		assert_string_equal(a.prefix, rows[i].prefix);
		if (rows[i].family == AF_UNIX) {
			assert_string_equal(((struct sockaddr_un *)&a.ss)->sun_path, rows[i].where);
			continue;
		}
		/* the port is at the same place in both */
		assert_int_equal(ntohs(((struct sockaddr_in *)&a.ss)->sin_port), 9999);
		assert_non_null(inet_ntop(rows[i].family, rows[i].family == AF_INET
					  ? (void *)&((struct sockaddr_in *)&a.ss)->sin_addr
					  : (void *)&((struct sockaddr_in6 *)&a.ss)->sin6_addr,
					  text, sizeof(text)));
		assert_string_equal(text, rows[i].where);
	}
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (ocu_cli_parse(&a, refused[i], &err) != OCU_URI)
			fail_msg("%s", refused[i]);
}

static void words(void **state)
{
	static const struct {
		const char *word, *want; /* NULL: refused */
	} rows[] = {
		{ "/etc/a.pem", "/etc/a.pem" }, { "/etc/a b.pem", "/etc/a\\ b.pem" },
		{ "a;b", "a\\;b" }, { "a\\b", "a\\\\b" }, { "@store/a", "@store/a" },
		{ "a\nb", NULL }, { "a\rb", NULL },
	};
	struct ocu_buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ocu_buf_init(&b, 100);
		assert_int_equal(ocu_cli_word(&b, rows[i].word), rows[i].want ? OCU_OK : OCU_URI);
		if (rows[i].want) {
			assert_int_equal(b.len, strlen(rows[i].want));
			assert_memory_equal(b.data, rows[i].want, b.len);
		}
		ocu_buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_file),
		cmocka_unit_test(addresses),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
