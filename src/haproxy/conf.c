/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - the directives, the settings that come out of them, and the warnings about what is wrong
 * with both. Starts nothing.
 *
 * HAProxy 3.0 knows most of these directives, 2.6 few. The module's parser takes the place of the
 * registered one; where HAProxy needs the value itself (httpclient.*) that one is called as well.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <unistd.h>

#include <haproxy/cfgparse.h>
#include <haproxy/dns-t.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/protocol-t.h>
#include <haproxy/resolvers.h>
#include <haproxy/server-t.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/tools.h>

#include "glue.h"
#include "ocu/dns.h"
#include "ocu/stream.h"

#define NAMESERVERS_MAX_BYTES 4096

struct settings settings = {
	.timeout_ms = 10000,
	.connect_ms = 5000,
	.maxconn = 64,
	.host_maxconn = 16,
};

/* Where the delays were set last, for a message about both. */
static struct {
	const char *file;
	int line;
} delay_at;

typedef int (*parse_fn)(char **args, int section, struct proxy *px, const struct proxy *dpx,
			const char *file, int line, char **err);

static int set_switch(char **args, bool *on, char **err)
{
	if (strcmp(args[1], "on") != 0 && strcmp(args[1], "off") != 0) {
		memprintf(err, "'%s' expects 'on' or 'off' but got '%s'", args[0], args[1]);
		return -1;
	}
	*on = strcmp(args[1], "on") == 0;
	return 0;
}

static int set_number(char **args, unsigned min, unsigned max, unsigned *out, char **err)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(args[1], &end, 10);
	if (!isdigit((unsigned char)*args[1]) || *end || errno || value < min || value > max) {
		memprintf(err, "'%s' expects an integer from %u to %u but got '%s'", args[0], min,
			  max, args[1]);
		return -1;
	}
	*out = value;
	return 0;
}

static int set_time(char **args, int64_t *out_ms, char **err)
{
	const char *res;
	unsigned ms;

	res = *args[1] ? parse_time_err(args[1], &ms, TIME_UNIT_MS) : "";
	if (res || !ms) {
		memprintf(err, "'%s' expects a time above 0 (milliseconds, or with a unit) but "
			       "got '%s'",
			  args[0], args[1]);
		return -1;
	}
	*out_ms = ms;
	return 0;
}

static int set_family(char **args, bool any, enum ocu_family *out, char **err)
{
	if (strcmp(args[1], "ipv4") == 0) {
		*out = OCU_IPV4;
	} else if (strcmp(args[1], "ipv6") == 0) {
		*out = OCU_IPV6;
	} else if (any && strcmp(args[1], "any") == 0) {
		*out = OCU_ANY;
	} else {
		memprintf(err, "'%s' expects %s'ipv4' or 'ipv6' but got '%s'", args[0],
			  any ? "'any', " : "", args[1]);
		return -1;
	}
	return 0;
}

static int parse_mode(char **args, int section, struct proxy *px, const struct proxy *dpx,
		      const char *file, int line, char **err)
{
	bool on;

	if (too_many_args(1, args, err, NULL) || set_switch(args, &on, err))
		return -1;
	global_ssl.ocsp_update.mode = on ? SSL_SOCK_OCSP_UPDATE_ON : SSL_SOCK_OCSP_UPDATE_OFF;
	return 0;
}

static int parse_disable(char **args, int section, struct proxy *px, const struct proxy *dpx,
			 const char *file, int line, char **err)
{
	bool on;

	if (too_many_args(1, args, err, NULL) || set_switch(args, &on, err))
		return -1;
	global_ssl.ocsp_update.disable = on;
	return 0;
}

static int parse_delay(char **args, int section, struct proxy *px, const struct proxy *dpx,
		       const char *file, int line, char **err)
{
	unsigned value;

	if (too_many_args(1, args, err, NULL) || set_number(args, 0, INT_MAX, &value, err))
		return -1;
	if (strstr(args[0], "mindelay"))
		global_ssl.ocsp_update.delay_min = value;
	else
		global_ssl.ocsp_update.delay_max = value;
	delay_at.file = file;
	delay_at.line = line;
	return 0;
}

