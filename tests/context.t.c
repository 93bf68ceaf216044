/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Contexts: created by name and by default, freed, re-initialised. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/trail.h"

/* Whoever asks for a variable finds this function before that of libc. */
static unsigned asked;

char *getenv(const char *name)
{
	size_t length = strlen(name);

	asked += strncmp(name, "TALLOC", 6) != 0 ? 1 : 0;
	for (char **entry = environ; *entry != NULL; entry++) {
		if (strncmp(*entry, name, length) == 0 &&
		    (*entry)[length] == '=') {
			return *entry + length + 1;
		}
	}
	return NULL;
}

char *secure_getenv(const char *name)
{
	return getenv(name);
}

static void test_environment(struct fixture *fx)
{
	static const char *const names[] = { NULL, "epoll", "poll" };
	struct trail trail = { "" };
	struct step step = { &trail, "t" };

	asked = 0;
	(void)getenv("PATH");
	is_uint(asked, 1, "B603 who reads the environment is counted");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tevent_context *ev = tevent_context_init_byname(
			fx->mem, names[i]);

		(void)tevent_set_debug_stderr(ev);
		(void)tevent_add_timer(ev, ev, tevent_timeval_zero(),
				       step_timer, &step);
		(void)tevent_add_signal(ev, ev, SIGUSR1, 0, step_signal, &step);
		trail_pass(&trail, ev);
		is_int(tevent_re_initialise(ev), 0, "B603 re-initialise");
		TALLOC_FREE(ev);
	}
	is_str(trail.text, "t | t | t |", "B603 contexts work");
	is_uint(asked, 1, "B603 and read nothing of it");
}

static void test_names(struct fixture *fx)
{
	static const char *const accepted[] = { "standard", "epoll", "poll_mt",
						"poll" };
	static const char *const refused[] = { "select", "port", "liboop", "",
					       "Epoll",  "epol", "epoll " };

	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct tevent_context *ev = tevent_context_init_byname(
			fx->mem, accepted[i]);
		ok(ev != NULL, "B601 \"%s\" is a backend", accepted[i]);
		ok(ev != NULL && tevent_signal_support(ev),
		   "B601 \"%s\" supports signals", accepted[i]);
		TALLOC_FREE(ev);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		is_ptr(tevent_context_init_byname(fx->mem, refused[i]), NULL,
		       "B601 \"%s\" is no backend", refused[i]);
	}
	is_uint(talloc_total_blocks(fx->mem), 1,
		"B601 a refused name leaves nothing behind");
}

static void test_backend_list(struct fixture *fx)
{
	static const char *const names[] = { "standard", "epoll", "poll_mt",
					     "poll" };
	const char **list = tevent_backend_list(fx->mem);

	if (!ok(list != NULL, "B602 there is a list of backends")) {
		return;
	}
	is_ptr(talloc_parent(list), fx->mem, "B602 the list has the parent");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		is_str(list[i], names[i], "B602 entry %zu", i);
		is_ptr(talloc_parent(list[i]), list,
		       "B602 entry %zu hangs below the list", i);
	}
	is_ptr(list[4], NULL, "B602 nothing comes after the four");
	TALLOC_FREE(list);
}

static void test_ownership(struct fixture *fx)
{
	struct tevent_context *orphan = tevent_context_init(NULL);

	is_ptr(talloc_parent(fx->ev), fx->mem, "the context has the parent");
	is_str(talloc_get_name(fx->ev), "struct tevent_context",
	       "the context has its talloc name");
	ok(orphan != NULL, "a context needs no parent");
	TALLOC_FREE(orphan);
}

/* Which backend a context has shows in a child that watches a file, which
 * epoll refuses: the strict backend aborts, the others go on. */
static int watch_file(void *arg)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	FILE *file = tmpfile();

	(void)arg;
	if (ev == NULL || file == NULL ||
	    tevent_add_fd(ev, ev, fileno(file), TEVENT_FD_READ, step_fd,
			  &step) == NULL) {
		return 3;
	}
	trail_passes(&trail, ev, 1);
	return strcmp(trail.text, "fR |") == 0 ? 0 : 4;
}

