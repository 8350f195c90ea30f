/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_engine_nomem.c - what an engine does when the n-th allocation of its life fails, for every n
 * from its making over a whole update to its end: the host hears of it or gets what it wants, and
 * nothing is lost. The responder is in a process of its own, which always has memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nomem.h"
#include "ocu/engine.h"
#include "pki.h"
#include "responder.h"

#define LIMIT 100000 /* allocations of one update: one that makes more never ends */
#define KEY "key"

static struct pki *pki;
static struct pki_id leaf;
static struct ocu_store store;
static char dir[] = "/tmp/ocu-engine-XXXXXX";

static struct {
	pid_t pid;
	int end; /* closed: it may end */
	uint16_t port;
} peer;

/* ---- the host, which is this thread ---- */

static struct {
	struct ocu_engine *e;
	sem_t woken;
	bool stapled, failed, gone; /* what has come of the certificate */
	bool answered;
	size_t text;                /* bytes of the answers */
} host;

static void publish(void *arg, struct ocu_publication *p)
{
	(void)arg;
	assert_true(p->der->len > 100);
	host.stapled = true;
	ocu_engine_published(host.e, p, OCU_OK);
}

/* Whatever keeps a response from being fetched is said. */
static void log_line(void *arg, enum ocu_level level, const char *path, const char *text)
{
	(void)arg;
	(void)path;
	host.failed |= level == OCU_LEVEL_ERROR;
	host.failed |= strstr(text, "<OCSP-UPDATE> leaf.pem 2 ") != NULL;
	host.failed |= strstr(text, "<OCSP-UPDATE> leaf.pem 4 ") != NULL;
}

static void answer(void *arg, struct ocu_inquiry *inquiry)
{
	(void)arg;
	host.answered = inquiry->end;
	host.text += inquiry->text.len;
	if (inquiry->kind == OCU_INQUIRY_ORDER && inquiry->text.len)
		host.gone = true;
	if (!inquiry->end)
		ocu_engine_inquire(host.e, inquiry);
}

static void wake(void *arg)
{
	(void)arg;
	sem_post(&host.woken);
}

static const struct ocu_host_ops ops = { publish, log_line, answer, wake };

/* Delivers until *done, or one of the other two. */
static void deliver_until(const bool *done, const bool *or, const bool *or_that)
{
	for (;;) {
		while (ocu_engine_deliver(host.e, 1, true))
			;
		if (*done || *or || *or_that)
			return;
		while (sem_wait(&host.woken) != 0)
			assert_int_equal(errno, EINTR);
	}
}

static void ask(enum ocu_inquiry_kind kind)
{
	struct ocu_inquiry inquiry = { .kind = kind, .key = KEY, .key_len = sizeof(KEY) };

	ocu_buf_init(&inquiry.text, 65536);
	host.answered = false;
	ocu_engine_inquire(host.e, &inquiry);
	deliver_until(&host.answered, &host.answered, &host.answered);
	ocu_buf_fini(&inquiry.text);
}

/* ---- a life ---- */

static struct ocu_engine_conf conf_make(void)
{
	return (struct ocu_engine_conf){
		.plan = {
			.when = { .mindelay_s = 300, .maxdelay_s = 3600 },
			.maxconn = 2,
			.host_maxconn = 2,
		},
		.fetch = { .prefer = OCU_IPV4, .connect_ms = 5000, .idle_max = 2 },
		.timeout_ms = 10000,
		.store = &store,
	};
}

static enum ocu_status load(void)
{
	struct ocu_facts facts = { .bad_uris = NULL };
	enum ocu_status st;

	st = ocu_engine_load(host.e, (const uint8_t *)KEY, sizeof(KEY), "leaf.pem", leaf.cert,
			     pki->by[PKI_BY_ISSUER].cert, true, 0, &facts);
	assert_true((facts.bad_uris != NULL) == (st == OCU_OK));
	free(facts.bad_uris);
	if (st == OCU_OK)
		st = ocu_engine_held(host.e, (const uint8_t *)KEY, sizeof(KEY), "no", 2, 0);
	return st;
}

/* Loads, updates, lists and unloads the certificate in an engine that runs. */
static enum ocu_status update(void)
{
	enum ocu_status st = load();

