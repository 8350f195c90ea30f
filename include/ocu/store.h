/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.h - the state directory: accepted responses in files named by CertID, so that a restart
 * does not lose them. Believes nothing that it reads: the caller verifies it.
 */
#ifndef OCU_STORE_H
#define OCU_STORE_H

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_STORE_NAME_BYTES 70 /* SHA-256 of the CertID in hexadecimal, ".ocsp", zero */

/* The directory. One descriptor, opened before a chroot; several processes may share the directory.
 * The functions below may run on any thread, on one store also at the same time.
 */
struct ocu_store {
	int dir;
};

/* Opens the directory <path>. Errors: OCU_IO with the reason; s->dir is then -1. */
OCU_MUST enum ocu_status ocu_store_init(struct ocu_store *s, const char *path, struct ocu_err *err);

/* Closes the directory. May be called twice. */
void ocu_store_fini(struct ocu_store *s);

/* Writes the file name for a CertID in DER; "" if there is no memory to compute it. */
void ocu_store_name(char out[static OCU_STORE_NAME_BYTES], const uint8_t *certid, size_t n);

/* Writes the <n> bytes of <der> as the response for <certid>: into a temporary file of mode 0600,
 * which then takes the place of the present one: whenever the process dies, the file is the old or
 * the new response. <next_update> (seconds since the epoch) becomes the file's time of
 * modification. Blocks on the disk. Errors: OCU_IO with the reason, OCU_NOMEM; the present file
 * stays.
 */
OCU_MUST enum ocu_status ocu_store_put(const struct ocu_store *s, const uint8_t *certid,
				       size_t certid_len, const uint8_t *der, size_t n,
				       int64_t next_update, struct ocu_err *err);

/* Appends the file for <certid> to <out>, whose maximum is the largest file that is read. Refused
 * with OCU_IO and the reason: what is not a regular file of this user (or of root), what others may
 * write to, what is empty. OCU_AGAIN: there is none. OCU_NOMEM. Blocks on the disk.
 */
OCU_MUST enum ocu_status ocu_store_get(const struct ocu_store *s, const uint8_t *certid,
				       size_t certid_len, struct ocu_buf *out, struct ocu_err *err);

/* Removes response files that expired before <now>, unless <known> says that their certificate is
 * loaded, and temporary files that a dead process left. Other files are not touched.
 */
void ocu_store_sweep(const struct ocu_store *s, int64_t now,
		     bool (*known)(void *arg, const char *name), void *arg);

#endif
