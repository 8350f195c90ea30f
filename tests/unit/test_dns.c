/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_dns.c - the resolver against scripted nameservers on loopback: answers of every kind, dead
 * servers, the cache, shared questions, cancellation. Waits for answers, never for a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dnsd.h"
#include "ocu/dns.h"
#include "ocu/etc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_S 30. /* a test that takes longer is stuck */

static struct ev_loop *loop;

/* One question and what came of it. */
struct ask {
	struct ocu_dns_query *q;
	int answers;            /* how often the callback ran */
	bool cancelled, down;
	unsigned asked;
	enum ocu_status why;
	char reason[OCU_ERR_BYTES];
	size_t n;
	char text[1024];        /* the addresses, a space after each */
	struct ocu_dns *dns;    /* the callback asks for "b.test" */
	struct ask *next;
};

static void ask_cb(void *arg, const struct ocu_dns_answer *a)
{
	struct ask *k = arg;
	char text[INET6_ADDRSTRLEN];
	const void *addr;
	size_t i, len = 0;

	k->q = NULL;
	k->answers++;
	k->cancelled = !a;
	if (!a)
		return;
	k->down = a->down;
	k->asked = a->asked;
	k->n = a->n;
	k->why = a->why.code;
	memcpy(k->reason, a->why.msg, sizeof(k->reason));
	k->text[0] = '\0';
	for (i = 0; i < a->n; i++) {
		addr = &((const struct sockaddr_in *)&a->addrs[i])->sin_addr;
		if (a->addrs[i].ss_family == AF_INET6)
			addr = &((const struct sockaddr_in6 *)&a->addrs[i])->sin6_addr;
		assert_non_null(inet_ntop(a->addrs[i].ss_family, addr, text, sizeof(text)));
		len += (size_t)snprintf(k->text + len, sizeof(k->text) - len, "%s ", text);
	}
	if (k->next)
		assert_int_equal(ocu_dns_start(&k->next->q, k->dns, "b.test", OCU_IPV4, ask_cb,
					       k->next), OCU_OK);
}

static void patience_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	fail_msg("no answer in %g s", PATIENCE_S);
}

/* Runs the loop until <k> was answered. */
static void await(struct ask *k)
{
	ev_timer patience;

	ev_timer_init(&patience, patience_cb, PATIENCE_S, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &patience);
	while (!k->answers)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &patience);
}

static void ask(struct ocu_dns *d, struct ask *k, const char *host, enum ocu_family family)
{
	memset(k, 0, sizeof(*k));
	assert_int_equal(ocu_dns_start(&k->q, d, host, family, ask_cb, k), OCU_OK);
	assert_non_null(k->q);
	assert_int_equal(k->answers, 0);
}

static void ask_wait(struct ocu_dns *d, struct ask *k, const char *host, enum ocu_family family)
{
	ask(d, k, host, family);
	await(k);
	assert_int_equal(k->answers, 1);
	assert_false(k->cancelled);
}

static struct ocu_dns *dns_make(const struct ocu_dns_conf *conf)
{
	struct ocu_dns *d;
	struct ocu_err err;

	if (ocu_dns_new(&d, loop, conf, &err) != OCU_OK)
		fail_msg("%s", err.msg);
	return d;
}

static struct ocu_dns *dns_new(const char *servers)
{
	return dns_make(&(struct ocu_dns_conf){ .nameservers = servers, .limit_ms = 5000 });
}

/* A resolver that asks <a>, then <b> (may be NULL). */
static struct ocu_dns *dns_of(const struct dnsd *a, const struct dnsd *b)
{
	char csv[64];

	snprintf(csv, sizeof(csv), "127.0.0.1:%u", dnsd_port(a));
	if (b)
		snprintf(csv + strlen(csv), sizeof(csv) - strlen(csv), ",127.0.0.1:%u",
			 dnsd_port(b));
	return dns_new(csv);
}

static void set(struct dnsd *s, const char *line)
{
	if (!dnsd_set(s, line))
		fail_msg("%s", line);
}

