/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: descriptor events. See fd.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

struct tev_slot;

struct tevent_fd *tev_fd_add_internal(struct tevent_context *ev, int fd,
				      tevent_fd_handler_t handler,
				      void *private_data);
void tev_fd_flush(struct tevent_context *ev);
void tev_fd_dispatch(struct tevent_context *ev, struct tev_slot *slot,
		     uint32_t ready);
void tev_fd_rearm_all(struct tevent_context *ev);
void tev_fd_context_fini(struct tevent_context *ev);
