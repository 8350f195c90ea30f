/* SPDX-License-Identifier: GPL-2.0-or-later */
/* staple.h - a TLS client that asks for a staple and says what it got.
 * Checks the staple, not the server's certificate.
 */
#ifndef TESTS_STAPLE_H
#define TESTS_STAPLE_H

#include <openssl/x509.h>

#include <stdbool.h>

#define STAPLE_TEXT_BYTES 256

/* Connects to <addr>, "127.0.0.1:443", "[::1]:443" or the path of a unix socket. Returns a blocking
 * descriptor that waits for 10 s each time, which the caller closes, or -1 with errno.
 */
int staple_connect(const char *addr);

/* Makes a TLS connection to <addr>, as above, with the server name <sni> (NULL: none), and writes
 * what was seen into <text>:
 *   "none cert=SERIAL", or "WHAT cert=SERIAL this=SECONDS next=SECONDS bytes=N" with WHAT good,
 *   revoked, unknown, garbage (does not parse), mismatch (speaks of another certificate) or, if
 *   <issuer> is given (borrows), unverified (neither it nor a delegate of it signed).
 * False, with the reason in <text>, if no handshake came about.
 */
bool staple_look(const char *addr, const char *sni, X509 *issuer,
		 char text[static STAPLE_TEXT_BYTES]);

#endif
