/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_url.c - URLs as certificates and Location headers hold them, all of it at a page edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "nomem.h"
#include "ocu/url.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static enum ocu_status parse(struct ocu_url *u, const char *s, size_t n, struct ocu_err *err)
{
	uint8_t *edge = at_edge(s, n);
	enum ocu_status ret;

	/* Whatever is not set shows. */
	memset(u, 'x', sizeof(*u));
	ret = ocu_url_parse(u, (const char *)edge, n, err);
	edge_free(edge, n);
	return ret;
}

static void accepted(void **state)
{
	static const struct {
		const char *url;
		bool https, literal;
		unsigned port;
		const char *host, *target, *authority, *responder;
	} rows[] = {
		{ "http://a", false, false, 80, "a", "/", "a", "a:80" },
		{ "http://ocsp.example.org", false, false, 80, "ocsp.example.org", "/",
		  "ocsp.example.org", "ocsp.example.org:80" },
		{ "https://h/x?y#z", true, false, 443, "h", "/x?y", "h", "h:443" },
		{ "HTTP://OCSP.Example.ORG:8080/Path", false, false, 8080, "ocsp.example.org",
		  "/Path",
		  "ocsp.example.org:8080", "ocsp.example.org:8080" },
		{ "hTTps://h:80/", true, false, 80, "h", "/", "h:80", "h:80" },
		{ "https://h:443/", true, false, 443, "h", "/", "h", "h:443" },
		{ "http://h:80", false, false, 80, "h", "/", "h", "h:80" },
		{ "http://h:/", false, false, 80, "h", "/", "h", "h:80" },
		{ "http://h:00080/", false, false, 80, "h", "/", "h", "h:80" },
		{ "http://h:1/", false, false, 1, "h", "/", "h:1", "h:1" },
		{ "http://h:65535/", false, false, 65535, "h", "/", "h:65535", "h:65535" },
		{ "http://h?q", false, false, 80, "h", "/?q", "h", "h:80" },
		{ "http://h?q=/:@", false, false, 80, "h", "/?q=/:@", "h", "h:80" },
		{ "http://h#f", false, false, 80, "h", "/", "h", "h:80" },
		{ "http://h/#f?g", false, false, 80, "h", "/", "h", "h:80" },
		{ "http://h.example./", false, false, 80, "h.example", "/", "h.example",
		  "h.example:80" },
		{ "http://a_b-c.d--e/", false, false, 80, "a_b-c.d--e", "/", "a_b-c.d--e",
		  "a_b-c.d--e:80" },
		{ "http://1.2.3.4/", false, true, 80, "1.2.3.4", "/", "1.2.3.4", "1.2.3.4:80" },
		{ "http://255.255.255.255:81", false, true, 81, "255.255.255.255", "/",
		  "255.255.255.255:81", "255.255.255.255:81" },
		{ "http://1.2.3.4.org/", false, false, 80, "1.2.3.4.org", "/", "1.2.3.4.org",
		  "1.2.3.4.org:80" },
		{ "http://0xfg/", false, false, 80, "0xfg", "/", "0xfg", "0xfg:80" },
		{ "http://9a/", false, false, 80, "9a", "/", "9a", "9a:80" },
		{ "http://[::1]/", false, true, 80, "::1", "/", "[::1]", "[::1]:80" },
		{ "http://[2001:DB8:0:0::1]:81/x", false, true, 81, "2001:db8::1", "/x",
		  "[2001:db8::1]:81", "[2001:db8::1]:81" },
		{ "http://[::ffff:1.2.3.4]", false, true, 80, "::ffff:1.2.3.4", "/",
		  "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]:80" },
		{ "https://[::]:443", true, true, 443, "::", "/", "[::]", "[::]:443" },
		{ "http://h//a/./../b//", false, false, 80, "h", "//a/./../b//", "h", "h:80" },
		{ "http://h/%41%2f%fF", false, false, 80, "h", "/%41%2f%fF", "h", "h:80" },
		{ "http://h/-._~!$&'()*+,;=:@", false, false, 80, "h", "/-._~!$&'()*+,;=:@", "h",
		  "h:80" },
		{ "http://" L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz"
		  "abcdefghijklmnopqrstuvwxyz012345678", false, false, 80,
		  L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz"
		  "abcdefghijklmnopqrstuvwxyz012345678", "/",
		  L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz"
		  "abcdefghijklmnopqrstuvwxyz012345678",
		  L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz"
		  "abcdefghijklmnopqrstuvwxyz012345678:80" },
	};
	char text[OCU_URL_AUTHORITY_BYTES];
	struct ocu_url u;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (parse(&u, rows[i].url, strlen(rows[i].url), NULL) != OCU_OK)
			fail_msg("%s: refused", rows[i].url);
		assert_int_equal(u.https, rows[i].https);
		assert_int_equal(u.literal, rows[i].literal);
		assert_int_equal(u.port, rows[i].port);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.target, rows[i].target);
		ocu_url_authority(&u, text);
		assert_string_equal(text, rows[i].authority);
		ocu_url_responder(&u, text);
		assert_string_equal(text, rows[i].responder);
		/* A prefix may be good or bad, but is never read beyond its end. */
		for (n = 0; n < strlen(rows[i].url); n++)
			(void)!parse(&u, rows[i].url, n, NULL);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *url, *why;
	} rows[] = {
		{ "", "neither http" },
		{ "http", "neither http" },
		{ "http:/", "neither http" },
		{ "http:/h/", "neither http" },
		{ "//h/", "neither http" },
		{ "/path", "neither http" },
		{ "ldap://h/", "neither http" },
		{ "httpss://h/", "neither http" },
		{ "ftp://h/", "neither http" },
		{ " http://h/", "neither http" },
		{ "file:///etc/passwd", "neither http" },
		{ "http://", "no host" },
		{ "http:///", "no host" },
		{ "http:///path", "no host" },
		{ "http://:80/", "no host" },
		{ "http://?q", "no host" },
		{ "http://#f", "no host" },
		{ "http://user@h/", "user information" },
		{ "http://user:pass@h/", "user information" },
		{ "http://@h/", "user information" },
		{ "http://h@/", "user information" },
		{ "http://[::1]@h/", "user information" },
		{ "http://.", "label of 0" },
		{ "http://./", "label of 0" },
		{ "http://..", "label of 0" },
		{ "http://.h/", "label of 0" },
		{ "http://a..b/", "label of 0" },
		{ "http://a../", "label of 0" },
		{ "http://" L63 "x/", "more than 63" },
		{ "http://a." L63 "x.b/", "more than 63" },
		{ "http://" L63 "." L63 "." L63 "." L63 "/", "longer than 253" },
		{ "http://h h/", "byte 0x20" },
		{ "http://h%41/", "byte 0x25" },
		{ "http://h!/", "byte 0x21" },
		{ "http://h\\/", "byte 0x5c" },
		{ "http://h\tx/", "byte 0x09" },
		{ "http://\xc3\xa4.org/", "byte 0xc3" },
		{ "http://[::1", "not closed" },
		{ "http://[", "not closed" },
		{ "http://[]/", "not an IPv6" },
		{ "http://[h]/", "not an IPv6" },
		{ "http://[1.2.3.4]/", "not an IPv6" },
		{ "http://[::1%25eth0]/", "not an IPv6" },
		{ "http://[fe80::1%eth0]/", "not an IPv6" },
		{ "http://[v1.x]/", "not an IPv6" },
		{ "http://[1:2:3:4:5:6:7]/", "not an IPv6" },
		{ "http://[1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6:7:8:9]/", "not an IPv6" },
		{ "http://[::1]x/", "between host and port" },
		{ "http://[::1]]/", "between host and port" },
		{ "http://::1/", "no host" },
		{ "http://2001:db8::1/", "neither a name" },
		{ "http://a:db8::1/", "not a number" },
		{ "http://]/", "byte 0x5d" },
		{ "http://h:0/", "between 1 and" },
		{ "http://h:00/", "between 1 and" },
		{ "http://h:65536/", "between 1 and" },
		{ "http://h:99999999999999999999/", "between 1 and" },
		{ "http://h:x/", "not a number" },
		{ "http://h:-1/", "not a number" },
		{ "http://h:+1/", "not a number" },
		{ "http://h: 1/", "not a number" },
		{ "http://h:80:80/", "not a number" },
		{ "http://1.2.3/", "neither a name" },
		{ "http://1/", "neither a name" },
		{ "http://1.2.3.256/", "neither a name" },
		{ "http://1.2.3.999/", "neither a name" },
		{ "http://1.2.3.04/", "neither a name" },
		{ "http://1.2.3.4.5/", "neither a name" },
		{ "http://1.2.3.4./", "neither a name" },
		{ "http://a.1/", "neither a name" },
		{ "http://0x7f.1/", "neither a name" },
		{ "http://0x/", "neither a name" },
		{ "http://0x7f000001/", "neither a name" },
		{ "http://a.0X1/", "neither a name" },
		{ "http://h/a b", "byte 0x20" },
		{ "http://h/ ", "byte 0x20" },
		{ "http://h/\r\nX: y", "byte 0x0d" },
		{ "http://h/\n", "byte 0x0a" },
		{ "http://h/\x7f", "byte 0x7f" },
		{ "http://h/\xc3\xa4", "byte 0xc3" },
		{ "http://h/\"", "byte 0x22" },
		{ "http://h/<", "byte 0x3c" },
		{ "http://h/a#b c", "byte 0x20" },
		{ "http://h/%", "percent" },
		{ "http://h/%4", "percent" },
		{ "http://h/%g0", "percent" },
		{ "http://h/%0g", "percent" },
	};
	struct ocu_err err;
	struct ocu_url u;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (parse(&u, rows[i].url, strlen(rows[i].url), &err) != OCU_URI)
			fail_msg("%s: accepted", rows[i].url);
		assert_int_equal(err.code, OCU_URI);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].url, err.msg);
	}
	/* A zero ends nothing. */
	assert_int_equal(parse(&u, "http://h\0.org/", 14, &err), OCU_URI);
	assert_int_equal(parse(&u, "http://h/\0x", 11, &err), OCU_URI);
	assert_int_equal(parse(&u, "http://h:8\0/", 12, &err), OCU_URI);
	assert_int_equal(parse(&u, "http://[::1\0]/", 14, &err), OCU_URI);
	assert_int_equal(parse(&u, "http\0://h/", 10, &err), OCU_URI);
}

