/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Epoll batch: the backend of that name, which keeps reports from one wait for
 * later passes. What is the same on every backend is tested with the others;
 * here is what could go wrong with what is kept.
 *
 * Each of COUNT pipes has a byte in it and an event that reads it and writes
 * down its letter.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <fcntl.h>
#include <unistd.h>

#include "tests/trail.h"

#define COUNT 5
#define MANY  600 /* more than one wait fetches */

struct scene {
	struct fixture *fx;
	struct trail trail;
	struct tevent_fd *fdes[COUNT];
	struct reader *readers[COUNT];
	int fds[COUNT][2];
	void (*first)(struct scene *scene); /* what A does, once */
	unsigned waits;
};

struct reader {
	struct scene *scene;
	char name[2];
	int fd;
	unsigned empty; /* calls that found nothing to read */
};

static void reads(struct tevent_context *ev, struct tevent_fd *fde,
		  uint16_t flags, void *private_data)
{
	struct reader *reader = private_data;
	struct scene *scene = reader->scene;
	void (*first)(struct scene * scene) = scene->first;
	char byte = 0;

	(void)ev;
	(void)fde;
	is_int(flags, TEVENT_FD_READ, "input is reported as such");
	if (read(reader->fd, &byte, 1) != 1) {
		reader->empty++;
	}
	trail_add(&scene->trail, reader->name);
	scene->first = NULL;
	if (first != NULL) {
		first(scene);
	}
}

static void count_waits(enum tevent_trace_point point, void *private_data)
{
	struct scene *scene = private_data;

	if (point == TEVENT_TRACE_BEFORE_WAIT) {
		scene->waits++;
	}
}

static void scene_init(struct scene *scene, struct fixture *fx,
		       void (*first)(struct scene *scene))
{
	*scene = (struct scene){ .fx = fx, .first = first };
	for (int i = 0; i < COUNT; i++) {
		struct reader *reader = talloc_zero(fx->mem, struct reader);

		fixture_pipe(scene->fds[i]);
		reader->scene = scene;
		reader->name[0] = (char)('A' + i);
		reader->fd = scene->fds[i][0];
		scene->readers[i] = reader;
		scene->fdes[i] = tevent_add_fd(fx->ev, reader, reader->fd,
					       TEVENT_FD_READ, reads, reader);
	}
	for (int i = 0; i < COUNT; i++) {
		ok(write(scene->fds[i][1], "x", 1) == 1, "a byte for %c",
		   'A' + i);
	}
	tevent_set_trace_callback(fx->ev, count_waits, scene);
}

static void scene_fini(struct scene *scene)
{
	for (int i = 0; i < COUNT; i++) {
		TALLOC_FREE(scene->readers[i]);
		(void)close(scene->fds[i][0]);
		(void)close(scene->fds[i][1]);
	}
}

/* A pass that finds nothing fails from now on. */
static void never_wait(struct tevent_context *ev)
{
#if TEST_ON_STOCK
	(void)ev; /* not before 0.17, and not asked */
#else
	(void)tevent_context_set_wait_timeout(ev, 0);
#endif
}

/* Passes until the context has nothing left to say. */
static void run_out(struct scene *scene)
{
	never_wait(scene->fx->ev);
	while (tevent_loop_once(scene->fx->ev) == 0) {
		trail_add(&scene->trail, "|");
	}
}

static void test_name(struct fixture *fx)
{
	const char **list = tevent_backend_list(fx->mem);
	const struct tevent_ops *ops = tevent_find_ops_byname("epoll_batch");

	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		ok(strcmp(list[i], "epoll_batch") != 0,
		   "it is not in the list, as in stock");
	}
	ok(ops != NULL, "but it has a table to be copied");
	TALLOC_FREE(list);
}

static void test_one_a_pass(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, NULL);
	run_out(&scene);
	is_str(scene.trail.text, "A | B | C | D | E |", "one a pass, in turn");
	is_uint(scene.waits, 2, "one wait for all of them, one for the rest");
	scene_fini(&scene);
}

static void local_runs(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	trail_add(&scene->trail, "im");
	TALLOC_FREE(im);
}

static void timer_runs(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	(void)te;
	(void)now;
	trail_add(&scene->trail, "te");
}

static void makes_others(struct scene *scene)
{
	struct tevent_context *ev = scene->fx->ev;
	struct tevent_immediate *im = tevent_create_immediate(ev);

	tevent_schedule_immediate(im, ev, local_runs, scene);
	(void)tevent_add_timer(ev, ev, tevent_timeval_zero(), timer_runs,
			       scene);
}

