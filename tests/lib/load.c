/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load.c - makes as many TLS handshakes as a server allows, and says how many, how long they took
 * and whether they brought staples. Verifies nothing.
 */
#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "staple.h"

#define LONGEST_US 1000000
#define CONNECTIONS_MAX 256

/* What the threads share. */
struct load {
	const struct load_conf *conf;
	SSL_CTX *ctx;
	int64_t end_us;
	atomic_uint *took;         /* how many took so many microseconds, the last: or longer */
	atomic_ullong handshakes, stapled;
	pthread_mutex_t lock;      /* covers what follows */
	char why[LOAD_WHY_BYTES];
};

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static void fatal(const char *what)
{
	fprintf(stderr, "load: %s: %m\n", what);
	abort();
}

/* A client that never resumes. X25519 costs it little, whatever OpenSSL would rather do. */
static SSL_CTX *ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || SSL_CTX_set1_groups_list(ctx, "X25519") != 1 ||
	    SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp) != 1)
		fatal("SSL_CTX_new");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return ctx;
}

static void failed(struct load *l, const char *what)
{
	char why[LOAD_WHY_BYTES];
	unsigned long e = ERR_peek_error();

	if (e)
		ERR_error_string_n(e, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "%m");
	ERR_clear_error();
	pthread_mutex_lock(&l->lock);
	if (!l->why[0])
		snprintf(l->why, sizeof(l->why), "%s: %.100s", what, why);
	pthread_mutex_unlock(&l->lock);
}

static void count(struct load *l, SSL *ssl, int64_t us)
{
	const unsigned char *der;

	atomic_fetch_add(&l->took[us < LONGEST_US ? us : LONGEST_US], 1);
	atomic_fetch_add(&l->handshakes, 1);
	if (SSL_get_tlsext_status_ocsp_resp(ssl, &der) > 0)
		atomic_fetch_add(&l->stapled, 1);
}

/* Says that nothing more comes, and waits until the other side has closed. */
static void part(SSL *ssl, int fd)
{
	char waste[4096];

	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	while (recv(fd, waste, sizeof(waste), 0) > 0)
		;
}

/* One handshake. Returns whether it came to its end. */
static bool shake(struct load *l)
{
	int64_t began_us = now_us();
	int fd = staple_connect(l->conf->addr);
	SSL *ssl = NULL;
	bool done;

	if (fd < 0) {
		failed(l, "connect");
		return false;
	}
	ssl = SSL_new(l->ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 ||
	    (l->conf->sni && SSL_set_tlsext_host_name(ssl, l->conf->sni) != 1))
		fatal("SSL_new");
	done = SSL_connect(ssl) == 1;
	if (done) {
		count(l, ssl, now_us() - began_us);
		part(ssl, fd);
	} else {
		failed(l, "handshake");
	}
	SSL_free(ssl);
	close(fd);
	return done;
}

static void *shake_on(void *arg)
{
	struct load *l = arg;

	while (now_us() < l->end_us && shake(l))
		;
	return NULL;
}

/* How long the <percent> of all that took the least took at most. */
static unsigned percentile(const struct load *l, unsigned percent)
{
	uint64_t all = atomic_load(&l->handshakes), want = (all * percent + 99) / 100, n = 0;
	unsigned us;

	for (us = 0; us < LONGEST_US; us++) {
		n += atomic_load(&l->took[us]);
		if (n >= want)
			break;
	}
	return us;
}

static void threads_run(struct load *l)
{
	pthread_t threads[CONNECTIONS_MAX];
	unsigned i, n = l->conf->connections;

	if (n > CONNECTIONS_MAX)
		n = CONNECTIONS_MAX;
	for (i = 0; i < n; i++)
		if ((errno = pthread_create(&threads[i], NULL, shake_on, l)) != 0)
			fatal("pthread_create");
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

bool load_run(const struct load_conf *c, struct load_result *out)
{
	struct load l = { .conf = c, .ctx = ctx_new(), .lock = PTHREAD_MUTEX_INITIALIZER };
	int64_t began_us = now_us(), cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID), us;

	l.took = calloc(LONGEST_US + 1, sizeof(*l.took));
	if (!l.took)
		fatal("calloc");
	l.end_us = began_us + (int64_t)c->ms * 1000;
	threads_run(&l);
	us = now_us() - began_us;
	*out = (struct load_result){
		.handshakes = atomic_load(&l.handshakes),
		.stapled = atomic_load(&l.stapled),
		.seconds = (double)us / 1e6,
		.cpu = (double)(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us) / (double)us,
	};
	if (out->handshakes) {
		out->p50_us = percentile(&l, 50);
		out->p99_us = percentile(&l, 99);
	}
	memcpy(out->why, l.why, sizeof(out->why));
	free(l.took);
	SSL_CTX_free(l.ctx);
	return !out->why[0];
}
