/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_happy.c - what is tried when: single decisions as a table, then whole races on a clock that
 * only the test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ocu/happy.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DELAY OCU_HAPPY_ATTEMPT_MS

/* Every single decision. */
static void decisions(void **state)
{
	static const struct {
		const char *what;
		struct ocu_happy h;
		int64_t now;
		enum ocu_happy_do want;
		int64_t wake;
	} rows[] = {
		{ "nothing known yet", { .v4_open = true, .v6_open = true }, 0,
		  OCU_HAPPY_WAIT, OCU_HAPPY_NEVER },
		{ "no address at all", { .prefer = OCU_IPV6 }, 0, OCU_HAPPY_GIVE_UP, 0 },
		{ "one family has none, the other is awaited", { .v4_open = true }, 0,
		  OCU_HAPPY_WAIT, OCU_HAPPY_NEVER },
		{ "preferred v6 is there", { .prefer = OCU_IPV6, .v6_left = 1, .v4_open = true }, 0,
		  OCU_HAPPY_TRY_V6, 0 },
		{ "preferred v4 is there", { .prefer = OCU_IPV4, .v4_left = 1, .v6_open = true }, 0,
		  OCU_HAPPY_TRY_V4, 0 },
		{ "both are there, v6 preferred",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_left = 1 }, 0, OCU_HAPPY_TRY_V6, 0 },
		{ "both are there, v4 preferred",
		  { .prefer = OCU_IPV4, .v4_left = 1, .v6_left = 1 }, 0, OCU_HAPPY_TRY_V4, 0 },
		{ "any is v6", { .prefer = OCU_ANY, .v4_left = 1, .v6_left = 1 }, 0,
		  OCU_HAPPY_TRY_V6, 0 },
		{ "v4 came first, v6 is awaited",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_open = true, .other_ms = 1000 }, 1000,
		  OCU_HAPPY_WAIT, 1050 },
		{ "still so, one ms before the end",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_open = true, .other_ms = 1000 }, 1049,
		  OCU_HAPPY_WAIT, 1050 },
		{ "v6 did not come in time",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_open = true, .other_ms = 1000 }, 1050,
		  OCU_HAPPY_TRY_V4, 0 },
		{ "v6 came first, preferred v4 is awaited",
		  { .prefer = OCU_IPV4, .v6_left = 1, .v4_open = true, .other_ms = 1000 }, 1000,
		  OCU_HAPPY_WAIT, 1050 },
		{ "v4 came first, there is no v6",
		  { .prefer = OCU_IPV6, .v4_left = 1, .other_ms = 1000 }, 1000,
		  OCU_HAPPY_TRY_V4, 0 },
		{ "an attempt runs",
		  { .prefer = OCU_IPV6, .v4_left = 1, .running = 1, .started = 1,
		    .last_was_v6 = true, .last_ms = 1000 }, 1100, OCU_HAPPY_WAIT, 1250 },
		{ "it has run for long enough: the other family",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_left = 1, .running = 1, .started = 1,
		    .last_was_v6 = true, .last_ms = 1000 }, 1250, OCU_HAPPY_TRY_V4, 0 },
		{ "and back",
		  { .prefer = OCU_IPV6, .v4_left = 1, .v6_left = 1, .running = 2, .started = 2,
		    .last_ms = 1250 }, 1500, OCU_HAPPY_TRY_V6, 0 },
		{ "the other family has none left",
		  { .prefer = OCU_IPV6, .v6_left = 1, .running = 1, .started = 1,
		    .last_was_v6 = true, .last_ms = 1000 }, 1250, OCU_HAPPY_TRY_V6, 0 },
		{ "an error starts the next one at once",
		  { .prefer = OCU_IPV6, .v4_left = 1, .running = 1, .started = 2, .failed = true,
		    .last_was_v6 = true, .last_ms = 1000 }, 1001, OCU_HAPPY_TRY_V4, 0 },
		{ "nothing runs: no delay either",
		  { .prefer = OCU_IPV6, .v4_left = 1, .started = 1, .last_was_v6 = true,
		    .last_ms = 1000 }, 1001, OCU_HAPPY_TRY_V4, 0 },
		{ "all are under way",
		  { .prefer = OCU_IPV6, .running = 2, .started = 2, .last_ms = 1000 }, 9999,
		  OCU_HAPPY_WAIT, OCU_HAPPY_NEVER },
		{ "all have failed", { .prefer = OCU_IPV6, .started = 3, .failed = true }, 9999,
		  OCU_HAPPY_GIVE_UP, 0 },
		{ "all have failed, an answer is awaited",
		  { .prefer = OCU_IPV6, .started = 3, .failed = true, .v4_open = true }, 9999,
		  OCU_HAPPY_WAIT, OCU_HAPPY_NEVER },
		{ "too many at the same time",
		  { .prefer = OCU_IPV6, .v4_left = 1, .running = OCU_HAPPY_RUNNING_MAX,
		    .started = OCU_HAPPY_RUNNING_MAX, .last_ms = 1000 }, 9999,
		  OCU_HAPPY_WAIT, OCU_HAPPY_NEVER },
	};
	struct ocu_step got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		got = ocu_happy_next(&rows[i].h, rows[i].now, DELAY);
		if (got.what != rows[i].want ||
		    (got.what == OCU_HAPPY_WAIT && got.wake != rows[i].wake))
			fail_msg("%s: %d until %lld", rows[i].what, (int)got.what,
				 (long long)got.wake);
	}
}

