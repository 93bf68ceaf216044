/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper life: a wrapper or its main context goes, or starts anew, at any
 * moment: in a handler of each kind, in the hooks, while in use.
 *
 * "?" stands beside a hook that gets NULL for the main context, which is gone.
 * What is begun is ended: the second hook is always called. Stock does not call
 * after_use then.
 */
#include "tests/wrappertest.h"

#include <errno.h>
#include <signal.h>

enum kind { IMMEDIATE, TIMER, FD, SIGNAL, KINDS };

static const char *const kind_names[] = { "immediate", "timer", "fd event",
					  "signal event" };
static const char *const kind_words[] = { "im", "te", "fd", "se" };

/* A wrapper, one event of each kind on it and what their handlers do. */
struct scene {
	struct wrapped wrapped;
	struct tevent_context *main;
	TALLOC_CTX *mem;
	void (*act)(struct scene *scene);
	struct tevent_immediate *im;
	struct tevent_timer *te;
	struct tevent_fd *fde;
	struct tevent_signal *se;
	int fds[2];
};

static void scene_run(struct scene *scene)
{
	trail_add(&scene->wrapped.trail, "run");
	if (scene->act != NULL) {
		scene->act(scene);
	}
}

static void run_immediate(struct tevent_context *ev TRAIL_UNUSED,
			  struct tevent_immediate *im TRAIL_UNUSED,
			  void *private_data)
{
	scene_run(private_data);
}

static void run_timer(struct tevent_context *ev TRAIL_UNUSED,
		      struct tevent_timer *te TRAIL_UNUSED,
		      struct timeval now TRAIL_UNUSED, void *private_data)
{
	scene_run(private_data);
}

static void run_fd(struct tevent_context *ev TRAIL_UNUSED,
		   struct tevent_fd *fde TRAIL_UNUSED,
		   uint16_t flags TRAIL_UNUSED, void *private_data)
{
	scene_run(private_data);
}

static void run_signal(struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_signal *se TRAIL_UNUSED,
		       int signum TRAIL_UNUSED, int count TRAIL_UNUSED,
		       void *siginfo TRAIL_UNUSED, void *private_data)
{
	scene_run(private_data);
}

static void act_free_wrapper(struct scene *scene)
{
	(void)talloc_free(scene->wrapped.ev);
	scene->wrapped.ev = NULL;
	trail_add(&scene->wrapped.trail, "freed");
}

static void act_free_main(struct scene *scene)
{
	(void)talloc_free(scene->main);
	scene->main = NULL;
	trail_add(&scene->wrapped.trail, "freed");
}

static void act_start_anew(struct scene *scene)
{
	is_int(tevent_re_initialise(scene->main), 0,
	       "B701 started anew in a wrapper's handler");
	trail_add(&scene->wrapped.trail, "anew");
}

/* The hook named by the word frees the wrapper of the scene, once. */
static struct scene *hooked;
static const char *hooked_word;

static void hook_say(struct wrap_state *state, const char *word,
		     const struct tevent_context *main_ev)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%s%s", word,
		       main_ev != NULL ? "" : "?");
	wrap_say(state, text);
	if (hooked != NULL && strcmp(hooked_word, word) == 0) {
		struct scene *scene = hooked;

		hooked = NULL;
		act_free_wrapper(scene);
	}
}

static bool life_before_use(struct tevent_context *wrap TRAIL_UNUSED,
			    void *state, struct tevent_context *ev,
			    const char *location TRAIL_UNUSED)
{
	hook_say(state, "<use", ev);
	return true;
}

static void life_after_use(struct tevent_context *wrap TRAIL_UNUSED,
			   void *state, struct tevent_context *ev,
			   const char *location TRAIL_UNUSED)
{
	hook_say(state, ">use", ev);
}

