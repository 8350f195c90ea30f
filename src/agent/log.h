/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - where the agent says what it has to say: standard error, or syslog. Main thread. */
#ifndef OCU_AGENT_LOG_H
#define OCU_AGENT_LOG_H

#include "ocu/engine.h"

/* Sends what follows to syslog, or (false, at first) to standard error. */
void ocu_log_open(bool syslog);

/* Writes a line, without its end. */
void ocu_log(enum ocu_level level, const char *fmt, ...) OCU_PRINTF(2, 3);

#endif
