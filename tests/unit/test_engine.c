/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_engine.c - the engine as a host sees it: certificates come and go, responses are fetched
 * from a scripted responder, published, logged, saved and found again; and every end of it while
 * work is under way. A disk that hangs is this file's openat().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "ocu/rows.h"
#include "ocu/say.h"
#include "pki.h"
#include "responder.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 20000
#define MANY 120

static struct pki *pki;
static struct responder *responder, *other;

/* ---- a disk that hangs ---- */

static struct {
	atomic_bool armed;         /* the next file of a response is not opened */
	sem_t begun, resume;
} hang;

static void sem_await(sem_t *s)
{
	while (sem_wait(s) != 0)
		assert_int_equal(errno, EINTR);
}

static void hang_at_open(void)
{
	sem_init(&hang.begun, 0, 0);
	sem_init(&hang.resume, 0, 0);
	atomic_store(&hang.armed, true);
}

/* This program's definition comes before that of the C library, also for the code under test. */
int openat(int dir, const char *path, int flags, ...)
{
	int (*real)(int, const char *, int, ...) =
		(int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	size_t n = strlen(path);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (n > 5 && strcmp(path + n - 5, ".ocsp") == 0 && atomic_exchange(&hang.armed, false)) {
		sem_post(&hang.begun);
		sem_await(&hang.resume);
	}
	return real(dir, path, flags, mode);
}

/* ---- clocks that are set ---- */

static atomic_llong wall_s, monotonic_s; /* how far they are ahead */

int clock_gettime(clockid_t id, struct timespec *out)
{
	int (*real)(clockid_t, struct timespec *) =
		(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, out);

	if (id == CLOCK_REALTIME)
		out->tv_sec += atomic_load(&wall_s);
	else if (id == CLOCK_MONOTONIC)
		out->tv_sec += atomic_load(&monotonic_s);
	return rc;
}

/* ---- certificates and responders ---- */

/* Writes the URL of <segment> at <r> into <out>. */
static const char *url(char out[static 128], struct responder *r, const char *segment)
{
	snprintf(out, 128, "http://127.0.0.1:%u/%s/", responder_port(r), segment);
	return out;
}

/* Makes a certificate that names <responder> with <segment>, or nobody if that is NULL. */
static void cert_make(struct host_cert *c, const char *path, const char *segment)
{
	const char *uris[HOST_URIS_MAX] = { NULL };
	char text[128];

	if (segment)
		uris[0] = url(text, responder, segment);
	host_cert_make(c, pki, path, false, uris);
}

/* Makes a response of <c> from <begin> until <end>, relative to now, into *der. */
static size_t response_make(const struct host_cert *c, uint8_t **der, int64_t begin, int64_t end,
			    bool revoked)
{
	struct pki_response r = {
		.n_singles = 1,
		.singles[0] = {
			.cert = c->id.cert,
			.status = revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
			.this_update = pki->now + begin,
			.next_update = pki->now + end,
		},
	};

	return pki_response_make(pki, der, &r);
}

/* How often <responder> was asked about <c>. */
static unsigned asked(const struct host_cert *c)
{
	char what[80];

	snprintf(what, sizeof(what), "* %s", c->serial);
	return (unsigned)responder_count(responder, what);
}

static void await_asked(const struct host_cert *c, unsigned n)
{
	char what[80];

	snprintf(what, sizeof(what), "* %s", c->serial);
	assert_true(responder_wait(responder, what, n, PATIENCE_MS));
}

/* Waits until the engine has done all that was posted, and begun what was due then. */
static void barrier(struct host *h)
{
	free(host_ask(h, OCU_INQUIRY_TABLE, NULL));
	free(host_ask(h, OCU_INQUIRY_TABLE, NULL));
}

static void order(struct host *h, const struct host_cert *c)
{
	char *text = host_ask(h, OCU_INQUIRY_ORDER, c);

	assert_string_equal(text, "");
	free(text);
}

static void assert_says(struct host *h, const struct host_cert *c, const char *what)
{
	char *text = host_ask(h, OCU_INQUIRY_DETAIL, c);

	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
	free(text);
}

/* Asserts that what is stapled for <c> is good, or revoked, now. */
static void assert_stapled(struct host *h, const struct host_cert *c, bool revoked)
{
	struct ocu_ocsp o;
	uint8_t *der;
	size_t n = host_held(h, c, &der);

	assert_int_equal(ocu_ocsp_verify(&o, der, n, c->id.cert, c->issuer, ocu_wall_s(), NULL),
			 OCU_OK);
	assert_int_equal(o.revoked, revoked);
	free(der);
}

static struct host *started(void)
{
	struct ocu_engine_conf conf = host_conf();
	struct host *h = host_new(&conf);

	host_start(h);
	return h;
}

/* ---- from a certificate to a staple ---- */

static void stapled(void **state)
{
	struct ocu_engine_conf conf = host_conf();
	struct ocu_facts facts;
	struct host_cert c;
	struct host *h;
	char from[64];

	(void)state;
	cert_make(&c, "stapled.pem", "ok");
	h = host_new(&conf);
	assert_false(ocu_engine_runs(host_engine(h)));
	assert_int_equal(ocu_engine_load(host_engine(h), c.key, c.key_len, c.path, c.id.cert,
					 c.issuer, true, 0, &facts), OCU_OK);
	assert_int_equal(facts.n_uris, 1);
	assert_false(facts.names);
	assert_false(facts.must_staple);
	assert_null(facts.bad_uris);
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 1);
	assert_int_equal(ocu_engine_missing(host_engine(h), true), 0);
	host_start(h);
	assert_true(ocu_engine_runs(host_engine(h)));
	host_await(h, &c, 1);
	host_await_line(h, "<OCSP-UPDATE> stapled.pem 1 \"Update successful\" 0 1 \"good until 2",
			1);
	snprintf(from, sizeof(from), "Z, from 127.0.0.1:%u\"", responder_port(responder));
	assert_int_equal(host_lines(h, from), 1);
	assert_int_equal(host_lines(h, "N "), 1);
	assert_stapled(h, &c, false);
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	assert_int_equal(asked(&c), 1);
	host_free(h);
	host_cert_fini(&c);
}

/* What a certificate has besides a good URI. */
static void facts_are_told(void **state)
{
	static const char *const uris[HOST_URIS_MAX] = { "ftp://a.test/", "http://r.test/",
							 "ldap://b" };
	static const char *const none[HOST_URIS_MAX] = { NULL };
	struct ocu_facts facts;
	struct host_cert c, bare;
	struct host *h = started();

	(void)state;
	host_cert_make(&c, pki, "facts.pem", true, uris);
	host_cert_make(&bare, pki, "bare.pem", false, none);
	assert_int_equal(ocu_engine_load(host_engine(h), c.key, c.key_len, c.path, c.id.cert,
					 c.issuer, false, 0, &facts), OCU_OK);
	assert_int_equal(facts.n_uris, 1);
	assert_true(facts.names);
	assert_true(facts.must_staple);
	assert_string_equal(facts.bad_uris,
			    "'ftp://a.test/': URL is neither http:// nor https://, "
			    "'ldap://b': URL is neither http:// nor https://");
	free(facts.bad_uris);
	assert_int_equal(ocu_engine_load(host_engine(h), bare.key, bare.key_len, bare.path,
					 bare.id.cert, bare.issuer, true, 0, &facts), OCU_OK);
	assert_int_equal(facts.n_uris, 0);
	assert_null(facts.bad_uris);
	/* Nobody misses what cannot be had. */
	barrier(h);
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	host_free(h);
	host_cert_fini(&c);
	host_cert_fini(&bare);
}

/* Known certificates are found by their CertID; what was once automatic stays so. */
static void loaded_twice(void **state)
{
	struct host *h = started();
	struct host_cert c;

	(void)state;
	cert_make(&c, "twice.pem", "ok");
	host_load(h, &c, false);
	assert_says(h, &c, "Automatic updates: off");
	assert_says(h, &c, "State: not scheduled");
	assert_says(h, &c, "Next update: -");
	host_load(h, &c, true);
	host_await(h, &c, 1);
	host_load(h, &c, false);
	assert_says(h, &c, "Automatic updates: on");
	assert_int_equal(asked(&c), 1);
	host_free(h);
	host_cert_fini(&c);
}

