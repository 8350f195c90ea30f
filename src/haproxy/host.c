/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - the task between HAProxy and the engine. Decides nothing.
 *
 * HAProxy reads responses without a lock during handshakes (before upstream's fix of July 2026), so
 * they are replaced while all threads are isolated, as many as have come, and not more often than
 * every ISOLATE_MS, or less often where that takes long. What is logged about a response is written
 * after it is stapled.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <haproxy/clock.h>
#include <haproxy/errors.h>
#include <haproxy/log.h>
#include <haproxy/signal.h>
#include <haproxy/task.h>
#include <haproxy/tools.h>

#include "ahead.h"
#include "entries.h"
#include "host.h"
#include "stores.h"

#define DELIVER_AT_ONCE 256 /* in one run of the task, and the size of a batch */
#define TAKE_AT_ONCE 16     /* certificates in one isolation */
#define SWEEP_AT_ONCE 64
#define SWEEP_MS 10         /* from one part of a sweep to the next */
#define ISOLATE_MS 20
#define ISOLATE_MAX_MS 200
#define ISOLATE_SHARE 100   /* threads wait for isolation one part in so many of the time */
#define START_LINES 20 /* about certificates, on the console */
#define EARLY_MAX_BYTES (4 << 20)

struct ocu_engine *ocu_host_engine;

static int event_fd = -1;
static bool serving; /* written on one thread, before others ask */
static unsigned start_lines;

/* What was delivered and waits for the isolation. */
static struct {
	struct {
		struct ocu_publication *p;
		char *area; /* its copy */
	} pubs[DELIVER_AT_ONCE];
	struct {
		int level;
		char *text;
	} lines[DELIVER_AT_ONCE];
	unsigned n_pubs, n_lines;
} batch;

/* What commands may have changed: the entry <key>, or that of a certificate file. */
struct look {
	struct look *next;
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH];
	char path[]; /* "": by its key */
};
static struct look *looks;
static struct ocu_host_inquiry *questions; /* that came while there were such */
static unsigned swept_for, sweep_wanted; /* counts of what may have removed an entry */
static bool hurry; /* a command that brings something has ended */

/* ---- what the engine asks for ---- */

static void publish(void *host, struct ocu_publication *p)
{
	char *area = malloc(p->der->len);
	enum ocu_status st = OCU_NOMEM;

	(void)host;
	if (area)
		memcpy(area, p->der->data, p->der->len);
	if (area && serving) {
		batch.pubs[batch.n_pubs].p = p;
		batch.pubs[batch.n_pubs++].area = area;
		return;
	}
	/* while starting and at the end there is one thread */
	if (area)
		st = ocu_entries_swap(ocu_host_engine, p, &area);
	free(area);
	ocu_engine_published(ocu_host_engine, p, st);
}

/* Takes <text>, which waits for the responses that were delivered before it. */
static void line_add(int level, char *text)
{
	if (text && !serving) {
		send_log(NULL, level, "%s", text);
		free(text);
		return;
	}
	if (!text)
		return;
	batch.lines[batch.n_lines].level = level;
	batch.lines[batch.n_lines++].text = text;
}

static const int levels[] = {
	[OCU_LEVEL_NOTICE] = LOG_NOTICE,
	[OCU_LEVEL_WARNING] = LOG_WARNING,
	[OCU_LEVEL_ERROR] = LOG_ERR,
	[OCU_LEVEL_ALERT] = LOG_ALERT,
};

static void log_line(void *host, enum ocu_level level, const char *path, const char *text)
{
	char *line = NULL;

	(void)host;
	if (!path)
		line_add(levels[level], memprintf(&line, "%s\n", text));
	else if (!(global.mode & MODE_STARTING))
		line_add(levels[level], memprintf(&line, "<OCSP-UPDATE> %s: %s\n", path, text));
	else if (start_lines++ < START_LINES)
		ha_notice("ocsp-update: '%s': %s.\n", path, text);
}

static void answer(void *host, struct ocu_inquiry *inquiry)
{
	struct ocu_host_inquiry *a = container_of(inquiry, struct ocu_host_inquiry, inquiry);

	(void)host;
	a->answered(a);
}

/* On a thread of the engine: wakes the poller of HAProxy. */
static void wake(void *host)
{
	uint64_t one = 1;

	(void)host;
	/* it can only be full if it was not read for 2^64 - 2 times: then it is readable anyway */
	if (event_fd >= 0)
		DISGUISE(write(event_fd, &one, sizeof(one)));
}

static struct ocu_host_ops ops = {
	.publish = publish,
	.log = log_line,
	.answer = answer,
	.wake = wake,
};

void ocu_host_divert(void (*published)(void *host, struct ocu_publication *p),
		     void (*logged)(void *host, enum ocu_level level, const char *path,
				    const char *text))
{
	ops.publish = published;
	ops.log = logged;
}

