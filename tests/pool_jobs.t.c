/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool jobs: the list of what runs and waits. */
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/lanetest.h"

struct list {
	struct weft_job_info *jobs;
	size_t count;
};

static struct list list_take(struct fixture *fx, struct weft_pool *pool,
			     unsigned max)
{
	struct list list = { .count = 0 };
	int ret = weft_pool_jobs(pool, fx->mem, max, &list.jobs, &list.count);

	if (ret != 0) {
		bail_out("weft_pool_jobs: %d", ret);
	}
	return list;
}

/* The first one of that name, or NULL. */
static const struct weft_job_info *list_find(const struct list *list,
					     const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->jobs[i].name, name) == 0) {
			return &list->jobs[i];
		}
	}
	return NULL;
}

static size_t list_in_state(const struct list *list, enum weft_job_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		count += list->jobs[i].state == state ? 1 : 0;
	}
	return count;
}

/* Jobs that wait at one gate. */
struct scene {
	struct fixture *fx;
	struct weft_pool *pool;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[8];
	unsigned sent;
};

static void scene_open(struct scene *scene, struct fixture *fx,
		       unsigned workers)
{
	*scene = (struct scene){ .fx = fx, .pool = lanetest_pool(fx, workers) };
}

static struct tevent_req *scene_send(struct scene *scene,
				     const struct weft_job_options *options)
{
	struct held *held = held_new(&scene->started, &scene->go, NULL);
	struct outcome *outcome = &scene->outcomes[scene->sent++];

	outcome->mem = scene->fx->mem;
	return lanetest_send(scene->fx->ev, scene->pool, held_run, held,
			     options, outcome);
}

static void scene_close(struct scene *scene)
{
	struct list list;

	fixture_gate_add(&scene->go, 1);
	(void)tevent_loop_wait(scene->fx->ev);
	fixture_wait_until(pooltest_at_rest, scene->pool);
	list = list_take(scene->fx, scene->pool, 0);
	is_uint(list.count, 0, "at the end there are none");
	is_ptr(list.jobs, NULL, "and no array");
}

/* ---- what it says ---- */

static void what_it_says(struct fixture *fx)
{
	const struct weft_lane_options named = { .name = "narrow", .max = 1 };
	struct weft_job_options options = { .name = "first" };
	const struct weft_job_info *info = NULL;
	struct tevent_req *req = NULL;
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 2);
	options.lane = lanetest_lane(fx, scene.pool, &named);
	req = scene_send(&scene, &options);
	fixture_gate_wait(&scene.started, 1);
	options.name = NULL;
	(void)scene_send(&scene, &options);
	list = list_take(fx, scene.pool, 0);
	if (!is_uint(list.count, 2, "two jobs")) {
		return;
	}
	info = &list.jobs[0];
	is_int(info->state, WEFT_JOB_RUNNING, "the one that runs comes first");
	is_uint(info->id, weft_job_id(req), "its number");
	is_str(info->name, "first", "its name");
	ok(strstr(info->location, "tests/lanetest.h:") != NULL,
	   "who has sent it: %s", info->location);
	is_str(info->lane, "narrow", "its lane");
	is_str(info->worker, "weft-1", "its thread");
	ok(info->tid > 0 && info->tid != (int)syscall(SYS_gettid),
	   "which has a number");
	ok(!info->overdue && !info->blocked, "nothing is wrong with it");
	ok(info->run_ns > 0, "how long it runs");
	ok(info->done == 0 && info->total == 0, "it has not said how far");
	info = &list.jobs[1];
	is_int(info->state, WEFT_JOB_QUEUED, "the other waits");
	is_str(info->name, "fn", "a job without a name has its function's");
	is_str(info->worker, "", "no thread has it");
	is_int(info->tid, 0, "of no number");
	ok(info->wait_ns > 0 && info->run_ns == 0, "how long it waits");
	scene_close(&scene);
}

static void in_order(struct fixture *fx)
{
	struct scene scene;
	struct list list;
	bool falling = true;

	scene_open(&scene, fx, 2);
	for (unsigned i = 0; i < 7; i++) {
		(void)scene_send(&scene, NULL);
	}
	fixture_gate_wait(&scene.started, 2);
	list = list_take(fx, scene.pool, 0);
	is_uint(list.count, 7, "all of them");
	ok(list.jobs[0].state == WEFT_JOB_RUNNING &&
		   list.jobs[1].state == WEFT_JOB_RUNNING &&
		   list.jobs[0].run_ns >= list.jobs[1].run_ns,
	   "those that run come first, the longest first");
	for (unsigned i = 3; i < 7; i++) {
		falling = falling && list.jobs[i].state == WEFT_JOB_QUEUED &&
			  list.jobs[i - 1].wait_ns >= list.jobs[i].wait_ns;
	}
	ok(falling, "then those that wait, the longest first");
	list = list_take(fx, scene.pool, 3);
	is_uint(list.count, 5, "no more than three of those that wait");
	is_uint(list_in_state(&list, WEFT_JOB_RUNNING), 2, "all that run");
	scene_close(&scene);
}

