/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post fork: a child's mailboxes are as its parent's were, and empty; its
 * addresses name its own copies; the parent loses nothing.
 *
 * The sanitizers of gcc 12 keep locks of their own across a fork: a child may
 * hang when other threads were in malloc() then, so there nobody posts
 * meanwhile.
 */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/posttest.h"

#define LIMIT 3

/* A loop with one mailbox of each kind, in each of which something waits. */
struct scene {
	struct fixture *fx;
	struct post_log log;
	struct weft_mailbox *plain_box;
	struct weft_mailbox *latest_box;
	struct weft_mailbox *limited_box;
	struct weft_mailbox *foreign_box;
	weft_addr_t plain;
	weft_addr_t latest;
	weft_addr_t limited;
	weft_addr_t foreign;
	struct note notes[LIMIT + 3];
};

static void scene_open(struct fixture *fx, struct scene *scene)
{
	struct weft_mailbox_options latest = { .latest = true };
	struct weft_mailbox_options limited = { .limit = LIMIT };
	unsigned i = 0;

	*scene = (struct scene){ .fx = fx };
	scene->plain_box = posttest_mailbox(fx->mem, fx->ev, NULL);
	scene->plain = weft_mailbox_addr(scene->plain_box);
	scene->latest_box = posttest_mailbox(fx->mem, fx->ev, &latest);
	scene->latest = weft_mailbox_addr(scene->latest_box);
	scene->limited_box = posttest_mailbox(fx->mem, fx->ev, &limited);
	scene->limited = weft_mailbox_addr(scene->limited_box);
	scene->foreign_box = posttest_mailbox(fx->mem, NULL, NULL);
	scene->foreign = weft_mailbox_addr(scene->foreign_box);
	for (i = 0; i < LIMIT; i++) {
		scene->notes[i] = note_of(&scene->log, "l");
		note_post(scene->limited, &scene->notes[i]);
	}
	parcel_post(scene->latest, &scene->log, "old");
	parcel_post(scene->latest, &scene->log, "new");
	parcel_post(scene->plain, &scene->log, "p");
	scene->notes[LIMIT] = note_of(&scene->log, "f");
	note_post(scene->foreign, &scene->notes[LIMIT]);
}

/* In the parent: the child has neither taken nor brought anything. */
static void scene_close(struct scene *scene)
{
	struct note extra = note_of(&scene->log, "x");

	is_int(weft_post_msg(scene->limited, &extra.msg), EAGAIN,
	       "the parent's mailbox is as full as it was");
	posttest_turn(scene->fx->ev, scene->plain, &scene->log);
	is_str(scene->log.trail.text, "l l l new p",
	       "and what waited there runs");
	is_uint(scene->log.freed, 3, "each block is freed once");
	is_int(weft_mailbox_dispatch(scene->foreign_box, 0), 1,
	       "also without a context");
	TALLOC_FREE(scene->plain_box);
	TALLOC_FREE(scene->latest_box);
	TALLOC_FREE(scene->limited_box);
	TALLOC_FREE(scene->foreign_box);
	is_int(tevent_loop_wait(scene->fx->ev), 0, "nothing is left");
}

