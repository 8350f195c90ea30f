/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cli.c - the commands: "update ssl ocsp-response", "show ssl ocsp-updates [json]" and "show ssl
 * ocsp-update". They ask the updater task and print what it copied for them; they hold no lock
 * while a client reads, and change nothing themselves.
 */
#include <haproxy/applet.h>
#include <haproxy/cli.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/stconn.h>
#include <haproxy/tools.h>

#include "glue.h"

enum format { FMT_TABLE, FMT_DETAIL, FMT_JSON };

/* What a "show" command keeps between two calls of its handler. */
struct show_ctx {
	struct request *request;
	enum format format;
	bool started; /* the header is out and the rows are sorted */
	size_t pos;
};

static int need_admin(struct appctx *appctx)
{
	return cli_has_level(appctx, ACCESS_LVL_ADMIN) ? 0 : 1;
}

/* "update ssl ocsp-response <certfile>" */
static int parse_update(char **args, char *payload, struct appctx *appctx, void *private)
{
	const char *why;
	struct cert *c;
	char *err = NULL;

	if (need_admin(appctx))
		return 1;
	if (!*args[3])
		return cli_err(appctx, "'update ssl ocsp-response' expects a filename\n");
	why = cert_find(args[3], &c);
	if (!c)
		return cli_dynerr(appctx, memprintf(&err, "%sCan't send ocsp request for %s!\n",
						    why, args[3]));
	if (!c->n_uris) {
		memprintf(&err, "No usable OCSP URI in the certificate%s%s.\n"
				"Can't send ocsp request for %s!\n",
			  c->bad_uris ? ": " : "", c->bad_uris ? c->bad_uris : "", args[3]);
		cert_put(c);
		return cli_dynerr(appctx, err);
	}
	if (!updater_runs()) {
		cert_put(c);
		return cli_err(appctx, "OCSP updates are not running: the process is stopping, or "
				       "their thread could not be started.\n");
	}
	cert_post(c, MAIL_ORDER);
	cert_put(c);
	return 0;
}

/* Asks the task; the handler waits for its answer. Takes the reference on <only>. */
static int show_start(struct appctx *appctx, enum format format, struct cert *only)
{
	struct show_ctx *ctx = applet_reserve_svcctx(appctx, sizeof(*ctx));
	struct request *r = calloc(1, sizeof(*r));

	if (!r) {
		cert_put(only);
		return cli_err(appctx, "Out of memory.\n");
	}
	HA_SPIN_INIT(&r->lock);
	r->refs = 1;
	r->only = only;
	r->appctx = appctx;
	ctx->request = r;
	ctx->format = format;
	request_post(r);
	return 0;
}

/* "show ssl ocsp-updates [json]" */
static int parse_show_all(char **args, char *payload, struct appctx *appctx, void *private)
{
	bool json = strcmp(args[3], "json") == 0;

	if (need_admin(appctx))
		return 1;
	if (*args[3] && !json)
		return cli_err(appctx, "'show ssl ocsp-updates' expects nothing or 'json'.\n");
	return show_start(appctx, json ? FMT_JSON : FMT_TABLE, NULL);
}

/* "show ssl ocsp-update <certfile>" */
static int parse_show_one(char **args, char *payload, struct appctx *appctx, void *private)
{
	const char *why;
	struct cert *c;

	if (need_admin(appctx))
		return 1;
	if (!*args[3])
		return cli_err(appctx, "'show ssl ocsp-update' expects a filename\n");
	why = cert_find(args[3], &c);
	return c ? show_start(appctx, FMT_DETAIL, c) : cli_err(appctx, why);
}

static int row_cmp(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	/* what is being fetched first, then by the next update */
	if ((x->state == OCU_ITEM_FLYING) != (y->state == OCU_ITEM_FLYING))
		return x->state == OCU_ITEM_FLYING ? -1 : 1;
	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return strcmp(x->cert->path, y->cert->path);
}

static void add_key(struct buffer *out, const struct cert *c)
{
	unsigned i;

	for (i = 0; i < c->key_len; i++)
		chunk_appendf(out, "%02x", c->key[i]);
}

/* HAProxy's date of its logs, "-" for none. */
static void add_log_date(struct buffer *out, int64_t when)
{
	struct tm tm;
	char *end;

	if (!when) {
		chunk_appendf(out, "-");
		return;
	}
	get_localtime(when, &tm);
	end = localdate2str_log(b_tail(out), when, &tm, b_room(out));
	if (end)
		out->data = end - b_orig(out);
}

