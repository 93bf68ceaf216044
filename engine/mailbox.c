/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: where other threads reach a context.
 *
 * A word (word.h) and an eventfd, in memory of their own that outlives the
 * context for as long as anybody holds a reference. A context gets one when it
 * first meets a second thread or a signal; one that never does has no eventfd.
 *
 *      any thread                          the owner
 *      post: push the node                 before it blocks: arm
 *        QUEUED: done, no system call      after it woke, and at the start of
 *        RING:   write the eventfd,        a pass: take
 *                drop the token's
 *                reference
 *
 * References. One each for the context, for every threaded context, for the
 * signal table, and one for the ARMED token: arming takes it, and whoever
 * replaces ARMED owns it: the owner's take gives it back, a poster drops it
 * after it has rung. So the eventfd is never written after it was closed, and
 * nobody waits for anybody:
 *  1. fd is closed by the last unref only.
 *  2. A poster that rings holds the token's reference until it has written.
 *  3. A poster that does not ring never touches fd.
 *  4. The push itself happens under the caller's own reference.
 *
 * The eventfd is registered edge-triggered where the backend can: each write
 * is reported once and the counter is never read. A full counter reports
 * nothing more, so ringing empties it then; it takes 2^64 - 2 writes.
 *
 * A context that waits by other means than a backend of ours (backend.h,
 * passive) cannot arm before it blocks, so its mailbox is armed always: each
 * post rings (immediate.c).
 *
 * Fork. The child inherits the eventfd, which is the parent's. The generation
 * keeps the child from posting or ringing there; its context opens a new
 * mailbox on its first use (lifecycle.c).
 *
 * Threads: open, close, take, arm: owner. post, ref, unref: any.
 * ring: any, and signal handlers.
 * Ordering: [W1] [W2] of word.h; [MB1] here.
 * Not here: what the nodes are (immediate.c, signal.c).
 */
#include "engine/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fd.h"
#include "engine/fork.h"

/* Runs alone in a pass when the eventfd was written (B107). */
static void mailbox_heard(struct tevent_context *ev, struct tevent_fd *fde,
			  uint16_t flags, void *private_data)
{
	const struct tev_mailbox *mailbox = private_data;
	eventfd_t count = 0;

	(void)ev;
	(void)flags;
	if (!tev_fd_is_edge(fde)) {
		(void)eventfd_read(mailbox->fd, &count);
	}
}

/* Gives the context its mailbox, if it has none.
 *
 * Thread: owner.  Lock: none.
 * Return: 0 or an errno value.
 */
int tev_mailbox_open(struct tevent_context *ev)
{
	struct tev_mailbox *mailbox = NULL;

	if (ev->closed) {
		return EINVAL;
	}
	if (tev_unlikely(ev->fork_generation != tev_fork_now())) {
		ev->after_fork(ev);
	}
	if (ev->mailbox != NULL) {
		return 0;
	}
	mailbox = aligned_alloc(TEV_CACHE_LINE, sizeof(*mailbox));
	if (mailbox == NULL) {
		return ENOMEM;
	}
	tev_word_init(&mailbox->word);
	atomic_init(&mailbox->refs, 1);
	mailbox->fork_generation = tev_fork_now();
	/* Not CLOEXEC, as stock (B708). */
	mailbox->fd = eventfd(0, EFD_NONBLOCK);
	if (mailbox->fd < 0) {
		int error = errno;

		free(mailbox);
		return error;
	}
	ev->mailbox_fd = tev_fd_add_internal(ev, mailbox->fd, mailbox_heard,
					     mailbox);
	if (ev->mailbox_fd == NULL) {
		tev_mailbox_unref(mailbox);
		return ENOMEM;
	}
	ev->mailbox = mailbox;
	if (ev->backend->passive) {
		(void)tev_mailbox_arm(mailbox); /* and always: immediate.c */
	}
	return 0;
}

/* Ends the context's mailbox: later posts are refused.
 *
 * Thread: owner.  Lock: none.
 * Return: what was accepted and not yet taken, oldest first.
 */
