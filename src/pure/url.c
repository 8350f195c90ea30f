/* SPDX-License-Identifier: GPL-2.0-or-later */
/* url.c - parses, resolves and builds http and https URLs. Opens nothing, looks up no name. */
#include "ocu/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define OCU_URL_LABEL_MAX_BYTES 63
#define OCU_URL_PORT_HTTP 80
#define OCU_URL_PORT_HTTPS 443

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986 section 2: what may stand in a URL at all, brackets being left to the authority. */
static bool is_url_byte(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("-._~:/?#@!$&'()*+,;=%", c));
}

/* Checks the bytes of a path and query, a percent sign being part of an escape. */
static enum ocu_status check_bytes(const char *s, size_t n, struct ocu_err *err)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_url_byte(s[i]))
			return ocu_fail(err, OCU_URI, "URL holds the byte 0x%02x",
					(unsigned char)s[i]);
		if (s[i] == '%' && (n - i < 3 || !is_hex(s[i + 1]) || !is_hex(s[i + 2])))
			return ocu_fail(err, OCU_URI, "URL holds a broken percent escape");
	}
	return OCU_OK;
}

/* Whether the last label of a name makes resolvers take the name for an address: only digits, or a
 * hexadecimal number.
 */
static bool is_numeric(const char *s, size_t n)
{
	size_t label = n, i;

	while (label > 0 && s[label - 1] != '.')
		label--;
	i = label;
	if (n - i >= 2 && s[i] == '0' && (s[i + 1] == 'x' || s[i + 1] == 'X')) {
		for (i += 2; i < n && is_hex(s[i]); i++)
			;
		return i == n;
	}
	while (i < n && is_digit(s[i]))
		i++;
	return i == n;
}

/* Parses "[2001:db8::1]" without its brackets. The address is written back in the one form that
 * inet_ntop() gives it, so that a responder has one name.
 */
static enum ocu_status parse_ipv6(struct ocu_url *u, const char *s, size_t n, struct ocu_err *err)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (n >= sizeof(text))
		return ocu_fail(err, OCU_URI, "URL host is not an IPv6 address");
	memcpy(text, s, n);
	text[n] = '\0';
	if (memchr(s, '\0', n) || inet_pton(AF_INET6, text, &addr) != 1
	    || !inet_ntop(AF_INET6, &addr, u->host, sizeof(u->host)))
		return ocu_fail(err, OCU_URI, "URL host is not an IPv6 address: %s", text);
	u->literal = true;
	return OCU_OK;
}

/* Parses a host name or an IPv4 address. */
static enum ocu_status parse_name(struct ocu_url *u, const char *s, size_t n, struct ocu_err *err)
{
	bool dot = n > 1 && s[n - 1] == '.';
	size_t label = 0, i;
	struct in_addr addr;

