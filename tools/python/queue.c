/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue: request queues, and requests.
 *
 * Nothing in Python makes one: an extension does that has requests to offer. It
 * allocates an object of the type and sets the first field after the object's
 * head; from then on the object owns that queue or request, and frees it.
 *
 *      Queue.add()     the Request holds trigger and context until it goes, so
 *                      a request can be added once
 *      its turn        trigger(request); what it raises goes to
 *                      sys.unraisablehook
 *      Request goes    the request is freed, its place in the queue is the
 *                      next one's
 *
 * Of a Request's methods only cancel() does something; the others take
 * anything and give None, as in stock.
 *
 * Threads: that of the loop. Lock: the GIL.
 */
#include "tools/python/queue.h"

#include <tevent.h>

#include "tools/python/context.h"

struct queue {
	PyObject ob_base;
	struct tevent_queue *queue;
};

struct request {
	PyObject ob_base;
	struct tevent_req *req;
	struct context *context; /* or NULL: not in a queue */
	PyObject *trigger;
};

/* Return: the queue, or NULL with a Python exception. */
static struct tevent_queue *queue_get(PyObject *self)
{
	struct tevent_queue *queue = ((struct queue *)self)->queue;

	if (queue == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "there is no queue");
	}
	return queue;
}

/* Return: the request, or NULL with a Python exception. */
static struct tevent_req *request_get(PyObject *self)
{
	struct tevent_req *req = ((struct request *)self)->req;

	if (req == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "there is no request");
	}
	return req;
}

/* The turn of the request whose object is @private_data. */
static void queue_trigger(struct tevent_req *Py_UNUSED(req), void *private_data)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	struct request *self = private_data;
	PyObject *trigger = self->trigger;
	PyObject *result = NULL;

	Py_INCREF(self);
	Py_INCREF(trigger);
	result = PyObject_CallFunctionObjArgs(trigger, (PyObject *)self, NULL);
	if (result == NULL) {
		PyErr_WriteUnraisable(trigger);
	}
	Py_XDECREF(result);
	Py_DECREF(trigger);
	Py_DECREF(self);
	PyGILState_Release(gil);
}

/* Whether the objects are such that @request may be added. */
static bool queue_may_add(PyObject *queue, struct context *context,
			  struct request *request, PyObject *trigger)
{
	if (!PyCallable_Check(trigger)) {
		PyErr_SetString(PyExc_TypeError, "the trigger is not callable");
		return false;
	}
	if (queue_get(queue) == NULL ||
	    request_get((PyObject *)request) == NULL ||
	    !context_check(context)) {
		return false;
	}
	if (request->trigger != NULL) {
		PyErr_SetString(PyExc_RuntimeError,
				"the request was added before");
		return false;
	}
	return true;
}

static PyObject *queue_add(PyObject *self, PyObject *args)
{
	struct module_state *state = module_state_of(self);
	struct context *context = NULL;
	struct request *request = NULL;
	PyObject *trigger = NULL;

	if (!PyArg_ParseTuple(args, "O!O!O:add", state->context, &context,
			      state->request, &request, &trigger) ||
	    !queue_may_add(self, context, request, trigger)) {
		return NULL;
	}
	if (!tevent_queue_add(queue_get(self), context->ev, request->req,
			      queue_trigger, request)) {
		return PyErr_NoMemory();
	}
	Py_INCREF(trigger);
	request->trigger = trigger;
	Py_INCREF(context);
	request->context = context;
	return Py_NewRef(Py_None);
}

static PyObject *queue_start(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct tevent_queue *queue = queue_get(self);

	if (queue == NULL) {
		return NULL;
	}
	tevent_queue_start(queue);
	return Py_NewRef(Py_None);
}

static PyObject *queue_stop(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct tevent_queue *queue = queue_get(self);

	if (queue == NULL) {
		return NULL;
	}
	tevent_queue_stop(queue);
	return Py_NewRef(Py_None);
}

static PyObject *queue_get_length(PyObject *self, void *Py_UNUSED(closure))
{
	struct tevent_queue *queue = queue_get(self);

	if (queue == NULL) {
		return NULL;
	}
	return PyLong_FromSize_t(tevent_queue_length(queue));
}

