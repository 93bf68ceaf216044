/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Memory: the allocator's functions, under the preloaded shim.
 *
 * The next definition of each function is looked up once. dlsym() itself may
 * allocate, and finds nothing when the allocation comes from inside another
 * dlsym(), so until malloc's has been found memory comes from a small arena
 * that is never given back.
 *
 * Threads: any.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/shim/inside.h"

#define ARENA_BYTES 65536
#define ARENA_ALIGN 16

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	int (*posix_memalign)(void **ret, size_t alignment, size_t size);
	void (*free)(void *ptr);
	int (*pthread_create)(pthread_t *thread, const pthread_attr_t *attr,
			      void *(*start)(void *arg), void *arg);
} next; /* I: once looked up */

#define LOOK_UP(name) SHIM_NEXT(next.name, shim_look_up(#name))

static _Alignas(ARENA_ALIGN) char arena[ARENA_BYTES];
static atomic_size_t arena_used; /* A: relaxed, a ticket */
static SHIM_THREAD bool looking_up;

void *shim_look_up(const char *name)
{
	void *found = NULL;

	looking_up = true;
	found = dlsym(RTLD_NEXT, name);
	looking_up = false;
	return found;
}

static void *arena_take(size_t size)
{
	size_t room = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	/* Relaxed: only the number counts. */
	size_t start = atomic_fetch_add_explicit(&arena_used, room,
						 memory_order_relaxed);

	if (size > ARENA_BYTES || start > ARENA_BYTES - room) {
		return NULL;
	}
	return arena + start;
}

static bool arena_has(const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr;

	return at >= (uintptr_t)arena && at < (uintptr_t)arena + ARENA_BYTES;
}

static bool refused(void)
{
	int fate = shim_fate(SHIM_MALLOC);

	if (fate != 0) {
		errno = fate;
	}
	return fate != 0;
}

static __attribute__((__constructor__)) void memory_init(void)
{
	LOOK_UP(malloc);
	LOOK_UP(calloc);
	LOOK_UP(realloc);
	LOOK_UP(aligned_alloc);
	LOOK_UP(posix_memalign);
	LOOK_UP(free);
	LOOK_UP(pthread_create);
}

void *malloc(size_t size)
{
	if (looking_up) {
		return arena_take(size);
	}
	LOOK_UP(malloc);
	if (next.malloc == NULL) {
		return arena_take(size);
	}
	return refused() ? NULL : next.malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (looking_up) {
		return arena_take(count * size);
	}
	LOOK_UP(calloc);
	if (next.calloc == NULL) {
		return arena_take(count * size);
	}
	return refused() ? NULL : next.calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
	if (looking_up) {
		return NULL;
	}
	LOOK_UP(realloc);
	if (arena_has(ptr)) {
		/* Its size is unknown: what lies behind is copied along. */
		size_t rest = (size_t)(arena + ARENA_BYTES - (char *)ptr);
		void *copy = malloc(size);

		if (copy != NULL) {
			memcpy(copy, ptr, size < rest ? size : rest);
		}
		return copy;
	}
	return refused() ? NULL : next.realloc(ptr, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	LOOK_UP(aligned_alloc);
	return refused() ? NULL : next.aligned_alloc(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	LOOK_UP(posix_memalign);
	if (shim_fate(SHIM_MALLOC) != 0) {
		return ENOMEM;
	}
	return next.posix_memalign(ret, alignment, size);
}

void free(void *ptr)
{
	if (ptr == NULL || arena_has(ptr)) {
		return;
	}
	if (next.free == NULL && looking_up) {
		return; /* an old message of dlsym(): lost, once */
	}
	LOOK_UP(free);
	next.free(ptr);
}

/* ---- threads, whose own memory is not to be refused ---- */

struct begin {
	void *(*start)(void *arg);
	void *arg;
};

static void *begin_thread(void *arg)
{
	struct begin begin = *(struct begin *)arg;
	void *result = NULL;

	next.free(arg);
	shim_inside = true;
	result = begin.start(begin.arg);
	shim_inside = false;
	return result;
}

int pthread_create(pthread_t *restrict thread,
		   const pthread_attr_t *restrict attr,
		   void *(*start)(void *arg), void *restrict arg)
{
	struct begin *begin = NULL;
	bool was_inside = shim_inside;
	int ret = shim_fate(SHIM_PTHREAD_CREATE);

	LOOK_UP(pthread_create);
	if (ret != 0) {
		return ret;
	}
	begin = next.malloc(sizeof(*begin));
	if (begin == NULL) {
		return EAGAIN;
	}
	*begin = (struct begin){ start, arg };
	shim_inside = false;
	ret = next.pthread_create(thread, attr, begin_thread, begin);
	shim_inside = was_inside;
	if (ret != 0) {
		next.free(begin);
	}
	return ret;
}
