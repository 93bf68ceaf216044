/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* weft-shelf: a small daemon whose loop never waits for its work.
 *
 *     clients -> http.c, exchange.c -> route.c -> work.c -> pool of workers
 *                    |                   |                sum.c, thumb.c ...
 *                 judge.c             stats.c, jobs.c     file.c, store.c ...
 *
 * Life: start, serve, drain, end. SIGTERM or SIGINT begins the drain: nobody
 * new is let in, every request that was completely read is answered, later
 * ones are refused. Then the pool is drained: what runs for nobody, a look-up
 * that is stuck for one, comes to its end. All that has one end time; what is
 * still there then, or when the signal comes again, is abandoned: it is named,
 * told to stop, and nobody waits for it.
 *
 * An idle shelf sleeps in one epoll_wait() without a time limit: no periodic
 * timer, and no thread before the first piece of work.
 *
 * Threads: main() and everything here is the loop's.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include <tevent.h>
#include <weft.h>

#include "tools/shelf/file.h"
#include "tools/shelf/http.h"
#include "tools/shelf/jobs.h"
#include "tools/shelf/kit.h"
#include "tools/shelf/options.h"
#include "tools/shelf/route.h"
#include "tools/shelf/store.h"
#include "tools/shelf/work.h"

struct life {
	struct tevent_context *ev;
	struct shelf shelf;
	unsigned drain_seconds;
	struct timeval end; /* of the drain */
	struct tevent_timer *timer;
	bool draining;
	bool pool_draining;
	bool over;
};

/* Never freed: workers that nobody waits for any more may use it. */
static struct store *life_store;

static int complain(const char *what, const char *which, int error)
{
	(void)fprintf(stderr, "weft-shelf: %s %s: %s\n", what, which,
		      strerror(error));
	return 1;
}

/* The pool is through, or out of time. */
static void life_pool_drained(struct tevent_req *req)
{
	struct life *life = tevent_req_callback_data(req, struct life);
	struct weft_job_info *left = NULL;
	size_t count = 0;

	(void)weft_pool_drain_recv(req, life, &left, &count);
	talloc_free(req);
	jobs_log(left, count);
	talloc_free(left);
	life->over = true;
}

/* The requests are answered, or their time is up. */
static void life_drain_pool(struct life *life)
{
	struct weft_pool *pool = work_place_pool(life->shelf.place);
	struct tevent_req *req = NULL;

	if (life->pool_draining) {
		return;
	}
	life->pool_draining = true;
	TALLOC_FREE(life->timer);
	if (pool != NULL) {
		req = weft_pool_drain_send(life, life->ev, pool);
	}
	if (req == NULL || !tevent_req_set_endtime(req, life->ev, life->end)) {
		life->over = true;
		return;
	}
	tevent_req_set_callback(req, life_pool_drained, life);
}

static void life_drained(void *private_data)
{
	life_drain_pool(private_data);
}

static void life_out_of_time(struct tevent_context *ev, struct tevent_timer *te,
			     struct timeval now, void *private_data)
{
	struct life *life = private_data;

	(void)ev;
	(void)te;
	(void)now;
	life->timer = NULL; /* the loop frees it */
	life_drain_pool(life);
}

static void life_signal(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct life *life = private_data;

	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	if (life->draining) {
		life->over = true;
		return;
	}
	life->draining = true;
	life->end = tevent_timeval_current_ofs(life->drain_seconds, 0);
	life->timer = tevent_add_timer(ev, life, life->end, life_out_of_time,
				       life);
	if (life->timer == NULL) {
		life->over = true;
		return;
	}
	http_server_drain(life->shelf.http, life_drained, life);
}

static int life_signals(struct life *life)
{
	static const int ends[] = { SIGTERM, SIGINT };
	struct tevent_signal *se = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		se = tevent_add_signal(life->ev, life, ends[i], 0, life_signal,
				       life);
		if (se == NULL) {
			return complain("cannot catch", strsignal(ends[i]),
					ENOMEM);
		}
	}
	return 0;
}

