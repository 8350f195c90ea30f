/* SPDX-License-Identifier: GPL-2.0-or-later */
/* servers.c - the responders that the rows of faults.h ask for, and certificates for those that
 * speak TLS. What they answer is the rows' affair.
 */
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS_MAX 512
#define HOSTS "DNS:tls.test,DNS:r.test,DNS:tls-chunked.test,DNS:tls-cut.test,DNS:tls-big.test," \
	"DNS:tls-silent.test,DNS:tls-expired.test,DNS:tls-unknown-ca.test,IP:127.0.0.1,IP:::1"

struct servers {
	struct pki *pki;
	struct responder *of[FAULT_SERVERS];  /* for all rows of a kind, */
	struct responder *early[ROWS_MAX];    /* but each of these has one of its own */
	struct pki_id certs[FAULT_SERVERS];
};

static bool is_https(enum fault_server kind)
{
	return kind >= FAULT_TLS && kind <= FAULT_TLS_PLAIN;
}

void servers_cert_make(struct pki *p, struct pki_id *out, enum fault_server kind)
{
	struct pki_cert c = { .name = "responder.test", .san = HOSTS };

	if (kind == FAULT_TLS_WRONG_NAME) {
		c.san = "DNS:elsewhere.test,IP:127.0.0.99";
	} else if (kind == FAULT_TLS_EXPIRED) {
		c.begin = -30 * (int64_t)PKI_DAY_S;
		c.end = -(int64_t)PKI_DAY_S;
	} else if (kind == FAULT_TLS_UNKNOWN_CA) {
		c.signer = &p->by[PKI_BY_STRANGER];
	}
	pki_cert_make(p, out, &c);
}

static struct responder *server_make(struct servers *s, enum fault_server kind)
{
	struct responder_conf c = { .pki = s->pki, .v4 = RESPONDER_LISTEN,
				    .v6 = RESPONDER_LISTEN };

	if (kind == FAULT_REFUSE)
		c.v4 = c.v6 = RESPONDER_REFUSE;
	else if (kind == FAULT_BLACKHOLE)
		c.v4 = c.v6 = RESPONDER_BLACKHOLE;
	else if (kind == FAULT_SILENT)
		c.v4 = c.v6 = RESPONDER_SILENT;
	c.tls_hang = kind == FAULT_TLS_HANG;
	if (kind == FAULT_PLAIN_TLS || (is_https(kind) && kind != FAULT_TLS_PLAIN)) {
		servers_cert_make(s->pki, &s->certs[kind], kind);
		c.tls = &s->certs[kind];
	}
	return responder_new(&c);
}

struct servers *servers_new(struct pki *p, struct responder *plain)
{
	struct servers *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		abort();
	s->pki = p;
	for (i = 0; i < FAULT_SERVERS; i++)
		s->of[i] = i == FAULT_PLAIN || i == FAULT_EARLY ? plain : server_make(s, i);
	return s;
}

void servers_free(struct servers *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < ROWS_MAX; i++)
		responder_free(s->early[i]);
	for (i = 0; i < FAULT_SERVERS; i++) {
		if (i != FAULT_PLAIN && i != FAULT_EARLY)
			responder_free(s->of[i]);
		pki_cert_fini(&s->certs[i]);
	}
	free(s);
}

struct responder *servers_get(struct servers *s, size_t i, X509 *cert)
{
	const struct fault *f = fault_row(i);

	if (i >= ROWS_MAX)
		abort();
	if (fault_server(f) != FAULT_EARLY)
		return s->of[fault_server(f)];
	if (!s->early[i]) {
		s->early[i] = server_make(s, FAULT_EARLY);
		responder_early(s->early[i], fault_name(f), cert);
	}
	return s->early[i];
}

void servers_url(struct servers *s, size_t i, X509 *cert, const char *host, char *out, size_t n)
{
	const struct fault *f = fault_row(i);

	snprintf(out, n, "http%s://%s:%u/%s/", is_https(fault_server(f)) ? "s" : "", host,
		 (unsigned)responder_port(servers_get(s, i, cert)), fault_name(f));
}

bool servers_wait_idle(struct servers *s, int ms)
{
	bool idle = true;
	size_t i;

	for (i = 0; i < FAULT_SERVERS; i++)
		idle = idle && responder_wait_idle(s->of[i], ms);
	for (i = 0; i < ROWS_MAX; i++)
		idle = idle && (!s->early[i] || responder_wait_idle(s->early[i], ms));
	return idle;
}
