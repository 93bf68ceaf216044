/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lanes: several loops send to lanes with all kinds of limits, in one pool.
 *
 * In some rounds lanes come and go and the pool is resized meanwhile, in some
 * its jobs sleep. What must hold:
 *  1. No lane runs more of its jobs than its max, whatever happens.
 *  2. Where lanes and pool stay as they are, no reserve is ever taken: the sum
 *     over the lanes of what runs, or what is reserved if that is more, is at
 *     most the pool's max. What a job counts when it begins and ends is never
 *     more than what the pool counts, so the sum may be looked at by jobs.
 *  3. Each request ends, with a result that fits its lane's overflow.
 *  4. When all is quiet the books are balanced.
 *  5. Two jobs of different lanes wait for each other now and then, where both
 *     can run: one that is left waiting beside a worker that sleeps is noticed
 *     as a hang, however briefly the others run.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX  4
#define LANES      5
#define LANES_MORE 40
#define SENDS_MAX  400
#define OPEN_MAX   50

struct scene;

/* What the jobs of one lane know of it; stays until the round is over. */
struct track {
	struct scene *scene;
	unsigned max; /* UINT_MAX: none */
	unsigned reserved;
	enum weft_overflow overflow;
	bool may_go;   /* its handle, before its jobs are through */
	bool apart;    /* with a nice value: it has workers of its own */
	unsigned here; /* L(scene): so many run */
};

struct scene {
	struct weft_pool *pool;
	unsigned max;
	bool changes;         /* lanes come and go, the pool is resized */
	bool sleeps;          /* jobs do */
	bool meets;           /* two jobs can wait for each other */
	atomic_bool meeting;  /* A: relaxed: one pair at a time */
	atomic_uint arrivals; /* A: relaxed */
	pthread_mutex_t lock;
	struct track tracks[LANES + LANES_MORE]; /* the first is the own lane */
	struct weft_lane *lanes[LANES];
	unsigned track_count;
};

struct visit {
	struct track *track;
	pthread_t sender;
	unsigned kind;
	unsigned spin;
	bool refusable;
	bool meets;
};

struct loop {
	struct scene *scene;
	struct stress_dice dice;
	struct tevent_context *ev;
	struct weft_pool *pool; /* a handle of its own */
	unsigned open;
	unsigned meeting; /* so many of two are not back */
	unsigned sends;
};

/* ---- the job ---- */

/* L(scene) */
static void look(const struct scene *scene, const struct track *track)
{
	unsigned sum = 0;
	unsigned i = 0;

	if (track->here > track->max) {
		stress_fail("%u run in a lane of %u%s", track->here, track->max,
			    track->apart ? ", a nice one" : "");
	}
	if (scene->changes || scene->sleeps) {
		return;
	}
	for (i = 0; i < scene->track_count; i++) {
		const struct track *one = &scene->tracks[i];

		if (!one->apart) {
			sum += one->here > one->reserved ? one->here
							 : one->reserved;
		}
	}
	if (sum > scene->max) {
		stress_fail("a reserve is taken: %u in use of %u", sum,
			    scene->max);
	}
}

static void enter(struct track *track, int change)
{
	struct scene *scene = track->scene;

	(void)pthread_mutex_lock(&scene->lock);
	track->here += (unsigned)change;
	look(scene, track);
	(void)pthread_mutex_unlock(&scene->lock);
}

static void arrive(struct scene *scene)
{
	(void)atomic_fetch_add_explicit(&scene->arrivals, 1,
					memory_order_relaxed);
}

/* The other one is on its way, or has been refused. */
static void meet(struct scene *scene)
{
	arrive(scene);
	while (atomic_load_explicit(&scene->arrivals, memory_order_relaxed) <
	       2) {
		(void)sched_yield();
	}
}

static int work(struct weft_job *job, void *block)
{
	struct visit *visit = talloc_get_type_abort(block, struct visit);
	bool counts = !pthread_equal(visit->sender, pthread_self());
	unsigned i = 0;

	if (counts) {
		enter(visit->track, 1);
	}
	if (visit->meets) {
		meet(visit->track->scene);
	}
	switch (visit->kind) {
	case 0:
		for (i = 0; i < visit->spin && !weft_job_should_stop(job);
		     i++) {
		}
		break;
	case 1:
		(void)sched_yield();
		break;
	case 2:
		if (visit->track->scene->sleeps) {
			weft_blocking_begin();
			(void)sched_yield();
			weft_blocking_end();
		}
		break;
	default:
		break;
	}
	if (counts) {
		enter(visit->track, -1);
	}
	return 0;
}

