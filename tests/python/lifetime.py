# SPDX-License-Identifier: LGPL-3.0-or-later
"""What keeps what alive, and what may be dropped when."""

import gc
import os
import signal
import sys
import weakref

import _tevent
from tap import BACKENDS, WRITE, context, equal, ok, pipe, turn_until


class Holder:
    """Holds what is put into it, and knows how to be called back."""

    def handler(self, *args):
        pass


class Token:
    """Something whose end can be seen, that can be called."""

    def __call__(self, *args):
        pass


def test_handlers_live_as_long_as_needed():
    it = context()
    with pipe() as (_, writing):
        for name, add in [
                ("Timer", lambda fn: it.add_timer_offset(0, fn)),
                ("Fd", lambda fn: it.add_fd(writing, WRITE, fn)),
                ("Signal", lambda fn: it.add_signal(signal.SIGUSR1, 0, fn))]:
            token = Token()
            gone = weakref.ref(token)
            event = add(token)
            del token
            gc.collect()
            ok(gone() is not None, "B1604 a %s holds its handler" % name)
            if name == "Timer":
                it.loop_wait()
                ok(gone() is None, "B1605 until it has fired")
            else:
                del event
                ok(gone() is None, "B1606 until it goes itself")


def test_context_gone():
    for backend in BACKENDS:
        it = context(backend)
        called = []
        before = sys.getrefcount(called)
        with pipe() as (_, writing):
            events = [it.add_timer_offset(0, called.append),
                      it.add_fd(writing, WRITE, called.append),
                      it.add_signal(signal.SIGUSR1, 0, called.append)]
            it = None
            ok(events[0].active is False,
               "B1605 a context may go before its events, on " + backend)
            events.clear()
            ok(sys.getrefcount(called) == before,
               "B1606 its events may go after it")
        equal(called, [], "B1606 nothing was called")
        equal(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL,
              "B512 the signal is as it was before")


def test_cycles():
    with pipe() as (_, writing):
        for name, add in [
                ("Fd", lambda it, fn: it.add_fd(writing, WRITE, fn)),
                ("Signal",
                 lambda it, fn: it.add_signal(signal.SIGUSR1, 0, fn)),
                ("Timer", lambda it, fn: it.add_timer_offset(1000, fn))]:
            holder = Holder()
            gone = weakref.ref(holder)
            holder.context = context()
            holder.event = add(holder.context, holder.handler)
            del holder
            gc.collect()
            ok(gone() is None,
               "B1606 a circle through a %s and its context is found" % name)
    equal(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL,
          "B512 the signal is as it was before")
    holder = Holder()
    gone = weakref.ref(holder)
    holder.context = context()
    holder.context.add_timer_offset(1000, holder.handler)
    del holder
    gc.collect()
    ok(gone() is None, "B1605 also when the Timer itself was dropped")


def test_after_the_collector():
    said = []

    class Last:
        """Uses its context when that was collected."""

        def __call__(self, *args):
            pass

        def __del__(self):
            said.append(self.context.loop_wait())

    last = Last()
    last.context = context()
    last.timer = last.context.add_timer_offset(1000, last)
    last.context = context()
    last.context.add_timer_offset(0, last)
    del last
    gc.collect()
    equal(said, [None], "B1603 a finalizer may run the loop")


def test_drop_in_own_handler():
    for backend in BACKENDS:
        it = context(backend)
        fds, signals, seen = [], [], []
        with pipe() as (_, writing):
            def fd_drops(flags):
                seen.append("fd")
                fds.clear()

            def signal_drops(signum, count):
                seen.append("signal")
                signals.clear()

            fds.append(it.add_fd(writing, WRITE, fd_drops))
            it.loop_wait()
            signals.append(it.add_signal(signal.SIGUSR1, 0, signal_drops))
            os.kill(os.getpid(), signal.SIGUSR1)
            it.loop_wait()
        equal(seen, ["fd", "signal"],
              "B201 an event may go in its own handler, on " + backend)


def test_drop_others_in_handler():
    for backend in BACKENDS:
        it = context(backend)
        events, seen = [], []

        def drops(*args):
            seen.append(args)
            events.clear()

        with pipe() as (_, writing):
            events.extend(it.add_fd(writing, WRITE, drops) for _ in range(3))
            it.loop_wait()
            equal(seen, [(WRITE,)],
                  "B201 an event may end its likes, on " + backend)
        seen.clear()
        events.extend(it.add_signal(signal.SIGUSR1, 0, drops)
                      for _ in range(3))
        os.kill(os.getpid(), signal.SIGUSR1)
        it.loop_wait()
        equal(seen, [(signal.SIGUSR1.value, 1)],
              "B204 also those whose turn would be next")


def test_drop_context_in_handler():
    for backend in BACKENDS:
        held = [context(backend)]
        seen = []
        timer = held[0].add_timer_offset(1000, seen.append)
        held[0].add_timer_offset(0, lambda now: held.clear())
        held[0].loop_once()
        ok(not held and timer.active is False,
           "B206 a handler may drop the context, on " + backend)


def test_foreign_context_in_handler():
    one = context()
    two = [context()]
    seen = []
    kept = one.add_signal(signal.SIGUSR1, 0, lambda *args: None)
    events = [two[0].add_signal(signal.SIGUSR1, 0,
                                lambda *args: (seen.append(args),
                                               two.clear()))]
    os.kill(os.getpid(), signal.SIGUSR1)
    turn_until(one, lambda: seen)
    ok(not two, "B510 a signal's handler may drop its context in another "
       "context's pass")
    del events, kept
    equal(one.loop_wait(), None, "B510 that other one goes on")


def counts():
    """What may not grow."""
    gc.collect()
    return ([sys.getrefcount(getattr(_tevent, name)) for name in
             ["Context", "Fd", "Signal", "Timer"]] +
            [len(gc.get_objects()), len(os.listdir("/proc/self/fd"))])


def round_trip(writing):
    """Each kind of thing, ended in each way."""
    it = context()
    fd = it.add_fd(writing, WRITE, lambda flags: None)
    it.loop_once()
    del fd
    came = it.add_signal(signal.SIGUSR1, 0, lambda signum, count: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    it.loop_once()
    del came
    it.add_timer_offset(0, lambda now: None)
    it.loop_wait()
    left = [it.add_timer_offset(1000, lambda now: None),
            it.add_fd(writing, WRITE, lambda flags: None)]
    for method, args in [(it.add_fd, (-1, 1, print)),
                         (it.add_signal, (-1, 0, print)),
                         (it.add_timer, (0, None)),
                         (it.add_timer, (float("nan"), print)),
                         (_tevent.Context, ("no such",))]:
        try:
            method(*args)
        except (RuntimeError, OSError, TypeError, OverflowError):
            pass
    it.reinitialise()
    it.add_timer_offset(1000, lambda now: None)
    _tevent.backend_list()
    return left


def test_no_leaks():
    with pipe() as (_, writing):
        for _ in range(10):
            round_trip(writing)
        before = counts()
        before = counts()  # the list of the first call has gone into it
        for _ in range(200):
            round_trip(writing)
        equal(counts(), before, "B1601 200 rounds leave no object, no "
              "reference to a type and no descriptor")