#define LIFE_HOOKS(word, ...)                                          \
	static void life_before_##word(                                \
		struct tevent_context *wrap TRAIL_UNUSED, void *state, \
		struct tevent_context *ev, __VA_ARGS__,                \
		const char *name TRAIL_UNUSED,                         \
		const char *location TRAIL_UNUSED)                     \
	{                                                              \
		hook_say(state, "<" #word, ev);                        \
	}                                                              \
	static void life_after_##word(                                 \
		struct tevent_context *wrap TRAIL_UNUSED, void *state, \
		struct tevent_context *ev, __VA_ARGS__,                \
		const char *name TRAIL_UNUSED,                         \
		const char *location TRAIL_UNUSED)                     \
	{                                                              \
		hook_say(state, ">" #word, ev);                        \
	}

LIFE_HOOKS(fd, struct tevent_fd *fde TRAIL_UNUSED, uint16_t flags TRAIL_UNUSED)
LIFE_HOOKS(te, struct tevent_timer *te TRAIL_UNUSED,
	   struct timeval requested TRAIL_UNUSED,
	   struct timeval trigger TRAIL_UNUSED)
LIFE_HOOKS(im, struct tevent_immediate *im TRAIL_UNUSED)
LIFE_HOOKS(se, struct tevent_signal *se TRAIL_UNUSED, int signum TRAIL_UNUSED,
	   int count TRAIL_UNUSED, void *siginfo TRAIL_UNUSED)

static const struct tevent_wrapper_ops life_ops = {
	.name = "life",
	.before_use = life_before_use,
	.after_use = life_after_use,
	.before_fd_handler = life_before_fd,
	.after_fd_handler = life_after_fd,
	.before_timer_handler = life_before_te,
	.after_timer_handler = life_after_te,
	.before_immediate_handler = life_before_im,
	.after_immediate_handler = life_after_im,
	.before_signal_handler = life_before_se,
	.after_signal_handler = life_after_se,
};

static void scene_open_below(struct scene *scene, struct fixture *fx,
			     TALLOC_CTX *parent)
{
	*scene = (struct scene){ .main = fx->ev, .mem = fx->mem };
	hooked = NULL;
	scene->wrapped.ev = tevent_context_wrapper_create(
		fx->ev, parent, &life_ops, &scene->wrapped.state,
		struct wrap_state);
	if (scene->wrapped.ev == NULL) {
		bail_out("no wrapper");
	}
	scene->wrapped.state->trail = &scene->wrapped.trail;
	scene->im = tevent_create_immediate(fx->mem);
	fixture_pipe(scene->fds);
}

static void scene_open(struct scene *scene, struct fixture *fx)
{
	scene_open_below(scene, fx, fx->mem);
}

static void scene_add(struct scene *scene, enum kind kind)
{
	struct tevent_context *ev = scene->wrapped.ev;

	switch (kind) {
	case IMMEDIATE:
		tevent_schedule_immediate(scene->im, ev, run_immediate, scene);
		break;
	case TIMER:
		scene->te = tevent_add_timer(ev, scene->mem,
					     tevent_timeval_zero(), run_timer,
					     scene);
		break;
	case FD:
		scene->fde = tevent_add_fd(ev, scene->mem, scene->fds[1],
					   TEVENT_FD_WRITE, run_fd, scene);
		break;
	case SIGNAL:
		scene->se = tevent_add_signal(ev, scene->mem, SIGUSR1, 0,
					      run_signal, scene);
		(void)raise(SIGUSR1);
		break;
	default:
		break;
	}
}

static void scene_close(struct scene *scene)
{
	TALLOC_FREE(scene->fde);
	TALLOC_FREE(scene->se);
	TALLOC_FREE(scene->im);
	TALLOC_FREE(scene->wrapped.ev);
	(void)close(scene->fds[0]);
	(void)close(scene->fds[1]);
}

/* "<im run WORD >im", with a mark: what a trail should be. */
static const char *around(enum kind kind, const char *word, const char *mark)
{
	static char text[64];

	(void)snprintf(text, sizeof(text), "<%s run %s >%s%s", kind_words[kind],
		       word, kind_words[kind], mark);
	return text;
}

/* Stock loses count of a signal event whose wrapper or main context ends in
 * its handler; and of an fd event whose main context does, it forgets that the
 * wrapper is in use: it is never freed. */
static bool breaks(enum kind kind, bool main_ends)
{
	if (TEST_ON_STOCK && (kind == SIGNAL || (kind == FD && main_ends))) {
		skip("B1505 B1506 stock does not survive this: %s",
		     kind_names[kind]);
		return true;
	}
	return false;
}

static void test_wrapper_in_handler(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		if (breaks(kind, false)) {
			continue;
		}
		scene_open(&scene, fx);
		scene.act = act_free_wrapper;
		scene_add(&scene, kind);
		turn_until(&scene.wrapped.trail, fx->ev, "run");
		trail_is(&scene.wrapped.trail, around(kind, "freed", ""),
			 kind_names[kind]);
		settle(fx->ev, 2);
		is_str(scene.wrapped.trail.text, "",
		       "B1506 %s: not called again", kind_names[kind]);
		scene_close(&scene);
	}
}

