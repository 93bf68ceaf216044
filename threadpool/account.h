/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Account: what one loop has going with one pool; account.c. */
#pragma once

#include "engine/list.h"
#include "threadpool/port.h"

struct wf_crew;
struct wf_shard;

struct wf_account {
	struct wf_port_user user; /* O: in the port's list */
	struct wf_port *port;     /* I: */
	struct wf_crew *crew;     /* I: a share */
	struct wf_shard *shard;   /* I: where this loop's jobs queue */
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

/* Thread: owner of the port.  Lock: none. */
void wf_account_add(struct wf_account *account, struct wf_entry *entry);
/* Takes @entry out. The account itself may go, when its pool has ended and
 * this was the last one. */
void wf_account_remove(struct wf_account *account, struct wf_entry *entry);
