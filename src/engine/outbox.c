/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outbox.c - two linked lists under a lock that nobody holds for longer than it takes to link. */
#include "ocu/outbox.h"

void ocu_outbox_init(struct ocu_outbox *b)
{
	int i;

	pthread_mutex_init(&b->lock, NULL);
	for (i = 0; i < 2; i++) {
		b->first[i] = NULL;
		b->end[i] = &b->first[i];
	}
}

void ocu_outbox_fini(struct ocu_outbox *b)
{
	pthread_mutex_destroy(&b->lock);
}

bool ocu_outbox_put(struct ocu_outbox *b, struct ocu_parcel *p)
{
	int i = p->kind == OCU_PARCEL_LINE;
	bool empty;

	p->next = NULL;
	pthread_mutex_lock(&b->lock);
	empty = !b->first[i];
	*b->end[i] = p;
	b->end[i] = &p->next;
	pthread_mutex_unlock(&b->lock);
	return empty;
}

struct ocu_parcel *ocu_outbox_get(struct ocu_outbox *b, bool lines)
{
	struct ocu_parcel *p;
	int i;

	pthread_mutex_lock(&b->lock);
	i = !b->first[0] && lines;
	p = b->first[i];
	if (p)
		b->first[i] = p->next;
	if (p && !b->first[i])
		b->end[i] = &b->first[i];
	pthread_mutex_unlock(&b->lock);
	return p;
}
