/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_own.h - what the files of the responder share. Those who only use one include
 * responder.h.
 */
#ifndef TESTS_RESPONDER_OWN_H
#define TESTS_RESPONDER_OWN_H

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "faults.h"
#include "rate.h"
#include "responder.h"

#define HEAD_MAX_BYTES 16384
#define BODY_MAX_BYTES 65536
#define FILL_MAX 8            /* connections that fill the queue of a black hole */
#define SNI_BYTES 256
#define SERIAL_BYTES 80
#define SIDES_MAX (2 + RESPONDER_MORE_MAX)

/* How often something was asked for. */
struct seen {
	uint64_t n;
	char *key;                 /* "segment" or "segment serial"; lies behind it */
};

enum conn_state { CONN_TLS, CONN_READ, CONN_DELAY, CONN_WRITE, CONN_DEAF };

struct conn {
	struct responder *r;
	struct conn *next, **prev;
	int fd;
	SSL *ssl;
	ev_io rd, wr;
	ev_timer timer;
	enum conn_state state;
	char in[HEAD_MAX_BYTES + BODY_MAX_BYTES + 1];
	size_t in_n;
	struct fault_plan plan;
	int64_t asked_us;          /* when the request was whole */
	size_t sent;               /* of plan.bytes */
	uint64_t flooded;
	bool busy;                 /* counted as being answered */
	bool held;                 /* the answer waits for responder_release() */
};

struct side {
	struct responder *r;
	char addr[INET6_ADDRSTRLEN];
	struct sockaddr_storage ss;
	socklen_t ss_n;
	int fd;                    /* -1: this family is not there */
	enum responder_mode mode;
	enum responder_mode later; /* the mode that <due> brings */
	ev_io acc;
	ev_timer due;
	int fill[FILL_MAX];
	size_t n_fill;

	bool asked;                /* under the lock: the mode wanted, and when */
	enum responder_mode wanted;
	int after_ms;
	uint64_t connections;      /* accepted here */
	uint64_t up;               /* 1: answers */
};

struct responder {
	struct pki *pki;
	struct ev_loop *loop;
	ev_async wake;
	pthread_t thread;
	uint16_t port;
	SSL_CTX *ctx;
	bool tls_hang, has_v6;
	struct side sides[SIDES_MAX]; /* 127.0.0.1, ::1, and what was asked for beside them */
	size_t n_sides;
	struct conn *conns;

	pthread_mutex_t lock;      /* covers what follows */
	pthread_cond_t changed;
	bool stop, drop, release;
	struct script *scripts;    /* what is played, the last one first */
	int64_t signed_s;          /* when it has signed what it signs once */
	struct rate rate;
	struct pace pace;
	char over[FAULT_SEGMENT_BYTES];  /* the answer over the rate */
	unsigned over_retry_s;
	char cached[FAULT_SEGMENT_BYTES]; /* the stale copy; "": no cache */
	char early[FAULT_SEGMENT_BYTES];
	OCSP_CERTID *early_id;
	struct responder_stats st;
	uint64_t busy;
	void *seen;                /* a tree, as tsearch() makes it */
	char last[HEAD_MAX_BYTES];
	char sni[SNI_BYTES];
};

/* A request, cut into zero-terminated strings in a copy of the connection's buffer. */
struct request {
	char *text;
	char *method, *target;
	const char *host, *etag, *since;
	const uint8_t *body;
	size_t body_n;
	bool keep, absolute, no_cache;
};

/* Ends the program. */
void responder_fatal(const char *what);

/* Microseconds of a monotonic clock. */
int64_t responder_now_us(void);

/* responder_count.c: all need the lock. seen_count() counts a request, and returns how often this
 * certificate was asked for there before.
 */
struct seen *seen_get(struct responder *r, const char *key);
unsigned seen_count(struct responder *r, const char *segment, const char *serial);
void seen_fini(struct responder *r);
void request_count(struct responder *r, const struct request *q, OCSP_REQUEST *req,
		   const OCSP_CERTID *id);

/* responder_script.c: needs the lock. Changes <ask> to what answers in the end, after *delay_ms. */
struct script;
void script_apply(struct responder *r, struct fault_ask *ask, const char *serial, bool no_cache,
		  int *delay_ms);
void scripts_fini(struct responder *r);

/* responder_request.c: request_parse() cuts the <n> bytes of a head; the result points into
 * q->text, which the caller frees. request_answer() makes the plan of the connection, and begins
 * it.
 */
void request_parse(struct request *q, const char *head, size_t n);
void request_answer(struct conn *c, struct request *q);

/* responder_conn.c: conn_new() takes <fd>; conn_answer() does what the plan of the connection
 * says.
 */
void conn_new(struct side *s, int fd);
void conn_answer(struct conn *c);
void conn_end(struct conn *c, bool reset);

/* responder_side.c: sides_bind() finds one port that is free at all addresses. side_ask() does what
 * was asked for under the lock, which it takes.
 */
void sides_bind(struct responder *r, const struct responder_conf *c);
void side_set(struct side *s, enum responder_mode m);
void side_ask(struct side *s);
void side_stop(struct side *s);

#endif
