/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim worker: a worker without a thread; sim_worker.c. */
#pragma once

struct wf_worker;

/* In place of a thread of its own, @worker takes part in the world of the
 * calling one. It has the searching token.
 * Thread: the world's.  Lock: none.
 * Owns:   takes @worker on success.
 * Return: 0; ENOMEM; ECANCELED: this thread has no world, or no more. */
int wf_sim_worker_start(struct wf_worker *worker);
