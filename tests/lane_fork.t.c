/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane fork: the child's pool, lanes and serials begin anew, and work.
 *
 * Under ThreadSanitizer a forked child must not start threads, so there the
 * child only looks and frees.
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/lanetest.h"

enum { PLAIN, MAX, RESERVED, NICE, LANES };

struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *lanes[LANES];
	struct weft_serial *serial;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[3 * LANES + 3];
	unsigned sent;
};

static void scene_send(struct scene *scene, struct weft_lane *lane,
		       struct weft_serial *serial)
{
	struct weft_job_options options = { .lane = lane,
					    .serial = serial,
					    .key = serial != NULL ? 7 : 0 };

	(void)lanetest_send(scene->fx->ev, scene->pool, held_run,
			    held_new(&scene->started, &scene->go, NULL),
			    &options, &scene->outcomes[scene->sent++]);
}

/* In each lane some run, and some wait. */
static void scene_open(struct scene *scene, struct fixture *fx)
{
	static const struct weft_lane_options kinds[LANES] = {
		[PLAIN] = { .name = "plain" },
		[MAX] = { .name = "max", .max = 1, .queue_limit = 5 },
		[RESERVED] = { .name = "reserved", .reserved = 1 },
		[NICE] = { .name = "nice", .nice = 19, .max = 1 },
	};
	unsigned i = 0;

	*scene = (struct scene){ .fx = fx, .pool = lanetest_pool(fx, 4) };
	if (weft_serial_create(fx->mem, scene->pool, &scene->serial) != 0) {
		bail_out("weft_serial_create");
	}
	for (i = 0; i < LANES; i++) {
		scene->lanes[i] = lanetest_lane(fx, scene->pool, &kinds[i]);
	}
	for (i = 0; i < 3; i++) {
		scene_send(scene, NULL, scene->serial);
	}
	for (i = 0; i < 3 * LANES; i++) {
		scene_send(scene, scene->lanes[i % LANES], NULL);
	}
	fixture_gate_wait(&scene->started, 5);
}

static void scene_close(struct scene *scene)
{
	unsigned good = 0;

	fixture_gate_add(&scene->go, 1);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "the parent goes on");
	for (unsigned i = 0; i < scene->sent; i++) {
		good += scene->outcomes[i].done && scene->outcomes[i].ret == 0;
	}
	is_uint(good, scene->sent, "all were run there");
	is_int(fixture_gate_value(&scene->started), (int)scene->sent, "once");
}

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

static int child_looks(struct scene *scene)
{
	struct weft_pool_stats stats = pooltest_stats(scene->pool);

	CHECK(stats.workers == 0 && stats.idle == 0);
	CHECK(stats.queued == 0 && stats.running == 0);
	for (unsigned i = 0; i < LANES; i++) {
		struct weft_lane_stats lane = lanetest_stats(scene->pool,
							     scene->lanes[i]);

		CHECK(lane.queued == 0 && lane.running == 0);
	}
	return 0;
}

static void scene_free(struct scene *scene)
{
	TALLOC_FREE(scene->lanes[MAX]);
	TALLOC_FREE(scene->serial);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(scene->lanes[NICE]);
	TALLOC_FREE(scene->fx->ev);
	TALLOC_FREE(scene->lanes[PLAIN]);
	TALLOC_FREE(scene->lanes[RESERVED]);
}

static int child_frees(void *arg)
{
	CHECK(child_looks(arg) == 0);
	scene_free(arg);
	return 0;
}

/* Twice, and another lane that takes a place anew. */
static int child_works(void *arg)
{
	struct scene *scene = arg;
	struct weft_lane_options options = { .max = 1 };
	struct weft_lane *more = NULL;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(child_looks(scene) == 0);
	scene->go = (struct fixture_gate){ 1 };
	for (unsigned round = 0; round < 2; round++) {
		struct outcome outcomes[2 * LANES + 4] = { { .done = false } };
		unsigned sent = 0;

		for (unsigned i = 0; i < 2 * LANES + 4; i++) {
			struct weft_job_options in = { .lane = NULL };

			if (i < 2 * LANES) {
				in.lane = scene->lanes[i % LANES];
			} else {
				in.serial = scene->serial;
				in.key = i % 2 != 0 ? 7 : 8;
			}
			(void)lanetest_send(scene->fx->ev, scene->pool,
					    held_run,
					    held_new(NULL, &scene->go, NULL),
					    &in, &outcomes[sent++]);
		}
		CHECK(tevent_loop_wait(scene->fx->ev) == 0);
		for (unsigned i = 0; i < sent; i++) {
			CHECK(outcomes[i].done && outcomes[i].ret == 0);
		}
	}
	CHECK(weft_lane_create(scene->fx->mem, scene->pool, &options, &more) ==
	      0);
	TALLOC_FREE(more);
	TALLOC_FREE(scene->lanes[RESERVED]);
	CHECK(weft_pool_resize(scene->pool, 0, 1) == 0);
	fixture_wait_until(pooltest_at_rest, scene->pool);
	scene_free(scene);
	return 0;
}

static void forks(struct fixture *fx, fixture_child_fn fn, const char *name)
{
	struct scene scene;
	struct fixture_child child;

	scene_open(&scene, fx);
	child = fixture_child(fn, &scene);
	(void)child_exited(&child, 0, name);
	scene_close(&scene);
}

static void frees(struct fixture *fx)
{
	forks(fx, child_frees, "a child finds nothing there, and frees");
}

static void works(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks(fx, child_works, "a child's lanes and serials work");
}

int main(void)
{
	POOLTEST(frees);
	POOLTEST(works);
	return done();
}
