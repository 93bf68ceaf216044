/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate store: what a loop frees goes back to the thread that posted it,
 * if nothing can be seen of that but speed.
 *
 * tev_immediate_stored() tells how many lie in the store of the calling thread.
 * Most tests post and loop in one thread, so each step is certain.
 */
#include "engine/immediate_store.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/trail.h"

#define SOME  100
#define MANY  1000
#define BOUND 256 /* that wait in one half of a store */

/* There under valgrind alone. */
void _vgnU_freeres(void) __attribute__((weak));

typedef void (*act_fn)(struct tevent_immediate *im);

struct desk {
	struct tevent_context *ev;
	struct tevent_threaded_context *tc;
	act_fn act;
	unsigned came;
};

static void desk_open(struct desk *desk, struct tevent_context *ev)
{
	*desk = (struct desk){
		.ev = ev,
		.tc = tevent_threaded_context_create(ev, ev),
	};
	if (desk->tc == NULL) {
		bail_out("no threaded context");
	}
}

static void came(struct tevent_context *ev TRAIL_UNUSED,
		 struct tevent_immediate *im, void *private_data)
{
	struct desk *desk = private_data;

	desk->came++;
	if (desk->act != NULL) {
		desk->act(im);
	}
	talloc_free(im);
}

static void post(struct desk *desk, TALLOC_CTX *mem)
{
	struct tevent_immediate *im = tevent_create_immediate(mem);

	tevent_threaded_schedule_immediate(desk->tc, im, came, desk);
}

/* Posts @count without a parent and lets all of them run. */
static void post_some(struct desk *desk, unsigned count)
{
	desk->came = 0;
	for (unsigned i = 0; i < count; i++) {
		post(desk, NULL);
	}
	while (desk->came < count) {
		turn(desk->ev);
	}
}

/* Takes what is stored out again. */
static void use_up(void)
{
	struct tevent_immediate *im[2 * BOUND] = { NULL };
	unsigned count = tev_immediate_stored();

	for (unsigned i = 0; i < count; i++) {
		im[i] = tevent_create_immediate(NULL);
	}
	for (unsigned i = 0; i < count; i++) {
		talloc_free(im[i]);
	}
}

static void test_back(struct fixture *fx)
{
	struct tevent_immediate *im = NULL;
	struct desk desk;

	desk_open(&desk, fx->ev);
	post_some(&desk, SOME);
	is_uint(tev_immediate_stored(), SOME, "B201 all of them come back");
	im = tevent_create_immediate(NULL);
	is_uint(tev_immediate_stored(), SOME - 1, "the next is one of them");
	is_uint(tevent_immediate_get_tag(im), 0, "as if it were new");
	is_str(talloc_get_name(im), "struct tevent_immediate", "with its name");
	tevent_schedule_immediate(im, fx->ev, came, &desk);
	turn(fx->ev);
	is_uint(desk.came, SOME + 1, "and it can be scheduled");
	is_uint(tev_immediate_stored(), SOME - 1,
		"what was not posted does not go back");
	use_up();
	is_uint(tev_immediate_stored(), 0, "used up");
}

static void test_bound(struct fixture *fx)
{
	struct desk desk;

	desk_open(&desk, fx->ev);
	post_some(&desk, MANY);
	is_uint(tev_immediate_stored(), BOUND, "no more than that are kept");
	post_some(&desk, MANY);
	is_uint(tev_immediate_stored(), BOUND, "and no more the next time");
	use_up();
}

static unsigned freed;

static int child_freed(char *child TRAIL_UNUSED)
{
	freed++;
	return 0;
}

static void *elsewhere;

static void with_child(struct tevent_immediate *im)
{
	char *child = talloc_strdup(im, "child");

	talloc_set_destructor(child, child_freed);
}

static void with_name(struct tevent_immediate *im)
{
	talloc_set_name_const(im, "another");
}

