/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* weft-top: what the loops, pools and jobs of a program do, as it happens.
 *
 *     program's monitor <-- link.c -- main.c --> view.c --> page.c
 *                                                             |
 *                                   terminal: screen.c <------+----> a pipe
 *
 * It asks and shows, and never makes the program wait: it has one question out.
 * A program that does not answer is shown as it was, with how long it has been
 * silent; that is what one has come to see.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <weft.h>

#include "tools/top/link.h"
#include "tools/top/page.h"
#include "tools/top/screen.h"
#include "tools/top/view.h"

#define INTERVAL_DEFAULT_MS 1000
#define INTERVAL_MIN_MS     100
#define INTERVAL_MAX_MS     3600000
#define PATIENCE_MS         5000

enum exit_status {
	EXIT_DONE = 0,
	EXIT_NO_ANSWER = 1,
	EXIT_BAD_USE = 2,
};

static const char help[] =
	"Usage: weft-top [OPTION]... SOCKET\n"
	"Show what the loops, pools and jobs of a program do that has\n"
	"opened this monitor socket.\n"
	"\n"
	"  --once          one page of text, then end\n"
	"  --json          the same as JSON, as the program tells it\n"
	"  --stop ID POOL  tell the job that runs under this number to stop\n"
	"  --interval MS   from page to page, 100 to 3600000 (1000)\n"
	"  --help          this text\n"
	"  --version       the version\n"
	"\n"
	"On a terminal: q ends; space pauses; + and - change the interval;\n"
	"s tells a job to stop; arrows and page keys move. Elsewhere pages\n"
	"follow each other until the program or the reader ends.\n"
	"Exit status: 0 done, 1 no answer or refused, 2 bad usage.\n";

struct top {
	struct link link;
	const char *path;
	const char *stop; /* NULL: none */
	const char *pool;
	bool once;
	bool json;
	int interval_ms;
	json_t *now;    /* the latest snapshot, or NULL */
	json_t *before; /* the one before, or NULL */
	struct page page;
	const char *note; /* what came of the last key */
	int64_t heard_ms;
	bool paused;
	bool over;
};

static int64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum exit_status complain(const struct top *top, const char *why)
{
	(void)fprintf(stderr, "weft-top: %s: %s\n", top->path, why);
	return EXIT_NO_ANSWER;
}

/* ---- one answer ---- */

static json_t *parse(const char *line)
{
	json_error_t error;

	return json_loads(line, JSON_REJECT_DUPLICATES, &error);
}

/* Asks and waits. Return: malloc's; NULL: no answer, which was said. */
static char *ask_once(struct top *top, const char *command)
{
	enum link_heard heard = LINK_GONE;
	char *line = NULL;
	bool sent = link_ask(&top->link, command);

	if (sent) {
		heard = link_hear(&top->link, PATIENCE_MS, &line);
	}
	if (heard == LINK_SILENT) {
		(void)complain(top, "does not answer");
	} else if (heard == LINK_GONE) {
		(void)complain(top, "has hung up");
	}
	return line;
}

static enum exit_status stop_job(struct top *top)
{
	enum exit_status status = EXIT_DONE;
	const json_t *error = NULL;
	json_t *answer = NULL;
	char command[160];
	char *line = NULL;

	(void)snprintf(command, sizeof(command), "stop %s %s", top->stop,
		       top->pool);
	line = ask_once(top, command);
	if (line == NULL) {
		return EXIT_NO_ANSWER;
	}
	answer = parse(line);
	error = json_object_get(answer, "error");
	if (answer == NULL || error != NULL) {
		status = complain(top, answer == NULL
					       ? "talks nonsense"
					       : json_string_value(error));
	}
	json_decref(answer);
	free(line);
	return status;
}

static void print_page(const struct page *page)
{
	size_t i = 0;

	for (i = 0; i < page->count; i++) {
		(void)puts(page->lines[i].text);
	}
	(void)fflush(stdout);
}

static enum exit_status show_once(struct top *top)
{
	char *line = ask_once(top, "snapshot");
	json_t *now = NULL;

