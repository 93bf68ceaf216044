/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue trace: what a context's trace callback hears of entries, and a thread's
 * call-flow callback of their requests.
 */
#include "tests/queuetest.h"

/* "1+a": context 1 hears that entry a was added; ! about to be triggered,
 * - removed. The entry's tag is its letter, given as it is added. */
struct ear {
	struct trail *trail;
	char name;
	const char *letter; /* of what is added next */
};

static void hear(struct tevent_queue_entry *qe,
		 enum tevent_event_trace_point point, void *private_data)
{
	struct ear *ear = private_data;
	char word[4] = { ear->name, "+-!"[point], '?', '\0' };

	if (point == TEVENT_EVENT_TRACE_ATTACH) {
		tevent_queue_entry_set_tag(qe, (uint64_t)*ear->letter);
	}
	word[2] = (char)tevent_queue_entry_get_tag(qe);
	trail_add(ear->trail, word);
}

/* Two contexts that trace, and requests a, b, c. */
struct scene {
	struct row row;
	struct tevent_context *ev[2];
	struct ear ear[2];
};

static void scene_make(struct fixture *fx, struct scene *scene)
{
	*scene = (struct scene){ .ev = { fx->ev } };
	row_make(fx, &scene->row);
	scene->ev[1] = tevent_context_init_byname(fx->mem, fx->backend);
	for (int i = 0; i < 2; i++) {
		scene->ear[i].trail = &scene->row.trail;
		scene->ear[i].name = (char)('1' + i);
		tevent_set_trace_queue_callback(scene->ev[i], hear,
						&scene->ear[i]);
	}
}

static void scene_end(struct fixture *fx, struct scene *scene)
{
	tevent_set_trace_queue_callback(fx->ev, NULL, NULL);
	row_free(&scene->row);
	TALLOC_FREE(scene->ev[1]);
}

/* @on: 0 or 1, the context. */
static void scene_add(struct scene *scene, int i, int on)
{
	struct row *row = &scene->row;

	scene->ear[on].letter = &"abc"[i];
	(void)tevent_queue_add(row->queue, scene->ev[on], row->req[i],
			       turn_begin, NULL);
}

static void test_trace(struct fixture *fx)
{
	struct scene scene;
	struct row *row = &scene.row;

	scene_make(fx, &scene);
	scene_add(&scene, A, 0);
	is_str(row->trail.text, "1+a", "B1207 added");
	run_out(fx->ev);
	is_str(row->trail.text, "1+a 1!a a", "B1207 before the trigger");
	tevent_req_done(row->req[A]);
	TALLOC_FREE(row->req[A]);
	is_str(row->trail.text, "1+a 1!a a 1-a", "B1207 removed");

	trail_clear(&row->trail);
	scene.ear[0].letter = "b";
	(void)tevent_queue_add_optimize_empty(row->queue, fx->ev, row->req[B],
					      turn_pass_on, NULL);
	is_str(row->trail.text, "1+b 1!b b 1-b",
	       "B905 B1207 B1208 triggered and freed inside of add");
	row->req[B] = NULL;

	trail_clear(&row->trail);
	scene.ear[0].letter = "c";
	(void)tevent_queue_add(row->queue, fx->ev, row->req[C], NULL, NULL);
	run_out(fx->ev);
	TALLOC_FREE(row->req[C]);
	is_str(row->trail.text, "1+c 1!c 1-c", "B906 B1207 a blocker");
	scene_end(fx, &scene);
}

