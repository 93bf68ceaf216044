/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim choose: a decision, "one of so many".
 *
 *      given a log  --> what it says, then zeros
 *      else         --> what comes out of the seed
 *
 * Either way it is logged, so that a run by its log is the run by its seed, and
 * goes into the hash, as do the moves: so two runs with one hash were the same.
 * A log may be one of another program, or one that was changed; what is no
 * choice here counts as zero, the plain one.
 *
 * Threads: the world's.  Ordering: none.
 */
#include "threadpool/sim_world.h"

#include <stdlib.h>

/* Stirs all bits. */
static uint64_t choose_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

void wf_sim_note(struct wf_sim_world *world, uint64_t value)
{
	world->hash = choose_mix(world->hash + value +
				 UINT64_C(0x9e3779b97f4a7c15));
}

void wf_sim_decide_by(struct wf_sim_world *world,
		      const struct wf_sim_spec *spec)
{
	world->random = choose_mix(spec->seed);
	world->given = spec->log;
	world->given_count = spec->log_count;
}

static uint64_t choose_random(struct wf_sim_world *world)
{
	world->random += UINT64_C(0x9e3779b97f4a7c15);
	return choose_mix(world->random);
}

static void choose_log(struct wf_sim_world *world, unsigned value)
{
	if (world->log_count == world->log_room) {
		size_t room = world->log_room != 0 ? world->log_room * 2 : 64;
		unsigned *log = realloc(world->log, room * sizeof(*log));

		if (log == NULL) {
			world->short_of_memory = true;
			return;
		}
		world->log = log;
		world->log_room = room;
	}
	world->log[world->log_count++] = value;
}

unsigned wf_sim_choose(struct wf_sim_world *world, unsigned count)
{
	unsigned value = 0;

	if (count < 2) {
		return 0;
	}
	if (world->given == NULL) {
		value = (unsigned)(choose_random(world) % count);
	} else if (world->log_count < world->given_count) {
		value = world->given[world->log_count];
	}
	value = value < count ? value : 0;
	choose_log(world, value);
	wf_sim_note(world, (uint64_t)count << 32 | value);
	return value;
}

uint64_t wf_sim_job_due(struct wf_sim_world *world)
{
	if (world->job_us == 0) {
		return 0;
	}
	return world->sim->now_us + wf_sim_choose(world, world->job_us + 1);
}
