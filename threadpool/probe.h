/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Probe: the moments at which others may look at jobs and messages.
 *
 *      submit    a job is queued             its number
 *      start     a thread begins with it     its number
 *      finish    its function has returned   its number, errno
 *      cancel    its owner gives it up       its number
 *      post      a message has been sent     address
 *      dispatch  it arrives                  address
 *
 * Each is a probe of SystemTap's kind (USDT), provider "weft", where its header
 * was there when the library was built: an instruction that does nothing, and a
 * note in the file about it. With nobody attached that is all it costs.
 *
 * The same moments are written down by a recording (trace.c): a look at a
 * pointer.
 *
 * Threads: any.
 */
#pragma once

#include "engine/base.h"
#include "threadpool/trace.h"

#ifdef __has_include
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define WF_PROBE(name, one, two) DTRACE_PROBE2(weft, name, one, two)
#endif
#endif
#ifndef WF_PROBE
#define WF_PROBE(name, one, two) ((void)(one), (void)(two))
#endif

/* Of a struct weft_job; macros, because what that is stands above this, and so
 * does wf_work_trace() (work.h). */
#define WF_PROBE_JOB(point, moment, job, error)         \
	do {                                            \
		WF_PROBE(point, (job)->id, (error));    \
		if (tev_unlikely(wf_trace_is_on())) {   \
			wf_work_trace((job), (moment)); \
		}                                       \
	} while (0)

#define wf_probe_submit(job) WF_PROBE_JOB(submit, WF_TRACE_SUBMIT, job, 0)
#define wf_probe_start(job)  WF_PROBE_JOB(start, WF_TRACE_START, job, 0)
#define wf_probe_finish(job, error) \
	WF_PROBE_JOB(finish, WF_TRACE_FINISH, job, error)
#define wf_probe_cancel(job) WF_PROBE_JOB(cancel, WF_TRACE_CANCEL, job, 0)

/* Of a message to @address. */
#define WF_PROBE_MESSAGE(point, moment, address)               \
	do {                                                   \
		WF_PROBE(point, (address), 0);                 \
		if (tev_unlikely(wf_trace_is_on())) {          \
			wf_trace_message((moment), (address)); \
		}                                              \
	} while (0)

#define wf_probe_post(address) WF_PROBE_MESSAGE(post, WF_TRACE_POST, address)
#define wf_probe_dispatch(address) \
	WF_PROBE_MESSAGE(dispatch, WF_TRACE_DISPATCH, address)
