/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job.h - one turn of a certificate at a responder: what to fetch, and what the end of it means for
 * the certificate. Loop thread.
 */
#ifndef OCU_JOB_H
#define OCU_JOB_H

#include "ocu/cert.h"

#define OCU_JOB_REDIRECTS_MAX 3
#define OCU_JOB_SILENCE_MS 2500 /* without a status line for so long the next URI is tried, if there
				 * is another one that is believed to work; less than this, and than
				 * a quarter of the time of a try, is too little to judge by */

/* A turn in flight. */
struct ocu_job {
	struct ocu_fetch fetch;
	struct ocu_url url;
	struct ocu_cert *cert; /* with a reference */
	char *etag, *last_modified; /* copies: other ones may take their place meanwhile */
	size_t uri;            /* index of the URI, also where a redirect of it led */
	bool hopped;           /* it goes to where a redirect led */
	bool brief;            /* it has too little time to judge the responder by */
	int64_t began_ms;
	void *owner;           /* the callbacks' */
};

/* Makes the job for a turn of <c> at <turn->place>, in a try that may take <timeout_ms>: what was
 * seen before the first turn of it is forgotten. Nothing is started. Errors: OCU_NOMEM; *out is
 * then NULL.
 */
OCU_MUST enum ocu_status ocu_job_new(struct ocu_job **out, struct ocu_cert *c,
				     const struct ocu_turn *turn, int64_t timeout_ms,
				     const struct ocu_clock *now);

/* Frees <j> (may be NULL) and what its fetch has left. */
void ocu_job_free(struct ocu_job *j);

/* Takes what <j>, which has ended, has seen into its certificate: attempts, last address and
 * status, the time that is left, and the validators if the very bytes that are held came again;
 * those of a new response are the caller's business. One that was cancelled is as if it had not
 * begun. Returns how the turn ended for the plan; OCU_END_MOVED only if cert->hop was set.
 */
struct ocu_ended ocu_job_end(struct ocu_job *j, struct ocu_responders *rs,
			     const struct ocu_clock *now);

/* The try of <c> is over without a turn at <place>, where it was to go on: its responder cannot be
 * asked now, and nobody else is left. Notes that as the last thing that was seen: it is not
 * connected, which is OCU_CONNECT for ocu_job_settle().
 */
void ocu_job_stranded(struct ocu_cert *c, const struct ocu_place *place);

/* The try of <c> that is under way is over: what was seen in it becomes the result. */
void ocu_job_settle(struct ocu_cert *c, enum ocu_status st);

/* The host has refused what the last try of <c> brought, with <st>: so that has ended. */
void ocu_job_refused(struct ocu_cert *c, enum ocu_status st);

/* Forgets the try of <c> that is under way, as if it had not begun. */
void ocu_job_forget(struct ocu_cert *c);

/* Forgets where a redirect of <c> led, if anywhere: when the plan does not know it any more. */
void ocu_job_hop_free(struct ocu_cert *c, struct ocu_responders *rs);

#endif
