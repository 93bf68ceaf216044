/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Context: a loop as Python sees it. The essay is in context.c. */
#pragma once

#include "tools/python/module.h"

#include <stdbool.h>
#include <unistd.h>

#include <tevent.h>

struct watch;

/* All of it under the GIL. */
struct context {
	PyObject ob_base;
	struct tevent_context *ev; /* NULL: the garbage collector was here */
	PyObject *timers;          /* a set: those that are still to fire */
	struct watch *dead;        /* to be freed by the thread of the loop */
	bool running;              /* inside loop_once() or loop_wait() ... */
	unsigned long thread;      /* ... of this thread ... */
	pid_t pid;                 /* ... of this process */
};

extern PyType_Spec context_spec;

/* Whether another thread is inside of the loop, without the GIL: @context's
 * memory below ev is that thread's then. Thread: any.  Lock: the GIL.
 * Owns:   nothing.
 * Return: whether. */
static inline bool context_is_elsewhere(const struct context *context)
{
	return context->running &&
	       context->thread != PyThread_get_thread_ident();
}

/* Whether this thread may use @context now.
 * Thread: any.  Lock: the GIL.
 * Owns:   nothing.
 * Return: true, or false with a Python exception. */
bool context_check(const struct context *context);
