/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.c - host name to addresses: remembers answers for their TTL, shares questions that are under
 * way, knows the names that need no nameserver.
 */
#include "ocu/dns.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#include "ocu/ask.h"
#include "ocu/etc.h"
#include "ocu/loop.h"
#include "ocu/question.h"

#define BUCKETS 1024 /* a power of two */

/* An answer with its owners: the cache entry and the queries it is handed to. */
struct shared {
	unsigned refs;
	struct ocu_dns_answer a;
	struct sockaddr_storage addrs[]; /* a.addrs points here */
};

struct ocu_dns_query {
	TAILQ_ENTRY(ocu_dns_query) link;
	struct ocu_dns *dns;
	struct entry *entry;     /* whose answer it waits for; NULL: it is in dns->ready */
	struct shared *answer;   /* what will be handed out */
	ocu_dns_cb *cb;
	void *arg;
};

TAILQ_HEAD(queries, ocu_dns_query);

/* One question, being asked (answer is NULL) or remembered (question is NULL). */
struct entry {
	LIST_ENTRY(entry) in_bucket;
	TAILQ_ENTRY(entry) by_age;      /* in dns->remembered or dns->asked */
	struct ocu_dns *dns;
	struct queries waiting;
	struct ocu_question *question;
	struct shared *answer;
	int64_t until_ms;               /* how long the answer is remembered */
	enum ocu_family family;
	char host[];
};

TAILQ_HEAD(entries, entry);

struct ocu_dns {
	struct ev_loop *loop;
	bool system;
	struct ocu_etc etc;             /* in the mode of the system */
	struct ocu_resolv resolv;       /* in the other mode */
	struct ocu_dns_conf conf;
	struct ocu_questions questions;
	ev_timer later;                 /* hands out what is in ready */
	struct queries ready;
	LIST_HEAD(, entry) buckets[BUCKETS];
	uint32_t seed;                  /* of the hash: the names come from certificates */
	struct entries remembered;      /* the oldest answer first */
	struct entries asked;
	size_t n_remembered;
	struct shared *nomem;           /* handed out when no answer could be stored */
	struct shared *localhost[2];    /* IPv4, IPv6 (RFC 6761 section 6.3) */
};

/* ---- answers ---- */

static struct shared *shared_new(enum ocu_family family, size_t n)
{
	struct shared *s = calloc(1, sizeof(*s) + n * sizeof(s->addrs[0]));

	if (!s)
		return NULL;
	s->refs = 1;
	s->a.family = family;
	s->a.n = n;
	s->a.addrs = s->addrs;
	return s;
}

static struct shared *shared_get(struct shared *s)
{
	s->refs++;
	return s;
}

static void shared_put(struct shared *s)
{
	if (s && --s->refs == 0)
		free(s);
}

static void addr_set(struct sockaddr_storage *out, enum ocu_family family, const uint8_t *addr)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	if (family == OCU_IPV6) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, addr, sizeof(v6->sin6_addr));
	} else {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, addr, sizeof(v4->sin_addr));
	}
}

/* Makes an answer of <n> addresses, which may be none. */
static struct shared *shared_make(enum ocu_family family, uint8_t (*addrs)[16], size_t n)
{
	struct shared *s = shared_new(family, n);
	size_t i;

	for (i = 0; s && i < n; i++)
		addr_set(&s->addrs[i], family, addrs[i]);
	return s;
}

/* ---- queries ---- */

/* The end of every query. */
static void query_end(struct ocu_dns_query *q, bool cancelled)
{
	struct ocu_dns_query was = *q;

	free(q);
	was.cb(was.arg, cancelled ? NULL : &was.answer->a);
	shared_put(was.answer);
}

/* Puts <q>, which is in no list, among those that are handed <answer> (takes one reference). */
static void query_ready(struct ocu_dns_query *q, struct shared *answer)
{
	struct ocu_dns *d = q->dns;

	q->entry = NULL;
	q->answer = answer;
	if (TAILQ_EMPTY(&d->ready))
		ocu_loop_timer_start(d->loop, &d->later, 0);
	TAILQ_INSERT_TAIL(&d->ready, q, link);
}

static void query_unlink(struct ocu_dns_query *q)
{
	if (q->entry)
		TAILQ_REMOVE(&q->entry->waiting, q, link);
	else
		TAILQ_REMOVE(&q->dns->ready, q, link);
}

