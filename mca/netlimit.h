/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlimit.h - whether the kernel's limits let a long connection be fast.
 * Thread-safe.
 */
#ifndef MQ_MCA_NETLIMIT_H
#define MQ_MCA_NETLIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLIMIT_BYTES_PER_S 125000000u /* 1 Gbit/s */
#define NETLIMIT_TEXT_LEN 256u

/* The most bytes that the kernel buffers for one TCP socket by itself: the
 * third figure of net.ipv4.tcp_rmem or tcp_wmem.  0: not known. */
struct netlimit {
	uint64_t receive;
	uint64_t send;
};

void netlimit_read(struct netlimit *ret);
/* The round trip of a connected TCP socket, as far as the kernel knows. */
uint64_t netlimit_rtt_us(int fd);
/* True: with that round trip the limits keep a connection that sends, or one
 * that receives, below NETLIMIT_BYTES_PER_S; text (NETLIMIT_TEXT_LEN bytes)
 * says to what, and what to set. */
bool netlimit_is_low(
    const struct netlimit *l, bool sends, uint64_t rtt_us, char *text);
/* Looks at all three; a line for the log if they are low. */
void netlimit_check(int fd, bool sends, const char *channel);

#endif
