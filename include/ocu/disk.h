/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk.h - the disk thread: one thread that reads, writes and sweeps the state directory, one job
 * after the other, so that a slow or hung disk delays neither the network nor the exit.
 */
#ifndef OCU_DISK_H
#define OCU_DISK_H

#include "ocu/openssl.h"

#include <openssl/x509.h>
#include <sched.h>
#include <sys/types.h>

#include "ocu/held.h"
#include "ocu/ocsp.h"
#include "ocu/store.h"

struct ocu_disk;

/* ---- the thread ---- */

/* What the thread is to be like; all zero: as the one that starts it. */
struct ocu_disk_conf {
	uid_t uid; /* who it acts as in the file system, for a process of root that is going to */
	gid_t gid; /* be that user; 0: unchanged */
	const cpu_set_t *cpus; /* where it may run (borrows); HAProxy binds its own threads */
};

/* Makes a disk thread for the directory of <s> that does not run yet; *out is NULL on error. It has
 * a descriptor of its own: <s> may be closed at any time. Without a directory (NULL) it may be
 * given jobs of the caller's own alone. Errors: OCU_IO, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_disk_new(struct ocu_disk **out, const struct ocu_store *s,
				      struct ocu_err *err);

/* Starts the thread. It blocks every signal, is named "ocu-disk", and has a lower scheduling
 * priority (nice 10). What was posted before is done now. <conf> (borrows) may be NULL. Errors:
 * OCU_IO (it runs already, was given up, cannot act as that user), OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_disk_start(struct ocu_disk *d, const struct ocu_disk_conf *conf,
					struct ocu_err *err);

/* Ends the thread within about <limit_ms>; true if it has ended, or did not run. Jobs that are to
 * be done at a stop still begin in the first half of that time, all others complete with
 * OCU_CANCELLED. The second half is for the one that runs.
 *
 * If that one does not come back, the disk hangs. Then the thread is given up and the result is
 * false: all other jobs have completed, those on this thread. The job that hangs never will, and it
 * and all that it borrows belongs to the thread for ever: its owner leaks them on purpose. When the
 * disk comes back, the thread ends without calling anybody.
 *
 * By one thread at a time, not the disk thread. The thread can be started again, unless it was
 * given up.
 */
bool ocu_disk_stop(struct ocu_disk *d, int64_t limit_ms);

/* Returns the descriptor that <d> has of the directory. */
int ocu_disk_dir(const struct ocu_disk *d);

/* Stops the thread with no time at all if it runs, completes what was posted after the stop with
 * OCU_CANCELLED, and frees <d>, which may be NULL. A thread that was given up frees <d> itself, if
 * it ever comes back.
 */
void ocu_disk_free(struct ocu_disk *d);

/* ---- jobs ---- */

/* Work for the disk thread, embedded in what it is about, so that posting cannot fail. Every job
 * that was posted completes exactly once, but for the one with which a thread was given up.
 */
struct ocu_disk_job {
	struct ocu_disk_job *next; /* private */
	struct ocu_disk *disk;     /* private */

	/* Does the work on the disk thread and leaves in <err> how it went. Returns whether there
	 * is more of it: it is then called again after what has been posted meanwhile.
	 */
	bool (*run)(struct ocu_disk_job *j);

	/* Set by the caller: the end, and the last access to the job, which may be freed or posted
	 * again here, but for one that was cancelled: that has no end. Comes on the disk thread
	 * (see ocu_disk_stop() and ocu_disk_free() for the two exceptions) and must not block: it
	 * hands the job on to the loop thread.
	 */
	void (*done)(struct ocu_disk_job *j);

	bool at_stop;       /* is begun even while the thread is being stopped */
	struct ocu_err err; /* OCU_OK at first; OCU_CANCELLED: it was not run, or not to its end */
};

/* Hands <j> (keeps it until it is done) to the thread. Never blocks on the disk. Any thread. */
void ocu_disk_post(struct ocu_disk *d, struct ocu_disk_job *j);

/* ---- typed jobs: what they borrow is borrowed until they are done ---- */

/* Reads the saved response of a certificate and verifies it. job.err.code afterwards: OCU_OK;
 * OCU_AGAIN: there is none; else the reason why it is refused, see ocu_store_get() and
 * ocu_ocsp_verify().
 */
struct ocu_disk_load {
	struct ocu_disk_job job; /* <done> is the caller's */
	struct ocu_slice certid; /* borrows */
	X509 *cert, *issuer;     /* borrows */
	struct ocu_buf der;      /* the response; the caller begins and ends it; empty on error */
	struct ocu_ocsp ocsp;    /* what it says */
	struct ocu_held held;    /* and what it is beside others */
};

void ocu_disk_load_start(struct ocu_disk *d, struct ocu_disk_load *l);

/* Saves an accepted response, also at a stop, unless ocu_held_compare() says that it is older than
 * one that is there and verifies. job.err.code afterwards: OCU_OK; OCU_AGAIN: the newer one stays,
 * which is worth loading; else the reason why it is not saved, see ocu_store_replace().
 */
struct ocu_disk_save {
	struct ocu_disk_job job; /* <done> is the caller's */
	struct ocu_slice certid; /* borrows */
	X509 *cert, *issuer;     /* borrows */
	struct ocu_slice der;    /* borrows */
	struct ocu_held held;
};

void ocu_disk_save_start(struct ocu_disk *d, struct ocu_disk_save *s);

/* Removes what expired, unless it is the response of a certificate that was added: an expired one
 * is of no use, but the clock may be wrong. That a certificate is missing here does no other harm,
 * so the caller may add them in as many steps as it likes. Done in parts, between other jobs.
 */
struct ocu_disk_sweep {
	struct ocu_disk_job job; /* <done> is the caller's */
	/* private */
	struct ocu_buf certids;  /* each behind its length */
	size_t n;
	char (*names)[OCU_STORE_NAME_BYTES]; /* their files, sorted */
	struct ocu_store_walk walk;
};

/* Begins a sweep to which nothing is added; <done> is still to be set. */
void ocu_disk_sweep_init(struct ocu_disk_sweep *s);

/* Says that the certificate with this CertID is loaded. Costs no more than a copy of it. Not after
 * the start. Errors: OCU_NOMEM, and OCU_TOO_BIG for what is no CertID at all.
 */
OCU_MUST enum ocu_status ocu_disk_sweep_add(struct ocu_disk_sweep *s, struct ocu_slice certid);

void ocu_disk_sweep_start(struct ocu_disk *d, struct ocu_disk_sweep *s);

/* Ends a sweep that was not started, or is done. */
void ocu_disk_sweep_fini(struct ocu_disk_sweep *s);

#endif
