/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Main of the bench's programs: runs a row and says what one operation has
 * cost, as bench.h describes.
 *
 * It says the best of its samples, for what else runs on the machine only ever
 * adds. It judges nothing and compares nothing: the script run starts it in
 * turns with the same program on other libraries.
 *
 * Where a program asks for it what turns the loop runs on one CPU, the last
 * that the program may use, and other threads on the others.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/bench.h"

#define NS_PER_MS       UINT64_C(1000000)
#define NS_PER_S        UINT64_C(1000000000)
#define SHRINK          100 /* --smoke: so much less of everything */
#define ROW_SECONDS_MAX 60
#define EXIT_NOT_HERE   3

struct settings {
	uint64_t ms;
	uint64_t samples; /* 0: as many as the time allows */
	bool smoke;
};

static uint64_t now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- what rows use ---- */

bool bench_again(const struct bench *bench)
{
	if (bench->taken == 0) {
		return true;
	}
	if (bench->samples != 0) {
		return bench->taken < bench->samples;
	}
	if (bench->row->samples != 0 && bench->taken >= bench->row->samples) {
		return false;
	}
	return now_ns() < bench->deadline_ns;
}

void bench_start(struct bench *bench)
{
	bench->start_ns = now_ns();
}

void bench_stop(struct bench *bench, uint64_t ops)
{
	uint64_t ns = now_ns() - bench->start_ns;

	bench_value(bench, (double)ns / (double)ops);
}

void bench_value(struct bench *bench, double value)
{
	if (bench->taken == 0 || (value > bench->best) == bench->row->higher) {
		bench->best = value;
	}
	bench->taken++;
}

void bench_wrong(const struct bench *bench, const char *text)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
		bench->row->name, text);
	exit(1);
}

void bench_cannot(const struct bench *bench, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
		bench->row->name, why);
	/* At once: what it has made until now is not a leak. */
	_exit(EXIT_NOT_HERE);
}

void bench_pin(bool last)
{
	static cpu_set_t all; /* of the process, before anything was pinned */
	cpu_set_t set;
	int cpu = CPU_SETSIZE - 1;

	if (CPU_COUNT(&all) == 0 &&
	    sched_getaffinity(0, sizeof(all), &all) != 0) {
		return;
	}
	while (cpu > 0 && !CPU_ISSET(cpu, &all)) {
		cpu--;
	}
	if (CPU_COUNT(&all) < 2) {
		return;
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!last) {
		CPU_XOR(&set, &set, &all);
	}
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- running ---- */

static void run(const struct bench_row *row, const struct settings *settings)
{
	unsigned shrink = settings->smoke ? SHRINK : 1;
	struct bench bench = {
		.row = row,
		.size = row->size < SHRINK ? row->size : row->size / shrink,
		.ops = row->ops / shrink,
		.samples = (unsigned)settings->samples,
		.deadline_ns = now_ns() + settings->ms * NS_PER_MS,
	};

	if (bench_pins) {
		bench_pin(true);
	}
	(void)alarm(ROW_SECONDS_MAX);
	row->run(&bench);
	(void)alarm(0);
	printf("%.3f\n", bench.best);
}

static const struct bench_row *find(const char *name)
{
	const struct bench_row *row = NULL;
	size_t i = 0;

	for (i = 0; bench_groups[i] != NULL; i++) {
		for (row = bench_groups[i]; row->name != NULL; row++) {
			if (strcmp(row->name, name) == 0) {
				return row;
			}
		}
	}
	fprintf(stderr, "%s: no row '%s'\n", program_invocation_short_name,
		name);
	exit(2);
}

/* ---- command line ---- */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: %s [--ms N | --samples N | --smoke] ROW\n"
		"       %s --list | --library | --help\n"
		"\n"
		"Runs one workload on the library that it is linked with;\n"
		"prints what one operation costs, the best of its samples.\n"
		"\n"
		"  --ms N       time to spend, at least one sample (200)\n"
		"  --samples N  so many, however long they take\n"
		"  --smoke      a hundredth of everything: does it work?\n"
		"  --list       row, group, unit, lower|higher, what\n"
		"  --library    the file of the library\n"
		"\n"
		"Exits 1 when a row does not get what it must, 3 when the\n"
		"machine cannot run it.\n",
		program_invocation_short_name, program_invocation_short_name);
}

static void list(void)
{
	const struct bench_row *row = NULL;
	size_t i = 0;

	for (i = 0; bench_groups[i] != NULL; i++) {
		for (row = bench_groups[i]; row->name != NULL; row++) {
			printf("%s\t%s\t%s\t%s\t%s\n", row->name,
			       row->group != NULL ? row->group : "other",
			       row->unit != NULL ? row->unit : "ns",
			       row->higher ? "higher" : "lower", row->what);
		}
	}
}

static void library(void)
{
	void *symbol = bench_symbol != NULL ? dlsym(RTLD_DEFAULT, bench_symbol)
					    : NULL;
	char path[4096];
	Dl_info info;

	if (bench_symbol == NULL) {
		printf("none\n");
		return;
	}
	if (symbol == NULL || dladdr(symbol, &info) == 0 ||
	    realpath(info.dli_fname, path) == NULL) {
		fprintf(stderr, "%s: no library\n",
			program_invocation_short_name);
		exit(1);
	}
	printf("%s\n", path);
}

static uint64_t number(const char *text)
{
	char *end = NULL;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0') {
		fprintf(stderr, "%s: '%s' is no number\n",
			program_invocation_short_name, text);
		exit(2);
	}
	return value;
}

/* Return: false: nothing is left to do. */
static bool arguments(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "ms", required_argument, NULL, 'm' },
		{ "samples", required_argument, NULL, 'n' },
		{ "smoke", no_argument, NULL, 's' },
		{ "list", no_argument, NULL, 'l' },
		{ "library", no_argument, NULL, 'L' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			settings->ms = number(optarg);
			break;
		case 'n':
			settings->samples = number(optarg);
			break;
		case 's':
			settings->smoke = true;
			settings->samples = 1;
			break;
		case 'l':
			list();
			return false;
		case 'L':
			library();
			return false;
		case 'h':
			usage(stdout);
			return false;
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind + 1 != argc) {
		usage(stderr);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct settings settings = { .ms = 200 };

	if (!arguments(argc, argv, &settings)) {
		return 0;
	}
	run(find(argv[optind]), &settings);
	return 0;
}
