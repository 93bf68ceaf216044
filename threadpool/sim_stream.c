/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim stream: a connection through a simulated world.
 *
 *      program's end 0              the world              program's end 1
 *      ---------------              ---------              ---------------
 *      fds[0] === inner[0] --> way 0: bytes, due --> inner[1] === fds[1]
 *             === inner[0] <-- way 1: bytes, due <-- inner[1] ===
 *
 * Each end is a socket pair, so the program uses its descriptors as it always
 * does. What it writes waits in the inner socket until somebody looks, then in
 * the way until it is due, and is then written to the other inner socket: all
 * of it or a part, as is chosen. Both ways are actors of the world
 * (sim_world.h).
 *
 *  1. The end of one side's writing, or its close, follows the bytes that were
 *     before it.
 *  2. A reset has to reach the program as ECONNRESET. Linux says that to a
 *     stream socket whose peer is closed with something unread. So the last
 *     byte that was taken always stays in the inner socket, and the first was
 *     put there at the beginning.
 *  3. When the receiver's socket is full, or what waits is much, nothing moves
 *     until there is room.
 *  4. A forked child shares the inner sockets with its parent, in whose world
 *     the connection stays. It closes its own, and takes nothing out of them.
 *
 * Threads: the world's.  Ordering: none.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/sim.h"

/* So much is taken at once, and a way holds up to twice that. */
#define STREAM_TAKEN_MAX 16384

struct sim_stream;

struct stream_way {
	struct wf_sim_actor actor; /* see sim_world.h */
	struct sim_stream *stream; /* I: */
	unsigned from;             /* I: which inner socket */
	uint64_t due_us;           /* O: of what it holds */
	size_t count;              /* O: bytes */
	bool ending;               /* O: the end has been seen */
	bool over; /* O: and been told; nothing comes any more */
	char bytes[2 * STREAM_TAKEN_MAX];
};

struct sim_stream {
	struct stream_way ways[2];
	int inner[2];
	unsigned delay_us;
	unsigned reset_one_in;
	bool whole;
};

static struct stream_way *way_of(struct wf_sim_actor *actor)
{
	return tev_container_of(actor, struct stream_way, actor);
}

static int way_in(const struct stream_way *way)
{
	return way->stream->inner[way->from];
}

static int way_out(const struct stream_way *way)
{
	return way->stream->inner[1 - way->from];
}

static bool way_holds(const struct stream_way *way)
{
	return way->count > 0 || (way->ending && !way->over);
}

/* Something new is on its way. */
static void way_depart(struct stream_way *way)
{
	struct wf_sim_world *world = way->actor.world;

	way->due_us = world->sim->now_us +
		      wf_sim_choose(world, way->stream->delay_us + 1);
}

/* Takes what the program has written. */
static void way_collect(struct stream_way *way)
{
	char seen[STREAM_TAKEN_MAX];
	struct pollfd pfd = { .fd = way_in(way), .events = POLLRDHUP };
	bool held = way_holds(way);
	ssize_t count = 0;

	if (way->ending || way->count >= STREAM_TAKEN_MAX) {
		return;
	}
	count = recv(way_in(way), seen, sizeof(seen), MSG_PEEK | MSG_DONTWAIT);
	if (count > 1) {
		size_t fresh = (size_t)count - 1;

		memcpy(way->bytes + way->count, seen + 1, fresh);
		way->count += fresh;
		(void)recv(way_in(way), seen, fresh, MSG_DONTWAIT);
	} else if (count < 0 || poll(&pfd, 1, 0) > 0) {
		way->ending = true;
	}
	if (!held && way_holds(way)) {
		way_depart(way);
	}
}

static bool way_has_room(const struct stream_way *way)
{
	struct pollfd pfd = { .fd = way_out(way), .events = POLLOUT };

	return poll(&pfd, 1, 0) > 0;
}

static uint64_t way_due(struct wf_sim_actor *actor)
{
	struct stream_way *way = way_of(actor);

	if (way->over) {
		return TEV_SIM_NEVER;
	}
	way_collect(way);
	if (!way_holds(way) || (way->count > 0 && !way_has_room(way))) {
		return TEV_SIM_NEVER;
	}
	return way->due_us;
}

