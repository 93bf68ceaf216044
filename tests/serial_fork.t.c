/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial, fork: a child's orders are empty, and work; the parent's go on.
 *
 * Under ThreadSanitizer a forked child must not start threads, so there the
 * children only free and cancel.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "tests/serialtest.h"

#define ROW 3

struct scene {
	struct serialtest test;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate freed;
	struct outcome outcomes[ROW];
	struct tevent_req *reqs[ROW];
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	unsigned i = 0;

	*scene = (struct scene){ .test = serialtest_new(fx, 2) };
	for (i = 0; i < ROW; i++) {
		scene->reqs[i] = serialtest_send(
			&scene->test, 1, held_run,
			held_new(&scene->started, &scene->go, &scene->freed),
			&scene->outcomes[i]);
	}
	fixture_gate_wait(&scene->started, 1);
}

/* In the parent: nothing has been taken away by the child. */
static void scene_close(struct scene *scene)
{
	unsigned i = 0;

	is_uint(serialtest_queued(&scene->test), ROW - 1,
		"the parent's jobs wait as before");
	fixture_gate_add(&scene->go, 1);
	(void)tevent_loop_wait(scene->test.fx->ev);
	for (i = 0; i < ROW; i++) {
		is_int(scene->outcomes[i].ret, 0, "job %u has run", i);
		talloc_free(scene->outcomes[i].block);
	}
	is_int(fixture_gate_value(&scene->freed), ROW, "each block once");
}

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

static int child_frees(void *arg)
{
	struct scene *scene = arg;

	talloc_free(scene->reqs[2]);
	CHECK(fixture_gate_value(&scene->freed) == 1);
	TALLOC_FREE(scene->test.serial);
	talloc_free(scene->reqs[1]);
	talloc_free(scene->reqs[0]);
	CHECK(fixture_gate_value(&scene->freed) == 2);
	TALLOC_FREE(scene->test.pool);
	TALLOC_FREE(scene->test.fx->ev);
	return 0;
}

static int child_cancels(void *arg)
{
	struct scene *scene = arg;
	uint64_t key = 1;

	weft_serial_cancel(scene->test.serial, &key);
	weft_serial_cancel(scene->test.serial, NULL);
	CHECK(serialtest_queued(&scene->test) == 0);
	CHECK(tevent_re_initialise(scene->test.fx->ev) == 0);
	CHECK(tevent_req_cancel(scene->reqs[1]));
	CHECK(tevent_loop_wait(scene->test.fx->ev) == 0);
	CHECK(scene->outcomes[1].done);
	CHECK(!scene->outcomes[0].done && !scene->outcomes[2].done);
	return 0;
}

static int child_works(void *arg)
{
	struct scene *scene = arg;
	struct outcome outcomes[40] = { { .done = false } };
	unsigned i = 0;

	CHECK(tevent_re_initialise(scene->test.fx->ev) == 0);
	for (i = 0; i < 40; i++) {
		/* Two of each key; one key was the parent's as well. */
		(void)serialtest_send(&scene->test, i / 2, quick_run, NULL,
				      &outcomes[i]);
	}
	CHECK(tevent_loop_wait(scene->test.fx->ev) == 0);
	for (i = 0; i < 40; i++) {
		CHECK(outcomes[i].done && outcomes[i].ret == 0);
	}
	CHECK(serialtest_queued(&scene->test) == 0);
	return 0;
}

static void forks(struct fixture *fx, fixture_child_fn fn, const char *name)
{
	struct scene scene;
	struct fixture_child child;

	scene_open(fx, &scene);
	child = fixture_child(fn, &scene);
	(void)child_exited(&child, 0, name);
	scene_close(&scene);
}

static void frees(struct fixture *fx)
{
	forks(fx, child_frees, "a child frees what it inherited");
}

static void cancels(struct fixture *fx)
{
	forks(fx, child_cancels, "a child cancels what is the parent's");
}

static void works(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks(fx, child_works, "a child's jobs of the same keys run");
}

static int child_ends(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->test.pool);
	TALLOC_FREE(scene->test.fx->ev);
	return 0;
}

/* Its handle is gone, and the running job keeps it, in the parent alone. */
static void closed(struct fixture *fx)
{
	struct scene scene;
	struct fixture_child child;
	unsigned i = 0;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.test.serial);
	child = fixture_child(child_ends, &scene);
	(void)child_exited(&child, 0, "a child drops what was closed");
	fixture_gate_add(&scene.go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(scene.outcomes[0].ret, 0, "the parent's job comes to its end");
	for (i = 0; i < ROW; i++) {
		talloc_free(scene.outcomes[i].block);
	}
}

/* ---- while others are in the tables ---- */

struct busy {
	struct scene scene;
	atomic_bool over; /* A: */
};

static void busy_others(unsigned index, void *arg)
{
	struct busy *busy = arg;
	TALLOC_CTX *mem = talloc_new(NULL);
	struct tevent_context *ev = tevent_context_init(mem);
	struct weft_job_options options = { .serial = busy->scene.test.serial };

	(void)index;
	/* Relaxed: looked at now and then. */
	while (!atomic_load_explicit(&busy->over, memory_order_relaxed)) {
		TALLOC_CTX *reqs = talloc_new(mem);

		for (options.key = 0; options.key < 200; options.key++) {
			(void)weft_job_send(reqs, ev, busy->scene.test.pool,
					    quick_run, NULL, &options);
		}
		(void)tevent_loop_wait(ev);
		talloc_free(reqs);
	}
	talloc_free(mem);
}

static void works_amid(struct fixture *fx)
{
	struct busy busy = { .scene = { .test = serialtest_new(fx, 2) } };
	struct fixture_threads *threads = NULL;
	unsigned count = fixture_mask_obeyed() ? 20 : 2;
	unsigned wrong = 0;
	unsigned i = 0;

	if (TEST_TSAN || TEST_ASAN) {
		skip("a sanitizer's own locks do not survive this fork");
		return;
	}
	threads = fixture_threads_start(2, busy_others, &busy);
	for (i = 0; i < count; i++) {
		struct fixture_child child = fixture_child(child_works,
							   &busy.scene);

		wrong += child.status != 0;
	}
	atomic_store_explicit(&busy.over, true, memory_order_relaxed);
	fixture_threads_join(threads);
	is_uint(wrong, 0,
		"a child's tables work, whatever they were in the middle of");
	fixture_wait_until(pooltest_at_rest, busy.scene.test.pool);
}

int main(void)
{
	POOLTEST(frees);
	POOLTEST(cancels);
	POOLTEST(works);
	POOLTEST(closed);
	POOLTEST(works_amid);
	return done();
}
