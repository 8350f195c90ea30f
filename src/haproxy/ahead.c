/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ahead.c - reads what commands put into a transaction, since HAProxy shows it to nobody, and keeps
 * the response that the engine finds for it.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include <haproxy/task.h>
#include <haproxy/thread.h>

#include "ahead.h"
#include "stores.h"

/* A certificate that the engine is to know though no entry is there for it. */
struct wanted {
	struct wanted *next; /* of those that are over */
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
	size_t key_len;
	X509 *cert, *issuer;
	char *path;
	bool given;      /* an entry has its number */
	unsigned told;   /* the engine knows it, by this number; the host's alone, 0: not yet */
	char *area;      /* its response, NULL until there is one */
	size_t len;
	int64_t expiry;
};

/* What commands have said. */
struct transaction {
	char *path;
	X509 *cert;
	STACK_OF(X509) *chain;
	X509 *issuer;    /* from its .issuer */
	bool has_response; /* from its .ocsp */
};

static struct transaction given;
static struct wanted *wanted; /* for <given> */
static struct wanted *over;   /* the host frees them */
/* Guards all of it. The host alone frees those that are wanted, and may look at them without it. */
__decl_spinlock(lock);

/* ---- the transaction ---- */

/* As HAProxy does: the first certificate is that of the file. */
static bool pem_read(const char *pem, X509 **cert, STACK_OF(X509) **chain)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = NULL;

	*cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	*chain = *cert ? sk_X509_new_null() : NULL;
	while (*chain && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) &&
	       sk_X509_push(*chain, x))
		x = NULL;
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
	return *chain;
}

static void wanted_replace(struct wanted *w)
{
	if (wanted) {
		wanted->next = over;
		over = wanted;
	}
	wanted = w;
}

static void transaction_end(void)
{
	free(given.path);
	X509_free(given.cert);
	X509_free(given.issuer);
	sk_X509_pop_free(given.chain, X509_free);
	given = (struct transaction){ 0 };
	wanted_replace(NULL);
}

/* Which part of a file a command brings, as HAProxy sees it by the ending. */
enum part { PEM, ISSUER, RESPONSE, OTHER };

static enum part part_of(const char *path, size_t *len)
{
	static const struct {
		const char *ext;
		enum part part;
	} parts[] = { { ".issuer", ISSUER }, { ".ocsp", RESPONSE }, { ".key", OTHER },
		      { ".sctl", OTHER } };
	const char *dot = strrchr(path, '.');
	size_t i;

	*len = strlen(path);
	for (i = 0; dot && i < sizeof(parts) / sizeof(*parts); i++) {
		if (strcmp(dot, parts[i].ext) != 0)
			continue;
		*len = dot - path;
		return parts[i].part;
	}
	return PEM;
}

/* The certificate, or an issuer for it, is another one. Returns whether it is. */
static bool pem_add(enum part part, const char *payload)
{
	STACK_OF(X509) *chain = NULL;
	X509 *cert = NULL;

	if (!pem_read(payload, &cert, &chain)) {
		X509_free(cert);
		return false;
	}
	if (part == ISSUER) {
		sk_X509_pop_free(chain, X509_free);
		X509_free(given.issuer);
		given.issuer = cert;
		return given.cert;
	}
	X509_free(given.cert);
	sk_X509_pop_free(given.chain, X509_free);
	given.cert = cert;
	given.chain = chain;
	return true;
}

/* Returns whether there may be another certificate than before. */
static bool transaction_add(const char *path, const char *payload)
{
	size_t len;
	enum part part = part_of(path, &len);

	if (!given.path || strncmp(given.path, path, len) != 0 || given.path[len]) {
		transaction_end();
		given.path = strndup(path, len);
	}
	given.has_response |= part == RESPONSE;
	return given.path && (part == PEM || part == ISSUER) && pem_add(part, payload);
}

/* Returns what is to be fetched for the transaction, NULL if nothing is. */
static struct wanted *wanted_new(void)
{
	struct wanted *w = calloc(1, sizeof(*w));

