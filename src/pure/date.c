/* SPDX-License-Identifier: GPL-2.0-or-later */
/* date.c - dates of the Gregorian calendar as seconds, and back. Parses no text. */
#include "ocu/date.h"

#include <time.h>

#define OCU_DATE_YEAR_MIN 1970
#define OCU_DATE_YEAR_MAX 9999
#define OCU_DATE_MAX_S INT64_C(253402300799) /* the last second of 9999 */

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
	if (month == 2)
		return is_leap(year) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Returns the days from 1970-01-01 to a later date. */
static int64_t days(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int y = month > 2 ? year : year - 1; /* the last year whose leap day has passed */
	int leaps = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);

	return (year - 1970) * INT64_C(365) + leaps + before[month - 1] + day - 1;
}

bool ocu_date_s(int64_t *out, const struct ocu_date *d)
{
	if (d->year < OCU_DATE_YEAR_MIN || d->year > OCU_DATE_YEAR_MAX || d->month < 1
	    || d->month > 12 || d->day < 1 || d->day > month_days(d->year, d->month) || d->hour < 0
	    || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0 || d->second > 59)
		return false;
	*out = days(d->year, d->month, d->day) * 86400 + d->hour * 3600 + d->minute * 60
	       + d->second;
	return true;
}

const char *ocu_date_text(int64_t s, char out[static OCU_DATE_BYTES])
{
	time_t when = (time_t)s;
	struct tm tm;

	if (s < 0 || s > OCU_DATE_MAX_S || !gmtime_r(&when, &tm)
	    || !strftime(out, OCU_DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
	return out;
}
