/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settle.c - writes down how a try has ended. Decides nothing about what follows. */
#include "ocu/settle.h"

#include "ocu/job.h"
#include "ocu/look.h"
#include "ocu/say.h"

void ocu_settle(struct ocu_engine *e, struct ocu_cert *c, enum ocu_status st, bool revoked,
		const struct ocu_clock *now)
{
	char line[OCU_SAY_LINE_BYTES];

	ocu_job_settle(c, st);
	if (st == OCU_OK) {
		c->successes++;
		c->updated = now->wall_s;
	} else {
		c->failures++;
	}
	ocu_say_update(line, c, revoked, e->conf.reason_inside);
	ocu_state_log(e, revoked ? OCU_LEVEL_ALERT : OCU_LEVEL_NOTICE, NULL, line);
	ocu_watch_cert(&e->watch, c, now);
	ocu_look_ending(e, now);
}

void ocu_settle_broken_off(struct ocu_engine *e, struct ocu_cert *c, const struct ocu_clock *now)
{
	const struct ocu_result *seen = c->trying;

	if (c->job || c->item.ordered || !seen || !seen->n_tried)
		return;
	ocu_settle(e, c, seen->tried[seen->n_tried - 1].attempt.stage, false, now);
}
