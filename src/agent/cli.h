/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cli.h - one command on HAProxy's stats socket, or through that of its master: a connection, the
 * command, the answer. Knows no command.
 *
 * Each command has a connection of its own: so HAProxy says by its end that an answer is over, in
 * every version, and a process that was replaced answers nothing any more.
 */
#ifndef OCU_AGENT_CLI_H
#define OCU_AGENT_CLI_H

#include <ev.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ocu/base.h"
#include "ocu/buf.h"

#define OCU_CLI_LIMIT_MS 5000 /* longest time without a byte of the answer */
#define OCU_CLI_ANSWER_MAX_BYTES (64 << 20) /* the names of 100,000 certificates fit */
#define OCU_CLI_COMMAND_MAX_BYTES (128 * 1024)

/* Where a HAProxy is asked. */
struct ocu_cli_addr {
	struct sockaddr_storage ss;
	socklen_t len;
	const char *prefix; /* begins with "@1 " through a master; "" */
};

/* Reads "/run/haproxy/admin.sock", "unix@/run/...", "abns@name", "abnsz@name", "127.0.0.1:9999" or
 * "[::1]:9999" into <a>; a "@1 " or "@!1234 " in front is the prefix of a master's socket, and
 * stays in <text> (keeps). Errors: OCU_URI with the reason.
 */
OCU_MUST enum ocu_status ocu_cli_parse(struct ocu_cli_addr *a, const char *text,
				       struct ocu_err *err);

struct ocu_cli;

/* Called once, from the loop. OCU_OK: <answer> is the whole answer, terminated; the callee may
 * change it, and it is wiped afterwards. Else *err has the reason.
 */
typedef void ocu_cli_cb(void *arg, char *answer, const struct ocu_err *err);

/* A command under way; embedded in what sends one after the other. Private. */
struct ocu_cli {
	struct ev_loop *loop;
	ev_io io;
	ev_timer limit;
	bool busy;
	int fd, error;   /* error: why it could not be begun */
	struct ocu_buf out, in;
	size_t sent;
	ocu_cli_cb *cb;
	void *arg;
};

/* Makes <c> one without a command. */
void ocu_cli_init(struct ocu_cli *c, struct ev_loop *loop, ocu_cli_cb *cb, void *arg);

/* Sends the <n> bytes <text>, a line or a line with a payload, to <a> (borrows all). The callback
 * follows, never from inside of this call. Not while one is under way.
 */
void ocu_cli_start(struct ocu_cli *c, const struct ocu_cli_addr *a, const char *text, size_t n);

/* Whether a command is under way. */
bool ocu_cli_busy(const struct ocu_cli *c);

/* Ends what is under way without a call of the callback, and frees what <c> has. */
void ocu_cli_fini(struct ocu_cli *c);

/* Appends <word> to a command, so that HAProxy reads it as one word whatever is in it. Errors: as
 * ocu_buf_add(); OCU_URI: no command can have it, since there is the end of a line in it.
 */
OCU_MUST enum ocu_status ocu_cli_word(struct ocu_buf *command, const char *word);

#endif
