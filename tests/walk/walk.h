/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Walk: a long random way over tevent's API, told line by line.
 *
 * The program uses tevent.h alone, so it is built on ours and on another
 * libtevent. From one seed both walks make the same choices as long as both
 * libraries answer alike; the first line that differs is a difference between
 * the libraries. tools/differ builds, runs and compares.
 *
 * Lines name things by numbers (fd7, req12) and hold nothing that depends on
 * addresses or on the clock.
 *
 *   base.c     choice, lines, things, frames     timer.c    timers
 *   loop.c     contexts, passes                  immediate.c
 *   trace.c    every trace callback              signal.c
 *   fd.c       descriptors and their events      req.c      requests
 *   wrap.c     wrapper contexts                  queue.c    request queues
 *   main.c     the choice of the next step       proxy.c    thread proxies
 *   program.c  main()
 *
 * What may be done when is the art of it. Handlers act, too; but what is
 * undefined in the original is left out, unless the walk is wild: then it is
 * made for ours alone, to be looked at by a memory checker.
 */
#pragma once

#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <talloc.h>
#include <tevent.h>

#define WALK_UNUSED __attribute__((__unused__))

enum kind {
	KIND_EV,
	KIND_WRAP,
	KIND_PEN, /* a talloc parent for events */
	KIND_FD,
	KIND_TIMER,
	KIND_IM,
	KIND_SIGNAL,
	KIND_REQ,
	KIND_ENTRY,
	KIND_QUEUE,
	KIND_THREADED,
	KIND_PROXY,
	KIND_COUNT,
};

/* Whatever was made on the way. Never used again for another one. */
struct thing {
	enum kind kind;
	unsigned id;
	void *ptr;
	bool dead;          /* freed: not to be touched */
	struct thing *ev;   /* the context it is on, or NULL */
	struct thing *wrap; /* the wrapper it went through, or NULL */
	struct thing *home; /* the talloc parent, or NULL */
	unsigned frames;    /* its handlers under way */
	bool rerun;         /* a nested loop has run its handler again */

	union {
		struct {
			unsigned level;
			bool nests;
			bool traced;
			struct tevent_fd *beacon;
			unsigned posted; /* not delivered yet */
		} ctx;
		struct {
			bool refuse;
		} hook;
		struct {
			int fd, peer;
			bool socket, ours; /* ours: to close */
			uint16_t mask;     /* flags it may have */
			struct thing *buddy;
		} fd;
		struct {
			bool fired, far;
		} timer;
		struct {
			bool posted;
			bool wrapped; /* has been on a wrapper */
			bool spoiled; /* which has gone */
		} im;
		struct {
			int number;
			bool once;
		} sig;
		struct {
			bool notified; /* its callback has run at its end */
			bool received;
			bool foreign; /* made by the library */
			bool far;     /* an end in the far future */
			/* The place of that end, and whether it has gone. */
			struct thing *end_ev, *end_wrap;
			bool lost;
			bool wrapped;        /* posts to wrappers only */
			struct thing *queue; /* where it waits */
			/* The places that it named for that, and to defer. */
			struct thing *turn_ev, *turn_wrap;
			struct thing *defer_ev, *defer_wrap;
			struct thing *post_wrap;
			unsigned turn;
		} req;
		struct {
			bool stopped;
			bool wrapped;       /* entries on wrappers only */
			struct thing *wrap; /* the last of them */
			bool stale;         /* its immediate may be scheduled */
		} queue;
		struct {
			bool cut_off;
		} threaded;
	};
};

/* Where the walk stands. */
struct walk {
	uint64_t state;
	/* NULL, or what chooses instead, a byte or two a time; the walk ends
	 * with them, and what then has to be chosen still comes from state. */
	const uint8_t *bytes;
	size_t bytes_left;
	FILE *out; /* NULL: standard output */
	bool few;  /* requests and queues, and what they need */
	unsigned step;
	bool wild;     /* what only ours defines is allowed */
	bool now;      /* each line at once, empty passes too */
	unsigned loop; /* loops under way, one in the other */
	unsigned pins; /* callbacks in which nothing may be freed */
	bool quiet;    /* handlers only talk */
	bool burst;    /* ready descriptors are counted, not told */
	bool finite;   /* nothing endless may begin */
	bool refuse;   /* the nesting hook shall fail */
	bool ending;   /* a context goes: its fds in any order (B208) */
	unsigned ran;  /* handlers so far */
	unsigned idle; /* times that only the beacon ran */
	struct thing *newborn;
};

extern struct walk walk;

