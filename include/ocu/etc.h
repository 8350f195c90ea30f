/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etc.h - the system's resolv.conf and hosts file, read again when they change. They are reached
 * through a descriptor of their directory, so that a chroot in between does not matter.
 */
#ifndef OCU_ETC_H
#define OCU_ETC_H

#include <sys/types.h>

#include "ocu/names.h"
#include "ocu/resolv.h"

#define OCU_ETC_CHECK_MS 1000            /* how often the files are looked at, at most */
#define OCU_ETC_RESOLV_BYTES 65536       /* of resolv.conf; what is behind is not read */
#define OCU_ETC_HOSTS_BYTES (4 << 20)    /* of the hosts file */

/* What a file looked like when it was read; all zero: it was not there. */
struct ocu_etc_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t modified_ns, changed_ns;
};

struct ocu_etc {
	struct ocu_resolv resolv;      /* what resolv.conf says */
	struct ocu_names names;        /* what the hosts file says */
	int dir;                       /* private, as what follows */
	int64_t checked_ms;
	struct ocu_etc_stamp resolv_stamp, hosts_stamp;
};

/* Opens the directory <path>, NULL for /etc, into *out: a descriptor that the caller closes. To be
 * called before a chroot. Any thread. Errors: OCU_IO; *out is then -1.
 */
OCU_MUST enum ocu_status ocu_etc_open(int *out, const char *path, struct ocu_err *err);

/* Reads both files in <dir> (keeps). A file that is not there, or cannot be read, is as good as
 * empty.
 */
void ocu_etc_init(struct ocu_etc *e, int dir);

/* Frees what <e> holds; <dir> stays open. */
void ocu_etc_fini(struct ocu_etc *e);

/* Looks whether the files have changed, unless it did so in the last OCU_ETC_CHECK_MS, and reads
 * those again that have. <now> is the monotonic clock in milliseconds. Returns whether what
 * resolv.conf says may be another thing than before. Not from two threads at once.
 */
bool ocu_etc_check(struct ocu_etc *e, int64_t now);

#endif
