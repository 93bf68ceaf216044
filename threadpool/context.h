/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Context: a tevent context for a thread of ours; context.c. */
#pragma once

struct tevent_context;

/* Makes a context that has no parent, and waits without limit.
 *
 * @backend  NULL: the default
 * Thread: any.  Lock: none.
 * Owns:   gives *@ret_ev.
 * Return: 0; EINVAL: no such backend; EMFILE, ENFILE; ENOMEM. */
int wf_context_create(const char *backend, struct tevent_context **ret_ev);
