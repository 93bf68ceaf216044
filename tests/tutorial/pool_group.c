/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 5.
 *
 * Output:
 *      main: 9592 primes, counted in 4 parts
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

#define PARTS 4

struct primes {
	unsigned from;
	unsigned below;
	unsigned found;
};

static int count(struct weft_job *job, void *block)
{
	struct primes *primes = talloc_get_type_abort(block, struct primes);
	unsigned n = 0;
	unsigned d = 0;

	for (n = primes->from; n < primes->below; n++) {
		if (weft_job_should_stop(job)) {
			return ECANCELED;
		}
		d = 2;
		while (d * d <= n && n % d != 0) {
			d++;
		}
		primes->found += d * d > n;
	}
	return 0;
}

struct program {
	struct weft_group *group;
	struct tevent_req *parts[PARTS];
};

static void all_counted(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);
	struct primes *primes = NULL;
	unsigned found = 0;
	unsigned i = 0;
	int err = weft_group_wait_recv(req);

	talloc_free(req);
	for (i = 0; err == 0 && i < PARTS; i++) {
		err = weft_job_recv(program->parts[i], program->parts[i],
				    &primes);
		found += err == 0 ? primes->found : 0;
	}
	if (err == 0) {
		printf("main: %u primes, counted in %d parts\n", found, PARTS);
	} else {
		printf("main: %s\n", strerror(err));
	}
	talloc_free(program->group);
}

static int part_send(struct program *program, struct tevent_context *ev,
		     struct weft_pool *pool, unsigned i)
{
	struct primes *primes = talloc_zero(program->group, struct primes);

	if (primes == NULL) {
		return ENOMEM;
	}
	primes->from = i == 0 ? 2 : i * (100000 / PARTS);
	primes->below = (i + 1) * (100000 / PARTS);
	program->parts[i] = weft_job_send(program->group, ev, pool, count,
					  &primes, NULL);
	if (program->parts[i] == NULL) {
		return ENOMEM;
	}
	return weft_group_add(program->group, program->parts[i]);
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct program program = { .group = NULL };
	struct tevent_req *req = NULL;
	unsigned i = 0;

	if (ev == NULL || weft_pool_create(ev, NULL, &pool) != 0 ||
	    weft_group_create(ev, ev, NULL, &program.group) != 0) {
		return 1;
	}
	for (i = 0; i < PARTS; i++) {
		if (part_send(&program, ev, pool, i) != 0) {
			return 1;
		}
	}
	req = weft_group_wait_send(ev, program.group);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, all_counted, &program);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