/* ---- unloading ---- */

/* In the middle of a fetch; it comes back afterwards, as a new one. */
static void unloaded_in_flight(void **state)
{
	struct host *h = started();
	struct host_cert c;
	char *text;

	(void)state;
	cert_make(&c, "unloaded.pem", "hold-ok");
	host_load(h, &c, true);
	await_asked(&c, 1);
	assert_says(h, &c, "State: being fetched");
	host_unload(h, &c);
	text = host_ask(h, OCU_INQUIRY_DETAIL, &c);
	assert_non_null(strstr(text, "This certificate is not updated: it was removed"));
	free(text);
	assert_true(responder_wait_idle(responder, PATIENCE_MS));
	responder_release(responder);
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	host_load(h, &c, true);
	await_asked(&c, 2);
	responder_release(responder);
	host_await(h, &c, 1);
	assert_int_equal(host_staples(h, &c), 1);
	/* The one that was given up is no failure. */
	host_await_line(h, "\"Update successful\" 0 1 ", 1);
	host_free(h);
	host_cert_fini(&c);
}

/* Loaded anew while the first one is still being given up. */
static void replaced_in_flight(void **state)
{
	struct host *h = started();
	struct host_cert c;
	int i;

	(void)state;
	cert_make(&c, "replaced.pem", "hold-ok");
	for (i = 1; i <= 5; i++) {
		host_load(h, &c, true);
		await_asked(&c, i);
		host_unload(h, &c);
	}
	host_unload(h, &c); /* there is none */
	host_load(h, &c, true);
	await_asked(&c, 6);
	responder_release(responder);
	host_await(h, &c, 1);
	host_free(h);
	host_cert_fini(&c);
}

/* ---- orders ---- */

static void ordered(void **state)
{
	static const char *const bad[HOST_URIS_MAX] = { "ftp://a.test/" };
	struct host_cert c, unusable, bare, unknown;
	struct host *h = started();
	char *text;

	(void)state;
	cert_make(&c, "ordered.pem", "hold-ok");
	cert_make(&bare, "bare.pem", NULL);
	cert_make(&unknown, "unknown.pem", "ok");
	host_cert_make(&unusable, pki, "unusable.pem", false, bad);
	host_load(h, &c, false);
	host_load(h, &unusable, true);
	host_load(h, &bare, true);
	barrier(h);
	assert_int_equal(asked(&c), 0);
	order(h, &c);
	await_asked(&c, 1);
	order(h, &c); /* it is on its way */
	responder_release(responder);
	host_await(h, &c, 1);
	host_await_line(h, "ordered.pem 1 ", 1);
	assert_int_equal(asked(&c), 1);
	assert_says(h, &c, "State: not scheduled");

	text = host_ask(h, OCU_INQUIRY_ORDER, &bare);
	assert_string_equal(text, "No usable OCSP URI in the certificate.\n");
	free(text);
	text = host_ask(h, OCU_INQUIRY_ORDER, &unusable);
	assert_string_equal(text, "No usable OCSP URI in the certificate: 'ftp://a.test/': URL is "
				  "neither http:// nor https://.\n");
	free(text);
	text = host_ask(h, OCU_INQUIRY_ORDER, &unknown);
	assert_string_equal(text, "This certificate is not updated: it was removed, or there was "
				  "no memory for it.\n");
	free(text);
	host_free(h);
	host_cert_fini(&c);
	host_cert_fini(&bare);
	host_cert_fini(&unusable);
	host_cert_fini(&unknown);
}

/* ---- what the host holds ---- */

