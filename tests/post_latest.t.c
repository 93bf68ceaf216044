/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post latest: mailboxes that keep only the newest of what waits. */
#include <sched.h>
#include <stdatomic.h>

#include "tests/posttest.h"

/* A value: how many posts it stands for, and the newest of each sender. */
#define SENDERS 4

static atomic_int alive; /* A: relaxed: values, looked at when all is still */

struct value {
	struct post_log *log;
	int number;
	unsigned posts;
	unsigned newest[SENDERS]; /* 0: none */
	TALLOC_CTX **takes;
};

static int value_destructor(struct value *value)
{
	(void)value;
	(void)atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
	return 0;
}

static struct value *value_new(TALLOC_CTX *mem_ctx, struct post_log *log,
			       int number)
{
	struct value *value = talloc_zero(mem_ctx, struct value);

	if (value == NULL) {
		bail_out("no memory for a value");
	}
	value->log = log;
	value->number = number;
	value->posts = 1;
	(void)atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
	talloc_set_destructor(value, value_destructor);
	return value;
}

static void value_run(struct weft_mailbox *mailbox, void *block)
{
	struct value *value = talloc_get_type_abort(block, struct value);
	TALLOC_CTX **takes = value->takes;
	char word[32];

	(void)mailbox;
	(void)snprintf(word, sizeof(word), "%d", value->number);
	trail_add(&value->log->trail, word);
	if (takes != NULL) {
		TALLOC_FREE(*takes);
	}
}

static void other_run(struct weft_mailbox *mailbox, void *block)
{
	struct value *value = talloc_get_type_abort(block, struct value);

	(void)mailbox;
	trail_add(&value->log->trail, "other");
}

static void value_merge(void *newer, void *older)
{
	struct value *to = talloc_get_type_abort(newer, struct value);
	struct value *from = talloc_get_type_abort(older, struct value);
	unsigned i = 0;

	to->posts += from->posts;
	to->number += from->number;
	for (i = 0; i < SENDERS; i++) {
		if (from->newest[i] > to->newest[i]) {
			to->newest[i] = from->newest[i];
		}
	}
}

static struct weft_mailbox *latest_open(TALLOC_CTX *mem_ctx,
					struct tevent_context *ev,
					weft_merge_fn_t merge, weft_addr_t *to)
{
	struct weft_mailbox_options options = { .latest = true,
						.merge = merge };
	struct weft_mailbox *mailbox = posttest_mailbox(mem_ctx, ev, &options);

	*to = weft_mailbox_addr(mailbox);
	return mailbox;
}

static void value_post(weft_addr_t to, weft_handler_fn_t fn,
		       struct value *value)
{
	int ret = weft_post(to, fn, &value);

	if (ret != 0 || value != NULL) {
		bail_out("weft_post: %d", ret);
	}
}

static int values(void)
{
	return atomic_load_explicit(&alive, memory_order_relaxed);
}

static void newest_wins(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t end;
	struct weft_mailbox *mailbox = latest_open(fx->mem, fx->ev, NULL, &to);
	unsigned round = 0;
	int i = 0;

	(void)posttest_open(fx, &end);
	for (round = 0; round < 3; round++) {
		trail_clear(&log.trail);
		for (i = 1; i <= 5; i++) {
			value_post(to, value_run, value_new(fx->mem, &log, i));
			is_int(values(), 1, "the one before is freed");
		}
		posttest_turn(fx->ev, end, &log);
		is_str(log.trail.text, "5", "only the newest runs");
		is_int(values(), 0, "and is freed");
	}
	trail_clear(&log.trail);
	value_post(to, other_run, value_new(NULL, &log, 1));
	value_post(to, value_run, value_new(NULL, &log, 2));
	posttest_turn(fx->ev, end, &log);
	value_post(to, value_run, value_new(NULL, &log, 3));
	value_post(to, other_run, value_new(NULL, &log, 4));
	posttest_turn(fx->ev, end, &log);
	is_str(log.trail.text, "2 other", "by the handler of the newest");
	talloc_free(mailbox);
}

