/* SPDX-License-Identifier: GPL-2.0-or-later */
/* entries.c - which stapling entries the engine knows and what it believes that they hold. The
 * engine hears of what comes, goes and changes; it decides what is stapled.
 */
#include <stdlib.h>
#include <string.h>

#include <import/eb64tree.h>
#include <import/ebmbtree.h>

#include <haproxy/log.h>

#include "ahead.h"
#include "entries.h"
#include "stores.h"

/* An entry that the engine knows. HAProxy tells nobody when an entry goes, or when a command sets
 * its response; both are found out by looking at it.
 */
struct known {
	struct eb64_node node; /* by the hash of the key */
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
	unsigned key_len;
	unsigned changes; /* the number of what others have set last */
	bool loaded;      /* the engine has its certificate */
	uint64_t seen;    /* hash of the response that it held when last looked at, 0: none */
};

static struct eb_root known_tree = EB_ROOT;
static size_t known_count;
static bool any_put; /* which the engine was not told of */
static struct eb64_node *sweep_at; /* the next to look at, NULL: the first one */
static size_t sweep_left;          /* to look at before the sweep is at its end */

size_t ocu_entries_known(void)
{
	return known_count;
}

/* FNV-1a, of eight bytes at a time and with the upper half of the product mixed in: tells two
 * responses of one certificate, or two keys, apart; nobody profits from making them alike. It is
 * computed while all threads wait.
 */
static uint64_t hash(const void *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325), part;
	const char *at = p;
	size_t left;

	for (left = n; left; left -= MIN(left, sizeof(part)), at += sizeof(part)) {
		part = 0;
		memcpy(&part, at, MIN(left, sizeof(part)));
		h = (h ^ part) * UINT64_C(0x100000001b3);
		h ^= h >> 32;
	}
	return n ? h | 1 : 0;
}

/* HAProxy's tree of keys compares the bytes of a key at every step; this one is asked for each
 * response, too, and compares hashes.
 */
static struct known *known_find(const unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH])
{
	struct eb64_node *node = eb64_lookup(&known_tree, hash(key, OCSP_MAX_CERTID_ASN1_LENGTH));
	struct known *k;

	for (; node; node = eb64_next_dup(node)) {
		k = eb64_entry(node, struct known, node);
		if (memcmp(k->key, key, sizeof(k->key)) == 0)
			return k;
	}
	return NULL;
}

/* Returns a number that was not used yet. A response that the engine has fetched goes into an entry
 * only with the number that was the entry's then, so it never replaces what somebody has set since.
 */
static unsigned changes_new(void)
{
	static unsigned last;

	return ++last;
}

unsigned ocu_entries_number(void)
{
	return changes_new();
}

bool ocu_entries_knows(const unsigned char *key, size_t key_len)
{
	unsigned char whole[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };

	memcpy(whole, key, key_len);
	return known_find(whole) != NULL;
}

static struct known *known_new(const struct certificate_ocsp *entry)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	memcpy(k->key, entry->key_data, entry->key_length);
	k->key_len = entry->key_length;
	k->changes = ocu_ahead_number(k->key, k->key_len);
	if (!k->changes)
		k->changes = changes_new();
	k->node.key = hash(k->key, sizeof(k->key));
	eb64_insert(&known_tree, &k->node);
	known_count++;
	return k;
}

static void known_free(struct known *k)
{
	if (sweep_at == &k->node)
		sweep_at = eb64_next(sweep_at);
	eb64_delete(&k->node);
	known_count--;
	free(k);
}

static struct certificate_ocsp *entry_find(const struct known *k)
{
	struct certificate_ocsp *entry =
		(struct certificate_ocsp *)ebmb_lookup(&cert_ocsp_tree, k->key, sizeof(k->key));

	/* without a reference of a TLS context nobody staples from it any more */
	return entry && entry->refcount > 0 ? entry : NULL;
}

