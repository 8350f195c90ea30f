/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load.h - makes as many TLS handshakes as a server allows, and says how many, how long they took
 * and whether they brought staples. Verifies nothing.
 */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_WHY_BYTES 160

struct load_conf {
	const char *addr;      /* borrows; as staple_connect() reads it */
	const char *sni;       /* borrows; NULL: none */
	unsigned connections;  /* at any time */
	int ms;                /* no handshake begins later; those that were begun end */
};

struct load_result {
	uint64_t handshakes;   /* that came to their end */
	uint64_t stapled;      /* of these, with something stapled; nobody looks at what */
	double seconds;
	double cpu;            /* processors that this side has used: 0.5 is half of one */
	unsigned p50_us, p99_us; /* from before the connection is made, exact up to a second */
	char why[LOAD_WHY_BYTES]; /* why one failed; "": none did */
};

/* Loads as <c> says. All handshakes are full ones, with a status request and X25519; who is asked
 * has closed before the next one begins, so that it has come to its end there, too. A connection
 * that fails is not made again. Returns whether none failed.
 */
bool load_run(const struct load_conf *c, struct load_result *out);

#endif
