/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Tevent: through the public tevent.h, whosever library it is: ours, or stock.
 */
#include <stddef.h>

#include <talloc.h>

#include <tevent.h>

#ifndef PEER_BACKEND
#define PEER_BACKEND  NULL /* the default one */
#define PEER_FDS_ONLY 0
#endif
#ifndef PEER_TIMERS_LIST
#define PEER_TIMERS_LIST 0 /* as stock keeps them */
#endif
#define PEER_SYMBOL       "tevent_context_init"
#define PEER_SOON_FIFO    1
#define PEER_TIMERS_PAST  1
#define PEER_TIMERS_TURN  1
#define PEER_TIMERS_FLOOR 0
#define PEER_REQS         1
#define PEER_REQS_TIMED   1

#define PEER_FAR_S 3600

struct peer_loop {
	struct tevent_context *ev;
	struct timeval opened;
	struct timeval far; /* so soon nothing times out */
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->ev = tevent_context_init_byname(NULL, PEER_BACKEND);
	if (loop->ev == NULL) {
		bench_cannot(bench_now, "there is no such backend");
	}
	loop->opened = tevent_timeval_current();
	loop->far = tevent_timeval_add(&loop->opened, PEER_FAR_S, 0);
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->ev);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	peer_check(tevent_loop_once(loop->ev) == 0, "the loop has failed");
}

#ifdef BENCH_SOON
struct peer_soon {
	struct tevent_immediate *im;
};

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	soon->im = tevent_create_immediate(loop->ev);
	peer_check(soon->im != NULL, "no immediate");
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	TALLOC_FREE(soon->im);
}

static void peer_soon_handler(struct tevent_context *ev,
			      struct tevent_immediate *im, void *private_data)
{
	(void)ev;
	(void)im;
	soon_runs(private_data);
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	tevent_schedule_immediate(soon->im, loop->ev, peer_soon_handler, soon);
}
#endif

#ifdef BENCH_TIMERS
struct peer_timer {
	struct tevent_timer *te;
};

static inline struct timeval peer_after(struct timeval when, int64_t us)
{
	us += when.tv_usec;
	when.tv_sec += (time_t)(us / 1000000);
	when.tv_usec = (suseconds_t)(us % 1000000);
	if (when.tv_usec < 0) {
		when.tv_sec--;
		when.tv_usec += 1000000;
	}
	return when;
}

static void peer_timer_handler(struct tevent_context *ev,
			       struct tevent_timer *te, struct timeval now,
			       void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	timer_fires(private_data);
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	timer->te = tevent_add_timer(loop->ev, loop->ev,
				     peer_after(tevent_timeval_current(), us),
				     peer_timer_handler, timer);
	peer_check(timer->te != NULL, "no timer");
}

static inline void peer_timer_add_from_open(struct peer_loop *loop,
					    struct peer_timer *timer,
					    int64_t us)
{
	timer->te = tevent_add_timer(loop->ev, loop->ev,
				     peer_after(loop->opened, us),
				     peer_timer_handler, timer);
	peer_check(timer->te != NULL, "no timer");
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	(void)loop;
	tevent_update_timer(timer->te,
			    peer_after(tevent_timeval_current(), us));
}

static inline void peer_timer_free(struct peer_loop *loop,
				   struct peer_timer *timer)
{
	(void)loop;
	TALLOC_FREE(timer->te);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)loop;
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	struct tevent_fd *fde;
};

static void peer_fd_handler(struct tevent_context *ev, struct tevent_fd *fde,
			    uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	peer_check(flags == TEVENT_FD_READ, "not readable");
	fd_ready(private_data);
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	fd->fde = tevent_add_fd(loop->ev, loop->ev, file, TEVENT_FD_READ,
				peer_fd_handler, fd);
	peer_check(fd->fde != NULL, "no fd event");
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	(void)loop;
	TALLOC_FREE(fd->fde);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	(void)loop;
	tevent_fd_set_flags(fd->fde, on ? TEVENT_FD_READ | TEVENT_FD_WRITE
					: TEVENT_FD_READ);
}
#endif

#ifdef BENCH_REQS
/* 56 bytes: what a request of a real program keeps. */
struct peer_state {
	struct tevent_context *ev;
	uint64_t rest[6];
};

static struct peer_state *peer_req_create(TALLOC_CTX *mem_ctx,
					  struct tevent_context *ev,
					  struct tevent_req **ret_req)
{
	struct peer_state *state = NULL;

	*ret_req = tevent_req_create(mem_ctx, &state, struct peer_state);
	peer_check(*ret_req != NULL, "no request");
	state->ev = ev;
	return state;
}

static void peer_req_callback(struct tevent_req *req)
{
	peer_check(tevent_req_is_in_progress(req) == false, "not done");
	talloc_free(req);
	req_done();
}

static void peer_subreq_callback(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);

	talloc_free(subreq);
	tevent_req_done(req);
}

static struct tevent_req *peer_nested_send(TALLOC_CTX *mem_ctx,
					   struct tevent_context *ev,
					   unsigned depth)
{
	struct tevent_req *req = NULL;
	struct peer_state *state = peer_req_create(mem_ctx, ev, &req);
	struct tevent_req *subreq = NULL;

	if (depth == 0) {
		tevent_req_done(req);
		return tevent_req_post(req, ev);
	}
	subreq = peer_nested_send(state, ev, depth - 1);
	tevent_req_set_callback(subreq, peer_subreq_callback, req);
	return req;
}

static inline void peer_req_send(struct peer_loop *loop, unsigned depth)
{
	struct tevent_req *req = peer_nested_send(loop->ev, loop->ev, depth);

	tevent_req_set_callback(req, peer_req_callback, NULL);
}

static inline void peer_req_send_timed(struct peer_loop *loop)
{
	struct tevent_req *req = NULL;

	(void)peer_req_create(loop->ev, loop->ev, &req);
	peer_check(tevent_req_set_endtime(req, loop->ev, loop->far),
		   "no end time");
	tevent_req_done(req);
	req = tevent_req_post(req, loop->ev);
	tevent_req_set_callback(req, peer_req_callback, NULL);
}

static inline void *peer_req_open(struct peer_loop *loop)
{
	struct tevent_req *req = NULL;

	(void)peer_req_create(loop->ev, loop->ev, &req);
	tevent_req_set_callback(req, peer_req_callback, NULL);
	return req;
}

static inline void peer_req_finish(struct peer_loop *loop, void *req)
{
	(void)loop;
	tevent_req_done(req);
}
#endif
