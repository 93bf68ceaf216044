/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Order: a table of keys.
 *
 *      tables --> order (one for each serial)
 *                   stripe 0   lock, buckets [ ] key, key
 *                   stripe 1                 [ ] key
 *                   ...                      [ ]
 *
 * The upper bits of a key's hash choose the stripe, the lower ones the bucket.
 * Nodes are embedded in what stands for the key (keyed.c), so nothing is
 * allocated to put one in. A stripe doubles its buckets when it has more keys
 * than these; without memory its chains become longer. It keeps them when the
 * keys have gone.
 *
 * Jobs have no share in their table, as counting these would cost more than the
 * rest. While it is open its handle keeps it; when that closes it, each stripe
 * that is not empty keeps it, until its last key is taken out.
 *
 * A table without locks (liburcu's cds_lfht) was not taken because a key comes
 * and goes with its jobs: a node that is taken out would have to wait for a
 * grace period before its job may be freed, that is one for each job; and one
 * job taking the place of another is a change of table and queue at once. 64
 * locks, held for some ten instructions, are not fought for by the threads of
 * one machine.
 *
 * Locks: tables -> stripe -> those of a pool. Fork takes only the first, for 64
 * more for each table would cost every program that forks: a child begins each
 * table anew, in whatever state somebody had it in the parent. What was in it
 * is the parent's.
 *
 * Threads: see the header.  Ordering: the locks; [KY1] shares of a table.
 * Not here: what is done in the order of keys (keyed.c).
 */
#include "threadpool/order.h"

#include <stdlib.h>

#include "threadpool/crew.h"
#include "threadpool/fork.h"

/* Buckets of a stripe that has more than one key. */
#define ORDER_BUCKETS 8

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct tev_list orders; /* L(lock) */
} tables = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.once = PTHREAD_ONCE_INIT,
};

/* ---- stripes ---- */

static void stripe_init(struct wf_stripe *stripe)
{
	(void)pthread_mutex_init(&stripe->lock, NULL);
	tev_list_init(&stripe->single);
	stripe->buckets = &stripe->single;
	stripe->mask = 0;
	stripe->count = 0;
	stripe->keeps = false;
}

static void stripe_fini(struct wf_stripe *stripe)
{
	if (stripe->buckets != &stripe->single) {
		free(stripe->buckets);
	}
	(void)pthread_mutex_destroy(&stripe->lock);
}

void wf_stripe_lock(struct wf_stripe *stripe)
{
	(void)pthread_mutex_lock(&stripe->lock);
}

void wf_stripe_unlock(struct wf_stripe *stripe)
{
	(void)pthread_mutex_unlock(&stripe->lock);
}

static struct tev_list *stripe_bucket_locked(struct wf_stripe *stripe,
					     uint64_t hash)
{
	return &stripe->buckets[hash & stripe->mask];
}

struct wf_key *wf_stripe_find_locked(struct wf_stripe *stripe, uint64_t hash)
{
	struct tev_list *bucket = stripe_bucket_locked(stripe, hash);
	struct tev_list *link = NULL;

	tev_list_for_each(link, bucket) {
		struct wf_key *key = tev_list_entry(link, struct wf_key, link);

		if (key->hash == hash) {
			return key;
		}
	}
	return NULL;
}

static void stripe_move_all(struct wf_stripe *stripe, struct tev_list *bucket)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;

	tev_list_for_each_safe(link, next, bucket) {
		struct wf_key *key = tev_list_entry(link, struct wf_key, link);

		tev_list_remove(link);
		tev_list_append(stripe_bucket_locked(stripe, key->hash), link);
	}
}

/* The new array is in place before the old one is freed: a child that is forked
 * meanwhile frees what it finds. */
static void stripe_grow_locked(struct wf_stripe *stripe)
{
	struct tev_list *old = stripe->buckets;
	unsigned old_count = stripe->mask + 1;
	unsigned count = old_count == 1 ? ORDER_BUCKETS : 2 * old_count;
	struct tev_list *buckets = calloc(count, sizeof(*buckets));
	unsigned i = 0;

	if (buckets == NULL) {
		return;
	}
	for (i = 0; i < count; i++) {
		tev_list_init(&buckets[i]);
	}
	stripe->buckets = buckets;
	stripe->mask = count - 1;
	for (i = 0; i < old_count; i++) {
		stripe_move_all(stripe, &old[i]);
	}
	if (old != &stripe->single) {
		free(old);
	}
}

void wf_stripe_add_locked(struct wf_stripe *stripe, struct wf_key *key)
{
	tev_list_append(stripe_bucket_locked(stripe, key->hash), &key->link);
	stripe->count++;
	if (tev_unlikely(stripe->count > stripe->mask + 1)) {
		stripe_grow_locked(stripe);
	}
}

bool wf_stripe_remove_locked(struct wf_stripe *stripe, struct wf_key *key)
{
	bool last = false;

	tev_list_remove(&key->link);
	stripe->count--;
	last = stripe->keeps && stripe->count == 0;
	if (last) {
		stripe->keeps = false;
	}
	return last;
}

void wf_stripe_replace_locked(struct wf_key *old, struct wf_key *key)
{
	tev_list_insert(&old->link, &key->link);
	tev_list_remove(&old->link);
}

