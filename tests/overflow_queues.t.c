/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Overflow queues: a lane that is full makes room whichever of its queues it is
 * that the oldest job waits in.
 *
 * A lane has several on a machine of many processors, which this one is made
 * out to be.
 */
#include "tests/lanetest.h"

#define CPUS  8
#define LIMIT 2

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	unsigned i = 0;

	(void)pid;
	memset(set, 0, size);
	for (i = 0; i < CPUS; i++) {
		CPU_SET_S(i, size, set);
	}
	return 0;
}

static void oldest_of_another_queue(struct fixture *fx)
{
	struct weft_lane_options options = {
		.max = 1,
		.queue_limit = LIMIT,
		.overflow = WEFT_OVERFLOW_DROP_OLDEST,
	};
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct weft_pool *pool = lanetest_pool(fx, 4);
	struct weft_job_options in = { .lane = NULL };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct outcome outcomes[LIMIT] = { { .done = false } };
	struct outcome last = { .done = false };
	unsigned i = 0;

	in.lane = lanetest_lane(fx, pool, &options);
	(void)lanetest_hold(fx, pool, in.lane, &started, &go, &first);
	fixture_gate_wait(&started, 1);
	for (i = 0; i < LIMIT; i++) {
		(void)lanetest_send(fx->ev, pool, quick_run, NULL, &in,
				    &outcomes[i]);
	}
	/* Another loop, another queue. */
	(void)lanetest_send(other, pool, quick_run, NULL, &in, &last);
	is_uint(lanetest_stats(pool, in.lane).refused, 0, "it is taken");
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(other, &last.done);
	is_int(last.ret, 0, "and runs");
	(void)tevent_loop_wait(fx->ev);
	is_int(outcomes[0].ret, EAGAIN, "in the place of the oldest");
	is_int(outcomes[1].ret, 0, "and of no other");
	talloc_free(other);
}

int main(void)
{
	POOLTEST(oldest_of_another_queue);
	return done();
}
