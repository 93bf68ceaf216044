/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops run: what runs on a thread that owns a loop: init and fini, posts and
 * calls, what a handler may take away, and a loop that fails.
 */
#include <limits.h>
#include <pthread.h>

#include "tests/author.h"
#include "tests/looptest.h"

/* ---- init and fini ---- */

struct diary {
	struct fixture_gate in_init; /* added to when init has begun */
	struct fixture_gate go;      /* init waits until this is 1 */
	int error;                   /* what init says */
	bool frees;                  /* init frees the context */
	pthread_t thread;
	unsigned index;
	unsigned inits;
	unsigned finis;
	unsigned posts; /* that ran */
	unsigned posts_before_init;
	unsigned posts_at_fini;
	bool fini_on_thread;
	bool fini_has_context;
	bool fini_has_state;
};

static int diary_init(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	struct diary *diary = private_data;

	fixture_gate_add(&diary->in_init, 1);
	fixture_gate_wait(&diary->go, 1);
	diary->inits++;
	diary->index = index;
	diary->thread = pthread_self();
	diary->posts_before_init = diary->posts;
	*ret_state = &diary->inits;
	if (diary->frees) {
		talloc_free(ev);
	}
	return diary->error;
}

static void diary_fini(struct tevent_context *ev, void *state,
		       void *private_data)
{
	struct diary *diary = private_data;

	diary->finis++;
	diary->posts_at_fini = diary->posts;
	diary->fini_on_thread = pthread_equal(diary->thread, pthread_self());
	diary->fini_has_context = ev != NULL;
	diary->fini_has_state = state == &diary->inits;
}

static void diary_post(struct weft_mailbox *mailbox, void *block)
{
	unsigned *inits = weft_mailbox_private(mailbox);
	struct diary *diary = NULL;

	(void)block;
	if (inits != NULL) {
		diary = (struct diary *)(void *)((char *)inits -
						 offsetof(struct diary, inits));
		diary->posts++;
	}
}

static struct weft_loop_options diary_options(struct diary *diary)
{
	struct weft_loop_options options = {
		.init = diary_init,
		.fini = diary_fini,
		.private_data = diary,
	};

	return options;
}

static void init_and_fini(struct fixture *fx)
{
	struct diary diary = { .inits = 0 };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = looptest_start(fx, &options);

	fixture_gate_wait(&diary.in_init, 1);
	is_int(weft_post(weft_loop_addr(loop), diary_post, NULL), 0,
	       "a post while init runs is accepted");
	is_int(weft_post(weft_loop_addr(loop), diary_post, NULL), 0,
	       "and another");
	fixture_gate_add(&diary.go, 1);
	is_int(looptest_stop(fx, loop), 0, "the loop stops");
	is_uint(diary.inits, 1, "init ran once");
	is_uint(diary.index, 0, "for index 0");
	is_uint(diary.posts_before_init, 0, "before the posts");
	is_uint(diary.posts, 2, "which then found its state");
	is_uint(diary.finis, 1, "fini ran once");
	is_uint(diary.posts_at_fini, 2, "after the posts");
	ok(diary.fini_on_thread, "on the same thread");
	ok(diary.fini_has_context, "with the context");
	ok(diary.fini_has_state, "and the state");
}

static void init_fails(struct fixture *fx)
{
	struct diary diary = { .error = EPERM };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = looptest_start(fx, &options);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };

	is_int(note_post(weft_loop_addr(loop), &ran, &cancelled, NULL), 0,
	       "a post before init fails is accepted");
	fixture_gate_add(&diary.go, 1);
	fixture_gate_wait(&cancelled, 1);
	is_int(fixture_gate_value(&ran), 0, "and cancelled");
	is_int(looptest_stop(fx, loop), EPERM, "a stop says what init said");
	is_int(looptest_stop(fx, loop), EPERM, "and says it again");
	is_uint(diary.finis, 0, "fini did not run");
	is_int(note_post(weft_loop_addr(loop), &ran, &cancelled, NULL),
	       ECANCELED, "later posts are refused");
}

static void init_fails_alone(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct diary diary = { .error = EPERM, .go = { 1 } };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = looptest_start(fx, &options);

	fixture_gate_wait(&diary.in_init, 1);
	fixture_wait_threads(threads);
	talloc_free(loop);
	is_uint(diary.inits, 1, "a handle may be freed after its loop's end");
}

