/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz.h - what the fuzz targets share: how they begin, how they say that something is wrong, how
 * they write the inputs to start with. Knows nothing of what a target does.
 *
 * A target defines LLVMFuzzerTestOneInput(), fuzz_init() and fuzz_seeds(). Called as
 * "target --seeds DIR" it writes its seeds there and ends.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called by libFuzzer; declared here, since no header of it does. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Called once, first. */
void fuzz_init(void);

/* Calls fuzz_seed() for each input to start with. */
void fuzz_seeds(void);

/* Writes one: the <head_len> bytes of <head>, then the <n> of <p>. */
void fuzz_seed(const void *head, size_t head_len, const void *p, size_t n);

/* Ends the run with <what> unless <ok>. */
void fuzz_must(bool ok, const char *what);

/* Returns a copy of <n> bytes that is as long as they are, so that reading on is noticed; never
 * NULL, to be freed.
 */
uint8_t *fuzz_copy(const void *p, size_t n);

/* Whether <msg> holds only what may go into a log. */
bool fuzz_is_clean(const char *msg);

#endif
