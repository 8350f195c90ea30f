/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_file.c - the files of the lab's directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab.h"
#include "wait.h"

#define AWAIT_MS 20000

int lab_await_ms(void)
{
	return wait_limit_ms(AWAIT_MS);
}

void lab_die(const char *what)
{
	fprintf(stderr, "lab: %s: %m\n", what);
	exit(1);
}

const char *lab_path(const char *name, const char *suffix)
{
	static char path[PATH_BYTES];

	if (snprintf(path, sizeof(path), "%s/%s%s", lab.dir, name, suffix) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		lab_die(name);
	}
	return path;
}

void lab_file(const char *name, const void *p, size_t n)
{
	const char *path = lab_path(name, "");
	FILE *f = fopen(path, "w");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		lab_die(path);
}