static void stop_while_init(struct fixture *fx)
{
	struct diary diary = { .inits = 0 };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = looptest_start(fx, &options);
	struct ending ending = { .done = false };

	fixture_gate_wait(&diary.in_init, 1);
	(void)looptest_stop_send(fx, loop, &ending);
	fixture_gate_add(&diary.go, 1);
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "a stop while init runs");
	is_uint(diary.inits, 1, "init came to its end");
	is_uint(diary.finis, 1, "and fini ran");
}

/* ---- what runs there ---- */

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	int *number = block;

	(void)mailbox;
	*number *= 2;
	weft_call_reply(call, 0);
}

struct reply {
	bool done;
	int ret;
	int *number;
};

static void replied(struct tevent_req *req)
{
	struct reply *reply = tevent_req_callback_data_void(req);

	reply->ret = weft_call_recv(req, req, &reply->number);
	reply->done = true;
}

static void calls(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	int *number = talloc_zero(NULL, int);
	struct reply reply = { .done = false };
	struct tevent_req *req = NULL;

	*number = 21;
	req = weft_call_send(fx->mem, fx->ev, weft_loop_addr(loop), answer,
			     &number, NULL);
	tevent_req_set_callback(req, replied, &reply);
	(void)fixture_turn_until(fx->ev, &reply.done);
	is_int(reply.ret, 0, "a loop answers a call");
	is_int(reply.number != NULL ? *reply.number : 0, 42, "with the block");
	talloc_free(req);
	number = talloc_zero(NULL, int);
	*number = 4;
	is_int(weft_call_wait(weft_loop_addr(loop), answer, &number, UINT_MAX),
	       0, "one that is waited for, too");
	is_int(number != NULL ? *number : 0, 8, "with the block");
	talloc_free(number);
	is_int(looptest_stop(fx, loop), 0, "it stops");
}

/* The thread may not have begun: still it is not the caller's own. */
static void calls_at_once(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	int answers = 0;
	int i = 0;

	for (i = 0; i < 100; i++) {
		struct weft_loop *loop = looptest_start(fx, NULL);
		int *number = talloc_zero(NULL, int);
		int ret = weft_call_wait(weft_loop_addr(loop), answer, &number,
					 UINT_MAX);

		answers += ret == 0 ? 1 : 0;
		talloc_free(number);
		talloc_free(loop);
	}
	fixture_wait_threads(threads);
	is_int(answers, 100, "who starts a loop may wait for it at once");
}

static void calls_itself(struct weft_mailbox *mailbox, void *arg)
{
	int *ret = arg;

	*ret = weft_call_wait(weft_mailbox_addr(mailbox), answer, NULL,
			      UINT_MAX);
}

static void waits_for_itself(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	int ret = 0;

	looptest_visit(weft_loop_addr(loop), calls_itself, &ret);
	is_int(ret, EDEADLK, "a loop does not wait for itself");
	is_int(looptest_stop(fx, loop), 0, "it stops");
}

/* Two loops throw a ball. */
struct ball {
	weft_addr_t to[2];
	unsigned throws;
	struct fixture_gate *over;
};

static void ball_caught(struct weft_mailbox *mailbox, void *block)
{
	struct ball *ball = talloc_get_type_abort(block, struct ball);
	weft_addr_t to = ball->to[ball->throws % 2];

	(void)mailbox;
	if (ball->throws-- == 0) {
		fixture_gate_add(ball->over, 1);
		return;
	}
	(void)talloc_steal(NULL, ball);
	if (weft_post(to, ball_caught, &ball) != 0) {
		talloc_free(ball);
	}
}

static void to_and_fro(struct fixture *fx)
{
	struct weft_loop *a = looptest_start(fx, NULL);
	struct weft_loop *b = looptest_start(fx, NULL);
	struct ball *ball = talloc_zero(NULL, struct ball);
	struct fixture_gate over = { 0 };

	ball->to[0] = weft_loop_addr(a);
	ball->to[1] = weft_loop_addr(b);
	ball->throws = 1000;
	ball->over = &over;
	is_int(weft_post(weft_loop_addr(a), ball_caught, &ball), 0, "a throw");
	fixture_gate_wait(&over, 1);
	ok(true, "two loops post to each other");
	is_int(looptest_stop(fx, a), 0, "one stops");
	is_int(looptest_stop(fx, b), 0, "and the other");
}

