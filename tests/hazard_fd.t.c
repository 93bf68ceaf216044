/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards of descriptors: closed behind the library's back, numbers that come
 * back, several events on one.
 */
#include "tests/hazard.h"

#include <sys/socket.h>

#define READ  TEVENT_FD_READ
#define WRITE TEVENT_FD_WRITE

/* Closed while its event lives; a new descriptor gets the number and an event
 * of its own; then the old event goes. The new one has to be heard. */
static void number_reused(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step old = { &trail, "old" };
	struct step new = { &trail, "new" };
	struct tevent_fd *old_fde = NULL;
	struct tevent_fd *new_fde = NULL;
	int old_fds[2] = { -1, -1 };
	int new_fds[2] = { -1, -1 };
	int number = -1;

	fixture_pipe(old_fds);
	number = old_fds[0];
	old_fde = tevent_add_fd(fx->ev, fx->mem, number, READ, step_fd, &old);
	fixture_pipe(new_fds);
	(void)close(number);
	if (dup2(new_fds[0], number) != number) {
		bail_out("dup2: %s", strerror(errno));
	}
	new_fde = tevent_add_fd(fx->ev, fx->mem, number, READ, step_fd, &new);
	TALLOC_FREE(old_fde);
	(void)!write(new_fds[1], "x", 1);
	settle(fx->ev, 3);
	(void)hazard_expect(trail.text[0] != '\0',
			    "the new descriptor is silent for ever");
	(void)hazard_expect(strncmp(trail.text, "newR", 4) == 0 ||
				    trail.text[0] == '\0',
			    "ran '%s'", trail.text);
	TALLOC_FREE(new_fde);
	(void)close(number);
	(void)close(old_fds[1]);
	(void)close(new_fds[0]);
	(void)close(new_fds[1]);
}

/* The kernel keeps on reporting the file while a duplicate of it is open; the
 * other event has taken its memory before, so that nothing new lies where the
 * dead one was. */
static void duplicate_open(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "dead" };
	struct step other = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	struct tevent_fd *other_fde = NULL;
	int fds[2] = { -1, -1 };
	int other_fds[2] = { -1, -1 };
	int twin = -1;

	fixture_pipe(fds);
	fixture_pipe(other_fds);
	(void)!write(fds[1], "x", 1);
	(void)!write(other_fds[1], "x", 1);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], READ, step_fd, &step);
	other_fde = tevent_add_fd(fx->ev, fx->mem, other_fds[0], READ, step_fd,
				  &other);
	twin = dup(fds[0]);
	(void)close(fds[0]);
	TALLOC_FREE(fde);
	trail_passes(&trail, fx->ev, 3);
	hazard_expect_trail(&trail, "fR | fR | fR |");
	TALLOC_FREE(other_fde);
	(void)close(twin);
	(void)close(fds[1]);
	(void)close(other_fds[0]);
	(void)close(other_fds[1]);
}

/* More events on one descriptor than a reader and a writer. */
static void three_on_one(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step steps[3] = { { &trail, "1" },
				 { &trail, "2" },
				 { &trail, "3" } };
	struct tevent_fd *fde[3] = { NULL };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	for (int i = 0; i < 3; i++) {
		fde[i] = tevent_add_fd(fx->ev, fx->mem, fds[0], READ, step_fd,
				       &steps[i]);
	}
	settle(fx->ev, 5);
	(void)hazard_expect(strstr(trail.text, "1R") != NULL &&
				    strstr(trail.text, "2R") != NULL &&
				    strstr(trail.text, "3R") != NULL,
			    "ran '%.40s'", trail.text);
	for (int i = 0; i < 3; i++) {
		TALLOC_FREE(fde[i]);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* A socket that can be written to as well as read from, an event for each. */
static void reader_beside_writer(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step reader = { &trail, "r" };
	struct step writer = { &trail, "w" };
	struct tevent_fd *fde[2] = { NULL };
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	(void)!write(fds[1], "x", 1);
	fde[0] = tevent_add_fd(fx->ev, fx->mem, fds[0], READ, step_fd, &reader);
	fde[1] = tevent_add_fd(fx->ev, fx->mem, fds[0], WRITE, step_fd,
			       &writer);
	settle(fx->ev, 5);
	(void)hazard_expect(strstr(trail.text, "rR") != NULL,
			    "the reader starves: ran '%.20s'", trail.text);
	(void)hazard_expect(strstr(trail.text, "wW") != NULL,
			    "the writer starves: ran '%.20s'", trail.text);
	TALLOC_FREE(fde[0]);
	TALLOC_FREE(fde[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The peer sends no more but still reads: there is room to write. */
static void half_closed(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], READ, step_fd, &step);
	(void)shutdown(fds[1], SHUT_WR);
	trail_passes(&trail, fx->ev, 1);
	tevent_fd_set_flags(fde, WRITE);
	settle(fx->ev, 3);
	(void)hazard_expect(strncmp(trail.text, "fR | fW", 4) == 0 &&
				    strstr(trail.text, "fW") != NULL,
			    "ran '%.20s'", trail.text);
	TALLOC_FREE(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void note_due(struct tevent_context *ev, struct tevent_timer *te,
		     struct timeval now, void *private_data)
{
	bool *due = private_data;

	(void)ev;
	(void)te;
	(void)now;
	*due = true;
}

/* Waits for errors alone, and the peer has gone. */
static void error_only(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	unsigned passes = 0;
	bool due = false;
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], 4, step_fd, &step);
	(void)close(fds[1]);
	(void)tevent_add_timer(fx->ev, fx->mem,
			       tevent_timeval_current_ofs(0, 50000), note_due,
			       &due);
	while (!due && trail.text[0] == '\0') {
		turn(fx->ev);
		passes++;
	}
	(void)hazard_expect(passes < 50,
			    "the loop spins, and nobody is called");
	hazard_expect_trail(&trail, "fE");
	TALLOC_FREE(fde);
	(void)close(fds[0]);
}

/* What 0.14.1 has, and what came with newer versions instead. */
#if TEST_ON_STOCK && defined(TEVENT_FD_ERROR)
#define OLD_DEFECT(ends) HAZARD_ABSENT
#define NEW_DEFECT(ends) (ends)
#else
#define OLD_DEFECT(ends) (ends)
#define NEW_DEFECT(ends) HAZARD_ABSENT
#endif

static const struct hazard hazards[] = {
	{ HAZARD(number_reused, "B314", HAZARD_WRONG), .backend = "epoll" },
	{ HAZARD(duplicate_open, "B315", HAZARD_KILLED), .backend = "epoll" },
	{ HAZARD(three_on_one, "B310", OLD_DEFECT(HAZARD_KILLED)),
	  .backend = "epoll" },
	{ HAZARD(reader_beside_writer, "B310", OLD_DEFECT(HAZARD_WRONG)),
	  .backend = "epoll" },
	{ HAZARD(half_closed, "B306", NEW_DEFECT(HAZARD_WRONG)),
	  .backend = "epoll" },
	{ HAZARD(error_only, "B302", OLD_DEFECT(HAZARD_WRONG)),
	  .backend = "poll" },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
