/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Plan: which call of a program comes to what, under the preloaded shim.
 *
 * Steered by the program itself (tests/shim.h) or by the environment:
 *
 *      SHIM_FAIL=malloc:17 LD_PRELOAD=build/release/tests/shim.so PROGRAM
 *
 * fails the 17th allocation. The plan is a list, with commas, of
 *
 *      KIND:N          the Nth call
 *      KIND:N+         the Nth and all after it
 *      KIND:N%         each Nth
 *
 * and each of them may say what it comes to:
 *
 *      eventfd:1:ENFILE        another errno than the kind's own
 *      write:3:short           a part of it is done (at least one byte)
 *      futex:2:500             half a millisecond passes before it is done
 *
 * Kinds are those of call_names below; a kind is named once. Calls are counted
 * over all threads from the loading of the shim on; a forked child counts on
 * for itself. SHIM_FROM=LIBRARY:LIBRARY (file names such as libtevent.so.0, and
 * "program") lets only those calls count that these make, themselves or by
 * talloc or libc: a program need not be ready for everything that its library
 * has to be ready for.
 *
 * To the descriptor SHIM_FD (default: none) goes a line for each thing done,
 * "shim: KIND failed", with SHIM_FROM also where; for the first failure that
 * reached the program, if tests/shim/told.c is loaded too; for a fault. With
 * SHIM_COUNT=1 also for the 1st, 2nd, 4th, 8th, ... call on each path from the
 * program to a call, "shim: point malloc:17", and at the end for the number of
 * calls of each kind. So a sweep knows where to go, and when it is
 * through.
 *
 * Only what threads do from their start function on counts: the run-time
 * libraries of sanitizers allocate when a thread begins, and do not forgive.
 * Under AddressSanitizer the shim comes before its run-time library, which
 * has to be allowed: ASAN_OPTIONS=verify_asan_link_order=0.
 *
 * Threads: any; counters are atomic, and relaxed: they order nothing.
 * Not here: the calls (calls.c, memory.c), who makes them (place.c).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/shim/inside.h"

#define BAD_PLAN_CODE 125

static const struct {
	const char *name;
	int error;
} calls[SHIM_CALLS] = {
	[SHIM_MALLOC] = { "malloc", ENOMEM },
	[SHIM_EVENTFD] = { "eventfd", EMFILE },
	[SHIM_EPOLL_CREATE] = { "epoll_create1", EMFILE },
	[SHIM_PTHREAD_CREATE] = { "pthread_create", EAGAIN },
	[SHIM_EPOLL_CTL] = { "epoll_ctl", ENOMEM },
	[SHIM_EPOLL_WAIT] = { "epoll_wait", EINTR },
	[SHIM_POLL] = { "poll", EINTR },
	[SHIM_TIMERFD] = { "timerfd_create", EMFILE },
	[SHIM_SOCKET] = { "socket", EMFILE },
	[SHIM_PIPE] = { "pipe", EMFILE },
	[SHIM_ACCEPT] = { "accept", EMFILE },
	[SHIM_OPEN] = { "open", EMFILE },
	[SHIM_READ] = { "read", EINTR },
	[SHIM_WRITE] = { "write", EINTR },
	[SHIM_FUTEX] = { "futex", EINTR },
};

static const struct {
	const char *name;
	int error;
} errors[] = {
	{ "EACCES", EACCES }, { "EAGAIN", EAGAIN }, { "EINTR", EINTR },
	{ "EIO", EIO },       { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "EPIPE", EPIPE },
	{ "EPERM", EPERM },
};

enum again { AGAIN_NEVER, AGAIN_ALWAYS, AGAIN_EACH };

static struct {
	/* A: calls until the one that fails; 0 or less: none will */
	atomic_long left;
	atomic_long seen;   /* A: calls that counted */
	atomic_bool failed; /* A: */
	enum again again;   /* I: */
	long each;          /* I: for AGAIN_EACH */
	long delay_us;      /* I: 0: it fails */
	int error;          /* I: or SHIM_SHORT */
} plan[SHIM_CALLS];

