/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops stop: how threads that own a loop end: asked to, dropped, by
 * themselves, and many of them.
 */
#include "tests/looptest.h"

/* Quickly enough for every run; weft-stress opens and closes many more. */
#define MANY 2000

/* A loop that counts its init and fini. */
struct life {
	atomic_int inits;
	atomic_int finis;
};

static int life_init(struct tevent_context *ev, unsigned index,
		     void **ret_state, void *private_data)
{
	struct life *life = private_data;

	(void)ev;
	(void)index;
	(void)ret_state;
	(void)atomic_fetch_add(&life->inits, 1);
	return 0;
}

static void life_fini(struct tevent_context *ev, void *state,
		      void *private_data)
{
	struct life *life = private_data;

	(void)ev;
	(void)state;
	(void)atomic_fetch_add(&life->finis, 1);
}

static struct weft_loop *life_start(struct fixture *fx, struct life *life)
{
	struct weft_loop_options options = {
		.init = life_init,
		.fini = life_fini,
		.private_data = life,
	};

	return looptest_start(fx, &options);
}

/* ---- stop ---- */

static void call_nobody(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void drains(struct fixture *fx)
{
	struct life life = { 0 };
	struct weft_loop *loop = life_start(fx, &life);
	weft_addr_t addr = weft_loop_addr(loop);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct ending ending = { .done = false };
	unsigned i = 0;

	(void)note_post(addr, &ran, &cancelled, &go);
	fixture_gate_wait(&ran, 1);
	for (i = 0; i < 300; i++) {
		(void)note_post(addr, &ran, &cancelled, NULL);
	}
	(void)looptest_stop_send(fx, loop, &ending);
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "the loop stops");
	is_int(fixture_gate_value(&ran), 301, "what was posted before has run");
	is_int(fixture_gate_value(&cancelled), 0, "all of it");
	is_int(atomic_load(&life.finis), 1, "then fini");
	is_int(note_post(addr, &ran, &cancelled, NULL), ECANCELED,
	       "later posts are refused");
	is_int(weft_call_wait(addr, call_nobody, NULL, 0), ECANCELED,
	       "and calls");
}

static void many_ask(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending endings[4] = { { .done = false } };
	struct tevent_req *req = NULL;
	unsigned i = 0;

	req = weft_loop_stop_send(fx->mem, other, loop);
	tevent_req_set_callback(req, ending_done, &endings[3]);
	for (i = 0; i < 3; i++) {
		(void)looptest_stop_send(fx, loop, &endings[i]);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "the askers' loop waits for it");
	for (i = 0; i < 3; i++) {
		ok(endings[i].done && endings[i].ret == 0, "each is told");
	}
	(void)tevent_loop_wait(other);
	ok(endings[3].done && endings[3].ret == 0, "on its own loop");
	is_int(looptest_stop(fx, loop), 0, "who asks after the end, too");
	talloc_free(loop);
	talloc_free(other);
}

static void answer_later(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending ending = { .done = false };
	struct tevent_req *req = NULL;

	is_int(looptest_stop(fx, loop), 0, "the loop has ended");
	req = looptest_stop_send(fx, loop, &ending);
	is_int(weft_loop_stop_recv(req), EINPROGRESS,
	       "even then the answer comes in a later pass");
	ok(tevent_req_is_in_progress(req), "and nothing has happened");
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "and comes");
}

static void request_goes(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct life life = { 0 };
	struct weft_loop *loop = life_start(fx, &life);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct ending endings[2] = { { .done = false } };
	struct tevent_req *freed = NULL;
	struct tevent_req *given_up = NULL;

	(void)note_post(weft_loop_addr(loop), &ran, &cancelled, &go);
	freed = looptest_stop_send(fx, loop, &endings[0]);
	given_up = looptest_stop_send(fx, loop, &endings[1]);
	talloc_free(freed);
	ok(tevent_req_cancel(given_up), "a stop request is given up");
	(void)fixture_turn_until(fx->ev, &endings[1].done);
	is_int(endings[1].ret, ECANCELED, "which ends it");
	is_int(tevent_loop_wait(fx->ev), 0, "nobody waits any more");
	fixture_gate_add(&go, 1);
	fixture_wait_threads(threads);
	is_int(atomic_load(&life.finis), 1, "the loop ends all the same");
	ok(!endings[0].done, "a freed request says nothing");
}

static void ended_then_cancelled(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct tevent_req *req = weft_loop_stop_send(fx->mem, fx->ev, loop);

	ok(tevent_req_poll(req, fx->ev), "the loop has ended");
	ok(!tevent_req_cancel(req), "then it is too late to give that up");
	is_int(weft_loop_stop_recv(req), 0, "and it stays a success");
	talloc_free(req);
}

static void asker_goes(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct tevent_context *ev = tevent_context_init(fx->mem);
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct tevent_req *req = NULL;

	(void)note_post(weft_loop_addr(loop), &ran, &cancelled, &go);
	req = weft_loop_stop_send(fx->mem, ev, loop);
	talloc_free(ev);
	ok(tevent_req_is_in_progress(req), "an asker's loop goes first");
	fixture_gate_add(&go, 1);
	fixture_wait_threads(threads);
	ok(tevent_req_is_in_progress(req), "its request never ends");
	talloc_free(req);
}

