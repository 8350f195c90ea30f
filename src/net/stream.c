/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.c - reads and writes a non-blocking socket, plain or through OpenSSL. Never waits, and
 * decides nothing about what the bytes mean.
 */
#include "ocu/stream.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void ocu_stream_watch(struct ocu_stream *s, struct ev_loop *loop, int events, ocu_stream_cb *cb,
		      void *data)
{
	ev_io_stop(loop, &s->io);
	if (ev_cb(&s->io)) {
		ev_set_cb(&s->io, cb);
		ev_io_modify(&s->io, events);
	} else {
		/* libev takes the descriptor for another one of the same number. */
		ev_io_init(&s->io, cb, s->fd, events);
	}
	s->io.data = data;
	ev_io_start(loop, &s->io);
}

void ocu_stream_unwatch(struct ocu_stream *s, struct ev_loop *loop)
{
	ev_io_stop(loop, &s->io);
}

void ocu_stream_fini(struct ocu_stream *s)
{
	SSL_free(s->ssl);
	if (s->fd >= 0)
		close(s->fd);
	*s = OCU_STREAM_NONE;
}

static enum ocu_status fail_errno(struct ocu_err *err, const char *doing, int error)
{
	char text[OCU_ERRNO_BYTES];

	return ocu_fail(err, OCU_HTTP, "%s: %s", doing, ocu_errno_text(error, text));
}

/* Explains what OpenSSL has just failed with, <error> being errno right after it. */
static enum ocu_status fail_tls(struct ocu_stream *s, enum ocu_status st, const char *doing,
				int error, struct ocu_err *err)
{
	long verify = SSL_get_verify_result(s->ssl);
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(code);
	char text[OCU_ERRNO_BYTES];

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		(void)ocu_fail(err, st, "%s: certificate: %s", doing,
			       X509_verify_cert_error_string(verify));
	else if (why)
		(void)ocu_fail(err, st, "%s: %s", doing, why);
	else if (error)
		(void)ocu_fail(err, st, "%s: %s", doing, ocu_errno_text(error, text));
	else
		(void)ocu_fail(err, st, "%s: closed by the peer", doing);
	ERR_clear_error();
	return st;
}

/* ---- certificates to trust ----
 *
 * All of them are loaded at once. OpenSSL would look up those of a directory when it needs them,
 * which is after a chroot, where there is none.
 */

/* The names under which certificates are looked for in a directory, as HAProxy does. */
static bool is_cert_name(const char *name)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer" };
	size_t n = strlen(name), len, i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		len = strlen(ends[i]);
		if (n > len && strcmp(name + n - len, ends[i]) == 0)
			return true;
	}
	return false;
}

/* Adds the certificates of every file of the directory <path> to <store>; a file without one is
 * left out. Returns whether there was one in any.
 */
static bool dir_load(X509_STORE *store, const char *path)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	DIR *dir = lookup ? opendir(path) : NULL;
	struct dirent *d;
	char file[PATH_MAX];
	bool found = false;

	while (dir && (d = readdir(dir))) {
		if (!is_cert_name(d->d_name) ||
		    snprintf(file, sizeof(file), "%s/%s", path, d->d_name) >= (int)sizeof(file))
			continue;
		found |= X509_load_cert_file(lookup, file, X509_FILETYPE_PEM) > 0;
	}
	if (dir)
		closedir(dir);
	if (found)
		ERR_clear_error();
	return found;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* OpenSSL's default file, default directory, or both. */
static bool system_load(SSL_CTX *ctx)
{
	const char *file = secure_getenv(X509_get_default_cert_file_env());
	const char *dir = secure_getenv(X509_get_default_cert_dir_env());
	bool found;

	file = file ? file : X509_get_default_cert_file();
	dir = dir ? dir : X509_get_default_cert_dir();
	found = SSL_CTX_load_verify_file(ctx, file);
	found |= dir_load(SSL_CTX_get_cert_store(ctx), dir);
	if (found)
		ERR_clear_error();
	return found;
}

static bool ctx_setup(SSL_CTX *ctx, bool verify, const char *ca_file)
{
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
		return false;
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!verify)
		return true;
	if (!ca_file || strcmp(ca_file, "@system-ca") == 0)
		return system_load(ctx);
	if (is_dir(ca_file))
		return dir_load(SSL_CTX_get_cert_store(ctx), ca_file);
	return SSL_CTX_load_verify_file(ctx, ca_file);
}

enum ocu_status ocu_stream_ctx_new(SSL_CTX **out, bool verify, const char *ca_file,
				   struct ocu_err *err)
{
	SSL_CTX *ctx;
	const char *why;

	*out = NULL;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx && ctx_setup(ctx, verify, ca_file)) {
		*out = ctx;
		/* Of what it could do without, when memory was short. */
		ERR_clear_error();
		return OCU_OK;
	}
	why = ERR_reason_error_string(ERR_peek_error());
	(void)ocu_fail(err, ctx ? OCU_TLS : OCU_NOMEM, "%s: %s",
		       ctx && verify ? (ca_file ? ca_file : "@system-ca") : "TLS",
		       why ? why : "no certificate");
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return ctx ? OCU_TLS : OCU_NOMEM;
}

