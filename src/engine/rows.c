/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rows.c - writes what is known of certificates as HAProxy's table, as JSON, or in full. */
#include "ocu/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/dial.h"
#include "ocu/say.h"

/* A certificate with the place in the order that it had when it was gathered. */
struct row {
	struct ocu_heap_node node;
	struct ocu_cert *cert; /* with a reference; NULL: it was written */
	bool flying;
	int64_t due_s;
};

/* The order is that of a heap: it is there when the last row is, without a sort of them all. */
struct ocu_listing {
	enum ocu_rows_form form;
	struct ocu_clock began;
	struct ocu_certs_walk walk;
	struct ocu_heap order;
	size_t n, written;
	size_t room; /* there were no more certificates when it began */
	bool begun;
	struct row rows[];
};

/* Returns when the next update of <c> begins, by the wall clock. */
static int64_t due_s(const struct ocu_cert *c, const struct ocu_clock *now)
{
	int64_t until_ms;

	(void)ocu_plan_waits(&c->item, &until_ms);
	if (until_ms == INT64_MAX)
		return 0;
	return now->wall_s + (until_ms > now->mono_ms ? (until_ms - now->mono_ms) / 1000 : 0);
}

static bool row_less(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	const struct row *x = OCU_OWNER(a, const struct row, node);
	const struct row *y = OCU_OWNER(b, const struct row, node);

	if (x->flying != y->flying)
		return x->flying;
	if (x->due_s != y->due_s)
		return x->due_s < y->due_s;
	return strcmp(x->cert->path, y->cert->path) < 0;
}

static void row_add(struct ocu_listing *l, struct ocu_cert *c)
{
	struct row *r = &l->rows[l->n++];

	c->refs++;
	r->cert = c;
	r->flying = c->job != NULL;
	r->due_s = due_s(c, &l->began);
	ocu_heap_push(&l->order, &r->node);
}

enum ocu_status ocu_listing_new(struct ocu_listing **out, struct ocu_certs *cs,
				struct ocu_cert *only, enum ocu_rows_form form,
				const struct ocu_clock *now)
{
	size_t n = only ? 1 : ocu_certs_count(cs);
	struct ocu_listing *l = calloc(1, sizeof(*l) + n * sizeof(*l->rows));

	*out = l;
	if (!l)
		return OCU_NOMEM;
	l->form = form;
	l->began = *now;
	l->room = n;
	ocu_heap_init(&l->order, row_less);
	ocu_certs_walk_init(&l->walk, cs);
	if (only)
		row_add(l, only);
	return OCU_OK;
}

bool ocu_listing_gather(struct ocu_listing *l)
{
	struct ocu_cert *c;
	int i;

	for (i = 0; i < OCU_ROWS_AT_ONCE && l->n < l->room; i++) {
		c = ocu_certs_walk_next(&l->walk);
		if (!c)
			return false;
		if (c->automatic && c->n_uris)
			row_add(l, c);
	}
	return l->n < l->room && l->walk.next;
}

bool ocu_listing_shrink(struct ocu_listing *l)
{
	int i;

	if (!l)
		return false;
	if (!l->order.first)
		l->n = 0; /* all were written */
	for (i = 0; l->n && i < OCU_ROWS_AT_ONCE; i++)
		ocu_cert_put(l->rows[--l->n].cert);
	return l->n > 0;
}

void ocu_listing_free(struct ocu_listing *l)
{
	if (!l)
		return;
	while (ocu_listing_shrink(l))
		;
	ocu_certs_walk_fini(&l->walk);
	free(l);
}

/* Every function that follows appends to the buffer of a piece, and does nothing once that failed.
 */
struct piece {
	struct ocu_buf *out;
	enum ocu_status st;
};

#define ADD(p, ...)                                                                                \
	do {                                                                                       \
		if ((p)->st == OCU_OK)                                                             \
			(p)->st = ocu_buf_addf((p)->out, __VA_ARGS__);                             \
	} while (0)

static void add_run(struct piece *p, const char *run, size_t n)
{
	if (p->st == OCU_OK)
		p->st = ocu_buf_add(p->out, run, n);
}

