/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Play: a story for each seed, each in a process of its own.
 *
 * The parent has one thread and never uses the libraries, so each child begins
 * as the first one did. What it finds out is in a record that both see; a crash
 * is a finding like any other.
 *
 * Threads: the parent's only one; in a child, the first one.
 */
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/turn/inside.h"

#define STUCK_S 60 /* in a call that sched.c does not know */
#define FDS_MAX 256

static struct {
	const char *story; /* NULL: all */
	uint64_t seed;
	unsigned runs;
	unsigned steps; /* that are shown of one that failed */
	bool hashes;
} options = { .runs = 300, .steps = 60 };

static struct turn_record *record;

static unsigned fds_open(void)
{
	unsigned count = 0;
	int fd = 0;

	for (fd = 0; fd < FDS_MAX; fd++) {
		count += fcntl(fd, F_GETFD) != -1 ? 1 : 0;
	}
	return count;
}

static void play(const struct turn_story *story, uint64_t seed)
{
	unsigned before = fds_open();
	unsigned after = 0;

	(void)alarm(STUCK_S);
	turn_begin(seed, record);
	story->play();
	turn_settle();
	after = fds_open();
	if (after != before) {
		turn_fail("%u descriptors before, %u after", before, after);
	}
	_exit(0);
}

/* Return: whether all was well. */
static bool play_apart(const struct turn_story *story, uint64_t seed)
{
	int status = 0;
	pid_t child = -1;

	memset(record, 0, offsetof(struct turn_record, ring));
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		play(story, seed);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("turn");
		exit(2);
	}
	if (status == 0) {
		return true;
	}
	if (record->verdict[0] == '\0' && WIFSIGNALED(status)) {
		(void)snprintf(record->verdict, sizeof(record->verdict), "%s",
			       WTERMSIG(status) == SIGALRM
				       ? "it keeps its turn for ever"
				       : strsignal(WTERMSIG(status)));
	}
	return false;
}

/* Return: whether all was well. */
static bool play_seeds(const struct turn_story *story, unsigned number,
		       const char *program)
{
	uint64_t steps = 0;
	uint64_t turns = 0;
	unsigned i = 0;

	for (i = 0; i < options.runs; i++) {
		uint64_t seed = options.seed + i;

		if (!play_apart(story, seed)) {
			printf("not ok %u - %s: seed %lu: %s\n", number,
			       story->name, (unsigned long)seed,
			       record->verdict);
			turn_report(record, options.steps);
			printf("# again: %s --story %s --seed %lu --runs 1\n",
			       program, story->name, (unsigned long)seed);
			return false;
		}
		if (options.hashes) {
			printf("# %s %lu %016lx\n", story->name,
			       (unsigned long)seed,
			       (unsigned long)record->hash);
		}
		steps += record->steps;
		turns += record->turns;
	}
	printf("ok %u - %s: %u seeds, %lu steps and %lu turns each\n", number,
	       story->name, options.runs,
	       (unsigned long)(steps / (i == 0 ? 1 : i)),
	       (unsigned long)(turns / (i == 0 ? 1 : i)));
	return true;
}

static void usage(const char *program, const struct turn_story *story)
{
	printf("usage: %s [--story NAME] [--seed N] [--runs N] [--steps N] "
	       "[--hashes]\n"
	       "Plays each story for RUNS seeds from SEED; docs/testing.md.\n"
	       "  --steps   so many are shown of one that goes wrong\n"
	       "  --hashes  shows of each run a number for all of it\n"
	       "The environment may have TURN_SEED and TURN_RUNS. Stories:\n",
	       program);
	for (; story->name != NULL; story++) {
		printf("  %s\n", story->name);
	}
}

static void take_number(const char *text, unsigned *ret_number)
{
	if (text != NULL) {
		*ret_number = (unsigned)strtoul(text, NULL, 0);
	}
}

/* Return: false: it makes no sense. */
static bool take_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "story", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'd' },
		{ "runs", required_argument, NULL, 'r' },
		{ "steps", required_argument, NULL, 't' },
		{ "hashes", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *seed = getenv("TURN_SEED");

	take_number(getenv("TURN_RUNS"), &options.runs);
	for (;;) {
		switch (getopt_long(argc, argv, "", known, NULL)) {
		case 's':
			options.story = optarg;
			break;
		case 'd':
			seed = optarg;
			break;
		case 'r':
			take_number(optarg, &options.runs);
			break;
		case 't':
			take_number(optarg, &options.steps);
			break;
		case 'h':
			options.hashes = true;
			break;
		case -1:
			options.seed = seed != NULL ? strtoull(seed, NULL, 0)
						    : 0;
			return optind == argc;
		default:
			return false;
		}
	}
}

/* A token that need not go to another processor goes there much faster. */
static void stay_on_one_processor(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

int turn_main(const struct turn_story *stories, int argc, char **argv)
{
	const struct turn_story *story = NULL;
	unsigned count = 0;
	bool well = true;

	if (!take_options(argc, argv)) {
		usage(argv[0], stories);
		return 2;
	}
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (record == MAP_FAILED) {
		perror("turn");
		return 2;
	}
	stay_on_one_processor();
	for (story = stories; story->name != NULL; story++) {
		if (options.story == NULL ||
		    strcmp(options.story, story->name) == 0) {
			count++;
			well = play_seeds(story, count, argv[0]) && well;
		}
	}
	printf("1..%u\n", count);
	return count == 0 ? 2 : well ? 0 : 1;
}
