/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Processors: how many this process may really use.
 *
 * That is what the affinity mask allows, and no more than the CPU quota of the
 * control group (version 2) rounded up: in a container with a quota of two
 * processors on a machine of 64, more threads only wait for each other. Only
 * the group that the process is in and those above it count; without cgroup
 * files the mask alone decides.
 */
#include "threadpool/cpus.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

unsigned wf_cpus_mine(struct wf_cpus *ret_cpus)
{
	int count = 0;
	int ret = 0;

	memset(ret_cpus, 0, sizeof(*ret_cpus));
	ret = sched_getaffinity(0, sizeof(ret_cpus->parts), ret_cpus->parts);
	if (ret != 0) {
		/* As good as no limit. */
		memset(ret_cpus, 0xff, sizeof(*ret_cpus));
	}
	count = CPU_COUNT_S(sizeof(ret_cpus->parts), ret_cpus->parts);
	return (unsigned)count;
}

bool wf_cpus_add(struct wf_cpus *cpus, unsigned cpu)
{
	if (cpu >= WF_CPUS_MAX) {
		return false;
	}
	CPU_SET_S(cpu, sizeof(cpus->parts), cpus->parts);
	return true;
}

bool wf_cpus_has(const struct wf_cpus *cpus, unsigned cpu)
{
	return cpu < WF_CPUS_MAX &&
	       CPU_ISSET_S(cpu, sizeof(cpus->parts), cpus->parts) != 0;
}

/* The path of our group, "/a/b", or "/" where that cannot be told. */
static void cpus_group(char path[PATH_MAX])
{
	char line[PATH_MAX];
	FILE *file = fopen("/proc/self/cgroup", "re");

	strcpy(path, "/");
	if (file == NULL) {
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			strcpy(path, line + 3);
			break;
		}
	}
	(void)fclose(file);
}

/* What the quota of one group allows; UINT_MAX when it has none. */
static unsigned cpus_in_quota(const char *group)
{
	char name[PATH_MAX + 64];
	long long quota = 0;
	long long period = 0;
	FILE *file = NULL;
	int items = 0;

	snprintf(name, sizeof(name), CGROUP_ROOT "%s/cpu.max", group);
	file = fopen(name, "re");
	if (file == NULL) {
		return UINT_MAX;
	}
	/* "max 100000" does not begin with a number. */
	items = fscanf(file, "%lld %lld", &quota, &period);
	(void)fclose(file);
	if (items != 2 || quota <= 0 || period <= 0) {
		return UINT_MAX;
	}
	return (unsigned)((quota + period - 1) / period);
}

unsigned wf_cpus_usable(void)
{
	char group[PATH_MAX];
	struct wf_cpus mine;
	unsigned usable = wf_cpus_mine(&mine);

	cpus_group(group);
	for (;;) {
		unsigned quota = cpus_in_quota(group);
		char *slash = strrchr(group, '/');

		if (quota < usable) {
			usable = quota;
		}
		if (slash == NULL || group[0] == '\0') {
			break;
		}
		*slash = '\0';
	}
	return usable > 0 ? usable : 1;
}
