#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/sweep: a library with a mistake in it does not get past, one without
# does; and neither do ours, at a few points of each of some tests.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

[ -r "$BUILDDIR/tests/told.so" ] || skip_all 'there is no shim'

# A library that makes one allocation and reads a descriptor. What it does
# with the failure is in the environment.
cat >"$scratch/bad.c" <<'END'
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bad(const char *how, int fd);
int bad(const char *how, int fd)
{
	char *p = malloc(10);
	char c = 0;
	ssize_t got = 0;

	if (p == NULL && strcmp(how, "crash") == 0) {
		*(volatile char *)p = 1;
	} else if (p == NULL && strcmp(how, "hang") == 0) {
		pause();
	} else if (p == NULL && strcmp(how, "damage") == 0) {
		p = malloc(10);
		free(p);
	} else if (p == NULL && strcmp(how, "leak") == 0) {
		((char **)malloc(10))[0] = 0;
		return 1;
	} else if (p == NULL) {
		return 1;
	}
	do {
		got = read(fd, &c, 1);
	} while (got < 0 && errno == EINTR && strcmp(how, "lose") != 0);
	free(p);
	return c == 'x' ? 0 : 1;
}
END
cat >"$scratch/main.c" <<'END'
#include <stdlib.h>
#include <unistd.h>

int bad(const char *how, int fd);
int main(void)
{
	int fds[2];

	if (pipe(fds) != 0 || write(fds[1], "x", 1) != 1) {
		return 2;
	}
	return bad(getenv("BAD"), fds[0]);
}
END
# shellcheck disable=SC2016 # the inner shell expands it
ok 'a library with mistakes is built' sh -c '
	"$1" $3 -O0 -w -shared -fPIC -o "$2/libbad.so" "$2/bad.c" &&
	"$1" $3 -w -o "$2/bad" "$2/main.c" -L"$2" -lbad -Wl,-rpath,"$2"' \
	sh "$CC" "$scratch" "${VARIANT_FLAGS-}"

# swept HOW: what the sweep says of that library.
swept() {
	BAD=$1 tools/sweep --from libbad.so --limit 2 "$scratch/bad" \
		>"$scratch/swept" 2>&1
}

# found HOW WHAT: it is not taken, for this reason, and can be had again.
found() {
	swept "$1" && return 1
	cat "$scratch/swept"
	grep -q "^# bad, .*: $2" "$scratch/swept" &&
		grep -q "^# env .*SHIM_FAIL=" "$scratch/swept"
}

ok 'no mistake, nothing found' swept none
ok 'it has looked at each way of each call' \
	grep -q '^ok 1 - bad: 3 of 3 points' "$scratch/swept"
case ${VARIANT-} in
asan | tsan) sanitizer='a sanitizer speaks' ;;
*) sanitizer= ;;
esac
if [ "${VARIANT-}" = asan ]; then
	ok 'a leak is found' found leak "$sanitizer"
else
	skip 'nobody sees a leak here'
fi
ok 'a NULL that nobody looks at is found' \
	found crash "${sanitizer:-signal 11}"
ok 'a wait for what does not come is found' found hang 'it hangs'
if [ "${VARIANT-}" = tsan ]; then
	skip 'ThreadSanitizer takes what is freed twice'
else
	ok 'memory freed twice is found' \
		found damage "${sanitizer:-memory is damaged}"
fi
ok 'an interrupted call that is not repeated is found' \
	found lose 'it fails and was told nothing'
nok 'a test that fails by itself is not swept' \
	env BAD=none tools/sweep --from libbad.so /bin/false
is "$(tools/sweep --max 0 timeval | head -n 1)" \
	'ok 1 - timeval: 0 of 0 points' 'a test that calls nothing has no points'

[ "${VARIANT-}" != tsan ] || {
	skip 'a thread sanitizer does not forgive'
	done_testing
}
ok 'some points of some tests' tools/sweep --max 8 --seconds 10 \
	context immediate queue req signal job group post
diag "$(grep ' points' "$scratch/.out")"

done_testing
