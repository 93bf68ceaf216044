/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane reserve: what is reserved is never taken, what is free is never idle.
 *
 * Three workers; lane A and lane B have one each reserved, B at most two, the
 * own lane no limit. Each test function plays orders of events: a job is sent
 * to one of the three, or the oldest that runs in one of the three ends. After
 * each event the pool must come to rest in a state in which
 *  1. no more than three run, in B no more than two,
 *  2. the own lane runs no more than what the reserves that are not in use
 *     leave, and neither do A and B beyond their own,
 *  3. nobody waits who might run.
 * Whether 1 and 2 hold is looked at by the jobs as well when they begin.
 */
#include "tests/lanetest.h"

enum where { OWN, A, B, WHERES };

#define WORKERS 3
#define RUN_MAX 128

static const unsigned reserves[WHERES] = { 0, 1, 1 };
static const unsigned maxima[WHERES] = { WORKERS, WORKERS, 2 };

struct state {
	unsigned waiting[WHERES];
	unsigned running[WHERES];
};

struct world {
	struct fixture *fx;
	struct weft_pool *pool;
	struct weft_lane *lanes[WHERES]; /* OWN: NULL */
	pthread_mutex_t lock;
	unsigned here[WHERES];         /* L(lock): as the jobs see it */
	unsigned too_many;             /* L(lock) */
	struct visitor *first[WHERES]; /* L(lock): those that run */
	struct visitor **last[WHERES]; /* L(lock) */
	unsigned failed;
	unsigned events;
	unsigned sent[WHERES];
	unsigned ended[WHERES];
};

/* A job; it lives on its worker's stack. */
struct visitor {
	struct visitor *next; /* L(world's lock) */
	struct fixture_gate go;
};

struct visit {
	struct world *world;
	enum where where;
};

/* Whether one more of @where may run beside these. */
static bool may_run(const unsigned running[WHERES], enum where where)
{
	unsigned all = 0;
	unsigned owed = 0;
	unsigned i = 0;

	for (i = 0; i < WHERES; i++) {
		all += running[i];
		if (i != where && running[i] < reserves[i]) {
			owed += reserves[i] - running[i];
		}
	}
	if (running[where] >= maxima[where]) {
		return false;
	}
	return running[where] < reserves[where] || all + owed < WORKERS;
}

static int visit_run(struct weft_job *job, void *block)
{
	struct visit *visit = talloc_get_type_abort(block, struct visit);
	struct world *world = visit->world;
	enum where where = visit->where;
	struct visitor me = { .next = NULL };

	(void)job;
	(void)pthread_mutex_lock(&world->lock);
	world->too_many += may_run(world->here, where) ? 0 : 1;
	world->here[where]++;
	*world->last[where] = &me;
	world->last[where] = &me.next;
	(void)pthread_mutex_unlock(&world->lock);
	fixture_gate_wait(&me.go, 1);
	return 0;
}

static void visit_send(struct world *world, enum where where)
{
	struct weft_job_options options = { .lane = world->lanes[where] };
	struct visit *visit = talloc(NULL, struct visit);
	struct tevent_req *req = NULL;

	*visit = (struct visit){ .world = world, .where = where };
	req = weft_job_send(world->fx->ev, world->fx->ev, world->pool,
			    visit_run, &visit, &options);
	tevent_req_set_callback(req, lanetest_done, &world->failed);
	world->sent[where]++;
}

/* Return: false: none runs there. */
static bool visit_end(struct world *world, enum where where)
{
	struct visitor *visitor = NULL;

	(void)pthread_mutex_lock(&world->lock);
	visitor = world->first[where];
	if (visitor != NULL) {
		world->first[where] = visitor->next;
		if (visitor->next == NULL) {
			world->last[where] = &world->first[where];
		}
		world->here[where]--;
		world->ended[where]++;
		fixture_gate_add(&visitor->go, 1);
	}
	(void)pthread_mutex_unlock(&world->lock);
	return visitor != NULL;
}

