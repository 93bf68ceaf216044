/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Own descriptors: those that the library opens for itself: when, of which
 * kind, who inherits them, and the passes that they cost.
 *
 * What is open shows in /proc/self/fd, where an epoll set and an eventfd are
 * links to names of their own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/trail.h"

enum kind { EPOLL_SET, EVENTFD, KINDS };

static const char *const kind_links[KINDS] = { "anon_inode:[eventpoll]",
					       "anon_inode:[eventfd]" };

struct own_fds {
	unsigned count[KINDS];
	unsigned inherited[KINDS]; /* by a new program: not close-on-exec */
	unsigned all;
};

static struct own_fds count_own(void)
{
	struct own_fds own = { .all = 0 };
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry = NULL;

	if (dir == NULL) {
		bail_out("no /proc/self/fd");
	}
	while ((entry = readdir(dir)) != NULL) {
		char target[64] = "";
		int fd = atoi(entry->d_name);

		if (readlinkat(dirfd(dir), entry->d_name, target,
			       sizeof(target) - 1) <= 0 ||
		    fd == dirfd(dir)) {
			continue;
		}
		own.all++;
		for (int kind = 0; kind < KINDS; kind++) {
			if (strcmp(target, kind_links[kind]) == 0) {
				int flags = fcntl(fd, F_GETFD);

				own.count[kind]++;
				own.inherited[kind] += (flags & FD_CLOEXEC) == 0
							       ? 1
							       : 0;
			}
		}
	}
	(void)closedir(dir);
	return own;
}

/* Which has an eventfd from the first moment on. */
static unsigned eventfds_of(const struct fixture *fx)
{
	return strcmp(fx->backend, "poll_mt") == 0 ? 1 : 0;
}

static void test_epoll_set(struct fixture *fx)
{
	struct own_fds own = count_own();

	is_uint(own.count[EPOLL_SET], fixture_polls(fx) ? 0 : 1,
		"B613 epoll has a descriptor, poll has none");
	is_uint(own.inherited[EPOLL_SET], 0, "B613 it is close-on-exec");
	is_int(tevent_re_initialise(fx->ev), 0, "B613 re-initialise");
	own = count_own();
	is_uint(own.count[EPOLL_SET], fixture_polls(fx) ? 0 : 1,
		"B613 a new one in place of the old one");
	is_uint(own.inherited[EPOLL_SET], 0, "B613 also close-on-exec");
}

static int child_counts(void *arg)
{
	struct own_fds *parent = arg;
	struct own_fds own = count_own();

	return own.count[EVENTFD] == parent->count[EVENTFD] ? 0 : 1;
}

static void test_eventfd(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_signal *se = NULL;
	struct fixture_child child;
	struct own_fds own = count_own();

	is_uint(own.count[EVENTFD], eventfds_of(fx),
		"B511 a context that nobody wakes has no eventfd");
	se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal, &step);
	own = count_own();
	is_uint(own.count[EVENTFD], 1, "B511 a signal event makes it");
	is_uint(own.inherited[EVENTFD], 1, "B708 it is not close-on-exec");
	child = fixture_child(child_counts, &own);
	child_exited(&child, 0, "B708 and a child has it, too");

	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	own = count_own();
	is_uint(own.count[EVENTFD], 1,
		"B511 a threaded context shares it with signals");
	TALLOC_FREE(se);
	TALLOC_FREE(tctx);
	is_int(tevent_re_initialise(fx->ev), 0, "B701 re-initialise");
	own = count_own();
	is_uint(own.count[EVENTFD], eventfds_of(fx),
		"B701 re-initialise drops the wake-up descriptor");
}

struct heir {
	struct fixture *fx;
	struct trail trail;
};

