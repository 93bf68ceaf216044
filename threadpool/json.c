/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Json: writes JSON text, as it comes, without a tree of it.
 *
 * Names of jobs, lanes and threads are bytes of the program's, cut to a length
 * that knows nothing of characters. A reader of JSON refuses what is not UTF-8,
 * and all of the answer with it: so each byte that is not part of a whole
 * character is written as U+FFFD.
 *
 * Threads: see the header.
 */
#include "threadpool/json.h"

#include <inttypes.h>
#include <stddef.h>

#include "engine/base.h"

static void json_begin(struct wf_json *json, const char *key)
{
	if (json->follows) {
		(void)fputc(',', json->out);
	}
	json->follows = true;
	if (key != NULL) {
		(void)fprintf(json->out, "\"%s\":", key);
	}
}

void wf_json_open(struct wf_json *json, const char *key, char bracket)
{
	json_begin(json, key);
	(void)fputc(bracket, json->out);
	json->follows = false;
}

void wf_json_close(struct wf_json *json, char bracket)
{
	(void)fputc(bracket, json->out);
	json->follows = true;
}

/* The lengths of characters, by their first bytes, and the least that each
 * length is for. */
static const struct json_lead {
	unsigned char mask;
	unsigned char value;
	uint32_t least;
} json_leads[] = {
	{ 0xe0, 0xc0, 0x80 },
	{ 0xf0, 0xe0, 0x800 },
	{ 0xf8, 0xf0, 0x10000 },
};

/* Return: the bytes of the character at @text, which is not ASCII; 0: none. */
static size_t json_character(const unsigned char *text)
{
	const struct json_lead *lead = json_leads;
	uint32_t code = 0;
	size_t more = 1;
	size_t i = 0;

	while ((*text & lead->mask) != lead->value) {
		lead++;
		more++;
		if (more > TEV_ARRAY_SIZE(json_leads)) {
			return 0;
		}
	}
	code = *text & (unsigned char)~lead->mask;
	/* The zero at the end continues nothing. */
	for (i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < lead->least || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff)) {
		return 0;
	}
	return more + 1;
}

/* Return: how many bytes it was. */
static size_t json_put(FILE *out, const unsigned char *text)
{
	size_t length = 1;

	if (*text == '"' || *text == '\\') {
		(void)fprintf(out, "\\%c", *text);
	} else if (*text < 0x20 || *text == 0x7f) {
		(void)fprintf(out, "\\u%04x", *text);
	} else if (*text < 0x80) {
		(void)fputc(*text, out);
	} else {
		length = json_character(text);
		if (length == 0) {
			(void)fputs("\\ufffd", out);
			return 1;
		}
		(void)fwrite(text, 1, length, out);
	}
	return length;
}

void wf_json_text(struct wf_json *json, const char *key, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	json_begin(json, key);
	if (text == NULL) {
		(void)fputs("null", json->out);
		return;
	}
	(void)fputc('"', json->out);
	while (*at != '\0') {
		at += json_put(json->out, at);
	}
	(void)fputc('"', json->out);
}

void wf_json_number(struct wf_json *json, const char *key, uint64_t number)
{
	json_begin(json, key);
	(void)fprintf(json->out, "%" PRIu64,
		      number < INT64_MAX ? number : (uint64_t)INT64_MAX);
}

void wf_json_us(struct wf_json *json, const char *key, uint64_t ns)
{
	json_begin(json, key);
	(void)fprintf(json->out, "%" PRIu64 ".%03" PRIu64, ns / 1000,
		      ns % 1000);
}

void wf_json_bool(struct wf_json *json, const char *key, bool value)
{
	json_begin(json, key);
	(void)fputs(value ? "true" : "false", json->out);
}
