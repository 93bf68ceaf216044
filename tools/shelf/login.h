/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Login: a password against its argon2id hash.
 */
#pragma once

#include <stddef.h>

void login_forget_memory(void);
size_t login_form_max(void);