static int n_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void answers(void **state)
{
	static const struct {
		const char *line, *host;
		enum ocu_family family;
		const char *text;
		bool down;
		const char *reason;
	} rows[] = {
		{ "one.test a=192.0.2.1 aaaa=2001:db8::1", "one.test", OCU_IPV4, "192.0.2.1 ",
		  false, "" },
		{ "one.test a=192.0.2.1 aaaa=2001:db8::1", "one.test", OCU_IPV6, "2001:db8::1 ",
		  false, "" },
		{ "two.test a=192.0.2.2,192.0.2.1", "two.test", OCU_IPV4, "192.0.2.2 192.0.2.1 ",
		  false, "" },
		{ "Case.test a=192.0.2.3", "cASE.test", OCU_IPV4, "192.0.2.3 ", false, "" },
		{ "single a=192.0.2.4", "single", OCU_IPV4, "192.0.2.4 ", false, "" },
		{ "v4.test a=192.0.2.1", "v4.test", OCU_IPV6, "", false, "no AAAA record" },
		{ "v6.test aaaa=::1", "v6.test", OCU_IPV4, "", false, "no A record" },
		{ "late.test a=192.0.2.5 delay=30", "late.test", OCU_IPV4, "192.0.2.5 ", false,
		  "" },
		{ "alias.test cname=end.test", "alias.test", OCU_IPV4, "192.0.2.6 ", false, "" },
		{ "none.test code=3", "none.test", OCU_IPV4, "", false, "no such name" },
		{ "fail.test code=2", "fail.test", OCU_IPV4, "", true,
		  "A: all nameservers failed: SERVFAIL" },
		{ "refused.test code=5", "refused.test", OCU_IPV6, "", true,
		  "AAAA: all nameservers failed: REFUSED" },
		{ "notimp.test code=4", "notimp.test", OCU_IPV6, "", true,
		  "AAAA: all nameservers failed: NOTIMP" },
		{ "odd.test code=9", "odd.test", OCU_IPV4, "", true,
		  "A: all nameservers failed: response code 9" },
		{ "drop.test drop", "drop.test", OCU_IPV4, "", true,
		  "A: no nameserver answered" },
		{ "other.test a=192.0.2.7 owner=evil.test", "other.test", OCU_IPV4, "", true,
		  "A: all nameservers failed: answer for another name" },
		/* The nameserver stops after 16 aliases, at one that it has no more of. */
		{ "ring.test cname=ring.test", "ring.test", OCU_IPV4, "", true,
		  "A: all nameservers failed: too many aliases" },
		{ "dead.test cname=end.test", "dead.test", OCU_IPV6, "", false,
		  "no AAAA record" },
	};
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d;
	struct ask k;
	char csv[64];
	size_t i;

	(void)state;
	snprintf(csv, sizeof(csv), "127.0.0.1:%u", dnsd_port(s));
	d = dns_make(&(struct ocu_dns_conf){ .nameservers = csv, .limit_ms = 300 });
	set(s, "end.test a=192.0.2.6");
	for (i = 0; i < COUNT(rows); i++) {
		set(s, rows[i].line);
		ask_wait(d, &k, rows[i].host, rows[i].family);
		if (strcmp(k.text, rows[i].text) != 0 || k.down != rows[i].down ||
		    strcmp(k.reason, rows[i].reason) != 0 ||
		    k.why != (*rows[i].reason ? OCU_DNS : OCU_OK))
			fail_msg("%s: %s%s, %s", rows[i].line, k.text, k.down ? "down" : "",
				 k.reason);
	}
	ocu_dns_free(d);
	dnsd_free(s);
}

/* What is no DNS ends no question but its own, and over TCP there may be a better answer. */
static void garbage(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ask bad, half, good[20];
	struct ocu_dns_conf conf = { .limit_ms = 700 };
	char csv[64], host[32];
	struct ocu_dns *d;
	size_t i;

	(void)state;
	snprintf(csv, sizeof(csv), "127.0.0.1:%u", dnsd_port(s));
	conf.nameservers = csv;
	d = dns_make(&conf);
	set(s, "* a=192.0.2.1 delay=100");
	set(s, "bad.test garbage");
	set(s, "half.test a=192.0.2.2 garbage-udp");
	for (i = 0; i < COUNT(good); i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask(d, &good[i], host, OCU_IPV4);
		if (i == COUNT(good) / 2) {
			ask(d, &bad, "bad.test", OCU_IPV4);
			ask(d, &half, "half.test", OCU_IPV4);
		}
	}
	for (i = 0; i < COUNT(good); i++) {
		await(&good[i]);
		assert_string_equal(good[i].text, "192.0.2.1 ");
		snprintf(host, sizeof(host), "h%zu.test", i);
		assert_int_equal(dnsd_count(s, host), 1);
	}
	await(&bad);
	assert_int_equal(bad.n, 0);
	assert_true(bad.down);
	await(&half);
	/* Old versions of c-ares do not say that it came, and wait for a better datagram. */
	if (strverscmp(ocu_dns_version(), "1.24") >= 0)
		assert_string_equal(half.text, "192.0.2.2 ");
	else
		assert_true(half.down);
	ocu_dns_free(d);
	dnsd_free(s);
}

