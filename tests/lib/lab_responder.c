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

bool cmd_responder(char **w, size_t n, FILE *out)
{
	struct responder_conf conf = { .pki = lab.pki, .v6 = RESPONDER_REFUSE };
	struct responder *r = lab_responder(w[1]);
	struct named_responder *slot;
	bool v4 = false, v6 = false;
	size_t i;

	if (!r && lab.n_responders == RESPONDERS_MAX)
		return lab_refuse(out, "too many responders", w[1]);
	slot = &lab.responders[lab.n_responders];
	for (i = 2; i < n; i++) {
		if (!strncmp(w[i], "v4=", 3) && mode_read(w[i] + 3, &conf.v4))
			v4 = true;
		else if (!strncmp(w[i], "v6=", 3) && mode_read(w[i] + 3, &conf.v6))
			v6 = true;
		else if (r || strncmp(w[i], "tls=", 4) || !tls_read(w[i] + 4, &conf, &slot->tls))
			return lab_refuse(out, "unknown word", w[i]);
	}
	if (r) {
		if (v4)
			responder_mode_set(r, false, conf.v4);
		if (v6)
			responder_mode_set(r, true, conf.v6);
		fprintf(out, "%u\n", (unsigned)responder_port(r));
		return true;
	}
	lab.n_responders++;
	snprintf(slot->name, sizeof(slot->name), "%s", w[1]);
	slot->r = responder_new(&conf);
	if (v6 && !responder_has_v6(slot->r))
		return lab_refuse(out, "this host has no [::1] for", w[1]);
	fprintf(out, "%u\n", (unsigned)responder_port(slot->r));
	return true;
}

bool cmd_play(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	const char *segment = w[2];

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!strcmp(segment, "-")) {
		responder_force(r, NULL);
		return true;
	}
	if (!fault_find(strncmp(segment, "hold-", 5) ? segment : segment + 5))
		return lab_refuse(out, "no such behaviour", segment);
	responder_force(r, segment);
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

bool cmd_count(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	struct responder_stats st;
	const struct {
		const char *name;
		const uint64_t *value;
	} rows[] = {
		{ "requests", &st.requests }, { "get", &st.get }, { "post", &st.post },
		{ "connections", &st.connections }, { "open", &st.open }, { "peak", &st.peak },
		{ "busy", &st.busy_peak }, { "v6", &st.v6 }, { "conditional", &st.conditional },
		{ "not-modified", &st.not_modified }, { "absolute", &st.absolute },
		{ "malformed", &st.malformed }, { "sha1", &st.sha1 }, { "nonce", &st.nonce },
	};
	size_t i;

	(void)n;
	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (*w[2] == '/') {
		fprintf(out, "%llu\n", (unsigned long long)responder_count(r, w[2] + 1));
		return true;
	}
	responder_stats(r, &st);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, w[2]) != 0)
			continue;
		fprintf(out, "%llu\n", (unsigned long long)*rows[i].value);
		return true;
	}
	return lab_refuse(out, "nothing counted is called", w[2]);
}

bool cmd_await(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[1]);
	const char *segment = n > 3 ? w[3] + (*w[3] == '/') : NULL;
	uint64_t many = strtoull(w[2], NULL, 10);

	if (!r)
		return lab_refuse(out, "no such responder", w[1]);
	if (!strcmp(w[0], "await-connections"))
		return responder_wait_connections(r, many, AWAIT_MS) ||
		       lab_refuse(out, "too few connections came to", w[1]);
	return responder_wait(r, segment, many, AWAIT_MS) ||
	       lab_refuse(out, "too few requests came to", w[1]);
}

bool cmd_await_idle(char **w, size_t n, FILE *out)
{
	size_t i;

	(void)n;
	for (i = 0; i < lab.n_responders; i++)
		if (!responder_wait_idle(lab.responders[i].r, AWAIT_MS))
			return lab_refuse(out, "still connected:", lab.responders[i].name);
	return !lab.servers || servers_wait_idle(lab.servers, AWAIT_MS) ||
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
