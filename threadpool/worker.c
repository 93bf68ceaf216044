/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker: a thread that runs work.
 *
 *      born, with the token ---> search ---> found: token back, call the next
 *                                  ^  |             if there is more; run it
 *                                  |  v
 *                            woken |  look on for a moment (linger.c)
 *                                  |  v
 *                                  |  enter the park, look again, sleep
 *                                  |  |
 *                                  '--+--> nothing for idle_ms: leave, look
 *                                          again, gone
 *
 *  1. No thread exists before a job needs it.
 *  2. A birth counts as a searching worker from its decision on (park.c),
 *     until it enters the user's worker_init, which may take long: from then
 *     on as one between two jobs [PK3], so that nobody more is born for the
 *     same jobs but the idle are woken. If it fails, by pthread_create() or by
 *     worker_init, what it has of token and count goes back and the queues are
 *     looked at: somebody gets the token, or, if no worker is left, all queued
 *     jobs go home with the reason.
 *  3. A worker holds a share of the crew and touches nothing else of the pool;
 *     so the pool's handle may go at any time. After its last unref it runs
 *     only this function's end: the library is linked never to be unloaded.
 *  4. Where several lanes have jobs that may run (gate.c) they take turns by
 *     their weights, each worker keeping its own accounts: so no number is
 *     shared.
 *  5. [LN1] Whoever has made room in a lane, by the end of a job, looks at all
 *     queues again when it has found its next one: there may be more than one.
 *
 * In a child forked off by a job, the job's thread is alone. If it comes back
 * here it ends, and with it the child: a pool's threads do not survive a fork.
 *
 * Threads: see the header.  Ordering: [DR1], [LN1]; the rest through park.h.
 * Not here: which thread sleeps and wakes (park.c), what a job goes through
 * (run.c), how jobs that will not run are taken out (worker_evict.c), what a
 * thread blocks and is called (thread.c).
 */
#include "threadpool/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/order.h"
#include "threadpool/crews.h"
#include "threadpool/drain.h"
#include "threadpool/gate.h"
#include "threadpool/grace.h"
#include "threadpool/linger.h"
#include "threadpool/mark.h"
#include "threadpool/run.h"
#include "threadpool/sim_worker.h"
#include "threadpool/thread.h"
#include "threadpool/watch.h"
#include "threadpool/work.h"
#include "threadpool/worker_inside.h"

/* The worker that this thread is. */
static _Thread_local struct wf_worker *worker_self;

struct wf_worker *wf_worker_self(void)
{
	return worker_self;
}

struct wf_worker *wf_worker_become(struct wf_worker *worker)
{
	struct wf_worker *before = worker_self;

	worker_self = worker;
	return before;
}

/* ---- taking work out of the queues ---- */

static struct weft_job *worker_job(struct wf_queued *queued)
{
	return tev_container_of(queued, struct weft_job, queued);
}

static bool worker_claim(struct wf_queued *queued, void *arg)
{
	struct wf_worker *worker = arg;
	bool mine = false;

	/* Before the claim, which is the read-modify-write that wf_park_found()
	 * asks for. */
	wf_park_busy(&worker->bed);
	mine = wf_work_start(worker_job(queued));
	if (tev_unlikely(!mine)) {
		wf_park_not_busy(&worker->bed);
	}
	return mine;
}

/* The lane that is next among those that have jobs which may run: each gets its
 * weight, the richest is served and pays for all. So over time each is served
 * as its weight says, evenly, and one that was empty has saved nothing. */
static struct wf_lane *worker_pick(struct wf_worker *worker, uint32_t tried)
{
	struct wf_crew *crew = worker->crew;
	unsigned count = wf_lane_count(crew);
	struct wf_lane *best = NULL;
	int total = 0;
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);
		int weight = 0;

		if ((tried & (1U << i)) != 0 || wf_lane_queued(lane) == 0 ||
		    !wf_lane_is_open(lane)) {
			continue;
		}
		weight = (int)wf_lane_option(&lane->weight);
		worker->credit[i] += weight;
		total += weight;
		if (best == NULL ||
		    worker->credit[i] > worker->credit[best->index]) {
			best = lane;
		}
	}
	if (best != NULL) {
		worker->credit[best->index] -= total;
	}
	return best;
}

