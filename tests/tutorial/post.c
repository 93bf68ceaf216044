/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 2.
 *
 * Output:
 *      store: 1: cellar 11.5
 *      store: 2: roof 23.0
 *      store: 3: cellar 12.1
 */
#include <errno.h>
#include <stdio.h>

#include <weft.h>

struct reading {
	const char *place;
	double celsius;
};

struct store {
	unsigned count;
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

	printf("store: %u: %s %.1f\n", ++store->count, reading->place,
	       reading->celsius);
	talloc_steal(store, reading);
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

int main(void)
{
	const struct weft_loop_options options = {
		.name = "store",
		.init = store_open,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_loop *store = NULL;

	if (ev == NULL || weft_loop_start(ev, &options, &store) != 0 ||
	    reading_post(weft_loop_addr(store), "cellar", 11.5) != 0 ||
	    reading_post(weft_loop_addr(store), "roof", 23.0) != 0 ||
	    reading_post(weft_loop_addr(store), "cellar", 12.1) != 0 ||
	    weft_loop_stop_send(ev, ev, store) == NULL) {
		return 1;
	}
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
