/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alert.c - what is said unasked about certificates without a response: once after the start, and
 * before the response of a must-staple certificate ends. Looks only; changes nothing but its own
 * memory of what was said.
 */
#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/log.h>

#include "glue.h"

#define SUMMARY_REASONS 3

/* Hours before the end of a response at which it is said; from then on nothing is stapled. */
static const int alert_hours[] = { 24, 6, 1 };

bool cert_has_response(const struct cert *c, int64_t wall_s)
{
	return c->item.this_update && c->item.expiry > wall_s;
}

static bool cert_misses(const struct cert *c, int64_t wall_s)
{
	return c->on && c->n_uris && !cert_has_response(c, wall_s);
}

/* Writes "path: reason" of the first certificates that miss a response, those that have failed
 * before those that were not tried, since their responder is down. Returns how many miss one.
 */
static size_t list_missing(const struct cert *all, int64_t wall_s, bool must_only, char *text,
			   size_t size)
{
	const struct cert *c;
	size_t n = 0, len = 0;
	int tried;

	*text = 0;
	for (tried = 1; tried >= 0; tried--) {
		for (c = all; c; c = c->next) {
			if ((c->last != NULL) != tried || !cert_misses(c, wall_s) ||
			    (must_only && !c->must_staple))
				continue;
			if (n++ < SUMMARY_REASONS && len < size)
				len += snprintf(text + len, size - len, "%s%s: %s",
						n > 1 ? "; " : "", c->path,
						c->last ? c->last->reason : "no answer yet");
		}
	}
	return n;
}

void alert_summary(const struct cert *all, int64_t wall_s)
{
	char text[768];
	size_t n = list_missing(all, wall_s, false, text, sizeof(text));

	if (n)
		send_log(NULL, LOG_WARNING,
			 "<OCSP-UPDATE> %zu certificate%s still without an OCSP response: %s%s", n,
			 n > 1 ? "s are" : " is", text, n > SUMMARY_REASONS ? "; ..." : "");
}

size_t alert_waited(const struct cert *all, int64_t wall_s)
{
	char text[768];
	size_t n = list_missing(all, wall_s, !settings.wait_all, text, sizeof(text));

	if (n)
		ha_warning("ocsp-update.wait: the time is over and %zu certificate%s without an "
			   "OCSP response, HAProxy starts all the same: %s%s\n",
			   n, n > 1 ? "s are" : " is", text, n > SUMMARY_REASONS ? "; ..." : ".");
	return n;
}

bool alert_waits_for(const struct cert *all, int64_t wall_s)
{
	const struct cert *c;

	for (c = all; c; c = c->next)
		if (cert_misses(c, wall_s) && (settings.wait_all || c->must_staple))
			return true;
	return false;
}

/* Why the held response of <c> is not renewed, NULL if nothing is known to stand against it. */
static const char *unrenewed(const struct cert *c)
{
	int64_t until_ms;

	if (!c->on)
		return "updates are off";
	if (!c->n_uris)
		return "no usable OCSP URI";
	if (c->item.failures)
		return c->last ? c->last->reason : "";
	return ocu_update_blocked(&c->item, &until_ms) ? "its responder is down" : NULL;
}

void alert_ending(struct cert *c, int64_t wall_s)
{
	int n = sizeof(alert_hours) / sizeof(*alert_hours), due = 0;
	int64_t left = c->item.expiry - wall_s;
	const char *why = unrenewed(c);

	if (!c->must_staple || !c->item.this_update || left <= 0)
		return;
	while (due < n && left <= alert_hours[due] * 3600)
		due++;
	/* a response that is merely short-lived is no reason: only one that is not renewed */
	if (due > c->alerted && why) {
		c->alerted = due;
		send_log(NULL, LOG_ALERT,
			 "<OCSP-UPDATE> %s: must-staple, and its OCSP response ends in %lld "
			 "minutes without a newer one: %s",
			 c->path, (long long)left / 60, why);
	} else if (due < c->alerted) {
		c->alerted = due;
	}
}
