/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The end of a simulation in the middle of something, and passes that are
 * refused. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <errno.h>
#include <unistd.h>

#include "tests/simtest.h"

struct scene {
	struct weft_sim *sim;
	struct tevent_context *ev;
	struct tevent_context *other;
	struct weft_pool *pool;
	unsigned *log;   /* freed with the simulation */
	unsigned inits;  /* of workers */
	unsigned finis;  /* of the same */
	unsigned home;   /* jobs */
	unsigned ran;    /* handlers */
	int ret;         /* what a loop has said */
	bool frees_late; /* a worker, in its init, frees the simulation */
	bool refuses;    /* a hook, at the end of a step of its own */
};

static void scene_free_sim(struct scene *scene)
{
	TALLOC_FREE(scene->sim);
	TALLOC_FREE(scene->log);
}

static int scene_init(void **ret_state, void *private_data)
{
	struct scene *scene = private_data;

	scene->inits++;
	*ret_state = scene;
	if (scene->frees_late) {
		scene_free_sim(scene);
	}
	return 0;
}

static void scene_fini(void *state, void *private_data)
{
	struct scene *scene = private_data;

	scene->finis += state == scene;
	scene->finis += state == scene ? 0 : 1000;
}

static void scene_open(struct scene *scene)
{
	struct weft_sim_options options = { .log_count = 1000 };
	const struct weft_pool_options pool_options = {
		.max = 2,
		.worker_init = scene_init,
		.worker_fini = scene_fini,
		.worker_private = scene,
	};

	memset(scene, 0, sizeof(*scene));
	scene->log = talloc_zero_array(NULL, unsigned, options.log_count);
	options.log = scene->log;
	if (scene->log == NULL ||
	    weft_sim_create(NULL, &options, &scene->sim) != 0) {
		bail_out("no simulation");
	}
	scene->ev = simtest_context();
	scene->other = simtest_context();
	if (weft_pool_create(NULL, &pool_options, &scene->pool) != 0) {
		bail_out("no pool");
	}
}

/* Whatever has gone, the rest can go; another one may come then. */
static void scene_close(struct scene *scene)
{
	struct weft_sim *again = NULL;

	TALLOC_FREE(scene->pool);
	TALLOC_FREE(scene->ev);
	TALLOC_FREE(scene->other);
	scene_free_sim(scene);
	is_uint(scene->finis, scene->inits, "each worker that began has ended");
	is_int(weft_sim_create(NULL, NULL, &again), 0, "another one may come");
	TALLOC_FREE(again);
}

static void handler_frees(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	talloc_free(im);
	scene->ran++;
	scene_free_sim(scene);
}

static void handler_counts(struct tevent_context *ev,
			   struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	talloc_free(im);
	scene->ran++;
}

static void scene_schedule(struct scene *scene, struct tevent_context *ev,
			   tevent_immediate_handler_t handler)
{
	struct tevent_immediate *im = tevent_create_immediate(ev);

	if (im == NULL) {
		bail_out("no memory for an immediate");
	}
	tevent_schedule_immediate(im, ev, handler, scene);
}

static void scene_home(struct tevent_req *req)
{
	struct scene *scene = tevent_req_callback_data_void(req);

	scene->home++;
	(void)weft_job_recv(req, NULL, NULL);
	talloc_free(req);
}

struct parcel {
	struct scene *scene;
};

static struct parcel *parcel_new(struct scene *scene)
{
	struct parcel *parcel = talloc_zero(NULL, struct parcel);

	if (parcel == NULL) {
		bail_out("no memory for a parcel");
	}
	parcel->scene = scene;
	return parcel;
}

static void scene_send(struct scene *scene, weft_job_fn_t fn)
{
	struct parcel *parcel = parcel_new(scene);
	struct tevent_req *req = weft_job_send(scene->ev, scene->ev,
					       scene->pool, fn, &parcel, NULL);

	if (req == NULL) {
		bail_out("no memory for a job");
	}
	tevent_req_set_callback(req, scene_home, scene);
}

static int job_simple(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static int job_frees(struct weft_job *job, void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);

	(void)job;
	scene_free_sim(parcel->scene);
	return 0;
}

