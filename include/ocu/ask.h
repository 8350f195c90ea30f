/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.h - one question to one nameserver. The only user of c-ares, which builds and sends the
 * question, and receives the answer. Waits for ever: who asks has the timers, the other nameservers
 * and the memory of answers.
 */
#ifndef OCU_ASK_H
#define OCU_ASK_H

#include <ev.h>

#include "ocu/base.h"
#include "ocu/record.h"
#include "ocu/resolv.h"

#define OCU_ASK_PAYLOAD_MIN 512  /* RFC 1035 section 2.3.4 */
#define OCU_ASK_PAYLOAD_MAX 4096 /* longest UDP answer that c-ares takes */

/* Called once for each question that was started, from the loop; the question is over by then.
 * OCU_OK: the nameserver answered, <r> is what it says, with addresses, without, or that there is
 * no such name. OCU_CANCELLED: from inside of ocu_ask_cancel(). Others, OCU_DNS and OCU_NOMEM: it
 * gave no answer that can be used, <why> says what it did; <r> is NULL.
 */
typedef void ocu_ask_cb(void *arg, enum ocu_status st, const struct ocu_records *r,
			const struct ocu_err *why);

/* A question, in the caller's memory, all zero before the first start. Private, but for channel:
 * NULL when nothing is under way.
 */
struct ocu_ask {
	struct ares_channeldata *channel;
	struct ev_loop *loop;
	struct ocu_nameserver server;
	const char *host;
	enum ocu_family family;
	unsigned payload_bytes;
	bool tcp;
	ev_io io;
	struct ocu_ask_outcome *outcome; /* where an answer goes; NULL: nowhere */
	ocu_ask_cb *cb;
	void *arg;
};

/* What c-ares needs, once for each user. Not while another thread calls either of them. Errors:
 * OCU_DNS, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_ask_library_init(struct ocu_err *err);
void ocu_ask_library_fini(void);

/* Asks <server> (borrows) for the addresses of <host> (keeps; absolute) in <family>. Each question
 * has a socket of its own, so that what is wrong with an answer harms that question alone. It is
 * sent over UDP, and once more over TCP when the answer is cut, malformed, or refused by
 * ocu_records_read(): who forges datagrams cannot do so there. <payload_bytes> is the longest UDP
 * answer that is taken, announced by EDNS; 0: 512, without EDNS. Loop thread. Errors: OCU_DNS,
 * OCU_NOMEM; <cb> is then not called.
 */
OCU_MUST enum ocu_status ocu_ask_start(struct ocu_ask *a, struct ev_loop *loop,
				       const struct ocu_nameserver *server, const char *host,
				       enum ocu_family family, unsigned payload_bytes,
				       ocu_ask_cb *cb, void *arg, struct ocu_err *err);

/* Sends the question once more, as a datagram may be lost; the answer to either one counts. Does
 * nothing over TCP. Errors as ocu_ask_start(): <a> has then ended, and <cb> is not called.
 */
OCU_MUST enum ocu_status ocu_ask_again(struct ocu_ask *a, struct ocu_err *err);

/* Ends <a>: its callback is called from here, with OCU_CANCELLED. Does nothing if it has ended. */
void ocu_ask_cancel(struct ocu_ask *a);

/* Returns the version of c-ares that is linked, "1.18.1". Any thread. */
const char *ocu_ask_version(void);

#endif
