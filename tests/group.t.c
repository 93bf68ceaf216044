/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Group: many requests, one answer. */
#include <errno.h>

#include "tests/pooltest.h"
#include "tests/trail.h"

/* ---- requests of the program's own ---- */

struct own {
	struct tevent_req *req;
	bool cancelled;
	bool stubborn;  /* cannot be cancelled */
	bool frees;     /* is freed when it is cancelled */
	void **pp_dies; /* something that is freed with it */
};

static bool own_cancel(struct tevent_req *req)
{
	struct own *own = tevent_req_data(req, struct own);

	own->cancelled = true;
	if (own->stubborn) {
		return false;
	}
	if (own->pp_dies != NULL) {
		TALLOC_FREE(*own->pp_dies);
	}
	if (own->frees) {
		talloc_free(req);
		return true;
	}
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

static struct own *own_send(struct fixture *fx)
{
	struct own *own = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &own, struct own);

	if (req == NULL) {
		bail_out("tevent_req_create: no memory");
	}
	own->req = req;
	tevent_req_set_cancel_fn(req, own_cancel);
	return own;
}

#define OWNS 4

/* A group of four, and who waits for it. */
struct scene {
	struct fixture *fx;
	struct weft_group *group;
	struct own *owns[OWNS];
	struct tevent_req *wait;
	bool done;
	int ret;
};

static void scene_done(struct tevent_req *req)
{
	struct scene *scene = tevent_req_callback_data_void(req);

	scene->ret = weft_group_wait_recv(req);
	scene->done = true;
	scene->wait = NULL;
	talloc_free(req);
}

static void scene_wait(struct scene *scene)
{
	scene->done = false;
	scene->wait = weft_group_wait_send(scene->fx->mem, scene->group);
	tevent_req_set_callback(scene->wait, scene_done, scene);
}

static void scene_open(struct fixture *fx, struct scene *scene, bool collect)
{
	struct weft_group_options options = { .collect = collect };
	unsigned wrong = 0;
	unsigned i = 0;

	*scene = (struct scene){ .fx = fx };
	is_int(weft_group_create(fx->mem, fx->ev, &options, &scene->group), 0,
	       "a group");
	for (i = 0; i < OWNS; i++) {
		scene->owns[i] = own_send(fx);
		wrong += weft_group_add(scene->group, scene->owns[i]->req) != 0;
	}
	is_uint(wrong, 0, "of four requests");
	scene_wait(scene);
	ok(!scene->done, "that is waited for");
}

static void scene_close(struct scene *scene)
{
	unsigned i = 0;

	for (i = 0; i < OWNS; i++) {
		if (scene->owns[i] != NULL) {
			talloc_free(scene->owns[i]->req);
		}
	}
	TALLOC_FREE(scene->wait);
	TALLOC_FREE(scene->group);
}

/* Turns until the answer is there. */
static void scene_answer(struct scene *scene)
{
	ok(!scene->done, "nobody is called at once");
	ok(fixture_turn_until(scene->fx->ev, &scene->done), "the answer comes");
}

static void nobody_freed(struct scene *scene, unsigned i)
{
	scene->owns[i] = NULL;
}

/* ---- all end ---- */

static void all_done(struct fixture *fx)
{
	struct scene scene;
	unsigned i = 0;

	scene_open(fx, &scene, false);
	for (i = 0; i < OWNS; i++) {
		tevent_req_done(scene.owns[i]->req);
	}
	scene_answer(&scene);
	is_int(scene.ret, 0, "without error");
	ok(!tevent_req_is_in_progress(scene.owns[0]->req),
	   "the members are the caller's to receive");

	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, 0, "a group without requests is done");
	is_int(weft_group_add(scene.group, scene.owns[1]->req), 0,
	       "one that has ended counts at once");
	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, 0, "as what it is");
	scene_close(&scene);
}

