/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - the directives, as one table, and the settings that come out of them.
 *
 * HAProxy 3.0 knows most of these directives, 2.6 few. The module's parser takes the place of the
 * registered one; where HAProxy needs the value itself (httpclient.*) that one is called as well.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <haproxy/cfgparse.h>
#include <haproxy/dns-t.h>
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/protocol-t.h>
#include <haproxy/resolvers.h>
#include <haproxy/server-t.h>
#include <haproxy/tools.h>

#include "conf.h"

#define NAMESERVERS_MAX_BYTES 4096

struct ocu_settings ocu_settings = {
	.timeout_ms = 10000,
	.connect_ms = 5000,
	.maxconn = 64,
	.host_maxconn = 16,
};

/* Where the delays were set last, for a message about both. */
static struct {
	char *file;
	int line;
} delay_at;

typedef int (*parse_fn)(char **args, int section, struct proxy *px, const struct proxy *dpx,
			const char *file, int line, char **err);

/* One directive of the global section. Its value goes where <out> points. */
struct directive {
	const char *kw;
	/* Returns 0, or -1 with the reason in <err>. */
	int (*set)(const struct directive *d, char **args, char **err);
	void *out;
	unsigned min, max;     /* of a number */
	const char *one, *two; /* the two words of a choice; <two> sets it */
	bool shared;           /* HAProxy's own parser, if any, is called too */
	bool delay;
};

/* ---- kinds of values ---- */

/* One of two words, into a bool or, for HAProxy's own settings, into an int. */
static int choice(const struct directive *d, char **args, bool *two, char **err)
{
	if (strcmp(args[1], d->one) != 0 && strcmp(args[1], d->two) != 0) {
		memprintf(err, "'%s' expects '%s' or '%s' but got '%s'", args[0], d->two, d->one,
			  args[1]);
		return -1;
	}
	*two = strcmp(args[1], d->two) == 0;
	return 0;
}

static int set_bool(const struct directive *d, char **args, char **err)
{
	return choice(d, args, d->out, err);
}

static int set_int(const struct directive *d, char **args, char **err)
{
	bool two;

	if (choice(d, args, &two, err))
		return -1;
	*(int *)d->out = two;
	return 0;
}

static int set_mode(const struct directive *d, char **args, char **err)
{
	bool two;

	if (choice(d, args, &two, err))
		return -1;
	*(int *)d->out = two ? SSL_SOCK_OCSP_UPDATE_ON : SSL_SOCK_OCSP_UPDATE_OFF;
	return 0;
}

static int set_number(const struct directive *d, char **args, char **err)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(args[1], &end, 10);
	if (!isdigit((unsigned char)*args[1]) || *end || errno || value < d->min ||
	    value > d->max) {
		memprintf(err, "'%s' expects an integer from %u to %u but got '%s'", args[0],
			  d->min, d->max, args[1]);
		return -1;
	}
	*(unsigned *)d->out = value;
	return 0;
}

/* A number of seconds, or "auto": what a response and its cache headers say is enough. */
static int set_maxdelay(const struct directive *d, char **args, char **err)
{
	ocu_settings.maxdelay_auto = strcmp(args[1], "auto") == 0;
	return ocu_settings.maxdelay_auto ? 0 : set_number(d, args, err);
}

static int set_time(const struct directive *d, char **args, char **err)
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
	*(unsigned *)d->out = ms;
	return 0;
}

/* <one>: "any" is allowed as well. */
static int set_family(const struct directive *d, char **args, char **err)
{
	enum ocu_family *out = d->out;

	if (strcmp(args[1], "ipv4") == 0) {
		*out = OCU_IPV4;
	} else if (strcmp(args[1], "ipv6") == 0) {
		*out = OCU_IPV6;
	} else if (d->one && strcmp(args[1], d->one) == 0) {
		*out = OCU_ANY;
	} else {
		memprintf(err, "'%s' expects %s'ipv4' or 'ipv6' but got '%s'", args[0],
			  d->one ? "'any', " : "", args[1]);
		return -1;
	}
	return 0;
}

