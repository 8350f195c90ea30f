/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base.h - status codes with their texts, one error with its reason, the two clocks.
 * Knows nothing of OCSP, networks or HAProxy.
 */
#ifndef OCU_BASE_H
#define OCU_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCU_VERSION "0.1.0"

/* The result of a function that can fail must be looked at. */
#define OCU_MUST __attribute__((warn_unused_result))
#define OCU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Every status and its text. A status names the stage at which something failed, and of a refused
 * OCSP response what follows from it: OCU_TRY_LATER, OCU_BAD_REQUEST and OCU_INTERNAL are what the
 * responder says of itself or of the request; OCU_OTHER_CERT concerns the one certificate that was
 * asked about and says nothing of the responder; OCU_ENDED and OCU_OLDER may come out of a cache
 * and be different when the cache is passed by; OCU_MALFORMED is no OCSP response; OCU_OCSP is all
 * the rest, above all what is not signed by who may sign.
 */
#define OCU_STATUSES(X)                                                                            \
	X(OCU_OK, "ok")                                                                            \
	X(OCU_AGAIN, "need more input")                                                            \
	X(OCU_NOMEM, "out of memory")                                                              \
	X(OCU_TOO_BIG, "over the limit")                                                           \
	X(OCU_CANCELLED, "cancelled")                                                              \
	X(OCU_URI, "unusable URI")                                                                 \
	X(OCU_DNS, "name resolution failed")                                                       \
	X(OCU_CONNECT, "connection failed")                                                        \
	X(OCU_TLS, "TLS failed")                                                                   \
	X(OCU_TIMEOUT, "timed out")                                                                \
	X(OCU_HTTP, "HTTP error")                                                                  \
	X(OCU_TYPE, "not an OCSP response")                                                        \
	X(OCU_MALFORMED, "malformed OCSP response")                                                \
	X(OCU_OCSP, "OCSP response refused")                                                       \
	X(OCU_TRY_LATER, "responder asks to try later")                                            \
	X(OCU_BAD_REQUEST, "responder calls the request malformed")                                \
	X(OCU_INTERNAL, "internal error of the responder")                                         \
	X(OCU_OTHER_CERT, "no answer for this certificate")                                        \
	X(OCU_ENDED, "OCSP response has ended or is about to end")                                 \
	X(OCU_OLDER, "OCSP response is older than the held one")                                   \
	X(OCU_HELD, "another response was set meanwhile")                                          \
	X(OCU_IO, "input/output error")

#define OCU_ENUM(id, text) id,
enum ocu_status { OCU_STATUSES(OCU_ENUM) };
#undef OCU_ENUM

#define OCU_ERR_BYTES 256

/* A failure and its reason, for people. msg is the cause alone, without the address or the URL at
 * which it was met: whoever shows it knows them. It is always terminated and holds only printable
 * ASCII without '"' and '\': whatever a peer sent may go into it, and it may go into any log.
 */
struct ocu_err {
	enum ocu_status code;
	char msg[OCU_ERR_BYTES];
};

/* Returns the text of <st>; never NULL. Any thread. */
const char *ocu_text(enum ocu_status st);

/* Writes <st> and a formatted reason into <err> (which may be NULL) and returns <st>, so that a
 * function can fail and explain in one line. Bytes that are not safe in a log become '?'; what is
 * too long is cut. <st> must not be OCU_OK or OCU_AGAIN. Any thread.
 */
enum ocu_status ocu_fail(struct ocu_err *err, enum ocu_status st, const char *fmt, ...)
	OCU_PRINTF(3, 4);

#define OCU_ERRNO_BYTES 64

/* Writes what the system calls the errno value <error> into <out>, cut if it is longer, and returns
 * <out>. Any thread.
 */
const char *ocu_errno_text(int error, char out[static OCU_ERRNO_BYTES]);

/* Returns the monotonic clock in milliseconds. Any thread. */
int64_t ocu_now_ms(void);

/* Returns the wall clock in seconds since the epoch. Any thread. */
int64_t ocu_wall_s(void);

/* Returns the <type> whose <member> is at <p>. */
#define OCU_OWNER(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* A view of bytes that somebody else owns. */
struct ocu_slice {
	const uint8_t *p;
	size_t n;
};

#endif