/* A nameserver that needs long is waited for, also when it was fast before. */
static void slow(void **state)
{
	static const char *const hosts[] = { "d400.test", "d1500.test", "d4000.test" };
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k[COUNT(hosts)];
	char host[32];
	size_t i;

	(void)state;
	set(s, "* a=192.0.2.1");
	set(s, "d400.test a=192.0.2.2 delay=400");
	set(s, "d1500.test a=192.0.2.3 delay=1500");
	set(s, "d4000.test a=192.0.2.4 delay=4000");
	for (i = 0; i < 20; i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask_wait(d, &k[0], host, OCU_IPV4);
	}
	for (i = 0; i < COUNT(hosts); i++)
		ask(d, &k[i], hosts[i], OCU_IPV4);
	assert_int_equal(ocu_dns_asked(k[2].q), 1);
	for (i = 0; i < COUNT(hosts); i++) {
		await(&k[i]);
		snprintf(host, sizeof(host), "192.0.2.%zu ", i + 2);
		assert_string_equal(k[i].text, host);
		assert_int_equal(k[i].asked, 1);
	}
	assert_int_equal(dnsd_count(s, "d400.test"), 1);
	/* A datagram may be lost: it is sent again, but not for ever. */
	assert_int_equal(dnsd_count(s, "d4000.test"), OCU_DNS_ROUNDS);
	ocu_dns_free(d);
	dnsd_free(s);
}

/* Who begins to wait gives a question more time: it ends for all when the last one had his. */
static void prolonged(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns_conf conf = { .limit_ms = 600, .rounds = 1 };
	struct ask first, clock, second;
	struct ocu_dns *d;
	char csv[64];

	(void)state;
	snprintf(csv, sizeof(csv), "127.0.0.1:%u", dnsd_port(s));
	conf.nameservers = csv;
	d = dns_make(&conf);
	set(s, "a.test a=192.0.2.1 delay=900");
	set(s, "clock.test a=192.0.2.2 delay=400");
	ask(d, &first, "a.test", OCU_IPV4);
	ask_wait(d, &clock, "clock.test", OCU_IPV4);
	ask(d, &second, "a.test", OCU_IPV4);
	await(&first);
	await(&second);
	assert_string_equal(first.text, "192.0.2.1 ");
	assert_string_equal(second.text, "192.0.2.1 ");
	/* Alone it would have ended. */
	set(s, "b.test a=192.0.2.1 delay=900");
	ask_wait(d, &first, "b.test", OCU_IPV4);
	assert_string_equal(first.reason, "A: no nameserver answered");
	assert_true(first.down);
	assert_int_equal(first.asked, 1);
	ocu_dns_free(d);
	dnsd_free(s);
}

/* Answers each question that comes to a socket: there is no such name. */
static void v6_cb(struct ev_loop *l, ev_io *w, int revents)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t query[512];
	ssize_t n;

	(void)l;
	(void)revents;
	n = recvfrom(w->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &len);
	assert_true(n > 12);
	query[2] = 0x81;
	query[3] = 0x83;
	assert_int_equal(sendto(w->fd, query, (size_t)n, 0, (struct sockaddr *)&from, len), n);
}

/* A nameserver with an IPv6 address and the name of an interface. */
static void nameserver_v6(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	static const char *const zones[] = { "", "%lo", "%1" };
	socklen_t len = sizeof(sin6);
	struct ocu_dns *d;
	char csv[64];
	struct ask k;
	size_t i;
	ev_io io;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin6, &len), 0);
	ev_io_init(&io, v6_cb, fd, EV_READ);
	ev_io_start(loop, &io);
	for (i = 0; i < COUNT(zones); i++) {
		snprintf(csv, sizeof(csv), "[::1%s]:%u", zones[i], ntohs(sin6.sin6_port));
		d = dns_new(csv);
		ask_wait(d, &k, "a.test", OCU_IPV6);
		assert_string_equal(k.reason, "no such name");
		ocu_dns_free(d);
	}
	ev_io_stop(loop, &io);
	close(fd);
	/* Without its interface a link-local address cannot be reached; this is seen at once. */
	d = dns_new("[fe80::1%nosuch0]:53");
	ask_wait(d, &k, "a.test", OCU_IPV6);
	assert_true(k.down);
	assert_string_equal(k.reason, "AAAA: all nameservers failed: not reachable");
	ocu_dns_free(d);
}

/* Over TCP alone, by the configuration; and a nameserver that is deaf for UDP is not reached. */
static void tcp_alone(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns_conf conf = { .limit_ms = 2000 };
	struct dnsd_stats st;
	struct ocu_dns *d;
	struct ask k;
	char csv[64];

	(void)state;
	snprintf(csv, sizeof(csv), "tcp@127.0.0.1:%u", dnsd_port(s));
	conf.nameservers = csv;
	d = dns_make(&conf);
	set(s, "a.test a=192.0.2.1 drop-udp");
	ask_wait(d, &k, "a.test", OCU_IPV4);
	assert_string_equal(k.text, "192.0.2.1 ");
	dnsd_stats(s, &st);
	assert_int_equal(st.tcp, 1);
	assert_int_equal(st.queries, 1);
	ocu_dns_free(d);
	dnsd_free(s);
}