#define CHECK(what)                  \
	do {                         \
		if (!(what)) {       \
			puts(#what); \
			return 1;    \
		}                    \
	} while (0)

static bool readable(const struct weft_mailbox *mailbox)
{
	struct pollfd pollfd = {
		.fd = weft_mailbox_fd(mailbox),
		.events = POLLIN,
	};

	return poll(&pollfd, 1, 0) == 1;
}

/* Posts to each of the mailboxes; what the parent had there does not run. */
static int child_posts(struct scene *scene)
{
	struct post_log log = { .freed = 0 };
	struct note notes[LIMIT + 1];
	unsigned i = 0;

	parcel_post(scene->plain, &log, "p");
	for (i = 0; i <= LIMIT; i++) {
		notes[i] = note_of(&log, "l");
		CHECK(weft_post_msg(scene->limited, &notes[i].msg) ==
		      (i < LIMIT ? 0 : EAGAIN));
	}
	parcel_post(scene->latest, &log, "1");
	parcel_post(scene->latest, &log, "2");
	CHECK(log.freed == 1);
	posttest_turn(scene->fx->ev, scene->plain, &log);
	CHECK(strcmp(log.trail.text, "p l l l 2") == 0);
	CHECK(log.freed == 3);

	trail_clear(&log.trail);
	parcel_post(scene->foreign, &log, "f");
	CHECK(readable(scene->foreign_box));
	(void)weft_mailbox_dispatch(scene->foreign_box, 0);
	CHECK(strcmp(log.trail.text, "f") == 0);
	CHECK(!readable(scene->foreign_box));
	CHECK(scene->log.trail.text[0] == '\0');
	return 0;
}

static int child_end(struct scene *scene)
{
	TALLOC_FREE(scene->plain_box);
	TALLOC_FREE(scene->latest_box);
	TALLOC_FREE(scene->limited_box);
	TALLOC_FREE(scene->foreign_box);
	CHECK(tevent_loop_wait(scene->fx->ev) == 0);
	CHECK(scene->log.trail.text[0] == '\0');
	TALLOC_FREE(scene->fx->ev);
	return 0;
}

/* It posts before its loop has turned once. */
static int child_posts_first(void *arg)
{
	struct scene *scene = arg;

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(child_posts(scene) == 0);
	CHECK(child_posts(scene) == 0);
	return child_end(scene);
}

/* Even before it has made the loop its own. */
static int child_posts_at_once(void *arg)
{
	struct scene *scene = arg;
	struct post_log log = { .freed = 0 };

	parcel_post(scene->plain, &log, "early");
	parcel_post(scene->limited, &log, "early");
	parcel_post(scene->latest, &log, "early");
	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	posttest_turn(scene->fx->ev, scene->plain, &log);
	CHECK(strcmp(log.trail.text, "early early early") == 0);
	CHECK(child_posts(scene) == 0);
	return child_end(scene);
}

static int child_turns_first(void *arg)
{
	struct scene *scene = arg;
	struct post_log log = { .freed = 0 };
	weft_addr_t own = { 0 };

	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(weft_context_addr(scene->fx->ev, &own) == 0);
	posttest_turn(scene->fx->ev, own, &log);
	CHECK(scene->log.trail.text[0] == '\0');
	CHECK(weft_mailbox_dispatch(scene->foreign_box, 0) == 0);
	CHECK(child_posts(scene) == 0);
	return 0;
}

static int child_frees(void *arg)
{
	struct scene *scene = arg;

	return child_end(scene);
}

static int child_frees_loop(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->fx->ev);
	CHECK(weft_post(scene->plain, parcel_run, NULL) == ECANCELED);
	CHECK(weft_post(scene->latest, parcel_run, NULL) == ECANCELED);
	TALLOC_FREE(scene->fx->mem);
	CHECK(weft_post(scene->foreign, parcel_run, NULL) == ECANCELED);
	CHECK(scene->log.trail.text[0] == '\0');
	return 0;
}

/* The child has a loop of its own beside what it inherited. */
static int child_begins_anew(void *arg)
{
	struct scene *scene = arg;
	struct fixture fx = { .mem = talloc_new(NULL) };
	struct post_log log = { .freed = 0 };
	weft_addr_t to;

	fx.ev = tevent_context_init(fx.mem);
	(void)posttest_open(&fx, &to);
	CHECK(to.id != scene->plain.id && to.id != scene->foreign.id);
	parcel_post(to, &log, "mine");
	posttest_turn(fx.ev, to, &log);
	CHECK(strcmp(log.trail.text, "mine") == 0);
	talloc_free(fx.mem);
	return 0;
}

static void forks(struct fixture *fx, fixture_child_fn fn, const char *name)
{
	struct scene scene;
	struct fixture_child child;

	scene_open(fx, &scene);
	child = fixture_child(fn, &scene);
	(void)child_exited(&child, 0, name);
	scene_close(&scene);
}

static void posts_first(struct fixture *fx)
{
	forks(fx, child_posts_first, "a child posts to its own");
}

static void posts_at_once(struct fixture *fx)
{
	forks(fx, child_posts_at_once, "also before it makes the loop its own");
}

static void turns_first(struct fixture *fx)
{
	forks(fx, child_turns_first, "a child's mailboxes are empty");
}

static void frees(struct fixture *fx)
{
	forks(fx, child_frees, "a child frees mailboxes, then the loop");
}

static void frees_loop(struct fixture *fx)
{
	forks(fx, child_frees_loop, "a child frees the loop first");
}

