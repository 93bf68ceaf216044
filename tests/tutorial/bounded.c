/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 5.
 *
 * Output:
 *      main: 4 were accepted
 *      main: 4 wait, too many
 *      main: reading 0
 *      main: reading 1
 *      main: 1 wait, go on
 *      main: reading 2
 *      main: reading 3
 */
#include <errno.h>
#include <stdio.h>

#include <weft.h>

static void filling(struct weft_mailbox *mailbox, unsigned waiting, bool above)
{
	printf("main: %u wait, %s\n", waiting, above ? "too many" : "go on");
}

static void reading_arrived(struct weft_mailbox *mailbox, void *block)
{
	bool *last = weft_mailbox_private(mailbox);
	unsigned *number = block;

	printf("main: reading %u\n", *number);
	*last = *number == 3;
}

struct order {
	weft_addr_t to;
	unsigned accepted;
};

/* On the sensor's thread: sends until nothing more is taken. */
static void sensor_send(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	struct order *order = talloc_get_type_abort(block, struct order);
	unsigned *number = NULL;
	int err = 0;

	while (err == 0) {
		number = talloc(NULL, unsigned);
		if (number == NULL) {
			break;
		}
		*number = order->accepted;
		err = weft_post(order->to, reading_arrived, &number);
		if (err == 0) {
			order->accepted++;
		}
	}
	talloc_free(number);
	weft_call_reply(call, err == EAGAIN ? 0 : err);
}

int main(void)
{
	bool last = false;
	const struct weft_mailbox_options options = {
		.private_data = &last,
		.limit = 4,
		.high = 3,
		.low = 1,
		.watermark = filling,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct order *order = talloc_zero(ev, struct order);
	struct weft_mailbox *mailbox = NULL;
	struct weft_loop *sensor = NULL;

	if (order == NULL || weft_loop_start(ev, NULL, &sensor) != 0 ||
	    weft_mailbox_create(ev, ev, &options, &mailbox) != 0) {
		return 1;
	}
	order->to = weft_mailbox_addr(mailbox);
	if (weft_call_wait(weft_loop_addr(sensor), sensor_send, &order,
			   UINT_MAX) != 0) {
		return 1;
	}
	printf("main: %u were accepted\n", order->accepted);
	talloc_free(order);
	while (!last) {
		if (tevent_loop_once(ev) != 0) {
			return 1;
		}
	}
	return talloc_free(ev);
}
