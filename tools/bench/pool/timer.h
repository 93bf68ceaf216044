/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer: of a peer whose loop is one of tevent's, which it has defined. */
#ifdef POOL_LOAD
#define PEER_TIMERS

static inline void peer_timer_handler(struct tevent_context *ev,
				      struct tevent_timer *te,
				      struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	(void)private_data;
	timer_fired();
}

static inline void peer_timer_start(struct peer_loop *loop)
{
	struct tevent_timer *te = NULL;

	te = tevent_add_timer(loop->ev, loop->ev,
			      tevent_timeval_current_ofs(0, 1000),
			      peer_timer_handler, NULL);
	peer_check(te != NULL, "no timer");
}
#endif
