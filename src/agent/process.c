/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process.c - what one HAProxy is asked and told, one command after the other. */
#include "process.h"

#include <openssl/evp.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "log.h"
#include "ocu/loop.h"
#include "pem.h"

#define SUM_BYTES (2 * EVP_MAX_MD_SIZE + 1)
#define PATH_BYTES 4096
#define BLOCKED_MS 10000         /* a transaction that is open for so long is complained about, */
#define BLOCKED_AGAIN_MS 3600000 /* and again */

/* A certificate by the name that HAProxy has for it, mostly a path. */
struct file {
	TAILQ_ENTRY(file) link;   /* of all, the one that was looked at last at the end */
	TAILQ_ENTRY(file) todo;
	struct ocu_process *process;
	struct ocu_leaf_user user;
	struct ocu_leaf *leaf;    /* NULL: nothing is updated for it */
	char *name;
	char *beside;             /* its .ocsp file; NULL: none that can be written */
	char sum[SUM_BYTES];      /* SHA-1 of what HAProxy has loaded; "": not known */
	char *said;               /* why nothing is, as was said */
	unsigned given;           /* count of the response that it staples, or has refused */
	bool listed;              /* in the last list */
	bool own;                 /* HAProxy updates it itself */
	bool queued;              /* something is to be done */
	bool looked;              /* what this process has is known: sum, used, staples */
	bool used;                /* by a bind line */
	bool staples;             /* something, which can be replaced */
	bool staged;              /* a response waits for its commit, */
	bool begun;               /* in a transaction that was begun here */
};

/* What is asked, in the order of urgency. */
enum command {
	NONE,
	INFO,    /* who it is */
	LIST,    /* its certificates */
	UPDATED, /* those that it updates itself */
	LOOK,    /* what it has for a certificate */
	SET,     /* replaces what it staples for it */
	STAGE,   /* prepares that it staples something for it, */
	COMMIT,  /* and does so */
	ABORT,   /* or does not */
};

struct ocu_process {
	struct ev_loop *loop;
	struct ocu_leaves *leaves;
	struct ocu_beside *beside; /* NULL: no .ocsp files are written */
	struct ocu_cli_addr addr;
	const char *text;          /* of the address */
	struct ocu_cli cli;
	struct ocu_buf line;       /* the command under way */
	enum command command;
	struct file *file;         /* which it is about; NULL: it is gone, or there is none */
	unsigned count;            /* of the response that is sent */
	ev_timer tick;
	bool info_due, updated_due;
	bool locked;               /* no certificate can be asked about before the next tick, */
	bool blocked;              /* or none be committed: HAProxy has one transaction at a time */
	int64_t blocked_ms;        /* since when, 0: it is not */
	int64_t asked_ms, list_ms; /* when it was last asked; when the list is due */
	int64_t pid, began_s;      /* who it is; -1: not known */
	bool reached;
	bool lost;                 /* it is not, and that was said */
	void *tree;                /* of files, by name; tsearch() */
	TAILQ_HEAD(, file) files;
	TAILQ_HEAD(, file) todos;
};

/* ---- files ---- */

static int file_cmp(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* Puts <f> among those that something is to be done for. */
static void file_todo(struct file *f)
{
	if (!f->queued)
		TAILQ_INSERT_TAIL(&f->process->todos, f, todo);
	f->queued = true;
}

static void file_done(struct file *f)
{
	if (f->queued)
		TAILQ_REMOVE(&f->process->todos, f, todo);
	f->queued = false;
}

static void process_go(struct ocu_process *p);

/* Has the response of <f> written beside it. */
static void file_save(struct file *f)
{
	if (f->beside && f->process->beside && f->leaf->count)
		ocu_beside_save(f->process->beside, f->beside, &f->leaf->der);
}

static void file_fresh(struct ocu_leaf_user *u)
{
	struct file *f = OCU_OWNER(u, struct file, user);

	file_save(f);
	file_todo(f);
	process_go(f->process);
}

static void file_free(struct file *f)
{
	struct ocu_process *p = f->process;

	file_done(f);
	ocu_leaf_put(p->leaves, f->leaf, &f->user);
	(void)tdelete(f, &p->tree, file_cmp);
	TAILQ_REMOVE(&p->files, f, link);
	if (p->file == f)
		p->file = NULL;
	free(f->said);
	free(f->beside);
	free(f->name);
	free(f);
}

static struct file *file_find(struct ocu_process *p, const char *name, size_t n)
{
	struct file wanted = { .name = strndup(name, n) };
	struct file **slot = wanted.name ? tfind(&wanted, &p->tree, file_cmp) : NULL;

	free(wanted.name);
	return slot ? *slot : NULL;
}

/* Makes a file of the name <name>, which there is not; NULL without memory. */
static struct file *file_new(struct ocu_process *p, const char *name, size_t n)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f)
		f->name = strndup(name, n);
	if (f && f->name && tsearch(f, &p->tree, file_cmp)) {
		f->process = p;
		f->user.fresh = file_fresh;
		TAILQ_INSERT_TAIL(&p->files, f, link);
		return f;
	}
	if (f)
		free(f->name);
	free(f);
	return NULL;
}

