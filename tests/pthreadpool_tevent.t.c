/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pthreadpool_tevent: Samba's five functions, and what is safe here beside.
 *
 * Freeing the loop, the pool or the request while the function runs is what the
 * original aborts on or races with.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <pthreadpool_tevent.h>

#include "tests/fixture.h"

#define TEST(fn) fixture_run_flags(#fn, fn, FIXTURE_THREADS)

/* What a function works on: its sender's. Static in the tests, because it may
 * run when they have returned. */
struct task {
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate through;
	pthread_t ran_on;
	int value;
};

static void task_run(void *private_data)
{
	struct task *task = private_data;

	fixture_gate_add(&task->started, 1);
	fixture_gate_wait(&task->go, 1);
	task->ran_on = pthread_self();
	task->value++;
	fixture_gate_add(&task->through, 1);
}

/* What came back for one request. */
struct result {
	bool done;
	int ret;
	unsigned *order;
	unsigned place;
};

static void result_done(struct tevent_req *req)
{
	struct result *result = tevent_req_callback_data_void(req);

	result->ret = pthreadpool_tevent_job_recv(req);
	result->done = true;
	if (result->order != NULL) {
		result->place = ++*result->order;
	}
	talloc_free(req);
}

static struct pthreadpool_tevent *pool_of(struct fixture *fx, unsigned threads)
{
	struct pthreadpool_tevent *pool = NULL;

	if (pthreadpool_tevent_init(fx->mem, threads, &pool) != 0) {
		bail_out("no pool");
	}
	return pool;
}

static struct tevent_req *send_task(struct fixture *fx,
				    struct pthreadpool_tevent *pool,
				    struct task *task, struct result *result)
{
	struct tevent_req *req = pthreadpool_tevent_job_send(
		fx->mem, fx->ev, pool, task_run, task);

	if (req == NULL) {
		bail_out("no request");
	}
	tevent_req_set_callback(req, result_done, result);
	return req;
}

static bool is_idle(void *arg)
{
	return pthreadpool_tevent_queued_jobs(arg) == 0;
}

/* ---- the five functions ---- */

static void runs(struct fixture *fx)
{
	static struct task task;
	struct pthreadpool_tevent *pool = pool_of(fx, 3);
	struct result result = { .done = false };
	unsigned threads = fixture_thread_count();
	struct tevent_req *req = NULL;

	is_uint(pthreadpool_tevent_max_threads(pool), 3, "as many as asked");
	is_uint(pthreadpool_tevent_queued_jobs(pool), 0, "nothing waits");
	is_uint(fixture_thread_count(), threads, "no thread before a job");
	req = send_task(fx, pool, &task, &result);
	is_int(pthreadpool_tevent_job_recv(req), EINPROGRESS, "not yet");
	fixture_gate_add(&task.go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays for the result");
	ok(result.done && result.ret == 0, "which is 0");
	is_int(task.value, 1, "the function has run");
	ok(!pthread_equal(task.ran_on, pthread_self()), "on another thread");
	talloc_free(pool);
	pool = pool_of(fx, UINT32_MAX);
	is_uint(pthreadpool_tevent_max_threads(pool), UINT32_MAX,
		"any number will do");
}

static void in_order(struct fixture *fx)
{
	enum { COUNT = 50 };
	static struct task tasks[COUNT];
	struct pthreadpool_tevent *pool = pool_of(fx, 1);
	struct result results[COUNT];
	unsigned order = 0;
	unsigned wrong = 0;
	unsigned i = 0;

	for (i = 0; i < COUNT; i++) {
		results[i] = (struct result){ .order = &order };
		(void)send_task(fx, pool, &tasks[i], &results[i]);
	}
	fixture_gate_wait(&tasks[0].started, 1);
	is_uint(pthreadpool_tevent_queued_jobs(pool), COUNT - 1,
		"those behind the first one wait");
	for (i = 0; i < COUNT; i++) {
		fixture_gate_add(&tasks[i].go, 1);
	}
	(void)tevent_loop_wait(fx->ev);
	for (i = 0; i < COUNT; i++) {
		wrong += results[i].place != i + 1 || results[i].ret != 0;
	}
	is_uint(wrong, 0, "one thread: one after the other");
}

static void without_threads(struct fixture *fx)
{
	static struct task task;
	struct pthreadpool_tevent *pool = pool_of(fx, 0);
	struct result result = { .done = false };
	unsigned threads = fixture_thread_count();

	is_uint(pthreadpool_tevent_max_threads(pool), 0, "no threads");
	fixture_gate_add(&task.go, 1);
	(void)send_task(fx, pool, &task, &result);
	is_int(task.value, 1, "it has run");
	ok(pthread_equal(task.ran_on, pthread_self()), "in who sent it");
	ok(!result.done, "the result comes later");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays for it");
	ok(result.done && result.ret == 0, "and it is 0");
	is_uint(fixture_thread_count(), threads, "still no threads");
}

/* Programs of Samba's may have talloc's null tracking on. */
static void null_tracking(struct fixture *fx)
{
	static struct task task;
	struct pthreadpool_tevent *pool = NULL;
	struct result result = { .done = false };
	size_t blocks = 0;

	talloc_enable_null_tracking();
	blocks = talloc_total_blocks(NULL);
	pool = pool_of(fx, 1);
	fixture_gate_add(&task.go, 1);
	(void)send_task(fx, pool, &task, &result);
	(void)tevent_loop_wait(fx->ev);
	ok(result.done && result.ret == 0, "a job works");
	talloc_free(pool);
	is_uint(talloc_total_blocks(NULL), blocks, "nothing is left");
	talloc_disable_null_tracking();
}

/* ---- cancelled, freed ---- */

struct scene {
	struct pthreadpool_tevent *pool;
	struct task running; /* on the one thread */
	struct task queued;
	struct result running_result;
	struct result queued_result;
	struct tevent_req *running_req;
	struct tevent_req *queued_req;
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .pool = pool_of(fx, 1) };
	scene->running_req = send_task(fx, scene->pool, &scene->running,
				       &scene->running_result);
	fixture_gate_wait(&scene->running.started, 1);
	scene->queued_req = send_task(fx, scene->pool, &scene->queued,
				      &scene->queued_result);
	is_uint(pthreadpool_tevent_queued_jobs(scene->pool), 1, "one waits");
}

