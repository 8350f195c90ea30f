/* SPDX-License-Identifier: GPL-2.0-or-later */
/* glue.h - what the files of the glue share: settings, certificates, orders between threads.
 *
 * Who may touch what:
 * - struct cert, first part: constant once it is made.
 * - cert->entry: under HAProxy's ocsp_tree_lock.
 * - cert->mail, cert->next_mail and the list of requests: under the lock of the mailbox (cert.c).
 * - all else of a cert, and the schedule: the updater task alone.
 * Any HAProxy thread posts to the mailbox; the loop thread only hands back finished jobs.
 */
#ifndef OCU_HAPROXY_GLUE_H
#define OCU_HAPROXY_GLUE_H

#include "compat.h"
#include "ocu/walk.h"
#include "ocu/store.h"
#include "ocu/update.h"

struct appctx;

/* ---- conf.c: settings, read from the configuration before chroot ---- */

struct settings {
	int64_t timeout_ms;    /* ocsp-update.timeout */
	int64_t connect_ms;    /* httpclient.timeout.connect */
	unsigned maxconn;      /* ocsp-update.maxconn */
	unsigned host_maxconn; /* ocsp-update.host-maxconn */
	enum ocu_family family;
	enum ocu_family prefer;
	bool resolvers_off;    /* httpclient.resolvers.disabled */
	char *resolvers_id;    /* httpclient.resolvers.id, NULL: "default" */
	struct sockaddr_storage proxy;
	struct ocu_buf nameservers; /* "addr:port,addr:port", terminated */
	bool tls_no_verify;    /* httpclient.ssl.verify none */
	char *ca_file;         /* httpclient.ssl.ca-file, NULL: those of the system */
	SSL_CTX *tls;          /* for https responders, NULL: they cannot be asked */
	char *state_dir;       /* ocsp-update.state-dir, NULL: none */
	int64_t wait_ms;       /* ocsp-update.wait, 0: start at once */
	bool wait_all;         /* wait for all, not only for must-staple certificates */
};

extern struct settings settings;

/* ---- cert.c: the certificates that HAProxy has loaded, and the mailbox ---- */

/* HAProxy's status numbers (its manual, "show ssl ocsp-updates"). */
enum log_status {
	LOG_ST_UNKNOWN = 0,
	LOG_ST_OK = 1,
	LOG_ST_HTTP = 2,
	LOG_ST_TYPE = 3,
	LOG_ST_CHECK = 4,
	LOG_ST_INSERT = 5,
};

/* How the last fetch of a certificate ended. Counted, constant once it can be seen. */
struct outcome {
	unsigned refs;
	enum log_status status;
	int http_status;
	char reason[OCU_ERR_BYTES];
	char uri[OCU_URL_MAX_BYTES + 1];
	char address[64];
	char trace[OCU_WALK_TRACE_BYTES];
};

/* What is waiting for the updater task to be done with a certificate. */
enum {
	MAIL_NEW = 1 << 0,     /* put it into the schedule */
	MAIL_ON = 1 << 1,      /* update it by itself from now on */
	MAIL_CHANGED = 1 << 2, /* somebody else set its response */
	MAIL_ORDER = 1 << 3,   /* fetch it now */
	MAIL_FORGET = 1 << 4,  /* it is gone */
};

/* One certificate to staple for: one CertID. Counted: one reference for being known to HAProxy,
 * one for each job, row and lookup.
 */
struct cert {
	unsigned refs;
	char *path; /* of the file that brought it first */
	X509 *x509, *issuer;
	bool must_staple;
	struct ocu_url *uris;
	size_t n_uris;
	char *bad_uris; /* the unusable ones with their reasons, NULL if none */
	bool loaded;    /* the state directory was asked; written while starting, or by the task */
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
	unsigned key_len;

	struct certificate_ocsp *entry; /* NULL once HAProxy has forgotten it */

	unsigned mail;
	struct cert *next_mail;

	struct ocu_item item;
	bool known;                  /* is in the schedule and in the list of all */
	struct cert *next, **link;   /* list of all */
	unsigned successes, failures;
	int64_t updated;             /* wall clock of the last success, 0: never */
	bool revoked;
	int64_t next_update;         /* of the held response */
	struct ocu_http_validators validators;
	size_t validators_uri;       /* the URI that they are from */
	struct outcome *last;        /* NULL: no fetch ended yet */
	bool loading;                /* waits for the state directory before it is scheduled */
	bool on;                     /* is to be updated by itself */
	int alerted;                 /* alerts given for the end of the held response */
};

void cert_put(struct cert *c);
void outcome_put(struct outcome *o);

/* Finds what the module keeps for the loaded certificate file <path>; *c has a reference, or is
 * NULL: the text says why not. HAProxy thread.
 */
