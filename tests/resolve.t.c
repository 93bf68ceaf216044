/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Resolve: getaddrinfo(3) as a ready-made job.
 *
 * The program stands in front of getaddrinfo: names that end in ".test" are
 * its own, all others go to the system, which is asked for nothing but numbers.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/pooltest.h"

/* ---- in front of libc ---- */

/* Where "held.test" waits. Static: a worker may come there late. */
static struct fixture_gate held_reached;
static struct fixture_gate held_go;

int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **ret_list)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **) = (int (*)(const char *, const char *,
						   const struct addrinfo *,
						   struct addrinfo **))
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (node != NULL && strcmp(node, "held.test") == 0) {
		fixture_gate_add(&held_reached, 1);
		fixture_gate_wait(&held_go, 1);
		node = "192.0.2.1";
	} else if (node != NULL && strcmp(node, "broken.test") == 0) {
		errno = ENETDOWN;
		return EAI_SYSTEM;
	} else if (node != NULL && strcmp(node, "full.test") == 0) {
		return EAI_MEMORY;
	} else if (node != NULL && strcmp(node, "again.test") == 0) {
		return EAI_AGAIN;
	}
	return real(node, service, hints, ret_list);
}

/* ---- helpers ---- */

static const struct addrinfo numbers = {
	.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	.ai_family = AF_UNSPEC,
};

static void req_ended(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = true;
}

static struct tevent_req *ended(struct fixture *fx, struct tevent_req *req)
{
	bool done = false;

	tevent_req_set_callback(req, req_ended, &done);
	if (!fixture_turn_until(fx->ev, &done)) {
		bail_out("the loop has failed");
	}
	return req;
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same(const struct addrinfo *a, const struct addrinfo *b)
{
	return a->ai_flags == b->ai_flags && a->ai_family == b->ai_family &&
	       a->ai_socktype == b->ai_socktype &&
	       a->ai_protocol == b->ai_protocol &&
	       a->ai_addrlen == b->ai_addrlen &&
	       memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) == 0 &&
	       same_text(a->ai_canonname, b->ai_canonname);
}

static unsigned length(const struct addrinfo *list)
{
	unsigned count = 0;

	for (; list != NULL; list = list->ai_next) {
		count++;
	}
	return count;
}

/* ---- tests ---- */

/* Compares with what the system says to who asks it directly. */
static void asks(struct fixture *fx, const char *node, const char *service,
		 const struct addrinfo *hints, const char *what)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct addrinfo *list = NULL;
	struct addrinfo *got = NULL;
	struct addrinfo *want = NULL;
	struct addrinfo *first = NULL;
	int gai = 77;
	unsigned differ = 0;
	struct tevent_req *req = weft_getaddrinfo_send(
		fx->mem, fx->ev, pool, node, service, hints, NULL);

	is_int(weft_getaddrinfo_recv(req, fx->mem, &list, &gai), EINPROGRESS,
	       "%s: not yet", what);
	is_int(weft_getaddrinfo_recv(ended(fx, req), fx->mem, &list, &gai), 0,
	       "%s: found", what);
	is_int(gai, 0, "%s: nothing to complain of", what);
	talloc_free(req);
	is_int(getaddrinfo(node, service, hints, &first), 0,
	       "%s: by the system, too", what);
	is_uint(length(list), length(first), "%s: as many addresses", what);
	for (got = list, want = first; got != NULL && want != NULL;
	     got = got->ai_next, want = want->ai_next) {
		differ += same(got, want) ? 0 : 1;
	}
	is_uint(differ, 0, "%s: the same", what);
	freeaddrinfo(first);
	is_ptr(talloc_parent(list), fx->mem, "%s: below its new owner", what);
	is_int(talloc_free(list), 0, "%s: one tree", what);
}

static void found(struct fixture *fx)
{
	struct addrinfo named = numbers;
	struct addrinfo listen = numbers;

	asks(fx, "192.0.2.1", "80", &numbers, "number");
	asks(fx, "2001:db8::1", NULL, &numbers, "without a service");
	named.ai_flags |= AI_CANONNAME;
	asks(fx, "192.0.2.1", "80", &named, "with its name");
	listen.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
	asks(fx, NULL, "80", &listen, "to listen");
	asks(fx, "192.0.2.1", "80", NULL, "without hints");
}

