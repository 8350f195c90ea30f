/* SPDX-License-Identifier: GPL-2.0-or-later */
/* news.c - what the host says of its certificates: posted from any thread, taken in on the loop
 * thread. The functions are declared in engine.h.
 */
#include "ocu/engine.h"

#include <stdlib.h>
#include <string.h>

#include "ocu/accept.h"
#include "ocu/say.h"
#include "ocu/settle.h"
#include "ocu/turn.h"

enum news_kind { NEWS_LOAD, NEWS_UNLOAD, NEWS_HELD, NEWS_FOUND };

/* Something that the host has said, on its way to the loop thread. */
struct news {
	struct ocu_msg msg;
	struct ocu_engine *engine;
	enum news_kind kind;
	struct ocu_cert *cert; /* LOAD: with a reference */
	bool automatic;        /* LOAD */
	unsigned changes;      /* LOAD, HELD */
	size_t key_len, n;     /* UNLOAD, HELD, FOUND: of the bytes that follow */
	uint8_t bytes[];       /* the CertID, then the response */
};

/* The one that is known gets the newer issuer: a renewed CA certificate with the same key. */
static void cert_renew(struct ocu_cert *known, const struct ocu_cert *fresh)
{
	if (ASN1_TIME_compare(X509_get0_notAfter(fresh->issuer),
			      X509_get0_notAfter(known->issuer)) <= 0)
		return;
	X509_up_ref(fresh->issuer);
	X509_free(known->issuer);
	known->issuer = fresh->issuer;
}

/* A certificate has been loaded; takes the reference. */
static void take_load(struct ocu_engine *e, const struct news *n, const struct ocu_clock *now)
{
	struct ocu_cert *c = n->cert, *known = e->responders ? ocu_certs_add(e->certs, c) : NULL;

	/* no memory, or it was never configured and is about to be freed */
	if (!known) {
		ocu_cert_put(c);
		return;
	}
	if (known != c) {
		cert_renew(known, c);
		ocu_cert_put(c);
	} else if (ocu_turn_add(e, c, now) != OCU_OK) {
		ocu_certs_remove(e->certs, c);
		ocu_cert_put(c);
		return;
	} else {
		c->changes = n->changes;
		ocu_accept_load(e, c);
	}
	known->automatic |= n->automatic;
	ocu_watch_cert(&e->watch, known, now);
	if (!known->loading)
		ocu_plan_automatic(e->plan, &known->item, known->automatic, now);
}

/* The host holds something else for <c>. */
static void take_held(struct ocu_engine *e, struct ocu_cert *c, const struct news *n,
		      const struct ocu_clock *now)
{
	bool was_revoked = c->item.held.revoked, found = n->kind == NEWS_FOUND;
	bool is_set = !found && n->changes != c->changes;
	struct ocu_held held = { 0 };
	struct ocu_ocsp o;

	if (n->n && ocu_ocsp_peek(&o, n->bytes + n->key_len, n->n, c->x509, c->issuer, NULL) ==
			    OCU_OK)
		ocu_held_init(&held, &o, n->bytes + n->key_len, n->n);
	c->stapled = held;
	/* what it came with is no news if the state directory had something newer meanwhile */
	if (!is_set && ocu_held_usable(&c->item.held, now->wall_s) &&
	    ocu_held_compare(&c->item.held, &held, now->wall_s) != OCU_AGE_NEW)
		return;
	if (!found)
		c->changes = n->changes;
	ocu_cert_validators(c, &(struct ocu_http_validators){ 0 }, 0);
	ocu_plan_held(e->plan, &c->item, &held, now);
	ocu_settle_broken_off(e, c, now);
	ocu_watch_cert(&e->watch, c, now);
	if (!c->item.held.revoked || was_revoked || found)
		return;
	if (is_set)
		ocu_state_log(e, OCU_LEVEL_ALERT, c,
			      "certificate is REVOKED, says the response that was set");
	else if (c->automatic || !ocu_engine_runs(e))
		ocu_state_log(e, OCU_LEVEL_WARNING, c, OCU_SAY_REVOKED);
}