/* Says <why> nothing is updated for <f>, unless that was said; NULL: there is no reason. */
static void file_say(struct file *f, enum ocu_level level, const char *why)
{
	if (why && (!f->said || strcmp(f->said, why) != 0))
		ocu_log(level, "%s: %s: %s", f->process->text, f->name, why);
	free(f->said);
	f->said = why ? strdup(why) : NULL;
}

/* ---- certificates ---- */

/* Writes the SHA-1 of <cert> as HAProxy shows it. */
static void sum_make(char out[static SUM_BYTES], X509 *cert)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned i, n = 0;

	out[0] = '\0';
	if (!X509_digest(cert, EVP_sha1(), md, &n))
		return;
	for (i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02X", md[i]);
}

/* Returns the certificate among <certs> that has issued <cert>. */
static X509 *issuer_in(STACK_OF(X509) *certs, X509 *cert)
{
	int i;

	for (i = 0; i < sk_X509_num(certs); i++)
		if (sk_X509_value(certs, i) != cert &&
		    X509_check_issued(sk_X509_value(certs, i), cert) == X509_V_OK)
			return sk_X509_value(certs, i);
	return NULL;
}

/* Returns the certificates of the file <path>; NULL with the reason. */
static STACK_OF(X509) *certs_read(const char *path, struct ocu_err *err)
{
	STACK_OF(X509) *certs = NULL;
	struct ocu_pem pem;

	ocu_pem_init(&pem);
	if (ocu_pem_read(&pem, path, err) == OCU_OK) {
		certs = ocu_pem_certs(&pem);
		if (!certs)
			(void)ocu_fail(err, OCU_IO, "%s: no certificate that can be read", path);
	}
	ocu_pem_fini(&pem);
	return certs;
}

/* Finds who has issued <cert>: among <certs>, or in the file beside that HAProxy looks into. */
static enum ocu_status leaf_make(struct file *f, STACK_OF(X509) *certs, const char *path,
				 struct ocu_err *err)
{
	X509 *cert = sk_X509_value(certs, 0), *issuer = issuer_in(certs, cert);
	STACK_OF(X509) *more = NULL;
	char beside[PATH_BYTES];
	enum ocu_status st;
	struct ocu_err none;

	if (!issuer && (size_t)snprintf(beside, sizeof(beside), "%s.issuer", path) < sizeof(beside))
		more = certs_read(beside, &none);
	if (more)
		issuer = issuer_in(more, cert);
	if (issuer)
		st = ocu_leaf_get(&f->leaf, f->process->leaves, cert, issuer, f->name, &f->user,
				  err);
	else
		st = ocu_fail(err, OCU_OCSP, "its issuer is neither in it nor in %s.issuer", path);
	sk_X509_pop_free(more, X509_free);
	return st;
}

/* Reads the certificate of <f> from <path>, and begins to update it. */
static enum ocu_status file_read(struct file *f, const char *path, struct ocu_err *err)
{
	STACK_OF(X509) *certs = certs_read(path, err);
	enum ocu_status st = OCU_IO;
	char sum[SUM_BYTES];

	if (!certs)
		return st;
	sum_make(sum, sk_X509_value(certs, 0));
	if (strcmp(sum, f->sum) == 0)
		st = leaf_make(f, certs, path, err);
	else
		st = ocu_fail(err, OCU_IO, "%s: HAProxy has loaded another certificate", path);
	sk_X509_pop_free(certs, X509_free);
	return st;
}

