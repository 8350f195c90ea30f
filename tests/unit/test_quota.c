/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_quota.c - a few in a minute, and a count of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ocu/quota.h"

#define T INT64_C(5000000)

/* At <at>: <n> of them, <said> of which are said; then <rest> is what is told of before. */
static const struct step {
	int64_t at;
	unsigned n, said, rest;
} few[] = {
	{ T, 2, 2, 0 },
	{ T + 1000, 5, 1, 0 },
	{ T + 59999, 1, 0, 0 },
	{ T + 60000, 0, 0, 5 }, /* once */
	{ T + 60001, 0, 0, 0 },
	{ T + 200000, 4, 3, 0 }, /* the minute begins with the first */
	{ T + 259999, 1, 0, 0 },
	{ T + 260000, 5, 3, 2 }, /* they come and come */
	{ T + 319999, 0, 0, 0 },
	{ T + 330000, 3, 3, 2 },
	{ T + 400000, 0, 0, 0 },
}, flood[] = {
	{ T, 1000, 3, 0 },
	{ T + 60000, 1000, 3, 997 },
	{ T + 120000, 1000, 3, 997 },
	{ T + 180000, 0, 0, 997 },
};

static void steps(const struct step *s, size_t n)
{
	struct ocu_quota q;
	unsigned i, said;

	ocu_quota_init(&q, 3);
	for (; n--; s++) {
		for (i = said = 0; i < s->n; i++)
			said += ocu_quota_take(&q, s->at);
		assert_int_equal(said, s->said);
		assert_int_equal(ocu_quota_rest(&q, s->at), s->rest);
	}
}

static void a_few(void **state)
{
	(void)state;
	steps(few, sizeof(few) / sizeof(*few));
}

static void a_flood(void **state)
{
	(void)state;
	steps(flood, sizeof(flood) / sizeof(*flood));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few),
		cmocka_unit_test(a_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
