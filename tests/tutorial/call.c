/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 3.
 *
 * Output:
 *      main: cellar: 2 readings, 11.8 on average
 *      main: garage: No such file or directory
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

struct reading {
	struct reading *next;
	const char *place;
	double celsius;
};

struct store {
	struct reading *newest;
};

struct question {
	const char *place;
	unsigned count;
	double sum;
};

static int store_open(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	*ret_state = talloc_zero(ev, struct store);
	return *ret_state != NULL ? 0 : ENOMEM;
}

static void store_put(struct weft_mailbox *mailbox, void *block)
{
	struct store *store = weft_mailbox_private(mailbox);
	struct reading *reading = talloc_get_type_abort(block, struct reading);

	reading->next = store->newest;
	store->newest = talloc_steal(store, reading);
}

static void store_average(struct weft_mailbox *mailbox, struct weft_call *call,
			  void *block)
{
	struct store *store = weft_mailbox_private(mailbox);
	struct question *question = talloc_get_type_abort(block,
							  struct question);
	struct reading *reading = NULL;

	for (reading = store->newest; reading; reading = reading->next) {
		if (strcmp(reading->place, question->place) == 0) {
			question->count++;
			question->sum += reading->celsius;
		}
	}
	weft_call_reply(call, question->count > 0 ? 0 : ENOENT);
}

static int reading_post(weft_addr_t to, const char *place, double celsius)
{
	struct reading *reading = talloc(NULL, struct reading);
	int err = 0;

	if (reading == NULL) {
		return ENOMEM;
	}
	reading->place = place;
	reading->celsius = celsius;
	err = weft_post(to, store_put, &reading);
	talloc_free(reading);
	return err;
}

static void answered(struct tevent_req *req)
{
	struct question *question = NULL;
	int err = weft_call_recv(req, req, &question);

	if (err == 0) {
		printf("main: %s: %u readings, %.1f on average\n",
		       question->place, question->count,
		       question->sum / question->count);
	} else if (question != NULL) {
		printf("main: %s: %s\n", question->place, strerror(err));
	}
	talloc_free(req);
}

static bool ask(struct tevent_context *ev, weft_addr_t to, const char *place)
{
	struct question *question = talloc_zero(ev, struct question);
	struct tevent_req *req = NULL;

	if (question == NULL) {
		return false;
	}
	question->place = place;
	req = weft_call_send(ev, ev, to, store_average, &question, NULL);
	if (req == NULL) {
		return false;
	}
	tevent_req_set_callback(req, answered, NULL);
	return true;
}

int main(void)
{
	const struct weft_loop_options options = {
		.name = "store",
		.init = store_open,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_loop *loop = NULL;
	weft_addr_t store = { 0 };

	if (ev == NULL || weft_loop_start(ev, &options, &loop) != 0) {
		return 1;
	}
	store = weft_loop_addr(loop);
	if (reading_post(store, "cellar", 11.5) != 0 ||
	    reading_post(store, "roof", 23.0) != 0 ||
	    reading_post(store, "cellar", 12.1) != 0 ||
	    !ask(ev, store, "cellar") || !ask(ev, store, "garage")) {
		return 1;
	}
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