static void add_iso_date(struct buffer *out, int64_t when)
{
	char text[32] = "-";
	time_t t = when;
	struct tm tm;

	if (when && gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	chunk_appendf(out, "%s", text);
}

/* HAProxy's columns, byte for byte. */
static void print_row(struct buffer *out, const struct row *r)
{
	enum log_status st = r->last ? r->last->status : LOG_ST_UNKNOWN;

	add_key(out, r->cert);
	chunk_appendf(out, " | %s | ", r->cert->path);
	add_log_date(out, r->due);
	chunk_appendf(out, " | ");
	add_log_date(out, r->updated);
	chunk_appendf(out, " | %u | %u | %d | %s\n", r->successes, r->failures, st,
		      log_status_text(st));
}

static const char *state_text(const struct row *r)
{
	switch (r->state) {
	case OCU_ITEM_IDLE:
		return "not scheduled";
	case OCU_ITEM_LATER:
		return r->failures_in_a_row ? "waits after a failure" : "scheduled";
	case OCU_ITEM_READY:
		return r->blocked ? "waits for its responder, which is down" : "due";
	case OCU_ITEM_FLYING:
		return "being fetched";
	}
	return "?";
}

static const char *held_text(const struct row *r)
{
	if (!r->this_update)
		return "none";
	if (!r->held)
		return "expired";
	return r->revoked ? "revoked" : "good";
}

static void print_uri(struct buffer *out, const struct ocu_url *u)
{
	char authority[OCU_URL_AUTHORITY_BYTES];

	ocu_url_authority(u, authority);
	chunk_appendf(out, "http%s://%s%s", u->https ? "s" : "", authority, u->target);
}

static void print_detail(struct buffer *out, const struct row *r)
{
	const struct outcome *o = r->last;
	const char *p, *end;
	size_t i;

	chunk_appendf(out, "Certificate: %s\nCertificate ID key: ", r->cert->path);
	add_key(out, r->cert);
	for (i = 0; i < r->cert->n_uris; i++) {
		chunk_appendf(out, "\nOCSP URI: ");
		print_uri(out, &r->cert->uris[i]);
	}
	if (r->cert->bad_uris)
		chunk_appendf(out, "\nUnusable OCSP URI: %s", r->cert->bad_uris);
	chunk_appendf(out, "\nMust-staple: %s\nAutomatic updates: %s\nState: %s\nNext update: ",
		      r->cert->must_staple ? "yes" : "no", r->automatic ? "on" : "off",
		      state_text(r));
	add_iso_date(out, r->state == OCU_ITEM_IDLE ? 0 : r->due);
	chunk_appendf(out, "\nResponse: %s\nThis update of the response: ", held_text(r));
	add_iso_date(out, r->this_update);
	chunk_appendf(out, "\nNext update of the response: ");
	add_iso_date(out, r->next_update);
	chunk_appendf(out, "\nLast success: ");
	add_iso_date(out, r->updated);
	chunk_appendf(out, "\nSuccesses: %u\nFailures: %u\nFailures in a row: %u\n", r->successes,
		      r->failures, r->failures_in_a_row);
	if (!o)
		return;
	chunk_appendf(out, "Last result: %d (%s)\nReason: %s\nURI asked: %s\n", o->status,
		      log_status_text(o->status), o->reason, o->uri);
	chunk_appendf(out, "Address: %s\nHTTP status: %d\n", *o->address ? o->address : "-",
		      o->http_status);
	for (p = o->trace; *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		chunk_appendf(out, "Attempt: %.*s\n", (int)(end - p), p);
	}
}

static void add_json_text(struct buffer *out, const char *name, const char *text)
{
	chunk_appendf(out, "\"%s\":\"", name);
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\')
			chunk_appendf(out, "\\u%04x", (unsigned char)*text);
		else
			chunk_appendf(out, "%c", *text);
	}
	chunk_appendf(out, "\",");
}

