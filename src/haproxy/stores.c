/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stores.c - looks into HAProxy's certificate stores for the module. Changes nothing there. */
#include <stdlib.h>
#include <string.h>

#include <import/ebmbtree.h>

#include <haproxy/errors.h>
#include <haproxy/log.h>
#include <haproxy/tools.h>

#include "stores.h"

bool ocu_stores_names, ocu_stores_https;

/* ---- the certificate of an entry ---- */

/* Writes the DER of <id>, which may be NULL, and returns its length; 0 if it is none of HAProxy's
 * keys.
 */
static size_t id_der(const OCSP_CERTID *id, unsigned char der[static OCSP_MAX_CERTID_ASN1_LENGTH])
{
	unsigned char *p = der;
	int n = id ? i2d_OCSP_CERTID((OCSP_CERTID *)id, NULL) : 0;

	if (n <= 0 || n > OCSP_MAX_CERTID_ASN1_LENGTH)
		return 0;
	return i2d_OCSP_CERTID((OCSP_CERTID *)id, &p) == n ? n : 0;
}

static bool names_issuer(const unsigned char *key, size_t key_len, X509 *cert, X509 *issuer)
{
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
	unsigned char der[OCSP_MAX_CERTID_ASN1_LENGTH];
	bool same = id_der(id, der) == key_len && memcmp(der, key, key_len) == 0;

	OCSP_CERTID_free(id);
	return same;
}

static X509 *issuer_in(STACK_OF(X509) *chain, const unsigned char *key, size_t key_len, X509 *cert)
{
	int i;

	for (i = 0; i < sk_X509_num(chain); i++)
		if (names_issuer(key, key_len, cert, sk_X509_value(chain, i)))
			return sk_X509_value(chain, i);
	return NULL;
}

/* Where HAProxy looks for it, in HAProxy's order: the chain of the file, 'issuers-chain-path', the
 * file's .issuer.
 */
static X509 *issuer_of(struct ckch_store *store, const unsigned char *key, size_t key_len)
{
	X509 *cert = OCU_STORE_DATA(store)->cert, *own = OCU_STORE_DATA(store)->ocsp_issuer;
	X509 *found = issuer_in(OCU_STORE_DATA(store)->chain, key, key_len, cert);
	struct issuer_chain *further = found ? NULL : ssl_get0_issuer_chain(cert);

	if (!found && further)
		found = issuer_in(further->chain, key, key_len, cert);
	if (!found && own && names_issuer(key, key_len, cert, own))
		found = own;
	return found;
}

bool ocu_stores_find(const char *path, const unsigned char *key, size_t key_len, X509 **cert,
		    X509 **issuer)
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	*cert = store ? OCU_STORE_DATA(store)->cert : NULL;
	*issuer = *cert ? issuer_of(store, key, key_len) : NULL;
	if (!*issuer)
		return false;
	X509_up_ref(*cert);
	X509_up_ref(*issuer);
	return true;
}

size_t ocu_stores_key(const char *path, unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH])
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	memset(key, 0, OCSP_MAX_CERTID_ASN1_LENGTH);
	return store ? id_der(OCU_STORE_DATA(store)->ocsp_cid, key) : 0;
}

const char *ocu_stores_lookup(const char *path, unsigned char *key, size_t *len)
{
	bool exists;

	if (HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock))
		return "Operations on certificates are currently locked!\n";
	exists = ckchs_lookup((char *)path);
	*len = ocu_stores_key(path, key);
	HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	if (!exists)
		return "Unknown certificate! An already known certificate file name is "
		       "expected.\n";
	return *len ? NULL : "This certificate is not stapled: it is not in use, or has neither an "
			     "OCSP response nor updates turned on.\n";
}

static X509 *issued_by(STACK_OF(X509) *chain, X509 *cert)
{
	int i;

	for (i = 0; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), cert) == X509_V_OK)
			return sk_X509_value(chain, i);
	return NULL;
}

/* ---- what is wrong ---- */

