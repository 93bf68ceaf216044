/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: many threads post to loops through threaded contexts.
 *
 * What is asked: each accepted post runs exactly once, those of one poster in
 * their order; no wake-up is lost (the watchdog would tell); whoever dies,
 * nothing else does. Objects that cross threads have no talloc parent.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/trail.h"

#define POSTERS 4
#define POSTS   (TEST_TSAN ? 2000 : 10000)

struct poster {
	struct office *office;
	struct tevent_threaded_context *tctx;
	unsigned index;
	/* The loop's own: */
	unsigned next;
	unsigned wrong;
};

struct office {
	struct poster posters[POSTERS];
	unsigned received; /* the loop's own */
};

struct letter {
	struct poster *poster;
	unsigned number;
};

static void letter_came(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct letter *letter = private_data;
	struct poster *poster = letter->poster;

	(void)ev;
	if (letter->number != poster->next) {
		poster->wrong++;
	}
	poster->next++;
	poster->office->received++;
	TALLOC_FREE(im);
}

static void post_letters(unsigned index, void *arg)
{
	struct office *office = arg;
	struct poster *poster = &office->posters[index];

	for (unsigned i = 0; i < POSTS; i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct letter *letter = talloc(im, struct letter);

		*letter = (struct letter){ poster, i };
		tevent_threaded_schedule_immediate(poster->tctx, im,
						   letter_came, letter);
		/* In bursts, so that the loop sleeps now and then. */
		if (i % 64 == 63) {
			(void)sched_yield();
		}
	}
}

static void office_open(struct office *office, struct fixture *fx,
			bool one_for_all)
{
	for (unsigned i = 0; i < POSTERS; i++) {
		struct poster *poster = &office->posters[i];

		poster->office = office;
		poster->index = i;
		poster->tctx = i > 0 && one_for_all
				       ? office->posters[0].tctx
				       : tevent_threaded_context_create(fx->mem,
									fx->ev);
	}
}

static void test_burst(struct fixture *fx)
{
	for (int one_for_all = 0; one_for_all < 2; one_for_all++) {
		struct office office = { .received = 0 };
		struct fixture_threads *threads = NULL;

		office_open(&office, fx, one_for_all == 1);
		threads = fixture_threads_start(POSTERS, post_letters, &office);
		while (office.received < POSTERS * POSTS) {
			turn(fx->ev);
		}
		fixture_threads_join(threads);
		settle(fx->ev, 3);
		is_uint(office.received, POSTERS * POSTS,
			"B1101 each post runs exactly once");
		for (unsigned i = 0; i < POSTERS; i++) {
			is_uint(office.posters[i].wrong, 0,
				"B1101 poster %u's run in its order", i);
		}
		talloc_free(office.posters[0].tctx);
		for (unsigned i = 1; one_for_all == 0 && i < POSTERS; i++) {
			talloc_free(office.posters[i].tctx);
		}
	}
}

#define ROUNDS (TEST_TSAN ? 500 : 3000)

struct pinger {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	struct fixture_gate go;
	unsigned ran; /* the loop's own */
};

static void pinged(struct tevent_context *ev, struct tevent_immediate *im,
		   void *private_data)
{
	struct pinger *pinger = private_data;

	(void)ev;
	(void)im;
	pinger->ran++;
}

/* The same immediate again and again: the next post comes when the loop has
 * come back from the handler, and meets it on its way to sleep. */
static void ping(unsigned index, void *arg)
{
	struct pinger *pinger = (struct pinger *)arg + index;

	for (int i = 0; i < ROUNDS; i++) {
		fixture_gate_wait(&pinger->go, i);
		tevent_threaded_schedule_immediate(pinger->tctx, pinger->im,
						   pinged, pinger);
	}
}