/* Another response is set while one is on its way to the host. */
static void set_meanwhile(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der, *held;
	size_t n, n_held;

	(void)state;
	cert_make(&c, "meanwhile.pem", "ok");
	n = response_make(&c, &der, -7200, 2 * PKI_DAY_S, false);
	host_keep(h);
	host_load(h, &c, true);
	host_await_kept(h, 1);
	host_set(h, &c, der, n, false);
	host_give_back(h);
	host_await_line(h, "N meanwhile.pem: not stapled: another response was set meanwhile", 1);
	assert_int_equal(host_staples(h, &c), 0);
	n_held = host_held(h, &c, &held);
	assert_int_equal(n_held, n);
	assert_memory_equal(held, der, n);
	free(held);
	/* The next one is taken. */
	order(h, &c);
	host_await(h, &c, 1);
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* It is removed and added again while a response is on its way to the host: that one is not for the
 * new one, however little the engine has heard of it by then.
 */
static void added_again_meanwhile(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der, *held;
	size_t n, n_held;

	(void)state;
	cert_make(&c, "again.pem", "ok");
	n = response_make(&c, &der, -60, 2 * PKI_DAY_S, false);
	host_keep(h);
	host_load(h, &c, true);
	host_await_kept(h, 1);
	host_unload(h, &c);
	host_load(h, &c, false);
	host_set(h, &c, der, n, true);
	host_give_back(h);
	barrier(h);
	assert_int_equal(host_staples(h, &c), 0);
	n_held = host_held(h, &c, &held);
	assert_int_equal(n_held, n);
	assert_memory_equal(held, der, n);
	free(held);
	/* What is fetched for another one that holds nothing is for that. */
	host_unload(h, &c);
	host_load(h, &c, true);
	host_await(h, &c, 1);
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* Nothing is held then, as before; it is tried again, but not at once. */
static void refused_by_host(void **state)
{
	struct host *h = started();
	struct host_cert c;

	(void)state;
	cert_make(&c, "refused.pem", "etag");
	host_refuse(h, OCU_NOMEM);
	host_load(h, &c, true);
	host_await_line(h, "N refused.pem: not stapled: out of memory", 1);
	barrier(h);
	assert_says(h, &c, "Response: none");
	assert_says(h, &c, "State: waits after a failure");
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 1);
	assert_int_equal(asked(&c), 1);
	host_refuse(h, OCU_OK);
	order(h, &c);
	host_await(h, &c, 1);
	barrier(h);
	assert_says(h, &c, "Response: good");
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	host_free(h);
	host_cert_fini(&c);
}

/* Asserts that the engine believes what is stapled for <c> to begin at <begin>, relative to now. */
static void assert_believes(struct host *h, const struct host_cert *c, int64_t begin)
{
	char date[OCU_SAY_DATE_BYTES], text[128];

	ocu_say_date(date, pki->now + begin);
	snprintf(text, sizeof(text), "\nThis update of the response: %s\n", date);
	assert_says(h, c, text);
}

/* The host goes on stapling what it had, and the refused one, or one that is the same but for its
 * signature, is asked for as a whole when its time has come.
 */
static void refused_beside_held(void **state)
{
	struct responder_stats before, after;
	struct host *h = started();
	struct host_cert c;
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&c, "refused.pem", "etag");
	n = response_make(&c, &der, -7200, 2 * PKI_DAY_S, false);
	host_load(h, &c, false);
	host_set(h, &c, der, n, false);
	host_refuse(h, OCU_NOMEM);
	order(h, &c);
	host_await_line(h, "N refused.pem: not stapled: out of memory", 1);
	barrier(h);
	assert_believes(h, &c, -7200);
	host_refuse(h, OCU_OK);
	responder_stats(responder, &before);
	order(h, &c);
	host_await(h, &c, 1);
	responder_stats(responder, &after);
	assert_int_equal(after.conditional, before.conditional);
	barrier(h);
	assert_says(h, &c, "Successes: 2");
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* So it is if the host staples another one that is good for long. */
static void refused_beside_good(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&c, "refused.pem", "ok");
	n = response_make(&c, &der, -7200, 2 * PKI_DAY_S, false);
	host_load(h, &c, false);
	host_set(h, &c, der, n, false);
	host_load(h, &c, true);
	host_refuse(h, OCU_NOMEM);
	order(h, &c);
	host_await_line(h, "N refused.pem: not stapled: out of memory", 1);
	barrier(h);
	assert_believes(h, &c, -7200);
	assert_says(h, &c, "State: waits after a failure");
	assert_says(h, &c, "Failures in a row: 1");
	assert_says(h, &c, "Last result: 5 (Error during insertion)\n"
			   "Reason: not stapled: out of memory\n");
	host_refuse(h, OCU_OK);
	order(h, &c);
	host_await(h, &c, 1);
	barrier(h);
	assert_says(h, &c, "Last result: 1 (Update successful)\n");
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* Two are on their way at once, and both are refused: neither is held. */
static void refused_twice(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&c, "refused.pem", "ok");
	n = response_make(&c, &der, -7200, 2 * PKI_DAY_S, false);
	host_load(h, &c, false);
	host_set(h, &c, der, n, false);
	host_keep(h);
	order(h, &c);
	host_await_kept(h, 1);
	barrier(h);
	order(h, &c);
	host_await_kept(h, 2);
	host_refuse(h, OCU_NOMEM);
	host_give_back(h);
	barrier(h);
	assert_int_equal(host_lines(h, "not stapled: out of memory"), 2);
	assert_believes(h, &c, -7200);
	host_refuse(h, OCU_OK);
	order(h, &c);
	host_await(h, &c, 1);
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* Lets the next request about <c> be answered as <segment>. */
static void play_once(const struct host_cert *c, const char *segment)
{
	responder_play(responder, &(struct responder_play){ .segment = segment, .first = 1,
							    .serial = c->serial });
}

/* Another response is set while a request that named the validators of the one before is under way;
 * it has to be made once more.
 */
static void set_while_conditional(void **state)
{
	struct responder_stats before, after;
	struct host *h = started();
	struct host_cert c;
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&c, "conditional.pem", "etag");
	n = response_make(&c, &der, -60, 2 * PKI_DAY_S, false);
	host_load(h, &c, true);
	host_await_line(h, "conditional.pem 1 ", 1);
	responder_stats(responder, &before);
	play_once(&c, "hold-gzip");
	order(h, &c);
	await_asked(&c, 2);
	host_set(h, &c, der, n, false);
	barrier(h);
	responder_release(responder);
	host_await_line(h, "conditional.pem 1 \"Update successful\" 0 2 \"not modified, good", 1);
	responder_stats(responder, &after);
	assert_int_equal(after.conditional, before.conditional + 2);
	assert_int_equal(after.not_modified, before.not_modified + 1);
	/* There is none for the one that was set. */
	order(h, &c);
	host_await_line(h, "conditional.pem 1 \"Update successful\" 0 3 ", 1);
	responder_stats(responder, &before);
	assert_int_equal(after.conditional, before.conditional);
	responder_play(responder, NULL);
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

/* A newer response is set while one is being fetched. */
static void set_newer(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der, *held;
	size_t n, n_held;

	(void)state;
	cert_make(&c, "newer.pem", "hold-ok");
	n = response_make(&c, &der, -60, 2 * PKI_DAY_S, false);
	host_load(h, &c, true);
	await_asked(&c, 1);
	host_set(h, &c, der, n, false);
	barrier(h);
	responder_release(responder);
	host_await_line(h, "newer.pem 1 \"Update successful\" 0 1 \"unchanged, good until 2", 1);
	barrier(h);
	assert_int_equal(host_staples(h, &c), 0);
	n_held = host_held(h, &c, &held);
	assert_int_equal(n_held, n);
	assert_memory_equal(held, der, n);
	host_free(h);
	host_cert_fini(&c);
	free(der);
	free(held);
}

/* Lets <c> be refused with 503 once, after which it waits for the next turn of its try. */
static void tried_in_vain(struct host *h, const struct host_cert *c)
{
	char *text;

	host_load(h, c, true);
	await_asked(c, 1);
	/* Nothing tells when the answer has been read. */
	while (!(text = host_ask(h, OCU_INQUIRY_DETAIL, c), strstr(text, "State: waits for its")))
		free(text);
	free(text);
	assert_int_equal(host_lines(h, "<OCSP-UPDATE>"), 0);
}

/* What a try has seen is told, also if it ends because a response is set or the certificate has
 * expired.
 */
static void broken_off(void **state)
{
	struct host_cert set, ends;
	struct host *h = started();
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&set, "set.pem", "status-503");
	n = response_make(&set, &der, -60, 2 * PKI_DAY_S, false);
	tried_in_vain(h, &set);
	host_set(h, &set, der, n, false);
	host_await_line(h, "N <OCSP-UPDATE> set.pem 2 \"HTTP error\" 1 0 \"127.0.0.1:", 1);
	assert_int_equal(host_lines(h, ": status 503\""), 1);
	assert_says(h, &set, "Failures: 1\nFailures in a row: 0");
	assert_says(h, &set, "State: scheduled");
	/* Nothing was seen since. */
	host_set(h, &set, der, n, false);
	barrier(h);
	assert_int_equal(host_lines(h, "<OCSP-UPDATE>"), 1);
	host_free(h);

	h = started();
	cert_make(&ends, "ends.pem", "status-503");
	tried_in_vain(h, &ends);
	atomic_store(&wall_s, 50 * 365 * PKI_DAY_S);
	atomic_fetch_add(&monotonic_s, 120);
	host_await_line(h, "N <OCSP-UPDATE> ends.pem 2 \"HTTP error\" 1 0 \"127.0.0.1:", 1);
	barrier(h);
	assert_int_equal(asked(&ends), 1);
	atomic_store(&wall_s, 0);
	host_free(h);
	host_cert_fini(&set);
	host_cert_fini(&ends);
	free(der);
}

/* What is held is taken away while a responder is asked whether it is current. */
static void taken_away(void **state)
{
	struct host *h = started();
	struct host_cert c;

	(void)state;
	cert_make(&c, "away.pem", "etag");
	host_load(h, &c, true);
	host_await_line(h, "away.pem 1 ", 1);
	play_once(&c, "hold-etag");
	order(h, &c);
	await_asked(&c, 2);
	host_set(h, &c, NULL, 0, false);
	barrier(h);
	responder_release(responder);
	host_await(h, &c, 2);
	host_await_line(h, "away.pem 1 \"Update successful\" 0 2 \"good until 2", 1);
	assert_int_equal(asked(&c), 3);
	assert_int_equal(host_lines(h, "away.pem"), 2);
	responder_play(responder, NULL);
	host_free(h);
	host_cert_fini(&c);
}

/* What is held already is not fetched before its time. */
static void held_before(void **state)
{
	struct host *h = started();
	struct host_cert c;
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&c, "before.pem", "ok");
	n = response_make(&c, &der, -60, 7 * PKI_DAY_S, false);
	host_load(h, &c, false);
	host_set(h, &c, der, n, true);
	host_load(h, &c, true);
	barrier(h);
	assert_says(h, &c, "State: scheduled");
	assert_says(h, &c, "Response: good");
	assert_int_equal(asked(&c), 0);
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	/* It is set to nothing, and to something that is no response. */
	host_set(h, &c, NULL, 0, false);
	host_await(h, &c, 1);
	host_set(h, &c, (const uint8_t *)"no", 2, false);
	host_await(h, &c, 2);
	/* What concerns nobody is ignored. */
	host_unload(h, &c);
	host_set(h, &c, der, n, false);
	barrier(h);
	host_free(h);
	host_cert_fini(&c);
	free(der);
}

static void find(struct host *h, const struct host_cert *c, int64_t begin, bool bad)
{
	uint8_t *der;
	size_t n = response_make(c, &der, begin, 7 * PKI_DAY_S, bad);

	assert_int_equal(ocu_engine_found(host_engine(h), c->key, c->key_len, der, n), OCU_OK);
	free(der);
}

/* What another process has found before the start is not asked for, nor said again. */
static void found_before(void **state)
{
	struct ocu_engine_conf conf = host_conf();
	struct host *h = host_new(&conf);
	struct host_cert c, bad;

	(void)state;
	cert_make(&c, "found.pem", "ok");
	cert_make(&bad, "bad.pem", "revoked");
	host_load(h, &c, true);
	host_load(h, &bad, true);
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_dir(host_engine(h)), -1);
	find(h, &c, -PKI_DAY_S, false);
	find(h, &bad, -60, true);
	host_start(h);
	barrier(h);
	assert_says(h, &c, "State: scheduled");
	assert_says(h, &c, "Response: good");
	assert_says(h, &bad, "Response: revoked");
	/* an older one is no news */
	find(h, &c, -2 * PKI_DAY_S, true);
	barrier(h);
	assert_says(h, &c, "Response: good");
	assert_int_equal(asked(&c) + asked(&bad), 0);
	assert_int_equal(host_lines(h, "REVOKED"), 0);
	/* it was no change by others, which would stand in the way of what is fetched next */
	order(h, &c);
	host_await(h, &c, 1);
	host_free(h);
	host_cert_fini(&c);
	host_cert_fini(&bad);
}

