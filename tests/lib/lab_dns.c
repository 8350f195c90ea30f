/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_dns.c - the lab's commands for its DNS server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

bool cmd_name(char **w, size_t n, FILE *out)
{
	char line[COMMAND_BYTES];
	size_t i, at = 0;

	for (i = 1; i < n; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s ", w[i]);
	return dnsd_set(lab.dns, line) || lab_refuse(out, "not understood:", line);
}

bool cmd_dns(char **w, size_t n, FILE *out)
{
	struct dnsd_stats st;

	(void)n;
	if (!strcmp(w[1], "mute") || !strcmp(w[1], "unmute")) {
		dnsd_mute(lab.dns, *w[1] == 'm');
		return true;
	}
	dnsd_stats(lab.dns, &st);
	if (!strcmp(w[1], "count")) {
		fprintf(out, "%llu\n", (unsigned long long)st.queries);
		return true;
	}
	if (strcmp(w[1], "stats") != 0)
		return lab_refuse(out, "unknown word", w[1]);
	fprintf(out, "queries=%llu tcp=%llu a=%llu aaaa=%llu truncated=%llu\n",
		(unsigned long long)st.queries, (unsigned long long)st.tcp,
		(unsigned long long)st.a, (unsigned long long)st.aaaa,
		(unsigned long long)st.truncated);
	return true;
}

bool cmd_await_dns(char **w, size_t n, FILE *out)
{
	const char *name = n > 2 ? w[2] : NULL;

	return dnsd_wait(lab.dns, name, strtoull(w[1], NULL, 10), lab_await_ms()) ||
	       lab_refuse(out, "too few queries came for", name ? name : "any name");
}
