/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dns.c - answers of a nameserver: dns.c, with c-ares below it, asks a socket of this process,
 * over UDP and TCP, and is answered with the input. Whatever that is, each question ends once, with
 * addresses of its family or with a reason. Asks nobody else.
 *
 * Input: a byte of flags, then the answer without its id: 10 bytes of header, and, after the
 * question, which is copied from the query, the records.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "ocu/dns.h"

#define HEAD 12          /* of a message */
#define MESSAGE_MAX 4096
#define UDP_MAX 512      /* RFC 1035 section 2.3.4 */
#define CONNS_MAX 4
#define PATIENCE_S 20.
#define LIMIT_MS 500      /* of a question that gets no answer */

/* Flags of an input. */
#define OWN_QUESTION 1   /* the question is the input's, too */
#define OWN_ID 2         /* the id is another one */
#define CUT_TCP 4        /* over TCP the length says one byte more */

/* One connection over TCP; fd is -1 while it is not in use. */
struct conn {
	ev_io io;
	int fd;
	uint8_t query[MESSAGE_MAX + 2];
	size_t n;
};

/* A question and its answer. */
struct ask {
	struct ocu_dns_query *q;
	enum ocu_family family;
	int answers;
	size_t n;
	uint64_t sum; /* of the addresses, to compare two answers */
};

static struct ev_loop *loop;
static ev_io udp, tcp;
static struct conn conns[CONNS_MAX];
static char server[32];
static const uint8_t *input;
static size_t input_n;
static uint8_t flags;
static int left;    /* questions that wait for their answer */
static int queries; /* that came to the nameserver */

/* Writes the answer to <query> as the input wants it into <out>, which has room for all of it. */
static size_t answer(uint8_t *out, const uint8_t *query, size_t n)
{
	size_t fixed = input_n < HEAD - 2 ? input_n : HEAD - 2, len = HEAD;

	queries++;
	memset(out, 0, HEAD);
	memcpy(out, query, 2);
	out[1] ^= flags & OWN_ID ? 1 : 0;
	memcpy(out + 2, input, fixed);
	out[2] |= 0x80; /* it is an answer */
	if (!(flags & OWN_QUESTION)) {
		/* One question, which ends with the first zero and four bytes. */
		len += strnlen((const char *)query + HEAD, n - HEAD) + 5;
		len = len < n ? len : n;
		memcpy(out + HEAD, query + HEAD, len - HEAD);
		out[4] = 0;
		out[5] = 1;
	}
	memcpy(out + len, input + fixed, input_n - fixed);
	return len + input_n - fixed;
}

/* Turns <query> into an answer that any resolver takes: the name does not exist. */
static size_t last_answer(uint8_t *out, const uint8_t *query, size_t n)
{
	size_t len = HEAD + strnlen((const char *)query + HEAD, n - HEAD) + 5;

	memset(out, 0, HEAD);
	len = len < n ? len : n;
	memcpy(out, query, len);
	out[2] = 0x81;
	out[3] = 0x83;
	memset(out + 6, 0, HEAD - 6);
	return len;
}

