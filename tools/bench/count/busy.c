/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Busy: two or three threads that always have something to do.
 *
 * For tests/syscalls.t. A poster is at most WINDOW messages ahead of a loop
 * that has work of its own; of jobs and calls WINDOW are under way at each
 * moment, and each that comes home sends the next.
 *
 * Threads: main turns the loop; poster_main posts. They share what is atomic.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weft.h>

#include "tools/bench/count/count.h"

#define WINDOW  4096
#define WORKERS 2

/* ---- messages ---- */

struct slot {
	struct weft_msg msg;
	struct posting *posting;
};

struct posting {
	weft_addr_t addr;
	struct tevent_threaded_context *tc;
	uint64_t n;
	uint64_t arrived;  /* the loop's */
	atomic_ulong told; /* relaxed: the same; release where slots are used
			    * again */
	struct slot *slots;
};

static void arrives(struct posting *posting)
{
	posting->arrived++;
	/* Release: pairs with the acquire in wait_for_room(). */
	atomic_store_explicit(&posting->told, posting->arrived,
			      memory_order_release);
}

/* Acquire: the loop has done with the slots of what it has told. */
static void wait_for_room(struct posting *posting, uint64_t i)
{
	while (i >= WINDOW + atomic_load_explicit(&posting->told,
						  memory_order_acquire)) {
	}
}

static void im_arrives(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	(void)ev;
	arrives(private_data);
	talloc_free(im);
}

static void *im_poster(void *arg)
{
	struct posting *posting = arg;
	uint64_t i = 0;

	for (i = 0; i < posting->n; i++) {
		struct tevent_immediate *im = NULL;

		wait_for_room(posting, i);
		im = tevent_create_immediate(NULL);
		count_check(im != NULL, "no memory");
		tevent_threaded_schedule_immediate(posting->tc, im, im_arrives,
						   posting);
	}
	return NULL;
}

static void msg_arrives(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	arrives(((struct slot *)(void *)msg)->posting);
}

static void msg_lost(struct weft_msg *msg)
{
	(void)msg;
	count_check(false, "a message is cancelled");
}

static void *msg_poster(void *arg)
{
	struct posting *posting = arg;
	uint64_t i = 0;

	for (i = 0; i < posting->n; i++) {
		struct slot *slot = &posting->slots[i % WINDOW];

		wait_for_room(posting, i);
		slot->msg.run = msg_arrives;
		slot->msg.cancel = msg_lost;
		slot->posting = posting;
		count_check(weft_post_msg(posting->addr, &slot->msg) == 0,
			    "a message is refused");
	}
	return NULL;
}

static void im_works(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	tevent_schedule_immediate(im, ev, im_works, private_data);
}

static void fd_works(struct tevent_context *ev, struct tevent_fd *fde,
		     uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
}

static void post_all(struct posting *posting, struct tevent_context *ev,
		     void *(*poster)(void *))
{
	pthread_t thread;

	count_check(pthread_create(&thread, NULL, poster, posting) == 0,
		    "no thread");
	while (posting->arrived < posting->n) {
		count_turn(ev);
	}
	(void)pthread_join(thread, NULL);
}

/* Its own work is an immediate that schedules itself: it never waits. */
static void run_post_busy(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct tevent_immediate *im = tevent_create_immediate(ev);
	struct posting posting = { .n = n };

	posting.tc = tevent_threaded_context_create(ev, ev);
	count_check(im != NULL && posting.tc != NULL, "no threaded context");
	tevent_schedule_immediate(im, ev, im_works, NULL);
	post_all(&posting, ev, im_poster);
	talloc_free(ev);
}

/* Its own work is a descriptor that is always ready: one that waits, but never
 * sleeps. */
static void run_msg_busy(uint64_t n)
{
	struct tevent_context *ev = count_context();
	int fd = eventfd(1, EFD_CLOEXEC);
	struct posting posting = { .n = n };

	posting.slots = calloc(WINDOW, sizeof(*posting.slots));
	count_check(posting.slots != NULL &&
			    weft_context_addr(ev, &posting.addr) == 0 &&
			    tevent_add_fd(ev, ev, fd, TEVENT_FD_READ, fd_works,
					  NULL) != NULL,
		    "no mailbox");
	post_all(&posting, ev, msg_poster);
	talloc_free(ev);
	(void)close(fd);
	free(posting.slots);
}

/* ---- calls and jobs ---- */

struct crowd {
	struct tevent_context *ev;
	weft_addr_t to;
	struct weft_pool *pool;
	struct weft_mailbox *home;
	uint64_t to_send;
	uint64_t done;
};

static void crowd_turn(struct crowd *crowd, uint64_t n)
{
	while (crowd->done < n) {
		count_turn(crowd->ev);
	}
	count_check(crowd->done == n && crowd->to_send == 0,
		    "more came back than were sent");
	talloc_free(crowd->ev);
}

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void call(struct crowd *crowd);

