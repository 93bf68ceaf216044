/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Talloc's functions, which tell the checker and then do what they do.
 *
 * Each that writes to a tree is here; so are the reports and sums, which mark
 * the objects that they have seen. What only looks at one object or upwards
 * (names, types, sizes, parents, counts of references) is not.
 *
 * Functions with a variable number of arguments go on through their relatives
 * that take a list.
 *
 * Threads: any.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <talloc.h>

#include "tools/owner/next.h"
#include "tools/owner/owner.h"

/* talloc_set_memlimit() is called on. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define NEXT(fn)             OWNER_NEXT_TALLOC(fn)
#define CALL(name, location) (&(const struct owner_call){ (name), (location) })

/* ---- allocations ---- */

/* A function that allocates below @ctx; @name as programs write it. */
#define MAKES(type, fn, name, ctx, params, args)                  \
	OWNER_EXPORT type fn params                               \
	{                                                         \
		const struct owner_call *call = CALL(name, NULL); \
		type made_ = NULL;                                \
                                                                  \
		owner_touch(ctx, call);                           \
		made_ = NEXT(fn) args;                            \
		owner_made(made_, call);                          \
		return made_;                                     \
	}

MAKES(void *, _talloc, "talloc", ctx, (const void *ctx, size_t size),
      (ctx, size))
MAKES(void *, talloc_named_const, "talloc", ctx,
      (const void *ctx, size_t size, const char *name), (ctx, size, name))
MAKES(void *, _talloc_zero, "talloc_zero", ctx,
      (const void *ctx, size_t size, const char *name), (ctx, size, name))
MAKES(void *, _talloc_memdup, "talloc_memdup", ctx,
      (const void *ctx, const void *p, size_t size, const char *name),
      (ctx, p, size, name))
MAKES(void *, _talloc_array, "talloc_array", ctx,
      (const void *ctx, size_t el_size, unsigned count, const char *name),
      (ctx, el_size, count, name))
MAKES(void *, _talloc_zero_array, "talloc_zero_array", ctx,
      (const void *ctx, size_t el_size, unsigned count, const char *name),
      (ctx, el_size, count, name))
MAKES(void *, talloc_pool, "talloc_pool", ctx, (const void *ctx, size_t size),
      (ctx, size))
MAKES(void *, _talloc_pooled_object, "talloc_pooled_object", ctx,
      (const void *ctx, size_t size, const char *name, unsigned count,
       size_t rest),
      (ctx, size, name, count, rest))
MAKES(char *, talloc_strdup, "talloc_strdup", ctx,
      (const void *ctx, const char *p), (ctx, p))
MAKES(char *, talloc_strndup, "talloc_strndup", ctx,
      (const void *ctx, const char *p, size_t n), (ctx, p, n))
MAKES(char *, talloc_vasprintf, "talloc_vasprintf", ctx,
      (const void *ctx, const char *fmt, va_list ap), (ctx, fmt, ap))

OWNER_EXPORT char *talloc_asprintf(const void *ctx, const char *fmt, ...)
{
	const struct owner_call *call = CALL("talloc_asprintf", NULL);
	char *text = NULL;
	va_list ap;

	owner_touch(ctx, call);
	va_start(ap, fmt);
	text = NEXT(talloc_vasprintf)(ctx, fmt, ap);
	va_end(ap);
	owner_made(text, call);
	return text;
}

/* The name is a child of what it names. */
static const char *name_set(const void *ptr, const char *fmt, va_list ap)
{
	char *name = NEXT(talloc_vasprintf)(ptr, fmt, ap);

	NEXT(talloc_set_name_const)(ptr, name);
	if (name != NULL) {
		NEXT(talloc_set_name_const)(name, ".name");
	}
	return name;
}

static void *make_named(const void *ctx, size_t size, const char *fmt,
			va_list ap, const struct owner_call *call)
{
	void *made = NULL;

	owner_touch(ctx, call);
	made = NEXT(_talloc)(ctx, size);
	if (made == NULL) {
		return NULL;
	}
	if (name_set(made, fmt, ap) == NULL) {
		(void)NEXT(_talloc_free)(made, __location__);
		return NULL;
	}
	owner_made(made, call);
	return made;
}

OWNER_EXPORT void *talloc_named(const void *ctx, size_t size, const char *fmt,
				...)
{
	void *made = NULL;
	va_list ap;

	va_start(ap, fmt);
	made = make_named(ctx, size, fmt, ap, CALL("talloc_named", NULL));
	va_end(ap);
	return made;
}

OWNER_EXPORT void *talloc_init(const char *fmt, ...)
{
	void *made = NULL;
	va_list ap;

	va_start(ap, fmt);
	made = make_named(NULL, 0, fmt, ap, CALL("talloc_init", NULL));
	va_end(ap);
	return made;
}

/* ---- changes of size ---- */

