/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Order: a table of keys; order.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"

struct wf_crew;

#define WF_ORDER_STRIPE_BITS 6
#define WF_ORDER_STRIPES     (1U << WF_ORDER_STRIPE_BITS)

/* Embedded in what stands in the table for a key. */
struct wf_key {
	struct tev_list link; /* L(stripe) */
	uint64_t hash;        /* I: of the key, one to one */
};

struct wf_stripe {
	TEV_CACHE_ALIGNED pthread_mutex_t lock;
	struct tev_list *buckets; /* L(lock): lists of wf_key */
	unsigned mask;            /* L(lock): one less than there are buckets */
	unsigned count;           /* L(lock): of keys */
	struct tev_list single;   /* L(lock): the bucket to begin with */
	bool keeps;               /* L(lock): has a share of the order */
};

struct wf_order {
	atomic_uint refs;      /* A: [KY1] */
	struct wf_crew *elder; /* I: a share */
	struct tev_list link;  /* L(tables) */
	struct wf_stripe stripes[WF_ORDER_STRIPES];
};

/* A table for the pool of @elder, of which it makes a share. It has one share
 * itself.
 * Thread: any.  Lock: takes that of the tables.  Return: NULL: no memory. */
struct wf_order *wf_order_create(struct wf_crew *elder);

/* Nobody puts more in. It goes with the last key that is in it.
 * Thread: who has made it.  Lock: takes the stripes', and that of the
 *         tables. */
void wf_order_close(struct wf_order *order);

/* Gives a share back. Thread: any.  Lock: takes that of the tables. */
void wf_order_unref(struct wf_order *order);

/* No two keys have the same. Thread: any.  Lock: none. */
uint64_t wf_order_hash(uint64_t key);

/* Where a key is to be found. Thread: any.  Lock: none. */
struct wf_stripe *wf_order_stripe(struct wf_order *order, uint64_t hash);

/* Thread: any.  Lock: takes it, gives it back. */
void wf_stripe_lock(struct wf_stripe *stripe);
void wf_stripe_unlock(struct wf_stripe *stripe);

/* Thread: any that holds the lock.
 * Return of find: NULL: it is not there. Of remove: true: the caller gives a
 *         share of the order back, after the lock. */
struct wf_key *wf_stripe_find_locked(struct wf_stripe *stripe, uint64_t hash);
void wf_stripe_add_locked(struct wf_stripe *stripe, struct wf_key *key);
bool wf_stripe_remove_locked(struct wf_stripe *stripe, struct wf_key *key);
/* @key takes the place of @old, of the same hash. */
void wf_stripe_replace_locked(struct wf_key *old, struct wf_key *key);

/* What is done with a key; it may take that out. The stripe's lock is held. */
typedef void (*wf_order_fn)(struct wf_stripe *stripe, struct wf_key *key,
			    void *arg);

/* Calls @act for each key of one stripe.
 * Thread: any.  Lock: takes that of the stripe. */
void wf_stripe_each(struct wf_stripe *stripe, wf_order_fn act, void *arg);

/* The same for all tables of the pool of @elder.
 * Thread: any.  Lock: takes that of the tables, and under it one stripe's after
 *         the other. No lock of a pool is held. */
void wf_order_each(struct wf_crew *elder, wf_order_fn act, void *arg);

/* Takes each lock of these tables once, and gives it back: who has held one
 * before is through with that, and who comes later sees what was before this.
 * Thread, Lock: as above. */
void wf_order_settle(struct wf_crew *elder);
