/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cert.c - the hooks that HAProxy calls when certificates come and go, what is kept for each, and
 * the mailbox through which everybody else reaches the updater task. Schedules nothing itself.
 */
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/ssl_ckch.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/tools.h>

#include "glue.h"

bool updater_needed;
bool conf_needs_names;

static struct {
	__decl_thread(HA_SPINLOCK_T lock);
	struct cert *certs, **certs_end;
	struct request *requests, **requests_end;
} mailbox;

static void mailbox_init(void)
{
	HA_SPIN_INIT(&mailbox.lock);
	mailbox.certs_end = &mailbox.certs;
	mailbox.requests_end = &mailbox.requests;
}
INITCALL0(STG_LOCK, mailbox_init);

static void mail_link(struct cert *c, unsigned mail)
{
	HA_SPIN_LOCK(OTHER_LOCK, &mailbox.lock);
	if (!c->mail) {
		HA_ATOMIC_INC(&c->refs);
		c->next_mail = NULL;
		*mailbox.certs_end = c;
		mailbox.certs_end = &c->next_mail;
	}
	c->mail |= mail;
	HA_SPIN_UNLOCK(OTHER_LOCK, &mailbox.lock);
}

void cert_post(struct cert *c, unsigned mail)
{
	mail_link(c, mail);
	updater_wake();
}

struct cert *mail_peek(void)
{
	return mailbox.certs;
}

struct cert *mail_take(unsigned *mail)
{
	struct cert *c;

	HA_SPIN_LOCK(OTHER_LOCK, &mailbox.lock);
	c = mailbox.certs;
	if (c) {
		mailbox.certs = c->next_mail;
		if (!mailbox.certs)
			mailbox.certs_end = &mailbox.certs;
		*mail = c->mail;
		c->mail = 0;
	}
	HA_SPIN_UNLOCK(OTHER_LOCK, &mailbox.lock);
	return c;
}

void request_post(struct request *r)
{
	HA_ATOMIC_INC(&r->refs);
	HA_SPIN_LOCK(OTHER_LOCK, &mailbox.lock);
	r->next = NULL;
	*mailbox.requests_end = r;
	mailbox.requests_end = &r->next;
	HA_SPIN_UNLOCK(OTHER_LOCK, &mailbox.lock);
	updater_wake();
}

struct request *request_take_all(void)
{
	struct request *all;

	HA_SPIN_LOCK(OTHER_LOCK, &mailbox.lock);
	all = mailbox.requests;
	mailbox.requests = NULL;
	mailbox.requests_end = &mailbox.requests;
	HA_SPIN_UNLOCK(OTHER_LOCK, &mailbox.lock);
	return all;
}

void outcome_put(struct outcome *o)
{
	if (o && HA_ATOMIC_SUB_FETCH(&o->refs, 1) == 0)
		free(o);
}

void cert_put(struct cert *c)
{
	if (!c || HA_ATOMIC_SUB_FETCH(&c->refs, 1) != 0)
		return;
	X509_free(c->x509);
	X509_free(c->issuer);
	outcome_put(c->last);
	free(c->uris);
	free(c->bad_uris);
	free(c->path);
	free(c);
}

int64_t cert_held(struct cert *c, struct ocu_ocsp *o)
{
	struct ocsp_resp *resp = NULL;
	int64_t expiry = 0;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	if (c->entry)
		resp = ssl_ocsp_resp_get(c->entry);
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);

	if (resp && ocu_ocsp_peek(o, (const uint8_t *)b_orig(&resp->der), b_data(&resp->der),
				  c->x509, c->issuer, NULL) == OCU_OK)
		expiry = resp->expire;
	else
		memset(o, 0, sizeof(*o));
	ssl_ocsp_resp_put(resp);
	return expiry;
}

bool cert_publish(struct cert *c, struct ocsp_resp *resp)
{
	bool other;

	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	HA_SPIN_LOCK(OTHER_LOCK, &mailbox.lock);
	other = c->mail & MAIL_CHANGED;
	HA_SPIN_UNLOCK(OTHER_LOCK, &mailbox.lock);
	if (c->entry && !other) {
		ssl_ocsp_resp_set(c->entry, resp);
		resp = NULL;
	}
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	ssl_ocsp_resp_put(resp);
	return !other;
}

/* Keeps one URI of a certificate, or why it cannot be used. */
static enum ocu_status add_uri(void *arg, const char *uri, size_t n)
{
	struct cert *c = arg;
	struct ocu_err err = {0};
	size_t i, len = n < 128 ? n : 128;
	char text[129];

