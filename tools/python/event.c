/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Event: Timer, Signal and Fd, one struct with three names.
 *
 *      Python                          talloc
 *      ------                          ------
 *      Context ----------------------> tevent_context
 *        | timers                        |
 *        v                               v
 *      Timer, Signal, Fd <-----------> watch
 *        |                               |
 *        v                               v
 *      handler                         tevent_timer, _signal, _fd
 *
 * A watch is what the event's handler is given. Object and watch know each
 * other, and whoever goes first clears the other's pointer:
 *  1. The object goes: it frees its watch and with it the event. A Timer
 *     stays until it has fired, because its context holds it.
 *  2. The context goes: talloc frees the watches. The objects stay and do
 *     nothing any more. They do not keep the context.
 *  3. The object goes while another thread is in the loop: talloc's tree is
 *     that thread's. The watch is put on context->dead, where its handler
 *     finds no object and does nothing, and is freed between two passes.
 *
 * Handlers run inside of the loop, which was entered without the GIL; so each
 * takes it. While one runs, its object and its context are held, so it may
 * drop both. What it raises goes to sys.unraisablehook and nowhere else.
 *
 * Cycles through a handler are the garbage collector's: it sees what an object
 * holds, and through its context what pending timers hold.
 *
 * Threads: that of the loop, but for the end of an object: any. Lock: the GIL.
 */
#include "tools/python/event.h"

#include <errno.h>

/* Child of the context, parent of the event. */
struct watch {
	struct context *context;
	struct event *event; /* NULL: the object is gone */
	struct watch *next;  /* in context->dead */
};

struct event {
	PyObject ob_base;
	struct watch *watch; /* NULL: fired, or the context is gone */
	PyObject *handler;
};

static int watch_destructor(struct watch *watch)
{
	if (watch->event != NULL) {
		watch->event->watch = NULL;
	}
	return 0;
}

/* A new object of @type that watches nothing yet. */
static struct event *event_create(struct context *context, PyTypeObject *type,
				  PyObject *handler)
{
	struct event *event = NULL;
	struct watch *watch = NULL;

	if (!PyCallable_Check(handler)) {
		PyErr_SetString(PyExc_TypeError, "the handler is not callable");
		return NULL;
	}
	event = (struct event *)PyType_GenericAlloc(type, 0);
	if (event == NULL) {
		return NULL;
	}
	watch = talloc_zero(context->ev, struct watch);
	if (watch == NULL) {
		PyErr_NoMemory();
		Py_DECREF(event);
		return NULL;
	}
	Py_INCREF(handler);
	event->handler = handler;
	event->watch = watch;
	watch->event = event;
	watch->context = context;
	talloc_set_destructor(watch, watch_destructor);
	return event;
}

/* Ends the event, at once or as soon as the loop's thread comes by. */
static void event_release(struct event *event)
{
	struct watch *watch = event->watch;

	if (watch == NULL) {
		return;
	}
	event->watch = NULL;
	watch->event = NULL;
	if (context_is_elsewhere(watch->context)) {
		watch->next = watch->context->dead;
		watch->context->dead = watch;
		return;
	}
	talloc_free(watch);
}

void event_bury(struct context *context)
{
	while (context->dead != NULL) {
		struct watch *watch = context->dead;

		context->dead = watch->next;
		talloc_free(watch);
	}
}

void event_cancel_timers(struct context *context)
{
	while (PySet_Size(context->timers) > 0) {
		PyObject *timer = PySet_Pop(context->timers);

		event_release((struct event *)timer);
		Py_DECREF(timer);
	}
}

/* Calls @handler with @args, a new reference or NULL with an exception. */
static void handler_call(PyObject *handler, PyObject *args)
{
	PyObject *result = NULL;

	if (args != NULL) {
		result = PyObject_CallObject(handler, args);
		Py_DECREF(args);
	}
	if (result == NULL) {
		PyErr_WriteUnraisable(handler);
	}
	Py_XDECREF(result);
}

/* Calls the handler of @watch, if its object is still there, with one argument
 * or, when @second is not negative, two. It may free anything. */
static void watch_call(struct watch *watch, int first, int second)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	struct event *event = watch->event;

	if (event != NULL) {
		struct context *context = watch->context;
		PyObject *handler = event->handler;

		Py_INCREF(context);
		Py_INCREF(event);
		Py_INCREF(handler);
		handler_call(handler,
			     second < 0 ? Py_BuildValue("(i)", first)
					: Py_BuildValue("(ii)", first, second));
		Py_DECREF(handler);
		Py_DECREF(event);
		Py_DECREF(context);
	}
	PyGILState_Release(gil);
}

static void fd_ready(struct tevent_context *Py_UNUSED(ev),
		     struct tevent_fd *Py_UNUSED(fde), uint16_t flags,
		     void *private_data)
{
	watch_call(private_data, flags, -1);
}

