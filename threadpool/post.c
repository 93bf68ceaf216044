/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post: a block for another loop.
 *
 * It is a message that has the block as a talloc child, so the receiving side
 * allocates nothing and cannot fail:
 *
 *      sender: post, block below it ---> mailbox ---> below the desk, run,
 *                                                     freed with what is left
 *
 *  1. The tree of post and block is its sender's until the mailbox has taken
 *     it; refused, the block goes back to the parent it had.
 *  2. A latest-value mailbox has one post at a time. Who replaces one frees it.
 *     Where they are merged this runs user code, so it happens outside of all
 *     read sections, by one of those who post at the time (latest.h).
 *
 * Threads: send: any; run, cancel: the owner of the mailbox.
 * Ordering: through mailbox.h and latest.h.
 */
#include <errno.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/block.h"
#include "threadpool/fork.h"
#include "threadpool/front.h"
#include "threadpool/grace.h"
#include "threadpool/latest.h"
#include "threadpool/mailbox.h"

struct post {
	struct weft_msg msg;
	weft_handler_fn_t fn;
	void *block;               /* NULL, or our child */
	bool *gone;                /* told while fn runs */
	struct tev_word_node node; /* Q: latest.h: to be merged */
};

/* Behind a value of a latest mailbox, which takes only posts. */
static struct post *post_of(void *value)
{
	struct weft_msg *msg = value;

	return msg == NULL ? NULL : tev_container_of(msg, struct post, msg);
}

static int post_destructor(struct post *post)
{
	if (post->gone != NULL) {
		*post->gone = true;
	}
	return 0;
}

/* The handler may free the mailbox, and with it all that hangs below. */
static void post_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct post *post = tev_container_of(msg, struct post, msg);
	bool gone = false;

	(void)talloc_steal(wf_mailbox_desk(mailbox), post);
	post->gone = &gone;
	talloc_set_destructor(post, post_destructor);
	post->fn(mailbox, post->block);
	if (!gone) {
		talloc_free(post);
	}
}

static void post_cancel(struct weft_msg *msg)
{
	talloc_free(tev_container_of(msg, struct post, msg));
}

/* Merges what is queued, each into the next, and puts the last one in. */
static void post_merge_queued(struct wf_latest *latest, weft_merge_fn_t merge)
{
	struct post *current = post_of(wf_latest_take(latest));
	struct tev_word_node *node = wf_latest_queued(latest);

	while (node != NULL) {
		struct post *newer = tev_container_of(node, struct post, node);

		node = node->next;
		if (current != NULL && current->block != NULL &&
		    newer->block != NULL) {
			merge(newer->block, current->block);
		}
		talloc_free(current);
		current = newer;
	}
	if (current != NULL) {
		(void)wf_latest_swap(latest, &current->msg);
	}
}

/* The calling thread merges until nothing is left. */
static void post_merge(uint64_t to, struct wf_latest *latest,
		       weft_merge_fn_t merge)
{
	unsigned generation = wf_fork_generation();
	bool done = false;

	while (!done) {
		bool found = false;
		struct post *lost = NULL;

		post_merge_queued(latest, merge);
		wf_read_begin();
		found = wf_front_find(to) != NULL;
		lost = post_of(found ? wf_latest_announce(latest)
				     : wf_latest_take(latest));
		wf_read_end();
		/* Accepted, and cancelled. */
		talloc_free(lost);
		/* In a child that was forked meanwhile nobody merges. */
		done = wf_fork_generation() != generation ||
		       wf_latest_merged(latest);
	}
}

/* Puts @post into the mailbox in place of what is there, or merges it.
 * Return: 0, or ECANCELED: @post is as it was, and the caller's. */
static int post_latest(uint64_t to, struct post *post)
{
	struct wf_front *front = NULL;
	struct wf_latest *latest = NULL;
	struct post *older = NULL;
	struct post *lost = NULL;
	weft_merge_fn_t merge = NULL;
	bool merges = false;

	wf_read_begin();
	front = wf_front_find(to);
	if (front == NULL) {
		wf_read_end();
		return ECANCELED;
	}
	latest = front->latest;
	merge = front->merge;
	if (merge != NULL) {
		merges = wf_latest_queue(latest, &post->node);
	} else {
		older = post_of(wf_latest_swap(latest, &post->msg));
		lost = post_of(wf_latest_announce(latest));
	}
	wf_read_end();
	talloc_free(older);
	talloc_free(lost); /* accepted, and cancelled */
	if (merges) {
		post_merge(to, latest, merge);
	}
	return 0;
}

static bool post_is_for_latest(weft_addr_t to)
{
	struct wf_front *front = NULL;
	bool is_it = false;

	wf_read_begin();
	front = wf_front_find(to.id);
	is_it = front != NULL && front->latest != NULL;
	wf_read_end();
	return is_it;
}

int weft_post_block(weft_addr_t to, weft_handler_fn_t fn, void *pp_block)
{
	void *block = wf_block_peek(pp_block);
	void *parent = talloc_parent(block);
	struct post *post = NULL;
	int ret = 0;

	if (to.id == 0 || fn == NULL || !wf_block_may_travel(block)) {
		return EINVAL;
	}
	post = talloc(NULL, struct post);
	if (post == NULL) {
		return ENOMEM;
	}
	*post = (struct post){
		.msg = { .run = post_run, .cancel = post_cancel },
		.fn = fn,
		.block = block,
	};
	if (block != NULL) {
		(void)talloc_steal(post, block);
	}
	/* Transferred by the port, or by the value of a latest mailbox. */
	wf_block_detach(post);
	ret = post_is_for_latest(to) ? post_latest(to.id, post)
				     : wf_mailbox_post(to, &post->msg, NULL);
	if (ret == 0) {
		wf_block_take(pp_block);
		return 0;
	}
	if (block != NULL) {
		(void)talloc_steal(parent, block);
	}
	talloc_free(post);
	return ret;
}
