/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.h - what HAProxy's answers on the CLI say, from 2.2 on. Pure: text in, values out. A text
 * is terminated, may be of any version, or of something that is no HAProxy.
 */
#ifndef OCU_AGENT_ANSWER_H
#define OCU_AGENT_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "ocu/base.h"

/* Copies what is behind "<name>: " at the begin of a line into <out>, and returns whether there is
 * such a line with at most <size> - 1 bytes.
 */
bool ocu_answer_value(const char *text, const char *name, char *out, size_t size);

/* Like that, a number; -1: there is none. */
int64_t ocu_answer_number(const char *text, const char *name);

/* Finds the next certificate in an answer to "show ssl cert": its name, as HAProxy knows it, goes
 * to *name and *n. *at is the text at first. False: there are no more.
 */
bool ocu_answer_cert(const char **at, const char **name, size_t *n);

/* The same in an answer to "show ssl ocsp-updates": those that HAProxy updates itself. */
bool ocu_answer_updated(const char **at, const char **name, size_t *n);

/* Whether <text> says that HAProxy does not know the command. */
bool ocu_answer_unknown(const char *text);

/* Returns the first line of <text> that says something, and its length; or "no answer". */
const char *ocu_answer_says(const char *text, size_t *n);

#endif
