/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_update.c - the schedule, one rule at a time and then against a naive model of all of them.
 * Needs no clock and no network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nomem.h"
#include "ocu/update.h"

#define WALL INT64_C(1800000000)
#define MONO INT64_C(5000000)
#define DAY INT64_C(86400)
#define MIN_MS INT64_C(60000)

/* A schedule with its clock; rnd is 0, so that delays are exact. */
struct bed {
	struct ocu_update *u;
	struct ocu_clock c;
};

static struct bed bed_new(unsigned maxconn, unsigned host_maxconn)
{
	struct ocu_update_conf conf = {
		.when = { .mindelay_s = 300, .maxdelay_s = 3600 },
		.maxconn = maxconn,
		.host_maxconn = host_maxconn,
	};
	struct bed b = { .c = { .mono_ms = MONO, .wall_s = WALL } };

	assert_int_equal(ocu_update_new(&b.u, &conf), OCU_OK);
	return b;
}

static void pass(struct bed *b, int64_t ms)
{
	b->c.mono_ms += ms;
	b->c.wall_s = WALL + (b->c.mono_ms - MONO) / 1000;
}

/* Adds <item> with its URIs as "host/host": each is one letter. */
static void add(struct bed *b, struct ocu_item *item, const char *hosts, bool must_staple)
{
	struct ocu_url uris[OCU_OCSP_URIS_MAX];
	char text[32];
	size_t n;

	for (n = 0; hosts[n]; n++) {
		snprintf(text, sizeof(text), "http://%c.test/", hosts[n]);
		assert_int_equal(ocu_url_parse(&uris[n], text, strlen(text), NULL), OCU_OK);
	}
	assert_int_equal(ocu_update_add(b->u, item, uris, n, must_staple), OCU_OK);
	assert_int_equal(item->state, OCU_ITEM_IDLE);
}

/* Adds <item> with nothing held, due at once. */
static void add_due(struct bed *b, struct ocu_item *item, const char *hosts)
{
	add(b, item, hosts, false);
	ocu_update_automatic(b->u, item, true, &b->c);
	assert_int_equal(item->state, OCU_ITEM_LATER);
	assert_true(item->due_ms == b->c.mono_ms);
}

static struct ocu_item *next(struct bed *b, size_t *uri, int64_t *wake)
{
	struct ocu_item *item;

	ocu_update_next(b->u, &b->c, &item, uri, wake);
	return item;
}

static void expect(struct bed *b, const struct ocu_item *want, size_t want_uri)
{
	size_t uri = 99;
	int64_t wake;

	assert_ptr_equal(next(b, &uri, &wake), want);
	assert_int_equal(want->state, OCU_ITEM_FLYING);
	assert_int_equal(uri, want_uri);
}

static void expect_none(struct bed *b, int64_t want_wake)
{
	int64_t wake = 0;
	size_t uri;

	assert_null(next(b, &uri, &wake));
	assert_true(wake == want_wake);
}

static void done(struct bed *b, struct ocu_item *item, enum ocu_outcome how, enum ocu_seen seen)
{
	struct ocu_result r = {
		.outcome = how,
		.uri = item->uri,
		.this_update = b->c.wall_s,
		.expiry = b->c.wall_s + 7 * DAY,
	};

	r.seen[item->uri] = seen;
	ocu_update_done(b->u, item, &r, &b->c);
}

static void fresh(struct bed *b, struct ocu_item *item)
{
	done(b, item, OCU_OUTCOME_NEW, OCU_SEEN_UP);
}

static void down(struct bed *b, struct ocu_item *item)
{
	done(b, item, OCU_OUTCOME_FAILED, OCU_SEEN_DOWN);
}

static void bed_end(struct bed *b, struct ocu_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		ocu_update_remove(b->u, &items[i]);
	ocu_update_free(b->u);
}

static void most_urgent_goes_first(void **state)
{
	static const struct {
		bool must_staple;
		int64_t expiry; /* relative to now, 0: nothing is held */
		size_t place;
	} rows[] = {
		{ false, 900, 5 },
		{ false, 0, 2 },
		{ true, 800, 1 },
		{ false, -50, 4 },
		{ false, 0, 3 },
		{ true, 0, 0 },
		{ false, 900, 6 },
	};
	struct ocu_item items[7];
	struct bed b;
	int same;
	size_t i, j;

	(void)state;
	/* all at one responder, then each at its own */
	for (same = 0; same < 2; same++) {
		b = bed_new(64, 16);
		for (i = 0; i < 7; i++) {
			char host[2] = { same ? 'a' : (char)('a' + i), '\0' };

			add(&b, &items[i], host, rows[i].must_staple);
			ocu_update_automatic(b.u, &items[i], true, &b.c);
			if (rows[i].expiry)
				ocu_update_held(b.u, &items[i], WALL - 1000,
						WALL + rows[i].expiry, &b.c);
		}
		pass(&b, 3600 * INT64_C(1000));
		for (i = 0; i < 7; i++) {
			for (j = 0; rows[j].place != i; j++)
				;
			expect(&b, &items[j], 0);
			if (same)
				fresh(&b, &items[j]);
		}
		bed_end(&b, items, 7);
	}
}

