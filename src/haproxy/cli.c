/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cli.c - the commands "show ssl ocsp-updates [json]" and "show ssl ocsp-update", which ask the
 * engine and print what it answers, piece by piece, and hold no lock while a client reads; and
 * HAProxy's own commands after which certificates or responses may be others. "update ssl
 * ocsp-response" is HAProxy's own: it puts the certificate into the tree that the task empties.
 */
#include <haproxy/applet.h>
#include <haproxy/base64.h>
#include <haproxy/cli.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/stconn.h>
#include <haproxy/tools.h>

#include "ahead.h"
#include "host.h"
#include "print.h"
#include "stores.h"
#include "ocu/rows.h"

#define PIECE_MAX_BYTES (256 * 1024) /* with the longest line there is a piece is far below it */

/* A question under way. One of two has it: the command while <ready>, the engine while not, and
 * nobody else touches more of it than what <lock> guards. Handing it over synchronizes: to the
 * engine by its messages, back by the outbox and then by <lock>.
 *
 * It is freed once. Under <lock> answered() learns whether the command is gone, and the release
 * whether the answer is there. If the release comes first it leaves all to answered(), which finds
 * no appctx; else answered() leaves all to the release, which finds it ready. Neither touches it
 * after its unlock unless it is the one that frees it, and the unlock itself is a single atomic
 * operation.
 *
 * The command is woken under <lock>, since its appctx may be freed as soon as its release has had
 * that. No other lock is held where <lock> is taken, and waking takes those of the scheduler alone,
 * which holds none of them while it runs a command: the order is always the same.
 *
 * ThreadSanitizer reports inquiry_free() beside answered() all the same. On x86 HAProxy unlocks in
 * assembly, which it does not see: there is no report when pl_sub_noret_rel() is made of
 * __atomic_sub_fetch().
 */
struct inquiry {
	struct ocu_host_inquiry host;
	size_t pos;             /* of the piece that is printed */
	bool ready;             /* the piece is there; guarded by <lock>, as the next one */
	struct appctx *appctx;  /* whom to wake; NULL once the command is gone */
	__decl_thread(HA_SPINLOCK_T lock);
};

/* What a command keeps between two calls of its handler. */
struct inquiry_ctx {
	struct inquiry *q;
};

static void inquiry_free(struct inquiry *q)
{
	HA_SPIN_DESTROY(&q->lock);
	ocu_buf_fini(&q->host.inquiry.text);
	free(q);
}

/* On the thread of the host task. */
static void answered(struct ocu_host_inquiry *a)
{
	struct inquiry *q = container_of(a, struct inquiry, host);
	bool gone;

	HA_SPIN_LOCK(OTHER_LOCK, &q->lock);
	/* at the end of the process no command comes back any more, and none can be woken */
	gone = !q->appctx || (global.mode & MODE_STOPPING);
	q->ready = true;
	q->pos = 0;
	if (!gone)
		appctx_wakeup(q->appctx);
	HA_SPIN_UNLOCK(OTHER_LOCK, &q->lock);
	if (gone && a->inquiry.end)
		inquiry_free(q);
	else if (gone)
		ocu_engine_drop(ocu_host_engine, &a->inquiry);
}

/* What is there to say when no thread of the engine runs: no certificate is updated. */
static int without_engine(struct appctx *appctx, enum ocu_inquiry_kind what)
{
	switch (what) {
	case OCU_INQUIRY_TABLE:
		return cli_msg(appctx, LOG_INFO, OCU_ROWS_HEADER);
	case OCU_INQUIRY_JSON:
		return cli_msg(appctx, LOG_INFO, "[\n]\n");
	default:
		return cli_err(appctx, "OCSP updates are not running: they are disabled, the "
				       "process has no TLS bind, or their threads could not be "
				       "started.\n");
	}
}

/* Asks the engine about the certificate file <path>, NULL for all; the handler waits for the
 * answer.
 */
