/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict.c - decides what follows from an answer. Sends nothing, looks into no response. */
#include "ocu/verdict.h"

/* A GET has failed in a way that POST may not: asks so, once, or ends with <last>. The target of a
 * redirect holds the request already and is used as it is.
 */
static enum ocu_verdict or_post(const struct ocu_verdict_ask *ask, enum ocu_verdict last)
{
	return ask->post || ask->redirected ? last : OCU_VERDICT_POST;
}

/* What came may be a copy in a cache: asks past it, once, or ends with <last>. */
static enum ocu_verdict or_no_cache(const struct ocu_verdict_ask *ask, enum ocu_verdict last)
{
	return ask->no_cache ? last : OCU_VERDICT_NO_CACHE;
}

/* The responder has nothing newer than what is held. */
static enum ocu_verdict nothing_newer(const struct ocu_verdict_ask *ask)
{
	return ask->held_ends_soon ? or_no_cache(ask, OCU_VERDICT_CURRENT) : OCU_VERDICT_CURRENT;
}

static enum ocu_verdict of_good(const struct ocu_verdict_ask *ask, enum ocu_age age)
{
	if (age == OCU_AGE_NEW || !ask->held_usable)
		return OCU_VERDICT_ACCEPT;
	return nothing_newer(ask);
}

static enum ocu_verdict of_verified(const struct ocu_verdict_ask *ask,
				    const struct ocu_verdict_seen *seen)
{
	switch (seen->verified) {
	case OCU_OK:
		return of_good(ask, seen->age);
	case OCU_TRY_LATER:
		return OCU_VERDICT_PAUSE;
	case OCU_INTERNAL:
		return OCU_VERDICT_BROKEN;
	case OCU_BAD_REQUEST:
		return or_post(ask, OCU_VERDICT_BROKEN);
	case OCU_OTHER_CERT:
		return OCU_VERDICT_REFUSED;
	case OCU_ENDED:
		return or_no_cache(ask, OCU_VERDICT_REFUSED);
	case OCU_NOMEM:
		return OCU_VERDICT_LOCAL;
	case OCU_MALFORMED:
		return or_post(ask, OCU_VERDICT_REFUSED);
	default:
		return OCU_VERDICT_REFUSED;
	}
}

static enum ocu_verdict of_200(const struct ocu_verdict_ask *ask,
			       const struct ocu_verdict_seen *seen)
{
	if (seen->coded)
		return ask->identity ? OCU_VERDICT_BROKEN : OCU_VERDICT_IDENTITY;
	if (!seen->is_ocsp || seen->body_len == 0)
		return or_post(ask, OCU_VERDICT_BROKEN);
	return of_verified(ask, seen);
}

enum ocu_verdict ocu_verdict(const struct ocu_verdict_ask *ask,
			     const struct ocu_verdict_seen *seen)
{
	if (seen->status == 0)
		return seen->closed ? or_post(ask, OCU_VERDICT_SILENT) : OCU_VERDICT_SILENT;
	if (!seen->whole)
		return OCU_VERDICT_BROKEN;
	switch (seen->status) {
	case 200:
		return of_200(ask, seen);
	case 304:
		return ask->conditional ? nothing_newer(ask) : OCU_VERDICT_BROKEN;
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return seen->location ? OCU_VERDICT_MOVED : OCU_VERDICT_BROKEN;
	case 400:
	case 403:
	case 404:
	case 405:
	case 411:
	case 414:
	case 500:
	case 501:
		return or_post(ask, OCU_VERDICT_BROKEN);
	case 429:
	case 502:
	case 503:
	case 504:
		return OCU_VERDICT_PAUSE;
	default:
		return OCU_VERDICT_BROKEN;
	}
}
