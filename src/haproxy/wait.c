/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wait.c - ocsp-update.wait: a child without privileges fetches what a starting process waits for,
 * and hands it over, one record a message. The parent copies bytes and looks into none of them.
 *
 * Until it is ready the starting process may be root, and before HAProxy 3.1 it is the master. What
 * a signal does to HAProxy while it reads its configuration (3.0.11, seen by experiment):
 *
 *                   standalone, first start with -W   reload with -W (the master, re-executed)
 *   TERM, INT       ends it                           ends it, and its workers with it
 *   USR1            ends it                           is lost
 *   USR2, HUP       ends it                           is lost
 *
 * The last two are blocked in a master that was re-executed, and are lost when HAProxy ignores them
 * for a moment, just before it sets up its own handlers. From 3.1 on a worker reads the
 * configuration while the master answers signals; from 3.4 on that one ignores USR2 at the first
 * start until its worker is ready, so there it is held back in the master.
 * A wait must not make these windows longer: TERM and INT go on ending the process, at once, and
 * the kernel ends the child with it. The others are held back meanwhile, and given to the process
 * once it is ready. One that was told by USR1 to finish, which it could not hear, waits no longer.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <haproxy/errors.h>

#include "wait.h"

#include "conf.h"
#include "entries.h"
#include "host.h"
#include "ocu/ocsp.h"

#define GRACE_MS (OCU_ENGINE_DISK_MS + 1000) /* for the child to end after its time is over */
#define AGAIN_MS 1000                        /* from the death of a child to the next one */
#define TEXT_BYTES 1024

enum kind {
	RECORD_RESPONSE, /* the response `bytes` behind the key, until `number` */
	RECORD_LINE,     /* for the log, of level `number` */
	RECORD_MISSING,  /* the last one: `number` certificates have no response, and why */
	RECORD_FAILED,   /* the last one: why the child could not begin */
};

/* One message from the child. */
struct record {
	enum kind kind;
	int64_t number;
	size_t key_len, len; /* of what is in bytes */
	unsigned char bytes[OCSP_MAX_CERTID_ASN1_LENGTH + OCU_OCSP_MAX_BYTES];
};
#define RECORD_HEAD offsetof(struct record, bytes)

static struct record record;
static int peer = -1; /* the other process */

static bool is_missing(void)
{
	return ocu_engine_missing(ocu_host_engine, !ocu_settings.wait_all);
}

/* ---- the child ---- */

/* Sends a record. Without a parent there is nothing left to do. */
static void record_send(enum kind kind, int64_t number, struct ocu_slice key,
			struct ocu_slice bytes)
{
	size_t n = RECORD_HEAD + key.n + bytes.n;

	record.kind = kind;
	record.number = number;
	record.key_len = key.n;
	record.len = bytes.n;
	memcpy(record.bytes, key.p, key.n);
	memcpy(record.bytes + key.n, bytes.p, bytes.n);
	if (send(peer, &record, n, MSG_NOSIGNAL) != (ssize_t)n)
		_exit(1);
}

static void text_send(enum kind kind, int64_t number, const char *text)
{
	struct ocu_slice none = { .p = (const uint8_t *)"" };

	record_send(kind, number, none,
		    (struct ocu_slice){ .p = (const uint8_t *)text, .n = strlen(text) });
}

static void publish(void *host, struct ocu_publication *p)
{
	enum ocu_status st = OCU_TOO_BIG;

	(void)host;
	if (p->key_len <= OCSP_MAX_CERTID_ASN1_LENGTH && p->der->len <= OCU_OCSP_MAX_BYTES) {
		record_send(RECORD_RESPONSE, p->held->expiry,
			    (struct ocu_slice){ .p = p->key, .n = p->key_len },
			    (struct ocu_slice){ .p = p->der->data, .n = p->der->len });
		st = OCU_OK;
	}
	ocu_engine_published(ocu_host_engine, p, st);
}

