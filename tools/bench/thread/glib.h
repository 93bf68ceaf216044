/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Glib: an idle source for each message, attached to the loop's context. */
#include <glib.h>

#define PEER_SYMBOL   "g_source_attach"
#define PEER_WAYS     WAY_FRESH
#define PEER_IN_ORDER true

struct peer_loop {
	GMainContext *context;
	GSource *busy;
};

struct peer_message {
	int nothing;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->context = g_main_context_new();
	loop->busy = NULL;
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	g_main_context_unref(loop->context);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)g_main_context_iteration(loop->context, TRUE);
}

static inline GSource *peer_source(struct peer_loop *loop, GSourceFunc func,
				   void *data)
{
	GSource *source = g_idle_source_new();

	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, func, data, NULL);
	(void)g_source_attach(source, loop->context);
	return source;
}

static gboolean peer_works(gpointer data)
{
	(void)data;
	return G_SOURCE_CONTINUE;
}

static inline void peer_busy_start(struct peer_loop *loop, unsigned way)
{
	(void)way;
	loop->busy = peer_source(loop, peer_works, NULL);
}

static inline void peer_busy_stop(struct peer_loop *loop)
{
	g_source_destroy(loop->busy);
	g_source_unref(loop->busy);
}

static inline void peer_message_init(struct peer_message *peer, unsigned way)
{
	(void)way;
	(void)peer;
}

static inline void peer_message_fini(struct peer_message *peer, unsigned way)
{
	(void)way;
	(void)peer;
}

static gboolean peer_message_func(gpointer data)
{
	message_runs(data);
	return G_SOURCE_REMOVE;
}

static inline void peer_post(struct peer_loop *loop, struct peer_message *peer)
{
	g_source_unref(peer_source(loop, peer_message_func, peer));
}

static gboolean peer_number_func(gpointer data)
{
	number_runs((uintptr_t)data);
	return G_SOURCE_REMOVE;
}

static inline void peer_post_fresh(struct peer_loop *loop, uint64_t number)
{
	void *data = (void *)(uintptr_t)number; /* NOLINT */

	g_source_unref(peer_source(loop, peer_number_func, data));
}
