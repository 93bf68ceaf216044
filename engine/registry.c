/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Registry: backends by name, the default, and what happens when one fails.
 *
 *   name       backend    when it fails
 *   standard   epoll      the context goes on with poll, for good (B610)
 *   epoll      epoll      abort(3) (B611)
 *   poll_mt    poll_mt    does not fail
 *   poll       poll       does not fail
 *
 * Threads: the names are constant. The default is process-wide and meant to
 * be set before the first context.
 */
#include "engine/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend.h"
#include "engine/base.h"
#include "engine/context.h"
#include "engine/fd.h"
#include "engine/report.h"

struct registry_entry {
	const char *name;
	const struct tev_backend *backend;
	const struct tev_backend *fallback;
};

/* In the order of tevent_backend_list() (B602). */
static const struct registry_entry registry[] = {
	{ "standard", &tev_backend_epoll, &tev_backend_poll },
	{ "epoll", &tev_backend_epoll, NULL },
	{ "poll_mt", &tev_backend_poll_mt, NULL },
	{ "poll", &tev_backend_poll, NULL },
};

static char *registry_default; /* L(the program): see the API */

static const struct registry_entry *registry_find(const char *name)
{
	size_t i = 0;

	if (name == NULL) {
		name = registry_default != NULL ? registry_default
						: registry[0].name;
	}
	for (i = 0; i < TEV_ARRAY_SIZE(registry); i++) {
		if (strcmp(registry[i].name, name) == 0) {
			return &registry[i];
		}
	}
	return NULL;
}

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

/* Opens the context's backend, or the fallback where that cannot be.
 *
 * Thread: owner.  Lock: none.
 * Return: 0 or an errno value; the context is closed then.
 */
int tev_registry_open(struct tevent_context *ev)
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
	return error;
}

/* Chooses the backend @name for a new context, NULL for the default.
 *
 * Thread: owner.  Lock: none.
 * Return: false when the name is unknown.
 */
bool tev_registry_choose(struct tevent_context *ev, const char *name)
{
	const struct registry_entry *entry = registry_find(name);

	if (entry == NULL) {
		return false;
	}
	ev->backend = entry->backend;
	ev->fallback = entry->fallback;
	ev->backend_failed = backend_failed;
	return true;
}

const char **tevent_backend_list(TALLOC_CTX *mem_ctx)
{
	size_t count = TEV_ARRAY_SIZE(registry);
	const char **list = talloc_zero_array(mem_ctx, const char *, count + 1);
	size_t i = 0;

	for (i = 0; list != NULL && i < count; i++) {
		list[i] = talloc_strdup(list, registry[i].name);
		if (list[i] == NULL) {
			TALLOC_FREE(list);
		}
	}
	return list;
}

void tevent_set_default_backend(const char *backend)
{
	free(registry_default);
	registry_default = backend != NULL ? strdup(backend) : NULL;
}
