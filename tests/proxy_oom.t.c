/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy oom: each allocation and each descriptor that proxies need fails once.
 * A post needs none: what is sent through a proxy that exists is taken, and
 * what was taken runs, in nested loops too.
 *
 * See sweep.h for what must hold. Not for other libraries than ours.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/sweep.h"

struct letter {
	struct sweep *sweep;
	struct tevent_thread_proxy *answer; /* or NULL */
	unsigned nested;
	bool open; /* its handler runs */
};

static unsigned torn; /* freed while open */

static int letter_freed(struct letter *letter)
{
	torn += letter->open ? 1 : 0;
	return 0;
}

static void came(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data);

static struct letter *make_letter(struct sweep *sweep,
				  struct tevent_immediate **ret_im)
{
	struct letter *letter = NULL;

	*ret_im = sweep_made(sweep, tevent_create_immediate(sweep->mem));
	if (*ret_im == NULL) {
		return NULL;
	}
	letter = sweep_made(sweep, talloc_zero(*ret_im, struct letter));
	if (letter == NULL) {
		TALLOC_FREE(*ret_im);
		return NULL;
	}
	letter->sweep = sweep;
	talloc_set_destructor(letter, letter_freed);
	return letter;
}

static void send(struct tevent_thread_proxy *proxy, struct sweep *sweep,
		 struct tevent_thread_proxy *answer, unsigned nested)
{
	struct tevent_immediate *im = NULL;
	struct letter *letter = make_letter(sweep, &im);

	if (letter == NULL) {
		return;
	}
	letter->answer = answer;
	letter->nested = nested;
	tevent_thread_proxy_schedule(proxy, &im, came, &letter);
	(void)sweep_got(sweep, im == NULL && letter == NULL ? proxy : NULL);
}

static void came(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data)
{
	struct letter *letter = private_data;
	struct tevent_thread_proxy *answer = letter->answer;

	(void)im;
	letter->sweep->ran++;
	if (letter->nested > 0) {
		letter->open = true;
		send(answer, letter->sweep, answer, letter->nested - 1);
		sweep_turn(letter->sweep, ev);
		letter->open = false;
	}
}

static struct tevent_thread_proxy *make_proxy(struct sweep *sweep)
{
	return sweep_made(sweep, tevent_thread_proxy_create(sweep->ev));
}

static void play_simple(struct sweep *sweep)
{
	struct tevent_thread_proxy *proxies[2] = { NULL, NULL };

	for (int i = 0; i < 2; i++) {
		proxies[i] = make_proxy(sweep);
		if (proxies[i] != NULL) {
			send(proxies[i], sweep, NULL, 0);
			send(proxies[i], sweep, NULL, 0);
		}
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(proxies[0]);
}

static void play_nested(struct sweep *sweep)
{
	struct tevent_thread_proxy *proxy = make_proxy(sweep);

	if (proxy == NULL) {
		return;
	}
	tevent_loop_allow_nesting(sweep->ev);
	send(proxy, sweep, proxy, 3);
	sweep_turn(sweep, sweep->ev);
	send(proxy, sweep, proxy, 0);
	sweep_turn(sweep, sweep->ev);
}

int main(int argc, char **argv)
{
	static const char *const backends[] = { "epoll", "poll" };

	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("another library's allocations");
	}
	sweep_begin(argv);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		const char *backend = backends[i];

		sweep_run("B1004 proxies", play_simple, backend, SHIM_MALLOC,
			  0);
		sweep_run("B1004 proxies nested", play_nested, backend,
			  SHIM_MALLOC, 0);
		sweep_run("B1004 proxies, no eventfd", play_simple, backend,
			  SHIM_EVENTFD, 0);
	}
	is_uint(torn, 0, "B1003 nothing goes before its handler has returned");
	return done();
}