static void test_main_in_handler(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		if (breaks(kind, true)) {
			continue;
		}
		if (fx->ev == NULL) {
			fx->ev = tevent_context_init_byname(fx->mem,
							    fx->backend);
		}
		scene_open_below(&scene, fx,
				 kind == FD ? (void *)fx->ev : fx->mem);
		scene.act = act_free_main;
		scene_add(&scene, kind);
		while (scene.main != NULL) {
			turn(fx->ev);
		}
		fx->ev = NULL;
		if (kind == FD) {
			scene.wrapped.ev = NULL; /* was its child */
		}
		trail_is(&scene.wrapped.trail, around(kind, "freed", "?"),
			 kind_names[kind]);
		if (scene.wrapped.ev != NULL) {
			ok(!tevent_context_push_use(scene.wrapped.ev),
			   "B1505 %s: cut off", kind_names[kind]);
		}
		scene_close(&scene);
	}
}

static void test_anew_in_handler(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		if (breaks(kind, true)) {
			continue;
		}
		scene_open(&scene, fx);
		scene.act = act_start_anew;
		scene_add(&scene, kind);
		turn_until(&scene.wrapped.trail, fx->ev, "run");
		trail_is(&scene.wrapped.trail, around(kind, "anew", "?"),
			 kind_names[kind]);
		ok(!tevent_context_push_use(scene.wrapped.ev),
		   "B701 %s: the wrapper is cut off", kind_names[kind]);
		scene_close(&scene);
	}
}

