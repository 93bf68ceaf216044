/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Module: what the parts of _tevent share.
 *
 * Only Python's limited API is used, so one build serves all versions of
 * Python from 3.10 on. This header comes first in a source, as Python asks.
 */
#pragma once

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000
#include <Python.h>

/* The types. They are the module's, not the process's: whoever imports the
 * module anew gets new ones. */
struct module_state {
	PyTypeObject *context;
	PyTypeObject *fd;
	PyTypeObject *queue;
	PyTypeObject *request;
	PyTypeObject *signal;
	PyTypeObject *timer;
};

/* The state of the module that @self's type is of; no type of ours can be
 * derived from. Thread: any.  Lock: the GIL.
 * Owns:   nothing.
 * Return: the state, or NULL with a Python exception. */
static inline struct module_state *module_state_of(PyObject *self)
{
	return PyType_GetModuleState(Py_TYPE(self));
}

/* Frees the memory of an object of ours, whatever it held is gone.
 * Thread: any.  Lock: the GIL.
 * Owns:   takes @self.
 * Return: nothing. */
static inline void module_object_free(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_Del(self);
	Py_DECREF(type);
}
