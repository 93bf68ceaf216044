/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Registry: tables of operations by name, the default, and what happens when
 * a backend of ours fails.
 *
 *   name       backend    when it fails
 *   standard   epoll      the context goes on with poll, for good (B610)
 *   epoll      epoll      abort(3) (B611)
 *   poll_mt    poll_mt    does not fail
 *   poll       poll       does not fail
 *   epoll_batch           the context goes on with poll; not listed, since
 *                         stock does not have it
 *
 * A context of one of these has no table (ev->ops is NULL): it is called
 * directly. Their tables exist for programs, who copy them, replace entries and
 * register the copy. The context of such a table is passive, that is, it waits
 * for nothing, until the table's context_init calls one of ours.
 *
 * "sim" is no way to wait, so it is not listed either: one has to name it. It
 * works as a table of a program's own would, see sim.c.
 *
 * Names (B602). What a program registers before the library is first used is
 * kept apart from what it registers later: it may take the name of a built-in
 * backend, and it is listed last.
 *
 *   tevent_backend_list():  late, newest first;  built-in;  early, newest first
 *
 * Threads: the lists only grow, at their heads, so that readers need no lock
 * and a writer one compare-and-swap. The default is process-wide and meant to
 * be set before the first context.
 * Ordering: [RG1].
 */
#include "engine/registry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/backend_sim.h"
#include "engine/base.h"
#include "engine/context.h"
#include "engine/fd_watch.h"
#include "engine/loop.h"
#include "engine/report.h"
#include "engine/sim.h"

/* One that a program registered; never freed. */
struct registry_entry {
	struct registry_entry *next;  /* I: */
	const char *name;             /* I: the program's */
	const struct tevent_ops *ops; /* I: the program's */
};

typedef _Atomic(struct registry_entry *) registry_list;

static registry_list registry_late;  /* A: [RG1] */
static registry_list registry_early; /* A: [RG1] */
static atomic_bool registry_used;    /* A: relaxed, see registry_use() */
static char *registry_default;       /* L(the program): see the API */

/* The context's backend cannot go on: the fallback takes over every event, or
 * the process ends (B610, B611). */
static void backend_failed(struct tevent_context *ev, const char *what,
			   int error)
{
	const struct tev_backend *fallback = ev->fallback;

	tev_debug(ev,
		  fallback != NULL ? TEVENT_DEBUG_ERROR : TEVENT_DEBUG_FATAL,
		  "backend %s: %s failed: %s\n", ev->backend->name, what,
		  strerror(error));
	if (fallback == NULL) {
		abort();
	}
	ev->backend->close(ev);
	ev->backend = fallback;
	ev->fallback = NULL;
	if (fallback->open(ev) != 0) {
		abort();
	}
	tev_fd_rearm_all(ev);
}

/* Opens the context's backend, or the fallback where that cannot be. */
static int backend_open(struct tevent_context *ev)
{
	int error = 0;

	ev->closed = false;
	error = ev->backend->open(ev);
	if (error != 0 && error != ENOMEM && ev->fallback != NULL) {
		ev->backend->close(ev);
		ev->backend = ev->fallback;
		ev->fallback = NULL;
		error = ev->backend->open(ev);
	}
	ev->closed = error != 0;
	ev->trace.watch &= ~(unsigned)TEV_TRACE_BACKEND;
	if (ev->backend->changed != NULL) {
		ev->trace.watch |= TEV_TRACE_BACKEND;
	}
	return error;
}

/* Gives the context a backend of ours, in place of the passive one that it may
 * have. Return: 0, or -1 with errno. */
static int backend_choose(struct tevent_context *ev,
			  const struct tev_backend *backend,
			  const struct tev_backend *fallback)
{
	int error = 0;

	if (ev->backend != NULL && !ev->closed) {
		ev->backend->close(ev);
	}
	ev->backend = backend;
	ev->fallback = fallback;
	ev->backend_failed = backend_failed;
	error = backend_open(ev);
	if (error != 0) {
		errno = error;
		return -1;
	}
	tev_fd_rearm_all(ev);
	return 0;
}

