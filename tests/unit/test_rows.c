/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_rows.c - listings: HAProxy's table, JSON, and all that is known of one certificate, in each
 * of its states; their order and their pieces; and how much of a hundred thousand one call looks
 * at. On a fake clock, with a real plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ocu/rows.h"
#include "ocu/say.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOUR 3600
#define START 1796040000 /* 2026-11-30T12:00:00Z */
#define MANY 300
#define MOST 100000
#define MOST_LOG2 17

static struct pki *pki;
static struct pki_id leaf, bare;

/* ---- what is counted ---- */

static unsigned compared, formatted; /* calls of the two functions below */

/* This program's definitions come before those of the C library, also for the code under test. */
int strcmp(const char *a, const char *b)
{
	compared++;
	for (; *a && *a == *b; a++, b++)
		;
	return (unsigned char)*a - (unsigned char)*b;
}

int vsnprintf(char *out, size_t size, const char *format, va_list args)
{
	int (*real)(char *, size_t, const char *, va_list) =
		(int (*)(char *, size_t, const char *, va_list))dlsym(RTLD_NEXT, "vsnprintf");

	formatted++;
	return real(out, size, format, args);
}

/* ---- certificates in a plan ---- */

struct bed {
	struct ocu_plan *plan;
	struct ocu_lane lane;
	struct ocu_certs *certs;
	struct ocu_clock now;
};

static void bed_init(struct bed *b)
{
	const struct ocu_plan_conf conf = {
		.when = { .mindelay_s = 3600, .maxdelay_s = 3600 },
		.maxconn = 8,
		.host_maxconn = 8,
	};

	b->now = (struct ocu_clock){ .mono_ms = 1000000, .wall_s = START };
	assert_int_equal(ocu_plan_new(&b->plan, &conf), OCU_OK);
	assert_int_equal(ocu_certs_new(&b->certs), OCU_OK);
	ocu_plan_lane_add(b->plan, &b->lane);
}

static void bed_fini(struct bed *b)
{
	struct ocu_cert *c;

	while ((c = ocu_certs_first(b->certs))) {
		ocu_certs_remove(b->certs, c);
		ocu_plan_remove(b->plan, &c->item);
		ocu_cert_put(c);
	}
	ocu_certs_free(b->certs);
	ocu_plan_lane_remove(b->plan, &b->lane);
	ocu_plan_free(b->plan);
}

/* The first <key_len> bytes of <path> stand for the CertID. */
static struct ocu_cert *add_keyed(struct bed *b, const char *path, size_t key_len,
				  const struct pki_id *id, bool automatic)
{
	struct ocu_cert *c;

	assert_int_equal(ocu_cert_new(&c, (const uint8_t *)path, key_len, path, id->cert,
				      pki->by[PKI_BY_ISSUER].cert), OCU_OK);
	assert_ptr_equal(ocu_certs_add(b->certs, c), c);
	if (c->n_uris)
		c->places[0].lane = &b->lane;
	ocu_plan_add(b->plan, &c->item, c->places, c->n_uris, c->must_staple, INT64_MAX);
	c->automatic = automatic;
	ocu_plan_automatic(b->plan, &c->item, automatic, &b->now);
	return c;
}

static struct ocu_cert *add(struct bed *b, const char *path, const struct pki_id *id,
			    bool automatic)
{
	return add_keyed(b, path, 2, id, automatic);
}

/* A good response is held from an hour ago until in <left_s>. */
static void hold(struct bed *b, struct ocu_cert *c, int64_t left_s, bool revoked)
{
	struct ocu_held held = { .this_update = START - HOUR, .next_update = START + left_s,
				 .expiry = START + left_s - OCU_OCSP_SKEW_S, .revoked = revoked };

	ocu_plan_held(b->plan, &c->item, &held, &b->now);
}

/* Begins the turn that is due. */
static struct ocu_cert *begin(struct bed *b)
{
	struct ocu_turn t;
	int64_t wake_ms;

	assert_int_equal(ocu_plan_next(b->plan, &b->now, &t, &wake_ms), OCU_NEXT_TURN);
	return OCU_OWNER(t.item, struct ocu_cert, item);
}

static void end(struct bed *b, struct ocu_cert *c, enum ocu_end how)
{
	struct ocu_ended e = { .end = how, .retry_after_s = 100, .max_age_s = -1 };

	(void)ocu_plan_done(b->plan, &c->item, &e, &b->now);
}