/* The job that was told to end need not have: that is the pool's to know. */
static bool at_rest(void *arg)
{
	struct world *world = arg;
	unsigned running[WHERES];
	unsigned waiting[WHERES];
	unsigned i = 0;

	(void)pthread_mutex_lock(&world->lock);
	for (i = 0; i < WHERES; i++) {
		running[i] = world->here[i];
		waiting[i] = world->sent[i] - world->ended[i] - running[i];
	}
	(void)pthread_mutex_unlock(&world->lock);
	for (i = 0; i < WHERES; i++) {
		if (waiting[i] > 0 && may_run(running, i)) {
			return false;
		}
	}
	return true;
}

/* A job ends for us before it has ended for the pool, so this one event is
 * waited for: the next one finds the pool as it is meant to. */
static bool through(void *arg)
{
	struct world *world = arg;
	unsigned running = 0;
	unsigned i = 0;

	(void)pthread_mutex_lock(&world->lock);
	for (i = 0; i < WHERES; i++) {
		running += world->here[i];
	}
	(void)pthread_mutex_unlock(&world->lock);
	return pooltest_stats(world->pool).running == running;
}

static void world_open(struct world *world, struct fixture *fx)
{
	struct weft_lane_options a = { .reserved = 1 };
	struct weft_lane_options b = { .reserved = 1, .max = 2 };

	*world = (struct world){ .fx = fx,
				 .pool = lanetest_pool(fx, WORKERS),
				 .lock = PTHREAD_MUTEX_INITIALIZER };
	world->lanes[A] = lanetest_lane(fx, world->pool, &a);
	world->lanes[B] = lanetest_lane(fx, world->pool, &b);
	for (unsigned i = 0; i < WHERES; i++) {
		world->last[i] = &world->first[i];
	}
}

/* All that are left run and end. */
static void world_empty(struct world *world)
{
	for (;;) {
		unsigned left = 0;

		for (unsigned i = 0; i < WHERES; i++) {
			left += world->sent[i] - world->ended[i];
			(void)visit_end(world, (enum where)i);
		}
		if (left == 0) {
			break;
		}
		(void)sched_yield();
	}
	(void)tevent_loop_wait(world->fx->ev);
	fixture_wait_until(pooltest_at_rest, world->pool);
}

/* Return: false: there was nothing to end. */
static bool event(struct world *world, unsigned number)
{
	enum where where = (enum where)(number % WHERES);

	if (number < WHERES) {
		visit_send(world, where);
	} else if (!visit_end(world, where)) {
		return false;
	}
	world->events++;
	fixture_wait_until(at_rest, world);
	fixture_wait_until(through, world);
	return true;
}

static void world_close(struct world *world)
{
	world_empty(world);
	is_uint(world->failed, 0, "%u events: all were run", world->events);
	is_uint(world->too_many, 0, "none that was not to");
}

/* Every order of @depth events that ends at least one job. */
static void every_order(struct fixture *fx)
{
	unsigned depth = TEST_TSAN || TEST_ASAN ||
					 getenv("TEST_VALGRIND") != NULL
				 ? 3
				 : 4;
	unsigned orders = 1;
	struct world world;
	unsigned i = 0;

	for (i = 0; i < depth; i++) {
		orders *= 2 * WHERES;
	}
	world_open(&world, fx);
	for (i = 0; i < orders; i++) {
		unsigned rest = i;

		for (unsigned step = 0; step < depth; step++) {
			if (!event(&world, rest % (2 * WHERES))) {
				break;
			}
			rest /= 2 * WHERES;
		}
		world_empty(&world);
	}
	world_close(&world);
}

/* From a full pool, where it matters who comes next. */
static void crowded(struct fixture *fx)
{
	struct world world;
	unsigned seed = 1;
	unsigned i = 0;

	world_open(&world, fx);
	for (i = 0; i < 12; i++) {
		(void)event(&world, i % WHERES);
	}
	for (i = 0; i < 600; i++) {
		unsigned number = 0;

		seed = seed * 1103515245U + 12345U;
		number = (seed >> 16) % (2 * WHERES);
		if (number < WHERES &&
		    world.sent[number] - world.ended[number] > 8) {
			number += WHERES;
		}
		(void)event(&world, number);
	}
	world_close(&world);
}

