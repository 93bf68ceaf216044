/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate store: how immediates are made and freed.
 *
 * A thread that posts a new immediate with each message allocates what the
 * loop's thread frees, and then both spend more time on the allocator's locks
 * than on everything else. So each thread that posts has a store, and what a
 * loop frees after a handler goes back to the thread that has posted it:
 *
 *      poster                              the loop
 *      create: the next of `left`;         free: push to `back` of who has
 *              or else all of `back`             posted it
 *              become `left`;
 *              or else talloc
 *
 *  1. Only what can be seen to be bare goes back: created without a parent,
 *     freed by its handler, so that the last free is the library's own (B201),
 *     and with no parent, child, reference or name put to it. Everything else
 *     is freed, and so is what finds the store full or closed.
 *  2. What lies in a store was freed: who schedules, posts or frees it again
 *     aborts.
 *  3. Under talloc's null tracking what has no parent has one: nothing goes
 *     back then, and what is taken out shows as if it were new.
 *  4. Who looks for uses of freed memory, or for who frees what, is to see all
 *     of it: beside such a tool no thread has a store.
 *  5. A store holds STORE_MAX in each half at most.
 *
 * Posters on their way to a store do not keep it alive; it is never freed. At
 * its thread's end its word (word.h) closes, its immediates are freed, and it
 * is spare until another thread needs one. A process has as many stores as it
 * has had threads that post at the same time.
 *
 * Fork. What was on its way at that moment cannot be told in the child, which
 * begins with new stores. The lock is held meanwhile, so it is free there.
 *
 * Threads: create, sign: any, for its own store. Free: any, for any store.
 * Ordering: [W1] of word.h. The count is relaxed: it limits, and tells whether
 * a look is worth it.
 */
#include "engine/immediate_store.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/base.h"
#include "engine/fork.h"
#include "engine/immediate.h"
#include "engine/report.h"
#include "engine/word.h"

#define STORE_MAX   256U /* that wait to be taken back */
#define STORE_BATCH 32U  /* taken back at a time, at least */

/* What is created without a parent. The other kind has no room for more. */
struct alone {
	struct tevent_immediate im;
	struct store *store; /* Q: of the thread that has posted it, or NULL */
};

struct store {
	TEV_CACHE_ALIGNED struct tev_word back; /* A: see word.h */
	atomic_uint count; /* A: never less than there are in `back` */
	TEV_CACHE_ALIGNED struct tev_word_node *left; /* O: taken out of it */
	unsigned fork_generation; /* I: of the process it serves */
	struct store *spare;      /* L(store_lock): the next one */
};

static const char store_name[] = "struct tevent_immediate";

static pthread_once_t store_once = PTHREAD_ONCE_INIT;
static pthread_key_t store_key; /* I: only tells that a thread ends */
static bool store_usable;       /* I: */
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *store_spares; /* L(store_lock): */
static _Thread_local struct store *mine;

/* Each is there beside such a tool. */
void __asan_init(void) __attribute__((weak));
void _vgnU_freeres(void) __attribute__((weak));
void tev_owner_watches(void) __attribute__((weak));

static inline struct alone *alone_of(struct tevent_immediate *im)
{
	return tev_container_of(im, struct alone, im);
}

static inline struct tevent_immediate *stored_of(struct tev_word_node *node)
{
	return tev_container_of(node, struct tevent_immediate, node);
}

/* Counts what was in `back`. Return: it, oldest first. */
static struct tev_word_node *store_taken(struct store *store,
					 struct tev_word_taken taken)
{
	struct tev_word_node *node = taken.oldest;
	unsigned count = 0;

	for (; node != NULL; node = node->next) {
		count++;
	}
	/* Relaxed: it orders nothing. */
	(void)atomic_fetch_sub_explicit(&store->count, count,
					memory_order_relaxed);
	return taken.oldest;
}

static void store_drop(struct tev_word_node *node)
{
	while (node != NULL) {
		struct tevent_immediate *im = stored_of(node);

		node = node->next;
		talloc_set_destructor(im, NULL);
		TALLOC_FREE(im);
	}
}

/* The thread that has @arg ends. */
static void store_end(void *arg)
{
	struct store *store = arg;

	mine = NULL;
	store_drop(store->left);
	store->left = NULL;
	if (store->fork_generation != tev_fork_now()) {
		return;
	}
	store_drop(store_taken(store, tev_word_close(&store->back)));
	(void)pthread_mutex_lock(&store_lock);
	store->spare = store_spares;
	store_spares = store;
	(void)pthread_mutex_unlock(&store_lock);
}

static void store_fork(void)
{
	(void)pthread_mutex_lock(&store_lock);
}

static void store_forked(void)
{
	(void)pthread_mutex_unlock(&store_lock);
}

static void store_forked_child(void)
{
	store_spares = NULL;
	store_forked();
}

static void store_prepare(void)
{
	tev_fork_watch();
	store_usable = __asan_init == NULL && _vgnU_freeres == NULL &&
		       tev_owner_watches == NULL &&
		       pthread_atfork(store_fork, store_forked,
				      store_forked_child) == 0 &&
		       pthread_key_create(&store_key, store_end) == 0;
}

static void store_never(void)
{
}

/* The library goes, with the process or before it. */
static __attribute__((destructor)) void store_unload(void)
{
	(void)pthread_once(&store_once, store_never);
	if (store_usable) {
		(void)pthread_key_delete(store_key);
	}
	if (mine != NULL) {
		store_end(mine);
	}
}

static struct store *store_get_spare(void)
{
	struct store *store = NULL;

