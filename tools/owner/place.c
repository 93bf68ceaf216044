/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Place: see place.h. */
#include "tools/owner/place.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The first call loads what unwinds: better now than inside of a program. */
static __attribute__((__constructor__)) void place_init(void)
{
	void *frame = NULL;

	(void)backtrace(&frame, 1);
}

void owner_place_take(struct owner_place *ret_place,
		      const struct owner_call *call)
{
	ret_place->call = *call;
	ret_place->thread = gettid();
	(void)prctl(PR_GET_NAME, ret_place->thread_name);
	ret_place->depth = backtrace(ret_place->frames, OWNER_FRAMES);
}

void owner_text_add(struct owner_text *text, const char *fmt, ...)
{
	size_t room = sizeof(text->text) - text->used;
	va_list ap;
	int added = 0;

	va_start(ap, fmt);
	added = vsnprintf(text->text + text->used, room, fmt, ap);
	va_end(ap);
	if (added > 0) {
		text->used += (size_t)added < room ? (size_t)added : room - 1;
	}
}

/* Return: whether it was a line for the reader. */
static bool frame_print(void *frame, struct owner_text *text)
{
	/* A frame is where a call returns to, which may be the next function
	 * already. */
	char *at = (char *)frame - 1;
	Dl_info info = { NULL, NULL, NULL, NULL };
	Dl_info own = { NULL, NULL, NULL, NULL };
	int found = dladdr(at, &info);

	(void)dladdr((void *)&owner_place_take, &own);
	if (found == 0) {
		owner_text_add(text, "    %p\n", frame);
		return true;
	}
	if (info.dli_fbase == own.dli_fbase) {
		return false;
	}
	if (info.dli_sname != NULL) {
		owner_text_add(text, "    %s+0x%tx in ", info.dli_sname,
			       at - (char *)info.dli_saddr);
	} else {
		owner_text_add(text, "    ");
	}
	owner_text_add(text, "%s(+0x%tx)\n", info.dli_fname,
		       at - (char *)info.dli_fbase);
	return true;
}

void owner_place_print(const struct owner_place *place, const char *what,
		       struct owner_text *text)
{
	int shown = 0;

	owner_text_add(text, "  %s thread %d \"%s\" in %s()%s%s\n", what,
		       (int)place->thread, place->thread_name, place->call.name,
		       place->call.location != NULL ? " at " : "",
		       place->call.location != NULL ? place->call.location
						    : "");
	for (int i = 0; i < place->depth && shown < OWNER_FRAMES_SHOWN; i++) {
		shown += frame_print(place->frames[i], text) ? 1 : 0;
	}
}
