/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Program: a walk from a seed, or by the bytes of a file. */
#include "tests/walk/walk.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_STEPS = 400,
	STUCK_SECONDS = 20,
	BYTES_MAX = 65536,
};

static void usage(FILE *out)
{
	fputs("usage: walk [--wild] [--now] [--few] SEED [STEPS]\n"
	      "       walk [--wild] [--now] [--few] --bytes FILE\n"
	      "Walks over tevent's API at random and tells what happens.\n"
	      "  --wild  also where only ours is defined; not comparable\n"
	      "  --now   writes each line at once, and passes that ran "
	      "nothing\n"
	      "  --few   requests, queues and what they need alone\n"
	      "  --bytes each choice is a byte of the file, to its end\n",
	      out);
}

/* Return: false if it cannot be read. */
static bool take_bytes(const char *path)
{
	static uint8_t bytes[BYTES_MAX];
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		return false;
	}
	walk.bytes = bytes;
	walk.bytes_left = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	return true;
}

static int misused(void)
{
	usage(stderr);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned long count = DEFAULT_STEPS;
	uint64_t seed = 0;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--wild") == 0) {
			walk.wild = true;
		} else if (strcmp(argv[i], "--now") == 0) {
			walk.now = true;
		} else if (strcmp(argv[i], "--few") == 0) {
			walk.few = true;
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			return 0;
		} else if (strcmp(argv[i], "--bytes") != 0 || ++i == argc) {
			return misused();
		} else if (!take_bytes(argv[i])) {
			return 1;
		}
	}
	if (walk.bytes != NULL ? i < argc : i == argc || i + 2 < argc) {
		return misused();
	}
	if (walk.bytes != NULL) {
		count = ULONG_MAX;
	} else {
		seed = strtoull(argv[i], NULL, 10);
	}
	if (i + 1 < argc) {
		count = strtoul(argv[i + 1], NULL, 10);
	}
	walk.state = (seed + 1) * 0x9E3779B97F4A7C15ULL;
	(void)signal(SIGPIPE, SIG_IGN);
	say_rescue(STUCK_SECONDS);
	walk_take(count);
	return 0;
}
