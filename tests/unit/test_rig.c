/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_rig.c - what the other tests rely on: the table of faults, and a scripted responder that
 * limits, paces, caches, fails and keeps silent as it was told; and a load of handshakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "load.h"
#include "rate.h"
#include "responder.h"

#define WAIT_MS 10000
#define SOME_S 30              /* longer than anything here takes */

static struct pki *pki;
static struct pki_id one, two;

static int setup(void **state)
{
	(void)state;
	pki = pki_new();
	pki_cert_make(pki, &one, &(struct pki_cert){ .name = "one.test" });
	pki_cert_make(pki, &two, &(struct pki_cert){ .name = "two.test" });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pki_cert_fini(&one);
	pki_cert_fini(&two);
	pki_free(pki);
	return 0;
}

/* ---- a client ---- */

/* Connects to <addr>; -1 with errno. */
static int dial(struct responder *r, const char *addr)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(responder_port(r)) };
	struct timeval tv = { .tv_sec = SOME_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(inet_pton(AF_INET, addr, &in4.sin_addr), 1);
	if (connect(fd, (struct sockaddr *)&in4, sizeof(in4)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Asks for <id> with a POST to /<path>/, with the header lines <more>. */
static void post(int fd, const char *path, const struct pki_id *id, const char *more)
{
	OCSP_REQUEST *req = OCSP_REQUEST_new();
	unsigned char *der = NULL;
	char head[512];
	int n, der_n;

	assert_non_null(OCSP_request_add0_id(req, OCSP_cert_to_id(NULL, id->cert,
								  pki->by[PKI_BY_ISSUER].cert)));
	der_n = i2d_OCSP_REQUEST(req, &der);
	assert_true(der_n > 0);
	n = snprintf(head, sizeof(head), "POST /%s/ HTTP/1.1\r\nHost: r.test\r\n%s"
		     "Connection: close\r\nContent-Length: %d\r\n\r\n", path, more, der_n);
	assert_int_equal(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
	assert_int_equal(send(fd, der, (size_t)der_n, MSG_NOSIGNAL), der_n);
	OPENSSL_free(der);
	OCSP_REQUEST_free(req);
}

/* Reads to the end into <text>, which ends with a zero, and closes; false: the end is a reset. */
static bool read_all(int fd, char *text, size_t max)
{
	size_t n = 0;
	ssize_t k;

	while ((k = recv(fd, text + n, max - 1 - n, 0)) > 0)
		n += (size_t)k;
	text[n] = '\0';
	close(fd);
	return k == 0;
}

/* The status of the answer to one request; 0: no status line came. <head> is kept for head_has().
 */
static char head[4096];

static int ask_with(struct responder *r, const char *path, const struct pki_id *id,
		    const char *more)
{
	int fd = dial(r, "127.0.0.1");

	assert_true(fd >= 0);
	post(fd, path, id, more);
	read_all(fd, head, sizeof(head));
	return !strncmp(head, "HTTP/1.1 ", 9) ? (int)strtol(head + 9, NULL, 10) : 0;
}

static int ask(struct responder *r, const char *path, const struct pki_id *id)
{
	return ask_with(r, path, id, "");
}

static uint64_t value(struct responder *r, const char *what)
{
	uint64_t n;

	assert_true(responder_value(r, what, &n));
	return n;
}

static struct responder *plain(void)
{
	return responder_new(&(struct responder_conf){ .pki = pki, .v6 = RESPONDER_REFUSE });
}

/* ---- the table of faults ---- */

static void a_segment_finds_exactly_its_row(void **state)
{
	static const struct {
		const char *segment, *row;
	} rows[] = {
		{ "status-503", "status" }, { "status-400", "status-400" }, { "slow", "slow" },
		{ "slow-0", "slow" }, { "redirect-revoked", "redirect" },
		{ "redirect-none", "redirect-none" }, { "redirect-status-503", "redirect" },
		{ "redirect-status-400", "redirect" }, { "chain-2", "chain" },
		/* nothing of the kind */
		{ "", NULL }, { "o", NULL }, { "okay", NULL }, { "ok-", NULL }, { "ok-1", NULL },
		{ "status-", NULL }, { "status-503x", NULL }, { "status-503-1", NULL },
		{ "hang-headers", NULL }, { "redirect-", NULL }, { "redirect-nowhere", NULL },
		{ "slow-ok", NULL }, { "OK", NULL },
	};
	const struct fault *f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f = fault_find(rows[i].segment);
		if (rows[i].row)
			assert_string_equal(f ? fault_name(f) : rows[i].segment, rows[i].row);
		else if (f)
			fail_msg("'%s' found %s", rows[i].segment, fault_name(f));
	}
}

static void every_row_is_found_by_its_name(void **state)
{
	const struct fault *f, *found;
	size_t i;

	(void)state;
	for (i = 0; (f = fault_row(i)); i++) {
		found = fault_find(fault_name(f));
		assert_non_null(found);
		/* cut-8 and its like are found as cut with a number */
		if (found != f && strncmp(fault_name(f), fault_name(found), 3) != 0)
			fail_msg("%s found %s", fault_name(f), fault_name(found));
	}
}

/* ---- limits ---- */

static void a_rate_lets_so_many_through_in_each_window(void **state)
{
	static const struct {
		int64_t at_ms;
		bool passes;
	} rows[] = {
		{ 5000, true }, { 5000, true }, { 5900, true }, { 5900, false }, { 5999, false },
		/* the next window begins with the next request, not with the second */
		{ 6300, true }, { 6300, true }, { 7299, true }, { 7299, false }, { 7300, true },
		{ 99000, true }, { 99000, true }, { 99000, true }, { 99000, false },
	};
	struct rate r = { .per_second = 3 }, none = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rate_pass(&r, rows[i].at_ms), rows[i].passes);
		assert_true(rate_pass(&none, rows[i].at_ms));
	}
}

/* Requests over the limit: with a rate of one, of so many in one second all but two are. */
static void requests_over_the_limit_are_refused(void **state)
{
	static const struct {
		const char *segment;
		unsigned retry_after_s;
		int status;
		const char *in_head;
	} rows[] = {
		{ NULL, 0, 429, NULL },
		{ "status-503", 17, 503, "\r\nRetry-After: 17\r\n" },
		{ "status-502", 0, 502, NULL },
		{ "status-504", 0, 504, NULL },
		{ "error-3", 5, 200, "\r\nRetry-After: 5\r\n" },
	};
	struct responder_limit l = { .per_second = 1 };
	struct responder *r = plain();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.segment = rows[i].segment;
		l.retry_after_s = rows[i].retry_after_s;
		responder_limit(r, &l);
		assert_int_equal(ask(r, "ok", &one), 200);
		assert_null(strstr(head, "Retry-After"));
		/* a window may have ended between the two */
		while (value(r, "refused") == i)
			ask(r, "ok", &one);
		assert_int_equal(strtol(head + 9, NULL, 10), rows[i].status);
		if (rows[i].in_head)
			assert_non_null(strstr(head, rows[i].in_head));
		else
			assert_null(strstr(head, "Retry-After"));
	}
	responder_limit(r, NULL);
	for (i = 0; i < 5; i++)
		assert_int_equal(ask(r, "ok", &one), 200);
	assert_int_equal(value(r, "refused"), sizeof(rows) / sizeof(rows[0]));
	responder_free(r);
}

