/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bell: the descriptor that wakes a loop; bell.c. */
#pragma once

#include <stdbool.h>

struct tevent_fd;

/* A new one, silent, or up if @up.
 * Thread: any.  Lock: none.
 * Return: the descriptor, -1 with errno as eventfd(2) says. */
int wf_bell_open(bool up);

/* Makes it readable; it stays so until it is silenced.
 * Thread: any; signal-safe.  Lock: none. */
void wf_bell_ring(int bell);
void wf_bell_silence(int bell);

/* Whether @fde, the fd event of a bell, is called once for each ring, and the
 * bell need not be silenced. It says so each time anew, since a backend may be
 * replaced by one that cannot.
 * Thread: owner of @fde. */
bool wf_bell_is_edge(struct tevent_fd *fde);

/* Closes it; -1: nothing. */
void wf_bell_close(int bell);

/* In a forked child: one of the child's own, and up, if possible under the
 * same number, which is in the child's loop already.
 * Thread: the child's only one.  Lock: none.
 * Return: the descriptor, -1: none is to be had. */
int wf_bell_replace(int bell);

/* Gives the descriptor @fresh the number @number, which was closed; -1 in
 * place of either: nothing.
 * Return: its number now. */
int wf_bell_move(int fresh, int number);
