/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's
 * instruction where there is one (chosen at run time), else by table.
 * mqcrc32c(mqcrc32c(0, a), b) is the CRC of a followed by b.  Thread-safe.
 */
#ifndef MQ_BASE_CRC32C_H
#define MQ_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t mqcrc32c(uint32_t crc, const void *data, size_t len);
/* The same by table on every processor: for tests. */
uint32_t mqcrc32c_table(uint32_t crc, const void *data, size_t len);

#endif