static void a_pace_goes_in_equal_steps(void **state)
{
	static const struct {
		int64_t at_us, wait_us;
	} rows[] = {
		{ 5000, 0 }, { 5000, 250 }, { 5100, 400 }, { 5750, 0 }, { 5751, 249 },
		/* what was missed is not caught up on */
		{ 9000, 0 }, { 9000, 250 }, { 9000, 500 }, { 9750, 0 },
	};
	struct pace p = { .per_second = 4000 }, none = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(pace_wait_us(&p, rows[i].at_us), rows[i].wait_us);
		assert_int_equal(pace_wait_us(&none, rows[i].at_us), 0);
	}
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A step is a millisecond shorter at most, since answers are delayed by whole ones. */
static void answers_go_at_their_pace(void **state)
{
	struct responder *r = plain();
	int64_t began_us = now_us();
	unsigned i;

	(void)state;
	responder_pace(r, 50);
	for (i = 0; i < 4; i++)
		assert_int_equal(ask(r, "ok", &one), 200);
	assert_true(now_us() - began_us >= 57000);
	responder_free(r);
}

/* ---- load ---- */

static void a_load_makes_whole_handshakes(void **state)
{
	struct responder *r = responder_new(&(struct responder_conf){
		.pki = pki, .v6 = RESPONDER_REFUSE, .tls = &one });
	struct load_conf c = { .sni = "load.test", .connections = 3, .ms = 100 };
	struct load_result got;
	char addr[32], sni[32];

	(void)state;
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", (unsigned)responder_port(r));
	c.addr = addr;
	assert_true(load_run(&c, &got));
	assert_string_equal(got.why, "");
	assert_true(got.handshakes > 0);
	assert_int_equal(got.handshakes, value(r, "connections"));
	assert_int_equal(got.stapled, 0);
	assert_true(value(r, "peak") <= 3);
	assert_true(got.p50_us > 0 && got.p50_us <= got.p99_us);
	assert_true(got.seconds >= 0.1 && got.cpu > 0);
	responder_sni(r, sni, sizeof(sni));
	assert_string_equal(sni, "load.test");
	responder_free(r);
}

