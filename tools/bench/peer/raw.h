/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Raw: no library: what the machine allows.
 *
 * What is to run soon is in a list. Descriptors are in a bare epoll set, and
 * each change of interest is told at once.
 *
 * Timers and requests are a floor: what tevent.h asks of whoever implements it,
 * and nothing else. Of a request that is two talloc objects. Of a timer:
 *
 *  add   The caller reads the clock, for times are absolute. A talloc object
 *        below the caller's, with a destructor, takes what was said: the loop,
 *        the time, the function and its data, two names, a tag; and a sequence,
 *        for equal times have an order. Of one that is to be found when it is
 *        due the time stands in a place elsewhere, of 16 bytes, for nobody
 *        could look at a million objects. The object knows its place: 80
 *        bytes, 192 of the heap.
 *
 *  push  The caller reads the clock, then comes to the object, which is cold
 *        where there are many. Its time and sequence are written. A later time
 *        may be kept from the place, which says "not before"; so the object is
 *        asked what that says. An earlier one is written there, and that is
 *        cold as well. (Who notes pushes down, for the next turn to look, has
 *        the same to look at there.)
 *
 *  free  The place is emptied, and taken again by the next.
 *
 * What is left out is the order: the places stand in none. Nothing sifts and no
 * object hears that it has moved; but no timer can fire. Whoever keeps an order
 * that way or another pays for it on top.
 */
#include <errno.h>
#include <stdlib.h>
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

#define PEER_EVENTS     1024
#define PEER_PLACES_MIN 16
#define PEER_NO_PLACE   UINT32_MAX

struct peer_link {
	struct peer_link *next;
	void (*run)(struct peer_link *link);
};

struct peer_loop {
	int set;
	TALLOC_CTX *all; /* timers and requests hang below it */
	struct peer_link *first;
	struct peer_link **last;
	uint64_t seq;
	struct peer_place *places; /* of timers, in no order */
	uint32_t places_used;
	uint32_t places_room;
	uint32_t place_empty; /* the first of the empty ones */
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->set = epoll_create1(EPOLL_CLOEXEC);
	loop->all = talloc_new(NULL);
	loop->first = NULL;
	loop->last = &loop->first;
	loop->seq = 0;
	loop->places = NULL;
	loop->places_used = 0;
	loop->places_room = 0;
	loop->place_empty = PEER_NO_PLACE;
	peer_check(loop->set != -1, "no epoll set");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->all);
	free(loop->places);
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

struct peer_timer_object {
	struct peer_loop *loop;
	int64_t when_us;
	uint64_t seq;
	int64_t place_us; /* what its place says: then, or later */
	uint64_t place;
	void (*run)(struct peer_timer *timer);
	void *private_data;
	const char *names[2];
	uint64_t tag;
};

struct peer_place {
	int64_t when_us; /* of an empty one: the next empty one */
	struct peer_timer_object *object;
};

struct peer_timer {
	struct peer_timer_object *object;
};

static inline uint32_t peer_place_take(struct peer_loop *loop)
{
	uint32_t place = loop->place_empty;

	if (place != PEER_NO_PLACE) {
		loop->place_empty = (uint32_t)loop->places[place].when_us;
		return place;
	}
	if (loop->places_used == loop->places_room) {
		loop->places_room = loop->places_room * 2 + PEER_PLACES_MIN;
		loop->places = realloc(loop->places,
				       loop->places_room *
					       sizeof(*loop->places));
		peer_check(loop->places != NULL, "no memory");
	}
	return loop->places_used++;
}

static int peer_timer_gone(struct peer_timer_object *object)
{
	struct peer_loop *loop = object->loop;
	struct peer_place *place = &loop->places[object->place];

	place->when_us = loop->place_empty;
	place->object = NULL;
	loop->place_empty = (uint32_t)object->place;
	return 0;
}

static inline int64_t peer_after(int64_t us)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * PEER_US_PER_S +
	       now.tv_nsec / PEER_NS_PER_US + us;
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	int64_t when_us = peer_after(us);
	struct peer_timer_object *object = timer->object;

	object->when_us = when_us;
	object->seq = loop->seq++;
	if (when_us < object->place_us) {
		object->place_us = when_us;
		loop->places[object->place].when_us = when_us;
	}
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	int64_t when_us = peer_after(us);
	struct peer_timer_object *object = NULL;

	object = talloc(loop->all, struct peer_timer_object);
	talloc_set_destructor(object, peer_timer_gone);
	object->loop = loop;
	object->when_us = when_us;
	object->seq = loop->seq++;
	object->place_us = when_us;
	object->place = peer_place_take(loop);
	object->run = timer_fires;
	object->private_data = timer;
	object->names[0] = "timer_fires";
	object->names[1] = __FILE__;
	object->tag = 0;
	loop->places[object->place].when_us = when_us;
	loop->places[object->place].object = object;
	timer->object = object;
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
