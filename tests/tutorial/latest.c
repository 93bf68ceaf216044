/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 6.
 *
 * Output:
 *      main: now at 1000, after 1000 steps
 */
#include <errno.h>
#include <stdio.h>

#include <weft.h>

struct position {
	unsigned x;
	unsigned steps;
};

/* On the sensor's thread: the newer one takes over what it must not lose. */
static void position_merge(void *newer, void *older)
{
	struct position *here = talloc_get_type_abort(newer, struct position);
	struct position *there = talloc_get_type_abort(older, struct position);

	here->steps += there->steps;
}

static void position_arrived(struct weft_mailbox *mailbox, void *block)
{
	struct position *here = talloc_get_type_abort(block, struct position);
	bool *arrived = weft_mailbox_private(mailbox);

	printf("main: now at %u, after %u steps\n", here->x, here->steps);
	*arrived = here->x == 1000;
}

/* On the sensor's thread. */
static void sensor_walk(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	weft_addr_t *to = block;
	unsigned x = 0;
	int err = 0;

	for (x = 1; x <= 1000 && err == 0; x++) {
		struct position *here = talloc(NULL, struct position);

		if (here == NULL) {
			err = ENOMEM;
			break;
		}
		here->x = x;
		here->steps = 1;
		err = weft_post(*to, position_arrived, &here);
		talloc_free(here);
	}
	weft_call_reply(call, err);
}

int main(void)
{
	bool arrived = false;
	const struct weft_mailbox_options options = {
		.private_data = &arrived,
		.latest = true,
		.merge = position_merge,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	weft_addr_t *to = talloc(ev, weft_addr_t);
	struct weft_mailbox *mailbox = NULL;
	struct weft_loop *sensor = NULL;

	if (to == NULL || weft_loop_start(ev, NULL, &sensor) != 0 ||
	    weft_mailbox_create(ev, ev, &options, &mailbox) != 0) {
		return 1;
	}
	*to = weft_mailbox_addr(mailbox);
	if (weft_call_wait(weft_loop_addr(sensor), sensor_walk, &to,
			   UINT_MAX) != 0) {
		return 1;
	}
	talloc_free(to);
	while (!arrived) {
		if (tevent_loop_once(ev) != 0) {
			return 1;
		}
	}
	return talloc_free(ev);
}
