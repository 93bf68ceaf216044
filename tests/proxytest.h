/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy test: parcels that are sent through thread proxies and leave words in
 * a trail: "a" when they arrive, "-a" when they are freed.
 *
 * One thread does it all, so talloc's null tracking is no danger and leaks are
 * counted. Who uses threads does without the trail.
 */
#pragma once

#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/trail.h"

/* What is expected of ours, and of stock. */
#define EITHER(ours, stock) (TEST_ON_STOCK ? (stock) : (ours))

struct scene {
	struct trail trail;
	struct tevent_context *ev;
	struct tevent_thread_proxy *proxy;
	struct tevent_thread_proxy *other; /* or NULL */
	unsigned came;
	unsigned freed;
	void *kept[2];
};

struct parcel;

typedef void (*parcel_fn)(struct tevent_context *ev,
			  struct tevent_immediate *im, struct parcel *parcel);

struct parcel {
	struct scene *scene;
	char word[8];
	parcel_fn act; /* when it has arrived, or NULL */
};

static inline void scene_open(struct scene *scene, struct fixture *fx)
{
	*scene = (struct scene){ .ev = fx->ev };
	scene->proxy = tevent_thread_proxy_create(fx->ev);
	if (scene->proxy == NULL) {
		bail_out("no proxy");
	}
}

static inline int parcel_freed(struct parcel *parcel)
{
	char word[16];

	(void)snprintf(word, sizeof(word), "-%s", parcel->word);
	trail_add(&parcel->scene->trail, word);
	parcel->scene->freed++;
	return 0;
}

static inline struct parcel *parcel_make(TALLOC_CTX *mem, struct scene *scene,
					 const char *word, parcel_fn act)
{
	struct parcel *parcel = talloc_zero(mem, struct parcel);

	parcel->scene = scene;
	parcel->act = act;
	(void)snprintf(parcel->word, sizeof(parcel->word), "%s", word);
	talloc_set_destructor(parcel, parcel_freed);
	return parcel;
}

static inline void parcel_came(struct tevent_context *ev,
			       struct tevent_immediate *im, void *private_data)
{
	struct parcel *parcel = talloc_get_type_abort(private_data,
						      struct parcel);

	trail_add(&parcel->scene->trail, parcel->word);
	parcel->scene->came++;
	if (parcel->act != NULL) {
		parcel->act(ev, im, parcel);
	}
}

/* Return: whether the proxy took it; what it did not take is freed. */
static inline bool parcel_send(struct tevent_thread_proxy *proxy,
			       struct scene *scene, const char *word,
			       parcel_fn act)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = parcel_make(NULL, scene, word, act);

	tevent_thread_proxy_schedule(proxy, &im, parcel_came, &parcel);
	if (im == NULL && parcel == NULL) {
		return true;
	}
	talloc_set_destructor(parcel, NULL);
	TALLOC_FREE(im);
	TALLOC_FREE(parcel);
	return false;
}

/* Turns until so many have come. */
static inline void scene_until(struct scene *scene, unsigned came)
{
	while (scene->came < came) {
		turn(scene->ev);
	}
}

/* Passes that have nothing else to do, so that the library can tidy up. */
static inline void scene_settle(struct scene *scene)
{
	settle(scene->ev, 4);
}
