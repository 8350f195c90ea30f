/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.h - bytes to and from a connected socket, plain or TLS, without ever blocking. Connects
 * nothing, waits for nothing, knows no HTTP.
 */
#ifndef OCU_STREAM_H
#define OCU_STREAM_H

#include "ocu/openssl.h"

#include <ev.h>
#include <openssl/ssl.h>

#include "ocu/base.h"
#include "ocu/url.h"

/* A connection. It is moved by assignment while it is not watched; the place it was moved from gets
 * OCU_STREAM_NONE.
 */
struct ocu_stream {
	int fd;   /* non-blocking; -1: none */
	SSL *ssl; /* NULL: plain */
	ev_io io; /* private; goes with it, as libev knows what it told the kernel of <fd> */
};

#define OCU_STREAM_NONE ((struct ocu_stream){ .fd = -1 })

typedef void ocu_stream_cb(struct ev_loop *loop, ev_io *w, int revents);

/* Lets <cb>, whose w->data is <data>, be called from <loop>, always the same, when one of <events>
 * (EV_READ, EV_WRITE) has come, until ocu_stream_unwatch(), or until <s> is watched in another way.
 * The kernel is only told of what is different when the loop waits.
 */
void ocu_stream_watch(struct ocu_stream *s, struct ev_loop *loop, int events, ocu_stream_cb *cb,
		      void *data);
void ocu_stream_unwatch(struct ocu_stream *s, struct ev_loop *loop);

/* Closes <s>, which is not watched, and makes it OCU_STREAM_NONE. May be called twice. */
void ocu_stream_fini(struct ocu_stream *s);

/* Makes what TLS connections share: TLS 1.2 and later, the peer verified against the certificates
 * in the PEM file <ca_file>, in the files of the directory <ca_file> whose names end in ".pem",
 * ".crt" or ".cer", or in the system's file and directory if <ca_file> is NULL or "@system-ca"; not
 * at all if <verify> is false. All are loaded now, none later: to be called before a chroot, any
 * thread. Nothing to trust is an error. The caller ends it with SSL_CTX_free(). Errors: OCU_TLS,
 * OCU_NOMEM; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_stream_ctx_new(SSL_CTX **out, bool verify, const char *ca_file,
					    struct ocu_err *err);

/* Puts TLS over <s>, as <ctx> (borrows) is configured, for the host of <u>: with SNI if it is a
 * name, and if <ctx> verifies, the certificate must be for that name or address. Sends nothing yet.
 * Errors: OCU_TLS, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_stream_tls(struct ocu_stream *s, SSL_CTX *ctx, const struct ocu_url *u,
					struct ocu_err *err);

/* In the following three OCU_AGAIN means: call again, with the same arguments, when one of the
 * events in *want (EV_READ, EV_WRITE) has come. They leave the OpenSSL error queue empty.
 *
 * Goes on with the TLS handshake; OCU_OK when it is done, or if there is no TLS. Errors: OCU_TLS.
 */
OCU_MUST enum ocu_status ocu_stream_handshake(struct ocu_stream *s, int *want,
					      struct ocu_err *err);

/* Reads up to <n> bytes, at least one; *got is 0 if the peer has closed. Errors: OCU_HTTP. */
OCU_MUST enum ocu_status ocu_stream_read(struct ocu_stream *s, void *p, size_t n, size_t *got,
					 int *want, struct ocu_err *err);

/* Writes up to <n> bytes, at least one. Errors: OCU_HTTP. */
OCU_MUST enum ocu_status ocu_stream_write(struct ocu_stream *s, const void *p, size_t n,
					  size_t *put, int *want, struct ocu_err *err);

/* Whether the connection is open and nothing is to be read from it, as it must be between a
 * response and the next request.
 */
bool ocu_stream_quiet(struct ocu_stream *s);

#endif
