/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Macros: what the macros of tevent.h turn into, by their text, and that the
 * functions behind those of the same name are reachable.
 *
 * talloc's own macros are taken away first, so that they stand in the text as
 * they were written.
 */
#include <string.h>

#define TEVENT_DEPRECATED     1
#define TEVENT_COMPAT_DEFINES 1
#include <tevent.h>

#include "tests/fixture.h"
#include "tests/tap.h"
#include "tests/trail.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* What is new since 0.15. */
#if TEST_ON_STOCK
#define LATER(old, new) old
#else
#define LATER(old, new) new
#endif

struct expansion {
	const char *call;
	const char *text;
	const char *want;
};

#define TEXT(...)     #__VA_ARGS__
#define EXPANDED(...) TEXT(__VA_ARGS__)
#define BECOMES(call, want)                 \
	{                                   \
#call, EXPANDED(call), want \
	}

#pragma push_macro("__location__")
#pragma push_macro("talloc_get_type_abort")
#undef __location__
#undef talloc_get_type_abort

/* A handler that is a macro: its name is passed on as it was written. */
#define HANDLER real_handler

/* clang-format off */
static const struct expansion expansions[] = {
	BECOMES(tevent_add_fd(ev, mem, fd, flags, HANDLER, data),
		"_tevent_add_fd(ev, mem, fd, flags, real_handler, data, "
		"\"HANDLER\", __location__)"),
	BECOMES(tevent_add_timer(ev, mem, when, HANDLER, data),
		"_tevent_add_timer(ev, mem, when, real_handler, data, "
		"\"HANDLER\", __location__)"),
	BECOMES(tevent_add_signal(ev, mem, signum, flags, HANDLER, data),
		"_tevent_add_signal(ev, mem, signum, flags, real_handler, "
		"data, \"HANDLER\", __location__)"),
	BECOMES(tevent_create_immediate(mem),
		"_tevent_create_immediate(mem, __location__)"),
	BECOMES(tevent_schedule_immediate(im, ev, HANDLER, data),
		"_tevent_schedule_immediate(im, ev, real_handler, data, "
		"\"HANDLER\", __location__);"),
	BECOMES(tevent_threaded_schedule_immediate(tctx, im, HANDLER, data),
		"_tevent_threaded_schedule_immediate(tctx, im, real_handler, "
		"data, \"HANDLER\", __location__);"),
	BECOMES(tevent_loop_once(ev), "_tevent_loop_once(ev, __location__)"),
	BECOMES(tevent_loop_wait(ev), "_tevent_loop_wait(ev, __location__)"),
	BECOMES(tevent_loop_until(ev, finished, data),
		"_tevent_loop_until(ev, finished, data, __location__)"),

	BECOMES(tevent_req_create(mem, &state, struct t),
		LATER("_tevent_req_create((mem), (&state), sizeof(struct t), "
		      "\"struct t\", __location__)",
		      "__tevent_req_create((mem), (&state), sizeof(struct t), "
		      "\"struct t\", __func__, __location__)")),
	BECOMES(tevent_req_set_callback(req, HANDLER, data),
		LATER("tevent_req_set_callback(req, real_handler, data)",
		      "_tevent_req_set_callback(req, real_handler, "
		      "\"HANDLER\", data)")),
	BECOMES(tevent_req_set_cancel_fn(req, HANDLER),
		LATER("tevent_req_set_cancel_fn(req, real_handler)",
		      "_tevent_req_set_cancel_fn(req, real_handler, "
		      "\"HANDLER\")")),
	BECOMES(tevent_req_set_cleanup_fn(req, HANDLER),
		LATER("tevent_req_set_cleanup_fn(req, real_handler)",
		      "_tevent_req_set_cleanup_fn(req, real_handler, "
		      "\"HANDLER\")")),
	BECOMES(tevent_req_callback_data(req, struct t),
		"talloc_get_type_abort(_tevent_req_callback_data(req), "
		"struct t)"),
	BECOMES(tevent_req_callback_data_void(req),
		"_tevent_req_callback_data(req)"),
	BECOMES(tevent_req_data(req, struct t),
		"talloc_get_type_abort(_tevent_req_data(req), struct t)"),
	BECOMES(tevent_req_cancel(req),
		"_tevent_req_cancel(req, __location__)"),
	BECOMES(tevent_req_notify_callback(req),
		"_tevent_req_notify_callback(req, __location__)"),
	BECOMES(tevent_req_done(req), "_tevent_req_done(req, __location__)"),
	BECOMES(tevent_req_error(req, 5),
		"_tevent_req_error(req, 5, __location__)"),
	BECOMES(tevent_req_nomem(p, req),
		"_tevent_req_nomem(p, req, __location__)"),
	BECOMES(tevent_req_oom(req), "_tevent_req_oom(req, __location__)"),

	BECOMES(tevent_queue_create(mem, "name"),
		"_tevent_queue_create((mem), (\"name\"), __location__)"),
	BECOMES(tevent_queue_add(queue, ev, req, HANDLER, data),
		LATER("tevent_queue_add(queue, ev, req, real_handler, data)",
		      "_tevent_queue_add(queue, ev, req, real_handler, "
		      "\"HANDLER\", data)")),
	BECOMES(tevent_queue_add_entry(queue, ev, req, HANDLER, data),
		LATER("tevent_queue_add_entry(queue, ev, req, real_handler, "
		      "data)",
		      "_tevent_queue_add_entry(queue, ev, req, real_handler, "
		      "\"HANDLER\", data);")),
	BECOMES(tevent_queue_add_optimize_empty(queue, ev, req, HANDLER, data),
		LATER("tevent_queue_add_optimize_empty(queue, ev, req, "
		      "real_handler, data)",
		      "_tevent_queue_add_optimize_empty(queue, ev, req, "
		      "real_handler, \"HANDLER\", data)")),

	BECOMES(tevent_thread_call_depth_reset_from_req(req),
		LATER("tevent_thread_call_depth_reset_from_req(req)",
		      "_tevent_thread_call_depth_reset_from_req(req, "
		      "__func__)")),
	BECOMES(tevent_context_wrapper_create(ev, mem, ops, &state, struct t),
		"_tevent_context_wrapper_create(ev, mem, ops, &state, "
		"sizeof(struct t), \"struct t\", __location__)"),
	BECOMES(tevent_context_push_use(ev),
		"_tevent_context_push_use(ev, __location__)"),
	BECOMES(tevent_context_pop_use(ev),
		"_tevent_context_pop_use(ev, __location__)"),

	BECOMES(TEVENT_FD_READABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | 1)"),
	BECOMES(TEVENT_FD_WRITEABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | 2)"),
	BECOMES(TEVENT_FD_NOT_READABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~1)"),
	BECOMES(TEVENT_FD_NOT_WRITEABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~2)"),
#if !TEST_ON_STOCK
	BECOMES(TEVENT_FD_WANTERROR(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | 4)"),
	BECOMES(TEVENT_FD_NOT_WANTERROR(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~4)"),
#endif

	/* TEVENT_COMPAT_DEFINES */
	BECOMES(struct event_context, "struct tevent_context"),
	BECOMES(struct event_ops, "struct tevent_ops"),
	BECOMES(struct fd_event, "struct tevent_fd"),
	BECOMES(struct timed_event, "struct tevent_timer"),
	BECOMES(struct signal_event, "struct tevent_signal"),
	BECOMES(event_fd_handler_t, "tevent_fd_handler_t"),
	BECOMES(event_timed_handler_t, "tevent_timer_handler_t"),
	BECOMES(event_signal_handler_t, "tevent_signal_handler_t"),
	BECOMES(event_context_init(mem), "tevent_context_init(mem)"),
	BECOMES(event_context_init_byname(mem, name),
		"tevent_context_init_byname(mem, name)"),
	BECOMES(event_backend_list(mem), "tevent_backend_list(mem)"),
	BECOMES(event_set_default_backend(name),
		"tevent_set_default_backend(name)"),
	/* Through two macros the handler is expanded before it is a text. */
	BECOMES(event_add_fd(ev, mem, fd, flags, HANDLER, data),
		"_tevent_add_fd(ev, mem, fd, flags, real_handler, data, "
		"\"real_handler\", __location__)"),
	BECOMES(event_add_timed(ev, mem, when, HANDLER, data),
		"_tevent_add_timer(ev, mem, when, real_handler, data, "
		"\"real_handler\", __location__)"),
	BECOMES(event_add_signal(ev, mem, signum, flags, HANDLER, data),
		"_tevent_add_signal(ev, mem, signum, flags, real_handler, "
		"data, \"real_handler\", __location__)"),
	BECOMES(event_loop_once(ev), "_tevent_loop_once(ev, __location__)"),
	BECOMES(event_loop_wait(ev), "_tevent_loop_wait(ev, __location__)"),
	BECOMES(event_get_fd_flags(fde), "tevent_fd_get_flags(fde)"),
	BECOMES(event_set_fd_flags(fde, flags),
		"tevent_fd_set_flags(fde, flags)"),
	BECOMES(EVENT_FD_READ, "1"),
	BECOMES(EVENT_FD_WRITE, "2"),
	BECOMES(EVENT_FD_READABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | 1)"),
	BECOMES(EVENT_FD_WRITEABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) | 2)"),
	BECOMES(EVENT_FD_NOT_READABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~1)"),
	BECOMES(EVENT_FD_NOT_WRITEABLE(fde),
		"tevent_fd_set_flags(fde, tevent_fd_get_flags(fde) & ~2)"),
	BECOMES(ev_debug_level, "tevent_debug_level"),
	BECOMES(EV_DEBUG_FATAL, "TEVENT_DEBUG_FATAL"),
	BECOMES(EV_DEBUG_ERROR, "TEVENT_DEBUG_ERROR"),
	BECOMES(EV_DEBUG_WARNING, "TEVENT_DEBUG_WARNING"),
	BECOMES(EV_DEBUG_TRACE, "TEVENT_DEBUG_TRACE"),
	BECOMES(ev_set_debug(ev, fn, data), "tevent_set_debug(ev, fn, data)"),
	BECOMES(ev_set_debug_stderr(ev), "tevent_set_debug_stderr(ev)"),
};
/* clang-format on */

#pragma pop_macro("__location__")
#pragma pop_macro("talloc_get_type_abort")

/* Without blanks: where they stand is nobody's business. */
static void squeeze(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++) {
		if (*from != ' ') {
			to[n++] = *from;
		}
	}
	to[n] = '\0';
}

