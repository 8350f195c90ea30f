/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_record.c - answers of nameservers, right and wrong ones, whole, cut and with each byte
 * changed. Sends nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "ocu/record.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The parts of a message. The question is for A or AAAA of "Name.test" and begins at byte 12. */
#define HEAD(flags, answers) "\1\2" flags "\0\1\0" answers "\0\0\0\0"
#define OK HEAD("\x81\x80", "\1")
#define TWO HEAD("\x81\x80", "\2")
#define ASKED "\4Name\4test\0\0\1\0\1"
#define ASKED6 "\4Name\4test\0\0\x1c\0\1"
#define NAME "\xc0\x0c"
#define TTL "\0\0\0\x3c"
#define ADDR(owner, ttl, last) owner "\0\1\0\1" ttl "\0\4\xc0\0\2" last
#define ADDR6(owner, ttl) owner "\0\x1c\0\1" ttl "\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define ALIAS(owner, ttl, n, target) owner "\0\5\0\1" ttl "\0" n target
#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *p;
	size_t n;
	enum ocu_family family;
	const char *reason; /* NULL: it is taken */
	size_t addrs;
	uint32_t ttl_s;
	unsigned rcode;
	uint8_t last;       /* byte of the first address */
} rows[] = {
	{ BYTES(OK ASKED ADDR(NAME, TTL, "\7")), OCU_IPV4, NULL, 1, 60, 0, 7 },
	{ BYTES(OK ASKED6 ADDR6(NAME, TTL)), OCU_IPV6, NULL, 1, 60, 0, 1 },
	{ BYTES(OK ASKED ADDR("\4nAME\4TEST\0", TTL, "\7")), OCU_IPV4, NULL, 1, 60, 0, 7 },
	{ BYTES(TWO ASKED ADDR(NAME, TTL, "\7") ADDR(NAME, "\0\0\0\5", "\x8")), OCU_IPV4, NULL, 2,
	  5, 0, 7 },
	{ BYTES(TWO ASKED ADDR(NAME, TTL, "\7") ADDR6(NAME, "\0\0\0\5")), OCU_IPV4, NULL, 1, 60, 0,
	  7 },
	/* the highest bit of a TTL */
	{ BYTES(OK ASKED ADDR(NAME, "\x80\0\0\1", "\7")), OCU_IPV4, NULL, 1, 0, 0, 7 },
	/* an alias before and behind what it stands for; its TTL counts */
	{ BYTES(TWO ASKED ALIAS(NAME, "\0\0\0\2", "\3", "\1b\0") ADDR("\1b\0", TTL, "\x9")),
	  OCU_IPV4, NULL, 1, 2, 0, 9 },
	{ BYTES(TWO ASKED ADDR("\1b\0", TTL, "\x9") ALIAS(NAME, TTL, "\3", "\1b\0")), OCU_IPV4,
	  NULL, 1, 60, 0, 9 },
	/* an address beside a stranger's */
	{ BYTES(TWO ASKED ADDR("\1x\0", TTL, "\x9") ADDR(NAME, TTL, "\7")), OCU_IPV4, NULL, 1, 60,
	  0, 7 },
	/* no address: nothing at all, an alias without one, of another family, of another class */
	{ BYTES(HEAD("\x81\x80", "\0") ASKED), OCU_IPV4, NULL, 0, 0, 0, 0 },
	{ BYTES(OK ASKED ALIAS(NAME, TTL, "\3", "\1b\0")), OCU_IPV4, NULL, 0, 0, 0, 0 },
	{ BYTES(OK ASKED ADDR6(NAME, TTL)), OCU_IPV4, NULL, 0, 0, 0, 0 },
	{ BYTES(OK ASKED NAME "\0\1\0\3" TTL "\0\4\xc0\0\2\1"), OCU_IPV4, NULL, 0, 0, 0, 0 },
	{ BYTES(HEAD("\x81\x83", "\0") ASKED), OCU_IPV4, NULL, 0, 0, OCU_RCODE_NXDOMAIN, 0 },
	{ BYTES(HEAD("\x81\x82", "\0") ASKED), OCU_IPV4, NULL, 0, 0, 2, 0 },

	{ BYTES(OK ASKED ADDR("\1x\0", TTL, "\7")), OCU_IPV4, "answer for another name", 0, 0, 0,
	  0 },
	{ BYTES(OK ASKED ADDR("\4Name\0", TTL, "\7")), OCU_IPV4, "answer for another name", 0, 0, 0,
	  0 },
	{ BYTES(TWO ASKED ALIAS(NAME, TTL, "\3", "\1b\0") ADDR("\1c\0", TTL, "\x9")), OCU_IPV4,
	  "answer for another name", 0, 0, 0, 0 },
	{ BYTES(OK ASKED ALIAS(NAME, TTL, "\2", NAME)), OCU_IPV4, "too many aliases", 0, 0, 0, 0 },
	{ BYTES(OK ASKED6 ADDR(NAME, TTL, "\7")), OCU_IPV4, "answer to another question", 0, 0, 0,
	  0 },
	{ BYTES(OK "\4Name\4tesT\1x\0\0\1\0\1" ADDR(NAME, TTL, "\7")), OCU_IPV4,
	  "answer to another question", 0, 0, 0, 0 },
	{ BYTES(OK "\4Name\4test\0\0\1\0\3" ADDR(NAME, TTL, "\7")), OCU_IPV4,
	  "answer to another question", 0, 0, 0, 0 },
	{ BYTES(HEAD("\1\x80", "\1") ASKED ADDR(NAME, TTL, "\7")), OCU_IPV4, "malformed answer", 0,
	  0, 0, 0 },
	{ BYTES(HEAD("\x91\x80", "\1") ASKED ADDR(NAME, TTL, "\7")), OCU_IPV4, "malformed answer",
	  0, 0, 0, 0 },
	/* a pointer to itself, one ahead, one into the header's end, an unknown kind of label */
	{ BYTES(OK ASKED ADDR("\xc0\x1b", TTL, "\7")), OCU_IPV4, "malformed answer", 0, 0, 0, 0 },
	{ BYTES(OK ASKED ADDR("\xc0\x20", TTL, "\7")), OCU_IPV4, "malformed answer", 0, 0, 0, 0 },
	{ BYTES(OK ASKED ADDR("\x41x\0", TTL, "\7")), OCU_IPV4, "malformed answer", 0, 0, 0, 0 },
	/* lengths that do not fit the type, or the message */
	{ BYTES(OK ASKED NAME "\0\1\0\1" TTL "\0\5\xc0\0\2\1\0"), OCU_IPV4, "malformed answer", 0,
	  0, 0, 0 },
	{ BYTES(OK ASKED NAME "\0\1\0\1" TTL "\0\4\xc0\0\2"), OCU_IPV4, "malformed answer", 0, 0, 0,
	  0 },
	{ BYTES(OK ASKED ALIAS(NAME, TTL, "\4", "\1b\0x")), OCU_IPV4, "malformed answer", 0, 0, 0,
	  0 },
	{ BYTES(TWO ASKED ADDR(NAME, TTL, "\7")), OCU_IPV4, "malformed answer", 0, 0, 0, 0 },
};

