/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.c - a scripted OCSP responder over HTTP on loopback, in a thread of its own.
 * The path of a URL says how it behaves (faults.h); it only moves bytes and counts.
 */
#include "responder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "responder_own.h"

void responder_fatal(const char *what)
{
	fprintf(stderr, "responder: %s: %m\n", what);
	abort();
}

int64_t responder_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

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
	bool stop, drop, release;
	size_t i;

	(void)revents;
	pthread_mutex_lock(&r->lock);
	stop = r->stop;
	drop = r->drop;
	release = r->release;
	pthread_mutex_unlock(&r->lock);
	for (i = 0; i < r->n_sides; i++)
		side_ask(&r->sides[i]);
	if (release)
		release_all(r);
	if (drop || stop)
		drop_all(r);
	pthread_mutex_lock(&r->lock);
	r->drop = r->release = false;
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
		responder_fatal("TLS certificate");
	if (SSL_CTX_add1_chain_cert(r->ctx, c->pki->by[PKI_BY_ISSUER].cert) != 1)
		responder_fatal("TLS chain");
	SSL_CTX_set_mode(r->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

struct responder *responder_new(const struct responder_conf *c)
{
	struct responder *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	sigset_t all, old;
	size_t i;

	if (!r)
		responder_fatal("calloc");
	r->pki = c->pki;
	tls_setup(r, c);
	r->loop = ev_loop_new(EVFLAG_AUTO);
	if (!r->loop)
		responder_fatal("ev_loop_new");
	sides_bind(r, c);
	ev_async_init(&r->wake, on_wake);
	r->wake.data = r;
	ev_async_start(r->loop, &r->wake);
	pthread_mutex_init(&r->lock, NULL);
	r->signed_s = (int64_t)time(NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	side_set(&r->sides[0], c->v4);
	side_set(&r->sides[1], c->v6);
	for (i = 2; i < r->n_sides; i++)
		side_set(&r->sides[i], c->more[i - 2].mode);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&r->thread, NULL, thread_main, r) != 0)
		responder_fatal("pthread_create");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

static void responder_destroy(struct responder *r)
{
	size_t i;

	for (i = 0; i < r->n_sides; i++) {
		side_stop(&r->sides[i]);
		if (r->sides[i].fd >= 0)
			close(r->sides[i].fd);
	}
	ev_async_stop(r->loop, &r->wake);
	ev_loop_destroy(r->loop);
	seen_fini(r);
	scripts_fini(r);
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

static struct side *side_of(struct responder *r, const char *addr)
{
	size_t i;

	for (i = 0; i < r->n_sides; i++)
		if (!strcmp(r->sides[i].addr, addr))
			return &r->sides[i];
	return NULL;
}

uint16_t responder_port(const struct responder *r)
{
	return r->port;
}

bool responder_has_v6(const struct responder *r)
{
	return r->has_v6;
}

bool responder_mode_at(struct responder *r, const char *addr, enum responder_mode m, int after_ms)
{
	struct side *s = side_of(r, addr);

	if (!s)
		return false;
	pthread_mutex_lock(&r->lock);
	s->wanted = m;
	s->after_ms = after_ms;
	s->asked = true;
	ev_async_send(r->loop, &r->wake);
	while (s->asked)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return true;
}

void responder_mode_set(struct responder *r, bool v6, enum responder_mode m)
{
	if (!responder_mode_at(r, r->sides[v6].addr, m, 0))
		responder_fatal(r->sides[v6].addr);
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
