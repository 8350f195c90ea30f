/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_answer.c - makes the answer of a row: signs, writes and cuts it. Opens no socket. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "faults_row.h"

static void answer_sign(struct answer *a)
{
	const struct fault *f = a->row;
	struct pki_single *s = &a->resp.singles[0];
	ASN1_INTEGER *serial = NULL;

	OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)a->ask->id);
	a->resp.n_singles = 1;
	s->serial = serial;
	s->status = f->cert_status;
	s->this_update = a->ask->now + (f->this_s || f->next_s ? f->this_s : -3600);
	s->next_update = a->ask->now + (f->this_s || f->next_s ? f->next_s : PKI_DAY_S);
	if (f->next_at)
		s->next_update = f->next_at;
	if (f->no_next)
		s->next_update = 0;
	a->resp.signer = f->signer;
	a->resp.status = f->ocsp_status;
	a->resp.no_certs = f->no_certs;
	a->resp.by_key = f->by_key;
	a->resp.with_issuer = f->with_issuer;
	a->resp.bad_signature = f->bad_signature;
	a->resp.body_beside_error = f->body_beside_error;
	a->resp.nonce = f->nonce;
	if (f->ocsp)
		f->ocsp(a);
	a->n = pki_response_make(a->pki, &a->der, &a->resp);
}

/* Which of our CAs was asked about; its certificates are answered for by itself. NULL: none. */
static const struct pki_id *asked_ca(struct pki *p, const OCSP_CERTID *id)
{
	static const enum pki_signer cas[] = {
		PKI_BY_ISSUER, PKI_BY_ROOT, PKI_BY_OTHER, PKI_BY_STRANGER, PKI_BY_IMPOSTOR,
	};
	ASN1_OBJECT *md = NULL;
	OCSP_CERTID *mine;
	size_t i;
	int differ;

	OCSP_id_get0_info(NULL, &md, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id);
	for (i = 0; i < sizeof(cas) / sizeof(cas[0]); i++) {
		mine = OCSP_cert_to_id(EVP_get_digestbyobj(md), NULL, p->by[cas[i]].cert);
		differ = !mine || OCSP_id_issuer_cmp(mine, id) != 0;
		OCSP_CERTID_free(mine);
		if (!differ)
			return &p->by[cas[i]];
	}
	return NULL;
}

static void answer_fill(struct answer *a)
{
	const struct pki_id *ca = a->ask->id ? asked_ca(a->pki, a->ask->id) : NULL;

	if (!a->ask->id) {
		a->resp.status = OCSP_RESPONSE_STATUS_MALFORMEDREQUEST;
		a->n = pki_response_make(a->pki, &a->der, &a->resp);
	} else if (!ca) {
		a->resp.status = OCSP_RESPONSE_STATUS_UNAUTHORIZED;
		a->n = pki_response_make(a->pki, &a->der, &a->resp);
	} else {
		a->resp.singles[0].issuer = ca->cert;
		if (a->row->signer == PKI_BY_ISSUER && ca != &a->pki->by[PKI_BY_ISSUER]) {
			a->resp.by = ca;
			a->resp.no_certs = true;
		}
		answer_sign(a);
	}
	if (a->row->body)
		a->row->body(a);
}

static void plan_cut(struct answer *a)
{
	struct fault_plan *plan = a->plan;
	size_t head_bytes = a->head_bytes;

	switch (a->row->cut) {
	case CUT_NO:
		break;
	case CUT_NOTHING:
		plan->n = 0;
		break;
	case CUT_HEADER:
		plan->n = head_bytes / 2;
		break;
	case CUT_BODY:
		plan->n = head_bytes + (plan->n - head_bytes) / 2;
		break;
	}
}

static void answer_write(struct answer *a)
{
	struct fault_plan *plan = a->plan;
	FILE *out = open_memstream(&plan->bytes, &plan->n);

	if (!out)
		abort();
	if (a->row->http)
		a->row->http(a, out);
	else
		http_usual(a, out);
	if (fclose(out) != 0)
		abort();
	plan_cut(a);
	if (a->row->end != FAULT_KEEP)
		plan->end = a->row->end;
	plan->delay_ms = a->row->delay_ms < 0 ? (int)a->num : a->row->delay_ms;
	plan->step = a->row->step;
	plan->step_ms = a->row->step_ms < 0 ? (int)a->num : a->row->step_ms;
}

static void not_found(struct answer *a)
{
	FILE *out = open_memstream(&a->plan->bytes, &a->plan->n);

	if (!out)
		abort();
	answer_status(a, out, 404, NULL);
	if (fclose(out) != 0)
		abort();
}

/* Finds the row and what follows its name; false if there is none. */
static bool answer_begin(struct answer *a)
{
	a->row = fault_find(a->ask->segment);
	if (!a->row)
		return false;
	a->arg = a->ask->segment + strlen(a->row->name);
	if (*a->arg)
		a->arg++;
	a->num = isdigit((unsigned char)*a->arg) ? strtol(a->arg, NULL, 10) : a->row->num;
	answer_fill(a);
	return true;
}

void fault_plan_make(struct pki *p, struct fault_plan *plan, const struct fault_ask *ask)
{
	struct answer a = { .ask = ask, .pki = p, .plan = plan };

	memset(plan, 0, sizeof(*plan));
	plan->end = ask->keep ? FAULT_KEEP : FAULT_CLOSE;
	if (answer_begin(&a))
		answer_write(&a);
	else
		not_found(&a);
	free(a.der);
}

size_t fault_body_make(struct pki *p, uint8_t **der, const char *segment, X509 *cert)
{
	X509 *issuer = p->by[PKI_BY_ISSUER].cert;
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
	struct fault_ask ask = { .tail = "", .host = "", .id = id, .now = (int64_t)time(NULL) };
	struct answer a = { .ask = &ask, .pki = p };

	snprintf(ask.segment, sizeof(ask.segment), "%s", segment);
	if (!id || !answer_begin(&a))
		abort();
	OCSP_CERTID_free(id);
	*der = a.der;
	return a.n;
}

void fault_plan_fini(struct fault_plan *plan)
{
	free(plan->bytes);
	memset(plan, 0, sizeof(*plan));
}
