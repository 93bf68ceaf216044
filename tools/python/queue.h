/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue: request queues, and requests. The essay is in queue.c. */
#pragma once

#include "tools/python/module.h"

extern PyType_Spec queue_spec;
extern PyType_Spec request_spec;