static void signal_came(struct tevent_context *Py_UNUSED(ev),
			struct tevent_signal *Py_UNUSED(se), int signum,
			int count, void *Py_UNUSED(siginfo), void *private_data)
{
	watch_call(private_data, signum, count);
}

/* A timer is through before its handler runs: it is not active, its context
 * does not hold it, and it holds its handler no more. */
static void timer_due(struct tevent_context *Py_UNUSED(ev),
		      struct tevent_timer *Py_UNUSED(te), struct timeval now,
		      void *private_data)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	struct watch *watch = private_data;
	struct context *context = watch->context;
	struct event *event = watch->event;
	PyObject *handler = event->handler;

	Py_INCREF(event);
	event->handler = NULL;
	event_release(event);
	(void)PySet_Discard(context->timers, (PyObject *)event);
	handler_call(handler, Py_BuildValue("(L)", (long long)now.tv_sec));
	Py_DECREF(handler);
	Py_DECREF(event);
	PyGILState_Release(gil);
}

PyObject *event_add_fd(struct context *context, int fd, uint16_t flags,
		       PyObject *handler)
{
	struct module_state *state = module_state_of((PyObject *)context);
	struct event *event = event_create(context, state->fd, handler);

	if (event != NULL && tevent_add_fd(context->ev, event->watch, fd, flags,
					   fd_ready, event->watch) == NULL) {
		PyErr_SetNone(PyExc_RuntimeError);
		Py_CLEAR(event);
	}
	return (PyObject *)event;
}

PyObject *event_add_signal(struct context *context, int signum, int sa_flags,
			   PyObject *handler)
{
	struct module_state *state = module_state_of((PyObject *)context);
	struct event *event = event_create(context, state->signal, handler);

	errno = ENOMEM;
	if (event != NULL &&
	    tevent_add_signal(context->ev, event->watch, signum, sa_flags,
			      signal_came, event->watch) == NULL) {
		PyErr_SetFromErrno(PyExc_OSError);
		Py_CLEAR(event);
	}
	return (PyObject *)event;
}

PyObject *event_add_timer(struct context *context, struct timeval when,
			  PyObject *handler)
{
	struct module_state *state = module_state_of((PyObject *)context);
	struct event *event = event_create(context, state->timer, handler);

	if (event == NULL) {
		return NULL;
	}
	if (PySet_Add(context->timers, (PyObject *)event) != 0) {
		Py_DECREF(event);
		return NULL;
	}
	if (tevent_add_timer(context->ev, event->watch, when, timer_due,
			     event->watch) == NULL) {
		PyErr_NoMemory();
		(void)PySet_Discard(context->timers, (PyObject *)event);
		Py_CLEAR(event);
	}
	return (PyObject *)event;
}

static int event_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct event *)self)->handler);
	return 0;
}

static int event_clear(PyObject *self)
{
	event_release((struct event *)self);
	Py_CLEAR(((struct event *)self)->handler);
	return 0;
}

static void event_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	(void)event_clear(self);
	module_object_free(self);
}

static PyObject *timer_get_active(PyObject *self, void *Py_UNUSED(closure))
{
	return PyBool_FromLong(((struct event *)self)->watch != NULL);
}

static PyGetSetDef timer_attributes[] = {
	{ .name = "active",
	  .get = timer_get_active,
	  .doc = "Whether it is still to fire." },
	{ .name = NULL },
};

static char fd_doc[] = "The watch on a descriptor; it ends with the object.";

static PyType_Slot fd_slots[] = {
	{ Py_tp_doc, fd_doc },
	{ Py_tp_traverse, event_traverse },
	{ Py_tp_clear, event_clear },
	{ Py_tp_dealloc, event_dealloc },
	{ 0, NULL },
};

static char signal_doc[] = "The watch on a signal; it ends with the object.";

static PyType_Slot signal_slots[] = {
	{ Py_tp_doc, signal_doc },
	{ Py_tp_traverse, event_traverse },
	{ Py_tp_clear, event_clear },
	{ Py_tp_dealloc, event_dealloc },
	{ 0, NULL },
};

static char timer_doc[] = "A timer; it fires if the object is kept or not.";

static PyType_Slot timer_slots[] = {
	{ Py_tp_doc, timer_doc },           { Py_tp_traverse, event_traverse },
	{ Py_tp_clear, event_clear },       { Py_tp_dealloc, event_dealloc },
	{ Py_tp_getset, timer_attributes }, { 0, NULL },
};

#define EVENT_FLAGS                                \
	(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | \
	 Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)

PyType_Spec fd_spec = {
	.name = "tevent.Fd",
	.basicsize = sizeof(struct event),
	.flags = EVENT_FLAGS,
	.slots = fd_slots,
};

PyType_Spec signal_spec = {
	.name = "tevent.Signal",
	.basicsize = sizeof(struct event),
	.flags = EVENT_FLAGS,
	.slots = signal_slots,
};

PyType_Spec timer_spec = {
	.name = "tevent.Timer",
	.basicsize = sizeof(struct event),
	.flags = EVENT_FLAGS,
	.slots = timer_slots,
};
