/* SPDX-License-Identifier: GPL-2.0-or-later */
/* callback.c - preloaded into HAProxy: measures the function that HAProxy gives to OpenSSL for
 * status requests, called by several threads at once for one certificate.
 *
 * Reads lines "<threads> <ms>" from the FIFO $CALLBACK_IN and writes a line "<nanoseconds of a
 * call> <calls a second> <calls that stapled nothing>" for each to $CALLBACK_OUT. A response has to
 * be there by then. The threads are made before HAProxy forbids new ones.
 */
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 64, ROUND = 1000 };

typedef int status_fn(SSL *ssl, void *arg);

/* What HAProxy has set last; it has one context with a certificate. */
static struct {
	SSL_CTX *ctx;
	status_fn *fn;
} status;

static pthread_barrier_t begin, end; /* of a measurement */
static unsigned wanted, wanted_ms; /* threads that take part, for how long */
static struct result {
	unsigned long calls, without;
	double ns;
} results[THREADS_MAX];

long SSL_CTX_callback_ctrl(SSL_CTX *ctx, int cmd, void (*fn)(void))
{
	long (*next)(SSL_CTX *, int, void (*)(void)) = dlsym(RTLD_NEXT, "SSL_CTX_callback_ctrl");

	if (cmd == SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB) {
		status.ctx = ctx;
		status.fn = (status_fn *)fn;
	}
	return next(ctx, cmd, fn);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void measure(struct result *r)
{
	SSL *ssl = SSL_new(status.ctx);
	double from = now_ns();
	unsigned i;

	*r = (struct result){ 0 };
	while ((r->ns = now_ns() - from) < wanted_ms * 1e6) {
		for (i = 0; i < ROUND; i++)
			r->without += status.fn(ssl, NULL) != SSL_TLSEXT_ERR_OK;
		r->calls += ROUND;
	}
	SSL_free(ssl);
}

static void *worker(void *arg)
{
	struct result *r = arg;

	for (;;) {
		pthread_barrier_wait(&begin);
		if (r - results < (ptrdiff_t)wanted)
			measure(r);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static void report(FILE *out)
{
	double each = 0, calls = 0;
	unsigned long without = 0;
	unsigned i;

	for (i = 0; i < wanted; i++) {
		each += results[i].ns / results[i].calls / wanted;
		calls += results[i].calls / results[i].ns * 1e9;
		without += results[i].without;
	}
	fprintf(out, "%.1f %.0f %lu\n", each, calls, without);
	fflush(out);
}

static void *master(void *arg)
{
	FILE *in = fopen(getenv("CALLBACK_IN"), "r"), *out = fopen(getenv("CALLBACK_OUT"), "w");

	(void)arg;
	while (in && out && fscanf(in, "%u %u", &wanted, &wanted_ms) == 2 && status.fn) {
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		report(out);
	}
	exit(1);
}

__attribute__((constructor)) static void threads_make(void)
{
	pthread_t t;
	unsigned i;

	if (!getenv("CALLBACK_IN") || !getenv("CALLBACK_OUT"))
		return;
	pthread_barrier_init(&begin, NULL, THREADS_MAX + 1);
	pthread_barrier_init(&end, NULL, THREADS_MAX + 1);
	for (i = 0; i < THREADS_MAX; i++)
		if (pthread_create(&t, NULL, worker, &results[i]) != 0)
			abort();
	if (pthread_create(&t, NULL, master, NULL) != 0)
		abort();
}