/* base.c */
unsigned choose(unsigned count); /* 0 .. count - 1 */
bool chance(unsigned in);        /* one in @in */
void say(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
size_t say_mark(void);
void say_cut(size_t mark);
void say_flush(void);
/* What is left is said even if the walk aborts or takes longer than this. */
void say_rescue(unsigned seconds);

typedef bool (*thing_fn)(const struct thing *t);
struct thing *thing_new(enum kind kind);
/* Takes note of its memory, once that is there; NULL: it is dead. */
void thing_born(struct thing *t, void *ptr);
/* A living one for which @fits holds (NULL: any), by chance; or NULL. */
struct thing *thing_pick(enum kind kind, thing_fn fits);
struct thing *thing_next(struct thing *after, enum kind kind);
struct thing *thing_next_dead(struct thing *after, enum kind kind);
unsigned thing_count(enum kind kind);
const char *thing_name(const struct thing *t);
/* A location, or a handler's name: the library's own are all one. */
const char *place_name(const char *location);
const char *kind_name(enum kind kind);
/* May be freed here, with everything that hangs below it. */
bool thing_loose(const struct thing *t);
/* It dies, and what hangs below it. */
void thing_doom(struct thing *t);
/* Frees it and says so. */
void thing_free(struct thing *t);
bool thing_free_any(struct thing *t); /* false: it may not be */
/* What was on @ev (or went through @wrap) is on nothing now. */
void thing_detach(const struct thing *ev, const struct thing *wrap);

void enter(struct thing *t);
void leave(struct thing *t);
bool in_signal(int number); /* 0: any */
unsigned depth(void);

void walk_begin(void); /* forgets the last one */

/* main.c: a whole walk; a few things done by a handler */
void walk_take(unsigned long count);
void act(unsigned most);

/* Steps: false when there is nothing to do it with. */
typedef bool (*step_fn)(void);

/* loop.c */
struct thing *some_ev(void); /* a context, or NULL */
/* A context or a wrapper; sets t->ev, t->wrap. */
struct tevent_context *some_place(struct thing *t);
/* The talloc parent of an event: a pen, or NULL; sets t->home. */
bool wrap_lives(const struct thing *t);
/* The same, of one kind: a wrapper, or none. May be NULL. */
struct tevent_context *some_place_of(struct thing *t, bool wrapper);
void *some_home(struct thing *t, bool else_ev);
bool step_ev_new(void);
bool step_ev_free(void);
void ev_free(struct thing *t);
bool step_ev_reinit(void);
bool step_pass(void);
bool step_until(void);
bool step_wait(void);
bool step_pen_new(void);
bool step_pen_free(void);
bool loop_still(struct thing *ev); /* runs until nothing happens any more */

/* trace.c */
void trace_on(struct thing *ev);
void trace_off(struct thing *ev);
void trace_end(void); /* tells of the fds that went with a context */
const char *tag_name(uint64_t tag);
uint64_t tag_of(const struct thing *t);

/* fd.c */
bool step_fd_new(void);
bool step_fd_share(void);
bool step_fd_dup(void);
bool step_fd_flags(void);
bool step_fd_free(void);
bool step_fd_feed(void);
bool step_fd_drain(void);
bool step_fd_stuff(void);
bool step_fd_hang(void);
bool step_fd_close_fn(void);
bool step_fd_tag(void);
bool step_fd_reuse(void); /* wild */
void fd_reap(void);       /* closes what belongs to nobody any more */
unsigned fd_ready(const struct thing *ev);
void fd_burst_begin(const struct thing *ev);
void fd_burst_end(void);
void fd_silence(const struct thing *ev); /* all ready ones but one */
void fd_clear(const struct thing *ev);   /* frees all on it */

/* timer.c */
bool step_timer_new(void);
bool step_timer_move(void);
bool step_timer_free(void);
bool step_timer_tag(void);
struct timeval some_time(bool *ret_far);
const char *time_name(struct timeval when);
void timer_clear(const struct thing *ev); /* those in the far future */

/* immediate.c */
bool step_im_new(void);
bool step_im_schedule(void);
bool step_im_free(void);
bool step_im_tag(void);
bool step_threaded_new(void);
bool step_threaded_free(void);
bool step_threaded_post(void);

/* signal.c */
bool step_signal_new(void);
bool step_signal_free(void);
bool step_signal_raise(void);
bool step_signal_look(void);
void signal_clear(const struct thing *ev);

/* req.c */
bool step_req_new(void);
bool step_req_wakeup(void);
bool step_req_finish(void);
bool step_req_post(void);
bool step_req_endtime(void);
bool step_req_slots(void);
bool step_req_received(void);
bool step_req_free(void);
bool step_req_cancel(void);
bool step_req_look(void);
bool step_req_profile(void);
bool step_req_poll(void);
void req_finish(struct thing *t);
void req_slots(struct thing *t);
bool req_fresh(const struct thing *t); /* ours, not at its end */
/* Something waits there that the original would look at (B823, B913). */
bool req_holds(const struct thing *ev, const struct thing *wrap);
bool queue_holds(const struct thing *wrap);
void req_clear(const struct thing *ev);

/* queue.c */
bool step_queue_new(void);
bool step_queue_free(void);
bool step_queue_add(void);
bool step_queue_wait(void);
bool step_queue_turn(void);
bool step_queue_look(void);
bool step_entry_free(void);
bool step_entry_untrigger(void);
bool step_entry_tag(void);

/* wrap.c */
bool step_wrap_new(void);
bool step_wrap_free(void);
bool step_wrap_use(void);
bool step_wrap_look(void);

/* proxy.c */
bool step_proxy_new(void);
bool step_proxy_free(void);
bool step_proxy_post(void);
void proxy_clear(const struct thing *ev);
