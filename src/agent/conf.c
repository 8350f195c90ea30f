/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - the directives of the agent. */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/resolv.h"

#define NAMESERVERS_MAX_BYTES 1024

struct directive {
	const char *name, *flag;
	enum ocu_status (*set)(const struct directive *d, struct ocu_agent_conf *c,
			       const char *value, struct ocu_err *err);
	size_t at;            /* in struct ocu_agent_conf */
	unsigned min, max;
	const char *one, *two; /* words for false and true */
	const char *help;
};

#define AT(member) offsetof(struct ocu_agent_conf, member)

static void *target(const struct directive *d, struct ocu_agent_conf *c)
{
	return (char *)c + d->at;
}

static enum ocu_status expects(const struct directive *d, const char *what, const char *value,
			       struct ocu_err *err)
{
	return ocu_fail(err, OCU_IO, "'%s' expects %s but got '%.80s'", d->name, what, value);
}

static enum ocu_status no_memory(struct ocu_err *err)
{
	return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
}

/* ---- values ---- */

static enum ocu_status set_socket(const struct directive *d, struct ocu_agent_conf *c,
				  const char *value, struct ocu_err *err)
{
	char **more = reallocarray(c->sockets, c->n_sockets + 1, sizeof(*more));

	(void)d;
	if (more)
		c->sockets = more;
	if (!more || !(more[c->n_sockets] = strdup(value)))
		return no_memory(err);
	c->n_sockets++;
	return OCU_OK;
}

static enum ocu_status set_nameserver(const struct directive *d, struct ocu_agent_conf *c,
				      const char *value, struct ocu_err *err)
{
	struct ocu_buf *out = target(d, c);
	struct ocu_resolv r;

	if (ocu_resolv_list(&r, value, err) != OCU_OK || r.n_servers != 1)
		return expects(d, "<address>:<port>", value, err);
	if (out->len)
		out->data[out->len - 1] = ',';
	return ocu_buf_add(out, value, strlen(value) + 1) == OCU_OK ? OCU_OK : no_memory(err);
}

static enum ocu_status set_text(const struct directive *d, struct ocu_agent_conf *c,
				const char *value, struct ocu_err *err)
{
	char **out = target(d, c), *copy = strdup(value);

	if (!copy)
		return no_memory(err);
	free(*out);
	*out = copy;
	return OCU_OK;
}

static enum ocu_status set_number(const struct directive *d, struct ocu_agent_conf *c,
				  const char *value, struct ocu_err *err)
{
	unsigned long number;
	char *end, what[64];

	errno = 0;
	number = strtoul(value, &end, 10);
	if (isdigit((unsigned char)*value) && !*end && !errno && number >= d->min &&
	    number <= d->max) {
		*(unsigned *)target(d, c) = (unsigned)number;
		return OCU_OK;
	}
	snprintf(what, sizeof(what), "a number from %u to %u", d->min, d->max);
	return expects(d, what, value, err);
}

static enum ocu_status set_maxdelay(const struct directive *d, struct ocu_agent_conf *c,
				    const char *value, struct ocu_err *err)
{
	c->maxdelay_auto = strcmp(value, "auto") == 0;
	return c->maxdelay_auto ? OCU_OK : set_number(d, c, value, err);
}

/* Milliseconds, or with a unit, as HAProxy has it. */
static enum ocu_status set_time(const struct directive *d, struct ocu_agent_conf *c,
				const char *value, struct ocu_err *err)
{
	static const struct {
		const char *name;
		unsigned ms;
	} units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long number;
	size_t i;
	char *end;

	errno = 0;
	number = isdigit((unsigned char)*value) ? strtoul(value, &end, 10) : 0;
	for (i = 0; number && !errno && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) == 0 && number <= INT_MAX / units[i].ms) {
			*(unsigned *)target(d, c) = (unsigned)number * units[i].ms;
			return OCU_OK;
		}
	}
	return expects(d, "a time above 0 (milliseconds, or with a unit)", value, err);
}

