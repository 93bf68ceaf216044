/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim worker: a worker without a thread.
 *
 * What a thread does in one go (worker.c) is cut where another thread could
 * come in between; each piece is one move, and the world decides whose is next:
 *
 *      born, with the token --> begin --> LOOKS <-----------------.
 *                                          |                      |
 *              found: token back, HOLDS ---+                      |
 *                 |                        |                      |
 *                 | some virtual time      | nothing: DRY --> enters the
 *                 v                        |      park, looks again, SLEEPS
 *              runs the job, LOOKS         |                      |
 *                                          '----- woken by name --'
 *
 * The park, the gate and the queues are the real ones, and so are births and
 * wake-ups; only sleeping is not done. Between HOLDS and the run the job is
 * RUNNING for everybody else: it can be told to stop, be late, or lose its
 * owner. The function itself is one move: what it sees does not change while
 * it runs, unless it waits for a job of its own, which lets the world move.
 *
 * An idle worker does not leave: nobody could tell.
 *
 * In a forked child the park knows no workers and the queues no jobs (crews.c),
 * and a job in hand is freed by its loop. So workers that were inherited vanish
 * without a word to anybody: one in whose job the fork was when that comes
 * back, the others at once.
 *
 * Threads: the world's.  Ordering: through park.h.
 */
#include "threadpool/sim_worker.h"

#include <errno.h>
#include <stdlib.h>

#include "threadpool/drain.h"
#include "threadpool/gate.h"
#include "threadpool/sim_world.h"
#include "threadpool/worker_inside.h"

struct sim_worker {
	struct wf_sim_actor actor; /* see sim_world.h */
	struct wf_worker *worker;  /* O: gone at the end */
	struct weft_job *job;      /* O: HOLDS; or NULL */
	uint64_t due_us;           /* O: HOLDS: when it runs */
	bool begun;
	bool token;
	bool dry;    /* O: it has found nothing, and does not sleep yet */
	bool sleeps; /* O: SLEEPS, or has been woken from that */
	bool moving; /* O: in a move, inside of which others may move */
};

static struct sim_worker *worker_of(struct wf_sim_actor *actor)
{
	return tev_container_of(actor, struct sim_worker, actor);
}

/* Whether this is the process that it was born in. */
static bool worker_is_here(const struct wf_worker *worker)
{
	return worker->generation == worker->crew->generation;
}

/* What it sleeps on. */
static uint32_t worker_word(struct sim_worker *self)
{
	/* [PK2] acquire: what the waker did before. */
	return atomic_load_explicit(&self->worker->bed.asleep,
				    memory_order_acquire);
}

static uint64_t worker_due(struct wf_sim_actor *actor)
{
	struct sim_worker *self = worker_of(actor);

	if (self->moving) {
		return TEV_SIM_NEVER;
	}
	if (self->job != NULL) {
		return self->due_us;
	}
	if (self->sleeps && worker_word(self) >= PARK_ASLEEP) {
		return TEV_SIM_NEVER;
	}
	return 0;
}

/* It is not counted any more. @worker: NULL: it is gone already. */
static void worker_leave(struct sim_worker *self, struct wf_worker *worker)
{
	if (worker != NULL) {
		wf_worker_end(worker);
	}
	wf_sim_actor_part(&self->actor);
	free(self);
}

/* It has not begun, so it has nothing to end but what it is known by; or it is
 * the parent's. */
static void worker_vanish(struct sim_worker *self)
{
	struct wf_worker *worker = self->worker;
	struct wf_crew *crew = worker->crew;
	unsigned i = 0;

	if (worker_is_here(worker)) {
		wf_park_part(&crew->park, &worker->bed);
	}
	for (i = 0; i < WF_LANES_MAX; i++) {
		free(worker->tallies[i]);
	}
	free(worker);
	wf_crew_unref(crew);
	worker_leave(self, NULL);
}

/* A fork in it is noticed by worker_is_here(). */
static void worker_run(struct sim_worker *self)
{
	struct weft_job *job = self->job;

	self->job = NULL;
	(void)wf_worker_run(self->worker, job);
}

/* Nothing found. Return: false: the worker leaves. */
static bool worker_sleep(struct sim_worker *self)
{
	struct wf_worker *worker = self->worker;
	struct wf_crew *crew = worker->crew;
	bool stays = wf_park_enter(&crew->park, &worker->bed, self->token);

	self->token = false;
	worker->now_ns = 0;
	worker->owes_look = false;
	wf_drain_look(crew);
	if (!stays) {
		return false;
	}
	if (wf_crew_has_jobs(crew)) {
		self->token = wf_park_cancel(&crew->park, &worker->bed);
		return true;
	}
	self->sleeps = true;
	return true;
}

