/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest.h - the digests of OpenSSL that OCSP uses, looked up once. */
#ifndef OCU_DIGEST_H
#define OCU_DIGEST_H

#include "ocu/openssl.h"

#include <openssl/evp.h>

/* Returns the digest <nid>, which is NID_sha1, NID_sha224, NID_sha256, NID_sha384 or NID_sha512;
 * NULL for any other one, and for no other reason. It is never freed. Any thread.
 */
const EVP_MD *ocu_digest(int nid);

#endif