/* Its child frees the simulation, and somebody else may hold that. */
static int job_waits(struct weft_job *job, void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);
	struct parcel *below = parcel_new(parcel->scene);
	struct weft_child *child = NULL;
	int ret = weft_job_spawn(job, job_frees, &below, NULL, &child);

	if (ret == 0) {
		ret = weft_child_wait(child, NULL, &below);
	}
	talloc_free(below);
	return ret;
}

/* ---- in the middle of something ---- */

static void test_freed_by_a_handler(struct fixture *fx)
{
	struct scene scene;

	(void)fx;
	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_frees);
	scene_schedule(&scene, scene.other, handler_counts);
	is_int(weft_sim_run(scene.sim), ECANCELED, "a run ends with it");
	scene_close(&scene);

	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_frees);
	is_int(weft_sim_step(scene.sim), ECANCELED, "so does a step");
	is_uint(scene.ran, 1, "which was made");
	scene_close(&scene);

	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_frees);
	is_int(weft_sim_run_until(scene.sim, (struct timeval){ 2000000000, 0 }),
	       ECANCELED, "and a run up to some time");
	ok(tevent_timeval_current().tv_sec < 1000000000,
	   "which has not come: contexts keep the clock");
	scene_close(&scene);
}

static void test_freed_by_a_job(struct fixture *fx)
{
	struct scene scene;
	unsigned workers = 0;

	(void)fx;
	for (workers = 1; workers < 3; workers++) {
		scene_open(&scene);
		(void)weft_pool_resize(scene.pool, 0, workers);
		scene_send(&scene, job_frees);
		scene_send(&scene, job_simple);
		scene_send(&scene, job_simple);
		is_int(weft_sim_run(scene.sim), ECANCELED, "by a job");
		(void)tevent_loop_wait(scene.ev);
		is_uint(scene.home, 3, "all come home");
		scene_close(&scene);

		scene_open(&scene);
		(void)weft_pool_resize(scene.pool, 0, workers);
		scene_send(&scene, job_waits);
		scene_send(&scene, job_simple);
		is_int(weft_sim_run(scene.sim), ECANCELED,
		       "by the child of a job, which waits for it");
		(void)tevent_loop_wait(scene.ev);
		is_uint(scene.home, 2, "all come home");
		scene_close(&scene);
	}
	scene_open(&scene);
	scene.frees_late = true;
	scene_send(&scene, job_simple);
	is_int(weft_sim_run(scene.sim), ECANCELED, "by a worker that begins");
	(void)tevent_loop_wait(scene.ev);
	is_uint(scene.home, 1, "which has nothing to do then");
	scene_close(&scene);
}

static void handler_turns(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	talloc_free(im);
	(void)ev;
	scene->ran++;
	scene_free_sim(scene);
	/* What is under way goes on in it. */
	scene_schedule(scene, scene->other, handler_counts);
	scene->ret = tevent_loop_once(scene->other);
}

static void test_freed_where_loops_are_turned(struct fixture *fx)
{
	struct scene scene;
	struct weft_sim_options options = { .seed = 0 };

	(void)fx;
	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_frees);
	is_int(tevent_loop_once(scene.ev), 0, "in a pass of the program's");
	scene_close(&scene);

	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_frees);
	is_int(tevent_loop_once(scene.other), -1, "while another loop waits");
	is_int(errno, EDEADLK, "which nothing wakes any more");
	is_uint(scene.ran, 1, "the handler ran");
	scene_close(&scene);

	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_turns);
	is_int(weft_sim_run(scene.sim), ECANCELED, "before a nested loop");
	is_int(scene.ret, 0, "which still turns");
	is_uint(scene.ran, 2, "and runs what it has");
	scene_close(&scene);

	/* Before the pass of another loop, where the seed says so. */
	for (options.seed = 0; options.seed < 20; options.seed++) {
		memset(&scene, 0, sizeof(scene));
		if (weft_sim_create(NULL, &options, &scene.sim) != 0) {
			bail_out("no simulation");
		}
		scene.ev = simtest_context();
		scene.other = simtest_context();
		scene_schedule(&scene, scene.ev, handler_frees);
		scene_schedule(&scene, scene.other, handler_counts);
		if (tevent_loop_once(scene.other) != 0) {
			fail("a pass with something to do");
		}
		scene_close(&scene);
	}
}

