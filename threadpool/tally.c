/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Tally: how long jobs wait and run, counted by who runs them.
 *
 * Each worker has a tally for each lane that it has served, so counting a job
 * costs a few stores to lines that nobody else writes. Who wants to see adds
 * them up. Powers of two of a microsecond are as fine as anybody looks at, and
 * need no configuration.
 *
 * Threads: add and merge: the one that writes it; read: any. All is relaxed:
 * numbers for people, each right by itself.
 */
#include "threadpool/tally.h"

#include "engine/base.h"

/* What was measured by the ticks of the system is good from here on. */
#define TALLY_TICKS_NS 20000000U

/* Relaxed, here and below: see the head. */
static void tally_put(_Atomic(uint64_t) *at, uint64_t value)
{
	atomic_store_explicit(at, value, memory_order_relaxed);
}

static uint64_t tally_get(const _Atomic(uint64_t) *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

/* 0: below a microsecond; i: from 2^(i-1) on. */
static unsigned tally_slot(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned slot = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

	return slot < WEFT_HISTOGRAM_SIZE ? slot : WEFT_HISTOGRAM_SIZE - 1;
}

static void tally_raise(_Atomic(uint64_t) *at, uint64_t by)
{
	tally_put(at, tally_get(at) + by);
}

static void times_add(struct wf_times *times, struct wf_span span)
{
	tally_raise(&times->count[span.slot], 1);
	tally_raise(&times->sum_ns, span.ns);
}

/* It may be the longest. */
static struct wf_span times_measure(struct wf_times *times, uint64_t ns)
{
	struct wf_span span = { .ns = ns, .slot = tally_slot(ns) };

	if (ns > tally_get(&times->max_ns)) {
		tally_put(&times->max_ns, ns);
	}
	return span;
}

/* The time that is counted for @ns, which is exact to a tick. */
static struct wf_span times_guess(struct wf_times *times, struct wf_span last,
				  uint64_t ns)
{
	return tev_likely(ns < TALLY_TICKS_NS) ? last
					       : times_measure(times, ns);
}

void wf_tally_add(struct wf_tally *tally, uint64_t wait_ns, uint64_t run_ns,
		  bool exact)
{
	if (exact) {
		tally->last_wait = times_measure(&tally->wait, wait_ns);
		tally->last_run = times_measure(&tally->run, run_ns);
		times_add(&tally->wait, tally->last_wait);
		times_add(&tally->run, tally->last_run);
	} else {
		times_add(&tally->wait,
			  times_guess(&tally->wait, tally->last_wait, wait_ns));
		times_add(&tally->run,
			  times_guess(&tally->run, tally->last_run, run_ns));
	}
	tally_raise(&tally->completed, 1);
}

static void times_merge(struct wf_times *to, const struct wf_times *from)
{
	unsigned i = 0;

	for (i = 0; i < WEFT_HISTOGRAM_SIZE; i++) {
		tally_put(&to->count[i], tally_get(&to->count[i]) +
						 tally_get(&from->count[i]));
	}
	tally_put(&to->sum_ns,
		  tally_get(&to->sum_ns) + tally_get(&from->sum_ns));
	if (tally_get(&from->max_ns) > tally_get(&to->max_ns)) {
		tally_put(&to->max_ns, tally_get(&from->max_ns));
	}
}

void wf_tally_merge(struct wf_tally *to, const struct wf_tally *from)
{
	times_merge(&to->wait, &from->wait);
	times_merge(&to->run, &from->run);
	tally_put(&to->completed,
		  tally_get(&to->completed) + tally_get(&from->completed));
}

static void times_read(const struct wf_times *times, struct weft_histogram *to)
{
	uint64_t max_ns = tally_get(&times->max_ns);
	unsigned i = 0;

	for (i = 0; i < WEFT_HISTOGRAM_SIZE; i++) {
		uint64_t count = tally_get(&times->count[i]);

		to->count[i] += count;
		to->total += count;
	}
	to->sum_ns += tally_get(&times->sum_ns);
	if (max_ns > to->max_ns) {
		to->max_ns = max_ns;
	}
}

void wf_tally_read(const struct wf_tally *tally, struct weft_lane_stats *stats)
{
	times_read(&tally->wait, &stats->wait);
	times_read(&tally->run, &stats->run);
	stats->completed += tally_get(&tally->completed);
}