/* Returns all pieces of <l>, which the caller frees, and frees it. */
static char *rest(struct bed *b, struct ocu_listing *l, unsigned *pieces)
{
	struct ocu_buf all, piece;
	bool last = false;

	*pieces = 0;
	ocu_buf_init(&all, 1000000);
	ocu_buf_init(&piece, OCU_ROWS_PIECE_BYTES + 4096);
	while (ocu_listing_gather(l))
		;
	while (!last) {
		ocu_buf_reset(&piece);
		assert_int_equal(ocu_listing_next(l, &piece, &last, &b->now), OCU_OK);
		assert_int_equal(ocu_buf_add(&all, piece.data, piece.len), OCU_OK);
		++*pieces;
	}
	assert_int_equal(ocu_buf_add(&all, "", 1), OCU_OK);
	ocu_listing_free(l);
	ocu_buf_fini(&piece);
	return (char *)all.data;
}

/* Returns the whole listing, which the caller frees. */
static char *list(struct bed *b, struct ocu_cert *only, enum ocu_rows_form form, unsigned *pieces)
{
	struct ocu_listing *l;

	assert_int_equal(ocu_listing_new(&l, b->certs, only, form, &b->now), OCU_OK);
	return rest(b, l, pieces);
}

/* Returns when <c>, which is scheduled, is due. */
static int64_t due_s(const struct bed *b, const struct ocu_cert *c)
{
	assert_int_equal(c->item.state, OCU_ITEM_LATER);
	return b->now.wall_s + (c->item.due_ms - b->now.mono_ms) / 1000;
}

static void assert_lists(struct bed *b, struct ocu_cert *only, enum ocu_rows_form form,
			 const char *want)
{
	unsigned pieces;
	char *text = list(b, only, form, &pieces);

	assert_string_equal(text, want);
	free(text);
}

/* ---- states ---- */

static void assert_state(struct bed *b, struct ocu_cert *c, const char *state, const char *next)
{
	char want[128];
	unsigned pieces;
	char *text = list(b, c, OCU_ROWS_DETAIL, &pieces);

	snprintf(want, sizeof(want), "\nState: %s\nNext update: %s\n", state, next);
	if (!strstr(text, want))
		fail_msg("%s is not in: %s", want, text);
	free(text);
}

static void states(void **state)
{
	char date[OCU_SAY_DATE_BYTES];
	struct ocu_cert *a, *c, *idle;
	struct bed b;

	(void)state;
	bed_init(&b);
	idle = add(&b, "i-dle.pem", &leaf, false);
	assert_state(&b, idle, "not scheduled", "-");
	a = add(&b, "a.pem", &leaf, true);
	hold(&b, a, 24 * HOUR, false);
	ocu_say_date(date, due_s(&b, a));
	assert_state(&b, a, "scheduled", date);
	c = add(&b, "c.pem", &leaf, true);
	assert_state(&b, c, "scheduled", "2026-11-30T12:00:00Z");
	assert_ptr_equal(begin(&b), c);
	assert_state(&b, c, "being fetched", "2026-11-30T12:00:00Z");
	end(&b, c, OCU_END_REFUSED);
	ocu_say_date(date, due_s(&b, c));
	assert_state(&b, c, "waits after a failure", date);
	/* The window is full with the two that hold nothing. */
	ocu_plan_order(b.plan, &c->item, &b.now);
	ocu_plan_order(b.plan, &a->item, &b.now);
	ocu_plan_order(b.plan, &idle->item, &b.now);
	assert_ptr_equal(begin(&b), idle);
	assert_ptr_equal(begin(&b), c);
	assert_state(&b, a, "due", "2026-11-30T12:00:00Z");
	end(&b, c, OCU_END_CANCELLED);
	end(&b, idle, OCU_END_CANCELLED);
	bed_fini(&b);
}

static void state_of_a_shut_lane(void **state)
{
	static const struct {
		enum ocu_end end;
		const char *state, *next;
	} rows[] = {
		{ OCU_END_UNREACHED, "waits for its responder, which is down",
		  "2026-11-30T12:00:01Z" },
		{ OCU_END_PAUSE, "waits for its responder, which asked for patience",
		  "2026-11-30T12:01:40Z" },
	};
	struct ocu_cert *c;
	struct bed b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bed_init(&b);
		c = add(&b, "c.pem", &leaf, true);
		assert_ptr_equal(begin(&b), c);
		end(&b, c, rows[i].end);
		assert_state(&b, c, rows[i].state, rows[i].next);
		bed_fini(&b);
	}
}

