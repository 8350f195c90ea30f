/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_watch.c - the watch over what is held: how many certificates are without, why, and the
 * alerts before the end of what is held. On a fake clock, with a real plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/say.h"
#include "ocu/watch.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOUR 3600
#define START 1796040000 /* 2026-11-30T12:00:00Z */

static struct pki *pki;
static struct pki_id must, plain, bare;

/* What the watch looks at. */
struct bed {
	struct ocu_plan *plan;
	struct ocu_lane lane;
	struct ocu_certs *certs;
	struct ocu_watch watch;
	struct ocu_clock now;
};

static void bed_init(struct bed *b)
{
	const struct ocu_plan_conf conf = {
		.when = { .mindelay_s = 300, .maxdelay_s = 3600 },
		.maxconn = 8,
		.host_maxconn = 8,
	};

	b->now = (struct ocu_clock){ .mono_ms = 1000000, .wall_s = START };
	assert_int_equal(ocu_plan_new(&b->plan, &conf), OCU_OK);
	assert_int_equal(ocu_certs_new(&b->certs), OCU_OK);
	ocu_plan_lane_add(b->plan, &b->lane);
	ocu_watch_init(&b->watch);
}

static void bed_fini(struct bed *b)
{
	struct ocu_cert *c;

	while ((c = ocu_certs_first(b->certs))) {
		ocu_certs_remove(b->certs, c);
		ocu_watch_cert(&b->watch, c, &b->now);
		ocu_plan_remove(b->plan, &c->item);
		ocu_cert_put(c);
	}
	assert_int_equal(atomic_load(&b->watch.missing[0]), 0);
	assert_int_equal(atomic_load(&b->watch.missing[1]), 0);
	assert_null(b->watch.ends.first);
	ocu_certs_free(b->certs);
	ocu_plan_lane_remove(b->plan, &b->lane);
	ocu_plan_free(b->plan);
}

static void pass(struct bed *b, int64_t s)
{
	b->now.wall_s += s;
	b->now.mono_ms += s * 1000;
}

/* Adds a certificate, updated by itself if <automatic>. */
static struct ocu_cert *add(struct bed *b, const char *path, struct pki_id *id, bool automatic)
{
	struct ocu_cert *c;

	assert_int_equal(ocu_cert_new(&c, (const uint8_t *)path, strlen(path), path, id->cert,
				      pki->by[PKI_BY_ISSUER].cert), OCU_OK);
	assert_ptr_equal(ocu_certs_add(b->certs, c), c);
	if (c->n_uris)
		c->places[0].lane = &b->lane;
	ocu_plan_add(b->plan, &c->item, c->places, c->n_uris, c->must_staple, INT64_MAX);
	c->automatic = automatic;
	ocu_plan_automatic(b->plan, &c->item, automatic, &b->now);
	ocu_watch_cert(&b->watch, c, &b->now);
	return c;
}

/* A response is held for <c> that may be stapled for <left_s> from now on; 0: none is. */
static void hold(struct bed *b, struct ocu_cert *c, int64_t left_s)
{
	struct ocu_held held = { 0 };

	if (left_s)
		held = (struct ocu_held){ .this_update = b->now.wall_s - HOUR,
					  .next_update = b->now.wall_s + left_s + OCU_OCSP_SKEW_S,
					  .expiry = b->now.wall_s + left_s };
	ocu_plan_held(b->plan, &c->item, &held, &b->now);
	ocu_watch_cert(&b->watch, c, &b->now);
}

/* Hands out the turn of the one that is due and ends it with <end>. */
static void turn(struct bed *b, enum ocu_end end)
{
	struct ocu_ended ended = { .end = end, .retry_after_s = -1, .max_age_s = -1 };
	struct ocu_turn t;
	int64_t wake_ms;

	assert_int_equal(ocu_plan_next(b->plan, &b->now, &t, &wake_ms), OCU_NEXT_TURN);
	(void)ocu_plan_done(b->plan, t.item, &ended, &b->now);
}

/* Sets how the last try of <c> ended. */
static void result(struct ocu_cert *c, enum ocu_status st)
{
	c->result = calloc(1, sizeof(*c->result));
	assert_non_null(c->result);
	c->result->status = st;
}

/* Returns how many alerts are due; the text of the last one is in <line>. */
static int alerts(struct bed *b, char line[static OCU_SAY_LINE_BYTES])
{
	int n = 0;

	line[0] = '\0';
	while (ocu_watch_ending(&b->watch, &b->now, line, OCU_SAY_LINE_BYTES))
		n++;
	return n;
}

/* ---- alerts ---- */