/* ---- lines from before the process serves ---- */

/* HAProxy writes no log until its threads are there. */
static struct early_line {
	struct early_line *next;
	int level;
	char text[];
} *early, **early_end = &early;
static size_t early_bytes;
static unsigned early_lost;

void ocu_host_line(int64_t level, const char *text)
{
	size_t n = strlen(text) + 1;
	struct early_line *l = NULL;

	if (level < 0 || level >= (int64_t)(sizeof(levels) / sizeof(*levels)))
		level = OCU_LEVEL_ERROR;
	if (early_bytes < EARLY_MAX_BYTES)
		l = malloc(sizeof(*l) + n);
	if (!l) {
		early_lost++;
		return;
	}
	l->next = NULL;
	l->level = levels[level];
	memcpy(l->text, text, n);
	early_bytes += sizeof(*l) + n;
	*early_end = l;
	early_end = &l->next;
}

static void early_drop(void)
{
	struct early_line *l = early;

	early = l->next;
	if (!early)
		early_end = &early;
	free(l);
}

/* Writes some of them. Returns whether there are more. */
static bool early_write(void)
{
	unsigned i;

	for (i = 0; early && i < DELIVER_AT_ONCE; i++) {
		send_log(NULL, early->level, "%s\n", early->text);
		early_drop();
	}
	if (early_lost && !early) {
		send_log(NULL, LOG_WARNING, "<OCSP-UPDATE> %u lines from before the start are "
					    "left out\n", early_lost);
		early_lost = 0;
	}
	return early;
}

static void engine_make(void)
{
	struct ocu_err err;

	ocu_loop_cpus();
	if (ocu_engine_new(&ocu_host_engine, &ops, NULL, &err) != OCU_OK)
		ha_alert("ocsp-update: %s.\n", err.msg);
}
INITCALL0(STG_LOCK, engine_make);

/* ---- what commands want ---- */

/* "update ssl ocsp-response" has ended by now, so what there is to say goes into the log. */
struct order {
	struct ocu_host_inquiry host;
	char path[];
};

static void ordered(struct ocu_host_inquiry *a)
{
	struct order *o = container_of(a, struct order, host);
	struct ocu_buf *text = &a->inquiry.text;

	if (text->len)
		send_log(NULL, LOG_NOTICE, "<OCSP-UPDATE> %s: %.*s", o->path, (int)text->len,
			 (const char *)text->data);
	ocu_buf_fini(text);
	free(o);
}

static void order(const char *path, const unsigned char *key, size_t key_len)
{
	size_t n = strlen(path) + 1;
	struct order *o = calloc(1, sizeof(*o) + n);

	if (!o) {
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> %s: out of memory\n", path);
		return;
	}
	memcpy(o->path, path, n);
	o->host.answered = ordered;
	o->host.inquiry.kind = OCU_INQUIRY_ORDER;
	memcpy(o->host.inquiry.key, key, key_len);
	o->host.inquiry.key_len = key_len;
	ocu_buf_init(&o->host.inquiry.text, 1024);
	ocu_engine_inquire(ocu_host_engine, &o->host.inquiry);
}

/* Without memory it is found out when the next response is to be stapled. */
static void look_add(const unsigned char *key, const char *path)
{
	size_t n = strlen(path) + 1;
	struct look *l = HA_ATOMIC_LOAD(&serving) ? calloc(1, sizeof(*l) + n) : NULL;

	if (!l)
		return;
	if (key)
		memcpy(l->key, key, sizeof(l->key));
	memcpy(l->path, path, n);
	l->next = HA_ATOMIC_LOAD(&looks);
	while (!HA_ATOMIC_CAS(&looks, &l->next, l))
		;
}

void ocu_host_look(const char *path)
{
	if (path)
		look_add(NULL, path);
	HA_ATOMIC_STORE(&hurry, true);
	ocu_host_sweep();
}

void ocu_host_sweep(void)
{
	HA_ATOMIC_INC(&sweep_wanted);
	task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
}

void ocu_host_look_at(const unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH])
{
	look_add(key, "");
	task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
}

void ocu_host_inquire(struct ocu_host_inquiry *a)
{
	if (!HA_ATOMIC_LOAD(&looks)) {
		ocu_engine_inquire(ocu_host_engine, &a->inquiry);
		return;
	}
	a->next = HA_ATOMIC_LOAD(&questions);
	while (!HA_ATOMIC_CAS(&questions, &a->next, a))
		;
	task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
}

static void questions_ask(void)
{
	struct ocu_host_inquiry *a = HA_ATOMIC_XCHG(&questions, NULL), *next;

	for (; a; a = next) {
		next = a->next;
		ocu_engine_inquire(ocu_host_engine, &a->inquiry);
	}
}