/* The object that was at @before is at @after now; NULL: it was freed, or it
 * is where it was and there is no memory. In that case it is forgotten, which
 * does no harm. */
static void resized(uintptr_t before, const void *after,
		    const struct owner_call *call)
{
	if (before == (uintptr_t)after) {
		return;
	}
	if (before != 0) {
		owner_gone((const void *)before);
	}
	owner_made(after, call);
}

/* A function that makes @ptr larger or smaller; NULL: allocates. */
#define RESIZES(type, fn, name, ctx, ptr, params, args)           \
	OWNER_EXPORT type fn params                               \
	{                                                         \
		const struct owner_call *call = CALL(name, NULL); \
		uintptr_t before_ = (uintptr_t)(ptr);             \
		type after_ = NULL;                               \
                                                                  \
		owner_touch((ptr) != NULL ? (ptr) : (ctx), call); \
		after_ = NEXT(fn) args;                           \
		resized(before_, after_, call);                   \
		return after_;                                    \
	}

RESIZES(void *, _talloc_realloc, "talloc_realloc", ctx, ptr,
	(const void *ctx, void *ptr, size_t size, const char *name),
	(ctx, ptr, size, name))
RESIZES(void *, _talloc_realloc_array, "talloc_realloc", ctx, ptr,
	(const void *ctx, void *ptr, size_t el_size, unsigned count,
	 const char *name),
	(ctx, ptr, el_size, count, name))
RESIZES(void *, talloc_realloc_fn, "talloc_realloc_fn", ctx, ptr,
	(const void *ctx, void *ptr, size_t size), (ctx, ptr, size))
RESIZES(char *, talloc_strdup_append, "talloc_strdup_append", (void *)NULL, s,
	(char *s, const char *a), (s, a))
RESIZES(char *, talloc_strdup_append_buffer, "talloc_strdup_append_buffer",
	(void *)NULL, s, (char *s, const char *a), (s, a))
RESIZES(char *, talloc_strndup_append, "talloc_strndup_append", (void *)NULL, s,
	(char *s, const char *a, size_t n), (s, a, n))
RESIZES(char *, talloc_strndup_append_buffer, "talloc_strndup_append_buffer",
	(void *)NULL, s, (char *s, const char *a, size_t n), (s, a, n))
RESIZES(char *, talloc_vasprintf_append, "talloc_vasprintf_append",
	(void *)NULL, s, (char *s, const char *fmt, va_list ap), (s, fmt, ap))
RESIZES(char *, talloc_vasprintf_append_buffer,
	"talloc_vasprintf_append_buffer", (void *)NULL, s,
	(char *s, const char *fmt, va_list ap), (s, fmt, ap))

OWNER_EXPORT char *talloc_asprintf_append(char *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = talloc_vasprintf_append(s, fmt, ap);
	va_end(ap);
	return text;
}

OWNER_EXPORT char *talloc_asprintf_append_buffer(char *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = talloc_vasprintf_append_buffer(s, fmt, ap);
	va_end(ap);
	return text;
}

/* Without memory the text is freed, and NULL from then on. */
OWNER_EXPORT void talloc_asprintf_addbuf(char **ps, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (*ps == NULL) {
		return;
	}
	va_start(ap, fmt);
	text = talloc_vasprintf_append_buffer(*ps, fmt, ap);
	va_end(ap);
	if (text == NULL) {
		(void)NEXT(_talloc_free)(*ps, __location__);
	}
	*ps = text;
}

/* ---- ends ---- */

/* One that its destructor keeps is let go of all the same. */
OWNER_EXPORT int _talloc_free(void *ptr, const char *location)
{
	int ret = 0;

	owner_touch(ptr, CALL("talloc_free", location));
	ret = NEXT(_talloc_free)(ptr, location);
	owner_gone(ptr);
	return ret;
}

OWNER_EXPORT void talloc_free_children(void *ptr)
{
	owner_touch(ptr, CALL("talloc_free_children", NULL));
	NEXT(talloc_free_children)(ptr);
}

/* What a reference has kept alive hangs below its holder now. */
OWNER_EXPORT int talloc_unlink(const void *ctx, void *ptr)
{
	const struct owner_call *call = CALL("talloc_unlink", NULL);
	int ret = 0;

	owner_touch(ctx, call);
	owner_touch(ptr, call);
	ret = NEXT(talloc_unlink)(ctx, ptr);
	if (ret == 0) {
		owner_gone(ptr);
	}
	return ret;
}

/* ---- moves ---- */

OWNER_EXPORT void *_talloc_steal_loc(const void *new_ctx, const void *ptr,
				     const char *location)
{
	const struct owner_call *call = CALL("talloc_steal", location);
	void *moved = NULL;

	owner_touch(ptr, call);
	owner_touch(new_ctx, call);
	moved = NEXT(_talloc_steal_loc)(new_ctx, ptr, location);
	if (moved != NULL) {
		owner_moved(moved, call);
	}
	return moved;
}