static void limit(struct fixture *fx)
{
	struct weft_loop_options options = { .limit = 2 };
	struct weft_loop *loop = looptest_start(fx, &options);
	weft_addr_t addr = weft_loop_addr(loop);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct ending ending = { .done = false };

	(void)note_post(addr, &ran, &cancelled, &go);
	fixture_gate_wait(&ran, 1);
	is_int(note_post(addr, &ran, &cancelled, NULL), 0, "one waits");
	is_int(note_post(addr, &ran, &cancelled, NULL), 0, "two wait");
	is_int(note_post(addr, &ran, &cancelled, NULL), EAGAIN,
	       "a third is refused");
	(void)looptest_stop_send(fx, loop, &ending);
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "a full mailbox does not keep the loop alive");
	is_int(fixture_gate_value(&ran), 3, "what it took has run");
	is_int(fixture_gate_value(&cancelled), 0, "all of it");
}

static void free_mailbox(struct weft_mailbox *mailbox, void *block)
{
	(void)block;
	talloc_free(mailbox);
}

static void without_mailbox(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	weft_addr_t addr = weft_loop_addr(loop);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };

	is_int(weft_post(addr, free_mailbox, NULL), 0,
	       "a handler frees the loop's mailbox");
	while (note_post(addr, &ran, &cancelled, NULL) == 0) {
		fixture_gate_wait(&cancelled, 1);
	}
	is_int(fixture_gate_value(&ran), 0, "nothing runs any more");
	is_int(looptest_stop(fx, loop), 0, "the loop stops all the same");
}

static void free_context(struct weft_mailbox *mailbox, void *block)
{
	(void)block;
	talloc_free(weft_mailbox_context(mailbox));
}

static void without_context(struct fixture *fx)
{
	struct diary diary = { .go = { 1 } };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = NULL;

	if (TEST_ON_STOCK) {
		skip("stock uses a context that its handler has freed");
		return;
	}
	loop = looptest_start(fx, &options);
	is_int(weft_post(weft_loop_addr(loop), free_context, NULL), 0,
	       "a handler frees the loop's context");
	is_int(looptest_stop(fx, loop), 0, "that ends the loop");
	is_uint(diary.finis, 1, "fini ran");
	ok(!diary.fini_has_context, "without a context");
	ok(diary.fini_has_state, "with the state");
}

static void init_frees_context(struct fixture *fx)
{
	struct diary diary = { .go = { 1 }, .frees = true };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = looptest_start(fx, &options);

	is_int(looptest_stop(fx, loop), 0, "init may free the context, too");
	is_uint(diary.finis, 1, "fini ran");
}

/* ---- a loop that fails ---- */

static const struct tevent_ops *theirs;
static atomic_bool broken;

static int breaking_loop_once(struct tevent_context *ev, const char *location)
{
	if (atomic_load(&broken)) {
		errno = EUCLEAN;
		return -1;
	}
	return theirs->loop_once(ev, location);
}

static void breaks(struct weft_mailbox *mailbox, void *arg)
{
	(void)mailbox;
	(void)arg;
	atomic_store(&broken, true);
}

static void failing_loop(struct fixture *fx)
{
	static struct tevent_ops ops;
	struct diary diary = { .go = { 1 } };
	struct weft_loop_options options = diary_options(&diary);
	struct weft_loop *loop = NULL;

	theirs = tevent_find_ops_byname("poll");
	ops = *theirs;
	ops.loop_once = breaking_loop_once;
	if (!tevent_register_backend("breaking", &ops)) {
		bail_out("tevent_register_backend");
	}
	options.backend = "breaking";
	loop = looptest_start(fx, &options);
	looptest_visit(weft_loop_addr(loop), breaks, NULL);
	is_int(looptest_stop(fx, loop), EUCLEAN,
	       "a stop says what tevent_loop_once() said");
	is_uint(diary.finis, 1, "fini ran");
	atomic_store(&broken, false);
}

int main(void)
{
	looptest_begin();
	LOOPTEST(init_and_fini);
	LOOPTEST(init_fails);
	LOOPTEST(init_fails_alone);
	LOOPTEST(stop_while_init);
	LOOPTEST(calls);
	LOOPTEST(calls_at_once);
	LOOPTEST(waits_for_itself);
	LOOPTEST(to_and_fro);
	LOOPTEST(limit);
	LOOPTEST(without_mailbox);
	LOOPTEST(without_context);
	LOOPTEST(init_frees_context);
	LOOPTEST(failing_loop);
	return done();
}
