/* SPDX-License-Identifier: GPL-2.0-or-later */
/* health.c - learns from the ends of requests what to believe of a responder. Reads no clock and
 * knows nothing of who waits for it.
 */
#include "ocu/health.h"

#include "ocu/when.h"

void ocu_health_init(struct ocu_health *h)
{
	*h = (struct ocu_health){ .window = 1, .enough = OCU_HEALTH_STRIKES_FIRST };
	ocu_pace_init(&h->pace);
}

bool ocu_health_shut(const struct ocu_health *h)
{
	return h->trust == OCU_TRUST_DOWN || h->trust == OCU_TRUST_PAUSED;
}

static unsigned most_of(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned least_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Returns the delay after the <n>-th time in a row. Its random share only adds, and little: what is
 * back must be noticed within about a minute.
 */
static int64_t delay(unsigned n, uint32_t rnd)
{
	int64_t ms = OCU_HEALTH_AGAIN_MS;

	for (; n > 1 && ms < OCU_HEALTH_AGAIN_MAX_MS; n--)
		ms *= 2;
	if (ms > OCU_HEALTH_AGAIN_MAX_MS)
		ms = OCU_HEALTH_AGAIN_MAX_MS;
	return ms + ocu_when_share(ms / 30, rnd);
}

static void count(unsigned *n)
{
	if (*n < UINT32_MAX)
		(*n)++;
}

static void halve(struct ocu_health *h)
{
	h->window = h->window > 1 ? h->window / 2 : 1;
}

static void widen(struct ocu_health *h, unsigned most)
{
	unsigned more = h->careful ? 1 : h->window;

	h->window = most > h->window && most - h->window > more ? h->window + more : most;
	if (h->window == most && !ocu_pace_limits(&h->pace))
		h->careful = false;
}

/* Another one was answered: those that failed meanwhile did so on their own account, or may have,
 * if it was down. Where some do, it takes more of them to tell that the responder is down; where
 * none do any more, fewer again.
 */
static void acquit(struct ocu_health *h)
{
	if (h->strikes) {
		h->enough = least_of(h->enough + h->strikes, OCU_HEALTH_STRIKES_MAX);
		h->quiet = 0;
	} else if (++h->quiet == OCU_HEALTH_QUIET) {
		h->enough = most_of(h->enough - 1, OCU_HEALTH_STRIKES);
		h->quiet = 0;
	}
	h->strikes = 0;
}

static void go_down(struct ocu_health *h)
{
	h->trust = OCU_TRUST_DOWN;
	h->answered = false;
	h->doubts = 0;
	h->enough = most_of(h->enough / 2, OCU_HEALTH_STRIKES);
	h->window = 1;
	h->careful = false;
	ocu_pace_forget(&h->pace);
}

/* Sets when it is asked again, after one more failure that <a> brought to light. Those that it
 * takes to be down are no reason to wait for longer then.
 */
static void wait_longer(struct ocu_health *h, const struct ocu_ask *a, int64_t now, uint32_t rnd)
{
	if (h->trust == OCU_TRUST_DOWN || h->failures < OCU_HEALTH_STRIKES)
		count(&h->failures);
	h->spell++;
	h->again_ms = later(a->start_ms + delay(h->failures, rnd), now + OCU_HEALTH_AGAIN_MS);
}

/* Whether <a> was made to find out whether the pause concerns one certificate alone. */
static bool settles_doubt(const struct ocu_health *h, const struct ocu_ask *a)
{
	return h->trust == OCU_TRUST_PAUSED && h->doubts && a->start_ms < h->again_ms;
}

/* Ends a pause by <a>, which was not refused. If there was none the measurement of the rate goes
 * on.
 */
static void resume(struct ocu_health *h, const struct ocu_ask *a, int64_t now)
{
	if (h->doubtful)
		ocu_pace_ignore(&h->pace, now);
	else if (!settles_doubt(h, a))
		ocu_pace_resume(&h->pace, h->again_ms < now ? h->again_ms : now, now);
	h->doubts = 0;
	h->trust = OCU_TRUST_GOOD;
}

void ocu_health_answered(struct ocu_health *h, const struct ocu_ask *a, unsigned most, int64_t now)
{
	h->answered = true;
	h->yielded = 0;
	h->slowest_ms = later(now - a->start_ms, h->slowest_ms - h->slowest_ms / 8);
	if (h->trust == OCU_TRUST_PAUSED) {
		if (a->spell != h->spell) {
			ocu_pace_let(&h->pace, now);
			return;
		}
		resume(h, a, now);
	}
	ocu_pace_let(&h->pace, now);
	acquit(h);
	h->trust = OCU_TRUST_GOOD;
	h->failures = h->pauses = 0;
	widen(h, most);
}

void ocu_health_unreached(struct ocu_health *h, const struct ocu_ask *a, int64_t now, uint32_t rnd)
{
	if (a->spell != h->spell)
		return;
	go_down(h);
	h->strikes = 0;
	wait_longer(h, a, now, rnd);
}

/* Counts <who> among those that failed, once. */
static void strike(struct ocu_health *h, uint64_t who)
{
	unsigned i;

	for (i = 0; i < h->strikes; i++) {
		if (h->struck[i] == who)
			return;
	}
	if (h->strikes < OCU_HEALTH_STRIKES_MAX)
		h->struck[h->strikes++] = who;
}

void ocu_health_failed(struct ocu_health *h, const struct ocu_ask *a, bool silent, int64_t now,
		       uint32_t rnd)
{
	bool news = a->spell == h->spell;

	if (ocu_health_shut(h) && !news)
		return;
	/* One that connects again after it did not is believed anew, as if it had not failed. */
	if (h->trust == OCU_TRUST_DOWN && h->strikes) {
		wait_longer(h, a, now, rnd);
		return;
	}
	if (h->trust == OCU_TRUST_PAUSED)
		resume(h, a, now);
	strike(h, a->who);
	if (news)
		wait_longer(h, a, now, rnd);
	h->trust = OCU_TRUST_SUSPECT;
	if (silent)
		halve(h);
	if (h->strikes >= h->enough) {
		go_down(h);
		h->spell++;
	}
}

/* One more pause, or one more sign that there is one. */
static void count_pause(struct ocu_health *h, const struct ocu_ask *a)
{
	if (settles_doubt(h, a)) {
		h->doubts--;
		return;
	}
	h->doubts = h->careful ? 0 : OCU_HEALTH_STRIKES - 1;
	count(&h->pauses);
	halve(h);
}

void ocu_health_paused(struct ocu_health *h, const struct ocu_ask *a, int64_t retry_after_s,
		       bool again, int64_t now, uint32_t rnd)
{
	int64_t end = h->trust == OCU_TRUST_PAUSED && retry_after_s < 0 ? h->again_ms : now;
	int64_t ms;

	/* One that is down shows by this that it is not, however long ago it was asked. */
	if (a->spell != h->spell && h->trust != OCU_TRUST_DOWN)
		return;
	count_pause(h, a);
	if (retry_after_s > 0)
		h->doubts = 0;
	h->spell++;
	h->trust = OCU_TRUST_PAUSED;
	h->answered = h->careful = true;
	h->doubtful = again;
	h->failures = h->strikes = 0;
	ms = delay(h->pauses, rnd);
	if (retry_after_s > OCU_HEALTH_PAUSE_MAX_S)
		retry_after_s = OCU_HEALTH_PAUSE_MAX_S;
	h->again_ms = later(end, now + later(ms, later(retry_after_s, 0) * 1000));
}

int64_t ocu_health_hangs_ms(const struct ocu_health *h)
{
	int64_t ms = OCU_HEALTH_PATIENCE * h->slowest_ms;

	if (!h->answered || ms > OCU_HEALTH_HANGS_MAX_MS)
		return OCU_HEALTH_HANGS_MAX_MS;
	return later(ms, OCU_HEALTH_HANGS_MIN_MS);
}

void ocu_health_hangs(struct ocu_health *h, int64_t now)
{
	if (h->answered || h->trust != OCU_TRUST_GOOD)
		return;
	h->trust = OCU_TRUST_SUSPECT;
	h->again_ms = now + OCU_HEALTH_AGAIN_MS;
}

bool ocu_health_yields(struct ocu_health *h, const struct ocu_ask *a, bool again, int64_t now)
{
	int64_t patience = OCU_HEALTH_PATIENCE * h->slowest_ms;

	if (again)
		patience = later(patience, OCU_HEALTH_PATIENCE_MS);
	if (!h->answered || ocu_health_shut(h) || now - a->start_ms < patience ||
	    h->yielded >= OCU_HEALTH_STRIKES_MAX)
		return false;
	h->yielded++;
	return true;
}

void ocu_health_hurry(struct ocu_health *h, int64_t at)
{
	if (h->trust == OCU_TRUST_PAUSED && at < h->again_ms)
		h->again_ms = at;
}

void ocu_health_probe(struct ocu_health *h, int64_t at)
{
	if (h->trust == OCU_TRUST_DOWN && at < h->again_ms)
		h->again_ms = at;
}
