/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post: messages and blocks to mailboxes of this loop, from here and from other
 * threads, and what is refused. */
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "tests/posttest.h"

/* ---- what arrives ---- */

static void arrives(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	int number = 7;
	struct weft_mailbox_options options = { .private_data = &number };
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, fx->ev,
							&options);
	weft_addr_t to = weft_mailbox_addr(mailbox);
	struct parcel *parcel = parcel_new(fx->mem, &log, "a");
	struct note note = note_of(&log, "b");

	ok(to.id != 0, "a mailbox is somebody");
	is_ptr(weft_mailbox_context(mailbox), fx->ev, "it knows its loop");
	is_ptr(weft_mailbox_private(mailbox), &number, "and its private data");
	is_int(weft_mailbox_fd(mailbox), -1, "its descriptor is the loop's");
	is_int(weft_mailbox_dispatch(mailbox, 0), -1, "and so is dispatching");
	is_int(weft_post(to, parcel_run, &parcel), 0, "a block is accepted");
	is_ptr(parcel, NULL, "the pointer is taken");
	is_int(weft_post_msg(to, &note.msg), 0, "a message is accepted");
	parcel_post(to, &log, "c");
	is_str(log.trail.text, "", "nothing runs at once");
	is_uint(log.freed, 0, "and nothing is freed");
	posttest_turn(fx->ev, to, &log);
	is_str(log.trail.text, "a b c", "they run in the order of posts");
	is_uint(log.freed, 2, "each block is freed after its handler");
	is_int(weft_post(to, parcel_run, NULL), 0, "no block at all: accepted");
	talloc_free(mailbox);
}

static unsigned nothings;

static void nothing_run(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	nothings += block == NULL;
}

static void nothing_travels(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct parcel *none = NULL;

	nothings = 0;
	is_int(weft_post(to, nothing_run, NULL), 0, "no pointer: accepted");
	is_int(weft_post(to, nothing_run, &none), 0, "a NULL block: accepted");
	posttest_turn(fx->ev, to, &log);
	is_uint(nothings, 2, "the handler gets NULL");
	talloc_free(mailbox);
}

static void kept(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	TALLOC_CTX *keeper = talloc_new(fx->mem);
	struct parcel *parcel = parcel_new(fx->mem, &log, "a");

	parcel->keeper = keeper;
	is_int(weft_post(to, parcel_run, &parcel), 0, "accepted");
	posttest_turn(fx->ev, to, &log);
	is_uint(log.freed, 0, "a block that was moved away is kept");
	is_uint(talloc_total_blocks(keeper), 2, "where it was moved to");
	talloc_free(mailbox);
	is_uint(log.freed, 0, "also when the mailbox goes");
	talloc_free(keeper);
	is_uint(log.freed, 1, "and freed with its new parent");
}

static void several_mailboxes(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to[3];
	struct note notes[6];
	static const char *const words[6] = { "0", "1", "2", "3", "4", "5" };
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		(void)posttest_open(fx, &to[i]);
	}
	for (i = 0; i < 6; i++) {
		notes[i] = note_of(&log, words[i]);
		note_post(to[2 - i % 3], &notes[i]);
	}
	posttest_turn(fx->ev, to[1], &log);
	is_str(log.trail.text, "0 1 2 3 4 5",
	       "one order over all mailboxes of a loop");
}

static void posts_itself(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	weft_addr_t other;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct note note = note_of(&log, "a");
	struct note moving = note_of(&log, "m");

	(void)posttest_open(fx, &other);
	note.again = 3;
	note.to = to;
	note_post(to, &note);
	while (strlen(log.trail.text) < strlen("a a a a")) {
		turn(fx->ev);
	}
	is_str(log.trail.text, "a a a a", "a message posts itself again");

	trail_clear(&log.trail);
	note.again = 1;
	note_post(to, &note);
	moving.again = 1;
	moving.to = other;
	note_post(to, &moving);
	talloc_free(mailbox);
	posttest_turn(fx->ev, other, &log);
	posttest_turn(fx->ev, other, &log);
	is_str(log.trail.text, "-a refused -m m",
	       "and from its cancel function, elsewhere");
}

static void context_address(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t first = { 0 };
	weft_addr_t second = { 0 };
	struct note note = note_of(&log, "n");

	is_int(weft_context_addr(fx->ev, &first), 0,
	       "a context has an address");
	is_int(weft_context_addr(fx->ev, &second), 0, "again");
	ok(first.id != 0 && first.id == second.id, "the same");
	parcel_post(first, &log, "a");
	posttest_turn(fx->ev, first, &log);
	is_str(log.trail.text, "a", "it can be posted to");
	note_post(first, &note);
	TALLOC_FREE(fx->ev);
	is_str(log.trail.text, "a -n", "and goes with the context");
	is_int(weft_post_msg(first, &note.msg), ECANCELED, "then it is nobody");
}

