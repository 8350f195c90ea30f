/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.h - what the agent is told: a file and flags, with the names of HAProxy's directives. */
#ifndef OCU_AGENT_CONF_H
#define OCU_AGENT_CONF_H

#include "ocu/base.h"
#include "ocu/buf.h"
#include "ocu/happy.h"
#include "ocu/proxy.h"

struct ocu_agent_conf {
	char **sockets;            /* HAProxies, as ocu_cli_parse() has them */
	size_t n_sockets;
	struct ocu_buf nameservers; /* as ocu_resolv_list() has them; none: those of the system */
	char *state_dir;           /* NULL: none */
	bool files_off;            /* no .ocsp files are written beside certificates */
	unsigned mindelay_s, maxdelay_s;
	bool maxdelay_auto;
	unsigned maxconn, host_maxconn;
	unsigned timeout_ms, connect_ms;
	enum ocu_family prefer, family;
	struct ocu_proxy proxy;
	bool tls_no_verify;
	char *ca_file;             /* NULL: that of the system */
	bool syslog;               /* not standard error */
};

/* Begins with HAProxy's defaults. */
void ocu_conf_init(struct ocu_agent_conf *c);

void ocu_conf_fini(struct ocu_agent_conf *c);

/* Reads the file <path>: a directive and its value in each line, '#' begins a comment. Errors with
 * "path:line: reason": OCU_IO, OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_conf_read(struct ocu_agent_conf *c, const char *path,
				       struct ocu_err *err);

/* Sets the directive <name>, or what a flag calls it, to <value>. Errors: OCU_IO with the reason,
 * OCU_NOMEM.
 */
OCU_MUST enum ocu_status ocu_conf_set(struct ocu_agent_conf *c, const char *name,
				      const char *value, struct ocu_err *err);

/* Whether <c> as a whole makes sense. Errors: OCU_IO with the reason. */
OCU_MUST enum ocu_status ocu_conf_check(const struct ocu_agent_conf *c, struct ocu_err *err);

/* Writes the directives with their flags and what they are for to standard output. */
void ocu_conf_help(void);

#endif
