/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program with the main loop of GLib, and weft beside it.
 *
 * Its mailbox is a descriptor that GLib watches. All that other loops post,
 * call and answer runs from mail_arrived(), on the thread of the main loop;
 * talk.c has what that is.
 */
#include <glib-unix.h>
#include <glib.h>

#include "tools/plug/talk.h"

/* So many messages, then the other sources of the main loop have their turn. */
enum { DISPATCH_MAX = 64 };

struct program {
	GMainLoop *loop;
	struct weft_mailbox *mailbox;
	struct talk *talk;
};

static gboolean mail_arrived(gint fd, GIOCondition condition,
			     gpointer private_data)
{
	struct program *program = private_data;

	(void)fd;
	(void)condition;
	talk_woken(program->talk,
		   weft_mailbox_dispatch(program->mailbox, DISPATCH_MAX));
	return G_SOURCE_CONTINUE;
}

static gboolean ticked(gpointer private_data)
{
	struct program *program = private_data;

	if (!talk_tick(program->talk)) {
		g_main_loop_quit(program->loop);
	}
	return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
	struct program program = { .talk = talk_open("glib", argc, argv) };
	const struct weft_mailbox_options options = {
		.private_data = program.talk,
	};
	int error = weft_mailbox_create(NULL, NULL, &options, &program.mailbox);
	guint mail = 0;
	guint tick = 0;

	if (error != 0) {
		talk_fail("weft_mailbox_create", error);
	}
	program.loop = g_main_loop_new(NULL, FALSE);
	mail = g_unix_fd_add(weft_mailbox_fd(program.mailbox), G_IO_IN,
			     mail_arrived, &program);
	tick = g_timeout_add(TALK_TICK_MS, ticked, &program);

	talk_begin(program.talk, program.mailbox);
	g_main_loop_run(program.loop);
	talk_end(program.talk);

	/* The watch goes before what it watches. */
	g_source_remove(tick);
	g_source_remove(mail);
	talloc_free(program.mailbox);
	talloc_free(program.talk);
	g_main_loop_unref(program.loop);
	return 0;
}
