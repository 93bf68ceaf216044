/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* weft-stress: hammers the protocols between threads, by given seeds.
 *
 * Each protocol runs rounds, one after the other, until its share of the time
 * is over. Round n has the seed + n, so a failure names the seed with which it
 * comes first when run again. How threads interleave is the machine's affair;
 * a round that failed once may need some repeating.
 *
 * A round that hangs, as it would with a lost wake-up, is ended by an alarm.
 * The program says TAP, or JSON; progress goes to a terminal on stderr.
 *
 * Threads: main; each protocol starts and joins its own.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/stress/stress.h"

#define ROUND_SECONDS_MAX 60
#define PROGRESS_NS       UINT64_C(200000000)
#define NS_PER_S          UINT64_C(1000000000)

static const struct stress_protocol *const protocols[] = {
	&stress_mailbox, &stress_address, &stress_proxy, &stress_jobs,
	&stress_pairs,   &stress_fork,    &stress_loops, &stress_lanes,
	&stress_serial,  &stress_kill,
};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

struct settings {
	double seconds;
	uint64_t seed;
	uint64_t rounds; /* 0: as many as the time allows */
	unsigned threads;
	const char *only; /* or NULL */
	bool json;
};

struct result {
	const struct stress_protocol *protocol;
	uint64_t rounds;
	uint64_t seed; /* of the last round */
	bool held;
};

static atomic_bool failed; /* A: relaxed; the text is under failure_lock */
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;
static char failure[512];   /* L(failure_lock) */
static char hang_text[256]; /* S: written before the alarm is set */

/* ---- dice ---- */

/* SplitMix64: any seed will do. */
uint64_t stress_roll(struct stress_dice *dice)
{
	uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned stress_below(struct stress_dice *dice, unsigned limit)
{
	return limit == 0 ? 0 : (unsigned)(stress_roll(dice) % limit);
}

bool stress_once_in(struct stress_dice *dice, unsigned times)
{
	return stress_below(dice, times) == 0;
}

struct stress_dice stress_split(struct stress_dice *dice)
{
	struct stress_dice other = { stress_roll(dice) };

	return other;
}

static uint64_t now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void stress_dawdle(struct stress_dice *dice)
{
	struct timespec nap = { 0, 0 };

	switch (stress_below(dice, 16)) {
	case 0:
		nap.tv_nsec = (long)stress_below(dice, 100000);
		(void)nanosleep(&nap, NULL);
		break;
	case 1:
	case 2:
		(void)sched_yield();
		break;
	default:
		break;
	}
}

/* ---- failures ---- */

void stress_fail(const char *fmt, ...)
{
	va_list ap;

	(void)pthread_mutex_lock(&failure_lock);
	if (failure[0] == '\0') {
		va_start(ap, fmt);
		(void)vsnprintf(failure, sizeof(failure), fmt, ap);
		va_end(ap);
	}
	(void)pthread_mutex_unlock(&failure_lock);
	/* Relaxed: looked at now and then. */
	atomic_store_explicit(&failed, true, memory_order_relaxed);
}

bool stress_failed(void)
{
	return atomic_load_explicit(&failed, memory_order_relaxed);
}

void stress_give_up(const char *what)
{
	fprintf(stderr, "weft-stress: %s\n", what);
	exit(2);
}

static void hung(int signum)
{
	ssize_t ret = 0;

	(void)signum;
	ret = write(STDOUT_FILENO, hang_text, strlen(hang_text));
	_exit(ret > 0 ? 1 : 2);
}

static void replay_text(char *text, size_t size,
			const struct stress_protocol *protocol, uint64_t seed,
			unsigned threads)
{
	(void)snprintf(text, size,
		       "weft-stress --only %s --seed %" PRIu64
		       " --threads %u --rounds 1",
		       protocol->name, seed, threads);
}

/* ---- running ---- */

static void progress(const struct result *result, uint64_t left_ns)
{
	static uint64_t next_ns;
	uint64_t now = now_ns();

	if (now < next_ns || !isatty(STDERR_FILENO)) {
		return;
	}
	next_ns = now + PROGRESS_NS;
	fprintf(stderr, "\r%s: %" PRIu64 " rounds, %" PRIu64 " s left \033[K",
		result->protocol->name, result->rounds, left_ns / NS_PER_S);
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K");
	}
}

static void run(const struct settings *settings, uint64_t share_ns,
		struct result *result)
{
	uint64_t end = now_ns() + share_ns;

	result->held = true;
	for (;;) {
		uint64_t now = now_ns();
		struct stress_dice dice = { settings->seed + result->rounds };
		char replay[160];

		if (settings->rounds != 0 ? result->rounds >= settings->rounds
					  : now >= end) {
			break;
		}
		progress(result, end > now ? end - now : 0);
		result->seed = dice.state;
		replay_text(replay, sizeof(replay), result->protocol,
			    result->seed, settings->threads);
		(void)snprintf(hang_text, sizeof(hang_text),
			       "Bail out! %s hangs; replay: %s\n",
			       result->protocol->name, replay);
		(void)alarm(ROUND_SECONDS_MAX);
		result->held = result->protocol->round(&dice,
						       settings->threads);
		(void)alarm(0);
		result->rounds++;
		if (!result->held) {
			break;
		}
	}
	progress_end();
}

