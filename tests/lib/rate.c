/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rate.c - lets so many things a second through. Reads no clock. */
#include "rate.h"

#define WINDOW_MS 1000

bool rate_pass(struct rate *r, int64_t now_ms)
{
	if (!r->per_second)
		return true;
	if (!r->passed || now_ms - r->began_ms >= WINDOW_MS) {
		r->began_ms = now_ms;
		r->passed = 0;
	}
	if (r->passed == r->per_second)
		return false;
	r->passed++;
	return true;
}
