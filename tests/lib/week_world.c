/* SPDX-License-Identifier: GPL-2.0-or-later */
/* week_world.c - the responders of the simulated week. Sends nothing, schedules nothing. */
#include "week_world.h"

#define M WEEK_MINUTE
#define H WEEK_HOUR
#define D WEEK_DAY

/* Lives are those of public authorities, new responses come at half of them as their rules demand
 * of short ones (CA/Browser Forum, Baseline Requirements 4.9.10); some sign more often, when they
 * are asked, or as late as after four days, the most for long ones.
 */
const struct week_responder week_responders[WEEK_RESPONDERS] = {
	{ 7 * D, 84 * H, false, H, WEEK_HEADER_NONE, 40, 0, -1,
	  { WEEK_REFUSES, 3 * D + 2 * H, 6 * H, 0 } },
	{ 4 * D, 2 * D, false, 10 * M, WEEK_HEADER_END, 30, 0, -1, { 0, 0, 0, 0 } },
	{ 84 * H, 42 * H, false, H, WEEK_HEADER_NONE, 60, 0, -1,
	  { WEEK_SWALLOWS, 4 * D + 5 * H, 12 * H, 0 } },
	{ D, 12 * H, false, 10 * M, WEEK_HEADER_NONE, 20, 20, 5, { 0, 0, 0, 0 } },
	{ 12 * H, 6 * H, false, 5 * M, WEEK_HEADER_NEXT, 80, 0, -1,
	  { WEEK_PAUSES, 2 * D + 7 * H, 2 * H, 0 } },
	{ 4 * H, 2 * H, false, 2 * M, WEEK_HEADER_NONE, 25, 0, -1,
	  { WEEK_REFUSES, 5 * D + 3 * H, 15 * M, 0 } },
	{ 7 * D, D, true, 6 * H, WEEK_HEADER_HOUR, 50, 0, -1, { 0, 0, 0, 0 } },
	{ 4 * D, 1, false, 0, WEEK_HEADER_NONE, 150, 10, -1, { 0, 0, 0, 0 } },
	{ 84 * H, 42 * H, true, H, WEEK_HEADER_NEXT, 35, 0, -1, { 0, 0, 0, 0 } },
	{ D, 12 * H, false, 10 * M, WEEK_HEADER_HOUR, 3000, 0, -1, { 0, 0, 0, 0 } },
	{ 12 * H, 1, false, 0, WEEK_HEADER_NONE, 45, 0, -1, { 0, 0, 0, 0 } },
	{ 4 * H, 2 * H, false, 0, WEEK_HEADER_END, 20, 15, 1, { 0, 0, 0, 0 } },
	{ 7 * D, 84 * H, false, 0, WEEK_HEADER_END, 90, 0, -1,
	  { WEEK_HANGS, D + 20 * H, D, 0 } },
	{ 4 * D, 2 * D, true, 6 * H, WEEK_HEADER_NONE, 30, 0, -1, { 0, 0, 0, 0 } },
	{ 84 * H, 12 * H, false, H, WEEK_HEADER_HOUR, 70, 0, -1,
	  { WEEK_HANGS, 6 * H, 50 * M, H } },
	{ D, 12 * H, true, 20 * M, WEEK_HEADER_NONE, 55, 0, -1,
	  { WEEK_REFUSES, 6 * D + H, 5 * H, 0 } },
	{ 12 * H, 6 * H, false, 15 * M, WEEK_HEADER_NONE, 2000, 0, -1, { 0, 0, 0, 0 } },
	{ 4 * H, 1, false, 0, WEEK_HEADER_NONE, 30, 0, -1,
	  { WEEK_PAUSES, 4 * D, 30 * M, D } },
	{ 7 * D, 4 * D, false, H, WEEK_HEADER_NONE, 30, 5, 60, { 0, 0, 0, 0 } },
	{ 4 * D, 2 * D, false, 10 * M, WEEK_HEADER_NONE, 40, 0, -1,
	  { WEEK_REFUSES, 12 * H, 5 * M, 30 * M } },
};

unsigned week_responder_of(size_t i, size_t n)
{
	double all = 0, upto = 0;
	unsigned k;

	for (k = 1; k <= WEEK_RESPONDERS; k++)
		all += 1.0 / k;
	for (k = 1; k < WEEK_RESPONDERS; k++) {
		upto += 1.0 / k / all;
		if ((double)i < upto * (double)n)
			break;
	}
	return k - 1;
}

/* Returns when in its period a response is signed: spread evenly over all certificates. */
static int64_t phase(const struct week_responder *r, size_t i)
{
	uint64_t x = r->together ? (uint64_t)(r - week_responders) + 1 : i + 1000;

	x *= UINT64_C(0x9e3779b97f4a7c15);
	return (int64_t)((x >> 32) * (uint64_t)r->sign_s >> 32);
}

int64_t week_signed(const struct week_responder *r, size_t i, int64_t t)
{
	int64_t late = t - phase(r, i);
	int64_t n = late / r->sign_s - (late % r->sign_s < 0);

	return n * r->sign_s + phase(r, i);
}

bool week_is_down(const struct week_responder *r, int64_t t)
{
	const struct week_outage *o = &r->outage;
	int64_t since = t - o->from_s;

	if (!o->len_s || since < 0)
		return false;
	return (o->every_s ? since % o->every_s : since) < o->len_s;
}

int64_t week_up_s(const struct week_responder *r, int64_t from, int64_t to)
{
	int64_t t, up = 0;

	for (t = from; t < to; t += WEEK_MINUTE)
		up += week_is_down(r, t) ? 0 : WEEK_MINUTE;
	return up;
}

static int64_t next_up(const struct week_responder *r, bool troubled, int64_t t)
{
	while (troubled && week_is_down(r, t))
		t += WEEK_MINUTE;
	return t;
}

unsigned week_least(const struct week_responder *r, size_t i, bool troubled, int64_t maxdelay_s)
{
	int64_t t, from, middle, next;
	unsigned n = 0;

	for (t = next_up(r, troubled, 0); t < WEEK_S; t = next_up(r, troubled, next)) {
		n++;
		from = week_signed(r, i, t);
		middle = from + r->life_s / 2;
		next = middle > from + r->sign_s ? middle : from + r->sign_s;
		if (maxdelay_s && next > t + maxdelay_s)
			next = t + maxdelay_s;
	}
	return n;
}
