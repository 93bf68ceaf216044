# SPDX-License-Identifier: LGPL-3.0-or-later
"""Timers, descriptors and signals call back."""

import os
import signal
import time

import _tevent
from tap import (BACKENDS, READ, WRITE, context, equal, ok, pipe, raises,
                 turn_until, unraisable)


def bad(*unused):
    raise ValueError("bad")


def interrupt(*unused):
    raise KeyboardInterrupt


def leave(*unused):
    raise SystemExit(3)


def sender(signum):
    return lambda *unused: os.kill(os.getpid(), signum)


def test_timer():
    for backend in BACKENDS:
        it = context(backend)
        seen = []
        before = time.time()
        timer = it.add_timer(before + 0.01, lambda *args: seen.append(args))
        equal(type(timer), _tevent.Timer, "B1604 add_timer() gives a Timer")
        ok(timer.active is True, "B1605 it is active")
        raises(AttributeError, "B1605 active can only be read", setattr,
               timer, "active", False)
        equal(it.loop_wait(), None, "B1604 loop_wait() gives None")
        ok(time.time() >= before + 0.01, "B1604 when is a time in seconds")
        ok(timer.active is False, "B1605 after it it is not active")
        ok(len(seen) == 1 and len(seen[0]) == 1 and
           type(seen[0][0]) is int and
           int(before) <= seen[0][0] <= time.time(),
           "B1604 the handler gets one integer, the time, on " + backend)


def test_timer_offset():
    it = context()
    seen = []
    before = time.time()
    it.add_timer_offset(0.02, lambda now: seen.append("later"))
    it.add_timer_offset(-5, lambda now: seen.append("past"))
    it.add_timer_offset(0, lambda now: seen.append("now"))
    it.add_timer(0, lambda now: seen.append("zero"))
    it.add_timer(-3.75, lambda now: seen.append("before 1970"))
    it.loop_wait()
    equal(seen, ["before 1970", "zero", "past", "now", "later"],
          "B1604 timers fire in the order of their times")
    ok(time.time() >= before + 0.02, "B1604 an offset is in seconds")
    it.add_timer(0.9999999, lambda now: seen.append("almost 1"))
    it.loop_wait()
    equal(seen[5:], ["almost 1"], "B1604 microseconds are rounded up")
    far = [it.add_timer(1e15, bad), it.add_timer_offset(1e15, bad)]
    ok(all(timer.active for timer in far), "B1604 a far time is a time")
    for value in [float("inf"), float("-inf"), float("nan"), 1e300]:
        raises(OverflowError, "B1604 add_timer(%r)" % value, it.add_timer,
               value, bad)
        raises(OverflowError, "B1604 add_timer_offset(%r)" % value,
               it.add_timer_offset, value, bad)


def test_timer_dropped():
    it = context()
    seen = []
    it.add_timer_offset(0, seen.append)
    it.loop_once()
    equal(len(seen), 1, "B1605 a timer fires although its object was dropped")
    timer = it.add_timer_offset(0, seen.append)
    it = None
    ok(timer.active is False, "B1605 and is cancelled with its context")
    equal(len(seen), 1, "B1605 it has not fired")


def test_timer_in_handler():
    it = context()
    seen = []
    timers = []

    def again(now):
        seen.append(timers[-1].active)
        if len(timers) < 3:
            timers.append(it.add_timer_offset(0, again))

    timers.append(it.add_timer_offset(0, again))
    it.loop_wait()
    equal(seen, [False] * 3, "B1605 in its handler a timer is through")


def test_fd():
    for backend in BACKENDS:
        it = context(backend)
        seen = []
        with pipe() as (reading, writing):
            fd = it.add_fd(reading, READ, lambda *args: seen.append(args))
            equal(type(fd), _tevent.Fd, "B1604 add_fd() gives an Fd")
            os.write(writing, b"x")
            equal(it.loop_once(), None, "B1604 loop_once() gives None")
            equal(seen, [(READ,)], "B1604 handler(flags) on " + backend)
            it.loop_once()
            equal(seen, [(READ,)] * 2, "B1604 while it is ready")
            os.read(reading, 1)
            ready = it.add_fd(writing, WRITE, lambda *args: seen.append(args))
            it.loop_once()
            equal(seen[2:], [(WRITE,)], "B1604 for writing as well")
            del fd, ready
            equal(it.loop_wait(), None, "B1606 no object, no event")
            os.fstat(reading)
            ok(True, "B1606 the descriptor stays open")


def test_signal():
    for backend in BACKENDS:
        it = context(backend)
        seen = []
        before = signal.getsignal(signal.SIGUSR1)
        came = it.add_signal(signal.SIGUSR1, 0,
                             lambda *args: seen.append(args))
        equal(type(came), _tevent.Signal, "B1604 add_signal() gives a Signal")
        sender(signal.SIGUSR1)()
        turn_until(it, lambda: seen)
        equal(seen, [(signal.SIGUSR1.value, 1)],
              "B1604 handler(signum, count) on " + backend)
        sender(signal.SIGUSR1)()
        sender(signal.SIGUSR1)()
        turn_until(it, lambda: len(seen) > 1)
        equal(seen[1:], [(signal.SIGUSR1.value, 2)],
              "B1604 which counts what has come")
        del came
        equal(it.loop_wait(), None, "B1606 no object, no event")
        equal(signal.getsignal(signal.SIGUSR1), before,
              "B1606 and the signal is as it was before")


