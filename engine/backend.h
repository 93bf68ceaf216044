/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Backend: what a way of waiting for descriptors offers to the loop.
 *
 * The loop keeps interest per descriptor in slots (fdmux.h). A backend mirrors
 * slots into the kernel, waits, and names one ready slot a wait; who handles
 * it, and in which order among several fd events, is not its business. Nothing
 * here runs user code. One that learns of several at once keeps the others for
 * the next waits, and says so in ev->fds_kept.
 *
 * Failure: a backend that finds itself unable to go on calls
 * ev->backend_failed, which either replaces it (then everything is told to the
 * replacement at once) or does not return.
 *
 * Threads: the owner's only. Backends do not know each other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tevent_context;
struct tev_slot;

/* What the kernel says about a descriptor. */
enum tev_ready {
	TEV_READY_IN = 1,      /* input, or peer half-closed */
	TEV_READY_OUT = 2,     /* output */
	TEV_READY_HALF = 4,    /* the peer will send nothing more */
	TEV_READY_ERROR = 8,   /* error or hangup */
	TEV_READY_INVALID = 16 /* not an open descriptor */
};

enum tev_wait {
	TEV_WAIT_TIMEOUT,     /* the time is over */
	TEV_WAIT_READY,       /* *ret_slot is ready for *ret_ready */
	TEV_WAIT_INTERRUPTED, /* a signal came */
	TEV_WAIT_NOTHING,     /* woken, but for nothing that is still there */
	TEV_WAIT_REPLACED,    /* it failed, and another backend is there now */
	TEV_WAIT_NEVER,       /* simulated, and nothing will ever happen */
};

struct tev_backend {
	const char *name;

	/* Takes up the context's waiting. Return: 0 or an errno value. */
	int (*open)(struct tevent_context *ev);

	/* Gives everything back; legal also when open failed half-way. */
	void (*close)(struct tevent_context *ev);

	/* Makes the kernel watch @slot for slot->wanted instead of
	 * slot->armed, and brings slot->armed up to date. With @fresh, a new
	 * fd event was just added to a slot that was armed for older ones.
	 * Return: 0, EBADF when the descriptor is not open: the caller then
	 * disables its events; or ESTALE: the number now means another open
	 * file, which is watched from now on. If a @fresh event brought that
	 * to light, the caller disables the others, which meant the old one. */
	int (*apply)(struct tevent_context *ev, struct tev_slot *slot,
		     bool fresh);

	/* Waits up to @timeout_ms (-1: no limit) for one ready slot. The
	 * trace points of the wait stand directly around the system call:
	 * between them other threads may change the context (B612). */
	enum tev_wait (*wait)(struct tevent_context *ev, int timeout_ms,
			      struct tev_slot **ret_slot, uint32_t *ret_ready);

	/* Told when the process has forked, in the child, before anything
	 * else is asked of it: share nothing with the parent. */
	void (*after_fork)(struct tevent_context *ev);

	/* Told of each change of interest and each scheduled immediate at
	 * once; NULL when it need not be. poll_mt wakes the loop, which
	 * another thread may be in (B612). */
	void (*changed)(struct tevent_context *ev);

	/* Serves several events on one descriptor as if each had been given
	 * to the kernel by itself, the newest first (B311, B320). */
	bool by_event;

	/* A slot registered as edge-triggered reports each write once and
	 * need not be read. */
	bool edge;

	/* Never waits: the author of the context's table does, by means of
	 * which we know nothing. */
	bool passive;
};

extern const struct tev_backend tev_backend_passive;
extern const struct tev_backend tev_backend_epoll;
extern const struct tev_backend tev_backend_epoll_batch;
extern const struct tev_backend tev_backend_poll;
extern const struct tev_backend tev_backend_poll_mt;