/* ---- loops ---- */

static void done(struct tevent_req *req)
{
	struct loop *loop = tevent_req_callback_data_void(req);
	struct visit *visit = NULL;
	int ret = weft_job_recv(req, NULL, &visit);

	talloc_free(req);
	loop->open--;
	if (visit == NULL) {
		stress_fail("a block is gone, with %d", ret);
		return;
	}
	if (visit->meets) {
		loop->meeting--;
	}
	if (ret != 0 && visit->meets) {
		arrive(loop->scene);
	}
	if (ret != 0 && !(ret == EAGAIN && visit->refusable) &&
	    !((ret == ECANCELED || ret == ESHUTDOWN) && visit->track->may_go)) {
		stress_fail("the result is %d", ret);
	}
	talloc_free(visit);
}

static void send_one(struct loop *loop, struct track *track,
		     struct weft_lane *lane, bool meets)
{
	struct weft_job_options options = {
		.lane = lane,
		.priority = (enum weft_priority)(
			(int)stress_below(&loop->dice, 3) - 1),
	};
	struct visit *visit = talloc(NULL, struct visit);
	struct tevent_req *req = NULL;

	if (visit == NULL) {
		stress_give_up("no memory");
	}
	*visit = (struct visit){
		.track = track,
		.sender = pthread_self(),
		.kind = stress_below(&loop->dice, 5),
		.spin = stress_below(&loop->dice, 500),
		.refusable = track->overflow != WEFT_OVERFLOW_CALLER_RUNS,
		.meets = meets,
	};
	req = weft_job_send(loop->ev, loop->ev, loop->pool, work, &visit,
			    &options);
	if (req == NULL) {
		stress_give_up("no memory");
	}
	loop->open++;
	tevent_req_set_callback(req, done, loop);
}

static struct weft_lane *lane_new(struct stress_dice *dice, TALLOC_CTX *mem,
				  struct scene *scene, struct weft_pool *pool,
				  struct track *track)
{
	struct weft_lane_options options = {
		.max = stress_below(dice, 4),
		.weight = 1 + stress_below(dice, 20),
		.overflow = (enum weft_overflow)stress_below(dice, 3),
		.queue_limit = stress_once_in(dice, 2)
				       ? 1 + stress_below(dice, 8)
				       : 0,
		.nice = stress_once_in(dice, 8) ? 1 + stress_below(dice, 19)
						: 0,
	};
	struct weft_lane *lane = NULL;
	int ret = 0;

	if (options.nice == 0 && stress_once_in(dice, 2)) {
		options.reserved = 1;
	}
	ret = weft_lane_create(mem, pool, &options, &lane);
	if (ret == EINVAL || ret == ENOSPC) {
		return NULL;
	}
	if (ret != 0) {
		stress_give_up("no lane");
	}
	*track = (struct track){
		.scene = scene,
		.max = options.max != 0 ? options.max : UINT_MAX,
		.reserved = options.reserved,
		.overflow = options.overflow,
		.may_go = scene->changes,
		.apart = options.nice != 0,
	};
	return lane;
}

/* A lane of the loop's own, for a while. */
static void visit_own_lane(struct loop *loop)
{
	struct scene *scene = loop->scene;
	struct track *track = NULL;
	struct weft_lane *lane = NULL;
	unsigned jobs = stress_below(&loop->dice, 20);

	(void)pthread_mutex_lock(&scene->lock);
	if (scene->track_count < LANES + LANES_MORE) {
		track = &scene->tracks[scene->track_count++];
	}
	(void)pthread_mutex_unlock(&scene->lock);
	if (track == NULL) {
		return;
	}
	lane = lane_new(&loop->dice, loop->ev, scene, loop->pool, track);
	if (lane == NULL) {
		return;
	}
	while (jobs-- > 0) {
		send_one(loop, track, lane, false);
		stress_dawdle(&loop->dice);
	}
	talloc_free(lane);
}

