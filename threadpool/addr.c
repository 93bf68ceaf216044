/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Addresses: numbers that name something and never dangle.
 *
 *      63          32 31           0
 *      +-------------+-------------+
 *      | generation  | slot, from 1|          { 0 } is nobody
 *      +-------------+-------------+
 *
 *      slot ---> resident { id, ... }         NULL: empty
 *
 *               reserve  settle  leave  find
 *      reserve      L        X       L     X  X: may run at the same time
 *      settle       X        X       X     X  L: one waits for the other
 *      leave        L        X       L     X
 *      find         X        X       X     X
 *
 *  1. A slot is its resident's from reserve to leave, and points to it from
 *     settle on. A resident knows its own address, so whoever finds it
 *     compares, and a slot may be given to the next one at once.
 *  2. Each time a slot is given away its generation is one higher; before it
 *     would come round the slot is given up. So no address is used twice.
 *  3. Generations begin at a random number of this process, so an address that
 *     came from another process, or out of the air, does not fit.
 *  4. Slots lie in segments, each twice as long as the one before, which are
 *     never moved or freed: a look at a slot needs no more than a bound.
 *  5. A resident that has left may still be in use by those who found it
 *     before, in their read sections (grace.h).
 *
 * In a forked child addresses name the child's own copies. Each is told in the
 * fork handler, before anybody can look it up there. All generations move on by
 * a random number, so that what is given out from there on fits in one of the
 * two processes only.
 *
 * Threads: see the header.
 * Ordering: [AD1] a resident is put into its slot with release and found with
 * acquire; [AD2] the same for a segment.
 */
#include "threadpool/addr.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "engine/base.h"
#include "threadpool/fork.h"

/* Slots of the first segment, as a power of two; and how many segments. */
#define ADDR_FIRST_BITS 6
#define ADDR_SEGMENTS   24

struct addr_slot {
	_Atomic(struct wf_resident *) resident; /* A: [AD1] */
	uint32_t generation;                    /* L(table) */
	uint32_t next_free;                     /* L(table): slot + 1 */
};

static struct {
	pthread_mutex_t lock;
	uint32_t used;       /* L: slots ever given away */
	uint32_t first_free; /* L: slot + 1; 0: none */
	uint32_t seed;       /* L: the first generation */
	bool ready;          /* L */
	_Atomic(struct addr_slot *) segments[ADDR_SEGMENTS]; /* A: [AD2] */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- slots ---- */

static unsigned addr_segment_of(uint32_t slot)
{
	uint32_t above = (slot >> ADDR_FIRST_BITS) + 1;

	return 31U - (unsigned)__builtin_clz(above);
}

static uint32_t addr_segment_size(unsigned segment)
{
	return (UINT32_C(1) << ADDR_FIRST_BITS) << segment;
}

static uint32_t addr_place_in(unsigned segment, uint32_t slot)
{
	return slot - (((UINT32_C(1) << segment) - 1) << ADDR_FIRST_BITS);
}

/* NULL: there is no such slot (yet). */
static struct addr_slot *addr_slot_at(uint32_t slot)
{
	unsigned segment = addr_segment_of(slot);
	struct addr_slot *slots = NULL;

	if (segment >= ADDR_SEGMENTS) {
		return NULL;
	}
	/* [AD2] acquire: its slots. */
	slots = atomic_load_explicit(&table.segments[segment],
				     memory_order_acquire);
	if (slots == NULL) {
		return NULL;
	}
	return &slots[addr_place_in(segment, slot)];
}

static struct addr_slot *addr_make_slot_locked(uint32_t slot)
{
	unsigned segment = addr_segment_of(slot);

