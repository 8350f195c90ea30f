/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.c - a scripted OCSP responder over HTTP on loopback, in a thread of its own.
 * The path of a URL says how it behaves (faults.h); it only moves bytes and counts.
 */
#include "responder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

#define HEAD_MAX_BYTES 16384
#define BODY_MAX_BYTES 65536
#define PORT_TRIES 64
#define FILL_MAX 8            /* connections that fill the queue of a black hole */
#define FILL_WAIT_MS 50       /* a connection that loopback has not made by then, it never makes */
#define HOLD "hold-"           /* before a segment: the answer waits */
#define WRITE_BYTES 65536     /* of a flood, at a time */
#define SNI_BYTES 256
#define TLS_HANDSHAKE 0x16     /* the first byte of a client that speaks TLS */

/* How often something was asked for. */
struct seen {
	struct seen *next;
	uint64_t n;
	char key[];                /* "segment" or "segment serial" */
};

enum conn_state { CONN_TLS, CONN_READ, CONN_DELAY, CONN_WRITE, CONN_DEAF };

struct conn {
	struct responder *r;
	struct conn *next, **prev;
	int fd;
	SSL *ssl;
	ev_io rd, wr;
	ev_timer timer;
	enum conn_state state;
	char in[HEAD_MAX_BYTES + BODY_MAX_BYTES + 1];
	size_t in_n;
	struct fault_plan plan;
	size_t sent;               /* of plan.bytes */
	uint64_t flooded;
	bool busy;                 /* counted as being answered */
	bool held;                 /* the answer waits for responder_release() */
};

struct side {
	struct responder *r;
	bool v6;
	int fd;                    /* -1: this family is not there */
	enum responder_mode mode;
	ev_io acc;
	int fill[FILL_MAX];
	size_t n_fill;
};

struct responder {
	struct pki *pki;
	struct ev_loop *loop;
	ev_async wake;
	pthread_t thread;
	uint16_t port;
	SSL_CTX *ctx;
	bool tls_hang, has_v6;
	struct side sides[2];
	struct conn *conns;

	pthread_mutex_t lock;      /* covers what follows */
	pthread_cond_t changed;
	bool stop, drop, release;
	bool mode_asked[2];
	enum responder_mode mode[2];
	char forced[FAULT_SEGMENT_BYTES];
	char early[FAULT_SEGMENT_BYTES];
	OCSP_CERTID *early_id;
	struct responder_stats st;
	uint64_t busy;
	struct seen *seen;
	char last[HEAD_MAX_BYTES];
	char sni[SNI_BYTES];
};

static void fatal(const char *what)
{
	fprintf(stderr, "responder: %s: %m\n", what);
	abort();
}

/* ---- counting ---- */

static struct seen *seen_get(struct responder *r, const char *key)
{
	struct seen *s;
	size_t n = strlen(key) + 1;

	for (s = r->seen; s; s = s->next)
		if (!strcmp(s->key, key))
			return s;
	s = calloc(1, sizeof(*s) + n);
	if (!s)
		fatal("calloc");
	memcpy(s->key, key, n);
	s->next = r->seen;
	r->seen = s;
	return s;
}

/* Counts a request; returns how often this certificate was asked for there before. */
static unsigned seen_count(struct responder *r, const char *segment, const OCSP_CERTID *id)
{
	char key[FAULT_SEGMENT_BYTES + 80];
	ASN1_INTEGER *serial = NULL;
	char *hex = NULL;
	uint64_t before;
	BIGNUM *bn;

	seen_get(r, segment)->n++;
	if (id) {
		OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id);
		bn = ASN1_INTEGER_to_BN(serial, NULL);
		hex = bn ? BN_bn2hex(bn) : NULL;
		BN_free(bn);
	}
	snprintf(key, sizeof(key), "* %s", hex ? hex : "?");
	seen_get(r, key)->n++;
	snprintf(key, sizeof(key), "%s %s", segment, hex ? hex : "?");
	OPENSSL_free(hex);
	before = seen_get(r, key)->n++;
	return (unsigned)before;
}

