/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Event: what Timer, Signal and Fd are. The essay is in event.c. */
#pragma once

#include "tools/python/context.h"

#include <stdint.h>
#include <sys/time.h>

extern PyType_Spec fd_spec;
extern PyType_Spec signal_spec;
extern PyType_Spec timer_spec;

/* Each adds an event to @context, which the caller has checked.
 * Thread: that of the loop.  Lock: the GIL.
 * Owns:   gives the object; it holds @handler.
 * Return: the object, or NULL with a Python exception. */
PyObject *event_add_fd(struct context *context, int fd, uint16_t flags,
		       PyObject *handler);
PyObject *event_add_signal(struct context *context, int signum, int sa_flags,
			   PyObject *handler);
PyObject *event_add_timer(struct context *context, struct timeval when,
			  PyObject *handler);

/* Frees the events whose objects other threads have dropped while this one was
 * in the loop. Thread: that of the loop.  Lock: the GIL.
 * Owns:   takes what is in @context->dead.
 * Return: nothing. */
void event_bury(struct context *context);

/* Cancels the timers of @context that are still to fire. Runs Python code, if
 * only a finalizer. Thread: that of the loop.  Lock: the GIL.
 * Owns:   takes the references in @context->timers.
 * Return: nothing. */
void event_cancel_timers(struct context *context);