static void with_long_name(struct tevent_immediate *im)
{
	(void)talloc_set_name(im, "another %u", 1U);
}

static void with_parent(struct tevent_immediate *im)
{
	(void)talloc_steal(elsewhere, im);
}

static void with_reference(struct tevent_immediate *im)
{
	if (talloc_reference(im, elsewhere) == NULL) {
		bail_out("no reference");
	}
}

static void test_not_bare(struct fixture *fx)
{
	static const struct {
		const char *what;
		act_fn act;
	} cases[] = {
		{ "a child", with_child },
		{ "a name", with_name },
		{ "a name that is a child", with_long_name },
		{ "a parent", with_parent },
		{ "a reference", with_reference },
	};
	struct desk desk;

	desk_open(&desk, fx->ev);
	elsewhere = talloc_new(fx->mem);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		desk.act = cases[i].act;
		post_some(&desk, 2);
		is_uint(tev_immediate_stored(), 0, "with %s it is freed",
			cases[i].what);
	}
	is_uint(freed, 2, "and its children with it");
	is_uint(talloc_total_blocks(elsewhere), 1, "nothing is left there");
	desk.came = 0;
	post(&desk, elsewhere);
	while (desk.came == 0) {
		turn(fx->ev);
	}
	is_uint(tev_immediate_stored(), 0, "made with a parent it is freed");
}

/* The fixture has null tracking on. */
static void test_null_tracking(struct fixture *fx)
{
	struct desk desk;

	desk_open(&desk, fx->ev);
	post_some(&desk, SOME);
	is_uint(tev_immediate_stored(), 0,
		"under null tracking all of them are freed");
}

static void test_null_tracking_later(struct fixture *fx)
{
	struct tevent_immediate *im = NULL;
	struct desk desk;

	desk_open(&desk, fx->ev);
	post_some(&desk, SOME);
	talloc_enable_null_tracking();
	im = tevent_create_immediate(NULL);
	is_uint(tev_immediate_stored(), SOME - 1, "one is used again");
	ok(talloc_parent(im) != NULL, "and tracked as one that is new");
	talloc_free(im);
	talloc_disable_null_tracking();
	use_up();
}

static void proxied(struct tevent_context *ev TRAIL_UNUSED,
		    struct tevent_immediate *im TRAIL_UNUSED,
		    void *private_data)
{
	struct desk **desk = private_data;

	(*desk)->came++;
}

static void test_proxy(struct fixture *fx)
{
	struct tevent_thread_proxy *proxy = tevent_thread_proxy_create(fx->ev);
	struct desk desk = { .ev = fx->ev };

	for (unsigned i = 0; i < SOME; i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct desk **data = talloc(NULL, struct desk *);

		*data = &desk;
		tevent_thread_proxy_schedule(proxy, &im, proxied, &data);
	}
	while (desk.came < SOME) {
		turn(fx->ev);
	}
	is_uint(tev_immediate_stored(), SOME,
		"B1003 what a proxy frees goes back");
	use_up();
}

static struct desk *posts_on; /* what proxied_posts() has */

/* Gives its own immediate to the threaded context. */
static void proxied_posts(struct tevent_context *ev TRAIL_UNUSED,
			  struct tevent_immediate *im,
			  void *private_data TRAIL_UNUSED)
{
	(void)talloc_steal(NULL, im);
	tevent_threaded_schedule_immediate(posts_on->tc, im, came, posts_on);
}

static unsigned mourned;

static int mourn(struct tevent_immediate *im TRAIL_UNUSED)
{
	mourned++;
	return 0;
}

static void proxied_mourns(struct tevent_context *ev TRAIL_UNUSED,
			   struct tevent_immediate *im,
			   void *private_data TRAIL_UNUSED)
{
	talloc_set_destructor(im, mourn);
}

