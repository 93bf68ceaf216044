/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: descriptor events that behave: readiness, flags, turns, close functions.
 * What goes wrong with descriptors is in fd_error.t.c, several events on one
 * descriptor in fd_shared.t.c.
 */
#include <fcntl.h>

#include "tests/trail.h"

static void close_both(int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_readiness(struct fixture *fx)
{
	static const struct {
		uint16_t flags;
		bool data;
		const char *want;
	} rows[] = {
		{ TEVENT_FD_READ, true, "fR |" },
		{ TEVENT_FD_WRITE, true, "fW |" },
		{ TEVENT_FD_WRITE, false, "fW |" },
		{ TEVENT_FD_READ | TEVENT_FD_WRITE, true, "fRW |" },
		{ TEVENT_FD_READ | TEVENT_FD_WRITE, false, "fW |" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trail trail = { "" };
		struct step step = { &trail, "f" };
		struct tevent_fd *fde = NULL;
		int fds[2] = { -1, -1 };

		fixture_socketpair(fds);
		if (rows[i].data) {
			(void)!write(fds[1], "x", 1);
		}
		fde = tevent_add_fd(fx->ev, fx->mem, fds[0], rows[i].flags,
				    step_fd, &step);
		trail_passes(&trail, fx->ev, 1);
		is_str(trail.text, rows[i].want, "B301 flags %u, %s",
		       (unsigned)rows[i].flags,
		       rows[i].data ? "data" : "no data");
		TALLOC_FREE(fde);
		close_both(fds);
	}
}

static void test_level(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	int fds[2] = { -1, -1 };
	char byte = 0;

	fixture_socketpair(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &step);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B301 no data: silence");
	(void)!write(fds[1], "x", 1);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "fR | fR | fR |",
	       "B301 data that stays is reported again");
	(void)!read(fds[0], &byte, 1);
	trail_clear(&trail);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B301 data read: silence");
	(void)!write(fds[1], "x", 1);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "fR |", "B301 and again when more comes");
	TALLOC_FREE(fx->ev);
	close_both(fds);
}

struct expectation {
	struct tevent_context *ev;
	struct tevent_fd *fde;
	int *private_data;
	bool good;
	bool came;
};

static struct expectation expected;

static void check_arguments(struct tevent_context *ev, struct tevent_fd *fde,
			    uint16_t flags, void *private_data)
{
	expected.came = true;
	expected.good = ev == expected.ev && fde == expected.fde &&
			private_data == expected.private_data &&
			flags == TEVENT_FD_WRITE;
}

static void test_arguments(struct fixture *fx)
{
	int number = 0;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	expected = (struct expectation){ .ev = fx->ev,
					 .private_data = &number };
	expected.fde = tevent_add_fd(fx->ev, fx->mem, fds[1], TEVENT_FD_WRITE,
				     check_arguments, &number);
	is_ptr(talloc_parent(expected.fde), fx->mem, "2.2 the event's parent");
	(void)fixture_turn_until(fx->ev, &expected.came);
	ok(expected.good,
	   "2.2 the handler gets context, event, flags and data");
	TALLOC_FREE(expected.fde);
	close_both(fds);
}

static void test_refused(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };

	is_ptr(tevent_add_fd(fx->ev, fx->ev, -1, TEVENT_FD_READ, step_fd,
			     &step),
	       NULL, "2.2 a negative descriptor is refused");
	is_uint(tevent_fd_get_flags(NULL), 0, "2.3 no event has no flags");
	tevent_fd_set_flags(NULL, TEVENT_FD_READ);
	tevent_fd_set_auto_close(NULL);
	tevent_fd_set_close_fn(NULL, NULL);
	is_uint(tevent_fd_get_flags(NULL), 0, "2.3 setters ignore no event");
}