	if (w && !HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock)) {
		w->key_len = ocu_stores_foresee(given.path, given.cert, given.chain, given.issuer,
						w->key, &w->issuer);
		/* it may be that of the store */
		if (w->key_len)
			X509_up_ref(w->issuer);
		HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	}
	if (w && w->key_len)
		w->path = strdup(given.path);
	if (!w || !w->path) {
		if (w && w->key_len)
			X509_free(w->issuer);
		free(w);
		return NULL;
	}
	X509_up_ref(given.cert);
	w->cert = given.cert;
	return w;
}

static void wanted_free(struct wanted *w)
{
	X509_free(w->cert);
	X509_free(w->issuer);
	free(w->path);
	free(w->area);
	free(w);
}

static bool same_key(const struct wanted *w, const unsigned char *key, size_t key_len)
{
	return w && w->key_len == key_len && memcmp(w->key, key, key_len) == 0;
}

void ocu_ahead_set(const char *path, const char *payload)
{
	struct wanted *w;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	if (transaction_add(path, payload)) {
		w = wanted_new();
		if (w && same_key(wanted, w->key, w->key_len))
			wanted_free(w);
		else
			wanted_replace(w);
	}
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
}

void ocu_ahead_drop(const char *path)
{
	bool mine;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	mine = wanted && strcmp(wanted->path, path) == 0;
	if (mine || (given.path && strcmp(given.path, path) == 0))
		transaction_end();
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	if (mine)
		task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
}

static bool in_use(const char *path)
{
	bool used = false;

	if (!HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock)) {
		used = ocu_stores_in_use(path);
		HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	}
	return used;
}

char *ocu_ahead_commit(const char *path)
{
	char *text = NULL;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	/* where it is not used yet, whoever will use it may not want it stapled */
	if (given.path && strcmp(given.path, path) == 0 && !given.has_response && wanted &&
	    wanted->area && wanted->expiry > ocu_wall_s() && in_use(path))
		text = malloc((wanted->len + 2) / 3 * 4 + 1);
	if (text)
		EVP_EncodeBlock((unsigned char *)text, (unsigned char *)wanted->area, wanted->len);
	/* what comes next belongs to another transaction, but this one waits for its entry */
	ha_free(&given.path);
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	return text;
}

/* ---- the host ---- */

static void tell(struct ocu_engine *e, struct wanted *w, unsigned number)
{
	/* without memory it is fetched once there is an entry */
	if (ocu_engine_load(e, w->key, w->key_len, w->path, w->cert, w->issuer, true, number,
			    NULL) == OCU_OK)
		w->told = number;
}

unsigned ocu_ahead_number(const unsigned char *key, size_t key_len)
{
	unsigned number;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	number = same_key(wanted, key, key_len) && !wanted->given ? wanted->told : 0;
	if (number)
		wanted->given = true;
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	return number;
}

void ocu_ahead_step(struct ocu_engine *e, bool (*known)(const unsigned char *key, size_t key_len),
		    unsigned (*number)(void))
{
	struct wanted *w, *next, *gone;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	gone = over;
	over = NULL;
	w = wanted;
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	for (; gone; gone = next) {
		next = gone->next;
		if (gone->told && !known(gone->key, gone->key_len))
			DISGUISE(ocu_engine_unload(e, gone->key, gone->key_len));
		wanted_free(gone);
	}
	if (w && !w->told && !known(w->key, w->key_len))
		tell(e, w, number());
}

bool ocu_ahead_keep(const struct ocu_publication *p, char *area)
{
	bool kept;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	kept = same_key(wanted, p->key, p->key_len);
	if (kept) {
		free(wanted->area);
		wanted->area = area;
		wanted->len = p->der->len;
		wanted->expiry = p->held->expiry;
	}
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	return kept;
}

char *ocu_ahead_claim(const unsigned char *key, size_t key_len, size_t *len, int64_t *expiry)
{
	char *area = NULL;

	HA_SPIN_LOCK(OTHER_LOCK, &lock);
	if (same_key(wanted, key, key_len)) {
		area = wanted->area;
		*len = wanted->len;
		*expiry = wanted->expiry;
		wanted->area = NULL;
	}
	HA_SPIN_UNLOCK(OTHER_LOCK, &lock);
	return area;
}

void ocu_ahead_fini(void)
{
	struct wanted *w, *next;

	transaction_end();
	for (w = over; w; w = next) {
		next = w->next;
		wanted_free(w);
	}
	over = NULL;
}
