/* SPDX-License-Identifier: Apache-2.0 */
/* rand.h - random bytes from the kernel (getrandom(2)).  Thread-safe. */
#ifndef MQ_BASE_RAND_H
#define MQ_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void mqrand_bytes(void *buf, size_t len); /* dies if the kernel refuses */
/* A deterministic sequence for tests and simulation (SplitMix64). */
uint64_t mqrand_next(uint64_t *state);

#endif