static void look(struct look *l)
{
	if (!*l->path) {
		ocu_entries_look(ocu_host_engine, l->key, NULL);
		return;
	}
	ocu_stores_judge(l->path);
	ocu_entries_watch(ocu_host_engine, l->path);
	if (ocu_stores_key(l->path, l->key))
		ocu_entries_look(ocu_host_engine, l->key, l->path);
}

/* Isolated, so nobody adds one. Returns false if a command has the certificates. */
static bool looks_take(void)
{
	struct look *l;
	unsigned i;

	if (HA_SPIN_TRYLOCK(CKCH_LOCK, &ckch_lock))
		return false;
	for (i = 0; i < TAKE_AT_ONCE && (l = looks); i++) {
		looks = l->next;
		look(l);
		free(l);
	}
	HA_SPIN_UNLOCK(CKCH_LOCK, &ckch_lock);
	return true;
}

/* ---- the task ---- */

static void lines_write(void)
{
	unsigned i;

	for (i = 0; i < batch.n_lines; i++) {
		send_log(NULL, batch.lines[i].level, "%s", batch.lines[i].text);
		free(batch.lines[i].text);
	}
	batch.n_lines = 0;
}

/* How many things it can take in. */
static unsigned batch_room(void)
{
	return DELIVER_AT_ONCE - MAX(batch.n_pubs, batch.n_lines);
}

/* Isolated: the responses of the batch are stapled from now on. One for which there is no entry may
 * be for a transaction.
 */
static void batch_swap(enum ocu_status st[static DELIVER_AT_ONCE])
{
	struct ocu_publication *p;
	unsigned i;

	for (i = 0; i < batch.n_pubs; i++) {
		p = batch.pubs[i].p;
		st[i] = ocu_entries_swap(ocu_host_engine, p, &batch.pubs[i].area);
		if (st[i] == OCU_CANCELLED && ocu_ahead_keep(p, batch.pubs[i].area)) {
			batch.pubs[i].area = NULL;
			st[i] = OCU_OK;
		}
	}
}

static void batch_end(const enum ocu_status st[static DELIVER_AT_ONCE])
{
	unsigned i;

	for (i = 0; i < batch.n_pubs; i++) {
		free(batch.pubs[i].area);
		ocu_engine_published(ocu_host_engine, batch.pubs[i].p, st[i]);
	}
	batch.n_pubs = 0;
	lines_write();
}

/* How long to do without isolation after one that came after <ns>: when the slowest thread had done
 * what it was at. Where all are busy with handshakes that is what isolation costs, the more the
 * more of them there are, and it costs no less for fewer responses. No thread waits for longer.
 */
static unsigned isolation_pause_ms(uint64_t ns)
{
	uint64_t ms = ns * ISOLATE_SHARE / 1000000;

	return MAX(ISOLATE_MS, MIN(ms, ISOLATE_MAX_MS));
}

/* What must not be done beside handshakes and commands. Returns how long the next must wait. A
 * command that has the certificates says when it ends.
 */
static unsigned isolated_work(void)
{
	enum ocu_status st[DELIVER_AT_ONCE];
	uint64_t began_ns = now_mono_time();
	unsigned pause_ms;

	thread_isolate();
	pause_ms = isolation_pause_ms(now_mono_time() - began_ns);
	batch_swap(st);
	if (!ocu_entries_take(ocu_host_engine, TAKE_AT_ONCE, order, ocu_stores_judge_uris) ||
	    !looks_take())
		pause_ms = ISOLATE_MAX_MS;
	thread_release();
	batch_end(st);
	ocu_stores_log();
	return pause_ms;
}

/* Whether certificates wait to be looked up. Their lock is tried in isolation alone: a command that
 * finds it taken fails.
 */
static bool certs_wait(void)
{
	return HA_ATOMIC_LOAD(&looks) || ocu_entries_wait();
}

/* Goes on with the sweep, which commands make longer. Returns whether it is at its end. */
static bool sweep(void)
{
	unsigned wanted = HA_ATOMIC_LOAD(&sweep_wanted);

	if (wanted != swept_for)
		ocu_entries_sweep_again();
	swept_for = wanted;
	return !ocu_entries_sweep(ocu_host_engine, SWEEP_AT_ONCE);
}

static struct task *host_run(struct task *t, void *context, unsigned int state)
{
	static unsigned int isolated_ms; /* now_ms of the last time: only differences are told */
	static unsigned pause_ms = ISOLATE_MS;
	bool more, due;

