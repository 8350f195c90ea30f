/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hooks.c - what HAProxy calls when certificates come, change and go: tells the engine, and warns
 * about certificates for which nothing will be stapled.
 */
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/ssl_ckch.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/tools.h>

#include "hooks.h"
#include "host.h"

bool ocu_hooks_needed;
bool ocu_hooks_names;

/* ---- warnings ---- */

/* Says something about a certificate: on the console while starting, later in the log. */
static void cert_warn(const char *path, bool notice, const char *text)
{
	if (!(global.mode & MODE_STARTING))
		send_log(NULL, notice ? LOG_NOTICE : LOG_WARNING, "<OCSP-UPDATE> %s: %s\n", path,
			 text);
	else if (notice)
		ha_notice("ocsp-update: '%s': %s.\n", path, text);
	else
		ha_warning("ocsp-update: '%s': %s.\n", path, text);
}

/* A certificate for which nothing will be stapled. Without a URI an administrator expects no more,
 * unless the certificate demands it.
 */
static void warn_unstapled(const char *path, X509 *x509, const X509 *issuer, int update)
{
	STACK_OF(OPENSSL_STRING) *uris = X509_get1_ocsp(x509);
	bool must = ocu_ocsp_must_staple(x509);

	if (must && !update)
		cert_warn(path, false,
			  global_ssl.ocsp_update.disable
				  ? "must-staple certificate without an OCSP response, and updates "
				    "are off: clients will refuse it; remove 'ocsp-update.disable'"
				  : "must-staple certificate without an OCSP response, and updates "
				    "are off: clients will refuse it; set 'ocsp-update on' for it");
	else if (must && !uris)
		cert_warn(path, false, "must-staple certificate without an OCSP URI: clients will "
				       "refuse it unless you provide its response; put one into "
				       "the file's .ocsp");
	else if (!update)
		;
	else if (!uris)
		cert_warn(path, true, "updates are on but the certificate has no OCSP URI, nothing "
				      "will be stapled; set 'ocsp-update off' for it");
	else if (!issuer)
		cert_warn(path, false, "updates are on but its issuer is not known, nothing will "
				       "be stapled; add the issuer to the file, put it into the "
				       "file's .issuer, or use 'issuers-chain-path'");
	else
		cert_warn(path, false, "stapling could not be set up (out of memory?)");
	X509_email_free(uris);
}

/* What is wrong with the URIs of a certificate that is stapled. */
static void warn_uris(const char *path, const struct ocu_facts *f, int update)
{
	char *text = NULL;

	if (f->bad_uris)
		cert_warn(path, false, memprintf(&text, "unusable OCSP URI %s", f->bad_uris));
	free(text);
	if (update && f->names)
		ocu_hooks_names = true;
	if (!update || f->n_uris)
		return;
	if (f->must_staple)
		cert_warn(path, false, "must-staple certificate without a usable OCSP URI: "
				       "clients will refuse it unless you provide its response; "
				       "put one into the file's .ocsp");
	else
		cert_warn(path, true, "updates are on but the certificate has no usable OCSP "
				      "URI, it will not be updated; set 'ocsp-update off' for "
				      "it");
}

/* ---- hooks ---- */

/* Returns a number that no entry has had yet: for one that is new, and for one whose response
 * somebody has set. A response that the engine has fetched goes into an entry only with the number
 * that was the entry's then, so it never goes into that of a certificate which was removed and
 * added again meanwhile. Under ocsp_tree_lock.
 */
static unsigned changes_new(void)
{
	static unsigned last;

	return ++last;
}

/* Tells the engine what <entry> holds now. Returns false without memory. Under ocsp_tree_lock. */
static bool tell_held(struct certificate_ocsp *entry)
{
	struct ocsp_resp *resp = ssl_ocsp_resp_get(entry);
	enum ocu_status st;

	st = ocu_engine_held(ocu_host_engine, entry->key_data, entry->key_length,
			     resp ? b_orig(&resp->der) : NULL, resp ? b_data(&resp->der) : 0,
			     OCU_ENTRY_CHANGES(entry));
	if (st != OCU_OK)
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> out of memory: a response that was set is "
					"not known to the updater\n");
	ssl_ocsp_resp_put(resp);
	return st == OCU_OK;
}

static bool holds_response(struct certificate_ocsp *entry)
{
	struct ocsp_resp *resp;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	resp = ssl_ocsp_resp_get(entry);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	ssl_ocsp_resp_put(resp);
	return resp != NULL;
}

