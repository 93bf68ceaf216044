/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program that waits in poll(2) by itself, as many of Wayland's or X11's do,
 * and weft beside it. talk.c has what is said.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tools/plug/talk.h"

/* So many messages, then the other descriptors have their turn. */
enum { DISPATCH_MAX = 64 };

static int clock_open(void)
{
	const struct timespec tick = { .tv_nsec = TALK_TICK_MS * 1000000L };
	const struct itimerspec each = { .it_interval = tick,
					 .it_value = tick };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &each, NULL) != 0) {
		talk_fail("timerfd", errno);
	}
	return fd;
}

static void turn(struct talk *talk, struct weft_mailbox *mailbox, int clock)
{
	struct pollfd fds[] = {
		{ .fd = clock, .events = POLLIN },
		{ .fd = weft_mailbox_fd(mailbox), .events = POLLIN },
	};
	uint64_t ticks = 0;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR) {
				talk_fail("poll", errno);
			}
			continue;
		}
		if (fds[1].revents != 0) {
			talk_woken(talk, weft_mailbox_dispatch(mailbox,
							       DISPATCH_MAX));
		}
		if (fds[0].revents != 0 &&
		    read(clock, &ticks, sizeof(ticks)) > 0 &&
		    !talk_tick(talk)) {
			return;
		}
	}
}

int main(int argc, char **argv)
{
	struct talk *talk = talk_open("poll", argc, argv);
	const struct weft_mailbox_options options = { .private_data = talk };
	struct weft_mailbox *mailbox = NULL;
	int error = weft_mailbox_create(NULL, NULL, &options, &mailbox);
	int clock = clock_open();

	if (error != 0) {
		talk_fail("weft_mailbox_create", error);
	}

	talk_begin(talk, mailbox);
	turn(talk, mailbox, clock);
	talk_end(talk);

	talloc_free(mailbox);
	talloc_free(talk);
	close(clock);
	return 0;
}
