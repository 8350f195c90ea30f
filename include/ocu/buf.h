/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf.h - a byte buffer that is born with its maximum: going over it is a status, never a crash.
 * The only place of the core that calls realloc.
 */
#ifndef OCU_BUF_H
#define OCU_BUF_H

#include "ocu/base.h"

struct ocu_buf {
	uint8_t *data; /* NULL until the first byte is added */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated */
	size_t max;    /* len never goes over this */
};

/* Makes <b> empty, with at most <max> bytes ever in it. Allocates nothing. */
void ocu_buf_init(struct ocu_buf *b, size_t max);

/* Frees the contents of <b> and makes it empty; its maximum stays. May be called twice. */
void ocu_buf_fini(struct ocu_buf *b);

/* Empties <b> and keeps its memory. */
void ocu_buf_reset(struct ocu_buf *b);

/* Makes room for <n> more bytes. Errors: OCU_TOO_BIG, OCU_NOMEM; <b> is then unchanged. */
OCU_MUST enum ocu_status ocu_buf_room(struct ocu_buf *b, size_t n);

/* Appends <n> bytes from <p> (borrows), which may not lie inside of <b>. Errors as
 * ocu_buf_room().
 */
OCU_MUST enum ocu_status ocu_buf_add(struct ocu_buf *b, const void *p, size_t n);

/* Appends formatted text, without its terminating zero. Errors as ocu_buf_room(). */
OCU_MUST enum ocu_status ocu_buf_addf(struct ocu_buf *b, const char *fmt, ...) OCU_PRINTF(2, 3);

#endif