/* The first sight of "revoked" is an alert, wherever it comes from. */
static void revoked(void **state)
{
	struct host_cert fetched, set, file;
	struct host *h = started();
	uint8_t *der;
	size_t n;

	(void)state;
	cert_make(&fetched, "fetched.pem", "revoked");
	cert_make(&set, "set.pem", NULL);
	cert_make(&file, "file.pem", NULL);
	host_load(h, &fetched, true);
	host_await(h, &fetched, 1);
	host_await_line(h, "A <OCSP-UPDATE> fetched.pem 1 \"Update successful\" 0 1 \"certificate "
			   "is REVOKED: revoked until 2", 1);
	assert_stapled(h, &fetched, true);
	assert_says(h, &fetched, "Response: revoked");
	order(h, &fetched);
	host_await_line(h, "N <OCSP-UPDATE> fetched.pem 1 \"Update successful\" 0 2 ", 1);

	host_load(h, &set, true);
	n = response_make(&set, &der, -60, PKI_DAY_S, true);
	host_set(h, &set, der, n, false);
	host_await_line(h, "A set.pem: certificate is REVOKED, says the response that was set", 1);
	host_set(h, &set, der, n, false);
	free(der);
	host_load(h, &file, true);
	n = response_make(&file, &der, -60, PKI_DAY_S, true);
	host_set(h, &file, der, n, true);
	host_await_line(h, "W file.pem: " OCU_SAY_REVOKED, 1);
	free(der);
	barrier(h);
	assert_int_equal(host_lines(h, "REVOKED"), 3);
	host_free(h);
	host_cert_fini(&fetched);
	host_cert_fini(&set);
	host_cert_fini(&file);
}

/* A renewed CA certificate takes the place of the old one, also in mid-fetch. */
static void issuer_renewed(void **state)
{
	X509 *was = pki->by[PKI_BY_ISSUER].cert, *renewed = X509_dup(was);
	struct host *h = started();
	struct host_cert c;

	(void)state;
	assert_non_null(renewed);
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(renewed), 3000L * PKI_DAY_S));
	cert_make(&c, "renewed.pem", "hold-ok");
	host_load(h, &c, true);
	await_asked(&c, 1);
	c.issuer = renewed;
	host_load(h, &c, true);
	/* The older one does not come back. */
	c.issuer = was;
	host_load(h, &c, true);
	barrier(h);
	responder_release(responder);
	host_await(h, &c, 1);
	order(h, &c);
	await_asked(&c, 2);
	X509_free(renewed);
	responder_release(responder);
	host_await(h, &c, 2);
	host_free(h);
	host_cert_fini(&c);
}

/* ---- what is said unasked ---- */

/* A response of a must-staple certificate that nobody renews is about to end. */
static void about_to_end(void **state)
{
	static const char *const none[HOST_URIS_MAX] = { NULL };
	struct host *h = started();
	struct host_cert c, other_one;
	uint8_t *der;
	size_t n;

	(void)state;
	host_cert_make(&c, pki, "ending.pem", true, none);
	cert_make(&other_one, "other.pem", "ok");
	n = response_make(&c, &der, -3600, 3600, false);
	host_load(h, &c, true);
	host_set(h, &c, der, n, true);
	/* It is looked at whenever an update is over. */
	host_load(h, &other_one, true);
	host_await_line(h, "A <OCSP-UPDATE> ending.pem: must-staple, and its OCSP response ends in "
			   "5", 1);
	host_free(h);
	host_cert_fini(&c);
	host_cert_fini(&other_one);
	free(der);
}

/* Half a minute after the start. */
static void summary(void **state)
{
	struct host *h = started();
	struct host_cert a, b;

	(void)state;
	cert_make(&a, "a.pem", "status-403");
	cert_make(&b, "b.pem", "hold-ok");
	host_load(h, &a, true);
	host_await_line(h, "a.pem 2 ", 1);
	atomic_fetch_add(&monotonic_s, 31);
	barrier(h);
	host_await_line(h, "W <OCSP-UPDATE> 1 certificate is still without an OCSP response: "
			   "a.pem: 127.0.0.1:", 1);
	host_stop(h);
	host_load(h, &b, true);
	host_start(h);
	barrier(h);
	atomic_fetch_add(&monotonic_s, 31);
	barrier(h);
	host_await_line(h, "W <OCSP-UPDATE> 2 certificates are still without an OCSP response: ",
			1);
	responder_release(responder);
	host_free(h);
	host_cert_fini(&a);
	host_cert_fini(&b);
}

/* ---- several URIs, redirects ---- */

/* The first URI is of no use, each time in another way; nothing is known of its responder yet. */
static void second_uri(void **state)
{
	static const struct {
		const char *segment;
		unsigned requests;         /* GET, and POST where a GET may be what is wrong */
	} first[] = {
		{ "status-500", 2 }, { "close", 2 }, { "unknown", 1 }, { "redirect-port", 1 },
	};
	char a[128], b[128];
	struct host_cert c;
	struct host *h;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(first); i++) {
		const char *uris[HOST_URIS_MAX] = { url(a, responder, first[i].segment),
						    url(b, other, "ok") };

		h = started();
		host_cert_make(&c, pki, "second.pem", false, uris);
		host_load(h, &c, true);
		host_await(h, &c, 1);
		host_await_line(h, "second.pem 1 \"Update successful\" 0 1 ", 1);
		assert_says(h, &c, "URI asked: http://127.0.0.1:");
		assert_says(h, &c, "Attempt: http://127.0.0.1:");
		assert_int_equal(asked(&c), first[i].requests);
		host_free(h);
		host_cert_fini(&c);
	}
}

/* Nobody answers at the first URI. */
static void first_is_refused(void **state)
{
	char a[128], b[128];
	const char *uris[HOST_URIS_MAX] = { url(a, other, "ok"), url(b, responder, "ok") };
	struct host *h = started();
	struct host_cert c;

	(void)state;
	responder_mode_set(other, false, RESPONDER_REFUSE);
	host_cert_make(&c, pki, "first.pem", false, uris);
	host_load(h, &c, true);
	host_await(h, &c, 1);
	host_await_line(h, "first.pem 1 ", 1);
	assert_says(h, &c, "Connection refused");
	responder_mode_set(other, false, RESPONDER_LISTEN);
	host_free(h);
	host_cert_fini(&c);
}

/* A certificate that has failed at its first URI waits for the second one, whose responder goes
 * down: that is a failure, which is told; and what was seen in that try does not belong to the
 * next one.
 */
static void lost_while_waiting(void **state)
{
	char a[128], b[128], d[128], line[160], *text, *p;
	const char *uris[HOST_URIS_MAX] = { url(a, responder, "status-500"), url(b, other, "ok") };
	const char *busy[HOST_URIS_MAX] = { url(d, other, "hold-ok") };
	struct host_cert waits, flies;
	struct host *h = started();
	unsigned n = 0;

	(void)state;
	host_cert_make(&waits, pki, "waits.pem", false, uris);
	host_cert_make(&flies, pki, "flies.pem", false, busy);
	host_load(h, &flies, true);
	assert_true(responder_wait(other, "hold-ok", 1, PATIENCE_MS));
	host_load(h, &waits, true);
	await_asked(&waits, 2);
	/* Nothing tells when the second answer has been read. */
	while (!(text = host_ask(h, OCU_INQUIRY_DETAIL, &waits), strstr(text, "State: due")))
		free(text);
	free(text);
	responder_mode_set(other, false, RESPONDER_REFUSE);
	responder_drop(other);
	host_await_line(h, "flies.pem 2 ", 1);
	snprintf(line, sizeof(line), "N <OCSP-UPDATE> waits.pem 2 \"HTTP error\" 1 0 "
		 "\"127.0.0.1:%u: nobody can be asked here now, and nobody else is left\"",
		 responder_port(other));
	host_await_line(h, line, 1);
	assert_says(h, &waits, "Failures in a row: 1");
	assert_says(h, &waits, "Attempt: http://127.0.0.1:");
	assert_says(h, &waits, "status 500");
	order(h, &waits);
	host_await_line(h, "waits.pem 2 ", 2);
	text = host_ask(h, OCU_INQUIRY_DETAIL, &waits);
	for (p = text; (p = strstr(p, "Attempt: ")); p++)
		n++;
	/* GET, POST, and the second URI */
	assert_int_equal(n, 3);
	free(text);
	responder_mode_set(other, false, RESPONDER_LISTEN);
	host_free(h);
	host_cert_fini(&waits);
	host_cert_fini(&flies);
}

