/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops oom: each allocation, descriptor and thread on the way of a loop fails
 * once. See sweep.h for what must hold; here a post that was accepted "ran"
 * when it has run or was cancelled. Beside that init and fini come in pairs,
 * and the answer to a stop is no guess.
 */
#include <stdatomic.h>

#include <weft.h>

#include "tests/looptest.h"
#include "tests/sweep.h"

#define POSTS 4

static struct fixture_gate ended; /* posts that ran or were cancelled */
static atomic_int inits;
static atomic_int finis;
static atomic_int unpaired; /* scenarios in which they were not a pair */
static atomic_int guesses;  /* answers that cannot be */

static int pair_init(struct tevent_context *ev, unsigned index,
		     void **ret_state, void *private_data)
{
	(void)index;
	(void)private_data;
	*ret_state = talloc_zero(ev, int);
	if (*ret_state == NULL) {
		return ENOMEM;
	}
	(void)atomic_fetch_add(&inits, 1);
	return 0;
}

static void pair_fini(struct tevent_context *ev, void *state,
		      void *private_data)
{
	(void)ev;
	(void)state;
	(void)private_data;
	(void)atomic_fetch_add(&finis, 1);
}

static const struct weft_loop_options pair_options = {
	.init = pair_init,
	.fini = pair_fini,
};

struct awaited {
	struct sweep *sweep;
	bool done;
};

static void stopped(struct tevent_req *req)
{
	struct awaited *awaited = tevent_req_callback_data_void(req);
	int ret = weft_loop_stop_recv(req);

	TALLOC_FREE(req);
	awaited->done = true;
	if (ret == ENOMEM || ret == EMFILE || ret == ENFILE) {
		awaited->sweep->refused++;
	} else if (ret != 0) {
		(void)atomic_fetch_add(&guesses, 1);
	}
}

static void await_stop(struct sweep *sweep, struct tevent_req *req)
{
	struct awaited awaited = { .sweep = sweep };

	if (sweep_made(sweep, req) == NULL) {
		return;
	}
	tevent_req_set_callback(req, stopped, &awaited);
	while (!awaited.done) {
		if (tevent_loop_once(sweep->ev) != 0) {
			sweep->refused++;
		}
	}
}

static void post_some(struct sweep *sweep, weft_addr_t addr)
{
	for (int i = 0; i < POSTS; i++) {
		int ret = note_post(addr, &ended, &ended, NULL);

		/* ECANCELED: init found no memory. */
		if (ret == 0) {
			sweep->accepted++;
		} else {
			sweep->refused++;
		}
	}
}

/* The loops of this scenario have been told, or dropped: what they took comes
 * to its end. */
static void settle_up(struct sweep *sweep)
{
	fixture_gate_wait(&ended, (int)sweep->accepted);
	sweep->ran = (unsigned)fixture_gate_value(&ended);
}

/* The threads of the scenario before have gone by now. */
static void begin(void)
{
	if (atomic_load(&inits) != atomic_load(&finis)) {
		(void)atomic_fetch_add(&unpaired, 1);
	}
	ended = (struct fixture_gate){ 0 };
	atomic_store(&inits, 0);
	atomic_store(&finis, 0);
}

static void play_loop(struct sweep *sweep)
{
	struct weft_loop *loop = NULL;

	begin();
	if (weft_loop_start(sweep->mem, &pair_options, &loop) != 0) {
		sweep->refused++;
		return;
	}
	post_some(sweep, weft_loop_addr(loop));
	await_stop(sweep, weft_loop_stop_send(sweep->mem, sweep->ev, loop));
	talloc_free(loop);
	settle_up(sweep);
}

static void play_dropped(struct sweep *sweep)
{
	struct weft_loop *loop = NULL;

	begin();
	if (weft_loop_start(sweep->mem, &pair_options, &loop) != 0) {
		sweep->refused++;
		return;
	}
	post_some(sweep, weft_loop_addr(loop));
	talloc_free(loop);
	settle_up(sweep);
}

static void play_set(struct sweep *sweep)
{
	struct weft_loops *loops = NULL;

	begin();
	if (weft_loops_start(sweep->mem, 2, &pair_options, &loops) != 0) {
		sweep->refused++;
		settle_up(sweep);
		return;
	}
	post_some(sweep, weft_loops_next(loops));
	await_stop(sweep, weft_loops_stop_send(sweep->mem, sweep->ev, loops));
	talloc_free(loops);
	settle_up(sweep);
}

static void sweep_all(enum shim_call call, const char *what)
{
	static const struct {
		const char *name;
		sweep_fn fn;
	} plays[] = {
		{ "a loop", play_loop },
		{ "a loop dropped", play_dropped },
		{ "a set", play_set },
	};
	char name[64];

	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s fails: %s", what,
			       plays[i].name);
		sweep_run(name, plays[i].fn, "standard", call, SWEEP_THREADS);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_all(SHIM_MALLOC, "malloc");
	sweep_all(SHIM_EVENTFD, "eventfd");
	sweep_all(SHIM_EPOLL_CREATE, "epoll_create");
	sweep_all(SHIM_PTHREAD_CREATE, "pthread_create");
	begin();
	is_int(atomic_load(&unpaired), 0, "init and fini come in pairs");
	is_int(atomic_load(&guesses), 0, "a stop is answered with the reason");
	return done();
}
