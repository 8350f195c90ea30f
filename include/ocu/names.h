/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names.h - the names and addresses of a hosts file, as hosts(5) describes it. Opens no file. */
#ifndef OCU_NAMES_H
#define OCU_NAMES_H

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/happy.h"

/* A hosts file that was read. */
struct ocu_names {
	struct ocu_buf text;  /* its bytes; the names in it are terminated */
	struct ocu_buf items; /* private: one for each name of each line, sorted by name */
};

/* Makes <t> empty, for files of at most <max> bytes. Allocates nothing. */
void ocu_names_init(struct ocu_names *t, size_t max);

/* Frees what <t> holds and makes it empty. May be called twice. */
void ocu_names_fini(struct ocu_names *t);

/* Reads what was put into t->text; what it does not understand it leaves out. To be called once
 * after ocu_names_init() and filling t->text. Errors: OCU_NOMEM, OCU_TOO_BIG; <t> is then empty.
 */
OCU_MUST enum ocu_status ocu_names_read(struct ocu_names *t);

/* Looks for <host>, in any case of letters. Returns whether the file has it, in any family; writes
 * its addresses of <family>, OCU_IPV4 or OCU_IPV6, in the order of the file: up to <max>, their
 * number goes to *n.
 */
bool ocu_names_find(const struct ocu_names *t, const char *host, enum ocu_family family,
		    uint8_t (*addrs)[16], size_t max, size_t *n);

#endif
