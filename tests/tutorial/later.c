/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, step 4.
 *
 * Output:
 *      store: somebody else counts
 *      main: 78498 primes below 1000000
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

struct primes {
	unsigned below;
	unsigned found;
};

struct question {
	struct primes *primes;
};

static int store_open(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	struct weft_pool *pool = NULL;
	int err = weft_pool_create(ev, NULL, &pool);

	*ret_state = pool;
	return err;
}

static int count(struct weft_job *job, void *block)
{
	struct primes *primes = talloc_get_type_abort(block, struct primes);
	unsigned n = 0;
	unsigned d = 0;

	for (n = 2; n < primes->below && !weft_job_should_stop(job); n++) {
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
	struct weft_call *call = tevent_req_callback_data(req,
							  struct weft_call);
	struct question *question = weft_call_block(call);
	int err = weft_job_recv(req, question, &question->primes);

	weft_call_reply(call, err);
}

static void store_count(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	struct question *question = talloc_get_type_abort(block,
							  struct question);
	struct weft_pool *pool = weft_mailbox_private(mailbox);
	struct tevent_req *req = weft_job_send(
		call, weft_mailbox_context(mailbox), pool, count,
		&question->primes, NULL);

	if (req == NULL) {
		weft_call_reply(call, ENOMEM);
		return;
	}
	tevent_req_set_callback(req, counted, call);
	puts("store: somebody else counts");
}

static void answered(struct tevent_req *req)
{
	struct question *question = NULL;
	int err = weft_call_recv(req, req, &question);

	if (err == 0) {
		printf("main: %u primes below %u\n", question->primes->found,
		       question->primes->below);
	} else {
		printf("main: %s\n", strerror(err));
	}
	talloc_free(req);
}

static struct question *question_create(TALLOC_CTX *mem_ctx, unsigned below)
{
	struct question *question = talloc_zero(mem_ctx, struct question);

	if (question != NULL) {
		question->primes = talloc_zero(question, struct primes);
	}
	if (question == NULL || question->primes == NULL) {
		talloc_free(question);
		return NULL;
	}
	question->primes->below = below;
	return question;
}

int main(void)
{
	const struct weft_loop_options options = {
		.name = "store",
		.init = store_open,
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct question *question = question_create(ev, 1000000);
	struct weft_loop *store = NULL;
	struct tevent_req *req = NULL;

	if (ev == NULL || question == NULL ||
	    weft_loop_start(ev, &options, &store) != 0) {
		return 1;
	}
	req = weft_call_send(ev, ev, weft_loop_addr(store), store_count,
			     &question, NULL);
	if (req == NULL) {
		return 1;
	}
	tevent_req_set_callback(req, answered, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
