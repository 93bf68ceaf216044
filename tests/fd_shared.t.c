/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd shared: several fd events on one descriptor.
 *
 * 0.14.1 knows two of them on epoll and lets the writer win; 0.17.2 any number,
 * in turns (B310). What both agree on runs everywhere.
 */
#include "tests/trail.h"

#define EVENTS 4

struct shared {
	struct trail trail;
	struct step steps[EVENTS];
	struct tevent_fd *fdes[EVENTS];
	int fds[2];
};

static const char *const words[EVENTS] = { "a", "b", "c", "d" };

/* Events on the one end of a socket pair, the flags as given. */
static void shared_open(struct shared *all, struct fixture *fx,
			const uint16_t flags[EVENTS])
{
	*all = (struct shared){ .fds = { -1, -1 } };
	fixture_socketpair(all->fds);
	for (int i = 0; i < EVENTS; i++) {
		all->steps[i] = (struct step){ &all->trail, words[i] };
		if (flags[i] == UINT16_MAX) {
			continue;
		}
		all->fdes[i] = tevent_add_fd(fx->ev, fx->mem, all->fds[0],
					     flags[i], step_fd, &all->steps[i]);
	}
}

static void shared_close(struct shared *all)
{
	for (int i = 0; i < EVENTS; i++) {
		TALLOC_FREE(all->fdes[i]);
	}
	(void)close(all->fds[0]);
	if (all->fds[1] >= 0) {
		(void)close(all->fds[1]);
	}
}

#define R    TEVENT_FD_READ
#define W    TEVENT_FD_WRITE
#define NONE UINT16_MAX

/* Each event's own readiness reaches it, and only that. */
static void test_pair(struct fixture *fx)
{
	static const uint16_t flags[EVENTS] = { R, W, NONE, NONE };
	struct shared all;
	char byte = 0;

	shared_open(&all, fx, flags);
	trail_passes(&all.trail, fx->ev, 2);
	is_str(all.trail.text, "bW | bW |", "B310 only the writer is ready");

	(void)!write(all.fds[1], "x", 1);
	tevent_fd_set_flags(all.fdes[1], 0);
	trail_clear(&all.trail);
	trail_passes(&all.trail, fx->ev, 2);
	is_str(all.trail.text, "aR | aR |",
	       "B310 the writer gone quiet, the reader is called");

	(void)!read(all.fds[0], &byte, 1);
	TALLOC_FREE(all.fdes[0]);
	tevent_fd_set_flags(all.fdes[1], W);
	trail_clear(&all.trail);
	trail_passes(&all.trail, fx->ev, 1);
	is_str(all.trail.text, "bW |", "B310 one freed, the other lives");
	shared_close(&all);
}

static void test_turns(struct fixture *fx)
{
	static const struct {
		uint16_t flags[EVENTS];
		const char *want[2]; /* epoll; poll where it differs */
		const char *name;
	} rows[] = {
		{ { R, W, NONE, NONE },
		  { "aR | bW | aR | bW |", "bW | aR | bW | aR |" },
		  "reader and writer" },
		{ { R, R, R, NONE },
		  { "aR | bR | cR | aR |", "cR | bR | aR | cR |" },
		  "three readers" },
		{ { R, 0, R, NONE },
		  { "aR | cR | aR | cR |", "cR | aR | cR | aR |" },
		  "one that wants nothing between two readers" },
		{ { R | W, W, R, W },
		  { "aRW | bW | cR | dW |", "dW | cR | bW | aRW |" },
		  "four with flags of their own" },
	};

	if (TEST_ON_STOCK && !fixture_polls(fx)) {
		skip("B310 0.14.1 takes two events and prefers the writer");
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool poll = fixture_polls(fx);
		struct shared all;

		shared_open(&all, fx, rows[i].flags);
		(void)!write(all.fds[1], "x", 1);
		trail_passes(&all.trail, fx->ev, 4);
		is_str(all.trail.text, rows[i].want[poll ? 1 : 0],
		       "B310 turns: %s", rows[i].name);
		shared_close(&all);
	}
}

struct freeing {
	struct shared *all;
	int self;
	int victim;
};

