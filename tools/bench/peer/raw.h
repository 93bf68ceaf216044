/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Raw: no library: what the machine allows.
 *
 * What is to run soon is in a list. Descriptors are in a bare epoll set, and
 * each change of interest is told at once. A timer and a request do no more
 * than what tevent.h asks of whoever implements it: the clock is read; a talloc
 * object below the caller's, with a destructor, takes what was said. Timers are
 * kept in no order and cannot fire: that is the floor below adding, pushing and
 * freeing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#define PEER_SYMBOL       NULL
#define PEER_FDS_ONLY     0
#define PEER_SOON_FIFO    1
#define PEER_TIMERS_PAST  1
#define PEER_TIMERS_TURN  1
#define PEER_TIMERS_LIST  0
#define PEER_TIMERS_FLOOR 1
#define PEER_REQS         1
#define PEER_REQS_TIMED   0

#define PEER_EVENTS 1024

struct peer_link {
	struct peer_link *next;
	void (*run)(struct peer_link *link);
};

struct peer_loop {
	int set;
	TALLOC_CTX *all; /* timers and requests hang below it */
	struct peer_link *first;
	struct peer_link **last;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->set = epoll_create1(EPOLL_CLOEXEC);
	loop->all = talloc_new(NULL);
	loop->first = NULL;
	loop->last = &loop->first;
	peer_check(loop->set != -1, "no epoll set");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->all);
	(void)close(loop->set);
}

/* Puts @link at the end of what runs soon. */
static inline void peer_later(struct peer_loop *loop, struct peer_link *link)
{
	link->next = NULL;
	*loop->last = link;
	loop->last = &link->next;
}

#ifdef BENCH_FDS
static inline void peer_fds_wait(struct peer_loop *loop)
{
	struct epoll_event events[PEER_EVENTS];
	int count = epoll_wait(loop->set, events, PEER_EVENTS, -1);
	int i = 0;

	peer_check(count > 0, "no event");
	for (i = 0; i < count; i++) {
		peer_check(events[i].events & EPOLLIN, "not readable");
		fd_ready(events[i].data.ptr);
	}
}
#endif

static inline void peer_loop_turn(struct peer_loop *loop)
{
	struct peer_link *link = loop->first;

	if (link != NULL) {
		loop->first = link->next;
		if (loop->first == NULL) {
			loop->last = &loop->first;
		}
		link->run(link);
		return;
	}
#ifdef BENCH_FDS
	peer_fds_wait(loop);
#endif
}

#ifdef BENCH_SOON
struct peer_soon {
	struct peer_link link;
};

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	(void)loop;
	(void)soon;
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	(void)soon;
}

static void peer_soon_run(struct peer_link *link)
{
	soon_runs((struct peer_soon *)(void *)link);
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	soon->link.run = peer_soon_run;
	peer_later(loop, &soon->link);
}
#endif

#ifdef BENCH_TIMERS
#define PEER_US_PER_S  1000000
#define PEER_NS_PER_US 1000

/* What tevent_add_timer() is told, and where the timer is kept. */
struct peer_timer_object {
	void *loop;
	int64_t when_us[2];
	void (*run)(struct peer_timer *timer);
	void *private_data;
	void *wrapper;
	const char *names[2];
	uint64_t tag;
	uint64_t place;
};

struct peer_timer {
	struct peer_timer_object *object;
};

static int peer_timer_gone(struct peer_timer_object *object)
{
	__asm__ volatile("" : : "r"(object) : "memory");
	return 0;
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	struct timespec now = { 0, 0 };

	(void)loop;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	timer->object->when_us[0] = (int64_t)now.tv_sec + us / PEER_US_PER_S;
	timer->object->when_us[1] = now.tv_nsec / PEER_NS_PER_US +
				    us % PEER_US_PER_S;
	__asm__ volatile("" : : "r"(timer->object) : "memory");
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	timer->object = talloc_zero(loop->all, struct peer_timer_object);
	talloc_set_destructor(timer->object, peer_timer_gone);
	timer->object->loop = loop;
	timer->object->run = timer_fires;
	timer->object->private_data = timer;
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
	TALLOC_FREE(timer->object);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)loop;
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	int file;
};

static inline void peer_fd_tell(struct peer_loop *loop, struct peer_fd *fd,
				int how, uint32_t what)
{
	struct epoll_event event = { .events = what, .data.ptr = fd };

	peer_check(epoll_ctl(loop->set, how, fd->file, &event) == 0, "refused");
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	fd->file = file;
	peer_fd_tell(loop, fd, EPOLL_CTL_ADD, EPOLLIN);
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	peer_fd_tell(loop, fd, EPOLL_CTL_DEL, 0);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	peer_fd_tell(loop, fd, EPOLL_CTL_MOD,
		     on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}
#endif

#ifdef BENCH_REQS
struct peer_req {
	struct peer_link link;
	struct peer_loop *loop;
	struct peer_req *above;
	void *state;
};

/* 56 bytes, as with tevent. */
struct peer_state {
	uint64_t rest[7];
};

static inline struct peer_req *peer_req_new(struct peer_loop *loop,
					    struct peer_req *above)
{
	TALLOC_CTX *parent = above != NULL ? (TALLOC_CTX *)above : loop->all;
	struct peer_req *req = talloc_zero(parent, struct peer_req);

	req->loop = loop;
	req->above = above;
	req->state = talloc_zero(req, struct peer_state);
	return req;
}

static void peer_req_run(struct peer_link *link)
{
	struct peer_req *req = (struct peer_req *)(void *)link;
	struct peer_req *above = req->above;

	talloc_free(req);
	if (above != NULL) {
		peer_req_run(&above->link);
		return;
	}
	req_done();
}

static inline void peer_req_send(struct peer_loop *loop, unsigned depth)
{
	struct peer_req *req = peer_req_new(loop, NULL);

	for (; depth > 0; depth--) {
		req = peer_req_new(loop, req);
	}
	req->link.run = peer_req_run;
	peer_later(loop, &req->link);
}

static inline void *peer_req_open(struct peer_loop *loop)
{
	return peer_req_new(loop, NULL);
}

static inline void peer_req_finish(struct peer_loop *loop, void *req)
{
	(void)loop;
	peer_req_run(req);
}
#endif
