/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: in order, within bounds, and each node to exactly one taker; and the
 * shards of one pool: one limit, and none is starved. Owners take turns. */
#include "tests/shardtest.h"
#include "threadpool/cpus.h"

static void test_order(void)
{
	unsigned i = 0;

	begin(4);
	is_uint(wf_shard_count(&shard), 4, "all are counted");
	for (i = 0; i < 4; i++) {
		pops(i, "first come, first out");
	}
	is_ptr(wf_shard_pop(&shard, claim_all, NULL), NULL, "then nothing");
	wf_shard_fini(&shard);
}

static void test_turns(void)
{
	begin(3);
	prepare(&nodes[3], &other_flow, 1);
	prepare(&nodes[4], &other_flow, 1);
	(void)push(&nodes[3]);
	(void)push(&nodes[4]);
	pops(0, "the first owner's first");
	pops(3, "then the other owner's, though it came last");
	pops(1, "in turns");
	pops(4, "in turns");
	pops(2, "and what is left");
	(void)push(&nodes[3]);
	(void)push(&nodes[0]);
	pops(3, "who comes back does so at the end");
	pops(0, "of the round");
	wf_shard_fini(&shard);
}

static void test_priorities(void)
{
	unsigned i = 0;
	unsigned low_at = NODES;

	begin(0);
	prepare(&nodes[0], &flow, 0);
	prepare(&nodes[1], &flow, 1);
	(void)push(&nodes[0]);
	(void)push(&nodes[1]);
	for (i = 2; i < NODES; i++) {
		prepare(&nodes[i], &flow, 2);
		(void)push(&nodes[i]);
	}
	pops(2, "the most urgent first");
	for (i = 1; i < NODES; i++) {
		if (wf_shard_pop(&shard, claim_all, NULL) == &nodes[0]) {
			low_at = i;
		}
	}
	is_uint(low_at, 7, "the eighth is the one that waits in the lowest");
	wf_shard_fini(&shard);
}

static void test_bound(void)
{
	unsigned slack = 1;

	begin(2);
	is_int(wf_shard_push(&nodes[2], 2, no_slack, NULL), EAGAIN,
	       "full is EAGAIN");
	is_int(wf_shard_push(&nodes[2], 2, some_slack, &slack), 0,
	       "but a free worker makes room");
	is_int(wf_shard_push(&nodes[3], 2, some_slack, &slack), EAGAIN,
	       "for one");
	wf_shard_close(&shard);
	is_int(push(&nodes[3]), ESHUTDOWN, "closed is ESHUTDOWN");
	is_uint(wf_shard_count(&shard), 3, "what was in is still there");
	wf_shard_fini(&shard);
}

static void test_drained(void)
{
	begin(1);
	wf_shard_drain(&shard);
	is_int(push(&nodes[1]), ESHUTDOWN, "drained takes nothing new");
	ok(wf_shard_promote(&nodes[1]), "but what was accepted before");
	is_uint(wf_shard_count(&shard), 2, "which is in");
	wf_shard_close(&shard);
	ok(!wf_shard_promote(&nodes[2]), "closed does not");
	wf_shard_reopen(&shard);
	is_int(push(&nodes[2]), 0, "taking again");
	wf_shard_fini(&shard);
}

static void test_withdraw(void)
{
	begin(3);
	wf_shard_withdraw(&nodes[1]);
	is_uint(wf_shard_count(&shard), 2, "withdrawn from the middle");
	is_ptr(wf_shard_pop(&shard, claim_others, &nodes[0]), &nodes[2],
	       "a pop drops what it may not have");
	wf_shard_withdraw(&nodes[0]);
	is_uint(wf_shard_count(&shard), 0, "its owner finds it already out");
	is_uint(shard.withdrawn, 2, "each is counted once");
	is_uint(shard.accepted, 3, "of those accepted");
	wf_shard_fini(&shard);
}

static void test_take(void)
{
	begin(2);
	ok(wf_shard_take(&nodes[1], claim_all, NULL), "one of them is taken");
	ok(!wf_shard_take(&nodes[1], claim_all, NULL), "once");
	is_uint(shard.withdrawn, 0, "as work, not withdrawn");
	pops(0, "the other is there");
	wf_shard_fini(&shard);
}

static void test_evict(void)
{
	begin(2);
	is_ptr(wf_shard_evict(&shard, claim_all, NULL), &nodes[0], "evicted");
	is_uint(shard.withdrawn, 1, "counts as withdrawn, not as work");
	wf_shard_fini(&shard);
}

static void test_evict_oldest(void)
{
	begin(0);
	prepare(&nodes[0], &flow, 2);
	prepare(&nodes[2], &other_flow, 1);
	prepare(&nodes[3], &flow, 1);
	(void)push(&nodes[0]);
	(void)push(&nodes[2]);
	(void)push(&nodes[3]);
	is_ptr(wf_shard_evict_oldest(&shard, 0, UINT64_MAX, claim_all, NULL),
	       NULL, "none for a less urgent one");
	is_ptr(wf_shard_evict_oldest(&shard, 2, 1, claim_all, NULL), &nodes[0],
	       "of those that came first, the first");
	is_uint(wf_shard_last(&shard), 3, "three came");
	(void)push(&nodes[0]);
	is_ptr(wf_shard_evict_oldest(&shard, 2, UINT64_MAX, claim_all, NULL),
	       &nodes[2], "the oldest of the lowest, whoever's");
	is_ptr(wf_shard_evict_oldest(&shard, 1, UINT64_MAX, claim_others,
				     &nodes[3]),
	       NULL, "not one that its owner has");
	is_uint(wf_shard_count(&shard), 1, "which is out all the same");
	wf_shard_fini(&shard);
}

