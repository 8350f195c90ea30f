/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - the fake host of an engine. The thread that delivers is the only one that the engine
 * calls, but for wake().
 */
#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 20
#define DELIVER_AT_ONCE 3 /* few, so that there is more */
#define PIECE_MAX_BYTES 65536

/* What the host knows of a CertID. */
struct staple {
	struct staple *next;
	uint8_t key[OCU_ENGINE_KEY_MAX_BYTES];
	size_t key_len;
	unsigned changes;          /* a new number when it is unloaded, or set from here */
	unsigned published;        /* how often by the engine */
	uint8_t *der;
	size_t n;
};

struct line {
	struct line *next;
	char text[];
};

struct kept {
	struct kept *next;
	struct ocu_publication *p;
};

struct host {
	struct ocu_engine *engine;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	sem_t woken;
	pthread_mutex_t lock;      /* over all that follows */
	pthread_cond_t changed;
	struct staple *staples;
	unsigned changes;          /* the last number that was given */
	struct line *lines;        /* the newest first */
	struct kept *kept;
	unsigned n_kept;
	bool keep;
	enum ocu_status refuse;
	char *line;                /* that was asked for last */
};

static void die(const char *what)
{
	fprintf(stderr, "host: %s\n", what);
	abort();
}

static void *must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static void must_ok(enum ocu_status st, const char *what)
{
	if (st != OCU_OK)
		die(what);
}

/* ---- certificates ---- */

void host_cert_make(struct host_cert *c, struct pki *pki, const char *path, bool must_staple,
		    const char *const uris[HOST_URIS_MAX])
{
	struct pki_cert conf = { .name = path, .must_staple = must_staple };
	OCSP_CERTID *id;
	uint8_t *p;
	int i, n;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < HOST_URIS_MAX && uris[i]; i++)
		conf.uris[i] = uris[i];
	pki_cert_make(pki, &c->id, &conf);
	c->issuer = pki->by[PKI_BY_ISSUER].cert;
	snprintf(c->path, sizeof(c->path), "%s", path);
	c->serial = pki_serial(c->id.cert);
	id = must(OCSP_cert_to_id(EVP_sha1(), c->id.cert, c->issuer));
	n = i2d_OCSP_CERTID(id, NULL);
	if (n <= 0 || (size_t)n > sizeof(c->key))
		die("a CertID that is too long");
	p = c->key;
	c->key_len = (size_t)i2d_OCSP_CERTID(id, &p);
	OCSP_CERTID_free(id);
}

void host_cert_fini(struct host_cert *c)
{
	OPENSSL_free(c->serial);
	pki_cert_fini(&c->id);
}

/* ---- what the engine calls ---- */

/* Returns what is known of a CertID, made anew if it is nothing. The lock is held. */
static struct staple *staple_of(struct host *h, const uint8_t *key, size_t key_len)
{
	struct staple *s;

	for (s = h->staples; s; s = s->next)
		if (s->key_len == key_len && memcmp(s->key, key, key_len) == 0)
			return s;
	s = must(calloc(1, sizeof(*s)));
	memcpy(s->key, key, key_len);
	s->key_len = key_len;
	s->next = h->staples;
	h->staples = s;
	return s;
}

static void staple_set(struct staple *s, const void *der, size_t n)
{
	free(s->der);
	s->der = must(malloc(n + 1));
	if (n)
		memcpy(s->der, der, n);
	s->n = n;
}

/* Staples <p> unless something was set meanwhile. The lock is held. */
static enum ocu_status staple(struct host *h, const struct ocu_publication *p)
{
	struct staple *s = staple_of(h, p->key, p->key_len);

	if (h->refuse != OCU_OK)
		return h->refuse;
	if (s->changes != p->changes)
		return OCU_HELD;
	staple_set(s, p->der->data, p->der->len);
	s->published++;
	return OCU_OK;
}

static void publish(void *arg, struct ocu_publication *p)
{
	struct host *h = arg;
	enum ocu_status st = OCU_OK;
	struct kept *k, **end;

	pthread_mutex_lock(&h->lock);
	if (h->keep) {
		k = must(calloc(1, sizeof(*k)));
		k->p = p;
		for (end = &h->kept; *end; end = &(*end)->next)
			;
		*end = k;
		h->n_kept++;
	} else {
		st = staple(h, p);
	}
	pthread_cond_broadcast(&h->changed);
	if (!h->keep)
		ocu_engine_published(h->engine, p, st);
	pthread_mutex_unlock(&h->lock);
}