static void test_proxied(struct fixture *fx)
{
	struct tevent_thread_proxy *proxy = tevent_thread_proxy_create(fx->ev);
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct desk desk;

	desk_open(&desk, fx->ev);
	posts_on = &desk;
	tevent_thread_proxy_schedule(proxy, &im, proxied_posts, NULL);
	while (desk.came == 0) {
		turn(fx->ev);
	}
	is_uint(tev_immediate_stored(), 1,
		"B1003 what a proxied handler posts on goes back later");

	im = tevent_create_immediate(NULL);
	tevent_thread_proxy_schedule(proxy, &im, proxied_mourns, NULL);
	while (mourned == 0) {
		turn(fx->ev);
	}
	is_uint(mourned, 1, "B1003 what it gives a destructor is freed,");
	is_uint(tev_immediate_stored(), 1, "which is called");
	post_some(&desk, SOME); /* few are not worth a look */
	use_up();
}

/* ---- threads ---- */

struct visit {
	struct desk desk;
	struct fixture_gate posted;
	struct fixture_gate handled;
	unsigned before; /* O(visitor): stored when it begins */
	unsigned after;  /* O(visitor): when its posts were handled */
};

static void visit_and_wait(unsigned index TRAIL_UNUSED, void *arg)
{
	struct visit *visit = arg;

	visit->before = tev_immediate_stored();
	for (unsigned i = 0; i < SOME; i++) {
		post(&visit->desk, NULL);
	}
	fixture_gate_add(&visit->posted, 1);
	fixture_gate_wait(&visit->handled, 1);
	visit->after = tev_immediate_stored();
	for (unsigned i = 0; i < SOME / 2; i++) {
		talloc_free(tevent_create_immediate(NULL));
	}
}

static void visit_and_go(unsigned index TRAIL_UNUSED, void *arg)
{
	struct visit *visit = arg;

	for (unsigned i = 0; i < SOME; i++) {
		post(&visit->desk, NULL);
	}
}

static void visit_handle(struct visit *visit)
{
	visit->desk.came = 0;
	while (visit->desk.came < SOME) {
		turn(visit->desk.ev);
	}
}

static void test_thread(struct fixture *fx)
{
	struct visit visit = { .before = 1 };
	struct fixture_threads *thread = NULL;

	for (unsigned round = 0; round < 3; round++) {
		visit = (struct visit){ .before = 1 };
		desk_open(&visit.desk, fx->ev);
		thread = fixture_threads_start(1, visit_and_wait, &visit);
		fixture_gate_wait(&visit.posted, 1);
		visit_handle(&visit);
		fixture_gate_add(&visit.handled, 1);
		fixture_threads_join(thread);
		is_uint(visit.before, 0, "a new thread begins with nothing");
		is_uint(visit.after, SOME, "and gets back what it posted");

		/* What comes when its thread has ended is freed. */
		thread = fixture_threads_start(1, visit_and_go, &visit);
		fixture_threads_join(thread);
		visit_handle(&visit);
	}
	is_uint(tev_immediate_stored(), 0, "nothing comes to the loop");
}

/* ---- fork ---- */

static int child_posts(void *arg TRAIL_UNUSED)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	unsigned inherited = tev_immediate_stored();
	struct desk desk;

	desk_open(&desk, ev);
	post_some(&desk, SOME);
	if (inherited != 0 || tev_immediate_stored() != SOME) {
		return 1;
	}
	talloc_free(ev);
	return 0;
}

/* What is on its way belongs to the parent. */
static int child_frees(void *arg)
{
	struct desk *desk = arg;

	talloc_free(desk->ev);
	return tev_immediate_stored() == 0 ? 0 : 1;
}

static void test_fork(struct fixture *fx)
{
	struct fixture_child child;
	struct desk desk;

	desk_open(&desk, fx->ev);
	post_some(&desk, SOME);
	child = fixture_child(child_posts, NULL);
	child_exited(&child, 0, "a child begins with a store of its own");
	post(&desk, NULL);
	child = fixture_child(child_frees, &desk);
	child_exited(&child, 0, "a child frees what was on its way");
	is_uint(tev_immediate_stored(), SOME - 1, "the parent's is untouched");
	desk.came = 0;
	while (desk.came == 0) {
		turn(fx->ev);
	}
	is_uint(tev_immediate_stored(), SOME, "and goes on");
	use_up();
}