/* ---- what an entry holds ---- */

static void tell(struct ocu_engine *e, struct known *k, const struct certificate_ocsp *entry,
		 unsigned changes)
{
	const struct buffer *r = &entry->response;

	if (ocu_engine_held(e, k->key, k->key_len, b_orig(r), b_data(r), changes) != OCU_OK) {
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> out of memory: a response that was set is "
					"not known to the updater\n");
		return;
	}
	k->changes = changes;
	k->seen = hash(b_orig(r), b_data(r));
}

/* Tells the engine what <entry> holds, if it does not know it. Returns whether it did not. */
static bool tell_changed(struct ocu_engine *e, struct known *k,
			 const struct certificate_ocsp *entry)
{
	if (hash(b_orig(&entry->response), b_data(&entry->response)) == k->seen)
		return false;
	tell(e, k, entry, changes_new());
	return true;
}

static void forget(struct ocu_engine *e, struct known *k)
{
	if (ocu_engine_unload(e, k->key, k->key_len) != OCU_OK) {
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> out of memory: a removed certificate goes "
					"on being updated\n");
		return;
	}
	known_free(k);
}

enum ocu_status ocu_entries_swap(struct ocu_engine *e, const struct ocu_publication *p,
				 char **area)
{
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct certificate_ocsp *entry;
	struct known *k;
	char *old;

	memcpy(key, p->key, p->key_len);
	k = known_find(key);
	entry = k ? entry_find(k) : NULL;
	if (k && !entry)
		forget(e, k);
	if (!entry)
		return OCU_CANCELLED;
	if (tell_changed(e, k, entry) || k->changes != p->changes)
		return OCU_HELD;
	old = b_orig(&entry->response);
	entry->response = b_make(*area, p->der->len, 0, p->der->len);
	entry->expire = p->held->expiry;
	k->seen = hash(*area, p->der->len);
	*area = old;
	return OCU_OK;
}

