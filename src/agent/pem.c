/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pem.c - takes the certificates out of PEM texts. Judges no certificate. */
#include "pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

void ocu_pem_init(struct ocu_pem *p)
{
	ocu_buf_init(&p->text, OCU_PEM_MAX_BYTES);
	p->n = 0;
	p->inside = false;
}

void ocu_pem_fini(struct ocu_pem *p)
{
	OPENSSL_cleanse(p->line, sizeof(p->line));
	ocu_buf_fini(&p->text);
}

/* Whether the line that has come begins a certificate, by any of its names. */
static bool begins(const struct ocu_pem *p)
{
	static const char *const names[] = {
		"-----BEGIN " PEM_STRING_X509 "-----",
		"-----BEGIN " PEM_STRING_X509_OLD "-----",
		"-----BEGIN " PEM_STRING_X509_TRUSTED "-----",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (p->n >= strlen(names[i]) && memcmp(p->line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Takes the line that has come, or as much of it as fits, if it belongs to a certificate. */
static enum ocu_status line_end(struct ocu_pem *p)
{
	static const char end[] = "-----END ";
	enum ocu_status st = OCU_OK;

	if (begins(p))
		p->inside = true;
	if (p->inside)
		st = ocu_buf_add(&p->text, p->line, p->n);
	if (p->n >= strlen(end) && memcmp(p->line, end, strlen(end)) == 0)
		p->inside = false;
	p->n = 0;
	return st;
}

enum ocu_status ocu_pem_add(struct ocu_pem *p, const void *bytes, size_t n)
{
	const char *at = bytes, *end = at + n;
	enum ocu_status st = OCU_OK;

	while (at < end && st == OCU_OK) {
		p->line[p->n++] = *at;
		if (*at++ == '\n' || p->n == sizeof(p->line))
			st = line_end(p);
	}
	return st;
}

enum ocu_status ocu_pem_read(struct ocu_pem *p, const char *path, struct ocu_err *err)
{
	/* O_NONBLOCK: a pipe of that name must not hold us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum ocu_status st = OCU_OK;
	char part[4096];
	ssize_t n = 1;

	if (fd < 0)
		return ocu_fail(err, OCU_IO, "%s: %m", path);
	while (st == OCU_OK && n > 0) {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			st = ocu_pem_add(p, part, (size_t)n);
		else if (n < 0)
			st = ocu_fail(err, OCU_IO, "%s: %m", path);
	}
	OPENSSL_cleanse(part, sizeof(part));
	close(fd);
	return st == OCU_OK || st == OCU_IO ? st : ocu_fail(err, st, "%s: %s", path, ocu_text(st));
}

STACK_OF(X509) *ocu_pem_certs(struct ocu_pem *p)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	enum ocu_status st = line_end(p);
	BIO *bio = st == OCU_OK ? BIO_new_mem_buf(p->text.data, (int)p->text.len) : NULL;
	X509 *cert;

	while (certs && bio && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
		if (sk_X509_push(certs, cert) <= 0) {
			X509_free(cert);
			break;
		}
	}
	/* it has to end where there is no other one, and not in the middle of something */
	if (!bio || BIO_pending(bio) || p->inside || !sk_X509_num(certs)) {
		sk_X509_pop_free(certs, X509_free);
		certs = NULL;
	}
	BIO_free(bio);
	ERR_clear_error();
	return certs;
}
