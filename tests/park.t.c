/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park: who is woken, who is born, where the token is. One thread plays all
 * parts; the orders that threads can bring about are in docs/models/park.pml.
 */
#include "threadpool/park.h"
#include "tests/tap.h"

#define WORKERS 3

static struct wf_park park;
static struct wf_bed beds[WORKERS];

/* @count workers are there, each runs a job, nobody searches. */
static void begin(unsigned min, unsigned max, unsigned count)
{
	unsigned i = 0;

	wf_park_init(&park, min, max);
	for (i = 0; i < count; i++) {
		is_int(wf_park_wake(&park), WF_PARK_BIRTH, "worker %u is born",
		       i);
		wf_park_join(&park, &beds[i]);
		wf_park_busy(&beds[i]);
		(void)wf_park_found(&park, true);
	}
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
	return done();
}
