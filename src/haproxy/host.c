/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - hands to HAProxy what the engine has for it: responses into the stapling entries, lines
 * into the log, answers to commands. Decides nothing.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <import/ebmbtree.h>

#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/signal.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/task.h>

#include "host.h"

#define DELIVER_AT_ONCE 64 /* in one run of the task */

struct ocu_engine *ocu_host_engine;

static struct task *task;
static int event_fd = -1;
static bool serving; /* written on one thread, before others ask */

/* ---- what the engine asks for ---- */

/* Swaps the response into the entry of its CertID, unless another one was set meanwhile. */
static enum ocu_status swap(const struct ocu_publication *p, struct ocsp_resp *resp)
{
	unsigned char key[OCSP_MAX_CERTID_ASN1_LENGTH] = { 0 };
	struct certificate_ocsp *entry;
	enum ocu_status st = OCU_HELD;

	if (p->key_len > sizeof(key))
		return OCU_TOO_BIG;
	memcpy(key, p->key, p->key_len);
	HA_SPIN_LOCK(OCSP_LOCK, &ocsp_tree_lock);
	entry = (struct certificate_ocsp *)ebmb_lookup(&cert_ocsp_tree, key, sizeof(key));
	if (entry && OCU_ENTRY_CHANGES(entry) == p->changes) {
		ssl_ocsp_resp_set(entry, resp);
		st = OCU_OK;
	}
	HA_SPIN_UNLOCK(OCSP_LOCK, &ocsp_tree_lock);
	return st;
}

static void publish(void *host, struct ocu_publication *p)
{
	struct buffer der = b_make((char *)p->der->data, p->der->len, 0, p->der->len);
	struct ocsp_resp *resp = ssl_ocsp_resp_new(&der, p->held->expiry);
	enum ocu_status st = resp ? swap(p, resp) : OCU_NOMEM;

	(void)host;
	if (st != OCU_OK)
		ssl_ocsp_resp_put(resp);
	ocu_engine_published(ocu_host_engine, p, st);
}

static void log_line(void *host, enum ocu_level level, const char *path, const char *text)
{
	static const int levels[] = {
		[OCU_LEVEL_NOTICE] = LOG_NOTICE,
		[OCU_LEVEL_WARNING] = LOG_WARNING,
		[OCU_LEVEL_ERROR] = LOG_ERR,
		[OCU_LEVEL_ALERT] = LOG_ALERT,
	};

	(void)host;
	if (!path)
		send_log(NULL, levels[level], "%s\n", text);
	else if (!(global.mode & MODE_STARTING))
		send_log(NULL, levels[level], "<OCSP-UPDATE> %s: %s\n", path, text);
	else if (level == OCU_LEVEL_NOTICE)
		ha_notice("ocsp-update: '%s': %s.\n", path, text);
	else
		ha_warning("ocsp-update: '%s': %s.\n", path, text);
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

static const struct ocu_host_ops ops = {
	.publish = publish,
	.log = log_line,
	.answer = answer,
	.wake = wake,
};

static void engine_make(void)
{
	struct ocu_err err;

	ocu_loop_cpus();
	if (ocu_engine_new(&ocu_host_engine, &ops, NULL, &err) != OCU_OK)
		ha_alert("ocsp-update: %s.\n", err.msg);
}
INITCALL0(STG_LOCK, engine_make);

/* ---- the task ---- */

static void event_iocb(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == sizeof(n))
		task_wakeup(task, TASK_WOKEN_MSG);
	fd_cant_recv(fd);
}

static struct task *host_run(struct task *t, void *context, unsigned int state)
{
	(void)context;
	(void)state;
	if (!ocu_host_engine)
		return t;
	/* a process that is being replaced begins nothing more */
	if (stopping)
		ocu_engine_pause(ocu_host_engine);
	if (ocu_engine_deliver(ocu_host_engine, DELIVER_AT_ONCE, true))
		task_wakeup(t, TASK_WOKEN_MSG);
	t->expire = TICK_ETERNITY;
	return t;
}

bool ocu_host_init(void)
{
	task = ocu_host_engine ? task_new_anywhere() : NULL;
	if (!task)
		return false;
	task->process = host_run;
	return signal_register_task(0, task, 0) != NULL;
}

void ocu_host_deliver(bool lines)
{
	while (ocu_engine_deliver(ocu_host_engine, DELIVER_AT_ONCE, lines))
		;
}

static void event_close(void)
{
	if (event_fd >= 0)
		close(event_fd);
	event_fd = -1;
}

bool ocu_host_start(void)
{
	static const char advice[] = "OCSP responses will not be updated; see the limits of "
				     "threads and descriptors (ulimit -u, -n) and start "
				     "again";
	struct ocu_err err = { .msg = "no file descriptor" };

	event_close();
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_fd >= 0 && ocu_engine_start(ocu_host_engine, &err) == OCU_OK)
		return true;
	event_close();
	/* a daemon has no console any more */
	ha_warning("ocsp-update: the threads could not be started: %s; %s.\n", err.msg, advice);
	send_log(NULL, LOG_ERR, "<OCSP-UPDATE> the threads could not be started: %s; %s\n",
		 err.msg, advice);
	return false;
}

void ocu_host_wait(int64_t ms)
{
	struct pollfd pfd = { .fd = event_fd, .events = POLLIN };
	uint64_t n;

	if (poll(&pfd, 1, ms > INT_MAX ? INT_MAX : ms) > 0)
		DISGUISE(read(event_fd, &n, sizeof(n)));
}

void ocu_host_rest(void)
{
	ocu_engine_rest(ocu_host_engine);
	event_close();
}

void ocu_host_serve(void)
{
	/* the poller ignores a descriptor without an owner */
	if (event_fd >= 0) {
		OCU_FD_INSERT(event_fd, task, event_iocb);
		fd_want_recv(event_fd);
	}
	HA_ATOMIC_STORE(&serving, true);
	task_wakeup(task, TASK_WOKEN_INIT);
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
	HA_ATOMIC_STORE(&serving, false);
	ocu_host_give_up();
	task_destroy(task);
	task = NULL;
}
