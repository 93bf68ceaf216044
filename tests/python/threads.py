# SPDX-License-Identifier: LGPL-3.0-or-later
"""Other threads run while a loop waits, and cannot harm it."""

import os
import signal
import threading

from tap import (BACKENDS, READ, WRITE, context, equal, in_loop_elsewhere, ok,
                 pipe, raises, turn_until, wait_until)


def noop(*unused):
    pass


def beside(it, run, act):
    """Runs the loop it by run; meanwhile, inside of it, act in a thread."""
    problems = []

    def other():
        wait_until(lambda: in_loop_elsewhere(it))
        try:
            act()
        except BaseException as error:  # told below
            problems.append(error)
            raise

    thread = threading.Thread(target=other)
    thread.start()
    try:
        run()
    finally:
        thread.join()
        equal(problems, [], "B1604 the other thread was well")


def test_others_run():
    for backend in BACKENDS:
        it = context(backend)
        seen = []
        with pipe() as (reading, writing):
            fd = it.add_fd(reading, READ, seen.append)
            beside(it, lambda: turn_until(it, lambda: seen),
                   lambda: os.write(writing, b"x"))
            equal(seen, [READ],
                  "B1604 another thread ends the wait, on " + backend)
            del fd


def test_refused():
    it = context()
    seen = []
    with pipe() as (reading, writing):
        fd = it.add_fd(reading, READ, seen.append)

        def act():
            for name, args in [
                    ("loop_once", ()), ("loop_wait", ()),
                    ("reinitialise", ()), ("add_fd", (writing, WRITE, noop)),
                    ("add_signal", (signal.SIGUSR1, 0, noop)),
                    ("add_timer", (0, noop)),
                    ("add_timer_offset", (0, noop))]:
                error = raises(RuntimeError, "B1604 %s() is refused to another "
                               "thread than the loop's" % name,
                               getattr(it, name), *args)
                equal(str(error), "another thread is in this loop",
                      "B1604 which says so")
            os.write(writing, b"x")

        beside(it, lambda: turn_until(it, lambda: seen), act)
        del fd
        equal(it.loop_wait(), None, "B1604 nothing was added")


def test_drop_elsewhere():
    for backend in BACKENDS:
        it = context(backend)
        called = []
        woken = []
        with pipe() as (reading, writing), pipe() as (waking, waker):
            events = [it.add_fd(reading, READ, called.append),
                      it.add_signal(signal.SIGUSR1, 0,
                                    lambda *args: called.append(args))]
            keep = [it.add_fd(waking, READ, woken.append),
                    it.add_signal(signal.SIGUSR1, 0,
                                  lambda signum, count: woken.append(signum))]

            def act():
                events.clear()
                os.kill(os.getpid(), signal.SIGUSR1)  # now it is awake
                os.write(writing, b"x")
                os.write(waker, b"x")

            beside(it, lambda: turn_until(it, lambda: set(woken) ==
                                          {READ, signal.SIGUSR1}), act)
            equal(called, [], "B1606 an event dropped by another thread is "
                  "not called, on " + backend)
            del keep
            equal(it.loop_wait(), None, "B1606 and freed with the next pass")
            equal(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL,
                  "B1606 which a signal's disposition shows")


def test_drop_before_the_context():
    it = context()
    events = []
    woken = []
    with pipe() as (waking, waker), pipe() as (_, writing):
        keep = it.add_fd(waking, READ, woken.append)
        events.append(it.add_fd(writing, 0, noop))

        def act():
            events.clear()
            os.write(waker, b"x")

        beside(it, lambda: turn_until(it, lambda: woken), act)
        it = None
        del keep
    ok(True, "B1606 what another thread dropped goes with the context")


def test_turns():
    it = context()
    idents = []

    def turn():
        it.add_timer_offset(0, lambda now: idents.append(
            threading.get_ident()))
        it.loop_wait()

    turn()
    thread = threading.Thread(target=turn)
    thread.start()
    thread.join()
    turn()
    equal(len(set(idents)), 2, "B1604 two threads may use a loop in turns")


def test_many_loops():
    rounds = 300
    sums = []

    def work():
        it = context()
        fired = []
        with pipe() as (_, writing):
            for _ in range(rounds):
                it.add_timer_offset(0, fired.append)
                fd = it.add_fd(writing, WRITE, fired.append)
                it.loop_once()
                it.loop_once()
                del fd
        sums.append(len(fired))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(sums, [2 * rounds] * 4, "B1604 each thread may have its own loop")


def test_ctrl_c():
    it = context()
    main = threading.get_ident()
    before = signal.signal(signal.SIGUSR2, signal.default_int_handler)
    seen = []
    with pipe() as (reading, writing):
        # list.append is no Python code: the signal waits for the pass's end.
        fd = it.add_fd(reading, READ, seen.append)

        def act():
            signal.pthread_kill(main, signal.SIGUSR2)
            os.write(writing, b"x")

        raises(KeyboardInterrupt, "B1604 Ctrl-C comes out of loop_wait()",
               beside, it, it.loop_wait, act)
        del fd
    signal.signal(signal.SIGUSR2, before)
