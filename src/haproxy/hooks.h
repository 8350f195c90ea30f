/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hooks.h - the certificates that HAProxy has loaded, seen from the module. */
#ifndef OCU_HAPROXY_HOOKS_H
#define OCU_HAPROXY_HOOKS_H

#include <stdbool.h>

#include "compat.h"

/* Whether a certificate has been loaded for TLS. */
extern bool ocu_hooks_needed;

/* Whether one that is updated has a responder by name: then DNS matters. */
extern bool ocu_hooks_names;

/* Writes the CertID under which the loaded certificate file <path> is stapled into <key>, of at
 * least OCSP_MAX_CERTID_ASN1_LENGTH bytes, and its length. Returns NULL, or the text why there is
 * none. HAProxy thread.
 */
const char *ocu_hooks_find(const char *path, unsigned char *key, size_t *len);

#endif
