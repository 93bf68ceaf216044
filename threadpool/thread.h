/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thread: how threads of ours are started and dressed; thread.c. */
#pragma once

#include <signal.h>
#include <stddef.h>

#include "threadpool/cpus.h"

/* Bytes of a thread's name, as the system has it, with the zero. */
#define WF_THREAD_NAME_MAX 16

/* The signals that a thread of ours blocks: all but those of faults.
 * Thread: any.  Lock: none. */
void wf_thread_blocked(sigset_t *ret_blocked);

/* Starts a detached thread that blocks these signals.
 *
 * @stack_size  bytes; 0: the system's default
 * @cpus        those that it may run on; NULL: as the caller
 * Thread: any.  Lock: none.
 * Return: 0; EINVAL: too small a stack, no such processor; EAGAIN, ENOMEM. */
int wf_thread_start(size_t stack_size, const struct wf_cpus *cpus,
		    void *(*main_fn)(void *), void *arg);

/* "NAME-NUMBER", or just @name if @number is negative. @name gives way where
 * both are too long.
 * Thread: any.  Lock: none. */
void wf_thread_name(char ret_whole[WF_THREAD_NAME_MAX], const char *name,
		    int number);

/* Names the calling thread so.
 * Thread: the new one.  Lock: none. */
void wf_thread_set_name(const char *name, int number);

/* Gives the calling thread this nice value, if the system allows; 0: leaves it.
 * Thread: the new one.  Lock: none. */
void wf_thread_set_nice(int nice);
