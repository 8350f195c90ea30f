/* SPDX-License-Identifier: GPL-2.0-or-later */
/* question.c - one question until it is answered.
 *
 * A nameserver that was asked is listened to until the end, while the others are asked as well: so
 * one that is slow is waited for, and one that is dead costs try_ms. One that answers with what
 * cannot be used is not asked again for this name.
 */
#include "ocu/question.h"

#include <stdlib.h>
#include <string.h>

#include "ocu/ask.h"
#include "ocu/loop.h"

#define CHANGED_MS 1000 /* how often a question that waits asks for a change of the nameservers */

/* One nameserver of a question. */
struct asking {
	struct ocu_question *q;
	struct ocu_ask ask;
	bool asked, failed;
	int64_t at_ms;           /* when it was asked last */
};

struct ocu_question {
	TAILQ_ENTRY(ocu_question) link; /* in set->asking or set->waiting */
	struct ocu_questions *set;
	bool waits;                     /* for a socket */
	bool over;                      /* the answer is there and about to be handed out */
	ocu_question_cb *cb;
	void *arg;
	enum ocu_family family;
	size_t names;                   /* index of the name that is asked for */
	bool exists;                    /* a name of the search list has other records */
	int64_t until_ms;
	unsigned left;                  /* times that a nameserver is still to be asked */
	size_t next;                    /* the nameserver whose turn it is, */
	int64_t next_ms;                /* and when that is, unless another one fails before */
	size_t n_failed;
	ev_timer timer;                 /* the next nameserver's turn, the limit, or the end */
	struct ocu_question_answer answer;
	char name[OCU_RESOLV_NAME_BYTES];
	struct asking askings[OCU_RESOLV_SERVERS_MAX];
	char host[];
};

/* ---- the end ---- */

/* A socket was closed: who waits for one gets it. */
static void socket_put(struct ocu_questions *s)
{
	s->n_sockets--;
	if (!TAILQ_EMPTY(&s->waiting))
		ocu_loop_timer_start(s->loop, &s->turn, 0);
}

/* Ends what is under way at a nameserver. */
static void asking_stop(struct asking *k)
{
	if (!k->ask.channel)
		return;
	ocu_ask_cancel(&k->ask);
	socket_put(k->q->set);
}

static void askings_stop(struct ocu_question *q)
{
	size_t i;

	for (i = 0; i < OCU_RESOLV_SERVERS_MAX; i++)
		asking_stop(&q->askings[i]);
}

static void line_leave(struct ocu_question *q)
{
	if (!q->waits)
		return;
	TAILQ_REMOVE(&q->set->waiting, q, link);
	TAILQ_INSERT_TAIL(&q->set->asking, q, link);
	q->waits = false;
}

/* The end of every question. */
static void question_end(struct ocu_question *q, bool cancelled)
{
	line_leave(q);
	askings_stop(q);
	ocu_loop_timer_stop(q->set->loop, &q->timer);
	TAILQ_REMOVE(&q->set->asking, q, link);
	q->cb(q->arg, cancelled ? NULL : &q->answer);
	free(q);
}

/* q->answer is complete: it is handed out from the loop. */
static void question_over(struct ocu_question *q)
{
	line_leave(q);
	askings_stop(q);
	q->over = true;
	q->answer.asked = ocu_question_asked(q);
	ocu_loop_timer_start(q->set->loop, &q->timer, 0);
}

static const char *type_of(const struct ocu_question *q)
{
	return q->family == OCU_IPV6 ? "AAAA" : "A";
}

/* No nameserver is left, or the time is over. q->answer.why has what the last one that failed did.
 */
static void question_down(struct ocu_question *q)
{
	struct ocu_err last = q->answer.why;
	struct ocu_err *why = &q->answer.why;

	q->answer.down = true;
	if (!q->set->resolv->n_servers)
		(void)ocu_fail(why, OCU_DNS, "no nameserver is configured");
	else if (last.code == OCU_NOMEM)
		(void)ocu_fail(why, OCU_NOMEM, "%s: %s", type_of(q), ocu_text(OCU_NOMEM));
	else if (!q->n_failed)
		(void)ocu_fail(why, OCU_DNS, "%s: no nameserver answered", type_of(q));
	else if (q->n_failed < q->set->resolv->n_servers)
		(void)ocu_fail(why, OCU_DNS, "%s: %zu of %zu nameservers failed: %s; the others "
			       "kept silent", type_of(q), q->n_failed,
			       q->set->resolv->n_servers, last.msg);
	else
		(void)ocu_fail(why, OCU_DNS, "%s: all nameservers failed: %s", type_of(q),
			       last.msg);
	question_over(q);
}

