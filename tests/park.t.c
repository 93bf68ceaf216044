/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park: who is woken, who is born, where the token is. One thread plays all
 * parts; the orders that threads can bring about are in docs/models/park.pml.
 */
#include <limits.h>

#include "tests/tap.h"
#include "threadpool/park.h"

#define WORKERS 4

static struct wf_park park;
static struct wf_bed beds[WORKERS];

/* @count workers are there, each runs a job, nobody searches. */
static void begin_spare(unsigned min, unsigned max, unsigned spare,
			unsigned count)
{
	unsigned i = 0;

	wf_park_init(&park, min, max, spare);
	for (i = 0; i < count; i++) {
		is_int(wf_park_wake(&park), WF_PARK_BIRTH, "worker %u is born",
		       i);
		wf_park_join(&park, &beds[i]);
		wf_park_busy(&beds[i]);
		(void)wf_park_found(&park, true);
	}
}

static void begin(unsigned min, unsigned max, unsigned count)
{
	begin_spare(min, max, 0, count);
}

static void test_births(void)
{
	begin(0, 2, 0);
	is_int(wf_park_wake(&park), WF_PARK_BIRTH, "nobody there: a birth");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "the newborn searches");
	wf_park_join(&park, &beds[0]);
	wf_park_busy(&beds[0]);
	ok(wf_park_found(&park, true), "others relied on the newborn");
	is_int(wf_park_wake(&park), WF_PARK_BIRTH, "it is busy: another");
	wf_park_join(&park, &beds[1]);
	wf_park_busy(&beds[1]);
	(void)wf_park_found(&park, true);
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "not more than the most");
	wf_park_fini(&park);
}

static void test_between_jobs(void)
{
	begin(0, 2, 1);
	wf_park_done(&beds[0]);
	is_int(wf_park_wake(&park), WF_PARK_NOBODY,
	       "no birth while a worker is about to look");
	wf_park_busy(&beds[0]);
	ok(wf_park_found(&park, false), "it looks again, without the token");
	is_int(wf_park_wake(&park), WF_PARK_BIRTH, "and then it is busy");
	wf_park_fini(&park);
}

static void test_latest_first(void)
{
	unsigned i = 0;

	begin(0, 3, 3);
	for (i = 0; i < 3; i++) {
		wf_park_done(&beds[i]);
		ok(wf_park_enter(&park, &beds[i], false), "worker %u rests", i);
	}
	is_int(wf_park_wake(&park), WF_PARK_WOKEN, "one is woken");
	ok(wf_park_sleep(&park, &beds[2], 0), "the one that came last");
	ok(!wf_park_sleep(&park, &beds[1], 1), "not the one before");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "it has the token");
	(void)wf_park_found(&park, true);
	is_int(wf_park_wake(&park), WF_PARK_WOKEN, "it gave the token back");
	ok(wf_park_sleep(&park, &beds[1], 0), "the next one has it");
	wf_park_fini(&park);
}

static void test_second_thoughts(void)
{
	begin(0, 2, 2);
	wf_park_done(&beds[0]);
	wf_park_done(&beds[1]);
	(void)wf_park_enter(&park, &beds[0], false);
	ok(wf_park_cancel(&park, &beds[0]), "up again: it takes the token");
	(void)wf_park_enter(&park, &beds[1], false);
	ok(!wf_park_cancel(&park, &beds[1]), "only one can have it");
	(void)wf_park_enter(&park, &beds[0], true);
	is_int(wf_park_wake(&park), WF_PARK_WOKEN, "rest gives it back");
	ok(wf_park_cancel(&park, &beds[0]), "popped meanwhile: it is ours");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "so nobody else is woken");
	wf_park_fini(&park);
}

static void test_leaving(void)
{
	bool token = true;

	begin(1, 2, 2);
	wf_park_done(&beds[0]);
	wf_park_done(&beds[1]);
	(void)wf_park_enter(&park, &beds[0], false);
	(void)wf_park_enter(&park, &beds[1], false);
	is_int(wf_park_wake(&park), WF_PARK_WOKEN, "the second is woken");
	ok(!wf_park_leave(&park, &beds[1], &token) && token,
	   "who is woken does not leave");
	ok(wf_park_leave(&park, &beds[0], &token), "the other may");
	ok(!wf_park_return(&park), "it does not stay: somebody searches");
	wf_park_part(&park, &beds[0]);
	(void)wf_park_enter(&park, &beds[1], true);
	token = true;
	ok(!wf_park_leave(&park, &beds[1], &token) && !token,
	   "the minimum stays");
	wf_park_fini(&park);
}

static void test_staying(void)
{
	bool token = false;

	begin(0, 1, 1);
	wf_park_done(&beds[0]);
	(void)wf_park_enter(&park, &beds[0], false);
	ok(wf_park_leave(&park, &beds[0], &token), "it leaves");
	ok(wf_park_return(&park), "a job came: it stays, with the token");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "so nobody is born");
	wf_park_fini(&park);
}

