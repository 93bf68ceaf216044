/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work free: mailbox, loop and pool go while embedded work is under way; it is
 * done exactly once all the same.
 */
#include "tests/worktest.h"

/* One runs, held at the gate; one waits. */
struct scene {
	struct fixture *fx;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate finished;
	struct weft_pool *pool;
	struct weft_mailbox *home;
	struct piece held;
	struct piece queued;
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .fx = fx, .pool = pooltest_pool(fx, 1) };
	scene->home = worktest_mailbox(fx, fx->ev);
	piece_init(&scene->held);
	piece_init(&scene->queued);
	scene->held.started = &scene->started;
	scene->held.go = &scene->go;
	scene->held.finished = &scene->finished;
	scene->queued.finished = &scene->finished;
	(void)weft_work_submit(&scene->held.work, scene->pool, NULL,
			       scene->home);
	fixture_gate_wait(&scene->started, 1);
	(void)weft_work_submit(&scene->queued.work, scene->pool, NULL,
			       scene->home);
}

static void scene_is_over(const struct scene *scene)
{
	is_uint(scene->held.dones, 1, "what ran is done once");
	is_uint(scene->queued.dones, 1, "what waited is done once");
}

static void mailbox_goes(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.home);
	fixture_gate_add(&scene.go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays until it is done");
	scene_is_over(&scene);
	ok(pthread_equal(scene.held.done_in, pthread_self()) &&
		   pthread_equal(scene.queued.done_in, pthread_self()),
	   "on the loop's thread");
	is_ptr(scene.held.home, NULL, "without a home");
	is_int(scene.held.error, 0, "with the result");
	is_uint(scene.queued.runs, 1, "what waited has run");
}

/* The port remembers whom it has brought work to, and must not take the next
 * one for him. */
static void another_mailbox_comes(struct fixture *fx)
{
	struct scene scene;
	struct weft_mailbox *other = NULL;
	struct piece piece;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.home);
	other = worktest_mailbox(fx, fx->ev);
	piece_init(&piece);
	(void)weft_work_submit(&piece.work, scene.pool, NULL, other);
	fixture_gate_add(&scene.go, 1);
	(void)fixture_turn_until(fx->ev, &piece.done);
	is_ptr(piece.home, other, "the new one has its own");
	scene_is_over(&scene);
	is_ptr(scene.held.home, NULL, "and not what was the old one's");
	is_ptr(scene.queued.home, NULL, "neither of it");
	talloc_free(other);
}

/* A loop remembers its way into the lane that it used last. */
static void pools_come_and_go(struct fixture *fx)
{
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	unsigned wrong = 0;

	for (unsigned round = 0; round < 64; round++) {
		struct weft_pool *pool = pooltest_pool(fx, 1);
		struct weft_pool *other = pooltest_pool(fx, 1);
		struct piece pieces[3];

		for (unsigned i = 0; i < 3; i++) {
			piece_init(&pieces[i]);
			(void)weft_work_submit(&pieces[i].work,
					       i == 1 ? other : pool, NULL,
					       home);
		}
		/* Its last job takes with it what the loop has of it: in every
		 * other round the way that was used last. */
		if (round % 2 == 0) {
			TALLOC_FREE(other);
		} else {
			TALLOC_FREE(pool);
		}
		for (unsigned i = 0; i < 3; i++) {
			bool kept = i == 1 ? other != NULL : pool != NULL;

			(void)fixture_turn_until(fx->ev, &pieces[i].done);
			wrong += pieces[i].dones != 1;
			wrong += kept && pieces[i].runs != 1;
		}
		talloc_free(pool);
		talloc_free(other);
	}
	is_uint(wrong, 0, "each is done once, by the pool that it was sent to");
	talloc_free(home);
}

