/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* tevent.h as every libtevent from 0.14.1 on can serve it.
 *
 * Newer headers turn some old functions into macros over newer symbols. The
 * old symbols are still there; without these macros libweft asks for nothing
 * that 0.14.1 does not have. All of libweft includes tevent.h through here.
 */
#pragma once

#include <tevent.h>

#undef tevent_req_set_callback
#undef tevent_req_set_cancel_fn
#undef tevent_req_set_cleanup_fn