	if (c->n_uris < OCU_OCSP_URIS_MAX &&
	    ocu_url_parse(&c->uris[c->n_uris], uri, n, &err) == OCU_OK) {
		c->n_uris++;
		return OCU_OK;
	}
	for (i = 0; i < len; i++)
		text[i] = uri[i] > ' ' && uri[i] < 0x7f && uri[i] != '"' ? uri[i] : '?';
	text[len] = 0;
	memprintf(&c->bad_uris, "%s%s'%s': %s", c->bad_uris ? c->bad_uris : "",
		  c->bad_uris ? ", " : "", text, err.code ? err.msg : "too many URIs");
	return OCU_OK;
}

/* Makes what is kept for a certificate, with one reference; NULL without memory. */
static struct cert *cert_new(const struct certificate_ocsp *entry, const char *path, X509 *x509,
			     X509 *issuer)
{
	struct cert *c = calloc(1, sizeof(*c));
	struct ocu_url *fit;

	if (!c)
		return NULL;
	c->refs = 1;
	X509_up_ref(x509);
	c->x509 = x509;
	X509_up_ref(issuer);
	c->issuer = issuer;
	c->must_staple = ocu_ocsp_must_staple(x509);
	c->key_len = entry->key_length;
	memcpy(c->key, entry->key_data, sizeof(c->key));
	c->path = strdup(path);
	c->uris = calloc(OCU_OCSP_URIS_MAX, sizeof(*c->uris));
	if (!c->path || !c->uris || ocu_ocsp_uris(x509, add_uri, c) != OCU_OK) {
		cert_put(c);
		return NULL;
	}
	/* they are large, and most certificates have one */
	fit = calloc(c->n_uris ? c->n_uris : 1, sizeof(*fit));
	if (fit) {
		memcpy(fit, c->uris, c->n_uris * sizeof(*fit));
		free(c->uris);
		c->uris = fit;
	}
	return c;
}

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

void certs_warn_revoked(void)
{
	struct ocu_ocsp o;
	struct cert *c;

	for (c = mail_peek(); c; c = c->next_mail)
		if (cert_held(c, &o) && o.revoked)
			cert_warn(c->path, false, "certificate is REVOKED, says the response that "
						  "is loaded for it; replace the certificate");
}

/* What is wrong with the URIs of a certificate that is stapled. */
static void warn_uris(const struct cert *c, int update)
{
	char *text = NULL;
	size_t i;

	if (c->bad_uris)
		cert_warn(c->path, false, memprintf(&text, "unusable OCSP URI %s", c->bad_uris));
	free(text);
	for (i = 0; update && i < c->n_uris; i++)
		if (!c->uris[i].literal)
			conf_needs_names = true;
	if (!update || c->n_uris)
		return;
	if (c->must_staple)
		cert_warn(c->path, false, "must-staple certificate without a usable OCSP URI: "
					  "clients will refuse it unless you provide its response; "
					  "put one into the file's .ocsp");
	else
		cert_warn(c->path, true, "updates are on but the certificate has no usable OCSP "
					 "URI, it will not be updated; set 'ocsp-update off' for "
					 "it");
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

static void hook_load(struct certificate_ocsp *entry, const char *path, X509 *x509, X509 *issuer,
		      int update)
{
	struct cert *c, *fresh = NULL;
	bool first;

	updater_needed = true;
	if (global_ssl.ocsp_update.disable)
		update = 0;
	if (!entry || (!update && !holds_response(entry)))
		warn_unstapled(path, x509, issuer, update);
	if (!entry || global_ssl.ocsp_update.disable)
		return;
	/* outside of the lock; almost always it is needed */
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	first = !entry->updater;
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	if (first) {
		fresh = cert_new(entry, path, x509, issuer);
		if (!fresh) {
			cert_warn(path, false, "out of memory, it will not be updated");
			return;
		}
		warn_uris(fresh, update);
	}
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	c = entry->updater;
	if (!c && fresh) {
		c = entry->updater = fresh;
		c->entry = entry;
		fresh = NULL;
	}
	if (c)
		mail_link(c, MAIL_NEW | (update ? MAIL_ON : 0));
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	updater_wake();
	cert_put(fresh);
}

static void hook_forget(struct certificate_ocsp *entry)
{
	struct cert *c = entry->updater;

	if (!c)
		return;
	entry->updater = NULL;
	c->entry = NULL;
	cert_post(c, MAIL_FORGET);
	cert_put(c);
}

static void hook_changed(struct certificate_ocsp *entry)
{
	if (entry->updater)
		cert_post(entry->updater, MAIL_CHANGED);
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

const char *cert_find(const char *path, struct cert **c)
{
	const char *why = NULL;
	struct certificate_ocsp *entry;
	struct ckch_store *store;

	*c = NULL;
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
		HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
		*c = entry->updater;
		if (*c)
			HA_ATOMIC_INC(&(*c)->refs);
		HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
		if (!*c)
			why = "This certificate is not updated: it was removed, or there was no "
			      "memory for it.\n";
	}
	HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	return why;
}
