/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lifecycle: what a context begins with and who is told when it ends.
 * See lifecycle.c. */
#pragma once

#include "include/tevent.h"

struct tevent_context *tev_lifecycle_new(TALLOC_CTX *mem_ctx);
void tev_lifecycle_gone(struct tevent_context *ev);
