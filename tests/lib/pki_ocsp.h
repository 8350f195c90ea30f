/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki_ocsp.h - who may sign OCSP responses, and how: keys, digests, dates, usages and encodings of
 * every kind, at the times that a test names. Opens no socket, asks no clock, verifies nothing.
 */
#ifndef TESTS_PKI_OCSP_H
#define TESTS_PKI_OCSP_H

#include "pki.h"

#define PKI_OCSP_CERTS_MAX 4

enum pki_kind {
	PKI_P256,
	PKI_P384,
	PKI_ED25519,
	PKI_RSA2048,
	PKI_RSA1024,
	PKI_RSA768,
	PKI_MLDSA65, /* from OpenSSL 3.5 on */
};

/* How something is signed. */
enum pki_sig {
	PKI_SIG_USUAL,    /* SHA-256, or what the key does without a digest */
	PKI_SIG_SHA384,
	PKI_SIG_SHA512,
	PKI_SIG_SHA1,
	PKI_SIG_MD5,
	PKI_SIG_PSS,      /* RSASSA-PSS with SHA-256 */
	PKI_SIG_PSS_SHA1,
};

/* A certificate. All times are seconds since the epoch. */
struct pki_ocsp_cert {
	const char *name;
	const struct pki_id *by;     /* NULL: signed by itself */
	enum pki_sig sig;            /* how it is signed */
	enum pki_kind kind;          /* of a new key */
	EVP_PKEY *key;               /* borrows; instead of a new one */
	long serial;
	int64_t begin, end;
	bool ca;
	const char *usage;           /* key usage as in a configuration file; NULL: none */
	const char *extended;        /* extended key usage, likewise */
	bool nocheck;                /* id-pkix-ocsp-nocheck */
	X509 *authority;             /* whom the authority key identifier names, by issuer and
				      * serial too; NULL: there is none; borrows */
};

/* Whether OpenSSL knows keys of <kind>. */
bool pki_ocsp_has(enum pki_kind kind);

/* Returns a new key; the caller frees it. */
EVP_PKEY *pki_ocsp_key(enum pki_kind kind);

/* Makes <c> (borrows) into <out>, to be ended with pki_cert_fini(). */
void pki_ocsp_cert_make(struct pki_id *out, const struct pki_ocsp_cert *c);

/* A response. */
struct pki_ocsp_response {
	const struct pki_single *singles; /* all with an issuer; borrows */
	size_t n_singles;
	const struct pki_id *by;          /* borrows */
	enum pki_sig sig;
	bool by_key;                      /* name the responder by its key */
	X509 *certs[PKI_OCSP_CERTS_MAX];  /* what is embedded, up to the first NULL; borrows */
};

/* Makes <r> (borrows); the caller frees *der with free(). Returns its size. */
size_t pki_ocsp_response_make(uint8_t **der, const struct pki_ocsp_response *r);

/* A response whose outer parts are written byte by byte around a ResponseData, which is signed by
 * <key> with SHA-256 whatever <algorithm> says.
 */
struct pki_ocsp_parts {
	const uint8_t *tbs; /* ResponseData */
	size_t tbs_n;
	const void *algorithm; /* AlgorithmIdentifier */
	size_t algorithm_n;
	const void *certs;  /* what follows the signature */
	size_t certs_n;
	EVP_PKEY *key;
};

/* Makes <p> (borrows); the caller frees *der with free(). Returns its size. */
size_t pki_ocsp_parts_make(uint8_t **der, const struct pki_ocsp_parts *p);

/* Writes the ResponseData of the response <der> into *tbs, which the caller frees with free().
 * Returns its size.
 */
size_t pki_ocsp_tbs(uint8_t **tbs, const uint8_t *der, size_t n);

#endif
