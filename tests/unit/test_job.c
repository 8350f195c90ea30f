/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_job.c - the time that the turns of a try get, and what the plan is told of those that ran
 * out of it; with what validators the next one asks. On a fake clock: nothing is fetched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nomem.h"
#include "ocu/job.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TIMEOUT_MS 10000
#define HELD 'h'
#define OTHER 'o'

static struct pki *pki;
static struct pki_id leaf;

struct bed {
	struct ocu_plan *plan;
	struct ocu_responders *rs;
	struct ocu_cert *c;
	struct ocu_clock now;
};

static void bed_init(struct bed *b)
{
	const struct ocu_plan_conf conf = { { 300, 3600, false }, 64, 16 };
	struct ocu_url url;

	b->now = (struct ocu_clock){ .mono_ms = 1000000, .wall_s = pki->now };
	assert_int_equal(ocu_plan_new(&b->plan, &conf), OCU_OK);
	assert_int_equal(ocu_responders_new(&b->rs, b->plan), OCU_OK);
	assert_int_equal(ocu_cert_new(&b->c, (const uint8_t *)"k", 1, "job.pem", leaf.cert,
				      pki->by[PKI_BY_ISSUER].cert), OCU_OK);
	assert_int_equal(b->c->n_uris, 1);
	assert_int_equal(ocu_url_parse(&url, "http://r.test/", 14, NULL), OCU_OK);
	b->c->uris[0].responder = ocu_responder_get(b->rs, &url);
	assert_non_null(b->c->uris[0].responder);
	b->c->places[0].lane = &b->c->uris[0].responder->lane;
}

static void bed_fini(struct bed *b)
{
	ocu_job_forget(b->c);
	ocu_responder_put(b->rs, b->c->uris[0].responder);
	ocu_cert_put(b->c);
	ocu_responders_free(b->rs);
	ocu_plan_free(b->plan);
}

/* A turn of a try with <timeout_ms> ends so after <ms>. Returns what the plan is told. */
static struct ocu_ended turn(struct bed *b, bool first, bool last, int64_t timeout_ms, int64_t ms,
			     enum ocu_end end, bool timed_out)
{
	struct ocu_turn t = { .item = &b->c->item, .place = b->c->places, .first = first,
			      .last = last };
	struct ocu_ended e;
	struct ocu_job *j;

	assert_int_equal(ocu_job_new(&j, b->c, &t, timeout_ms, &b->now), OCU_OK);
	b->now.mono_ms += ms;
	j->fetch.end = end;
	j->fetch.timed_out = timed_out;
	e = ocu_job_end(j, b->rs, &b->now);
	ocu_job_free(j);
	return e;
}

/* What a second turn of a try is taken for, after a first one that took <used_ms>. */
static void too_little_time_is_no_proof(void **state)
{
	static const struct {
		int64_t timeout_ms, used_ms;
		bool last;
		enum ocu_end end;
		bool timed_out;
		enum ocu_end told;
	} rows[] = {
		/* it had a share that is fair, */
		{ 10000, 5000, true, OCU_END_UNREACHED, true, OCU_END_UNREACHED },
		{ 10000, 5000, true, OCU_END_SILENT, true, OCU_END_SILENT },
		{ 10000, 7500, true, OCU_END_SILENT, true, OCU_END_SILENT },
		{ 10000, 2500, false, OCU_END_SILENT, true, OCU_END_SILENT },
		{ 1000, 500, true, OCU_END_UNREACHED, true, OCU_END_UNREACHED },
		{ 60000, 50000, true, OCU_END_BROKEN, true, OCU_END_BROKEN },
		/* it had not, */
		{ 10000, 9000, true, OCU_END_UNREACHED, true, OCU_END_CUT },
		{ 10000, 9000, true, OCU_END_SILENT, true, OCU_END_CUT },
		{ 10000, 9990, true, OCU_END_BROKEN, true, OCU_END_CUT },
		{ 10000, 6000, false, OCU_END_SILENT, true, OCU_END_CUT },
		{ 1000, 800, true, OCU_END_UNREACHED, true, OCU_END_CUT },
		/* or did not need it */
		{ 10000, 9000, true, OCU_END_UNREACHED, false, OCU_END_UNREACHED },
		{ 10000, 9000, true, OCU_END_SILENT, false, OCU_END_SILENT },
		{ 10000, 9000, true, OCU_END_REFUSED, false, OCU_END_REFUSED },
		{ 10000, 9000, true, OCU_END_PAUSE, false, OCU_END_PAUSE },
	};
	struct ocu_ended e;
	struct bed b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bed_init(&b);
		e = turn(&b, true, false, rows[i].timeout_ms, rows[i].used_ms, OCU_END_SILENT,
			 true);
		assert_int_equal(e.end, OCU_END_SILENT);
		assert_false(e.out_of_time);
		e = turn(&b, false, rows[i].last, rows[i].timeout_ms, 1, rows[i].end,
			 rows[i].timed_out);
		if (e.end != rows[i].told)
			fail_msg("row %zu: %d", i, (int)e.end);
		bed_fini(&b);
	}
}

