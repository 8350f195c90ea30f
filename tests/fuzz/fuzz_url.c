/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_url.c - URLs: what is accepted can be written and read again and stays the same, what is
 * joined holds no dot segments, what is in a GET form can be decoded. Opens nothing.
 *
 * Input: a URL, a line feed, and bytes that are a reference to it and a request for it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "fuzz.h"
#include "ocu/url.h"

void fuzz_init(void)
{
}

void fuzz_seeds(void)
{
	static const char *const seeds[] = {
		"http://ocsp.example.com\n",
		"https://ocsp.example.com:8443/a/b/?q=1#frag\n../c?d",
		"http://[2001:db8:0:0::1]:81/x\n//other.test:80/y",
		"HTTP://192.0.2.1:/%2e%2f/\nhttps://a.test./../b/./c/",
		"http://a_b-c.test./;p=1/x//y/.\n?only=query",
		"http://a.test/a/b/c/d\n../../../../../x/./../y/..",
		"http://a.test\n/abs/./olute#x",
		"http://[::ffff:192.0.2.1]/\n./",
		"http://a.test:65535/x/\n0M0K0I0G0E0\xff\xfe\xfb\x30\x00\x06\x03",
		"http://user@a.test/\nftp://x/",
		"http://127.0.0.1/\nhttp://10.1.2.3/",
		"http://[fe80::1]/\nhttp://[::ffff:169.254.169.254]/",
		"http://x.localhost/\nhttp://[64:ff9b::1.2.3.4]/",
		"http://a.test:0/\nhttp:relative",
		"http://999.1.1.1/\n",
		"http://0x7f/\n",
	};
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		fuzz_seed("", 0, seeds[i], strlen(seeds[i]));
}

/* What the C library knows of a few kinds of addresses. */
static void check_local(const struct ocu_url *u)
{
	bool local = ocu_url_is_local(u);
	struct in6_addr a6;
	struct in_addr a4;

	fuzz_must(u->literal || !local || strstr(u->host, "localhost"), "a name is local");
	if (!u->literal)
		return;
	if (inet_pton(AF_INET, u->host, &a4) == 1)
		fuzz_must(local || (!IN_MULTICAST(ntohl(a4.s_addr)) &&
				    ntohl(a4.s_addr) >> 24 != 127 &&
				    a4.s_addr != INADDR_ANY && a4.s_addr != INADDR_BROADCAST),
			  "IPv4 is not local");
	if (inet_pton(AF_INET6, u->host, &a6) == 1)
		fuzz_must(local || !(IN6_IS_ADDR_LOOPBACK(&a6) || IN6_IS_ADDR_UNSPECIFIED(&a6) ||
				     IN6_IS_ADDR_LINKLOCAL(&a6) || IN6_IS_ADDR_SITELOCAL(&a6) ||
				     IN6_IS_ADDR_MULTICAST(&a6) || IN6_IS_ADDR_V4COMPAT(&a6)),
			  "IPv6 is not local");
}

static bool same(const struct ocu_url *a, const struct ocu_url *b)
{
	return a->https == b->https && a->literal == b->literal && a->port == b->port &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->target, b->target) == 0;
}