static void test_trace_two(struct fixture *fx)
{
	struct scene scene;
	struct row *row = &scene.row;

	scene_make(fx, &scene);
	scene_add(&scene, A, 0);
	scene_add(&scene, B, 1);
	scene_add(&scene, C, 0);
	run_out(fx->ev);
	is_str(row->trail.text, "1+a 2+b 1+c 1!a a",
	       "B1207 each by its own context");
	trail_clear(&row->trail);
	TALLOC_FREE(row->req[B]);
	is_str(row->trail.text, "1-b",
	       "B1207 removed: told by the context of the head");
	TALLOC_FREE(row->req[A]);
	is_str(row->trail.text, "1-b 1-a", "B1207 which may be itself");
	run_out(fx->ev);
	TALLOC_FREE(row->queue);
	is_str(row->trail.text, "1-b 1-a 1!c c 1-c", "B909 B1207 queue freed");
	scene_end(fx, &scene);

	scene_make(fx, &scene);
	scene_add(&scene, A, 1);
	scene_add(&scene, B, 0);
	scene_add(&scene, C, 1);
	tevent_set_trace_queue_callback(scene.ev[1], NULL, NULL);
	trail_clear(&row->trail);
	TALLOC_FREE(row->req[B]);
	is_str(row->trail.text, "", "B1207 which may not be told at all");
	scene_end(fx, &scene);
}

static void hear_immediate(struct tevent_immediate *im,
			   enum tevent_event_trace_point point,
			   void *private_data)
{
	static const char *const texts[] = { "+im", "-im", "!im" };

	(void)im;
	trail_add(private_data, texts[point]);
}

/* The queue goes first: all are removed, head first, and nobody is scheduled
 * on the way. */
static void test_trace_queue_freed(struct fixture *fx)
{
	struct scene scene;
	struct row *row = &scene.row;

	scene_make(fx, &scene);
	scene_add(&scene, A, 0);
	scene_add(&scene, B, 1);
	scene_add(&scene, C, 0);
	trail_clear(&row->trail);
	for (int i = 0; i < 2; i++) {
		tevent_set_trace_immediate_callback(scene.ev[i], hear_immediate,
						    &row->trail);
	}
	TALLOC_FREE(row->queue);
	is_str(row->trail.text, "1-a 2-b 1-c -im", "B909 B1207 in order");
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
	scene_end(fx, &scene);
}

/* Inside of each call the entry is in the queue. */
struct count {
	struct tevent_queue *queue;
	char text[8];
};

static void hear_length(struct tevent_queue_entry *qe,
			enum tevent_event_trace_point point, void *private_data)
{
	struct count *count = private_data;
	char digit = (char)('0' + tevent_queue_length(count->queue));

	(void)qe;
	(void)point;
	count->text[strlen(count->text)] = digit;
}

static void test_trace_length(struct fixture *fx)
{
	struct row row;
	struct count count = { NULL, "" };

	row_make(fx, &row);
	count.queue = row.queue;
	tevent_set_trace_queue_callback(fx->ev, hear_length, &count);
	row_add(fx, &row, A);
	row_add(fx, &row, B);
	run_out(fx->ev);
	TALLOC_FREE(row.req[B]);
	TALLOC_FREE(row.req[A]);
	is_str(count.text, "12221", "B910 B1207 length in each call");
	tevent_set_trace_queue_callback(fx->ev, NULL, NULL);
	row_free(&row);
}

#if !TEST_ON_STOCK

/* The context goes first: its entries are removed for whoever traces it, and
 * not a second time. */
static void test_trace_gone(struct fixture *fx)
{
	struct scene scene;
	struct row *row = &scene.row;

	scene_make(fx, &scene);
	scene_add(&scene, A, 0);
	scene_add(&scene, B, 1);
	scene_add(&scene, C, 0);
	trail_clear(&row->trail);
	TALLOC_FREE(scene.ev[1]);
	is_str(row->trail.text, "2-b", "B913 B1207 its context goes");
	TALLOC_FREE(row->req[B]);
	is_str(row->trail.text, "2-b", "B913 B1207 told once");
	scene_end(fx, &scene);

	scene_make(fx, &scene);
	scene_add(&scene, A, 1);
	scene_add(&scene, B, 0);
	trail_clear(&row->trail);
	TALLOC_FREE(scene.ev[1]);
	TALLOC_FREE(row->req[B]);
	is_str(row->trail.text, "2-a 1-b",
	       "B913 B1207 the head has no context: told by its own");
	scene_end(fx, &scene);
}

