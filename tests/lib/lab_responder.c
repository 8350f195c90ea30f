/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_responder.c - the lab's commands for responders: start, change, count and wait for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

struct responder *lab_responder(const char *name)
{
	size_t i;

	for (i = 0; i < lab.n_responders; i++)
		if (!strcmp(lab.responders[i].name, name))
			return lab.responders[i].r;
	return NULL;
}

static bool mode_read(const char *word, enum responder_mode *m)
{
	static const struct {
		const char *name;
		enum responder_mode mode;
	} modes[] = {
		{ "on", RESPONDER_LISTEN }, { "refuse", RESPONDER_REFUSE },
		{ "blackhole", RESPONDER_BLACKHOLE }, { "silent", RESPONDER_SILENT },
		{ "deaf", RESPONDER_DEAF },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, word) != 0)
			continue;
		*m = modes[i].mode;
		return true;
	}
	return false;
}

/* Whoever verifies responders gets what their certificates come down to. */
void lab_tls_ca_write(void)
{
	pki_pem_write(lab_path("tls-ca", ".pem"), &lab.pki->by[PKI_BY_ROOT].cert, 1, NULL);
}

static bool tls_read(const char *word, struct responder_conf *conf, struct pki_id *id)
{
	static const struct {
		const char *name;
		enum fault_server kind;
	} kinds[] = {
		{ "good", FAULT_TLS }, { "wrong-name", FAULT_TLS_WRONG_NAME },
		{ "expired", FAULT_TLS_EXPIRED }, { "unknown-ca", FAULT_TLS_UNKNOWN_CA },
		{ "hang", FAULT_TLS_HANG },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, word) != 0)
			continue;
		lab_tls_ca_write();
		pki_cert_fini(id);
		servers_cert_make(lab.pki, id, kinds[i].kind);
		conf->tls = id;
		conf->tls_hang = kinds[i].kind == FAULT_TLS_HANG;
		return true;
	}
	return false;
}

/* What "responder" was asked for. */
struct responder_order {
	struct responder_conf conf;
	struct pki_id *tls;        /* where its certificate goes; NULL: there can be none */
	struct responder_at at[2 + RESPONDER_MORE_MAX]; /* the modes in the order given */
	size_t n_at, n_more;
	int after_ms;
};

/* "ADDRESS=MODE", v4= and v6= being short for the usual two. */
static bool mode_word(struct responder_order *o, char *word)
{
	struct responder_at *at = &o->at[o->n_at];
	char *eq = strchr(word, '=');

	if (!eq || o->n_at == sizeof(o->at) / sizeof(o->at[0]) || !mode_read(eq + 1, &at->mode))
		return false;
	*eq = '\0';
	at->addr = word;
	if (!strcmp(word, "v4"))
		at->addr = "127.0.0.1";
	else if (!strcmp(word, "v6"))
		at->addr = "::1";
	else if (o->n_more == RESPONDER_MORE_MAX)
		return false;
	else
		o->conf.more[o->n_more++] = *at;
	o->n_at++;
	return true;
}

static bool responder_word(struct responder_order *o, char *word)
{
	if (!strncmp(word, "after=", 6))
		o->after_ms = (int)strtol(word + 6, NULL, 10);
	else if (!strncmp(word, "tls=", 4))
		return o->tls && tls_read(word + 4, &o->conf, o->tls);
	else
		return mode_word(o, word);
	return o->after_ms >= 0;
}

/* The modes that were given come afterwards, at once or later. */
static struct responder *responder_start(struct responder_order *o)
{
	size_t i;

	o->conf.pki = lab.pki;
	o->conf.v4 = o->after_ms ? RESPONDER_REFUSE : RESPONDER_LISTEN;
	o->conf.v6 = RESPONDER_REFUSE;
	for (i = 0; i < o->n_more; i++)
		o->conf.more[i].mode = RESPONDER_REFUSE;
	return responder_new(&o->conf);
}

bool cmd_responder(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	struct named_responder *slot = &lab.responders[lab.n_responders];
	struct responder_order o = { .tls = r ? NULL : &slot->tls };
	size_t i;

	if (!r && lab.n_responders == RESPONDERS_MAX)
		return lab_refuse(out, "too many responders", w[1]);
	for (i = 2; i < n; i++)
		if (!responder_word(&o, w[i]))
			return lab_refuse(out, "unknown word", w[i]);
	if (!r) {
		r = responder_start(&o);
		lab.n_responders++;
		snprintf(slot->name, sizeof(slot->name), "%s", w[1]);
		slot->r = r;
		if (o.after_ms && !o.n_at)
			responder_mode_at(r, "127.0.0.1", RESPONDER_LISTEN, o.after_ms);
	}
	for (i = 0; i < o.n_at; i++) {
		if (!strcmp(o.at[i].addr, "::1") && !responder_has_v6(r))
			return lab_refuse(out, "this host has no [::1] for", w[1]);
		if (!responder_mode_at(r, o.at[i].addr, o.at[i].mode, o.after_ms))
			return lab_refuse(out, "it was started without the address", o.at[i].addr);
	}
	fprintf(out, "%u\n", (unsigned)responder_port(r));
	return true;
}

static bool is_segment(const char *segment)
{
	return fault_find(strncmp(segment, "hold-", 5) ? segment : segment + 5);
}

/* Reads a number that is not negative. */
static bool number_read(const char *text, unsigned *n)
{
	char *end;

	*n = (unsigned)strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end;
}

