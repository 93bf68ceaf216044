/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards of thread proxies: bursts that arrive backwards, payloads that stay,
 * posts to a proxy whose loop no longer looks. One thread shows them all.
 */
#include "tests/hazard.h"

struct parcel {
	struct trail *trail;
	char word[4];
};

static int parcel_freed(struct parcel *parcel)
{
	char word[8];

	(void)snprintf(word, sizeof(word), "-%s", parcel->word);
	trail_add(parcel->trail, word);
	return 0;
}

static void parcel_arrives(struct tevent_context *ev,
			   struct tevent_immediate *im, void *private_data)
{
	struct parcel *parcel = private_data;

	(void)ev;
	(void)im;
	trail_add(parcel->trail, parcel->word);
}

/* Return: whether the proxy took it; what it did not take is freed. */
static bool parcel_send(struct tevent_thread_proxy *proxy, struct trail *trail,
			unsigned number, bool watched)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = talloc_zero(NULL, struct parcel);
	bool taken = false;

	parcel->trail = trail;
	(void)snprintf(parcel->word, sizeof(parcel->word), "%u", number % 100);
	if (watched) {
		talloc_set_destructor(parcel, parcel_freed);
	}
	tevent_thread_proxy_schedule(proxy, &im, parcel_arrives, &parcel);
	taken = im == NULL && parcel == NULL;
	if (!taken) {
		talloc_set_destructor(parcel, NULL);
		TALLOC_FREE(parcel);
		TALLOC_FREE(im);
	}
	return taken;
}

static void proxy_order(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_thread_proxy *proxy = tevent_thread_proxy_create(fx->ev);

	for (unsigned i = 1; i <= 4; i++) {
		(void)hazard_expect(parcel_send(proxy, &trail, i, false),
				    "refused");
	}
	settle(fx->ev, 4);
	hazard_expect_trail(&trail, "1 2 3 4");
	TALLOC_FREE(proxy);
}

/* A burst of big payloads must not all live to its end. */
static void proxy_payload(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_thread_proxy *proxy = tevent_thread_proxy_create(fx->ev);

	for (unsigned i = 1; i <= 3; i++) {
		(void)hazard_expect(parcel_send(proxy, &trail, i, true),
				    "refused");
	}
	settle(fx->ev, 4);
	hazard_expect_trail(&trail, "1 -1 2 -2 3 -3");
	TALLOC_FREE(proxy);
}

/* Its loop was re-initialised: nobody will ever look again. A post is refused,
 * what was pending is gone already. */
static void proxy_dead(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_thread_proxy *proxy = tevent_thread_proxy_create(fx->ev);

	(void)parcel_send(proxy, &trail, 1, true);
	(void)tevent_re_initialise(fx->ev);
	trail_add(&trail, "|");
	(void)hazard_expect(!parcel_send(proxy, &trail, 2, true),
			    "a dead proxy accepts");
	settle(fx->ev, 3);
	TALLOC_FREE(proxy);
	hazard_expect_trail(&trail, "-1 |");
}

static const struct hazard hazards[] = {
	{ HAZARD(proxy_order, "B1002", HAZARD_WRONG) },
	{ HAZARD(proxy_payload, "B1003", HAZARD_WRONG) },
	{ HAZARD(proxy_dead, "B702 B1007", HAZARD_WRONG) },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
