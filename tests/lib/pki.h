/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki.h - certificates, keys and OCSP responses, right and wrong ones, made in memory for tests.
 * Opens no socket and verifies nothing. What cannot be made ends the program with a message.
 */
#ifndef TESTS_PKI_H
#define TESTS_PKI_H

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKI_DAY_S 86400
#define PKI_URIS_MAX 16
#define PKI_SINGLES_MAX 8

/* A certificate with its key. */
struct pki_id {
	X509 *cert;
	EVP_PKEY *key;
};

/* Who signs a response. Each is ready in struct pki. "Delegate" is a certificate for nothing but
 * OCSP signing.
 */
enum pki_signer {
	PKI_BY_ISSUER,             /* signs the leaves, and is signed by the root */
	PKI_BY_ROOT,               /* self-signed */
	PKI_BY_OTHER,              /* another CA that the root signed */
	PKI_BY_STRANGER,           /* a self-signed CA that has nothing to do with the others */
	PKI_BY_IMPOSTOR,           /* the issuer's subject, the root's signature, another key */
	PKI_BY_ALIAS,              /* the issuer's key under another name, self-signed */
	PKI_BY_LEAF,               /* an ordinary server certificate of the issuer */
	PKI_BY_DELEGATE,           /* signed by the issuer, carries the usage, valid */
	PKI_BY_DELEGATE_PLAIN,     /* without the OCSP signing usage */
	PKI_BY_DELEGATE_EXPIRED,   /* was valid until yesterday */
	PKI_BY_DELEGATE_FUTURE,    /* will be valid from tomorrow on */
	PKI_BY_DELEGATE_OF_ROOT,   /* signed by the root */
	PKI_BY_DELEGATE_OF_OTHER,  /* signed by the other CA */
	PKI_BY_DELEGATE_OF_LEAF,   /* signed by the server certificate */
	PKI_BY_DELEGATE_SELF,      /* signed by itself */
	PKI_BY_DELEGATE_RSA,       /* as PKI_BY_DELEGATE, with an RSA key */
	PKI_SIGNERS
};

struct pki {
	struct pki_id by[PKI_SIGNERS];
	int64_t now; /* seconds since the epoch, when it was made */
};

enum pki_algorithm { PKI_EC_P256, PKI_RSA_2048, PKI_RSA_3072 };

/* What a certificate shall be; all zero is a valid server certificate of the issuer. */
struct pki_cert {
	const char *name;               /* subject; NULL: "leaf.test" */
	const char *san;                /* "DNS:a,IP:127.0.0.1"; NULL: the name, unless <ca> */
	const char *uris[PKI_URIS_MAX]; /* OCSP URIs, up to the first NULL; any bytes */
	const char *ca_issuers;         /* AIA "CA Issuers" URI, put before the OCSP URIs */
	bool must_staple;               /* TLS feature status_request */
	bool must_staple_v2;            /* TLS feature status_request_v2 */
	bool ca;                        /* may sign certificates */
	bool ocsp_signing;              /* carries the OCSP signing usage */
	uint64_t serial;                /* 0: random */
	int64_t begin, end;             /* validity relative to now; both 0: a day ago, in a year */
	enum pki_algorithm algorithm;
	const struct pki_id *signer;    /* NULL: the issuer */
	bool self_signed;
	EVP_PKEY *key;                  /* borrows; NULL: a new one */
};

/* One single response. */
struct pki_single {
	X509 *cert;                 /* whose serial it has; borrows */
	const ASN1_INTEGER *serial; /* instead of cert's; borrows */
	X509 *issuer;               /* NULL: the issuer; borrows */
	const EVP_MD *md;           /* digest of the CertID; NULL: SHA-1 */
	int status;                 /* V_OCSP_CERTSTATUS_GOOD (0), _REVOKED, _UNKNOWN */
	int64_t this_update;        /* seconds since the epoch */
	int64_t next_update;        /* 0: none */
	int64_t revoked_at;         /* 0: thisUpdate */
};

/* A response. Without singles it is an error answer if <status> says so, else an empty one. */
struct pki_response {
	int status;                 /* OCSP_RESPONSE_STATUS_SUCCESSFUL (0) and the others */
	size_t n_singles;
	struct pki_single singles[PKI_SINGLES_MAX];
	enum pki_signer signer;
	const struct pki_id *by;    /* instead of <signer>; borrows */
	bool no_certs;              /* leave the delegate's certificate out */
	bool with_issuer;           /* put the issuer's certificate in as well */
	bool by_key;                /* name the responder by its key, not by its name */
	bool body_beside_error;     /* an error status with a basic response nevertheless */
	bool bad_signature;         /* one bit of the signature is wrong */
	bool critical_ext;          /* an unknown critical extension */
	const char *nonce;          /* a nonce extension with these bytes */
	size_t size;                /* padded to exactly this many bytes; 0: as it comes */
	size_t trailing;            /* zero bytes after the DER, not part of size */
};

/* Makes all signers. The caller owns the result. */
struct pki *pki_new(void);

/* Frees <p>, which may be NULL. */
void pki_free(struct pki *p);

/* Makes a certificate as <c> says (borrows) into <out>, to be ended with pki_cert_fini(). */
void pki_cert_make(struct pki *p, struct pki_id *out, const struct pki_cert *c);
void pki_cert_fini(struct pki_id *id);

/* Makes a response as <r> says (borrows); the caller frees *der with free(). Returns its size. */
size_t pki_response_make(struct pki *p, uint8_t **der, const struct pki_response *r);

/* A good response for <cert>, from an hour ago until in a day, signed by the issuer. */
size_t pki_response_good(struct pki *p, uint8_t **der, X509 *cert);

/* Writes PEM: <n> certificates in order, then <key> unless it is NULL. */
void pki_pem_write(const char *path, X509 *const *certs, size_t n, EVP_PKEY *key);

/* Returns the serial of <cert> as upper case hexadecimal; the caller frees with OPENSSL_free(). */
char *pki_serial(const X509 *cert);

#endif
