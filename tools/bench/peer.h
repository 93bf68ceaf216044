/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Peer: what the workloads of one loop ask of a library, in its own words.
 *
 * The workloads (immediate.c, timer.c, fd.c, echo.c, req.c, memory.c) are
 * compiled once for each peer. The header of the peer, peer/NAME.h, comes in
 * here by the macro PEER and says how that library's users would write it; all
 * of it is inlined, so nothing stands between the two. A workload first defines
 * what it uses, and then the functions that are called:
 *
 *      always          struct peer_loop
 *                      peer_loop_open(loop), peer_loop_close(loop)
 *                      peer_loop_turn(loop): handles what is ready, as much as
 *                      one call of the library does; sleeps if nothing is
 *      BENCH_SOON      struct peer_soon, peer_soon_init(), peer_soon_fini()
 *                      peer_soon(loop, soon): soon_runs(soon) is called by a
 *                      turn, and not before
 *      BENCH_TIMERS    struct peer_timer
 *                      peer_timer_add(loop, timer, us): timer_fires(timer) is
 *                      called in so many microseconds; fired, it is gone
 *                      peer_timer_add_from_open(): from when the loop was
 *                      opened, where the library knows points in time
 *                      peer_timer_push(loop, timer, us): another time
 *                      peer_timer_free(loop, timer): before it has fired
 *                      peer_timers_settle(loop): what was freed or has fired
 *                      may be added again
 *      BENCH_FDS       struct peer_fd
 *                      peer_fd_watch(loop, fd, file): fd_ready(fd) is called
 *                      when file is readable, until
 *                      peer_fd_unwatch(loop, fd)
 *                      peer_fd_writes(loop, fd, on): writable interests too
 *      BENCH_REQS      peer_req_send(loop, depth): a request is created, is
 *                      done at once, is called back by a turn (req_done()) and
 *                      freed; with a depth, in so many requests more
 *                      peer_req_send_timed(loop): the same with an end time
 *                      peer_req_open(loop): one that is not done
 *                      peer_req_finish(loop, req): now it is, and freed
 *
 * and what is to be known of it:
 *
 *      PEER_SYMBOL      a function of the library, or NULL
 *      PEER_FDS_ONLY    as another peer, but for descriptors
 *      PEER_SOON_FIFO   what is to run soon does so in turn
 *      PEER_TIMERS_PAST a time in the past can be asked for
 *      PEER_TIMERS_TURN timers that are overdue fire in the order of times that
 *                       were asked for
 *      PEER_TIMERS_LIST adding at random times takes time in proportion to n
 *      PEER_TIMERS_FLOOR they are not kept in any order and never fire
 *      PEER_REQS        it has requests
 *      PEER_REQS_TIMED  which may have an end time
 */
#pragma once

#include <stdint.h>

#include "tools/bench/bench.h"

static const struct bench *bench_now; /* for the peer to fail */

static inline void peer_check(bool held, const char *text)
{
	bench_check(bench_now, held, text);
}

#ifdef BENCH_SOON
struct peer_soon;
static void soon_runs(struct peer_soon *soon);
#endif
#ifdef BENCH_TIMERS
struct peer_timer;
static void timer_fires(struct peer_timer *timer);
#endif
#ifdef BENCH_FDS
struct peer_fd;
static void fd_ready(struct peer_fd *fd);
#endif
#ifdef BENCH_REQS
static void req_done(void);
#endif

#ifndef PEER
#define PEER "tools/bench/peer/tevent.h"
#endif
#include PEER
