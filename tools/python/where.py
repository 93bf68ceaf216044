#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""where: what the build asks of a Python.

usage: tools/python/where.py PREFIX
Prints two folders: that of Python.h, and that of modules for a program that is
installed below PREFIX. Prints nothing when modules cannot be built.
"""

import os
import sys
import sysconfig


def modules_below(prefix):
    """Where this Python looks, if that is below prefix; else its like there."""
    own = sysconfig.get_path("platlib")
    if os.path.commonpath([own, prefix]) == prefix:
        return own
    version = "python%d.%d" % sys.version_info[:2]
    return os.path.join(prefix, "lib", version, "site-packages")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        asked = sys.argv[1:] in (["--help"], ["-h"])
        print(__doc__.strip(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    headers = sysconfig.get_path("include")
    if sys.version_info >= (3, 10) and os.path.exists(
            os.path.join(headers, "Python.h")):
        print(headers, modules_below(os.path.abspath(sys.argv[1])))
    return 0


sys.exit(main())
