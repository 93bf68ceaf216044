/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post limit: mailboxes that take so much and no more, and say when much waits.
 */
/* Nested loops, without the warning. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <sched.h>
#include <stdatomic.h>

#include "tests/posttest.h"

#define LIMIT 5

static void exact(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	struct weft_mailbox_options options = { .limit = LIMIT };
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, fx->ev,
							&options);
	weft_addr_t to = weft_mailbox_addr(mailbox);
	weft_addr_t other;
	struct note notes[LIMIT + 1];
	struct parcel *parcel = parcel_new(fx->mem, &log, "p");
	struct parcel *before = parcel;
	unsigned round = 0;
	unsigned i = 0;

	(void)posttest_open(fx, &other);
	for (round = 0; round < 3; round++) {
		unsigned accepted = 0;

		trail_clear(&log.trail);
		for (i = 0; i < LIMIT; i++) {
			notes[i] = note_of(&log, "n");
			accepted += weft_post_msg(to, &notes[i].msg) == 0;
		}
		is_uint(accepted, LIMIT, "so many are accepted");
		notes[LIMIT] = note_of(&log, "x");
		is_int(weft_post_msg(to, &notes[LIMIT].msg), EAGAIN,
		       "one more is refused");
		is_int(weft_post(to, parcel_run, &parcel), EAGAIN,
		       "also a block");
		ok(parcel == before && talloc_parent(parcel) == fx->mem,
		   "which stays where it was");
		is_int(weft_post_msg(other, &notes[LIMIT].msg), 0,
		       "another mailbox of the loop has room");
		posttest_turn(fx->ev, other, &log);
		is_str(log.trail.text, "n n n n n x", "what was accepted runs");
	}
	talloc_free(parcel);
	/* One place is free as soon as a handler runs. */
	trail_clear(&log.trail);
	notes[0].again = 2;
	notes[0].to = to;
	for (i = 0; i < LIMIT; i++) {
		note_post(to, &notes[i]);
	}
	posttest_turn(fx->ev, other, &log);
	posttest_turn(fx->ev, other, &log);
	posttest_turn(fx->ev, other, &log);
	is_str(log.trail.text, "n n n n n n n",
	       "a handler may post in the place of its own message");
}

/* ---- threads ---- */

#define SENDERS 4
#define EACH    500

struct crowd;

struct member {
	struct weft_msg msg;
	struct crowd *crowd;
	unsigned sender;
	unsigned number;
};

struct crowd {
	weft_addr_t to;
	bool retry;
	atomic_uint accepted; /* A: relaxed: a count, read after joining */
	atomic_uint refused;  /* A: relaxed */
	atomic_uint others;   /* A: relaxed: errors that are not EAGAIN */
	unsigned runs;        /* the loop's */
	unsigned wrong;
	unsigned next[SENDERS];
	struct member members[SENDERS][EACH];
};

static void crowd_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct member *member = (struct member *)(void *)msg;
	struct crowd *crowd = member->crowd;

	(void)mailbox;
	crowd->runs++;
	crowd->wrong += crowd->next[member->sender] > member->number;
	crowd->next[member->sender] = member->number + 1;
}

static void crowd_cancel(struct weft_msg *msg)
{
	(void)msg;
}

static void crowd_send(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	unsigned i = 0;

	for (i = 0; i < EACH; i++) {
		struct member *member = &crowd->members[index][i];
		int ret = 0;

		*member = (struct member){
			.msg = { .run = crowd_run, .cancel = crowd_cancel },
			.crowd = crowd,
			.sender = index,
			.number = i,
		};
		do {
			ret = weft_post_msg(crowd->to, &member->msg);
			if (ret == EAGAIN) {
				(void)atomic_fetch_add_explicit(
					&crowd->refused, 1,
					memory_order_relaxed);
				(void)sched_yield();
			}
		} while (crowd->retry && ret == EAGAIN);
		if (ret == 0) {
			(void)atomic_fetch_add_explicit(&crowd->accepted, 1,
							memory_order_relaxed);
		} else if (ret != EAGAIN) {
			(void)atomic_fetch_add_explicit(&crowd->others, 1,
							memory_order_relaxed);
		}
	}
}

static void exact_under_threads(struct fixture *fx)
{
	struct crowd *crowd = talloc_zero(fx->mem, struct crowd);
	struct weft_mailbox_options options = { .limit = 777 };
	struct post_log log = { .freed = 0 };
	weft_addr_t other;
	unsigned round = 0;

	crowd->to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
	(void)posttest_open(fx, &other);
	for (round = 0; round < 3; round++) {
		crowd->runs = 0;
		memset(crowd->next, 0, sizeof(crowd->next));
		atomic_store_explicit(&crowd->accepted, 0,
				      memory_order_relaxed);
		/* Nobody turns the loop meanwhile. */
		fixture_threads_join(
			fixture_threads_start(SENDERS, crowd_send, crowd));
		is_uint(atomic_load_explicit(&crowd->accepted,
					     memory_order_relaxed),
			777, "of many threads' posts so many are accepted");
		posttest_turn(fx->ev, other, &log);
		is_uint(crowd->runs, 777, "and run");
	}
	is_uint(crowd->wrong, 0, "in the order of each sender");
	is_uint(atomic_load_explicit(&crowd->others, memory_order_relaxed), 0,
		"the others are told EAGAIN");
}

