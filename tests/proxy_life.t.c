/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy life: what ends while messages are on their way or their handlers run:
 * the payload, the proxy, the context, its first life, the process.
 */
#include "tests/proxytest.h"

static void test_freed_at_once(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "1", NULL);
	(void)parcel_send(scene.proxy, &scene, "2", NULL);
	(void)parcel_send(scene.proxy, &scene, "3", NULL);
	scene_until(&scene, 3);
	scene_settle(&scene);
	is_str(scene.trail.text, EITHER("1 -1 2 -2 3 -3", "3 2 1 -1 -2 -3"),
	       "B1003 4.3 each payload goes right after its handler");
	TALLOC_FREE(scene.proxy);
}

/* ---- nested loops ---- */

static void send_more(struct tevent_context *ev, struct tevent_immediate *im,
		      struct parcel *parcel)
{
	(void)ev;
	(void)im;
	(void)parcel_send(parcel->scene->proxy, parcel->scene, "b", NULL);
	(void)parcel_send(parcel->scene->proxy, parcel->scene, "c", NULL);
	scene_until(parcel->scene, 3);
	trail_add(&parcel->scene->trail, parcel->word);
}

static void test_nested(struct fixture *fx)
{
	struct scene scene;
	size_t blocks = 0;

	if (TEST_ON_STOCK) {
		skip("B1003 stock frees what the outer handler was given");
		return;
	}
	scene_open(&scene, fx);
	tevent_loop_allow_nesting(fx->ev);
	blocks = talloc_total_blocks(scene.proxy);
	(void)parcel_send(scene.proxy, &scene, "a", send_more);
	scene_until(&scene, 3);
	scene_settle(&scene);
	is_str(scene.trail.text, "a b -b c -c a -a",
	       "B145 B1003 a nested loop delivers inside a delivery");
	(void)parcel_send(scene.proxy, &scene, "d", NULL);
	scene_until(&scene, 4);
	scene_settle(&scene);
	is_uint(scene.freed, 4, "B1003 and later ones are delivered as before");
	is_uint(talloc_total_blocks(scene.proxy), blocks,
		"B1003 nothing piles up below the proxy");
	TALLOC_FREE(scene.proxy);
}

static void free_proxy(struct tevent_context *ev, struct tevent_immediate *im,
		       struct parcel *parcel)
{
	struct scene *scene = parcel->scene;

	(void)ev;
	TALLOC_FREE(scene->proxy);
	trail_add(&scene->trail, parcel->word);
	(void)talloc_strdup(parcel, "still there");
	(void)talloc_strdup(im, "still there");
}

static void free_proxy_nested(struct tevent_context *ev,
			      struct tevent_immediate *im,
			      struct parcel *parcel)
{
	struct scene *scene = parcel->scene;

	(void)ev;
	(void)parcel_send(scene->proxy, scene, "b", free_proxy);
	(void)parcel_send(scene->proxy, scene, "c", NULL);
	scene_until(scene, 2);
	trail_add(&scene->trail, parcel->word);
	(void)talloc_strdup(parcel, "still there");
	(void)talloc_strdup(im, "still there");
}

static void test_proxy_freed_nested(struct fixture *fx)
{
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B1006 stock frees what the outer handler was given");
		return;
	}
	scene_open(&scene, fx);
	tevent_loop_allow_nesting(fx->ev);
	(void)parcel_send(scene.proxy, &scene, "a", free_proxy_nested);
	scene_until(&scene, 1);
	is_str(scene.trail.text, "a b -c b -b a -a",
	       "B1006 freed in a delivery inside a delivery: both go on with "
	       "what they were given");
}

/* ---- the proxy goes ---- */

static void test_proxy_freed_in_handler(struct fixture *fx)
{
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B1006 stock frees what the handler was given");
		return;
	}
	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", free_proxy);
	(void)parcel_send(scene.proxy, &scene, "b", NULL);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "a -b a -a",
	       "B1006 freed in its own handler, which goes on with what it "
	       "was given");
}