static void a_window_doubles_with_each_success(void **state)
{
	static const unsigned windows[] = { 1, 2, 4, 8, 10, 10 };
	struct ocu_item items[64];
	struct bed b = bed_new(64, 10);
	unsigned first = 0, flying = 0, started = 0, i;
	size_t uri;
	int64_t wake;

	(void)state;
	for (i = 0; i < 64; i++)
		add_due(&b, &items[i], "a");
	for (i = 0; i < 6; i++) {
		while (next(&b, &uri, &wake)) {
			assert_int_equal(items[started].state, OCU_ITEM_FLYING);
			started++;
			flying++;
		}
		assert_true(wake == INT64_MAX || wake > b.c.mono_ms);
		assert_int_equal(flying, windows[i]);
		fresh(&b, &items[first++]);
		flying--;
	}
	/* an error that is not the responder's silence changes nothing, silence makes it 1 */
	done(&b, &items[first++], OCU_OUTCOME_FAILED, OCU_SEEN_UP);
	while (next(&b, &uri, &wake))
		started++;
	assert_int_equal(started - first, 10);
	down(&b, &items[first]);
	pass(&b, 30000);
	expect_none(&b, items[0].due_ms);
	bed_end(&b, items, 64);
}

static void the_total_is_limited(void **state)
{
	struct ocu_item items[6];
	struct bed b = bed_new(3, 16);
	char host[2] = "a";
	size_t i;

	(void)state;
	for (i = 0; i < 6; i++, host[0]++)
		add_due(&b, &items[i], host);
	for (i = 0; i < 3; i++)
		expect(&b, &items[i], 0);
	expect_none(&b, INT64_MAX);
	ocu_update_order(b.u, &items[5]);
	expect_none(&b, INT64_MAX);
	fresh(&b, &items[1]);
	expect(&b, &items[5], 0);
	expect_none(&b, items[1].due_ms);
	ocu_update_remove(b.u, &items[0]);
	expect(&b, &items[3], 0);
	expect_none(&b, items[1].due_ms);
	bed_end(&b, items + 1, 5);
}

static void a_dead_responder_is_probed_by_one(void **state)
{
	struct ocu_item dead[4], alive;
	struct bed b = bed_new(64, 16);
	int64_t until = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		add_due(&b, &dead[i], "d");
	add_due(&b, &alive, "a");
	expect(&b, &dead[0], 0);
	expect(&b, &alive, 0);
	assert_false(ocu_update_blocked(&dead[1], &until));
	down(&b, &dead[0]);
	assert_int_equal(dead[0].failures, 1);
	assert_true(ocu_update_blocked(&dead[1], &until));
	assert_true(until == MONO + MIN_MS / 2);
	fresh(&b, &alive);
	expect_none(&b, until);
	pass(&b, MIN_MS / 2 - 1);
	expect_none(&b, until);
	pass(&b, 1);
	expect(&b, &dead[0], 0);
	expect_none(&b, alive.due_ms);
	/* the second failure: a minute, with rnd 0 */
	down(&b, &dead[0]);
	assert_int_equal(dead[0].failures, 2);
	assert_true(ocu_update_blocked(&dead[1], &until));
	assert_true(until == MONO + MIN_MS / 2 + MIN_MS);
	pass(&b, MIN_MS);
	expect(&b, &dead[0], 0);
	expect_none(&b, alive.due_ms);
	fresh(&b, &dead[0]);
	assert_false(ocu_update_blocked(&dead[1], &until));
	expect(&b, &dead[1], 0);
	expect(&b, &dead[2], 0);
	expect_none(&b, alive.due_ms);
	ocu_update_remove(b.u, &alive);
	bed_end(&b, dead, 4);
}

