/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heap.c - a leftist tree: of the two ways down from a node the right one is never the longer one
 * to a missing child, so the way that always goes right has at most log2(n + 1) nodes. Everything
 * is done by joining two trees along it.
 */
#include "ocu/heap.h"

void ocu_heap_init(struct ocu_heap *h, ocu_heap_less less)
{
	*h = (struct ocu_heap){ .less = less };
}

bool ocu_heap_has(const struct ocu_heap_node *node)
{
	return node->rank != 0;
}

static unsigned rank_of(const struct ocu_heap_node *node)
{
	return node ? node->rank : 0;
}

/* Puts the children of <node> in order, and says whether its rank has changed by that. */
static bool settle(struct ocu_heap_node *node)
{
	struct ocu_heap_node *left = node->left;
	unsigned rank;

	if (rank_of(left) < rank_of(node->right)) {
		node->left = node->right;
		node->right = left;
	}
	rank = rank_of(node->right) + 1;
	if (rank == node->rank)
		return false;
	node->rank = rank;
	return true;
}

/* Joins the trees <a> and <b> (each may be NULL): their ways to the right become one, in order. */
static struct ocu_heap_node *join(const struct ocu_heap *h, struct ocu_heap_node *a,
				  struct ocu_heap_node *b)
{
	struct ocu_heap_node *root = NULL, *last = NULL, *t;

	while (a && b) {
		if (h->less(b, a)) {
			t = a;
			a = b;
			b = t;
		}
		a->up = last;
		if (last)
			last->right = a;
		else
			root = a;
		last = a;
		a = a->right;
	}
	t = a ? a : b;
	if (!last)
		return t;
	last->right = t;
	if (t)
		t->up = last;
	for (; last; last = last->up)
		settle(last);
	return root;
}

void ocu_heap_push(struct ocu_heap *h, struct ocu_heap_node *node)
{
	*node = (struct ocu_heap_node){ .rank = 1 };
	h->first = join(h, h->first, node);
}

void ocu_heap_remove(struct ocu_heap *h, struct ocu_heap_node *node)
{
	struct ocu_heap_node *rest = join(h, node->left, node->right);
	struct ocu_heap_node *up = node->up;

	if (rest)
		rest->up = up;
	if (!up)
		h->first = rest;
	else if (up->left == node)
		up->left = rest;
	else
		up->right = rest;
	/* A rank that stays ends it: nothing above can see the change. */
	while (up && settle(up))
		up = up->up;
	*node = (struct ocu_heap_node){ 0 };
}

void ocu_heap_meld(struct ocu_heap *h, struct ocu_heap *from)
{
	h->first = join(h, h->first, from->first);
	from->first = NULL;
}