static void log_line(void *arg, enum ocu_level level, const char *path, const char *text)
{
	struct host *h = arg;
	size_t n = strlen(text) + (path ? strlen(path) : 0) + 8;
	struct line *l = must(malloc(sizeof(*l) + n));

	snprintf(l->text, n, "%c %s%s%s", "NWEA"[level], path ? path : "", path ? ": " : "", text);
	pthread_mutex_lock(&h->lock);
	l->next = h->lines;
	h->lines = l;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static void answer(void *arg, struct ocu_inquiry *inquiry)
{
	struct host_ask *a = OCU_OWNER(inquiry, struct host_ask, inquiry);
	struct host *h = arg;

	pthread_mutex_lock(&h->lock);
	a->all = must(realloc(a->all, a->n + inquiry->text.len + 1));
	if (inquiry->text.len)
		memcpy(a->all + a->n, inquiry->text.data, inquiry->text.len);
	a->n += inquiry->text.len;
	a->all[a->n] = '\0';
	a->pieces++;
	a->answered = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static void wake(void *arg)
{
	struct host *h = arg;

	sem_post(&h->woken);
}

static const struct ocu_host_ops ops = { publish, log_line, answer, wake };

/* ---- its thread ---- */

static void *host_main(void *arg)
{
	struct host *h = arg;

	while (!atomic_load(&h->stop)) {
		while (ocu_engine_deliver(h->engine, DELIVER_AT_ONCE, true))
			;
		while (sem_wait(&h->woken) != 0)
			if (errno != EINTR)
				die("sem_wait");
	}
	return NULL;
}

struct ocu_engine_conf host_conf(void)
{
	return (struct ocu_engine_conf){
		.plan = {
			.when = { .mindelay_s = 300, .maxdelay_s = 3600 },
			.maxconn = 64,
			.host_maxconn = 16,
		},
		.fetch = { .prefer = OCU_IPV4, .connect_ms = 5000, .idle_max = 16 },
		.timeout_ms = 10000,
	};
}

struct host *host_new(const struct ocu_engine_conf *conf)
{
	struct host *h = must(calloc(1, sizeof(*h)));
	pthread_condattr_t monotonic;
	struct ocu_err err;

	sem_init(&h->woken, 0, 0);
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	h->refuse = OCU_OK;
	must_ok(ocu_engine_new(&h->engine, &ops, h, &err), "no engine");
	if (conf)
		must_ok(ocu_engine_configure(h->engine, conf, &err), "not configured");
	return h;
}

void host_free(struct host *h)
{
	struct staple *s;
	struct line *l;

	host_stop(h);
	host_give_back(h);
	ocu_engine_free(h->engine);
	while ((s = h->staples)) {
		h->staples = s->next;
		free(s->der);
		free(s);
	}
	while ((l = h->lines)) {
		h->lines = l->next;
		free(l);
	}
	free(h->line);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	sem_destroy(&h->woken);
	free(h);
}

struct ocu_engine *host_engine(struct host *h)
{
	return h->engine;
}

void host_start(struct host *h)
{
	struct ocu_err err;

	if (ocu_engine_start(h->engine, &err) != OCU_OK)
		die(err.msg);
	atomic_store(&h->stop, false);
	if (pthread_create(&h->thread, NULL, host_main, h) != 0)
		die("no thread");
	h->running = true;
}

void host_deaf(struct host *h)
{
	if (!h->running)
		return;
	h->running = false;
	atomic_store(&h->stop, true);
	sem_post(&h->woken);
	pthread_join(h->thread, NULL);
	while (sem_trywait(&h->woken) == 0)
		;
}

void host_await_woken(struct host *h)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_S;
	while (sem_timedwait(&h->woken, &end) != 0)
		if (errno != EINTR)
			die("nothing to deliver");
}

void host_stop(struct host *h)
{
	host_deaf(h);
	ocu_engine_stop(h->engine);
}

/* ---- what a host does ---- */

void host_keep(struct host *h)
{
	pthread_mutex_lock(&h->lock);
	h->keep = true;
	pthread_mutex_unlock(&h->lock);
}

void host_give_back(struct host *h)
{
	struct kept *k;

	pthread_mutex_lock(&h->lock);
	h->keep = false;
	while ((k = h->kept)) {
		h->kept = k->next;
		h->n_kept--;
		ocu_engine_published(h->engine, k->p, staple(h, k->p));
		free(k);
	}
	pthread_mutex_unlock(&h->lock);
}

void host_refuse(struct host *h, enum ocu_status st)
{
	pthread_mutex_lock(&h->lock);
	h->refuse = st;
	pthread_mutex_unlock(&h->lock);
}

void host_load(struct host *h, const struct host_cert *c, bool automatic)
{
	pthread_mutex_lock(&h->lock);
	must_ok(ocu_engine_load(h->engine, c->key, c->key_len, c->path, c->id.cert, c->issuer,
				automatic, staple_of(h, c->key, c->key_len)->changes, NULL),
		"not loaded");
	pthread_mutex_unlock(&h->lock);
}

void host_unload(struct host *h, const struct host_cert *c)
{
	struct staple *s;

	pthread_mutex_lock(&h->lock);
	s = staple_of(h, c->key, c->key_len);
	s->changes = ++h->changes;
	staple_set(s, NULL, 0);
	must_ok(ocu_engine_unload(h->engine, c->key, c->key_len), "not unloaded");
	pthread_mutex_unlock(&h->lock);
}

void host_set(struct host *h, const struct host_cert *c, const uint8_t *der, size_t n, bool file)
{
	struct staple *s;

	pthread_mutex_lock(&h->lock);
	s = staple_of(h, c->key, c->key_len);
	if (!file)
		s->changes = ++h->changes;
	staple_set(s, der, n);
	must_ok(ocu_engine_held(h->engine, c->key, c->key_len, der, n, s->changes), "not held");
	pthread_mutex_unlock(&h->lock);
}

/* ---- what is waited for ---- */

/* Waits for a change until <end>, which is a failure; the lock is held. */
static void await_change(struct host *h, const struct timespec *end, const char *what)
{
	if (pthread_cond_timedwait(&h->changed, &h->lock, end) == ETIMEDOUT)
		die(what);
}

static struct timespec patience(void)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE_S;
	return end;
}

