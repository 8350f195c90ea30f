/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_answer.c - what comes over a stats socket, and PEM texts: what is read lies inside of the
 * answer; a PEM text gives the same however it is cut, and nothing outside of certificates is kept.
 *
 * Input: an answer, which is a PEM text as well; its first byte says where that is cut.
 */
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "agent/answer.h"
#include "agent/pem.h"
#include "fuzz.h"

void fuzz_init(void)
{
}

void fuzz_seeds(void)
{
	static const char *const seeds[] = {
		"Name: HAProxy\nVersion: 3.0.11\nPid: 10752\nUptime_sec: 7\n\n",
		"# transaction\n*/a.pem\n# filename\n/a.pem\n@store/b c\n\n",
		"OCSP Certid | Path | Next\n303b300906 | /a.pem | - | - | 0 | 0\n\n",
		"Filename: /a.pem\nStatus: Used\nSHA1 FingerPrint: 3B44\nOCSP Response Key: \n\n",
		"Unknown command: 'x', but maybe\n\n",
		"\x20-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n\n",
		"\x07-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\nMC4C\n",
		"\x31-----BEGIN TRUSTED CERTIFICATE-----\r\nMIIB\r\n-----END X-----",
	};
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		fuzz_seed("", 0, seeds[i], strlen(seeds[i]));
}

static void check_names(bool (*next)(const char **, const char **, size_t *), const char *text)
{
	const char *at = text, *name, *was = text;
	size_t n;

	while (next(&at, &name, &n)) {
		fuzz_must(name >= was && name + n <= at, "a name is not in the answer");
		fuzz_must(!memchr(name, '\n', n), "a name goes over its line");
		was = at;
	}
}

static void check_answer(const char *text)
{
	static const char *const names[] = { "Pid", "Version", "Status", "SHA1 FingerPrint", "" };
	char value[16];
	size_t i, n;
	const char *says;

	check_names(ocu_answer_cert, text);
	check_names(ocu_answer_updated, text);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (ocu_answer_value(text, names[i], value, sizeof(value)))
			fuzz_must(strlen(value) < sizeof(value) && strstr(text, value),
				  "a value is not in the answer");
		fuzz_must(ocu_answer_number(text, names[i]) >= -1, "a number below what there is");
	}
	says = ocu_answer_says(text, &n);
	fuzz_must(n && strnlen(says, n) == n, "the first line is not one");
	(void)ocu_answer_unknown(text);
}

/* Takes the certificates out of <n> bytes, <step> at a time. */
static void pem_take(struct ocu_pem *p, const uint8_t *text, size_t n, size_t step)
{
	size_t at, part;

	ocu_pem_init(p);
	for (at = 0; at < n; at += part) {
		part = n - at < step ? n - at : step;
		fuzz_must(ocu_pem_add(p, text + at, part) == OCU_OK, "a text is refused");
	}
}

static void check_pem(const uint8_t *text, size_t n, size_t step)
{
	STACK_OF(X509) *one, *other;
	struct ocu_pem a, b;

	pem_take(&a, text, n, n ? n : 1);
	pem_take(&b, text, n, step);
	one = ocu_pem_certs(&a);
	other = ocu_pem_certs(&b);
	fuzz_must(a.text.len <= n && a.text.len == b.text.len, "it depends on where it is cut");
	fuzz_must(!a.text.len || memcmp(a.text.data, b.text.data, a.text.len) == 0,
		  "it depends on where it is cut");
	fuzz_must(!a.text.len || memcmp(a.text.data, "-----BEGIN ", 11) == 0,
		  "what is kept does not begin with a certificate");
	fuzz_must(sk_X509_num(one) == sk_X509_num(other), "so do the certificates");
	sk_X509_pop_free(one, X509_free);
	sk_X509_pop_free(other, X509_free);
	ocu_pem_fini(&a);
	ocu_pem_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *text = malloc(n + 1);

	fuzz_must(text != NULL, "no memory");
	memcpy(text, data, n);
	text[n] = '\0';
	check_answer((const char *)text);
	free(text);
	if (!n)
		return 0;
	text = fuzz_copy(data + 1, n - 1);
	check_pem(text, n - 1, data[0] + 1u);
	free(text);
	return 0;
}
