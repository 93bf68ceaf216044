/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call below: what hangs below a call goes with it, and has destructors.
 *
 * A call goes when it is answered, freed, or its mailbox ends. Each time what
 * hangs below it asks for it, answers it once more, or frees the mailbox.
 */
#include "tests/calltest.h"

enum below_does {
	ANSWERS,
	FREES_MAILBOX,
	FREES_BOTH, /* mailbox and context */
	DOES,
};

static const char *const does_names[DOES] = {
	"answers",
	"frees the mailbox",
	"frees the loop",
};

struct below {
	struct there *there;
	struct weft_call *call;
	enum below_does does;
};

static int below_destructor(struct below *below)
{
	ok(!weft_call_wanted(below->call), "it is not wanted while it goes");
	switch (below->does) {
	case ANSWERS:
		weft_call_reply(below->call, EACCES);
		break;
	case FREES_BOTH:
		TALLOC_FREE(below->there->ev);
		break;
	default:
		TALLOC_FREE(below->there->mailbox);
		break;
	}
	return 0;
}

static struct weft_call *called;

static void below_run(struct weft_mailbox *mailbox, struct weft_call *call,
		      void *block)
{
	struct below *below = talloc(call, struct below);

	(void)block;
	*below = *(struct below *)weft_mailbox_private(mailbox);
	below->call = call;
	talloc_set_destructor(below, below_destructor);
	called = call;
}

/* A call that is not answered yet and has @below below it. */
static void below_open(struct fixture *fx, struct below *below,
		       struct there *there, struct outcome *outcome)
{
	struct weft_mailbox_options options = { .private_data = below };

	*there = there_open(fx->mem, &options);
	below->there = there;
	(void)outcome_send(fx, there->addr, below_run, parcel_new(1), outcome);
	turn_all(there->ev);
}

static void below_close(struct fixture *fx, struct there *there,
			struct outcome *outcome, int ret, const char *name)
{
	turn_all(fx->ev);
	is_uint(outcome->calls, 1, "it %s: told once", name);
	is_int(outcome->ret, ret, "it %s: what was said first", name);
	ok(outcome->block != NULL, "it %s: the block is back", name);
	talloc_free(outcome->block);
	talloc_free(there->ev);
	is_int(parcels_alive(), 0, "it %s: each block once", name);
}

static void answered(struct fixture *fx)
{
	for (int does = 0; does < DOES; does++) {
		struct below below = { .does = (enum below_does)does };
		struct there there = { .ev = NULL };
		struct outcome outcome = { .calls = 0 };

		below_open(fx, &below, &there, &outcome);
		weft_call_reply(held(&called), 0);
		below_close(fx, &there, &outcome, 0, does_names[does]);
	}
}

static void freed(struct fixture *fx)
{
	for (int does = 0; does < DOES; does++) {
		struct below below = { .does = (enum below_does)does };
		struct there there = { .ev = NULL };
		struct outcome outcome = { .calls = 0 };

		below_open(fx, &below, &there, &outcome);
		talloc_free(held(&called));
		below_close(fx, &there, &outcome, ECANCELED, does_names[does]);
	}
}

static void mailbox_freed(struct fixture *fx)
{
	struct below below = { .does = ANSWERS };
	struct there there = { .ev = NULL };
	struct outcome outcome = { .calls = 0 };

	below_open(fx, &below, &there, &outcome);
	TALLOC_FREE(there.mailbox);
	below_close(fx, &there, &outcome, ECANCELED, does_names[ANSWERS]);
}

int main(void)
{
	CALLTEST(answered);
	CALLTEST(freed);
	CALLTEST(mailbox_freed);
	return done();
}
