/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: what libweft does in one thread, or in one at a time.
 *
 * Jobs go through a round together: the first one holds the only worker until
 * all others are queued, and the loop sleeps until the last one has run. So
 * neither side ever waits for the other's next job, nobody is woken or parked
 * within a round, and each side does the same work every time. What the two
 * sides do is counted by thread.
 */
#include <semaphore.h>

#include <weft.h>

#include "tools/bench/count/count.h"

/* ---- messages to oneself ---- */

struct note {
	struct weft_msg msg;
	uint64_t *done;
};

static void note_runs(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	++*((struct note *)(void *)msg)->done;
}

static void note_lost(struct weft_msg *msg)
{
	(void)msg;
	count_check(false, "a message is cancelled");
}

static weft_addr_t address(struct tevent_context *ev)
{
	weft_addr_t addr = { 0 };

	count_check(weft_context_addr(ev, &addr) == 0, "no mailbox");
	return addr;
}

static void run_msg(uint64_t n)
{
	struct tevent_context *ev = count_context();
	weft_addr_t addr = address(ev);
	struct note notes[COUNT_ROUND];
	uint64_t done = 0;
	unsigned i = 0;

	while (done < n) {
		uint64_t target = done + COUNT_ROUND;

		for (i = 0; i < COUNT_ROUND; i++) {
			notes[i].msg.run = note_runs;
			notes[i].msg.cancel = note_lost;
			notes[i].done = &done;
			count_check(weft_post_msg(addr, &notes[i].msg) == 0,
				    "a message is refused");
		}
		while (done < target) {
			count_turn(ev);
		}
	}
	count_check(done == n, "messages are lost");
	talloc_free(ev);
}

struct parcel {
	uint64_t *done;
};

static void parcel_runs(struct weft_mailbox *mailbox, void *block)
{
	struct parcel *parcel = block;

	(void)mailbox;
	++*parcel->done;
}

static void run_block(uint64_t n)
{
	struct tevent_context *ev = count_context();
	weft_addr_t addr = address(ev);
	uint64_t done = 0;
	unsigned i = 0;

	while (done < n) {
		uint64_t target = done + COUNT_ROUND;

		for (i = 0; i < COUNT_ROUND; i++) {
			struct parcel *parcel = talloc(NULL, struct parcel);

			count_check(parcel != NULL, "no memory");
			parcel->done = &done;
			count_check(weft_post(addr, parcel_runs, &parcel) == 0,
				    "a block is refused");
		}
		while (done < target) {
			count_turn(ev);
		}
	}
	count_check(done == n, "blocks are lost");
	talloc_free(ev);
}

/* ---- calls to oneself ---- */

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void answered(struct tevent_req *req)
{
	uint64_t *done = tevent_req_callback_data_void(req);

	count_check(weft_call_recv(req, NULL, NULL) == 0, "a call has failed");
	talloc_free(req);
	++*done;
}

static void run_call(uint64_t n)
{
	struct tevent_context *ev = count_context();
	weft_addr_t addr = address(ev);
	uint64_t done = 0;
	unsigned i = 0;

	while (done < n) {
		uint64_t target = done + COUNT_ROUND;

		for (i = 0; i < COUNT_ROUND; i++) {
			struct tevent_req *req = weft_call_send(
				ev, ev, addr, answer, NULL, NULL);

			count_check(req != NULL, "no memory");
			tevent_req_set_callback(req, answered, &done);
		}
		while (done < target) {
			count_turn(ev);
		}
	}
	count_check(done == n, "calls are lost");
	talloc_free(ev);
}

/* ---- jobs, in rounds ---- */

struct round {
	sem_t held;    /* the first has begun, and waits */
	sem_t go;      /* all are queued */
	sem_t through; /* the last has run */
	unsigned ran;  /* the worker's */
	uint64_t done; /* the loop's */
	struct weft_pool *pool;
};