static void what_was_in_flight_when_it_went_down_is_no_news(void **state)
{
	struct ocu_item items[3];
	struct bed b = bed_new(64, 16);
	int64_t until = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		add_due(&b, &items[i], "a");
	expect(&b, &items[0], 0);
	fresh(&b, &items[0]);
	expect(&b, &items[1], 0);
	expect(&b, &items[2], 0);
	down(&b, &items[1]);
	ocu_update_order(b.u, &items[0]);
	assert_false(ocu_update_blocked(&items[0], &until));
	pass(&b, 10);
	down(&b, &items[2]);
	/* ordered: goes although the responder is down; again no news */
	expect(&b, &items[0], 0);
	pass(&b, 10);
	down(&b, &items[0]);
	/* it has a response, so it tries again, as all do, at the time of the probe */
	pass(&b, MIN_MS);
	expect(&b, &items[1], 0);
	assert_true(ocu_update_blocked(&items[2], &until));
	assert_true(until == MONO + MIN_MS / 2);
	/* one that answers lets the others in */
	done(&b, &items[1], OCU_OUTCOME_FAILED, OCU_SEEN_UP);
	expect(&b, &items[2], 0);
	expect_none(&b, items[1].due_ms);
	bed_end(&b, items, 3);
}

static void a_second_uri_is_used_while_the_first_is_down(void **state)
{
	struct ocu_item only_a, both[3];
	struct bed b = bed_new(64, 16);
	struct ocu_result r = { .outcome = OCU_OUTCOME_NEW, .uri = 1,
				.seen = { OCU_SEEN_DOWN, OCU_SEEN_UP },
				.this_update = WALL, .expiry = WALL + 7 * DAY };
	int64_t until = 0;

	(void)state;
	add_due(&b, &both[0], "ab");
	expect(&b, &both[0], 0);
	/* waits at the first one, and moves when that is found down */
	add_due(&b, &both[1], "ab");
	add_due(&b, &only_a, "a");
	expect_none(&b, INT64_MAX);
	ocu_update_done(b.u, &both[0], &r, &b.c);
	assert_int_equal(both[0].failures, 0);
	expect(&b, &both[1], 1);
	assert_true(ocu_update_blocked(&only_a, &until));
	/* a new one goes there directly; the success through it has opened the window */
	add_due(&b, &both[2], "ab");
	expect(&b, &both[2], 1);
	expect_none(&b, until);

	/* b is lost as well, later than a: they wait for a, which is probed first */
	pass(&b, 1000);
	done(&b, &both[1], OCU_OUTCOME_FAILED, OCU_SEEN_DOWN);
	done(&b, &both[2], OCU_OUTCOME_FAILED, OCU_SEEN_DOWN);
	pass(&b, MIN_MS / 2 - 1000);
	expect(&b, &only_a, 0);
	pass(&b, 1000);
	expect_none(&b, both[0].due_ms);
	assert_true(ocu_update_blocked(&both[1], &until));
	/* in vain: now b is the next to be probed */
	down(&b, &only_a);
	expect(&b, &both[1], 1);
	assert_true(ocu_update_blocked(&both[2], &until));
	assert_true(until == b.c.mono_ms);
	/* b answers, and the others may go on */
	fresh(&b, &both[1]);
	assert_false(ocu_update_blocked(&both[2], &until));
	expect(&b, &both[2], 1);
	expect_none(&b, only_a.due_ms);
	ocu_update_remove(b.u, &only_a);
	bed_end(&b, both, 3);
}

static void who_waits_for_one_moves_when_another_comes_back(void **state)
{
	struct ocu_item a, b_only, both;
	struct bed b = bed_new(64, 16);
	int64_t until = 0;

	(void)state;
	add_due(&b, &a, "a");
	add_due(&b, &b_only, "b");
	expect(&b, &a, 0);
	expect(&b, &b_only, 0);
	down(&b, &a);
	pass(&b, 1000);
	down(&b, &b_only);
	/* a is probed first, so it waits there */
	add_due(&b, &both, "ba");
	expect_none(&b, MONO + MIN_MS / 2);
	assert_true(ocu_update_blocked(&both, &until));
	assert_true(until == MONO + MIN_MS / 2);
	ocu_update_order(b.u, &b_only);
	expect(&b, &b_only, 0);
	fresh(&b, &b_only);
	assert_false(ocu_update_blocked(&both, &until));
	expect(&b, &both, 0);
	ocu_update_remove(b.u, &a);
	ocu_update_remove(b.u, &b_only);
	bed_end(&b, &both, 1);
}