/* Lets the running one come to its end. */
static void scene_go(struct scene *scene)
{
	fixture_gate_add(&scene->queued.go, 1);
	fixture_gate_add(&scene->running.go, 1);
	fixture_gate_wait(&scene->running.through, 1);
}

static void cancelled(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	ok(!tevent_req_cancel(scene.running_req),
	   "one that runs cannot be cancelled");
	ok(tevent_req_is_in_progress(scene.running_req), "and goes on");
	ok(tevent_req_cancel(scene.queued_req), "one that waits can");
	ok(!scene.queued_result.done, "which is told later");
	is_uint(pthreadpool_tevent_queued_jobs(scene.pool), 0, "none waits");
	ok(fixture_turn_until(fx->ev, &scene.queued_result.done), "it is");
	is_int(scene.queued_result.ret, ECANCELED, "ECANCELED");
	scene_go(&scene);
	(void)tevent_loop_wait(fx->ev);
	ok(scene.running_result.done && scene.running_result.ret == 0,
	   "the other one has its result");
	is_int(scene.queued.value, 0, "what was cancelled has not run");
}

static void request_freed(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.queued_req);
	is_uint(pthreadpool_tevent_queued_jobs(scene.pool), 0, "none waits");
	TALLOC_FREE(scene.running_req);
	is_int(tevent_loop_wait(fx->ev), 0, "nothing keeps the loop");
	scene_go(&scene);
	is_int(scene.running.value, 1, "the one that ran came to its end");
	is_int(scene.queued.value, 0, "the other one never ran");
	ok(!scene.running_result.done && !scene.queued_result.done,
	   "no callback for a freed request");
	TALLOC_FREE(scene.pool);
}

static void pool_freed(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.pool);
	ok(!scene.queued_result.done, "no callback from within the free");
	ok(fixture_turn_until(fx->ev, &scene.queued_result.done),
	   "the one that waited ends");
	is_int(scene.queued_result.ret, ECANCELED, "with ECANCELED");
	ok(!scene.running_result.done, "the one that runs goes on");
	scene_go(&scene);
	(void)tevent_loop_wait(fx->ev);
	ok(scene.running_result.done && scene.running_result.ret == 0,
	   "and has its result");
	is_int(scene.queued.value, 0, "what waited has not run");
}

