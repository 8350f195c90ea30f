/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held.c - compares the times and the sums of responses. Reads no clock, verifies nothing. */
#include "ocu/held.h"

#include <openssl/sha.h>

#include <string.h>

#include "ocu/digest.h"

void ocu_held_init(struct ocu_held *h, const struct ocu_ocsp *o, const uint8_t *der, size_t n)
{
	uint8_t sum[SHA256_DIGEST_LENGTH] = { 0 };

	*h = (struct ocu_held){
		.this_update = o->this_update,
		.next_update = o->next_update,
		.expiry = o->expiry,
		.revoked = o->revoked,
	};
	/* Without memory it is like no other one, and is published again when it comes again. */
	(void)!EVP_Digest(der, n, sum, NULL, ocu_digest(NID_sha256), NULL);
	memcpy(h->sum, sum, sizeof(h->sum));
}

/* A response without nextUpdate is never accepted, so that one of 1970 means that none is held. */
static bool is_held(const struct ocu_held *h)
{
	return h->next_update != 0;
}

bool ocu_held_usable(const struct ocu_held *h, int64_t now)
{
	return is_held(h) && now < h->expiry;
}

enum ocu_age ocu_held_compare(const struct ocu_held *h, const struct ocu_held *fresh, int64_t now)
{
	if (is_held(h) && memcmp(h->sum, fresh->sum, sizeof(h->sum)) == 0)
		return OCU_AGE_SAME;
	if (ocu_held_usable(h, now) && fresh->this_update < h->this_update)
		return OCU_AGE_OLDER;
	return OCU_AGE_NEW;
}

/* Cuts <s> where no difference of two such times can overflow, far beyond any date. */
static int64_t limit(int64_t s)
{
	const int64_t most = INT64_C(1) << 61;

	if (s > most)
		return most;
	return s < -most ? -most : s;
}

bool ocu_held_ends_soon(const struct ocu_held *h, int64_t now)
{
	int64_t left = limit(h->expiry) - limit(now);
	int64_t life = limit(h->expiry) - limit(h->this_update);

	return left < life / 4;
}
