/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_cert.c - what an engine keeps of certificates and responders, and the box between its thread
 * and the host's: what is read, found, counted and freed; and what a hundred thousand certificates
 * cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "ocu/cert.h"
#include "ocu/outbox.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define COST_CERTS 100000
#define COST_MAX_BYTES 1536
#define COST_RESPONDERS 20
#define POSTERS 4
#define POSTS 2000

static struct pki *pki;

static struct ocu_cert *cert_new(const char *key, const struct pki_id *id)
{
	struct ocu_cert *c;

	assert_int_equal(ocu_cert_new(&c, (const uint8_t *)key, strlen(key), "a.pem", id->cert,
				      pki->by[PKI_BY_ISSUER].cert), OCU_OK);
	return c;
}

/* ---- one certificate ---- */

/* Its URIs, in order, each as a URL that is asked; the unusable ones with their reasons. */
static void uris(void **state)
{
	static const char quoted[] = "http://a b\"\x01.test/";
	struct pki_id id;
	struct ocu_cert *c;
	const struct pki_cert conf = {
		.uris = { "HTTP://R.test/x", quoted, "https://[::1]:8443", "ldap:///cn=x" },
		.must_staple = true,
		.end = 3600,
	};

	(void)state;
	pki_cert_make(pki, &id, &conf);
	c = cert_new("key", &id);
	assert_string_equal(c->path, "a.pem");
	assert_memory_equal(c->key, "key", c->key_len);
	assert_int_equal(c->n_uris, 2);
	assert_string_equal(c->uris[0].text, "http://r.test/x");
	assert_false(c->uris[0].literal);
	assert_string_equal(c->uris[1].text, "https://[::1]:8443/");
	assert_true(c->uris[1].literal);
	assert_ptr_equal(strstr(c->bad_uris, "'http://a?b??.test/': "), c->bad_uris);
	assert_non_null(strstr(c->bad_uris, ", 'ldap:///cn=x': URL is neither http:// nor "
					    "https://"));
	assert_true(c->must_staple);
	assert_in_range(c->not_after, pki->now + 3595, pki->now + 3605);
	assert_false(c->in_table);
	ocu_cert_put(c);
	ocu_cert_put(NULL);
	pki_cert_fini(&id);
}

/* One that has room for no more bytes is complete only with a slash. */
static void longest_uri(void **state)
{
	char fits[OCU_URL_MAX_BYTES + 1] = "http://r.test?", over[OCU_URL_MAX_BYTES + 1];
	const struct pki_cert conf = { .uris = { fits, over } };
	struct pki_id id;
	struct ocu_cert *c;
	size_t n = strlen(fits);

	(void)state;
	memset(fits + n, 'x', sizeof(fits) - n);
	memcpy(over, fits, sizeof(over));
	fits[OCU_URL_MAX_BYTES - 1] = over[OCU_URL_MAX_BYTES] = '\0';
	pki_cert_make(pki, &id, &conf);
	c = cert_new("key", &id);
	assert_int_equal(c->n_uris, 1);
	assert_int_equal(strlen(c->uris[0].text), OCU_URL_MAX_BYTES);
	assert_non_null(strstr(c->bad_uris, "': URL is too long when it is complete"));
	ocu_cert_put(c);
	pki_cert_fini(&id);
}

/* More of them than are looked at, and longer ones than are shown. */
static void many_uris(void **state)
{
	struct pki_cert conf = { .uris = { NULL } };
	char text[PKI_URIS_MAX][300];
	struct pki_id id;
	struct ocu_cert *c;
	size_t i;

	(void)state;
	for (i = 0; i < PKI_URIS_MAX - 1; i++) {
		memset(text[i], 'x', sizeof(text[i]));
		text[i][i == 0 ? 299 : 10] = '\0';
		if (i % 2)
			snprintf(text[i], sizeof(text[i]), "http://r%zu.test/", i);
		conf.uris[i] = text[i];
	}
	pki_cert_make(pki, &id, &conf);
	c = cert_new("key", &id);
	assert_int_equal(c->n_uris, OCU_OCSP_URIS_MAX / 2);
	assert_string_equal(c->uris[0].text, "http://r1.test/");
	assert_string_equal(c->uris[3].text, "http://r7.test/");
	assert_int_equal(strspn(c->bad_uris + 1, "x"), 128);
	ocu_cert_put(c);
	pki_cert_fini(&id);
}

