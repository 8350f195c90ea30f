/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when.c - computes the delay until the next try. Reads no clock and keeps no state. */
#include "ocu/when.h"

/* Beyond any date that a certificate can hold (year 9999 is below 2^38), and small enough that no
 * sum or product below can overflow.
 */
#define OCU_WHEN_LIMIT_S (INT64_C(1) << 40)

static int64_t limit(int64_t s)
{
	if (s > OCU_WHEN_LIMIT_S)
		return OCU_WHEN_LIMIT_S;
	return s < -OCU_WHEN_LIMIT_S ? -OCU_WHEN_LIMIT_S : s;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Returns the share of <ms> that <rnd> says: 0 up to, not including, all of it. */
static int64_t share(int64_t ms, uint32_t rnd)
{
	uint64_t high = (uint64_t)ms >> 32, low = (uint64_t)ms & UINT32_MAX;

	return (int64_t)(high * rnd + (low * rnd >> 32));
}

int64_t ocu_when_refresh(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
			 uint32_t rnd)
{
	int64_t least = max64(limit(w->mindelay_s), 1) * 1000;
	int64_t begin = limit(this_update), end = limit(expiry);
	int64_t ms;

	now = limit(now);
	ms = min64(begin + (end - begin) / 2, end - OCU_WHEN_MARGIN_S) - now;
	ms = min64(ms, limit(w->maxdelay_s)) * 1000;
	ms = max64(ms, least);
	return max64(ms - share(ms / 10, rnd), least);
}

int64_t ocu_when_retry(const struct ocu_when *w, int64_t now, unsigned failures, int64_t expiry,
		       uint32_t rnd)
{
	int64_t most = max64(limit(w->maxdelay_s), 1) * 1000;
	int64_t ms = min64(OCU_WHEN_RETRY_S * INT64_C(1000), most);
	int64_t left = limit(expiry) - limit(now);

	for (; failures > 1 && ms < most; failures--)
		ms = min64(ms * 2, most);
	ms = ms / 2 + share(ms, rnd);
	if (expiry != 0 && left > 0)
		ms = min64(ms, max64(left * 1000 / 4, OCU_WHEN_RETRY_S * INT64_C(1000)));
	return ms;
}