/* What is announced is what is taken; the rest comes over TCP. */
static void payload(void **state)
{
	static const struct {
		unsigned bytes, announced;
		bool tcp;
	} rows[] = {
		{ 0, 512, true },
		{ 512, 512, true },
		{ 600, 600, true },
		{ 1400, 1400, false },
		{ 100, 512, true },
		{ 60000, 4096, false },
	};
	struct ocu_dns_conf conf = { .limit_ms = 2000 };
	struct dnsd_stats st;
	struct ocu_dns *d;
	struct dnsd *s;
	char csv[64];
	struct ask k;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		s = dnsd_new();
		snprintf(csv, sizeof(csv), "127.0.0.1:%u", dnsd_port(s));
		conf.nameservers = csv;
		conf.payload_bytes = rows[i].bytes;
		d = dns_make(&conf);
		set(s, "big.test a=127.0.0.2+40"); /* more than 600 bytes, less than 1400 */
		ask_wait(d, &k, "big.test", OCU_IPV4);
		assert_int_equal(k.n, OCU_DNS_ADDRESSES_MAX);
		dnsd_stats(s, &st);
		assert_int_equal(st.payload, rows[i].announced);
		assert_int_equal(st.tcp, rows[i].tcp);
		ocu_dns_free(d);
		dnsd_free(s);
	}
}

/* Both families are two questions; one that is late does not hold up the other. */
static void families_are_apart(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask v4, v6;

	(void)state;
	set(s, "a.test a=192.0.2.1 aaaa=::1 drop-a");
	ask(d, &v4, "a.test", OCU_IPV4);
	ask(d, &v6, "a.test", OCU_IPV6);
	await(&v6);
	assert_string_equal(v6.text, "::1 ");
	assert_int_equal(v4.answers, 0);
	ocu_dns_cancel(v4.q);
	assert_true(v4.cancelled);
	ocu_dns_free(d);
	dnsd_free(s);
}

static void truncated(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct dnsd_stats st;
	struct ask k;

	(void)state;
	set(s, "big.test a=127.0.0.2+200 truncate");
	ask_wait(d, &k, "big.test", OCU_IPV4);
	assert_int_equal(k.n, OCU_DNS_ADDRESSES_MAX);
	assert_memory_equal(k.text, "127.0.0.2 127.0.0.3 ", 20);
	dnsd_stats(s, &st);
	assert_int_equal(st.truncated, 1);
	assert_int_equal(st.tcp, 1);
	ocu_dns_free(d);
	dnsd_free(s);
}

/* The first nameserver is dead: silent, failing, or there is nothing at its port. */
static void failover(void **state)
{
	struct dnsd *dead = dnsd_new(), *good = dnsd_new();
	struct ocu_dns *d;
	struct ask k;
	int64_t begun;
	char csv[64];
	int how;

	(void)state;
	set(good, "a.test a=192.0.2.1");
	for (how = 0; how < 3; how++) {
		dnsd_mute(dead, how == 0);
		set(dead, "a.test code=2");
		snprintf(csv, sizeof(csv), "127.0.0.1:%u,127.0.0.1:%u", dnsd_port(dead),
			 dnsd_port(good));
		if (how == 2)
			dnsd_free(dead);
		d = dns_new(csv);
		begun = ocu_now_ms();
		ask_wait(d, &k, "a.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.1 ");
		/* Half of the deadline of a fetch, whatever the machine does beside. */
		assert_true(ocu_now_ms() - begun < 5000);
		ocu_dns_free(d);
	}
	dnsd_free(good);
}

/* Who is to be waited for longer than others are is: the next one is asked after try_ms, however
 * often something else is looked after meanwhile.
 */
static void patient(void **state)
{
	struct dnsd *slow_one = dnsd_new(), *next = dnsd_new();
	struct ocu_dns_conf conf = { .try_ms = 60000, .limit_ms = 60000 };
	struct ocu_dns *d;
	struct ask k;
	char csv[64];

	(void)state;
	set(slow_one, "a.test a=192.0.2.1 delay=2500");
	set(next, "a.test a=192.0.2.2");
	snprintf(csv, sizeof(csv), "127.0.0.1:%u,127.0.0.1:%u", dnsd_port(slow_one),
		 dnsd_port(next));
	conf.nameservers = csv;
	d = dns_make(&conf);
	ask_wait(d, &k, "a.test", OCU_IPV4);
	assert_string_equal(k.text, "192.0.2.1 ");
	assert_int_equal(k.asked, 1);
	assert_int_equal(dnsd_count(slow_one, "a.test"), 1);
	assert_int_equal(dnsd_count(next, "a.test"), 0);
	ocu_dns_free(d);
	dnsd_free(slow_one);
	dnsd_free(next);
}

