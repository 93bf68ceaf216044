/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrap: wrapper contexts, whose hooks tell and do a little. */
#include "tests/walk/walk.h"

#include <stdlib.h>
#include <string.h>

enum {
	WRAP_MAX = 3,
};

struct wrap_state {
	struct thing *thing;
};

static bool hook_before(void *state)
{
	struct thing *t = ((struct wrap_state *)state)->thing;

	if (!walk.burst) {
		enter(t);
	}
	return !t->hook.refuse;
}

/* The wrapper is its own handler's frame, so that it may be freed there. */
static void hook_after(void *state)
{
	if (!walk.burst) {
		leave(((struct wrap_state *)state)->thing);
	}
}

static bool before_use(struct tevent_context *wrap_ev WALK_UNUSED, void *state,
		       struct tevent_context *ev WALK_UNUSED,
		       const char *location)
{
	struct thing *t = ((struct wrap_state *)state)->thing;

	say("hook %s use %s", thing_name(t), location);
	return !t->hook.refuse;
}

static void after_use(struct tevent_context *wrap_ev WALK_UNUSED, void *state,
		      struct tevent_context *ev WALK_UNUSED,
		      const char *location)
{
	say("hook %s used %s", thing_name(((struct wrap_state *)state)->thing),
	    location);
}

static void say_hook(void *state, const char *what, long long told,
		     const char *name, const char *location)
{
	struct thing *t = ((struct wrap_state *)state)->thing;
	bool ours = strcmp(place_name(name), name) == 0;

	say("hook %s %s %lld %s %s", thing_name(t), what, told,
	    place_name(name), ours ? location : "");
}

/* The pair of hooks of one kind of event, with what it tells besides. */
#define HOOKS(word, told, ...)                                                 \
	static void before_##word(                                             \
		struct tevent_context *wrap_ev WALK_UNUSED, void *state,       \
		struct tevent_context *ev WALK_UNUSED, __VA_ARGS__,            \
		const char *name, const char *location)                        \
	{                                                                      \
		if (!walk.burst) {                                             \
			say_hook(state, "before " #word, told, name,           \
				 location);                                    \
		}                                                              \
		(void)hook_before(state);                                      \
	}                                                                      \
	static void after_##word(                                              \
		struct tevent_context *wrap_ev WALK_UNUSED, void *state,       \
		struct tevent_context *ev WALK_UNUSED, __VA_ARGS__,            \
		const char *name, const char *location)                        \
	{                                                                      \
		hook_after(state);                                             \
		if (!walk.burst) {                                             \
			say_hook(state, "after " #word, told, name, location); \
		}                                                              \
	}

HOOKS(fd, flags, struct tevent_fd *fde WALK_UNUSED, uint16_t flags)
HOOKS(te, requested.tv_sec, struct tevent_timer *te WALK_UNUSED,
      struct timeval requested, struct timeval trigger WALK_UNUSED)
HOOKS(im, 0, struct tevent_immediate *im WALK_UNUSED)
HOOKS(se, count, struct tevent_signal *se WALK_UNUSED, int number WALK_UNUSED,
      int count, void *siginfo WALK_UNUSED)

static const struct tevent_wrapper_ops wrap_ops = {
	.name = "walk",
	.before_use = before_use,
	.after_use = after_use,
	.before_fd_handler = before_fd,
	.after_fd_handler = after_fd,
	.before_timer_handler = before_te,
	.after_timer_handler = after_te,
	.before_immediate_handler = before_im,
	.after_immediate_handler = after_im,
	.before_signal_handler = before_se,
	.after_signal_handler = after_se,
};

static bool wrappable(const struct thing *t)
{
	return !t->ctx.nests;
}

bool step_wrap_new(void)
{
	struct thing *ev = thing_pick(KIND_EV, wrappable);
	struct thing *t = NULL;
	struct wrap_state *state = NULL;
	void *home = NULL;

	if (ev == NULL || thing_count(KIND_WRAP) >= WRAP_MAX) {
		return false;
	}
	t = thing_new(KIND_WRAP);
	t->ev = ev;
	home = some_home(t, false);
	say("new %s on %s home %s", thing_name(t), thing_name(ev),
	    thing_name(t->home));
	thing_born(t, tevent_context_wrapper_create(ev->ptr, home, &wrap_ops,
						    &state, struct wrap_state));
	if (t->dead) {
		abort();
	}
	state->thing = t;
	return true;
}

bool step_wrap_free(void)
{
	return thing_free_any(thing_pick(KIND_WRAP, NULL));
}

bool step_wrap_use(void)
{
	struct thing *t = thing_pick(KIND_WRAP, NULL);
	struct thing *ev = some_ev();
	struct tevent_context *place = NULL;

	if (t == NULL || t->frames > 0) {
		t = ev;
	}
	if (t == NULL) {
		return false;
	}
	place = t->ptr;
	if (t->kind == KIND_WRAP) {
		t->hook.refuse = chance(4);
	}
	say("use %s", thing_name(t));
	if (!tevent_context_push_use(place)) {
		say("refused");
		return true;
	}
	walk.pins++;
	act(1);
	walk.pins--;
	say("used");
	tevent_context_pop_use(place);
	return true;
}

bool step_wrap_look(void)
{
	struct thing *t = thing_pick(KIND_WRAP, NULL);
	struct thing *ev = some_ev();

	if (t == NULL || ev == NULL) {
		return false;
	}
	say("%s is a wrapper %d, %s %d, same loop %d %d", thing_name(t),
	    tevent_context_is_wrapper(t->ptr), thing_name(ev),
	    tevent_context_is_wrapper(ev->ptr),
	    tevent_context_same_loop(t->ptr, ev->ptr),
	    tevent_context_same_loop(t->ptr, t->ptr));
	return true;
}
