/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dial.c - races connection attempts to the addresses of a host; the first one that is connected
 * wins, the others are closed. Decides nothing about what to try when (happy does).
 */
#include "ocu/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocu/loop.h"

/* The addresses of one family. */
struct pool {
	struct sockaddr_storage addrs[OCU_DIAL_ADDRESSES_MAX];
	size_t n;
	size_t next; /* those before it were tried */
};

/* One attempt; fd is -1 while the slot is free. */
struct attempt {
	struct ocu_dial *dial;
	int fd;
	struct sockaddr_storage peer;
	ev_io io;
	ev_timer tmo;
};

struct ocu_dial {
	struct ev_loop *loop;
	struct ocu_dial_conf conf;
	struct pool v4, v6;
	struct ocu_happy happy;
	struct attempt attempts[OCU_HAPPY_RUNNING_MAX];
	ev_timer wake;           /* happy's next step */
	struct ocu_dial_result r;
	ocu_dial_cb *cb;
	void *arg;
};

static socklen_t address_len(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool ocu_dial_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0 &&
		       a6->sin6_scope_id == b6->sin6_scope_id;
	return a->ss_family == AF_INET && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

static void port_set(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)ss)->sin_port = htons(port);
}

void ocu_dial_peer(char out[static OCU_DIAL_PEER_BYTES], const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	char text[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(out, OCU_DIAL_PEER_BYTES, "[%s]:%u", text, ntohs(v6->sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(out, OCU_DIAL_PEER_BYTES, "%s:%u", text, ntohs(v4->sin_port));
	}
}

/* Remembers why <peer> is not connected; each address is tried once, so there is room. */
static void note(struct ocu_dial *d, const struct sockaddr_storage *peer, int error)
{
	struct ocu_dial_failure *f = &d->r.failed[d->r.n_failed++];

	f->peer = *peer;
	f->error = error;
}

/* Lets go of an attempt; its socket is closed unless it was moved away before. */
static void attempt_fini(struct attempt *a)
{
	ev_io_stop(a->dial->loop, &a->io);
	ocu_loop_timer_stop(a->dial->loop, &a->tmo);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* The end of every dial. */
static void dial_end(struct ocu_dial *d, enum ocu_status st)
{
	ocu_dial_cb *cb = d->cb;
	void *arg = d->arg;
	struct ocu_dial_result r;
	struct attempt *a;

	for (a = d->attempts; a < d->attempts + OCU_HAPPY_RUNNING_MAX; a++) {
		if (a->fd >= 0 && st == OCU_CANCELLED)
			note(d, &a->peer, EINPROGRESS);
		attempt_fini(a);
	}
	ocu_loop_timer_stop(d->loop, &d->wake);
	d->r.st = st;
	r = d->r;
	free(d);
	cb(arg, &r);
}

/* Lets the next step be taken from the loop in <ms>. */
static void wake_in(struct ocu_dial *d, int64_t ms)
{
	ocu_loop_timer_start(d->loop, &d->wake, ms);
}

/* An attempt is over without success. */
static void attempt_failed(struct attempt *a)
{
	struct ocu_dial *d = a->dial;

	attempt_fini(a);
	d->happy.running--;
	d->happy.failed = true;
	wake_in(d, 0);
}

static void attempt_tmo_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct attempt *a = w->data;

	(void)loop;
	(void)revents;
	note(a->dial, &a->peer, ETIMEDOUT);
	attempt_failed(a);
}

static void attempt_io_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct attempt *a = w->data;
	struct ocu_dial *d = a->dial;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int), peer_len = sizeof(peer);
	int error = 0;

	(void)loop;
	(void)revents;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	/* libev may wake up without a cause. */
	if (!error && getpeername(a->fd, (struct sockaddr *)&peer, &peer_len) < 0) {
		if (errno == ENOTCONN)
			return;
		error = errno;
	}
	if (error) {
		note(d, &a->peer, error);
		attempt_failed(a);
		return;
	}
	d->r.fd = a->fd;
	a->fd = -1;
	d->r.peer = a->peer;
	dial_end(d, OCU_OK);
}

/* Opens a socket and begins to connect it. Returns an errno, 0 if it is under way. */
static int attempt_open(struct attempt *a)
{
	int one = 1;

	a->fd = socket(a->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		/* None of these says anything about the host. */
		if (errno != EAFNOSUPPORT)
			a->dial->r.starved = true;
		return errno;
	}
	/* One request and one answer at a time: there is nothing to be gathered. */
	(void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(a->fd, (struct sockaddr *)&a->peer, address_len(&a->peer)) == 0 ||
	    errno == EINPROGRESS)
		return 0;
	return errno;
}

