/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Owner: which thread a talloc tree belongs to; the rule of the checker.
 *
 * Talloc has no locks: an allocation, a free or a move writes to parents and
 * siblings. So one thread at a time owns a whole tree, and what changes hands
 * hangs nowhere meanwhile.
 *
 *      made parentless ----> owned by its maker ----> freed, or hung below
 *                             |  ^                    another tree
 *      talloc_steal(NULL, x)  |  |  the next thread that writes to it
 *      talloc_move(NULL, &x)  v  |
 *      a post of tevent's   nobody's
 *
 *  1. A tree is known by its root, the object without a parent. One that is
 *     not known is nobody's: when in doubt the checker forgets, and never
 *     blames the innocent.
 *  2. The first thread that writes to what is nobody's owns it.
 *  3. Whoever else writes to what is owned is reported, with both places. Each
 *     tree is reported once.
 *  4. A thread that ends lets go of all that it owns; and what its owner has
 *     not written to since a thread was started, that thread may take.
 *  5. What ties a tree to others (flaw.c) is looked for while its owner lets go
 *     of it and counts when another thread takes it: staying in one thread,
 *     it may have references.
 *  6. A forked child is alone with its memory: there all is nobody's.
 *
 * With talloc's null tracking parentless objects hang below one object of all
 * threads. That is one tree, whose owner allocates first, and others are
 * reported as they allocate: rightly, talloc breaks in that case. So parents
 * are looked at once more after an allocation or a move.
 *
 * Threads: any; one lock, inside of which only thread.c's and malloc's may be
 * taken.
 */
#include "tools/owner/owner.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/owner/flaw.h"
#include "tools/owner/next.h"
#include "tools/owner/thread.h"

#define BUCKETS_BITS 14
#define BUCKETS      (1U << BUCKETS_BITS)
#define HASH_FACTOR  0x9e3779b97f4a7c15ULL
#define HASH_BITS    64
#define DEPTH_MAX    100000 /* of a tree */
#define LOG_MODE     0644

struct tree {
	struct tree *next;
	const void *root;
	uint64_t owner;   /* a thread's serial number */
	uint64_t touched; /* when, by its owner */
	bool let_go;
	bool reported;
	const char *flaw; /* while let go */
	struct owner_place since;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tree *buckets[BUCKETS]; /* L(lock): */
static bool only_report;              /* I: */
static const char *log_path;          /* I: */

static __thread unsigned posting;

/* The lock may be another thread's, which is not here: all begins anew. */
static void forked(void)
{
	(void)pthread_mutex_init(&lock, NULL);
	memset(buckets, 0, sizeof(buckets));
}

static __attribute__((__constructor__)) void owner_init(void)
{
	const char *mode = getenv("WEFT_OWNER");
	const char *path = getenv("WEFT_OWNER_LOG");

	only_report = mode != NULL && strcmp(mode, "report") == 0;
	log_path = path != NULL ? strdup(path) : NULL;
	(void)pthread_atfork(NULL, NULL, forked);
}

/* ---- trees ---- */

/* A program may have made an object its own ancestor, by stealing it below what
 * hangs below it: then any of them will do. */
static const void *tree_root(const void *ptr)
{
	const void *parent = OWNER_NEXT_TALLOC(talloc_parent)(ptr);
	unsigned depth = 0;

	while (parent != NULL && depth < DEPTH_MAX) {
		ptr = parent;
		parent = OWNER_NEXT_TALLOC(talloc_parent)(ptr);
		depth++;
	}
	return ptr;
}

/* Return: the link to the tree, or to NULL where it would be. */
static struct tree **tree_find_locked(const void *root)
{
	uint64_t hash = (uint64_t)(uintptr_t)root * HASH_FACTOR;
	struct tree **link = &buckets[hash >> (HASH_BITS - BUCKETS_BITS)];

	while (*link != NULL && (*link)->root != root) {
		link = &(*link)->next;
	}
	return link;
}

/* Without memory the tree is not known. */
static void tree_put_locked(const struct tree *tree)
{
	struct tree **link = tree_find_locked(tree->root);
	struct tree *next = *link != NULL ? (*link)->next : NULL;

	if (*link == NULL) {
		*link = malloc(sizeof(**link));
	}
	if (*link != NULL) {
		**link = *tree;
		(*link)->next = next;
	}
}

static void tree_put(const void *root, bool let_go, const char *flaw,
		     const struct owner_call *call)
{
	struct tree tree = {
		.root = root,
		.owner = owner_thread_self().serial,
		.touched = owner_thread_tick(),
		.let_go = let_go,
		.flaw = flaw,
	};

	owner_place_take(&tree.since, call);
	(void)pthread_mutex_lock(&lock);
	tree_put_locked(&tree);
	(void)pthread_mutex_unlock(&lock);
}

/* Return: whether nothing is to be done about it. */
static bool tree_is_settled(const void *root)
{
	uint64_t serial = owner_thread_self().serial;
	struct tree *tree = NULL;
	bool settled = false;

	(void)pthread_mutex_lock(&lock);
	tree = *tree_find_locked(root);
	if (tree != NULL && tree->owner == serial && !tree->let_go) {
		tree->touched = owner_thread_tick();
		settled = true;
	} else if (tree != NULL) {
		settled = tree->reported;
	}
	(void)pthread_mutex_unlock(&lock);
	return settled;
}

/* Return: whether @thread may have it, or has it already. */
static bool tree_is_free_for(const struct tree *tree,
			     const struct owner_thread *thread)
{
	return tree->let_go || tree->owner == thread->serial ||
	       tree->touched < thread->started ||
	       !owner_thread_lives(tree->owner);
}

/* The caller takes it if it may.
 *
 * Return: what is wrong, or NULL; with @ret_was: how the tree was. */
static const char *tree_take(const void *root, const struct owner_place *here,
			     struct tree *ret_was)
{
	struct owner_thread thread = owner_thread_self();
	struct tree taken = {
		.root = root,
		.owner = thread.serial,
		.touched = owner_thread_tick(),
		.since = *here,
	};
	const struct tree *tree = NULL;
	const char *wrong = NULL;

