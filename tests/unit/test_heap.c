/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_heap.c - the heap beside a sorted array, and the number of comparisons of a single call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ocu/heap.h"

#define MANY 20000

struct thing {
	int key;
	bool in;
	struct ocu_heap_node node;
};

static uint64_t seed = 1;
static unsigned compares;

static unsigned dice(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % n;
}

static int key_of(const struct ocu_heap_node *node)
{
	return OCU_OWNER(node, struct thing, node)->key;
}

static bool less(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	compares++;
	return key_of(a) < key_of(b);
}

/* Counts the nodes of the tree at <node>, and sees that its right way is the shorter one. */
static size_t check_tree(const struct ocu_heap_node *node, const struct ocu_heap_node *up)
{
	unsigned left, right;

	if (!node)
		return 0;
	left = node->left ? node->left->rank : 0;
	right = node->right ? node->right->rank : 0;
	assert_ptr_equal(node->up, up);
	assert_true(right <= left);
	assert_int_equal(node->rank, right + 1);
	assert_true(!up || key_of(up) <= key_of(node));
	return 1 + check_tree(node->left, node) + check_tree(node->right, node);
}

static int least(const struct thing *things, size_t n)
{
	int key = INT32_MAX;
	size_t i;

	for (i = 0; i < n; i++) {
		if (things[i].in && things[i].key < key)
			key = things[i].key;
	}
	return key;
}

static void expect_first(const struct ocu_heap *h, const struct thing *things, size_t n)
{
	int key = least(things, n);
	size_t members = 0, i;

	for (i = 0; i < n; i++)
		members += things[i].in;
	assert_int_equal(check_tree(h->first, NULL), members);
	if (key == INT32_MAX)
		assert_null(h->first);
	else
		assert_int_equal(key_of(h->first), key);
}

static void the_first_is_the_least(void **state)
{
	struct thing things[60] = { 0 }, *t;
	struct ocu_heap h;
	unsigned step;

	(void)state;
	ocu_heap_init(&h, less);
	assert_null(h.first);
	for (step = 0; step < 30000; step++) {
		t = &things[dice(60)];
		assert_int_equal(ocu_heap_has(&t->node), t->in);
		if (t->in && dice(3) == 0)
			t = OCU_OWNER(h.first, struct thing, node);
		if (t->in) {
			ocu_heap_remove(&h, &t->node);
			t->in = false;
		} else {
			t->key = (int)dice(100);
			ocu_heap_push(&h, &t->node);
			t->in = true;
		}
		expect_first(&h, things, 60);
	}
}

/* Members of a heap that was melded into another are removed by way of either. */
static void heaps_meld(void **state)
{
	struct thing things[40] = { 0 }, *t;
	struct ocu_heap h[2];
	unsigned round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		ocu_heap_init(&h[0], less);
		ocu_heap_init(&h[1], less);
		for (i = 0; i < 40; i++) {
			t = &things[i];
			*t = (struct thing){ .key = (int)dice(50), .in = true };
			ocu_heap_push(&h[dice(round % 5 + 1) > 0], &t->node);
		}
		ocu_heap_meld(&h[0], &h[1]);
		assert_null(h[1].first);
		expect_first(&h[0], things, 40);
		for (i = 0; i < 40; i++) {
			t = &things[(i * 7 + round) % 40];
			ocu_heap_remove(h[0].first == &t->node ? &h[0] : &h[dice(2)], &t->node);
			t->in = false;
			expect_first(&h[0], things, 40);
		}
		assert_null(h[1].first);
	}
	ocu_heap_meld(&h[0], &h[1]);
	assert_null(h[0].first);
}

static void push_counted(struct ocu_heap *h, struct thing *t, int key, unsigned most)
{
	t->key = key;
	compares = 0;
	ocu_heap_push(h, &t->node);
	assert_in_range(compares, 0, most);
}

static void remove_counted(struct ocu_heap *h, struct thing *t, unsigned most)
{
	compares = 0;
	ocu_heap_remove(h, &t->node);
	assert_in_range(compares, 0, most);
}

/* No single call compares more than two ways of log2(n + 1) nodes. */
static void no_call_costs_more_than_log_n(void **state)
{
	struct thing *things = calloc(MANY, sizeof(*things));
	const unsigned most = 2 * 15;
	struct ocu_heap h;
	int form, i;

	(void)state;
	assert_non_null(things);
	for (form = 0; form < 4; form++) {
		ocu_heap_init(&h, less);
		for (i = 0; i < MANY; i++)
			push_counted(&h, &things[i],
				     (int[]){ i, MANY - i, (int)dice(MANY), 7 }[form], most);
		for (i = 0; i < MANY / 2; i++)
			remove_counted(&h, &things[i * 2], most);
		while (h.first)
			remove_counted(&h, OCU_OWNER(h.first, struct thing, node), most);
	}
	free(things);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_least),
		cmocka_unit_test(heaps_meld),
		cmocka_unit_test(no_call_costs_more_than_log_n),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
