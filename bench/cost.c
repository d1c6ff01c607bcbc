/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost.c - what a queue manager costs, read from /proc and /sys while mqbench
 * loads it: memory, bytes written; and how many processors it may use.
 *
 * Neighbours: run.c and its like ask before and after.  What cannot be read
 * (another user's process, a file system without a device) is 0.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bench/bench.h"

#define SECTOR 512u

/* The number behind `key` in a file of /proc, 0 if there is none. */
static uint64_t
proc_number(pid_t pid, const char *file, const char *key)
{
	unsigned long long v = 0;
	char path[64], line[256];
	size_t len = strlen(key);
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, len) == 0) {
			v = strtoull(line + len, NULL, 10);
			break;
		}
	(void)fclose(f);
	return v;
}

double
host_private_mib(const struct bench_host *h)
{
	/* the store's map is the page cache's, not the program's */
	return (double)proc_number(h->pid, "status", "RssAnon:") / 1024;
}

double
host_rss_mib(const struct bench_host *h)
{
	return (double)proc_number(h->pid, "status", "VmRSS:") / 1024;
}

uint64_t
host_own_written(const struct bench_host *h)
{
	return proc_number(h->pid, "io", "write_bytes:");
}

/* By anybody; 0: not known. */
static uint64_t
device_written(const struct bench_host *h)
{
	uint64_t sectors = 0;
	char path[64];
	struct stat st;
	FILE *f;

	if (stat(h->root[0] != '\0' ? h->root : ".", &st) != 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
	    major(st.st_dev), minor(st.st_dev));
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* the seventh figure is of sectors written */
	if (fscanf(f, "%*u %*u %*u %*u %*u %*u %" SCNu64, &sectors) != 1)
		sectors = 0;
	(void)fclose(f);
	return sectors * SECTOR;
}

uint64_t
host_disk_written(const struct bench_host *h)
{
	uint64_t device = device_written(h);

	return device != 0 ? device : host_own_written(h);
}

/* ---- agents ---- */

static bool
is_mode(const char *mode, enum cost_kind kind)
{
	if (kind == COST_CLIENTS)
		return strcmp(mode, "clients") == 0;
	return strcmp(mode, "dial") == 0 || strcmp(mode, "answer") == 0;
}

static bool
is_agent(pid_t pid, enum cost_kind kind)
{
	char path[64], text[128] = "";
	const char *mode;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	mode = memchr(text, '\0', n);
	return mode != NULL && is_mode(mode + 1, kind);
}

/* How long it has run: its one thread. */
static double
cpu_ms_of(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	(void)fclose(f);
	return (double)ns / 1e6;
}

static void
add_agent(pid_t pid, struct cost_agents *ret)
{
	double mib =
	    (double)(proc_number(pid, "smaps_rollup", "Private_Clean:") +
		     proc_number(pid, "smaps_rollup", "Private_Dirty:")) /
	    1024;

	if (mib == 0) /* it is gone, or we are not root */
		return;
	ret->n++;
	ret->private_mib += mib;
	if (mib > ret->most_mib)
		ret->most_mib = mib;
	ret->switches +=
	    proc_number(pid, "status", "voluntary_ctxt_switches:") +
	    proc_number(pid, "status", "nonvoluntary_ctxt_switches:");
	ret->cpu_ms += cpu_ms_of(pid);
}

void
cost_agents(pid_t qmgr, enum cost_kind kind, struct cost_agents *ret)
{
	char path[64];
	int child;
	FILE *f;

	if (is_agent(qmgr, kind))
		add_agent(qmgr, ret);
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)qmgr, (int)qmgr);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fscanf(f, "%d", &child) == 1)
		cost_agents((pid_t)child, kind, ret);
	(void)fclose(f);
}

/* ---- processors ---- */

static cpu_set_t all_cores;
static bool is_one_core;

void
bench_one_core(bool one)
{
	cpu_set_t set;
	size_t first = 0;

	if (one == is_one_core)
		return;
	if (one && sched_getaffinity(0, sizeof(all_cores), &all_cores) != 0)
		bench_die("sched_getaffinity: %s", strerror(errno));
	while (!CPU_ISSET(first, &all_cores))
		first++;
	CPU_ZERO(&set);
	CPU_SET(first, &set);
	if (sched_setaffinity(0, sizeof(set), one ? &set : &all_cores) != 0)
		bench_die("sched_setaffinity: %s", strerror(errno));
	is_one_core = one;
}

bool
bench_is_one_core(void)
{
	return is_one_core;
}

const char *
bench_cores(void)
{
	return is_one_core ? ", on one core" : "";
}