static void later_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_dns *d = w->data;
	struct ocu_dns_query *q;

	(void)loop;
	(void)revents;
	while ((q = TAILQ_FIRST(&d->ready))) {
		query_unlink(q);
		query_end(q, false);
	}
}

/* ---- what is asked and what is remembered ---- */

/* The bucket of a question: FNV-1a over the name in lower case, as ASCII. */
static size_t bucket_of(const struct ocu_dns *d, const char *host, enum ocu_family family)
{
	uint32_t h = (d->seed ^ (uint32_t)family) * 16777619;
	uint8_t c;

	for (; *host; host++) {
		c = (uint8_t)*host;
		h = (h ^ (c >= 'A' && c <= 'Z' ? c | 0x20U : c)) * 16777619;
	}
	return (h ^ h >> 16) % BUCKETS;
}

static void entry_free(struct entry *e)
{
	struct ocu_dns *d = e->dns;

	LIST_REMOVE(e, in_bucket);
	if (e->answer) {
		TAILQ_REMOVE(&d->remembered, e, by_age);
		d->n_remembered--;
	} else {
		TAILQ_REMOVE(&d->asked, e, by_age);
	}
	shared_put(e->answer);
	free(e);
}

static void remembered_free(struct ocu_dns *d)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&d->remembered)))
		entry_free(e);
}

/* Makes all ready that wait for <e>, and remembers the answer <s> (takes) or forgets <e>. */
static void entry_answer(struct entry *e, struct shared *s, int64_t ttl_ms)
{
	struct ocu_dns *d = e->dns;
	struct ocu_dns_query *q;

	e->question = NULL;
	while ((q = TAILQ_FIRST(&e->waiting))) {
		TAILQ_REMOVE(&e->waiting, q, link);
		query_ready(q, shared_get(s));
	}
	if (ttl_ms <= 0) {
		shared_put(s);
		entry_free(e);
		return;
	}
	if (d->n_remembered >= OCU_DNS_CACHE_MAX)
		entry_free(TAILQ_FIRST(&d->remembered));
	TAILQ_REMOVE(&d->asked, e, by_age);
	TAILQ_INSERT_TAIL(&d->remembered, e, by_age);
	d->n_remembered++;
	e->answer = s;
	e->until_ms = ocu_now_ms() + ttl_ms;
}

/* Returns the entry for a question, NULL if nothing usable is known. */
static struct entry *entry_find(struct ocu_dns *d, const char *host, enum ocu_family family)
{
	struct entry *e;

	LIST_FOREACH(e, &d->buckets[bucket_of(d, host, family)], in_bucket) {
		if (e->family == family && strcasecmp(e->host, host) == 0)
			break;
	}
	if (!e || !e->answer || ocu_now_ms() < e->until_ms)
		return e;
	entry_free(e);
	return NULL;
}

/* How long an answer is remembered; that DNS is down not at all, as the next question may find it
 * up again.
 */
static int64_t ttl_ms(const struct ocu_question_answer *a)
{
	if (a->down)
		return 0;
	if (!a->r.n)
		return OCU_DNS_NEGATIVE_MS;
	return (int64_t)(a->r.ttl_s < OCU_DNS_TTL_MAX_S ? a->r.ttl_s : OCU_DNS_TTL_MAX_S) * 1000;
}

static void question_cb(void *arg, const struct ocu_question_answer *a)
{
	struct entry *e = arg;
	struct shared *s;

	if (!a) {
		entry_free(e);
		return;
	}
	s = shared_make(e->family, (uint8_t (*)[16])(uintptr_t)a->r.addrs, a->r.n);
	if (!s) {
		entry_answer(e, shared_get(e->dns->nomem), 0);
		return;
	}
	s->a.down = a->down;
	s->a.asked = a->asked;
	s->a.why = a->why;
	entry_answer(e, s, ttl_ms(a));
}

/* Begins to ask; *out is NULL without memory. */
static struct entry *entry_new(struct ocu_dns *d, const char *host, enum ocu_family family)
{
	size_t n = strlen(host) + 1;
	struct entry *e = calloc(1, sizeof(*e) + n);

	if (!e)
		return NULL;
	memcpy(e->host, host, n);
	e->dns = d;
	e->family = family;
	TAILQ_INIT(&e->waiting);
	if (ocu_question_start(&e->question, &d->questions, host, family, question_cb, e) !=
	    OCU_OK) {
		free(e);
		return NULL;
	}
	LIST_INSERT_HEAD(&d->buckets[bucket_of(d, host, family)], e, in_bucket);
	TAILQ_INSERT_TAIL(&d->asked, e, by_age);
	return e;
}

