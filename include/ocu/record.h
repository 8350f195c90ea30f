/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record.h - reads the addresses out of a nameserver's answer (RFC 1035). Sends nothing, remembers
 * nothing, and asks for no further name.
 */
#ifndef OCU_RECORD_H
#define OCU_RECORD_H

#include "ocu/base.h"
#include "ocu/happy.h"

#define OCU_RECORD_ADDRESSES_MAX 16 /* more in one answer are not looked at */
#define OCU_RECORD_LINKS_MAX 16     /* aliases (CNAME) that are followed */

#define OCU_RECORD_A 1
#define OCU_RECORD_AAAA 28
#define OCU_RECORD_IN 1             /* the class of the internet */

#define OCU_RCODE_NONE 0
#define OCU_RCODE_NXDOMAIN 3

/* What an answer says. */
struct ocu_records {
	unsigned rcode;    /* OCU_RCODE_..., RFC 1035 section 4.1.1 */
	bool truncated;    /* cut by the nameserver: nothing of it was read but the header */
	size_t n;          /* addresses; 0: the host has none of the family */
	uint8_t addrs[OCU_RECORD_ADDRESSES_MAX][16]; /* in network order; of IPv4 four bytes */
	uint32_t ttl_s;    /* the shortest on the way to the addresses */
};

/* Reads the answer <p> of <n> bytes to the question for the addresses of <host> (borrows) in
 * <family>, OCU_IPV4 or OCU_IPV6. An address is taken if its owner is <host>, in any case of
 * letters, or a name that the aliases of this answer lead to from there, whatever the order of the
 * records is. Other records are ignored; but addresses of other names alone are refused, and so is
 * a question that was not asked. A TTL with its highest bit set counts as 0 (RFC 2181 section 8).
 * Errors: OCU_DNS, malformed or refused.
 */
OCU_MUST enum ocu_status ocu_records_read(struct ocu_records *out, const uint8_t *p, size_t n,
					  const char *host, enum ocu_family family,
					  struct ocu_err *err);

#endif