static void test_default(struct fixture *fx)
{
	char name[] = "epoll";
	struct fixture_child child = { .status = 0 };

	tevent_set_default_backend(name);
	name[0] = 'X';
	child = fixture_child(watch_file, NULL);
	child_killed(&child, SIGABRT,
		     "B604 B611 the default name is copied and used");

	tevent_set_default_backend("poll");
	child = fixture_child(watch_file, NULL);
	child_exited(&child, 0, "B604 a later default replaces it");

	tevent_set_default_backend("nonsense");
	is_ptr(tevent_context_init(fx->mem), NULL,
	       "B604 a bad default is noticed when a context is created");

	tevent_set_default_backend(NULL);
	child = fixture_child(watch_file, NULL);
	child_exited(&child, 0,
		     "B604 B610 without a default it is \"standard\"");
}

/* One event of each kind, none of which may run any more. */
struct detached {
	struct trail trail;
	struct tevent_fd *fde;
	struct tevent_timer *te;
	struct tevent_immediate *im;
	struct tevent_signal *se;
	int fds[2];
};

static void detached_close(struct tevent_context *ev, struct tevent_fd *fde,
			   int fd, void *private_data)
{
	struct step *step = private_data;

	(void)fde;
	(void)fd;
	trail_add(step->trail, ev == NULL ? "close(NULL)" : "close(ev)");
}

static void detached_add(struct detached *all, struct fixture *fx,
			 struct step *step)
{
	fixture_pipe(all->fds);
	(void)!write(all->fds[1], "x", 1);
	all->fde = tevent_add_fd(fx->ev, fx->mem, all->fds[0], TEVENT_FD_READ,
				 step_fd, step);
	tevent_fd_set_close_fn(all->fde, detached_close);
	all->te = tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
				   step_timer, step);
	all->im = tevent_create_immediate(fx->mem);
	tevent_schedule_immediate(all->im, fx->ev, step_immediate, step);
	all->se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal,
				    step);
	(void)raise(SIGUSR1);
}

static void detached_check(struct detached *all, const char *rule)
{
	is_str(all->trail.text, "", "%s no handler runs", rule);
	is_uint(tevent_fd_get_flags(all->fde), 0,
		"%s a detached fd event has no flags", rule);
	tevent_fd_set_flags(all->fde, TEVENT_FD_READ);
	is_uint(tevent_fd_get_flags(all->fde), 0,
		"%s flags of a detached fd event stay 0", rule);
	tevent_fd_set_close_fn(all->fde, NULL);
}

static void detached_free(struct detached *all, const char *rule)
{
	TALLOC_FREE(all->te);
	TALLOC_FREE(all->se);
	TALLOC_FREE(all->im);
	is_str(all->trail.text, "", "%s freeing the others is silent", rule);
	TALLOC_FREE(all->fde);
	is_str(all->trail.text, "close(NULL)",
	       "%s B330 B332 B333 the close function comes with the free, "
	       "without a context",
	       rule);
	(void)close(all->fds[0]);
	(void)close(all->fds[1]);
}

static void test_free_with_events(struct fixture *fx)
{
	struct detached all = { .trail = { "" } };
	struct step step = { &all.trail, "ran" };
	struct step moved = { &all.trail, "moved" };
	struct tevent_context *other = tevent_context_init_byname(fx->mem,
								  fx->backend);

	detached_add(&all, fx, &step);
	TALLOC_FREE(fx->ev);
	detached_check(&all, "B207 B208");

	tevent_schedule_immediate(all.im, other, step_immediate, &moved);
	trail_pass(&all.trail, other);
	is_str(all.trail.text, "moved |",
	       "B207 B456 a detached immediate runs on another context");
	trail_clear(&all.trail);
	detached_free(&all, "B207");
	TALLOC_FREE(other);
}