static void length_is_limited(void **state)
{
	char text[OCU_URL_MAX_BYTES + 2];
	struct ocu_err err;
	struct ocu_url u;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "http://h/", 9);
	assert_int_equal(parse(&u, text, OCU_URL_MAX_BYTES, &err), OCU_OK);
	assert_int_equal(strlen(u.target), OCU_URL_MAX_BYTES - 8);
	assert_int_equal(parse(&u, text, OCU_URL_MAX_BYTES + 1, &err), OCU_URI);
	memcpy(text, "http://h?", 9);
	assert_int_equal(parse(&u, text, OCU_URL_MAX_BYTES, &err), OCU_OK);
	assert_int_equal(strlen(u.target), OCU_URL_MAX_BYTES - 7);
}

static enum ocu_status join(struct ocu_url *out, const char *base, const char *ref, size_t n)
{
	uint8_t *edge = at_edge(ref, n);
	enum ocu_status ret;
	struct ocu_url b;

	assert_int_equal(ocu_url_parse(&b, base, strlen(base), NULL), OCU_OK);
	memset(out, 'x', sizeof(*out));
	ret = ocu_url_join(out, &b, (const char *)edge, n, NULL);
	edge_free(edge, n);
	return ret;
}

static void joined(void **state)
{
	static const char base[] = "http://a:81/b/c/d;p?q";
	static const struct {
		const char *base, *ref, *responder, *target; /* NULL: refused */
		bool https;
	} rows[] = {
		/* RFC 3986 section 5.4.1 and 5.4.2 */
		{ base, "g:h", NULL, NULL, false },
		{ base, "g", "a:81", "/b/c/g", false },
		{ base, "./g", "a:81", "/b/c/g", false },
		{ base, "g/", "a:81", "/b/c/g/", false },
		{ base, "/g", "a:81", "/g", false },
		{ base, "//g", "g:80", "/", false },
		{ base, "?y", "a:81", "/b/c/d;p?y", false },
		{ base, "g?y", "a:81", "/b/c/g?y", false },
		{ base, "#s", "a:81", "/b/c/d;p?q", false },
		{ base, "g#s", "a:81", "/b/c/g", false },
		{ base, "g?y#s", "a:81", "/b/c/g?y", false },
		{ base, ";x", "a:81", "/b/c/;x", false },
		{ base, "g;x", "a:81", "/b/c/g;x", false },
		{ base, "", "a:81", "/b/c/d;p?q", false },
		{ base, ".", "a:81", "/b/c/", false },
		{ base, "./", "a:81", "/b/c/", false },
		{ base, "..", "a:81", "/b/", false },
		{ base, "../", "a:81", "/b/", false },
		{ base, "../g", "a:81", "/b/g", false },
		{ base, "../..", "a:81", "/", false },
		{ base, "../../", "a:81", "/", false },
		{ base, "../../g", "a:81", "/g", false },
		{ base, "../../../g", "a:81", "/g", false },
		{ base, "../../../../g", "a:81", "/g", false },
		{ base, "/./g", "a:81", "/g", false },
		{ base, "/../g", "a:81", "/g", false },
		{ base, "g.", "a:81", "/b/c/g.", false },
		{ base, ".g", "a:81", "/b/c/.g", false },
		{ base, "g..", "a:81", "/b/c/g..", false },
		{ base, "..g", "a:81", "/b/c/..g", false },
		{ base, "./../g", "a:81", "/b/g", false },
		{ base, "./g/.", "a:81", "/b/c/g/", false },
		{ base, "g/./h", "a:81", "/b/c/g/h", false },
		{ base, "g/../h", "a:81", "/b/c/h", false },
		{ base, "g;x=1/./y", "a:81", "/b/c/g;x=1/y", false },
		{ base, "g;x=1/../y", "a:81", "/b/c/y", false },
		{ base, "g?y/./x", "a:81", "/b/c/g?y/./x", false },
		{ base, "g?y/../x", "a:81", "/b/c/g?y/../x", false },
		{ base, "http:g", NULL, NULL, false },
		/* more */
		{ base, "https://x.org/y/../z?w", "x.org:443", "/z?w", true },
		{ base, "HTTPS://x.org", "x.org:443", "/", true },
		{ base, "http://x.org/.", "x.org:80", "/", false },
		{ "https://a:81/b", "//x:82/..", "x:82", "/", true },
		{ "https://a:81/b", "c", "a:81", "/c", true },
		{ "https://a", "c", "a:443", "/c", true },
		{ "https://a", "?c", "a:443", "/?c", true },
		{ "http://[2001:db8::1]:81/b", "c", "[2001:db8::1]:81", "/c", false },
		{ "http://[2001:db8::1]/b", "/c", "[2001:db8::1]:80", "/c", false },
		{ "http://1.2.3.4/b", "/c", "1.2.3.4:80", "/c", false },
		{ "http://a/b?x/y", "c", "a:80", "/c", false },
		{ "http://a/", "/..", "a:80", "/", false },
		{ "http://a/", "//b//c", "b:80", "//c", false },
		{ "http://a/", "/b//../c", "a:80", "/b/c", false },
		{ "http://a/", "ftp://b/", NULL, NULL, false },
		{ "http://a/", "//", NULL, NULL, false },
		{ "http://a/", "///x", NULL, NULL, false },
		{ "http://a/", "//u@h/", NULL, NULL, false },
		{ "http://a/", "javascript:x", NULL, NULL, false },
		{ "http://a/", "/b c", NULL, NULL, false },
		{ "http://a/", "/b\r\nX: y", NULL, NULL, false },
		{ "http://a/", "b%", NULL, NULL, false },
		{ "http://a/", ":b", "a:80", "/:b", false },
		{ "http://a/", "1:b", "a:80", "/1:b", false },
	};
	char text[OCU_URL_AUTHORITY_BYTES];
	struct ocu_url u;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		enum ocu_status got = join(&u, rows[i].base, rows[i].ref, strlen(rows[i].ref));

		if (got != (rows[i].target ? OCU_OK : OCU_URI))
			fail_msg("%s + %s: %s", rows[i].base, rows[i].ref, ocu_text(got));
		for (n = 0; n < strlen(rows[i].ref); n++) {
			struct ocu_url other;

			(void)!join(&other, rows[i].base, rows[i].ref, n);
		}
		if (!rows[i].target)
			continue;
		ocu_url_responder(&u, text);
		assert_string_equal(text, rows[i].responder);
		if (strcmp(u.target, rows[i].target) != 0)
			fail_msg("%s + %s: %s", rows[i].base, rows[i].ref, u.target);
		assert_int_equal(u.https, rows[i].https);
	}
	assert_int_equal(join(&u, "http://a/", "\0", 1), OCU_URI);
}

