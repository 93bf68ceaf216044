/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inbox: what comes into a shard on credit, without its lock: it has its place
 * and its turn as if it had come by the lock, and can be taken back. */
#include <stdatomic.h>
#include <string.h>

#include "tests/shardtest.h"

/* On credit, which one that came by the lock has brought. */
static void begin_on_credit(unsigned count)
{
	unsigned i = 0;

	begin(1);
	for (i = 1; i < count; i++) {
		ok(wf_shard_may_send(&nodes[i]), "there is credit");
		ok(wf_shard_send(&nodes[i]), "sent without the lock");
	}
}

static void test_credit(void)
{
	begin(0);
	ok(!wf_shard_may_send(&nodes[0]), "none before the first has come");
	(void)wf_shard_push(&nodes[0], 65, no_slack, NULL);
	is_uint(flow.credit, 1, "a 64th of the room");
	(void)wf_shard_push(&nodes[1], 65, no_slack, NULL);
	is_uint(flow.credit, 0, "none when there is less");
	(void)push(&nodes[2]);
	is_uint(flow.credit, 64, "so many where there is no limit");
	ok(wf_shard_may_send(&nodes[3]), "they can be used");
	prepare(&nodes[3], &flow, 2);
	ok(!wf_shard_may_send(&nodes[3]), "not for another priority");
	prepare(&nodes[3], &other_flow, 1);
	ok(!wf_shard_may_send(&nodes[3]), "nor by another owner");
	other_flow.shared = true;
	(void)push(&nodes[3]);
	prepare(&nodes[4], &other_flow, 1);
	ok(!wf_shard_may_send(&nodes[4]), "never where there are several");
	wf_shard_fini(&shard);
}

static void test_sent(void)
{
	unsigned i = 0;

	begin_on_credit(4);
	ok(wf_shard_count(&shard) >= 2, "they are seen");
	for (i = 0; i < 4; i++) {
		pops(i, "first come, first out");
	}
	is_uint(wf_shard_count(&shard), 0, "nothing is left");
	is_uint(shard.accepted, 4, "all are counted");
	is_uint(wf_shard_last(&shard), 4, "and numbered");
	wf_shard_fini(&shard);
}

/* What lies in the inbox has its turn, though the queue is not empty. */
static void test_sent_in_turns(void)
{
	begin_on_credit(3);
	prepare(&nodes[3], &other_flow, 1);
	prepare(&nodes[4], &other_flow, 1);
	(void)push(&nodes[3]);
	ok(wf_shard_send(&nodes[4]), "another owner's, on credit");
	pops(0, "the first owner's first");
	pops(3, "the other owner's");
	ok(wf_shard_send(&nodes[5]), "one more");
	pops(1, "in turns");
	pops(4, "in turns");
	prepare(&nodes[6], &flow, 2);
	(void)push(&nodes[6]);
	prepare(&nodes[7], &flow, 2);
	ok(wf_shard_send(&nodes[7]), "and an urgent one");
	pops(6, "the urgent one");
	pops(7, "the urgent one that was sent");
	pops(2, "then the others");
	pops(5, "in their order");
	wf_shard_fini(&shard);
}

static void test_sent_too_late(void)
{
	begin_on_credit(2);
	wf_shard_drain(&shard);
	ok(!wf_shard_send(&nodes[2]), "drained takes nothing on credit");
	nodes[3].inside = true;
	ok(wf_shard_send(&nodes[3]), "but from inside of a job");
	nodes[3].inside = false;
	wf_shard_close(&shard);
	nodes[4].inside = true;
	ok(!wf_shard_send(&nodes[4]), "closed does not");
	nodes[4].inside = false;
	pops(0, "what was in");
	pops(1, "is there");
	pops(3, "in its order");
	wf_shard_reopen(&shard);
	ok(wf_shard_send(&nodes[2]), "taking again");
	pops(2, "which is there");
	wf_shard_fini(&shard);
}

static unsigned seen;

static bool see(struct wf_queued *queued, void *arg)
{
	(void)queued;
	(void)arg;
	seen++;
	return true;
}

