/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shim: makes the Nth call of a kind fail, in a process it is preloaded into.
 *
 * A program that wants to steer it names these functions; they are weak, and
 * NULL where the shim is not loaded. Any other program is steered from outside:
 * see tests/shim/plan.c.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

enum shim_call {
	SHIM_MALLOC, /* malloc, calloc, realloc and the aligned ones */
	SHIM_EVENTFD,
	SHIM_EPOLL_CREATE,
	SHIM_PTHREAD_CREATE,
	SHIM_EPOLL_CTL,
	SHIM_EPOLL_WAIT,
	SHIM_POLL, /* poll, ppoll */
	SHIM_TIMERFD,
	SHIM_SOCKET, /* socket, socketpair */
	SHIM_PIPE,   /* pipe, pipe2 */
	SHIM_ACCEPT, /* accept, accept4 */
	SHIM_OPEN,   /* open, openat */
	SHIM_READ,   /* read, pread */
	SHIM_WRITE,  /* write, pwrite */
	SHIM_FUTEX,  /* syscall(SYS_futex): a sleep that ends for nothing */
	SHIM_CALLS,
};

/* From now on the @nth call (1: the next) of this kind fails, once; or each. */
#define SHIM_EVERY LONG_MIN
__attribute__((__weak__)) void shim_arm(enum shim_call call, long nth);

/* Lets all pass again.
 * Return: true if a call has failed since shim_arm(). */
__attribute__((__weak__)) bool shim_disarm(enum shim_call call);

/* @name hands a failure on to its caller at @address: the report says so once,
 * if that is the program (or NULL), and if a call has been made to fail. */
__attribute__((__weak__)) void shim_told(const char *name, const void *address);