static void first_error(struct fixture *fx)
{
	struct scene scene;
	struct own *more = own_send(fx);

	scene_open(fx, &scene, false);
	scene.owns[3]->stubborn = true;
	tevent_req_done(scene.owns[0]->req);
	(void)tevent_req_error(scene.owns[1]->req, EIO);
	ok(scene.owns[2]->cancelled, "an error cancels the others");
	ok(scene.owns[3]->cancelled, "all of them");
	ok(!tevent_req_is_in_progress(scene.owns[2]->req),
	   "one has ended with that");
	is_int(weft_group_add(scene.group, more->req), ECANCELED,
	       "who comes later is cancelled, too");
	ok(more->cancelled, "at once");
	settle(fx->ev, 3);
	ok(!scene.done, "one that cannot be cancelled is waited for");
	tevent_req_done(scene.owns[3]->req);
	scene_answer(&scene);
	is_int(scene.ret, EIO, "the first error is the answer");
	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, EIO, "and remains it");
	scene_close(&scene);
	talloc_free(more->req);
}

static void collect(struct fixture *fx)
{
	struct scene scene;
	unsigned i = 0;

	scene_open(fx, &scene, true);
	(void)tevent_req_error(scene.owns[2]->req, EIO);
	(void)tevent_req_error(scene.owns[1]->req, ENOENT);
	for (i = 0; i < OWNS; i += 3) {
		ok(!scene.owns[i]->cancelled, "%u goes on", i);
		tevent_req_done(scene.owns[i]->req);
	}
	scene_answer(&scene);
	is_int(scene.ret, EIO, "the first error, when all have ended");
	scene_close(&scene);
}

static void kinds_of_errors(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, true);
	(void)tevent_req_nomem(NULL, scene.owns[0]->req);
	scene_close(&scene);
	scene_open(fx, &scene, false);
	(void)tevent_req_nomem(NULL, scene.owns[0]->req);
	scene_answer(&scene);
	is_int(scene.ret, ENOMEM, "no memory");
	scene_close(&scene);

	scene_open(fx, &scene, false);
	ok(tevent_req_set_endtime(scene.owns[1]->req, fx->ev,
				  tevent_timeval_zero()),
	   "an end time");
	scene_answer(&scene);
	is_int(scene.ret, ETIMEDOUT, "has passed");
	scene_close(&scene);
}

/* ---- what is freed ---- */

static void member_freed(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	talloc_free(scene.owns[1]->req);
	nobody_freed(&scene, 1);
	ok(!scene.owns[0]->cancelled, "nobody is called when one is freed");
	scene_answer(&scene);
	ok(scene.owns[0]->cancelled && scene.owns[2]->cancelled,
	   "the others are cancelled later");
	is_int(scene.ret, ECANCELED, "as if it was cancelled");
	scene_close(&scene);
}

static void last_member_freed(struct fixture *fx)
{
	struct scene scene;
	unsigned i = 0;

	scene_open(fx, &scene, true);
	for (i = 0; i < OWNS; i++) {
		talloc_free(scene.owns[i]->req);
		nobody_freed(&scene, i);
	}
	scene_answer(&scene);
	is_int(scene.ret, ECANCELED, "all were freed");
	scene_close(&scene);
}

static void group_freed(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	TALLOC_FREE(scene.group);
	scene_answer(&scene);
	is_int(scene.ret, ECANCELED, "who waits learns that the group went");
	ok(!scene.owns[0]->cancelled, "nothing is cancelled");
	tevent_req_done(scene.owns[0]->req);
	(void)tevent_req_error(scene.owns[1]->req, EIO);
	ok(!scene.owns[2]->cancelled, "also not by a later error");
	scene_close(&scene);
}

