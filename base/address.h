/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h - network addresses, and the patterns for them that channel
 * authentication records hold.
 *
 *   *                    every address
 *   192.0.2.1            one; each part may be a range, 192.0.2-5.*, and a
 *                        last '*' stands for all parts that follow
 *   192.0.2.0/24         a network
 *   2001:db8::1, 2001:db8:0-ff:*, 2001:db8::/32   the same of IPv6
 *
 * An IPv4 address within IPv6 (::ffff:192.0.2.1) is the IPv4 address.  Names of
 * hosts are no addresses.  Pure; thread-safe.
 */
#ifndef MQ_BASE_ADDRESS_H
#define MQ_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define MQADDR_LEN 128u /* bytes of a pattern's text */
#define MQADDR_PARTS 8u

struct mqaddr_pattern {
	unsigned n; /* parts: 4 of IPv4, 8 of IPv6, 0: every address */

	struct {
		uint16_t lo;
		uint16_t hi;
	} part[MQADDR_PARTS];
};

/* False: the text is no pattern. */
MQ_MUST_CHECK bool mqaddr_pattern(const char *text, struct mqaddr_pattern *ret);
/* One address: "192.0.2.1", also with a port, "192.0.2.1(1414)", or with the
 * zone of a link, "fe80::1%eth0".  False: it is none. */
MQ_MUST_CHECK bool mqaddr_parse(const char *text, struct mqaddr_pattern *ret);
/* Whether a pattern stands for the address. */
bool mqaddr_matches(
    const struct mqaddr_pattern *pattern, const struct mqaddr_pattern *address);
/* Which is more specific, part by part from the left: the narrower.  Negative,
 * a; positive, b; 0, neither. */
int mqaddr_compare(
    const struct mqaddr_pattern *a, const struct mqaddr_pattern *b);
/* Takes the next of a list with commas and moves *list behind it; false at the
 * end.  *ret_good tells whether it is a pattern. */
bool mqaddr_next(const char **list, struct mqaddr_pattern *ret, bool *ret_good);

#endif