/* <one>: what is expected. */
static int set_text(const struct directive *d, char **args, char **err)
{
	char **out = d->out, *copy;

	if (!*args[1]) {
		memprintf(err, "'%s' expects %s", args[0], d->one);
		return -1;
	}
	copy = strdup(args[1]);
	if (!copy) {
		memprintf(err, "'%s': out of memory", args[0]);
		return -1;
	}
	free(*out);
	*out = copy;
	return 0;
}

static int set_path(const struct directive *d, char **args, char **err)
{
	if (*args[1] != '/') {
		memprintf(err, "'%s' expects an absolute path but got '%s'", args[0], args[1]);
		return -1;
	}
	return set_text(d, args, err);
}

static int set_proxy(const struct directive *d, char **args, char **err)
{
	struct ocu_err why;

	if (ocu_proxy_parse(d->out, args[1], &why) == OCU_OK)
		return 0;
	memprintf(err, "'%s' expects [user:password@]<address or name>[:port] but got '%s': %s",
		  args[0], args[1], why.msg);
	return -1;
}

static int set_wait(const struct directive *d, char **args, char **err)
{
	if (*args[2] && strcmp(args[2], "all") != 0) {
		memprintf(err, "'%s' expects a time and optionally 'all' but got '%s'", args[0],
			  args[2]);
		return -1;
	}
	ocu_settings.wait_all = *args[2] != 0;
	ocu_settings.wait_ms = 0;
	return strcmp(args[1], "0") == 0 ? 0 : set_time(d, args, err);
}

/* ---- the table ---- */

#define SWITCH .one = "off", .two = "on"

static const struct directive directives[] = {
	{ "ocsp-update.mode", set_mode, OCU_MODE_AT, SWITCH },
	{ "ocsp-update.disable", set_int, OCU_DISABLE_AT, SWITCH },
	{ "ocsp-update.mindelay", set_number, &global_ssl.ocsp_update.delay_min, .max = INT_MAX,
	  .delay = true },
	{ "ocsp-update.maxdelay", set_maxdelay, &global_ssl.ocsp_update.delay_max, .max = INT_MAX,
	  .delay = true },
	{ "tune.ssl.ocsp-update.mindelay", set_number, &global_ssl.ocsp_update.delay_min,
	  .max = INT_MAX, .delay = true },
	{ "tune.ssl.ocsp-update.maxdelay", set_maxdelay, &global_ssl.ocsp_update.delay_max,
	  .max = INT_MAX, .delay = true },
	{ "ocsp-update.httpproxy", set_proxy, &ocu_settings.proxy },
	{ "ocsp-update.timeout", set_time, &ocu_settings.timeout_ms },
	{ "ocsp-update.family", set_family, &ocu_settings.family, .one = "any" },
	{ "ocsp-update.maxconn", set_number, &ocu_settings.maxconn, .min = 1, .max = 1024 },
	{ "ocsp-update.host-maxconn", set_number, &ocu_settings.host_maxconn, .min = 1,
	  .max = 1024 },
	{ "ocsp-update.state-dir", set_path, &ocu_settings.state_dir },
	{ "ocsp-update.wait", set_wait, &ocu_settings.wait_ms },
	{ "httpclient.timeout.connect", set_time, &ocu_settings.connect_ms, .shared = true },
	{ "httpclient.ssl.verify", set_bool, &ocu_settings.tls_no_verify, .one = "required",
	  .two = "none", .shared = true },
	{ "httpclient.ssl.ca-file", set_text, &ocu_settings.ca_file, .one = "a file name",
	  .shared = true },
	{ "httpclient.resolvers.prefer", set_family, &ocu_settings.prefer, .shared = true },
	{ "httpclient.resolvers.disabled", set_bool, &ocu_settings.resolvers_off, SWITCH,
	  .shared = true },
	{ "httpclient.resolvers.id", set_text, &ocu_settings.resolvers_id,
	  .one = "the name of a resolvers section", .shared = true },
};

#define DIRECTIVES (sizeof(directives) / sizeof(*directives))

/* HAProxy's own parser of each, NULL if it has none. */
static parse_fn stock[DIRECTIVES];

