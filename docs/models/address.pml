/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * address: one slot, the mailboxes that live there one after the other, and
 * those who post to addresses that may be old.
 *
 *   slot     0: nobody, else 1 + the front that is found there
 *   id[f]    the address of front f, its life: each life has a higher one
 *   ended[f] its owner has ended it; a poster that is accepted looks [MX1]
 *   word     of the port: st[m] QUEUED is in it; CLOSED refuses (word.pml)
 *   sect[p]  odd: poster p is in a read section
 *
 * The owner lives LIVES lives: makes a front, settles it in the slot [AD1],
 * runs what comes, ends it: ended, out of the slot, retired, and a look into
 * the word. The slot is used again at once. In the end the port is closed and
 * retired too. The reaper frees what is retired after a grace period: when each
 * section that was open at its beginning has ended. A message carries the
 * address, not the front; the owner looks it up when it arrives.
 *
 * Nobody touches what is freed; a message runs in the very life it was posted
 * to, or is cancelled; accepted is run and cancelled. A poster that was not told
 * that it came late had its message seen by the look that ends the life.
 *
 * RUN two posters, two lives: -DNP=2 -DK=1 -DLIVES=2
 * RUN two posts each: -DNP=2 -DK=2 -DLIVES=1
 * LONG two posters, three lives: -DNP=2 -DK=1 -DLIVES=3
 * LONG two posts each, two lives: -DNP=2 -DK=2 -DLIVES=2
 * MUTANT no grace period: -DBUG_NO_GRACE
 * MUTANT the port is freed without one: -DBUG_PORT_AT_ONCE
 * MUTANT retired before it has left the slot: -DBUG_RETIRE_FIRST
 * MUTANT looks outside of the section: -DBUG_LATE_SECTION
 * MUTANT the section ends before the post: -DBUG_EARLY_END
 * MUTANT settled before it is whole: -DBUG_SETTLE_FIRST
 * MUTANT each life has the same address: -DBUG_SAME_ADDRESS
 * MUTANT who is found is not compared: -DBUG_NO_COMPARE
 * MUTANT a message carries a pointer: -DBUG_POINTER
 * MUTANT looks into the word, then says ended: -DBUG_ENDED_LATE
 * MUTANT looks for ended, then posts: -DBUG_LOOK_FIRST
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 1
#endif
#ifndef LIVES
#define LIVES 2
#endif
#define M (NP*K)

/* of a message */
#define NEW 0
#define QUEUED 1
#define TAKEN 2
#define RUN 3
#define CANCELLED 4
#define REFUSED 5

byte slot = 0;
byte known = 0;			/* the highest address given out */
byte id[LIVES];
bool whole[LIVES];
bool ended[LIVES];
bool freed[LIVES];
bool retired[LIVES];
bool port_retired = false, port_freed = false, closed = false;
byte st[M];
byte to[M];			/* its address */
byte front[M];			/* where it was accepted */
bool late[M];
byte sect[NP];
byte done = 0;

proctype poster(byte me) {
	byte i, f, m; bool told;
	do
	:: i < K ->
		m = me * K + i;
		/* Any address that was given out, however old. */
		if
		:: known >= 1 -> to[m] = 1
		:: known >= 2 -> to[m] = 2
		:: known >= 3 -> to[m] = 3
		fi;
#ifdef BUG_LATE_SECTION
		f = slot;
		sect[me]++;
#else
		sect[me]++;
		f = slot;
#endif
		if
		:: f == 0 -> st[m] = REFUSED
		:: else ->
			f--;
			assert(!freed[f]);
			assert(whole[f]);
			if
#ifndef BUG_NO_COMPARE
			:: id[f] != to[m] -> st[m] = REFUSED
			:: id[f] == to[m] ->
#else
			:: true ->
#endif
				assert(id[f] == to[m]);
#ifdef BUG_LOOK_FIRST
				told = ended[f];
#endif
#ifdef BUG_EARLY_END
				sect[me]++;
#endif
				atomic {
					assert(!port_freed);
					if
					:: closed -> st[m] = REFUSED
					:: else -> st[m] = QUEUED;
						front[m] = f
					fi
				};
#ifndef BUG_LOOK_FIRST
				atomic {
					assert(!freed[f]);
					told = ended[f]
				};
#endif
				late[m] = told;
				told = false
			fi
		fi;
#ifdef BUG_EARLY_END
		if :: sect[me] % 2 == 1 -> sect[me]++ :: else fi;
#else
		sect[me]++;
#endif
		f = 0; m = 0;
		i++
	:: else -> break
	od;
	done++
}

