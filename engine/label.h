/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Label: how an event is called, and where it comes from. See label.c. */
#pragma once

#include "engine/base.h"
#include "engine/label_door.h"

TEV_EXPORT struct tev_label tev_event_label(enum tev_event_kind kind,
					    const void *event);
