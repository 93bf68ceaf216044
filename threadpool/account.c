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
 *  3. Where the loop ends, the account is kept until the last entry is out,
 *     whatever is freed by that.
 *  4. The port remembers the way that was used last, so who sends job after job
 *     into one lane looks nothing up. It forgets that with the account.
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
#include "threadpool/lane.h"

/* Numbers for jobs are fetched so many at a time. */
#define ACCOUNT_IDS 1024

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
		free(tev_list_entry(link, struct wf_way, link));
	}
	wf_crew_unref(account->crew);
	free(account);
}

static void account_end(struct wf_account *account)
{
	struct wf_port *port = account->port;

	if (port->way != NULL && wf_account_of(port->way) == account) {
		port->way = NULL;
	}
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

	account->ending = true;
	for (;;) {
		struct wf_entry *entry = account_take_first(account);

		if (entry == NULL) {
			break;
		}
		account->ops->closed(entry);
	}
	account_end(account);
}

static void account_forked(struct wf_port_user *user)
{
	struct wf_account *account = tev_container_of(user, struct wf_account,
						      user);

	account->ending = true;
	for (;;) {
		struct wf_entry *entry = account_take_first(account);

		if (entry == NULL) {
			break;
		}
		account->ops->forked(entry);
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

static struct wf_account *account_create(struct wf_port *port,
					 struct wf_crew *crew,
					 const struct wf_entry_ops *ops)
{
	struct wf_account *account = malloc(sizeof(*account));
	unsigned turn = 0;

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
	account->ending = false;
	account->port = port;
	account->crew = wf_crew_ref(crew);
	account->ops = ops;
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

static struct wf_account *account_get(struct wf_port *port,
				      struct wf_crew *crew,
				      const struct wf_entry_ops *ops)
{
	struct wf_port_user *user = wf_port_find_user(port, account_is_of,
						      crew);

	if (user != NULL) {
		return tev_container_of(user, struct wf_account, user);
	}
	account_clear(port);
	return account_create(port, crew, ops);
}

/* That of @account into @lane, made on first use; NULL: no memory. */
static struct wf_way *account_way(struct wf_account *account,
				  struct wf_lane *lane)
{
	struct wf_way *way = NULL;
	struct tev_list *link = NULL;
	int ret = 0;

	tev_list_for_each(link, &account->flows) {
		way = tev_list_entry(link, struct wf_way, link);
		if (way->flow.lane == lane) {
			return way;
		}
	}
	ret = posix_memalign((void **)&way, TEV_CACHE_LINE, sizeof(*way));
	if (ret != 0) {
		return NULL;
	}
	way->account = account;
	way->port = account->port;
	wf_flow_init(&way->flow, lane, &lane->shards[account->turn]);
	tev_list_append(&account->flows, &way->link);
	return way;
}

struct wf_flow *wf_account_find_flow(struct wf_port *port, struct wf_lane *lane,
				     const struct wf_entry_ops *ops)
{
	struct wf_account *account = NULL;
	struct wf_way *way = NULL;

	account = account_get(port, lane->crew, ops);
	if (account == NULL) {
		return NULL;
	}
	way = account_way(account, lane);
	if (way == NULL) {
		return NULL;
	}
	port->way = &way->flow;
	return &way->flow;
}

void wf_account_fetch_ids(struct wf_account *account)
{
	struct wf_crew *elder = wf_crew_elder(account->crew);

	/* Relaxed: numbers to share out; from 1 on. */
	account->next_id = 1 + atomic_fetch_add_explicit(&elder->next_id,
							 ACCOUNT_IDS,
							 memory_order_relaxed);
	account->last_id = account->next_id + ACCOUNT_IDS;
}

void wf_account_emptied(struct wf_account *account)
{
	/* Each entry that is taken out may free the pool, or another one. */
	if (wf_crew_stopped(account->crew) && !account->ending) {
		account_end(account);
	}
}