/* The lanes are not waited for: events come as fast as they can. */
static void in_a_hurry(struct fixture *fx)
{
	struct world world;
	unsigned seed = 7;
	unsigned i = 0;

	world_open(&world, fx);
	for (i = 0; i < 3000; i++) {
		unsigned number = 0;

		seed = seed * 1103515245U + 12345U;
		number = (seed >> 16) % (2 * WHERES);
		if (number < WHERES) {
			visit_send(&world, (enum where)number);
		} else {
			(void)visit_end(&world, (enum where)(number - WHERES));
		}
		world.events++;
	}
	fixture_wait_until(at_rest, &world);
	ok(true, "it comes to rest with nobody waiting who might run");
	world_close(&world);
}

/* A reserve is free at any time, though others wait. */
static void reserve_stays_free(struct fixture *fx)
{
	struct weft_lane_options options = { .reserved = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 3);
	struct weft_lane *lane = lanetest_lane(fx, pool, &options);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome held[10] = { { .done = false } };
	unsigned good = 0;
	unsigned i = 0;

	for (i = 0; i < 10; i++) {
		(void)lanetest_hold(fx, pool, NULL, &started, &go, &held[i]);
	}
	fixture_gate_wait(&started, 2);
	for (i = 0; i < 100; i++) {
		struct weft_job_options in = { .lane = lane };
		struct outcome outcome = { .done = false };

		(void)lanetest_send(fx->ev, pool, quick_run, NULL, &in,
				    &outcome);
		good += fixture_turn_until(fx->ev, &outcome.done) &&
					outcome.ret == 0
				? 1
				: 0;
	}
	is_uint(good, 100, "100 jobs have the reserve, one after the other");
	is_int(fixture_gate_value(&started), 2, "which nobody else took");
	talloc_free(lane);
	fixture_gate_wait(&started, 3);
	ok(true, "when the lane has gone, others have it");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "the rest is run");
}

/* Lanes with limits appear while jobs run that nobody has counted. */
static void shaped_while_running(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 3);
	struct weft_lane_options options = { .reserved = 1, .max = 1 };
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate lane_started = { 0 };
	struct outcome held[6] = { { .done = false } };
	struct outcome in_lane[2] = { { .done = false } };
	struct weft_lane *lane = NULL;
	unsigned i = 0;

	for (i = 0; i < 6; i++) {
		(void)lanetest_hold(fx, pool, NULL, &started, &go, &held[i]);
	}
	fixture_gate_wait(&started, 3);
	lane = lanetest_lane(fx, pool, &options);
	for (i = 0; i < 2; i++) {
		(void)lanetest_hold(fx, pool, lane, &lane_started, &go,
				    &in_lane[i]);
	}
	is_int(fixture_gate_value(&lane_started), 0,
	       "all workers are taken: the lane waits");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "all are run");
	is_int(fixture_gate_value(&started), 6, "six of the own lane");
	is_int(fixture_gate_value(&lane_started), 2, "two of the new one");
	fixture_wait_until(pooltest_at_rest, pool);
	/* Nothing is left over in the books: it is as it would be. */
	go = (struct fixture_gate){ 0 };
	started = (struct fixture_gate){ 0 };
	for (i = 0; i < 6; i++) {
		held[i].done = false;
		(void)lanetest_hold(fx, pool, NULL, &started, &go, &held[i]);
	}
	fixture_gate_wait(&started, 2);
	(void)lanetest_hold(fx, pool, lane, &lane_started, &go, &in_lane[0]);
	fixture_gate_wait(&lane_started, 3);
	is_int(fixture_gate_value(&started), 2, "now two and the reserve run");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "all are run");
}

int main(void)
{
	POOLTEST(every_order);
	POOLTEST(crowded);
	POOLTEST(in_a_hurry);
	POOLTEST(reserve_stays_free);
	POOLTEST(shaped_while_running);
	return done();
}