static void wait_freed(struct fixture *fx)
{
	struct scene scene;
	struct tevent_req *second = NULL;
	unsigned i = 0;

	scene_open(fx, &scene, false);
	second = weft_group_wait_send(fx->mem, scene.group);
	is_int(weft_group_wait_recv(scene.wait), EINPROGRESS, "not yet");
	ok(!tevent_req_is_in_progress(second), "one waits at a time");
	is_int(weft_group_wait_recv(second), EBUSY, "the second is refused");
	talloc_free(second);
	TALLOC_FREE(scene.wait);
	for (i = 0; i < OWNS; i++) {
		ok(!scene.owns[i]->cancelled, "%u goes on", i);
		tevent_req_done(scene.owns[i]->req);
	}
	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, 0, "it may be waited for again");
	scene_close(&scene);
}

static void wait_cancelled(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, true);
	scene.owns[2]->stubborn = true;
	ok(tevent_req_cancel(scene.wait), "waiting is cancelled");
	ok(!scene.done, "no callback from within");
	ok(scene.owns[0]->cancelled && scene.owns[3]->cancelled,
	   "all are cancelled, also where errors are collected");
	scene_answer(&scene);
	is_int(scene.ret, ECANCELED, "one that goes on is not waited for");
	scene_wait(&scene);
	settle(fx->ev, 3);
	ok(!scene.done, "but may be");
	tevent_req_done(scene.owns[2]->req);
	scene_answer(&scene);
	is_int(scene.ret, ECANCELED, "with the same answer");
	scene_close(&scene);
}

static void loop_freed(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	TALLOC_FREE(fx->ev);
	ok(!tevent_req_cancel(scene.wait), "without a loop nothing ends");
	tevent_req_done(scene.owns[0]->req);
	talloc_free(scene.owns[1]->req);
	nobody_freed(&scene, 1);
	(void)tevent_req_error(scene.owns[2]->req, EIO);
	TALLOC_FREE(scene.wait);
	scene.wait = weft_group_wait_send(fx->mem, scene.group);
	ok(tevent_req_is_in_progress(scene.wait), "nor what is sent then");
	scene_close(&scene);
}

/* All hangs below the loop, in an order that nobody has thought of. */
static void loop_freed_with_all(struct fixture *fx)
{
	struct scene scene;
	unsigned i = 0;

	scene_open(fx, &scene, false);
	for (i = 0; i < OWNS; i++) {
		(void)talloc_steal(i % 2 == 0 ? (void *)fx->ev
					      : (void *)scene.group,
				   scene.owns[i]->req);
	}
	(void)talloc_steal(fx->ev, scene.wait);
	(void)talloc_steal(fx->ev, scene.group);
	TALLOC_FREE(fx->ev);
	ok(!scene.done, "nobody is called");
}

/* ---- in the middle of it ---- */

/* An error cancels a member that frees something. */
static void freed_amid(struct fixture *fx, bool frees_itself, bool group)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	scene.owns[1]->frees = frees_itself;
	if (group) {
		scene.owns[1]->pp_dies = (void **)&scene.group;
	}
	(void)tevent_req_error(scene.owns[0]->req, EIO);
	if (frees_itself) {
		nobody_freed(&scene, 1);
	}
	scene_answer(&scene);
	is_int(scene.ret, group ? ECANCELED : EIO, "it ends all the same");
	ok(scene.owns[2]->cancelled == !group, "so do the others");
	scene_close(&scene);
}

static void member_freed_amid(struct fixture *fx)
{
	freed_amid(fx, true, false);
}

static void group_freed_amid(struct fixture *fx)
{
	freed_amid(fx, false, true);
	freed_amid(fx, true, true);
}

static void wait_freed_amid(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	scene.owns[1]->pp_dies = (void **)&scene.wait;
	ok(tevent_req_cancel(scene.wait),
	   "the request is freed while it is cancelled");
	is_ptr(scene.wait, NULL, "it is gone");
	ok(scene.owns[3]->cancelled, "all were cancelled");
	settle(fx->ev, 3);
	ok(!scene.done, "and nobody is called");
	scene_close(&scene);
}