	if (line == NULL) {
		return EXIT_NO_ANSWER;
	}
	now = parse(line);
	if (!json_is_object(now) || json_object_get(now, "pools") == NULL) {
		json_decref(now);
		free(line);
		return complain(top, "talks nonsense");
	}
	if (top->json) {
		(void)puts(line);
	} else {
		view_fill(&top->page, now, NULL);
		print_page(&top->page);
	}
	json_decref(now);
	free(line);
	return EXIT_DONE;
}

/* ---- again and again ---- */

/* Return: false: the program has gone. */
static bool listen_ms(struct top *top, int ms)
{
	char *line = NULL;
	enum link_heard heard = link_hear(&top->link, ms, &line);
	json_t *now = NULL;

	if (heard != LINK_LINE) {
		return heard == LINK_SILENT;
	}
	now = parse(line);
	free(line);
	if (!json_is_object(now)) {
		json_decref(now);
		return false;
	}
	top->heard_ms = now_ms();
	if (json_object_get(now, "error") != NULL ||
	    json_object_get(now, "stopped") != NULL) {
		top->note = json_object_get(now, "error") != NULL
				    ? "refused"
				    : "told to stop";
		json_decref(now);
		return true;
	}
	json_decref(top->before);
	top->before = top->now;
	top->now = now;
	page_clear(&top->page);
	view_fill(&top->page, top->now, top->before);
	return true;
}

static enum exit_status show_pages(struct top *top)
{
	while (link_ask(&top->link, "snapshot")) {
		int64_t next_ms = now_ms() + top->interval_ms;
		int64_t rest_ms = 0;

		if (!listen_ms(top, PATIENCE_MS)) {
			break;
		}
		if (top->link.asked) {
			return complain(top, "does not answer");
		}
		print_page(&top->page);
		(void)puts("");
		if (fflush(stdout) != 0) {
			return EXIT_DONE;
		}
		rest_ms = next_ms - now_ms();
		(void)poll(NULL, 0, rest_ms > 0 ? (int)rest_ms : 0);
	}
	return complain(top, "has hung up");
}

/* The pool in which the job @id runs, or NULL. */
static const char *pool_of(const json_t *snapshot, const char *id)
{
	const json_t *pools = json_object_get(snapshot, "pools");
	size_t i = 0;
	size_t j = 0;

	for (i = 0; i < json_array_size(pools); i++) {
		const json_t *pool = json_array_get(pools, i);
		const json_t *jobs = json_object_get(pool, "jobs");

		for (j = 0; j < json_array_size(jobs); j++) {
			const json_t *job = json_array_get(jobs, j);
			char other[24];

			(void)snprintf(
				other, sizeof(other), "%" JSON_INTEGER_FORMAT,
				json_integer_value(json_object_get(job, "id")));
			if (strcmp(other, id) == 0) {
				return json_string_value(
					json_object_get(pool, "name"));
			}
		}
	}
	return NULL;
}

static void ask_and_stop(struct top *top)
{
	const char *pool = NULL;
	char command[160];
	char id[22] = "";

	screen_prompt("job to stop (its number): ", id, (int)sizeof(id));
	pool = pool_of(top->now, id);
	if (pool == NULL || top->link.asked) {
		top->note = pool == NULL ? "there is no such job" : "busy";
		return;
	}
	(void)snprintf(command, sizeof(command), "stop %s %s", id, pool);
	top->over = !link_ask(&top->link, command) ||
		    !listen_ms(top, PATIENCE_MS);
}

static void take_key(struct top *top, int key)
{
	top->note = "";
	switch (key) {
	case 'q':
		top->over = true;
		break;
	case ' ':
		top->paused = !top->paused;
		break;
	case '+':
		top->interval_ms *= top->interval_ms <= INTERVAL_MAX_MS / 2 ? 2
									    : 1;
		break;
	case '-':
		top->interval_ms /= top->interval_ms >= INTERVAL_MIN_MS * 2 ? 2
									    : 1;
		break;
	case 's':
		ask_and_stop(top);
		break;
	default:
		break;
	}
}

