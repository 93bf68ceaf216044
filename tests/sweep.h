/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sweep: a scenario is played again and again, each time with the next call of
 * a kind failing, until one run needs no further call.
 *
 * A scenario counts what the library accepted and what it then ran, and what
 * it refused. Whatever failed, in each run
 *  - all that was accepted ran: nothing is lost silently,
 *  - all that is missing was refused: the failure was told,
 *  - no talloc memory, no descriptor and no thread is left.
 * A crash ends the program, which prove notices.
 *
 * The program runs itself again with the shim preloaded, which lies beside it.
 */
#pragma once

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fixture.h"
#include "tests/shim.h"
#include "tests/tap.h"

#define SWEEP_MAX 5000

/* Threads use talloc: its null tracking stays off, and memory is left to the
 * leak sanitizer. */
#define SWEEP_THREADS 1U

struct sweep {
	TALLOC_CTX *mem;
	struct tevent_context *ev; /* NULL: the scenario makes its own */
	unsigned accepted;
	unsigned ran;
	unsigned refused;
};

typedef void (*sweep_fn)(struct sweep *sweep);

static inline void sweep_options(const char *name, const char *more)
{
	const char *old = getenv(name);
	char options[1024];

	(void)snprintf(options, sizeof(options), "%s%s%s",
		       old != NULL ? old : "", old != NULL ? ":" : "", more);
	(void)setenv(name, options, 1);
}

/* First thing in main(): returns in the process that has the shim. */
static inline void sweep_begin(char **argv)
{
	char path[PATH_MAX] = "";
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 8);
	char *slash = NULL;

	if (shim_arm != NULL) {
		return;
	}
	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	(void)strcpy(slash != NULL ? slash + 1 : path, "shim.so");
	if (getenv("LD_PRELOAD") != NULL || access(path, R_OK) != 0) {
		skip_all("%s cannot be preloaded", path);
	}
	(void)setenv("LD_PRELOAD", path, 1);
	sweep_options("ASAN_OPTIONS", "verify_asan_link_order=0");
	(void)execv("/proc/self/exe", argv);
	bail_out("execv: %s", strerror(errno));
}

/* Counts what the library gave or refused to give. */
static inline void *sweep_got(struct sweep *sweep, void *ptr)
{
	if (ptr == NULL) {
		sweep->refused++;
	} else {
		sweep->accepted++;
	}
	return ptr;
}

/* The same for an object of which nothing will run. */
static inline void *sweep_made(struct sweep *sweep, void *ptr)
{
	if (ptr == NULL) {
		sweep->refused++;
	}
	return ptr;
}

/* Turns until all that was accepted has run. */
static inline void sweep_turn(struct sweep *sweep, struct tevent_context *ev)
{
	while (sweep->ran < sweep->accepted) {
		if (tevent_loop_once(ev) != 0) {
			sweep->refused++;
		}
	}
}

struct sweep_totals {
	unsigned points;
	unsigned lost;
	unsigned untold;
	unsigned leaks;
	unsigned fds;
	unsigned full; /* accepted by the run in which nothing failed */
};

/* One run. Return: whether a call was made to fail. */
static inline bool sweep_once(sweep_fn fn, const char *backend,
			      enum shim_call call, long nth,
			      struct sweep_totals *totals)
{
	struct sweep sweep = { .accepted = 0 };
	unsigned fds = fixture_fd_count();
	unsigned threads = fixture_thread_count();
	size_t blocks = talloc_total_blocks(NULL);
	bool failed = false;

	sweep.mem = talloc_named_const(NULL, 0, "sweep");
	if (backend != NULL) {
		sweep.ev = tevent_context_init_byname(sweep.mem, backend);
	}
	shim_arm(call, nth);
	fn(&sweep);
	failed = shim_disarm(call);
	TALLOC_FREE(sweep.ev);
	TALLOC_FREE(sweep.mem);
	fixture_wait_threads(threads);

	totals->lost += sweep.ran != sweep.accepted ? 1 : 0;
	totals->leaks += talloc_total_blocks(NULL) != blocks ? 1 : 0;
	totals->fds += fixture_fd_count() != fds ? 1 : 0;
	if (!failed) {
		totals->full = sweep.accepted;
		totals->untold += sweep.refused;
	} else {
		totals->points++;
		totals->untold += sweep.refused == 0 &&
						  sweep.accepted < totals->full
					  ? 1
					  : 0;
	}
	return failed;
}

/* Plays @fn over @backend, or NULL where it makes its own context. */
static inline void sweep_run(const char *name, sweep_fn fn, const char *backend,
			     enum shim_call call, unsigned flags)
{
	struct sweep_totals totals = { .points = 0 };
	char where[256];
	long nth = 1;

	(void)snprintf(where, sizeof(where), "%s%s%s", name,
		       backend != NULL ? ", " : "",
		       backend != NULL ? backend : "");
	fixture_watchdog(where, 60);
	if ((flags & SWEEP_THREADS) == 0) {
		talloc_enable_null_tracking();
	}
	/* How it goes when nothing fails; process-wide things are made now. */
	(void)sweep_once(fn, backend, call, 0, &totals);
	totals = (struct sweep_totals){ .full = totals.full };
	while (nth < SWEEP_MAX && sweep_once(fn, backend, call, nth, &totals)) {
		nth++;
	}
	talloc_disable_null_tracking();

	ok(totals.full > 0 && totals.points > 0 && nth < SWEEP_MAX,
	   "%s: %u points of failure", where, totals.points);
	is_uint(totals.lost, 0, "%s: what is accepted runs", where);
	is_uint(totals.untold, 0, "%s: what fails is told", where);
	if ((flags & SWEEP_THREADS) == 0) {
		is_uint(totals.leaks, 0, "%s: no memory is left", where);
	}
	is_uint(totals.fds, 0, "%s: no descriptor is left", where);
}
