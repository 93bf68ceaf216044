# SPDX-License-Identifier: LGPL-3.0-or-later
"""Runs each function test_* of the files beside this one, and says TAP.

usage: run.py [FILE...]
"""

import faulthandler
import gc
import glob
import importlib
import os
import sys
import traceback

import tap

WATCHDOG_SECONDS = 60


def tests_of(module):
    """The functions to run, as they stand in the file."""
    return [(name, thing) for name, thing in vars(module).items()
            if name.startswith("test_")]


def run(name, test):
    """Runs one; what it leaves in garbage is collected before the next."""
    seconds = WATCHDOG_SECONDS * int(os.environ.get("TEST_SCALE", "1"))
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        test()
    except Exception:  # reported, and the next one runs
        tap.ok(False, name)
        traceback.print_exc()
    gc.collect()
    faulthandler.cancel_dump_traceback_later()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    names = sys.argv[1:] or sorted(
        os.path.basename(path)[:-3]
        for path in glob.glob(os.path.join(here, "*.py")))
    for module_name in names:
        if module_name in ("run", "tap"):
            continue
        for name, test in tests_of(importlib.import_module(module_name)):
            run("%s.%s" % (module_name, name), test)
    return tap.done()


sys.exit(main())
