/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sum: the SHA-256 of a file.
 */
#pragma once

struct weft_job;

#define SUM_HEX_SIZE 65 /* with the NUL */

int sum_file(struct weft_job *job, int fd, char hex[SUM_HEX_SIZE]);