static unsigned nothings;

static void nothing_run(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	nothings += block == NULL ? 1 : 100;
}

static void nothing(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t plain;
	weft_addr_t merging;
	weft_addr_t end;

	(void)latest_open(fx->mem, fx->ev, NULL, &plain);
	(void)latest_open(fx->mem, fx->ev, value_merge, &merging);
	(void)posttest_open(fx, &end);
	nothings = 0;
	value_post(plain, value_run, value_new(NULL, &log, 1));
	is_int(weft_post(plain, nothing_run, NULL), 0, "NULL is a value");
	value_post(merging, value_run, value_new(NULL, &log, 2));
	is_int(weft_post(merging, nothing_run, NULL), 0, "also when merging");
	posttest_turn(fx->ev, end, &log);
	is_uint(nothings, 2, "that takes the place of the older");
	is_str(log.trail.text, "", "which does not run");
	is_int(weft_post(merging, nothing_run, NULL), 0, "NULL first");
	value_post(merging, value_run, value_new(NULL, &log, 3));
	posttest_turn(fx->ev, end, &log);
	is_str(log.trail.text, "3", "is not merged into the newer");
	is_int(values(), 0, "each is freed");
}

static void merges(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t end;
	int i = 0;

	(void)latest_open(fx->mem, fx->ev, value_merge, &to);
	(void)posttest_open(fx, &end);
	for (i = 1; i <= 4; i++) {
		value_post(to, value_run, value_new(NULL, &log, i));
		is_int(values(), 1, "the older is freed when it is merged");
	}
	posttest_turn(fx->ev, end, &log);
	is_str(log.trail.text, "10", "the newest has taken from the others");
	value_post(to, value_run, value_new(NULL, &log, 7));
	posttest_turn(fx->ev, end, &log);
	is_str(log.trail.text, "10 7", "what has run is over");
}

static void refusals(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = latest_open(fx->mem, fx->ev, value_merge,
						   &to);
	struct note note = note_of(&log, "n");
	struct value *value = value_new(fx->mem, &log, 1);
	struct value *before = value;
	TALLOC_CTX *other = talloc_new(fx->mem);

	is_int(weft_post_msg(to, &note.msg), EINVAL, "messages are refused");
	(void)talloc_reference(other, value);
	is_int(weft_post(to, value_run, &value), EINVAL,
	       "and blocks with references");
	talloc_free(other);
	talloc_free(mailbox);
	is_int(weft_post(to, value_run, &value), ECANCELED, "dead: nobody");
	ok(value == before && talloc_parent(value) == fx->mem,
	   "the block is as it was");
	talloc_free(value);
}

static void goes_first(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t end;
	TALLOC_CTX *mailbox = latest_open(fx->mem, fx->ev, NULL, &to);
	struct value *value = NULL;

	(void)posttest_open(fx, &end);
	value_post(to, value_run, value_new(NULL, &log, 1));
	talloc_free(mailbox);
	posttest_turn(fx->ev, end, &log);
	is_int(values(), 0, "a mailbox that goes takes its value along");

	mailbox = latest_open(fx->mem, fx->ev, NULL, &to);
	value = value_new(NULL, &log, 2);
	value->takes = &mailbox;
	value_post(to, value_run, value);
	posttest_turn(fx->ev, end, &log);
	is_int(values(), 0, "also when its handler frees it");

	(void)latest_open(fx->mem, fx->ev, value_merge, &to);
	value_post(to, value_run, value_new(NULL, &log, 3));
	TALLOC_FREE(fx->ev);
	is_int(values(), 0, "and so does a loop");
	is_str(log.trail.text, "2", "none of these ran");
}

