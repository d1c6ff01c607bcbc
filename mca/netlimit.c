/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlimit.c - the kernel's limits for socket buffers (netlimit.h).
 *
 * The kernel sizes the buffers of a TCP connection by itself, better than
 * anybody who sets them, up to the third figures of net.ipv4.tcp_rmem and
 * tcp_wmem.  (SO_RCVBUF and SO_SNDBUF would end that, and are limited by
 * net.core.rmem_max and wmem_max, which are lower still.)  Debian's figures
 * allow some 30 MB/s at 100 ms.  About half of a buffer holds data, the rest
 * is what the kernel needs for it.
 *
 * Failure: a figure that cannot be read is not judged.
 */
#include "mca/netlimit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define MIB UINT64_C(1048576)

static uint64_t
third_figure(const char *path)
{
	char text[128];
	uint64_t v = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*u %*u %" SCNu64, &v) == 1 ? v : 0;
}

void
netlimit_read(struct netlimit *ret)
{
	ret->receive = third_figure("/proc/sys/net/ipv4/tcp_rmem");
	ret->send = third_figure("/proc/sys/net/ipv4/tcp_wmem");
}

uint64_t
netlimit_rtt_us(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_rtt;
}

bool
netlimit_is_low(
    const struct netlimit *l, bool sends, uint64_t rtt_us, char *text)
{
	uint64_t have = sends ? l->send : l->receive;
	uint64_t need = 2 * rtt_us * NETLIMIT_BYTES_PER_S / 1000000;

	if (have == 0 || have >= need)
		return false;
	need = (need + MIB - 1) / MIB * MIB;
	(void)snprintf(text, NETLIMIT_TEXT_LEN,
	    "at a round trip of %" PRIu64 " ms the kernel's buffers allow "
	    "about %" PRIu64 " MB/s; for 1 Gbit/s set net.ipv4.tcp_%s=\"4096 "
	    "%u %" PRIu64 "\"",
	    rtt_us / 1000, have / 2 / (rtt_us > 0 ? rtt_us : 1),
	    sends ? "wmem" : "rmem", sends ? 16384 : 131072, need);
	return true;
}

void
netlimit_check(int fd, bool sends, const char *channel)
{
	char text[NETLIMIT_TEXT_LEN];
	struct netlimit l;

	netlimit_read(&l);
	if (netlimit_is_low(&l, sends, netlimit_rtt_us(fd), text))
		mqlog(MQLOG_WARN, "channel.buffers", "channel %s: %s", channel,
		    text);
}
