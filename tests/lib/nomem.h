/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nomem.h - an allocator that fails when it is told to, and counts what is not freed. A test that
 * includes this is linked with --wrap for malloc, calloc, realloc, strdup and free, which covers
 * the test and the code under test; shared libraries are not covered unless routed here.
 */
#ifndef TESTS_NOMEM_H
#define TESTS_NOMEM_H

#include <stdbool.h>

/* Lets the <n>-th allocation from now fail (0 is the next one), once; a negative <n>: none. */
void nomem_fail(long n);

/* Whether that allocation has come and failed. */
bool nomem_failed(void);

/* Returns how many allocations of all threads are not freed. */
long nomem_live(void);

/* Routes OpenSSL's allocations here. Has to come before anything else of OpenSSL in the process;
 * false if it came too late.
 */
bool nomem_openssl(void);

#endif
