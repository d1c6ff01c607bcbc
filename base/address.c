/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.c - network addresses and patterns for them (address.h).
 *
 * Neighbours: the queue manager's channel authentication records and the
 * listener, which closes connections from blocked addresses, judge here.
 *
 * Invariants: every pattern is a range per part, so that an address is a
 * pattern of which each range holds one number, and a network one whose last
 * parts hold all.  Numbers have no leading zeros, which some take for octal.
 *
 * Failure: text that is neither is refused as a whole, never in part.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_GAP (MQADDR_PARTS + 1)

static unsigned
part_max(unsigned n)
{
	return n == 4 ? UINT8_MAX : UINT16_MAX;
}

static void
set_all(struct mqaddr_pattern *p, unsigned from)
{
	for (unsigned i = from; i < p->n; i++) {
		p->part[i].lo = 0;
		p->part[i].hi = (uint16_t)part_max(p->n);
	}
}

/* A whole address, as inet_pton() reads it. */
static bool
read_plain(const char *text, struct mqaddr_pattern *ret)
{
	struct mqaddr_pattern p = {0};
	struct in6_addr six;
	struct in_addr four;
	const uint8_t *b = NULL;

	if (inet_pton(AF_INET, text, &four) == 1) {
		b = (const uint8_t *)&four;
		p.n = 4;
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		b = six.s6_addr;
		p.n = 8;
		if (IN6_IS_ADDR_V4MAPPED(&six)) {
			b += 12;
			p.n = 4;
		}
	} else {
		return false;
	}
	for (unsigned i = 0; i < p.n; i++)
		p.part[i].lo = p.part[i].hi =
		    (uint16_t)(p.n == 4 ? b[i] : b[i * 2] << 8 | b[i * 2 + 1]);
	*ret = p;
	return true;
}

/* A network: the bits behind the first `bits` may be anything. */
static bool
widen(struct mqaddr_pattern *p, const char *bits_text)
{
	unsigned per_part = p->n == 4 ? 8 : 16;
	char *end = NULL;
	unsigned long bits = strtoul(bits_text, &end, 10);

	if (!isdigit((unsigned char)bits_text[0]) || *end != '\0' ||
	    (bits_text[0] == '0' && bits_text[1] != '\0') ||
	    bits > (unsigned long)p->n * per_part)
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		unsigned kept = bits >= per_part ? per_part : (unsigned)bits;
		unsigned mask = part_max(p->n) >> kept;

		bits -= kept;
		p->part[i].lo = (uint16_t)(p->part[i].lo & ~mask);
		p->part[i].hi = (uint16_t)(p->part[i].lo | mask);
	}
	return true;
}

static bool
read_number(const char **pp, unsigned n, uint16_t *ret)
{
	const char *p = *pp;
	char *end = NULL;
	unsigned long v;

	if (!isxdigit((unsigned char)*p) ||
	    (n == 4 && *p == '0' && isdigit((unsigned char)p[1])))
		return false;
	v = strtoul(p, &end, n == 4 ? 10 : 16);
	if (end == p || v > part_max(n) || (n == 8 && end - p > 4))
		return false;
	*pp = end;
	*ret = (uint16_t)v;
	return true;
}

/* "5", "5-9" or "*". */
static bool
read_range(const char **pp, struct mqaddr_pattern *p, unsigned at)
{
	if (**pp == '*') {
		(*pp)++;
		p->part[at].lo = 0;
		p->part[at].hi = (uint16_t)part_max(p->n);
		return true;
	}
	if (!read_number(pp, p->n, &p->part[at].lo))
		return false;
	p->part[at].hi = p->part[at].lo;
	if (**pp == '-') {
		(*pp)++;
		if (!read_number(pp, p->n, &p->part[at].hi))
			return false;
	}
	return p->part[at].hi >= p->part[at].lo;
}

/* Puts the parts behind "::" at the end, and zeros between. */
static void
open_gap(struct mqaddr_pattern *p, unsigned gap, unsigned n)
{
	unsigned tail = n - gap;

	memmove(
	    &p->part[p->n - tail], &p->part[gap], tail * sizeof(p->part[0]));
	memset(&p->part[gap], 0, (p->n - n) * sizeof(p->part[0]));
}

/* Parts with ranges and '*', and in IPv6 one "::". */
static bool
read_parts(const char *text, struct mqaddr_pattern *ret)
{
	struct mqaddr_pattern p = {.n = strchr(text, ':') != NULL ? 8 : 4};
	const char dot = p.n == 4 ? '.' : ':';
	unsigned at = 0, gap = NO_GAP;
	bool star = false;

	if (p.n == 8 && text[0] == ':' && text[1] == ':') {
		gap = 0;
		text += 2;
	}
	while (*text != '\0') {
		star = *text == '*';
		if (at == p.n || !read_range(&text, &p, at++))
			return false;
		if (*text == '\0')
			break;
		if (*text++ != dot)
			return false;
		if (p.n == 8 && *text == ':' && gap == NO_GAP) {
			gap = at;
			text++;
		} else if (*text == '\0') {
			return false;
		}
	}
	if (gap != NO_GAP && at < p.n)
		open_gap(&p, gap, at);
	else if (star)
		set_all(&p, at);
	else if (at != p.n)
		return false;
	*ret = p;
	return true;
}

bool
mqaddr_pattern(const char *text, struct mqaddr_pattern *ret)
{
	char copy[MQADDR_LEN + 1];
	struct mqaddr_pattern p = {0};
	size_t len = strnlen(text, sizeof(copy));
	char *slash;

	if (len == 0 || len > MQADDR_LEN)
		return false;
	memcpy(copy, text, len + 1);
	slash = strchr(copy, '/');
	if (slash != NULL) {
		*slash = '\0';
		if (!read_plain(copy, &p) || !widen(&p, slash + 1))
			return false;
	} else if (strcmp(copy, "*") != 0 && !read_plain(copy, &p) &&
		   !read_parts(copy, &p)) {
		return false;
	}
	*ret = p;
	return true;
}

bool
mqaddr_parse(const char *text, struct mqaddr_pattern *ret)
{
	char copy[MQADDR_LEN + 1];
	size_t len = strcspn(text, "(%");

	if (len > MQADDR_LEN)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return read_plain(copy, ret);
}

bool
mqaddr_matches(
    const struct mqaddr_pattern *pattern, const struct mqaddr_pattern *address)
{
	if (pattern->n == 0)
		return true;
	if (pattern->n != address->n)
		return false;
	for (unsigned i = 0; i < pattern->n; i++)
		if (address->part[i].lo < pattern->part[i].lo ||
		    address->part[i].hi > pattern->part[i].hi)
			return false;
	return true;
}

int
mqaddr_compare(const struct mqaddr_pattern *a, const struct mqaddr_pattern *b)
{
	if (a->n != b->n)
		return a->n == 0 ? 1 : b->n == 0 ? -1 : 0;
	for (unsigned i = 0; i < a->n; i++) {
		int wide_a = a->part[i].hi - a->part[i].lo;
		int wide_b = b->part[i].hi - b->part[i].lo;

		if (wide_a != wide_b)
			return wide_a < wide_b ? -1 : 1;
	}
	return 0;
}

bool
mqaddr_next(const char **list, struct mqaddr_pattern *ret, bool *ret_good)
{
	size_t len = strcspn(*list, ",");
	char text[MQADDR_LEN + 1];

	if (**list == '\0')
		return false;
	*ret_good = len <= MQADDR_LEN;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, *list);
	*ret_good = *ret_good && mqaddr_pattern(text, ret);
	*list += len + ((*list)[len] == ',' ? 1 : 0);
	return true;
}
