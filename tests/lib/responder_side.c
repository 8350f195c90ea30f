/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_side.c - what a client meets at an address of a scripted responder: somebody, nobody,
 * or a black hole.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "responder_own.h"

#define PORT_TRIES 64
#define FILL_WAIT_MS 50       /* a connection that loopback has not made by then, it never makes */

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct side *s = w->data;
	int fd;

	(void)loop;
	(void)revents;
	fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		conn_new(s, fd);
}

static void on_due(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)loop;
	(void)revents;
	side_set(s, s->later);
}

static void side_init(struct side *s, struct responder *r, const char *addr)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&s->ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&s->ss;

	s->r = r;
	s->fd = -1;
	s->mode = RESPONDER_REFUSE;
	snprintf(s->addr, sizeof(s->addr), "%s", addr);
	ev_timer_init(&s->due, on_due, 0., 0.);
	s->due.data = s;
	if (inet_pton(AF_INET, addr, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		s->ss_n = sizeof(*in4);
	} else if (inet_pton(AF_INET6, addr, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		s->ss_n = sizeof(*in6);
	} else {
		responder_fatal(addr);
	}
}

static void side_port(struct side *s, uint16_t port)
{
	if (s->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&s->ss)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&s->ss)->sin_port = htons(port);
}

/* Gives it a socket that is bound, listening to nobody yet; false with errno. */
static bool side_bind(struct side *s)
{
	int on = 1, fd, saved;

	fd = socket(s->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s->ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&s->ss, s->ss_n) == 0) {
		s->fd = fd;
		return true;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return false;
}

/* Makes connections until one is neither accepted nor refused: then the queue is full, and the
 * kernel drops every further SYN.
 */
static void side_fill(struct side *s)
{
	struct pollfd p = { .events = POLLOUT };

	while (s->n_fill < FILL_MAX) {
		p.fd = socket(s->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (p.fd < 0)
			responder_fatal("socket");
		s->fill[s->n_fill++] = p.fd;
		if (connect(p.fd, (struct sockaddr *)&s->ss, s->ss_n) == 0)
			continue;
		if (errno != EINPROGRESS)
			responder_fatal("filling a black hole");
		if (poll(&p, 1, FILL_WAIT_MS) == 0)
			return;
	}
	responder_fatal("a black hole cannot be filled");
}

void side_stop(struct side *s)
{
	size_t i;

	ev_io_stop(s->r->loop, &s->acc);
	ev_timer_stop(s->r->loop, &s->due);
	for (i = 0; i < s->n_fill; i++)
		close(s->fill[i]);
	s->n_fill = 0;
}

static void side_up(struct side *s, bool up)
{
	pthread_mutex_lock(&s->r->lock);
	s->up = up;
	pthread_cond_broadcast(&s->r->changed);
	pthread_mutex_unlock(&s->r->lock);
}

/* The socket is made anew: one that listens cannot stop listening. For a moment nothing is bound,
 * then clients are refused.
 */
void side_set(struct side *s, enum responder_mode m)
{
	unsigned tries;

	if (s->fd < 0)
		return;
	side_stop(s);
	if (s->mode != RESPONDER_REFUSE) {
		close(s->fd);
		s->fd = -1;
		for (tries = 0; s->fd < 0 && tries < PORT_TRIES; tries++)
			if (!side_bind(s) && errno != EADDRINUSE)
				responder_fatal("bind");
		if (s->fd < 0)
			responder_fatal("bind");
	}
	s->mode = m;
	side_up(s, false);
	if (m == RESPONDER_REFUSE)
		return;
	if (listen(s->fd, m == RESPONDER_BLACKHOLE ? 0 : 1024) != 0)
		responder_fatal("listen");
	if (m == RESPONDER_BLACKHOLE)
		side_fill(s);
	if (m != RESPONDER_LISTEN && m != RESPONDER_DEAF)
		return;
	ev_io_init(&s->acc, on_accept, s->fd, EV_READ);
	s->acc.data = s;
	ev_io_start(s->r->loop, &s->acc);
	side_up(s, m == RESPONDER_LISTEN);
}

void side_ask(struct side *s)
{
	struct responder *r = s->r;
	enum responder_mode wanted;
	int after_ms;
	bool asked;

	pthread_mutex_lock(&r->lock);
	asked = s->asked;
	wanted = s->wanted;
	after_ms = s->after_ms;
	pthread_mutex_unlock(&r->lock);
	if (!asked)
		return;
	if (after_ms) {
		s->later = wanted;
		ev_timer_stop(r->loop, &s->due);
		ev_timer_set(&s->due, after_ms / 1000., 0.);
		ev_timer_start(r->loop, &s->due);
	} else {
		side_set(s, wanted);
	}
	pthread_mutex_lock(&r->lock);
	s->asked = false;
	pthread_mutex_unlock(&r->lock);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in in4;
	socklen_t n = sizeof(in4);

	if (getsockname(fd, (struct sockaddr *)&in4, &n) != 0)
		responder_fatal("getsockname");
	return ntohs(in4.sin_port);
}

/* Binds the others to the port that the first one was given; false if one has it taken. */
static bool sides_follow(struct responder *r)
{
	size_t i;

	for (i = 1; i < r->n_sides; i++) {
		side_port(&r->sides[i], r->port);
		if (side_bind(&r->sides[i]))
			continue;
		if (errno == EADDRINUSE)
			return false;
		/* only [::1] may be missing */
		if (r->sides[i].ss.ss_family != AF_INET6)
			responder_fatal(r->sides[i].addr);
	}
	return true;
}

static void sides_close(struct responder *r)
{
	size_t i;

	for (i = 0; i < r->n_sides; i++) {
		if (r->sides[i].fd >= 0)
			close(r->sides[i].fd);
		r->sides[i].fd = -1;
	}
}

void sides_bind(struct responder *r, const struct responder_conf *c)
{
	bool bound = false;
	unsigned tries;

	side_init(&r->sides[r->n_sides++], r, "127.0.0.1");
	side_init(&r->sides[r->n_sides++], r, "::1");
	while (r->n_sides < SIDES_MAX && c->more[r->n_sides - 2].addr) {
		side_init(&r->sides[r->n_sides], r, c->more[r->n_sides - 2].addr);
		r->n_sides++;
	}
	for (tries = 0; !bound && tries < PORT_TRIES; tries++) {
		sides_close(r);
		side_port(&r->sides[0], 0);
		if (!side_bind(&r->sides[0]))
			responder_fatal(r->sides[0].addr);
		r->port = port_of(r->sides[0].fd);
		side_port(&r->sides[0], r->port);
		bound = sides_follow(r);
	}
	if (!bound)
		responder_fatal("no port is free at all addresses");
	r->has_v6 = r->sides[1].fd >= 0;
}