	if (dot)
		n--;
	if (n == 0)
		return ocu_fail(err, OCU_URI, "URL has no host");
	if (n >= sizeof(u->host))
		return ocu_fail(err, OCU_URI, "URL host is longer than %zu bytes",
				sizeof(u->host) - 1);
	for (i = 0; i < n; i++) {
		if (!is_alpha(s[i]) && !is_digit(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return ocu_fail(err, OCU_URI, "URL host holds the byte 0x%02x",
					(unsigned char)s[i]);
		u->host[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + ('a' - 'A')) : s[i];
		if (s[i] != '.' && ++label <= OCU_URL_LABEL_MAX_BYTES)
			continue;
		if (s[i] != '.' || label == 0)
			return ocu_fail(err, OCU_URI, "URL host has a label of %s bytes",
					label ? "more than 63" : "0");
		label = 0;
	}
	u->host[n] = '\0';
	if (label == 0)
		return ocu_fail(err, OCU_URI, "URL host has a label of 0 bytes");
	if (is_numeric(s, n)) {
		if (dot || inet_pton(AF_INET, u->host, &addr) != 1)
			return ocu_fail(err, OCU_URI, "URL host is neither a name nor an IPv4 "
					"address: %s", u->host);
		u->literal = true;
	}
	return OCU_OK;
}

/* Parses what follows the host: nothing, or a colon and the port. An empty port is the default one
 * (RFC 3986 section 6.2.3).
 */
static enum ocu_status parse_port(struct ocu_url *u, const char *s, size_t n, struct ocu_err *err)
{
	unsigned long port = 0;
	size_t i;

	u->port = u->https ? OCU_URL_PORT_HTTPS : OCU_URL_PORT_HTTP;
	if (n == 0)
		return OCU_OK;
	if (s[0] != ':')
		return ocu_fail(err, OCU_URI, "URL has bytes between host and port");
	if (n == 1)
		return OCU_OK;
	for (i = 1; i < n; i++) {
		if (!is_digit(s[i]))
			return ocu_fail(err, OCU_URI, "URL port is not a number");
		port = port * 10 + (unsigned long)(s[i] - '0');
		if (port > UINT16_MAX)
			break;
	}
	if (port == 0 || port > UINT16_MAX)
		return ocu_fail(err, OCU_URI, "URL port is not between 1 and 65535");
	u->port = (uint16_t)port;
	return OCU_OK;
}

static enum ocu_status parse_authority(struct ocu_url *u, const char *s, size_t n,
				       struct ocu_err *err)
{
	enum ocu_status ret;
	const char *end;

	u->literal = false;
	if (memchr(s, '@', n))
		return ocu_fail(err, OCU_URI, "URL holds user information");
	if (n > 0 && s[0] == '[') {
		end = memchr(s, ']', n);
		if (!end)
			return ocu_fail(err, OCU_URI, "URL has a bracket that is not closed");
		ret = parse_ipv6(u, s + 1, (size_t)(end - s - 1), err);
		end++;
	} else {
		end = memchr(s, ':', n);
		if (!end)
			end = s + n;
		ret = parse_name(u, s, (size_t)(end - s), err);
	}
	if (ret != OCU_OK)
		return ret;
	return parse_port(u, end, n - (size_t)(end - s), err);
}

/* Whether <s> begins with <word>, in any case. */
static bool begins(const char *s, size_t n, const char *word)
{
	return n >= strlen(word) && strncasecmp(s, word, strlen(word)) == 0;
}

/* Returns how many bytes of <s> come before the first one that is in <set>. */
static size_t span(const char *s, size_t n, const char *set)
{
	size_t i;

	for (i = 0; i < n && (!s[i] || !strchr(set, s[i])); i++)
		;
	return i;
}

enum ocu_status ocu_url_parse(struct ocu_url *u, const char *s, size_t n, struct ocu_err *err)
{
	enum ocu_status ret;
	size_t len;

	if (n > OCU_URL_MAX_BYTES)
		return ocu_fail(err, OCU_URI, "URL is longer than %d bytes", OCU_URL_MAX_BYTES);
	u->https = begins(s, n, "https://");
	if (!u->https && !begins(s, n, "http://"))
		return ocu_fail(err, OCU_URI, "URL is neither http:// nor https://");
	len = strlen(u->https ? "https://" : "http://");
	s += len;
	n -= len;
	len = span(s, n, "/?#");
	ret = parse_authority(u, s, len, err);
	if (ret != OCU_OK)
		return ret;
	s += len;
	n -= len;
	ret = check_bytes(s, n, err);
	if (ret != OCU_OK)
		return ret;
	n = span(s, n, "#");
	len = 0;
	if (n == 0 || s[0] != '/')
		u->target[len++] = '/';
	memcpy(u->target + len, s, n);
	u->target[len + n] = '\0';
	return OCU_OK;
}

/* Removes "." and ".." segments from the path of <target> (RFC 3986 section 5.2.4), in place. */
static void remove_dots(char *target)
{
	char *in = target, *out = target;
	char *end = target + strcspn(target, "?");
	char *next;
	size_t n;

	/* Here *in is the slash before a segment, and out never overtakes in. */
	while (in < end) {
		next = memchr(in + 1, '/', (size_t)(end - in - 1));
		if (!next)
			next = end;
		n = (size_t)(next - in);
		if (n == 3 && in[1] == '.' && in[2] == '.') {
			while (out > target && *--out != '/')
				;
			n = 1;
		} else if (n == 2 && in[1] == '.') {
			n = 1;
		} else {
			memmove(out, in, n);
			out += n;
			n = 0;
		}
		/* A dot segment at the end stands for its directory. */
		if (n && next == end)
			*out++ = '/';
		in = next;
	}
	memmove(out, end, strlen(end) + 1);
}

/* Whether <ref> begins with a scheme (RFC 3986 section 3.1). */
static bool has_scheme(const char *ref, size_t n)
{
	size_t i;

	if (n == 0 || !is_alpha(ref[0]))
		return false;
	for (i = 1; i < n && (is_alpha(ref[i]) || is_digit(ref[i]) || ref[i] == '+'
			      || ref[i] == '-' || ref[i] == '.'); i++)
		;
	return i < n && ref[i] == ':';
}

enum ocu_status ocu_url_join(struct ocu_url *out, const struct ocu_url *base, const char *ref,
			     size_t n, struct ocu_err *err)
{
	/* scheme, authority, what is kept of the base's target, the reference */
	char text[sizeof("https://") + OCU_URL_AUTHORITY_BYTES + 2 * (OCU_URL_MAX_BYTES + 1)];
	char authority[OCU_URL_AUTHORITY_BYTES];
	const char *scheme = base->https ? "https:" : "http:";
	enum ocu_status ret;
	size_t keep = 0;
	int len;

	if (n > OCU_URL_MAX_BYTES)
		return ocu_fail(err, OCU_URI, "URL is longer than %d bytes", OCU_URL_MAX_BYTES);
	if (has_scheme(ref, n)) {
		len = 0;
	} else if (n >= 2 && ref[0] == '/' && ref[1] == '/') {
		len = snprintf(text, sizeof(text), "%s", scheme);
	} else {
		if (n == 0 || ref[0] == '#')
			keep = strlen(base->target);
		else if (ref[0] != '/')
			keep = strcspn(base->target, "?");
		/* A relative path replaces all that follows the last slash. */
		if (n > 0 && !strchr("/?#", ref[0])) {
			while (base->target[keep - 1] != '/')
				keep--;
		}
		ocu_url_authority(base, authority);
		len = snprintf(text, sizeof(text), "%s//%s%.*s", scheme, authority, (int)keep,
			       base->target);
	}
	memcpy(text + len, ref, n);
	ret = ocu_url_parse(out, text, (size_t)len + n, err);
	if (ret == OCU_OK)
		remove_dots(out->target);
	return ret;
}

static void write_authority(const struct ocu_url *u, char *out, bool port)
{
	bool v6 = strchr(u->host, ':');
	int n;

	n = snprintf(out, OCU_URL_AUTHORITY_BYTES, "%s%s%s", v6 ? "[" : "", u->host, v6 ? "]" : "");
	if (port)
		snprintf(out + n, OCU_URL_AUTHORITY_BYTES - (size_t)n, ":%u", (unsigned)u->port);
}

void ocu_url_authority(const struct ocu_url *u, char out[static OCU_URL_AUTHORITY_BYTES])
{
	write_authority(u, out, u->port != (u->https ? OCU_URL_PORT_HTTPS : OCU_URL_PORT_HTTP));
}

void ocu_url_responder(const struct ocu_url *u, char out[static OCU_URL_AUTHORITY_BYTES])
{
	write_authority(u, out, true);
}

size_t ocu_url_text(const struct ocu_url *u, char out[static OCU_URL_TEXT_BYTES])
{
	char authority[OCU_URL_AUTHORITY_BYTES];

	ocu_url_authority(u, authority);
	return (size_t)snprintf(out, OCU_URL_TEXT_BYTES, "http%s://%s%s", u->https ? "s" : "",
				authority, u->target);
}

/* Addresses that begin with these <bits> of <prefix>. */
struct block {
	uint8_t prefix[4];
	unsigned bits; /* up to 32 */
};

static bool is_in(const uint8_t *addr, const struct block *blocks, size_t n)
{
	uint32_t a, b;
	size_t i, j;

	for (i = 0; i < n; i++) {
		for (j = a = b = 0; j < 4; j++) {
			a = a << 8 | addr[j];
			b = b << 8 | blocks[i].prefix[j];
		}
		if ((a ^ b) >> (32 - blocks[i].bits) == 0)
			return true;
	}
	return false;
}

static bool is_local_v4(const uint8_t *addr)
{
	static const struct block blocks[] = {
		{ { 0 }, 8 },              /* this network */
		{ { 10 }, 8 },             /* private */
		{ { 100, 64 }, 10 },       /* shared, behind a carrier's NAT */
		{ { 127 }, 8 },            /* loopback */
		{ { 169, 254 }, 16 },      /* link-local */
		{ { 172, 16 }, 12 },       /* private */
		{ { 192, 0, 0 }, 24 },     /* protocols */
		{ { 192, 0, 2 }, 24 },     /* documentation */
		{ { 192, 88, 99 }, 24 },   /* relays of 6to4 that were */
		{ { 192, 168 }, 16 },      /* private */
		{ { 198, 18 }, 15 },       /* benchmarks */
		{ { 198, 51, 100 }, 24 },  /* documentation */
		{ { 203, 0, 113 }, 24 },   /* documentation */
		{ { 224 }, 4 },            /* multicast */
		{ { 240 }, 4 },            /* reserved, and broadcast */
	};

	return is_in(addr, blocks, sizeof(blocks) / sizeof(blocks[0]));
}

static bool is_local_v6(const uint8_t *addr)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const struct block six_to_four = { { 0x20, 0x02 }, 16 };
	static const struct block unicast = { { 0x20 }, 3 };
	static const struct block blocks[] = {
		{ { 0x20, 0x01, 0x00 }, 23 },       /* protocols, Teredo among them */
		{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
		{ { 0x3f, 0xff }, 20 },             /* documentation */
	};

	if (memcmp(addr, mapped, sizeof(mapped)) == 0 || memcmp(addr, nat64, sizeof(nat64)) == 0)
		return is_local_v4(addr + 12);
	if (is_in(addr, &six_to_four, 1))
		return is_local_v4(addr + 2);
	/* Of the rest only one eighth is given out for the internet. */
	return !is_in(addr, &unicast, 1)
	       || is_in(addr, blocks, sizeof(blocks) / sizeof(blocks[0]));
}

bool ocu_addr_is_local(bool v6, const uint8_t *addr)
{
	return v6 ? is_local_v6(addr) : is_local_v4(addr);
}

bool ocu_url_is_local(const struct ocu_url *u)
{
	static const char name[] = ".localhost";
	size_t n = strlen(u->host), suffix = sizeof(name) - 1;
	bool v6 = strchr(u->host, ':');
	uint8_t addr[16];

	if (!u->literal)
		return strcmp(u->host, name + 1) == 0
		       || (n > suffix && strcmp(u->host + n - suffix, name) == 0);
	return inet_pton(v6 ? AF_INET6 : AF_INET, u->host, addr) == 1
	       && ocu_addr_is_local(v6, addr);
}

/* Writes the base64 of <n> bytes, percent-encoded, into <out>. Returns false if it is longer than
 * <max>; *len is its length.
 */
static bool encode(char *out, size_t max, size_t *len, const uint8_t *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *escape;
	char quad[4];
	uint32_t bits;
	size_t i, j;

	*len = 0;
	for (i = 0; i < n; i += 3) {
		bits = (uint32_t)p[i] << 16;
		bits |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		bits |= i + 2 < n ? (uint32_t)p[i + 2] : 0;
		for (j = 0; j < 4; j++)
			quad[j] = i + j <= n ? digits[bits >> (18 - 6 * j) & 63] : '=';
		for (j = 0; j < 4; j++) {
			escape = quad[j] == '+' ? "%2B" : quad[j] == '/' ? "%2F"
				 : quad[j] == '=' ? "%3D" : NULL;
			if (max - *len < (escape ? 3 : 1))
				return false;
			memcpy(out + *len, escape ? escape : &quad[j], escape ? 3 : 1);
			*len += escape ? 3 : 1;
		}
	}
	return true;
}

enum ocu_status ocu_url_get_target(struct ocu_buf *out, const struct ocu_url *u,
				   const uint8_t *req, size_t n)
{
	char authority[OCU_URL_AUTHORITY_BYTES], target[OCU_URL_GET_MAX_BYTES];
	size_t path = strlen(u->target), len, prefix;

	if (strchr(u->target, '?'))
		return OCU_TOO_BIG;
	while (path > 0 && u->target[path - 1] == '/')
		path--;
	ocu_url_authority(u, authority);
	prefix = strlen(u->https ? "https://" : "http://") + strlen(authority);
	if (prefix + path + 1 > sizeof(target))
		return OCU_TOO_BIG;
	memcpy(target, u->target, path);
	target[path++] = '/';
	if (!encode(target + path, sizeof(target) - prefix - path, &len, req, n))
		return OCU_TOO_BIG;
	return ocu_buf_add(out, target, path + len);
}