/* ---- one connection ---- */

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
	pthread_mutex_unlock(&r->lock);
}

static void conn_end(struct conn *c, bool reset)
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

/* All was sent: what now? */
static void conn_sent(struct conn *c)
{
	enum fault_end end = c->plan.end;

	conn_busy(c, end == FAULT_HANG || end == FAULT_HALF);
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
static void conn_answer(struct conn *c)
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

/* ---- one request ---- */

/* A request, cut into zero-terminated strings in a copy of the connection's buffer. */
struct request {
	char *text;
	char *method, *target;
	const char *host, *etag, *since;
	const uint8_t *body;
	size_t body_n;
	bool keep, absolute;
};

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at;

	at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Decodes %XX in place; returns the length. */
static size_t percent_decode(char *s)
{
	size_t i, n = 0;

	for (i = 0; s[i]; i++) {
		if (s[i] == '%' && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
			s[n++] = (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
			i += 2;
		} else {
			s[n++] = s[i];
		}
	}
	s[n] = '\0';
	return n;
}

/* The DER of the request at the end of a GET's path; NULL if it is none. Freed by the caller. */
static uint8_t *get_der(const char *tail, size_t *n)
{
	const char *slash = strrchr(tail, '/');
	char *text = strdup(slash ? slash + 1 : tail);
	size_t len, pad = 0;
	uint8_t *der;
	int k;

	if (!text)
		fatal("strdup");
	len = percent_decode(text);
	der = calloc(1, len + 4);
	if (!der)
		fatal("calloc");
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	k = len && len % 4 == 0 ? EVP_DecodeBlock(der, (unsigned char *)text, (int)len) : -1;
	free(text);
	if (k < 0) {
		free(der);
		return NULL;
	}
	*n = (size_t)k - pad;
	return der;
}

static OCSP_REQUEST *ocsp_parse(struct request *q, const char *tail)
{
	OCSP_REQUEST *req = NULL;
	const uint8_t *p;
	uint8_t *der = NULL;
	size_t n = 0;

	if (!strcmp(q->method, "POST")) {
		p = q->body;
		n = q->body_n;
	} else {
		der = get_der(tail, &n);
		p = der;
	}
	if (p && n)
		req = d2i_OCSP_REQUEST(NULL, &p, (long)n);
	free(der);
	ERR_clear_error();
	return req;
}

static void request_line(struct request *q, char *line)
{
	char *sp = strchr(line, ' '), *end;
	static char none[] = "";

	q->method = line;
	q->target = none;
	q->keep = strstr(line, " HTTP/1.1") != NULL;
	if (!sp)
		return;
	*sp = '\0';
	q->target = sp + 1;
	end = strchr(q->target, ' ');
	if (end)
		*end = '\0';
	if (strncasecmp(q->target, "http://", 7) && strncasecmp(q->target, "https://", 8))
		return;
	q->absolute = true;
	q->target = strchr(strstr(q->target, "//") + 2, '/');
	if (!q->target)
		q->target = none;
}

static void request_header(struct request *q, char *line)
{
	char *v = strchr(line, ':');

	if (!v)
		return;
	*v++ = '\0';
	v += strspn(v, " \t");
	if (!strcasecmp(line, "host"))
		q->host = v;
	else if (!strcasecmp(line, "if-none-match"))
		q->etag = v;
	else if (!strcasecmp(line, "if-modified-since"))
		q->since = v;
	else if (!strcasecmp(line, "connection") && !strcasecmp(v, "close"))
		q->keep = false;
}

/* Cuts the <n> bytes of a head; the result points into q->text. */
static void request_parse(struct request *q, const char *head, size_t n)
{
	char *line, *save = NULL;

	memset(q, 0, sizeof(*q));
	q->host = "localhost";
	q->text = strndup(head, n);
	if (!q->text)
		fatal("strndup");
	line = strtok_r(q->text, "\r\n", &save);
	request_line(q, line ? line : q->text);
	while ((line = strtok_r(NULL, "\r\n", &save)))
		request_header(q, line);
}

static void request_count(struct responder *r, const struct request *q, OCSP_REQUEST *req,
			  const OCSP_CERTID *id)
{
	ASN1_OBJECT *md = NULL;

	r->st.requests++;
	r->st.get += !strcmp(q->method, "GET");
	r->st.post += !strcmp(q->method, "POST");
	r->st.malformed += id == NULL;
	r->st.conditional += q->etag || q->since;
	r->st.absolute += q->absolute;
	if (id)
		OCSP_id_get0_info(NULL, &md, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id);
	r->st.sha1 += md && OBJ_obj2nid(md) == NID_sha1;
	r->st.nonce += req && OCSP_REQUEST_get_ext_count(req) > 0;
}

static void request_answer(struct conn *c, struct request *q)
{
	struct responder *r = c->r;
	struct fault_ask ask = { .keep = q->keep, .host = q->host, .etag = q->etag,
				 .since = q->since, .now = (int64_t)time(NULL) };
	OCSP_REQUEST *req;
	OCSP_ONEREQ *one;
	size_t n;

	ask.post = !strcmp(q->method, "POST");
	n = *q->target ? strcspn(q->target + 1, "/?") : 0;
	snprintf(ask.segment, sizeof(ask.segment), "%.*s", (int)n, q->target + (n > 0));
	ask.tail = *q->target ? q->target + 1 + n : "";
	req = ocsp_parse(q, ask.tail);
	one = req ? OCSP_request_onereq_get0(req, 0) : NULL;
	ask.id = one ? OCSP_onereq_get0_id(one) : NULL;

	pthread_mutex_lock(&r->lock);
	request_count(r, q, req, ask.id);
	ask.nth = seen_count(r, ask.segment, ask.id);
	if (r->forced[0])
		memcpy(ask.segment, r->forced, sizeof(ask.segment));
	c->held = !strncmp(ask.segment, HOLD, strlen(HOLD));
	if (c->held)
		memmove(ask.segment, ask.segment + strlen(HOLD),
			sizeof(ask.segment) - strlen(HOLD));
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);

	fault_plan_make(r->pki, &c->plan, &ask);
	OCSP_REQUEST_free(req);
	if (c->plan.not_modified) {
		pthread_mutex_lock(&r->lock);
		r->st.not_modified++;
		pthread_mutex_unlock(&r->lock);
	}
	conn_answer(c);
}

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

/* ---- accepting ---- */

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

static void conn_new(struct responder *r, int fd, bool v6)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (!c)
		fatal("calloc");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->r = r;
	c->fd = fd;
	c->state = CONN_READ;
	if (r->tls_hang) {
		c->state = CONN_DEAF;
	} else if (r->ctx) {
		c->ssl = SSL_new(r->ctx);
		if (!c->ssl || !SSL_set_fd(c->ssl, fd))
			fatal("SSL_new");
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
	r->st.v6 += v6;
	if (++r->st.open > r->st.peak)
		r->st.peak = r->st.open;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (!r->ctx)
		conn_early(c);
}

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
			fatal("socket");
		s->fill[s->n_fill++] = p.fd;
		if (connect(p.fd, (struct sockaddr *)&ss, n) == 0)
			continue;
		if (errno != EINPROGRESS)
			fatal("filling a black hole");
		if (poll(&p, 1, FILL_WAIT_MS) == 0)
			return;
	}
	fatal("a black hole cannot be filled");
}

