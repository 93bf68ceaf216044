/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazard: what is safe here and was not in the original.
 *
 * A hazard is a small case: a function over a context that does what a program
 * may well do, and says what went wrong, if it gets so far. Each runs in a
 * process of its own, because on stock it may end that process:
 *
 *      hazard_fd.t                          all cases, as TAP
 *      hazard_fd.t --list                   their names, a line each
 *      hazard_fd.t --case NAME [BACKEND]    one case in this process, for a
 *                                           memory checker: "good" and 0, or
 *                                           what went wrong and 1
 *
 * On ours each case has to end well over every backend. On stock it has to end
 * badly, in one of the ways that were seen there: a case that stock passes is
 * no hazard, and the test fails. Freed memory is filled with rubbish in these
 * processes, so that its use shows without a memory checker too; what only a
 * checker can see is marked HAZARD_HIDDEN. tools/hazards runs all cases on both
 * libraries under valgrind and says what happened.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

#include "tests/fixture.h"
#include "tests/tap.h"
#include "tests/trail.h"

#define HAZARD_WRONG_CODE   1
#define HAZARD_HUNG_CODE    124 /* the watchdog's */
#define HAZARD_SECONDS      10
#define HAZARD_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))

/* How a case may end on stock. */
enum hazard_end {
	HAZARD_KILLED = 1, /* by a signal, abort(3) included */
	HAZARD_WRONG = 2,
	HAZARD_HUNG = 4,
	HAZARD_HIDDEN = 8,  /* well, to the eye: a checker sees it */
	HAZARD_ABSENT = 16, /* well: it is a defect of other versions */
};

struct hazard {
	const char *name;
	void (*run)(struct fixture *fx);
	const char *rule;
	unsigned stock;      /* enum hazard_end, as seen there */
	const char *backend; /* where stock fails; NULL: on each */
	const char *checker; /* one of valgrind's; NULL: memcheck */
	bool bare;           /* no context, nothing used before */
};

/* A row of the table: the case is named as its function. */
#define HAZARD(function, rules, ends) \
	.name = #function, .run = function, .rule = rules, .stock = ends

/* What went wrong first, in the case that runs in this process. */
static char hazard_wrong[256];

/* Return: @held. */
static inline HAZARD_PRINTF(2, 3) bool hazard_expect(bool held,
						     const char *wrong, ...)
{
	va_list args;

	if (!held && hazard_wrong[0] == '\0') {
		va_start(args, wrong);
		(void)vsnprintf(hazard_wrong, sizeof(hazard_wrong), wrong,
				args);
		va_end(args);
	}
	return held;
}

static inline void hazard_expect_trail(const struct trail *trail,
				       const char *want)
{
	(void)hazard_expect(strcmp(trail->text, want) == 0,
			    "ran '%s', not '%s'", trail->text, want);
}

/* Runs the case to its end, the taking down included. */
static inline int hazard_case(const struct hazard *hazard, const char *backend)
{
	struct fixture fx = { .backend = backend };

	fixture_watchdog(hazard->name, HAZARD_SECONDS);
	fx.mem = talloc_named_const(NULL, 0, "hazard");
	if (!hazard->bare) {
		fx.ev = tevent_context_init_byname(fx.mem, backend);
		if (fx.ev == NULL) {
			bail_out("no context for backend %s", backend);
		}
	}
	hazard->run(&fx);
	TALLOC_FREE(fx.ev);
	TALLOC_FREE(fx.mem);
	puts(hazard_wrong[0] != '\0' ? hazard_wrong : "good");
	return hazard_wrong[0] != '\0' ? HAZARD_WRONG_CODE : 0;
}

struct hazard_child {
	const struct hazard *hazard;
	const char *backend;
};

/* Starts this program anew for one case; talloc reads the environment when it
 * is loaded. */
static inline int hazard_exec(void *arg)
{
	const struct hazard_child *child = arg;
	char path[4096] = "";

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 ||
	    setenv("TALLOC_FREE_FILL", "0xDB", 1) != 0) {
		return 126;
	}
	(void)execl(path, path, "--case", child->hazard->name, child->backend,
		    (char *)NULL);
	return 127;
}

static inline unsigned hazard_end(const struct fixture_child *child)
{
	if (WIFSIGNALED(child->status)) {
		return HAZARD_KILLED;
	}
	switch (WEXITSTATUS(child->status)) {
	case 0:
		return HAZARD_HIDDEN | HAZARD_ABSENT;
	case HAZARD_WRONG_CODE:
		return HAZARD_WRONG;
	case HAZARD_HUNG_CODE:
		return HAZARD_HUNG;
	default:
		return 0;
	}
}

/* On stock: it ends badly, as it is known to. */
static inline void hazard_on_stock(const struct hazard *hazard)
{
	struct hazard_child start = { hazard, hazard->backend != NULL
						      ? hazard->backend
						      : "standard" };
	struct fixture_child child = fixture_child(hazard_exec, &start);
	unsigned end = hazard_end(&child);
	char how[128] = "well";

	child.text[strcspn(child.text, "\n")] = '\0';
	if (end == HAZARD_KILLED) {
		(void)snprintf(how, sizeof(how), "by signal %d",
			       WTERMSIG(child.status));
	} else if ((end & HAZARD_HIDDEN) == 0) {
		(void)snprintf(how, sizeof(how), "%s: %.100s",
			       end == HAZARD_HUNG ? "stuck" : "wrong",
			       child.text);
	}
	ok((end & hazard->stock) != 0, "%s %s ends on stock %s%s", hazard->rule,
	   hazard->name, how,
	   (end & hazard->stock) == HAZARD_ABSENT ? ", not in all versions"
						  : "");
}

static inline void hazard_on_ours(const struct hazard *hazard)
{
	static const char *const backends[] = { "standard", "epoll", "poll" };

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		struct hazard_child start = { hazard, backends[i] };
		struct fixture_child child = fixture_child(hazard_exec, &start);
		char name[128];

		(void)snprintf(name, sizeof(name), "%s %s ends well [%s]",
			       hazard->rule, hazard->name, backends[i]);
		(void)child_exited(&child, 0, name);
	}
}

/* The main function of such a program; @hazards ends with an empty one. */
static inline int hazard_main(int argc, char **argv,
			      const struct hazard *hazards)
{
	bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
	bool one = (argc == 3 || argc == 4) && strcmp(argv[1], "--case") == 0;

	for (const struct hazard *h = hazards; h->name != NULL; h++) {
		if (list) {
			printf("%s\t%s\t%s\t%s\n", h->name, h->rule,
			       h->backend != NULL ? h->backend : "standard",
			       h->checker != NULL ? h->checker : "memcheck");
		} else if (one && strcmp(argv[2], h->name) == 0) {
			return hazard_case(h, argc == 4 ? argv[3]
					      : h->backend != NULL
						      ? h->backend
						      : "standard");
		} else if (!one) {
			/* Two processes for each, thrice. */
			fixture_watchdog(h->name, 6 * HAZARD_SECONDS);
			(TEST_ON_STOCK ? hazard_on_stock : hazard_on_ours)(h);
		}
	}
	if (one) {
		fprintf(stderr, "no case %s\n", argv[2]);
		return 2;
	}
	return list ? 0 : done();
}
