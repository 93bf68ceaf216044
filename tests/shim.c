/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shim: makes the Nth call of a kind fail, in a process it is preloaded into.
 *
 * Steered by the program itself (shim.h) or by the environment:
 *
 *      SHIM_FAIL=malloc:17 LD_PRELOAD=build/release/tests/shim.so PROGRAM
 *
 * fails the 17th allocation, counted over all threads from the loading of the
 * shim on; kinds are malloc, eventfd, epoll_create1 and
 * pthread_create. SHIM_FAIL=malloc:17,eventfd:1 fails one of each. When a call
 * has been made to fail, "shim: KIND failed" is written to the descriptor
 * SHIM_FD (default: none), so that a sweep knows when it is through.
 *
 * Each failure is what the kernel or libc would do: ENOMEM, EMFILE, EAGAIN.
 *
 * The next definition of each function is looked up once. dlsym() itself may
 * allocate, and finds nothing when the allocation comes from inside another
 * dlsym(), so until malloc's has been found memory comes from a small arena
 * that is never given back.
 *
 * Only what threads do from their start function on counts: the run-time
 * libraries of sanitizers allocate when a thread begins, and do not forgive.
 *
 * Under AddressSanitizer the shim comes before its run-time library, which
 * has to be allowed: ASAN_OPTIONS=verify_asan_link_order=0.
 *
 * Threads: any; counters are atomic.
 */
#include "tests/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ARENA_BYTES 65536
#define ARENA_ALIGN 16

static const char *const call_names[SHIM_CALLS] = { "malloc", "eventfd",
						    "epoll_create1",
						    "pthread_create" };

static struct {
	/* A: calls until the one that fails; 0 or less: none will */
	atomic_long left;
	atomic_bool failed; /* A: relaxed, as the counter */
} shots[SHIM_CALLS];

static int report_fd = -1; /* I: */

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	int (*posix_memalign)(void **ret, size_t alignment, size_t size);
	void (*free)(void *ptr);
	int (*eventfd)(unsigned count, int flags);
	int (*epoll_create1)(int flags);
	int (*pthread_create)(pthread_t *thread, const pthread_attr_t *attr,
			      void *(*start)(void *arg), void *arg);
} next; /* I: once looked up */

static _Alignas(ARENA_ALIGN) char arena[ARENA_BYTES];
static atomic_size_t arena_used; /* A: relaxed, a ticket */
static __thread volatile bool inside
	__attribute__((__tls_model__("initial-exec")));
/* Initial-exec: a sanitizer's __tls_get_addr() is not ready that early.
 * Volatile: dlsym() is declared as one that never calls back. */
static __thread volatile bool looking_up
	__attribute__((__tls_model__("initial-exec")));

static void *look_up(const char *name)
{
	void *found = NULL;

	looking_up = true;
	found = dlsym(RTLD_NEXT, name);
	looking_up = false;
	return found;
}

