/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.h - the module's settings, as the configuration has them. */
#ifndef OCU_HAPROXY_CONF_H
#define OCU_HAPROXY_CONF_H

#include "compat.h"
#include "ocu/buf.h"
#include "ocu/happy.h"
#include "ocu/proxy.h"

struct ocu_settings {
	unsigned timeout_ms;      /* ocsp-update.timeout */
	unsigned connect_ms;      /* httpclient.timeout.connect */
	bool maxdelay_auto;       /* ocsp-update.maxdelay auto: no bound of its own */
	unsigned maxconn;         /* ocsp-update.maxconn */
	unsigned host_maxconn;    /* ocsp-update.host-maxconn */
	enum ocu_family family;   /* ocsp-update.family */
	enum ocu_family prefer;   /* httpclient.resolvers.prefer */
	bool resolvers_off;       /* httpclient.resolvers.disabled */
	char *resolvers_id;       /* httpclient.resolvers.id, NULL: "default" */
	struct ocu_proxy proxy;   /* ocsp-update.httpproxy */
	bool tls_no_verify;       /* httpclient.ssl.verify none */
	char *ca_file;            /* httpclient.ssl.ca-file, NULL: those of the system */
	char *state_dir;          /* ocsp-update.state-dir, NULL: none */
	unsigned wait_ms;         /* ocsp-update.wait, 0: start at once */
	bool wait_all;            /* wait for all, not only for must-staple certificates */
};

extern struct ocu_settings ocu_settings;

/* Writes an alert if two directives contradict each other, and returns false then. */
bool ocu_conf_check(void);

/* The nameservers, as ocu_dns_conf wants them. */
struct ocu_conf_dns {
	bool system;                /* no resolvers section: resolv.conf rules */
	struct ocu_buf nameservers; /* terminated */
	int64_t try_ms;
	unsigned rounds, payload_bytes;
};

/* Reads them from the resolvers section, if there is one, with a warning if one was asked for and
 * is not there. Errors: OCU_NOMEM; OCU_TOO_BIG, and <d> has the first ones.
 */
OCU_MUST enum ocu_status ocu_conf_dns(struct ocu_conf_dns *d);

/* Frees what the settings hold. */
void ocu_conf_fini(void);

#endif
