#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The Python module tevent; the tests themselves are in tests/python.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

PYTHON=${PYTHON:-python3}
module=$BUILDDIR/python/_tevent.abi3.so
command -v "$PYTHON" >/dev/null || skip_all "there is no $PYTHON"
[ -r "$module" ] || skip_all "there is no $module: it needs python3-dev"

# A sanitizer's functions must be there before the module that needs them. All
# is for Python itself, which may stand behind a script. Python keeps memory
# until its end.
preload=
shim=$BUILDDIR/tests/shim.so
[ ! -r "$shim" ] || preload=$shim
runtime=$(ldd "$module" | sed -n 's/.*=> \(.*lib[at]san[^ ]*\) .*/\1/p')
if [ -n "$runtime" ]; then
	preload="$preload $runtime"
	TEST_SCALE=4
	export TEST_SCALE
fi
PYTHON=$("$PYTHON" -c 'import sys; print(sys.executable)')

LD_PRELOAD=$preload \
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0:verify_asan_link_order=0 \
	PYTHONMALLOC=malloc PYTHONPATH=$BUILDDIR/python \
	PYTHONDONTWRITEBYTECODE=1 "$PYTHON" tests/python/run.py