void ocu_entries_put(const unsigned char *key, size_t key_len, char **area, size_t n,
		     int64_t expiry)
{
	unsigned char padded[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct certificate_ocsp *entry;
	struct known *k;
	char *old;

	memcpy(padded, key, key_len);
	k = known_find(padded);
	entry = k ? entry_find(k) : NULL;
	if (!entry)
		return;
	old = b_orig(&entry->response);
	entry->response = b_make(*area, n, 0, n);
	entry->expire = expiry;
	*area = old;
	any_put = true;
}

/* Tells the engine what was put into the entry of <k>. Returns false without memory. */
static bool tell_found(struct ocu_engine *e, struct known *k)
{
	const struct certificate_ocsp *entry = entry_find(k);
	uint64_t now;

	if (!entry)
		return true;
	now = hash(b_orig(&entry->response), b_data(&entry->response));
	if (now == k->seen)
		return true;
	if (ocu_engine_found(e, k->key, k->key_len, b_orig(&entry->response),
			     b_data(&entry->response)) != OCU_OK)
		return false;
	k->seen = now;
	return true;
}

bool ocu_entries_tell(struct ocu_engine *e)
{
	struct eb64_node *node = any_put ? eb64_first(&known_tree) : NULL;
	bool ok = true;

	for (; node; node = eb64_next(node))
		ok = tell_found(e, eb64_entry(node, struct known, node)) && ok;
	any_put = false;
	return ok;
}

/* ---- in ---- */

bool ocu_entries_wait(void)
{
	bool any;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	any = !eb_is_empty(&ocsp_update_tree);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	return any;
}

/* Loads the certificate of <entry> from the file <path>: that which has brought it, or another one
 * that holds the same. Returns false without memory.
 */
static bool load(struct ocu_engine *e, struct known *k, const struct certificate_ocsp *entry,
		 const char *path, bool automatic, struct ocu_facts *facts)
{
	X509 *cert, *issuer;
	enum ocu_status st;

	/* the file may hold another certificate by now, while clients of the old one are there */
	if (!ocu_stores_find(path, entry->key_data, entry->key_length, &cert, &issuer))
		return true;
	st = ocu_engine_load(e, entry->key_data, entry->key_length, path, cert, issuer, automatic,
			     k->changes, facts);
	X509_free(cert);
	X509_free(issuer);
	k->loaded |= st == OCU_OK;
	return st == OCU_OK;
}

/* The engine takes for stapled what it found for the transaction that <entry> came with. Most often
 * it is there, since the transaction had it; if it came too late for that, or <entry> was made by
 * something else, it comes now.
 */
static void claim(struct known *k, struct certificate_ocsp *entry)
{
	int64_t expiry;
	size_t len;
	char *area = ocu_ahead_claim(k->key, k->key_len, &len, &expiry);

	if (!area)
		return;
	k->seen = hash(area, len);
	if (b_data(&entry->response) && expiry <= (int64_t)entry->expire) {
		free(area);
		return;
	}
	free(b_orig(&entry->response));
	entry->response = b_make(area, len, 0, len);
	entry->expire = expiry;
}

/* Whether "update ssl ocsp-response" has put <entry> into the tree: it means to do once what it
 * does not find there, and sets no time. HAProxy itself sets none where there is no response.
 */
static bool is_order(const struct certificate_ocsp *entry)
{
	return entry->update_once ||
	       (entry->next_update.key == 0 && b_data(&entry->response));
}

static void take(struct ocu_engine *e, struct certificate_ocsp *entry,
		 void (*order)(const char *path, const unsigned char *key, size_t key_len),
		 void (*judge)(const char *path, const struct ocu_facts *f))
{
	struct known *k = known_find(entry->key_data);
	bool ordered = is_order(entry), automatic = !ordered || ocu_stores_updated(entry->path);
	struct ocu_facts facts = { 0 };
	bool fresh = !k;

	eb64_delete(&entry->next_update);
	entry->update_once = 0;
	if (fresh)
		k = known_new(entry);
	if (!k || !load(e, k, entry, entry->path, automatic, &facts))
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> %s: out of memory, it will not be updated\n",
			 entry->path);
	if (!k)
		return;
	if (fresh)
		claim(k, entry);
	if (!fresh || k->seen)
		(void)tell_changed(e, k, entry);
	else if (b_data(&entry->response))
		tell(e, k, entry, k->changes); /* the number of the load: it came with it */
	if (fresh && !ordered)
		judge(entry->path, &facts);
	free(facts.bad_uris);
	if (ordered)
		order(entry->path, entry->key_data, entry->key_length);
}

bool ocu_entries_take(struct ocu_engine *e, unsigned max,
		      void (*order)(const char *path, const unsigned char *key, size_t key_len),
		      void (*judge)(const char *path, const struct ocu_facts *f))
{
	struct eb64_node *node;

	if (HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock))
		return false;
	while (max-- && (node = eb64_first(&ocsp_update_tree)))
		take(e, eb64_entry(node, struct certificate_ocsp, next_update), order, judge);
	HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	return true;
}

static void watch(struct ocu_engine *e, const struct certificate_ocsp *entry)
{
	X509 *cert, *issuer;
	struct known *k;

	if (!b_data(&entry->response) || known_find(entry->key_data) ||
	    !ocu_stores_find(entry->path, entry->key_data, entry->key_length, &cert, &issuer))
		return;
	if (ocu_ocsp_must_staple(cert)) {
		k = known_new(entry);
		if (k && load(e, k, entry, entry->path, false, NULL))
			tell(e, k, entry, k->changes);
	}
	X509_free(cert);
	X509_free(issuer);
}