#define THREADS 4
#define EACH    5000

struct crowd {
	struct wf_flow flows[THREADS];
	struct wf_queued nodes[THREADS][EACH];
	unsigned taken[THREADS];
};

static void crowd_run(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	unsigned i = 0;

	wf_flow_init(&crowd->flows[index], NULL, &shard);
	for (i = 0; i < EACH; i++) {
		prepare(&crowd->nodes[index][i], &crowd->flows[index], i % 3);
		(void)push(&crowd->nodes[index][i]);
		if (i % 2 == 0) {
			crowd->taken[index] += wf_shard_pop(&shard, claim_all,
							    NULL) != NULL;
		}
	}
}

static void test_crowd(void)
{
	static struct crowd all;
	struct crowd *crowd = &all;
	unsigned taken = 0;
	unsigned i = 0;

	begin(0);
	fixture_watchdog("crowd", 20);
	fixture_threads_join(fixture_threads_start(THREADS, crowd_run, crowd));
	for (i = 0; i < THREADS; i++) {
		taken += crowd->taken[i];
	}
	is_uint(wf_shard_count(&shard), THREADS * EACH - taken,
		"what %u threads did not take is there", THREADS);
	while (wf_shard_pop(&shard, claim_all, NULL) != NULL) {
		taken++;
	}
	is_uint(taken, THREADS * EACH, "each came out once");
	wf_shard_fini(&shard);
}

/* Instead of the library's: a pool has several shards on any machine. */
unsigned wf_cpus_usable(void)
{
	return 8;
}

/* Two loops, so two shards of a pool with one worker, which the first loop
 * holds up. */
struct pair {
	struct fixture other; /* with the second loop */
	struct weft_pool *pool;
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome held;
};

static void pair_open(struct fixture *fx, struct pair *pair, unsigned limit)
{
	struct weft_pool_options options = { .max = 1, .queue_limit = limit };

	*pair = (struct pair){ .other = *fx };
	pair->other.ev = tevent_context_init(fx->mem);
	(void)weft_pool_create(fx->mem, &options, &pair->pool);
	(void)outcome_send(fx, pair->pool, held_run,
			   held_new(&pair->started, &pair->go, NULL),
			   &pair->held);
	fixture_gate_wait(&pair->started, 1);
}

static void pair_close(struct fixture *fx, struct pair *pair)
{
	fixture_gate_add(&pair->go, 1);
	(void)tevent_loop_wait(fx->ev);
	(void)tevent_loop_wait(pair->other.ev);
	talloc_free(pair->other.ev);
}

static void limit_is_for_all_shards(struct fixture *fx)
{
	struct pair pair;
	struct outcome outcomes[5] = { { .done = false } };
	unsigned i = 0;

	pair_open(fx, &pair, 4);
	for (i = 0; i < 5; i++) {
		(void)outcome_send(i < 2 ? fx : &pair.other, pair.pool,
				   quick_run, NULL, &outcomes[i]);
	}
	is_uint(pooltest_stats(pair.pool).queued, 4, "two and two wait");
	is_uint(pooltest_stats(pair.pool).refused, 1, "the fifth is refused");
	pair_close(fx, &pair);
	is_int(outcomes[4].ret, EAGAIN, "with EAGAIN");
	is_int(outcomes[3].ret, 0, "which the fourth is not");
}

/* Only the one worker counts, and the loop reads when that is done. */
struct runner {
	unsigned *runs;
	unsigned place; /* which run this was, from 1 */
};

static int runner_run(struct weft_job *job, void *block)
{
	struct runner *runner = block;

	(void)job;
	runner->place = ++*runner->runs;
	return 0;
}

static struct runner *runner_new(unsigned *runs)
{
	struct runner *runner = talloc_zero(NULL, struct runner);

	runner->runs = runs;
	return runner;
}

static void long_shard_starves_no_other(struct fixture *fx)
{
	struct pair pair;
	struct outcome outcomes[10] = { { .done = false } };
	struct outcome other = { .done = false };
	unsigned runs = 0;
	unsigned place = 0;
	unsigned i = 0;

	pair_open(fx, &pair, 0);
	for (i = 0; i < 10; i++) {
		(void)outcome_send(fx, pair.pool, runner_run, runner_new(&runs),
				   &outcomes[i]);
	}
	(void)outcome_send(&pair.other, pair.pool, runner_run,
			   runner_new(&runs), &other);
	pair_close(fx, &pair);
	is_uint(runs, 11, "one worker ran all");
	place = ((struct runner *)other.block)->place;
	ok(place <= 2, "the other loop's job had its turn (%u)", place);
}

int main(void)
{
	test_order();
	test_turns();
	test_priorities();
	test_bound();
	test_drained();
	test_withdraw();
	test_take();
	test_evict();
	test_evict_oldest();
	test_crowd();
	POOLTEST(limit_is_for_all_shards);
	POOLTEST(long_shard_starves_no_other);
	return done();
}
