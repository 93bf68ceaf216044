# SPDX-License-Identifier: LGPL-3.0-or-later
"""Event loops, by libtevent.

    context = tevent.Context()
    context.add_timer_offset(1.5, lambda now: print("at", now))
    context.loop_wait()

Handlers run in the thread that runs the loop. What a handler raises is printed
(sys.unraisablehook) and the loop goes on.
"""

from _tevent import __version__, backend_list, Context, Signal
