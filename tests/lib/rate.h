/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rate.h - lets so many things a second through, or spreads them. Reads no clock.
 *
 * The seconds are windows of fixed length: one begins with the first thing that comes after the
 * last one has ended, so no window ever lets more than the rate through.
 */
#ifndef TESTS_RATE_H
#define TESTS_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	unsigned per_second;       /* 0: no limit */
	unsigned passed;           /* in the window that began at <began_ms> */
	int64_t began_ms;
};

/* Whether one more may pass at <now_ms>, which never goes backwards; if so, it is counted. */
bool rate_pass(struct rate *r, int64_t now_ms);

struct pace {
	unsigned per_second;       /* at most a million; 0: as they come */
	int64_t next_us;           /* none goes earlier */
};

/* How many microseconds after <now_us>, which never goes backwards, one more goes, so that they go
 * one by one in equal steps. What comes late catches up on nothing.
 */
int64_t pace_wait_us(struct pace *p, int64_t now_us);

#endif
