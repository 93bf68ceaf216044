/* SPDX-License-Identifier: LGPL-3.0-or-later
 *
 * Stall: when the watch of threadpool/stall_watch.c sleeps, and who wakes it.
 *
 * A loop turns from idle to busy and back ROUNDS times and then stands in a
 * handler for ever. The watch looks at its word; where that is idle it leaves
 * its flag there, and sleeps without a time limit if nobody has called since.
 * Where the loop is busy it looks again after a while. The loop that stands
 * must be looked at: a watch that sleeps beside it is an invalid end state.
 *
 * The word is a number with two flags; only the flags are here. The futex
 * compares the count of calls under its own lock, so that is one step.
 *
 * RUN four rounds: -DROUNDS=4
 * MUTANT the loop stores its word in place of exchanging it: -DROUNDS=2 -DBUG_STORE
 * MUTANT the watch stores its flag in place of comparing: -DROUNDS=2 -DBUG_BLIND
 * MUTANT calls are counted after the flag is set: -DROUNDS=2 -DBUG_LATE_COUNT
 * MUTANT the loop wakes nobody: -DROUNDS=2 -DBUG_NO_WAKE
 */

bool busy = false;
bool flag = false;
byte calls = 0;
bool sleeps = false;
bool stands = false;
bool seen = false;

proctype loop()
{
	byte rounds = ROUNDS;
	bool found;

	do
	::
#ifdef BUG_STORE
		found = flag;
		atomic { busy = true; flag = false; }
#else
		atomic { found = flag; busy = true; flag = false; }
#endif
		if
		:: found ->
			calls++;
#ifndef BUG_NO_WAKE
			sleeps = false
#endif
		:: else
		fi;
		if
		:: rounds > 0 ->
			rounds--;
			busy = false
		:: else -> break
		fi
	od;
	stands = true
}

proctype watch()
{
	byte before;
	bool idle;

	do
	:: seen -> break
	:: else ->
#ifndef BUG_LATE_COUNT
		before = calls;
#endif
#ifdef BUG_BLIND
		idle = !busy;
		if
		:: idle -> flag = true
		:: else
		fi;
#else
		atomic {
			idle = !busy;
			if
			:: idle -> flag = true
			:: else
			fi
		};
#endif
#ifdef BUG_LATE_COUNT
		before = calls;
#endif
		if
		:: idle ->
			/* The futex: compared and asleep in one step. */
			atomic {
				if
				:: calls == before -> sleeps = true
				:: else
				fi
			};
			!sleeps
		:: else ->
			/* It stands, and is still there when it is looked at
			 * again: that is a report. */
			if
			:: stands -> seen = true
			:: else
			fi
		fi
	od
}

init {
	atomic {
		run loop();
		run watch()
	}
}