const char *cert_find(const char *path, struct cert **c);

/* Reads what HAProxy holds for <c> into <o> and returns from when it is not stapled any more; <o>
 * is zeroed and 0 returned if nothing is held. HAProxy thread.
 */
int64_t cert_held(struct cert *c, struct ocu_ocsp *o);

/* Makes <resp>, whose reference is taken over, what is stapled for <c>; not if somebody has just
 * set another one, which the task has not seen yet: then false. HAProxy thread.
 */
bool cert_publish(struct cert *c, struct ocsp_resp *resp);

/* While starting: a warning for each certificate whose loaded response says it is revoked. */
void certs_warn_revoked(void);

/* Leaves <mail> for <c> and wakes the task. HAProxy thread; the caller holds a reference. */
void cert_post(struct cert *c, unsigned mail);

/* Takes the certificate that has waited longest, with a reference, and what is waiting for it; NULL
 * if there is none. Updater task.
 */
struct cert *mail_take(unsigned *mail);

/* Returns all that are waiting, linked by next_mail. While starting, when there is one thread. */
struct cert *mail_peek(void);

/* ---- state.c: the state directory ---- */

/* CertIDs of all certificates that are loaded. */
struct state_keys {
	size_t n;
	struct {
		unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
		unsigned len;
	} *v;
};

/* While starting: opens the directory, with a warning if it cannot be used; reads it for all
 * certificates that are loaded so far.
 */
void state_open(void);
void state_load(void);
void state_close(void);
bool state_on(void);

/* On the loop thread, first: what it writes while starting belongs to the later user already. */
void state_thread_init(void);

/* Reads and verifies what was saved for <c> into <der> and <o>. OCU_AGAIN: nothing. Blocks on the
 * disk: loop thread.
 */
OCU_MUST enum ocu_status state_read(const struct cert *c, struct ocu_buf *der, struct ocu_ocsp *o,
				    int64_t now, struct ocu_err *err);

/* Saves the response <der> of <c>. Blocks on the disk: loop thread. */
OCU_MUST enum ocu_status state_write(const struct cert *c, const struct ocu_buf *der,
				     int64_t next_update, struct ocu_err *err);

/* Collects what is loaded; removes what has expired and is not among it. The latter blocks on the
 * disk: loop thread.
 */
void state_keys_add(struct state_keys *keys, const struct cert *c);
void state_sweep(const struct state_keys *keys, int64_t now);

/* ---- alert.c: what is said unasked; updater task ---- */

/* Whether something that may be stapled at <wall_s> is held for <c>. */
bool cert_has_response(const struct cert *c, int64_t wall_s);

/* One line in the log if certificates of the list <all> are without a response. */
void alert_summary(const struct cert *all, int64_t wall_s);

/* Whether `ocsp-update.wait` still waits for one of them, and the warning when its time is over. */
bool alert_waits_for(const struct cert *all, int64_t wall_s);
size_t alert_waited(const struct cert *all, int64_t wall_s);

/* An alert when a must-staple certificate that cannot be renewed has 24, 6 and 1 hours left. */
void alert_ending(struct cert *c, int64_t wall_s);

/* ---- task.c: the updater task ---- */

/* One line of what a command shows: copied by the task, printed by the command. */
struct row {
	struct cert *cert;
	struct outcome *last;
	enum ocu_item_state state;
	bool automatic;
	bool blocked;      /* waits for a responder that is down */
	bool revoked;
	unsigned failures_in_a_row;
	unsigned successes, failures;
	int64_t updated;
	int64_t due;       /* wall clock */
	int64_t this_update, next_update;
	bool held;
};

/* A question of a command to the task. Counted: each of the two has one reference. */
struct request {
	unsigned refs;
	struct request *next;
	struct cert *only;      /* NULL: all that are updated by themselves */
	bool ready;
	struct appctx *appctx;  /* whom to wake; NULL once the command has gone */
	struct row *rows;
	size_t n_rows;
	bool failed;            /* no memory */
	__decl_thread(HA_SPINLOCK_T lock); /* ready and appctx */
};

/* Takes a reference, asks the task; the command then waits for ready. HAProxy thread. */
void request_post(struct request *r);
struct request *request_take_all(void);
void request_put(struct request *r);

/* Whether fetches are started at all. HAProxy thread. */
bool updater_runs(void);

/* Wakes the updater task; does nothing before the process serves. HAProxy thread. */
void updater_wake(void);

/* Whether a certificate has been loaded for TLS: then the loop thread is started. */
extern bool updater_needed;

/* Whether a certificate that is updated has a responder by name: then DNS matters. */
extern bool conf_needs_names;

const char *log_status_text(enum log_status st);

#endif
