/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer order: random timers, added, moved and freed outside and inside
 * handlers, against a model that looks for the smallest key each time.
 *
 * Times are far in the past or far in the future, so nothing depends on how
 * long the test takes: what is due is due, and the order is (seconds,
 * microseconds, order of adding or moving). Zero is left out: its order has a
 * quirk of its own (B403, timer.t.c).
 */
#include "tests/trail.h"

#define SLOTS          600
#define FUTURE_SECONDS 1000000

struct slot {
	struct tevent_timer *te; /* NULL: free */
	struct timeval when;
	unsigned long sequence;
	struct model *model;
};

struct model {
	struct tevent_context *ev;
	TALLOC_CTX *mem;
	struct slot slots[SLOTS];
	unsigned long sequence;
	uint64_t random;
	unsigned spread; /* distinct seconds: small means many equal times */
	unsigned busy;   /* of 100 handlers, how many change something */
	unsigned fired;
	unsigned wrong;
};

static uint32_t roll(struct model *model, uint32_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return (uint32_t)(model->random >> 32) % below;
}

static struct timeval random_time(struct model *model)
{
	struct timeval when = { 0, 0 };

	when.tv_sec = (long)roll(model, model->spread) -
		      (long)model->spread / 2;
	/* Beyond a second: compared as it stands, like stock does. */
	when.tv_usec = 1 + (long)roll(model, 3) * 700000;
	if (roll(model, 4) == 0) {
		when.tv_sec += tevent_timeval_current().tv_sec + FUTURE_SECONDS;
	}
	return when;
}

static bool is_due(const struct slot *slot)
{
	return slot->te != NULL && slot->when.tv_sec < FUTURE_SECONDS;
}

static bool before(const struct slot *a, const struct slot *b)
{
	int order = tevent_timeval_compare(&a->when, &b->when);

	return order != 0 ? order < 0 : a->sequence < b->sequence;
}

static struct slot *model_first(struct model *model)
{
	struct slot *first = NULL;

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &model->slots[i];

		if (is_due(slot) && (first == NULL || before(slot, first))) {
			first = slot;
		}
	}
	return first;
}

static void model_change(struct model *model);

static void model_fired(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct slot *slot = private_data;
	struct model *model = slot->model;

	(void)ev;
	(void)now;
	model->fired++;
	if (slot != model_first(model) || slot->te != te) {
		model->wrong++;
	}
	slot->te = NULL;
	while (roll(model, 100) < model->busy) {
		model_change(model);
	}
}

/* One random thing to a random slot. */
static void model_change(struct model *model)
{
	struct slot *slot = &model->slots[roll(model, SLOTS)];
	struct timeval when = random_time(model);

	if (slot->te == NULL) {
		slot->te = tevent_add_timer(model->ev, model->mem, when,
					    model_fired, slot);
	} else if (roll(model, 3) == 0) {
		TALLOC_FREE(slot->te);
		return;
	} else {
		tevent_update_timer(slot->te, when);
	}
	slot->model = model;
	slot->when = when;
	slot->sequence = ++model->sequence;
}

static void run_model(struct fixture *fx, uint64_t seed, unsigned spread,
		      unsigned busy)
{
	struct model *model = talloc_zero(fx->mem, struct model);

	model->ev = fx->ev;
	model->mem = talloc_new(model);
	model->random = seed;
	model->spread = spread;
	model->busy = busy;
	for (int round = 0; round < 6; round++) {
		unsigned passes = 0;

		for (int i = 0; i < SLOTS; i++) {
			model_change(model);
		}
		while (passes++ < SLOTS / 2 && model_first(model) != NULL) {
			unsigned fired = model->fired;

			turn(model->ev);
			model->wrong += model->fired == fired + 1 ? 0 : 1;
		}
	}
	model->busy = 0;
	while (model_first(model) != NULL) {
		turn(model->ev);
	}
	ok(model->fired > SLOTS,
	   "B401 B410 seed %lu, %u seconds, %u %% busy: "
	   "%u fired",
	   (unsigned long)seed, spread, busy, model->fired);
	is_uint(model->wrong, 0, "B401 B410 seed %lu: each in its turn",
		(unsigned long)seed);
	TALLOC_FREE(model);
}

static void test_model(struct fixture *fx)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		run_model(fx, seed, 1, 30);
		run_model(fx, seed, 5, 60);
		run_model(fx, seed, 1000000, 30);
	}
	run_model(fx, 77, 100000, 0);
}

int main(void)
{
	warm_up();
	fixture_run("B401 order against a model", test_model);
	return done();
}