/* ---- what is refused ---- */

static void check_refused(struct fixture *fx, weft_addr_t to, int error,
			  const char *name)
{
	struct post_log log = { .freed = 0 };
	TALLOC_CTX *parent = talloc_new(fx->mem);
	struct parcel *parcel = parcel_new(parent, &log, "p");
	struct parcel *before = parcel;
	struct note note = note_of(&log, "n");
	struct note same = note;

	is_int(weft_post(to, parcel_run, &parcel), error, "%s: a block", name);
	is_ptr(parcel, before, "%s: the pointer is as it was", name);
	is_ptr(talloc_parent(parcel), parent, "%s: so is the parent", name);
	is_int(weft_post_msg(to, &note.msg), error, "%s: a message", name);
	ok(note.msg.run == same.msg.run && note.msg.cancel == same.msg.cancel &&
		   note.word == same.word,
	   "%s: the message is as it was", name);
	is_int(weft_post(to, parcel_run, NULL), error, "%s: NULL", name);
	is_uint(log.freed, 0, "%s: nothing is freed", name);
	talloc_free(parent);
	is_uint(log.freed, 1, "%s: but by us", name);
}

static void refusals(struct fixture *fx)
{
	weft_addr_t to;
	weft_addr_t reborn;
	weft_addr_t wrong;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	unsigned bit = 0;
	unsigned accepted = 0;
	struct post_log log = { .freed = 0 };
	struct note note = note_of(&log, "n");

	check_refused(fx, (weft_addr_t){ 0 }, EINVAL, "nobody");
	check_refused(fx, (weft_addr_t){ UINT64_MAX }, ECANCELED, "all ones");
	check_refused(fx, (weft_addr_t){ UINT64_C(1) << 32 }, ECANCELED,
		      "slot 0");
	wrong.id = to.id + (UINT64_C(1) << 32);
	check_refused(fx, wrong, ECANCELED, "the next generation");
	for (bit = 0; bit < 64; bit++) {
		wrong.id = to.id ^ (UINT64_C(1) << bit);
		accepted += weft_post_msg(wrong, &note.msg) == 0;
	}
	is_uint(accepted, 0, "no bit of an address may be wrong");
	talloc_free(mailbox);
	check_refused(fx, to, ECANCELED, "dead");
	mailbox = posttest_open(fx, &reborn);
	is_uint((uint32_t)reborn.id, (uint32_t)to.id, "the slot is used again");
	ok(reborn.id != to.id, "the address is not");
	check_refused(fx, to, ECANCELED, "reused");
	talloc_free(mailbox);
}

static void references(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	TALLOC_CTX *parent = talloc_new(fx->mem);
	struct parcel *parcel = parcel_new(parent, &log, "p");
	struct parcel *before = parcel;
	TALLOC_CTX *other = talloc_new(fx->mem);

	(void)talloc_reference(other, parcel);
	is_int(weft_post(to, parcel_run, &parcel), EINVAL,
	       "a block with references is refused");
	is_ptr(parcel, before, "the pointer is as it was");
	is_ptr(talloc_parent(parcel), parent, "and the parent");
	talloc_free(other);
	is_int(weft_post(to, parcel_run, &parcel), 0, "without, it is taken");
	posttest_turn(fx->ev, to, &log);
	is_uint(log.freed, 1, "and freed");
	talloc_free(mailbox);
}

static void watermark_never(struct weft_mailbox *mailbox, unsigned waiting,
			    bool above)
{
	(void)mailbox;
	(void)waiting;
	(void)above;
}

static void merge_never(void *newer, void *older)
{
	(void)newer;
	(void)older;
}

static void bad_options(struct fixture *fx)
{
	const struct weft_mailbox_options bad[] = {
		{ .high = 3 },
		{ .high = 3, .low = 3, .watermark = watermark_never },
		{ .high = 3, .low = 4, .watermark = watermark_never },
		{ .merge = merge_never },
		{ .latest = true, .limit = 1 },
		{ .latest = true, .high = 1, .watermark = watermark_never },
	};
	struct weft_mailbox *mailbox = NULL;
	struct weft_mailbox_options options = { .limit = 0 };
	size_t i = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(weft_mailbox_create(fx->mem, fx->ev, &bad[i], &mailbox),
		       EINVAL, "bad options %zu", i);
	}
	talloc_enable_null_tracking();
	is_int(weft_mailbox_create(fx->mem, fx->ev, NULL, &mailbox), EINVAL,
	       "talloc's null tracking is on");
	is_ptr(mailbox, NULL, "and nothing is set");
	options.allow_null_tracking = true;
	is_int(weft_mailbox_create(fx->mem, fx->ev, &options, &mailbox), 0,
	       "unless it is allowed");
	talloc_free(mailbox);
	talloc_disable_null_tracking();
}

