/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bell: the descriptor that wakes a loop.
 *
 * An eventfd: many rings are one wake-up. Who may ring, and until when, is the
 * port's business (port.c): nobody rings a bell that has been closed.
 *
 * Threads: see the header.  Ordering: none of its own.
 */
#include "threadpool/bell.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A door of our own libtevent (engine/fd.c). It is not there with any other,
 * and a weak symbol will not do: the loader insists on its version. */
static struct {
	pthread_once_t once;
	bool (*edge)(struct tevent_fd *fde); /* I: or NULL */
} door = { .once = PTHREAD_ONCE_INIT };

static void door_find(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "tev_fd_edge");

	memcpy(&door.edge, &symbol, sizeof(symbol));
}

bool wf_bell_is_edge(struct tevent_fd *fde)
{
	(void)pthread_once(&door.once, door_find);
	return door.edge != NULL && door.edge(fde);
}

int wf_bell_open(bool up)
{
	return eventfd(up ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void wf_bell_silence(int bell)
{
	uint64_t rings = 0;
	ssize_t ret = 0;

	do {
		ret = read(bell, &rings, sizeof(rings));
	} while (ret < 0 && errno == EINTR);
}

void wf_bell_ring(int bell)
{
	const uint64_t one = 1;

	for (;;) {
		ssize_t ret = write(bell, &one, sizeof(one));

		if (ret >= 0 || (errno != EINTR && errno != EAGAIN)) {
			return;
		}
		/* So many rings that no more fit: one is as good as all. */
		if (errno == EAGAIN) {
			wf_bell_silence(bell);
		}
	}
}

void wf_bell_close(int bell)
{
	if (bell >= 0) {
		(void)close(bell);
	}
}

int wf_bell_move(int fresh, int number)
{
	if (fresh >= 0 && number >= 0 && fresh != number) {
		int moved = dup3(fresh, number, O_CLOEXEC);

		if (moved == number) {
			(void)close(fresh);
			return number;
		}
	}
	return fresh;
}

/* The old one is closed first: then there is room for the new. */
int wf_bell_replace(int bell)
{
	wf_bell_close(bell);
	return wf_bell_move(wf_bell_open(true), bell);
}