static void udp_cb(struct ev_loop *l, ev_io *w, int revents)
{
	uint8_t query[MESSAGE_MAX], out[2 * MESSAGE_MAX];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	size_t out_n;
	ssize_t n;

	(void)l;
	(void)revents;
	while ((n = recvfrom(w->fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &len)) >= HEAD) {
		out_n = answer(out, query, (size_t)n);
		(void)sendto(w->fd, out, out_n, 0, (struct sockaddr *)&from, len);
		/* Who does not take the first one ends with the second, and need not wait. Who is
		 * told that it was cut asks over TCP.
		 */
		if ((flags & (OWN_ID | OWN_QUESTION)) || !(out[2] & 2 || out_n > UDP_MAX))
			(void)sendto(w->fd, out, last_answer(out, query, (size_t)n), 0,
				     (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

static void conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	ev_io_stop(loop, &c->io);
	close(c->fd);
	c->fd = -1;
}

static void tcp_send(int fd, uint8_t *out, size_t n, size_t said)
{
	out[0] = (uint8_t)(said >> 8);
	out[1] = (uint8_t)said;
	(void)send(fd, out, n + 2, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void conn_cb(struct ev_loop *l, ev_io *w, int revents)
{
	struct conn *c = w->data;
	uint8_t out[2 * MESSAGE_MAX + 2];
	ssize_t got;
	size_t n;

	(void)l;
	(void)revents;
	got = recv(c->fd, c->query + c->n, sizeof(c->query) - c->n, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		conn_close(c);
		return;
	}
	c->n += (size_t)got;
	while (c->n >= 2 && c->n - 2 >= (n = (size_t)c->query[0] << 8 | c->query[1])) {
		if (n < HEAD) {
			conn_close(c);
			return;
		}
		got = (ssize_t)answer(out + 2, c->query + 2, n);
		tcp_send(c->fd, out, (size_t)got, (size_t)got + (flags & CUT_TCP ? 1 : 0));
		got = (ssize_t)last_answer(out + 2, c->query + 2, n);
		tcp_send(c->fd, out, (size_t)got, (size_t)got);
		c->n -= n + 2;
		memmove(c->query, c->query + n + 2, c->n);
		/* What is cut ends here, or it would be waited for. */
		if (flags & CUT_TCP) {
			conn_close(c);
			return;
		}
	}
}

static void tcp_cb(struct ev_loop *l, ev_io *w, int revents)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	size_t i;

	(void)revents;
	if (fd < 0)
		return;
	for (i = 0; i < CONNS_MAX; i++) {
		if (conns[i].fd >= 0)
			continue;
		conns[i].fd = fd;
		conns[i].n = 0;
		ev_io_init(&conns[i].io, conn_cb, fd, EV_READ);
		conns[i].io.data = &conns[i];
		ev_io_start(l, &conns[i].io);
		return;
	}
	close(fd);
}

/* Opens the nameserver: UDP and TCP on one port. */
static void server_open(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int u, t, tries = 0;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	do {
		sin.sin_port = 0;
		t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		fuzz_must(u >= 0 && t >= 0 && ++tries < 100 &&
			  bind(t, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
			  getsockname(t, (struct sockaddr *)&sin, &len) == 0 && listen(t, 8) == 0,
			  "loopback");
		if (bind(u, (struct sockaddr *)&sin, sizeof(sin)) == 0)
			break;
		close(t);
		close(u);
	} while (true);
	ev_io_init(&udp, udp_cb, u, EV_READ);
	ev_io_init(&tcp, tcp_cb, t, EV_READ);
	ev_io_start(loop, &udp);
	ev_io_start(loop, &tcp);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(sin.sin_port));
}

void fuzz_init(void)
{
	size_t i;

	loop = ev_loop_new(0);
	fuzz_must(loop != NULL, "loop");
	for (i = 0; i < CONNS_MAX; i++)
		conns[i].fd = -1;
	server_open();
}

/* ---- seeds ---- */

#define NAME "\xc0\x0c"
#define A(ttl) NAME "\0\1\0\1" ttl "\0\4\xc0\0\2\1"
#define AAAA(ttl) NAME "\0\x1c\0\1" ttl "\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define TTL "\0\0\0\x3c"
#define SEED(s) { "\0" s, sizeof(s) }

void fuzz_seeds(void)
{
	static const struct {
		const char *p;
		size_t n;
	} seeds[] = {
		SEED("\x81\x80\0\1\0\1\0\0\0\0" A(TTL)),
		SEED("\x81\x80\0\1\0\1\0\0\0\0" AAAA(TTL)),
		SEED("\x81\x80\0\1\0\4\0\0\0\0" A(TTL) AAAA(TTL) A("\xff\xff\xff\xff") A(TTL)),
		/* an alias, and the address of what it stands for */
		SEED("\x81\x80\0\1\0\3\0\0\0\0" NAME "\0\5\0\1" TTL "\0\3\1b\0"
		     "\1b\0\0\1\0\1" TTL "\0\4\xc0\0\2\2" "\1b\0\0\x1c\0\1" TTL
		     "\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2"),
		/* an alias of itself, without an address */
		SEED("\x81\x80\0\1\0\1\0\0\0\0" NAME "\0\5\0\1" TTL "\0\2" NAME),
		/* no such name, no such record, both with the SOA */
		SEED("\x81\x83\0\1\0\0\0\1\0\0" NAME "\0\6\0\1" TTL
		     "\0\x18\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
		SEED("\x81\x80\0\1\0\0\0\1\0\0" NAME "\0\6\0\1" TTL
		     "\0\x18\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
		SEED("\x81\x82\0\1\0\0\0\0\0\0"),
		SEED("\x81\x85\0\1\0\0\0\0\0\0"),
		SEED("\x81\x81\0\1\0\0\0\0\0\0"),
		/* cut: over TCP again */
		SEED("\x83\x80\0\1\0\0\0\0\0\0"),
		/* of another name, of another class, too short for its length */
		SEED("\x81\x80\0\1\0\1\0\0\0\0" "\1x\0\0\1\0\1" TTL "\0\4\xc0\0\2\1"),
		SEED("\x81\x80\0\1\0\1\0\0\0\0" NAME "\0\1\0\3" TTL "\0\4\xc0\0\2\1"),
		SEED("\x81\x80\0\1\0\1\0\0\0\0" NAME "\0\1\0\1" TTL "\0\5\xc0\0\2\1"),
		SEED("\x81\x80\0\1\0\1\0\0\0\1" A(TTL) "\0\0\x29\4\xd0\0\0\0\0\0\0"),
		SEED(""),
	};
	uint8_t all[2 * HEAD + 32 * (sizeof(A(TTL)) - 1)];
	size_t n, i, more;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		fuzz_seed(seeds[i].p, 1, seeds[i].p + 1, seeds[i].n - 1);
	/* more addresses than are looked at, over UDP and over TCP */
	for (more = 20; more <= 32; more += 12) {
		memcpy(all, "\0\x81\x80\0\1\0\0\0\0\0\0", 11);
		all[6] = (uint8_t)more;
		for (n = 11, i = 0; i < more; i++, n += sizeof(A(TTL)) - 1) {
			memcpy(all + n, A(TTL), sizeof(A(TTL)) - 1);
			all[n + sizeof(A(TTL)) - 2] = (uint8_t)i;
		}
		fuzz_seed(all, 1, all + 1, n - 1);
	}
	/* cut over UDP, and the length is wrong over TCP */
	all[0] = CUT_TCP;
	fuzz_seed(all, 1, all + 1, n - 1);
}

/* ---- one input ---- */

static void check(const struct ask *k, const struct ocu_dns_answer *a)
{
	int af = k->family == OCU_IPV6 ? AF_INET6 : AF_INET;
	size_t i;

	fuzz_must(a->n <= OCU_DNS_ADDRESSES_MAX, "too many addresses");
	fuzz_must(fuzz_is_clean(a->why.msg), "reason");
	fuzz_must((a->n > 0) == (a->why.code == OCU_OK), "addresses or a reason");
	fuzz_must(a->n || a->why.code == OCU_DNS, "status");
	fuzz_must(a->n || a->why.msg[0], "no reason");
	fuzz_must(!(a->n && a->down), "addresses while DNS is down");
	fuzz_must(a->family == k->family, "family of the answer");
	for (i = 0; i < a->n; i++)
		fuzz_must(a->addrs[i].ss_family == af, "family of an address");
}

static void ask_cb(void *arg, const struct ocu_dns_answer *a)
{
	struct ask *k = arg;
	size_t i, j;

	k->q = NULL;
	fuzz_must(++k->answers == 1, "answered twice");
	left--;
	fuzz_must(a != NULL, "cancelled by nobody");
	check(k, a);
	k->n = a->n;
	for (i = 0; i < a->n; i++) {
		for (j = 0; j < sizeof(a->addrs[i]); j++)
			k->sum = k->sum * 31 + ((const uint8_t *)&a->addrs[i])[j];
	}
}

static void patience_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	fuzz_must(false, "a question does not end");
}

static void ask(struct ocu_dns *d, struct ask *k, enum ocu_family family)
{
	*k = (struct ask){ .family = family };
	left++;
	fuzz_must(ocu_dns_start(&k->q, d, "name.test", family, ask_cb, k) == OCU_OK, "start");
	fuzz_must(k->answers == 0, "answered from inside of the start");
}

static void await(void)
{
	ev_timer patience;

	ev_now_update(loop);
	ev_timer_init(&patience, patience_cb, PATIENCE_S, 0.);
	ev_timer_start(loop, &patience);
	while (left)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &patience);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ocu_dns_conf conf = { .nameservers = server, .limit_ms = LIMIT_MS };
	struct ask first[2], again[2];
	struct ocu_dns *d;
	size_t i;

	if (n == 0 || n > MESSAGE_MAX - 512)
		return 0;
	flags = data[0];
	input = data + 1;
	input_n = n - 1;
	fuzz_must(ocu_dns_new(&d, loop, &conf, NULL) == OCU_OK, "resolver");
	ask(d, &first[0], OCU_IPV4);
	ask(d, &first[1], OCU_IPV6);
	await();
	queries = 0;
	ask(d, &again[0], OCU_IPV4);
	ask(d, &again[1], OCU_IPV6);
	await();
	/* The id is random, and a name in the answer can point to it: asked anew, another one may
	 * come.
	 */
	for (i = 0; i < 2 && !queries; i++)
		fuzz_must(first[i].n == again[i].n && first[i].sum == again[i].sum,
			  "the second answer is another one");
	ocu_dns_free(d);
	for (i = 0; i < CONNS_MAX; i++)
		conn_close(&conns[i]);
	return 0;
}