void ocu_entries_watch(struct ocu_engine *e, const char *path)
{
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct ebmb_node *node;

	if (!path) {
		for (node = ebmb_first(&cert_ocsp_tree); node; node = ebmb_next(node))
			watch(e, (struct certificate_ocsp *)node);
		return;
	}
	if (!ocu_stores_key(path, key))
		return;
	node = ebmb_lookup(&cert_ocsp_tree, key, sizeof(key));
	if (node)
		watch(e, (struct certificate_ocsp *)node);
}

/* ---- to and from another process ---- */

/* A place in the tree where there need not be an entry. */
struct place {
	struct ebmb_node node;
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
};

/* The tree finds nothing but what is in it, so the place is put in for a moment. */
static struct certificate_ocsp *entry_after(const unsigned char *at)
{
	struct ebmb_node *there, *next;
	struct place place = { 0 };

	memcpy(place.key, at, sizeof(place.key));
	there = ebmb_insert(&cert_ocsp_tree, &place.node, sizeof(place.key));
	next = ebmb_next(there);
	if (there == &place.node)
		ebmb_delete(there);
	return (struct certificate_ocsp *)next;
}

bool ocu_entries_walk(unsigned char at[static OCSP_MAX_CERTID_ASN1_LENGTH], unsigned max,
		      bool (*each)(void *arg, const struct ocu_entries_held *h), void *arg)
{
	struct certificate_ocsp *entry = entry_after(at);
	int64_t now_s = ocu_wall_s();
	struct ocu_entries_held h;

	for (; entry && max--; entry = (struct certificate_ocsp *)ebmb_next(&entry->key)) {
		h = (struct ocu_entries_held){
			.key = entry->key_data, .key_len = entry->key_length,
			.der = b_orig(&entry->response), .der_len = b_data(&entry->response),
			.expiry = entry->expire,
		};
		if (h.der_len && h.expiry > now_s && !each(arg, &h))
			return true;
		memcpy(at, entry->key_data, sizeof(entry->key_data));
	}
	return entry != NULL;
}

bool ocu_entries_give(struct ocu_engine *e, const struct ocu_entries_held *h)
{
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct certificate_ocsp *entry;
	struct known *k;
	char *area;

	memcpy(key, h->key, h->key_len);
	k = known_find(key);
	entry = k ? entry_find(k) : NULL;
	if (!entry || !h->der_len || h->expiry <= ocu_wall_s() ||
	    (b_data(&entry->response) && h->expiry <= (int64_t)entry->expire))
		return false;
	area = malloc(h->der_len);
	if (!area)
		return false;
	memcpy(area, h->der, h->der_len);
	free(b_orig(&entry->response));
	entry->response = b_make(area, h->der_len, 0, h->der_len);
	entry->expire = h->expiry;
	(void)tell_found(e, k);
	return true;
}

/* ---- what HAProxy does not tell ---- */

void ocu_entries_look(struct ocu_engine *e,
		      const unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH], const char *path)
{
	struct known *k = known_find(key);
	struct certificate_ocsp *entry = k ? entry_find(k) : NULL;

	if (k && !entry)
		forget(e, k);
	if (!entry)
		return;
	if (path && !k->loaded)
		DISGUISE(load(e, k, entry, path, ocu_stores_updated(path), NULL));
	(void)tell_changed(e, k, entry);
}

void ocu_entries_sweep_again(void)
{
	sweep_left = known_count;
}

bool ocu_entries_sweep(struct ocu_engine *e, unsigned max)
{
	struct known *k;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	for (; sweep_left && known_count && max--; sweep_left--) {
		if (!sweep_at)
			sweep_at = eb64_first(&known_tree);
		k = eb64_entry(sweep_at, struct known, node);
		sweep_at = eb64_next(sweep_at);
		if (!entry_find(k))
			forget(e, k);
	}
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	return sweep_left && known_count;
}

void ocu_entries_fini(void)
{
	struct eb64_node *node;

	while ((node = eb64_first(&known_tree)))
		known_free(eb64_entry(node, struct known, node));
}