/* A responder that is the only one is judged by whatever time an administrator gives it. */
static void all_the_time_is_proof(void **state)
{
	static const int64_t timeouts_ms[] = { 1, 100, 2000, 10000, 100000 };
	struct ocu_ended e;
	struct bed b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(timeouts_ms); i++) {
		bed_init(&b);
		e = turn(&b, true, true, timeouts_ms[i], timeouts_ms[i], OCU_END_SILENT, true);
		assert_int_equal(e.end, OCU_END_SILENT);
		assert_true(e.out_of_time);
		/* the next try has its own */
		e = turn(&b, true, true, timeouts_ms[i], 0, OCU_END_SILENT, true);
		assert_int_equal(e.end, OCU_END_SILENT);
		assert_false(e.out_of_time);
		bed_fini(&b);
	}
}

/* ---- validators ---- */

/* A response from <begin> on, relative to now, whose bytes are others than those with another
 * <sum>.
 */
static struct ocu_held response(char sum, int64_t begin)
{
	struct ocu_held h = { .this_update = pki->now + begin, .next_update = pki->now + 7200,
			      .expiry = pki->now + 6900 };

	memset(h.sum, sum, sizeof(h.sum));
	return h;
}

static struct ocu_job *job_new(struct bed *b)
{
	const struct ocu_turn t = { .item = &b->c->item, .place = b->c->places, .first = true,
				    .last = true };
	struct ocu_job *j;

	assert_int_equal(ocu_job_new(&j, b->c, &t, TIMEOUT_MS, &b->now), OCU_OK);
	return j;
}

/* With what validators the next request is made, "" if with none. */
static void assert_asks_with(struct bed *b, const char *etag, const char *last_modified)
{
	struct ocu_job *j = job_new(b);

	assert_string_equal(j->etag ? j->etag : "", etag);
	assert_string_equal(j->last_modified ? j->last_modified : "", last_modified);
	ocu_job_free(j);
}

