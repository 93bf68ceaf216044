/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Iotest: what the tests of ready-made jobs about files have in common. */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/pooltest.h"

#define MIB ((size_t)1 << 20)

static inline void req_ended(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = true;
}

/* Turns until @req has ended: not before this was called. */
static inline struct tevent_req *ended(struct fixture *fx,
				       struct tevent_req *req)
{
	bool done = false;

	if (req == NULL) {
		bail_out("no memory for a request");
	}
	tevent_req_set_callback(req, req_ended, &done);
	if (!fixture_turn_until(fx->ev, &done)) {
		bail_out("the loop has failed");
	}
	return req;
}

static inline int file_of(const char *text)
{
	int fd = memfd_create("io", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = strlen(text);

	if (fd == -1 || write(fd, text, size) != (ssize_t)size) {
		bail_out("no file to work on");
	}
	return fd;
}

static inline uint8_t *bytes_new(struct fixture *fx, size_t count)
{
	uint8_t *bytes = talloc_array(fx->mem, uint8_t, count);
	size_t i = 0;

	for (i = 0; i < count; i++) {
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	}
	return bytes;
}

static inline off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : -1;
}

/* A directory of its own, with a path to be freed. */
struct place {
	char path[PATH_MAX];
	int fd;
};

static inline void place_open(struct place *place)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(place->path, sizeof(place->path), "%s/weft-io.%ld",
		       base != NULL ? base : P_tmpdir, (long)getpid());
	if (mkdir(place->path, 0700) != 0) {
		bail_out("no directory to work in");
	}
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline void place_close(struct place *place, const char *name)
{
	if (name != NULL) {
		(void)unlinkat(place->fd, name, 0);
	}
	(void)close(place->fd);
	(void)rmdir(place->path);
}
