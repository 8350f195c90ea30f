/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota.c - how much is said in a minute. */
#include "ocu/quota.h"

void ocu_quota_init(struct ocu_quota *q, unsigned most)
{
	*q = (struct ocu_quota){ .most = most, .until_ms = INT64_MIN };
}

static void minute_end(struct ocu_quota *q, int64_t now)
{
	if (now < q->until_ms)
		return;
	q->over += q->unsaid;
	q->unsaid = q->said = 0;
}

bool ocu_quota_take(struct ocu_quota *q, int64_t now)
{
	minute_end(q, now);
	if (now >= q->until_ms)
		q->until_ms = now + OCU_QUOTA_MS;
	if (q->said == q->most) {
		q->unsaid++;
		return false;
	}
	q->said++;
	return true;
}

unsigned ocu_quota_rest(struct ocu_quota *q, int64_t now)
{
	unsigned n;

	minute_end(q, now);
	n = q->over;
	q->over = 0;
	return n;
}
