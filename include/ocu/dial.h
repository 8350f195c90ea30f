/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dial.h - addresses to one connected socket, as happy decides. Addresses are handed in as they
 * become known. Resolves nothing, sends nothing.
 */
#ifndef OCU_DIAL_H
#define OCU_DIAL_H

#include <ev.h>
#include <sys/socket.h>

#include "ocu/base.h"
#include "ocu/happy.h"

#define OCU_DIAL_ADDRESSES_MAX 16     /* of one family that are tried */
#define OCU_DIAL_PEER_BYTES 64        /* "[2001:db8::1]:80" with its zero */
#define OCU_DIAL_FAILED_MAX (2 * OCU_DIAL_ADDRESSES_MAX)

/* What to connect to; copied by ocu_dial_start() but for <avoid>. */
struct ocu_dial_conf {
	enum ocu_family prefer;         /* the family that goes first: OCU_IPV4 or OCU_IPV6 */
	int64_t connect_ms;             /* longest wait for one address */
	uint16_t port;                  /* host byte order; put into every address */
	struct sockaddr_storage worked; /* the address that worked last: it goes first if it is
					 * among those handed in; ss_family 0: none */
	const struct sockaddr_storage *avoid; /* keeps; these are not tried, whatever their port */
	size_t n_avoid;
};

/* An address that was not connected. */
struct ocu_dial_failure {
	struct sockaddr_storage peer;
	int error;                      /* an errno; ETIMEDOUT: it did not answer in connect_ms;
					 * EINPROGRESS: nor until the dial was cancelled */
};

/* How it ended. Borrowed by the callback. */
struct ocu_dial_result {
	enum ocu_status st;             /* OCU_OK, OCU_CONNECT, OCU_CANCELLED */
	int fd;                         /* the callback takes it; -1 unless OCU_OK */
	struct sockaddr_storage peer;   /* of fd */
	size_t tried;                   /* addresses that an attempt was made with */
	bool starved;                   /* for some of them this side had no socket left */
	size_t n_failed;
	struct ocu_dial_failure failed[OCU_DIAL_FAILED_MAX]; /* in the order of their failing */
};

struct ocu_dial;

/* Called once, from the loop or from ocu_dial_cancel(); the dial is gone by then. */
typedef void ocu_dial_cb(void *arg, const struct ocu_dial_result *r);

/* Starts to connect: nothing happens until addresses come. Errors: OCU_NOMEM; <cb> is then not
 * called, and *out is NULL.
 */
OCU_MUST enum ocu_status ocu_dial_start(struct ocu_dial **out, struct ev_loop *loop,
					const struct ocu_dial_conf *conf, ocu_dial_cb *cb,
					void *arg);

/* Hands in <n> addresses (borrows) of <family>; known ones and those over the limit are ignored.
 * With <last> no more of that family will come; it must be said once for each family. Never calls
 * the callback.
 */
void ocu_dial_add(struct ocu_dial *d, enum ocu_family family, const struct sockaddr_storage *addrs,
		  size_t n, bool last);

/* Closes all, calls the callback from here with OCU_CANCELLED. */
void ocu_dial_cancel(struct ocu_dial *d);

/* Whether both are the same host; ports are not compared. */
bool ocu_dial_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* Writes "192.0.2.1:80" or "[2001:db8::1]:80" into <out>. */
void ocu_dial_peer(char out[static OCU_DIAL_PEER_BYTES], const struct sockaddr_storage *ss);

#endif