static void test_texts(struct fixture *fx __attribute__((__unused__)))
{
	size_t i = 0;

	for (i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
		char text[256] = "";
		char want[256] = "";

		squeeze(expansions[i].text, text, sizeof(text));
		squeeze(expansions[i].want, want, sizeof(want));
		is_str(text, want, "%s", expansions[i].call);
	}
}

static unsigned calls;

static void count_immediate(struct tevent_context *ev TRAIL_UNUSED,
			    struct tevent_immediate *im TRAIL_UNUSED,
			    void *private_data TRAIL_UNUSED)
{
	calls++;
}

static void count_request(struct tevent_req *req TRAIL_UNUSED)
{
	calls++;
}

static void count_trigger(struct tevent_req *req TRAIL_UNUSED,
			  void *private_data TRAIL_UNUSED)
{
	calls++;
}

static bool count_cancel(struct tevent_req *req TRAIL_UNUSED)
{
	calls++;
	return true;
}

static void count_cleanup(struct tevent_req *req TRAIL_UNUSED,
			  enum tevent_req_state state TRAIL_UNUSED)
{
	calls++;
}

/* Programs were written without a semicolon after these. */
/* clang-format off */
static void test_semicolons(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_immediate *posted = tevent_create_immediate(fx->mem);
	struct tevent_threaded_context *tctx =
		tevent_threaded_context_create(fx->mem, fx->ev);
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "queue");
	struct tevent_queue_entry *entry = NULL;
	struct tevent_req *req = NULL;
	int *state = NULL;

	req = tevent_req_create(fx->mem, &state, int);
	calls = 0;
	tevent_schedule_immediate(im, fx->ev, count_immediate, NULL)
	tevent_threaded_schedule_immediate(tctx, posted, count_immediate, NULL)