static void validators(void **state)
{
	struct ocu_http_validators v = { .etag = "\"e\"", .last_modified = "Monday" };
	struct pki_id id;
	struct ocu_cert *c;

	(void)state;
	pki_cert_make(pki, &id, &(struct pki_cert){ .name = "v.test" });
	c = cert_new("key", &id);
	assert_null(ocu_cert_etag(c, 0));
	assert_null(ocu_cert_last_modified(c, 0));
	ocu_cert_validators(c, &v, 1);
	assert_string_equal(ocu_cert_etag(c, 1), "\"e\"");
	assert_string_equal(ocu_cert_last_modified(c, 1), "Monday");
	/* They are of no use elsewhere. */
	assert_null(ocu_cert_etag(c, 0));
	assert_null(ocu_cert_last_modified(c, 0));
	v.etag[0] = '\0';
	ocu_cert_validators(c, &v, 0);
	assert_null(ocu_cert_etag(c, 0));
	assert_string_equal(ocu_cert_last_modified(c, 0), "Monday");
	v.last_modified[0] = '\0';
	ocu_cert_validators(c, &v, 0);
	assert_null(ocu_cert_last_modified(c, 0));
	ocu_cert_put(c);
	pki_cert_fini(&id);
}

/* ---- all of them ---- */

static void table(void **state)
{
	static const char *const keys[] = { "b", "a", "ab", "c" };
	struct ocu_cert *c[COUNT(keys)], *twin, *next;
	struct ocu_certs *cs;
	struct pki_id id;
	size_t i;

	(void)state;
	pki_cert_make(pki, &id, &(struct pki_cert){ .name = "t.test" });
	assert_int_equal(ocu_certs_new(&cs), OCU_OK);
	assert_null(ocu_certs_first(cs));
	for (i = 0; i < COUNT(keys); i++) {
		c[i] = cert_new(keys[i], &id);
		assert_ptr_equal(ocu_certs_add(cs, c[i]), c[i]);
		assert_true(c[i]->in_table);
		assert_int_equal(ocu_certs_count(cs), i + 1);
	}
	twin = cert_new("ab", &id);
	assert_ptr_equal(ocu_certs_add(cs, twin), c[2]);
	assert_false(twin->in_table);
	ocu_cert_put(twin);
	for (i = 0; i < COUNT(keys); i++)
		assert_ptr_equal(ocu_certs_find(cs, (const uint8_t *)keys[i], strlen(keys[i])),
				 c[i]);
	assert_null(ocu_certs_find(cs, (const uint8_t *)"d", 1));
	assert_null(ocu_certs_find(cs, (const uint8_t *)"", 0));
	/* The list is in the order in which they came, whoever leaves. */
	ocu_certs_remove(cs, c[1]);
	assert_false(c[1]->in_table);
	next = ocu_certs_first(cs);
	assert_ptr_equal(next, c[0]);
	assert_ptr_equal(next->next, c[2]);
	assert_ptr_equal(next->next->next, c[3]);
	ocu_certs_remove(cs, c[3]);
	ocu_certs_remove(cs, c[0]);
	assert_ptr_equal(ocu_certs_first(cs), c[2]);
	assert_null(c[2]->next);
	assert_null(ocu_certs_find(cs, (const uint8_t *)"a", 1));
	ocu_certs_remove(cs, c[2]);
	assert_int_equal(ocu_certs_count(cs), 0);
	for (i = 0; i < COUNT(keys); i++)
		ocu_cert_put(c[i]);
	ocu_certs_free(cs);
	pki_cert_fini(&id);
}

/* Equal issuers are one object, also for who is not put into the table; others stay apart. Each may
 * outlive the table.
 */