/* The owner, in one go: others do not see what it takes. */
byte j, here;
inline look() {
	d_step {
		j = 0;
		do
		:: j < M ->
			if
			:: st[j] == QUEUED ->
#ifdef BUG_POINTER
				assert(!freed[front[j]]);
				st[j] = (ended[front[j]] -> CANCELLED : RUN);
#else
				here = slot;
				if
				:: here != 0 && id[here - 1] == to[j] ->
					assert(front[j] == here - 1);
					st[j] = RUN
				:: else -> st[j] = CANCELLED
				fi
#endif
			:: else
			fi;
			j++
		:: else -> break
		od;
		j = 0; here = 0
	}
}

active proctype owner() {
	byte life;
	do
	:: life < LIVES ->
#ifdef BUG_SAME_ADDRESS
		id[life] = 1;
#else
		id[life] = life + 1;
#endif
#ifdef BUG_SETTLE_FIRST
		slot = life + 1;
		whole[life] = true;
#else
		whole[life] = true;
		slot = life + 1;
#endif
		known = id[life];
		do
		:: look()
		:: break
		od;
#ifdef BUG_ENDED_LATE
		slot = 0;
		look();
		ended[life] = true;
#else
		ended[life] = true;
#ifdef BUG_RETIRE_FIRST
		retired[life] = true;
		slot = 0;
#else
		slot = 0;
#endif
		look();
#endif
		retired[life] = true;
		life++
	:: else -> break
	od;
	if
	:: (done == NP) ->
		/* Who was not told was seen. */
		d_step {
			do
			:: j < M -> assert(st[j] != QUEUED || late[j]); j++
			:: else -> break
			od;
			j = 0
		}
	:: true
	fi;
	closed = true;
	look();
#ifdef BUG_PORT_AT_ONCE
	port_freed = true;
#endif
	port_retired = true;
	(done == NP && port_freed);
	d_step {
		do
		:: j < M ->
			assert(st[j] == RUN || st[j] == CANCELLED ||
			       st[j] == REFUSED);
			j++
		:: else -> break
		od;
		j = 0;
		do
		:: j < LIVES -> assert(freed[j]); j++
		:: else -> break
		od;
		j = 0
	}
}

byte seen[NP];			/* sections as they were at the beginning */
bool batch[LIVES];
bool batch_port;

active proctype reaper() {
	byte p, f;
	do
	:: atomic {
		(port_retired && !port_freed ||
		 retired[0] && !freed[0]
#if LIVES > 1
		 || retired[1] && !freed[1]
#endif
#if LIVES > 2
		 || retired[2] && !freed[2]
#endif
		) ->
		f = 0;
		do
		:: f < LIVES -> batch[f] = retired[f]; f++
		:: else -> break
		od;
		batch_port = port_retired;
		p = 0;
		do
		:: p < NP -> seen[p] = sect[p]; p++
		:: else -> break
		od;
		p = 0; f = 0
	   };
#ifndef BUG_NO_GRACE
		do
		:: p < NP ->
			(seen[p] % 2 == 0 || sect[p] != seen[p]);
			p++
		:: else -> break
		od;
#endif
		p = 0;
		d_step {
			f = 0;
			do
			:: f < LIVES -> freed[f] = batch[f]; f++
			:: else -> break
			od;
			port_freed = batch_port;
			f = 0
		}
	:: port_freed && freed[LIVES - 1] -> break
	od
}

init {
	byte i;
	atomic {
		(known > 0);
		do
		:: i < NP -> run poster(i); i++
		:: else -> break
		od
	}
}
