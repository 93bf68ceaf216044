/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: one pthread_atfork set for all of libweft; fork.c. */
#pragma once

/* In this order the parts prepare, so locks of an earlier one may be held when
 * those of a later one are taken, never the other way round. */
enum wf_fork_rank {
	WF_FORK_ORDERS,
	WF_FORK_POOLS,
	WF_FORK_PORTS,
	WF_FORK_ADDRESSES,
	WF_FORK_GRACE,
	WF_FORK_STALLS,
	WF_FORK_RANKS,
};

struct wf_fork_part {
	void (*prepare)(void); /* takes its locks */
	void (*parent)(void);  /* gives them back */
	void (*child)(void);   /* makes its things the child's; the same */
};

/* Makes @part take part in forks; again: does nothing.
 * Thread: any.  Lock: takes that of the parts. */
void wf_fork_add(enum wf_fork_rank rank, const struct wf_fork_part *part);

/* How many forks this process is away from the first that used the library:
 * what carries another number was its parent's.
 * Thread: any.  Lock: none. */
unsigned wf_fork_generation(void);
