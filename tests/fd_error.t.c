/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd error: hangup, half-close, and descriptors that are bad, closed behind
 * the library's back, used again, duplicated or of a kind that cannot wait.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "tests/trail.h"

#define R TEVENT_FD_READ
#define W TEVENT_FD_WRITE
#if TEST_ON_STOCK
#define E 4
#else
#define E TEVENT_FD_ERROR
#endif

enum loss { HALF_CLOSE, FULL_CLOSE };

static void lose(int fd, enum loss loss)
{
	if (loss == HALF_CLOSE) {
		(void)shutdown(fd, SHUT_WR);
	} else {
		(void)close(fd);
	}
}

/* What is reported to one event when the peer goes. */
static void test_peer_gone(struct fixture *fx)
{
	static const struct {
		enum loss loss;
		uint16_t flags;
		const char *want;
		bool stock; /* 0.14.1 does the same */
		const char *name;
	} rows[] = {
		{ FULL_CLOSE, R, "fR |", true, "B302 closed, R" },
		{ FULL_CLOSE, R | W, "fRW |", true, "B302 closed, RW" },
		{ FULL_CLOSE, E, "fE |", false, "B302 closed, E" },
		{ FULL_CLOSE, E | W, "fWE |", false, "B302 closed, EW" },
		{ FULL_CLOSE, R | E | W, "fRWE |", false, "B302 closed, REW" },
		{ HALF_CLOSE, R, "fR |", true, "B303 half-closed, R" },
		{ HALF_CLOSE, R | W, "fRW |", true, "B303 half-closed, RW" },
		{ HALF_CLOSE, E, "fE |", false, "B303 half-closed, E" },
		{ HALF_CLOSE, R | E | W, "fRWE |", false,
		  "B303 half-closed, REW" },
		{ HALF_CLOSE, W, "fW |", true, "B303 B306 half-closed, W" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trail trail = { "" };
		struct step step = { &trail, "f" };
		struct tevent_fd *fde = NULL;
		int fds[2] = { -1, -1 };

		if (TEST_ON_STOCK && !rows[i].stock) {
			skip("%s: 0.14.1 knows no error flag", rows[i].name);
			continue;
		}
		fixture_socketpair(fds);
		fde = tevent_add_fd(fx->ev, fx->mem, fds[0], rows[i].flags,
				    step_fd, &step);
		lose(fds[1], rows[i].loss);
		trail_passes(&trail, fx->ev, 1);
		is_str(trail.text, rows[i].want, "%s", rows[i].name);
		is_uint(tevent_fd_get_flags(fde), rows[i].flags,
			"%s: the flags stay", rows[i].name);
		TALLOC_FREE(fde);
		(void)close(fds[0]);
		if (rows[i].loss == HALF_CLOSE) {
			(void)close(fds[1]);
		}
	}
}

/* Half-close is not the end of writing, on any backend, ever. */
static void test_half_close_write(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], R, step_fd, &step);
	(void)shutdown(fds[1], SHUT_WR);
	trail_passes(&trail, fx->ev, 1);
	tevent_fd_set_flags(fde, W);
	trail_passes(&trail, fx->ev, 2);
	tevent_fd_set_flags(fde, 0);
	settle(fx->ev, 3);
	tevent_fd_set_flags(fde, W);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "fR | fW | fW | fW |",
	       "B306 4.3 after half-close, write interest still works");
	is_uint(tevent_fd_get_flags(fde), W, "B306 4.3 and the flag stays");
	TALLOC_FREE(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_write_only(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[1], W, step_fd, &step);
	(void)close(fds[0]);
	settle(fx->ev, 3);
	is_str(trail.text, "",
	       "B305 error while only writing: the handler is not called");
	is_uint(tevent_fd_get_flags(fde), 0, "B305 the flag is taken away");
	tevent_fd_set_flags(fde, W);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B307 set again: silence as well");
	if (fixture_polls(fx)) {
		is_uint(tevent_fd_get_flags(fde), 0,
			"B307 on poll it is taken away again");
	}
	tevent_fd_set_flags(fde, R | W);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "fRW |", "B305 with read interest it is called");
	TALLOC_FREE(fde);
	(void)close(fds[1]);
}