static void freed_in_callback(struct tevent_req *req)
{
	struct scene *scene = tevent_req_callback_data_void(req);

	scene->ret = weft_group_wait_recv(req);
	scene->done = true;
	scene->wait = NULL;
	TALLOC_FREE(scene->group);
	talloc_free(req);
}

static void freed_by_who_waits(struct fixture *fx)
{
	struct scene scene;

	scene_open(fx, &scene, false);
	tevent_req_set_callback(scene.wait, freed_in_callback, &scene);
	(void)tevent_req_error(scene.owns[0]->req, EIO);
	scene_answer(&scene);
	is_int(scene.ret, EIO, "the group is freed by who waited");
	scene_close(&scene);
}

/* ---- misuse, and jobs ---- */

static void refused(struct fixture *fx)
{
	struct scene scene;
	struct weft_group *other = NULL;
	struct tevent_req *req = NULL;

	scene_open(fx, &scene, false);
	is_int(weft_group_create(fx->mem, fx->ev, NULL, &other), 0,
	       "another group");
	is_int(weft_group_add(scene.group, scene.owns[0]->req), EINVAL,
	       "not twice");
	is_int(weft_group_add(other, scene.owns[0]->req), EINVAL,
	       "not in two groups");
	talloc_free(other);
	req = scene.owns[0]->req;
	nobody_freed(&scene, 0);
	tevent_req_done(req);
	tevent_req_received(req);
	is_int(weft_group_add(scene.group, req), EINVAL,
	       "not after it was received");
	scene_close(&scene);
}

static void jobs(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct held *failing = held_new(NULL, NULL, NULL);
	struct held *held = held_new(&started, &go, NULL);
	struct tevent_req *reqs[3] = { NULL };
	struct scene scene = { .fx = fx };
	unsigned i = 0;

	failing->ret = EIO;
	is_int(weft_group_create(fx->mem, fx->ev, NULL, &scene.group), 0,
	       "a group of jobs");
	reqs[0] = weft_job_send(fx->mem, fx->ev, pool, held_run, &held, NULL);
	fixture_gate_wait(&started, 1);
	reqs[1] = weft_job_send(fx->mem, fx->ev, pool, held_run, &failing,
				NULL);
	for (i = 0; i < 2; i++) {
		is_int(weft_group_add(scene.group, reqs[i]), 0, "job %u", i);
	}
	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, EIO, "one has failed");
	is_int(weft_job_recv(reqs[0], fx->mem, NULL), ECANCELED,
	       "the other one was cancelled");
	is_int(weft_job_recv(reqs[1], fx->mem, NULL), EIO, "and this has not");
	TALLOC_FREE(scene.group);
	weft_pool_stop(pool);
	is_int(weft_group_create(fx->mem, fx->ev, NULL, &scene.group), 0,
	       "another group");
	reqs[2] = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, NULL);
	is_int(weft_group_add(scene.group, reqs[2]), 0,
	       "a job that was refused is a member");
	scene_wait(&scene);
	scene_answer(&scene);
	is_int(scene.ret, ESHUTDOWN, "whose error is the answer");
	fixture_gate_add(&go, 1);
	fixture_wait_until(pooltest_no_workers, pool);
}

int main(void)
{
	POOLTEST(all_done);
	POOLTEST(first_error);
	POOLTEST(collect);
	POOLTEST(kinds_of_errors);
	POOLTEST(member_freed);
	POOLTEST(last_member_freed);
	POOLTEST(group_freed);
	POOLTEST(wait_freed);
	POOLTEST(wait_cancelled);
	POOLTEST(loop_freed);
	POOLTEST(loop_freed_with_all);
	POOLTEST(member_freed_amid);
	POOLTEST(group_freed_amid);
	POOLTEST(wait_freed_amid);
	POOLTEST(freed_by_who_waits);
	POOLTEST(refused);
	POOLTEST(jobs);
	return done();
}
