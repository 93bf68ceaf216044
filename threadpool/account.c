/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Account: what one loop has going with one pool.
 *
 * It keeps a share of the crew for all jobs of the loop, so that a job costs
 * no shared counter, and lists them, so that the end of the loop finds them.
 *
 *  1. An account is made at the loop's first job for that pool. It goes with
 *     the loop, or, after the pool has been stopped, with its last job.
 *  2. Each job is listed from its send until it is back or cut off.
 *
 * Threads: the owner of the loop.  Ordering: none of its own.
 * Not here: what an entry is (job.c).
 */
#include "threadpool/account.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base.h"
#include "threadpool/crew.h"

static void account_free(struct wf_account *account)
{
	tev_list_remove(&account->user.link);
	wf_crew_unref(account->crew);
	free(account);
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
	account_free(account);
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
	account_free(account);
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
		account_free(tev_container_of(user, struct wf_account, user));
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
	account->port = port;
	account->crew = wf_crew_ref(crew);
	account->shard = &crew->shards[turn & (crew->shard_count - 1)];
	tev_list_init(&account->entries);
	wf_port_add_user(port, &account->user);
	return account;
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
		account_free(account);
	}
}
