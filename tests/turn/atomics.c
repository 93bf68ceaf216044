/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Atomics: what code compiled for ThreadSanitizer calls.
 *
 * Such code calls a function for each atomic operation, and one before each
 * other access. These are the functions; the sanitizer itself is not there. An
 * atomic operation is a step (sched.c) and then done, all of them in one order.
 * Before an access it is asked whether the memory lives (memory.c).
 *
 * Late stores. A processor keeps its stores to itself for a while, and loads
 * what comes next meanwhile. In every other two stories so do these: an atomic
 * store that is not sequentially consistent goes to a queue of its thread, and
 * from there to memory, oldest first, at some later step, or at the thread's
 * next read-modify-write, full fence, volatile write, or call that waits. The
 * thread itself sees its own stores. That is what x86 does, and all it does:
 * there a hand-shake of "store mine, load yours" fails that lacks its full
 * fence, and here, too. On other processors more may happen; the models in
 * docs/models and the thread sanitizer know of that. Plain writes are seen at
 * once: nobody may look at them who does not see a later atomic store. A
 * compare-and-swap that is allowed to fail for nothing does so at times.
 *
 * Only what lies in heap or static memory is queued: a place on a stack may be
 * something else by then.
 *
 * Threads: any. Ordering: all by the token.
 */
#include <stdatomic.h>

#include "tests/turn/inside.h"

/* ---- late stores ---- */

static void stores_write(volatile void *to, uint64_t value, unsigned size)
{
	if (!turn_memory_is_live(to, size)) {
		turn_fail("a store reaches memory that was freed");
	}
	switch (size) {
	case 1:
		*(volatile uint8_t *)to = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)to = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)to = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)to = value;
		break;
	}
}

void turn_stores_first(struct turn_stores *stores)
{
	unsigned i = 0;

	stores_write(stores->queue[0].to, stores->queue[0].value,
		     stores->queue[0].size);
	stores->count--;
	for (i = 0; i < stores->count; i++) {
		stores->queue[i] = stores->queue[i + 1];
	}
}

void turn_stores_all(struct turn_stores *stores)
{
	while (stores->count != 0) {
		turn_stores_first(stores);
	}
}

/* Own stores that are seen by nobody yet and touch these bytes. */
static void stores_meet(const volatile void *at, size_t size)
{
	struct turn_stores *stores = turn_stores();
	unsigned i = 0;

	for (i = 0; i < stores->count; i++) {
		uintptr_t to = (uintptr_t)stores->queue[i].to;

		if (to < (uintptr_t)at + size &&
		    (uintptr_t)at < to + stores->queue[i].size) {
			turn_stores_all(stores);
			return;
		}
	}
}

static bool is_static(const volatile void *at)
{
	extern char __executable_start[];
	extern char end[];

	return (uintptr_t)at >= (uintptr_t)__executable_start &&
	       (uintptr_t)at < (uintptr_t)end;
}

/* Return: false: it is to be done at once. */
static bool stores_add(volatile void *to, uint64_t value, unsigned size)
{
	struct turn_stores *stores = turn_stores();

	if (!turn_rules.late_stores ||
	    (!turn_memory_is_heap(to) && !is_static(to))) {
		stores_meet(to, size);
		return false;
	}
	if (stores->count == TURN_STORES) {
		turn_stores_first(stores);
	}
	stores->queue[stores->count].to = to;
	stores->queue[stores->count].value = value;
	stores->queue[stores->count].size = size;
	stores->count++;
	return true;
}

/* What this thread has stored there last and nobody else sees; a store that
 * only meets it in part goes to memory first. Return: false: memory has it. */
static bool stores_find(const volatile void *at, unsigned size,
			uint64_t *ret_value)
{
	const struct turn_stores *stores = turn_stores();
	unsigned i = 0;

	for (i = stores->count; i > 0; i--) {
		if (stores->queue[i - 1].to == at &&
		    stores->queue[i - 1].size == size) {
			*ret_value = stores->queue[i - 1].value;
			return true;
		}
	}
	stores_meet(at, size);
	return false;
}

