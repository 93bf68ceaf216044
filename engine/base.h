/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Base: the few words that every file of both libraries may use.
 *
 * Nothing here has a symbol behind it, so libweft may include it too.
 */
#pragma once

#include <stddef.h>

/* The struct that embeds @ptr as its @member. */
#define tev_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define TEV_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Two neighbouring lines are fetched together on the machines we know, so
 * what two threads write lies 128 bytes apart. */
#define TEV_CACHE_LINE    128
#define TEV_CACHE_ALIGNED _Alignas(TEV_CACHE_LINE)

#define tev_likely(x)   __builtin_expect(!!(x), 1)
#define tev_unlikely(x) __builtin_expect(!!(x), 0)

/* Published in a library's map; everything else is hidden. */
#define TEV_EXPORT __attribute__((visibility("default")))
