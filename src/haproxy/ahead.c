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

/* As HAProxy does: the first certificate is that of the file. Without it there is no chain. */
static void pem_read(const char *pem, X509 **cert, STACK_OF(X509) **chain)
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
}

static void wanted_replace(struct wanted *w)
{
	if (wanted) {
		wanted->next = over;
		over = wanted;
	}
	wanted = w;
}

static void given_free(void)
{
	free(given.path);
	X509_free(given.cert);
	X509_free(given.issuer);
	sk_X509_pop_free(given.chain, X509_free);
	given = (struct transaction){ 0 };
}

static void transaction_end(void)
{
	given_free();
	wanted_replace(NULL);
}

/* Which part of a certificate a command brings, as HAProxy sees it by the ending. */
enum part { PEM, ISSUER, RESPONSE, OTHER };

static enum part part_of(const char *path)
{
	static const struct {
		const char *ext;
		enum part part;
	} parts[] = { { ".issuer", ISSUER }, { ".ocsp", RESPONSE }, { ".key", OTHER },
		      { ".sctl", OTHER } };
	const char *dot = strrchr(path, '.');
	size_t i;

	for (i = 0; dot && i < sizeof(parts) / sizeof(*parts); i++)
		if (strcmp(dot, parts[i].ext) == 0)
			return parts[i].part;
	return PEM;
}

static void cert_set(const char *path, const char *pem)
{
	given_free();
	given.path = strdup(path);
	pem_read(pem, &given.cert, &given.chain);
}

static void issuer_set(const char *pem)
{
	STACK_OF(X509) *chain;

	X509_free(given.issuer);
	pem_read(pem, &given.issuer, &chain);
	sk_X509_pop_free(chain, X509_free);
}

/* HAProxy drops all that it was given when a certificate comes, and takes what comes after that for
 * a part of it, by whatever name. Returns whether the certificate or its issuer is another one.
 */
static bool transaction_add(const char *path, const char *payload)
{
	switch (part_of(path)) {
	case PEM:
		cert_set(path, payload);
		return true;
	case ISSUER:
		issuer_set(payload);
		return true;
	case RESPONSE:
		given.has_response = true;
		return false;
	case OTHER:
		break;
	}
	return false;
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
		w = given.path && given.cert ? wanted_new() : NULL;
		if (w && same_key(wanted, w->key, w->key_len) && !wanted->given)
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