/* Hours after the start, and what is said then of a response that ends 30 hours after it. */
static void once_each(void **state)
{
	static const struct {
		int64_t after_s;
		const char *left; /* NULL: nothing is said */
	} rows[] = {
		{ 0, NULL },
		{ 6 * HOUR - 1, NULL },
		{ 6 * HOUR, "1440 minutes" },
		{ 6 * HOUR, NULL },
		{ 6 * HOUR + 60, NULL },
		{ 12 * HOUR, NULL },
		{ 24 * HOUR - 1, NULL },
		{ 24 * HOUR + 30, "359 minutes" },
		{ 25 * HOUR, NULL },
		{ 29 * HOUR, "60 minutes" },
		{ 29 * HOUR + 1800, NULL },
		{ 30 * HOUR - 1, NULL },
		{ 30 * HOUR, NULL },
		{ 40 * HOUR, NULL },
	};
	char line[OCU_SAY_LINE_BYTES], want[OCU_SAY_LINE_BYTES];
	struct ocu_cert *c;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &must, false);
	hold(&b, c, 30 * HOUR);
	for (i = 0; i < COUNT(rows); i++) {
		pass(&b, START + rows[i].after_s - b.now.wall_s);
		assert_int_equal(alerts(&b, line), rows[i].left != NULL);
		if (!rows[i].left)
			continue;
		snprintf(want, sizeof(want), "<OCSP-UPDATE> a.pem: must-staple, and its OCSP "
			 "response ends in %s without a newer one: updates are off", rows[i].left);
		assert_string_equal(line, want);
	}
	bed_fini(&b);
}

/* Whoever sleeps through two of them is told once; a newer response begins anew. */
static void anew(void **state)
{
	char line[OCU_SAY_LINE_BYTES];
	struct ocu_cert *c;
	struct bed b;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &must, false);
	hold(&b, c, 30 * HOUR);
	pass(&b, 28 * HOUR);
	assert_int_equal(alerts(&b, line), 1);
	assert_int_equal(alerts(&b, line), 0);
	hold(&b, c, 25 * HOUR);
	assert_int_equal(alerts(&b, line), 0);
	pass(&b, HOUR);
	assert_int_equal(alerts(&b, line), 1);
	/* The same again says nothing, nor does one that ends as soon. */
	hold(&b, c, 24 * HOUR);
	assert_int_equal(alerts(&b, line), 0);
	pass(&b, 18 * HOUR);
	assert_int_equal(alerts(&b, line), 1);
	hold(&b, c, 0);
	pass(&b, 6 * HOUR);
	assert_int_equal(alerts(&b, line), 0);
	bed_fini(&b);
}

/* That a response is short-lived is no reason for an alert, as long as nothing stands against a
 * newer one; and what is not must-staple is not worth one.
 */
static void only_with_reason(void **state)
{
	char line[OCU_SAY_LINE_BYTES];
	struct ocu_cert *c, *other;
	struct bed b;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &must, true);
	other = add(&b, "other.pem", &plain, false);
	hold(&b, c, 2 * HOUR);
	hold(&b, other, 2 * HOUR);
	assert_int_equal(alerts(&b, line), 0);
	pass(&b, 90 * 60);
	assert_int_equal(alerts(&b, line), 0);
	/* It is due, and fails; that is seen a minute later at the latest. */
	turn(&b, OCU_END_REFUSED);
	result(c, OCU_OTHER_CERT);
	pass(&b, 60);
	assert_int_equal(alerts(&b, line), 1);
	assert_non_null(strstr(line, "ends in 29 minutes without a newer one: no answer for this "
				     "certificate"));
	bed_fini(&b);
}

static void responder_down(void **state)
{
	char line[OCU_SAY_LINE_BYTES];
	struct ocu_cert *c, *first;
	struct bed b;

	(void)state;
	bed_init(&b);
	first = add(&b, "first.pem", &plain, true);
	turn(&b, OCU_END_UNREACHED);
	ocu_watch_cert(&b.watch, first, &b.now);
	c = add(&b, "a.pem", &must, true);
	hold(&b, c, 5 * HOUR);
	assert_int_equal(alerts(&b, line), 0);
	/* It becomes due, and waits with the other one. */
	while (c->item.state == OCU_ITEM_LATER) {
		struct ocu_turn t;
		int64_t wake_ms;

		pass(&b, 60);
		if (ocu_plan_next(b.plan, &b.now, &t, &wake_ms) == OCU_NEXT_TURN)
			(void)ocu_plan_done(b.plan, t.item,
					    &(struct ocu_ended){ .end = OCU_END_UNREACHED },
					    &b.now);
	}
	c->item.failures = 0;
	pass(&b, 1);
	assert_int_equal(alerts(&b, line), 1);
	assert_non_null(strstr(line, "without a newer one: its responder is down"));
	bed_fini(&b);
}

