/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fixture: what stands around a test function.
 *
 *      static void test_pipe(struct fixture *fx)
 *      {
 *              ... fx->ev, fx->backend, memory below fx->mem ...
 *      }
 *
 *      int main(void)
 *      {
 *              fixture_each_backend("B301 pipe", test_pipe);
 *              fixture_run("B601 names", test_names);
 *              return done();
 *      }
 *
 * Around each function: a context (except FIXTURE_NO_CONTEXT) on fx->mem, a
 * watchdog, and afterwards two more results: no talloc memory and no
 * descriptor is left. The function may free fx->ev itself, but sets it to NULL
 * then. What it leaves below fx->ev or fx->mem is freed for it, the context
 * first; memory that hangs nowhere is a leak.
 *
 * Uses nothing of the engine but the public tevent.h, so a test program can
 * also be built against another libtevent: TEST_ON_STOCK is 1 there, 0 on ours
 * (it is always defined: use #if or a plain if, not #ifdef).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <talloc.h>

#include <tevent.h>

#include "tests/tap.h"

#ifndef TEST_ON_STOCK
#define TEST_ON_STOCK 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif

struct fixture {
	TALLOC_CTX *mem;
	struct tevent_context *ev;
	const char *backend; /* its name; "default" in fixture_run() */
};

typedef void (*fixture_fn)(struct fixture *fx);

enum fixture_flags {
	/* Threads use talloc, or libweft is in play: talloc's null tracking
	 * stays off, so only what hangs below fx->mem is looked at. The threads
	 * of a test have ended before the next one begins. */
	FIXTURE_THREADS = 1,
	FIXTURE_NO_CONTEXT = 2,
	/* The test leaves a descriptor or memory behind on purpose, which it
	 * says in a comment. */
	FIXTURE_KEEPS_FDS = 4,
	FIXTURE_KEEPS_MEMORY = 8,
};

/* Runs @fn once, over the default context. */
void fixture_run(const char *name, fixture_fn fn);
void fixture_run_flags(const char *name, fixture_fn fn, unsigned flags);

/* Runs @fn over "standard", "epoll", "poll", "poll_mt" and, on ours,
 * "epoll_batch"; or over @backend only. On poll_mt what is added, changed,
 * freed or scheduled wakes the loop (B612): a pass may run nothing but that. */
void fixture_each_backend(const char *name, fixture_fn fn);
void fixture_each_backend_flags(const char *name, fixture_fn fn,
				unsigned flags);
void fixture_run_backend(const char *backend, const char *name, fixture_fn fn,
			 unsigned flags);
/* Whether the backend is "poll" or "poll_mt". */
bool fixture_polls(const struct fixture *fx);

/* Restarts the watchdog, for a main() without test functions or for a longer
 * one: after @seconds (times TEST_SCALE, an environment variable, default 1;
 * times 4 under sanitizers) the program ends as failed and says where it stood.
 */
void fixture_watchdog(const char *name, unsigned seconds);

/* Turns the loop until *@flag, set by a handler of this thread; false when the
 * loop fails first. */
bool fixture_turn_until(struct tevent_context *ev, const bool *flag);

/* Makes the descriptors of a pipe or a stream socket pair, close-on-exec and
 * non-blocking; bails out when it cannot. */
void fixture_pipe(int fds[2]);
void fixture_socketpair(int fds[2]);

/* Whether a thread returns from a signal handler to the mask that the handler
 * has asked for: not under valgrind. (ThreadSanitizer does it at times.) */
bool fixture_mask_obeyed(void);

/* A counter to wait for: the way for a test to wait until another thread has
 * come to a point. Needs no initialisation but zeroes. */
struct fixture_gate {
	int value; /* A: futex */
};

void fixture_gate_add(struct fixture_gate *gate, int amount);
int fixture_gate_value(struct fixture_gate *gate);
/* Waits until the value is at least @value. The watchdog limits it. */
void fixture_gate_wait(struct fixture_gate *gate, int value);
/* The same for at most @ms; true if it was reached. For tests which expect it
 * not to be reached there is no sure time: prefer another proof. */
bool fixture_gate_timedwait(struct fixture_gate *gate, int value, unsigned ms);

/* For what nobody signals, such as the kernel's view: looks again each
 * millisecond until @holds. The watchdog limits it. */
void fixture_wait_until(bool (*holds)(void *arg), void *arg);

/* Threads and open descriptors of this process, as the kernel counts them. */
unsigned fixture_thread_count(void);
unsigned fixture_fd_count(void);
/* Waits until the process has at most @count threads. */
void fixture_wait_threads(unsigned count);

/* @count threads that all start @fn at the same moment, with 0..count-1. */
struct fixture_threads;
typedef void (*fixture_thread_fn)(unsigned index, void *arg);
struct fixture_threads *fixture_threads_start(unsigned count,
					      fixture_thread_fn fn, void *arg);
void fixture_threads_join(struct fixture_threads *threads);

/* Runs @fn in a forked child and waits for it. The child's exit code is what
 * @fn returns; its standard output and error are captured in text (cut at
 * the buffer's end), so its TAP lines do not mix with ours: a child tells by
 * its exit code. */
struct fixture_child {
	int status; /* as waitpid() says */
	char text[8192];
};

typedef int (*fixture_child_fn)(void *arg);
struct fixture_child fixture_child(fixture_child_fn fn, void *arg);

/* Results about a child; they show its text when they do not hold. */
bool child_exited(const struct fixture_child *child, int code,
		  const char *name);
bool child_killed(const struct fixture_child *child, int signum,
		  const char *name);

/* Runs @fn in a child whose tevent abort function ends it.
 * Return: true if the abort function was called; child->text is the reason. */
bool fixture_aborts(fixture_child_fn fn, void *arg,
		    struct fixture_child *child);