static void print_json(struct buffer *out, const struct row *r, bool first)
{
	enum log_status st = r->last ? r->last->status : LOG_ST_UNKNOWN;

	chunk_appendf(out, "%s\n{", first ? "" : ",");
	add_json_text(out, "path", r->cert->path);
	chunk_appendf(out, "\"certid\":\"");
	add_key(out, r->cert);
	chunk_appendf(out, "\",");
	add_json_text(out, "state", state_text(r));
	add_json_text(out, "response", held_text(r));
	add_json_text(out, "last_status_text", log_status_text(st));
	add_json_text(out, "reason", r->last ? r->last->reason : "");
	chunk_appendf(out,
		      "\"must_staple\":%s,\"next\":%lld,\"this_update\":%lld,\"next_update\":%lld,"
		      "\"last_success\":%lld,\"successes\":%u,\"failures\":%u,"
		      "\"failures_in_a_row\":%u,\"last_status\":%d}",
		      r->cert->must_staple ? "true" : "false", (long long)r->due,
		      (long long)r->this_update, (long long)r->next_update, (long long)r->updated,
		      r->successes, r->failures, r->failures_in_a_row, st);
}

/* Prints what belongs at position <pos>: 0 is the header, then the rows, then the end. */
static void print_at(struct buffer *out, const struct show_ctx *ctx)
{
	const struct request *r = ctx->request;
	size_t row = ctx->pos - 1;

	if (ctx->pos == 0) {
		if (ctx->format == FMT_TABLE)
			chunk_appendf(out, "OCSP Certid | Path | Next Update | Last Update | "
					   "Successes | Failures | Last Update Status | "
					   "Last Update Status (str)\n");
		else if (ctx->format == FMT_JSON)
			chunk_appendf(out, "[");
	} else if (ctx->pos > r->n_rows) {
		if (ctx->format == FMT_JSON)
			chunk_appendf(out, "\n]\n");
	} else if (ctx->format == FMT_TABLE) {
		print_row(out, &r->rows[row]);
	} else if (ctx->format == FMT_JSON) {
		print_json(out, &r->rows[row], row == 0);
	} else {
		print_detail(out, &r->rows[row]);
	}
}

static int show_io_handler(struct appctx *appctx)
{
	struct show_ctx *ctx = appctx->svcctx;
	struct buffer *out = get_trash_chunk();
	struct request *r = ctx->request;
	bool ready;

	HA_SPIN_LOCK(OTHER_LOCK, &r->lock);
	ready = r->ready;
	HA_SPIN_UNLOCK(OTHER_LOCK, &r->lock);
	if (!ready) {
		applet_have_no_more_data(appctx);
		return 0;
	}
	if (r->failed) {
		/* not cli_err(): it would take the place of ctx */
		chunk_appendf(out, "Out of memory.\n");
		return applet_putchk(appctx, out) != -1;
	}
	if (!ctx->started) {
		qsort(r->rows, r->n_rows, sizeof(*r->rows), row_cmp);
		ctx->started = true;
	}
	for (; ctx->pos <= r->n_rows + 1; ctx->pos++) {
		chunk_reset(out);
		print_at(out, ctx);
		if (applet_putchk(appctx, out) == -1)
			return 0;
	}
	return 1;
}

static void show_release(struct appctx *appctx)
{
	struct show_ctx *ctx = appctx->svcctx;

	if (!ctx->request)
		return;
	HA_SPIN_LOCK(OTHER_LOCK, &ctx->request->lock);
	ctx->request->appctx = NULL;
	HA_SPIN_UNLOCK(OTHER_LOCK, &ctx->request->lock);
	request_put(ctx->request);
	ctx->request = NULL;
}

static struct cli_kw_list commands = {{ }, {
	{ { "update", "ssl", "ocsp-response", NULL },
	  "update ssl ocsp-response <certfile>     : "
	  "send ocsp request and update stored ocsp response",
	  parse_update, NULL, NULL },
	{ { "show", "ssl", "ocsp-updates", NULL },
	  "show ssl ocsp-updates [json]            : "
	  "display information about the ocsp responses that are updated automatically",
	  parse_show_all, show_io_handler, show_release },
	{ { "show", "ssl", "ocsp-update", NULL },
	  "show ssl ocsp-update <certfile>         : "
	  "display all that is known about the ocsp updates of a certificate",
	  parse_show_one, show_io_handler, show_release },
	{ { NULL }, NULL, NULL, NULL }
}};

/* Takes over the commands that HAProxy has and registers the others. */
static void commands_register(void)
{
	struct cli_kw *kw, *found, *keep = commands.kw;

	for (kw = commands.kw; kw->str_kw[0]; kw++) {
		found = cli_find_kw_exact((char **)kw->str_kw);
		if (found)
			*found = *kw;
		else
			*keep++ = *kw;
	}
	memset(keep, 0, sizeof(*keep));
	cli_register_kw(&commands);
}
INITCALL0(STG_INIT, commands_register);
