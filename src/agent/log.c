/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - writes lines to standard error, or hands them to syslog. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#define LINE_BYTES 2048

static bool to_syslog;
static bool to_journal; /* by standard error, which it reads priorities from (sd-daemon(3)) */

void ocu_log_open(bool syslog)
{
	to_syslog = syslog;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
	if (syslog)
		openlog("ocu-agent", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void ocu_log(enum ocu_level level, const char *fmt, ...)
{
	static const int priorities[] = {
		[OCU_LEVEL_NOTICE] = LOG_NOTICE,
		[OCU_LEVEL_WARNING] = LOG_WARNING,
		[OCU_LEVEL_ERROR] = LOG_ERR,
		[OCU_LEVEL_ALERT] = LOG_ALERT,
	};
	char line[LINE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (to_syslog)
		syslog(priorities[level], "%s", line);
	else if (to_journal)
		fprintf(stderr, "<%d>%s\n", priorities[level], line);
	else
		fprintf(stderr, "%s\n", line);
}
