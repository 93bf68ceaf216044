/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* TAP: what a test program says to prove.
 *
 * Lines are formed in a buffer and written by one write(2) past stdio: a
 * child made by fork has no copy of unwritten output, and a crash loses none.
 *
 * Threads: any; one lock guards the counters and the order of lines.
 * Not here: contexts, leak checks, children (fixture.h).
 */
#include "tests/tap.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static pthread_mutex_t tap_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned results;       /* L(tap_lock) */
static unsigned failures;      /* L(tap_lock) */
static unsigned planned;       /* L(tap_lock): 0 when done() shall print it */
static const char *name_label; /* L(tap_lock) */

static void write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);
		if (written <= 0) {
			_exit(125);
		}
		text += written;
		length -= (size_t)written;
	}
}

/* One line to @fd: @prefix, then the formatted text. */
static void TAP_PRINTF(3, 0)
	line_va(int fd, const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int used = snprintf(line, sizeof(line), "%s", prefix);
	int more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, fmt,
			     ap);
	size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);

	if (length > sizeof(line) - 2) {
		length = sizeof(line) - 2;
	}
	line[length] = '\n';
	write_all(fd, line, length + 1);
}

static void TAP_PRINTF(3, 4)
	line_out(int fd, const char *prefix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_va(fd, prefix, fmt, ap);
	va_end(ap);
}

/* '#' starts a directive and a line end ends the result: neither may stand in
 * a name. */
static void clean_name(char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '#') {
			*name = '/';
		} else if (*name == '\n') {
			*name = ' ';
		}
	}
}

static bool TAP_PRINTF(4, 0) result_va(const char *file, int line, bool held,
				       const char *fmt, va_list ap)
{
	char name[LINE_MAX_BYTES / 2];

	(void)vsnprintf(name, sizeof(name), fmt, ap);
	clean_name(name);

	(void)pthread_mutex_lock(&tap_lock);
	results++;
	failures += held ? 0 : 1;
	line_out(STDOUT_FILENO, "", "%s %u - %s%s%s", held ? "ok" : "not ok",
		 results, name, name_label != NULL ? " " : "",
		 name_label != NULL ? name_label : "");
	if (!held) {
		line_out(STDERR_FILENO, "# ", "failed: %s at %s:%d", name, file,
			 line);
	}
	(void)pthread_mutex_unlock(&tap_lock);
	return held;
}

void plan(unsigned count)
{
	(void)pthread_mutex_lock(&tap_lock);
	planned = count;
	line_out(STDOUT_FILENO, "", "1..%u", count);
	(void)pthread_mutex_unlock(&tap_lock);
}

bool tap_ok(const char *file, int line, bool held, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	held = result_va(file, line, held, name, ap);
	va_end(ap);
	return held;
}

bool tap_is_int(const char *file, int line, intmax_t got, intmax_t want,
		const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	(void)result_va(file, line, got == want, name, ap);
	va_end(ap);
	if (got != want) {
		diag("   got %" PRIdMAX ", want %" PRIdMAX, got, want);
	}
	return got == want;
}

bool tap_is_uint(const char *file, int line, uintmax_t got, uintmax_t want,
		 const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	(void)result_va(file, line, got == want, name, ap);
	va_end(ap);
	if (got != want) {
		diag("   got %" PRIuMAX ", want %" PRIuMAX, got, want);
	}
	return got == want;
}

bool tap_is_ptr(const char *file, int line, const void *got, const void *want,
		const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	(void)result_va(file, line, got == want, name, ap);
	va_end(ap);
	if (got != want) {
		diag("   got %p, want %p", got, want);
	}
	return got == want;
}

bool tap_is_str(const char *file, int line, const char *got, const char *want,
		const char *name, ...)
{
	bool same = got == want;
	va_list ap;

	if (got != NULL && want != NULL) {
		same = strcmp(got, want) == 0;
	}
	va_start(ap, name);
	(void)result_va(file, line, same, name, ap);
	va_end(ap);
	if (!same) {
		diag("   got \"%s\", want \"%s\"", got != NULL ? got : "(null)",
		     want != NULL ? want : "(null)");
	}
	return same;
}

void skip(const char *why, ...)
{
	char reason[LINE_MAX_BYTES / 2];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(reason, sizeof(reason), why, ap);
	va_end(ap);
	clean_name(reason);

	(void)pthread_mutex_lock(&tap_lock);
	results++;
	line_out(STDOUT_FILENO, "", "ok %u # skip %s%s%s", results, reason,
		 name_label != NULL ? " " : "",
		 name_label != NULL ? name_label : "");
	(void)pthread_mutex_unlock(&tap_lock);
}

void skip_all(const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	line_va(STDOUT_FILENO, "1..0 # SKIP ", why, ap);
	va_end(ap);
	exit(EXIT_SUCCESS);
}

void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_va(STDERR_FILENO, "# ", fmt, ap);
	va_end(ap);
}

void bail_out(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_va(STDOUT_FILENO, "Bail out! ", fmt, ap);
	va_end(ap);
	_exit(124);
}

unsigned tap_count(void)
{
	unsigned count = 0;

	(void)pthread_mutex_lock(&tap_lock);
	count = results;
	(void)pthread_mutex_unlock(&tap_lock);
	return count;
}

unsigned tap_failed(void)
{
	unsigned count = 0;

	(void)pthread_mutex_lock(&tap_lock);
	count = failures;
	(void)pthread_mutex_unlock(&tap_lock);
	return count;
}

void tap_label(const char *label)
{
	(void)pthread_mutex_lock(&tap_lock);
	name_label = label;
	(void)pthread_mutex_unlock(&tap_lock);
}

int done(void)
{
	bool short_of_plan = false;

	(void)pthread_mutex_lock(&tap_lock);
	if (planned == 0) {
		line_out(STDOUT_FILENO, "", "1..%u", results);
	}
	/* A program without a single result has tested nothing. */
	short_of_plan = results == 0 || (planned != 0 && planned != results);
	(void)pthread_mutex_unlock(&tap_lock);

	if (short_of_plan) {
		diag("%u results, %u planned", tap_count(), planned);
	}
	return tap_failed() != 0 || short_of_plan ? EXIT_FAILURE : EXIT_SUCCESS;
}