static void begins_anew(struct fixture *fx)
{
	forks(fx, child_begins_anew, "a child makes a loop of its own");
}

static int grandchild(void *arg)
{
	struct fixture_child child = fixture_child(child_posts_first, arg);

	puts(child.text);
	CHECK(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 0);
	return child_posts_first(arg);
}

static void generations(struct fixture *fx)
{
	forks(fx, grandchild, "so does a child's child");
}

/* ---- in a handler ---- */

struct splitter {
	struct note note;
	pid_t pid;
	int status;
};

static void splitter_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct splitter *splitter = (struct splitter *)(void *)msg;

	(void)mailbox;
	(void)fflush(NULL);
	splitter->pid = fork();
	if (splitter->pid == 0) {
		/* What it says is not part of our results. */
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		fixture_watchdog("a child forked by a handler", 20);
		return;
	}
	(void)waitpid(splitter->pid, &splitter->status, 0);
}

static int split_child(struct scene *scene)
{
	CHECK(scene->log.trail.text[0] == '\0');
	CHECK(tevent_re_initialise(scene->fx->ev) == 0);
	CHECK(child_posts(scene) == 0);
	return child_end(scene);
}

static void in_a_handler(struct fixture *fx)
{
	struct scene scene;
	struct splitter splitter = { .pid = -1 };

	/* It is the first of what waits. */
	scene_open(fx, &scene);
	posttest_turn(fx->ev, scene.plain, &scene.log);
	scene.log = (struct post_log){ .freed = 0 };
	(void)weft_mailbox_dispatch(scene.foreign_box, 0);
	scene.log = (struct post_log){ .freed = 0 };
	splitter.note = note_of(&scene.log, "split");
	splitter.note.msg.run = splitter_run;
	note_post(scene.plain, &splitter.note);
	parcel_post(scene.plain, &scene.log, "after");
	while (splitter.pid == -1) {
		turn(fx->ev);
	}
	if (splitter.pid == 0) {
		int code = split_child(&scene);

		(void)fflush(NULL);
		_exit(code);
	}
	ok(WIFEXITED(splitter.status) && WEXITSTATUS(splitter.status) == 0,
	   "the rest of a batch is not the child's");
	posttest_turn(fx->ev, scene.plain, &scene.log);
	is_str(scene.log.trail.text, "after", "it is the parent's");
}

/* ---- while values are merged ---- */

static pid_t merger = -1;

static void merge_forks(void *newer, void *older)
{
	(void)newer;
	(void)older;
	if (merger == -1) {
		(void)fflush(NULL);
		merger = fork();
	}
}

/* The child goes on with what its parent was about to put in. */
static int merge_child(struct fixture *fx, struct weft_mailbox *mailbox,
		       struct post_log *log)
{
	weft_addr_t addr = weft_mailbox_addr(mailbox);
	unsigned i = 0;

	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	fixture_watchdog("a child forked by a merge function", 20);
	CHECK(tevent_re_initialise(fx->ev) == 0);
	parcel_post(addr, log, "3");
	while (log->trail.text[0] == '\0') {
		turn(fx->ev);
	}
	parcel_post(addr, log, "4");
	talloc_free(mailbox);
	for (i = 0; i < 100; i++) {
		/* So that what was retired is reclaimed. */
		talloc_free(posttest_mailbox(fx->mem, fx->ev, NULL));
	}
	while (log->freed < 4) {
		turn(fx->ev);
	}
	CHECK(strcmp(log->trail.text, "3") == 0);
	return 0;
}

static void in_a_merge(struct fixture *fx)
{
	struct weft_mailbox_options options = { .latest = true,
						.merge = merge_forks };
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, fx->ev,
							&options);
	struct post_log log = { .freed = 0 };
	int status = -1;

	merger = -1;
	parcel_post(weft_mailbox_addr(mailbox), &log, "1");
	parcel_post(weft_mailbox_addr(mailbox), &log, "2");
	if (merger == 0) {
		int code = merge_child(fx, mailbox, &log);

		(void)fflush(NULL);
		_exit(code);
	}
	(void)waitpid(merger, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "a merge function forks, and the child goes on");
	while (log.freed < 2) {
		turn(fx->ev);
	}
	is_str(log.trail.text, "2", "so does the parent");
	talloc_free(mailbox);
}

/* ---- under fire ---- */

#define SENDERS 3
#define FORKS   30

