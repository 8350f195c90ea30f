/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pings.c - how long HAProxy's CLI keeps one client waiting while another one has a long answer. */
#include "pings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "staple.h"

#define QUIET_LEAST_US 200000
#define PING "show version\n"
#define READY "\n> "            /* what ends an answer after "prompt" */

/* The client that pings. */
struct pinger {
	const char *path;
	int64_t longest_us, until_us;
	atomic_bool stop;          /* before that time */
	bool failed;
};

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Says <text>, and reads until the CLI is ready again. */
static bool ping(int fd, const char *text)
{
	char answer[4096];
	size_t n = 0, end = strlen(READY);
	ssize_t k;

	if (!say(fd, text))
		return false;
	while (n < end || memcmp(answer + n - end, READY, end) != 0) {
		k = recv(fd, answer + n, sizeof(answer) - n, 0);
		if (k <= 0)
			return false;
		n += (size_t)k;
	}
	return true;
}

static void *ping_on(void *arg)
{
	struct pinger *p = arg;
	int fd = staple_connect(p->path);
	int64_t began_us, us;

	p->failed = fd < 0 || !ping(fd, "prompt\n");
	while (!p->failed && !atomic_load(&p->stop) && now_us() < p->until_us) {
		began_us = now_us();
		p->failed = !ping(fd, PING);
		us = now_us() - began_us;
		if (us > p->longest_us)
			p->longest_us = us;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Gives the command and reads the answer, which ends with the connection. */
static bool command(const char *path, const char *text, struct pings_result *out)
{
	static char part[1 << 20];
	int64_t began_us = now_us();
	int fd = staple_connect(path);
	ssize_t k, i;

	*out = (struct pings_result){ 0 };
	if (fd < 0)
		return false;
	if (say(fd, text) && say(fd, "\n") && shutdown(fd, SHUT_WR) == 0) {
		while ((k = recv(fd, part, sizeof(part), 0)) > 0) {
			out->bytes += (uint64_t)k;
			for (i = 0; i < k; i++)
				out->lines += part[i] == '\n';
		}
	}
	close(fd);
	out->us = now_us() - began_us;
	return out->lines > 0;
}

/* Pings while the command is answered, or, without one, for <us>. */
static bool watched(const char *path, const char *text, int64_t us, struct pings_result *out,
		    int64_t *longest_us)
{
	struct pinger p = { .path = path, .until_us = text ? INT64_MAX : now_us() + us };
	pthread_t thread;
	bool ok = true;

	if (pthread_create(&thread, NULL, ping_on, &p) != 0)
		return false;
	if (text) {
		ok = command(path, text, out);
		atomic_store(&p.stop, true);
	}
	pthread_join(thread, NULL);
	*longest_us = p.longest_us;
	return ok && !p.failed;
}

bool pings_run(const char *path, const char *text, struct pings_result *out)
{
	int64_t quiet_us, longest_us;

	if (!command(path, text, out) ||
	    !watched(path, NULL, out->us > QUIET_LEAST_US ? out->us : QUIET_LEAST_US, out,
		     &quiet_us) ||
	    !watched(path, text, 0, out, &longest_us)) {
		fprintf(stderr, "pings: %s: no answer\n", path);
		return false;
	}
	out->quiet_us = quiet_us;
	out->longest_us = longest_us;
	return true;
}
