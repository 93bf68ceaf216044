/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Walk: bytes choose a walk over tevent's API (tests/walk), here and elsewhere.
 *
 * The first byte says what kind of walk it is:
 *
 *      bit 0   wild: also what only ours defines; nobody to compare with
 *      bit 1   few: requests, queues and what they need alone
 *
 * The other bytes are the choices. A walk that is not wild is taken a second
 * time by the program WALK_ORACLE, which is the same walk on another libtevent.
 * Both tell line by line what happens, and where the lines differ we end as if
 * we had crashed. Without WALK_ORACLE only the sanitizers judge.
 *
 * Threads: one.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/walk/walk.h"

#define STEPS_MAX 4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Return: a descriptor of a file that is nowhere. */
static int scratch(const char *name)
{
	int fd = memfd_create(name, 0);

	if (fd < 0) {
		die("memfd_create");
	}
	return fd;
}

/* Return: what the oracle tells of the same walk, size in @ret_size. */
static char *ask(const char *oracle, const uint8_t *data, size_t size, bool few,
		 size_t *ret_size)
{
	char path[64];
	const char *argv[] = { oracle, "--bytes", path, few ? "--few" : NULL,
			       NULL };
	posix_spawn_file_actions_t actions;
	int in = scratch("choices");
	int out = scratch("told");
	char *told = NULL;
	pid_t pid = 0;
	int status = 0;

	if (write(in, data, size) != (ssize_t)size) {
		die("write");
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (posix_spawn(&pid, oracle, &actions, NULL, (char **)(uintptr_t)argv,
			environ) != 0 ||
	    waitpid(pid, &status, 0) != pid) {
		die(oracle);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	*ret_size = (size_t)lseek(out, 0, SEEK_END);
	told = calloc(1, *ret_size + 1);
	if (told == NULL || pread(out, told, *ret_size, 0) < 0) {
		die("pread");
	}
	(void)close(in);
	(void)close(out);
	return told;
}

/* Says where they part. */
static void compare(const char *ours, size_t ours_size, const char *stock,
		    size_t stock_size)
{
	size_t at = 0;
	size_t line = 0;

	if (ours_size == stock_size && memcmp(ours, stock, ours_size) == 0) {
		return;
	}
	while (at < ours_size && at < stock_size && ours[at] == stock[at]) {
		line = ours[at++] == '\n' ? at : line;
	}
	fprintf(stderr, "the walks part after\n%.*s- %.*s\n+ %.*s\n",
		(int)(line > 1000 ? 1000 : line),
		ours + (line > 1000 ? line - 1000 : 0),
		(int)strcspn(stock + line, "\n"), stock + line,
		(int)strcspn(ours + line, "\n"), ours + line);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *oracle = getenv("WALK_ORACLE");
	char *ours = NULL;
	size_t ours_size = 0;

	if (size < 2) {
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	walk_begin();
	walk.state = 0x9E3779B97F4A7C15ULL;
	walk.wild = (data[0] & 1) != 0;
	walk.few = (data[0] & 2) != 0;
	walk.bytes = data + 1;
	walk.bytes_left = size - 1;
	walk.out = open_memstream(&ours, &ours_size);
	if (walk.out == NULL) {
		die("open_memstream");
	}
	walk_take(STEPS_MAX);
	(void)fclose(walk.out);
	if (!walk.wild && oracle != NULL && *oracle != '\0') {
		size_t stock_size = 0;
		char *stock = ask(oracle, data + 1, size - 1, walk.few,
				  &stock_size);

		compare(ours, ours_size, stock, stock_size);
		free(stock);
	}
	free(ours);
	return 0;
}