static enum ocu_status set_choice(const struct directive *d, struct ocu_agent_conf *c,
				  const char *value, struct ocu_err *err)
{
	bool two = strcmp(value, d->two) == 0;
	char what[64];

	if (two || strcmp(value, d->one) == 0) {
		*(bool *)target(d, c) = two;
		return OCU_OK;
	}
	snprintf(what, sizeof(what), "'%s' or '%s'", d->one, d->two);
	return expects(d, what, value, err);
}

/* <one>: "any" is allowed as well. */
static enum ocu_status set_family(const struct directive *d, struct ocu_agent_conf *c,
				  const char *value, struct ocu_err *err)
{
	enum ocu_family *out = target(d, c);

	if (strcmp(value, "ipv4") == 0)
		*out = OCU_IPV4;
	else if (strcmp(value, "ipv6") == 0)
		*out = OCU_IPV6;
	else if (d->one && strcmp(value, d->one) == 0)
		*out = OCU_ANY;
	else
		return expects(d, d->one ? "'any', 'ipv4' or 'ipv6'" : "'ipv4' or 'ipv6'", value,
			       err);
	return OCU_OK;
}

static enum ocu_status set_proxy(const struct directive *d, struct ocu_agent_conf *c,
				 const char *value, struct ocu_err *err)
{
	struct ocu_err why;
	enum ocu_status st = ocu_proxy_parse(target(d, c), value, &why);

	if (st == OCU_OK)
		return st;
	return ocu_fail(err, OCU_IO, "'%s' expects [user:password@]<address or name>[:port]: %s",
			d->name, why.msg);
}

/* ---- the table ---- */

static const struct directive directives[] = {
	{ "socket", NULL, set_socket, 0, .help = "a HAProxy's stats socket, level admin: a path, "
	  "abns@<name>, <address>:<port>, or '@1 ' and that of its master; once for each" },
	{ "nameserver", NULL, set_nameserver, AT(nameservers), .help = "<address>:<port>, in order "
	  "of preference; else those of the system" },
	{ "ocsp-update.state-dir", "state-dir", set_text, AT(state_dir), .help = "where responses "
	  "outlive the agent" },
	{ "ocsp-files", NULL, set_choice, AT(files_off), .one = "on", .two = "off", .help = "on or "
	  "off: .ocsp files beside the certificates" },
	{ "ocsp-update.mindelay", "mindelay", set_number, AT(mindelay_s), .max = INT_MAX,
	  .help = "seconds between two requests for a certificate, at least" },
	{ "ocsp-update.maxdelay", "maxdelay", set_maxdelay, AT(maxdelay_s), .max = INT_MAX,
	  .help = "and at most; 'auto': as responses and their headers say" },
	{ "ocsp-update.timeout", "timeout", set_time, AT(timeout_ms), .help = "for one certificate "
	  "and try" },
	{ "ocsp-update.httpproxy", "proxy", set_proxy, AT(proxy), .help = "[user:password@]<host>"
	  "[:port]: an HTTP proxy" },
	{ "ocsp-update.maxconn", "maxconn", set_number, AT(maxconn), .min = 1, .max = 1024,
	  .help = "requests at the same time" },
	{ "ocsp-update.host-maxconn", "host-maxconn", set_number, AT(host_maxconn), .min = 1,
	  .max = 1024, .help = "and at one responder" },
	{ "ocsp-update.family", "family", set_family, AT(family), .one = "any", .help = "any, ipv4 "
	  "or ipv6: the addresses that are used" },
	{ "httpclient.resolvers.prefer", "prefer", set_family, AT(prefer), .help = "ipv4 or ipv6: "
	  "those that go first" },
	{ "httpclient.timeout.connect", "connect", set_time, AT(connect_ms), .help = "for one "
	  "address" },
	{ "httpclient.ssl.verify", "verify", set_choice, AT(tls_no_verify), .one = "required",
	  .two = "none", .help = "required or none, of https:// responders" },
	{ "httpclient.ssl.ca-file", "ca-file", set_text, AT(ca_file), .help = "whom they are "
	  "verified by; else those of the system" },
	{ "log", NULL, set_choice, AT(syslog), .one = "stderr", .two = "syslog", .help = "stderr "
	  "or syslog" },
};