static void say_tap(const struct result *result, unsigned number,
		    unsigned threads)
{
	char replay[160];

	printf("%s %u - %s: %s (%" PRIu64 " rounds)\n",
	       result->held ? "ok" : "not ok", number, result->protocol->name,
	       result->protocol->what, result->rounds);
	if (!result->held) {
		replay_text(replay, sizeof(replay), result->protocol,
			    result->seed, threads);
		printf("# %s\n# replay: %s\n", failure, replay);
	}
	(void)fflush(stdout);
}

static void say_json(const struct result *results, unsigned count,
		     const struct settings *settings)
{
	unsigned i = 0;

	printf("{\"seed\":%" PRIu64 ",\"threads\":%u,\"protocols\":[",
	       settings->seed, settings->threads);
	for (i = 0; i < count; i++) {
		printf("%s{\"name\":\"%s\",\"rounds\":%" PRIu64
		       ",\"last_seed\":%" PRIu64 ",\"ok\":%s}",
		       i == 0 ? "" : ",", results[i].protocol->name,
		       results[i].rounds, results[i].seed,
		       results[i].held ? "true" : "false");
	}
	printf("]}\n");
}

static bool run_all(const struct settings *settings)
{
	struct result results[PROTOCOLS];
	unsigned chosen = settings->only == NULL ? PROTOCOLS : 1;
	unsigned count = 0;
	bool held = true;
	size_t i = 0;

	if (!settings->json) {
		printf("1..%u\n# seed %" PRIu64 "\n", chosen, settings->seed);
		(void)fflush(stdout);
	}
	for (i = 0; i < PROTOCOLS && held; i++) {
		struct result *result = &results[count];

		if (settings->only != NULL &&
		    strcmp(settings->only, protocols[i]->name) != 0) {
			continue;
		}
		*result = (struct result){ .protocol = protocols[i] };
		run(settings, (uint64_t)(settings->seconds * 1e9 / chosen),
		    result);
		held = result->held;
		count++;
		if (!settings->json) {
			say_tap(result, count, settings->threads);
		}
	}
	if (settings->json) {
		say_json(results, count, settings);
	}
	return held;
}

/* ---- command line ---- */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: weft-stress [--seconds N] [--seed S] [--threads N]\n"
		"                   [--only NAME] [--rounds N] [--json]\n"
		"       weft-stress --list | --help\n"
		"\n"
		"Hammers what threads do with each other here; says TAP.\n"
		"\n"
		"  --seconds N  in all (10)\n"
		"  --seed S     of the first round (from the clock)\n"
		"  --threads N  about so many in each round (4)\n"
		"  --only NAME  this protocol alone\n"
		"  --rounds N   so many of each, instead of a time\n"
		"  --json       one JSON object instead of TAP\n"
		"  --list       the protocols\n"
		"\n"
		"Exits 1 when something does not hold, with the command that\n"
		"begins with the failing round; 2 when it cannot run.\n");
}

static void list(void)
{
	size_t i = 0;

	for (i = 0; i < PROTOCOLS; i++) {
		printf("%-8s %s\n", protocols[i]->name, protocols[i]->what);
	}
}

static bool known(const char *name)
{
	size_t i = 0;

	for (i = 0; i < PROTOCOLS; i++) {
		if (strcmp(name, protocols[i]->name) == 0) {
			return true;
		}
	}
	return false;
}

/* A whole number, or the end of the program. */
static uint64_t number(const char *text, const char *option)
{
	char *end = NULL;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0') {
		fprintf(stderr, "weft-stress: %s wants a number, not '%s'\n",
			option, text);
		exit(2);
	}
	return value;
}

/* Return: false: nothing is left to do. */
static bool arguments(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "threads", required_argument, NULL, 't' },
		{ "only", required_argument, NULL, 'o' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			settings->seconds = (double)number(optarg, "--seconds");
			break;
		case 'S':
			settings->seed = number(optarg, "--seed");
			break;
		case 't':
			settings->threads = (unsigned)number(optarg,
							     "--threads");
			break;
		case 'o':
			settings->only = optarg;
			break;
		case 'r':
			settings->rounds = number(optarg, "--rounds");
			break;
		case 'j':
			settings->json = true;
			break;
		case 'l':
			list();
			return false;
		case 'h':
			usage(stdout);
			return false;
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || settings->threads == 0 ||
	    settings->threads > 256 ||
	    (settings->only != NULL && !known(settings->only))) {
		usage(stderr);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.seconds = 10,
		.seed = now_ns() / 1000,
		.threads = 4,
	};
	bool held = false;

	if (!arguments(argc, argv, &settings)) {
		return 0;
	}
	(void)signal(SIGALRM, hung);
	held = run_all(&settings);
	return held ? 0 : 1;
}
