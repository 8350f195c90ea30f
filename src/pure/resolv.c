/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.c - which nameservers are asked, and for which names. */
#include "ocu/resolv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits of resolv.conf(5). */
#define NDOTS_MAX 15
#define TIMEOUT_MAX_S 30
#define ATTEMPTS_MAX 5

#define BLANKS " \t\r\n"

/* Cuts the next word off <text>, which moves behind it; empty at the end. */
static struct ocu_slice word_next(struct ocu_slice *text, const char *between)
{
	struct ocu_slice word;

	while (text->n && strchr(between, *text->p) && *text->p)
		text->p++, text->n--;
	word.p = text->p;
	while (text->n && !(strchr(between, *text->p) && *text->p))
		text->p++, text->n--;
	word.n = (size_t)(text->p - word.p);
	return word;
}

static bool word_is(struct ocu_slice word, const char *what)
{
	return word.n == strlen(what) && memcmp(word.p, what, word.n) == 0;
}

/* Reads a decimal number up to <max>, and nothing behind it. */
static bool number_read(struct ocu_slice text, unsigned max, unsigned *out)
{
	*out = 0;
	for (; text.n && *text.p >= '0' && *text.p <= '9' && *out <= max; text.p++, text.n--)
		*out = *out * 10 + (unsigned)(*text.p - '0');
	return !text.n && *out <= max;
}

/* Reads an address without a port; of an IPv6 one also the interface behind '%'. */
static bool addr_read(struct ocu_nameserver *s, struct ocu_slice text)
{
	char addr[INET6_ADDRSTRLEN + 1 + sizeof(s->zone)], *zone;

	if (text.n >= sizeof(addr) || memchr(text.p, '\0', text.n))
		return false;
	memcpy(addr, text.p, text.n);
	addr[text.n] = '\0';
	if (inet_pton(AF_INET, addr, s->addr) == 1)
		return true;
	s->v6 = true;
	zone = strchr(addr, '%');
	if (zone) {
		*zone++ = '\0';
		if (!*zone || strlen(zone) >= sizeof(s->zone))
			return false;
		memcpy(s->zone, zone, strlen(zone));
	}
	return inet_pton(AF_INET6, addr, s->addr) == 1;
}

/* Splits "addr:port" or "[addr]:port" at the colon, if there is a port; *port is empty if not. */
static bool port_split(struct ocu_slice *addr, struct ocu_slice *port)
{
	const uint8_t *end = addr->p + addr->n, *colon;

	if (addr->n && *addr->p == '[') {
		colon = memchr(addr->p, ']', addr->n);
		if (!colon || (colon + 1 < end && colon[1] != ':'))
			return false;
		addr->p++;
		addr->n = (size_t)(colon - addr->p);
		colon++;
	} else {
		colon = memchr(addr->p, ':', addr->n);
		/* With more than one it is an IPv6 address without a port. */
		if (!colon || memchr(colon + 1, ':', (size_t)(end - colon - 1)))
			colon = end;
		addr->n = (size_t)(colon - addr->p);
	}
	port->p = colon < end ? colon + 1 : end;
	port->n = (size_t)(end - port->p);
	return colon == end || port->n > 0;
}

static bool server_read(struct ocu_nameserver *s, struct ocu_slice text)
{
	static const char tcp[] = "tcp@";
	struct ocu_slice port;
	unsigned number = OCU_RESOLV_PORT;

	memset(s, 0, sizeof(*s));
	if (text.n > sizeof(tcp) - 1 && memcmp(text.p, tcp, sizeof(tcp) - 1) == 0) {
		s->tcp = true;
		text.p += sizeof(tcp) - 1;
		text.n -= sizeof(tcp) - 1;
	}
	if (!port_split(&text, &port) || !addr_read(s, text))
		return false;
	if (port.n && (!number_read(port, UINT16_MAX, &number) || !number))
		return false;
	s->port = (uint16_t)number;
	return true;
}

enum ocu_status ocu_resolv_list(struct ocu_resolv *r, const char *text, struct ocu_err *err)
{
	struct ocu_slice all = { (const uint8_t *)text, strlen(text) }, word;
	struct ocu_nameserver s;

	memset(r, 0, sizeof(*r));
	while ((word = word_next(&all, ", ")).n) {
		if (!server_read(&s, word)) {
			r->n_servers = 0;
			return ocu_fail(err, OCU_DNS, "nameservers %s: %.*s is not an address",
					text, (int)word.n, (const char *)word.p);
		}
		if (r->n_servers < OCU_RESOLV_SERVERS_MAX)
			r->servers[r->n_servers++] = s;
	}
	return OCU_OK;
}

