/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wait.h - waits for what HAProxy does that is not in its log: files, and answers of its CLI. */
#ifndef TESTS_WAIT_H
#define TESTS_WAIT_H

#include <stdbool.h>

/* The time after which waiting is in vain: LAB_LIMIT_S of the environment, else <usual_ms>. */
int wait_limit_ms(int usual_ms);

/* All return false, with the reason on stderr, if it has not come within 20 s (LAB_LIMIT_S).
 * <regex> is an extended expression.
 */

/* Until <n> lines of the file <path> match. It may be made only later; its directory is there. */
bool wait_lines(const char *path, unsigned long n, const char *regex);

/* Until <n> names in the directory <dir> match. */
bool wait_names(const char *dir, unsigned long n, const char *regex);

/* Until HAProxy's CLI at the Unix socket <path> answers <command> with a line that matches; the
 * socket may come only later. Nothing tells when an answer changes, so it is asked again every
 * 20 ms.
 */
bool wait_cli(const char *path, const char *command, const char *regex);

#endif
