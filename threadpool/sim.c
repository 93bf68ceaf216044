/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: a simulation as programs have it.
 *
 * A talloc object around a world; all that happens is in sim_world.c, in
 * sim_worker.c for pools, in sim_stream.c for streams. It may be freed by what
 * it has moved, so nobody looks at it after a move: the world is held.
 *
 * Threads: the one that has made it.  Ordering: none.
 * Not here: many simulations one after the other (sim_search.c).
 */
#include "threadpool/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#define SIM_US_PER_S 1000000U

struct weft_sim {
	struct wf_sim_world *world; /* I: */
};

struct wf_sim_world *wf_sim_world_of(const struct weft_sim *sim)
{
	return sim->world;
}

void wf_sim_options(const struct weft_sim_options *given, size_t size,
		    struct weft_sim_options *ret_options)
{
	memset(ret_options, 0, sizeof(*ret_options));
	if (given != NULL) {
		memcpy(ret_options, given,
		       size < sizeof(*ret_options) ? size
						   : sizeof(*ret_options));
	}
}

static uint64_t sim_us(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * SIM_US_PER_S + (uint64_t)tv.tv_usec;
}

static int sim_destructor(struct weft_sim *sim)
{
	wf_sim_world_free(sim->world);
	return 0;
}

int wf_sim_create(TALLOC_CTX *mem_ctx, const struct weft_sim_options *options,
		  struct weft_sim **ret_sim)
{
	const struct wf_sim_spec spec = {
		.seed = options->seed,
		.start_us = sim_us(options->start),
		.max_steps = options->max_steps,
		.job_us = options->job_us,
		.log = options->log,
		.log_count = options->log_count,
		.chaos = options->chaos,
	};
	struct weft_sim *sim = talloc_zero(mem_ctx, struct weft_sim);
	int ret = 0;

	if (sim == NULL) {
		return ENOMEM;
	}
	ret = wf_sim_world_create(&spec, &sim->world);
	if (ret != 0) {
		talloc_free(sim);
		return ret;
	}
	talloc_set_destructor(sim, sim_destructor);
	*ret_sim = sim;
	return 0;
}

int weft_sim_create_sized(TALLOC_CTX *mem_ctx,
			  const struct weft_sim_options *given,
			  size_t options_size, struct weft_sim **ret_sim)
{
	struct weft_sim_options options;

	wf_sim_options(given, options_size, &options);
	return wf_sim_create(mem_ctx, &options, ret_sim);
}

/* Why nothing has moved, or moves any more. */
static int sim_why(const struct wf_sim_world *world, int otherwise)
{
	if (world->ending) {
		return ECANCELED;
	}
	if (world->short_of_memory) {
		return ENOMEM;
	}
	return wf_sim_is_over(world) ? E2BIG : otherwise;
}

/* Moves, until nothing can happen up to @limit_us. The handle may go meanwhile.
 * Return: 0, or why it has ended before. */
static int sim_run_to(struct wf_sim_world *world, uint64_t limit_us)
{
	bool moved = true;
	int ret = 0;

	wf_sim_world_hold(world);
	while (moved && !world->ending) {
		moved = wf_sim_move(world, NULL, limit_us);
	}
	ret = sim_why(world, 0);
	if (ret == 0 && limit_us != TEV_SIM_NEVER &&
	    world->sim->now_us < limit_us) {
		world->sim->now_us = limit_us;
	}
	wf_sim_world_release(world);
	return ret;
}

int weft_sim_step(struct weft_sim *sim)
{
	struct wf_sim_world *world = sim->world;
	bool moved = false;
	int ret = 0;

	wf_sim_world_hold(world);
	moved = wf_sim_move(world, NULL, TEV_SIM_NEVER);
	ret = moved && !world->ending ? 0 : sim_why(world, ENOENT);
	wf_sim_world_release(world);
	return ret;
}

int weft_sim_run(struct weft_sim *sim)
{
	return sim_run_to(sim->world, TEV_SIM_NEVER);
}

int weft_sim_run_until(struct weft_sim *sim, struct timeval when)
{
	return sim_run_to(sim->world, sim_us(when));
}

unsigned weft_sim_choose(struct weft_sim *sim, unsigned count)
{
	return wf_sim_choose(sim->world, count);
}

uint64_t weft_sim_hash(const struct weft_sim *sim)
{
	return sim->world->hash;
}

uint64_t weft_sim_steps(const struct weft_sim *sim)
{
	return sim->world->step_count;
}

const unsigned *weft_sim_log(const struct weft_sim *sim, size_t *ret_count)
{
	*ret_count = sim->world->log_count;
	return sim->world->log;
}

static void dump_steps(const struct wf_sim_world *world, FILE *to)
{
	uint64_t count = world->step_count;
	uint64_t i = count > WF_SIM_STEPS_KEPT ? count - WF_SIM_STEPS_KEPT : 0;

	fprintf(to, "# %llu steps, hash %016llx\n", (unsigned long long)count,
		(unsigned long long)world->hash);
	if (i > 0) {
		fprintf(to, "# the first %llu are not shown\n",
			(unsigned long long)i);
	}
	for (; i < count; i++) {
		const struct wf_sim_step
			*step = &world->steps[i % WF_SIM_STEPS_KEPT];

		fprintf(to, "%llu.%06u %s", /* seconds since 1970 */
			(unsigned long long)(step->now_us / SIM_US_PER_S),
			(unsigned)(step->now_us % SIM_US_PER_S), step->name);
		if (step->number != 0) {
			fprintf(to, " %u", step->number);
		}
		fputc('\n', to);
	}
}

int weft_sim_dump(const struct weft_sim *sim, FILE *to)
{
	const struct wf_sim_world *world = sim->world;
	size_t i = 0;

	errno = 0;
	dump_steps(world, to);
	fputs("log:", to);
	for (i = 0; i < world->log_count; i++) {
		fprintf(to, " %u", world->log[i]);
	}
	fputc('\n', to);
	if (ferror(to)) {
		return errno != 0 ? errno : EIO;
	}
	return 0;
}