static void free_other(struct tevent_context *ev, struct tevent_immediate *im,
		       struct parcel *parcel)
{
	(void)ev;
	(void)im;
	(void)parcel_send(parcel->scene->other, parcel->scene, "d", NULL);
	TALLOC_FREE(parcel->scene->other);
}

/* Of the other's, one has arrived and one has not; ours has one between. */
static void test_proxy_freed_in_other(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	scene.other = tevent_thread_proxy_create(fx->ev);
	(void)parcel_send(scene.proxy, &scene, "a", free_other);
	(void)parcel_send(scene.other, &scene, "b", NULL);
	(void)parcel_send(scene.proxy, &scene, "c", NULL);
	scene_until(&scene, 2);
	scene_settle(&scene);
	if (TEST_ON_STOCK) {
		is_uint(scene.freed, 4, "B1006 two proxies, one goes");
	} else {
		is_str(scene.trail.text, "a -b -d -a c -c",
		       "B1006 a proxy goes in a handler of another, with what "
		       "came through it and nothing else");
	}
	TALLOC_FREE(scene.proxy);
}

static void test_two_proxies(struct fixture *fx)
{
	struct scene scene;
	struct step local = { &scene.trail, "L" };
	struct tevent_immediate *im = NULL;

	scene_open(&scene, fx);
	scene.other = tevent_thread_proxy_create(fx->ev);
	im = tevent_create_immediate(fx->mem);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	(void)parcel_send(scene.other, &scene, "b", NULL);
	(void)parcel_send(scene.proxy, &scene, "c", NULL);
	(void)parcel_send(scene.other, &scene, "d", NULL);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &local);
	scene_until(&scene, 4);
	scene_settle(&scene);
	if (TEST_ON_STOCK) {
		is_uint(scene.freed, 4, "B1001 two proxies deliver");
	} else {
		is_str(scene.trail.text, "L a -a b -b c -c d -d",
		       "B1001 B1002 two proxies of a context keep one order, "
		       "behind what is queued there");
	}
	TALLOC_FREE(im);
	TALLOC_FREE(scene.proxy);
	TALLOC_FREE(scene.other);
}

/* ---- destructors of payloads, which stock forbids ---- */

struct bomb {
	struct scene *scene;
	void **target;
};

static int bomb_freed(struct bomb *bomb)
{
	trail_add(&bomb->scene->trail, "*");
	TALLOC_FREE(*bomb->target);
	return 0;
}

/* Sends a parcel that frees *@target when it is freed. */
static void send_bomb(struct scene *scene, const char *word, void *target)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = parcel_make(NULL, scene, word, NULL);
	struct bomb *bomb = talloc(parcel, struct bomb);

	*bomb = (struct bomb){ scene, target };
	talloc_set_destructor(bomb, bomb_freed);
	tevent_thread_proxy_schedule(scene->proxy, &im, parcel_came, &parcel);
}

static void send_bomb_nested(struct tevent_context *ev,
			     struct tevent_immediate *im, struct parcel *parcel)
{
	(void)ev;
	(void)im;
	send_bomb(parcel->scene, "b", &parcel->scene->proxy);
	scene_until(parcel->scene, 2);
}

static void test_freed_by_payload(struct fixture *fx)
{
	struct scene scene;
	struct step late = { &scene.trail, "late" };
	struct tevent_immediate *im = NULL;
	struct tevent_immediate *next = NULL;

	if (TEST_ON_STOCK) {
		skip("B1005 stock wants payloads without destructors");
		return;
	}
	tevent_loop_allow_nesting(fx->ev);
	scene_open(&scene, fx);
	send_bomb(&scene, "a", &scene.proxy);
	(void)parcel_send(scene.proxy, &scene, "b", NULL);
	scene_until(&scene, 1);
	is_str(scene.trail.text, "a -a * -b",
	       "B1006 a payload that goes may free the proxy");

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", send_bomb_nested);
	scene_until(&scene, 2);
	is_str(scene.trail.text, "a b -b * -a",
	       "B1006 also in a delivery inside a delivery");

	/* The one dropped frees what stands behind it in the queue. */
	scene_open(&scene, fx);
	im = tevent_create_immediate(fx->mem);
	next = tevent_create_immediate(fx->mem);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	send_bomb(&scene, "b", &im);
	scene_until(&scene, 1);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &late);
	tevent_schedule_immediate(next, fx->ev, step_immediate, &late);
	TALLOC_FREE(scene.proxy);
	is_str(scene.trail.text, "a -a -b *", "B1006 dropped with its proxy");
	is_ptr(im, NULL, "B1006 it frees its neighbour");
	trail_passes(&scene.trail, fx->ev, 1);
	is_str(scene.trail.text, "a -a -b * late |",
	       "B1006 and the neighbour's neighbour runs");
	TALLOC_FREE(next);
}

