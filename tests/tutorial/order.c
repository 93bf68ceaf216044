/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 7.
 *
 * Output:
 *      main: the sensor has ended
 *      store: closed with 3 readings
 *      main: the store has ended
 *      main: a late reading: Operation canceled
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

struct program {
	struct tevent_context *ev;
	struct weft_loop *sensor;
	struct weft_loop *store;
};

static int store_open(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	*ret_state = talloc_zero(ev, unsigned);
	return *ret_state != NULL ? 0 : ENOMEM;
}

static void store_put(struct weft_mailbox *mailbox, void *block)
{
	unsigned *count = weft_mailbox_private(mailbox);

	++*count;
}

static void store_close(struct tevent_context *ev, void *state,
			void *private_data)
{
	unsigned *count = state;

	printf("store: closed with %u readings\n", *count);
}

static int sensor_open(struct tevent_context *ev, unsigned index,
		       void **ret_state, void *private_data)
{
	*ret_state = private_data;
	return 0;
}

static void sensor_read(struct weft_mailbox *mailbox, void *block)
{
	weft_addr_t *store = weft_mailbox_private(mailbox);

	(void)weft_post(*store, store_put, NULL);
}

static void store_ended(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);
	weft_addr_t store = weft_loop_addr(program->store);

	if (weft_loop_stop_recv(req) == 0) {
		puts("main: the store has ended");
	}
	talloc_free(req);
	printf("main: a late reading: %s\n",
	       strerror(weft_post(store, store_put, NULL)));
}

static void sensor_ended(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);

	if (weft_loop_stop_recv(req) == 0) {
		puts("main: the sensor has ended");
	}
	talloc_free(req);
	req = weft_loop_stop_send(program->ev, program->ev, program->store);
	if (req != NULL) {
		tevent_req_set_callback(req, store_ended, program);
	}
}

static int begin(struct program *program, weft_addr_t *store)
{
	const struct weft_loop_options store_options = {
		.name = "store",
		.init = store_open,
		.fini = store_close,
	};
	const struct weft_loop_options sensor_options = {
		.name = "sensor",
		.init = sensor_open,
		.private_data = store,
	};
	int err = weft_loop_start(program->ev, &store_options, &program->store);

	if (err != 0) {
		return err;
	}
	*store = weft_loop_addr(program->store);
	return weft_loop_start(program->ev, &sensor_options, &program->sensor);
}

int main(void)
{
	struct program program = { .ev = tevent_context_init(NULL) };
	weft_addr_t store = { 0 };
	struct tevent_req *req = NULL;
	int i = 0;

	if (program.ev == NULL || begin(&program, &store) != 0) {
		return 1;
	}
	for (i = 0; i < 3; i++) {
		if (weft_post(weft_loop_addr(program.sensor), sensor_read,
			      NULL) != 0) {
			return 1;
		}
	}
	req = weft_loop_stop_send(program.ev, program.ev, program.sensor);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, sensor_ended, &program);
	tevent_loop_wait(program.ev);
	return talloc_free(program.ev);
}
