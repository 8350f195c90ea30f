/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab.h - what the files of the lab (tests/lab.c) share: its state, and its commands. There is one
 * lab in a process.
 */
#ifndef TESTS_LAB_H
#define TESTS_LAB_H

#include <regex.h>
#include <stdio.h>
#include <time.h>

#include "dnsd.h"
#include "faults.h"
#include "pki.h"
#include "responder.h"
#include "servers.h"

#define COMMAND_BYTES 8192
#define RESPONDERS_MAX 16
#define LOG_LINE_BYTES 2048
#define PATH_BYTES 512

struct named_responder {
	char name[32];
	struct responder *r;
	struct pki_id tls;
};

struct named_cert {
	struct named_cert *next;
	char name[64];
	struct pki_id id;
};

struct line {
	struct line *next;
	int64_t came_us;           /* since the epoch */
	char text[];
};

struct lab {
	const char *dir;
	struct pki *pki;
	struct dnsd *dns;
	struct named_responder responders[RESPONDERS_MAX];
	size_t n_responders;
	struct named_cert *certs;
	void *certs_by_name;       /* a tree of them, as tsearch() makes it */
	struct servers *servers;   /* those of "faults-make" */
	int log, ctl, sig;
	struct line *lines, **lines_end;
	time_t end;
	bool stop;
};

extern struct lab lab;

/* How long something is waited for. */
int lab_await_ms(void);

/* Ends the program, with <what> and the text of errno. */
void lab_die(const char *what);

/* The path of a file of the lab, good until the next call; writes one. */
const char *lab_path(const char *name, const char *suffix);
void lab_file(const char *name, const void *p, size_t n);

/* The log: its port, what has come, and how many lines match, written to <out> if that is given. */
void log_open(void);
int log_port(void);
void log_read(void);
uint64_t log_match(const regex_t *re, FILE *out);

/* What has that name; NULL if nothing has. */
struct responder *lab_responder(const char *name);
struct named_cert *lab_cert(const char *name);

/* Writes the serial of the certificate <name> as pki_serial() does; false if there is none. */
bool lab_serial(const char *name, char serial[static 64]);

/* Whoever verifies responders gets what their certificates come down to. */
void lab_tls_ca_write(void);

/* What "cert" was asked to make, and the making of <name>.pem, which is remembered. */
struct cert_order {
	struct pki_cert c;
	const char *cn, *chain;
	unsigned many;
};

void lab_certs_fini(void);
bool lab_cert_write(const char *name, const struct cert_order *o, FILE *out);

/* Does what the command <line> says, writes the answer. */
bool command_run(const char *line, FILE *out);

/* A command gets its words, the first of which is its name, and writes its answer; false: it
 * failed, and the answer says why. lab_refuse() is a short way to say so.
 */
typedef bool lab_command(char **w, size_t n, FILE *out);
bool lab_refuse(FILE *out, const char *why, const char *what);
lab_command cmd_responder, cmd_play, cmd_limit, cmd_pace, cmd_cache, cmd_release, cmd_drop,
	cmd_count, cmd_at_most, cmd_await, cmd_await_idle, cmd_last, cmd_sni, cmd_port;
lab_command cmd_name, cmd_dns, cmd_await_dns;
lab_command cmd_cert, cmd_ocsp;
lab_command cmd_log;
lab_command cmd_faults_make, cmd_faults_check;

#endif
