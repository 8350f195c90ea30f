/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_ocsp.c - what an OCSP response says wrongly, and bodies that are none. */
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#include "faults_row.h"

/* ---- what a response says ---- */

void ocsp_error(struct answer *a)
{
	a->resp.status = (int)a->num;
}

void ocsp_soon(struct answer *a)
{
	a->resp.singles[0].next_update = a->ask->now + a->num;
}

void ocsp_wrong_cert(struct answer *a)
{
	a->resp.singles[0].serial = NULL;
	a->resp.singles[0].cert = a->pki->by[PKI_BY_LEAF].cert;
}

void ocsp_wrong_issuer(struct answer *a)
{
	a->resp.singles[0].issuer = a->pki->by[PKI_BY_OTHER].cert;
}

void ocsp_sha256(struct answer *a)
{
	a->resp.singles[0].md = EVP_sha256();
}

void ocsp_sha512(struct answer *a)
{
	a->resp.singles[0].md = EVP_sha512();
}

void ocsp_trailing(struct answer *a)
{
	a->resp.trailing = (size_t)a->num;
}

void ocsp_size(struct answer *a)
{
	a->resp.size = (size_t)a->num;
}

void ocsp_none(struct answer *a)
{
	a->resp.n_singles = 0;
}

/* The same times for whoever asks, until the responder signs anew. */
void ocsp_once(struct answer *a)
{
	int64_t later = a->ask->signed_s ? a->ask->signed_s - a->ask->now : 0;

	a->resp.singles[0].this_update += later;
	a->resp.singles[0].next_update += later;
}

/* After the first answer, one that is a day older and still valid: a replay. */
void ocsp_older(struct answer *a)
{
	struct pki_single *s = &a->resp.singles[0];

	if (!a->ask->nth)
		return;
	s->this_update -= PKI_DAY_S;
	s->next_update -= PKI_DAY_S / 2;
}

/* From the second request on the certificate is revoked. */
void ocsp_later_revoked(struct answer *a)
{
	if (a->ask->nth) {
		a->resp.singles[0].status = V_OCSP_CERTSTATUS_REVOKED;
		a->resp.singles[0].this_update += 60;
	}
}

/* Puts singles of other certificates around the right one, which becomes number <at>. */
static void several(struct answer *a, size_t at, size_t n)
{
	struct pki_single right = a->resp.singles[0], other = right;
	size_t i;

	other.serial = NULL;
	other.cert = a->pki->by[PKI_BY_LEAF].cert;
	other.status = V_OCSP_CERTSTATUS_REVOKED;
	for (i = 0; i < n; i++) {
		a->resp.singles[i] = i == at ? right : other;
		if (i != at && i % 2)
			a->resp.singles[i].cert = a->pki->by[PKI_BY_OTHER].cert;
	}
	a->resp.n_singles = n;
}

void ocsp_several_first(struct answer *a)
{
	several(a, 0, 3);
}

void ocsp_several_middle(struct answer *a)
{
	several(a, 1, 3);
}

void ocsp_several_last(struct answer *a)
{
	several(a, 2, 3);
}

void ocsp_several_others(struct answer *a)
{
	several(a, PKI_SINGLES_MAX, 3);
}

/* The same certificate under two digests. */
void ocsp_two_digests(struct answer *a)
{
	a->resp.singles[1] = a->resp.singles[0];
	a->resp.singles[0].md = EVP_sha256();
	a->resp.n_singles = 2;
}

/* An expired one and a valid one for the same certificate. */
void ocsp_expired_and_valid(struct answer *a)
{
	a->resp.singles[1] = a->resp.singles[0];
	a->resp.singles[0].this_update -= 10 * PKI_DAY_S;
	a->resp.singles[0].next_update -= 5 * PKI_DAY_S;
	a->resp.n_singles = 2;
}

/* ---- bodies ---- */

static void body_set(struct answer *a, const void *p, size_t n)
{
	free(a->der);
	a->der = calloc(1, n + 1);
	if (!a->der)
		abort();
	if (p)
		memcpy(a->der, p, n);
	a->n = n;
}

void body_empty(struct answer *a)
{
	body_set(a, NULL, 0);
}

void body_zeros(struct answer *a)
{
	body_set(a, NULL, (size_t)a->num);
}

void body_random(struct answer *a)
{
	body_set(a, NULL, (size_t)a->num);
	if (a->n && RAND_bytes(a->der, (int)a->n) != 1)
		abort();
}

void body_html(struct answer *a)
{
	static const char page[] = "<html><body>Please log in.\x1b[31m\r\n\"</body></html>\n";

	body_set(a, page, sizeof(page) - 1);
}

void body_truncate(struct answer *a)
{
	if ((size_t)a->num < a->n)
		a->n = (size_t)a->num;
}

void body_flip(struct answer *a)
{
	if ((size_t)a->num / 8 < a->n)
		a->der[a->num / 8] ^= (uint8_t)(1U << a->num % 8);
}
