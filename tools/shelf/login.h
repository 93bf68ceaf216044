/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Login: a password against its argon2id hash.
 */
#pragma once

#include <stddef.h>

int login_worker_init(void **ret_state, void *private_data);
void login_worker_fini(void *state, void *private_data);
size_t login_form_max(void);