static void joined_length_is_limited(void **state)
{
	char base[OCU_URL_MAX_BYTES + 1], ref[OCU_URL_MAX_BYTES + 1];
	struct ocu_url u;

	(void)state;
	memset(base, 'a', sizeof(base));
	memcpy(base, "http://h/", 9);
	base[OCU_URL_MAX_BYTES] = '\0';
	memset(ref, 'b', sizeof(ref));
	assert_int_equal(join(&u, base, "x", 1), OCU_OK);
	assert_string_equal(u.target, "/x");
	assert_int_equal(join(&u, base, ref, OCU_URL_MAX_BYTES + 1), OCU_URI);
	assert_int_equal(join(&u, "http://h/", ref, OCU_URL_MAX_BYTES), OCU_URI);
	assert_int_equal(join(&u, "http://h/", ref, OCU_URL_MAX_BYTES - 9), OCU_OK);
	assert_int_equal(join(&u, "http://h/", ref, OCU_URL_MAX_BYTES - 8), OCU_URI);
	/* The longest base and the longest reference, both kept. */
	base[OCU_URL_MAX_BYTES - 1] = '/';
	assert_int_equal(join(&u, base, ref, OCU_URL_MAX_BYTES), OCU_URI);
	base[OCU_URL_MAX_BYTES - 1] = 'a';
	ref[0] = '?';
	assert_int_equal(join(&u, base, ref, OCU_URL_MAX_BYTES), OCU_URI);
}

