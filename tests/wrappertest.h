/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper test: a wrapper context whose hooks leave words in a trail: "<" or
 * ">" and the kind of event; and trace callbacks that do: the kind and "+" for
 * added, "!" for about to be called, "-" for gone. */
#pragma once

#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/trail.h"

struct wrap_state {
	struct trail *trail; /* NULL: nobody listens */
	bool refuse;         /* before_use does */
};

static inline void wrap_say(void *private_state, const char *word)
{
	struct wrap_state *state = private_state;

	if (state->trail != NULL) {
		trail_add(state->trail, word);
	}
}

static inline bool wrap_before_use(struct tevent_context *wrap TRAIL_UNUSED,
				   void *state,
				   struct tevent_context *ev TRAIL_UNUSED,
				   const char *location TRAIL_UNUSED)
{
	wrap_say(state, "<use");
	return !((struct wrap_state *)state)->refuse;
}

static inline void wrap_after_use(struct tevent_context *wrap TRAIL_UNUSED,
				  void *state,
				  struct tevent_context *ev TRAIL_UNUSED,
				  const char *location TRAIL_UNUSED)
{
	wrap_say(state, ">use");
}

/* A pair of hooks that leave "<WORD" and ">WORD"; the arguments between the
 * contexts and the names are those of the kind of event. */
#define WRAP_HOOKS(word, ...)                                          \
	static inline void wrap_before_##word(                         \
		struct tevent_context *wrap TRAIL_UNUSED, void *state, \
		struct tevent_context *ev TRAIL_UNUSED, __VA_ARGS__,   \
		const char *name TRAIL_UNUSED,                         \
		const char *location TRAIL_UNUSED)                     \
	{                                                              \
		wrap_say(state, "<" #word);                            \
	}                                                              \
	static inline void wrap_after_##word(                          \
		struct tevent_context *wrap TRAIL_UNUSED, void *state, \
		struct tevent_context *ev TRAIL_UNUSED, __VA_ARGS__,   \
		const char *name TRAIL_UNUSED,                         \
		const char *location TRAIL_UNUSED)                     \
	{                                                              \
		wrap_say(state, ">" #word);                            \
	}

WRAP_HOOKS(fd, struct tevent_fd *fde TRAIL_UNUSED, uint16_t flags TRAIL_UNUSED)
WRAP_HOOKS(te, struct tevent_timer *te TRAIL_UNUSED,
	   struct timeval requested TRAIL_UNUSED,
	   struct timeval trigger TRAIL_UNUSED)
WRAP_HOOKS(im, struct tevent_immediate *im TRAIL_UNUSED)
WRAP_HOOKS(se, struct tevent_signal *se TRAIL_UNUSED, int signum TRAIL_UNUSED,
	   int count TRAIL_UNUSED, void *siginfo TRAIL_UNUSED)

static const struct tevent_wrapper_ops wrap_ops = {
	.name = "words",
	.before_use = wrap_before_use,
	.after_use = wrap_after_use,
	.before_fd_handler = wrap_before_fd,
	.after_fd_handler = wrap_after_fd,
	.before_timer_handler = wrap_before_te,
	.after_timer_handler = wrap_after_te,
	.before_immediate_handler = wrap_before_im,
	.after_immediate_handler = wrap_after_im,
	.before_signal_handler = wrap_before_se,
	.after_signal_handler = wrap_after_se,
};

struct wrapped {
	struct tevent_context *ev;
	struct wrap_state *state;
	struct trail trail;
};

static inline void wrapped_open(struct wrapped *wrapped, struct fixture *fx)
{
	*wrapped = (struct wrapped){ .ev = NULL };
	wrapped->ev = tevent_context_wrapper_create(
		fx->ev, fx->mem, &wrap_ops, &wrapped->state, struct wrap_state);
	if (wrapped->ev == NULL) {
		bail_out("no wrapper");
	}
	wrapped->state->trail = &wrapped->trail;
}

static inline void wrapped_close(struct wrapped *wrapped)
{
	TALLOC_FREE(wrapped->ev);
}

#define SAY_EVENT(word, type)                                              \
	static inline void say_##word(struct type *event TRAIL_UNUSED,     \
				      enum tevent_event_trace_point point, \
				      void *private_data)                  \
	{                                                                  \
		static const char *const words[] = { #word "+", #word "-", \
						     #word "!" };          \
                                                                           \
		trail_add(private_data, words[point]);                     \
	}

SAY_EVENT(te, tevent_timer)
SAY_EVENT(im, tevent_immediate)
SAY_EVENT(se, tevent_signal)

/* The library has a descriptor of its own, so: those that have a tag. */
static inline void say_fd(struct tevent_fd *fde,
			  enum tevent_event_trace_point point,
			  void *private_data)
{
	static const char *const words[] = { "fd+", "fd-", "fd!" };

	if (tevent_fd_get_tag(fde) != 0) {
		trail_add(private_data, words[point]);
	}
}

static inline void trace_events(struct tevent_context *ev, struct trail *trail)
{
	tevent_set_trace_fd_callback(ev, say_fd, trail);
	tevent_set_trace_timer_callback(ev, say_te, trail);
	tevent_set_trace_immediate_callback(ev, say_im, trail);
	tevent_set_trace_signal_callback(ev, say_se, trail);
}

static inline void trail_is(struct trail *trail, const char *want,
			    const char *name)
{
	is_str(trail->text, want, "%s", name);
	trail_clear(trail);
}

/* Passes until the trail has @word. */
static inline void turn_until(struct trail *trail, struct tevent_context *ev,
			      const char *word)
{
	while (strstr(trail->text, word) == NULL) {
		turn(ev);
	}
}
