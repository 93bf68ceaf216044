# SPDX-License-Identifier: LGPL-3.0-or-later
"""Queue and Request, which only an extension can make: here that is ctypes."""

import ctypes
import gc
import sys
import weakref

import _tevent
from tap import context, equal, ok, raises, unraisable

STUBS = ["done", "is_error", "notify_callback", "poll", "post", "received",
         "set_endtime", "set_error", "wakeup_recv"]

CANCEL = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)


def library():
    """The libtevent that the module has loaded."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        path = next(line.split()[-1] for line in maps
                    if "/libtevent.so" in line)
    it = ctypes.CDLL(path)
    for name in ["_tevent_queue_create", "_tevent_req_create"]:
        getattr(it, name).restype = ctypes.c_void_p
    return it


LIB = library()

new_object = ctypes.pythonapi.PyType_GenericAlloc
new_object.restype = ctypes.py_object
new_object.argtypes = [ctypes.py_object, ctypes.c_ssize_t]


def blank(kind):
    """An object that stands for nothing."""
    return new_object(kind, 0)


def pointer_in(it):
    """The first field of an object, which points to what it owns."""
    return ctypes.c_void_p.from_address(id(it) + object.__basicsize__)


def new_queue():
    it = blank(_tevent.Queue)
    pointer_in(it).value = LIB._tevent_queue_create(
        None, b"queue", b"queues.py")
    return it


def new_request():
    it = blank(_tevent.Request)
    state = ctypes.c_void_p()
    pointer_in(it).value = LIB._tevent_req_create(
        None, ctypes.byref(state), ctypes.c_size_t(8), b"char", b"queues.py")
    return it


def noop(*unused):
    pass


def test_turns():
    it = context()
    queue = new_queue()
    seen = []
    equal(queue.length, 0, "B1607 length of an empty queue")
    requests = [new_request() for _ in range(3)]
    for request in requests:
        equal(queue.add(it, request, lambda *args: seen.append(args)), None,
              "B1607 add() gives None")
    equal(queue.length, 3, "B1607 length counts")
    raises(AttributeError, "B1607 and can only be read", setattr, queue,
           "length", 1)
    equal(seen, [], "B902 nothing is called by add()")
    it.loop_wait()
    equal(len(seen), 1, "B901 the first one's trigger is called")
    ok(seen[0] == (requests[0],), "B1607 with the request")
    del request
    seen.clear()
    requests.pop(0)
    equal(queue.length, 2, "B901 its end is the next one's turn")
    equal(queue.stop(), None, "B1607 stop() gives None")
    it.loop_wait()
    equal(seen, [], "B904 a stopped queue waits")
    equal(queue.start(), None, "B1607 start() gives None")
    it.loop_wait()
    ok(seen == [(requests[0],)], "B904 and goes on when started")
    seen.clear()


def test_add_arguments():
    it = context()
    queue = new_queue()
    request = new_request()
    for args in [(), (it, request), (request, request, noop),
                 (it, it, noop), (it, request, None),
                 (it, request, noop, 1)]:
        raises(TypeError, "B1607 add() with %d wrong arguments" % len(args),
               queue.add, *args)
    equal(queue.length, 0, "B1607 adds nothing")
    queue.add(it, request, noop)
    raises(RuntimeError, "B1607 a request can be added once", queue.add, it,
           request, noop)
    for name in ["start", "stop"]:
        raises(TypeError, "B1607 %s(1)" % name, getattr(queue, name), 1)


def test_trigger_exception():
    it = context()
    queue = new_queue()
    requests = [new_request(), new_request()]
    seen = []

    def bad(request):
        raise ValueError("bad")

    queue.add(it, requests[0], bad)
    queue.add(it, requests[1], seen.append)
    with unraisable() as printed:
        it.loop_wait()
    equal(len(printed), 1, "B1605 what a trigger raises is printed")
    ok(printed[0] == (ValueError, bad), "B1605 with its name")
    requests.pop(0)
    it.loop_wait()
    ok(seen == requests, "B1605 the queue goes on")
    seen.clear()


def test_trigger_drops():
    it = context()
    queue = [new_queue()]
    requests = [new_request()]
    seen = []

    def drops(request):
        requests.clear()
        queue.clear()
        seen.append("called")

    queue[0].add(it, requests[0], drops)
    it.loop_wait()
    equal(seen, ["called"], "B908 a trigger may drop request and queue")


def test_lifetime():
    class Token:
        def __call__(self, request):
            pass

    it = context()
    queue = new_queue()
    request = new_request()
    token = Token()
    gone = weakref.ref(token)
    before = sys.getrefcount(it)
    queue.add(it, request, token)
    equal(sys.getrefcount(it), before + 1, "B913 a request holds its context")
    del token
    ok(gone() is not None, "B1607 and its trigger")
    del request
    ok(gone() is None and sys.getrefcount(it) == before, "B1607 until it goes")
    equal(queue.length, 0, "B901 and leaves the queue")

    request = new_request()
    token = Token()
    gone = weakref.ref(token)
    token.circle = [it, queue, request, token]
    queue.add(it, request, token)
    del token, request, it, queue
    gc.collect()
    ok(gone() is None, "B1607 a circle through a trigger is found")


def test_queue_gone():
    it = context()
    queue = new_queue()
    request = new_request()
    seen = []
    queue.add(it, request, seen.append)
    del queue
    it.loop_wait()
    equal(seen, [], "B909 no trigger after the queue is gone")


def test_cancel():
    asked = []
    agree = CANCEL(lambda pointer: asked.append(pointer) or True)
    request = new_request()
    pointer = pointer_in(request).value
    error = raises(RuntimeError, "B1607 cancel() of what cannot be cancelled",
                   request.cancel)
    equal(error.args, (), "B1607 without a message")
    setter = getattr(LIB, "tevent_req_set_cancel_fn")
    setter(ctypes.c_void_p(pointer), agree)
    equal(request.cancel(), None, "B1607 cancel() gives None")
    equal(asked, [pointer], "B1607 and asks the request")
    raises(TypeError, "B1607 cancel(1)", request.cancel, 1)


def test_stubs():
    request = new_request()
    for name in STUBS:
        stub = getattr(request, name)
        equal([stub(), stub(1, "two")], [None, None],
              "B1607 %s() is a stub" % name)
    equal(request.in_progress, None, "B1607 in_progress is a stub")


def test_loop_fails():
    it = context()
    LIB.tevent_context_set_wait_timeout(
        ctypes.c_void_p(pointer_in(it).value), ctypes.c_uint32(0))
    error = raises(RuntimeError, "B1604 a loop that fails", it.loop_once)
    equal(error.args, (), "B1604 without a message")
    fired = []
    it.add_timer_offset(0, fired.append)
    equal(it.loop_wait(), None, "B1604 the next pass may succeed")
    equal(len(fired), 1, "B1604 with its event")


def test_blank():
    queue = blank(_tevent.Queue)
    request = blank(_tevent.Request)
    it = blank(_tevent.Context)
    raises(RuntimeError, "B1607 length of no queue", getattr, queue, "length")
    raises(RuntimeError, "B1607 start() of no queue", queue.start)
    raises(RuntimeError, "B1607 stop() of no queue", queue.stop)
    raises(RuntimeError, "B1607 add() to no queue", queue.add, context(),
           new_request(), noop)
    raises(RuntimeError, "B1607 add() of no request", new_queue().add,
           context(), request, noop)
    raises(RuntimeError, "B1607 add() to no context", new_queue().add, it,
           new_request(), noop)
    raises(RuntimeError, "B1607 cancel() of no request", request.cancel)
    raises(RuntimeError, "B1604 loop_once() of no context", it.loop_once)
    raises(RuntimeError, "B1604 signal_support of no context", getattr, it,
           "signal_support")
    equal(blank(_tevent.Timer).active, False, "B1605 active of no timer")
    del queue, request, it
    ok(gc.collect() >= 0, "B1603 and they can go")
