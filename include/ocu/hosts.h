/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts.h - remembers which addresses of a host worked last: what goes first for a while, and what
 * is left when DNS is down. Opens no socket, reads no clock.
 */
#ifndef OCU_HOSTS_H
#define OCU_HOSTS_H

#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/happy.h"

#define OCU_HOSTS_MAX 1024         /* hosts that are remembered; the one unused for longest goes */
#define OCU_HOSTS_FIRST_MS 600000  /* how long what worked goes first, then families race anew */

struct ocu_hosts;

/* Makes an empty memory. Errors: OCU_NOMEM; *out is then NULL. */
OCU_MUST enum ocu_status ocu_hosts_new(struct ocu_hosts **out);
void ocu_hosts_free(struct ocu_hosts *hs);

/* <peer> of <host> (borrows both) has answered a request at <now> (ms): it goes first. Without
 * memory nothing is remembered, here and in the next one.
 */
void ocu_hosts_answered(struct ocu_hosts *hs, const char *host,
			const struct sockaddr_storage *peer, int64_t now);

/* <peer> of <host> was connected at <now>, and then kept silent: the other family goes first. */
void ocu_hosts_silent(struct ocu_hosts *hs, const char *host, const struct sockaddr_storage *peer,
		      int64_t now);

/* Nothing of <host> could be connected: nothing goes first any more. */
void ocu_hosts_unreachable(struct ocu_hosts *hs, const char *host);

/* Says what goes first at <now>: *worked is set if it is an address, *prefer if it is just a
 * family; they are left alone otherwise.
 */
void ocu_hosts_first(struct ocu_hosts *hs, const char *host, int64_t now, enum ocu_family *prefer,
		     struct sockaddr_storage *worked);

/* Writes into <out> the last address of <family> that ever answered; false if there is none. */
bool ocu_hosts_last(struct ocu_hosts *hs, const char *host, enum ocu_family family,
		    struct sockaddr_storage *out);

#endif
