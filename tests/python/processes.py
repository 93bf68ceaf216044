# SPDX-License-Identifier: LGPL-3.0-or-later
"""Forked children, and interpreters inside of the process."""

import os
import subprocess
import sys
import threading

from tap import (READ, context, equal, in_loop_elsewhere, ok, pipe, raises,
                 child_status, skip, turn_until, wait_until)


def works(it):
    """Whether a timer fires in it."""
    fired = []
    it.add_timer_offset(0, fired.append)
    it.loop_wait()
    return len(fired) == 1


def works_anew(it):
    return it.reinitialise() is None and works(it)


def test_fork():
    it = context()
    seen = []
    timer = it.add_timer_offset(0, seen.append)
    equal(child_status(works_anew, it), 0,
          "B701 a child may call reinitialise() and go on")
    ok(timer.active, "B701 without a change to its parent")
    it.loop_wait()
    equal(len(seen), 1, "B701 whose timer fires")


def test_fork_in_handler():
    it = context()
    status = []
    it.add_timer_offset(0, lambda now: status.append(
        child_status(works_anew, it)))
    it.loop_wait()
    equal(status, [0], "B701 also one that was forked by a handler")
    ok(works(it), "B701 the parent goes on")


def test_fork_beside_the_loop():
    it = context()
    status = []

    def child():
        try:
            it.loop_once()
        except RuntimeError:
            return works_anew(it)
        return False

    with pipe() as (reading, writing):
        woken = []
        fd = it.add_fd(reading, READ, woken.append)

        def other():
            wait_until(lambda: in_loop_elsewhere(it))
            status.append(child_status(child))
            os.write(writing, b"x")

        thread = threading.Thread(target=other)
        thread.start()
        turn_until(it, lambda: woken)
        thread.join()
        del fd
    equal(status, [0], "B701 also one that another thread has forked")
    ok(works(it), "B701 the parent goes on")


def test_exit():
    code = """
import os, tevent
it = tevent.Context()
it.add_timer_offset(1000, lambda now: it)
fd = it.add_fd(os.pipe()[0], 1, print)
came = it.add_signal(10, 0, lambda *args: (it, fd, came))
"""
    result = subprocess.run([sys.executable, "-c", code], check=False)
    equal(result.returncode, 0, "B1603 a program may end with all of it there")


def test_exit_beside_loops():
    code = """
import tevent, threading
turned = threading.Semaphore(0)
def work():
    it = tevent.Context()
    def again(now):
        it.add_timer_offset(0, again)
        turned.release()
    again(0)
    it.loop_wait()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(100):
    turned.acquire()
"""
    result = subprocess.run([sys.executable, "-c", code], check=False)
    equal(result.returncode, 0, "B1603 or with loops that other threads run")


def test_second_import():
    code = """
import sys, tevent
old = tevent.Context()
del sys.modules["tevent"], sys.modules["_tevent"]
import tevent as again
assert again.Context is not type(old)
for it in [old, again.Context()]:
    it.add_timer_offset(0, lambda now: None)
    it.loop_wait()
"""
    result = subprocess.run([sys.executable, "-c", code], check=False)
    equal(result.returncode, 0, "B1601 the module can be imported anew")


def test_sub_interpreter():
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        skip("this Python has no _xxsubinterpreters")
        return
    inner = interpreters.create()
    error = raises(interpreters.RunFailedError,
                   "B1601 an interpreter within is refused",
                   interpreters.run_string, inner, "import _tevent")
    ok("main interpreter only" in str(error), "B1601 which says so")
    interpreters.destroy(inner)
