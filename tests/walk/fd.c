/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: events on pipes and sockets.
 *
 * A descriptor may have two events, one that reads and one that writes: more,
 * or both at once ready, 0.14.1's epoll cannot do fairly (B310).
 */
#include "tests/walk/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FD_MAX = 10,
	FD_BOTH = TEVENT_FD_READ | TEVENT_FD_WRITE,
	BURST_MAX = 64,
};

static struct {
	unsigned id;
	uint16_t flags;
} seen[BURST_MAX];
static unsigned seen_used;

static void burst_add(unsigned id, uint16_t flags)
{
	unsigned i = 0;

	for (i = 0; i < seen_used; i++) {
		if (seen[i].id == id && seen[i].flags == flags) {
			return;
		}
		if (seen[i].id > id ||
		    (seen[i].id == id && seen[i].flags > flags)) {
			break;
		}
	}
	if (seen_used == BURST_MAX) {
		abort();
	}
	memmove(&seen[i + 1], &seen[i], (seen_used - i) * sizeof(seen[0]));
	seen[i].id = id;
	seen[i].flags = flags;
	seen_used++;
}

void fd_burst_end(void)
{
	unsigned i = 0;

	for (i = 0; i < seen_used; i++) {
		say("seen fd%u %u", seen[i].id, (unsigned)seen[i].flags);
	}
}

static size_t drain(int fd)
{
	char bytes[4096];
	size_t sum = 0;
	ssize_t got = 0;

	while (fd >= 0 && (got = read(fd, bytes, sizeof(bytes))) > 0) {
		sum += (size_t)got;
	}
	return sum;
}

/* A mere writer loses WRITE by a hangup (B305). Set again, it stays in the
 * original's epoll, though nothing comes (B307): not done. */
static uint16_t bearable(const struct thing *t, unsigned flags)
{
	struct pollfd fd = { .fd = t->fd.fd };

	if (flags == TEVENT_FD_WRITE && poll(&fd, 1, 0) > 0) {
		return 0;
	}
	return (uint16_t)flags;
}

static void fd_ran(struct tevent_context *ev, struct tevent_fd *fde,
		   uint16_t flags, void *private_data)
{
	struct thing *t = private_data;
	struct thing *place = t->wrap != NULL ? t->wrap : t->ev;

	if (walk.burst) {
		burst_add(t->id, flags);
		return;
	}
	walk.ran++;
	say("%s flags %u of %u%s%s tag %s", thing_name(t), (unsigned)flags,
	    (unsigned)tevent_fd_get_flags(fde),
	    place != NULL && ev == place->ptr ? "" : " stray",
	    t->ptr == fde ? "" : " other", tag_name(tevent_fd_get_tag(fde)));
	enter(t);
	if ((flags & TEVENT_FD_READ) != 0 && chance(2)) {
		say("read %zu", drain(t->fd.fd));
	}
	if (walk.quiet || chance(3)) {
		if (!t->dead) {
			unsigned less = chance(2) ? flags : FD_BOTH;

			less = tevent_fd_get_flags(fde) & ~less;
			say("less %s", thing_name(t));
			tevent_fd_set_flags(fde, bearable(t, less));
		}
	}
	act(3);
	leave(t);
}

static void fd_closed(struct tevent_context *ev, struct tevent_fd *fde, int fd,
		      void *private_data)
{
	struct thing *t = private_data;

	say("close %s%s flags %u%s tag %s", thing_name(t),
	    ev == NULL ? " no context" : "", (unsigned)tevent_fd_get_flags(fde),
	    fd == t->fd.fd ? "" : " other", tag_name(tevent_fd_get_tag(fde)));
	(void)close(fd);
	walk.pins++;
	act(1);
	walk.pins--;
}

static void set_closer(struct thing *t, unsigned which)
{
	static const char *const names[] = { "none", "own", "auto" };

	say("closer %s %s", thing_name(t), names[which]);
	switch (which) {
	case 0:
		tevent_fd_set_close_fn(t->ptr, NULL);
		break;
	case 1:
		tevent_fd_set_close_fn(t->ptr, fd_closed);
		break;
	default:
		tevent_fd_set_auto_close(t->ptr);
	}
	/* Set on a detached event it is ignored (B333). */
	if (t->ev != NULL) {
		t->fd.ours = which == 0;
	}
}

static void fd_attach(struct thing *t, uint16_t flags)
{
	struct tevent_context *ev = NULL;
	void *home = NULL;

	if (t->ev == NULL) {
		ev = some_place(t);
	} else {
		ev = t->wrap != NULL ? t->wrap->ptr : t->ev->ptr;
	}
	home = some_home(t, true);
	say("new %s on %s %s home %s flags %u%s", thing_name(t),
	    thing_name(t->ev), thing_name(t->wrap), thing_name(t->home),
	    (unsigned)flags, t->fd.socket ? " socket" : "");
	walk.newborn = t;
	thing_born(t, tevent_add_fd(ev, home, t->fd.fd, flags, fd_ran, t));
	walk.newborn = NULL;
	if (t->dead) {
		say("failed");
		return;
	}
	tevent_fd_set_tag(t->ptr, tag_of(t));
}