static void loop_goes(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(fx->ev);
	is_uint(scene.queued.dones, 1, "what waited is done with the loop");
	is_int(scene.queued.error, ECANCELED, "with ECANCELED");
	is_ptr(scene.queued.home, NULL, "without a home");
	is_int(weft_work_submit(&scene.queued.work, scene.pool, NULL,
				scene.home),
	       ECANCELED, "and finds no home any more");
	fixture_gate_add(&scene.go, 1);
	fixture_gate_wait(&scene.finished, 2);
	scene_is_over(&scene);
	ok(!pthread_equal(scene.held.done_in, pthread_self()),
	   "what ran is done on the worker");
	is_ptr(scene.held.home, NULL, "without a home");
	is_int(scene.held.error, 0, "with what it returned");
}

static void loop_goes_with_results(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene);
	fixture_gate_add(&scene.go, 1);
	fixture_wait_until(pooltest_at_rest, scene.pool);
	TALLOC_FREE(fx->ev);
	scene_is_over(&scene);
	is_ptr(scene.held.home, NULL, "results on their way: without a home");
	is_int(scene.held.error, 0, "and as they are");
}

static void cancelled_loop_goes(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene);
	(void)weft_work_cancel(&scene.queued.work);
	(void)weft_work_cancel(&scene.held.work);
	TALLOC_FREE(fx->ev);
	is_int(scene.queued.error, ECANCELED, "cancelled, then the loop goes");
	fixture_gate_add(&scene.go, 1);
	fixture_gate_wait(&scene.finished, 2);
	scene_is_over(&scene);
}

static void pool_goes(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.pool);
	ok(!scene.queued.done, "not done from within");
	ok(fixture_turn_until(fx->ev, &scene.queued.done), "but soon");
	is_int(scene.queued.error, ECANCELED, "with ECANCELED");
	fixture_gate_add(&scene.go, 1);
	ok(fixture_turn_until(fx->ev, &scene.held.done), "what ran ends");
	ok(scene.held.told, "and was told");
	scene_is_over(&scene);
}

/* done frees what it is part of. */
struct owned {
	struct weft_work work;
	unsigned *frees;
	struct weft_mailbox **home; /* freed, too, by the first */
	struct fixture *fx;         /* its loop, too */
};

static int owned_run(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	(void)work;
	return 0;
}

static void owned_done(struct weft_mailbox *home, struct weft_work *work,
		       int error)
{
	struct owned *owned = (struct owned *)(void *)work;

	(void)home;
	(void)error;
	if (owned->home != NULL) {
		TALLOC_FREE(*owned->home);
	}
	if (owned->fx != NULL) {
		TALLOC_FREE(owned->fx->ev);
	}
	(*owned->frees)++;
	free(owned);
}

#define OWNED 16

static void owned_send(struct fixture *fx, unsigned *frees,
		       struct weft_mailbox **home, bool with_loop)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);

	for (int i = 0; i < OWNED; i++) {
		struct owned *owned = calloc(1, sizeof(*owned));

		if (owned == NULL) {
			bail_out("no memory");
		}
		weft_work_init(&owned->work, owned_run, owned_done);
		owned->frees = frees;
		owned->home = i == OWNED / 2 ? home : NULL;
		owned->fx = i == OWNED / 2 && with_loop ? fx : NULL;
		(void)weft_work_submit(&owned->work, pool, NULL, *home);
	}
	fixture_wait_until(pooltest_at_rest, pool);
}

static void frees_itself(struct fixture *fx)
{
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	unsigned frees = 0;

	owned_send(fx, &frees, &home, false);
	(void)tevent_loop_wait(fx->ev);
	is_uint(frees, OWNED, "each frees itself, one of them its home, too");
}

static void frees_its_loop(struct fixture *fx)
{
	struct weft_mailbox *home = worktest_mailbox(fx, fx->ev);
	unsigned frees = 0;

	if (TEST_ON_STOCK) {
		skip("B206: stock touches the freed context");
		return;
	}
	owned_send(fx, &frees, &home, true);
	while (fx->ev != NULL) {
		(void)tevent_loop_once(fx->ev);
	}
	is_uint(frees, OWNED, "each frees itself, one of them its loop, too");
}

/* Two threads: work is submitted and cancelled as it comes while loops go. */
#define STORM_ROUNDS 200
#define STORM_WORKS  24