/* Forgets the certificate of <f>. */
static void file_forget(struct file *f)
{
	ocu_leaf_put(f->process->leaves, f->leaf, &f->user);
	f->leaf = NULL;
	free(f->beside);
	f->beside = NULL;
	f->given = 0;
}

/* ---- what is asked next ---- */

/* What is to be done for <f>. */
static enum command file_next(const struct file *f)
{
	if (f->own)
		return NONE;
	if (!f->looked)
		return LOOK;
	if (!f->used || !f->leaf || f->given == f->leaf->count)
		return NONE;
	if (f->staged)
		return COMMIT;
	return f->staples ? SET : STAGE;
}

/* Returns the file that something is to be done for, and what. */
static struct file *todo_next(struct ocu_process *p, enum command *what)
{
	struct file *f;

	while ((f = TAILQ_FIRST(&p->todos))) {
		*what = file_next(f);
		if (*what != NONE && (*what != STAGE || !p->blocked))
			return f;
		file_done(f); /* who is blocked is looked at again */
	}
	*what = NONE;
	return NULL;
}

static enum command process_next(struct ocu_process *p, struct file **f)
{
	enum command what;

	*f = p->file;
	if (p->command == ABORT && p->file)
		return ABORT;
	*f = NULL;
	if (p->info_due || !p->reached)
		return p->info_due ? INFO : NONE;
	if (p->locked)
		return NONE;
	if (p->list_ms <= ocu_now_ms())
		return LIST;
	if (p->updated_due)
		return UPDATED;
	*f = todo_next(p, &what);
	return what;
}

/* Appends the response for <f> in base64. */
static enum ocu_status add_response(struct ocu_buf *line, const struct file *f)
{
	const struct ocu_buf *der = &f->leaf->der;
	enum ocu_status st = ocu_buf_room(line, (der->len + 2) / 3 * 4 + 1);

	if (st == OCU_OK)
		line->len += (size_t)EVP_EncodeBlock(line->data + line->len, der->data,
						     (int)der->len);
	return st;
}

/* Writes the command into p->line. Errors: OCU_NOMEM, OCU_TOO_BIG, OCU_URI. */
static enum ocu_status line_make(struct ocu_process *p)
{
	static const struct {
		const char *verb;  /* a name follows, if it ends with a blank */
		const char *more;  /* behind the name */
		const char *end;   /* behind the response, if there is one */
	} rows[] = {
		[INFO] = { "show info", "", "\n" },
		[LIST] = { "show ssl cert", "", "\n" },
		[UPDATED] = { "show ssl ocsp-updates", "", "\n" },
		[LOOK] = { "show ssl cert ", "", "\n" },
		[SET] = { "set ssl ocsp-response", " ", "\n" },
		[STAGE] = { "set ssl cert ", ".ocsp <<\n", "\n\n" },
		[COMMIT] = { "commit ssl cert ", "", "\n" },
		[ABORT] = { "abort ssl cert ", "", "\n" },
	};
	const char *verb = rows[p->command].verb;
	bool named = verb[strlen(verb) - 1] == ' ';
	enum ocu_status st;

	ocu_buf_reset(&p->line);
	st = ocu_buf_addf(&p->line, "%s", verb);
	if (st == OCU_OK && named)
		st = ocu_cli_word(&p->line, p->file->name);
	if (st == OCU_OK)
		st = ocu_buf_addf(&p->line, "%s", rows[p->command].more);
	if (st == OCU_OK && (p->command == SET || p->command == STAGE))
		st = add_response(&p->line, p->file);
	return st == OCU_OK ? ocu_buf_addf(&p->line, "%s", rows[p->command].end) : st;
}

/* Asks what is next, unless something is under way, or there is nothing. */
static void process_go(struct ocu_process *p)
{
	enum ocu_status st;

	while (!ocu_cli_busy(&p->cli)) {
		p->command = process_next(p, &p->file);
		if (p->command == NONE)
			return;
		st = line_make(p);
		if (st == OCU_OK) {
			if (p->command == SET || p->command == STAGE)
				p->count = p->file->leaf->count;
			p->asked_ms = ocu_now_ms();
			ocu_cli_start(&p->cli, &p->addr, (const char *)p->line.data, p->line.len);
			return;
		}
		if (!p->file)
			return;
		file_say(p->file, OCU_LEVEL_ERROR, ocu_text(st));
		file_done(p->file);
		p->command = NONE;
	}
}

