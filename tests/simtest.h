/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Simtest: what the tests of simulations have in common: a small town.
 *
 *      client --job--> pool --done--> client --post--> server
 *                                                        |
 *                             keeper <------call---------'
 *
 * Three loops and a pool. The client has jobs done, of which it may cancel one,
 * and has another one done when all are through, for which a worker that sleeps
 * is to be woken. For each that is through it posts a letter to the server,
 * which asks the keeper and counts the answers. What happens is written into
 * the trail, one letter each: in which order is the seed's business, that
 * nothing is lost is ours.
 */
#pragma once

#include <errno.h>

#include <tevent.h>
#include <weft.h>

#include "tests/fixture.h"
#include "tests/trail.h"

/* Runs one test function that makes its simulation by itself. */
#define SIMTEST(fn) \
	fixture_run_flags(#fn, fn, FIXTURE_THREADS | FIXTURE_NO_CONTEXT)

#define TOWN_JOBS 4

struct town {
	struct tevent_context *client;
	struct tevent_context *server;
	struct tevent_context *keeper;
	struct weft_pool *pool;
	weft_addr_t server_addr;
	weft_addr_t keeper_addr;
	struct weft_mailbox *server_box;
	struct trail trail;
	unsigned sent;      /* jobs */
	unsigned ended;     /* of these */
	unsigned ran;       /* their functions */
	unsigned done;      /* jobs that ended well */
	unsigned cancelled; /* jobs that did not */
	unsigned letters;   /* at the server */
	unsigned answers;   /* from the keeper */
};

struct errand {
	struct town *town;
};

static inline struct errand *errand_new(struct town *town)
{
	struct errand *errand = talloc_zero(NULL, struct errand);

	if (errand == NULL) {
		bail_out("no memory for an errand");
	}
	errand->town = town;
	return errand;
}

static inline struct tevent_context *simtest_context(void)
{
	struct tevent_context *ev = tevent_context_init_byname(NULL, "sim");

	if (ev == NULL) {
		bail_out("no simulated context");
	}
	return ev;
}

static inline void town_answered(struct tevent_req *req)
{
	struct town *town = tevent_req_callback_data_void(req);
	struct errand *errand = NULL;

	if (weft_call_recv(req, req, &errand) == 0) {
		town->answers++;
		trail_add(&town->trail, "a");
	}
	talloc_free(req);
}

static inline void town_ask(struct weft_mailbox *mailbox,
			    struct weft_call *call, void *block)
{
	struct errand *errand = talloc_get_type_abort(block, struct errand);

	(void)mailbox;
	trail_add(&errand->town->trail, "k");
	weft_call_reply(call, 0);
}

static inline void town_letter(struct weft_mailbox *mailbox, void *block)
{
	struct errand *errand = talloc_get_type_abort(block, struct errand);
	struct town *town = errand->town;
	struct errand *question = errand_new(town);
	struct tevent_req *req = NULL;

	(void)mailbox;
	town->letters++;
	trail_add(&town->trail, "l");
	req = weft_call_send(town->server, town->server, town->keeper_addr,
			     town_ask, &question, NULL);
	if (req == NULL) {
		bail_out("no memory for a call");
	}
	tevent_req_set_callback(req, town_answered, town);
}

static inline int town_job(struct weft_job *job, void *block)
{
	struct errand *errand = talloc_get_type_abort(block, struct errand);

	errand->town->ran++;
	trail_add(&errand->town->trail, "j");
	return weft_job_should_stop(job) ? ECANCELED : 0;
}

static inline struct tevent_req *town_send(struct town *town);

static inline void town_done(struct tevent_req *req)
{
	struct town *town = tevent_req_callback_data_void(req);
	struct errand *errand = NULL;
	int ret = weft_job_recv(req, NULL, &errand);

	talloc_free(req);
	town->ended++;
	if (town->ended == town->sent && town->sent < TOWN_JOBS) {
		(void)town_send(town);
	}
	if (ret != 0) {
		town->cancelled++;
		trail_add(&town->trail, "x");
		talloc_free(errand);
		return;
	}
	town->done++;
	trail_add(&town->trail, "d");
	if (weft_post(town->server_addr, town_letter, &errand) != 0) {
		bail_out("a letter was refused");
	}
}

static inline struct tevent_req *town_send(struct town *town)
{
	struct errand *errand = errand_new(town);
	struct tevent_req *req = weft_job_send(town->client, town->client,
					       town->pool, town_job, &errand,
					       NULL);

	if (req == NULL) {
		bail_out("no memory for a job");
	}
	town->sent++;
	tevent_req_set_callback(req, town_done, town);
	return req;
}

static inline struct weft_mailbox *town_mailbox(struct tevent_context *ev,
						weft_addr_t *ret_addr)
{
	struct weft_mailbox *mailbox = NULL;
	int ret = weft_mailbox_create(ev, ev, NULL, &mailbox);

	if (ret != 0) {
		bail_out("weft_mailbox_create: %d", ret);
	}
	*ret_addr = weft_mailbox_addr(mailbox);
	return mailbox;
}

static inline void town_build(struct town *town)
{
	const struct weft_pool_options options = { .max = 2 };
	struct tevent_req *first = NULL;
	unsigned i = 0;
	int ret = 0;

	memset(town, 0, sizeof(*town));
	town->client = simtest_context();
	town->server = simtest_context();
	town->keeper = simtest_context();
	(void)town_mailbox(town->server, &town->server_addr);
	(void)town_mailbox(town->keeper, &town->keeper_addr);
	ret = weft_pool_create(NULL, &options, &town->pool);
	if (ret != 0) {
		bail_out("weft_pool_create: %d", ret);
	}
	first = town_send(town);
	for (i = 1; i < TOWN_JOBS - 1; i++) {
		(void)town_send(town);
	}
	/* Its job may be queued, in a worker's hands, or through. */
	if (!tevent_req_set_endtime(first, town->client,
				    tevent_timeval_current_ofs(0, 500))) {
		bail_out("no memory for an end time");
	}
}

static inline void town_raze(struct town *town)
{
	TALLOC_FREE(town->pool);
	TALLOC_FREE(town->keeper);
	TALLOC_FREE(town->server);
	TALLOC_FREE(town->client);
}

/* Whether everything that was begun has ended as it should. */
static inline bool town_is_well(const struct town *town)
{
	return town->done + town->cancelled == TOWN_JOBS &&
	       town->letters == town->done && town->answers == town->done &&
	       town->ran <= TOWN_JOBS && town->ran >= town->done;
}