/* What happens to the addresses of one race. */
struct race {
	const char *what;
	enum ocu_family prefer;
	unsigned v4, v6;              /* how many there are */
	int64_t v4_at, v6_at;         /* when they are known */
	int64_t v4_fails, v6_fails;   /* an attempt fails after that long; 0: never */
	const char *want;             /* "6@0 4@250": what is tried when; '!' when it gives up */
};

#define ATTEMPTS_MAX 64

static void race_run(const struct race *r, char *out, size_t n)
{
	struct ocu_happy h = { .prefer = r->prefer, .v4_open = true, .v6_open = true };
	int64_t fails_at[ATTEMPTS_MAX], now;
	struct ocu_step s;
	size_t len = 0;
	unsigned i;
	bool v6;

	out[0] = '\0';
	for (now = 0; now < 5000; now++) {
		if (now == r->v4_at) {
			h.v4_left = r->v4;
			h.v4_open = false;
		}
		if (now == r->v6_at) {
			h.v6_left = r->v6;
			h.v6_open = false;
		}
		if (now == (r->prefer == OCU_IPV4 ? r->v6_at : r->v4_at))
			h.other_ms = now;
		for (i = 0; i < h.started; i++) {
			if (fails_at[i] == now) {
				h.running--;
				h.failed = true;
			}
		}
		while ((s = ocu_happy_next(&h, now, DELAY)).what != OCU_HAPPY_WAIT) {
			if (s.what == OCU_HAPPY_GIVE_UP) {
				len += (size_t)snprintf(out + len, n - len, "!%d", (int)now);
				return;
			}
			v6 = s.what == OCU_HAPPY_TRY_V6;
			assert_true(v6 ? h.v6_left : h.v4_left);
			assert_true(h.started < ATTEMPTS_MAX);
			len += (size_t)snprintf(out + len, n - len, "%d@%d ", v6 ? 6 : 4,
						(int)now);
			v6 ? h.v6_left-- : h.v4_left--;
			fails_at[h.started++] = (v6 ? r->v6_fails : r->v4_fails) ?
				now + (v6 ? r->v6_fails : r->v4_fails) : -1;
			h.running++;
			h.last_was_v6 = v6;
			h.last_ms = now;
			h.failed = false;
		}
		/* A wake-up in the past would be a loop that never rests. */
		assert_true(s.wake > now);
	}
}

static void races(void **state)
{
	static const struct race rows[] = {
		{ "both at once, black holes", OCU_IPV6, 2, 2, 0, 0, 0, 0,
		  "6@0 4@250 6@500 4@750 " },
		{ "v4 preferred", OCU_IPV4, 2, 2, 0, 0, 0, 0, "4@0 6@250 4@500 6@750 " },
		{ "v6 refused", OCU_IPV6, 1, 1, 0, 0, 0, 3, "6@0 4@3 " },
		{ "all refused", OCU_IPV6, 2, 2, 0, 0, 1, 1, "6@0 4@1 6@2 4@3 !4" },
		{ "AAAA 20 ms late", OCU_IPV6, 1, 1, 0, 20, 0, 0, "6@20 4@270 " },
		{ "AAAA 80 ms late", OCU_IPV6, 1, 1, 0, 80, 0, 0, "4@50 6@300 " },
		{ "AAAA 400 ms late, A refused", OCU_IPV6, 1, 1, 0, 400, 1, 0, "4@50 6@400 " },
		{ "A late", OCU_IPV6, 1, 1, 100, 0, 0, 0, "6@0 4@250 " },
		{ "A very late, v6 refused", OCU_IPV6, 1, 2, 900, 0, 0, 1, "6@0 6@1 4@900 " },
		{ "only v4", OCU_IPV6, 3, 0, 0, 0, 0, 0, "4@0 4@250 4@500 " },
		{ "only v6", OCU_IPV4, 0, 2, 0, 0, 0, 0, "6@0 6@250 " },
		{ "no v6, known late", OCU_IPV6, 1, 0, 0, 30, 0, 0, "4@30 " },
		{ "none", OCU_IPV6, 0, 0, 7, 9, 0, 0, "!9" },
		{ "slow errors overlap", OCU_IPV6, 2, 2, 0, 0, 300, 300,
		  "6@0 4@250 6@300 4@550 !850" },
		{ "at most eight at once", OCU_IPV6, 9, 0, 0, 0, 0, 0,
		  "4@0 4@250 4@500 4@750 4@1000 4@1250 4@1500 4@1750 " },
	};
	char got[512];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		race_run(&rows[i], got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].what, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(races),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