static void nobody_to_ask(void **state)
{
	char line[OCU_SAY_LINE_BYTES];
	struct ocu_cert *c, *gone;
	struct bed b;

	(void)state;
	bed_init(&b);
	c = add(&b, "bare.pem", &bare, true);
	hold(&b, c, HOUR);
	gone = add(&b, "gone.pem", &must, false);
	hold(&b, gone, HOUR);
	ocu_certs_remove(b.certs, gone);
	ocu_watch_cert(&b.watch, gone, &b.now);
	assert_int_equal(alerts(&b, line), 1);
	assert_string_equal(line, "<OCSP-UPDATE> bare.pem: must-staple, and its OCSP response ends "
				  "in 60 minutes without a newer one: no usable OCSP URI");
	ocu_plan_remove(b.plan, &gone->item);
	ocu_cert_put(gone);
	bed_fini(&b);
}

/* The one that ends first is told first. */
static void in_order(void **state)
{
	static const int hours[] = { 5, 2, 4, 1, 3 };
	char line[OCU_SAY_LINE_BYTES], path[16];
	struct ocu_cert *c;
	struct bed b;
	int64_t last = 0;
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(hours); i++) {
		snprintf(path, sizeof(path), "%zu.pem", i);
		c = add(&b, path, &must, false);
		hold(&b, c, hours[i] * HOUR);
	}
	for (i = 0; i < COUNT(hours); i++) {
		c = ocu_watch_ending(&b.watch, &b.now, line, sizeof(line));
		assert_non_null(c);
		assert_true(c->item.held.expiry > last);
		last = c->item.held.expiry;
	}
	assert_null(ocu_watch_ending(&b.watch, &b.now, line, sizeof(line)));
	bed_fini(&b);
}

/* However many responses are short, one call looks at a part of them. */
static void in_parts(void **state)
{
	char line[OCU_SAY_LINE_BYTES], path[16];
	int i, n, calls, looked = 0, most = 0, all = 3 * OCU_WATCH_AT_ONCE + 1;
	struct ocu_cert *c;
	struct bed b;

	(void)state;
	bed_init(&b);
	for (i = 0; i < all; i++) {
		snprintf(path, sizeof(path), "%d.pem", i);
		c = add(&b, path, &must, true);
		hold(&b, c, 2 * HOUR);
	}
	for (calls = 0; ocu_watch_is_due(&b.watch, &b.now); calls++) {
		assert_true(calls < all);
		assert_null(ocu_watch_ending(&b.watch, &b.now, line, sizeof(line)));
		/* nothing stands against any of them: they are to be looked at later */
		for (n = 0, c = ocu_certs_first(b.certs); c; c = c->next)
			n += c->alert_s > b.now.wall_s;
		most = n - looked > most ? n - looked : most;
		looked = n;
	}
	assert_int_equal(looked, all);
	assert_int_equal(most, OCU_WATCH_AT_ONCE);
	bed_fini(&b);
}

/* ---- who is without ---- */

/* As who looks at all of them; in how many parts goes to *parts. */
static size_t look(struct bed *b, bool must_staple, char *text, size_t size, int *parts)
{
	struct ocu_missing m;

	ocu_missing_init(&m, b->certs, must_staple);
	for (*parts = 1; ocu_missing_next(&m, &b->now); (*parts)++)
		;
	ocu_missing_fini(&m);
	return ocu_missing_say(&m, text, size);
}

static size_t missing(struct bed *b, bool must_staple, char *text, size_t size)
{
	int parts;

	return look(b, must_staple, text, size, &parts);
}

static void assert_missing(struct bed *b, size_t all, size_t must_staple)
{
	char text[768];

	assert_int_equal(atomic_load(&b->watch.missing[0]), all);
	assert_int_equal(atomic_load(&b->watch.missing[1]), must_staple);
	assert_int_equal(missing(b, false, text, sizeof(text)), all);
	assert_int_equal(missing(b, true, text, sizeof(text)), must_staple);
}

