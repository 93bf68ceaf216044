/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Account: what one loop has going with one pool; account.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"
#include "threadpool/port.h"

struct wf_crew;
struct wf_flow;
struct wf_lane;

struct wf_account {
	struct wf_port_user user; /* O: in the port's list */
	atomic_uint refs;         /* A: [AC1] its loop's; of those cut off */
	struct wf_port *port;     /* I: */
	struct wf_crew *crew;     /* I: a share */
	unsigned turn;            /* I: which shard of each lane is ours */
	uint64_t next_id;         /* O: numbers at hand for jobs */
	uint64_t last_id;         /* O: */
	uint64_t tick_ns;         /* O: of the last job */
	unsigned in_tick;         /* O: so many were sent in that */
	struct tev_list flows;    /* O: our ways into lanes */
	struct tev_list entries;  /* O: all that is not yet disposed of */
};

/* Embedded in what is on the account. */
struct wf_entry {
	struct tev_list link; /* O: */
	/* The loop is gone: what is queued is taken back and disposed of, what
	 * runs is cut off from its request; in both cases the entry leaves the
	 * account. */
	void (*closed)(struct wf_entry *entry);
	/* A forked child: disposes of what belongs to this process. */
	void (*forked)(struct wf_entry *entry);
};

/* The account of @port with @crew, made on first use.
 * Thread: owner of the port.  Lock: none.
 * Return: NULL when there is no memory. */
struct wf_account *wf_account_get(struct wf_port *port, struct wf_crew *crew);

/* The way of this loop's jobs into @lane, of the same crew, made on first use;
 * lives as long as the account.
 * Thread: owner of the port.  Lock: none.
 * Return: NULL when there is no memory. */
struct wf_flow *wf_account_flow(struct wf_account *account,
				struct wf_lane *lane);

/* A number for a job, never given out twice by one pool.
 * Thread: owner of the port.  Lock: none. */
uint64_t wf_account_id(struct wf_account *account);

/* The time at which a job is sent: exactly, but where very many are, only to
 * the last tick of the system for most of them.
 * Thread: owner of the port.  Lock: none.
 * Return: nanoseconds of CLOCK_MONOTONIC; *@ret_exact. */
uint64_t wf_account_time(struct wf_account *account, bool *ret_exact);

/* Thread: owner of the port.  Lock: none. */
void wf_account_add(struct wf_account *account, struct wf_entry *entry);
/* Takes @entry out. The account itself may go, when its pool has ended and
 * this was the last one. */
void wf_account_remove(struct wf_account *account, struct wf_entry *entry);

/* A share, for what is cut off from its loop.
 * Thread of ref: owner of the port; of unref: any.  Lock: none. */
void wf_account_ref(struct wf_account *account);
void wf_account_unref(struct wf_account *account);
