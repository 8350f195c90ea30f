/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compat.h - the only place that knows on which HAProxy version the glue is compiled. */
#ifndef OCU_HAPROXY_COMPAT_H
#define OCU_HAPROXY_COMPAT_H

#include <haproxy/api.h>
#include <haproxy/fd.h>
#include <haproxy/ssl_ocsp-t.h>
#include <haproxy/thread.h>

#if __has_include(<haproxy/guid.h>) /* 3.0 and later */
#define OCU_FD_INSERT(fd, owner, iocb) fd_insert(fd, owner, iocb, tgid, ti->ltid_bit)
#define OCU_STR2SA(str, err, opts) \
	str2sa_range(str, NULL, NULL, NULL, NULL, NULL, NULL, err, NULL, NULL, opts)
#else /* 2.6 */
#define OCU_FD_INSERT(fd, owner, iocb) fd_insert(fd, owner, iocb, tid_bit)
#define OCU_STR2SA(str, err, opts) \
	str2sa_range(str, NULL, NULL, NULL, NULL, NULL, err, NULL, NULL, opts)
#endif

/* What the module keeps for an entry of the patched HAProxy: whether the engine knows it, and a
 * number that changes whenever somebody else sets its response. It is in the place of a pointer, so
 * that there is nothing to allocate or to free. All under ocsp_tree_lock.
 */
#define OCU_ENTRY_KNOWN(entry) ((entry)->updater != NULL)
#define OCU_ENTRY_CHANGES(entry) ((unsigned)((uintptr_t)(entry)->updater >> 1))
#define OCU_ENTRY_SET(entry, changes) \
	((entry)->updater = (void *)(((uintptr_t)(unsigned)(changes) << 1) | 1))
#define OCU_ENTRY_FORGET(entry) ((entry)->updater = NULL)

#endif