static void test_ping(struct fixture *fx)
{
	struct pinger pingers[2] = { { .ran = 0 } };
	struct fixture_threads *threads = NULL;
	unsigned told[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		pingers[i].im = tevent_create_immediate(NULL);
		pingers[i].tctx = tevent_threaded_context_create(fx->mem,
								 fx->ev);
	}
	threads = fixture_threads_start(2, ping, pingers);
	while (pingers[0].ran < ROUNDS || pingers[1].ran < ROUNDS) {
		turn(fx->ev);
		for (int i = 0; i < 2; i++) {
			if (told[i] < pingers[i].ran) {
				told[i] = pingers[i].ran;
				fixture_gate_add(&pingers[i].go, 1);
			}
		}
	}
	fixture_threads_join(threads);
	is_uint(pingers[0].ran + pingers[1].ran, 2 * ROUNDS,
		"B1101 re-used immediates; no wake-up is lost");
	for (int i = 0; i < 2; i++) {
		talloc_free(pingers[i].im);
		talloc_free(pingers[i].tctx);
	}
}

#define LOOPS 3
#define HOPS  (TEST_TSAN ? 600 : 3000)

struct ring {
	struct tevent_threaded_context *tctx[LOOPS]; /* I: */
	struct fixture_gate open;
	struct fixture_gate left;
};

struct member {
	struct ring *ring;
	unsigned index;
	bool over;
	unsigned hops;
};

struct token {
	struct member *members;
	unsigned index; /* who has it */
	unsigned hops;
};

static void token_came(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data);

static void token_pass(struct token *token)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct token *copy = talloc(im, struct token);

	*copy = *token;
	tevent_threaded_schedule_immediate(
		token->members[0].ring->tctx[token->index], im, token_came,
		copy);
}

static void token_came(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct token token = *(struct token *)private_data;
	struct member *self = &token.members[token.index];

	(void)ev;
	TALLOC_FREE(im);
	self->hops++;
	/* The last round tells each member that it is over. */
	self->over = token.hops + LOOPS >= HOPS;
	if (++token.hops < HOPS) {
		token.index = (token.index + 1) % LOOPS;
		token_pass(&token);
	}
}

static void ring_member(unsigned index, void *arg)
{
	struct member *members = arg;
	struct member *self = &members[index];
	struct ring *ring = self->ring;
	struct tevent_context *ev = tevent_context_init(NULL);

	ring->tctx[index] = tevent_threaded_context_create(NULL, ev);
	fixture_gate_add(&ring->open, 1);
	fixture_gate_wait(&ring->open, LOOPS);
	if (index == 0) {
		struct token token = { members, 0, 0 };

		token_pass(&token);
	}
	while (!self->over) {
		turn(ev);
	}
	/* Others may still be about to post to this one's neighbour. */
	fixture_gate_add(&ring->left, 1);
	fixture_gate_wait(&ring->left, LOOPS);
	talloc_free(ring->tctx[index]);
	talloc_free(ev);
}

static void test_ring(struct fixture *fx)
{
	struct ring ring = { .open = { 0 } };
	struct member members[LOOPS];
	unsigned hops = 0;

	(void)fx;
	for (unsigned i = 0; i < LOOPS; i++) {
		members[i] = (struct member){ .ring = &ring, .index = i };
	}
	fixture_threads_join(
		fixture_threads_start(LOOPS, ring_member, members));
	for (unsigned i = 0; i < LOOPS; i++) {
		hops += members[i].hops;
	}
	is_uint(hops, HOPS, "B1101 a token goes round three sleeping loops");
}

struct lone_post {
	struct tevent_threaded_context *tctx;
	struct tevent_context *ev;
	bool free_context;
	bool came;
};

static void free_everything(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	struct lone_post *post = private_data;

	(void)ev;
	TALLOC_FREE(post->tctx);
	TALLOC_FREE(im);
	post->came = true;
	if (post->free_context) {
		TALLOC_FREE(post->ev);
	}
}

