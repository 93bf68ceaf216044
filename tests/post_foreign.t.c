/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post foreign: mailboxes of loops that are not tevent's: a descriptor and a
 * function, here under poll(2) alone.
 */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/posttest.h"

#define FOREIGN(fn) \
	fixture_run_flags(#fn, fn, FIXTURE_THREADS | FIXTURE_NO_CONTEXT)

/* Whether the mailbox asks to be dispatched; @wait: until it does. */
static bool calls(const struct weft_mailbox *mailbox, bool wait)
{
	struct pollfd pollfd = {
		.fd = weft_mailbox_fd(mailbox),
		.events = POLLIN,
	};

	return poll(&pollfd, 1, wait ? -1 : 0) == 1;
}

static struct weft_mailbox *foreign_open(struct fixture *fx, weft_addr_t *to)
{
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, NULL, NULL);

	*to = weft_mailbox_addr(mailbox);
	return mailbox;
}

static void descriptor(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = foreign_open(fx, &to);
	struct note note = note_of(&log, "a");
	unsigned round = 0;

	ok(weft_mailbox_fd(mailbox) >= 0, "there is a descriptor");
	is_ptr(weft_mailbox_context(mailbox), NULL, "and no context");
	for (round = 0; round < 3; round++) {
		ok(!calls(mailbox, false), "nothing waits: it is silent");
		is_int(weft_mailbox_dispatch(mailbox, 0), 0,
		       "to dispatch then is harmless");
		note_post(to, &note);
		parcel_post(to, &log, "b");
		ok(calls(mailbox, false), "something waits: it is readable");
		is_int(weft_mailbox_dispatch(mailbox, 0), 2, "both run");
		ok(!calls(mailbox, false), "and it is silent again");
	}
	is_str(log.trail.text, "a b a b a b", "in order");
	is_uint(log.freed, 3, "blocks are freed");
}

static void a_few_at_a_time(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = foreign_open(fx, &to);
	struct note notes[5];
	unsigned i = 0;

	for (i = 0; i < 5; i++) {
		notes[i] = note_of(&log, "n");
		note_post(to, &notes[i]);
	}
	is_int(weft_mailbox_dispatch(mailbox, 2), 2, "two of five");
	ok(calls(mailbox, false), "the rest keeps it readable");
	parcel_post(to, &log, "late");
	is_int(weft_mailbox_dispatch(mailbox, 2), 2, "two more");
	ok(calls(mailbox, false), "still");
	is_int(weft_mailbox_dispatch(mailbox, 2), 2, "and two");
	is_int(weft_mailbox_dispatch(mailbox, 2), 0, "that was all");
	ok(!calls(mailbox, false), "silent");
	is_str(log.trail.text, "n n n n n late", "in order");
}

static void posts_in_handler(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = foreign_open(fx, &to);
	struct note note = note_of(&log, "n");
	unsigned i = 0;

	note.again = 3;
	note.to = to;
	note_post(to, &note);
	for (i = 0; i < 4; i++) {
		ok(calls(mailbox, false), "it calls for what a handler posts");
		is_int(weft_mailbox_dispatch(mailbox, 0), 1,
		       "and does not run it at once");
	}
	ok(!calls(mailbox, false), "until that ends");
	is_str(log.trail.text, "n n n n", "each has run");
}

struct nest {
	struct weft_mailbox *mailbox;
	struct post_log log;
	unsigned max;
	int inner;
	bool called; /* readable in the handler */
};

static struct nest *nest_now;

static void nest_run(struct weft_mailbox *mailbox, void *block)
{
	(void)block;
	nest_now->called = calls(mailbox, false);
	trail_add(&nest_now->log.trail, "(");
	nest_now->inner = weft_mailbox_dispatch(mailbox, nest_now->max);
	trail_add(&nest_now->log.trail, ")");
}

