/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent.h - keeps HAProxies stapled from beside: the host of an engine that publishes what it gets
 * over their stats sockets. Main thread.
 */
#ifndef OCU_AGENT_AGENT_H
#define OCU_AGENT_AGENT_H

#include <ev.h>

#include "conf.h"
#include "ocu/base.h"

struct ocu_agent;

/* Begins to do what <conf> (keeps) says, on <loop> (keeps). Errors: with the reason; *out is then
 * NULL.
 */
OCU_MUST enum ocu_status ocu_agent_new(struct ocu_agent **out, struct ev_loop *loop,
				       const struct ocu_agent_conf *conf, struct ocu_err *err);

/* Ends that; <a> may be NULL. */
void ocu_agent_free(struct ocu_agent *a);

#endif