static void cached(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k;
	int i;

	(void)state;
	set(s, "long.test a=192.0.2.1 ttl=60");
	set(s, "zero.test a=192.0.2.2 ttl=0");
	set(s, "none.test code=3");
	set(s, "alias.test cname=end.test ttl=60");
	set(s, "end.test a=192.0.2.3 ttl=0");
	set(s, "short.test cname=long.test ttl=0");
	for (i = 0; i < 3; i++) {
		ask_wait(d, &k, "long.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.1 ");
		ask_wait(d, &k, "LONG.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.1 ");
		ask_wait(d, &k, "zero.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.2 ");
		ask_wait(d, &k, "none.test", OCU_IPV4);
		assert_string_equal(k.reason, "no such name");
		ask_wait(d, &k, "alias.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.3 ");
		ask_wait(d, &k, "short.test", OCU_IPV4);
		assert_string_equal(k.text, "192.0.2.1 ");
	}
	assert_int_equal(dnsd_count(s, "long.test"), 1);
	assert_int_equal(dnsd_count(s, "zero.test"), 3);
	assert_int_equal(dnsd_count(s, "none.test"), 1);
	/* The shortest TTL on the way counts. */
	assert_int_equal(dnsd_count(s, "alias.test"), 3);
	assert_int_equal(dnsd_count(s, "short.test"), 3);
	/* The other family is another question. */
	ask_wait(d, &k, "long.test", OCU_IPV6);
	assert_int_equal(dnsd_count(s, "long.test"), 2);
	ocu_dns_free(d);
	dnsd_free(s);
}

static void ttl_ends(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k;
	int64_t begun;

	(void)state;
	set(s, "a.test a=192.0.2.1 ttl=1");
	ask_wait(d, &k, "a.test", OCU_IPV4);
	begun = ocu_now_ms();
	set(s, "a.test a=192.0.2.2 ttl=1");
	while (strcmp(k.text, "192.0.2.1 ") == 0) {
		assert_true(ocu_now_ms() - begun < (int64_t)(PATIENCE_S * 1000));
		ask_wait(d, &k, "a.test", OCU_IPV4);
	}
	assert_string_equal(k.text, "192.0.2.2 ");
	assert_true(ocu_now_ms() - begun >= 900);
	assert_int_equal(dnsd_count(s, "a.test"), 2);
	ocu_dns_free(d);
	dnsd_free(s);
}

static void down_is_not_cached(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k;

	(void)state;
	set(s, "a.test code=2");
	ask_wait(d, &k, "a.test", OCU_IPV4);
	assert_true(k.down);
	set(s, "a.test a=192.0.2.1");
	ask_wait(d, &k, "a.test", OCU_IPV4);
	assert_string_equal(k.text, "192.0.2.1 ");
	ocu_dns_free(d);
	dnsd_free(s);
}

/* The cache is bounded: the oldest answer is asked for again, the newest is not. */
static void cache_bound(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	char host[32], last[32];
	struct ask k;
	int i;

	(void)state;
	set(s, "* a=192.0.2.1 ttl=600");
	for (i = 0; i < OCU_DNS_CACHE_MAX + 10; i++) {
		snprintf(host, sizeof(host), "h%d.test", i);
		ask_wait(d, &k, host, OCU_IPV4);
		assert_int_equal(k.n, 1);
	}
	memcpy(last, host, sizeof(last));
	ask_wait(d, &k, last, OCU_IPV4);
	assert_int_equal(dnsd_count(s, last), 1);
	ask_wait(d, &k, "h0.test", OCU_IPV4);
	assert_int_equal(dnsd_count(s, "h0.test"), 2);
	ocu_dns_free(d);
	dnsd_free(s);
}

static void shared(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k[50];
	size_t i;

	(void)state;
	set(s, "a.test a=192.0.2.1 delay=50");
	for (i = 0; i < COUNT(k); i++)
		ask(d, &k[i], "a.test", OCU_IPV4);
	/* One that goes away does not take the others with it. */
	ocu_dns_cancel(k[0].q);
	assert_true(k[0].cancelled);
	for (i = 1; i < COUNT(k); i++) {
		await(&k[i]);
		assert_string_equal(k[i].text, "192.0.2.1 ");
	}
	assert_int_equal(k[0].answers, 1);
	assert_int_equal(dnsd_count(s, "a.test"), 1);
	ocu_dns_free(d);
	dnsd_free(s);
}