/* ---- asking ---- */

static void question_go(struct ocu_question *q);

/* Goes on to the name q->names of the search list, or ends if there is none. */
static void name_begin(struct ocu_question *q)
{
	size_t i;

	askings_stop(q);
	for (i = 0; i < OCU_RESOLV_SERVERS_MAX; i++)
		q->askings[i].failed = q->askings[i].asked = false;
	q->n_failed = q->next = 0;
	memset(&q->answer.why, 0, sizeof(q->answer.why));
	q->left = q->set->rounds * (unsigned)q->set->resolv->n_servers;
	while (ocu_resolv_name(q->set->resolv, q->host, q->names, q->name)) {
		if (*q->name) {
			question_go(q);
			return;
		}
		q->names++;
	}
	q->answer.r.rcode = q->exists ? OCU_RCODE_NONE : OCU_RCODE_NXDOMAIN;
	if (q->exists)
		(void)ocu_fail(&q->answer.why, OCU_DNS, "no %s record", type_of(q));
	else
		(void)ocu_fail(&q->answer.why, OCU_DNS, "no such name");
	question_over(q);
}

static void ask_cb(void *arg, enum ocu_status st, const struct ocu_records *r,
		   const struct ocu_err *why)
{
	struct asking *k = arg;
	struct ocu_question *q = k->q;

	if (st == OCU_CANCELLED)
		return;
	socket_put(q->set);
	if (st != OCU_OK) {
		k->failed = true;
		q->n_failed++;
		q->answer.why = *why;
		question_go(q);
		return;
	}
	if (!r->n) {
		q->exists |= r->rcode != OCU_RCODE_NXDOMAIN;
		q->names++;
		name_begin(q);
		return;
	}
	q->answer.r = *r;
	memset(&q->answer.why, 0, sizeof(q->answer.why));
	question_over(q);
}

/* The nameserver of <q> that was asked first of those that are listened to, if there are at least
 * <min> of them; NULL if not.
 */
static struct asking *oldest(struct ocu_question *q, unsigned min)
{
	struct asking *k, *found = NULL;
	unsigned n = 0;

	for (k = q->askings; k < q->askings + OCU_RESOLV_SERVERS_MAX; k++) {
		if (!k->ask.channel)
			continue;
		n++;
		if (!found || k->at_ms < found->at_ms)
			found = k;
	}
	return n >= min ? found : NULL;
}

/* Whether <q> may open a socket. When all are in use, it gives up its own oldest one, or somebody
 * who listens to several does.
 */
static bool socket_free(struct ocu_question *q)
{
	struct ocu_questions *s = q->set;
	struct asking *k = NULL;
	struct ocu_question *other;

	if (s->n_sockets < s->sockets_max)
		return true;
	k = oldest(q, 1);
	for (other = TAILQ_FIRST(&s->asking); !k && other; other = TAILQ_NEXT(other, link))
		k = oldest(other, 2);
	if (k)
		asking_stop(k);
	return k != NULL;
}

/* Asks one nameserver, for the first time or again. */
static enum ocu_status asking_go(struct asking *k, const struct ocu_nameserver *server)
{
	struct ocu_question *q = k->q;
	struct ocu_questions *s = q->set;
	enum ocu_status st;

	k->asked = true;
	k->at_ms = ocu_now_ms();
	q->next_ms = k->at_ms + s->try_ms;
	if (k->ask.channel) {
		st = ocu_ask_again(&k->ask, &q->answer.why);
		if (st != OCU_OK)
			socket_put(s);
	} else {
		st = ocu_ask_start(&k->ask, s->loop, server, q->name, q->family, s->payload_bytes,
				   ask_cb, k, &q->answer.why);
		s->n_sockets += st == OCU_OK;
	}
	if (st != OCU_OK) {
		k->failed = true;
		q->n_failed++;
	}
	return st;
}

/* Whether a nameserver is to be asked when its time has come. */
static bool has_turn(const struct ocu_question *q)
{
	return q->left && !q->waits;
}

