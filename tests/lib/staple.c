/* SPDX-License-Identifier: GPL-2.0-or-later */
/* staple.c - a TLS client that asks for a staple and says what it got.
 * Checks the staple, not the server's certificate.
 */
#include "staple.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_S 10

/* What was seen. */
struct staple {
	const char *what;
	char cert[64];             /* serial of the server's certificate, hexadecimal */
	int64_t this_update, next_update;
	size_t bytes;
};

static int connect_to(const struct sockaddr *sa, socklen_t n)
{
	struct timeval tv = { .tv_sec = TIMEOUT_S };
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, sa, n) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int staple_connect(const char *addr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	const char *colon = strrchr(addr, ':');
	char host[64];
	uint16_t port;

	if (*addr == '/') {
		if (strlen(addr) >= sizeof(un.sun_path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(un.sun_path, addr, strlen(addr) + 1);
		return connect_to((struct sockaddr *)&un, sizeof(un));
	}
	if (!colon) {
		errno = EINVAL;
		return -1;
	}
	port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	snprintf(host, sizeof(host), "%.*s", (int)(colon - addr), addr);
	if (host[0] == '[') {
		host[strcspn(host, "]")] = '\0';
		in6.sin6_port = port;
		if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) == 1)
			return connect_to((struct sockaddr *)&in6, sizeof(in6));
	} else {
		in4.sin_port = port;
		if (inet_pton(AF_INET, host, &in4.sin_addr) == 1)
			return connect_to((struct sockaddr *)&in4, sizeof(in4));
	}
	errno = EINVAL;
	return -1;
}

static int64_t seconds(const ASN1_TIME *t)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

/* Whether <issuer> or a delegate of it signed <basic>. */
static bool verified(OCSP_BASICRESP *basic, X509 *issuer)
{
	STACK_OF(X509) *more = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	bool good = false;

	if (store && more && sk_X509_push(more, issuer) && X509_STORE_add_cert(store, issuer)) {
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
		good = OCSP_basic_verify(basic, more, store, 0) == 1;
	}
	sk_X509_free(more);
	X509_STORE_free(store);
	return good;
}

/* Looks for the single of <cert>. */
static const char *basic_read(struct staple *out, OCSP_BASICRESP *basic, X509 *cert,
			      X509 *issuer)
{
	static const char *const names[] = { "good", "revoked", "unknown" };
	ASN1_GENERALIZEDTIME *this_upd = NULL, *next_upd = NULL;
	ASN1_INTEGER *serial = NULL;
	OCSP_SINGLERESP *one;
	int i, status;

	if (issuer && !verified(basic, issuer))
		return "unverified";
	for (i = 0; i < OCSP_resp_count(basic); i++) {
		one = OCSP_resp_get0(basic, i);
		OCSP_id_get0_info(NULL, NULL, NULL, &serial,
				  (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one));
		if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert)) != 0)
			continue;
		status = OCSP_single_get0_status(one, NULL, NULL, &this_upd, &next_upd);
		out->this_update = seconds(this_upd);
		out->next_update = seconds(next_upd);
		return status >= 0 && status <= 2 ? names[status] : "garbage";
	}
	return "mismatch";
}

static void staple_read(struct staple *out, SSL *ssl, X509 *cert, X509 *issuer)
{
	const unsigned char *der = NULL;
	OCSP_BASICRESP *basic = NULL;
	OCSP_RESPONSE *resp;
	long n;

	n = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
	if (!der || n <= 0) {
		out->what = "none";
		return;
	}
	out->bytes = (size_t)n;
	out->what = "garbage";
	resp = d2i_OCSP_RESPONSE(NULL, &der, n);
	if (resp)
		basic = OCSP_response_get1_basic(resp);
	if (basic)
		out->what = basic_read(out, basic, cert, issuer);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(resp);
}

static bool handshake(SSL *ssl, int fd, const char *sni)
{
	if (sni && SSL_set_tlsext_host_name(ssl, sni) != 1)
		return false;
	if (SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp) != 1)
		return false;
	return SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1;
}

static void serial_read(struct staple *out, const X509 *cert)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = bn ? BN_bn2hex(bn) : NULL;

	snprintf(out->cert, sizeof(out->cert), "%s", hex ? hex : "?");
	OPENSSL_free(hex);
	BN_free(bn);
}

static void staple_print(const struct staple *s, char text[static STAPLE_TEXT_BYTES])
{
	if (!s->bytes)
		snprintf(text, STAPLE_TEXT_BYTES, "%s cert=%s", s->what, s->cert);
	else
		snprintf(text, STAPLE_TEXT_BYTES, "%s cert=%s this=%lld next=%lld bytes=%zu",
			 s->what, s->cert, (long long)s->this_update, (long long)s->next_update,
			 s->bytes);
}

bool staple_look(const char *addr, const char *sni, X509 *issuer,
		 char text[static STAPLE_TEXT_BYTES])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	struct staple s = { .what = "none" };
	int fd = staple_connect(addr);
	bool done = false;
	X509 *cert = NULL;
	char why[120] = "";

	if (fd < 0) {
		snprintf(text, STAPLE_TEXT_BYTES, "%.100s: %m", addr);
	} else if (ssl && handshake(ssl, fd, sni)) {
		cert = SSL_get1_peer_certificate(ssl);
		serial_read(&s, cert);
		staple_read(&s, ssl, cert, issuer);
		staple_print(&s, text);
		SSL_shutdown(ssl);
		done = true;
	} else {
		ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
		snprintf(text, STAPLE_TEXT_BYTES, "%.100s: handshake: %s", addr, why);
	}
	ERR_clear_error();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	if (fd >= 0)
		close(fd);
	X509_free(cert);
	return done;
}