static void handler_posts(struct weft_mailbox *mailbox, void *block)
{
	struct value *value = talloc_get_type_abort(block, struct value);

	value_run(mailbox, block);
	if (value->number < 3) {
		value_post(weft_mailbox_addr(mailbox), handler_posts,
			   value_new(NULL, value->log, value->number + 1));
	}
}

static void posts_in_handler(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t end;
	unsigned i = 0;

	(void)latest_open(fx->mem, fx->ev, value_merge, &to);
	(void)posttest_open(fx, &end);
	value_post(to, handler_posts, value_new(NULL, &log, 1));
	for (i = 0; i < 3; i++) {
		posttest_turn(fx->ev, end, &log);
	}
	is_str(log.trail.text, "1 2 3", "a handler posts the next");
}

/* ---- threads ---- */

#define EACH (TEST_TSAN ? 2000U : 20000U)

struct crowd {
	struct post_log log;
	weft_addr_t to;
	bool merging;
	unsigned newest[SENDERS]; /* the loop's */
	unsigned posts; /* the loop's: that have come, merged or not */
	unsigned runs;
	unsigned wrong;
	atomic_uint accepted;   /* A: relaxed: read after joining */
	atomic_uint refused;    /* A: relaxed */
	atomic_int merging_now; /* A: threads in the merge function */
	atomic_uint strange;    /* A: relaxed: two of them at a time */
};

static struct crowd *crowd_now;

static void crowd_run(struct weft_mailbox *mailbox, void *block)
{
	struct value *value = talloc_get_type_abort(block, struct value);
	struct crowd *crowd = weft_mailbox_private(mailbox);
	unsigned i = 0;

	crowd->runs++;
	crowd->posts += value->posts;
	for (i = 0; i < SENDERS; i++) {
		if (value->newest[i] != 0) {
			crowd->wrong += value->newest[i] <= crowd->newest[i];
			crowd->newest[i] = value->newest[i];
		}
	}
}

static void crowd_merge(void *newer, void *older)
{
	if (atomic_fetch_add(&crowd_now->merging_now, 1) != 0) {
		(void)atomic_fetch_add_explicit(&crowd_now->strange, 1,
						memory_order_relaxed);
	}
	value_merge(newer, older);
	(void)atomic_fetch_sub(&crowd_now->merging_now, 1);
}

static void crowd_send(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	unsigned i = 0;

	for (i = 1; i <= EACH; i++) {
		struct value *value = value_new(NULL, &crowd->log, (int)i);
		int ret = 0;

		value->newest[index] = i;
		ret = weft_post(crowd->to, crowd_run, &value);
		(void)atomic_fetch_add_explicit(ret == 0 ? &crowd->accepted
							 : &crowd->refused,
						1, memory_order_relaxed);
		if (ret != 0) {
			talloc_free(value);
		}
		if (i % 64 == 0) {
			(void)sched_yield();
		}
	}
}

static bool crowd_has_newest(const struct crowd *crowd)
{
	unsigned i = 0;

	for (i = 0; i < SENDERS; i++) {
		if (crowd->newest[i] == EACH) {
			return true;
		}
	}
	return false;
}

static void crowd_open(struct fixture *fx, struct crowd *crowd)
{
	struct weft_mailbox_options options = {
		.private_data = crowd,
		.latest = true,
		.merge = crowd->merging ? crowd_merge : NULL,
	};

	crowd_now = crowd;
	crowd->to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
}

static unsigned crowd_accepted(const struct crowd *crowd)
{
	return atomic_load_explicit(&crowd->accepted, memory_order_relaxed);
}