#if TEST_ON_STOCK
	entry = tevent_queue_add_entry(queue, fx->ev, req, count_trigger, NULL);
#else
	entry = tevent_queue_add_entry(queue, fx->ev, req, count_trigger, NULL)
#endif
	ok(entry != NULL, "the entry is added");
	while (calls < 3) {
		turn(fx->ev);
	}
	is_uint(calls, 3, "all three were called");
	TALLOC_FREE(req);
	TALLOC_FREE(tctx);
}
/* clang-format on */

static void forms_of_requests(struct fixture *fx)
{
	int *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state, int);

	calls = 0;
	(tevent_req_set_callback)(req, count_request, NULL);
	(tevent_req_set_cancel_fn)(req, count_cancel);
	(tevent_req_set_cleanup_fn)(req, count_cleanup);
	(tevent_thread_call_depth_reset_from_req)(req);
	ok(tevent_req_cancel(req), "the cancel function was set");
	is_uint(calls, 1, "and called");
	tevent_req_done(req);
	is_uint(calls, 3, "the cleanup function and the callback too");
	TALLOC_FREE(req);
}

#undef tevent_queue_add

static void forms_of_queues(struct fixture *fx)
{
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "queue");
	struct tevent_req *reqs[3] = { NULL, NULL, NULL };
	int *state = NULL;
	size_t i = 0;

	for (i = 0; i < 3; i++) {
		reqs[i] = tevent_req_create(fx->mem, &state, int);
	}
	calls = 0;
	ok((tevent_queue_add_optimize_empty)(queue, fx->ev, reqs[0],
					     count_trigger, NULL) != NULL,
	   "an entry is added to an empty queue");
	is_uint(calls, 1, "and triggered");
	ok((tevent_queue_add_entry)(queue, fx->ev, reqs[1], count_trigger,
				    NULL) != NULL,
	   "another one");
	ok(tevent_queue_add(queue, fx->ev, reqs[2], count_trigger, NULL),
	   "and one by the function whose macro was taken away");
	is_uint(tevent_queue_length(queue), 3, "all are there");
	for (i = 0; i < 3; i++) {
		TALLOC_FREE(reqs[i]);
	}
}

static void test_forms(struct fixture *fx)
{
	forms_of_requests(fx);
	forms_of_queues(fx);
}

static void test_old_names(struct fixture *fx)
{
	struct event_context *ev = event_context_init(fx->mem);

	ok(ev != NULL, "event_context_init");
	is_int(ev_set_debug_stderr(ev), 0, "ev_set_debug_stderr");
	TALLOC_FREE(ev);
}

int main(void)
{
	warm_up();
	fixture_run("expansion", test_texts);
	fixture_run("three macros bring their semicolon", test_semicolons);
	fixture_run("functions behind macros", test_forms);
	fixture_run("TEVENT_COMPAT_DEFINES", test_old_names);
	return done();
}
