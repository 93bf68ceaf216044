/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Event: libevent, with events that are embedded in the program's structures.
 * It knows times only as distances from its own now, so a workload cannot say
 * in which order they are.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#define PEER_SYMBOL       "event_base_loop"
#define PEER_FDS_ONLY     0
#define PEER_SOON_FIFO    1
#define PEER_TIMERS_PAST  1
#define PEER_TIMERS_TURN  0
#define PEER_TIMERS_LIST  0
#define PEER_TIMERS_FLOOR 0
#define PEER_REQS         0
#define PEER_REQS_TIMED   0

struct peer_loop {
	struct event_base *base;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->base = event_base_new();
	peer_check(loop->base != NULL, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	event_base_free(loop->base);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	peer_check(event_base_loop(loop->base, EVLOOP_ONCE) >= 0,
		   "the loop has failed");
}

#ifdef BENCH_SOON
struct peer_soon {
	struct event event;
};

static void peer_soon_cb(evutil_socket_t file, short what, void *arg)
{
	(void)file;
	(void)what;
	soon_runs(arg);
}

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	peer_check(event_assign(&soon->event, loop->base, -1, 0, peer_soon_cb,
				soon) == 0,
		   "no event");
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	(void)event_del(&soon->event);
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	(void)loop;
	event_active(&soon->event, EV_TIMEOUT, 0);
}
#endif

#ifdef BENCH_TIMERS
#define PEER_US_PER_S 1000000

struct peer_timer {
	struct event event;
};

static void peer_timer_cb(evutil_socket_t file, short what, void *arg)
{
	(void)file;
	(void)what;
	timer_fires(arg);
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	struct timeval after = {
		.tv_sec = (time_t)(us / PEER_US_PER_S),
		.tv_usec = (suseconds_t)(us % PEER_US_PER_S),
	};

	(void)loop;
	if (after.tv_usec < 0) {
		after.tv_sec--;
		after.tv_usec += PEER_US_PER_S;
	}
	peer_check(event_add(&timer->event, &after) == 0, "refused");
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	peer_check(evtimer_assign(&timer->event, loop->base, peer_timer_cb,
				  timer) == 0,
		   "no event");
	peer_timer_push(loop, timer, us);
}

static inline void peer_timer_add_from_open(struct peer_loop *loop,
					    struct peer_timer *timer,
					    int64_t us)
{
	peer_timer_add(loop, timer, us);
}

static inline void peer_timer_free(struct peer_loop *loop,
				   struct peer_timer *timer)
{
	(void)loop;
	(void)event_del(&timer->event);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)loop;
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	struct event event;
};

static void peer_fd_cb(evutil_socket_t file, short what, void *arg)
{
	(void)file;
	peer_check(what == EV_READ, "not readable");
	fd_ready(arg);
}

static inline void peer_fd_want(struct peer_loop *loop, struct peer_fd *fd,
				int file, short what)
{
	peer_check(event_assign(&fd->event, loop->base, file, what | EV_PERSIST,
				peer_fd_cb, fd) == 0 &&
			   event_add(&fd->event, NULL) == 0,
		   "refused");
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	peer_fd_want(loop, fd, file, EV_READ);
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	(void)loop;
	(void)event_del(&fd->event);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	int file = event_get_fd(&fd->event);

	(void)event_del(&fd->event);
	peer_fd_want(loop, fd, file, on ? EV_READ | EV_WRITE : EV_READ);
}
#endif
