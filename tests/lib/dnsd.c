/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsd.c - a scripted DNS server on 127.0.0.1, UDP and TCP on one port, in a thread of its own.
 * It answers from a table of names, rightly or wrongly, and counts; it asks nobody.
 */
#include "dnsd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 256
#define ADDRS_MAX 256
#define LINE_BYTES 4096
#define ANSWER_MAX_BYTES 16384
#define QUERY_MAX_BYTES 1024
#define UDP_PLAIN_BYTES 512   /* what a client takes that says nothing of it */
#define HEADER_BYTES 12
#define LINKS_MAX 16          /* aliases that are followed */
#define PORT_TRIES 64
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28
#define TYPE_OPT 41
#define CODE_NXDOMAIN 3

/* What is said of one name in one type. */
struct family {
	uint8_t addrs[ADDRS_MAX][16];
	size_t n;
	int delay_ms;
	int code;
	bool drop;
};

struct name {
	struct name *next;
	char name[NAME_BYTES];
	char cname[NAME_BYTES];
	char owner[NAME_BYTES];
	struct family v4, v6;
	uint32_t ttl;
	bool truncate, garbage, garbage_udp, drop_udp;
};

struct asked {
	struct asked *next;
	uint64_t n;
	char name[NAME_BYTES];
};

/* A client that came over TCP. */
struct conn {
	struct dnsd *d;
	struct conn *next, **prev;
	int fd;
	ev_io rd;
	uint8_t in[2 + QUERY_MAX_BYTES];
	size_t n;
};

/* An answer on its way. */
struct reply {
	struct dnsd *d;
	struct reply *next, **prev;
	ev_timer timer;
	struct conn *conn;         /* NULL: over UDP, or gone */
	bool udp;
	struct sockaddr_in to;
	size_t n;
	uint8_t bytes[2 + ANSWER_MAX_BYTES];
};

struct dnsd {
	struct ev_loop *loop;
	ev_async wake;
	ev_io udp_rd, acc;
	int udp, tcp;
	uint16_t port;
	pthread_t thread;
	struct conn *conns;
	struct reply *replies;

	pthread_mutex_t lock;      /* covers what follows */
	pthread_cond_t changed;
	bool stop, mute;
	struct name *names;
	struct asked *asked;
	struct dnsd_stats st;
};

/* A question, as far as it matters here. */
struct question {
	uint16_t id;
	uint16_t type;
	uint8_t rd;                /* "recursion desired", copied into the answer */
	char name[NAME_BYTES];
	size_t end;                /* where it ends in the query */
	size_t udp_bytes;          /* longest answer that is taken over UDP */
};

struct out {
	uint8_t *p;
	size_t n, max;
	bool full;
};

static void fatal(const char *what)
{
	fprintf(stderr, "dnsd: %s: %m\n", what);
	abort();
}

/* ---- the table ---- */