static void answers(void **state)
{
	struct ocu_records r;
	struct ocu_err err;
	enum ocu_status st;
	uint8_t *p;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		p = at_edge(rows[i].p, rows[i].n);
		st = ocu_records_read(&r, p, rows[i].n, "name.TEST", rows[i].family, &err);
		edge_free(p, rows[i].n);
		if (st != (rows[i].reason ? OCU_DNS : OCU_OK))
			fail_msg("row %zu: %s", i, st == OCU_OK ? "taken" : err.msg);
		if (rows[i].reason) {
			assert_string_equal(err.msg, rows[i].reason);
			continue;
		}
		assert_int_equal(r.n, rows[i].addrs);
		assert_int_equal(r.rcode, rows[i].rcode);
		assert_false(r.truncated);
		if (!r.n)
			continue;
		assert_int_equal(r.ttl_s, rows[i].ttl_s);
		assert_int_equal(r.addrs[0][rows[i].family == OCU_IPV6 ? 15 : 3], rows[i].last);
	}
}

/* An answer that ends early is never taken for one with addresses. */
static void prefixes(void **state)
{
	struct ocu_records r;
	size_t i, n;
	uint8_t *p;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		for (n = 0; rows[i].addrs && n < rows[i].n; n++) {
			p = at_edge(rows[i].p, n);
			assert_int_equal(ocu_records_read(&r, p, n, "name.test", rows[i].family,
							  NULL), OCU_DNS);
			edge_free(p, n);
		}
	}
}

