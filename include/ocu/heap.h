/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heap.h - a priority queue whose links lie in what it holds: allocates nothing, so nothing fails.
 * A leftist tree: each call costs O(log n) comparisons at the worst, removal from anywhere and
 * melding two heaps included, where a pairing heap has single calls that cost O(n).
 */
#ifndef OCU_HEAP_H
#define OCU_HEAP_H

#include "ocu/base.h"

/* The links of one member, embedded in it. All zero: in no heap. */
struct ocu_heap_node {
	struct ocu_heap_node *up, *left, *right;
	unsigned rank; /* nodes on the way to the nearest missing child; 0: in no heap */
};

/* Whether <a> comes before <b>. What it looks at must not change while they are in a heap. */
typedef bool (*ocu_heap_less)(const struct ocu_heap_node *a, const struct ocu_heap_node *b);

struct ocu_heap {
	struct ocu_heap_node *first; /* the member that comes before all others, NULL: none */
	ocu_heap_less less;
};

/* Makes <h> an empty heap in the order of <less>. */
void ocu_heap_init(struct ocu_heap *h, ocu_heap_less less);

/* Whether <node> is in a heap. */
bool ocu_heap_has(const struct ocu_heap_node *node);

/* Puts <node> (keeps, until it is removed), which is in no heap, into <h>. */
void ocu_heap_push(struct ocu_heap *h, struct ocu_heap_node *node);

/* Takes <node> out of <h>, which it is in. If it is not the first one of its heap, <h> may as well
 * be another heap of the same order: who melds heaps need not tell each member.
 */
void ocu_heap_remove(struct ocu_heap *h, struct ocu_heap_node *node);

/* Moves all of <from> into <h>, which has the same order. */
void ocu_heap_meld(struct ocu_heap *h, struct ocu_heap *from);

#endif
