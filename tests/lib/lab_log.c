/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_log.c - the lab's log server, and the commands that look for lines in what has come. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lab.h"

int log_port(void)
{
	struct sockaddr_in in4;
	socklen_t n = sizeof(in4);

	if (getsockname(lab.log, (struct sockaddr *)&in4, &n) != 0)
		lab_die("getsockname");
	return ntohs(in4.sin_port);
}

void log_open(void)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	int room = 4 << 20;

	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lab.log = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (lab.log < 0 || bind(lab.log, (struct sockaddr *)&in4, sizeof(in4)) != 0)
		lab_die("log server");
	setsockopt(lab.log, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

/* HAProxy from 3.2 on has the reason of a failure inside of the text. One form is enough for the
 * tests: 2 "HTTP error (REASON)" 1 0 becomes 2 "HTTP error" 1 0 "REASON".
 */
static void reason_out(char text[static LOG_LINE_BYTES])
{
	char was[LOG_LINE_BYTES];
	regmatch_t m[5];
	static regex_t re;

	if (!re.re_nsub &&
	    regcomp(&re, "^(.*<OCSP-UPDATE> .* [0-9] \"[^(]*) \\((.*)\\)(\" [0-9]+ [0-9]+)$",
		    REG_EXTENDED) != 0)
		lab_die("regcomp");
	if (regexec(&re, text, 5, m, 0) != 0)
		return;
	memcpy(was, text, LOG_LINE_BYTES);
	snprintf(text, LOG_LINE_BYTES, "%.*s%.*s \"%.*s\"", (int)m[1].rm_eo, was,
		 (int)(m[3].rm_eo - m[3].rm_so), was + m[3].rm_so,
		 (int)(m[2].rm_eo - m[2].rm_so), was + m[2].rm_so);
}

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* Keeps what has come; "<PRI>" in front tells level and facility. */
void log_read(void)
{
	char text[LOG_LINE_BYTES];
	struct line *l;
	ssize_t n;

	while ((n = recv(lab.log, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		reason_out(text);
		l = calloc(1, sizeof(*l) + strlen(text) + 1);
		if (!l)
			lab_die("calloc");
		l->came_us = clock_us(CLOCK_REALTIME);
		memcpy(l->text, text, strlen(text) + 1);
		*lab.lines_end = l;
		lab.lines_end = &l->next;
	}
}

uint64_t log_match(const regex_t *re, FILE *out)
{
	struct line *l;
	uint64_t n = 0;

	log_read();
	for (l = lab.lines; l; l = l->next) {
		if (regexec(re, l->text, 0, NULL, 0) != 0)
			continue;
		n++;
		if (out)
			fprintf(out, "%s\n", l->text);
	}
	return n;
}

/* Takes from *n the lines that match, from *at on, where it goes on the next time; true: they are
 * enough, and the last one came at *came_us.
 */
static bool log_take(const regex_t *re, struct line ***at, uint64_t *n, int64_t *came_us)
{
	log_read();
	while (*n && **at) {
		*n -= regexec(re, (**at)->text, 0, NULL, 0) == 0;
		*came_us = (**at)->came_us;
		*at = &(**at)->next;
	}
	return !*n;
}

static bool log_await(const regex_t *re, uint64_t n, int64_t *came_us)
{
	struct pollfd p = { .fd = lab.log, .events = POLLIN };
	int64_t end = now_ms() + lab_await_ms(), left;
	struct line **at = &lab.lines;

	while (!log_take(re, &at, &n, came_us)) {
		left = end - now_ms();
		if (left <= 0)
			return false;
		poll(&p, 1, (int)left);
	}
	return true;
}

bool cmd_log(char **w, size_t n, FILE *out)
{
	bool when = !strcmp(w[0], "when-log"), await = when || !strcmp(w[0], "await-log");
	int64_t came_us = 0;
	bool ok = true;
	const char *text = await ? (n > 2 ? w[2] : "") : w[1];
	regex_t re;

	if (regcomp(&re, text, REG_EXTENDED | REG_NOSUB) != 0)
		return lab_refuse(out, "not an expression:", text);
	if (await)
		ok = log_await(&re, strtoull(w[1], NULL, 10), &came_us) ||
		     lab_refuse(out, "too few log lines match", text);
	else if (!strcmp(w[0], "log"))
		log_match(&re, out);
	else
		fprintf(out, "%llu\n", (unsigned long long)log_match(&re, NULL));
	if (when && ok)
		fprintf(out, "%lld\n", (long long)came_us);
	regfree(&re);
	if (!ok && regcomp(&re, "", REG_NOSUB) == 0) {
		log_match(&re, out);
		regfree(&re);
	}
	return ok;
}
