/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.h - the state directory: accepted responses in files named by CertID, so that a restart
 * does not lose them. Believes nothing that it reads: the caller verifies it. Its functions block
 * on the disk; disk.h has a thread for them.
 */
#ifndef OCU_STORE_H
#define OCU_STORE_H

#include <dirent.h>

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

/* Who is asked before a response makes room for another one. */
struct ocu_store_ask {
	/* Judges the <n> bytes at <der> (borrows) that are saved under the same name. OCU_OK: they
	 * are replaced. Any other status: they stay.
	 */
	enum ocu_status (*replaces)(void *arg, const uint8_t *der, size_t n);
	void *arg;
};

/* Saves <der> as the response for <certid> (borrows both). It is written into a temporary file of
 * mode 0600 and is on the disk before that file takes the place of the present one: whenever the
 * process dies or the power fails, the file is the old or the new response. <next_update> (seconds
 * since the epoch) becomes the file's time of modification.
 * The same bytes are not written again, only their time is set if it is another. If others are
 * there that ocu_store_get() would read, <ask> decides whether they stay; without <ask> they never
 * do. From the question to the replacement the directory is locked, so that no other process comes
 * between; where it cannot be locked (on NFS, or if this user may not read it), two processes that
 * save at the same moment may leave the older of their responses.
 * Returns what <ask> returned if the present file stays. Errors: OCU_IO with the reason, OCU_NOMEM;
 * the present file stays, unless the reason is that the directory could not be synced.
 */
OCU_MUST enum ocu_status ocu_store_replace(const struct ocu_store *s, struct ocu_slice certid,
					   struct ocu_slice der, int64_t next_update,
					   const struct ocu_store_ask *ask, struct ocu_err *err);

/* Saves <der> like that as the file <name> of a directory that is not ours: the .ocsp file beside a
 * certificate. Everybody may read it, and its time is that of the change. Errors: OCU_IO with the
 * reason, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_store_write(const struct ocu_store *s, const char *name,
					 struct ocu_slice der, struct ocu_err *err);

/* ocu_store_replace() without asking. */
OCU_MUST enum ocu_status ocu_store_put(const struct ocu_store *s, const uint8_t *certid,
				       size_t certid_len, const uint8_t *der, size_t n,
				       int64_t next_update, struct ocu_err *err);

/* Appends the file for <certid> to <out>, whose maximum is the largest file that is read. Refused
 * with OCU_IO and the reason: what is not a regular file of this user (or of root), what others may
 * write to, what is empty. "This user" is who the calling thread acts as in the file system, see
 * setfsuid(2). OCU_AGAIN: there is none. OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_store_get(const struct ocu_store *s, const uint8_t *certid,
				       size_t certid_len, struct ocu_buf *out, struct ocu_err *err);

/* Removes response files that expired before <now>, unless <known> says that their certificate is
 * loaded, and temporary files that a dead process left. Other files are not touched.
 */
void ocu_store_sweep(const struct ocu_store *s, int64_t now,
		     bool (*known)(void *arg, const char *name), void *arg);

/* ocu_store_sweep() in parts. */
struct ocu_store_walk {
	DIR *dir; /* private */
};

/* Begins a walk through the directory. Errors: OCU_IO with the reason; ending it is then not needed
 * and does no harm.
 */
OCU_MUST enum ocu_status ocu_store_walk_init(struct ocu_store_walk *w, const struct ocu_store *s,
					     struct ocu_err *err);

/* Does for the next <n> entries what ocu_store_sweep() does; false if there are no more. */
bool ocu_store_walk_next(struct ocu_store_walk *w, const struct ocu_store *s, int n, int64_t now,
			 bool (*known)(void *arg, const char *name), void *arg);

/* Ends a walk. May be called twice. */
void ocu_store_walk_fini(struct ocu_store_walk *w);

#endif