/* Still in the mailbox, behind it what a threaded context was given. */
static void test_closed_by_payload(struct fixture *fx)
{
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im = NULL;
	struct scene scene;
	struct step step = { &scene.trail, "never" };

	if (TEST_ON_STOCK) {
		skip("B1005 stock wants payloads without destructors");
		return;
	}
	scene_open(&scene, fx);
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	im = tevent_create_immediate(NULL);
	send_bomb(&scene, "a", &im);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	TALLOC_FREE(fx->ev);
	is_str(scene.trail.text, "-a *",
	       "B1006 dropped with the context, it may free what was posted "
	       "behind it");
	TALLOC_FREE(tctx);
}

/* ---- the context goes ---- */

static void free_context(struct tevent_context *ev, struct tevent_immediate *im,
			 struct parcel *parcel)
{
	struct scene *scene = parcel->scene;

	(void)parcel_send(scene->proxy, scene, "c", NULL);
	TALLOC_FREE(ev);
	scene->ev = NULL;
	trail_add(&scene->trail, parcel->word);
	(void)talloc_strdup(parcel, "still there");
	(void)talloc_strdup(im, "still there");
}

static void test_context_freed_in_handler(struct fixture *fx)
{
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B206 stock reads freed memory");
		return;
	}
	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", free_context);
	(void)parcel_send(scene.proxy, &scene, "b", NULL);
	fx->ev = NULL;
	turn(scene.ev);
	is_str(scene.trail.text, "a -b -c a -a",
	       "B206 B1006 the context freed in a proxied handler: what has "
	       "arrived and what has not goes, the handler's own stays");
}

static void test_context_freed_first(struct fixture *fx)
{
	struct scene scene;
	bool taken = false;

	scene_open(&scene, fx);
	(void)talloc_steal(fx->mem, scene.proxy);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	TALLOC_FREE(fx->ev);
	taken = parcel_send(scene.proxy, &scene, "b", NULL);
	is_int(taken, TEST_ON_STOCK,
	       "4.3 a proxy that outlives its context refuses");
	TALLOC_FREE(scene.proxy);
	is_uint(scene.freed, EITHER(1, 2), "B1006 what it took is freed");
	is_uint(scene.came, 0, "B1006 and did not run");
}

static void start_anew(struct tevent_context *ev, struct tevent_immediate *im,
		       struct parcel *parcel)
{
	struct scene *scene = parcel->scene;

	(void)im;
	scene->kept[0] = scene->proxy;
	is_int(tevent_re_initialise(ev), 0, "B701 in a proxied handler");
	if (!TEST_ON_STOCK) {
		ok(!parcel_send(scene->proxy, scene, "x", NULL),
		   "B702 the old proxy refuses");
	}
	scene->proxy = tevent_thread_proxy_create(ev);
	(void)parcel_send(scene->proxy, scene, "c", NULL);
	trail_add(&scene->trail, parcel->word);
}

static void test_re_initialised_in_handler(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", start_anew);
	scene_until(&scene, 2);
	scene_settle(&scene);
	if (!TEST_ON_STOCK) {
		is_str(scene.trail.text, "a a -a c -c",
		       "B702 a new proxy works at once, and the handler's own "
		       "is freed by the old");
	}
	talloc_free(scene.kept[0]);
	is_uint(scene.freed, 2, "B702 nothing is lost with the old one");
	TALLOC_FREE(scene.proxy);
	is_int(tevent_loop_wait(fx->ev), 0, "B132 nothing keeps loop_wait");
}

