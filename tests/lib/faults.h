/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.h - the one table of what a scripted responder can do to a client: from what was asked to
 * the bytes, pauses and the end of the connection. Opens no socket. The table is in faults.c, what
 * its rows do in faults_*.c.
 *
 * The first segment of a URL's path is the whole name of a row: "/ok/", "/hang-body/". If the row
 * has a number, another one may follow after a hyphen: "/slow-50/", "/status-503/"; a redirect may
 * be followed by the segment that it leads to: "/redirect-revoked/". Nothing else is found, so a
 * new row never takes what was meant for another.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include "pki.h"

#define FAULT_SEGMENT_BYTES 64

/* What was asked. */
struct fault_ask {
	bool post;
	bool keep;                 /* the client wants to go on using the connection */
	char segment[FAULT_SEGMENT_BYTES];
	const char *tail;          /* target after the segment, begins with '/' or is "" */
	const char *host;          /* value of Host */
	const char *etag;          /* value of If-None-Match, NULL if none */
	const char *since;         /* value of If-Modified-Since, NULL if none */
	unsigned retry_after_s;    /* the answer says Retry-After; 0: it does not */
	const OCSP_CERTID *id;     /* the certificate asked for; NULL: not an OCSP request */
	unsigned nth;              /* how often this certificate was asked for there before */
	int64_t now;               /* seconds since the epoch */
	int64_t signed_s;          /* when what is signed once was signed; 0: now */
};

/* What happens to the connection when all was sent. */
enum fault_end { FAULT_KEEP, FAULT_CLOSE, FAULT_RESET, FAULT_HANG, FAULT_HALF };

/* What is done. */
struct fault_plan {
	char *bytes;               /* sent first */
	size_t n;
	const char *flood;         /* then this is sent over and over */
	uint64_t flood_bytes;      /* so many bytes of it in all */
	int delay_ms;              /* before the first byte */
	size_t step;               /* so many bytes at a time, 0: all at once */
	int step_ms;               /* and that long between them */
	enum fault_end end;
	bool not_modified;         /* it is a 304 */
};

/* Who is at the port of the row's URL. */
enum fault_server {
	FAULT_PLAIN,               /* HTTP, with the answers of the row */
	FAULT_EARLY,               /* the same, sent to each connection before it asks */
	FAULT_REFUSE,              /* nobody: connections are refused, */
	FAULT_BLACKHOLE,           /* or neither accepted nor refused, */
	FAULT_SILENT,              /* or accepted by the kernel alone */
	FAULT_TLS,                 /* HTTPS, with the answers of the row */
	FAULT_TLS_WRONG_NAME,      /* HTTPS with a certificate for another host, */
	FAULT_TLS_EXPIRED,         /* or one that was valid until yesterday, */
	FAULT_TLS_UNKNOWN_CA,      /* or one of a CA that nobody trusts */
	FAULT_TLS_HANG,            /* the handshake is ignored */
	FAULT_TLS_PLAIN,           /* an https:// URL, and plain HTTP is spoken */
	FAULT_PLAIN_TLS,           /* an http:// URL, and TLS is spoken */
};
#define FAULT_SERVERS (FAULT_PLAIN_TLS + 1)

struct fault;

/* Finds the row of <segment>, exactly; NULL if there is none. */
const struct fault *fault_find(const char *segment);

/* The rows, for tests that go through all of them: NULL after the last one. */
const struct fault *fault_row(size_t i);
const char *fault_name(const struct fault *f);

/* What a client must hold after it was answered so and held nothing before, or, with <again>, after
 * the second time: "good", "revoked", or NULL for nothing. It is what the row does without a
 * number.
 */
const char *fault_want(const struct fault *f, bool again);

/* What the reason must hold that is told with it; NULL: nothing in particular. */
const char *fault_why(const struct fault *f, bool again);

/* Whether a client comes back by itself, after a second and then ever later: the responder was not
 * reached, or asked for patience.
 */
bool fault_again(const struct fault *f);

enum fault_server fault_server(const struct fault *f);

/* How many requests for its certificate the first <times> (at least 1) fetches make, those that a
 * redirect leads to included.
 */
void fault_requests(const struct fault *f, unsigned times, unsigned *least, unsigned *most);

/* Fills <plan> with the answer to <ask> as its segment says, signed with <p>; an unknown segment is
 * answered with 404. The caller ends it with fault_plan_fini().
 */
void fault_plan_make(struct pki *p, struct fault_plan *plan, const struct fault_ask *ask);
void fault_plan_fini(struct fault_plan *plan);

/* Makes only the body of the answer of <segment>, which must be of a row, for <cert>; the caller
 * frees *der with free(). Returns its size.
 */
size_t fault_body_make(struct pki *p, uint8_t **der, const char *segment, X509 *cert);

#endif
