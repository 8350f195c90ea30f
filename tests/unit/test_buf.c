/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_buf.c - the byte buffer: its maximum, and what happens without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

#include "edge.h"
#include "nomem.h"
#include "ocu/buf.h"

static void it_holds_what_was_added(void **state)
{
	uint8_t *edge = at_edge("hello ", 6);
	struct ocu_buf b;

	(void)state;
	ocu_buf_init(&b, 1000);
	assert_null(b.data);
	assert_int_equal(ocu_buf_add(&b, NULL, 0), OCU_OK);
	assert_int_equal(ocu_buf_add(&b, edge, 6), OCU_OK);
	assert_int_equal(ocu_buf_addf(&b, "%s", ""), OCU_OK);
	assert_int_equal(ocu_buf_addf(&b, "%s %d", "world", 42), OCU_OK);
	assert_int_equal(b.len, 14);
	assert_memory_equal(b.data, "hello world 42", 14);
	ocu_buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_non_null(b.data);
	assert_int_equal(ocu_buf_add(&b, "x", 1), OCU_OK);
	assert_int_equal(b.len, 1);
	ocu_buf_fini(&b);
	ocu_buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
	edge_free(edge, 6);
}

static void it_grows_byte_by_byte_up_to_its_maximum(void **state)
{
	static const size_t maxima[] = { 0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 5000 };
	struct ocu_buf b;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		ocu_buf_init(&b, maxima[i]);
		for (j = 0; j < maxima[i]; j++) {
			uint8_t c = (uint8_t)(j * 7);

			assert_int_equal(ocu_buf_add(&b, &c, 1), OCU_OK);
			assert_true(b.cap <= b.max);
		}
		assert_int_equal(ocu_buf_add(&b, "x", 1), OCU_TOO_BIG);
		assert_int_equal(ocu_buf_addf(&b, "x"), OCU_TOO_BIG);
		assert_int_equal(ocu_buf_room(&b, SIZE_MAX), OCU_TOO_BIG);
		assert_int_equal(ocu_buf_room(&b, 0), OCU_OK);
		assert_int_equal(b.len, maxima[i]);
		for (j = 0; j < maxima[i]; j++)
			assert_int_equal(b.data[j], (uint8_t)(j * 7));
		ocu_buf_fini(&b);
	}
}

static void formatted_text_may_fill_it(void **state)
{
	struct ocu_buf b;

	(void)state;
	ocu_buf_init(&b, 5);
	assert_int_equal(ocu_buf_addf(&b, "%06d", 1), OCU_TOO_BIG);
	assert_int_equal(b.len, 0);
	assert_int_equal(ocu_buf_addf(&b, "%05d", 1), OCU_OK);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "00001", 5);
	ocu_buf_fini(&b);
	/* A wide character that the locale cannot write. */
	assert_int_equal(ocu_buf_addf(&b, "%lc", (wint_t)0x20ac), OCU_TOO_BIG);
	assert_int_equal(b.len, 0);
	ocu_buf_fini(&b);
}

static void no_maximum_overflows(void **state)
{
	struct ocu_buf b;

	(void)state;
	ocu_buf_init(&b, SIZE_MAX);
	assert_true(b.max < SIZE_MAX);
	assert_int_equal(ocu_buf_add(&b, "abc", 3), OCU_OK);
	assert_int_equal(ocu_buf_room(&b, SIZE_MAX - 2), OCU_TOO_BIG);
	assert_memory_equal(b.data, "abc", 3);
	ocu_buf_fini(&b);
}

static void without_memory_it_stays_as_it_was(void **state)
{
	char big[600] = { 0 };
	struct ocu_buf b;
	long before = nomem_live();

	(void)state;
	ocu_buf_init(&b, 10000);
	nomem_fail(0);
	assert_int_equal(ocu_buf_add(&b, "abc", 3), OCU_NOMEM);
	assert_true(nomem_failed());
	assert_null(b.data);
	assert_int_equal(ocu_buf_add(&b, "abc", 3), OCU_OK);
	nomem_fail(0);
	assert_int_equal(ocu_buf_add(&b, big, sizeof(big)), OCU_NOMEM);
	nomem_fail(0);
	assert_int_equal(ocu_buf_addf(&b, "%600d", 1), OCU_NOMEM);
	nomem_fail(-1);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "abc", 3);
	assert_int_equal(nomem_live(), before + 1);
	ocu_buf_fini(&b);
	assert_int_equal(nomem_live(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_was_added),
		cmocka_unit_test(it_grows_byte_by_byte_up_to_its_maximum),
		cmocka_unit_test(formatted_text_may_fill_it),
		cmocka_unit_test(no_maximum_overflows),
		cmocka_unit_test(without_memory_it_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
