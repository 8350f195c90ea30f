/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compat.h - the only place that knows on which HAProxy version the glue is compiled. HAProxy has
 * no number of its version for the preprocessor: headers that came with a version stand for it.
 */
#ifndef OCU_HAPROXY_COMPAT_H
#define OCU_HAPROXY_COMPAT_H

#if !defined(USE_OPENSSL)
#error "the OCSP updater module needs HAProxy with USE_OPENSSL=1"
#elif defined(USE_OPENSSL_WOLFSSL)
#error "the OCSP updater module needs HAProxy with OpenSSL, not with USE_OPENSSL_WOLFSSL"
#elif !defined(USE_THREAD)
#error "the OCSP updater module needs HAProxy with USE_THREAD=1, as TARGET=linux-glibc has it"
#elif !__has_include(<haproxy/ssl_ocsp-t.h>)
#error "this HAProxy has no OCSP updates: use 2.8 or later, or 2.6 with haproxy-patches/2.6"
#endif

#include "ocu/openssl.h"

#include <haproxy/api.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/fd.h>
#include <haproxy/global.h>
#include <haproxy/mworker-t.h>
#include <haproxy/ssl_ckch.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/thread.h>

#if __has_include(<haproxy/event_hdl.h>) /* 2.8 and later */
#define OCU_FD_INSERT(fd, owner, iocb) fd_insert(fd, owner, iocb, tgid, ti->ltid_bit)
#define OCU_STORE_DATA(store) ((store)->data)
#else /* 2.6 */
#define OCU_FD_INSERT(fd, owner, iocb) fd_insert(fd, owner, iocb, tid_bit)
#define OCU_STORE_DATA(store) ((store)->ckch)
#endif

/* Whom the process will become; 0: nobody else. HAProxy from 3.4 on has -1 for that. */
#define OCU_UID ((int)global.uid > 0 ? (uid_t)global.uid : 0)
#define OCU_GID ((int)global.gid > 0 ? (gid_t)global.gid : 0)

/* Whether a descriptor of one group of threads is none of another's ('tune.fd.tables'). */
#ifdef GTUNE_NO_TG_FD_SHARING /* 3.5 and later */
#define OCU_FDS_APART ((global.tune.options & GTUNE_NO_TG_FD_SHARING) && global.nbtgroups > 1)
#else
#define OCU_FDS_APART false
#endif

#if __has_include(<haproxy/guid.h>) /* 3.0 and later */
#define OCU_STORE_MODE(store) ((store)->conf.ocsp_update_mode)
#else
#define OCU_STORE_MODE(store) (OCU_STORE_DATA(store)->ocsp_update_mode)
#endif

/* Where 'ocsp-update.mode' and '.disable' put their values, NULL where there are no such
 * directives; and what they say.
 */
#if __has_include(<haproxy/guid.h>) || !__has_include(<haproxy/event_hdl.h>) /* not 2.8 and 2.9 */
#define OCU_MODE_AT (&global_ssl.ocsp_update.mode)
#define OCU_DISABLE_AT (&global_ssl.ocsp_update.disable)
#define OCU_MODE global_ssl.ocsp_update.mode
#define OCU_DISABLED (global_ssl.ocsp_update.disable != 0)
#else
#define OCU_MODE_AT NULL
#define OCU_DISABLE_AT NULL
#define OCU_MODE SSL_SOCK_OCSP_UPDATE_OFF
#define OCU_DISABLED false
#endif

#ifdef PROC_O_INIT /* 3.1 and later */
#define OCU_WORKER_LOADS true /* the configuration; else it is the master */
#else
#define OCU_WORKER_LOADS false
#endif

#if __has_include(<haproxy/acme.h>) /* 3.2 and later */
#define OCU_REASON_IN_TEXT true     /* log lines and listings have it in the text of the status */
#else
#define OCU_REASON_IN_TEXT false
#endif

#if __has_include(<haproxy/ech.h>) /* 3.4 and later */
#define OCU_SHOW_LEVEL ACCESS_LVL_ADMIN /* of "show ssl ocsp-updates" */
#else
#define OCU_SHOW_LEVEL ACCESS_LVL_USER
#endif

#endif