enum remark { BAD_URI, MUST_UNUSABLE_URI, UNUSABLE_URI, DISABLED, OFF, MUST_WITHOUT_URI,
	      WITHOUT_URI, REMARKS };

/* Without a URI an administrator expects no staple, unless the certificate demands it. */
static struct {
	const char *text;
	bool notice;
	unsigned n;  /* while starting: certificates */
	char *first; /* its path */
} remarks[REMARKS] = {
	[DISABLED] = { "must-staple certificate without an OCSP response, and updates are off: "
		       "clients will refuse it; remove 'ocsp-update.disable'" },
	[OFF] = { "must-staple certificate without an OCSP response, and updates are off: clients "
		  "will refuse it; set 'ocsp-update on' for it" },
	[MUST_WITHOUT_URI] = { "must-staple certificate without an OCSP URI: clients will refuse "
			       "it unless you provide its response; put one into the file's "
			       ".ocsp" },
	[WITHOUT_URI] = { "updates are on but the certificate has no OCSP URI, nothing will be "
			  "stapled; set 'ocsp-update off' for it", .notice = true },
	[MUST_UNUSABLE_URI] = { "must-staple certificate without a usable OCSP URI: clients will "
				"refuse it unless you provide its response; put one into the "
				"file's .ocsp" },
	[UNUSABLE_URI] = { "updates are on but the certificate has no usable OCSP URI, it will not "
			   "be updated; set 'ocsp-update off' for it", .notice = true },
	[BAD_URI] = { "unusable OCSP URI" },
};

/* HAProxy's threads stand still while certificates are judged: lines are written afterwards. */
struct later {
	struct later *next;
	int level;
	char *text;
};
static struct later *later, **later_end = &later;

static void later_add(int level, const char *path, const char *text, const char *sep,
		      const char *more)
{
	struct later *l = calloc(1, sizeof(*l));

	if (!l || !memprintf(&l->text, "<OCSP-UPDATE> %s: %s%s%s\n", path, text, sep, more)) {
		free(l);
		return;
	}
	l->level = level;
	*later_end = l;
	later_end = &l->next;
}

void ocu_stores_log(void)
{
	struct later *l;

	later_end = &later;
	while ((l = later)) {
		later = l->next;
		send_log(NULL, l->level, "%s", l->text);
		free(l->text);
		free(l);
	}
}

static void remark(enum remark r, const char *path, const char *more)
{
	const char *sep = more ? " " : "";

	if (!more)
		more = "";
	if (!(global.mode & MODE_STARTING)) {
		later_add(remarks[r].notice ? LOG_NOTICE : LOG_WARNING, path, remarks[r].text,
			  sep, more);
		return;
	}
	if (!remarks[r].n++)
		memprintf(&remarks[r].first, "'%s': %s%s%s", path, remarks[r].text, sep, more);
}

/* Of a missing issuer HAProxy speaks itself. */
static void unstapled(const char *path, X509 *cert, bool update)
{
	STACK_OF(OPENSSL_STRING) *uris = X509_get1_ocsp(cert);
	bool must = ocu_ocsp_must_staple(cert);

	if (must && !update)
		remark(OCU_DISABLED ? DISABLED : OFF, path, NULL);
	else if (must && !uris)
		remark(MUST_WITHOUT_URI, path, NULL);
	else if (update && !uris)
		remark(WITHOUT_URI, path, NULL);
	X509_email_free(uris);
}

static bool updated(struct ckch_store *store)
{
	int mode = OCU_STORE_MODE(store);

	if (mode == SSL_SOCK_OCSP_UPDATE_DFLT)
		mode = OCU_MODE;
	return mode == SSL_SOCK_OCSP_UPDATE_ON && !OCU_DISABLED;
}

bool ocu_stores_updated(const char *path)
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	return store && updated(store);
}

/* Whether clients see the certificate of <store>: others are for connections to servers. */
static bool serves(struct ckch_store *store)
{
	struct ckch_inst *inst;

	list_for_each_entry(inst, &store->ckch_inst, by_ckchs)
		if (!inst->is_server_instance)
			return true;
	return false;
}