/* Each worker begins at another shard, and each time behind the one that it
 * was served by: a queue that never runs dry keeps nobody from the others. */
static struct weft_job *worker_take(struct wf_worker *worker,
				    struct wf_lane *lane)
{
	unsigned mask = worker->crew->shard_count - 1;
	unsigned i = 0;

	for (i = 0; i <= mask; i++) {
		unsigned at = (worker->next_shard + i) & mask;
		struct wf_queued *queued = wf_shard_pop(&lane->shards[at],
							worker_claim, worker);

		if (queued != NULL) {
			worker->next_shard = at + 1;
			wf_lane_changed(lane);
			return worker_job(queued);
		}
	}
	return NULL;
}

static void worker_leave(const struct wf_worker *worker, struct wf_lane *lane)
{
	if (tev_unlikely(worker->counted)) {
		wf_lane_leave(lane);
	}
}

static struct weft_job *worker_enter(struct wf_worker *worker,
				     struct wf_lane *lane)
{
	struct weft_job *job = NULL;

	if (!wf_lane_enter(lane, &worker->counted)) {
		return NULL;
	}
	job = worker_take(worker, lane);
	if (job == NULL) {
		worker_leave(worker, lane);
	}
	return job;
}

struct weft_job *wf_worker_search(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;
	uint32_t tried = 0;

	if (tev_likely(wf_lane_count(crew) == 1 && !wf_gate_is_shaped(crew))) {
		worker->counted = false;
		return worker_take(worker, wf_lane_at(crew, 0));
	}
	for (;;) {
		struct wf_lane *lane = worker_pick(worker, tried);
		struct weft_job *job = NULL;

		if (lane == NULL) {
			return NULL;
		}
		job = worker_enter(worker, lane);
		if (job != NULL) {
			return job;
		}
		tried |= 1U << lane->index;
	}
}

/* ---- birth ---- */

static int worker_birth(struct wf_crew *crew);

/* A crew without workers whose jobs this thread is sending home. */
struct worker_refusal {
	struct worker_refusal *outer;
	struct wf_crew *crew;
	bool again; /* jobs have moved up, and there is still nobody */
};
static _Thread_local struct worker_refusal *worker_refusals;

/* What a refused job lets in behind itself must not be refused inside of that:
 * a key may have any number of jobs. Whoever refuses goes on with it. */
static bool worker_leave_to_outer(struct wf_crew *crew)
{
	struct worker_refusal *at = worker_refusals;

	while (at != NULL && at->crew != crew) {
		at = at->outer;
	}
	if (at == NULL) {
		return false;
	}
	at->again = true;
	return true;
}

/* Jobs wait. Perhaps some of those that are busy sleep. */
static void worker_watch(struct wf_crew *crew)
{
	if (crew->park.spare != 0 && !wf_watch_is_awake(crew) &&
	    wf_park_all_taken(&crew->park)) {
		wf_watch_call(crew, wf_worker_call);
	}
}

/* There is no worker: what came up to now goes home. What comes later sees that
 * for itself [PK1], and has a birth of its own tried.
 * Return: whether more has moved up meanwhile. */