static void a_load_says_why_it_failed(void **state)
{
	struct responder *r = plain();
	struct load_conf c = { .connections = 2, .ms = WAIT_MS };
	struct load_result got;
	char addr[32];

	(void)state;
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", (unsigned)responder_port(r));
	c.addr = addr;
	assert_false(load_run(&c, &got));
	assert_int_equal(got.handshakes, 0);
	assert_non_null(strstr(got.why, "handshake: "));
	responder_mode_set(r, false, RESPONDER_REFUSE);
	assert_false(load_run(&c, &got));
	assert_non_null(strstr(got.why, "connect: Connection refused"));
	responder_free(r);
}

/* ---- plays ---- */

static void a_play_is_for_chosen_requests(void **state)
{
	char *serial = pki_serial(one.cert);
	struct responder *r = plain();

	(void)state;
	responder_play(r, &(struct responder_play){ .segment = "status-503", .serial = serial,
						    .retry_after_s = 9 });
	assert_int_equal(ask(r, "ok", &two), 200);
	assert_int_equal(ask(r, "ok", &one), 503);
	assert_non_null(strstr(head, "\r\nRetry-After: 9\r\n"));
	responder_play(r, &(struct responder_play){ .segment = "status-404", .path = "slow-0" });
	assert_int_equal(ask(r, "slow-0", &two), 404);
	assert_int_equal(ask(r, "ok", &two), 200);
	/* the last one that fits counts */
	assert_int_equal(ask(r, "slow-0", &one), 404);
	responder_play(r, NULL);
	assert_int_equal(ask(r, "ok", &one), 200);
	responder_free(r);
	OPENSSL_free(serial);
}

static void a_play_is_for_the_first_requests(void **state)
{
	struct responder *r = plain();
	int i;

	(void)state;
	responder_play(r, &(struct responder_play){ .segment = "status-502", .first = 3 });
	for (i = 0; i < 6; i++)
		assert_int_equal(ask(r, "ok", i % 2 ? &one : &two), i < 3 ? 502 : 200);
	responder_force(r, "status-500");
	assert_int_equal(ask(r, "ok", &one), 500);
	responder_force(r, NULL);
	assert_int_equal(ask(r, "ok", &one), 200);
	responder_free(r);
}

static void a_stale_copy_is_served_unless_asked_not_to(void **state)
{
	struct responder *r = plain();

	(void)state;
	responder_cache(r, "status-203");
	assert_int_equal(ask(r, "ok", &one), 203);
	assert_int_equal(ask_with(r, "ok", &one, "cache-control: max-age=0\r\n"), 203);
	assert_int_equal(ask_with(r, "ok", &one, "Cache-Control: no-cache\r\n"), 200);
	assert_int_equal(value(r, "no-cache"), 1);
	assert_int_equal(value(r, "stale"), 2);
	responder_cache(r, NULL);
	assert_int_equal(ask(r, "ok", &one), 200);
	responder_free(r);
}

/* ---- before a status line ---- */

static void nothing_comes_before_the_status_line(void **state)
{
	static const struct {
		const char *path;
		bool reset, bytes;
	} rows[] = {
		{ "close", false, false }, { "reset", true, false },
		{ "garbage-before", false, true }, { "crlf-before", false, true },
	};
	struct responder *r = plain();
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = dial(r, "127.0.0.1");
		post(fd, rows[i].path, &one, "");
		assert_int_equal(read_all(fd, head, sizeof(head)), !rows[i].reset);
		assert_int_equal(head[0] != '\0', rows[i].bytes);
		assert_int_not_equal(strncmp(head, "HTTP/", 5), 0);
	}
	responder_free(r);
}

/* ---- addresses ---- */

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

