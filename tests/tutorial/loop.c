/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 1.
 *
 * Output:
 *      store: opened
 *      store: closed
 *      main: the store has ended
 */
#include <stdio.h>

#include <weft.h>

static int store_open(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	puts("store: opened");
	return 0;
}

static void store_close(struct tevent_context *ev, void *state,
			void *private_data)
{
	puts("store: closed");
}

static void store_ended(struct tevent_req *req)
{
	if (weft_loop_stop_recv(req) == 0) {
		puts("main: the store has ended");
	}
	talloc_free(req);
}

int main(void)
{
	const struct weft_loop_options options = {
		.name = "store",
		.init = store_open,
		.fini = store_close,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_loop *store = NULL;
	struct tevent_req *req = NULL;

	if (ev == NULL || weft_loop_start(ev, &options, &store) != 0) {
		return 1;
	}
	req = weft_loop_stop_send(ev, ev, store);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, store_ended, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