static bool play_word(struct responder_play *p, const char *word, char serial[static 64])
{
	unsigned n = 0;
	bool ok = true;

	if (!strncmp(word, "cert=", 5)) {
		ok = lab_serial(word + 5, serial);
		p->serial = serial;
	} else if (!strncmp(word, "path=/", 6)) {
		p->path = word + 6;
	} else if (!strncmp(word, "first=", 6)) {
		ok = number_read(word + 6, &n) && n;
		p->first = n;
	} else if (!strncmp(word, "delay=", 6)) {
		ok = number_read(word + 6, &n);
		p->delay_ms = (int)n;
	} else if (!strncmp(word, "retry-after=", 12)) {
		ok = number_read(word + 12, &p->retry_after_s);
	} else {
		ok = false;
	}
	return ok;
}

bool cmd_play(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	struct responder_play p = { .segment = w[2] };
	char serial[64];
	size_t i;

	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!strcmp(w[2], "-"))
		p.segment = NULL;
	else if (!is_segment(w[2]))
		return lab_refuse(out, "no such behaviour", w[2]);
	for (i = 3; i < n; i++)
		if (!play_word(&p, w[i], serial))
			return lab_refuse(out, "unknown word", w[i]);
	if (n == 3)
		responder_force(r, p.segment);
	else
		responder_play(r, &p);
	return true;
}

bool cmd_limit(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	struct responder_limit l = {0};
	bool ok = true;
	size_t i;

	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	for (i = 2; i < n; i++) {
		if (!strncmp(w[i], "rate=", 5))
			ok = number_read(w[i] + 5, &l.per_second);
		else if (!strncmp(w[i], "retry-after=", 12))
			ok = number_read(w[i] + 12, &l.retry_after_s);
		else if (!strncmp(w[i], "answer=", 7) && is_segment(w[i] + 7))
			l.segment = w[i] + 7;
		else
			ok = false;
		if (!ok)
			return lab_refuse(out, "unknown word", w[i]);
	}
	responder_limit(r, &l);
	return true;
}

bool cmd_pace(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	unsigned per_second;

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!number_read(w[2], &per_second) || per_second > 1000000)
		return lab_refuse(out, "not a rate:", w[2]);
	responder_pace(r, per_second);
	return true;
}

bool cmd_cache(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	bool off = !strcmp(w[2], "-");

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!off && !is_segment(w[2]))
		return lab_refuse(out, "no such behaviour", w[2]);
	responder_cache(r, off ? NULL : w[2]);
	return true;
}

bool cmd_release(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	responder_release(r);
	return true;
}

bool cmd_drop(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	responder_drop(r);
	return true;
}

/* The name under which the responder counts <what>: certificates have names here. */
static bool counted_as(const char *what, char *name, size_t n)
{
	char serial[64];

	if (strncmp(what, "cert=", 5) != 0)
		return snprintf(name, n, "%s", what) < (int)n;
	return lab_serial(what + 5, serial) && snprintf(name, n, "serial=%s", serial) < (int)n;
}

bool cmd_count(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	char what[96];
	uint64_t value;

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!counted_as(w[2], what, sizeof(what)) || !responder_value(r, what, &value))
		return lab_refuse(out, "nothing counted is called", w[2]);
	fprintf(out, "%llu\n", (unsigned long long)value);
	return true;
}

/* "at-most NAME N WHAT" */
bool cmd_at_most(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	unsigned most = 0;
	char what[96];
	uint64_t value;

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!number_read(w[2], &most))
		return lab_refuse(out, "not a number:", w[2]);
	if (!counted_as(w[3], what, sizeof(what)) || !responder_value(r, what, &value))
		return lab_refuse(out, "nothing counted is called", w[3]);
	fprintf(out, "%llu\n", (unsigned long long)value);
	return value <= most || lab_refuse(out, "that is more than", w[2]);
}

/* "await NAME N [WHAT]" */
bool cmd_await(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	const char *name = n > 3 ? w[3] : "requests";
	uint64_t value;
	unsigned many;
	char what[96];

	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!number_read(w[2], &many))
		return lab_refuse(out, "not a number:", w[2]);
	if (!counted_as(name, what, sizeof(what)) || !responder_value(r, what, &value))
		return lab_refuse(out, "nothing counted is called", name);
	if (responder_await(r, what, many, lab_await_ms()))
		return true;
	responder_value(r, what, &value);
	fprintf(out, "only %llu ", (unsigned long long)value);
	return lab_refuse(out, "came of", name);
}

bool cmd_await_idle(char **w, size_t n, FILE *out)
{
	size_t i;

	(void)n;
	for (i = 0; i < lab.n_responders; i++)
		if (!responder_wait_idle(lab.responders[i].r, lab_await_ms()))
			return lab_refuse(out, "still connected:", lab.responders[i].name);
	return !lab.servers || servers_wait_idle(lab.servers, lab_await_ms()) ||
	       lab_refuse(out, "still connected:", w[0]);
}

bool cmd_sni(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	char name[256];

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	responder_sni(r, name, sizeof(name));
	fprintf(out, "%s\n", name);
	return true;
}

bool cmd_last(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	char head[COMMAND_BYTES];

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	responder_last(r, head, sizeof(head));
	fputs(head, out);
	return true;
}

bool cmd_port(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	fprintf(out, "%u\n", (unsigned)responder_port(r));
	return true;
}
