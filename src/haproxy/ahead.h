/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ahead.h - the response of a certificate that a transaction brings ("set ssl cert") is fetched
 * before "commit ssl cert" puts it into service, and is part of the transaction then. HAProxy has
 * one transaction at a time, so there is one such certificate; it is forgotten with its transaction
 * or with the next one.
 *
 * "Command" is any thread of HAProxy on which a command runs, "host" that of the host task.
 */
#ifndef OCU_HAPROXY_AHEAD_H
#define OCU_HAPROXY_AHEAD_H

#include <stdbool.h>

#include "compat.h"
#include "ocu/engine.h"

/* "set ssl cert <path>" has worked, <path> being as the command has it, maybe with an ending: looks
 * whether there is a response to be fetched now. Command.
 */
void ocu_ahead_set(const char *path, const char *payload);

/* The transaction about <path> is given up, or what it has brought is removed. Command. */
void ocu_ahead_drop(const char *path);

/* "commit ssl cert <path>" comes: returns the response for the new certificate in base64, to be put
 * into the transaction; the caller frees it. NULL if there is none, or the transaction has one from
 * the administrator. Command.
 */
char *ocu_ahead_commit(const char *path);

/* Tells <e> what it is to fetch, and what not any more, unless there is an entry for it, as <known>
 * says: an old one may be left from before. <number> gives the number for its load. Host.
 */
void ocu_ahead_step(struct ocu_engine *e, bool (*known)(const unsigned char *key, size_t key_len),
		    unsigned (*number)(void));

/* Returns the number with which the certificate <key> was loaded ahead, 0 if it was not: its entry
 * goes on with it. Host.
 */
unsigned ocu_ahead_number(const unsigned char *key, size_t key_len);

/* Keeps the response of <p>, for which there is no entry, if the transaction waits for it. Takes
 * <area>, its copy from malloc(), and returns true then. Host.
 */
bool ocu_ahead_keep(const struct ocu_publication *p, char *area);

/* There is an entry for <key> now: returns the response that was kept for it, NULL if there is
 * none, its length and its expiry. The caller frees it. Host.
 */
char *ocu_ahead_claim(const unsigned char *key, size_t key_len, size_t *len, int64_t *expiry);

/* Frees all. While no other thread runs. */
void ocu_ahead_fini(void);

#endif
