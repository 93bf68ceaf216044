/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Main of weft-bench-count: does N operations of a row, and says nothing. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/count/count.h"

#define ROW_SECONDS_MAX 60

/* Built against stock there is no libweft. */
static const struct count_row *const groups[] = {
	count_engine_rows,
#ifndef BENCH_ON_STOCK
	count_pool_rows,
	count_busy_rows,
#endif
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static int usage(FILE *to, int code)
{
	fprintf(to,
		"usage: %s ROW N\n"
		"       %s --list | --help\n"
		"\n"
		"Does N operations of a row, a multiple of %d, for tools\n"
		"that count what that takes. Exits 1 when the row does not\n"
		"get what it must.\n",
		program_invocation_short_name, program_invocation_short_name,
		COUNT_ROUND);
	return code;
}

static int list(void)
{
	const struct count_row *row = NULL;
	size_t i = 0;

	for (i = 0; i < GROUPS; i++) {
		for (row = groups[i]; row->name != NULL; row++) {
			printf("%s\t%s\n", row->name, row->what);
		}
	}
	return 0;
}

static const struct count_row *find(const char *name)
{
	const struct count_row *row = NULL;
	size_t i = 0;

	for (i = 0; i < GROUPS; i++) {
		for (row = groups[i]; row->name != NULL; row++) {
			if (strcmp(row->name, name) == 0) {
				return row;
			}
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct count_row *row = NULL;
	unsigned long long n = 0;
	char *end = NULL;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		return list();
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		return usage(stdout, 0);
	}
	row = argc == 3 ? find(argv[1]) : NULL;
	n = argc == 3 ? strtoull(argv[2], &end, 10) : 0;
	if (row == NULL || n == 0 || *end != '\0' || n % COUNT_ROUND != 0) {
		return usage(stderr, 2);
	}
	(void)alarm(ROW_SECONDS_MAX);
	row->run(n);
	return 0;
}
