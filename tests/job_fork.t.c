/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: the child's pools begin anew; the parent's jobs are the parent's.
 *
 * Under ThreadSanitizer a forked child must not start threads, so there the
 * children only free, re-initialise and loop.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pooltest.h"

struct scene {
	struct fixture *fx;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate freed;
	struct weft_pool *pool;
	struct outcome running;
	struct outcome queued;
	struct outcome there; /* its result lies in the mailbox */
	struct tevent_req *running_req;
	struct tevent_req *queued_req;
	struct tevent_req *there_req;
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .fx = fx, .pool = pooltest_pool(fx, 1) };
	scene->there_req = outcome_send(fx, scene->pool, held_run,
					held_new(NULL, NULL, &scene->freed),
					&scene->there);
	fixture_wait_until(pooltest_at_rest, scene->pool);
	scene->running_req = outcome_send(
		fx, scene->pool, held_run,
		held_new(&scene->started, &scene->go, &scene->freed),
		&scene->running);
	fixture_gate_wait(&scene->started, 1);
	scene->queued_req = outcome_send(
		fx, scene->pool, held_run,
		held_new(&scene->started, &scene->go, &scene->freed),
		&scene->queued);
}

/* In the parent: nothing has been taken away by the child. */
static void scene_close(struct scene *scene)
{
	fixture_gate_add(&scene->go, 1);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "the parent goes on");
	ok(scene->there.done && scene->there.ret == 0, "its first result");
	ok(scene->running.done && scene->running.ret == 0, "its second");
	ok(scene->queued.done && scene->queued.ret == 0, "its third");
	talloc_free(scene->there.block);
	talloc_free(scene->running.block);
	talloc_free(scene->queued.block);
	is_int(fixture_gate_value(&scene->freed), 3, "each block once");
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

	TALLOC_FREE(scene->queued_req);
	CHECK(fixture_gate_value(&scene->freed) == 1);
	TALLOC_FREE(scene->running_req);
	/* A worker of the parent may have had it half changed: left alone. */
	CHECK(fixture_gate_value(&scene->freed) == 1);
	TALLOC_FREE(scene->there_req);
	CHECK(fixture_gate_value(&scene->freed) == 2);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static int child_frees_loop_first(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->fx->ev);
	TALLOC_FREE(scene->pool);
	TALLOC_FREE(scene->queued_req);
	TALLOC_FREE(scene->running_req);
	TALLOC_FREE(scene->there_req);
	CHECK(fixture_gate_value(&scene->freed) == 2);
	return 0;
}

static int child_loops(void *arg)
{
	struct scene *scene = arg;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(pooltest_stats(scene->pool).workers == 0);
	CHECK(pooltest_stats(scene->pool).queued == 0);
	/* Parent's jobs keep no loop here. */
	CHECK(tevent_req_cancel(scene->queued_req));
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(scene->queued.done && scene->queued.ret == ECANCELED);
	CHECK(!scene->running.done && !scene->there.done);
	return 0;
}

static int child_works(void *arg)
{
	struct scene *scene = arg;
	struct outcome old_pool = { .done = false };
	struct outcome new_pool = { .done = false };
	struct weft_pool *pool = NULL;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	(void)outcome_send(scene->fx, scene->pool, held_run,
			   held_new(NULL, NULL, NULL), &old_pool);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(old_pool.done && old_pool.ret == 0);
	CHECK(pooltest_stats(scene->pool).started == 1);
	pool = pooltest_pool(scene->fx, 2);
	(void)outcome_send(scene->fx, pool, quick_run, NULL, &new_pool);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(new_pool.done && new_pool.ret == 0);
	return 0;
}

