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
};

struct responder_conf {
	struct pki *pki;               /* keeps; signs */
	enum responder_mode v4, v6;    /* 127.0.0.1 and [::1], on the same port */
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
	uint64_t sha1;           /* requests whose CertID is in SHA-1 */
	uint64_t nonce;          /* requests that carry extensions */
	uint64_t bytes_in, bytes_out;
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

/* From now on every request is answered as if its path began with <segment>; NULL: as its own. */
void responder_force(struct responder *r, const char *segment);

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

/* Waits until at least <n> connections were accepted. */
bool responder_wait_connections(struct responder *r, uint64_t n, int ms);

/* Waits until no connection is open. */
bool responder_wait_idle(struct responder *r, int ms);

/* Copies the last request's head, cut to <n> bytes with its terminating zero; "" if none. */
void responder_last(struct responder *r, char *out, size_t n);

/* The same for the server name in the last TLS handshake that came to its end. */
void responder_sni(struct responder *r, char *out, size_t n);

#endif
