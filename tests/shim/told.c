/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Told: notices when a failure reaches the program, and lets it pass.
 *
 * A library of its own, preloaded beside the shim by tools/sweep. It stands
 * before those functions of libtevent and libweft that can refuse. The first
 * one that refuses something to the program after a call has been made to fail
 * is in the report: "shim: told by _tevent_add_timer". What a program does from
 * then on is its own affair: a test may run into the NULL that it was handed.
 * Before that, each crash and each silence is the library's.
 *
 * Nothing is known here of the functions but how they refuse. Arguments are
 * handed on as twelve machine words: as many as any of them has, and those that
 * it has not are garbage that it does not look at.
 *
 * Threads: any.
 */
#include <stddef.h>

#include "tests/shim/inside.h"

typedef unsigned long word;

#define WORDS                                                           \
	word a, word b, word c, word d, word e, word f, word g, word h, \
		word i, word j, word k, word l
#define GIVEN a, b, c, d, e, f, g, h, i, j, k, l

/* A request may come back with its error in it. */
static bool has_ended(void *req)
{
	static bool (*in_progress)(void *req);

	SHIM_NEXT(in_progress, dlsym(RTLD_NEXT, "tevent_req_is_in_progress"));
	return !in_progress(req);
}

#define FUNCTION(type, name, refuses)                                  \
	type name(WORDS);                                              \
	type name(WORDS)                                               \
	{                                                              \
		static type (*next)(WORDS);                            \
		type result = 0;                                       \
                                                                       \
		SHIM_NEXT(next, dlsym(RTLD_NEXT, #name));              \
		result = next(GIVEN);                                  \
		if (refuses) {                                         \
			shim_told(#name, __builtin_return_address(0)); \
		}                                                      \
		return result;                                         \
	}

#define POINTER(name) FUNCTION(void *, name, result == NULL)
#define REQUEST(name) \
	FUNCTION(void *, name, result == NULL || has_ended(result))
#define ERROR(name) FUNCTION(int, name, result != 0)
#define TRUE(name)  FUNCTION(bool, name, !result)
#define FALSE(name) FUNCTION(bool, name, result)

POINTER(__tevent_req_create)
POINTER(_tevent_add_fd)
POINTER(_tevent_add_signal)
POINTER(_tevent_add_timer)
POINTER(_tevent_context_wrapper_create)
POINTER(_tevent_create_immediate)
POINTER(_tevent_queue_add_entry)
POINTER(_tevent_queue_add_optimize_empty)
POINTER(_tevent_queue_create)
POINTER(_tevent_req_create)
POINTER(tevent_backend_list)
POINTER(tevent_common_add_fd)
POINTER(tevent_common_add_signal)
POINTER(tevent_common_add_timer)
POINTER(tevent_common_add_timer_v2)
POINTER(tevent_context_init)
POINTER(tevent_context_init_byname)
POINTER(tevent_queue_add_entry)
POINTER(tevent_queue_add_optimize_empty)
REQUEST(tevent_queue_wait_send)
POINTER(tevent_req_get_profile)
POINTER(tevent_req_move_profile)
POINTER(tevent_req_print)
POINTER(tevent_req_profile_create)
POINTER(tevent_thread_proxy_create)
POINTER(tevent_threaded_context_create)
REQUEST(tevent_wakeup_send)

TRUE(_tevent_queue_add)
TRUE(tevent_queue_add)
TRUE(tevent_register_backend)
TRUE(tevent_req_poll)
TRUE(tevent_req_profile_append_sub)
TRUE(tevent_req_profile_set_name)
TRUE(tevent_req_set_endtime)
TRUE(tevent_req_set_profile)

FALSE(tevent_req_is_error)

ERROR(_tevent_loop_once)
ERROR(_tevent_loop_until)
ERROR(_tevent_loop_wait)
ERROR(tevent_common_loop_wait)
ERROR(tevent_common_wakeup)
ERROR(tevent_common_wakeup_init)
ERROR(tevent_re_initialise)

REQUEST(pthreadpool_tevent_job_send)
REQUEST(weft_call_send_sized)
REQUEST(weft_fsync_send_sized)
REQUEST(weft_getaddrinfo_send_sized)
REQUEST(weft_group_wait_send_located)
REQUEST(weft_job_send_sized)
REQUEST(weft_loop_stop_send_located)
REQUEST(weft_loops_stop_send_located)
REQUEST(weft_mailbox_call_send_sized)
REQUEST(weft_mailbox_loop_stop_send_located)
REQUEST(weft_open_send_sized)
REQUEST(weft_pool_drain_send_located)
REQUEST(weft_pread_send_sized)
REQUEST(weft_pwrite_send_sized)

ERROR(pthreadpool_tevent_init)
ERROR(pthreadpool_tevent_job_recv)
ERROR(weft_call_recv_block)
ERROR(weft_call_wait_block)
ERROR(weft_child_wait_block)
ERROR(weft_context_addr)
ERROR(weft_fsync_recv)
ERROR(weft_getaddrinfo_recv)
ERROR(weft_group_add)
ERROR(weft_group_create_sized)
ERROR(weft_group_wait_recv)
ERROR(weft_job_emit_block)
ERROR(weft_job_recv_block)
ERROR(weft_job_spawn_sized)
ERROR(weft_lane_create_sized)
ERROR(weft_loop_start_sized)
ERROR(weft_loop_stop_recv)
ERROR(weft_loops_start_sized)
ERROR(weft_loops_stop_recv)
ERROR(weft_mailbox_create_sized)
ERROR(weft_open_recv)
ERROR(weft_pool_attach)
ERROR(weft_pool_create_sized)
ERROR(weft_pool_drain_recv)
ERROR(weft_pool_jobs)
ERROR(weft_pool_lanes)
ERROR(weft_pool_resize)
ERROR(weft_post_block)
ERROR(weft_post_msg)
ERROR(weft_pread_recv)
ERROR(weft_pwrite_recv)
ERROR(weft_serial_create)
ERROR(weft_work_submit)