/* What has to be true of every URL that was accepted. */
static void check_url(const struct ocu_url *u)
{
	char text[OCU_URL_TEXT_BYTES], responder[OCU_URL_AUTHORITY_BYTES];
	enum ocu_status st;
	struct ocu_url again;
	const char *c;
	size_t n;

	fuzz_must(u->port != 0, "port 0");
	fuzz_must(u->host[0] && memchr(u->host, '\0', sizeof(u->host)), "length of the host");
	for (c = u->host; *c; c++)
		fuzz_must(*c > 0x20 && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'), "host");
	fuzz_must(u->target[0] == '/' && memchr(u->target, '\0', sizeof(u->target)), "target");
	for (c = u->target; *c; c++)
		fuzz_must(*c > 0x20 && *c < 0x7f && !strchr("#\"\\<>", *c), "byte of the target");
	n = ocu_url_text(u, text);
	fuzz_must(n < sizeof(text), "length as text");
	check_local(u);
	st = ocu_url_parse(&again, text, n, NULL);
	fuzz_must(st == (n > OCU_URL_MAX_BYTES ? OCU_URI : OCU_OK), "does not parse again");
	fuzz_must(st != OCU_OK || same(u, &again), "is another one when parsed again");
	ocu_url_responder(u, responder);
	fuzz_must(strlen(responder) + 1 <= sizeof(responder) && strrchr(responder, ':'), "name");
}

static void check_no_dots(const char *target)
{
	const char *end = target + strcspn(target, "?"), *s, *next;
	size_t n;

	for (s = target + 1; s <= end; s = next + 1) {
		next = s + strcspn(s, "/?");
		n = (size_t)(next - s);
		fuzz_must(!(n == 1 && s[0] == '.') && !(n == 2 && memcmp(s, "..", 2) == 0),
			  "a dot segment is left");
	}
}

static void try_join(const struct ocu_url *base, const uint8_t *ref, size_t n)
{
	char text[OCU_URL_TEXT_BYTES];
	struct ocu_url out, again;
	struct ocu_err err;
	size_t len;

	if (ocu_url_join(&out, base, (const char *)ref, n, &err) != OCU_OK) {
		fuzz_must(err.code == OCU_URI && fuzz_is_clean(err.msg), "reason of join");
		return;
	}
	check_url(&out);
	check_no_dots(out.target);
	len = ocu_url_text(&out, text);
	if (len <= OCU_URL_MAX_BYTES) {
		fuzz_must(ocu_url_join(&again, base, text, len, NULL) == OCU_OK &&
			  same(&out, &again), "joining twice gives another URL");
	}
}

/* Decodes what stands for the request in the <n> bytes at <s>; returns how many bytes it has. */
static size_t decode(uint8_t *out, const char *s, size_t n)
{
	unsigned char plain[OCU_URL_GET_MAX_BYTES + 1];
	size_t len = 0, pads = 0, i;
	unsigned byte;
	int got;

	for (i = 0; i < n; i++, len++) {
		plain[len] = (unsigned char)s[i];
		fuzz_must(!strchr("+/=", s[i]), "the request is not encoded");
		if (s[i] == '%') {
			fuzz_must(n - i >= 3 && sscanf(s + i + 1, "%2x", &byte) == 1, "escape");
			plain[len] = (unsigned char)byte;
			i += 2;
		}
		pads += plain[len] == '=';
	}
	got = len ? EVP_DecodeBlock(out, plain, (int)len) : 0;
	fuzz_must(got >= 0 && (size_t)got >= pads, "the request is not base64");
	return (size_t)got - pads;
}

/* How long the whole URL would be. */
static size_t get_length(const struct ocu_url *u, const uint8_t *req, size_t n)
{
	char authority[OCU_URL_AUTHORITY_BYTES];
	unsigned char *text = malloc(n / 3 * 4 + 8);
	size_t path = strlen(u->target), len, i;

	fuzz_must(text != NULL, "no memory");
	while (path && u->target[path - 1] == '/')
		path--;
	ocu_url_authority(u, authority);
	len = strlen(u->https ? "https://" : "http://") + strlen(authority) + path + 1;
	n = (size_t)EVP_EncodeBlock(text, req, (int)n);
	for (i = 0; i < n; i++)
		len += text[i] == '+' || text[i] == '/' || text[i] == '=' ? 3 : 1;
	free(text);
	return len;
}

static void try_get(const struct ocu_url *u, const uint8_t *req, size_t n)
{
	bool fits = get_length(u, req, n) <= OCU_URL_GET_MAX_BYTES && !strchr(u->target, '?');
	uint8_t decoded[OCU_URL_GET_MAX_BYTES + 1];
	struct ocu_url whole = *u, again;
	char text[OCU_URL_TEXT_BYTES];
	enum ocu_status st;
	struct ocu_buf b;
	const char *last;
	size_t len;

	ocu_buf_init(&b, 4096);
	st = ocu_url_get_target(&b, u, req, n);
	fuzz_must(st == (fits ? OCU_OK : OCU_TOO_BIG), "GET or POST");
	if (st == OCU_OK) {
		memcpy(whole.target, b.data, b.len);
		whole.target[b.len] = '\0';
		len = ocu_url_text(&whole, text);
		fuzz_must(len <= OCU_URL_GET_MAX_BYTES, "GET is too long");
		fuzz_must(ocu_url_parse(&again, text, len, NULL) == OCU_OK && same(&again, &whole),
			  "GET does not parse");
		last = strrchr(whole.target, '/') + 1;
		len = decode(decoded, last, strlen(last));
		fuzz_must(len == n && memcmp(decoded, req, n) == 0, "another request");
	}
	ocu_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *lf = n ? memchr(data, '\n', n) : NULL;
	size_t len = lf ? (size_t)(lf - data) : n;
	size_t skip = lf ? len + 1 : n;
	uint8_t *url = fuzz_copy(data, len), *rest = fuzz_copy(data + skip, n - skip);
	struct ocu_err err = { .code = OCU_OK };
	struct ocu_url u;

	if (ocu_url_parse(&u, (const char *)url, len, &err) == OCU_OK) {
		check_url(&u);
		try_join(&u, rest, n - skip);
		try_get(&u, rest, n - skip);
	} else {
		fuzz_must(err.code == OCU_URI && fuzz_is_clean(err.msg), "reason");
	}
	free(url);
	free(rest);
	return 0;
}