/* ---- what is answered ---- */

static void process_lost(struct ocu_process *p, const char *why)
{
	if (!p->lost)
		ocu_log(OCU_LEVEL_WARNING, "%s: HAProxy is not reached: %s", p->text, why);
	p->lost = true;
	p->reached = false;
}

/* Returns what <answer> says, as it may go into a log; <err> holds it. */
static const char *quoted(struct ocu_err *err, const char *answer)
{
	size_t n;
	const char *says = ocu_answer_says(answer, &n);

	(void)ocu_fail(err, OCU_IO, "%.*s", n < 160 ? (int)n : 160, says);
	return err->msg;
}

/* What answers is no HAProxy, or does not let us. */
static void process_refuses(struct ocu_process *p, const char *answer)
{
	struct ocu_err said, err;

	(void)ocu_fail(&err, OCU_IO, "it says: %s (the socket has to have level admin)",
		       quoted(&said, answer));
	process_lost(p, err.msg);
}

/* Another process is there than before: nothing of what was known of it holds. */
static void process_anew(struct ocu_process *p, const char *answer)
{
	char version[64];
	struct file *f;

	if (!ocu_answer_value(answer, "Version", version, sizeof(version)))
		snprintf(version, sizeof(version), "of unknown version");
	ocu_log(OCU_LEVEL_NOTICE, "%s: HAProxy %s, process %lld", p->text, version,
		(long long)p->pid);
	TAILQ_FOREACH(f, &p->files, link) {
		f->given = 0;
		f->looked = f->staples = f->staged = f->begun = false;
		file_todo(f);
	}
	p->list_ms = 0;
}

static void answer_info(struct ocu_process *p, const char *answer)
{
	int64_t pid = ocu_answer_number(answer, "Pid");
	int64_t age = ocu_answer_number(answer, "Uptime_sec");
	int64_t began = ocu_wall_s() - age;
	bool same = pid == p->pid && began - p->began_s <= 2 && p->began_s - began <= 2;

	p->info_due = false;
	if (pid < 0 || age < 0) {
		process_refuses(p, answer);
		return;
	}
	p->reached = true;
	p->pid = pid;
	p->began_s = began;
	if (!same)
		process_anew(p, answer);
}

static void answer_list(struct ocu_process *p, const char *answer)
{
	const char *at = answer, *name;
	int64_t now = ocu_now_ms(), took = now - p->asked_ms;
	struct file *f, *next;
	size_t n;

	if (*answer != '#' && *answer != '\n') {
		process_refuses(p, answer);
		return;
	}
	TAILQ_FOREACH(f, &p->files, link)
		f->listed = false;
	while (ocu_answer_cert(&at, &name, &n)) {
		f = file_find(p, name, n);
		if (!f && (f = file_new(p, name, n)))
			file_todo(f);
		if (f)
			f->listed = true;
	}
	for (f = TAILQ_FIRST(&p->files); f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (!f->listed)
			file_free(f);
	}
	/* a list that takes long is asked for seldom */
	p->list_ms = now + (took * 30 > OCU_PROCESS_LIST_MS ? took * 30 : OCU_PROCESS_LIST_MS);
	p->updated_due = true;
	p->lost = false;
}

static void answer_updated(struct ocu_process *p, const char *answer)
{
	const char *at = answer, *name;
	struct file *f;
	size_t n;

	p->updated_due = false;
	TAILQ_FOREACH(f, &p->files, link)
		f->listed = false;
	while (!ocu_answer_unknown(answer) && ocu_answer_updated(&at, &name, &n)) {
		f = file_find(p, name, n);
		if (f)
			f->listed = true;
	}
	TAILQ_FOREACH(f, &p->files, link) {
		if (f->own == f->listed)
			continue;
		f->own = f->listed;
		file_forget(f);
		f->looked = false;
		file_todo(f);
		file_say(f, OCU_LEVEL_NOTICE,
			 f->own ? "HAProxy updates its response itself" : NULL);
	}
}

