/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Request profiles: when and where requests began and ended.
 *
 * A profile is a talloc chunk of its own. A request in progress owns its
 * profile, so one that is freed unfinished leaves no trace; when the request
 * has finished, the profile passes to the profile above it, if there is one
 * (B853). Who is above and below is kept in lists beside the talloc tree: a
 * profile that was moved elsewhere keeps its place (B855), one that is freed
 * lets go of those below it (B856).
 *
 *      above <---- profile          above: the one whose list it is in, or NULL
 *        below --> beside, ...      in the order they were appended (B857)
 *
 * Texts. What requests give, the type of a state and places in sources, are
 * constants and not copied; the setters copy. A text once handed out stays
 * valid as long as the profile, also when another has been set since.
 *
 * Threads: the owner's of the loop that the request works on.
 */
#include "engine/req_profile.h"

#include "engine/list.h"

atomic_bool tev_profile_used;

struct tevent_req_profile {
	struct tevent_req_profile *above; /* NULL: in no list */
	struct tev_list beside;           /* in above->below */
	struct tev_list below;
	const char *name;
	const char *start_location;
	const char *stop_location;
	struct timeval start_time;
	struct timeval stop_time;
	uint64_t user_error;
	enum tevent_req_state state;
	pid_t pid;
};

static inline struct tevent_req_profile *profile_of(struct tev_list *node)
{
	return tev_list_entry(node, struct tevent_req_profile, beside);
}

static void profile_leave(struct tevent_req_profile *profile)
{
	tev_list_remove(&profile->beside);
	profile->above = NULL;
}

static void profile_enter(struct tevent_req_profile *profile,
			  struct tevent_req_profile *above)
{
	profile_leave(profile);
	profile->above = above;
	tev_list_append(&above->below, &profile->beside);
}

static int profile_destructor(struct tevent_req_profile *profile)
{
	struct tev_list *first = NULL;

	profile_leave(profile);
	while ((first = tev_list_first(&profile->below)) != NULL) {
		profile_leave(profile_of(first));
	}
	return 0;
}

struct tevent_req_profile *tevent_req_profile_create(TALLOC_CTX *mem_ctx)
{
	struct tevent_req_profile *profile = NULL;

	profile = talloc_zero(mem_ctx, struct tevent_req_profile);
	if (profile == NULL) {
		return NULL;
	}
	tev_list_init(&profile->beside);
	tev_list_init(&profile->below);
	talloc_set_destructor(profile, profile_destructor);
	return profile;
}

/* Makes the profile of @req: it starts now. It comes last below @above, which
 * may be NULL. @name and @location are not copied.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing; the profile is a child of @req.
 * Return: NULL when out of memory. */
struct tevent_req_profile *tev_profile_start(struct tevent_req *req,
					     struct tevent_req_profile *above,
					     const char *name,
					     const char *location)
{
	struct tevent_req_profile *profile = tevent_req_profile_create(req);

	if (profile == NULL) {
		return NULL;
	}
	profile->name = name;
	profile->start_location = location;
	profile->start_time = tevent_timeval_current();
	if (above != NULL) {
		profile_enter(profile, above);
	}
	/* Relaxed: see tev_profile_wanted(). */
	atomic_store_explicit(&tev_profile_used, true, memory_order_relaxed);
	return profile;
}

/* The profile's request has finished (B854); @location is not copied.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: true when it belongs to the profile above it now, false when it
 * stays its request's. */
bool tev_profile_stop(struct tevent_req_profile *profile, const char *location,
		      enum tevent_req_state state, uint64_t user_error)
{
	profile->stop_location = location;
	profile->stop_time = tevent_timeval_current();
	profile->state = state;
	profile->user_error = user_error;
	if (profile->above == NULL) {
		return false;
	}
	(void)talloc_steal(profile->above, profile);
	return true;
}

void tevent_req_profile_get_name(const struct tevent_req_profile *profile,
				 const char **req_name)
{
	if (req_name != NULL) {
		*req_name = profile->name;
	}
}

void tevent_req_profile_get_start(const struct tevent_req_profile *profile,
				  const char **start_location,
				  struct timeval *start_time)
{
	if (start_location != NULL) {
		*start_location = profile->start_location;
	}
	if (start_time != NULL) {
		*start_time = profile->start_time;
	}
}

void tevent_req_profile_get_stop(const struct tevent_req_profile *profile,
				 const char **stop_location,
				 struct timeval *stop_time)
{
	if (stop_location != NULL) {
		*stop_location = profile->stop_location;
	}
	if (stop_time != NULL) {
		*stop_time = profile->stop_time;
	}
}

void tevent_req_profile_get_status(const struct tevent_req_profile *profile,
				   pid_t *pid, enum tevent_req_state *state,
				   uint64_t *user_error)
{
	if (pid != NULL) {
		*pid = profile->pid;
	}
	if (state != NULL) {
		*state = profile->state;
	}
	if (user_error != NULL) {
		*user_error = profile->user_error;
	}
}

const struct tevent_req_profile *tevent_req_profile_get_subprofiles(
	const struct tevent_req_profile *profile)
{
	struct tev_list *first = tev_list_first(&profile->below);

	return first != NULL ? profile_of(first) : NULL;
}

const struct tevent_req_profile *tevent_req_profile_next(
	const struct tevent_req_profile *profile)
{
	if (profile->above == NULL ||
	    profile->beside.next == &profile->above->below) {
		return NULL;
	}
	return profile_of(profile->beside.next);
}

/* NULL is refused and stored, like a text there is no memory for. */
static bool profile_set_text(struct tevent_req_profile *profile,
			     const char **text, const char *value)
{
	*text = talloc_strdup(profile, value);
	return *text != NULL;
}

bool tevent_req_profile_set_name(struct tevent_req_profile *profile,
				 const char *name)
{
	return profile_set_text(profile, &profile->name, name);
}

bool tevent_req_profile_set_start(struct tevent_req_profile *profile,
				  const char *start_location,
				  struct timeval start_time)
{
	profile->start_time = start_time;
	return profile_set_text(profile, &profile->start_location,
				start_location);
}

bool tevent_req_profile_set_stop(struct tevent_req_profile *profile,
				 const char *stop_location,
				 struct timeval stop_time)
{
	profile->stop_time = stop_time;
	return profile_set_text(profile, &profile->stop_location,
				stop_location);
}

void tevent_req_profile_set_status(struct tevent_req_profile *profile,
				   pid_t pid, enum tevent_req_state state,
				   uint64_t user_error)
{
	profile->pid = pid;
	profile->state = state;
	profile->user_error = user_error;
}

void tevent_req_profile_append_sub(struct tevent_req_profile *parent_profile,
				   struct tevent_req_profile **sub_profile)
{
	struct tevent_req_profile *sub = talloc_move(parent_profile,
						     sub_profile);

	profile_enter(sub, parent_profile);
}
