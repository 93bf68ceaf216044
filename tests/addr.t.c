/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Addr: slots, generations and segments of the table of addresses.
 *
 * The source itself is part of this program, so that a slot can be brought to
 * the last of its generations.
 */
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "threadpool/addr.c"

#include "tests/fixture.h"
#include "threadpool/grace.h"

static unsigned told; /* by a fork */

static void resident_forked(struct wf_resident *resident)
{
	(void)resident;
	told++;
}

static void move_in(struct wf_resident *resident)
{
	resident->forked = resident_forked;
	if (wf_addr_reserve(resident) != 0) {
		bail_out("no memory for an address");
	}
	wf_addr_settle(resident);
}

static uint32_t slot_of(const struct wf_resident *resident)
{
	return (uint32_t)resident->id - 1;
}

static void one(struct fixture *fx)
{
	struct wf_resident first = { .id = 0 };
	struct wf_resident second = { .id = 0 };
	uint64_t old = 0;

	(void)fx;
	is_int(wf_addr_reserve(&first), 0, "an address is reserved");
	ok(first.id != 0, "it is not nobody's");
	is_ptr(wf_addr_find(first.id), NULL, "nobody lives there yet");
	wf_addr_settle(&first);
	is_ptr(wf_addr_find(first.id), &first, "now somebody does");
	old = first.id;
	wf_addr_leave(&first);
	is_ptr(wf_addr_find(old), NULL, "and then nobody");
	move_in(&second);
	is_uint(slot_of(&second), (uint32_t)old - 1, "the slot is used again");
	is_uint(second.id >> 32, (uint32_t)((old >> 32) + 1),
		"in its next generation");
	is_ptr(wf_addr_find(old), NULL, "the old address stays nobody's");
	is_ptr(wf_addr_find(second.id), &second, "the new one is found");
	wf_addr_leave(&second);
	is_int(wf_addr_reserve(&first), 0, "reserved");
	old = first.id;
	wf_addr_leave(&first);
	is_ptr(wf_addr_find(old), NULL, "who never settles may leave");
}

static void out_of_the_air(struct fixture *fx)
{
	struct wf_resident resident = { .id = 0 };
	unsigned found = 0;
	unsigned bit = 0;

	(void)fx;
	move_in(&resident);
	for (bit = 0; bit < 64; bit++) {
		found += wf_addr_find(resident.id ^ (UINT64_C(1) << bit)) !=
			 NULL;
		found += wf_addr_find(UINT64_C(1) << bit) != NULL;
		found += wf_addr_find(~(UINT64_C(1) << bit)) != NULL;
	}
	is_uint(found, 0, "only the very address is found");
	is_ptr(wf_addr_find(0), NULL, "0 is nobody");
	is_ptr(wf_addr_find(UINT64_MAX), NULL, "all ones neither");
	wf_addr_leave(&resident);
}

#define MANY 5000

static void segments(struct fixture *fx)
{
	struct wf_resident *residents = talloc_zero_array(
		fx->mem, struct wf_resident, MANY);
	unsigned wrong = 0;
	uint32_t used = 0;
	uint32_t slot = 0;
	unsigned i = 0;

	for (i = 0; i < MANY; i++) {
		move_in(&residents[i]);
	}
	for (i = 0; i < MANY; i++) {
		wrong += wf_addr_find(residents[i].id) != &residents[i];
	}
	is_uint(wrong, 0, "%u are found, each at its address", MANY);
	used = table.used;
	for (i = 0; i < MANY; i++) {
		wf_addr_leave(&residents[i]);
	}
	for (i = 0; i < MANY; i++) {
		move_in(&residents[i]);
		wrong += wf_addr_find(residents[i].id) != &residents[i];
	}
	is_uint(table.used, used, "as many again take the same slots");
	is_uint(wrong, 0, "and are found");
	for (i = 0; i < MANY; i++) {
		wf_addr_leave(&residents[i]);
	}
	/* The next slot of the table is the next place, or a new segment's. */
	for (slot = 0; slot < 3000000; slot++) {
		unsigned segment = addr_segment_of(slot);
		uint32_t place = addr_place_in(segment, slot);
		unsigned next = addr_segment_of(slot + 1);

		wrong += place >= addr_segment_size(segment);
		wrong += next == segment
				 ? addr_place_in(next, slot + 1) != place + 1
				 : next != segment + 1 ||
					   addr_place_in(next, slot + 1) != 0;
	}
	is_uint(wrong, 0, "segments follow each other without a gap");
}

static void last_generation(struct fixture *fx)
{
	struct wf_resident resident = { .id = 0 };
	struct wf_resident other = { .id = 0 };
	uint32_t slot = 0;
	uint64_t last = 0;

	(void)fx;
	move_in(&resident);
	slot = slot_of(&resident);
	wf_addr_leave(&resident);
	addr_slot_at(slot)->generation = table.seed - 2;
	move_in(&resident);
	is_uint(slot_of(&resident), slot, "a slot near its end is used");
	wf_addr_leave(&resident);
	move_in(&resident);
	is_uint(slot_of(&resident), slot, "for the last time");
	is_uint(resident.id >> 32, (uint32_t)(table.seed - 1),
		"in its last generation");
	is_ptr(wf_addr_find(resident.id), &resident, "and is found");
	last = resident.id;
	wf_addr_leave(&resident);
	move_in(&resident);
	move_in(&other);
	ok(slot_of(&resident) != slot && slot_of(&other) != slot,
	   "then it is given up");
	is_ptr(wf_addr_find(last), NULL, "for ever");
	wf_addr_leave(&resident);
	wf_addr_leave(&other);
}

