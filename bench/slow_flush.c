/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow_flush.c - libmqbench_slow_flush.so, loaded into a queue manager that is
 * measured: fdatasync() and fsync() take MQBENCH_FLUSH_MS longer, as on a slow
 * disk.
 *
 * Neighbours: host.c loads it, by LD_PRELOAD.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int fdatasync(int fd);
EXPORT int fsync(int fd);

static struct timespec flush_delay;

static void
delay(void)
{
	struct timespec left = flush_delay;

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

int
fdatasync(int fd)
{
	delay();
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	delay();
	return (int)syscall(SYS_fsync, fd);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *ms = getenv("MQBENCH_FLUSH_MS");
	long n = ms != NULL ? strtol(ms, NULL, 10) : 0;

	flush_delay.tv_sec = n / 1000;
	flush_delay.tv_nsec = n % 1000 * 1000000;
}
