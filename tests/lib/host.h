/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.h - a host for an engine under test: a thread that delivers when it is woken, a table of
 * what is stapled, the lines that were logged, and answers put together from their pieces. Judges
 * nothing. What cannot be done, or does not come within 20 s, ends the program with a message.
 */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include "ocu/engine.h"
#include "pki.h"

#define HOST_URIS_MAX 3

/* A certificate that a host may load. */
struct host_cert {
	struct pki_id id;
	X509 *issuer;              /* borrows */
	char path[64];
	char *serial;              /* as pki_serial() */
	uint8_t key[OCU_ENGINE_KEY_MAX_BYTES]; /* its CertID */
	size_t key_len;
};

/* Makes <c> with the URIs up to the first NULL (borrows), to be ended with host_cert_fini(). */
void host_cert_make(struct host_cert *c, struct pki *pki, const char *path, bool must_staple,
		    const char *const uris[HOST_URIS_MAX]);
void host_cert_fini(struct host_cert *c);

/* A configuration that asks no nameserver and has room for everything; to be changed. */
struct ocu_engine_conf host_conf(void);

struct host;

/* Makes a host with an engine that is configured as <conf> says (borrows), NULL: is not. */
struct host *host_new(const struct ocu_engine_conf *conf);

/* Ends the thread of <h>, frees its engine, and it; what the engine delivers then is dropped. */
void host_free(struct host *h);

struct ocu_engine *host_engine(struct host *h);

/* Starts the engine, and the thread that takes what it delivers. */
void host_start(struct host *h);

/* Ends both. What was not taken stays where it is. */
void host_stop(struct host *h);

/* Ends only the thread; the engine goes on. host_await_woken() waits until it has something. */
void host_deaf(struct host *h);
void host_await_woken(struct host *h);

/* From now on publications are kept and not given back, until host_give_back(). */
void host_keep(struct host *h);
void host_give_back(struct host *h);

/* From now on publications are refused with <st>; OCU_OK: no more. */
void host_refuse(struct host *h, enum ocu_status st);

/* Loads <c>, unloads it, or sets the response <der> for it as an administrator does, or, with
 * <file>, as one that was beside the certificate.
 */
void host_load(struct host *h, const struct host_cert *c, bool automatic);
void host_unload(struct host *h, const struct host_cert *c);
void host_set(struct host *h, const struct host_cert *c, const uint8_t *der, size_t n, bool file);

/* Returns how often a response of the engine was stapled for <c>, and waits until it is <n>. */
unsigned host_staples(struct host *h, const struct host_cert *c);
void host_await(struct host *h, const struct host_cert *c, unsigned n);

/* Waits until <n> publications are kept. */
void host_await_kept(struct host *h, unsigned n);

/* Copies the response that is stapled for <c>; the caller frees *der with free(). Returns its size,
 * 0 if there is none.
 */
size_t host_held(struct host *h, const struct host_cert *c, uint8_t **der);

/* Returns how many lines of the log hold <text>; a line is "level path: text" or "level text", the
 * level being one of N, W, E, A. host_await_line() waits until they are <n>.
 */
unsigned host_lines(struct host *h, const char *text);
void host_await_line(struct host *h, const char *text, unsigned n);

/* Returns the newest line that holds <text>, until another host_line(); "" if there is none. */
const char *host_line(struct host *h, const char *text);

/* An inquiry of a host. */
struct host_ask {
	struct ocu_inquiry inquiry;
	struct host *host;
	char *all;                 /* the pieces so far */
	size_t n;
	unsigned pieces;
	bool answered;             /* since it was handed over */
};

/* Makes <a> ask about <c> (NULL: about all), without handing it over; ends it. */
void host_ask_init(struct host_ask *a, struct host *h, enum ocu_inquiry_kind kind,
		   const struct host_cert *c);
void host_ask_fini(struct host_ask *a);

/* Hands <a> over for its next piece, or, with <drop>, for its end, and waits for it. */
void host_ask_next(struct host_ask *a, bool drop);

/* Waits for the answer of <a>, which was handed over in another way. */
void host_ask_await(struct host_ask *a);

/* Asks, and returns the whole answer, which the caller frees with free(). */
char *host_ask(struct host *h, enum ocu_inquiry_kind kind, const struct host_cert *c);

#endif
