/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* weft-stress: hammers the protocols between threads, by given seeds.
 *
 * Each protocol runs rounds, one after the other, until its share of the time
 * is over. Round n has the seed + n, so a failure names the seed with which it
 * comes first when run again. How threads interleave is the machine's affair;
 * a round that failed once may need some repeating.
 *
 * A round that hangs, as it would with a lost wake-up, is ended by an alarm.
 * One that is made long (--count) says now and then how far it is, and each
 * number that is another one winds the alarm up again.
 *
 * The program says TAP, or JSON; progress goes to a terminal on stderr.
 *
 * Threads: main; each protocol starts and joins its own.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/stress/stress.h"

#define ROUND_SECONDS_MAX 60
#define PROGRESS_NS       UINT64_C(200000000)
#define NS_PER_S          UINT64_C(1000000000)

static const struct stress_protocol *const protocols[] = {
	&stress_mailbox, &stress_address, &stress_address_fork, &stress_calls,
	&stress_proxy,   &stress_signals, &stress_loops,        &stress_opens,
	&stress_jobs,    &stress_pairs,   &stress_cancel,       &stress_expiry,
	&stress_fork,    &stress_groups,  &stress_streams,      &stress_lanes,
	&stress_serial,  &stress_compat,  &stress_kill,
};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

/* S: written before the first round */
static struct {
	double seconds;
	uint64_t seed;
	uint64_t rounds; /* 0: as many as the time allows */
	unsigned threads;
	unsigned count;   /* 0: as the protocol has it */
	const char *only; /* or NULL */
	bool json;
} settings = {
	.seconds = 10,
	.threads = 4,
};

struct result {
	const struct stress_protocol *protocol;
	uint64_t rounds;
	uint64_t seed; /* of the last round */
	bool held;
};

static char replay_text[192]; /* S: written before the alarm is set */
static char hang_text[256];   /* S: the same */
static char note[256];        /* of the last round */

/* ---- hangs ---- */

static void hung(int signum)
{
	ssize_t ret = 0;

	(void)signum;
	ret = write(STDOUT_FILENO, hang_text, strlen(hang_text));
	_exit(ret > 0 ? 1 : 2);
}

static void replay_prepare(const struct result *result)
{
	char count[32] = "";

	if (settings.count != 0) {
		(void)snprintf(count, sizeof(count), " --count %u",
			       settings.count);
	}
	(void)snprintf(replay_text, sizeof(replay_text),
		       "weft-stress --only %s --seed %" PRIu64
		       " --threads %u%s --rounds 1",
		       result->protocol->name, result->seed, settings.threads,
		       count);
	(void)snprintf(hang_text, sizeof(hang_text),
		       "Bail out! %s hangs; replay: %s\n",
		       result->protocol->name, replay_text);
}

/* ---- running ---- */

/* Return: whether it is time to say something, and somebody looks. */
static bool progress_due(void)
{
	static uint64_t next_ns;
	uint64_t now = stress_now_ns();

	if (now < next_ns || !isatty(STDERR_FILENO)) {
		return false;
	}
	next_ns = now + PROGRESS_NS;
	return true;
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K");
	}
}

void stress_alive(uint64_t done)
{
	static uint64_t last;

	if (done == last) {
		return;
	}
	last = done;
	(void)alarm(ROUND_SECONDS_MAX);
	if (settings.count != 0 && progress_due()) {
		fprintf(stderr, "\r%s: %" PRIu64 " \033[K", settings.only,
			done);
	}
}

void stress_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(note, sizeof(note), fmt, ap);
	va_end(ap);
}

unsigned stress_count(unsigned usual)
{
	return settings.count != 0 ? settings.count : usual;
}

static void run(uint64_t share_ns, struct result *result)
{
	uint64_t end = stress_now_ns() + share_ns;

	result->held = true;
	while (result->held) {
		uint64_t now = stress_now_ns();
		struct stress_dice dice = { settings.seed + result->rounds };

		if (settings.rounds != 0 ? result->rounds >= settings.rounds
					 : now >= end) {
			break;
		}
		if (progress_due()) {
			fprintf(stderr,
				"\r%s: %" PRIu64 " rounds, %" PRIu64
				" s left \033[K",
				result->protocol->name, result->rounds,
				end > now ? (end - now) / NS_PER_S : 0);
		}
		result->seed = dice.state;
		replay_prepare(result);
		(void)alarm(ROUND_SECONDS_MAX);
		result->held = result->protocol->round(&dice, settings.threads);
		(void)alarm(0);
		result->rounds++;
	}
	progress_end();
}

