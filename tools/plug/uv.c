/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program with the event loop of libuv, and weft beside it.
 *
 * Its mailbox is a descriptor that libuv watches. All that other loops post,
 * call and answer runs from mail_arrived(), on the thread of the event loop;
 * talk.c has what that is.
 */
#include <uv.h>

#include "tools/plug/talk.h"

/* So many messages, then the other handles of the loop have their turn. */
enum { DISPATCH_MAX = 64 };

struct program {
	uv_loop_t loop;
	uv_poll_t mail;
	uv_timer_t tick;
	struct weft_mailbox *mailbox;
	struct talk *talk;
};

static void mail_arrived(uv_poll_t *mail, int status, int events)
{
	struct program *program = mail->data;

	(void)events;
	if (status < 0) {
		talk_fail("uv_poll", -status);
	}
	talk_woken(program->talk,
		   weft_mailbox_dispatch(program->mailbox, DISPATCH_MAX));
}

static void ticked(uv_timer_t *tick)
{
	struct program *program = tick->data;

	if (!talk_tick(program->talk)) {
		uv_stop(&program->loop);
	}
}

static void watch(struct program *program)
{
	int ret = uv_loop_init(&program->loop);

	if (ret == 0) {
		ret = uv_poll_init(&program->loop, &program->mail,
				   weft_mailbox_fd(program->mailbox));
	}
	if (ret == 0) {
		program->mail.data = program;
		ret = uv_poll_start(&program->mail, UV_READABLE, mail_arrived);
	}
	if (ret == 0) {
		ret = uv_timer_init(&program->loop, &program->tick);
	}
	if (ret == 0) {
		program->tick.data = program;
		ret = uv_timer_start(&program->tick, ticked, TALK_TICK_MS,
				     TALK_TICK_MS);
	}
	if (ret != 0) {
		talk_fail("libuv", -ret);
	}
}

int main(int argc, char **argv)
{
	struct program program = { .talk = talk_open("uv", argc, argv) };
	const struct weft_mailbox_options options = {
		.private_data = program.talk,
	};
	int error = weft_mailbox_create(NULL, NULL, &options, &program.mailbox);

	if (error != 0) {
		talk_fail("weft_mailbox_create", error);
	}
	watch(&program);

	talk_begin(program.talk, program.mailbox);
	uv_run(&program.loop, UV_RUN_DEFAULT);
	talk_end(program.talk);

	/* The watch goes before what it watches; libuv ends it in a pass. */
	uv_close((uv_handle_t *)&program.tick, NULL);
	uv_close((uv_handle_t *)&program.mail, NULL);
	uv_run(&program.loop, UV_RUN_DEFAULT);
	talloc_free(program.mailbox);
	talloc_free(program.talk);
	return uv_loop_close(&program.loop) == 0 ? 0 : 1;
}
