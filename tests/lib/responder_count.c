/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_count.c - what a scripted responder has seen: counters, and waiting for them. */
#include <errno.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "responder_own.h"

struct seen *seen_get(struct responder *r, const char *key)
{
	struct seen *s;
	size_t n = strlen(key) + 1;

	for (s = r->seen; s; s = s->next)
		if (!strcmp(s->key, key))
			return s;
	s = calloc(1, sizeof(*s) + n);
	if (!s)
		responder_fatal("calloc");
	memcpy(s->key, key, n);
	s->next = r->seen;
	r->seen = s;
	return s;
}

/* Counts a request; returns how often this certificate was asked for there before. */
unsigned seen_count(struct responder *r, const char *segment, const OCSP_CERTID *id)
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