/* ---- accesses ---- */

static void touch(const volatile void *at, size_t size, enum turn_kind kind,
		  const void *pc)
{
	if (!turn_is_on()) {
		return;
	}
	if (!turn_memory_is_live(at, size)) {
		turn_point(kind, pc);
		turn_fail("memory that was freed is %s",
			  kind == TURN_LOAD ? "read" : "written");
	}
	stores_meet(at, size);
}

/* liburcu's threads see these of each other. */
static void touch_volatile(const volatile void *at, size_t size,
			   enum turn_kind kind, const void *pc)
{
	touch(at, size, kind, pc);
	if (turn_is_on() && kind == TURN_STORE) {
		turn_stores_all(turn_stores());
	}
}

static void step(enum turn_kind kind, const volatile void *at, size_t size,
		 const void *pc)
{
	turn_point(kind, pc);
	if (!turn_memory_is_live(at, size)) {
		turn_fail("memory that was freed is %s",
			  kind == TURN_LOAD ? "read" : "written");
	}
	if (kind == TURN_RMW && turn_is_on()) {
		turn_stores_all(turn_stores());
	}
}

#define ACCESS(name, size, touched, kind)         \
	void name(const volatile void *at);       \
	void name(const volatile void *at)        \
	{                                         \
		touched(at, size, kind, TURN_PC); \
	}

