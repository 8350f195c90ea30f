/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_cert.c - the lab's commands that make certificates, and responses for them. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab.h"

static int name_order(const void *a, const void *b)
{
	return strcmp(((const struct named_cert *)a)->name, ((const struct named_cert *)b)->name);
}

struct named_cert *lab_cert(const char *name)
{
	struct named_cert key, **at;

	snprintf(key.name, sizeof(key.name), "%s", name);
	at = tfind(&key, &lab.certs_by_name, name_order);
	return at ? *at : NULL;
}

static struct named_cert *named_new(const char *name)
{
	struct named_cert *c = calloc(1, sizeof(*c));

	if (!c)
		lab_die("calloc");
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->next = lab.certs;
	lab.certs = c;
	if (!tsearch(c, &lab.certs_by_name, name_order))
		lab_die("tsearch");
	return c;
}

static void name_leave(void *c)
{
	(void)c; /* the list has it, too */
}

void lab_certs_fini(void)
{
	struct named_cert *c;

	tdestroy(lab.certs_by_name, name_leave);
	while ((c = lab.certs)) {
		lab.certs = c->next;
		pki_cert_fini(&c->id);
		free(c);
	}
}

bool lab_serial(const char *name, char serial[static 64])
{
	struct named_cert *c = lab_cert(name);
	char *text;

	if (!c)
		return false;
	text = pki_serial(c->id.cert);
	snprintf(serial, 64, "%s", text);
	OPENSSL_free(text);
	return true;
}

static bool cert_word(struct cert_order *o, const char *word, size_t *n_uris)
{
	if (!strncmp(word, "cn=", 3))
		o->cn = word + 3;
	else if (!strncmp(word, "san=", 4))
		o->c.san = word + 4;
	else if (!strncmp(word, "uri=", 4) && *n_uris < PKI_URIS_MAX)
		o->c.uris[(*n_uris)++] = word + 4;
	else if (!strncmp(word, "serial=", 7))
		o->c.serial = strtoull(word + 7, NULL, 0);
	else if (!strncmp(word, "chain=", 6))
		o->chain = word + 6;
	else if (!strncmp(word, "n=", 2))
		o->many = (unsigned)strtoul(word + 2, NULL, 10);
	else if (!strcmp(word, "must-staple"))
		o->c.must_staple = true;
	else if (!strcmp(word, "rsa"))
		o->c.algorithm = PKI_RSA_2048;
	else if (!strcmp(word, "rsa-3072"))
		o->c.algorithm = PKI_RSA_3072;
	else if (!strcmp(word, "one-key"))
		o->c.key = lab.pki->by[PKI_BY_LEAF].key;
	else
		return false;
	return true;
}

/* Makes <name>.pem in the directory of the lab, and remembers the certificate. */
bool lab_cert_write(const char *name, const struct cert_order *o, FILE *out)
{
	X509 *issuer = lab.pki->by[PKI_BY_ISSUER].cert, *root = lab.pki->by[PKI_BY_ROOT].cert;
	struct named_cert *c = lab_cert(name);
	X509 *chain[3];

	if (c)
		pki_cert_fini(&c->id);
	else
		c = named_new(name);
	pki_cert_make(lab.pki, &c->id, &o->c);
	chain[0] = c->id.cert;
	chain[1] = issuer;
	chain[2] = root;
	if (!strcmp(o->chain, "issuer")) {
		pki_pem_write(lab_path(name, ".pem"), chain, 2, c->id.key);
	} else if (!strcmp(o->chain, "root")) {
		pki_pem_write(lab_path(name, ".pem"), chain, 3, c->id.key);
	} else if (!strcmp(o->chain, "none") || !strcmp(o->chain, "apart")) {
		pki_pem_write(lab_path(name, ".pem"), chain, 1, c->id.key);
		if (*o->chain == 'a')
			pki_pem_write(lab_path(name, ".pem.issuer"), &issuer, 1, NULL);
	} else {
		return lab_refuse(out, "unknown chain", o->chain);
	}
	return true;
}

bool cmd_cert(char **w, size_t n, FILE *out)
{
	struct cert_order o = { .cn = w[1], .chain = "issuer" };
	char cn[128], name[128];
	size_t i, n_uris = 0;
	unsigned k;

	for (i = 2; i < n; i++)
		if (!cert_word(&o, w[i], &n_uris))
			return lab_refuse(out, "unknown word", w[i]);
	o.c.name = o.cn;
	if (!o.many)
		return lab_cert_write(w[1], &o, out);
	if (mkdir(lab_path(w[1], ""), 0700) != 0 && errno != EEXIST)
		lab_die(w[1]);
	for (k = 0; k < o.many; k++) {
		snprintf(cn, sizeof(cn), "%s-%03u", o.cn, k);
		snprintf(name, sizeof(name), "%s/%03u", w[1], k);
		o.c.name = cn;
		if (!lab_cert_write(name, &o, out))
			return false;
	}
	return true;
}

bool cmd_ocsp(char **w, size_t n, FILE *out)
{
	struct named_cert *c = lab_cert(w[2]);
	uint8_t *der;
	size_t len;

	(void)n;
	if (!c)
		return lab_refuse(out, "no such certificate", w[2]);
	if (!fault_find(w[3]))
		return lab_refuse(out, "no such behaviour", w[3]);
	len = fault_body_make(lab.pki, &der, w[3], c->id.cert);
	lab_file(w[1], der, len);
	free(der);
	return true;
}
