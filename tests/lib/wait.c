/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wait.c - waits for what HAProxy does that is not in its log: files, and answers of its CLI. */
#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 20000
#define ASK_EVERY_MS 20
#define ANSWER_MS 3000   /* then it is asked again: a master may lose a question to a new worker */
#define LINE_BYTES 4096
#define ANSWER_BYTES (1 << 20)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int wait_limit_ms(int usual_ms)
{
	const char *text = getenv("LAB_LIMIT_S");
	long s = text ? strtol(text, NULL, 10) : 0;

	return s > 0 && s < INT_MAX / 1000 ? (int)s * 1000 : usual_ms;
}

/* Milliseconds from now until <end>, for poll(). */
static int left_ms(int64_t end)
{
	int64_t left = end - now_ms();

	return left > 0 ? (int)left : 0;
}

static bool regex_read(regex_t *re, const char *text)
{
	if (regcomp(re, text, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0)
		return true;
	fprintf(stderr, "wait: not an expression: %s\n", text);
	return false;
}

/* What wait_lines() and wait_names() look at. */
struct look {
	const char *path;
	regex_t re;
	unsigned long (*count)(const struct look *l);
};

static unsigned long count_lines(const struct look *l)
{
	FILE *f = fopen(l->path, "re");
	char line[LINE_BYTES];
	unsigned long n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		n += regexec(&l->re, line, 0, NULL, 0) == 0;
	}
	fclose(f);
	return n;
}

static unsigned long count_names(const struct look *l)
{
	DIR *d = opendir(l->path);
	unsigned long n = 0;
	struct dirent *e;

	if (!d)
		return 0;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			n += regexec(&l->re, e->d_name, 0, NULL, 0) == 0;
	closedir(d);
	return n;
}

/* A descriptor that is readable when something has changed in <dir>; -1 if it cannot be watched. */
static int watch(const char *dir)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0 && inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM |
					 IN_DELETE | IN_MODIFY | IN_ATTRIB) >= 0)
		return fd;
	fprintf(stderr, "wait: %s: %m\n", dir);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Waits for a change; false: it is too late. */
static bool changed(int fd, int64_t end)
{
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, left_ms(end)) != 1)
		return false;
	while (read(fd, events, sizeof(events)) > 0)
		;
	return true;
}

static bool look_until(struct look *l, const char *dir, unsigned long n, const char *regex)
{
	int64_t end = now_ms() + wait_limit_ms(LIMIT_MS);
	unsigned long seen;
	bool more = true;
	int fd;

	if (!regex_read(&l->re, regex))
		return false;
	fd = watch(dir);
	/* watched first, so that nothing comes unseen between the look and the wait */
	while ((seen = l->count(l)) < n && more)
		more = fd >= 0 && changed(fd, end);
	if (seen < n)
		fprintf(stderr, "wait: %s: %lu of %lu match %s\n", l->path, seen, n, regex);
	if (fd >= 0)
		close(fd);
	regfree(&l->re);
	return seen >= n;
}

bool wait_names(const char *dir, unsigned long n, const char *regex)
{
	struct look l = { .path = dir, .count = count_names };

	return look_until(&l, dir, n, regex);
}

/* Writes the directory of <path> into <dir>. */
static void dir_of(const char *path, char dir[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

bool wait_lines(const char *path, unsigned long n, const char *regex)
{
	struct look l = { .path = path, .count = count_lines };
	char dir[PATH_MAX];

	dir_of(path, dir);
	return look_until(&l, dir, n, regex);
}

/* Connects to the socket <path>; -1 with errno. */
static int cli_open(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Asks once; <answer> is what came until the other side closed, "" if it was nothing. */
static void cli_ask(const char *path, const char *command, int64_t end, char *answer)
{
	struct pollfd p = { .fd = cli_open(path), .events = POLLIN };
	char line[LINE_BYTES];
	size_t n = 0;
	ssize_t k = 1;
	int len;

	*answer = '\0';
	if (p.fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%s\n", command);
	/* the master's CLI waits for more until it is told that there is none */
	if (send(p.fd, line, (size_t)len, MSG_NOSIGNAL) == len && shutdown(p.fd, SHUT_WR) == 0) {
		while (k > 0 && n < ANSWER_BYTES - 1 && poll(&p, 1, left_ms(end)) == 1) {
			k = recv(p.fd, answer + n, ANSWER_BYTES - 1 - n, 0);
			n += k > 0 ? (size_t)k : 0;
		}
		answer[n] = '\0';
	}
	close(p.fd);
}

bool wait_cli(const char *path, const char *command, const char *regex)
{
	static char answer[ANSWER_BYTES];
	int64_t end = now_ms() + wait_limit_ms(LIMIT_MS), until;
	bool there = false;
	char dir[PATH_MAX];
	regex_t re;
	int fd;

	if (!regex_read(&re, regex))
		return false;
	dir_of(path, dir);
	fd = watch(dir);
	while (fd >= 0 && !there && left_ms(end)) {
		until = now_ms() + ANSWER_MS;
		cli_ask(path, command, until < end ? until : end, answer);
		there = regexec(&re, answer, 0, NULL, 0) == 0;
		/* a socket that comes is an event, an answer that changes is none */
		if (!there)
			changed(fd, now_ms() + ASK_EVERY_MS);
	}
	if (!there)
		fprintf(stderr, "wait: %s: '%s' never matched %s, the last answer was:\n%s\n", path,
			command, regex, answer);
	if (fd >= 0)
		close(fd);
	regfree(&re);
	return there;
}