	if (st != OCU_OK)
		return st;
	ask(OCU_INQUIRY_ORDER);
	deliver_until(&host.stapled, &host.failed, &host.gone);
	ask(OCU_INQUIRY_JSON);
	ask(OCU_INQUIRY_DETAIL);
	st = ocu_engine_unload(host.e, (const uint8_t *)KEY, sizeof(KEY));
	return host.stapled ? st : OCU_NOMEM;
}

static void files_remove(void)
{
	char name[OCU_STORE_NAME_BYTES];

	ocu_store_name(name, (const uint8_t *)KEY, sizeof(KEY));
	(void)unlinkat(store.dir, name, 0);
}

static enum ocu_status life(void)
{
	struct ocu_engine_conf conf = conf_make();
	struct ocu_err err = { .code = OCU_OK };
	enum ocu_status st;

	memset(&host, 0, sizeof(host));
	sem_init(&host.woken, 0, 0);
	st = ocu_engine_new(&host.e, &ops, NULL, &err);
	if (st == OCU_OK)
		st = ocu_engine_configure(host.e, &conf, &err);
	if (st == OCU_OK)
		st = ocu_engine_start(host.e, &err);
	if (st != OCU_OK)
		assert_int_equal(err.code, st);
	if (st == OCU_OK)
		st = update();
	ocu_engine_free(host.e);
	sem_destroy(&host.woken);
	return st;
}

/* Between two measurements nothing may stay; what OpenSSL keeps for the thread is not it. */
static long live(void)
{
	OPENSSL_thread_stop();
	return nomem_live();
}

static void each_allocation(void **state)
{
	enum ocu_status st = OCU_NOMEM;
	long n, before, failures = 0;
	bool failed = true;

	(void)state;
	assert_int_equal(life(), OCU_OK);
	assert_true(host.text > 500);
	files_remove();
	assert_int_equal(life(), OCU_OK);
	before = live();
	for (n = 0; failed; n++) {
		assert_true(n < LIMIT);
		files_remove();
		nomem_fail(n);
		st = life();
		failed = nomem_failed();
		nomem_fail(-1);
		failures += st != OCU_OK;
		assert_int_equal(ERR_peek_error(), 0);
		if (live() != before)
			fail_msg("allocation %ld: %ld are left", n, nomem_live() - before);
	}
	assert_int_equal(st, OCU_OK);
	print_message("%ld allocations, %ld failures\n", n - 1, failures);
	assert_true(failures > 20);
}

/* ---- the other process ---- */

static void peer_main(int out, int end)
{
	struct responder_conf conf = { .pki = pki, .v6 = RESPONDER_REFUSE };
	struct responder *r = responder_new(&conf);
	uint16_t port = responder_port(r);
	char c;

	if (write(out, &port, sizeof(port)) != sizeof(port))
		_exit(1);
	while (read(end, &c, 1) > 0)
		;
	responder_free(r);
	_exit(0);
}

static int peer_start(void)
{
	int out[2], end[2];

	if (pipe(out) != 0 || pipe(end) != 0)
		return -1;
	peer.pid = fork();
	if (peer.pid < 0)
		return -1;
	if (peer.pid == 0) {
		close(out[0]);
		close(end[1]);
		peer_main(out[1], end[0]);
	}
	close(out[1]);
	close(end[0]);
	peer.end = end[1];
	if (read(out[0], &peer.port, sizeof(peer.port)) != sizeof(peer.port))
		return -1;
	close(out[0]);
	return 0;
}

static int setup(void **state)
{
	char url[64];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pki = pki_new();
	if (peer_start() != 0 || !mkdtemp(dir) || ocu_store_init(&store, dir, NULL) != OCU_OK)
		return -1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/redirect-etag/", peer.port);
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "leaf.test",
						      .uris = { url, "ftp://a.test/" } });
	return 0;
}

static int teardown(void **state)
{
	int status;

	(void)state;
	close(peer.end);
	if (waitpid(peer.pid, &status, 0) != peer.pid || status != 0)
		return -1;
	files_remove();
	ocu_store_fini(&store);
	pki_cert_fini(&leaf);
	pki_free(pki);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation),
	};

	if (!nomem_openssl())
		return 1;
	return cmocka_run_group_tests_name("engine_nomem", tests, setup, teardown);
}
