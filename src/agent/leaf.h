/* SPDX-License-Identifier: GPL-2.0-or-later */
/* leaf.h - the certificates that are kept up to date, one for each CertID however many files and
 * HAProxies use it, and the newest response for each. Main thread.
 */
#ifndef OCU_AGENT_LEAF_H
#define OCU_AGENT_LEAF_H

#include <sys/queue.h>

#include "ocu/engine.h"

/* Somebody who staples the responses of a leaf; embedded in what is known of it. */
struct ocu_leaf_user {
	LIST_ENTRY(ocu_leaf_user) link;
	void (*fresh)(struct ocu_leaf_user *u); /* there is another response */
};

struct ocu_leaf {
	/* to be read */
	struct ocu_buf der; /* the response to staple */
	unsigned count;     /* of the responses so far; 0: there is none yet */
	bool must_staple;
	/* private */
	uint8_t key[OCU_ENGINE_KEY_MAX_BYTES];
	size_t key_len;
	unsigned changes;
	LIST_HEAD(, ocu_leaf_user) users;
};

struct ocu_leaves;

/* Makes an empty table, whose certificates <e> (keeps) updates. Errors: OCU_NOMEM. */
OCU_MUST enum ocu_status ocu_leaves_new(struct ocu_leaves **out, struct ocu_engine *e);

/* Frees <ls> (may be NULL). All leaves must have been put back. */
void ocu_leaves_free(struct ocu_leaves *ls);

/* Lets the engine update the response of <cert>, which <issuer> has issued and the file <path> has
 * (borrows all), for <u> (keeps, until ocu_leaf_put()). Errors: OCU_OCSP (nobody can be asked, or
 * it has no CertID), OCU_NOMEM, with the reason; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_leaf_get(struct ocu_leaf **out, struct ocu_leaves *ls, X509 *cert,
				      X509 *issuer, const char *path, struct ocu_leaf_user *u,
				      struct ocu_err *err);

/* <u> does not staple <l> any more; the last one ends the updates. <l> may be NULL. */
void ocu_leaf_put(struct ocu_leaves *ls, struct ocu_leaf *l, struct ocu_leaf_user *u);

/* Takes the response that the engine has brought, and tells all who staple it. Returns what
 * ocu_engine_published() is to be told.
 */
OCU_MUST enum ocu_status ocu_leaf_publish(struct ocu_leaves *ls, const struct ocu_publication *p);

#endif