static void many(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	static struct ask k[400];
	char host[32];
	size_t i;

	(void)state;
	set(s, "* a=192.0.2.1 delay=10");
	for (i = 0; i < COUNT(k); i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask(d, &k[i], host, OCU_IPV4);
	}
	for (i = 0; i < COUNT(k); i++) {
		await(&k[i]);
		assert_string_equal(k[i].text, "192.0.2.1 ");
	}
	ocu_dns_free(d);
	dnsd_free(s);
}

static void without_a_nameserver(void **state)
{
	static const char *const hosts[] = { "localhost", "LOCALHOST", "a.localhost" };
	struct ocu_dns *d = dns_new("");
	struct ask k;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(hosts); i++) {
		ask_wait(d, &k, hosts[i], OCU_IPV4);
		assert_string_equal(k.text, "127.0.0.1 ");
		ask_wait(d, &k, hosts[i], OCU_IPV6);
		assert_string_equal(k.text, "::1 ");
	}
	ask_wait(d, &k, "notlocalhost", OCU_IPV4);
	assert_true(k.down);
	assert_string_equal(k.reason, "no nameserver is configured");
	ocu_dns_free(d);
	d = dns_new(NULL);
	ask_wait(d, &k, "a.test", OCU_IPV6);
	assert_true(k.down);
	ocu_dns_free(d);
}

static void wrong_nameservers(void **state)
{
	static const char *const lists[] = { "nonsense", "127.0.0.1:53,,x" };
	struct ocu_dns_conf conf = { .system = false };
	struct ocu_dns *d;
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lists); i++) {
		conf.nameservers = lists[i];
		assert_int_equal(ocu_dns_new(&d, loop, &conf, &err), OCU_DNS);
		assert_null(d);
		assert_non_null(strstr(err.msg, lists[i]));
	}
	ocu_dns_free(NULL);
}

/* Finds a name in the hosts file that is not a localhost; false if it has none. */
static bool name_of_hosts_file(char *out, size_t n)
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[512], *word, *save;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		word = strtok_r(line, " \t\n", &save);
		if (!word || *word == '#')
			continue;
		while (!found && (word = strtok_r(NULL, " \t\n", &save)) && *word != '#') {
			found = !strstr(word, "localhost");
			snprintf(out, n, "%s", word);
		}
	}
	if (f)
		fclose(f);
	return found;
}

/* What the hosts file names has to come from DNS, and no search list is tried. */
static void only_dns(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	char name[256];
	struct ask k;

	(void)state;
	ask_wait(d, &k, "single", OCU_IPV4);
	assert_string_equal(k.reason, "no such name");
	assert_int_equal(dnsd_count(s, NULL), 1);
	if (name_of_hosts_file(name, sizeof(name))) {
		ask_wait(d, &k, name, OCU_IPV4);
		assert_string_equal(k.reason, "no such name");
		assert_int_equal(dnsd_count(s, name), 1);
	}
	ocu_dns_free(d);
	dnsd_free(s);
}

/* ---- the system's files, in a directory of the test ---- */

struct system {
	char path[32];
	int dir;
	struct dnsd *s;
	struct ocu_dns *d;
};

static void file_write(const struct system *y, const char *name, const char *text)
{
	int fd = openat(y->dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(renameat(y->dir, "new", y->dir, name), 0);
}

/* Writes a resolv.conf with <server>, and <more> behind it. */
static void resolv_write(const struct system *y, const struct dnsd *server, const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "# of a test\nnameserver [127.0.0.1]:%u\n%s",
		 dnsd_port(server), more);
	file_write(y, "resolv.conf", text);
}

static void system_open(struct system *y)
{
	struct ocu_err err;
	int fd;

	memcpy(y->path, "/tmp/ocu-dns-XXXXXX", 20);
	assert_non_null(mkdtemp(y->path));
	assert_int_equal(ocu_etc_open(&fd, y->path, &err), OCU_OK);
	y->dir = fd;
	y->s = dnsd_new();
	y->d = NULL;
}

static void system_start(struct system *y)
{
	y->d = dns_make(&(struct ocu_dns_conf){ .system = true, .etc = y->dir, .try_ms = 100,
						.limit_ms = 20000 });
}

static void system_close(struct system *y)
{
	ocu_dns_free(y->d);
	dnsd_free(y->s);
	(void)unlinkat(y->dir, "resolv.conf", 0);
	(void)unlinkat(y->dir, "hosts", 0);
	close(y->dir);
	assert_int_equal(rmdir(y->path), 0);
}

