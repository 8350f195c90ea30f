/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handover.c - hands responses from the process that is being replaced to the one that replaces it.
 *
 * After the line GREETING there is a struct record, a CertID and a response for each, and a record
 * without a CertID at the end. Both processes run on one host, so the integers are as they lie in
 * memory; another form needs another greeting.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <haproxy/applet.h>
#include <haproxy/cli.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/listener-t.h>
#include <haproxy/proto_sockpair.h>
#include <haproxy/stconn.h>
#include <haproxy/stream.h>
#include <haproxy/thread.h>

#include "entries.h"
#include "handover.h"
#include "host.h"
#include "ocu/ocsp.h"
#include "print.h"

#define COMMAND "_getstaples"
#define GREETING "ocsp-staples 1\n"

#define WALK_AT_ONCE 64             /* entries in one isolation */
#define PIECE_MAX_BYTES (128 * 1024) /* the longest response fits */

#define SILENCE_MS 1000 /* HAProxy waits as long for the sockets */
#define TAKE_MS 5000
#define TAKE_MAX_BYTES (256 * 1024 * 1024)
#define READ_BYTES (64 * 1024)
#define ARGS_MAX_BYTES (1024 * 1024)

struct record {
	uint32_t key_len; /* 0: it was the last one */
	uint32_t der_len;
	int64_t expiry;   /* seconds since the epoch */
};

/* ---- the old process ---- */

/* What the command keeps between two calls of its handler. */
struct give {
	unsigned char at[OCSP_MAX_CERTID_ASN1_LENGTH]; /* the CertID of the last one in the piece */
	struct ocu_buf piece;
	size_t pos; /* what is printed of it */
	bool more;  /* it is not the last one */
};

struct give_ctx {
	struct give *give;
};

static bool record_add(void *arg, const struct ocu_entries_held *h)
{
	struct ocu_buf *piece = arg;
	struct record r = { .key_len = h->key_len, .der_len = h->der_len, .expiry = h->expiry };

	if (h->der_len > OCU_OCSP_MAX_BYTES)
		return true; /* nobody can staple it */
	if (ocu_buf_room(piece, sizeof(r) + h->key_len + h->der_len) != OCU_OK)
		return false;
	return ocu_buf_add(piece, &r, sizeof(r)) == OCU_OK &&
	       ocu_buf_add(piece, h->key, h->key_len) == OCU_OK &&
	       ocu_buf_add(piece, h->der, h->der_len) == OCU_OK;
}

/* Entries come and go, and in HAProxy itself their responses change without a lock, so all others
 * stand still while a piece is made. Returns false without memory.
 */
static bool piece_make(struct give *g)
{
	static const struct record last;
	unsigned char was[OCSP_MAX_CERTID_ASN1_LENGTH];

	memcpy(was, g->at, sizeof(was));
	ocu_buf_reset(&g->piece);
	g->pos = 0;
	thread_isolate();
	g->more = ocu_entries_walk(g->at, WALK_AT_ONCE, record_add, &g->piece);
	thread_release();
	if (g->more && memcmp(was, g->at, sizeof(was)) == 0)
		return false;
	return g->more || ocu_buf_add(&g->piece, &last, sizeof(last)) == OCU_OK;
}

static int parse_getstaples(char **args, char *payload, struct appctx *appctx, void *private)
{
	struct give_ctx *ctx = applet_reserve_svcctx(appctx, sizeof(*ctx));
	struct stream *s = __sc_strm(appctx_sc(appctx));

	if (!(strm_li(s)->bind_conf->level & ACCESS_FD_LISTENERS))
		return cli_err(appctx, "Permission denied\n");
	ctx->give = calloc(1, sizeof(*ctx->give));
	if (!ctx->give)
		return cli_err(appctx, "Out of memory.\n");
	ocu_buf_init(&ctx->give->piece, PIECE_MAX_BYTES);
	ctx->give->more = true;
	if (ocu_buf_add(&ctx->give->piece, GREETING, strlen(GREETING)) == OCU_OK)
		return 0;
	ha_free(&ctx->give);
	return cli_err(appctx, "Out of memory.\n");
}

/* Makes one piece in each call. */
static int give_handler(struct appctx *appctx)
{
	struct give *g = ((struct give_ctx *)appctx->svcctx)->give;

	if (!ocu_print(appctx, &g->piece, &g->pos))
		return 0;
	/* without memory the end is missing, and the client knows */
	if (!g->more || !piece_make(g))
		return 1;
	appctx_wakeup(appctx);
	return 0;
}

static void give_release(struct appctx *appctx)
{
	struct give_ctx *ctx = appctx->svcctx;

	if (!ctx->give)
		return;
	ocu_buf_fini(&ctx->give->piece);
	ha_free(&ctx->give);
}

static struct cli_kw_list commands = {{ }, {
	{ { COMMAND, NULL }, NULL, parse_getstaples, give_handler, give_release },
	{ { NULL }, NULL, NULL, NULL }
}};
INITCALL1(STG_REGISTER, cli_register_kw, &commands);

/* ---- the new one ---- */

enum outcome {
	OVER,     /* all was taken */
	STRANGER, /* it does not know the command, or is not to be talked with */
	SILENT,   /* it does not answer, or not to the end */
};

struct taking {
	struct ocu_buf in;
	size_t pos; /* what was looked at of it */
	size_t n;   /* responses */
	bool greeted;
};

/* Returns what follows the last <opt> in this process' arguments, as HAProxy reads them; NULL if it
 * is not there, or they cannot be had. HAProxy keeps them to itself. <args> holds it.
 */