/* There is one connection to the responder, and a request hangs on it: it makes room for another
 * one, and is made again after that, which is no failure.
 */
static void one_that_hangs_makes_room(void **state)
{
	struct ocu_engine_conf conf = host_conf();
	struct host_cert first, hangs, waits;
	struct host *h;

	(void)state;
	conf.plan.host_maxconn = 1;
	h = host_new(&conf);
	host_start(h);
	cert_make(&first, "first.pem", "ok");
	cert_make(&hangs, "hangs.pem", "hold-ok");
	cert_make(&waits, "waits.pem", "ok");
	host_load(h, &first, true);
	host_await(h, &first, 1);
	host_load(h, &hangs, true);
	await_asked(&hangs, 1);
	host_load(h, &waits, true);
	host_await(h, &waits, 1);
	await_asked(&hangs, 2);
	assert_int_equal(host_staples(h, &hangs), 0);
	assert_says(h, &hangs, "Failures in a row: 0");
	responder_release(responder);
	host_await(h, &hangs, 1);
	host_await_line(h, "hangs.pem 1 \"Update successful\" 0 1 ", 1);
	host_free(h);
	host_cert_fini(&first);
	host_cert_fini(&hangs);
	host_cert_fini(&waits);
}

static void redirected(void **state)
{
	static const struct {
		const char *segment, *why; /* why: NULL: it works */
		unsigned requests;
	} rows[] = {
		{ "redirect", NULL, 2 },
		{ "chain-3", NULL, 4 },
		{ "chain-4", "too many redirects", 4 },
		{ "loop", "too many redirects", 4 },
		{ "redirect-revoked", NULL, 2 },
		{ "redirect-status-403", "status 403", 2 },
		{ "redirect-port", "127.0.0.1:1: Connection refused", 1 },
		{ "redirect-none", "redirect without a Location", 1 },
	};
	struct host *h = started();
	char path[32], line[64];
	struct host_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		snprintf(path, sizeof(path), "redirect-%zu.pem", i);
		cert_make(&c, path, rows[i].segment);
		host_load(h, &c, false);
		order(h, &c);
		snprintf(line, sizeof(line), "<OCSP-UPDATE> %s ", path);
		host_await_line(h, line, 1);
		if (rows[i].why) {
			snprintf(line, sizeof(line), "%s 2 \"HTTP error\" 1 0 ", path);
			assert_int_equal(host_lines(h, line), 1);
			if (!strstr(host_line(h, line), rows[i].why))
				fail_msg("%s: %s", rows[i].why, host_line(h, line));
		} else {
			host_await(h, &c, 1);
		}
		assert_int_equal(asked(&c), rows[i].requests);
		host_unload(h, &c);
		host_cert_fini(&c);
	}
	host_free(h);
}

/* Whom it is redirected to is known to be down. */
static void redirected_in_vain(void **state)
{
	struct host *h = started();
	struct host_cert a, b;

	(void)state;
	cert_make(&a, "finds-out.pem", "redirect-port");
	cert_make(&b, "knows.pem", "redirect-port");
	host_load(h, &a, true);
	host_await_line(h, "<OCSP-UPDATE> finds-out.pem 2 \"HTTP error\" 1 0 \"127.0.0.1:1: "
			   "Connection refused\"", 1);
	host_load(h, &b, true);
	host_await_line(h, "<OCSP-UPDATE> knows.pem ", 1);
	assert_string_equal(host_line(h, "knows.pem"),
			    "N <OCSP-UPDATE> knows.pem 2 \"HTTP error\" 1 0 \"127.0.0.1:1: "
			    "redirected here, and nobody can be asked here now\"");
	assert_says(h, &b, "Last success: -");
	host_free(h);
	host_cert_fini(&a);
	host_cert_fini(&b);
}

/* ---- start, stop, pause ---- */

/* What was in flight at a stop is as if it had not begun. */
static void restarted(void **state)
{
	struct host *h = started();
	struct host_cert c;
	struct ocu_err err;
	int i;

	(void)state;
	cert_make(&c, "restarted.pem", "hold-ok");
	host_load(h, &c, true);
	for (i = 1; i <= 3; i++) {
		await_asked(&c, i);
		host_stop(h);
		assert_false(ocu_engine_runs(host_engine(h)));
		ocu_engine_stop(host_engine(h)); /* does nothing */
		host_start(h);
	}
	await_asked(&c, 4);
	responder_release(responder);
	host_await(h, &c, 1);
	host_await_line(h, "restarted.pem 1 \"Update successful\" 0 1 ", 1);
	/* Twice is not possible, and changes nothing. */
	assert_int_equal(ocu_engine_start(host_engine(h), &err), OCU_IO);
	assert_string_equal(err.msg, "they run already");
	assert_true(ocu_engine_runs(host_engine(h)));
	order(h, &c);
	await_asked(&c, 5);
	responder_release(responder);
	host_await_line(h, "restarted.pem 1 \"Update successful\" 0 2 ", 1);
	host_free(h);
	host_cert_fini(&c);
}

static void paused(void **state)
{
	struct host *h = started();
	struct host_cert a, b;

	(void)state;
	cert_make(&a, "a.pem", "hold-ok");
	cert_make(&b, "b.pem", "ok");
	host_load(h, &a, true);
	await_asked(&a, 1);
	ocu_engine_pause(host_engine(h));
	host_load(h, &b, true);
	order(h, &b);
	barrier(h);
	/* What was under way goes on. */
	responder_release(responder);
	host_await(h, &a, 1);
	barrier(h);
	assert_int_equal(asked(&b), 0);
	assert_says(h, &b, "State: due");
	host_free(h);
	host_cert_fini(&a);
	host_cert_fini(&b);
}

/* Everything is under way: fetches, a listing, publications that the host has not taken. */
static void freed_in_the_middle(void **state)
{
	struct host_cert flies, published, held;
	struct host *h = started();
	struct host_ask asks[3];
	uint8_t *der;
	size_t i, n;

	(void)state;
	cert_make(&flies, "flies.pem", "hold-ok");
	cert_make(&published, "published.pem", "ok");
	cert_make(&held, "held.pem", "ok");
	n = response_make(&held, &der, -60, PKI_DAY_S, false);
	host_load(h, &flies, true);
	await_asked(&flies, 1);
	barrier(h);
	host_deaf(h);
	host_load(h, &published, true);
	host_await_woken(h);
	host_load(h, &held, true);
	host_set(h, &held, der, n, false);
	for (i = 0; i < COUNT(asks); i++)
		host_ask_init(&asks[i], h, (enum ocu_inquiry_kind)i, i == 2 ? &flies : NULL);
	ocu_engine_inquire(host_engine(h), &asks[0].inquiry);
	ocu_engine_inquire(host_engine(h), &asks[1].inquiry);
	ocu_engine_stop(host_engine(h));
	ocu_engine_inquire(host_engine(h), &asks[2].inquiry);
	host_load(h, &held, true);
	host_unload(h, &published);
	host_free(h);
	/* The engine handed all of it over at its end. */
	for (i = 0; i < COUNT(asks); i++) {
		assert_true(asks[i].answered);
		assert_true(asks[i].inquiry.end);
		host_ask_fini(&asks[i]);
	}
	responder_release(responder);
	host_cert_fini(&flies);
	host_cert_fini(&published);
	host_cert_fini(&held);
	free(der);
}

/* A process that finds an error in its configuration frees what it never configured. */
static void never_configured(void **state)
{
	struct host *h = host_new(NULL);
	struct host_cert c;

	(void)state;
	cert_make(&c, "never.pem", "ok");
	host_load(h, &c, true);
	host_set(h, &c, (const uint8_t *)"", 0, true);
	host_unload(h, &c);
	host_free(h);
	ocu_engine_free(NULL);
	host_cert_fini(&c);
}

