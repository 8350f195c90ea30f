/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.h - a scripted OCSP responder over HTTP on loopback, in a thread of its own.
 * The path of a URL says how it behaves (faults.h); it only moves bytes and counts.
 */
#ifndef TESTS_RESPONDER_H
#define TESTS_RESPONDER_H

#include "pki.h"

/* What a client meets at the port. The port is held in every mode, so that no other program can
 * come to listen there.
 */
enum responder_mode {
	RESPONDER_LISTEN,    /* answers */
	RESPONDER_REFUSE,    /* connections are refused */
	RESPONDER_BLACKHOLE, /* connections are neither accepted nor refused */
	RESPONDER_SILENT,    /* connections succeed, nobody reads or writes */
	RESPONDER_DEAF,      /* connections are accepted, counted and read, never answered */
};

#define RESPONDER_MORE_MAX 6

/* One more address of a responder, on the same port. */
struct responder_at {
	const char *addr;    /* borrows: an IPv4 address of loopback, as "127.0.0.2" */
	enum responder_mode mode;
};

struct responder_conf {
	struct pki *pki;               /* keeps; signs */
	enum responder_mode v4, v6;    /* 127.0.0.1 and [::1], on the same port */
	struct responder_at more[RESPONDER_MORE_MAX]; /* up to the first without an address */
	const struct pki_id *tls;      /* keeps; NULL: plain HTTP, else the server's certificate */
	bool tls_hang;                 /* connections are accepted and the TLS handshake ignored */
};

struct responder_stats {
	uint64_t connections;    /* accepted */
	uint64_t open;           /* open now */
	uint64_t peak;           /* most that were open at once */
	uint64_t busy_peak;      /* most requests that were being answered at once */
	uint64_t v6;             /* accepted over IPv6 */
	uint64_t requests;       /* read to their end */
	uint64_t get, post;
	uint64_t malformed;      /* requests that were not HTTP or not OCSP */
	uint64_t conditional;    /* requests with If-None-Match or If-Modified-Since */
	uint64_t not_modified;   /* answered with 304 */
	uint64_t absolute;       /* requests in absolute-form, as sent to a proxy */
	uint64_t no_cache;       /* requests with Cache-Control: no-cache */
	uint64_t refused;        /* requests over the limit of responder_limit() */
	uint64_t stale;          /* answered by responder_cache() */
	uint64_t sha1;           /* requests whose CertID is in SHA-1 */
	uint64_t nonce;          /* requests that carry extensions */
	uint64_t bytes_in, bytes_out;
	uint64_t answers;        /* sent to their end */
	uint64_t answer_us;      /* from the end of the request to that, all of them together */
};

struct responder;

/* Starts a responder as <c> says. Ends the program if there is no loopback. */
struct responder *responder_new(const struct responder_conf *c);

/* Stops <r> (may be NULL), closes everything, frees it. */
void responder_free(struct responder *r);

uint16_t responder_port(const struct responder *r);

/* Whether [::1] exists here; where it does not, <v6> of the configuration is ignored. */
bool responder_has_v6(const struct responder *r);

/* Changes what a client meets at 127.0.0.1 or [::1]; open connections stay. */
void responder_mode_set(struct responder *r, bool v6, enum responder_mode m);

/* The same for any of its addresses, which begins so many milliseconds later if <after_ms> is not
 * 0; then this returns at once. False: <addr> is none of its addresses.
 */
bool responder_mode_at(struct responder *r, const char *addr, enum responder_mode m, int after_ms);

/* What answers differ in from what the URL says, and for which requests. */
struct responder_play {
	const char *segment;     /* answers as if the path began so; NULL: as it does */
	int delay_ms;            /* before the answer, beside the segment's own */
	unsigned retry_after_s;  /* Retry-After of the answer; 0: none */
	const char *serial;      /* only about the certificate with that serial, written as
				  * pki_serial() does; NULL: any */
	const char *path;        /* only for paths with that first segment; NULL: any */
	uint64_t first;          /* only so many requests from now on; 0: all */
};

/* From now on answers what fits as <p> says (borrows); of several that fit the last one counts.
 * NULL: all is as the URLs say. What is signed once (the rows "fresh" and "ending") is signed anew,
 * and a minute newer.
 */
void responder_play(struct responder *r, const struct responder_play *p);

/* The same for every request and <segment> alone, in place of all that was played; NULL: as the
 * URLs say.
 */
void responder_force(struct responder *r, const char *segment);

struct responder_limit {
	unsigned per_second;     /* requests that are let through, as rate.h says */
	const char *segment;     /* what the others are answered; borrows; NULL: "status-429" */
	unsigned retry_after_s;  /* with this Retry-After; 0: without */
};

/* Limits the requests as <l> says (borrows), whatever else they would be answered; NULL: not. */
void responder_limit(struct responder *r, const struct responder_limit *l);

/* Answers in equal steps, so many a second; the answers of responder_limit() and responder_cache()
 * go at once. 0: all do.
 */
void responder_pace(struct responder *r, unsigned per_second);

/* Behaves as a cache that holds a stale copy: a request without "Cache-Control: no-cache" is
 * answered as <segment> says, another one as if there were no cache. NULL: no more.
 */
void responder_cache(struct responder *r, const char *segment);

/* Lets go the answers that are held: those of segments that begin with "hold-", as in "/hold-ok/".
 * An answer is held from the moment its request is counted.
 */
void responder_release(struct responder *r);

/* From now on every connection is sent the answer of <segment> for <cert> (keeps) at once, before
 * it asks; NULL: no more.
 */
void responder_early(struct responder *r, const char *segment, X509 *cert);

/* Closes every open connection, as a responder does that restarts. */
void responder_drop(struct responder *r);

void responder_stats(struct responder *r, struct responder_stats *out);

/* How many requests had a path whose first segment is <segment>, or, as "segment SERIAL", were also
 * about the certificate with that serial (hexadecimal, upper case), "* SERIAL" in any segment;
 * NULL: all.
 */
uint64_t responder_count(struct responder *r, const char *segment);

/* Waits until responder_count() is at least <n>; false if that takes longer than <ms>. */
bool responder_wait(struct responder *r, const char *segment, uint64_t n, int ms);

/* Writes what is counted under the name <what> into *n: "requests", "connections", "peak" and the
 * other members of struct responder_stats by their names on the command line (tests/lab.c),
 * "/SEGMENT" as responder_count() does, "serial=SERIAL" the requests about one certificate,
 * "at=ADDRESS" the connections to one address, "up=ADDRESS" 1 if it answers there. False: nothing
 * is counted under it.
 */
bool responder_value(struct responder *r, const char *what, uint64_t *n);

/* Waits until responder_value() is at least <n>; false if that takes longer than <ms>. */
bool responder_await(struct responder *r, const char *what, uint64_t n, int ms);

/* Waits until no connection is open. */
bool responder_wait_idle(struct responder *r, int ms);

/* Copies the last request's head, cut to <n> bytes with its terminating zero; "" if none. */
void responder_last(struct responder *r, char *out, size_t n);

/* The same for the server name in the last TLS handshake that came to its end. */
void responder_sni(struct responder *r, char *out, size_t n);

#endif
