/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 1.
 *
 * Output:
 *      main: 9592 primes below 100000
 */
#include <stdio.h>

#include <weft.h>

struct primes {
	unsigned below;
	unsigned found;
};

static int count(struct weft_job *job, void *block)
{
	struct primes *primes = talloc_get_type_abort(block, struct primes);
	unsigned n = 0;
	unsigned d = 0;

	for (n = 2; n < primes->below; n++) {
		d = 2;
		while (d * d <= n && n % d != 0) {
			d++;
		}
		primes->found += d * d > n;
	}
	return 0;
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
	primes->below = 100000;
	req = weft_job_send(ev, ev, pool, count, &primes, NULL);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, counted, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
