/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: in order, within bounds, and each node to exactly one taker; and the
 * shards of one pool: one limit, and none is starved. */
#include <limits.h>

#include "tests/pooltest.h"
#include "threadpool/cpus.h"
#include "threadpool/shard.h"

#define NODES 4

static struct wf_shard shard;
static struct tev_list nodes[NODES];

static unsigned no_slack(void *arg)
{
	(void)arg;
	return 0;
}

static unsigned some_slack(void *arg)
{
	const unsigned *slack = arg;

	return *slack;
}

static bool claim_all(struct tev_list *node, void *arg)
{
	(void)node;
	(void)arg;
	return true;
}

static bool claim_others(struct tev_list *node, void *arg)
{
	return node != arg;
}

static void begin(unsigned count)
{
	unsigned i = 0;

	wf_shard_init(&shard);
	for (i = 0; i < NODES; i++) {
		tev_list_init(&nodes[i]);
	}
	for (i = 0; i < count; i++) {
		(void)wf_shard_push(&shard, &nodes[i], UINT_MAX, no_slack,
				    NULL);
	}
}

static void test_order(void)
{
	unsigned i = 0;

	begin(NODES);
	is_uint(wf_shard_count(&shard), NODES, "all are counted");
	for (i = 0; i < NODES; i++) {
		is_ptr(wf_shard_pop(&shard, claim_all, NULL), &nodes[i],
		       "number %u comes out as number %u", i, i);
	}
	is_ptr(wf_shard_pop(&shard, claim_all, NULL), NULL, "then nothing");
	wf_shard_fini(&shard);
}

static void test_bound(void)
{
	unsigned slack = 1;

	begin(2);
	is_int(wf_shard_push(&shard, &nodes[2], 2, no_slack, NULL), EAGAIN,
	       "full is EAGAIN");
	is_int(wf_shard_push(&shard, &nodes[2], 2, some_slack, &slack), 0,
	       "but a free worker makes room");
	is_int(wf_shard_push(&shard, &nodes[3], 2, some_slack, &slack), EAGAIN,
	       "for one");
	wf_shard_close(&shard);
	is_int(wf_shard_push(&shard, &nodes[3], UINT_MAX, no_slack, NULL),
	       ESHUTDOWN, "closed is ESHUTDOWN");
	is_uint(wf_shard_count(&shard), 3, "what was in is still there");
	wf_shard_fini(&shard);
}

static void test_withdraw(void)
{
	begin(3);
	wf_shard_withdraw(&shard, &nodes[1]);
	is_uint(wf_shard_count(&shard), 2, "withdrawn from the middle");
	is_ptr(wf_shard_pop(&shard, claim_others, &nodes[0]), &nodes[2],
	       "a pop drops what it may not have");
	wf_shard_withdraw(&shard, &nodes[0]);
	is_uint(wf_shard_count(&shard), 0, "its owner finds it already out");
	is_uint(shard.withdrawn, 2, "each is counted once");
	is_uint(shard.accepted, 3, "of those accepted");
	wf_shard_fini(&shard);
}

static void test_evict(void)
{
	begin(2);
	is_ptr(wf_shard_evict(&shard, claim_all, NULL), &nodes[0], "evicted");
	is_uint(shard.withdrawn, 1, "counts as withdrawn, not as work");
	wf_shard_fini(&shard);
}

#define THREADS 4
#define EACH    5000

struct crowd {
	struct tev_list nodes[THREADS][EACH];
	unsigned taken[THREADS];
};

static void crowd_run(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	unsigned i = 0;

	for (i = 0; i < EACH; i++) {
		tev_list_init(&crowd->nodes[index][i]);
		(void)wf_shard_push(&shard, &crowd->nodes[index][i], UINT_MAX,
				    no_slack, NULL);
		if (i % 2 == 0) {
			crowd->taken[index] += wf_shard_pop(&shard, claim_all,
							    NULL) != NULL;
		}
	}
}

static void test_crowd(void)
{
	struct crowd *crowd = talloc_zero(NULL, struct crowd);
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
	talloc_free(crowd);
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
	test_bound();
	test_withdraw();
	test_evict();
	test_crowd();
	POOLTEST(limit_is_for_all_shards);
	POOLTEST(long_shard_starves_no_other);
	return done();
}
