/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.h - HAProxy as the host of the engine: the engine, and HAProxy's own task of OCSP updates,
 * which takes in what HAProxy has for the engine and gives out what the engine has for HAProxy.
 */
#ifndef OCU_HAPROXY_HOST_H
#define OCU_HAPROXY_HOST_H

#include "compat.h"
#include "ocu/engine.h"

/* The engine, from before the configuration is read until the process ends; NULL without memory,
 * and in a process that serves without one.
 */
extern struct ocu_engine *ocu_host_engine;

/* A question of a command to the engine. The command owns it while it is answered, the engine
 * otherwise. <answered> is called on the thread of the task.
 */
struct ocu_host_inquiry {
	struct ocu_inquiry inquiry;
	struct ocu_host_inquiry *next;
	void (*answered)(struct ocu_host_inquiry *a);
};

/* Makes HAProxy's task of OCSP updates ours. Nothing runs before ocu_host_serve(). Returns false
 * without memory.
 */
bool ocu_host_init(void);

/* While starting: takes in the certificates that HAProxy has loaded. */
void ocu_host_load(void);

/* While starting: hands over what the engine has, on this thread; lines for the log that are no
 * results of updates become notices and warnings on the console with <lines>.
 */
void ocu_host_deliver(bool lines);

/* Starts the threads of the engine. Returns whether they run; if not, the reason is in <err>. */
bool ocu_host_open(struct ocu_err *err);

/* The same, with a warning and a line of the log if that cannot be. */
bool ocu_host_start(void);

/* In a process that only fetches, before ocu_host_open(): lets <published> and <logged>, which are
 * those of struct ocu_host_ops, take what the engine has for HAProxy.
 */
void ocu_host_divert(void (*published)(void *host, struct ocu_publication *p),
		     void (*logged)(void *host, enum ocu_level level, const char *path,
				    const char *text));

/* There: waits until the engine has something to deliver, <fd> has something or is closed, or <ms>
 * are over. Returns false if it is <fd>.
 */
bool ocu_host_wait(int fd, int64_t ms);

/* Writes <text> into the log, with a level of enum ocu_level (any number is fine), as soon as the
 * process serves; never in one that does not.
 */
void ocu_host_line(int64_t level, const char *text);

/* From now on the task delivers. On thread 0 of the process that serves. */
void ocu_host_serve(void);

/* Whether updates are made: the process serves, does not stop, and the engine runs. */
bool ocu_host_runs(void);

/* A command may have changed certificates, the one of the file <path> if it is not NULL, or has let
 * go of them: the task looks after them at once. Any HAProxy thread.
 */
void ocu_host_look(const char *path);

/* A command may have removed entries: the task looks for those in time. Any HAProxy thread. */
void ocu_host_sweep(void);

/* A command may have set the response of the entry <key>, or removed it. Any HAProxy thread. */
void ocu_host_look_at(const unsigned char key[static OCSP_MAX_CERTID_ASN1_LENGTH]);

/* Asks the engine, which answers by what it has learned of the commands before this one. Any
 * HAProxy thread.
 */
void ocu_host_inquire(struct ocu_host_inquiry *a);

/* Frees the engine: nobody will take in what it is told. While no other thread of HAProxy runs. */
void ocu_host_give_up(void);

/* Ends all; HAProxy's threads have ended by now. */
void ocu_host_fini(void);

#endif