/* A job is sent before the context is made the child's own. */
static int child_works_too_early(void *arg)
{
	struct scene *scene = arg;
	struct outcome outcome = { .done = false };

	TALLOC_FREE(scene->queued_req);
	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	(void)outcome_send(scene->fx, scene->pool, quick_run, NULL, &outcome);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(outcome.done && outcome.ret == 0);
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

static void frees_loop_first(struct fixture *fx)
{
	forks(fx, child_frees_loop_first, "a child frees the loop first");
}

static void loops(struct fixture *fx)
{
	forks(fx, child_loops, "a child's loop does not wait for the parent");
}

static void works(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks(fx, child_works, "a child's pools work, old and new");
}

static void works_too_early(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks(fx, child_works_too_early, "also after a free came first");
}

/* Two results lie in the mailbox; the handler of the first forks. */
struct batch {
	struct fixture fx; /* with a loop of its own */
	struct weft_pool *pool;
	struct outcome first;
	struct outcome second;
	struct outcome child_job;
	struct tevent_req *second_req;
	struct fixture_gate started;
	struct fixture_gate go;
	unsigned fds; /* without the loop */
	void (*in_handler)(struct batch *batch);
	pid_t pid;
	int status;
};

static void batch_forks(struct tevent_req *req)
{
	struct batch *batch = tevent_req_callback_data_void(req);

	batch->first.ret = weft_job_recv(req, NULL, NULL);
	batch->first.done = true;
	talloc_free(req);
	(void)fflush(NULL);
	batch->pid = fork();
	if (batch->pid == 0) {
		/* What it says is not part of our results. */
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		fixture_watchdog("a child forked by a handler", 20);
		if (batch->in_handler != NULL) {
			batch->in_handler(batch);
		}
		return;
	}
	(void)waitpid(batch->pid, &batch->status, 0);
}

static void batch_frees_second(struct batch *batch)
{
	TALLOC_FREE(batch->second_req);
}

static void batch_sends(struct batch *batch)
{
	(void)outcome_send(&batch->fx, batch->pool, held_run,
			   held_new(&batch->started, &batch->go, NULL),
			   &batch->child_job);
}

/* The handler has returned and the batch is over. */
static int batch_child(struct batch *batch)
{
	CHECK(!batch->second.done);
	if (batch->in_handler == batch_sends) {
		fixture_gate_wait(&batch->started, 1);
		TALLOC_FREE(batch->fx.ev);
		/* The port's bell is there as long as a job may ring it. */
		CHECK(fixture_fd_count() == batch->fds + 1);
		fixture_gate_add(&batch->go, 1);
		fixture_wait_until(pooltest_at_rest, batch->pool);
	} else {
		CHECK(tevent_re_initialise(batch->fx.ev) == 0);
		CHECK(tevent_loop_wait(batch->fx.ev) == 0);
		CHECK(!batch->second.done);
		TALLOC_FREE(batch->fx.ev);
	}
	CHECK(fixture_fd_count() == batch->fds);
	return 0;
}

static void forks_in_a_batch(struct fixture *fx,
			     void (*in_handler)(struct batch *batch))
{
	struct batch batch = { .fx = *fx, .in_handler = in_handler };
	struct tevent_req *req = NULL;

	batch.fds = fixture_fd_count();
	batch.fx.ev = tevent_context_init(fx->mem);
	batch.pool = pooltest_pool(fx, 1);
	req = outcome_send(&batch.fx, batch.pool, quick_run, NULL,
			   &batch.first);
	tevent_req_set_callback(req, batch_forks, &batch);
	batch.second_req = outcome_send(&batch.fx, batch.pool, quick_run, NULL,
					&batch.second);
	fixture_wait_until(pooltest_at_rest, batch.pool);
	while (!batch.first.done) {
		(void)tevent_loop_once(batch.fx.ev);
	}
	if (batch.pid == 0) {
		int code = batch_child(&batch);

		(void)fflush(NULL);
		_exit(code);
	}
	ok(WIFEXITED(batch.status) && WEXITSTATUS(batch.status) == 0,
	   "the rest of the batch is not the child's");
	(void)tevent_loop_wait(batch.fx.ev);
	ok(batch.first.ret == 0 && batch.second.done && batch.second.ret == 0,
	   "it is the parent's");
	talloc_free(batch.fx.ev);
}

static void handler_forks_in_a_batch(struct fixture *fx)
{
	forks_in_a_batch(fx, NULL);
}

static void handler_forks_and_frees(struct fixture *fx)
{
	forks_in_a_batch(fx, batch_frees_second);
}

static void handler_forks_and_sends(struct fixture *fx)
{
	if (TEST_TSAN) {
		skip("no threads in a child under ThreadSanitizer");
		return;
	}
	forks_in_a_batch(fx, batch_sends);
}

static int forking_run(struct weft_job *job, void *block)
{
	pid_t *pid = block;

	(void)job;
	*pid = fork();
	if (*pid == 0) {
		_exit(3);
	}
	return 0;
}

static int coming_back_run(struct weft_job *job, void *block)
{
	pid_t *pid = block;

	(void)job;
	*pid = fork();
	/* The child comes back as well, which it must not. */
	return 0;
}

static void from_job(struct fixture *fx, weft_job_fn_t fn, int code,
		     const char *name)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };
	pid_t *pid = talloc_zero(NULL, pid_t);
	int status = 0;

	(void)outcome_send(fx, pool, fn, pid, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "the job that forked ends once");
	ok(waitpid(*(pid_t *)outcome.block, &status, 0) > 0 &&
		   WIFEXITED(status) && WEXITSTATUS(status) == code,
	   "%s", name);
}

static void in_a_job(struct fixture *fx)
{
	from_job(fx, forking_run, 3, "a child forked by a job exits");
}

static void back_from_a_job(struct fixture *fx)
{
	if (TEST_TSAN || TEST_ASAN) {
		skip("the child ends by its last thread: leaks are reported");
		return;
	}
	from_job(fx, coming_back_run, 0, "one that comes back just ends");
}

int main(void)
{
	POOLTEST(frees);
	POOLTEST(frees_loop_first);
	POOLTEST(loops);
	POOLTEST(works);
	POOLTEST(works_too_early);
	POOLTEST(handler_forks_in_a_batch);
	POOLTEST(handler_forks_and_frees);
	POOLTEST(handler_forks_and_sends);
	POOLTEST(in_a_job);
	POOLTEST(back_from_a_job);
	return done();
}
