/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: descriptor events, as a program has them. See fd.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

#include "engine/base.h"

struct tevent_fd *tev_fd_add_internal(struct tevent_context *ev, int fd,
				      tevent_fd_handler_t handler,
				      void *private_data);
TEV_EXPORT bool tev_fd_edge(struct tevent_fd *fde);
bool tev_fd_is_edge(const struct tevent_fd *fde);
void tev_fd_rewrap(struct tevent_fd *fde, struct tevent_context *wrap);
