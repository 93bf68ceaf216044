/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Json: writes JSON text; json.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where it goes, and whether the next value comes after another one. Needs
 * nothing but the file; what the file says in the end holds for all. */
struct wf_json {
	FILE *out;
	bool follows;
};

/* Values. @key is that of a member of an object, and a word of ours; NULL: an
 * element of an array, or all there is. Thread: any that owns @json. */

/* Opens '{' or '['; the other side closes it. */
void wf_json_open(struct wf_json *json, const char *key, char bracket);
void wf_json_close(struct wf_json *json, char bracket);

/* Any bytes: what is not UTF-8 shows as U+FFFD. NULL: null. */
void wf_json_text(struct wf_json *json, const char *key, const char *text);
/* At most INT64_MAX: readers refuse more, and all that stands around it. */
void wf_json_number(struct wf_json *json, const char *key, uint64_t number);
/* Nanoseconds, as microseconds with a fraction. */
void wf_json_us(struct wf_json *json, const char *key, uint64_t ns);
void wf_json_bool(struct wf_json *json, const char *key, bool value);
