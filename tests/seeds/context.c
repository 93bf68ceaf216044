/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 1, "Tevent
 * context": its fragment made a program, with both loops of the chapter.
 *
 * Added: what the error handling does, the timers that the loops look at.
 *
 * Output:
 *      once: 1
 *      once: 2
 *      wait: 3
 *      wait: 4
 */
#include <stdio.h>
#include <stdlib.h>
#include <tevent.h>

static int count;

static void count_up(struct tevent_context *ev, struct tevent_timer *te,
		     struct timeval current_time, void *private_data)
{
	const char *loop = private_data;

	printf("%s: %d\n", loop, ++count);
}

static void add_two(struct tevent_context *ev, char *loop)
{
	struct timeval now = tevent_timeval_current();

	if (tevent_add_timer(ev, ev, now, count_up, loop) == NULL ||
	    tevent_add_timer(ev, ev, now, count_up, loop) == NULL) {
		exit(EXIT_FAILURE);
	}
}

int main(void)
{
	char once[] = "once";
	char wait[] = "wait";

	TALLOC_CTX *mem_ctx = talloc_new(NULL);
	if (mem_ctx == NULL) {
		// error handling
		return EXIT_FAILURE;
	}

	struct tevent_context *ev_ctx = tevent_context_init(mem_ctx);
	if (ev_ctx == NULL) {
		// error handling
		talloc_free(mem_ctx);
		return EXIT_FAILURE;
	}

	// waits for a single event
	add_two(ev_ctx, once);
	while (count < 2) {
		if (tevent_loop_once(ev_ctx) != 0) {
			return EXIT_FAILURE;
		}
	}

	// lasts until there is nothing left to wait for
	add_two(ev_ctx, wait);
	if (tevent_loop_wait(ev_ctx) != 0) {
		return EXIT_FAILURE;
	}

	talloc_free(mem_ctx);
	return EXIT_SUCCESS;
}
