/* SPDX-License-Identifier: GPL-2.0-or-later */
/* case.c - lets the environment choose among the cases of a unit test: CASE is a name, in which
 * * and ? stand for others. It is linked into every unit test, and tests nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void case_choose(void)
{
	const char *name = getenv("CASE");

	if (name && *name)
		cmocka_set_test_filter(name);
}
