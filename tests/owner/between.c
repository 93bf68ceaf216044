/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Between: hand-overs of tevent's and weft's; see cases.h. */
#include "tests/owner/cases.h"

#include <talloc.h>

#include <tevent.h>
#include <weft.h>

struct parcel {
	struct tevent_context *ev;
	struct tevent_threaded_context *tctx;
	struct tevent_thread_proxy *proxy;
	struct tevent_immediate *im;
	struct thing *thing;
	bool arrived;
};

static void arrived(struct tevent_context *ev, struct tevent_immediate *im,
		    void *private_data)
{
	struct parcel *parcel = talloc_get_type_abort(private_data,
						      struct parcel);

	(void)ev;
	(void)im;
	parcel->arrived = true;
}

static void unpacked(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	struct thing *thing = talloc_get_type_abort(private_data, struct thing);

	(void)im;
	act_append(thing);
	(void)talloc_steal(ev, thing);
	*thing->unpacked = true;
}

static void loop_until(struct tevent_context *ev, const bool *flag)
{
	while (!*flag) {
		must(tevent_loop_once(ev) == 0);
	}
}

void act_threaded(void *arg)
{
	struct parcel *parcel = arg;

	tevent_threaded_schedule_immediate(parcel->tctx, parcel->im, arrived,
					   parcel);
}

/* An immediate of the loop's own, posted by a thread that owns nothing. */
void threaded(act_fn act)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct parcel *parcel = talloc_zero(ev, struct parcel);

	parcel->tctx = tevent_threaded_context_create(parcel, ev);
	parcel->im = tevent_create_immediate(parcel);
	elsewhere(act, parcel);
	loop_until(ev, &parcel->arrived);
	TALLOC_FREE(parcel->im);
	must(talloc_free(ev) == 0);
}

void act_threaded_own(void *arg)
{
	struct parcel *parcel = arg;
	struct thing *thing = thing_new();

	thing->unpacked = &parcel->arrived;
	parcel->im = tevent_create_immediate(NULL);
	tevent_threaded_schedule_immediate(parcel->tctx, parcel->im, unpacked,
					   thing);
}

/* An immediate and data of the other thread's. */
void threaded_own(act_fn act)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct parcel *parcel = talloc_zero(ev, struct parcel);

	parcel->tctx = tevent_threaded_context_create(parcel, ev);
	elsewhere(act, parcel);
	loop_until(ev, &parcel->arrived);
	must(talloc_free(parcel->im) == 0);
	must(talloc_free(ev) == 0);
}

void act_proxy(void *arg)
{
	struct parcel *parcel = arg;
	struct thing *mine = thing_new();
	struct thing *thing = talloc_steal(mine, thing_new());
	struct tevent_immediate *im = tevent_create_immediate(mine);

	thing->unpacked = &parcel->arrived;
	tevent_thread_proxy_schedule(parcel->proxy, &im, unpacked, &thing);
	must(talloc_free(mine) == 0);
}

void act_proxy_foreign(void *arg)
{
	struct parcel *parcel = arg;

	tevent_thread_proxy_schedule(parcel->proxy, &parcel->im, unpacked,
				     &parcel->thing);
}

void proxied(act_fn act)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct parcel *parcel = talloc_zero(ev, struct parcel);

	parcel->proxy = tevent_thread_proxy_create(ev);
	parcel->im = tevent_create_immediate(parcel);
	parcel->thing = talloc_steal(parcel, thing_new());
	parcel->thing->unpacked = &parcel->arrived;
	elsewhere(act, parcel);
	loop_until(ev, &parcel->arrived);
	TALLOC_FREE(parcel->proxy);
	must(talloc_free(ev) == 0);
}

static int job_append(struct weft_job *job, void *block)
{
	(void)job;
	act_append(block);
	return 0;
}

/* The worker writes to the block and lives on. */
void job(act_fn act)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool_options options = { .min = 1 };
	struct weft_pool *pool = NULL;

	(void)act;
	must(weft_pool_create(ev, &options, &pool) == 0);
	for (unsigned i = 0; i < 3; i++) {
		struct thing *thing = talloc_steal(ev, thing_new());
		struct tevent_req *req = weft_job_send(ev, ev, pool, job_append,
						       &thing, NULL);

		must(req != NULL && tevent_req_poll(req, ev));
		must(weft_job_recv(req, ev, &thing) == 0);
		must(talloc_free(thing) == 0);
		must(talloc_free(req) == 0);
	}
	must(talloc_free(ev) == 0);
}