static struct {
	int fd;
	pid_t pid;
	bool count;
} report = { .fd = -1 }; /* I: */

static atomic_bool struck; /* A: a call has failed */
static atomic_bool told;   /* A: and the program knows */

SHIM_THREAD bool shim_inside;

/* snprintf() is none for signal handlers, nor in the middle of malloc(). */
static char *append(char *at, const char *end, const char *text)
{
	while (at < end && *text != '\0') {
		*at++ = *text++;
	}
	return at;
}

static char *append_number(char *at, const char *end, unsigned long value,
			   unsigned base)
{
	char digits[3 * sizeof(value) + 1] = "";
	size_t first = sizeof(digits) - 1;

	do {
		digits[--first] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	return append(at, end, digits + first);
}

void shim_say(const char *text, const char *more,
	      const struct shim_place *place)
{
	char line[512];
	const char *end = line + sizeof(line) - 1;
	char *at = line;

	if (report.fd < 0) {
		return;
	}
	at = append(append(append(at, end, "shim: "), end, text), end, more);
	if (place != NULL && place->object != NULL) {
		at = append(append(at, end, " at "), end, place->object);
		at = append_number(append(at, end, "+0x"), end, place->offset,
				   16);
	}
	*at++ = '\n';
	/* Not write(): that is one of the calls in the plan. */
	(void)syscall(SYS_write, report.fd, line, (size_t)(at - line));
}

static void pass_time(long us)
{
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR) {
	}
}

/* Counts down. True for a call that the plan is about. */
static bool its_turn(enum shim_call call)
{
	long left = atomic_load_explicit(&plan[call].left,
					 memory_order_relaxed);

	if (left == SHIM_EVERY) {
		return true;
	}
	if (left <= 0 || atomic_fetch_sub_explicit(&plan[call].left, 1,
						   memory_order_relaxed) != 1) {
		return false;
	}
	if (plan[call].again != AGAIN_NEVER) {
		atomic_store_explicit(&plan[call].left,
				      plan[call].again == AGAIN_ALWAYS
					      ? SHIM_EVERY
					      : plan[call].each,
				      memory_order_relaxed);
	}
	return true;
}

static int carry_out(enum shim_call call, const struct shim_place *place)
{
	char what[64];
	const char *end = what + sizeof(what) - 1;
	const char *how = plan[call].delay_us > 0          ? " delayed"
			  : plan[call].error == SHIM_SHORT ? " short"
							   : " failed";

	*append(append(what, end, calls[call].name), end, how) = '\0';
	shim_say(what, "", place);
	atomic_store_explicit(&plan[call].failed, true, memory_order_relaxed);
	if (plan[call].delay_us > 0) {
		pass_time(plan[call].delay_us);
		return 0;
	}
	atomic_store_explicit(&struck, true, memory_order_relaxed);
	if (place->program) {
		shim_told("program", NULL);
	}
	return plan[call].error != 0 ? plan[call].error : calls[call].error;
}

/* Counts; tells of the first, second, fourth, ... call on one path. */
static void note_point(enum shim_call call, const struct shim_place *place)
{
	long nth = 1 + atomic_fetch_add_explicit(&plan[call].seen, 1,
						 memory_order_relaxed);
	unsigned seen = 0;

	if (!report.count) {
		return;
	}
	seen = shim_path_seen(place->path + (unsigned long)call);
	if (seen != 0 && (seen & (seen - 1)) == 0 && getpid() == report.pid) {
		char point[64];
		const char *end = point + sizeof(point) - 1;

		*append_number(
			append(append(point, end, calls[call].name), end, ":"),
			end, (unsigned long)nth, 10) = '\0';
		shim_say("point ", point, place);
	}
}

int shim_fate(enum shim_call call)
{
	struct shim_place place = { .counts = true };
	int old_errno = errno;
	int fate = 0;

	if (!shim_inside || (!report.count &&
			     atomic_load_explicit(&plan[call].left,
						  memory_order_relaxed) == 0)) {
		return 0;
	}
	shim_inside = false;
	place = shim_caller(report.count);
	if (place.counts) {
		note_point(call, &place);
		if (its_turn(call)) {
			fate = carry_out(call, &place);
		}
	}
	shim_inside = true;
	errno = old_errno;
	return fate;
}