static void hosts_file(void **state)
{
	static const struct {
		const char *host;
		enum ocu_family family;
		const char *text, *reason;
	} rows[] = {
		{ "one.test", OCU_IPV4, "192.0.2.1 ", "" },
		{ "ALIAS.test", OCU_IPV4, "192.0.2.1 192.0.2.9 ", "" },
		{ "alias.test", OCU_IPV6, "2001:db8::1 ", "" },
		{ "one.test", OCU_IPV6, "", "no IPv6 address in the hosts file" },
		{ "other.test", OCU_IPV4, "192.0.2.77 ", "" },
		{ "localhost", OCU_IPV4, "127.0.0.1 ", "" },
	};
	struct system y;
	struct ask k;
	size_t i;

	(void)state;
	system_open(&y);
	set(y.s, "* a=192.0.2.77 aaaa=::77");
	resolv_write(&y, y.s, "");
	file_write(&y, "hosts", "192.0.2.1 one.test alias.test # and so on\n"
		   "2001:db8::1 alias.test\n192.0.2.9\talias.test\n192.0.2.3 localhost\n");
	system_start(&y);
	for (i = 0; i < COUNT(rows); i++) {
		ask_wait(y.d, &k, rows[i].host, rows[i].family);
		assert_string_equal(k.text, rows[i].text);
		assert_string_equal(k.reason, rows[i].reason);
		assert_false(k.down);
	}
	assert_int_equal(dnsd_count(y.s, NULL), 1);
	system_close(&y);
}

static void search_list(void **state)
{
	static const struct {
		const char *host, *text, *reason;
	} rows[] = {
		{ "short", "192.0.2.1 ", "" },      /* in the second domain */
		{ "top", "192.0.2.2 ", "" },        /* in none, but as it is */
		{ "a.dot", "192.0.2.3 ", "" },      /* has a dot: as it is */
		{ "none.dot", "", "no such name" }, /* and not in the list */
		{ "six", "", "no A record" },       /* there, with another record */
		{ "none", "", "no such name" },
	};
	struct system y;
	struct ask k;
	size_t i;

	(void)state;
	system_open(&y);
	set(y.s, "short.second.test a=192.0.2.1");
	set(y.s, "top a=192.0.2.2");
	set(y.s, "a.dot a=192.0.2.3");
	set(y.s, "none.dot.first.test a=192.0.2.4");
	set(y.s, "six.first.test aaaa=::6");
	resolv_write(&y, y.s, "search first.test second.test\n");
	system_start(&y);
	for (i = 0; i < COUNT(rows); i++) {
		ask_wait(y.d, &k, rows[i].host, OCU_IPV4);
		assert_string_equal(k.text, rows[i].text);
		assert_string_equal(k.reason, rows[i].reason);
	}
	assert_int_equal(dnsd_count(y.s, "short.first.test"), 1);
	assert_int_equal(dnsd_count(y.s, "a.dot.first.test"), 0);
	assert_int_equal(dnsd_count(y.s, "none.dot.first.test"), 0);
	/* A nameserver that is down ends the search: the name may well be there. */
	dnsd_mute(y.s, true);
	ask(y.d, &k, "muted", OCU_IPV4);
	assert_true(dnsd_wait(y.s, "muted.first.test", 1, 30000));
	ocu_dns_cancel(k.q);
	assert_int_equal(dnsd_count(y.s, "muted.second.test"), 0);
	system_close(&y);
}

/* A question that is under way finds the nameserver that resolv.conf names meanwhile. */
static void repaired(void **state)
{
	struct dnsd *dead = dnsd_new();
	struct system y;
	struct ask k, again;

	(void)state;
	dnsd_mute(dead, true);
	system_open(&y);
	set(y.s, "a.test a=192.0.2.1 ttl=60");
	set(dead, "a.test a=192.0.2.2 ttl=60");
	/* There is no file at all at first. */
	system_start(&y);
	ask_wait(y.d, &k, "a.test", OCU_IPV4);
	assert_true(k.down);
	assert_int_equal(k.asked, 0);
	assert_string_equal(k.reason, "no nameserver is configured");
	system_close(&y);
	system_open(&y);
	set(y.s, "a.test a=192.0.2.1 ttl=60");
	resolv_write(&y, dead, "");
	system_start(&y);
	ask(y.d, &k, "a.test", OCU_IPV4);
	assert_true(dnsd_wait(dead, "a.test", 1, 30000));
	resolv_write(&y, y.s, "");
	await(&k);
	assert_string_equal(k.text, "192.0.2.1 ");
	ask_wait(y.d, &again, "a.test", OCU_IPV4);
	assert_string_equal(again.text, "192.0.2.1 ");
	assert_int_equal(dnsd_count(y.s, "a.test"), 1);
	system_close(&y);
	dnsd_free(dead);
}