unsigned host_staples(struct host *h, const struct host_cert *c)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = staple_of(h, c->key, c->key_len)->published;
	pthread_mutex_unlock(&h->lock);
	return n;
}

void host_await(struct host *h, const struct host_cert *c, unsigned n)
{
	struct timespec end = patience();

	pthread_mutex_lock(&h->lock);
	while (staple_of(h, c->key, c->key_len)->published < n)
		await_change(h, &end, c->path);
	pthread_mutex_unlock(&h->lock);
}

void host_await_kept(struct host *h, unsigned n)
{
	struct timespec end = patience();

	pthread_mutex_lock(&h->lock);
	while (h->n_kept < n)
		await_change(h, &end, "publications");
	pthread_mutex_unlock(&h->lock);
}

size_t host_held(struct host *h, const struct host_cert *c, uint8_t **der)
{
	struct staple *s;
	size_t n;

	pthread_mutex_lock(&h->lock);
	s = staple_of(h, c->key, c->key_len);
	n = s->n;
	*der = must(malloc(n + 1));
	if (n)
		memcpy(*der, s->der, n);
	pthread_mutex_unlock(&h->lock);
	return n;
}

/* The lock is held. */
static unsigned lines_count(const struct host *h, const char *text)
{
	const struct line *l;
	unsigned n = 0;

	for (l = h->lines; l; l = l->next)
		n += strstr(l->text, text) != NULL;
	return n;
}

unsigned host_lines(struct host *h, const char *text)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = lines_count(h, text);
	pthread_mutex_unlock(&h->lock);
	return n;
}

static void lines_show(const struct host *h)
{
	const struct line *l;

	for (l = h->lines; l; l = l->next)
		fprintf(stderr, "host: logged: %s\n", l->text);
}

void host_await_line(struct host *h, const char *text, unsigned n)
{
	struct timespec end = patience();

	pthread_mutex_lock(&h->lock);
	while (lines_count(h, text) < n) {
		if (pthread_cond_timedwait(&h->changed, &h->lock, &end) != ETIMEDOUT)
			continue;
		lines_show(h);
		die(text);
	}
	pthread_mutex_unlock(&h->lock);
}

const char *host_line(struct host *h, const char *text)
{
	const struct line *l;

	pthread_mutex_lock(&h->lock);
	free(h->line);
	for (l = h->lines; l && !strstr(l->text, text); l = l->next)
		;
	h->line = must(strdup(l ? l->text : ""));
	pthread_mutex_unlock(&h->lock);
	return h->line;
}

/* ---- inquiries ---- */

void host_ask_init(struct host_ask *a, struct host *h, enum ocu_inquiry_kind kind,
		   const struct host_cert *c)
{
	memset(a, 0, sizeof(*a));
	a->host = h;
	a->inquiry.kind = kind;
	ocu_buf_init(&a->inquiry.text, PIECE_MAX_BYTES);
	if (!c)
		return;
	memcpy(a->inquiry.key, c->key, c->key_len);
	a->inquiry.key_len = c->key_len;
}

void host_ask_fini(struct host_ask *a)
{
	ocu_buf_fini(&a->inquiry.text);
	free(a->all);
}

void host_ask_next(struct host_ask *a, bool drop)
{
	a->answered = false;
	if (drop)
		ocu_engine_drop(a->host->engine, &a->inquiry);
	else
		ocu_engine_inquire(a->host->engine, &a->inquiry);
	host_ask_await(a);
}

void host_ask_await(struct host_ask *a)
{
	struct timespec end = patience();
	struct host *h = a->host;

	pthread_mutex_lock(&h->lock);
	while (!a->answered)
		await_change(h, &end, "an answer");
	pthread_mutex_unlock(&h->lock);
}

char *host_ask(struct host *h, enum ocu_inquiry_kind kind, const struct host_cert *c)
{
	struct host_ask a;
	char *all;

	host_ask_init(&a, h, kind, c);
	do {
		host_ask_next(&a, false);
	} while (!a.inquiry.end);
	all = a.all;
	a.all = NULL;
	host_ask_fini(&a);
	return all;
}