static int parse_httpproxy(char **args, int section, struct proxy *px, const struct proxy *dpx,
			   const char *file, int line, char **err)
{
	struct sockaddr_storage *sk;
	char *why = NULL;

	if (too_many_args(1, args, err, NULL))
		return -1;
	sk = OCU_STR2SA(args[1], &why, PA_O_PORT_OK | PA_O_STREAM | PA_O_XPRT | PA_O_CONNECT);
	if (!sk || (sk->ss_family != AF_INET && sk->ss_family != AF_INET6)) {
		memprintf(err, "'%s' expects <address>[:port]: %s", args[0],
			  sk ? "only IPv4 and IPv6 are supported" : why);
		free(why);
		return -1;
	}
	settings.proxy = *sk;
	if (!get_host_port(&settings.proxy))
		set_host_port(&settings.proxy, 80);
	return 0;
}

static int parse_timeout(char **args, int section, struct proxy *px, const struct proxy *dpx,
			 const char *file, int line, char **err)
{
	return too_many_args(1, args, err, NULL) ? -1 : set_time(args, &settings.timeout_ms, err);
}

static int parse_connect(char **args, int section, struct proxy *px, const struct proxy *dpx,
			 const char *file, int line, char **err)
{
	return too_many_args(1, args, err, NULL) ? -1 : set_time(args, &settings.connect_ms, err);
}

static int parse_family(char **args, int section, struct proxy *px, const struct proxy *dpx,
			const char *file, int line, char **err)
{
	return too_many_args(1, args, err, NULL) ? -1
						 : set_family(args, true, &settings.family, err);
}

static int parse_prefer(char **args, int section, struct proxy *px, const struct proxy *dpx,
			const char *file, int line, char **err)
{
	return too_many_args(1, args, err, NULL) ? -1
						 : set_family(args, false, &settings.prefer, err);
}

static int parse_maxconn(char **args, int section, struct proxy *px, const struct proxy *dpx,
			 const char *file, int line, char **err)
{
	unsigned *out = strstr(args[0], "host-") ? &settings.host_maxconn : &settings.maxconn;

	return too_many_args(1, args, err, NULL) ? -1 : set_number(args, 1, 1024, out, err);
}

static int parse_state_dir(char **args, int section, struct proxy *px, const struct proxy *dpx,
			   const char *file, int line, char **err)
{
	if (too_many_args(1, args, err, NULL))
		return -1;
	if (*args[1] != '/') {
		memprintf(err, "'%s' expects an absolute path but got '%s'", args[0], args[1]);
		return -1;
	}
	free(settings.state_dir);
	settings.state_dir = strdup(args[1]);
	return 0;
}

static int parse_wait(char **args, int section, struct proxy *px, const struct proxy *dpx,
		      const char *file, int line, char **err)
{
	bool none = strcmp(args[1], "0") == 0;

	if (too_many_args(2, args, err, NULL))
		return -1;
	if (*args[2] && strcmp(args[2], "all") != 0) {
		memprintf(err, "'%s' expects a time and optionally 'all' but got '%s'", args[0],
			  args[2]);
		return -1;
	}
	settings.wait_all = *args[2] != 0;
	settings.wait_ms = 0;
	return none ? 0 : set_time(args, &settings.wait_ms, err);
}

static int parse_resolvers_off(char **args, int section, struct proxy *px, const struct proxy *dpx,
			       const char *file, int line, char **err)
{
	return too_many_args(1, args, err, NULL) ? -1
						 : set_switch(args, &settings.resolvers_off, err);
}

static int parse_resolvers_id(char **args, int section, struct proxy *px, const struct proxy *dpx,
			      const char *file, int line, char **err)
{
	if (too_many_args(1, args, err, NULL))
		return -1;
	if (!*args[1]) {
		memprintf(err, "'%s' expects the name of a resolvers section", args[0]);
		return -1;
	}
	free(settings.resolvers_id);
	settings.resolvers_id = strdup(args[1]);
	return 0;
}

static int parse_verify(char **args, int section, struct proxy *px, const struct proxy *dpx,
			const char *file, int line, char **err)
{
	if (too_many_args(1, args, err, NULL))
		return -1;
	if (strcmp(args[1], "none") != 0 && strcmp(args[1], "required") != 0) {
		memprintf(err, "'%s' expects 'none' or 'required' but got '%s'", args[0], args[1]);
		return -1;
	}
	settings.tls_no_verify = strcmp(args[1], "none") == 0;
	return 0;
}