static void is_local(void **state)
{
	static const struct {
		const char *host;
		bool want;
	} rows[] = {
		/* names */
		{ "localhost", true }, { "LocalHost.", true }, { "a.localhost", true },
		{ "a.b.localhost", true }, { "mylocalhost", false }, { "localhost.example", false },
		{ "localhos", false }, { "ocsp.example.org", false }, { "local", false },
		{ "127.0.0.1.example", false },
		/* both ends of each block of IPv4, and what is next to them */
		{ "0.0.0.0", true }, { "0.255.255.255", true }, { "1.0.0.0", false },
		{ "9.255.255.255", false }, { "10.0.0.0", true }, { "10.255.255.255", true },
		{ "11.0.0.0", false }, { "100.63.255.255", false }, { "100.64.0.0", true },
		{ "100.127.255.255", true }, { "100.128.0.0", false }, { "126.255.255.255", false },
		{ "127.0.0.0", true }, { "127.255.255.255", true }, { "128.0.0.0", false },
		{ "169.253.255.255", false }, { "169.254.0.0", true }, { "169.254.169.254", true },
		{ "169.255.0.0", false }, { "172.15.255.255", false }, { "172.16.0.0", true },
		{ "172.31.255.255", true }, { "172.32.0.0", false }, { "191.255.255.255", false },
		{ "192.0.0.8", true }, { "192.0.1.0", false }, { "192.0.2.1", true },
		{ "192.0.3.0", false }, { "192.88.98.255", false }, { "192.88.99.1", true },
		{ "192.88.100.0", false }, { "192.167.255.255", false }, { "192.168.0.0", true },
		{ "192.168.255.255", true }, { "192.169.0.0", false }, { "198.17.255.255", false },
		{ "198.18.0.0", true }, { "198.19.255.255", true }, { "198.20.0.0", false },
		{ "198.51.99.255", false }, { "198.51.100.1", true }, { "198.51.101.0", false },
		{ "203.0.112.255", false }, { "203.0.113.1", true }, { "203.0.114.0", false },
		{ "223.255.255.255", false }, { "224.0.0.0", true }, { "239.255.255.255", true },
		{ "240.0.0.0", true }, { "255.255.255.255", true }, { "8.8.8.8", false },
		/* IPv6 */
		{ "[::]", true }, { "[::1]", true }, { "[::2]", true }, { "[::8.8.8.8]", true },
		{ "[::ffff:127.0.0.1]", true }, { "[::ffff:10.1.2.3]", true },
		{ "[::ffff:8.8.8.8]", false }, { "[::fffe:8.8.8.8]", true },
		{ "[::ffff:0:8.8.8.8]", true }, { "[64:ff9b::8.8.8.8]", false },
		{ "[64:ff9b::192.168.1.1]", true }, { "[64:ff9b:1::8.8.8.8]", true },
		{ "[100::1]", true }, { "[1fff::1]", true }, { "[2000::1]", false },
		{ "[2001::1]", true }, { "[2001:1ff::1]", true }, { "[2001:200::1]", false },
		{ "[2001:db7::1]", false }, { "[2001:db8::1]", true },
		{ "[2001:db8:ffff::1]", true }, { "[2001:db9::1]", false },
		{ "[2002:808:808::1]", false }, { "[2002:7f00:1::1]", true },
		{ "[2002:c0a8:101::1]", true }, { "[2003::1]", false }, { "[2606:4700::1]", false },
		{ "[3ffe::1]", false }, { "[3fff::1]", true }, { "[3fff:fff::1]", true },
		{ "[3fff:1000::1]", false }, { "[4000::1]", true }, { "[5f00::1]", true },
		{ "[fc00::1]", true }, { "[fdff::1]", true }, { "[fe80::1]", true },
		{ "[febf::1]", true }, { "[fec0::1]", true }, { "[ff02::1]", true },
	};
	char text[300];
	struct ocu_url u;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), "https://%s:8080/x", rows[i].host);
		assert_int_equal(parse(&u, text, strlen(text), NULL), OCU_OK);
		if (ocu_url_is_local(&u) != rows[i].want)
			fail_msg("%s", rows[i].host);
	}
}