/* Another process of this very program says one of its addresses. */
static int say_address(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	weft_addr_t addr = { 0 };
	int ret = ev == NULL ? ENOMEM : weft_context_addr(ev, &addr);

	if (ret == 0) {
		ret = fwrite(&addr, sizeof(addr), 1, stdout) == 1 ? 0 : EIO;
	}
	talloc_free(ev);
	return ret;
}

static void of_another_process(struct fixture *fx)
{
	weft_addr_t theirs = { 0 };
	weft_addr_t ours;
	FILE *pipe = NULL;
	char path[PATH_MAX] = "";
	char command[PATH_MAX + 16];
	size_t got = 0;
	unsigned i = 0;

	/* Followed here: a program under valgrind is its own file to itself
	 * alone. */
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0) {
		bail_out("readlink: %s", strerror(errno));
	}
	(void)snprintf(command, sizeof(command), "'%s' --address", path);
	pipe = popen(command, "re");
	if (pipe != NULL) {
		got = fread(&theirs, sizeof(theirs), 1, pipe);
		(void)pclose(pipe);
	}
	ok(got == 1 && theirs.id != 0, "another process has an address");
	do {
		(void)posttest_open(fx, &ours);
	} while ((uint32_t)ours.id != (uint32_t)theirs.id && ++i < 100);
	is_uint((uint32_t)ours.id, (uint32_t)theirs.id,
		"its slot is somebody's here");
	check_refused(fx, theirs, ECANCELED, "another process's");
}

/* ---- threads ---- */

#define SENDERS  4
#define BOXES    3
#define MESSAGES (TEST_TSAN ? 600 : 3000)

struct crowd {
	weft_addr_t to[BOXES];
	unsigned next[SENDERS]; /* the loop's */
	unsigned runs;
	unsigned cancelled;
	unsigned wrong;
	pthread_t owner;
	struct fixture_gate refused;
	struct fixture_gate accepted;
};

struct member {
	struct crowd *crowd;
	unsigned sender;
	unsigned number;
};

static int member_destructor(struct member *member)
{
	struct crowd *crowd = member->crowd;

	crowd->wrong += !pthread_equal(pthread_self(), crowd->owner);
	/* In one order, run or not: what is refused comes last. */
	crowd->wrong += crowd->next[member->sender] > member->number;
	crowd->next[member->sender] = member->number + 1;
	crowd->cancelled++;
	return 0;
}

static void member_run(struct weft_mailbox *mailbox, void *block)
{
	struct member *member = talloc_get_type_abort(block, struct member);

	(void)mailbox;
	member->crowd->runs++;
}

static void crowd_post(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	int accepted = 0;
	unsigned i = 0;

	for (i = 0; i < MESSAGES; i++) {
		struct member *member = talloc(NULL, struct member);
		int ret = 0;

		*member = (struct member){ crowd, index, i };
		talloc_set_destructor(member, member_destructor);
		ret = weft_post(crowd->to[(index + i) % BOXES], member_run,
				&member);
		if (ret == 0) {
			accepted++;
		} else {
			talloc_set_destructor(member, NULL);
			talloc_free(member);
		}
	}
	fixture_gate_add(&crowd->accepted, accepted);
	fixture_gate_add(&crowd->refused, (int)MESSAGES - accepted);
}

static void from_threads(struct fixture *fx)
{
	struct crowd crowd = { .owner = pthread_self() };
	struct fixture_threads *threads = NULL;
	TALLOC_CTX *boxes = talloc_new(fx->mem);
	unsigned i = 0;

	for (i = 0; i < BOXES; i++) {
		crowd.to[i] = weft_mailbox_addr(
			posttest_mailbox(boxes, fx->ev, NULL));
	}
	threads = fixture_threads_start(SENDERS, crowd_post, &crowd);
	while (crowd.runs < SENDERS * MESSAGES) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	talloc_free(boxes);
	is_int(tevent_loop_wait(fx->ev), 0, "nothing is left");
	is_uint(crowd.runs, SENDERS * MESSAGES, "everything has run, once");
	is_uint(crowd.cancelled, SENDERS * MESSAGES, "and is freed, once");
	is_uint(crowd.wrong, 0,
		"in the order of each sender, on the loop's thread");
}