static const char *option(const char *opt, struct ocu_buf *args)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	const char *value = NULL, *at, *end;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	while (ocu_buf_room(args, 4096) == OCU_OK &&
	       (n = read(fd, args->data + args->len, 4096)) > 0)
		args->len += n;
	close(fd);
	if (n || ocu_buf_add(args, "", 1) != OCU_OK)
		return NULL;
	end = (const char *)args->data + args->len - 1;
	for (at = (const char *)args->data; at < end && strcmp(at, "--") != 0; at += strlen(at) + 1)
		if (strncmp(at, opt, strlen(opt)) == 0 && at + strlen(at) + 1 < end)
			value = at + strlen(at) + 1;
	return value;
}

/* In master-worker mode the worker accepts descriptors from this pair of sockets. */
static int dial_worker(int pair)
{
	int sv[2];
	bool sent;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
		return -1;
	sent = send_fd_uxst(pair, sv[0]) == 0;
	close(sv[0]);
	if (sent)
		return sv[1];
	close(sv[1]);
	return -1;
}

static int dial_path(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, path, strlen(path));
	/* nor wait for a place in the queue of a process that is stuck */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(const char *where)
{
	static const char pair[] = "sockpair@";

	if (strcmp(where, "/dev/null") == 0)
		return -1;
	if (strncmp(where, pair, strlen(pair)) == 0)
		return dial_worker(strtol(where + strlen(pair), NULL, 10));
	return dial_path(where);
}

/* Reads more. Returns false if there is no more before <end_ms>. */
static bool receive(struct taking *t, int fd, int64_t end_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left_ms = end_ms - ocu_now_ms();
	ssize_t n;

	if (left_ms <= 0 || poll(&pfd, 1, MIN(left_ms, SILENCE_MS)) <= 0 ||
	    ocu_buf_room(&t->in, READ_BYTES) != OCU_OK)
		return false;
	n = recv(fd, t->in.data + t->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n > 0)
		t->in.len += n;
	return n > 0;
}

/* Takes what is there of the greeting and the records. Returns OCU_AGAIN if more must come. */
static enum ocu_status take_next(struct taking *t)
{
	const uint8_t *p = t->in.data + t->pos;
	size_t n = t->in.len - t->pos, greeting = strlen(GREETING);
	struct ocu_entries_held h;
	struct record r;

	if (!t->greeted) {
		if (memcmp(p, GREETING, MIN(n, greeting)) != 0)
			return OCU_TYPE;
		t->greeted = n >= greeting;
		t->pos += t->greeted ? greeting : 0;
		return t->greeted ? OCU_OK : OCU_AGAIN;
	}
	if (n < sizeof(r))
		return OCU_AGAIN;
	memcpy(&r, p, sizeof(r));
	if (r.key_len > OCSP_MAX_CERTID_ASN1_LENGTH || r.der_len > OCU_OCSP_MAX_BYTES)
		return OCU_TOO_BIG;
	if (!r.key_len)
		return OCU_CANCELLED;
	if (n < sizeof(r) + r.key_len + r.der_len)
		return OCU_AGAIN;
	h = (struct ocu_entries_held){
		.key = p + sizeof(r), .key_len = r.key_len, .expiry = r.expiry,
		.der = (const char *)p + sizeof(r) + r.key_len, .der_len = r.der_len,
	};
	t->n += ocu_entries_give(ocu_host_engine, &h);
	t->pos += sizeof(r) + r.key_len + r.der_len;
	return OCU_OK;
}

/* Takes all that is there. Returns OCU_AGAIN if more must come. */
static enum ocu_status take_some(struct taking *t)
{
	enum ocu_status st;

	while ((st = take_next(t)) == OCU_OK)
		;
	t->in.len -= t->pos;
	memmove(t->in.data, t->in.data + t->pos, t->in.len);
	t->pos = 0;
	return st;
}

static enum outcome take_all(struct taking *t, int fd)
{
	static const char ask[] = COMMAND "\n";
	int64_t end_ms = ocu_now_ms() + TAKE_MS;
	enum ocu_status st = OCU_AGAIN;
	size_t sum = 0, had;

	if (send(fd, ask, strlen(ask), MSG_NOSIGNAL) != (ssize_t)strlen(ask))
		return STRANGER;
	while (st == OCU_AGAIN && sum < TAKE_MAX_BYTES) {
		had = t->in.len;
		if (!receive(t, fd, end_ms))
			return SILENT;
		sum += t->in.len - had;
		st = take_some(t);
	}
	return st == OCU_CANCELLED ? OVER : t->greeted ? SILENT : STRANGER;
}

bool ocu_handover_take(void)
{
	enum outcome outcome = STRANGER;
	struct taking t = { 0 };
	struct ocu_buf args;
	const char *where;
	int fd;

	ocu_buf_init(&args, ARGS_MAX_BYTES);
	ocu_buf_init(&t.in, READ_BYTES + sizeof(struct record) + OCSP_MAX_CERTID_ASN1_LENGTH +
			    OCU_OCSP_MAX_BYTES);
	where = option("-x", &args);
	fd = where ? dial(where) : -1;
	if (fd >= 0) {
		outcome = take_all(&t, fd);
		close(fd);
	}
	ocu_buf_fini(&args);
	ocu_buf_fini(&t.in);
	if (outcome == SILENT)
		ha_notice("ocsp-update: the old process did not hand over all its OCSP "
			  "responses; those that are missing are fetched.\n");
	if (t.n)
		ha_notice("ocsp-update: %zu OCSP response%s taken over from the old process.\n",
			  t.n, t.n > 1 ? "s were" : " was");
	return t.n;
}