def test_signal_once():
    it = context()
    seen = []
    came = it.add_signal(signal.SIGUSR1, 0x80000000 - 2 ** 32, seen.append)
    ok(came, "B1604 sa_flags may be SA_RESETHAND")
    once = []
    del came
    came = it.add_signal(signal.SIGUSR1, 0x80000000 - 2 ** 32,
                         lambda *args: once.append(args))
    sender(signal.SIGUSR1)()
    turn_until(it, lambda: once)
    equal(it.loop_wait(), None, "B507 then the first is the last")
    del came
    ok(True, "B507 and its object may be dropped")


def test_signal_information():
    it = context()
    seen = []
    came = it.add_signal(signal.SIGUSR1, 4, lambda *args: seen.append(args))
    sender(signal.SIGUSR1)()
    turn_until(it, lambda: seen)
    equal(seen, [(signal.SIGUSR1.value, 1)],
          "B1604 with SA_SIGINFO the handler gets the same two")
    del came


def test_exceptions():
    for raiser, kind in [(bad, ValueError), (interrupt, KeyboardInterrupt),
                         (leave, SystemExit)]:
        it = context()
        seen = []
        with pipe() as (reading, writing), unraisable() as printed:
            it.add_timer_offset(0, raiser)
            fd = it.add_fd(writing, WRITE, raiser)
            came = it.add_signal(signal.SIGUSR1, 0, raiser)
            sender(signal.SIGUSR1)()
            turn_until(it, lambda: len(printed) >= 3)
            del fd, came
            equal(sorted({name for name, _ in printed}, key=str), [kind],
                  "B1605 a %s is printed" % kind.__name__)
            ok(all(thing is raiser for _, thing in printed),
               "B1605 with the handler's name")
            it.add_timer_offset(0, seen.append)
            equal(it.loop_wait(), None, "B1605 and the loop goes on")
        equal(len(seen), 1, "B1605 with the next event")


def test_wrong_signature():
    it = context()
    with pipe() as (_, writing), unraisable() as printed:
        it.add_timer_offset(0, lambda: None)
        it.loop_wait()
        fd = it.add_fd(writing, WRITE, lambda one, two: None)
        it.loop_once()
        equal(printed[0][0], TypeError,
              "B1605 a handler that takes no argument is told so")
        equal(printed[1][0], TypeError, "B1605 so is one that takes too many")
        del fd


def test_python_signal():
    it = context()
    fired = []

    def raise_once(signum, frame):
        if not fired:
            fired.append(signum)
            raise KeyboardInterrupt

    for method in [it.loop_wait, it.loop_once]:
        keep = it.add_timer_offset(1000, bad)
        fired.clear()
        before = signal.signal(signal.SIGALRM, raise_once)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        raises(KeyboardInterrupt, "B1604 what a signal handler of Python "
               "raises ends %s()" % method.__name__, method)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        ok(keep.active, "B1604 and leaves the events as they are")
    done = []
    it.add_timer_offset(0, done.append)
    it.loop_once()
    equal(len(done), 1, "B1604 the loop can be run again")


def test_nesting():
    it = context()
    other = context()
    caught = []
    inner = []

    def nest(now):
        for method in [it.loop_once, it.loop_wait]:
            try:
                method()
            except RuntimeError as error:
                caught.append(str(error))
        other.add_timer_offset(0, inner.append)
        other.loop_wait()

    it.add_timer_offset(0, nest)
    it.loop_wait()
    equal(caught, ["the loop runs already"] * 2,
          "B140 a loop within itself is refused")
    equal(len(inner), 1, "B140 another loop within it is not")


def test_reinitialise():
    for backend in BACKENDS:
        it = context(backend)
        seen = []
        with pipe() as (_, writing):
            timer = it.add_timer_offset(0, seen.append)
            fd = it.add_fd(writing, WRITE, seen.append)
            came = it.add_signal(signal.SIGUSR1, 0, seen.append)
            equal(it.reinitialise(), None, "B1604 reinitialise() gives None")
            ok(timer.active is False, "B701 timers are cancelled")
            equal(it.loop_wait(), None, "B701 the context is empty")
            equal(seen, [], "B701 no handler has run, on " + backend)
            fresh = it.add_fd(writing, WRITE, seen.append)
            it.loop_once()
            equal(seen, [WRITE], "B701 and it is usable")
            del fd, came, fresh
            it.loop_wait()


def test_reinitialise_in_handler():
    it = context()
    seen = []
    it.add_timer_offset(0, lambda now: seen.append(it.reinitialise()))
    it.add_timer_offset(0, seen.append)
    it.loop_once()
    equal(seen, [None], "B701 a handler may call reinitialise()")
    it.add_timer_offset(0, seen.append)
    it.loop_wait()
    equal(len(seen), 2, "B701 what comes later is served")
