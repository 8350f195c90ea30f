/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_faults.c - the lab's commands that go through the whole table of faults. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab.h"
#include "staple.h"

#define FAULTS_SERIAL 0x10000001 /* of the first row's certificate; the others follow */

/* The part of a log line from its status on, "4 \"...\" 1 0 \"...\"", of the last line about
 * <path>; NULL if there are not <n> of them. <more>: there may be more.
 */
static const char *log_result(const char *path, size_t n, bool more)
{
	const char *at, *found = NULL;
	size_t len = strlen(path), seen = 0;
	struct line *l;

	log_read();
	for (l = lab.lines; l; l = l->next) {
		at = strstr(l->text, path);
		if (!at || at[len] != ' ' || !strstr(l->text, "<OCSP-UPDATE>"))
			continue;
		seen++;
		found = at + len + 1;
	}
	return seen == n || (more && seen > n) ? found : NULL;
}

/* "faults-make NAME RESPONDER": for each row of the table a certificate with a host of its own. */
bool cmd_faults_make(char **w, size_t n, FILE *out)
{
	struct responder *r = lab_responder(w[2]);
	struct cert_order o = { .chain = "issuer", .c.serial = FAULTS_SERIAL };
	const struct fault *f;
	char name[128], uri[160], host[80];
	struct pki_id asked;
	size_t i;

	(void)n;
	if (!r || lab.servers)
		return lab_refuse(out, "no such responder, or done already:", w[2]);
	if (mkdir(lab_path(w[1], ""), 0700) != 0 && errno != EEXIST)
		lab_die(w[1]);
	lab_tls_ca_write();
	lab.servers = servers_new(lab.pki, r);
	if (!dnsd_set(lab.dns, "* a=127.0.0.1 aaaa=::1 ttl=60"))
		return false;
	for (i = 0; (f = fault_row(i)); i++, o.c.serial++) {
		snprintf(name, sizeof(name), "%s/%s", w[1], fault_name(f));
		snprintf(host, sizeof(host), "%s.test", fault_name(f));
		/* who answers early has to know the serial, and the certificate his port */
		pki_cert_make(lab.pki, &asked, &(struct pki_cert){ .serial = o.c.serial });
		servers_url(lab.servers, i, asked.cert, host, uri, sizeof(uri));
		pki_cert_fini(&asked);
		o.c.name = fault_name(f);
		o.c.uris[0] = uri;
		if (!lab_cert_write(name, &o, out))
			return false;
	}
	fprintf(out, "%zu\n", i);
	return true;
}

/* How often row number <i> was asked for <cert>. */
static unsigned fault_asked(size_t i, X509 *cert)
{
	char *serial = pki_serial(cert), key[128];

	snprintf(key, sizeof(key), "* %s", serial);
	OPENSSL_free(serial);
	return (unsigned)responder_count(servers_get(lab.servers, i, cert), key);
}

/* Whether <result>, from a line of the log, is that of a row with this outcome. */
static bool result_fits(const char *result, const char *want, const char *why)
{
	bool failed = *result >= '2' && *result <= '5';

	return (want ? *result == '1' : failed) && (!why || strstr(result, why));
}

/* Compares what came of one row with what is wanted; says what is wrong. */
static bool fault_check(const char *dir, size_t i, const char *where, unsigned times, FILE *out)
{
	const struct fault *f = fault_row(i);
	const char *want = fault_want(f, times > 1), *why = fault_why(f, times > 1), *result;
	const char *staple = want ? want : "none";
	X509 *issuer = lab.pki->by[PKI_BY_ISSUER].cert;
	char text[STAPLE_TEXT_BYTES], path[PATH_BYTES];
	unsigned asked = 0, least, most;
	size_t n = strlen(staple);
	struct named_cert *c;

	snprintf(path, sizeof(path), "%s/%s", dir, fault_name(f));
	c = lab_cert(path);
	snprintf(path, sizeof(path), "%s/%s/%s.pem", lab.dir, dir, fault_name(f));
	result = log_result(path, times, fault_again(f));
	fault_requests(f, times, &least, &most);
	if (c)
		asked = fault_asked(i, c->id.cert);
	if (c && asked >= least && asked <= most &&
	    staple_look(where, fault_name(f), issuer, text) && !strncmp(text, staple, n) &&
	    text[n] == ' ' && result && result_fits(result, want, why))
		return true;
	staple_look(where, fault_name(f), issuer, text);
	fprintf(out, "%s: %.80s, %s, %u requests, wanted %s%s%s, %u to %u requests\n",
		fault_name(f), text,
		result ? result : "not the right number of lines in the log", asked, staple,
		why ? ": " : "", why ? why : "", least, most);
	return false;
}

/* "faults-check NAME ADDRESS [N]": once each row has been fetched N times. */
bool cmd_faults_check(char **w, size_t n, FILE *out)
{
	unsigned times = n > 3 ? (unsigned)strtoul(w[3], NULL, 10) : 1;
	size_t i, wrong = 0;

	if (!lab.servers)
		return lab_refuse(out, "no faults were made for", w[1]);
	for (i = 0; fault_row(i); i++)
		wrong += !fault_check(w[1], i, w[2], times, out);
	fprintf(out, "%zu of %zu rows are wrong\n", wrong, i);
	return !wrong;
}
