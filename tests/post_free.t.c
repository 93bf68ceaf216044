/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post free: who may free mailboxes and loops, and when; what becomes of what
 * waits there.
 *
 * Stock's context must not be freed in one of its own handlers (B206), so what
 * does that runs on ours only.
 */
/* Nested loops, without the warning. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/posttest.h"

/* ---- who frees what ---- */

static void frees_mailbox(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t other;
	TALLOC_CTX *mailbox = posttest_open(fx, &to);
	struct note notes[3] = { note_of(&log, "a"), note_of(&log, "b"),
				 note_of(&log, "c") };

	(void)posttest_open(fx, &other);
	notes[0].takes = &mailbox;
	note_post(to, &notes[0]);
	note_post(to, &notes[1]);
	parcel_post(to, &log, "gone");
	note_post(other, &notes[2]);
	posttest_turn(fx->ev, other, &log);
	is_str(log.trail.text, "a -b c",
	       "what waits in a mailbox freed by its handler is cancelled");
	is_uint(log.freed, 1, "blocks are freed");
	is_int(weft_post_msg(to, &notes[0].msg), ECANCELED, "it is nobody");
}

static void frees_mailbox_from_block(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t other;
	TALLOC_CTX *mailbox = posttest_open(fx, &to);
	struct parcel *parcel = parcel_new(NULL, &log, "p");

	(void)posttest_open(fx, &other);
	parcel->takes = &mailbox;
	is_int(weft_post(to, parcel_run, &parcel), 0, "accepted");
	parcel_post(to, &log, "gone");
	posttest_turn(fx->ev, other, &log);
	is_str(log.trail.text, "p", "a block's handler frees its mailbox");
	is_uint(log.freed, 2, "each block is freed once");
}

static void frees_loop(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	TALLOC_CTX *ev = fx->ev;
	struct note notes[2] = { note_of(&log, "a"), note_of(&log, "b") };
	struct parcel *parcel = NULL;
	struct weft_mailbox *mailbox = NULL;

	if (TEST_ON_STOCK) {
		skip("B206 stock's context is not freed in a handler");
		return;
	}
	mailbox = posttest_open(fx, &to);
	parcel = parcel_new(NULL, &log, "p");
	parcel->takes = &ev;
	note_post(to, &notes[0]);
	is_int(weft_post(to, parcel_run, &parcel), 0, "accepted");
	note_post(to, &notes[1]);
	parcel_post(to, &log, "gone");
	while (ev != NULL) {
		(void)tevent_loop_once(fx->ev);
	}
	fx->ev = NULL;
	is_str(log.trail.text, "a p -b", "a handler frees its loop");
	is_uint(log.freed, 2, "each block is freed once");
	is_ptr(weft_mailbox_context(mailbox), NULL, "the mailbox has none");
	is_uint(weft_mailbox_addr(mailbox).id, to.id, "but its old address");
	is_int(weft_post_msg(to, &notes[0].msg), ECANCELED, "that is nobody");
	talloc_free(mailbox);
}

static void frees_both(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to = { 0 };
	struct tevent_context *ev = tevent_context_init(fx->mem);
	TALLOC_CTX *takes = ev;
	struct note notes[2] = { note_of(&log, "a"), note_of(&log, "b") };

	if (TEST_ON_STOCK) {
		talloc_free(ev);
		skip("B206 stock's context is not freed in a handler");
		return;
	}
	to = weft_mailbox_addr(posttest_mailbox(ev, ev, NULL));
	notes[0].takes = &takes;
	note_post(to, &notes[0]);
	note_post(to, &notes[1]);
	while (takes != NULL) {
		(void)tevent_loop_once(ev);
	}
	is_str(log.trail.text, "a -b", "a handler frees its loop and mailbox");
}

struct nest {
	struct fixture *fx;
	struct post_log log;
	weft_addr_t to;
	weft_addr_t other;
	TALLOC_CTX *mailbox;
};

static struct nest *nest_now;

static void nest_run(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
	trail_add(&nest_now->log.trail, "(");
	posttest_turn(nest_now->fx->ev, nest_now->other, &nest_now->log);
	trail_add(&nest_now->log.trail, ")");
}

static void in_nested_loop(struct fixture *fx)
{
	struct nest nest = { .fx = fx };
	struct note notes[3] = { note_of(&nest.log, "a"),
				 note_of(&nest.log, "b"),
				 note_of(&nest.log, "c") };

	tevent_loop_allow_nesting(fx->ev);
	nest_now = &nest;
	nest.mailbox = posttest_open(fx, &nest.to);
	(void)posttest_open(fx, &nest.other);
	notes[1].takes = &nest.mailbox;
	(void)weft_post(nest.to, nest_run, NULL);
	note_post(nest.to, &notes[0]);
	note_post(nest.to, &notes[1]);
	note_post(nest.to, &notes[2]);
	posttest_turn(fx->ev, nest.other, &nest.log);
	is_str(nest.log.trail.text, "( a b -c )",
	       "a nested loop delivers; a mailbox is freed there");
}

static void nothing_run(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
}

static int destructor_frees(struct parcel *parcel)
{
	parcel->log->freed++;
	TALLOC_FREE(*parcel->takes);
	return 0;
}

