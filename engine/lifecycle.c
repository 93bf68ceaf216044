/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lifecycle: contexts come, go, start anew, and find themselves forked.
 *
 *   create          empty, backend open
 *   free            every event detached: it stays allocated if its talloc
 *                   parent is elsewhere, and never fires (B207); posts from
 *                   other threads are refused. In a handler the memory stays
 *                   until the pass has returned (loop.c)
 *   re-initialise   the same on the same pointer, then a new backend (B701)
 *   fork            nothing, until the child first uses the context: then it
 *                   gets an epoll set and an eventfd of its own and keeps its
 *                   events (B703); what threads of the parent had posted is
 *                   theirs and not delivered twice (B705)
 *
 * Who keeps a context for later, without being one of its events, is told when
 * it is freed: a watch (context.h). Faces, that is wrappers and proxies, are
 * cut off also when it starts anew.
 *
 * Threads: owner; contexts may be created by any thread at any time.
 */
#include "engine/lifecycle.h"

#include <errno.h>
#include <string.h>

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/face.h"
#include "engine/fd_watch.h"
#include "engine/fork.h"
#include "engine/immediate.h"
#include "engine/mailbox.h"
#include "engine/registry.h"
#include "engine/report.h"
#include "engine/signal_number.h"
#include "engine/timer.h"

#define LIFECYCLE_WAIT_SECS 30

/* Tells who keeps @ev for later that it is freed.
 *
 * Thread: owner.  Lock: none.
 */
void tev_lifecycle_gone(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(&ev->watchers)) != NULL) {
		struct tev_context_watch *watch = tev_list_entry(
			first, struct tev_context_watch, node);

		tev_list_remove(&watch->node);
		watch->gone(watch);
	}
}

static void context_close_faces(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(&ev->faces)) != NULL) {
		struct tev_face *face = tev_list_entry(first, struct tev_face,
						       node);

		tev_face_close(face);
		face->gone(face);
	}
}

/* Detaches every event, kind by kind as B208 has it, and gives back every
 * descriptor. */
static void context_clear(struct tevent_context *ev)
{
	/* The backend first: what follows need not be told to it, which in a
	 * forked child would be the parent's. */
	ev->closed = true;
	if (ev->backend != NULL) {
		ev->backend->close(ev);
	}
	tev_fd_context_fini(ev);
	tev_timer_context_fini(ev);
	tev_immediate_context_fini(ev);
	tev_signal_context_fini(ev, NULL);
	tev_immediate_refuse(tev_mailbox_close(ev));
	context_close_faces(ev);
}

int tevent_common_context_destructor(struct tevent_context *ev)
{
	if (!ev->dead) {
		ev->dead = true;
		context_clear(ev);
		tev_lifecycle_gone(ev);
		/* What they point to may go next, with its owner (B206). */
		memset(&ev->trace, 0, sizeof(ev->trace));
		ev->debug = NULL;
	} else if (ev->holds > 0) {
		tev_check_double_free(ev, "tevent_context freed twice in one "
					  "of its handlers");
	}
	if (ev->holds > 0) {
		return -1; /* the pass under way frees it */
	}
	tev_heap_fini(&ev->timers);
	return 0;
}

static void context_after_fork(struct tevent_context *ev)
{
	bool had_mailbox = ev->mailbox != NULL;
	int error = 0;

	ev->fork_generation = tev_fork_now();
	ev->backend->after_fork(ev);
	tev_immediate_refuse(tev_mailbox_close(ev));
	if (had_mailbox) {
		error = tev_mailbox_open(ev);
	}
	if (error != 0) {
		tev_debug(ev, TEVENT_DEBUG_ERROR,
			  "no wake-up descriptor after fork: %s\n",
			  strerror(error));
	}
	tev_signal_after_fork(ev);
}

/* A context with nothing in it, and no backend yet.
 *
 * Thread: any, its owner from now on.
 * Return: NULL when out of memory.
 */
struct tevent_context *tev_lifecycle_new(TALLOC_CTX *mem_ctx)
{
	struct tevent_context *ev = talloc_zero(mem_ctx, struct tevent_context);

	if (ev == NULL) {
		return NULL;
	}
	ev->main = ev;
	tev_list_init(&ev->faces);
	tev_list_init(&ev->watchers);
	tev_list_init(&ev->immediates);
	tev_heap_init(&ev->timers);
	tev_fdmux_init(&ev->mux);
	tev_signal_context_init(ev);
	ev->wait_timeout = LIFECYCLE_WAIT_SECS;
	ev->debug_max = TEVENT_DEBUG_FATAL;
	ev->after_fork = context_after_fork;
	ev->fork_generation = tev_fork_now();
	return ev;
}

struct tevent_context *tevent_context_init_ops(TALLOC_CTX *mem_ctx,
					       const struct tevent_ops *ops,
					       void *additional_data)
{
	struct tevent_context *ev = NULL;

	(void)additional_data;
	tev_fork_watch();
	ev = tev_lifecycle_new(mem_ctx);
	if (ev == NULL) {
		return NULL;
	}
	talloc_set_destructor(ev, tevent_common_context_destructor);
	if (tev_registry_init(ev, ops) != 0) {
		TALLOC_FREE(ev);
	}
	return ev;
}

struct tevent_context *tevent_context_init_byname(TALLOC_CTX *mem_ctx,
						  const char *name)
{
	const struct tevent_ops *ops = tevent_find_ops_byname(name);

	return ops != NULL ? tevent_context_init_ops(mem_ctx, ops, NULL) : NULL;
}

struct tevent_context *tevent_context_init(TALLOC_CTX *mem_ctx)
{
	return tevent_context_init_byname(mem_ctx, NULL);
}

int tevent_re_initialise(struct tevent_context *ev)
{
	if (tev_context_is_wrapper(ev)) {
		return ev->ops->context_init(ev);
	}
	context_clear(ev);
	ev->fork_generation = tev_fork_now();
	ev->level = 0;
	ev->nesting_hook = NULL;
	ev->trace.watch &= ~(unsigned)TEV_TRACE_HOOK;
	ev->nesting_private = NULL;
	return tev_registry_reinit(ev);
}

uint32_t tevent_context_set_wait_timeout(struct tevent_context *ev,
					 uint32_t secs)
{
	uint32_t previous = ev->wait_timeout;

	ev->wait_timeout = secs < INT32_MAX ? secs : INT32_MAX;
	return previous;
}

bool tevent_signal_support(struct tevent_context *ev)
{
	return ev->ops == NULL || ev->ops->add_signal != NULL;
}