static void test_hangup_with_data(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };
	char bytes[8];

	fixture_pipe(fds);
	(void)!write(fds[1], "xyz", 3);
	(void)close(fds[1]);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], R, step_fd, &step);
	trail_passes(&trail, fx->ev, 1);
	is_int(read(fds[0], bytes, sizeof(bytes)), 3, "B308 the data is there");
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "fR | fR | fR |",
	       "B308 read is reported until and after the end");
	is_int(read(fds[0], bytes, sizeof(bytes)), 0, "B308 the end is seen");
	trail_clear(&trail);
	TEVENT_FD_NOT_READABLE(fde);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B304 B308 flags 0: the hangup is silent");
	TALLOC_FREE(fde);
	(void)close(fds[0]);
}

static int closed_number(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 200);

	(void)close(fd);
	return fd;
}

static void test_not_open(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = tevent_add_fd(fx->ev, fx->mem, closed_number(),
					      R | W, step_fd, &step);

	ok(fde != NULL, "B312 a descriptor that is not open is taken");
	settle(fx->ev, 3);
	is_str(trail.text, "", "B312 its handler never runs");
	is_uint(tevent_fd_get_flags(fde), 0, "B312 it is disabled");
	tevent_fd_set_flags(fde, R);
	is_uint(tevent_fd_get_flags(fde), 0, "B312 and stays so");
	TALLOC_FREE(fde);
	is_int(tevent_loop_wait(fx->ev), 0, "B312 nothing is left to wait for");
}

/* A high number, so that nothing opened meanwhile takes it. */
static void test_closed_behind(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };
	int high = -1;

	fixture_socketpair(fds);
	high = fcntl(fds[0], F_DUPFD_CLOEXEC, 200);
	(void)close(fds[0]);
	fde = tevent_add_fd(fx->ev, fx->mem, high, W, step_fd, &step);
	trail_passes(&trail, fx->ev, 1);
	(void)close(high);
	trail_clear(&trail);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B313 closed behind the back: silence");
	tevent_fd_set_flags(fde, R);
	settle(fx->ev, 3);
	is_uint(tevent_fd_get_flags(fde), 0,
		"B313 and disabled, when the flags change at the latest");
	TALLOC_FREE(fde);
	(void)close(fds[1]);
}

/* The number of a descriptor that was closed too early belongs to a new one:
 * nothing that is done to the old event may touch the new one's. */
static void test_reused(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old_step = { &trail, "old" };
	struct step new_step = { &trail, "new" };
	struct tevent_fd *old_fde = NULL;
	struct tevent_fd *new_fde = NULL;
	int old_fds[2] = { -1, -1 };
	int new_fds[2] = { -1, -1 };

	if (TEST_ON_STOCK) {
		skip("B314 stock silences the new owner of a reused number");
		return;
	}
	fixture_socketpair(old_fds);
	fixture_socketpair(new_fds);
	old_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&old_step);
	settle(fx->ev, 2);
	/* dup2 closes the old one and takes its number in one step. */
	(void)dup2(new_fds[0], old_fds[0]);
	(void)!write(new_fds[1], "x", 1);
	new_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&new_step);
	trail_clear(&trail);
	TALLOC_FREE(old_fde);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "newR | newR |",
	       "B314 4.3 the new owner of the number is heard");
	TALLOC_FREE(new_fde);
	(void)close(old_fds[0]);
	(void)close(old_fds[1]);
	(void)close(new_fds[0]);
	(void)close(new_fds[1]);
}