	(void)pthread_mutex_lock(&store_lock);
	store = store_spares;
	if (store != NULL) {
		store_spares = store->spare;
	}
	(void)pthread_mutex_unlock(&store_lock);
	if (store != NULL) {
		/* What was closed, and so is empty, opens. */
		(void)tev_word_exchange(&store->back, TEV_WORD_EMPTY);
	}
	return store;
}

static struct store *store_make(void)
{
	struct store *store = aligned_alloc(TEV_CACHE_LINE, sizeof(*store));

	if (store != NULL) {
		tev_word_init(&store->back);
		atomic_init(&store->count, 0);
		store->left = NULL;
		store->fork_generation = tev_fork_now();
	}
	return store;
}

/* Gives the thread its store. */
static __attribute__((noinline)) struct store *store_begin(void)
{
	struct store *store = NULL;

	if (mine != NULL) {
		store_end(mine); /* the parent's */
	}
	(void)pthread_once(&store_once, store_prepare);
	if (!store_usable) {
		return NULL;
	}
	store = store_get_spare();
	if (store == NULL) {
		store = store_make();
		if (store == NULL) {
			return NULL;
		}
	}
	if (pthread_setspecific(store_key, store) != 0) {
		store_end(store);
		return NULL;
	}
	mine = store;
	return store;
}

/* Notes that this thread, which is about to post @im, gets its memory back.
 *
 * Thread: any.  Lock: none.
 */
void tev_immediate_sign(struct tevent_immediate *im)
{
	struct store *store = mine;

	if (!im->alone) {
		return;
	}
	if (tev_unlikely(store == NULL ||
			 store->fork_generation != tev_fork_now())) {
		store = store_begin();
	}
	alone_of(im)->store = store;
}

/* Takes back what has come. Some few are left alone: each look takes the cache
 * line from the loop. */
static void store_look(struct store *store)
{
	/* Relaxed: only a guess. */
	if (atomic_load_explicit(&store->count, memory_order_relaxed) >=
	    STORE_BATCH) {
		store->left = store_taken(store, tev_word_take(&store->back));
	}
}

static struct tevent_immediate *store_take(void)
{
	struct store *store = mine;
	struct tevent_immediate *im = NULL;

	if (store == NULL ||
	    tev_unlikely(store->fork_generation != tev_fork_now())) {
		return NULL;
	}
	if (store->left == NULL) {
		store_look(store);
		if (store->left == NULL) {
			return NULL;
		}
	}
	im = stored_of(store->left);
	store->left = im->node.next;
	__builtin_prefetch(store->left, 1);
	talloc_set_destructor(im, NULL);
	/* Null tracking may have been begun meanwhile. */
	return talloc_steal(NULL, im);
}

/* talloc destructor of what lies in a store. */
static int store_destructor(struct tevent_immediate *im)
{
	(void)im;
	tev_abort(NULL, "tevent_immediate freed again after its handler");
	return -1;
}

/* Whether nothing was put to @im. (A limit of memory cannot be seen.) */
static bool store_suits(struct tevent_immediate *im)
{
	return talloc_parent(im) == NULL && talloc_total_blocks(im) == 1 &&
	       talloc_get_name(im) == store_name &&
	       talloc_reference_count(im) == 0;
}

static bool store_put(struct store *store, struct tevent_immediate *im)
{
	/* Relaxed: it orders nothing. */
	if (atomic_fetch_add_explicit(&store->count, 1, memory_order_relaxed) <
	    STORE_MAX) {
		im->destroyed = true;
		talloc_set_destructor(im, store_destructor);
		if (tev_word_push(&store->back, &im->node) !=
		    TEV_WORD_REFUSED) {
			return true;
		}
	}
	(void)atomic_fetch_sub_explicit(&store->count, 1, memory_order_relaxed);
	return false;
}

/* Frees @im, which is idle and whose handler has returned.
 *
 * Thread: any that owns @im.  Lock: none.
 */
void tev_immediate_free(struct tevent_immediate *im)
{
	struct store *store = im->alone ? alone_of(im)->store : NULL;

	if (store != NULL && store->fork_generation == tev_fork_now() &&
	    store_suits(im) && store_put(store, im)) {
		return;
	}
	talloc_set_destructor(im, NULL);
	TALLOC_FREE(im);
}

static struct tevent_immediate *create_alone(const char *location)
{
	struct tevent_immediate *im = store_take();

	if (im == NULL) {
		struct alone *alone = talloc_named_const(NULL, sizeof(*alone),
							 store_name);

		if (alone == NULL) {
			return NULL;
		}
		im = &alone->im;
	}
	tev_immediate_init(im, location);
	im->alone = true;
	alone_of(im)->store = NULL;
	return im;
}

/* Thread: any.  Lock: none.
 * Return: how many immediates wait to be used again by this thread. */
unsigned tev_immediate_stored(void)
{
	const struct tev_word_node *node = NULL;
	unsigned count = 0;

	if (mine == NULL || mine->fork_generation != tev_fork_now()) {
		return 0;
	}
	for (node = mine->left; node != NULL; node = node->next) {
		count++;
	}
	/* Relaxed: it orders nothing. */
	return count + atomic_load_explicit(&mine->count, memory_order_relaxed);
}

struct tevent_immediate *_tevent_create_immediate(TALLOC_CTX *mem_ctx,
						  const char *location)
{
	struct tevent_immediate *im = NULL;

	if (mem_ctx == NULL) {
		return create_alone(location);
	}
	im = talloc(mem_ctx, struct tevent_immediate);
	if (im != NULL) {
		tev_immediate_init(im, location);
	}
	return im;
}