static void test_others_come_first(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, makes_others);
	run_out(&scene);
	is_str(scene.trail.text, "A | im | te | B | C | D | E |",
	       "what comes before descriptors comes before what is kept");
	scene_fini(&scene);
}

static void frees_next(struct scene *scene)
{
	struct reader *next = scene->readers[1];
	int fds[2] = { -1, -1 };

	TALLOC_FREE(scene->fdes[1]);
	/* The same number, another pipe, nothing in it. */
	fixture_pipe(fds);
	ok(dup3(fds[0], next->fd, O_CLOEXEC) == next->fd, "dup3");
	(void)close(fds[0]);
	(void)close(scene->fds[1][1]);
	scene->fds[1][1] = fds[1];
	scene->fdes[1] = tevent_add_fd(scene->fx->ev, next, next->fd,
				       TEVENT_FD_READ, reads, next);
}

static void test_freed_while_kept(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, frees_next);
	run_out(&scene);
	is_str(scene.trail.text, "A | C | D | E |",
	       "the new owner of the number hears nothing of the old one");
	ok(write(scene.fds[1][1], "x", 1) == 1, "its own byte");
	run_out(&scene);
	is_str(scene.trail.text, "A | C | D | E | B |", "but of its own");
	scene_fini(&scene);
}

static void silences_next(struct scene *scene)
{
	tevent_fd_set_flags(scene->fdes[1], 0);
	tevent_fd_set_flags(scene->fdes[2], TEVENT_FD_WRITE);
}

static void test_silenced_while_kept(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, silences_next);
	for (int i = 0; i < COUNT; i++) {
		(void)tevent_loop_once(fx->ev);
	}
	is_str(scene.trail.text, "A D E",
	       "flags count as they are when the report is handed out");
	tevent_fd_set_flags(scene.fdes[1], TEVENT_FD_READ);
	tevent_fd_set_flags(scene.fdes[2], TEVENT_FD_READ);
	(void)tevent_loop_once(fx->ev);
	(void)tevent_loop_once(fx->ev);
	ok(strstr(scene.trail.text, "B") != NULL &&
		   strstr(scene.trail.text, "C") != NULL,
	   "and nothing is lost: %s", scene.trail.text);
	scene_fini(&scene);
}

static void nests(struct scene *scene)
{
	trail_add(&scene->trail, "(");
	(void)tevent_loop_once(scene->fx->ev);
	(void)tevent_loop_once(scene->fx->ev);
	trail_add(&scene->trail, ")");
}

static void test_nested(struct fixture *fx)
{
	struct scene scene;
	unsigned empty = 0;

	tevent_loop_allow_nesting(fx->ev);
	scene_init(&scene, fx, nests);
	run_out(&scene);
	is_str(scene.trail.text, "A ( B C ) | D | E |",
	       "each once, inside and outside");
	for (int i = 0; i < COUNT; i++) {
		empty += scene.readers[i]->empty;
	}
	is_uint(empty, 0, "none in vain");
	scene_fini(&scene);
}

static void empties_next_and_nests(struct scene *scene)
{
	char byte = 0;

	ok(read(scene->fds[1][0], &byte, 1) == 1, "A reads what B waits for");
	nests(scene);
}

static void test_nested_looks_anew(struct fixture *fx)
{
	struct scene scene;

	tevent_loop_allow_nesting(fx->ev);
	scene_init(&scene, fx, empties_next_and_nests);
	run_out(&scene);
	is_str(scene.trail.text, "A ( C D ) | E |",
	       "a nested pass hands nothing out that was kept outside");
	is_uint(scene.waits, 4, "nor the other way round");
	scene_fini(&scene);
}

static void test_nobodys(struct fixture *fx)
{
	struct scene scene;
	int copy = -1;

	scene_init(&scene, fx, NULL);
	/* The kernel goes on to report C, which has no event any more. */
	copy = dup(scene.fds[2][0]);
	(void)close(scene.fds[2][0]);
	TALLOC_FREE(scene.fdes[2]);
	(void)tevent_loop_once(fx->ev);
	is_str(scene.trail.text, "",
	       "a report that is nobody's is seen at once");
	run_out(&scene);
	is_str(scene.trail.text, "A | B | D | E |", "B315 and stops");
	is_uint(scene.waits, 3, "in the set that was built anew");
	ok(dup2(copy, scene.fds[2][0]) >= 0, "dup2");
	(void)close(copy);
	scene_fini(&scene);
}

