/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outbox.h - what the engine has for its host, in the order in which it came: put in on one thread,
 * taken out on another.
 */
#ifndef OCU_OUTBOX_H
#define OCU_OUTBOX_H

#include <pthread.h>

#include "ocu/base.h"

enum ocu_parcel_kind { OCU_PARCEL_PUBLICATION, OCU_PARCEL_ANSWER, OCU_PARCEL_LINE };

/* One thing, embedded in what it is about. */
struct ocu_parcel {
	struct ocu_parcel *next;
	enum ocu_parcel_kind kind;
};

/* Lines for the log have a list of their own, since a host may not be able to take them yet. */
struct ocu_outbox {
	pthread_mutex_t lock;
	struct ocu_parcel *first[2], **end[2]; /* 0: all but lines, 1: lines */
};

void ocu_outbox_init(struct ocu_outbox *b);

/* It must be empty. */
void ocu_outbox_fini(struct ocu_outbox *b);

/* Puts <p> (keeps, until it is taken) in. Returns whether it is the only one of its list: then
 * somebody has to be told. Any thread.
 */
bool ocu_outbox_put(struct ocu_outbox *b, struct ocu_parcel *p);

/* Takes out the oldest, lines last and only with <lines>; NULL if there is none. Any thread. */
struct ocu_parcel *ocu_outbox_get(struct ocu_outbox *b, bool lines);

#endif
