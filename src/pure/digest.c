/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest.c - keeps what OpenSSL found when it was asked for a digest. With what EVP_sha1() and its
 * like return it goes through its providers in each use, which takes longer than the digest of a
 * name. Digests nothing.
 */
#include "ocu/digest.h"

#include <openssl/objects.h>

#include <stdatomic.h>

const EVP_MD *ocu_digest(int nid)
{
	static const int nids[] = { NID_sha1, NID_sha224, NID_sha256, NID_sha384, NID_sha512 };
	static _Atomic(EVP_MD *) kept[sizeof(nids) / sizeof(nids[0])];
	EVP_MD *none = NULL, *md;
	size_t i;

	for (i = 0; nids[i] != nid; i++) {
		if (i + 1 == sizeof(nids) / sizeof(nids[0]))
			return NULL;
	}
	md = atomic_load(&kept[i]);
	if (md)
		return md;
	md = EVP_MD_fetch(NULL, OBJ_nid2sn(nid), NULL);
	/* There is no memory. Whoever uses this one finds out, and it is looked up again. */
	if (!md)
		return EVP_get_digestbynid(nid);
	if (atomic_compare_exchange_strong(&kept[i], &none, md))
		return md;
	EVP_MD_free(md);
	return none;
}