static void an_order_goes_before_all(void **state)
{
	struct ocu_item items[4], none;
	struct bed b = bed_new(64, 16);
	int64_t until;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		add_due(&b, &items[i], "a");
	add(&b, &none, "", false);
	ocu_update_automatic(b.u, &none, true, &b.c);
	ocu_update_order(b.u, &none);
	assert_int_equal(none.state, OCU_ITEM_IDLE);
	expect(&b, &items[0], 0);
	ocu_update_order(b.u, &items[0]);
	assert_int_equal(items[0].state, OCU_ITEM_FLYING);
	assert_false(items[0].ordered);
	down(&b, &items[0]);
	assert_true(ocu_update_blocked(&items[3], &until));
	ocu_update_order(b.u, &items[3]);
	ocu_update_order(b.u, &items[3]);
	assert_true(items[3].ordered);
	assert_false(ocu_update_blocked(&items[3], &until));
	ocu_update_order(b.u, &items[0]);
	/* a change of what is held changes the place among the orders */
	ocu_update_held(b.u, &items[0], WALL, WALL + DAY, &b.c);
	assert_true(items[0].ordered);
	ocu_update_automatic(b.u, &items[3], false, &b.c);
	assert_true(items[3].ordered);
	expect(&b, &items[3], 0);
	expect(&b, &items[0], 0);
	expect_none(&b, INT64_MAX);
	assert_false(items[3].ordered);
	/* neither scheduled by itself nor ordered again: it rests */
	fresh(&b, &items[3]);
	assert_int_equal(items[3].state, OCU_ITEM_IDLE);
	ocu_update_remove(b.u, &none);
	bed_end(&b, items, 4);
}

static void an_item_may_leave_in_any_state(void **state)
{
	struct ocu_item items[6];
	struct bed b = bed_new(64, 16);
	size_t i;

	(void)state;
	add(&b, &items[0], "ab", false); /* idle */
	add(&b, &items[1], "ab", false); /* later */
	ocu_update_automatic(b.u, &items[1], true, &b.c);
	ocu_update_held(b.u, &items[1], WALL, WALL + DAY, &b.c);
	for (i = 2; i < 6; i++)
		add_due(&b, &items[i], "ab");
	expect(&b, &items[2], 0); /* flying; 3 and 4 ready */
	ocu_update_order(b.u, &items[5]);
	assert_int_equal(items[0].state, OCU_ITEM_IDLE);
	assert_int_equal(items[1].state, OCU_ITEM_LATER);
	assert_int_equal(items[3].state, OCU_ITEM_READY);
	assert_int_equal(items[5].state, OCU_ITEM_READY);
	ocu_update_remove(b.u, &items[3]);
	ocu_update_remove(b.u, &items[5]);
	ocu_update_remove(b.u, &items[0]);
	expect_none(&b, items[1].due_ms);
	/* the place of one that leaves in flight is free */
	ocu_update_remove(b.u, &items[2]);
	expect(&b, &items[4], 0);
	ocu_update_remove(b.u, &items[1]);
	expect_none(&b, INT64_MAX);
	ocu_update_remove(b.u, &items[4]);
	ocu_update_free(b.u);
	ocu_update_free(NULL);
}

static void what_is_held_decides_when(void **state)
{
	struct ocu_item item;
	struct bed b = bed_new(64, 16);

	(void)state;
	add(&b, &item, "a", false);
	ocu_update_held(b.u, &item, WALL, WALL + 7 * DAY, &b.c);
	assert_int_equal(item.state, OCU_ITEM_IDLE);
	ocu_update_automatic(b.u, &item, true, &b.c);
	ocu_update_automatic(b.u, &item, true, &b.c);
	assert_true(item.due_ms == MONO + 3600 * 1000);
	ocu_update_held(b.u, &item, WALL, WALL + 2000, &b.c);
	assert_true(item.due_ms == MONO + 1000 * 1000);
	ocu_update_held(b.u, &item, 0, 0, &b.c);
	assert_true(item.due_ms == MONO);
	expect(&b, &item, 0);
	/* in flight: noted, and used when it comes back */
	ocu_update_held(b.u, &item, WALL, WALL + 1200, &b.c);
	assert_int_equal(item.state, OCU_ITEM_FLYING);
	ocu_update_automatic(b.u, &item, false, &b.c);
	ocu_update_automatic(b.u, &item, true, &b.c);
	done(&b, &item, OCU_OUTCOME_FAILED, OCU_SEEN_UP);
	assert_int_equal(item.failures, 1);
	assert_true(item.due_ms == MONO + MIN_MS / 2);
	pass(&b, MIN_MS);
	expect(&b, &item, 0);
	done(&b, &item, OCU_OUTCOME_CURRENT, OCU_SEEN_UP);
	assert_int_equal(item.failures, 0);
	assert_true(item.this_update == WALL);
	assert_true(item.expiry == WALL + 1200);
	assert_true(item.due_ms == MONO + (60 + 540) * 1000);
	ocu_update_automatic(b.u, &item, false, &b.c);
	assert_int_equal(item.state, OCU_ITEM_IDLE);
	expect_none(&b, INT64_MAX);
	bed_end(&b, &item, 1);
}

