/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Context: a tevent context for a thread of ours.
 *
 * What tevent does not say, or not everywhere: why there is none, and that its
 * passes are to wait until there is something to do. 0.14.1 cannot be asked
 * for that; its loops look round twice a minute.
 *
 * Threads: any.  Ordering: none.
 */
#include "threadpool/context.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

static void context_wait_for_ever(struct tevent_context *ev)
{
	uint32_t (*set_timeout)(struct tevent_context *, uint32_t) = NULL;
	void *found = dlsym(RTLD_DEFAULT, "tevent_context_set_wait_timeout");

	if (found != NULL) {
		memcpy(&set_timeout, &found, sizeof(found));
		(void)set_timeout(ev, INT32_MAX);
	}
}

/* Return: EINVAL, or, where there is such a backend or that cannot be told,
 * ENOMEM. */
static int context_error(const char *backend)
{
	const char **names = tevent_backend_list(NULL);
	bool known = names == NULL || backend == NULL;
	size_t i = 0;

	for (i = 0; !known && names[i] != NULL; i++) {
		known = strcmp(names[i], backend) == 0;
	}
	talloc_free(names);
	return known ? ENOMEM : EINVAL;
}

int wf_context_create(const char *backend, struct tevent_context **ret_ev)
{
	struct tevent_context *ev = NULL;
	int error = 0;

	errno = 0;
	ev = tevent_context_init_byname(NULL, backend);
	error = errno;
	if (ev == NULL) {
		return error == EMFILE || error == ENFILE
			       ? error
			       : context_error(backend);
	}
	context_wait_for_ever(ev);
	*ret_ev = ev;
	return 0;
}