static void search_read(struct ocu_resolv *r, struct ocu_slice line, size_t max)
{
	struct ocu_slice word;

	r->n_search = 0;
	while (r->n_search < max && (word = word_next(&line, BLANKS)).n) {
		/* A dot alone is the root: the name itself, which is asked for anyway. */
		while (word.n && word.p[word.n - 1] == '.')
			word.n--;
		if (!word.n || word.n >= OCU_RESOLV_NAME_BYTES || memchr(word.p, '\0', word.n))
			continue;
		memcpy(r->search[r->n_search], word.p, word.n);
		r->search[r->n_search++][word.n] = '\0';
	}
}

/* Reads the number behind "<key>:" in <word>, at most <max>. */
static bool option_is(struct ocu_slice word, const char *key, unsigned max, unsigned *out)
{
	size_t n = strlen(key);
	unsigned number;

	if (word.n <= n || memcmp(word.p, key, n) != 0)
		return false;
	word.p += n;
	word.n -= n;
	if (!number_read(word, UINT16_MAX, &number))
		return false;
	*out = number < max ? number : max;
	return true;
}

static void options_read(struct ocu_resolv *r, struct ocu_slice line, bool *tcp)
{
	struct ocu_slice word;

	while ((word = word_next(&line, BLANKS)).n) {
		if (word_is(word, "use-vc"))
			*tcp = true;
		else if (word_is(word, "edns0"))
			r->edns = true;
		else if (!option_is(word, "ndots:", NDOTS_MAX, &r->ndots) &&
			 !option_is(word, "timeout:", TIMEOUT_MAX_S, &r->timeout_s))
			(void)option_is(word, "attempts:", ATTEMPTS_MAX, &r->attempts);
	}
}

void ocu_resolv_read(struct ocu_resolv *r, const uint8_t *p, size_t n)
{
	struct ocu_slice all = { p, n }, line, key;
	struct ocu_nameserver s;
	bool tcp = false;
	size_t i;

	memset(r, 0, sizeof(*r));
	r->ndots = 1;
	while ((line = word_next(&all, "\n")).n) {
		key = word_next(&line, BLANKS);
		if (word_is(key, "nameserver")) {
			if (r->n_servers < OCU_RESOLV_SERVERS_MAX &&
			    server_read(&s, word_next(&line, BLANKS)))
				r->servers[r->n_servers++] = s;
		} else if (word_is(key, "search")) {
			search_read(r, line, OCU_RESOLV_SEARCH_MAX);
		} else if (word_is(key, "domain")) {
			search_read(r, line, 1);
		} else if (word_is(key, "options")) {
			options_read(r, line, &tcp);
		}
	}
	for (i = 0; i < r->n_servers; i++)
		r->servers[i].tcp |= tcp;
}

static unsigned dots(const char *host)
{
	unsigned n = 0;

	for (; *host; host++)
		n += *host == '.';
	return n;
}

bool ocu_resolv_name(const struct ocu_resolv *r, const char *host, size_t i,
		     char out[static OCU_RESOLV_NAME_BYTES])
{
	size_t n = strlen(host), searched = r->n_search;
	int len;

	if (dots(host) >= r->ndots || (n && host[n - 1] == '.'))
		searched = 0;
	if (i > searched)
		return false;
	if (i < searched)
		len = snprintf(out, OCU_RESOLV_NAME_BYTES, "%s.%s", host, r->search[i]);
	else
		len = snprintf(out, OCU_RESOLV_NAME_BYTES, "%s", host);
	if (len < 0 || len >= OCU_RESOLV_NAME_BYTES)
		*out = '\0';
	return true;
}

enum ocu_status ocu_resolv_text(struct ocu_buf *out, const struct ocu_resolv *r)
{
	const struct ocu_nameserver *s;
	enum ocu_status ret = OCU_OK;
	char addr[INET6_ADDRSTRLEN];
	size_t i;

	for (i = 0; ret == OCU_OK && i < r->n_servers; i++) {
		s = &r->servers[i];
		if (!inet_ntop(s->v6 ? AF_INET6 : AF_INET, s->addr, addr, sizeof(addr)))
			continue;
		ret = ocu_buf_addf(out, s->v6 ? "%s%s[%s%s%s]:%u" : "%s%s%s%s%s:%u", i ? "," : "",
				   s->tcp ? "tcp@" : "", addr, *s->zone ? "%" : "", s->zone,
				   (unsigned)s->port);
	}
	return ret;
}
