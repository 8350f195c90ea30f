/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - ocu-agent: reads its flags, runs until it is told to end. */
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "conf.h"
#include "log.h"
#include "ocu/fetch.h"

enum exit_status { GOOD, PROBLEM, USAGE };

static void usage(FILE *out)
{
	fputs("usage: ocu-agent [-f <file>] [--<directive> <value>]...\n"
	      "Keeps the OCSP responses of HAProxies up to date over their stats sockets.\n", out);
}

static enum exit_status help(void)
{
	char versions[OCU_FETCH_VERSIONS_BYTES];

	usage(stdout);
	puts("\nflag, directive of the file:");
	ocu_conf_help();
	ocu_fetch_versions(versions);
	printf("\nocu-agent %s, %s\n", OCU_VERSION, versions);
	return GOOD;
}

/* Takes the flags in, in their order. */
static enum ocu_status flags_read(struct ocu_agent_conf *c, char **args, struct ocu_err *err)
{
	enum ocu_status st = OCU_OK;

	for (; st == OCU_OK && args[0]; args += 2) {
		if (!args[1])
			st = ocu_fail(err, OCU_IO, "'%.80s': a value is missing", args[0]);
		else if (strcmp(args[0], "-f") == 0)
			st = ocu_conf_read(c, args[1], err);
		else if (strncmp(args[0], "--", 2) == 0)
			st = ocu_conf_set(c, args[0] + 2, args[1], err);
		else
			st = ocu_fail(err, OCU_IO, "unknown flag '%.80s'", args[0]);
	}
	return st == OCU_OK ? ocu_conf_check(c, err) : st;
}

static void end_cb(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static enum exit_status run(const struct ocu_agent_conf *conf)
{
	struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
	struct ocu_agent *agent;
	ev_signal term, intr;
	struct ocu_err err;

	ocu_log_open(conf->syslog);
	if (ocu_agent_new(&agent, loop, conf, &err) != OCU_OK) {
		ocu_log(OCU_LEVEL_ALERT, "%s", err.msg);
		return PROBLEM;
	}
	ev_signal_init(&term, end_cb, SIGTERM);
	ev_signal_init(&intr, end_cb, SIGINT);
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &intr);
	ev_run(loop, 0);
	ocu_agent_free(agent);
	return GOOD;
}

int main(int argc, char **argv)
{
	enum exit_status status = USAGE;
	struct ocu_agent_conf conf;
	struct ocu_err err;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return help();
	ocu_conf_init(&conf);
	if (flags_read(&conf, argv + 1, &err) == OCU_OK) {
		status = run(&conf);
	} else {
		fprintf(stderr, "ocu-agent: %s\n", err.msg);
		usage(stderr);
	}
	ocu_conf_fini(&conf);
	return status;
}