/* ---- the resolver ---- */

/* Takes over what is said of the asking: by the caller, else by resolv.conf, else by us. */
static void settings_take(struct ocu_dns *d)
{
	struct ocu_questions *s = &d->questions;
	const struct ocu_dns_conf *c = &d->conf;

	s->resolv = d->system ? &d->etc.resolv : &d->resolv;
	s->try_ms = c->try_ms ? c->try_ms : (int64_t)s->resolv->timeout_s * 1000;
	s->try_ms = s->try_ms > 0 ? s->try_ms : OCU_DNS_TRY_MS;
	s->rounds = c->rounds ? c->rounds : s->resolv->attempts;
	s->rounds = s->rounds ? s->rounds : OCU_DNS_ROUNDS;
	s->limit_ms = c->limit_ms > 0 ? c->limit_ms : OCU_DNS_LIMIT_MS;
	s->payload_bytes = c->payload_bytes;
	if (!s->payload_bytes && s->resolv->edns)
		s->payload_bytes = OCU_DNS_EDNS_BYTES;
}

/* Looks for changes of the system's files. Answers of other nameservers are forgotten, and what is
 * under way is asked anew.
 */
static bool system_check(void *arg)
{
	struct ocu_dns *d = arg;

	if (!d->system || !ocu_etc_check(&d->etc, ocu_now_ms()))
		return false;
	settings_take(d);
	remembered_free(d);
	ocu_questions_restart(&d->questions);
	return true;
}

/* Makes the answers that need no nameserver. */
static enum ocu_status fixed_answers(struct ocu_dns *d)
{
	uint8_t v4[1][16] = { { 127, 0, 0, 1 } }, v6[1][16] = { { [15] = 1 } };

	d->nomem = shared_new(OCU_ANY, 0);
	d->localhost[0] = shared_make(OCU_IPV4, v4, 1);
	d->localhost[1] = shared_make(OCU_IPV6, v6, 1);
	if (!d->nomem || !d->localhost[0] || !d->localhost[1])
		return OCU_NOMEM;
	d->nomem->a.down = true;
	(void)ocu_fail(&d->nomem->a.why, OCU_NOMEM, "resolver: %s", ocu_text(OCU_NOMEM));
	return OCU_OK;
}

static enum ocu_status conf_take(struct ocu_dns *d, const struct ocu_dns_conf *conf,
				 struct ocu_err *err)
{
	enum ocu_status st = OCU_OK;

	d->conf = *conf;
	d->conf.nameservers = NULL;
	d->system = conf->system;
	if (d->system)
		ocu_etc_init(&d->etc, conf->etc);
	else if (conf->nameservers)
		st = ocu_resolv_list(&d->resolv, conf->nameservers, err);
	settings_take(d);
	return st;
}

enum ocu_status ocu_dns_new(struct ocu_dns **out, struct ev_loop *loop,
			    const struct ocu_dns_conf *conf, struct ocu_err *err)
{
	enum ocu_status ret = ocu_ask_library_init(err);
	struct ocu_dns *d;
	size_t i;

	*out = NULL;
	if (ret != OCU_OK)
		return ret;
	d = calloc(1, sizeof(*d));
	if (!d) {
		ocu_ask_library_fini();
		return ocu_fail(err, OCU_NOMEM, "resolver: %s", ocu_text(OCU_NOMEM));
	}
	d->loop = loop;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&d->buckets[i]);
	TAILQ_INIT(&d->ready);
	TAILQ_INIT(&d->remembered);
	TAILQ_INIT(&d->asked);
	ocu_loop_timer_init(&d->later, later_cb, d);
	(void)!getrandom(&d->seed, sizeof(d->seed), 0);
	ocu_questions_init(&d->questions);
	d->questions.loop = loop;
	d->questions.sockets_max = OCU_DNS_SOCKETS_MAX;
	d->questions.changed = system_check;
	d->questions.changed_arg = d;
	ret = fixed_answers(d);
	if (ret != OCU_OK)
		(void)ocu_fail(err, ret, "resolver: %s", ocu_text(ret));
	else
		ret = conf_take(d, conf, err);
	if (ret != OCU_OK) {
		ocu_dns_free(d);
		return ret;
	}
	*out = d;
	return OCU_OK;
}