static void test_failed_births(void)
{
	begin(0, 2, 0);
	(void)wf_park_wake(&park);
	is_int(wf_park_birth_failed(&park, true), WF_PARK_NOBODY,
	       "the only birth fails: nobody is there");
	is_int(wf_park_wake(&park), WF_PARK_BIRTH, "the token is free again");
	wf_park_join(&park, &beds[0]);
	wf_park_busy(&beds[0]);
	(void)wf_park_found(&park, true);
	is_uint(park.births_failed, 1, "it is counted");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY,
	       "beside a living worker the next try waits a little");
	wf_park_fini(&park);
}

static void test_stop(void)
{
	begin(0, 2, 2);
	wf_park_done(&beds[0]);
	(void)wf_park_enter(&park, &beds[0], false);
	wf_park_stop(&park);
	ok(wf_park_sleep(&park, &beds[0], 0), "who rests is woken");
	ok(!wf_park_enter(&park, &beds[0], true), "and may not rest again");
	wf_park_done(&beds[1]);
	ok(!wf_park_enter(&park, &beds[1], false), "nor may others");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "and none is born");
	is_uint(wf_park_count_completed(&park), 2, "what they did counts");
	wf_park_fini(&park);
}

/* Another worker is born, takes a job and gives the token back. */
static void born(struct wf_bed *bed)
{
	is_int(wf_park_wake(&park), WF_PARK_BIRTH, "another is born");
	wf_park_join(&park, bed);
	wf_park_busy(bed);
	(void)wf_park_found(&park, true);
}

static void rest(struct wf_bed *bed)
{
	wf_park_done(bed);
	(void)wf_park_enter(&park, bed, false);
}

static void test_blocked(void)
{
	begin_spare(0, 1, 2, 1);
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "one is all there is");
	ok(wf_park_is_full(&park), "it is active");
	wf_park_block(&park, &beds[0]);
	ok(!wf_park_is_full(&park), "now it sleeps in the system");
	is_uint(wf_park_limit(&park), 2, "so there may be two");
	born(&beds[1]);
	is_uint(park.spares, 1, "it came for a blocked one");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "one at a time");
	wf_park_block(&park, &beds[1]);
	born(&beds[2]);
	wf_park_block(&park, &beds[2]);
	is_uint(wf_park_limit(&park), 3, "not more than that are spare");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "so nobody is born");
	wf_park_unblock(&park, &beds[2]);
	is_uint(wf_park_limit(&park), 3, "two others are still blocked");
	wf_park_fini(&park);
}

static void test_surplus(void)
{
	begin_spare(0, 1, 2, 1);
	wf_park_block(&park, &beds[0]);
	born(&beds[1]);
	ok(!wf_park_is_surplus(&park), "one is blocked, one is active");
	is_int(wf_park_quit(&park, &beds[1]), WF_PARK_GOES_ON, "neither rests");
	wf_park_unblock(&park, &beds[0]);
	ok(wf_park_is_surplus(&park), "one is back: one is too many");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "nobody more is woken");
	wf_park_done(&beds[1]);
	is_int(wf_park_quit(&park, &beds[1]), WF_PARK_RESTS,
	       "the first that is through rests");
	wf_park_done(&beds[0]);
	is_int(wf_park_quit(&park, &beds[0]), WF_PARK_GOES_ON, "and no other");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "nor is it woken");
	wf_park_busy(&beds[0]);
	wf_park_block(&park, &beds[0]);
	is_int(wf_park_wake(&park), WF_PARK_WOKEN,
	       "until the other one sleeps in the system again");
	ok(wf_park_sleep(&park, &beds[1], 0), "it has the token");
	is_uint(park.births, 2, "and nobody was born for that");
	wf_park_fini(&park);
}

static void test_stopped_surplus(void)
{
	begin_spare(0, 1, 1, 1);
	wf_park_block(&park, &beds[0]);
	born(&beds[1]);
	wf_park_unblock(&park, &beds[0]);
	wf_park_stop(&park);
	wf_park_done(&beds[1]);
	is_int(wf_park_quit(&park, &beds[1]), WF_PARK_LEAVES,
	       "in a stopped park it leaves");
	is_uint(park.workers, 1, "and is not counted any more");
	wf_park_fini(&park);
}

static void test_all_taken(void)
{
	begin_spare(0, 2, 1, 2);
	ok(wf_park_all_taken(&park), "two are busy, there are no more");
	wf_park_done(&beds[0]);
	ok(!wf_park_all_taken(&park), "one is between two jobs: it will look");
	rest(&beds[0]);
	ok(!wf_park_all_taken(&park), "one is idle");
	is_int(wf_park_wake(&park), WF_PARK_WOKEN, "it is woken");
	wf_park_busy(&beds[0]);
	ok(!wf_park_all_taken(&park), "who has the token will look");
	(void)wf_park_found(&park, true);
	ok(wf_park_all_taken(&park), "then all are taken again");
	wf_park_block(&park, &beds[1]);
	ok(!wf_park_all_taken(&park), "unless one of them sleeps");
	wf_park_fini(&park);
}

