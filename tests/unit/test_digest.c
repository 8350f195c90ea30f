/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_digest.c - which digests there are, and that one is the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/objects.h>

#include "nomem.h"
#include "ocu/digest.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	int nid, bytes;
	unsigned char first; /* of the digest of "abc" (FIPS 180-4 and its examples) */
} rows[] = {
	{ NID_sha1, 20, 0xa9 },
	{ NID_sha224, 28, 0x23 },
	{ NID_sha256, 32, 0xba },
	{ NID_sha384, 48, 0xcb },
	{ NID_sha512, 64, 0xdd },
};

static void check(size_t i)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	assert_int_equal(EVP_Digest("abc", 3, md, &n, ocu_digest(rows[i].nid), NULL), 1);
	assert_int_equal(n, rows[i].bytes);
	assert_int_equal(md[0], rows[i].first);
}

/* Without memory for looking it up there is one all the same. Comes first, while none is kept. */
static void without_memory(void **state)
{
	const EVP_MD *found;
	size_t i;

	(void)state;
	/* OpenSSL has to be there: what it does without memory for itself is not asked. */
	EVP_MD_free(EVP_MD_fetch(NULL, "MD5", NULL));
	for (i = 0; i < COUNT(rows); i++) {
		nomem_fail((long)i);
		found = ocu_digest(rows[i].nid);
		assert_true(nomem_failed());
		nomem_fail(-1);
		assert_non_null(found);
		check(i);
	}
}

static void known(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		check(i);
		assert_ptr_equal(ocu_digest(rows[i].nid), ocu_digest(rows[i].nid));
	}
}

static void unknown(void **state)
{
	static const int nids[] = { NID_undef, NID_md5, NID_sha3_256, NID_sha512_256, -1 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(nids); i++)
		assert_null(ocu_digest(nids[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory),
		cmocka_unit_test(known),
		cmocka_unit_test(unknown),
	};

	if (!nomem_openssl())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