/* Runs out the clock with a responder that always says <how> of a response that has expired. */
static unsigned fetches_in_an_hour(enum ocu_outcome how)
{
	struct bed b = bed_new(64, 16);
	struct ocu_result r = { .outcome = how, .seen = { OCU_SEEN_UP },
				.this_update = WALL - 10, .expiry = WALL };
	struct ocu_item item, *it;
	unsigned n = 0;
	int64_t wake;
	size_t uri;

	add_due(&b, &item, "a");
	ocu_update_held(b.u, &item, WALL - 10, WALL, &b.c);
	while (b.c.mono_ms < MONO + 3600 * INT64_C(1000) && n < 1000) {
		it = next(&b, &uri, &wake);
		if (!it) {
			assert_true(wake > b.c.mono_ms);
			pass(&b, wake - b.c.mono_ms);
			continue;
		}
		n++;
		assert_int_equal(item.failures, n - 1);
		ocu_update_done(b.u, it, &r, &b.c);
	}
	bed_end(&b, &item, 1);
	return n;
}

static void nothing_is_asked_in_a_tight_loop(void **state)
{
	(void)state;
	/* after 30 and 60 s, then every 100 s: five minutes less the random share */
	assert_int_equal(fetches_in_an_hour(OCU_OUTCOME_CURRENT), 38);
	assert_int_equal(fetches_in_an_hour(OCU_OUTCOME_NEW), 38);
	assert_int_equal(fetches_in_an_hour(OCU_OUTCOME_FAILED), 38);
}

static void a_step_of_the_wall_clock_is_noticed(void **state)
{
	struct ocu_item items[3], *it;
	struct bed b = bed_new(64, 16);
	int64_t due[2], wake;
	size_t uri, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		add(&b, &items[i], "a", false);
		ocu_update_automatic(b.u, &items[i], true, &b.c);
		ocu_update_held(b.u, &items[i], WALL, WALL + 7 * DAY, &b.c);
	}
	add(&b, &items[2], "a", false);
	expect_none(&b, MONO + 3600 * 1000);
	/* what a clock daemon does is no step */
	b.c.wall_s += 5;
	expect_none(&b, MONO + 3600 * 1000);
	b.c.wall_s -= 10;
	expect_none(&b, MONO + 3600 * 1000);
	b.c.wall_s += 5;
	/* nearly all of the life has passed at once: refreshed soon, not in an hour */
	b.c.wall_s += 7 * DAY - 1000;
	assert_null(next(&b, &uri, &wake));
	for (i = 0; i < 2; i++) {
		due[i] = items[i].due_ms;
		assert_true(due[i] >= MONO + 300 * 1000 && due[i] <= MONO + 375 * 1000);
	}
	/* back again */
	b.c.wall_s -= 7 * DAY - 1000;
	assert_null(next(&b, &uri, &wake));
	for (i = 0; i < 2; i++)
		assert_true(items[i].due_ms > MONO + 2880 * 1000
			    && items[i].due_ms <= MONO + 3600 * 1000);
	assert_true(items[0].due_ms != items[1].due_ms);
	/* expired at once: now */
	b.c.wall_s += 8 * DAY;
	it = next(&b, &uri, &wake);
	assert_true(it == &items[0] || it == &items[1]);
	/* a step while one is in flight */
	b.c.wall_s -= 8 * DAY;
	done(&b, it, OCU_OUTCOME_CURRENT, OCU_SEEN_UP);
	assert_true(it->due_ms > b.c.mono_ms + 2880 * 1000);
	assert_int_equal(items[2].state, OCU_ITEM_IDLE);
	bed_end(&b, items, 3);
}

static void without_memory_nothing_is_left(void **state)
{
	struct ocu_update_conf conf = { .maxconn = 1, .host_maxconn = 1 };
	struct ocu_url uris[3];
	struct ocu_update *u;
	struct ocu_item item;
	long before = nomem_live(), i;

	(void)state;
	nomem_fail(0);
	assert_int_equal(ocu_update_new(&u, &conf), OCU_NOMEM);
	assert_null(u);
	nomem_fail(-1);
	assert_int_equal(ocu_update_new(&u, &conf), OCU_OK);
	for (i = 0; i < 3; i++) {
		char text[] = "http://a.test/";

		text[7] = (char)('a' + i % 2);
		assert_int_equal(ocu_url_parse(&uris[i], text, strlen(text), NULL), OCU_OK);
	}
	for (i = 0;; i++) {
		enum ocu_status st;

		nomem_fail(i);
		st = ocu_update_add(u, &item, uris, 3, false);
		if (!nomem_failed()) {
			assert_int_equal(st, OCU_OK);
			break;
		}
		assert_int_equal(st, OCU_NOMEM);
		assert_int_equal(nomem_live(), before + 1);
	}
	nomem_fail(-1);
	assert_true(i >= 2);
	ocu_update_remove(u, &item);
	ocu_update_free(u);
	assert_int_equal(nomem_live(), before);
}

