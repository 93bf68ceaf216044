/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Listen: the daemon's own socket on the loopback address.
 */
#pragma once

#include <stdint.h>

int listen_open(uint16_t port, int *ret_fd, uint16_t *ret_port);
unsigned listen_connections_max(void);
