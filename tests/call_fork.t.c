/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call fork: calls that are under way when a child is forked off stay the
 * parent's; the child frees its copies, and calls anew.
 */
#include <stdio.h>

#include "tests/calltest.h"

enum { UNTOUCHED, HELD, THERE, CALLS };

struct scene {
	struct fixture *fx;
	struct there there;
	struct weft_call *kept;
	struct outcome outcomes[CALLS];
	struct tevent_req *reqs[CALLS];
	struct parcel *parcels[CALLS];
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .fx = fx };
	scene->there = there_open(fx->mem, NULL);
	for (int i = 0; i < CALLS; i++) {
		scene->parcels[i] = parcel_new(i);
	}
	scene->parcels[HELD]->kept = &scene->kept;
	scene->reqs[HELD] = outcome_send(fx, scene->there.addr, kept_run,
					 scene->parcels[HELD],
					 &scene->outcomes[HELD]);
	scene->reqs[THERE] = outcome_send(fx, scene->there.addr, next_run,
					  scene->parcels[THERE],
					  &scene->outcomes[THERE]);
	turn_all(scene->there.ev);
	scene->reqs[UNTOUCHED] = outcome_send(fx, scene->there.addr, next_run,
					      scene->parcels[UNTOUCHED],
					      &scene->outcomes[UNTOUCHED]);
}

/* In the parent: nothing has been taken away by the child. */
static void scene_close(struct scene *scene)
{
	turn_all(scene->there.ev);
	weft_call_reply(scene->kept, 0);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "the parent goes on");
	for (int i = 0; i < CALLS; i++) {
		is_uint(scene->outcomes[i].calls, 1, "its answer %d", i);
		is_int(scene->outcomes[i].ret, 0, "is as it should be");
		is_ptr(scene->outcomes[i].block, scene->parcels[i],
		       "with the block");
		talloc_free(scene->outcomes[i].block);
	}
	TALLOC_FREE(scene->there.ev);
}

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

static int child_frees_requests(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->reqs[UNTOUCHED]);
	CHECK(parcels_alive() == 2);
	TALLOC_FREE(scene->reqs[THERE]);
	CHECK(parcels_alive() == 1);
	TALLOC_FREE(scene->reqs[HELD]);
	/* The other side has it. */
	CHECK(parcels_alive() == 1);
	CHECK(!weft_call_wanted(scene->kept));
	TALLOC_FREE(scene->there.ev);
	CHECK(parcels_alive() == 0);
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

static int child_frees_loops(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->fx->ev);
	TALLOC_FREE(scene->there.ev);
	for (int i = 0; i < CALLS; i++) {
		TALLOC_FREE(scene->reqs[i]);
	}
	CHECK(parcels_alive() == 0);
	return 0;
}

static int child_frees_the_other_loop_first(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->there.ev);
	CHECK(parcels_alive() == 2);
	TALLOC_FREE(scene->fx->ev);
	for (int i = 0; i < CALLS; i++) {
		TALLOC_FREE(scene->reqs[i]);
	}
	CHECK(parcels_alive() == 0);
	return 0;
}

static int child_answers(void *arg)
{
	struct scene *scene = arg;

	weft_call_reply(scene->kept, 0);
	CHECK(parcels_alive() == 2);
	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	/* The parent's calls keep no loop here, and nobody is told. */
	(void)tevent_re_initialise(scene->there.ev);
	turn_all(scene->there.ev);
	turn_all(scene->fx->ev);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	for (int i = 0; i < CALLS; i++) {
		CHECK(scene->outcomes[i].calls == 0);
	}
	return 0;
}

static int child_cancels(void *arg)
{
	struct scene *scene = arg;
	struct outcome *outcome = &scene->outcomes[UNTOUCHED];

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(tevent_req_cancel(scene->reqs[UNTOUCHED]));
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(outcome->calls == 1 && outcome->ret == ECANCELED);
	CHECK(outcome->block == scene->parcels[UNTOUCHED]);
	/* By then the others are nobody's any more. */
	CHECK(!tevent_req_cancel(scene->reqs[HELD]));
	CHECK(!tevent_req_cancel(scene->reqs[THERE]));
	return 0;
}

static int child_calls_anew(void *arg)
{
	struct scene *scene = arg;
	struct outcome outcome = { .calls = 0 };
	struct parcel *parcel = parcel_new(1);

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(tevent_re_initialise(scene->there.ev) == 0);
	(void)outcome_send(scene->fx, scene->there.addr, next_run, parcel,
			   &outcome);
	turn_all(scene->there.ev);
	turn_all(scene->fx->ev);
	CHECK(outcome.calls == 1 && outcome.ret == 0);
	CHECK(outcome.block == parcel && parcel->value == 2);
	return 0;
}

static void forks(struct fixture *fx, fixture_child_fn fn, const char *name)
{
	struct scene scene;
	struct fixture_child child;

	scene_open(fx, &scene);
	child = fixture_child(fn, &scene);
	child_exited(&child, 0, name);
	scene_close(&scene);
}

static void frees_requests(struct fixture *fx)
{
	forks(fx, child_frees_requests, "a child frees the requests");
}

static void frees_loops(struct fixture *fx)
{
	forks(fx, child_frees_loops, "a child frees the loops");
}

static void frees_the_other_loop_first(struct fixture *fx)
{
	forks(fx, child_frees_the_other_loop_first,
	      "a child frees the loops, the other one first");
}

static void answers(struct fixture *fx)
{
	forks(fx, child_answers, "a child answers what its parent was asked");
}

static void cancels(struct fixture *fx)
{
	forks(fx, child_cancels, "a child cancels");
}

static void anew(struct fixture *fx)
{
	forks(fx, child_calls_anew, "a child calls anew");
}

/* ---- forked by the function itself ---- */

struct forker {
	struct weft_call *call;
	struct fixture_child child;
};

static int child_of_function(void *arg)
{
	struct forker *forker = arg;

	weft_call_reply(forker->call, EDOM);
	CHECK(parcels_alive() == 0);
	return 0;
}

static void forker_run(struct weft_mailbox *mailbox, struct weft_call *call,
		       void *block)
{
	struct forker *forker = weft_mailbox_private(mailbox);

	(void)block;
	forker->call = call;
	forker->child = fixture_child(child_of_function, forker);
	weft_call_reply(call, ERANGE);
}

static void in_the_function(struct fixture *fx)
{
	struct forker forker = { .call = NULL };
	struct weft_mailbox_options options = { .private_data = &forker };
	struct there there = there_open(fx->mem, &options);
	struct outcome outcome = { .calls = 0 };

	(void)outcome_send(fx, there.addr, forker_run, parcel_new(1), &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	child_exited(&forker.child, 0, "a function forks");
	is_int(outcome.ret, ERANGE, "the parent's answer counts");
	talloc_free(outcome.block);
}

int main(void)
{
	CALLTEST(frees_requests);
	CALLTEST(frees_loops);
	CALLTEST(frees_the_other_loop_first);
	CALLTEST(answers);
	CALLTEST(cancels);
	CALLTEST(anew);
	CALLTEST(in_the_function);
	return done();
}
