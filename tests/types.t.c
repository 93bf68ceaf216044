/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Types: every function, handler, constant and table of tevent.h has the type,
 * value and place that programs were compiled for.
 *
 * The types are compared when this file is compiled, so a change of one breaks
 * the build. At run time each function's name, in parentheses so that no macro
 * gets in the way, must lead to what the library exports under it.
 */
#include <dlfcn.h>
#include <stddef.h>

#define TEVENT_DEPRECATED 1
#include <tevent.h>

#include "tests/fixture.h"
#include "tests/tap.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define SAME_TYPE(what, type, name)                                          \
	_Static_assert(__builtin_types_compatible_p(__typeof__(what), type), \
		       name " has another type")

#define NOTHING(...)
#define SIG(name, result, ...) \
	SAME_TYPE(name, __typeof__(result(__VA_ARGS__)), #name);
#define HANDLER(name, result, ...) \
	SAME_TYPE(name, __typeof__(result(*)(__VA_ARGS__)), #name);
#define VALUE(name, value) _Static_assert((name) == (value), #name);
#define MEMBER(tag, index, name, result, ...)                                  \
	SAME_TYPE(((struct tag *)NULL)->name,                                  \
		  __typeof__(result(*)(__VA_ARGS__)), #tag "." #name);         \
	_Static_assert(offsetof(struct tag, name) == (index) * sizeof(void *), \
		       #tag "." #name " has moved");
#define OPS(...)     MEMBER(tevent_ops, __VA_ARGS__)
#define WRAPPER(...) MEMBER(tevent_wrapper_ops, __VA_ARGS__)
#define AUTHOR       NOTHING
#if TEST_ON_STOCK
#define LATER         NOTHING
#define LATER_HANDLER NOTHING
#define LATER_VALUE   NOTHING
#else
#define LATER         SIG
#define LATER_HANDLER HANDLER
#define LATER_VALUE   VALUE
#endif
#include "tests/abi/tevent-types.def"

_Static_assert(sizeof(struct tevent_ops) == 10 * sizeof(void *), "ten entries");
_Static_assert(sizeof(struct tevent_wrapper_ops) == 11 * sizeof(void *),
	       "a name and ten entries");
SAME_TYPE(((struct tevent_wrapper_ops *)NULL)->name, const char *, "name");
#if !TEST_ON_STOCK
_Static_assert(sizeof(struct tevent_thread_call_depth_state) ==
		       2 * sizeof(void *),
	       "a callback and its data");
SAME_TYPE(tevent_thread_call_depth_state_g,
	  struct tevent_thread_call_depth_state, "the thread's state");
#endif

struct function {
	const char *name;
	void (*address)(void);
};

#undef SIG
#undef HANDLER
#undef VALUE
#undef OPS
#undef WRAPPER
#define SIG(name, ...) { #name, (void (*)(void))(name) },
#define HANDLER        NOTHING
#define VALUE          NOTHING
#define OPS            NOTHING
#define WRAPPER        NOTHING

static const struct function functions[] = {
#include "tests/abi/tevent-types.def"
};

static void test_exported(struct fixture *fx __attribute__((__unused__)))
{
	size_t i = 0;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		const struct function *f = &functions[i];

		is_ptr((const void *)(uintptr_t)f->address,
		       dlsym(RTLD_DEFAULT, f->name), "%s is the library's",
		       f->name);
	}
}

int main(void)
{
	fixture_run("the functions of the header", test_exported);
	return done();
}
