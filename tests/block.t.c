/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Block: taken by the address of a pointer, given back the same way. */
#include "threadpool/block.h"
#include "tests/fixture.h"

struct thing {
	int number;
};

static unsigned freed;

static int count_free(struct thing *thing)
{
	(void)thing;
	freed++;
	return 0;
}

static void travels(struct fixture *fx)
{
	TALLOC_CTX *here = talloc_new(fx->mem);
	TALLOC_CTX *there = talloc_new(fx->mem);
	struct thing *thing = talloc_zero(here, struct thing);
	struct thing *same = thing;
	void *block = wf_block_peek(&thing);

	is_ptr(block, same, "seen through the pointer's address");
	wf_block_take(&thing);
	is_ptr(thing, NULL, "taken: the pointer is NULL");
	wf_block_detach(block);
	is_ptr(talloc_parent(block), NULL, "on its way it hangs nowhere");
	wf_block_give(there, block, &thing);
	is_ptr(thing, same, "given: the pointer is set");
	is_ptr(talloc_parent(thing), there, "and it hangs at the receiver's");
}

static void nothing(struct fixture *fx)
{
	struct thing *thing = NULL;
	struct thing sentinel;
	struct thing *receiver = &sentinel;

	is_ptr(wf_block_peek(NULL), NULL, "no address, no block");
	is_ptr(wf_block_peek(&thing), NULL, "nor from a NULL pointer");
	wf_block_take(NULL);
	wf_block_detach(NULL);
	ok(wf_block_may_travel(NULL), "nothing may travel");
	wf_block_give(fx->mem, NULL, &receiver);
	is_ptr(receiver, NULL, "given nothing, the pointer is NULL");
	wf_block_drop(NULL);
}

static void dropped(struct fixture *fx)
{
	struct thing *thing = talloc_zero(NULL, struct thing);

	(void)fx;
	freed = 0;
	talloc_set_destructor(thing, count_free);
	wf_block_give(NULL, thing, NULL);
	is_uint(freed, 1, "without an address a block is freed");
}

static void references(struct fixture *fx)
{
	TALLOC_CTX *other = talloc_new(fx->mem);
	struct thing *thing = talloc_zero(fx->mem, struct thing);

	ok(wf_block_may_travel(thing), "a plain block may travel");
	(void)talloc_reference(other, thing);
	ok(!wf_block_may_travel(thing), "one with references may not");
	(void)talloc_unlink(other, thing);
	ok(wf_block_may_travel(thing), "when they are gone it may again");
}

int main(void)
{
	fixture_run_flags("travels", travels, FIXTURE_THREADS);
	fixture_run_flags("nothing", nothing, FIXTURE_THREADS);
	fixture_run_flags("dropped", dropped, FIXTURE_THREADS);
	fixture_run_flags("references", references, FIXTURE_THREADS);
	ok(!wf_block_null_tracking(), "null tracking is seen to be off");
	talloc_enable_null_tracking();
	ok(wf_block_null_tracking(), "and on");
	talloc_disable_null_tracking();
	return done();
}