/* Returns the .ocsp file that HAProxy reads for the certificate <path>, for the caller to free. Who
 * answers may be anybody, and is not to name other files that are written; NULL then, or without
 * memory.
 */
static char *beside_make(const char *answer, const char *path)
{
	static const char suffix[] = ".ocsp";
	char name[PATH_BYTES], *out = NULL;
	size_t n;

	if (!ocu_answer_value(answer, "OCSP filename", name, sizeof(name)) || !*name)
		return asprintf(&out, "%s%s", path, suffix) < 0 ? NULL : out;
	n = strlen(name);
	if (n < strlen(suffix) || strcmp(name + n - strlen(suffix), suffix) != 0)
		return NULL;
	return strdup(name);
}

/* What HAProxy has for <f> is known now. */
static void answer_look(struct file *f, const char *answer)
{
	char sum[SUM_BYTES], path[PATH_BYTES], text[1024];
	struct ocu_err err;
	bool same;

	f->looked = true;
	if (!ocu_answer_value(answer, "SHA1 FingerPrint", sum, sizeof(sum)) || !*sum) {
		file_forget(f);
		file_say(f, OCU_LEVEL_WARNING, "not updated: HAProxy does not show it");
		return;
	}
	f->used = !ocu_answer_value(answer, "Status", text, sizeof(text)) ||
		  strcmp(text, "Unused") != 0;
	same = strcmp(sum, f->sum) == 0;
	/* before 2.5 it does not tell: what was committed counts */
	f->staples = (same && f->staples) ||
		     (ocu_answer_value(answer, "OCSP Response Key", text, sizeof(text)) && *text);
	if (f->leaf && same)
		return;
	if (!ocu_answer_value(answer, "Crt filename", path, sizeof(path)) || !*path)
		snprintf(path, sizeof(path), "%s", f->name);
	file_forget(f);
	snprintf(f->sum, sizeof(f->sum), "%s", sum);
	if (file_read(f, path, &err) == OCU_OK) {
		f->beside = beside_make(answer, path);
		file_save(f);
		file_say(f, OCU_LEVEL_NOTICE, NULL);
		return;
	}
	snprintf(text, sizeof(text), "not updated: %s", err.msg);
	file_say(f, OCU_LEVEL_WARNING, text);
}

/* <f> staples the response that was sent. */
static void file_stapled(struct ocu_process *p, struct file *f)
{
	f->given = p->count;
	file_say(f, OCU_LEVEL_NOTICE, NULL);
}

/* Nor does it, and will not. */
static void file_refused(struct ocu_process *p, struct file *f, const char *answer)
{
	struct ocu_err said, err;

	(void)ocu_fail(&err, OCU_IO, "HAProxy refuses the response: %s", quoted(&said, answer));
	file_say(f, OCU_LEVEL_ERROR, err.msg);
	f->given = p->count;
}

static void answer_set(struct ocu_process *p, struct file *f, const char *answer)
{
	if (strstr(answer, "OCSP Response updated"))
		file_stapled(p, f);
	else if (strstr(answer, "does not match any certificate"))
		f->looked = f->staples = false; /* it was replaced */
	else
		file_refused(p, f, answer);
}

/* Somebody else has a transaction open. That is to be over in a moment. */
static void process_blocked(struct ocu_process *p, const char *answer)
{
	int64_t now = ocu_now_ms();
	struct ocu_err err;

	p->blocked = true;
	if (!p->blocked_ms)
		p->blocked_ms = now;
	if (now - p->blocked_ms < BLOCKED_MS)
		return;
	ocu_log(OCU_LEVEL_WARNING, "%s: no certificate can be given its first response while a "
		"transaction is open; commit it, or 'abort ssl cert': %s", p->text,
		quoted(&err, answer));
	p->blocked_ms = now + BLOCKED_AGAIN_MS;
}

/* Whoever has begun a transaction ends it: what is in it is not for us to commit. */
static void answer_stage(struct ocu_process *p, struct file *f, const char *answer)
{
	if (strstr(answer, "Transaction created"))
		f->begun = true;
	f->staged = f->begun;
	if (f->begun)
		p->blocked_ms = 0;
	else if (strstr(answer, "Transaction updated") || strstr(answer, "The ongoing transaction"))
		process_blocked(p, answer);
	else
		file_refused(p, f, answer);
}