static void threads_merge(struct fixture *fx)
{
	struct crowd crowd = { .merging = true };
	struct fixture_threads *threads = NULL;
	unsigned i = 0;

	crowd_open(fx, &crowd);
	threads = fixture_threads_start(SENDERS, crowd_send, &crowd);
	while (crowd.posts < SENDERS * EACH) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(crowd_accepted(&crowd), SENDERS * EACH, "all are accepted");
	is_uint(crowd.posts, SENDERS * EACH,
		"and come, merged or not, each once");
	is_uint(crowd.wrong, 0, "nothing older comes after something newer");
	for (i = 0; i < SENDERS; i++) {
		is_uint(crowd.newest[i], EACH, "the newest of sender %u", i);
	}
	is_uint(atomic_load_explicit(&crowd.strange, memory_order_relaxed), 0,
		"one merges at a time");
	is_int(values(), 0, "nothing leaks");
	diag("%u runs for %u posts", crowd.runs, crowd.posts);
}

/* One thread is in its merge function with what another has posted before,
 * which now posts again. */
struct slow {
	weft_addr_t to;
	struct crowd *crowd;
	struct fixture_gate merging;
	struct fixture_gate go;
};

static struct slow *slow_now;

static void slow_merge(void *newer, void *older)
{
	fixture_gate_add(&slow_now->merging, 1);
	fixture_gate_wait(&slow_now->go, 1);
	value_merge(newer, older);
}

static void slow_send(unsigned index, void *arg)
{
	struct slow *slow = arg;

	(void)index;
	value_post(slow->to, crowd_run, value_new(NULL, &slow->crowd->log, 1));
}

static void slow_post(struct slow *slow, unsigned number)
{
	struct value *value = value_new(NULL, &slow->crowd->log, 1);

	value->newest[1] = number;
	value_post(slow->to, crowd_run, value);
}

static void merges_in_order(struct fixture *fx)
{
	struct crowd crowd = { .merging = true };
	struct slow slow = { .crowd = &crowd };
	struct weft_mailbox_options options = {
		.private_data = &crowd,
		.latest = true,
		.merge = slow_merge,
	};
	struct fixture_threads *threads = NULL;
	weft_addr_t end;

	slow_now = &slow;
	slow.to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
	(void)posttest_open(fx, &end);
	slow_post(&slow, 1);
	threads = fixture_threads_start(1, slow_send, &slow);
	fixture_gate_wait(&slow.merging, 1);
	slow_post(&slow, 2);
	posttest_turn(fx->ev, end, &crowd.log);
	fixture_gate_add(&slow.go, 1);
	fixture_threads_join(threads);
	posttest_turn(fx->ev, end, &crowd.log);
	is_uint(crowd.posts, 3, "each comes once");
	is_uint(crowd.newest[1], 2,
		"the newest of a sender is the last to come");
	is_uint(crowd.wrong, 0, "and nothing older comes after it");
}

static void threads_supersede(struct fixture *fx)
{
	struct crowd crowd = { .merging = false };
	struct fixture_threads *threads = NULL;
	struct post_log log = { .freed = 0 };
	weft_addr_t end;

	crowd_open(fx, &crowd);
	(void)posttest_open(fx, &end);
	threads = fixture_threads_start(SENDERS, crowd_send, &crowd);
	while (!crowd_has_newest(&crowd)) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	posttest_turn(fx->ev, end, &log);
	is_uint(crowd_accepted(&crowd), SENDERS * EACH, "all are accepted");
	is_uint(crowd.wrong, 0, "nothing older comes after something newer");
	is_int(values(), 0, "what was not run is freed");
}

/* Bursts of two, of which the second comes when the first one is just being
 * taken; after each the sender waits for what it posted last. */
#define BURSTS (TEST_TSAN || TEST_ASAN ? 3000 : 20000)

struct burst {
	struct post_log log;
	weft_addr_t to;
	atomic_int ran; /* A: relaxed: the newest number that has run */
};

static struct burst *burst_now;

static void burst_run(struct weft_mailbox *mailbox, void *block)
{
	struct value *value = talloc_get_type_abort(block, struct value);

	(void)mailbox;
	atomic_store_explicit(&burst_now->ran, value->number,
			      memory_order_relaxed);
}

static int burst_ran(void)
{
	return atomic_load_explicit(&burst_now->ran, memory_order_relaxed);
}