static int life_place(struct life *life, const struct options *options)
{
	const struct work_options work = {
		.here = options->here,
		.workers = options->workers,
		.queue = options->queue,
		.nice = options->nice,
		.worker_init = kit_init,
		.worker_fini = kit_fini,
		.worker_private = life_store,
	};
	int ret = 0;

	life->shelf.stats = route_stats_create(life);
	ret = life->shelf.stats == NULL
		      ? ENOMEM
		      : work_place_create(life, &work, &life->shelf.place);
	if (ret != 0) {
		return complain("cannot make", "the pool", ret);
	}
	return 0;
}

/* What is served, and what is kept. */
static int life_files(struct life *life, const struct options *options)
{
	int ret = 0;

	ret = file_root_open(options->root, &life->shelf.root_fd);
	if (ret != 0) {
		return complain("cannot serve", options->root, ret);
	}
	life->shelf.upload_max = options->upload_max;
	life->shelf.uploads_max = options->queue;
	if (options->store == NULL) {
		return 0;
	}
	ret = store_open(NULL, options->store, &life_store);
	if (ret != 0) {
		return complain("cannot open the store", options->store, ret);
	}
	life->shelf.store = life_store;
	return 0;
}

/* Who has the same user as the shelf may look into it. */
static int life_monitor(struct life *life, const char *path)
{
	const struct weft_monitor_options monitor_options = {
		.may_stop = true,
	};
	struct weft_pool *pool = work_place_pool(life->shelf.place);
	struct weft_monitor *monitor = NULL;
	int ret = 0;

	if (path == NULL) {
		return 0;
	}
	ret = weft_monitor_create(life, life->ev, path, &monitor_options,
				  &monitor);
	if (ret == 0 && pool != NULL) {
		ret = weft_monitor_add_pool(monitor, "shelf", pool);
	}
	return ret == 0 ? 0 : complain("cannot open the monitor", path, ret);
}

static int life_start(struct life *life, const struct options *options)
{
	char port[16] = { 0 };
	int ret = 0;

	life->drain_seconds = options->drain_seconds;
	life->ev = tevent_context_init(life);
	if (life->ev == NULL) {
		return complain("cannot make", "the event context", ENOMEM);
	}
	(void)tevent_context_set_wait_timeout(life->ev, UINT32_MAX);
	ret = life_files(life, options);
	if (ret != 0) {
		return ret;
	}
	ret = life_place(life, options);
	if (ret == 0) {
		ret = life_signals(life);
	}
	if (ret == 0) {
		ret = life_monitor(life, options->monitor);
	}
	if (ret != 0) {
		return ret;
	}
	ret = http_server_start(life, life->ev, options->port, &route_handler,
				&life->shelf, &life->shelf.http);
	if (ret != 0) {
		(void)snprintf(port, sizeof(port), "%u",
			       (unsigned)options->port);
		return complain("cannot listen on 127.0.0.1 port", port, ret);
	}
	return 0;
}

/* ThreadSanitizer loses a signal that comes while it makes ready for the first
 * one of a thread: that is in the first call which may wait. */
static void be_ready_for_signals(void)
{
	(void)poll(NULL, 0, 0);
}

static int life_serve(struct life *life)
{
	int ret = 0;

	be_ready_for_signals();
	(void)printf("listening on http://127.0.0.1:%u\n",
		     (unsigned)http_server_port(life->shelf.http));
	(void)fflush(stdout);
	while (!life->over) {
		ret = tevent_loop_once(life->ev);
		if (ret != 0) {
			return complain("the loop", "failed", errno);
		}
	}
	return 0;
}

/* The server first: it ends the requests that the place works for. */
static void life_end(struct life *life)
{
	TALLOC_FREE(life->shelf.http);
	TALLOC_FREE(life->shelf.place);
	if (life->shelf.root_fd >= 0) {
		(void)close(life->shelf.root_fd);
	}
	talloc_free(life);
}

int main(int argc, char **argv)
{
	enum options_verdict verdict = OPTIONS_BAD;
	struct options options = { 0 };
	struct life *life = NULL;
	int ret = 0;

	verdict = options_parse(argc, argv, &options);
	if (verdict != OPTIONS_RUN) {
		return verdict == OPTIONS_SAID ? 0 : 2;
	}
	life = talloc_zero(NULL, struct life);
	if (life == NULL) {
		return complain("cannot", "start", ENOMEM);
	}
	life->shelf.root_fd = -1;
	ret = life_start(life, &options);
	if (ret == 0) {
		ret = life_serve(life);
	}
	life_end(life);
	return ret;
}
