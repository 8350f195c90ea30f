/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge.c - copies test input in front of an unmapped page. Does nothing to the bytes. */
#include "edge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Returns how many bytes the pages for <n> bytes have, the unmapped one left out. */
static size_t whole_pages(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

uint8_t *at_edge(const void *src, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = whole_pages(n);
	uint8_t *base, *p;

	base = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED || mprotect(base + pages, page, PROT_NONE) != 0)
		abort();
	p = base + pages - n;
	if (n > 0)
		memcpy(p, src, n);
	return p;
}

void edge_free(uint8_t *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = whole_pages(n);

	if (p && munmap(p + n - pages, pages + page) != 0)
		abort();
}
