# SPDX-License-Identifier: LGPL-3.0-or-later
"""Each allocation fails once: whoever asked is told, and nothing is harmed.

The shim that is preloaded lets the Nth allocation fail, of Python and of the
libraries; PYTHONMALLOC=malloc shows it Python's own.
"""

import ctypes
import gc
import importlib.util
import os
import signal
import sys

import _tevent
from queues import new_queue, new_request
from tap import WRITE, context, equal, ok, pipe, skip, unraisable

MALLOC, _EVENTFD, EPOLL_CREATE = range(3)
NTH_MAX = 3000
REFUSALS = (MemoryError, RuntimeError, OSError)

PROCESS = ctypes.CDLL(None)
HAVE_SHIM = hasattr(PROCESS, "shim_arm")


def noop(*unused):
    pass


def sweep(name, play, refusals=REFUSALS):
    """Plays again and again, each time with the next allocation failing."""
    if not HAVE_SHIM:
        skip("the shim is not loaded")
        return
    arm = PROCESS.shim_arm
    arm.restype = None
    arm.argtypes = [ctypes.c_int, ctypes.c_long]
    disarm = PROCESS.shim_disarm
    disarm.restype = ctypes.c_bool
    told = set()
    finished = 0
    nth = 0
    gc.disable()
    play()
    with unraisable() as printed:
        failed = True
        while failed and nth < NTH_MAX:
            nth += 1
            try:
                arm(MALLOC, nth)
                play()
                finished += 1
            except refusals as error:
                told.add(type(error).__name__)
            failed = disarm(MALLOC)
            del printed[:]
    gc.enable()
    ok(nth > 3 and not failed, "%s: a sweep ends, %d runs" % (name, nth))
    ok(told, "%s: failures are told as %s" % (name, ", ".join(sorted(told))))
    ok(finished > 0, "%s: the last run succeeds" % name)


def types():
    gc.collect()
    return [sys.getrefcount(getattr(_tevent, name)) for name in
            ["Context", "Fd", "Queue", "Request", "Signal", "Timer"]]


def test_context():
    before = types()
    sweep("B1603 Context()", lambda: context() and context("poll"))
    equal(types(), before, "B1603 no context is left")


def test_events():
    before = types()
    with pipe() as (_, writing):
        def play():
            it = context()
            kept = [it.add_fd(writing, WRITE, noop),
                    it.add_signal(signal.SIGUSR1, 0, noop),
                    it.add_timer_offset(0, noop)]
            it.loop_once()
            it.loop_once()
            it.reinitialise()
            del kept
            it.add_timer_offset(1000, noop)

        sweep("B1604 events", play)
    equal(types(), before, "B1604 no event is left")
    equal(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL,
          "B512 no signal is left")


def test_queue():
    it = context()
    queue = new_queue()
    before = types()

    def play():
        request = new_request()
        queue.add(it, request, noop)
        it.loop_once()

    sweep("B1607 add()", play, REFUSALS + (ctypes.ArgumentError,))
    equal(types(), before, "B1607 no request is left")
    equal(queue.length, 0, "B1607 none is in the queue")


def test_module():
    spec = importlib.util.find_spec("_tevent")

    def play():
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.backend_list()

    # What Python itself calls a failure for which it has set no exception.
    sweep("B1601 import", play, REFUSALS + (SystemError,))


def refused(function):
    """What function raises when there is no epoll set for it."""
    PROCESS.shim_arm(EPOLL_CREATE, ctypes.c_long(1))
    try:
        function()
        said = None
    except RuntimeError as error:
        said = error.args
    ok(PROCESS.shim_disarm(EPOLL_CREATE), "B1603 there is no epoll set")
    return said


def test_no_epoll():
    if not HAVE_SHIM:
        skip("the shim is not loaded")
        return
    it = context("epoll")
    timer = it.add_timer_offset(0, noop)
    count = len(os.listdir("/proc/self/fd"))
    equal(refused(lambda: context("epoll")), (),
          "B1603 Context('epoll') raises RuntimeError then")
    equal(len(os.listdir("/proc/self/fd")), count, "B1603 nothing is left")
    equal(refused(it.reinitialise), (),
          "B1604 reinitialise() raises RuntimeError then")
    ok(not timer.active, "B1604 and has cancelled the timers")
    it = None
    ok(len(os.listdir("/proc/self/fd")) < count, "B1604 the context can go")