static void nested(struct fixture *fx)
{
	struct nest nest = { .max = 0 };
	weft_addr_t to;
	struct note notes[3] = { note_of(&nest.log, "a"),
				 note_of(&nest.log, "b"),
				 note_of(&nest.log, "c") };

	nest_now = &nest;
	nest.mailbox = foreign_open(fx, &to);
	(void)weft_post(to, nest_run, NULL);
	note_post(to, &notes[0]);
	note_post(to, &notes[1]);
	is_int(weft_mailbox_dispatch(nest.mailbox, 0), 1, "the outer one");
	is_int(nest.inner, 2, "the inner one");
	ok(nest.called, "in a handler, what waits keeps it readable");
	is_str(nest.log.trail.text, "( a b )", "dispatching nests");
	ok(!calls(nest.mailbox, false), "and is through");

	trail_clear(&nest.log.trail);
	nest.max = 1;
	(void)weft_post(to, nest_run, NULL);
	note_post(to, &notes[0]);
	note_post(to, &notes[1]);
	is_int(weft_mailbox_dispatch(nest.mailbox, 1), 1,
	       "one, and one inside");
	is_str(nest.log.trail.text, "( a )", "in order");
	ok(calls(nest.mailbox, false), "the last one keeps it readable");
	note_post(to, &notes[2]);
	is_int(weft_mailbox_dispatch(nest.mailbox, 0) +
		       weft_mailbox_dispatch(nest.mailbox, 0),
	       2, "the rest");
	is_str(nest.log.trail.text, "( a ) b c", "still in order");
	ok(!calls(nest.mailbox, false), "silent");
}

static void freed_in_handler(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = foreign_open(fx, &to);
	TALLOC_CTX *takes = mailbox;
	struct note notes[3] = { note_of(&log, "a"), note_of(&log, "b"),
				 note_of(&log, "c") };

	notes[1].takes = &takes;
	note_post(to, &notes[0]);
	note_post(to, &notes[1]);
	note_post(to, &notes[2]);
	parcel_post(to, &log, "gone");
	is_int(weft_mailbox_dispatch(mailbox, 0), 2,
	       "a handler frees the mailbox");
	is_str(log.trail.text, "a b -c", "the rest is cancelled");
	is_uint(log.freed, 1, "and freed");
	is_int(weft_post_msg(to, &notes[0].msg), ECANCELED, "it is nobody");

	trail_clear(&log.trail);
	mailbox = foreign_open(fx, &to);
	note_post(to, &notes[0]);
	talloc_free(mailbox);
	is_str(log.trail.text, "-a", "freed elsewhere: cancelled at once");
}

/* The counter of an eventfd has an end. */
static void overflow(struct fixture *fx)
{
	const uint64_t full = UINT64_MAX - 1;
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = foreign_open(fx, &to);
	struct note note = note_of(&log, "a");
	unsigned round = 0;

	for (round = 0; round < 2; round++) {
		is_int(write(weft_mailbox_fd(mailbox), &full, sizeof(full)),
		       sizeof(full), "the descriptor takes no more");
		note_post(to, &note);
		parcel_post(to, &log, "b");
		ok(calls(mailbox, false), "posts are accepted all the same");
		is_int(weft_mailbox_dispatch(mailbox, 1), 1, "and run");
		ok(calls(mailbox, false), "it still calls");
		is_int(weft_mailbox_dispatch(mailbox, 1), 1, "all of them");
		ok(!calls(mailbox, false), "then it is silent");
	}
	is_str(log.trail.text, "a b a b", "nothing is lost");
}

/* ---- threads ---- */

#define SENDERS  3
#define MESSAGES (TEST_TSAN ? 3000U : 20000U)

struct crowd {
	weft_addr_t to;
	unsigned next[SENDERS];
	unsigned wrong;
	bool one_by_one; /* the next is posted when the last has run, at once */
	atomic_uint ran; /* A: relaxed: so many */
};

struct member {
	struct weft_msg msg;
	struct crowd *crowd;
	unsigned sender;
	unsigned number;
};

static void member_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct member *member = (struct member *)(void *)msg;
	struct crowd *crowd = member->crowd;

	(void)mailbox;
	crowd->wrong += crowd->next[member->sender] != member->number;
	crowd->next[member->sender] = member->number + 1;
	free(member);
	(void)atomic_fetch_add_explicit(&crowd->ran, 1, memory_order_relaxed);
}