static void test_flags(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	(void)!write(fds[1], "x", 1);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[0], 0, step_fd, &step);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B304 flags 0: nothing is reported");

	TEVENT_FD_READABLE(fde);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_READ, "2.4 READABLE");
	trail_passes(&trail, fx->ev, 1);
	TEVENT_FD_WRITEABLE(fde);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_READ | TEVENT_FD_WRITE,
		"2.4 WRITEABLE");
	trail_passes(&trail, fx->ev, 1);
	TEVENT_FD_NOT_READABLE(fde);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_WRITE, "2.4 NOT_READABLE");
	trail_passes(&trail, fx->ev, 1);
	tevent_fd_set_flags(fde, TEVENT_FD_WRITE);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "fR | fRW | fW | fW |",
	       "2.3 each change holds from the next pass on");

	trail_clear(&trail);
	TEVENT_FD_NOT_WRITEABLE(fde);
	is_uint(tevent_fd_get_flags(fde), 0, "2.4 NOT_WRITEABLE");
	settle(fx->ev, 3);
	is_str(trail.text, "", "2.3 flags 0 again: silence");
	TALLOC_FREE(fde);
	close_both(fds);
}

/* Changes that cancel out between two waits leave what was there. */
static void test_flags_back_and_forth(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &step);
	for (int i = 0; i < 3; i++) {
		TEVENT_FD_WRITEABLE(fde);
		TEVENT_FD_NOT_WRITEABLE(fde);
		settle(fx->ev, 3);
	}
	is_str(trail.text, "", "4.6 on and off again: silence");
	TEVENT_FD_NOT_READABLE(fde);
	TEVENT_FD_WRITEABLE(fde);
	TEVENT_FD_NOT_WRITEABLE(fde);
	TEVENT_FD_WRITEABLE(fde);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "fW | fW |", "4.6 the last change counts");

	trail_clear(&trail);
	TEVENT_FD_NOT_WRITEABLE(fde);
	TALLOC_FREE(fde);
	settle(fx->ev, 3);
	is_str(trail.text, "", "4.6 changed and freed: silence");
	close_both(fds);
}

#define FDS 5

static void test_turns(struct fixture *fx)
{
	static const char *const words[FDS] = { "0", "1", "2", "3", "4" };
	struct trail trail = { "" };
	struct step steps[FDS];
	int fds[FDS][2];
	unsigned count[FDS] = { 0 };
	bool fair = true;

	for (int i = 0; i < FDS; i++) {
		fixture_pipe(fds[i]);
		steps[i] = (struct step){ &trail, words[i] };
		(void)tevent_add_fd(fx->ev, fx->ev, fds[i][1], TEVENT_FD_WRITE,
				    step_fd, &steps[i]);
	}
	/* Any FDS passes in a row give each exactly one turn. */
	for (int pass = 1; pass <= 4 * FDS; pass++) {
		trail_clear(&trail);
		trail_passes(&trail, fx->ev, 1);
		count[trail.text[0] - '0']++;
		for (int i = 0; pass % FDS == 0 && i < FDS; i++) {
			fair = fair && count[i] == (unsigned)(pass / FDS);
		}
	}
	ok(fair, "B320 descriptors that are ready take turns");
	TALLOC_FREE(fx->ev);
	for (int i = 0; i < FDS; i++) {
		close_both(fds[i]);
	}
}

/* More descriptors than any backend starts with. */
static void test_many(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fdes[300] = { NULL };
	int fds[2] = { -1, -1 };
	unsigned passes = 0;

	fixture_pipe(fds);
	for (size_t i = 0; i < 300; i++) {
		int copy = fcntl(fds[1], F_DUPFD_CLOEXEC, 0);
		fdes[i] = tevent_add_fd(fx->ev, fx->mem, copy, TEVENT_FD_WRITE,
					step_fd, &step);
		tevent_fd_set_auto_close(fdes[i]);
	}
	for (size_t i = 0; i < 300; i += 2) {
		TALLOC_FREE(fdes[i]);
	}
	for (size_t i = 1; i < 300; i += 2) {
		tevent_fd_set_flags(fdes[i], i % 3 == 0 ? TEVENT_FD_WRITE : 0);
	}
	while (passes < 50) {
		trail_clear(&trail);
		trail_passes(&trail, fx->ev, 1);
		passes += strcmp(trail.text, "fW |") == 0 ? 1 : 0;
	}
	is_uint(passes, 50, "B320 the fifty of 300 that still want to, write");
	for (size_t i = 1; i < 300; i += 2) {
		TALLOC_FREE(fdes[i]);
	}
	trail_clear(&trail);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B320 all freed: silence");
	close_both(fds);
}

