/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program with the event loop of libsystemd, and weft beside it.
 *
 * Its mailbox is a descriptor that sd-event watches. All that other loops post,
 * call and answer runs from mail_arrived(), on the thread of the event loop;
 * talk.c has what that is.
 */
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "tools/plug/talk.h"

/* So many messages, then the other sources of the loop have their turn. */
enum {
	DISPATCH_MAX = 64,
	TICK_US = TALK_TICK_MS * 1000,
};

struct program {
	sd_event *loop;
	sd_event_source *mail;
	sd_event_source *tick;
	struct weft_mailbox *mailbox;
	struct talk *talk;
};

static int mail_arrived(sd_event_source *source, int fd, uint32_t revents,
			void *private_data)
{
	struct program *program = private_data;

	(void)source;
	(void)fd;
	(void)revents;
	talk_woken(program->talk,
		   weft_mailbox_dispatch(program->mailbox, DISPATCH_MAX));
	return 0;
}

static int ticked(sd_event_source *source, uint64_t usec, void *private_data)
{
	struct program *program = private_data;
	int ret = 0;

	(void)usec;
	if (!talk_tick(program->talk)) {
		return sd_event_exit(program->loop, 0);
	}
	ret = sd_event_source_set_time_relative(source, TICK_US);
	if (ret < 0) {
		return ret;
	}
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void watch(struct program *program)
{
	int ret = sd_event_new(&program->loop);

	if (ret >= 0) {
		ret = sd_event_add_io(program->loop, &program->mail,
				      weft_mailbox_fd(program->mailbox),
				      EPOLLIN, mail_arrived, program);
	}
	if (ret >= 0) {
		ret = sd_event_add_time_relative(program->loop, &program->tick,
						 CLOCK_MONOTONIC, TICK_US, 1,
						 ticked, program);
	}
	if (ret < 0) {
		talk_fail("sd_event", -ret);
	}
}

int main(int argc, char **argv)
{
	struct program program = { .talk = talk_open("sdevent", argc, argv) };
	const struct weft_mailbox_options options = {
		.private_data = program.talk,
	};
	int ret = weft_mailbox_create(NULL, NULL, &options, &program.mailbox);

	if (ret != 0) {
		talk_fail("weft_mailbox_create", ret);
	}
	watch(&program);

	talk_begin(program.talk, program.mailbox);
	ret = sd_event_loop(program.loop);
	if (ret < 0) {
		talk_fail("sd_event_loop", -ret);
	}
	talk_end(program.talk);

	/* The watch goes before what it watches. */
	sd_event_source_unref(program.tick);
	sd_event_source_unref(program.mail);
	talloc_free(program.mailbox);
	talloc_free(program.talk);
	sd_event_unref(program.loop);
	return 0;
}
