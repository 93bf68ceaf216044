/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Linger: a worker that has run dry looks on for a moment; linger.c. */
#pragma once

#include <stdbool.h>

#include "threadpool/crew.h"

/* Looks on, if that has been worth its while. *@token: whether the worker has
 * it; it may get it.
 * Thread: the worker.  Lock: takes the park's.
 * Return: whether there are jobs. */
bool wf_linger(struct wf_worker *worker, bool *token);