static void storm(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct fixture_gate finished = { 0 };
	struct piece *pieces = talloc_array(fx->mem, struct piece, STORM_WORKS);
	unsigned wrong = 0;
	int expected = 0;

	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		struct tevent_context *ev = tevent_context_init(fx->mem);
		struct weft_mailbox *home = worktest_mailbox(fx, ev);

		for (unsigned i = 0; i < STORM_WORKS; i++) {
			piece_init(&pieces[i]);
			pieces[i].finished = &finished;
			(void)weft_work_submit(&pieces[i].work, pool, NULL,
					       home);
			if (i % 5 == round % 5) {
				(void)weft_work_cancel(&pieces[i / 2].work);
			}
		}
		expected += STORM_WORKS;
		for (unsigned i = 0;
		     i < round % 7 && fixture_gate_value(&finished) < expected;
		     i++) {
			(void)tevent_loop_once(ev);
		}
		if (round % 2 == 0) {
			TALLOC_FREE(home);
		}
		talloc_free(ev);
		talloc_free(home);
		fixture_gate_wait(&finished, expected);
		for (unsigned i = 0; i < STORM_WORKS; i++) {
			wrong += pieces[i].dones != 1 || pieces[i].runs > 1;
		}
	}
	is_uint(wrong, 0, "each is done once, whatever goes when");
}

/* ---- the end of a loop frees the pool, and what is home and held ---- */

static struct weft_pool *last_pool;
static struct tevent_req *home_and_held;
static struct fixture_gate last_freed;

static void frees_all(struct weft_mailbox *home, struct weft_work *work,
		      int error)
{
	TALLOC_FREE(last_pool);
	TALLOC_FREE(home_and_held);
	piece_done(home, work, error);
}

static struct tevent_req *urgent(struct fixture *fx, struct tevent_context *ev,
				 enum weft_priority priority,
				 struct held *block)
{
	struct weft_job_options options = { .priority = priority };

	return weft_job_send(fx->mem, ev, last_pool, held_run, &block,
			     &options);
}

/* The result of one job waits behind its parts, which are held; a second one
 * of the loop waits for a worker. */
static void pool_goes_as_its_loop_does(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct fixture_gate started = { 0 };
	struct fixture_gate go[2] = { { 0 } };
	struct piece piece;

	last_pool = pooltest_pool(fx, 1);
	(void)urgent(fx, other, WEFT_PRIORITY_HIGH,
		     held_new(&started, &go[0], NULL));
	fixture_gate_wait(&started, 1);
	piece_init(&piece);
	weft_work_init(&piece.work, piece_run, frees_all);
	piece.work.priority = WEFT_PRIORITY_LOW;
	(void)weft_work_submit(&piece.work, last_pool, NULL,
			       worktest_mailbox(fx, fx->ev));
	home_and_held = urgent(fx, fx->ev, WEFT_PRIORITY_HIGH,
			       held_new(NULL, NULL, NULL));
	weft_job_hold_parts(home_and_held, true);
	(void)urgent(fx, other, WEFT_PRIORITY_NORMAL,
		     held_new(&started, &go[1], &last_freed));
	fixture_gate_add(&go[0], 1);
	fixture_gate_wait(&started, 2);
	(void)tevent_loop_once(fx->ev);
	(void)tevent_loop_once(fx->ev);
	ok(tevent_req_is_in_progress(home_and_held), "its result is held");
	TALLOC_FREE(fx->ev);
	ok(piece.dones == 1 && piece.error == ECANCELED,
	   "what waited is done, and frees the rest");
	ok(home_and_held == NULL && last_pool == NULL, "the end goes on");
	talloc_free(other);
	fixture_gate_add(&go[1], 1);
	fixture_gate_wait(&last_freed, 1);
}

int main(void)
{
	POOLTEST(mailbox_goes);
	POOLTEST(another_mailbox_comes);
	POOLTEST(pools_come_and_go);
	POOLTEST(loop_goes);
	POOLTEST(loop_goes_with_results);
	POOLTEST(cancelled_loop_goes);
	POOLTEST(pool_goes);
	POOLTEST(frees_itself);
	POOLTEST(frees_its_loop);
	POOLTEST(pool_goes_as_its_loop_does);
	POOLTEST(storm);
	return done();
}
