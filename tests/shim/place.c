/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Place: who makes a call, and where a fault was.
 *
 * The stack is walked upwards to the first frame that lies in the program or
 * in a library of SHIM_FROM; that one makes the call. What lies between (the
 * shim itself, libc, talloc, liburcu, a sanitizer) works on its behalf. Where
 * objects lie is noted at the start, so that nothing is locked or allocated
 * later: what is loaded by dlopen() counts as being between.
 *
 * A fault is described to SHIM_FD and then happens again, without us. The
 * sanitizers describe faults themselves.
 *
 * Threads: any, after shim_places_init().
 */
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unwind.h>

#include "tests/shim/inside.h"

#define OBJECTS_MAX     16
#define PATHS_MAX       8192
#define HASH_PRIME      0x9e3779b97f4a7c15UL
#define FRAMES_MAX      64
#define OBJECT_NAME_MAX 64

struct object {
	char name[OBJECT_NAME_MAX];
	uintptr_t base;
	uintptr_t start;
	uintptr_t end;
	bool program;
	bool counts;
};

static struct object objects[OBJECTS_MAX]; /* I: */
static size_t object_count;                /* I: */
static bool all_count = true;              /* I: SHIM_FROM is not set */

static struct {
	atomic_ulong path; /* A: 0: free */
	atomic_uint seen;  /* A: */
} paths[PATHS_MAX];

/* Whether @name is in the list with colons; also "libtevent.so.0" for
 * "libtevent.so". */
static bool is_listed(const char *list, const char *name)
{
	while (*list != '\0') {
		size_t length = (size_t)(strchrnul(list, ':') - list);

		if (length > 0 && strncmp(list, name, length) == 0) {
			return true;
		}
		list += length + (list[length] == ':' ? 1 : 0);
	}
	return false;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *from)
{
	struct object *object = &objects[object_count];
	bool program = info->dlpi_name[0] == '\0' && object_count == 0;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash != NULL ? slash + 1 : info->dlpi_name;

	(void)size;
	if (program) {
		name = "program";
	}
	if (object_count == OBJECTS_MAX ||
	    (!program && !is_listed(from, name))) {
		return 0;
	}
	(void)strncpy(object->name, name, OBJECT_NAME_MAX - 1);
	object->program = program;
	object->counts = is_listed(from, name);
	object->base = info->dlpi_addr;
	object->start = UINTPTR_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + part->p_vaddr;
		uintptr_t end = start + part->p_memsz;

		if (part->p_type == PT_LOAD) {
			object->start = start < object->start ? start
							      : object->start;
			object->end = end > object->end ? end : object->end;
		}
	}
	object_count++;
	return 0;
}

void shim_places_init(const char *from)
{
	if (from != NULL) {
		char list[256] = "";

		(void)strncpy(list, from, sizeof(list) - 1);
		all_count = false;
		(void)dl_iterate_phdr(note_object, list);
	}
}

struct shim_place shim_place_of(unsigned long address)
{
	struct shim_place place = { .counts = false };

	for (size_t i = 0; i < object_count; i++) {
		if (address >= objects[i].start && address < objects[i].end) {
			place.object = objects[i].name;
			place.offset = address - objects[i].base;
			place.program = objects[i].program;
			place.counts = objects[i].counts;
			break;
		}
	}
	return place;
}

struct walk {
	struct shim_place place;
	unsigned frames;
	bool to_program; /* on to the program's frame, adding up the path */
};

static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *context,
					 void *arg)
{
	struct walk *walk = arg;
	unsigned long address = _Unwind_GetIP(context);
	struct shim_place place = shim_place_of(address);
	unsigned long path = (walk->place.path ^ address) * HASH_PRIME;

	if (walk->place.object == NULL) {
		walk->place = place;
	}
	walk->place.path = path ^ path >> 32;
	if (++walk->frames == FRAMES_MAX || place.program) {
		return _URC_END_OF_STACK;
	}
	return walk->place.object != NULL && !walk->to_program
		       ? _URC_END_OF_STACK
		       : _URC_NO_REASON;
}

struct shim_place shim_caller(bool with_path)
{
	struct walk walk = { .to_program = with_path };

	if (all_count && !with_path) {
		walk.place.counts = true;
		return walk.place;
	}
	(void)_Unwind_Backtrace(look_at_frame, &walk);
	walk.place.counts = walk.place.counts || all_count;
	return walk.place;
}

unsigned shim_path_seen(unsigned long path)
{
	size_t at = path % PATHS_MAX;

	path += path == 0 ? 1 : 0;
	for (size_t tries = 0; tries < PATHS_MAX; tries++) {
		unsigned long there = 0;

		/* Relaxed: a table of numbers, each for itself. */
		if (atomic_compare_exchange_strong_explicit(
			    &paths[at].path, &there, path, memory_order_relaxed,
			    memory_order_relaxed) ||
		    there == path) {
			return 1 +
			       atomic_fetch_add_explicit(&paths[at].seen, 1,
							 memory_order_relaxed);
		}
		at = (at + 1) % PATHS_MAX;
	}
	return 0;
}

static void on_fault(int signum, siginfo_t *info, void *ucontext)
{
	struct sigaction fall = { .sa_handler = SIG_DFL };
	struct shim_place place = shim_caller(false);

	(void)ucontext;
	shim_say((uintptr_t)info->si_addr < 65536 ? "fault near NULL" : "fault",
		 "", &place);
	(void)sigaction(signum, &fall, NULL);
}

void shim_watch_faults(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS };
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO };

	if (dlsym(RTLD_DEFAULT, "__asan_init") != NULL ||
	    dlsym(RTLD_DEFAULT, "__tsan_init") != NULL) {
		return;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)sigaction(signals[i], &action, NULL);
	}
}
