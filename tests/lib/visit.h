/* SPDX-License-Identifier: GPL-2.0-or-later */
/* visit.h - clients that come to a server again and again, each for a name of its own, until what
 * they get is stapled: for servers of which nothing else tells how far they are, and for those that
 * fetch a response only when somebody comes.
 */
#ifndef TESTS_VISIT_H
#define TESTS_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#define VISIT_LISTS_MAX 4
#define VISIT_WHY_BYTES 256

/* The server names NAME-000, NAME-001 and so on. */
struct visit_list {
	const char *name;      /* borrows */
	unsigned n;
};

struct visit_conf {
	const char *addr;      /* borrows; as staple_connect() reads it; may listen only later */
	int ms;                /* when all give up */
	int every_ms;          /* between two visits for a name, from beginning to beginning */
	struct visit_list lists[VISIT_LISTS_MAX]; /* the first is waited for, the others visit as
						   * well; up to the first without a name */
};

/* What was seen for the names of the first list. */
struct visit_result {
	unsigned stapled;      /* names that got a good staple */
	double seconds;        /* until the last of them did, from the call on */
	uint64_t bare;         /* handshakes without one */
	uint64_t failed;       /* handshakes that failed once one had succeeded */
	double longest;        /* seconds that a handshake took */
	char why[VISIT_WHY_BYTES]; /* why the last one failed; "": none did */
};

/* Lets them come as <c> says. Returns whether all names of the first list were stapled in time;
 * what is under way then is waited for.
 */
bool visit_run(const struct visit_conf *c, struct visit_result *out);

#endif
