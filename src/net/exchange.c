/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exchange.c - drives one HTTP exchange over a stream: handshake, request, response. Judges no
 * status code and keeps no time.
 */
#include "ocu/exchange.h"

#include <stdlib.h>

#define OCU_EXCHANGE_READ_BYTES 16384

struct ocu_exchange {
	struct ev_loop *loop;
	struct ocu_stream stream;
	struct ocu_buf request;
	size_t sent;
	bool secured; /* the handshake is done, or there is none */
	bool tunnel;  /* the request is CONNECT */
	bool deaf;    /* the peer takes no more of the request; it may have answered all the same */
	bool closed;  /* by the peer, before the response was complete */
	int64_t sent_ms;
	struct ocu_http http;
	ocu_exchange_cb *cb;
	void *arg;
};

enum ocu_exchange_stage ocu_exchange_stage(const struct ocu_exchange *x)
{
	if (x->http.status)
		return OCU_EXCHANGE_ANSWER;
	if (x->stream.ssl && !x->secured)
		return OCU_EXCHANGE_HANDSHAKE;
	return x->sent_ms ? OCU_EXCHANGE_WAIT : OCU_EXCHANGE_REQUEST;
}

int64_t ocu_exchange_sent_ms(const struct ocu_exchange *x)
{
	return x->sent_ms;
}

/* The end of every exchange; with <reuse> the callback gets the stream. */
static void exchange_end(struct ocu_exchange *x, enum ocu_status st, bool reuse,
			 const struct ocu_err *err)
{
	struct ocu_exchange_result r = { .st = st, .err = *err,
					 .stage = ocu_exchange_stage(x), .closed = x->closed };
	struct ocu_exchange was;

	ocu_stream_unwatch(&x->stream, x->loop);
	was = *x;
	r.http = &was.http;

	free(x);
	ocu_buf_fini(&was.request);
	if (!reuse)
		ocu_stream_fini(&was.stream);
	r.stream = was.stream;
	was.cb(was.arg, &r);
	ocu_http_fini(&was.http);
}

/* Sends what can be sent. A peer that takes no more is still listened to: that is how one refuses
 * a request before its end.
 */
static enum ocu_status send_request(struct ocu_exchange *x, int *want, struct ocu_err *err)
{
	enum ocu_status ret = OCU_OK;
	size_t put;

	while (ret == OCU_OK && !x->deaf && x->sent < x->request.len) {
		ret = ocu_stream_write(&x->stream, x->request.data + x->sent,
				       x->request.len - x->sent, &put, want, err);
		x->sent += put;
	}
	if (ret == OCU_HTTP && !x->stream.ssl) {
		x->deaf = true;
		ret = OCU_OK;
	}
	x->closed = ret == OCU_HTTP;
	if (ret == OCU_OK && !x->sent_ms)
		x->sent_ms = ocu_now_ms();
	return ret;
}

/* Reads until the response is complete. *rest: bytes followed that do not belong to it. */
static enum ocu_status read_response(struct ocu_exchange *x, int *want, bool *rest,
				     struct ocu_err *err)
{
	uint8_t bytes[OCU_EXCHANGE_READ_BYTES];
	enum ocu_status ret = OCU_AGAIN;
	size_t got, used;

	while (ret == OCU_AGAIN) {
		ret = ocu_stream_read(&x->stream, bytes, sizeof(bytes), &got, want, err);
		if (ret == OCU_OK && got == 0)
			ret = ocu_http_eof(&x->http, err);
		x->closed = ret == OCU_HTTP;
		if (ret != OCU_OK || got == 0)
			return ret;
		ret = ocu_http_feed(&x->http, bytes, got, &used, err);
		*rest = used < got;
	}
	return ret;
}

/* Whether the stream, with the response read to its end, may be used again. */
static bool is_reusable(const struct ocu_exchange *x, bool rest)
{
	bool fit = x->tunnel ? x->http.status / 100 == 2 : x->http.keep;

	return fit && !rest && !x->deaf && x->sent == x->request.len;
}

static void io_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ocu_exchange *x = w->data;
	struct ocu_err err = { .code = OCU_OK };
	int events = EV_READ, want = 0;
	enum ocu_status st = OCU_OK;
	bool rest = false;

	(void)revents;
	if (!x->secured) {
		st = ocu_stream_handshake(&x->stream, &want, &err);
		if (st == OCU_AGAIN) {
			ocu_stream_watch(&x->stream, loop, want, io_cb, x);
			return;
		}
		x->secured = st == OCU_OK;
	}
	if (st == OCU_OK) {
		st = send_request(x, &want, &err);
		if (st == OCU_AGAIN)
			events |= want;
	}
	if (st == OCU_OK || st == OCU_AGAIN)
		st = read_response(x, &want, &rest, &err);
	if (st == OCU_AGAIN) {
		ocu_stream_watch(&x->stream, loop, events | want, io_cb, x);
		return;
	}
	exchange_end(x, st, st == OCU_OK && is_reusable(x, rest), &err);
}

/* Sends what can be sent at once, and returns the events that are awaited then. What fails is seen
 * again from the loop; what fails in TLS is not, so that begins there.
 */
static int begin(struct ocu_exchange *x)
{
	struct ocu_err err;
	int want = 0;

	if (x->stream.ssl)
		return EV_WRITE;
	x->secured = true;
	(void)!send_request(x, &want, &err);
	return EV_READ | want;
}

enum ocu_status ocu_exchange_start(struct ocu_exchange **out, struct ev_loop *loop,
				   struct ocu_stream *stream, struct ocu_buf *request,
				   ocu_exchange_cb *cb, void *arg)
{
	struct ocu_exchange *x = calloc(1, sizeof(*x));

	*out = x;
	if (!x) {
		ocu_stream_fini(stream);
		ocu_buf_fini(request);
		return OCU_NOMEM;
	}
	x->loop = loop;
	x->stream = *stream;
	*stream = OCU_STREAM_NONE;
	x->request = *request;
	ocu_buf_init(request, x->request.max);
	x->cb = cb;
	x->arg = arg;
	ocu_http_init(&x->http);
	ocu_stream_watch(&x->stream, loop, begin(x), io_cb, x);
	return OCU_OK;
}

enum ocu_status ocu_exchange_tunnel_start(struct ocu_exchange **out, struct ev_loop *loop,
					  struct ocu_stream *stream, struct ocu_buf *request,
					  ocu_exchange_cb *cb, void *arg)
{
	enum ocu_status ret = ocu_exchange_start(out, loop, stream, request, cb, arg);

	if (ret != OCU_OK)
		return ret;
	(*out)->tunnel = true;
	ocu_http_init_connect(&(*out)->http);
	return OCU_OK;
}

void ocu_exchange_cancel(struct ocu_exchange *x)
{
	struct ocu_err err;

	if (x->stream.ssl && !x->secured)
		(void)ocu_fail(&err, OCU_CANCELLED, "TLS handshake not completed");
	else if (!x->http.started)
		(void)ocu_fail(&err, OCU_CANCELLED, "connected, but no answer");
	else if (!x->http.status)
		(void)ocu_fail(&err, OCU_CANCELLED, "answer not completed: no status line");
	else
		(void)ocu_fail(&err, OCU_CANCELLED, "answer not completed: status %d, %zu bytes of "
			       "body", x->http.status, x->http.body.len);
	exchange_end(x, OCU_CANCELLED, false, &err);
}