/* The host has a publication when the engine stops, and gives it back before it is freed. */
static void given_back_late(void **state)
{
	struct host *h = started();
	struct host_cert c;

	(void)state;
	cert_make(&c, "late.pem", "ok");
	host_keep(h);
	host_load(h, &c, true);
	host_await_kept(h, 1);
	host_unload(h, &c);
	host_stop(h);
	host_free(h);
	host_cert_fini(&c);
}

/* ---- inquiries ---- */

/* Reads one JSON value at *p, which moves on; false if there is none. */
static bool json_value(const char **p);

static void json_blank(const char **p)
{
	while (**p == ' ' || **p == '\n')
		++*p;
}

static bool json_string(const char **p)
{
	if (*(*p)++ != '"')
		return false;
	for (; **p != '"'; ++*p) {
		if ((unsigned char)**p < ' ')
			return false;
		if (**p != '\\')
			continue;
		if ((*p)[1] != 'u' || strspn(*p + 2, "0123456789abcdefABCDEF") < 4)
			return false;
		*p += 5;
	}
	++*p;
	return true;
}

/* What stands between brackets, <named> with names. */
static bool json_list(const char **p, char end, bool named)
{
	++*p;
	json_blank(p);
	if (**p == end) {
		++*p;
		return true;
	}
	for (;;) {
		json_blank(p);
		if (named && (!json_string(p) || *(*p)++ != ':'))
			return false;
		if (!json_value(p))
			return false;
		json_blank(p);
		if (**p == end) {
			++*p;
			return true;
		}
		if (*(*p)++ != ',')
			return false;
	}
}

static bool json_word(const char **p)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i, n;

	for (i = 0; i < COUNT(words); i++) {
		n = strlen(words[i]);
		if (strncmp(*p, words[i], n) == 0) {
			*p += n;
			return true;
		}
	}
	n = **p == '-';
	n += strspn(*p + n, "0123456789");
	*p += n;
	return n > 0;
}

static bool json_value(const char **p)
{
	json_blank(p);
	if (**p == '{')
		return json_list(p, '}', true);
	if (**p == '[')
		return json_list(p, ']', false);
	return **p == '"' ? json_string(p) : json_word(p);
}

static void assert_json(const char *text)
{
	const char *p = text;

	if (!json_value(&p))
		fail_msg("no JSON at: %.80s", p);
	json_blank(&p);
	assert_string_equal(p, "");
}

/* Counts <c> in <text>. */
static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* More certificates than one piece has room for; the response of all is held already. */
static void many_make(struct host *h, struct host_cert *cs)
{
	char path[64];
	uint8_t *der;
	size_t i, n;

	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "many-%03zu \"quoted\\.pem", i);
		cert_make(&cs[i], path, "ok");
		n = response_make(&cs[i], &der, -60, 7 * PKI_DAY_S, false);
		host_load(h, &cs[i], false);
		host_set(h, &cs[i], der, n, true);
		host_load(h, &cs[i], true);
		free(der);
	}
}

static void many_fini(struct host_cert *cs)
{
	size_t i;

	for (i = 0; i < MANY; i++)
		host_cert_fini(&cs[i]);
}

static void listed(void **state)
{
	static struct host_cert cs[MANY];
	struct host *h = started();
	struct host_ask a;
	char *text;

	(void)state;
	text = host_ask(h, OCU_INQUIRY_JSON, NULL);
	assert_json(text);
	free(text);
	text = host_ask(h, OCU_INQUIRY_TABLE, NULL);
	assert_int_equal(count(text, '\n'), 1);
	free(text);

	many_make(h, cs);
	text = host_ask(h, OCU_INQUIRY_JSON, NULL);
	assert_json(text);
	assert_int_equal(count(text, '{'), MANY);
	assert_non_null(strstr(text, "\"path\":\"many-000 \\u0022quoted\\u005c.pem\""));
	free(text);

	host_ask_init(&a, h, OCU_INQUIRY_TABLE, NULL);
	do {
		host_ask_next(&a, false);
	} while (!a.inquiry.end);
	assert_true(a.pieces > 2);
	assert_int_equal(count(a.all, '\n'), MANY + 1);
	/* The same one may be used again. */
	a.n = 0;
	host_ask_next(&a, false);
	assert_false(a.inquiry.end);
	assert_memory_equal(a.all, "OCSP Certid | Path |", 20);
	host_ask_next(&a, true);
	host_ask_fini(&a);
	host_free(h);
	many_fini(cs);
}

/* Who is listed may go meanwhile, and who asks too. */
static void listed_while_unloaded(void **state)
{
	static struct host_cert cs[MANY];
	struct host *h = started();
	struct host_ask all, dropped, never;
	size_t i;

	(void)state;
	many_make(h, cs);
	host_ask_init(&all, h, OCU_INQUIRY_TABLE, NULL);
	host_ask_init(&dropped, h, OCU_INQUIRY_JSON, NULL);
	host_ask_init(&never, h, OCU_INQUIRY_DETAIL, &cs[0]);
	host_ask_next(&all, false);
	host_ask_next(&dropped, false);
	assert_false(all.inquiry.end);
	assert_false(dropped.inquiry.end);
	for (i = 0; i < MANY; i++)
		host_unload(h, &cs[i]);
	host_ask_next(&dropped, true);
	assert_true(dropped.inquiry.end);
	assert_int_equal(dropped.pieces, 2);
	while (!all.inquiry.end)
		host_ask_next(&all, false);
	assert_int_equal(count(all.all, '\n'), MANY + 1);
	/* One that was never begun can be dropped as well. */
	host_ask_next(&never, true);
	assert_true(never.inquiry.end);
	assert_int_equal(never.n, 0);
	host_ask_fini(&all);
	host_ask_fini(&dropped);
	host_ask_fini(&never);
	host_free(h);
	many_fini(cs);
}

/* Certificates go while a listing is being made, which takes the loop several turns. */
static void listed_in_slices(void **state)
{
	const size_t n = 4 * OCU_ROWS_AT_ONCE;
	struct ocu_engine_conf conf = host_conf();
	struct host *h = host_new(&conf);
	struct host_cert c, many;
	struct host_ask a, dropped;
	size_t i;

	(void)state;
	cert_make(&c, "one-of-many.pem", "hold-ok");
	many = c;
	many.key_len = sizeof(i);
	for (i = 0; i < n; i++) {
		memcpy(many.key, &i, sizeof(i));
		host_load(h, &many, true);
	}
	host_ask_init(&a, h, OCU_INQUIRY_TABLE, NULL);
	host_ask_init(&dropped, h, OCU_INQUIRY_JSON, NULL);
	/* All of this is taken in before the listing goes on. */
	ocu_engine_inquire(host_engine(h), &a.inquiry);
	ocu_engine_inquire(host_engine(h), &dropped.inquiry);
	for (i = 0; i < n; i++) {
		memcpy(many.key, &i, sizeof(i));
		if (i % OCU_ROWS_AT_ONCE)
			host_unload(h, &many);
	}
	ocu_engine_preload(host_engine(h));
	host_start(h);
	host_ask_await(&a);
	while (!a.inquiry.end)
		host_ask_next(&a, false);
	/* The header, what was gathered before, and what stayed. */
	assert_int_equal(count(a.all, '\n'), 1 + OCU_ROWS_AT_ONCE + n / OCU_ROWS_AT_ONCE - 1);
	host_ask_await(&dropped);
	assert_false(dropped.inquiry.end);
	host_ask_next(&dropped, true);
	assert_true(dropped.inquiry.end);
	assert_int_equal(dropped.pieces, 2);
	host_ask_fini(&a);
	host_ask_fini(&dropped);
	responder_release(responder);
	host_free(h);
	host_cert_fini(&c);
}

/* ---- the state directory ---- */

struct dir {
	char path[64];
	struct ocu_store store;
	struct ocu_engine_conf conf;
};

