/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 2, "Immediate
 * event": the fragment run() made a program that shows the order which the
 * chapter states: signals, immediates as they were scheduled, then the rest.
 *
 * Changed: run() takes the context by pointer; the text leaves the star out.
 *
 * Output:
 *      signal
 *      first
 *      second
 *      timer
 */
#include <signal.h>
#include <stdio.h>
#include <tevent.h>

static void foo(struct tevent_context *ev, struct tevent_immediate *im,
		void *private_data)
{
	puts(private_data);
}

struct tevent_immediate *run(TALLOC_CTX *mem_ctx,
			     struct tevent_context *event_ctx, void *data)
{
	struct tevent_immediate *im;

	im = tevent_create_immediate(mem_ctx);
	if (im == NULL) {
		return NULL;
	}
	tevent_schedule_immediate(im, event_ctx, foo, data);

	return im;
}

static void on_timer(struct tevent_context *ev, struct tevent_timer *te,
		     struct timeval current_time, void *private_data)
{
	puts("timer");
}

static void on_signal(struct tevent_context *ev, struct tevent_signal *se,
		      int signum, int count, void *siginfo, void *private_data)
{
	puts("signal");
	talloc_free(se); // the loop need not wait for another
}

int main(void)
{
	char first[] = "first";
	char second[] = "second";
	TALLOC_CTX *mem_ctx = talloc_new(NULL);
	struct tevent_context *event_ctx = tevent_context_init(mem_ctx);

	if (event_ctx == NULL ||
	    tevent_add_timer(event_ctx, mem_ctx, tevent_timeval_zero(),
			     on_timer, NULL) == NULL ||
	    run(mem_ctx, event_ctx, first) == NULL ||
	    run(mem_ctx, event_ctx, second) == NULL ||
	    tevent_add_signal(event_ctx, mem_ctx, SIGUSR1, 0, on_signal,
			      NULL) == NULL) {
		return EXIT_FAILURE;
	}
	raise(SIGUSR1);

	tevent_loop_wait(event_ctx);
	talloc_free(mem_ctx);
	return EXIT_SUCCESS;
}
