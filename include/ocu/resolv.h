/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.h - which nameservers are asked, and for which names: lists of nameservers as text, and
 * resolv.conf. Opens no file, asks nobody.
 */
#ifndef OCU_RESOLV_H
#define OCU_RESOLV_H

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_RESOLV_SERVERS_MAX 8 /* more are not asked */
#define OCU_RESOLV_SEARCH_MAX 6  /* domains of the search list; more are not looked at */
#define OCU_RESOLV_NAME_BYTES 256
#define OCU_RESOLV_PORT 53

/* A nameserver. */
struct ocu_nameserver {
	uint8_t addr[16];  /* in network order; of IPv4 the first four */
	bool v6;
	bool tcp;          /* is asked over TCP alone */
	uint16_t port;
	char zone[16];     /* interface of a link-local address, "eth0" or "2"; "": none is said */
};

/* Whom to ask and how. All zero: nobody. */
struct ocu_resolv {
	struct ocu_nameserver servers[OCU_RESOLV_SERVERS_MAX]; /* in order of preference */
	size_t n_servers;
	char search[OCU_RESOLV_SEARCH_MAX][OCU_RESOLV_NAME_BYTES];
	size_t n_search;
	unsigned ndots;     /* a name with fewer dots is looked for in the search list */
	unsigned timeout_s; /* until the next nameserver is asked; 0: not said */
	unsigned attempts;  /* rounds over all nameservers; 0: not said */
	bool edns;          /* ask with EDNS (RFC 6891) */
};

/* Reads "addr:port,[v6]:port" into r->servers, in order; the rest of <r> becomes zero. The port may
 * be missing; "tcp@" before an address says TCP alone; "%eth0" behind an IPv6 address, inside of
 * the brackets, names its interface. Errors: OCU_DNS, for what is not of this form; <r> is then
 * without a nameserver.
 */
OCU_MUST enum ocu_status ocu_resolv_list(struct ocu_resolv *r, const char *text,
					 struct ocu_err *err);

/* Reads the contents <p> of a resolv.conf as resolv.conf(5) says: nameserver, search, domain (the
 * last of both counts), and of the options ndots, timeout, attempts, use-vc, edns0. A nameserver
 * may have a port, as ocu_resolv_list() has it. What it does not know it leaves out.
 */
void ocu_resolv_read(struct ocu_resolv *r, const uint8_t *p, size_t n);

/* Writes the <i>-th name to ask for when <host> (borrows) is looked for: with r->ndots dots or
 * more, or with one at its end, it is <host> alone; else <host> in each domain of the search list,
 * and <host> at last. False if there are fewer names. One that would be too long is left out:
 * *out is then "".
 */
bool ocu_resolv_name(const struct ocu_resolv *r, const char *host, size_t i,
		     char out[static OCU_RESOLV_NAME_BYTES]);

/* Appends the nameservers of <r> in the form that ocu_resolv_list() reads. Errors as
 * ocu_buf_room().
 */
OCU_MUST enum ocu_status ocu_resolv_text(struct ocu_buf *out, const struct ocu_resolv *r);

#endif
