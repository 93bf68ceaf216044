/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Peer: what is asked of a library between threads, in its own words.
 *
 * post.c and call.c are compiled once for each peer, whose header (PEER) has
 *
 *      PEER_SYMBOL                 a function of the library, or NULL
 *      struct peer_loop            a loop that others may post to
 *      peer_loop_open(loop), peer_loop_close(loop)
 *      peer_loop_turn(loop)        sleeps until something is to be done
 *      peer_busy_start(loop, way), peer_busy_stop(loop)
 *                                  work of its own, so that it never sleeps
 *
 *      struct peer_message         embedded in a message
 *      peer_message_init(peer, way), peer_message_fini(peer, way)
 *      peer_post(loop, peer)       the leanest way that the library has: has
 *                                  message_runs(peer) called on the loop
 *
 * and for the ways PEER_WAYS, a sum of bits,
 *
 *      WAY_FRESH   peer_post_fresh(loop, number): something is allocated for
 *                  each message; number_runs(number) is called on the loop
 *      WAY_REUSED  peer_post_reused(loop, peer): the message has an object of
 *                  the library's that is posted again and again. The peer must
 *                  not be posted again before the turn is over
 *      WAY_PROXY   peer_post_proxy(loop, number): as WAY_FRESH, but through
 *                  tevent's proxy, whose order stock changes: PEER_IN_ORDER
 *
 * PEER_CALLS: it is libweft, which has calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "tools/bench/bench.h"

#define WAY_LEAN   0 /* each peer has it: peer_post() */
#define WAY_FRESH  1
#define WAY_REUSED 2
#define WAY_PROXY  4

static const struct bench *running; /* for the peer to fail */

static inline void peer_check(bool held, const char *text)
{
	bench_check(running, held, text);
}

struct peer_message;
static void message_runs(struct peer_message *peer);
/* 48 bits, so that it fits into a pointer beside something else. */
static void number_runs(uint64_t number);

#ifndef PEER
#define PEER "tools/bench/thread/tevent.h"
#endif
#include PEER
