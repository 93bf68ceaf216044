/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Memory of a story: nothing is ever given out twice.
 *
 * One range at a fixed place, from which each allocation takes the next piece.
 * What is freed is filled with a pattern and stays dead, so that a thread that
 * comes too late is found out each time, and addresses are the same each time
 * the same story is played. A map has a byte for each 16 bytes: whether they
 * live. Between two pieces lie 16 dead bytes, which hold the size.
 *
 * Instrumented code asks before each access (atomics.c). talloc is not
 * instrumented; it finds the pattern in place of its magic number and aborts.
 *
 * Threads: any; one that begins or ends is not held by the token, hence the
 * lock.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/turn/inside.h"

#define MEMORY_AT    ((uintptr_t)0x200000000000)
#define MEMORY_SIZE  ((size_t)1 << 34)
#define MEMORY_GRAIN 16
#define MEMORY_DEAD  0xdb

static atomic_flag memory_lock = ATOMIC_FLAG_INIT;
static unsigned char *memory_map; /* NULL: nothing was asked for yet */
static uintptr_t memory_end = MEMORY_AT;

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&memory_lock,
						 memory_order_acquire)) {
	}
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&memory_lock, memory_order_release);
}

static void memory_open(void)
{
	void *range = mmap((void *)MEMORY_AT, MEMORY_SIZE,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				   MAP_FIXED_NOREPLACE,
			   -1, 0);

	memory_map = mmap(NULL, MEMORY_SIZE / MEMORY_GRAIN,
			  PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (range == MAP_FAILED || memory_map == MAP_FAILED) {
		abort();
	}
}

static size_t *memory_size(void *at)
{
	return (size_t *)((char *)at - MEMORY_GRAIN);
}

static void memory_mark(void *at, size_t size, bool live)
{
	size_t first = ((uintptr_t)at - MEMORY_AT) / MEMORY_GRAIN;
	size_t count = (size + MEMORY_GRAIN - 1) / MEMORY_GRAIN;

	memset(memory_map + first, live ? 1 : 0, count);
}

static void *memory_get(size_t size, size_t align)
{
	uintptr_t at = 0;

	size = size == 0 ? 1 : size;
	align = align < MEMORY_GRAIN ? MEMORY_GRAIN : align;
	lock();
	if (memory_map == NULL) {
		memory_open();
	}
	at = (memory_end + MEMORY_GRAIN + align - 1) & ~(uintptr_t)(align - 1);
	if (size > MEMORY_AT + MEMORY_SIZE - at) {
		unlock();
		errno = ENOMEM;
		return NULL;
	}
	memory_end = (at + size + MEMORY_GRAIN - 1) &
		     ~(uintptr_t)(MEMORY_GRAIN - 1);
	memory_mark((void *)at, size, true);
	*memory_size((void *)at) = size;
	unlock();
	return (void *)at;
}

bool turn_memory_is_heap(const volatile void *at)
{
	return (uintptr_t)at - MEMORY_AT < MEMORY_SIZE;
}

bool turn_memory_is_live(const volatile void *at, size_t size)
{
	size_t first = ((uintptr_t)at - MEMORY_AT) / MEMORY_GRAIN;
	size_t last = ((uintptr_t)at + size - 1 - MEMORY_AT) / MEMORY_GRAIN;

	return !turn_memory_is_heap(at) ||
	       (memory_map[first] != 0 && memory_map[last] != 0);
}

void *malloc(size_t size)
{
	return memory_get(size, 0);
}

void *calloc(size_t count, size_t size)
{
	size_t all = 0;

	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	/* Fresh from the system: zeroes. */
	return memory_get(all, 0);
}

void free(void *at)
{
	size_t size = 0;

	if (at == NULL) {
		return;
	}
	if (!turn_memory_is_live(at, 1)) {
		turn_fail("memory is freed twice");
	}
	if (turn_is_on()) {
		turn_stores_all(turn_stores());
	}
	lock();
	size = *memory_size(at);
	memory_mark(at, size, false);
	memset(at, MEMORY_DEAD, size);
	unlock();
}

void *realloc(void *at, size_t size)
{
	void *fresh = memory_get(size, 0);
	size_t before = 0;

	if (at == NULL || fresh == NULL) {
		return fresh;
	}
	before = *memory_size(at);
	memcpy(fresh, at, before < size ? before : size);
	free(at);
	return fresh;
}

void *aligned_alloc(size_t align, size_t size)
{
	return memory_get(size, align);
}

void *memalign(size_t align, size_t size)
{
	return memory_get(size, align);
}

int posix_memalign(void **ret_at, size_t align, size_t size)
{
	void *at = memory_get(size, align);

	if (at == NULL) {
		return ENOMEM;
	}
	*ret_at = at;
	return 0;
}

size_t malloc_usable_size(void *at)
{
	return at == NULL ? 0 : *memory_size(at);
}