static int parse_directive(char **args, int section, struct proxy *px, const struct proxy *dpx,
			   const char *file, int line, char **err)
{
	const struct directive *d = directives;
	parse_fn own;
	int rc;

	while (strcmp(d->kw, args[0]) != 0)
		d++;
	if (too_many_args(d->set == set_wait ? 2 : 1, args, err, NULL) || d->set(d, args, err))
		return -1;
	if (d->delay) {
		free(delay_at.file);
		delay_at.file = strdup(file);
		delay_at.line = line;
	}
	own = stock[d - directives];
	rc = d->shared && own ? own(args, section, px, dpx, file, line, err) : 0;
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

/* Takes over the keywords that HAProxy has and registers the others, but those that need what this
 * version of HAProxy has not.
 */
static void conf_register(void)
{
	size_t i;
	static struct {
		struct list list;
		struct cfg_keyword kw[DIRECTIVES + 1];
	} own;
	struct cfg_keyword *k = own.kw, *found;

	for (i = 0; i < DIRECTIVES; i++) {
		if (!directives[i].out)
			continue;
		found = find_keyword(directives[i].kw);
		if (found) {
			stock[i] = found->parse;
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

/* ---- what several of them say ---- */

bool ocu_conf_check(void)
{
	if (ocu_settings.maxdelay_auto ||
	    global_ssl.ocsp_update.delay_min <= global_ssl.ocsp_update.delay_max)
		return true;
	ha_alert("parsing [%s:%d] : 'ocsp-update.mindelay' (%d) can not be higher than "
		 "'ocsp-update.maxdelay' (%d).\n",
		 delay_at.file ? delay_at.file : "?", delay_at.line,
		 global_ssl.ocsp_update.delay_min, global_ssl.ocsp_update.delay_max);
	return false;
}

static enum ocu_status add_nameserver(struct ocu_buf *out, const struct dns_nameserver *ns)
{
	const struct sockaddr_storage *ss = NULL;
	char host[INET6_ADDRSTRLEN];

	if (ns->dgram)
		ss = &ns->dgram->conn.addr.to;
	else if (ns->stream && ns->stream->srv)
		ss = &ns->stream->srv->addr;
	if (!ss || !addr_to_str(ss, host, sizeof(host)))
		return OCU_OK;
	return ocu_buf_addf(out, ss->ss_family == AF_INET6 ? "%s%s[%s]:%d" : "%s%s%s:%d",
			    out->len ? "," : "", ns->dgram ? "" : "tcp@", host,
			    get_host_port(ss));
}

enum ocu_status ocu_conf_dns(struct ocu_conf_dns *d)
{
	const char *id = ocu_settings.resolvers_id ? ocu_settings.resolvers_id : "default";
	struct resolvers *r = ocu_settings.resolvers_off ? NULL : find_resolvers_by_id(id);
	enum ocu_status st = OCU_OK;
	struct dns_nameserver *ns;

	*d = (struct ocu_conf_dns){ 0 };
	ocu_buf_init(&d->nameservers, NAMESERVERS_MAX_BYTES);
	/* HAProxy makes a section out of resolv.conf, where there is none */
	if (r && r->conf.implicit)
		r = NULL;
	d->system = !r && !ocu_settings.resolvers_off;
	if (r) {
		list_for_each_entry(ns, &r->nameservers, list)
			if (st == OCU_OK)
				st = add_nameserver(&d->nameservers, ns);
		d->try_ms = r->timeout.retry;
		d->rounds = r->resolve_retries;
		/* without EDNS an answer has 512 bytes */
		d->payload_bytes = r->accepted_payload_size > 512 ? r->accepted_payload_size : 0;
		d->system = !d->nameservers.len;
	}
	if (!r && ocu_settings.resolvers_id && !ocu_settings.resolvers_off)
		ha_warning("ocsp-update: there is no resolvers section '%s' "
			   "('httpclient.resolvers.id'); resolv.conf is used.\n",
			   ocu_settings.resolvers_id);
	return st == OCU_OK ? ocu_buf_add(&d->nameservers, "", 1) : st;
}

void ocu_conf_fini(void)
{
	ha_free(&ocu_settings.resolvers_id);
	ha_free(&ocu_settings.ca_file);
	ha_free(&ocu_settings.state_dir);
	ocu_proxy_fini(&ocu_settings.proxy);
	ha_free(&delay_at.file);
}