static void fails(struct fixture *fx, const char *node, int error, int gai)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct addrinfo *list = NULL;
	int said = 77;
	int ret = weft_getaddrinfo_recv(
		ended(fx, weft_getaddrinfo_send(fx->mem, fx->ev, pool, node,
						NULL, &numbers, NULL)),
		fx->mem, &list, &said);

	is_int(ret, error, "%s", node != NULL ? node : "nothing");
	is_int(said, gai, "with the reason, where there is one");
	is_ptr(list, NULL, "and no list");
}

static void not_found(struct fixture *fx)
{
	fails(fx, "no number", EADDRNOTAVAIL, EAI_NONAME);
	fails(fx, NULL, EADDRNOTAVAIL, EAI_NONAME);
	fails(fx, "again.test", EADDRNOTAVAIL, EAI_AGAIN);
	fails(fx, "broken.test", ENETDOWN, 0);
	fails(fx, "full.test", ENOMEM, 0);
}

/* What was asked for may go at once. */
static void copied(struct fixture *fx)
{
	static struct fixture_gate started;
	static struct fixture_gate go;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome held = { .done = false };
	struct addrinfo hints = numbers;
	struct addrinfo *list = NULL;
	struct tevent_req *req = NULL;
	char node[] = "192.0.2.1";

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &held);
	fixture_gate_wait(&started, 1);
	req = weft_getaddrinfo_send(fx->mem, fx->ev, pool, node, "80", &hints,
				    NULL);
	memset(node, 'x', sizeof(node) - 1);
	memset(&hints, 0xff, sizeof(hints));
	fixture_gate_add(&go, 1);
	is_int(weft_getaddrinfo_recv(ended(fx, req), fx->mem, &list, NULL), 0,
	       "node and hints were copied");
	is_int(list != NULL ? list->ai_family : 0, AF_INET,
	       "it is the one that was asked for");
	talloc_free(held.block);
}

/* Sends a look-up that hangs, and waits until it does. */
static struct tevent_req *hung(struct fixture *fx, struct weft_pool *pool,
			       const struct weft_job_options *options)
{
	int before = fixture_gate_value(&held_reached);
	struct tevent_req *req = weft_getaddrinfo_send(
		fx->mem, fx->ev, pool, "held.test", NULL, NULL, options);

	fixture_gate_wait(&held_reached, before + 1);
	return req;
}

static void hung_and_late(struct fixture *fx)
{
	/* As late as may be, for a job that is late already is not begun, and
	 * this one must hang. */
	struct weft_job_options options = {
		.deadline_ns = weft_deadline_ms(500),
		.interruptible = true,
	};
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct addrinfo *list = NULL;
	struct tevent_req *req = hung(fx, pool, &options);

	is_int(weft_getaddrinfo_recv(ended(fx, req), fx->mem, &list, NULL),
	       ETIMEDOUT, "the request ends at its deadline");
	is_ptr(list, NULL, "without a list");
	is_uint(pooltest_stats(pool).orphans, 1, "the job is an orphan");
	fixture_gate_add(&held_go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
	fixture_gate_add(&held_go, -1);
}

static void hung_and_cancelled(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct addrinfo *list = NULL;
	struct tevent_req *req = hung(fx, pool, NULL);

	ok(tevent_req_cancel(req), "cancelled");
	is_int(weft_getaddrinfo_recv(ended(fx, req), fx->mem, &list, NULL),
	       ECANCELED, "the request ends at once");
	fixture_gate_add(&held_go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
	fixture_gate_add(&held_go, -1);
}

/* The pool goes on beside those that hang. */
static void hung_beside_others(struct fixture *fx)
{
	struct weft_pool_options options = { .max = 2 };
	struct weft_pool *pool = NULL;
	struct outcome other = { .done = false };
	struct tevent_req *req[2] = { NULL, NULL };

	(void)weft_pool_create(fx->mem, &options, &pool);
	req[0] = hung(fx, pool, NULL);
	req[1] = hung(fx, pool, NULL);
	(void)outcome_send(fx, pool, quick_run, NULL, &other);
	ok(fixture_turn_until(fx->ev, &other.done), "another job is done");
	TALLOC_FREE(req[0]);
	TALLOC_FREE(req[1]);
	fixture_gate_add(&held_go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
	fixture_gate_add(&held_go, -1);
	(void)tevent_loop_wait(fx->ev);
}

int main(void)
{
	POOLTEST(found);
	POOLTEST(not_found);
	POOLTEST(copied);
	POOLTEST(hung_and_late);
	POOLTEST(hung_and_cancelled);
	POOLTEST(hung_beside_others);
	return done();
}
