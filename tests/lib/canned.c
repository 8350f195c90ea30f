/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canned.c - an HTTP server on the loop of the test itself. Knows nothing of OCSP. */
#include "canned.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_MAX 8
#define CONNS_MAX 64

struct conn {
	struct canned *c;          /* NULL: not in use */
	ev_io io;
	struct conn *other;        /* of a tunnel; NULL: none */
	unsigned requests;
	char in[16384];
	size_t n;
};

struct canned {
	struct ev_loop *loop;
	canned_cb *cb;
	void *arg;
	ev_io listen[LISTEN_MAX];
	size_t n_listen;
	uint16_t port;
	unsigned connections, requests;
	char last[CANNED_HEAD_BYTES];
	struct conn conns[CONNS_MAX]; /* no memory is needed while the test makes it fail */
};

static void fatal(const char *what)
{
	fprintf(stderr, "canned: %s: %m\n", what);
	abort();
}

static void conn_free(struct conn *k)
{
	ev_io_stop(k->c->loop, &k->io);
	close(k->io.fd);
	k->c = NULL;
	if (k->other) {
		k->other->other = NULL;
		conn_free(k->other);
	}
}

static void send_all(int fd, const void *p, size_t n)
{
	ssize_t k;

	while (n) {
		k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0)
			return;
		p = (const char *)p + k;
		n -= (size_t)k;
	}
}

void canned_say(int fd, const char *line, const char *fields, const void *body, size_t n)
{
	char head[CANNED_HEAD_BYTES];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", line, fields,
		 n);
	send_all(fd, head, strlen(head));
	send_all(fd, body, n);
}

/* The length of the request that is complete in <k>; 0 if it is not. */
static size_t request_length(struct conn *k)
{
	char *end, *length;
	size_t n;

	k->in[k->n] = '\0';
	end = strstr(k->in, "\r\n\r\n");
	if (!end)
		return 0;
	length = strcasestr(k->in, "\r\nContent-Length:");
	n = (size_t)(end - k->in) + 4;
	if (length && length < end)
		n += strtoul(length + 17, NULL, 10);
	return n <= k->n ? n : 0;
}

static void conn_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *k = w->data;
	struct canned *c = k->c;
	ssize_t got = recv(w->fd, k->in + k->n, sizeof(k->in) - 1 - k->n, MSG_DONTWAIT);
	size_t n, head;

	(void)loop;
	(void)revents;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		conn_free(k);
		return;
	}
	if (k->other) {
		send_all(k->other->io.fd, k->in, (size_t)got);
		return;
	}
	k->n += (size_t)got;
	n = request_length(k);
	if (!n)
		return;
	c->requests++;
	k->requests++;
	head = (size_t)(strstr(k->in, "\r\n\r\n") - k->in) + 2;
	head = head < sizeof(c->last) ? head : sizeof(c->last) - 1;
	memcpy(c->last, k->in, head);
	c->last[head] = '\0';
	memmove(k->in, k->in + n, k->n - n);
	k->n -= n;
	if (!c->cb(c, w->fd, c->last))
		conn_free(k);
}

static struct conn *conn_new(struct canned *c, int fd)
{
	struct conn *k = c->conns;

	while (k < c->conns + CONNS_MAX && k->c)
		k++;
	if (k == c->conns + CONNS_MAX)
		fatal("too many connections");
	k->c = c;
	k->other = NULL;
	k->requests = 0;
	k->n = 0;
	ev_io_init(&k->io, conn_cb, fd, EV_READ);
	k->io.data = k;
	ev_io_start(c->loop, &k->io);
	return k;
}

static void listen_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct canned *c = w->data;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)loop;
	(void)revents;
	if (fd < 0)
		return;
	c->connections++;
	(void)conn_new(c, fd);
}

static struct conn *conn_find(const struct canned *c, int fd)
{
	const struct conn *k = c->conns;

	while (!k->c || k->io.fd != fd)
		k++;
	return (struct conn *)(uintptr_t)k;
}

unsigned canned_nth(const struct canned *c, int fd)
{
	return conn_find(c, fd)->requests;
}

void canned_tunnel(struct canned *c, int fd, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct conn *k = conn_find(c, fd), *to;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (out < 0 || connect(out, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		fatal("tunnel");
	to = conn_new(c, out);
	to->other = k;
	k->other = to;
}

struct canned *canned_new(struct ev_loop *loop, canned_cb *cb, void *arg)
{
	struct canned *c = calloc(1, sizeof(*c));

	if (!c)
		fatal("calloc");
	c->loop = loop;
	c->cb = cb;
	c->arg = arg;
	return c;
}

void canned_free(struct canned *c)
{
	size_t i;

	for (i = 0; i < CONNS_MAX; i++) {
		if (c->conns[i].c)
			conn_free(&c->conns[i]);
	}
	for (i = 0; i < c->n_listen; i++) {
		ev_io_stop(c->loop, &c->listen[i]);
		close(c->listen[i].fd);
	}
	free(c);
}

bool canned_listen(struct canned *c, const char *address)
{
	bool v6 = strchr(address, ':');
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(c->port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(c->port) };
	struct sockaddr *sa = v6 ? (struct sockaddr *)&sin6 : (struct sockaddr *)&sin;
	socklen_t len = v6 ? sizeof(sin6) : sizeof(sin);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	ev_io *w = &c->listen[c->n_listen];

	if (fd < 0)
		return false;
	inet_pton(sa->sa_family, address, v6 ? (void *)&sin6.sin6_addr : (void *)&sin.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, sa, len) != 0 || listen(fd, 64) != 0 || getsockname(fd, sa, &len) != 0) {
		close(fd);
		return false;
	}
	c->port = ntohs(v6 ? sin6.sin6_port : sin.sin_port);
	ev_io_init(w, listen_cb, fd, EV_READ);
	w->data = c;
	ev_io_start(c->loop, w);
	c->n_listen++;
	return true;
}

uint16_t canned_port(const struct canned *c)
{
	return c->port;
}

void *canned_arg(const struct canned *c)
{
	return c->arg;
}

unsigned canned_connections(const struct canned *c)
{
	return c->connections;
}

unsigned canned_requests(const struct canned *c)
{
	return c->requests;
}

const char *canned_last(const struct canned *c)
{
	return c->last;
}