static void test_reused_after_change(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old_step = { &trail, "old" };
	struct step new_step = { &trail, "new" };
	struct tevent_fd *old_fde = NULL;
	struct tevent_fd *new_fde = NULL;
	int old_fds[2] = { -1, -1 };
	int new_fds[2] = { -1, -1 };

	if (TEST_ON_STOCK) {
		skip("B314 stock silences the new owner of a reused number");
		return;
	}
	fixture_socketpair(old_fds);
	fixture_socketpair(new_fds);
	old_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&old_step);
	settle(fx->ev, 2);
	tevent_fd_set_flags(old_fde, 0);
	(void)dup2(new_fds[0], old_fds[0]);
	new_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&new_step);
	TALLOC_FREE(old_fde);
	settle(fx->ev, 2);
	is_str(trail.text, "", "B314 nothing is ready yet");
	(void)!write(new_fds[1], "x", 1);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "newR |",
	       "B314 4.3 also when the old one's flags have just changed");
	TALLOC_FREE(new_fde);
	(void)close(old_fds[0]);
	(void)close(old_fds[1]);
	(void)close(new_fds[0]);
	(void)close(new_fds[1]);
}

/* The kernel goes on reporting a registration whose number is closed as long
 * as a duplicate is open. */
static void test_dup_close_free(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };
	int copy = -1;

	if (TEST_ON_STOCK) {
		skip("B315 stock uses freed memory here");
		return;
	}
	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], W, step_fd, &step);
	trail_passes(&trail, fx->ev, 1);
	copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	(void)close(fds[0]);
	TALLOC_FREE(fde);
	trail_clear(&trail);
	settle(fx->ev, 4);
	is_str(trail.text, "",
	       "B315 4.3 duplicated, closed, freed: nothing is reported");
	(void)!write(fds[1], "x", 1);
	fde = tevent_add_fd(fx->ev, fx->mem, copy, R, step_fd, &step);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "fR | fR |",
	       "B315 4.3 and the duplicate can be watched");
	TALLOC_FREE(fde);
	(void)close(copy);
	(void)close(fds[1]);
}

/* A registration that the kernel cannot be told to forget must not be taken
 * for one of those that came after it, nor keep the loop awake. */
static void test_dup_close_others(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old_step = { &trail, "old" };
	struct step new_step = { &trail, "new" };
	struct step end_step = { &trail, "end" };
	struct tevent_fd *fde = NULL;
	int old_fds[2] = { -1, -1 };
	int new_fds[2] = { -1, -1 };
	unsigned passes = 0;
	int copy = -1;

	if (TEST_ON_STOCK) {
		skip("B315 stock uses freed memory here");
		return;
	}
	fixture_socketpair(old_fds);
	fixture_socketpair(new_fds);
	(void)!write(old_fds[1], "x", 1);
	fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd, &old_step);
	copy = fcntl(old_fds[0], F_DUPFD_CLOEXEC, 0);
	(void)close(old_fds[0]);
	TALLOC_FREE(fde);
	fde = tevent_add_fd(fx->ev, fx->mem, new_fds[0], R, step_fd, &new_step);
	settle(fx->ev, 4);
	is_str(trail.text, "",
	       "B315 4.3 readiness of a dead descriptor reaches "
	       "no other");
	(void)tevent_add_timer(fx->ev, fx->ev,
			       tevent_timeval_current_ofs(0, 20000), step_timer,
			       &end_step);
	while (trail.text[0] == '\0') {
		turn(fx->ev);
		passes++;
	}
	ok(passes < 20, "B315 4.3 nor keeps the loop awake: %u passes", passes);
	TALLOC_FREE(fde);
	(void)close(copy);
	(void)close(old_fds[1]);
	(void)close(new_fds[0]);
	(void)close(new_fds[1]);
}

/* Both at once: the old file lives on in a duplicate, its number is a new
 * file's, and the old event still exists. */