static void ends_context(struct scene *scene)
{
	TALLOC_FREE(scene->fx->ev);
}

static void test_context_freed(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, ends_context);
	(void)tevent_loop_once(fx->ev);
	is_str(scene.trail.text, "A", "the context goes, and what it has kept");
	scene_fini(&scene);
}

static void starts_anew(struct scene *scene)
{
	struct fixture *fx = scene->fx;

	is_int(tevent_re_initialise(fx->ev), 0, "re-initialised");
	scene->fdes[3] = tevent_add_fd(fx->ev, scene->readers[3],
				       scene->fds[3][0], TEVENT_FD_READ, reads,
				       scene->readers[3]);
}

static void test_re_initialised(struct fixture *fx)
{
	struct scene scene;

	scene_init(&scene, fx, starts_anew);
	run_out(&scene);
	is_str(scene.trail.text, "A | D |", "only what was added again");
	scene_fini(&scene);
}

static int child_goes_on(void *arg)
{
	struct scene *scene = arg;

	scene->waits = 0;
	run_out(scene);
	if (scene->waits != 2) {
		return 2; /* it has believed its parent */
	}
	/* Pipes are shared: what the child reads the parent does not. */
	return strcmp(scene->trail.text, "A B | C | D | E |") == 0 ? 0 : 1;
}

static void test_forked(struct fixture *fx)
{
	struct fixture_child child;
	struct scene scene;

	scene_init(&scene, fx, NULL);
	(void)tevent_loop_once(fx->ev);
	child = fixture_child(child_goes_on, &scene);
	child_exited(&child, 0, "a child asks the kernel for itself");
	run_out(&scene);
	is_str(scene.trail.text, "A B | C | D | E |",
	       "the parent hands out what it has kept");
	is_uint(scene.readers[1]->empty, 1,
		"in vain, as another has read it: hence non-blocking only");
	scene_fini(&scene);
}

struct crowd {
	int fds[MANY][2];
	unsigned calls[MANY];
	unsigned all;
};

static struct crowd crowd;

static void counts(struct tevent_context *ev, struct tevent_fd *fde,
		   uint16_t flags, void *private_data)
{
	unsigned *calls = private_data;
	char byte = 0;

	(void)ev;
	(void)fde;
	(void)flags;
	if (read(crowd.fds[calls - crowd.calls][0], &byte, 1) == 1) {
		++*calls;
	}
	crowd.all++;
}

static void test_many(struct fixture *fx)
{
	unsigned once = 0;

	for (int i = 0; i < MANY; i++) {
		fixture_pipe(crowd.fds[i]);
		(void)tevent_add_fd(fx->ev, fx->ev, crowd.fds[i][0],
				    TEVENT_FD_READ, counts, &crowd.calls[i]);
		if (write(crowd.fds[i][1], "x", 1) != 1) {
			bail_out("no room in a pipe");
		}
	}
	never_wait(fx->ev);
	while (tevent_loop_once(fx->ev) == 0) {
	}
	for (int i = 0; i < MANY; i++) {
		once += crowd.calls[i] == 1;
	}
	is_uint(once, MANY, "each of %d is served once", MANY);
	is_uint(crowd.all, MANY, "and nobody is called for nothing");
	TALLOC_FREE(fx->ev);
	for (int i = 0; i < MANY; i++) {
		(void)close(crowd.fds[i][0]);
		(void)close(crowd.fds[i][1]);
	}
}

int main(void)
{
	static const struct {
		const char *name;
		fixture_fn fn;
	} tests[] = {
		{ "batch: its name", test_name },
		{ "batch: one a pass", test_one_a_pass },
		{ "batch: others come first", test_others_come_first },
		{ "batch: freed while kept", test_freed_while_kept },
		{ "batch: silenced while kept", test_silenced_while_kept },
		{ "batch: nested", test_nested },
		{ "batch: nested looks anew", test_nested_looks_anew },
		{ "batch: nobody's report", test_nobodys },
		{ "batch: context freed", test_context_freed },
		{ "batch: re-initialised", test_re_initialised },
		{ "batch: forked", test_forked },
		{ "batch: many", test_many },
	};

	if (TEST_ON_STOCK) {
		skip_all("stock has no such backend");
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		fixture_run_backend("epoll_batch", tests[i].name, tests[i].fn,
				    0);
	}
	return done();
}
