/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job.c - turns what is known of a certificate into a fetch, and the end of it into what is known.
 */
#include "ocu/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills the fetch for the URI of <j>, or for where a redirect led. Returns whether the URL parses:
 * it did when the certificate came.
 */
static bool fetch_fill(struct ocu_job *j)
{
	struct ocu_cert *c = j->cert;
	struct ocu_fetch *f = &j->fetch;
	const char *text = c->uris[j->uri].text;

	f->cert = c->x509;
	/* a renewed one may take its place meanwhile */
	X509_up_ref(c->issuer);
	f->issuer = c->issuer;
	f->url = &j->url;
	f->held = c->item.held;
	if (j->hopped) {
		j->url = c->hop->url;
		f->peer = &c->hop->responder->peer;
		f->redirected = true;
		f->post = c->hop->post;
		f->only_public = c->hop->only_public;
		return true;
	}
	f->peer = &c->uris[j->uri].responder->peer;
	return ocu_url_parse(&j->url, text, strlen(text), NULL) == OCU_OK;
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* "Not modified" is of no use when what is held is about to end. Without memory the whole response
 * comes.
 */
static void validators_fill(struct ocu_job *j, const struct ocu_clock *now)
{
	const struct ocu_cert *c = j->cert;

	if (!ocu_held_usable(&c->item.held, now->wall_s) ||
	    ocu_held_ends_soon(&c->item.held, now->wall_s))
		return;
	j->fetch.etag = j->etag = copy(ocu_cert_etag(c, j->uri));
	j->fetch.last_modified = j->last_modified = copy(ocu_cert_last_modified(c, j->uri));
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Who has another URI that is believed to work leaves it half of the time. */
static void time_fill(struct ocu_job *j, bool last, int64_t timeout_ms)
{
	int64_t left_ms = j->cert->left_ms, half_ms = left_ms / 2;

	j->fetch.limit_ms = last ? left_ms : half_ms;
	if (!last)
		j->fetch.silence_ms = min64(half_ms, OCU_JOB_SILENCE_MS);
	j->brief = j->fetch.limit_ms < min64(timeout_ms / 4, OCU_JOB_SILENCE_MS);
}

enum ocu_status ocu_job_new(struct ocu_job **out, struct ocu_cert *c, const struct ocu_turn *turn,
			    int64_t timeout_ms, const struct ocu_clock *now)
{
	struct ocu_job *j = calloc(1, sizeof(*j));

	*out = j;
	if (!j)
		return OCU_NOMEM;
	if (turn->first) {
		ocu_job_forget(c);
		c->left_ms = timeout_ms;
	}
	c->refs++;
	j->cert = c;
	j->hopped = turn->place == &c->places[c->n_uris];
	j->uri = j->hopped ? c->hop->uri : (size_t)(turn->place - c->places);
	j->began_ms = now->mono_ms;
	j->fetch.hangs_ms = ocu_health_hangs_ms(&turn->place->lane->health);
	time_fill(j, turn->last, timeout_ms);
	validators_fill(j, now);
	if (fetch_fill(j))
		return OCU_OK;
	ocu_job_free(j);
	*out = NULL;
	return OCU_NOMEM;
}

void ocu_job_free(struct ocu_job *j)
{
	if (!j)
		return;
	ocu_buf_fini(&j->fetch.der);
	X509_free(j->fetch.issuer);
	free(j->etag);
	free(j->last_modified);
	ocu_cert_put(j->cert);
	free(j);
}

/* Remembers where a redirect leads. Returns why it is not followed, OCU_OK if it is. */
static enum ocu_status hop_set(struct ocu_job *j, struct ocu_responders *rs)
{
	const struct ocu_fetch *f = &j->fetch;
	struct ocu_cert *c = j->cert;
	struct ocu_responder *to;

	if (c->hop && c->hop->redirects >= OCU_JOB_REDIRECTS_MAX && j->hopped)
		return OCU_HTTP;
	to = ocu_responder_get(rs, &f->location);
	if (!c->hop)
		c->hop = calloc(1, sizeof(*c->hop));
	if (!to || !c->hop) {
		ocu_responder_put(rs, to);
		return OCU_NOMEM;
	}
	/* what a public responder says may not lead into the network behind this host */
	if (!j->hopped) {
		c->hop->redirects = 0;
		c->hop->only_public = !f->local;
	}
	ocu_responder_put(rs, c->hop->responder);
	c->hop->responder = to;
	c->hop->url = f->location;
	c->hop->post = f->location_post;
	c->hop->uri = j->uri;
	c->hop->redirects++;
	c->places[c->n_uris].lane = &to->lane;
	return OCU_OK;
}

void ocu_job_hop_free(struct ocu_cert *c, struct ocu_responders *rs)
{
	if (!c->hop)
		return;
	ocu_responder_put(rs, c->hop->responder);
	free(c->hop);
	c->hop = NULL;
}

/* Returns what was seen in the try of <c> so far, with room for <n> failed attempts more, as far as
 * there may be so many; NULL without memory. Most tries see none: it is as long as needed.
 */
static struct ocu_result *trying(struct ocu_cert *c, size_t n)
{
	struct ocu_result *was = c->trying, *r;
	size_t old = was ? was->n_tried : 0;

	n = old + n < OCU_CERT_TRIED_MAX ? old + n : OCU_CERT_TRIED_MAX;
	if (was && n == old)
		return was;
	r = calloc(1, sizeof(*r) + n * sizeof(*r->tried));
	if (r && was)
		memcpy(r, was, sizeof(*r) + old * sizeof(*r->tried));
	if (r) {
		free(was);
		c->trying = r;
	}
	return r;
}

/* Notes <a>, a failed attempt at <url>. When there is no room the last one gives way: why it ended
 * is always there.
 */
static void note(struct ocu_result *r, const struct ocu_url *url, const struct ocu_attempt *a)
{
	char authority[OCU_URL_AUTHORITY_BYTES];
	struct ocu_tried *t;

	if (r->n_tried == OCU_CERT_TRIED_MAX)
		r->n_tried--;
	if (r->last > r->n_tried)
		r->last = r->n_tried;
	t = &r->tried[r->n_tried++];
	t->attempt = *a;
	ocu_url_authority(url, authority);
	snprintf(t->url, sizeof(t->url), "%s://%.80s%.60s", url->https ? "https" : "http",
		 authority, url->target);
}

/* Takes over what the turn has seen. Without memory the try goes on without it. */
static void tried(struct ocu_job *j)
{
	const struct ocu_fetch *f = &j->fetch;
	struct ocu_result *r = trying(j->cert, f->n_attempts);
	struct ocu_tried *t;
	size_t i;

	if (!r)
		return;
	r->uri = j->uri;
	r->http_status = f->http_status;
	r->address = f->address;
	r->not_modified = f->not_modified;
	r->unchanged = f->end == OCU_END_CURRENT;
	r->last = r->n_tried;
	for (i = 0; i < f->n_attempts; i++)
		note(r, f->url, &f->attempts[i]);
	/* why the whole ended; of connections that failed, and of questions to DNS, each has a
	 * reason of its own
	 */
	if (f->err.code == OCU_OK || f->err.code == OCU_CONNECT || !f->n_attempts ||
	    (f->err.code == OCU_DNS && f->n_attempts > 1))
		return;
	t = &r->tried[r->n_tried - 1];
	snprintf(t->attempt.cause, sizeof(t->attempt.cause), "%.95s", f->err.msg);
}

static void redirects_over(struct ocu_fetch *f)
{
	size_t last = f->n_attempts < OCU_FETCH_ATTEMPTS_MAX ? f->n_attempts++
							     : OCU_FETCH_ATTEMPTS_MAX - 1;
	struct ocu_attempt *a = &f->attempts[last];

	(void)ocu_fail(&f->err, OCU_HTTP, "too many redirects");
	*a = (struct ocu_attempt){ .address = f->address, .stage = OCU_HTTP };
	snprintf(a->cause, sizeof(a->cause), "%.95s", f->err.msg);
}

/* How <j> ended, seen from now. What is held may be another response than when it began: then what
 * it brought may be no newer, or what it says is current is not there any more. And a responder
 * that other ones have left no time may be as good as any.
 */
static enum ocu_end end_now(const struct ocu_job *j, const struct ocu_clock *now)
{
	const struct ocu_fetch *f = &j->fetch;
	const struct ocu_held *held = &j->cert->item.held;

	if (f->end == OCU_END_NEW &&
	    ocu_held_compare(held, &f->fresh, now->wall_s) != OCU_AGE_NEW)
		return OCU_END_CURRENT;
	if (f->end == OCU_END_CURRENT && !ocu_held_usable(held, now->wall_s))
		return OCU_END_CANCELLED;
	if (f->timed_out && j->brief)
		return OCU_END_CUT;
	return f->end;
}

/* The validators of a new response are kept when it is accepted. Those that came with the very
 * bytes that are held are kept here: a responder may tell other ones than before for the same
 * response, and whoever held it without any can ask with them from now on. A 304 names none, and
 * what is older than the held response says nothing of that.
 */
static void validators_take(struct ocu_job *j, const struct ocu_clock *now)
{
	const struct ocu_fetch *f = &j->fetch;

	if (f->end != OCU_END_CURRENT || f->not_modified ||
	    ocu_held_compare(&j->cert->item.held, &f->fresh, now->wall_s) != OCU_AGE_SAME)
		return;
	ocu_cert_validators(j->cert, &f->validators, j->uri);
}

/* <j> was redirected. Returns how it has ended by that. */
static enum ocu_end moved(struct ocu_job *j, struct ocu_responders *rs)
{
	switch (hop_set(j, rs)) {
	case OCU_OK:
		return OCU_END_MOVED;
	case OCU_HTTP:
		redirects_over(&j->fetch);
		return OCU_END_BROKEN;
	default:
		(void)ocu_fail(&j->fetch.err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
		return OCU_END_LOCAL;
	}
}

struct ocu_ended ocu_job_end(struct ocu_job *j, struct ocu_responders *rs,
			     const struct ocu_clock *now)
{
	struct ocu_fetch *f = &j->fetch;
	struct ocu_ended e = {
		.end = end_now(j, now),
		.held = f->fresh,
		.retry_after_s = f->retry_after_s,
		.max_age_s = f->max_age_s,
	};
	struct ocu_cert *c = j->cert;

	f->end = e.end;
	if (e.end == OCU_END_CANCELLED)
		return e;
	c->left_ms -= now->mono_ms - j->began_ms;
	e.out_of_time = c->left_ms <= 0;
	if (f->end == OCU_END_MOVED)
		e.end = moved(j, rs);
	validators_take(j, now);
	tried(j);
	return e;
}

void ocu_job_stranded(struct ocu_cert *c, const struct ocu_place *place)
{
	bool hopped = place == &c->places[c->n_uris];
	struct ocu_attempt a = { .stage = OCU_HTTP };
	struct ocu_result *r = trying(c, 1);
	struct ocu_url url;
	const char *text;

	snprintf(a.cause, sizeof(a.cause), "%s", hopped ?
		 "redirected here, and nobody can be asked here now" :
		 "nobody can be asked here now, and nobody else is left");
	if (r && hopped) {
		note(r, &c->hop->url, &a);
	} else if (r) {
		text = c->uris[place - c->places].text;
		if (ocu_url_parse(&url, text, strlen(text), NULL) == OCU_OK)
			note(r, &url, &a);
	}
}

void ocu_job_settle(struct ocu_cert *c, enum ocu_status st)
{
	if (!c->trying)
		return;
	free(c->result);
	c->result = c->trying;
	c->trying = NULL;
	c->result->status = st;
}

void ocu_job_refused(struct ocu_cert *c, enum ocu_status st)
{
	if (!c->result || c->result->status != OCU_OK)
		return;
	c->result->refused = true;
	c->result->status = st;
}

void ocu_job_forget(struct ocu_cert *c)
{
	free(c->trying);
	c->trying = NULL;
}