static void stream_free(struct sim_stream *stream)
{
	unsigned i = 0;

	for (i = 0; i < 2; i++) {
		wf_sim_actor_part(&stream->ways[i].actor);
		if (stream->inner[i] >= 0) {
			(void)close(stream->inner[i]);
		}
	}
	free(stream);
}

/* Nobody reads what comes out of it: who writes is to know. */
static void way_break(struct stream_way *way)
{
	way->count = 0;
	way->ending = true;
	way->over = true;
	(void)shutdown(way_in(way), SHUT_RD);
}

static void way_deliver(struct stream_way *way)
{
	size_t size = way->count;
	ssize_t sent = 0;

	if (!way->stream->whole) {
		size -= wf_sim_choose(way->actor.world, (unsigned)size);
	}
	sent = send(way_out(way), way->bytes, size,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0) {
		way_break(way);
		return;
	}
	way->count -= (size_t)sent;
	memmove(way->bytes, way->bytes + sent, way->count);
	if (way_holds(way)) {
		way_depart(way);
	}
}

/* Whether this delivery is the end of the connection. */
static bool way_resets(const struct stream_way *way)
{
	unsigned of = way->stream->reset_one_in;

	return of > 0 && wf_sim_choose(way->actor.world, of) == of - 1;
}

static void way_move(struct wf_sim_actor *actor)
{
	struct stream_way *way = way_of(actor);
	struct sim_stream *stream = way->stream;

	if (way->count > 0 && way_resets(way)) {
		stream_free(stream);
		return;
	}
	if (way->count > 0) {
		way_deliver(way);
	} else {
		way->over = true;
		(void)shutdown(way_out(way), SHUT_WR);
	}
	if (stream->ways[0].over && stream->ways[1].over) {
		/* Not to be taken for a reset. */
		for (unsigned i = 0; i < 2; i++) {
			char last = 0;

			(void)recv(stream->inner[i], &last, 1, MSG_DONTWAIT);
		}
		stream_free(stream);
	}
}

/* The world ends, and the connection with it: the second of both. Or it is the
 * parent's. */
static void way_end(struct wf_sim_actor *actor)
{
	stream_free(way_of(actor)->stream);
}

static const struct wf_sim_actor_ops way_ops = {
	.name = "stream",
	.due = way_due,
	.move = way_move,
	.end = way_end,
	.forked = way_end,
};

/* One end: a socket for the world, with the first byte in it, and one for the
 * program. Return: 0 or an errno. */
static int stream_open_end(int *ret_inner, int *ret_fd)
{
	int pair[2] = { -1, -1 };
	ssize_t sent = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       pair) != 0) {
		return errno;
	}
	sent = send(pair[1], "", 1, MSG_NOSIGNAL);
	if (sent != 1) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return ENOMEM;
	}
	*ret_inner = pair[0];
	*ret_fd = pair[1];
	return 0;
}

static int stream_open(struct sim_stream *stream, int *ret_fds)
{
	int fds[2] = { -1, -1 };
	int ret = stream_open_end(&stream->inner[0], &fds[0]);

	if (ret != 0) {
		return ret;
	}
	ret = stream_open_end(&stream->inner[1], &fds[1]);
	if (ret != 0) {
		(void)close(stream->inner[0]);
		(void)close(fds[0]);
		return ret;
	}
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

int weft_sim_stream_sized(struct weft_sim *sim,
			  const struct weft_sim_stream_options *given,
			  size_t options_size, int *ret_fds)
{
	struct weft_sim_stream_options options = { .delay_us = 0 };
	struct sim_stream *stream = calloc(1, sizeof(*stream));
	unsigned i = 0;
	int ret = 0;

	if (stream == NULL) {
		return ENOMEM;
	}
	if (given != NULL) {
		memcpy(&options, given,
		       options_size < sizeof(options) ? options_size
						      : sizeof(options));
	}
	stream->delay_us = options.delay_us;
	stream->reset_one_in = options.reset_one_in;
	stream->whole = options.whole;
	ret = stream_open(stream, ret_fds);
	if (ret != 0) {
		free(stream);
		return ret;
	}
	for (i = 0; i < 2; i++) {
		stream->ways[i].stream = stream;
		stream->ways[i].from = i;
		wf_sim_actor_join(wf_sim_world_of(sim), &stream->ways[i].actor,
				  &way_ops);
	}
	return 0;
}