/* The model: arrays, and a look at everything for each question. Items have one URI. */
struct twin {
	bool in, must_staple, ordered, automatic;
	enum ocu_item_state state;
	int64_t due, this_update, expiry;
	uint64_t seq;
	unsigned failures;
	size_t host;
};

struct twin_host {
	unsigned refs, window, flying, failures;
	bool down;
	int64_t probe;
};

#define TWINS_MAX 2000
#define TWIN_HOSTS_MAX 40

struct model {
	struct ocu_update_conf conf;
	size_t n_items, n_hosts;
	struct twin items[TWINS_MAX];
	struct twin_host hosts[TWIN_HOSTS_MAX];
	struct ocu_url urls[TWIN_HOSTS_MAX];
	struct ocu_item real[TWINS_MAX];
	struct ocu_clock c;
	unsigned flying;
	uint64_t seq;
	uint64_t rnd;
};

static uint32_t dice(struct model *m)
{
	m->rnd = m->rnd * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(m->rnd >> 32);
}

static void twin_schedule(struct model *m, struct twin *t)
{
	bool held = t->this_update && t->expiry > m->c.wall_s;
	int64_t delay = 0;

	t->state = OCU_ITEM_IDLE;
	if (!t->automatic)
		return;
	t->state = OCU_ITEM_LATER;
	if (t->failures)
		delay = ocu_when_retry(&m->conf.when, m->c.wall_s, t->failures,
				       held ? t->expiry : 0, m->c.rnd);
	else if (held)
		delay = ocu_when_refresh(&m->conf.when, m->c.wall_s, t->this_update, t->expiry,
					 -1, m->c.rnd);
	t->due = m->c.mono_ms + delay;
}

/* An item that waits for a dead responder may ask for an earlier probe. */
static void twin_probe(struct model *m, const struct twin *t)
{
	struct twin_host *h = &m->hosts[t->host];
	int64_t probe;

	if (!h->down || !t->this_update || t->expiry <= m->c.wall_s)
		return;
	probe = m->c.mono_ms +
		ocu_when_retry(&m->conf.when, m->c.wall_s, h->failures, t->expiry, m->c.rnd);
	if (probe < h->probe)
		h->probe = probe;
}

/* All that wait for a dead responder, or for this one, are distributed anew. */
static void twin_reroute(struct model *m, const struct twin_host *only)
{
	struct twin *t;
	size_t i;

	for (i = 0; i < m->n_items; i++) {
		t = &m->items[i];
		if (t->in && t->state == OCU_ITEM_READY && !t->ordered &&
		    (!only || only == &m->hosts[t->host]))
			twin_probe(m, t);
	}
}

static bool twin_before(const struct twin *a, const struct twin *b)
{
	if (!b || a->must_staple != b->must_staple)
		return !b || a->must_staple;
	return a->expiry != b->expiry ? a->expiry < b->expiry : a->seq < b->seq;
}

/* What ocu_update_next() is to answer. */
static struct twin *twin_next(struct model *m, int64_t *wake)
{
	struct twin *best = NULL, *order = NULL, *t;
	struct twin_host *h;
	size_t i;

	*wake = INT64_MAX;
	for (i = 0; i < m->n_items; i++) {
		t = &m->items[i];
		if (t->in && t->state == OCU_ITEM_LATER && t->due <= m->c.mono_ms) {
			t->state = OCU_ITEM_READY;
			twin_probe(m, t);
		}
		if (t->in && t->state == OCU_ITEM_LATER && t->due < *wake)
			*wake = t->due;
	}
	if (m->flying >= m->conf.maxconn)
		return NULL;
	for (i = 0; i < m->n_items; i++) {
		t = &m->items[i];
		h = &m->hosts[t->host];
		if (!t->in || t->state != OCU_ITEM_READY)
			continue;
		if (t->ordered)
			order = twin_before(t, order) ? t : order;
		else if (h->down ? !h->flying && m->c.mono_ms >= h->probe : h->flying < h->window)
			best = twin_before(t, best) ? t : best;
		else if (h->down && !h->flying && h->probe < *wake)
			*wake = h->probe;
	}
	best = order ? order : best;
	if (!best)
		return NULL;
	best->state = OCU_ITEM_FLYING;
	best->ordered = false;
	m->hosts[best->host].flying++;
	m->flying++;
	return best;
}

static void twin_land(struct model *m, struct twin *t)
{
	m->hosts[t->host].flying--;
	m->flying--;
}