static void test_dup_reused(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old_step = { &trail, "old" };
	struct step new_step = { &trail, "new" };
	struct tevent_fd *old_fde = NULL;
	struct tevent_fd *new_fde = NULL;
	int old_fds[2] = { -1, -1 };
	int new_fds[2] = { -1, -1 };
	int copy = -1;

	if (TEST_ON_STOCK || fixture_polls(fx)) {
		skip("B314 B315 poll cannot know, stock does not look");
		return;
	}
	fixture_socketpair(old_fds);
	fixture_socketpair(new_fds);
	(void)!write(old_fds[1], "x", 1);
	old_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&old_step);
	copy = fcntl(old_fds[0], F_DUPFD_CLOEXEC, 0);
	(void)dup2(new_fds[0], old_fds[0]);
	new_fde = tevent_add_fd(fx->ev, fx->mem, old_fds[0], R, step_fd,
				&new_step);
	settle(fx->ev, 4);
	is_str(trail.text, "",
	       "B314 B315 4.3 the old file's readiness reaches "
	       "neither event");
	is_uint(tevent_fd_get_flags(old_fde), 0,
		"B313 4.3 the old event is disabled");
	(void)!write(new_fds[1], "x", 1);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "newR | newR |", "B314 4.3 the new one is heard");
	TALLOC_FREE(old_fde);
	trail_clear(&trail);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "newR |", "B314 4.3 also after the old one's end");
	TALLOC_FREE(new_fde);
	(void)close(copy);
	(void)close(old_fds[0]);
	(void)close(old_fds[1]);
	(void)close(new_fds[0]);
	(void)close(new_fds[1]);
}

static void test_dup(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step one = { &trail, "1" };
	struct step two = { &trail, "2" };
	struct tevent_fd *fde_one = NULL;
	struct tevent_fd *fde_two = NULL;
	int fds[2] = { -1, -1 };
	int copy = -1;

	fixture_socketpair(fds);
	copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	(void)!write(fds[1], "x", 1);
	fde_one = tevent_add_fd(fx->ev, fx->mem, fds[0], R, step_fd, &one);
	fde_two = tevent_add_fd(fx->ev, fx->mem, copy, R, step_fd, &two);
	trail_passes(&trail, fx->ev, 2);
	ok(strcmp(trail.text, "1R | 2R |") == 0 ||
		   strcmp(trail.text, "2R | 1R |") == 0,
	   "B316 original and duplicate take turns: %s", trail.text);
	TALLOC_FREE(fde_one);
	trail_clear(&trail);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "2R | 2R |", "B316 one freed, the other goes on");
	TALLOC_FREE(fde_two);
	(void)close(copy);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int watch_file(void *arg)
{
	struct fixture *fx = arg;
	struct trail trail = { "" };
	struct step file_step = { &trail, "file" };
	struct step pipe_step = { &trail, "pipe" };
	FILE *file = tmpfile();
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], R, step_fd, &pipe_step);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], 0, step_fd, &pipe_step);
	turn(fx->ev);
	trail_clear(&trail);
	if (file == NULL || tevent_add_fd(fx->ev, fx->ev, fileno(file), R | W,
					  step_fd, &file_step) == NULL) {
		return 3;
	}
	trail_passes(&trail, fx->ev, 4);
	diag("%s", trail.text);
	return strcmp(trail.text, "fileRW | pipeR | fileRW | pipeR |") == 0 ||
			       strcmp(trail.text, "pipeR | fileRW | pipeR | "
						  "fileRW |") == 0
		       ? 0
		       : 4;
}

static void test_file(struct fixture *fx)
{
	struct fixture_child child = fixture_child(watch_file, fx);

	if (strcmp(fx->backend, "epoll") == 0) {
		child_killed(&child, SIGABRT,
			     "B317 B611 strict epoll aborts over a file");
	} else {
		child_exited(&child, 0,
			     "B317 B610 a file is always ready, and what was "
			     "watched before still is");
	}
}

int main(void)
{
	warm_up();
	fixture_each_backend("B302 peer gone", test_peer_gone);
	fixture_each_backend("B306 half-close", test_half_close_write);
	fixture_each_backend("B305 write only", test_write_only);
	fixture_each_backend("B308 hangup with data", test_hangup_with_data);
	fixture_each_backend("B312 not open", test_not_open);
	fixture_each_backend("B313 closed behind", test_closed_behind);
	fixture_each_backend("B314 reused", test_reused);
	fixture_each_backend("B314 reused, changed", test_reused_after_change);
	fixture_each_backend("B315 dup, close, free", test_dup_close_free);
	fixture_each_backend("B315 others", test_dup_close_others);
	fixture_each_backend("B315 dup, reused", test_dup_reused);
	fixture_each_backend("B316 dup", test_dup);
	fixture_each_backend("B317 file", test_file);
	return done();
}
