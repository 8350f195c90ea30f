/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names.c - the names and addresses of a hosts file. */
#include "ocu/names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes of items for each byte of the largest file: a name takes two there, with its blank. */
#define ITEMS_FACTOR 24

/* One name of one line. */
struct item {
	const char *name; /* in the text */
	size_t line;      /* where that line begins, so that the order of the file is kept */
	uint8_t addr[16];
	bool v6;
};

void ocu_names_init(struct ocu_names *t, size_t max)
{
	ocu_buf_init(&t->text, max + 1); /* it is terminated */
	ocu_buf_init(&t->items, max * ITEMS_FACTOR);
}

void ocu_names_fini(struct ocu_names *t)
{
	ocu_buf_fini(&t->text);
	ocu_buf_fini(&t->items);
}

static int item_compare(const void *va, const void *vb)
{
	const struct item *a = va, *b = vb;
	int by_name = strcasecmp(a->name, b->name);

	return by_name ? by_name : (a->line > b->line) - (a->line < b->line);
}

static enum ocu_status line_read(struct ocu_names *t, char *line, size_t at)
{
	struct item item = { .line = at };
	enum ocu_status ret = OCU_OK;
	char *word, *save = NULL;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r", &save);
	if (!word)
		return OCU_OK;
	item.v6 = inet_pton(AF_INET, word, item.addr) != 1;
	if (item.v6 && inet_pton(AF_INET6, word, item.addr) != 1)
		return OCU_OK;
	while (ret == OCU_OK && (item.name = strtok_r(NULL, " \t\r", &save)))
		ret = ocu_buf_add(&t->items, &item, sizeof(item));
	return ret;
}

enum ocu_status ocu_names_read(struct ocu_names *t)
{
	enum ocu_status ret = ocu_buf_add(&t->text, "", 1);
	char *text = (char *)t->text.data, *end;
	size_t at, n;

	for (at = 0; ret == OCU_OK && at + 1 < t->text.len; at += n + 1) {
		end = memchr(text + at, '\n', t->text.len - at);
		n = end ? (size_t)(end - text) - at : strlen(text + at);
		text[at + n] = '\0';
		ret = line_read(t, text + at, at);
	}
	if (ret != OCU_OK)
		ocu_names_fini(t);
	else if (t->items.len)
		qsort(t->items.data, t->items.len / sizeof(struct item), sizeof(struct item),
		      item_compare);
	return ret;
}

/* Returns the index of the first item that is not before <host>. */
static size_t find_first(const struct item *items, size_t n, const char *host)
{
	size_t low = 0, high = n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcasecmp(items[middle].name, host) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool ocu_names_find(const struct ocu_names *t, const char *host, enum ocu_family family,
		    uint8_t (*addrs)[16], size_t max, size_t *n)
{
	const struct item *items = (const struct item *)t->items.data;
	size_t count = t->items.len / sizeof(*items), i;
	bool found = false;

	*n = 0;
	for (i = count ? find_first(items, count, host) : 0;
	     i < count && strcasecmp(items[i].name, host) == 0; i++) {
		found = true;
		if (items[i].v6 == (family == OCU_IPV6) && *n < max)
			memcpy(addrs[(*n)++], items[i].addr, sizeof(items[i].addr));
	}
	return found;
}
