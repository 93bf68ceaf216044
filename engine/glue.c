/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Glue: what a wrapper context puts around a handler.
 *
 *      enter                the wrapper is in use
 *      before_..._handler
 *      BEFORE_HANDLER       traced
 *      the handler          its context is the wrapper
 *      after_..._handler
 *      leave
 *
 * The files of the events call the hooks, whose arguments are theirs; here is
 * the stack of contexts in use, which the program's own push_use and pop_use
 * (wrapper.c) share: a wrapper is on it once, uses end in reverse order, and
 * there is room for 32 (B1504). What breaks this is misuse; where the abort
 * function returns, a use that was begun goes on all the same, and one that
 * cannot be ended now is not.
 *
 * A wrapper that is freed while in use ends when it is left (B1506). What was
 * begun is always ended: the second hook is called also when the wrapper or its
 * main context went meanwhile; instead of the latter it gets NULL then.
 *
 * Threads: the stack is the thread's own; stock has one for the process, which
 * no two threads could use.
 */
#include "engine/glue.h"

#include "engine/report.h"

#define GLUE_DEPTH_MAX 32

struct glue_stack {
	struct tevent_context *in_use[GLUE_DEPTH_MAX];
	unsigned depth;
};

static __thread struct glue_stack glue_stack;

/* Beyond the room there is, only their number is known. */
static void stack_push(struct tevent_context *ev)
{
	if (glue_stack.depth < GLUE_DEPTH_MAX) {
		glue_stack.in_use[glue_stack.depth] = ev;
	} else {
		tev_abort(ev, "tevent: too many contexts in use");
	}
	glue_stack.depth++;
}

static bool stack_ends_with(const struct tevent_context *ev)
{
	unsigned depth = glue_stack.depth;

	return depth > GLUE_DEPTH_MAX ||
	       (depth > 0 && glue_stack.in_use[depth - 1] == ev);
}

/* Begins a use of @ev, a wrapper or a main context.
 *
 * Thread: owner.  Lock: none.
 * Return: its wrapper part, NULL of a main context.
 */
struct tev_wrapper *tev_glue_enter(struct tevent_context *ev)
{
	struct tev_wrapper *wrapper = ev->wrapper;

	if (wrapper != NULL && wrapper->busy > 0) {
		tev_abort(ev, "tevent: the wrapper is in use already");
	}
	stack_push(ev);
	if (wrapper != NULL) {
		wrapper->busy++;
	}
	return wrapper;
}

/* Whether the use of @ev may end: it is the last that began. Misuse if not.
 *
 * Thread: owner.  Lock: none.
 */
bool tev_glue_may_leave(struct tevent_context *ev)
{
	if (stack_ends_with(ev)) {
		return true;
	}
	tev_abort(ev, "tevent: uses ended in the wrong order");
	return false;
}

/* Ends a use of @ev; a wrapper that was freed meanwhile is gone after.
 *
 * Thread: owner.  Lock: none.
 */
void tev_glue_leave(struct tevent_context *ev)
{
	struct tev_wrapper *wrapper = ev->wrapper;

	if (!tev_glue_may_leave(ev)) {
		return;
	}
	glue_stack.depth--;
	if (wrapper == NULL) {
		return;
	}
	wrapper->busy--;
	if (wrapper->freed && wrapper->busy == 0) {
		TALLOC_FREE(ev);
	}
}
