/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_pem.c - what is taken out of PEM texts, however they come in, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "agent/pem.h"
#include "pki.h"

static struct pki *pki;
static struct pki_id leaf;
static char *leaf_text, *issuer_text, *key_text;

static char *text_of(BIO *bio)
{
	char *text = calloc(1, BIO_pending(bio) + 1u);

	assert_non_null(text);
	assert_true(BIO_read(bio, text, BIO_pending(bio)) > 0);
	BIO_free(bio);
	return text;
}

static char *cert_text(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	return text_of(bio);
}

static int group_begin(void **state)
{
	struct pki_cert conf = { .name = "leaf" };
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	pki = pki_new();
	pki_cert_make(pki, &leaf, &conf);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, leaf.key, NULL, NULL, 0, NULL, NULL), 1);
	key_text = text_of(bio);
	leaf_text = cert_text(leaf.cert);
	issuer_text = cert_text(pki->by[PKI_BY_ISSUER].cert);
	return 0;
}

static int group_end(void **state)
{
	(void)state;
	free(leaf_text);
	free(issuer_text);
	free(key_text);
	pki_cert_fini(&leaf);
	pki_free(pki);
	return 0;
}

/* Builds a text: 1 is the leaf, 2 its issuer, 3 the key, what else there is stays as it is. */
static char *build(const char *form)
{
	size_t n = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	for (; *form; form++) {
		if (*form == '1')
			fputs(leaf_text, f);
		else if (*form == '2')
			fputs(issuer_text, f);
		else if (*form == '3')
			fputs(key_text, f);
		else
			fputc(*form, f);
	}
	fclose(f);
	return text;
}

/* Whether a line of the key is in what is kept. */
static bool has_key(const struct ocu_pem *p)
{
	const char *line = strchr(key_text, '\n') + 1;

	return p->text.len && memmem(p->text.data, p->text.len, line, strcspn(line, "\n"));
}

/* Expects the certificates <want> (1, 2) in <form>, handed in <step> bytes at a time. */
static void expect(const char *form, const char *want, size_t step)
{
	char *text = build(form);
	size_t at, n, len = strlen(text);
	STACK_OF(X509) *certs;
	struct ocu_pem p;
	int i;

	ocu_pem_init(&p);
	for (at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		assert_int_equal(ocu_pem_add(&p, text + at, n), OCU_OK);
	}
	certs = ocu_pem_certs(&p);
	assert_false(has_key(&p));
	if (sk_X509_num(certs) != (*want ? (int)strlen(want) : -1))
		fail_msg("%s: %d certificates", form, sk_X509_num(certs));
	for (i = 0; want[i]; i++)
		assert_int_equal(X509_cmp(sk_X509_value(certs, i), want[i] == '1'
					  ? leaf.cert : pki->by[PKI_BY_ISSUER].cert), 0);
	sk_X509_pop_free(certs, X509_free);
	ocu_pem_fini(&p);
	free(text);
}

static void forms(void **state)
{
	static const struct {
		const char *form, *want;
	} rows[] = {
		{ "1", "1" }, { "12", "12" }, { "312", "12" }, { "132", "12" }, { "123", "12" },
		{ "3", "" }, { "", "" }, { "nothing\n", "" }, { "# text\n\n1\n\ns=x\n2", "12" },
		{ "-----BEGIN CERTIFICATE-----\n", "" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "" },
		{ "1-----BEGIN CERTIFICATE-----\nAAAA\n", "" },
	};
	size_t i, step;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (step = 1; step < 200; step += 33)
			expect(rows[i].form, rows[i].want, step);
}

/* What is written by other hands: CR before LF, and no end of the last line. */
static void other_hands(void **state)
{
	struct ocu_pem p;
	STACK_OF(X509) *certs;
	const char *c;

	(void)state;
	ocu_pem_init(&p);
	for (c = leaf_text; *c; c++) {
		if (*c == '\n')
			assert_int_equal(ocu_pem_add(&p, "\r", 1), OCU_OK);
		assert_int_equal(ocu_pem_add(&p, c, 1), OCU_OK);
	}
	assert_int_equal(ocu_pem_add(&p, issuer_text, strlen(issuer_text) - 1), OCU_OK);
	certs = ocu_pem_certs(&p);
	assert_int_equal(sk_X509_num(certs), 2);
	sk_X509_pop_free(certs, X509_free);
	ocu_pem_fini(&p);
}

static void too_much(void **state)
{
	char line[1024] = "-----BEGIN CERTIFICATE-----\n";
	enum ocu_status st = OCU_OK;
	struct ocu_pem p;
	int i;

	(void)state;
	ocu_pem_init(&p);
	for (i = 0; i < 2048 && st == OCU_OK; i++) {
		st = ocu_pem_add(&p, line, sizeof(line));
		memset(line, 'A', sizeof(line));
	}
	assert_int_equal(st, OCU_TOO_BIG);
	ocu_pem_fini(&p);
	/* what is no certificate may be as long as it likes */
	ocu_pem_init(&p);
	for (i = 0; i < 2048; i++)
		assert_int_equal(ocu_pem_add(&p, line, sizeof(line)), OCU_OK);
	ocu_pem_fini(&p);
}

static void files(void **state)
{
	char path[] = "/tmp/pemXXXXXX";
	int fd = mkstemp(path);
	struct ocu_err err;
	struct ocu_pem p;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, key_text, strlen(key_text)), strlen(key_text));
	assert_int_equal(write(fd, leaf_text, strlen(leaf_text)), strlen(leaf_text));
	close(fd);
	ocu_pem_init(&p);
	assert_int_equal(ocu_pem_read(&p, path, &err), OCU_OK);
	assert_int_equal(p.text.len, strlen(leaf_text));
	ocu_pem_fini(&p);
	unlink(path);
	ocu_pem_init(&p);
	assert_int_equal(ocu_pem_read(&p, path, &err), OCU_IO);
	assert_non_null(strstr(err.msg, "No such file"));
	assert_int_equal(ocu_pem_read(&p, "/tmp", &err), OCU_IO);
	assert_non_null(strstr(err.msg, "directory"));
	ocu_pem_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(other_hands),
		cmocka_unit_test(too_much),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests_name("pem", tests, group_begin, group_end);
}
