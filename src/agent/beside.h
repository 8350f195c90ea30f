/* SPDX-License-Identifier: GPL-2.0-or-later */
/* beside.h - the .ocsp files beside certificates, from which a HAProxy staples when it starts, also
 * while the agent does not run. Written by a thread of their own. Main thread.
 */
#ifndef OCU_AGENT_BESIDE_H
#define OCU_AGENT_BESIDE_H

#include <ev.h>

#include "ocu/base.h"
#include "ocu/buf.h"

struct ocu_beside;

/* Begins to write. Errors: with the reason; *out is then NULL. */
OCU_MUST enum ocu_status ocu_beside_new(struct ocu_beside **out, struct ev_loop *loop,
					struct ocu_err *err);

/* Ends that, after what was handed in is written, for which there are two seconds; <b> may be NULL.
 */
void ocu_beside_free(struct ocu_beside *b);

/* Lets the file <path> have the response <der> (borrows both), soon. That it cannot be written is
 * said once for a directory.
 */
void ocu_beside_save(struct ocu_beside *b, const char *path, const struct ocu_buf *der);

#endif