static void twin_done(struct model *m, struct twin *t, const struct ocu_result *r)
{
	struct twin_host *h = &m->hosts[t->host];
	bool ok;

	twin_land(m, t);
	if (r->outcome == OCU_OUTCOME_NEW) {
		t->this_update = r->this_update;
		t->expiry = r->expiry;
	}
	ok = r->outcome != OCU_OUTCOME_FAILED && t->expiry > m->c.wall_s;
	if (r->seen[0] == OCU_SEEN_UP && h->down) {
		h->down = false;
		h->failures = 0;
		twin_reroute(m, NULL);
	} else if (r->seen[0] == OCU_SEEN_DOWN && (!h->down || m->c.mono_ms >= h->probe)) {
		h->down = true;
		h->window = 1;
		h->failures++;
		h->probe = m->c.mono_ms
			   + ocu_when_retry(&m->conf.when, m->c.wall_s, h->failures,
					    t->this_update && t->expiry > m->c.wall_s ? t->expiry
										      : 0,
					    m->c.rnd);
		twin_reroute(m, h);
	}
	t->failures = ok ? 0 : t->failures + 1;
	if (ok) {
		h->window *= 2;
		if (h->window > m->conf.host_maxconn)
			h->window = m->conf.host_maxconn;
	}
	twin_schedule(m, t);
}

static void twin_add(struct model *m, struct ocu_update *u, size_t i)
{
	struct twin *t = &m->items[i];
	struct twin_host *h;

	*t = (struct twin){ .in = true, .seq = m->seq++, .must_staple = dice(m) % 8 == 0,
			    .host = dice(m) % m->n_hosts };
	h = &m->hosts[t->host];
	if (!h->refs++)
		*h = (struct twin_host){ .refs = 1, .window = 1 };
	assert_int_equal(ocu_update_add(u, &m->real[i], &m->urls[t->host], 1, t->must_staple),
			 OCU_OK);
}

static void twin_remove(struct model *m, struct ocu_update *u, size_t i)
{
	struct twin *t = &m->items[i];

	if (t->state == OCU_ITEM_FLYING)
		twin_land(m, t);
	m->hosts[t->host].refs--;
	t->in = false;
	ocu_update_remove(u, &m->real[i]);
}

static void twin_check(const struct model *m, size_t i)
{
	const struct twin *t = &m->items[i];
	const struct ocu_item *r = &m->real[i];

	assert_int_equal(r->state, t->state);
	assert_int_equal(r->failures, t->failures);
	assert_int_equal(r->ordered, t->ordered);
	assert_true(r->expiry == t->expiry);
	if (t->state == OCU_ITEM_LATER)
		assert_true(r->due_ms == t->due);
}

/* One of the calls that come from outside, on item <i>. */
static void poke(struct model *m, struct ocu_update *u, size_t i)
{
	struct twin *t = &m->items[i];
	bool fixed = t->state == OCU_ITEM_FLYING || t->ordered;

	switch (dice(m) % 8) {
	case 0:
		twin_remove(m, u, i);
		twin_add(m, u, i);
		break;
	case 1:
		if (!fixed) {
			t->ordered = true;
			t->state = OCU_ITEM_READY;
		}
		ocu_update_order(u, &m->real[i]);
		break;
	case 2:
	case 3:
		t->this_update = m->c.wall_s - dice(m) % 5000;
		t->expiry = m->c.wall_s - 2000 + dice(m) % 50000;
		ocu_update_held(u, &m->real[i], t->this_update, t->expiry, &m->c);
		if (!fixed)
			twin_schedule(m, t);
		break;
	default:
		if (t->automatic && dice(m) % 4)
			break;
		t->automatic = !t->automatic;
		ocu_update_automatic(u, &m->real[i], t->automatic, &m->c);
		if (!fixed)
			twin_schedule(m, t);
		break;
	}
	twin_check(m, i);
}

/* Takes back item <i>, if it is in flight, with any result. */
static void land(struct model *m, struct ocu_update *u, size_t i)
{
	struct ocu_result r = {
		.outcome = (enum ocu_outcome)(dice(m) % 3),
		.this_update = m->c.wall_s - dice(m) % 1000,
		.expiry = m->c.wall_s - 100 + dice(m) % 100000,
	};

	if (m->items[i].state != OCU_ITEM_FLYING)
		return;
	r.seen[0] = r.outcome == OCU_OUTCOME_FAILED ? (enum ocu_seen)(dice(m) % 3) : OCU_SEEN_UP;
	twin_done(m, &m->items[i], &r);
	ocu_update_done(u, &m->real[i], &r, &m->c);
	twin_check(m, i);
}

