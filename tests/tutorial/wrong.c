/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 8: a program with a mistake, run by the test
 * under weft-owner.
 */
#include <weft.h>

static void store_keep(struct weft_mailbox *mailbox, void *block)
{
	talloc_steal(mailbox, block);
}

static void store_ping(struct weft_mailbox *mailbox, struct weft_call *call,
		       void *block)
{
	weft_call_reply(call, 0);
}

int main(void)
{
	const struct weft_loop_options options = { .name = "store" };
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_loop *loop = NULL;
	char *text = talloc_strdup(ev, "cellar 11.5");
	char *kept = text;
	weft_addr_t store = { 0 };

	if (text == NULL || weft_loop_start(ev, &options, &loop) != 0) {
		return 1;
	}
	store = weft_loop_addr(loop);
	if (weft_post(store, store_keep, &text) != 0 ||
	    weft_call_wait(store, store_ping, NULL, UINT_MAX) != 0) {
		return 1;
	}
	talloc_free(kept); /* wrong: the store's since weft_post() */
	return talloc_free(ev);
}