static int standard_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_epoll, &tev_backend_poll);
}

static int epoll_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_epoll, NULL);
}

static int epoll_batch_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_epoll_batch, &tev_backend_poll);
}

static int poll_mt_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_poll_mt, NULL);
}

static int poll_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_poll, NULL);
}

static int sim_init(struct tevent_context *ev)
{
	return backend_choose(ev, &tev_backend_sim, NULL);
}

/* All tables of ours differ in how a context begins, and how a pass does. */
#define REGISTRY_OPS(init, pass)                                           \
	{                                                                  \
		.context_init = init, .add_fd = tevent_common_add_fd,      \
		.set_fd_close_fn = tevent_common_fd_set_close_fn,          \
		.get_fd_flags = tevent_common_fd_get_flags,                \
		.set_fd_flags = tevent_common_fd_set_flags,                \
		.add_timer = tevent_common_add_timer_v2,                   \
		.schedule_immediate = tevent_common_schedule_immediate,    \
		.add_signal = tevent_common_add_signal, .loop_once = pass, \
		.loop_wait = tevent_common_loop_wait,                      \
	}

struct registry_builtin {
	const char *name;
	struct tevent_ops ops;
	bool unlisted;
};

/* In the order of tevent_backend_list() (B602). */
static const struct registry_builtin registry_builtin[] = {
	{ "standard", REGISTRY_OPS(standard_init, tev_loop_pass), false },
	{ "epoll", REGISTRY_OPS(epoll_init, tev_loop_pass), false },
	{ "poll_mt", REGISTRY_OPS(poll_mt_init, tev_loop_pass), false },
	{ "poll", REGISTRY_OPS(poll_init, tev_loop_pass), false },
	{ "epoll_batch", REGISTRY_OPS(epoll_batch_init, tev_loop_pass), true },
};

static const struct tevent_ops registry_sim = REGISTRY_OPS(sim_init,
							   tev_sim_pass);

/* The library is used: what is registered from now on comes late.
 * Relaxed: a registration that runs at the same moment may be either. */
static void registry_use(void)
{
	atomic_store_explicit(&registry_used, true, memory_order_relaxed);
}

static struct registry_entry *list_first(registry_list *list)
{
	/* [RG1] acquire: the entries were filled before they were linked. */
	return atomic_load_explicit(list, memory_order_acquire);
}

static const struct tevent_ops *list_find(registry_list *list, const char *name)
{
	const struct registry_entry *entry = NULL;

	for (entry = list_first(list); entry != NULL; entry = entry->next) {
		if (strcmp(entry->name, name) == 0) {
			return entry->ops;
		}
	}
	return NULL;
}

static const struct tevent_ops *builtin_find(const char *name)
{
	for (size_t i = 0; i < TEV_ARRAY_SIZE(registry_builtin); i++) {
		if (strcmp(registry_builtin[i].name, name) == 0) {
			return &registry_builtin[i].ops;
		}
	}
	return NULL;
}

static const struct tevent_ops *find(const char *name)
{
	const struct tevent_ops *ops = list_find(&registry_early, name);

	if (ops == NULL) {
		ops = builtin_find(name);
	}
	if (ops == NULL) {
		ops = list_find(&registry_late, name);
	}
	if (ops == NULL && strcmp(name, tev_backend_sim.name) == 0) {
		ops = &registry_sim;
	}
	return ops;
}

static bool is_builtin(const struct tevent_ops *ops)
{
	for (size_t i = 0; i < TEV_ARRAY_SIZE(registry_builtin); i++) {
		if (ops == &registry_builtin[i].ops) {
			return true;
		}
	}
	return false;
}

/* Sets a new context up, by @ops.
 *
 * Thread: owner.  Lock: none; runs user code when @ops is not ours.
 * Return: 0, or what context_init returned.
 */
