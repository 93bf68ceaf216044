/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Order: the table of keys. */
#include "threadpool/order.h"

#include <stdlib.h>

#include "threadpool/crew.h"

#include "tests/fixture.h"

#define KEYS 20000

static struct wf_key *keys_new(struct fixture *fx)
{
	struct wf_key *keys = talloc_array(fx->mem, struct wf_key, KEYS);

	for (unsigned i = 0; i < KEYS; i++) {
		tev_list_init(&keys[i].link);
		/* As pointers are. */
		keys[i].hash = wf_order_hash(0x7f0000000000ULL + i * 192ULL);
	}
	return keys;
}

static struct wf_stripe *lock_of(struct wf_order *order,
				 const struct wf_key *key)
{
	struct wf_stripe *stripe = wf_order_stripe(order, key->hash);

	wf_stripe_lock(stripe);
	return stripe;
}

static void add_all(struct wf_order *order, struct wf_key *keys)
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct wf_stripe *stripe = lock_of(order, &keys[i]);

		wf_stripe_add_locked(stripe, &keys[i]);
		wf_stripe_unlock(stripe);
	}
}

static unsigned found(struct wf_order *order, struct wf_key *keys,
		      unsigned step)
{
	unsigned count = 0;

	for (unsigned i = 0; i < KEYS; i += step) {
		struct wf_stripe *stripe = lock_of(order, &keys[i]);

		count += wf_stripe_find_locked(stripe, keys[i].hash) ==
			 &keys[i];
		wf_stripe_unlock(stripe);
	}
	return count;
}

static void remove_some(struct wf_order *order, struct wf_key *keys,
			unsigned from, unsigned step)
{
	for (unsigned i = from; i < KEYS; i += step) {
		struct wf_stripe *stripe = lock_of(order, &keys[i]);

		wf_stripe_remove_locked(stripe, &keys[i]);
		wf_stripe_unlock(stripe);
	}
}

static struct wf_crew *crew_new(void)
{
	struct wf_crew *crew = aligned_alloc(TEV_CACHE_LINE, sizeof(*crew));

	*crew = (struct wf_crew){ .elder = NULL };
	atomic_init(&crew->refs, 2);
	return crew;
}

/* How well the keys are spread. */
static void spread(struct wf_order *order)
{
	unsigned least = KEYS;
	unsigned most = 0;
	unsigned longest = 0;

	for (unsigned i = 0; i < WF_ORDER_STRIPES; i++) {
		struct wf_stripe *stripe = &order->stripes[i];

		least = stripe->count < least ? stripe->count : least;
		most = stripe->count > most ? stripe->count : most;
		for (unsigned j = 0; j <= stripe->mask; j++) {
			struct tev_list *link = NULL;
			unsigned length = 0;

			tev_list_for_each(link, &stripe->buckets[j]) {
				length++;
			}
			longest = length > longest ? length : longest;
		}
	}
	ok(least > KEYS / WF_ORDER_STRIPES / 2,
	   "each stripe has its share, %u at least", least);
	ok(most < KEYS / WF_ORDER_STRIPES * 2, "and not much more, %u at most",
	   most);
	ok(longest <= 10, "a bucket has few, %u at most", longest);
}

static void grows(struct fixture *fx)
{
	struct wf_crew *crew = crew_new();
	struct wf_order *order = wf_order_create(crew);
	struct wf_key *keys = keys_new(fx);

	add_all(order, keys);
	is_uint(found(order, keys, 1), KEYS, "all are found");
	spread(order);
	remove_some(order, keys, 1, 2);
	is_uint(found(order, keys, 1), KEYS / 2, "half of them is taken out");
	is_uint(found(order, keys, 2), KEYS / 2, "the others are there");
	remove_some(order, keys, 0, 2);
	is_uint(found(order, keys, 1), 0, "nothing is left");
	wf_order_unref(order);
	free(crew);
}

