/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work oom: embedded work allocates nothing once its loop has used the pool;
 * and each allocation, eventfd and pthread_create before that fails once. See
 * sweep.h for what must hold.
 */
#include <stdatomic.h>

#include <weft.h>

#include "tests/sweep.h"

#define WORKS 4

struct piece {
	struct weft_work work;
	struct sweep *sweep;
	unsigned runs;
	unsigned dones;
};

static struct piece *piece_of(struct weft_work *work)
{
	return (struct piece *)(void *)work;
}

static int piece_run(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	piece_of(work)->runs++;
	return 0;
}

static void piece_done(struct weft_mailbox *home, struct weft_work *work,
		       int error)
{
	struct piece *piece = piece_of(work);

	(void)home;
	piece->dones++;
	if (error == 0 && piece->runs == piece->dones) {
		piece->sweep->ran++;
	} else if (error != 0) {
		piece->sweep->refused++;
		piece->sweep->accepted--;
	}
}

static void play_works(struct sweep *sweep)
{
	struct weft_pool_options options = { .max = 2 };
	struct weft_mailbox *home = NULL;
	struct weft_pool *pool = NULL;
	struct piece pieces[WORKS];

	if (weft_pool_create(sweep->mem, &options, &pool) != 0 ||
	    weft_mailbox_create(sweep->mem, sweep->ev, NULL, &home) != 0) {
		sweep->refused++;
		return;
	}
	for (int i = 0; i < WORKS; i++) {
		pieces[i] = (struct piece){ .sweep = sweep };
		weft_work_init(&pieces[i].work, piece_run, piece_done);
		if (weft_work_submit(&pieces[i].work, pool, NULL, home) == 0) {
			sweep->accepted++;
		} else {
			sweep->refused++;
		}
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(pool);
	TALLOC_FREE(home);
}

#define ROUNDS 100

/* Round after round in one loop; the first one makes what there is to make. */
static void allocates_nothing(void)
{
	struct weft_pool_options options = { .max = 1, .idle_ms = UINT_MAX };
	struct sweep sweep = { .mem = talloc_new(NULL) };
	struct weft_mailbox *home = NULL;
	struct weft_pool *pool = NULL;
	struct piece piece = { .sweep = &sweep };
	bool called = false;

	fixture_watchdog("allocates nothing", 60);
	sweep.ev = tevent_context_init(sweep.mem);
	(void)weft_pool_create(sweep.mem, &options, &pool);
	(void)weft_mailbox_create(sweep.mem, sweep.ev, NULL, &home);
	weft_work_init(&piece.work, piece_run, piece_done);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		if (i == ROUNDS) {
			shim_arm(SHIM_MALLOC, 1);
		}
		(void)weft_work_submit(&piece.work, pool, NULL, home);
		sweep.accepted++;
		sweep_turn(&sweep, sweep.ev);
	}
	called = shim_disarm(SHIM_MALLOC);
	ok(!called, "submit, run and done allocate nothing, any of them");
	is_uint(piece.dones, 2 * ROUNDS, "in so many rounds");
	talloc_free(sweep.mem);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	allocates_nothing();
	sweep_run("malloc fails: work", play_works, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: work", play_works, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("pthread_create fails: work", play_works, "standard",
		  SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	return done();
}