/* ISO C has no cast from an object pointer to a function pointer. */
#define LOOK_UP(name)                                              \
	do {                                                       \
		if (next.name == NULL) {                           \
			void *found = look_up(#name);              \
			memcpy(&next.name, &found, sizeof(found)); \
		}                                                  \
	} while (0)

static void *arena_take(size_t size)
{
	size_t room = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	/* Relaxed: only the number counts. */
	size_t start = atomic_fetch_add_explicit(&arena_used, room,
						 memory_order_relaxed);

	if (size > ARENA_BYTES || start > ARENA_BYTES - room) {
		return NULL;
	}
	return arena + start;
}

static bool arena_has(const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr;

	return at >= (uintptr_t)arena && at < (uintptr_t)arena + ARENA_BYTES;
}

static void report(enum shim_call call)
{
	static const char head[] = "shim: ";
	static const char tail[] = " failed\n";

	if (report_fd >= 0) {
		(void)!write(report_fd, head, sizeof(head) - 1);
		(void)!write(report_fd, call_names[call],
			     strlen(call_names[call]));
		(void)!write(report_fd, tail, sizeof(tail) - 1);
	}
}

/* True for the call that shall fail. */
static bool shoot(enum shim_call call)
{
	long left = 0;

	if (!inside) {
		return false;
	}
	/* Relaxed: a count, it orders nothing. */
	left = atomic_load_explicit(&shots[call].left, memory_order_relaxed);
	if (left != SHIM_EVERY &&
	    (left <= 0 ||
	     atomic_fetch_sub_explicit(&shots[call].left, 1,
				       memory_order_relaxed) != 1)) {
		return false;
	}
	atomic_store_explicit(&shots[call].failed, true, memory_order_relaxed);
	report(call);
	return true;
}

void shim_arm(enum shim_call call, long nth)
{
	atomic_store_explicit(&shots[call].failed, false, memory_order_relaxed);
	atomic_store_explicit(&shots[call].left, nth, memory_order_relaxed);
}

bool shim_disarm(enum shim_call call)
{
	atomic_store_explicit(&shots[call].left, 0, memory_order_relaxed);
	return atomic_load_explicit(&shots[call].failed, memory_order_relaxed);
}

/* "malloc:17,eventfd:1" */
static void parse(const char *text)
{
	while (*text != '\0') {
		const char *colon = strchr(text, ':');
		char *end = NULL;

		for (int call = 0; colon != NULL && call < SHIM_CALLS; call++) {
			size_t length = strlen(call_names[call]);

			if ((size_t)(colon - text) == length &&
			    strncmp(text, call_names[call], length) == 0) {
				shim_arm((enum shim_call)call,
					 strtol(colon + 1, &end, 10));
			}
		}
		if (end == NULL || (*end != ',' && *end != '\0')) {
			static const char message[] =
				"shim: SHIM_FAIL is KIND:N,...\n";
			(void)!write(STDERR_FILENO, message,
				     sizeof(message) - 1);
			_exit(125);
		}
		text = *end == ',' ? end + 1 : end;
	}
}

static __attribute__((__constructor__)) void shim_init(void)
{
	const char *fail = getenv("SHIM_FAIL");
	const char *fd = getenv("SHIM_FD");

	LOOK_UP(malloc);
	LOOK_UP(calloc);
	LOOK_UP(realloc);
	LOOK_UP(aligned_alloc);
	LOOK_UP(posix_memalign);
	LOOK_UP(free);
	LOOK_UP(eventfd);
	LOOK_UP(epoll_create1);
	LOOK_UP(pthread_create);
	inside = true;
	if (fd != NULL) {
		report_fd = (int)strtol(fd, NULL, 10);
	}
	if (fail != NULL) {
		parse(fail);
	}
}

void *malloc(size_t size)
{
	if (looking_up) {
		return arena_take(size);
	}
	LOOK_UP(malloc);
	if (next.malloc == NULL) {
		return arena_take(size);
	}
	if (shoot(SHIM_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return next.malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (looking_up) {
		return arena_take(count * size);
	}
	LOOK_UP(calloc);
	if (next.calloc == NULL) {
		return arena_take(count * size);
	}
	if (shoot(SHIM_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return next.calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
	if (looking_up) {
		return NULL;
	}
	LOOK_UP(realloc);
	if (arena_has(ptr)) {
		/* Its size is unknown: what lies behind is copied along. */
		size_t rest = (size_t)(arena + ARENA_BYTES - (char *)ptr);
		void *copy = malloc(size);

		if (copy != NULL) {
			memcpy(copy, ptr, size < rest ? size : rest);
		}
		return copy;
	}
	if (shoot(SHIM_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return next.realloc(ptr, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	LOOK_UP(aligned_alloc);
	if (shoot(SHIM_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return next.aligned_alloc(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	LOOK_UP(posix_memalign);
	if (shoot(SHIM_MALLOC)) {
		return ENOMEM;
	}
	return next.posix_memalign(ret, alignment, size);
}

void free(void *ptr)
{
	if (ptr == NULL || arena_has(ptr)) {
		return;
	}
	if (next.free == NULL && looking_up) {
		return; /* an old message of dlsym(): lost, once */
	}
	LOOK_UP(free);
	next.free(ptr);
}

int eventfd(unsigned count, int flags)
{
	LOOK_UP(eventfd);
	if (shoot(SHIM_EVENTFD)) {
		errno = EMFILE;
		return -1;
	}
	return next.eventfd(count, flags);
}

int epoll_create1(int flags)
{
	LOOK_UP(epoll_create1);
	if (shoot(SHIM_EPOLL_CREATE)) {
		errno = EMFILE;
		return -1;
	}
	return next.epoll_create1(flags);
}

struct begin {
	void *(*start)(void *arg);
	void *arg;
};

static void *begin_thread(void *arg)
{
	struct begin begin = *(struct begin *)arg;
	void *result = NULL;

	next.free(arg);
	inside = true;
	result = begin.start(begin.arg);
	inside = false;
	return result;
}

int pthread_create(pthread_t *restrict thread,
		   const pthread_attr_t *restrict attr,
		   void *(*start)(void *arg), void *restrict arg)
{
	struct begin *begin = NULL;
	bool was_inside = inside;
	int ret = 0;

	LOOK_UP(pthread_create);
	if (shoot(SHIM_PTHREAD_CREATE)) {
		return EAGAIN;
	}
	begin = next.malloc(sizeof(*begin));
	if (begin == NULL) {
		return EAGAIN;
	}
	*begin = (struct begin){ start, arg };
	inside = false;
	ret = next.pthread_create(thread, attr, begin_thread, begin);
	inside = was_inside;
	if (ret != 0) {
		next.free(begin);
	}
	return ret;
}
