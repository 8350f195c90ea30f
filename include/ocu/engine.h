/* SPDX-License-Identifier: GPL-2.0-or-later */
/* engine.h - keeps responses up to date for a host (HAProxy, or an agent beside one): all state of
 * all certificates, on the loop thread. The host hands over certificates and publishes responses;
 * it owns nothing of the engine, and no thread of it ever waits for it.
 *
 * Two crossings: what the host says is posted to the loop thread; what the engine has for the host
 * is queued, the host is woken, and takes it with ocu_engine_deliver() on a thread of its own.
 */
#ifndef OCU_ENGINE_H
#define OCU_ENGINE_H

#include "ocu/openssl.h"

#include <openssl/x509.h>

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/disk.h"
#include "ocu/fetch.h"
#include "ocu/loop.h"
#include "ocu/outbox.h"
#include "ocu/plan.h"

#define OCU_ENGINE_KEY_MAX_BYTES 256 /* longest CertID */
#define OCU_ENGINE_DISK_MS 2000      /* longest wait of ocu_engine_stop() for a disk that hangs */

struct ocu_engine;

/* How urgent a line is. */
enum ocu_level { OCU_LEVEL_NOTICE, OCU_LEVEL_WARNING, OCU_LEVEL_ERROR, OCU_LEVEL_ALERT };

/* A response on its way to the host. Read-only until ocu_engine_published(). */
struct ocu_publication {
	const uint8_t *key;       /* the CertID in DER */
	size_t key_len;
	const struct ocu_buf *der;
	const struct ocu_held *held; /* its times */
	unsigned changes;         /* the count that came with the last ocu_engine_load() or
				   * ocu_engine_held() which the engine knew when it accepted the
				   * response */
};

/* What a command asks. */
enum ocu_inquiry_kind {
	OCU_INQUIRY_TABLE,  /* a line for each that is updated by itself, HAProxy's columns */
	OCU_INQUIRY_JSON,   /* the same and more as JSON */
	OCU_INQUIRY_DETAIL, /* all that is known of one certificate */
	OCU_INQUIRY_ORDER,  /* ask for a response now; the answer is empty, or says why not */
};

/* A question and its answer, piece by piece. Owned by the host while it has it, by the engine from
 * ocu_engine_inquire() to ops->answer().
 */
struct ocu_inquiry {
	enum ocu_inquiry_kind kind;
	uint8_t key[OCU_ENGINE_KEY_MAX_BYTES]; /* DETAIL, ORDER: of which certificate */
	size_t key_len;
	struct ocu_buf text; /* the next piece of the answer; init'd and fini'd by the host */
	bool end;            /* it was the last one */
	/* private */
	struct ocu_msg msg;
	struct ocu_parcel parcel;
	struct ocu_engine *engine;
	struct ocu_listing *listing;
	bool drop;
};

/* What the host does. publish, log and answer are called from ocu_engine_deliver(), on its thread;
 * wake on any thread of the engine.
 */
struct ocu_host_ops {
	/* Staples the response <p> if no other one was set since; calls ocu_engine_published(),
	 * once, from here or later.
	 */
	void (*publish)(void *host, struct ocu_publication *p);
	/* Writes <text> about the certificate file <path> into the log; if <path> is NULL it is a
	 * whole line.
	 */
	void (*log)(void *host, enum ocu_level level, const char *path, const char *text);
	/* Takes <inquiry> back, with a piece of its answer. */
	void (*answer)(void *host, struct ocu_inquiry *inquiry);
	/* There is something to deliver. */
	void (*wake)(void *host);
};

struct ocu_engine_conf {
	struct ocu_plan_conf plan;
	struct ocu_fetch_conf fetch; /* its texts are kept by the caller until ocu_engine_free() */
	int64_t timeout_ms;          /* ocsp-update.timeout: one certificate and try */
	const struct ocu_store *store; /* keeps; NULL: no state directory */
	uid_t uid;                   /* 0, or whose files are written while the process is root */
	gid_t gid;
	bool reason_inside;          /* lines and tables have the reason of a failure inside of the
				      * text, as HAProxy from 3.2 on, and not behind it or not */
};

/* Makes an engine without a thread. <ops> and <host> are kept. Errors: OCU_NOMEM, OCU_IO with the
 * reason; *out is then NULL.
 */
OCU_MUST enum ocu_status ocu_engine_new(struct ocu_engine **out, const struct ocu_host_ops *ops,
					void *host, struct ocu_err *err);

/* Sets how the engine works. Once, before it is started for the first time; nothing is read of
 * <conf> later on but what it points to. Errors: OCU_NOMEM, and the engine can only be freed;
 * OCU_IO, and it works without its state directory.
 */
OCU_MUST enum ocu_status ocu_engine_configure(struct ocu_engine *e,
					      const struct ocu_engine_conf *conf,
					      struct ocu_err *err);

/* Says that somebody waits for responses: what fails is tried again within seconds. After
 * ocu_engine_configure(), while no thread runs.
 */
void ocu_engine_hurry(struct ocu_engine *e);

