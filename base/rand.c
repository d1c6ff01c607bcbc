/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rand.c - random bytes for ids, and a repeatable sequence for tests.
 *
 * Neighbours: queue-manager ids, incarnations and stream ids are made of
 * mqrand_bytes(); the simulator and random tests use mqrand_next() with a
 * printed seed.
 * Failure: a kernel that refuses random bytes would make ids collide, so it
 * ends the process.
 */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/check.h"

void
mqrand_bytes(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		MQ_INVARIANT(n > 0 && (size_t)n <= len);
		p += n;
		len -= (size_t)n;
	}
}

uint64_t
mqrand_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}
