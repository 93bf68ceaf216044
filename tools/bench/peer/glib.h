/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Glib: GMainContext, sources of our own for timers and descriptors, GTask for
 * requests. Sources that are ready are called in the order in which they were
 * attached, whatever the times of timers.
 */
#include <gio/gio.h>
#include <glib-unix.h>

#define PEER_SYMBOL       "g_main_context_iteration"
#define PEER_FDS_ONLY     0
#define PEER_SOON_FIFO    1
#define PEER_TIMERS_PAST  1
#define PEER_TIMERS_TURN  0
#define PEER_TIMERS_LIST  0
#define PEER_TIMERS_FLOOR 0
#define PEER_REQS         1
#define PEER_REQS_TIMED   0

struct peer_loop {
	GMainContext *context;
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->context = g_main_context_new();
	g_main_context_push_thread_default(loop->context);
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	g_main_context_pop_thread_default(loop->context);
	g_main_context_unref(loop->context);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)g_main_context_iteration(loop->context, TRUE);
}

#ifdef BENCH_SOON
/* A source that is ready at once or never, and so can be used again. */
struct peer_soon {
	GSource *source;
};

struct peer_soon_source {
	GSource source;
	struct peer_soon *soon;
};

static gboolean peer_soon_dispatch(GSource *source, GSourceFunc callback,
				   gpointer data)
{
	(void)callback;
	(void)data;
	g_source_set_ready_time(source, -1);
	soon_runs(((struct peer_soon_source *)source)->soon);
	return G_SOURCE_CONTINUE;
}

static inline void peer_soon_init(struct peer_loop *loop,
				  struct peer_soon *soon)
{
	static GSourceFuncs functions = { .dispatch = peer_soon_dispatch };

	soon->source = g_source_new(&functions,
				    sizeof(struct peer_soon_source));
	((struct peer_soon_source *)soon->source)->soon = soon;
	(void)g_source_attach(soon->source, loop->context);
	g_source_unref(soon->source);
}

static inline void peer_soon_fini(struct peer_soon *soon)
{
	g_source_destroy(soon->source);
}

static inline void peer_soon(struct peer_loop *loop, struct peer_soon *soon)
{
	(void)loop;
	g_source_set_ready_time(soon->source, 0);
}
#endif

#ifdef BENCH_TIMERS
struct peer_timer {
	GSource *source;
};

struct peer_timer_source {
	GSource source;
	struct peer_timer *timer;
};

static gboolean peer_timer_dispatch(GSource *source, GSourceFunc callback,
				    gpointer data)
{
	(void)callback;
	(void)data;
	timer_fires(((struct peer_timer_source *)source)->timer);
	return G_SOURCE_REMOVE;
}

static inline void peer_timer_push(struct peer_loop *loop,
				   struct peer_timer *timer, int64_t us)
{
	(void)loop;
	g_source_set_ready_time(timer->source, g_get_monotonic_time() + us);
}

static inline void peer_timer_add(struct peer_loop *loop,
				  struct peer_timer *timer, int64_t us)
{
	static GSourceFuncs functions = { .dispatch = peer_timer_dispatch };

	timer->source = g_source_new(&functions,
				     sizeof(struct peer_timer_source));
	((struct peer_timer_source *)timer->source)->timer = timer;
	peer_timer_push(loop, timer, us);
	(void)g_source_attach(timer->source, loop->context);
	g_source_unref(timer->source);
}

static inline void peer_timer_add_from_open(struct peer_loop *loop,
					    struct peer_timer *timer,
					    int64_t us)
{
	peer_timer_add(loop, timer, us);
}

static inline void peer_timer_free(struct peer_loop *loop,
				   struct peer_timer *timer)
{
	(void)loop;
	g_source_destroy(timer->source);
}

static inline void peer_timers_settle(struct peer_loop *loop)
{
	(void)loop;
}
#endif

#ifdef BENCH_FDS
struct peer_fd {
	GSource *source;
};

struct peer_fd_source {
	GSource source;
	gpointer tag;
	struct peer_fd *fd;
};

static gboolean peer_fd_dispatch(GSource *source, GSourceFunc callback,
				 gpointer data)
{
	struct peer_fd_source *own = (struct peer_fd_source *)source;

	(void)callback;
	(void)data;
	peer_check(g_source_query_unix_fd(source, own->tag) & G_IO_IN,
		   "not readable");
	fd_ready(own->fd);
	return G_SOURCE_CONTINUE;
}

static inline void peer_fd_watch(struct peer_loop *loop, struct peer_fd *fd,
				 int file)
{
	static GSourceFuncs functions = { .dispatch = peer_fd_dispatch };
	struct peer_fd_source *own = NULL;

	fd->source = g_source_new(&functions, sizeof(*own));
	own = (struct peer_fd_source *)fd->source;
	own->fd = fd;
	own->tag = g_source_add_unix_fd(fd->source, file, G_IO_IN);
	(void)g_source_attach(fd->source, loop->context);
	g_source_unref(fd->source);
}

static inline void peer_fd_unwatch(struct peer_loop *loop, struct peer_fd *fd)
{
	(void)loop;
	g_source_destroy(fd->source);
}

static inline void peer_fd_writes(struct peer_loop *loop, struct peer_fd *fd,
				  bool on)
{
	struct peer_fd_source *own = (struct peer_fd_source *)fd->source;

	(void)loop;
	g_source_modify_unix_fd(fd->source, own->tag,
				on ? G_IO_IN | G_IO_OUT : G_IO_IN);
}
#endif

#ifdef BENCH_REQS
/* 56 bytes, as with tevent. */
struct peer_state {
	uint64_t rest[7];
};

static void peer_task_done(GObject *object, GAsyncResult *result, gpointer data)
{
	(void)object;
	peer_check(g_task_propagate_boolean(G_TASK(result), NULL), "not done");
	if (data != NULL) {
		g_task_return_boolean(data, TRUE);
		g_object_unref(data);
		return;
	}
	req_done();
}

static GTask *peer_task_new(GTask *above)
{
	GTask *task = g_task_new(NULL, NULL, peer_task_done, above);

	g_task_set_task_data(task, g_new0(struct peer_state, 1), g_free);
	return task;
}

static inline void peer_req_send(struct peer_loop *loop, unsigned depth)
{
	GTask *task = peer_task_new(NULL);

	(void)loop;
	for (; depth > 0; depth--) {
		task = peer_task_new(task);
	}
	g_task_return_boolean(task, TRUE);
	g_object_unref(task);
}

static inline void *peer_req_open(struct peer_loop *loop)
{
	(void)loop;
	return peer_task_new(NULL);
}

static inline void peer_req_finish(struct peer_loop *loop, void *req)
{
	(void)loop;
	g_task_return_boolean(req, TRUE);
	g_object_unref(req);
}
#endif