static void add_key(struct piece *p, const struct ocu_cert *c)
{
	static const char digits[] = "0123456789abcdef";
	char run[128];
	size_t i, n = 0;

	for (i = 0; i < c->key_len; i++) {
		if (n == sizeof(run)) {
			add_run(p, run, n);
			n = 0;
		}
		run[n++] = digits[c->key[i] >> 4];
		run[n++] = digits[c->key[i] & 15];
	}
	add_run(p, run, n);
}

static void table_row(struct piece *p, const struct ocu_cert *c, int64_t due, bool reasons)
{
	char reason[OCU_ERR_BYTES];
	enum ocu_say_status st = ocu_say_status(c);
	char next[OCU_SAY_DATE_BYTES], last[OCU_SAY_DATE_BYTES];

	ocu_say_log_date(next, due);
	ocu_say_log_date(last, c->updated);
	add_key(p, c);
	ADD(p, " | %s | %s | %s | %u | %u | %d | %s", c->path, next, last, c->successes,
	    c->failures, st, ocu_say_status_text(st));
	ocu_say_reason(reason, c);
	if (reasons && st != OCU_SAY_OK && *reason)
		ADD(p, " (%s)", reason);
	ADD(p, "\n");
}

static const char *state_text(const struct ocu_cert *c)
{
	int64_t until_ms;

	switch (ocu_plan_waits(&c->item, &until_ms)) {
	case OCU_WAIT_IDLE:
		return "not scheduled";
	case OCU_WAIT_LATER:
		return c->item.failures ? "waits after a failure" : "scheduled";
	case OCU_WAIT_TURN:
		return "due";
	case OCU_WAIT_DOWN:
		return "waits for its responder, which is down";
	case OCU_WAIT_PAUSED:
		return "waits for its responder, which asked for patience";
	case OCU_WAIT_FLYING:
		return "being fetched";
	}
	return "?";
}

static const char *held_text(const struct ocu_cert *c, const struct ocu_clock *now)
{
	if (!c->item.held.this_update)
		return "none";
	if (!ocu_held_usable(&c->item.held, now->wall_s))
		return "expired";
	return c->item.held.revoked ? "revoked" : "good";
}

static void add_date(struct piece *p, const char *name, int64_t t)
{
	char date[OCU_SAY_DATE_BYTES];

	ocu_say_date(date, t);
	ADD(p, "%s: %s\n", name, date);
}

static void detail_result(struct piece *p, const struct ocu_cert *c)
{
	const struct ocu_result *r = c->result;
	char text[OCU_ERR_BYTES];
	size_t i;

	ocu_say_reason(text, c);
	ADD(p, "Last result: %d (%s)\nReason: %s\n", ocu_say_status(c),
	    ocu_say_status_text(ocu_say_status(c)), text);
	if (r->uri < c->n_uris)
		ADD(p, "URI asked: %s\n", c->uris[r->uri].text);
	snprintf(text, sizeof(text), "-");
	if (r->address.ss_family)
		ocu_dial_peer(text, &r->address);
	ADD(p, "Address: %s\nHTTP status: %d\n", text, r->http_status);
	for (i = 0; i < r->n_tried; i++) {
		ocu_say_tried(text, &r->tried[i]);
		ADD(p, "Attempt: %s\n", text);
	}
}

static void detail(struct piece *p, const struct ocu_cert *c, int64_t due,
		   const struct ocu_clock *now)
{
	int64_t until_ms;
	size_t i;

	ADD(p, "Certificate: %s\nCertificate ID key: ", c->path);
	add_key(p, c);
	for (i = 0; i < c->n_uris; i++)
		ADD(p, "\nOCSP URI: %s", c->uris[i].text);
	if (c->bad_uris)
		ADD(p, "\nUnusable OCSP URI: %s", c->bad_uris);
	ADD(p, "\nMust-staple: %s\nAutomatic updates: %s\nState: %s\n",
	    c->must_staple ? "yes" : "no", c->automatic ? "on" : "off", state_text(c));
	if (ocu_plan_waits(&c->item, &until_ms) == OCU_WAIT_IDLE)
		due = 0;
	add_date(p, "Next update", due);
	ADD(p, "Response: %s\n", held_text(c, now));
	add_date(p, "This update of the response", c->item.held.this_update);
	add_date(p, "Next update of the response", c->item.held.next_update);
	add_date(p, "Last success", c->updated);
	ADD(p, "Successes: %u\nFailures: %u\nFailures in a row: %u\n", c->successes, c->failures,
	    c->item.failures);
	if (c->result)
		detail_result(p, c);
}

