/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_script.c - what a scripted responder was told to do beside what its URLs say: which
 * segment answers a request in the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "responder_own.h"

/* One responder_play(). */
struct script {
	struct script *next;
	struct responder_play p;   /* its strings are what follows */
	uint64_t left;             /* requests; only if p.first */
	char segment[FAULT_SEGMENT_BYTES];
	char path[FAULT_SEGMENT_BYTES];
	char serial[SERIAL_BYTES];
};

/* With each play what is signed once is signed anew. Times are in seconds, and two plays may come
 * within one, so it is a minute newer.
 */
static void sign_anew(struct responder *r)
{
	r->signed_s += 60;
}

/* Keeps a copy of <from> in <to>; returns it, or NULL if there is none. */
static const char *copy(char *to, size_t n, const char *from)
{
	if (!from)
		return NULL;
	snprintf(to, n, "%s", from);
	return to;
}

static void scripts_free(struct responder *r)
{
	struct script *s;

	while ((s = r->scripts)) {
		r->scripts = s->next;
		free(s);
	}
}

void scripts_fini(struct responder *r)
{
	scripts_free(r);
}

static void script_add(struct responder *r, const struct responder_play *p)
{
	struct script *s = calloc(1, sizeof(*s));

	if (!s)
		responder_fatal("calloc");
	s->p = *p;
	s->p.segment = copy(s->segment, sizeof(s->segment), p->segment);
	s->p.path = copy(s->path, sizeof(s->path), p->path);
	s->p.serial = copy(s->serial, sizeof(s->serial), p->serial);
	s->left = p->first;
	s->next = r->scripts;
	r->scripts = s;
}

void responder_play(struct responder *r, const struct responder_play *p)
{
	pthread_mutex_lock(&r->lock);
	sign_anew(r);
	if (p)
		script_add(r, p);
	else
		scripts_free(r);
	pthread_mutex_unlock(&r->lock);
}

void responder_force(struct responder *r, const char *segment)
{
	pthread_mutex_lock(&r->lock);
	sign_anew(r);
	scripts_free(r);
	if (segment)
		script_add(r, &(struct responder_play){ .segment = segment });
	pthread_mutex_unlock(&r->lock);
}

void responder_limit(struct responder *r, const struct responder_limit *l)
{
	const char *segment = l && l->segment ? l->segment : "status-429";

	pthread_mutex_lock(&r->lock);
	memset(&r->rate, 0, sizeof(r->rate));
	r->rate.per_second = l ? l->per_second : 0;
	r->over_retry_s = l ? l->retry_after_s : 0;
	snprintf(r->over, sizeof(r->over), "%s", segment);
	pthread_mutex_unlock(&r->lock);
}

void responder_pace(struct responder *r, unsigned per_second)
{
	pthread_mutex_lock(&r->lock);
	r->pace.per_second = per_second;
	pthread_mutex_unlock(&r->lock);
}

void responder_cache(struct responder *r, const char *segment)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->cached, sizeof(r->cached), "%s", segment ? segment : "");
	pthread_mutex_unlock(&r->lock);
}

static bool script_fits(const struct script *s, const char *path, const char *serial)
{
	if (s->p.first && !s->left)
		return false;
	if (s->p.path && strcmp(s->p.path, path) != 0)
		return false;
	return !s->p.serial || !strcmp(s->p.serial, serial);
}

static void script_use(struct script *s, struct fault_ask *ask, int *delay_ms)
{
	if (s->p.first)
		s->left--;
	if (s->p.segment)
		memcpy(ask->segment, s->segment, sizeof(ask->segment));
	ask->retry_after_s = s->p.retry_after_s;
	*delay_ms = s->p.delay_ms;
}

void script_apply(struct responder *r, struct fault_ask *ask, const char *serial, bool no_cache,
		  int *delay_ms)
{
	struct script *s = r->scripts;

	*delay_ms = 0;
	ask->signed_s = r->signed_s;
	if (!rate_pass(&r->rate, responder_now_us() / 1000)) {
		r->st.refused++;
		ask->retry_after_s = r->over_retry_s;
		memcpy(ask->segment, r->over, sizeof(ask->segment));
		return;
	}
	if (r->cached[0] && !no_cache) {
		r->st.stale++;
		memcpy(ask->segment, r->cached, sizeof(ask->segment));
		return;
	}
	while (s && !script_fits(s, ask->segment, serial))
		s = s->next;
	if (s)
		script_use(s, ask, delay_ms);
	*delay_ms += (int)(pace_wait_us(&r->pace, responder_now_us()) / 1000);
}