static void test_re_initialise(struct fixture *fx)
{
	struct detached all = { .trail = { "" } };
	struct trail fresh_trail = { "" };
	struct step step = { &all.trail, "ran" };
	struct step fresh = { &fresh_trail, "f" };
	struct tevent_fd *fde = NULL;

	detached_add(&all, fx, &step);
	is_int(tevent_re_initialise(fx->ev), 0, "B701 returns 0");
	detached_check(&all, "B701");
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B701 the context is empty afterwards");
	detached_free(&all, "B701");

	fixture_pipe(all.fds);
	fde = tevent_add_fd(fx->ev, fx->ev, all.fds[1], TEVENT_FD_WRITE,
			    step_fd, &fresh);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &fresh);
	trail_passes(&fresh_trail, fx->ev, 2);
	is_str(fresh_trail.text, "f | fW |", "B701 and usable");
	TALLOC_FREE(fde);
	(void)close(all.fds[0]);
	(void)close(all.fds[1]);
}

static void test_re_initialise_often(struct fixture *fx)
{
	unsigned fds = fixture_fd_count();
	bool good = true;

	for (int i = 0; i < 50; i++) {
		good = good && tevent_re_initialise(fx->ev) == 0;
	}
	ok(good, "B701 fifty times in a row");
	is_uint(fixture_fd_count(), fds, "B701 no descriptor piles up");
}

static int close_count;

static void counting_close(struct tevent_context *ev, struct tevent_fd *fde,
			   int fd, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)private_data;
	close_count++;
	(void)close(fd);
}

/* The context's own children go with it; they still see a context. */
static void test_free_children(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "ran" };
	int fds[2] = { -1, -1 };
	struct tevent_fd *fde = NULL;

	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, NULL, fds[0], TEVENT_FD_READ, step_fd,
			    &step);
	is_ptr(talloc_parent(fde), fx->ev,
	       "0.3 an fd event without a parent hangs below its context");
	is_ptr(talloc_parent(tevent_add_timer(fx->ev, NULL, seconds_from_now(9),
					      step_timer, &step)),
	       fx->ev, "0.3 so does a timer");
	is_ptr(talloc_parent(tevent_add_signal(fx->ev, NULL, SIGUSR2, 0,
					       step_signal, &step)),
	       fx->ev, "0.3 so does a signal event");
	tevent_fd_set_close_fn(fde, counting_close);
	close_count = 0;
	TALLOC_FREE(fx->ev);
	is_int(close_count, 1,
	       "B332 freeing the context frees its children, "
	       "whose close functions run");
	is_str(trail.text, "", "B208 without any handler");
	(void)close(fds[1]);
}

static void test_talloc_names(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	int fds[2] = { -1, -1 };
	TALLOC_CTX *mem = talloc_new(fx->mem);

	fixture_pipe(fds);
	is_str(talloc_get_name(
		       tevent_add_fd(fx->ev, mem, fds[0], 0, step_fd, &step)),
	       "struct tevent_fd", "0.3 talloc name of an fd event");
	is_str(talloc_get_name(tevent_add_timer(
		       fx->ev, mem, seconds_from_now(9), step_timer, &step)),
	       "struct tevent_timer", "0.3 talloc name of a timer");
	is_str(talloc_get_name(tevent_create_immediate(mem)),
	       "struct tevent_immediate", "0.3 talloc name of an immediate");
	is_str(talloc_get_name(tevent_add_signal(fx->ev, mem, SIGUSR1, 0,
						 step_signal, &step)),
	       "struct tevent_signal", "0.3 talloc name of a signal event");
	TALLOC_FREE(mem);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	warm_up();
	fixture_run_flags("B601 names", test_names, FIXTURE_NO_CONTEXT);
	fixture_run("B602 list", test_backend_list);
	fixture_run_flags("B603 environment", test_environment,
			  FIXTURE_NO_CONTEXT);
	fixture_run("0.3 ownership", test_ownership);
	fixture_run_flags("B604 default", test_default, FIXTURE_NO_CONTEXT);
	fixture_each_backend("B207 free with events", test_free_with_events);
	fixture_each_backend("B208 free children", test_free_children);
	fixture_each_backend("B701 re-initialise", test_re_initialise);
	fixture_each_backend("B701 often", test_re_initialise_often);
	fixture_run("0.3 talloc names", test_talloc_names);
	return done();
}