/* A few that come and go let the workers look in vain; then two meet. */
static void send_two(struct loop *loop)
{
	struct scene *scene = loop->scene;
	unsigned which = 1 + stress_below(&loop->dice, LANES - 1);
	unsigned more = stress_below(&loop->dice, 4);

	if (scene->lanes[which] == NULL ||
	    atomic_exchange_explicit(&scene->meeting, true,
				     memory_order_relaxed)) {
		return;
	}
	atomic_store_explicit(&scene->arrivals, 0, memory_order_relaxed);
	while (more-- > 0) {
		send_one(loop, &scene->tracks[which], scene->lanes[which],
			 false);
	}
	send_one(loop, &scene->tracks[0], NULL, true);
	send_one(loop, &scene->tracks[which], scene->lanes[which], true);
	loop->meeting = 2;
	while (loop->meeting > 0) {
		(void)tevent_loop_once(loop->ev);
	}
	atomic_store_explicit(&scene->meeting, false, memory_order_relaxed);
}

static void step(struct loop *loop)
{
	struct scene *scene = loop->scene;
	unsigned which = stress_below(&loop->dice, LANES);

	if (scene->changes && stress_once_in(&loop->dice, 30)) {
		visit_own_lane(loop);
	}
	if (scene->meets && stress_once_in(&loop->dice, 5)) {
		send_two(loop);
	}
	if (scene->changes && stress_once_in(&loop->dice, 20)) {
		/* A reserve may be in the way: then nothing changes. */
		(void)weft_pool_resize(loop->pool, 0,
				       1 + stress_below(&loop->dice, 6));
	}
	if (which == 0 || scene->lanes[which] != NULL) {
		send_one(loop, &scene->tracks[which], scene->lanes[which],
			 false);
	}
	while (loop->open > OPEN_MAX ||
	       (loop->open > 0 && stress_once_in(&loop->dice, 3))) {
		(void)tevent_loop_once(loop->ev);
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;

	loop->ev = stress_context();
	loop->pool = stress_handle(loop->ev, loop->scene->pool);
	while (loop->sends-- > 0) {
		step(loop);
		stress_dawdle(&loop->dice);
	}
	(void)tevent_loop_wait(loop->ev);
	if (loop->open != 0) {
		stress_fail("%u requests have not ended", loop->open);
	}
	talloc_free(loop->ev);
	return NULL;
}

/* ---- the round ---- */

static void scene_open(struct scene *scene, struct stress_dice *dice,
		       unsigned threads)
{
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		/* One that stays does not look when it leaves. */
		.idle_ms = stress_once_in(dice, 2) ? UINT_MAX : 1,
		.spare = UINT_MAX,
	};
	unsigned i = 0;

	*scene = (struct scene){
		.max = options.max,
		.changes = stress_once_in(dice, 3),
		.sleeps = stress_once_in(dice, 3),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.track_count = LANES,
	};
	scene->meets = scene->max > 1 && !scene->changes;
	if (scene->sleeps) {
		options.spare = stress_below(dice, 4);
	}
	scene->pool = stress_pool(&options);
	for (i = 0; i < LANES; i++) {
		/* The own lane refuses nothing here: so much never waits. */
		scene->tracks[i] = (struct track){
			.scene = scene,
			.max = UINT_MAX,
			.overflow = WEFT_OVERFLOW_CALLER_RUNS,
		};
		if (i > 0) {
			scene->lanes[i] = lane_new(dice, scene->pool, scene,
						   scene->pool,
						   &scene->tracks[i]);
			scene->tracks[i].may_go = false;
		}
		scene->meets = scene->meets && scene->tracks[i].reserved == 0;
	}
}

static void scene_close(struct scene *scene)
{
	unsigned i = 0;

	stress_settle(scene->pool);
	for (i = 0; i < scene->track_count; i++) {
		if (scene->tracks[i].here != 0) {
			stress_fail("a lane is not empty");
		}
	}
	talloc_free(scene->pool);
}

static bool lanes_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	static struct scene scene;
	unsigned loop_count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	scene_open(&scene, dice, threads);
	for (i = 0; i < loop_count; i++) {
		loops[i] = (struct loop){
			.scene = &scene,
			.dice = stress_split(dice),
			.sends = stress_below(dice, SENDS_MAX),
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), loop_count);
	stress_crew_join(&crew);
	scene_close(&scene);
	return !stress_failed();
}

const struct stress_protocol stress_lanes = {
	.name = "lanes",
	.what = "lanes with limits and reserves, which come and go",
	.round = lanes_round,
};
