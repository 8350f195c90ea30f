/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drive.h - asks a responder as fast as it answers, which tells what it can do: plain GET requests
 * for one certificate, over so many connections, one request at a time on each. Verifies nothing.
 */
#ifndef TESTS_DRIVE_H
#define TESTS_DRIVE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct drive_conf {
	uint16_t port;             /* of 127.0.0.1 */
	const char *segment;       /* borrows: the first element of the path, as in faults.h */
	X509 *cert, *issuer;       /* borrows */
	unsigned requests, connections;
};

/* Makes so many requests as <c> says (borrows), and writes how long that took into *ms. False: an
 * answer was not a good one; then not all were made.
 */
bool drive_run(const struct drive_conf *c, double *ms);

#endif
