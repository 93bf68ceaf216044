/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 2, "Time
 * event": a complete program.
 *
 * Changed: 10 milliseconds for 2 seconds, and 300 for a minute. The last line's
 * number is the number of repetitions: 30, as the text says, or fewer on a busy
 * machine, since each time is counted from when the one before was served.
 */
#include <stdio.h>
#include <sys/time.h>
#include <tevent.h>
#include <unistd.h>

struct state {
	struct timeval endtime;
	int counter;
	TALLOC_CTX *ctx;
};

static void callback(struct tevent_context *ev, struct tevent_timer *tim,
		     struct timeval current_time, void *private_data)
{
	struct state *data = talloc_get_type_abort(private_data, struct state);
	struct tevent_timer *time_event;
	struct timeval schedule;

	printf("Data value: %d\n", data->counter);
	data->counter += 1; // increase counter

	// if time has not reached its limit, set another event
	if (tevent_timeval_compare(&current_time, &(data->endtime)) < 0) {
		// do something
		// set repeat with delay 2 seconds
		schedule = tevent_timeval_current_ofs(0, 10000);
		time_event = tevent_add_timer(ev, data->ctx, schedule, callback,
					      data);
		if (time_event == NULL) { // error ...
			fprintf(stderr, "MEMORY PROBLEM\n");
			return;
		}
	} else {
		// time limit exceeded
	}
}

int main(void)
{
	struct tevent_context *event_ctx;
	TALLOC_CTX *mem_ctx;
	struct tevent_timer *time_event;
	struct timeval schedule;

	mem_ctx = talloc_new(NULL); // parent
	event_ctx = tevent_context_init(mem_ctx);

	struct state *data = talloc(mem_ctx, struct state);

	schedule = tevent_timeval_current_ofs(0, 10000); // +2 second time value
	// one minute time limit
	data->endtime = tevent_timeval_add(&schedule, 0, 300000);
	data->ctx = mem_ctx;
	data->counter = 0;

	// add time event
	time_event = tevent_add_timer(event_ctx, mem_ctx, schedule, callback,
				      data);
	if (time_event == NULL) {
		fprintf(stderr, "FAILED\n");
		return EXIT_FAILURE;
	}

	tevent_loop_wait(event_ctx);
	talloc_free(mem_ctx);
	return EXIT_SUCCESS;
}
