/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.c - the table of responders. */
#include "ocu/responder.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct ocu_responders {
	struct ocu_plan *plan;
	void *tree;                   /* tsearch() */
	struct ocu_responder *oldest; /* spare ones, in the order in which they became it */
	struct ocu_responder *newest;
	size_t spare;
};

static int responder_cmp(const void *a, const void *b)
{
	const struct ocu_responder *x = a, *y = b;

	if (x->https != y->https)
		return x->https ? 1 : -1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return strcmp(x->host, y->host);
}

enum ocu_status ocu_responders_new(struct ocu_responders **out, struct ocu_plan *plan)
{
	struct ocu_responders *rs = calloc(1, sizeof(*rs));

	*out = rs;
	if (!rs)
		return OCU_NOMEM;
	rs->plan = plan;
	return OCU_OK;
}

static void spare_remove(struct ocu_responders *rs, struct ocu_responder *r)
{
	*(r->prev ? &r->prev->next : &rs->oldest) = r->next;
	*(r->next ? &r->next->prev : &rs->newest) = r->prev;
	r->prev = r->next = NULL;
	rs->spare--;
}

static void spare_add(struct ocu_responders *rs, struct ocu_responder *r)
{
	r->prev = rs->newest;
	*(r->prev ? &r->prev->next : &rs->oldest) = r;
	rs->newest = r;
	rs->spare++;
}

static void responder_free(struct ocu_responders *rs, struct ocu_responder *r)
{
	tdelete(r, &rs->tree, responder_cmp);
	ocu_peer_fini(&r->peer);
	ocu_plan_lane_remove(rs->plan, &r->lane);
	free(r);
}

void ocu_responders_free(struct ocu_responders *rs)
{
	struct ocu_responder *r;

	if (!rs)
		return;
	while ((r = rs->oldest)) {
		spare_remove(rs, r);
		responder_free(rs, r);
	}
	free(rs);
}

static struct ocu_responder *responder_new(const struct ocu_url *url)
{
	size_t n = strlen(url->host) + 1;
	struct ocu_responder *r = calloc(1, sizeof(*r) + n);

	if (!r)
		return NULL;
	r->https = url->https;
	r->port = url->port;
	memcpy(r->host, url->host, n);
	return r;
}

struct ocu_responder *ocu_responder_get(struct ocu_responders *rs, const struct ocu_url *url)
{
	struct ocu_responder *fresh = responder_new(url);
	struct ocu_responder **slot = fresh ? tsearch(fresh, &rs->tree, responder_cmp) : NULL;
	struct ocu_responder *r;

	if (!slot || *slot != fresh) {
		free(fresh);
	} else {
		ocu_plan_lane_add(rs->plan, &fresh->lane);
		ocu_peer_init(&fresh->peer);
		fresh->refs = 1;
		return fresh;
	}
	if (!slot)
		return NULL;
	r = *slot;
	if (r->refs++ == 0)
		spare_remove(rs, r);
	return r;
}

void ocu_responder_put(struct ocu_responders *rs, struct ocu_responder *r)
{
	if (!r || --r->refs)
		return;
	spare_add(rs, r);
	if (rs->spare > OCU_RESPONDERS_SPARE_MAX) {
		r = rs->oldest;
		spare_remove(rs, r);
		responder_free(rs, r);
	}
}
