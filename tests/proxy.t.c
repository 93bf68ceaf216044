/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy: what is given to a context through a thread proxy, and what becomes
 * of it. Who ends in between is in proxy_life.t.c, what handlers do with their
 * immediate in proxy_give.t.c, many threads in proxy_threads.t.c.
 */
#include "tests/proxytest.h"

static void test_delivery(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	is_ptr(talloc_parent(scene.proxy), fx->ev,
	       "9 it is the context's child");
	is_str(talloc_get_name(scene.proxy), "struct tevent_thread_proxy",
	       "9 its name");
	for (int i = 0; i < 3; i++) {
		ok(parcel_send(scene.proxy, &scene, "x", NULL),
		   "B1004 taken: the pointers are cleared");
	}
	is_str(scene.trail.text, "", "B1001 nothing runs before a pass");
	for (unsigned i = 1; i <= 3; i++) {
		scene_until(&scene, i);
		is_uint(scene.came, i, "B1001 one a pass");
	}
	scene_settle(&scene);
	is_uint(scene.freed, 3, "B1003 what the handler leaves is freed");
	TALLOC_FREE(scene.proxy);
}

static void test_order(struct fixture *fx)
{
	struct scene scene;
	char word[4] = "1";

	scene_open(&scene, fx);
	for (; word[0] <= '4'; word[0]++) {
		(void)parcel_send(scene.proxy, &scene, word, NULL);
	}
	scene_until(&scene, 4);
	scene_settle(&scene);
	is_str(scene.trail.text,
	       EITHER("1 -1 2 -2 3 -3 4 -4", "4 3 2 1 -1 -2 -3 -4"),
	       "B1002 B1003 the order of a burst, and of its end");
	trail_clear(&scene.trail);
	(void)parcel_send(scene.proxy, &scene, "1", NULL);
	scene_until(&scene, 5);
	(void)parcel_send(scene.proxy, &scene, "2", NULL);
	scene_until(&scene, 6);
	scene_settle(&scene);
	is_str(scene.trail.text, "1 -1 2 -2", "B1002 bursts keep their order");
	TALLOC_FREE(scene.proxy);
}

static void no_data_came(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_immediate *im TRAIL_UNUSED,
			 void *private_data)
{
	is_ptr(private_data, NULL, "B1003 the handler gets none");
}

static void test_no_data(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct scene scene;
	void *data = NULL;

	scene_open(&scene, fx);
	tevent_thread_proxy_schedule(scene.proxy, &im, no_data_came, NULL);
	is_ptr(im, NULL, "B1004 without data");
	scene_settle(&scene);
	im = tevent_create_immediate(NULL);
	tevent_thread_proxy_schedule(scene.proxy, &im, no_data_came, &data);
	is_ptr(im, NULL, "B1004 with a pointer to none");
	scene_settle(&scene);
	TALLOC_FREE(scene.proxy);
}

/* The immediate hangs below the data, as many a program has it. */
static void test_parents(struct fixture *fx)
{
	TALLOC_CTX *parent = talloc_named_const(NULL, 0, "parent");
	struct tevent_immediate *im = NULL;
	struct parcel *parcel = NULL;
	struct scene scene;

	scene_open(&scene, fx);
	parcel = parcel_make(parent, &scene, "x", NULL);
	im = tevent_create_immediate(parcel);
	tevent_thread_proxy_schedule(scene.proxy, &im, parcel_came, &parcel);
	TALLOC_FREE(parent);
	is_str(scene.trail.text, "", "B1005 on their way they have no parent");
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "x -x", "B1005 they arrive, and go");
	TALLOC_FREE(scene.proxy);
}

