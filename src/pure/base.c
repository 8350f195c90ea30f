/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base.c - status texts, the one-line failure and the two clocks. Logs nothing itself. */
#include "ocu/base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *ocu_text(enum ocu_status st)
{
#define OCU_CASE(id, text) case id: return text;
	switch (st) {
	OCU_STATUSES(OCU_CASE)
	}
#undef OCU_CASE
	return "unknown status";
}

enum ocu_status ocu_fail(struct ocu_err *err, enum ocu_status st, const char *fmt, ...)
{
	char msg[OCU_ERR_BYTES] = "";
	va_list ap;
	char *c;

	if (!err)
		return st;
	/* Formatted aside: a reason is often wrapped into a longer one that ends in err->msg. */
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);
	for (c = msg; *c; c++) {
		if (*c < 0x20 || *c > 0x7e || *c == '"' || *c == '\\')
			*c = '?';
	}
	err->code = st;
	memcpy(err->msg, msg, sizeof(msg));
	return st;
}

int64_t ocu_now_ms(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t ocu_wall_s(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}