/* ---- fork ---- */

static int child_told(void *arg)
{
	const unsigned *living = arg;

	return told == *living ? 0 : 1;
}

static void forked(struct fixture *fx)
{
	struct wf_resident residents[3] = { { .forked = resident_forked },
					    { .forked = resident_forked },
					    { .forked = resident_forked } };
	unsigned living = 2;
	struct fixture_child child;

	(void)fx;
	move_in(&residents[0]);
	move_in(&residents[1]);
	(void)wf_addr_reserve(&residents[2]);
	told = 0;
	child = fixture_child(child_told, &living);
	(void)child_exited(&child, 0, "who has settled is told in a child");
	is_uint(told, 0, "and not in the parent");
	wf_addr_leave(&residents[0]);
	wf_addr_leave(&residents[1]);
	wf_addr_leave(&residents[2]);
}

/* @arg: what the parent will give out next. */
static int child_differs(void *arg)
{
	const uint64_t *ids = arg;
	struct wf_resident first = { .id = 0 };
	struct wf_resident second = { .id = 0 };

	move_in(&first);
	move_in(&second);
	if (slot_of(&first) != (uint32_t)ids[0] - 1 ||
	    slot_of(&second) != (uint32_t)ids[1] - 1) {
		return 1;
	}
	return wf_addr_find(ids[0]) == NULL && wf_addr_find(ids[1]) == NULL ? 0
									    : 2;
}

static void forked_then_given_out(struct fixture *fx)
{
	struct wf_resident first = { .id = 0 };
	struct wf_resident second = { .id = 0 };
	struct fixture_child child;
	uint64_t ids[2] = { 0, 0 };

	(void)fx;
	move_in(&first);
	move_in(&second);
	wf_addr_leave(&second);
	wf_addr_leave(&first);
	ids[0] = first.id + (UINT64_C(1) << 32);
	ids[1] = second.id + (UINT64_C(1) << 32);
	child = fixture_child(child_differs, ids);
	(void)child_exited(&child, 0, "a child gives out other addresses");
	move_in(&first);
	move_in(&second);
	is_uint(first.id, ids[0], "than its parent");
	is_uint(second.id, ids[1], "in each slot");
	wf_addr_leave(&first);
	wf_addr_leave(&second);
}

/* ---- threads ---- */

#define MOVERS 2
#define MOVES  (TEST_TSAN || TEST_ASAN ? 4000U : 20000U)

struct lodger {
	struct wf_resident resident;
	struct wf_retired retired;
	uint64_t check; /* the address once more; 0 when it is freed */
};

struct town {
	_Atomic(uint64_t)
		known[MOVERS];      /* A: relaxed: an address is a number */
	struct fixture_gate movers; /* that are through */
	atomic_uint wrong;          /* A: relaxed */
};

static void lodger_reclaim(struct wf_retired *retired)
{
	struct lodger *lodger = tev_container_of(retired, struct lodger,
						 retired);

	lodger->check = 0;
	free(lodger);
}

static void town_move(unsigned index, struct town *town)
{
	unsigned i = 0;

	for (i = 0; i < MOVES; i++) {
		struct lodger *lodger = calloc(1, sizeof(*lodger));

		lodger->resident.forked = resident_forked;
		(void)wf_addr_reserve(&lodger->resident);
		lodger->check = lodger->resident.id;
		wf_addr_settle(&lodger->resident);
		atomic_store_explicit(&town->known[index], lodger->resident.id,
				      memory_order_relaxed);
		wf_addr_leave(&lodger->resident);
		lodger->retired.reclaim = lodger_reclaim;
		wf_grace_retire(&lodger->retired);
		wf_grace_limit();
	}
	fixture_gate_add(&town->movers, 1);
}

static void town_look(struct town *town)
{
	unsigned wrong = 0;

	while (fixture_gate_value(&town->movers) < MOVERS) {
		unsigned i = 0;

		for (i = 0; i < MOVERS; i++) {
			uint64_t id = atomic_load_explicit(
				&town->known[i], memory_order_relaxed);
			struct wf_resident *resident = NULL;

			wf_read_begin();
			resident = wf_addr_find(id);
			if (resident != NULL) {
				struct lodger *lodger = tev_container_of(
					resident, struct lodger, resident);

				wrong += lodger->check != id;
			}
			wf_read_end();
		}
	}
	(void)atomic_fetch_add_explicit(&town->wrong, wrong,
					memory_order_relaxed);
}

static void town_run(unsigned index, void *arg)
{
	if (index < MOVERS) {
		town_move(index, arg);
	} else {
		town_look(arg);
	}
}

static void coming_and_going(struct fixture *fx)
{
	struct town town = { .wrong = 0 };

	(void)fx;
	wf_grace_init();
	fixture_threads_join(
		fixture_threads_start(MOVERS + 2, town_run, &town));
	wf_grace_reap();
	is_uint(atomic_load_explicit(&town.wrong, memory_order_relaxed), 0,
		"who is found lives there, whoever comes and goes");
}

int main(void)
{
	const unsigned flags = FIXTURE_THREADS | FIXTURE_NO_CONTEXT;

	fixture_run_flags("one", one, flags);
	fixture_run_flags("out_of_the_air", out_of_the_air, flags);
	fixture_run_flags("segments", segments, flags);
	fixture_run_flags("last_generation", last_generation, flags);
	fixture_run_flags("forked", forked, flags);
	fixture_run_flags("forked_then_given_out", forked_then_given_out,
			  flags);
	fixture_run_flags("coming_and_going", coming_and_going, flags);
	return done();
}
