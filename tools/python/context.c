/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Context: a loop as Python sees it.
 *
 * Threads. loop_once() and loop_wait() give the GIL away, so other Python
 * threads run while the loop waits. Nothing below the tevent_context may be
 * touched by them then: whatever they call on it is refused with RuntimeError,
 * and what they drop of its events is laid aside (event.c). Two threads may use
 * a context in turns.
 *
 * Nesting. A loop that is run again by one of its handlers is refused.
 *
 * Python's own signals. Their handlers run between two Python instructions,
 * which are far away while the loop waits. So the loop asks for them after each
 * pass, in tevent's nesting hook; what they raise ends the loop and comes out
 * of loop_once() or loop_wait(). That is how Ctrl-C works. It is not so for
 * what an event's handler raises: the loop goes on.
 *
 * Fork. A child is not in the loop of the thread that forked it, nor of any
 * other, once it has called reinitialise().
 *
 * Limit: one pass serves the signals of all contexts which its thread runs.
 * So an object that belongs to one of these is dropped only by this thread.
 */
/* The nesting hook. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tools/python/context.h"

#include <math.h>

#include "tools/python/event.h"

/* Below this all whole seconds have a double of their own. */
#define SECONDS_MAX 9007199254740992.0
#define USEC_PER_S  1000000

static struct context *context_of(PyObject *self)
{
	return (struct context *)self;
}

bool context_check(const struct context *context)
{
	if (context->ev == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "the context is gone");
		return false;
	}
	if (context_is_elsewhere(context)) {
		PyErr_SetString(PyExc_RuntimeError,
				"another thread is in this loop");
		return false;
	}
	return true;
}

/* After each pass: runs Python's signal handlers. */
static int context_hook(struct tevent_context *Py_UNUSED(ev),
			void *private_data, uint32_t Py_UNUSED(level),
			bool begin, void *Py_UNUSED(stack_ptr),
			const char *Py_UNUSED(location))
{
	PyGILState_STATE gil = PyGILState_UNLOCKED;
	int ret = 0;

	if (begin) {
		return 0;
	}
	gil = PyGILState_Ensure();
	event_bury(private_data);
	ret = PyErr_CheckSignals();
	PyGILState_Release(gil);
	return ret;
}

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
	static char name_keyword[] = "name";
	static char *keywords[] = { name_keyword, NULL };
	const char *name = NULL;
	struct context *self = NULL;

	if (!PyArg_ParseTupleAndKeywords(args, kwds, "|z:Context", keywords,
					 &name)) {
		return NULL;
	}
	self = (struct context *)PyType_GenericAlloc(type, 0);
	if (self == NULL) {
		return NULL;
	}
	self->timers = PySet_New(NULL);
	if (self->timers == NULL) {
		Py_DECREF(self);
		return NULL;
	}
	self->ev = name != NULL ? tevent_context_init_byname(NULL, name)
				: tevent_context_init(NULL);
	if (self->ev == NULL) {
		PyErr_SetNone(PyExc_RuntimeError);
		Py_DECREF(self);
		return NULL;
	}
	tevent_loop_set_nesting_hook(self->ev, context_hook, self);
	return (PyObject *)self;
}

static int context_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(context_of(self)->timers);
	return 0;
}

/* The events first, so that no Python code finds them half gone. */
static int context_clear(PyObject *self)
{
	context_of(self)->dead = NULL;
	TALLOC_FREE(context_of(self)->ev);
	Py_CLEAR(context_of(self)->timers);
	return 0;
}

static void context_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	(void)context_clear(self);
	module_object_free(self);
}

/* Runs the loop by @run, which is one of tevent's functions. */
static PyObject *context_run(struct context *self,
			     int (*run)(struct tevent_context *ev,
					const char *location))
{
	PyThreadState *others = NULL;
	int ret = 0;

	if (!context_check(self)) {
		return NULL;
	}
	if (self->running) {
		PyErr_SetString(PyExc_RuntimeError, "the loop runs already");
		return NULL;
	}
	self->running = true;
	self->thread = PyThread_get_thread_ident();
	self->pid = getpid();
	others = PyEval_SaveThread();
	ret = run(self->ev, __location__);
	PyEval_RestoreThread(others);
	self->running = false;
	event_bury(self);
	if (ret == 0) {
		return Py_NewRef(Py_None);
	}
	if (PyErr_Occurred() == NULL) {
		PyErr_SetNone(PyExc_RuntimeError);
	}
	return NULL;
}

static PyObject *context_loop_once(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return context_run(context_of(self), _tevent_loop_once);
}

static PyObject *context_loop_wait(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return context_run(context_of(self), _tevent_loop_wait);
}

static PyObject *context_reinitialise(PyObject *object,
				      PyObject *Py_UNUSED(unused))
{
	struct context *self = context_of(object);
	int ret = 0;

	if (self->running && self->pid != getpid()) {
		self->running = false;
	}
	if (!context_check(self)) {
		return NULL;
	}
	ret = tevent_re_initialise(self->ev);
	event_bury(self);
	event_cancel_timers(self);
	if (ret != 0) {
		PyErr_SetNone(PyExc_RuntimeError);
		return NULL;
	}
	tevent_loop_set_nesting_hook(self->ev, context_hook, self);
	return Py_NewRef(Py_None);
}

