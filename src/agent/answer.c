/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.c - reads HAProxy's answers on the CLI. Asks nothing. */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Returns the next line of *at, without its end, and its length; NULL: there is none. */
static const char *line_next(const char **at, size_t *n)
{
	const char *line = *at;

	if (!*line)
		return NULL;
	*n = strcspn(line, "\n");
	*at = line + *n + (line[*n] == '\n');
	return line;
}

bool ocu_answer_value(const char *text, const char *name, char *out, size_t size)
{
	size_t n, len = strlen(name);
	const char *line;

	while ((line = line_next(&text, &n))) {
		if (n < len + 1 || memcmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		n -= len + 1;
		while (n && *line == ' ') {
			line++;
			n--;
		}
		if (n >= size)
			return false;
		memcpy(out, line, n);
		out[n] = '\0';
		return true;
	}
	return false;
}

int64_t ocu_answer_number(const char *text, const char *name)
{
	char value[24], *end;
	long long number;

	if (!ocu_answer_value(text, name, value, sizeof(value)))
		return -1;
	errno = 0;
	number = strtoll(value, &end, 10);
	return *value && !*end && !errno && number >= 0 ? number : -1;
}

bool ocu_answer_cert(const char **at, const char **name, size_t *n)
{
	const char *line;

	/* "*" is before one that somebody is about to replace: it is there once more without */
	while ((line = line_next(at, n))) {
		if (!*n || *line == '#' || *line == '*')
			continue;
		*name = line;
		return true;
	}
	return false;
}

bool ocu_answer_updated(const char **at, const char **name, size_t *n)
{
	static const char bar[] = " | ";
	const char *line, *end, *path;
	size_t len;

	while ((line = line_next(at, &len))) {
		/* CertID | Path | ...; a header has no CertID */
		end = memmem(line, len, bar, strlen(bar));
		if (!end || strspn(line, "0123456789abcdef") != (size_t)(end - line))
			continue;
		path = end + strlen(bar);
		end = memmem(path, len - (size_t)(path - line), bar, strlen(bar));
		if (!end)
			continue;
		*name = path;
		*n = (size_t)(end - path);
		return true;
	}
	return false;
}

bool ocu_answer_unknown(const char *text)
{
	return strncmp(text, "Unknown command", strlen("Unknown command")) == 0;
}

const char *ocu_answer_says(const char *text, size_t *n)
{
	static const char none[] = "no answer";
	const char *line;

	while ((line = line_next(&text, n)))
		if (*n)
			return line;
	*n = strlen(none);
	return none;
}