static int parse_ca_file(char **args, int section, struct proxy *px, const struct proxy *dpx,
			 const char *file, int line, char **err)
{
	if (too_many_args(1, args, err, NULL))
		return -1;
	if (!*args[1]) {
		memprintf(err, "'%s' expects a file name", args[0]);
		return -1;
	}
	free(settings.ca_file);
	settings.ca_file = strdup(args[1]);
	return 0;
}

/* One directive of the global section. */
static struct directive {
	const char *kw;
	parse_fn parse;
	bool shared;   /* HAProxy's own parser, if any, is called too */
	parse_fn prev; /* that one */
} directives[] = {
	{ "ocsp-update.mode", parse_mode, false, NULL },
	{ "ocsp-update.disable", parse_disable, false, NULL },
	{ "ocsp-update.mindelay", parse_delay, false, NULL },
	{ "ocsp-update.maxdelay", parse_delay, false, NULL },
	{ "tune.ssl.ocsp-update.mindelay", parse_delay, false, NULL },
	{ "tune.ssl.ocsp-update.maxdelay", parse_delay, false, NULL },
	{ "ocsp-update.httpproxy", parse_httpproxy, false, NULL },
	{ "ocsp-update.timeout", parse_timeout, false, NULL },
	{ "ocsp-update.family", parse_family, false, NULL },
	{ "ocsp-update.maxconn", parse_maxconn, false, NULL },
	{ "ocsp-update.host-maxconn", parse_maxconn, false, NULL },
	{ "ocsp-update.state-dir", parse_state_dir, false, NULL },
	{ "ocsp-update.wait", parse_wait, false, NULL },
	{ "httpclient.timeout.connect", parse_connect, true, NULL },
	{ "httpclient.ssl.verify", parse_verify, true, NULL },
	{ "httpclient.ssl.ca-file", parse_ca_file, true, NULL },
	{ "httpclient.resolvers.prefer", parse_prefer, true, NULL },
	{ "httpclient.resolvers.disabled", parse_resolvers_off, true, NULL },
	{ "httpclient.resolvers.id", parse_resolvers_id, true, NULL },
};

static int parse_directive(char **args, int section, struct proxy *px, const struct proxy *dpx,
			   const char *file, int line, char **err)
{
	struct directive *d = directives;
	int rc;

	while (strcmp(d->kw, args[0]) != 0)
		d++;
	rc = d->parse(args, section, px, dpx, file, line, err);
	if (!rc && d->shared && d->prev)
		rc = d->prev(args, section, px, dpx, file, line, err);
	return rc;
}

static struct cfg_keyword *find_keyword(const char *kw)
{
	struct cfg_kw_list *list;
	struct cfg_keyword *k;

	list_for_each_entry(list, &cfg_keywords.list, list)
		for (k = list->kw; k->kw; k++)
			if (k->section == CFG_GLOBAL && strcmp(k->kw, kw) == 0)
				return k;
	return NULL;
}

/* Takes over the keywords that HAProxy has and registers the others. */
static void conf_register(void)
{
	size_t i, n = sizeof(directives) / sizeof(*directives);
	static struct {
		struct list list;
		struct cfg_keyword kw[sizeof(directives) / sizeof(*directives) + 1];
	} own;
	struct cfg_keyword *k = own.kw, *found;

	for (i = 0; i < n; i++) {
		found = find_keyword(directives[i].kw);
		if (found) {
			directives[i].prev = found->parse;
		} else {
			found = k++;
			found->section = CFG_GLOBAL;
			found->kw = directives[i].kw;
		}
		found->parse = parse_directive;
	}
	cfg_register_keywords((struct cfg_kw_list *)&own);
}
INITCALL0(STG_INIT, conf_register);

static enum ocu_status add_nameserver(const struct sockaddr_storage *ss)
{
	char host[INET6_ADDRSTRLEN];

