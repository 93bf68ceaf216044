/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Json: what is written is JSON, whatever the names are. */
#include "threadpool/json.h"

#include <stdlib.h>

#include "tests/fixture.h"

/* What stands between the quotes. */
static void is_written(const char *text, const char *want, const char *name)
{
	struct wf_json json = { .out = NULL };
	char *got = NULL;
	size_t length = 0;

	json.out = open_memstream(&got, &length);
	wf_json_text(&json, NULL, text);
	(void)fclose(json.out);
	if (is_uint(got[0], '"', "%s: begins", name) &&
	    is_uint(got[length - 1], '"', "%s: ends", name)) {
		got[length - 1] = '\0';
		is_str(got + 1, want, "%s", name);
	}
	free(got);
}

static void texts(struct fixture *fx)
{
	(void)fx;
	is_written("", "", "nothing");
	is_written("a b~", "a b~", "plain text");
	is_written("\"\\/", "\\\"\\\\/", "what has a meaning");
	is_written("\x01\t\x1f\x7f", "\\u0001\\u0009\\u001f\\u007f",
		   "what cannot be seen");
	is_written("\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf", "two bytes");
	is_written("\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf",
		   "three bytes");
	is_written("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
		   "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "four bytes");
}

static void what_is_no_text(struct fixture *fx)
{
	(void)fx;
	is_written("\x80z", "\\ufffdz", "one that continues nothing");
	is_written("\xc3", "\\ufffd", "one that is cut");
	is_written("\xe2\x82z", "\\ufffd\\ufffdz", "cut after two");
	is_written("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd", "or three");
	is_written("\xc0\xaf", "\\ufffd\\ufffd", "longer than it must be");
	is_written("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd", "by two");
	is_written("\xf0\x80\x80\xaf", "\\ufffd\\ufffd\\ufffd\\ufffd",
		   "by three");
	is_written("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "half of a pair");
	is_written("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd",
		   "beyond the last");
	is_written("\xff\xfe", "\\ufffd\\ufffd", "no first byte of any");
}

static void all_of_it(struct fixture *fx)
{
	struct wf_json json = { .out = NULL };
	char *got = NULL;
	size_t length = 0;

	(void)fx;
	json.out = open_memstream(&got, &length);
	wf_json_open(&json, NULL, '{');
	wf_json_text(&json, "none", NULL);
	wf_json_open(&json, "list", '[');
	wf_json_number(&json, NULL, 0);
	wf_json_number(&json, NULL, UINT64_MAX);
	wf_json_open(&json, NULL, '{');
	wf_json_close(&json, '}');
	wf_json_bool(&json, NULL, false);
	wf_json_close(&json, ']');
	wf_json_bool(&json, "yes", true);
	wf_json_close(&json, '}');
	(void)fclose(json.out);
	is_str(got,
	       "{\"none\":null,\"list\":[0,9223372036854775807,{},false],"
	       "\"yes\":true}",
	       "values are parted, and only values");
	free(got);
}

int main(void)
{
	fixture_run_flags("texts", texts, FIXTURE_NO_CONTEXT);
	fixture_run_flags("no text", what_is_no_text, FIXTURE_NO_CONTEXT);
	fixture_run_flags("all", all_of_it, FIXTURE_NO_CONTEXT);
	return done();
}
