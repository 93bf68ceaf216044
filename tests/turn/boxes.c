/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Boxes: stories of loops that others post to, and that go meanwhile; stories.c
 * tells what they are.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/turn/story.h"

/* ---- messages ---- */

struct message {
	struct weft_msg msg;
	unsigned poster;
	unsigned number;
};

/* O: the loop that messages go to. */
struct story_box story_box;

static void message_came(struct weft_msg *msg)
{
	struct message *message = (struct message *)(void *)msg;

	TURN_CHECK(story_box.last[message->poster] < message->number);
	story_box.last[message->poster] = message->number;
	story_box.came++;
	free(message);
}

static void message_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	message_came(msg);
}

static void *poster_main(void *arg)
{
	struct story_poster *poster = arg;
	unsigned i = 0;

	for (i = 1; i <= STORY_MESSAGES; i++) {
		struct message *message = calloc(1, sizeof(*message));
		int ret = 0;

		TURN_CHECK(message != NULL);
		message->msg.run = message_run;
		message->msg.cancel = message_came;
		message->poster = poster->index;
		message->number = i;
		ret = weft_post_msg(poster->to, &message->msg);
		if (ret == 0) {
			poster->accepted++;
		} else {
			TURN_CHECK(ret == ECANCELED);
			free(message);
		}
	}
	return NULL;
}

void story_posters_start(struct story_poster *posters, weft_addr_t to)
{
	unsigned i = 0;

	story_box.came = 0;
	for (i = 0; i < STORY_SENDERS; i++) {
		story_box.last[i] = 0;
		posters[i] = (struct story_poster){ .index = i, .to = to };
		TURN_CHECK(pthread_create(&posters[i].thread, NULL, poster_main,
					  &posters[i]) == 0);
	}
}

unsigned story_posters_join(struct story_poster *posters)
{
	unsigned accepted = 0;
	unsigned i = 0;

	for (i = 0; i < STORY_SENDERS; i++) {
		TURN_CHECK(pthread_join(posters[i].thread, NULL) == 0);
		accepted += posters[i].accepted;
	}
	return accepted;
}

void story_posts(void)
{
	struct story_poster posters[STORY_SENDERS];
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_mailbox *mailbox = NULL;
	unsigned all = STORY_SENDERS * STORY_MESSAGES;

	TURN_CHECK(weft_mailbox_create(ev, ev, NULL, &mailbox) == 0);
	story_posters_start(posters, weft_mailbox_addr(mailbox));
	/* All of them, or it goes in the middle. */
	story_until(ev, &story_box.came,
		    turn_choose(2) == 0 ? all : turn_choose(all));
	TALLOC_FREE(ev);
	TURN_CHECK(story_posters_join(posters) == story_box.came);
}

/* ---- the newest block ---- */

/* O: the loop that blocks go to. */
static struct {
	unsigned came;
	unsigned last[STORY_SENDERS];
} newest;

static void newest_came(struct weft_mailbox *mailbox, void *block)
{
	const struct story_block *came = block;

	(void)mailbox;
	TURN_CHECK(newest.last[came->sender] < came->number);
	newest.last[came->sender] = came->number;
	newest.came++;
}

static void *newest_post(void *arg)
{
	struct story_poster *poster = arg;
	unsigned i = 0;

	for (i = 1; i <= STORY_MESSAGES; i++) {
		struct story_block *block = story_block(poster->index, i);
		int ret = weft_post(poster->to, newest_came, &block);

		TURN_CHECK(ret == 0 || ret == ECANCELED);
		talloc_free(block);
	}
	return NULL;
}

void story_latest(void)
{
	const struct weft_mailbox_options options = { .latest = true };
	struct story_poster posters[STORY_SENDERS];
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_mailbox *mailbox = NULL;
	unsigned i = 0;

	TURN_CHECK(weft_mailbox_create(ev, ev, &options, &mailbox) == 0);
	for (i = 0; i < STORY_SENDERS; i++) {
		posters[i] = (struct story_poster){
			.index = i,
			.to = weft_mailbox_addr(mailbox),
		};
		TURN_CHECK(pthread_create(&posters[i].thread, NULL, newest_post,
					  &posters[i]) == 0);
	}
	/* One comes at least. */
	story_until(ev, &newest.came, turn_choose(2));
	TALLOC_FREE(ev);
	for (i = 0; i < STORY_SENDERS; i++) {
		TURN_CHECK(pthread_join(posters[i].thread, NULL) == 0);
	}
	TURN_CHECK(atomic_load(&story_blocks) == 0);
}

/* ---- a loop of another kind ---- */

