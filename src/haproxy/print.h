/* SPDX-License-Identifier: GPL-2.0-or-later */
/* print.h - how commands of the CLI print what is longer than a buffer. The applet's thread.
 */
#ifndef OCU_HAPROXY_PRINT_H
#define OCU_HAPROXY_PRINT_H

#include <haproxy/applet.h>
#include <haproxy/global.h>

#include "ocu/buf.h"

#define OCU_PRINT_BYTES 4096 /* at a time, if half of a buffer holds it */

/* Prints what fits of <text>, from *pos on, which it moves. Returns whether all of it is out; if
 * not, the handler is called again when there is room.
 */
static inline bool ocu_print(struct appctx *appctx, const struct ocu_buf *text, size_t *pos)
{
	/* tune.maxrewrite may take up to half of a buffer */
	size_t n, most = MIN(global.tune.bufsize / 2, OCU_PRINT_BYTES);

	while (*pos < text->len) {
		n = MIN(text->len - *pos, most);
		if (applet_putblk(appctx, (const char *)text->data + *pos, n) == -1)
			return false;
		*pos += n;
	}
	return true;
}

#endif