#define DIRECTIVES (sizeof(directives) / sizeof(*directives))

void ocu_conf_init(struct ocu_agent_conf *c)
{
	*c = (struct ocu_agent_conf){
		.mindelay_s = 300,
		.maxdelay_s = 3600,
		.maxconn = 64,
		.host_maxconn = 16,
		.timeout_ms = 10000,
		.connect_ms = 5000,
		.prefer = OCU_IPV6,
		.family = OCU_ANY,
	};
	ocu_buf_init(&c->nameservers, NAMESERVERS_MAX_BYTES);
}

void ocu_conf_fini(struct ocu_agent_conf *c)
{
	while (c->n_sockets)
		free(c->sockets[--c->n_sockets]);
	free(c->sockets);
	ocu_buf_fini(&c->nameservers);
	ocu_proxy_fini(&c->proxy);
	free(c->state_dir);
	free(c->ca_file);
}

enum ocu_status ocu_conf_set(struct ocu_agent_conf *c, const char *name, const char *value,
			     struct ocu_err *err)
{
	const struct directive *d;

	for (d = directives; d < directives + DIRECTIVES; d++) {
		if (strcmp(name, d->name) != 0 && (!d->flag || strcmp(name, d->flag) != 0))
			continue;
		return *value ? d->set(d, c, value, err) : expects(d, "a value", value, err);
	}
	return ocu_fail(err, OCU_IO, "unknown directive '%.80s'", name);
}

/* Sets what the line says; it is changed by that. */
static enum ocu_status line_set(struct ocu_agent_conf *c, char *line, struct ocu_err *err)
{
	char *name, *value, *end;

	line[strcspn(line, "#\r\n")] = '\0';
	name = line + strspn(line, " \t");
	if (!*name)
		return OCU_OK;
	value = name + strcspn(name, " \t");
	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	for (end = value + strlen(value); end > value && strchr(" \t", end[-1]); end--)
		;
	*end = '\0';
	return ocu_conf_set(c, name, value, err);
}

enum ocu_status ocu_conf_read(struct ocu_agent_conf *c, const char *path, struct ocu_err *err)
{
	FILE *f = fopen(path, "re");
	enum ocu_status st = OCU_OK;
	struct ocu_err why;
	unsigned number = 0;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return ocu_fail(err, OCU_IO, "%s: %m", path);
	while (st == OCU_OK && getline(&line, &size, f) >= 0) {
		number++;
		st = line_set(c, line, &why);
	}
	if (st != OCU_OK)
		(void)ocu_fail(err, st, "%s:%u: %s", path, number, why.msg);
	else if (ferror(f))
		st = ocu_fail(err, OCU_IO, "%s: %m", path);
	free(line);
	fclose(f);
	return st;
}

enum ocu_status ocu_conf_check(const struct ocu_agent_conf *c, struct ocu_err *err)
{
	if (!c->n_sockets)
		return ocu_fail(err, OCU_IO, "no stats socket is named: 'socket <path>'");
	if (!c->maxdelay_auto && c->mindelay_s > c->maxdelay_s)
		return ocu_fail(err, OCU_IO, "'ocsp-update.mindelay' (%u) can not be higher than "
				"'ocsp-update.maxdelay' (%u)", c->mindelay_s, c->maxdelay_s);
	return OCU_OK;
}

void ocu_conf_help(void)
{
	const struct directive *d;

	for (d = directives; d < directives + DIRECTIVES; d++)
		printf("  --%-14s %-28s %s\n", d->flag ? d->flag : d->name, d->name, d->help);
}