void ocu_dns_free(struct ocu_dns *d)
{
	struct ocu_dns_query *q;
	struct entry *e;

	if (!d)
		return;
	while ((q = TAILQ_FIRST(&d->ready)))
		ocu_dns_cancel(q);
	while ((e = TAILQ_FIRST(&d->asked))) {
		while ((q = TAILQ_FIRST(&e->waiting)))
			ocu_dns_cancel(q);
		/* It frees the entry by its callback. */
		ocu_question_cancel(e->question);
	}
	remembered_free(d);
	ocu_questions_fini(&d->questions);
	ocu_loop_timer_stop(d->loop, &d->later);
	if (d->system)
		ocu_etc_fini(&d->etc);
	shared_put(d->localhost[0]);
	shared_put(d->localhost[1]);
	shared_put(d->nomem);
	free(d);
	ocu_ask_library_fini();
}

/* Whether <host> is "localhost" or ends in ".localhost". */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t n = strlen(host), len = sizeof(name) - 1;

	return n >= len && strcasecmp(host + n - len, name) == 0 &&
	       (n == len || host[n - len - 1] == '.');
}

/* Returns the answer of the hosts file: NULL if it does not have the name. With the name in one
 * family there is none in the other, as for other programs of the system.
 */
static struct shared *hosts_answer(struct ocu_dns *d, const char *host, enum ocu_family family)
{
	uint8_t addrs[OCU_DNS_ADDRESSES_MAX][16];
	struct shared *s;
	size_t n;

	if (!d->system || !ocu_names_find(&d->etc.names, host, family, addrs,
					  OCU_DNS_ADDRESSES_MAX, &n))
		return NULL;
	s = shared_make(family, addrs, n);
	if (!s)
		return shared_get(d->nomem);
	if (!n)
		(void)ocu_fail(&s->a.why, OCU_DNS, "no %s address in the hosts file",
			       family == OCU_IPV6 ? "IPv6" : "IPv4");
	return s;
}

/* Lets <q> wait for the answer to a question, which is asked if it is not under way. */
static enum ocu_status query_wait(struct ocu_dns_query *q, const char *host,
				  enum ocu_family family)
{
	struct entry *e = entry_find(q->dns, host, family);

	if (e && e->answer) {
		query_ready(q, shared_get(e->answer));
		return OCU_OK;
	}
	if (e)
		ocu_question_prolong(e->question);
	else
		e = entry_new(q->dns, host, family);
	if (!e)
		return OCU_NOMEM;
	q->entry = e;
	TAILQ_INSERT_TAIL(&e->waiting, q, link);
	return OCU_OK;
}

enum ocu_status ocu_dns_start(struct ocu_dns_query **out, struct ocu_dns *d, const char *host,
			      enum ocu_family family, ocu_dns_cb *cb, void *arg)
{
	struct ocu_dns_query *q;
	struct shared *s = NULL;

	*out = NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return OCU_NOMEM;
	q->dns = d;
	q->cb = cb;
	q->arg = arg;
	(void)system_check(d);
	if (is_localhost(host))
		s = shared_get(d->localhost[family == OCU_IPV6]);
	else
		s = hosts_answer(d, host, family);
	if (s) {
		query_ready(q, s);
	} else if (query_wait(q, host, family) != OCU_OK) {
		free(q);
		return OCU_NOMEM;
	}
	*out = q;
	return OCU_OK;
}

void ocu_dns_cancel(struct ocu_dns_query *q)
{
	query_unlink(q);
	query_end(q, true);
}

unsigned ocu_dns_asked(const struct ocu_dns_query *q)
{
	return q->entry && q->entry->question ? ocu_question_asked(q->entry->question) : 0;
}

enum ocu_status ocu_dns_system_servers(struct ocu_buf *out, struct ocu_err *err)
{
	enum ocu_status ret;
	struct ocu_etc e;
	int dir;

	ret = ocu_etc_open(&dir, NULL, err);
	if (ret != OCU_OK)
		return OCU_OK;
	ocu_etc_init(&e, dir);
	ret = ocu_resolv_text(out, &e.resolv);
	ocu_etc_fini(&e);
	close(dir);
	return ret == OCU_OK ? OCU_OK : ocu_fail(err, ret, "resolv.conf: %s", ocu_text(ret));
}

const char *ocu_dns_version(void)
{
	return ocu_ask_version();
}