/* ---- forms ---- */

static struct sockaddr_storage address; /* 192.0.2.1:80 */

static void success(struct ocu_cert *c)
{
	c->result = calloc(1, sizeof(*c->result));
	assert_non_null(c->result);
	c->result->status = OCU_OK;
	c->result->http_status = 200;
	c->result->address = address;
	c->successes = 2;
	c->updated = START - 60;
}

static void table(void **state)
{
	struct ocu_cert *flies, *later, *fresh;
	char want[1024], next[OCU_SAY_DATE_BYTES];
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_lists(&b, NULL, OCU_ROWS_TABLE, OCU_ROWS_HEADER);
	flies = add(&b, "f.pem", &leaf, true);
	assert_ptr_equal(begin(&b), flies);
	flies->job = (struct ocu_job *)flies; /* any */
	later = add(&b, "later.pem", &leaf, true);
	hold(&b, later, 24 * HOUR, false);
	success(later);
	fresh = add(&b, "a fresh one.pem", &leaf, true);
	fresh->failures = 3;
	(void)add(&b, "b-are.pem", &bare, true);
	(void)add(&b, "o-ff.pem", &leaf, false);
	/* Who flies is first, then what is due first. */
	ocu_say_log_date(next, due_s(&b, later));
	snprintf(want, sizeof(want), OCU_ROWS_HEADER
		 "662e | f.pem | 30/Nov/2026:12:00:00 +0000 | - | 0 | 0 | 0 | Unknown\n"
		 "6120 | a fresh one.pem | 30/Nov/2026:12:00:00 +0000 | - | 0 | 3 | 0 | "
		 "Unknown\n"
		 "6c61 | later.pem | %s | 30/Nov/2026:11:59:00 +0000 "
		 "| 2 | 0 | 1 | Update successful\n", next);
	assert_lists(&b, NULL, OCU_ROWS_TABLE, want);
	flies->job = NULL;
	end(&b, flies, OCU_END_CANCELLED);
	bed_fini(&b);
}

/* A certificate that has expired is not updated any more. */
static void no_next(void **state)
{
	struct ocu_turn turn;
	struct ocu_cert *c;
	struct bed b;
	int64_t wake_ms;

	(void)state;
	bed_init(&b);
	c = add(&b, "old.pem", &leaf, false);
	c->item.not_after = START;
	c->automatic = true;
	ocu_plan_automatic(b.plan, &c->item, true, &b.now);
	assert_int_equal(ocu_plan_next(b.plan, &b.now, &turn, &wake_ms), OCU_NEXT_NOTHING);
	assert_lists(&b, NULL, OCU_ROWS_TABLE, OCU_ROWS_HEADER
		     "6f6c | old.pem | - | - | 0 | 0 | 0 | Unknown\n");
	bed_fini(&b);
}

static void json(void **state)
{
	struct ocu_cert *c;
	char want[2048];
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_lists(&b, NULL, OCU_ROWS_JSON, "[\n]\n");
	c = add(&b, "a\"\\\x01\xc3\xa4.pem", &leaf, true);
	hold(&b, c, 24 * HOUR, true);
	success(c);
	(void)add(&b, "b.pem", &leaf, true);
	snprintf(want, sizeof(want),
		 "[\n{\"path\":\"b.pem\",\"certid\":\"622e\",\"state\":\"scheduled\","
		 "\"response\":\"none\",\"last_status_text\":\"Unknown\",\"reason\":\"\","
		 "\"must_staple\":true,\"next\":1796040000,\"this_update\":0,"
		 "\"next_update\":0,\"last_success\":0,\"successes\":0,\"failures\":0,"
		 "\"failures_in_a_row\":0,\"last_status\":0},"
		 "\n{\"path\":\"a\\u0022\\u005c\\u0001\xc3\xa4.pem\",\"certid\":\"6122\","
		 "\"state\":\"scheduled\",\"response\":\"revoked\","
		 "\"last_status_text\":\"Update successful\",\"reason\":\"revoked until "
		 "2026-12-01T12:00:00Z, from 192.0.2.1:80\","
		 "\"must_staple\":true,\"next\":%lld,\"this_update\":1796036400,"
		 "\"next_update\":1796126400,\"last_success\":1796039940,\"successes\":2,"
		 "\"failures\":0,\"failures_in_a_row\":0,\"last_status\":1}\n]\n",
		 (long long)due_s(&b, c));
	assert_lists(&b, NULL, OCU_ROWS_JSON, want);
	bed_fini(&b);
}

