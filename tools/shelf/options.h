/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Options: the command line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
	const char *root;
	const char *store; /* NULL: none */
	size_t upload_max; /* bytes */
	uint16_t port;
	unsigned workers; /* 0: one for each processor */
	unsigned queue;
	unsigned drain_seconds;
	int nice;
	bool here;
	const char *monitor; /* NULL: none */
};

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_SAID, /* help or version: nothing more to do */
	OPTIONS_BAD,  /* the reason stands on stderr */
};

enum options_verdict options_parse(int argc, char **argv,
				   struct options *options);
