/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Latest: a value that comes when the loop has just gone. It is its poster's to
 * dispose of, who does so outside of the read section: blocks have destructors.
 */
#include "threadpool/latest.h"

#include "tests/fixture.h"
#include "threadpool/grace.h"

static unsigned arrivals;
static unsigned drops;

static void value_arrived(uint64_t to, void *value, bool gone)
{
	(void)to;
	(void)value;
	(void)gone;
	arrivals++;
}

static void value_drop(void *value)
{
	(void)value;
	drops++;
}

static const struct wf_latest_ops ops = {
	.arrived = value_arrived,
	.drop = value_drop,
};

static void loop_gone(struct fixture *fx)
{
	struct tevent_context *ev = tevent_context_init(fx->mem);
	struct wf_latest *latest = NULL;
	struct wf_port *port = NULL;
	int value = 0;

	if (wf_port_get(ev, &port) != 0) {
		bail_out("no port");
	}
	wf_port_expose(port);
	latest = wf_latest_create(port, 1, &ops);
	wf_read_begin();
	talloc_free(ev);
	is_ptr(wf_latest_swap(latest, &value), NULL, "the first value");
	is_ptr(wf_latest_announce(latest), &value, "is the poster's again");
	is_ptr(wf_latest_take(latest), NULL, "and nobody else's");
	wf_read_end();
	wf_latest_unref(latest);
	wf_grace_reap();
	is_uint(arrivals, 0, "it does not arrive");
	is_uint(drops, 0, "and is not dropped behind the poster's back");
}

int main(void)
{
	fixture_run_flags("loop_gone", loop_gone, FIXTURE_THREADS);
	return done();
}
