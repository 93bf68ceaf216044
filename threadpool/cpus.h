/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Processors: how many this process may really use; cpus.c. */
#pragma once

#include <sched.h>
#include <stdbool.h>

/* As many processors as Linux can be built for. */
#define WF_CPUS_MAX 8192

struct wf_cpus {
	cpu_set_t parts[WF_CPUS_MAX / CPU_SETSIZE];
};

/* Those that the calling thread may run on.
 * Thread: any.  Lock: none.
 * Return: how many; at least 1. */
unsigned wf_cpus_mine(struct wf_cpus *ret_cpus);

/* Adds a processor; asks for one.
 * Thread: owner of @cpus.  Lock: none.
 * Return: of add, false: there are no such numbers. */
bool wf_cpus_add(struct wf_cpus *cpus, unsigned cpu);
bool wf_cpus_has(const struct wf_cpus *cpus, unsigned cpu);

/* How many this process may really use.
 * Thread: any.  Lock: none.
 * Return: at least 1. Reads files: not for a hot path. */
unsigned wf_cpus_usable(void);
