/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A simulation and fork: the child has the clock and the loops, and nothing of
 * what its parent has under way.
 *
 * Each child plays on by itself, frees what it has inherited, in each order,
 * and tells by its exit code; then the parent plays to the end as if there had
 * been no child.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/simtest.h"
#include "threadpool/grace.h"

/* As in grace.c: from so many on somebody waits for what is retired. */
#define GRACE_LIMIT 64

#define STEPS 14

#define CHECK(what)                                          \
	do {                                                 \
		if (!(what)) {                               \
			printf("%d: %s\n", __LINE__, #what); \
			return 1;                            \
		}                                            \
	} while (0)

struct world {
	struct weft_sim *sim;
	struct tevent_context *ev;
	struct weft_pool *pool;
	pid_t pid;            /* of who has made it */
	unsigned order;       /* what a child frees first: pool, sim, ev */
	unsigned sent;        /* jobs */
	unsigned ran;         /* of these */
	unsigned home;        /* of these, at whoever has sent them */
	unsigned begun;       /* workers */
	struct weft_sim *end; /* freed by the next job that forks */
	int child;            /* how that child has ended */
};

struct ware {
	struct world *world;
};

static int worker_began(void **ret_state, void *private_data)
{
	struct world *world = private_data;

	world->begun++;
	*ret_state = world;
	return 0;
}

static void worker_ended(void *state, void *private_data)
{
	struct world *world = state;

	if (world != private_data) {
		abort();
	}
	world->begun--;
}

static void world_open(struct world *world)
{
	const struct weft_sim_options options = { .seed = 7, .job_us = 100 };
	const struct weft_pool_options pool_options = {
		.max = 2,
		.worker_init = worker_began,
		.worker_fini = worker_ended,
		.worker_private = world,
	};

	memset(world, 0, sizeof(*world));
	world->pid = getpid();
	if (weft_sim_create(NULL, &options, &world->sim) != 0) {
		bail_out("no simulation");
	}
	world->ev = simtest_context();
	if (weft_pool_create(NULL, &pool_options, &world->pool) != 0) {
		bail_out("no pool");
	}
}

static void world_close(struct world *world)
{
	if (world->order == 2) {
		TALLOC_FREE(world->ev);
	}
	TALLOC_FREE(world->pool);
	TALLOC_FREE(world->ev);
	TALLOC_FREE(world->sim);
}

static void ware_home(struct tevent_req *req)
{
	struct world *world = tevent_req_callback_data_void(req);
	struct ware *ware = NULL;

	if (weft_job_recv(req, req, &ware) == 0) {
		world->home++;
	}
	talloc_free(req);
}

static int ware_run(struct weft_job *job, void *block)
{
	struct ware *ware = talloc_get_type_abort(block, struct ware);

	(void)job;
	ware->world->ran++;
	return 0;
}

static void world_send(struct world *world, weft_job_fn_t fn)
{
	struct ware *ware = talloc_zero(NULL, struct ware);
	struct tevent_req *req = NULL;

	if (ware == NULL) {
		bail_out("no memory for a ware");
	}
	ware->world = world;
	req = weft_job_send(world->ev, world->ev, world->pool, fn, &ware, NULL);
	if (req == NULL) {
		bail_out("no memory for a job");
	}
	world->sent++;
	tevent_req_set_callback(req, ware_home, world);
}

/* In a child: rounds of jobs, which all come home; then the end. */
static int child_plays(void *arg)
{
	struct world *world = arg;
	struct weft_pool_stats stats;
	unsigned home = 0;
	unsigned ran = 0;
	unsigned i = 0;
	unsigned j = 0;

	CHECK(weft_sim_run(world->sim) == 0);
	home = world->home;
	ran = world->ran;
	for (i = 0; i < 6; i++) {
		for (j = 0; j <= i % 3; j++) {
			world_send(world, ware_run);
			home++;
			ran++;
		}
		CHECK(weft_sim_run(world->sim) == 0);
		CHECK(world->home == home && world->ran == ran);
	}
	weft_pool_stats(world->pool, &stats);
	CHECK(stats.workers > 0 && stats.workers <= 2);
	CHECK(stats.idle == stats.workers);
	if (world->order == 1) {
		TALLOC_FREE(world->sim);
		weft_pool_stats(world->pool, &stats);
		CHECK(stats.workers == 0 && stats.idle == 0);
	}
	world_close(world);
	return 0;
}

/* Whether a child that is forked now is well, however it frees things. */
static bool children_are_well(struct world *world)
{
	bool well = true;
	unsigned order = 0;

	for (order = 0; order < 3; order++) {
		struct fixture_child child;

		world->order = order;
		child = fixture_child(child_plays, world);
		if (!WIFEXITED(child.status) ||
		    WEXITSTATUS(child.status) != 0) {
			diag("order %u: %s", order, child.text);
			well = false;
		}
	}
	world->order = 0;
	return well;
}

/* Workers not begun, with a job in hand, through, asleep; results on their way.
 */
static void test_child_ran_what_its_parent_held(struct fixture *fx)
{
	unsigned steps = 0;

	(void)fx;
	for (steps = 0; steps < STEPS; steps++) {
		struct world world;
		unsigned i = 0;

		world_open(&world);
		for (i = 0; i < 3; i++) {
			world_send(&world, ware_run);
		}
		for (i = 0; i < steps; i++) {
			(void)weft_sim_step(world.sim);
		}
		ok(children_are_well(&world), "a fork after %u steps", steps);
		is_int(weft_sim_run(world.sim), 0, "the parent goes on");
		is_uint(world.ran, 3, "its jobs run once");
		is_uint(world.home, 3, "and come home");
		world_close(&world);
	}
}

static void test_child_woke_a_worker_of_its_parent(struct fixture *fx)
{
	struct world world;

	(void)fx;
	world_open(&world);
	world_send(&world, ware_run);
	world_send(&world, ware_run);
	is_int(weft_sim_run(world.sim), 0, "all workers sleep");
	ok(children_are_well(&world), "the child has workers of its own");
	world_send(&world, ware_run);
	is_int(weft_sim_run(world.sim), 0, "the parent's wake up");
	is_uint(world.home, 3, "and work");
	world_close(&world);
	is_uint(world.begun, 0, "and end, each once");
}

/* ---- in the job itself ---- */

static int ware_forks(struct weft_job *job, void *block)
{
	struct ware *ware = talloc_get_type_abort(block, struct ware);
	struct world *world = ware->world;
	pid_t pid = 0;

	(void)job;
	world->ran++;
	TALLOC_FREE(world->end);
	pid = fork();
	if (pid > 0 && waitpid(pid, &world->child, 0) != pid) {
		world->child = -1;
	}
	return 0;
}

/* In a child of the test, so that the child of the job can end by itself. */
static int job_forks(void *arg)
{
	struct world *world = arg;
	int ret = 0;

	world_open(world);
	world_send(world, ware_forks);
	world_send(world, ware_run);
	world_send(world, ware_run);
	ret = weft_sim_run(world->sim);
	if (getpid() != world->pid) {
		/* It has come back from the parent's job. */
		_exit(ret != 0 ? 2 : child_plays(world));
	}
	CHECK(ret == 0);
	CHECK(WIFEXITED(world->child) && WEXITSTATUS(world->child) == 0);
	CHECK(world->home == 3 && world->ran == 3);
	world_close(world);
	return 0;
}

static void test_child_that_came_back_from_a_job(struct fixture *fx)
{
	struct world world;
	struct fixture_child child = fixture_child(job_forks, &world);

	(void)fx;
	child_exited(&child, 0,
		     "the worker is the parent's, the world goes on");
}

/* The world is freed in a job that then forks: both ends of it end. */
static int job_frees_and_forks(void *arg)
{
	struct world *world = arg;
	int ret = 0;

	world_open(world);
	world_send(world, ware_forks);
	world_send(world, ware_run);
	world->end = world->sim;
	ret = weft_sim_run(world->sim);
	world->sim = NULL;
	CHECK(ret == ECANCELED);
	TALLOC_FREE(world->pool);
	TALLOC_FREE(world->ev);
	if (getpid() != world->pid) {
		_exit(0);
	}
	CHECK(WIFEXITED(world->child) && WEXITSTATUS(world->child) == 0);
	return 0;
}

/* The same for a job that runs because the world ends. */
static int last_job_forks(void *arg)
{
	struct world *world = arg;

	world_open(world);
	world_send(world, ware_forks);
	world_send(world, ware_run);
	while (world->begun < 2) {
		CHECK(weft_sim_step(world->sim) == 0);
	}
	CHECK(weft_sim_step(world->sim) == 0);
	CHECK(weft_sim_step(world->sim) == 0);
	CHECK(world->ran == 0);
	TALLOC_FREE(world->sim);
	CHECK(world->ran > 0);
	TALLOC_FREE(world->pool);
	TALLOC_FREE(world->ev);
	if (getpid() != world->pid) {
		_exit(0);
	}
	CHECK(WIFEXITED(world->child) && WEXITSTATUS(world->child) == 0);
	return 0;
}

static void test_job_that_forks_at_the_end(struct fixture *fx)
{
	struct world world;
	struct fixture_child child = fixture_child(job_frees_and_forks, &world);

	(void)fx;
	child_exited(&child, 0, "a job that frees the simulation, and forks");
	child = fixture_child(last_job_forks, &world);
	child_exited(&child, 0, "a job that the end runs, and that forks");
}

/* ---- streams, and what is retired ---- */

static int child_takes(void *arg)
{
	struct world *world = arg;

	CHECK(weft_sim_run(world->sim) == 0);
	world_close(world);
	return 0;
}

static void test_child_took_bytes_of_its_parent(struct fixture *fx)
{
	struct world world;
	struct fixture_child child;
	char bytes[16] = "";
	int fds[2] = { -1, -1 };

	(void)fx;
	world_open(&world);
	if (weft_sim_stream(world.sim, NULL, fds) != 0 ||
	    write(fds[0], "hello", 5) != 5) {
		bail_out("no stream");
	}
	child = fixture_child(child_takes, &world);
	child_exited(&child, 0, "a child has the world's sockets, too");
	is_int(read(fds[1], bytes, sizeof(bytes)), -1, "it delivers nothing");
	is_int(weft_sim_run(world.sim), 0, "the parent does");
	while (read(fds[1], bytes + strlen(bytes),
		    sizeof(bytes) - 1 - strlen(bytes)) > 0) {
	}
	is_str(bytes, "hello", "what was written");
	(void)close(fds[0]);
	(void)close(fds[1]);
	world_close(&world);
}

static unsigned reclaimed;

static void thing_reclaim(struct wf_retired *retired)
{
	free(retired);
	reclaimed++;
}

/* Nobody helps any more: who retires so much waits. */
static int child_retires(void *arg)
{
	struct world *world = arg;
	unsigned i = 0;

	world_close(world);
	for (i = 0; i < GRACE_LIMIT; i++) {
		struct wf_retired *retired = malloc(sizeof(*retired));

		CHECK(retired != NULL);
		retired->reclaim = thing_reclaim;
		wf_grace_retire(retired);
	}
	wf_grace_limit();
	CHECK(reclaimed == GRACE_LIMIT);
	return 0;
}

static void test_child_had_fewer_helpers_than_none(struct fixture *fx)
{
	struct world world;
	struct fixture_child child;

	(void)fx;
	wf_grace_init();
	world_open(&world);
	child = fixture_child(child_retires, &world);
	child_exited(&child, 0, "memory is not put off for who will not come");
	world_close(&world);
}

int main(void)
{
	SIMTEST(test_child_ran_what_its_parent_held);
	SIMTEST(test_child_woke_a_worker_of_its_parent);
	SIMTEST(test_child_that_came_back_from_a_job);
	SIMTEST(test_job_that_forks_at_the_end);
	SIMTEST(test_child_took_bytes_of_its_parent);
	SIMTEST(test_child_had_fewer_helpers_than_none);
	return done();
}
