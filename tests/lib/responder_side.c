/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_side.c - what a client meets at an address of a scripted responder: somebody, nobody,
 * or a black hole.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
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
		conn_new(s->r, fd, s->v6);
}

static socklen_t loopback(struct sockaddr_storage *ss, bool v6, uint16_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	in4->sin_family = AF_INET;
	in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in4->sin_port = htons(port);
	return sizeof(*in4);
}

/* A socket bound to loopback, listening to nobody yet; -1 with errno. */
static int side_bind(bool v6, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t n = loopback(&ss, v6, port);
	int on = 1, fd, saved;

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, n) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Makes connections until one is neither accepted nor refused: then the queue is full, and the
 * kernel drops every further SYN.
 */
static void side_fill(struct side *s)
{
	struct sockaddr_storage ss;
	socklen_t n = loopback(&ss, s->v6, s->r->port);
	struct pollfd p = { .events = POLLOUT };

	while (s->n_fill < FILL_MAX) {
		p.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (p.fd < 0)
			responder_fatal("socket");
		s->fill[s->n_fill++] = p.fd;
		if (connect(p.fd, (struct sockaddr *)&ss, n) == 0)
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
	for (i = 0; i < s->n_fill; i++)
		close(s->fill[i]);
	s->n_fill = 0;
}

/* The socket is made anew: one that listens cannot stop listening. For a moment nothing is bound,
 * then clients are refused.
 */
void side_set(struct side *s, enum responder_mode m)
{
	unsigned tries;
	int fd;

	if (s->fd < 0)
		return;
	side_stop(s);
	if (s->mode != RESPONDER_REFUSE) {
		close(s->fd);
		s->fd = -1;
		for (tries = 0; s->fd < 0 && tries < PORT_TRIES; tries++) {
			fd = side_bind(s->v6, s->r->port);
			if (fd < 0 && errno != EADDRINUSE)
				responder_fatal("bind");
			s->fd = fd;
		}
		if (s->fd < 0)
			responder_fatal("bind");
	}
	s->mode = m;
	if (m == RESPONDER_REFUSE)
		return;
	if (listen(s->fd, m == RESPONDER_BLACKHOLE ? 0 : 1024) != 0)
		responder_fatal("listen");
	if (m == RESPONDER_BLACKHOLE)
		side_fill(s);
	if (m != RESPONDER_LISTEN)
		return;
	ev_io_init(&s->acc, on_accept, s->fd, EV_READ);
	s->acc.data = s;
	ev_io_start(s->r->loop, &s->acc);
}

/* One port that is free in both families; [::1] may be missing. */
void sides_bind(struct responder *r)
{
	struct sockaddr_in in4;
	socklen_t n = sizeof(in4);
	unsigned tries;
	size_t i;

	for (tries = 0; tries < PORT_TRIES; tries++) {
		r->sides[0].fd = side_bind(false, 0);
		if (r->sides[0].fd < 0)
			responder_fatal("127.0.0.1");
		if (getsockname(r->sides[0].fd, (struct sockaddr *)&in4, &n) != 0)
			responder_fatal("getsockname");
		r->port = ntohs(in4.sin_port);
		r->sides[1].fd = side_bind(true, r->port);
		if (r->sides[1].fd >= 0 || errno != EADDRINUSE)
			break;
		close(r->sides[0].fd);
	}
	r->has_v6 = r->sides[1].fd >= 0;
	for (i = 0; i < 2; i++) {
		r->sides[i].r = r;
		r->sides[i].v6 = i == 1;
		r->sides[i].mode = RESPONDER_REFUSE;
	}
}
