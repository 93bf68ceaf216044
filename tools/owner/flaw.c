/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Flaw: see flaw.h.
 *
 * References are counted: each member's, and those that the tree holds itself.
 * When the first are more, somebody outside holds one. A reference to an
 * object whose root is another one leads out of the tree.
 *
 * Pools and memory limits are nothing that talloc tells. Each is a pointer in
 * the header in front of an object, null in most objects. Where it stands is
 * found out by comparing an object that has it with one that has not; when
 * that does not give one place exactly, this kind of flaw is not looked for.
 * Members that were counted in a limit above them still are after their tree
 * was taken away from there: talloc tells that to the topmost object only.
 *
 * Threads: the owner of the tree looks.  Ordering: pthread_once.
 */
#include "tools/owner/flaw.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

#include "tools/owner/next.h"

/* talloc_set_memlimit() serves as a probe. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define HEADER_WORDS_MAX 32
#define PROBE_BYTES      1024

struct walk {
	const void *root;
	size_t referred; /* references to members */
	size_t inner;    /* of these, held by members */
	const char *flaw;
};

/* Words in front of an object; 0: unknown. */
static struct {
	size_t pool;
	size_t limit;
} header; /* I: after header_once */
static pthread_once_t header_once = PTHREAD_ONCE_INIT;

static uintptr_t header_word(const void *ptr, size_t word)
{
	return *((const uintptr_t *)ptr - word);
}

/* Return: the only one of @words that @plain lacks and @special has; or 0. */
static size_t header_differs(const void *plain, const void *special,
			     size_t words)
{
	size_t found = 0;

	for (size_t word = 1; word <= words; word++) {
		if (header_word(plain, word) != 0 ||
		    header_word(special, word) == 0) {
			continue;
		}
		if (found != 0) {
			return 0;
		}
		found = word;
	}
	return found;
}

/* The first child of @root has a child of its own: alike in all trees. */
static void *probe_grow(void *root)
{
	void *child = OWNER_NEXT_TALLOC(talloc_named_const)(root, 1, "probe");

	return OWNER_NEXT_TALLOC(talloc_named_const)(child, 1, "probe");
}

static void header_explore(void)
{
	void *plain = OWNER_NEXT_TALLOC(talloc_named_const)(NULL, 1, "probe");
	void *limited = OWNER_NEXT_TALLOC(talloc_named_const)(NULL, 1, "probe");
	void *pool = OWNER_NEXT_TALLOC(talloc_pool)(NULL, PROBE_BYTES);

	if (plain != NULL && limited != NULL && pool != NULL &&
	    OWNER_NEXT_TALLOC(talloc_set_memlimit)(limited, PROBE_BYTES) == 0) {
		const void *usual = probe_grow(plain);
		const void *counted = probe_grow(limited);
		const void *pooled = probe_grow(pool);
		/* The first member's header is where the pool begins. */
		const void *first = OWNER_NEXT_TALLOC(talloc_parent)(pooled);
		size_t words = ((uintptr_t)first - (uintptr_t)pool) /
			       sizeof(uintptr_t);

		if (usual != NULL && counted != NULL && pooled != NULL &&
		    words <= HEADER_WORDS_MAX) {
			header.limit = header_differs(usual, counted, words);
			header.pool = header_differs(usual, pooled, words);
		}
	}
	(void)OWNER_NEXT_TALLOC(_talloc_free)(plain, __location__);
	(void)OWNER_NEXT_TALLOC(_talloc_free)(limited, __location__);
	(void)OWNER_NEXT_TALLOC(_talloc_free)(pool, __location__);
}

static bool walk_holds(const struct walk *walk, const void *ptr)
{
	while (ptr != NULL && ptr != walk->root) {
		ptr = OWNER_NEXT_TALLOC(talloc_parent)(ptr);
	}
	return ptr != NULL;
}

static void walk_see(const void *ptr, int depth, int max_depth, int is_ref,
		     void *private_data)
{
	struct walk *walk = private_data;

	(void)depth;
	(void)max_depth;
	if (is_ref != 0) {
		walk->inner++;
		if (!walk_holds(walk, ptr)) {
			walk->flaw = "holds a reference to another tree";
		}
		return;
	}
	walk->referred += OWNER_NEXT_TALLOC(talloc_reference_count)(ptr);
	if (header.pool != 0 && header_word(ptr, header.pool) != 0) {
		walk->flaw = "has a member of a talloc pool";
	}
	if (header.limit != 0 && header_word(ptr, header.limit) != 0) {
		walk->flaw = "has a memory limit";
	}
}

const char *owner_flaw_find(const void *root)
{
	struct walk walk = { .root = root };

	(void)pthread_once(&header_once, header_explore);
	OWNER_NEXT_TALLOC(talloc_report_depth_cb)
	(root, 0, -1, walk_see, &walk);
	if (walk.flaw == NULL && walk.referred > walk.inner) {
		walk.flaw = "is referred to by another tree";
	}
	return walk.flaw;
}