static void dir_init(struct dir *d)
{
	snprintf(d->path, sizeof(d->path), "/tmp/ocu-engine-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	assert_int_equal(ocu_store_init(&d->store, d->path, NULL), OCU_OK);
	d->conf = host_conf();
	d->conf.store = &d->store;
}

static void dir_fini(struct dir *d)
{
	DIR *dir = opendir(d->path);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		(void)unlinkat(d->store.dir, e->d_name, 0);
	closedir(dir);
	ocu_store_fini(&d->store);
	assert_int_equal(rmdir(d->path), 0);
}

static bool dir_has(const struct dir *d, const struct host_cert *c)
{
	char name[OCU_STORE_NAME_BYTES];

	ocu_store_name(name, c->key, c->key_len);
	return faccessat(d->store.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Saves <der> (frees) for <c>. */
static void dir_put(const struct dir *d, const struct host_cert *c, uint8_t *der, size_t n)
{
	assert_int_equal(ocu_store_put(&d->store, c->key, c->key_len, der, n,
				       pki->now + PKI_DAY_S, NULL), OCU_OK);
	free(der);
}

/* What was published is saved, also if the engine stops at once; and it is found by the next one,
 * before it starts or while it runs.
 */
static void saved_and_found(void **state)
{
	struct host_cert c, late, stranger;
	struct host *h;
	struct dir d;

	(void)state;
	dir_init(&d);
	cert_make(&c, "saved.pem", "ok");
	cert_make(&late, "run-time.pem", "ok");
	cert_make(&stranger, "stranger.pem", "ok");
	assert_int_equal(ocu_store_put(&d.store, stranger.key, stranger.key_len,
				       (const uint8_t *)"x", 1, pki->now - PKI_DAY_S, NULL),
			 OCU_OK);
	h = host_new(&d.conf);
	host_load(h, &c, true);
	host_load(h, &late, true);
	host_start(h);
	host_await(h, &c, 1);
	host_await(h, &late, 1);
	host_stop(h);
	assert_true(dir_has(&d, &c));
	assert_true(dir_has(&d, &late));
	host_free(h);

	/* What belongs to nobody and has expired was swept away. */
	assert_false(dir_has(&d, &stranger));
	host_cert_fini(&stranger);

	h = host_new(&d.conf);
	host_load(h, &c, true);
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	while (ocu_engine_deliver(host_engine(h), 1, false))
		;
	assert_stapled(h, &c, false);
	host_start(h);
	barrier(h);
	host_load(h, &late, true);
	host_await(h, &late, 1);
	assert_stapled(h, &late, false);
	barrier(h);
	assert_int_equal(asked(&c), 1);
	assert_int_equal(asked(&late), 1);
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
	host_cert_fini(&late);
}

static void put_expired(const struct dir *d, const struct host_cert *c)
{
	assert_int_equal(ocu_store_put(&d->store, c->key, c->key_len, (const uint8_t *)"x", 1,
				       pki->now - PKI_DAY_S, NULL), OCU_OK);
}

/* Once a day the directory is swept, and what is of a certificate stays, however many there are. */
static void swept(void **state)
{
	static struct host_cert cs[MANY];
	struct host_cert stranger;
	char path[64];
	struct host *h;
	struct dir d;
	size_t i;

	(void)state;
	dir_init(&d);
	h = host_new(&d.conf);
	host_start(h);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%zu.pem", i);
		cert_make(&cs[i], path, "ok");
		host_load(h, &cs[i], false);
	}
	barrier(h);
	cert_make(&stranger, "stranger.pem", "ok");
	for (i = 0; i < MANY; i++)
		put_expired(&d, &cs[i]);
	put_expired(&d, &stranger);
	atomic_fetch_add(&monotonic_s, 25 * 3600);
	/* Nothing tells when it is done. */
	while (dir_has(&d, &stranger))
		barrier(h);
	host_free(h);
	for (i = 0; i < MANY; i++)
		assert_true(dir_has(&d, &cs[i]));
	dir_fini(&d);
	many_fini(cs);
	host_cert_fini(&stranger);
}

/* What had expired by a clock that was wrong is looked for once more when that was set. */
static void clock_set_back(void **state)
{
	struct host_cert c;
	struct host *h;
	struct dir d;
	uint8_t *der;
	size_t n;

	(void)state;
	dir_init(&d);
	cert_make(&c, "clock.pem", "status-403");
	n = response_make(&c, &der, -4 * 3600, -2 * 3600, false);
	dir_put(&d, &c, der, n);
	h = host_new(&d.conf);
	host_load(h, &c, true);
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 1);
	host_start(h);
	host_await_line(h, "clock.pem 2 ", 1);
	atomic_store(&wall_s, -3 * 3600);
	barrier(h);
	host_await(h, &c, 1);
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 0);
	atomic_store(&wall_s, 0);
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
}

/* What is saved is not believed. */
static void saved_is_bad(void **state)
{
	static const char why[] = ": the saved response is ignored and will be fetched anew: ";
	struct host_cert garbage, expired, late;
	char reasons[768], line[128];
	struct host *h;
	struct dir d;
	uint8_t *der;
	size_t n;

	(void)state;
	dir_init(&d);
	cert_make(&garbage, "garbage.pem", "ok");
	cert_make(&expired, "expired.pem", "ok");
	cert_make(&late, "late.pem", "ok");
	dir_put(&d, &garbage, (uint8_t *)strdup("nothing"), 7);
	dir_put(&d, &late, (uint8_t *)strdup("nothing"), 7);
	n = response_make(&expired, &der, -7200, -3600, false);
	dir_put(&d, &expired, der, n);
	h = host_new(&d.conf);
	host_load(h, &garbage, true);
	host_load(h, &expired, true);
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_missing(host_engine(h), false), 2);
	n = ocu_engine_say_missing(host_engine(h), false, reasons, sizeof(reasons));
	assert_int_equal(n, 2);
	assert_string_equal(reasons, "garbage.pem: no answer yet; expired.pem: no answer yet");
	host_start(h);
	host_load(h, &late, true);
	host_await(h, &garbage, 1);
	host_await(h, &expired, 1);
	host_await(h, &late, 1);
	host_await_line(h, why, 3);
	snprintf(line, sizeof(line), "W late.pem%s", why);
	assert_int_equal(host_lines(h, line), 1);
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&garbage);
	host_cert_fini(&expired);
	host_cert_fini(&late);
}

/* Several threads read what is saved, at the same time; some of it is no response. */
static void many_saved(void **state)
{
	static struct host_cert cs[MANY];
	uint8_t *der;
	char path[64];
	struct host *h;
	struct dir d;
	size_t i, n, bad = 0;

	(void)state;
	dir_init(&d);
	h = host_new(&d.conf);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "saved-%zu.pem", i);
		cert_make(&cs[i], path, "ok");
		n = response_make(&cs[i], &der, -60, PKI_DAY_S, false);
		der[n - 1] ^= i % 7 == 0; /* of the signature */
		bad += i % 7 == 0;
		dir_put(&d, &cs[i], der, n);
		host_load(h, &cs[i], true);
	}
	ocu_engine_preload(host_engine(h));
	assert_int_equal(ocu_engine_missing(host_engine(h), false), bad);
	while (ocu_engine_deliver(host_engine(h), 1, true))
		;
	for (i = 0; i < MANY; i++)
		if (i % 7)
			assert_stapled(h, &cs[i], false);
	assert_int_equal(host_lines(h, ": the saved response is ignored and will be fetched"), bad);
	host_free(h);
	dir_fini(&d);
	many_fini(cs);
}

/* A certificate that says "revoked" in the file. */
static void saved_is_revoked(void **state)
{
	struct stat theirs, ours;
	struct host_cert c;
	struct host *h;
	struct dir d;
	uint8_t *der;
	size_t n;

	(void)state;
	dir_init(&d);
	cert_make(&c, "revoked.pem", "ok");
	n = response_make(&c, &der, -60, PKI_DAY_S, true);
	dir_put(&d, &c, der, n);
	h = host_new(&d.conf);
	assert_int_equal(fstat(ocu_engine_dir(host_engine(h)), &theirs), 0);
	assert_int_equal(fstat(d.store.dir, &ours), 0);
	assert_int_equal(theirs.st_ino, ours.st_ino);
	host_load(h, &c, true);
	ocu_engine_preload(host_engine(h));
	host_start(h);
	host_await(h, &c, 1);
	host_await_line(h, "W revoked.pem: " OCU_SAY_REVOKED, 1);
	assert_stapled(h, &c, true);
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
}