/* For one place: all of them at the same moment, many times. */
#define RACES (TEST_TSAN || TEST_ASAN ? 500 : 5000)

struct race {
	weft_addr_t to;
	atomic_int round;     /* A: orders the notes and what was accepted */
	atomic_int through;   /* A: the same */
	atomic_uint accepted; /* A: relaxed: see through */
	unsigned ran;         /* the loop's */
	struct weft_msg msgs[SENDERS];
};

static struct race *race_now;

static void race_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	(void)msg;
	race_now->ran++;
}

static void race_send(unsigned index, void *arg)
{
	struct race *race = arg;
	struct weft_msg *msg = &race->msgs[index];
	int round = 0;

	msg->run = race_run;
	msg->cancel = crowd_cancel;
	for (round = 1; round <= RACES; round++) {
		int ret = 0;

		while (atomic_load(&race->round) < round) {
			(void)sched_yield();
		}
		ret = weft_post_msg(race->to, msg);
		if (ret == 0) {
			(void)atomic_fetch_add_explicit(&race->accepted, 1,
							memory_order_relaxed);
		}
		(void)atomic_fetch_add(&race->through, 1);
	}
}

static void races(struct fixture *fx)
{
	struct race race = { .ran = 0 };
	struct weft_mailbox_options options = { .limit = 1 };
	struct fixture_threads *threads = NULL;
	unsigned wrong = 0;
	int round = 0;

	race_now = &race;
	race.to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
	threads = fixture_threads_start(SENDERS, race_send, &race);
	for (round = 1; round <= RACES; round++) {
		unsigned before = race.ran;

		atomic_store_explicit(&race.accepted, 0, memory_order_relaxed);
		atomic_store(&race.round, round);
		while (atomic_load(&race.through) < round * SENDERS) {
			(void)sched_yield();
		}
		wrong += atomic_load_explicit(&race.accepted,
					      memory_order_relaxed) != 1;
		while (race.ran == before) {
			turn(fx->ev);
		}
	}
	fixture_threads_join(threads);
	is_uint(wrong, 0, "of those who race for one place one gets it");
	is_uint(race.ran, RACES, "and runs");
}

static void insisting_threads(struct fixture *fx)
{
	struct crowd *crowd = talloc_zero(fx->mem, struct crowd);
	struct weft_mailbox_options options = { .limit = 3 };
	struct fixture_threads *threads = NULL;

	crowd->retry = true;
	crowd->to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
	threads = fixture_threads_start(SENDERS, crowd_send, crowd);
	while (crowd->runs < SENDERS * EACH) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(crowd->wrong, 0, "who tries again keeps its order");
	is_uint(atomic_load_explicit(&crowd->others, memory_order_relaxed), 0,
		"and is told EAGAIN or 0");
}

/* ---- watermarks ---- */

struct marks {
	struct fixture *fx;
	struct post_log log;
	weft_addr_t to;
	weft_addr_t other;
	TALLOC_CTX *above_takes; /* freed in the callback */
	TALLOC_CTX *below_takes;
	struct note *posts; /* posted in the callback */
	bool nests;
};

static void marks_told(struct weft_mailbox *mailbox, unsigned waiting,
		       bool above)
{
	struct marks *marks = weft_mailbox_private(mailbox);
	TALLOC_CTX **takes = above ? &marks->above_takes : &marks->below_takes;
	char word[32];

	(void)snprintf(word, sizeof(word), "%s%u", above ? "high" : "low",
		       waiting);
	trail_add(&marks->log.trail, word);
	if (above && marks->nests) {
		marks->nests = false;
		posttest_turn(marks->fx->ev, marks->other, &marks->log);
		trail_add(&marks->log.trail, "nested");
	}
	if (marks->posts != NULL) {
		note_post(marks->to, marks->posts);
		marks->posts = NULL;
	}
	TALLOC_FREE(*takes);
}

static struct weft_mailbox *marks_open(struct fixture *fx, struct marks *marks,
				       unsigned high, unsigned low)
{
	struct weft_mailbox_options options = {
		.private_data = marks,
		.high = high,
		.low = low,
		.watermark = marks_told,
	};
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, fx->ev,
							&options);

	marks->fx = fx;
	marks->to = weft_mailbox_addr(mailbox);
	(void)posttest_open(fx, &marks->other);
	return mailbox;
}

/* Posts so many notes and lets them run. */
static void marks_play(struct marks *marks, struct note *notes, unsigned count)
{
	unsigned i = 0;

	trail_clear(&marks->log.trail);
	for (i = 0; i < count; i++) {
		notes[i] = note_of(&marks->log, "n");
		note_post(marks->to, &notes[i]);
	}
	posttest_turn(marks->fx->ev, marks->other, &marks->log);
}

