/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Glib: a GThreadPool, whose functions attach an idle source to the loop's
 * context.
 */
#include <glib.h>

#define PEER_SYMBOL     "g_thread_pool_push"
#define PEER_MANY_LOOPS true

struct peer_loop {
	GMainContext *context;
};

struct peer_job {
	GMainContext *context;
};

static GThreadPool *peer_pool;
#ifdef POOL_LOAD
static char peer_child; /* pushed in place of a job */
#endif

static gboolean peer_done(gpointer data)
{
	job_done(data);
	return G_SOURCE_REMOVE;
}

static void peer_run(gpointer data, gpointer user_data)
{
	struct peer_job *job = data;
	GSource *source = NULL;

	(void)user_data;
#ifdef POOL_LOAD
	if (data == &peer_child) {
		child_run();
		return;
	}
#endif
	source = g_idle_source_new();
	job_run(job);
	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, peer_done, job, NULL);
	(void)g_source_attach(source, job->context);
	g_source_unref(source);
}

static inline void peer_pool_open(unsigned workers)
{
	peer_pool = g_thread_pool_new(peer_run, NULL, (gint)workers, TRUE,
				      NULL);
	peer_check(peer_pool != NULL, "no pool");
}

static inline void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static inline void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->context = g_main_context_new();
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	g_main_context_unref(loop->context);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)g_main_context_iteration(loop->context, TRUE);
}

static inline void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	job->context = loop->context;
	peer_check(g_thread_pool_push(peer_pool, job, NULL),
		   "a job was refused");
}

#ifdef POOL_LOAD
#define PEER_TIMERS
#define PEER_SPAWNS

static gboolean peer_timer_func(gpointer data)
{
	(void)data;
	timer_fired();
	return G_SOURCE_REMOVE;
}

static inline void peer_timer_start(struct peer_loop *loop)
{
	GSource *source = g_timeout_source_new(1);

	g_source_set_callback(source, peer_timer_func, NULL, NULL);
	(void)g_source_attach(source, loop->context);
	g_source_unref(source);
}

static inline void peer_spawn(struct peer_job *job)
{
	(void)job;
	peer_check(g_thread_pool_push(peer_pool, &peer_child, NULL),
		   "a child was refused");
}
#endif