/* The first use in a child. */
static int child_polls(void *arg)
{
	struct heir *heir = arg;
	unsigned before = count_own().all;

	trail_passes(&heir->trail, heir->fx->ev, 2);
	if (strcmp(heir->trail.text, "fR | fR |") != 0) {
		return 1;
	}
	return count_own().all == before ? 0 : 2;
}

static void test_poll_child(struct fixture *fx)
{
	struct heir heir = { .fx = fx };
	struct step step = { &heir.trail, "f" };
	struct fixture_child child;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &step);
	child = fixture_child(child_polls, &heir);
	child_exited(&child, 0,
		     "B704 poll in a child: nothing opened, all watched");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Once fallen back, a context stays with poll. */
static void test_fallen_back(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	FILE *file = tmpfile();

	if (file == NULL) {
		bail_out("no temporary file");
	}
	fde = tevent_add_fd(fx->ev, fx->mem, fileno(file), 0, step_fd, &step);
	settle(fx->ev, 2);
	is_str(trail.text, "", "B610 a file, but nothing to watch it for");
	tevent_fd_set_flags(fde, TEVENT_FD_READ);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "fR |",
	       "B610 epoll refuses the change, poll reports the file");
	is_uint(count_own().count[EPOLL_SET], 0, "B610 the epoll set is gone");
	TALLOC_FREE(fde);
	is_int(tevent_re_initialise(fx->ev), 0, "B610 re-initialise");
	is_uint(count_own().count[EPOLL_SET], 0,
		"B610 after re-initialise it is still poll");
	(void)fclose(file);
}

/* Passes until a timer of 20 ms, and those of them that ran nothing. */
static unsigned empty_passes(struct fixture *fx, struct trail *trail)
{
	struct step end = { trail, "end" };
	unsigned empty = 0;

	(void)tevent_add_timer(fx->ev, fx->ev,
			       tevent_timeval_current_ofs(0, 20000), step_timer,
			       &end);
	while (strstr(trail->text, "end") == NULL) {
		size_t before = strlen(trail->text);

		turn(fx->ev);
		empty += strlen(trail->text) == before ? 1 : 0;
	}
	return empty;
}

static void test_wake_up_pass(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_signal *se = NULL;
	unsigned empty = 0;

	se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal, &step);
	(void)raise(SIGUSR1);
	empty = empty_passes(fx, &trail);
	is_str(trail.text, "s1 end", "B107 a signal, then a timer");
	ok(empty >= 1 && empty <= 3,
	   "B107 between them a pass that runs nothing: %u", empty);
	trail_clear(&trail);
	TALLOC_FREE(se);

	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	step.word = "post";
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	empty = empty_passes(fx, &trail);
	is_str(trail.text, "post end", "B107 a post, then a timer");
	ok(empty <= 3, "B107 passes that ran nothing: %u", empty);
	TALLOC_FREE(im);
	TALLOC_FREE(tctx);
}

/* What epoll was to report once a write, poll has to read. */
static void test_wake_up_fallen_back(struct fixture *fx)
{
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_fd *fde = NULL;
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	FILE *file = tmpfile();

	if (file == NULL) {
		bail_out("no temporary file");
	}
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	fde = tevent_add_fd(fx->ev, fx->mem, fileno(file), TEVENT_FD_READ,
			    step_fd, &step);
	is_uint(count_own().count[EPOLL_SET], 0, "B610 the epoll set is gone");
	TALLOC_FREE(fde);
	test_wake_up_pass(fx);
	TALLOC_FREE(tctx);
	(void)fclose(file);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B613 epoll set", test_epoll_set);
	fixture_each_backend("B511 B708 eventfd", test_eventfd);
	fixture_run_backend("poll", "B704 child", test_poll_child, 0);
	fixture_run_backend("standard", "B610 fallen back", test_fallen_back,
			    0);
	fixture_each_backend("B107 wake-up pass", test_wake_up_pass);
	fixture_run_backend("standard", "B107 B610 wake-up pass",
			    test_wake_up_fallen_back, 0);
	return done();
}
