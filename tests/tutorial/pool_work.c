/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 10.
 *
 * Output:
 *      main: 1229 primes below 10000
 *      main: 9592 primes below 100000
 */
#include <stdio.h>
#include <string.h>

#include <weft.h>

struct counter {
	struct weft_work work; /* the first: the counter has its address */
	struct weft_pool *pool;
	unsigned below;
	unsigned found;
};

static int count(struct weft_job *job, struct weft_work *work)
{
	struct counter *counter = (struct counter *)work;
	unsigned n = 0;
	unsigned d = 0;

	counter->found = 0;
	for (n = 2; n < counter->below; n++) {
		d = 2;
		while (d * d <= n && n % d != 0) {
			d++;
		}
		counter->found += d * d > n;
	}
	return 0;
}

static void counted(struct weft_mailbox *home, struct weft_work *work,
		    int error)
{
	struct counter *counter = (struct counter *)work;

	if (home == NULL) {
		return;
	}
	if (error == 0) {
		printf("main: %u primes below %u\n", counter->found,
		       counter->below);
	}
	if (error == 0 && counter->below < 100000) {
		counter->below *= 10;
		error = weft_work_submit(work, counter->pool, NULL, home);
		if (error == 0) {
			return;
		}
	}
	if (error != 0) {
		printf("main: %s\n", strerror(error));
	}
	talloc_free(home);
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct counter counter = { .below = 10000 };
	struct weft_mailbox *home = NULL;

	if (ev == NULL || weft_pool_create(ev, NULL, &counter.pool) != 0 ||
	    weft_mailbox_create(ev, ev, NULL, &home) != 0) {
		return 1;
	}
	weft_work_init(&counter.work, count, counted);
	if (weft_work_submit(&counter.work, counter.pool, NULL, home) != 0) {
		return 1;
	}
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
