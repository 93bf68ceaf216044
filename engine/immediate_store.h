/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate store: how immediates are made and freed. See immediate_store.c. */
#pragma once

struct tevent_immediate;

void tev_immediate_sign(struct tevent_immediate *im);
void tev_immediate_free(struct tevent_immediate *im);
unsigned tev_immediate_stored(void);