static void issuers(void **state)
{
	static const struct {
		const char *key;
		enum pki_signer by;
		int like; /* the first one with that issuer */
	} rows[] = {
		{ "a", PKI_BY_ISSUER, 0 },
		{ "b", PKI_BY_ISSUER, 0 },
		{ "c", PKI_BY_IMPOSTOR, 2 },
		{ "b", PKI_BY_ISSUER, 0 },
		{ "d", PKI_BY_IMPOSTOR, 2 },
		{ "e", PKI_BY_ISSUER, 0 },
	};
	struct ocu_cert *c[COUNT(rows)];
	struct ocu_certs *cs;
	struct pki_id id;
	X509 *issuer;
	size_t i;

	(void)state;
	pki_cert_make(pki, &id, &(struct pki_cert){ .name = "t.test" });
	assert_int_equal(ocu_certs_new(&cs), OCU_OK);
	for (i = 0; i < COUNT(rows); i++) {
		issuer = X509_dup(pki->by[rows[i].by].cert);
		assert_int_equal(ocu_cert_new(&c[i], (const uint8_t *)rows[i].key, 1, "a.pem",
					      id.cert, issuer), OCU_OK);
		X509_free(issuer);
		assert_non_null(ocu_certs_add(cs, c[i]));
		assert_int_equal(X509_cmp(c[i]->issuer, pki->by[rows[i].by].cert), 0);
		assert_ptr_equal(c[i]->issuer, c[rows[i].like]->issuer);
	}
	for (i = 0; i < COUNT(rows); i++)
		if (c[i]->in_table)
			ocu_certs_remove(cs, c[i]);
	ocu_certs_free(cs);
	for (i = 0; i < COUNT(rows); i++) {
		assert_non_null(X509_get0_pubkey(c[i]->issuer));
		ocu_cert_put(c[i]);
	}
	pki_cert_fini(&id);
}

/* Returns the first byte of the key of the next one, 0 if there is none. */
static char step(struct ocu_certs_walk *w)
{
	struct ocu_cert *c = ocu_certs_walk_next(w);

	return c ? (char)c->key[0] : 0;
}

/* Who goes is stepped over by every walk, who comes is met by those that are not over. */
static void walk(void **state)
{
	static const char *const keys[] = { "a", "b", "c", "d", "e", "f" };
	struct ocu_certs_walk w, ahead, over;
	struct ocu_cert *c[COUNT(keys)];
	struct ocu_certs *cs;
	struct pki_id id;
	size_t i;

	(void)state;
	pki_cert_make(pki, &id, &(struct pki_cert){ .name = "w.test" });
	assert_int_equal(ocu_certs_new(&cs), OCU_OK);
	ocu_certs_walk_init(&over, cs);
	for (i = 0; i < COUNT(keys); i++)
		c[i] = cert_new(keys[i], &id);
	for (i = 0; i < 5; i++)
		assert_ptr_equal(ocu_certs_add(cs, c[i]), c[i]);
	ocu_certs_walk_init(&w, cs);
	ocu_certs_walk_init(&ahead, cs);
	assert_int_equal(step(&w), 'a');
	assert_int_equal(step(&ahead), 'a');
	assert_int_equal(step(&ahead), 'b');
	ocu_certs_remove(cs, c[0]);
	ocu_certs_remove(cs, c[1]);
	assert_int_equal(step(&w), 'c');
	ocu_certs_remove(cs, c[3]);
	assert_int_equal(step(&w), 'e');
	assert_int_equal(step(&ahead), 'c');
	ocu_certs_remove(cs, c[4]);
	assert_int_equal(step(&ahead), 0);
	assert_ptr_equal(ocu_certs_add(cs, c[5]), c[5]);
	assert_int_equal(step(&w), 0);
	assert_int_equal(step(&over), 0);
	ocu_certs_walk_fini(&w);
	ocu_certs_walk_init(&w, cs);
	assert_int_equal(step(&w), 'c');
	assert_int_equal(step(&w), 'f');
	ocu_certs_walk_fini(&w);
	ocu_certs_walk_fini(&ahead);
	ocu_certs_walk_fini(&over);
	ocu_certs_remove(cs, c[2]);
	ocu_certs_remove(cs, c[5]);
	for (i = 0; i < COUNT(keys); i++)
		ocu_cert_put(c[i]);
	ocu_certs_free(cs);
	pki_cert_fini(&id);
}

/* ---- responders ---- */

static struct ocu_responder *get(struct ocu_responders *rs, const char *text)
{
	struct ocu_responder *r;
	struct ocu_url url;

	assert_int_equal(ocu_url_parse(&url, text, strlen(text), NULL), OCU_OK);
	r = ocu_responder_get(rs, &url);
	assert_non_null(r);
	return r;
}

