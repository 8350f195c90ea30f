/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pem.h - the certificates of a PEM text, and nothing else that is in it: a private key is passed
 * over line by line, is never decoded, and nothing of it is kept.
 */
#ifndef OCU_AGENT_PEM_H
#define OCU_AGENT_PEM_H

#include "ocu/openssl.h"

#include <openssl/x509.h>

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_PEM_MAX_BYTES (1024 * 1024) /* of certificates in one text */

/* What was taken out of a text so far. */
struct ocu_pem {
	struct ocu_buf text; /* the certificates, in PEM */
	/* private */
	char line[128];      /* the part of a line that has come */
	size_t n;
	bool inside;         /* of a certificate */
};

/* Begins with nothing. */
void ocu_pem_init(struct ocu_pem *p);

/* Frees what <p> has, and wipes the rest. May be called twice. */
void ocu_pem_fini(struct ocu_pem *p);

/* Takes the certificates out of the next <n> bytes of a text, which may end anywhere; the caller
 * wipes them. Errors: OCU_TOO_BIG, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_pem_add(struct ocu_pem *p, const void *bytes, size_t n);

/* The same for the file <path>. Errors: also OCU_IO with the reason. */
OCU_MUST enum ocu_status ocu_pem_read(struct ocu_pem *p, const char *path, struct ocu_err *err);

/* Returns the certificates of a text that has ended, in their order; the caller frees them. NULL if
 * there is none, or one does not parse, or there is no memory.
 */
STACK_OF(X509) *ocu_pem_certs(struct ocu_pem *p);

#endif