static void member_cancel(struct weft_msg *msg)
{
	struct member *member = (struct member *)(void *)msg;

	member->crowd->wrong++;
	free(member);
}

static void crowd_send(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	unsigned i = 0;

	for (i = 0; i < MESSAGES; i++) {
		struct member *member = malloc(sizeof(*member));

		*member = (struct member){
			.msg = { .run = member_run, .cancel = member_cancel },
			.crowd = crowd,
			.sender = index,
			.number = i,
		};
		if (weft_post_msg(crowd->to, &member->msg) != 0) {
			free(member);
			return;
		}
		while (crowd->one_by_one &&
		       atomic_load_explicit(&crowd->ran,
					    memory_order_relaxed) <= i) {
			(void)sched_yield();
		}
	}
}

static void from_threads(struct fixture *fx)
{
	struct crowd crowd = { .wrong = 0 };
	struct weft_mailbox *mailbox = foreign_open(fx, &crowd.to);
	struct fixture_threads *threads = fixture_threads_start(
		SENDERS, crowd_send, &crowd);
	int count = 0;

	while (count < (int)(SENDERS * MESSAGES)) {
		(void)calls(mailbox, true);
		count += weft_mailbox_dispatch(mailbox, 16);
	}
	fixture_threads_join(threads);
	is_uint(atomic_load_explicit(&crowd.ran, memory_order_relaxed),
		SENDERS * MESSAGES, "everything has run");
	is_uint(crowd.wrong, 0, "in the order of each sender");
	ok(!calls(mailbox, false), "and the descriptor is silent");
}

/* It is dispatched again and again although it has not called, while others
 * post; it must call for what such a dispatch has not run. */
static void without_being_called(struct fixture *fx)
{
	struct crowd crowd = { .one_by_one = true };
	struct weft_mailbox *mailbox = foreign_open(fx, &crowd.to);
	struct fixture_threads *threads = fixture_threads_start(1, crowd_send,
								&crowd);
	unsigned count = 0;

	while (count < MESSAGES) {
		unsigned tries = 0;
		int ran = 0;

		do {
			ran = weft_mailbox_dispatch(mailbox, 0);
		} while (ran == 0 && ++tries <= count % 61);
		if (ran == 0) {
			(void)calls(mailbox, true);
		}
		count += (unsigned)ran;
	}
	fixture_threads_join(threads);
	is_uint(crowd.wrong, 0, "it calls for all that is not run yet");
}

static void several(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	struct weft_mailbox_options options = { .limit = 1 };
	weft_addr_t to[2];
	struct weft_mailbox *mailboxes[2];
	struct note notes[3] = { note_of(&log, "a"), note_of(&log, "b"),
				 note_of(&log, "c") };

	mailboxes[0] = posttest_mailbox(fx->mem, NULL, &options);
	to[0] = weft_mailbox_addr(mailboxes[0]);
	mailboxes[1] = foreign_open(fx, &to[1]);
	note_post(to[0], &notes[0]);
	is_int(weft_post_msg(to[0], &notes[1].msg), EAGAIN, "a limit holds");
	ok(!calls(mailboxes[1], false), "each has a descriptor of its own");
	note_post(to[1], &notes[2]);
	is_int(weft_mailbox_dispatch(mailboxes[1], 0), 1, "and runs its own");
	is_int(weft_mailbox_dispatch(mailboxes[0], 0), 1, "only");
	is_str(log.trail.text, "c a", "each when it is dispatched");
	talloc_free(mailboxes[0]);
	note_post(to[1], &notes[0]);
	is_int(weft_mailbox_dispatch(mailboxes[1], 0), 1, "alone it goes on");
}

int main(void)
{
	FOREIGN(descriptor);
	FOREIGN(a_few_at_a_time);
	FOREIGN(posts_in_handler);
	FOREIGN(nested);
	FOREIGN(freed_in_handler);
	FOREIGN(overflow);
	FOREIGN(from_threads);
	FOREIGN(without_being_called);
	FOREIGN(several);
	return done();
}
