/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Heap run: nodes that have become due at once, in order.
 *
 * Filled in one scan of the heap, sorted once, then emptied from the front:
 *
 *      nodes:   n n n n n n       as they were found; NULL: taken out
 *      places:  p p p p p p       sorted; each names one of the nodes
 *                   ^ next        always one that is there
 *
 * A place is 16 bytes, the key packed into 12 of them, and nodes do not move:
 * one that is added is told its index while it is at hand, and is not touched
 * again before it fires.
 *
 * A key that does not fit (a time that is clipped, a sequence that is far from
 * the others) is refused; its node stays in the heap, and so the next one is
 * the less of two, the first of the heap and the first of the run.
 *
 * Threads: the owner's only.
 */
#include "engine/heap_run.h"

#include <stdlib.h>

#define RUN_SEQ_AHEAD (UINT64_C(1) << 31) /* half of what 32 bits hold */
#define RUN_DIGIT     8                   /* bits of a key in one pass */
#define RUN_DIGITS    (1U << RUN_DIGIT)

/* Makes an empty run with room for @capacity nodes.
 *
 * Return: false when out of memory.
 */
bool tev_heap_run_open(struct tev_heap_run *run, uint32_t capacity)
{
	/* One to sort from, one to sort to, and the nodes. */
	run->memory = malloc((size_t)capacity *
			     (2 * sizeof(*run->places) + sizeof(*run->nodes)));
	if (run->memory == NULL) {
		return false;
	}
	run->places = run->memory;
	run->spare = run->places + capacity;
	run->nodes = (struct tev_heap_node **)(void *)(run->spare + capacity);
	run->next = 0;
	run->length = 0;
	return true;
}

/* Nodes that are left are forgotten, not touched. */
void tev_heap_run_close(struct tev_heap_run *run)
{
	free(run->memory);
	run->memory = NULL;
	run->next = 0;
	run->length = 0;
}

/* Adds @node, whose key has the time @time, to a run that is being filled.
 *
 * Return: false when its key does not fit.
 */
bool tev_heap_run_add(struct tev_heap_run *run, struct tev_heap_node *node,
		      uint64_t time)
{
	uint64_t seq = node->key.seq;

	if (run->length == 0) {
		run->seq_start = seq - RUN_SEQ_AHEAD;
	}
	if (tev_heap_time_clipped(time) || seq - run->seq_start > UINT32_MAX) {
		return false;
	}
	run->places[run->length].time = time;
	run->places[run->length].seq = (uint32_t)(seq - run->seq_start);
	run->places[run->length].index = run->length;
	run->nodes[run->length] = node;
	node->slot = run->length | TEV_HEAP_RUN;
	run->length++;
	return true;
}

static inline uint64_t place_word(const struct tev_heap_place *place,
				  bool by_time)
{
	return by_time ? place->time : place->seq;
}

/* Moves all places over to the spare ones, in the order of one digit. */
static void sort_by_digit(struct tev_heap_run *run, bool by_time,
			  unsigned shift)
{
	const struct tev_heap_place *from = run->places;
	struct tev_heap_place *to = run->spare;
	uint32_t start[RUN_DIGITS] = { 0 };
	uint32_t sum = 0;
	uint32_t i = 0;

	for (i = 0; i < run->length; i++) {
		start[place_word(&from[i], by_time) >> shift &
		      (RUN_DIGITS - 1)]++;
	}
	for (i = 0; i < RUN_DIGITS; i++) {
		uint32_t count = start[i];

		start[i] = sum;
		sum += count;
	}
	for (i = 0; i < run->length; i++) {
		to[start[place_word(&from[i], by_time) >> shift &
			 (RUN_DIGITS - 1)]++] = from[i];
	}
	run->spare = run->places;
	run->places = to;
}

/* Digit by digit; those that are the same in all are left out, which are most.
 * No comparison is guessed wrong. */
static void sort_by_word(struct tev_heap_run *run, bool by_time)
{
	uint64_t first = place_word(&run->places[0], by_time);
	uint64_t differ = 0;
	unsigned shift = 0;
	uint32_t i = 0;

	for (i = 1; i < run->length; i++) {
		differ |= place_word(&run->places[i], by_time) ^ first;
	}
	for (shift = 0; shift < 64; shift += RUN_DIGIT) {
		if ((differ >> shift & (RUN_DIGITS - 1)) != 0) {
			sort_by_digit(run, by_time, shift);
		}
	}
}

/* Ends the filling. A run in which nothing was put is closed. */
void tev_heap_run_sort(struct tev_heap_run *run)
{
	if (run->length == 0) {
		tev_heap_run_close(run);
		return;
	}
	sort_by_word(run, false);
	sort_by_word(run, true);
}