/* "E0 a turn_begin": request a enters, at depth 0. T its turn, L it leaves. */
static void follow(void *private_data, enum tevent_thread_call_depth_cmd cmd,
		   struct tevent_req *req, size_t depth, const char *fname)
{
	struct trail *trail = private_data;
	struct turn_state *state = NULL;
	char word[64];

	if (cmd < TEVENT_CALL_FLOW_REQ_QUEUE_ENTER) {
		return;
	}
	state = tevent_req_data(req, struct turn_state);
	(void)snprintf(word, sizeof(word), "%c%zu %s %s,",
		       "ETL"[cmd - TEVENT_CALL_FLOW_REQ_QUEUE_ENTER], depth,
		       state -> step.word, fname != NULL ? fname : "-");
	trail_add(trail, word);
}

static void quiet(struct tevent_req *req, void *private_data)
{
	(void)req;
	(void)private_data;
}

static void test_flow(struct fixture *fx)
{
	struct row row;
	struct tevent_req *below = NULL;
	struct tevent_queue_entry *entry = NULL;
	struct turn_state *state = NULL;

	row_make(fx, &row);
	state = tevent_req_data(row.req[A], struct turn_state);
	below = turn_make(state, &row.trail, "d");
	tevent_thread_call_depth_set_callback(follow, &row.trail);

	entry = tevent_queue_add_entry(row.queue, fx->ev, row.req[A], quiet,
				       NULL);
	(void)tevent_queue_add(row.queue, fx->ev, below, quiet, NULL);
	is_str(row.trail.text, "E0 a quiet, E1 d quiet,",
	       "B1404 B1406 enter, with the depth");
	trail_clear(&row.trail);
	run_out(fx->ev);
	is_str(row.trail.text, "T0 a quiet,", "B1406 trigger");
	trail_clear(&row.trail);
	TALLOC_FREE(below);
	is_str(row.trail.text, "L0 a quiet,",
	       "B1406 leave: the request of the head");
	trail_clear(&row.trail);
	TALLOC_FREE(entry);
	is_str(row.trail.text, "L0 a quiet,", "B1406 leave: the head itself");
	trail_clear(&row.trail);
	tevent_queue_stop(row.queue);
	(void)(tevent_queue_add_optimize_empty)(row.queue, fx->ev, row.req[B],
						quiet, NULL);
	is_str(row.trail.text, "E0 b -,", "B1406 no text of the trigger");

	tevent_thread_call_depth_set_callback(NULL, NULL);
	row_free(&row);
}

static void test_flow_direct(struct fixture *fx)
{
	struct row row;

	row_make(fx, &row);
	tevent_thread_call_depth_set_callback(follow, &row.trail);
	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[A],
					      turn_begin, NULL);
	is_str(row.trail.text, "E0 a turn_begin, a",
	       "B1406 inside of add: no trigger is told");
	trail_clear(&row.trail);
	tevent_thread_call_depth_set_callback(NULL, NULL);
	row_free(&row);
	is_str(row.trail.text, "", "B1401 nobody listens any more");
}

#endif

int main(void)
{
	warm_up();
	fixture_each_backend("B1207 trace", test_trace);
	fixture_each_backend("B1207 two contexts", test_trace_two);
	fixture_each_backend("B1207 queue freed", test_trace_queue_freed);
	fixture_run("B1207 length", test_trace_length);
#if TEST_ON_STOCK
	skip("B913 stock uses the freed context");
	skip("B1406 no call flow before 0.15");
#else
	fixture_each_backend("B1207 context gone", test_trace_gone);
	fixture_run("B1406 flow", test_flow);
	fixture_run("B1406 flow, inside of add", test_flow_direct);
#endif
	return done();
}
