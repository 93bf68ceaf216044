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

static gboolean peer_done(gpointer data)
{
	job_done(data);
	return G_SOURCE_REMOVE;
}

static void peer_run(gpointer data, gpointer user_data)
{
	struct peer_job *job = data;
	GSource *source = g_idle_source_new();

	(void)user_data;
	job_run(job);
	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, peer_done, job, NULL);
	(void)g_source_attach(source, job->context);
	g_source_unref(source);
}

static void peer_pool_open(unsigned workers)
{
	peer_pool = g_thread_pool_new(peer_run, NULL, (gint)workers, TRUE,
				      NULL);
	peer_check(peer_pool != NULL, "no pool");
}

static void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static void peer_loop_open(struct peer_loop *loop)
{
	loop->context = g_main_context_new();
}

static void peer_loop_close(struct peer_loop *loop)
{
	g_main_context_unref(loop->context);
}

static void peer_loop_turn(struct peer_loop *loop)
{
	(void)g_main_context_iteration(loop->context, TRUE);
}

static void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	job->context = loop->context;
	peer_check(g_thread_pool_push(peer_pool, job, NULL),
		   "a job was refused");
}