/* ---- misuse ---- */

static struct tevent_immediate *remembered;

static void remember(struct tevent_immediate *im)
{
	remembered = im;
}

/* Makes one that is stored, and a context. */
static struct tevent_context *store_one(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct desk desk;

	desk_open(&desk, ev);
	desk.act = remember;
	post_some(&desk, 1);
	return ev;
}

static int frees_again(void *arg TRAIL_UNUSED)
{
	(void)store_one();
	talloc_free(remembered);
	return 0;
}

static int schedules_again(void *arg TRAIL_UNUSED)
{
	struct tevent_context *ev = store_one();

	tevent_schedule_immediate(remembered, ev, came, NULL);
	return 0;
}

static void test_misuse(struct fixture *fx TRAIL_UNUSED)
{
	struct fixture_child child;

	ok(fixture_aborts(frees_again, NULL, &child) &&
		   strstr(child.text, "freed again") != NULL,
	   "freed again after its handler it aborts");
	ok(fixture_aborts(schedules_again, NULL, &child) &&
		   strstr(child.text, "used after it was freed") != NULL,
	   "scheduled after it was freed it aborts");
}

/* ---- many ---- */

#define POSTERS 4
#define LOOPS   2
#define EACH    (TEST_TSAN ? 1000 : 10000)

struct crowd {
	struct desk desks[LOOPS];
	struct fixture_gate ready;
};

static void crowd_loop(struct crowd *crowd, unsigned index)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct desk *desk = &crowd->desks[index];

	desk_open(desk, ev);
	fixture_gate_add(&crowd->ready, 1);
	while (desk->came < POSTERS * EACH) {
		turn(ev);
	}
	talloc_free(ev);
}

static void crowd_member(unsigned index, void *arg)
{
	struct crowd *crowd = arg;

	if (index < LOOPS) {
		crowd_loop(crowd, index);
		return;
	}
	fixture_gate_wait(&crowd->ready, LOOPS);
	for (unsigned i = 0; i < LOOPS * EACH; i++) {
		post(&crowd->desks[i % LOOPS], NULL);
	}
}

static void test_crowd(struct fixture *fx)
{
	struct crowd *crowd = talloc_zero(fx->mem, struct crowd);
	struct fixture_threads *threads = fixture_threads_start(
		LOOPS + POSTERS, crowd_member, crowd);

	fixture_threads_join(threads);
	for (unsigned i = 0; i < LOOPS; i++) {
		is_uint(crowd->desks[i].came, POSTERS * EACH,
			"loop %u handles each post once", i);
	}
	TALLOC_FREE(crowd);
}

int main(void)
{
	if (TEST_ASAN || _vgnU_freeres != NULL) {
		skip_all("no thread has a store beside a memory checker");
	}
	fixture_run_flags("back", test_back, FIXTURE_THREADS);
	fixture_run_flags("bound", test_bound, FIXTURE_THREADS);
	fixture_run_flags("not bare", test_not_bare, FIXTURE_THREADS);
	fixture_run("null tracking", test_null_tracking);
	fixture_run_flags("null tracking later", test_null_tracking_later,
			  FIXTURE_THREADS);
	fixture_run_flags("proxy", test_proxy, FIXTURE_THREADS);
	fixture_run_flags("proxied", test_proxied, FIXTURE_THREADS);
	fixture_run_flags("thread", test_thread, FIXTURE_THREADS);
	fixture_run_flags("fork", test_fork, FIXTURE_THREADS);
	fixture_run_flags("misuse", test_misuse, FIXTURE_THREADS);
	fixture_run_flags("crowd", test_crowd, FIXTURE_THREADS);
	return done();
}
