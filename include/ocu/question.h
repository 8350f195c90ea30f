/* SPDX-License-Identifier: GPL-2.0-or-later */
/* question.h - one question until it is answered: one nameserver after the other, round after
 * round, one name of the search list after the other. Remembers no answer.
 */
#ifndef OCU_QUESTION_H
#define OCU_QUESTION_H

#include <ev.h>
#include <sys/queue.h>

#include "ocu/base.h"
#include "ocu/record.h"
#include "ocu/resolv.h"

/* How questions are asked, and all that are under way. */
struct ocu_questions {
	/* Filled by the caller; who changes it calls ocu_questions_restart(). */
	struct ev_loop *loop;
	struct ocu_resolv *resolv; /* keeps: the nameservers and the search list */
	int64_t try_ms;            /* silence after which the next nameserver is asked, too */
	int64_t limit_ms;          /* a question ends so long after ocu_question_prolong() */
	unsigned rounds;           /* over all nameservers */
	unsigned payload_bytes;    /* as ocu_ask_start() has it */
	size_t sockets_max;        /* at the same time; further questions wait for their turn */
	bool (*changed)(void *arg); /* asked now and then, unless NULL: whether it has called
				     * ocu_questions_restart() */
	void *changed_arg;

	/* private */
	TAILQ_HEAD(ocu_question_list, ocu_question) asking, waiting;
	size_t n_sockets;
	ev_timer turn;             /* lets those that wait have what became free */
};

/* What came of a question. Borrowed by the callback. */
struct ocu_question_answer {
	bool down;           /* no nameserver gave an answer */
	unsigned asked;      /* nameservers that were asked for the name */
	struct ocu_records r; /* what the answer says, unless down */
	struct ocu_err why;  /* code OCU_OK if there are addresses */
};

struct ocu_question;

/* Called once, from the loop; the question is gone by then. <a> is NULL if it was cancelled. */
typedef void ocu_question_cb(void *arg, const struct ocu_question_answer *a);

/* Makes <s> ready, without a question. The caller fills the first part. */
void ocu_questions_init(struct ocu_questions *s);

/* To be called when there is no question any more. */
void ocu_questions_fini(struct ocu_questions *s);

/* Begins anew with every question: to be called when s->resolv has changed. */
void ocu_questions_restart(struct ocu_questions *s);

/* Asks for the addresses of <host> (borrows) in <family>. Loop thread. Errors: OCU_NOMEM; <cb> is
 * then not called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_question_start(struct ocu_question **out, struct ocu_questions *s,
					    const char *host, enum ocu_family family,
					    ocu_question_cb *cb, void *arg);

/* Somebody else waits for <q>: its time limit begins anew, and its rounds if they are over. */
void ocu_question_prolong(struct ocu_question *q);

/* Ends <q>: its callback is called from here, with NULL. */
void ocu_question_cancel(struct ocu_question *q);

/* How many nameservers were asked so far. */
unsigned ocu_question_asked(const struct ocu_question *q);

#endif