static void loop_freed(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(fx->ev);
	is_uint(pthreadpool_tevent_queued_jobs(scene.pool), 0,
		"what the loop had waiting is taken back");
	scene_go(&scene);
	is_int(scene.queued.value, 0, "it has not run");
	ok(!scene.running_result.done && !scene.queued_result.done,
	   "no callback has run");
	TALLOC_FREE(scene.running_req);
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(scene.pool);
}

static void all_freed(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	TALLOC_FREE(scene.running_req);
	TALLOC_FREE(scene.pool);
	TALLOC_FREE(fx->ev);
	TALLOC_FREE(scene.queued_req);
	scene_go(&scene);
	is_int(scene.running.value, 1, "it came to its end all the same");
	is_int(scene.queued.value, 0, "what waited has not run");
}

/* Results that lie in the mailbox when the loop goes. */
static void loop_freed_before_delivery(struct fixture *fx)
{
	static struct scene scene;

	scene_open(fx, &scene);
	scene_go(&scene);
	fixture_gate_wait(&scene.queued.through, 1);
	fixture_wait_until(is_idle, scene.pool);
	TALLOC_FREE(fx->ev);
	ok(!scene.running_result.done, "no callback has run");
	TALLOC_FREE(scene.running_req);
	TALLOC_FREE(scene.queued_req);
	TALLOC_FREE(scene.pool);
}

static void end_time(struct fixture *fx)
{
	static struct scene scene;
	struct timeval now = tevent_timeval_current();

	scene_open(fx, &scene);
	ok(tevent_req_set_endtime(scene.queued_req, fx->ev, now),
	   "an end time");
	ok(fixture_turn_until(fx->ev, &scene.queued_result.done), "comes");
	is_int(scene.queued_result.ret, ETIMEDOUT, "ETIMEDOUT");
	scene_go(&scene);
	(void)tevent_loop_wait(fx->ev);
	ok(scene.running_result.done, "the other one ends");
	is_int(scene.queued.value, 0, "what was late has not run");
}

/* ---- fork ---- */

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

struct forking {
	struct fixture *fx;
	struct scene *scene;
};

static int child_is_synchronous(void *arg)
{
	struct forking *forking = arg;
	struct scene *scene = forking->scene;
	struct fixture *fx = forking->fx;
	struct task task = { .value = 0 };
	struct result result = { .done = false };

	CHECK(tevent_re_initialise(fx->ev) == 0);
	CHECK(pthreadpool_tevent_max_threads(scene->pool) == 0);
	CHECK(pthreadpool_tevent_queued_jobs(scene->pool) == 0);
	fixture_gate_add(&task.go, 1);
	(void)send_task(fx, scene->pool, &task, &result);
	CHECK(task.value == 1 && !result.done);
	CHECK(tevent_loop_wait(fx->ev) == 0);
	CHECK(result.done && result.ret == 0);
	CHECK(fixture_thread_count() == 1);
	CHECK(!scene->running_result.done && !scene->queued_result.done);
	TALLOC_FREE(scene->running_req);
	TALLOC_FREE(scene->queued_req);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(fx->ev);
	return 0;
}

static int child_frees(void *arg)
{
	struct forking *forking = arg;
	struct scene *scene = forking->scene;

	TALLOC_FREE(scene->queued_req);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(forking->fx->ev);
	TALLOC_FREE(scene->running_req);
	return 0;
}

static void forked(struct fixture *fx)
{
	static struct scene scene;
	struct forking forking = { fx, &scene };
	struct fixture_child child;

	scene_open(fx, &scene);
	child = fixture_child(child_is_synchronous, &forking);
	(void)child_exited(&child, 0, "a child's pool has no threads");
	child = fixture_child(child_frees, &forking);
	(void)child_exited(&child, 0, "and may be freed there");
	scene_go(&scene);
	(void)tevent_loop_wait(fx->ev);
	ok(scene.running_result.done && scene.queued_result.done,
	   "the parent's go on");
	ok(scene.running.value == 1 && scene.queued.value == 1, "once each");
}

int main(void)
{
	TEST(runs);
	TEST(in_order);
	TEST(without_threads);
	TEST(null_tracking);
	TEST(cancelled);
	TEST(request_freed);
	TEST(pool_freed);
	TEST(loop_freed);
	TEST(all_freed);
	TEST(loop_freed_before_delivery);
	TEST(end_time);
	TEST(forked);
	return done();
}