/* Sets the timer to the next turn, or to the limit. */
static void timer_set(struct ocu_question *q)
{
	int64_t now = ocu_now_ms(), ms = q->until_ms - now;

	if (has_turn(q) && ms > q->next_ms - now)
		ms = q->next_ms - now;
	/* Whether there are other nameservers now is asked as long as this one keeps silent. */
	if (q->set->changed && ms > CHANGED_MS)
		ms = CHANGED_MS;
	ocu_loop_timer_start(q->set->loop, &q->timer, ms);
}

/* Asks the next nameserver that can be asked. */
static void question_go(struct ocu_question *q)
{
	const struct ocu_resolv *r = q->set->resolv;
	struct asking *k;
	bool sent = false;

	while (!sent && !q->waits && q->left && q->n_failed < r->n_servers) {
		k = &q->askings[q->next];
		if (!k->failed && !k->ask.channel && !socket_free(q)) {
			TAILQ_REMOVE(&q->set->asking, q, link);
			TAILQ_INSERT_TAIL(&q->set->waiting, q, link);
			q->waits = true;
			break;
		}
		q->left--;
		q->next = (q->next + 1) % r->n_servers;
		sent = !k->failed && asking_go(k, &r->servers[k - q->askings]) == OCU_OK;
	}
	if (q->n_failed >= r->n_servers)
		question_down(q);
	else
		timer_set(q);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_question *q = w->data;
	int64_t now = ocu_now_ms();

	(void)loop;
	(void)revents;
	if (q->over)
		question_end(q, false);
	else if (now >= q->until_ms)
		question_down(q);
	else if (q->set->changed && q->set->changed(q->set->changed_arg))
		return; /* it has begun anew */
	else if (has_turn(q) && now >= q->next_ms)
		question_go(q);
	else
		timer_set(q);
}

/* Those that wait get what is free, in their order. */
static void turn_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_questions *s = w->data;
	struct ocu_question *q;

	(void)loop;
	(void)revents;
	while (s->n_sockets < s->sockets_max && (q = TAILQ_FIRST(&s->waiting))) {
		line_leave(q);
		question_go(q);
	}
}

/* ---- for others ---- */

void ocu_questions_init(struct ocu_questions *s)
{
	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->asking);
	TAILQ_INIT(&s->waiting);
	ocu_loop_timer_init(&s->turn, turn_cb, s);
}

void ocu_questions_fini(struct ocu_questions *s)
{
	if (s->loop)
		ocu_loop_timer_stop(s->loop, &s->turn);
}

/* Begins with the first name, as if nothing had been asked. */
static void question_begin(struct ocu_question *q)
{
	q->names = 0;
	q->exists = false;
	memset(&q->answer, 0, sizeof(q->answer));
	name_begin(q);
}

void ocu_questions_restart(struct ocu_questions *s)
{
	struct ocu_question *q, *next;

	while ((q = TAILQ_FIRST(&s->waiting)))
		line_leave(q);
	for (q = TAILQ_FIRST(&s->asking); q; q = next) {
		next = TAILQ_NEXT(q, link);
		if (!q->over)
			question_begin(q);
	}
}

enum ocu_status ocu_question_start(struct ocu_question **out, struct ocu_questions *s,
				   const char *host, enum ocu_family family, ocu_question_cb *cb,
				   void *arg)
{
	size_t n = strlen(host) + 1, i;
	struct ocu_question *q;

	*out = NULL;
	q = calloc(1, sizeof(*q) + n);
	if (!q)
		return OCU_NOMEM;
	memcpy(q->host, host, n);
	q->set = s;
	q->family = family;
	q->cb = cb;
	q->arg = arg;
	q->until_ms = ocu_now_ms() + s->limit_ms;
	for (i = 0; i < OCU_RESOLV_SERVERS_MAX; i++)
		q->askings[i].q = q;
	ocu_loop_timer_init(&q->timer, timer_cb, q);
	TAILQ_INSERT_TAIL(&s->asking, q, link);
	question_begin(q);
	*out = q;
	return OCU_OK;
}

void ocu_question_prolong(struct ocu_question *q)
{
	if (q->over)
		return;
	q->until_ms = ocu_now_ms() + q->set->limit_ms;
	if (q->left)
		return;
	q->left = q->set->rounds * (unsigned)q->set->resolv->n_servers;
	timer_set(q);
}

void ocu_question_cancel(struct ocu_question *q)
{
	question_end(q, true);
}

unsigned ocu_question_asked(const struct ocu_question *q)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < OCU_RESOLV_SERVERS_MAX; i++)
		n += q->askings[i].asked;
	return n;
}