static void side_stop(struct side *s)
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
static void side_set(struct side *s, enum responder_mode m)
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
				fatal("bind");
			s->fd = fd;
		}
		if (s->fd < 0)
			fatal("bind");
	}
	s->mode = m;
	if (m == RESPONDER_REFUSE)
		return;
	if (listen(s->fd, m == RESPONDER_BLACKHOLE ? 0 : 1024) != 0)
		fatal("listen");
	if (m == RESPONDER_BLACKHOLE)
		side_fill(s);
	if (m != RESPONDER_LISTEN)
		return;
	ev_io_init(&s->acc, on_accept, s->fd, EV_READ);
	s->acc.data = s;
	ev_io_start(s->r->loop, &s->acc);
}

/* One port that is free in both families; [::1] may be missing. */
static void sides_bind(struct responder *r)
{
	struct sockaddr_in in4;
	socklen_t n = sizeof(in4);
	unsigned tries;
	size_t i;

	for (tries = 0; tries < PORT_TRIES; tries++) {
		r->sides[0].fd = side_bind(false, 0);
		if (r->sides[0].fd < 0)
			fatal("127.0.0.1");
		if (getsockname(r->sides[0].fd, (struct sockaddr *)&in4, &n) != 0)
			fatal("getsockname");
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

/* ---- the thread ---- */

static void drop_all(struct responder *r)
{
	struct conn *c, *next;

	for (c = r->conns; c; c = next) {
		next = c->next;
		conn_end(c, false);
	}
}

static void release_all(struct responder *r)
{
	struct conn *c;

	for (c = r->conns; c; c = c->next) {
		if (!c->held)
			continue;
		c->held = false;
		conn_answer(c);
	}
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct responder *r = w->data;
	bool asked[2], stop, drop, release;
	enum responder_mode mode[2];
	size_t i;

	(void)revents;
	pthread_mutex_lock(&r->lock);
	memcpy(asked, r->mode_asked, sizeof(asked));
	memcpy(mode, r->mode, sizeof(mode));
	stop = r->stop;
	drop = r->drop;
	release = r->release;
	pthread_mutex_unlock(&r->lock);
	for (i = 0; i < 2; i++)
		if (asked[i])
			side_set(&r->sides[i], mode[i]);
	if (release)
		release_all(r);
	if (drop || stop)
		drop_all(r);
	pthread_mutex_lock(&r->lock);
	r->mode_asked[0] = r->mode_asked[1] = r->drop = r->release = false;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (stop)
		ev_break(loop, EVBREAK_ALL);
}

static void *thread_main(void *arg)
{
	struct responder *r = arg;

	ev_run(r->loop, 0);
	return NULL;
}

static void tls_setup(struct responder *r, const struct responder_conf *c)
{
	if (!c->tls)
		return;
	r->tls_hang = c->tls_hang;
	r->ctx = SSL_CTX_new(TLS_server_method());
	if (!r->ctx || SSL_CTX_use_certificate(r->ctx, c->tls->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(r->ctx, c->tls->key) != 1)
		fatal("TLS certificate");
	if (SSL_CTX_add1_chain_cert(r->ctx, c->pki->by[PKI_BY_ISSUER].cert) != 1)
		fatal("TLS chain");
	SSL_CTX_set_mode(r->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

struct responder *responder_new(const struct responder_conf *c)
{
	struct responder *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	sigset_t all, old;

	if (!r)
		fatal("calloc");
	r->pki = c->pki;
	tls_setup(r, c);
	r->loop = ev_loop_new(EVFLAG_AUTO);
	if (!r->loop)
		fatal("ev_loop_new");
	sides_bind(r);
	ev_async_init(&r->wake, on_wake);
	r->wake.data = r;
	ev_async_start(r->loop, &r->wake);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	side_set(&r->sides[0], c->v4);
	side_set(&r->sides[1], c->v6);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&r->thread, NULL, thread_main, r) != 0)
		fatal("pthread_create");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

static void responder_destroy(struct responder *r)
{
	struct seen *s;
	size_t i;

	for (i = 0; i < 2; i++) {
		side_stop(&r->sides[i]);
		if (r->sides[i].fd >= 0)
			close(r->sides[i].fd);
	}
	ev_async_stop(r->loop, &r->wake);
	ev_loop_destroy(r->loop);
	while ((s = r->seen)) {
		r->seen = s->next;
		free(s);
	}
	OCSP_CERTID_free(r->early_id);
	SSL_CTX_free(r->ctx);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void responder_free(struct responder *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_mutex_unlock(&r->lock);
	ev_async_send(r->loop, &r->wake);
	pthread_join(r->thread, NULL);
	responder_destroy(r);
}

uint16_t responder_port(const struct responder *r)
{
	return r->port;
}

bool responder_has_v6(const struct responder *r)
{
	return r->has_v6;
}

void responder_mode_set(struct responder *r, bool v6, enum responder_mode m)
{
	pthread_mutex_lock(&r->lock);
	r->mode[v6] = m;
	r->mode_asked[v6] = true;
	ev_async_send(r->loop, &r->wake);
	while (r->mode_asked[v6])
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

void responder_force(struct responder *r, const char *segment)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->forced, sizeof(r->forced), "%s", segment ? segment : "");
	pthread_mutex_unlock(&r->lock);
}

void responder_early(struct responder *r, const char *segment, X509 *cert)
{
	X509 *issuer = r->pki->by[PKI_BY_ISSUER].cert;

	pthread_mutex_lock(&r->lock);
	OCSP_CERTID_free(r->early_id);
	r->early_id = cert ? OCSP_cert_to_id(EVP_sha1(), cert, issuer) : NULL;
	snprintf(r->early, sizeof(r->early), "%s", segment ? segment : "");
	pthread_mutex_unlock(&r->lock);
}

void responder_drop(struct responder *r)
{
	pthread_mutex_lock(&r->lock);
	r->drop = true;
	ev_async_send(r->loop, &r->wake);
	while (r->drop)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

void responder_release(struct responder *r)
{
	pthread_mutex_lock(&r->lock);
	r->release = true;
	ev_async_send(r->loop, &r->wake);
	while (r->release)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

void responder_stats(struct responder *r, struct responder_stats *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->st;
	pthread_mutex_unlock(&r->lock);
}

static uint64_t count(struct responder *r, const char *segment)
{
	return segment ? seen_get(r, segment)->n : r->st.requests;
}

uint64_t responder_count(struct responder *r, const char *segment)
{
	uint64_t n;

	pthread_mutex_lock(&r->lock);
	n = count(r, segment);
	pthread_mutex_unlock(&r->lock);
	return n;
}

static struct timespec deadline(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

bool responder_wait(struct responder *r, const char *segment, uint64_t n, int ms)
{
	struct timespec end = deadline(ms);
	bool there;

	pthread_mutex_lock(&r->lock);
	while (!(there = count(r, segment) >= n))
		if (pthread_cond_timedwait(&r->changed, &r->lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&r->lock);
	return there;
}

bool responder_wait_connections(struct responder *r, uint64_t n, int ms)
{
	struct timespec end = deadline(ms);
	bool there;

	pthread_mutex_lock(&r->lock);
	while (!(there = r->st.connections >= n))
		if (pthread_cond_timedwait(&r->changed, &r->lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&r->lock);
	return there;
}

bool responder_wait_idle(struct responder *r, int ms)
{
	struct timespec end = deadline(ms);
	bool idle;

	pthread_mutex_lock(&r->lock);
	while (!(idle = r->st.open == 0))
		if (pthread_cond_timedwait(&r->changed, &r->lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&r->lock);
	return idle;
}

void responder_last(struct responder *r, char *out, size_t n)
{
	pthread_mutex_lock(&r->lock);
	snprintf(out, n, "%s", r->last);
	pthread_mutex_unlock(&r->lock);
}

void responder_sni(struct responder *r, char *out, size_t n)
{
	pthread_mutex_lock(&r->lock);
	snprintf(out, n, "%s", r->sni);
	pthread_mutex_unlock(&r->lock);
}
