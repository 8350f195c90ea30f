/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_job.c - the time that the turns of a try get, and what the plan is told of those that ran
 * out of it. On a fake clock: nothing is fetched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/job.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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
	const struct ocu_plan_conf conf = { { 300, 3600 }, 64, 16 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_little_time_is_no_proof),
		cmocka_unit_test(all_the_time_is_proof),
	};
	int failed;

	pki = pki_new();
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .uris = { "http://r.test/" } });
	failed = cmocka_run_group_tests_name("job", tests, NULL, NULL);
	pki_cert_fini(&leaf);
	pki_free(pki);
	return failed;
}
