/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_command.c - the list of the lab's commands, and how a line becomes the call of one. */
#include <stdio.h>
#include <string.h>

#include "lab.h"

#define WORDS_MAX 64

bool lab_refuse(FILE *out, const char *why, const char *what)
{
	fprintf(out, "%s '%s'\n", why, what);
	return false;
}

static bool cmd_file(char **w, size_t n, FILE *out)
{
	(void)n;
	(void)out;
	lab_file(w[1], w[2], strlen(w[2]));
	return true;
}

static bool cmd_stop(char **w, size_t n, FILE *out)
{
	(void)w;
	(void)n;
	(void)out;
	lab.stop = true;
	return true;
}

static const struct command {
	const char *name;
	size_t words;              /* at least, with the name itself */
	bool (*run)(char **w, size_t n, FILE *out);
	size_t rest;               /* so many, the last one reaching to the end; 0: as they come */
	bool plain;                /* %NAME stays as it is */
} commands[] = {
	{ "responder", 2, cmd_responder, 0, false },
	{ "play", 3, cmd_play, 0, false },
	{ "release", 2, cmd_release, 0, false },
	{ "drop", 2, cmd_drop, 0, false },
	{ "count", 3, cmd_count, 0, false },
	{ "await", 3, cmd_await, 0, false },
	{ "limit", 3, cmd_limit, 0, false },
	{ "pace", 3, cmd_pace, 0, false },
	{ "cache", 3, cmd_cache, 0, false },
	{ "at-most", 4, cmd_at_most, 0, false },
	{ "await-idle", 1, cmd_await_idle, 0, false },
	{ "last", 2, cmd_last, 0, false },
	{ "sni", 2, cmd_sni, 0, false },
	{ "name", 2, cmd_name, 0, false },
	{ "dns", 2, cmd_dns, 0, false },
	{ "await-dns", 2, cmd_await_dns, 0, false },
	{ "cert", 2, cmd_cert, 0, false },
	{ "ocsp", 4, cmd_ocsp, 0, false },
	{ "await-log", 3, cmd_log, 3, true },
	{ "when-log", 3, cmd_log, 3, true },
	{ "log", 2, cmd_log, 2, true },
	{ "count-log", 2, cmd_log, 2, true },
	{ "faults-make", 3, cmd_faults_make, 0, false },
	{ "faults-check", 3, cmd_faults_check, 0, false },
	{ "port", 2, cmd_port, 0, false },
	{ "file", 3, cmd_file, 3, false },
	{ "stop", 1, cmd_stop, 0, false },
};

/* Writes <in> into <out> with the ports of responders in it; false if it does not fit, or names a
 * responder that there is not.
 */
static bool ports_fill(char *out, size_t max, const char *in)
{
	struct named_responder *r;
	size_t at = 0, i, n;

	while (*in && at + 8 < max) {
		if (*in != '%') {
			out[at++] = *in++;
			continue;
		}
		r = NULL;
		for (i = 0; i < lab.n_responders; i++) {
			n = strlen(lab.responders[i].name);
			if (!strncmp(in + 1, lab.responders[i].name, n) &&
			    strcspn(in + 1, "/ ,:") == n)
				r = &lab.responders[i];
		}
		if (!r)
			return false;
		at += (size_t)snprintf(out + at, max - at, "%u", (unsigned)responder_port(r->r));
		in += 1 + strlen(r->name);
	}
	out[at] = '\0';
	return !*in;
}

/* Splits <text> in place; returns the number of words, the <rest>th one reaching to the end. */
static size_t split(char *text, char **words, size_t rest)
{
	size_t n = 0;

	while (n < WORDS_MAX) {
		text += strspn(text, " \t\n");
		if (!*text)
			break;
		words[n++] = text;
		if (n == rest)
			break;
		text += strcspn(text, " \t\n");
		if (*text)
			*text++ = '\0';
	}
	return n;
}

bool command_run(const char *line, FILE *out)
{
	char text[COMMAND_BYTES], *w[WORDS_MAX] = {0};
	size_t i, n, len = strcspn(line, " \t\n");
	const struct command *c = NULL;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].name) == len && !strncmp(line, commands[i].name, len))
			c = &commands[i];
	if (!c)
		return lab_refuse(out, "no such command:", line);
	if (c->plain)
		snprintf(text, sizeof(text), "%s", line);
	else if (!ports_fill(text, sizeof(text), line))
		return lab_refuse(out, "too long, or a port of no responder:", line);
	n = split(text, w, c->rest);
	if (n < c->words)
		return lab_refuse(out, "a word is missing:", line);
	return c->run(w, n, out);
}