static void watermarks(struct fixture *fx)
{
	struct marks marks = { .fx = fx };
	struct note notes[8];
	struct note extra = note_of(&marks.log, "x");
	struct weft_mailbox *mailbox = marks_open(fx, &marks, 4, 1);

	marks_play(&marks, notes, 3);
	is_str(marks.log.trail.text, "n n n", "few: nobody is told");
	marks_play(&marks, notes, 6);
	is_str(marks.log.trail.text, "high6 n n n n low1 n n",
	       "many: told once when they are, and when they are not");
	marks_play(&marks, notes, 4);
	is_str(marks.log.trail.text, "high4 n n low1 n n",
	       "and again each time");
	marks.posts = &extra;
	marks_play(&marks, notes, 4);
	posttest_turn(fx->ev, marks.other, &marks.log);
	is_str(marks.log.trail.text, "high4 n n n low1 n x",
	       "what is posted when told counts");
	talloc_free(mailbox);

	mailbox = marks_open(fx, &marks, 1, 0);
	marks_play(&marks, notes, 2);
	is_str(marks.log.trail.text, "high2 n low0 n", "high 1, low 0");
	marks_play(&marks, notes, 1);
	is_str(marks.log.trail.text, "high1 low0 n", "both for one message");
	talloc_free(mailbox);
}

static void watermark_frees(struct fixture *fx)
{
	struct marks marks = { .fx = fx };
	struct note notes[8];

	marks.above_takes = marks_open(fx, &marks, 2, 0);
	marks_play(&marks, notes, 3);
	is_str(marks.log.trail.text, "high3 -n -n -n",
	       "the mailbox is freed when it fills");
	marks.below_takes = marks_open(fx, &marks, 2, 1);
	marks_play(&marks, notes, 3);
	is_str(marks.log.trail.text, "high3 n low1 -n -n",
	       "or when it empties");
	marks.below_takes = marks_open(fx, &marks, 1, 0);
	marks_play(&marks, notes, 1);
	is_str(marks.log.trail.text, "high1 low0 -n",
	       "and its last message is cancelled");
}

static void watermark_frees_loop(struct fixture *fx)
{
	struct marks marks = { .fx = fx };
	struct note notes[3];
	unsigned i = 0;

	if (TEST_ON_STOCK) {
		skip("B206 stock's context is not freed in a handler");
		return;
	}
	(void)marks_open(fx, &marks, 2, 0);
	marks.above_takes = fx->ev;
	for (i = 0; i < 3; i++) {
		notes[i] = note_of(&marks.log, "n");
		note_post(marks.to, &notes[i]);
	}
	while (marks.above_takes != NULL) {
		(void)tevent_loop_once(fx->ev);
	}
	fx->ev = NULL;
	is_str(marks.log.trail.text, "high3 -n -n -n", "the loop is freed");
}

static void watermark_nests(struct fixture *fx)
{
	struct marks marks = { .fx = fx };
	struct note notes[4];

	tevent_loop_allow_nesting(fx->ev);
	(void)marks_open(fx, &marks, 3, 1);
	marks.nests = true;
	marks_play(&marks, notes, 4);
	is_str(marks.log.trail.text, "high4 n low1 n n nested n",
	       "a nested loop is told that it is empty");
	marks_play(&marks, notes, 3);
	is_str(marks.log.trail.text, "high3 n low1 n n", "and all goes on");
}

static void both(struct fixture *fx)
{
	struct marks marks = { .fx = fx };
	struct weft_mailbox_options options = {
		.private_data = &marks,
		.limit = 4,
		.high = 4,
		.watermark = marks_told,
	};
	struct note notes[5];
	unsigned i = 0;
	unsigned refused = 0;

	marks.to = weft_mailbox_addr(
		posttest_mailbox(fx->mem, fx->ev, &options));
	(void)posttest_open(fx, &marks.other);
	for (i = 0; i < 5; i++) {
		notes[i] = note_of(&marks.log, "n");
		refused += weft_post_msg(marks.to, &notes[i].msg) == EAGAIN;
	}
	posttest_turn(fx->ev, marks.other, &marks.log);
	is_uint(refused, 1, "a limit and a watermark: one is refused");
	is_str(marks.log.trail.text, "high4 n n n low0 n", "and both are told");
}

static void bad_options(struct fixture *fx)
{
	const struct weft_mailbox_options bad[] = {
		{ .high = 2 },
		{ .high = 2, .low = 2, .watermark = marks_told },
		{ .high = 5, .limit = 4, .watermark = marks_told },
	};
	struct weft_mailbox *mailbox = NULL;
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		is_int(weft_mailbox_create(fx->mem, fx->ev, &bad[i], &mailbox),
		       EINVAL, "a watermark that can never be told of");
	}
}

int main(void)
{
	POSTTEST_EACH(exact);
	POSTTEST(exact_under_threads);
	POSTTEST(races);
	POSTTEST(insisting_threads);
	POSTTEST(watermarks);
	POSTTEST(watermark_frees);
	POSTTEST(watermark_frees_loop);
	POSTTEST(watermark_nests);
	POSTTEST(both);
	POSTTEST(bad_options);
	return done();
}
