/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Null tracking: talloc hangs all parentless objects of all threads in one
 * list then, so a pool refuses to be made. A program of its own, because the
 * other tests must not run with it.
 */
#include "tests/pooltest.h"

int main(void)
{
	struct weft_pool_options options = { .max = 1 };
	struct weft_pool *pool = NULL;
	int ret = 0;

	fixture_watchdog("null tracking", 20);
	talloc_enable_null_tracking();
	ret = weft_pool_create(NULL, &options, &pool);
	is_int(ret, EINVAL, "no pool while null tracking is on");
	is_ptr(pool, NULL, "and nothing is set");

	options.allow_null_tracking = true;
	ret = weft_pool_create(NULL, &options, &pool);
	is_int(ret, 0, "unless the program takes it upon itself");
	TALLOC_FREE(pool);

	talloc_disable_null_tracking();
	options.allow_null_tracking = false;
	ret = weft_pool_create(NULL, &options, &pool);
	is_int(ret, 0, "with it off again there is no objection");
	talloc_free(pool);
	return done();
}