void story_foreign(void)
{
	struct story_poster posters[STORY_SENDERS];
	struct weft_mailbox *mailbox = NULL;
	unsigned all = STORY_SENDERS * STORY_MESSAGES;
	unsigned wanted = turn_choose(2) == 0 ? all : turn_choose(all);
	unsigned most = turn_choose(3);

	TURN_CHECK(weft_mailbox_create(NULL, NULL, NULL, &mailbox) == 0);
	story_posters_start(posters, weft_mailbox_addr(mailbox));
	while (story_box.came < wanted) {
		struct pollfd fd = {
			.fd = weft_mailbox_fd(mailbox),
			.events = POLLIN,
		};

		TURN_CHECK(poll(&fd, 1, -1) == 1);
		TURN_CHECK(weft_mailbox_dispatch(mailbox, most) >= 0);
	}
	TALLOC_FREE(mailbox);
	TURN_CHECK(story_posters_join(posters) == story_box.came);
}

/* ---- immediates from other threads ---- */

struct waker {
	pthread_t thread;
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	unsigned *woken;
};

static void woken(struct tevent_context *ev, struct tevent_immediate *im,
		  void *private_data)
{
	unsigned *count = private_data;

	(void)ev;
	(void)im;
	++*count;
}

static void *waker_main(void *arg)
{
	struct waker *waker = arg;

	tevent_threaded_schedule_immediate(waker->tctx, waker->im, woken,
					   waker->woken);
	return NULL;
}

void story_wakes(void)
{
	struct waker wakers[STORY_SENDERS + 1];
	struct tevent_context *ev = tevent_context_init(NULL);
	unsigned wanted = turn_choose(STORY_SENDERS + 2);
	unsigned count = 0;
	unsigned i = 0;

	for (i = 0; i < STORY_SENDERS + 1; i++) {
		struct waker *waker = &wakers[i];

		waker->woken = &count;
		waker->tctx = tevent_threaded_context_create(NULL, ev);
		waker->im = tevent_create_immediate(waker->tctx);
		TURN_CHECK(waker->im != NULL);
		TURN_CHECK(pthread_create(&waker->thread, NULL, waker_main,
					  waker) == 0);
	}
	story_until(ev, &count, wanted);
	TALLOC_FREE(ev);
	for (i = 0; i < STORY_SENDERS + 1; i++) {
		TURN_CHECK(pthread_join(wakers[i].thread, NULL) == 0);
		TALLOC_FREE(wakers[i].tctx);
	}
	TURN_CHECK(count >= wanted && count <= STORY_SENDERS + 1);
}

/* ---- proxies ---- */

struct sender {
	pthread_t thread;
	struct tevent_thread_proxy *proxy;
	unsigned index;
};

/* O: the loop behind the proxies. */
static struct {
	unsigned came;
	unsigned last[STORY_SENDERS];
} proxied;

static void proxied_came(struct tevent_context *ev, struct tevent_immediate *im,
			 void *private_data)
{
	const struct story_block *came = private_data;

	(void)ev;
	(void)im;
	TURN_CHECK(proxied.last[came->sender] < came->number);
	proxied.last[came->sender] = came->number;
	proxied.came++;
}

static void *sender_main(void *arg)
{
	struct sender *sender = arg;
	unsigned i = 0;

	for (i = 1; i <= STORY_MESSAGES; i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct story_block *block = talloc(NULL, struct story_block);

		TURN_CHECK(im != NULL && block != NULL);
		block->sender = sender->index;
		block->number = i;
		tevent_thread_proxy_schedule(sender->proxy, &im, proxied_came,
					     &block);
		talloc_free(im);
		talloc_free(block);
	}
	return NULL;
}

void story_proxies(void)
{
	struct sender senders[STORY_SENDERS];
	struct tevent_context *ev = tevent_context_init(NULL);
	unsigned all = STORY_SENDERS * STORY_MESSAGES;
	unsigned i = 0;

	for (i = 0; i < STORY_SENDERS; i++) {
		struct sender *sender = &senders[i];

		sender->index = i;
		/* It would go with the loop. */
		sender->proxy = talloc_steal(NULL,
					     tevent_thread_proxy_create(ev));
		TURN_CHECK(sender->proxy != NULL);
		TURN_CHECK(pthread_create(&sender->thread, NULL, sender_main,
					  sender) == 0);
	}
	story_until(ev, &proxied.came,
		    turn_choose(2) == 0 ? all : turn_choose(all));
	TALLOC_FREE(ev);
	for (i = 0; i < STORY_SENDERS; i++) {
		TURN_CHECK(pthread_join(senders[i].thread, NULL) == 0);
		TALLOC_FREE(senders[i].proxy);
	}
}
