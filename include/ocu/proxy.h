/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proxy.h - an HTTP proxy as an administrator names it. Any thread. */
#ifndef OCU_PROXY_H
#define OCU_PROXY_H

#include <sys/socket.h>

#include "ocu/base.h"

/* All zero: none. */
struct ocu_proxy {
	struct sockaddr_storage addr; /* with port; ss_family 0: it is named by <host> */
	char *host;                   /* NULL: it is named by <addr> */
	uint16_t port;                /* of <host> */
	char *auth;                   /* value of Proxy-Authorization (RFC 7617); NULL: none */
};

/* Reads "[user:password@]<address or name>[:port]" into <p>, whose former contents are freed.
 * Errors: OCU_URI with the reason, OCU_NOMEM; <p> is then as it was.
 */
OCU_MUST enum ocu_status ocu_proxy_parse(struct ocu_proxy *p, const char *text,
					 struct ocu_err *err);

/* Frees what <p> has, and makes it none. */
void ocu_proxy_fini(struct ocu_proxy *p);

#endif
