/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Directory: from a context to what libweft keeps for it.
 *
 * A context has no room for us, so there is a table under a lock. Each thread
 * remembers the last one it found, because a thread mostly has one context.
 *
 *  1. A place is in the table from add to remove, both by the context's owner.
 *  2. What a thread remembers holds as long as nothing was removed since,
 *     anywhere: then no context of that address can have gone, and no other
 *     can have come in its stead.
 *
 * Threads: see the header.
 * Ordering: the lock. Removals are counted, relaxed: a context comes to an
 * address, or to another thread, in an order of its own, so who asks for it
 * sees the count of what was removed there before; and what the count says is
 * looked for under the lock.
 */
#include "threadpool/directory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "engine/base.h"

#define DIRECTORY_BUCKETS 64

static struct {
	pthread_mutex_t lock;
	bool ready;                                 /* L(lock) */
	struct tev_list buckets[DIRECTORY_BUCKETS]; /* L(lock) */
	_Atomic(uint64_t) removals;                 /* A: relaxed, see above */
} directory = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* O: of each thread */
static _Thread_local struct {
	const void *context;
	struct wf_place *place;
	uint64_t removals;
} last;

void wf_directory_lock(void)
{
	(void)pthread_mutex_lock(&directory.lock);
}

void wf_directory_unlock(void)
{
	(void)pthread_mutex_unlock(&directory.lock);
}

static struct tev_list *directory_bucket_locked(const void *context)
{
	uintptr_t hash = (uintptr_t)context;
	unsigned i = 0;

	for (i = 0; !directory.ready && i < DIRECTORY_BUCKETS; i++) {
		tev_list_init(&directory.buckets[i]);
	}
	directory.ready = true;
	hash = (hash >> 4) ^ (hash >> 12);
	return &directory.buckets[hash % DIRECTORY_BUCKETS];
}

struct wf_place *wf_directory_find(const void *context)
{
	struct wf_place *place = NULL;
	struct tev_list *link = NULL;
	struct tev_list *bucket = NULL;
	/* Relaxed: see above. */
	uint64_t removals = atomic_load_explicit(&directory.removals,
						 memory_order_relaxed);

	if (tev_likely(last.context == context && last.removals == removals)) {
		return last.place;
	}
	wf_directory_lock();
	bucket = directory_bucket_locked(context);
	tev_list_for_each(link, bucket) {
		struct wf_place *candidate = tev_list_entry(
			link, struct wf_place, bucket);

		if (candidate->context == context) {
			place = candidate;
			break;
		}
	}
	wf_directory_unlock();
	if (place != NULL) {
		last.context = context;
		last.place = place;
		last.removals = removals;
	}
	return place;
}

void wf_directory_add(struct wf_place *place, const void *context)
{
	place->context = context;
	tev_list_init(&place->bucket);
	wf_directory_lock();
	tev_list_append(directory_bucket_locked(context), &place->bucket);
	wf_directory_unlock();
}

void wf_directory_remove(struct wf_place *place)
{
	wf_directory_lock();
	tev_list_remove(&place->bucket);
	wf_directory_unlock();
	/* Relaxed: see above. */
	(void)atomic_fetch_add_explicit(&directory.removals, 1,
					memory_order_relaxed);
}

void wf_directory_each_locked(void (*visit)(struct wf_place *place))
{
	unsigned i = 0;

	for (i = 0; directory.ready && i < DIRECTORY_BUCKETS; i++) {
		struct tev_list *link = NULL;

		tev_list_for_each(link, &directory.buckets[i]) {
			visit(tev_list_entry(link, struct wf_place, bucket));
		}
	}
}