static PyObject *context_add_fd(PyObject *self, PyObject *args)
{
	int fd = -1;
	int flags = 0;
	PyObject *handler = NULL;

	if (!PyArg_ParseTuple(args, "iiO:add_fd", &fd, &flags, &handler) ||
	    !context_check(context_of(self))) {
		return NULL;
	}
	if (flags < 0 || flags > UINT16_MAX) {
		PyErr_SetString(PyExc_OverflowError, "flags have 16 bits");
		return NULL;
	}
	return event_add_fd(context_of(self), fd, (uint16_t)flags, handler);
}

static PyObject *context_add_signal(PyObject *self, PyObject *args)
{
	int signum = 0;
	int sa_flags = 0;
	PyObject *handler = NULL;

	if (!PyArg_ParseTuple(args, "iiO:add_signal", &signum, &sa_flags,
			      &handler) ||
	    !context_check(context_of(self))) {
		return NULL;
	}
	return event_add_signal(context_of(self), signum, sa_flags, handler);
}

/* Splits seconds; parts of a microsecond count as one, so that no timer fires
 * early. Return: false with a Python exception when there is no such time. */
static bool timeval_of(double seconds, struct timeval *ret_time)
{
	double whole = floor(seconds);

	if (!(fabs(whole) < SECONDS_MAX)) {
		PyErr_SetString(PyExc_OverflowError, "there is no such time");
		return false;
	}
	ret_time->tv_sec = (time_t)whole;
	ret_time->tv_usec = (suseconds_t)ceil((seconds - whole) * USEC_PER_S);
	if (ret_time->tv_usec >= USEC_PER_S) {
		ret_time->tv_sec++;
		ret_time->tv_usec -= USEC_PER_S;
	}
	return true;
}

static PyObject *context_add_timer(PyObject *self, PyObject *args)
{
	double seconds = 0;
	struct timeval when;
	PyObject *handler = NULL;

	if (!PyArg_ParseTuple(args, "dO:add_timer", &seconds, &handler) ||
	    !context_check(context_of(self)) || !timeval_of(seconds, &when)) {
		return NULL;
	}
	return event_add_timer(context_of(self), when, handler);
}

static PyObject *context_add_timer_offset(PyObject *self, PyObject *args)
{
	double seconds = 0;
	struct timeval when;
	struct timeval now;
	PyObject *handler = NULL;

	if (!PyArg_ParseTuple(args, "dO:add_timer_offset", &seconds,
			      &handler) ||
	    !context_check(context_of(self)) || !timeval_of(seconds, &when)) {
		return NULL;
	}
	now = tevent_timeval_current();
	timeradd(&now, &when, &when);
	return event_add_timer(context_of(self), when, handler);
}

/* Does nothing, as in stock (B1604): programs that call it must still run. */
static PyObject *context_wakeup_send(PyObject *Py_UNUSED(self),
				     PyObject *Py_UNUSED(when))
{
	return Py_NewRef(Py_None);
}

static PyObject *context_get_signal_support(PyObject *self,
					    void *Py_UNUSED(closure))
{
	if (!context_check(context_of(self))) {
		return NULL;
	}
	return PyBool_FromLong(tevent_signal_support(context_of(self)->ev));
}

static PyMethodDef context_methods[] = {
	{ "loop_once", context_loop_once, METH_NOARGS,
	  "loop_once()\n--\n\nWaits for an event and runs its handler." },
	{ "loop_wait", context_loop_wait, METH_NOARGS,
	  "loop_wait()\n--\n\nRuns the loop until no events are left." },
	{ "reinitialise", context_reinitialise, METH_NOARGS,
	  "reinitialise()\n--\n\nStarts anew, without any event." },
	{ "add_fd", context_add_fd, METH_VARARGS,
	  "add_fd(fd, flags, handler)\n--\n\n"
	  "Calls handler(flags) when fd is ready; flags: 1 read, 2 write.\n"
	  "Returns an Fd, which is to be kept." },
	{ "add_signal", context_add_signal, METH_VARARGS,
	  "add_signal(signum, sa_flags, handler)\n--\n\n"
	  "Calls handler(signum, count) when signals have come.\n"
	  "Returns a Signal, which is to be kept." },
	{ "add_timer", context_add_timer, METH_VARARGS,
	  "add_timer(when, handler)\n--\n\n"
	  "Calls handler(seconds) once, at the time when of time.time().\n"
	  "Returns a Timer." },
	{ "add_timer_offset", context_add_timer_offset, METH_VARARGS,
	  "add_timer_offset(offset, handler)\n--\n\n"
	  "Calls handler(seconds) once, in offset seconds.\n"
	  "Returns a Timer." },
	{ "wakeup_send", context_wakeup_send, METH_O,
	  "wakeup_send(t)\n--\n\nNothing is done; gives None." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef context_attributes[] = {
	{ .name = "signal_support",
	  .get = context_get_signal_support,
	  .doc = "Whether signals can be waited for." },
	{ .name = NULL },
};

static char context_doc[] = "Context(name=None)\n--\n\n"
			    "An event loop; name is one of backend_list().";

static PyType_Slot context_slots[] = {
	{ Py_tp_doc, context_doc },
	{ Py_tp_new, context_new },
	{ Py_tp_traverse, context_traverse },
	{ Py_tp_clear, context_clear },
	{ Py_tp_dealloc, context_dealloc },
	{ Py_tp_methods, context_methods },
	{ Py_tp_getset, context_attributes },
	{ 0, NULL },
};

PyType_Spec context_spec = {
	.name = "tevent.Context",
	.basicsize = sizeof(struct context),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE,
	.slots = context_slots,
};