/* Freed by hooks: the use that is under way goes on. */
static void test_wrapper_in_hook(struct fixture *fx)
{
	static const struct {
		enum kind kind;
		const char *hook;
		const char *want;
	} rows[] = {
		{ IMMEDIATE, "<im", "<im freed run >im" },
		{ IMMEDIATE, ">im", "<im run >im freed" },
		{ TIMER, "<te", "<te freed run >te" },
		{ TIMER, ">te", "<te run >te freed" },
		{ FD, "<fd", "<fd freed run >fd" },
		{ FD, ">fd", "<fd run >fd freed" },
		{ SIGNAL, "<se", "<se freed run >se" },
		{ SIGNAL, ">se", "<se run >se freed" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		if (breaks(rows[i].kind, false)) {
			continue;
		}
		scene_open(&scene, fx);
		scene_add(&scene, rows[i].kind);
		hooked = &scene;
		hooked_word = rows[i].hook;
		turn_until(&scene.wrapped.trail, fx->ev, "run");
		is_str(scene.wrapped.trail.text, rows[i].want,
		       "B1506 freed in the hook %s", rows[i].hook);
		scene_close(&scene);
	}
}

static void test_use(struct fixture *fx)
{
	struct scene scene;
	struct trail *trail = &scene.wrapped.trail;
	struct tevent_context *wrap = NULL;

	scene_open(&scene, fx);
	wrap = scene.wrapped.ev;
	ok(tevent_context_push_use(wrap), "B1504 in use");
	act_free_wrapper(&scene);
	tevent_context_pop_use(wrap);
	trail_is(trail, TEST_ON_STOCK ? "<use freed" : "<use freed >use",
		 "B1506 freed while in use: it ends with that");
	scene_close(&scene);

	scene_open(&scene, fx);
	wrap = scene.wrapped.ev;
	hooked = &scene;
	hooked_word = "<use";
	ok(tevent_context_push_use(wrap), "B1504 in use");
	tevent_context_pop_use(wrap);
	trail_is(trail, TEST_ON_STOCK ? "<use freed" : "<use freed >use",
		 "B1506 freed by before_use");
	scene_close(&scene);

	scene_open(&scene, fx);
	hooked = &scene;
	hooked_word = ">use";
	ok(tevent_context_push_use(scene.wrapped.ev), "B1504 in use");
	tevent_context_pop_use(scene.wrapped.ev);
	trail_is(trail, "<use >use freed", "B1506 freed by after_use");
	scene_close(&scene);

	scene_open(&scene, fx);
	ok(tevent_context_push_use(scene.wrapped.ev), "B1504 in use");
	act_free_main(&scene);
	fx->ev = NULL;
	tevent_context_pop_use(scene.wrapped.ev);
	trail_is(trail, TEST_ON_STOCK ? "<use freed" : "<use freed >use?",
		 "B1505 the main context freed while the wrapper is in use");
	scene_close(&scene);
}

static void test_anew(struct fixture *fx)
{
	struct scene scene;
	struct wrapped after;
	struct step step = { &after.trail, "run" };
	struct tevent_fd *fde = NULL;

	scene_open(&scene, fx);
	scene_add(&scene, FD);
	(void)tevent_add_timer(scene.wrapped.ev, fx->mem, seconds_from_now(60),
			       run_timer, &scene);
	is_int(tevent_re_initialise(fx->ev), 0, "B701 the main context anew");
	is_uint(tevent_fd_get_flags(scene.fde), 0, "B701 events are detached");
	ok(!tevent_context_push_use(scene.wrapped.ev) &&
		   !tevent_context_same_loop(scene.wrapped.ev, fx->ev),
	   "B701 B1505 its wrapper is cut off");
	errno = 0;
	fde = tevent_add_fd(scene.wrapped.ev, fx->mem, scene.fds[1],
			    TEVENT_FD_WRITE, run_fd, &scene);
	ok(fde == NULL && errno == EINVAL, "B701 B1505 and takes no events");

	wrapped_open(&after, fx);
	tevent_schedule_immediate(scene.im, after.ev, step_immediate, &step);
	turn_until(&after.trail, fx->ev, "run");
	trail_is(&after.trail, "<im run >im", "B701 a new wrapper works");
	wrapped_close(&after);
	is_str(scene.wrapped.trail.text, "", "B701 nothing of the old ran");
	scene_close(&scene);
}

/* So many that are due at once are sorted beforehand. */
enum { MANY = 400 };

struct many {
	struct wrapped wrapped;
	unsigned ran;       /* timers of the main context */
	unsigned wrong;     /* of the wrapper, once it is gone */
	unsigned end_after; /* then one of them frees the wrapper */
};

static void many_main(struct tevent_context *ev TRAIL_UNUSED,
		      struct tevent_timer *te TRAIL_UNUSED,
		      struct timeval now TRAIL_UNUSED, void *private_data)
{
	struct many *many = private_data;

	many->ran++;
	if (many->ran == many->end_after) {
		wrapped_close(&many->wrapped);
	}
}

static void many_wrapped(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_timer *te TRAIL_UNUSED,
			 struct timeval now TRAIL_UNUSED, void *private_data)
{
	struct many *many = private_data;

	many->wrong += many->wrapped.ev == NULL ? 1 : 0;
}

static void test_many_timers(struct fixture *fx)
{
	static const unsigned ends[] = { 1, 5, MANY / 4, MANY / 2 };

	for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
		struct many many = { .end_after = ends[e] };

		wrapped_open(&many.wrapped, fx);
		many.wrapped.state->trail = NULL;
		for (int i = 0; i < MANY; i++) {
			bool mine = i % 2 == 0;

			(void)tevent_add_timer(
				mine ? fx->ev : many.wrapped.ev, fx->mem,
				tevent_timeval_set(1 + i * 37 % 101, 0),
				mine ? many_main : many_wrapped, &many);
		}
		is_int(tevent_loop_wait(fx->ev), 0,
		       "B1506 freed after %u of many timers", ends[e]);
		is_uint(many.ran, MANY / 2, "B1506 the main context's all run");
		is_uint(many.wrong, 0, "B1506 the wrapper's no more");
	}
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1506 in a handler", test_wrapper_in_handler);
	fixture_each_backend("B1505 in a handler", test_main_in_handler);
	fixture_each_backend("B701 in a handler", test_anew_in_handler);
	fixture_each_backend("B1506 in a hook", test_wrapper_in_hook);
	fixture_run("B1506 in use", test_use);
	fixture_each_backend("B701 anew", test_anew);
	fixture_run("B1506 many timers", test_many_timers);
	return done();
}