	(void)context;
	(void)state;
	t->expire = TICK_ETERNITY;
	if (!ocu_host_engine || !serving)
		return t;
	/* a process that is being replaced begins nothing more */
	if (stopping)
		ocu_engine_pause(ocu_host_engine);
	else
		ocu_ahead_step(ocu_host_engine, ocu_entries_knows, ocu_entries_number);
	/* at the end of a command what it has brought is served: no time to lose */
	due = HA_ATOMIC_XCHG(&hurry, false) || now_ms - isolated_ms >= pause_ms;
	more = early_write();
	/* what has come while a batch waited goes with it */
	if (!more && (!batch.n_pubs || due))
		more = ocu_engine_deliver(ocu_host_engine, batch_room(), true);
	if (!batch.n_pubs)
		lines_write();
	if (batch.n_pubs || certs_wait()) {
		if (!due) {
			t->expire = tick_add(isolated_ms, pause_ms);
			return t;
		}
		isolated_ms = now_ms;
		pause_ms = isolated_work();
		/* what has come meanwhile, or could not be done */
		t->expire = tick_add(now_ms, pause_ms);
	}
	/* a command that has the certificates may last, and is not waited for */
	if (!HA_ATOMIC_LOAD(&looks) || pause_ms == ISOLATE_MAX_MS)
		questions_ask();
	if (!sweep())
		t->expire = tick_first(t->expire, tick_add(now_ms, SWEEP_MS));
	if (more)
		task_wakeup(t, TASK_WOKEN_MSG);
	return t;
}

static void event_iocb(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == sizeof(n))
		task_wakeup(ocsp_update_task, TASK_WOKEN_MSG);
	fd_cant_recv(fd);
}

bool ocu_host_init(void)
{
	char *err = NULL;

	if (!ocu_host_engine || ssl_create_ocsp_update_task(&err) != 0) {
		free(err);
		return false;
	}
	ocsp_update_task->process = host_run;
	return signal_register_task(0, ocsp_update_task, 0) != NULL;
}

void ocu_host_load(void)
{
	(void)ocu_entries_take(ocu_host_engine, UINT_MAX, order, ocu_stores_judge_uris);
	ocu_entries_watch(ocu_host_engine, NULL);
}

void ocu_host_deliver(bool lines)
{
	while (ocu_engine_deliver(ocu_host_engine, UINT_MAX, lines))
		;
	if (start_lines > START_LINES)
		ha_notice("ocsp-update: %u more like these are not shown.\n",
			  start_lines - START_LINES);
	start_lines = 0;
}

static void event_close(void)
{
	if (event_fd >= 0)
		close(event_fd);
	event_fd = -1;
}

bool ocu_host_open(struct ocu_err *err)
{
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_fd < 0)
		(void)ocu_fail(err, OCU_IO, "no file descriptor");
	else if (ocu_engine_start(ocu_host_engine, err) == OCU_OK)
		return true;
	event_close();
	return false;
}

bool ocu_host_start(void)
{
	static const char advice[] = "OCSP responses will not be updated; see the limits of "
				     "threads and descriptors (ulimit -u, -n) and start "
				     "again";
	struct ocu_err err;

	if (ocu_host_open(&err))
		return true;
	/* a daemon has no console any more */
	ha_warning("ocsp-update: the threads could not be started: %s; %s.\n", err.msg, advice);
	send_log(NULL, LOG_ERR, "<OCSP-UPDATE> the threads could not be started: %s; %s\n",
		 err.msg, advice);
	return false;
}

bool ocu_host_wait(int fd, int64_t ms)
{
	struct pollfd fds[] = {
		{ .fd = event_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	uint64_t n;

	if (poll(fds, 2, ms > INT_MAX ? INT_MAX : ms) <= 0)
		return true;
	if (fds[0].revents)
		DISGUISE(read(event_fd, &n, sizeof(n)));
	return !fds[1].revents;
}

void ocu_host_serve(void)
{
	/* the poller ignores a descriptor without an owner */
	if (event_fd >= 0) {
		OCU_FD_INSERT(event_fd, ocsp_update_task, event_iocb);
		fd_want_recv(event_fd);
	}
	HA_ATOMIC_STORE(&serving, true);
	task_wakeup(ocsp_update_task, TASK_WOKEN_INIT);
}

bool ocu_host_runs(void)
{
	return HA_ATOMIC_LOAD(&serving) && !stopping && ocu_engine_runs(ocu_host_engine);
}

void ocu_host_give_up(void)
{
	ocu_engine_free(ocu_host_engine);
	ocu_host_engine = NULL;
	event_close();
}

void ocu_host_fini(void)
{
	enum ocu_status st[DELIVER_AT_ONCE];
	struct look *l;

	HA_ATOMIC_STORE(&serving, false);
	while ((l = looks)) {
		looks = l->next;
		free(l);
	}
	while (early)
		early_drop();
	if (ocu_host_engine) {
		questions_ask();
		batch_swap(st);
		batch_end(st);
		ocu_host_give_up();
	}
	ocu_entries_fini();
	ocu_ahead_fini();
}
