/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rate.c - lets so many things a second through, or spreads them. Reads no clock. */
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

int64_t pace_wait_us(struct pace *p, int64_t now_us)
{
	int64_t at_us = p->next_us > now_us ? p->next_us : now_us;

	if (!p->per_second)
		return 0;
	p->next_us = at_us + 1000000 / p->per_second;
	return at_us - now_us;
}
