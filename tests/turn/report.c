/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Report: what a story that went wrong has done last, by file and line.
 *
 * addr2line knows these, the function that the compiler has put there, and the
 * one it has put that into. Without it, or in a library, there is the address.
 *
 * Threads: the parent's only one.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/turn/inside.h"

#define PLACES_MAX (TURN_THREADS + 256)

struct place {
	uintptr_t pc;
	char text[128];
};

static struct place places[PLACES_MAX];
static unsigned places_count;

static struct place *place_of(uintptr_t pc)
{
	unsigned i = 0;

	for (i = 0; i < places_count && places[i].pc != pc; i++) {
	}
	if (i == places_count && places_count < PLACES_MAX) {
		places[places_count++].pc = pc;
	}
	return i < PLACES_MAX ? &places[i] : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void place_in_library(struct place *place)
{
	Dl_info info;

	if (dladdr((void *)place->pc, &info) != 0 && info.dli_fname != NULL) {
		(void)snprintf(place->text, sizeof(place->text), "%s %s",
			       base_name(info.dli_fname),
			       info.dli_sname != NULL ? info.dli_sname : "");
	}
}

/* What addr2line says: the address, then two lines for each function. */
static void places_read(FILE *from)
{
	struct place *place = NULL;
	char function[256];
	char line[256];

	while (fgets(line, sizeof(line), from) != NULL) {
		size_t length = 0;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0x", 2) == 0) {
			place = place_of(strtoull(line, NULL, 16) + 1);
			continue;
		}
		(void)snprintf(function, sizeof(function), "%s", line);
		if (fgets(line, sizeof(line), from) == NULL || place == NULL) {
			return;
		}
		line[strcspn(line, " \n")] = '\0';
		length = strlen(place->text);
		(void)snprintf(place->text + length,
			       sizeof(place->text) - length,
			       length == 0 ? "%.40s %.40s" : " < %.0s%.40s",
			       line, function);
	}
}

static void places_name(void)
{
	char command[64 + PLACES_MAX * 20];
	char self[512];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t at = 0;
	FILE *from = NULL;
	unsigned i = 0;

	if (length <= 0) {
		return;
	}
	self[length] = '\0';
	(void)setenv("TURN_PROGRAM", self, 1);
	at = (size_t)snprintf(command, sizeof(command),
			      "addr2line -a -f -i -s -e \"$TURN_PROGRAM\"");
	for (i = 0; i < places_count; i++) {
		at += (size_t)snprintf(command + at, sizeof(command) - at,
				       " 0x%lx",
				       (unsigned long)places[i].pc - 1);
	}
	from = popen(command, "r");
	if (from != NULL) {
		places_read(from);
		(void)pclose(from);
	}
	for (i = 0; i < places_count; i++) {
		if (places[i].text[0] == '\0' || places[i].text[0] == '?') {
			place_in_library(&places[i]);
		}
	}
}

static const char *place_text(uintptr_t pc)
{
	const struct place *place = place_of(pc);

	return place != NULL ? place->text : "";
}

static void print_threads(const struct turn_record *record)
{
	static const char *const states[] = { "could move", "waits", "ended" };
	unsigned i = 0;

	for (i = 0; i < record->threads; i++) {
		const struct turn_seat *seat = &record->seats[i];

		printf("# thread %u %-10s %s\n", i, states[seat->state],
		       place_text(seat->pc));
	}
}

static void print_steps(const struct turn_record *record, uint64_t first)
{
	static const char *const kinds[] = {
		"load",  "store", "rmw",    "fence", "lock",
		"futex", "fd",    "thread", "rest",
	};
	uint64_t i = 0;

	for (i = first; i < record->steps; i++) {
		const struct turn_step *step = &record->ring[i % TURN_RING];

		printf("# %8.6f thread %u %-6s %s\n",
		       (double)step->at_ns / (double)TURN_SECOND, step->thread,
		       kinds[step->kind], place_text(step->pc));
	}
}

void turn_report(const struct turn_record *record, unsigned steps)
{
	uint64_t first = 0;
	uint64_t i = 0;

	steps = steps < TURN_RING ? steps : TURN_RING;
	first = record->steps > steps ? record->steps - steps : 0;
	places_count = 0;
	memset(places, 0, sizeof(places));
	for (i = 0; i < record->threads; i++) {
		(void)place_of(record->seats[i].pc);
	}
	for (i = first; i < record->steps; i++) {
		(void)place_of(record->ring[i % TURN_RING].pc);
	}
	places_name();
	print_threads(record);
	print_steps(record, first);
}
