/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* TAP: what a test program says to prove.
 *
 * Every result has a name: a printf format that states the property. Each
 * test macro returns whether it held, so that a test may stop early. Results
 * may come from any thread; a line is written whole, under one lock, and at
 * once, so nothing is lost in a crash and nothing is doubled by a fork.
 *
 *      int main(void)
 *      {
 *              is_int(1 + 1, 2, "sums are right");
 *              return done();
 *      }
 *
 * A program either calls plan() first or lets done() print the count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAP_PRINTF(fmt, args) __attribute__((__format__(__printf__, fmt, args)))

/* Announces @count results; optional. */
void plan(unsigned count);

#define ok(held, ...) tap_ok(__FILE__, __LINE__, (held), __VA_ARGS__)
#define fail(...)     tap_ok(__FILE__, __LINE__, false, __VA_ARGS__)

/* The value comes first, what it should be second. */
#define is_int(got, want, ...) \
	tap_is_int(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
#define is_uint(got, want, ...) \
	tap_is_uint(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
#define is_ptr(got, want, ...) \
	tap_is_ptr(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
#define is_str(got, want, ...) \
	tap_is_str(__FILE__, __LINE__, (got), (want), __VA_ARGS__)

/* One result that could not be had here, with the reason. */
void skip(const char *why, ...) TAP_PRINTF(1, 2);

/* The whole program has nothing to do here: prints the plan and exits 0. */
void skip_all(const char *why, ...) TAP_PRINTF(1, 2)
	__attribute__((__noreturn__));

/* Remarks; they appear when prove shows standard error. */
void diag(const char *fmt, ...) TAP_PRINTF(1, 2);

/* Nothing more makes sense: stops prove as well. */
void bail_out(const char *fmt, ...) TAP_PRINTF(1, 2)
	__attribute__((__noreturn__));

/* The number of results so far, and of those that failed. */
unsigned tap_count(void);
unsigned tap_failed(void);

/* Added to the name of each result, for instance the backend; NULL ends it.
 * The text must stay. */
void tap_label(const char *label);

/* Ends the program's report. Return: what main() returns. */
int done(void);

bool tap_ok(const char *file, int line, bool held, const char *name, ...)
	TAP_PRINTF(4, 5);
bool tap_is_int(const char *file, int line, intmax_t got, intmax_t want,
		const char *name, ...) TAP_PRINTF(5, 6);
bool tap_is_uint(const char *file, int line, uintmax_t got, uintmax_t want,
		 const char *name, ...) TAP_PRINTF(5, 6);
bool tap_is_ptr(const char *file, int line, const void *got, const void *want,
		const char *name, ...) TAP_PRINTF(5, 6);
bool tap_is_str(const char *file, int line, const char *got, const char *want,
		const char *name, ...) TAP_PRINTF(5, 6);
