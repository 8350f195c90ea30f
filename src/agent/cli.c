/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cli.c - sends one command to a HAProxy and reads the answer to its end. */
#include "cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocu/loop.h"

#define READ_BYTES 65536

/* ---- addresses ---- */

static bool starts_with(const char **text, const char *what)
{
	size_t n = strlen(what);

	if (strncmp(*text, what, n) != 0)
		return false;
	*text += n;
	return true;
}

static bool parse_path(struct ocu_cli_addr *a, const char *path)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&a->ss;
	size_t n = strlen(path);

	if (!n || n >= sizeof(sun->sun_path))
		return false;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, n);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return true;
}

/* An abstract name is behind a zero. To HAProxy's abns@ it is as long as it could be, the rest of
 * it being zeros; to its abnsz@ it ends where the name does.
 */
static bool parse_abstract(struct ocu_cli_addr *a, const char *name, bool whole)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&a->ss;
	size_t n = strlen(name);

	if (!n || n + 1 > sizeof(sun->sun_path))
		return false;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path + 1, name, n);
	a->len = whole ? sizeof(*sun)
		       : (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
	return true;
}

static bool parse_inet(struct ocu_cli_addr *a, const char *text)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&a->ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)&a->ss;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!port || port > 65535 || *end || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons((uint16_t)port);
		a->len = sizeof(*sin);
		return true;
	}
	if (n < 2 || host[0] != '[' || host[n - 1] != ']')
		return false;
	host[n - 1] = '\0';
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	a->len = sizeof(*sin6);
	return inet_pton(AF_INET6, host + 1, &sin6->sin6_addr) == 1;
}

enum ocu_status ocu_cli_parse(struct ocu_cli_addr *a, const char *text, struct ocu_err *err)
{
	const char *at = text;
	bool ok;

	*a = (struct ocu_cli_addr){ .prefix = "" };
	if (*at == '@') {
		at = strchr(text, ' ');
		if (!at)
			return ocu_fail(err, OCU_URI, "'%.100s': no address behind it", text);
		a->prefix = text;
		at += strspn(at, " ");
	}
	/* what kind of an address it is can be seen without its name */
	if (!starts_with(&at, "unix@") && !starts_with(&at, "ipv4@"))
		(void)starts_with(&at, "ipv6@");
	if (starts_with(&at, "abns@"))
		ok = parse_abstract(a, at, true);
	else if (starts_with(&at, "abnsz@"))
		ok = parse_abstract(a, at, false);
	else if (*at == '/')
		ok = parse_path(a, at);
	else
		ok = parse_inet(a, at);
	if (!ok)
		return ocu_fail(err, OCU_URI, "'%.100s' is no stats socket: needed is a path, "
				"abns@<name> or <address>:<port>", text);
	return OCU_OK;
}

/* ---- commands ---- */

enum ocu_status ocu_cli_word(struct ocu_buf *command, const char *word)
{
	enum ocu_status st = OCU_OK;

	for (; *word && st == OCU_OK; word++) {
		if (*word == '\n' || *word == '\r')
			return OCU_URI;
		if (strchr(" ;\\\"'#", *word))
			st = ocu_buf_add(command, "\\", 1);
		if (st == OCU_OK)
			st = ocu_buf_add(command, word, 1);
	}
	return st;
}

