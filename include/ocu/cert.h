/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cert.h - one certificate to staple for: one CertID, with all that is known of it, and the table
 * of all of them.
 */
#ifndef OCU_CERT_H
#define OCU_CERT_H

#include "ocu/openssl.h"

#include <openssl/x509.h>
#include <sys/queue.h>

#include "ocu/fetch.h"
#include "ocu/heap.h"
#include "ocu/responder.h"

#define OCU_CERT_TRIED_MAX 8 /* failed attempts of one try that are remembered */

/* One failed attempt. */
struct ocu_tried {
	struct ocu_attempt attempt;
	char url[160]; /* that was asked, cut */
};

/* How the last try ended. */
struct ocu_result {
	enum ocu_status status;
	bool not_modified;               /* OK: by 304 */
	bool unchanged;                  /* OK: the held response was current */
	bool refused;                    /* it was OK, but the host has refused the response, with
					  * <status> */
	int http_status;                 /* last one seen, 0: none */
	struct sockaddr_storage address; /* last peer, ss_family 0: none */
	size_t uri;                      /* the URI that was asked last */
	size_t last;                     /* index of the first attempt of the last turn */
	size_t n_tried;
	struct ocu_tried tried[];
};

/* One OCSP URI of a certificate. */
struct ocu_uri {
	struct ocu_responder *responder; /* with a reference, while it is in the table */
	char *text;
	bool literal; /* its host is an address */
	bool https;
};

/* Where a redirect led in the try that is under way. */
struct ocu_hop {
	struct ocu_responder *responder; /* with a reference */
	struct ocu_url url;
	size_t uri;         /* that began it */
	bool post;
	bool only_public;   /* it may not lead into the network behind this host */
	unsigned redirects; /* so far */
};

/* The first part does not change while somebody has a reference, and may be read on any thread; all
 * else is the loop thread's.
 */
struct ocu_cert {
	char *path;      /* of the file that brought it first */
	uint8_t *key;    /* the DER of its CertID */
	size_t key_len;
	bool must_staple;
	int64_t not_after; /* seconds since the epoch */
	size_t n_uris;
	struct ocu_uri *uris; /* the texts */
	char *bad_uris;  /* the unusable ones with their reasons, NULL: none */

	unsigned refs;   /* one for being in the table, one for each job and listing */
	X509 *x509, *issuer;
	struct ocu_item item;
	struct ocu_place *places; /* one for each URI, and one for a redirect */
	char *validators;         /* ETag and Last-Modified, each with its zero; NULL: none */
	uint8_t validators_uri;   /* the URI that they are from */
	bool in_table;
	bool automatic;           /* is updated by itself */
	bool loading;             /* waits for the state directory */
	bool loaded;              /* the state directory was asked */
	bool misses;              /* is counted as one without a response */
	uint8_t alerted;          /* alerts that were given for the end of the held response */
	unsigned changes;         /* the host's number of what it holds */
	struct ocu_held stapled;  /* what it holds, as it has said: item.held may be on its way */
	unsigned successes, failures;
	int64_t updated;          /* wall clock of the last success, 0: never */
	struct ocu_result *result; /* NULL: no try has ended yet */

	struct ocu_job *job;      /* the turn in flight, NULL: none */
	struct ocu_hop *hop;      /* NULL: not redirected */
	int64_t left_ms;          /* of the time of the try that is under way */
	struct ocu_result *trying; /* what was seen in it so far, NULL: nothing or no memory */

	struct ocu_heap_node alert; /* when to look at its end next */
	int64_t alert_s;
	struct ocu_cert *prev, *next; /* list of all */
};

/* Makes a certificate with one reference. <key> is borrowed, as all else: <cert> and <issuer> get a
 * reference, texts are copied. Errors: OCU_NOMEM; *out is then NULL. Any thread.
 */
OCU_MUST enum ocu_status ocu_cert_new(struct ocu_cert **out, const uint8_t *key, size_t key_len,
				      const char *path, X509 *cert, X509 *issuer);

/* Gives a reference back; <c> may be NULL. It must be out of the table when the last one goes. */
void ocu_cert_put(struct ocu_cert *c);

struct ocu_certs;

/* The table: certificates by CertID, and the list of all in the order in which they came. */
OCU_MUST enum ocu_status ocu_certs_new(struct ocu_certs **out);
void ocu_certs_free(struct ocu_certs *cs);

/* Puts <c> into the table, taking the caller's reference, or returns the one with the same CertID
 * that is there already; NULL without memory. Whichever it returns, <c> then has the object for its
 * issuer that others with the same issuer have. The table keeps issuers until it is freed: some
 * kilobytes for each CA certificate that was ever loaded, however many certificates it has issued.
 */
struct ocu_cert *ocu_certs_add(struct ocu_certs *cs, struct ocu_cert *c);

/* Takes <c> out of the table; its reference goes to the caller. */
void ocu_certs_remove(struct ocu_certs *cs, struct ocu_cert *c);

/* Returns the certificate with that CertID, NULL if there is none. */
struct ocu_cert *ocu_certs_find(struct ocu_certs *cs, const uint8_t *key, size_t key_len);

/* Returns the first of all; the others follow by ->next. */
struct ocu_cert *ocu_certs_first(struct ocu_certs *cs);
size_t ocu_certs_count(const struct ocu_certs *cs);

/* A walk over all, in that order, between two steps of which any of them may go and others come. It
 * has no reference on the next one: who goes is stepped over.
 */
struct ocu_certs_walk {
	struct ocu_cert *next; /* NULL: it is over */
	LIST_ENTRY(ocu_certs_walk) link;
};

/* Begins a walk, which <cs> keeps until ocu_certs_walk_fini(). */
void ocu_certs_walk_init(struct ocu_certs_walk *w, struct ocu_certs *cs);
void ocu_certs_walk_fini(struct ocu_certs_walk *w);

/* Returns the next one, NULL if there is none. */
struct ocu_cert *ocu_certs_walk_next(struct ocu_certs_walk *w);

/* Sets c->validators from <v>, none if it is empty or there is no memory. */
void ocu_cert_validators(struct ocu_cert *c, const struct ocu_http_validators *v, size_t uri);

/* Returns the ETag and the Last-Modified that came from the URI <uri>; NULL where there is none. */
const char *ocu_cert_etag(const struct ocu_cert *c, size_t uri);
const char *ocu_cert_last_modified(const struct ocu_cert *c, size_t uri);

#endif
