/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 7.
 *
 * Output:
 *      main: 9592 primes below 100000
 */
#include <errno.h>
#include <stdio.h>

#include <weft.h>

struct primes {
	unsigned from;
	unsigned below;
	unsigned found;
};

static unsigned count_few(const struct primes *primes)
{
	unsigned found = 0;
	unsigned n = 0;
	unsigned d = 0;

	for (n = primes->from; n < primes->below; n++) {
		d = 2;
		while (d * d <= n && n % d != 0) {
			d++;
		}
		found += d * d > n;
	}
	return found;
}

static int count(struct weft_job *job, void *block)
{
	struct primes *primes = talloc_get_type_abort(block, struct primes);
	struct primes *upper = NULL;
	struct weft_child *child = NULL;
	unsigned middle = primes->from + (primes->below - primes->from) / 2;
	unsigned below = primes->below;
	int err = 0;

	if (below - primes->from <= 10000) {
		primes->found = count_few(primes);
		return 0;
	}
	upper = talloc_zero(NULL, struct primes);
	if (upper == NULL) {
		return ENOMEM;
	}
	upper->from = middle;
	upper->below = below;
	if (weft_job_spawn(job, count, &upper, NULL, &child) != 0) {
		talloc_free(upper);
		primes->found = count_few(primes);
		return 0;
	}
	primes->below = middle;
	err = count(job, primes);
	primes->below = below;
	if (err == 0) {
		err = weft_child_wait(child, primes, &upper);
	}
	primes->found += err == 0 ? upper->found : 0;
	return err;
}

static void counted(struct tevent_req *req)
{
	struct primes *primes = NULL;

	if (weft_job_recv(req, req, &primes) == 0) {
		printf("main: %u primes below %u\n", primes->found,
		       primes->below);
	}
	talloc_free(req);
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct primes *primes = talloc_zero(ev, struct primes);
	struct weft_pool *pool = NULL;
	struct tevent_req *req = NULL;

	if (primes == NULL || weft_pool_create(ev, NULL, &pool) != 0) {
		return 1;
	}
	primes->from = 2;
	primes->below = 100000;
	req = weft_job_send(ev, ev, pool, count, &primes, NULL);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, counted, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