static bool worker_refuse(struct wf_crew *crew, int error)
{
	struct worker_refusal here = { .outer = worker_refusals, .crew = crew };
	uint64_t last[WF_LANES_MAX][WF_CREW_SHARDS_MAX] = { { 0 } };
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;
	unsigned j = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < crew->shard_count; j++) {
			last[i][j] = wf_shard_last(
				&wf_lane_at(crew, i)->shards[j]);
		}
	}
	worker_refusals = &here;
	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		for (j = 0; j < crew->shard_count; j++) {
			while (wf_worker_evict_one(lane, &lane->shards[j],
						   WF_PRIORITIES - 1,
						   last[i][j], error)) {
			}
		}
		wf_lane_changed(lane);
	}
	worker_refusals = here.outer;
	return here.again;
}

/* Goes on as long as births fail and others may be asked. */
void wf_worker_after_failure(struct wf_crew *crew, int error, bool token)
{
	for (;;) {
		enum wf_park_woken left = wf_park_birth_failed(&crew->park,
							       token);
		enum wf_park_woken woken = WF_PARK_NOBODY;

		if (!wf_crew_has_jobs(crew)) {
			return;
		}
		if (left == WF_PARK_NOBODY) {
			if (worker_leave_to_outer(crew) ||
			    !worker_refuse(crew, error)) {
				return;
			}
		}
		woken = wf_park_wake(&crew->park);
		if (woken == WF_PARK_NOBODY && crew->park.spare != 0) {
			/* For a while no birth is tried. Those who are there
			 * may be busy for ever: the watch tries again. */
			wf_watch_call(crew, wf_worker_call);
		}
		if (woken != WF_PARK_BIRTH) {
			return;
		}
		error = worker_birth(crew);
		if (error == 0) {
			return;
		}
		token = true;
	}
}

/* No job may run, perhaps because of the pool's own limit, of which others have
 * reserved a part: then a sleeper's place is wanted, too. */
static void worker_watch_held_up(struct wf_crew *crew)
{
	if (crew->park.spare != 0 && !wf_watch_is_awake(crew) &&
	    wf_gate_is_shaped(crew) && wf_crew_wants_room(crew)) {
		wf_watch_call(crew, wf_worker_call);
	}
}

void wf_worker_call(struct wf_crew *crew)
{
	enum wf_park_woken woken = wf_park_wake(&crew->park);
	int error = 0;

	if (woken == WF_PARK_NOBODY) {
		worker_watch(crew);
		return;
	}
	if (woken != WF_PARK_BIRTH) {
		return;
	}
	error = worker_birth(crew);
	if (error != 0) {
		wf_worker_after_failure(crew, error, true);
	}
}

/* Nobody can be woken, or somebody looks already; and nobody who is busy has to
 * be watched. */
static bool worker_all_seen_to(struct wf_crew *crew)
{
	struct wf_park *park = &crew->park;

	return wf_park_is_searching(park) ||
	       (wf_park_is_full(park) &&
		(park->spare == 0 || wf_watch_is_awake(crew)));
}

void wf_worker_call_sent(struct wf_lane *lane)
{
	struct wf_crew *crew = lane->crew;

	/* [PK1] full fence, with the send: the job sent, park and watch loaded.
	 * Do not weaken. */
	tev_fence_after_rmw();
	if (tev_unlikely(wf_gate_is_shaped(crew) ||
			 !worker_all_seen_to(crew))) {
		wf_worker_call_for(lane);
	}
}

void wf_worker_call_for(struct wf_lane *lane)
{
	struct wf_crew *crew = lane->crew;

	if (wf_gate_is_shaped(crew)) {
		/* [LN1] full fence: the job's count stored, who runs loaded. */
		tev_fence_full();
		if (!wf_lane_is_open(lane)) {
			worker_watch_held_up(crew);
			return;
		}
	}
	wf_worker_call(crew);
}

/* ---- the thread ---- */

void wf_worker_give_token(struct wf_worker *worker, bool token)
{
	struct wf_crew *crew = worker->crew;
	bool look = wf_park_found(&crew->park, token);

	/* Who found it on its way to the next job did not call the watch. */
	look = look || (crew->park.spare != 0 && !wf_watch_is_awake(crew));
	/* [LN1] In a shaped crew it may have made room in another lane than the
	 * one that it has taken this job from. */
	if (look || worker->owes_look || worker->counted) {
		worker->owes_look = false;
		if (wf_crew_has_jobs(crew)) {
			wf_worker_call(crew);
		} else {
			worker_watch_held_up(crew);
		}
	}
}

