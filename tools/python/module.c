/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Module: _tevent, the loop for Python.
 *
 *      module.c    functions and types by name
 *      context.c   Context
 *      event.c     Timer, Signal, Fd
 *      queue.c     Queue, Request
 *      tevent.py   the part of it that programs use
 *
 * An interpreter of its own inside of the process is refused: the handlers
 * could not tell to whom they belong.
 *
 * Threads: any. Lock: the GIL.
 */
#include "tools/python/module.h"

#include <tevent.h>

#include "tools/python/context.h"
#include "tools/python/event.h"
#include "tools/python/queue.h"

static PyObject *module_backend_list(PyObject *Py_UNUSED(self),
				     PyObject *Py_UNUSED(unused))
{
	const char **names = tevent_backend_list(NULL);
	PyObject *list = NULL;
	size_t i = 0;

	if (names == NULL) {
		return PyErr_NoMemory();
	}
	list = PyList_New(0);
	for (i = 0; list != NULL && names[i] != NULL; i++) {
		PyObject *name = PyUnicode_FromString(names[i]);

		if (name == NULL || PyList_Append(list, name) != 0) {
			Py_CLEAR(list);
		}
		Py_XDECREF(name);
	}
	TALLOC_FREE(names);
	return list;
}

static PyObject *module_set_default_backend(PyObject *Py_UNUSED(self),
					    PyObject *args)
{
	const char *name = NULL;

	if (!PyArg_ParseTuple(args, "s:set_default_backend", &name)) {
		return NULL;
	}
	tevent_set_default_backend(name);
	return Py_NewRef(Py_None);
}

/* Makes a type, in @module and in @ret_type. */
static int module_add_type(PyObject *module, PyType_Spec *spec,
			   PyTypeObject **ret_type)
{
	PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);

	if (type == NULL) {
		return -1;
	}
	*ret_type = (PyTypeObject *)type;
	return PyModule_AddType(module, *ret_type);
}

static int module_exec(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
		PyErr_SetString(PyExc_ImportError,
				"_tevent: for the main interpreter only");
		return -1;
	}
	if (module_add_type(module, &context_spec, &state->context) != 0 ||
	    module_add_type(module, &fd_spec, &state->fd) != 0 ||
	    module_add_type(module, &queue_spec, &state->queue) != 0 ||
	    module_add_type(module, &request_spec, &state->request) != 0 ||
	    module_add_type(module, &signal_spec, &state->signal) != 0 ||
	    module_add_type(module, &timer_spec, &state->timer) != 0) {
		return -1;
	}
	return PyModule_AddStringConstant(module, "__version__",
					  TEVENT_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct module_state *state = PyModule_GetState(module);

	Py_VISIT(state->context);
	Py_VISIT(state->fd);
	Py_VISIT(state->queue);
	Py_VISIT(state->request);
	Py_VISIT(state->signal);
	Py_VISIT(state->timer);
	return 0;
}

static int module_clear(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	Py_CLEAR(state->context);
	Py_CLEAR(state->fd);
	Py_CLEAR(state->queue);
	Py_CLEAR(state->request);
	Py_CLEAR(state->signal);
	Py_CLEAR(state->timer);
	return 0;
}

static void module_free(void *module)
{
	(void)module_clear(module);
}

static PyMethodDef module_methods[] = {
	{ "backend_list", module_backend_list, METH_NOARGS,
	  "backend_list()\n--\n\nThe names of the ways to wait." },
	{ "set_default_backend", module_set_default_backend, METH_VARARGS,
	  "set_default_backend(name)\n--\n\n"
	  "Chooses for each later Context() without a name." },
	{ NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, module_exec },
	{ 0, NULL },
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_tevent",
	.m_doc = "Event loops, by libtevent.",
	.m_size = sizeof(struct module_state),
	.m_methods = module_methods,
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__tevent(void);
PyMODINIT_FUNC PyInit__tevent(void)
{
	return PyModuleDef_Init(&module_def);
}