struct closing {
	struct trail *trail;
	const char *word;
	struct tevent_context *ev;
	int fd;
	uint16_t flags;
	bool same;
};

static void closing_close(struct tevent_context *ev, struct tevent_fd *fde,
			  int fd, void *private_data)
{
	struct closing *closing = private_data;

	trail_add(closing->trail, closing->word);
	closing->flags = tevent_fd_get_flags(fde);
	closing->same = ev == closing->ev && fd == closing->fd;
	(void)close(fd);
}

static void other_close(struct tevent_context *ev, struct tevent_fd *fde,
			int fd, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)private_data;
	(void)close(fd);
}

static void never_fd(struct tevent_context *ev, struct tevent_fd *fde,
		     uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
	fail("a handler ran that was not to");
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void test_close_fn(struct fixture *fx)
{
	struct trail trail = { "" };
	struct closing closing = { .trail = &trail, .word = "close" };
	TALLOC_CTX *parent = talloc_new(fx->mem);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	closing.ev = fx->ev;
	closing.fd = fds[0];
	fde = tevent_add_fd(fx->ev, parent, fds[0], TEVENT_FD_READ, never_fd,
			    &closing);
	tevent_fd_set_close_fn(fde, closing_close);
	TALLOC_FREE(parent);
	is_str(trail.text, "close", "B330 the close function runs once");
	ok(closing.same, "B330 it gets the context and the descriptor");
	is_uint(closing.flags, TEVENT_FD_READ,
		"B331 the flags are still readable in it");
	ok(!is_open(fds[0]), "B330 and it closed");
	(void)close(fds[1]);
}

static void test_close_slot(struct fixture *fx)
{
	struct trail trail = { "" };
	struct closing closing = { .trail = &trail, .word = "close" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], TEVENT_FD_READ, never_fd,
			    &closing);
	tevent_fd_set_close_fn(fde, closing_close);
	tevent_fd_set_auto_close(fde);
	TALLOC_FREE(fde);
	is_str(trail.text, "", "B334 auto close takes the slot");
	ok(!is_open(fds[0]), "2.3 auto close closes");

	fde = tevent_add_fd(fx->ev, fx->mem, fds[1], 0, never_fd, &closing);
	tevent_fd_set_auto_close(fde);
	tevent_fd_set_close_fn(fde, NULL);
	TALLOC_FREE(fde);
	ok(is_open(fds[1]), "2.3 no close function takes auto close away");

	fde = tevent_add_fd(fx->ev, fx->mem, fds[1], 0, never_fd, &closing);
	tevent_fd_set_auto_close(fde);
	tevent_fd_set_close_fn(fde, other_close);
	tevent_fd_set_close_fn(fde, closing_close);
	TALLOC_FREE(fde);
	is_str(trail.text, "close", "B334 the last close function counts");
}

static void test_closed_number_again(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	bool good = true;

	for (int i = 0; i < 50; i++) {
		struct tevent_fd *fde = NULL;
		int fds[2] = { -1, -1 };

		fixture_pipe(fds);
		fde = tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE,
				    step_fd, &step);
		tevent_fd_set_auto_close(fde);
		trail_clear(&trail);
		trail_passes(&trail, fx->ev, 1);
		good = good && strcmp(trail.text, "fW |") == 0;
		TALLOC_FREE(fde);
		(void)close(fds[0]);
	}
	ok(good, "B314 a number freed and closed in order may come again");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B301 readiness", test_readiness);
	fixture_each_backend("B301 level", test_level);
	fixture_each_backend("2.2 arguments", test_arguments);
	fixture_run("2.2 refused", test_refused);
	fixture_each_backend("2.4 flags", test_flags);
	fixture_each_backend("4.6 back and forth", test_flags_back_and_forth);
	fixture_each_backend("B320 turns", test_turns);
	fixture_each_backend("B320 many", test_many);
	fixture_each_backend("B330 close function", test_close_fn);
	fixture_each_backend("B334 close slot", test_close_slot);
	fixture_each_backend("B314 number again", test_closed_number_again);
	return done();
}
