/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Options: the command line.
 */
#include "tools/shelf/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>

#define WORKERS_MAX 1024
#define QUEUE_MAX   1000000
#define DRAIN_MAX   3600
#define NICE_MAX    19
#define MIB         ((size_t)1024 * 1024)
#define UPLOAD_MAX  1024 /* MiB */

static const char help[] =
	"Usage: weft-shelf [OPTION]...\n"
	"Serve the files below a directory over HTTP on 127.0.0.1: their\n"
	"SHA-256, thumbnails of JPEGs, and a log-in that is expensive to try;\n"
	"keep objects that are uploaded; look up hosts.\n"
	"\n"
	"  --root DIR       what to serve; nothing outside it (.)\n"
	"  --store DIR      where objects are kept; without it, nowhere\n"
	"  --max-upload N   how large one may be, in MiB, up to 1024 (64)\n"
	"  --port N         where to listen; 0: any free port (8080)\n"
	"  --workers N      threads that compute; 0: one for each CPU (0)\n"
	"  --queue N        how much work of a kind may wait, and how many\n"
	"                   uploads there may be; more is refused (64)\n"
	"  --drain SECONDS  how long SIGTERM waits for answers (30)\n"
	"  --nice N         nice value of the workers, 0 to 19 (10)\n"
	"  --inline         do the work in the loop, without threads\n"
	"  --monitor PATH   a socket for weft-top, which may stop jobs\n"
	"  --help           this text\n"
	"  --version        the version\n"
	"\n"
	"  GET /ping                pong\n"
	"  GET /sum/PATH            the file's SHA-256\n"
	"  GET /thumb/PATH?w=N      a JPEG of at most N pixels' width, up to\n"
	"                           1024 (200)\n"
	"  POST /login              user=NAME&password=PASSWORD; for trying:\n"
	"                           alice, 'correct horse'; bob, 'tr0ub4dor'\n"
	"  GET /resolve/HOST        its addresses, as JSON, within 500 ms\n"
	"  PUT /o/NAME              keeps what is sent; tells what it is\n"
	"  GET /o/NAME              brings it back\n"
	"  GET /jobs                what the workers do, as JSON\n"
	"  DELETE /jobs/ID          ends one of these\n"
	"  GET /stats               numbers, as JSON\n"
	"\n"
	"SIGTERM and SIGINT: answer what was asked, then end; again: end now.\n"
	"Exit status: 0 ended as told, 1 could not start, 2 bad usage.\n";

enum {
	OPTION_ROOT = 256,
	OPTION_STORE,
	OPTION_MAX_UPLOAD,
	OPTION_PORT,
	OPTION_WORKERS,
	OPTION_QUEUE,
	OPTION_DRAIN,
	OPTION_NICE,
	OPTION_INLINE,
	OPTION_MONITOR,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option names[] = {
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "max-upload", required_argument, NULL, OPTION_MAX_UPLOAD },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "workers", required_argument, NULL, OPTION_WORKERS },
	{ "queue", required_argument, NULL, OPTION_QUEUE },
	{ "drain", required_argument, NULL, OPTION_DRAIN },
	{ "nice", required_argument, NULL, OPTION_NICE },
	{ "inline", no_argument, NULL, OPTION_INLINE },
	{ "monitor", required_argument, NULL, OPTION_MONITOR },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool number_parse(const char *name, unsigned long min, unsigned long max,
			 unsigned long *ret_number)
{
	unsigned long number = 0;
	char *end = NULL;

	errno = 0;
	number = strtoul(optarg, &end, 10);
	if (optarg[strspn(optarg, "0123456789")] != '\0' || end == optarg ||
	    errno != 0 || number < min || number > max) {
		(void)fprintf(stderr,
			      "weft-shelf: --%s takes a number from %lu to "
			      "%lu, not '%s'\n",
			      name, min, max, optarg);
		return false;
	}
	*ret_number = number;
	return true;
}

/* One option; false when its argument is bad. */
static bool option_take(struct options *options, int option)
{
	unsigned long number = 0;
	bool ok = true;

	switch (option) {
	case OPTION_ROOT:
		options->root = optarg;
		return true;
	case OPTION_STORE:
		options->store = optarg;
		return true;
	case OPTION_MAX_UPLOAD:
		ok = number_parse("max-upload", 1, UPLOAD_MAX, &number);
		options->upload_max = number * MIB;
		return ok;
	case OPTION_PORT:
		ok = number_parse("port", 0, UINT16_MAX, &number);
		options->port = (uint16_t)number;
		return ok;
	case OPTION_WORKERS:
		ok = number_parse("workers", 0, WORKERS_MAX, &number);
		options->workers = (unsigned)number;
		return ok;
	case OPTION_QUEUE:
		ok = number_parse("queue", 1, QUEUE_MAX, &number);
		options->queue = (unsigned)number;
		return ok;
	case OPTION_DRAIN:
		ok = number_parse("drain", 0, DRAIN_MAX, &number);
		options->drain_seconds = (unsigned)number;
		return ok;
	case OPTION_NICE:
		ok = number_parse("nice", 0, NICE_MAX, &number);
		options->nice = (int)number;
		return ok;
	case OPTION_INLINE:
		options->here = true;
		return true;
	case OPTION_MONITOR:
		options->monitor = optarg;
		return true;
	default:
		return false; /* getopt_long has said why */
	}
}

/* Thread: main.  Lock: none.
 * Owns:   @options points into @argv.
 * Return: what to do.
 */
enum options_verdict options_parse(int argc, char **argv,
				   struct options *options)
{
	/* Why 10: a loop that wakes up must not wait until a worker has used up
	 * its turn. With both processors hashing, a ping waits 1 ms at most
	 * (99 of 100), 7 ms with 0; alone on the machine the work is no
	 * slower. */
	*options = (struct options){
		.root = ".",
		.upload_max = 64 * MIB,
		.port = 8080,
		.queue = 64,
		.drain_seconds = 30,
		.nice = 10,
	};
	for (;;) {
		const int option = getopt_long(argc, argv, "", names, NULL);

		if (option == -1) {
			break;
		}
		if (option == OPTION_HELP) {
			(void)fputs(help, stdout);
			return OPTIONS_SAID;
		}
		if (option == OPTION_VERSION) {
			(void)printf("weft-shelf %s\n", weft_version());
			return OPTIONS_SAID;
		}
		if (!option_take(options, option)) {
			return OPTIONS_BAD;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "weft-shelf: what is '%s'? See --help.\n",
			      argv[optind]);
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