bool wf_worker_run_here(struct wf_worker *worker, struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	struct wf_ran ran = { .next = NULL };
	bool here = false;

	if (worker != NULL) {
		/* It was last through with something before its parent began.
		 */
		worker->now_ns = 0;
	}
	here = wf_run(worker, job, &ran);
	if (!here) {
		return false;
	}
	if (worker != NULL) {
		wf_park_count(&worker->bed);
	}
	job->ops->end(job, ran.error, ran.ran);
	if (ran.next != NULL) {
		wf_worker_call(ran.next);
	}
	wf_lane_changed(lane);
	return true;
}

bool wf_worker_run(struct wf_worker *worker, struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	struct wf_crew *crew = worker->crew;
	struct wf_ran ran = { .next = NULL };
	bool here = wf_run(worker, job, &ran);

	if (!here) {
		return false;
	}
	/* It searches in a moment, so nobody is woken for that one yet. */
	worker->owes_look = ran.next == crew;
	worker->nesting = 0;
	worker_leave(worker, lane);
	wf_park_awake(&crew->park, &worker->bed);
	wf_park_done(&worker->bed);
	job->ops->end(job, ran.error, ran.ran);
	if (ran.next != NULL && ran.next != crew) {
		wf_worker_call(ran.next);
	}
	/* [DR1] release: the end is posted; pairs with drain.c. */
	atomic_store_explicit(&worker->bed.serving, false,
			      memory_order_release);
	return true;
}

/* It sleeps, or wants to. Return: false: the worker leaves; it is not counted
 * any more. */
static bool worker_sleep(struct wf_worker *worker, bool *token)
{
	struct wf_crew *crew = worker->crew;
	struct wf_park *park = &crew->park;
	bool woken = wf_park_sleep(park, &worker->bed, crew->idle_ms);
	bool left = false;

	if (woken) {
		*token = true;
		return true;
	}
	left = wf_park_leave(park, &worker->bed, token);
	if (!left) {
		return true;
	}
	if (wf_crew_has_jobs(crew)) {
		*token = wf_park_return(park);
		return *token;
	}
	return false;
}

/* Nothing found. Return: false: the worker leaves; it is not counted any
 * more. */
static bool worker_idle(struct wf_worker *worker, bool *token)
{
	struct wf_crew *crew = worker->crew;
	bool stays = false;

	if (wf_linger(worker, token)) {
		return true;
	}
	stays = wf_park_enter(&crew->park, &worker->bed, *token);
	*token = false;
	worker->now_ns = 0;
	worker->owes_look = false;
	wf_drain_look(crew);
	if (!stays) {
		return false;
	}
	if (wf_crew_has_jobs(crew)) {
		*token = wf_park_cancel(&crew->park, &worker->bed);
		return true;
	}
	worker_watch_held_up(crew);
	return worker_sleep(worker, token);
}

/* Too many are active: the others do what is left.
 * Return: true: the worker leaves; it is not counted any more. */
static bool worker_quits(struct wf_worker *worker, bool *token)
{
	struct wf_crew *crew = worker->crew;
	enum wf_park_quit quit = WF_PARK_GOES_ON;

	if (tev_likely(!wf_park_is_surplus(&crew->park))) {
		return false;
	}
	/* [LN1] full fence: room made, queues loaded; it has claimed nothing
	 * since. */
	tev_fence_full();
	wf_worker_give_token(worker, *token);
	*token = false;
	quit = wf_park_quit(&crew->park, &worker->bed);
	if (quit == WF_PARK_GOES_ON) {
		return false;
	}
	worker->now_ns = 0;
	if (wf_crew_has_jobs(crew)) {
		worker_watch(crew);
	}
	wf_drain_look(crew);
	return quit == WF_PARK_LEAVES || !worker_sleep(worker, token);
}

