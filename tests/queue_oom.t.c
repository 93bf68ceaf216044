/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue oom: each allocation that a queue needs fails once. What was accepted
 * has its turn all the same: that needs no more memory.
 *
 * See sweep.h for what must hold. Not for other libraries than ours.
 */
#include "tests/sweep.h"

struct play_state {
	char nothing;
};

static void ran(struct tevent_req *req, void *private_data)
{
	struct sweep *sweep = private_data;

	sweep->ran++;
	talloc_free(req);
}

static struct tevent_req *play_request(struct sweep *sweep)
{
	struct play_state *state = NULL;

	return sweep_made(sweep, tevent_req_create(sweep->mem, &state,
						   struct play_state));
}

/* Two that wait, then one on the empty queue, which is called at once; a
 * request whose entry was refused is the program's to free. */
static void play_entries(struct sweep *sweep)
{
	struct tevent_queue *queue = NULL;
	struct tevent_req *req = NULL;

	queue = sweep_made(sweep, tevent_queue_create(sweep->mem, "play"));
	if (queue == NULL) {
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct tevent_queue_entry *entry = NULL;

		req = play_request(sweep);
		if (req == NULL) {
			continue;
		}
		entry = tevent_queue_add_entry(queue, sweep->ev, req, ran,
					       sweep);
		(void)sweep_got(sweep, entry);
	}
	sweep_turn(sweep, sweep->ev);

	req = play_request(sweep);
	if (req != NULL) {
		(void)sweep_got(sweep,
				tevent_queue_add_optimize_empty(
					queue, sweep->ev, req, ran, sweep));
	}
	sweep_turn(sweep, sweep->ev);
}

/* A wait that was refused ends all the same, and says so. */
static void waited(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);

	sweep->ran++;
	if (!tevent_queue_wait_recv(req)) {
		sweep->refused++;
	}
	talloc_free(req);
}

static void play_wait(struct sweep *sweep)
{
	struct tevent_queue *queue = NULL;

	queue = sweep_made(sweep, tevent_queue_create(sweep->mem, "play"));
	if (queue == NULL) {
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct tevent_req *req = NULL;

		req = sweep_got(sweep, tevent_queue_wait_send(
					       sweep->mem, sweep->ev, queue));
		if (req != NULL) {
			tevent_req_set_callback(req, waited, sweep);
		}
	}
	sweep_turn(sweep, sweep->ev);
}

int main(int argc, char **argv)
{
	static const char *const backends[] = { "standard", "epoll", "poll",
						"poll_mt" };

	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		sweep_run("entries", play_entries, backends[i], SHIM_MALLOC, 0);
		sweep_run("B911 wait", play_wait, backends[i], SHIM_MALLOC, 0);
	}
	return done();
}