static void test_sent_and_looked_for(void)
{
	begin_on_credit(6);
	seen = 0;
	wf_shard_lock(&shard);
	wf_shard_each_locked(&shard, see, NULL);
	wf_shard_unlock(&shard);
	is_uint(seen, 6, "who looks sees what was sent");
	ok(wf_shard_send(&nodes[6]), "one more");
	wf_shard_withdraw(&nodes[6]);
	is_uint(wf_shard_count(&shard), 6, "withdrawn out of the inbox");
	ok(wf_shard_send(&nodes[7]), "one more");
	ok(wf_shard_take(&nodes[7], claim_all, NULL), "taken out of the inbox");
	wf_shard_withdraw(&nodes[0]);
	wf_shard_withdraw(&nodes[1]);
	ok(wf_shard_send(&nodes[8]), "one more");
	is_ptr(wf_shard_evict_oldest(&shard, 1, UINT64_MAX, claim_others,
				     &nodes[2]),
	       &nodes[3], "evicted, the oldest that may be had");
	is_ptr(wf_shard_evict(&shard, claim_all, NULL), &nodes[4], "the next");
	is_ptr(wf_shard_evict(&shard, claim_all, NULL), &nodes[5], "the next");
	is_ptr(wf_shard_evict(&shard, claim_all, NULL), &nodes[8],
	       "what was sent last");
	is_uint(shard.withdrawn, 8, "all are counted");
	wf_shard_fini(&shard);
}

static void test_sent_and_forgotten(void)
{
	begin_on_credit(3);
	wf_shard_drain(&shard);
	wf_shard_lock(&shard);
	nodes[4].inside = true;
	ok(wf_shard_send(&nodes[4]), "one more, while all is locked");
	nodes[4].inside = false;
	wf_shard_forget_locked(&shard);
	wf_shard_unlock(&shard);
	is_uint(wf_shard_count(&shard), 0, "nothing is there");
	ok(!wf_shard_send(&nodes[5]), "a drained one stays so");
	wf_shard_fini(&shard);
}

#define THREADS 4
#define EACH    5000

enum { WAITS, TAKEN, WITHDRAWN };

/* A node that its owner withdraws at times, and that says who has it. */
struct fought {
	struct wf_queued queued;
	atomic_int state;
};

struct fight {
	struct wf_flow flows[THREADS];
	struct fought nodes[THREADS][EACH];
	unsigned taken[THREADS];
	unsigned withdrawn[THREADS];
};

static bool fight_take(struct wf_queued *queued, void *arg)
{
	struct fought *fought = tev_container_of(queued, struct fought, queued);
	int waits = WAITS;

	(void)arg;
	return atomic_compare_exchange_strong(&fought->state, &waits, TAKEN);
}

static bool fight_withdraw(struct fought *fought)
{
	int waits = WAITS;

	if (!atomic_compare_exchange_strong(&fought->state, &waits,
					    WITHDRAWN)) {
		return false;
	}
	wf_shard_withdraw(&fought->queued);
	/* Nobody else knows it any more. */
	memset(&fought->queued, 0xff, sizeof(fought->queued));
	return true;
}

static void fight_run(unsigned index, void *arg)
{
	struct fight *fight = arg;
	unsigned i = 0;

	wf_flow_init(&fight->flows[index], NULL, &shard);
	for (i = 0; i < EACH; i++) {
		struct fought *fought = &fight->nodes[index][i];

		prepare(&fought->queued, &fight->flows[index], 1);
		if (wf_shard_may_send(&fought->queued)) {
			(void)wf_shard_send(&fought->queued);
		} else {
			(void)push(&fought->queued);
		}
		if (i % 3 == 0) {
			fight->withdrawn[index] += fight_withdraw(fought);
		} else if (i % 3 == 1) {
			fight->taken[index] += wf_shard_pop(&shard, fight_take,
							    NULL) != NULL;
		}
	}
}

static void test_fight(void)
{
	static struct fight fight;
	unsigned taken = 0;
	unsigned withdrawn = 0;
	unsigned i = 0;

	begin(0);
	fixture_watchdog("fight", 20);
	fixture_threads_join(fixture_threads_start(THREADS, fight_run, &fight));
	for (i = 0; i < THREADS; i++) {
		taken += fight.taken[i];
		withdrawn += fight.withdrawn[i];
	}
	while (wf_shard_pop(&shard, fight_take, NULL) != NULL) {
		taken++;
	}
	is_uint(taken + withdrawn, THREADS * EACH,
		"each is taken or withdrawn, once");
	is_uint(shard.accepted, THREADS * EACH, "all were accepted");
	is_uint(shard.withdrawn, withdrawn, "and these withdrawn");
	is_uint(wf_shard_count(&shard), 0, "nothing is left");
	wf_shard_fini(&shard);
}

int main(void)
{
	test_credit();
	test_sent();
	test_sent_in_turns();
	test_sent_too_late();
	test_sent_and_looked_for();
	test_sent_and_forgotten();
	test_fight();
	return done();
}