#define ACCESSES(size)                                                        \
	ACCESS(__tsan_read##size, size, touch, TURN_LOAD)                     \
	ACCESS(__tsan_write##size, size, touch, TURN_STORE)                   \
	ACCESS(__tsan_unaligned_read##size, size, touch, TURN_LOAD)           \
	ACCESS(__tsan_unaligned_write##size, size, touch, TURN_STORE)         \
	ACCESS(__tsan_volatile_read##size, size, touch_volatile, TURN_LOAD)   \
	ACCESS(__tsan_volatile_write##size, size, touch_volatile, TURN_STORE) \
	ACCESS(__tsan_unaligned_volatile_read##size, size, touch_volatile,    \
	       TURN_LOAD)                                                     \
	ACCESS(__tsan_unaligned_volatile_write##size, size, touch_volatile,   \
	       TURN_STORE)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(const volatile void *at, size_t size);
void __tsan_read_range(const volatile void *at, size_t size)
{
	touch(at, size, TURN_LOAD, TURN_PC);
}

void __tsan_write_range(const volatile void *at, size_t size);
void __tsan_write_range(const volatile void *at, size_t size)
{
	touch(at, size, TURN_STORE, TURN_PC);
}

/* ---- marks of no use here ---- */

#define NOTHING(name, ...)      \
	void name(__VA_ARGS__); \
	void name(__VA_ARGS__)  \
	{                       \
	}

NOTHING(__tsan_init, void)
NOTHING(__tsan_func_exit, void)

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_acquire(void *at);
void __tsan_acquire(void *at)
{
	(void)at;
}

void __tsan_release(void *at);
void __tsan_release(void *at)
{
	(void)at;
}

/* ---- atomic operations ---- */

#define ATOMIC_LOAD_STORE(bits, type)                                        \
	type __tsan_atomic##bits##_load(const volatile type *at, int order); \
	type __tsan_atomic##bits##_load(const volatile type *at, int order)  \
	{                                                                    \
		uint64_t value = 0;                                          \
                                                                             \
		(void)order;                                                 \
		step(TURN_LOAD, at, sizeof(type), TURN_PC);                  \
		if (turn_is_on() && stores_find(at, sizeof(type), &value)) { \
			return (type)value;                                  \
		}                                                            \
		return __atomic_load_n(at, __ATOMIC_SEQ_CST);                \
	}                                                                    \
                                                                             \
	void __tsan_atomic##bits##_store(volatile type *at, type value,      \
					 int order);                         \
	void __tsan_atomic##bits##_store(volatile type *at, type value,      \
					 int order)                          \
	{                                                                    \
		step(order == __ATOMIC_SEQ_CST ? TURN_RMW : TURN_STORE, at,  \
		     sizeof(type), TURN_PC);                                 \
		if (!turn_is_on() || order == __ATOMIC_SEQ_CST ||            \
		    !stores_add(at, (uint64_t)value, sizeof(type))) {        \
			__atomic_store_n(at, value, __ATOMIC_SEQ_CST);       \
		}                                                            \
	}

#define ATOMIC_RMW(bits, type, name, operation)                          \
	type __tsan_atomic##bits##_##name(volatile type *at, type value, \
					  int order);                    \
	type __tsan_atomic##bits##_##name(volatile type *at, type value, \
					  int order)                     \
	{                                                                \
		(void)order;                                             \
		step(TURN_RMW, at, sizeof(type), TURN_PC);               \
		return operation(at, value, __ATOMIC_SEQ_CST);           \
	}

#define ATOMIC_SWAP(bits, type)                                             \
	int __tsan_atomic##bits##_compare_exchange_strong(                  \
		volatile type *at, type *expected, type desired, int order, \
		int failed);                                                \
	int __tsan_atomic##bits##_compare_exchange_strong(                  \
		volatile type *at, type *expected, type desired, int order, \
		int failed)                                                 \
	{                                                                   \
		(void)order;                                                \
		(void)failed;                                               \
		step(TURN_RMW, at, sizeof(type), TURN_PC);                  \
		return __atomic_compare_exchange_n(at, expected, desired,   \
						   false, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST);       \
	}                                                                   \
                                                                            \
	int __tsan_atomic##bits##_compare_exchange_weak(                    \
		volatile type *at, type *expected, type desired, int order, \
		int failed);                                                \
	int __tsan_atomic##bits##_compare_exchange_weak(                    \
		volatile type *at, type *expected, type desired, int order, \
		int failed)                                                 \
	{                                                                   \
		(void)order;                                                \
		(void)failed;                                               \
		step(TURN_RMW, at, sizeof(type), TURN_PC);                  \
		if (turn_is_on() && turn_choose(16) == 0) {                 \
			*expected = __atomic_load_n(at, __ATOMIC_SEQ_CST);  \
			return 0;                                           \
		}                                                           \
		return __atomic_compare_exchange_n(at, expected, desired,   \
						   false, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST);       \
	}                                                                   \
                                                                            \
	type __tsan_atomic##bits##_compare_exchange_val(                    \
		volatile type *at, type expected, type desired, int order,  \
		int failed);                                                \
	type __tsan_atomic##bits##_compare_exchange_val(                    \
		volatile type *at, type expected, type desired, int order,  \
		int failed)                                                 \
	{                                                                   \
		(void)order;                                                \
		(void)failed;                                               \
		step(TURN_RMW, at, sizeof(type), TURN_PC);                  \
		(void)__atomic_compare_exchange_n(at, &expected, desired,   \
						  false, __ATOMIC_SEQ_CST,  \
						  __ATOMIC_SEQ_CST);        \
		return expected;                                            \
	}

#define ATOMICS(bits, type)                                     \
	ATOMIC_LOAD_STORE(bits, type)                           \
	ATOMIC_RMW(bits, type, exchange, __atomic_exchange_n)   \
	ATOMIC_RMW(bits, type, fetch_add, __atomic_fetch_add)   \
	ATOMIC_RMW(bits, type, fetch_sub, __atomic_fetch_sub)   \
	ATOMIC_RMW(bits, type, fetch_and, __atomic_fetch_and)   \
	ATOMIC_RMW(bits, type, fetch_or, __atomic_fetch_or)     \
	ATOMIC_RMW(bits, type, fetch_xor, __atomic_fetch_xor)   \
	ATOMIC_RMW(bits, type, fetch_nand, __atomic_fetch_nand) \
	ATOMIC_SWAP(bits, type)

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	turn_point(TURN_FENCE, TURN_PC);
	if (order == __ATOMIC_SEQ_CST && turn_is_on()) {
		turn_stores_all(turn_stores());
	}
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