/* As it was, the parents included. */
static void test_refused(struct fixture *fx)
{
	struct tevent_immediate *im = NULL;
	struct parcel *parcel = NULL;
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B702 stock's dead proxy takes it");
		return;
	}
	scene_open(&scene, fx);
	parcel = parcel_make(fx->mem, &scene, "x", NULL);
	im = tevent_create_immediate(parcel);
	is_int(tevent_re_initialise(fx->ev), 0, "B702 re-initialise");
	tevent_thread_proxy_schedule(scene.proxy, &im, parcel_came, &parcel);
	ok(im != NULL && parcel != NULL, "B1004 refused: the pointers stay");
	is_ptr(talloc_parent(parcel), fx->mem, "B1004 and the data's parent");
	is_ptr(talloc_parent(im), parcel, "B1004 and the immediate's");
	tevent_schedule_immediate(im, fx->ev, parcel_came, parcel);
	scene_until(&scene, 1);
	is_uint(scene.came, 1, "B1004 which works as before");
	TALLOC_FREE(parcel);
	TALLOC_FREE(scene.proxy);
}

/* What has not been looked at, and what has been but did not run. */
static void test_freed(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		struct scene scene;

		scene_open(&scene, fx);
		for (int j = 0; j < 3; j++) {
			(void)parcel_send(scene.proxy, &scene, "x", NULL);
		}
		scene_until(&scene, 1);
		(void)parcel_send(scene.proxy, &scene, "y", NULL);
		if (i == 0) {
			TALLOC_FREE(scene.proxy);
			settle(fx->ev, 3);
		} else {
			TALLOC_FREE(fx->ev);
		}
		is_uint(scene.came, 1, "B1006 %s freed: no handler runs",
			i == 0 ? "proxy" : "context");
		is_uint(scene.freed, 4, "B1006 and all data is freed");
	}
}

static void free_proxy(struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_immediate *im TRAIL_UNUSED,
		       struct parcel *parcel)
{
	TALLOC_FREE(parcel->scene->proxy);
}

static void test_loop_wait(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", NULL);
	(void)parcel_send(scene.proxy, &scene, "b", free_proxy);
	is_int(tevent_loop_wait(fx->ev), 0, "B132 loop_wait with a proxy");
	is_ptr(scene.proxy, NULL, "B132 it ends after the proxy has gone");
	is_uint(scene.freed, 2, "B1006 with all it had");
	is_int(tevent_loop_wait(fx->ev), 0, "B132 nothing is left");
}

static void test_re_initialise(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "x", NULL);
	is_int(tevent_re_initialise(fx->ev), 0, "B702 re-initialise");
	settle(fx->ev, 3);
	is_uint(scene.came, 0, "B702 the proxy is dead");
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B132 B702 and keeps loop_wait no more");
	TALLOC_FREE(scene.proxy);
	is_uint(scene.freed, 1, "B702 nothing is lost with it");
	scene.proxy = tevent_thread_proxy_create(fx->ev);
	(void)parcel_send(scene.proxy, &scene, "z", NULL);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "-x z -z", "B702 a new one works");
	TALLOC_FREE(scene.proxy);
}

static int child_posts(void *arg)
{
	struct scene *scene = arg;
	bool taken = parcel_send(scene->proxy, scene, "child", NULL);

	return taken == TEST_ON_STOCK ? 0 : 1;
}

static void test_fork(struct fixture *fx)
{
	struct fixture_child child;
	struct scene scene;

	scene_open(&scene, fx);
	child = fixture_child(child_posts, &scene);
	child_exited(&child, 0, "B1008 a child posts through the proxy");
	settle(fx->ev, 3);
	is_str(scene.trail.text, "", "B1008 nothing comes to the parent");
	(void)parcel_send(scene.proxy, &scene, "x", NULL);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "x -x", "B1008 whose own posts arrive");
	TALLOC_FREE(scene.proxy);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1001 delivery", test_delivery);
	fixture_each_backend("B1002 order", test_order);
	fixture_each_backend("B1004 no data", test_no_data);
	fixture_each_backend("B1005 parents", test_parents);
	fixture_each_backend("B1004 refused", test_refused);
	fixture_each_backend("B1006 freed", test_freed);
	fixture_each_backend("B132 loop_wait", test_loop_wait);
	fixture_each_backend("B702 re-initialise", test_re_initialise);
	fixture_each_backend("B1008 fork", test_fork);
	return done();
}
