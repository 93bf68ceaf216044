/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy: threads with a loop each, which send each other parcels through thread
 * proxies, pass them on with the very immediate that brought them, and free and
 * make anew their proxies. A lock keeps a proxy while others post through it,
 * as is the caller's duty. What must hold:
 *  1. Each parcel is freed once, delivered or dropped.
 *  2. What one sent to another comes in its order, with gaps where the proxy
 *     was replaced; without, all of it comes.
 */
#include "tools/stress/stress.h"

#define PARTIES_MAX 8
#define STEPS_MAX   2000

struct party {
	struct party *all;
	pthread_barrier_t *barrier;
	struct stress_dice dice;
	unsigned index;
	unsigned count; /* of parties */
	unsigned steps;
	bool replaces; /* now and then */
	struct tevent_context *ev;
	pthread_rwlock_t lock;
	struct tevent_thread_proxy *proxy; /* L(lock); NULL at the end */
	unsigned sent[PARTIES_MAX];        /* this thread, then all */
	unsigned next[PARTIES_MAX];        /* this thread */
	unsigned got;                      /* this thread: not passed on */
};

struct parcel {
	struct party *to;
	unsigned from;
	unsigned number;
	bool passed_on;
};

static atomic_uint made;
static atomic_uint freed;

static int parcel_freed(struct parcel *parcel)
{
	(void)parcel;
	stress_add(&freed, 1);
	return 0;
}

static void arrived(struct tevent_context *ev, struct tevent_immediate *im,
		    void *private_data)
{
	struct parcel *parcel = private_data;
	struct party *party = parcel->to;
	struct party *to = NULL;

	if (ev != party->ev) {
		stress_fail("a parcel came to the wrong loop");
	} else if (!parcel->passed_on) {
		if (parcel->number < party->next[parcel->from]) {
			stress_fail("parcel %u came after %u", parcel->number,
				    party->next[parcel->from] - 1);
		}
		party->next[parcel->from] = parcel->number + 1;
		party->got++;
	}
	if (!stress_once_in(&party->dice, 3)) {
		return;
	}
	parcel->passed_on = true;
	to = &party->all[stress_below(&party->dice, party->count)];
	parcel->to = to;
	(void)pthread_rwlock_rdlock(&to->lock);
	if (to->proxy != NULL) {
		tevent_thread_proxy_schedule(to->proxy, &im, arrived, &parcel);
	}
	(void)pthread_rwlock_unlock(&to->lock);
}

static void send_one(struct party *party, struct party *to)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = talloc(NULL, struct parcel);

	*parcel = (struct parcel){
		.to = to,
		.from = party->index,
		.number = party->sent[to->index]++,
	};
	talloc_set_destructor(parcel, parcel_freed);
	stress_add(&made, 1);
	(void)pthread_rwlock_rdlock(&to->lock);
	tevent_thread_proxy_schedule(to->proxy, &im, arrived, &parcel);
	(void)pthread_rwlock_unlock(&to->lock);
	if (im != NULL || parcel != NULL) {
		stress_fail("a living proxy refused");
	}
}

static void replace_proxy(struct party *party, bool again)
{
	(void)pthread_rwlock_wrlock(&party->lock);
	TALLOC_FREE(party->proxy);
	if (again) {
		party->proxy = tevent_thread_proxy_create(party->ev);
	}
	(void)pthread_rwlock_unlock(&party->lock);
}

static void *party_run(void *arg)
{
	struct party *party = arg;
	unsigned expected = 0;

	for (unsigned i = 0; i < party->steps; i++) {
		if (party->replaces && stress_once_in(&party->dice, 64)) {
			replace_proxy(party, true);
		}
		send_one(party,
			 &party->all[stress_below(&party->dice, party->count)]);
		while (stress_once_in(&party->dice, 2)) {
			(void)tevent_loop_once(party->ev);
		}
		stress_dawdle(&party->dice);
	}
	(void)pthread_barrier_wait(party->barrier);
	for (unsigned i = 0; i < party->count; i++) {
		expected += party->all[i].sent[party->index];
	}
	(void)tevent_context_set_wait_timeout(party->ev, 30);
	while (!party->replaces && party->got < expected) {
		(void)tevent_loop_once(party->ev);
	}
	replace_proxy(party, false);
	talloc_free(party->ev);
	return NULL;
}

static bool proxy_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct party parties[PARTIES_MAX] = { { .ev = NULL } };
	pthread_barrier_t barrier;
	unsigned most = threads < PARTIES_MAX ? threads : PARTIES_MAX;
	unsigned count = 1 + stress_below(dice, most);
	unsigned steps = stress_below(dice, STEPS_MAX);

	atomic_store(&made, 0);
	atomic_store(&freed, 0);
	(void)pthread_barrier_init(&barrier, NULL, count);
	for (unsigned i = 0; i < count; i++) {
		struct party *party = &parties[i];

		party->all = parties;
		party->barrier = &barrier;
		party->dice = stress_split(dice);
		party->index = i;
		party->count = count;
		party->steps = steps;
		party->replaces = stress_once_in(dice, 2);
		party->ev = stress_context();
		(void)pthread_rwlock_init(&party->lock, NULL);
		replace_proxy(party, true);
		if (party->proxy == NULL) {
			stress_give_up("no proxy");
		}
		/* Turns without waiting while there is more to send. */
		(void)tevent_context_set_wait_timeout(party->ev, 0);
	}
	stress_crew_start(&crew, party_run, parties, sizeof(parties[0]), count);
	stress_crew_join(&crew);
	for (unsigned i = 0; i < count; i++) {
		(void)pthread_rwlock_destroy(&parties[i].lock);
	}
	(void)pthread_barrier_destroy(&barrier);
	if (stress_sum(&made) != stress_sum(&freed)) {
		stress_fail("%u parcels made, %u freed", stress_sum(&made),
			    stress_sum(&freed));
	}
	return !stress_failed();
}

const struct stress_protocol stress_proxy = {
	.name = "proxy",
	.what = "parcels through thread proxies that come and go",
	.round = proxy_round,
};