	if (!addr_to_str(ss, host, sizeof(host)))
		return OCU_OK;
	return ocu_buf_addf(&settings.nameservers,
			    ss->ss_family == AF_INET6 ? "%s[%s]:%d" : "%s%s:%d",
			    settings.nameservers.len ? "," : "", host, get_host_port(ss));
}

/* Fills settings.nameservers: the resolvers section if there is one, else resolv.conf. */
static enum ocu_status read_nameservers(struct ocu_err *err)
{
	const char *id = settings.resolvers_id ? settings.resolvers_id : "default";
	enum ocu_status ret = OCU_OK;
	struct dns_nameserver *ns;
	struct resolvers *r;

	ocu_buf_init(&settings.nameservers, NAMESERVERS_MAX_BYTES);
	if (settings.resolvers_off)
		return ocu_buf_add(&settings.nameservers, "", 1);
	r = find_resolvers_by_id(id);
	if (r) {
		list_for_each_entry(ns, &r->nameservers, list) {
			if (ns->dgram)
				ret = add_nameserver(&ns->dgram->conn.addr.to);
			else if (ns->stream && ns->stream->srv)
				ret = add_nameserver(&ns->stream->srv->addr);
			if (ret != OCU_OK)
				return ret;
		}
	}
	if (!r && settings.resolvers_id)
		ha_warning("ocsp-update: there is no resolvers section '%s' "
			   "('httpclient.resolvers.id'); resolv.conf is used.\n",
			   settings.resolvers_id);
	if (!settings.nameservers.len)
		ret = ocu_dns_system_servers(&settings.nameservers, err);
	if (ret == OCU_OK)
		ret = ocu_buf_add(&settings.nameservers, "", 1);
	return ret;
}

/* Whether the host has a route to the IPv6 internet: connecting a datagram socket sends nothing. */
static bool ipv6_routed(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	inet_pton(AF_INET6, "2000::1", &sin6.sin6_addr);
	ok = fd >= 0 && connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static void warn_network(void)
{
	if (!conf_needs_names)
		return;
	if (settings.resolvers_off)
		ha_warning("ocsp-update: 'httpclient.resolvers.disabled' is on: OCSP responders "
			   "cannot be resolved; set it to off.\n");
	else if (settings.nameservers.len <= 1)
		ha_warning("ocsp-update: no nameserver: OCSP responders cannot be resolved; add a "
			   "'resolvers default' section with a nameserver, or one to "
			   "/etc/resolv.conf.\n");
	if ((settings.prefer == OCU_IPV6 || settings.family == OCU_IPV6) && !ipv6_routed())
		ha_warning("ocsp-update: IPv6 is preferred but this host has no IPv6 route; set "
			   "'httpclient.resolvers.prefer ipv4'%s.\n",
			   settings.family == OCU_IPV6 ? " and 'ocsp-update.family any'" : "");
}

/* After the whole configuration was read, also in a mere check of it. */
static int conf_finish(void)
{
	struct ocu_err err = {0};

	if (global_ssl.ocsp_update.delay_min > global_ssl.ocsp_update.delay_max) {
		ha_alert("parsing [%s:%d] : 'ocsp-update.mindelay' (%d) can not be higher than "
			 "'ocsp-update.maxdelay' (%d).\n",
			 delay_at.file, delay_at.line, global_ssl.ocsp_update.delay_min,
			 global_ssl.ocsp_update.delay_max);
		return 1;
	}
	if (read_nameservers(&err) != OCU_OK) {
		ha_warning("ocsp-update: the nameservers could not be read: %s.\n",
			   err.code ? err.msg : "too many");
		ocu_buf_reset(&settings.nameservers);
	}
	if (!updater_needed || global_ssl.ocsp_update.disable)
		return 0;
	warn_network();
	state_open();
	state_load();
	certs_warn_revoked();
	if (ocu_stream_ctx_new(&settings.tls, !settings.tls_no_verify, settings.ca_file, &err) !=
	    OCU_OK)
		ha_warning("ocsp-update: responders with https:// cannot be asked: %s; see "
			   "'httpclient.ssl.ca-file'.\n",
			   err.msg);
	global.maxsock += OCU_WALK_FDS(settings.maxconn);
	return 0;
}
REGISTER_CONFIG_POSTPARSER("ocsp-update-module", conf_finish);
