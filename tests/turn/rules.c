/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Rules: what a seed says of a story.
 *
 *   a walk    At each step the token goes, with a chance that is drawn for the
 *             whole story (1/2 to 1/64), to anybody who can move.
 *   PCT       Each thread has a priority, and the highest that can move does;
 *             at a few steps that are drawn before, who moves falls below all
 *             others. A mistake that takes d such moments in k steps of n
 *             threads is found with a chance of 1/(n k^(d-1)) at least. The
 *             falls are none to three, and k is drawn too, 64 to 8192, so that
 *             no run has to know another one's length.
 *
 * Even seeds walk, odd ones have priorities. In every other two stores are late
 * (atomics.c). In half of all, a time-out comes early at times, while others
 * can still move.
 *
 * Threads: all data here is the token's.
 */
#include "tests/turn/inside.h"

struct turn_rules turn_rules;
static uint64_t state;

/* xorshift64*. */
uint64_t turn_dice(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

unsigned turn_choose(unsigned count)
{
	return (unsigned)(turn_dice() % count);
}

void turn_rules_draw(uint64_t seed)
{
	unsigned length = 0;
	unsigned i = 0;

	state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	/* Seeds that are near are not alike. */
	for (i = 0; i < 4; i++) {
		(void)turn_dice();
	}
	turn_rules.walks = seed % 2 == 0;
	turn_rules.late_stores = seed / 2 % 2 == 1;
	turn_rules.lag = 2U << turn_choose(6);
	turn_rules.chance = 2U << turn_choose(6);
	turn_rules.hurries = turn_choose(2) == 0 ? 0 : 64;
	turn_rules.depth = turn_choose(TURN_DEPTH);
	length = 64U << turn_choose(8);
	for (i = 0; i < turn_rules.depth; i++) {
		turn_rules.falls[i] = 1 + turn_choose(length);
	}
}

bool turn_rules_fall(uint64_t step)
{
	unsigned i = 0;

	for (i = 0; i < turn_rules.depth; i++) {
		if (turn_rules.falls[i] == step) {
			return true;
		}
	}
	return false;
}

bool turn_rules_hurry(void)
{
	return turn_rules.hurries != 0 && turn_choose(turn_rules.hurries) == 0;
}