static void keep_call(struct weft_mailbox *mailbox, struct weft_call *call,
		      void *block)
{
	struct fixture_gate **gate = block;

	(void)mailbox;
	(void)call;
	fixture_gate_add(*gate, 1);
}

static void called(struct tevent_req *req)
{
	struct ending *ending = tevent_req_callback_data_void(req);

	ending->ret = weft_call_recv(req, NULL, NULL);
	ending->done = true;
}

static void unanswered_call(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct fixture_gate kept = { 0 };
	struct fixture_gate **block = talloc_zero(NULL, struct fixture_gate *);
	struct ending ending = { .done = false };
	struct tevent_req *req = NULL;

	*block = &kept;
	req = weft_call_send(fx->mem, fx->ev, weft_loop_addr(loop), keep_call,
			     &block, NULL);
	tevent_req_set_callback(req, called, &ending);
	fixture_gate_wait(&kept, 1);
	is_int(looptest_stop(fx, loop), 0, "a loop stops with a call open");
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, ECANCELED, "which is answered with ECANCELED");
	talloc_free(req);
}

/* A call that only fini answers. */
struct desk {
	struct weft_call *call;
	struct fixture_gate kept;
};

static int desk_init(struct tevent_context *ev, unsigned index,
		     void **ret_state, void *private_data)
{
	(void)ev;
	(void)index;
	*ret_state = private_data;
	return 0;
}

static void desk_fini(struct tevent_context *ev, void *state,
		      void *private_data)
{
	struct desk *desk = state;

	(void)ev;
	(void)private_data;
	weft_call_reply(desk->call, EXFULL);
}

static void desk_keep(struct weft_mailbox *mailbox, struct weft_call *call,
		      void *block)
{
	struct desk *desk = weft_mailbox_private(mailbox);

	(void)block;
	desk->call = call;
	fixture_gate_add(&desk->kept, 1);
}

static void fini_answers(struct fixture *fx)
{
	struct desk desk = { .call = NULL };
	struct weft_loop_options options = {
		.init = desk_init,
		.fini = desk_fini,
		.private_data = &desk,
	};
	struct weft_loop *loop = looptest_start(fx, &options);
	struct ending ending = { .done = false };
	struct tevent_req *req = weft_call_send(
		fx->mem, fx->ev, weft_loop_addr(loop), desk_keep, NULL, NULL);

	tevent_req_set_callback(req, called, &ending);
	fixture_gate_wait(&desk.kept, 1);
	is_int(looptest_stop(fx, loop), 0, "a loop stops with a call open");
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, EXFULL, "which its fini answers");
	talloc_free(req);
}

/* ---- free ---- */

static void dropped(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct life life = { 0 };
	struct weft_loop *loop = life_start(fx, &life);
	weft_addr_t addr = weft_loop_addr(loop);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate one = { 0 };
	struct ending ending = { .done = false };

	(void)note_post(addr, &one, &cancelled, &go);
	fixture_gate_wait(&one, 1);
	(void)note_post(addr, &ran, &cancelled, NULL);
	(void)note_post(addr, &ran, &cancelled, NULL);
	(void)looptest_stop_send(fx, loop, &ending);
	talloc_free(loop);
	ok(true, "a handle is freed while a handler runs, which nobody stops");
	fixture_gate_add(&go, 1);
	fixture_gate_wait(&cancelled, 2);
	is_int(fixture_gate_value(&ran), 0, "what waited there is cancelled");
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "who asked before is still told");
	fixture_wait_threads(threads);
	is_int(atomic_load(&life.finis), 1, "fini ran");
}

static void dropped_asleep(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };

	(void)note_post(weft_loop_addr(loop), &ran, &cancelled, NULL);
	fixture_gate_wait(&ran, 1);
	talloc_free(loop);
	fixture_wait_threads(threads);
	ok(true, "an idle loop ends when its handle is freed");
}

static void dropped_at_once(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct life life = { 0 };
	int i = 0;

	for (i = 0; i < 100; i++) {
		talloc_free(life_start(fx, &life));
	}
	fixture_wait_threads(threads);
	ok(atomic_load(&life.inits) <= 100, "loops end before they began");
	is_int(atomic_load(&life.finis), atomic_load(&life.inits),
	       "fini ran where init had");
}

static void dropped_after_end(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct weft_loop *loop = looptest_start(fx, NULL);

	is_int(looptest_stop(fx, loop), 0, "a loop ends");
	fixture_wait_threads(threads);
	is_int(talloc_free(loop), 0, "and then its handle");
}

/* ---- a loop and its own handle ---- */

struct own {
	struct weft_loop *loop;
	struct fixture_gate *over;
	struct fixture_gate *go;
};

static int own_freed(struct own *own)
{
	fixture_gate_add(own->over, 1);
	return 0;
}

static struct own *own_new(struct weft_loop *loop, struct fixture_gate *over)
{
	struct own *own = talloc_zero(NULL, struct own);

