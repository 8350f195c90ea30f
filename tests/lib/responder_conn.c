/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_conn.c - one connection to a scripted responder: its bytes, pauses and end. What is
 * answered is the affair of responder_request.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "responder_own.h"

#define WRITE_BYTES 65536     /* of a flood, at a time */
#define TLS_HANDSHAKE 0x16     /* the first byte of a client that speaks TLS */

/* ---- writing ---- */

static void conn_busy(struct conn *c, bool busy)
{
	struct responder *r = c->r;

	if (c->busy == busy)
		return;
	c->busy = busy;
	pthread_mutex_lock(&r->lock);
	r->busy += busy ? 1 : (uint64_t)-1;
	if (r->busy > r->st.busy_peak)
		r->st.busy_peak = r->busy;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void conn_end(struct conn *c, bool reset)
{
	struct linger lg = { .l_onoff = 1, .l_linger = 0 };
	struct responder *r = c->r;

	conn_busy(c, false);
	ev_io_stop(r->loop, &c->rd);
	ev_io_stop(r->loop, &c->wr);
	ev_timer_stop(r->loop, &c->timer);
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	else if (c->ssl)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	ERR_clear_error();
	close(c->fd);
	fault_plan_fini(&c->plan);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
	pthread_mutex_lock(&r->lock);
	r->st.open--;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Sends bytes; returns how many, 0: later, -1: the peer is gone. */
static ssize_t conn_send(struct conn *c, const char *p, size_t n)
{
	ssize_t k;

	if (c->ssl) {
		k = SSL_write(c->ssl, p, (int)n);
		if (k <= 0)
			k = SSL_get_error(c->ssl, (int)k) == SSL_ERROR_WANT_WRITE ? 0 : -1;
		ERR_clear_error();
	} else {
		k = send(c->fd, p, n, MSG_NOSIGNAL);
		if (k < 0)
			k = errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	if (k > 0) {
		pthread_mutex_lock(&c->r->lock);
		c->r->st.bytes_out += (uint64_t)k;
		pthread_mutex_unlock(&c->r->lock);
	}
	return k;
}

/* Receives bytes; returns how many, 0: later, -1: the peer is gone. */
static ssize_t conn_recv(struct conn *c, char *p, size_t n)
{
	ssize_t k;

	if (c->ssl) {
		k = SSL_read(c->ssl, p, (int)n);
		if (k <= 0)
			k = SSL_get_error(c->ssl, (int)k) == SSL_ERROR_WANT_READ ? 0 : -1;
		ERR_clear_error();
	} else {
		k = recv(c->fd, p, n, 0);
		if (k == 0)
			k = -1;
		else if (k < 0)
			k = errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	if (k > 0) {
		pthread_mutex_lock(&c->r->lock);
		c->r->st.bytes_in += (uint64_t)k;
		pthread_mutex_unlock(&c->r->lock);
	}
	return k;
}

static void conn_next(struct conn *c);

/* Counts the answer, if it is one. */
static void conn_answered(struct conn *c)
{
	int64_t now_us = responder_now_us();

	if (!c->asked_us)
		return;
	pthread_mutex_lock(&c->r->lock);
	c->r->st.answers++;
	c->r->st.answer_us += (uint64_t)(now_us - c->asked_us);
	pthread_mutex_unlock(&c->r->lock);
	c->asked_us = 0;
}

/* All was sent: what now? */
static void conn_sent(struct conn *c)
{
	enum fault_end end = c->plan.end;

	conn_busy(c, end == FAULT_HANG || end == FAULT_HALF);
	conn_answered(c);
	ev_io_stop(c->r->loop, &c->wr);
	switch (end) {
	case FAULT_KEEP:
		fault_plan_fini(&c->plan);
		c->state = CONN_READ;
		ev_io_start(c->r->loop, &c->rd);
		conn_next(c);
		return;
	case FAULT_CLOSE:
		conn_end(c, false);
		return;
	case FAULT_RESET:
		conn_end(c, true);
		return;
	case FAULT_HALF:
		shutdown(c->fd, SHUT_WR);
		break;
	case FAULT_HANG:
		break;
	}
	c->state = CONN_DEAF;
	ev_io_start(c->r->loop, &c->rd);
}

/* Sends what comes next; false: no more now, or the connection is gone. */
static bool conn_push(struct conn *c)
{
	struct fault_plan *p = &c->plan;
	char buf[WRITE_BYTES];
	size_t n, i, unit;
	ssize_t k;

	if (c->sent < p->n) {
		n = p->n - c->sent;
		if (p->step && n > p->step)
			n = p->step;
		k = conn_send(c, p->bytes + c->sent, n);
		if (k > 0)
			c->sent += (size_t)k;
	} else {
		unit = strlen(p->flood);
		n = sizeof(buf);
		if (p->flood_bytes - c->flooded < n)
			n = (size_t)(p->flood_bytes - c->flooded);
		for (i = 0; i < n; i++)
			buf[i] = p->flood[(c->flooded + i) % unit];
		k = conn_send(c, buf, n);
		if (k > 0)
			c->flooded += (uint64_t)k;
	}
	if (k < 0) {
		conn_end(c, false);
		return false;
	}
	return k > 0;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;

	(void)revents;
	if (c->sent < c->plan.n || c->flooded < c->plan.flood_bytes) {
		if (!conn_push(c))
			return;
	}
	if (c->sent < c->plan.n || c->flooded < c->plan.flood_bytes) {
		if (c->plan.step && c->plan.step_ms) {
			ev_io_stop(loop, w);
			c->state = CONN_DELAY;
			ev_timer_set(&c->timer, c->plan.step_ms / 1000., 0.);
			ev_timer_start(loop, &c->timer);
		}
		return;
	}
	conn_sent(c);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct conn *c = t->data;

	(void)revents;
	c->state = CONN_WRITE;
	ev_io_start(loop, &c->wr);
}

/* Answers as <plan> of the connection says. */
void conn_answer(struct conn *c)
{
	c->sent = 0;
	c->flooded = 0;
	conn_busy(c, true);
	if (c->held) {
		c->state = CONN_DELAY;
		return;
	}
	if (c->plan.delay_ms > 0) {
		c->state = CONN_DELAY;
		ev_timer_set(&c->timer, c->plan.delay_ms / 1000., 0.);
		ev_timer_start(c->r->loop, &c->timer);
		return;
	}
	c->state = CONN_WRITE;
	ev_io_start(c->r->loop, &c->wr);
}

/* ---- reading ---- */

/* What a server for plain HTTP says to one who begins with TLS. */
static void conn_no_tls(struct conn *c)
{
	struct fault_ask ask = { .host = "localhost", .tail = "", .segment = "status-400" };

	fault_plan_make(c->r->pki, &c->plan, &ask);
	c->in_n = 0;
	conn_answer(c);
}

/* Looks whether a whole request is there, and answers it. */
static void conn_next(struct conn *c)
{
	size_t head_n, body_n = 0;
	struct request q;
	const char *end, *len;

	c->in[c->in_n] = '\0';
	end = memmem(c->in, c->in_n, "\r\n\r\n", 4);
	if (!end) {
		if (c->in_n >= HEAD_MAX_BYTES)
			conn_end(c, true);
		else if (c->in_n && *c->in == TLS_HANDSHAKE && c->state == CONN_READ)
			conn_no_tls(c);
		return;
	}
	head_n = (size_t)(end - c->in) + 4;
	len = strcasestr(c->in, "\r\nContent-Length:");
	if (len && len < end)
		body_n = strtoul(len + strlen("\r\nContent-Length:"), NULL, 10);
	if (body_n > BODY_MAX_BYTES) {
		conn_end(c, true);
		return;
	}
	if (c->in_n < head_n + body_n)
		return;
	pthread_mutex_lock(&c->r->lock);
	snprintf(c->r->last, sizeof(c->r->last), "%.*s", (int)head_n, c->in);
	pthread_mutex_unlock(&c->r->lock);
	c->asked_us = responder_now_us();
	request_parse(&q, c->in, head_n);
	q.body = (uint8_t *)c->in + head_n;
	q.body_n = body_n;
	request_answer(c, &q);
	free(q.text);
	memmove(c->in, c->in + head_n + body_n, c->in_n - head_n - body_n);
	c->in_n -= head_n + body_n;
}

static void conn_tls(struct conn *c)
{
	int k = SSL_accept(c->ssl), e;
	const char *sni;

	if (k == 1) {
		sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
		pthread_mutex_lock(&c->r->lock);
		snprintf(c->r->sni, sizeof(c->r->sni), "%s", sni ? sni : "");
		pthread_mutex_unlock(&c->r->lock);
		c->state = CONN_READ;
		return;
	}
	e = SSL_get_error(c->ssl, k);
	ERR_clear_error();
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		conn_end(c, false);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;
	char waste[4096];
	ssize_t k;

	(void)loop;
	(void)revents;
	if (c->state == CONN_TLS) {
		conn_tls(c);
		return;
	}
	if (c->state == CONN_READ)
		k = conn_recv(c, c->in + c->in_n, sizeof(c->in) - 1 - c->in_n);
	else
		k = conn_recv(c, waste, sizeof(waste));
	if (k < 0) {
		conn_end(c, false);
		return;
	}
	if (c->state == CONN_READ && k > 0) {
		c->in_n += (size_t)k;
		conn_next(c);
	}
}

/* ---- its beginning ---- */

/* Sends an answer that nobody has asked for. */
static void conn_early(struct conn *c)
{
	struct responder *r = c->r;
	struct fault_ask ask = { .keep = true, .host = "localhost", .tail = "" };

	ask.now = (int64_t)time(NULL);
	pthread_mutex_lock(&r->lock);
	memcpy(ask.segment, r->early, sizeof(ask.segment));
	ask.id = r->early_id;
	pthread_mutex_unlock(&r->lock);
	if (!ask.segment[0])
		return;
	fault_plan_make(r->pki, &c->plan, &ask);
	conn_answer(c);
}

void conn_new(struct side *s, int fd)
{
	struct responder *r = s->r;
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (!c)
		responder_fatal("calloc");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->r = r;
	c->fd = fd;
	c->state = CONN_READ;
	if (r->tls_hang || s->mode == RESPONDER_DEAF) {
		c->state = CONN_DEAF;
	} else if (r->ctx) {
		c->ssl = SSL_new(r->ctx);
		if (!c->ssl || !SSL_set_fd(c->ssl, fd))
			responder_fatal("SSL_new");
		c->state = CONN_TLS;
	}
	ev_io_init(&c->rd, on_readable, fd, EV_READ);
	ev_io_init(&c->wr, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->rd.data = c->wr.data = c->timer.data = c;
	c->next = r->conns;
	if (c->next)
		c->next->prev = &c->next;
	c->prev = &r->conns;
	r->conns = c;
	ev_io_start(r->loop, &c->rd);

	pthread_mutex_lock(&r->lock);
	r->st.connections++;
	r->st.v6 += s->ss.ss_family == AF_INET6;
	s->connections++;
	if (++r->st.open > r->st.peak)
		r->st.peak = r->st.open;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (!r->ctx && s->mode != RESPONDER_DEAF)
		conn_early(c);
}