static int inquiry_begin(struct appctx *appctx, enum ocu_inquiry_kind what, const char *path)
{
	struct inquiry_ctx *ctx = applet_reserve_svcctx(appctx, sizeof(*ctx));
	struct inquiry *q = calloc(1, sizeof(*q));
	const char *why = NULL;

	if (!ocu_host_engine || !ocu_engine_runs(ocu_host_engine)) {
		free(q);
		return without_engine(appctx, what);
	}
	if (!q)
		return cli_err(appctx, "Out of memory.\n");
	HA_SPIN_INIT(&q->lock);
	ocu_buf_init(&q->host.inquiry.text, PIECE_MAX_BYTES);
	if (path)
		why = ocu_stores_lookup(path, q->host.inquiry.key, &q->host.inquiry.key_len);
	if (why) {
		inquiry_free(q);
		return cli_err(appctx, why);
	}
	q->host.inquiry.kind = what;
	q->host.answered = answered;
	q->appctx = appctx;
	ctx->q = q;
	ocu_host_inquire(&q->host);
	return 0;
}

/* "show ssl ocsp-updates [json]" */
static int parse_show_all(char **args, char *payload, struct appctx *appctx, void *private)
{
	bool json = strcmp(args[3], "json") == 0;

	if (!cli_has_level(appctx, OCU_SHOW_LEVEL))
		return 1;
	if (*args[3] && !json)
		return cli_err(appctx, "'show ssl ocsp-updates' expects nothing or 'json'.\n");
	return inquiry_begin(appctx, json ? OCU_INQUIRY_JSON : OCU_INQUIRY_TABLE, NULL);
}

/* "show ssl ocsp-update <certfile>" */
static int parse_show_one(char **args, char *payload, struct appctx *appctx, void *private)
{
	if (!cli_has_level(appctx, OCU_SHOW_LEVEL))
		return 1;
	if (!*args[3])
		return cli_err(appctx, "'show ssl ocsp-update' expects a filename\n");
	return inquiry_begin(appctx, OCU_INQUIRY_DETAIL, args[3]);
}

static int inquiry_handler(struct appctx *appctx)
{
	struct inquiry *q = ((struct inquiry_ctx *)appctx->svcctx)->q;
	bool ready;

	HA_SPIN_LOCK(OTHER_LOCK, &q->lock);
	ready = q->ready;
	HA_SPIN_UNLOCK(OTHER_LOCK, &q->lock);
	if (!ready) {
		applet_have_no_more_data(appctx);
		return 0;
	}
	if (!ocu_print(appctx, &q->host.inquiry.text, &q->pos))
		return 0;
	if (q->host.inquiry.end)
		return 1;
	q->ready = false; /* it is ours alone until it is asked again */
	ocu_engine_inquire(ocu_host_engine, &q->host.inquiry);
	return 0;
}

static void inquiry_release(struct appctx *appctx)
{
	struct inquiry *q = ((struct inquiry_ctx *)appctx->svcctx)->q;
	bool ready;

	if (!q)
		return;
	HA_SPIN_LOCK(OTHER_LOCK, &q->lock);
	q->appctx = NULL;
	ready = q->ready;
	HA_SPIN_UNLOCK(OTHER_LOCK, &q->lock);
	((struct inquiry_ctx *)appctx->svcctx)->q = NULL;
	if (ready && q->host.inquiry.end)
		inquiry_free(q);
	else if (ready)
		ocu_engine_drop(ocu_host_engine, &q->host.inquiry);
}

/* ---- commands of HAProxy ---- */

enum { SET_CERT, COMMIT, ABORT, ADD_CRTLIST, SET_RESPONSE, DEL_CERT, DEL_CRTLIST, UPDATE,
       WRAPPED };

static int (*stock_parse[WRAPPED])(char **args, char *payload, struct appctx *appctx,
				   void *private);
static void (*stock_release[WRAPPED])(struct appctx *appctx);

/* Whether HAProxy's command, which answers at once, has worked. */
static bool worked(const struct appctx *appctx)
{
	return appctx->st0 == CLI_ST_PRINT_DYN;
}

static int after_set_cert(char **args, char *payload, struct appctx *appctx, void *private)
{
	int rc = stock_parse[SET_CERT](args, payload, appctx, private);

	if (worked(appctx) && ocu_host_runs())
		ocu_ahead_set(args[3], payload);
	return rc;
}