void wf_stripe_each(struct wf_stripe *stripe, wf_order_fn act, void *arg)
{
	unsigned i = 0;

	wf_stripe_lock(stripe);
	for (i = 0; i <= stripe->mask; i++) {
		struct tev_list *link = NULL;
		struct tev_list *next = NULL;

		tev_list_for_each_safe(link, next, &stripe->buckets[i]) {
			act(stripe, tev_list_entry(link, struct wf_key, link),
			    arg);
		}
	}
	wf_stripe_unlock(stripe);
}

/* ---- shares ---- */

/* Nobody has it any more, and it is in no list. */
static void order_free(struct wf_order *order)
{
	unsigned i = 0;

	for (i = 0; i < WF_ORDER_STRIPES; i++) {
		stripe_fini(&order->stripes[i]);
	}
	wf_crew_unref(order->elder);
	free(order);
}

static bool order_drop_share(struct wf_order *order)
{
	/* [KY1] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	return atomic_fetch_sub_explicit(&order->refs, 1,
					 memory_order_acq_rel) == 1;
}

void wf_order_unref(struct wf_order *order)
{
	bool last = order_drop_share(order);

	if (last) {
		(void)pthread_mutex_lock(&tables.lock);
		tev_list_remove(&order->link);
		(void)pthread_mutex_unlock(&tables.lock);
		order_free(order);
	}
}

void wf_order_close(struct wf_order *order)
{
	unsigned i = 0;

	for (i = 0; i < WF_ORDER_STRIPES; i++) {
		struct wf_stripe *stripe = &order->stripes[i];

		wf_stripe_lock(stripe);
		if (stripe->count != 0) {
			stripe->keeps = true;
			/* Relaxed: who makes a share has one. */
			(void)atomic_fetch_add_explicit(&order->refs, 1,
							memory_order_relaxed);
		}
		wf_stripe_unlock(stripe);
	}
	wf_order_unref(order);
}

/* ---- fork ---- */

static void order_fork_prepare(void)
{
	(void)pthread_mutex_lock(&tables.lock);
}

static void order_fork_parent(void)
{
	(void)pthread_mutex_unlock(&tables.lock);
}

/* Return: false: nobody has it here. */
static bool order_begin_anew(struct wf_order *order)
{
	bool kept = true;
	unsigned i = 0;

	for (i = 0; i < WF_ORDER_STRIPES; i++) {
		struct wf_stripe *stripe = &order->stripes[i];
		bool keeps = stripe->keeps;

		if (stripe->buckets != &stripe->single) {
			free(stripe->buckets);
		}
		stripe_init(stripe);
		kept = !(keeps && order_drop_share(order)) && kept;
	}
	return kept;
}

static void order_fork_child(void)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;

	tev_list_for_each_safe(link, next, &tables.orders) {
		struct wf_order *order = tev_list_entry(link, struct wf_order,
							link);

		if (!order_begin_anew(order)) {
			tev_list_remove(link);
			order_free(order);
		}
	}
	order_fork_parent();
}

static const struct wf_fork_part order_part = {
	.prepare = order_fork_prepare,
	.parent = order_fork_parent,
	.child = order_fork_child,
};

static void tables_init(void)
{
	tev_list_init(&tables.orders);
	wf_fork_add(WF_FORK_ORDERS, &order_part);
}

struct wf_order *wf_order_create(struct wf_crew *elder)
{
	struct wf_order *order = NULL;
	unsigned i = 0;
	int ret = posix_memalign((void **)&order, TEV_CACHE_LINE,
				 sizeof(*order));

	if (ret != 0) {
		return NULL;
	}
	(void)pthread_once(&tables.once, tables_init);
	atomic_init(&order->refs, 1);
	order->elder = wf_crew_ref(elder);
	for (i = 0; i < WF_ORDER_STRIPES; i++) {
		stripe_init(&order->stripes[i]);
	}
	(void)pthread_mutex_lock(&tables.lock);
	tev_list_append(&tables.orders, &order->link);
	(void)pthread_mutex_unlock(&tables.lock);
	return order;
}

/* ---- tables ---- */

/* Pointers differ in few bits, and not in the lowest. */
uint64_t wf_order_hash(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	key ^= key >> 33;
	return key;
}

struct wf_stripe *wf_order_stripe(struct wf_order *order, uint64_t hash)
{
	return &order->stripes[hash >> (64 - WF_ORDER_STRIPE_BITS)];
}

static void tables_each_stripe(struct wf_crew *elder,
			       void (*visit)(struct wf_stripe *stripe,
					     wf_order_fn act, void *arg),
			       wf_order_fn act, void *arg)
{
	struct tev_list *link = NULL;
	unsigned i = 0;

	(void)pthread_once(&tables.once, tables_init);
	(void)pthread_mutex_lock(&tables.lock);
	tev_list_for_each(link, &tables.orders) {
		struct wf_order *order = tev_list_entry(link, struct wf_order,
							link);

		if (order->elder != elder) {
			continue;
		}
		for (i = 0; i < WF_ORDER_STRIPES; i++) {
			visit(&order->stripes[i], act, arg);
		}
	}
	(void)pthread_mutex_unlock(&tables.lock);
}

void wf_order_each(struct wf_crew *elder, wf_order_fn act, void *arg)
{
	tables_each_stripe(elder, wf_stripe_each, act, arg);
}

static void stripe_pass(struct wf_stripe *stripe, wf_order_fn act, void *arg)
{
	(void)act;
	(void)arg;
	wf_stripe_lock(stripe);
	wf_stripe_unlock(stripe);
}

void wf_order_settle(struct wf_crew *elder)
{
	tables_each_stripe(elder, stripe_pass, NULL, NULL);
}