/* An address as bytes, at a page edge. */
static void is_local_address(void **state)
{
	static const struct {
		bool v6;
		const char *addr;
		bool want;
	} rows[] = {
		{ false, "\x7f\0\0\1", true },
		{ false, "\x08\x08\x08\x08", false },
		{ true, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", true },
		{ true, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", true },
		{ true, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x08\x08\x08\x08", false },
		{ true, "\x26\x06\x47\0\0\0\0\0\0\0\0\0\0\0\0\1", false },
	};
	uint8_t *edge;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		n = rows[i].v6 ? 16 : 4;
		edge = at_edge(rows[i].addr, n);
		assert_int_equal(ocu_addr_is_local(rows[i].v6, edge), rows[i].want);
		edge_free(edge, n);
	}
}

static void text(void **state)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{ "HTTP://A.Test.", "http://a.test/" },
		{ "https://a:443/x?y#z", "https://a/x?y" },
		{ "http://[2001:DB8::0:1]:81?q", "http://[2001:db8::1]:81/?q" },
	};
	char longest[OCU_URL_MAX_BYTES + 1], out[OCU_URL_TEXT_BYTES];
	struct ocu_url u;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(parse(&u, rows[i].url, strlen(rows[i].url), NULL), OCU_OK);
		assert_int_equal(ocu_url_text(&u, out), strlen(rows[i].want));
		assert_string_equal(out, rows[i].want);
	}
	/* The longest one gets a slash more. */
	memset(longest, 'q', sizeof(longest));
	memcpy(longest, "https://[1:2:3:4:5:6:7:8]:65535?", 32);
	assert_int_equal(parse(&u, longest, OCU_URL_MAX_BYTES, NULL), OCU_OK);
	assert_int_equal(ocu_url_text(&u, out), OCU_URL_MAX_BYTES + 1);
}

