/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handover.h - what the process that is being replaced has stapled, its successor staples from the
 * first handshake on. The new process asks where HAProxy itself asks the old one for its listening
 * sockets: at the socket that the option -x names, which in master-worker mode is the old worker's.
 * The old one answers the command "_getstaples" to whoever may take the sockets.
 */
#ifndef OCU_HAPROXY_HANDOVER_H
#define OCU_HAPROXY_HANDOVER_H

#include <stdbool.h>

/* Asks the old process, if there is one, and puts what it holds into the entries that the engine
 * knows, where they hold nothing or what ends earlier. Parses no response. Takes a limited time
 * whatever the old process does; it may not know the command, and then nothing is said. Returns
 * whether anything was taken. Main thread, at the end of the configuration.
 */
bool ocu_handover_take(void);

#endif