static void from_destructors(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t other;
	TALLOC_CTX *mailbox = posttest_open(fx, &to);
	struct parcel *parcel = parcel_new(NULL, &log, "p");
	struct note note = note_of(&log, "n");

	(void)posttest_open(fx, &other);
	parcel->takes = &mailbox;
	talloc_set_destructor(parcel, destructor_frees);
	(void)weft_post(to, nothing_run, &parcel);
	note_post(to, &note);
	posttest_turn(fx->ev, other, &log);
	is_str(log.trail.text, "-n", "a block's destructor frees the mailbox");
	is_uint(log.freed, 1, "once");

	/* A block that is cancelled frees another mailbox of the loop. */
	mailbox = posttest_open(fx, &to);
	parcel = parcel_new(NULL, &log, "p");
	parcel->takes = &mailbox;
	talloc_set_destructor(parcel, destructor_frees);
	(void)weft_post(to, nothing_run, &parcel);
	TALLOC_FREE(fx->ev);
	is_uint(log.freed, 2, "also when the loop goes");
	is_ptr(mailbox, NULL, "and the mailbox with it");
}

static void freed_asleep(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct note notes[2] = { note_of(&log, "a"), note_of(&log, "b") };

	note_post(to, &notes[0]);
	parcel_post(to, &log, "p");
	note_post(to, &notes[1]);
	talloc_free(mailbox);
	is_str(log.trail.text, "", "nothing is cancelled in the destructor");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop has nothing to stay for");
	is_str(log.trail.text, "-a -b",
	       "what the last mailbox left is cancelled by the loop");
	is_uint(log.freed, 1, "and freed");
}

static void freed_without_turning(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct note note = note_of(&log, "a");

	note_post(to, &note);
	talloc_free(mailbox);
	TALLOC_FREE(fx->ev);
	is_str(log.trail.text, "-a", "or by its end");
}

static void loop_wait(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	TALLOC_CTX *mailbox = NULL;
	struct note notes[3] = { note_of(&log, "a"), note_of(&log, "b"),
				 note_of(&log, "c") };
	unsigned round = 0;

	for (round = 0; round < 3; round++) {
		trail_clear(&log.trail);
		mailbox = posttest_open(fx, &to);
		notes[0].again = 2;
		notes[0].to = to;
		notes[2].takes = &mailbox;
		note_post(to, &notes[0]);
		note_post(to, &notes[1]);
		while (strlen(log.trail.text) < strlen("a b a a")) {
			turn(fx->ev);
		}
		note_post(to, &notes[2]);
		is_int(tevent_loop_wait(fx->ev), 0, "B130 the loop returns");
		is_str(log.trail.text, "a b a a c",
		       "B130 as long as there is a mailbox it stays");
	}
}

/* ---- life ---- */

static void outlives_its_loop(struct fixture *fx)
{
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct weft_mailbox *early = NULL;

	early = posttest_mailbox(fx->ev, fx->ev, NULL);
	TALLOC_FREE(fx->ev);
	is_ptr(weft_mailbox_context(mailbox), NULL, "its loop has gone");
	is_int(weft_post(to, parcel_run, NULL), ECANCELED,
	       "a mailbox without a loop is nobody");
	talloc_free(mailbox);
	(void)early;
}

#define MANY (TEST_TSAN || TEST_ASAN ? 5000U : 50000U)

static void come_and_go(struct fixture *fx)
{
	unsigned fds = 0;
	uint32_t slot_max = 0;
	uint32_t slot_first = 0;
	unsigned doubles = 0;
	uint64_t last = 0;
	unsigned i = 0;

	for (i = 0; i < MANY; i++) {
		struct tevent_context *ev = fx->ev;
		struct weft_mailbox *mailbox = NULL;
		weft_addr_t to;

		/* Every tenth time a loop with all that belongs to it. */
		if (i % 10 == 0) {
			ev = tevent_context_init(fx->mem);
		}
		mailbox = posttest_mailbox(fx->mem, ev, NULL);
		to = weft_mailbox_addr(mailbox);
		doubles += to.id == last;
		last = to.id;
		slot_first = i == 0 ? (uint32_t)to.id : slot_first;
		slot_max = (uint32_t)to.id > slot_max ? (uint32_t)to.id
						      : slot_max;
		if (i % 2 == 0) {
			talloc_free(mailbox);
			mailbox = NULL;
		}
		if (ev != fx->ev) {
			talloc_free(ev);
		}
		talloc_free(mailbox);
		if (i == 100) {
			fds = fixture_fd_count();
		}
	}
	is_uint(fixture_fd_count(), fds, "%u mailboxes: no descriptor is left",
		MANY);
	is_uint(slot_max, slot_first, "no slot");
	is_uint(doubles, 0, "and no address was used twice");
}

int main(void)
{
	POSTTEST_EACH(frees_mailbox);
	POSTTEST(frees_mailbox_from_block);
	POSTTEST_EACH(frees_loop);
	POSTTEST(frees_both);
	POSTTEST_EACH(in_nested_loop);
	POSTTEST(from_destructors);
	POSTTEST_EACH(freed_asleep);
	POSTTEST(freed_without_turning);
	POSTTEST_EACH(loop_wait);
	POSTTEST(outlives_its_loop);
	POSTTEST(come_and_go);
	return done();
}
