/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Account: what one loop has going with one pool; account.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/now.h"
#include "threadpool/port.h"
#include "threadpool/port_inside.h"
#include "threadpool/shard.h"

struct wf_crew;
struct wf_lane;

/* Embedded in what is on the account. */
struct wf_entry {
	struct tev_list link; /* O: */
};

/* What the entries of an account are good for. */
struct wf_entry_ops {
	/* The loop is gone: what is queued is taken back and disposed of, what
	 * runs is cut off from its request; in both cases the entry leaves the
	 * account. */
	void (*closed)(struct wf_entry *entry);
	/* A forked child: disposes of what belongs to this process. */
	void (*forked)(struct wf_entry *entry);
};

struct wf_account {
	struct wf_port_user user; /* O: in the port's list */
	atomic_uint refs;         /* A: [AC1] its loop's; of those cut off */
	bool ending;              /* O: its entries are being taken out */
	struct wf_port *port;     /* I: */
	struct wf_crew *crew;     /* I: a share */
	const struct wf_entry_ops *ops; /* I: */
	unsigned turn;           /* I: which shard of each lane is ours */
	uint64_t next_id;        /* O: numbers at hand for jobs */
	uint64_t last_id;        /* O: */
	uint64_t tick_ns;        /* O: of the last job */
	unsigned in_tick;        /* O: so many were sent in that */
	struct tev_list flows;   /* O: our ways into lanes */
	struct tev_list entries; /* O: all that is not yet disposed of */
};

/* A way of its jobs into a lane. */
struct wf_way {
	struct tev_list link;       /* O: among those of the account */
	struct wf_account *account; /* I: */
	struct wf_port *port;       /* I: of that: workers need no more */
	struct wf_flow flow;        /* see shard.h */
};

/* Whose @flow is, that of a job which a loop has sent; and where that loop
 * receives.
 * Thread: any that may look at the job.  Lock: none. */
static inline struct wf_account *wf_account_of(struct wf_flow *flow)
{
	return tev_container_of(flow, struct wf_way, flow)->account;
}

static inline struct wf_port *wf_account_port_of(struct wf_flow *flow)
{
	return tev_container_of(flow, struct wf_way, flow)->port;
}

/* The way of this loop's jobs into @lane, and the account for it, made on first
 * use, that with @ops; lives as long as the account.
 * Thread: owner of the port.  Lock: none.
 * Return: NULL when there is no memory. */
struct wf_flow *wf_account_find_flow(struct wf_port *port, struct wf_lane *lane,
				     const struct wf_entry_ops *ops);

/* The same; the last one that was used is at hand. */
static inline struct wf_flow *wf_account_flow(struct wf_port *port,
					      struct wf_lane *lane,
					      const struct wf_entry_ops *ops)
{
	/* Its account keeps the crew, so another lane cannot lie there. */
	if (tev_likely(port->way != NULL && port->way->lane == lane)) {
		return port->way;
	}
	return wf_account_find_flow(port, lane, ops);
}

/* More numbers for jobs. Thread: owner of the port.  Lock: none. */
void wf_account_fetch_ids(struct wf_account *account);

/* A number for a job, never given out twice by one pool.
 * Thread: owner of the port.  Lock: none. */
static inline uint64_t wf_account_id(struct wf_account *account)
{
	if (tev_unlikely(account->next_id == account->last_id)) {
		wf_account_fetch_ids(account);
	}
	return account->next_id++;
}

/* In a tick of the system (4 ms as a rule) so many jobs are timed exactly, and
 * then one in so many. */
#define WF_ACCOUNT_TIMED_MAX 32
#define WF_ACCOUNT_TIMED_OF  16

/* The time at which a job is sent: exactly, but where very many are, only to
 * the last tick of the system for most of them.
 * Thread: owner of the port.  Lock: none.
 * Return: nanoseconds of CLOCK_MONOTONIC; *@ret_exact. */
static inline uint64_t wf_account_time(struct wf_account *account,
				       bool *ret_exact)
{
	uint64_t tick_ns = wf_now_tick_ns();

	if (account->tick_ns != tick_ns) {
		account->tick_ns = tick_ns;
		account->in_tick = 0;
	}
	account->in_tick++;
	*ret_exact = account->in_tick <= WF_ACCOUNT_TIMED_MAX ||
		     account->in_tick % WF_ACCOUNT_TIMED_OF == 0;
	return *ret_exact ? wf_now_ns() : tick_ns;
}

/* Puts @entry on the account.
 * Thread: owner of the port.  Lock: none. */
static inline void wf_account_add(struct wf_account *account,
				  struct wf_entry *entry)
{
	tev_list_append(&account->entries, &entry->link);
}

/* Nothing is on the account: it may go, when its pool has ended.
 * Thread: owner of the port.  Lock: none. */
void wf_account_emptied(struct wf_account *account);

/* Takes @entry out. The account itself may go, when this was the last one.
 * Thread: owner of the port.  Lock: none. */
static inline void wf_account_remove(struct wf_account *account,
				     struct wf_entry *entry)
{
	tev_list_remove(&entry->link);
	if (tev_unlikely(tev_list_empty(&account->entries))) {
		wf_account_emptied(account);
	}
}

/* A share, for what is cut off from its loop.
 * Thread of ref: owner of the port; of unref: any.  Lock: none. */
void wf_account_ref(struct wf_account *account);
void wf_account_unref(struct wf_account *account);