/* Starts an attempt with the next address of <p>; happy said that there is one, and room for it. */
static void attempt_start(struct ocu_dial *d, struct pool *p, bool v6)
{
	struct attempt *a = d->attempts;
	int error;

	while (a->fd >= 0)
		a++;
	a->peer = p->addrs[p->next++];
	d->r.tried++;
	d->happy.started++;
	d->happy.last_was_v6 = v6;
	d->happy.last_ms = ocu_now_ms();
	d->happy.failed = false;
	error = attempt_open(a);
	if (error) {
		note(d, &a->peer, error);
		attempt_fini(a);
		d->happy.failed = true;
		return;
	}
	d->happy.running++;
	ev_io_set(&a->io, a->fd, EV_WRITE);
	ev_io_start(d->loop, &a->io);
	ocu_loop_timer_start(d->loop, &a->tmo, d->conf.connect_ms);
}

/* Does what happy says until it says to wait. */
static void wake_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_dial *d = w->data;
	struct ocu_step step;
	int64_t now;

	(void)loop;
	(void)revents;
	for (;;) {
		d->happy.v4_left = (unsigned)(d->v4.n - d->v4.next);
		d->happy.v6_left = (unsigned)(d->v6.n - d->v6.next);
		now = ocu_now_ms();
		step = ocu_happy_next(&d->happy, now, OCU_HAPPY_ATTEMPT_MS);
		switch (step.what) {
		case OCU_HAPPY_TRY_V4:
			attempt_start(d, &d->v4, false);
			break;
		case OCU_HAPPY_TRY_V6:
			attempt_start(d, &d->v6, true);
			break;
		case OCU_HAPPY_GIVE_UP:
			dial_end(d, OCU_CONNECT);
			return;
		case OCU_HAPPY_WAIT:
			if (step.wake != OCU_HAPPY_NEVER)
				wake_in(d, step.wake - now);
			return;
		}
	}
}

enum ocu_status ocu_dial_start(struct ocu_dial **out, struct ev_loop *loop,
			       const struct ocu_dial_conf *conf, ocu_dial_cb *cb, void *arg)
{
	struct ocu_dial *d = calloc(1, sizeof(*d));
	struct attempt *a;

	*out = d;
	if (!d)
		return OCU_NOMEM;
	d->loop = loop;
	d->conf = *conf;
	d->cb = cb;
	d->arg = arg;
	d->r.fd = -1;
	d->happy.prefer = conf->prefer;
	d->happy.v4_open = d->happy.v6_open = true;
	/* What worked is awaited and tried as if its family were the preferred one. */
	if (conf->worked.ss_family)
		d->happy.prefer = conf->worked.ss_family == AF_INET ? OCU_IPV4 : OCU_IPV6;
	ocu_loop_timer_init(&d->wake, wake_cb, d);
	for (a = d->attempts; a < d->attempts + OCU_HAPPY_RUNNING_MAX; a++) {
		a->dial = d;
		a->fd = -1;
		ev_init(&a->io, attempt_io_cb);
		a->io.data = a;
		ocu_loop_timer_init(&a->tmo, attempt_tmo_cb, a);
	}
	return OCU_OK;
}

static bool is_among(const struct sockaddr_storage *addrs, size_t n,
		     const struct sockaddr_storage *ss)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (ocu_dial_same_host(&addrs[i], ss))
			return true;
	}
	return false;
}

/* Puts <ss> into <p>: at the next place if it is what worked last, else at the end. */
static void pool_add(struct ocu_dial *d, struct pool *p, const struct sockaddr_storage *ss)
{
	size_t at = p->n;

	if (p->n == OCU_DIAL_ADDRESSES_MAX || is_among(p->addrs, p->n, ss) ||
	    is_among(d->conf.avoid, d->conf.n_avoid, ss))
		return;
	if (ocu_dial_same_host(&d->conf.worked, ss))
		at = p->next;
	memmove(&p->addrs[at + 1], &p->addrs[at], (p->n - at) * sizeof(p->addrs[0]));
	p->addrs[at] = *ss;
	port_set(&p->addrs[at], d->conf.port);
	p->n++;
}

void ocu_dial_add(struct ocu_dial *d, enum ocu_family family, const struct sockaddr_storage *addrs,
		  size_t n, bool last)
{
	struct pool *p = family == OCU_IPV6 ? &d->v6 : &d->v4;
	bool *open = family == OCU_IPV6 ? &d->happy.v6_open : &d->happy.v4_open;
	bool seen = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (addrs[i].ss_family != (family == OCU_IPV6 ? AF_INET6 : AF_INET))
			continue;
		seen = seen || ocu_dial_same_host(&d->conf.worked, &addrs[i]);
		pool_add(d, p, &addrs[i]);
	}
	if (last)
		*open = false;
	/* The host has moved: what worked says nothing any more. */
	if (last && !seen && d->conf.worked.ss_family == (family == OCU_IPV6 ? AF_INET6 : AF_INET))
		d->happy.prefer = d->conf.prefer;
	/* Both families' first addresses may come at once: the time that counts is the earlier. */
	if (!d->happy.other_ms && p->n && family != d->happy.prefer)
		d->happy.other_ms = ocu_now_ms();
	wake_in(d, 0);
}

void ocu_dial_cancel(struct ocu_dial *d)
{
	dial_end(d, OCU_CANCELLED);
}
