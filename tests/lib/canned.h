/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canned.h - an HTTP server on the loop of the test itself: the test looks at each request and says
 * what is answered. It knows nothing of OCSP.
 */
#ifndef TESTS_CANNED_H
#define TESTS_CANNED_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANNED_HEAD_BYTES 4096

struct canned;

/* A request has come over <fd>, with <head> up to its empty line; a body was read and is gone. What
 * it does is the answer: canned_say(), canned_tunnel(), both or nothing. False: the connection is
 * closed then.
 */
typedef bool canned_cb(struct canned *c, int fd, const char *head);

struct canned *canned_new(struct ev_loop *loop, canned_cb *cb, void *arg);
void canned_free(struct canned *c);

/* Listens at <address>, IPv4 or IPv6, all on one port. False: there is no such address here. */
bool canned_listen(struct canned *c, const char *address);

uint16_t canned_port(const struct canned *c);
void *canned_arg(const struct canned *c);

/* How many connections and requests there were. */
unsigned canned_connections(const struct canned *c);
unsigned canned_requests(const struct canned *c);

/* How many requests have come over the open connection <fd>. */
unsigned canned_nth(const struct canned *c, int fd);

/* The head of the last request; "" before there was any. */
const char *canned_last(const struct canned *c);

/* Sends a response with the status <line>, as in "200 OK", header lines <fields> that end with
 * CRLF, and <n> bytes of body, whose length is added.
 */
void canned_say(int fd, const char *line, const char *fields, const void *body, size_t n);

/* Makes a tunnel of the connection <fd> to <port> on 127.0.0.1. */
void canned_tunnel(struct canned *c, int fd, uint16_t port);

#endif
