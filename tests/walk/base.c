/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Base: choice, lines, things and frames.
 *
 * A pass in which nothing but the library's own descriptors turned is not told
 * (how many there are is nobody's business, B107): its lines are cut off again,
 * and nothing in it may make a choice.
 *
 * A frame is a handler under way. A thing may be freed in its own handler, but
 * not from within a loop that another of its handlers turns: the original
 * loses count there (B145).
 */
#include "tests/walk/walk.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	THING_MAX = 8192,
	FRAME_MAX = 64,
};

struct frame {
	struct thing *thing;
	unsigned loop;
};

struct walk walk;

static struct thing things[THING_MAX];
static unsigned thing_used;
static struct frame frames[FRAME_MAX];
static unsigned frame_used;
static char text[1 << 20];
static size_t text_used;

void walk_begin(void)
{
	memset(&walk, 0, sizeof(walk));
	memset(things, 0, thing_used * sizeof(things[0]));
	thing_used = 0;
	frame_used = 0;
	text_used = 0;
}

static unsigned next_byte(void)
{
	if (walk.bytes_left == 0) {
		return 0;
	}
	walk.bytes_left--;
	return *walk.bytes++;
}

unsigned choose(unsigned count)
{
	if (walk.bytes_left > 0) {
		unsigned value = next_byte();

		if (count > 256) {
			value |= next_byte() << 8;
		}
		return value % count;
	}
	/* xorshift64*, Vigna 2014 */
	walk.state ^= walk.state >> 12;
	walk.state ^= walk.state << 25;
	walk.state ^= walk.state >> 27;
	return (unsigned)((walk.state * 0x2545F4914F6CDD1DULL) >> 33) % count;
}

bool chance(unsigned in)
{
	return choose(in) == 0;
}

void say_flush(void)
{
	FILE *out = walk.out != NULL ? walk.out : stdout;

	(void)fwrite(text, 1, text_used, out);
	(void)fflush(out);
	text_used = 0;
}

static void rescue(int number)
{
	static const char stuck[] = "the end: stuck\n";
	static const char other[] = "the end: aborted\n";
	bool told = write(STDOUT_FILENO, text, text_used) >= 0;

	if (told && number == SIGALRM) {
		told = write(STDOUT_FILENO, stuck, sizeof(stuck) - 1) > 0;
	} else if (told) {
		told = write(STDOUT_FILENO, other, sizeof(other) - 1) > 0;
	}
	_exit(told ? 4 : 5);
}

void say_rescue(unsigned seconds)
{
	(void)signal(SIGALRM, rescue);
	(void)signal(SIGABRT, rescue);
	(void)alarm(seconds);
}

void say(const char *fmt, ...)
{
	va_list ap;
	int len = 0;

	if (text_used + 4096 > sizeof(text)) {
		fputs("walk: too many lines in one step\n", stderr);
		exit(3);
	}
	text_used += (size_t)snprintf(text + text_used, 256, "%u:%*s ",
				      walk.step, (int)frame_used * 2, "");
	va_start(ap, fmt);
	len = vsnprintf(text + text_used, 2048, fmt, ap);
	va_end(ap);
	text_used += len < 2048 ? (size_t)len : 2047;
	text[text_used++] = '\n';
	if (walk.now) {
		say_flush();
	}
}

size_t say_mark(void)
{
	return text_used;
}

void say_cut(size_t mark)
{
	if (!walk.now) {
		text_used = mark;
	}
}

const char *kind_name(enum kind kind)
{
	static const char *const names[KIND_COUNT] = {
		[KIND_EV] = "ev",
		[KIND_WRAP] = "wrap",
		[KIND_PEN] = "pen",
		[KIND_FD] = "fd",
		[KIND_TIMER] = "te",
		[KIND_IM] = "im",
		[KIND_SIGNAL] = "se",
		[KIND_REQ] = "req",
		[KIND_ENTRY] = "entry",
		[KIND_QUEUE] = "queue",
		[KIND_THREADED] = "threaded",
		[KIND_PROXY] = "proxy",
	};

	return names[kind];
}

/* In one of a few buffers in turn: good for one line. */
const char *thing_name(const struct thing *t)
{
	static char names[8][24];
	static unsigned next;
	char *name = names[next++ % 8];

	if (t == NULL) {
		return "-";
	}
	(void)snprintf(name, sizeof(names[0]), "%s%u", kind_name(t->kind),
		       t->id);
	return name;
}

const char *place_name(const char *location)
{
	bool ours = location != NULL && (strncmp(location, "tests/", 6) == 0 ||
					 (strstr(location, "_ran") != NULL &&
					  strncmp(location, "tevent", 6) != 0));

	return ours ? location : "own";
}

struct thing *thing_new(enum kind kind)
{
	struct thing *t = NULL;

	if (thing_used == THING_MAX) {
		say("the end: too many things");
		say_flush();
		exit(0);
	}
	t = &things[thing_used++];
	t->kind = kind;
	t->id = thing_used;
	t->dead = true;
	return t;
}

static int thing_died(struct thing **mark)
{
	(*mark)->dead = true;
	return 0;
}

void thing_born(struct thing *t, void *ptr)
{
	struct thing **mark = NULL;

	t->ptr = ptr;
	t->dead = ptr == NULL;
	if (ptr == NULL) {
		return;
	}
	mark = talloc(ptr, struct thing *);
	if (mark == NULL) {
		abort();
	}
	*mark = t;
	talloc_set_destructor(mark, thing_died);
}

