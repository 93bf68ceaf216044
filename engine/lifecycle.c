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
 * Threads: owner; contexts may be created by any thread at any time.
 */
#include <errno.h>
#include <string.h>

#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fd.h"
#include "engine/fork.h"
#include "engine/immediate.h"
#include "engine/mailbox.h"
#include "engine/registry.h"
#include "engine/report.h"
#include "engine/signal.h"
#include "engine/timer.h"

#define LIFECYCLE_WAIT_SECS 30

/* Detaches every event and gives back every descriptor. */
static void context_clear(struct tevent_context *ev)
{
	/* The backend first: what follows need not be told to it, which in a
	 * forked child would be the parent's. */
	ev->closed = true;
	if (ev->backend != NULL) {
		ev->backend->close(ev);
	}
	tev_signal_context_fini(ev);
	tev_immediate_refuse(tev_mailbox_close(ev));
	tev_fd_context_fini(ev);
	tev_timer_context_fini(ev);
	tev_immediate_context_fini(ev);
}

static int context_destructor(struct tevent_context *ev)
{
	if (!ev->dead) {
		ev->dead = true;
		context_clear(ev);
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

static void context_init(struct tevent_context *ev)
{
	tev_list_init(&ev->immediates);
	tev_heap_init(&ev->timers);
	tev_fdmux_init(&ev->mux);
	tev_signal_context_init(ev);
	ev->wait_timeout = LIFECYCLE_WAIT_SECS;
	ev->debug_max = TEVENT_DEBUG_FATAL;
	ev->after_fork = context_after_fork;
	ev->fork_generation = tev_fork_now();
}

struct tevent_context *tevent_context_init_byname(TALLOC_CTX *mem_ctx,
						  const char *name)
{
	struct tevent_context *ev = NULL;

	tev_fork_watch();
	ev = talloc_zero(mem_ctx, struct tevent_context);
	if (ev == NULL) {
		return NULL;
	}
	context_init(ev);
	talloc_set_destructor(ev, context_destructor);
	if (!tev_registry_choose(ev, name) || tev_registry_open(ev) != 0) {
		TALLOC_FREE(ev);
		return NULL;
	}
	return ev;
}

struct tevent_context *tevent_context_init(TALLOC_CTX *mem_ctx)
{
	return tevent_context_init_byname(mem_ctx, NULL);
}

int tevent_re_initialise(struct tevent_context *ev)
{
	int error = 0;

	context_clear(ev);
	ev->fork_generation = tev_fork_now();
	ev->level = 0;
	ev->nesting_hook = NULL;
	ev->nesting_private = NULL;
	error = tev_registry_open(ev);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return 0;
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
	(void)ev;
	return true;
}