static void get_target(void **state)
{
	static const struct {
		const char *url;
		const char *req;
		size_t n;
		const char *want; /* NULL: over the limit */
	} rows[] = {
		{ "http://h", "f", 1, "/Zg%3D%3D" },
		{ "http://h/", "fo", 2, "/Zm8%3D" },
		{ "http://h/p", "foo", 3, "/p/Zm9v" },
		{ "http://h/p/", "foob", 4, "/p/Zm9vYg%3D%3D" },
		{ "http://h/p//", "fooba", 5, "/p/Zm9vYmE%3D" },
		{ "http://h//", "foobar", 6, "/Zm9vYmFy" },
		{ "http://h/p", "\xfb\xef\xff", 3, "/p/%2B%2B%2F%2F" },
		{ "http://h/p", "\x00\x10\x83\x10\x51\x87", 6, "/p/ABCDEFGH" },
		{ "http://h/p", "", 0, "/p/" },
		{ "http://h/p?q", "foo", 3, NULL },
		{ "http://h/?", "foo", 3, NULL },
	};
	struct ocu_buf b;
	struct ocu_url u;
	uint8_t *edge;
	size_t i;

	(void)state;
	ocu_buf_init(&b, 1000);
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(parse(&u, rows[i].url, strlen(rows[i].url), NULL), OCU_OK);
		edge = at_edge(rows[i].req, rows[i].n);
		ocu_buf_reset(&b);
		assert_int_equal(ocu_url_get_target(&b, &u, edge, rows[i].n),
				 rows[i].want ? OCU_OK : OCU_TOO_BIG);
		edge_free(edge, rows[i].n);
		assert_int_equal(b.len, rows[i].want ? strlen(rows[i].want) : 0);
		if (rows[i].want)
			assert_memory_equal(b.data, rows[i].want, b.len);
	}
	ocu_buf_fini(&b);
}