/* The loop ends in the middle. */
static void loop_ends_under_threads(struct fixture *fx)
{
	struct crowd crowd = { .owner = pthread_self() };
	struct fixture_threads *threads = NULL;
	unsigned i = 0;

	for (i = 0; i < BOXES; i++) {
		(void)posttest_open(fx, &crowd.to[i]);
	}
	threads = fixture_threads_start(SENDERS, crowd_post, &crowd);
	while (crowd.runs < SENDERS * MESSAGES / 4) {
		turn(fx->ev);
	}
	TALLOC_FREE(fx->ev);
	fixture_threads_join(threads);
	ok(crowd.runs >= SENDERS * MESSAGES / 4, "some have run");
	is_uint(crowd.cancelled, (unsigned)fixture_gate_value(&crowd.accepted),
		"what was accepted is freed on the loop's thread");
	is_uint(crowd.wrong, 0, "in the order of each sender");
	is_int(fixture_gate_value(&crowd.accepted) +
		       fixture_gate_value(&crowd.refused),
	       SENDERS * MESSAGES, "the rest is refused");
}

static void poke(unsigned index, void *arg)
{
	struct note *notes = arg;

	note_post(notes[index].to, &notes[index]);
}

static void cancelled_at_home(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct note notes[1] = { note_of(&log, "a") };

	(void)posttest_open(fx, &to);
	notes[0].to = to;
	fixture_threads_join(fixture_threads_start(1, poke, notes));
	TALLOC_FREE(fx->ev);
	is_str(log.trail.text, "-a", "the other thread's post is cancelled");
	ok(pthread_equal(log.thread, pthread_self()),
	   "on the thread of the mailbox");
}

struct visit {
	struct post_log log;
	weft_addr_t to;
};

static void mailbox_in_another_thread(unsigned index, void *arg)
{
	struct visit *visit = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	TALLOC_CTX *mailbox = posttest_mailbox(NULL, ev, NULL);
	struct note note = note_of(&visit->log, "stop");

	(void)index;
	note.takes = &mailbox;
	parcel_post(visit->to, &visit->log, "hello");
	note_post(weft_mailbox_addr((struct weft_mailbox *)mailbox), &note);
	(void)tevent_loop_wait(ev);
	talloc_free(ev);
}

static void loops_come_and_go(struct fixture *fx)
{
	struct visit visit = { .to = { 0 } };
	unsigned i = 0;

	(void)posttest_open(fx, &visit.to);
	for (i = 0; i < 5; i++) {
		trail_clear(&visit.log.trail);
		fixture_threads_join(fixture_threads_start(
			1, mailbox_in_another_thread, &visit));
		posttest_turn(fx->ev, visit.to, &visit.log);
		is_str(visit.log.trail.text, "stop hello",
		       "a thread with a loop comes and goes");
	}
}

/* ---- signals ---- */

static void signal_posts(struct tevent_context *ev, struct tevent_signal *se,
			 int signum, int count, void *siginfo,
			 void *private_data)
{
	struct note *note = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	note_post(note->to, note);
}

static void through_signals(struct fixture *fx)
{
	struct post_log log = { .freed = 0 };
	weft_addr_t to;
	struct weft_mailbox *mailbox = posttest_open(fx, &to);
	struct note note = note_of(&log, "sig");
	struct tevent_signal *se = tevent_add_signal(fx->ev, fx->mem, SIGUSR2,
						     0, signal_posts, &note);

	note.to = to;
	(void)kill(getpid(), SIGUSR2);
	while (log.trail.text[0] == '\0') {
		turn(fx->ev);
	}
	is_str(log.trail.text, "sig", "a signal event posts");
	talloc_free(se);
	talloc_free(mailbox);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--address") == 0) {
		return say_address();
	}
	POSTTEST_EACH(arrives);
	POSTTEST(nothing_travels);
	POSTTEST(kept);
	POSTTEST_EACH(several_mailboxes);
	POSTTEST(posts_itself);
	POSTTEST(context_address);
	POSTTEST(refusals);
	POSTTEST(references);
	POSTTEST(bad_options);
	POSTTEST(of_another_process);
	POSTTEST_EACH(from_threads);
	POSTTEST(loop_ends_under_threads);
	POSTTEST(cancelled_at_home);
	POSTTEST(loops_come_and_go);
	POSTTEST(through_signals);
	return done();
}