static void counted(void **state)
{
	struct ocu_cert *a, *m, *off;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_missing(&b, 0, 0);
	a = add(&b, "a.pem", &plain, true);
	assert_missing(&b, 1, 0);
	m = add(&b, "m.pem", &must, true);
	assert_missing(&b, 2, 1);
	off = add(&b, "off.pem", &must, false);
	(void)add(&b, "bare.pem", &bare, true);
	assert_missing(&b, 2, 1);
	hold(&b, m, HOUR);
	assert_missing(&b, 1, 0);
	/* Said twice it counts once. */
	ocu_watch_cert(&b.watch, m, &b.now);
	ocu_watch_cert(&b.watch, a, &b.now);
	assert_missing(&b, 1, 0);
	hold(&b, a, 2 * HOUR);
	assert_missing(&b, 0, 0);
	pass(&b, HOUR);
	ocu_watch_cert(&b.watch, m, &b.now);
	assert_missing(&b, 1, 1);
	off->automatic = true;
	ocu_watch_cert(&b.watch, off, &b.now);
	assert_missing(&b, 2, 2);
	hold(&b, a, 0);
	assert_missing(&b, 3, 2);
	bed_fini(&b);
}

/* Those that have failed come first, and no more than three are named. */
static void named(void **state)
{
	char text[768], small[24], path[16];
	struct ocu_cert *c;
	struct bed b;
	int i;

	(void)state;
	bed_init(&b);
	assert_int_equal(missing(&b, false, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%d.pem", i);
		c = add(&b, path, i ? &plain : &must, true);
	}
	result(c, OCU_TIMEOUT);
	assert_int_equal(missing(&b, false, text, sizeof(text)), 3);
	assert_string_equal(text, "2.pem: timed out; 0.pem: no answer yet; 1.pem: no answer yet");
	assert_int_equal(missing(&b, true, text, sizeof(text)), 1);
	assert_string_equal(text, "0.pem: no answer yet");
	(void)add(&b, "4.pem", &plain, true);
	assert_int_equal(missing(&b, false, text, sizeof(text)), 4);
	assert_string_equal(text, "2.pem: timed out; 0.pem: no answer yet; 1.pem: no answer yet; "
				  "...");
	/* What there is no room for is cut. */
	assert_int_equal(missing(&b, false, small, sizeof(small)), 4);
	assert_string_equal(small, "2.pem: timed out; 0.pem");
	bed_fini(&b);
}

/* Who goes meanwhile is not missed, and who comes may be. */
static void looked_at_in_parts(void **state)
{
	const int all = 2 * OCU_WATCH_AT_ONCE + 1;
	struct ocu_cert *first, *next;
	struct ocu_missing m;
	char text[768], path[16];
	struct bed b;
	int i, parts;

	(void)state;
	bed_init(&b);
	for (i = 0; i < all; i++) {
		snprintf(path, sizeof(path), "%d.pem", i);
		(void)add(&b, path, &plain, true);
	}
	assert_int_equal(look(&b, false, text, sizeof(text), &parts), all);
	assert_int_equal(parts, 3);
	ocu_missing_init(&m, b.certs, false);
	assert_true(ocu_missing_next(&m, &b.now));
	assert_int_equal(ocu_missing_say(&m, text, sizeof(text)), OCU_WATCH_AT_ONCE);
	for (first = ocu_certs_first(b.certs), i = 0; i < OCU_WATCH_AT_ONCE; i++)
		first = first->next;
	next = first->next;
	ocu_certs_remove(b.certs, first);
	ocu_watch_cert(&b.watch, first, &b.now);
	ocu_plan_remove(b.plan, &first->item);
	ocu_cert_put(first);
	assert_ptr_equal(m.walk.next, next);
	assert_false(ocu_missing_next(&m, &b.now));
	assert_int_equal(ocu_missing_say(&m, text, sizeof(text)), all - 1);
	assert_string_equal(text, "0.pem: no answer yet; 1.pem: no answer yet; "
				  "2.pem: no answer yet; ...");
	ocu_missing_fini(&m);
	bed_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_each),
		cmocka_unit_test(anew),
		cmocka_unit_test(only_with_reason),
		cmocka_unit_test(responder_down),
		cmocka_unit_test(nobody_to_ask),
		cmocka_unit_test(in_order),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(counted),
		cmocka_unit_test(named),
		cmocka_unit_test(looked_at_in_parts),
	};
	int failed;

	pki = pki_new();
	pki_cert_make(pki, &must, &(struct pki_cert){ .must_staple = true,
						      .uris = { "http://r.test/" } });
	pki_cert_make(pki, &plain, &(struct pki_cert){ .uris = { "http://r.test/" } });
	pki_cert_make(pki, &bare, &(struct pki_cert){ .must_staple = true });
	failed = cmocka_run_group_tests_name("watch", tests, NULL, NULL);
	pki_cert_fini(&must);
	pki_cert_fini(&plain);
	pki_cert_fini(&bare);
	pki_free(pki);
	return failed;
}