/* The limit is on the whole URL: scheme, host, path and encoded request. */
static void get_target_is_limited(void **state)
{
	static const char *const starts[] = { "http://h/", "https://h:81/", "http://[::1]/" };
	char text[OCU_URL_MAX_BYTES + 1];
	size_t i, path, start, whole;
	enum ocu_status got;
	struct ocu_buf b;
	struct ocu_url u;

	(void)state;
	ocu_buf_init(&b, 1000);
	for (i = 0; i < COUNT(starts); i++) {
		start = strlen(starts[i]);
		for (path = 0; path < 300; path++) {
			memcpy(text, starts[i], start);
			memset(text + start, 'p', path);
			assert_int_equal(parse(&u, text, start + path, NULL), OCU_OK);
			ocu_buf_reset(&b);
			got = ocu_url_get_target(&b, &u, (const uint8_t *)"fo", 2);
			/* "Zm8%3D", and a slash unless the path is empty */
			whole = start + path + 6 + (path > 0);
			assert_int_equal(got, whole <= OCU_URL_GET_MAX_BYTES ? OCU_OK
								     : OCU_TOO_BIG);
			assert_int_equal(b.len > 0, got == OCU_OK);
		}
		/* The longest URL goes by the encoded request alone. */
		memset(text + start, 'p', OCU_URL_MAX_BYTES - start);
		assert_int_equal(parse(&u, text, OCU_URL_MAX_BYTES, NULL), OCU_OK);
		assert_int_equal(ocu_url_get_target(&b, &u, (const uint8_t *)"fo", 2), OCU_TOO_BIG);
	}
	ocu_buf_reset(&b);
	nomem_fail(0);
	ocu_buf_fini(&b);
	assert_int_equal(parse(&u, "http://h", 8, NULL), OCU_OK);
	assert_int_equal(ocu_url_get_target(&b, &u, (const uint8_t *)"fo", 2), OCU_NOMEM);
	nomem_fail(-1);
	ocu_buf_init(&b, 3);
	assert_int_equal(ocu_url_get_target(&b, &u, (const uint8_t *)"fo", 2), OCU_TOO_BIG);
	ocu_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(length_is_limited),
		cmocka_unit_test(joined),
		cmocka_unit_test(joined_length_is_limited),
		cmocka_unit_test(is_local),
		cmocka_unit_test(is_local_address),
		cmocka_unit_test(text),
		cmocka_unit_test(get_target),
		cmocka_unit_test(get_target_is_limited),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
