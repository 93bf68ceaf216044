/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool attach: a handle for each thread, which never dangles. */
#include "tests/lanetest.h"

/* A thread with a loop and a handle of its own. */
struct guest {
	pthread_t thread;
	struct weft_pool *pool; /* the maker's, until attached */
	struct fixture_gate attached;
	struct fixture_gate ended; /* the pool has, says the maker */
	int before;                /* of a job sent while the pool was there */
	int after;
	int lane;
	int resize;
	bool balanced;
};

static int guest_job(struct tevent_context *ev, struct weft_pool *pool,
		     struct weft_lane *lane)
{
	struct weft_job_options options = { .lane = lane };
	struct outcome outcome = { .done = false };

	(void)lanetest_send(ev, pool, quick_run, NULL, &options, &outcome);
	return fixture_turn_until(ev, &outcome.done) ? outcome.ret : -1;
}

static void *guest_run(void *arg)
{
	struct guest *guest = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct weft_lane *lane = NULL;
	struct weft_lane *late = NULL;
	struct weft_pool_stats stats;
	int ret = weft_pool_attach(ev, guest->pool, &pool);

	if (ret != 0 || weft_lane_create(ev, pool, NULL, &lane) != 0) {
		bail_out("weft_pool_attach: %d", ret);
	}
	guest->before = guest_job(ev, pool, lane);
	fixture_gate_add(&guest->attached, 1);
	fixture_gate_wait(&guest->ended, 1);
	guest->after = guest_job(ev, pool, NULL);
	if (guest->after == ESHUTDOWN) {
		guest->after = guest_job(ev, pool, lane);
	}
	guest->lane = weft_lane_create(ev, pool, NULL, &late);
	guest->resize = weft_pool_resize(pool, 0, 2);
	weft_pool_stop(pool);
	weft_pool_stats(pool, &stats);
	guest->balanced = stats.submitted == stats.completed + stats.withdrawn;
	talloc_free(ev);
	return NULL;
}

static void other_thread(struct fixture *fx)
{
	struct guest guest = { .pool = lanetest_pool(fx, 1) };

	if (pthread_create(&guest.thread, NULL, guest_run, &guest) != 0) {
		bail_out("pthread_create");
	}
	fixture_gate_wait(&guest.attached, 1);
	TALLOC_FREE(guest.pool);
	fixture_gate_add(&guest.ended, 1);
	(void)pthread_join(guest.thread, NULL);
	is_int(guest.before, 0, "another thread's handle works");
	is_int(guest.after, ESHUTDOWN,
	       "when the pool has ended jobs end with ESHUTDOWN");
	is_int(guest.lane, ESHUTDOWN, "and so do new lanes");
	is_int(guest.resize, 0, "all else is harmless");
	ok(guest.balanced, "the numbers are there");
}

static void freed_handle_ends_nothing(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_pool *handle = NULL;
	struct weft_pool *second = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcomes[3] = { { .done = false } };

	is_int(weft_pool_attach(fx->mem, pool, &handle), 0, "a handle");
	ok(handle != pool, "of its own");
	is_str(talloc_get_name(handle), "struct weft_pool",
	       "is a talloc object");
	is_int(weft_pool_attach(fx->mem, handle, &second), 0,
	       "a handle of a handle");
	(void)lanetest_hold(fx, handle, NULL, &started, &go, &outcomes[0]);
	(void)lanetest_hold(fx, handle, NULL, &started, &go, &outcomes[1]);
	fixture_gate_wait(&started, 1);
	is_uint(pooltest_stats(pool).running, 1, "the pool runs its jobs");
	TALLOC_FREE(handle);
	(void)lanetest_hold(fx, second, NULL, &started, &go, &outcomes[2]);
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "without the handle, too");
	ok(outcomes[0].ret == 0 && outcomes[1].ret == 0 && outcomes[2].ret == 0,
	   "all are run");
	is_uint(pooltest_stats(pool).completed, 3, "and counted as the pool's");
}

static void handle_stops_all(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 1);
	struct weft_pool *handle = NULL;
	struct outcome outcome = { .done = false };

	(void)weft_pool_attach(fx->mem, pool, &handle);
	weft_pool_stop(handle);
	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done), "it ends");
	is_int(outcome.ret, ESHUTDOWN, "a stop by any handle is the pool's");
}

static void lane_of_another_handle(struct fixture *fx)
{
	struct weft_lane_options options = { .max = 1 };
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_pool *handle = NULL;
	struct weft_lane *lane = NULL;

	(void)weft_pool_attach(fx->mem, pool, &handle);
	lane = lanetest_lane(fx, handle, &options);
	is_int(guest_job(fx->ev, pool, lane), 0,
	       "a lane made by one handle is that of all");
	TALLOC_FREE(handle);
	is_int(guest_job(fx->ev, pool, lane), 0, "and outlives it");
	is_uint(lanetest_stats(pool, lane).completed, 2, "two were run there");
}

/* The last handle, long after the pool: nothing is left then. */
static void outlives(struct fixture *fx)
{
	struct weft_pool *pool = lanetest_pool(fx, 2);
	struct weft_pool *handle = NULL;
	struct weft_lane *lane = lanetest_lane(fx, pool, NULL);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome running = { .done = false };
	unsigned before = fixture_thread_count();

	(void)weft_pool_attach(fx->mem, pool, &handle);
	(void)lanetest_hold(fx, pool, lane, &started, &go, &running);
	fixture_gate_wait(&started, 1);
	TALLOC_FREE(pool);
	is_int(guest_job(fx->ev, handle, lane), ESHUTDOWN, "it has ended");
	is_uint(pooltest_stats(handle).running, 1, "one job runs still");
	is_uint(lanetest_stats(handle, lane).running, 1, "in its lane");
	fixture_gate_add(&go, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "to its end");
	is_int(running.ret, 0, "and has its result");
	fixture_wait_threads(before + TEST_TSAN);
	is_uint(pooltest_stats(handle).completed, 1, "which is counted");
	TALLOC_FREE(handle);
	TALLOC_FREE(lane);
	ok(true, "the handle goes before the lane");
}

/* Guests that come and go while the pool ends. */
struct party {
	struct weft_pool *pool;
	struct fixture_gate attached;
	struct fixture_gate left;
	atomic_uint strange; /* A: relaxed */
};

static void party_run(unsigned index, void *arg)
{
	struct party *party = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	int ret = 0;

	(void)index;
	(void)weft_pool_attach(ev, party->pool, &pool);
	fixture_gate_add(&party->attached, 1);
	while (ret == 0) {
		ret = guest_job(ev, pool, NULL);
	}
	if (ret != ESHUTDOWN && ret != ECANCELED) {
		(void)atomic_fetch_add_explicit(&party->strange, 1,
						memory_order_relaxed);
	}
	talloc_free(ev);
}

static void freed_under_load(struct fixture *fx)
{
	struct party party = { .pool = lanetest_pool(fx, 2) };
	struct fixture_threads *threads = fixture_threads_start(3, party_run,
								&party);

	fixture_gate_wait(&party.attached, 3);
	TALLOC_FREE(party.pool);
	fixture_threads_join(threads);
	is_uint(atomic_load_explicit(&party.strange, memory_order_relaxed), 0,
		"whoever sends meanwhile hears ESHUTDOWN or ECANCELED");
}

int main(void)
{
	POOLTEST(other_thread);
	POOLTEST(freed_handle_ends_nothing);
	POOLTEST(handle_stops_all);
	POOLTEST(lane_of_another_handle);
	POOLTEST(outlives);
	POOLTEST(freed_under_load);
	return done();
}