static void detail(void **state)
{
	char want[2048], next[OCU_SAY_DATE_BYTES];
	struct ocu_cert *c;
	struct bed b;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &leaf, true);
	hold(&b, c, 24 * HOUR, false);
	success(c);
	c->result = realloc(c->result, sizeof(*c->result) + sizeof(c->result->tried[0]));
	assert_non_null(c->result);
	c->result->n_tried = 1;
	c->result->tried[0] = (struct ocu_tried){ .url = "http://r.test/",
						  .attempt.cause = "no such name" };
	ocu_say_date(next, due_s(&b, c));
	snprintf(want, sizeof(want),
		 "Certificate: a.pem\nCertificate ID key: 612e\nOCSP URI: http://r.test/\n"
		 "Unusable OCSP URI: 'ftp://f.test/': URL is neither http:// nor https://\n"
		 "Must-staple: yes\nAutomatic updates: on\nState: scheduled\n"
		 "Next update: %s\nResponse: good\n"
		 "This update of the response: 2026-11-30T11:00:00Z\n"
		 "Next update of the response: 2026-12-01T12:00:00Z\n"
		 "Last success: 2026-11-30T11:59:00Z\n"
		 "Successes: 2\nFailures: 0\nFailures in a row: 0\n"
		 "Last result: 1 (Update successful)\n"
		 "Reason: good until 2026-12-01T12:00:00Z, from 192.0.2.1:80\n"
		 "URI asked: http://r.test/\nAddress: 192.0.2.1:80\nHTTP status: 200\n"
		 "Attempt: http://r.test/: no such name\n", next);
	assert_lists(&b, c, OCU_ROWS_DETAIL, want);
	bed_fini(&b);
}

static void detail_of_nothing(void **state)
{
	struct ocu_cert *c;
	struct bed b;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &bare, false);
	assert_lists(&b, c, OCU_ROWS_DETAIL,
		     "Certificate: a.pem\nCertificate ID key: 612e\n"
		     "Must-staple: no\nAutomatic updates: off\nState: not scheduled\n"
		     "Next update: -\nResponse: none\n"
		     "This update of the response: -\nNext update of the response: -\n"
		     "Last success: -\nSuccesses: 0\nFailures: 0\nFailures in a row: 0\n");
	hold(&b, c, -HOUR / 2, false);
	b.now.wall_s++;
	assert_lists(&b, c, OCU_ROWS_DETAIL,
		     "Certificate: a.pem\nCertificate ID key: 612e\n"
		     "Must-staple: no\nAutomatic updates: off\nState: not scheduled\n"
		     "Next update: -\nResponse: expired\n"
		     "This update of the response: 2026-11-30T11:00:00Z\n"
		     "Next update of the response: 2026-11-30T11:30:00Z\n"
		     "Last success: -\nSuccesses: 0\nFailures: 0\nFailures in a row: 0\n");
	bed_fini(&b);
}

/* ---- pieces ---- */

static void in_pieces(void **state)
{
	const enum ocu_rows_form forms[] = { OCU_ROWS_TABLE, OCU_ROWS_JSON };
	unsigned pieces, rows;
	char path[16], *text, *p;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%c%c-%zu.pem", (int)('a' + i / 26),
			 (int)('a' + i % 26), i);
		(void)add(&b, path, &leaf, true);
	}
	for (i = 0; i < COUNT(forms); i++) {
		text = list(&b, NULL, forms[i], &pieces);
		for (rows = 0, p = text; (p = strstr(p, ".pem")); p++)
			rows++;
		assert_int_equal(rows, MANY);
		assert_int_equal(pieces, strlen(text) / OCU_ROWS_PIECE_BYTES + 1);
		free(text);
	}
	bed_fini(&b);
}