/* One word of addresses: "a,b+200,c". */
static bool addrs_read(struct family *f, int af, char *text)
{
	size_t last = af == AF_INET ? 3 : 15, i;
	char *item, *plus, *save = NULL;
	unsigned long many;
	uint8_t b[16];

	f->n = 0;
	for (item = strtok_r(text, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		plus = strchr(item, '+');
		many = plus ? strtoul(plus + 1, NULL, 10) : 1;
		if (plus)
			*plus = '\0';
		if (inet_pton(af, item, b) != 1)
			return false;
		for (i = 0; i < many && f->n < ADDRS_MAX; i++) {
			memcpy(f->addrs[f->n++], b, last + 1);
			if (++b[last] == 0)
				b[last - 1]++;
		}
	}
	return true;
}

static bool name_read(char out[static NAME_BYTES], const char *text)
{
	size_t n = strlen(text);

	if (n && text[n - 1] == '.')
		n--;
	if (!n || n >= NAME_BYTES)
		return false;
	snprintf(out, NAME_BYTES, "%.*s", (int)n, text);
	return true;
}

/* Reads "key", "key-a" or "key-aaaa" of <word>; says for which types it is. */
static bool word_is(const char *word, const char *key, bool *v4, bool *v6)
{
	size_t n = strlen(key);

	if (strncmp(word, key, n) != 0)
		return false;
	word += n;
	*v4 = !*word || *word == '=' || !strncmp(word, "-a=", 3) || !strcmp(word, "-a");
	*v6 = !*word || *word == '=' || !strncmp(word, "-aaaa", 5);
	return *v4 || *v6;
}

static bool word_read(struct name *e, char *word)
{
	char *value = strchr(word, '=');
	bool v4, v6;
	int num;

	value = value ? value + 1 : word + strlen(word);
	num = (int)strtol(value, NULL, 10);
	if (!strncmp(word, "a=", 2))
		return addrs_read(&e->v4, AF_INET, value);
	if (!strncmp(word, "aaaa=", 5))
		return addrs_read(&e->v6, AF_INET6, value);
	if (!strncmp(word, "cname=", 6))
		return name_read(e->cname, value);
	if (!strncmp(word, "owner=", 6))
		return name_read(e->owner, value);
	if (!strcmp(word, "garbage-udp")) {
		e->garbage_udp = true;
	} else if (!strcmp(word, "drop-udp")) {
		e->drop_udp = true;
	} else if (word_is(word, "delay", &v4, &v6)) {
		e->v4.delay_ms = v4 ? num : e->v4.delay_ms;
		e->v6.delay_ms = v6 ? num : e->v6.delay_ms;
	} else if (word_is(word, "code", &v4, &v6)) {
		e->v4.code = v4 ? num : e->v4.code;
		e->v6.code = v6 ? num : e->v6.code;
	} else if (word_is(word, "drop", &v4, &v6)) {
		e->v4.drop |= v4;
		e->v6.drop |= v6;
	} else if (!strncmp(word, "ttl=", 4)) {
		e->ttl = (uint32_t)strtoul(value, NULL, 10);
	} else if (!strcmp(word, "truncate")) {
		e->truncate = true;
	} else if (!strcmp(word, "garbage")) {
		e->garbage = true;
	} else {
		return false;
	}
	return true;
}

static struct name *name_find(struct dnsd *d, const char *name)
{
	struct name *e, *any = NULL;

	for (e = d->names; e; e = e->next) {
		if (!strcasecmp(e->name, name))
			return e;
		if (!strcmp(e->name, "*"))
			any = e;
	}
	return any;
}

bool dnsd_set(struct dnsd *d, const char *line)
{
	char text[LINE_BYTES], *word, *save = NULL;
	struct name *e = calloc(1, sizeof(*e)), **old, *was;
	bool ok;

	if (!e)
		fatal("calloc");
	snprintf(text, sizeof(text), "%s", line);
	word = strtok_r(text, " ", &save);
	ok = word && name_read(e->name, word);
	while (ok && (word = strtok_r(NULL, " ", &save)))
		ok = word_read(e, word);
	if (!ok) {
		free(e);
		return false;
	}
	pthread_mutex_lock(&d->lock);
	for (old = &d->names; *old && strcasecmp((*old)->name, e->name) != 0; old = &(*old)->next)
		;
	was = *old;
	e->next = was ? was->next : NULL;
	*old = e;
	free(was);
	pthread_mutex_unlock(&d->lock);
	return true;
}

/* ---- answers ---- */

static void put(struct out *o, const void *p, size_t n)
{
	if (n > o->max - o->n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put16(struct out *o, unsigned v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(o, b, 2);
}

static void put_name(struct out *o, const char *name)
{
	uint8_t n;

	while (*name) {
		n = (uint8_t)strcspn(name, ".");
		put(o, &n, 1);
		put(o, name, n);
		name += n + (name[n] == '.');
	}
	put(o, "", 1);
}

static void put_record(struct out *o, const char *owner, unsigned type, uint32_t ttl,
		       const void *data, size_t n)
{
	put_name(o, owner);
	put16(o, type);
	put16(o, 1);
	put16(o, ttl >> 16);
	put16(o, ttl & 0xffff);
	put16(o, (unsigned)n);
	put(o, data, n);
}

static void put_alias(struct out *o, const char *owner, uint32_t ttl, const char *target)
{
	uint8_t buf[NAME_BYTES + 2];
	struct out data = { .p = buf, .max = sizeof(buf) };

	put_name(&data, target);
	put_record(o, owner, TYPE_CNAME, ttl, buf, data.n);
}

/* Puts aliases and addresses; returns how many records that are. */
static unsigned put_records(struct dnsd *d, struct out *o, const struct name *e, uint16_t type,
			    const char *asked)
{
	const struct family *f;
	const char *owner = asked;
	unsigned n = 0, links;
	size_t i, size = type == TYPE_A ? 4 : 16;

	for (links = 0; e && e->cname[0] && links < LINKS_MAX; links++) {
		put_alias(o, owner, e->ttl, e->cname);
		n++;
		owner = e->cname;
		e = name_find(d, owner);
	}
	if (!e || e->cname[0] || (type != TYPE_A && type != TYPE_AAAA))
		return n;
	f = type == TYPE_A ? &e->v4 : &e->v6;
	if (e->owner[0])
		owner = e->owner;
	for (i = 0; i < f->n; i++, n++)
		put_record(o, owner, type, e->ttl, f->addrs[i], size);
	return n;
}

/* The header and the question; the answers' count is filled in later. */
static void put_head(struct out *o, const struct question *q, const uint8_t *query, unsigned code,
		     bool cut)
{
	put16(o, q->id);
	put16(o, 0x8480U | (cut ? 0x200U : 0) | (q->rd ? 0x100U : 0) | code);
	put16(o, 1);
	put16(o, 0);
	put16(o, 0);
	put16(o, 0);
	put(o, query + HEADER_BYTES, q->end - HEADER_BYTES);
}

/* Writes the answer to <q>; returns its size. */
static size_t answer(struct dnsd *d, uint8_t *buf, const struct question *q, const uint8_t *query,
		     const struct name *e, bool udp)
{
	const struct family *f = e && q->type == TYPE_AAAA ? &e->v6 : e ? &e->v4 : NULL;
	unsigned code = f ? (unsigned)f->code : CODE_NXDOMAIN, n = 0;
	struct out o = { .p = buf, .max = ANSWER_MAX_BYTES };

	if (e && (e->garbage || (udp && e->garbage_udp))) {
		memset(buf, 0xa5, 40);
		return 40;
	}
	put_head(&o, q, query, code, udp && e && e->truncate);
	if (!code && !(udp && e->truncate))
		n = put_records(d, &o, e, q->type, q->name);
	if (o.full)
		fatal("an answer is too long");
	if (udp && o.n > q->udp_bytes) {
		o.n = 0;
		n = 0;
		put_head(&o, q, query, code, true);
	}
	if (udp && (buf[2] & 2))
		d->st.truncated++;
	buf[6] = (uint8_t)(n >> 8);
	buf[7] = (uint8_t)n;
	return o.n;
}

/* Looks for the size that the OPT record of the query allows. */
static size_t udp_size(const uint8_t *p, size_t n, size_t at)
{
	unsigned extra = (unsigned)p[10] << 8 | p[11];

	/* clients put it first, right after the question, with the root as its name */
	if (!extra || at + 11 > n || p[at] != 0 || (p[at + 1] << 8 | p[at + 2]) != TYPE_OPT)
		return UDP_PLAIN_BYTES;
	return (size_t)(p[at + 3] << 8 | p[at + 4]);
}

static bool question_read(struct question *q, const uint8_t *p, size_t n)
{
	size_t at = HEADER_BYTES, out = 0, len;

	if (n < HEADER_BYTES + 5 || (p[2] & 0x80) || p[4] || p[5] != 1)
		return false;
	q->id = (uint16_t)(p[0] << 8 | p[1]);
	q->rd = p[2] & 1;
	while (at < n && p[at]) {
		len = p[at++];
		if (len > 63 || at + len >= n || out + len + 2 > sizeof(q->name))
			return false;
		if (out)
			q->name[out++] = '.';
		memcpy(q->name + out, p + at, len);
		out += len;
		at += len;
	}
	q->name[out] = '\0';
	if (at + 5 > n)
		return false;
	q->type = (uint16_t)(p[at + 1] << 8 | p[at + 2]);
	q->end = at + 5;
	q->udp_bytes = udp_size(p, n, q->end);
	return true;
}

static struct asked *asked_get(struct dnsd *d, const char *name)
{
	struct asked *s;

	for (s = d->asked; s; s = s->next)
		if (!strcasecmp(s->name, name))
			return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		fatal("calloc");
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->next = d->asked;
	d->asked = s;
	return s;
}

static void reply_free(struct reply *r)
{
	ev_timer_stop(r->d->loop, &r->timer);
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	free(r);
}

static void on_due(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct reply *r = t->data;
	ssize_t k = 0;

	(void)loop;
	(void)revents;
	/* loopback takes it, or the client is gone: there is nothing to do about it */
	if (r->udp)
		k = sendto(r->d->udp, r->bytes + 2, r->n - 2, MSG_NOSIGNAL,
			   (struct sockaddr *)&r->to, sizeof(r->to));
	else if (r->conn)
		k = send(r->conn->fd, r->bytes, r->n, MSG_NOSIGNAL);
	(void)k;
	reply_free(r);
}

/* Counts the query and makes the answer to it; NULL if there is none. */
static struct reply *reply_new(struct dnsd *d, const uint8_t *query, size_t n, bool udp)
{
	struct question q = {0};
	struct reply *r = NULL;
	const struct family *f;
	const struct name *e;

	if (!question_read(&q, query, n))
		return NULL;
	pthread_mutex_lock(&d->lock);
	d->st.queries++;
	d->st.tcp += !udp;
	d->st.a += q.type == TYPE_A;
	d->st.aaaa += q.type == TYPE_AAAA;
	asked_get(d, q.name)->n++;
	pthread_cond_broadcast(&d->changed);
	e = name_find(d, q.name);
	f = e && q.type == TYPE_AAAA ? &e->v6 : e ? &e->v4 : NULL;
	d->st.payload = (unsigned)q.udp_bytes;
	if (!d->mute && !(f && f->drop) && !(udp && e && e->drop_udp)) {
		r = calloc(1, sizeof(*r));
		if (!r)
			fatal("calloc");
		r->d = d;
		r->udp = udp;
		r->n = 2 + answer(d, r->bytes + 2, &q, query, e, udp);
		r->bytes[0] = (uint8_t)((r->n - 2) >> 8);
		r->bytes[1] = (uint8_t)(r->n - 2);
		ev_timer_init(&r->timer, on_due, f ? f->delay_ms / 1000. : 0., 0.);
		r->timer.data = r;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static void reply_start(struct reply *r)
{
	struct dnsd *d = r->d;

	r->next = d->replies;
	if (r->next)
		r->next->prev = &r->next;
	r->prev = &d->replies;
	d->replies = r;
	ev_timer_start(d->loop, &r->timer);
}

/* ---- clients ---- */

static void on_udp(struct ev_loop *loop, ev_io *w, int revents)
{
	struct dnsd *d = w->data;
	uint8_t query[QUERY_MAX_BYTES];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct reply *r;
	ssize_t n;

	(void)loop;
	(void)revents;
	n = recvfrom(d->udp, query, sizeof(query), 0, (struct sockaddr *)&from, &len);
	if (n <= 0)
		return;
	r = reply_new(d, query, (size_t)n, true);
	if (!r)
		return;
	r->to = from;
	reply_start(r);
}

static void conn_end(struct conn *c)
{
	struct reply *r;

	for (r = c->d->replies; r; r = r->next)
		if (r->conn == c)
			r->conn = NULL;
	ev_io_stop(c->d->loop, &c->rd);
	close(c->fd);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

static void on_tcp(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;
	struct reply *r;
	size_t want;
	ssize_t k;

	(void)loop;
	(void)revents;
	k = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);
	if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_end(c);
		return;
	}
	c->n += k > 0 ? (size_t)k : 0;
	while (c->n >= 2) {
		want = 2 + ((size_t)c->in[0] << 8 | c->in[1]);
		if (want > sizeof(c->in)) {
			conn_end(c);
			return;
		}
		if (c->n < want)
			return;
		r = reply_new(c->d, c->in + 2, want - 2, false);
		if (r) {
			r->conn = c;
			reply_start(r);
		}
		memmove(c->in, c->in + want, c->n - want);
		c->n -= want;
	}
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct dnsd *d = w->data;
	struct conn *c;
	int fd;

	(void)revents;
	fd = accept4(d->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		fatal("calloc");
	c->d = d;
	c->fd = fd;
	c->next = d->conns;
	if (c->next)
		c->next->prev = &c->next;
	c->prev = &d->conns;
	d->conns = c;
	ev_io_init(&c->rd, on_tcp, fd, EV_READ);
	c->rd.data = c;
	ev_io_start(loop, &c->rd);
}

/* ---- the thread ---- */

/* One port that is free for both. */
static void sockets_bind(struct dnsd *d)
{
	struct sockaddr_in in4;
	socklen_t n;
	unsigned tries;

	for (tries = 0; tries < PORT_TRIES; tries++) {
		memset(&in4, 0, sizeof(in4));
		in4.sin_family = AF_INET;
		in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		n = sizeof(in4);
		d->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		d->tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (d->udp < 0 || d->tcp < 0 ||
		    bind(d->udp, (struct sockaddr *)&in4, sizeof(in4)) != 0 ||
		    getsockname(d->udp, (struct sockaddr *)&in4, &n) != 0)
			fatal("127.0.0.1");
		if (bind(d->tcp, (struct sockaddr *)&in4, sizeof(in4)) == 0 &&
		    listen(d->tcp, 256) == 0) {
			d->port = ntohs(in4.sin_port);
			return;
		}
		close(d->udp);
		close(d->tcp);
	}
	fatal("no port is free for both UDP and TCP");
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct dnsd *d = w->data;
	bool stop;

	(void)revents;
	pthread_mutex_lock(&d->lock);
	stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	if (stop)
		ev_break(loop, EVBREAK_ALL);
}

static void *thread_main(void *arg)
{
	struct dnsd *d = arg;

	ev_run(d->loop, 0);
	return NULL;
}

struct dnsd *dnsd_new(void)
{
	struct dnsd *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;
	sigset_t all, old;

	if (!d)
		fatal("calloc");
	d->loop = ev_loop_new(EVFLAG_AUTO);
	if (!d->loop)
		fatal("ev_loop_new");
	sockets_bind(d);
	ev_io_init(&d->udp_rd, on_udp, d->udp, EV_READ);
	ev_io_init(&d->acc, on_accept, d->tcp, EV_READ);
	ev_async_init(&d->wake, on_wake);
	d->udp_rd.data = d->acc.data = d->wake.data = d;
	ev_io_start(d->loop, &d->udp_rd);
	ev_io_start(d->loop, &d->acc);
	ev_async_start(d->loop, &d->wake);
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&d->thread, NULL, thread_main, d) != 0)
		fatal("pthread_create");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return d;
}

void dnsd_free(struct dnsd *d)
{
	struct asked *s;
	struct name *e;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_mutex_unlock(&d->lock);
	ev_async_send(d->loop, &d->wake);
	pthread_join(d->thread, NULL);
	while (d->replies)
		reply_free(d->replies);
	while (d->conns)
		conn_end(d->conns);
	while ((e = d->names)) {
		d->names = e->next;
		free(e);
	}
	while ((s = d->asked)) {
		d->asked = s->next;
		free(s);
	}
	close(d->udp);
	close(d->tcp);
	ev_io_stop(d->loop, &d->udp_rd);
	ev_io_stop(d->loop, &d->acc);
	ev_async_stop(d->loop, &d->wake);
	ev_loop_destroy(d->loop);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

uint16_t dnsd_port(const struct dnsd *d)
{
	return d->port;
}

void dnsd_mute(struct dnsd *d, bool mute)
{
	pthread_mutex_lock(&d->lock);
	d->mute = mute;
	pthread_mutex_unlock(&d->lock);
}

void dnsd_stats(struct dnsd *d, struct dnsd_stats *out)
{
	pthread_mutex_lock(&d->lock);
	*out = d->st;
	pthread_mutex_unlock(&d->lock);
}

static uint64_t count(struct dnsd *d, const char *name)
{
	return name ? asked_get(d, name)->n : d->st.queries;
}

uint64_t dnsd_count(struct dnsd *d, const char *name)
{
	uint64_t n;

	pthread_mutex_lock(&d->lock);
	n = count(d, name);
	pthread_mutex_unlock(&d->lock);
	return n;
}

bool dnsd_wait(struct dnsd *d, const char *name, uint64_t n, int ms)
{
	struct timespec end;
	bool there;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += (long)(ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	pthread_mutex_lock(&d->lock);
	while (!(there = count(d, name) >= n))
		if (pthread_cond_timedwait(&d->changed, &d->lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&d->lock);
	return there;
}