static void test_loop_wait(struct fixture *fx)
{
	struct scene scene;
	struct tevent_thread_proxy *dead = NULL;

	if (TEST_ON_STOCK) {
		skip("B1006 stock frees what the handler was given");
		return;
	}
	scene_open(&scene, fx);
	dead = scene.proxy;
	is_int(tevent_re_initialise(fx->ev), 0, "B702 the first proxy ends");
	TALLOC_FREE(dead);
	scene.proxy = tevent_thread_proxy_create(fx->ev);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	(void)parcel_send(scene.proxy, &scene, "b", free_proxy);
	is_int(tevent_loop_wait(fx->ev), 0, "B132 loop_wait");
	is_str(scene.trail.text, "a -a b b -b",
	       "B132 it stays while a proxy exists, and no longer");
}

/* ---- the process forks ---- */

static int child_frees(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->ev);
	return scene->came == 0 && scene->freed == 2 ? 0 : 1;
}

static int child_frees_proxy(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->proxy);
	settle(scene->ev, 3);
	TALLOC_FREE(scene->ev);
	return scene->came == 0 && scene->freed == 2 ? 0 : 1;
}

/* What was on its way is the parent's. */
static int child_turns(void *arg)
{
	struct scene *scene = arg;

	settle(scene->ev, 3);
	if (scene->came != 0 || parcel_send(scene->proxy, scene, "x", NULL)) {
		return 1;
	}
	TALLOC_FREE(scene->proxy);
	scene->proxy = tevent_thread_proxy_create(scene->ev);
	if (!parcel_send(scene->proxy, scene, "y", NULL)) {
		return 2;
	}
	scene_until(scene, 1);
	if (tevent_re_initialise(scene->ev) != 0) {
		return 3;
	}
	TALLOC_FREE(scene->ev);
	return 0;
}

static int child_posts_first(void *arg)
{
	struct scene *scene = arg;

	return parcel_send(scene->proxy, scene, "x", NULL) ? 1 : 0;
}

static void test_fork(struct fixture *fx)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ child_frees, "B1008 B1006 a child frees the context" },
		{ child_frees_proxy, "B1008 B1006 a child frees the proxy" },
		{ child_turns, "B1008 B705 a child turns the loop: what was on "
			       "its way is the parent's" },
		{ child_posts_first, "B1008 B705 a child's post is refused" },
	};
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	(void)parcel_send(scene.proxy, &scene, "b", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child;

		if (TEST_ON_STOCK && i > 0) {
			skip("B1008 stock's child shares the parent's pipe");
			continue;
		}
		child = fixture_child(rows[i].fn, &scene);
		child_exited(&child, 0, rows[i].name);
	}
	scene_until(&scene, 2);
	scene_settle(&scene);
	is_uint(scene.came, 2, "B1008 the parent gets each once");
	is_uint(scene.freed, 2, "B1008 and frees them");
	TALLOC_FREE(scene.proxy);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1003 freed at once", test_freed_at_once);
	fixture_each_backend("B145 nested", test_nested);
	fixture_each_backend("B1006 proxy freed nested",
			     test_proxy_freed_nested);
	fixture_each_backend("B1006 proxy freed in its handler",
			     test_proxy_freed_in_handler);
	fixture_each_backend("B1006 proxy freed in another's handler",
			     test_proxy_freed_in_other);
	fixture_each_backend("B1002 two proxies", test_two_proxies);
	fixture_run("B1006 freed by payload", test_freed_by_payload);
	fixture_run("B1006 closed by payload", test_closed_by_payload);
	fixture_each_backend("B206 context freed in handler",
			     test_context_freed_in_handler);
	fixture_each_backend("B1006 context freed first",
			     test_context_freed_first);
	fixture_each_backend("B702 re-initialised in handler",
			     test_re_initialised_in_handler);
	fixture_each_backend("B132 loop_wait", test_loop_wait);
	fixture_each_backend("B1008 fork", test_fork);
	return done();
}
