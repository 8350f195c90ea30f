/* SPDX-License-Identifier: GPL-2.0-or-later */
/* servers.h - the responders that the rows of faults.h ask for, and certificates for those that
 * speak TLS. What they answer is the rows' affair.
 */
#ifndef TESTS_SERVERS_H
#define TESTS_SERVERS_H

#include "faults.h"
#include "responder.h"

struct servers;

/* Starts what the rows need beside <plain> (keeps, as <p>), which answers in plain HTTP. */
struct servers *servers_new(struct pki *p, struct responder *plain);

/* Stops all but the plain one; <s> may be NULL. */
void servers_free(struct servers *s);

/* The responder for the URL of row number <i>, which fault_row() has; <cert> (borrows) is what it
 * is asked about, and the same each time.
 */
struct responder *servers_get(struct servers *s, size_t i, X509 *cert);

/* Writes the URL of row number <i> on <host>. */
void servers_url(struct servers *s, size_t i, X509 *cert, const char *host, char *out, size_t n);

/* Waits until none has an open connection; false if that takes longer than <ms> for one of them. */
bool servers_wait_idle(struct servers *s, int ms);

/* Makes a server certificate of that <kind> (one of FAULT_TLS...) into <out>, to be ended with
 * pki_cert_fini(). The good one is for tls.test, r.test and a few more, 127.0.0.1 and ::1, and the
 * root is trusted to have signed it.
 */
void servers_cert_make(struct pki *p, struct pki_id *out, enum fault_server kind);

#endif