/* ---- workers that have not begun ---- */

static void test_worker_ended_that_had_not_begun(struct fixture *fx)
{
	struct scene scene;
	unsigned steps = 0;

	(void)fx;
	for (steps = 0; steps < 6; steps++) {
		unsigned i = 0;

		scene_open(&scene);
		scene_send(&scene, job_simple);
		scene_send(&scene, job_simple);
		for (i = 0; i < steps; i++) {
			(void)weft_sim_step(scene.sim);
		}
		TALLOC_FREE(scene.sim);
		is_uint(scene.finis, scene.inits,
			"%u steps: %u workers have begun", steps, scene.inits);
		scene_close(&scene);
	}
}

/* ---- passes that are refused ---- */

struct gatekeeper {
	bool closed;
	bool frees;
	unsigned refused;
};

static int gatekeeper_asked(struct tevent_context *ev, void *private_data,
			    uint32_t level, bool begin, void *stack,
			    const char *location)
{
	struct gatekeeper *keeper = private_data;

	(void)level;
	(void)stack;
	(void)location;
	if (!begin || !keeper->closed) {
		return 0;
	}
	keeper->refused++;
	if (keeper->frees) {
		talloc_free(ev);
	}
	return -1;
}

static void late(struct tevent_context *ev, struct tevent_timer *te,
		 struct timeval now, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	(void)te;
	(void)now;
	scene->ran++;
}

static void test_refused_pass_was_owed(struct fixture *fx)
{
	struct gatekeeper keeper = { .closed = true };
	struct scene scene;

	(void)fx;
	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_counts);
	tevent_loop_set_nesting_hook(scene.ev, gatekeeper_asked, &keeper);
	is_int(weft_sim_step(scene.sim), ENOENT, "who is refused cannot move");
	is_uint(keeper.refused, 1, "and is not asked twice");
	keeper.closed = false;
	is_int(weft_sim_step(scene.sim), 0, "but is asked again");
	is_uint(scene.ran, 1, "and moves then");

	scene_schedule(&scene, scene.ev, handler_counts);
	keeper.closed = true;
	is_int(weft_sim_run(scene.sim), 0, "a run has an end");
	keeper.closed = false;
	is_int(weft_sim_run(scene.sim), 0, "and another one goes on");
	is_uint(scene.ran, 2, "where that was");

	/* The host had its turn; the next pass is the program's and waits. */
	scene_schedule(&scene, scene.ev, handler_counts);
	keeper.closed = true;
	(void)weft_sim_step(scene.sim);
	keeper.closed = false;
	is_int(tevent_loop_once(scene.ev), 0, "a pass of the program's");
	is_uint(scene.ran, 3, "runs it");
	if (tevent_add_timer(scene.ev, scene.ev,
			     tevent_timeval_current_ofs(10, 0), late,
			     &scene) == NULL) {
		bail_out("no memory for a timer");
	}
	is_int(tevent_loop_once(scene.ev), 0, "and another one");
	is_uint(scene.ran, 4, "waits for ten seconds");
	scene_close(&scene);
}

/* The word that was given for the refused pass is not kept for a later one. */
static void test_refused_pass_was_lost(struct fixture *fx)
{
	struct gatekeeper keeper = { .closed = true };
	struct tevent_immediate *im = NULL;
	struct scene scene;

	(void)fx;
	scene_open(&scene);
	im = tevent_create_immediate(scene.ev);
	tevent_schedule_immediate(im, scene.ev, handler_counts, &scene);
	tevent_loop_set_nesting_hook(scene.ev, gatekeeper_asked, &keeper);
	(void)weft_sim_step(scene.sim);
	keeper.closed = false;
	talloc_free(im);
	if (tevent_add_timer(scene.ev, scene.ev,
			     tevent_timeval_current_ofs(10, 0), late,
			     &scene) == NULL) {
		bail_out("no memory for a timer");
	}
	is_int(tevent_loop_once(scene.ev), 0, "the program's own pass");
	is_uint(scene.ran, 1, "waits, as ever");
	scene_close(&scene);
}

