/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* List: intrusive, doubly linked, circular.
 *
 * A list is one tev_list head; members embed a tev_list of their own. A node
 * that is in no list points at itself, so removing is legal at any time and
 * needs neither the head nor a test. Both a head and a node must have been
 * initialised once with tev_list_init().
 *
 *      head <-> first <-> ... <-> last <-> head
 *
 * Threads: none of its own; whoever owns the list owns all its links.
 * Not here: the mailbox's push-only stack, which is shared (word.h).
 */
#pragma once

#include <stdbool.h>

#include "engine/base.h"

struct tev_list {
	struct tev_list *next;
	struct tev_list *prev;
};

static inline void tev_list_init(struct tev_list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool tev_list_empty(const struct tev_list *list)
{
	return list->next == list;
}

/* Puts @node directly in front of @before; a head in @before means last. */
static inline void tev_list_insert(struct tev_list *before,
				   struct tev_list *node)
{
	node->next = before;
	node->prev = before->prev;
	before->prev->next = node;
	before->prev = node;
}

static inline void tev_list_append(struct tev_list *head, struct tev_list *node)
{
	tev_list_insert(head, node);
}

static inline void tev_list_prepend(struct tev_list *head,
				    struct tev_list *node)
{
	tev_list_insert(head->next, node);
}

/* Takes @node out of whatever list it is in; it may be inserted again. */
static inline void tev_list_remove(struct tev_list *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	tev_list_init(node);
}

/* Moves every member of @from behind the last of @to; @from is empty then. */
static inline void tev_list_splice(struct tev_list *to, struct tev_list *from)
{
	if (tev_list_empty(from)) {
		return;
	}
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	tev_list_init(from);
}

/* The first member, or NULL when the list is empty. */
static inline struct tev_list *tev_list_first(const struct tev_list *head)
{
	return tev_list_empty(head) ? NULL : head->next;
}

#define tev_list_entry(node, type, member) tev_container_of(node, type, member)

/* @node walks the list; @next lets the body remove @node (and nothing else). */
#define tev_list_for_each(node, head) \
	for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

#define tev_list_for_each_safe(node, following, head)           \
	for ((node) = (head)->next, (following) = (node)->next; \
	     (node) != (head);                                  \
	     (node) = (following), (following) = (node)->next)
