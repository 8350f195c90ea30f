/* SPDX-License-Identifier: GPL-2.0-or-later */
/* visit.c - clients that come to a server again and again until what they get is stapled. Each name
 * has a thread, so that nobody waits for another's handshake.
 */
#include "visit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "staple.h"

#define SOON_MS 20             /* until the next try to connect while nobody listens */

struct visitor {
	struct visits *all;
	char sni[64];
	bool wanted;           /* of the first list */
	pthread_t thread;
};

struct visits {
	const struct visit_conf *conf;
	int64_t began_us;
	pthread_mutex_t lock;  /* covers what follows */
	pthread_cond_t changed;
	bool over;
	bool served;           /* a handshake has succeeded */
	unsigned wanted;       /* how many names are */
	struct visit_result *out;
};

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Waits until <end_us>, or until all is over, which it returns. */
static bool over_by(struct visits *v, int64_t end_us)
{
	struct timespec ts = { .tv_sec = (time_t)(end_us / 1000000),
			       .tv_nsec = (long)(end_us % 1000000) * 1000 };
	bool over;

	pthread_mutex_lock(&v->lock);
	while (!v->over && pthread_cond_timedwait(&v->changed, &v->lock, &ts) == 0)
		;
	over = v->over;
	pthread_mutex_unlock(&v->lock);
	return over;
}

/* Notes a handshake for a name that is waited for, which has brought <text> after <took_us>. */
static void note(struct visits *v, bool done, bool good, const char *text, int64_t took_us)
{
	struct visit_result *out = v->out;
	double took = (double)took_us / 1e6;

	out->longest = took > out->longest ? took : out->longest;
	if (!done) {
		out->failed += v->served;
		snprintf(out->why, sizeof(out->why), "%s", text);
		return;
	}
	out->bare += !good;
	if (!good)
		return;
	out->stapled++;
	out->seconds = (double)(now_us() - v->began_us) / 1e6;
	if (out->stapled < v->wanted)
		return;
	v->over = true;
	pthread_cond_broadcast(&v->changed);
}

/* One handshake. Returns when the next one may begin; 0: none need to. */
static int64_t visit(struct visitor *me)
{
	struct visits *v = me->all;
	char text[STAPLE_TEXT_BYTES];
	int64_t from = now_us();
	bool done, good, served;

	done = staple_look(v->conf->addr, me->sni, NULL, text);
	good = done && !strncmp(text, "good ", 5);
	pthread_mutex_lock(&v->lock);
	v->served |= done;
	served = v->served;
	if (me->wanted)
		note(v, done, good, text, now_us() - from);
	pthread_mutex_unlock(&v->lock);
	if (good)
		return 0;
	return from + (served ? v->conf->every_ms : SOON_MS) * INT64_C(1000);
}

static void *visitor_main(void *arg)
{
	struct visitor *me = arg;
	int64_t next;

	do
		next = visit(me);
	while (next && !over_by(me->all, next));
	return NULL;
}

static void fatal(const char *what)
{
	fprintf(stderr, "visit: %s: %m\n", what);
	abort();
}

/* Makes a visitor of each name. Returns how many they are. */
static size_t visitors_new(struct visits *v, struct visitor **out)
{
	const struct visit_list *l;
	size_t n = 0, max = 0;
	unsigned i;

	for (l = v->conf->lists; l < v->conf->lists + VISIT_LISTS_MAX && l->name; l++)
		max += l->n;
	*out = calloc(max + 1, sizeof(**out));
	if (!*out)
		fatal("calloc");
	for (l = v->conf->lists; l < v->conf->lists + VISIT_LISTS_MAX && l->name; l++) {
		for (i = 0; i < l->n; i++, n++) {
			(*out)[n].all = v;
			(*out)[n].wanted = l == v->conf->lists;
			snprintf((*out)[n].sni, sizeof((*out)[n].sni), "%s-%03u", l->name, i);
		}
	}
	v->wanted = v->conf->lists[0].n;
	return n;
}

static void visits_init(struct visits *v)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->changed, &attr);
	pthread_condattr_destroy(&attr);
}

bool visit_run(const struct visit_conf *c, struct visit_result *out)
{
	struct visits v = { .conf = c, .out = out, .began_us = now_us() };
	struct visitor *visitors;
	size_t i, n;

	memset(out, 0, sizeof(*out));
	visits_init(&v);
	n = visitors_new(&v, &visitors);
	for (i = 0; i < n; i++)
		if (pthread_create(&visitors[i].thread, NULL, visitor_main, &visitors[i]) != 0)
			fatal("pthread_create");
	(void)over_by(&v, v.began_us + c->ms * INT64_C(1000));
	pthread_mutex_lock(&v.lock);
	v.over = true;
	pthread_cond_broadcast(&v.changed);
	pthread_mutex_unlock(&v.lock);
	for (i = 0; i < n; i++)
		pthread_join(visitors[i].thread, NULL);
	free(visitors);
	pthread_cond_destroy(&v.changed);
	pthread_mutex_destroy(&v.lock);
	return out->stapled == v.wanted;
}
