/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside: what the parts of the shim share. See tests/shim/plan.c. */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tests/shim.h"

#define SHIM_HIDDEN __attribute__((__visibility__("hidden")))

/* Initial-exec: a sanitizer's __tls_get_addr() is not ready that early.
 * Volatile: dlsym() is declared as one that never calls back. */
#define SHIM_THREAD \
	__thread volatile __attribute__((__tls_model__("initial-exec")))

/* Whether calls of this thread count: not while it begins, nor while the shim
 * itself is at work. */
extern SHIM_HIDDEN SHIM_THREAD bool shim_inside;

/* What a call shall come to: 0 lets it pass, SHIM_SHORT lets part of it pass,
 * all else is an errno. Counts it, and takes the time that it is to take.
 * Leaves errno alone. */
#define SHIM_SHORT (-1)
SHIM_HIDDEN int shim_fate(enum shim_call call);

/* dlsym(RTLD_NEXT), during which memory comes from the arena. */
SHIM_HIDDEN void *shim_look_up(const char *name);

/* ISO C has no cast from an object pointer to a function pointer. */
#define SHIM_NEXT(next, found)                                      \
	do {                                                        \
		if ((next) == NULL) {                               \
			void *shim_found = (found);                 \
			memcpy(&(next), &shim_found, sizeof(next)); \
		}                                                   \
	} while (0)

/* A place in the code of which it is known whether its calls count. */
struct shim_place {
	const char *object; /* "program" or the library's file name; NULL */
	unsigned long offset;
	bool program;
	bool counts;
	unsigned long path; /* a number for the way there from the program */
};

/* @from: SHIM_FROM or NULL. */
SHIM_HIDDEN void shim_places_init(const char *from);
/* Who makes the call that the shim is in. */
SHIM_HIDDEN struct shim_place shim_caller(bool with_path);
/* How often this has been asked of a path, this time included; 0: there are too
 * many. */
SHIM_HIDDEN unsigned shim_path_seen(unsigned long path);
/* What lies at an address. */
SHIM_HIDDEN struct shim_place shim_place_of(unsigned long address);
/* Describes a fault and where it was; ends nothing. */
SHIM_HIDDEN void shim_watch_faults(void);

/* Writes a line to SHIM_FD, for signal handlers too. */
SHIM_HIDDEN void shim_say(const char *text, const char *more,
			  const struct shim_place *place);