/* Returns whether <entry> was not known to the engine until now, and its number in *changes. */
static bool entry_is_new(struct certificate_ocsp *entry, unsigned *changes)
{
	bool fresh;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	fresh = !OCU_ENTRY_KNOWN(entry);
	if (fresh)
		OCU_ENTRY_SET(entry, changes_new());
	*changes = OCU_ENTRY_CHANGES(entry);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	return fresh;
}

/* The engine does not know <entry>: the next load tells it all. */
static void entry_lost(struct certificate_ocsp *entry)
{
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	OCU_ENTRY_FORGET(entry);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
}

static void hook_load(struct certificate_ocsp *entry, const char *path, X509 *x509, X509 *issuer,
		      int update)
{
	struct ocu_facts facts;
	unsigned changes;
	bool fresh;

	ocu_hooks_needed = true;
	if (global_ssl.ocsp_update.disable)
		update = 0;
	if (!entry || (!update && !holds_response(entry)))
		warn_unstapled(path, x509, issuer, update);
	if (!entry || global_ssl.ocsp_update.disable || !ocu_host_engine)
		return;
	fresh = entry_is_new(entry, &changes);
	if (ocu_engine_load(ocu_host_engine, entry->key_data, entry->key_length, path, x509,
			    issuer, update, changes, &facts) != OCU_OK) {
		cert_warn(path, false, "out of memory, it will not be updated");
		if (fresh)
			entry_lost(entry);
		return;
	}
	if (fresh)
		warn_uris(path, &facts, update);
	free(facts.bad_uris);
	if (!fresh)
		return;
	/* after the load, so that nothing that is set meanwhile is missed */
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	(void)tell_held(entry);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
}

static void hook_forget(struct certificate_ocsp *entry)
{
	if (!OCU_ENTRY_KNOWN(entry) || !ocu_host_engine)
		return;
	OCU_ENTRY_FORGET(entry);
	if (ocu_engine_unload(ocu_host_engine, entry->key_data, entry->key_length) != OCU_OK)
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> out of memory: a removed certificate goes "
					"on being updated\n");
}

static void hook_changed(struct certificate_ocsp *entry)
{
	unsigned was = OCU_ENTRY_CHANGES(entry);

	if (!OCU_ENTRY_KNOWN(entry) || !ocu_host_engine)
		return;
	OCU_ENTRY_SET(entry, changes_new());
	/* with a number that the engine does not know nothing that it fetches would be stapled */
	if (!tell_held(entry))
		OCU_ENTRY_SET(entry, was);
}

static const struct ssl_ocsp_updater hooks = {
	.load = hook_load,
	.forget = hook_forget,
	.changed = hook_changed,
};

static void hooks_register(void)
{
	ssl_ocsp_updater = &hooks;
}
INITCALL0(STG_REGISTER, hooks_register);

/* ---- commands ---- */

/* Returns what is stapled for the certificate file <store>, NULL if it is not used or not stapled.
 * Its SSL_CTXs keep it alive while the caller holds the ckch_lock.
 */
static struct certificate_ocsp *entry_of(struct ckch_store *store)
{
	struct ocsp_cbk_arg *arg;
	struct ckch_inst *inst;

	list_for_each_entry(inst, &store->ckch_inst, by_ckchs) {
		arg = inst->ctx ? SSL_CTX_get_ex_data(inst->ctx, ocsp_ex_index) : NULL;
		if (arg && arg->is_single && arg->s_ocsp)
			return arg->s_ocsp;
	}
	return NULL;
}

const char *ocu_hooks_find(const char *path, unsigned char *key, size_t *len)
{
	struct certificate_ocsp *entry;
	struct ckch_store *store;
	const char *why = NULL;

	if (HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock))
		return "Operations on certificates are currently locked!\n";
	store = ckchs_lookup((char *)path);
	entry = store ? entry_of(store) : NULL;
	if (!store)
		why = "Unknown certificate! An already known certificate file name is expected.\n";
	else if (global_ssl.ocsp_update.disable)
		why = "OCSP updates are disabled by 'ocsp-update.disable'.\n";
	else if (!entry)
		why = "This certificate is not stapled: it is not in use, or has neither an OCSP "
		      "response nor updates turned on.\n";
	if (!why) {
		memcpy(key, entry->key_data, entry->key_length);
		*len = entry->key_length;
	}
	HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	return why;
}