static void cli_close(struct ocu_cli *c)
{
	ev_io_stop(c->loop, &c->io);
	ocu_loop_timer_stop(c->loop, &c->limit);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* The last thing that happens to a command: the callback may start another one. */
static void cli_end(struct ocu_cli *c, const struct ocu_err *err)
{
	struct ocu_buf in = c->in;

	cli_close(c);
	c->busy = false;
	ocu_buf_reset(&c->out);
	ocu_buf_init(&c->in, OCU_CLI_ANSWER_MAX_BYTES);
	c->cb(c->arg, (char *)in.data, err);
	if (in.data)
		OPENSSL_cleanse(in.data, in.len);
	ocu_buf_fini(&in);
}

static void cli_fails(struct ocu_cli *c, enum ocu_status st, const char *why)
{
	struct ocu_err err;

	(void)ocu_fail(&err, st, "%s", why);
	cli_end(c, &err);
}

static void cli_fails_errno(struct ocu_cli *c, int error)
{
	char text[OCU_ERRNO_BYTES];

	cli_fails(c, OCU_CONNECT, ocu_errno_text(error, text));
}

/* HAProxy ends each answer with an empty line. */
static void answer_over(struct ocu_cli *c)
{
	const struct ocu_buf *in = &c->in;
	bool whole = in->len && in->data[in->len - 1] == '\n' &&
		     (in->len == 1 || in->data[in->len - 2] == '\n');
	const struct ocu_err ok = { .code = OCU_OK };

	if (!in->len)
		cli_fails(c, OCU_IO, "closed without an answer");
	else if (!whole)
		cli_fails(c, OCU_IO, "closed in the middle of an answer");
	else if (ocu_buf_add(&c->in, "", 1) != OCU_OK)
		cli_fails(c, OCU_NOMEM, ocu_text(OCU_NOMEM));
	else
		cli_end(c, &ok);
}

static void cli_read(struct ocu_cli *c)
{
	enum ocu_status st = ocu_buf_room(&c->in, READ_BYTES);
	ssize_t n;

	if (st != OCU_OK) {
		cli_fails(c, st, ocu_text(st));
		return;
	}
	n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
	if (n > 0) {
		c->in.len += (size_t)n;
		ocu_loop_timer_start(c->loop, &c->limit, OCU_CLI_LIMIT_MS);
	} else if (n == 0) {
		answer_over(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		cli_fails_errno(c, errno);
	}
}

static void cli_write(struct ocu_cli *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		cli_fails_errno(c, errno);
		return;
	}
	c->sent += n > 0 ? (size_t)n : 0;
	if (c->sent < c->out.len)
		return;
	/* a master keeps the connection open until it knows that nothing follows */
	(void)shutdown(c->fd, SHUT_WR);
	ev_io_stop(c->loop, &c->io);
	ev_io_set(&c->io, c->fd, EV_READ);
	ev_io_start(c->loop, &c->io);
}

static void io_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ocu_cli *c = w->data;
	socklen_t n = sizeof(int);
	int error = 0;

	(void)loop;
	if (revents & EV_READ) {
		cli_read(c);
		return;
	}
	if (!c->sent && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error)
		cli_fails_errno(c, error);
	else
		cli_write(c);
}

/* It could not be begun, or nothing has come for too long. */
static void limit_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_cli *c = w->data;

	(void)loop;
	(void)revents;
	if (c->error)
		cli_fails_errno(c, c->error);
	else
		cli_fails(c, OCU_TIMEOUT, "it does not answer");
}

void ocu_cli_init(struct ocu_cli *c, struct ev_loop *loop, ocu_cli_cb *cb, void *arg)
{
	*c = (struct ocu_cli){ .loop = loop, .fd = -1, .cb = cb, .arg = arg };
	ocu_buf_init(&c->out, OCU_CLI_COMMAND_MAX_BYTES);
	ocu_buf_init(&c->in, OCU_CLI_ANSWER_MAX_BYTES);
	ev_init(&c->io, io_cb);
	c->io.data = c;
	ocu_loop_timer_init(&c->limit, limit_cb, c);
}

/* Connects without waiting; returns an errno if that cannot be begun. */
static int cli_connect(struct ocu_cli *c, const struct ocu_cli_addr *a)
{
	c->fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	if (connect(c->fd, (const struct sockaddr *)&a->ss, a->len) == 0 || errno == EINPROGRESS)
		return 0;
	return errno;
}

void ocu_cli_start(struct ocu_cli *c, const struct ocu_cli_addr *a, const char *text, size_t n)
{
	c->busy = true;
	c->sent = 0;
	if (ocu_buf_add(&c->out, a->prefix, strcspn(a->prefix, " ")) != OCU_OK ||
	    ocu_buf_add(&c->out, " ", *a->prefix != 0) != OCU_OK ||
	    ocu_buf_add(&c->out, text, n) != OCU_OK)
		c->error = ENOMEM;
	else
		c->error = cli_connect(c, a);
	ocu_loop_timer_start(c->loop, &c->limit, c->error ? 0 : OCU_CLI_LIMIT_MS);
	if (c->error)
		return;
	ev_io_set(&c->io, c->fd, EV_WRITE);
	ev_io_start(c->loop, &c->io);
}

bool ocu_cli_busy(const struct ocu_cli *c)
{
	return c->busy;
}

void ocu_cli_fini(struct ocu_cli *c)
{
	cli_close(c);
	c->busy = false;
	ocu_buf_fini(&c->out);
	if (c->in.data)
		OPENSSL_cleanse(c->in.data, c->in.len);
	ocu_buf_fini(&c->in);
}