static void burst_send(unsigned index, void *arg)
{
	struct burst *burst = arg;
	int i = 0;

	(void)index;
	for (i = 1; i <= BURSTS; i++) {
		struct value *first = value_new(NULL, &burst->log, 2 * i);
		struct value *last = value_new(NULL, &burst->log, 2 * i + 1);
		int spin = 0;

		value_post(burst->to, burst_run, first);
		while (burst_ran() < 2 * i && spin++ < i % 128) {
			atomic_signal_fence(memory_order_relaxed);
		}
		value_post(burst->to, burst_run, last);
		while (burst_ran() <= 2 * i) {
			(void)sched_yield();
		}
	}
}

static void last_of_a_burst(struct fixture *fx)
{
	struct burst burst = { .log = { .freed = 0 } };
	struct fixture_threads *threads = NULL;

	burst_now = &burst;
	(void)latest_open(fx->mem, fx->ev, NULL, &burst.to);
	threads = fixture_threads_start(1, burst_send, &burst);
	while (burst_ran() <= 2 * BURSTS) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_int(burst_ran(), 2 * BURSTS + 1, "the newest always runs");
	is_int(values(), 0, "and nothing leaks");
}

/* The loop, with its mailbox, ends while others post. */
static void ends_under_threads(struct fixture *fx, bool merging)
{
	struct crowd crowd = { .merging = merging };
	struct fixture_threads *threads = NULL;

	crowd_open(fx, &crowd);
	threads = fixture_threads_start(SENDERS, crowd_send, &crowd);
	while (crowd.posts < EACH / 4 && crowd.runs < EACH / 20) {
		turn(fx->ev);
	}
	TALLOC_FREE(fx->ev);
	fixture_threads_join(threads);
	is_uint(crowd_accepted(&crowd) +
			atomic_load_explicit(&crowd.refused,
					     memory_order_relaxed),
		SENDERS * EACH, "each is accepted or refused");
	is_uint(crowd.wrong, 0, "nothing older comes after something newer");
	is_int(values(), 0, "nothing leaks when the loop ends");
}

static void loop_ends(struct fixture *fx)
{
	ends_under_threads(fx, false);
}

static void merging_loop_ends(struct fixture *fx)
{
	ends_under_threads(fx, true);
}

/* The loop goes on without the mailbox. */
static void mailbox_ends(struct fixture *fx)
{
	struct crowd crowd = { .merging = true };
	struct fixture_threads *threads = NULL;
	struct weft_mailbox *mailbox = NULL;
	struct weft_mailbox_options options = {
		.private_data = &crowd,
		.latest = true,
		.merge = crowd_merge,
	};
	struct post_log log = { .freed = 0 };
	weft_addr_t end;

	crowd_now = &crowd;
	mailbox = posttest_mailbox(fx->mem, fx->ev, &options);
	crowd.to = weft_mailbox_addr(mailbox);
	(void)posttest_open(fx, &end);
	threads = fixture_threads_start(SENDERS, crowd_send, &crowd);
	while (crowd.posts < EACH / 4 && crowd.runs < EACH / 20) {
		turn(fx->ev);
	}
	talloc_free(mailbox);
	fixture_threads_join(threads);
	posttest_turn(fx->ev, end, &log);
	is_uint(crowd.wrong, 0, "nothing older comes after something newer");
	is_int(values(), 0, "nothing leaks when the mailbox ends");
}

int main(void)
{
	POSTTEST_EACH(newest_wins);
	POSTTEST(nothing);
	POSTTEST(merges);
	POSTTEST(refusals);
	POSTTEST(goes_first);
	POSTTEST(posts_in_handler);
	POSTTEST(threads_merge);
	POSTTEST(merges_in_order);
	POSTTEST(threads_supersede);
	POSTTEST(last_of_a_burst);
	POSTTEST(loop_ends);
	POSTTEST(merging_loop_ends);
	POSTTEST(mailbox_ends);
	return done();
}