	(void)pthread_mutex_lock(&lock);
	tree = *tree_find_locked(root);
	if (tree != NULL && !tree_is_free_for(tree, &thread)) {
		wrong = "belongs to another thread";
	} else if (tree != NULL && tree->owner != thread.serial) {
		wrong = tree->flaw;
	}
	if (wrong != NULL) {
		*ret_was = *tree;
		taken = *tree;
		taken.reported = true;
	}
	tree_put_locked(&taken);
	(void)pthread_mutex_unlock(&lock);
	return wrong;
}

/* ---- what is said ---- */

static void report(const struct owner_text *text)
{
	int fd = -1;

	if (log_path != NULL) {
		fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			  LOG_MODE);
	}
	(void)!write(fd >= 0 ? fd : STDERR_FILENO, text->text, text->used);
	if (fd >= 0) {
		(void)close(fd);
	}
	if (!only_report) {
		abort();
	}
}

static void complain(const void *ptr, const char *wrong,
		     const struct owner_place *here, const struct tree *was)
{
	struct owner_text text = { .used = 0 };

	owner_text_add(&text,
		       "weft-owner: %s() on a tree that %s\n"
		       "  object    %p \"%s\"",
		       here->call.name, wrong, ptr,
		       OWNER_NEXT_TALLOC(talloc_get_name)(ptr));
	if (ptr != was->root) {
		owner_text_add(&text, " below %p \"%s\"", was->root,
			       OWNER_NEXT_TALLOC(talloc_get_name)(was->root));
	}
	owner_text_add(&text, "\n");
	owner_place_print(here, "touched by", &text);
	owner_place_print(&was->since,
			  was->let_go ? "let go by " : "owned by  ", &text);
	report(&text);
}

/* ---- what is told ---- */

void owner_touch(const void *ptr, const struct owner_call *call)
{
	struct owner_place here;
	struct tree was;
	const void *root = NULL;
	const char *wrong = NULL;

	if (ptr == NULL || posting > 0) {
		return;
	}
	root = tree_root(ptr);
	if (tree_is_settled(root)) {
		return;
	}
	owner_place_take(&here, call);
	wrong = tree_take(root, &here, &was);
	if (wrong != NULL) {
		complain(ptr, wrong, &here, &was);
	}
}

void owner_made(const void *ptr, const struct owner_call *call)
{
	if (ptr == NULL) {
		return;
	}
	if (OWNER_NEXT_TALLOC(talloc_parent)(ptr) == NULL) {
		tree_put(ptr, posting > 0, NULL, call);
	} else {
		owner_touch(ptr, call);
	}
}

void owner_gone(const void *ptr)
{
	uint64_t serial = owner_thread_self().serial;
	struct tree **link = NULL;
	struct tree *tree = NULL;

	(void)pthread_mutex_lock(&lock);
	link = tree_find_locked(ptr);
	tree = *link;
	/* Freed memory may be another thread's new tree by now. */
	if (tree != NULL && (tree->owner == serial || tree->reported)) {
		*link = tree->next;
		free(tree);
	}
	(void)pthread_mutex_unlock(&lock);
}

void owner_moved(const void *ptr, const struct owner_call *call)
{
	if (OWNER_NEXT_TALLOC(talloc_parent)(ptr) == NULL) {
		tree_put(ptr, true, owner_flaw_find(ptr), call);
	} else {
		owner_gone(ptr);
		owner_touch(ptr, call);
	}
}

void owner_give(const void *ptr, const struct owner_call *call)
{
	uint64_t serial = owner_thread_self().serial;
	const struct tree *tree = NULL;
	bool mine = false;

	(void)pthread_mutex_lock(&lock);
	tree = *tree_find_locked(ptr);
	mine = tree != NULL && tree->owner == serial && !tree->reported;
	(void)pthread_mutex_unlock(&lock);
	if (mine) {
		owner_moved(ptr, call);
	}
}

void owner_post_begin(void)
{
	posting++;
}

void owner_post_end(void)
{
	posting--;
}