/* Scheme, host and port make a responder, and nothing else does. */
static void responders(void **state)
{
	static const char *const others[] = { "https://r.test/", "http://r.test:8080/",
					      "http://q.test/", "http://r.test:443/" };
	const struct ocu_plan_conf conf = { .maxconn = 1, .host_maxconn = 1 };
	struct ocu_responder *r, *o[COUNT(others)];
	struct ocu_responders *rs;
	struct ocu_plan *plan;
	size_t i, k;

	(void)state;
	assert_int_equal(ocu_plan_new(&plan, &conf), OCU_OK);
	assert_int_equal(ocu_responders_new(&rs, plan), OCU_OK);
	r = get(rs, "http://r.test/a");
	assert_ptr_equal(get(rs, "HTTP://R.TEST:80/b"), r);
	for (i = 0; i < COUNT(others); i++) {
		o[i] = get(rs, others[i]);
		assert_ptr_not_equal(o[i], r);
		for (k = 0; k < i; k++)
			assert_ptr_not_equal(o[i], o[k]);
	}
	for (i = 0; i < COUNT(others); i++)
		ocu_responder_put(rs, o[i]);
	/* What was learnt is kept while somebody has it, and for a while afterwards. */
	r->peer.post_only = true;
	ocu_responder_put(rs, r);
	assert_true(get(rs, "http://r.test/")->peer.post_only);
	ocu_responder_put(rs, r);
	ocu_responder_put(rs, r);
	assert_true(get(rs, "http://r.test/")->peer.post_only);
	ocu_responder_put(rs, r);
	ocu_responder_put(rs, NULL);
	ocu_responders_free(rs);
	ocu_responders_free(NULL);
	ocu_plan_free(plan);
}

/* Redirects may lead to ever new places: only the newest ones are remembered. */
static void spare_responders(void **state)
{
	const struct ocu_plan_conf conf = { .maxconn = 1, .host_maxconn = 1 };
	struct ocu_responder *r, *used;
	struct ocu_responders *rs;
	struct ocu_plan *plan;
	char url[64];
	int i;

	(void)state;
	assert_int_equal(ocu_plan_new(&plan, &conf), OCU_OK);
	assert_int_equal(ocu_responders_new(&rs, plan), OCU_OK);
	used = get(rs, "http://used.test/");
	used->peer.post_only = true;
	for (i = 0; i < 3 * OCU_RESPONDERS_SPARE_MAX; i++) {
		snprintf(url, sizeof(url), "http://r%d.test/", i);
		r = get(rs, url);
		r->peer.post_only = true;
		ocu_responder_put(rs, r);
		/* One that is asked for again is a new one. */
		r = get(rs, "http://r0.test/");
		ocu_responder_put(rs, r);
		assert_true(r->peer.post_only);
	}
	assert_ptr_equal(get(rs, "http://used.test/"), used);
	r = get(rs, "http://r1.test/");
	assert_false(r->peer.post_only);
	ocu_responder_put(rs, r);
	snprintf(url, sizeof(url), "http://r%d.test/", i - OCU_RESPONDERS_SPARE_MAX / 2);
	r = get(rs, url);
	assert_true(r->peer.post_only);
	ocu_responder_put(rs, r);
	ocu_responder_put(rs, used);
	ocu_responder_put(rs, used);
	ocu_responders_free(rs);
	ocu_plan_free(plan);
}

/* ---- the outbox ---- */

/* Lines wait for whoever can take them; all else comes first. */
static void outbox(void **state)
{
	struct ocu_parcel p[5] = { { .kind = OCU_PARCEL_LINE }, { .kind = OCU_PARCEL_ANSWER },
				   { .kind = OCU_PARCEL_PUBLICATION }, { .kind = OCU_PARCEL_LINE },
				   { .kind = OCU_PARCEL_ANSWER } };
	struct ocu_outbox b;

	(void)state;
	ocu_outbox_init(&b);
	assert_null(ocu_outbox_get(&b, true));
	assert_true(ocu_outbox_put(&b, &p[0]));
	assert_true(ocu_outbox_put(&b, &p[1]));
	assert_false(ocu_outbox_put(&b, &p[2]));
	assert_false(ocu_outbox_put(&b, &p[3]));
	assert_ptr_equal(ocu_outbox_get(&b, false), &p[1]);
	assert_ptr_equal(ocu_outbox_get(&b, false), &p[2]);
	assert_null(ocu_outbox_get(&b, false));
	assert_true(ocu_outbox_put(&b, &p[4]));
	assert_ptr_equal(ocu_outbox_get(&b, true), &p[4]);
	assert_ptr_equal(ocu_outbox_get(&b, true), &p[0]);
	assert_ptr_equal(ocu_outbox_get(&b, true), &p[3]);
	assert_null(ocu_outbox_get(&b, true));
	ocu_outbox_fini(&b);
}