/* Too many are active, since a resize.
 * Return: true: there is nothing else to be done in this move. */
static bool worker_quits(struct sim_worker *self, bool *ret_leaves)
{
	struct wf_worker *worker = self->worker;
	enum wf_park_quit quit = WF_PARK_GOES_ON;

	if (!wf_park_is_surplus(&worker->crew->park)) {
		return false;
	}
	wf_worker_give_token(worker, self->token);
	self->token = false;
	quit = wf_park_quit(&worker->crew->park, &worker->bed);
	self->sleeps = quit == WF_PARK_RESTS;
	*ret_leaves = quit == WF_PARK_LEAVES;
	if (quit != WF_PARK_GOES_ON) {
		wf_drain_look(worker->crew);
	}
	return quit != WF_PARK_GOES_ON;
}

/* Return: false: the worker leaves. */
static bool worker_look(struct sim_worker *self)
{
	struct wf_worker *worker = self->worker;
	bool leaves = false;

	if (worker_quits(self, &leaves)) {
		return !leaves;
	}
	self->job = wf_worker_search(worker);
	if (self->job == NULL) {
		self->dry = true;
		return true;
	}
	self->due_us = wf_sim_job_due(self->actor.world);
	wf_worker_give_token(worker, self->token);
	self->token = false;
	return true;
}

/* Return: false: it was dismissed, and leaves. */
static bool worker_wake(struct sim_worker *self)
{
	if (!self->sleeps) {
		return true;
	}
	self->sleeps = false;
	self->token = worker_word(self) == PARK_WOKEN;
	return self->token;
}

static void worker_move(struct wf_sim_actor *actor)
{
	struct sim_worker *self = worker_of(actor);
	struct wf_worker *worker = self->worker;
	struct wf_worker *before = wf_worker_become(worker);
	bool stays = true;

	self->moving = true;
	if (!self->begun) {
		self->begun = true;
		if (!wf_worker_begin(worker, &self->token)) {
			worker = NULL;
			stays = false;
		}
	} else if (self->job != NULL) {
		worker_run(self);
	} else if (self->dry) {
		self->dry = false;
		stays = worker_sleep(self);
	} else {
		stays = worker_wake(self) && worker_look(self);
	}
	self->moving = false;
	if (worker != NULL && !worker_is_here(worker)) {
		worker_vanish(self);
	} else if (!stays) {
		worker_leave(self, worker);
	}
	(void)wf_worker_become(before);
}

/* Nobody is to rely on it. */
static void worker_refuse(struct sim_worker *self)
{
	struct wf_worker *worker = self->worker;

	if (self->sleeps) {
		self->token = wf_park_cancel(&worker->crew->park, &worker->bed);
	}
	wf_worker_after_failure(worker->crew, ECANCELED, self->token);
}

/* The world ends: what it holds is brought to its end, then it is as if it had
 * never been born, and no birth succeeds any more: with the last one jobs that
 * wait go home. */
static void worker_end(struct wf_sim_actor *actor)
{
	struct sim_worker *self = worker_of(actor);
	struct wf_worker *worker = self->worker;
	struct wf_worker *before = wf_worker_become(worker);

	self->moving = true;
	if (self->job != NULL) {
		worker_run(self);
	}
	if (worker_is_here(worker)) {
		worker_refuse(self);
	}
	if (self->begun && worker_is_here(worker)) {
		worker_leave(self, worker);
	} else {
		worker_vanish(self);
	}
	(void)wf_worker_become(before);
}

static void worker_forked(struct wf_sim_actor *actor)
{
	struct sim_worker *self = worker_of(actor);

	if (self->moving) {
		wf_sim_actor_part(actor);
	} else {
		worker_vanish(self);
	}
}

static const struct wf_sim_actor_ops worker_ops = {
	.name = "worker",
	.due = worker_due,
	.move = worker_move,
	.end = worker_end,
	.forked = worker_forked,
};

int wf_sim_worker_start(struct wf_worker *worker)
{
	struct wf_sim_world *world = wf_sim_here();
	struct sim_worker *self = NULL;

	if (world == NULL || world->ending) {
		return ECANCELED;
	}
	self = calloc(1, sizeof(*self));
	if (self == NULL) {
		return ENOMEM;
	}
	self->worker = worker;
	self->token = true;
	wf_sim_actor_join(world, &self->actor, &worker_ops);
	return 0;
}
