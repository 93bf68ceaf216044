/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Next: the function that a program would have called without the checker.
 *
 * It is looked up behind us in the order of libraries; where the program has
 * loaded talloc or tevent later and for itself alone, as an interpreter does
 * for its modules, in the library of that name. So the checker is linked with
 * neither of them and brings neither into a program.
 *
 * Threads: any.
 */
#pragma once

#include <stdatomic.h>

/* Ends the process when there is none: somebody is calling it right now.
 *
 * Thread: any.  Lock: none.
 * Return: the definition of @name, remembered in @cache. */
void *owner_next_find(_Atomic(void *) *cache, const char *soname,
		      const char *name);

/* What stands in front of a function of the same name; all else is hidden. */
#define OWNER_EXPORT __attribute__((__visibility__("default")))

#define OWNER_TALLOC "libtalloc.so.2"
#define OWNER_TEVENT "libtevent.so.0"

/* A pointer to the @fn behind us, of its own type. */
#define OWNER_NEXT(soname, fn)                                              \
	({                                                                  \
		static _Atomic(void *) cache_;                              \
		(__typeof__(&(fn)))owner_next_find(&cache_, (soname), #fn); \
	})
#define OWNER_NEXT_TALLOC(fn) OWNER_NEXT(OWNER_TALLOC, fn)