static void log_line(void *host, enum ocu_level level, const char *path, const char *text)
{
	char line[TEXT_BYTES];

	(void)host;
	if (path)
		snprintf(line, sizeof(line), "<OCSP-UPDATE> %s: %s", path, text);
	else
		snprintf(line, sizeof(line), "%s", text);
	text_send(RECORD_LINE, level, line);
}

static bool is_kept(int fd, const int *keep, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (fd == keep[i])
			return true;
	return fd == peer;
}

/* What is not needed stays with the parent alone: listeners of other processes, their pipes. */
static void descriptors_close(const int *keep, size_t n)
{
	int last = peer, fd;
	size_t i;

	for (i = 0; i < n; i++)
		last = keep[i] > last ? keep[i] : last;
	for (fd = 3; fd < last; fd++)
		if (!is_kept(fd, keep, n))
			close(fd);
	my_closefrom(last + 1);
}

/* "auto", from HAProxy 3.5 on, is a directory that has no name any more: nothing is in it. */
static bool root_change(const char *path)
{
	char dir[] = "/tmp/ocu-wait.XXXXXX";

	if (strcmp(path, "auto") != 0)
		return chroot(path) == 0 && chdir("/") == 0;
	if (!mkdtemp(dir))
		return false;
	if (chdir(dir) != 0 || rmdir(dir) != 0 || chroot(".") != 0)
		return false;
	return true;
}

/* As HAProxy does it for those that serve; what it merely warns of is an error for root. Others
 * have little to give up, and go without the chroot for which HAProxy 3.5 makes a user namespace.
 */
static bool privileges_drop(struct ocu_err *err)
{
	bool root = geteuid() == 0;
	char text[OCU_ERRNO_BYTES];
	const char *what = NULL;

	if (global.chroot && !root_change(global.chroot) && root)
		what = "chroot";
	else if (OCU_GID && getgroups(0, NULL) > 0 && setgroups(0, NULL) != 0 && root)
		what = "groups";
	else if (OCU_GID && setgid(OCU_GID) != 0)
		what = "gid";
	else if (OCU_UID && setuid(OCU_UID) != 0)
		what = "uid";
	if (!what)
		return true;
	(void)ocu_fail(err, OCU_IO, "%s: %s", what, ocu_errno_text(errno, text));
	return false;
}

/* Ends with its parent, however that ends. */
static void parent_follow(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

/* Makes this process what it is to be. Returns whether the engine runs. */
static bool child_begin(pid_t parent, struct ocu_err *err)
{
	if (!privileges_drop(err))
		return false;
	/* not before: a change of identity takes it back */
	parent_follow(parent);
	ocu_host_divert(publish, log_line);
	if (!ocu_entries_tell(ocu_host_engine)) {
		(void)ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
		return false;
	}
	ocu_engine_hurry(ocu_host_engine);
	return ocu_host_open(err);
}

/* Fetches until <end_ms>, or until nothing is missing. */
static void child_run(int64_t end_ms)
{
	char text[TEXT_BYTES];
	int64_t left_ms;
	size_t n;

	while ((left_ms = end_ms - ocu_now_ms()) > 0 && is_missing()) {
		if (!ocu_host_wait(peer, left_ms))
			_exit(1);
		ocu_host_deliver(true);
	}
	ocu_host_deliver(true);
	/* what was published is still written to the state directory */
	ocu_engine_stop(ocu_host_engine);
	ocu_host_deliver(true);
	n = ocu_engine_say_missing(ocu_host_engine, !ocu_settings.wait_all, text, sizeof(text));
	text_send(RECORD_MISSING, n, text);
}

__attribute__((noreturn))
static void child(pid_t parent, int64_t end_ms, const int *keep, size_t n)
{
	struct ocu_err err = { .msg = "?" };

	(void)prctl(PR_SET_NAME, "ocu-wait");
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	descriptors_close(keep, n);
	if (child_begin(parent, &err))
		child_run(end_ms);
	else
		text_send(RECORD_FAILED, 0, err.msg);
	/* nothing of HAProxy's own is ended here */
	_exit(0);
}

/* ---- signals ---- */

/* Those that are held back. */
static const int held[] = { SIGUSR1, SIGUSR2, SIGHUP };
#define HELD (sizeof(held) / sizeof(*held))

/* Which of them have come, and to whom: a master that has started its worker executes itself once
 * more before it sets up its handlers, and only the environment gets through that.
 */
#define HELD_VARIABLE "OCU_HELD_SIGNALS"

static sigset_t mask_before;
static int finish_fd = -1; /* a signalfd for SIGUSR1, where that is blocked */

/* A worker ends with its master, as it does once it serves. <sig>: 0 to go on without it. */
static void master_follow(int sig)
{
	if (OCU_WORKER_LOADS && (global.mode & MODE_MWORKER))
		(void)prctl(PR_SET_PDEATHSIG, sig);
}

static void signals_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, &mask_before);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	/* where it is not blocked it ends the process, as it does before and after */
	if (sigismember(&mask_before, SIGUSR1))
		finish_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Takes <sig> if it is pending. */