static unsigned model_run(struct model *m, size_t n_items, size_t n_hosts, unsigned steps)
{
	struct ocu_update *u;
	struct ocu_item *got;
	struct twin *want;
	int64_t wake, want_wake;
	unsigned handed = 0, step;
	char text[64];
	size_t i, uri;

	memset(m, 0, sizeof(*m));
	m->conf = (struct ocu_update_conf){ .when = { 300, 3600 }, .maxconn = 24,
					    .host_maxconn = 6 };
	m->c = (struct ocu_clock){ .mono_ms = MONO, .wall_s = WALL };
	m->n_items = n_items;
	m->n_hosts = n_hosts;
	assert_int_equal(ocu_update_new(&u, &m->conf), OCU_OK);
	for (i = 0; i < n_hosts; i++) {
		snprintf(text, sizeof(text), "http://h%zu.test/", i);
		assert_int_equal(ocu_url_parse(&m->urls[i], text, strlen(text), NULL), OCU_OK);
	}
	for (i = 0; i < n_items; i++)
		twin_add(m, u, i);
	for (step = 0; step < steps; step++) {
		m->c.rnd = dice(m);
		if (dice(m) % 4 == 0) {
			m->c.mono_ms += dice(m) % 20000;
			m->c.wall_s = WALL + (m->c.mono_ms - MONO) / 1000;
		}
		poke(m, u, dice(m) % n_items);
		for (i = dice(m) % 8; i < n_items; i += 1 + dice(m) % 16)
			land(m, u, i);
		want = twin_next(m, &want_wake);
		ocu_update_next(u, &m->c, &got, &uri, &wake);
		assert_ptr_equal(got, want ? &m->real[want - m->items] : NULL);
		handed += got != NULL;
		if (!got)
			assert_true(wake == want_wake);
		for (i = 0; step % 256 == 0 && i < n_items; i++)
			twin_check(m, i);
	}
	for (i = 0; i < n_items; i++)
		twin_remove(m, u, i);
	ocu_update_free(u);
	return handed;
}

/* One that holds nothing is always the one that probes; one whose response ends soon must not wait
 * for its patience.
 */
static void what_ends_soon_asks_for_an_earlier_probe(void **state)
{
	struct bed b = bed_new(64, 16);
	struct ocu_item items[2], *nothing = &items[0], *ends = &items[1];
	int64_t wake;
	size_t uri;
	int i;

	(void)state;
	add_due(&b, nothing, "a");
	for (i = 0; i < 8; i++) {
		assert_ptr_equal(next(&b, &uri, &wake), nothing);
		done(&b, nothing, OCU_OUTCOME_FAILED, OCU_SEEN_DOWN);
		assert_null(next(&b, &uri, &wake));
		if (i < 7)
			pass(&b, wake - b.c.mono_ms);
	}
	/* the responder has been down for long, its next probe is far away */
	assert_true(wake >= b.c.mono_ms + 100 * 1000);

	add(&b, ends, "a", false);
	ocu_update_held(b.u, ends, b.c.wall_s - 86400, b.c.wall_s + 40, &b.c);
	ocu_update_automatic(b.u, ends, true, &b.c);
	pass(&b, ends->due_ms - b.c.mono_ms);
	assert_null(next(&b, &uri, &wake));
	/* ten seconds are left */
	assert_true(wake <= b.c.mono_ms + 6 * 1000);
	bed_end(&b, items, 2);
}

static void it_does_what_a_naive_model_does(void **state)
{
	struct model *m = malloc(sizeof(*m));

	(void)state;
	assert_non_null(m);
	assert_true(model_run(m, TWINS_MAX, TWIN_HOSTS_MAX, 12000) > 3000);
	assert_true(model_run(m, TWINS_MAX, 1, 3000) > 300);
	assert_true(model_run(m, 30, 25, 40000) > 1000);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_urgent_goes_first),
		cmocka_unit_test(a_window_doubles_with_each_success),
		cmocka_unit_test(the_total_is_limited),
		cmocka_unit_test(a_dead_responder_is_probed_by_one),
		cmocka_unit_test(what_was_in_flight_when_it_went_down_is_no_news),
		cmocka_unit_test(a_second_uri_is_used_while_the_first_is_down),
		cmocka_unit_test(who_waits_for_one_moves_when_another_comes_back),
		cmocka_unit_test(an_order_goes_before_all),
		cmocka_unit_test(an_item_may_leave_in_any_state),
		cmocka_unit_test(what_is_held_decides_when),
		cmocka_unit_test(nothing_is_asked_in_a_tight_loop),
		cmocka_unit_test(a_step_of_the_wall_clock_is_noticed),
		cmocka_unit_test(without_memory_nothing_is_left),
		cmocka_unit_test(what_ends_soon_asks_for_an_earlier_probe),
		cmocka_unit_test(it_does_what_a_naive_model_does),
	};

	return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
