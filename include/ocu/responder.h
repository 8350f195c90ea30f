/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.h - one responder (scheme, host, port) and all that is known of it: how it may be asked
 * (lane), how it is reached (peer). No other table is keyed by a responder's name. Loop thread.
 */
#ifndef OCU_RESPONDER_H
#define OCU_RESPONDER_H

#include "ocu/peer.h"
#include "ocu/plan.h"
#include "ocu/url.h"

#define OCU_RESPONDERS_SPARE_MAX 64 /* responders without a certificate whose memory is kept:
				     * those that redirects lead to are known again next time */

struct ocu_responder {
	struct ocu_lane lane;
	struct ocu_peer peer;
	/* private */
	unsigned refs;
	bool https;
	uint16_t port;
	struct ocu_responder *prev, *next; /* of the spare ones, while refs is 0 */
	char host[];
};

struct ocu_responders;

/* Makes an empty table, whose lanes belong to <plan> (keeps). Errors: OCU_NOMEM; *out
 * is then NULL.
 */
OCU_MUST enum ocu_status ocu_responders_new(struct ocu_responders **out, struct ocu_plan *plan);

/* Closes all idle connections and frees <rs> (may be NULL). No responder may be in use any more. */
void ocu_responders_free(struct ocu_responders *rs);

/* Returns the responder of <url> (borrows), made anew if it is not known, with a reference for the
 * caller; NULL without memory.
 */
struct ocu_responder *ocu_responder_get(struct ocu_responders *rs, const struct ocu_url *url);

/* Gives a reference back; <r> may be NULL. */
void ocu_responder_put(struct ocu_responders *rs, struct ocu_responder *r);

#endif
