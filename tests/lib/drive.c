/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drive.c - asks a responder as fast as it answers, which tells what it can do: plain GET requests
 * for one certificate, over so many connections, one request at a time on each. Verifies nothing.
 */
#include "drive.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define REQUEST_BYTES 1024
#define ANSWER_BYTES 16384

struct drive {
	uint16_t port;
	char text[REQUEST_BYTES];  /* the request */
	atomic_int left;           /* requests to be made */
	atomic_bool failed;
};

static void fatal(const char *what)
{
	fprintf(stderr, "drive: %s: %m\n", what);
	abort();
}

static void request_write(struct drive *d, const struct drive_conf *c)
{
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), c->cert, c->issuer);
	OCSP_REQUEST *req = OCSP_REQUEST_new();
	unsigned char *der = NULL;
	char base64[REQUEST_BYTES / 2];
	int n;

	if (!id || !req || !OCSP_request_add0_id(req, id))
		fatal("OCSP_REQUEST_new");
	n = i2d_OCSP_REQUEST(req, &der);
	if (n <= 0 || n > (int)sizeof(base64) / 2)
		fatal("i2d_OCSP_REQUEST");
	EVP_EncodeBlock((unsigned char *)base64, der, n);
	/* the responder takes base64 as it is, unless there is a '/' in it */
	snprintf(d->text, sizeof(d->text), "GET /%s/", c->segment);
	for (n = 0; base64[n]; n++)
		snprintf(d->text + strlen(d->text), sizeof(d->text) - strlen(d->text),
			 base64[n] == '/' ? "%%2F" : "%c", base64[n]);
	snprintf(d->text + strlen(d->text), sizeof(d->text) - strlen(d->text),
		 " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	OPENSSL_free(der);
	OCSP_REQUEST_free(req);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in4, sizeof(in4)) != 0)
		fatal("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* How long the answer is whose beginning is <text>; 0: that cannot be told yet. */
static size_t answer_bytes(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *len = strcasestr(text, "\r\nContent-Length:");

	if (!end || !len || len > end)
		return 0;
	return (size_t)(end - text) + 4 +
	       strtoul(len + strlen("\r\nContent-Length:"), NULL, 10);
}

/* One request and its answer; false: it was not a whole one with status 200. */
static bool ask(const struct drive *d, int fd)
{
	size_t n = 0, want = 0, len = strlen(d->text);
	char answer[ANSWER_BYTES];
	ssize_t k;

	if (send(fd, d->text, len, MSG_NOSIGNAL) != (ssize_t)len)
		return false;
	while (!want || n < want) {
		k = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		if (k <= 0)
			return false;
		n += (size_t)k;
		answer[n] = '\0';
		if (!want)
			want = answer_bytes(answer);
	}
	return n == want && !strncmp(answer, "HTTP/1.1 200 ", 13);
}

static void *ask_on(void *arg)
{
	struct drive *d = arg;
	int fd = connect_to(d->port);

	while (atomic_fetch_sub(&d->left, 1) > 0) {
		if (ask(d, fd))
			continue;
		atomic_store(&d->failed, true);
		break;
	}
	close(fd);
	return NULL;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

bool drive_run(const struct drive_conf *c, double *ms)
{
	struct drive d = { .port = c->port };
	pthread_t threads[CONNECTIONS_MAX];
	double began_ms = now_ms();
	unsigned i;

	if (c->connections > CONNECTIONS_MAX)
		return false;
	request_write(&d, c);
	atomic_init(&d.left, (int)c->requests);
	for (i = 0; i < c->connections; i++)
		if (pthread_create(&threads[i], NULL, ask_on, &d) != 0)
			fatal("pthread_create");
	for (i = 0; i < c->connections; i++)
		pthread_join(threads[i], NULL);
	*ms = now_ms() - began_ms;
	return !atomic_load(&d.failed);
}
