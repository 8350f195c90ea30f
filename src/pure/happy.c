/* SPDX-License-Identifier: GPL-2.0-or-later */
/* happy.c - decides which address to try next, and when. Opens no socket, reads no clock. */
#include "ocu/happy.h"

static struct ocu_step wait_until(int64_t wake)
{
	return (struct ocu_step){ .what = OCU_HAPPY_WAIT, .wake = wake };
}

static struct ocu_step attempt(bool v6)
{
	return (struct ocu_step){ .what = v6 ? OCU_HAPPY_TRY_V6 : OCU_HAPPY_TRY_V4 };
}

/* Nothing was tried yet: the preferred family, unless its answer lets wait for itself. */
static struct ocu_step first_attempt(const struct ocu_happy *h, int64_t now)
{
	bool v6 = h->prefer != OCU_IPV4;
	unsigned left = v6 ? h->v6_left : h->v4_left;
	bool open = v6 ? h->v6_open : h->v4_open;

	if (left)
		return attempt(v6);
	if (open && now < h->other_ms + OCU_HAPPY_RESOLUTION_MS)
		return wait_until(h->other_ms + OCU_HAPPY_RESOLUTION_MS);
	return attempt(!v6);
}

struct ocu_step ocu_happy_next(const struct ocu_happy *h, int64_t now, int64_t delay)
{
	if (!h->v4_left && !h->v6_left) {
		if (h->running || h->v4_open || h->v6_open)
			return wait_until(OCU_HAPPY_NEVER);
		return (struct ocu_step){ .what = OCU_HAPPY_GIVE_UP };
	}
	if (!h->started)
		return first_attempt(h, now);
	if (h->running >= OCU_HAPPY_RUNNING_MAX)
		return wait_until(OCU_HAPPY_NEVER);
	if (h->running && !h->failed && now < h->last_ms + delay)
		return wait_until(h->last_ms + delay);
	if (h->last_was_v6)
		return attempt(!h->v4_left);
	return attempt(h->v6_left > 0);
}
