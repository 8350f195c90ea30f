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

int64_t ocu_when_share(int64_t ms, uint32_t rnd)
{
	uint64_t high = (uint64_t)ms >> 32, low = (uint64_t)ms & UINT32_MAX;

	return (int64_t)(high * rnd + (low * rnd >> 32));
}

/* Milliseconds from now: the earliest and the latest end of a span. */
struct span {
	int64_t from, to;
};

/* Returns the latest end of a span of a fifth whose earliest end is <ms>. */
static int64_t latest(int64_t ms)
{
	return ms + ms / 4;
}

static int64_t earliest(int64_t ms)
{
	return ms - ms / 5;
}

static int64_t mindelay_ms(const struct ocu_when *w)
{
	return max64(limit(w->mindelay_s), 1) * 1000;
}

/* Returns maxdelay, which leaves the span of mindelay room; INT64_MAX: there is none. */
static int64_t maxdelay_ms(const struct ocu_when *w)
{
	if (w->maxdelay_s == OCU_WHEN_AUTO)
		return INT64_MAX;
	return max64(limit(w->maxdelay_s) * 1000, latest(mindelay_ms(w)));
}

/* Returns the tenth of a life that follows its middle, which may have begun, or have passed. */
static struct span after_middle(int64_t now, int64_t this_update, int64_t expiry)
{
	int64_t half = max64(expiry - this_update, 0) / 2, middle = this_update + half;

	return (struct span){
		.from = (middle - now) * 1000,
		.to = (middle - now + half / 5) * 1000,
	};
}

/* Moves <s> behind <floor>. */
static struct span not_before(struct span s, int64_t floor)
{
	if (s.from >= floor)
		return s;
	return (struct span){ .from = floor, .to = max64(s.to, latest(floor)) };
}

/* Moves <s> behind <floor>, before maxdelay, and to where a quarter of <left> remains at least. */
static int64_t bounded(const struct ocu_when *w, struct span s, int64_t floor, int64_t left,
		       uint32_t rnd)
{
	int64_t end = left > 0 ? min64(maxdelay_ms(w), left / 4 * 3) : maxdelay_ms(w);

	s = not_before(s, floor);
	if (s.to > end)
		s = (struct span){ .from = min64(s.from, earliest(end)), .to = end };
	return max64(s.to - ocu_when_share(s.to - s.from, rnd), 1000);
}

int64_t ocu_when_refresh(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
			 int64_t max_age_s, uint32_t rnd)
{
	int64_t left = max64(limit(expiry) - limit(now), 0) * 1000;
	struct span s = after_middle(limit(now), limit(this_update), limit(expiry));

	if (s.from <= 0)
		s = (struct span){ .from = earliest(left / 4), .to = left / 4 };
	return bounded(w, s, max64(mindelay_ms(w), limit(max_age_s) * 1000), left, rnd);
}

int64_t ocu_when_found(const struct ocu_when *w, int64_t now, int64_t this_update, int64_t expiry,
		       int64_t max_age_s, uint32_t rnd)
{
	int64_t left = max64(limit(expiry) - limit(now), 0) * 1000;
	struct span s = after_middle(limit(now), limit(this_update), limit(expiry));

	if (s.from <= 0)
		s = (struct span){ .from = 0, .to = left / 3 };
	s = not_before(s, limit(max_age_s) * 1000);
	/* as far as the mean of all spans: the next round begins where they do */
	if (s.to > maxdelay_ms(w))
		s = (struct span){ .from = 0, .to = maxdelay_ms(w) / 10 * 9 };
	return bounded(w, s, mindelay_ms(w), left, rnd);
}

int64_t ocu_when_retry(const struct ocu_when *w, int64_t now, unsigned failures, int64_t expiry,
		       uint32_t rnd)
{
	int64_t maxdelay = w->maxdelay_s == OCU_WHEN_AUTO ? OCU_WHEN_AUTO_RETRY_S : w->maxdelay_s;
	int64_t first = w->hurry ? OCU_WHEN_HURRY_S : OCU_WHEN_RETRY_S;
	int64_t most = max64(limit(w->hurry ? OCU_WHEN_HURRY_MAX_S : maxdelay), 1) * 1000;
	int64_t ms = min64(first * 1000, most);
	int64_t left = expiry != 0 ? limit(expiry) - limit(now) : 0;
	int64_t bound = OCU_WHEN_NOTHING_S;

	for (; failures > 1 && ms < most; failures--)
		ms = min64(ms * 2, most);
	if (left > 0)
		bound = max64(left / 4, OCU_WHEN_HASTE_S);
	ms = min64(ms, bound * 1000 / 3 * 2);
	return ms / 2 + ocu_when_share(ms, rnd);
}