/* More questions at a time than there may be sockets, some of them without an answer. */
static void few_sockets(void **state)
{
	struct dnsd *dead = dnsd_new(), *good = dnsd_new();
	static struct ask k[3 * OCU_DNS_SOCKETS_MAX];
	struct ocu_dns_conf conf = { .try_ms = 50, .limit_ms = 20000 };
	struct ocu_dns *d;
	char csv[64], host[32];
	int before = n_fds();
	size_t i;

	(void)state;
	dnsd_mute(dead, true);
	set(good, "* a=192.0.2.1 delay=20");
	snprintf(csv, sizeof(csv), "127.0.0.1:%u,127.0.0.1:%u", dnsd_port(dead), dnsd_port(good));
	conf.nameservers = csv;
	d = dns_make(&conf);
	for (i = 0; i < COUNT(k); i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask(d, &k[i], host, OCU_IPV4);
	}
	assert_true(n_fds() - before <= OCU_DNS_FDS);
	for (i = 0; i < COUNT(k); i++) {
		await(&k[i]);
		assert_string_equal(k[i].text, "192.0.2.1 ");
		assert_int_equal(k[i].asked, 2);
	}
	ocu_dns_free(d);
	dnsd_free(dead);
	dnsd_free(good);
}

static void asks_from_the_callback(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k, next = { .n = 0 };
	int i;

	(void)state;
	set(s, "a.test a=192.0.2.1 ttl=60");
	set(s, "b.test a=192.0.2.2 ttl=60");
	for (i = 0; i < 2; i++) {
		ask(d, &k, "a.test", OCU_IPV4);
		memset(&next, 0, sizeof(next));
		k.dns = d;
		k.next = &next;
		await(&next);
		assert_string_equal(next.text, "192.0.2.2 ");
	}
	ocu_dns_free(d);
	dnsd_free(s);
}

/* At each point: not sent yet, under way, answered but not handed out; and by the resolver's end.
 */
static void cancelled(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k, under_way, ready;

	(void)state;
	set(s, "drop.test drop");
	set(s, "a.test a=192.0.2.1 ttl=60");
	ask(d, &k, "a.test", OCU_IPV4);
	ocu_dns_cancel(k.q);
	assert_true(k.cancelled);
	/* Its answer comes all the same, and is of use to the next one. */
	assert_true(dnsd_wait(s, "a.test", 1, 30000));
	ask_wait(d, &k, "a.test", OCU_IPV4);
	assert_int_equal(dnsd_count(s, "a.test"), 1);
	ask(d, &ready, "a.test", OCU_IPV4);
	ocu_dns_cancel(ready.q);
	assert_true(ready.cancelled);
	ask(d, &ready, "a.test", OCU_IPV4);
	ask(d, &under_way, "drop.test", OCU_IPV6);
	assert_true(dnsd_wait(s, "drop.test", 1, 30000));
	ocu_dns_free(d);
	assert_int_equal(ready.answers, 1);
	assert_true(ready.cancelled);
	assert_int_equal(under_way.answers, 1);
	assert_true(under_way.cancelled);
	dnsd_free(s);
}

static void system_servers(void **state)
{
	struct ocu_buf b;
	struct ocu_err err;
	struct ocu_dns *d;

	(void)state;
	ocu_buf_init(&b, 1024);
	assert_int_equal(ocu_dns_system_servers(&b, &err), OCU_OK);
	assert_int_equal(ocu_buf_add(&b, "", 1), OCU_OK);
	/* Whatever it is here, it can be used. */
	d = dns_new((const char *)b.data);
	ocu_dns_free(d);
	ocu_buf_fini(&b);
	assert_true(strlen(ocu_dns_version()) >= 5);
}

static int leaves_no_fds(void **state)
{
	static int before;

	if (*state == NULL) {
		before = n_fds();
		*state = &before;
		return 0;
	}
	return n_fds() != before;
}

static int fds_before(void **state)
{
	*state = NULL;
	return leaves_no_fds(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fds_before, leaves_no_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(garbage),
		TEST(slow),
		TEST(prolonged),
		TEST(nameserver_v6),
		TEST(tcp_alone),
		TEST(payload),
		TEST(families_are_apart),
		TEST(truncated),
		TEST(failover),
		TEST(patient),
		TEST(cached),
		TEST(ttl_ends),
		TEST(down_is_not_cached),
		TEST(cache_bound),
		TEST(shared),
		TEST(many),
		TEST(without_a_nameserver),
		TEST(wrong_nameservers),
		TEST(only_dns),
		TEST(hosts_file),
		TEST(search_list),
		TEST(repaired),
		TEST(few_sockets),
		TEST(asks_from_the_callback),
		TEST(cancelled),
		TEST(system_servers),
	};
	int rc;

	loop = ev_loop_new(EVFLAG_AUTO);
	if (!loop)
		return 1;
	/* libev opens some of its own the first time it runs. */
	ev_run(loop, EVRUN_NOWAIT);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ev_loop_destroy(loop);
	return rc;
}