	if (segment >= ADDR_SEGMENTS) {
		return NULL;
	}
	if (addr_place_in(segment, slot) == 0) {
		struct addr_slot *slots = calloc(addr_segment_size(segment),
						 sizeof(*slots));

		if (slots == NULL) {
			return NULL;
		}
		/* [AD2] release: its slots, all zero. */
		atomic_store_explicit(&table.segments[segment], slots,
				      memory_order_release);
	}
	return addr_slot_at(slot);
}

static uint32_t addr_random(void)
{
	uint32_t number = 0;
	ssize_t got = getrandom(&number, sizeof(number), GRND_NONBLOCK);

	/* So early in a system's life that there is no chance in it yet. */
	if (got != (ssize_t)sizeof(number)) {
		number = (uint32_t)getpid() * UINT32_C(2654435761) ^
			 (uint32_t)time(NULL);
	}
	return number;
}

/* ---- fork ---- */

static void addr_fork_prepare(void)
{
	(void)pthread_mutex_lock(&table.lock);
}

static void addr_fork_parent(void)
{
	(void)pthread_mutex_unlock(&table.lock);
}

static void addr_fork_child(void)
{
	uint32_t shift = addr_random();
	uint32_t number = 0;

	table.seed += shift;
	for (number = 0; number < table.used; number++) {
		struct addr_slot *slot = addr_slot_at(number);
		/* [AD1] acquire: another thread may have settled it. */
		struct wf_resident *resident = atomic_load_explicit(
			&slot->resident, memory_order_acquire);

		slot->generation += shift;
		if (resident != NULL) {
			resident->forked(resident);
		}
	}
	(void)pthread_mutex_unlock(&table.lock);
}

static const struct wf_fork_part addr_part = {
	.prepare = addr_fork_prepare,
	.parent = addr_fork_parent,
	.child = addr_fork_child,
};

/* ---- residents ---- */

static int addr_reserve_locked(struct wf_resident *resident)
{
	struct addr_slot *slot = NULL;
	uint32_t number = 0;

	if (!table.ready) {
		table.seed = addr_random();
		table.ready = true;
	}
	if (table.first_free != 0) {
		number = table.first_free - 1;
		slot = addr_slot_at(number);
		table.first_free = slot->next_free;
	} else {
		number = table.used;
		slot = addr_make_slot_locked(number);
		if (slot == NULL) {
			return ENOMEM;
		}
		table.used++;
		slot->generation = table.seed;
	}
	resident->id = (uint64_t)slot->generation << 32 | (number + 1);
	return 0;
}

int wf_addr_reserve(struct wf_resident *resident)
{
	int ret = 0;

	wf_fork_add(WF_FORK_ADDRESSES, &addr_part);
	(void)pthread_mutex_lock(&table.lock);
	ret = addr_reserve_locked(resident);
	(void)pthread_mutex_unlock(&table.lock);
	return ret;
}

void wf_addr_settle(struct wf_resident *resident)
{
	struct addr_slot *slot = addr_slot_at((uint32_t)resident->id - 1);

	/* [AD1] release: the resident as it is now. */
	atomic_store_explicit(&slot->resident, resident, memory_order_release);
}

void wf_addr_leave(struct wf_resident *resident)
{
	uint32_t number = (uint32_t)resident->id - 1;
	struct addr_slot *slot = addr_slot_at(number);

	(void)pthread_mutex_lock(&table.lock);
	/* Relaxed: who still finds the resident may. */
	atomic_store_explicit(&slot->resident, NULL, memory_order_relaxed);
	slot->generation++;
	if (slot->generation != table.seed) {
		slot->next_free = table.first_free;
		table.first_free = number + 1;
	}
	(void)pthread_mutex_unlock(&table.lock);
}

struct wf_resident *wf_addr_find(uint64_t id)
{
	struct addr_slot *slot = NULL;
	struct wf_resident *resident = NULL;

	if ((uint32_t)id == 0) {
		return NULL;
	}
	slot = addr_slot_at((uint32_t)id - 1);
	if (slot == NULL) {
		return NULL;
	}
	/* [AD1] acquire: the resident. */
	resident = atomic_load_explicit(&slot->resident, memory_order_acquire);
	if (resident == NULL || resident->id != id) {
		return NULL;
	}
	return resident;
}