	own->loop = talloc_steal(own, loop);
	own->over = over;
	talloc_set_destructor(own, own_freed);
	return own;
}

static void own_stop(struct weft_mailbox *mailbox, void *block)
{
	struct own *own = talloc_get_type_abort(block, struct own);
	struct tevent_context *ev = weft_mailbox_context(mailbox);

	(void)talloc_steal(ev, own);
	(void)weft_loop_stop_send(own, ev, own->loop);
}

static void own_drop(struct weft_mailbox *mailbox, void *block)
{
	struct own *own = talloc_get_type_abort(block, struct own);

	(void)mailbox;
	TALLOC_FREE(own->loop);
}

static void own_keep(struct weft_mailbox *mailbox, void *block)
{
	struct own *own = talloc_get_type_abort(block, struct own);

	(void)talloc_steal(weft_mailbox_context(mailbox), own);
	talloc_free(weft_mailbox_context(mailbox));
}

/* Hands the loop its own handle. */
static void own_by(struct fixture *fx, weft_handler_fn_t fn, const char *name)
{
	unsigned threads = fixture_thread_count();
	struct weft_loop *loop = looptest_start(fx, NULL);
	weft_addr_t addr = weft_loop_addr(loop);
	struct fixture_gate over = { 0 };
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct own *own = own_new(loop, &over);

	if (weft_post(addr, fn, &own) != 0) {
		bail_out("weft_post");
	}
	fixture_gate_wait(&over, 1);
	fixture_wait_threads(threads);
	is_int(note_post(addr, &ran, &cancelled, NULL), ECANCELED, "%s", name);
}

static void stops_itself(struct fixture *fx)
{
	own_by(fx, own_stop, "a loop asks for its own end");
}

static void drops_itself(struct fixture *fx)
{
	own_by(fx, own_drop, "a loop frees its own handle");
}

static void ends_with_handle(struct fixture *fx)
{
	if (TEST_ON_STOCK) {
		skip("stock uses a context that its handler has freed");
		return;
	}
	own_by(fx, own_keep, "a loop's context takes its handle along");
}

/* A loop starts one of its own, and ends before it. */
struct nest {
	weft_addr_t inner;
};

static void start_inner(struct weft_mailbox *mailbox, void *arg)
{
	struct nest *nest = arg;
	struct tevent_context *ev = weft_mailbox_context(mailbox);
	struct weft_loop *inner = NULL;
	int ret = weft_loop_start(ev, NULL, &inner);

	if (ret != 0) {
		bail_out("weft_loop_start: %d", ret);
	}
	nest->inner = weft_loop_addr(inner);
}

static void loops_of_loops(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct weft_loop *outer = looptest_start(fx, NULL);
	struct nest nest = { .inner = { 0 } };
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };

	looptest_visit(weft_loop_addr(outer), start_inner, &nest);
	is_int(note_post(nest.inner, &ran, &cancelled, NULL), 0,
	       "a loop starts a loop");
	fixture_gate_wait(&ran, 1);
	is_int(looptest_stop(fx, outer), 0, "the outer one stops");
	fixture_wait_threads(threads);
	is_int(note_post(nest.inner, &ran, &cancelled, NULL), ECANCELED,
	       "and the inner one with it");
}

/* ---- many ---- */

static void opens_and_closes(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	unsigned fds = fixture_fd_count();
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	unsigned ended = 0;
	unsigned i = 0;

	for (i = 0; i < MANY; i++) {
		struct weft_loop *loop = looptest_start(fx, NULL);
		struct ending ending = { .done = false };

		(void)note_post(weft_loop_addr(loop), &ran, &cancelled, NULL);
		(void)looptest_stop_send(fx, loop, &ending);
		TALLOC_FREE(loop);
		(void)fixture_turn_until(fx->ev, &ending.done);
		ended += ending.ret == 0 ? 1 : 0;
	}
	is_uint(ended, MANY, "each loop ends");
	is_int(fixture_gate_value(&ran) + fixture_gate_value(&cancelled), MANY,
	       "and each post, this way or that");
	fixture_wait_threads(threads);
	(void)tevent_loop_wait(fx->ev);
	/* The port of our own loop stays. */
	is_uint(fixture_fd_count(), fds + 1, "no descriptor is left");
}

int main(void)
{
	looptest_begin();
	LOOPTEST(drains);
	LOOPTEST(many_ask);
	LOOPTEST(answer_later);
	LOOPTEST(request_goes);
	LOOPTEST(ended_then_cancelled);
	LOOPTEST(asker_goes);
	LOOPTEST(unanswered_call);
	LOOPTEST(fini_answers);
	LOOPTEST(dropped);
	LOOPTEST(dropped_asleep);
	LOOPTEST(dropped_at_once);
	LOOPTEST(dropped_after_end);
	LOOPTEST(stops_itself);
	LOOPTEST(drops_itself);
	LOOPTEST(ends_with_handle);
	LOOPTEST(loops_of_loops);
	LOOPTEST(opens_and_closes);
	return done();
}
