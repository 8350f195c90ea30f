/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_count.c - what a scripted responder has seen: counters, and waiting for them. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "responder_own.h"

static int seen_order(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->key, ((const struct seen *)b)->key);
}

struct seen *seen_get(struct responder *r, const char *key)
{
	size_t n = strlen(key) + 1;
	struct seen *s = calloc(1, sizeof(*s) + n), **at;

	if (!s)
		responder_fatal("calloc");
	s->key = memcpy(s + 1, key, n);
	at = tsearch(s, &r->seen, seen_order);
	if (!at)
		responder_fatal("tsearch");
	if (*at != s)
		free(s);
	return *at;
}

void seen_fini(struct responder *r)
{
	tdestroy(r->seen, free);
}

unsigned seen_count(struct responder *r, const char *segment, const char *serial)
{
	char key[FAULT_SEGMENT_BYTES + SERIAL_BYTES + 1];

	seen_get(r, segment)->n++;
	snprintf(key, sizeof(key), "* %s", serial);
	seen_get(r, key)->n++;
	snprintf(key, sizeof(key), "%s %s", segment, serial);
	return (unsigned)seen_get(r, key)->n++;
}

void request_count(struct responder *r, const struct request *q, OCSP_REQUEST *req,
			  const OCSP_CERTID *id)
{
	ASN1_OBJECT *md = NULL;

	r->st.requests++;
	r->st.get += !strcmp(q->method, "GET");
	r->st.post += !strcmp(q->method, "POST");
	r->st.malformed += id == NULL;
	r->st.conditional += q->etag || q->since;
	r->st.absolute += q->absolute;
	r->st.no_cache += q->no_cache;
	if (id)
		OCSP_id_get0_info(NULL, &md, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id);
	r->st.sha1 += md && OBJ_obj2nid(md) == NID_sha1;
	r->st.nonce += req && OCSP_REQUEST_get_ext_count(req) > 0;
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

static const uint64_t *stats_value(const struct responder_stats *st, const char *what)
{
	const struct {
		const char *name;
		const uint64_t *value;
	} rows[] = {
		{ "requests", &st->requests }, { "get", &st->get }, { "post", &st->post },
		{ "connections", &st->connections }, { "open", &st->open }, { "peak", &st->peak },
		{ "busy", &st->busy_peak }, { "v6", &st->v6 }, { "conditional", &st->conditional },
		{ "not-modified", &st->not_modified }, { "absolute", &st->absolute },
		{ "no-cache", &st->no_cache }, { "refused", &st->refused }, { "stale", &st->stale },
		{ "answers", &st->answers }, { "answer-us", &st->answer_us },
		{ "malformed", &st->malformed }, { "sha1", &st->sha1 }, { "nonce", &st->nonce },
		{ "bytes-in", &st->bytes_in }, { "bytes-out", &st->bytes_out },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, what))
			return rows[i].value;
	return NULL;
}

/* Under the lock. */
static const uint64_t *value(struct responder *r, const char *what)
{
	char key[SERIAL_BYTES + 2];
	size_t i;

	if (*what == '/')
		return &seen_get(r, what + 1)->n;
	if (!strncmp(what, "serial=", 7)) {
		snprintf(key, sizeof(key), "* %s", what + 7);
		return &seen_get(r, key)->n;
	}
	if (strncmp(what, "at=", 3) != 0 && strncmp(what, "up=", 3) != 0)
		return stats_value(&r->st, what);
	for (i = 0; i < r->n_sides; i++)
		if (!strcmp(r->sides[i].addr, what + 3))
			return *what == 'u' ? &r->sides[i].up : &r->sides[i].connections;
	return NULL;
}

bool responder_value(struct responder *r, const char *what, uint64_t *n)
{
	const uint64_t *v;

	pthread_mutex_lock(&r->lock);
	v = value(r, what);
	*n = v ? *v : 0;
	pthread_mutex_unlock(&r->lock);
	return v != NULL;
}

bool responder_await(struct responder *r, const char *what, uint64_t n, int ms)
{
	struct timespec end = deadline(ms);
	const uint64_t *v;
	bool there;

	pthread_mutex_lock(&r->lock);
	v = value(r, what);
	while (!(there = v && *v >= n) && v)
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
