/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy: thread proxies, used by their own thread.
 *
 * In wild walks only: the original delivers a burst the other way round
 * (B1002), in a pass for descriptors.
 */
#include "tests/walk/walk.h"

enum {
	PROXY_MAX = 2,
};

struct parcel {
	struct thing *proxy;
};

static void parcel_ran(struct tevent_context *ev WALK_UNUSED,
		       struct tevent_immediate *im, void *private_data)
{
	struct parcel *parcel = private_data;
	struct thing *t = NULL;

	walk.ran++;
	if (parcel == NULL) {
		say("parcel without data");
		return;
	}
	t = parcel->proxy;
	say("parcel of %s", thing_name(t));
	switch (choose(4)) {
	case 0:
		(void)talloc_free(im);
		break;
	case 1:
		(void)talloc_free(parcel);
		break;
	default:
		break;
	}
	enter(t);
	act(2);
	leave(t);
}

static bool proxied(const struct thing *t)
{
	return t->ev != NULL;
}

bool step_proxy_new(void)
{
	struct thing *t = NULL;

	if (thing_count(KIND_PROXY) >= PROXY_MAX || some_ev() == NULL ||
	    walk.finite) {
		return false;
	}
	t = thing_new(KIND_PROXY);
	t->ev = some_ev();
	t->home = t->ev;
	say("new %s on %s", thing_name(t), thing_name(t->ev));
	thing_born(t, tevent_thread_proxy_create(t->ev->ptr));
	return true;
}

bool step_proxy_free(void)
{
	return thing_free_any(thing_pick(KIND_PROXY, NULL));
}

bool step_proxy_post(void)
{
	struct thing *t = thing_pick(KIND_PROXY, proxied);
	unsigned count = 1 + choose(3);

	if (t == NULL) {
		return false;
	}
	say("parcels by %s %u", thing_name(t), count);
	for (; count > 0; count--) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct parcel *parcel = NULL;

		if (chance(3)) {
			tevent_thread_proxy_schedule(t->ptr, &im, parcel_ran,
						     NULL);
			(void)talloc_free(im); /* not taken */
			continue;
		}
		parcel = talloc_zero(NULL, struct parcel);
		parcel->proxy = t;
		tevent_thread_proxy_schedule(t->ptr, &im, parcel_ran, &parcel);
		(void)talloc_free(im);
		(void)talloc_free(parcel);
	}
	return true;
}

void proxy_clear(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_PROXY)) != NULL) {
		if (t->ev == ev) {
			thing_free(t);
		}
	}
}