static bool signal_take(int sig)
{
	struct timespec now = { 0 };
	sigset_t set;

	if (sig == SIGUSR1 && !sigismember(&mask_before, sig))
		return false;
	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, NULL, &now) == sig;
}

/* Takes those that have come. */
static void signals_keep(void)
{
	char text[64];
	size_t i;
	int n;

	n = snprintf(text, sizeof(text), "%ld:", (long)getpid());
	for (i = 0; i < HELD; i++)
		if (signal_take(held[i]))
			n += snprintf(text + n, sizeof(text) - n, " %d", held[i]);
	if (strchr(text, ' '))
		(void)setenv(HELD_VARIABLE, text, 1);
	(void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
	if (finish_fd >= 0)
		close(finish_fd);
	finish_fd = -1;
}

void ocu_wait_master(void)
{
	struct sigaction is;
	sigset_t set;

	if (sigaction(SIGUSR2, NULL, &is) != 0 || is.sa_handler != SIG_IGN)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

void ocu_wait_signals(void)
{
	const char *text = getenv(HELD_VARIABLE);
	char *end = NULL;
	long n;

	if (text && strtol(text, &end, 10) == getpid() && *end == ':')
		for (end++; (n = strtol(end, &end, 10)) > 0;)
			(void)kill(getpid(), n);
	(void)unsetenv(HELD_VARIABLE);
}

/* ---- the parent ---- */

enum outcome {
	GOES_ON,
	ALL_SAID,  /* by the child, or on behalf of it */
	DIED,      /* the child has ended before it said that it would */
	FINISH,    /* this process is to finish */
	TOO_LATE,
};

/* The text of <record>, as it may be shown. */
static const char *record_text(void)
{
	static char text[TEXT_BYTES];
	size_t n = record.len < sizeof(text) ? record.len : sizeof(text) - 1, i;

	for (i = 0; i < n; i++)
		text[i] = record.bytes[i] < ' ' || record.bytes[i] == 0x7f ? '?' : record.bytes[i];
	text[n] = '\0';
	return text;
}

static void say_missing(int64_t n, const char *text)
{
	if (n > 0)
		ha_warning("ocsp-update.wait: the time is over and %lld certificate%s without an "
			   "OCSP response, HAProxy starts all the same: %s%s\n",
			   (long long)n, n > 1 ? "s are" : " is", text, n > 3 ? "" : ".");
}

static void say_failed(const char *what, const char *why)
{
	ha_notice("ocsp-update.wait: nothing can be waited for: %s: %s; HAProxy starts all the "
		  "same.\n", what, why);
}

/* Staples the response of <record>. */
static void response_take(void)
{
	char *area = record.len ? malloc(record.len) : NULL;

	if (area) {
		memcpy(area, record.bytes + record.key_len, record.len);
		ocu_entries_put(record.bytes, record.key_len, &area, record.len, record.number);
	}
	free(area);
}

/* Whether the <n> bytes that were received are a record: the child may be in other hands by now. */
static bool record_holds(ssize_t n)
{
	return n >= (ssize_t)RECORD_HEAD && record.key_len <= OCSP_MAX_CERTID_ASN1_LENGTH &&
	       record.len <= OCU_OCSP_MAX_BYTES &&
	       (size_t)n == RECORD_HEAD + record.key_len + record.len;
}

static enum outcome record_take(void)
{
	ssize_t n = recv(peer, &record, sizeof(record), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOES_ON;
	if (!record_holds(n))
		return DIED;
	switch (record.kind) {
	case RECORD_RESPONSE:
		response_take();
		return GOES_ON;
	case RECORD_LINE:
		ocu_host_line(record.number, record_text());
		return GOES_ON;
	case RECORD_MISSING:
		say_missing(record.number, record_text());
		return ALL_SAID;
	case RECORD_FAILED:
		say_failed("the process that fetches", record_text());
		return ALL_SAID;
	}
	return DIED;
}

/* Takes what the child sends, until <end_ms>. */
static enum outcome listen_to_child(int64_t end_ms)
{
	struct pollfd fds[] = {
		{ .fd = peer, .events = POLLIN },
		{ .fd = finish_fd, .events = POLLIN },
	};
	enum outcome o = GOES_ON;
	int64_t left_ms;

	while (o == GOES_ON) {
		left_ms = end_ms - ocu_now_ms();
		if (left_ms <= 0)
			o = TOO_LATE;
		else if (poll(fds, 2, left_ms > INT_MAX ? INT_MAX : left_ms) <= 0)
			continue;
		else if (fds[1].revents)
			o = FINISH;
		else
			o = record_take();
	}
	return o;
}

/* Ends <pid>, which may have ended, and says why it did if it was to go on. */
static void child_end(pid_t pid, enum outcome o)
{
	int status = 0;
	pid_t rc;

	if (o != DIED)
		(void)kill(pid, SIGKILL);
	/* one that has closed its end, or sends rubbish, may be anything but dead */
	else if (waitpid(pid, &status, WNOHANG) == 0)
		(void)kill(pid, SIGKILL);
	do {
		rc = waitpid(pid, &status, 0);
	} while (rc < 0 && errno == EINTR);
	if (o == DIED)
		ha_notice("ocsp-update.wait: the process that fetches has ended early (%s %d).\n",
			  WIFSIGNALED(status) ? "signal" : "status",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Lets one child fetch until <end_ms>. */
static enum outcome child_wait(int64_t end_ms, const int *keep, size_t n)
{
	int room = 2 * sizeof(record), ends[2];
	char text[OCU_ERRNO_BYTES];
	pid_t self = getpid(), pid;
	enum outcome o;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		say_failed("socketpair", ocu_errno_text(errno, text));
		return ALL_SAID;
	}
	(void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	pid = fork();
	peer = ends[pid == 0];
	close(ends[pid != 0]);
	if (pid == 0)
		child(self, end_ms, keep, n);
	if (pid < 0)
		say_failed("fork", ocu_errno_text(errno, text));
	o = pid < 0 ? ALL_SAID : listen_to_child(end_ms + GRACE_MS);
	if (pid > 0)
		child_end(pid, o);
	close(peer);
	peer = -1;
	return o;
}

/* Waits before another child is made. */
static enum outcome pause_for(int64_t ms)
{
	struct pollfd pfd = { .fd = finish_fd, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0 ? FINISH : DIED;
}

void ocu_wait(const int *keep, size_t n)
{
	int64_t end_ms = ocu_now_ms() + ocu_settings.wait_ms;
	enum outcome o;

	if (!is_missing())
		return;
	master_follow(SIGTERM);
	signals_hold();
	do {
		o = child_wait(end_ms, keep, n);
		if (o == DIED && end_ms - ocu_now_ms() > AGAIN_MS)
			o = pause_for(AGAIN_MS);
		else if (o == DIED)
			o = TOO_LATE;
	} while (o == DIED);
	if (o == TOO_LATE)
		ha_notice("ocsp-update.wait: the time is over, and nobody says what is missing; "
			  "HAProxy starts all the same.\n");
	signals_keep();
	master_follow(0);
}