/* Without room, or in the middle, it ends; nothing is lost. */
static void ended_early(void **state)
{
	struct ocu_listing *l;
	struct ocu_buf small;
	struct ocu_cert *c;
	struct bed b;
	bool last = false;

	(void)state;
	bed_init(&b);
	c = add(&b, "a.pem", &leaf, true);
	ocu_buf_init(&small, 100);
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_JSON, &b.now), OCU_OK);
	assert_false(ocu_listing_gather(l));
	assert_int_equal(c->refs, 2);
	assert_int_equal(ocu_listing_next(l, &small, &last, &b.now), OCU_TOO_BIG);
	assert_true(last);
	ocu_listing_free(l);
	assert_int_equal(c->refs, 1);
	assert_int_equal(ocu_listing_new(&l, b.certs, c, OCU_ROWS_DETAIL, &b.now), OCU_OK);
	assert_int_equal(c->refs, 2);
	ocu_listing_free(l);
	assert_int_equal(c->refs, 1);
	/* Nothing was gathered yet, or nothing is left. */
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_JSON, &b.now), OCU_OK);
	assert_false(ocu_listing_shrink(l));
	ocu_listing_free(l);
	assert_false(ocu_listing_shrink(NULL));
	ocu_listing_free(NULL);
	ocu_buf_fini(&small);
	bed_fini(&b);
}

/* ---- how much at once ---- */

/* Adds <n> certificates, which are all due now, in an order that is not that of their names. */
static void add_many(struct bed *b, struct ocu_cert **cs, size_t n)
{
	char path[16];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%06zu.pem", i * 7919 % n);
		cs[i] = add_keyed(b, path, 6, &leaf, true);
	}
}

/* Returns how many of the <n> in <cs> from *taken on have one more reference, and moves it on. */
static size_t taken_more(struct ocu_cert *const *cs, size_t n, size_t *taken)
{
	size_t from = *taken;

	while (*taken < n && cs[*taken]->refs == 2)
		++*taken;
	return *taken - from;
}

/* No call looks at more than a few, or compares more than it takes to find their places. */
static void bounded(void **state)
{
	static struct ocu_cert *cs[MOST];
	size_t taken = 0, rows = 0, before;
	unsigned calls = 0;
	struct ocu_listing *l;
	struct ocu_buf piece;
	char path[16], *p;
	bool more, last = false;
	struct bed b;

	(void)state;
	bed_init(&b);
	ocu_buf_init(&piece, OCU_ROWS_PIECE_BYTES + 4096);
	add_many(&b, cs, MOST);
	compared = 0;
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_TABLE, &b.now), OCU_OK);
	assert_int_equal(taken_more(cs, MOST, &taken), 0);
	do {
		more = ocu_listing_gather(l);
		assert_true(taken_more(cs, MOST, &taken) <= OCU_ROWS_AT_ONCE);
		assert_true(compared <= OCU_ROWS_AT_ONCE * MOST_LOG2);
		compared = 0;
		calls++;
	} while (more);
	assert_int_equal(taken, MOST);
	assert_int_equal(calls, (MOST + OCU_ROWS_AT_ONCE - 1) / OCU_ROWS_AT_ONCE);
	while (!last) {
		ocu_buf_reset(&piece);
		before = rows;
		compared = 0;
		assert_int_equal(ocu_listing_next(l, &piece, &last, &b.now), OCU_OK);
		assert_true(compared <= OCU_ROWS_PIECE_BYTES / 64 * 2 * MOST_LOG2);
		assert_int_equal(ocu_buf_add(&piece, "", 1), OCU_OK);
		for (p = (char *)piece.data; (p = strstr(p, ".pem")); p++, rows++) {
			snprintf(path, sizeof(path), "%06zu.pem", rows);
			assert_memory_equal(p - 6, path, 10);
		}
		assert_in_range(rows - before, 1, OCU_ROWS_PIECE_BYTES / 64);
	}
	assert_int_equal(rows, MOST);
	assert_false(ocu_listing_shrink(l));
	ocu_listing_free(l);
	ocu_buf_fini(&piece);
	bed_fini(&b);
}

