/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Uv: libuv. Its users have a list behind a mutex, and an async handle that
 * wakes the loop; it takes the whole list.
 */
#include <uv.h>

#define PEER_SYMBOL   "uv_async_send"
#define PEER_WAYS     WAY_FRESH
#define PEER_IN_ORDER true

struct peer_message {
	struct peer_message *next;
	bool fresh;
	uint64_t number;
};

struct peer_loop {
	uv_loop_t loop;
	uv_async_t async;
	uv_idle_t idle;
	uv_mutex_t lock;
	struct peer_message *first; /* under lock */
	struct peer_message **last; /* the same */
};

static void peer_async_cb(uv_async_t *async)
{
	struct peer_loop *loop = async->data;
	struct peer_message *list = NULL;

	uv_mutex_lock(&loop->lock);
	list = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	uv_mutex_unlock(&loop->lock);
	while (list != NULL) {
		struct peer_message *next = list->next;

		if (list->fresh) {
			number_runs(list->number);
			free(list);
		} else {
			message_runs(list);
		}
		list = next;
	}
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->first = NULL;
	loop->last = &loop->first;
	peer_check(uv_loop_init(&loop->loop) == 0 &&
			   uv_mutex_init(&loop->lock) == 0 &&
			   uv_async_init(&loop->loop, &loop->async,
					 peer_async_cb) == 0 &&
			   uv_idle_init(&loop->loop, &loop->idle) == 0,
		   "no loop");
	loop->async.data = loop;
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	uv_close((uv_handle_t *)&loop->async, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	(void)uv_run(&loop->loop, UV_RUN_DEFAULT);
	peer_check(uv_loop_close(&loop->loop) == 0, "the loop is in use");
	uv_mutex_destroy(&loop->lock);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	(void)uv_run(&loop->loop, UV_RUN_ONCE);
}

static void peer_idle_cb(uv_idle_t *idle)
{
	(void)idle;
}

static inline void peer_busy_start(struct peer_loop *loop, unsigned way)
{
	(void)way;
	(void)uv_idle_start(&loop->idle, peer_idle_cb);
}

static inline void peer_busy_stop(struct peer_loop *loop)
{
	(void)uv_idle_stop(&loop->idle);
}

static inline void peer_message_init(struct peer_message *peer, unsigned way)
{
	(void)way;
	peer->fresh = false;
}

static inline void peer_message_fini(struct peer_message *peer, unsigned way)
{
	(void)way;
	(void)peer;
}

static inline void peer_post(struct peer_loop *loop, struct peer_message *peer)
{
	peer->next = NULL;
	uv_mutex_lock(&loop->lock);
	*loop->last = peer;
	loop->last = &peer->next;
	uv_mutex_unlock(&loop->lock);
	peer_check(uv_async_send(&loop->async) == 0, "refused");
}

static inline void peer_post_fresh(struct peer_loop *loop, uint64_t number)
{
	struct peer_message *peer = malloc(sizeof(*peer));

	peer_check(peer != NULL, "no memory");
	peer->fresh = true;
	peer->number = number;
	peer_post(loop, peer);
}