/* Whatever a byte becomes, nothing outside of the answer is read, and there are not too many. */
static void bytes_changed(void **state)
{
	struct ocu_records r;
	size_t i, at;
	uint8_t *p;
	int byte;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		p = at_edge(rows[i].p, rows[i].n);
		for (at = 0; at < rows[i].n; at++) {
			for (byte = 0; byte < 256; byte++) {
				p[at] = (uint8_t)byte;
				(void)!ocu_records_read(&r, p, rows[i].n, "name.test",
							rows[i].family, NULL);
				assert_true(r.n <= OCU_RECORD_ADDRESSES_MAX);
			}
			p[at] = (uint8_t)rows[i].p[at];
		}
		edge_free(p, rows[i].n);
	}
}

static void truncated(void **state)
{
	static const char cut[] = HEAD("\x83\x80", "\x20") ASKED;
	struct ocu_records r;

	(void)state;
	assert_int_equal(ocu_records_read(&r, (const uint8_t *)cut, sizeof(cut) - 1, "name.test",
					  OCU_IPV4, NULL), OCU_OK);
	assert_true(r.truncated);
	assert_int_equal(r.n, 0);
}

/* A chain of <links> aliases, each record before the one that leads to it, and an address. */
static size_t chain(uint8_t *out, unsigned links)
{
	static const char head[] = HEAD("\x81\x80", "\0") ASKED;
	size_t n = sizeof(head) - 1;
	unsigned i;

	memcpy(out, head, n);
	out[7] = (uint8_t)(links + 1);
	memcpy(out + n, "\1", 1);
	out[n + 1] = (uint8_t)('A' + links);
	memcpy(out + n + 2, ADDR("\0", TTL, "\7"), sizeof(ADDR("\0", TTL, "\7")) - 1);
	n += 2 + sizeof(ADDR("\0", TTL, "\7")) - 1;
	for (i = links; i-- > 0;) {
		if (i) {
			out[n++] = 1;
			out[n++] = (uint8_t)('A' + i);
			out[n++] = 0;
		} else {
			memcpy(out + n, NAME, 2);
			n += 2;
		}
		memcpy(out + n, "\0\5\0\1" TTL "\0\3\1", 11);
		out[n + 11] = (uint8_t)('a' + i + 1);
		out[n + 12] = 0;
		n += 13;
	}
	return n;
}

static void chains(void **state)
{
	uint8_t buf[1024];
	struct ocu_records r;
	enum ocu_status st;
	unsigned links;
	size_t n;

	(void)state;
	for (links = 1; links <= OCU_RECORD_LINKS_MAX + 1; links++) {
		n = chain(buf, links);
		st = ocu_records_read(&r, buf, n, "name.test", OCU_IPV4, NULL);
		assert_int_equal(st, links <= OCU_RECORD_LINKS_MAX ? OCU_OK : OCU_DNS);
		assert_int_equal(r.n, links <= OCU_RECORD_LINKS_MAX ? 1 : 0);
	}
}

/* Names that no question can hold. */
static void hosts(void **state)
{
	static const char long_label[] =
		"0123456789012345678901234567890123456789012345678901234567890123.test";
	static const char *const names[] = { "", ".", "a..b", ".a", long_label };
	struct ocu_records r;
	struct ocu_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		assert_int_equal(ocu_records_read(&r, (const uint8_t *)rows[0].p, rows[0].n,
						  names[i], OCU_IPV4, &err), OCU_DNS);
		assert_string_equal(err.msg, "the name cannot be asked for");
	}
	/* One with a dot at its end is the same name. */
	assert_int_equal(ocu_records_read(&r, (const uint8_t *)rows[0].p, rows[0].n, "name.test.",
					  OCU_IPV4, NULL), OCU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(bytes_changed),
		cmocka_unit_test(truncated),
		cmocka_unit_test(chains),
		cmocka_unit_test(hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
