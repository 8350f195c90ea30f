/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge.h - input that ends where the address space does: one byte too far is a crash, not luck.
 * Knows nothing of what the bytes are.
 */
#ifndef TESTS_EDGE_H
#define TESTS_EDGE_H

#include <stddef.h>
#include <stdint.h>

/* Returns a copy of the <n> bytes at <src> that ends at an unmapped page; never NULL. */
uint8_t *at_edge(const void *src, size_t n);

/* Frees what at_edge() returned for <n> bytes. NULL is fine. */
void edge_free(uint8_t *p, size_t n);

#endif
