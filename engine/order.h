/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Order: the two things about memory order that C11 has no word for.
 *
 * Atomics are used as <stdatomic.h> spells them, with the order written out at
 * each place; docs/ordering.md lists the pairs. Here are only
 *  - the fence of a store-then-load hand-shake, in one spelling, so that a
 *    reader can find them all, and
 *  - marks that tell ThreadSanitizer about liburcu, whose inline assembly it
 *    cannot see.
 */
#pragma once

#include <stdatomic.h>

/* Full fence between a store of ours and a load of what the other side
 * stores, where the other side does the same the other way round. Do not
 * weaken: acquire and release do not order a store before a load.
 *
 * ThreadSanitizer ignores stand-alone fences (gcc says so with -Wtsan); it
 * needs none here, because what travels is guarded by a lock or an atomic of
 * its own and the fence only decides who wakes whom.
 */
static inline void tev_fence_full(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wtsan"
	atomic_thread_fence(memory_order_seq_cst);
#pragma GCC diagnostic pop
}

/* The same where a successful read-modify-write of this thread's lies between
 * its store and its load anyway: on x86 that is a full fence by itself, and
 * only the compiler is to be held back. Elsewhere it orders less than that. */
static inline void tev_fence_after_rmw(void)
{
#if defined(__x86_64__) || defined(__i386__)
	atomic_signal_fence(memory_order_seq_cst);
#else
	tev_fence_full();
#endif
}

#if defined(__SANITIZE_THREAD__)
#define TEV_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEV_TSAN 1
#endif
#endif

#ifdef TEV_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define tev_tsan_acquire(addr) __tsan_acquire(addr)
#define tev_tsan_release(addr) __tsan_release(addr)
#else
#define tev_tsan_acquire(addr) ((void)(addr))
#define tev_tsan_release(addr) ((void)(addr))
#endif
