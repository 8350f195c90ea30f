/* SPDX-License-Identifier: GPL-2.0-or-later */
/* entries.h - HAProxy's stapling entries: what it wants updated comes in by them, and responses go
 * out to them. They are found by CertID each time; no pointer to one is kept.
 *
 * All functions are for the thread of the host task, or for the main thread while no other runs.
 * "Isolated" is a caller after thread_isolate(), or while HAProxy has one thread: then nobody reads
 * or frees an entry, and the locks are free unless a transaction holds them.
 */
#ifndef OCU_HAPROXY_ENTRIES_H
#define OCU_HAPROXY_ENTRIES_H

#include <stdbool.h>

#include "compat.h"
#include "ocu/engine.h"

/* Whether HAProxy has put entries into ocsp_update_tree that were not taken yet. */
bool ocu_entries_wait(void);

/* Takes at most <max> entries out of ocsp_update_tree and loads their certificates into <e>.
 * <order> is called for those for which a command wants a response now, <judge> with what was found
 * in the certificates that are new. Returns false if a transaction has locked the certificates: to
 * be tried again. Isolated.
 */
bool ocu_entries_take(struct ocu_engine *e, unsigned max,
		      void (*order)(const char *path, const unsigned char *key, size_t key_len),
		      void (*judge)(const char *path, const struct ocu_facts *f));

/* Makes known to <e> the must-staple certificates that are not updated but hold a response, so
 * that its end is noticed: the one of the file <path>, or all if that is NULL. Isolated, under
 * ckch_lock.
 */
void ocu_entries_watch(struct ocu_engine *e, const char *path);

/* Puts the response of <p>, of which <area> is a copy from malloc(), into its entry, and returns
 * OCU_OK, unless another one was set there meanwhile, of which <e> is told: OCU_HELD; or the entry
 * is gone: OCU_CANCELLED. *area is then what is to be freed, after the isolation. Isolated.
 */
OCU_MUST enum ocu_status ocu_entries_swap(struct ocu_engine *e, const struct ocu_publication *p,
				 char **area);

/* While starting: puts the <n> bytes *area, from malloc(), which another process has fetched and
 * checked, into the entry <key> of at most OCSP_MAX_CERTID_ASN1_LENGTH bytes, if there is one that
 * the engine knows. *area is then what is to be freed. Looks into nothing, and tells nobody:
 * ocu_entries_tell() does, in a process that may read what came from the network. That one returns
 * false without memory; what was not told is found by the next sweep.
 */
void ocu_entries_put(const unsigned char *key, size_t key_len, char **area, size_t n,
		     int64_t expiry);
bool ocu_entries_tell(struct ocu_engine *e);

/* Looks whether the entry <key>, if <e> knows it, holds another response than <e> believes. <path>
 * is a file with its certificate, by which it is loaded if that could not be done before, or NULL.
 * Isolated, under ckch_lock.
 */
void ocu_entries_look(struct ocu_engine *e,
		      const unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH],
		      const char *path);

/* Looks whether entries that <e> knows are gone; at most <max> in each call. Returns whether there
 * are more. ocu_entries_sweep_again(): all of them once more, from where it is on, so that the last
 * ones have their turn too while commands keep coming.
 */
bool ocu_entries_sweep(struct ocu_engine *e, unsigned max);
void ocu_entries_sweep_again(void);

/* A response that an entry holds; all is borrowed. */
struct ocu_entries_held {
	const unsigned char *key; /* the CertID in DER */
	size_t key_len;
	const char *der;
	size_t der_len;
	int64_t expiry; /* seconds since the epoch: not stapled from then on */
};

/* Looks at no more than <max> entries after the one with the CertID <at>, which is filled with
 * zeroes and need not be there any more; all zeroes: from the first one on. Calls <each> for those
 * that hold a response which has not ended; it returns false if it cannot take that one now. <at>
 * becomes the last one that is done with. Returns whether there are more. Isolated.
 */
bool ocu_entries_walk(unsigned char at[static OCSP_MAX_CERTID_ASN1_LENGTH], unsigned max,
		      bool (*each)(void *arg, const struct ocu_entries_held *h), void *arg);

/* Puts <h>, which another process held, into its entry if <e> knows that one, and it holds nothing
 * or what ends earlier; <e> is told and looks at it later. Returns whether it did. Main thread,
 * while no other runs.
 */
bool ocu_entries_give(struct ocu_engine *e, const struct ocu_entries_held *h);

/* Whether the engine knows the entry with the CertID <key>. */
bool ocu_entries_knows(const unsigned char *key, size_t key_len);

/* Returns a number for the load of a certificate: none that was used before. */
unsigned ocu_entries_number(void);

/* The number of entries that the engine knows. */
size_t ocu_entries_known(void);

/* Forgets all. */
void ocu_entries_fini(void);

#endif