static void answer_commit(struct ocu_process *p, struct file *f, const char *answer)
{
	f->staged = f->begun = false;
	if (strstr(answer, "Success!")) {
		f->staples = true;
		file_stapled(p, f);
		return;
	}
	/* it is another process than the one in which that was begun, or somebody has aborted it */
	if (strstr(answer, "No ongoing transaction")) {
		f->looked = false;
		p->info_due = true;
		return;
	}
	file_refused(p, f, answer);
	p->command = ABORT;
}

/* What a command about <f> (may be NULL) has come to is not known. It may be what ends the answers,
 * so that others come first.
 */
static void file_lost(struct file *f)
{
	if (!f)
		return;
	f->looked = f->staged = false;
	file_done(f);
	file_todo(f);
}

/* Takes the answer to the command <what> about <f>. */
static void answer_take(struct ocu_process *p, enum command what, struct file *f,
			const char *answer)
{
	switch (what) {
	case INFO:
		answer_info(p, answer);
		break;
	case LIST:
		answer_list(p, answer);
		break;
	case UPDATED:
		answer_updated(p, answer);
		break;
	case LOOK:
		answer_look(f, answer);
		break;
	case SET:
		answer_set(p, f, answer);
		break;
	case STAGE:
		answer_stage(p, f, answer);
		break;
	case COMMIT:
		answer_commit(p, f, answer);
		break;
	case ABORT:
	case NONE:
		break;
	}
}

static void answered(void *arg, char *answer, const struct ocu_err *err)
{
	struct ocu_process *p = arg;
	enum command what = p->command;

	p->command = NONE;
	if (err->code != OCU_OK) {
		process_lost(p, err->msg);
		p->info_due = false;
		file_lost(p->file);
		return;
	}
	/* somebody else looks at certificates or changes them, for a moment */
	p->locked = strstr(answer, "currently locked") != NULL;
	if (p->locked)
		ocu_loop_timer_start(p->loop, &p->tick, OCU_PROCESS_LOCKED_MS);
	else
		answer_take(p, what, p->file, answer);
	process_go(p);
}

/* ---- time ---- */

/* Some of the certificates are looked at again: they may have been replaced. */
static void look_again(struct ocu_process *p)
{
	struct file *f;
	int i;

	for (i = 0; i < OCU_PROCESS_LOOKS && (f = TAILQ_FIRST(&p->files)); i++) {
		TAILQ_REMOVE(&p->files, f, link);
		TAILQ_INSERT_TAIL(&p->files, f, link);
		f->looked = false;
		file_todo(f);
	}
}

static void tick_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_process *p = w->data;

	(void)revents;
	p->info_due = true;
	p->locked = p->blocked = false;
	if (p->reached && TAILQ_EMPTY(&p->todos))
		look_again(p);
	process_go(p);
	ocu_loop_timer_start(loop, w, OCU_PROCESS_TICK_MS);
}

enum ocu_status ocu_process_new(struct ocu_process **out, struct ev_loop *loop,
				struct ocu_leaves *ls, struct ocu_beside *beside,
				const char *addr, struct ocu_err *err)
{
	struct ocu_process *p = calloc(1, sizeof(*p));
	enum ocu_status st;

	*out = NULL;
	if (!p)
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	st = ocu_cli_parse(&p->addr, addr, err);
	if (st != OCU_OK) {
		free(p);
		return st;
	}
	p->loop = loop;
	p->leaves = ls;
	p->beside = beside;
	p->text = addr;
	p->pid = -1;
	TAILQ_INIT(&p->files);
	TAILQ_INIT(&p->todos);
	ocu_buf_init(&p->line, OCU_CLI_COMMAND_MAX_BYTES);
	ocu_cli_init(&p->cli, loop, answered, p);
	ocu_loop_timer_init(&p->tick, tick_cb, p);
	ocu_loop_timer_start(loop, &p->tick, 0);
	*out = p;
	return OCU_OK;
}

void ocu_process_free(struct ocu_process *p)
{
	struct file *f;

	if (!p)
		return;
	ocu_loop_timer_stop(p->loop, &p->tick);
	ocu_cli_fini(&p->cli);
	while ((f = TAILQ_FIRST(&p->files)))
		file_free(f);
	ocu_buf_fini(&p->line);
	free(p);
}