/* An end in the middle is made in parts as well. */
static void bounded_end(void **state)
{
	struct ocu_cert *cs[3 * OCU_ROWS_AT_ONCE];
	struct ocu_listing *l;
	unsigned left, was = COUNT(cs);
	struct bed b;
	size_t i;
	bool more;

	(void)state;
	bed_init(&b);
	add_many(&b, cs, COUNT(cs));
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_TABLE, &b.now), OCU_OK);
	while (ocu_listing_gather(l))
		;
	do {
		more = ocu_listing_shrink(l);
		for (left = i = 0; i < COUNT(cs); i++)
			left += cs[i]->refs == 2;
		assert_true(was - left <= OCU_ROWS_AT_ONCE);
		was = left;
	} while (more);
	assert_int_equal(left, 0);
	ocu_listing_free(l);
	bed_fini(&b);
}

static void unload(struct bed *b, struct ocu_cert *c)
{
	ocu_certs_remove(b->certs, c);
	ocu_plan_remove(b->plan, &c->item);
	ocu_cert_put(c);
}

/* Certificates come and go while they are gathered, and before they are written. */
static void come_and_go(void **state)
{
	struct ocu_cert *cs[3 * OCU_ROWS_AT_ONCE];
	struct ocu_listing *l;
	size_t i, rows = 0;
	unsigned pieces;
	char *text, *p;
	struct bed b;

	(void)state;
	bed_init(&b);
	add_many(&b, cs, COUNT(cs));
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_TABLE, &b.now), OCU_OK);
	assert_true(ocu_listing_gather(l));
	/* One that was gathered, the next one, and the last one. */
	unload(&b, cs[1]);
	for (i = OCU_ROWS_AT_ONCE; i < OCU_ROWS_AT_ONCE + 10; i++)
		unload(&b, cs[i]);
	unload(&b, cs[COUNT(cs) - 1]);
	(void)add(&b, "zz-new.pem", &leaf, true);
	while (ocu_listing_gather(l))
		;
	unload(&b, cs[2]);
	text = rest(&b, l, &pieces);
	for (p = text; (p = strstr(p, ".pem")); p++)
		rows++;
	free(text);
	assert_in_range(rows, COUNT(cs) - 11, COUNT(cs) - 10);
	/* All go. */
	assert_int_equal(ocu_listing_new(&l, b.certs, NULL, OCU_ROWS_TABLE, &b.now), OCU_OK);
	assert_true(ocu_listing_gather(l));
	while (ocu_certs_first(b.certs))
		unload(&b, ocu_certs_first(b.certs));
	assert_false(ocu_listing_gather(l));
	text = rest(&b, l, &pieces);
	for (rows = 0, p = text; (p = strstr(p, ".pem")); p++)
		rows++;
	assert_int_equal(rows, OCU_ROWS_AT_ONCE);
	free(text);
	bed_fini(&b);
}

/* However long names and keys are, a row is put together of the same few parts. */
static void in_runs(void **state)
{
	const enum ocu_rows_form forms[] = { OCU_ROWS_TABLE, OCU_ROWS_JSON, OCU_ROWS_DETAIL };
	struct ocu_cert *brief, *wordy;
	char path[300], *text;
	unsigned pieces, n;
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	brief = add(&b, "b.pem", &leaf, true);
	wordy = add_keyed(&b, path, 256, &leaf, true);
	for (i = 0; i < COUNT(forms); i++) {
		formatted = 0;
		free(list(&b, brief, forms[i], &pieces));
		n = formatted;
		assert_true(n > 0);
		formatted = 0;
		text = list(&b, wordy, forms[i], &pieces);
		assert_int_equal(formatted, n);
		assert_non_null(strstr(text, path));
		free(text);
	}
	bed_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(state_of_a_shut_lane),
		cmocka_unit_test(table),
		cmocka_unit_test(no_next),
		cmocka_unit_test(json),
		cmocka_unit_test(detail),
		cmocka_unit_test(detail_of_nothing),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(ended_early),
		cmocka_unit_test(bounded),
		cmocka_unit_test(bounded_end),
		cmocka_unit_test(come_and_go),
		cmocka_unit_test(in_runs),
	};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	int failed;

	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(0xc0000201);
	v4->sin_port = htons(80);
	setenv("TZ", "UTC0", 1);
	tzset();
	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .must_staple = true,
						      .uris = { "http://r.test/",
								"ftp://f.test/" } });
	pki_cert_make(pki, &bare, &(struct pki_cert){ .name = "bare.test" });
	failed = cmocka_run_group_tests_name("rows", tests, NULL, NULL);
	pki_cert_fini(&leaf);
	pki_cert_fini(&bare);
	pki_free(pki);
	return failed;
}