static void answered(struct tevent_req *req)
{
	struct crowd *crowd = tevent_req_callback_data_void(req);

	count_check(weft_call_recv(req, NULL, NULL) == 0, "a call has failed");
	talloc_free(req);
	crowd->done++;
	call(crowd);
}

static void call(struct crowd *crowd)
{
	struct tevent_req *req = NULL;

	if (crowd->to_send == 0) {
		return;
	}
	crowd->to_send--;
	req = weft_call_send(crowd->ev, crowd->ev, crowd->to, answer, NULL,
			     NULL);
	count_check(req != NULL, "no memory");
	tevent_req_set_callback(req, answered, crowd);
}

static void run_call_busy(uint64_t n)
{
	struct crowd crowd = { .ev = count_context(), .to_send = n };
	struct weft_loop *loop = NULL;
	unsigned i = 0;

	count_check(weft_loop_start(crowd.ev, NULL, &loop) == 0, "no loop");
	crowd.to = weft_loop_addr(loop);
	for (i = 0; i < WINDOW; i++) {
		call(&crowd);
	}
	crowd_turn(&crowd, n);
}

static void pool_open(struct crowd *crowd)
{
	struct weft_pool_options options = { .min = WORKERS, .max = WORKERS };

	count_check(weft_pool_create(crowd->ev, &options, &crowd->pool) == 0 &&
			    weft_mailbox_create(crowd->ev, crowd->ev, NULL,
						&crowd->home) == 0,
		    "no pool");
}

struct piece {
	struct weft_work work;
	struct crowd *crowd;
};

static int piece_runs(struct weft_job *job, struct weft_work *work)
{
	(void)job;
	(void)work;
	return 0;
}

static void piece_send(struct piece *piece)
{
	struct crowd *crowd = piece->crowd;

	if (crowd->to_send > 0) {
		crowd->to_send--;
		count_check(weft_work_submit(&piece->work, crowd->pool, NULL,
					     crowd->home) == 0,
			    "a piece of work is refused");
	}
}

static void piece_done(struct weft_mailbox *home, struct weft_work *work,
		       int error)
{
	struct piece *piece = (struct piece *)(void *)work;

	(void)home;
	count_check(error == 0, "a piece of work has failed");
	piece->crowd->done++;
	piece_send(piece);
}

static void run_work_busy(uint64_t n)
{
	struct crowd crowd = { .ev = count_context(), .to_send = n };
	struct piece *pieces = calloc(WINDOW, sizeof(*pieces));
	unsigned i = 0;

	pool_open(&crowd);
	count_check(pieces != NULL, "no memory");
	for (i = 0; i < WINDOW; i++) {
		weft_work_init(&pieces[i].work, piece_runs, piece_done);
		pieces[i].crowd = &crowd;
		piece_send(&pieces[i]);
	}
	crowd_turn(&crowd, n);
	free(pieces);
}

static int job_runs(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static void job_send(struct crowd *crowd);

static void job_comes(struct tevent_req *req)
{
	struct crowd *crowd = tevent_req_callback_data_void(req);

	count_check(weft_job_recv(req, NULL, NULL) == 0, "a job has failed");
	talloc_free(req);
	crowd->done++;
	job_send(crowd);
}

static void job_send(struct crowd *crowd)
{
	struct crowd **block = NULL;
	struct tevent_req *req = NULL;

	if (crowd->to_send == 0) {
		return;
	}
	crowd->to_send--;
	block = talloc(NULL, struct crowd *);
	count_check(block != NULL, "no memory");
	req = weft_job_send(crowd->ev, crowd->ev, crowd->pool, job_runs, &block,
			    NULL);
	count_check(req != NULL, "no memory");
	tevent_req_set_callback(req, job_comes, crowd);
}

static void run_job_busy(uint64_t n)
{
	struct crowd crowd = { .ev = count_context(), .to_send = n };
	unsigned i = 0;

	pool_open(&crowd);
	for (i = 0; i < WINDOW; i++) {
		job_send(&crowd);
	}
	crowd_turn(&crowd, n);
}

const struct count_row count_busy_rows[] = {
	{ "post-busy", "a fresh immediate from another thread to a busy loop",
	  run_post_busy },
	{ "msg-busy", "weft_post_msg from another thread to a busy loop",
	  run_msg_busy },
	{ "call-busy", "one of 4 096 calls to another loop, and its answer",
	  run_call_busy },
	{ "work-busy", "one of 4 096 pieces of work on two workers",
	  run_work_busy },
	{ "job-busy", "one of 4 096 jobs with blocks on two workers",
	  run_job_busy },
	{ .name = NULL },
};
