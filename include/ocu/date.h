/* SPDX-License-Identifier: GPL-2.0-or-later */
/* date.h - dates of the Gregorian calendar as seconds, and back. Pure: knows no time zone, asks no
 * clock.
 */
#ifndef OCU_DATE_H
#define OCU_DATE_H

#include "ocu/base.h"

/* A date in UTC. */
struct ocu_date {
	int year, month, day;       /* month and day from 1 on */
	int hour, minute, second;   /* second up to 59: there is no number for a leap second */
};

/* Writes the seconds since the epoch of <d> into *out. Returns false if there is no such date, or
 * if it is before 1970 or after 9999. Any thread.
 */
OCU_MUST bool ocu_date_s(int64_t *out, const struct ocu_date *d);

#define OCU_DATE_BYTES sizeof("YYYY-MM-DDTHH:MM:SSZ")

/* Writes <s>, seconds since the epoch, as "2027-01-15T08:00:00Z" into <out> and returns <out>; an
 * empty text for what ocu_date_s() does not write. Any thread.
 */
const char *ocu_date_text(int64_t s, char out[static OCU_DATE_BYTES]);

#endif
