/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exchange.h - one HTTP request and its response over a connected stream, the TLS handshake before
 * it included. Keeps no time: whoever starts it cancels it when it takes too long.
 */
#ifndef OCU_EXCHANGE_H
#define OCU_EXCHANGE_H

#include <ev.h>

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/http.h"
#include "ocu/stream.h"

/* How far it is. */
enum ocu_exchange_stage {
	OCU_EXCHANGE_HANDSHAKE, /* of TLS */
	OCU_EXCHANGE_REQUEST,   /* not all of the request was taken */
	OCU_EXCHANGE_WAIT,      /* for a status line */
	OCU_EXCHANGE_ANSWER,    /* a status line came, those of 1xx apart */
};

/* How it ended. Borrowed by the callback. */
struct ocu_exchange_result {
	enum ocu_status st;       /* OCU_OK: <http> holds a complete response. OCU_TLS, OCU_HTTP,
				   * OCU_TOO_BIG, OCU_NOMEM, OCU_CANCELLED */
	struct ocu_err err;       /* why; when cancelled: how far it came */
	enum ocu_exchange_stage stage; /* how far it came */
	bool closed;              /* the peer has ended it by closing or resetting */
	struct ocu_http *http;    /* what was read, also if it is not complete */
	struct ocu_stream stream; /* may be used for another request, the callback takes it;
				   * OCU_STREAM_NONE if not: it is closed then */
};

struct ocu_exchange;

/* Called once, from the loop or from ocu_exchange_cancel(); the exchange is gone by then. */
typedef void ocu_exchange_cb(void *arg, struct ocu_exchange_result *r);

/* Starts to send <request> over <stream> (takes both, in every case). Errors: OCU_NOMEM; <cb> is
 * then not called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_exchange_start(struct ocu_exchange **out, struct ev_loop *loop,
					    struct ocu_stream *stream, struct ocu_buf *request,
					    ocu_exchange_cb *cb, void *arg);

/* As ocu_exchange_start(), for a CONNECT request: the callback gets the stream if the answer is
 * 2xx, which ends with its header (RFC 9110 section 9.3.6), and in no other case.
 */
OCU_MUST enum ocu_status ocu_exchange_tunnel_start(struct ocu_exchange **out, struct ev_loop *loop,
						   struct ocu_stream *stream,
						   struct ocu_buf *request, ocu_exchange_cb *cb,
						   void *arg);

/* Says how far <x> is. */
enum ocu_exchange_stage ocu_exchange_stage(const struct ocu_exchange *x);

/* Returns when the whole request was sent, on the clock of ocu_now_ms(); 0: it was not yet. */
int64_t ocu_exchange_sent_ms(const struct ocu_exchange *x);

/* Closes the stream and calls the callback from here with OCU_CANCELLED. */
void ocu_exchange_cancel(struct ocu_exchange *x);

#endif