static void test_idle_spare(void)
{
	begin_spare(0, 1, 1, 1);
	wf_park_block(&park, &beds[0]);
	born(&beds[1]);
	rest(&beds[1]);
	wf_park_unblock(&park, &beds[0]);
	ok(wf_park_is_full(&park), "one is active, one idle");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "the idle one stays so");
	wf_park_block(&park, &beds[0]);
	is_int(wf_park_wake(&park), WF_PARK_WOKEN,
	       "until the active one sleeps in the system");
	ok(wf_park_sleep(&park, &beds[1], 0), "it has the token");
	wf_park_fini(&park);
}

static void test_blocked_through(void)
{
	begin_spare(0, 1, 1, 1);
	wf_park_block(&park, &beds[0]);
	wf_park_awake(&park, &beds[0]);
	wf_park_done(&beds[0]);
	is_uint(wf_park_limit(&park), 1, "who is through is awake");
	wf_park_awake(&park, &beds[0]);
	is_uint(park.blocked, 0, "once");
	wf_park_lock(&park);
	wf_park_see_locked(&park, &beds[0], true);
	wf_park_unlock(&park);
	is_uint(park.blocked, 1, "seen to be asleep");
	wf_park_block(&park, &beds[0]);
	is_uint(park.blocked, 1, "who also says so counts once");
	wf_park_unblock(&park, &beds[0]);
	is_uint(park.blocked, 0, "and is back when it says so");
	wf_park_fini(&park);
}

static void test_grow(void)
{
	begin(0, 1, 1);
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "one is all there is");
	wf_park_resize(&park, 0, 2);
	is_uint(wf_park_limit(&park), 2, "now two may be there");
	born(&beds[1]);
	is_uint(park.spares, 0, "which is no spare one");
	wf_park_fini(&park);
}

static void test_shrink(void)
{
	bool token = true;

	begin(0, 3, 3);
	rest(&beds[0]);
	rest(&beds[1]);
	wf_park_resize(&park, 0, 2);
	ok(!wf_park_sleep(&park, &beds[0], UINT_MAX),
	   "the one that has been idle longest is sent away");
	ok(wf_park_leave(&park, &beds[0], &token) && !token,
	   "it leaves, without the token");
	wf_park_part(&park, &beds[0]);
	is_uint(park.workers, 2, "it was counted once");
	is_uint(park.idlers, 1, "the other one stays idle");
	wf_park_resize(&park, 0, 1);
	ok(!wf_park_sleep(&park, &beds[1], UINT_MAX), "until it, too, is one "
						      "too many");
	ok(wf_park_cancel(&park, &beds[1]), "it sees a job before it leaves");
	is_uint(park.workers, 2, "and is here again");
	wf_park_busy(&beds[1]);
	(void)wf_park_found(&park, true);
	wf_park_done(&beds[2]);
	is_int(wf_park_quit(&park, &beds[2]), WF_PARK_LEAVES,
	       "then it is one of the busy ones that goes");
	wf_park_fini(&park);
}

static void test_minimum_falls(void)
{
	bool token = true;

	begin(1, 2, 1);
	rest(&beds[0]);
	wf_park_resize(&park, 0, 2);
	ok(!wf_park_sleep(&park, &beds[0], 1), "it does not sleep for ever");
	ok(wf_park_leave(&park, &beds[0], &token), "and leaves");
	wf_park_fini(&park);
}

/* A worker whose place is the limit's, because one that was blocked is back,
 * hands what it has seen over to an idle one. */
static void test_returning_to_a_full_house(void)
{
	bool token = true;

	begin_spare(0, 2, 1, 2);
	wf_park_block(&park, &beds[0]);
	born(&beds[2]);
	rest(&beds[2]);
	rest(&beds[1]);
	ok(wf_park_leave(&park, &beds[1], &token), "one leaves");
	wf_park_resize(&park, 0, 1);
	is_uint(wf_park_limit(&park), 2, "the house is full without it");
	ok(!wf_park_return(&park), "it cannot come back");
	ok(wf_park_sleep(&park, &beds[2], 0), "an idle one is woken for it");
	is_int(wf_park_wake(&park), WF_PARK_NOBODY, "which has the token");
	wf_park_fini(&park);
}

int main(void)
{
	test_births();
	test_between_jobs();
	test_latest_first();
	test_second_thoughts();
	test_leaving();
	test_staying();
	test_failed_births();
	test_stop();
	test_blocked();
	test_surplus();
	test_stopped_surplus();
	test_all_taken();
	test_idle_spare();
	test_blocked_through();
	test_grow();
	test_shrink();
	test_minimum_falls();
	test_returning_to_a_full_house();
	return done();
}
