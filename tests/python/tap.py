# SPDX-License-Identifier: LGPL-3.0-or-later
"""TAP, and what stands around a test of the Python module."""

import contextlib
import os
import sys
import time

import _tevent

READ = 1
WRITE = 2
BACKENDS = ["standard", "epoll", "poll"]

count = 0
failed = 0


def ok(held, name):
    """One result."""
    global count, failed
    count += 1
    if not held:
        failed += 1
    print("%sok %d - %s" % ("" if held else "not ", count, name), flush=True)
    return bool(held)


def equal(got, want, name):
    """One result: got is what it should be."""
    if not ok(got == want and type(got) is type(want), name):
        print("# got:  %r\n# want: %r" % (got, want), file=sys.stderr)


def raises(kind, name, function, *args):
    """One result: the call raises kind. Gives what was raised."""
    try:
        got = function(*args)
    except BaseException as error:  # compared next
        equal(type(error), kind, name)
        return error
    equal(got, kind, name)
    return None


def skip(why):
    """One result that cannot be had here."""
    global count
    count += 1
    print("ok %d # skip %s" % (count, why), flush=True)


def done():
    """Ends the report. Gives the exit status."""
    print("1..%d" % count, flush=True)
    return 0 if count > 0 and failed == 0 else 1


def turn_until(context, holds):
    """Turns the loop until holds(); the watchdog limits it."""
    while not holds():
        context.loop_once()


def wait_until(holds):
    """For what nobody tells; the watchdog limits it."""
    while not holds():
        time.sleep(0.001)


@contextlib.contextmanager
def pipe():
    """A pipe: (read, write), neither blocks."""
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@contextlib.contextmanager
def unraisable():
    """Collects (exception type, object) of what would be printed."""
    seen = []
    outer = sys.unraisablehook
    sys.unraisablehook = lambda it: seen.append((it.exc_type, it.object))
    try:
        yield seen
    finally:
        sys.unraisablehook = outer


def in_loop_elsewhere(context):
    """Whether another thread is in the loop of context, without the GIL."""
    try:
        context.signal_support
    except RuntimeError:
        return True
    return False


def child_status(function, *args):
    """The exit status of a forked child that calls function: 0 for true."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = 0 if function(*args) else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def context(name=None):
    """A context, by the module behind the one that programs use."""
    return _tevent.Context(name)