/* Four addresses of which one accepts and is silent. */
static void one_of_four_addresses_is_deaf(void **state)
{
	struct responder_conf c = { .pki = pki, .v6 = RESPONDER_REFUSE, .more = {
		{ "127.0.0.2", RESPONDER_DEAF }, { "127.0.0.3", RESPONDER_LISTEN },
		{ "127.0.0.4", RESPONDER_REFUSE } } };
	struct responder *r = responder_new(&c);
	int deaf = dial(r, "127.0.0.2"), fd;
	uint64_t n;

	(void)state;
	assert_true(deaf >= 0);
	post(deaf, "ok", &one, "");
	assert_int_equal(dial(r, "127.0.0.4"), -1);
	assert_int_equal(errno, ECONNREFUSED);
	fd = dial(r, "127.0.0.3");
	post(fd, "ok", &one, "");
	read_all(fd, head, sizeof(head));
	assert_int_equal(strncmp(head, "HTTP/1.1 200 ", 13), 0);
	assert_int_equal(ask(r, "ok", &one), 200);
	/* what was asked there first has still no answer */
	assert_true(responder_await(r, "at=127.0.0.2", 1, WAIT_MS));
	assert_false(is_readable(deaf));
	close(deaf);
	assert_int_equal(value(r, "at=127.0.0.3"), 1);
	assert_int_equal(value(r, "at=127.0.0.1"), 1);
	assert_int_equal(value(r, "at=127.0.0.4"), 0);
	assert_int_equal(value(r, "requests"), 2);
	assert_false(responder_value(r, "at=127.0.0.9", &n));
	assert_false(responder_value(r, "nothing", &n));
	assert_false(responder_mode_at(r, "127.0.0.9", RESPONDER_LISTEN, 0));
	responder_free(r);
}

/* It listens only later; until then it refuses. */
static void a_responder_comes_up_later(void **state)
{
	struct responder_conf c = { .pki = pki, .v4 = RESPONDER_REFUSE, .v6 = RESPONDER_REFUSE };
	struct responder *r = responder_new(&c);

	(void)state;
	assert_true(responder_mode_at(r, "127.0.0.1", RESPONDER_LISTEN, SOME_S * 1000));
	assert_int_equal(dial(r, "127.0.0.1"), -1);
	assert_int_equal(errno, ECONNREFUSED);
	/* what is asked for afterwards takes the place of what was to come */
	assert_true(responder_mode_at(r, "127.0.0.1", RESPONDER_LISTEN, 20));
	assert_true(responder_await(r, "up=127.0.0.1", 1, WAIT_MS));
	assert_int_equal(ask(r, "ok", &one), 200);
	responder_mode_set(r, false, RESPONDER_REFUSE);
	assert_int_equal(value(r, "up=127.0.0.1"), 0);
	assert_int_equal(dial(r, "127.0.0.1"), -1);
	responder_free(r);
}

/* ---- counters ---- */

static void certificates_and_peaks_are_counted(void **state)
{
	char *serial = pki_serial(one.cert), what[96];
	struct responder *r = plain();
	int fds[3];
	size_t i;

	(void)state;
	snprintf(what, sizeof(what), "serial=%s", serial);
	OPENSSL_free(serial);
	for (i = 0; i < 3; i++) {
		fds[i] = dial(r, "127.0.0.1");
		post(fds[i], "hold-ok", i ? &one : &two, "");
	}
	assert_true(responder_await(r, what, 2, WAIT_MS));
	assert_true(responder_await(r, "busy", 3, WAIT_MS));
	assert_int_equal(value(r, "peak"), 3);
	assert_int_equal(value(r, "/hold-ok"), 3);
	assert_false(responder_await(r, "requests", 4, 1));
	responder_release(r);
	for (i = 0; i < 3; i++)
		assert_true(read_all(fds[i], head, sizeof(head)));
	assert_int_equal(ask(r, "ok", &one), 200);
	assert_int_equal(value(r, what), 3);
	assert_int_equal(value(r, "busy"), 3);
	assert_int_equal(value(r, "connections"), 4);
	responder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_finds_exactly_its_row),
		cmocka_unit_test(every_row_is_found_by_its_name),
		cmocka_unit_test(a_rate_lets_so_many_through_in_each_window),
		cmocka_unit_test(requests_over_the_limit_are_refused),
		cmocka_unit_test(a_pace_goes_in_equal_steps),
		cmocka_unit_test(answers_go_at_their_pace),
		cmocka_unit_test(a_load_makes_whole_handshakes),
		cmocka_unit_test(a_load_says_why_it_failed),
		cmocka_unit_test(a_play_is_for_chosen_requests),
		cmocka_unit_test(a_play_is_for_the_first_requests),
		cmocka_unit_test(a_stale_copy_is_served_unless_asked_not_to),
		cmocka_unit_test(nothing_comes_before_the_status_line),
		cmocka_unit_test(one_of_four_addresses_is_deaf),
		cmocka_unit_test(a_responder_comes_up_later),
		cmocka_unit_test(certificates_and_peaks_are_counted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
