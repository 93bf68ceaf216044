# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is there: names, arguments, refusals."""

import re
import types

import _tevent
import tevent
from tap import BACKENDS, context, equal, ok, raises

TYPES = ["Context", "Fd", "Queue", "Request", "Signal", "Timer"]


def public(thing):
    return sorted(name for name in vars(thing) if not name.startswith("_"))


def noop(*unused):
    pass


def test_module():
    equal(public(_tevent), sorted(TYPES + ["backend_list",
                                           "set_default_backend"]),
          "B1601 _tevent has two functions and six types, no constants")
    ok(re.fullmatch(r"\d+\.\d+\.\d+", _tevent.__version__),
       "B1601 __version__ is the package's: " + _tevent.__version__)
    for name in TYPES:
        kind = getattr(_tevent, name)
        equal((type(kind), repr(kind)), (type, "<class 'tevent.%s'>" % name),
              "B1601 %s is displayed as tevent.%s" % (name, name))
    equal(public(tevent), ["Context", "Signal", "backend_list"],
          "B1602 tevent re-exports no more than its part")
    ok(tevent.__version__ is _tevent.__version__ and
       tevent.Context is _tevent.Context and
       tevent.Signal is _tevent.Signal and
       tevent.backend_list is _tevent.backend_list,
       "B1602 and these are the same objects")


def test_backends():
    names = tevent.backend_list()
    equal(names, ["standard", "epoll", "poll_mt", "poll"],
          "B1601 backend_list() has the names in the library's order")
    raises(TypeError, "B1601 backend_list(1)", tevent.backend_list, 1)
    for name in names:
        ok(isinstance(tevent.Context(name), tevent.Context),
           "B1603 Context(%r)" % name)
    for args in [(), (1,), ("poll", 1), (None,)]:
        raises(TypeError, "B1601 set_default_backend%r" % (args,),
               _tevent.set_default_backend, *args)
    try:
        equal(_tevent.set_default_backend("no such"), None,
              "B1601 set_default_backend() gives None")
        raises(RuntimeError, "B1601 and is meant for each later Context()",
               tevent.Context)
        ok(tevent.Context("poll"), "B1601 that is not given a name")
    finally:
        _tevent.set_default_backend("standard")


def test_construction():
    ok(tevent.Context(), "B1603 Context()")
    ok(tevent.Context(None), "B1603 Context(None)")
    ok(tevent.Context(name="poll"), "B1603 Context(name='poll')")
    for name in ["select", ""]:
        error = raises(RuntimeError, "B1603 Context(%r)" % name,
                       tevent.Context, name)
        equal(error.args, (), "B1603 without a message")
    raises(TypeError, "B1603 Context(1)", tevent.Context, 1)
    raises(TypeError, "B1603 Context('poll', 1)", tevent.Context, "poll", 1)
    raises(ValueError, "B1603 Context('po\\0ll')", tevent.Context, "po\0ll")
    for name in TYPES[1:]:
        kind = getattr(_tevent, name)
        raises(TypeError, "B1603 %s() cannot be constructed" % name, kind)
        raises(TypeError, "B1603 nor by object.__new__", object.__new__, kind)
    raises(TypeError, "B1603 nor is a type derived from Context",
           type, "Mine", (tevent.Context,), {})
    raises(TypeError, "B1603 or changed", setattr, tevent.Context, "more", 1)


def test_members():
    equal(public(_tevent.Context),
          ["add_fd", "add_signal", "add_timer", "add_timer_offset",
           "loop_once", "loop_wait", "reinitialise", "signal_support",
           "wakeup_send"], "B1604 the members of Context")
    equal(public(_tevent.Timer), ["active"], "B1605 the members of Timer")
    equal(public(_tevent.Signal) + public(_tevent.Fd), [],
          "B1606 Signal and Fd have none")
    equal(public(_tevent.Queue), ["add", "length", "start", "stop"],
          "B1607 the members of Queue")
    equal(public(_tevent.Request),
          ["cancel", "done", "in_progress", "is_error", "notify_callback",
           "poll", "post", "received", "set_endtime", "set_error",
           "wakeup_recv"], "B1607 the members of Request")
    for kind, name in [("Timer", "active"), ("Context", "signal_support"),
                       ("Queue", "length"), ("Request", "in_progress")]:
        equal(type(getattr(getattr(_tevent, kind), name)),
              types.GetSetDescriptorType,
              "B1601 %s.%s is an attribute" % (kind, name))


def test_context_arguments():
    it = context()
    ok(it.signal_support is True, "B1604 signal_support")
    raises(AttributeError, "B1604 can only be read", setattr, it,
           "signal_support", False)
    equal(it.wakeup_send(1.5), None, "B1604 wakeup_send(t) gives None")
    raises(TypeError, "B1604 wakeup_send() takes one argument",
           it.wakeup_send)
    for name in ["loop_once", "loop_wait", "reinitialise"]:
        raises(TypeError, "B1604 %s(1)" % name, getattr(it, name), 1)
    for name, good, bad in [
            ("add_signal", (10, 0, noop),
             [(10, 0), ("a", 0, noop), (10, "a", noop), (10, 0, 1),
              (10, 0, None), (10, 0, noop, 1)]),
            ("add_fd", (0, 0, noop),
             [(0, 0), ("a", 0, noop), (0, "a", noop), (0, 0, 1),
              (0, 0, noop, 1)]),
            ("add_timer", (0.0, noop),
             [(0.0,), ("a", noop), (0.0, 1), (0.0, noop, 1)]),
            ("add_timer_offset", (9, noop),
             [(9,), ("a", noop), (9, None), (9, noop, 1)])]:
        method = getattr(it, name)
        ok(method(*good), "B1604 %s%r" % (name, good[:-1]))
        for args in bad:
            raises(TypeError, "B1604 %s%r" % (name, args), method, *args)
    for flags in [-1, 65536, 2 ** 31 - 1]:
        raises(OverflowError, "B1604 add_fd() with flags %d" % flags,
               it.add_fd, 0, flags, noop)


def test_failures():
    for backend in BACKENDS:
        it = context(backend)
        error = raises(RuntimeError, "B1604 add_fd(-1) fails on " + backend,
                       it.add_fd, -1, 1, noop)
        equal(error.args, (), "B1604 without a message")
        for signum in [-1, 0, 9, 65, 100000]:
            error = raises(OSError, "B1606 add_signal(%d) fails on %s" %
                           (signum, backend), it.add_signal, signum, 0, noop)
            equal(error.errno, 22, "B1606 with the error of the system")
        equal(it.loop_wait(), None, "B1604 what failed is not in the loop")