int tev_registry_init(struct tevent_context *ev, const struct tevent_ops *ops)
{
	registry_use();
	ev->backend_failed = backend_failed;
	if (is_builtin(ops)) {
		return ops->context_init(ev);
	}
	ev->ops = ops;
	ev->backend = &tev_backend_passive;
	(void)backend_open(ev);
	return ops->context_init(ev);
}

/* Sets a context up again that was closed (B701).
 *
 * Thread: owner.  Lock: none; runs user code when its table is not ours.
 * Return: 0 or non-zero; the context is closed then.
 */
int tev_registry_reinit(struct tevent_context *ev)
{
	int ret = 0;

	if (ev->ops != NULL) {
		return tev_registry_init(ev, ev->ops);
	}
	ret = backend_open(ev);
	if (ret != 0) {
		errno = ret;
		return -1;
	}
	return 0;
}

const struct tevent_ops *tevent_find_ops_byname(const char *name)
{
	registry_use();
	if (name == NULL) {
		name = registry_default;
	}
	return find(name != NULL ? name : registry_builtin[0].name);
}

static bool is_taken(const char *name, bool late)
{
	return list_find(&registry_early, name) != NULL ||
	       list_find(&registry_late, name) != NULL ||
	       (late && builtin_find(name) != NULL);
}

bool tevent_register_backend(const char *name, const struct tevent_ops *ops)
{
	/* Relaxed: see registry_use(). */
	bool late = atomic_load_explicit(&registry_used, memory_order_relaxed);
	registry_list *list = late ? &registry_late : &registry_early;
	struct registry_entry *entry = malloc(sizeof(*entry));
	struct registry_entry *first = list_first(list);

	if (entry == NULL) {
		return false;
	}
	entry->name = name;
	entry->ops = ops;
	do {
		/* Looked for again when another thread was faster: that may
		 * have been with the same name. */
		if (is_taken(name, late)) {
			free(entry);
			return true;
		}
		entry->next = first;
		/* [RG1] release: the entry is filled. */
	} while (!atomic_compare_exchange_weak_explicit(list, &first, entry,
							memory_order_release,
							memory_order_relaxed));
	return true;
}

/* Adds @name to the vector @list. Return: false when out of memory; it is
 * freed then. */
static bool names_add(const char ***list, TALLOC_CTX *mem_ctx, const char *name)
{
	size_t count = *list != NULL ? talloc_array_length(*list) - 1 : 0;
	const char **longer = talloc_realloc(mem_ctx, *list, const char *,
					     count + 2);

	if (longer == NULL) {
		TALLOC_FREE(*list);
		return false;
	}
	*list = longer;
	longer[count + 1] = NULL;
	longer[count] = talloc_strdup(longer, name);
	if (longer[count] == NULL) {
		TALLOC_FREE(*list);
		return false;
	}
	return true;
}

const char **tevent_backend_list(TALLOC_CTX *mem_ctx)
{
	const char **list = NULL;
	const struct registry_entry *entry = NULL;

	registry_use();
	entry = list_first(&registry_late);
	for (; entry != NULL; entry = entry->next) {
		if (!names_add(&list, mem_ctx, entry->name)) {
			return NULL;
		}
	}
	for (size_t i = 0; i < TEV_ARRAY_SIZE(registry_builtin); i++) {
		const char *name = registry_builtin[i].name;

		if (!registry_builtin[i].unlisted &&
		    list_find(&registry_early, name) == NULL &&
		    !names_add(&list, mem_ctx, name)) {
			return NULL;
		}
	}
	entry = list_first(&registry_early);
	for (; entry != NULL; entry = entry->next) {
		if (!names_add(&list, mem_ctx, entry->name)) {
			return NULL;
		}
	}
	return list;
}

void tevent_set_default_backend(const char *backend)
{
	free(registry_default);
	registry_default = backend != NULL ? strdup(backend) : NULL;
}
