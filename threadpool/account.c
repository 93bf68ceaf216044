/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Account: what one loop has going with one pool.
 *
 * It keeps a share of the crew for all jobs of the loop, so that a job costs
 * no shared counter, and lists them, so that the end of the loop finds them. It
 * has the loop's way into each lane, by which loops take turns (shard.c).
 *
 *  1. An account is made at the loop's first job for that pool. It goes with
 *     the loop, or, after the pool has been stopped, with its last job.
 *  2. Each job is listed from its send until it is back or cut off. One that
 *     is cut off has a share of the account, of whose flows and crew it still
 *     makes use.
 *
 * Threads: unref: any; all others: the owner of the loop.
 * Ordering: [AC1] shares.
 * Not here: what an entry is (task.c).
 */
#include "threadpool/account.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base.h"
#include "threadpool/crew.h"
#include "threadpool/now.h"

/* Numbers for jobs are fetched so many at a time. */
#define ACCOUNT_IDS 1024

/* In a tick of the system (4 ms as a rule) so many jobs are timed exactly, and
 * then one in so many. */
#define ACCOUNT_TIMED_MAX 32
#define ACCOUNT_TIMED_OF  16

struct account_flow {
	struct tev_list link; /* O: among those of the account */
	struct wf_flow flow;  /* see shard.h */
};

void wf_account_ref(struct wf_account *account)
{
	/* Relaxed: who makes a share has one. */
	(void)atomic_fetch_add_explicit(&account->refs, 1,
					memory_order_relaxed);
}

void wf_account_unref(struct wf_account *account)
{
	/* [AC1] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&account->refs, 1,
						    memory_order_acq_rel);

	if (before != 1) {
		return;
	}
	for (;;) {
		struct tev_list *link = tev_list_first(&account->flows);

		if (link == NULL) {
			break;
		}
		tev_list_remove(link);
		free(tev_list_entry(link, struct account_flow, link));
	}
	wf_crew_unref(account->crew);
	free(account);
}

static void account_end(struct wf_account *account)
{
	tev_list_remove(&account->user.link);
	wf_account_unref(account);
}

static struct wf_entry *account_take_first(struct wf_account *account)
{
	struct tev_list *link = tev_list_first(&account->entries);

	if (link == NULL) {
		return NULL;
	}
	tev_list_remove(link);
	return tev_list_entry(link, struct wf_entry, link);
}

static void account_closed(struct wf_port_user *user)
{
	struct wf_account *account = tev_container_of(user, struct wf_account,
						      user);

	for (;;) {
		struct wf_entry *entry = account_take_first(account);

		if (entry == NULL) {
			break;
		}
		entry->closed(entry);
	}
	account_end(account);
}

static void account_forked(struct wf_port_user *user)
{
	struct wf_account *account = tev_container_of(user, struct wf_account,
						      user);

	for (;;) {
		struct wf_entry *entry = account_take_first(account);

		if (entry == NULL) {
			break;
		}
		entry->forked(entry);
	}
	account_end(account);
}

static bool account_is_of(struct wf_port_user *user, const void *crew)
{
	return user->closed == account_closed &&
	       tev_container_of(user, struct wf_account, user)->crew == crew;
}

/* Of a pool that has ended, and with nothing on it. */
static bool account_is_over(struct wf_port_user *user, const void *arg)
{
	struct wf_account *account = tev_container_of(user, struct wf_account,
						      user);

	(void)arg;
	return user->closed == account_closed &&
	       wf_crew_stopped(account->crew) &&
	       tev_list_empty(&account->entries);
}

static void account_clear(struct wf_port *port)
{
	for (;;) {
		struct wf_port_user *user = wf_port_find_user(
			port, account_is_over, NULL);

		if (user == NULL) {
			return;
		}
		account_end(tev_container_of(user, struct wf_account, user));
	}
}

struct wf_account *wf_account_get(struct wf_port *port, struct wf_crew *crew)
{
	struct wf_port_user *user = wf_port_find_user(port, account_is_of,
						      crew);
	struct wf_account *account = NULL;
	unsigned turn = 0;

	if (user != NULL) {
		return tev_container_of(user, struct wf_account, user);
	}
	account_clear(port);
	account = malloc(sizeof(*account));
	if (account == NULL) {
		return NULL;
	}
	/* Relaxed: any number will do. */
	turn = atomic_fetch_add_explicit(&crew->next_shard, 1,
					 memory_order_relaxed);
	account->user.closed = account_closed;
	account->user.forked = account_forked;
	tev_list_init(&account->user.link);
	atomic_init(&account->refs, 1);
	account->port = port;
	account->crew = wf_crew_ref(crew);
	account->turn = turn & (crew->shard_count - 1);
	account->next_id = 0;
	account->last_id = 0;
	account->tick_ns = 0;
	account->in_tick = 0;
	tev_list_init(&account->flows);
	tev_list_init(&account->entries);
	wf_port_add_user(port, &account->user);
	return account;
}

struct wf_flow *wf_account_flow(struct wf_account *account,
				struct wf_lane *lane)
{
	struct account_flow *flow = NULL;
	struct tev_list *link = NULL;

	tev_list_for_each(link, &account->flows) {
		flow = tev_list_entry(link, struct account_flow, link);
		if (tev_likely(flow->flow.lane == lane)) {
			return &flow->flow;
		}
	}
	flow = malloc(sizeof(*flow));
	if (flow == NULL) {
		return NULL;
	}
	wf_flow_init(&flow->flow, lane, &lane->shards[account->turn]);
	tev_list_append(&account->flows, &flow->link);
	return &flow->flow;
}

uint64_t wf_account_id(struct wf_account *account)
{
	if (tev_unlikely(account->next_id == account->last_id)) {
		struct wf_crew *elder = wf_crew_elder(account->crew);

		/* Relaxed: numbers to share out; from 1 on. */
		account->next_id = 1 + atomic_fetch_add_explicit(
					       &elder->next_id, ACCOUNT_IDS,
					       memory_order_relaxed);
		account->last_id = account->next_id + ACCOUNT_IDS;
	}
	return account->next_id++;
}

uint64_t wf_account_time(struct wf_account *account, bool *ret_exact)
{
	uint64_t tick_ns = wf_now_tick_ns();

	if (account->tick_ns != tick_ns) {
		account->tick_ns = tick_ns;
		account->in_tick = 0;
	}
	account->in_tick++;
	*ret_exact = account->in_tick <= ACCOUNT_TIMED_MAX ||
		     account->in_tick % ACCOUNT_TIMED_OF == 0;
	return *ret_exact ? wf_now_ns() : tick_ns;
}

void wf_account_add(struct wf_account *account, struct wf_entry *entry)
{
	tev_list_append(&account->entries, &entry->link);
}

void wf_account_remove(struct wf_account *account, struct wf_entry *entry)
{
	tev_list_remove(&entry->link);
	if (tev_unlikely(tev_list_empty(&account->entries) &&
			 wf_crew_stopped(account->crew))) {
		account_end(account);
	}
}