static void hash(struct fixture *fx)
{
	(void)fx;
	ok(wf_order_hash(1) != wf_order_hash(2), "keys differ");
	ok(wf_order_hash(0) != wf_order_hash(UINT64_MAX), "the ends, too");
	/* What it is made of can be undone. */
	is_uint(0xff51afd7ed558ccdULL * 0x4f74430c22a54005ULL, 1,
		"the first factor has an inverse");
	is_uint(0xc4ceb9fe1a85ec53ULL * 0x9cb4b2f8129337dbULL, 1,
		"so has the second: no two keys become the same");
}

static void replaced(struct fixture *fx)
{
	struct wf_crew *crew = crew_new();
	struct wf_order *order = wf_order_create(crew);
	struct wf_key first = { .hash = wf_order_hash(7) };
	struct wf_key second = { .hash = first.hash };
	struct wf_stripe *stripe = lock_of(order, &first);

	(void)fx;
	tev_list_init(&first.link);
	tev_list_init(&second.link);
	wf_stripe_add_locked(stripe, &first);
	wf_stripe_replace_locked(&first, &second);
	is_ptr(wf_stripe_find_locked(stripe, first.hash), &second,
	       "one stands in the place of the other");
	ok(tev_list_empty(&first.link), "which is out");
	is_uint(stripe->count, 1, "and they count as one");
	wf_stripe_remove_locked(stripe, &second);
	wf_stripe_unlock(stripe);
	wf_order_unref(order);
	free(crew);
}

struct walk {
	unsigned count;
	bool take;
};

static void walk_look(struct wf_stripe *stripe, struct wf_key *key, void *arg)
{
	struct walk *walk = arg;

	walk->count++;
	if (walk->take) {
		wf_stripe_remove_locked(stripe, key);
	}
}

static void each(struct fixture *fx)
{
	struct wf_crew *crew = crew_new();
	struct wf_crew *other = crew_new();
	struct wf_order *order = wf_order_create(crew);
	struct wf_order *others = wf_order_create(other);
	struct wf_key *keys = keys_new(fx);
	struct walk walk = { .count = 0 };

	add_all(order, keys);
	wf_order_each(other, walk_look, &walk);
	is_uint(walk.count, 0, "the tables of one pool");
	wf_order_each(crew, walk_look, &walk);
	is_uint(walk.count, KEYS, "each of their keys");
	walk = (struct walk){ .take = true };
	wf_order_each(crew, walk_look, &walk);
	is_uint(walk.count, KEYS, "they may be taken out meanwhile");
	is_uint(found(order, keys, 1), 0, "then they are out");
	wf_order_unref(order);
	wf_order_unref(others);
	free(crew);
	free(other);
}

static void closed(struct fixture *fx)
{
	struct wf_crew *crew = crew_new();
	struct wf_order *order = wf_order_create(crew);
	struct wf_key *keys = keys_new(fx);
	unsigned last = 0;

	is_uint(atomic_load(&crew->refs), 3, "a table keeps its pool");
	add_all(order, keys);
	wf_order_close(order);
	is_uint(found(order, keys, 1), KEYS, "it stays when it is closed");
	for (unsigned i = 0; i < KEYS; i++) {
		struct wf_stripe *stripe = lock_of(order, &keys[i]);
		bool gives = wf_stripe_remove_locked(stripe, &keys[i]);

		wf_stripe_unlock(stripe);
		if (gives) {
			last++;
			wf_order_unref(order);
		}
	}
	is_uint(last, WF_ORDER_STRIPES,
		"each stripe keeps it until it is empty");
	is_uint(atomic_load(&crew->refs), 2, "with the last one it goes");
	free(crew);
}

int main(void)
{
	fixture_run_flags("grows", grows, FIXTURE_THREADS);
	fixture_run_flags("hash", hash, FIXTURE_THREADS);
	fixture_run_flags("replaced", replaced, FIXTURE_THREADS);
	fixture_run_flags("each", each, FIXTURE_THREADS);
	fixture_run_flags("closed", closed, FIXTURE_THREADS);
	return done();
}
