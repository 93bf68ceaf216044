/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: posts from several threads to loops that sleep, wake and end.
 *
 * Each loop has a threaded context; each poster sends numbered immediates to
 * all of them. What must hold:
 *  1. What a poster sent to one loop arrives in its order, each once.
 *  2. A loop that stays gets everything (else it hangs, and the alarm says so).
 *  3. A loop that ends early has got, of each poster, the first so many.
 * A post to a loop that has ended is refused; both the immediate and the
 * threaded context outlive that and are freed when all threads are gone.
 */
#include "tools/stress/stress.h"

#define LOOPS_MAX    4
#define POSTERS_MAX  16
#define MESSAGES_MAX 200

struct receiver;

struct message {
	struct tevent_immediate *im;
	struct receiver *to;
	unsigned poster;
	unsigned number;
};

struct receiver {
	pthread_barrier_t *start;
	struct tevent_context *ev;
	struct tevent_threaded_context *tctx;
	struct stress_dice dice;
	unsigned expected;          /* of all posters together */
	unsigned ends_after;        /* messages; more than expected: stays */
	unsigned got;               /* the loop's thread */
	unsigned next[POSTERS_MAX]; /* the loop's thread */
};

struct poster {
	pthread_barrier_t *start;
	struct stress_dice dice;
	struct receiver *receivers;
	unsigned receiver_count;
	unsigned messages; /* to each */
	struct message *sent;
};

static void arrived(struct tevent_context *ev, struct tevent_immediate *im,
		    void *private_data)
{
	struct message *message = private_data;
	struct receiver *receiver = message->to;

	(void)im;
	if (ev != receiver->ev) {
		stress_fail("a message came to the wrong loop");
	}
	if (receiver->next[message->poster] != message->number) {
		stress_fail("poster %u: message %u came where %u was due",
			    message->poster, message->number,
			    receiver->next[message->poster]);
	}
	receiver->next[message->poster] = message->number + 1;
	receiver->got++;
}

static void woke(struct tevent_context *ev, struct tevent_timer *te,
		 struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	(void)private_data;
}

static void *receive(void *arg)
{
	struct receiver *receiver = arg;

	(void)pthread_barrier_wait(receiver->start);
	while (receiver->got < receiver->expected &&
	       receiver->got < receiver->ends_after) {
		if (stress_once_in(&receiver->dice, 8)) {
			/* Awake for other reasons, now and then. */
			(void)tevent_add_timer(
				receiver->ev, receiver->ev,
				tevent_timeval_current_ofs(
					0, stress_below(&receiver->dice, 200)),
				woke, NULL);
		}
		(void)tevent_loop_once(receiver->ev);
	}
	talloc_free(receiver->ev);
	return NULL;
}

static void *post(void *arg)
{
	struct poster *poster = arg;
	unsigned count = poster->messages * poster->receiver_count;
	unsigned i = 0;

	(void)pthread_barrier_wait(poster->start);
	for (i = 0; i < count; i++) {
		struct message *message = &poster->sent[i];

		stress_dawdle(&poster->dice);
		tevent_threaded_schedule_immediate(
			message->to->tctx, message->im, arrived, message);
	}
	return NULL;
}

/* Everything that is shared is made before the threads are. */
static void prepare_messages(struct poster *poster, unsigned index)
{
	unsigned count = poster->messages * poster->receiver_count;
	unsigned i = 0;

	poster->sent = talloc_zero_array(NULL, struct message, count);
	if (poster->sent == NULL) {
		stress_give_up("no memory");
	}
	for (i = 0; i < count; i++) {
		poster->sent[i] = (struct message){
			.im = tevent_create_immediate(NULL),
			.to = &poster->receivers[i % poster->receiver_count],
			.poster = index,
			.number = i / poster->receiver_count,
		};
	}
}

static void prepare_receiver(struct receiver *receiver,
			     struct stress_dice *dice, unsigned expected)
{
	receiver->ev = stress_context();
	receiver->tctx = tevent_threaded_context_create(NULL, receiver->ev);
	if (receiver->tctx == NULL) {
		stress_give_up("no threaded context");
	}
	receiver->dice = stress_split(dice);
	receiver->expected = expected;
	receiver->ends_after = stress_once_in(dice, 3)
				       ? stress_below(dice, expected)
				       : expected + 1;
}

static bool mailbox_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct receiver receivers[LOOPS_MAX] = { { .ev = NULL } };
	struct poster posters[POSTERS_MAX];
	pthread_barrier_t barrier;
	unsigned loops = 1 + stress_below(dice, LOOPS_MAX);
	unsigned count = 1 + stress_below(dice, threads);
	unsigned messages = 1 + stress_below(dice, MESSAGES_MAX);
	unsigned i = 0;
	unsigned j = 0;

	count = count < POSTERS_MAX ? count : POSTERS_MAX;
	(void)pthread_barrier_init(&barrier, NULL, loops + count);
	for (i = 0; i < loops; i++) {
		receivers[i].start = &barrier;
		prepare_receiver(&receivers[i], dice, count * messages);
	}
	for (i = 0; i < count; i++) {
		posters[i] = (struct poster){
			.start = &barrier,
			.dice = stress_split(dice),
			.receivers = receivers,
			.receiver_count = loops,
			.messages = messages,
		};
		prepare_messages(&posters[i], i);
	}
	stress_crew_start(&crew, receive, receivers, sizeof(receivers[0]),
			  loops);
	stress_crew_start(&crew, post, posters, sizeof(posters[0]), count);
	stress_crew_join(&crew);
	for (i = 0; i < loops; i++) {
		talloc_free(receivers[i].tctx);
	}
	for (i = 0; i < count; i++) {
		for (j = 0; j < messages * loops; j++) {
			talloc_free(posters[i].sent[j].im);
		}
		talloc_free(posters[i].sent);
	}
	(void)pthread_barrier_destroy(&barrier);
	return !stress_failed();
}

const struct stress_protocol stress_mailbox = {
	.name = "mailbox",
	.what = "posts to loops that sleep, wake and end",
	.round = mailbox_round,
};