static void *post_once(void *arg)
{
	struct lone_post *post = arg;

	tevent_threaded_schedule_immediate(post->tctx,
					   tevent_create_immediate(NULL),
					   free_everything, post);
	return NULL;
}

/* The poster may still be on its way out of the post. */
static void test_free_in_handler(struct fixture *fx)
{
	unsigned came = 0;
	unsigned rounds = 300;

	for (unsigned i = 0; i < rounds; i++) {
		struct lone_post post = { .came = false };
		pthread_t thread;

		post.free_context = !TEST_ON_STOCK && i % 2 == 1;
		post.ev = tevent_context_init_byname(fx->mem, fx->backend);
		post.tctx = tevent_threaded_context_create(NULL, post.ev);
		if (pthread_create(&thread, NULL, post_once, &post) != 0) {
			bail_out("pthread_create");
		}
		while (!post.came) {
			turn(post.ev);
		}
		(void)pthread_join(thread, NULL);
		came += post.came ? 1 : 0;
		TALLOC_FREE(post.ev);
	}
	is_uint(came, rounds,
		"2.3 a handler may free immediate, threaded "
		"context%s while the poster returns",
		TEST_ON_STOCK ? "" : " and context");
}

#define LAST_POSTS 400

struct survivor {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im[POSTERS * LAST_POSTS];
	struct fixture_gate first;
	unsigned ran; /* the loop's own */
};

static void last_came(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct survivor *all = private_data;

	(void)ev;
	(void)im;
	all->ran++;
}

static void post_to_the_end(unsigned index, void *arg)
{
	struct survivor *all = arg;

	for (unsigned i = 0; i < LAST_POSTS; i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);

		all->im[index * LAST_POSTS + i] = im;
		tevent_threaded_schedule_immediate(all->tctx, im, last_came,
						   all);
		fixture_gate_add(&all->first, 1);
	}
}

/* The loop dies while all post; each immediate has either run or is its
 * poster's again, and usable. */
static void test_loop_dies(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct survivor *all = talloc_zero(fx->mem, struct survivor);
	struct fixture_threads *threads = NULL;
	unsigned before = 0;

	if (TEST_ON_STOCK) {
		skip("B1104 stock aborts when stranded posts are freed");
		return;
	}
	all->tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	threads = fixture_threads_start(POSTERS, post_to_the_end, all);
	fixture_gate_wait(&all->first, LAST_POSTS / 2);
	for (int i = 0; i < LAST_POSTS / 4; i++) {
		turn(fx->ev);
	}
	TALLOC_FREE(fx->ev);
	before = all->ran;
	fixture_threads_join(threads);
	is_uint(all->ran, before, "B1103 B1104 nothing runs after the end");
	for (int i = 0; i < POSTERS * LAST_POSTS; i++) {
		tevent_schedule_immediate(all->im[i], other, last_came, all);
	}
	is_int(tevent_loop_wait(other), 0, "loop_wait of another context");
	is_uint(all->ran - before, POSTERS * LAST_POSTS,
		"B1104 4.3 accepted = run + given back, and all are usable");
	for (int i = 0; i < POSTERS * LAST_POSTS; i++) {
		talloc_free(all->im[i]);
	}
	talloc_free(all->tctx);
	talloc_free(all);
	talloc_free(other);
}

int main(void)
{
	const unsigned alone = FIXTURE_THREADS | FIXTURE_NO_CONTEXT;

	warm_up();
	fixture_each_backend_flags("B1101 burst", test_burst, FIXTURE_THREADS);
	fixture_each_backend_flags("B1101 ping", test_ping, FIXTURE_THREADS);
	fixture_run_flags("B1101 ring", test_ring, alone);
	fixture_each_backend_flags("2.3 free in handler", test_free_in_handler,
				   alone);
	fixture_each_backend_flags("B1104 loop dies", test_loop_dies,
				   FIXTURE_THREADS);
	return done();
}