static void validators(void **state)
{
	static const struct {
		const char *label;
		enum ocu_end end, want;
		char sum;          /* of the response that has come; 0: none */
		int64_t begin;
		bool not_modified;
		const char *etag, *last_modified; /* that came with it */
		const char *next_etag, *next_modified;
	} rows[] = {
		{ "the same bytes", OCU_END_CURRENT, OCU_END_CURRENT, HELD, -3600, false,
		  "new", "new", "new", "new" },
		{ "... with one validator only", OCU_END_CURRENT, OCU_END_CURRENT, HELD, -3600,
		  false, "new", "", "new", "" },
		{ "... with none any more", OCU_END_CURRENT, OCU_END_CURRENT, HELD, -3600, false,
		  "", "", "", "" },
		{ "304", OCU_END_CURRENT, OCU_END_CURRENT, 0, 0, true, "", "", "was", "was" },
		{ "304 after the same bytes", OCU_END_CURRENT, OCU_END_CURRENT, HELD, -3600, true,
		  "", "", "was", "was" },
		{ "an older one", OCU_END_CURRENT, OCU_END_CURRENT, OTHER, -7200, false, "", "",
		  "was", "was" },
		{ "older than what was set meanwhile", OCU_END_NEW, OCU_END_CURRENT, OTHER, -7200,
		  false, "new", "new", "was", "was" },
		{ "the one that was set meanwhile", OCU_END_NEW, OCU_END_CURRENT, HELD, -3600,
		  false, "new", "new", "new", "new" },
		{ "a new one is not accepted yet", OCU_END_NEW, OCU_END_NEW, OTHER, -60, false,
		  "new", "new", "was", "was" },
		{ "no answer", OCU_END_SILENT, OCU_END_SILENT, 0, 0, false, "", "", "was", "was" },
	};
	const struct ocu_http_validators was = { .etag = "was", .last_modified = "was" };
	struct ocu_http_validators *v;
	struct ocu_ended end;
	struct ocu_job *j;
	struct bed b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		bed_init(&b);
		b.c->item.held = response(HELD, -3600);
		ocu_cert_validators(b.c, &was, 0);
		assert_asks_with(&b, "was", "was");
		j = job_new(&b);
		v = &j->fetch.validators;
		j->fetch.end = rows[i].end;
		j->fetch.not_modified = rows[i].not_modified;
		if (rows[i].sum)
			j->fetch.fresh = response(rows[i].sum, rows[i].begin);
		snprintf(v->etag, sizeof(v->etag), "%s", rows[i].etag);
		snprintf(v->last_modified, sizeof(v->last_modified), "%s",
			 rows[i].last_modified);
		j->fetch.max_age_s = 77;
		end = ocu_job_end(j, b.rs, &b.now);
		print_message("%s\n", rows[i].label);
		assert_int_equal(end.end, rows[i].want);
		assert_int_equal(end.max_age_s, 77);
		ocu_job_free(j);
		assert_asks_with(&b, rows[i].next_etag, rows[i].next_modified);
		bed_fini(&b);
	}
}

/* Where a redirect leads cannot be kept: that is said, and no fault of who redirects. */
static void redirected_without_memory(void **state)
{
	struct ocu_turn t = { .first = true, .last = true };
	bool failed = true;
	struct ocu_ended e;
	struct ocu_job *j;
	struct bed b;
	long n;

	(void)state;
	for (n = 0; failed; n++) {
		bed_init(&b);
		t.item = &b.c->item;
		t.place = b.c->places;
		assert_int_equal(ocu_job_new(&j, b.c, &t, 10000, &b.now), OCU_OK);
		j->fetch.end = OCU_END_MOVED;
		assert_int_equal(ocu_url_parse(&j->fetch.location, "http://s.test/", 14, NULL),
				 OCU_OK);
		nomem_fail(n);
		e = ocu_job_end(j, b.rs, &b.now);
		failed = nomem_failed();
		nomem_fail(-1);
		if (e.end == OCU_END_LOCAL)
			assert_string_equal(j->fetch.err.msg, "out of memory");
		else
			assert_int_equal(e.end, OCU_END_MOVED);
		assert_true(failed || e.end == OCU_END_MOVED);
		ocu_job_free(j);
		ocu_job_hop_free(b.c, b.rs);
		bed_fini(&b);
	}
	/* the responder, its place in the table, the redirect */
	assert_true(n > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_little_time_is_no_proof),
		cmocka_unit_test(all_the_time_is_proof),
		cmocka_unit_test(validators),
		cmocka_unit_test(redirected_without_memory),
	};
	int failed;

	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .uris = { "http://r.test/" } });
	failed = cmocka_run_group_tests_name("job", tests, NULL, NULL);
	pki_cert_fini(&leaf);
	pki_free(pki);
	return failed;
}