struct numbered {
	struct ocu_parcel parcel;
	int poster, n;
};

static struct {
	struct ocu_outbox box;
	sem_t told;
} shared;

static void *post_all(void *arg)
{
	struct numbered *x = arg;
	int i;

	for (i = 0; i < POSTS; i++)
		if (ocu_outbox_put(&shared.box, &x[i].parcel))
			sem_post(&shared.told);
	return NULL;
}

/* Whoever takes all that there is each time that somebody had to tell misses nothing. */
static void outbox_of_many(void **state)
{
	struct numbered *all = calloc(POSTERS * POSTS, sizeof(*all)), *x;
	int next[POSTERS] = { 0 }, i, taken = 0;
	pthread_t threads[POSTERS];
	struct ocu_parcel *p;

	(void)state;
	assert_non_null(all);
	ocu_outbox_init(&shared.box);
	sem_init(&shared.told, 0, 0);
	for (i = 0; i < POSTERS * POSTS; i++)
		all[i] = (struct numbered){ { .kind = OCU_PARCEL_ANSWER }, i / POSTS, i % POSTS };
	for (i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &all[i * POSTS]), 0);
	while (taken < POSTERS * POSTS) {
		sem_wait(&shared.told);
		for (; (p = ocu_outbox_get(&shared.box, true)); taken++) {
			x = OCU_OWNER(p, struct numbered, parcel);
			assert_int_equal(x->n, next[x->poster]++);
		}
	}
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(ocu_outbox_get(&shared.box, true));
	ocu_outbox_fini(&shared.box);
	sem_destroy(&shared.told);
	free(all);
}

/* ---- what it costs ---- */

/* In the programs that a sanitizer watches; their allocator is another one. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* Returns what the process has allocated. */
static size_t allocated(void)
{
	struct mallinfo2 m;

	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

/* A hundred thousand certificates of a few CAs that an engine has taken in, and waits to ask for.
 * They share their X509s, which a host has anyway.
 */
static void cost(void **state)
{
	const struct ocu_engine_conf conf = host_conf();
	struct pki_id ids[COST_RESPONDERS];
	char url[64], path[64];
	uint8_t key[80] = { 0x30, 78 };
	size_t i, before, after;
	struct host *h;

	(void)state;
	for (i = 0; i < COST_RESPONDERS; i++) {
		snprintf(url, sizeof(url), "http://ocsp%zu.ca.example.org/intermediate/%zu", i, i);
		pki_cert_make(pki, &ids[i], &(struct pki_cert){ .must_staple = i % 2,
								.uris = { url } });
	}
	h = host_new(&conf);
	before = allocated();
	for (i = 0; i < COST_CERTS; i++) {
		memcpy(key + 70, &i, sizeof(i));
		snprintf(path, sizeof(path), "/etc/haproxy/certs/site-%zu.example.org.pem", i);
		if (ocu_engine_load(host_engine(h), key, sizeof(key), path,
				    ids[i % COST_RESPONDERS].cert, pki->by[PKI_BY_ISSUER].cert,
				    true, 0, NULL) != OCU_OK)
			fail_msg("%s", path);
	}
	ocu_engine_preload(host_engine(h));
	after = allocated();
	assert_int_equal(ocu_engine_missing(host_engine(h), false), COST_CERTS);
	print_message("%d certificates: %zu bytes each\n", COST_CERTS,
		      (after - before) / COST_CERTS);
	assert_true((after - before) / COST_CERTS <= COST_MAX_BYTES);
	host_free(h);
	assert_true(allocated() < before + (after - before) / 100);
	for (i = 0; i < COST_RESPONDERS; i++)
		pki_cert_fini(&ids[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris),
		cmocka_unit_test(longest_uri),
		cmocka_unit_test(many_uris),
		cmocka_unit_test(validators),
		cmocka_unit_test(table),
		cmocka_unit_test(issuers),
		cmocka_unit_test(walk),
		cmocka_unit_test(responders),
		cmocka_unit_test(spare_responders),
		cmocka_unit_test(outbox),
		cmocka_unit_test(outbox_of_many),
		cmocka_unit_test(cost),
	};
	int failed;

	pki = pki_new();
	failed = cmocka_run_group_tests_name("cert", tests, NULL, NULL);
	pki_free(pki);
	return failed;
}
