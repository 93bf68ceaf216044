/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Next: see next.h. */
#include "tools/owner/next.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *owner_next_find(_Atomic(void *) *cache, const char *soname,
		      const char *name)
{
	/* Relaxed: whoever looks finds the same. */
	void *found = atomic_load_explicit(cache, memory_order_relaxed);

	if (found != NULL) {
		return found;
	}
	found = dlsym(RTLD_NEXT, name);
	if (found == NULL) {
		void *library = dlopen(soname, RTLD_LAZY | RTLD_NOLOAD);

		if (library != NULL) {
			found = dlsym(library, name);
		}
	}
	if (found == NULL) {
		(void)fprintf(stderr, "weft-owner: no %s() in %s\n", name,
			      soname);
		abort();
	}
	atomic_store_explicit(cache, found, memory_order_relaxed);
	return found;
}