enum ocu_status ocu_stream_tls(struct ocu_stream *s, SSL_CTX *ctx, const struct ocu_url *u,
			       struct ocu_err *err)
{
	X509_VERIFY_PARAM *param;
	bool ok;

	s->ssl = SSL_new(ctx);
	if (!s->ssl) {
		ERR_clear_error();
		return ocu_fail(err, OCU_NOMEM, "TLS: %s", ocu_text(OCU_NOMEM));
	}
	param = SSL_get0_param(s->ssl);
	if (u->literal) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, u->host);
	} else {
		X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = X509_VERIFY_PARAM_set1_host(param, u->host, 0)
		     && SSL_set_tlsext_host_name(s->ssl, u->host);
	}
	ok = ok && SSL_set_fd(s->ssl, s->fd);
	if (!ok)
		return fail_tls(s, OCU_TLS, "TLS", 0, err);
	SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_set_connect_state(s->ssl);
	return OCU_OK;
}

/* Whether <rc> of an SSL call only says that an event is awaited. */
static bool is_again(struct ocu_stream *s, int rc, int *want)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*want = EV_READ;
		return true;
	case SSL_ERROR_WANT_WRITE:
		*want = EV_WRITE;
		return true;
	default:
		return false;
	}
}

enum ocu_status ocu_stream_handshake(struct ocu_stream *s, int *want, struct ocu_err *err)
{
	int rc;

	if (!s->ssl || SSL_is_init_finished(s->ssl))
		return OCU_OK;
	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(s->ssl);
	if (rc == 1)
		return OCU_OK;
	if (is_again(s, rc, want))
		return OCU_AGAIN;
	return fail_tls(s, OCU_TLS, "TLS handshake", errno, err);
}

/* Whether the peer has closed. One that does so without a close_notify is taken as well: what is
 * cut short is noticed by its length, or by the DER that ends early.
 */
static bool is_eof(struct ocu_stream *s, int rc, int error)
{
	int ssl_error = SSL_get_error(s->ssl, rc);

	if (ssl_error == SSL_ERROR_ZERO_RETURN)
		return true;
	if (ssl_error == SSL_ERROR_SYSCALL)
		return ERR_peek_error() == 0 && error == 0;
	return ssl_error == SSL_ERROR_SSL
	       && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

static enum ocu_status read_tls(struct ocu_stream *s, void *p, size_t n, size_t *got, int *want,
				struct ocu_err *err)
{
	int rc, error;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX);
	error = errno;
	if (rc > 0) {
		*got = (size_t)rc;
		return OCU_OK;
	}
	if (is_again(s, rc, want))
		return OCU_AGAIN;
	if (!is_eof(s, rc, error))
		return fail_tls(s, OCU_HTTP, "reading", error, err);
	ERR_clear_error();
	return OCU_OK;
}

enum ocu_status ocu_stream_read(struct ocu_stream *s, void *p, size_t n, size_t *got, int *want,
				struct ocu_err *err)
{
	ssize_t rc;

	*got = 0;
	if (s->ssl)
		return read_tls(s, p, n, got, want, err);
	do {
		rc = recv(s->fd, p, n, 0);
	} while (rc < 0 && errno == EINTR);
	if (rc >= 0) {
		*got = (size_t)rc;
		return OCU_OK;
	}
	*want = EV_READ;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return OCU_AGAIN;
	return fail_errno(err, "reading", errno);
}

static enum ocu_status write_tls(struct ocu_stream *s, const void *p, size_t n, size_t *put,
				 int *want, struct ocu_err *err)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX);
	if (rc > 0) {
		*put = (size_t)rc;
		return OCU_OK;
	}
	if (is_again(s, rc, want))
		return OCU_AGAIN;
	return fail_tls(s, OCU_HTTP, "writing", errno, err);
}

enum ocu_status ocu_stream_write(struct ocu_stream *s, const void *p, size_t n, size_t *put,
				 int *want, struct ocu_err *err)
{
	ssize_t rc;

	*put = 0;
	if (s->ssl)
		return write_tls(s, p, n, put, want, err);
	do {
		rc = send(s->fd, p, n, MSG_NOSIGNAL);
	} while (rc < 0 && errno == EINTR);
	if (rc >= 0) {
		*put = (size_t)rc;
		return OCU_OK;
	}
	*want = EV_WRITE;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return OCU_AGAIN;
	return fail_errno(err, "writing", errno);
}

bool ocu_stream_quiet(struct ocu_stream *s)
{
	uint8_t byte;
	int want, rc;

	if (!s->ssl) {
		rc = (int)recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		return rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
	}
	/* Takes in what TLS sends on its own account, such as session tickets. */
	ERR_clear_error();
	rc = SSL_peek(s->ssl, &byte, 1);
	if (rc <= 0 && is_again(s, rc, &want))
		return true;
	ERR_clear_error();
	return false;
}