static int queue_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}

static void queue_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	TALLOC_FREE(((struct queue *)self)->queue);
	module_object_free(self);
}

static PyObject *request_cancel(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct tevent_req *req = request_get(self);

	if (req == NULL) {
		return NULL;
	}
	if (!tevent_req_cancel(req)) {
		PyErr_SetNone(PyExc_RuntimeError);
		return NULL;
	}
	return Py_NewRef(Py_None);
}

static PyObject *request_nothing(PyObject *Py_UNUSED(self),
				 PyObject *Py_UNUSED(args))
{
	return Py_NewRef(Py_None);
}

static PyObject *request_get_nothing(PyObject *Py_UNUSED(self),
				     void *Py_UNUSED(closure))
{
	return Py_NewRef(Py_None);
}

static int request_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct request *)self)->context);
	Py_VISIT(((struct request *)self)->trigger);
	return 0;
}

/* The request first: it leaves its queue, which then asks for no trigger. */
static int request_clear(PyObject *self)
{
	TALLOC_FREE(((struct request *)self)->req);
	Py_CLEAR(((struct request *)self)->trigger);
	Py_CLEAR(((struct request *)self)->context);
	return 0;
}

static void request_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	(void)request_clear(self);
	module_object_free(self);
}

static PyMethodDef queue_methods[] = {
	{ "add", queue_add, METH_VARARGS,
	  "add(ctx, req, trigger)\n--\n\n"
	  "Calls trigger(req) in the loop ctx when it is the turn of req." },
	{ "start", queue_start, METH_NOARGS,
	  "start()\n--\n\nLets the queue go on." },
	{ "stop", queue_stop, METH_NOARGS,
	  "stop()\n--\n\nHolds the queue back." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef queue_attributes[] = {
	{ .name = "length",
	  .get = queue_get_length,
	  .doc = "The number of requests in the queue." },
	{ .name = NULL },
};

static char queue_doc[] = "Requests that take turns.";

static PyType_Slot queue_slots[] = {
	{ Py_tp_doc, queue_doc },           { Py_tp_traverse, queue_traverse },
	{ Py_tp_dealloc, queue_dealloc },   { Py_tp_methods, queue_methods },
	{ Py_tp_getset, queue_attributes }, { 0, NULL },
};

/* What is there in stock and does nothing (B1607): programs that call it must
 * still run. */
#define NOTHING(name)                                                \
	{                                                            \
		name, request_nothing, METH_VARARGS, "Does nothing." \
	}

static PyMethodDef request_methods[] = {
	{ "cancel", request_cancel, METH_NOARGS,
	  "cancel()\n--\n\nAsks the request to stop." },
	NOTHING("done"),
	NOTHING("is_error"),
	NOTHING("notify_callback"),
	NOTHING("poll"),
	NOTHING("post"),
	NOTHING("received"),
	NOTHING("set_endtime"),
	NOTHING("set_error"),
	NOTHING("wakeup_recv"),
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef request_attributes[] = {
	{ .name = "in_progress", .get = request_get_nothing, .doc = "None." },
	{ .name = NULL },
};

static char request_doc[] = "Something that is under way.";

static PyType_Slot request_slots[] = {
	{ Py_tp_doc, request_doc },
	{ Py_tp_traverse, request_traverse },
	{ Py_tp_clear, request_clear },
	{ Py_tp_dealloc, request_dealloc },
	{ Py_tp_methods, request_methods },
	{ Py_tp_getset, request_attributes },
	{ 0, NULL },
};

#define QUEUE_FLAGS                                \
	(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | \
	 Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)

PyType_Spec queue_spec = {
	.name = "tevent.Queue",
	.basicsize = sizeof(struct queue),
	.flags = QUEUE_FLAGS,
	.slots = queue_slots,
};

PyType_Spec request_spec = {
	.name = "tevent.Request",
	.basicsize = sizeof(struct request),
	.flags = QUEUE_FLAGS,
	.slots = request_slots,
};
