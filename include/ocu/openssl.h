/* SPDX-License-Identifier: GPL-2.0-or-later */
/* openssl.h - refuses TLS libraries that the core cannot be built with. Headers that need OpenSSL
 * include this one before OpenSSL's, so that the reason is the first thing that a compiler says.
 */
#ifndef OCU_OPENSSL_H
#define OCU_OPENSSL_H

#include <openssl/crypto.h>
#include <openssl/opensslconf.h>
#include <openssl/opensslv.h>

/* The others lack what tells who signed a response and over which bytes, and the must-staple
 * extension.
 */
#if defined(OPENSSL_IS_AWSLC)
#error "the OCSP updater module needs OpenSSL 3.0 or later, the headers are those of AWS-LC"
#elif defined(OPENSSL_IS_BORINGSSL)
#error "the OCSP updater module needs OpenSSL 3.0 or later, the headers are those of BoringSSL"
#elif defined(LIBRESSL_VERSION_NUMBER)
#error "the OCSP updater module needs OpenSSL 3.0 or later, the headers are those of LibreSSL"
#elif defined(LIBWOLFSSL_VERSION_HEX)
#error "the OCSP updater module needs OpenSSL 3.0 or later, the headers are those of wolfSSL"
#elif !defined(OPENSSL_VERSION_MAJOR) || OPENSSL_VERSION_MAJOR < 3
#error "the OCSP updater module needs OpenSSL 3.0 or later, the headers are of an older one"
#elif defined(OPENSSL_NO_OCSP)
#error "the OCSP updater module needs OpenSSL with OCSP, this one has OPENSSL_NO_OCSP"
#endif

/* The text of the OpenSSL version that the core was compiled for. Its name has the major version:
 * a host that was compiled for another one asks the linker for a name that there is not, instead
 * of calling functions that may have changed.
 */
#define OCU_PASTE(name, number) name##number
#define OCU_NAMED_FOR(number) OCU_PASTE(ocu_built_for_openssl_, number)
#define ocu_built_for_openssl OCU_NAMED_FOR(OPENSSL_VERSION_MAJOR)

extern const char ocu_built_for_openssl[];

#endif