static void news_run(struct ocu_msg *m)
{
	struct news *n = OCU_OWNER(m, struct news, msg);
	struct ocu_engine *e = n->engine;
	struct ocu_clock now = ocu_state_now(e);
	struct ocu_cert *c = ocu_certs_find(e->certs, n->bytes, n->key_len);

	/* one that was never configured is about to be freed */
	if (!e->responders) {
		ocu_cert_put(n->cert);
		free(n);
		return;
	}
	switch (n->kind) {
	case NEWS_LOAD:
		take_load(e, n, &now);
		break;
	case NEWS_UNLOAD:
		if (c)
			ocu_turn_remove(e, c, &now);
		break;
	case NEWS_HELD:
	case NEWS_FOUND:
		if (c)
			take_held(e, c, n, &now);
		break;
	}
	free(n);
}

/* Posts news about the certificate <key> with the response <der>, both may be empty; NULL without
 * memory.
 */
static struct news *news_new(struct ocu_engine *e, enum news_kind kind, struct ocu_slice key,
			     struct ocu_slice der)
{
	struct news *n = calloc(1, sizeof(*n) + key.n + der.n);

	if (!n)
		return NULL;
	n->engine = e;
	n->kind = kind;
	n->msg.run = news_run;
	n->key_len = key.n;
	n->n = der.n;
	if (key.n)
		memcpy(n->bytes, key.p, key.n);
	if (der.n)
		memcpy(n->bytes + key.n, der.p, der.n);
	return n;
}

/* Returns a copy of the reasons against unusable URIs, and what else is found in <c>. */
static enum ocu_status facts_fill(struct ocu_facts *f, const struct ocu_cert *c)
{
	size_t i;

	*f = (struct ocu_facts){ .must_staple = c->must_staple, .n_uris = c->n_uris };
	for (i = 0; i < c->n_uris; i++) {
		f->names |= !c->uris[i].literal;
		f->https |= c->uris[i].https;
	}
	if (!c->bad_uris)
		return OCU_OK;
	f->bad_uris = strdup(c->bad_uris);
	return f->bad_uris ? OCU_OK : OCU_NOMEM;
}

enum ocu_status ocu_engine_load(struct ocu_engine *e, const uint8_t *key, size_t key_len,
				const char *path, X509 *cert, X509 *issuer, bool automatic,
				unsigned changes, struct ocu_facts *facts)
{
	struct news *n = news_new(e, NEWS_LOAD, (struct ocu_slice){ 0 }, (struct ocu_slice){ 0 });
	struct ocu_cert *c = NULL;

	if (!n || ocu_cert_new(&c, key, key_len, path, cert, issuer) != OCU_OK ||
	    (facts && facts_fill(facts, c) != OCU_OK)) {
		ocu_cert_put(c);
		free(n);
		return OCU_NOMEM;
	}
	n->cert = c;
	n->automatic = automatic;
	n->changes = changes;
	ocu_loop_post(e->loop, &n->msg);
	return OCU_OK;
}

enum ocu_status ocu_engine_unload(struct ocu_engine *e, const uint8_t *key, size_t key_len)
{
	struct news *n = news_new(e, NEWS_UNLOAD, (struct ocu_slice){ key, key_len },
				  (struct ocu_slice){ 0 });

	if (!n)
		return OCU_NOMEM;
	ocu_loop_post(e->loop, &n->msg);
	return OCU_OK;
}

static enum ocu_status post_held(struct ocu_engine *e, enum news_kind kind, struct ocu_slice key,
				 struct ocu_slice der, unsigned changes)
{
	struct news *news = news_new(e, kind, key, der);

	if (!news)
		return OCU_NOMEM;
	news->changes = changes;
	ocu_loop_post(e->loop, &news->msg);
	return OCU_OK;
}

enum ocu_status ocu_engine_held(struct ocu_engine *e, const uint8_t *key, size_t key_len,
				const void *der, size_t n, unsigned changes)
{
	return post_held(e, NEWS_HELD, (struct ocu_slice){ key, key_len },
			 (struct ocu_slice){ der, n }, changes);
}

enum ocu_status ocu_engine_found(struct ocu_engine *e, const uint8_t *key, size_t key_len,
				 const void *der, size_t n)
{
	return post_held(e, NEWS_FOUND, (struct ocu_slice){ key, key_len },
			 (struct ocu_slice){ der, n }, 0);
}
