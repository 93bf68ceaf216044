/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* View: a snapshot as a page; view.c. */
#pragma once

#include <jansson.h>

#include "tools/top/page.h"

/* Adds what @now says to @page; rates and times as they were since @before,
 * which may be NULL: since the start. */
void view_fill(struct page *page, const json_t *now, const json_t *before);
