/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap: engine/heap.h against a sorted list, by random operations.
 *
 * The list is an array kept sorted by insertion. After each operation the
 * heap's first must be the list's first.
 */
#include "engine/heap.h"

#include <stdlib.h>

#include "engine/base.h"

#include "tests/fixture.h"
#include "tests/tap.h"

#define NODES 4000

struct item {
	struct tev_heap_node node;
	bool queued;
};

struct bench {
	struct tev_heap heap;
	struct item items[NODES];
	struct item *sorted[NODES];
	unsigned count;
	uint64_t sequence;
	uint64_t random;
	uint32_t spread; /* distinct seconds */
	unsigned checks;
	unsigned wrong;
};

static uint32_t roll(struct bench *bench, uint32_t below)
{
	bench->random ^= bench->random << 13;
	bench->random ^= bench->random >> 7;
	bench->random ^= bench->random << 17;
	return (uint32_t)(bench->random >> 32) % below;
}

static bool key_before(const struct tev_heap_key *a,
		       const struct tev_heap_key *b)
{
	if (a->sec != b->sec) {
		return a->sec < b->sec;
	}
	return a->usec != b->usec ? a->usec < b->usec : a->seq < b->seq;
}

/* The place of the first that is not before @key. */
static unsigned sorted_find(const struct bench *bench,
			    const struct tev_heap_key *key)
{
	unsigned low = 0;
	unsigned high = bench->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (key_before(&bench->sorted[middle]->node.key, key)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static void sorted_insert(struct bench *bench, struct item *item)
{
	unsigned place = sorted_find(bench, &item->node.key);

	memmove(&bench->sorted[place + 1], &bench->sorted[place],
		(bench->count - place) * sizeof(bench->sorted[0]));
	bench->sorted[place] = item;
	bench->count++;
}

static void sorted_remove(struct bench *bench, struct item *item)
{
	unsigned place = sorted_find(bench, &item->node.key);

	if (place >= bench->count || bench->sorted[place] != item) {
		bail_out("the model has lost an item");
	}
	bench->count--;
	memmove(&bench->sorted[place], &bench->sorted[place + 1],
		(bench->count - place) * sizeof(bench->sorted[0]));
}

/* A few are of those that do not fit into a word. */
static int64_t random_usec(struct bench *bench)
{
	static const int64_t odd[] = { INT32_MAX, 1 << 20, -1, -2, INT64_MIN };

	return roll(bench, 50) == 0 ? odd[roll(bench, TEV_ARRAY_SIZE(odd))]
				    : roll(bench, 3);
}

static struct tev_heap_key random_key(struct bench *bench)
{
	return (struct tev_heap_key){
		.sec = roll(bench, 50) == 0
			       ? INT64_MAX - roll(bench, 2)
			       : (int64_t)roll(bench, bench->spread) -
					 (int64_t)bench->spread / 2,
		.usec = random_usec(bench),
		.seq = ++bench->sequence,
	};
}

static void check_first(struct bench *bench)
{
	struct tev_heap_node *first = tev_heap_first(&bench->heap);
	struct tev_heap_node *want = bench->count > 0 ? &bench->sorted[0]->node
						      : NULL;

	bench->checks++;
	bench->wrong += first != want ? 1 : 0;
	bench->wrong += tev_heap_empty(&bench->heap) != (want == NULL) ? 1 : 0;
}

static void item_add(struct bench *bench, struct item *item)
{
	if (!tev_heap_reserve(&bench->heap, 1)) {
		bail_out("no memory");
	}
	tev_heap_insert(&bench->heap, &item->node, random_key(bench));
	item->queued = true;
	sorted_insert(bench, item);
}

static void item_remove(struct bench *bench, struct item *item)
{
	sorted_remove(bench, item);
	tev_heap_remove(&bench->heap, &item->node);
	item->queued = false;
	bench->wrong += tev_heap_node_queued(&item->node) ? 1 : 0;
}

static void item_move(struct bench *bench, struct item *item)
{
	struct tev_heap_key key = random_key(bench);

	/* Mostly later, as time-outs are. */
	if (roll(bench, 4) != 0 && key.sec < item->node.key.sec) {
		key.sec = item->node.key.sec;
		key.usec = item->node.key.usec;
	}
	sorted_remove(bench, item);
	tev_heap_move(&bench->heap, &item->node, key);
	sorted_insert(bench, item);
}

static void random_step(struct bench *bench)
{
	struct item *item = &bench->items[roll(bench, NODES)];
	uint32_t what = roll(bench, 4);

	if (!item->queued) {
		item_add(bench, item);
	} else if (what == 0) {
		item_remove(bench, item);
	} else {
		item_move(bench, item);
	}
}

/* Takes the first out; some come back at once, as a timer does that is armed
 * again in its handler: there is room without reserving any. */
static void pop_first(struct bench *bench)
{
	struct item *item = bench->sorted[0];

	sorted_remove(bench, item);
	tev_heap_pop(&bench->heap, &item->node);
	item->queued = false;
	bench->wrong += tev_heap_node_queued(&item->node) ? 1 : 0;
	if (roll(bench, 3) == 0) {
		tev_heap_insert(&bench->heap, &item->node, random_key(bench));
		item->queued = true;
		sorted_insert(bench, item);
	}
}

/* As the loop does it: look, gather, take the first, until none is due. */
static void fire(struct bench *bench, unsigned most, struct timeval now)
{
	while (most-- > 0) {
		struct tev_heap_node *first = tev_heap_first(&bench->heap);

		if (first == NULL || !tev_heap_key_due(&first->key, &now)) {
			return;
		}
		tev_heap_gather_due(&bench->heap, &now);
		check_first(bench);
		pop_first(bench);
		check_first(bench);
		if (roll(bench, 2) == 0) {
			random_step(bench);
			check_first(bench);
		}
	}
}

static struct bench *bench_open(struct fixture *fx, uint64_t seed,
				uint32_t spread)
{
	struct bench *bench = talloc_zero(fx->mem, struct bench);

	bench->random = seed;
	bench->spread = spread;
	tev_heap_init(&bench->heap);
	for (unsigned i = 0; i < NODES; i++) {
		tev_heap_node_init(&bench->items[i].node);
	}
	return bench;
}

static void run(struct fixture *fx, uint64_t seed, uint32_t spread)
{
	struct bench *bench = bench_open(fx, seed, spread);

	for (unsigned round = 0; round < 12; round++) {
		struct timeval now = {
			(long)roll(bench, spread) - (long)spread / 2, 1
		};

		if (round == 6) {
			/* Nor does a sequence that is far away. */
			bench->sequence += UINT64_C(1) << 33;
		}
		for (unsigned i = 0; i < NODES; i++) {
			random_step(bench);
			if (i % 8 == 0) {
				check_first(bench);
			}
		}
		fire(bench, NODES / 2, now);
	}
	is_uint(bench->wrong, 0,
		"seed %lu, %u distinct seconds: %u looks, each "
		"as the sorted list",
		(unsigned long)seed, spread, bench->checks);
	while (bench->count > 0) {
		item_remove(bench, bench->sorted[0]);
		check_first(bench);
	}
	is_uint(bench->wrong, 0, "seed %lu: emptied in order",
		(unsigned long)seed);
	tev_heap_fini(&bench->heap);
	TALLOC_FREE(bench);
}

static void test_random(struct fixture *fx)
{
	static const uint32_t spreads[] = { 1, 3, 50, 5000, 1000000000 };

	for (size_t i = 0; i < TEV_ARRAY_SIZE(spreads); i++) {
		run(fx, 1 + i, spreads[i]);
		run(fx, 1000 + i, spreads[i]);
	}
}

static int order(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Each with each: the word is not more where the fields are less, and tells
 * two apart unless both are clipped. */
static void test_word(struct fixture *fx)
{
	static const int64_t secs[] = {
		INT64_MIN, -1,        0, 1, 1700000000, (INT64_C(1) << 43) - 1,
		1LL << 43, INT64_MAX,
	};
	static const int64_t usecs[] = {
		INT64_MIN, -1, 0, 1, 999999, (1 << 20) - 1, 1 << 20, INT64_MAX,
	};
	const size_t count = TEV_ARRAY_SIZE(secs) * TEV_ARRAY_SIZE(usecs);
	unsigned wrong = 0;

	(void)fx;
	for (size_t i = 0; i < count * count; i++) {
		int64_t s1 = secs[i / count / TEV_ARRAY_SIZE(usecs)];
		int64_t u1 = usecs[i / count % TEV_ARRAY_SIZE(usecs)];
		int64_t s2 = secs[i % count / TEV_ARRAY_SIZE(usecs)];
		int64_t u2 = usecs[i % count % TEV_ARRAY_SIZE(usecs)];
		int fields = s1 != s2 ? order(s1, s2) : order(u1, u2);
		uint64_t a = tev_heap_time(s1, u1);
		uint64_t b = tev_heap_time(s2, u2);

		if (a == b) {
			wrong += fields != 0 && !tev_heap_time_clipped(a);
		} else {
			wrong += fields != (a < b ? -1 : 1);
		}
	}
	is_uint(wrong, 0, "%zu pairs of times: the word sorts as the fields",
		count * count);
	ok(!tev_heap_time_clipped(tev_heap_time(0, 0)) &&
		   !tev_heap_time_clipped(tev_heap_time(1700000000, 999999)),
	   "what is normal fits");
}

static void add_due(struct bench *bench, unsigned which,
		    struct tev_heap_key key)
{
	struct item *item = &bench->items[which];

	key.seq = ++bench->sequence;
	if (!tev_heap_reserve(&bench->heap, 1)) {
		bail_out("no memory");
	}
	tev_heap_insert(&bench->heap, &item->node, key);
	item->queued = true;
	sorted_insert(bench, item);
}

/* Rising, falling and equal times, and in between what does not fit. */
static void test_gather(struct fixture *fx)
{
	static const struct tev_heap_key odd[] = {
		{ .sec = -1 },       { .sec = INT64_MIN },  { .usec = -1 },
		{ .usec = 1 << 20 }, { .usec = INT64_MAX },
	};
	struct bench *bench = bench_open(fx, 3, 1);
	struct timeval now = { 1000000000, 0 };
	unsigned which = 0;

	for (size_t i = 0; i < TEV_ARRAY_SIZE(odd); i++) {
		add_due(bench, which++, odd[i]);
	}
	while (which < NODES) {
		int64_t seconds[] = { which, NODES - which, 7 };
		struct tev_heap_key key = { .sec = seconds[which % 3],
					    .usec = which % 1000 };

		add_due(bench, which, key);
		which++;
	}
	(void)tev_heap_first(&bench->heap);
	tev_heap_gather_due(&bench->heap, &now);
	is_uint(bench->heap.run.length, NODES - TEV_ARRAY_SIZE(odd),
		"all that fit are gathered");
	while (bench->count > 0) {
		check_first(bench);
		sorted_remove(bench, bench->sorted[0]);
		tev_heap_pop(&bench->heap, tev_heap_first(&bench->heap));
	}
	is_uint(bench->wrong, 0, "and all come in order");
	is_uint(bench->heap.run.length, 0, "the run is gone");
	tev_heap_fini(&bench->heap);
	TALLOC_FREE(bench);
}

static void test_any(struct fixture *fx)
{
	struct bench *bench = bench_open(fx, 5, 100);
	struct timeval now = { 0, 0 };
	struct tev_heap_node *node = NULL;
	unsigned taken = 0;

	for (unsigned i = 0; i < NODES; i++) {
		item_add(bench, &bench->items[i]);
	}
	for (unsigned i = 0; i < NODES; i += 3) {
		item_remove(bench, &bench->items[i]);
	}
	fire(bench, 100, now);
	while ((node = tev_heap_any(&bench->heap)) != NULL) {
		tev_heap_remove(&bench->heap, node);
		taken++;
	}
	is_uint(taken, bench->count, "any gives each that is queued, once");
	ok(tev_heap_empty(&bench->heap), "and then it is empty");
	tev_heap_fini(&bench->heap);
	TALLOC_FREE(bench);
}

static void test_reserve(struct fixture *fx)
{
	struct bench *bench = bench_open(fx, 9, 10);
	struct tev_heap_entry *entries = NULL;

	ok(tev_heap_reserve(&bench->heap, 1000), "room for a thousand");
	entries = bench->heap.entries;
	for (unsigned i = 0; i < 1000; i++) {
		tev_heap_insert(&bench->heap, &bench->items[i].node,
				random_key(bench));
	}
	is_ptr(bench->heap.entries, entries, "a thousand found room");
	ok(!tev_heap_reserve(&bench->heap, UINT32_MAX),
	   "more than it can ever hold is refused");
	ok(tev_heap_first(&bench->heap) != NULL, "and it stands as before");
	tev_heap_fini(&bench->heap);
	TALLOC_FREE(bench);
}

int main(void)
{
	fixture_run_flags("heap random", test_random, FIXTURE_NO_CONTEXT);
	fixture_run_flags("heap word", test_word, FIXTURE_NO_CONTEXT);
	fixture_run_flags("heap gather", test_gather, FIXTURE_NO_CONTEXT);
	fixture_run_flags("heap any", test_any, FIXTURE_NO_CONTEXT);
	fixture_run_flags("heap reserve", test_reserve, FIXTURE_NO_CONTEXT);
	return done();
}
