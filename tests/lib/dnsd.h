/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsd.h - a scripted DNS server on 127.0.0.1, UDP and TCP on one port, in a thread of its own.
 * It answers from a table of names, rightly or wrongly, and counts; it asks nobody.
 */
#ifndef TESTS_DNSD_H
#define TESTS_DNSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dnsd_stats {
	uint64_t queries;        /* received, over UDP and TCP */
	uint64_t tcp;            /* of them over TCP */
	uint64_t a, aaaa;        /* of them for A, for AAAA */
	uint64_t truncated;      /* UDP answers with the TC bit */
	unsigned payload;        /* longest UDP answer that the last query allows */
};

struct dnsd;

/* Starts a server without names: all it is asked does not exist. Ends the program if it cannot. */
struct dnsd *dnsd_new(void);

/* Stops <d> (may be NULL), closes everything, frees it. */
void dnsd_free(struct dnsd *d);

uint16_t dnsd_port(const struct dnsd *d);

/* Adds a name or takes the place of what was said of it before. <line> (borrows) is the name, then
 * words, separated by spaces:
 *   a=127.0.0.1,127.0.0.2   aaaa=::1      addresses in order; "127.0.0.2+200" is 200 of them
 *   ttl=60                                0 unless told
 *   delay=50  delay-a=50  delay-aaaa=50   milliseconds before the answer, of both or of one type
 *   code=3    code-a=3    code-aaaa=3     response code: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
 *   drop      drop-a      drop-aaaa       no answer at all
 *   truncate                              answers over UDP are cut to nothing, with the TC bit
 *   garbage                               answers are bytes that are no DNS
 *   garbage-udp                           over UDP, while those over TCP are right
 *   drop-udp                              no answer over UDP
 *   cname=other.test                      an alias; what follows from it is answered along
 *   owner=other.test                      the records are of that name instead of the one asked for
 * The name "*" stands for every name that is not in the table. False: <line> is not of this form.
 */
bool dnsd_set(struct dnsd *d, const char *line);

/* Answers nobody any more, as a dead server does, or does so again. */
void dnsd_mute(struct dnsd *d, bool mute);

void dnsd_stats(struct dnsd *d, struct dnsd_stats *out);

/* How often <name> was asked for, in any type. */
uint64_t dnsd_count(struct dnsd *d, const char *name);

/* Waits until dnsd_count() is at least <n>; NULL: of all names. False if that takes longer than
 * <ms>.
 */
bool dnsd_wait(struct dnsd *d, const char *name, uint64_t n, int ms);

#endif