struct tev_word_node *tev_mailbox_close(struct tevent_context *ev)
{
	struct tev_mailbox *mailbox = ev->mailbox;
	struct tev_word_taken taken = { NULL, false };

	if (mailbox == NULL) {
		return NULL;
	}
	TALLOC_FREE(ev->mailbox_fd);
	ev->mailbox = NULL;
	taken = tev_word_close(&mailbox->word);
	if (taken.was_armed) {
		tev_mailbox_unref(mailbox);
	}
	tev_mailbox_unref(mailbox);
	return taken.oldest;
}

/* Takes what has arrived, oldest first; the loop counts as awake then.
 *
 * Thread: owner.  Lock: none.
 */
struct tev_word_node *tev_mailbox_take(struct tev_mailbox *mailbox)
{
	struct tev_word_taken taken = tev_word_take(&mailbox->word);

	if (taken.was_armed) {
		tev_mailbox_unref(mailbox);
	}
	return taken.oldest;
}

/* Announces that the loop is about to block.
 *
 * Thread: owner.  Lock: none.
 * Return: false when something has arrived: do not block.
 */
bool tev_mailbox_arm(struct tev_mailbox *mailbox)
{
	bool ok = false;

	/* The token's reference, before anybody can take the token. */
	(void)tev_mailbox_ref(mailbox);
	ok = tev_word_arm(&mailbox->word);
	if (!ok) {
		tev_mailbox_unref(mailbox);
	}
	return ok;
}

/* Posts @node.
 *
 * Thread: any that holds a reference; no signal handler.  Lock: none.
 * Owns:   takes @node if accepted.
 * Return: false when the context is gone, or the caller is a forked child.
 */
bool tev_mailbox_post(struct tev_mailbox *mailbox, struct tev_word_node *node)
{
	enum tev_word_push push = TEV_WORD_REFUSED;

	if (tev_unlikely(mailbox->fork_generation != tev_fork_now())) {
		return false;
	}
	push = tev_word_push(&mailbox->word, node);
	if (push == TEV_WORD_RING) {
		tev_mailbox_ring(mailbox);
		tev_mailbox_unref(mailbox);
	}
	return push != TEV_WORD_REFUSED;
}

int tevent_common_wakeup_fd(int fd)
{
	while (eventfd_write(fd, 1) != 0) {
		eventfd_t count = 0;

		if (errno != EINTR && errno != EAGAIN) {
			return errno;
		}
		(void)eventfd_read(fd, &count);
	}
	return 0;
}

/* Wakes the owner, or makes its next wait return at once.
 *
 * Thread: any that holds a reference; signal handlers too.  Lock: none.
 */
void tev_mailbox_ring(const struct tev_mailbox *mailbox)
{
	if (mailbox->fork_generation == tev_fork_now()) {
		(void)tevent_common_wakeup_fd(mailbox->fd);
	}
}

/* Thread: any that holds a reference.  Return: @mailbox. */
struct tev_mailbox *tev_mailbox_ref(struct tev_mailbox *mailbox)
{
	/* Relaxed: the caller's own reference keeps it alive. */
	(void)atomic_fetch_add_explicit(&mailbox->refs, 1,
					memory_order_relaxed);
	return mailbox;
}

/* Drops a reference; the last one frees.
 *
 * Thread: any that holds a reference.  Lock: none.
 */
void tev_mailbox_unref(struct tev_mailbox *mailbox)
{
	/* [MB1] release: what this holder did to the mailbox. */
	if (atomic_fetch_sub_explicit(&mailbox->refs, 1,
				      memory_order_release) == 1) {
		/* [MB1] acquire: what all others did, before it goes. */
		(void)atomic_load_explicit(&mailbox->refs,
					   memory_order_acquire);
		(void)close(mailbox->fd);
		free(mailbox);
	}
}

int tevent_common_wakeup_init(struct tevent_context *ev)
{
	return tev_mailbox_open(ev);
}

int tevent_common_wakeup(struct tevent_context *ev)
{
	if (ev->mailbox == NULL) {
		return ENOTCONN;
	}
	return tevent_common_wakeup_fd(ev->mailbox->fd);
}