/* The directory cannot be written to any more. */
static void not_saved(void **state)
{
	struct host_cert c;
	struct host *h;
	struct dir d;

	(void)state;
	dir_init(&d);
	cert_make(&c, "lost.pem", "ok");
	h = host_new(&d.conf);
	host_start(h);
	assert_int_equal(rmdir(d.path), 0);
	host_load(h, &c, true);
	host_await(h, &c, 1);
	host_await_line(h, "W lost.pem: the response could not be saved: ", 1);
	host_free(h);
	assert_int_equal(mkdir(d.path, 0700), 0);
	dir_fini(&d);
	host_cert_fini(&c);
}

/* It fails for all: a few are named, and the others counted after a minute. */
static void none_saved(void **state)
{
	struct host_cert c[7], last;
	struct host *h;
	struct dir d;
	unsigned i;

	(void)state;
	dir_init(&d);
	cert_make(&last, "last.pem", "status-403");
	h = host_new(&d.conf);
	host_start(h);
	assert_int_equal(rmdir(d.path), 0);
	for (i = 0; i < 7; i++) {
		cert_make(&c[i], "lost.pem", "ok");
		host_load(h, &c[i], true);
		host_await(h, &c[i], 1);
	}
	/* the disk is asked for it after all that it was to save */
	host_load(h, &last, true);
	host_await_line(h, "last.pem 2 ", 1);
	atomic_fetch_add(&monotonic_s, 61);
	barrier(h);
	host_await_line(h, "W <OCSP-UPDATE> 3 more responses could not be saved", 1);
	assert_int_equal(host_lines(h, "lost.pem: the response could not be saved"), 4);
	host_free(h);
	assert_int_equal(mkdir(d.path, 0700), 0);
	dir_fini(&d);
	for (i = 0; i < 7; i++)
		host_cert_fini(&c[i]);
	host_cert_fini(&last);
}

/* Another process has saved a newer response while one was on its way to the host: that is not
 * overwritten but taken, once, and what is known of the one before does not count for it.
 */
static void saved_is_newer(void **state)
{
	struct responder_stats before, after;
	struct host_cert c;
	uint8_t *der, *held;
	size_t n, n_held;
	struct host *h;
	struct dir d;

	(void)state;
	dir_init(&d);
	cert_make(&c, "raced.pem", "etag");
	n = response_make(&c, &der, -60, 2 * PKI_DAY_S, false);
	h = host_new(&d.conf);
	host_start(h);
	host_keep(h);
	host_load(h, &c, true);
	host_await_kept(h, 1);
	assert_int_equal(ocu_store_put(&d.store, c.key, c.key_len, der, n, pki->now + PKI_DAY_S,
				       NULL), OCU_OK);
	host_give_back(h);
	host_await(h, &c, 2);
	n_held = host_held(h, &c, &held);
	assert_int_equal(n_held, n);
	assert_memory_equal(held, der, n);
	free(held);
	responder_stats(responder, &before);
	order(h, &c);
	host_await_line(h, "raced.pem 1 \"Update successful\" 0 2 \"unchanged, good", 1);
	responder_stats(responder, &after);
	assert_int_equal(after.conditional, before.conditional);
	/* Nothing of this was saved again, or said. */
	host_stop(h);
	assert_int_equal(host_staples(h, &c), 2);
	assert_int_equal(host_lines(h, "W "), 0);
	host_free(h);
	h = host_new(&d.conf);
	host_load(h, &c, true);
	ocu_engine_preload(host_engine(h));
	host_start(h);
	host_await(h, &c, 1);
	n_held = host_held(h, &c, &held);
	assert_int_equal(n_held, n);
	assert_memory_equal(held, der, n);
	free(held);
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
	free(der);
}

/* The disk hangs: the network does not wait for it, and what it brings in the end is looked at. */
static void disk_hangs(void **state)
{
	struct host_cert c, next;
	struct host *h;
	struct dir d;
	uint8_t *der;
	size_t n;

	(void)state;
	dir_init(&d);
	cert_make(&c, "hangs.pem", "ok");
	cert_make(&next, "next.pem", "ok");
	n = response_make(&c, &der, -60, 2 * PKI_DAY_S, false);
	dir_put(&d, &c, der, n);
	h = host_new(&d.conf);
	host_start(h);
	barrier(h);
	hang_at_open();
	host_load(h, &c, true);
	sem_await(&hang.begun);
	host_load(h, &next, true);
	host_await(h, &c, 1);
	host_await(h, &next, 1);
	assert_int_equal(asked(&c), 1);
	sem_post(&hang.resume);
	/* It is newer than what was fetched. */
	host_await(h, &c, 2);
	host_stop(h);
	assert_true(dir_has(&d, &next));
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
	host_cert_fini(&next);
}

/* The disk hangs when the engine stops, and for ever: the stop comes back all the same, and the
 * engine can be started again.
 */
static void stopped_while_disk_hangs(void **state)
{
	struct host_cert c, next;
	struct host *h;
	struct dir d;

	(void)state;
	dir_init(&d);
	cert_make(&c, "hangs.pem", "ok");
	cert_make(&next, "next.pem", "ok");
	h = host_new(&d.conf);
	host_start(h);
	barrier(h);
	hang_at_open();
	host_load(h, &c, true);
	sem_await(&hang.begun);
	host_stop(h);
	host_load(h, &next, true);
	host_start(h);
	host_await(h, &c, 1);
	host_await(h, &next, 1);
	host_stop(h);
	assert_true(dir_has(&d, &c));
	assert_true(dir_has(&d, &next));
	host_free(h);
	dir_fini(&d);
	host_cert_fini(&c);
	host_cert_fini(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stapled),
		cmocka_unit_test(facts_are_told),
		cmocka_unit_test(loaded_twice),
		cmocka_unit_test(unloaded_in_flight),
		cmocka_unit_test(replaced_in_flight),
		cmocka_unit_test(ordered),
		cmocka_unit_test(set_meanwhile),
		cmocka_unit_test(added_again_meanwhile),
		cmocka_unit_test(refused_by_host),
		cmocka_unit_test(refused_beside_held),
		cmocka_unit_test(refused_beside_good),
		cmocka_unit_test(refused_twice),
		cmocka_unit_test(set_while_conditional),
		cmocka_unit_test(set_newer),
		cmocka_unit_test(taken_away),
		cmocka_unit_test(held_before),
		cmocka_unit_test(found_before),
		cmocka_unit_test(revoked),
		cmocka_unit_test(issuer_renewed),
		cmocka_unit_test(about_to_end),
		cmocka_unit_test(second_uri),
		cmocka_unit_test(first_is_refused),
		cmocka_unit_test(lost_while_waiting),
		cmocka_unit_test(one_that_hangs_makes_room),
		cmocka_unit_test(redirected),
		cmocka_unit_test(redirected_in_vain),
		cmocka_unit_test(restarted),
		cmocka_unit_test(paused),
		cmocka_unit_test(freed_in_the_middle),
		cmocka_unit_test(never_configured),
		cmocka_unit_test(given_back_late),
		cmocka_unit_test(listed),
		cmocka_unit_test(listed_while_unloaded),
		cmocka_unit_test(listed_in_slices),
		cmocka_unit_test(saved_and_found),
		cmocka_unit_test(clock_set_back),
		cmocka_unit_test(saved_is_bad),
		cmocka_unit_test(many_saved),
		cmocka_unit_test(saved_is_revoked),
		cmocka_unit_test(not_saved),
		cmocka_unit_test(saved_is_newer),
		cmocka_unit_test(disk_hangs),
		/* Its disk thread stays until the end. */
		cmocka_unit_test(stopped_while_disk_hangs),
		/* The clock that they set does not go back, and the kernel waits by another one. */
		cmocka_unit_test(none_saved),
		cmocka_unit_test(broken_off),
		cmocka_unit_test(swept),
		cmocka_unit_test(summary),
	};
	struct responder_conf conf = { .v6 = RESPONDER_REFUSE };
	int failed;

	signal(SIGPIPE, SIG_IGN);
	pki = pki_new();
	conf.pki = pki;
	responder = responder_new(&conf);
	other = responder_new(&conf);
	failed = cmocka_run_group_tests_name("engine", tests, NULL, NULL);
	responder_free(responder);
	responder_free(other);
	pki_free(pki);
	return failed;
}