static void draw(struct top *top)
{
	int64_t silent_ms = now_ms() - top->heard_ms;
	char note[160];

	if (top->link.asked && silent_ms > top->interval_ms + 1000) {
		(void)snprintf(note, sizeof(note),
			       "no answer for %" PRId64 " s", silent_ms / 1000);
	} else {
		(void)snprintf(note, sizeof(note),
			       "q end  space %s  +- every %d ms  s stop a job  "
			       "%s",
			       top->paused ? "go on" : "pause",
			       top->interval_ms, top->note);
	}
	screen_show(&top->page, note);
}

/* Until the next page is due, or a key is there. Return: false: it is gone. */
static bool wait_for_more(struct top *top, int64_t next_ms)
{
	struct pollfd ready[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = top->link.fd, .events = POLLIN },
	};
	int64_t rest_ms = next_ms - now_ms();

	(void)poll(ready, 2, rest_ms > 0 ? (int)rest_ms : 0);
	if (ready[1].revents != 0 && !listen_ms(top, 0)) {
		return false;
	}
	/* Also when the terminal has changed its size. */
	for (int key = screen_key(); key != -1; key = screen_key()) {
		take_key(top, key);
	}
	return (ready[0].revents & (POLLHUP | POLLERR)) == 0;
}

static enum exit_status show_screen(struct top *top)
{
	bool there = true;
	int64_t next_ms = 0;

	top->heard_ms = now_ms();
	screen_begin();
	while (there && !top->over) {
		if (!top->paused && now_ms() >= next_ms) {
			there = link_ask(&top->link, "snapshot");
			next_ms = now_ms() + top->interval_ms;
		}
		there = there &&
			wait_for_more(top,
				      next_ms > now_ms()
					      ? next_ms
					      : now_ms() + top->interval_ms);
		draw(top);
	}
	screen_end();
	return there ? EXIT_DONE : complain(top, "has hung up");
}

/* ---- the command line ---- */

static enum exit_status bad_use(const char *why, const char *what)
{
	(void)fprintf(stderr, "weft-top: %s%s. See --help.\n", why, what);
	return EXIT_BAD_USE;
}

static bool interval_parse(struct top *top, const char *from)
{
	char *end = NULL;
	long ms = strtol(from, &end, 10);

	top->interval_ms = (int)ms;
	return end != from && *end == '\0' && ms >= INTERVAL_MIN_MS &&
	       ms <= INTERVAL_MAX_MS;
}

static enum exit_status parse_options(struct top *top, int argc, char **argv,
				      bool *ret_said)
{
	static const struct option names[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "stop", required_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option = 0;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'o':
			top->once = true;
			break;
		case 'j':
			top->json = true;
			break;
		case 's':
			top->stop = optarg;
			break;
		case 'i':
			if (!interval_parse(top, optarg)) {
				return bad_use("no interval: ", optarg);
			}
			break;
		case 'h':
			*ret_said = fputs(help, stdout) >= 0;
			return EXIT_DONE;
		case 'v':
			*ret_said = printf("weft-top %s\n", weft_version()) > 0;
			return EXIT_DONE;
		default:
			return EXIT_BAD_USE; /* getopt_long has said why */
		}
	}
	if (top->stop != NULL && optind < argc) {
		top->pool = argv[optind];
		optind++;
	}
	if (optind != argc - 1) {
		return bad_use(optind < argc ? "too many: "
					     : "no socket is named",
			       optind < argc ? argv[optind + 1] : "");
	}
	top->path = argv[optind];
	return EXIT_DONE;
}

static enum exit_status run(struct top *top)
{
	int ret = link_open(&top->link, top->path);

	if (ret != 0) {
		return complain(top, strerror(ret));
	}
	if (top->stop != NULL) {
		return stop_job(top);
	}
	if (top->once || top->json) {
		return show_once(top);
	}
	return isatty(STDOUT_FILENO) ? show_screen(top) : show_pages(top);
}

int main(int argc, char **argv)
{
	struct top top = { .link = { .fd = -1 },
			   .note = "",
			   .interval_ms = INTERVAL_DEFAULT_MS };
	bool said = false;
	enum exit_status status = parse_options(&top, argc, argv, &said);

	if (said || status != EXIT_DONE) {
		return (int)status;
	}
	status = run(&top);
	link_close(&top.link);
	page_clear(&top.page);
	json_decref(top.now);
	json_decref(top.before);
	return (int)status;
}