static void say_tap(const struct result *result, unsigned number)
{
	printf("%s %u - %s: %s (%" PRIu64 " rounds)\n",
	       result->held ? "ok" : "not ok", number, result->protocol->name,
	       result->protocol->what, result->rounds);
	if (settings.count != 0 && note[0] != '\0') {
		printf("# %s\n", note);
	}
	if (!result->held) {
		printf("# %s\n# replay: %s\n", stress_failure(), replay_text);
	}
	(void)fflush(stdout);
}

static void say_json(const struct result *results, unsigned count)
{
	unsigned i = 0;

	printf("{\"seed\":%" PRIu64 ",\"threads\":%u,\"protocols\":[",
	       settings.seed, settings.threads);
	for (i = 0; i < count; i++) {
		printf("%s{\"name\":\"%s\",\"rounds\":%" PRIu64
		       ",\"last_seed\":%" PRIu64 ",\"ok\":%s}",
		       i == 0 ? "" : ",", results[i].protocol->name,
		       results[i].rounds, results[i].seed,
		       results[i].held ? "true" : "false");
	}
	printf("]");
	if (stress_failed()) {
		printf(",\"failure\":\"%s\",\"replay\":\"%s\"",
		       stress_failure(), replay_text);
	}
	printf("}\n");
}

static bool run_all(void)
{
	struct result results[PROTOCOLS];
	unsigned chosen = settings.only == NULL ? PROTOCOLS : 1;
	unsigned count = 0;
	bool held = true;
	size_t i = 0;

	if (!settings.json) {
		printf("1..%u\n# seed %" PRIu64 "\n", chosen, settings.seed);
		(void)fflush(stdout);
	}
	for (i = 0; i < PROTOCOLS && held; i++) {
		struct result *result = &results[count];

		if (settings.only != NULL &&
		    strcmp(settings.only, protocols[i]->name) != 0) {
			continue;
		}
		*result = (struct result){ .protocol = protocols[i] };
		run((uint64_t)(settings.seconds * 1e9 / chosen), result);
		held = result->held;
		count++;
		if (!settings.json) {
			say_tap(result, count);
		}
	}
	if (settings.json) {
		say_json(results, count);
	}
	return held;
}

/* ---- command line ---- */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: weft-stress [--seconds N] [--seed S] [--threads N]\n"
		"                   [--only NAME [--count N]] [--rounds N]\n"
		"                   [--json]\n"
		"       weft-stress --list | --help\n"
		"\n"
		"Hammers what threads do with each other here; says TAP.\n"
		"\n"
		"  --seconds N  in all (10)\n"
		"  --seed S     of the first round (from the clock)\n"
		"  --threads N  about so many in each round (4)\n"
		"  --only NAME  this protocol alone\n"
		"  --count N    longer rounds: so many messages of each, or\n"
		"               so many loops\n"
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
		printf("%-12s %s\n", protocols[i]->name, protocols[i]->what);
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
static bool arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "threads", required_argument, NULL, 't' },
		{ "only", required_argument, NULL, 'o' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			settings.seconds = (double)number(optarg, "--seconds");
			break;
		case 'S':
			settings.seed = number(optarg, "--seed");
			break;
		case 't':
			settings.threads = (unsigned)number(optarg,
							    "--threads");
			break;
		case 'o':
			settings.only = optarg;
			break;
		case 'r':
			settings.rounds = number(optarg, "--rounds");
			break;
		case 'c':
			settings.count = (unsigned)number(optarg, "--count");
			break;
		case 'j':
			settings.json = true;
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
	if (optind < argc || settings.threads == 0 || settings.threads > 256 ||
	    (settings.only == NULL ? settings.count != 0
				   : !known(settings.only))) {
		usage(stderr);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	settings.seed = stress_now_ns() / 1000;
	if (!arguments(argc, argv)) {
		return 0;
	}
	(void)signal(SIGALRM, hung);
	stress_begin();
	return run_all() ? 0 : 1;
}