static void behind_a_key(struct fixture *fx)
{
	struct weft_job_options options = { .name = "head", .key = 9 };
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 2);
	(void)weft_serial_create(fx->mem, scene.pool, &options.serial);
	(void)scene_send(&scene, &options);
	fixture_gate_wait(&scene.started, 1);
	options.name = "follower";
	(void)scene_send(&scene, &options);
	(void)scene_send(&scene, &options);
	list = list_take(fx, scene.pool, 0);
	is_uint(list.count, 3, "the one that runs and those behind it");
	is_uint(list_in_state(&list, WEFT_JOB_BEHIND), 2, "which are two");
	ok(list.count == 3 && list.jobs[1].wait_ns >= list.jobs[2].wait_ns,
	   "the longest first");
	list = list_take(fx, scene.pool, 1);
	is_uint(list.count, 2, "one of them, if no more are wanted");
	scene_close(&scene);
}

/* ---- those that run ---- */

static bool is_overdue(void *arg)
{
	return pooltest_stats(arg).overdue == 1;
}

static void told_and_overdue(struct fixture *fx)
{
	struct weft_job_options options = { .name = "late" };
	const struct weft_job_info *info = NULL;
	struct tevent_req *req = NULL;
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 2);
	options.deadline_ns = weft_deadline_ms(200);
	(void)scene_send(&scene, &options);
	options = (struct weft_job_options){ .name = "unwanted" };
	req = scene_send(&scene, &options);
	fixture_gate_wait(&scene.started, 2);
	ok(tevent_req_cancel(req), "one is cancelled");
	list = list_take(fx, scene.pool, 0);
	info = list_find(&list, "unwanted");
	ok(info != NULL && info->state == WEFT_JOB_STOPPING, "it is told");
	fixture_wait_until(is_overdue, scene.pool);
	list = list_take(fx, scene.pool, 0);
	info = list_find(&list, "late");
	ok(info != NULL && info->overdue, "the other is past its deadline");
	info = list_find(&list, "unwanted");
	ok(info != NULL && !info->overdue, "which the first has not");
	scene_close(&scene);
}

static int sleeper_run(struct weft_job *job, void *block)
{
	int ret = 0;

	weft_blocking_begin();
	ret = held_run(job, block);
	weft_blocking_end();
	return ret;
}

static void asleep(struct fixture *fx)
{
	const struct weft_job_options options = { .name = "sleeper" };
	const struct weft_job_info *info = NULL;
	struct outcome outcome = { .mem = fx->mem };
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 1);
	(void)lanetest_send(fx->ev, scene.pool, sleeper_run,
			    held_new(&scene.started, &scene.go, NULL), &options,
			    &outcome);
	fixture_gate_wait(&scene.started, 1);
	list = list_take(fx, scene.pool, 0);
	info = list_find(&list, "sleeper");
	ok(info != NULL && info->blocked, "it sleeps");
	is_uint(pooltest_stats(scene.pool).blocked, 1, "and is counted");
	scene_close(&scene);
	is_uint(pooltest_stats(scene.pool).blocked, 0, "it is awake again");
}

static int progress_run(struct weft_job *job, void *block)
{
	weft_job_set_progress(job, 3, 10);
	return held_run(job, block);
}

static void how_far(struct fixture *fx)
{
	const struct weft_job_options options = { .name = "counts" };
	const struct weft_job_info *info = NULL;
	struct outcome outcome = { .mem = fx->mem };
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 1);
	(void)lanetest_send(fx->ev, scene.pool, progress_run,
			    held_new(&scene.started, &scene.go, NULL), &options,
			    &outcome);
	fixture_gate_wait(&scene.started, 1);
	list = list_take(fx, scene.pool, 0);
	info = list_find(&list, "counts");
	ok(info != NULL && info->done == 3 && info->total == 10,
	   "its progress shows");
	scene_close(&scene);
}

static int parent_run(struct weft_job *job, void *block)
{
	struct held *held = talloc_get_type_abort(block, struct held);
	const struct weft_job_options options = { .name = "child" };
	struct held *mine = held_new(held->started, held->go, NULL);
	struct weft_child *child = NULL;
	int ret = weft_job_spawn(job, held_run, &mine, &options, &child);

	return ret != 0 ? ret : weft_child_wait(child, NULL, NULL);
}

/* On a pool of one: the parent's worker runs the child. */
static void children(struct fixture *fx)
{
	const struct weft_job_options options = { .name = "parent" };
	const struct weft_job_info *parent = NULL;
	const struct weft_job_info *child = NULL;
	struct outcome outcome = { .mem = fx->mem };
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 1);
	(void)lanetest_send(fx->ev, scene.pool, parent_run,
			    held_new(&scene.started, &scene.go, NULL), &options,
			    &outcome);
	fixture_gate_wait(&scene.started, 1);
	list = list_take(fx, scene.pool, 0);
	is_uint(list.count, 2, "two jobs");
	parent = list_find(&list, "parent");
	child = list_find(&list, "child");
	if (ok(parent != NULL && child != NULL, "parent and child")) {
		is_int(child->tid, parent->tid, "on one thread");
		ok(child->id != parent->id && child->id != 0,
		   "with numbers of their own");
		ok(strstr(child->location, "pool_jobs.t.c:") != NULL,
		   "the child is its parent's: %s", child->location);
	}
	is_uint(pooltest_stats(scene.pool).running, 2, "both run");
	scene_close(&scene);
	is_int(outcome.ret, 0, "both have run");
}

