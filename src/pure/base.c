/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base.c - status texts, the one-line failure and the two clocks. Logs nothing itself. */
/* With _GNU_SOURCE glibc has a strerror_r() of its own, that returns text. The one of POSIX is the
 * same in every C library.
 */
#undef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "ocu/base.h"

#include <errno.h>
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

const char *ocu_errno_text(int error, char out[static OCU_ERRNO_BYTES])
{
	int rc = strerror_r(error, out, OCU_ERRNO_BYTES);

	/* Some C libraries leave nothing behind for a number that they do not know. */
	if (rc != 0 && rc != ERANGE)
		snprintf(out, OCU_ERRNO_BYTES, "error %d", error);
	return out;
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
