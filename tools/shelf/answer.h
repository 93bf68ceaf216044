/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Answer: a reply as the HTTP library wants it.
 */
#pragma once

#include <stdbool.h>

#include <microhttpd.h>

#include "tools/shelf/message.h"

enum MHD_Result answer_queue(struct MHD_Connection *connection,
			     const struct message_reply *reply, bool last);
