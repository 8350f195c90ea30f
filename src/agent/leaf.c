/* SPDX-License-Identifier: GPL-2.0-or-later */
/* leaf.c - what is kept up to date, and for whom. */
#include "leaf.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct ocu_leaves {
	struct ocu_engine *engine;
	void *tree;       /* tsearch() */
	unsigned changes; /* the last number that was given */
};

static int leaf_cmp(const void *a, const void *b)
{
	const struct ocu_leaf *k = a, *l = b;

	if (k->key_len != l->key_len)
		return k->key_len < l->key_len ? -1 : 1;
	return memcmp(k->key, l->key, k->key_len);
}

enum ocu_status ocu_leaves_new(struct ocu_leaves **out, struct ocu_engine *e)
{
	struct ocu_leaves *ls = calloc(1, sizeof(*ls));

	*out = ls;
	if (!ls)
		return OCU_NOMEM;
	ls->engine = e;
	return OCU_OK;
}

void ocu_leaves_free(struct ocu_leaves *ls)
{
	free(ls);
}

static struct ocu_leaf *leaf_find(struct ocu_leaves *ls, const uint8_t *key, size_t key_len)
{
	struct ocu_leaf wanted = { .key_len = key_len }, **slot;

	if (key_len > sizeof(wanted.key))
		return NULL;
	memcpy(wanted.key, key, key_len);
	slot = tfind(&wanted, &ls->tree, leaf_cmp);
	return slot ? *slot : NULL;
}

/* Writes the CertID of <cert>, as HAProxy makes it, into <l>. */
static bool key_make(struct ocu_leaf *l, X509 *cert, X509 *issuer)
{
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
	int n = id ? i2d_OCSP_CERTID(id, NULL) : 0;
	uint8_t *p = l->key;

	if (n > 0 && (size_t)n <= sizeof(l->key))
		l->key_len = (size_t)i2d_OCSP_CERTID(id, &p);
	OCSP_CERTID_free(id);
	ERR_clear_error();
	return l->key_len != 0;
}

static void leaf_free(struct ocu_leaf *l)
{
	ocu_buf_fini(&l->der);
	free(l);
}

/* Makes <l> known to the engine and to the table. */
static enum ocu_status leaf_load(struct ocu_leaves *ls, struct ocu_leaf *l, X509 *cert,
				 X509 *issuer, const char *path, struct ocu_err *err)
{
	struct ocu_facts facts = { 0 };
	enum ocu_status st = OCU_NOMEM;

	l->changes = ++ls->changes;
	if (tsearch(l, &ls->tree, leaf_cmp))
		st = ocu_engine_load(ls->engine, l->key, l->key_len, path, cert, issuer, true,
				     l->changes, &facts);
	if (st == OCU_OK && !facts.n_uris)
		st = ocu_fail(err, OCU_OCSP, "no OCSP URI%s%s", facts.bad_uris ? ": " : "",
			      facts.bad_uris ? facts.bad_uris : "");
	else if (st != OCU_OK)
		(void)ocu_fail(err, st, "%s", ocu_text(st));
	l->must_staple = facts.must_staple;
	free(facts.bad_uris);
	return st;
}

static void leaf_unload(struct ocu_leaves *ls, struct ocu_leaf *l)
{
	(void)tdelete(l, &ls->tree, leaf_cmp);
	if (ocu_engine_unload(ls->engine, l->key, l->key_len) != OCU_OK)
		ocu_log(OCU_LEVEL_ERROR, "out of memory: a response goes on being updated");
	leaf_free(l);
}

static enum ocu_status leaf_new(struct ocu_leaf **out, struct ocu_leaves *ls, X509 *cert,
				X509 *issuer, const char *path, struct ocu_err *err)
{
	struct ocu_leaf *l = calloc(1, sizeof(*l)), *known;
	enum ocu_status st;

	if (!l)
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	ocu_buf_init(&l->der, OCU_OCSP_MAX_BYTES);
	if (!key_make(l, cert, issuer)) {
		free(l);
		return ocu_fail(err, OCU_OCSP, "no CertID can be made of it");
	}
	known = leaf_find(ls, l->key, l->key_len);
	if (known) {
		leaf_free(l);
		*out = known;
		return OCU_OK;
	}
	st = leaf_load(ls, l, cert, issuer, path, err);
	if (st == OCU_OK)
		*out = l;
	else
		leaf_unload(ls, l);
	return st;
}

enum ocu_status ocu_leaf_get(struct ocu_leaf **out, struct ocu_leaves *ls, X509 *cert, X509 *issuer,
			     const char *path, struct ocu_leaf_user *u, struct ocu_err *err)
{
	enum ocu_status st;

	*out = NULL;
	st = leaf_new(out, ls, cert, issuer, path, err);
	if (st != OCU_OK)
		return st;
	LIST_INSERT_HEAD(&(*out)->users, u, link);
	return OCU_OK;
}

void ocu_leaf_put(struct ocu_leaves *ls, struct ocu_leaf *l, struct ocu_leaf_user *u)
{
	if (!l)
		return;
	LIST_REMOVE(u, link);
	if (LIST_EMPTY(&l->users))
		leaf_unload(ls, l);
}

enum ocu_status ocu_leaf_publish(struct ocu_leaves *ls, const struct ocu_publication *p)
{
	struct ocu_leaf *l = leaf_find(ls, p->key, p->key_len);
	struct ocu_leaf_user *u;
	struct ocu_buf der;

	if (!l || l->changes != p->changes)
		return OCU_HELD;
	ocu_buf_init(&der, OCU_OCSP_MAX_BYTES);
	if (ocu_buf_add(&der, p->der->data, p->der->len) != OCU_OK)
		return OCU_NOMEM;
	ocu_buf_fini(&l->der);
	l->der = der;
	l->count++;
	LIST_FOREACH(u, &l->users, link)
		u->fresh(u);
	return OCU_OK;
}