OWNER_EXPORT void *_talloc_move(const void *new_ctx, const void *pptr)
{
	const struct owner_call *call = CALL("talloc_move", NULL);
	const void *ptr = NULL;
	void *moved = NULL;

	memcpy(&ptr, pptr, sizeof(ptr));
	owner_touch(ptr, call);
	owner_touch(new_ctx, call);
	moved = NEXT(_talloc_move)(new_ctx, pptr);
	if (moved != NULL) {
		owner_moved(moved, call);
	}
	return moved;
}

OWNER_EXPORT void *talloc_reparent(const void *old_parent,
				   const void *new_parent, const void *ptr)
{
	const struct owner_call *call = CALL("talloc_reparent", NULL);
	void *moved = NULL;

	owner_touch(ptr, call);
	owner_touch(old_parent, call);
	owner_touch(new_parent, call);
	moved = NEXT(talloc_reparent)(old_parent, new_parent, ptr);
	if (moved != NULL) {
		owner_moved(moved, call);
	}
	return moved;
}

OWNER_EXPORT void *_talloc_reference_loc(const void *ctx, const void *ptr,
					 const char *location)
{
	const struct owner_call *call = CALL("talloc_reference", location);

	owner_touch(ctx, call);
	owner_touch(ptr, call);
	return NEXT(_talloc_reference_loc)(ctx, ptr, location);
}

OWNER_EXPORT int talloc_increase_ref_count(const void *ptr)
{
	owner_touch(ptr, CALL("talloc_increase_ref_count", NULL));
	return NEXT(talloc_increase_ref_count)(ptr);
}

/* ---- what belongs to one object ---- */

OWNER_EXPORT void _talloc_set_destructor(const void *ptr,
					 int (*destructor)(void *))
{
	owner_touch(ptr, CALL("talloc_set_destructor", NULL));
	NEXT(_talloc_set_destructor)(ptr, destructor);
}

OWNER_EXPORT void talloc_set_name_const(const void *ptr, const char *name)
{
	owner_touch(ptr, CALL("talloc_set_name_const", NULL));
	NEXT(talloc_set_name_const)(ptr, name);
}

OWNER_EXPORT const char *talloc_set_name(const void *ptr, const char *fmt, ...)
{
	const char *name = NULL;
	va_list ap;

	owner_touch(ptr, CALL("talloc_set_name", NULL));
	va_start(ap, fmt);
	name = name_set(ptr, fmt, ap);
	va_end(ap);
	return name;
}

OWNER_EXPORT int talloc_set_memlimit(const void *ctx, size_t max_size)
{
	owner_touch(ctx, CALL("talloc_set_memlimit", NULL));
	return NEXT(talloc_set_memlimit)(ctx, max_size);
}

/* ---- whole trees ---- */

OWNER_EXPORT size_t talloc_total_size(const void *ptr)
{
	owner_touch(ptr, CALL("talloc_total_size", NULL));
	return NEXT(talloc_total_size)(ptr);
}

OWNER_EXPORT size_t talloc_total_blocks(const void *ptr)
{
	owner_touch(ptr, CALL("talloc_total_blocks", NULL));
	return NEXT(talloc_total_blocks)(ptr);
}

OWNER_EXPORT void talloc_report_depth_cb(
	const void *ptr, int depth, int max_depth,
	void (*callback)(const void *ptr, int depth, int max_depth, int is_ref,
			 void *private_data),
	void *private_data)
{
	owner_touch(ptr, CALL("talloc_report_depth_cb", NULL));
	NEXT(talloc_report_depth_cb)
	(ptr, depth, max_depth, callback, private_data);
}

OWNER_EXPORT void talloc_report_depth_file(const void *ptr, int depth,
					   int max_depth, FILE *f)
{
	owner_touch(ptr, CALL("talloc_report_depth_file", NULL));
	NEXT(talloc_report_depth_file)(ptr, depth, max_depth, f);
}

OWNER_EXPORT void talloc_report_full(const void *ptr, FILE *f)
{
	owner_touch(ptr, CALL("talloc_report_full", NULL));
	NEXT(talloc_report_full)(ptr, f);
}

OWNER_EXPORT void talloc_report(const void *ptr, FILE *f)
{
	owner_touch(ptr, CALL("talloc_report", NULL));
	NEXT(talloc_report)(ptr, f);
}

/* The object that all parentless ones hang below is freed. */
OWNER_EXPORT void talloc_disable_null_tracking(void)
{
	void *probe = NEXT(_talloc)(NULL, 0);
	const void *all = probe != NULL ? NEXT(talloc_parent)(probe) : NULL;

	(void)NEXT(_talloc_free)(probe, __location__);
	owner_touch(all, CALL("talloc_disable_null_tracking", NULL));
	NEXT(talloc_disable_null_tracking)();
	if (all != NULL) {
		owner_gone(all);
	}
}