static void freeing_fd(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct freeing *freeing = private_data;

	(void)ev;
	(void)fde;
	(void)flags;
	trail_add(&freeing->all->trail, words[freeing->self]);
	TALLOC_FREE(freeing->all->fdes[freeing->victim]);
}

/* Every victim for every handler, itself included. */
static void test_free_sibling(struct fixture *fx)
{
	static const uint16_t none[EVENTS] = { NONE, NONE, NONE, NONE };
	int count = TEST_ON_STOCK ? 2 : 3;

	for (int victim = 0; victim < count; victim++) {
		struct freeing freeing[EVENTS];
		struct shared all;
		char word[8];

		shared_open(&all, fx, none);
		(void)!write(all.fds[1], "x", 1);
		for (int i = 0; i < count; i++) {
			freeing[i] = (struct freeing){ &all, i, victim };
			all.fdes[i] = tevent_add_fd(fx->ev, fx->mem, all.fds[0],
						    R, freeing_fd, &freeing[i]);
		}
		trail_passes(&all.trail, fx->ev, 1);
		trail_clear(&all.trail);
		settle(fx->ev, 6);
		(void)snprintf(word, sizeof(word), "%s", words[victim]);
		ok(strstr(all.trail.text, word) == NULL &&
			   all.trail.text[0] != '\0',
		   "B204 B310 sibling %s freed in a handler: the others go on",
		   words[victim]);
		shared_close(&all);
	}
}

/* Adding in a handler is seen from the next pass on. */
static void adding_fd(struct tevent_context *ev, struct tevent_fd *fde,
		      uint16_t flags, void *private_data)
{
	struct shared *all = private_data;

	(void)fde;
	(void)flags;
	trail_add(&all->trail, "a");
	if (all->fdes[1] == NULL) {
		all->fdes[1] = tevent_add_fd(ev, all->fdes[0], all->fds[0], R,
					     step_fd, &all->steps[1]);
	}
}

static void test_add_in_handler(struct fixture *fx)
{
	static const uint16_t none[EVENTS] = { NONE, NONE, NONE, NONE };
	struct shared all;

	if (TEST_ON_STOCK && !fixture_polls(fx)) {
		skip("B310 0.14.1 calls one of two readers only");
		return;
	}
	shared_open(&all, fx, none);
	(void)!write(all.fds[1], "x", 1);
	all.fdes[0] = tevent_add_fd(fx->ev, fx->mem, all.fds[0], R, adding_fd,
				    &all);
	trail_passes(&all.trail, fx->ev, 4);
	ok(strstr(all.trail.text, "bR") != NULL &&
		   strncmp(all.trail.text, "a |", 3) == 0,
	   "B310 an event added in a handler has its turn: %s", all.trail.text);
	TALLOC_FREE(all.fdes[0]);
	all.fdes[1] = NULL;
	shared_close(&all);
}

static void test_hangup(struct fixture *fx)
{
	static const uint16_t flags[EVENTS] = { R, W, R, NONE };
	bool poll = fixture_polls(fx);
	struct shared all;

	if (TEST_ON_STOCK && !poll) {
		skip("B310 B311 0.14.1 takes two events only");
		return;
	}
	shared_open(&all, fx, flags);
	(void)close(all.fds[1]);
	all.fds[1] = -1;
	settle(fx->ev, 10);
	ok(strstr(all.trail.text, "aR") != NULL &&
		   strstr(all.trail.text, "cR") != NULL,
	   "B311 full close: the readers are called in turns");
	ok(strstr(all.trail.text, "b") == NULL,
	   "B305 B311 the one that only writes is not");
	if (poll) {
		is_uint(tevent_fd_get_flags(all.fdes[1]), 0,
			"B311 poll takes its flag away");
	}
	shared_close(&all);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B310 pair", test_pair);
	fixture_each_backend("B310 turns", test_turns);
	fixture_each_backend("B204 free sibling", test_free_sibling);
	fixture_each_backend("B310 add in handler", test_add_in_handler);
	fixture_each_backend("B311 hangup", test_hangup);
	return done();
}
