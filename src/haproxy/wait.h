/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wait.h - ocsp-update.wait: before a process becomes ready, a child without privileges fetches the
 * first responses for it. On the main thread, while no other runs.
 */
#ifndef OCU_HAPROXY_WAIT_H
#define OCU_HAPROXY_WAIT_H

#include <stddef.h>

#include "compat.h"

/* Waits as 'ocsp-update.wait' says until no response is missing that it asks for, or the time is
 * over; then it warns of what is missing. The responses are in HAProxy's entries by then; the
 * engine of this process hears of them by ocu_entries_tell(). The child keeps the <n> descriptors
 * <keep>, of which those below 0 are ignored, and closes all others.
 */
void ocu_wait(const int *keep, size_t n);

/* In a master: holds USR2 back if it is ignored, which ends when HAProxy listens to its signals. */
void ocu_wait_master(void);

/* Gives this process the signals that came while it waited, if it was the one that did. Once its
 * handlers are in place.
 */
void ocu_wait_signals(void);

#endif
