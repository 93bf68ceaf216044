/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Processors: how many this process may really use; cpus.c. */
#pragma once

/* Thread: any.  Lock: none.
 * Return: at least 1. Reads files: not for a hot path. */
unsigned wf_cpus_usable(void);
