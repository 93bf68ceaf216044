/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Flaw: what ties a tree to another one, so that it must not change threads.
 *
 * Threads: the owner of the tree.
 */
#pragma once

/* Walks through the whole tree of @root.
 *
 * Thread: owner of the tree.  Lock: none, and the caller holds none.
 * Return: a text, static, that goes on with "a tree that ..."; or NULL. */
const char *owner_flaw_find(const void *root);
