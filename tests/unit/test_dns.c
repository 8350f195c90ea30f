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
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dnsd.h"
#include "ocu/dns.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_S 30. /* a test that takes longer is stuck */

static struct ev_loop *loop;

/* One question and what came of it. */
struct ask {
	struct ocu_dns_query *q;
	int answers;            /* how often the callback ran */
	bool cancelled, down;
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

static struct ocu_dns *dns_new(const char *servers)
{
	struct ocu_dns *d;
	struct ocu_err err;

	if (ocu_dns_new(&d, loop, servers, &err) != OCU_OK)
		fail_msg("%s", err.msg);
	return d;
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
		  "A: all nameservers failed" },
		{ "refused.test code=5", "refused.test", OCU_IPV6, "", true,
		  "AAAA: all nameservers failed" },
		{ "drop.test drop", "drop.test", OCU_IPV4, "", true,
		  "A: no nameserver answered" },
		{ "other.test a=192.0.2.7 owner=evil.test", "other.test", OCU_IPV4, "", false,
		  "no A record" },
	};
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k;
	size_t i;

	(void)state;
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

static void garbage(void **state)
{
	struct dnsd *s = dnsd_new();
	struct ocu_dns *d = dns_of(s, NULL);
	struct ask k;

	(void)state;
	set(s, "bad.test garbage");
	ask_wait(d, &k, "bad.test", OCU_IPV4);
	assert_int_equal(k.n, 0);
	assert_true(k.down);
	ocu_dns_free(d);
	dnsd_free(s);
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
	struct ocu_dns *d;
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lists); i++) {
		assert_int_equal(ocu_dns_new(&d, loop, lists[i], &err), OCU_DNS);
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
		TEST(families_are_apart),
		TEST(truncated),
		TEST(failover),
		TEST(cached),
		TEST(ttl_ends),
		TEST(down_is_not_cached),
		TEST(cache_bound),
		TEST(shared),
		TEST(many),
		TEST(without_a_nameserver),
		TEST(wrong_nameservers),
		TEST(only_dns),
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