static void round_open(struct round *round, struct tevent_context *ev)
{
	/* One worker, and none in its place while it is held. */
	struct weft_pool_options options = {
		.min = 1,
		.max = 1,
		.spare = UINT_MAX,
	};

	(void)sem_init(&round->held, 0, 0);
	(void)sem_init(&round->go, 0, 0);
	(void)sem_init(&round->through, 0, 0);
	round->ran = 0;
	round->done = 0;
	count_check(weft_pool_create(ev, &options, &round->pool) == 0,
		    "no pool");
}

/* On the worker, in each job. */
static void round_job(struct round *round)
{
	if (round->ran == 0) {
		(void)sem_post(&round->held);
		(void)sem_wait(&round->go);
	}
	round->ran++;
	if (round->ran == COUNT_ROUND) {
		round->ran = 0;
		(void)sem_post(&round->through);
	}
}

/* Job @i has been sent. */
static void round_sent(struct round *round, unsigned i)
{
	if (i == 0) {
		(void)sem_wait(&round->held);
	}
}

/* All have been sent: lets them run, then takes them home. */
static void round_end(struct round *round, struct tevent_context *ev)
{
	uint64_t target = round->done + COUNT_ROUND;

	(void)sem_post(&round->go);
	(void)sem_wait(&round->through);
	while (round->done < target) {
		count_turn(ev);
	}
}

struct piece {
	struct weft_work work;
	struct round *round;
};

static int piece_runs(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	round_job(((struct piece *)(void *)work)->round);
	return 0;
}

static void piece_done(struct weft_mailbox *home, struct weft_work *work,
		       int error)
{
	(void)home;
	count_check(error == 0, "a piece of work has failed");
	((struct piece *)(void *)work)->round->done++;
}

static void run_work(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct piece *pieces = calloc(COUNT_ROUND, sizeof(*pieces));
	struct weft_mailbox *home = NULL;
	struct round round;
	unsigned i = 0;

	round_open(&round, ev);
	count_check(pieces != NULL &&
			    weft_mailbox_create(ev, ev, NULL, &home) == 0,
		    "no mailbox");
	for (i = 0; i < COUNT_ROUND; i++) {
		weft_work_init(&pieces[i].work, piece_runs, piece_done);
		pieces[i].round = &round;
	}
	while (round.done < n) {
		for (i = 0; i < COUNT_ROUND; i++) {
			count_check(weft_work_submit(&pieces[i].work,
						     round.pool, NULL,
						     home) == 0,
				    "a piece of work is refused");
			round_sent(&round, i);
		}
		round_end(&round, ev);
	}
	count_check(round.done == n, "pieces of work are lost");
	talloc_free(ev);
	free(pieces);
}

struct box {
	struct round *round;
};

static int box_runs(struct weft_job *job, void *block)
{
	struct box *box = block;

	(void)job;
	round_job(box->round);
	return 0;
}

static void box_comes(struct tevent_req *req)
{
	struct round *round = tevent_req_callback_data_void(req);
	struct box *box = NULL;

	count_check(weft_job_recv(req, NULL, &box) == 0, "a job has failed");
	talloc_free(req);
	talloc_free(box);
	round->done++;
}

static void run_job(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct round round;
	unsigned i = 0;

	round_open(&round, ev);
	while (round.done < n) {
		for (i = 0; i < COUNT_ROUND; i++) {
			struct box *box = talloc(NULL, struct box);
			struct tevent_req *req = NULL;

			count_check(box != NULL, "no memory");
			box->round = &round;
			req = weft_job_send(ev, ev, round.pool, box_runs, &box,
					    NULL);
			count_check(req != NULL, "no memory");
			tevent_req_set_callback(req, box_comes, &round);
			round_sent(&round, i);
		}
		round_end(&round, ev);
	}
	count_check(round.done == n, "jobs are lost");
	talloc_free(ev);
}

const struct count_row count_pool_rows[] = {
	{ "msg", "weft_post_msg to its own thread, one of 1 000", run_msg },
	{ "block", "a block is made, posted to its own thread and freed",
	  run_block },
	{ "call", "a call to its own thread, and its answer", run_call },
	{ "work", "embedded work is submitted, runs and comes home", run_work },
	{ "job", "a job with a block is sent, runs, comes home, is freed",
	  run_job },
	{ .name = NULL },
};