static void test_refused_beside_others(struct fixture *fx)
{
	struct gatekeeper keeper = { .closed = true };
	struct gatekeeper second = { .closed = true };
	struct scene scene;

	(void)fx;
	scene_open(&scene);
	scene_schedule(&scene, scene.ev, handler_counts);
	scene_schedule(&scene, scene.other, handler_counts);
	tevent_loop_set_nesting_hook(scene.ev, gatekeeper_asked, &keeper);
	is_int(weft_sim_run(scene.sim), 0, "one is refused");
	is_uint(scene.ran, 1, "the other one runs");
	scene_schedule(&scene, scene.other, handler_counts);
	tevent_loop_set_nesting_hook(scene.other, gatekeeper_asked, &second);
	is_int(weft_sim_run(scene.sim), 0, "both are");
	is_uint(scene.ran, 1, "nothing runs");

	/* A context that its hook frees is gone, and that is a move. */
	keeper.frees = true;
	is_int(weft_sim_run(scene.sim), 0, "one is freed");
	scene.ev = NULL;
	second.closed = false;
	is_int(weft_sim_run(scene.sim), 0, "the other one may");
	is_uint(scene.ran, 2, "and runs");
	scene_close(&scene);
}

/* Its hook lets the others move, of which one frees it. */
static int hook_steps(struct tevent_context *ev, void *private_data,
		      uint32_t level, bool begin, void *stack,
		      const char *location)
{
	struct scene *scene = private_data;

	(void)ev;
	(void)level;
	(void)stack;
	(void)location;
	if (begin) {
		scene->ret = weft_sim_step(scene->sim);
	}
	return scene->refuses ? -1 : 0;
}

static void handler_frees_other(struct tevent_context *ev,
				struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	talloc_free(im);
	scene->ran++;
	TALLOC_FREE(scene->ev);
}

static void test_freed_while_it_was_asked(struct fixture *fx)
{
	unsigned refuses = 0;

	(void)fx;
	for (refuses = 0; refuses < 2; refuses++) {
		struct scene scene;

		scene_open(&scene);
		scene.refuses = refuses == 1;
		scene_schedule(&scene, scene.ev, handler_counts);
		scene_schedule(&scene, scene.other, handler_frees_other);
		tevent_loop_set_nesting_hook(scene.ev, hook_steps, &scene);
		is_int(weft_sim_step(scene.sim), 0, "somebody has moved");
		is_uint(scene.ran, 1, "the other one");
		is_int(weft_sim_run(scene.sim), 0, "the one is gone");
		is_uint(scene.ran, 1, "and does not run");
		scene_close(&scene);
	}
}

/* ---- a thread with a context of this world ---- */

static void test_loop_got_a_context_of_this_world(struct fixture *fx)
{
	const struct weft_loop_options options = { .backend = "sim" };
	struct weft_loop *loop = NULL;
	struct tevent_context *ev = NULL;

	is_int(weft_loop_start(fx->mem, &options, &loop), ENOTSUP, "by name");
	tevent_set_default_backend("sim");
	is_int(weft_loop_start(fx->mem, NULL, &loop), ENOTSUP, "by default");
	ev = tevent_context_init(fx->mem);
	is_int(weft_loop_start(fx->mem, NULL, &loop), ENOTSUP,
	       "beside another one");
	talloc_free(ev);
	tevent_set_default_backend("standard");
	is_int(weft_loop_start(fx->mem, NULL, &loop), 0, "others have a loop");
	talloc_free(loop);
	fixture_wait_threads(1);
}

int main(void)
{
	if (TEST_ON_STOCK) {
		skip_all("another libtevent has no simulation");
	}
	SIMTEST(test_freed_by_a_handler);
	SIMTEST(test_freed_by_a_job);
	SIMTEST(test_freed_where_loops_are_turned);
	SIMTEST(test_worker_ended_that_had_not_begun);
	SIMTEST(test_refused_pass_was_owed);
	SIMTEST(test_refused_pass_was_lost);
	SIMTEST(test_refused_beside_others);
	SIMTEST(test_freed_while_it_was_asked);
	SIMTEST(test_loop_got_a_context_of_this_world);
	return done();
}