void shim_arm(enum shim_call call, long nth)
{
	atomic_store_explicit(&plan[call].failed, false, memory_order_relaxed);
	atomic_store_explicit(&plan[call].left, nth, memory_order_relaxed);
}

bool shim_disarm(enum shim_call call)
{
	atomic_store_explicit(&plan[call].left, 0, memory_order_relaxed);
	return atomic_load_explicit(&plan[call].failed, memory_order_relaxed);
}

void shim_told(const char *name, const void *address)
{
	if (atomic_load_explicit(&struck, memory_order_relaxed) &&
	    (address == NULL ||
	     shim_place_of((unsigned long)address).program) &&
	    !atomic_exchange_explicit(&told, true, memory_order_relaxed)) {
		shim_say("told by ", name, NULL);
	}
}

/* ---- the environment ---- */

static bool same(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && memcmp(name, text, length) == 0;
}

/* "ENFILE", "short" or microseconds. */
static bool parse_how(enum shim_call call, const char *text, size_t length)
{
	char *end = NULL;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (same(errors[i].name, text, length)) {
			plan[call].error = errors[i].error;
			return true;
		}
	}
	if (same("short", text, length)) {
		plan[call].error = SHIM_SHORT;
		return call == SHIM_READ || call == SHIM_WRITE;
	}
	plan[call].delay_us = strtol(text, &end, 10);
	return end == text + length && plan[call].delay_us > 0;
}

/* "malloc:17", "read:2%:short"; @length without what follows the comma. */
static bool parse_one(const char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);
	char *end = NULL;
	long nth = 0;

	if (colon == NULL) {
		return false;
	}
	nth = strtol(colon + 1, &end, 10);
	for (int i = 0; i < SHIM_CALLS; i++) {
		if (!same(calls[i].name, text, (size_t)(colon - text))) {
			continue;
		}
		if (*end == '+' || *end == '%') {
			plan[i].again = *end == '+' ? AGAIN_ALWAYS : AGAIN_EACH;
			plan[i].each = nth;
			end++;
		}
		shim_arm((enum shim_call)i, nth);
		return nth > 0 &&
		       (end == text + length ||
			(*end == ':' &&
			 parse_how((enum shim_call)i, end + 1,
				   (size_t)(text + length - end) - 1)));
	}
	return false;
}

static void parse(const char *text)
{
	while (text != NULL && *text != '\0') {
		const char *comma = strchrnul(text, ',');

		if (!parse_one(text, (size_t)(comma - text))) {
			static const char message[] =
				"shim: SHIM_FAIL is "
				"KIND:N[+|%][:ERRNO|short|USEC],...\n";
			(void)syscall(SYS_write, STDERR_FILENO, message,
				      sizeof(message) - 1);
			_exit(BAD_PLAN_CODE);
		}
		text = *comma == ',' ? comma + 1 : comma;
	}
}

static __attribute__((__constructor__)) void plan_init(void)
{
	const char *fd = getenv("SHIM_FD");

	shim_places_init(getenv("SHIM_FROM"));
	report.count = getenv("SHIM_COUNT") != NULL;
	report.pid = getpid();
	if (fd != NULL) {
		report.fd = (int)strtol(fd, NULL, 10);
		shim_watch_faults();
	}
	parse(getenv("SHIM_FAIL"));
	shim_inside = true;
}

/* Children say nothing: their parent's line is the one that counts. */
static __attribute__((__destructor__)) void plan_fini(void)
{
	char line[512] = "called";
	size_t used = strlen(line);

	shim_inside = false;
	if (!report.count || getpid() != report.pid) {
		return;
	}
	for (int i = 0; i < SHIM_CALLS; i++) {
		used += (size_t)snprintf(
			line + used, sizeof(line) - used, " %s:%ld",
			calls[i].name,
			atomic_load_explicit(&plan[i].seen,
					     memory_order_relaxed));
	}
	shim_say(line, "", NULL);
}