/* Its loop is gone; it still runs. */
static void orphans(struct fixture *fx)
{
	const struct weft_lane_options named = { .name = "gone" };
	struct weft_job_options options = { .name = "orphan" };
	struct tevent_context *ev = tevent_context_init(fx->mem);
	const struct weft_job_info *info = NULL;
	struct outcome outcome = { .mem = fx->mem };
	struct scene scene;
	struct list list;

	scene_open(&scene, fx, 1);
	options.lane = lanetest_lane(fx, scene.pool, &named);
	(void)lanetest_send(ev, scene.pool, held_run,
			    held_new(&scene.started, &scene.go, NULL), &options,
			    &outcome);
	fixture_gate_wait(&scene.started, 1);
	talloc_free(ev);
	list = list_take(fx, scene.pool, 0);
	info = list_find(&list, "orphan");
	if (ok(info != NULL, "it is in the list")) {
		is_str(info->lane, "gone", "with its lane");
		is_int(info->state, WEFT_JOB_STOPPING, "told to stop");
	}
	is_uint(pooltest_stats(scene.pool).orphans, 1, "an orphan");
	scene_close(&scene);
}

/* ---- while everything moves ---- */

#define HAMMERS  4
#define HAMMERED 400

struct hammer {
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct weft_serial *serial;
	struct fixture_gate through;
};

static int busy_run(struct weft_job *job, void *block)
{
	(void)block;
	for (uint64_t i = 0; i < 4; i++) {
		weft_job_set_progress(job, i, 4);
	}
	return 0;
}

static void hammer_main(unsigned index, void *arg)
{
	struct hammer *hammer = arg;
	struct tevent_context *ev = tevent_context_init(NULL);

	for (unsigned i = 0; i < HAMMERED; i++) {
		struct weft_job_options options = { .name = "hammered" };
		struct tevent_req *req = NULL;

		options.lane = i % 3 == 0 ? hammer->lane : NULL;
		options.serial = i % 3 == 1 ? hammer->serial : NULL;
		options.key = i % 3 == 1 ? i % 5 : 0;
		req = weft_job_send(ev, ev, hammer->pool, busy_run, NULL,
				    &options);
		if (i % 11 == index) {
			talloc_free(req);
		} else if (i % 32 == 0) {
			(void)tevent_loop_once(ev);
		}
	}
	(void)tevent_loop_wait(ev);
	/* A loop that goes while jobs of its are on their way. */
	talloc_free(ev);
	fixture_gate_add(&hammer->through, 1);
}

static int by_number(const void *a, const void *b)
{
	const struct weft_job_info *one = a;
	const struct weft_job_info *other = b;

	return (one->id > other->id) - (one->id < other->id);
}

/* Whether it makes sense; sorts it. */
static bool list_is_sound(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct weft_job_info *info = &list->jobs[i];
		bool runs = info->state >= WEFT_JOB_RUNNING;

		if (strcmp(info->name, "hammered") != 0 ||
		    (info->worker[0] != '\0') != runs || info->done > 4) {
			return false;
		}
	}
	if (list->count > 1) {
		qsort(list->jobs, list->count, sizeof(*list->jobs), by_number);
	}
	for (size_t i = 1; i < list->count; i++) {
		if (list->jobs[i - 1].id == list->jobs[i].id) {
			return false;
		}
	}
	return true;
}

static void hammered(struct fixture *fx)
{
	const struct weft_lane_options narrow = { .max = 1, .weight = 3 };
	struct hammer hammer = { .pool = lanetest_pool(fx, 3) };
	struct fixture_threads *threads = NULL;
	unsigned looks = 0;
	unsigned sound = 0;

	hammer.lane = lanetest_lane(fx, hammer.pool, &narrow);
	(void)weft_serial_create(fx->mem, hammer.pool, &hammer.serial);
	threads = fixture_threads_start(HAMMERS, hammer_main, &hammer);
	while (fixture_gate_value(&hammer.through) < HAMMERS) {
		struct list list = list_take(fx, hammer.pool, looks % 3 * 5);

		looks++;
		sound += list_is_sound(&list) ? 1 : 0;
		talloc_free(list.jobs);
	}
	is_uint(sound, looks, "each list is sound, and has each job once");
	fixture_threads_join(threads);
}

int main(void)
{
	POOLTEST(what_it_says);
	POOLTEST(in_order);
	POOLTEST(behind_a_key);
	POOLTEST(told_and_overdue);
	POOLTEST(asleep);
	POOLTEST(how_far);
	POOLTEST(children);
	POOLTEST(orphans);
	POOLTEST(hammered);
	return done();
}
