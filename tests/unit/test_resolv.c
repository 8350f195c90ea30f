/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_resolv.c - lists of nameservers, resolv.conf, the search list, the hosts file. Opens none of
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "ocu/names.h"
#include "ocu/resolv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *text_of(const struct ocu_resolv *r)
{
	static char text[1024];
	struct ocu_buf b;

	ocu_buf_init(&b, sizeof(text) - 1);
	assert_int_equal(ocu_resolv_text(&b, r), OCU_OK);
	snprintf(text, sizeof(text), "%.*s", (int)b.len, b.len ? (char *)b.data : "");
	ocu_buf_fini(&b);
	return text;
}

static void lists(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "192.0.2.1", "192.0.2.1:53" },
		{ "192.0.2.1:5353", "192.0.2.1:5353" },
		{ "192.0.2.1:53,tcp@192.0.2.2:54", "192.0.2.1:53,tcp@192.0.2.2:54" },
		{ "::1", "[::1]:53" },
		{ "[::1]", "[::1]:53" },
		{ "[2001:db8::1]:54, 192.0.2.1", "[2001:db8::1]:54,192.0.2.1:53" },
		{ "fe80::1%eth0", "[fe80::1%eth0]:53" },
		{ "tcp@[fe80::1%2]:65535", "tcp@[fe80::1%2]:65535" },
		{ "192.0.2.1:0", NULL },
		{ "192.0.2.1:65536", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:5x", NULL },
		{ "192.0.2", NULL },
		{ "ns.example", NULL },
		{ "[::1", NULL },
		{ "[::1]x", NULL },
		{ "tcp@", NULL },
		{ "fe80::1%", NULL },
		{ "fe80::1%an-interface-with-a-long-name", NULL },
		{ "192.0.2.1,x", NULL },
	};
	struct ocu_resolv r;
	struct ocu_err err;
	enum ocu_status st;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		st = ocu_resolv_list(&r, rows[i].in, &err);
		if (st != (rows[i].out ? OCU_OK : OCU_DNS))
			fail_msg("%s: %s", rows[i].in, st == OCU_OK ? text_of(&r) : err.msg);
		assert_string_equal(text_of(&r), rows[i].out ? rows[i].out : "");
		assert_true(rows[i].out || strstr(err.msg, rows[i].in));
	}
}

static void resolv_conf(void **state)
{
	static const struct {
		const char *in, *servers;
		size_t n_search;
		const char *last; /* domain of the search list */
		unsigned ndots, timeout_s, attempts;
		bool edns;
	} rows[] = {
		{ "", "", 0, "", 1, 0, 0, false },
		{ "nameserver 192.0.2.1\nnameserver\t::1 \n", "192.0.2.1:53,[::1]:53", 0, "", 1,
		  0, 0, false },
		{ "#nameserver 192.0.2.1\n; nameserver 192.0.2.2\nnameserver x\nnameserver\n",
		  "", 0, "", 1, 0, 0, false },
		{ "nameserver fe80::1%eth0", "[fe80::1%eth0]:53", 0, "", 1, 0, 0, false },
		{ "nameserver [192.0.2.1]:54\r\n", "192.0.2.1:54", 0, "", 1, 0, 0, false },
		{ "nameserver 192.0.2.1 # why\noptions use-vc", "tcp@192.0.2.1:53", 0, "", 1, 0, 0,
		  false },
		{ "domain a.test\nsearch b.test c.test. .\n", "", 2, "c.test", 1, 0, 0, false },
		{ "search b.test\ndomain a.test d.test\n", "", 1, "a.test", 1, 0, 0, false },
		{ "search a b c d e f g h\n", "", OCU_RESOLV_SEARCH_MAX, "f", 1, 0, 0, false },
		{ "options ndots:5 timeout:2 attempts:4 edns0 rotate\n", "", 0, "", 5, 2, 4, true },
		{ "options ndots:99 timeout:99 attempts:99\n", "", 0, "", 15, 30, 5, false },
		{ "options ndots:0\noptions timeout:x attempts: ndots\n", "", 0, "", 0, 0, 0,
		  false },
	};
	struct ocu_resolv r;
	uint8_t *p;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		n = strlen(rows[i].in);
		p = at_edge(rows[i].in, n);
		ocu_resolv_read(&r, p, n);
		edge_free(p, n);
		assert_string_equal(text_of(&r), rows[i].servers);
		assert_int_equal(r.n_search, rows[i].n_search);
		if (r.n_search)
			assert_string_equal(r.search[r.n_search - 1], rows[i].last);
		assert_int_equal(r.ndots, rows[i].ndots);
		assert_int_equal(r.timeout_s, rows[i].timeout_s);
		assert_int_equal(r.attempts, rows[i].attempts);
		assert_int_equal(r.edns, rows[i].edns);
	}
	ocu_resolv_read(&r, (const uint8_t *)"nameserver 1\0.2.3.4", 19);
	assert_int_equal(r.n_servers, 0);
}

static void many_servers(void **state)
{
	char text[512] = "";
	struct ocu_resolv r;
	size_t i;

	(void)state;
	for (i = 0; i < OCU_RESOLV_SERVERS_MAX + 3; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "nameserver 10.0.0.%zu\n", i);
	ocu_resolv_read(&r, (const uint8_t *)text, strlen(text));
	assert_int_equal(r.n_servers, OCU_RESOLV_SERVERS_MAX);
}