/* Whether <c> stands for itself in a string of JSON. */
static bool json_plain(char c)
{
	return (unsigned char)c >= ' ' && c != '"' && c != '\\';
}

static void json_text(struct piece *p, const char *name, const char *text)
{
	size_t n;

	ADD(p, "\"%s\":\"", name);
	for (;;) {
		for (n = 0; json_plain(text[n]); n++)
			;
		add_run(p, text, n);
		text += n;
		if (!*text)
			break;
		ADD(p, "\\u%04x", (unsigned char)*text++);
	}
	ADD(p, "\",");
}

static void json_row(struct piece *p, const struct ocu_cert *c, int64_t due, bool first,
		     const struct ocu_clock *now)
{
	enum ocu_say_status st = ocu_say_status(c);
	char reason[OCU_ERR_BYTES];

	ocu_say_reason(reason, c);
	ADD(p, "%s\n{", first ? "" : ",");
	json_text(p, "path", c->path);
	ADD(p, "\"certid\":\"");
	add_key(p, c);
	ADD(p, "\",");
	json_text(p, "state", state_text(c));
	json_text(p, "response", held_text(c, now));
	json_text(p, "last_status_text", ocu_say_status_text(st));
	json_text(p, "reason", reason);
	ADD(p,
	    "\"must_staple\":%s,\"next\":%lld,\"this_update\":%lld,\"next_update\":%lld,"
	    "\"last_success\":%lld,\"successes\":%u,\"failures\":%u,"
	    "\"failures_in_a_row\":%u,\"last_status\":%d}",
	    c->must_staple ? "true" : "false", (long long)due, (long long)c->item.held.this_update,
	    (long long)c->item.held.next_update, (long long)c->updated, c->successes, c->failures,
	    c->item.failures, st);
}

static void begin(struct piece *p, enum ocu_rows_form form)
{
	if (form == OCU_ROWS_TABLE || form == OCU_ROWS_REASONS)
		ADD(p, "%s", OCU_ROWS_HEADER);
	else if (form == OCU_ROWS_JSON)
		ADD(p, "[");
}

static void row_write(struct piece *p, const struct ocu_listing *l, const struct ocu_cert *c,
		      const struct ocu_clock *now)
{
	int64_t due = due_s(c, now);

	switch (l->form) {
	case OCU_ROWS_TABLE:
	case OCU_ROWS_REASONS:
		table_row(p, c, due, l->form == OCU_ROWS_REASONS);
		break;
	case OCU_ROWS_JSON:
		json_row(p, c, due, l->written == 0, now);
		break;
	case OCU_ROWS_DETAIL:
		detail(p, c, due, now);
		break;
	}
}

/* Writes the first row of those that are left, and takes it out. */
static void first_write(struct piece *p, struct ocu_listing *l, const struct ocu_clock *now)
{
	struct row *r = OCU_OWNER(l->order.first, struct row, node);

	ocu_heap_remove(&l->order, &r->node);
	row_write(p, l, r->cert, now);
	ocu_cert_put(r->cert);
	r->cert = NULL;
	l->written++;
}

enum ocu_status ocu_listing_next(struct ocu_listing *l, struct ocu_buf *out, bool *end,
				 const struct ocu_clock *now)
{
	struct piece p = { .out = out, .st = OCU_OK };

	if (!l->begun)
		begin(&p, l->form);
	l->begun = true;
	while (p.st == OCU_OK && l->order.first && out->len < OCU_ROWS_PIECE_BYTES)
		first_write(&p, l, now);
	*end = p.st != OCU_OK || !l->order.first;
	if (*end && l->form == OCU_ROWS_JSON)
		ADD(&p, "\n]\n");
	return p.st;
}
