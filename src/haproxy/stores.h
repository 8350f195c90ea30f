/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stores.h - the certificates that HAProxy has loaded: which one a stapling entry belongs to, and
 * what is wrong with those for which nothing will be stapled.
 */
#ifndef OCU_HAPROXY_STORES_H
#define OCU_HAPROXY_STORES_H

#include <stdbool.h>

#include "compat.h"
#include "ocu/engine.h"

/* Finds the certificate of the store <path> whose CertID is <key>, and the issuer that this CertID
 * names, and takes a reference on both. Returns false if the store holds another one by now. Under
 * ckch_lock.
 */
bool ocu_stores_find(const char *path, const unsigned char *key, size_t key_len, X509 **cert,
		    X509 **issuer);

/* Writes the CertID of the store <path> into <key>, filled with zeroes, and returns its length; 0
 * if there is none, or it is not stapled. Under ckch_lock.
 */
size_t ocu_stores_key(const char *path, unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH]);

/* The same for a command, which gets NULL, or the text why there is no CertID. */
const char *ocu_stores_lookup(const char *path, unsigned char *key, size_t *len);

/* Whether the certificate of the store <path> is updated, and the one that a transaction puts in
 * its place will not be, because this HAProxy forgets it. Under ckch_lock.
 */
bool ocu_stores_forgets(const char *path);

/* What a transaction will put into the store <path>: <cert>, with <chain>, and with the issuer
 * <own>, which may be NULL. Writes its CertID into <key>, filled with zeroes, lends *issuer, which
 * HAProxy will find, and returns the length of the CertID; 0 if it will not be updated. Under
 * ckch_lock.
 */
size_t ocu_stores_foresee(const char *path, X509 *cert, STACK_OF(X509) *chain, X509 *own,
			  unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH], X509 **issuer);

/* Whether a bind or a list uses the store <path>. Under ckch_lock. */
bool ocu_stores_in_use(const char *path);

/* Remarks on the certificate file <path>: for which nothing will be stapled, or not updated. While
 * starting they are counted, and said by ocu_stores_say() with a line for each reason; later they
 * are lines of the log, which ocu_stores_log() writes. <f> is what the engine found in the
 * certificate. Under ckch_lock, isolated or while starting.
 */
void ocu_stores_judge(const char *path);
void ocu_stores_judge_uris(const char *path, const struct ocu_facts *f);

/* Writes what was remarked into the log. On the thread that has judged. */
void ocu_stores_log(void);

/* Whether the file <path> is there and its certificate is to be updated. Under ckch_lock. */
bool ocu_stores_updated(const char *path);

/* Whether a certificate that was judged has a responder by name, so that DNS matters; or one by
 * https://.
 */
extern bool ocu_stores_names, ocu_stores_https;

/* Whether clients are served with certificates, or there are lists to which commands may add
 * some.
 */
bool ocu_stores_serve(void);

/* At the end of the configuration: judges all, and says what was remarked. */
void ocu_stores_say(void);

#endif