static void search(void **state)
{
	static const struct {
		const char *conf, *host, *names; /* a space behind each, "-" for one left out */
	} rows[] = {
		{ "search a.test b.test", "x", "x.a.test x.b.test x " },
		{ "search a.test b.test", "x.y", "x.y " },
		{ "search a.test", "x.", "x. " },
		{ "search a.test\noptions ndots:2", "x.y", "x.y.a.test x.y " },
		{ "search a.test\noptions ndots:2", "x.y.z", "x.y.z " },
		{ "search a.test\noptions ndots:0", "x", "x " },
		{ "", "x", "x " },
	};
	char name[OCU_RESOLV_NAME_BYTES], all[1024], host[OCU_RESOLV_NAME_BYTES];
	struct ocu_resolv r;
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ocu_resolv_read(&r, (const uint8_t *)rows[i].conf, strlen(rows[i].conf));
		all[0] = '\0';
		for (k = 0; ocu_resolv_name(&r, rows[i].host, k, name); k++)
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", name);
		assert_string_equal(all, rows[i].names);
	}
	/* One that is too long with its domain is left out, and the others are not. */
	memset(host, 'x', sizeof(host) - 3);
	host[sizeof(host) - 3] = '\0';
	ocu_resolv_read(&r, (const uint8_t *)"search long.test", 16);
	assert_true(ocu_resolv_name(&r, host, 0, name));
	assert_string_equal(name, "");
	assert_true(ocu_resolv_name(&r, host, 1, name));
	assert_string_equal(name, host);
	assert_false(ocu_resolv_name(&r, host, 2, name));
}

/* ---- the hosts file ---- */

static void hosts_fill(struct ocu_names *t, const char *text)
{
	ocu_names_init(t, 65536);
	assert_int_equal(ocu_buf_add(&t->text, text, strlen(text)), OCU_OK);
	assert_int_equal(ocu_names_read(t), OCU_OK);
}

static void hosts_file(void **state)
{
	static const char file[] =
		"# 192.0.2.9 comment\n"
		"192.0.2.1 one one.test # 192.0.2.8 also\n"
		"\n"
		"nonsense name\n"
		"192.0.2.3\n"
		"192.0.2.2\ttwo\tone.test\r\n"
		"2001:db8::1 ONE.test\n"
		"fe80::1%eth0 scoped\n"
		"192.0.2.4 last";
	static const struct {
		const char *host;
		enum ocu_family family;
		bool found;
		size_t n;
		uint8_t bytes[2]; /* the last one of each address */
	} rows[] = {
		{ "one", OCU_IPV4, true, 1, { 1 } },
		{ "one.test", OCU_IPV4, true, 2, { 1, 2 } },
		{ "One.Test", OCU_IPV6, true, 1, { 1 } },
		{ "two", OCU_IPV4, true, 1, { 2 } },
		{ "two", OCU_IPV6, true, 0, { 0 } },
		{ "last", OCU_IPV4, true, 1, { 4 } },
		{ "comment", OCU_IPV4, false, 0, { 0 } },
		{ "also", OCU_IPV4, false, 0, { 0 } },
		{ "name", OCU_IPV4, false, 0, { 0 } },
		{ "scoped", OCU_IPV6, false, 0, { 0 } },
		{ "on", OCU_IPV4, false, 0, { 0 } },
		{ "zzz", OCU_IPV4, false, 0, { 0 } },
		{ "", OCU_IPV4, false, 0, { 0 } },
	};
	uint8_t addrs[2][16];
	struct ocu_names t;
	size_t i, k, n;

	(void)state;
	hosts_fill(&t, file);
	for (i = 0; i < COUNT(rows); i++) {
		if (ocu_names_find(&t, rows[i].host, rows[i].family, addrs, 2, &n) !=
		    rows[i].found || n != rows[i].n)
			fail_msg("%s: %zu", rows[i].host, n);
		for (k = 0; k < n; k++)
			assert_int_equal(addrs[k][rows[i].family == OCU_IPV6 ? 15 : 3],
					 rows[i].bytes[k]);
	}
	/* No more than there is room for. */
	assert_true(ocu_names_find(&t, "one.test", OCU_IPV4, addrs, 1, &n));
	assert_int_equal(n, 1);
	ocu_names_fini(&t);
	assert_false(ocu_names_find(&t, "one", OCU_IPV4, addrs, 2, &n));
	hosts_fill(&t, "");
	assert_false(ocu_names_find(&t, "one", OCU_IPV4, addrs, 2, &n));
	ocu_names_fini(&t);
}

/* A file as large as is taken, of the shortest lines: all of it is read. */
static void largest_hosts_file(void **state)
{
	uint8_t addrs[1][16];
	struct ocu_names t;
	size_t max = 20000, n;

	(void)state;
	ocu_names_init(&t, max);
	assert_int_equal(ocu_buf_add(&t.text, "::", 2), OCU_OK);
	while (t.text.len + 2 <= max)
		assert_int_equal(ocu_buf_add(&t.text, t.text.len + 4 > max ? " z" : " y", 2),
				 OCU_OK);
	assert_int_equal(t.text.len, max);
	assert_int_equal(ocu_names_read(&t), OCU_OK);
	assert_true(ocu_names_find(&t, "z", OCU_IPV6, addrs, 1, &n));
	assert_int_equal(n, 1);
	ocu_names_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(resolv_conf),
		cmocka_unit_test(many_servers),
		cmocka_unit_test(search),
		cmocka_unit_test(hosts_file),
		cmocka_unit_test(largest_hosts_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
