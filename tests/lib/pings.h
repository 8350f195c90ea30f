/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pings.h - how long HAProxy's CLI keeps one client waiting while another one has a long answer. */
#ifndef TESTS_PINGS_H
#define TESTS_PINGS_H

#include <stdbool.h>
#include <stdint.h>

struct pings_result {
	int64_t us;                /* from the command to the end of its answer */
	uint64_t bytes, lines;     /* of the answer */
	int64_t longest_us;        /* the longest answer to a ping meanwhile, */
	int64_t quiet_us;          /* and in a time that long before, without the command */
};

/* Gives <command> to the CLI at the Unix socket <path>, and meanwhile asks there for next to
 * nothing again and again over another connection; before, it does so without the command, for as
 * long as that took once. False, with the reason on stderr: there was no answer.
 */
bool pings_run(const char *path, const char *command, struct pings_result *out);

#endif