/* Until there is nothing to do. Return: false: this is a forked child. */
static bool worker_turn(struct wf_worker *worker, bool token)
{
	for (;;) {
		bool quits = worker_quits(worker, &token);
		struct weft_job *job = quits ? NULL : wf_worker_search(worker);
		bool goes_on = false;

		if (job != NULL) {
			wf_worker_give_token(worker, token);
			token = false;
			goes_on = wf_worker_run(worker, job);
			if (tev_unlikely(!goes_on)) {
				return false;
			}
			wf_grace_relieve();
			continue;
		}
		goes_on = !quits && worker_idle(worker, &token);
		if (!goes_on) {
			return true;
		}
	}
}

static void worker_free(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;
	unsigned i = 0;

	wf_gate_lock(crew);
	wf_park_part(&crew->park, &worker->bed);
	for (i = 0; i < WF_LANES_MAX; i++) {
		if (worker->tallies[i] != NULL) {
			wf_tally_merge(&wf_lane_at(crew, i)->left,
				       worker->tallies[i]);
			free(worker->tallies[i]);
		}
	}
	wf_gate_unlock(crew);
	free(worker);
	wf_crew_unref(crew);
}

bool wf_worker_begin(struct wf_worker *worker, bool *token)
{
	struct wf_crew *crew = worker->crew;
	int error = 0;

	if (crew->worker_init == NULL) {
		return true;
	}
	/* It may take long: meanwhile the idle are to be woken. */
	wf_worker_give_token(worker, *token);
	*token = false;
	error = crew->worker_init(&worker->state, crew->worker_private);
	if (error != 0) {
		wf_worker_after_failure(crew, error, false);
		worker_free(worker);
		return false;
	}
	return true;
}

void wf_worker_end(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;

	if (crew->worker_fini != NULL) {
		crew->worker_fini(worker->state, crew->worker_private);
	}
	worker_free(worker);
}

/* Return: false: this is a forked child. */
static bool worker_live(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;
	bool token = true;

	wf_thread_set_name(crew->name, (int)worker->bed.number + 1);
	wf_thread_set_nice(crew->nice);
	(void)pthread_sigmask(SIG_SETMASK, &crew->blocked, NULL);
	wf_park_known(&crew->park, &worker->bed);
	if (!wf_worker_begin(worker, &token)) {
		return true;
	}
	if (!worker_turn(worker, token)) {
		return false;
	}
	wf_worker_end(worker);
	return true;
}

static void *worker_main(void *arg)
{
	bool here = true;

	worker_self = arg;
	wf_grace_helper_begin();
	here = worker_live(arg);
	worker_self = NULL;
	if (here) {
		wf_grace_helper_end();
		wf_grace_reap();
	}
	return NULL;
}

/* Return: 0 or why there is no thread. */
static int worker_birth(struct wf_crew *crew)
{
	struct wf_worker *worker = NULL;
	int ret = posix_memalign((void **)&worker, TEV_CACHE_LINE,
				 sizeof(*worker));

	if (ret != 0) {
		return ret;
	}
	*worker = (struct wf_worker){ .generation = crew->generation };
	worker->crew = wf_crew_ref(crew);
	/* Relaxed: a number to share out. */
	worker->bed.number = atomic_fetch_add_explicit(&crew->next_worker, 1,
						       memory_order_relaxed);
	worker->next_shard = worker->bed.number;
	wf_park_join(&crew->park, &worker->bed);

	ret = crew->simulated ? wf_sim_worker_start(worker)
			      : wf_thread_start(crew->stack_size, NULL,
						worker_main, worker);
	if (ret != 0) {
		worker_free(worker);
	}
	return ret;
}