static int after_abort(char **args, char *payload, struct appctx *appctx, void *private)
{
	int rc = stock_parse[ABORT](args, payload, appctx, private);

	if (worked(appctx))
		ocu_ahead_drop(args[3]);
	return rc;
}

static int after_del_cert(char **args, char *payload, struct appctx *appctx, void *private)
{
	int rc = stock_parse[DEL_CERT](args, payload, appctx, private);

	if (worked(appctx))
		ocu_ahead_drop(args[3]);
	ocu_host_sweep();
	return rc;
}

/* The certificate is known by its file, a line of the list may follow that. */
static int after_del_crtlist(char **args, char *payload, struct appctx *appctx, void *private)
{
	char *path = strndup(args[4], strcspn(args[4], ":"));
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
	bool stapled;
	size_t len;
	int rc;

	stapled = path && !ocu_stores_lookup(path, key, &len);
	free(path);
	rc = stock_parse[DEL_CRTLIST](args, payload, appctx, private);
	if (stapled)
		ocu_host_look_at(key);
	ocu_host_sweep();
	return rc;
}

/* Puts the response <base64> for <path> into the transaction, as an administrator does. Nobody sees
 * what HAProxy's command says: if it does not work there is no response until there is an entry.
 */
static void transaction_staple(const char *path, char *base64, struct appctx *appctx, void *private)
{
	char set[] = "set", ssl[] = "ssl", cert[] = "cert", none[] = "", *file = NULL;
	char *args[] = { set, ssl, cert, memprintf(&file, "%s.ocsp", path), none };
	int st0 = appctx->st0;

	if (file) {
		(void)stock_parse[SET_CERT](args, base64, appctx, private);
		free(((struct cli_print_ctx *)appctx->svcctx)->err);
		applet_reset_svcctx(appctx);
		appctx->st0 = st0;
	}
	free(file);
}

/* HAProxy's command fails, too, while certificates are locked. */
static bool forgets(const char *path)
{
	bool rc = false;

	if (!HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock)) {
		rc = ocu_stores_forgets(path);
		HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	}
	return rc;
}

static int before_commit(char **args, char *payload, struct appctx *appctx, void *private)
{
	bool forgotten;
	char *base64;
	int rc;

	if (!cli_has_level(appctx, ACCESS_LVL_ADMIN))
		return 1;
	forgotten = forgets(args[3]);
	base64 = ocu_ahead_commit(args[3]);
	if (base64)
		transaction_staple(args[3], base64, appctx, private);
	free(base64);
	rc = stock_parse[COMMIT](args, payload, appctx, private);
	if (forgotten && rc == 0)
		send_log(NULL, LOG_WARNING, "<OCSP-UPDATE> %s: no longer updated: this HAProxy "
					    "forgets 'ocsp-update on' when a certificate is "
					    "replaced; reload it\n", args[3]);
	ocu_host_look(args[3]);
	return rc;
}

/* The entry is that of the response's CertID. */
static void look_at_response(const char *b64)
{
	size_t n = strlen(b64);
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 }, *der = malloc(n + 1), *to = key;
	int len = der ? base64dec(b64, n, (char *)der, n + 1) : -1;
	const unsigned char *p = der;
	OCSP_RESPONSE *r = len > 0 ? d2i_OCSP_RESPONSE(NULL, &p, len) : NULL;
	OCSP_BASICRESP *basic = r ? OCSP_response_get1_basic(r) : NULL;
	OCSP_SINGLERESP *single = basic ? OCSP_resp_get0(basic, 0) : NULL;
	OCSP_CERTID *id = single ? (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single) : NULL;

	len = id ? i2d_OCSP_CERTID(id, NULL) : 0;
	if (len > 0 && len <= OCSP_MAX_CERTID_ASN1_LENGTH && i2d_OCSP_CERTID(id, &to) == len)
		ocu_host_look_at(key);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	free(der);
	ERR_clear_error();
}

static int after_set_response(char **args, char *payload, struct appctx *appctx, void *private)
{
	int rc = stock_parse[SET_RESPONSE](args, payload, appctx, private);

	look_at_response(payload ? payload : args[3]);
	return rc;
}

