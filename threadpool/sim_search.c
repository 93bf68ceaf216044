/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim search: many simulations of one thing, to find a failure and then its
 * plainest form.
 *
 * A log that ends is gone on with by zeros, and zero is the plain decision. So
 * a simpler log is a shorter one, or one with more zeros. Shrinking tries, and
 * keeps what still fails:
 *
 *      cut off    a half, a quarter, ... of the end
 *      clear      a half, a quarter, ... one decision, at each place
 *
 * over and over until a round brings nothing. A log that is tried may lead
 * somewhere else, where decisions have other meanings: that does no harm, since
 * it either fails or is not kept. What is kept is what was tried, not what
 * that run has logged.
 *
 * Threads: one that has no simulation of its own.  Ordering: none.
 */
#include <errno.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/sim.h"

struct search {
	struct weft_sim_options options;
	weft_sim_fails_fn_t fails;
	void *private_data;
	unsigned *log; /* what fails, as far as we know */
	size_t count;
};

/* One simulation. @ret_log: NULL, or where its decisions go, if it fails.
 * Return: 0: it fails; ENOENT: it does not; or an error. */
static int search_try(struct search *search, const unsigned *log, size_t count,
		      unsigned **ret_log)
{
	struct weft_sim *sim = NULL;
	int ret = 0;

	search->options.log = log;
	search->options.log_count = count;
	ret = wf_sim_create(NULL, &search->options, &sim);
	if (ret != 0) {
		return ret;
	}
	if (!search->fails(sim, search->private_data)) {
		ret = ENOENT;
	} else if (ret_log != NULL) {
		size_t made = 0;
		const unsigned *decisions = weft_sim_log(sim, &made);

		*ret_log = talloc_array(NULL, unsigned, made);
		if (*ret_log == NULL) {
			ret = ENOMEM;
		} else if (made > 0) {
			memcpy(*ret_log, decisions, made * sizeof(**ret_log));
		}
	}
	talloc_free(sim);
	return ret;
}

int weft_sim_search_sized(const struct weft_sim_options *given,
			  size_t options_size, uint64_t runs,
			  weft_sim_fails_fn_t fails, void *private_data,
			  uint64_t *ret_seed)
{
	struct search search = { .fails = fails, .private_data = private_data };
	uint64_t i = 0;

	wf_sim_options(given, options_size, &search.options);
	for (i = 0; i < runs; i++) {
		int ret = search_try(&search, NULL, 0, NULL);

		if (ret == 0) {
			*ret_seed = search.options.seed;
		}
		if (ret != ENOENT) {
			return ret;
		}
		search.options.seed++;
	}
	return ENOENT;
}

/* ---- shrinking ---- */

/* Zeros at the end say nothing. */
static void search_trim(struct search *search)
{
	while (search->count > 0 && search->log[search->count - 1] == 0) {
		search->count--;
	}
}

static int search_cut(struct search *search, bool *better)
{
	size_t piece = search->count;

	while (piece > 0) {
		int ret = ENOENT;

		if (piece <= search->count) {
			ret = search_try(search, search->log,
					 search->count - piece, NULL);
		}
		if (ret == 0) {
			search->count -= piece;
			search_trim(search);
			*better = true;
		} else if (ret != ENOENT) {
			return ret;
		} else {
			piece /= 2;
		}
	}
	return 0;
}

static bool search_is_clear(const unsigned *log, size_t count)
{
	size_t i = 0;

	while (i < count && log[i] == 0) {
		i++;
	}
	return i == count;
}

/* Clears @piece decisions from @at on, if it still fails then. */
static int search_clear_at(struct search *search, size_t at, size_t piece,
			   bool *better)
{
	unsigned *tried = NULL;
	int ret = 0;

	if (piece > search->count - at) {
		piece = search->count - at;
	}
	if (search_is_clear(search->log + at, piece)) {
		return 0;
	}
	tried = talloc_memdup(NULL, search->log,
			      search->count * sizeof(*search->log));
	if (tried == NULL) {
		return ENOMEM;
	}
	memset(tried + at, 0, piece * sizeof(*tried));
	ret = search_try(search, tried, search->count, NULL);
	if (ret == 0) {
		memset(search->log + at, 0, piece * sizeof(*tried));
		*better = true;
	}
	talloc_free(tried);
	return ret == ENOENT ? 0 : ret;
}

static int search_clear(struct search *search, bool *better)
{
	size_t piece = search->count / 2 + 1;

	for (; piece > 0; piece /= 2) {
		size_t at = 0;

		for (at = 0; at < search->count; at += piece) {
			int ret = search_clear_at(search, at, piece, better);

			if (ret != 0) {
				return ret;
			}
		}
	}
	search_trim(search);
	return 0;
}

static int search_shrink(struct search *search)
{
	bool better = true;
	int ret = 0;

	search_trim(search);
	while (better && ret == 0 && search->count > 0) {
		better = false;
		ret = search_cut(search, &better);
		if (ret == 0) {
			ret = search_clear(search, &better);
		}
	}
	return ret;
}

int weft_sim_shrink_sized(TALLOC_CTX *mem_ctx,
			  const struct weft_sim_options *given,
			  size_t options_size, weft_sim_fails_fn_t fails,
			  void *private_data, unsigned **ret_log)
{
	struct search search = { .fails = fails, .private_data = private_data };
	unsigned *log = NULL;
	int ret = 0;

	wf_sim_options(given, options_size, &search.options);
	ret = search_try(&search, search.options.log, search.options.log_count,
			 &search.log);
	if (ret != 0) {
		return ret;
	}
	search.count = talloc_array_length(search.log);
	ret = search_shrink(&search);
	if (ret == 0) {
		log = talloc_array(mem_ctx, unsigned, search.count);
		ret = log == NULL ? ENOMEM : 0;
	}
	if (ret == 0) {
		memcpy(log, search.log, search.count * sizeof(*log));
		*ret_log = log;
	}
	talloc_free(search.log);
	return ret;
}
