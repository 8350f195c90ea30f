/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict.h - decides what follows from what a responder answered: whether the response is taken,
 * the same is asked once more in another way, or the fetch is over. Pure: sends nothing, reads no
 * clock, looks into no response.
 */
#ifndef OCU_VERDICT_H
#define OCU_VERDICT_H

#include "ocu/base.h"
#include "ocu/held.h"

/* How the request was made, and what is held. */
struct ocu_verdict_ask {
	bool post;
	bool no_cache;       /* caches were asked to be passed by */
	bool identity;       /* a body without a coding was asked for */
	bool conditional;    /* validators were sent */
	bool redirected;     /* the URL is a redirect's target, used as it is */
	bool held_usable;    /* a response is held that may be stapled */
	bool held_ends_soon; /* and less than a quarter of its life is left */
};

/* What came. */
struct ocu_verdict_seen {
	int status;               /* 0: no status line */
	bool closed;              /* that is because the peer closed or reset the connection */
	bool whole;               /* the response is complete */
	bool location;            /* it holds a Location that can be followed */
	/* of a 200 */
	bool coded;               /* the body has a content coding */
	bool is_ocsp;             /* its type is that of an OCSP response */
	size_t body_len;
	enum ocu_status verified; /* by ocu_ocsp_verify(), if it is one and not empty */
	enum ocu_age age;         /* beside the held one, if verified is OCU_OK */
};

enum ocu_verdict {
	OCU_VERDICT_ACCEPT,   /* the response takes the place of the held one */
	OCU_VERDICT_CURRENT,  /* what is held is current */
	OCU_VERDICT_POST,     /* the same again as POST */
	OCU_VERDICT_NO_CACHE, /* the same again, with Cache-Control: no-cache */
	OCU_VERDICT_IDENTITY, /* the same again, with Accept-Encoding: identity */
	OCU_VERDICT_MOVED,    /* redirected */
	OCU_VERDICT_PAUSE,    /* the responder asks for patience */
	OCU_VERDICT_REFUSED,  /* it answers, and what is wrong concerns this certificate only */
	OCU_VERDICT_BROKEN,   /* it does not answer as an OCSP responder */
	OCU_VERDICT_SILENT,   /* no status line */
	OCU_VERDICT_LOCAL,    /* there was no memory to verify it */
};

/* Decides. Each way of asking again is used at most once, so that a caller that sets what it was
 * told makes at most four requests. A GET that is refused, cut off, or answered with something that
 * is no OCSP answer may be met by a server that knows only POST (RFC 6960 appendix A); an answer
 * that has ended, and one that is not newer while the held one nears its end, may come out of a
 * cache (RFC 9919 section 6).
 */
enum ocu_verdict ocu_verdict(const struct ocu_verdict_ask *ask,
			     const struct ocu_verdict_seen *seen);

#endif
