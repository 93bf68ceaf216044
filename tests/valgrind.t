#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/valgrind fails for a wrong access, in a child too, and for lost memory.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

command -v valgrind >/dev/null || skip_all 'no valgrind'

cat >"$scratch/program.c" <<'END'
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char *volatile kept, *volatile lost;
static int use(int freed)
{
	char *volatile p = malloc(10);
	if (freed) {
		free(p);
	}
	p[0] = 'x';
	kept = p;
	return 0;
}
int main(int argc, char **argv)
{
	int status = 0;
	(void)argc;
	if (strcmp(argv[1], "child") == 0) {
		if (fork() == 0) {
			use(1);
			_exit(0);
		}
		wait(&status);
		return WEXITSTATUS(status);
	}
	if (strcmp(argv[1], "leaving child") == 0) {
		lost = malloc(10);
		if (fork() == 0) {
			lost = NULL;
			_exit(0);
		}
		wait(&status);
		return WEXITSTATUS(status);
	}
	if (strcmp(argv[1], "lost") == 0) {
		lost = malloc(10);
		lost = NULL;
		return 0;
	}
	use(strcmp(argv[1], "freed") == 0);
	return strcmp(argv[1], "status") == 0 ? 7 : 0;
}
END
ok 'there is a program' "$CC" -O0 -g -o "$scratch/program" "$scratch/program.c"

# status ARGUMENT: what the program's end is under the tool.
status() {
	tools/valgrind "$scratch/program" "$1" >"$scratch/said" 2>&1
	echo $?
}

is "$(status fine)" 0 'what is right passes'
is "$(cat "$scratch/said")" '' 'without a word'
is "$(status status)" 7 'a status of its own is kept'
is "$(status freed)" 99 'a wrong access is an error'
ok 'which is reported' grep -q 'Invalid write' "$scratch/said"
is "$(status child)" 99 'so it is in a child'
is "$(status lost)" 99 'lost memory is an error'
ok 'which is reported, too' grep -q 'definitely lost' "$scratch/said"
is "$(status 'leaving child')" 0 'a child may leave in the middle'
is "$(find "$scratch" -mindepth 1 -name 'valgrind.*')" '' 'no log is left behind'

done_testing