struct crowd {
	struct scene scene;
	struct fixture_gate stop;
	atomic_int waiting;   /* A: relaxed: about so many, a brake */
	atomic_uint accepted; /* A: relaxed: read after joining */
	unsigned arrived;     /* the loop's: of those that all run */
};

static struct crowd *crowd_now;

struct member {
	pid_t pid;
};

static int member_destructor(struct member *member)
{
	/* A newer value may free it on any thread, so only looked at. */
	if (member->pid != getpid()) {
		(void)!write(STDERR_FILENO, "a stranger\n", 11);
		_exit(9);
	}
	return 0;
}

static void member_run(struct weft_mailbox *mailbox, void *block)
{
	struct member *member = talloc_get_type_abort(block, struct member);

	if (member->pid != getpid()) {
		_exit(8);
	}
	if (mailbox != crowd_now->scene.latest_box) {
		crowd_now->arrived++;
		(void)atomic_fetch_sub_explicit(&crowd_now->waiting, 1,
						memory_order_relaxed);
	}
}

static void crowd_send(unsigned index, void *arg)
{
	struct crowd *crowd = arg;
	weft_addr_t to[3] = { crowd->scene.plain, crowd->scene.limited,
			      crowd->scene.latest };
	unsigned i = 0;

	while (fixture_gate_value(&crowd->stop) == 0) {
		struct member *member = talloc(NULL, struct member);
		unsigned which = (index + i++) % 3;
		int ret = 0;

		member->pid = getpid();
		talloc_set_destructor(member, member_destructor);
		ret = weft_post(to[which], member_run, &member);
		if (ret == 0 && which != 2) {
			(void)atomic_fetch_add_explicit(&crowd->accepted, 1,
							memory_order_relaxed);
			(void)atomic_fetch_add_explicit(&crowd->waiting, 1,
							memory_order_relaxed);
		}
		talloc_free(member);
		while (atomic_load_explicit(&crowd->waiting,
					    memory_order_relaxed) > 500 &&
		       fixture_gate_value(&crowd->stop) == 0) {
			(void)sched_yield();
		}
	}
}

static int crowd_child(void *arg)
{
	struct crowd *crowd = arg;

	crowd->arrived = 0;
	CHECK(tevent_re_initialise(crowd->scene.fx->ev) == 0);
	CHECK(child_posts(&crowd->scene) == 0);
	CHECK(crowd->arrived == 0);
	return child_end(&crowd->scene);
}

static void while_others_post(struct fixture *fx)
{
	struct crowd crowd = { .arrived = 0 };
	struct fixture_threads *threads = NULL;
	unsigned bad = 0;
	unsigned i = 0;

	if (TEST_TSAN || TEST_ASAN) {
		skip("no fork beside other threads under sanitizers");
		return;
	}
	crowd_now = &crowd;
	scene_open(fx, &crowd.scene);
	posttest_turn(fx->ev, crowd.scene.plain, &crowd.scene.log);
	(void)weft_mailbox_dispatch(crowd.scene.foreign_box, 0);
	trail_clear(&crowd.scene.log.trail);
	threads = fixture_threads_start(SENDERS, crowd_send, &crowd);
	for (i = 0; i < FORKS; i++) {
		struct fixture_child child = fixture_child(crowd_child, &crowd);

		if (!WIFEXITED(child.status) ||
		    WEXITSTATUS(child.status) != 0) {
			diag("child %u: %s", i, child.text);
			bad++;
		}
		posttest_turn(fx->ev, crowd.scene.plain, &crowd.scene.log);
	}
	fixture_gate_add(&crowd.stop, 1);
	fixture_threads_join(threads);
	is_uint(bad, 0, "children split off while others post");
	posttest_turn(fx->ev, crowd.scene.plain, &crowd.scene.log);
	is_uint(crowd.arrived,
		atomic_load_explicit(&crowd.accepted, memory_order_relaxed),
		"the parent loses nothing");
}

int main(void)
{
	POSTTEST_EACH(posts_first);
	POSTTEST_EACH(posts_at_once);
	POSTTEST_EACH(turns_first);
	POSTTEST(frees);
	POSTTEST(frees_loop);
	POSTTEST(begins_anew);
	POSTTEST(generations);
	POSTTEST(in_a_handler);
	POSTTEST(in_a_merge);
	POSTTEST(while_others_post);
	return done();
}
