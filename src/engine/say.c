/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say.c - makes text of what is known of a certificate. */
#include "ocu/say.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ocu/date.h"
#include "ocu/dial.h"

enum ocu_say_status ocu_say_status(const struct ocu_cert *c)
{
	if (!c->result)
		return OCU_SAY_UNKNOWN;
	if (c->result->refused)
		return OCU_SAY_INSERT;
	switch (c->result->status) {
	case OCU_OK:
		return OCU_SAY_OK;
	case OCU_TYPE:
		return OCU_SAY_TYPE;
	case OCU_MALFORMED:
	case OCU_OCSP:
	case OCU_TRY_LATER:
	case OCU_BAD_REQUEST:
	case OCU_INTERNAL:
	case OCU_OTHER_CERT:
	case OCU_ENDED:
	case OCU_OLDER:
		return OCU_SAY_CHECK;
	default:
		return OCU_SAY_HTTP;
	}
}

const char *ocu_say_status_text(enum ocu_say_status st)
{
#define OCU_CASE(id, text)                                                                         \
	case id:                                                                                   \
		return text;
	switch (st) {
		OCU_SAY_STATUSES(OCU_CASE)
	}
#undef OCU_CASE
	return "?";
}

void ocu_say_date(char out[static OCU_SAY_DATE_BYTES], int64_t t)
{
	char text[OCU_DATE_BYTES];

	snprintf(out, OCU_SAY_DATE_BYTES, "%s", t ? ocu_date_text(t, text) : "-");
}

void ocu_say_log_date(char out[static OCU_SAY_DATE_BYTES], int64_t t)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t when = t;
	struct tm tm;
	char rest[24];

	/* a month's name does not depend on the locale here */
	if (!t || !localtime_r(&when, &tm) ||
	    !strftime(rest, sizeof(rest), "%Y:%H:%M:%S %z", &tm))
		snprintf(out, OCU_SAY_DATE_BYTES, "-");
	else
		snprintf(out, OCU_SAY_DATE_BYTES, "%02d/%s/%s", tm.tm_mday, months[tm.tm_mon],
			 rest);
}

static void say_success(char out[static OCU_ERR_BYTES], const struct ocu_cert *c)
{
	const struct ocu_result *r = c->result;
	char until[OCU_SAY_DATE_BYTES], from[OCU_DIAL_PEER_BYTES];

	ocu_say_date(until, c->item.held.next_update);
	ocu_dial_peer(from, &r->address);
	snprintf(out, OCU_ERR_BYTES, "%s%s until %s, from %s",
		 r->not_modified ? "not modified, " : r->unchanged ? "unchanged, " : "",
		 c->item.held.revoked ? "revoked" : "good", until, from);
}

/* Writes "address: cause", or "cause" if there was no address. */
static void say_attempt(char out[static OCU_ERR_BYTES], const struct ocu_attempt *a)
{
	char peer[OCU_DIAL_PEER_BYTES];

	if (!a->address.ss_family) {
		snprintf(out, OCU_ERR_BYTES, "%s", a->cause);
		return;
	}
	ocu_dial_peer(peer, &a->address);
	snprintf(out, OCU_ERR_BYTES, "%s: %s", peer, a->cause);
}

/* The part of a URL between its slashes: who was asked. */
static void say_authority(char out[static OCU_ERR_BYTES], const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	snprintf(out, OCU_ERR_BYTES, "%.*s", (int)strcspn(host, "/"), host);
}

/* Who was asked, and each address that could not be connected or else what was seen last. */
static void say_failure(char out[static OCU_ERR_BYTES], const struct ocu_result *r)
{
	const struct ocu_tried *last = &r->tried[r->n_tried - 1], *t = last;
	char part[OCU_ERR_BYTES];
	size_t len;

	/* the last turn may have left nothing behind */
	if (r->last < r->n_tried &&
	    (last->attempt.stage == OCU_CONNECT || last->attempt.stage == OCU_DNS))
		t = &r->tried[r->last];
	say_authority(out, last->url);
	len = strlen(out);
	/* an address literal is named by the attempt already */
	say_attempt(part, &t->attempt);
	if (strncmp(part, out, len) == 0 && part[len] == ':')
		len = 0;
	else
		len += snprintf(out + len, OCU_ERR_BYTES - len, ": ");
	for (; t <= last && len < OCU_ERR_BYTES; t++) {
		say_attempt(part, &t->attempt);
		len += snprintf(out + len, OCU_ERR_BYTES - len, "%s%s", part,
				t < last ? "; " : "");
	}
}

void ocu_say_reason(char out[static OCU_ERR_BYTES], const struct ocu_cert *c)
{
	out[0] = '\0';
	if (!c->result)
		return;
	if (c->result->refused)
		snprintf(out, OCU_ERR_BYTES, "not stapled: %s", ocu_text(c->result->status));
	else if (c->result->status == OCU_OK)
		say_success(out, c);
	else if (c->result->n_tried)
		say_failure(out, c->result);
	else
		snprintf(out, OCU_ERR_BYTES, "%s", ocu_text(c->result->status));
}

void ocu_say_tried(char out[static OCU_ERR_BYTES], const struct ocu_tried *t)
{
	char part[OCU_ERR_BYTES];

	say_attempt(part, &t->attempt);
	snprintf(out, OCU_ERR_BYTES, "%s: %.94s", t->url, part);
}

void ocu_say_update(char out[static OCU_SAY_LINE_BYTES], const struct ocu_cert *c, bool revoked,
		    bool inside)
{
	enum ocu_say_status st = ocu_say_status(c);
	char reason[OCU_ERR_BYTES];

	ocu_say_reason(reason, c);
	if (inside && st != OCU_SAY_OK) {
		snprintf(out, OCU_SAY_LINE_BYTES, "<OCSP-UPDATE> %.400s %d \"%s (%s)\" %u %u",
			 c->path, st, ocu_say_status_text(st), reason, c->failures, c->successes);
		return;
	}
	snprintf(out, OCU_SAY_LINE_BYTES, "<OCSP-UPDATE> %.400s %d \"%s\" %u %u \"%s%s\"", c->path,
		 st, ocu_say_status_text(st), c->failures, c->successes,
		 revoked ? "certificate is REVOKED: " : "", reason);
}
