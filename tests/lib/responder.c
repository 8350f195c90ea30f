/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.c - a scripted OCSP responder over HTTP on loopback, in a thread of its own.
 * The path of a URL says how it behaves (faults.h); it only moves bytes and counts.
 */
#include "responder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "responder_own.h"

void responder_fatal(const char *what)
{
	fprintf(stderr, "responder: %s: %m\n", what);
	abort();
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

	if (!r)
		responder_fatal("calloc");
	r->pki = c->pki;
	tls_setup(r, c);
	r->loop = ev_loop_new(EVFLAG_AUTO);
	if (!r->loop)
		responder_fatal("ev_loop_new");
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
		responder_fatal("pthread_create");
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