/* Nobody would come for what HAProxy's command puts into the tree. */
static int before_update(char **args, char *payload, struct appctx *appctx, void *private)
{
	if (*args[3] && !ocu_host_runs())
		return cli_err(appctx, "OCSP updates are not running: they are disabled, the "
				       "process is stopping or has no TLS bind, or their threads "
				       "could not be started.\n");
	return stock_parse[UPDATE](args, payload, appctx, private);
}

/* The certificate file in the line <line> of a crt-list, as HAProxy has it; NULL without memory. */
static char *listed_file(const char *line)
{
	char *path = NULL;
	int n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t[");
	if (*line == '/' || *line == '@' || !global_ssl.crt_base)
		return strndup(line, n);
	return memprintf(&path, "%s/%.*s", global_ssl.crt_base, n, line);
}

static int after_add_crtlist(char **args, char *payload, struct appctx *appctx, void *private)
{
	char *path = listed_file(payload ? payload : args[4]);
	int rc = stock_parse[ADD_CRTLIST](args, payload, appctx, private);

	if (path)
		ocu_host_look(path);
	free(path);
	return rc;
}

/* Until then the certificates are locked, and what has come cannot be taken in. */
static void released(size_t i, struct appctx *appctx)
{
	if (stock_release[i])
		stock_release[i](appctx);
	ocu_host_look(NULL);
}

static void commit_released(struct appctx *appctx)
{
	released(COMMIT, appctx);
}

static void add_released(struct appctx *appctx)
{
	released(ADD_CRTLIST, appctx);
}

static void wrap(size_t i, const char *a, const char *b, const char *c,
		 int (*parse)(char **args, char *payload, struct appctx *appctx, void *private),
		 void (*release)(struct appctx *appctx))
{
	const char *words[CLI_PREFIX_KW_NB] = { a, b, c };
	struct cli_kw *kw = cli_find_kw_exact((char **)words);

	if (!kw)
		return;
	stock_parse[i] = kw->parse;
	if (parse)
		kw->parse = parse;
	stock_release[i] = kw->io_release;
	if (release)
		kw->io_release = release;
}

static struct cli_kw_list commands = {{ }, {
	{ { "show", "ssl", "ocsp-updates", NULL },
	  "show ssl ocsp-updates [json]            : "
	  "display information about the ocsp responses that are updated automatically",
	  parse_show_all, inquiry_handler, inquiry_release },
	{ { "show", "ssl", "ocsp-update", NULL },
	  "show ssl ocsp-update <certfile>         : "
	  "display all that is known about the ocsp updates of a certificate",
	  parse_show_one, inquiry_handler, inquiry_release },
	{ { NULL }, NULL, NULL, NULL }
}};

/* Takes over the commands that HAProxy has and registers the others. */
static void commands_register(void)
{
	struct cli_kw *kw, *found, *keep = commands.kw;

	for (kw = commands.kw; kw->str_kw[0]; kw++) {
		found = cli_find_kw_exact((char **)kw->str_kw);
		if (!found) {
			*keep++ = *kw;
			continue;
		}
		found->usage = kw->usage;
		found->parse = kw->parse;
		found->io_handler = kw->io_handler;
		found->io_release = kw->io_release;
	}
	memset(keep, 0, sizeof(*keep));
	cli_register_kw(&commands);
	wrap(SET_CERT, "set", "ssl", "cert", after_set_cert, NULL);
	wrap(COMMIT, "commit", "ssl", "cert", before_commit, commit_released);
	wrap(ABORT, "abort", "ssl", "cert", after_abort, NULL);
	wrap(ADD_CRTLIST, "add", "ssl", "crt-list", after_add_crtlist, add_released);
	wrap(SET_RESPONSE, "set", "ssl", "ocsp-response", after_set_response, NULL);
	wrap(DEL_CERT, "del", "ssl", "cert", after_del_cert, NULL);
	wrap(DEL_CRTLIST, "del", "ssl", "crt-list", after_del_crtlist, NULL);
	wrap(UPDATE, "update", "ssl", "ocsp-response", before_update, NULL);
}
INITCALL0(STG_INIT, commands_register);
