/* SPDX-License-Identifier: GPL-2.0-or-later */
/* preload.c - before the threads start: reads the state directory for all certificates, on all
 * processors. The host has its certificates by then and waits, so that the first handshake is
 * answered with what is saved; most of that time goes into checking signatures.
 */
#include "ocu/engine.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "ocu/accept.h"
#include "ocu/loop.h"

#define AT_ONCE 4096 /* as many responses are in memory twice */
#define THREADS_MAX 64
#define THREAD_PER 16 /* responses: fewer are not worth a thread */

/* Some that are read by several threads, which take one after the other. */
struct batch {
	struct ocu_accepted *of[AT_ONCE];
	size_t n;
	atomic_size_t next;
};

/* Takes <c> and those after it, as many as there is room for. Returns the next one, NULL after the
 * last.
 */
static struct ocu_cert *batch_fill(struct batch *b, struct ocu_engine *e, struct ocu_cert *c)
{
	b->n = 0;
	atomic_init(&b->next, 0);
	for (; c && b->n < AT_ONCE; c = c->next) {
		b->of[b->n] = ocu_accept_saved_new(e, c);
		b->n += b->of[b->n] != NULL;
	}
	return c;
}

static void *batch_read(void *arg)
{
	struct batch *b = arg;
	size_t i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->n)
		ocu_accept_saved_read(b->of[i]);
	return NULL;
}

/* Returns how many threads are worth it for <n> responses, with the calling one. */
static size_t threads_for(size_t n)
{
	size_t cpus, worth = (n + THREAD_PER - 1) / THREAD_PER;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	cpus = (size_t)CPU_COUNT(&set);
	if (cpus > THREADS_MAX)
		cpus = THREADS_MAX;
	return worth < cpus ? worth : cpus;
}

/* Returns when all are read. The others act as who the calling thread is: they come from it. */
static void batch_read_all(struct batch *b)
{
	size_t n, wanted = threads_for(b->n);
	pthread_t threads[THREADS_MAX];
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* those that cannot be had are not needed */
	for (n = 0; n + 1 < wanted; n++)
		if (pthread_create(&threads[n], NULL, batch_read, b) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)batch_read(b);
	while (n)
		pthread_join(threads[--n], NULL);
}

void ocu_engine_preload(struct ocu_engine *e)
{
	struct ocu_cert *c;
	struct batch b;
	size_t i;

	(void)ocu_loop_run_posted(e->loop);
	c = ocu_certs_first(e->certs);
	while (c) {
		c = batch_fill(&b, e, c);
		batch_read_all(&b);
		for (i = 0; i < b.n; i++)
			ocu_accept_saved_take(b.of[i]);
	}
}
