/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* File: regular files below a root, and nothing else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <talloc.h>

#include "tools/shelf/message.h"

int file_root_open(const char *path, int *ret_root_fd);
int file_open(int root_fd, const char *path, int *ret_fd);
ssize_t file_read(int fd, void *piece, size_t size, uint64_t offset);
int file_write(int fd, const void *piece, size_t size, uint64_t offset);
struct message_reply *file_refusal(TALLOC_CTX *mem_ctx, int error);