/* Starts the threads. Errors with the reason: OCU_IO (also if they run already, and then they go
 * on), OCU_NOMEM. Not on a thread of the engine, like the next two.
 */
OCU_MUST enum ocu_status ocu_engine_start(struct ocu_engine *e, struct ocu_err *err);

/* Ends the threads and frees nothing: for atexit(), and before ocu_engine_free().
 * What is in flight is given up, as if it had not begun. May be started again.
 */
void ocu_engine_stop(struct ocu_engine *e);

/* Stops and frees <e>, which may be NULL. Publications and asks that the host still has must have
 * been given back before.
 */
void ocu_engine_free(struct ocu_engine *e);

/* Whether its threads run. */
bool ocu_engine_runs(const struct ocu_engine *e);

/* From now on nothing is begun any more: the process is about to end. Any thread. */
void ocu_engine_pause(struct ocu_engine *e);

/* What is found in a certificate, for warnings. */
struct ocu_facts {
	bool must_staple;
	size_t n_uris;   /* usable OCSP URIs */
	bool names;      /* one of them has a host name: it needs DNS */
	bool https;      /* one of them is an https:// URI: it needs trusted certificates */
	char *bad_uris;  /* the unusable ones and why, NULL if none; the caller frees it */
};

/* Makes known that the certificate <cert> of the file <path>, issued by <issuer>, is loaded: its
 * response is updated by itself if <automatic>. Known ones are found by their CertID <key>, and get
 * the newer issuer. <changes> is a number of the host's that comes back with publications, see
 * ocu_engine_held(); what is loaded again after an unload has to get one that it never had before,
 * so that no response which is on its way to the one before is taken for its own. Of a known one it
 * is ignored. <facts> may be NULL. All is borrowed but the certificates, which get a reference.
 * Errors: OCU_NOMEM. Any thread, like the following ones.
 */
OCU_MUST enum ocu_status ocu_engine_load(struct ocu_engine *e, const uint8_t *key, size_t key_len,
					 const char *path, X509 *cert, X509 *issuer, bool automatic,
					 unsigned changes, struct ocu_facts *facts);

/* The certificate is not used any more. Errors: OCU_NOMEM; it goes on being updated then. */
OCU_MUST enum ocu_status ocu_engine_unload(struct ocu_engine *e, const uint8_t *key,
					   size_t key_len);

/* The host holds the <n> bytes <der> (borrows) for the certificate now; 0: nothing. With the number
 * <changes> of the load they came with the certificate; whenever somebody else than the engine has
 * set them, it is another one than before. Errors: OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_engine_held(struct ocu_engine *e, const uint8_t *key, size_t key_len,
					 const void *der, size_t n, unsigned changes);

/* Like ocu_engine_held(), for a response that another process of the host has fetched: it is no
 * news if the engine has a newer one, does not count as a change, and nothing is logged about it.
 */
OCU_MUST enum ocu_status ocu_engine_found(struct ocu_engine *e, const uint8_t *key, size_t key_len,
					  const void *der, size_t n);

/* Hands <inquiry> (takes, until ops->answer()) to the engine: for its first piece, or the next. */
void ocu_engine_inquire(struct ocu_engine *e, struct ocu_inquiry *inquiry);

/* Like ocu_engine_inquire() when no further piece is wanted: answered with end set. */
void ocu_engine_drop(struct ocu_engine *e, struct ocu_inquiry *inquiry);

/* Hands at most <max> things to the host, on the calling thread; with <logs> also lines for the
 * log, which are kept otherwise. Returns whether there is more. One thread at a time.
 */
bool ocu_engine_deliver(struct ocu_engine *e, unsigned max, bool logs);

/* Gives <p> back: OCU_OK if it is stapled now, OCU_HELD if another response was set meanwhile, any
 * other status if it could not be published: then what was stapled before still is. Any thread.
 */
void ocu_engine_published(struct ocu_engine *e, struct ocu_publication *p, enum ocu_status st);

/* While no thread runs: takes in what was posted, reads the state directory for all certificates
 * and queues what may be stapled, on the calling thread, which may use other threads meanwhile.
 */
void ocu_engine_preload(struct ocu_engine *e);

/* How many certificates that are updated by themselves have no response that may be stapled; with
 * <must> only those that are must-staple. Of what was taken in so far. Any thread.
 */
size_t ocu_engine_missing(const struct ocu_engine *e, bool must);

/* Writes "path: reason; ..." of the first of those into <out>, and returns how many there are.
 * While no thread of the engine runs.
 */
size_t ocu_engine_say_missing(struct ocu_engine *e, bool must, char *out, size_t size);

/* Returns the one descriptor that an engine has before it is started: its state directory; -1:
 * none. A process that is to start it must not close that one.
 */
int ocu_engine_dir(const struct ocu_engine *e);

/* Writes the versions of the libraries for `haproxy -vv`: "c-ares 1.18.1, libev 4.33". */
void ocu_engine_versions(char out[static OCU_FETCH_VERSIONS_BYTES]);

/* Returns the descriptors that an engine with <n> fetches at the same time uses at most. */
unsigned ocu_engine_fds(unsigned n);

#endif
