/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Passed, pool: the same as passed_engine.t.c for what is private to the pool,
 * and the end of what is shared.
 */
#include <limits.h>
#include <stdlib.h>

#include "tests/passed.h"
#include "tests/shardtest.h"
#include "threadpool/addr.h"
#include "threadpool/latest.h"
#include "threadpool/park.h"

/* Slots up to the fourth segment; and where segments begin. */
#define SLOTS 500

static struct wf_park park;
static struct wf_bed bed;
static struct wf_bed worker;
static struct wf_resident residents[SLOTS];
static uint64_t last_id; /* that the last of them will have */

static void give_wake(void)
{
	(void)wf_park_wake(&park);
}

static bool got_wake(void)
{
	return wf_park_sleep(&park, &bed, UINT_MAX);
}

static void give_done(void)
{
	wf_park_done(&worker);
}

static bool got_done(void)
{
	return wf_park_count_busy(&park) == 0;
}

static bool claim_it(struct wf_queued *taken, void *arg)
{
	(void)taken;
	(void)arg;
	return true;
}

static void give_claim(void)
{
	(void)wf_shard_pop(&shard, claim_it, NULL);
}

static bool got_claim(void)
{
	return wf_shard_count(&shard) == 0;
}

static void give_emptied(void)
{
	(void)wf_inbox_take_locked(&shard.inbox);
}

static bool got_emptied(void)
{
	return !wf_inbox_has(&shard.inbox);
}

/* Segments of the table come while another thread looks for who would live in
 * them. */
static void settle(struct wf_resident *resident)
{
	if (wf_addr_reserve(resident) != 0) {
		bail_out("no memory for an address");
	}
	wf_addr_settle(resident);
}

static void give_segments(void)
{
	unsigned i = 0;

	for (i = 1; i < SLOTS; i++) {
		settle(&residents[i]);
	}
}

static bool got_segments(void)
{
	/* In the same segment, where nobody ever lives. */
	(void)wf_addr_find(last_id + SLOTS / 2);
	return wf_addr_find(last_id) != NULL;
}

static void value_drop(void *value)
{
	(void)value;
}

/* Who merges has a share, too. */
static void *merge(void *arg)
{
	struct wf_latest *latest = arg;

	(void)wf_latest_queued(latest);
	(void)wf_latest_merged(latest);
	return NULL;
}

/* Whoever gives up the last share frees it. */
static void shares(void)
{
	static const struct wf_latest_ops ops = { .drop = value_drop };
	struct wf_latest *latest = wf_latest_create(NULL, 1, &ops);
	struct tev_word_node node = { NULL };
	pthread_t merger;

	if (latest == NULL || !wf_latest_queue(latest, &node) ||
	    pthread_create(&merger, NULL, merge, latest) != 0) {
		bail_out("no value, or nobody who merges");
	}
	wf_latest_unref(latest);
	(void)pthread_join(merger, NULL);
}

static void prepare_park(void)
{
	wf_park_init(&park, 0, 1, 0);
	(void)wf_park_wake(&park);
	wf_park_join(&park, &bed);
	(void)wf_park_enter(&park, &bed, true);
}

int main(void)
{
	static const struct passed_pair woken = { "PK2 a sleeper is woken",
						  give_wake, got_wake };
	static const struct passed_pair done_with = { "PK4 a worker is free",
						      give_done, got_done };
	static const struct passed_pair claimed = { "DR1 a job is claimed",
						    give_claim, got_claim };
	static const struct passed_pair emptied = { "IB1 an inbox is emptied",
						    give_emptied, got_emptied };
	static const struct passed_pair settled = { "AD2 segments of addresses",
						    give_segments,
						    got_segments };
	unsigned i = 0;

	prepare_park();
	passed_one(&woken);
	wf_park_join(&park, &worker);
	wf_park_busy(&worker);
	passed_one(&done_with);
	begin(1);
	passed_one(&claimed);
	(void)wf_inbox_send(&shard.inbox, &nodes[1].link, 0);
	passed_one(&emptied);
	settle(&residents[0]);
	last_id = residents[0].id + SLOTS - 1;
	passed_one(&settled);
	for (i = 0; i < 20; i++) {
		shares();
	}
	ok(true, "LA3 shares of a value");
	for (i = 0; i < SLOTS; i++) {
		wf_addr_leave(&residents[i]);
	}
	wf_shard_fini(&shard);
	wf_park_fini(&park);
	return done();
}
