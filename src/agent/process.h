/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process.h - one HAProxy behind one stats socket: notices when it is another process, learns its
 * certificates, and gives it each response that is newer than what it has. Main thread.
 *
 * One command is under way at a time. What is held to be so in a process is forgotten with it.
 */
#ifndef OCU_AGENT_PROCESS_H
#define OCU_AGENT_PROCESS_H

#include <ev.h>
#include <sys/queue.h>

#include "beside.h"
#include "cli.h"
#include "leaf.h"

#define OCU_PROCESS_TICK_MS 250    /* so often it is asked who it is: a reload is noticed by that */
#define OCU_PROCESS_LOCKED_MS 20   /* and after this if its certificates are locked */
#define OCU_PROCESS_LIST_MS 3000   /* and for its certificates */
#define OCU_PROCESS_LOOKS 16       /* certificates that are looked at again with each tick */

struct ocu_process;

/* Makes the HAProxy at <addr> (ocu_cli_parse(); keeps) one that is looked after, with what <ls>
 * (keeps) has, and the .ocsp files that <beside> (keeps) writes, unless that is NULL. Errors:
 * OCU_URI, OCU_NOMEM, with the reason.
 */
OCU_MUST enum ocu_status ocu_process_new(struct ocu_process **out, struct ev_loop *loop,
					 struct ocu_leaves *ls, struct ocu_beside *beside,
					 const char *addr, struct ocu_err *err);

/* Ends that; <p> may be NULL. */
void ocu_process_free(struct ocu_process *p);

#endif
