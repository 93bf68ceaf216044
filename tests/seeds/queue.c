/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 5, "Example
 * of tevent queue": a complete program.
 *
 * Changed: 10 milliseconds for a second; the number of a request is kept before
 * the request is freed (the text prints it from freed memory, twice); `ret` has
 * a value where the text prints it without. The rest, with its variables that
 * nobody uses and its %d for a size_t, is as printed.
 *
 * Warnings: unused-variable in, unused-variable tim, format, format, format,
 * unused-but-set-variable tmp
 * Output:
 *      INIT
 *      Queue is runnning (length: 0)
 *      foo_send
 *      foo_send
 *      foo_send
 *      foo_send
 *      Queue length: 4
 *      Processing request #1
 *      Queue: 4 items left
 *      time_handler
 *      Callback is done...
 *      Request #1 set as done.
 *      Queue: 3 items left
 *      Processing request #2
 *      Queue: 3 items left
 *      time_handler
 *      Callback is done...
 *      Request #2 set as done.
 *      Queue: 2 items left
 *      Processing request #3
 *      Callback is done...
 *      Request #3 set as done.
 *      Queue: 1 items left
 *      Processing request #4
 *      Queue: 1 items left
 *      time_handler
 *      Callback is done...
 *      Request #4 set as done.
 *      Queue: 0 items left
 *      FINISH
 */
#include <stdio.h>
#include <tevent.h>
#include <unistd.h>

struct foo_state {
	int local_var;
	int x;
};

struct juststruct {
	TALLOC_CTX *ctx;
	struct tevent_context *ev;
	int y;
};

int created = 0;

static void timer_handler(struct tevent_context *ev, struct tevent_timer *te,
			  struct timeval current_time, void *private_data)
{
	// time event which after all sets request as done. Following item from
	// the queue may be invoked.
	struct tevent_req *req = private_data;
	struct foo_state *stateX = tevent_req_data(req, struct foo_state);
	int x = stateX->x;

	// processing some stuff

	printf("time_handler\n");

	tevent_req_done(req);
	talloc_free(req);

	printf("Request #%d set as done.\n", x);
}

static void trigger(struct tevent_req *req, void *private_data)
{
	struct juststruct *priv = tevent_req_callback_data(req,
							   struct juststruct);
	struct foo_state *in = tevent_req_data(req, struct foo_state);
	int x = in->x;
	struct timeval schedule;
	struct tevent_timer *tim;
	schedule = tevent_timeval_current_ofs(0, 10000);
	printf("Processing request #%d\n", in->x);

	if (in->x % 3 == 0) { // just example; third request does not contain
		// any further operation and will be finished right
		// away.
		tim = NULL;
	} else {
		tim = tevent_add_timer(priv->ev, req, schedule, timer_handler,
				       req);
	}

	if (tim == NULL) {
		tevent_req_done(req);
		talloc_free(req);
		printf("Request #%d set as done.\n", x);
	}
}

struct tevent_req *foo_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			    const char *name, int num)
{
	struct tevent_req *req;
	struct foo_state *state;
	struct foo_state *in;
	struct tevent_timer *tim;

	printf("foo_send\n");
	req = tevent_req_create(mem_ctx, &state, struct foo_state);
	if (req == NULL) { // check for appropriate allocation
		tevent_req_error(req, 1);
		return NULL;
	}

	// exemplary filling of variables
	state->local_var = 1;
	state->x = num;

	return req;
}

static void foo_done(struct tevent_req *req)
{
	enum tevent_req_state state;
	uint64_t err;

	if (tevent_req_is_error(req, &state, &err)) {
		printf("ERROR WAS SET %d\n", state);
		return;
	} else {
		// processing some stuff
		printf("Callback is done...\n");
	}
}

int main(int argc, char **argv)
{
	TALLOC_CTX *mem_ctx;
	struct tevent_req *req[6];
	struct tevent_req *tmp;
	struct tevent_context *ev;
	struct tevent_queue *fronta = NULL;
	struct juststruct *data;
	int ret = 0;
	int i = 0;

	const char *const names[] = { "first", "second", "third", "fourth",
				      "fifth" };

	printf("INIT\n");

	mem_ctx = talloc_new(NULL); // parent
	talloc_parent(mem_ctx);
	ev = tevent_context_init(mem_ctx);
	if (ev == NULL) {
		fprintf(stderr, "MEMORY ERROR\n");
		return EXIT_FAILURE;
	}

	// setting up queue
	fronta = tevent_queue_create(mem_ctx, "test_queue");
	tevent_queue_stop(fronta);
	tevent_queue_start(fronta);
	if (tevent_queue_running(fronta)) {
		printf("Queue is runnning (length: %d)\n",
		       tevent_queue_length(fronta));
	} else {
		printf("Queue is not runnning\n");
	}

	data = talloc(ev, struct juststruct);
	data->ctx = mem_ctx;
	data->ev = ev;

	// create 4 requests
	for (i = 1; i < 5; i++) {
		req[i] = foo_send(mem_ctx, ev, names[i], i);
		tmp = req[i];
		if (req[i] == NULL) {
			fprintf(stderr, "Request error! %d \n", ret);
			break;
		}
		tevent_req_set_callback(req[i], foo_done, data);
		created++;
	}

	// add item to a queue
	tevent_queue_add(fronta, ev, req[1], trigger, data);
	tevent_queue_add(fronta, ev, req[2], trigger, data);
	tevent_queue_add(fronta, ev, req[3], trigger, data);
	tevent_queue_add(fronta, ev, req[4], trigger, data);

	printf("Queue length: %d\n", tevent_queue_length(fronta));
	while (tevent_queue_length(fronta) > 0) {
		tevent_loop_once(ev);
		printf("Queue: %d items left\n", tevent_queue_length(fronta));
	}

	talloc_free(mem_ctx);
	printf("FINISH\n");

	return EXIT_SUCCESS;
}