bool ocu_stores_serve(void)
{
	struct ebmb_node *node;

	for (node = ebmb_first(&ckchs_tree); node; node = ebmb_next(node))
		if (serves(ebmb_entry(node, struct ckch_store, node)))
			return true;
	return !eb_is_empty(&crtlists_tree);
}

/* HAProxy before its fix 56314a20f loses 'ocsp-update on' in the copy of <store> with which "set
 * ssl cert" begins a transaction. Before b451fe166, which is older, that copy keeps the CertID of
 * the certificate that is replaced: a response for the new one, put into the transaction, would be
 * no use, and the new one would be served with what the old one's entry holds.
 */
static bool copies_mode(struct ckch_store *store)
{
	struct ckch_store *copy = ckchs_dup(store);
	bool same = copy && OCU_STORE_MODE(copy) == OCU_STORE_MODE(store);

	ckch_store_free(copy);
	return same;
}

bool ocu_stores_forgets(const char *path)
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	return store && updated(store) && !copies_mode(store);
}

size_t ocu_stores_foresee(const char *path, X509 *cert, STACK_OF(X509) *chain, X509 *own,
			  unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH], X509 **issuer)
{
	struct ckch_store *store = ckchs_lookup((char *)path);
	struct issuer_chain *further;
	OCSP_CERTID *id = NULL;
	size_t n;

	if (!store || !updated(store) || !copies_mode(store))
		return 0;
	further = ssl_get0_issuer_chain(cert);
	*issuer = issued_by(chain, cert);
	if (!*issuer && further)
		*issuer = issued_by(further->chain, cert);
	if (!*issuer && own && X509_check_issued(own, cert) == X509_V_OK)
		*issuer = own;
	if (*issuer)
		id = OCSP_cert_to_id(NULL, cert, *issuer);
	memset(key, 0, OCSP_MAX_CERTID_ASN1_LENGTH);
	n = id_der(id, key);
	OCSP_CERTID_free(id);
	return n;
}

bool ocu_stores_in_use(const char *path)
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	return store && !LIST_ISEMPTY(&store->ckch_inst);
}

static void judge(struct ckch_store *store)
{
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct certificate_ocsp *entry = NULL;
	bool update = updated(store), holds;

	if (!OCU_STORE_DATA(store)->cert || !serves(store))
		return;
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	if (id_der(OCU_STORE_DATA(store)->ocsp_cid, key))
		entry = (struct certificate_ocsp *)ebmb_lookup(&cert_ocsp_tree, key, sizeof(key));
	holds = entry && b_data(&entry->response);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	if (!entry || (!update && !holds))
		unstapled(store->path, OCU_STORE_DATA(store)->cert, update);
}

void ocu_stores_judge(const char *path)
{
	struct ckch_store *store = ckchs_lookup((char *)path);

	if (store)
		judge(store);
}

void ocu_stores_judge_uris(const char *path, const struct ocu_facts *f)
{
	ocu_stores_names |= f->names;
	ocu_stores_https |= f->https;
	if (f->bad_uris)
		remark(BAD_URI, path, f->bad_uris);
	if (!f->n_uris)
		remark(f->must_staple ? MUST_UNUSABLE_URI : UNUSABLE_URI, path, NULL);
}

void ocu_stores_say(void)
{
	struct ebmb_node *node;
	char *text = NULL;
	int i;

	for (node = ebmb_first(&ckchs_tree); node; node = ebmb_next(node))
		judge(ebmb_entry(node, struct ckch_store, node));
	for (i = 0; i < REMARKS; i++) {
		if (!remarks[i].n)
			continue;
		if (remarks[i].n == 1)
			memprintf(&text, "ocsp-update: %s.\n", remarks[i].first);
		else
			memprintf(&text, "ocsp-update: %u certificates, the first is %s.\n",
				  remarks[i].n, remarks[i].first);
		if (remarks[i].notice)
			ha_notice("%s", text);
		else
			ha_warning("%s", text);
		ha_free(&remarks[i].first);
		remarks[i].n = 0;
	}
	free(text);
}
