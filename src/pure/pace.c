/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pace.c - measures and keeps to the rate that a responder lets through. Reads no clock. */
#include "ocu/pace.h"

#define OCU_PACE_GROW_MS 1000
#define OCU_PACE_GROW_SHARE 8     /* each time by this part of the rate that was measured, */
#define OCU_PACE_GROW_LEAST 63     /* but at least by a sixteenth of a request a second: after a
				    * long pause there would be no end of the waiting */
#define OCU_PACE_OUTAGE_MS 60000
#define OCU_PACE_RATE_MAX 1000000  /* one each millisecond, which no timer tells from no limit */
#define OCU_PACE_LATE_US 10000     /* a request that starts later than it was due by up to this is
				    * made up for, or each late timer would lower the rate */
#define OCU_PACE_PERIOD_US INT64_C(1000000000) /* the time that a rate counts in */

void ocu_pace_init(struct ocu_pace *p)
{
	*p = (struct ocu_pace){ 0 };
}

void ocu_pace_busy(struct ocu_pace *p, bool busy, int64_t now)
{
	if (busy == p->busy)
		return;
	p->busy = busy;
	if (!busy) {
		p->idle_ms = now;
		return;
	}
	p->since_ms += now - p->idle_ms;
	p->grown_ms += now - p->idle_ms;
}

void ocu_pace_let(struct ocu_pace *p, int64_t now)
{
	p->let++;
	p->let_ms = now;
}

void ocu_pace_resume(struct ocu_pace *p, int64_t end, int64_t now)
{
	int64_t ms = end > p->since_ms ? end - p->since_ms : 1;

	p->rate = p->let * (OCU_PACE_PERIOD_US / 1000) / ms;
	p->step = p->rate / OCU_PACE_GROW_SHARE;
	if (p->step < OCU_PACE_GROW_LEAST)
		p->step = OCU_PACE_GROW_LEAST;
	/* A rate of 0 would mean that there is no limit. */
	if (p->rate < p->step)
		p->rate = p->step;
	if (p->let == 0 || end - p->let_ms > OCU_PACE_OUTAGE_MS)
		p->rate = 0;
	p->last_us = end * 1000;
	ocu_pace_ignore(p, now);
}

void ocu_pace_ignore(struct ocu_pace *p, int64_t now)
{
	p->since_ms = p->grown_ms = now;
	p->let = 0;
}

void ocu_pace_forget(struct ocu_pace *p)
{
	p->rate = 0;
}

bool ocu_pace_limits(const struct ocu_pace *p)
{
	return p->rate != 0;
}

static int64_t due_us(const struct ocu_pace *p)
{
	return p->last_us + OCU_PACE_PERIOD_US / p->rate;
}

int64_t ocu_pace_next(struct ocu_pace *p, int64_t now)
{
	int64_t due, grows;

	if (p->rate != 0 && now - p->grown_ms >= OCU_PACE_GROW_MS) {
		p->grown_ms = now;
		p->rate += p->step;
	}
	if (p->rate >= OCU_PACE_RATE_MAX)
		ocu_pace_forget(p);
	if (p->rate == 0)
		return now;
	due = (due_us(p) + 999) / 1000;
	grows = p->grown_ms + OCU_PACE_GROW_MS;
	return due <= now || due < grows ? due : grows;
}

void ocu_pace_started(struct ocu_pace *p, int64_t now)
{
	int64_t least = now * 1000 - OCU_PACE_LATE_US;

	if (p->rate == 0)
		return;
	p->last_us = due_us(p);
	if (p->last_us < least)
		p->last_us = least;
}
