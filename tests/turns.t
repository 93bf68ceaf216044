#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Stories of threads whose turns are chosen (tests/turn): all is well with the
# libraries, and mistakes that take the right moment are found, and found again.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

stories=$BUILDDIR/turns/stories
[ -x "$stories" ] || skip_all 'there are no stories'

# What goes wrong on purpose, and the same without the mistake.
"$BUILDDIR/turns/wrong" --runs 2000 --steps 6 >"$scratch/wrong" 2>&1

# says STORY WHAT
says() {
	ok "$1: $2" grep -qE "^not ok [0-9]+ - $1: seed [0-9]+: .*$2" \
		"$scratch/wrong"
}

says pair 'not pair.met'
says sum 'not atomic_load'
says told-before 'all wait for each other'
says locks 'all wait for each other'
says endless 'it does not end'
says freed 'memory that was freed is (read|written)'
says twice 'memory is freed twice'
says kept '[0-9]+ descriptors before, [0-9]+ after'
for right in fenced summed told locked; do
	ok "$right: nothing is wrong" \
		grep -q "^ok [0-9]* - $right: 2000 seeds" "$scratch/wrong"
done

# Some thousands in all: seconds.
runs=${TURN_RUNS:-300}
ok "nothing goes wrong in $runs orders of each story" \
	"$stories" --runs "$runs"
diag "$(grep '^ok' "$scratch/.out")"

# hashes SEED
hashes() {
	"$stories" --hashes --runs 20 --seed "$1" | grep '^#'
}

is "$(hashes 100)" "$(hashes 100)" 'the same seeds are the same runs'
hashes 100 >"$scratch/hashes"
all=$(wc -l <"$scratch/hashes")
other=$(sort -k 4 -u "$scratch/hashes" | wc -l)
diag "$other of $all runs are unlike all others"
ok 'other seeds are other runs' test "$other" -ge $((all * 9 / 10))

# found STORY WHAT FILE SCRIPT: a copy with this mistake is found out, for this
# reason, and the seed that is named finds it again, by the same steps.
found() {
	tools/turns --runs 3000 --story "$1" "$3" "$4" >"$scratch/found" ||
		return 1
	cat "$scratch/found"
	seed=$(sed -n "s/^not ok 1 - $1: seed \\([0-9]*\\): $2.*/\\1/p" \
		"$scratch/found")
	[ -n "$seed" ] || return 1
	tools/turns --runs 1 --seed "$seed" --story "$1" "$3" "$4" \
		>"$scratch/again" || return 1
	sed '/^# again/d' "$scratch/found" >"$scratch/found.steps"
	sed '/^# again/d' "$scratch/again" >"$scratch/again.steps"
	cmp "$scratch/found.steps" "$scratch/again.steps"
}

ok 'a worker that sleeps without a second look misses a job: found' \
	found jobs 'all wait for each other' threadpool/worker.c \
	'/^static bool worker_idle/,/^}/s/if \(wf_crew_has_jobs\(crew\)\)/if (false)/'
diag "$(grep '^not ok' "$scratch/found")"
ok 'a port that is freed without a grace period is touched: found' \
	found posts 'memory that was freed' threadpool/port.c \
	's/if \(port->exposed\)/if (false)/'
diag "$(grep '^not ok' "$scratch/found")"
ok 'a reference that is dropped twice, if the poster was faster: found' \
	found wakes 'memory that was freed' engine/mailbox.c \
	'/tev_mailbox_close\(/,/^}/s/if \(taken.was_armed\)/if (true)/'
diag "$(grep '^not ok' "$scratch/found")"
ok 'a reference that is kept, if the poster was faster: found' \
	found wakes '[0-9]* descriptors before' engine/mailbox.c \
	'/^bool tev_mailbox_arm/,/^}/s/if \(!ok\)/if (false)/'
diag "$(grep '^not ok' "$scratch/found")"

nok 'what changes nothing is no mistake' \
	tools/turns threadpool/port.c 's/no such line//'
nok 'a story that is not known is refused' "$stories" --story none

done_testing
