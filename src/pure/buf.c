/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf.c - a byte buffer with a maximum. Knows nothing of what the bytes mean. */
#include "ocu/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OCU_BUF_FIRST_BYTES 256

void ocu_buf_init(struct ocu_buf *b, size_t max)
{
	/* The allocation is one byte longer than cap, see ocu_buf_room(). */
	*b = (struct ocu_buf){ .max = max < SIZE_MAX ? max : SIZE_MAX - 1 };
}

void ocu_buf_fini(struct ocu_buf *b)
{
	size_t max = b->max;

	free(b->data);
	*b = (struct ocu_buf){ .max = max };
}

void ocu_buf_reset(struct ocu_buf *b)
{
	b->len = 0;
}

enum ocu_status ocu_buf_room(struct ocu_buf *b, size_t n)
{
	size_t cap = b->cap;
	uint8_t *data;

	if (n > b->max - b->len)
		return OCU_TOO_BIG;
	if (n <= cap - b->len)
		return OCU_OK;
	cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap < OCU_BUF_FIRST_BYTES)
		cap = b->max < OCU_BUF_FIRST_BYTES ? b->max : OCU_BUF_FIRST_BYTES;
	if (cap < b->len + n)
		cap = b->len + n;
	/* One byte more than cap: vsnprintf() ends its output with a zero that is not counted. */
	data = realloc(b->data, cap + 1);
	if (!data)
		return OCU_NOMEM;
	b->data = data;
	b->cap = cap;
	return OCU_OK;
}

enum ocu_status ocu_buf_add(struct ocu_buf *b, const void *p, size_t n)
{
	enum ocu_status ret = ocu_buf_room(b, n);

	if (ret != OCU_OK || n == 0)
		return ret;
	memcpy(b->data + b->len, p, n);
	b->len += n;
	return OCU_OK;
}

enum ocu_status ocu_buf_addf(struct ocu_buf *b, const char *fmt, ...)
{
	enum ocu_status ret;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return OCU_TOO_BIG;
	ret = ocu_buf_room(b, (size_t)n);
	if (ret != OCU_OK || n == 0)
		return ret;
	va_start(ap, fmt);
	(void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return OCU_OK;
}
