/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz.c - the beginning of every fuzz target, and its seeds. Fuzzes nothing itself. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *seed_dir;
static int n_seeds;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_init();
	if (*argc != 3 || strcmp((*argv)[1], "--seeds") != 0)
		return 0;
	seed_dir = (*argv)[2];
	fuzz_seeds();
	exit(n_seeds == 0);
}

void fuzz_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

void fuzz_seed(const void *head, size_t head_len, const void *p, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%03d", seed_dir, n_seeds++);
	f = fopen(path, "we");
	fuzz_must(f != NULL, path);
	fuzz_must(fwrite(head, 1, head_len, f) == head_len && fwrite(p, 1, n, f) == n &&
		  fclose(f) == 0, path);
}

uint8_t *fuzz_copy(const void *p, size_t n)
{
	uint8_t *ret = malloc(n ? n : 1);

	fuzz_must(ret != NULL, "no memory");
	if (n)
		memcpy(ret, p, n);
	return ret;
}

bool fuzz_is_clean(const char *msg)
{
	for (; *msg; msg++) {
		if (*msg < 0x20 || *msg > 0x7e || *msg == '"' || *msg == '\\')
			return false;
	}
	return true;
}