static void must(int ret)
{
	if (ret < 0) {
		perror("walk");
		exit(3);
	}
}

bool step_fd_new(void)
{
	struct thing *t = NULL;
	unsigned kind = choose(4);
	int fds[2] = { -1, -1 };

	if (thing_count(KIND_FD) >= FD_MAX || some_ev() == NULL ||
	    walk.finite) {
		return false;
	}
	t = thing_new(KIND_FD);
	t->fd.socket = kind >= 2;
	if (t->fd.socket) {
		must(socketpair(AF_UNIX,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
				fds));
	} else {
		must(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
		must(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	}
	t->fd.fd = fds[kind == 1];
	t->fd.peer = fds[kind != 1];
	t->fd.ours = true;
	t->fd.mask = FD_BOTH;
	fd_attach(t, (uint16_t)choose(4));
	if (!t->dead && chance(2)) {
		set_closer(t, 1 + choose(2));
	}
	return true;
}

static bool shareable(const struct thing *t)
{
	return t->ev != NULL && t->fd.socket && t->fd.ours && t->fd.peer >= 0 &&
	       t->fd.buddy == NULL && thing_loose(t) && t->frames == 0;
}

/* A second event on the same descriptor; the first one is to read now. */
bool step_fd_share(void)
{
	struct thing *first = thing_pick(KIND_FD, shareable);
	struct thing *t = NULL;

	if (first == NULL || walk.finite || thing_count(KIND_FD) >= FD_MAX) {
		return false;
	}
	t = thing_new(KIND_FD);
	t->ev = first->ev;
	t->wrap = first->wrap;
	t->fd = first->fd;
	t->fd.ours = false;
	t->fd.peer = -1;
	t->fd.buddy = first;
	first->fd.buddy = t;
	first->fd.mask = TEVENT_FD_READ;
	t->fd.mask = TEVENT_FD_WRITE;
	say("share %s", thing_name(first));
	tevent_fd_set_flags(first->ptr, TEVENT_FD_READ);
	fd_attach(t, (uint16_t)(choose(2) * TEVENT_FD_WRITE));
	return true;
}

static bool doubles(const struct thing *t)
{
	return t->fd.fd >= 0 && t->fd.buddy == NULL;
}

bool step_fd_dup(void)
{
	struct thing *first = thing_pick(KIND_FD, doubles);
	struct thing *t = NULL;

	if (first == NULL || walk.finite || some_ev() == NULL ||
	    thing_count(KIND_FD) >= FD_MAX) {
		return false;
	}
	t = thing_new(KIND_FD);
	t->fd.fd = fcntl(first->fd.fd, F_DUPFD_CLOEXEC, 3);
	must(t->fd.fd);
	t->fd.peer = -1;
	t->fd.socket = first->fd.socket;
	t->fd.ours = true;
	t->fd.mask = FD_BOTH;
	say("double %s", thing_name(first));
	fd_attach(t, (uint16_t)choose(4));
	return true;
}

bool step_fd_flags(void)
{
	struct thing *t = thing_pick(KIND_FD, NULL);
	uint16_t flags = (uint16_t)choose(4);

	if (t == NULL) {
		return false;
	}
	flags = bearable(t, flags & t->fd.mask);
	say("flags %s %u was %u", thing_name(t), (unsigned)flags,
	    (unsigned)tevent_fd_get_flags(t->ptr));
	tevent_fd_set_flags(t->ptr, flags);
	say("= %u", (unsigned)tevent_fd_get_flags(t->ptr));
	return true;
}

bool step_fd_free(void)
{
	return thing_free_any(thing_pick(KIND_FD, NULL));
}

static bool feedable(const struct thing *t)
{
	return t->fd.peer >= 0;
}

bool step_fd_feed(void)
{
	struct thing *t = thing_pick(KIND_FD, feedable);

	if (t == NULL) {
		return false;
	}
	say("feed %s %zd", thing_name(t), write(t->fd.peer, "weft", 4));
	return true;
}

bool step_fd_drain(void)
{
	struct thing *t = thing_pick(KIND_FD, NULL);
	bool peer = chance(2);

	if (t == NULL) {
		return false;
	}
	say("drain %s%s %zu", thing_name(t), peer ? "'s peer" : "",
	    drain(peer ? t->fd.peer : t->fd.fd));
	return true;
}

/* Writes until there is no room. */
bool step_fd_stuff(void)
{
	static const char bytes[1024];
	struct thing *t = thing_pick(KIND_FD, NULL);
	size_t sum = 0;
	ssize_t put = 0;

	if (t == NULL) {
		return false;
	}
	while ((put = write(t->fd.fd, bytes, sizeof(bytes))) > 0) {
		sum += (size_t)put;
	}
	say("stuff %s %s", thing_name(t), sum > 0 ? "filled" : "full");
	return true;
}

static bool hangable(const struct thing *t)
{
	return t->fd.peer >= 0 && (t->fd.buddy == NULL || walk.wild);
}

bool step_fd_hang(void)
{
	struct thing *t = thing_pick(KIND_FD, hangable);

	if (t == NULL) {
		return false;
	}
	if (t->fd.socket && chance(2)) {
		say("half-close %s %d", thing_name(t),
		    shutdown(t->fd.peer, SHUT_WR));
		return true;
	}
	say("hang up %s", thing_name(t));
	(void)close(t->fd.peer);
	t->fd.peer = -1;
	return true;
}

static bool closable(const struct thing *t)
{
	return t->fd.buddy == NULL && t->ev != NULL && t->fd.fd >= 0;
}

bool step_fd_close_fn(void)
{
	struct thing *t = thing_pick(KIND_FD, closable);

	if (t == NULL) {
		return false;
	}
	set_closer(t, choose(3));
	return true;
}

bool step_fd_tag(void)
{
	struct thing *t = thing_pick(KIND_FD, NULL);

	if (t == NULL) {
		return false;
	}
	say("tag %s was %s", thing_name(t),
	    tag_name(tevent_fd_get_tag(t->ptr)));
	tevent_fd_set_tag(t->ptr, tag_of(t) + choose(9));
	return true;
}

/* Behind the library's back: the descriptor goes before its event, and its
 * number or its file stays (B314, B315). */
bool step_fd_reuse(void)
{
	struct thing *t = thing_pick(KIND_FD, doubles);

	if (t == NULL || !walk.wild || !t->fd.ours) {
		return false;
	}
	say("close early %s", thing_name(t));
	if (chance(2)) {
		must(fcntl(t->fd.fd, F_DUPFD_CLOEXEC, 100)); /* lives on */
	}
	(void)close(t->fd.fd);
	t->fd.ours = false;
	t->fd.fd = -1;
	return true;
}

void fd_reap(void)
{
	struct thing *t = NULL;

	while ((t = thing_next_dead(t, KIND_FD)) != NULL) {
		struct thing *buddy = t->fd.buddy;

		if (buddy != NULL && !buddy->dead) {
			/* inherits */
			buddy->fd.ours = t->fd.ours || buddy->fd.ours;
			if (t->fd.peer >= 0) {
				buddy->fd.peer = t->fd.peer;
			}
			t->fd.ours = false;
			t->fd.peer = -1;
			buddy->fd.buddy = NULL;
			t->fd.buddy = NULL;
		}
		if (t->fd.ours && t->fd.fd >= 0) {
			(void)close(t->fd.fd);
		}
		if (t->fd.peer >= 0) {
			(void)close(t->fd.peer);
		}
		t->fd.ours = false;
		t->fd.fd = -1;
		t->fd.peer = -1;
	}
}

static bool ready(const struct thing *t)
{
	uint16_t flags = t->dead ? 0 : tevent_fd_get_flags(t->ptr);
	struct pollfd fd = { .fd = t->fd.fd };

	if (flags == 0 || t->fd.fd < 0) {
		return false;
	}
	fd.events = (short)(((flags & TEVENT_FD_READ) ? POLLIN : 0) |
			    ((flags & TEVENT_FD_WRITE) ? POLLOUT : 0));
	return poll(&fd, 1, 0) > 0;
}

unsigned fd_ready(const struct thing *ev)
{
	struct thing *t = NULL;
	unsigned count = 0;

	while ((t = thing_next(t, KIND_FD)) != NULL) {
		count += t->ev == ev && ready(t);
	}
	return count;
}

static void silence(struct thing *t)
{
	say("silence %s %u", thing_name(t),
	    (unsigned)tevent_fd_get_flags(t->ptr));
	tevent_fd_set_flags(t->ptr, 0);
}

/* Of two on one descriptor one must wait. */
void fd_burst_begin(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_FD)) != NULL) {
		if (t->ev == ev && t->fd.buddy != NULL && ready(t) &&
		    ready(t->fd.buddy)) {
			silence(t);
		}
	}
	seen_used = 0;
}

void fd_silence(const struct thing *ev)
{
	struct thing *t = NULL;
	unsigned keep = fd_ready(ev);

	keep = keep > 0 ? walk.step % keep : 0;
	while ((t = thing_next(t, KIND_FD)) != NULL) {
		if (t->ev != ev || !ready(t) || keep-- == 0) {
			continue;
		}
		silence(t);
	}
}

void fd_clear(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_FD)) != NULL) {
		if (t->ev == ev) {
			thing_free(t);
		}
	}
}