static struct thing *next(struct thing *t, enum kind kind, bool dead)
{
	t = t == NULL ? things : t + 1;
	for (; t < things + thing_used; t++) {
		if (t->kind == kind && t->dead == dead) {
			return t;
		}
	}
	return NULL;
}

struct thing *thing_next(struct thing *after, enum kind kind)
{
	return next(after, kind, false);
}

struct thing *thing_next_dead(struct thing *after, enum kind kind)
{
	return next(after, kind, true);
}

unsigned thing_count(enum kind kind)
{
	struct thing *t = NULL;
	unsigned count = 0;

	while ((t = thing_next(t, kind)) != NULL) {
		count++;
	}
	return count;
}

struct thing *thing_pick(enum kind kind, thing_fn fits)
{
	struct thing *fitting[THING_MAX];
	struct thing *t = NULL;
	unsigned count = 0;

	while ((t = thing_next(t, kind)) != NULL) {
		if (fits == NULL || fits(t)) {
			fitting[count++] = t;
		}
	}
	return count == 0 ? NULL : fitting[choose(count)];
}

static bool below(const struct thing *t, const struct thing *top)
{
	for (; t != NULL; t = t->home) {
		if (t == top) {
			return true;
		}
	}
	return false;
}

/* When a wrapper goes in one of its own handlers, its other events are detached
 * at once here, and after the handler in the original; which then also frees
 * the signal event whose handler it was. */
static bool carries(const struct thing *wrap)
{
	const struct thing *t = NULL;

	for (t = things; t < things + thing_used; t++) {
		if (!t->dead && t->wrap == wrap &&
		    (t->frames == 0 || t->kind == KIND_SIGNAL)) {
			return true;
		}
	}
	return false;
}

static bool loose(const struct thing *t)
{
	unsigned i = 0;

	for (i = 0; i < frame_used; i++) {
		if (frames[i].thing == t && frames[i].loop < walk.loop) {
			return walk.wild && t->kind != KIND_REQ;
		}
	}
	switch (t->kind) {
	case KIND_SIGNAL:
		/* B204; and what fires once is freed by the library */
		return t->frames > 0 ? !t->sig.once
				     : !in_signal(t->sig.number) || walk.wild;
	case KIND_IM:
		return !t->im.posted || walk.wild;
	case KIND_TIMER:
		return true;
	case KIND_THREADED:
		return t->ev == NULL || t->ev->ctx.posted == 0;
	case KIND_WRAP:
		return walk.wild ||
		       ((t->ev == NULL || t->ev->ctx.posted == 0) &&
			!req_holds(NULL, t) && !queue_holds(t) &&
			(t->frames == 0 || !carries(t)));
	default:
		return !t->rerun || walk.wild;
	}
}

bool thing_loose(const struct thing *t)
{
	const struct thing *other = NULL;

	if (t->dead || walk.pins > 0) {
		return false;
	}
	for (other = things; other < things + thing_used; other++) {
		if (!other->dead && below(other, t) && !loose(other)) {
			return false;
		}
	}
	return true;
}

void thing_doom(struct thing *t)
{
	struct thing *other = NULL;

	for (other = things; other < things + thing_used; other++) {
		if (other->dead || !below(other, t)) {
			continue;
		}
		other->dead = true;
		if (other->kind == KIND_WRAP) {
			thing_detach(NULL, other);
		}
	}
}

void thing_free(struct thing *t)
{
	void *ptr = t->ptr;

	say("free %s", thing_name(t));
	thing_doom(t);
	(void)talloc_free(ptr);
}

bool thing_free_any(struct thing *t)
{
	if (t == NULL || !thing_loose(t)) {
		return false;
	}
	thing_free(t);
	return true;
}

void thing_detach(const struct thing *ev, const struct thing *wrap)
{
	struct thing *t = NULL;

	for (t = things; t < things + thing_used; t++) {
		if (ev != NULL && t->kind == KIND_WRAP && t->ev == ev) {
			thing_detach(NULL, t);
		}
		if (t->kind == KIND_REQ &&
		    (ev != NULL ? t->req.end_ev == ev
				: t->req.end_wrap == wrap)) {
			t->req.lost = true;
		}
		if (ev != NULL ? t->ev != ev : t->wrap != wrap) {
			continue;
		}
		t->ev = NULL;
		if (t->kind == KIND_IM) {
			t->im.spoiled = wrap != NULL && !walk.wild;
			t->im.posted = false;
		}
	}
}

void enter(struct thing *t)
{
	if (frame_used == FRAME_MAX) {
		abort();
	}
	frames[frame_used].thing = t;
	frames[frame_used].loop = walk.loop;
	frame_used++;
	t->frames++;
}

void leave(struct thing *t)
{
	frame_used--;
	t->frames--;
	t->rerun = t->frames > 0;
}

bool in_signal(int number)
{
	unsigned i = 0;

	for (i = 0; i < frame_used; i++) {
		const struct thing *t = frames[i].thing;

		if (t->kind == KIND_SIGNAL &&
		    (number == 0 || t->sig.number == number)) {
			return true;
		}
	}
	return false;
}

unsigned depth(void)
{
	return frame_used;
}
